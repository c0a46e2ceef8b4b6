"""`orchestration: dispatch`: an orchestrator's job starts a run of its own, waits for that very run
and ends as it ended, whatever GitHub answers meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.github import BOT
from offline_github.repository import git
from offline_github.server import ApiCall
from pipelines import Made, generic, reopened

DEPLOY_ONLY = dict.fromkeys(["lint", "test", "security", "build"], "")
PLAIN = {**DEPLOY_ONLY, "produces": [], "path": "."}
CONCLUSIONS = [
    *("failure", "timed_out", "cancelled", "startup_failure"),
    *("action_required", "neutral", "stale", "skipped"),
]


def slug(conclusion: str) -> str:
    return conclusion.replace("_", "-")


ENDS = [slug(conclusion) for conclusion in [*CONCLUSIONS, "success"]]
DISPATCH = {"orchestration": "dispatch", "pull_requests": False}
ANSWERS: dict[str, dict[str, Any]] = {
    "site": {**DISPATCH, "components": generic(["site"], **PLAIN)},
    "ends": {
        **DISPATCH,
        "components": generic([name for end in ENDS for name in (end, f"after-{end}")], **PLAIN),
        "dependency_map": {f"after-{end}": end for end in ENDS},
        "environments": [{"name": "dev", "branch": "develop"}],  # so that all can wait at once
    },
}
DEV, CHILD, WAIT = "orchestrator-dev.yml", "site-dev.yml", "site-dev / run"
PREFLIGHT, DEPLOY, SUMMARY = "preflight / preflight", "deploy", "deployment-summary"
POST, LIST = r"/dispatches$", r"/site-dev\.yml/runs$"
ONE_RUN = r"/actions/runs/\d+$"
MINUTE = 60
NOTHING = {"run-id": "", "url": "", "conclusion": ""}
SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}
MAY = "site-dev.yml may or may not have been started"
AGAIN = "re-run the failed jobs: one that has come by then is taken"


def soon(condition: Callable[[], bool]) -> None:
    """Wait a little for something that is about to happen in another thread."""
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)


class Calls(list[ApiCall]):
    """REST calls, each with the time that scripts see. `then` comes before the answer is sent."""

    def __init__(self, github: OfflineGitHub) -> None:
        super().__init__()
        self.github = github
        self.times: list[float] = []
        self.then: Callable[[ApiCall], None] = lambda call: None

    def append(self, call: ApiCall) -> None:
        self.times.append(self.github.clock.now())
        super().append(call)
        self.then(call)

    def gaps(self, method: str, path: str) -> list[float]:
        """The seconds between a job's calls of one kind, as far as they reached GitHub."""
        when = [
            t
            for c, t in zip(self, self.times, strict=True)
            if c.job == WAIT and c.method == method and path in c.path
        ]
        return [after - before for before, after in pairwise(when)]


class Scene:
    """A repository whose orchestrators really run nothing but the jobs that start and wait."""

    def __init__(self, github: OfflineGitHub) -> None:
        self.github = github
        self.calls = github.api_calls = Calls(github)
        github.job_limit = 15
        self.commit = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
        github.forced_results = dict.fromkeys([PREFLIGHT, DEPLOY, SUMMARY], "success")
        github.speed = 5000

    def deploy(self, workflow: str = DEV, ref: str = "develop") -> Run:
        return self.github.dispatch(workflow, ref)

    def ours(self, orchestrator: Run | None = None, workflow: str = CHILD) -> list[Run]:
        """The runs that the (only) orchestrator's run has started."""
        wanted = orchestrator or next(
            r for r in self.github.runs if "orchestrator" in r.workflow_file
        )
        return [
            run
            for run in self.github.runs_of(workflow)
            if run.inputs.get("orchestrator") == str(wanted.id) and run.event == "workflow_dispatch"
        ]

    def title(self, orchestrator: str = "alone") -> str:
        return f"Deploy {self.commit} to dev, site {orchestrator}"

    def strangers(self) -> None:
        """What else may start the same workflow in the same second; all of it has failed."""
        foreign = {"head_sha": self.commit, "head_branch": "develop", "conclusion": "failure"}
        for title in (self.title(), self.title("of run 1, attempt 1")):
            self.github.add_run(CHILD, event="workflow_dispatch", display_title=title, **foreign)
        self.github.add_run(CHILD, event="schedule", display_title=self.title(), **foreign)

    def surround(self) -> None:
        """Strangers just before the job starts its run, and just after."""

        def before(run: Run, key: str) -> None:
            if key == WAIT:
                self.strangers()

        def after(call: ApiCall) -> None:
            if call.method == "POST" and call.path.endswith("/dispatches"):
                self.strangers()

        self.github.before_job, self.calls.then = before, after
        self.github.same_second = True

    def hold(self, until: Callable[[Run], bool], environment: str = "dev") -> None:
        """Nobody approves the deployment until then; the first look finds that it waits."""

        def waiting(call: ApiCall) -> None:
            if call.path.endswith("/dispatches") and call.status == 200:
                soon(lambda: self.github.runs[-1].status == "waiting")

        self.calls.then = waiting

        def hold(run: Run, key: str) -> bool:
            return until(run) or self.over()

        self.github.environments[environment] = {"reviewers": True, "hold": hold}

    def over(self) -> bool:
        """Whether no orchestrator runs any longer."""
        runs = [run for run in self.github.runs if run.workflow_file.startswith("orchestrator")]
        return all(run.status == "completed" for run in runs)

    def starts(self) -> list[int]:
        """What GitHub answered to each call that could start a run."""
        return [c.status for c in self.calls if c.method == "POST" and "/dispatches" in c.path]

    def polls(self) -> list[ApiCall]:
        return [c for c in self.calls if c.job == WAIT and "/actions/runs/" in c.path]

    def outputs(self, run: Run) -> dict[str, str]:
        return {"run-id": str(run.id), "url": self.url(run), "conclusion": str(run.conclusion)}

    def url(self, run: Run) -> str:
        return f"https://github.com/{self.github.name}/actions/runs/{run.id}"


@pytest.fixture
def scene(made: Made, tmp_path: Path) -> Scene:
    return Scene(reopened(made("site", ANSWERS["site"], {}), tmp_path, ("main", "develop")))


def errors(run: Run) -> list[str]:
    """The error lines of the job that waits, without the one that act adds to every failure."""
    return [line for line in run.job(WAIT).errors if line != "Process completed with exit code 1."]


def plan(github: OfflineGitHub, fault: tuple[Any, ...], **kwargs: Any) -> None:
    """A fault of the start: a code of the network, or an answer and whether the run started."""
    status, *rest = fault
    if isinstance(status, str):
        github.unreachable(1, POST, status, method="POST", **kwargs)
    else:
        github.answer("POST", POST, status, *rest, **kwargs)


# The right run


def test_a_run_of_its_own_among_others(scene: Scene) -> None:
    """A person, a schedule and another orchestrator start the workflow in the same second."""
    github = scene.github
    scene.surround()
    del github.forced_results[SUMMARY]
    foreign: list[Run] = []

    def before(run: Run, key: str) -> None:
        if key == WAIT:
            scene.strangers()
            foreign.append(github.dispatch(CHILD, "develop"))
            inputs = {"orchestrator": "1", "commit": scene.commit}
            foreign.append(github.dispatch_at_once(CHILD, "develop", inputs, BOT))

    github.before_job = before
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert orchestrator.conclusion == child.conclusion == "success"
    assert orchestrator.job("site-dev").outputs == scene.outputs(child)
    assert child.display_title == scene.title(f"of run {orchestrator.id}, attempt 1")
    given = {"commit": scene.commit, "packages": "{}", "orchestrator": str(orchestrator.id)}
    assert child.inputs == {**given, "attempt": 1}
    assert len(github.runs_of(CHILD)) == 9 and child not in foreign
    assert scene.starts() == [200] and errors(orchestrator) == []
    summary = orchestrator.job(SUMMARY).summary
    assert f"| site-dev | ✅ success | [open]({scene.url(child)}) |\n" in summary
    assert {c.path.split("/runs/")[1] for c in scene.polls()} == {str(child.id)}


# Never two runs from one start


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param((204,), id="204"),
        pytest.param((502, b"<html>\nBad gateway\n"), id="502"),
        pytest.param((0,), id="dropped"),
    ],
)
@pytest.mark.parametrize("started", [True, False], ids=["started", "not-started"])
def test_an_unclear_start_is_looked_up_by_its_title(
    scene: Scene, fault: tuple[Any, ...], started: bool
) -> None:
    scene.surround()
    plan(scene.github, fault, after=started)
    orchestrator = scene.deploy()
    assert scene.starts() == [fault[0]]
    if started:
        [child] = scene.ours()
        assert orchestrator.job("site-dev").outputs == scene.outputs(child)
        assert orchestrator.conclusion == "success" and errors(orchestrator) == []
        return
    assert scene.ours() == [] and orchestrator.conclusion == "failure"
    said = {
        204: "GitHub answers 204 and names no run",
        502: "GitHub answers 502: <html> Bad gateway ",
        0: "other side closed",
    }[fault[0]]
    why = "and no run has come in two minutes"
    assert errors(orchestrator) == [f"{MAY} ({said}), {why}; {AGAIN}"]
    assert orchestrator.job("site-dev").outputs == NOTHING


@pytest.mark.parametrize("code", ["ECONNRESET", "ETIMEDOUT"])
def test_a_connection_that_broke_is_not_tried_again(scene: Scene, code: str) -> None:
    scene.surround()
    plan(scene.github, (code,))
    orchestrator = scene.deploy()
    assert scene.starts() == [] and scene.ours() == []
    [error] = errors(orchestrator)
    assert error.startswith(f"{MAY} (") and code in error and error.endswith(AGAIN)


def test_a_start_that_surely_did_not_happen_is_repeated(scene: Scene) -> None:
    github = scene.github
    scene.surround()
    for skip, code in enumerate(["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED"]):
        plan(github, (code,), skip=skip)
    refusals = [
        (429, {"message": "Slow down"}, 1, {"retry-after": "120"}),
        (403, {"message": "Slow down"}, 1, {"retry-after": "200"}),
        (403, SECONDARY),
        (429, {"message": "Slow down"}, 1, {"retry-after": "0"}),
    ]
    for skip, refusal in enumerate(refusals):
        plan(github, refusal, skip=skip)
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert scene.starts() == [429, 403, 403, 429, 200]
    waits = scene.calls.gaps("POST", "/dispatches")
    assert [wait > least for wait, least in zip(waits, [119, 199, 59, 59], strict=True)] == [
        True
    ] * 4
    assert orchestrator.job("site-dev").outputs == scene.outputs(child)
    assert errors(orchestrator) == []


def test_a_start_waits_for_the_quota(scene: Scene) -> None:
    scene.github.rate_limit.window = 30 * MINUTE
    scene.github.quota = 0
    orchestrator = scene.deploy()
    [child] = scene.ours()
    # To ask what is left costs nothing, so the start itself is not even tried before.
    assert scene.starts() == [200] and child.conclusion == "success"
    began, started = (datetime.fromisoformat(r.created_at) for r in (orchestrator, child))
    assert 29 * MINUTE < (started - began).total_seconds() < 120 * MINUTE
    assert orchestrator.conclusion == "success"


@pytest.mark.parametrize(("left", "waits"), [(201, False), (199, True)])
def test_a_start_leaves_calls_to_what_it_starts(scene: Scene, left: int, waits: bool) -> None:
    scene.github.rate_limit.window = 30 * MINUTE
    scene.github.quota = left
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert scene.starts() == [200] and orchestrator.conclusion == "success"
    began, started = (datetime.fromisoformat(r.created_at) for r in (orchestrator, child))
    assert ((started - began).total_seconds() > 25 * MINUTE) is waits


NOT_STARTED = [
    pytest.param(
        (403, {"message": "Resource not accessible"}),
        "GitHub answers 403: Resource not accessible",
        id="403",
    ),
    pytest.param(
        (404, {"message": "Not Found"}),
        "GitHub answers 404: Not Found; GitHub starts only what is on the default branch too",
        id="404",
    ),
    pytest.param(
        (422, {"message": "Unexpected inputs"}), "GitHub answers 422: Unexpected inputs", id="422"
    ),
    pytest.param(
        (429, {"message": "Slow\ndown"}, 1, {"retry-after": "3700"}),
        "GitHub answers 429: Slow down",
        id="429-for-more-than-an-hour",
    ),
]


@pytest.mark.parametrize(("fault", "said"), NOT_STARTED)
def test_a_refused_start_is_one_clear_line(scene: Scene, fault: tuple[Any, ...], said: str) -> None:
    scene.surround()
    plan(scene.github, fault)
    orchestrator = scene.deploy()
    assert scene.starts() == [fault[0]] and scene.ours() == []
    assert orchestrator.conclusion == "failure"
    assert errors(orchestrator) == [f"site-dev.yml was not started: {said}"]


def test_a_late_list_and_one_of_many_pages(scene: Scene) -> None:
    github = scene.github
    scene.surround()
    plan(github, (502,), after=True)
    github.answer("GET", LIST, 200, {"workflow_runs": []}, times=3)
    github.answer("GET", LIST, 200, b"", skip=3)  # the connection broke after the headers

    def after(call: ApiCall) -> None:
        if call.method == "POST":
            for _ in range(35):
                scene.strangers()

    scene.calls.then = after
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert orchestrator.job("site-dev").outputs == scene.outputs(child)
    lists = [c.path.partition("page=")[2] for c in scene.calls if "/site-dev.yml/runs" in c.path]
    assert len(lists) == 6 and lists[-1].endswith("page=2")


def test_runs_that_cannot_be_listed_leave_the_start_unclear(scene: Scene) -> None:
    plan(scene.github, (0,), after=True)
    scene.github.answer("GET", LIST, 401, {"message": "Bad credentials"})
    orchestrator = scene.deploy()
    assert len(scene.ours()) == 1
    why = "and its runs cannot be listed (GitHub answers 401: Bad credentials)"
    assert errors(orchestrator) == [f"{MAY} (other side closed), {why}; {AGAIN}"]


# Re-runs


def lose_the_polling(scene: Scene, status: int = 401) -> None:
    """The orchestrator gives up after its first look, and the run goes on without it."""
    scene.github.answer("GET", ONE_RUN, status, {"message": "Bad credentials"}, skip=1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_rerun_takes_what_has_succeeded_meanwhile(scene: Scene, status: int) -> None:
    github = scene.github
    lose_the_polling(scene, status)
    scene.hold(lambda run: False)
    orchestrator = scene.deploy()
    [child] = scene.ours()
    outputs = scene.outputs(child)
    assert (orchestrator.conclusion, child.conclusion) == ("failure", "success")
    assert orchestrator.job("site-dev").outputs == outputs | {"conclusion": "waiting"}
    said = f"can no longer be watched, and may go on (GitHub answers {status}: Bad credentials)"
    then = "re-run the failed jobs once it has ended"
    assert errors(orchestrator) == [f"{CHILD}: {scene.url(child)} {said}; {then}"]

    again = github.rerun(orchestrator, failed_only=True)
    assert again.conclusion == "success" and scene.ours() == [child]
    assert again.job("site-dev").outputs == outputs and scene.starts() == [200]
    taken = f"##[notice]Not started again: attempt 1 has started {scene.url(child)}"
    assert taken in again.job(WAIT).log.splitlines()


def test_a_rerun_waits_for_what_still_runs(scene: Scene) -> None:
    github = scene.github
    lose_the_polling(scene)
    again: list[Run] = []

    def until(run: Run) -> bool:
        if github.runs[0].status == "completed" and not again:
            scene.strangers()
            again.append(github.rerun(github.runs[0], failed_only=True))
        return len(scene.polls()) > 5

    scene.hold(until)
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert (orchestrator.conclusion, again[0].conclusion) == ("failure", "success")
    assert again[0].job("site-dev").outputs == scene.outputs(child) and scene.starts() == [200]


def test_a_rerun_starts_anew_what_failed(scene: Scene) -> None:
    github = scene.github
    github.forced_results[DEPLOY] = "failure"
    orchestrator = scene.deploy()
    github.forced_results[DEPLOY] = "success"
    scene.surround()
    again = github.rerun(orchestrator, failed_only=True)
    first, second = scene.ours()
    assert (first.conclusion, second.conclusion, again.conclusion) == (
        *("failure", "success", "success"),
    )
    assert errors(orchestrator) == [f"{CHILD} ended with failure: {scene.url(first)}"]
    assert orchestrator.job("site-dev").outputs == scene.outputs(first)
    assert again.job("site-dev").outputs == scene.outputs(second)
    assert second.display_title == scene.title(f"of run {orchestrator.id}, attempt 2")
    assert second.inputs["attempt"] == 2 and scene.starts() == [200, 200]
    # A third attempt of everything deploys once more; one of what failed has nothing to do.
    assert github.rerun(again, failed_only=True).conclusion == "success"
    third = github.rerun(github.runs[-1])
    assert [run.inputs["attempt"] for run in scene.ours()] == [1, 2, third.attempt]
    assert third.attempt == 4 and third.job("site-dev").outputs == scene.outputs(scene.ours()[-1])


def test_a_run_that_came_too_late_is_taken_by_a_rerun(scene: Scene) -> None:
    github = scene.github
    plan(github, (204,), after=True)
    github.answer("GET", LIST, 200, {"workflow_runs": []}, times=12)
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert (orchestrator.conclusion, child.conclusion) == ("failure", "success")
    [error] = errors(orchestrator)
    assert error.startswith(f"{MAY} (") and error.endswith(AGAIN)
    again = github.rerun(orchestrator, failed_only=True)
    assert again.job("site-dev").outputs == scene.outputs(child) and scene.ours() == [child]


def test_an_unclear_start_of_a_rerun_is_not_that_of_an_earlier_attempt(scene: Scene) -> None:
    github = scene.github
    github.forced_results[DEPLOY] = "failure"
    orchestrator = scene.deploy()
    github.forced_results[DEPLOY] = "success"
    plan(github, (0,))
    again = github.rerun(orchestrator, failed_only=True)
    assert len(scene.ours()) == 1 and again.conclusion == "failure"
    assert errors(again)[0].startswith(MAY) and again.job("site-dev").outputs == NOTHING


def test_a_rerun_that_cannot_see_what_was_started_starts_nothing(scene: Scene) -> None:
    github = scene.github
    github.forced_results[DEPLOY] = "failure"
    orchestrator = scene.deploy()
    github.answer("GET", LIST, 401, {"message": "Bad credentials"})
    again = github.rerun(orchestrator, failed_only=True)
    why = "what earlier attempts started cannot be listed (GitHub answers 401: Bad credentials)"
    assert errors(again) == [f"{CHILD} was not started: {why}"] and scene.starts() == [200]


PRD, PRD_WAIT, PRD_CHILD = "orchestrator-prd.yml", "site-prd / run", "site-prd.yml"
GATE = "Check that a person had to approve this re-run"


def in_production(scene: Scene, retry: dict[str, Any], first: str) -> Run:
    """A deployment to production whose deploy job, or whose polling, failed."""
    github = scene.github
    github.environments = {"prd": {"reviewers": True}, **github.environments, "prd-retry": retry}
    github.forced_results |= {"tested-commit": "success", DEPLOY: first}
    github.forced_outputs = {PREFLIGHT: {"commit": scene.commit, "runs": "{}"}}
    return scene.deploy(PRD, "main")


@pytest.mark.parametrize("failed_only", [True, False], ids=["failed-jobs", "all-jobs"])
def test_a_new_run_of_a_rerun_in_production_has_to_be_approved(
    scene: Scene, failed_only: bool
) -> None:
    orchestrator = in_production(scene, {"reviewers": True}, "failure")
    scene.github.forced_results[DEPLOY] = "success"
    again = scene.github.rerun(orchestrator, failed_only=failed_only)
    first, second = scene.ours(workflow=PRD_CHILD)
    assert (first.attempt, first.approvals) == (1, [(DEPLOY, "prd")])
    assert (second.attempt, second.approvals) == (1, [(DEPLOY, "prd-retry")])
    assert again.conclusion == second.conclusion == "success"
    assert again.approvals == [] and again.job("site-prd").outputs == scene.outputs(second)


def test_a_new_run_of_a_rerun_that_nobody_approves_fails_first(scene: Scene) -> None:
    orchestrator = in_production(scene, {}, "failure")
    del scene.github.forced_results[DEPLOY]
    again = scene.github.rerun(orchestrator, failed_only=True)
    second = scene.ours(workflow=PRD_CHILD)[1]
    assert second.approvals == [] and second.job(DEPLOY).steps == {GATE: "failure"}
    assert again.job(PRD_WAIT).errors[0] == f"{PRD_CHILD} ended with failure: {scene.url(second)}"
    assert scene.github.commands() == []


def test_a_run_that_a_rerun_takes_in_production_asks_nobody(scene: Scene) -> None:
    lose_the_polling(scene, 403)
    scene.hold(lambda run: False, "prd")
    orchestrator = in_production(scene, {"reviewers": True}, "success")
    again = scene.github.rerun(orchestrator, failed_only=True)
    [child] = scene.ours(workflow=PRD_CHILD)
    assert (orchestrator.conclusion, again.conclusion) == ("failure", "success")
    assert child.approvals == [(DEPLOY, "prd")] and again.approvals == []
    assert again.job("site-prd").outputs == scene.outputs(child)


# Only success is success


def test_every_other_end_fails_and_what_depends_on_it_does_not_start(
    made: Made, tmp_path: Path
) -> None:
    work_tree = made("ends", ANSWERS["ends"], {})
    github = reopened(work_tree, tmp_path, ("main", "develop"))
    scene = Scene(github)
    del github.forced_results[SUMMARY]
    ends = dict(zip(ENDS, [*CONCLUSIONS, "success"], strict=True))
    github.forced_conclusions = {f"{end}-dev.yml": ends[end] for end in ENDS}
    github.forced_results["after-success-dev / run"] = "success"
    orchestrator = scene.deploy()
    summary = orchestrator.job(SUMMARY).summary
    failing = {f"{end}-dev" for end in ENDS if end != "success"}
    assert {k for k, v in orchestrator.results.items() if v == "skipped"} == {
        f"after-{name}" for name in failing
    }
    assert {k for k, v in orchestrator.results.items() if v == "failure"} == {
        *failing,
        *(f"{name} / run" for name in failing),
        SUMMARY,
    }
    for end, conclusion in ends.items():
        [child] = scene.ours(workflow=f"{end}-dev.yml")
        job = orchestrator.job(f"{end}-dev")
        assert job.outputs == scene.outputs(child) | {"conclusion": conclusion}
        assert f" {conclusion} | [open]({scene.url(child)}) |" in summary
        told = [f"{end}-dev.yml ended with {conclusion}: {scene.url(child)}"]
        lines = [e for e in orchestrator.job(f"{end}-dev / run").errors if "Process" not in e]
        assert lines == (told if conclusion != "success" else [])
    assert not any(github.runs_of(f"after-{end}-dev.yml") for end in ENDS)


# Waiting


def test_looks_become_rarer_up_to_one_a_minute(scene: Scene) -> None:
    scene.github.speed = 500
    scene.hold(lambda run: len(scene.polls()) >= 12)
    orchestrator = scene.deploy()
    gaps = scene.calls.gaps("GET", "/actions/runs/")
    growing = [9.9, 14.9, 22.4, 33.7, 50.5, *[59.0] * 5]
    assert [gap > least for gap, least in zip(gaps, growing, strict=False)] == [True] * 10
    # A call takes a few milliseconds, or more where the machine is busy: half a second each here.
    assert min(gaps) < 40 and min(gaps[8:]) < 120
    assert orchestrator.conclusion == "success"


def test_an_hour_costs_a_component_few_calls(scene: Scene) -> None:
    github = scene.github
    github.speed = 20_000
    begin: list[float] = []

    def until(run: Run) -> bool:
        begin[:] = begin or [github.clock.now()]
        return github.clock.now() - begin[0] > 60 * MINUTE

    scene.hold(until)
    orchestrator = scene.deploy()
    assert orchestrator.conclusion == "success"
    counted = [call for call in scene.calls if call.status != 304]
    looks = len(scene.polls())
    # The start, that it waits, how it ended, and what was to be seen between these two.
    assert 3 <= len(counted) <= 6 and 30 * len(counted) < 1000
    assert 10 < looks < 70


def test_waiting_survives_what_passes(scene: Scene) -> None:
    github = scene.github
    # The run is hardly to be found at first, although the start took long.
    plan(github, (429, {"message": "Slow down"}, 1, {"retry-after": "150"}))
    for skip, code in enumerate(["ENOTFOUND", "ECONNRESET"]):
        github.unreachable(1, ONE_RUN, code, skip=skip + 2)
    not_found, slow = {"message": "Not Found"}, {"message": "Slow down"}
    answers: list[tuple[tuple[Any, ...], float]] = [
        ((404, not_found), 9),
        ((404, not_found), 19),
        ((429, slow, 1, {"retry-after": "75"}), 74),
        ((403, slow, 1, {"retry-after": "80"}), 79),
        ((403, SECONDARY), 59),
        ((503, b"<html>", 1, {"retry-after": "70"}), 69),
        ((502, b"<html>\nBad gateway\n"), 9),
        ((0,), 9),
        ((200, b""), 9),
    ]
    for skip, (answer, _) in enumerate(answers):
        github.answer("GET", ONE_RUN, *answer, skip=skip)
    github.speed = 800
    scene.hold(lambda run: len(scene.polls()) >= 12)
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert orchestrator.job("site-dev").outputs == scene.outputs(child)
    assert orchestrator.conclusion == "success" and errors(orchestrator) == []
    gaps = scene.calls.gaps("GET", "/actions/runs/")
    for (answer, least), gap in zip(answers, gaps, strict=False):
        assert gap > least, (answer, gap)


def test_a_run_that_is_gone_is_not_looked_for_any_longer(scene: Scene) -> None:
    scene.hold(lambda run: False)
    scene.github.answer("GET", ONE_RUN, 404, {"message": "Not Found"}, times=99, skip=8)
    orchestrator = scene.deploy()
    [child] = scene.ours()
    [error] = errors(orchestrator)
    said = "can no longer be watched, and may go on (GitHub answers 404: Not Found)"
    assert error == f"{CHILD}: {scene.url(child)} {said}; re-run the failed jobs once it has ended"
    assert len(scene.polls()) == 9


@pytest.mark.parametrize(
    ("left", "speed", "least", "most"), [(300, 3000, 250, 700), (3, 10_000, 2000, 5000)]
)
def test_looks_share_what_is_left_of_the_quota(
    scene: Scene, left: int, speed: int, least: float, most: float
) -> None:
    """Nearly nothing is left: it waits for the hour's end, and no longer."""
    github = scene.github
    github.speed = speed
    scene.hold(lambda run: len(scene.polls()) >= 3)

    def spend(call: ApiCall) -> None:
        if call.method == "POST":
            github.quota = left

    waiting = scene.calls.then
    scene.calls.then = lambda call: (spend(call), waiting(call))[1]
    orchestrator = scene.deploy()
    first = scene.calls.gaps("GET", "/actions/runs/")[0]
    assert least < first < most
    assert orchestrator.conclusion == "success"


def test_a_quota_that_is_spent_meanwhile_is_waited_for(scene: Scene) -> None:
    github = scene.github
    github.rate_limit.window = 20 * MINUTE

    def spend(call: ApiCall) -> None:
        if call.method == "POST":
            github.quota = 0

    scene.hold(lambda run: len(scene.polls()) >= 4)
    waiting = scene.calls.then
    scene.calls.then = lambda call: (spend(call), waiting(call))[1]
    orchestrator = scene.deploy()
    assert [c.status for c in scene.polls()][:2] == [403, 200]
    assert 15 * MINUTE < scene.calls.gaps("GET", "/actions/runs/")[0] < 60 * MINUTE
    assert orchestrator.conclusion == "success" and len(scene.ours()) == 1


@pytest.mark.parametrize("held", ["approval", "job", "quota"])
def test_a_deadline(scene: Scene, held: str) -> None:
    """GitHub would end the job after six hours: before that it says what is the matter."""
    github = scene.github
    github.speed = 40_000

    def work(run: Run, key: str) -> None:
        if key == DEPLOY:
            soon(scene.over)

    if held == "job":
        github.before_job = work
    else:
        scene.hold(lambda run: False)
    if held == "quota":  # that does not come back
        github.rate_limit.window = 12 * 60 * MINUTE
        github.quota = 20
    orchestrator = scene.deploy()
    [child] = scene.ours()
    state = "is in_progress" if held == "job" else "waits for approval"
    said = f"still {state} after 350 minutes, and goes on; re-run the failed jobs once it has ended"
    assert errors(orchestrator) == [f"{CHILD}: {scene.url(child)} {said}"]
    assert orchestrator.conclusion == "failure"
    assert (child.conclusion, child.cancelled) == ("success", False)
    assert 200 * MINUTE < scene.calls.times[-1] - scene.calls.times[0] < 600 * MINUTE
    # The next attempt takes it.
    github.speed, github.quota = 5000, None
    again = github.rerun(orchestrator, failed_only=True)
    assert again.conclusion == "success" and scene.starts() == [200]


def test_a_run_that_never_begins_is_cancelled(scene: Scene) -> None:
    github = scene.github
    github.speed = 10_000

    def before(run: Run, key: str) -> None:
        if key == WAIT:
            github.no_runner = {"ubuntu-latest"}

    def after(call: ApiCall) -> None:
        if call.path.endswith("/cancel"):
            github.no_runner = set()

    github.before_job, scene.calls.then = before, after
    plan(github, (429, {"message": "Slow down"}, 1, {"retry-after": "1200"}))
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert (orchestrator.conclusion, child.conclusion) == ("failure", "cancelled")
    said = "has not begun in 60 minutes, so it was cancelled; is there a runner for its labels?"
    assert errors(orchestrator) == [f"{CHILD}: {scene.url(child)} {said}"]
    # Counted from its start, which took twenty minutes itself.
    begun = next(t for c, t in zip(scene.calls, scene.calls.times, strict=True) if c.status == 200)
    assert 59 * MINUTE < scene.calls.times[-1] - begun < 120 * MINUTE


def test_a_run_behind_another_deployment_has_begun(scene: Scene) -> None:
    """Its preflight was too quick to be seen, and since then it is pending: not without runner."""
    github = scene.github
    github.speed = 20_000
    begin: list[float] = []

    def until(run: Run) -> bool:
        if run.inputs["orchestrator"]:
            return True
        begin[:] = begin or [github.clock.now()]
        return github.clock.now() - begin[0] > 3 * 60 * MINUTE

    def before(run: Run, key: str) -> None:
        if key == WAIT:
            other = github.dispatch(CHILD, "develop")
            soon(lambda: other.status == "waiting")

    def pending(call: ApiCall) -> None:
        if call.method == "POST":
            soon(lambda: github.runs[-1].status == "pending")

    scene.hold(until)
    github.before_job, scene.calls.then = before, pending
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert orchestrator.conclusion == child.conclusion == "success"
    assert not child.cancelled and len([c for c in scene.calls if c.method == "POST"]) == 1


# Cancelling


CANCEL_STEP = "Cancel the run as well"


def cancelled_while(scene: Scene, moment: Callable[[ApiCall], bool]) -> Callable[[ApiCall], None]:
    """Cancels the newest orchestrator's run before the first such call is answered."""
    github, done = scene.github, []

    def then(call: ApiCall) -> None:
        if not done and moment(call):
            done.append(call)
            github.cancel([r for r in github.runs if r.workflow_file == DEV][-1])

    return then


def cancels(scene: Scene) -> list[tuple[str, int]]:
    calls = [call for call in scene.calls if call.path.endswith("/cancel")]
    return [(call.path.split("/")[-2], call.status) for call in calls]


def test_cancelling_reaches_the_run_that_is_waited_for(scene: Scene) -> None:
    """Although GitHub does not take the first two calls."""
    github = scene.github
    github.speed = 200
    scene.hold(lambda run: False)
    waiting = scene.calls.then
    cancel = cancelled_while(scene, lambda call: len(scene.polls()) == 2)
    scene.calls.then = lambda call: (waiting(call), cancel(call))[1]
    github.answer("POST", "/cancel$", 502, b"<html>")
    github.answer("POST", "/cancel$", 429, {"message": "Slow"}, 1, {"retry-after": "40"}, skip=1)
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert orchestrator.conclusion == child.conclusion == "cancelled"
    assert cancels(scene) == [(str(child.id), status) for status in (502, 429, 202)]
    assert scene.calls.gaps("POST", "/cancel")[1] > 39
    assert orchestrator.job(WAIT).steps[CANCEL_STEP] == "success"


def test_cancelling_reaches_a_run_whose_start_is_unclear(scene: Scene) -> None:
    github = scene.github
    github.speed = 20  # so that the step before does not find it sooner
    scene.hold(lambda run: False)
    plan(github, (204,), after=True)
    github.answer("GET", LIST, 200, {"workflow_runs": []})  # nor this one at once
    cancel = cancelled_while(scene, lambda call: call.method == "POST")

    def after(call: ApiCall) -> None:
        scene.strangers()
        cancel(call)

    scene.calls.then = after
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert orchestrator.conclusion == child.conclusion == "cancelled"
    assert cancels(scene) == [(str(child.id), 202)]
    assert orchestrator.job("site-dev").outputs == NOTHING


def test_cancelling_what_is_over_is_no_error(scene: Scene) -> None:
    github = scene.github
    github.speed = 20
    going_on = {"status": "in_progress", "conclusion": None}
    github.answer("GET", ONE_RUN, 200, going_on)
    cancel = cancelled_while(scene, lambda call: len(scene.polls()) == 1)

    def after(call: ApiCall) -> None:
        if call.method == "POST":
            soon(lambda: github.runs[-1].status == "completed")
        cancel(call)

    scene.calls.then = after
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert (orchestrator.conclusion, child.conclusion) == ("cancelled", "success")
    assert cancels(scene) == [(str(child.id), 409)]
    job = orchestrator.job(WAIT)
    assert job.steps[CANCEL_STEP] == "success" and "##[warning]" not in job.log


def test_cancelling_a_rerun_reaches_what_an_earlier_attempt_started(scene: Scene) -> None:
    """It had not found that run yet."""
    github = scene.github
    github.speed = 100
    lose_the_polling(scene)
    again: list[Run] = []

    def until(run: Run) -> bool:
        if github.runs[0].status == "completed" and not again:
            github.speed = 20
            github.answer("GET", LIST, 502)
            scene.calls.then = cancelled_while(scene, lambda call: call.status == 502)
            again.append(github.rerun(github.runs[0], failed_only=True))
        return False

    scene.hold(until)
    scene.deploy()
    [child] = scene.ours()
    assert again[0].conclusion == child.conclusion == "cancelled"
    assert cancels(scene) == [(str(child.id), 202)] and scene.starts() == [200]


def test_a_cancellation_that_fails_is_told(scene: Scene) -> None:
    github = scene.github
    github.speed = 500
    scene.hold(lambda run: False)
    waiting = scene.calls.then
    cancel = cancelled_while(scene, lambda call: len(scene.polls()) == 2)
    scene.calls.then = lambda call: (waiting(call), cancel(call))[1]
    github.answer("POST", "/cancel$", 500, {"message": "Oops"}, times=99)
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert (orchestrator.conclusion, child.conclusion) == ("cancelled", "success")
    warning = f"##[warning]Run {child.id} of {CHILD} could not be cancelled, and may go on"
    assert warning in orchestrator.job(WAIT).log.splitlines()
    assert 3 <= len(cancels(scene)) <= 8


# Everything at random

# In these, starts whose answer is lost meet runs of ours that failed, and strangers.
SEEDS = [3, 6, 16, 23, 38]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_faults(scene: Scene, seed: int) -> None:
    """Whatever GitHub, the network and people do, in three attempts: at most one run of ours an
    attempt, green only if it succeeded, one clear line otherwise."""
    github, chance = scene.github, random.Random(seed)
    bodies = [
        *[(status, {"message": "Oops"}) for status in (401, 403, 404, 422, 429, 500, 502)],
        *[(0,), (204,), (200, b""), (403, SECONDARY)],
        *[(status, SECONDARY, 1, {"retry-after": "70"}) for status in (403, 429, 503)],
    ]
    soft = [
        body for body in bodies if body[0] in (0, 429, 500, 502, 503) or body[1:] == (SECONDARY,)
    ]
    codes = ["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT"]

    def faults() -> None:
        for _ in range(chance.randint(0, 2)):
            fault = chance.choice(bodies)  # what GitHub refuses, it has not done
            plan(github, fault, after=chance.random() < 0.5 and not 400 <= fault[0] < 500)
        for path in (ONE_RUN, LIST):
            for _ in range(chance.randint(0, 3)):
                fault = chance.choice(bodies if chance.random() < 0.2 else soft)
                github.answer("GET", path, *fault, skip=chance.randint(0, 2))
        if chance.random() < 0.5:
            github.answer("POST", "/cancel$", *chance.choice(soft))
        for method, path in (("POST", POST), ("GET", ONE_RUN), ("GET", LIST)):
            if chance.random() < 0.4:
                github.unreachable(1, path, chance.choice(codes), method=method)

    run: Run | None = None
    for attempt in (1, 2, 3):
        faults()
        scene.surround()
        work, before, after = chance.random() / 20, github.before_job, scene.calls.then
        # Every other attempt is cancelled, at a call that it may never come to.
        last = len(scene.calls) + (chance.randint(1, 8) if chance.random() < 0.5 else 999)
        cancel = cancelled_while(scene, lambda call, last=last: len(scene.calls) == last)

        def deploying(run: Run, key: str, work: float = work, before: Any = before) -> None:
            before(run, key)
            time.sleep(work if key == DEPLOY else 0)

        def then(call: ApiCall, after: Any = after, cancel: Any = cancel) -> None:
            after(call)
            if call.job == WAIT:
                cancel(call)

        github.before_job, scene.calls.then = deploying, then
        github.forced_results[DEPLOY] = chance.choice(["success", "failure"])
        if run is None:
            run = scene.deploy()
        else:
            run = github.rerun(run, failed_only=chance.random() < 0.7)
        if WAIT not in run.order:
            assert "success" in (run.conclusion, run.results["site-dev"])  # before already
            continue
        children = scene.ours()
        started = [child.inputs["attempt"] for child in children]
        assert started == sorted(set(started)) and set(started) <= set(range(1, attempt + 1))
        outputs = run.job("site-dev").outputs
        if run.conclusion == "success":
            [child] = [child for child in children if str(child.id) == outputs["run-id"]]
            assert outputs == scene.outputs(child) and child.conclusion == "success"
            assert errors(run) == []
        elif run.cancelled:
            assert all(child.status == "completed" for child in children)
        else:
            [error] = errors(run)
            assert error.startswith("site-dev.yml") and "\n" not in error and len(error) < 500
            assert outputs["run-id"] in {"", *(str(child.id) for child in children)}
