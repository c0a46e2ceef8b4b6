"""Who approves a deployment to production (`once`, `each`, `none`); a re-run asks again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import (
    Made,
    commit,
    deployments,
    failed,
    former_run,
    generic,
    reopened,
    skipped,
)
from offline_github import OfflineGitHub
from offline_github.repository import git

NAMES = ["first", "second"]
DEPLOY_ONLY = {**dict.fromkeys(["lint", "test", "security", "build"], ""), "produces": []}
ANSWERS: dict[str, Any] = {
    "components": generic(NAMES, **DEPLOY_ONLY, path="."),
    "dependency_map": {"second": "first"},
}
TEST, PRD = "orchestrator-test.yml", "orchestrator-prd.yml"
DEPLOYS = ["first-prd / deploy", "second-prd / deploy"]
NO_REVIEWERS = "The environment prd-approval has no required reviewers, so nobody has approved this"
AGAIN = 'Attempt 2 of this run has no approval: choose "Re-run all jobs", which asks for one'
Open = Callable[..., OfflineGitHub]


@pytest.fixture
def repository(made: Made, tmp_path: Path) -> Open:
    def open_repository(approval: str) -> OfflineGitHub:
        work_tree = made(approval, {**ANSWERS, "approval": approval}, {"version.txt": "1\n"})
        github = reopened(work_tree, tmp_path, ("main", "develop"))
        github.tool("ship")
        github.forced_results = {"deployment-summary": "success"}
        if approval == "once":
            github.environments["prd-approval"] = {"reviewers": True}
        if approval == "each":
            github.environments["prd"] = {"reviewers": True}
        return github

    return open_repository


def head(github: OfflineGitHub) -> str:
    return git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()


def candidate(github: OfflineGitHub, **more: Any) -> None:
    """A test of the newest commit ends, so a run of production begins and waits."""
    github.ended(former_run(github, "test", head(github), **more))


def test_each_deployment_asks(repository: Open) -> None:
    github = repository("each")
    github.fail_tool("ship", "second")
    candidate(github)
    [run] = github.runs_of(PRD)
    assert run.order == ["changes", *DEPLOYS, "deployment-summary"]
    assert run.approvals == [(key, "prd") for key in DEPLOYS]
    # So does one that runs again.
    github.tools.heal()
    again = github.rerun(run, failed_only=True)
    assert again.conclusion == "success" and again.approvals == [(DEPLOYS[1], "prd")]
    assert again.ran == ["deployment-summary", DEPLOYS[1]]
    alone = github.dispatch("first-prd.yml", "main")
    assert alone.results == {"deploy": "success", "deploy / deploy": "success"}
    assert alone.approvals == [("deploy / deploy", "prd")]
    assert "prd-approval" not in github.environments


def test_nobody_is_asked_where_the_answers_say_so(repository: Open) -> None:
    github = repository("none")
    github.fail_tool("ship", "second")
    candidate(github)
    [run] = github.runs_of(PRD)
    assert run.order == ["changes", *DEPLOYS, "deployment-summary"]
    github.tools.heal()
    again = github.rerun(run, failed_only=True)
    alone = github.dispatch("first-prd.yml", "main")
    assert again.conclusion == alone.conclusion == "success"
    assert {one for r in (run, again, alone) for one in r.approvals} == set()
    assert set(github.environments) == {"prd"}


@pytest.mark.parametrize(
    "settings",
    [None, {"branches": ["main"], "secrets": {"A": "a secret"}}],
    ids=["no-environment", "rules-without-reviewers"],
)
def test_once_fails_where_nobody_could_be_asked(
    repository: Open, settings: dict[str, Any] | None
) -> None:
    """GitHub creates an environment that does not exist, and lets everything into it."""
    github = repository("once")
    del github.environments["prd-approval"]
    if settings:
        github.environments["prd-approval"] = settings
    candidate(github)
    [run] = github.runs_of(PRD)
    assert failed(run) == {"approval"} and skipped(run) == {"first-prd", "second-prd"}
    alone = github.dispatch("first-prd.yml", "main")
    assert failed(alone) == {"approval"} and skipped(alone) == {"deploy"}
    for one in (run, alone):
        assert one.job("approval").errors[0].startswith(NO_REVIEWERS) and one.approvals == []
    assert github.commands("ship") == []
    # When there are reviewers, a re-run asks them.
    github.environments["prd-approval"] = {"reviewers": True}
    again = github.rerun(run, failed_only=True)
    assert again.conclusion == "success" and again.approvals == [("approval", "prd-approval")]
    assert deployments(github, "ship") == NAMES


def test_each_attempt_needs_an_approval_of_its_own(repository: Open) -> None:
    """`main` has a newer commit: a re-run still deploys the commit of the first attempt."""
    github = repository("once")
    github.fail_tool("ship", "second")
    first = head(github)
    candidate(github)
    [run] = github.runs_of(PRD)
    assert failed(run) == {"second-prd", DEPLOYS[1]}
    assert run.approvals == [("approval", "prd-approval")]
    github.tools.heal()
    commit(github.remote.work_tree, {"version.txt": "2\n"})
    github.remote.push("refs/heads/main")

    # "Re-run failed jobs" does not run the job that asks for the approval.
    second = github.rerun(run, failed_only=True)
    assert second.ran == ["deployment-summary", DEPLOYS[1]] and second.approvals == []
    assert second.job(DEPLOYS[1]).errors[0] == AGAIN
    # Nothing after that check has run, not even the checkout.
    steps = second.job(DEPLOYS[1]).steps
    assert steps == {"Check that it may be deployed": "failure"}
    assert deployments(github, "ship") == ["first", "second"]

    third = github.rerun(second)
    assert (third.attempt, third.conclusion) == (3, "success")
    assert third.ran == sorted(["approval", "changes", "deployment-summary", *DEPLOYS])
    assert third.approvals == [("approval", "prd-approval")]
    assert third.job("changes").outputs["commit"] == first
    assert deployments(github, "ship") == ["first", "second"] * 2


def test_a_component_alone_asks_in_production(repository: Open) -> None:
    github = repository("once")
    github.fail_tool("ship")
    run = github.dispatch("first-prd.yml", "main")
    assert run.order == ["approval", "deploy / deploy"] and run.conclusion == "failure"
    assert run.approvals == [("approval", "prd-approval")]
    github.tools.heal()
    second = github.rerun(run, failed_only=True)
    assert second.ran == ["deploy / deploy"] and second.approvals == []
    assert second.job("deploy / deploy").errors[0] == AGAIN
    third = github.rerun(second)
    assert third.conclusion == "success" and third.approvals == [("approval", "prd-approval")]
    assert len(github.commands("ship")) == 2
    # Elsewhere nobody is asked.
    elsewhere = github.dispatch("first-test.yml", "main")
    assert elsewhere.results == {"deploy": "success", "deploy / deploy": "success"}
    assert elsewhere.approvals == []


def test_only_a_newer_candidate_takes_the_place_of_one_that_waits(repository: Open) -> None:
    github = repository("once")
    github.environments["prd-approval"] = {"reviewers": ["lead"]}
    old = head(github)
    candidate(github)
    candidate(github, conclusion="failure")  # which makes no candidate
    first, failure = github.runs_of(PRD)
    by_hand = [github.dispatch(PRD, "main") for _ in range(2)]
    assert failure.conclusion == "skipped"
    assert [run.status for run in (first, *by_hand)] == ["waiting"] * 3
    commit(github.remote.work_tree, {"version.txt": "2\n"})
    github.remote.push("refs/heads/main")
    candidate(github)
    newer = github.runs_of(PRD)[-1]
    assert first.conclusion == first.results["approval"] == "cancelled"
    assert "second-prd / deploy" not in first.jobs
    assert [run.status for run in (*by_hand, newer)] == ["waiting"] * 3

    for run in (by_hand[0], newer):
        github.approve(run, by="lead")
        assert run.conclusion == "success"
    # Even if it is approved, an older commit is not deployed over a newer one.
    url = f"https://github.com/{github.name}/actions/runs/{newer.id}"
    github.approve(by_hand[1], by="lead")
    assert failed(by_hand[1]) == {"first-prd", DEPLOYS[0]}
    assert by_hand[1].job(DEPLOYS[0]).errors[0] == (
        f"{url} is newer and was allowed to deploy, so this run deploys nothing more: "
        f"to go back, start {PRD} by hand with {old}"
    )
    again = github.rerun(first)
    assert again.conclusion == "failure" and again.approvals == []
    assert again.ran == ["changes", "deployment-summary"]
    error = again.job("changes").errors[0]
    assert error.startswith(f"{url} is newer, so this run deploys nothing")
    assert [c.run for c in github.commands("ship")] == [by_hand[0].id] * 2 + [newer.id] * 2
