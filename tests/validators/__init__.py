"""Validators for the workflows and actions of a generated repository.

    validate(root)                          every validator, all findings
    validate(root, persona="auditor")       with zizmor's strictest persona
    validate(root, only=["schema"])         some validators
    validate(root, files=["a.yml"])         only these workflows; `permissions` and `calls` read all

Validators also read actions in `.github/actions` and their shell scripts.

Each validator is a module of this folder, named after its tool or its topic. Its docstring says
what it cannot find. It takes a whole repository, so that one process reads all files. It never
reads the same content twice, because repositories share most of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
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

_ACROSS_FILES = ("permissions", "calls")
"""Validators that compare files with each other."""


def validate(
    root: Path,
    persona: zizmor.Persona = "regular",
    only: Iterable[str] = VALIDATORS,
    files: Collection[str] | None = None,
) -> list[Finding]:
    """All findings for the workflows of a repository, sorted by validator and file.

    Raises FileNotFoundError if it has no workflows.
    """
    repository = Repository.read(root)
    read = repository if files is None else repository.of(files)
    validators = VALIDATORS | {
        "github_parser": partial(github_parser.check, called=repository),
        "actionlint": partial(actionlint.check, called=repository),
        "action_inputs": partial(action_inputs.check, called=repository),
        "zizmor": partial(zizmor.check, persona=persona),
    }
    return sorted(
        finding
        for name in only
        for finding in validators[name](repository if name in _ACROSS_FILES else read)
    )
