"""Commands that no package registry provides: recorded stubs that jobs find on their PATH."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFAULT_TOOLS = (
    "terraform",
    "tofu",
    "tflint",
    "docker",
    "kubectl",
    "helm",
    "kustomize",
    "aws",
    "az",
    "gcloud",
)


@dataclass
class Command:
    """One call of a recorded tool."""

    tool: str
    arguments: list[str]
    cwd: str
    workspace: str
    job: str
    run: int
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    code: int = 0

    @property
    def folder(self) -> str:
        """Where it ran, relative to the workspace."""
        return Path(self.cwd).relative_to(self.workspace).as_posix() if self.workspace else self.cwd

    @property
    def line(self) -> str:
        return " ".join([self.tool, *self.arguments])


class Tools:
    """The folder of stubs, and what they wrote down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tools"
        self.folder.mkdir(parents=True)
        self._log = folder / "commands.jsonl"
        self._settings_file = folder / "tools.json"
        self._settings: dict[str, Any] = {
            "files": [],
            "environment": ["TF_.*", "AWS_.*", ".*_PACKAGE.*"],
            "failures": [],
        }
        self._save()
        stub = self.folder / ".stub"
        source = Path(__file__).with_name("stub.py").read_text(encoding="utf-8")
        stub.write_text(f"#!{sys.executable} -SE\n{source}", encoding="utf-8")
        stub.chmod(0o755)
        for name in DEFAULT_TOOLS:
            (self.folder / name).symlink_to(stub.name)

    def _save(self) -> None:
        self._settings_file.write_text(json.dumps(self._settings), encoding="utf-8")

    def watch(self, files: list[str], environment: list[str]) -> None:
        """Let the stubs note digests of these files (relative to where they run) and variables."""
        self._settings["files"] += files
        self._settings["environment"] += environment
        self._save()

    def fail(self, tool: str, arguments: str, job: str, code: int) -> None:
        self._settings["failures"].append(
            {"tool": tool, "arguments": arguments, "job": job, "code": code}
        )
        self._save()

    def heal(self) -> None:
        self._settings["failures"].clear()
        self._save()

    def add(self, name: str, script: str | None) -> None:
        """A command of the test's own, or one more recorded stub."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        if script is None:
            path.symlink_to(".stub")
            return
        path.write_text(
            script if script.startswith("#!") else f"#!/usr/bin/env bash\n{script}\n",
            encoding="utf-8",
        )
        path.chmod(0o755)

    def then(self, name: str, script: str) -> None:
        """What a recorded stub does after it has written down how it was called."""
        self.add(name, None)
        self.add(f".after-{name}", script)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()

    def commands(self, tool: str | None, job: str) -> list[Command]:
        if not self._log.exists():
            return []
        entries = map(json.loads, self._log.read_text(encoding="utf-8").splitlines())
        return [
            Command(**e) for e in entries if tool in (None, e["tool"]) and re.search(job, e["job"])
        ]
