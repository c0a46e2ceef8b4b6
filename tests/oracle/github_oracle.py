"""Predicts what GitHub runs by its own parser and expressions: `oracle.mjs` in one Node process."""

from __future__ import annotations

import atexit
import functools
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import toolbox

RESULTS = ("success", "failure", "skipped", "cancelled")
"""The values of `needs.<job_id>.result` in GitHub's documentation."""

Results = Mapping[str, str | None]
"""The result of each job of a run; None if it did not start."""


@dataclass(frozen=True)
class Given:
    """The input of a prediction."""

    given: dict[str, str]
    """Job key -> the result of the job if it starts. `a / b` is b in the workflow that a calls."""
    github: Mapping[str, Any] = field(default_factory=dict)
    """The `github` context."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """The inputs of the run."""
    outputs: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {"changes": {"deploy": "true"}}
    )
    """Job key -> its outputs."""
    cancel: str | None = None
    """The job during which a person cancels the run."""


@dataclass(frozen=True)
class Predicted:
    results: Results
    headline: str
    """The first line of the run's summary; empty without one."""


@functools.cache
def _process() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [toolbox.NODE, Path(__file__).with_name("oracle.mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    atexit.register(process.kill)
    return process


def _ask(operation: str, **request: Any) -> Any:
    process = _process()
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps({"operation": operation, **request}) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the oracle has ended")
    answer = json.loads(line)
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["value"]


def workflows(repository: Path) -> dict[str, str]:
    """The path and the text of every workflow of a repository."""
    folder = repository / ".github" / "workflows"
    return {
        file.relative_to(repository).as_posix(): file.read_text(encoding="utf-8")
        for file in sorted(folder.glob("*.yml"))
    }


def orchestrator(environment: str) -> str:
    return f".github/workflows/orchestrator-{environment}.yml"


def jobs(files: Mapping[str, str], path: str) -> list[dict[str, Any]]:
    """A workflow's jobs as GitHub's parser reads them: `id`, `needs`, `if`, `calls`."""
    answer: list[dict[str, Any]] = _ask("jobs", files=files, path=path)
    return answer


def predict(
    files: Mapping[str, str], path: str, runs: Sequence[Given], repository: Path
) -> list[Predicted]:
    """The ends of these runs of a workflow. Actions are read from the repository."""
    places: dict[Any, int] = {}
    common: list[Mapping[str, Any]] = []

    def place(value: Mapping[str, Any], key: Any) -> int:
        """The index of a value in `common`. A value that many runs share is sent once."""
        if key not in places:
            places[key] = len(common)
            common.append(value)
        return places[key]

    asked = [
        {
            "given": run.given,
            "github": place(run.github, id(run.github)),
            "inputs": place(run.inputs, json.dumps(run.inputs)),
            "outputs": place(run.outputs, tuple((k, id(v)) for k, v in run.outputs.items())),
            "cancel": run.cancel,
        }
        for run in runs
    ]
    answers = _ask(
        "predict", files=files, path=path, runs=asked, common=common, repository=str(repository)
    )
    return [Predicted(a["results"], a["headline"]) for a in answers]
