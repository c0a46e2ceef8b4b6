"""What gets into production, and what does not: of develop-main, where `prd` follows `test`.

The deploy command is handed the commit that really lies in the workspace; a run's own SHA says
only on which commit the run was started.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from pipelines import Made, commit, failed, forged, generic, reopened, skipped, start

DEPLOY_ONLY = dict.fromkeys(["lint", "test", "security", "build"], "")
SHIP = 'ship site "$(git rev-parse HEAD)"'
ANSWERS = {"components": generic(["site"], **DEPLOY_ONLY, produces=[], path=".", deploy=SHIP)}
PRD, TEST = "orchestrator-prd.yml", "orchestrator-test.yml"
CALL = {"site-prd", "site-prd / preflight", "site-prd / preflight / preflight", "site-prd / deploy"}
ALL = {"tested-commit", *CALL, "deployment-summary"}
UNTOUCHED = dict.fromkeys(["tested-commit", "site-prd", "deployment-summary"], "skipped")


@pytest.fixture
def github(made: Made, tmp_path: Path) -> OfflineGitHub:
    work_tree = made("production", ANSWERS, {"version.txt": "1\n"})
    github = reopened(work_tree, tmp_path, ("main", "develop"))
    github.tool("ship")
    return github


def head(github: OfflineGitHub) -> str:
    return git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()


def changed(github: OfflineGitHub, text: str, branch: str = "main") -> str:
    """One more commit on a branch of the work tree."""
    git("switch", "--quiet", branch, cwd=github.remote.work_tree)
    return commit(github.remote.work_tree, {"version.txt": text}, text)


def shipped(github: OfflineGitHub, environment: str) -> list[str]:
    """The commits that the deploy command of an environment was run on, in order."""
    return [c.arguments[1] for c in github.commands("ship", f"^site-{environment} / deploy$")]


def production(github: OfflineGitHub) -> Run:
    [run] = github.runs_of(PRD)
    return run


def refused(run: Run) -> None:
    """The preflight said no: nothing else has run."""
    assert failed(run) == (CALL | {"deployment-summary"}) - {"site-prd / deploy"}
    assert skipped(run) == {"site-prd / deploy"}
    assert run.results["tested-commit"] == "success" and set(run.jobs) == ALL
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to prd failed in site-prd\n")


# What a successful test leads to


def test_deploys_the_tested_commit(github: OfflineGitHub) -> None:
    github.environments = {"prd": {"reviewers": True, "branches": ["main"]}}
    tested = changed(github, "2\n")
    [test] = github.push("main")
    run = production(github)
    assert run.results == dict.fromkeys(ALL, "success") and run.conclusion == "success"
    assert run.event == "workflow_run" and run.triggered_by is test
    assert (test.display_title, run.display_title) == (
        f"Deploy {tested} to test",
        f"Deploy {tested} to test, then prd",
    )
    assert shipped(github, "test") == shipped(github, "prd") == [tested]
    assert run.job("site-prd / deploy").environment == "prd"
    assert run.approvals == [("site-prd / deploy", "prd")] and test.approvals == []
    assert run.concurrency == "orchestrator-prd"
    assert run.job("site-prd / deploy").concurrency == "site-prd"
    # Nothing that only reads may do more; what the preflight asked, before anything ran.
    assert run.job("tested-commit").permissions == {}
    calls = [(c.method, c.path) for c in github.api_calls if c.job.startswith("site-prd / pre")]
    repository = f"/repos/{github.name}"
    assert calls == [("GET", f"{repository}/branches/main")]
    assert {c.method for c in github.api_calls} == {"GET"}
    url = f"https://github.com/{github.name}/actions/runs/{run.id}/job"
    preflight = run.job("site-prd / preflight / preflight").id
    rows = run.job("deployment-summary").summary.splitlines()
    assert f"| site-prd | ✅ success | [open]({url}/{preflight}) |" in rows


def test_main_that_moves_on_meanwhile_is_not_deployed(github: OfflineGitHub) -> None:
    first = head(github)
    moved: list[str] = []

    def push(run: Run, key: str) -> None:
        if key == "site-test / deploy" and not moved:
            moved.append(changed(github, "2\n"))
            github.push("main")

    github.before_job = push
    github.forced_results = {"deployment-summary": "success"}
    github.push("main")
    [second] = moved
    assert shipped(github, "test") == shipped(github, "prd") == [first, second]
    older, newer = github.runs_of(PRD)
    # GitHub ran both on the branch's head; only the title of the run before tells them apart.
    assert older.head_sha == newer.head_sha == second
    assert older.job("tested-commit").outputs == {"commit": first}
    assert newer.job("tested-commit").outputs == {"commit": second}


def test_a_tested_commit_that_was_taken_back_is_refused(github: OfflineGitHub) -> None:
    work_tree = github.remote.work_tree
    tested = changed(github, "2\n")

    def take_back(run: Run, key: str) -> None:
        if key == "tested-commit":
            git("reset", "--quiet", "--hard", "HEAD~1", cwd=work_tree)
            github.remote.push("refs/heads/main")

    github.before_job = take_back
    github.push("main")
    run = production(github)
    refused(run)
    [error, *_] = run.job("site-prd / preflight / preflight").errors
    assert error == f"{tested} is not on the branch main: it is not deployed to prd"
    assert (shipped(github, "test"), shipped(github, "prd")) == ([tested], [])


def test_a_failed_test_ends_before_production(github: OfflineGitHub) -> None:
    github.fail_tool("ship", job="^site-test / deploy$")
    [test] = github.push("main")
    assert failed(test) == {"site-test", "site-test / deploy", "deployment-summary"}
    run = production(github)
    assert (run.results, run.conclusion, run.order) == (UNTOUCHED, "skipped", [])
    assert shipped(github, "prd") == []


def test_a_cancelled_test_ends_before_production(github: OfflineGitHub) -> None:
    def cancel(run: Run, key: str) -> None:
        if key == "site-test / deploy":
            github.cancel(run)

    github.before_job = cancel
    [test] = github.push("main")
    assert test.conclusion == "cancelled"
    run = production(github)
    assert (run.results, run.conclusion, run.order) == (UNTOUCHED, "skipped", [])
    assert shipped(github, "prd") == []


@pytest.mark.parametrize(
    "what",
    [
        pytest.param({"conclusion": "failure"}, id="failed"),
        pytest.param({"conclusion": "cancelled"}, id="cancelled"),
        pytest.param({"conclusion": "skipped"}, id="skipped"),
        pytest.param({"conclusion": "timed_out"}, id="timed-out"),
        pytest.param({"conclusion": "startup_failure"}, id="never-started"),
        pytest.param({"conclusion": "neutral"}, id="neutral"),
        pytest.param({"fork": True}, id="fork"),
        pytest.param({"fork": True, "event": "workflow_dispatch"}, id="dispatched-in-a-fork"),
        pytest.param({"fork": True, "event": "pull_request"}, id="pull-request-of-a-fork"),
        pytest.param({"head_branch": "develop"}, id="other-branch"),
        pytest.param({"head_branch": "main2"}, id="branch-that-starts-alike"),
        pytest.param(
            {"head_branch": "develop", "event": "workflow_dispatch"}, id="dispatched-elsewhere"
        ),
        pytest.param({"event": "pull_request"}, id="pull-request"),
        pytest.param({"event": "pull_request_target"}, id="pull-request-target"),
        pytest.param({"event": "schedule"}, id="schedule"),
        pytest.param({"event": "repository_dispatch"}, id="repository-dispatch"),
        pytest.param({"event": "workflow_run"}, id="after-another-workflow"),
    ],
)
def test_any_other_end_of_a_test_starts_nothing(
    github: OfflineGitHub, what: dict[str, Any]
) -> None:
    title = f"Deploy {head(github)} to test"
    github.add_run(TEST, head_sha=head(github), display_title=title, fire=True, **what)
    run = production(github)
    assert (run.results, run.conclusion, run.order) == (UNTOUCHED, "skipped", [])
    assert github.commands() == [] and github.api_calls == []


def test_a_title_without_a_commit_is_an_error(github: OfflineGitHub) -> None:
    github.add_run(
        TEST,
        head_sha=head(github),
        event="workflow_dispatch",
        display_title=f"Deploy {head(github)[:39]} to test",
        fire=True,
    )
    run = production(github)
    assert run.results == {
        "tested-commit": "failure",
        "site-prd": "skipped",
        "deployment-summary": "failure",
    }
    [error, *_] = run.job("tested-commit").errors
    assert error.endswith("to test', names no commit")
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to prd failed in tested-commit\n")
    # The row leads to the job that says why.
    assert f"/actions/runs/{run.id}/job/{run.job('tested-commit').id})" in summary


def test_what_only_looks_like_a_test_does_not_push_out_what_waits(github: OfflineGitHub) -> None:
    """A group holds one pending run, and a newer one takes its place, even one that skips all."""
    first, second = head(github), changed(github, "2\n")
    github.remote.push("refs/heads/main")

    def meanwhile(run: Run, key: str) -> None:
        if key == "site-prd / deploy" and len(github.runs_of(PRD)) == 1:
            github.add_run(TEST, head_sha=second, fire=True)
            github.add_run(TEST, head_sha=second, conclusion="failure", fire=True)

    github.before_job = meanwhile
    github.forced_results = {"deployment-summary": "success"}
    github.add_run(TEST, head_sha=first, fire=True)
    assert [run.conclusion for run in github.runs_of(PRD)] == ["success", "success", "skipped"]
    assert shipped(github, "prd") == [first, second]


# By hand


def test_rolls_back_through_test(github: OfflineGitHub) -> None:
    """The older commit has no workflows at all: those of the branch deploy it."""
    work_tree = github.remote.work_tree
    git("rm", "--quiet", "-r", ".github", cwd=work_tree)
    older = commit(work_tree, {}, "Without workflows")
    git("revert", "--no-edit", older, cwd=work_tree)
    newer = head(github)
    github.remote.push("refs/heads/main")
    test = github.dispatch(TEST, "main", {"commit": older})
    run = production(github)
    assert test.conclusion == run.conclusion == "success"
    assert test.head_sha == run.head_sha == newer
    assert test.display_title == f"Deploy {older} to test"
    assert run.display_title == f"Deploy {older} to test, then prd"
    assert shipped(github, "test") == shipped(github, "prd") == [older]


@pytest.mark.parametrize("older", [False, True], ids=["head", "older-commit"])
def test_a_person_deploys_to_production(github: OfflineGitHub, older: bool) -> None:
    first, second = head(github), changed(github, "2\n")
    github.remote.push("refs/heads/main")
    github.environments = {"prd": {"reviewers": True}}
    run = github.dispatch(PRD, "main", {"commit": first} if older else {})
    wanted = first if older else second
    assert run.results == dict.fromkeys(ALL, "success")
    assert run.display_title == f"Deploy {wanted} to prd"
    assert shipped(github, "prd") == [wanted]
    assert run.approvals == [("site-prd / deploy", "prd")]


@pytest.mark.parametrize(
    ("ref", "inputs", "words"),
    [
        pytest.param("develop", {}, "is not on the branch main", id="head-of-another-branch"),
        pytest.param(
            "main", {"commit": "{develop}"}, "is not on the branch main", id="commit-of-another"
        ),
        pytest.param("main", {"commit": "0" * 40}, "is not on the branch main", id="unknown"),
        pytest.param("main", {"commit": "{short}"}, "is not a full commit SHA", id="short-sha"),
        pytest.param("main", {"commit": "main"}, "is not a full commit SHA", id="branch-name"),
        pytest.param(
            "main", {"commit": "{head}\ncommit={develop}"}, "is not on the branch", id="two-lines"
        ),
    ],
)
def test_a_commit_that_is_not_on_main_is_refused(
    github: OfflineGitHub, ref: str, inputs: dict[str, str], words: str
) -> None:
    main = head(github)
    values = {"head": main, "short": main[:12], "develop": changed(github, "x\n", "develop")}
    github.remote.push("refs/heads/develop")
    given = {name: value.format(**values) for name, value in inputs.items()}
    run = github.dispatch(PRD, ref, given)
    refused(run)
    [error, *_] = run.job("site-prd / preflight / preflight").errors
    assert words in error and run.conclusion == "failure"
    assert github.commands() == []


# Environments


@pytest.mark.parametrize("default", ["main", "develop"])
def test_branch_rules_hold_where_main_is_the_default(github: OfflineGitHub, default: str) -> None:
    """As docs/ci-cd.md says: a chained run counts as one of the default branch."""
    github.default_branch = default
    github.environments = {"prd": {"branches": ["main"]}}
    tested = changed(github, "2\n")
    github.push("main")
    run = production(github)
    if default == "main":
        assert run.conclusion == "success" and shipped(github, "prd") == [tested]
        return
    assert run.ref == "refs/heads/develop"
    assert failed(run) == {"site-prd", "site-prd / deploy", "deployment-summary"}
    [error, *_] = run.job("site-prd / deploy").errors
    assert error.startswith('Branch "develop" is not allowed to deploy to prd')
    assert (shipped(github, "test"), shipped(github, "prd")) == ([tested], [])


def test_secrets_reach_the_deploy_command_that_names_them(template: Path, tmp_path: Path) -> None:
    components = generic(["plain", "site"], lint="", security="", build="", produces=[], path=".")
    components["site"] |= {"secrets": ["TOKEN"], "env": {"COLOUR": "${{ vars.COLOUR }}"}}
    github = start(template, tmp_path, {"components": components}, {})
    for tool in ("check", "ship"):
        github.tool(tool)
    github.tools.watch([], ["TOKEN", "OTHER", "COLOUR", "ENVIRONMENT"])
    github.secrets = {"TOKEN": "of the repository"}
    github.variables = {"COLOUR": "grey"}
    github.environments = {
        "prd": {
            "reviewers": True,
            "secrets": {"TOKEN": "of prd", "OTHER": "x"},
            "vars": {"COLOUR": "red"},
        },
        "test": {"secrets": {"TOKEN": "of test"}},
    }
    github.remote.push("refs/heads/main")
    github.forced_results = {"deployment-summary": "success"}
    run = github.dispatch(PRD, "main")
    assert run.conclusion == "success"
    assert {c.job: c.environment for c in github.commands()} == {
        "plain-prd / test": {"ENVIRONMENT": "prd"},
        "plain-prd / deploy": {"ENVIRONMENT": "prd"},
        "site-prd / test": {"ENVIRONMENT": "prd", "COLOUR": "grey"},
        "site-prd / deploy": {"ENVIRONMENT": "prd", "COLOUR": "red", "TOKEN": "of prd"},
    }
    # A called workflow gets nothing unless its caller hands it on.
    assert run.job("plain-prd / deploy").secrets == []
    deploys = [("plain-prd / deploy", "prd"), ("site-prd / deploy", "prd")]
    assert sorted(run.approvals) == deploys
    assert {k for k, job in run.jobs.items() if job.environment} == {key for key, _ in deploys}


# One component alone


@pytest.mark.parametrize("packages", ["same-commit", "latest"])
def test_a_package_made_on_a_feature_branch_is_not_taken(
    template: Path, tmp_path: Path, packages: str
) -> None:
    """The branch's own `base-prd.yml` writes the title and the package; nobody reviewed it."""
    components = generic(["base", "top"], **{**DEPLOY_ONLY, "build": "true"}, path=".")
    answers = {"components": components, "dependency_map": {"top": "base"}}
    components["top"] |= {"build": "", "produces": []}
    github = start(template, tmp_path, answers, {})
    github.tool("ship")
    github.remote.push("refs/heads/main")
    main = head(github)
    git("switch", "--quiet", "--create", "feature/x", cwd=github.remote.work_tree)
    evil = commit(github.remote.work_tree, {}, "Evil")
    github.remote.push("refs/heads/feature/x")
    github.add_run(
        "base-prd.yml",
        head_sha=evil,
        head_branch="feature/x",
        event="workflow_dispatch",
        display_title=f"Deploy {main} to prd, base alone",
        artifacts={"base-package-prd": forged(main)},
    )
    run = github.dispatch("top-prd.yml", "main", {"packages": packages})
    assert github.commands("ship") == []
    assert failed(run) == {"preflight", "preflight / preflight"}
    [error, *_] = run.job("preflight / preflight").errors
    assert error.startswith("base-package-prd of base was never built for ")
