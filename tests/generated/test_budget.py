"""How little is generated, and how few jobs start: DESIGN, "How little".

Each line is one that somebody reads in a pull request, and each job costs a whole minute and 20
seconds of start. Version 0.1 wrote 3,231 lines for `lambda`, and 19,967 for the twelve components
of a binary tree, 1,696 of them distinct.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import networkx
import pytest
from answer_sets import ANSWER_SETS, EXAMPLE_NAMES
from generated_files import workflows
from pipeline.actions import ALWAYS, OF_PULL_REQUESTS, OF_REPORTS

Generated = Callable[[str], Path]

SETS = [*EXAMPLE_NAMES, "all-types", "twelve", "dispatch", "observe"]
"""The examples, every code type at once, a graph, and the orchestrations that the others leave."""

TOGETHER = {"lambda": 900, "all-types": 6_265}
"""The most lines that all workflows have together."""

ACTIONS = 1_880
"""The most lines of the actions that every repository has, with their scripts.

DESIGN says 1,500, with all that decides what has changed: docs/decisions/0033 says why it is more.
"""

WHAT_CHANGED = 920
"""The most lines of what decides what has changed, without the data of the components."""

OF_ORCHESTRATION = 450
"""The most lines of those that one orchestration has besides.

They have a limit of their own. What starts runs, or watches them, serves only who has asked for
that, and `call` must not get the room that they do not need.
"""

PULL_REQUESTS = 100
"""The most lines of what only pull requests use; repositories that do not check them lack it."""

REPORTS = 300
"""The most lines of what shows reports of tests; only repositories that have some have it."""

FILE = 300
"""The most lines of a script, and of a workflow that is no orchestrator."""

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
"""How many jobs start at most, and how many of them wait for one another."""

WIDE = 180
"""What a wide window shows of a line: who has to scroll sideways does not read it to its end.

Only a list of components or a condition over them, which grow with the graph, may be longer.
"""
GROWS = re.compile(r"#   \d+\. |\s*((needs|workflows): \[|[\w-]+: '?(\$\{\{|\{\"))")


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def files(repository: Path, folder: str) -> Iterator[tuple[str, list[str]]]:
    """Every file in a folder of `.github`, by its path there, and its lines."""
    for file in sorted((repository / ".github" / folder).rglob("*")):
        if file.is_file():
            yield file.relative_to(repository / ".github" / folder).as_posix(), lines(file)


@pytest.mark.parametrize("name", TOGETHER)
def test_all_workflows_together(name: str, generated: Generated) -> None:
    number = sum(len(text) for _, text in files(generated(name), "workflows"))
    assert 0 < number <= TOGETHER[name]


@pytest.mark.parametrize("name", ["lambda", "dispatch", "observe"])
def test_actions(name: str, generated: Generated) -> None:
    numbers = {"always": 0, "what changed": 0, "orchestration": 0, "reports": 0, "pull requests": 0}
    for path, text in files(generated(name), "actions"):
        action = path.split("/")[0]
        if not action.startswith("setup-"):  # of a code type
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
def test_each_file(name: str, generated: Generated) -> None:
    repository = generated(name)
    for file, text in [*files(repository, "workflows"), *files(repository, "actions")]:
        most = FILE
        if file.startswith("orchestrator-"):
            summary = workflows(repository)[file]["jobs"]["deployment-summary"]
            jobs = workflows(repository)[file]["jobs"]
            most = 100 + 21 * len(json.loads(summary["steps"][0]["with"]["graph"]))
            # Under `dispatch` what is brought over may have a run, too: docs/decisions/0036.
            starts = any("run-component" in str(job.get("steps")) for job in jobs.values())
            most += 12 * starts * str(jobs["changes"]).count("promote-package")
        assert len(text) <= most, file


def started(files: dict[str, Any], file: str) -> networkx.DiGraph:
    """The jobs of a run, those of called workflows in place of the calls, as GitHub starts them."""
    graph = networkx.DiGraph()
    jobs = files[file]["jobs"]
    for job, what in jobs.items():
        called = what.get("uses", "").removeprefix("$/.github/workflows/")
        inner = list(files[called]["jobs"]) if called else [job]
        assert len(inner) == 1  # so that it takes the place of the call
        graph.add_node(job)
        graph.add_edges_from((before, job) for before in what.get("needs", []))
    assert set(graph) == set(jobs)
    return graph


@pytest.mark.parametrize(("name", "file"), [(n, file) for n in JOBS for file in JOBS[n]])
def test_jobs(name: str, file: str, generated: Generated) -> None:
    graph = started(workflows(generated(name)), file)
    number, chain = JOBS[name][file]
    assert len(graph) <= number
    assert len(networkx.dag_longest_path(graph)) <= chain


@pytest.mark.parametrize("name", ANSWER_SETS)
def test_no_line_is_joined(name: str, generated: Generated) -> None:
    for folder in ("workflows", "actions"):
        for file, text in files(generated(name), folder):
            for line in text * (not file.endswith(".json")):  # data, for a program
                assert len(line) <= WIDE or GROWS.match(line), (file, line)


@pytest.mark.parametrize("name", ["lambda", "all-types", "twelve"])
def test_the_share_of_distinct_lines(name: str, generated: Generated) -> None:
    """Shown by `pytest -rP`: text that two files need is an action or a called workflow, once."""
    found = [line for _, text in files(generated(name), "workflows") for line in text]
    share = len(set(found)) / len(found)
    print(f"{name}: {len(set(found))} of {len(found)} lines of workflows are distinct, {share:.1%}")
    assert share > 1_696 / 19_967
