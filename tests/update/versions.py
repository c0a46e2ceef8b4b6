"""Versions of the template as git tags, and repositories that were made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import copier
from copier import VcsRef
from copies import export_template
from offline_github.repository import git

CURRENT = VcsRef.CURRENT
"""The version that the repository has: only answers change. `--vcs-ref=:current:`"""


def commit(repository: Path, message: str = "A change") -> None:
    git("add", "--all", cwd=repository)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    git(*identity, "commit", "--quiet", "--allow-empty", "--message", message, cwd=repository)


def tagged(folder: Path, **versions: Callable[[Path], None]) -> Path:
    """The template as it is, as v1.0.0; then each further version: `v2=change` is v2.0.0."""
    export_template(folder)
    git("init", "--quiet", cwd=folder)
    commit(folder, "v1")
    git("tag", "v1.0.0", cwd=folder)
    for name, change in versions.items():
        change(folder)
        commit(folder, name)
        git("tag", f"{name}.0.0", cwd=folder)
    return folder


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file.name} no longer holds {old!r}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def made_from(versions: Path, folder: Path, answers: Mapping[str, Any]) -> Path:
    """A repository with the pipelines of v1, committed."""
    url = f"git+{versions.as_uri()}"
    copier.run_copy(
        url, folder, data=dict(answers), vcs_ref="v1.0.0", defaults=True, unsafe=True, quiet=True
    )
    git("init", "--quiet", cwd=folder)
    commit(folder, "Generated")
    return folder


def update(repository: Path, **options: Any) -> None:
    """`copier update --defaults`; `data` changes answers, and `vcs_ref=CURRENT` nothing else."""
    copier.run_update(repository, defaults=True, overwrite=True, unsafe=True, quiet=True, **options)
