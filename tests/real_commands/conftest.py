"""A runner for each test; the workflows with the commands are generated once."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Runner, steps


@pytest.fixture(scope="session")
def generated_commands(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands") / "repository"


@pytest.fixture
def runner(template: Path, generated_commands: Path, tmp_path: Path) -> Runner:
    return Runner(tmp_path / "runner", steps(template, generated_commands))
