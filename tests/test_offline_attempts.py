"""Attempts of a run, and how the API lists runs and jobs."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.work import Going, Work
from test_offline_driver import Quick, push, quick, work_of
from test_offline_github import job, only

__all__ = ["quick"]

CALLED = f"""
on: workflow_call
jobs:
  build: {job()}
  deploy: {job(needs="build")}
"""
CI = f"""
on: push
jobs:
  first: {job()}
  call: {{uses: $/.github/workflows/called.yml, needs: first}}
  last: {job(needs="call")}
  alone: {job()}
  never: {job(**{"if": "false"})}
"""


def failing(*keys: str) -> Any:
    return lambda work: "failure" if work.key in keys and work.run.attempt == 1 else "success"


def started(github: OfflineGitHub) -> Run:
    run = only([run for run in push(github) if run.workflow_file == "ci.yml"])
    github.settle()
    return run


def again(github: OfflineGitHub, run: Run, **which: Any) -> list[str]:
    attempt = github.rerun(run, **which)
    github.settle()
    return attempt.ran


def test_all_jobs_run_again_or_those_that_failed_or_one_with_what_needs_it(quick: Quick) -> None:
    github = quick({"called.yml": CALLED, "ci.yml": CI}, failing("call / deploy"))
    run = started(github)
    assert run.results["last"] == "skipped"
    assert again(github, run, failed_only=True) == ["call / deploy", "last"]
    assert again(github, run) == ["alone", "call / build", "call / deploy", "first", "last"]
    with pytest.raises(ValueError, match="no failed jobs"):
        github.rerun(run, failed_only=True)
    assert again(github, run, job="call / build") == ["call / build", "call / deploy", "last"]
    assert again(github, run, job="call") == ["call / build", "call / deploy", "last"]
    assert again(github, run, job="last") == ["last"]
    assert again(github, run, job="alone") == ["alone"]
    with pytest.raises(ValueError, match="no job nothing"):
        github.rerun(run, job="nothing")


def test_jobs_that_did_not_run_again_keep_results_and_outputs(quick: Quick) -> None:
    def execute(work: Work) -> Any:
        return {"attempt": work.run.attempt} if work.key == "a" else failing("b")(work)

    asks = job(needs="a", **{"if": "needs.a.outputs.attempt == '1'"})
    github = quick({"ci.yml": f"on: push\njobs: {{a: {job()}, b: {asks}}}"}, execute)
    run = started(github)
    github.rerun(run, failed_only=True)
    github.settle()
    assert github.latest_attempts()[0].results == {"a": "success", "b": "success"}


def test_a_rerun_has_the_files_the_commit_and_the_event_of_the_first_attempt(quick: Quick) -> None:
    after = "on: {workflow_run: {workflows: [CI], types: [completed]}}\njobs: {JOBS}"
    old, new = (after.replace("JOBS", f"{key}: {job()}") for key in ("old", "new"))
    github = quick({"ci.yml": f"name: CI\n{CI}", "called.yml": CALLED, "after.yml": old})
    run = started(github)
    [later] = github.runs_of("after.yml")
    push(github, files={".github/workflows/after.yml": new, ".github/workflows/ci.yml": None})
    for before in (run, later):
        attempt = github.rerun(before)
        github.settle()
        assert (attempt.id, attempt.attempt, attempt.sha) == (before.id, 2, before.sha)
        assert attempt.ran == before.ran
        assert attempt.payload == before.payload
    # The end of the first attempt starts a run of the default branch as it is now.
    assert [run for run in github.runs_of("after.yml") if run.attempt == 1][-1].ran == ["new"]


def test_a_run_can_be_started_again_for_a_month_and_not_while_it_runs(quick: Quick) -> None:
    github = quick({"called.yml": CALLED, "ci.yml": CI})
    run = only([run for run in push(github) if run.workflow_file == "ci.yml"])
    with pytest.raises(ValueError, match="still running"):
        github.rerun(run)
    github.settle()
    github.clock.advance(29 * 86_400)
    again(github, run)
    github.clock.advance(2 * 86_400)
    with pytest.raises(ValueError, match="over a month ago"):
        github.rerun(run)


def listed(github: OfflineGitHub, path: str) -> list[dict[str, Any]]:
    answer = github.rest("GET", path)
    assert answer.status == 200, answer.body
    [key] = set(answer.body) - {"total_count"}
    return list(answer.body[key])


@pytest.mark.parametrize(
    ("kept", "latest", "every"),
    [
        ("as they were", [("a", 1), ("b", 2)], [("a", 1), ("b", 1), ("b", 2)]),
        ("copied", [("a", 2), ("b", 2)], [("a", 1), ("b", 1), ("a", 2), ("b", 2)]),
        ("left out", [("b", 2)], [("a", 1), ("b", 1), ("b", 2)]),
    ],
)
def test_jobs_are_listed_by_attempt(
    quick: Quick, kept: str, latest: list[tuple[str, int]], every: list[tuple[str, int]]
) -> None:
    steps = "steps: [{name: One, run: 'true'}, {name: Two, if: 'false', run: 'true'}]"
    one = f"{{name: b, runs-on: x, {steps}}}"
    execute = lambda work: "failure" if failing("b")(work) == "failure" else None  # noqa: E731
    github = quick({"ci.yml": f"on: push\njobs: {{a: {job()}, b: {one}}}"}, execute)
    run = started(github)
    github.rerun(run, failed_only=True)
    github.settle()
    github.kept_jobs = kept
    path = f"/actions/runs/{run.id}"

    def found(query: str) -> list[tuple[str, int]]:
        return [(shown["name"], shown["run_attempt"]) for shown in listed(github, path + query)]

    assert found("/jobs") == found("/jobs?filter=latest") == found("/attempts/2/jobs") == latest
    assert found("/jobs?filter=all") == every
    assert found("/attempts/1/jobs") == [("a", 1), ("b", 1)]
    first, second = (listed(github, f"{path}/attempts/{n}/jobs")[-1] for n in (1, 2))
    assert (first["conclusion"], second["conclusion"]) == ("failure", "success")
    assert first["completed_at"] <= second["started_at"] <= second["completed_at"]
    assert [(s["name"], s["conclusion"]) for s in second["steps"]] == [
        ("One", "success"),
        ("Two", "skipped"),
    ]
    assert second["labels"] == ["x"] and second["runner_name"]
    assert github.rest("GET", f"/actions/jobs/{second['id']}").body == second


def test_attempts_can_be_asked_for_over_rest(quick: Quick) -> None:
    github = quick({"ci.yml": f"on: push\njobs: {{a: {job()}, b: {job()}}}"}, failing("b"))
    run = started(github)
    path = f"/actions/runs/{run.id}"

    def again(call: str) -> list[str]:
        assert github.rest("POST", call).status == 201
        assert github.rest("POST", call).status == 403, "it is still running"
        github.settle()
        return github.latest_attempts()[0].ran

    assert again(f"{path}/rerun-failed-jobs") == ["b"]
    assert again(f"{path}/rerun") == ["a", "b"]
    newest = github.latest_attempts()[0].job("a").id
    assert again(f"/actions/jobs/{newest}/rerun") == ["a"]
    assert github.rest("POST", f"{path}/rerun", by="stranger").status == 403


def test_lists_are_newest_first_in_pages_and_filtered_ones_end_after_a_thousand(
    quick: Quick,
) -> None:
    github = quick({"ci.yml": f"on: push\njobs: {{a: {job()}}}"})
    github.push("main")
    head = github.remote.resolve("main") or ""
    for _ in range(1010):
        github.add_run("ci.yml", head_sha=head)

    def numbers(query: str) -> list[int]:
        path = "/actions/workflows/ci.yml/runs"
        pages = (listed(github, f"{path}?page={n}&{query}") for n in itertools.count(1))
        return [run["run_number"] for page in itertools.takewhile(bool, pages) for run in page]

    assert len(listed(github, "/actions/runs")) == 30
    assert len(listed(github, "/actions/runs?per_page=500")) == 100
    assert numbers("per_page=100") == [*range(1011, 0, -1)]
    assert numbers("per_page=100&status=success") == [*range(1011, 11, -1)]


def test_lists_are_late_and_filtered_ones_later(quick: Quick) -> None:
    def execute(work: Work) -> Going:
        yield 5

    github = quick({"ci.yml": f"on: push\njobs: {{a: {job()}}}"}, execute)
    github.list_lag, github.filtered_list_lag = 100, 300
    run = only(push(github))
    github.settle()

    def seen() -> list[bool]:
        queries = ("", "?event=push", "?status=success")
        assert github.rest("GET", f"/actions/runs/{run.id}").body["conclusion"] == "success"
        return [bool(listed(github, f"/actions/runs{query}")) for query in queries]

    found = [seen()]
    for _ in range(3):
        github.clock.advance(120)
        found.append(seen())
    assert found == [[False] * 3, [True, False, False], [True, False, False], [True] * 3]
    github.rerun(run)
    # The index still knows the attempt before.
    assert listed(github, "/actions/runs?status=success")[0]["status"] == "queued"


def test_commits_are_walked_by_their_parents_and_compared(quick: Quick) -> None:
    github = quick({"ci.yml": f"on: push\njobs: {{a: {job()}}}"})
    work = work_of(github)
    base = work.head
    side = work.commit("side", files={"new": "1", ".github/workflows/ci.yml": None})
    ours = work.commit("main")
    merged = work.commit("main", merge=side)
    github.push("main")
    github.push("side")
    commits = github.rest("GET", "/commits?sha=main&per_page=3").body
    assert [commit["sha"] for commit in commits] == [merged, ours, side]
    assert [p["sha"] for p in commits[0]["parents"]] == [ours, side]
    last = github.rest("GET", "/commits?sha=main&per_page=3&page=2").body
    assert [(commit["sha"], commit["parents"]) for commit in last] == [(base, [])]
    compared = github.rest("GET", f"/compare/{base}...side").body
    assert [commit["sha"] for commit in compared["commits"]] == [side]
    assert [(file["filename"], file["status"]) for file in compared["files"]] == [
        (".github/workflows/ci.yml", "removed"),
        ("new", "added"),
    ]
    refs = github.rest("GET", "/git/matching-refs/heads/").body
    assert [(ref["ref"], ref["object"]["sha"]) for ref in refs] == [
        ("refs/heads/main", merged),
        ("refs/heads/side", side),
    ]


def test_a_tag_may_have_the_name_of_a_branch(quick: Quick) -> None:
    github = quick(
        {
            "ci.yml": f"name: CI\non: {{push: {{tags: ['*']}}}}\njobs: {{a: {job()}}}",
            "after.yml": f"""
            on: {{workflow_run: {{workflows: [CI], types: [completed], branches: [main]}}}}
            jobs: {{b: {job(**{"if": "github.event.workflow_run.head_branch == 'main'"})}}}
            """,
        }
    )
    push(github)
    work_of(github).commit("side")
    work_of(github).tag("main")
    run = only(github.tag("main"))
    github.settle()
    assert (run.ref, run.head_branch) == ("refs/tags/main", "main")
    assert only(github.runs_of("after.yml")).ran == ["b"]


def test_more_than_three_tags_at_once_start_nothing(quick: Quick) -> None:
    github = quick({"ci.yml": f"on: {{push: {{tags: ['v*']}}}}\njobs: {{a: {job()}}}"})
    push(github)
    assert len(github.tag("v1", "v2", "v3")) == 3
    assert github.tag("v4", "v5", "v6", "v7") == []
    assert len(github.rest("GET", "/tags").body) == 7
