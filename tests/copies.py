"""Copies of the template, made in this process: an import of Copier costs a second, a copy 0.2."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import copier
import yaml
from toolbox import EXAMPLES, ROOT, script

TEMPLATE_PARTS = ("copier.yml", "clouds", "code_types", "extensions", "hooks", "macros", "template")
"""What a user's Copier reads of this repository."""


def export_template(folder: Path) -> Path:
    """The template as it is in the work tree, without git, so that Copier clones nothing."""
    for part in TEMPLATE_PARTS:
        source, target = ROOT / part, folder / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return folder


def copy(template: Path, destination: Path, answers: Mapping[str, Any]) -> Path:
    """`copier copy --defaults --trust` with these answers; returns the destination."""
    copier.run_copy(
        str(template),
        destination,
        data=dict(answers),
        defaults=True,
        unsafe=True,
        quiet=True,
        overwrite=True,
    )
    return destination


def copier_command(
    template: Path, destination: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """The real command, in a process of its own, without a terminal."""
    command = [script("copier"), "copy", "--trust", "--defaults", *arguments]
    return subprocess.run(
        [*command, str(template), str(destination)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def example(name: str) -> dict[str, Any]:
    """The answers of `examples/{name}.yml`."""
    data = yaml.safe_load((EXAMPLES / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path, without git's own."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".git" not in file.relative_to(folder).parts
    }
