"""`{component}-build.yml`: checks and builds one component, in one job."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .answers import Answers
from .code_type_model import CACHE, CHECKS, JOBS, SETUP, JobDefaults
from .components import Component, pushes
from .environments import PULL_REQUEST, Environment, title
from .scope import chain, users_of
from .steps import (
    ALL_ENVIRONMENTS,
    ENVIRONMENTS,
    READ_CONTENTS,
    READ_PACKAGES,
    Command,
    Input,
    LeftOut,
    Login,
    TakenPackage,
    Tool,
    checked_length,
    default_variables,
    folders_left_out,
    own_variables,
    package_variables,
    registry_login,
    secret_variables,
    set_up_steps,
    setting_variables,
    step_variables,
    taken_packages,
)
from .triggers import check_name

TIMEOUT_MINUTES = 60
"""How long a build may take where its component says nothing."""

ENVIRONMENT_VARIABLES = "ENVIRONMENT_VARIABLES"
"""The variables of all environments as JSON, for what is built for several at once."""


@dataclass(frozen=True)
class BuildWorkflow:
    """`{component}-build.yml`."""

    component: Component
    inputs: tuple[Input, ...]
    tools: tuple[Tool, ...]
    packages: tuple[TakenPackage, ...]
    commands: tuple[Command, ...]
    login: tuple[str, ...]
    """Steps that log in, right before what is built is pushed, as YAML text."""
    variables: Mapping[str, str]
    """Environment variables of the job."""
    secrets: tuple[str, ...]
    runner: Any
    timeout_minutes: int
    leaves_out: LeftOut
    """Folders of other components inside its own."""
    pushes: bool
    """Whether it pushes to the registry."""
    pushing: Mapping[str, str]
    """The permissions that a caller grants so that it can push."""
    cloud: str = ""
    """The cloud whose registry it logs in to; empty for none."""
    environment: str = ""
    """The GitHub Environment in which it pushes; empty for none."""
    waits_for_push: frozenset[str] = frozenset()
    """The commands that read what other components have pushed; pull requests leave them out."""

    @property
    def folder(self) -> str:
        """Where commands start."""
        return "." if self.component.by_environment else self.component.path

    @property
    def id(self) -> str:
        """The id of a job that calls it."""
        return f"{self.component.name}-build"

    @property
    def file(self) -> str:
        return f"{self.id}.yml"

    @property
    def name(self) -> str:
        return f"{title(self.component.name)} Build"

    @property
    def job_name(self) -> str:
        return check_name(self.component)

    @property
    def builds(self) -> bool:
        return any(command.id == "build" for command in self.commands)

    @property
    def produces(self) -> tuple[str, ...]:
        return self.component.produces

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs of the build command itself, besides those of every package."""
        return self.component.code_type.outputs if "build" in self.component.commands else ()

    @property
    def reports(self) -> str:
        """Patterns of what its tests leave for people to read; empty if it has no tests."""
        tests = any(command.id == "test" for command in self.commands)
        return " ".join(self.component.code_type.reports) if tests else ""

    @property
    def first_check(self) -> str:
        """The id of the first check; the others run whenever it has run."""
        return next((c.id for c in self.commands if c.id in CHECKS), "")

    @property
    def permissions(self) -> Mapping[str, str]:
        """The permissions that it always needs."""
        return READ_PACKAGES if self.packages else READ_CONTENTS

    @property
    def reads(self) -> set[str]:
        """The names of its inputs."""
        return {each.name for each in self.inputs}

    def is_named(self, command: Command) -> bool:
        """Whether the result or the outputs of a command's step are read."""
        return command.id == self.first_check or (command.id == "build" and bool(self.outputs))

    def condition(self, command: Command) -> str:
        """When a step runs: each check when the first one has run, the build when all passed."""
        conditions = []
        if command.id in CHECKS and command.id != self.first_check:
            conditions = ["!cancelled()", f"steps.{self.first_check}.outcome != 'skipped'"]
        if command.id in self.left_out_of_pull_requests:
            conditions.append("inputs.push")
        return " && ".join(conditions)

    @property
    def left_out_of_pull_requests(self) -> tuple[str, ...]:
        """The commands that a pull request leaves out: it has no secrets, and pushes nothing."""
        handed = self.component.code_type.jobs if self.component.secrets else {}
        return tuple(
            command.id
            for command in self.commands
            if command.id in self.waits_for_push
            or (command.id in handed and handed[command.id].secrets)
        )

    @property
    def why_left_out(self) -> str:
        """Why a pull request leaves commands out, as its notice says it."""
        handed = any(self.component.code_type.jobs[c.id].secrets for c in self.commands)
        if self.component.secrets and handed:
            return "it is handed secrets"
        return "it is built from an image that only environments push"

    @property
    def logs_in_before(self) -> str:
        """The id of the command before which it logs in to the registry."""
        return next((c.id for c in self.commands if c.id in self.waits_for_push), "build")

    @property
    def missing(self) -> str:
        """Expressions that name the missing secrets to install with, and no values."""
        names = self.component.install_secrets
        return "".join(f"${{{{ !secrets.{name} && '{name} ' || '' }}}}" for name in names)

    @property
    def services(self) -> Mapping[str, Mapping[str, Any]]:
        return self.component.services


def build_workflow(component: Component, answers: Answers) -> BuildWorkflow:
    """The workflow that checks and builds a component."""
    code_type = component.code_type
    ids = [job for job in JOBS if job != "deploy" and job in component.commands]
    defaults = tuple(code_type.jobs[job] for job in ids)
    edges = [e for e in answers.dependencies.edges if e.consumer == component.name]
    packages = taken_packages(edges, [user.name for user in _users(component, answers)])
    commands = tuple(_command(job, component, answers) for job in ids)
    tools = _tools(component, defaults, answers)
    texts = _texts(component, tools, commands)
    several = (
        component.by_environment
        or any(ENVIRONMENTS.search(text) for text in texts)
        or any("environments" in tool.inputs for tool in tools)
    )
    planned = bool(packages) and answers.plans
    pushing = "build" in ids and code_type.jobs["build"].registry
    login = registry_login(answers) if pushing else Login()
    own_secrets = component.secrets if any(job.secrets for job in defaults) else ()
    from_packages = _reading_packages(component, answers)
    variables = {"ENVIRONMENT": "${{ inputs.environment }}", "COMMIT": "${{ inputs.commit }}"}
    if several:
        variables["ENVIRONMENTS"] = ALL_ENVIRONMENTS
    if planned:
        variables["PLAN"] = "${{ inputs.plan }}"
    table = _environment_variables(component, answers)
    if table and any(ENVIRONMENT_VARIABLES in text for text in texts):
        variables[ENVIRONMENT_VARIABLES] = table
    return BuildWorkflow(
        component=component,
        inputs=_inputs(
            packages=bool(packages),
            planned=planned,
            several=several,
            produces=bool(component.produces),
            pushes=pushing or bool(own_secrets or from_packages),
            scans="security" in ids,
        ),
        tools=tools,
        packages=packages,
        commands=commands,
        login=tuple(_when_pushing(steps) for steps in login.steps),
        variables={
            **variables,
            **package_variables(packages),
            **setting_variables(component, answers),
            **own_variables(component, answers, builds=True),
        },
        secrets=tuple(dict.fromkeys((*component.install_secrets, *own_secrets))),
        runner=component.runner or answers.runner,
        timeout_minutes=component.timeout_minutes or TIMEOUT_MINUTES,
        leaves_out=folders_left_out(component, answers, from_root=component.by_environment),
        pushes=pushing,
        pushing=login.permissions,
        cloud=login.cloud,
        environment=answers.registry.environment if pushing else "",
        waits_for_push=from_packages,
    )


def _command(job: str, component: Component, answers: Answers) -> Command:
    """The step of one of its checks, or of its build."""
    defaults = component.code_type.jobs[job]
    given = {
        name: value.replace(CACHE, _cached(answers))
        for name, value in default_variables(defaults, component, answers, builds=True).items()
    }
    variables = step_variables(given, component, answers, builds=True)
    variables |= secret_variables(component, component.install_secrets)
    if defaults.secrets:
        variables |= secret_variables(component, component.secrets)
    return Command(
        id=job,
        name=defaults.name,
        text=_in_each_folder(component, component.commands[job]),
        variables=variables,
    )


def _tools(
    component: Component, defaults: tuple[JobDefaults, ...], answers: Answers
) -> tuple[Tool, ...]:
    """The set-up steps of its commands."""
    # The first environment's folder decides the versions of the tools.
    folder = "${{ steps.folders.outputs.first }}" if component.by_environment else component.path
    installs = secret_variables(component, component.install_secrets)
    return tuple(
        dataclasses.replace(_with_cache(tool, answers), variables=installs if tool.action else {})
        for tool in set_up_steps(component, defaults, folder)
    )


def _texts(
    component: Component, tools: tuple[Tool, ...], commands: tuple[Command, ...]
) -> list[str]:
    """All texts of its job that may read a variable."""
    texts = list(component.shell)
    for tool in tools:
        texts += [tool.text, *tool.inputs.values()]
    for command in commands:
        texts += [command.text, *command.variables.values()]
    return texts


def _reading_packages(component: Component, answers: Answers) -> frozenset[str]:
    """The commands that read the package of a component that pushes images.

    That package names what was pushed. In a pull request nothing is pushed, so they do not run.
    """
    by_name = {other.name: other for other in answers.components}
    variables = [
        component.code_type.settings[name].variable
        for name, value in component.settings.items()
        if not isinstance(value, str)
        for one in value.values()
        if not isinstance(one, str) and pushes(by_name[one.producer])
    ]
    setup = component.code_type.setup
    hands = "\n".join((setup.script, *setup.files.values())) if setup else ""
    texts = {
        job: f"{text}\n{hands if SETUP in component.code_type.jobs[job].tools else ''}"
        for job, text in component.commands.items()
    }
    return frozenset(
        job
        for job, text in texts.items()
        if any(re.search(rf"\b{variable}\b", text) for variable in variables)
    )


def _in_each_folder(component: Component, text: str) -> str:
    """The command; if each environment has its own folder, it runs once in each of them."""
    if not component.by_environment:
        return text
    names = ["ENVIRONMENT"]
    if ENVIRONMENTS.search(text):
        names.append("ENVIRONMENTS")
    variables = " ".join(f'"{name}=$name"' for name in names)
    folder = component.folder_in_shell
    # Not indented: that would change texts of several lines in it, as here-documents.
    return f"for name in $ENVIRONMENTS; do (\nexport {variables}\ncd {folder}\n{text}\n) done"


def _cached(answers: Answers) -> str:
    """An expression: whether a cache may be used, because no production takes what is built."""
    names = [e.name for e in answers.environments if never_reaches_production(e, answers)]
    return f"contains(fromJSON('{json.dumps([PULL_REQUEST, *names])}'), inputs.environment)"


def _with_cache(tool: Tool, answers: Answers) -> Tool:
    """The tool with the expression that says whether it may use a cache."""
    inputs = {name: text.replace(CACHE, _cached(answers)) for name, text in tool.inputs.items()}
    return dataclasses.replace(tool, text=tool.text.replace(CACHE, _cached(answers)), inputs=inputs)


def _inputs(
    packages: bool, planned: bool, several: bool, produces: bool, pushes: bool, scans: bool
) -> tuple[Input, ...]:
    inputs = [
        Input("commit", "string", "Commit to check out, as a full SHA"),
        Input("environment", "string", "Environment to build for, or pull-request"),
    ]
    if several:
        inputs.append(
            Input("environments", "string", "All environments to build for; empty: environment", "")
        )
    if packages:
        inputs += [
            Input("packages", "string", "Which packages to take: see the action take-package"),
            Input(
                "refs", "string", "Refs whose runs may give packages, as a regular expression", ""
            ),
        ]
    if planned:
        inputs.append(Input("plan", "string", "What the action what-changed has decided", ""))
    if produces:
        inputs.append(Input("retention-days", "number", "Days to keep its package", 1))
    if pushes:
        inputs.append(Input("push", "boolean", "Whether to push and use secrets", False))
    if scans:
        inputs.append(Input("roll-back", "string", "true: the security scan only warns", "false"))
    return tuple(inputs)


def _when_pushing(steps: str) -> str:
    """Steps, as YAML text, that run only where what is built is pushed."""
    return re.sub("(?m)^(- name: .*)$", r"\1\n  if: inputs.push", steps)


def _environment_variables(component: Component, answers: Answers) -> str:
    """The variables of each environment that uses what is built, as JSON.

    If a value is a configuration variable of GitHub's, an expression inserts it as JSON.
    """
    members = {}
    for environment in _users(component, answers):
        own = {k: v for k, v in environment.env.items() if k not in component.env}
        values = [
            f"{json.dumps(name)}: "
            + (
                f"${{{{ toJSON({value[3:-2].strip()}) }}}}"
                if value.startswith("${{")
                else json.dumps(value, ensure_ascii=False)
            )
            for name, value in own.items()
        ]
        if values:
            members[environment.name] = f"{json.dumps(environment.name)}: {{{', '.join(values)}}}"
    if not members:
        return ""
    text = "{" + ", ".join(members.values()) + "}"
    return checked_length(text, f"environments.{next(iter(members))}.env")


def built_for(
    component: Component, environment: Environment, answers: Answers, per_environment: bool
) -> str:
    """The names of all environments that use what is built here."""
    if per_environment:
        return environment.name
    after = chain(environment, answers.environments)
    return " ".join(e.name for e in _users(component, answers) if e in after)


def built_in_pull_requests_for(component: Component, answers: Answers) -> str:
    """The names of all environments that may use what is built from a pull request."""
    return " ".join(environment.name for environment in _users(component, answers))


def _users(component: Component, answers: Answers) -> list[Environment]:
    return users_of(component, answers.environments, answers.components, answers.dependencies)


def never_reaches_production(environment: Environment, answers: Answers) -> bool:
    """Whether what is built here may come from a cache: no production takes it."""
    return not any(e.production for e in chain(environment, answers.environments))
