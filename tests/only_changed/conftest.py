"""Copies of the template, made once for all histories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from copies import copy
from kinds_of_pipelines import KINDS
from worlds import Pipelines

Get = Callable[[str], Pipelines]


@pytest.fixture(scope="session")
def of_kind(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Get:
    """Pipelines that leave out what has not changed."""
    made: dict[str, Pipelines] = {}

    def get(kind: str) -> Pipelines:
        if kind not in made:
            answers, components, _ = KINDS[kind]
            work_tree = copy(template, tmp_path_factory.mktemp(kind), answers)
            deployed = tuple(c.name for c in components if c.environments != ())
            made[kind] = Pipelines(work_tree, deployed)
        return made[kind]

    return get
