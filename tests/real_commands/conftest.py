"""A runner for each test; the workflows with the commands are generated once for a module.

A module that has `ANSWERS` of its own gets the commands of those.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import ANSWERS, Runner, Step, steps

collect_ignore = ["python_projects"]
"""Projects that tests run in: what lies there are their tests."""

GENERATED: dict[str, dict[str, Step]] = {}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runner of each test lies, in turn.

    uv asks the Python of an environment once for what it is, and again if its path is another.
    """
    return tmp_path_factory.mktemp("home") / "runner"


@pytest.fixture
def runner(
    request: pytest.FixtureRequest,
    template: Path,
    home: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Runner:
    answers = getattr(request.module, "ANSWERS", ANSWERS)
    name = request.module.__name__ if answers is not ANSWERS else "common"
    if name not in GENERATED:
        folder = tmp_path_factory.mktemp("commands") / "repository"
        GENERATED[name] = steps(template, folder, answers)
    shutil.rmtree(home, ignore_errors=True)
    return Runner(home, GENERATED[name])
