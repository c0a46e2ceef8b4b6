"""`orchestration: dispatch`: each component has a run of its own, which the orchestrator starts.

How a start, the wait and their faults go is in test_component_run.py; here, what all of it is for.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import (
    Made,
    commit,
    deployments,
    failed,
    folders,
    former_run,
    generic,
    package,
    planned,
    reopened,
    skipped,
)
from offline_github import OfflineGitHub, Run
from offline_github.github import BOT
from offline_github.model import Job
from offline_github.repository import git

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
for name, component in PAIR.items():
    component["deploy"] = f'ship {name} "$(git rev-parse HEAD)"'
PAIR["second"] |= {"build": "", "produces": []}
BARE = {name: {**component, "build": "", "produces": []} for name, component in PAIR.items()}
WIDE = [f"part-{index}" for index in range(5)]
ANSWERS: dict[str, dict[str, Any]] = {
    # Two may wait at once: eight environments share 18 places.
    "wide": {
        "components": generic([*WIDE, "after"], **UNCHECKED, build="", produces=[], path="."),
        "dependency_map": {"after": WIDE[4]},
        "environments": [
            {"name": "dev", "branch": "develop"},
            *({"name": f"more-{index}", "manual": True} for index in range(7)),
        ],
    },
    "diamond": {"components": generic(NAMES, **UNCHECKED), "dependency_map": MAP},
    "changes": {
        "components": generic(NAMES[:3], **UNCHECKED),
        "dependency_map": MAP[:2],
        "only_changed": True,
    },
    "pair": {"components": PAIR, "dependency_map": {"second": "first"}},
    "bare": {"components": BARE, "dependency_map": {"second": "first"}},
}
# Each build makes other bytes.
BUILD = """\
#!/usr/bin/env bash
printf '%s of %s, %s\\n' "$1" "$COMMIT" "$(date +%s%N)" > package.txt
"""
TEST, PRD = "orchestrator-test.yml", "orchestrator-prd.yml"
DEPLOY = "deploy / deploy"
ASKED = [("approval", "prd-approval")]
SECOND_PACKAGE = ".packages/first/package.txt"
Open = Callable[[str], OfflineGitHub]


@pytest.fixture
def repository(made: Made, tmp_path: Path) -> Open:
    def open_repository(name: str) -> OfflineGitHub:
        answers = {**ANSWERS[name], "orchestration": "dispatch", "pull_requests": False}
        work_tree = made(name, answers, folders(NAMES))
        github = reopened(work_tree, tmp_path, ("main", "develop"))
        github.environments["prd-approval"] = {"reviewers": True}
        github.tool("build", BUILD)
        github.tool("ship")
        github.tools.watch(["base.txt", "package.txt", SECOND_PACKAGE], ["TOKEN"])
        return github

    return open_repository


def head(github: OfflineGitHub, branch: str = "HEAD") -> str:
    return git("rev-parse", branch, cwd=github.remote.work_tree).decode().strip()


def changed(github: OfflineGitHub, branch: str) -> str:
    git("switch", "--quiet", branch, cwd=github.remote.work_tree)
    return commit(github.remote.work_tree, {}, "Another")


def moved_on(github: OfflineGitHub, branch: str) -> str:
    """One more commit on the branch. No workflow starts."""
    newest = changed(github, branch)
    github.remote.push(f"refs/heads/{branch}")
    return newest


def unreviewed(github: OfflineGitHub) -> str:
    """A commit that is only on a feature branch."""
    git("switch", "--quiet", "--create", "feature/x", cwd=github.remote.work_tree)
    evil = commit(github.remote.work_tree, {}, "Evil")
    github.remote.push("refs/heads/feature/x")
    return evil


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
    """Component -> (result, link), in the order of the summary's table; not the orchestrator's own
    jobs."""
    lines = run.job("deployment-summary").summary.splitlines()
    cells = [
        line.removeprefix("| ").removesuffix(" |").split(" | ")
        for line in lines
        if line.startswith("| ")
    ][2:]
    found = {name: (result.split()[1], link[7:-1]) for name, result, _, link in cells}
    return {name: row for name, row in found.items() if name not in ("changes", "approval")}


def url(run: Run) -> str:
    return f"https://github.com/acme/demo/actions/runs/{run.id}"


def posts(github: OfflineGitHub) -> list[tuple[str, Any]]:
    """The calls that wrote something: the last parts of the path, and the body."""
    return [
        (call.path.split("/actions/")[1], call.body)
        for call in github.api_calls
        if call.method != "GET"
    ]


def shipped(github: OfflineGitHub) -> list[tuple[str, str]]:
    """(component, commit in its workspace) of each deployment, in order."""
    return [(c.arguments[0], c.arguments[1]) for c in github.commands("ship")]


def test_deploys_in_order_and_hands_packages_on(repository: Open) -> None:
    github = repository("diamond")
    commit_sha = changed(github, "develop")
    [run] = github.push("develop")
    jobs = {f"{name}-dev" for name in NAMES}
    assert run.results == dict.fromkeys([*jobs, "changes", "deployment-summary"], "success")
    order = deployments(github, "ship")
    assert order[0] == "base" and order[-1] == "top" and set(order[1:3]) == {"left", "right"}

    # Each has one run. Its inputs name the runs with the packages that it takes.
    runs = children(github, "dev")
    assert set(runs) == set(NAMES) and {r.conclusion for r in runs.values()} == {"success"}
    keys = ("changes", "build", "build / build", "deploy", DEPLOY)
    assert {frozenset(r.jobs) for r in runs.values()} == {frozenset(keys)}
    base = {"run": runs["base"].id}
    taken = {"left": {"base": base}, "right": {"base": base}}
    taken["top"] = {name: {"run": runs[name].id} for name in ("left", "right")}
    started = {path.split("/")[1].removesuffix("-dev.yml"): body for path, body in posts(github)}
    assert set(started) == set(NAMES) and len(posts(github)) == 4
    for name, body in started.items():
        inputs = dict(body["inputs"])
        packages = inputs.pop("packages")
        assert (packages if name == "base" else json.loads(packages)) == taken.get(
            name, "same-commit"
        )
        assert inputs == {"commit": commit_sha, "orchestrator": str(run.id), "attempt": "1"}
        assert (body["ref"], body["return_run_details"]) == ("refs/heads/develop", True)
    title = f"Deploy {commit_sha} to dev, top of run {run.id}, attempt 1"
    assert runs["top"].display_title == title and runs["top"].event == "workflow_dispatch"

    # The packages are in the runs that built them, and arrive byte for byte.
    for name in NAMES:
        [package] = runs[name].packages
        content = runs[name].packages[package]["package.txt"]
        assert package == f"{name}-package-dev"
        assert content.startswith(f"{name} of {commit_sha}, ".encode())
    ships = {command.arguments[0]: command for command in github.commands("ship")}
    package = runs["base"].packages["base-package-dev"]["package.txt"]
    assert ships["right"].files["base.txt"] == hashlib.sha256(package).hexdigest()
    both = {"LEFT_PACKAGE", "RIGHT_PACKAGE"}
    assert both == {name for name in ships["top"].environment if name.endswith("_PACKAGE")}

    # No job has more rights than it needs, and the summary links to each run.
    for name in NAMES:
        assert run.job(f"{name}-dev").permissions == {"actions": "write"}
    reads = {"actions": "read", "contents": "read"}
    assert run.job("deployment-summary").permissions == reads
    assert list(rows(run).items()) == [(name, ("success", url(runs[name]))) for name in NAMES]


def pushed(github: OfflineGitHub, file: str) -> tuple[Run, Run]:
    """The orchestrators' runs after a change of a file, and what they start, are green."""
    git("switch", "--quiet", "main", cwd=github.remote.work_tree)
    commit(github.remote.work_tree, {file: f"{len(github.runs)}\n"})
    [test] = github.push("main")
    prd = github.runs_of(PRD)[-1]
    for run in (test, prd):
        assert run.conclusion == "success", {k: j.errors for k, j in run.jobs.items() if j.errors}
    return test, prd


def started_by(github: OfflineGitHub, run: Run) -> dict[str, Run]:
    """Component -> the run that this orchestrator's run has started."""
    return {
        child.workflow_file.rpartition("-")[0]: child
        for child in github.runs
        if child.inputs.get("orchestrator") == str(run.id)
    }


def test_only_what_changed_is_started(repository: Open) -> None:
    """Packages come from earlier runs: a component's run in test, the orchestrator's in prd."""
    github = repository("changes")
    first, first_prd = pushed(github, "README.md")
    bases = started_by(github, first)["base"]
    assert set(started_by(github, first_prd)) == {"base", "left", "right"}
    test, prd = pushed(github, "parts/right/README.md")
    for run in (test, prd):
        assert set(started_by(github, run)) == {"right"}
        assert skipped(run) == {f"{n}-{run.workflow_file[13:-4]}" for n in ("base", "left")}
        assert {name: row[0] for name, row in rows(run).items()} == {
            "right": "success",
            **dict.fromkeys(["base", "left"], "unchanged"),
        }
    assert prd.approvals == ASKED
    rights = started_by(github, test)["right"]
    assert json.loads(rights.inputs["packages"]) == {"base": {"run": 0}}
    digest = hashlib.sha256(bases.packages["base-package-test"]["package.txt"]).hexdigest()
    ships = [c for c in github.commands("ship") if c.arguments[0] == "right"]
    assert [ship.files["base.txt"] for ship in ships] == [digest] * 4
    # Each promoted package is byte for byte what test has deployed.
    package_of_test = rights.packages["right-package-test"]
    assert prd.packages["right-package-prd"] == package_of_test
    assert package_of_test != started_by(github, first)["right"].packages["right-package-test"]

    # If there is nothing to do, nobody is asked. A person can deploy one component.
    for run in pushed(github, "README.md"):
        assert started_by(github, run) == {} and run.approvals == []
    alone = github.dispatch("left-test.yml", "main")
    assert alone.conclusion == "success" and alone.job(DEPLOY).name == "Deploy by hand"
    test, _ = pushed(github, "README.md")
    assert set(started_by(github, test)) == {"left"}, "nobody knows what was deployed by hand"


def test_pipelines_that_have_changed_since_the_plan(repository: Open) -> None:
    """GitHub starts the head of a branch, to which the plan may not apply."""
    github = repository("changes")
    workflow = ".github/workflows/left-deploy.yml"
    text = (github.remote.work_tree / workflow).read_text(encoding="utf-8")
    planned_with = changed(github, "develop")

    def change(run: Run, key: str) -> None:
        if key == "left-dev":
            commit(github.remote.work_tree, {workflow: f"{text}# changed\n"})
            github.remote.push("refs/heads/develop")

    github.before_job = change
    [run] = github.push("develop")
    assert failed(run) == {"left-dev", "deployment-summary"}
    left = children(github, "dev")["left"]
    [error, *_] = left.job("changes").errors
    assert f"it used the pipelines of {planned_with}, which have changed since" in error
    assert set(deployments(github, "ship")) == {"base", "right"}
    # The run for that change deploys the components that were left out.
    github.before_job = lambda run, key: None
    [run] = github.push("develop")
    assert run.conclusion == "success" and set(started_by(github, run)) == {"left"}


def test_a_commit_that_was_taken_back_is_refused(repository: Open) -> None:
    github = repository("pair")
    taken_back = changed(github, "develop")

    def take_back(run: Run, key: str) -> None:
        if key == "first-dev":
            git("reset", "--quiet", "--hard", "HEAD~1", cwd=github.remote.work_tree)
            github.remote.push("refs/heads/develop")

    github.before_job = take_back
    [run] = github.push("develop")
    first = children(github, "dev")["first"]
    [error, *_] = first.job("changes").errors
    assert error == (
        f"No branch like ^refs/heads/develop$ has ever pointed to {taken_back}, so it is "
        "not deployed: merge the commit first"
    )
    assert skipped(first) == {"build", "deploy"} and github.commands() == []
    assert failed(run) == {"first-dev", "deployment-summary"}
    assert skipped(run) == {"second-dev"}
    [error, *_] = run.job("first-dev").errors
    assert error == f"first-dev.yml ended with failure: {url(first)}"
    assert rows(run)["first"] == ("failure", url(first))


def test_what_failed_holds_back_what_depends_on_it_and_a_rerun_goes_on(repository: Open) -> None:
    github = repository("diamond")
    ends = {"base": "success", "left": "failure", "right": "success"}
    github.forced_conclusions = {f"{name}-dev.yml": end for name, end in ends.items()}
    [run] = github.push("develop")
    before = children(github, "dev")
    assert {name: child.conclusion for name, child in before.items()} == ends
    assert skipped(run) == {"top-dev"}
    assert list(rows(run)) == ["left", "top", "base", "right"]
    assert rows(run)["left"] == ("failure", url(before["left"]))
    assert rows(run)["top"][0] == "skipped"
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev failed in left\n")

    github.forced_conclusions |= {"left-dev.yml": "success", "top-dev.yml": "success"}
    again = github.rerun(run, failed_only=True)
    assert again.conclusion == "success"
    assert again.ran == ["deployment-summary", "left-dev", "top-dev"]
    assert [len(github.runs_of(f"{name}-dev.yml")) for name in NAMES] == [1, 2, 1, 1]
    _, left = github.runs_of("left-dev.yml")
    assert left.display_title.endswith(f", left of run {run.id}, attempt 2")
    [top] = github.runs_of("top-dev.yml")
    # The packages of a component that was built again, and of one that was not.
    packages = {"left": {"run": left.id}, "right": {"run": before["right"].id}}
    assert json.loads(top.inputs["packages"]) == packages
    assert rows(again)["left"] == ("success", url(left))


@pytest.mark.parametrize("fails", ["part-0", "part-4"])
def test_only_so_many_wait_at_once(repository: Open, fails: str) -> None:
    """And how those end that had their turn before does not matter to others."""
    github = repository("wide")
    github.forced_conclusions = {f"{fails}-dev.yml": "failure"}
    github.forced_results = {"changes": "success", "build / build": "success", DEPLOY: "success"}
    github.forced_outputs = {"changes": planned(deploy=[*WIDE, "after"])}
    going: set[str] = set()
    most = []

    def count(run: Run, key: str) -> None:
        if key.endswith("-dev"):
            done = {key for key, job in run.jobs.items() if job.status == "completed"}
            going.add(key)
            most.append(len(going - done))

    github.before_job = count
    [run] = github.push("develop")
    assert max(most) == 2
    expected: dict[str, str] = dict.fromkeys([f"{n}-dev" for n in [*WIDE, "after"]], "success")
    expected[f"{fails}-dev"] = "failure"
    if fails == "part-4":
        expected["after-dev"] = "skipped"
    assert {key: job.result for key, job in run.jobs.items() if key in expected} == expected


def test_cancelling_cancels_all_that_runs(repository: Open) -> None:
    github = repository("diamond")
    github.forced_conclusions = {"base-dev.yml": "success"}
    github.forced_results = {"build / build": "success"}
    reached: set[str] = set()

    # Nobody approves. Both wait when the orchestrator is cancelled.
    def both_wait(run: Run, key: str) -> bool:
        [orchestrator] = github.runs_of("orchestrator-dev.yml")
        reached.add(run.workflow_file)
        if len(reached) == 2 and not orchestrator.cancelled:
            github.cancel(orchestrator)
        return False

    github.environments["dev"] = {"reviewers": True, "hold": both_wait}
    [run] = github.push("develop")
    assert {name: child.conclusion for name, child in children(github, "dev").items()} == {
        "base": "success",
        "left": "cancelled",
        "right": "cancelled",
    }
    assert run.conclusion == "cancelled" and github.commands("ship") == []


# Production


def test_what_was_tested_goes_to_production_and_is_asked_for_once(repository: Open) -> None:
    """Production gets the commit and its bytes, also if the branch moves before each component."""
    github = repository("pair")
    github.environments |= {
        "test": {"secrets": {"TOKEN": "of test"}},
        "prd": {"branches": ["main"], "secrets": {"TOKEN": "of prd"}},
    }
    tested = changed(github, "main")
    moved: list[str] = []

    def move(run: Run, key: str) -> None:
        if "orchestrator" in run.workflow_file and key.startswith("second-"):
            moved.append(moved_on(github, "main"))

    github.before_job = move
    [test] = github.push("main")
    [run] = github.runs_of(PRD)
    assert test.conclusion == run.conclusion == "success" and run.triggered_by is test
    names = ("changes", "approval", "first-prd", "second-prd", "deployment-summary")
    assert run.ran == sorted(names) and run.approvals == ASKED
    runs = {environment: children(github, environment) for environment in ("test", "prd")}
    # GitHub runs the head of the branch, which is not the deployed commit.
    assert [runs[environment]["second"].head_sha for environment in runs] == moved
    assert shipped(github) == [("first", tested), ("second", tested)] * 2
    assert {name: child.approvals for name, child in runs["prd"].items()} == {
        "first": [],
        "second": [],
    }
    assert {tuple(child.ran) for child in runs["prd"].values()} == {("changes", DEPLOY)}
    # A component's run gets the secrets of its environment without passing them on.
    ships = github.commands("ship")
    assert [c.environment["TOKEN"] for c in ships] == ["of test"] * 2 + ["of prd"] * 2

    package = runs["test"]["first"].packages["first-package-test"]
    assert run.packages["first-package-prd"] == package and not runs["prd"]["first"].packages
    digest = hashlib.sha256(package["package.txt"]).hexdigest()
    assert [command.files for command in ships] == [
        {"package.txt": digest, SECOND_PACKAGE: digest} if first else {SECOND_PACKAGE: digest}
        for first in (True, False, True, False)
    ]
    # From the orchestrator's own run.
    named = json.loads(runs["prd"]["second"].inputs["packages"])["first"]
    assert named["run"] == run.id and len(named["digest"]) == 64


def test_under_stop_no_wave_starts_after_a_failure(repository: Open) -> None:
    """In production `left` fails, and `right` succeeds: the next wave, `top`, does not start."""
    github = repository("diamond")
    sha = head(github)
    former_run(github, "test", sha, dict.fromkeys(NAMES, package(sha, {"package.txt": b"p"})))
    github.forced_conclusions = {"base-prd.yml": "success", "left-prd.yml": "timed_out"}
    github.forced_conclusions["right-prd.yml"] = "success"
    run = github.dispatch(PRD, "main")
    assert set(children(github, "prd")) == {"base", "left", "right"}
    assert rows(run)["left"][0] == "timed_out" and skipped(run) == {"top-prd"}
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to prd failed in left\n")
    assert '["left"]:::failure' in summary


def test_a_run_before_that_nobody_reviewed_starts_nothing(repository: Open) -> None:
    """A tag called `main` passes the first check, but its workflow may claim anything."""
    github = repository("pair")
    title = f"Deploy {head(github)} to test"
    evil = unreviewed(github)
    before = github.add_run(
        TEST, head_sha=evil, event="workflow_dispatch", display_title=title, fire=True
    )
    [run] = github.runs_of(PRD)
    [error, *_] = run.job("changes").errors
    assert error == (
        f"{url(before)} ran the workflows of {evil}, which is neither on the default branch nor on "
        "a branch like ^refs/heads/main$: start orchestrator-prd.yml by hand with a commit that is"
    )
    assert skipped(run) == {"approval", "first-prd", "second-prd"} and run.approvals == []
    assert children(github, "prd") == {} and posts(github) == []
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to prd failed in changes\n")


def no_approval(id: object, why: str) -> str:
    return (
        f'The input orchestrator, "{id}", names no run that approves this deployment: '
        f"{why}. Re-run all "
        "jobs of a run of orchestrator-prd.yml, or start second-prd.yml by hand without that "
        "input: both ask for an approval"
    )


NO_RUN = "it is not a reviewed run of orchestrator-prd.yml with a plan"


def no_plan(id: object, why: str) -> str:
    return (
        f'The plan of the orchestrator\'s run "{id}" cannot be used here: {why}. Start '
        "orchestrator-prd.yml, or this workflow without the input orchestrator: then it "
        "deploys the component, changed or not"
    )


def test_a_rerun_of_production_is_approved_anew(repository: Open) -> None:
    github = repository("bare")
    former_run(github, "test", head(github))
    github.fail_tool("ship", "^second ")
    run = github.dispatch(PRD, "main")
    assert run.conclusion == "failure" and run.approvals == ASKED
    github.tools.heal()
    again = github.rerun(run, failed_only=True)
    assert again.ran == ["deployment-summary", "second-prd"] and again.approvals == []
    refused = github.runs_of("second-prd.yml")[-1]
    error = no_approval(run.id, "nobody has approved its attempt 2")
    assert refused.job(DEPLOY).errors[0] == error
    again = github.rerun(again)
    assert again.conclusion == "success" and again.approvals == ASKED
    assert deployments(github, "ship") == ["first", "second", "first", "second"]
    # A run that a person starts asks for its own approval.
    alone = github.dispatch("second-prd.yml", "main")
    assert alone.conclusion == "success" and alone.approvals == ASKED
    assert alone.display_title == f"Deploy {head(github)} to prd, second alone"


def test_an_orchestrator_that_a_person_names_is_no_approval(repository: Open) -> None:
    """An orchestrator of another commit, one that has ended or one that nobody reviewed is none."""
    github = repository("bare")
    older, tested = head(github), moved_on(github, "main")
    former_run(github, "test", tested)
    evil = unreviewed(github)
    github.forced_conclusions = dict.fromkeys(["first-prd.yml", "second-prd.yml"], "success")
    ended = github.dispatch(PRD, "main")
    github.forced_conclusions = {}
    assert ended.conclusion == "success" and ended.approvals == ASKED
    given: dict[str, tuple[Run, str]] = {}

    def name(actor: str, orchestrator: int, why: str, commit_sha: str = tested) -> None:
        inputs = {"commit": commit_sha, "orchestrator": str(orchestrator)}
        run = github.dispatch_at_once("second-prd.yml", "main", inputs, actor)
        says = no_approval if orchestrator == ended.id else no_plan
        given[why] = run, says(orchestrator, why)

    def others(run: Run, key: str) -> None:
        if (run.workflow_file, key) != ("first-prd.yml", DEPLOY):
            return
        going = github.runs_of(PRD)[-1]
        forged = approved_by_itself(github, evil, tested)
        name(
            "octocat",
            going.id,
            "octocat has started this run, and only an orchestrator can hand on its plan",
        )
        name(BOT, run.id, NO_RUN)
        name(BOT, ended.id, "it has already ended")
        name(BOT, going.id, f"it deploys {tested}", older)
        name(BOT, forged.id, f"{NO_RUN}, forged")

    github.before_job = others
    run = github.dispatch(PRD, "main", {"all": "true"})
    assert run.conclusion == "success" and len(given) == 5
    for child, error in given.values():
        [job] = failed(child) - {"deploy"}
        assert child.approvals == [] and job == (DEPLOY if "approves this" in error else "changes")
        assert child.job(job).errors[0] == error.replace(", forged", "")
    assert shipped(github) == [("first", tested), ("second", tested)]


def approved_by_itself(github: OfflineGitHub, evil: str, commit_sha: str) -> Run:
    """A run of an orchestrator on a feature branch, which claims everything that is needed."""
    run = github.add_run(
        PRD,
        head_sha=evil,
        head_branch="feature/x",
        event="workflow_dispatch",
        display_title=f"Deploy {commit_sha} to prd",
    )
    run.status, run.conclusion = "in_progress", None
    gate = Job("approval", github.new_id(), 1, run.workflow_path, "approval", "completed")
    gate.result, gate.started_at = "success", run.started_at
    run.jobs["approval"] = gate
    return run


def test_after_a_newer_approval_an_older_run_deploys_nothing_more(repository: Open) -> None:
    github = repository("bare")
    older, newer = head(github), moved_on(github, "main")
    for sha in (older, newer):
        former_run(github, "test", sha)
    late: list[Run] = []

    def overtake(run: Run, key: str) -> None:
        if key == "second-prd" and not late:
            late.append(github.dispatch(PRD, "main"))
            while late[0].results.get("approval") != "success":
                time.sleep(0.01)

    github.before_job = overtake
    run = github.dispatch(PRD, "main", {"commit": older})
    assert (run.conclusion, late[0].conclusion) == ("failure", "success")
    assert run.approvals == late[0].approvals == ASKED
    refused = [r for r in github.runs_of("second-prd.yml") if r.conclusion == "failure"]
    assert [r.inputs["orchestrator"] for r in refused] == [str(run.id)]
    assert refused[0].job(DEPLOY).errors[0] == (
        f"{url(late[0])} is newer and was allowed to deploy, so this run deploys nothing "
        f"more: to go back, start second-prd.yml by hand with {older}"
    )
    assert shipped(github) == [("first", older), ("first", newer), ("second", newer)]
