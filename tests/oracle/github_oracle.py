"""What GitHub would run, by its own parser and expressions: `oracle.mjs` in one Node process."""

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
"""What GitHub's documentation lists for `needs.<job_id>.result`."""

Results = Mapping[str, str | None]
"""Each job of a run with its result; None when it did not start."""


@dataclass(frozen=True)
class Given:
    """What is known of a run before it is predicted."""

    given: dict[str, str]
    """Job key -> result, for jobs that end with it when they start. `a / b` is b in a's callee."""
    github: Mapping[str, Any] = field(default_factory=dict)
    """The `github` context."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What a person or another run has said."""
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
    """The first line of the summary that the run shows; empty without one."""


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
    """The text of every workflow of a repository, by its path there."""
    folder = repository / ".github" / "workflows"
    return {
        file.relative_to(repository).as_posix(): file.read_text(encoding="utf-8")
        for file in sorted(folder.glob("*.yml"))
    }


def orchestrator(environment: str) -> str:
    return f".github/workflows/orchestrator-{environment}.yml"


def jobs(files: Mapping[str, str], path: str) -> list[dict[str, Any]]:
    """A workflow's jobs as GitHub's parser sees them: `id`, `needs`, `if`, `calls`."""
    answer: list[dict[str, Any]] = _ask("jobs", files=files, path=path)
    return answer


def predict(
    files: Mapping[str, str], path: str, runs: Sequence[Given], repository: Path
) -> list[Predicted]:
    """How each of these runs of a workflow ends. The actions lie in the repository."""
    places: dict[Any, int] = {}
    common: list[Mapping[str, Any]] = []

    def place(value: Mapping[str, Any], key: Any) -> int:
        """Where in `common` a value is that many runs share; it is told once."""
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
