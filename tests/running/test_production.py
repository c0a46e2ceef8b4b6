"""What gets into production, and what does not: of develop-main, where `prd` follows `test`.

The deploy command is handed the commit that really lies in the workspace; a run's own SHA says
only on which commit the run was started.
"""

from __future__ import annotations

import html
import time
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import (
    Made,
    commit,
    failed,
    former_run,
    generic,
    reopened,
    rows,
    skipped,
    start,
)
from offline_github import OfflineGitHub, Run
from offline_github.repository import git

DEPLOY_ONLY = dict.fromkeys(["lint", "test", "security", "build"], "")
SHIP = 'ship site "$(git rev-parse HEAD)"'
ANSWERS = {"components": generic(["site"], **DEPLOY_ONLY, produces=[], path=".", deploy=SHIP)}
PRD, TEST = "orchestrator-prd.yml", "orchestrator-test.yml"
ALL = {"changes", "approval", "site-prd", "site-prd / deploy", "deployment-summary"}
UNTOUCHED = dict.fromkeys(["changes", "approval", "site-prd", "deployment-summary"], "skipped")


@pytest.fixture
def github(made: Made, tmp_path: Path) -> OfflineGitHub:
    work_tree = made("production", ANSWERS, {"version.txt": "1\n"})
    github = reopened(work_tree, tmp_path, ("main", "develop"))
    github.tool("ship")
    github.environments["prd-approval"] = {"reviewers": True}
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


def refused(run: Run) -> str:
    """Why the first job refused. Nothing else has run, and nobody was asked."""
    assert failed(run) == {"changes", "deployment-summary"}
    assert skipped(run) == {"approval", "site-prd"} and run.approvals == []
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to prd failed in changes\n")
    # The row links to the job that says why.
    assert f"/actions/runs/{run.id}/job/{run.job('changes').id})" in summary
    return run.job("changes").errors[0]


# What a successful test leads to


def test_deploys_the_tested_commit(github: OfflineGitHub) -> None:
    github.environments["prd"] = {"branches": ["main"]}
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
    # One person is asked once, before anything is deployed, and no deployment is written down.
    assert run.order == ["changes", "approval", "site-prd / deploy", "deployment-summary"]
    assert run.approvals == [("approval", "prd-approval")] and test.approvals == []
    assert [key for key, job in run.jobs.items() if job.deployment] == ["site-prd / deploy"]
    # A run that waits for its approval does not hold up others.
    assert test.concurrency == "orchestrator-test" and run.concurrency is None
    assert run.job("site-prd / deploy").concurrency == "site-prd"
    # All tokens can only read, and no job has a secret.
    levels = {level for job in run.jobs.values() for level in job.permissions.values()}
    assert levels == {"read"} and {c.method for c in github.api_calls} == {"GET"}
    url = f"https://github.com/{github.name}/actions/runs/{run.id}/job"
    deploy = run.job("site-prd / deploy").id
    summary = run.job("deployment-summary").summary
    assert (
        f"| site | ✅ success | everything was requested | [open]({url}/{deploy}) |"
        in summary.splitlines()
    )
    assert rows(run) == [(name, "success") for name in ("changes", "approval", "site")]


def test_main_that_moves_on_meanwhile_is_not_deployed(github: OfflineGitHub) -> None:
    first = head(github)
    moved: list[str] = []

    def push(run: Run, key: str) -> None:
        if key != "site-test / deploy":
            return
        if not moved:
            moved.append(changed(github, "2\n"))
            github.push("main")
            return
        while not shipped(github, "prd"):  # otherwise the newer approval may end the older run
            time.sleep(0.01)

    github.before_job = push
    github.push("main")
    [second] = moved
    assert shipped(github, "test") == shipped(github, "prd") == [first, second]
    older, newer = github.runs_of(PRD)
    # GitHub ran both on the branch's head; only the title of the run before tells them apart.
    assert older.head_sha == newer.head_sha == second
    assert older.display_title == f"Deploy {first} to test, then prd"
    assert newer.display_title == f"Deploy {second} to test, then prd"


def test_a_tested_commit_that_was_taken_back_is_refused(github: OfflineGitHub) -> None:
    work_tree = github.remote.work_tree
    tested = changed(github, "2\n")

    def take_back(run: Run, key: str) -> None:
        if (run.workflow_file, key) == (PRD, "changes"):
            git("reset", "--quiet", "--hard", "HEAD~1", cwd=work_tree)
            github.remote.push("refs/heads/main")

    github.before_job = take_back
    github.push("main")
    assert refused(production(github)) == (
        f"No branch like ^refs/heads/main$ has ever pointed to {tested}, so it is not deployed: "
        "merge the commit first"
    )
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
    error = refused(production(github))
    assert f'"Deploy {head(github)[:39]} to test", has no commit: start {PRD} by hand' in error


# By hand


def test_rolls_back_through_test(github: OfflineGitHub) -> None:
    """The older commit has no workflows: those of the branch deploy it."""
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


def test_a_roll_back_of_test_alone_does_not_take_production_back(github: OfflineGitHub) -> None:
    older, newer = head(github), changed(github, "2\n")
    github.push("main")
    assert shipped(github, "prd") == [newer]
    test = github.dispatch(TEST, "main", {"commit": older})
    first, chained = github.runs_of(PRD)
    assert shipped(github, "test") == [newer, older] and chained.triggered_by is test
    assert chained.order == ["changes", "deployment-summary"] and chained.approvals == []
    assert skipped(chained) == {"approval", "site-prd"} and chained.conclusion == "success"
    says = html.unescape(chained.job("deployment-summary").summary)
    assert says.startswith(
        "## Nothing was deployed to prd: a newer run has deployed, or waits for "
    )
    url = f"https://github.com/{github.name}/actions/runs/{first.id}"
    assert (
        f"##[notice]{url} is newer, so this run deploys nothing: "
        f"to deploy {older} all the same, start {PRD} by hand with that commit"
    ) in chained.job("changes").log
    # As it says.
    assert github.dispatch(PRD, "main", {"commit": older}).conclusion == "success"
    assert shipped(github, "prd") == [newer, older]


@pytest.mark.parametrize("older", [False, True], ids=["head", "older-commit"])
def test_a_person_deploys_to_production(github: OfflineGitHub, older: bool) -> None:
    first, second = head(github), changed(github, "2\n")
    github.remote.push("refs/heads/main")
    wanted = first if older else second
    inputs = {"commit": first} if older else {}
    untested = github.dispatch(PRD, "main", inputs)
    assert refused(untested) == f"There is nothing to promote: start {TEST} with commit {wanted}"
    former_run(github, "test", wanted)
    run = github.dispatch(PRD, "main", inputs)
    assert run.results == dict.fromkeys(ALL, "success")
    assert run.display_title == f"Deploy {wanted} to prd"
    assert shipped(github, "prd") == [wanted]
    assert run.approvals == [("approval", "prd-approval")]


@pytest.mark.parametrize(
    ("ref", "inputs", "words"),
    [
        pytest.param("develop", {}, "main$ has ever pointed to {develop}", id="head-of-another"),
        pytest.param(
            "main", {"commit": "{develop}"}, "main$ has ever pointed to {develop}", id="of-another"
        ),
        pytest.param("main", {"commit": "attack-{head}"}, "is not 40 hexadecimal", id="a-branch"),
        pytest.param(
            "main", {"commit": "{head}\ncommit={develop}"}, "is not 40 hexadecimal", id="two-lines"
        ),
    ],
)
def test_a_commit_that_is_not_on_main_is_refused(
    github: OfflineGitHub, ref: str, inputs: dict[str, str], words: str
) -> None:
    values = {"head": head(github), "develop": changed(github, "x\n", "develop")}
    github.remote.push("refs/heads/develop")
    given = {name: value.format(**values) for name, value in inputs.items()}
    error = refused(github.dispatch(PRD, ref, given))
    assert words.format(**values) in error
    assert github.commands() == []


# Environments


def test_where_another_branch_is_the_default_nobody_is_asked_in_vain(github: OfflineGitHub) -> None:
    """A chained run counts as one of the default branch, which the environment's policy refuses."""
    github.default_branch = "develop"
    for name in ("prd", "prd-approval"):
        github.environments[name] = {"branches": ["main"], "reviewers": True}
    tested = changed(github, "2\n")
    github.push("main")
    run = production(github)
    assert run.ref == "refs/heads/develop"
    assert refused(run) == (
        f"The default branch is develop, but {PRD} deploys from a branch like "
        "^refs/heads/main$: make that the default branch with gh repo edit --default-branch"
    )
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
        "prd": {"secrets": {"TOKEN": "of prd", "OTHER": "x"}, "vars": {"COLOUR": "red"}},
        "prd-approval": {"reviewers": True, "secrets": {"TOKEN": "of nobody"}},
        "test": {"secrets": {"TOKEN": "of test"}},
    }
    [test] = github.push("main")
    prd = production(github)
    assert (test.conclusion, prd.conclusion) == ("success", "success")
    assert {c.job: c.environment for c in github.commands()} == {
        "plain-build / build": {"ENVIRONMENT": "test"},
        "plain-test / deploy": {"ENVIRONMENT": "test"},
        "site-build / build": {"ENVIRONMENT": "test", "COLOUR": "grey"},
        "site-test / deploy": {"ENVIRONMENT": "test", "COLOUR": "grey", "TOKEN": "of test"},
        "plain-prd / deploy": {"ENVIRONMENT": "prd"},
        "site-prd / deploy": {"ENVIRONMENT": "prd", "COLOUR": "red", "TOKEN": "of prd"},
    }
    # A called workflow gets nothing unless its caller hands it on.
    assert {
        run.job(f"plain-{name} / deploy").secrets == []
        for name, run in (("test", test), ("prd", prd))
    } == {True}
    environments = {key: job.environment for run in (test, prd) for key, job in run.jobs.items()}
    assert {key: name for key, name in environments.items() if name} == {
        "approval": "prd-approval",
        **{f"{n}-{e} / deploy": e for n in ("plain", "site") for e in ("test", "prd")},
    }
