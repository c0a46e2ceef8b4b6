"""The budgets: how many lines are generated, and how many jobs start.

People read each generated line in a pull request. GitHub bills each job by whole minutes, and a job
needs about 20 seconds to start. Version 0.1 wrote 3,231 lines for `lambda`, and 19,967 for the
twelve components of a binary tree, of which 1,696 were distinct.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import networkx
import pytest
from answer_sets import ANSWER_SETS, CODE_TYPES, EXAMPLE_NAMES
from generated_files import workflows
from pipeline.actions import ALWAYS, OF_PULL_REQUESTS, OF_REPORTS

Generated = Callable[[str], Path]

SETS = [*EXAMPLE_NAMES, "all-types", "twelve", "dispatch", "observe"]
"""The examples, all code types at once, a graph, and the other orchestrations."""

TOGETHER = {"lambda": 900, "all-types": 392 * len(CODE_TYPES)}
"""The most lines of all workflows together. A new code type may have as many as the others have on
average."""

ACTIONS = 1_880
"""The most lines of the actions that every repository has, except what-changed.

Together with WHAT_CHANGED they are more than the planned 1,500: docs/decisions/0033 says why.
"""

WHAT_CHANGED = 920
"""The most lines of the action what-changed, without the data of the components."""

OF_ORCHESTRATION = 450
"""The most additional lines of actions for one orchestration.

They have a limit of their own, because only repositories with `dispatch` or `observe` have these
actions. A common limit would let the actions of `call` grow.
"""

PULL_REQUESTS = 100
"""The most lines of actions that only pull requests use."""

REPORTS = 300
"""The most lines of actions for test reports, which only some repositories have."""

FILE = 300
"""The most lines of one file, except orchestrators."""

JOBS: dict[str, dict[str, tuple[int, int]]] = {
    "lambda": {
        "orchestrator-dev.yml": (5, 5),
        "orchestrator-test.yml": (5, 5),
        "orchestrator-prd.yml": (5, 5),
        "pull-request.yml": (5, 5),
    },
    "twelve": {
        "orchestrator-dev.yml": (27, 7),
        "orchestrator-test.yml": (27, 7),
        "orchestrator-prd.yml": (16, 8),
        "pull-request.yml": (15, 15),
    },
}
"""The most jobs of a run, and the most jobs in a chain in which each waits for the one before."""

WIDE = 180
"""The most characters of a line. A wide window shows them without scrolling.

Only lists of components and conditions over them may be longer, because they grow with the graph.
"""
GROWS = re.compile(r"#   \d+\. |\s*((needs|workflows): \[|[\w-]+: '?(\$\{\{|\{\"))")


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def files(repository: Path, folder: str) -> Iterator[tuple[str, list[str]]]:
    """The path and the lines of every file in a folder of `.github`."""
    for file in sorted((repository / ".github" / folder).rglob("*")):
        if file.is_file():
            yield file.relative_to(repository / ".github" / folder).as_posix(), lines(file)


@pytest.mark.parametrize("name", TOGETHER)
def test_lines_of_all_workflows(name: str, generated: Generated) -> None:
    number = sum(len(text) for _, text in files(generated(name), "workflows"))
    assert 0 < number <= TOGETHER[name]


@pytest.mark.parametrize("name", ["lambda", "dispatch", "observe"])
def test_lines_of_actions(name: str, generated: Generated) -> None:
    numbers = {"always": 0, "what changed": 0, "orchestration": 0, "reports": 0, "pull requests": 0}
    for path, text in files(generated(name), "actions"):
        action = path.split("/")[0]
        if not action.startswith("setup-"):  # these belong to code types
            kinds = {"always": ALWAYS, "reports": OF_REPORTS, "pull requests": OF_PULL_REQUESTS}
            kind = next((kind for kind, some in kinds.items() if action in some), "orchestration")
            kind = "what changed" if action == "what-changed" else kind
            numbers[kind] += len(text) * (not path.endswith(".json"))
    print(name, numbers)
    assert 0 < numbers["always"] <= ACTIONS
    assert 0 < numbers["what changed"] <= WHAT_CHANGED
    assert numbers["orchestration"] <= OF_ORCHESTRATION
    assert numbers["reports"] <= REPORTS
    assert numbers["pull requests"] <= PULL_REQUESTS
    assert bool(numbers["orchestration"]) == (name != "lambda")


@pytest.mark.parametrize("name", SETS)
def test_lines_of_each_file(name: str, generated: Generated) -> None:
    repository = generated(name)
    for file, text in [*files(repository, "workflows"), *files(repository, "actions")]:
        most = FILE
        if file.startswith("orchestrator-"):
            summary = workflows(repository)[file]["jobs"]["deployment-summary"]
            jobs = workflows(repository)[file]["jobs"]
            most = 100 + 21 * len(json.loads(summary["steps"][0]["with"]["graph"]))
            # Under `dispatch`, a promoted component may have a run, too: docs/decisions/0036.
            starts = any("run-component" in str(job.get("steps")) for job in jobs.values())
            most += 12 * starts * str(jobs["changes"]).count("promote-package")
        assert len(text) <= most, file


def started(files: dict[str, Any], file: str) -> networkx.DiGraph:
    """The jobs of a run, where the job of a called workflow replaces the call."""
    graph = networkx.DiGraph()
    jobs = files[file]["jobs"]
    for job, what in jobs.items():
        called = what.get("uses", "").removeprefix("$/.github/workflows/")
        inner = list(files[called]["jobs"]) if called else [job]
        assert len(inner) == 1  # so this job replaces the call
        graph.add_node(job)
        graph.add_edges_from((before, job) for before in what.get("needs", []))
    assert set(graph) == set(jobs)
    return graph


@pytest.mark.parametrize(("name", "file"), [(n, file) for n in JOBS for file in JOBS[n]])
def test_jobs_of_a_run(name: str, file: str, generated: Generated) -> None:
    graph = started(workflows(generated(name)), file)
    number, chain = JOBS[name][file]
    assert len(graph) <= number
    assert len(networkx.dag_longest_path(graph)) <= chain


@pytest.mark.parametrize("name", ANSWER_SETS)
def test_no_line_is_too_long(name: str, generated: Generated) -> None:
    for folder in ("workflows", "actions"):
        for file, text in files(generated(name), folder):
            for line in text * (not file.endswith(".json")):  # JSON is data for programs
                assert len(line) <= WIDE or GROWS.match(line), (file, line)


@pytest.mark.parametrize("name", ["lambda", "all-types", "twelve"])
def test_the_share_of_distinct_lines(name: str, generated: Generated) -> None:
    """The share is higher than in version 0.1. `pytest -rP` prints it."""
    found = [line for _, text in files(generated(name), "workflows") for line in text]
    share = len(set(found)) / len(found)
    print(f"{name}: {len(set(found))} of {len(found)} lines of workflows are distinct, {share:.1%}")
    assert share > 1_696 / 19_967
