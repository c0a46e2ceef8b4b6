"""Each answer set is copied once in a test process, and all tests read that copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from answer_sets import ANSWER_SETS
from copies import copy

Generated = Callable[[str], Path]


@pytest.fixture(scope="session")
def generated(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """The copy with the answer set of this name. Tests must not change it."""
    copies: dict[str, Path] = {}

    def get(answer_set: str) -> Path:
        if answer_set not in copies:
            folder = tmp_path_factory.mktemp("generated") / "copy"
            copies[answer_set] = copy(template, folder, ANSWER_SETS[answer_set])
        return copies[answer_set]

    return get
