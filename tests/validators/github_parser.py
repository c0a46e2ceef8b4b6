"""GitHub's own `@actions/languageservice`: what the editor extension and GitHub itself report.

Every diagnostic counts, errors and warnings: unknown keys, contexts, functions, events; `needs`
that are unknown or form a cycle; outputs that a needed job or a called workflow does not have;
inputs and secrets that a called workflow of this repository lacks or requires, and inputs that an
action of it does; and the same of the actions themselves.

Cannot see: permissions that a calling job does not grant (see `permissions`), cycles and limits
of workflows that call one another (see `calls`), other actions (see `action_inputs`), types of
inputs that are expressions, outputs of steps, and anything of workflows of other repositories,
which it reports as not found. Experimental checks (its feature flags) are off.
"""

from __future__ import annotations

from .node import run
from .repository import Finding, Once, Repository

_once = Once()


def check(repository: Repository, called: Repository | None = None) -> list[Finding]:
    """`called` holds the workflows that may be called, where there are more of them."""
    called = called or repository
    trees = {file: called.closure(file) for file in repository.documents}

    def look(files: list[str]) -> list[Finding]:
        texts = {name: text for file in files for name, text in trees[file].items()}
        found = run("github_parser.mjs", {"files": texts, "validate": files})
        return [Finding("github_parser", **diagnostic) for diagnostic in found]

    # A file's own name is not among what its diagnostics hang on, but where it calls itself.
    keys = {
        file: (tree[file], tuple((n, text) for n, text in tree.items() if n != file))
        for file, tree in trees.items()
    }
    return _once.find(keys, look)
