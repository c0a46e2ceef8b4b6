"""Repositories that are updated, in this process: the template as versions in git, and what
happens to a repository between them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import copier
import copier._template
from copies import export_template
from offline_github.repository import git

Edit = Callable[[Path], object]


def commit(repository: Path, message: str = "A change") -> None:
    git("add", "--all", cwd=repository)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    git(*identity, "commit", "--quiet", "--allow-empty", "--message", message, cwd=repository)


def template_versions(folder: Path, *edits: Edit) -> Path:
    """The template as a git repository: v1.0.0 is the work tree's, each edit makes the next."""
    export_template(folder)
    git("init", "--quiet", cwd=folder)
    for number, edit in enumerate((lambda _: None, *edits), 1):
        edit(folder)
        commit(folder, f"v{number}")
        git("tag", f"v{number}.0.0", cwd=folder)
    return folder


def generate(versions: Path, folder: Path, data: dict[str, Any], version: str = "v1.0.0") -> Path:
    """A new repository with the pipelines of a version, committed."""
    url = f"git+{versions.as_uri()}"
    copier.run_copy(url, folder, data=data, vcs_ref=version, defaults=True, unsafe=True, quiet=True)
    git("init", "--quiet", cwd=folder)
    commit(folder, "Generated")
    return folder


def update(repository: Path, **options: Any) -> None:
    """`copier update --defaults --trust`; `vcs_ref=CURRENT` keeps the template's version."""
    options = {"defaults": True, "overwrite": True, "unsafe": True, "quiet": True, **options}
    copier.run_update(repository, **options)


CURRENT = copier.VcsRef.CURRENT


@contextlib.contextmanager
def clone_once(folder: Path) -> Iterator[None]:
    """Copier clones the template five times in an update, and compiles it for each place anew."""
    clone = copier._template.clone
    clones: dict[tuple[str, str | None], str] = {}

    def cloned(url: str, ref: str | None = None, location: str | None = None) -> str:
        if (url, ref) not in clones:
            clones[url, ref] = clone(url, ref, location=str(folder / f"clone-{len(clones)}"))
        return clones[url, ref]

    folder.mkdir()
    with mock.patch("copier._template.clone", cloned):
        yield
    shutil.rmtree(folder)


def replace(path: str, old: str, new: str) -> Edit:
    """Replaces a text that must be there."""

    def edit(folder: Path) -> None:
        file = folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    return edit
