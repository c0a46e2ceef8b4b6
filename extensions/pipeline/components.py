"""The nodes of the graph: named pieces of the repository with a code type, a path, commands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .code_type_model import JOBS, PLAN_VARIABLES, SETUP, CodeType, JobDefaults
from .code_types import check_command
from .errors import AnswerError, as_text, listed, shown
from .names import (
    ENVIRONMENT_FOLDER,
    EXPRESSION,
    check_environment_path,
    check_name,
    check_no_collision,
    check_path,
    check_variable,
    check_watch,
    unknown,
)
from .schema import check
from .settings import (
    COMMON,
    ENV,
    EVERYDAY,
    LAST_PORT,
    RUNNER,
    Value,
    read_value,
)

ENVIRONMENT = re.compile(r"\bENVIRONMENT\b")
"""The variable in a build command that holds the environment."""

RESERVED = {"orchestrator": "its file would be an orchestrator's"}
"""Component names that would collide with generated files."""

SETTINGS: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {**COMMON, **{job: {"type": "string"} for job in JOBS}},
}
"""What `components.NAME` may hold besides the settings of its code type."""


@dataclass(frozen=True)
class Component:
    """One component, complete: what the answers leave out comes from its code type."""

    name: str
    code_type: CodeType
    path: str
    """It contains {environment} if each environment has its own folder."""
    commands: Mapping[str, str]
    """The command of each job that the component has; a job that is switched off is missing."""
    own_commands: frozenset[str]
    """The jobs whose command is the component's own, not its code type's."""
    produces: tuple[str, ...]
    """Files or folders, relative to `path`, that its build leaves behind."""
    secrets: tuple[str, ...]
    env: Mapping[str, str]
    runner: Any
    """What `runs-on` takes; None for the answers' common runner."""
    timeout_minutes: int | None
    cloud: str
    """What its deployment logs in to: one of CLOUDS."""
    publishes: bool = False
    """Whether its deployment is the code type's `publish`, in environments that a tag starts."""
    environments: tuple[str, ...] | None = None
    """The names of the environments that it is deployed to; None for all."""
    build_per_environment: bool = False
    """Whether what it builds differs from environment to environment."""
    settings: Mapping[str, Value] = field(default_factory=dict)
    """The settings of its code type that are given, as commands read them."""
    install_secrets: tuple[str, ...] = ()
    """Secrets for set-up, checks and build; `secrets` go to the deployment."""
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Containers beside its checks and its build, as GitHub's `services` take them."""
    submodules: bool | str | None = None
    """How submodules are checked out: true, false or `recursive`; None if nothing is said."""
    lfs: bool | None = None
    """Whether files of Git LFS are checked out; None if nothing is said."""
    watches: tuple[str, ...] = ()
    """Paths outside its folder whose change affects it; with `!`, paths whose change does not."""
    plan: bool = False
    """Whether what its deployment would change is shown before it is approved."""

    def job(self, job_id: str) -> JobDefaults:
        """What its code type says of one of its jobs."""
        if job_id == "deploy" and self.publishes and self.code_type.publish:
            return self.code_type.publish
        return self.code_type.jobs[job_id]

    @property
    def by_environment(self) -> bool:
        """Whether each environment has a folder of its own."""
        return ENVIRONMENT_FOLDER in self.path

    def path_in(self, environment: str) -> str:
        """Its folder for one environment; that may be an expression of GitHub's."""
        return self.path.replace(ENVIRONMENT_FOLDER, environment)

    @property
    def builds(self) -> bool:
        """Whether there is anything to check or to build."""
        return any(job != "deploy" for job in self.commands)

    def belongs_to(self, environment: str) -> bool:
        """Whether it is deployed to the environment, if it is deployed at all."""
        return self.environments is None or environment in self.environments

    @property
    def outer(self) -> str:
        """Its folder; if each environment has its own folder, the one that contains them all."""
        before, found, _ = self.path.partition(ENVIRONMENT_FOLDER)
        return (before.rpartition("/")[0] or ".") if found else self.path

    @property
    def folder_in_shell(self) -> str:
        """The folder of the environment `$name`, in quotes; empty if one serves all."""
        if not self.by_environment:
            return ""
        text = re.sub(r"[\"$`\\]", r"\\\g<0>", self.path)
        # In braces: what follows may be a letter, a digit or _.
        return f'"{text.replace(ENVIRONMENT_FOLDER, "${name}")}"'

    @property
    def check_out(self) -> dict[str, object]:
        """The inputs of the action check-out."""
        said = {"submodules": self.submodules, "lfs": self.lfs}
        given = {key: value for key, value in said.items() if value is not None}
        return {"commit": "${{ inputs.commit }}", "path": self.outer, **given}

    @property
    def shell(self) -> list[str]:
        """Its commands, and the files of its code type's action that those may call."""
        texts = list(self.commands.values())
        if self.plan and self.code_type.plan:
            texts += [self.code_type.plan.command, self.code_type.apply]
        setup, its_own = self.code_type.setup, set(self.commands) - self.own_commands
        if setup and any(SETUP in self.job(job).tools for job in its_own):
            texts += setup.files.values()
        return texts

    @property
    def does(self) -> list[str]:
        """Its jobs, as people read of them."""
        return ["publish" if self.publishes and j == "deploy" else j for j in self.commands]

    @property
    def default_variables(self) -> tuple[str, ...]:
        """The variables that its code type gives to any of its commands."""
        names = [name for job in self.commands for name in self.job(job).variables]
        if self.plan and self.code_type.plan:
            names += [*self.code_type.plan.variables, *PLAN_VARIABLES]
        if self.cloud in self.code_type.clouds:
            names += self.code_type.clouds[self.cloud].variables
        return tuple(dict.fromkeys(names))


def read_components(
    selected: list[str],
    settings: Mapping[str, Any],
    code_types: Mapping[str, CodeType],
    cloud: str = "none",
) -> tuple[Component, ...]:
    """The components of the answers `code_types` and `components`, sorted by name.

    `cloud` is what deployments log in to where a component does not say otherwise.
    Raises AnswerError for unknown code types and keys, unsafe or colliding names, and settings
    that cannot be used.
    """
    for name in selected:
        if name not in code_types:
            raise unknown(name, list(code_types), "code_types", "code type")
    check(settings, {"type": "object"}, "components")
    # A selected code type is a component of the same name.
    wanted = {name: settings.get(name, {}) for name in selected}
    wanted.update(settings)
    components = [
        _component(check_name(name, "components"), given, code_types, cloud)
        for name, given in wanted.items()
    ]
    check_no_collision([(c.name, f"components.{c.name}") for c in components], "name")
    variables = [(packages_variable(c.name), f"components.{c.name}") for c in components]
    check_no_collision(variables, "variable")
    return tuple(sorted(components, key=lambda component: component.name))


def pushes(component: Component) -> bool:
    """Whether any of its jobs pushes to the registry."""
    return any(component.job(job).registry for job in component.commands)


def packages_variable(component: str) -> str:
    """The environment variable in which a consumer finds the folder of a producer's package."""
    return component.upper().replace("-", "_") + "_PACKAGE"


def _component(name: str, given: Any, code_types: Mapping[str, CodeType], cloud: str) -> Component:
    place = f"components.{name}"
    if name.lower() in RESERVED:
        raise AnswerError(
            place, f"the name is reserved, because {RESERVED[name.lower()]}; rename it"
        )
    # A person writes `worker:` with nothing after it for a component with all defaults.
    given = {} if given is None else given
    check(given, {"type": "object", "properties": {"code_type": {"type": "string"}}}, place)
    code_type_name = given.get("code_type", name)
    if code_type_name not in code_types:
        if "code_type" in given:
            raise unknown(given["code_type"], list(code_types), f"{place}.code_type", "code type")
        error = unknown(name, list(code_types), place, "code type")
        raise AnswerError(place, f"{str(error).split(': ', 1)[1]} (or set its code_type)")
    code_type = code_types[code_type_name]
    _check_settings(given, code_type, code_types, place)
    publish = _publish(given, code_type, code_types, place)
    produces = _produces(given, code_type, publish, place)
    commands = _commands(given, code_type, produces, place)
    if publish:
        commands["deploy"] = publish.command.strip("\n")
    return Component(
        name=name,
        code_type=code_type,
        path=_path(given.get("path", "."), produces, place),
        commands=commands,
        own_commands=frozenset(job for job in commands if job in given),
        produces=produces,
        secrets=_secrets(given, code_type, publish, commands, place),
        env=_env(given, code_type, place),
        runner=read_runner(given["runner"], f"{place}.runner") if "runner" in given else None,
        timeout_minutes=given.get("timeout_minutes"),
        cloud=given.get("cloud", cloud),
        publishes=publish is not None,
        environments=tuple(given["environments"]) if "environments" in given else None,
        build_per_environment=_per_environment(given, place),
        settings=_settings(given, code_type, commands, place),
        install_secrets=_install_secrets(given, commands, place),
        services=_services(given, commands, place),
        submodules=given.get("submodules"),
        lfs=given.get("lfs"),
        watches=_watches(given, place),
        plan=_plan(given, code_type, code_types, commands, place),
    )


def _path(given: str, produces: tuple[str, ...], place: str) -> str:
    """Where its commands run. Raises AnswerError."""
    path = check_environment_path(given, f"{place}.path")
    if ENVIRONMENT_FOLDER in path and produces:
        raise AnswerError(
            f"{place}.path",
            f"{ENVIRONMENT_FOLDER} works only for a component that builds nothing, and this one "
            f"builds {produces[0]!r}, once for all environments; name one folder for all of them",
        )
    return path


def _check_settings(
    given: Mapping[str, Any],
    code_type: CodeType,
    code_types: Mapping[str, CodeType],
    place: str,
) -> None:
    """Refuse settings that neither every component nor the code type has. Raises AnswerError."""
    own = code_type.settings
    for key in given:
        others = sorted(n for n, other in code_types.items() if key in other.settings)
        if others and key not in own:
            has = ", ".join(sorted(own)) or "none of its own"
            raise AnswerError(
                f"{place}.{key}",
                f"only {listed(others)} has this setting, and {code_type.name} has {has}; drop it, "
                "or set another `code_type`",
            )
    known = {**SETTINGS["properties"], **{name: setting.schema for name, setting in own.items()}}
    check(given, {**SETTINGS, "properties": known}, place)


def _settings(
    given: Mapping[str, Any], code_type: CodeType, commands: Mapping[str, str], place: str
) -> dict[str, Value]:
    """The settings of its code type, as commands find them. Raises AnswerError."""
    values = {}
    texts = list(commands.values())
    its_own = [job for job in commands if job not in given]
    if code_type.setup and any(SETUP in code_type.jobs[job].tools for job in its_own):
        texts += [code_type.setup.script, *code_type.setup.files.values()]
    for name, setting in code_type.settings.items():
        if name not in given:
            continue
        here = f"{place}.{name}"
        value = read_value(setting, given[name], here)
        if not any(re.search(rf"\b{setting.variable}\b", text) for text in texts):
            cause = (
                f"none of its commands reads {setting.variable}; read it in one, or remove this "
                "setting"
            )
            raise AnswerError(here, cause)
        if value:
            values[name] = value
    return values


def _env(given: Mapping[str, Any], code_type: CodeType, place: str) -> dict[str, str]:
    """Its variables; none of them is meant for a setting. Raises AnswerError."""
    variables = read_env(given.get("env", {}), f"{place}.env")
    names = {name: name for name in COMMON if name not in EVERYDAY}
    for setting in code_type.settings.values():
        names |= {setting.name: setting.name, setting.variable.lower(): setting.name}
    for variable in variables:
        if setting_name := names.get(variable.lower()):
            raise AnswerError(
                f"{place}.env.{variable}",
                f"this is a setting, not a variable; write `{setting_name}` beside `env`",
            )
    return variables


def _install_secrets(
    given: Mapping[str, Any], commands: Mapping[str, str], place: str
) -> tuple[str, ...]:
    """Its `install_secrets`, each once. Raises AnswerError."""
    place = f"{place}.install_secrets"
    secrets = tuple(
        dict.fromkeys(check_variable(n, place) for n in given.get("install_secrets", ()))
    )
    check_no_collision([(name, place) for name in secrets], "secret")
    if secrets and not set(commands) - {"deploy"}:
        cause = (
            "it has no command that installs, tests or builds; name the deployment's secrets in "
            "`secrets`"
        )
        raise AnswerError(place, cause)
    return secrets


def _services(
    given: Mapping[str, Any], commands: Mapping[str, str], place: str
) -> dict[str, dict[str, Any]]:
    """Its services, as a workflow has them. Raises AnswerError."""
    place = f"{place}.services"
    services: dict[str, dict[str, Any]] = {}
    taken: dict[str, str] = {}
    for name, service in given.get("services", {}).items():
        here = f"{place}.{check_name(name, place)}"
        services[name] = {"image": service["image"]}
        if env := read_env(service.get("env", {}), f"{here}.env"):
            services[name]["env"] = env
        for key in ("ports", "volumes"):
            if texts := [_line(text, f"{here}.{key}") for text in service.get(key, ())]:
                # A port alone would get a random one on the machine, which no command knows.
                services[name][key] = [
                    f"{text.split('/')[0]}:{text}" if key == "ports" and ":" not in text else text
                    for text in texts
                ]
        for text in services[name].get("ports", ()):
            ports, _, protocol = text.partition("/")
            numbers = [int(port) for port in ports.split(":")]
            if not all(1 <= number <= LAST_PORT for number in numbers):
                cause = f"{shown(text)} is no port; choose from 1 to {LAST_PORT}"
                raise AnswerError(f"{here}.ports", cause)
            port = f"{numbers[0]}/{protocol or 'tcp'}"
            if port in taken:
                cause = f"port {port} of the machine is already used by {taken[port]}"
                raise AnswerError(f"{here}.ports", f"{cause}; choose another, like 15432:5432")
            taken[port] = name
        if "options" in service:
            services[name]["options"] = _line(service["options"], f"{here}.options")
    check_no_collision([(name, place) for name in services], "service")
    if services and not set(commands) - {"deploy"}:
        raise AnswerError(
            place, "services run beside checks and builds, and it has none; remove them"
        )
    return services


def check_services(components: tuple[Component, ...], runner: Any) -> None:
    """Refuse services if the runner does not run Linux. Raises AnswerError."""
    for component in components:
        given = component.runner or runner
        labels = given.get("labels", ()) if isinstance(given, dict) else given
        for label in [labels] if isinstance(labels, str) else labels:
            if component.services and re.fullmatch(r"(?i)(windows|macos)(-.*)?", label):
                cause = "GitHub runs containers only on Linux, and its runner is"
                raise AnswerError(
                    f"components.{component.name}.services", f"{cause} {label}; choose another"
                )


def _watches(given: Mapping[str, Any], place: str) -> tuple[str, ...]:
    """Its `watches`, each once, in the order given. Raises AnswerError."""
    place = f"{place}.watches"
    return tuple(dict.fromkeys(check_watch(path, place) for path in given.get("watches", ())))


def _plan(
    given: Mapping[str, Any],
    code_type: CodeType,
    code_types: Mapping[str, CodeType],
    commands: Mapping[str, str],
    place: str,
) -> bool:
    """Whether its deployment is planned before it is approved. Raises AnswerError."""
    if not given.get("plan"):
        return False
    place = f"{place}.plan"
    if not code_type.plan:
        able = ", ".join(sorted(name for name, other in code_types.items() if other.plan))
        raise AnswerError(
            place,
            f"{code_type.name} has no command that shows what a deployment would change; drop it, "
            f"or use one of the code types that have: {able or 'none'}",
        )
    if "deploy" not in commands or given.get("publish"):
        raise AnswerError(place, "it deploys nothing, so there is nothing to plan; drop this")
    if "deploy" in given:
        cause = "it has a `deploy` of its own, and only the usual one can be planned"
        raise AnswerError(place, f"{cause}; remove one of them")
    return True


def _line(value: str | int, place: str) -> str:
    """One line of text without an expression. Raises AnswerError."""
    text = as_text(value, place)
    if EXPRESSION in text or not text.isprintable():
        raise AnswerError(
            place, f"{shown(text)} has to be one line without an expression; write the value"
        )
    return text


def _per_environment(given: Mapping[str, Any], place: str) -> bool:
    """Whether what is built differs from environment to environment. Raises AnswerError."""
    named = ENVIRONMENT.search(given.get("build", "")) is not None
    per_environment: bool = given.get("build_per_environment", named)
    if named and not per_environment:
        raise AnswerError(
            f"{place}.build_per_environment",
            "the command `build` names ENVIRONMENT, so each environment needs its own build; "
            "remove this setting, or ENVIRONMENT from the command",
        )
    return per_environment


def _publish(
    given: Mapping[str, Any], code_type: CodeType, code_types: Mapping[str, CodeType], place: str
) -> JobDefaults | None:
    """The job that publishes it, if `publish` is true. Raises AnswerError."""
    if not given.get("publish"):
        return None
    if not code_type.publish:
        able = ", ".join(sorted(name for name, other in code_types.items() if other.publish))
        raise AnswerError(
            f"{place}.publish",
            f"{code_type.name} has no command that publishes; write a `deploy`, or use one of the "
            f"code types that have: {able or 'none'}",
        )
    if "deploy" in given:
        raise AnswerError(
            f"{place}.publish", "it has a `deploy` of its own, too; remove one of them"
        )
    product = code_type.publish.product
    if product and "build" in given and not given["build"].strip():
        raise AnswerError(
            f"{place}.publish",
            f"`build` is empty, so there is no {product!r} to publish; remove `build` or `publish`",
        )
    if product and product not in given.get("produces", [product]):
        raise AnswerError(
            f"{place}.publish", f"it publishes {product!r}, which `produces` does not name; add it"
        )
    return code_type.publish


def _produces(
    given: Mapping[str, Any], code_type: CodeType, publish: JobDefaults | None, place: str
) -> tuple[str, ...]:
    """The products of its build, each once. Raises AnswerError."""
    place = f"{place}.produces"
    if "build" in given and not given["build"].strip():
        if given.get("produces"):
            cause = "`build` is empty, so nothing is produced; remove `build` or `produces`"
            raise AnswerError(place, cause)
        return ()
    usual = [publish.product] if publish and publish.product else list(code_type.produces)
    listed = given.get("produces", usual)
    products = [check_path(product, place) for product in listed]
    for product in products:
        if product == ".":
            raise AnswerError(place, "'.' is the whole folder; name the files that are built")
        if product.lower().split("/")[0] == ".package":
            raise AnswerError(
                place, f"{product!r} is where a package keeps its manifest; rename it"
            )
    check_no_collision([(product, place) for product in dict.fromkeys(products)], "product")
    _check_no_nesting(products, place)
    if "build" not in given:
        for product in products:
            if product not in code_type.products:
                raise AnswerError(
                    place,
                    f"{code_type.name} has no command that builds {product!r}; write a `build`, or "
                    f"choose among: {', '.join(code_type.products) or 'nothing'}",
                )
    return tuple(dict.fromkeys(products))


def _check_no_nesting(paths: list[str], place: str) -> None:
    """Refuse a product inside another one. Raises AnswerError."""
    for outer in paths:
        for inner in paths:
            if inner.lower().startswith(f"{outer.lower()}/"):
                raise AnswerError(place, f"{inner!r} lies in {outer!r}; name only one of them")


def _commands(
    given: Mapping[str, Any], code_type: CodeType, produces: tuple[str, ...], place: str
) -> dict[str, str]:
    commands = {}
    for job in JOBS:
        default = code_type.jobs[job].command
        if job == "build":
            products = [code_type.products[p] for p in produces if p in code_type.products]
            default = "\n".join(products)
        command = given.get(job, default).strip("\n")
        check_command(command, f"{place}.{job}")
        if command.strip():
            commands[job] = command
    return commands


def _secrets(
    given: Mapping[str, Any],
    code_type: CodeType,
    publish: JobDefaults | None,
    commands: Mapping[str, str],
    place: str,
) -> tuple[str, ...]:
    """Its `secrets`, each once. Raises AnswerError."""
    place = f"{place}.secrets"
    jobs = {**code_type.jobs, **({"deploy": publish} if publish else {})}
    takers = [job for job in JOBS if jobs[job].secrets]
    if given.get("secrets") and not set(takers) & set(commands):
        raise AnswerError(
            place,
            f"{code_type.name} passes `secrets` only to {' and '.join(takers) or 'no command'}, "
            "and this component has no such command; add it, or name the secrets of set-up, checks "
            "and build in `install_secrets`",
        )
    secrets = [check_variable(name, place) for name in given.get("secrets", [])]
    check_no_collision([(name, place) for name in dict.fromkeys(secrets)], "secret")
    return tuple(dict.fromkeys(secrets))


def read_env(given: Mapping[str, Any], place: str) -> dict[str, str]:
    """Variables for commands, as text. Raises AnswerError.

    A value may be one configuration variable of GitHub's, `${{ vars.NAME }}`, and no other
    expression: anything else belongs in `secrets`, or would make the value depend on the event.
    """
    check(given, ENV, place)
    # GitHub reads the keys of a mapping without regard to case.
    check_no_collision([(name, f"{place}.{name}") for name in sorted(given)], "name")
    result = {}
    for name, value in sorted(given.items()):
        check_variable(name, place)
        text = as_text(value, f"{place}.{name}")
        if EXPRESSION in text and not _is_configuration_variable(text):
            raise AnswerError(
                f"{place}.{name}",
                f"{shown(text)} holds an expression; the only one allowed is "
                "${{ vars.NAME }}, and a secret belongs in `secrets`",
            )
        if not text.replace("\n", "").replace("\t", "").isprintable():
            raise AnswerError(f"{place}.{name}", f"{shown(text)} has a control character; drop it")
        result[name] = text
    return result


def _is_configuration_variable(text: str) -> bool:
    return re.fullmatch(r"\$\{\{ *vars\.[A-Za-z_][A-Za-z0-9_]* *\}\}", text) is not None


def read_runner(given: Any, place: str) -> Any:
    """A runner as `runs-on` takes it. Raises AnswerError."""
    check(given, RUNNER, place)
    labels = [given] if isinstance(given, str) else given
    if isinstance(given, dict):
        if not given:
            raise AnswerError(place, "expected a group or labels, not an empty mapping")
        inner = given.get("labels", [])
        labels = [given.get("group", "-"), *([inner] if isinstance(inner, str) else inner)]
    for label in labels:
        if EXPRESSION in label or not label.strip() or not label.isprintable():
            raise AnswerError(
                place, f"{shown(label)} is not a runner's label; write the label itself"
            )
    if isinstance(given, dict):
        # Sorted, because the answers file sorts the keys that a person wrote.
        return {key: given[key] for key in ("group", "labels") if key in given}
    return given
