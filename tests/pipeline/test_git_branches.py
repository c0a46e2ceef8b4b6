"""The branches of a repository, read from its folder without git."""

from __future__ import annotations

from pathlib import Path

import pytest
from offline_github.repository import git
from pipeline.git_branches import NO_BRANCHES, Branches, read_branches


def repository(folder: Path, *branches: str, current: str = "") -> Path:
    """A repository with these branches; without any, it has no commit."""
    folder.mkdir()
    git("init", "--quiet", f"--initial-branch={current or branches[0]}", cwd=folder)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    if branches:
        git(*identity, "commit", "--quiet", "--allow-empty", "--message", "x", cwd=folder)
    for branch in branches:
        if branch != (current or branches[0]):
            git("branch", branch, cwd=folder)
    return folder


# The branches, the current branch, and the default branch that is read.
CASES = {
    "only one": (["master"], "", "master"),
    "only one, with another name": (["trunk"], "", "trunk"),
    "another branch is checked out": (["main", "feature/a"], "feature/a", "main"),
    "the same with master": (["master", "feature/a"], "feature/a", "master"),
    "develop and main": (["develop", "main"], "", "main"),
    "none of the usual names": (["one", "two"], "two", "two"),
    "no commit": ([], "master", "master"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_default_branch_without_an_origin(case: str, tmp_path: Path) -> None:
    branches, current, expected = CASES[case]
    folder = repository(tmp_path / "a", *branches, current=current)
    assert read_branches(folder) == Branches(expected, frozenset(branches))
    if branches:
        git("pack-refs", "--all", cwd=folder)
        assert read_branches(folder) == Branches(expected, frozenset(branches))


def test_the_default_branch_of_a_clone(tmp_path: Path) -> None:
    origin = repository(tmp_path / "origin", "develop", "main", "release/1")
    git("clone", "--quiet", str(origin), "whole", cwd=tmp_path)
    git("switch", "--quiet", "--create", "mine", cwd=tmp_path / "whole")
    known = {"develop", "main", "release/1", "mine"}
    assert read_branches(tmp_path / "whole") == Branches("develop", frozenset(known))
    git("worktree", "add", "--quiet", str(tmp_path / "tree"), cwd=tmp_path / "whole")
    assert read_branches(tmp_path / "tree") == Branches("develop", frozenset({*known, "tree"}))
    # These clones lack branches, so none are returned, and none is reported as missing.
    for name, option in (("one", "--single-branch"), ("shallow", "--depth=1")):
        url = f"file://{origin}"
        git("clone", "--quiet", option, url, name, cwd=tmp_path)
        assert read_branches(tmp_path / name) == Branches("develop", frozenset())


@pytest.mark.parametrize("head", ["ref: refs/heads/a b", "ref: refs/heads/**", "", "0" * 40])
def test_a_head_that_is_no_branch_name_is_ignored(head: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text(head, encoding="utf-8")
    assert read_branches(tmp_path) == NO_BRANCHES


def test_a_folder_without_a_repository(tmp_path: Path) -> None:
    assert read_branches(tmp_path) == NO_BRANCHES
