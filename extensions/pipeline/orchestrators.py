"""`orchestrator-{env}.yml`: the pipeline of one environment."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from .answers import Answers
from .builds import BuildWorkflow
from .calls import (
    APPROVAL,
    CHANGES,
    PLAN,
    SOMETHING_DEPLOYED,
    Approval,
    Changes,
    Promotion,
    Value,
    all_before,
    approval_group,
    asks_once,
    asks_somebody,
    build_call,
    digest_in,
    environment_call,
    job_condition,
    package_environments,
    packages_of_this_run,
    refs,
)
from .component_plans import ComponentPlan
from .component_workflows import ComponentWorkflow
from .deployments import DeployWorkflow
from .dispatch import Start, plan_starts
from .environments import Environment
from .graph import Graph
from .graph import waves as waves_of
from .headers import wave_lines
from .scope import Scope, deployed_before, root, waits_for
from .steps import Call
from .triggers import decisive_jobs, orchestrator_guard, waited_for

SUMMARY = "deployment-summary"
WATCH = "watch"


@dataclass(frozen=True)
class OrchestratorWorkflow:
    """`orchestrator-{env}.yml`."""

    environment: Environment
    orchestration: str
    waves: tuple[tuple[str, ...], ...]
    """Names of components."""
    wave_lines: tuple[str, ...]
    """The waves as the header lists them: `terraform (after python)`."""
    predecessor: Environment | None
    """The environment that it comes after."""
    queues: bool
    """Whether no run may be dropped, because tags or people start them."""
    changes: Changes
    builds: tuple[Call, ...] = ()
    plans: tuple[Call, ...] = ()
    """What deployments would change, shown before they are approved."""
    approval: Approval | None = None
    deployments: tuple[Call, ...] = ()
    starts: tuple[Start, ...] = ()
    """Under `dispatch` only."""
    only_promoted: tuple[str, ...] = ()
    """Components whose packages only a later environment takes. The summary compares them with the
    digests that the builds reported."""
    watched: str = ""
    """JSON for the action watch-components. Under `observe` only."""
    graph: str = ""
    """JSON: each component with those that it depends on, for the summary's picture."""
    notices: tuple[str, ...] = field(default=())

    @property
    def file(self) -> str:
        return orchestrator_file(self.environment)

    @property
    def name(self) -> str:
        return self.environment.orchestrator

    @property
    def run_name(self) -> tuple[str, ...]:
        """The title of its runs, line by line."""
        name, by_hand = self.environment.name, "inputs.commit || github.sha"
        if not self.predecessor:
            return (f"Deploy ${{{{ {by_hand} }}}} to {name}",)
        return (
            "${{ github.event_name == 'workflow_dispatch'",
            f"&& format('Deploy {{0}} to {name}', {by_hand})",
            f"|| format('{{0}}, then {name}', github.event.workflow_run.display_title) }}}}",
        )

    @property
    def gates(self) -> tuple[str, ...]:
        """The ids of the jobs that come before those of components."""
        return (CHANGES, APPROVAL) if self.approval else (CHANGES,)

    @property
    def summary_needs(self) -> tuple[str, ...]:
        """The ids of all jobs but the summary."""
        watch = (WATCH,) if self.watched else ()
        called = [call.id for call in (*self.builds, *self.plans, *self.deployments)]
        return (*self.gates, *watch, *called, *(start.id for start in self.starts))

    @property
    def runs_in(self) -> str:
        """How its runs follow one another.

        `queue`: all run, one after the other. `events`: runs that events have started run one after
        the other, and of those that wait only the newest stays; a run that a person starts does
        not wait. `nothing`: a run that waits for its approval blocks no other.
        """
        if self.queues:
            return "queue"
        return "nothing" if self.approval else "events"


def orchestrator_file(environment: Environment) -> str:
    return f"orchestrator-{environment.name}.yml"


def orchestrator_workflow(
    scope: Scope,
    builds: Mapping[str, BuildWorkflow],
    deploys: Mapping[str, DeployWorkflow],
    plans: Mapping[str, ComponentPlan],
    workflows: Mapping[str, ComponentWorkflow],
    answers: Answers,
) -> OrchestratorWorkflow:
    """The orchestrator of one environment.

    `workflows` are the component workflows of this environment, by component.
    """
    environment = scope.environment
    graph = answers.dependencies.graph(answers.components)
    order = waves_of(graph)
    by_name = {e.name: e for e in answers.environments}
    predecessor = by_name[environment.source] if environment.trigger == "after" else None
    first = root(environment, answers.environments)
    waves = tuple(
        names for wave in order if (names := tuple(n for n in wave if n in scope.components))
    )
    called = answers.orchestration == "call"
    observed = answers.orchestration == "observe"
    picture = waits_for(frozenset(scope.components), graph)
    package_only = () if observed else set(scope.components) - scope.deployed
    queues = first.trigger in ("tag", "manual")
    changes = Changes(
        refs=refs(environment, answers),
        guard=orchestrator_guard(predecessor, first) if predecessor else (),
        promotions=() if observed else _promotions(scope),
        environment=environment.name,
        tells_deploy=predecessor is not None,
        tells_roll_back=called and any("roll-back" in builds[n].reads for n in scope.built),
        blocks_later_runs=queues and bool(scope.deployed) and asks_somebody(environment, answers),
        plans=answers.plans,
        everything=not answers.only_changed,
        tells_build=bool(scope.built),
        keeps_plan=answers.orchestration == "dispatch",
    )
    asks = asks_once(environment, answers) and not observed
    builds_here = _builds(scope, builds, answers) if called else ()
    gates: tuple[str, ...] = (CHANGES, APPROVAL) if asks and scope.deployed else (CHANGES,)
    deployments: tuple[Call, ...] = ()
    plans_here: tuple[Call, ...] = ()
    if called:
        deployments, plans_here = _deployments(
            scope, deploys, plans, graph, waves, gates, builds_here, answers
        )
    approval = None
    if asks and scope.deployed:
        approval = Approval(
            environment=f"{environment.name}-approval",
            group="" if queues else approval_group(environment.name),
            # Nobody is asked before the builds have succeeded and the plans are shown.
            needs=(CHANGES, *(call.id for call in (*builds_here, *plans_here))),
            condition=SOMETHING_DEPLOYED,
            refs="" if environment.trigger == "manual" else changes.refs,
        )
    return OrchestratorWorkflow(
        environment=environment,
        orchestration=answers.orchestration,
        waves=waves,
        wave_lines=wave_lines(waves, picture, package_only),
        predecessor=predecessor,
        queues=queues,
        changes=changes,
        plans=plans_here,
        approval=approval,
        builds=builds_here,
        deployments=deployments,
        starts=(
            plan_starts(scope, workflows, graph, waves, gates, answers)
            if answers.orchestration == "dispatch"
            else ()
        ),
        only_promoted=_only_promoted(scope, builds, deploys, answers) if called else (),
        watched=_watched(scope, graph, answers) if observed else "",
        graph=json.dumps({name: scope.of_jobs(picture[name]) for name in scope.components}),
    )


def _promotions(scope: Scope) -> tuple[Promotion, ...]:
    """The packages that are promoted. The plan of the run says from which former run."""
    environment = scope.environment
    return tuple(
        Promotion(
            producer, package_environments(environment), "planned", environment.retention_days
        )
        for producer in scope.of_jobs(scope.promoted)
    )


def _builds(
    scope: Scope, builds: Mapping[str, BuildWorkflow], answers: Answers
) -> tuple[Call, ...]:
    """A build waits only for those whose packages it takes."""
    producers = {
        name: [package.producer for package in builds[name].packages]
        for name in scope.of_jobs(scope.built)
    }
    needs = all_before(
        {
            f"{name}-build": (CHANGES, *(f"{p}-build" for p in taken if p in scope.built))
            for name, taken in producers.items()
        }
    )
    calls = []
    for name, taken in producers.items():
        inputs: dict[str, Value | tuple[str, ...]] = {}
        if taken:
            inputs = {"packages": packages_of_this_run(taken, digest_in(scope)), "plan": PLAN}
        job = f"{name}-build"
        call = build_call(builds[name], scope.environment, answers, inputs, needs[job], job)
        calls.append(dataclasses.replace(call, condition=job_condition("build", name)))
    return tuple(calls)


def _only_promoted(
    scope: Scope,
    builds: Mapping[str, BuildWorkflow],
    deploys: Mapping[str, DeployWorkflow],
    answers: Answers,
) -> tuple[str, ...]:
    """The components whose packages a later environment takes, and no job of this one."""
    followers = [e for e in answers.environments if e.trigger == "after"]
    if all(e.source != scope.environment.name for e in followers):
        return ()
    takers = [builds[name] for name in scope.built] + [deploys[name] for name in scope.deployed]
    taken = {package.producer for taker in takers for package in taker.packages}
    taken |= {name for name in scope.deployed if deploys[name].own}
    return tuple(n for n in scope.of_jobs(scope.built) if builds[n].produces and n not in taken)


def _deployments(
    scope: Scope,
    deploys: Mapping[str, DeployWorkflow],
    plans: Mapping[str, ComponentPlan],
    graph: Graph,
    waves: tuple[tuple[str, ...], ...],
    gates: tuple[str, ...],
    builds_here: tuple[Call, ...],
    answers: Answers,
) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
    """The deployments, and the plans that are shown before them.

    A deployment waits for the builds that it takes from, and for what it depends on. Where one
    failure stops all, it waits for all builds and for the wave before. A plan comes before the
    approval; if each deployment asks for its own, the plan comes right before that.
    """
    environment = scope.environment
    before = deployed_before(scope, graph, waves)
    direct: dict[str, tuple[str, ...]] = {call.id: call.needs for call in builds_here}
    once = APPROVAL in gates
    shown = set(plans) if asks_somebody(environment, answers) else set()
    for name in scope.of_jobs(scope.deployed):
        producers = [package.producer for package in deploys[name].packages]
        built = {*producers, name} if not environment.stops else set(scope.built)
        built |= _built_before(name, graph, scope)
        job = f"{name}-{environment.name}"
        wanted = (
            *gates,
            *(f"{n}-build" for n in scope.of_jobs(built & scope.built)),
            *(f"{n}-{environment.name}" for n in scope.of_jobs(before[name])),
        )
        if name in shown:
            taken = scope.of_jobs({*producers, name} & scope.built)
            first = (CHANGES, *(f"{n}-build" for n in taken)) if once else wanted
            direct[f"{job}-plan"] = first
            wanted = (*wanted, f"{job}-plan")
        direct[job] = wanted
    needs = all_before(direct)
    approved = ("needs.approval.result == 'success'",) if once else ()
    calls, plan_calls = [], []
    for name in scope.of_jobs(scope.deployed):
        job = f"{name}-{environment.name}"
        producers = [package.producer for package in deploys[name].packages]
        inputs: dict[str, Value | tuple[str, ...]] = {"plan": PLAN}
        if deploys[name].own:
            inputs["digest"] = digest_in(scope)(name)
        if producers:
            inputs["packages"] = packages_of_this_run(producers, digest_in(scope))
        if name in shown:
            plan_job = f"{job}-plan"
            given = dict(inputs)
            if once:
                given["deployed"] = "${{ needs.changes.outputs.deploy }}"
            when = job_condition("deploy", name)
            plan_calls.append(
                environment_call(
                    plans[name], environment, answers, given, needs[plan_job], plan_job, when
                )
            )
            inputs["changes"] = f"${{{{ needs.{plan_job}.outputs.changes || 'none' }}}}"
        if approved:
            inputs["approved"] = "${{ needs.approval.outputs.attempt || 'never' }}"
        when = job_condition("deploy", name, *approved)
        calls.append(
            environment_call(deploys[name], environment, answers, inputs, needs[job], job, when)
        )
    return tuple(calls), tuple(plan_calls)


def _built_before(name: str, graph: Graph, scope: Scope) -> set[str]:
    """The components that are built and not deployed, and that a deployment waits for, directly or
    through others like them."""
    found: set[str] = set()
    todo = list(graph[name])
    while todo:
        other = todo.pop()
        if other not in found and other not in scope.deployed:
            found.add(other)
            todo += graph[other]
    return found


def _watched(scope: Scope, graph: Graph, answers: Answers) -> str:
    """JSON: each component with what it waits for, and the jobs that say that it is deployed."""
    before = waited_for(answers.components, graph, scope)
    by_name = {component.name: component for component in answers.components}
    watched = {
        name: {
            "after": scope.of_jobs(before[name]),
            "jobs": decisive_jobs(by_name[name], scope),
        }
        for name in scope.components
    }
    return json.dumps(watched)
