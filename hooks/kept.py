"""After an update: nothing that a person wrote is gone, and nothing that is called is missing.

Copier deletes a file that is generated no longer, also when somebody edited it, and says nothing;
and a generated file that somebody deleted stays deleted, also when another one calls it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pipeline.written_files import deleted_files
from rendering import RenderError, render

KEPT = Path(".github/orchestrator-removed")
"""Where edited files go that are generated no longer: GitHub runs nothing that lies there."""


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], capture_output=True, check=True).stdout


def _committed(path: str) -> bytes:
    """A file as it was before the update: Copier updates only what is committed."""
    return _git("show", f"HEAD:./{path}")


def removed() -> list[str]:
    """The files that the update took away, by path, relative to the repository.

    It takes only what was generated, and begins where everything is committed.
    """
    return deleted_files(Path.cwd())


def keep_edited(paths: Iterable[str], answers_file: str) -> list[str]:
    """Put those that somebody had edited aside. One line for each, for a person to read."""
    paths = list(paths)
    if not paths:
        return []
    lines = []
    with tempfile.TemporaryDirectory(prefix="before.") as folder:
        try:
            before: dict[str, Any] = yaml.safe_load(_committed(answers_file))
            render(before, answers_file, Path(folder))
            why = "had been edited"
        except (RenderError, subprocess.CalledProcessError, yaml.YAMLError):
            why = "may have been edited (the version before cannot be rendered any more)"
        for path in paths:
            content, pristine = _committed(path), Path(folder) / path
            if pristine.is_file() and pristine.read_bytes() == content:
                continue
            target = _free(KEPT / path.removeprefix(".github/").removeprefix("workflows/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            lines.append(f"{path}: is no longer generated and {why}; kept as {target.as_posix()}")
    return lines


def _free(target: Path) -> Path:
    """A name beside it that no file has: what was kept at an earlier time stays too."""
    number = 2
    free = target
    while free.exists():
        free = target.with_name(f"{target.stem}-{number}{target.suffix}")
        number += 1
    return free


def write_again(paths: Iterable[str], answers_file: str) -> list[str]:
    """Render files that are missing. One line for each, for a person to read.

    Raises RenderError.
    """
    missing = [path for path in paths if not Path(path).is_file()]
    if not missing:
        return []
    answers = yaml.safe_load(Path(answers_file).read_text(encoding="utf-8"))
    lines = []
    with tempfile.TemporaryDirectory(prefix="again.") as folder:
        render(answers, answers_file, Path(folder))
        for path in missing:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes((Path(folder) / path).read_bytes())
            lines.append(f"{path}: had been deleted, but another file uses it; it is written again")
    return lines
