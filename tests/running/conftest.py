"""Repositories with generated pipelines are made once, and copied for each scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pipelines import Made, start


@pytest.fixture(scope="module")
def made(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The work tree of this name, with these answers and files: a copy of the template costs a
    second. Not to be written to; see `pipelines.reopened`."""
    work_trees: dict[str, Path] = {}

    def make(name: str, answers: Mapping[str, Any], files: Mapping[str, str]) -> Path:
        if name not in work_trees:
            folder = tmp_path_factory.mktemp(name)
            work_trees[name] = start(template, folder, answers, files).remote.work_tree
        return work_trees[name]

    return make
