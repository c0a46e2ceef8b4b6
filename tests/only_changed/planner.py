"""The modules of the action `what-changed`, in one Node process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import toolbox

ACTION = toolbox.ROOT / "template" / ".github" / "actions" / "what-changed"


class Planner:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def __call__(self, name: str, **given: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"name": name, "given": given}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["value"]


@contextmanager
def started(folder: Path = ACTION) -> Iterator[Planner]:
    command = [toolbox.NODE, Path(__file__).with_suffix(".mjs"), folder]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            yield Planner(process)
        finally:
            process.kill()
