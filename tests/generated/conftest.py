"""Each answer set is copied once in a run, and all tests read that copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from answer_sets import ANSWER_SETS
from copies import Once, copy

Generated = Callable[[str], Path]


@pytest.fixture(scope="session")
def generated(template: Path, once: Once) -> Generated:
    """The copy with the answer set of this name. Tests must not change it."""

    def get(answer_set: str) -> Path:
        def make(folder: Path) -> None:
            copy(template, folder, ANSWER_SETS[answer_set])

        return once(["answer set", answer_set], make)

    return get
