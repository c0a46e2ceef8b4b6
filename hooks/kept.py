"""After an update: keeps deleted files that had been edited, and writes called files again.

Copier silently deletes a file that is no longer generated, even if somebody has edited it. A
generated file that somebody has deleted stays deleted, even if another file calls it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import yaml
from rendering import RenderError, render

KEPT = Path(".github/orchestrator-removed")
"""The folder for edited files that are no longer generated: GitHub runs no workflow in it."""


def keep_edited(paths: Collection[str], answers_file: str) -> list[str]:
    """Put those of the deleted files that somebody had edited into the folder KEPT.

    Returns a message for each.
    """
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


def write_again(paths: Iterable[str], answers_file: str) -> list[str]:
    """Render files that are missing. Returns a message for each. Raises RenderError."""
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


def _committed(path: str) -> bytes:
    """A file as it was before the update: Copier updates only what is committed.

    Raises CalledProcessError.
    """
    command = ["git", "show", f"HEAD:./{path}"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _free(target: Path) -> Path:
    """The name, with a number if such a file exists: files that were kept earlier stay, too."""
    number = 2
    free = target
    while free.exists():
        free = target.with_name(f"{target.stem}-{number}{target.suffix}")
        number += 1
    return free
