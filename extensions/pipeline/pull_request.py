"""`pull-request.yml`: checks and builds before a change is merged, without credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from .answers import Answers
from .builds import BuildWorkflow
from .calls import (
    CHANGES,
    Value,
    all_before,
    build_call,
    environment_call,
    job_condition,
    packages_of_this_run,
)
from .component_plans import ComponentPlan, pull_request_plans
from .environments import PULL_REQUEST
from .errors import AnswerError, listed
from .graph import waves
from .limits import REUSABLE_WORKFLOWS
from .scope import built_per_environment
from .steps import Call

CHECKS_JOB = "pull-request-checks"
CHECKS_NAME = "Pull request checks"
"""The name of the required check, which rulesets contain."""

COMMIT = "${{ github.sha }}"


@dataclass(frozen=True)
class PullRequest:
    """`pull-request.yml`, or one of several where GitHub does not run all builds in one."""

    number: int
    calls: tuple[Call, ...]
    plans: tuple[Call, ...]
    """What deployments would change, if somebody of this repository has written the change."""
    notices: tuple[str, ...]
    """What is left out, and why."""
    runners: tuple[Any, ...]
    everything: bool
    """Whether everything is checked, whatever has changed."""
    check: str = CHECKS_JOB
    """The id of the job at the end."""

    @property
    def jobs(self) -> tuple[str, ...]:
        """The ids of all jobs before the one at the end."""
        return (CHANGES, *(c.id for c in (*self.calls, *self.plans))) if self.calls else ()

    @property
    def installs_with(self) -> tuple[str, ...]:
        """The secrets that its builds install with; GitHub hands none to a fork."""
        return tuple(sorted({secret for call in self.calls for secret in call.secrets}))

    @property
    def given(self) -> str:
        """What pull requests of this repository get, in English."""
        given = []
        if self.installs_with:
            given.append("the secrets that the installation needs")
        if self.plans:
            given.append("an identity that reads, for plans")
        return listed(given)

    @property
    def file(self) -> str:
        return f"{PULL_REQUEST}.yml" if self.number == 1 else f"{PULL_REQUEST}-{self.number}.yml"

    @property
    def name(self) -> str:
        return "Pull Request" if self.number == 1 else f"Pull Request {self.number}"

    @property
    def check_name(self) -> str:
        """The required check."""
        return CHECKS_NAME if self.number == 1 else f"{CHECKS_NAME} {self.number}"

    @property
    def own_runners(self) -> bool:
        """Whether a job may run on the project's own machine, which would run a fork's code."""
        return not all(map(is_hosted, self.runners))


def is_hosted(runner: Any) -> bool:
    """Whether it is a label of GitHub's runners. GitHub: "GitHub-hosted runners"."""
    return isinstance(runner, str) and bool(re.match("(ubuntu|windows|macos)-", runner))


def plan_pull_requests(
    builds: Mapping[str, BuildWorkflow], plans: Mapping[str, ComponentPlan], answers: Answers
) -> tuple[PullRequest, ...]:
    """The checks and builds of every component, with no credentials and no deployment, and plans.

    What needs secrets is left out, and so is whatever takes the package of such a component.
    Raises AnswerError if a single component takes more packages than one run can build.
    """
    graph = answers.dependencies.graph(answers.components)
    order = [name for wave in waves(graph) for name in wave if name in builds]
    without_package = {name for name in order if "build" in builds[name].left_out_of_pull_requests}
    notices: dict[str, str] = {}
    calls: dict[str, Call] = {}
    needs: dict[str, tuple[str, ...]] = {}
    for name in order:
        producers = [package.producer for package in builds[name].packages]
        missing = [p for p in producers if p in without_package or p not in calls]
        if missing:
            without_package.add(name)
            why = f"it needs the package of {listed(missing)}"
            notices[name] = f"{name} is not checked in pull requests: {why}."
            continue
        if left := builds[name].left_out_of_pull_requests:
            why = builds[name].why_left_out
            notices[name] = f"{name} has no {listed(left)} in pull requests: {why}."
        inputs: dict[str, Value | tuple[str, ...]] = {}
        if producers:
            inputs["packages"] = packages_of_this_run(
                producers, lambda producer: f"${{{{ needs.{producer}-build.outputs.digest }}}}"
            )
        job = f"{name}-build"
        needs[job] = (CHANGES, *(f"{producer}-build" for producer in producers))
        call = build_call(
            builds[name], None, answers, inputs, all_before(needs)[job], job, commit=COMMIT
        )
        calls[name] = replace(call, condition=job_condition("build", name))
    takes = {name: [p.producer for p in builds[name].packages] for name in calls}
    again = built_per_environment(answers.components, answers.dependencies)
    planned = {}
    for name, plan in plans.items():
        if name not in calls:
            why = "it is not built there"
            notices[f"{name} plan"] = f"{name} has no plan in pull requests: {why}."
        elif name in again:
            why = "its package differs between environments"
            notices[f"{name} plan"] = f"{name} has no plan in pull requests: {why}."
        else:
            planned[name] = _plans(plan, calls[name], answers)
    return tuple(
        PullRequest(
            number=number,
            calls=tuple(calls[name] for name in names),
            plans=tuple(call for name in names for call in planned.get(name, ())),
            notices=tuple(notices.values()) if number == 1 else (),
            runners=tuple(builds[name].runner for name in names),
            everything=not answers.only_changed,
        )
        for number, names in enumerate(_builds_of_runs(takes, set(plans)), 1)
    )


def _plans(plan: ComponentPlan, build: Call, answers: Answers) -> tuple[Call, ...]:
    """The plans of a component, after its build: one for each branch that it can be merged into."""
    inputs: dict[str, Value | tuple[str, ...]] = {
        "deployed": "${{ needs.changes.outputs.build }}",
        "digest": f"${{{{ needs.{build.id}.outputs.digest }}}}",
        "environments": PULL_REQUEST,
    }
    if "packages" in build.inputs:
        inputs["packages"] = build.inputs["packages"]
    needs = (*build.needs, build.id)
    calls = []
    for environment, trusted in pull_request_plans(plan.component, answers):
        job = f"{plan.component.name}-{environment.name}-plan"
        when = job_condition("build", plan.component.name, trusted)
        call = environment_call(plan, environment, answers, inputs, needs, job, when, commit=COMMIT)
        calls.append(replace(call, inputs={k: v for k, v in call.inputs.items() if k != "refs"}))
    return tuple(calls)


def _builds_of_runs(takes: Mapping[str, list[str]], planned: Set[str]) -> list[list[str]]:
    """The builds of each run, in their order, at most as many as GitHub calls in a run.

    A build takes packages of its own run, so a component that two runs need is built in both.
    Raises AnswerError if one build needs more than a run can have.
    """
    runs: list[list[str]] = [[]]
    for name in takes:
        together: set[str] = set()
        todo = [name]
        while todo:
            other = todo.pop()
            together.add(other)
            todo += [p for p in takes[other] if p not in together]
        if _called(together, planned) > REUSABLE_WORKFLOWS:
            raise AnswerError(
                "pull_requests",
                f"{name} takes packages of {len(together) - 1} components, and GitHub runs at most "
                f"{REUSABLE_WORKFLOWS} builds together; take fewer (`artifacts: []`), or set "
                "this to false",
            )
        if _called({*runs[-1], *together}, planned) > REUSABLE_WORKFLOWS:
            runs.append([])
        runs[-1] = [n for n in takes if n in {*runs[-1], *together}]
    return runs


def _called(names: Set[str], planned: Set[str]) -> int:
    """How many workflows the builds of components call, and their plans."""
    return len(names) + len(names & planned)
