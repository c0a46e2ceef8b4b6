"""Environments: who approves a job, which branches and tags deploy, and the rules of each plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from offline_github import DispatchError, NotModelledError, OfflineGitHub, ReviewError, Run, events
from test_offline_driver import Quick, push, quick, work_of
from test_offline_github import built, commit, job, only

__all__ = ["quick"]

CALLED = f"""
on: {{workflow_call: {{inputs: {{environment: {{type: string}}}}}}}}
jobs:
  deploy: {job(environment="'${{ inputs.environment }}'")}
"""
TWO = f"""
on: push
jobs:
  first: {{uses: $/.github/workflows/called.yml, with: {{environment: prd}}}}
  second: {job(environment="prd")}
  other: {job(environment="other")}
  last: {job(needs="[first, second]")}
"""


def waiting(quick: Quick, **settings: object) -> OfflineGitHub:
    github = quick({"called.yml": CALLED, "ci.yml": TWO})
    github.environments["prd"] = {"reviewers": ["lead", "octocat"], **settings}
    github.environments["other"] = {"reviewers": ["other"]}
    push(github)
    github.settle()
    return github


def test_jobs_wait_until_they_are_approved_all_of_one_environment_together(quick: Quick) -> None:
    github = waiting(quick)
    run = only(github.runs)
    assert run.status == "waiting"
    assert github.waiting(run) == [
        *[("first / deploy", "prd"), ("second", "prd")],
        ("other", "other"),
    ]
    assert github.approve(run, environment="prd") == ["first / deploy", "second"]
    github.settle()
    assert (run.status, run.job("last").result) == ("waiting", "success")
    with pytest.raises(ReviewError, match="waits for a review"):
        github.approve(run, environment="prd")
    github.reject(run)
    github.settle()
    assert run.results["other"] == "failure"
    assert "rejected" in run.job("other").errors[0]
    assert run.conclusion == "failure"
    assert run.approvals == [("first / deploy", "prd"), ("second", "prd")]
    assert [(each.job, each.state, each.by) for each in run.reviews] == [
        ("first / deploy", "approved", "lead"),
        ("second", "approved", "lead"),
        ("other", "rejected", "other"),
    ]


def test_one_job_of_an_environment_can_be_approved_alone(quick: Quick) -> None:
    github = waiting(quick)
    run = only(github.runs)
    github.approve(run, job="second")
    github.settle()
    assert github.waiting(run) == [("first / deploy", "prd"), ("other", "other")]
    assert run.results["second"] == "success"


def test_only_reviewers_approve_and_not_their_own_runs_if_forbidden(quick: Quick) -> None:
    github = waiting(quick, prevent_self_review=True)
    run = only(github.runs)
    for person, why in (("mallory", "no reviewer"), ("octocat", "has started this run")):
        with pytest.raises(ReviewError, match=why):
            github.approve(run, environment="prd", by=person)
    assert len(github.waiting(run)) == 3
    github.approve(run, environment="prd", by="lead")
    github.environments["prd"]["prevent_self_review"] = False
    again = only(push(github))
    github.settle()
    github.approve(again, environment="prd", by="octocat")


def test_a_rerun_needs_a_new_approval_for_jobs_that_run_again(quick: Quick) -> None:
    github = waiting(quick)
    run = only(github.runs)
    github.approve(run, environment="prd")
    github.reject(run, environment="other")
    github.settle()
    failed = github.rerun(run, failed_only=True)
    github.settle()
    assert github.waiting(failed) == [("other", "other")]
    github.cancel(failed)
    github.settle()
    assert (failed.conclusion, failed.results["other"]) == ("cancelled", "cancelled")
    whole = github.rerun(run)
    github.settle()
    assert len(github.waiting(whole)) == 3


def test_policies_tell_branches_from_tags(quick: Quick) -> None:
    github = quick({"ci.yml": f"on: push\njobs: {{a: {job(environment='prd')}}}"})
    tags: dict[str, Run] = {}

    def results(**settings: list[str]) -> dict[str, str | None]:
        github.environments["prd"] = settings
        found = {}
        for branch in ("main", "release/1"):
            run = only(push(github, branch))
            github.settle()
            found[branch] = run.results["a"]
        for tag in ("main", "v1"):
            work_of(github).tag(tag)
            tags[tag] = only(github.tag(tag))
            github.settle()
            found[f"tag {tag}"] = tags[tag].results["a"]
        return found

    allowed = {
        "main": "success",
        "release/1": "failure",
        "tag main": "failure",
        "tag v1": "failure",
    }
    assert results(branches=["main"]) == allowed
    # A tag called like a branch reads the same, but for the environment.
    assert (tags["main"].head_branch, tags["main"].ref) == ("main", "refs/tags/main")
    assert tags["main"].job("a").errors == [
        'Tag "main" is not allowed to deploy to prd due to environment protection rules.'
    ]
    assert results(tags=["v*"], branches=["release/*"]) == {
        **{"main": "failure", "release/1": "success", "tag main": "failure", "tag v1": "success"},
    }
    assert set(results(branches=[]).values()) == {"failure"}
    assert set(results().values()) == {"success"}


@pytest.mark.parametrize(
    ("plan", "private", "asks", "refuses"),
    [
        ("enterprise", True, True, True),
        ("team", True, False, True),
        ("pro", True, False, True),
        ("free", True, False, False),
        ("free", False, True, True),
    ],
)
def test_a_private_repository_has_the_rules_of_its_plan(
    quick: Quick, plan: str, private: bool, asks: bool, refuses: bool
) -> None:
    github = quick({"ci.yml": f"on: push\njobs: {{a: {job(environment='prd')}}}"})
    github.plan, github.private = plan, private
    github.environments["prd"] = {"reviewers": ["lead"], "branches": ["main"]}
    run = only(push(github))
    github.settle()
    assert bool(github.waiting(run)) == asks
    side = only(push(github, "side"))
    github.settle()
    assert (side.conclusion == "failure") == refuses


def test_names_of_environments_ignore_case(quick: Quick) -> None:
    github = quick({"ci.yml": f"on: push\njobs: {{a: {job(environment='PRD')}}}"})
    github.environments["prd"] = {"reviewers": ["lead"]}
    run = only(push(github))
    github.settle()
    assert github.waiting(run) == [("a", "PRD")]
    assert github.rest("GET", "/environments/Prd").body["name"] == "prd"
    github.approve(run, environment="prd")
    assert list(github.environments) == ["prd"]


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        *(("main", "main", True), ("main", "maine", False), ("v*", "v1.2", True)),
        *(("v*", "v1/2", False), ("release/*", "release/1", True), ("*", "a/b", False)),
        *(("**/*", "a/b/c", True), ("**", "a/b", False), ("v?", "v1", True), ("v?", "v", False)),
        *(("!main", "side", False), ("v[0-9]", "v1", True), ("a.b", "axb", False)),
    ],
)
def test_patterns_of_policies_differ_from_those_of_triggers(
    pattern: str, name: str, fits: bool
) -> None:
    assert events.fits(pattern, name) == fits


def test_a_missing_environment_is_created_without_reviewers(quick: Quick) -> None:
    github = quick({"ci.yml": f"on: push\njobs: {{a: {job(environment='unheard-of')}}}"})
    run = only(push(github))
    github.settle()
    assert run.conclusion == "success"
    assert github.environments == {"unheard-of": {}}


def test_a_setting_that_is_not_modelled_is_an_error(quick: Quick) -> None:
    github = quick({"ci.yml": f"on: push\njobs: {{a: {job(environment='prd')}}}"})
    github.environments["prd"] = {"wait_timer": 5}
    push(github)
    with pytest.raises(NotModelledError, match="wait_timer"):
        github.settle()


def test_with_machines_a_run_is_left_waiting_and_goes_on_when_approved(tmp_path: Path) -> None:
    workflow = f"""
    on: push
    concurrency: one
    jobs:
      gate: {job(environment="prd")}
      deploy: {job("terraform apply", needs="gate")}
    """
    github = built(tmp_path, {"ci.yml": workflow}, {})
    github.environments["prd"] = {"reviewers": ["lead"]}
    first = only(github.push("main"))
    commit(github.remote.work_tree, {})
    second = only(github.push("main"))
    assert [first.status, second.status] == ["waiting", "pending"]
    assert github.waiting(first) == [("gate", "prd")]
    github.approve(first)
    assert (first.conclusion, second.status) == ("success", "waiting")
    assert len(github.commands("terraform")) == 1
    github.reject(second)
    assert second.results == {"gate": "failure", "deploy": "skipped"}
    # Reviewers without names approve at once, unless the test wants to be asked.
    github.environments["prd"] = {"reviewers": True}
    assert github.rerun(first).conclusion == "success"
    github.unnamed_reviewers = "when told"
    third = github.rerun(first)
    assert github.waiting(third) == [("gate", "prd")]
    github.cancel(third)


def test_a_person_who_may_only_read_cannot_start_a_run(quick: Quick) -> None:
    github = quick({"ci.yml": f"on: {{push: , workflow_dispatch: }}\njobs: {{a: {job()}}}"})
    push(github)
    github.roles["reader"] = "read"
    with pytest.raises(DispatchError, match="reader may not"):
        github.dispatch("ci.yml", "main", by="reader")
    assert github.dispatch("ci.yml", "main", by="mallory").actor == "mallory"
