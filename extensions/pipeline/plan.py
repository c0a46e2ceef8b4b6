"""The plan: every workflow, job and step that the templates print, in their order.

Nothing is decided after this module. Job ids, artifact names and file names are a contract
(README, "What is generated").
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from .answers import Answers
from .code_types import CHECKS, CodeType
from .components import Component
from .dependencies import PACKAGES_FOLDER
from .environments import Environment, filter_to_regex, is_pattern, title
from .graph import waves
from .jobs import READ_PACKAGES, Job, artifact_name, deployment_job, package
from .pull_request import PULL_REQUEST_FILE, PullRequest, plan_pull_request

WORKFLOWS = ".github/workflows"
PREFLIGHT = "component-preflight.yml"
SUMMARY = "deployment-summary"

WHY = {
    "actions": "its jobs find and download packages",
    "id-token": "it logs in by OIDC",
    "packages": "its build pushes the image",
}
"""Why a called workflow gets a permission, for a comment beside it."""


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

    @property
    def reads_secrets(self) -> bool:
        return any(job.secrets for job in self.jobs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Its outputs beside those that every component's workflow has."""
        return tuple(name for j in self.jobs if j.upload for name, _ in j.upload.outputs)

    @property
    def what(self) -> str:
        """What it does, as its header says: `Checks, packages and deploys`."""
        verbs = [
            ("checks", any(job.id in CHECKS for job in self.jobs)),
            ("packages" if self.artifact else "builds", any(j.id == "build" for j in self.jobs)),
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

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why the called workflow gets each permission, for a comment beside it."""
        return WHY


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
    pull_request: PullRequest | None
    """The checks of pull requests; None where the answers do without."""
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
        workflows += [PULL_REQUEST_FILE] * (self.pull_request is not None)
        return tuple(
            sorted([f"{WORKFLOWS}/{f}" for f in [*workflows, PREFLIGHT]] + ["docs/ci-cd.md"])
        )


def make_plan(answers: Answers) -> Plan:
    """Turn answers into the plan. Raises AnswerError for more than GitHub reads."""
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
        pull_request=plan_pull_request(answers, order) if answers.pull_requests else None,
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
    packages = tuple(package(e, environment.name) for e in edges if e.placements)
    jobs: list[Job] = []
    for job_id in component.commands:
        jobs.append(deployment_job(job_id, component, environment, packages, jobs, answers))
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
