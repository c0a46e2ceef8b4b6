"""What the jobs of build and deploy workflows are made of: tools, packages, commands, variables."""

from __future__ import annotations

import json
import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .answers import Answers
from .code_type_model import CloudAddition, CodeType, JobDefaults, Setup
from .components import Component, packages_variable
from .dependencies import PACKAGES_FOLDER, Dependency, package_path
from .environments import PULL_REQUEST, Environment
from .errors import AnswerError
from .limits import EXPRESSION_CHARACTERS
from .names import ENVIRONMENT_FOLDER, EXPRESSION
from .scope import builders_of

ENVIRONMENTS = re.compile(r"\bENVIRONMENTS\b")
"""The variable in a command that holds all environments that something is built for."""

ALL_ENVIRONMENTS = "${{ inputs.environments || inputs.environment }}"
"""The environments that something is built for, in a build workflow."""

READ_CONTENTS = {"contents": "read"}
READ_PACKAGES = {"actions": "read", "contents": "read"}
"""The permissions to find and download packages over the REST API."""


@dataclass(frozen=True)
class Tool:
    """One or more steps that set up a tool."""

    text: str = ""
    """Steps as YAML text; empty for a call of the code type's own action."""
    action: str = ""
    """The folder of the action; empty if `text` says it all."""
    name: str = ""
    id: str = ""
    """The id by which later steps read its outputs; empty if it has none."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the call of an action."""


@dataclass(frozen=True)
class SetupAction:
    """The composite action of a code type: `.github/actions/setup-{code_type}`."""

    code_type: CodeType
    setup: Setup

    @property
    def name(self) -> str:
        return f"setup-{self.code_type.name}"

    @property
    def reads_environments(self) -> bool:
        return ENVIRONMENTS.search(self.setup.script) is not None

    @property
    def reads_cache(self) -> bool:
        return "inputs.cache" in self.setup.steps

    @property
    def reads_job(self) -> bool:
        return "inputs.job" in self.setup.steps


@dataclass(frozen=True)
class TakenPackage:
    """A package that a job takes before its commands."""

    producer: str
    files: tuple[str, ...]
    """`name`, or `name -> path from the repository's root`."""


@dataclass(frozen=True)
class Command:
    """A step that runs one of a component's commands."""

    id: str
    """The command's job: one of `code_type_model.JOBS`."""
    name: str
    text: str
    variables: Mapping[str, str]
    """Those of this step alone; values may hold expressions."""


@dataclass(frozen=True)
class Input:
    """An input of a called workflow."""

    name: str
    type: str
    description: str
    default: str | int | bool | None = None
    """None if a caller has to give it."""


@dataclass(frozen=True)
class Login:
    """What a job needs to log in, if it does."""

    steps: tuple[str, ...] = ()
    """Steps, as YAML text."""
    permissions: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    cloud: str = ""
    """The cloud that it logs in to; empty for a registry."""


@dataclass(frozen=True)
class Call:
    """A job that calls a workflow of this repository."""

    id: str
    file: str
    needs: tuple[str, ...]
    permissions: Mapping[str, str]
    inputs: Mapping[str, str | int | bool | tuple[str, ...]]
    """Values may hold expressions; several lines are folded into one."""
    secrets: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why it gets each of its permissions, for a comment beside it."""
    condition: str = ""
    """When it runs; empty for when all before it has succeeded."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentWorkflow(ABC):
    """A workflow that does something with one component, for the environment in its inputs."""

    component: Component
    inputs: tuple[Input, ...]
    tools: tuple[Tool, ...]
    own: TakenPackage | None
    """What the component's own build made; None if it makes nothing."""
    packages: tuple[TakenPackage, ...]
    """Those of other components."""
    command: Command
    login: tuple[str, ...]
    """Steps that log in, right before the command, as YAML text."""
    cloud: str
    """The cloud that it logs in to by OIDC; empty for none."""
    permissions: Mapping[str, str]
    variables: Mapping[str, str]
    """Environment variables of the job."""
    secrets: tuple[str, ...]
    runner: Any
    timeout_minutes: int
    leaves_out: LeftOut
    """Folders of other components inside its own."""

    @property
    @abstractmethod
    def file(self) -> str:
        """The name of its file."""

    @property
    @abstractmethod
    def reasons(self) -> Mapping[str, str]:
        """Why it gets each of its permissions, for a comment beside it."""

    @property
    def folder(self) -> str:
        """Where its command starts."""
        return self.component.path_in("${{ inputs.environment }}")

    @property
    def reads(self) -> set[str]:
        """The names of its inputs."""
        return {each.name for each in self.inputs}


def artifact_name(component: str, environment: str) -> str:
    return f"{component}-package-{environment}"


def set_up_steps(
    component: Component, defaults: tuple[JobDefaults, ...], folder: str
) -> tuple[Tool, ...]:
    """The set-up steps that jobs name in `tools`, each once, in that order.

    `folder` is the folder whose files decide the versions.
    """
    code_type = component.code_type
    found = []
    for name in dict.fromkeys(name for job in defaults for name in job.tools):
        if name != "setup":
            found.append(Tool(text=code_type.tools[name]))
            continue
        assert code_type.setup
        action = SetupAction(code_type, code_type.setup)
        inputs = {"path": folder}
        if action.reads_environments:
            inputs["environments"] = ALL_ENVIRONMENTS
        if action.reads_cache:
            inputs["cache"] = "${{ inputs.cache }}"
        if action.reads_job:
            inputs["job"] = "build"
        step_id = "setup" if code_type.setup.outputs else ""
        title = f"Set up {code_type.label}"
        found.append(Tool(action=action.name, name=title, id=step_id, inputs=inputs))
    return tuple(found)


def taken_packages(edges: list[Dependency], environments: list[str]) -> tuple[TakenPackage, ...]:
    """The packages of other components that a component takes, for some environments."""
    return tuple(
        TakenPackage(
            edge.producer,
            tuple(
                dict.fromkeys(
                    p.product
                    if p.to is None
                    else f"{p.product} -> {p.to.replace(ENVIRONMENT_FOLDER, environment)}"
                    for p in edge.placements
                    for environment in environments
                )
            ),
        )
        for edge in edges
        if edge.placements
    )


def own_package(component: Component) -> TakenPackage:
    """The component's own package, put back where the build left it."""
    where = "" if component.path == "." else f"{component.path}/"
    return TakenPackage(
        component.name, tuple(f"{product} -> {where}{product}" for product in component.produces)
    )


def package_variables(packages: tuple[TakenPackage, ...]) -> dict[str, str]:
    """The variables that name the folders of packages to the commands."""
    return {
        packages_variable(package.producer): (
            f"${{{{ github.workspace }}}}/{PACKAGES_FOLDER}/{package.producer}"
        )
        for package in packages
    }


def default_variables(
    defaults: JobDefaults, component: Component, answers: Answers, builds: bool = False
) -> dict[str, str]:
    """The variables that a code type gives to a command, without those that the answers set."""
    secrets = component.secrets if defaults.secrets else ()
    if builds:
        secrets = tuple(dict.fromkeys((*component.install_secrets, *secrets)))
    values = {
        "<component>": component.name,
        "<image>": f"{answers.registry.base}/{component.name.lower()}",
        "<secrets>": " ".join(secrets),
    }
    variables = {}
    for name, text in defaults.variables.items():
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        if text:
            variables[name] = text
    return variables


def secret_variables(component: Component, secrets: tuple[str, ...]) -> dict[str, str]:
    """The variables that carry secrets, under each name that a tool expects."""
    return {
        name: f"${{{{ secrets.{secret} }}}}"
        for secret in secrets
        for name in (secret, *component.code_type.secret_variables.get(secret, ()))
    }


def setting_variables(component: Component, answers: Answers) -> dict[str, str]:
    """The variables that tell commands the settings of the component's code type."""
    variables = {}
    for name, value in component.settings.items():
        lines = [value] if isinstance(value, str) else []
        place = f"components.{component.name}.{name}"
        for key, text in value.items() if not isinstance(value, str) else ():
            if not isinstance(text, str):
                where = package_path(text, component.name, answers.dependencies, f"{place}.{key}")
                lines.append(f"{key}<={where}")
            else:
                lines.append(f"{key}={text}")
        variables[component.code_type.settings[name].variable] = "\n".join(lines)
    return variables


def own_variables(component: Component, answers: Answers, builds: bool = False) -> dict[str, str]:
    """The variables of the answers: the component's own, and those of the environment.

    With `builds`, for a build, which also runs in pull requests, without an environment.
    """
    names = dict.fromkeys(name for e in answers.environments for name in e.env)
    variables = {}
    for name in names:
        values = {e.name: e.env.get(name, "") for e in _environments(component, answers, builds)}
        if builds:
            values[PULL_REQUEST] = ""
        if name not in component.env and (value := _by_environment(name, values)):
            variables[name] = value
    return {**variables, **component.env}


def step_variables(
    given: Mapping[str, str], component: Component, answers: Answers, builds: bool = False
) -> dict[str, str]:
    """Variables of one step, without those that the answers set for the whole job.

    A step's variables would override the job's. If only some environments set a variable, the
    others keep the code type's value, and so do pull requests, which run builds (`builds`).
    """
    result = {}
    for name, value in given.items():
        if name in component.env:
            continue
        environments = _environments(component, answers, builds)
        values = {e.name: e.env.get(name, value) for e in environments}
        if builds:
            values[PULL_REQUEST] = value
        result[name] = _by_environment(name, values) if values else value
    return result


def _environments(component: Component, answers: Answers, builds: bool) -> list[Environment]:
    """The environments that a component is built in, or deployed to."""
    if builds:
        everything = answers.environments, answers.components, answers.dependencies
        return builders_of(component, *everything)
    return [e for e in answers.environments if component.belongs_to(e.name)]


def _by_environment(name: str, values: Mapping[str, str]) -> str:
    """One value for all environments, or an expression that picks the environment's.

    Raises AnswerError for more than GitHub reads.
    """
    if len(set(values.values())) <= 1:
        return next(iter(values.values()), "")
    some = {environment: value for environment, value in values.items() if value}
    expressions = [value for value in some.values() if EXPRESSION in value]
    if not expressions:
        table = f"'{_json(some)}'"
    else:
        # The values of expressions are put into the table as JSON.
        slots = {value: f"{{{index}}}" for index, value in enumerate(dict.fromkeys(expressions))}
        members = [
            f"{_json(environment)}: {slots.get(value) or _braces(_json(value))}"
            for environment, value in some.items()
        ]
        inner = [f"toJSON({_one_expression(value)})" for value in slots]
        table = f"format('{{{{{', '.join(members)}}}}}', {', '.join(inner)})"
    text = f"${{{{ fromJSON({table})[inputs.environment] }}}}"
    return checked_length(text, f"environments.{next(iter(some))}.env.{name}")


def checked_length(text: str, place: str) -> str:
    """Text with the values of all environments. Raises AnswerError if it is too long for GitHub."""
    if EXPRESSION in text and len(text) > EXPRESSION_CHARACTERS:
        raise AnswerError(
            place,
            f"with the values of the other environments it has {len(text)} characters, and GitHub "
            f"reads at most {EXPRESSION_CHARACTERS}; shorten them",
        )
    return text


def _one_expression(text: str) -> str:
    """A text with expressions in it, as a single expression."""
    parts = re.split(r"\$\{\{ *(.*?) *\}\}", text)
    between, inner = parts[::2], parts[1::2]
    if len(inner) == 1 and not any(between):
        return inner[0]
    slots = [f"{{{index}}}" for index in range(len(inner))]
    pairs = zip(between, [*slots, ""], strict=True)
    template = "".join(_braces(plain) + slot for plain, slot in pairs).replace("'", "''")
    return f"format('{template}', {', '.join(inner)})"


def _json(value: Any) -> str:
    """JSON, escaped for a string of GitHub's expression language."""
    return json.dumps(value, ensure_ascii=False).replace("'", r"\u0027")


def _braces(text: str) -> str:
    """Text, escaped for `format` of GitHub's expression language."""
    return text.replace("{", "{{").replace("}", "}}")


def cloud_login(defaults: JobDefaults, component: Component, answers: Answers) -> Login:
    """How a deployment logs in: to the registry that it publishes to, or to its cloud."""
    if defaults.registry:
        return registry_login(answers)
    if not defaults.cloud:
        return Login()
    cloud = answers.clouds[component.cloud]
    addition = component.code_type.clouds.get(component.cloud, CloudAddition())
    if addition.permissions and "deploy" in component.own_commands:
        addition = CloudAddition()  # what it may do is only for the code type's own command
    steps = tuple(filter(None, (cloud.login, addition.steps)))
    by_oidc = cloud.name if cloud.login else ""
    return Login(steps, {**cloud.permissions, **addition.permissions}, addition.variables, by_oidc)


def registry_login(answers: Answers) -> Login:
    """How a job logs in to the registry of the answers."""
    registry = answers.registry
    cloud = answers.cloud if registry.environment else ""
    return Login((registry.login,), registry.permissions, {}, cloud)


@dataclass(frozen=True)
class LeftOut:
    """Folders that are deleted from the checkout before any command runs."""

    folders: tuple[str, ...] = ()
    """Quoted for the shell."""
    keeps: str = ""
    """A condition of the shell: whether `$folder` stays."""

    @property
    def command(self) -> str:
        """Deletes them; empty if there are none."""
        if not self.folders:
            return ""
        folders = " ".join(self.folders)
        if not self.keeps:
            return f"rm -rf -- {folders}"
        kept = self.keeps.replace("\n", "\n  ")
        loop = f'  if {kept}; then continue; fi\n  rm -rf -- "$folder"'
        return f"set -- {folders}\nfor folder; do\n{loop}\ndone"


def folders_left_out(component: Component, answers: Answers, from_root: bool = False) -> LeftOut:
    """Folders of other components inside the component's own, if its code type leaves them out.

    They are relative to the component's folder, or to the repository's root.
    """
    if not component.code_type.leaves_out_others:
        return LeftOut()
    names = [environment.name for environment in answers.environments]
    others = {other.path_in(name) for other in answers.components for name in names}
    found = set()
    for home in {component.path_in(name) for name in names}:
        inside = "" if home == "." else f"{home}/"
        there = {path for path in others if path.startswith(inside) and path not in (home, ".")}
        found |= there if from_root else {path.removeprefix(inside) for path in there}
    return LeftOut(tuple(map(shlex.quote, sorted(found))), component.code_type.keeps_others)


def named_variables(texts: list[str]) -> set[str]:
    """The configuration variables of GitHub's that some texts read."""
    return {name for text in texts for name in re.findall(r"\bvars\.(\w+)", text)}


def named_secrets(texts: list[str]) -> tuple[str, ...]:
    """The secrets that some texts read, in their order."""
    return tuple(dict.fromkeys(re.findall(r"\bsecrets\.(\w+)", "\n".join(texts))))
