"""An organisation with rings for fleet.py, without HTTP."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet_github import ADDRESS, Organisation, Repository, answers, files, template
from fleet_program import FLEET

OLD, NEW = "v0.1.0", "v0.2.0"


@dataclass
class Rings:
    file: Path
    world: Organisation = field(default_factory=lambda: Organisation([template(OLD, NEW)]))
    err: str = ""
    code: int = 0

    def write(self, *rings: dict[str, Any], **more: Any) -> None:
        settings = {"organisation": "acme", "template": ADDRESS, **more, "rings": list(rings)}
        self.file.write_text(yaml.safe_dump(settings), encoding="utf-8")

    def add(self, name: str, *environments: str, version: str = OLD, **more: Any) -> Repository:
        repository = Repository(name, **more)
        self.world.repositories.append(repository)
        self.world.commit(repository, files(answers(version), *environments))
        return repository

    def update(self, repository: Repository, version: str = NEW, merged: bool = True) -> None:
        self.world.commit(repository, {".copier-answers.yml": answers(version)}, merged)

    def rows(self) -> dict[str, dict[str, Any]]:
        """The output of `--rings FILE --json`, by the names of the repositories."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.code = FLEET.main(["--rings", str(self.file), "--json"])
        self.err = err.getvalue()
        listed = json.loads(out.getvalue() or "[]")
        return {row["repository"].removeprefix("acme/"): row for row in listed}

    def may_update(self) -> list[str]:
        return [name for name, row in self.rows().items() if row["may_update"]]


def connected(monkeypatch: pytest.MonkeyPatch, file: Path) -> Rings:
    rings = Rings(file)

    def post(_: Any, body: bytes, attempt: int) -> Any:
        status, _, told = rings.world.answer(body)
        if status >= 500:
            raise FLEET.TooMuchError(str(status))
        return json.loads(json.dumps(told))

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return rings.world.now

    monkeypatch.setattr(FLEET.GitHub, "post", post)
    monkeypatch.setattr(FLEET, "pause", lambda seconds: None)
    monkeypatch.setattr(FLEET, "datetime", Clock)
    monkeypatch.setenv("GH_TOKEN", "a-token")
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "none")
    return rings


def ring(name: str, *repositories: str, soak: float = 0) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "soak": soak}
    return made | ({"repositories": list(repositories)} if repositories else {"others": True})


def names(rows: Sequence[Any]) -> list[str]:
    return [row["repository"] for row in rows]
