"""The jobs that run a component's commands, with all that their steps need."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .answers import Answers
from .code_types import CHECKS, CloudAddition, JobDefaults
from .components import Component, packages_variable
from .dependencies import PACKAGES_FOLDER, Dependency
from .environments import PULL_REQUEST, RETRY_SUFFIX, Environment

COMMIT = "${{ needs.preflight.outputs.commit }}"
"""The commit that is deployed: GITHUB_SHA is the one that the run was started on."""

READ_CONTENTS = {"contents": "read"}
READ_PACKAGES = {"actions": "read", "contents": "read"}
"""A package of another run, or of an earlier attempt, is downloaded over the REST API."""

PULL_REQUEST_RETENTION_DAYS = 1
"""How long packages of pull requests are kept, in days: the least that GitHub takes."""

ENVIRONMENTS = re.compile(r"\$\{?ENVIRONMENTS\b")
"""How a command names all environments, in a pull request."""


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
    reports: bool = False
    """Whether the job says the package's digest, and its other outputs."""
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
    cloud: str = ""
    """The cloud that it logs in to by OIDC; empty for none."""
    identity: bool = False
    """Whether a package index trusts it by OIDC."""
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
    condition: str = ""
    """When it runs, besides that all it needs has succeeded; empty for always."""
    is_retry: str = ""
    """An expression: whether it is run again, so that somebody must approve it; empty for never."""

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
        by_oidc = ["logs in"] * bool(self.cloud) + ["publishes"] * self.identity
        return {
            "actions": ", ".join(actions),
            "id-token": f"{' and '.join(by_oidc)} by OIDC",
            "packages": "pushes the image",
        }

    @property
    def takes_upstream(self) -> bool:
        """Whether a package may be of another commit, when a person asks for that."""
        return any(package.built_from == "UPSTREAM_COMMIT" for package in self.packages)

    @property
    def takes_own(self) -> bool:
        """Whether it takes what the component's own build made."""
        return any(package.own for package in self.packages)

    @property
    def by_run(self) -> bool:
        """Whether its packages are downloaded by run id, so that each could be another one."""
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


def artifact_name(component: str, environment: str) -> str:
    return f"{component}-package-{environment}"


# For an environment --------------------------------------------------------------------------


def deployment_job(
    job_id: str,
    component: Component,
    environment: Environment,
    upstream: tuple[Package, ...],
    earlier: list[Job],
    answers: Answers,
) -> Job:
    """A job of a component's workflow for an environment."""
    defaults = component.job(job_id)
    packages = upstream if defaults.packages else ()
    names = [job.id for job in earlier]
    if job_id in CHECKS:
        needs = ["preflight"]
    elif job_id == "deploy" and "build" in names:
        needs = ["preflight", "build"]
    else:
        needs = ["preflight", *(name for name in names if name in CHECKS)]
    login = _login(defaults, component, answers)
    extra: dict[str, Any] = {"environment": login.environment}
    if job_id == "deploy":
        extra["environment"] = environment.name
        extra["group"] = f"{component.name}-{environment.name}"
        if component.produces:
            packages = (*packages, _own_package(component, environment.name))
        if environment.production and answers.retry_approval:
            is_retry = "github.run_attempt > 1"
            if answers.orchestration == "dispatch":
                # A re-run of the orchestrator starts a new run, whose own attempt is the first.
                is_retry = f"(inputs.attempt > 1 || {is_retry})"
            extra["environment"] = (
                f"${{{{ {is_retry} && '{environment.retry}' || '{environment.name}' }}}}"
            )
            extra["is_retry"] = is_retry.strip("()")
            extra["retry_environment"] = environment.retry
    reads = packages or "retry_environment" in extra
    permissions = {**(READ_PACKAGES if reads else READ_CONTENTS), **login.permissions}
    if defaults.identity:
        permissions["id-token"] = "write"
    if job_id == "build" and component.produces:
        upload = _upload(component, environment.name, environment.retention_days)
        outputs = component.code_type.outputs.items()
        said = tuple((name, product) for name, product in outputs if product in component.produces)
        extra["upload"] = dataclasses.replace(upload, reports=True, outputs=said)
    secrets = component.secrets if defaults.secrets else ()
    secrets += tuple(re.findall(r"\bsecrets\.(\w+)", "\n".join(login.steps)))
    return Job(
        id=job_id,
        name=defaults.name,
        step=defaults.name,
        component=component,
        needs=tuple(needs),
        command=component.commands[job_id],
        runner=component.runner or answers.runner,
        commit=COMMIT,
        setup=_setup(defaults, component, environment.name),
        login=login.steps,
        cloud=login.cloud,
        permissions=dict(sorted(permissions.items())),
        timeout_minutes=component.timeout_minutes or defaults.timeout_minutes,
        packages=packages,
        identity=defaults.identity,
        variables={
            "ENVIRONMENT": environment.name,
            "COMMIT": COMMIT,
            **_defaults(job_id, component, answers),
            **login.variables,
            **environment.env,
            **component.env,
            **_folders(packages),
            **(_secret_variables(component) if defaults.secrets else {}),
        },
        secrets=tuple(dict.fromkeys(secrets)),
        leaves_out=_nested(component, answers),
        **extra,
    )


@dataclass(frozen=True)
class _Login:
    """What a job needs to log in, if it does."""

    steps: tuple[str, ...] = ()
    permissions: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    cloud: str = ""
    """The cloud, where it is one."""
    environment: str = ""
    """The GitHub Environment by which a cloud trusts a job that has none of its own."""


def _login(defaults: JobDefaults, component: Component, answers: Answers) -> _Login:
    if defaults.registry:
        registry = answers.registry
        cloud_of_registry = answers.cloud if registry.environment else ""
        return _Login(
            steps=(registry.login,),
            permissions=registry.permissions,
            cloud=cloud_of_registry,
            environment=registry.environment,
        )
    if defaults.cloud:
        cloud = answers.clouds[component.cloud]
        addition = component.code_type.clouds.get(component.cloud, CloudAddition())
        steps = tuple(filter(None, (cloud.login, addition.steps)))
        by_oidc = cloud.name if cloud.login else ""
        return _Login(steps, cloud.permissions, addition.variables, by_oidc)
    return _Login()


def _defaults(job_id: str, component: Component, answers: Answers) -> dict[str, str]:
    """The variables that a code type gives to a command; those of the answers win over them."""
    defaults = component.job(job_id)
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


def _setup(defaults: JobDefaults, component: Component, environments: str) -> tuple[str, ...]:
    """The set-up steps of the tools that a job needs."""
    tools = component.code_type.tools
    return tuple(tools[name].replace("<environments>", environments) for name in defaults.tools)


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
        artifact=artifact_name(component.name, environment),
        products=tuple(shlex.quote(product) for product in component.produces),
        retention_days=retention_days,
    )


def package(edge: Dependency, environment: str) -> Package:
    """What a job takes of another component's package."""
    folder = f"{PACKAGES_FOLDER}/{edge.producer}"
    in_pull_request = environment == PULL_REQUEST
    run = f"fromJSON(needs.preflight.outputs.runs)['{edge.producer}']"
    return Package(
        producer=edge.producer,
        artifact=artifact_name(edge.producer, environment),
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
        artifact=artifact_name(component.name, environment),
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


# For pull requests ---------------------------------------------------------------------------


def checking_job(
    job_id: str, component: Component, edges: list[Dependency], answers: Answers
) -> Job:
    """A job of the workflow for pull requests."""
    defaults = component.job(job_id)
    packages = tuple(package(e, PULL_REQUEST) for e in edges) if defaults.packages else ()
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
        setup=_setup(defaults, component, environments),
        login=(),
        permissions=READ_CONTENTS,
        timeout_minutes=component.timeout_minutes or defaults.timeout_minutes,
        packages=packages,
        variables={
            "ENVIRONMENT": PULL_REQUEST,
            **({"ENVIRONMENTS": environments} if ENVIRONMENTS.search(command) else {}),
            "COMMIT": "${{ github.sha }}",
            **_defaults(job_id, component, answers),
            **component.env,
            **_folders(packages),
        },
        leaves_out=_nested(component, answers),
        upload=_upload(component, PULL_REQUEST, PULL_REQUEST_RETENTION_DAYS) if uploads else None,
    )
