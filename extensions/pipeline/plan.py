"""The plan: every workflow, job and step that the templates print, in their order.

Nothing is decided after this module. Job ids, artifact names and file names are a contract
(README, "What is generated").
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .answers import Answers
from .code_types import CHECKS, CloudAddition, CodeType
from .components import Component, packages_variable
from .dependencies import PACKAGES_FOLDER, Dependency
from .environments import (
    PULL_REQUEST,
    RETRY_SUFFIX,
    Environment,
    filter_to_regex,
    is_pattern,
    title,
)
from .errors import AnswerError
from .graph import waves
from .limits import WORKFLOW_FILE_BYTES

WORKFLOWS = ".github/workflows"
PREFLIGHT = "component-preflight.yml"
PULL_REQUEST_FILE = f"{PULL_REQUEST}.yml"
SUMMARY = "deployment-summary"
CHECKS_JOB = "pull-request-checks"
CHECKS_NAME = "Pull request checks"
"""The one required check of pull requests: branch protection knows it by its name."""

COMMIT = "${{ needs.preflight.outputs.commit }}"
"""The commit that is deployed: GITHUB_SHA is the one that the run was started on."""

PULL_REQUEST_RETENTION_DAYS = 1
"""How long packages of pull requests are kept, in days: the least that GitHub takes."""

READ_CONTENTS = {"contents": "read"}
READ_PACKAGES = {"actions": "read", "contents": "read"}
"""A package of another run, or of an earlier attempt, is downloaded over the REST API."""

WHY = {
    "actions": "its jobs find and download packages",
    "id-token": "it logs in by OIDC",
    "packages": "its build pushes the image",
}
"""Why a called workflow gets a permission, for a comment beside it."""


@dataclass(frozen=True)
class Package:
    """A package that a job downloads, verifies and places before its command."""

    producer: str
    artifact: str
    folder: str
    """Where it is downloaded to, relative to the repository's root."""
    run: str
    """An expression that yields the id of the run which holds it."""
    by_run: bool
    """Whether it is downloaded by that id, over the REST API; else it is one of this very run."""
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
class Upload:
    """The package that a build leaves behind."""

    artifact: str
    products: tuple[str, ...]
    """What goes into it, relative to the component's path, quoted for the shell."""
    retention_days: int
    outputs: tuple[tuple[str, str], ...] = ()
    """(name, product): outputs of the job that hold what a product's one line says."""


@dataclass(frozen=True)
class Job:
    """A job that runs one of a component's commands."""

    id: str
    name: str
    step: str
    """The name of the step that runs the command."""
    component: Component
    needs: tuple[str, ...]
    command: str
    runner: Any
    """What `runs-on` takes."""
    commit: str
    """An expression: the commit that it checks out; empty for the event's own."""
    setup: tuple[str, ...]
    """Set-up steps, as YAML text."""
    login: tuple[str, ...]
    """Steps that log in, right before the command, as YAML text."""
    permissions: Mapping[str, str]
    timeout_minutes: int
    packages: tuple[Package, ...]
    variables: Mapping[str, str]
    """Environment variables of the command, with their values (expressions allowed)."""
    secrets: tuple[str, ...] = ()
    """The secrets that it reads."""
    leaves_out: tuple[str, ...] = ()
    """Folders of other components inside its own, quoted for the shell."""
    upload: Upload | None = None
    environment: str = ""
    """The GitHub Environment, or an expression that chooses one; empty for none."""
    retry_environment: str = ""
    """What a re-run must be approved in; empty where re-runs need no approval."""
    group: str = ""
    """The concurrency group; empty for none."""

    @property
    def environments(self) -> tuple[str, ...]:
        """The GitHub Environments that it may use."""
        if self.retry_environment:
            return (self.retry_environment.removesuffix(RETRY_SUFFIX), self.retry_environment)
        return (self.environment,) if self.environment else ()

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why it has each of its permissions, for a comment beside it."""
        actions = ["downloads packages"] * bool(self.packages)
        actions += ["reads who approves a re-run"] * bool(self.retry_environment)
        return {
            "actions": ", ".join(actions),
            "id-token": "logs in by OIDC",
            "packages": "pushes the image",
        }

    @property
    def takes_upstream(self) -> bool:
        """Whether a package may be of another commit, when a person asks for that."""
        return any(package.built_from == "UPSTREAM_COMMIT" for package in self.packages)

    @property
    def verifies(self) -> bool:
        """Whether a package could be another one than was wanted."""
        return any(package.by_run for package in self.packages)

    @property
    def places(self) -> bool:
        """Whether any file of a package is wanted somewhere else than in its folder."""
        return any(package.copies for package in self.packages)

    @property
    def variables_of_github(self) -> set[str]:
        """The configuration variables of GitHub's that it reads."""
        texts = (*self.setup, *self.login, *self.variables.values())
        return {name for text in texts for name in re.findall(r"\bvars\.(\w+)", text)}


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
class PullRequest:
    """`pull-request.yml`."""

    jobs: tuple[Job, ...]
    notices: tuple[str, ...]
    """What is left out, and why."""
    file: str = PULL_REQUEST_FILE
    check: str = CHECKS_JOB
    """The id of the job at the end."""
    check_name: str = CHECKS_NAME

    @property
    def bytes(self) -> int:
        """About how large the file is: what each job prints, and what is the same in all."""
        return 4_900 + sum(_bytes(job) for job in self.jobs)


def _bytes(job: Job) -> int:
    """About how much the template prints for a job, within a tenth."""

    def block(text: str, indent: int) -> int:
        return len(text.encode()) + indent * (text.count("\n") + 1)

    size = 390 + 5 * len(job.id) + len(job.component.path) + block(job.command, 10)
    size += sum(block(step, 6) for step in job.setup)
    size += sum(12 + len(name) + len(value) for name, value in job.variables.items())
    size += 400 * bool(job.packages) + 200 * job.places
    for package in job.packages:
        size += (
            230 + 3 * len(package.producer) + sum(20 + len(a) + len(b) for a, b in package.copies)
        )
    if job.upload:
        size += 1_200 + sum(20 + len(product) for product in job.upload.products)
    return size


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
    pull_request = _pull_request(answers, order) if answers.pull_requests else None
    if pull_request and pull_request.bytes > WORKFLOW_FILE_BYTES:
        size, limit = pull_request.bytes // 1024, WORKFLOW_FILE_BYTES // 1024
        raise AnswerError(
            "pull_requests",
            f"{PULL_REQUEST_FILE} would have about {size} KB, and GitHub reads at most {limit} KB; "
            "shorten commands, or say false",
        )
    return Plan(
        answers=answers,
        waves=order,
        orchestrators=tuple(orchestrators),
        workflows=tuple(workflows),
        pull_request=pull_request,
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
    packages = tuple(_package(e, environment.name) for e in edges if e.placements)
    jobs: list[Job] = []
    for job_id in component.commands:
        jobs.append(_job(job_id, component, environment, packages, jobs, answers))
    root = next(e for e in answers.environments if e.name == environment.root)
    # The preflight asks for as much, so every caller grants it.
    permissions = dict(READ_PACKAGES)
    for job in jobs:
        permissions.update(job.permissions)
    return ComponentWorkflow(
        component=component,
        environment=environment,
        jobs=tuple(jobs),
        artifact=_artifact(component.name, environment.name) if component.produces else "",
        producers=tuple(package.producer for package in packages),
        waits_for=tuple(sorted({edge.producer for edge in edges})),
        preflight=_belonging(root),
        permissions=dict(sorted(permissions.items())),
    )


def _artifact(component: str, environment: str) -> str:
    return f"{component}-package-{environment}"


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
    earlier: list[Job],
    answers: Answers,
) -> Job:
    """A job of a component's workflow for an environment."""
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
    permissions = dict(READ_CONTENTS)
    login: list[str] = []
    additions = {}
    if job_id == "deploy":
        extra["environment"] = environment.name
        extra["group"] = f"{component.name}-{environment.name}"
        if component.produces:
            packages = (*packages, _own_package(component, environment.name))
        if environment.production and answers.retry_approval:
            extra["environment"] = (
                "${{ github.run_attempt > 1 && "
                f"'{environment.retry}' || '{environment.name}' }}}}"
            )
            extra["retry_environment"] = environment.retry
    if packages or "retry_environment" in extra:
        permissions.update(READ_PACKAGES)
    if defaults.cloud:
        cloud = answers.clouds[component.cloud]
        addition = component.code_type.clouds.get(component.cloud, CloudAddition())
        permissions.update(cloud.permissions)
        login += filter(None, (cloud.login, addition.steps))
        additions = dict(addition.variables)
    if defaults.registry:
        permissions.update(answers.registry.permissions)
        login.append(answers.registry.login)
        if answers.registry.environment:
            extra["environment"] = answers.registry.environment
    if job_id == "build" and component.produces:
        upload = _upload(component, environment.name, environment.retention_days)
        outputs = component.code_type.outputs.items()
        said = tuple((name, product) for name, product in outputs if product in component.produces)
        extra["upload"] = dataclasses.replace(upload, outputs=said)
    secrets = component.secrets if defaults.secrets else ()
    secrets += tuple(name for text in login for name in re.findall(r"\bsecrets\.(\w+)", text))
    return Job(
        id=job_id,
        name=defaults.name,
        step=defaults.name,
        component=component,
        needs=tuple(needs),
        command=component.commands[job_id],
        runner=component.runner or answers.runner,
        commit=COMMIT,
        setup=tuple(component.code_type.tools[tool] for tool in defaults.tools),
        login=tuple(login),
        permissions=dict(sorted(permissions.items())),
        timeout_minutes=component.timeout_minutes or defaults.timeout_minutes,
        packages=packages,
        variables={
            "ENVIRONMENT": environment.name,
            "COMMIT": COMMIT,
            **_defaults(job_id, component, answers),
            **additions,
            **environment.env,
            **component.env,
            **_folders(packages),
            **(_secret_variables(component) if defaults.secrets else {}),
        },
        secrets=tuple(dict.fromkeys(secrets)),
        leaves_out=_nested(component, answers),
        **extra,
    )


def _defaults(job_id: str, component: Component, answers: Answers) -> dict[str, str]:
    """The variables that a code type gives to a command; those of the answers win over them."""
    defaults = component.code_type.jobs[job_id]
    values = {
        "<component>": component.name,
        "<image>": f"{answers.registry.base}/{component.name.lower()}",
        "<secrets>": " ".join(component.secrets if defaults.secrets else ()),
    }
    variables = {}
    for name, text in defaults.variables.items():
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        if text:
            variables[name] = text
    return variables


def _folders(packages: tuple[Package, ...]) -> dict[str, str]:
    """The variables that name the folders of the upstream packages."""
    return {
        package.variable: f"${{{{ github.workspace }}}}/{package.folder}"
        for package in packages
        if not package.own
    }


def _secret_variables(component: Component) -> dict[str, str]:
    return {
        name: f"${{{{ secrets.{secret} }}}}"
        for secret in component.secrets
        for name in (secret, *component.code_type.secret_variables.get(secret, ()))
    }


def _nested(component: Component, answers: Answers) -> tuple[str, ...]:
    """Folders of other components inside the component's own, where its code type minds them."""
    if not component.code_type.leaves_out_others:
        return ()
    inside = "" if component.path == "." else f"{component.path}/"
    others = {other.path for other in answers.components if other.path not in (component.path, ".")}
    return tuple(
        shlex.quote(path.removeprefix(inside)) for path in sorted(others) if path.startswith(inside)
    )


def _upload(component: Component, environment: str, retention_days: int) -> Upload:
    return Upload(
        artifact=_artifact(component.name, environment),
        products=tuple(shlex.quote(product) for product in component.produces),
        retention_days=retention_days,
    )


def _package(edge: Dependency, environment: str) -> Package:
    """What a job takes of another component's package."""
    folder = f"{PACKAGES_FOLDER}/{edge.producer}"
    in_pull_request = environment == PULL_REQUEST
    run = f"fromJSON(needs.preflight.outputs.runs)['{edge.producer}']"
    return Package(
        producer=edge.producer,
        artifact=_artifact(edge.producer, environment),
        folder=folder,
        run="${{ github.run_id }}" if in_pull_request else f"${{{{ {run} }}}}",
        by_run=not in_pull_request,
        built_from="COMMIT" if in_pull_request else "UPSTREAM_COMMIT",
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


def _own_package(component: Component, environment: str) -> Package:
    """What the component's own build made, put back where the build left it."""
    folder = f"{PACKAGES_FOLDER}/{component.name}"
    where = "" if component.path == "." else f"{component.path}/"
    return Package(
        producer=component.name,
        artifact=_artifact(component.name, environment),
        folder=folder,
        run="${{ github.run_id }}",
        by_run=True,
        built_from="COMMIT",
        copies=tuple(
            (shlex.quote(f"{folder}/{product}"), shlex.quote(f"{where}{product}"))
            for product in component.produces
        ),
        wanted=tuple(shlex.quote(product) for product in component.produces),
        variable=packages_variable(component.name),
        own=True,
    )


# Pull requests -------------------------------------------------------------------------------


def _pull_request(answers: Answers, order: tuple[tuple[str, ...], ...]) -> PullRequest:
    """The checks and builds of every component, with no credentials and no deployment.

    A job that is handed secrets cannot run there, nor one that needs what such a job builds. A
    build does not wait for the checks, so that a person sees all that is wrong at once.
    """
    by_name = {component.name: component for component in answers.components}
    jobs: list[Job] = []
    left_out: dict[tuple[str, str], list[str]] = {}
    for name in (name for wave in order for name in wave):
        component = by_name[name]
        edges = [e for e in answers.dependencies.edges if e.consumer == name and e.placements]
        built = {job.id for job in jobs}
        for job_id in component.pull_request:
            defaults = component.code_type.jobs[job_id]
            missing = [e.producer for e in edges if f"{e.producer}-build" not in built]
            if component.secrets and defaults.secrets:
                left_out.setdefault((name, "it is handed secrets"), []).append(job_id)
            elif missing and defaults.packages:
                why = f"it needs the package of {' and '.join(missing)}"
                left_out.setdefault((name, why), []).append(job_id)
            else:
                jobs.append(_checking_job(job_id, component, edges, answers))
    notices = [
        f"{name} has no {', '.join(job_ids)} in pull requests: {why}."
        for (name, why), job_ids in left_out.items()
    ]
    return PullRequest(tuple(jobs), tuple(notices))


def _checking_job(
    job_id: str, component: Component, edges: list[Dependency], answers: Answers
) -> Job:
    """A job of the workflow for pull requests."""
    defaults = component.code_type.jobs[job_id]
    packages = tuple(_package(e, PULL_REQUEST) for e in edges) if defaults.packages else ()
    uploads = job_id == "build" and component.produces
    command = component.pull_request[job_id]
    environments = " ".join(environment.name for environment in answers.environments)
    return Job(
        id=f"{component.name}-{job_id}",
        name=f"{component.name} / {defaults.name}",
        step=defaults.name,
        component=component,
        needs=tuple(f"{package.producer}-build" for package in packages),
        command=command,
        runner=component.runner or answers.runner,
        commit="",
        setup=tuple(component.code_type.tools[tool] for tool in defaults.tools),
        login=(),
        permissions=READ_CONTENTS,
        timeout_minutes=component.timeout_minutes or defaults.timeout_minutes,
        packages=packages,
        variables={
            "ENVIRONMENT": PULL_REQUEST,
            **({"ENVIRONMENTS": environments} if "$ENVIRONMENTS" in command else {}),
            "COMMIT": "${{ github.sha }}",
            **_defaults(job_id, component, answers),
            **component.env,
            **_folders(packages),
        },
        leaves_out=_nested(component, answers),
        upload=_upload(component, PULL_REQUEST, PULL_REQUEST_RETENTION_DAYS) if uploads else None,
    )
