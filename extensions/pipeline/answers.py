"""Reads all answers, and refuses what is wrong in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from .catalogue import Catalogue
from .clouds import REGISTRY_ENVIRONMENT, Cloud, Registry, read_registry
from .components import (
    Component,
    check_services,
    packages_variable,
    pushes,
    read_components,
    read_runner,
)
from .dependencies import MAP, Dependencies, package_path, read_dependencies
from .environments import (
    PULL_REQUEST,
    Environment,
    check_branch,
    read_environments,
    rival_chains,
    title,
)
from .errors import AnswerError, as_text, nearest, shown, yaml_surprise
from .limits import DISPATCHED_COMPONENTS, OBSERVED_COMPONENTS, REUSABLE_WORKFLOWS
from .names import EXPRESSION, check_no_collision, unknown
from .own_types import check_folder, replacement_notices, with_own
from .questions import BY_NAME, DEFAULTS, PlainAnswers, read_plain_answers
from .schema import check
from .scope import check_calls, deploys_to
from .settings import CLOUDS, FromPackage
from .triggers import check_chains, check_publishing, check_tags
from .yaml_text import NOT_YAML

ORCHESTRATIONS = tuple(BY_NAME["orchestration"].choices)
"""How orchestrators run components."""

GONE: Mapping[str, str] = {
    "retry_approval": "a retry needs the approval that `approval` says",
}
"""Answers of former versions, and what replaces them."""

PROJECT_NAME_LENGTH = 100

OWN_TYPES = ("code_types_folder", "own_code_types")
"""The answers that say which code types a repository has of its own."""

FOUND: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": {
        "type": "string",
        "pattern": r"\A[^`|\n]+\Z",
        "description": "one line without ` and |, which docs/ci-cd.md shows in a table",
    },
}

UNMATCHED: Mapping[str, Any] = {
    "type": "array",
    "items": {
        "type": "string",
        "pattern": r"\A[^\n]+\Z",
        "description": "one line, which docs/ci-cd.md shows",
    },
}

BEFORE_COMPONENTS = ("project_name", *OWN_TYPES, "found", "code_types")
"""The questions before which there may be no component yet."""

BEFORE_ORCHESTRATION = (*BEFORE_COMPONENTS, "components", "dependency_map")
"""The questions before the one that decides how many components there may be."""


@dataclass(frozen=True, kw_only=True)
class Answers(PlainAnswers):
    """The answers, complete and free of contradictions."""

    project_name: str
    found: Mapping[str, str]
    """What the copy found in the repository, and where: see `proposal.Proposal.found`."""
    components: tuple[Component, ...]
    dependencies: Dependencies
    orchestration: str
    environments: tuple[Environment, ...]
    default_branch: str
    """The repository's default branch, as far as the answers know."""
    cloud: str
    """What deployments log in to, unless a component names something else."""
    clouds: Mapping[str, Cloud]
    registry: Registry
    runner: Any
    notices: tuple[str, ...] = ()
    """What a person should know about them."""
    unmatched: tuple[str, ...] = ()
    """What in the repository does not match the answers, in lines."""

    @property
    def plans(self) -> bool:
        """Whether the first job of an orchestrator decides what is built and deployed."""
        return self.orchestration != "observe"


def read_answers(given: Mapping[str, Any], catalogue: Catalogue, asking: str = "") -> Answers:
    """All answers together; what is not given has its default.

    `asking` names the question that is asked at this moment. While the questions about components
    are still to come, having none is no error.

    `given` holds values as YAML reads them; texts are parsed where a list or mapping is expected,
    because `--data` can only hand over text. Raises AnswerError for the first thing that is
    wrong, in the order of the questions. Keys that start with `_` are Copier's own.
    """
    for key in given:
        if not isinstance(key, str):
            raise AnswerError("answers", f"the key {shown(key)} is not text{yaml_surprise(key)}")
        if key not in DEFAULTS and key not in GONE and not key.startswith("_"):
            raise AnswerError(key, f"there is no such answer{nearest(key, DEFAULTS)}")
    raw = {name: parsed(name, given.get(name, default)) for name, default in DEFAULTS.items()}
    project_name = _project_name(raw["project_name"])
    folder = check_folder(raw["code_types_folder"])
    shipped, catalogue = catalogue, with_own(catalogue, folder, raw["own_code_types"])
    check(raw["found"], FOUND, "found")
    check(raw["code_types"], {"type": "array", "items": {"type": "string"}}, "code_types")
    check(raw["components"], {"type": "object"}, "components")
    number = len({*raw["code_types"], *map(str, raw["components"])})
    if number > DISPATCHED_COMPONENTS:  # before each of them is read, which takes time
        orchestration = raw["orchestration"]
        _check_number(number, orchestration if orchestration in ORCHESTRATIONS else "dispatch")
    _check_choice(raw["cloud"], CLOUDS, "cloud")
    code_types = catalogue.code_types
    components = read_components(raw["code_types"], raw["components"], code_types, raw["cloud"])
    if not components and asking not in BEFORE_COMPONENTS:
        raise AnswerError("code_types", "nothing is selected; choose at least one code type")
    dependencies = read_dependencies(raw["dependency_map"], components, code_types)
    _check_choice(raw["orchestration"], ORCHESTRATIONS, "orchestration")
    if asking not in BEFORE_ORCHESTRATION:
        _check_number(len(components), raw["orchestration"])
    default_branch = check_branch(raw["default_branch"], "default_branch")
    listed = _environments_so_far(given, raw, asking, components)
    environments = read_environments(raw["branching"], listed, default_branch)
    check(raw["unmatched"], UNMATCHED, "unmatched")
    pushing = any(map(pushes, components))
    registry = read_registry(raw["registry"], raw["cloud"], catalogue.clouds, pushing)
    plain = read_plain_answers(raw)
    _check_environments(components, environments, registry)
    if not asking or given.get("environments") or given.get("branching", "custom") != "custom":
        # Before that, a component may name environments to come.
        _check_belonging(components, environments)
    _check_files(components, environments, plain)
    _check_groups(components, environments)
    _check_titles(components, environments)
    _check_variables(components, dependencies, environments)
    if not asking:
        _check_plans(components, environments, raw["orchestration"], plain)
    runner = read_runner(raw["runner"], "runner")
    check_services(components, runner)
    _check_values_from_packages(components, dependencies)
    if asking not in BEFORE_ORCHESTRATION:
        check_publishing(components, dependencies, environments, raw["orchestration"])
        check_tags(components, dependencies, environments, raw["orchestration"])
        if raw["orchestration"] == "observe":
            check_chains(components, dependencies, environments)
        if raw["orchestration"] == "call":
            check_calls(components, dependencies, environments)
    return Answers(
        project_name=project_name,
        found=raw["found"],
        components=components,
        dependencies=dependencies,
        orchestration=raw["orchestration"],
        environments=environments,
        default_branch=default_branch,
        cloud=raw["cloud"],
        clouds=catalogue.clouds,
        registry=registry,
        runner=runner,
        **plain,
        unmatched=tuple(raw["unmatched"]),
        notices=replacement_notices(shipped, {c.code_type.name: c.code_type for c in components})
        + rival_chains(environments),
    )


def _environments_so_far(
    given: Mapping[str, Any],
    raw: Mapping[str, Any],
    asking: str,
    components: tuple[Component, ...],
) -> Any:
    """The list that is given; None if nothing is given.

    Before the question is asked, the list is one environment with which every orchestration is
    possible.
    """
    to_come = asking == "orchestration" or (asking, raw["branching"]) == ("branching", "custom")
    if not to_come and "environments" not in given:
        return None
    if not to_come:
        check(raw["environments"], {"type": "array"}, "environments")
        return raw["environments"]
    publishing = any(component.publishes for component in components)
    return [{"name": "dev", **({"tag": "v*"} if publishing else {"branch": "main"})}]


def check_alone(given: Mapping[str, Any], catalogue: Catalogue) -> None:
    """Check the answers that are given before the others are asked for.

    Names of something that is asked for later are left to `read_answers`. Raises AnswerError.
    """
    some = dict(given)
    if not {"code_types", "components"} <= set(some):
        check(parsed("dependency_map", some.pop("dependency_map", [])), MAP, "dependency_map")
    if not some.get("environments") and some.get("branching") == "custom":
        del some["branching"]
    read_answers(some, catalogue, asking=BEFORE_COMPONENTS[0])


def check_removed(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse a component that is gone from `components` while `code_types` still selects it: it
    would move to the root. Raises AnswerError.

    `before` holds the recorded answers. They may be wrong where `--data` replaces them.
    """
    names = ("code_types", "components")
    selected_before, settings_before = (parsed(name, before.get(name)) for name in names)
    selected, settings = (parsed(name, now.get(name)) or () for name in names)
    if not isinstance(selected_before, list) or not isinstance(settings_before, dict):
        return
    for name in selected:
        if name in settings or name not in selected_before:
            continue
        of_component = settings_before.get(name)
        path = of_component.get("path", ".") if isinstance(of_component, dict) else "."
        if path != ".":
            raise AnswerError(
                f"components.{name}",
                f"it was in {path}; it is missing in `components`, but `code_types` still selects "
                "it, so it would move to the root; drop it in both, or write "
                f"{{{name}: {{}}}} in `components` if it is to move",
            )


def parsed(name: str, value: Any) -> Any:
    """The value, parsed as YAML if it is text and the answer is not. Raises AnswerError."""
    if not isinstance(value, str) or (name in BY_NAME and BY_NAME[name].is_text):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise AnswerError(name, _not_yaml(value, error)) from error
    except NOT_YAML as error:
        raise AnswerError(name, f"{shown(value)} is not YAML: {error}") from error


def _not_yaml(text: str, error: yaml.YAMLError) -> str:
    """The parser's own reason, with the line that it names."""
    problem = getattr(error, "problem", None) or "it cannot be read"
    mark = getattr(error, "problem_mark", None)
    lines = text.split("\n")
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"{shown(line or text)} is not YAML: {problem}{where}"


def _project_name(value: Any) -> str:
    # A bare number is a fine name, and Copier takes it as text too.
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    text = as_text(value, "project_name") if number else value
    check(text, {"type": "string"}, "project_name")
    if not text.strip() or not text.isprintable() or EXPRESSION in text:
        cause = f"{shown(text)} is no name; use one line of printable characters without ${{{{"
        raise AnswerError("project_name", cause)
    if len(text) > PROJECT_NAME_LENGTH:
        cause = f"it has {len(text)} characters; at most {PROJECT_NAME_LENGTH} are allowed"
        raise AnswerError("project_name", cause)
    return str(text).strip()


def default_project_name(folder: str) -> str:
    """A project's name, made of its folder's name without the characters that are refused."""
    printable = "".join(c for c in folder.replace(EXPRESSION, "") if c.isprintable())
    return printable.strip()[:PROJECT_NAME_LENGTH].strip() or DEFAULTS["project_name"]


def _check_choice(value: Any, choices: tuple[str, ...], place: str) -> None:
    check(value, {"type": "string", "enum": list(choices)}, place)


def _check_number(number: int, orchestration: str) -> None:
    """Refuse more components than an orchestration takes. Raises AnswerError.

    For `call`, `scope.check_calls` also counts the workflows that are called.
    """
    most, why = {
        "call": (REUSABLE_WORKFLOWS, "GitHub calls no more in one run"),
        "dispatch": (DISPATCHED_COMPONENTS, "its summary has no room for more"),
        "observe": (OBSERVED_COMPONENTS, "GitHub's API allows no more calls in an hour"),
    }[orchestration]
    if number > most:
        fix = "choose dispatch, or " if number <= DISPATCHED_COMPONENTS else ""
        raise AnswerError(
            "orchestration",
            f"there are {number} components, and {orchestration} takes at most {most}, because "
            f"{why}; {fix}merge some, or split the repository's pipelines",
        )


def _check_environments(
    components: tuple[Component, ...], environments: tuple[Environment, ...], registry: Registry
) -> None:
    """Refuse names of environments that generated files or GitHub Environments already have.

    Raises AnswerError.
    """
    reserved = {
        PULL_REQUEST: "pull requests are checked under that name",
        "build": "its files would be those of builds",
        "deploy": "its files would be those of deployments",
    }
    if registry.environment and any(pushes(component) for component in components):
        reserved[REGISTRY_ENVIRONMENT] = "images are pushed under that name"
    planned = any(component.plan for component in components)
    if planned:
        reserved["plan"] = "its files would be those of plans"
    for environment in environments:
        if why := reserved.get(environment.name.lower()):
            raise AnswerError(
                f"environments.{environment.name}",
                f"the name is reserved, because {why}; rename it",
            )
    names = {environment.name.lower(): environment.name for environment in environments}
    taken = {"approval": "approvals", **({"plan": "plans"} if planned else {})}
    for environment in environments:
        for end, what in taken.items():
            if other := names.get(f"{environment.name.lower()}-{end}"):
                raise AnswerError(
                    f"environments.{other}",
                    f"the name is reserved for the {what} of {environment.name}; rename it",
                )


def _check_belonging(
    components: tuple[Component, ...], environments: tuple[Environment, ...]
) -> None:
    """Refuse components in environments that do not exist. Raises AnswerError."""
    known = [environment.name for environment in environments]
    for component in components:
        for name in component.environments or ():
            if name not in known:
                place = f"components.{component.name}.environments"
                raise unknown(name, known, place, "environment")


def _check_files(
    components: tuple[Component, ...],
    environments: tuple[Environment, ...],
    plain: Mapping[str, Any],
) -> None:
    """Refuse two files or jobs of one name, as `a-b` in `c` and `a` in `b-c`."""
    files = [(PULL_REQUEST, "the workflow for pull requests")]
    files += [(f"{PULL_REQUEST}-checks", "the job that gathers checks")]
    files += [("deployment-summary", "the summary job")]
    if plain["infrastructure_drift"]:
        files += [("infrastructure-drift", "the workflow that looks for drift")]
    files += [(f"orchestrator-{e.name}", f"environments.{e.name}") for e in environments]
    # Also for what a component does not do yet: a later answer may have it built or deployed.
    for component in components:
        ends = ["build", "deploy", *(e.name for e in environments)]
        if component.plan:
            ends += ["plan", *(f"{e.name}-plan" for e in environments)]
        files += [(f"{component.name}-{end}", f"components.{component.name}") for end in ends]
    check_no_collision(files, "file")


def _check_plans(
    components: tuple[Component, ...],
    environments: tuple[Environment, ...],
    orchestration: str,
    plain: Mapping[str, Any],
) -> None:
    """Refuse plans that nobody would see, or that nobody could compare. Raises AnswerError."""
    if plain["infrastructure_drift"]:
        place = "infrastructure_drift"
        if not any(component.plan for component in components):
            raise AnswerError(place, "no component has `plan: true`; add it to one, or drop this")
        if orchestration == "observe":
            cause = "under observe no run knows what is deployed; choose call or dispatch"
            raise AnswerError(place, cause)
        planned = sum(component.plan for component in components)
        if planned > REUSABLE_WORKFLOWS:
            cause = f"{planned} components have `plan: true`, and GitHub runs at most"
            raise AnswerError(place, f"{cause} {REUSABLE_WORKFLOWS} plans together; drop this")
    for component in components:
        if not component.plan:
            continue
        place = f"components.{component.name}.plan"
        asked = plain["approval"] != "none" and any(
            e.production and deploys_to(component, e) for e in environments
        )
        if not asked and not plain["pull_requests"] and not plain["infrastructure_drift"]:
            raise AnswerError(
                place,
                "nobody would see the plan: no deployment is approved, and pull requests are not "
                "checked; drop this, or change `approval` or `pull_requests`",
            )
        if asked and orchestration == "dispatch" and plain["approval"] == "once":
            raise AnswerError(
                place,
                "under dispatch a component's own run makes the plan, after the one approval for "
                "all; set `approval: each`, or choose call",
            )


def _check_groups(components: tuple[Component, ...], environments: tuple[Environment, ...]) -> None:
    """Refuse two jobs in one concurrency group: one would cancel the other."""
    events = ("push", "workflow_run", "workflow_dispatch")
    groups = [
        (f"{environment.name}-approval-{event}", f"environments.{environment.name}")
        for environment in environments
        for event in events
    ]
    for component in components:
        for environment in environments:
            group, place = f"{component.name}-{environment.name}", f"components.{component.name}"
            groups += [(group, place), (f"{group}-approval", place)]
    check_no_collision(groups, "concurrency group")


def _check_titles(components: tuple[Component, ...], environments: tuple[Environment, ...]) -> None:
    """Refuse two workflows of one name: `workflow_run` names the workflow before it."""
    titles = [(e.orchestrator, f"environments.{e.name}") for e in environments]
    titles.append((title(PULL_REQUEST), "the workflow for pull requests"))
    for component in components:
        ends = ["Build", "Deploy", *(e.title for e in environments)]
        if component.plan:
            ends.append("Plan")
        place = f"components.{component.name}"
        titles += [(f"{title(component.name)} {end}", place) for end in ends]
    check_no_collision(titles, "workflow's name")


def _check_values_from_packages(
    components: tuple[Component, ...], dependencies: Dependencies
) -> None:
    """Refuse a value of a setting that no package holds. Raises AnswerError."""
    for component in components:
        for name, setting in component.settings.items():
            if isinstance(setting, str):
                continue
            for key, value in setting.items():
                if isinstance(value, FromPackage):
                    place = f"components.{component.name}.{name}.{key}"
                    package_path(value, component.name, dependencies, place)


def _check_variables(
    components: tuple[Component, ...],
    dependencies: Dependencies,
    environments: tuple[Environment, ...],
) -> None:
    """Refuse two values for one variable, as a secret and an entry of `env`. Raises AnswerError."""
    for component in components:
        ours = {"ENVIRONMENT": "the name of the environment", "COMMIT": "the commit"}
        for edge in dependencies.edges:
            if edge.consumer == component.name:
                what = f"the folder of {edge.producer}'s package"
                ours[packages_variable(edge.producer)] = what
        if component.by_environment or any("ENVIRONMENTS" in text for text in component.shell):
            ours["ENVIRONMENTS"] = "the names of all environments"
        # The answers may set a variable of the code type, if they write it in the same case.
        defaults = {name.upper(): name for name in component.default_variables}
        place = f"components.{component.name}"
        for setting in component.code_type.settings.values():
            ours[setting.variable.upper()] = f"the setting {setting.name} of {component.name}"
        for secret in dict.fromkeys((*component.install_secrets, *component.secrets)):
            for name in (secret, *component.code_type.secret_variables.get(secret, ())):
                taken = ours.get(name.upper()) or defaults.get(name.upper())
                if taken:
                    raise AnswerError(f"{place}.secrets", f"{name!r} is already {taken}; rename it")
                ours[name.upper()] = f"the secret {secret} of {component.name}"
        for environment in environments:
            both = {**component.env, **environment.env}
            names = [(name, f"environments.{environment.name}.env.{name}") for name in both]
            check_no_collision(names, f"name (beside those of {component.name})")
        given = [(f"{place}.env", component.env)]
        given += [(f"environments.{e.name}.env", e.env) for e in environments]
        for where, variables in given:
            for name in variables:
                if name.upper() in ours:
                    raise AnswerError(where, f"{name!r} is already {ours[name.upper()]}; drop it")
                if defaults.get(name.upper(), name) != name:
                    cause = f"{name!r} differs from {defaults[name.upper()]!r} of {component.name}"
                    raise AnswerError(
                        where,
                        f"{cause} only in upper and lower case; write it the same way, or "
                        "rename it",
                    )
