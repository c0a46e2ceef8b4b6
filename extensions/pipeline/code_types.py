"""The kinds of code that the template knows: one file each in `code_types/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .errors import AnswerError
from .names import EXPRESSION, check_name, check_path, check_variable, unknown
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
    timeout_minutes: int = 30


@dataclass(frozen=True)
class CodeType:
    """One file of `code_types/`, read and checked."""

    name: str
    label: str
    description: str
    jobs: Mapping[str, JobDefaults]
    depends_on: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()
    products: Mapping[str, str] = field(default_factory=dict)
    secret_variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    """Set-up steps, as YAML text, by name."""
    prerequisites: tuple[str, ...] = ()


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
    """The schema with its one shared definition in place of the references to it."""
    job = schema["$defs"]["job"]
    jobs = dict(schema["properties"]["jobs"], properties=dict.fromkeys(JOBS, job))
    return dict(schema, properties=dict(schema["properties"], jobs=jobs))


def _read(file: Path, schema: Mapping[str, Any]) -> CodeType:
    place = f"code_types/{file.name}"
    data = _parsed(file.read_bytes(), place)
    check(data, schema, place)
    tools = {name: text.strip("\n") for name, text in data.get("tools", {}).items()}
    for name, text in tools.items():
        _check_steps(text, f"{place}.tools.{name}")
    jobs = {}
    for job in JOBS:
        settings = data["jobs"].get(job) or {}
        for tool in settings.get("tools", []):
            if tool not in tools:
                raise unknown(tool, list(tools), f"{place}.jobs.{job}.tools", "tool of this file")
        check_command(settings.get("command", ""), f"{place}.jobs.{job}.command")
        jobs[job] = JobDefaults(
            name=settings.get("name", job.capitalize()),
            command=settings.get("command", "").strip("\n"),
            tools=tuple(settings.get("tools", [])),
            packages=job in ALWAYS_WITH_PACKAGES or settings.get("packages", False),
            secrets=settings.get("secrets", False),
            timeout_minutes=settings.get("timeout_minutes", 30),
        )
    if jobs["build"].command:
        raise AnswerError(f"{place}.jobs.build.command", "say in `products` what makes what")
    for product in data.get("produces", []):
        if product not in data.get("products", {}):
            raise unknown(product, list(data.get("products", {})), f"{place}.produces", "product")
    for secret, others in data.get("secret_variables", {}).items():
        for name in (secret, *others):
            check_variable(name, f"{place}.secret_variables")
    for product, command in data.get("products", {}).items():
        check_path(product, f"{place}.products")
        check_command(command, f"{place}.products.{product}")
    return CodeType(
        name=check_name(file.stem, place),
        label=data["label"],
        description=data["description"],
        jobs=jobs,
        depends_on=tuple(data.get("depends_on", [])),
        produces=tuple(data.get("produces", [])),
        products={name: text.strip("\n") for name, text in data.get("products", {}).items()},
        secret_variables={
            name: tuple(others) for name, others in data.get("secret_variables", {}).items()
        },
        tools=tools,
        prerequisites=tuple(data.get("prerequisites", [])),
    )


def _check_steps(text: str, place: str) -> None:
    """Set-up steps are printed as they stand, so they must be a YAML list of steps."""
    steps = _parsed(text, place)
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise AnswerError(place, "expected a list of steps")


def _parsed(text: str | bytes, place: str) -> Any:
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
