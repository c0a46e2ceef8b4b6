"""Random histories: whatever happens, nothing old comes over something newer, nothing is lost.

    HISTORIES=300 python3 dev.py test tests/order/test_histories.py

lives through so many, with fresh seeds, of which the failing ones are printed with their history.
Of each kind of pipelines the suite has a few, always the same.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable

import histories
import pytest
from kinds import KINDS
from worlds import Pipelines

FIXED = range(4)
#: These broke a rule once, or are near one that did.
ONCE_BROKEN = {"call": [23, 62, 72], "dispatch": [16], "each": [28], "none": [28]}
FRESH = int(os.environ.get("HISTORIES", "0"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_let_through_last_is_there_at_the_end(
    kind: str, pipelines: Callable[[str], Pipelines]
) -> None:
    known = [*FIXED, *ONCE_BROKEN.get(kind, [])]
    for seed in known:
        histories.check(pipelines(kind), seed)


@pytest.mark.skipif(not FRESH, reason="HISTORIES=300 lives through so many more")
@pytest.mark.parametrize("kind", KINDS)
def test_fresh_histories(
    kind: str, pipelines: Callable[[str], Pipelines], capsys: pytest.CaptureFixture[str]
) -> None:
    count = -(-FRESH // len(KINDS))
    first = int(time.time()) * 1000
    deployed: Counter[str] = Counter()
    for seed in range(first, first + count):
        history = histories.check(pipelines(kind), seed)
        deployed.update(d.result for d in history.world.deployments)
    with capsys.disabled():
        print(f"\n{kind}: seeds {first} to {first + count - 1}; deployments: {dict(deployed)}")
