"""shellcheck, with every check of every severity, for every `run:` of every step and for `.sh`
files.

GitHub runs a script with `bash -e`, `bash --noprofile --norc -eo pipefail` or `sh -e`. So
shellcheck reads each script after a `set -e`, and knows that a failed `cd` ends it.

Cannot find: errors in scripts for other shells (PowerShell, Python), in JavaScript (github-script,
`.cjs`), and in other files that a script calls. An expression in a script is replaced by a word of
the same length (`expressions` forbids it anyway). shellcheck does not know which variables `env:`
sets, so it accepts all names in capitals.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import toolbox

from .repository import Document, Finding, Once, Repository, Step

SHELLS = ("bash", "sh", "dash", "ksh")

# The lines before a script in the file that shellcheck reads.
PREAMBLE = "# shellcheck shell={shell}\n{options}\n"
PREAMBLE_LINES = 2


@dataclass(frozen=True)
class Place:
    """The file of a script, and the line where the script begins."""

    file: str
    line: int
    title: str


def check(repository: Repository) -> list[Finding]:
    """Check each different script once, all in one call, and report it in every place."""
    scripts: dict[str, list[Place]] = defaultdict(list)
    for document in repository.documents.values():
        for script, place in _scripts(document):
            scripts[script].append(place)
    return _files(repository) + [
        Finding(
            "shellcheck",
            place.file,
            place.line + max(comment["line"] - 1 - PREAMBLE_LINES, 0),
            f"SC{comment['code']}",
            f"{place.title}: {comment['message']}",
        )
        for script, comment in _shellcheck(list(scripts))
        for place in scripts[script]
    ]


_once = Once()


def _files(repository: Repository) -> list[Finding]:
    """The findings in scripts of actions, which may read each other."""
    texts = repository.scripts

    def look(files: list[str]) -> list[Finding]:
        return [
            Finding(
                "shellcheck",
                comment["file"],
                comment["line"],
                f"SC{comment['code']}",
                f"{Path(comment['file']).name}: {comment['message']}",
            )
            for comment in _run(texts, files)
        ]

    return _once.find({file: _with_named(file, texts) for file in texts}, look)


def _with_named(file: str, texts: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """A script and those whose names it contains, at any depth: it can read no others."""
    found = [file]
    for name in found:
        found += [
            other for other in texts if other not in found and Path(other).name in texts[name]
        ]
    return tuple((name, texts[name]) for name in found)


def _scripts(workflow: Document) -> Iterator[tuple[str, Place]]:
    """The scripts of a workflow or action, in the form that shellcheck reads."""
    for step in workflow.steps:
        shell = _shell(workflow, step)
        name = Path((shell.split() or [""])[0]).name
        if "run" not in step.data or name not in SHELLS:
            continue
        # https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#defaultsrunshell
        custom = "{0}" in shell
        errexit = not custom or re.search(r"\s-\w*e", shell)
        preamble = PREAMBLE.format(shell=name, options="set -e" if errexit else ":")
        text = re.sub(r"\$\{\{.*?\}\}", _word, str(step.data["run"]), flags=re.DOTALL)
        keys = (*step.keys, "run")
        line = workflow.line(*keys) + workflow.is_block(*keys)
        yield preamble + text, Place(workflow.file, line, f"{step.job}, {step.name!r}")


def _shell(workflow: Document, step: Step) -> str:
    """The shell of a step: its own, the default of its job or workflow, or bash."""
    for level in (step.data, *workflow.defaults(step)):
        defaults = level.get("defaults")
        run = defaults.get("run") if isinstance(defaults, dict) else None
        shell = level.get("shell") or (run.get("shell") if isinstance(run, dict) else None)
        if shell:
            return str(shell)
    return "bash"


def _word(expression: re.Match[str]) -> str:
    """A word as long as an expression, with its line ends, so that line numbers stay correct."""
    return re.sub(r"[^\n]", "_", expression[0])


def _shellcheck(scripts: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The findings in each script, with one call for all new scripts."""
    new = [script for script in scripts if script not in _said]
    if new:
        _said.update(_read(new))
    for script in scripts:
        for comment in _said[script]:
            yield script, comment


_said: dict[str, list[dict[str, Any]]] = {}
"""The findings of each script. Repositories share most of their scripts."""


def _read(scripts: list[str]) -> dict[str, list[dict[str, Any]]]:
    files = {f"{number}.sh": script for number, script in enumerate(scripts)}
    said: dict[str, list[dict[str, Any]]] = {script: [] for script in scripts}
    for comment in _run(files, list(files)):
        said[files[comment["file"]]].append(comment)
    return said


def _run(texts: dict[str, str], files: list[str]) -> list[dict[str, Any]]:
    """The findings in these files. The files that they source are in the same folder."""
    with tempfile.TemporaryDirectory() as folder:
        for file, text in texts.items():
            path = Path(folder) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        command = [toolbox.script("shellcheck"), "--norc", "--severity=style", "--format=json1"]
        command += ["--external-sources", "--source-path=SCRIPTDIR", *files]
        result = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8")
    if result.returncode not in (0, 1):
        raise RuntimeError(f"shellcheck failed ({result.returncode}):\n{result.stderr}")
    comments: list[dict[str, Any]] = json.loads(result.stdout)["comments"]
    return comments
