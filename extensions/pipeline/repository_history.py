"""What git knows about a repository: its root, and which versions of a file a merge had."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path


def root_above(folder: Path) -> Path | None:
    """The root of the git repository around a folder; None if the folder is a root itself (as that
    of a submodule) or is in no repository."""
    folder = folder.resolve()
    root = next((outer for outer in (folder, *folder.parents) if _is_root(outer)), folder)
    return None if root == folder else root


def _is_root(folder: Path) -> bool:
    git = folder / ".git"
    return git.is_file() or (git / "HEAD").is_file()


def merged_versions(repository: Path, file: str) -> Callable[[str], list[tuple[str, str]]]:
    """A function that gives the versions that were merged into a version (commit) of a file, with
    their texts; none if the last change was no merge, or git does not know."""

    @functools.cache
    def merged(version: str) -> list[tuple[str, str]]:
        try:
            parents = _git(repository, "log", "-1", "--format=%P", version, "--", file).split()
            return [(parent, _git(repository, "show", f"{parent}:./{file}")) for parent in parents]
        except (OSError, UnicodeDecodeError, subprocess.CalledProcessError):
            return []

    return merged


def is_committed(repository: Path, file: str, text: str) -> bool:
    """Whether the last commit has the file with this text."""
    try:
        return _git(repository, "show", f"HEAD:./{file}") == text
    except (OSError, UnicodeDecodeError, subprocess.CalledProcessError):
        return False


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=repository, capture_output=True, check=True)
    return done.stdout.decode("utf-8").replace("\r\n", "\n")
