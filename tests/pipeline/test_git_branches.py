"""The branches of a repository, as its folder tells them without git."""

from __future__ import annotations

from pathlib import Path

import pytest
from offline_github.repository import git
from pipeline.git_branches import NO_BRANCHES, Branches, read_branches


def repository(folder: Path, *branches: str, current: str = "") -> Path:
    """A repository with a commit on each branch; without any, one that has no commit yet."""
    folder.mkdir()
    git("init", "--quiet", f"--initial-branch={current or branches[0]}", cwd=folder)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    if branches:
        git(*identity, "commit", "--quiet", "--allow-empty", "--message", "x", cwd=folder)
    for branch in branches:
        if branch != (current or branches[0]):
            git("branch", branch, cwd=folder)
    return folder


# The branches, the current one, and the default one that is read.
CASES = {
    "only one": (["master"], "", "master"),
    "only one, with another name": (["trunk"], "", "trunk"),
    "work on a branch of one's own": (["main", "feature/a"], "feature/a", "main"),
    "the same with master": (["master", "feature/a"], "feature/a", "master"),
    "develop and main": (["develop", "main"], "", "main"),
    "none of the usual names": (["one", "two"], "two", "two"),
    "nothing yet": ([], "master", "master"),
}


@pytest.mark.parametrize("case", CASES)
def test_without_an_origin(case: str, tmp_path: Path) -> None:
    branches, current, expected = CASES[case]
    folder = repository(tmp_path / "a", *branches, current=current)
    assert read_branches(folder) == Branches(expected, frozenset(branches))
    if branches:
        git("pack-refs", "--all", cwd=folder)
        assert read_branches(folder) == Branches(expected, frozenset(branches))


def test_a_clone_knows_what_origin_starts_from(tmp_path: Path) -> None:
    origin = repository(tmp_path / "origin", "develop", "main", "release/1")
    git("clone", "--quiet", str(origin), "whole", cwd=tmp_path)
    git("switch", "--quiet", "--create", "mine", cwd=tmp_path / "whole")
    known = {"develop", "main", "release/1", "mine"}
    assert read_branches(tmp_path / "whole") == Branches("develop", frozenset(known))
    git("worktree", "add", "--quiet", str(tmp_path / "tree"), cwd=tmp_path / "whole")
    assert read_branches(tmp_path / "tree") == Branches("develop", frozenset({*known, "tree"}))
    # Not all branches are here, so nobody is told that one is missing.
    for name, option in (("one", "--single-branch"), ("shallow", "--depth=1")):
        url = f"file://{origin}"
        git("clone", "--quiet", option, url, name, cwd=tmp_path)
        assert read_branches(tmp_path / name) == Branches("develop", frozenset())


@pytest.mark.parametrize("head", ["ref: refs/heads/a b", "ref: refs/heads/**", "", "0" * 40])
def test_what_is_no_branch_is_not_taken(head: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text(head, encoding="utf-8")
    assert read_branches(tmp_path) == (Branches(head) if head == "0" * 40 else NO_BRANCHES)


def test_no_repository(tmp_path: Path) -> None:
    assert read_branches(tmp_path) == NO_BRANCHES
