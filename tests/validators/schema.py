"""The JSON schemas of workflows and actions in `check-jsonschema` (those of SchemaStore).

Cannot find: errors in expressions, references between jobs or files, inputs of actions, scripts.
The schemas accept more than GitHub in places (types of inputs, combinations of keys), and have no
limits.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Iterator
from typing import Any

from check_jsonschema.reporter import find_best_deep_match
from jsonschema import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from .repository import Document, Finding, Keys, Repository, Workflow

CALL = {"uses": "./.github/workflows/any.yml"}


@functools.cache
def _validator(kind: str) -> Validator:
    vendor = importlib.resources.files("check_jsonschema.builtin_schemas.vendor")
    schema = json.loads((vendor / f"github-{kind}.json").read_text(encoding="utf-8"))
    validator: Validator = validator_for(schema)(schema)
    return validator


def check(repository: Repository) -> list[Finding]:
    """Validate all files in this process, because the command of the package takes a second."""
    return [finding for file in repository.documents.values() for finding in _findings(file)]


def _findings(file: Document) -> Iterator[Finding]:
    if file.error:
        yield Finding("schema", file.file, 0, "parse", " ".join(file.error.split()))
        return
    kind = "workflows" if isinstance(file, Workflow) else "actions"
    if all(_is_valid(kind, json.dumps(part)) for part in _parts(file)):
        return
    for error in _validator(kind).iter_errors(file.content):
        best = _best(error)
        line = file.line(*_keys(best.json_path))
        message = f"{best.json_path}: {best.message}"
        yield Finding("schema", file.file, line, "schema", message)


def _parts(workflow: Document) -> Iterator[Any]:
    """A workflow without its jobs, and each job alone. The schema never compares two jobs."""
    if not isinstance(workflow, Workflow) or not workflow.jobs:
        yield workflow.content
        return
    yield {**workflow.data, "jobs": {"job": CALL}}
    for name, job in workflow.data["jobs"].items():
        yield {"on": "push", "jobs": {name: job}}


@functools.cache  # workflows share most of their jobs
def _is_valid(kind: str, text: str) -> bool:
    return _validator(kind).is_valid(json.loads(text))


def _best(error: ValidationError) -> ValidationError:
    """The error that a person must correct.

    A job is a normal or a calling one. The shallowest mismatch names the wrong kind ("'uses' is a
    required property"), so the deepest one is taken.
    """
    return find_best_deep_match(error) if error.context else error


def _keys(path: str) -> Keys:
    """The keys of a JSON path of check-jsonschema: `$.jobs.a.steps[0].run`."""
    parts = re.findall(r"\.([^.\[]+)|\[(\d+)\]|\['([^']+)'\]", path)
    return tuple(int(number) if number else name or quoted for name, number, quoted in parts)
