"""`orchestration: dispatch`: each component has a run of its own, which the orchestrator starts.

How a start, the wait and their faults go is in test_component_run.py; here, what all of it is for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from pipelines import Made, commit, deployments, failed, folders, forged, generic, reopened, skipped

NAMES = ["base", "left", "right", "top"]
UNCHECKED = dict.fromkeys(["lint", "test", "security"], "")
MAP = [
    {"code_type": "left", "depends_on": "base"},
    {
        "code_type": "right",
        "depends_on": "base",
        "artifacts": [{"name": "package.txt", "to": "parts/right/base.txt"}],
    },
    {"code_type": "top", "depends_on": ["left", "right"]},
]
PAIR: dict[str, Any] = generic(["first", "second"], **UNCHECKED, path=".", secrets=["TOKEN"])
PAIR["first"]["deploy"] = PAIR["second"]["deploy"] = 'ship "$COMPONENT" "$(git rev-parse HEAD)"'
PAIR["first"]["env"], PAIR["second"]["env"] = {"COMPONENT": "first"}, {"COMPONENT": "second"}
PAIR["second"] |= {"build": "", "produces": []}
WIDE = [f"part-{index}" for index in range(5)]
ANSWERS: dict[str, dict[str, Any]] = {
    # Two may wait at once: eight environments share eighteen.
    "wide": {
        "components": generic([*WIDE, "after"], **UNCHECKED, build="", produces=[], path="."),
        "dependency_map": {"after": WIDE[4]},
        "environments": [
            {"name": "dev", "branch": "develop"},
            *({"name": f"more-{index}", "manual": True} for index in range(7)),
        ],
    },
    "diamond": {"components": generic(NAMES, **UNCHECKED), "dependency_map": MAP},
    "pair": {"components": PAIR, "dependency_map": {"second": "first"}},
}
BUILD = """\
#!/usr/bin/env bash
printf '%s of %s\\n' "$1" "$COMMIT" > package.txt
"""
TEST, PRD = "orchestrator-test.yml", "orchestrator-prd.yml"
Open = Callable[[str], OfflineGitHub]


@pytest.fixture
def repository(made: Made, tmp_path: Path) -> Open:
    def open_repository(name: str) -> OfflineGitHub:
        answers = {**ANSWERS[name], "orchestration": "dispatch", "pull_requests": False}
        work_tree = made(name, answers, folders(NAMES))
        github = reopened(work_tree, tmp_path, ("main", "develop"))
        github.tool("build", BUILD)
        github.tool("ship")
        github.tools.watch(["base.txt", "package.txt"], ["TOKEN"])
        return github

    return open_repository


def head(github: OfflineGitHub, branch: str = "HEAD") -> str:
    return git("rev-parse", branch, cwd=github.remote.work_tree).decode().strip()


def changed(github: OfflineGitHub, branch: str) -> str:
    git("switch", "--quiet", branch, cwd=github.remote.work_tree)
    return commit(github.remote.work_tree, {}, "Another")


def children(github: OfflineGitHub, environment: str) -> dict[str, Run]:
    """The one run of each component for an environment."""
    found: dict[str, Run] = {}
    for run in github.runs:
        name = run.workflow_file.removesuffix(f"-{environment}.yml")
        if run.workflow_file.endswith(f"-{environment}.yml") and name != "orchestrator":
            assert name not in found, f"{name} has two runs"
            found[name] = run
    return found


def rows(run: Run) -> dict[str, tuple[str, str]]:
    """Component -> (result, link), in the order of the summary's table."""
    lines = run.job("deployment-summary").summary.splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]
    return {name: (result.split()[1], link[7:-1]) for name, result, link in cells}


def url(run: Run) -> str:
    return f"https://github.com/acme/demo/actions/runs/{run.id}"


def posts(github: OfflineGitHub) -> list[tuple[str, Any]]:
    """What was written over the API: the last parts of the path, and the body."""
    return [
        (call.path.split("/actions/")[1], call.body)
        for call in github.api_calls
        if call.method != "GET"
    ]


def test_deploys_in_order_and_hands_packages_on(repository: Open) -> None:
    github = repository("diamond")
    commit_sha = changed(github, "develop")
    [run] = github.push("develop")
    assert set(run.results.values()) == {"success"}
    calls = {f"{name}-dev" for name in NAMES}
    assert set(run.jobs) == calls | {f"{call} / run" for call in calls} | {"deployment-summary"}
    order = deployments(github, "ship")
    assert order[0] == "base" and order[-1] == "top" and set(order[1:3]) == {"left", "right"}

    # Each has one run, started with the ids of those that hold what it takes.
    runs = children(github, "dev")
    assert set(runs) == set(NAMES) and {r.conclusion for r in runs.values()} == {"success"}
    taken = {"base": {}, "left": {"base": runs["base"].id}, "right": {"base": runs["base"].id}}
    taken["top"] = {"left": runs["left"].id, "right": runs["right"].id}
    started = {path.split("/")[1]: body for path, body in posts(github)}
    assert set(started) == {f"{name}-dev.yml" for name in NAMES} and len(posts(github)) == 4
    for name, body in started.items():
        inputs = dict(body["inputs"])
        assert json.loads(inputs.pop("packages")) == taken[name.removesuffix("-dev.yml")]
        assert inputs == {"commit": commit_sha, "orchestrator": str(run.id), "attempt": "1"}
        assert (body["ref"], body["return_run_details"]) == ("refs/heads/develop", True)
    title = f"Deploy {commit_sha} to dev, top of run {run.id}, attempt 1"
    assert runs["top"].display_title == title and runs["top"].event == "workflow_dispatch"

    # The packages lie in the runs that built them, and arrive byte for byte.
    for name in NAMES:
        [package] = runs[name].artifacts
        content = runs[name].artifacts[package]["package.txt"]
        assert (package, content) == (f"{name}-package-dev", f"{name} of {commit_sha}\n".encode())
    ships = {command.arguments[0]: command for command in github.commands("ship")}
    base = runs["base"].artifacts["base-package-dev"]["package.txt"]
    assert ships["right"].files["base.txt"] == hashlib.sha256(base).hexdigest()
    both = {"LEFT_PACKAGE", "RIGHT_PACKAGE"}
    assert both == {name for name in ships["top"].environment if name.endswith("_PACKAGE")}

    # Nothing has more rights than it needs, and the summary leads to each run.
    for name in NAMES:
        assert run.job(f"{name}-dev / run").permissions == {"actions": "write"}
    assert run.job("deployment-summary").permissions == {}
    assert rows(run) == {f"{name}-dev": ("success", url(runs[name])) for name in rows_order(run)}


def rows_order(run: Run) -> list[str]:
    assert list(rows(run)) == ["base-dev", "left-dev", "right-dev", "top-dev"]
    return NAMES


def test_the_branch_moves_on_and_the_orchestrators_commit_is_deployed(repository: Open) -> None:
    """GitHub runs a branch's head; by the second component it is another one."""
    github = repository("pair")
    first = changed(github, "develop")

    def move(run: Run, key: str) -> None:
        if key == "second-dev / run":
            changed(github, "develop")
            github.remote.push("refs/heads/develop")

    github.before_job = move
    [run] = github.push("develop")
    assert run.conclusion == "success"
    second = children(github, "dev")["second"]
    assert second.head_sha == head(github, "develop") != first
    shipped = [c.arguments for c in github.commands("ship")]
    assert shipped == [["first", first], ["second", first]]


def test_a_commit_that_was_taken_back_is_refused(repository: Open) -> None:
    github = repository("pair")
    taken_back = changed(github, "develop")

    def take_back(run: Run, key: str) -> None:
        if key == "first-dev / run":
            git("reset", "--quiet", "--hard", "HEAD~1", cwd=github.remote.work_tree)
            github.remote.push("refs/heads/develop")

    github.before_job = take_back
    [run] = github.push("develop")
    first = children(github, "dev")["first"]
    [error, *_] = first.job("preflight / preflight").errors
    assert error == f"{taken_back} is not on the branch develop: it is not deployed to dev"
    assert failed(run) == {"first-dev", "first-dev / run", "deployment-summary"}
    assert skipped(run) == {"second-dev"} and github.commands("ship") == []
    [error, *_] = run.job("first-dev / run").errors
    assert error == f"first-dev.yml ended with failure: {url(first)}"
    assert rows(run)["first-dev"] == ("failure", url(first))


def test_what_failed_holds_back_what_depends_on_it_and_a_rerun_goes_on(repository: Open) -> None:
    github = repository("diamond")
    github.fail_tool("ship", "^left$")
    [run] = github.push("develop")
    before = children(github, "dev")
    assert set(before) == {"base", "left", "right"} and skipped(run) == {"top-dev"}
    assert {n: r.conclusion for n, r in before.items()} == {
        "base": "success",
        "left": "failure",
        "right": "success",
    }
    assert rows(run) == {
        "left-dev": ("failure", url(before["left"])),
        "top-dev": ("skipped", url(run)),
        "base-dev": ("success", url(before["base"])),
        "right-dev": ("success", url(before["right"])),
    }
    github.tools.heal()
    again = github.rerun(run, failed_only=True)
    assert again.conclusion == "success"
    assert again.ran == ["deployment-summary", "left-dev / run", "top-dev / run"]
    assert sorted(deployments(github, "ship")) == ["base", "left", "left", "right", "top"]
    _, left = github.runs_of("left-dev.yml")
    assert left.display_title.endswith(f", left of run {run.id}, attempt 2")
    [top] = github.runs_of("top-dev.yml")
    # The package of what was built again, and of what was not.
    packages = {"left": left.id, "right": before["right"].id}
    assert json.loads(top.inputs["packages"]) == packages
    assert rows(again)["left-dev"] == ("success", url(left))


def test_under_stop_no_wave_starts_after_a_failure(repository: Open) -> None:
    """In production: `right` succeeded, and `top` needs both; `left` alone would not hold it."""
    github = repository("diamond")
    github.environments = {"prd": {"reviewers": True}}
    github.forced_conclusions = {"base-prd.yml": "success", "left-prd.yml": "timed_out"}
    github.forced_conclusions["right-prd.yml"] = "success"
    run = github.dispatch(PRD, "main")
    assert set(children(github, "prd")) == {"base", "left", "right"}
    assert rows(run)["left-prd"][0] == "timed_out" and skipped(run) == {"top-prd"}
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to prd failed in left-prd\n")
    assert '["left-prd"]:::failure' in summary


@pytest.mark.parametrize("fails", ["", "part-0", "part-4"])
def test_only_so_many_wait_at_once(repository: Open, fails: str) -> None:
    """And who had its turn before does not matter: only what is needed must have succeeded."""
    github = repository("wide")
    if fails:
        github.forced_conclusions = {f"{fails}-dev.yml": "failure"}
    github.forced_results = {"preflight / preflight": "success", "deploy": "success"}
    going: set[str] = set()
    most = []

    def count(run: Run, key: str) -> None:
        if key.endswith(" / run"):
            done = {key for key, job in run.jobs.items() if job.status == "completed"}
            going.add(key)
            most.append(len(going - done))

    github.before_job = count
    [run] = github.push("develop")
    assert max(most) == 2
    expected = dict.fromkeys([f"{name}-dev" for name in [*WIDE, "after"]], "success")
    if fails:
        expected[f"{fails}-dev"] = "failure"
    if fails == "part-4":
        expected["after-dev"] = "skipped"
    results = {key: job.result for key, job in run.jobs.items() if key in expected}
    assert results == expected
    needs = {"part-2-dev": "part-0-dev", "part-3-dev": "part-1-dev", "part-4-dev": "part-2-dev"}
    text = (github.remote.work_tree / ".github/workflows/orchestrator-dev.yml").read_text()
    for later, earlier in needs.items():
        assert f"  {later}:\n    # Runners that wait" in text and f"needs: [{earlier}]\n" in text


def test_cancelling_cancels_all_that_runs(repository: Open) -> None:
    github = repository("diamond")
    github.forced_conclusions = {"base-dev.yml": "success"}
    github.forced_results = {"preflight / preflight": "success", "build": "success"}
    reached: set[str] = set()

    # Nobody approves: both wait when the orchestrator is cancelled.
    def both_wait(run: Run, key: str) -> bool:
        [orchestrator] = github.runs_of("orchestrator-dev.yml")
        reached.add(run.workflow_file)
        if len(reached) == 2 and not orchestrator.cancelled:
            github.cancel(orchestrator)
        return False

    github.environments["dev"] = {"reviewers": True, "hold": both_wait}
    [run] = github.push("develop")
    runs = children(github, "dev")
    assert {name: child.conclusion for name, child in runs.items()} == {
        "base": "success",
        "left": "cancelled",
        "right": "cancelled",
    }
    assert run.conclusion == "cancelled" and github.commands("ship") == []


# Production


def test_the_tested_commit_goes_to_production(repository: Open) -> None:
    github = repository("pair")
    github.environments = {
        "test": {"secrets": {"TOKEN": "of test"}},
        "prd": {"reviewers": True, "branches": ["main"], "secrets": {"TOKEN": "of prd"}},
    }
    tested = changed(github, "main")

    def move(run: Run, key: str) -> None:
        if key == "tested-commit":
            changed(github, "main")
            github.remote.push("refs/heads/main")

    github.before_job = move
    [test] = github.push("main")
    [run] = github.runs_of(PRD)
    assert test.conclusion == run.conclusion == "success" and run.triggered_by is test
    assert run.ran == sorted(
        [
            *("tested-commit", "preflight / preflight", "first-prd / run", "second-prd / run"),
            "deployment-summary",
        ]
    )
    shipped = [(c.arguments[0], c.arguments[1], c.environment) for c in github.commands("ship")]
    assert [(name, sha) for name, sha, _ in shipped] == [("first", tested), ("second", tested)] * 2
    # A run of its own has its environment's secrets, with nothing handed to it.
    assert [env["TOKEN"] for *_, env in shipped] == ["of test"] * 2 + ["of prd"] * 2
    runs = children(github, "prd")
    assert {name: child.approvals for name, child in runs.items()} == {
        name: [("deploy", "prd")] for name in ("first", "second")
    }
    assert run.approvals == []


def test_a_run_before_that_nobody_reviewed_starts_nothing(repository: Open) -> None:
    """A tag called `main` passes the guard: the workflow that ran may say what it likes."""
    github = repository("pair")
    main = head(github)
    git("switch", "--quiet", "--create", "feature/x", cwd=github.remote.work_tree)
    evil = commit(github.remote.work_tree, {}, "Evil")
    github.remote.push("refs/heads/feature/x")
    title = f"Deploy {main} to test"
    github.add_run(TEST, head_sha=evil, event="workflow_dispatch", display_title=title, fire=True)
    [run] = github.runs_of(PRD)
    [error, *_] = run.job("preflight / preflight").errors
    assert error.startswith(f"The run before is of {evil}, which is neither on the branch main")
    assert skipped(run) == {"first-prd", "second-prd"} and run.conclusion == "failure"
    assert children(github, "prd") == {} and posts(github) == []
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to prd failed in preflight\n")


def test_a_rerun_of_production_is_approved_in_the_new_run(repository: Open) -> None:
    github = repository("pair")
    github.environments = {"prd": {"reviewers": True}, "prd-retry": {"reviewers": True}}
    github.fail_tool("ship", "^second ")
    run = github.dispatch(PRD, "main")
    assert run.conclusion == "failure"
    github.tools.heal()
    again = github.rerun(run, failed_only=True)
    assert again.conclusion == "success"
    assert again.ran == ["deployment-summary", "second-prd / run"]
    old, new = github.runs_of("second-prd.yml")
    assert (old.approvals, new.approvals) == ([("deploy", "prd")], [("deploy", "prd-retry")])
    assert (old.attempt, new.attempt) == (1, 1)
    # Started by hand it is no re-run; run again it is one.
    alone = github.dispatch("second-prd.yml", "main")
    assert alone.approvals == [("deploy", "prd")]
    assert alone.display_title == f"Deploy {head(github)} to prd, second alone"
    assert github.rerun(alone).approvals == [("deploy", "prd-retry")]


# The packages that a run is told to take


NEITHER = "which is neither on the branch develop nor on the default branch"
NAMED = {
    "of-the-producer": ({}, ""),
    "of-the-orchestrator": ({"workflow_file": "orchestrator-dev.yml"}, ""),
    "of-another-workflow": (
        {"workflow_file": "second-dev.yml"},
        "is no run of orchestrator-dev.yml or first-dev.yml for commit {commit}",
    ),
    "of-another-environment": (
        {"workflow_file": "first-prd.yml"},
        "is no run of orchestrator-dev.yml or first-dev.yml for commit {commit}",
    ),
    "for-another-commit": (
        {"display_title": f"Deploy {'0' * 40} to dev, first alone"},
        "is no run of orchestrator-dev.yml or first-dev.yml for commit {commit}",
    ),
    "of-a-fork": (
        {"fork": True},
        "is no run of orchestrator-dev.yml or first-dev.yml for commit {commit}",
    ),
    "of-a-branch-nobody-reviewed": ({"head_sha": "{evil}"}, "ran workflows of {evil}, " + NEITHER),
    "without-the-package": ({"artifacts": {}}, "holds no first-package-dev, or it has expired"),
    "made-by-somebody-else": (
        {"artifacts": {"other-package-dev": {}}},
        "holds no first-package-dev, or it has expired",
    ),
}


@pytest.mark.parametrize("case", NAMED)
def test_a_run_that_is_named_must_be_what_it_ought_to_be(repository: Open, case: str) -> None:
    github = repository("pair")
    github.forced_results = {"deploy": "success"}
    git("switch", "--quiet", "--create", "feature/x", cwd=github.remote.work_tree)
    values = {"commit": head(github, "develop"), "evil": commit(github.remote.work_tree, {})}
    github.remote.push("refs/heads/feature/x")
    settings, fault = NAMED[case]
    given: dict[str, Any] = {
        "workflow_file": "first-dev.yml",
        "head_sha": values["commit"],
        "head_branch": "develop",
        "event": "workflow_dispatch",
        "display_title": f"Deploy {values['commit']} to dev, first of run 1, attempt 1",
        "artifacts": {"first-package-dev": forged(values["commit"])},
        **settings,
    }
    given["head_sha"] = given["head_sha"].format(**values)
    named = github.add_run(given.pop("workflow_file"), **given)
    packages = json.dumps({"first": named.id})
    run = github.dispatch("second-dev.yml", "develop", {"packages": packages})
    if not fault:
        assert run.conclusion == "success"
        outputs = run.job("preflight / preflight").outputs
        assert json.loads(outputs["runs"]) == {"first": named.id}
        return
    [error, *_] = run.job("preflight / preflight").errors
    says = fault.format(**values)
    assert error == f"first-package-dev of first: run {named.id} {says}"
    assert skipped(run) == {"deploy"}


@pytest.mark.parametrize(
    ("packages", "says"),
    [
        ("{first: 1}", "packages: '{first: 1}' is not JSON"),
        ("{}", "first-package-dev of first: run undefined is not named"),
        ('{"first": "1; rm"}', "first-package-dev of first: run 1; rm is not named"),
        ('{"first": 17}', "first-package-dev of first: run 17 does not exist"),
    ],
)
def test_what_names_no_run_is_refused(repository: Open, packages: str, says: str) -> None:
    github = repository("pair")
    run = github.dispatch("second-dev.yml", "develop", {"packages": packages})
    [error, *_] = run.job("preflight / preflight").errors
    assert error == says and skipped(run) == {"deploy"}
