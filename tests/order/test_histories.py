"""Random histories: no older commit is deployed over a newer one, and no commit is lost.

    HISTORIES=300 python3 dev.py test tests/order/test_histories.py

lives through so many, with fresh seeds, of which the failing ones are printed with their history.
Of each kind of pipelines the suite has a few, always the same. `HISTORIES_EXECUTED=60` executes the
jobs of so many more, which takes about 15 minutes.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import executed
import histories
import pytest
from generated_repositories import Made, generic
from kinds import KINDS
from worlds import Pipelines

FIXED = range(4)
#: Seeds that broke a rule once, or are similar to one that did.
ONCE_BROKEN = {
    "call": [23, 62, 72],
    "dispatch": [16],
    "each": [28],
    "none": [28],
    "tag": [1795731903034],
    "only changed": [122],
    "only changed, dispatch": [1795793618010],
    "only changed, none": [100],
}
EXECUTED = int(os.environ.get("HISTORIES_EXECUTED", "0"))
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


#: Jobs whose only work is to report that they ran.
QUICK = {**dict.fromkeys(["lint", "test", "security"], ""), "path": "."}


@pytest.mark.skipif(not EXECUTED, reason="HISTORIES_EXECUTED=60 executes the jobs of so many")
@pytest.mark.parametrize("approval", ["once", "each", "none"])
@pytest.mark.parametrize("orchestration", ["call", "dispatch"])
def test_executed_histories(
    orchestration: str,
    approval: str,
    made: Made,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {"orchestration": orchestration, "approval": approval}
    names = ["first", "second"]
    answers = {"components": generic(names, **QUICK), "dependency_map": {"second": "first"}}
    work_tree = made("-".join(settings.values()), {**answers, **settings}, {"version.txt": "\n"})
    first = int(time.time()) * 1000
    count = -(-EXECUTED // 6)
    deployed: Counter[str] = Counter()
    for seed in range(first, first + count):
        pipelines = Pipelines(work_tree, tuple(names), **settings)
        history = executed.Executed(pipelines, seed, tmp_path / str(seed))
        history.live()
        deployed.update(d.environment for d in history.world.deployments)
        assert not history.problems, f"seed {seed}:\n{history.problems}\n\n{history.told()}"
    with capsys.disabled():
        print(f"\n{orchestration}, {approval}: {count} executed; deployments: {dict(deployed)}")
