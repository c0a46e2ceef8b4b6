"""The files and tags that Python's publish command accepts and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Runner, write

ANSWERS = {
    "components": {"lib": {"code_type": "python", "path": "lib", "publish": True}},
    "environments": [{"name": "dev", "tag": "*"}],
}


def files(*names: str) -> dict[str, str]:
    return {f"dist/{name}": "" for name in names}


# Tag -> the published files.
TAKEN = {
    "v1.2.3": ["my_lib-1.2.3-py3-none-any.whl", "my_lib-1.2.3.tar.gz"],
    "1.2.3": ["my_lib-1.2.3.tar.gz"],
    "my-lib-v1.2.3": ["my_lib-1.2.3-1-cp311-cp311-linux_x86_64.whl"],
    "my-lib-1.2.3": ["my-lib-1.2.3.tar.gz"],
    "my-lib@1.2.3": ["my_lib-1.2.3.tar.gz"],
    "libs/v1.2.3rc1": ["my_lib-1.2.3rc1-py3-none-any.whl", "my_lib-1.2.3rc1.tar.gz"],
}


@pytest.mark.parametrize("tag", TAKEN)
def test_a_tag_that_fits(tag: str, runner: Runner, tmp_path: Path) -> None:
    runner.record("uv")
    project = write(tmp_path / "lib", files(*TAKEN[tag], ".gitignore", "notes.txt"))
    outcome = runner.run("lib/deploy", project, GITHUB_REF_NAME=tag)
    assert outcome.code == 0, outcome.output
    published = [f"dist/{name}" for name in TAKEN[tag]]
    assert runner.lines == [" ".join(["uv publish --trusted-publishing always", *published])]


# Error -> the tag, the files, and the message.
REFUSED = {
    "newer": ("v1.2.4", ["a-1.2.3.tar.gz"], "a-1.2.3.tar.gz has the version 1.2.3, and 'v1.2.4'"),
    "longer": ("v11.2.3", ["a-1.2.3.tar.gz"], "'v11.2.3' is no tag of it"),
    "shorter": ("v1.2.3", ["a-2.3.tar.gz"], "as v2.3"),
    "branch": ("main", ["a-1.2.3-py3-none-any.whl"], "'main' is no tag of it"),
    "pattern": ("v1.2.3", ["a-*.tar.gz"], "has the version *"),
    "candidate": ("v1.2.3-rc.1", ["a-1.2.3rc1.tar.gz"], "as v1.2.3rc1"),
    "between": ("v1.2.3", ["a-1.2.4.dev0+g12.tar.gz"], "has the version 1.2.4.dev0+g12"),
    "left over": ("v1.2.3", ["a-1.2.3.tar.gz", "a-1.2.2-py3-none-any.whl"], "the version 1.2.2"),
    "nothing": ("v1.2.3", ["notes.txt"], "There is no wheel and no sdist in "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_tag_that_does_not_fit(case: str, runner: Runner, tmp_path: Path) -> None:
    tag, names, says = REFUSED[case]
    runner.record("uv")
    outcome = runner.run("lib/deploy", write(tmp_path / "lib", files(*names)), GITHUB_REF_NAME=tag)
    assert outcome.code == 1
    [line] = outcome.output.splitlines()
    assert line.startswith("::error title=Publish::") and says in line
    assert runner.lines == []


@pytest.mark.parametrize("name", ["UV_PUBLISH_TOKEN", "UV_PUBLISH_PASSWORD"])
@pytest.mark.parametrize("value", ["x", ""], ids=["set", "not set up"])
def test_a_named_secret_is_used(name: str, value: str, runner: Runner, tmp_path: Path) -> None:
    """Even if it is not set: then the upload fails."""
    runner.record("uv")
    project = write(tmp_path / "lib", files("a-1.2.3.tar.gz"))
    outcome = runner.run("lib/deploy", project, GITHUB_REF_NAME="v1.2.3", **{name: value})
    assert outcome.code == 0
    assert runner.lines == ["uv publish --trusted-publishing never dist/a-1.2.3.tar.gz"]


def test_an_index_that_refuses_fails_the_job(runner: Runner, tmp_path: Path) -> None:
    runner.record("uv")
    project = write(tmp_path / "lib", files("a-1.2.3.tar.gz"))
    outcome = runner.run("lib/deploy", project, GITHUB_REF_NAME="v1.2.3", STUB_FAILS="uv publish")
    assert outcome.code == 1
