"""Copies of the template, made once for all histories."""

from __future__ import annotations

import pytest
from copies import Copied
from kinds_of_pipelines import KINDS, Get
from worlds import Pipelines


@pytest.fixture(scope="session")
def of_kind(copied: Copied) -> Get:
    """Pipelines that deploy only what has changed."""

    def get(kind: str) -> Pipelines:
        answers, components, _ = KINDS[kind]
        deployed = tuple(c.name for c in components if c.environments != ())
        return Pipelines(copied(answers), deployed, answers.get("orchestration", "call"))

    return get
