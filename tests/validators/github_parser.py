"""GitHub's own `@actions/languageservice`: what the editor extension and GitHub itself report.

Every diagnostic counts, errors and warnings: unknown keys, contexts, functions, events; `needs`
that are unknown or form a cycle; outputs that a needed job or a called workflow does not have;
inputs and secrets that a called workflow of this repository lacks or requires.

Cannot see: permissions that a calling job does not grant (see `permissions`), cycles and limits
of workflows that call one another (see `calls`), inputs of actions (see `action_inputs`), types of
inputs that are expressions, outputs of steps, and anything of workflows of other repositories,
which it reports as not found. Experimental checks (its feature flags) are off.
"""

from __future__ import annotations

from .node import run
from .repository import Finding, Repository


def check(repository: Repository) -> list[Finding]:
    found = run("github_parser.mjs", repository.texts)
    return [Finding("github_parser", **diagnostic) for diagnostic in found]
