"""The plan's own prediction of a run, written again from the rules.

It reads components, edges, waves and `stops`. It does not read the `needs` and conditions of the
plan, because the tests check these.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import toolbox
from generated_repositories import planned
from github_oracle import RESULTS, Results
from pipeline.answers import read_answers
from pipeline.catalogue import load_catalogue
from pipeline.components import Component
from pipeline.environments import Environment
from pipeline.plan import Plan, make_plan

CHANGES = "changes"
APPROVAL = "approval"
SUMMARY = "deployment-summary"
TOO_OLD = "too old"
"""The end of a job `changes` that has found a newer run: it succeeds with this outcome."""

MOST = 1200
"""The most runs of one pipeline that are compared."""

CATALOGUE = load_catalogue(toolbox.ROOT)


@functools.cache
def told(build: tuple[str, ...], deploy: tuple[str, ...]) -> dict[str, str]:
    return planned(build, deploy)


def plan_of(answers: Mapping[str, Any]) -> Plan:
    return make_plan(read_answers(answers, CATALOGUE))


@dataclass(frozen=True)
class Pipeline:
    """The work of an environment's orchestrator."""

    plan: Plan
    environment: Environment

    # -- components ----------------------------------------------------------------------------

    @cached_property
    def components(self) -> dict[str, Component]:
        """Those of the orchestrator, in the order of deployment: deployed here or in a later
        environment, or with a package that one of these takes."""
        chain = {self.environment.name}
        for other in self.plan.environments:
            if other.trigger == "after" and other.source in chain:
                chain.add(other.name)
        by_name = {c.name: c for c in self.plan.answers.components}
        wanted = {name for name, c in by_name.items() if any(map(c.belongs_to, chain))}
        for name in reversed(self.plan.order):  # consumers come before what they take
            if name in wanted:
                wanted |= self.takes[name]
        return {name: by_name[name] for name in self.plan.order if name in wanted}

    @cached_property
    def takes(self) -> dict[str, set[str]]:
        """The components whose packages each component takes."""
        edges = [edge for edge in self.plan.answers.dependencies.edges if edge.placements]
        return {n: {e.producer for e in edges if e.consumer == n} for n in self.plan.order}

    @cached_property
    def dependencies(self) -> dict[str, set[str]]:
        edges = self.plan.answers.dependencies.edges
        return {n: {e.producer for e in edges if e.consumer == n} for n in self.plan.order}

    @cached_property
    def chained(self) -> bool:
        return self.environment.trigger == "after"

    @cached_property
    def built(self) -> list[str]:
        """A chained environment deploys tested packages. It builds only packages for each
        environment, and their consumers."""
        again: set[str] = set()
        for name in self.plan.order:
            [component] = [c for c in self.plan.answers.components if c.name == name]
            if component.build_per_environment or self.takes[name] & again:
                again.add(name)
        checks = {"lint", "test", "security", "build"}
        builds = [name for name, c in self.components.items() if checks & set(c.commands)]
        return [name for name in builds if not self.chained or name in again]

    @cached_property
    def deployed(self) -> list[str]:
        here = self.environment.name
        return [
            name
            for name, c in self.components.items()
            if "deploy" in c.commands and c.belongs_to(here)
        ]

    @cached_property
    def asks(self) -> bool:
        """A production asks once, before the first deployment. Without a deployment it does not
        ask."""
        once = self.plan.answers.approval == "once"
        return self.environment.production and once and bool(self.deployed)

    # -- order -----------------------------------------------------------------------------------

    def build(self, name: str) -> str:
        return f"{name}-build"

    def deployment(self, name: str) -> str:
        return f"{name}-{self.environment.name}"

    @cached_property
    def jobs(self) -> dict[str, set[str]]:
        """Each job except the summary, with the jobs that must have succeeded before it."""
        gates = {CHANGES, APPROVAL} if self.asks else {CHANGES}
        if self.plan.answers.orchestration == "dispatch":
            return {CHANGES: set(), **self._approval({}), **self._starts(gates)}
        builds: dict[str, set[str]] = {
            self.build(name): {CHANGES, *(self.build(p) for p in self.takes[name] & {*self.built})}
            for name in self.built
        }
        deployments = {}
        for name in self.deployed:
            if self.environment.stops:
                wanted = {*builds, *map(self.deployment, self._earlier(name, self.deployed))}
            else:
                # Order passes through components that are built and not deployed.
                wanted = {self.deployment(n) for n in self._through(name, {*self.deployed})}
                own = {name, *self.takes[name], *self._passed(name, {*self.deployed})}
                wanted |= {self.build(n) for n in own & {*self.built}}
            deployments[self.deployment(name)] = gates | wanted
        return {CHANGES: set(), **builds, **self._approval(builds), **deployments}

    def _approval(self, builds: Mapping[str, set[str]]) -> dict[str, set[str]]:
        """The approval waits for all builds, so that none fails after it."""
        return {APPROVAL: {CHANGES, *builds}} if self.asks else {}

    def _starts(self, gates: set[str]) -> dict[str, set[str]]:
        """Under `dispatch`, one run builds and deploys a component."""
        names = [name for name in self.components if name in {*self.built, *self.deployed}]
        jobs = {}
        for name in names:
            stops = self.environment.stops
            before = self._earlier(name, names) if stops else self._through(name, {*names})
            jobs[self.deployment(name)] = gates | {self.deployment(n) for n in before}
        return jobs

    def _earlier(self, name: str, among: list[str]) -> set[str]:
        """The components of all earlier waves."""
        [wave] = [number for number, wave in enumerate(self.plan.waves) if name in wave]
        earlier = {n for wave in self.plan.waves[:wave] for n in wave}
        return earlier & {*among}

    def _through(self, name: str, wanted: set[str]) -> set[str]:
        """The nearest of the wanted components on which it depends."""
        return {
            found
            for other in self.dependencies[name]
            for found in ({other} if other in wanted else self._through(other, wanted))
        }

    def _passed(self, name: str, wanted: set[str]) -> set[str]:
        """The components between these and it."""
        others = self.dependencies[name] - wanted
        return others.union(*(self._passed(other, wanted) for other in others))

    # -- runs --------------------------------------------------------------------------------------

    @cached_property
    def plans(self) -> bool:
        """Whether the job `changes` decides what is built and deployed."""
        return self.plan.answers.orchestration != "observe"

    @cached_property
    def starts(self) -> bool:
        """Whether one job starts the run that builds and deploys a component."""
        return self.plan.answers.orchestration == "dispatch"

    def runs(self) -> list[Results]:
        """Every different run: each job that starts ends in each way, or the plan does not name it
        (`skipped` here). For large graphs, a fixed sample."""
        found = list(itertools.islice(self._runs({}, [*self.jobs]), MOST + 1))
        if len(found) <= MOST:
            return found
        source = random.Random(f"{self.environment.name} {self.jobs.keys()}")
        sample = (self._sampled(source) for _ in range(MOST))
        return list({tuple(one.items()): one for one in sample if self._is_whole(one)}.values())

    def _runs(self, so_far: Results, left: list[str]) -> Iterator[Results]:
        if not left:
            if self._is_whole(so_far):
                yield so_far
            return
        job, *rest = left
        for result in self._ends(job, so_far):
            yield from self._runs({**so_far, job: result}, rest)

    def _sampled(self, source: random.Random) -> Results:
        results: dict[str, str | None] = {}
        for job in self.jobs:
            ends = self._ends(job, results)
            results[job] = source.choice([*ends, ends[0], ends[0]])
        return results

    def _ends(self, job: str, so_far: Results) -> tuple[str | None, ...]:
        """The possible ends of a job, success first. With None, it never starts."""
        if job == CHANGES:
            good = tuple(r for r in RESULTS if r != "skipped")
            return (*RESULTS, TOO_OLD) if self.chained else good
        if not self.plans:
            starts = all(so_far[other] == "success" for other in self.jobs[job])
            return RESULTS if starts else (None,)
        return (None,) if self._is_held_up(job, so_far) else RESULTS

    def _is_held_up(self, job: str, so_far: Results) -> bool:
        """Whether an earlier job failed, or was left out for that reason."""
        if so_far[CHANGES] != "success":
            return True
        if APPROVAL in self.jobs[job] and so_far[APPROVAL] not in ("success", "skipped"):
            return True
        return any(so_far[one] in ("failure", "cancelled", None) for one in self.jobs[job])

    def _is_whole(self, results: Results) -> bool:
        """Whether an approval is asked for if and only if the plan names a deployment."""
        if not self.plans or results.get(APPROVAL) is None:
            return True
        return (results[APPROVAL] == "skipped") == (not self.named("deploy", results))

    def named(self, kind: str, results: Results) -> list[str]:
        """The components that the plan names to be built or deployed."""
        names, job = {
            "build": (self.built, self.deployment if self.starts else self.build),
            "deploy": (self.deployed, self.deployment),
        }[kind]
        named = [name for name in names if results[job(name)] != "skipped"]
        if not self.starts:
            return named
        # The plan may name one of both: here every other component is only built.
        both = [name for name in self.components if name in {*self.built} & {*self.deployed}]
        left_out = {*(both[::2] if kind == "build" else both[1::2])}
        return [name for name in named if name not in left_out]

    def outputs(self, results: Results) -> dict[str, str]:
        """The outputs of the job `changes`."""
        too_old = results[CHANGES] == TOO_OLD
        if not self.plans:
            return {"deploy": str(not too_old).lower()}
        if results[CHANGES] != "success":
            return {}
        return told(tuple(self.named("build", results)), tuple(self.named("deploy", results)))

    def until(self, cancelled: str) -> Results:
        """A run that is cancelled during a job. The earlier jobs succeeded one after another, and
        no job starts later."""
        place = [*self.jobs].index(cancelled)
        return {
            **dict.fromkeys(self.jobs),
            **dict.fromkeys([*self.jobs][:place], "success"),
            cancelled: "cancelled",
        }

    def summary(self, results: Results) -> str | None:
        """The result of the summary. It always runs, and fails unless everything succeeded. It does
        not run if the environment before gave no reason to start."""
        if self.chained and results[CHANGES] in ("skipped", None):
            return None
        fine = {"success", "skipped"} if self.plans else {"success"}
        done = results[CHANGES] == TOO_OLD or {*results.values()} <= fine
        return "success" if done else "failure"

    def headline(self, results: Results) -> str:
        """The first line of the summary: the failed components."""
        if not (summary := self.summary(results)):
            return ""
        where = self.environment.name
        if results[CHANGES] == TOO_OLD:
            newer = "a newer run has deployed, or waits for its approval"
            return f"## Nothing was deployed to {where}&#58; {newer}"  # the entity prevents a link
        if summary == "success":
            return f"## Deployment to {where} succeeded"
        failed = [job for job in (CHANGES, APPROVAL) if results.get(job) == "failure"]
        for name in self.components:
            its = [job for job in (self.build(name), self.deployment(name)) if job in results]
            # The job `changes` promoted components without a job of their own.
            if "failure" in [results[job] for job in its or [CHANGES]]:
                failed.append(name)
        what = f"failed in {', '.join(failed)}" if failed else "was not completed"
        return f"## Deployment to {where} {what}"


def github_context(environment: Environment, plan: Plan, **changes: Any) -> dict[str, Any]:
    """The `github` context after a successful run of the environment before."""
    by_name = {e.name: e for e in plan.environments}
    before = by_name.get(environment.source)
    if environment.trigger != "after" or before is None:
        return {"event_name": "push", "event": {}}
    event = {
        "branch": "push",
        "tag": "push",
        "after": "workflow_run",
        "manual": "workflow_dispatch",
    }
    root = by_name[environment.root]
    run = {
        "conclusion": "success",
        "event": event[before.trigger],
        # A run that `workflow_run` started counts as one of the default branch.
        "head_branch": "main" if before.trigger == "after" else root.source,
        "head_repository": {"id": 1},
        **changes,
    }
    repository = {"id": 1, "default_branch": "main"}
    return {
        "event_name": "workflow_run",
        "event": {"workflow_run": run, "repository": repository},
    }
