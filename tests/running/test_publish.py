"""A library goes to a package index on a tag, by hand and again, whichever way it is started.

What holds of the tag, of a push and of a re-run is among the scenarios of `mutations/` too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from library import FILES, SDIST, WHEEL, with_uv
from offline_github import OfflineGitHub
from offline_github.repository import git
from pipelines import Made, commit, reopened

BUILD_ALONE = dict.fromkeys(["lint", "test", "security"], "")
Open = Callable[..., OfflineGitHub]


@pytest.fixture
def repository(made: Made, tmp_path: Path) -> Open:
    def open_repository(orchestration: str = "call", **settings: Any) -> OfflineGitHub:
        component = {"code_type": "python", "publish": True, **BUILD_ALONE, **settings}
        answers = {
            "components": {"lib": component},
            "branching": "release",
            "orchestration": orchestration,
        }
        name = "-".join([orchestration, *settings])
        github = with_uv(reopened(made(name, answers, FILES), tmp_path, ("main",)))
        github.forced_results = {"deployment-summary": "success", "watch": "success"}
        return github

    return open_repository


def publications(github: OfflineGitHub) -> list[dict[str, str]]:
    """The files, with their digests, that were published each time."""
    calls = [c for c in github.commands("uv") if c.arguments[0] == "publish"]
    for call in calls:
        assert call.arguments[3:] == [WHEEL, SDIST]
    return [call.files for call in calls]


@pytest.mark.parametrize("orchestration", ["call", "dispatch", "observe"])
def test_a_tag_publishes_what_was_built_once(repository: Open, orchestration: str) -> None:
    github = repository(orchestration)
    github.push("main")
    assert publications(github) == []
    github.tag("v1.2.3")
    alone = {"call": "orchestrator-release.yml"}.get(orchestration, "lib-release.yml")
    [run] = github.runs_of(alone)
    assert run.conclusion == "success" and run.ref == "refs/tags/v1.2.3"
    package = run.artifacts["lib-package-release"]
    built = {name: hashlib.sha256(package[name]).hexdigest() for name in (WHEEL, SDIST)}
    assert publications(github) == [built]
    # Though the checkout holds no tags: versions are read from them.
    assert package[WHEEL] == b"v1.2.3\n"
    deploy = "lib-release / deploy" if orchestration == "call" else "deploy"
    assert run.approvals == [(deploy, "release")]
    assert run.job(deploy).permissions["id-token"] == "write"
    # The workflow for `ci` has no such job at all.
    assert not any(key.endswith("deploy") for r in github.runs_of("lib-ci.yml") for key in r.jobs)


@pytest.mark.parametrize("tag", ["v1.2.4", "v11.2.3", "v1.2.3-rc1", "v0.1.2.3", "v2.3"])
def test_a_tag_of_another_version_publishes_nothing(repository: Open, tag: str) -> None:
    github = repository()
    [run] = github.tag(tag)
    assert run.conclusion == "failure" and publications(github) == []
    [error, *_] = run.job("lib-release / deploy").errors
    assert error == (
        f"lib-1.2.3-py3-none-any.whl has the version 1.2.3, and '{tag}' is no tag of it: tag the "
        "commit that sets the version, as v1.2.3"
    )


def test_by_hand_it_is_published_from_the_tag_alone(repository: Open) -> None:
    github = repository()
    github.forced_results["lib-release / deploy"] = "failure"
    github.tag("v1.2.3")
    del github.forced_results["lib-release / deploy"]
    sha = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
    commit(github.remote.work_tree, {"version.txt": "2.0\n"})
    github.push("main")
    from_main = github.dispatch("orchestrator-release.yml", "main", {"commit": sha})
    assert from_main.conclusion == "failure" and publications(github) == []
    [error, *_] = from_main.job("lib-release / deploy").errors
    assert "and 'main' is no tag of it" in error
    assert github.dispatch("orchestrator-release.yml", "v1.2.3").conclusion == "success"
    assert len(publications(github)) == 1


@pytest.mark.parametrize("asks", [True, False], ids=["approved", "asks-nobody"])
def test_a_rerun_asks_as_in_production(repository: Open, asks: bool) -> None:
    github = repository()
    github.environments["release-retry"] = {"reviewers": asks}
    github.fail_tool("uv", "^publish")
    [run] = github.tag("v1.2.3")
    assert run.conclusion == "failure" and len(publications(github)) == 1
    github.tools.heal()
    again = github.rerun(run, failed_only=True)
    assert again.job("lib-release / deploy").environment == "release-retry"
    assert again.approvals == ([("lib-release / deploy", "release-retry")] if asks else [])
    tried = publications(github)
    # The very files of the first attempt: nothing was built again.
    assert len(tried) == 1 + asks and tried[0] == tried[-1]
    assert len([c for c in github.commands("uv") if c.arguments[0] == "build"]) == 1


def test_a_secret_instead_of_trust(repository: Open) -> None:
    github = repository(secrets=["UV_PUBLISH_TOKEN"])
    github.environments["release"]["secrets"] = {"UV_PUBLISH_TOKEN": "of release"}
    [run] = github.tag("v1.2.3")
    assert run.conclusion == "success"
    build, publish = github.commands("uv")
    assert publish.arguments == ["publish", "--trusted-publishing", "never", WHEEL, SDIST]
    secret = {"UV_PUBLISH_TOKEN": "of release"}
    assert publish.environment == {**secret, "UV_PUBLISH_NO_ATTESTATIONS": "true"}
    assert build.environment == {}
