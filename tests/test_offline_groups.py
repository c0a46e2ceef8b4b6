"""Concurrency groups: which runs and jobs hold one, wait for it, or are cancelled."""

from __future__ import annotations

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.work import Going, Work
from test_offline_driver import Quick, push, quick
from test_offline_github import job, only

__all__ = ["quick"]


class Hands:
    """Jobs that go on until the test lets them end, by (run, key)."""

    def __init__(self) -> None:
        self.free: set[tuple[int, str]] = set()
        self.running: list[tuple[int, str]] = []

    def __call__(self, work: Work) -> Going:
        me = (work.run.id, work.key)
        self.running.append(me)
        while me not in self.free:
            yield 1
        self.running.remove(me)

    def let_end(self, run: Run, key: str) -> None:
        self.free.add((run.id, key))


def states(*runs: Run) -> list[str]:
    return [run.conclusion or run.status for run in runs]


def on_push(concurrency: str, **jobs: str) -> str:
    shown = ", ".join(f"{key}: {text}" for key, text in jobs.items())
    at_the_top = f"concurrency: {concurrency}\n" if concurrency else ""
    return f"on: {{push: , workflow_dispatch: }}\n{at_the_top}jobs: {{{shown}}}"


def some_steps(github: OfflineGitHub) -> None:
    github.step(40)


def test_runs_and_jobs_of_a_repository_share_its_groups(quick: Quick) -> None:
    hands = Hands()
    github = quick(
        {
            "run.yml": f"on: push\nconcurrency: Production\njobs: {{a: {job()}}}",
            "job.yml": f"on: workflow_dispatch\njobs: {{b: {job(concurrency='production')}}}",
            "pull.yml": f"on: pull_request\njobs: {{c: {job(concurrency='PRODUCTION')}}}",
        },
        hands,
    )
    run = only(push(github))
    other = github.dispatch("job.yml", "main")
    some_steps(github)
    assert states(run, other) == ["in_progress", "pending"]
    fork = only(github.pull_request("main", fork=True))
    some_steps(github)
    # Names ignore case, and a stranger's job counts: it pushes out the one that waits.
    assert states(run, other, fork) == ["in_progress", "cancelled", "pending"]
    assert "higher priority waiting request for 'PRODUCTION'" in other.job("b").log
    hands.let_end(run, "a")
    some_steps(github)
    assert states(run, fork) == ["success", "in_progress"]


@pytest.mark.parametrize("level", ["workflow", "job"])
def test_the_newest_replaces_the_one_that_waits(quick: Quick, level: str) -> None:
    hands = Hands()
    text = on_push("G", a=job()) if level == "workflow" else on_push("", a=job(concurrency="G"))
    github = quick({"ci.yml": text}, hands)
    first, second = only(push(github)), None
    some_steps(github)
    second = only(push(github))
    some_steps(github)
    third = only(push(github))
    some_steps(github)
    assert states(first, second, third) == ["in_progress", "cancelled", "pending"]
    hands.let_end(first, "a")
    some_steps(github)
    assert states(first, third) == ["success", "in_progress"]


@pytest.mark.parametrize("level", ["workflow", "job"])
def test_cancel_in_progress_stops_the_one_that_runs(quick: Quick, level: str) -> None:
    group = "{group: G, cancel-in-progress: true}"
    text = on_push(group, a=job()) if level == "workflow" else on_push("", a=job(concurrency=group))
    github = quick({"ci.yml": text}, Hands())
    first = only(push(github))
    some_steps(github)
    second = only(push(github))
    some_steps(github)
    assert states(first, second) == ["cancelled", "in_progress"]


@pytest.mark.parametrize("level", ["workflow", "job"])
def test_a_queue_keeps_a_hundred_and_refuses_the_next(quick: Quick, level: str) -> None:
    group = "{group: G, queue: max}"
    text = on_push(group, a=job()) if level == "workflow" else on_push("", a=job(concurrency=group))
    hands = Hands()
    github = quick({"ci.yml": text}, hands)
    runs = []
    for _ in range(102):
        runs += push(github)
        github.step(8)
    some_steps(github)
    assert states(*runs) == ["in_progress", *["pending"] * 100, "cancelled"]
    for index in range(3):
        assert hands.running == [(runs[index].id, "a")], "first come, first served"
        hands.let_end(runs[index], "a")
        some_steps(github)
    github.groups.shuffle(seed=1)
    served = []
    for _ in range(12):
        served += hands.running
        hands.free |= set(hands.running)
        some_steps(github)
    assert len(set(served)) == 12
    assert served != sorted(served), "GitHub promises no order"


def test_a_single_request_clears_a_queue(quick: Quick) -> None:
    both = {
        "queued.yml": f"on: push\njobs: {{a: {job(concurrency='{group: G, queue: max}')}}}",
        "single.yml": f"on: workflow_dispatch\njobs: {{b: {job(concurrency='G')}}}",
    }
    github = quick(both, Hands())
    queued = [*push(github)]
    some_steps(github)
    queued += [*push(github), *push(github)]
    some_steps(github)
    single = github.dispatch("single.yml", "main")
    some_steps(github)
    assert states(*queued, single) == ["in_progress", "cancelled", "cancelled", "pending"]


BOTH = "{group: G, queue: max, cancel-in-progress: true}"


@pytest.mark.parametrize(
    "text", [on_push(BOTH, a=job()), on_push("", a=job(concurrency=BOTH))], ids=["workflow", "job"]
)
def test_a_queue_that_cancels_is_refused(quick: Quick, text: str) -> None:
    github = quick({"ci.yml": text})
    run = only(push(github))
    github.settle()
    assert run.conclusion == "startup_failure"
    assert "exclude each other" in run.message


def test_a_queue_that_cancels_by_an_expression_fails_its_job(quick: Quick) -> None:
    both = BOTH.replace("true", "\"${{ github.event_name == 'push' }}\"")
    github = quick({"ci.yml": on_push("", a=job(concurrency=both))})
    run = only(push(github))
    github.settle()
    assert run.conclusion == "failure"
    assert "exclude each other" in run.job("a").log


def test_a_run_that_waits_for_approval_holds_its_group(quick: Quick) -> None:
    gate = job(environment="prd", concurrency="Deploy")
    github = quick(
        {"ci.yml": on_push("", a=gate), "top.yml": on_push("Top", b=job(environment="prd"))}
    )
    github.environments["prd"] = {"reviewers": ["lead"]}
    runs = push(github)
    github.settle()
    later = [push(github), push(github)]
    github.settle()
    assert states(*runs) == ["waiting", "waiting"]
    # Later runs wait behind the runs without an approval. The newest one cancels the others.
    assert [states(*pair) for pair in later] == [["cancelled"] * 2, ["pending"] * 2]
    for run in runs:
        github.approve(run)
    github.settle()
    assert states(*runs, *later[1]) == ["success", "success", "waiting", "waiting"]


def test_a_cancelled_run_leaves_the_queue(quick: Quick) -> None:
    hands = Hands()
    github = quick({"ci.yml": on_push("{group: G, queue: max}", a=job())}, hands)
    runs = [*push(github), *push(github), *push(github)]
    some_steps(github)
    github.cancel(runs[1])
    some_steps(github)
    assert states(*runs) == ["in_progress", "cancelled", "pending"]
    hands.let_end(runs[0], "a")
    some_steps(github)
    assert states(*runs) == ["success", "cancelled", "in_progress"]
