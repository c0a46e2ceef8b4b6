"""A runner for each test; the workflows with the commands are generated once for a module.

A module that has `ANSWERS` of its own gets the commands of those.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import ANSWERS, Runner, Step, steps

collect_ignore = ["python_projects"]
"""Projects that tests run in: what lies there are their tests."""

GENERATED: dict[str, dict[str, Step]] = {}


@pytest.fixture
def runner(
    request: pytest.FixtureRequest,
    template: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Runner:
    answers = getattr(request.module, "ANSWERS", ANSWERS)
    name = request.module.__name__ if answers is not ANSWERS else "common"
    if name not in GENERATED:
        folder = tmp_path_factory.mktemp("commands") / "repository"
        GENERATED[name] = steps(template, folder, answers)
    return Runner(tmp_path / "runner", GENERATED[name])
