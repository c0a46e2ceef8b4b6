"""GitHub's own `@actions/languageservice`, which the editor extension uses, too.

Every diagnostic counts, errors and warnings: unknown keys, contexts, functions and events; unknown
or circular `needs`; outputs that a needed job or a called workflow does not have; unknown or
missing inputs and secrets of called workflows and actions of this repository; and errors in these
actions.

Cannot find: permissions that a calling job does not grant (see `permissions`), cycles and limits of
calls (see `calls`), errors in other actions (see `action_inputs`), wrong types of inputs that are
expressions, missing outputs of steps. It reports workflows of other repositories as not found.
Experimental checks (its feature flags) are off.
"""

from __future__ import annotations

from .node import run
from .repository import Finding, Once, Repository

_once = Once()


def check(repository: Repository, called: Repository | None = None) -> list[Finding]:
    """`called` has the workflows that may be called, if the repository has more of them."""
    called = called or repository
    trees = {file: called.closure(file) for file in repository.documents}

    def look(files: list[str]) -> list[Finding]:
        texts = {name: text for file in files for name, text in trees[file].items()}
        found = run("github_parser.mjs", {"files": texts, "validate": files})
        return [Finding("github_parser", **diagnostic) for diagnostic in found]

    # Diagnostics do not depend on the file's own name, unless the file calls itself.
    keys = {
        file: (tree[file], tuple((n, text) for n, text in tree.items() if n != file))
        for file, tree in trees.items()
    }
    return _once.find(keys, look)
