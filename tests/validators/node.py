"""Runs the scripts of this folder with the Node and the npm packages of the tests.

Each script stays in one process for many questions, because starting Node and loading packages
takes longer than an answer.
"""

from __future__ import annotations

import atexit
import functools
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import toolbox


class _Script:
    """A script in a process. It answers each line of JSON with a line of JSON."""

    def __init__(self, name: str) -> None:
        self.name = name
        # The file is open as long as the process runs.
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(toolbox.NODE), str(Path(__file__).parent / name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
        )
        atexit.register(self._process.kill)

    def ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._errors.seek(0)
            code = self._process.wait()
            raise RuntimeError(f"{self.name} failed ({code}):\n{self._errors.read()}")
        return json.loads(answer)


_script = functools.cache(_Script)


def run(script: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask a script about files, in the form that its first lines describe; returns its findings.

    Each has `file`, `line`, `rule` and `message`. Raises RuntimeError if the script fails.
    """
    try:
        found: list[dict[str, Any]] = _script(script).ask(question)
    except (RuntimeError, OSError):
        _script.cache_clear()  # the next question starts a new process
        raise
    return found
