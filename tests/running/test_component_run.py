"""`orchestration: dispatch`: an orchestrator's job starts a run of its own, waits for that very run
and ends as it ended, whatever GitHub answers meanwhile.

How its scripts take each answer is in tests/scripts/run-component.test.mjs; here, what that comes
to among other runs, from one attempt to the next, and with faults at random.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import Made, generic, planned, reopened
from offline_github import OfflineGitHub, Run
from offline_github.github import BOT
from offline_github.repository import git
from offline_github.server import ApiCall

DEPLOY_ONLY = dict.fromkeys(["lint", "test", "security", "build"], "")
PLAIN = {**DEPLOY_ONLY, "produces": [], "path": "."}
CONCLUSIONS = [
    *("failure", "timed_out", "cancelled", "startup_failure"),
    *("action_required", "neutral", "stale", "skipped"),
]
ENDS = {end.replace("_", "-"): end for end in [*CONCLUSIONS, "success"]}
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
DEV, CHILD, WAIT = "orchestrator-dev.yml", "site-dev.yml", "site-dev"
CHANGES, DEPLOY, SUMMARY = "changes", "deploy / deploy", "deployment-summary"
POST, LIST = r"/dispatches$", r"/site-dev\.yml/runs$"
ONE_RUN = r"/actions/runs/\d+$"
MINUTE = 60
SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}


def soon(condition: Callable[[], bool]) -> None:
    """Wait a little for something that is about to happen in another thread."""
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)


class Calls(list[ApiCall]):
    """Matching REST calls. `then` is called before the answer is sent."""

    then: Callable[[ApiCall], None] = staticmethod(lambda call: None)

    def append(self, call: ApiCall) -> None:
        super().append(call)
        self.then(call)


class Scene:
    """A repository whose orchestrators really run only the jobs that start runs and wait."""

    def __init__(self, github: OfflineGitHub, deploys: Collection[str] = ("site",)) -> None:
        self.github = github
        self.calls = github.api_calls = Calls()
        github.job_limit = 15
        self.commit = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
        github.forced_results = dict.fromkeys([CHANGES, DEPLOY, SUMMARY], "success")
        github.forced_outputs = {CHANGES: {"commit": self.commit, **planned(deploy=deploys)}}
        github.speed = 1000

    def deploy(self) -> Run:
        return self.github.dispatch(DEV, "develop")

    def ours(self, workflow: str = CHILD) -> list[Run]:
        """The runs that the only orchestrator's run has started."""
        wanted = next(r for r in self.github.runs if "orchestrator" in r.workflow_file)
        return [
            run
            for run in self.github.runs_of(workflow)
            if run.inputs.get("orchestrator") == str(wanted.id) and run.event == "workflow_dispatch"
        ]

    def title(self, orchestrator: str = "alone") -> str:
        return f"Deploy {self.commit} to dev, site {orchestrator}"

    def strangers(self) -> None:
        """Other runs of the same workflow that start in the same second. All of them failed."""
        foreign = {"head_sha": self.commit, "head_branch": "develop", "conclusion": "failure"}
        for title in (self.title(), self.title("of run 1, attempt 1")):
            self.github.add_run(CHILD, event="workflow_dispatch", display_title=title, **foreign)
        self.github.add_run(CHILD, event="schedule", display_title=self.title(), **foreign)

    def surround(self, times: int = 1) -> None:
        """Strangers just before the job starts its run, and just after."""

        def before(run: Run, key: str) -> None:
            if key == WAIT:
                self.strangers()

        def after(call: ApiCall) -> None:
            if call.method == "POST" and call.path.endswith("/dispatches"):
                for _ in range(times):
                    self.strangers()

        self.github.before_job, self.calls.then = before, after
        self.github.same_second = True

    def hold(self, until: Callable[[Run], bool]) -> None:
        """Nobody approves the deployment before that, so the first check finds that it waits."""

        def waiting(call: ApiCall) -> None:
            if call.path.endswith("/dispatches") and call.status == 200:
                soon(lambda: self.github.runs[-1].status == "waiting")

        self.calls.then = waiting
        hold = {"reviewers": True, "hold": lambda run, key: until(run) or self.over()}
        self.github.environments["dev"] = hold

    def over(self) -> bool:
        """Whether all runs of orchestrators have ended."""
        runs = [run for run in self.github.runs if run.workflow_file.startswith("orchestrator")]
        return all(run.status == "completed" for run in runs)

    def starts(self) -> list[int]:
        """GitHub's answers to the calls that could start a run."""
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


def errors(run: Run, job: str = WAIT) -> list[str]:
    """The error lines of a job that waits, without the one that act adds to every failure."""
    return [line for line in run.job(job).errors if line != "Process completed with exit code 1."]


def plan(github: OfflineGitHub, fault: tuple[Any, ...], **kwargs: Any) -> None:
    """A failed start: a network error, or an answer together with whether the run started."""
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
    assert orchestrator.job(WAIT).outputs == scene.outputs(child)
    assert child.display_title == scene.title(f"of run {orchestrator.id}, attempt 1")
    given = {"commit": scene.commit, "packages": "same-commit", "attempt": "1"}
    assert child.inputs == {**given, "orchestrator": str(orchestrator.id)}
    assert len(github.runs_of(CHILD)) == 9 and child not in foreign
    assert scene.starts() == [200] and errors(orchestrator) == []
    summary = orchestrator.job(SUMMARY).summary
    assert f"| site | ✅ success |  | [open]({scene.url(child)}) |\n" in summary
    assert {c.path.split("/runs/")[1] for c in scene.polls()} == {str(child.id)}


def test_a_run_that_github_did_not_name_is_found_in_a_late_and_long_list(scene: Scene) -> None:
    github = scene.github
    scene.surround(times=35)
    plan(github, (502,), after=True)
    github.answer("GET", LIST, 200, {"workflow_runs": []}, times=3)
    github.answer("GET", LIST, 200, b"", skip=3)  # the connection broke after the headers
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert orchestrator.job(WAIT).outputs == scene.outputs(child) and scene.starts() == [502]
    lists = [c.path.partition("page=")[2] for c in scene.calls if "/site-dev.yml/runs" in c.path]
    assert len(lists) == 6 and lists[-1].endswith("page=2")


def test_every_other_end_fails_and_what_depends_on_it_does_not_start(
    made: Made, tmp_path: Path
) -> None:
    work_tree = made("ends", ANSWERS["ends"], {})
    deploys = [name for end in ENDS for name in (end, f"after-{end}")]
    scene = Scene(reopened(work_tree, tmp_path, ("main", "develop")), deploys)
    github = scene.github
    del github.forced_results[SUMMARY]
    github.forced_conclusions = {f"{name}-dev.yml": end for name, end in ENDS.items()}
    github.forced_results["after-success-dev"] = "success"
    orchestrator = scene.deploy()
    failing = [name for name, end in ENDS.items() if end != "success"]
    assert {k for k, v in orchestrator.results.items() if v == "skipped"} == {
        f"after-{name}-dev" for name in failing
    }
    assert {k for k, v in orchestrator.results.items() if v == "failure"} == {
        *(f"{name}-dev" for name in failing),
        SUMMARY,
    }
    summary = orchestrator.job(SUMMARY).summary
    for name, end in ENDS.items():
        [child] = scene.ours(f"{name}-dev.yml")
        assert orchestrator.job(f"{name}-dev").outputs == scene.outputs(child)
        assert child.conclusion == end and f" {end} |  | [open]({scene.url(child)}) |" in summary
        told = [f"{name}-dev.yml ended with {end}: {scene.url(child)}"]
        assert errors(orchestrator, f"{name}-dev") == (told if end != "success" else [])
        assert len(github.runs_of(f"after-{name}-dev.yml")) == 0


def test_an_hour_costs_a_component_few_calls(scene: Scene) -> None:
    github = scene.github
    github.speed = 3000
    begin: list[float] = []

    def until(run: Run) -> bool:
        begin[:] = begin or [github.clock.now()]
        return github.clock.now() - begin[0] > 60 * MINUTE

    scene.hold(until)
    orchestrator = scene.deploy()
    assert orchestrator.conclusion == "success"
    counted = [call for call in scene.calls if call.status != 304]
    # The messages: the start, that it waits, the states between, and the end.
    assert 3 <= len(counted) <= 6
    assert 5 < len(scene.polls()) < 70


# From one attempt to the next


def lose_the_polling(scene: Scene, before: int = 0) -> None:
    """The job gives up after its first look, and the run goes on without it; `before` that it
    reads so many other runs."""
    scene.github.answer("GET", ONE_RUN, 403, {"message": "Bad credentials"}, skip=before + 1)


def test_a_rerun_waits_for_what_still_runs_and_takes_what_has_succeeded(scene: Scene) -> None:
    github = scene.github
    lose_the_polling(scene)
    again: list[Run] = []

    def until(run: Run) -> bool:
        if github.runs[0].status == "completed" and not again:
            scene.strangers()
            lose_the_polling(scene, before=1)
            again.append(github.rerun(github.runs[0], failed_only=True))
        return False

    scene.hold(until)
    orchestrator = scene.deploy()
    [child] = scene.ours()
    outputs = scene.outputs(child)
    said = "can no longer be watched, and may go on (GitHub answers 403: Bad credentials)"
    error = f"{CHILD}: {scene.url(child)} {said}; re-run the failed jobs once that run has ended"
    taken = f"##[notice]Not started again: attempt 1 has started {scene.url(child)}"
    assert child.conclusion == "success"
    for run in (orchestrator, again[0]):
        assert run.conclusion == "failure" and errors(run) == [error]
        assert run.job(WAIT).outputs == outputs | {"conclusion": "waiting"}
    third = github.rerun(again[0], failed_only=True)
    assert third.conclusion == "success" and third.job(WAIT).outputs == outputs
    assert scene.ours() == [child] and scene.starts() == [200]
    for run in (again[0], third):
        assert taken in run.job(WAIT).log.splitlines()


def test_a_rerun_starts_anew_what_failed(scene: Scene) -> None:
    github = scene.github
    github.forced_results[DEPLOY] = "failure"
    orchestrator = scene.deploy()
    github.forced_results[DEPLOY] = "success"
    scene.surround()
    again = github.rerun(orchestrator, failed_only=True)
    first, second = scene.ours()
    assert (first.conclusion, second.conclusion) == ("failure", "success")
    assert errors(orchestrator) == [f"{CHILD} ended with failure: {scene.url(first)}"]
    assert orchestrator.job(WAIT).outputs == scene.outputs(first)
    assert again.job(WAIT).outputs == scene.outputs(second) and again.conclusion == "success"
    assert second.display_title == scene.title(f"of run {orchestrator.id}, attempt 2")
    assert second.inputs["attempt"] == "2" and scene.starts() == [200, 200]
    # A third attempt, of all jobs, deploys again.
    third = github.rerun(again)
    assert [run.inputs["attempt"] for run in scene.ours()] == ["1", "2", "3"]
    assert third.job(WAIT).outputs == scene.outputs(scene.ours()[-1])


# Cancelling


def cancelled_while(scene: Scene, moment: Callable[[ApiCall], bool]) -> Callable[[ApiCall], None]:
    """Cancels the newest orchestrator's run before the first such call is answered."""
    github, done = scene.github, []

    def then(call: ApiCall) -> None:
        if not done and moment(call):
            done.append(call)
            github.cancel([r for r in github.runs if r.workflow_file == DEV][-1])

    return then


def test_cancelling_reaches_a_run_whose_start_is_unclear(scene: Scene) -> None:
    github = scene.github
    github.speed = 20  # so that an earlier step does not find it
    scene.hold(lambda run: False)
    plan(github, (204,), after=True)
    github.answer("GET", LIST, 200, {"workflow_runs": []})  # this one is not found at once either
    cancel = cancelled_while(scene, lambda call: call.method == "POST")

    def after(call: ApiCall) -> None:
        scene.strangers()
        cancel(call)

    scene.calls.then = after
    orchestrator = scene.deploy()
    [child] = scene.ours()
    assert orchestrator.conclusion == child.conclusion == "cancelled"
    cancels = [call for call in scene.calls if call.path.endswith("/cancel")]
    assert [(call.path.split("/")[-2], call.status) for call in cancels] == [(str(child.id), 202)]
    assert orchestrator.job(WAIT).outputs == {}


# Everything at random

# In these, starts whose answer is lost meet runs of ours that failed, cancellations and strangers.
SEEDS = [3, 16, 19, 23]


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
            fault = chance.choice(bodies)  # if GitHub refuses a call, the call has no effect
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
        # Every second attempt is cancelled at a call that may never happen.
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
            assert "success" in (run.conclusion, run.results[WAIT])  # before already
            continue
        children = scene.ours()
        started = [int(child.inputs["attempt"]) for child in children]
        assert started == sorted(set(started)) and set(started) <= set(range(1, attempt + 1))
        outputs = run.job(WAIT).outputs
        if run.conclusion == "success":
            [child] = [child for child in children if str(child.id) == outputs["run-id"]]
            assert outputs == scene.outputs(child) and child.conclusion == "success"
            assert errors(run) == []
        elif run.cancelled:
            assert all(child.status == "completed" for child in children)
        else:
            [error] = errors(run)
            assert error.startswith("site-dev.yml") and "\n" not in error and len(error) < 500
            assert outputs.get("run-id", "") in {"", *(str(child.id) for child in children)}
