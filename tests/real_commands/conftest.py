"""A runner for each test. The workflows with the commands are generated once.

A module with its own `ANSWERS` gets the commands for those.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import ANSWERS, Runner, Step, steps
from copies import Copied

collect_ignore = ["python_projects"]
"""Sample projects. The tests in them are not tests of the suite."""

GENERATED: dict[str, dict[str, Step]] = {}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the runners of all tests are made in turn.

    uv asks the Python of an environment once for its properties, and again if its path changes.
    """
    return tmp_path_factory.mktemp("home") / "runner"


@pytest.fixture
def runner(
    request: pytest.FixtureRequest,
    copied: Copied,
    home: Path,
) -> Runner:
    answers = getattr(request.module, "ANSWERS", ANSWERS)
    name = request.module.__name__ if answers is not ANSWERS else "common"
    if name not in GENERATED:
        GENERATED[name] = steps(copied(answers), answers)
    shutil.rmtree(home, ignore_errors=True)
    return Runner(home, GENERATED[name])
