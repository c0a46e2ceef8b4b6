"""The plan: every workflow, job and step that the templates print, in their order.

Nothing is decided after this module. Job ids, artifact names and file names are a contract
(README, "What is generated").
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .answers import Answers
from .code_types import CHECKS, CodeType
from .components import Component
from .dependencies import PACKAGES_FOLDER
from .environments import Environment, filter_to_regex, is_pattern
from .errors import AnswerError
from .graph import needs, waves
from .jobs import READ_PACKAGES, Job, artifact_name, deployment_job, package
from .limits import EXPRESSION_CHARACTERS, VARIABLE_BYTES, WAITING_JOBS, WORKFLOW_FILE_BYTES
from .proposal import still_so
from .pull_request import PULL_REQUEST_FILE, PullRequest, is_hosted, plan_pull_request
from .triggers import (
    NOTHING,
    Triggers,
    decisive_jobs,
    observed,
    orchestrator_guard,
    workflow_name,
)

WORKFLOWS = ".github/workflows"
PREFLIGHT = "component-preflight.yml"
RUN = "component-run.yml"
DRIFT_FILE = "drift.yml"
"""No component's file and no workflow's name is like it: those are always of two words."""
SUMMARY = "deployment-summary"


@dataclass(frozen=True)
class ComponentWorkflow:
    """`{component}-{env}.yml`."""

    component: Component
    environment: Environment
    jobs: tuple[Job, ...]
    artifact: str
    """The name of its package; empty when it produces nothing."""
    producers: tuple[str, ...]
    """The components whose packages its jobs take."""
    waits_for: tuple[str, ...]
    preflight: Mapping[str, str]
    """Inputs of the preflight that say which commits belong to the environment."""
    permissions: Mapping[str, str]
    """What its jobs need together: the calling job must grant as much."""
    run_name: tuple[str, ...]
    """The title of its runs, line by line: `Deploy COMMIT to ENVIRONMENT` and more."""
    triggers: Triggers = NOTHING
    """What starts it besides a person and an orchestrator."""
    orchestration: str = "call"
    preflight_permissions: Mapping[str, str] = field(default_factory=lambda: READ_PACKAGES)

    @property
    def id(self) -> str:
        """The id of the orchestrator's job that runs it."""
        return f"{self.component.name}-{self.environment.name}"

    @property
    def file(self) -> str:
        return f"{self.id}.yml"

    @property
    def name(self) -> str:
        return workflow_name(self.component.name, self.environment)

    @property
    def deploys(self) -> bool:
        return any(job.id == "deploy" for job in self.jobs)

    @property
    def reads_secrets(self) -> bool:
        return any(job.secrets for job in self.jobs)

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why it gets each of its permissions when it is called, for a comment beside it."""
        by_oidc = ["logs in"] * any(job.cloud for job in self.jobs)
        by_oidc += ["publishes"] * any(job.identity for job in self.jobs)
        pushes = any(job.id == "build" and "packages" in job.permissions for job in self.jobs)
        return {
            "actions": "its jobs find and download packages",
            "id-token": f"it {' and '.join(by_oidc)} by OIDC",
            "packages": "its build pushes the image" if pushes else "it publishes there",
        }

    @property
    def outputs(self) -> tuple[str, ...]:
        """Its outputs beside those that every component's workflow has."""
        return tuple(name for j in self.jobs if j.upload for name, _ in j.upload.outputs)

    @property
    def started(self) -> str:
        """What starts it, as its header says."""
        triggers, by_hand = self.triggers, "or by hand from the Actions tab"
        if triggers.branch:
            return f"Started by a push to {triggers.branch}, {by_hand}."
        if triggers.tag:
            return f"Started by a tag {triggers.tag}, {by_hand}."
        if len(triggers.after) > 1:
            return f"Started when any of these ends, {by_hand}; the last to succeed counts."
        if triggers.after:
            return f"Started when {triggers.after[0]} has succeeded, {by_hand}."
        if self.orchestration == "observe":
            return "Started by hand, from the Actions tab."
        return f"Started by {orchestrator_file(self.environment)}, or alone from the Actions tab."

    @property
    def what(self) -> str:
        """What it does, as its header says: `Checks, packages and deploys`."""
        verbs = [
            ("checks", any(job.id in CHECKS for job in self.jobs)),
            ("packages" if self.artifact else "builds", any(j.id == "build" for j in self.jobs)),
            ("publishes" if self.component.publishes else "deploys", self.deploys),
        ]
        done = [verb for verb, happens in verbs if happens] or ["has no commands for"]
        *most, last = done
        return f"{', '.join(most)} and {last}".capitalize() if most else last.capitalize()


@dataclass(frozen=True)
class Call:
    """A job of an orchestrator: it runs one component's workflow."""

    workflow: ComponentWorkflow
    needs: tuple[str, ...]
    runs: str = ""
    """JSON with expressions: the runs that hold the packages which it takes, by producer. Under
    `dispatch` only; empty where it takes none."""
    turn: str = ""
    """A job that has to end, however, before this one may take a runner to wait; empty for none."""
    in_turns: bool = False
    """Whether it, or anything before it, may have a turn."""
    last_needs: tuple[str, ...] = ()
    """What it needs, without what those need: when they have succeeded, so has all before."""

    @property
    def condition(self) -> str:
        """When it runs, where that must be said; empty for when all before it has succeeded.

        GitHub's own condition looks at all ancestors, also at those that only had their turn.
        """
        succeeded = [f"needs.{need}.result == 'success'" for need in self.last_needs]
        said = self.in_turns and (self.needs or self.turn)
        return " && ".join(["!cancelled()", *succeeded]) if said else ""

    @property
    def id(self) -> str:
        return self.workflow.id

    @property
    def file(self) -> str:
        """The workflow that it calls."""
        return RUN if self.workflow.orchestration == "dispatch" else self.workflow.file

    @property
    def permissions(self) -> Mapping[str, str]:
        """What it grants to the called workflow."""
        if self.workflow.orchestration == "dispatch":
            return {"actions": "write"}
        return self.workflow.permissions

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why the called workflow gets each permission, for a comment beside it."""
        if self.workflow.orchestration == "dispatch":
            return {"actions": "starts a run, waits for it, cancels it"}
        return self.workflow.reasons

    @property
    def hands_secrets(self) -> bool:
        """A run of its own has the secrets of its environments without being handed them."""
        return self.workflow.reads_secrets and self.workflow.orchestration == "call"

    def inputs(self, commit: str) -> dict[str, str]:
        """What it hands to the called workflow; `commit` is an expression."""
        if self.workflow.orchestration == "dispatch":
            runs = {"runs": self.runs} if self.runs else {}
            return {"workflow": self.workflow.file, "commit": f"${{{{ {commit} }}}}", **runs}
        return {"commit": f"${{{{ {commit} }}}}", "packages": "this-run"}


@dataclass(frozen=True)
class Orchestrator:
    """`orchestrator-{env}.yml`."""

    environment: Environment
    calls: tuple[Call, ...]
    waves: tuple[tuple[str, ...], ...]
    """Names of components."""
    waits_for: Mapping[str, tuple[str, ...]]
    """Each component with those that it depends on."""
    predecessor: Environment | None
    """The environment it comes after."""
    guard: tuple[str, ...]
    """The lines of the condition under which a run of the predecessor starts this one."""
    graph: str
    """JSON: each component's workflow with those that it depends on, for the summary's picture."""
    orchestration: str = "call"
    belonging: Mapping[str, str] = field(default_factory=dict)
    """Which commits belong to the environment, as inputs of the preflight."""
    watched: str = ""
    """JSON: each component's workflow with what it waits for, and with the jobs that say that it
    was deployed. Under `observe` only."""

    @property
    def file(self) -> str:
        return orchestrator_file(self.environment)

    @property
    def name(self) -> str:
        return self.environment.orchestrator

    @property
    def explained(self) -> list[str]:
        """The waves as the header lists them: `terraform (after python)`."""
        after = self.waits_for
        return [
            ", ".join(f"{n} (after {', '.join(after[n])})" if after[n] else n for n in wave)
            for wave in self.waves
        ]

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
    def size(self) -> int:
        """About how large the file is, in bytes, within a tenth."""
        # The header tells the graph too, in about as many characters.
        size = 4_600 + 2 * len(self.graph) + 2_000 * bool(self.predecessor)
        size += 10_600 * bool(self.watched) + len(self.watched)
        for call in self.calls:
            size += 290 + 4 * len(call.id) + len(call.runs)
            size += sum(2 + len(need) for need in call.needs) + len(call.condition)
        return size

    @property
    def commit(self) -> str:
        """An expression: the commit that is deployed."""
        return (
            f"needs.{self.gates[-1]}.outputs.commit"
            if self.gates
            else "inputs.commit || github.sha"
        )

    @property
    def gates(self) -> tuple[str, ...]:
        """The ids of its jobs that come before those of the components."""
        if not self.predecessor:
            return ()
        # What a component's run is told over the API does not include the run before, so the
        # orchestrator looks at that itself.
        return ("tested-commit", *["preflight"] * (self.orchestration == "dispatch"))

    @property
    def summary_needs(self) -> tuple[str, ...]:
        watch = ("watch",) if self.watched else ()
        return (*self.gates, *watch, *(call.id for call in self.calls))


@dataclass(frozen=True)
class Plan:
    """Everything that is generated."""

    answers: Answers
    waves: tuple[tuple[str, ...], ...]
    orchestrators: tuple[Orchestrator, ...]
    workflows: tuple[ComponentWorkflow, ...]
    pull_request: PullRequest | None
    """The checks of pull requests; None where the answers do without."""
    notices: tuple[str, ...] = field(default=())

    @property
    def environments(self) -> tuple[Environment, ...]:
        return self.answers.environments

    @property
    def calls(self) -> bool:
        """Whether orchestrators call components' workflows, so that all is one run."""
        return self.answers.orchestration == "call"

    @property
    def dispatches(self) -> bool:
        """Whether orchestrators start each component's workflow as a run of its own."""
        return self.answers.orchestration == "dispatch"

    @property
    def observes(self) -> bool:
        """Whether components' workflows start by themselves, and orchestrators only watch."""
        return self.answers.orchestration == "observe"

    @property
    def checks_drift(self) -> bool:
        """Whether pull requests are told where what is generated was changed."""
        return self.answers.drift_check

    @property
    def own_runner(self) -> bool:
        """Whether what concerns the whole repository may run on a machine of the project's own."""
        return not is_hosted(self.answers.runner)

    @property
    def order(self) -> tuple[str, ...]:
        """The components in the order in which they are deployed."""
        return tuple(name for wave in self.waves for name in wave)

    @property
    def arrows(self) -> list[tuple[int, int]]:
        """The edges of the picture in docs/ci-cd.md, by the places of both ends in the order."""
        place = {name: index for index, name in enumerate(self.order)}
        edges = self.answers.dependencies.edges
        return sorted((place[edge.producer], place[edge.consumer]) for edge in edges)

    @property
    def placements(self) -> list[tuple[str, str, str, str]]:
        """(producer, product, consumer, where) for every file that is handed on."""
        return [
            (
                e.producer,
                p.product,
                e.consumer,
                p.to or f"{PACKAGES_FOLDER}/{e.producer}/{p.product}",
            )
            for e in self.answers.dependencies.edges
            for p in e.placements
        ]

    @property
    def found(self) -> list[tuple[str, str]]:
        """(what, which file speaks for it): of what was proposed, as far as it was taken."""
        edges = {(e.consumer, e.producer) for e in self.answers.dependencies.edges}
        paths = {c.name: c.path for c in self.answers.components}
        return still_so(self.answers.found, paths, edges)

    @property
    def code_types(self) -> list[CodeType]:
        """The code types of its components, each once, by name."""
        by_name = {c.code_type.name: c.code_type for c in self.answers.components}
        return [by_name[name] for name in sorted(by_name)]

    @property
    def chained(self) -> list[str]:
        """The environments that come after others."""
        return [e.name for e in self.environments if e.trigger == "after"]

    @property
    def retried(self) -> list[str]:
        """The GitHub Environments that re-runs of production deployments use."""
        retries = [job.retry_environment for w in self.workflows for job in w.jobs]
        return list(dict.fromkeys(retry for retry in retries if retry))

    @property
    def hand_branch(self) -> str:
        """The branch or tag from which a person starts the last orchestrator."""
        if self.environments[-1].trigger == "tag":
            return "TAG"
        root = next(e for e in self.environments if e.name == self.environments[-1].root)
        literal = root.trigger == "branch" and not is_pattern(root.source)
        return shlex.quote(root.source) if literal else "BRANCH"

    @property
    def called_files(self) -> tuple[str, ...]:
        """Those of the files without which others do not work: called, started or waited for."""
        before = {o.predecessor.name for o in self.orchestrators if o.predecessor}
        workflows = [w.file for w in self.workflows] + [PREFLIGHT] + [RUN] * self.dispatches
        workflows += [o.file for o in self.orchestrators if o.environment.name in before]
        return tuple(sorted(f"{WORKFLOWS}/{file}" for file in workflows))

    @property
    def files(self) -> tuple[str, ...]:
        """Every generated file but the answers file, relative to the repository's root."""
        workflows = [o.file for o in self.orchestrators] + [w.file for w in self.workflows]
        workflows += [PULL_REQUEST_FILE] * (self.pull_request is not None)
        workflows += [RUN] * self.dispatches
        workflows += [DRIFT_FILE] * self.checks_drift
        return tuple(
            sorted([f"{WORKFLOWS}/{f}" for f in [*workflows, PREFLIGHT]] + ["docs/ci-cd.md"])
        )


def orchestrator_file(environment: Environment) -> str:
    return f"orchestrator-{environment.name}.yml"


def make_plan(answers: Answers) -> Plan:
    """Turn answers into the plan. Raises AnswerError for more than GitHub reads."""
    by_name = {component.name: component for component in answers.components}
    graph = answers.dependencies.graph(answers.components)
    order = waves(graph)
    workflows: list[ComponentWorkflow] = []
    orchestrators = []
    for environment in answers.environments:
        triggers = (
            observed(answers.components, graph, environment, answers.environments)
            if answers.orchestration == "observe"
            else dict.fromkeys(by_name, NOTHING)
        )
        its_workflows = {
            name: _component_workflow(
                by_name[name].started_by(environment.trigger),
                environment,
                triggers[name],
                answers,
            )
            for wave in order
            for name in wave
        }
        workflows += its_workflows.values()
        orchestrators.append(_orchestrator(environment, its_workflows, order, answers))
    for orchestrator in orchestrators:
        _check_size(orchestrator)
    return Plan(
        answers=answers,
        waves=order,
        orchestrators=tuple(orchestrators),
        workflows=tuple(workflows),
        pull_request=plan_pull_request(answers, order) if answers.pull_requests else None,
        notices=answers.notices + answers.dependencies.notices,
    )


def _orchestrator(
    environment: Environment,
    workflows: Mapping[str, ComponentWorkflow],
    order: tuple[tuple[str, ...], ...],
    answers: Answers,
) -> Orchestrator:
    by_name = {e.name: e for e in answers.environments}
    predecessor = by_name[environment.source] if environment.trigger == "after" else None
    root = by_name[environment.root]
    waits = needs(answers.dependencies.graph(answers.components), environment.stops)

    def ids(components: Iterable[str]) -> list[str]:
        """The jobs of components, in the order of deployment."""
        wanted = set(components)
        return [workflow.id for name, workflow in workflows.items() if name in wanted]

    orchestrator = Orchestrator(
        environment=environment,
        calls=(),
        waves=order,
        waits_for={name: workflow.waits_for for name, workflow in workflows.items()},
        predecessor=predecessor,
        guard=orchestrator_guard(predecessor, root) if predecessor else (),
        graph=json.dumps({w.id: ids(w.waits_for) for w in workflows.values()}),
        orchestration=answers.orchestration,
        belonging=_belonging(root),
    )
    if answers.orchestration == "observe":
        watched = {
            workflow.id: {
                "after": ids(waits[name]),
                "jobs": decisive_jobs(workflow.component),
            }
            for name, workflow in workflows.items()
        }
        return dataclasses.replace(orchestrator, watched=json.dumps(watched))
    calls = [
        Call(workflow, (*orchestrator.gates[-1:], *ids(waits[name])))
        for name, workflow in workflows.items()
    ]
    if answers.orchestration == "dispatch":
        at_once = max(WAITING_JOBS // len(answers.environments), 1)
        calls = [
            dataclasses.replace(
                call,
                runs=_runs(call.workflow),
                turn=_turn(calls, index, at_once),
                in_turns=len(calls) > at_once,
                last_needs=_last(call, calls),
            )
            for index, call in enumerate(calls)
        ]
    return dataclasses.replace(orchestrator, calls=tuple(calls))


def _last(call: Call, calls: list[Call]) -> tuple[str, ...]:
    """What a call needs, without what those calls need themselves."""
    earlier = [other.needs for other in calls if other.id in call.needs]
    implied = {need for needs in earlier for need in needs}
    return tuple(need for need in call.needs if need not in implied)


def _turn(calls: list[Call], index: int, at_once: int) -> str:
    """The job after which a call has its turn, so that no more than `at_once` wait at a time.

    Each takes the place of the one so many before it in the order of deployment; no two of a
    place can run together, and there are `at_once` places.
    """
    before = calls[index - at_once].id if index >= at_once else ""
    return "" if before in calls[index].needs else before


def _runs(workflow: ComponentWorkflow) -> str:
    """JSON that says in which run each package lies, by producer; Actions fills in the ids."""
    environment = workflow.environment.name
    members = [
        f'"{producer}": ${{{{ needs.{producer}-{environment}.outputs.run-id }}}}'
        for producer in workflow.producers
    ]
    runs = "{" + ", ".join(members) + "}" if members else ""
    if len(runs) > EXPRESSION_CHARACTERS:
        raise AnswerError(
            f"dependency_map.{workflow.component.name}",
            f"the runs of {len(members)} packages are named in {len(runs)} characters, and GitHub "
            f"reads at most {EXPRESSION_CHARACTERS}; take fewer (`artifacts: []`), or choose call",
        )
    return runs


def _check_size(orchestrator: Orchestrator) -> None:
    """Refuse an orchestrator that GitHub or its runner could not read. Raises AnswerError."""
    longest = max(len(orchestrator.graph), len(orchestrator.watched))
    if longest > VARIABLE_BYTES:
        raise AnswerError(
            "dependency_map",
            f"the graph of {orchestrator.file} has {longest // 1024} KB, and a variable at most "
            f"{VARIABLE_BYTES // 1024} KB; drop edges that others imply, or shorten names",
        )
    condition = max((len(call.condition) for call in orchestrator.calls), default=0)
    if condition > EXPRESSION_CHARACTERS:
        raise AnswerError(
            "dependency_map",
            f"a condition in {orchestrator.file} has {condition} characters, and GitHub reads at "
            f"most {EXPRESSION_CHARACTERS}; say `on_failure: downstream`, or shorten names",
        )
    if orchestrator.size > WORKFLOW_FILE_BYTES:
        size, limit = orchestrator.size // 1024, WORKFLOW_FILE_BYTES // 1024
        raise AnswerError(
            "dependency_map",
            f"{orchestrator.file} would have about {size} KB, and GitHub reads at most {limit} KB; "
            "drop edges that others imply, or say `on_failure: downstream`",
        )


def _component_workflow(
    component: Component, environment: Environment, triggers: Triggers, answers: Answers
) -> ComponentWorkflow:
    edges = [e for e in answers.dependencies.edges if e.consumer == component.name]
    packages = tuple(package(e, environment.name) for e in edges if e.placements)
    jobs: list[Job] = []
    for job_id in component.commands:
        job = deployment_job(job_id, component, environment, packages, jobs, answers)
        if triggers.waits and job.needs == ("preflight",):
            job = dataclasses.replace(job, condition="needs.preflight.outputs.ready == 'true'")
        jobs.append(job)
    root = next(e for e in answers.environments if e.name == environment.root)
    # The preflight asks for as much, so every caller grants it.
    permissions = dict(READ_PACKAGES)
    for job in jobs:
        permissions.update(job.permissions)
    return ComponentWorkflow(
        component=component,
        environment=environment,
        jobs=tuple(jobs),
        artifact=artifact_name(component.name, environment.name) if component.produces else "",
        producers=tuple(package.producer for package in packages),
        waits_for=tuple(sorted({edge.producer for edge in edges})),
        preflight=_belonging(root),
        permissions=dict(sorted(permissions.items())),
        run_name=_run_name(component.name, environment, triggers, answers.orchestration),
        triggers=triggers,
        orchestration=answers.orchestration,
    )


def _run_name(
    component: str, environment: Environment, triggers: Triggers, orchestration: str
) -> tuple[str, ...]:
    """The title of a workflow's runs, in lines.

    It starts with the commit and the environment, because nothing else that the API shows of a
    run says what it deploys: docs/decisions/0002.
    """
    commit, where = "inputs.commit || github.sha", environment.name
    deploys = f"Deploy ${{{{ {commit} }}}} to {where}"
    if orchestration == "call":
        return (f"{deploys}, {component} alone",)
    if orchestration == "dispatch":
        # By this an orchestrator finds a run when GitHub's answer did not say which it started.
        return (
            f"{deploys}, {component} ${{{{ inputs.orchestrator == '' && 'alone'",
            "|| format('of run {0}, attempt {1}', inputs.orchestrator, inputs.attempt) }}",
        )
    if not triggers.after:
        return (f"{deploys} - {component}",)
    then = f"then {component}" if triggers.waits else f"then {where} - {component}"
    return (
        "${{ github.event_name == 'workflow_run'",
        f"&& format('{{0}}, {then}', github.event.workflow_run.display_title)",
        f"|| format('Deploy {{0}} to {where} - {component}', {commit}) }}}}",
    )


def _belonging(root: Environment) -> dict[str, str]:
    """Which commits may be deployed: inputs of the preflight workflow.

    An environment that comes after others takes the commits of the one its chain starts from.
    """
    if root.trigger == "tag":
        return {"tag-pattern": filter_to_regex(root.source)}
    if root.trigger == "manual":
        # Whatever branch a person likes: that is what such an environment is for.
        return {"branch-pattern": "^.*$"}
    if is_pattern(root.source):
        return {"branch-pattern": filter_to_regex(root.source)}
    return {"branch": root.source}
