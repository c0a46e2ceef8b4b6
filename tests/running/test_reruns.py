"""Re-runs: in production a person has to approve them, and only what has to run again does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from pipelines import Made, commit, deployments, folders, generic, reopened

DEPLOY_ONLY = dict.fromkeys(["lint", "test", "security", "build"], "")
SHIP = 'ship site "$(git rev-parse HEAD)"'
SITE = generic(["site"], **DEPLOY_ONLY, produces=[], path=".", deploy=SHIP)
NAMES = ["base", "middle", "side", "top"]
UNCHECKED = dict.fromkeys(["lint", "test", "security"], "")
ANSWERS: dict[str, dict[str, Any]] = {
    "site": {"components": SITE},
    "without-approval": {"components": SITE, "retry_approval": False},
    "graph": {
        "components": generic(NAMES, **UNCHECKED),
        "dependency_map": {"middle": "base", "top": "middle", "side": []},
    },
}
PRD = "orchestrator-prd.yml"
DEPLOY = "site-prd / deploy"
GATE = "Check that a person had to approve this re-run"
BUILD = """\
#!/usr/bin/env bash
printf '%s, attempt %s\\n' "$1" "$GITHUB_RUN_ATTEMPT" > package.txt
"""
Open = Callable[[str], OfflineGitHub]


@pytest.fixture
def repository(made: Made, tmp_path: Path) -> Open:
    def open_repository(name: str) -> OfflineGitHub:
        work_tree = made(name, ANSWERS[name], folders(NAMES))
        github = reopened(work_tree, tmp_path, ("main", "develop"))
        github.tool("ship")
        github.tool("build", BUILD)
        github.tools.watch(["package.txt"], [])
        return github

    return open_repository


def head(github: OfflineGitHub) -> str:
    return git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()


def failed_in_production(github: OfflineGitHub) -> Run:
    """A chained deployment of the tested commit that failed, and would work now."""
    github.fail_tool("ship")
    title = f"Deploy {head(github)} to test"
    github.add_run("orchestrator-test.yml", head_sha=head(github), display_title=title, fire=True)
    [run] = github.runs_of(PRD)
    assert run.conclusion == "failure"
    github.tools.heal()
    return run


def gate_calls(github: OfflineGitHub) -> list[tuple[str, int]]:
    calls = [call for call in github.api_calls if "/environments/" in call.path]
    return [(call.path.rsplit("/", 1)[1], call.status) for call in calls]


# Production


@pytest.mark.parametrize("failed_only", [True, False], ids=["failed-jobs", "all-jobs"])
def test_a_person_approves_a_rerun(repository: Open, failed_only: bool) -> None:
    """`main` has moved on since: the re-run deploys what the first attempt was to deploy."""
    github = repository("site")
    github.environments = {"prd": {"reviewers": True}, "prd-retry": {"reviewers": True}}
    tested = head(github)
    run = failed_in_production(github)
    assert run.approvals == [(DEPLOY, "prd")] and run.job(DEPLOY).environment == "prd"
    assert GATE not in run.job(DEPLOY).steps and gate_calls(github) == []
    commit(github.remote.work_tree, {"new.txt": "new\n"})
    github.remote.push("refs/heads/main")

    again = github.rerun(run, failed_only=failed_only)
    assert (again.attempt, again.conclusion) == (2, "success")
    assert set(again.results.values()) == {"success"} and set(again.jobs) == set(run.jobs)
    before = [] if failed_only else ["site-prd / preflight / preflight", "tested-commit"]
    assert again.ran == ["deployment-summary", DEPLOY, *before]
    assert again.approvals == [(DEPLOY, "prd-retry")]
    assert again.job(DEPLOY).environment == "prd-retry"
    assert again.job(DEPLOY).steps[GATE] == "success" and gate_calls(github) == [("prd-retry", 200)]
    assert [c.arguments for c in github.commands("ship")] == [["site", tested]] * 2


@pytest.mark.parametrize("failed_only", [True, False], ids=["failed-jobs", "all-jobs"])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(None, id="no-environment"),
        pytest.param({}, id="asks-nobody"),
        pytest.param({"branches": ["main"], "secrets": {"A": "b"}}, id="rules-without-reviewers"),
    ],
)
def test_a_rerun_that_nobody_approves_fails_first(
    repository: Open, failed_only: bool, settings: dict[str, Any] | None
) -> None:
    github = repository("site")
    github.environments = {"prd": {"reviewers": True}}
    if settings is not None:
        github.environments["prd-retry"] = settings
    run = failed_in_production(github)
    commands = len(github.commands())
    again = github.rerun(run, failed_only=failed_only)
    assert again.conclusion == "failure" and again.approvals == []
    bad = {key for key, result in again.results.items() if result != "success"}
    assert bad == {"site-prd", DEPLOY, "deployment-summary"}
    # Nothing after it has run, not even the checkout.
    assert again.job(DEPLOY).steps == {GATE: "failure"}
    assert again.job(DEPLOY).errors[0] == (
        "The environment prd-retry asks nobody: add required reviewers to it, then re-run"
    )
    assert len(github.commands()) == commands
    summary = again.job("deployment-summary").summary
    assert summary.startswith("## Deployment to prd failed in site-prd\n")


def test_an_environment_that_cannot_be_read_lets_nothing_through(repository: Open) -> None:
    github = repository("site")
    github.environments = {"prd-retry": {"reviewers": True}}
    run = failed_in_production(github)
    commands = len(github.commands())
    github.answer("GET", "/environments/prd-retry$", 404, {"message": "Not Found"})
    again = github.rerun(run, failed_only=True)
    assert again.job(DEPLOY).result == "failure" and len(github.commands()) == commands


def test_a_third_attempt_asks_once_more(repository: Open) -> None:
    """A refusal is no way around the approval, once the environment has been mended."""
    github = repository("site")
    run = failed_in_production(github)
    second = github.rerun(run, failed_only=True)
    github.environments["prd-retry"] = {"reviewers": True}
    third = github.rerun(second, failed_only=True)
    assert (second.conclusion, third.attempt, third.conclusion) == ("failure", 3, "success")
    assert (second.approvals, third.approvals) == ([], [(DEPLOY, "prd-retry")])
    assert len(github.commands("ship")) == 2


def test_a_rerun_without_approval_where_the_answers_say_so(repository: Open) -> None:
    github = repository("without-approval")
    github.environments = {"prd": {"reviewers": True}}
    run = failed_in_production(github)
    again = github.rerun(run, failed_only=True)
    assert again.conclusion == "success" and again.approvals == [(DEPLOY, "prd")]
    assert GATE not in again.job(DEPLOY).steps and gate_calls(github) == []
    assert again.job(DEPLOY).permissions == {"contents": "read"}
    assert set(github.environments) == {"prd"}


@pytest.mark.parametrize("reviewers", [True, False], ids=["approved", "asks-nobody"])
def test_a_component_alone_in_production(repository: Open, reviewers: bool) -> None:
    github = repository("site")
    github.environments = {"prd": {"reviewers": True}, "prd-retry": {"reviewers": reviewers}}
    github.fail_tool("ship")
    run = github.dispatch("site-prd.yml", "main")
    assert run.approvals == [("deploy", "prd")] and run.conclusion == "failure"
    github.tools.heal()
    again = github.rerun(run, failed_only=True)
    assert again.ran == ["deploy"]
    assert again.approvals == ([("deploy", "prd-retry")] if reviewers else [])
    assert again.conclusion == ("success" if reviewers else "failure")
    assert len(github.commands("ship")) == (2 if reviewers else 1)


def test_what_the_queue_cancelled_is_deployed_by_a_rerun(repository: Open) -> None:
    """Its first attempt never ran, and yet it is a re-run that a person approves."""
    github = repository("site")
    github.environments = {"prd-retry": {"reviewers": True}}
    waiting: list[Run] = []

    def dispatch(run: Run, key: str) -> None:
        if key == DEPLOY and not waiting:
            waiting.extend(github.dispatch(PRD, "main") for _ in range(2))

    github.before_job = dispatch
    github.forced_results = {"deployment-summary": "success"}
    github.dispatch(PRD, "main")
    cancelled = waiting[0]
    assert (cancelled.conclusion, cancelled.jobs) == ("cancelled", {})
    again = github.rerun(cancelled)
    assert again.conclusion == "success" and again.approvals == [(DEPLOY, "prd-retry")]


def test_a_test_that_a_rerun_mends_goes_on_to_production(repository: Open) -> None:
    """For production that is a first attempt."""
    github = repository("site")
    github.fail_tool("ship", job="^site-test")
    [run] = github.push("main")
    github.tools.heal()
    again = github.rerun(run, failed_only=True)
    assert again.job("site-test / deploy").environment == "test"
    untouched, prd = github.runs_of(PRD)
    assert (untouched.conclusion, prd.conclusion) == ("skipped", "success")
    assert prd.attempt == 1 and prd.job(DEPLOY).environment == "prd"
    assert prd.job("tested-commit").outputs == {"commit": run.head_sha}
    assert "prd-retry" not in github.environments and "test-retry" not in github.environments


# What runs again


def rows(run: Run) -> dict[str, tuple[str, str]]:
    """Component -> (result, link), in the order of the summary's table."""
    lines = run.job("deployment-summary").summary.splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]
    return {name: (result.split()[1], link[7:-1]) for name, result, link in cells}


def test_runs_again_what_failed_and_what_it_kept_from_running(repository: Open) -> None:
    github = repository("graph")
    github.fail_tool("ship", "^middle$")
    [run] = github.push("develop")
    skipped = {key for key, result in run.results.items() if result == "skipped"}
    assert skipped == {"top-dev"}
    assert list(rows(run)) == ["middle-dev", "top-dev", "base-dev", "side-dev"]
    kept = {a.name: a.id for a in run.artifact_store.values()}
    github.tools.heal()

    again = github.rerun(run, failed_only=True)
    assert again.conclusion == "success" and set(again.results.values()) == {"success"}
    top = {f"top-dev / {job}" for job in ("preflight / preflight", "build", "deploy")}
    assert set(again.order) == {"middle-dev / deploy", *top, "deployment-summary"}
    assert sorted(deployments(github, "ship")) == ["base", "middle", "middle", "side", "top"]
    assert gate_calls(github) == [] and again.job("middle-dev / deploy").environment == "dev"

    # What was built in the first attempt is what the second deploys, each package once.
    ids = {a.name: a.id for a in again.artifact_store.values()}
    assert sorted(ids) == sorted(f"{name}-package-dev" for name in NAMES)
    assert len(again.artifact_store) == len(NAMES) and kept.items() <= ids.items()
    attempts = {
        name: files["package.txt"].decode().strip() for name, files in again.artifacts.items()
    }
    assert attempts == {
        "base-package-dev": "base, attempt 1",
        "middle-package-dev": "middle, attempt 1",
        "side-package-dev": "side, attempt 1",
        "top-package-dev": "top, attempt 2",
    }
    first, second = github.commands("ship", "^middle-dev / deploy$")
    assert first.files == second.files and set(first.files) == {"package.txt"}

    # The summary tells of all components, also of those that did not run again.
    table = rows(again)
    url = f"https://github.com/{github.name}/actions/runs/{run.id}/job"
    for name in NAMES:
        jobs = [j.id for key, j in again.jobs.items() if key.startswith(f"{name}-dev / ")]
        result, link = table[f"{name}-dev"]
        assert result == "success" and link in {f"{url}/{number}" for number in jobs}
    assert table["base-dev"][1] == rows(run)["base-dev"][1]
    picture = again.job("deployment-summary").summary
    assert all(f'["{name}-dev"]:::success' in picture for name in NAMES)
    # In the order of deployment: wave by wave.
    assert list(table) == ["base-dev", "side-dev", "middle-dev", "top-dev"]


def test_a_build_that_runs_again_replaces_its_package(repository: Open) -> None:
    github = repository("graph")
    keys = [key for key in github.job_keys("orchestrator-dev.yml") if "base-dev" not in key]
    github.forced_results = dict.fromkeys(keys, "success")
    [run] = github.push("develop")
    [before] = run.artifact_store.values()
    again = github.rerun(run)
    [after] = again.artifact_store.values()
    assert (before.name, after.name) == ("base-package-dev", "base-package-dev")
    assert before.id != after.id and after.final and not after.expired
    assert after.files["package.txt"] == b"base, attempt 2\n"
    # The deploy job of an attempt takes what was built in it.
    first, second = github.commands("ship", "^base-dev / deploy$")
    assert first.files != second.files
    assert [c.code for c in (first, second)] == [0, 0] and again.conclusion == "success"
