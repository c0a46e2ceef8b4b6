"""`orchestration: observe`: components' workflows start by themselves, the orchestrator looks on.

Only what is in question runs for real, preflight and watch; what the other jobs of a component
come to is said by the test (`Stage.ends`). The order of deployments is that of their jobs.
"""

from __future__ import annotations

import datetime
import json
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.model import Job
from offline_github.repository import git
from pipelines import Made, commit, reopened

REAL = ("preflight / preflight", "tested-commit", "watch", "deployment-summary")
"""The jobs that run, unless a test says otherwise."""
DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"]}


def answers(graph: Mapping[str, list[str]], **more: Any) -> dict[str, Any]:
    """Components that only deploy, and say which commit."""
    return {
        "components": {
            name: {"code_type": "generic", "deploy": f'ship {name} "$(git rev-parse HEAD)"'}
            for name in graph
        },
        "dependency_map": dict(graph),
        "orchestration": "observe",
        "pull_requests": False,
        "environments": [{"name": "dev", "branch": "main"}],
        **more,
    }


class Stage(dict[str, str]):
    """A repository, and what its jobs come to: `forced_results` that look at the run as well."""

    def __init__(self, github: OfflineGitHub) -> None:
        super().__init__()
        self.github = github
        self.real = {*REAL}
        self.ends: dict[str, str] = {}
        """Workflow file or component, and job: `a-dev deploy` -> result; success where none."""
        self.before: Callable[[Run, str], None] | None = None
        """Called before each job."""
        self.deployed: list[str] = []
        """The deployments that succeeded, `a-dev`, in the order in which they began."""
        self._thread = threading.local()
        github.forced_results, github.before_job = self, self._begin
        github.tool("ship")

    def _begin(self, run: Run, key: str) -> None:
        self._thread.run = run
        if self.before:
            self.before(run, key)
        if key == "deploy" and self.result(run, key) == "success":
            self.deployed.append(run.workflow_file.removesuffix(".yml"))

    def result(self, run: Run, key: str) -> str | None:
        default = None if key in self.real else "success"
        return self.ends.get(f"{run.workflow_file.removesuffix('.yml')} {key}", default)

    def get(self, key: str, default: Any = None) -> Any:
        return self.result(self._thread.run, key)

    @property
    def head(self) -> str:
        return git("rev-parse", "HEAD", cwd=self.github.remote.work_tree).decode().strip()

    def changed(self, branch: str = "main") -> str:
        """One more commit on a branch of the work tree."""
        work_tree = self.github.remote.work_tree
        git("switch", "--quiet", branch, cwd=work_tree)
        return commit(work_tree, {}, "A change")

    def pushed(self, branch: str = "main", orchestrator: str = "orchestrator-dev") -> Run:
        """Push a branch; the newest run of an orchestrator."""
        self.github.push(branch)
        return self.runs(orchestrator)[-1]

    def runs(self, name: str) -> list[Run]:
        """The runs of a workflow, in the order in which they began, by the newest attempt."""
        return [run for run in self.github.latest_attempts() if run.workflow_file == f"{name}.yml"]

    def run(self, name: str) -> Run:
        [run] = self.runs(name)
        return run

    def ignore(self, *workflows: str) -> None:
        """Let runs of these workflows succeed without a job."""
        self.github.forced_conclusions = {f"{name}.yml": "success" for name in workflows}


Open = Callable[..., Stage]


@pytest.fixture
def stage(made: Made, tmp_path: Path) -> Open:
    def open_stage(name: str, given: dict[str, Any]) -> Stage:
        return Stage(reopened(made(name, given, {}), tmp_path, ("main", "develop")))

    return open_stage


@pytest.fixture
def diamond(stage: Open) -> Stage:
    return stage("diamond", answers(DIAMOND))


def table(run: Run) -> dict[str, tuple[str, str]]:
    """What the summary says of each: result and link, in the order of the rows."""
    lines = run.job("deployment-summary").summary.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]
    return {name: (result.split(" ", 1)[1], link[7:-1]) for name, result, link in rows}


SUCCESS = dict.fromkeys(["preflight", "preflight / preflight", "deploy"], "success")
NOT_YET = {**SUCCESS, "deploy": "skipped"}
EMPTY = {"total_count": 0, "workflow_runs": []}


def deploying(runs: list[Run]) -> list[Run]:
    return [run for run in runs if run.results.get("deploy") == "success"]


# How it goes


def test_each_deploys_once_after_all_it_waits_for(diamond: Stage) -> None:
    """Also where a component before has a run that only found that its time had not come."""
    order: list[tuple[str, str]] = []
    diamond.before = lambda run, key: order.append((run.workflow_file, key))
    commit = diamond.changed()
    started = diamond.github.push("main")
    assert [run.workflow_file for run in started] == ["a-dev.yml", "orchestrator-dev.yml"]
    assert diamond.deployed[0] == "a-dev" and diamond.deployed[3:] == ["d-dev", "e-dev"]
    assert sorted(diamond.deployed[1:3]) == ["b-dev", "c-dev"]
    watcher = started[1]
    for name, triggers in {"b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d", "d"]}.items():
        runs = diamond.runs(f"{name}-dev")
        before = sorted(run.triggered_by.workflow_file for run in runs if run.triggered_by)
        assert before == [f"{other}-dev.yml" for other in triggers]
        results = sorted([run.results for run in runs], key=str)
        assert results == [NOT_YET] * (len(runs) - 1) + [SUCCESS]
        assert {run.event for run in runs} == {"workflow_run"}
        assert all(run.display_title.startswith(f"Deploy {commit} to dev - a, ") for run in runs)
    rows = {"watch": ("success", f"https://github.com/acme/demo/actions/runs/{watcher.id}")}
    for name in DIAMOND:
        [run] = deploying(diamond.runs(f"{name}-dev"))
        url = f"https://github.com/acme/demo/actions/runs/{run.id}"
        rows[f"{name}-dev"] = ("success", url)
    assert table(watcher) == rows and list(table(watcher)) == list(rows)
    summary = watcher.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev succeeded\n")
    picture = summary.split("```mermaid\n")[1].splitlines()
    assert picture[1:6] == [f'  n{i}["{n}-dev"]:::success' for i, n in enumerate("abcde")]
    assert picture[6:11] == [
        f"  n{i} --> n{j}" for i, j in ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4))
    ]
    assert watcher.results == {"watch": "success", "deployment-summary": "success"}
    # It starts nothing, and could not.
    assert watcher.job("watch").permissions == {"actions": "read", "contents": "read"}
    assert watcher.job("deployment-summary").permissions == {}
    assert {call.method for call in diamond.github.api_calls} == {"GET"}
    assert watcher.concurrency == "orchestrator-dev"
    [job] = [run.job("deploy") for run in diamond.runs("a-dev")]
    assert (job.environment, job.concurrency) == ("dev", "a-dev")


@pytest.mark.parametrize(
    ("last", "lag"), [("b-dev", None), ("c-dev", None), ("b-dev", "c-dev"), ("c-dev", "b-dev")]
)
def test_two_that_end_in_the_same_second(diamond: Stage, last: str, lag: str | None) -> None:
    """In either order of their ids, and where a list does not know of one of them yet."""
    github = diamond.github
    diamond.ignore("orchestrator-dev")
    both, first = threading.Barrier(2), threading.Event()

    def together(run: Run, key: str) -> None:
        name = run.workflow_file.removesuffix(".yml")
        if key == "deploy" and name in ("b-dev", "c-dev"):
            both.wait(20)
            github.same_second = True
            if name == last:
                first.wait(20)
        elif name == "d-dev":
            if not first.is_set() and lag:
                github.answer("GET", f"/{lag}.yml/runs$", 200, EMPTY, times=2)
            first.set()
            if key == "deploy":
                github.same_second = False

    diamond.before = together
    github.push("main")
    assert sorted(diamond.deployed) == [f"{name}-dev" for name in "abcde"]
    runs = diamond.runs("d-dev")
    assert sorted([run.results for run in runs], key=str) == [NOT_YET, SUCCESS]
    ends = [r.job("deploy").completed_at for n in "bc" for r in diamond.runs(f"{n}-dev")]
    assert ends[0] == ends[1]
    [run] = deploying(runs)
    assert run.triggered_by
    ids = {name: diamond.run(f"{name}-dev").id for name in "bc"}
    assert run.triggered_by.id == max(ids.values())


@pytest.mark.parametrize("missing", ["list", "status"])
def test_what_an_event_says_is_true_whatever_lists_say(diamond: Stage, missing: str) -> None:
    """They may never have shown the very run that ended."""
    github = diamond.github
    diamond.ignore("orchestrator-dev", "e-dev")

    def lag(run: Run, key: str) -> None:
        if run.workflow_file == "b-dev.yml" and key == "preflight / preflight":
            before = github.run_payload(diamond.run("a-dev"))
            stale = {**before, "status": "in_progress", "conclusion": None}
            shown = {"total_count": 1, "workflow_runs": [stale]} if missing == "status" else EMPTY
            github.answer("GET", "/a-dev.yml/runs$", 200, shown, times=100)

    diamond.before = lag
    github.push("main")
    assert sorted(diamond.deployed) == ["a-dev", "b-dev", "c-dev", "d-dev"]
    assert len([c for c in github.api_calls if "a-dev.yml/runs" in c.path]) < 20


# What goes wrong, and how it goes on

CHECKED = {
    "a": {"lint": "check lint", "build": "make"},
    "b": {"lint": "check lint", "build": "make"},
    "c": {},
    "d": {},
}
JOIN = {"a": [], "b": [], "c": ["a", "b"], "d": ["c"]}


@pytest.fixture
def join(stage: Open) -> Stage:
    given = answers(JOIN)
    for name, commands in CHECKED.items():
        given["components"][name] |= commands
    return stage("join", given)


def results(run: Run) -> dict[str, str]:
    """What the summary says, but for the job that looks on."""
    return {name: result for name, (result, _) in table(run).items() if name != "watch"}


@pytest.mark.parametrize(
    ("job", "failed_only"), [("lint", True), ("build", False), ("deploy", True)]
)
def test_what_waits_for_one_that_fails_goes_on_when_a_rerun_succeeds(
    join: Stage, job: str, failed_only: bool
) -> None:
    github = join.github
    join.ends = {f"b-dev {job}": "failure"}
    watcher = join.pushed()
    assert join.deployed == ["a-dev"]
    assert {run.results["deploy"] for run in join.runs("c-dev")} == {"skipped"}
    assert watcher.conclusion == "failure"
    assert list(results(watcher)) == ["b-dev", "c-dev", "d-dev", "a-dev"]
    assert list(results(watcher).values()) == ["failure", "skipped", "skipped", "success"]
    failed = join.run("b-dev")
    assert table(watcher)["b-dev"][1] == f"https://github.com/acme/demo/actions/runs/{failed.id}"
    summary = watcher.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev failed in b-dev\n")
    assert '  n1["b-dev"]:::failure\n  n2["c-dev"]:::skipped\n' in summary

    join.ends = {}
    again = github.rerun(failed, failed_only=failed_only)
    assert (again.attempt, again.conclusion) == (2, "success")
    assert join.deployed == ["a-dev", "b-dev", "c-dev", "d-dev"]
    watcher = github.rerun(watcher, failed_only=failed_only)
    assert watcher.conclusion == "success" and watcher.ran == ["deployment-summary", "watch"]
    assert results(watcher) == dict.fromkeys([f"{n}-dev" for n in JOIN], "success")


def test_one_that_is_rerun_while_the_orchestrator_looks(join: Stage) -> None:
    github = join.github
    join.ends = {"a-dev deploy": "failure"}
    rerun = threading.Event()

    def hold(run: Run, key: str) -> None:
        if key == "deploy" and run.workflow_file == "b-dev.yml":
            while join.runs("a-dev")[0].conclusion != "failure":
                rerun.wait(0.01)
            rerun.wait(0.2)  # so that it is seen
            join.ends = {}
            github.rerun(join.run("a-dev"))

    join.before = hold
    watcher = join.pushed()
    assert sorted(join.deployed) == ["a-dev", "b-dev", "c-dev", "d-dev"]
    assert "a-dev: failure" in watcher.job("watch").log
    assert watcher.conclusion == "success"


def test_one_that_is_cancelled(join: Stage) -> None:
    github = join.github

    def cancel(run: Run, key: str) -> None:
        if (run.workflow_file, key, run.attempt) == ("b-dev.yml", "deploy", 1):
            github.cancel(run)
            join.ends["b-dev deploy"] = "cancelled"

    join.before = cancel
    watcher = join.pushed()
    assert join.run("b-dev").conclusion == "cancelled"
    assert "c-dev" not in join.deployed
    assert list(results(watcher).items()) == [
        ("b-dev", "cancelled"),
        ("c-dev", "skipped"),
        ("d-dev", "skipped"),
        ("a-dev", "success"),
    ]
    summary = watcher.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev was not completed\n")
    join.ends = {}
    join.deployed.clear()
    github.rerun(join.run("b-dev"), failed_only=True)
    assert join.deployed == ["b-dev", "c-dev", "d-dev"]


def test_a_preflight_that_fails_holds_up_nothing_that_another_run_did(join: Stage) -> None:
    """It has not deployed, and has not failed to. Here it would have left it to the other run."""
    both, first = threading.Barrier(2), threading.Event()

    def together(run: Run, key: str) -> None:
        if key == "deploy" and run.workflow_file in ("a-dev.yml", "b-dev.yml"):
            both.wait(20)
            join.github.same_second = True
            if run.workflow_file == "a-dev.yml":
                first.wait(20)
        elif run.workflow_file == "c-dev.yml" and key == "preflight / preflight":
            left = run.triggered_by is join.run("a-dev")
            join.ends = {"c-dev preflight / preflight": "failure"} if left else {}
            first.set()

    join.before = together
    watcher = join.pushed()
    assert sorted(join.deployed) == ["a-dev", "b-dev", "c-dev", "d-dev"]
    assert [run.conclusion for run in join.runs("c-dev")] == ["success", "failure"]
    assert watcher.conclusion == "success"
    assert results(watcher) == dict.fromkeys([f"{n}-dev" for n in JOIN], "success")


def test_a_newer_failure_counts_more_than_an_older_success(join: Stage) -> None:
    join.ignore("orchestrator-dev")
    join.github.push("main")
    join.ends = {"a-dev deploy": "failure"}
    join.github.dispatch("a-dev.yml", "main")
    join.deployed.clear()
    join.github.rerun(join.run("b-dev"))
    assert join.deployed == ["b-dev"]
    join.ends = {}
    join.github.rerun(join.runs("a-dev")[-1])
    assert join.deployed == ["b-dev", "a-dev", "c-dev", "d-dev"]


def test_an_end_of_its_own_name_is_told(join: Stage) -> None:
    github = join.github
    github.forced_conclusions = {"a-dev.yml": "timed_out", "b-dev.yml": "startup_failure"}
    watcher = join.pushed()
    assert list(results(watcher).items()) == [
        ("a-dev", "timed_out"),
        ("b-dev", "startup_failure"),
        ("c-dev", "skipped"),
        ("d-dev", "skipped"),
    ]
    summary = watcher.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev failed in a-dev, b-dev\n")
    assert '  n0["a-dev"]:::failure\n' in summary
    assert join.deployed == []


STOP = {"a": [], "b": [], "c": ["a"], "d": ["c"]}


def test_stop_starts_no_later_wave_after_a_failure(stage: Open) -> None:
    """What depends on nothing that failed is held up as well, until a re-run succeeds."""
    environments = [{"name": "dev", "branch": "main", "on_failure": "stop"}]
    stop = stage("stop", answers(STOP, environments=environments))
    github = stop.github
    stop.ends = {"b-dev deploy": "failure"}
    watcher = stop.pushed()
    assert stop.deployed == ["a-dev"]
    assert list(results(watcher).items()) == [
        ("b-dev", "failure"),
        ("c-dev", "skipped"),
        ("d-dev", "skipped"),
        ("a-dev", "success"),
    ]
    stop.ends = {}
    github.rerun(stop.run("b-dev"))
    assert stop.deployed == ["a-dev", "b-dev", "c-dev", "d-dev"]


def test_nobody_waits_for_one_that_does_nothing(stage: Open) -> None:
    """`b` has no commands; what it waits for is waited for all the same."""
    given = answers({"a": [], "x": [], "b": ["a", "x"], "c": ["b"]})
    del given["components"]["b"]["deploy"]
    idle = stage("idle", given)
    watcher = idle.pushed()
    assert sorted(idle.deployed) == ["a-dev", "c-dev", "x-dev"] and idle.deployed[-1] == "c-dev"
    assert watcher.conclusion == "success"
    idle.changed()
    idle.deployed.clear()
    idle.ends = {"x-dev deploy": "failure"}
    watcher = idle.pushed()
    assert idle.deployed == ["a-dev"]
    assert results(watcher) == {
        "x-dev": "failure",
        "b-dev": "skipped",
        "c-dev": "skipped",
        "a-dev": "success",
    }


# The orchestrator looks on

FLAT: dict[str, list[str]] = {"a": [], "b": []}


@pytest.fixture
def flat(stage: Open) -> Stage:
    """Of it only the orchestrator runs."""
    flat = stage("flat", answers(FLAT))
    flat.real = {"watch", "deployment-summary"}
    return flat


def forge(stage: Stage, workflow: str, **what: Any) -> Run:
    """A run that nobody executed, with the jobs of a deployment."""
    name = workflow.removesuffix(".yml")
    given = {"display_title": f"Deploy {stage.head} to dev - {name[0]}", **what}
    fire = given.pop("fire", False)
    run = stage.github.add_run(workflow, **given)
    job = Job("deploy", stage.github.new_id(), 1, run.workflow_path, "Deploy", "completed")
    job.result, job.completed_at = run.conclusion, run.updated_at
    run.jobs["deploy"] = job
    if fire:
        with stage.github._outermost():
            stage.github._fire_workflow_run(run)
    return run


def foreign(stage: Stage) -> str:
    """A commit that is only on the branch `feature`."""
    work_tree = stage.github.remote.work_tree
    git("switch", "--quiet", "--force-create", "feature", "main", cwd=work_tree)
    sha = stage.changed("feature")
    stage.github.remote.push("refs/heads/feature")
    git("switch", "--quiet", "main", cwd=work_tree)
    return sha


FORGED = {
    "of a fork": {"fork": True},
    "of a feature branch": {"head_branch": "feature", "foreign": True},
    "of a tag like the branch": {"foreign": True},
    "by hand from a tag like the branch": {"event": "workflow_dispatch", "foreign": True},
    "of a pull request": {"event": "pull_request", "head_branch": "feature", "foreign": True},
    # Its head is merged; its base is a branch with other workflow files.
    "of a pull request to a branch": {"event": "pull_request"},
}


def forgeries(stage: Stage, workflow: str, **more: Any) -> list[Run]:
    """Runs that look like one of a component, and are none."""
    unreviewed, reviewed = foreign(stage), stage.head
    made = []
    for settings in FORGED.values():
        what = {"head_sha": reviewed, **settings, **more}
        if what.pop("foreign", False):
            what["head_sha"] = unreviewed
        made.append(forge(stage, workflow, **what))
    return made


def test_the_orchestrator_takes_only_runs_of_this_deployment(flat: Stage) -> None:
    """By workflow and commit, and none whose workflow file nobody has reviewed."""

    def add(run: Run, key: str) -> None:
        if key == "watch":
            forgeries(flat, "a-dev.yml", conclusion="failure")
            title = f"Deploy {'1' * 40} to dev - a"
            forge(flat, "a-dev.yml", head_sha=flat.head, display_title=title, conclusion="failure")
            title = f"Redeploy {flat.head} to dev - a"
            forge(flat, "a-dev.yml", head_sha=flat.head, display_title=title, conclusion="failure")

    flat.before = add
    watcher = flat.pushed()
    assert len(flat.runs("a-dev")) == 1 + len(FORGED) + 2
    url = f"https://github.com/acme/demo/actions/runs/{flat.runs('a-dev')[0].id}"
    assert table(watcher)["a-dev"] == ("success", url)
    assert watcher.conclusion == "success"


def test_a_run_by_hand_on_a_reviewed_branch_counts(flat: Stage) -> None:
    """Also where its branch has moved on since the commit."""
    commit = flat.head

    def add(run: Run, key: str) -> None:
        if key == "watch":
            moved = flat.changed()
            flat.github.remote.push("refs/heads/main")
            title = f"Deploy {commit} to dev - a"
            what = {"event": "workflow_dispatch", "display_title": title, "conclusion": "timed_out"}
            forge(flat, "a-dev.yml", head_sha=moved, **what)

    flat.before = add
    assert results(flat.pushed()) == {"a-dev": "timed_out", "b-dev": "success"}


def test_by_hand_it_looks_at_the_day_before(flat: Stage) -> None:
    """After a push a run of two hours ago is of an earlier deployment."""
    now = datetime.datetime.now(datetime.UTC)
    earlier = (now - datetime.timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = [forge(flat, f"{n}-dev.yml", head_sha=flat.head, created_at=earlier) for n in "ab"]
    watcher = flat.github.dispatch("orchestrator-dev.yml", "main")
    links = [link.rsplit("/", 1)[1] for name, (_, link) in table(watcher).items()][1:]
    assert watcher.conclusion == "success" and links == [str(run.id) for run in made]
    flat.ends = {"a-dev deploy": "failure"}
    assert results(flat.pushed()) == {"a-dev": "failure", "b-dev": "success"}


def minutes(job: Job) -> float:
    """How long it took, by the clock of the scripts."""
    began, ended = (
        datetime.datetime.fromisoformat(text or "") for text in (job.started_at, job.completed_at)
    )
    return (ended - began).total_seconds() / 60


def test_a_run_that_never_comes(flat: Stage) -> None:
    github = flat.github
    work_tree = github.remote.work_tree
    (work_tree / ".github/workflows/b-dev.yml").unlink()
    commit = flat.changed()
    github.speed = 1000
    watcher = flat.pushed()
    assert list(results(watcher).items()) == [("b-dev", "never started"), ("a-dev", "success")]
    assert table(watcher)["b-dev"][1].endswith(f"/runs/{watcher.id}")
    assert watcher.conclusion == "failure" and table(watcher)["watch"][0] == "success"
    assert watcher.job("watch").errors[:2] == [
        f"b-dev.yml has no run for {commit}, 15 minutes after everything before it; "
        "is it disabled, or not on the default branch?",
        "Not deployed: b-dev. Re-run what failed, then this job",
    ]
    assert 15 <= minutes(watcher.job("watch")) < 100


def test_the_orchestrator_ends_before_github_ends_it(flat: Stage) -> None:
    """Somebody has not approved yet. Re-run once that has happened, it ends well."""
    github = flat.github

    def over(run: Run, key: str) -> bool:
        return run.workflow_file == "a-dev.yml" or flat.runs("orchestrator-dev")[0].conclusion

    github.environments["dev"] = {"reviewers": True, "hold": over}
    github.speed = 20_000
    watcher = flat.pushed()
    assert list(results(watcher).items()) == [("b-dev", "waiting"), ("a-dev", "success")]
    assert table(watcher)["b-dev"][1].endswith(f"/runs/{flat.run('b-dev').id}")
    [error, *_] = watcher.job("watch").errors
    assert error == "b-dev has not ended in 350 minutes (waiting); re-run this job once it has"
    # How much later that is depends on this machine, at such a speed.
    assert minutes(watcher.job("watch")) >= 350
    file = github.remote.work_tree / ".github/workflows/orchestrator-dev.yml"
    assert "\n    timeout-minutes: 360\n" in file.read_text(encoding="utf-8")
    github.speed = 100
    again = github.rerun(watcher)
    assert again.conclusion == "success"
    assert results(again) == {"a-dev": "success", "b-dev": "success"}


def test_what_github_cannot_answer_now_is_asked_again(flat: Stage) -> None:
    github = flat.github
    secondary = {"message": "You have exceeded a secondary rate limit. Please wait."}
    github.answer("GET", r"/actions/runs/\d+$", 502)
    github.answer("GET", r"/actions/runs/\d+$", 0, skip=1)
    runs = "/actions/runs$"
    github.answer("GET", runs, 503)
    github.answer("GET", runs, 429, {}, headers={"retry-after": "90"}, skip=1)
    github.answer("GET", runs, 403, secondary, skip=2)
    github.answer("GET", runs, 200, EMPTY, skip=3)
    github.answer("GET", "/jobs$", 500)
    late = {"total_count": 1, "jobs": [{"name": "Deploy", "conclusion": None}]}
    github.answer("GET", "/jobs$", 200, late, skip=1)
    github.unreachable(1, runs, "ENOTFOUND", skip=4)
    github.unreachable(1, "/jobs$", "ECONNRESET", skip=2)

    def spend(run: Run, key: str) -> None:
        if key == "watch":
            github.rate_limit.window, github.quota = 600, 8

    flat.before = spend
    github.speed = 500
    watcher = flat.pushed()
    assert watcher.conclusion == "success"
    assert results(watcher) == {"a-dev": "success", "b-dev": "success"}
    log = watcher.job("watch").log
    waits = re.findall(r"GitHub answers (\d+) .*: once more in (\d+) s", log)
    said = [status for status, _ in waits]
    assert said.count("502") == said.count("503") == said.count("429") == 1
    assert said.count("500") == 4  # dropped, unreachable twice, and an honest one
    assert said.count("403") == 2 and ("429", "90") in waits
    [secondary_wait, quota_wait] = [int(wait) for status, wait in waits if status == "403"]
    assert secondary_wait == 60 and 60 < quota_wait <= 600
    assert github.quota is None


def test_an_answer_that_no_patience_helps_ends_it(flat: Stage) -> None:
    flat.github.answer("GET", r"/actions/runs/\d+$", 403, {"message": "Not for you"})
    watcher = flat.pushed()
    assert watcher.results == {"watch": "failure", "deployment-summary": "failure"}
    assert results(watcher) == {"a-dev": "failure", "b-dev": "failure"}
    again = flat.github.rerun(watcher, failed_only=True)
    assert again.conclusion == "success"


def test_an_orchestrator_that_is_cancelled_cancels_nothing(flat: Stage) -> None:
    github = flat.github
    seen = threading.Event()

    def cancel(run: Run, key: str) -> None:
        if (run.workflow_file, key) == ("b-dev.yml", "deploy"):
            while not any("/actions/runs?" in call.path for call in github.api_calls):
                seen.wait(0.01)
            github.cancel(flat.run("orchestrator-dev"))

    flat.before = cancel
    watcher = flat.pushed()
    assert watcher.conclusion == "cancelled" and watcher.results["watch"] == "cancelled"
    assert results(watcher) == {"a-dev": "cancelled", "b-dev": "cancelled"}
    summary = watcher.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev was not completed\n")
    assert flat.run("b-dev").conclusion == "success"
    again = github.rerun(watcher)
    assert again.conclusion == "success"


# What starts a component


@pytest.fixture
def pair(stage: Open) -> Stage:
    """`b` waits for `a`, and takes its package."""
    given = answers({"a": [], "b": ["a"]})
    given["components"]["a"] |= {"build": "make", "produces": ["package.txt"]}
    pair = stage("pair", given)
    pair.ignore("orchestrator-dev")
    return pair


@pytest.mark.parametrize(
    "what",
    [
        *({"conclusion": c} for c in ("failure", "cancelled", "skipped", "timed_out", "neutral")),
        {"fork": True},
        {"fork": True, "event": "workflow_dispatch"},
        {"fork": True, "event": "workflow_run"},
        {"fork": True, "event": "pull_request"},
        {"head_branch": "feature"},
        {"head_branch": "main2"},
        {"head_branch": "feature", "event": "workflow_dispatch"},
        {"event": "pull_request"},
        {"event": "pull_request_target"},
        {"event": "schedule"},
        {"event": "repository_dispatch"},
        {"event": "merge_group"},
        # What starts `a` is a push: no other workflow's end does.
        {"event": "workflow_run"},
    ],
    ids=str,
)
def test_any_other_end_starts_nothing(pair: Stage, what: dict[str, Any]) -> None:
    forge(pair, "a-dev.yml", head_sha=pair.head, fire=True, **what)
    run = pair.run("b-dev")
    assert (run.conclusion, run.order) == ("skipped", [])
    assert run.results == {"preflight": "skipped", "deploy": "skipped"}
    assert pair.github.api_calls == [] and pair.deployed == []


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({}, "{foreign} is not on the branch main: it is not deployed to dev"),
        (
            {"event": "workflow_dispatch", "title": "Deploy {head} to dev - a"},
            "The run before is of {foreign}, which is neither on the branch main "
            "nor on the default branch",
        ),
        (
            {"event": "workflow_dispatch", "title": "Deploy {foreign} to dev - a"},
            "{foreign} is not on the branch main: it is not deployed to dev",
        ),
        (
            {"event": "workflow_dispatch", "title": "a"},
            "'a' is not a full commit SHA, 40 hexadecimal digits",
        ),
    ],
    ids=["tag-like-the-branch", "forged-title", "title-of-a-foreign-commit", "no-commit"],
)
def test_a_run_of_an_unreviewed_file_starts_nothing(
    pair: Stage, what: dict[str, str], message: str
) -> None:
    """It says of itself that it ran on `main`, as that of a tag of this name does."""
    names = {"foreign": foreign(pair), "head": pair.head}
    title = what.pop("title", "Deploy {head} to dev - a").format(**names)
    forge(pair, "a-dev.yml", head_sha=names["foreign"], display_title=title, fire=True, **what)
    run = pair.run("b-dev")
    assert run.conclusion == "failure" and pair.deployed == []
    assert run.results == {
        "preflight": "failure",
        "preflight / preflight": "failure",
        "deploy": "skipped",
    }
    assert run.job("preflight / preflight").errors[0] == message.format(**names)


def test_what_follows_an_attempt_leaves_it_to_what_follows_the_next(pair: Stage) -> None:
    """The first one comes to look only when the next has ended."""

    def rerun(run: Run, key: str) -> None:
        if run is pair.runs("b-dev")[0] and key == "preflight / preflight":
            pair.github.rerun(pair.run("a-dev"))
            while not deploying(pair.runs("b-dev")):
                time.sleep(0.01)

    pair.before = lambda run, key: rerun(run, key) if run.workflow_file == "b-dev.yml" else None
    pair.github.push("main")
    assert pair.deployed == ["a-dev", "a-dev", "b-dev"]
    first, second = pair.runs("b-dev")
    assert (first.results, second.results) == (NOT_YET, SUCCESS)


def test_a_tag_named_like_the_branch_with_its_own_workflow(pair: Stage) -> None:
    """The same, really run: what a person who may push tags can try."""
    github, head = pair.github, pair.head
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--create", "feature", cwd=work_tree)
    file = work_tree / ".github/workflows/a-dev.yml"
    text = file.read_text(encoding="utf-8")
    text = re.sub(r"run-name: .*", f"run-name: Deploy {head} to dev - a", text)
    file.write_text(text.replace("branches: [main]", "tags: ['**']"), encoding="utf-8")
    unreviewed = pair.changed("feature")
    pair.ends = {"a-dev preflight / preflight": "success"}
    [run] = github.tag("main")
    assert (run.workflow_file, run.conclusion, run.head_branch) == ("a-dev.yml", "success", "main")
    run = pair.run("b-dev")
    assert run.job("preflight / preflight").errors[0] == (
        f"{unreviewed} is not on the branch main: it is not deployed to dev"
    )
    assert pair.deployed == ["a-dev"]


PACKAGES = {"a": [], "b": [], "c": ["a", "b"]}


@pytest.mark.parametrize("fails", [True, False], ids=["instead", "besides"])
def test_nothing_is_taken_of_forged_runs(stage: Open, fails: bool) -> None:
    """Neither that `a` was deployed, nor its package; and what it takes is the real one."""
    given = answers(PACKAGES)
    for name in "ab":
        given["components"][name] |= {"build": "make", "produces": ["package.txt"]}
    packages = stage("packages", given)
    packages.ignore("orchestrator-dev")
    packages.ends = {"a-dev deploy": "failure"} if fails else {}

    def add(run: Run, key: str) -> None:
        if (run.workflow_file, key) == ("b-dev.yml", "deploy"):
            while not packages.runs("a-dev")[0].conclusion:
                time.sleep(0.01)
            files = {"a-package-dev": {"package.txt": b"forged"}}
            forgeries(packages, "a-dev.yml", artifacts=files)

    packages.before = add
    packages.github.push("main")
    real, *forged = packages.runs("a-dev")
    assert {run.conclusion for run in forged} == {"success"} and len(forged) == len(FORGED)
    assert min(run.id for run in forged) > packages.run("b-dev").id
    if fails:
        assert packages.deployed == ["b-dev"]
        return
    assert sorted(packages.deployed) == ["a-dev", "b-dev", "c-dev"]
    [run] = deploying(packages.runs("c-dev"))
    taken = json.loads(run.job("preflight / preflight").outputs["runs"])
    assert taken == {"a": real.id, "b": packages.run("b-dev").id}


ELSEWHERE = [
    {"name": "dev", "branch": "release/**"},
    {"name": "test", "tag": "v*"},
    {"name": "lab", "manual": True},
]


@pytest.mark.parametrize("way", ["dev", "test", "lab"])
def test_branches_by_pattern_tags_and_people(stage: Open, way: str) -> None:
    elsewhere = stage("elsewhere", answers({"a": [], "b": ["a"]}, environments=ELSEWHERE))
    github = elsewhere.github
    if way == "dev":
        git("switch", "--quiet", "--create", "release/1", cwd=github.remote.work_tree)
        commit = elsewhere.changed("release/1")
        github.push("release/1")
    elif way == "test":
        commit = elsewhere.changed()
        github.remote.push("refs/heads/main")
        github.tag("v1")
    else:
        commit = elsewhere.head
        github.dispatch("a-lab.yml", "main")
        github.dispatch("orchestrator-lab.yml", "main")
    assert elsewhere.deployed == [f"a-{way}", f"b-{way}"]
    assert elsewhere.run(f"b-{way}").display_title == f"Deploy {commit} to {way} - a, then b"
    watcher = elsewhere.run(f"orchestrator-{way}")
    assert results(watcher) == {f"a-{way}": "success", f"b-{way}": "success"}


# By hand

BACK = {"a": [], "b": [], "c": ["a"], "d": ["b"], "e": ["c", "d"]}


def test_an_older_commit_by_hand(stage: Open) -> None:
    """Nothing that its first deployment did counts, as long as the second is on its way."""
    back = stage("back", answers(BACK))
    github, older = back.github, back.head
    back.pushed()
    back.changed()
    back.pushed()
    back.deployed.clear()
    for name in BACK:
        assert len(deploying(back.runs(f"{name}-dev"))) == 2
    started: list[Run] = []
    hand = {"commit": older}

    def dispatch(run: Run, key: str) -> None:
        if (run.workflow_file, key) == ("a-dev.yml", "deploy") and not started:
            started.append(run)
            started.append(github.dispatch("b-dev.yml", "main", hand))
            started.append(github.dispatch("orchestrator-dev.yml", "main", hand))
        elif (run.workflow_file, key) == ("b-dev.yml", "deploy"):
            # Until what follows `a` has looked at what precedes `e`.
            while len(back.runs("e-dev")) < 5 or back.runs("e-dev")[4].status != "completed":
                time.sleep(0.01)

    back.before = dispatch
    github.dispatch("a-dev.yml", "main", hand)
    assert back.deployed == ["a-dev", "c-dev", "b-dev", "d-dev", "e-dev"]
    newest = {name: back.runs(f"{name}-dev")[-1] for name in BACK}
    assert all(run.display_title.startswith(f"Deploy {older} to dev - ") for run in newest.values())
    assert newest["e"].display_title == f"Deploy {older} to dev - b, then d, then e"
    watcher = started[2]
    url = "https://github.com/acme/demo/actions/runs"
    assert watcher.conclusion == "success"
    assert {name: link for name, (_, link) in table(watcher).items() if name != "watch"} == {
        f"{name}-dev": f"{url}/{run.id}" for name, run in newest.items()
    }


# Production

CHAIN = {"a": [], "s": [], "b": ["a"], "c": ["b"]}
SHIPPED = ["a", "b", "c", "s"]


@pytest.fixture
def chain(stage: Open) -> Stage:
    """develop-main: `prd` follows `test`; three waves are the most that GitHub starts there."""
    given = answers(CHAIN)
    del given["environments"]
    chain = stage("chain", given)
    chain.github.environments = {"prd": {"reviewers": True, "branches": ["main"]}}
    return chain


def ships(stage: Stage, environment: str) -> list[tuple[str, str]]:
    """(component, commit in its workspace) of each deployment, in order."""
    jobs = {run.id: run.workflow_file for run in stage.github.runs}
    return [
        (command.arguments[0], command.arguments[1])
        for command in stage.github.commands("ship")
        if jobs[command.run].endswith(f"-{environment}.yml")
    ]


def test_production_gets_the_tested_commit(chain: Stage) -> None:
    """Also where `main` moves on meanwhile."""
    github = chain.github
    tested = chain.changed()
    chain.real.add("deploy")

    def move_on(run: Run, key: str) -> None:
        if (run.workflow_file, key) == ("c-test.yml", "deploy"):
            chain.changed()
            github.remote.push("refs/heads/main")

    chain.before = move_on
    github.push("main")
    for environment in ("test", "prd"):
        made = ships(chain, environment)
        assert sorted(made) == [(name, tested) for name in SHIPPED]
        assert [name for name, _ in made if name != "s"] == ["a", "b", "c"]
        watcher = chain.run(f"orchestrator-{environment}")
        assert watcher.conclusion == "success"
        names = [f"{name}-{environment}" for name in CHAIN]
        assert {n: r for n, r in results(watcher).items() if n in names} == dict.fromkeys(
            names, "success"
        )
    assert chain.head != tested
    prd = chain.run("orchestrator-prd")
    assert prd.head_sha == chain.head and prd.job("tested-commit").outputs == {"commit": tested}
    assert prd.display_title == f"Deploy {tested} to test, then prd"
    [third] = deploying(chain.runs("c-prd"))
    via = third.display_title.split(" - ")[1][0]
    assert via in "as"
    assert third.display_title == f"{prd.display_title} - {via}, then b, then c"
    assert [links(run) for run in (prd, chain.run("a-prd"), third)] == [1, 1, 3]
    [second] = deploying(chain.runs("b-prd"))
    for run in (chain.run("a-prd"), chain.run("s-prd"), second, third):
        assert run.approvals == [("deploy", "prd")] and run.job("deploy").environment == "prd"
    assert all(run.approvals == [] for run in github.runs if run.workflow_file.endswith("test.yml"))


def links(run: Run) -> int:
    """How many workflows' ends led to it."""
    return 1 + links(run.triggered_by) if run.triggered_by else 0


def test_production_waits_for_a_test_that_a_rerun_mends(chain: Stage) -> None:
    github = chain.github
    chain.ends = {"b-test deploy": "failure"}
    test = chain.pushed("main", "orchestrator-test")
    assert test.conclusion == "failure"
    assert sorted(chain.deployed) == ["a-test", "s-test"]
    untouched = [run for run in github.runs if run.workflow_file.endswith("-prd.yml")]
    assert {(run.conclusion, *run.order) for run in untouched} == {("skipped",)}
    assert {run.workflow_file[0] for run in untouched} >= {"a", "s", "o"}

    chain.ends = {}
    github.rerun(chain.run("b-test"), failed_only=True)
    assert chain.deployed[2:] == ["b-test", "c-test"]  # and the orchestrator has not looked again
    again = github.rerun(test, failed_only=True)
    assert again.conclusion == "success"
    assert sorted(chain.deployed[4:6]) == ["a-prd", "s-prd"]
    assert chain.deployed[6:] == ["b-prd", "c-prd"]
    assert chain.runs("orchestrator-prd")[-1].conclusion == "success"


@pytest.mark.parametrize("asks", [True, False], ids=["approved", "asks-nobody"])
def test_a_rerun_in_production(chain: Stage, asks: bool) -> None:
    """Nothing of a later wave follows one that failed (`stop`), until somebody lets it re-run."""
    github = chain.github
    github.environments["prd-retry"] = {"reviewers": asks}
    chain.ends = {"s-prd deploy": "failure"}
    title = f"Deploy {chain.head} to test"
    forge(chain, "orchestrator-test.yml", head_sha=chain.head, display_title=title, fire=True)
    assert chain.deployed == ["a-prd"]
    prd = chain.run("orchestrator-prd")
    assert list(results(prd).items()) == [
        ("s-prd", "failure"),
        ("b-prd", "skipped"),
        ("c-prd", "skipped"),
        ("tested-commit", "success"),
        ("a-prd", "success"),
    ]
    chain.ends = {f"{name}-prd deploy": "success" for name in "abc"}
    chain.real.add("deploy")
    again = github.rerun(chain.run("s-prd"), failed_only=True)
    assert again.approvals == ([("deploy", "prd-retry")] if asks else [])
    assert again.job("deploy").environment == "prd-retry"
    assert [name for name, _ in ships(chain, "prd")] == ["s"] * asks
    assert chain.deployed == ["a-prd", *["b-prd", "c-prd"] * asks]
    if asks:
        assert [run.approvals for run in deploying(chain.runs("b-prd"))] == [[("deploy", "prd")]]
    else:
        assert again.job("deploy").errors[0] == (
            "The environment prd-retry asks nobody: add required reviewers to it, then re-run"
        )


@pytest.mark.parametrize(
    "what",
    [
        {"conclusion": "failure"},
        {"fork": True},
        {"head_branch": "feature"},
        {"event": "schedule"},
        {"event": "workflow_dispatch", "foreign": True},
    ],
    ids=str,
)
def test_any_other_end_of_a_test_starts_nothing_in_production(
    chain: Stage, what: dict[str, Any]
) -> None:
    what = dict(what)
    chain.ignore("s-prd")
    sha = foreign(chain) if what.pop("foreign", False) else chain.head
    title = f"Deploy {chain.head} to test"
    chain.real.discard("watch")
    forge(chain, "orchestrator-test.yml", head_sha=sha, display_title=title, fire=True, **what)
    assert chain.deployed == []
    refused = sha != chain.head
    assert chain.run("a-prd").conclusion == ("failure" if refused else "skipped")
    if not refused:
        assert chain.run("orchestrator-prd").conclusion == "skipped"


def test_trunk(stage: Open) -> None:
    given = answers({"a": [], "b": ["a"]}, branching="trunk")
    del given["environments"]
    trunk = stage("trunk", given)
    commit = trunk.changed()
    trunk.github.push("main")
    assert trunk.deployed == [f"{n}-{e}" for e in ("dev", "test", "prd") for n in "ab"]
    titles = {
        "dev": f"Deploy {commit} to dev",
        "test": f"Deploy {commit} to dev, then test",
        "prd": f"Deploy {commit} to dev, then test, then prd",
    }
    for environment, title in titles.items():
        watcher = trunk.run(f"orchestrator-{environment}")
        assert (watcher.display_title, watcher.conclusion) == (title, "success")
        assert trunk.run(f"b-{environment}").display_title == f"{title} - a, then b"


# At random


def random_graph(source: random.Random) -> dict[str, list[str]]:
    """Up to four waves of components that wait for some of those before."""
    names = iter("abcdefgh")
    graph: dict[str, list[str]] = {}
    waves: list[list[str]] = []
    for _ in range(source.randint(2, 4)):
        wave = [next(names) for _ in range(source.randint(1, 2))]
        earlier = [name for other in waves for name in other]
        for name in wave:
            wanted = {source.choice(waves[-1])} if waves else set()
            wanted |= {n for n in earlier if source.random() < 0.4}
            graph[name] = sorted(wanted)
        waves.append(wave)
    return graph


@pytest.mark.parametrize("seed", [9, 10])
def test_random_graphs(stage: Open, seed: int) -> None:
    source = random.Random(seed)
    graph = random_graph(source)
    made = stage(f"random-{seed}", answers(graph))
    bad = {n: source.choice(["failure", "cancelled"]) for n in graph if source.random() < 0.2}
    pauses = {name: source.choice([0, 0, 0.1, 0.2]) for name in graph}
    ties = {name: source.random() < 0.5 for name in graph}
    made.ends = {f"{name}-dev deploy": result for name, result in bad.items()}

    def hold(run: Run, key: str) -> None:
        if key == "deploy":
            made.github.same_second = ties[run.workflow_file[0]]
            time.sleep(pauses[run.workflow_file[0]])

    made.before = hold
    watcher = made.pushed()
    well: list[str] = []
    expected = {}
    for name, needed in graph.items():
        if not set(needed) <= set(well):
            expected[f"{name}-dev"] = "skipped"
        else:
            expected[f"{name}-dev"] = bad.get(name, "success")
            well += [name] * (name not in bad)
    assert sorted(made.deployed) == [f"{name}-dev" for name in well]
    place = {name[0]: index for index, name in enumerate(made.deployed)}
    assert all(place[other] < place[name] for name in well for other in graph[name])
    assert results(watcher) == expected
    assert watcher.conclusion == ("success" if len(well) == len(graph) else "failure")
