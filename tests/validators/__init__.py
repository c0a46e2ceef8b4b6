"""Validators for the workflows of a generated repository.

    validate(root)                          every validator, all findings
    validate(root, persona="auditor")       with zizmor's strictest persona
    validate(root, only=["schema"])         some validators

Each validator is a module of this folder, named after what it checks with; its first lines say
what it cannot see. Each takes a whole repository, so that a process is started once for all files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from . import (
    action_inputs,
    actionlint,
    calls,
    expressions,
    github_parser,
    permissions,
    schema,
    shellcheck,
    yamllint,
    zizmor,
)
from .repository import Finding, Repository

__all__ = ["VALIDATORS", "Finding", "Repository", "validate"]

VALIDATORS: dict[str, Callable[[Repository], list[Finding]]] = {
    "github_parser": github_parser.check,
    "actionlint": actionlint.check,
    "shellcheck": shellcheck.check,
    "zizmor": zizmor.check,
    "schema": schema.check,
    "yamllint": yamllint.check,
    "action_inputs": action_inputs.check,
    "expressions": expressions.check,
    "permissions": permissions.check,
    "calls": calls.check,
}


def validate(
    root: Path, persona: zizmor.Persona = "regular", only: Iterable[str] = VALIDATORS
) -> list[Finding]:
    """Everything that is wrong with the workflows of a repository, sorted by validator and file.

    Raises FileNotFoundError where there are none.
    """
    repository = Repository.read(root)
    validators = VALIDATORS | {"zizmor": partial(zizmor.check, persona=persona)}
    return sorted(finding for name in only for finding in validators[name](repository))
