"""The plan: every workflow, job and step that the templates print, in their order.

Nothing is decided after this module. Job ids, artifact names and file names are a contract
(README, "What is generated").
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .answers import Answers
from .code_types import CHECKS, CodeType
from .components import Component, packages_variable
from .dependencies import PACKAGES_FOLDER, Dependency
from .environments import Environment, filter_to_regex, is_pattern, title
from .graph import waves

WORKFLOWS = ".github/workflows"
PREFLIGHT = "component-preflight.yml"
SUMMARY = "deployment-summary"

READ_CONTENTS = {"contents": "read"}
READ_PACKAGES = {"actions": "read", "contents": "read"}
"""A package of another run, or of an earlier attempt, is downloaded over the REST API."""


@dataclass(frozen=True)
class Package:
    """A package that a job downloads, verifies and places before its command."""

    producer: str
    artifact: str
    folder: str
    """Where it is downloaded to, relative to the repository's root."""
    run: str
    """An expression that yields the id of the run which holds it."""
    built_from: str
    """The variable that says from which commit it must be built, in the step that verifies it."""
    copies: tuple[tuple[str, str], ...]
    """(from, to), relative to the repository's root, quoted for the shell."""
    wanted: tuple[str, ...]
    """What must be in it, quoted for the shell."""
    variable: str
    """The environment variable that names the folder to the command."""
    own: bool = False
    """Whether the component's own build made it."""


@dataclass(frozen=True)
class Job:
    """A job of a component workflow that runs a command."""

    id: str
    name: str
    needs: tuple[str, ...]
    command: str
    setup: tuple[str, ...]
    """Set-up steps, as YAML text."""
    permissions: Mapping[str, str]
    timeout_minutes: int
    packages: tuple[Package, ...]
    variables: Mapping[str, str]
    """Environment variables of the command, with their values (expressions allowed)."""
    secrets: tuple[str, ...] = ()
    """The secrets among them."""
    environment: str = ""
    """The GitHub Environment, or an expression that chooses one; empty for none."""
    retry_environment: str = ""
    """What a re-run must be approved in; empty where re-runs need no approval."""

    @property
    def permission_reason(self) -> str:
        """Why it may read the repository's runs and environments, for a comment beside it."""
        reasons = ["downloads packages"] * bool(self.packages)
        reasons += ["reads who approves a re-run"] * bool(self.retry_environment)
        return ", ".join(reasons)

    @property
    def takes_upstream(self) -> bool:
        """Whether any of its packages is another component's."""
        return not all(package.own for package in self.packages)

    @property
    def places(self) -> bool:
        """Whether any file of a package is wanted somewhere else than in its folder."""
        return any(package.copies for package in self.packages)


@dataclass(frozen=True)
class ComponentWorkflow:
    """`{component}-{env}.yml`."""

    component: Component
    environment: Environment
    runner: Any
    jobs: tuple[Job, ...]
    artifact: str
    """The name of its package; empty when it produces nothing."""
    products: tuple[str, ...]
    """What goes into the package, relative to the component's path, quoted for the shell."""
    producers: tuple[str, ...]
    """The components whose packages its jobs take."""
    waits_for: tuple[str, ...]
    preflight: Mapping[str, str]
    """Inputs of the preflight that say which commits belong to the environment."""
    permissions: Mapping[str, str]
    """What its jobs need together: the calling job must grant as much."""
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
        return f"{title(self.component.name)} {self.environment.title}"

    @property
    def deploys(self) -> bool:
        return any(job.id == "deploy" for job in self.jobs)

    def secrets_of(self, job_id: str) -> tuple[str, ...]:
        """The secrets that one of its jobs reads; none when it has no such job."""
        return next((job.secrets for job in self.jobs if job.id == job_id), ())

    @property
    def what(self) -> str:
        """What it does, as its header says: `Checks, packages and deploys`."""
        verbs = [
            ("checks", any(job.id in CHECKS for job in self.jobs)),
            ("packages" if self.products else "builds", any(j.id == "build" for j in self.jobs)),
            ("deploys", self.deploys),
        ]
        done = [verb for verb, happens in verbs if happens] or ["has no commands for"]
        *most, last = done
        return f"{', '.join(most)} and {last}".capitalize() if most else last.capitalize()


@dataclass(frozen=True)
class Call:
    """A job of an orchestrator: it runs one component's workflow."""

    workflow: ComponentWorkflow
    needs: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.workflow.id


@dataclass(frozen=True)
class Orchestrator:
    """`orchestrator-{env}.yml`."""

    environment: Environment
    calls: tuple[Call, ...]
    waves: tuple[tuple[str, ...], ...]
    """Names of components."""
    predecessor: Environment | None
    """The environment it comes after."""
    guard: tuple[str, ...]
    """The lines of the condition under which a run of the predecessor starts this one."""
    graph: str
    """JSON: each job with the jobs that its component depends on, for the summary's picture."""

    @property
    def file(self) -> str:
        return f"orchestrator-{self.environment.name}.yml"

    @property
    def name(self) -> str:
        return self.environment.orchestrator

    @property
    def explained(self) -> list[str]:
        """The waves as the header lists them: `terraform (after python)`."""
        after = {call.workflow.component.name: call.workflow.waits_for for call in self.calls}
        return [
            ", ".join(f"{n} (after {', '.join(after[n])})" if after[n] else n for n in wave)
            for wave in self.waves
        ]

    @property
    def summary_needs(self) -> tuple[str, ...]:
        first = ("tested-commit",) if self.predecessor else ()
        return (*first, *(call.id for call in self.calls))


@dataclass(frozen=True)
class Plan:
    """Everything that is generated."""

    answers: Answers
    waves: tuple[tuple[str, ...], ...]
    orchestrators: tuple[Orchestrator, ...]
    workflows: tuple[ComponentWorkflow, ...]
    notices: tuple[str, ...] = field(default=())

    @property
    def environments(self) -> tuple[Environment, ...]:
        return self.answers.environments

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
        """The branch from which a person starts the last orchestrator."""
        root = next(e for e in self.environments if e.name == self.environments[-1].root)
        literal = root.trigger == "branch" and not is_pattern(root.source)
        return shlex.quote(root.source) if literal else "BRANCH"

    @property
    def files(self) -> tuple[str, ...]:
        """Every generated file but the answers file, relative to the repository's root."""
        workflows = [o.file for o in self.orchestrators] + [w.file for w in self.workflows]
        return tuple(
            sorted([f"{WORKFLOWS}/{f}" for f in [*workflows, PREFLIGHT]] + ["docs/ci-cd.md"])
        )


def make_plan(answers: Answers) -> Plan:
    """Turn answers into the plan."""
    by_name = {component.name: component for component in answers.components}
    order = waves(answers.dependencies.graph(answers.components))
    workflows: list[ComponentWorkflow] = []
    orchestrators = []
    for environment in answers.environments:
        its_workflows = {
            name: _component_workflow(by_name[name], environment, answers)
            for wave in order
            for name in wave
        }
        workflows += its_workflows.values()
        orchestrators.append(_orchestrator(environment, its_workflows, order, answers))
    return Plan(
        answers=answers,
        waves=order,
        orchestrators=tuple(orchestrators),
        workflows=tuple(workflows),
        notices=answers.dependencies.notices,
    )


def _orchestrator(
    environment: Environment,
    workflows: Mapping[str, ComponentWorkflow],
    order: tuple[tuple[str, ...], ...],
    answers: Answers,
) -> Orchestrator:
    position = {name: index for index, wave in enumerate(order) for name in wave}
    predecessor = next(
        (
            e
            for e in answers.environments
            if environment.trigger == "after" and e.name == environment.source
        ),
        None,
    )
    calls = []
    for name, workflow in workflows.items():
        # Under `stop` a wave waits for all of the earlier ones, so that one failure holds it back.
        needed = (
            [other for wave in order[: position[name]] for other in wave]
            if environment.stops
            else list(workflow.waits_for)
        )
        needs = [
            f"{other}-{environment.name}"
            for other in sorted(needed, key=lambda n: (position[n], n))
        ]
        if predecessor:
            needs.insert(0, "tested-commit")
        calls.append(Call(workflow, tuple(needs)))
    graph = {
        w.id: [f"{other}-{environment.name}" for other in w.waits_for] for w in workflows.values()
    }
    root = next(e for e in answers.environments if e.name == environment.root)
    return Orchestrator(
        environment=environment,
        calls=tuple(calls),
        waves=order,
        predecessor=predecessor,
        guard=_guard(predecessor, root) if predecessor else (),
        graph=json.dumps(graph),
    )


def _guard(predecessor: Environment, root: Environment) -> tuple[str, ...]:
    """When a finished run of the predecessor's orchestrator starts the next environment.

    `workflow_run` fires for every conclusion, for every branch, and for forks. A run that was
    itself started by `workflow_run` counts as one of the default branch (GitHub: "Events that
    trigger workflows"), so its branch says nothing; its file can only come from there.
    """
    run = "github.event.workflow_run"
    by_push = predecessor.trigger in ("branch", "tag")
    events = ["push", "workflow_dispatch"] if by_push else ["workflow_dispatch"]
    started = " || ".join(f"{run}.event == '{event}'" for event in events)
    way = f"({started})" if by_push else started
    if root.trigger == "branch" and not is_pattern(root.source):
        branch = root.source.replace("'", "''")
        way += f" &&\n{run}.head_branch == '{branch}'"
    if predecessor.trigger == "after":
        default = f"{run}.head_branch == github.event.repository.default_branch"
        way = f"(({way}) ||\n({run}.event == 'workflow_run' &&\n{default}))"
    condition = (
        f"github.event_name == 'workflow_dispatch' ||\n({run}.conclusion == 'success' &&\n"
        f"{run}.head_repository.id == github.event.repository.id &&\n{way})"
    )
    return tuple(condition.split("\n"))


def _component_workflow(
    component: Component, environment: Environment, answers: Answers
) -> ComponentWorkflow:
    edges = [e for e in answers.dependencies.edges if e.consumer == component.name]
    packages = tuple(_package(e, environment) for e in edges if e.placements)
    artifact = f"{component.name}-package-{environment.name}" if component.produces else ""
    jobs: list[Job] = []
    for job_id in component.commands:
        jobs.append(_job(job_id, component, environment, packages, artifact, jobs, answers))
    root = next(e for e in answers.environments if e.name == environment.root)
    # The preflight asks for as much, so every caller grants it.
    permissions = dict(READ_PACKAGES)
    for job in jobs:
        permissions.update(job.permissions)
    return ComponentWorkflow(
        component=component,
        environment=environment,
        runner=component.runner or answers.runner,
        jobs=tuple(jobs),
        artifact=artifact,
        products=tuple(shlex.quote(product) for product in component.produces),
        producers=tuple(package.producer for package in packages),
        waits_for=tuple(sorted({edge.producer for edge in edges})),
        preflight=_belonging(root),
        permissions=permissions,
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


def _job(
    job_id: str,
    component: Component,
    environment: Environment,
    upstream: tuple[Package, ...],
    artifact: str,
    earlier: list[Job],
    answers: Answers,
) -> Job:
    defaults = component.code_type.jobs[job_id]
    packages = upstream if defaults.packages else ()
    names = [job.id for job in earlier]
    if job_id in CHECKS:
        needs = ["preflight"]
    elif job_id == "deploy" and "build" in names:
        needs = ["preflight", "build"]
    else:
        needs = ["preflight", *(name for name in names if name in CHECKS)]
    extra: dict[str, Any] = {}
    if job_id == "deploy":
        extra["environment"] = environment.name
        if artifact:
            packages = (*packages, _own_package(component, artifact))
        if environment.production and answers.retry_approval:
            extra["environment"] = (
                "${{ github.run_attempt > 1 && "
                f"'{environment.retry}' || '{environment.name}' }}}}"
            )
            extra["retry_environment"] = environment.retry
    reads = packages or "retry_environment" in extra
    return Job(
        id=job_id,
        name=defaults.name,
        needs=tuple(needs),
        command=component.commands[job_id],
        setup=tuple(component.code_type.tools[tool] for tool in defaults.tools),
        permissions=READ_PACKAGES if reads else READ_CONTENTS,
        timeout_minutes=component.timeout_minutes or defaults.timeout_minutes,
        packages=packages,
        variables=_variables(component, environment, packages, defaults.secrets),
        secrets=component.secrets if defaults.secrets else (),
        **extra,
    )


def _variables(
    component: Component, environment: Environment, packages: tuple[Package, ...], secrets: bool
) -> dict[str, str]:
    """The command's environment variables; the component's own win over the environment's."""
    variables = {
        "ENVIRONMENT": environment.name,
        # GITHUB_SHA is the commit that the run was started on, which may be a newer one.
        "COMMIT": "${{ needs.preflight.outputs.commit }}",
        **environment.env,
        **component.env,
    }
    for package in packages:
        if not package.own:
            variables[package.variable] = f"${{{{ github.workspace }}}}/{package.folder}"
    for secret in component.secrets if secrets else ():
        for name in (secret, *component.code_type.secret_variables.get(secret, ())):
            variables[name] = f"${{{{ secrets.{secret} }}}}"
    return variables


def _package(edge: Dependency, environment: Environment) -> Package:
    folder = f"{PACKAGES_FOLDER}/{edge.producer}"
    run = f"fromJSON(needs.preflight.outputs.runs)['{edge.producer}']"
    return Package(
        producer=edge.producer,
        artifact=f"{edge.producer}-package-{environment.name}",
        folder=folder,
        run=f"${{{{ {run} }}}}",
        built_from="UPSTREAM_COMMIT",
        copies=tuple(
            (shlex.quote(f"{folder}/{placement.product}"), shlex.quote(placement.to))
            for placement in edge.placements
            if placement.to is not None
        ),
        wanted=tuple(
            dict.fromkeys(shlex.quote(placement.product) for placement in edge.placements)
        ),
        variable=packages_variable(edge.producer),
    )


def _own_package(component: Component, artifact: str) -> Package:
    """What the component's own build made, put back where the build left it."""
    folder = f"{PACKAGES_FOLDER}/{component.name}"
    where = "" if component.path == "." else f"{component.path}/"
    return Package(
        producer=component.name,
        artifact=artifact,
        folder=folder,
        run="${{ github.run_id }}",
        built_from="COMMIT",
        copies=tuple(
            (shlex.quote(f"{folder}/{product}"), shlex.quote(f"{where}{product}"))
            for product in component.produces
        ),
        wanted=tuple(shlex.quote(product) for product in component.produces),
        variable=packages_variable(component.name),
        own=True,
    )
