"""`docs/ci-cd.md` names exactly what the workflows beside it need, and nothing more."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import pytest
import yaml
from answer_sets import ANSWER_SETS

Generated = Callable[[str], Path]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where it is there: the largest answer set has fifty workflows."""


@functools.cache
def workflows(repository: Path) -> dict[str, Any]:
    """The generated workflows, by file name."""
    files = (repository / ".github" / "workflows").iterdir()
    return {file.name: yaml.load(file.read_bytes(), Loader=LOADER) for file in files}


def docs(repository: Path) -> str:
    return (repository / "docs" / "ci-cd.md").read_text(encoding="utf-8")


def deploying(repository: Path) -> list[tuple[set[str], str]]:
    """For each job with an environment: the environments it may use, and the job as text."""
    found = []
    for workflow in workflows(repository).values():
        for job in workflow["jobs"].values():
            if "environment" in job:
                named = re.findall(r"'([\w-]+)'", job["environment"]) or [job["environment"]]
                found.append((set(named), str(job)))
    return found


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_environments_and_secrets(answer_set: str, generated: Generated) -> None:
    repository = generated(answer_set)
    text = docs(repository)
    used = {name for names, _ in deploying(repository) for name in names}
    created = re.findall(r"--method PUT \"repos/\{owner\}/\{repo\}/environments/([\w-]+)\"", text)
    assert sorted(created) == sorted(used)

    secrets = {
        (secret, name)
        for names, job in deploying(repository)
        for name in names
        for secret in re.findall(r"secrets\.(\w+)", job)
    }
    told = re.findall(r"^gh secret set (\w+) --env ([\w-]+)$", text, re.MULTILINE)
    assert sorted(told) == sorted(secrets)


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_variables(answer_set: str, generated: Generated) -> None:
    repository = generated(answer_set)
    used = set(re.findall(r"vars\.(\w+)", str(workflows(repository))))
    told = re.findall(r"^gh variable set (\w+) ", docs(repository), re.MULTILINE)
    assert sorted(told) == sorted(used)


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_the_picture_is_the_graph(answer_set: str, generated: Generated) -> None:
    """Nodes and edges of the picture are the `needs` of an orchestrator that does not `stop`."""
    repository = generated(answer_set)
    text = docs(repository)
    names = dict(re.findall(r'^  (n\d+)\["(.*)"\]$', text, re.MULTILINE))
    arrows = re.findall(r"^  (n\d+) --> (n\d+)$", text, re.MULTILINE)
    picture = networkx.DiGraph([(names[a], names[b]) for a, b in arrows])
    picture.add_nodes_from(names.values())

    file, orchestrator = next(
        (file, workflow)
        for file, workflow in workflows(repository).items()
        if file.startswith("orchestrator-")
    )
    summary = orchestrator["jobs"]["deployment-summary"]["steps"][0]
    graph = yaml.safe_load(summary["env"]["GRAPH"])
    environment = file.removeprefix("orchestrator-").removesuffix(".yml")

    def component(job: str) -> str:
        return job.removesuffix(f"-{environment}")

    expected = networkx.DiGraph()
    expected.add_nodes_from(map(component, graph))
    expected.add_edges_from(
        (component(before), component(job)) for job, befores in graph.items() for before in befores
    )
    assert set(picture.nodes) == set(expected.nodes)
    assert set(picture.edges) == set(expected.edges)


@pytest.mark.parametrize(
    ("answer_set", "branch"),
    [("lambda", "main"), ("monorepo", "main"), ("single", None), ("environments", "main")],
)
def test_the_default_branch(answer_set: str, branch: str | None, generated: Generated) -> None:
    """Only where a chain hangs on it: `workflow_run` takes its file from the default branch."""
    told = re.findall(r"^gh repo edit --default-branch (.*)$", docs(generated(answer_set)), re.M)
    assert told == ([branch] if branch else [])
