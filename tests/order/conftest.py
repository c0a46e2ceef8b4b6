"""Copies of the template, made once for all histories and attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from copies import Copied
from generated_repositories import Made, start
from kinds import ATTACKED, OWN
from worlds import Pipelines, World

Get = Callable[[str], Pipelines]
Start = Callable[..., World]


@pytest.fixture(scope="session")
def pipelines(copied: Copied) -> Get:
    def get(kind: str) -> Pipelines:
        answers, components, settings = ATTACKED[kind]
        given = {k: v for k, v in settings.items() if k not in OWN}
        # All components are deployed, changed or not, unless the kind says otherwise.
        work_tree = copied({"only_changed": False, **answers, **given})
        return Pipelines(work_tree, components, **settings)

    return get


@pytest.fixture
def world(pipelines: Get, tmp_path: Path) -> Start:
    """A repository of a kind, in which nothing has happened."""

    def start(kind: str = "call", **more: Any) -> World:
        return World(tmp_path / "github", pipelines(kind), **more)

    return start


@pytest.fixture(scope="module")
def made(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A work tree of this name, for histories whose jobs are executed."""

    def make(name: str, answers: Mapping[str, Any], files: Mapping[str, str]) -> Path:
        return start(template, tmp_path_factory.mktemp(name), answers, files).remote.work_tree

    return make
