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
    affected,
    all_before,
    approval_group,
    as_object,
    asks_once,
    asks_somebody,
    build_call,
    condition,
    deploy_call,
    digest_in,
    handed,
    in_this_run,
    named,
    package_environments,
    refs,
)
from .component_workflows import ComponentWorkflow
from .deployments import DeployWorkflow
from .environments import Environment
from .errors import AnswerError
from .graph import Graph
from .graph import waves as waves_of
from .limits import EXPRESSION_CHARACTERS, VARIABLE_BYTES, WAITING_JOBS, WORKFLOW_FILE_BYTES
from .scope import Scope, root, waits_for
from .steps import Call
from .triggers import decisive_jobs, orchestrator_guard, waited_for

SUMMARY = "deployment-summary"
WATCH = "watch"


@dataclass(frozen=True)
class Start:
    """A job that starts a component's workflow as a run of its own, and waits for it."""

    workflow: ComponentWorkflow
    needs: tuple[str, ...]
    packages: tuple[str, ...]
    """JSON in lines: the runs that hold the packages which it takes; empty for none."""
    condition: str
    group: str = ""
    """The concurrency group in which it waits for a runner to wait on; empty for none."""

    @property
    def id(self) -> str:
        return self.workflow.id


@dataclass(frozen=True)
class Orchestrator:
    """`orchestrator-{env}.yml`."""

    environment: Environment
    orchestration: str
    waves: tuple[tuple[str, ...], ...]
    """Names of components."""
    explained: tuple[str, ...]
    """The waves as the header lists them: `terraform (after python)`."""
    predecessor: Environment | None
    """The environment that it comes after."""
    queues: bool
    """Whether each of its runs has to run: tags are never dropped, nor what persons start."""
    changes: Changes
    builds: tuple[Call, ...] = ()
    approval: Approval | None = None
    deployments: tuple[Call, ...] = ()
    starts: tuple[Start, ...] = ()
    """Under `dispatch` only."""
    untaken: tuple[str, ...] = ()
    """Packages that are only promoted: nothing else here compares them with what builds report."""
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
        called = [call.id for call in (*self.builds, *self.deployments)]
        return (*self.gates, *watch, *called, *(start.id for start in self.starts))

    @property
    def runs_in(self) -> str:
        """How its runs follow one another.

        `queue`: each one runs, one after the other. `events`: those that events have started, one
        after the other; of those that wait the newest stays, and what a person starts runs beside
        them. `nothing`: a run that waits for its approval holds up no other.
        """
        if self.queues:
            return "queue"
        return "nothing" if self.approval else "events"

    @property
    def size(self) -> int:
        """About how large the file is, in bytes, within a tenth: its lines, one kind at a time."""
        size = 1_900 + len(self.graph) + len(self.watched) + 450 * bool(self.watched)
        size += sum(8 + len(wave) for wave in self.explained)
        size += sum(2 + len(job) for job in self.summary_needs)
        if self.predecessor:
            guards = 2 if self.runs_in == "events" else 1
            size += 550 + guards * sum(7 + len(line) for line in self.changes.guard)
        size += 700 * bool(self.approval)
        for promotion in self.changes.promotions:
            size += 380 + 5 * len(promotion.producer) + len(promotion.environments)
        for call in (*self.builds, *self.deployments):
            size += 90 + len(call.id) + len(call.file) + len(call.condition)
            size += sum(2 + len(need) for need in call.needs)
            size += sum(9 + len(s) + len(call.reasons.get(s, "")) for s in call.permissions)
            size += sum(10 + len(name) + _length(value) for name, value in call.inputs.items())
            size += sum(26 + 2 * len(secret) for secret in call.secrets)
        size += sum(410 + 5 * len(name) for name in self.untaken)
        for start in self.starts:
            size += 530 + 5 * len(start.id) + sum(2 + len(need) for need in start.needs)
            size += sum(9 + len(line) for line in start.packages) + len(start.condition)
            size += (150 + len(start.group)) * bool(start.group)
        return size


def _length(value: object) -> int:
    return sum(len(line) + 9 for line in value) if isinstance(value, tuple) else len(str(value))


def orchestrator_file(environment: Environment) -> str:
    return f"orchestrator-{environment.name}.yml"


def plan_orchestrator(
    scope: Scope,
    builds: Mapping[str, BuildWorkflow],
    deploys: Mapping[str, DeployWorkflow],
    workflows: Mapping[str, ComponentWorkflow],
    answers: Answers,
) -> Orchestrator:
    """The pipeline of one environment. Raises AnswerError for more than GitHub reads.

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
    picture = waits_for(frozenset(scope.components), graph)
    called = answers.orchestration == "call"
    observed = answers.orchestration == "observe"
    queues = first.trigger in ("tag", "manual")
    changes = Changes(
        refs=refs(environment, answers),
        guard=orchestrator_guard(predecessor, first) if predecessor else (),
        promotions=() if observed else _promotions(scope, answers),
        environment=environment.name,
        tells_deploy=predecessor is not None,
        tells_roll_back=called and any("roll-back" in builds[n].reads for n in scope.built),
        holds_up=queues and bool(scope.deployed) and asks_somebody(environment, answers),
        plans=answers.plans,
        everything=not answers.only_changed,
        tells_build=bool(scope.built),
        keeps_plan=answers.orchestration == "dispatch",
    )
    asks = asks_once(environment, answers) and not observed
    builds_here = _builds(scope, builds, answers) if called else ()
    approval = None
    if asks and scope.deployed:
        approval = Approval(
            environment=f"{environment.name}-approval",
            group="" if queues else approval_group(environment.name),
            # Nobody is asked for what may still turn red.
            needs=(CHANGES, *(call.id for call in builds_here)),
            condition=SOMETHING_DEPLOYED,
            refs="" if environment.trigger == "manual" else changes.refs,
        )
    gates = (CHANGES, APPROVAL) if approval else (CHANGES,)
    orchestrator = Orchestrator(
        environment=environment,
        orchestration=answers.orchestration,
        waves=waves,
        explained=_explained(waves, picture, scope, observed),
        predecessor=predecessor,
        queues=queues,
        changes=changes,
        approval=approval,
        builds=builds_here,
        deployments=(
            _deployments(scope, deploys, graph, waves, gates, builds_here, answers)
            if called
            else ()
        ),
        starts=(
            _starts(scope, workflows, graph, waves, gates, answers)
            if answers.orchestration == "dispatch"
            else ()
        ),
        untaken=_untaken(scope, builds, deploys, answers) if called else (),
        watched=_watched(scope, graph, answers) if observed else "",
        graph=json.dumps({name: scope.of_jobs(picture[name]) for name in scope.components}),
    )
    _check_size(orchestrator)
    return orchestrator


def _promotions(scope: Scope, answers: Answers) -> tuple[Promotion, ...]:
    """The plan says which packages of former runs are brought over."""
    environment = scope.environment
    return tuple(
        Promotion(
            producer, package_environments(environment), "planned", environment.retention_days
        )
        for producer in scope.of_jobs(scope.promoted)
    )


def _explained(
    waves: tuple[tuple[str, ...], ...], picture: Graph, scope: Scope, observed: bool
) -> tuple[str, ...]:
    def told(name: str) -> str:
        notes = [f"after {', '.join(sorted(picture[name]))}"] * bool(picture[name])
        if not observed and name not in scope.deployed:
            notes.append("package only")
        return f"{name} ({'; '.join(notes)})" if notes else name

    return tuple(", ".join(map(told, wave)) for wave in waves)


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
            inputs = {"packages": handed(taken, digest_in(scope)), "plan": PLAN}
        job = f"{name}-build"
        call = build_call(builds[name], scope.environment, answers, inputs, needs[job], job)
        calls.append(dataclasses.replace(call, condition=affected("build", name)))
    return tuple(calls)


def _untaken(
    scope: Scope,
    builds: Mapping[str, BuildWorkflow],
    deploys: Mapping[str, DeployWorkflow],
    answers: Answers,
) -> tuple[str, ...]:
    """The packages that a later environment takes, and nothing in this one."""
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
    graph: Graph,
    waves: tuple[tuple[str, ...], ...],
    gates: tuple[str, ...],
    builds_here: tuple[Call, ...],
    answers: Answers,
) -> tuple[Call, ...]:
    """A deployment waits for the builds that it takes from, and for what it depends on.

    Where one failure stops all, it waits for all builds and for the wave before.
    """
    environment = scope.environment
    before = _before(scope, graph, waves)
    direct: dict[str, tuple[str, ...]] = {call.id: call.needs for call in builds_here}
    for name in scope.of_jobs(scope.deployed):
        producers = [package.producer for package in deploys[name].packages]
        built = {*producers, name} if not environment.stops else set(scope.built)
        built |= _built_before(name, graph, scope)
        direct[f"{name}-{environment.name}"] = (
            *gates,
            *(f"{n}-build" for n in scope.of_jobs(built & scope.built)),
            *(f"{n}-{environment.name}" for n in scope.of_jobs(before[name])),
        )
    needs = all_before(direct)
    approved = (f"needs.{APPROVAL}.result == 'success'",) if APPROVAL in gates else ()
    calls = []
    for name in scope.of_jobs(scope.deployed):
        job = f"{name}-{environment.name}"
        producers = [package.producer for package in deploys[name].packages]
        inputs: dict[str, Value | tuple[str, ...]] = {"plan": PLAN}
        if deploys[name].own:
            inputs["digest"] = digest_in(scope)(name)
        if producers:
            inputs["packages"] = handed(producers, digest_in(scope))
        if approved:
            inputs["approved"] = f"${{{{ needs.{APPROVAL}.outputs.attempt || 'never' }}}}"
        when = affected("deploy", name, *approved)
        calls.append(
            deploy_call(deploys[name], environment, answers, inputs, needs[job], job, when)
        )
    return tuple(calls)


def _before(
    scope: Scope, graph: Graph, waves: tuple[tuple[str, ...], ...]
) -> Mapping[str, frozenset[str]]:
    """The deployments that each one waits for."""
    if not scope.environment.stops:
        return waits_for(scope.deployed, graph)
    before: frozenset[str] = frozenset()
    result = {}
    for wave in waves:
        deployed = scope.deployed.intersection(wave)
        result.update(dict.fromkeys(wave, before))
        # Each of a wave has waited for all of the wave before it.
        before = deployed or before
    return result


def _built_before(name: str, graph: Graph, scope: Scope) -> set[str]:
    """What a deployment waits for that is built and not deployed, also through others such."""
    found: set[str] = set()
    todo = list(graph[name])
    while todo:
        other = todo.pop()
        if other not in found and other not in scope.deployed:
            found.add(other)
            todo += graph[other]
    return found


def _starts(
    scope: Scope,
    workflows: Mapping[str, ComponentWorkflow],
    graph: Graph,
    waves: tuple[tuple[str, ...], ...],
    gates: tuple[str, ...],
    answers: Answers,
) -> tuple[Start, ...]:
    """Under `dispatch`, build and deployment of a component are one run.

    What is only brought over has none: the first job does that.
    """
    environment = scope.environment
    started = scope.built | scope.deployed
    names = scope.of_jobs(started)
    everything = Scope(environment, scope.components, scope.built, scope.promoted, started)
    before = _before(everything, graph, waves)
    producers = {
        name: [
            e.producer for e in answers.dependencies.edges if e.consumer == name and e.placements
        ]
        for name in names
    }
    needs = all_before(
        {
            f"{name}-{environment.name}": (
                *gates,
                *(
                    f"{n}-{environment.name}"
                    for n in scope.of_jobs(started.intersection((*before[name], *producers[name])))
                ),
            )
            for name in names
        }
    )
    at_once = max(WAITING_JOBS // len(answers.environments), 1)
    starts = []
    for index, name in enumerate(names):
        job = f"{name}-{environment.name}"
        kinds = {"build": scope.built, "deploy": scope.deployed}
        planned = [named(kind, name) for kind, those in kinds.items() if name in those]
        wanted = [f"({' || '.join(planned)})" if len(planned) > 1 else planned[0]]
        if APPROVAL in gates:
            approved = f"needs.{APPROVAL}.result == 'success'"
            # Nobody is asked where nothing is deployed, and what is built is built all the same.
            unasked = f"needs.{CHANGES}.outputs.deploy == '[]'"
            wanted.append(f"({approved} || {unasked})" if name in scope.built else approved)
        start = Start(
            workflow=workflows[name],
            needs=needs[job],
            packages=_runs(name, producers[name], scope),
            condition=condition(*wanted),
            group=f"start-{environment.name}-{index % at_once}" if len(names) > at_once else "",
        )
        starts.append(start)
    return tuple(starts)


def _runs(consumer: str, producers: list[str], scope: Scope) -> tuple[str, ...]:
    """JSON that says in which run each package lies; Actions fills in the ids.

    0 stands for a run that was not started: the plan names another one.
    """
    environment = scope.environment.name
    digest = digest_in(scope)
    members = [
        in_this_run(p, digest(p))
        if p in scope.promoted
        else f'"{p}": {{"run": ${{{{ needs.{p}-{environment}.outputs.run-id || 0 }}}}}}'
        for p in producers
    ]
    length = sum(len(member) + 2 for member in members)
    if length > EXPRESSION_CHARACTERS:
        raise AnswerError(
            f"dependency_map.{consumer}",
            f"the runs of {len(members)} packages are named in {length} characters, and GitHub "
            f"reads at most {EXPRESSION_CHARACTERS}; take fewer (`artifacts: []`), or choose call",
        )
    return as_object(members) if members else ()


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


def _check_size(orchestrator: Orchestrator) -> None:
    """Refuse an orchestrator that GitHub or its runner could not read. Raises AnswerError."""
    longest = max(len(orchestrator.graph), len(orchestrator.watched))
    if longest > VARIABLE_BYTES:
        raise AnswerError(
            "dependency_map",
            f"the graph of {orchestrator.file} has {longest // 1024} KB, and a variable at most "
            f"{VARIABLE_BYTES // 1024} KB; drop edges that others imply, or shorten names",
        )
    if orchestrator.size > WORKFLOW_FILE_BYTES:
        size, limit = orchestrator.size // 1024, WORKFLOW_FILE_BYTES // 1024
        raise AnswerError(
            "dependency_map",
            f"{orchestrator.file} would have about {size} KB, and GitHub reads at most {limit} KB; "
            "drop edges that others imply, or say `on_failure: downstream`",
        )
