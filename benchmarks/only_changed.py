"""What `only_changed` saves, replayed with the real history of a public repository.

    .venv/bin/python benchmarks/only_changed.py          prints the table of docs/orchestrations.md
    .venv/bin/python benchmarks/only_changed.py 20       replays the first 20 pushes
    .venv/bin/python benchmarks/only_changed.py --each   says what each push deploys, too

`data/` holds which paths each commit changed, and the answers that detection proposes
(`record_history.py` writes both). Each commit is a push to the first environment, which goes on to
all others at once; nothing fails, and a person approves everything. What a run builds and deploys
is decided by the modules of the action `what-changed`, as in a generated pipeline. How long a job
takes is an assumption, that of `orchestrations.py`.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from orchestrations import CHANGES, GATE, MINUTES, PROMOTION, ROOT, SETUP, SUMMARY, build_minutes

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "only_changed")]

from pipeline.answers import read_answers  # noqa: E402
from pipeline.catalogue import load_catalogue  # noqa: E402
from pipeline.plan import Plan, make_plan  # noqa: E402
from pipeline.what_changed import components_data  # noqa: E402
from planner import Planner, started  # noqa: E402

DATA = ROOT / "benchmarks" / "data"
REPOSITORY = "retail-store-sample-app"
MONTH = 365.25 / 12

Tree = dict[str, str]


@dataclass
class Commit:
    time: str
    id: str
    changed: dict[str, str] = field(default_factory=dict)
    """By path the new object; `-` where it was deleted."""


def read_history(file: Path) -> list[Commit]:
    commits: list[Commit] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            time, commit = line[2:].split(" ")
            commits.append(Commit(time, commit))
        elif not line.startswith("# "):
            new, path = line.split("\t", 1)
            commits[-1].changed[path] = new
    return commits


def trees(commits: list[Commit]) -> Iterator[tuple[int, Commit, Tree]]:
    """The files of each commit, without those that never change: no key differs by them."""
    moving = {path for commit in commits[1:] for path in commit.changed}
    tree = Tree()
    for number, commit in enumerate(commits):
        tree |= {path: new for path, new in commit.changed.items() if path in moving}
        tree = {path: new for path, new in tree.items() if new != "-"}
        yield number, commit, tree


@dataclass
class Pipeline:
    """The pipeline of a plan: what is deployed to each environment, and what its runs cost."""

    plan: Plan
    ask: Planner
    all: bool
    """Whether everything is deployed, as with `only_changed: false`."""
    memory: dict[str, Any] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    last: dict[str, list[str]] = field(default_factory=dict)
    """What the last push deployed, by environment."""

    def __post_init__(self) -> None:
        self.config = json.loads(components_data(self.plan.answers))
        self.minutes = {
            b.component.name: build_minutes(self.plan, b.file) for b in self.plan.builds
        }

    def push(self, number: int, commit: Commit, tree: Tree) -> None:
        """A push, and the runs that follow it; the first environments come first."""
        for orchestrator in self.plan.orchestrators:
            environment = orchestrator.environment.name
            before = self.config["environments"][environment]["after"]
            given = {
                "config": self.config,
                "environment": environment,
                "commit": commit.id,
                "tree": sorted(tree.items()),
                "pipeline": [],
                "memory": self.memory,
                "now": commit.time,
                "all": self.all,
            }
            planned = (
                self.ask("promoted", manifest=self.memory[before], **given)
                if before
                else self.ask("source", **given)
            )
            if planned["refused"]:
                raise ValueError(f"{commit.id} in {environment}: {planned['refused']}")
            self.count(planned, approved=bool(orchestrator.approval))
            self.last[environment] = planned["deploy"]
            self.memory[environment] = self.ask(
                "remember",
                config=self.config,
                plan=planned,
                memory=self.memory.get(environment),
                results=dict.fromkeys(self.jobs(planned, environment), "success"),
                digests=self.digests(planned),
                run=number,
                commit=commit.id,
                environment=environment,
                at=commit.time,
                planned=commit.time,
            )
        self.counts["pushes that deploy nothing"] += not any(self.last.values())

    def digests(self, planned: dict[str, Any]) -> dict[str, str]:
        """The digests of the packages that a run promotes or builds."""
        built = [n for n in planned["build"] if self.config["components"][n]["package"]]
        brought = {name: package["digest"] for name, package in planned["packages"].items()}
        return {**brought, **{name: planned["keys"][name] for name in built}}

    @staticmethod
    def jobs(planned: dict[str, Any], environment: str) -> Iterator[str]:
        yield from (f"{name}-build" for name in planned["build"])
        yield from (f"{name}-{environment}" for name in planned["deploy"])

    def count(self, planned: dict[str, Any], approved: bool) -> None:
        jobs = [CHANGES + PROMOTION * len(planned["packages"]), SUMMARY]
        jobs += [self.minutes[name] for name in planned["build"]]
        jobs += [SETUP + MINUTES["deploy"] for _ in planned["deploy"]]
        asks = approved and bool(planned["deploy"])
        jobs += [GATE] * asks
        self.counts["builds"] += len(planned["build"])
        self.counts["deployments"] += len(planned["deploy"])
        self.counts["approvals"] += asks
        self.counts["jobs"] += len(jobs)
        self.counts["billed minutes"] += sum(map(math.ceil, jobs))


def plan_of(answers: dict[str, Any]) -> Plan:
    given = {**answers, "branching": "trunk", "orchestration": "call"}
    return make_plan(read_answers(given, load_catalogue(ROOT)))


def replay(
    commits: list[Commit], plan: Plan, ask: Planner, everything: bool, each: bool = False
) -> Pipeline:
    """What the pushes after the first commit cost; that one is deployed before."""
    pipeline = Pipeline(plan, ask, everything)
    for number, commit, tree in trees(commits):
        pipeline.push(number, commit, tree)
        if number == 0:
            pipeline.counts.clear()
        elif each:
            deployed = {name for names in pipeline.last.values() for name in names}
            print(f"{commit.id}: {', '.join(sorted(deployed)) or '-'}")
    return pipeline


def table(everything: Counter[str], changed: Counter[str], months: float) -> Iterator[str]:
    yield "| A month | everything | only what changed | saved |"
    yield "| --- | --: | --: | --: |"
    for what in ("builds", "deployments", "approvals", "jobs", "billed minutes"):
        a, b = everything[what] / months, changed[what] / months
        yield f"| {what} | {a:,.0f} | {b:,.0f} | {1 - b / a:.0%} |"


def main(many: int | None = None, each: bool = False) -> None:
    commits = read_history(DATA / f"{REPOSITORY}.txt")[: many and many + 1]
    answers = yaml.safe_load((DATA / f"{REPOSITORY}.yml").read_text(encoding="utf-8"))
    plan = plan_of(answers)
    with started() as ask:
        everything = replay(commits, plan, ask, everything=True).counts
        changed = replay(commits, plan, ask, everything=False, each=each).counts
    began, ended = (datetime.fromisoformat(commits[place].time) for place in (0, -1))
    months = (ended - began).total_seconds() / 86400 / MONTH
    idle = changed["pushes that deploy nothing"]
    print(f"{len(commits) - 1} pushes in {months:.1f} months; {idle} of them deploy nothing.\n")
    print("\n".join(table(everything, changed, months)))


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(numbers[0] if numbers else None, each="--each" in sys.argv)
