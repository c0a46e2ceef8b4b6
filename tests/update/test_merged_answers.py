"""git merges branches that change answers, and the next update uses the merged answers."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier.errors import UserMessageError
from offline_github.repository import git
from pipeline.questions import DEFAULTS
from pipeline.recorded import edited, undecided, written
from updates import CURRENT, clone_once, commit, generate, template_versions, update

ANSWERS = ".copier-answers.yml"

FILE: dict[str, Any] = {
    "_commit": "v1.0.0",
    "_src_path": "gh:acme/pipelines",
    "project_name": "shop",
    "code_types": ["python"],
    "components": {"api": {"code_type": "python", "path": "api"}, "python": {}, "web": {}},
    "dependency_map": {"python": ["api"]},
    "orchestration": "call",
    "branching": "trunk",
    "cloud": "none",
    "runner": "ubuntu-latest",
    "approval": "once",
    "pull_requests": True,
    "drift_check": False,
}

DB = {"db": {"code_type": "generic", "lint": "a\n\n"}}

CHANGES: dict[str, dict[str, Any]] = {
    "_commit": {"_commit": "v2.0.0"},
    "project_name": {"project_name": "store"},
    "code_types_folder": {"code_types_folder": "types"},
    "own_code_types": {"own_code_types": {"aqua": {"label": "Aqua"}}},
    "code_types": {"code_types": ["docker", "python"]},
    "another component": {"components": {**FILE["components"], **DB}},
    "a component's path": {"components": {**FILE["components"], "api": {"path": "services/api"}}},
    "a component less": {"components": {"api": FILE["components"]["api"], "python": {}}},
    "dependency_map": {"dependency_map": {"python": []}},
    "orchestration": {"orchestration": "dispatch"},
    "branching": {"branching": "custom", "environments": [{"name": "dev", "branch": "main"}]},
    "cloud": {"cloud": "aws"},
    "registry": {"registry": "ghcr.io"},
    "runner": {"runner": {"group": "big", "labels": ["x", "y"]}},
    "approval": {"approval": "none"},
    "pull_requests": {"pull_requests": False},
    "drift_check": {"drift_check": True},
}
"""The change of a branch: one answer, or one component. (`found` never changes after a copy.)"""


@pytest.mark.parametrize("ours", CHANGES)
def test_two_different_changes_merge_without_a_conflict(ours: str, tmp_path: Path) -> None:
    for theirs in list(CHANGES)[list(CHANGES).index(ours) + 1 :]:
        one, other = CHANGES[ours], CHANGES[theirs]
        both: dict[str, Any] = {**FILE, **one, **other}
        if one.keys() & other.keys():
            components: list[dict[str, Any]] = [one["components"], other["components"]]
            names = sorted({*components[0], *components[1]} & {*FILE["components"], "db"})
            both["components"] = {
                name: next(
                    (c[name] for c in components if c.get(name) != FILE["components"].get(name)),
                    components[0][name],
                )
                for name in names
                if not any(name in FILE["components"] and name not in c for c in components)
            }
        for name, answers in {
            "ours": {**FILE, **one},
            "base": FILE,
            "theirs": {**FILE, **other},
        }.items():
            (tmp_path / name).write_text(written(answers), encoding="utf-8")
        command = ["git", "merge-file", "-p", "ours", "base", "theirs"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8"
        )
        assert done.returncode == 0, f"{theirs}:\n{done.stdout}"
        assert yaml.safe_load(done.stdout) == both
        assert edited(done.stdout, DEFAULTS) == []


def test_text_that_looks_like_a_checksum_is_kept() -> None:
    """It does not count as a checksum either."""
    command = "# checksum cloud 000000\n  # checksum cloud 000000\n\nmake\n\n"
    answers = {**FILE, "components": {"on": {"lint": command}, "api": {"lint": command}}}
    assert yaml.safe_load(written(answers)) == answers
    assert edited(written(answers), DEFAULTS) == []


IN_VERSION_0_1 = """\
# checksums: approval=1f2d3c cloud=30a092 components=021fb5
approval: once
cloud: none
components: {}
"""


def test_checksums_of_version_0_1_are_read() -> None:
    right = IN_VERSION_0_1.replace("1f2d3c", APPROVAL)
    assert edited(right, DEFAULTS) == []
    assert edited(right.replace("cloud: none", "cloud: aws"), DEFAULTS) == ["cloud"]


APPROVAL = written({"approval": "once"}).split()[-1]


# -- real merges ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    versions = template_versions(tmp_path_factory.mktemp("template") / "versions")
    data = {
        "project_name": "shop",
        "code_types": ["python", "terraform"],
        "components": {"python": {"path": "src"}, "terraform": {"path": "infra"}},
        "branching": "trunk",
    }
    with clone_once(tmp_path_factory.mktemp("clones") / "clones"):
        yield generate(versions, tmp_path_factory.mktemp("generated") / "repository", data)


@pytest.fixture
def repository(generated: Path) -> Iterator[Path]:
    """The generated repository. The test makes the branches `ours` and `theirs`."""
    first = git("rev-list", "--max-parents=0", "HEAD", cwd=generated).decode().strip()
    yield generated
    git("reset", "--quiet", "--hard", cwd=generated)
    git("checkout", "--quiet", "--detach", first, cwd=generated)
    git("branch", "--quiet", "-D", "ours", "theirs", cwd=generated)


def branches(repository: Path, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Make two branches with an update each, and merge `theirs` into `ours`."""
    for branch, data in (("theirs", theirs), ("ours", ours)):
        git("checkout", "--quiet", "-b", branch, cwd=repository)
        update(repository, vcs_ref=CURRENT, data=data)
        commit(repository, branch)
        if branch == "theirs":
            git("checkout", "--quiet", "--detach", "HEAD~1", cwd=repository)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    merge = ["git", *identity, "merge", "--quiet", "--no-edit", "theirs"]
    subprocess.run(merge, cwd=repository, capture_output=True)


def test_the_next_update_uses_the_merged_answers(repository: Path) -> None:
    branches(repository, {"approval": "each"}, {"project_name": "store"})
    assert b"UU" not in git("status", "--porcelain", cwd=repository)
    update(repository, vcs_ref=CURRENT)
    assert git("status", "--porcelain", cwd=repository) == b""
    answers = yaml.safe_load((repository / ANSWERS).read_text(encoding="utf-8"))
    assert (answers["approval"], answers["project_name"]) == ("each", "store")


def resolved(repository: Path, **values: Any) -> None:
    """Finish the merge with these answers, below the checksums of `ours`."""
    git("checkout", "--ours", "--", ".", cwd=repository)
    file = repository / ANSWERS
    lines = file.read_text(encoding="utf-8")
    for old, new in values.values():
        assert old in lines
        lines = lines.replace(old, new)
    file.write_text(lines, encoding="utf-8")
    commit(repository, "Merged")


def test_a_resolved_conflict_is_accepted(repository: Path) -> None:
    """Both branches changed the same answer, so a person wrote a third value."""
    ours, theirs = (["docker", "python", "terraform"], ["generic", "python", "terraform"])
    branches(repository, {"code_types": ours}, {"code_types": theirs})
    assert b"UU .copier-answers.yml" in git("status", "--porcelain", cwd=repository)
    resolved(repository, code_types=("- docker\n", "- docker\n- generic\n"))
    update(repository, vcs_ref=CURRENT, data={"drift_check": True})
    commit(repository, "Updated")
    assert edited((repository / ANSWERS).read_text(encoding="utf-8"), DEFAULTS) == []


def test_an_edit_during_a_merge_is_refused(repository: Path) -> None:
    """The branches agree on the edited answer."""
    ours, theirs = (["docker", "python", "terraform"], ["generic", "python", "terraform"])
    branches(repository, {"code_types": ours}, {"code_types": theirs})
    resolved(repository, cloud=("cloud: none", "cloud: aws"))
    with pytest.raises(UserMessageError, match="cloud: edited by hand"):
        update(repository, vcs_ref=CURRENT)


def test_an_edit_before_a_merge_is_still_found() -> None:
    """A merge of merges is not mistaken for an edit."""
    texts = {
        "base": written(FILE),
        "edited": written(FILE).replace("cloud: none", "cloud: aws"),
        "aws": written({**FILE, "cloud": "aws"}),
        "gcp": written({**FILE, "cloud": "gcp"}),
    }
    merged = texts["aws"].replace("cloud: aws", "cloud: azure")
    made: dict[str, list[str]] = {
        "one": ["aws", "gcp"],
        "two": ["edited", "gcp"],
        "on": ["one", "base"],
    }
    texts |= dict.fromkeys(made, merged)

    def parents(version: str) -> list[tuple[str, str]]:
        return [(parent, texts[parent]) for parent in made.get(version, ())]

    found = {version: undecided(texts[version], DEFAULTS, parents, version) for version in made}
    assert found == {"one": [], "two": ["cloud"], "on": []}
    assert list(itertools.chain(*found.values())) == ["cloud"]
