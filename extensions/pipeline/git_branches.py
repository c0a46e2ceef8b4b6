"""The branches of a git repository, read from its folder: no git is run, and nothing is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .environments import DEFAULT_BRANCH, check_branch
from .errors import AnswerError

HEADS, ORIGIN = "refs/heads/", "refs/remotes/origin/"


@dataclass(frozen=True)
class Branches:
    """The branches of a repository."""

    default: str = DEFAULT_BRANCH
    """The default branch: origin's, or else the most likely one here."""
    known: frozenset[str] = frozenset()
    """The branches of this clone and of origin; empty if there is none, or if some are missing."""


NO_BRANCHES = Branches()


def read_branches(repository: Path) -> Branches:
    """The branches of the repository in a folder; none if the folder is no repository."""
    git = _git_folder(repository)
    if git is None or (git / "reftable").exists():
        return NO_BRANCHES
    refs = _refs(git)
    refs.discard(f"{ORIGIN}HEAD")
    known = {
        ref.removeprefix(start)
        for start in (HEADS, ORIGIN)
        for ref in refs
        if ref.startswith(start)
    }
    # If no branch is checked out, HEAD is the id of a commit.
    head = _text(_own_folder(repository) / "HEAD")
    current = head.removeprefix(f"ref: {HEADS}") if head.startswith("ref:") else ""
    wishes = [_text(git / ORIGIN / "HEAD").removeprefix(f"ref: {ORIGIN}")]
    if current in ("main", "master"):
        wishes.append(current)
    wishes += [name for name in ("main", "master") if name in known]
    if len(known) == 1:
        wishes += known
    wishes.append(current)
    all_are_here = not (git / "shallow").exists() and _fetches_all(_text(git / "config"))
    default = next(filter(_is_branch, wishes), DEFAULT_BRANCH)
    return Branches(default, frozenset(known if all_are_here else ()))


def _fetches_all(config: str) -> bool:
    """Whether a clone has all branches of origin; true without an origin."""
    return '[remote "origin"]' not in config or f"+{HEADS}*:{ORIGIN}*" in config


def _is_branch(name: str) -> bool:
    try:
        return check_branch(name, "") == name
    except AnswerError:
        return False


def _own_folder(repository: Path) -> Path:
    """The folder in which git keeps the data of this work tree."""
    git = repository / ".git"
    if not git.is_file():
        return git
    return repository / _text(git).removeprefix("gitdir:").strip()


def _git_folder(repository: Path) -> Path | None:
    """The folder in which git keeps the branches; None without git."""
    own = _own_folder(repository)
    common = own / _text(own / "commondir") if (own / "commondir").is_file() else own
    return common if common.is_dir() else None


def _refs(git: Path) -> set[str]:
    packed = [line.split(" ")[-1] for line in _text(git / "packed-refs").splitlines()]
    loose = [
        file.relative_to(git).as_posix()
        for start in (HEADS, ORIGIN)
        for file in (git / start).rglob("*")
        if file.is_file()
    ]
    return {*packed, *loose}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
