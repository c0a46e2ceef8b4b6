"""Exactly the planned files are written, and they read as they did when somebody last looked."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from answer_sets import ANSWER_SETS
from copies import tree
from pipeline.answers import read_answers
from pipeline.code_types import load_code_types
from toolbox import ROOT

Generated = Callable[[str], Path]
SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"
"""Whether to write the snapshots instead of comparing; see CONTRIBUTING.md."""


def expected_files(answers: dict[str, object]) -> set[str]:
    """What the README promises, told from the answers and not from the plan's own list."""
    read = read_answers(answers, load_code_types(ROOT / "code_types"))
    environments = [environment.name for environment in read.environments]
    components = [component.name for component in read.components]
    workflows = {f"orchestrator-{e}.yml" for e in environments}
    workflows |= {f"{c}-{e}.yml" for c in components for e in environments}
    workflows |= {"component-preflight.yml"}
    files = {f".github/workflows/{name}" for name in workflows}
    return files | {"docs/ci-cd.md", ".copier-answers.yml"}


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_exactly_the_promised_files(answer_set: str, generated: Generated) -> None:
    answers = ANSWER_SETS[answer_set]
    written = tree(generated(answer_set))
    assert set(written) == expected_files(answers)
    for name, content in written.items():
        text = content.decode("utf-8")
        assert not any(mark in text for mark in ("[[ ", " ]]", "[%", "%]", "[#")), name
        assert text.endswith("\n") and not text.endswith("\n\n"), name
        assert "\r" not in text and "\n\n\n" not in text.replace("\n\n\n\techo", ""), name


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_jobs_are_exactly_the_promised_ones(answer_set: str, generated: Generated) -> None:
    """Orchestrators: a job for each component, and the summary; and they call the right file."""
    answers = ANSWER_SETS[answer_set]
    read = read_answers(answers, load_code_types(ROOT / "code_types"))
    folder = generated(answer_set) / ".github" / "workflows"
    for environment in read.environments:
        file = folder / f"orchestrator-{environment.name}.yml"
        jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
        calls = {f"{component.name}-{environment.name}" for component in read.components}
        first = {"tested-commit"} if environment.trigger == "after" else set()
        assert set(jobs) == calls | first | {"deployment-summary"}
        assert {job: jobs[job]["uses"] for job in calls} == {
            job: f"./.github/workflows/{job}.yml" for job in calls
        }
        assert set(jobs["deployment-summary"]["needs"]) == calls | first
        for job in calls:
            workflow = yaml.safe_load((folder / f"{job}.yml").read_text(encoding="utf-8"))
            assert set(workflow[True]) == {"workflow_call", "workflow_dispatch"}
            inputs = {name: set(on["inputs"]) for name, on in workflow[True].items()}
            assert inputs["workflow_call"] == inputs["workflow_dispatch"] == {"commit", "packages"}
            outputs = {"artifact-name", "artifact-path", "deployment-status"}
            assert set(workflow[True]["workflow_call"]["outputs"]) == outputs


@pytest.mark.parametrize("name", ["lambda", "single"])
def test_output_reads_as_it_did(name: str, generated: Generated) -> None:
    written = tree(generated(name))
    # The answers file says where the template lay, which is another folder each time.
    del written[".copier-answers.yml"]
    folder = SNAPSHOTS / name
    if UPDATE:
        for path, content in written.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    before = tree(folder)
    changes = [
        line
        for path in sorted(before | written)
        for line in difflib.unified_diff(
            before.get(path, b"").decode("utf-8").splitlines(),
            written.get(path, b"").decode("utf-8").splitlines(),
            f"snapshot/{path}",
            f"written/{path}",
            lineterm="",
            n=1,
        )
    ]
    assert not changes, "\n".join(changes)
