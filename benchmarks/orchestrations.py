"""What the three orchestrations cost, computed from the plan of each example.

    .venv/bin/python benchmarks/orchestrations.py     prints the tables of docs/orchestrations.md

Nothing runs: the jobs of a plan are laid out in time with the durations below. Beside them stands
the pattern that the requirements call best practice, as if it worked: one job after the other,
each starts a workflow and asks every ten seconds whether it is over.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "extensions"))

from pipeline.answers import read_answers  # noqa: E402
from pipeline.catalogue import load_catalogue  # noqa: E402
from pipeline.errors import AnswerError  # noqa: E402
from pipeline.plan import ComponentWorkflow, Orchestrator, Plan, make_plan  # noqa: E402

MINUTES = {"lint": 1.5, "test": 3.5, "security": 1.5, "build": 2.5, "deploy": 4.5}
"""How long a job works, in minutes. Whatever they are, the orchestrations differ alike."""
PREFLIGHT = SUMMARY = 0.3
RUNNER = 0.2
"""How long a job waits for a runner, in minutes; it is not billed."""
NOT_YET = 0.7
"""A preflight that finds that the time has not come looks three times."""
PACKAGE_CALLS = 2
"""Calls that downloading a package of another run takes."""
BELONGING_CALLS = 1
"""Calls with which a preflight finds that a commit is the head of a branch."""

EXAMPLES = ("lambda", "seed", "monorepo", "cluster")


@dataclass
class Cost:
    """What one deployment to one environment takes."""

    billed: int = 0
    """Minutes, each job rounded up to whole ones."""
    waiting: int = 0
    """Those of them in which a job only waits for others."""
    calls: int = 0
    """REST calls with the built-in token; at most 1,000 an hour for the whole repository."""
    end: float = 0.0
    """Minutes from the push until the summary stands."""

    def job(self, minutes: float, waits: bool = False) -> None:
        billed = math.ceil(minutes)
        self.billed += billed
        self.waiting += billed * waits


@dataclass
class Timeline:
    """One component's workflow in time, without what comes before it."""

    workflow: ComponentWorkflow
    approval: float
    minutes: float = field(init=False)
    changes: int = field(init=False)
    """How often the run's state changes; only then a conditional request counts as a call."""

    def __post_init__(self) -> None:
        ends = {"preflight": RUNNER + PREFLIGHT}
        for job in self.workflow.jobs:
            asked = self.approval if job.environment and job.id == "deploy" else 0
            start = max(ends[need] for need in job.needs)
            ends[job.id] = start + asked + RUNNER + MINUTES[job.id]
        self.minutes = max(ends.values())
        self.changes = 2 * len(ends)

    def add_jobs(self, cost: Cost) -> None:
        cost.job(PREFLIGHT)
        cost.calls += BELONGING_CALLS
        for job in self.workflow.jobs:
            cost.job(MINUTES[job.id])
            cost.calls += PACKAGE_CALLS * len(job.packages)


def polls(minutes: float, first: float = 10, most: float = 60, growth: float = 1.5) -> list[float]:
    """The moments, in minutes, at which a job that backs off looks; the last sees the end."""
    moments, pause, now = [0.0], first / 60, 0.0
    while now < minutes:
        now += pause
        moments.append(now)
        pause = min(pause * growth, most / 60)
    return moments


def call(plan: Plan, orchestrator: Orchestrator, approval: float) -> Cost:
    cost, ends = Cost(), dict.fromkeys(orchestrator.gates, RUNNER + PREFLIGHT)
    for c in orchestrator.calls:
        line = Timeline(c.workflow, approval)
        line.add_jobs(cost)
        ends[c.id] = max((ends[need] for need in c.needs), default=0.0) + line.minutes
    return _summed_up(cost, orchestrator, ends, calls=1)


def dispatch(plan: Plan, orchestrator: Orchestrator, approval: float) -> Cost:
    cost, ends = Cost(), dict.fromkeys(orchestrator.gates, RUNNER + PREFLIGHT)
    for c in orchestrator.calls:
        line = Timeline(c.workflow, approval)
        line.add_jobs(cost)
        seen = polls(line.minutes)
        cost.job(seen[-1], waits=True)
        cost.calls += 1 + min(len(seen), line.changes)
        # Each package's run is named to the child, which looks at it and at what it holds.
        cost.calls += 2 * len(c.workflow.producers)
        start = max((ends[need] for need in c.needs), default=0.0)
        ends[c.id] = start + RUNNER + seen[-1]
    return _summed_up(cost, orchestrator, ends, calls=0)


def observe(plan: Plan, orchestrator: Orchestrator, approval: float) -> Cost:
    cost, ends = Cost(), dict[str, float]()
    workflows = [w for w in plan.workflows if w.environment == orchestrator.environment]
    by_name = {workflow.name: workflow for workflow in workflows}
    for workflow in workflows:
        line = Timeline(workflow, approval)
        line.add_jobs(cost)
        before = [by_name[name] for name in workflow.triggers.after if name in by_name]
        ends[workflow.id] = max((ends[w.id] for w in before), default=0.0) + line.minutes
        # Every end of what comes before starts it; all but the last find that it is not time yet.
        for _ in before[1:]:
            cost.job(NOT_YET, waits=True)
            cost.calls += BELONGING_CALLS + 3 * (1 + len(before))
        cost.calls += 2 * len(before)
    watched = polls(max(ends.values()))
    cost.job(watched[-1], waits=True)
    cost.calls += 1 + len(watched) + len(workflows)
    ends["watch"] = RUNNER + watched[-1]
    return _summed_up(cost, orchestrator, ends, calls=0)


def as_required(plan: Plan, orchestrator: Orchestrator, approval: float) -> Cost:
    """One job per component, one after the other: list, start, list, ask every ten seconds."""
    cost, end = Cost(), 0.0
    for c in orchestrator.calls:
        line = Timeline(c.workflow, approval)
        for job in c.workflow.jobs:
            cost.job(MINUTES[job.id])
        asked = polls(line.minutes, first=10, most=10)
        waited = 0.5 + asked[-1]  # a checkout, and five seconds for the run to show up
        cost.job(waited, waits=True)
        cost.calls += 3 + len(asked) + PACKAGE_CALLS * len(c.workflow.producers)
        end += RUNNER + waited
    return _summed_up(cost, orchestrator, {"": end}, calls=0)


def _summed_up(
    cost: Cost, orchestrator: Orchestrator, ends: Mapping[str, float], calls: int
) -> Cost:
    for _ in orchestrator.gates:
        cost.job(PREFLIGHT)
    cost.job(SUMMARY)
    cost.calls += calls
    cost.end = max(ends.values()) + RUNNER + SUMMARY
    return cost


WAYS: dict[str, tuple[str, Callable[[Plan, Orchestrator, float], Cost]]] = {
    "call": ("call", call),
    "dispatch": ("dispatch", dispatch),
    "observe": ("observe", observe),
    "as required": ("call", as_required),
}


def table(place: int, approval: float) -> list[str]:
    """The costs of a deployment to each example's first (0) or last (-1) environment."""
    lines = [
        "| Example | How | Minutes to the end | Billed | Of these only waiting | API calls |",
        "| --- | --- | --: | --: | --: | --: |",
    ]
    catalogue = load_catalogue(ROOT)
    for example in EXAMPLES:
        answers = yaml.safe_load((ROOT / "examples" / f"{example}.yml").read_text("utf-8"))
        for way, (orchestration, count) in WAYS.items():
            try:
                read = read_answers({**answers, "orchestration": orchestration}, catalogue)
            except AnswerError:
                lines.append(f"| {example} | {way} | refused: too deep a chain | | | |")
                continue
            plan = make_plan(read)
            cost = count(plan, plan.orchestrators[place], approval)
            lines.append(
                f"| {example} | {way} | {cost.end:.0f} | {cost.billed} | {cost.waiting} "
                f"| {cost.calls} |"
            )
    return lines


def main() -> None:
    print("A push to the first environment:\n")
    print("\n".join(table(0, approval=0)))
    print("\nProduction, where each deployment waits an hour for its approval:\n")
    print("\n".join(table(-1, approval=60)))


if __name__ == "__main__":
    main()
