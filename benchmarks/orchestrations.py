"""What the three orchestrations cost, computed from the plan of each example.

    .venv/bin/python benchmarks/orchestrations.py     prints the tables of docs/orchestrations.md

Nothing runs: the jobs of a plan get the durations below. The tables also show version 0.1, and the
pattern that the requirements call best practice, as if it worked: one job after another starts a
workflow and asks every ten seconds whether it has ended.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "extensions"))

from pipeline.answers import read_answers  # noqa: E402
from pipeline.catalogue import load_catalogue  # noqa: E402
from pipeline.component_workflows import ComponentWorkflow  # noqa: E402
from pipeline.errors import AnswerError  # noqa: E402
from pipeline.orchestrators import OrchestratorWorkflow  # noqa: E402
from pipeline.plan import Plan, make_plan  # noqa: E402
from pipeline.steps import Call  # noqa: E402

SETUP = 0.5
"""How long a job checks out and sets up its tools, in minutes."""
MINUTES = {"lint": 1.0, "test": 3.0, "security": 1.0, "build": 2.0, "deploy": 4.0}
"""How long a command works, in minutes: the same for all orchestrations."""
CHANGES = SUMMARY = GATE = 0.3
PROMOTION = 0.2
"""How long it takes to promote one package, in minutes."""
RUNNER = 0.2
"""How long a job waits for a runner, in minutes; it is not billed."""
NOT_YET = 0.7
"""How often a first job looks if a dependency is not deployed yet."""
CHECK_CALLS = 1
"""Calls with which a job finds that a commit is the head of a branch."""
PLAN_CALLS = 4
"""Calls with which the run of a component reads what its orchestrator has decided."""
TAKE_CALLS = 3
"""Calls that finding and downloading a package takes."""
PROMOTE_CALLS = 6
"""The same for a package of another run, which has to be verified first."""

EXAMPLES = ("lambda", "seed", "monorepo", "cluster")
TWELVE: dict[str, Any] = {
    "components": {f"c{i}": {"code_type": "terraform", "path": f"c{i}"} for i in range(1, 13)},
    "dependency_map": {f"c{i}": [f"c{i // 2}"] if i > 1 else [] for i in range(1, 13)},
}
"""Twelve components in a binary tree."""

VERSION_0_1: Mapping[str, tuple[tuple[int, int, int, int, int], tuple[int, int, int, int, int]]] = {
    "lambda": ((11, 16, 27, 0, 7), (12, 77, 28, 0, 7)),
    "seed": ((21, 24, 52, 0, 21), (22, 146, 53, 0, 21)),
    "monorepo": ((17, 28, 44, 0, 10), (18, 148, 45, 0, 10)),
    "cluster": ((21, 17, 50, 0, 19), (22, 78, 51, 0, 19)),
    "twelve": ((61, 36, 169, 0, 13), (62, 277, 170, 0, 13)),
}
"""`call` as version 0.1 had it, by its own program of this name, with the same durations: jobs,
minutes to the end, billed, waiting, API calls; for a push and for production."""


@dataclass
class Cost:
    """What one deployment to one environment takes."""

    jobs: int = 0
    billed: int = 0
    """Minutes, each job rounded up to whole ones."""
    waiting: int = 0
    """Those of them in which a job only waits for others."""
    calls: int = 0
    """REST calls with the built-in token; at most 1,000 an hour for the whole repository."""
    end: float = 0.0
    """Minutes from the push until the summary is written."""

    def job(self, minutes: float, calls: int = 0, waits: bool = False) -> None:
        billed = math.ceil(minutes)
        self.jobs += 1
        self.billed += billed
        self.waiting += billed * waits
        self.calls += calls

    @property
    def row(self) -> tuple[int, int, int, int, int]:
        return self.jobs, round(self.end), self.billed, self.waiting, self.calls


def build_minutes(plan: Plan, file: str) -> float:
    build = next(b for b in plan.builds if b.file == file)
    return SETUP + sum(MINUTES[command.id] for command in build.commands)


def run_call(plan: Plan, call: Call, cost: Cost) -> float:
    """Count a called workflow's job; how long it works, in minutes."""
    if any(b.file == call.file for b in plan.builds):
        build = next(b for b in plan.builds if b.file == call.file)
        minutes = build_minutes(plan, call.file)
        cost.job(minutes, TAKE_CALLS * len(build.packages))
        return minutes
    deploy = next(d for d in plan.deploys if d.file == call.file)
    minutes = SETUP + MINUTES["deploy"]
    packages = len(deploy.packages) + (deploy.own is not None)
    cost.job(minutes, CHECK_CALLS + TAKE_CALLS * packages)
    return minutes


def polls(minutes: float, first: float = 10, most: float = 60, growth: float = 1.5) -> list[float]:
    """The moments, in minutes, at which a job that backs off looks; the last sees the end."""
    moments, pause, now = [0.0], first / 60, 0.0
    while now < minutes:
        now += pause
        moments.append(now)
        pause = min(pause * growth, most / 60)
    return moments


def first_jobs(orchestrator: OrchestratorWorkflow, approval: float, cost: Cost) -> dict[str, float]:
    """When the jobs before those of components end, in minutes."""
    promotions = len(orchestrator.changes.promotions)
    minutes = CHANGES + PROMOTION * promotions
    cost.job(minutes, CHECK_CALLS + PROMOTE_CALLS * promotions)
    ends = {"changes": RUNNER + minutes}
    if orchestrator.approval:
        cost.job(GATE, calls=1)
        ends["approval"] = ends["changes"] + approval + RUNNER + GATE
    return ends


def cost_of_call(plan: Plan, orchestrator: OrchestratorWorkflow, approval: float) -> Cost:
    cost = Cost()
    ends = first_jobs(orchestrator, approval, cost)
    for each in (*orchestrator.builds, *orchestrator.deployments):
        start = max(ends[need] for need in each.needs)
        ends[each.id] = start + RUNNER + run_call(plan, each, cost)
    return summed_up(cost, ends)


def component_run(plan: Plan, workflow: ComponentWorkflow, cost: Cost, approval: float) -> float:
    """Count the jobs of a component's own run; how long it takes, in minutes."""
    ends = {"": 0.0}
    if workflow.changes:
        # A run that an orchestrator has started reads the plan; the orchestrator promotes packages.
        is_started = bool(workflow.changes.reads_plan)
        promotions = 0 if is_started else len(workflow.changes.promotions)
        minutes = CHANGES + PROMOTION * promotions
        calls = CHECK_CALLS + PROMOTE_CALLS * promotions + PLAN_CALLS * is_started
        cost.job(minutes, calls)
        ends["changes"] = RUNNER + minutes
    if workflow.approval and approval:
        cost.job(GATE, calls=1)
        ends["approval"] = max(ends.values()) + approval + RUNNER + GATE
    for each in workflow.calls:
        start = max((ends[need] for need in each.needs if need in ends), default=0.0)
        ends[each.id] = start + RUNNER + run_call(plan, each, cost)
    return max(ends.values())


def cost_of_dispatch(plan: Plan, orchestrator: OrchestratorWorkflow, approval: float) -> Cost:
    cost = Cost()
    ends = first_jobs(orchestrator, approval, cost)
    for start in orchestrator.starts:
        jobs = cost.jobs
        minutes = component_run(plan, start.workflow, cost, approval=0)
        seen = polls(minutes)
        # A look counts as a call only if the run's state has changed.
        changes = 2 * (cost.jobs - jobs + 1)
        cost.job(seen[-1], calls=1 + min(len(seen), changes), waits=True)
        ends[start.id] = max(ends[need] for need in start.needs) + RUNNER + seen[-1]
    return summed_up(cost, ends)


def cost_of_observe(plan: Plan, orchestrator: OrchestratorWorkflow, approval: float) -> Cost:
    cost = Cost()
    ends = dict[str, float]()
    workflows = [w for w in plan.workflows if w.environment == orchestrator.environment]
    by_name = {workflow.name: workflow for workflow in workflows}
    for workflow in workflows:
        minutes = component_run(plan, workflow, cost, approval)
        before = [by_name[name] for name in workflow.triggers.after if name in by_name]
        ends[workflow.id] = max((ends[w.id] for w in before), default=0.0) + minutes
        # The end of each dependency starts a run; all but the last run find one missing.
        for _ in before[1:]:
            cost.job(NOT_YET, calls=CHECK_CALLS + 3 * (1 + len(before)), waits=True)
        cost.calls += 2 * len(before)
    watched = polls(max(ends.values()))
    ends |= first_jobs(orchestrator, approval, cost)
    cost.job(watched[-1], calls=1 + len(watched) + len(workflows), waits=True)
    ends["watch"] = RUNNER + watched[-1]
    return summed_up(cost, ends)


def cost_as_required(plan: Plan, orchestrator: OrchestratorWorkflow, approval: float) -> Cost:
    """One job per component, one after the other: list, start, list, ask every ten seconds.

    Each environment checks and builds again, and each deployment asks by itself.
    """
    cost, end = Cost(), 0.0
    for component in plan.answers.components:
        commands = [job for job in MINUTES if job in component.commands]
        for job in commands:
            cost.job(SETUP + MINUTES[job])
        checks = [SETUP + MINUTES[job] for job in commands if job in ("lint", "test", "security")]
        later = [SETUP + MINUTES[job] for job in commands if job in ("build", "deploy")]
        asked = approval if "deploy" in commands else 0.0
        minutes = max(checks, default=0.0) + sum(later) + asked + RUNNER * (1 + len(later))
        edges = [e for e in plan.answers.dependencies.edges if e.consumer == component.name]
        looks = polls(minutes, first=10, most=10, growth=1)
        waited = 0.5 + looks[-1]  # a checkout, and five seconds until the run appears
        cost.job(waited, calls=3 + len(looks) + 2 * len(edges), waits=True)
        end += RUNNER + waited
    return summed_up(cost, {"": end})


def summed_up(cost: Cost, ends: Mapping[str, float]) -> Cost:
    cost.job(SUMMARY, calls=1)
    cost.end = max(ends.values()) + RUNNER + SUMMARY
    return cost


WAYS: dict[str, tuple[str, Callable[[Plan, OrchestratorWorkflow, float], Cost]]] = {
    "call": ("call", cost_of_call),
    "dispatch": ("dispatch", cost_of_dispatch),
    "observe": ("observe", cost_of_observe),
    "as required": ("call", cost_as_required),
}


def table(place: int, approval: float) -> list[str]:
    """The costs of a deployment to each example's first (0) or last (-1) environment."""
    lines = [
        "| Example | How | Jobs | Minutes to the end | Billed | Only waiting | API calls |",
        "| --- | --- | --: | --: | --: | --: | --: |",
    ]
    catalogue = load_catalogue(ROOT)
    answers = {
        name: yaml.safe_load((ROOT / "examples" / f"{name}.yml").read_text("utf-8"))
        for name in EXAMPLES
    }
    for example, given in {**answers, "twelve": TWELVE}.items():
        for way, (orchestration, count) in WAYS.items():
            try:
                read = read_answers({**given, "orchestration": orchestration}, catalogue)
            except AnswerError:
                lines.append(f"| {example} | {way} | refused: too deep a chain | | | | |")
                continue
            plan = make_plan(read)
            row = count(plan, plan.orchestrators[place], approval).row
            lines.append(f"| {example} | {way} | {' | '.join(map(str, row))} |")
            if way == "call":
                before = VERSION_0_1[example][0 if place == 0 else 1]
                lines.append(f"| {example} | call, in 0.1 | {' | '.join(map(str, before))} |")
    return lines


def main() -> None:
    print("A push to the first environment:\n")
    print("\n".join(table(0, approval=0)))
    print("\nProduction, where a person takes an hour to approve:\n")
    print("\n".join(table(-1, approval=60)))


if __name__ == "__main__":
    main()
