"""What git knows of a repository: its root, and which versions of a file a merge was made of."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path


def root_above(folder: Path) -> Path | None:
    """The root of the git repository that a folder is a part of; None where it is a root itself,
    as a submodule is, or lies in none."""
    folder = folder.resolve()
    root = next((outer for outer in (folder, *folder.parents) if _is_root(outer)), folder)
    return None if root == folder else root


def _is_root(folder: Path) -> bool:
    git = folder / ".git"
    return git.is_file() or (git / "HEAD").is_file()


def merged_versions(repository: Path, file: str) -> Callable[[str], list[tuple[str, str]]]:
    """Of a version of a file (a commit), the versions that the last merge made it of, with their
    texts; none where the last commit that changed it was no merge, or nobody can tell."""

    @functools.cache
    def merged(version: str) -> list[tuple[str, str]]:
        try:
            parents = _git(repository, "log", "-1", "--format=%P", version, "--", file).split()
            return [(parent, _git(repository, "show", f"{parent}:./{file}")) for parent in parents]
        except (OSError, UnicodeDecodeError, subprocess.CalledProcessError):
            return []

    return merged


def is_committed(repository: Path, file: str, text: str) -> bool:
    """Whether the last commit holds the file with this text."""
    try:
        return _git(repository, "show", f"HEAD:./{file}") == text
    except (OSError, UnicodeDecodeError, subprocess.CalledProcessError):
        return False


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=repository, capture_output=True, check=True)
    return done.stdout.decode("utf-8").replace("\r\n", "\n")
