"""Commits and releases of the template, and repositories that are generated from them."""

from __future__ import annotations

from pathlib import Path

import copier
from offline_github.repository import git

ANSWERS = {
    "project_name": "shop",
    "code_types": ["python", "terraform"],
    "branching": "trunk",
    "pull_requests": False,
    "drift_check": True,
}


def commit(repository: Path, message: str, tag: str = "") -> None:
    git("add", "--all", cwd=repository)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    git(*identity, "commit", "--quiet", "--allow-empty", "--message", message, cwd=repository)
    if tag:
        git("tag", tag, cwd=repository)


def generate(template: str, folder: Path, **options: object) -> Path:
    """Generate a repository as `copier copy` does, without the hook that checks it."""
    options = {"data": ANSWERS, "vcs_ref": "v1.2.0", **options}
    copier.run_copy(
        template,
        folder,
        defaults=True,
        unsafe=True,
        quiet=True,
        skip_tasks=True,
        **options,  # type: ignore[arg-type]
    )
    return folder
