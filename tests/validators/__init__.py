"""Validators for the workflows and actions of a generated repository.

    validate(root)                          every validator, all findings
    validate(root, persona="auditor")       with zizmor's strictest persona
    validate(root, only=["schema"])         some validators
    validate(root, files=["a.yml"])         of workflows that are read one at a time, these alone

Actions in `.github/actions`, and their shell scripts, are read as well.

Each validator is a module of this folder, named after what it checks with; its first lines say
what it cannot see. Each takes a whole repository, so that a process is started once for all files;
and what it has read it does not read again, because repositories have much in common.
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
"""Those that hold files against one another, and read nothing else."""


def validate(
    root: Path,
    persona: zizmor.Persona = "regular",
    only: Iterable[str] = VALIDATORS,
    files: Collection[str] | None = None,
) -> list[Finding]:
    """Everything that is wrong with the workflows of a repository, sorted by validator and file.

    Raises FileNotFoundError where there are none.
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
