"""Repositories with generated pipelines are made once, and copied for each scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from copies import Once
from generated_repositories import Made, repository


@pytest.fixture(scope="session")
def made(template: Path, once: Once) -> Made:
    """The work tree of this name, with these answers and files: a copy of the template costs a
    second. Not to be written to; see `generated_repositories.reopened`."""

    def make(name: str, answers: Mapping[str, Any], files: Mapping[str, str]) -> Path:
        return once(
            ["made", name, answers, files],
            lambda folder: repository(template, folder, answers, files),
        )

    return make
