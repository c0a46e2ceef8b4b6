"""Repositories that are updated in this process: the template as versions in git, and changes of a
repository between two versions."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import copier
import copier._template
import dunamai
from copies import export_template
from offline_github.repository import git
from toolbox import ROOT, script

Edit = Callable[[Path], object]


def commit(repository: Path, message: str = "A change") -> None:
    git("add", "--all", cwd=repository)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    git(*identity, "commit", "--quiet", "--allow-empty", "--message", message, cwd=repository)


def template_versions(folder: Path, *edits: Edit) -> Path:
    """The template as a git repository. v1.0.0 is the work tree's; each edit makes the next
    version."""
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
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    commit(folder, "Generated")
    git("branch", "develop", cwd=folder)
    return folder


def update(repository: Path, **options: Any) -> None:
    """`copier update --defaults --trust`; `vcs_ref=CURRENT` keeps the template's version."""
    options = {"defaults": True, "overwrite": True, "unsafe": True, "quiet": True, **options}
    copier.run_update(repository, **options)


def copier_here(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a repository without a terminal, as a bot runs it. See forked.py."""
    if os.name != "nt":
        import forked

        return forked.run(["copier", *arguments], repository)
    return subprocess.run(
        [script("copier"), *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


CURRENT = copier.VcsRef.CURRENT


class HooksHere:
    """Runs the template's hooks in this process, with the modules that lie beside them.

    In a process of its own, a hook takes a tenth of a second, and an update runs two. A hook that
    renders takes half a second more, because it imports Copier. (Without `clone_once`, Copier
    starts the hooks itself.)
    """

    HOOKS = ("check_written", "migrate")

    def __init__(self) -> None:
        self.run_process = subprocess.run
        self.loaded: dict[Path, dict[str, ModuleType]] = {}
        self.names = {"pipeline", *(file.stem for file in (ROOT / "hooks").glob("*.py"))}

    def run(self, command: Any, *arguments: Any, **options: Any) -> Any:
        """Replaces `subprocess.run`, and calls it for all commands that are no hook."""
        script = Path(command[1]) if command[0] == sys.executable else None
        if not script or script.stem not in self.HOOKS:
            return self.run_process(command, *arguments, **options)
        with mock.patch.dict(os.environ, options["env"], clear=True), self.modules(script):
            main = sys.modules[script.stem].main  # type: ignore[attr-defined]
            code = contextvars.copy_context().run(main, *command[2:])
        sys.stdout.flush()
        return subprocess.CompletedProcess(command, code)

    def taken(self) -> dict[str, ModuleType]:
        """The loaded modules of a template, removed from `sys.modules`."""
        names = [name for name in sys.modules if name.partition(".")[0] in self.names]
        return {name: sys.modules.pop(name) for name in names}

    @contextlib.contextmanager
    def modules(self, script: Path) -> Iterator[None]:
        """Lets imports find the hooks and the pipeline of this clone of the template meanwhile."""
        others, path = self.taken(), [*sys.path]
        sys.path.insert(0, str(script.parent))
        try:
            sys.modules.update(self.loaded.get(script.parent, {}))
            importlib.import_module(script.stem)
            hook = sys.modules["check_written"]
            if script.parent not in self.loaded:
                hook.load_catalogue = functools.cache(hook.load_catalogue)  # type: ignore[attr-defined]
            yield
        finally:
            self.loaded[script.parent] = self.taken()
            sys.path[:] = path
            sys.modules.update(others)


@contextlib.contextmanager
def clone_once(folder: Path) -> Iterator[None]:
    """Lets Copier clone the template once in an update, and ask for its version once.

    Otherwise it clones five times, compiles each clone anew, and asks with a dozen commands. Also
    runs the hooks in this process: see `HooksHere`.
    """
    clone = copier._template.clone
    clones: dict[tuple[str, str | None], str] = {}

    def cloned(url: str, ref: str | None = None, location: str | None = None) -> str:
        if (url, ref) not in clones:
            clones[url, ref] = clone(url, ref, location=str(folder / f"clone-{len(clones)}"))
        return clones[url, ref]

    describe = dunamai.Version.from_git
    versions: dict[str, dunamai.Version] = {}

    def described(**options: Any) -> dunamai.Version:
        if (here := os.getcwd()) not in versions:  # noqa: PTH109
            versions[here] = describe(**options)
        return versions[here]

    folder.mkdir()
    with (
        mock.patch("copier._template.clone", cloned),
        mock.patch("dunamai.Version.from_git", described),
        mock.patch("copier._main.subprocess.run", HooksHere().run),
    ):
        yield
    shutil.rmtree(folder)


def replace(path: str, old: str, new: str) -> Edit:
    """Returns an edit that replaces a text, which must be there."""

    def edit(folder: Path) -> None:
        file = folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    return edit
