"""Exactly the planned files are written, and they read as they did when somebody last looked."""

from __future__ import annotations

import difflib
import functools
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answer_sets import ANSWER_SETS
from copies import tree
from generated_files import workflows
from pipeline.answers import Answers, read_answers
from pipeline.catalogue import load_catalogue
from pipeline.plan import Plan, make_plan
from toolbox import ROOT

Generated = Callable[[str], Path]
SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"
"""Whether to write the snapshots instead of comparing; see CONTRIBUTING.md."""


@functools.cache
def answers_of(answer_set: str) -> Answers:
    return read_answers(ANSWER_SETS[answer_set], load_catalogue(ROOT))


@functools.cache
def plan_of(answer_set: str) -> Plan:
    return make_plan(answers_of(answer_set))


def expected_files(answer_set: str) -> set[str]:
    """What the README promises, told from the answers and not from the plan's own list."""
    answers, read = ANSWER_SETS[answer_set], answers_of(answer_set)
    environments = [environment.name for environment in read.environments]
    components = [component.name for component in read.components]
    workflows = {f"orchestrator-{e}.yml" for e in environments}
    workflows |= {f"{c}-{e}.yml" for c in components for e in environments}
    workflows |= {"component-preflight.yml"}
    workflows |= {"component-run.yml"} if answers.get("orchestration") == "dispatch" else set()
    workflows |= {"pull-request.yml"} if answers.get("pull_requests", True) else set()
    workflows |= {"drift.yml"} if answers.get("drift_check") else set()
    files = {f".github/workflows/{name}" for name in workflows}
    return files | {"docs/ci-cd.md", ".copier-answers.yml"}


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_exactly_the_promised_files(answer_set: str, generated: Generated) -> None:
    written = tree(generated(answer_set))
    assert set(written) == expected_files(answer_set)
    for name, content in written.items():
        text = content.decode("utf-8")
        assert not any(mark in text for mark in ("[[ ", " ]]", "[%", "%]", "[#")), name
        assert text.endswith("\n") and not text.endswith("\n\n"), name
        assert "\r" not in text and "\n\n\n" not in text.replace("\n\n\n\techo", ""), name


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_jobs_are_exactly_the_promised_ones(answer_set: str, generated: Generated) -> None:
    """Orchestrators: a job for each component, and the summary; and they call the right file."""
    read, files = answers_of(answer_set), workflows(generated(answer_set))
    how = read.orchestration
    for environment in read.environments:
        jobs = files[f"orchestrator-{environment.name}.yml"]["jobs"]
        names = {f"{component.name}-{environment.name}" for component in read.components}
        calls = names if how != "observe" else {"watch"}
        chained = environment.trigger == "after"
        first = {"tested-commit"} if chained else set()
        first |= {"preflight"} if chained and how == "dispatch" else set()
        assert set(jobs) == calls | first | {"deployment-summary"}
        assert set(jobs["deployment-summary"]["needs"]) == calls | first
        used = {
            job: jobs[job].get("uses", "").removeprefix("./.github/workflows/") for job in calls
        }
        if how == "call":
            assert used == {job: f"{job}.yml" for job in names}
        elif how == "dispatch":
            assert used == dict.fromkeys(names, "component-run.yml")
            assert {job: jobs[job]["with"]["workflow"] for job in names} == {
                job: f"{job}.yml" for job in names
            }
        else:
            assert set(json.loads(jobs["watch"]["steps"][0]["env"]["COMPONENTS"])) == names
        for job in names:
            component = next(c for c in read.components if job == f"{c.name}-{environment.name}")
            check_triggers(files[f"{job}.yml"][True], component.code_type.name == "docker", how)


def check_triggers(on: dict[str, Any], is_image: bool, how: str) -> None:
    """What starts a component's workflow, with which inputs, and what it hands back."""
    expected = {"commit", "packages"}
    if how == "dispatch":
        expected |= {"orchestrator", "attempt"}
    assert set(on["workflow_dispatch"]["inputs"]) == expected
    if how == "observe":
        # By a push, by the end of another workflow, or by a person alone.
        assert len(set(on) & {"push", "workflow_run"}) < 2
        assert set(on) - {"push", "workflow_run"} == {"workflow_dispatch"}
        return
    assert set(on) == {"workflow_call", "workflow_dispatch"}
    assert on["workflow_call"]["inputs"] == on["workflow_dispatch"]["inputs"]
    outputs = {"artifact-name", "artifact-path", "deployment-status"}
    assert set(on["workflow_call"]["outputs"]) == outputs | ({"image"} if is_image else set())


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_the_size_of_orchestrators_is_known_before_they_are_written(
    answer_set: str, generated: Generated
) -> None:
    plan = plan_of(answer_set)
    for orchestrator in plan.orchestrators:
        file = generated(answer_set) / ".github" / "workflows" / orchestrator.file
        size = file.stat().st_size
        assert 0.9 < orchestrator.size / size < 1.1


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_pull_requests_have_exactly_the_promised_jobs(
    answer_set: str, generated: Generated
) -> None:
    """What a workflow for an environment checks and builds, but for what reads secrets."""
    files = workflows(generated(answer_set))
    if "pull-request.yml" not in files:
        assert ANSWER_SETS[answer_set]["pull_requests"] is False
        return
    read = answers_of(answer_set)
    file = generated(answer_set) / ".github" / "workflows" / "pull-request.yml"
    text = file.read_text(encoding="utf-8")
    left_out = set()
    for name, jobs in re.findall(r"^# (\S+) has no (.+) in pull requests: ", text, re.MULTILINE):
        left_out |= {f"{name}-{job}" for job in jobs.split(", ")}
    environment = read.environments[0].name
    expected = {"pull-request-checks"}
    for component in read.components:
        jobs = set(files[f"{component.name}-{environment}.yml"]["jobs"]) - {"preflight", "deploy"}
        expected |= {f"{component.name}-{job}" for job in jobs}
    workflow = files["pull-request.yml"]
    assert set(workflow["jobs"]) == expected - left_out
    assert left_out <= expected
    assert workflow[True] == {"pull_request": None, "merge_group": None}
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == {"contents": "read"}, name
        assert not {"environment", "uses", "secrets"} & set(job), name
    assert not re.search(r"\$\{\{[^}]*\b(secrets|github\.token)\b", text)
    checks = workflow["jobs"]["pull-request-checks"]
    assert set(checks.get("needs", [])) == set(workflow["jobs"]) - {"pull-request-checks"}
    assert (checks["if"], checks["name"]) == ("always()", "Pull request checks")


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_the_size_of_the_checks_is_known_before_they_are_written(
    answer_set: str, generated: Generated
) -> None:
    plan = plan_of(answer_set)
    if plan.pull_request:
        size = (
            (generated(answer_set) / ".github" / "workflows" / plan.pull_request.file)
            .stat()
            .st_size
        )
        assert 0.9 < plan.pull_request.size / size < 1.1


DEPLOYS_BY_ITSELF = {"cdk", "helm", "kubernetes", "opentofu", "terraform"}
PUBLISHES_BY_OIDC = {"dotnet", "node", "python"}
"""Where an index trusts a job; Maven's repositories have passwords, Go's proxy asks nobody."""


def tokens(component: Any, trigger: str, registry: str) -> dict[str, str]:
    """The jobs of a component that may get a token to write with, told from the answers."""
    name, publishes = component.code_type.name, component.publishes
    pushes = "packages" if registry.startswith("ghcr.io/") else "id-token"
    found = {"build": pushes} if name == "docker" and "build" in component.commands else {}
    if publishes and trigger == "tag" and name in PUBLISHES_BY_OIDC:
        return {**found, "deploy": "id-token"}
    if publishes:
        return {**found, "deploy": pushes} if trigger == "tag" and name == "helm" else found
    deploys = name in DEPLOYS_BY_ITSELF or "deploy" in component.own_commands
    if deploys and "deploy" in component.commands and component.cloud != "none":
        return {**found, "deploy": "id-token"}
    return found


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_nothing_asks_for_a_token_without_need(answer_set: str, generated: Generated) -> None:
    """Whatever may write is exactly what logs in, pushes or publishes, and what calls that."""
    read = answers_of(answer_set)
    expected: dict[tuple[str, str], set[str]] = {}
    for environment in read.environments:
        for component in read.components:
            name = f"{component.name}-{environment.name}"
            orchestrator = (f"orchestrator-{environment.name}.yml", name)
            for job, token in tokens(component, environment.trigger, read.registry.base).items():
                expected[(f"{name}.yml", job)] = {token}
                if read.orchestration == "call":
                    expected.setdefault(orchestrator, set()).add(token)
            if read.orchestration == "dispatch":
                expected[orchestrator] = {"actions"}
    if read.orchestration == "dispatch":
        expected[("component-run.yml", "run")] = {"actions"}
    found = {
        (file, name): writes
        for file, workflow in workflows(generated(answer_set)).items()
        for name, job in workflow["jobs"].items()
        if (writes := {what for what, how in job["permissions"].items() if how == "write"})
    }
    assert found == expected


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
