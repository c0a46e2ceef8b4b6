"""The kinds of code that the template knows: one file each in `code_types/`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .errors import AnswerError
from .names import EXPRESSION, VARIABLE, check_name, check_path, check_variable, unknown
from .schema import check

JOBS = ("lint", "test", "security", "build", "deploy")
"""The jobs that run commands, in their order. A contract: docs/answers.md."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where it is there: code types are read at the start of every copy."""

CHECKS = ("lint", "test", "security")
"""The jobs that run in parallel; a failure of one blocks build and deploy."""

ALWAYS_WITH_PACKAGES = ("build", "deploy")
"""The jobs before which packages are always placed. A contract: docs/code-types.md."""


@dataclass(frozen=True)
class JobDefaults:
    """What a code type says of one of the jobs."""

    name: str
    command: str = ""
    tools: tuple[str, ...] = ()
    packages: bool = False
    secrets: bool = False
    cloud: bool = False
    """Whether it logs in to the cloud that the answers name."""
    registry: bool = False
    """Whether it logs in to the registry that the answers name."""
    identity: bool = False
    """Whether it may ask for an OIDC token of its own, by which package indexes trust it."""
    product: str = ""
    """What it publishes: a product that the build has to leave; empty where it needs none."""
    variables: Mapping[str, str] = field(default_factory=dict)
    timeout_minutes: int = 30


@dataclass(frozen=True)
class Product:
    """The command that builds a product, and what does it in a pull request."""

    command: str
    pull_request: str


@dataclass(frozen=True)
class CloudAddition:
    """What a cloud adds to the jobs that log in to it."""

    steps: str = ""
    """Steps between the login and the command, as YAML text."""
    variables: Mapping[str, str] = field(default_factory=dict)
    prerequisites: tuple[str, ...] = ()


@dataclass(frozen=True)
class Consumed:
    """What a code type takes of packages, and how its files name that."""

    product: str
    """The name of a product, or a pattern of names."""
    named_in: tuple[str, ...] = ()
    """Patterns of file names."""
    pattern: str = ""
    """A regular expression, whose first groups are paths, or names of images."""


@dataclass(frozen=True)
class Suggestion:
    """What is proposed beside a path: where one of the files is there and holds the text."""

    files: tuple[str, ...]
    holds: str
    produces: tuple[str, ...] | None


@dataclass(frozen=True)
class Detect:
    """By what components of a code type are found. The keys are those of `schema.json`."""

    files: tuple[str, ...]
    holds: Mapping[str, str] = field(default_factory=dict)
    nested: str = "component"
    parts: str = ""
    environments: bool = False
    replaces: tuple[str, ...] = ()
    variable: str = ""
    settings: tuple[Suggestion, ...] = ()
    leaves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class CodeType:
    """One file of `code_types/`, read and checked."""

    name: str
    label: str
    description: str
    jobs: Mapping[str, JobDefaults]
    depends_on: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()
    products: Mapping[str, Product] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Outputs of the component's workflow: each the one line that a product holds."""
    clouds: Mapping[str, CloudAddition] = field(default_factory=dict)
    secret_variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    """Set-up steps, as YAML text, by name."""
    prerequisites: tuple[str, ...] = ()
    pull_requests: str = ""
    """What docs/ci-cd.md says of it in its section on pull requests, as Markdown."""
    leaves_out_others: bool = False
    """Whether folders of other components inside a component's own are not its business."""
    publish: JobDefaults | None = None
    """What the deploy job is for a component that is published."""
    consumes: tuple[Consumed, ...] = ()
    detect: Detect | None = None


def load_code_types(folder: Path) -> dict[str, CodeType]:
    """Read every `*.yml` of the folder, by name.

    Raises AnswerError with file and key when a file breaks `schema.json` or names a code type
    that does not exist.
    """
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    # Sorted: a folder lists its files in another order on every file system.
    files = sorted(folder.glob("*.yml"), key=lambda file: file.name)
    code_types = {file.stem: _read(file, _resolved(schema)) for file in files}
    for code_type in code_types.values():
        for other in code_type.depends_on:
            # A code type that another catalogue left out is no error: nobody can select it.
            check_name(other, f"code_types/{code_type.name}.yml: depends_on")
    return code_types


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with its shared definitions in place of the references to them."""

    def resolve(part: Any) -> Any:
        if isinstance(part, list):
            return [resolve(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolve(schema["$defs"][part["$ref"].rpartition("/")[2]])
        return {key: resolve(value) for key, value in part.items() if key != "$defs"}

    resolved: Mapping[str, Any] = resolve(schema)
    return resolved


def _read(file: Path, schema: Mapping[str, Any]) -> CodeType:
    place = f"code_types/{file.name}"
    data = read_yaml(file.read_bytes(), place)
    check(data, schema, place)
    tools = {name: text.strip("\n") for name, text in data.get("tools", {}).items()}
    for name, text in tools.items():
        check_steps(text, f"{place}.tools.{name}")
    functions = {name: text.strip("\n") for name, text in data.get("functions", {}).items()}
    for name, text in functions.items():
        if not VARIABLE.fullmatch(name):
            raise AnswerError(f"{place}.functions", f"{name!r} is no name of a shell function")
        check_command(text, f"{place}.functions.{name}")
    products = _products(data.get("products", {}), functions, place)
    jobs = {
        job: _job(job, data["jobs"].get(job) or {}, tools, functions, f"{place}.jobs.{job}")
        for job in JOBS
    }
    publish = None
    if "publish" in data:
        settings = {"name": "Publish", **data["publish"]}
        publish = _job("deploy", settings, tools, functions, f"{place}.publish")
        if publish.product and publish.product not in products:
            raise unknown(publish.product, list(products), f"{place}.publish.product", "product")
        if not publish.command.strip():
            raise AnswerError(f"{place}.publish.command", "it says nothing; say what publishes")
    if jobs["build"].command:
        raise AnswerError(f"{place}.jobs.build.command", "say in `products` what makes what")
    for product in data.get("produces", []):
        if product not in products:
            raise unknown(product, list(products), f"{place}.produces", "product")
    for output, product in data.get("outputs", {}).items():
        check_name(output, f"{place}.outputs")
        if product not in products:
            raise unknown(product, list(products), f"{place}.outputs.{output}", "product")
    for secret, others in data.get("secret_variables", {}).items():
        for name in (secret, *others):
            check_variable(name, f"{place}.secret_variables")
    return CodeType(
        name=check_name(file.stem, place),
        label=data["label"],
        description=data["description"],
        jobs=jobs,
        depends_on=tuple(data.get("depends_on", [])),
        produces=tuple(data.get("produces", [])),
        products=products,
        outputs=data.get("outputs", {}),
        clouds={
            name: _cloud(given, f"{place}.clouds.{name}")
            for name, given in data.get("clouds", {}).items()
        },
        secret_variables={
            name: tuple(others) for name, others in data.get("secret_variables", {}).items()
        },
        tools=tools,
        prerequisites=tuple(data.get("prerequisites", [])),
        pull_requests=data.get("pull_requests", "").strip("\n"),
        leaves_out_others=data.get("leaves_out_others", False),
        publish=publish,
        consumes=tuple(
            _consumed(given, f"{place}.consumes[{index}]")
            for index, given in enumerate(data.get("consumes", []))
        ),
        detect=_detect(data["detect"], products, f"{place}.detect") if "detect" in data else None,
    )


def _job(
    job: str,
    settings: Mapping[str, Any],
    tools: Mapping[str, str],
    functions: Mapping[str, str],
    place: str,
) -> JobDefaults:
    for tool in settings.get("tools", []):
        if tool not in tools:
            raise unknown(tool, list(tools), f"{place}.tools", "tool of this file")
    check_command(settings.get("command", ""), f"{place}.command")
    return JobDefaults(
        name=settings.get("name", job.capitalize()),
        command=_with_functions(settings.get("command", ""), functions),
        tools=tuple(settings.get("tools", [])),
        packages=job in ALWAYS_WITH_PACKAGES or settings.get("packages", False),
        secrets=settings.get("secrets", False),
        cloud=settings.get("cloud", False),
        registry=settings.get("registry", False),
        identity=settings.get("identity", False),
        product=settings.get("product", ""),
        variables=_variables(settings, place),
        timeout_minutes=settings.get("timeout_minutes", 30),
    )


def _consumed(given: Mapping[str, Any], place: str) -> Consumed:
    _check_expression(given.get("pattern", "()"), f"{place}.pattern", groups=1)
    return Consumed(given["product"], tuple(given.get("named_in", [])), given.get("pattern", ""))


def _detect(given: Mapping[str, Any], products: Mapping[str, Product], place: str) -> Detect:
    for pattern, text in given.get("holds", {}).items():
        if pattern not in given["files"]:
            raise unknown(pattern, given["files"], f"{place}.holds", "pattern of `files`")
        _check_expression(text, f"{place}.holds.{pattern}")
    _check_expression(given.get("parts", "()"), f"{place}.parts", groups=1)
    if "variable" in given:
        check_variable(given["variable"], f"{place}.variable")
    for name in given.get("replaces", []):
        check_name(name, f"{place}.replaces")
    suggestions = []
    for index, settings in enumerate(given.get("settings", [])):
        here = f"{place}.settings[{index}]"
        _check_expression(settings.get("holds", ""), f"{here}.holds")
        for product in settings.get("produces", []):
            if product not in products:
                raise unknown(product, list(products), f"{here}.produces", "product")
        produces = tuple(settings["produces"]) if "produces" in settings else None
        files = tuple(settings.get("files", []))
        suggestions.append(Suggestion(files, settings.get("holds", ""), produces))
    for product in given.get("leaves", {}):
        if product not in products:
            raise unknown(product, list(products), f"{place}.leaves", "product")
    return Detect(
        files=tuple(given["files"]),
        holds=given.get("holds", {}),
        nested=given.get("nested", "component"),
        parts=given.get("parts", ""),
        environments=given.get("environments", False),
        replaces=tuple(given.get("replaces", [])),
        variable=given.get("variable", ""),
        settings=tuple(suggestions),
        leaves={name: tuple(paths) for name, paths in given.get("leaves", {}).items()},
    )


def _check_expression(text: str, place: str, groups: int = 0) -> None:
    """A regular expression, with as many groups as are read. Raises AnswerError."""
    try:
        found = re.compile(text).groups
    except re.error as error:
        raise AnswerError(place, f"{text!r} is no regular expression: {error}") from error
    if found < groups:
        raise AnswerError(place, f"{text!r} has no group that says what is named")


def _products(
    given: Mapping[str, Any], functions: Mapping[str, str], place: str
) -> dict[str, Product]:
    products = {}
    for name, commands in given.items():
        check_path(name, f"{place}.products")
        if isinstance(commands, str):
            commands = {"command": commands}
        for text in commands.values():
            check_command(text, f"{place}.products.{name}")
        command = _with_functions(commands["command"], functions)
        pull_request = _with_functions(commands.get("pull_request", ""), functions)
        products[name] = Product(command, pull_request or command)
    return products


def _with_functions(command: str, functions: Mapping[str, str]) -> str:
    """The command below the shell functions that it calls, or that those call."""
    called: list[str] = []
    texts = [command]
    while texts:
        text = texts.pop()
        new = [name for name in functions if re.search(rf"\b{name}\b", text)]
        texts += [functions[name] for name in new if name not in called]
        called += [name for name in new if name not in called]
    above = [text for name, text in functions.items() if name in called]
    return "\n".join([*above, command.strip("\n")])


def _cloud(given: Mapping[str, Any], place: str) -> CloudAddition:
    if "steps" in given:
        check_steps(given["steps"], f"{place}.steps")
    return CloudAddition(
        steps=given.get("steps", "").strip("\n"),
        variables=_variables(given, place),
        prerequisites=tuple(given.get("prerequisites", [])),
    )


def _variables(given: Mapping[str, Any], place: str) -> dict[str, str]:
    variables: dict[str, str] = given.get("variables", {})
    for name in variables:
        check_variable(name, f"{place}.variables")
    return variables


def check_steps(text: str, place: str) -> None:
    """Steps are printed as they stand, so they must be a YAML list. Raises AnswerError."""
    steps = read_yaml(text, place)
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise AnswerError(place, "expected a list of steps")


def read_yaml(text: str | bytes, place: str) -> Any:
    """The text, parsed. Raises AnswerError."""
    try:
        return yaml.load(text, Loader=LOADER)
    except (yaml.YAMLError, ValueError) as error:
        raise AnswerError(place, f"not YAML: {error}") from error


def check_command(command: str, place: str) -> None:
    """A command can be printed into a workflow as it is. Raises AnswerError."""
    for character in command:
        if not character.isprintable() and character not in "\n\t":
            cause = f"the control character {character!r} cannot stand in a workflow; drop it"
            raise AnswerError(place, cause)
    if EXPRESSION in command:
        raise AnswerError(
            place,
            "a command must not hold ${{ }}: GitHub would paste the value into the script; "
            "hand it over in `env` or `secrets`",
        )
