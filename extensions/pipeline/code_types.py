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

NOT_YAML = (
    *(yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError),
    RecursionError,
)
"""What PyYAML raises. It lets other errors than its own through: 2024-13-45 looks like a date and
is none, `!!int ''` has no digits, a thousand brackets are too deep."""

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
    by_key: bool = False
    """Whether its commands find an image by the key in YAML files, not by its name."""


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
    beside: Mapping[str, str] = field(default_factory=dict)
    nested: str = "component"
    parts: str = ""
    parts_in: tuple[str, ...] = ()
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
    file: str = ""
    """Where a repository has it, for one of its own."""


def load_code_types(folder: Path) -> dict[str, CodeType]:
    """Read every `*.yml` of the folder, by name.

    Raises AnswerError with file and key when a file breaks `schema.json`.
    """
    schema = load_schema(folder)
    # Sorted: a folder lists its files in another order on every file system.
    files = sorted(folder.glob("*.yml"), key=lambda file: file.name)
    code_types = {}
    for file in files:
        place = f"code_types/{file.name}"
        data = read_yaml(file.read_bytes(), place)
        code_types[file.stem] = read_code_type(file.stem, data, schema, place)
    return code_types


def load_schema(folder: Path) -> Mapping[str, Any]:
    """`schema.json` of the folder, with its shared definitions in place."""
    return _resolved(json.loads((folder / "schema.json").read_text(encoding="utf-8")))


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


def read_code_type(name: str, data: Any, schema: Mapping[str, Any], file: str) -> CodeType:
    """The content of a file, as a code type. Raises AnswerError with file and key."""
    try:
        return _read(name, data, schema)
    except AnswerError as error:
        raise AnswerError(": ".join(filter(None, (file, error.place))), error.cause) from error


def _read(name: str, data: Any, schema: Mapping[str, Any]) -> CodeType:
    check_name(name, "")
    check(data, schema, "")
    for key in ("label", "description"):
        _check_line(data[key], key)
    for other in data.get("depends_on", []):
        # A code type that another catalogue left out is no error: nobody can select it.
        check_name(other, "depends_on")
    tools = {name: text.strip("\n") for name, text in data.get("tools", {}).items()}
    for tool, text in tools.items():
        check_steps(text, f"tools.{tool}")
    functions = {name: text.strip("\n") for name, text in data.get("functions", {}).items()}
    for function, text in functions.items():
        if not VARIABLE.fullmatch(function):
            raise AnswerError("functions", f"{function!r} is no name of a shell function")
        check_command(text, f"functions.{function}")
    products = _products(data.get("products", {}), functions)
    jobs = {
        job: _job(job, data["jobs"].get(job) or {}, tools, functions, f"jobs.{job}") for job in JOBS
    }
    publish = None
    if "publish" in data:
        settings = {"name": "Publish", **data["publish"]}
        publish = _job("deploy", settings, tools, functions, "publish")
        if publish.product and publish.product not in products:
            raise unknown(publish.product, list(products), "publish.product", "product")
        if not publish.command.strip():
            raise AnswerError("publish.command", "it says nothing; say what publishes")
    if jobs["build"].command:
        raise AnswerError("jobs.build.command", "say in `products` what makes what")
    for product in data.get("produces", []):
        if product not in products:
            raise unknown(product, list(products), "produces", "product")
    for output, product in data.get("outputs", {}).items():
        check_name(output, "outputs")
        if product not in products:
            raise unknown(product, list(products), f"outputs.{output}", "product")
    for secret, others in data.get("secret_variables", {}).items():
        for variable in (secret, *others):
            check_variable(variable, "secret_variables")
    return CodeType(
        name=name,
        label=data["label"],
        description=data["description"],
        jobs=jobs,
        depends_on=tuple(data.get("depends_on", [])),
        produces=tuple(data.get("produces", [])),
        products=products,
        outputs=data.get("outputs", {}),
        clouds={
            cloud: _cloud(given, f"clouds.{cloud}")
            for cloud, given in data.get("clouds", {}).items()
        },
        secret_variables={
            secret: tuple(others) for secret, others in data.get("secret_variables", {}).items()
        },
        tools=tools,
        prerequisites=tuple(data.get("prerequisites", [])),
        pull_requests=data.get("pull_requests", "").strip("\n"),
        leaves_out_others=data.get("leaves_out_others", False),
        publish=publish,
        consumes=tuple(
            _consumed(given, f"consumes[{index}]")
            for index, given in enumerate(data.get("consumes", []))
        ),
        detect=_detect(data["detect"], products, "detect") if "detect" in data else None,
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
    named_in, by_key = tuple(given.get("named_in", [])), given.get("by_key", False)
    return Consumed(given["product"], named_in, given.get("pattern", ""), by_key)


def _detect(given: Mapping[str, Any], products: Mapping[str, Product], place: str) -> Detect:
    for key in ("holds", "beside"):
        for pattern in given.get(key, {}):
            if pattern not in given["files"]:
                raise unknown(pattern, given["files"], f"{place}.{key}", "pattern of `files`")
    for pattern, text in given.get("holds", {}).items():
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
        beside=given.get("beside", {}),
        nested=given.get("nested", "component"),
        parts=given.get("parts", ""),
        parts_in=tuple(given.get("parts_in", [])),
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


def _products(given: Mapping[str, Any], functions: Mapping[str, str]) -> dict[str, Product]:
    products = {}
    for name, commands in given.items():
        check_path(name, "products")
        if isinstance(commands, str):
            commands = {"command": commands}
        for text in commands.values():
            check_command(text, f"products.{name}")
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


def _check_line(text: str, place: str) -> None:
    """It is shown in one line of a prompt, which Copier renders, and of a page."""
    if not text.isprintable() or any(bracket in text for bracket in ("[[", "[%", "[#")):
        raise AnswerError(place, "expected one line of printable characters without [[, [% and [#")


def check_steps(text: str, place: str) -> None:
    """Steps are printed as they stand, so they must be a YAML list. Raises AnswerError."""
    steps = read_yaml(text, place)
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise AnswerError(place, "expected a list of steps")


def read_yaml(text: str | bytes, place: str) -> Any:
    """The text, parsed. Raises AnswerError."""
    try:
        return yaml.load(text, Loader=LOADER)
    except NOT_YAML as error:
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
