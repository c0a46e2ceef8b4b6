"""Histories of what people and events do to a repository, and the rules that each must keep.

A history is a list of events. Each has random numbers of its own, so that one that is left out
changes no other: so a history that breaks a rule is made shorter before it is shown.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from offline_github import Run
from offline_github.work import Step
from worlds import Deployment, Pipelines, World, age

LENGTH = 14
#: How often each kind of event comes.
KINDS = {
    **{"push": 14, "merge": 4, "force": 1, "develop": 4},
    **{"approve": 12, "reject": 3, "cancel": 4, "fail": 4, "settle": 6},
    **{"roll back": 4, "by hand": 3, "alone": 4},
    **{"rerun all": 5, "rerun failed": 3, "rerun job": 3},
}
TAGS = {"tag": 14, "old tag": 4}


@dataclasses.dataclass(frozen=True)
class Event:
    number: int
    kind: str


def events(pipelines: Pipelines, seed: int, length: int = LENGTH) -> list[Event]:
    kinds = {**KINDS, **TAGS} if pipelines.tag else KINDS
    chosen = Random(f"events {seed}").choices([*kinds], [*kinds.values()], k=length)
    return [Event(number, kind) for number, kind in enumerate(chosen)]


class History:
    """What happens in one repository, event by event."""

    def __init__(self, pipelines: Pipelines, seed: int, folder: Path) -> None:
        self.pipelines = pipelines
        self.seed = seed
        self.world = World(folder, pipelines, seed)
        self.github = self.world.github
        random = Random(f"settings {seed}")
        self.github.kept_jobs = random.choice(["as they were", "copied", "left out"])
        self.github.filtered_list_lag = random.choice([0, 30, 600])
        self.lines: list[str] = []
        self.problems: list[str] = []
        self.touched: defaultdict[int, set[str]] = defaultdict(set)
        """What people have done to runs, by age. Such a run need not deploy."""
        self.failures = 0
        self.names: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.world.failing = self._fails

    # What happens

    def live(self, chosen: list[Event]) -> None:
        """Play all events. `problems` has what went wrong."""
        self._push(Random(0), "main")
        self.github.settle()
        for event in chosen:
            random = Random(f"{self.seed} {event.number}")
            getattr(self, "_" + event.kind.replace(" ", "_"))(random)
            self.github.step(random.randrange(0, 80))
        self._settle(Random(0))
        self.problems += list(broken(self))
        self.lines.append("-- quiet now: a last commit everywhere")
        self._last()

    def name(self, sha: str) -> str:
        return self.names.setdefault(sha, f"c{len(self.names) + 1}")

    def shown(self, run: Run) -> str:
        commit = self.world.commit_of(run)
        file = run.workflow_file.removesuffix(".yml")
        return f"{file} #{run.id % 10_000}.{run.attempt} ({self.name(commit) if commit else '?'})"

    def say(self, text: str) -> None:
        self.lines.append(text)

    def _fails(self, step: Step) -> bool:
        if self.failures <= 0 or self.github.driver.random.random() > 0.4:  # type: ignore[union-attr]
            return False
        self.failures -= 1
        self.say(f"  {step.name} fails in {self.shown(step.work.run)}, {step.work.key}")
        return True

    def _pushed(self, branch: str, how: str) -> None:
        sha = self.world.repository._work[f"refs/heads/{branch}"]
        self.say(f"{how} {branch}: {self.name(sha)}")
        self.world.push(branch)

    def _push(self, random: Random, branch: str = "main") -> None:
        self.world.commit(branch)
        self._pushed(branch, "push")

    def _develop(self, random: Random) -> None:
        if "dev" in self.pipelines.environments:
            self._push(random, self.pipelines.branch("dev"))

    def _merge(self, random: Random) -> None:
        """A pull request of two commits that nobody has built."""
        main = self.github.remote.resolve("refs/heads/main")
        side = f"side{random.random()}"
        self.world.commit(side, start=main)
        merged = self.world.commit(side)
        self.world.commit("main", merge=merged)
        self._pushed("main", "merge to")

    def _force(self, random: Random) -> None:
        main = self.github.remote.resolve("refs/heads/main")
        assert main
        line = self.world.first_parents(main)
        self.world.repository.move("main", line[min(random.randrange(1, 3), len(line) - 1)])
        if random.random() < 0.7:
            self.world.commit("main")
        self._pushed("main", "force")

    def _waiting(self) -> list[tuple[Run, str]]:
        return [(run, job) for run in self.world.waiting() for job, _ in self.github.waiting(run)]

    def _approve(self, random: Random) -> None:
        if waiting := self._waiting():
            run, job = random.choice([*waiting, waiting[-1], waiting[-1]])
            self.say(f"approve {self.shown(run)}, {job}")
            self.github.approve(run, job=job)

    def _reject(self, random: Random) -> None:
        if waiting := self._waiting():
            run, job = random.choice(waiting)
            self.say(f"reject {self.shown(run)}, {job}")
            self.touch(run, "rejected")
            self.github.reject(run, job=job)

    def _cancel(self, random: Random) -> None:
        if going := [r for r in self.github.latest_attempts() if r.status != "completed"]:
            run = random.choice(going)
            self.say(f"cancel {self.shown(run)}")
            self.touch(run, "cancelled")
            self.github.cancel(run)

    def _fail(self, random: Random) -> None:
        self.say("a step is to fail")
        self.failures += 1

    def _settle(self, random: Random) -> None:
        self.github.settle()
        self.say("-- nothing goes on by itself")
        self.problems += list(blocked(self))

    def touch(self, run: Run, how: str) -> None:
        self.touched[age(run)].add(how)

    def _dispatch(self, file: str, **inputs: str) -> None:
        branch = self.pipelines.branch("dev" if file.endswith("-dev.yml") else "main")
        if not self.github.remote.resolve(f"refs/heads/{branch}"):
            return
        commit = inputs.get("commit")
        of = f" with {self.name(commit)}" if commit else ""
        packages = inputs.get("packages", "")
        self.say(f"by hand {file}{of} {packages}".rstrip())
        if self.pipelines.tag and file.endswith("-prd.yml"):
            # The run is on a tag, so that the environment accepts it.
            if not self.tags:
                return
            branch = next(tag for tag, sha in self.tags.items() if not commit or sha == commit)
        self.github.dispatch(file, branch, inputs)

    def _old_commit(self, random: Random, environment: str) -> str:
        if self.pipelines.tag and environment == "prd":
            return random.choice([*self.tags.values()]) if self.tags else ""
        line = self.world.line(environment)
        return random.choice(line) if line else ""

    def _roll_back(self, random: Random) -> None:
        environment = random.choice([*self.pipelines.environments, "prd", "prd"])
        if commit := self._old_commit(random, environment):
            self._dispatch(f"orchestrator-{environment}.yml", commit=commit)

    def _by_hand(self, random: Random) -> None:
        environment = random.choice([*self.pipelines.environments, "prd"])
        self._dispatch(f"orchestrator-{environment}.yml")

    def _alone(self, random: Random) -> None:
        environment = random.choice([*self.pipelines.environments, "prd"])
        component = random.choice(self.pipelines.components)
        commit = self._old_commit(random, environment)
        inputs = {"commit": commit} if commit and random.random() < 0.5 else {}
        packages = random.choice(["same-commit", "same-commit", "latest"])
        path = self.pipelines.work_tree / ".github/workflows" / f"{component}-{environment}.yml"
        if "packages:" in path.read_text(encoding="utf-8").partition("jobs:")[0]:
            inputs["packages"] = packages
        self._dispatch(path.name, **inputs)

    def _rerun(self, random: Random, how: str) -> None:
        ended = [
            run
            for run in self.github.latest_attempts()
            if run.status == "completed" and run.conclusion != "skipped" and run.jobs
        ]
        if not ended:
            return
        run = random.choice([*ended, *ended[-3:]])
        job = random.choice([*run.jobs]) if how == "job" else None
        try:
            again = self.github.rerun(run, failed_only=how == "failed", job=job)
        except ValueError:
            return  # nothing has failed
        self.touch(run, f"again: {how}")
        again.display_title = run.display_title
        self.say(f"re-run {job or how} of {self.shown(run)}")

    def _rerun_all(self, random: Random) -> None:
        self._rerun(random, "all")

    def _rerun_failed(self, random: Random) -> None:
        self._rerun(random, "failed")

    def _rerun_job(self, random: Random) -> None:
        self._rerun(random, "job")

    def _tag(self, random: Random, old: bool = False) -> None:
        line = self.world.line("test")
        commit = random.choice(line) if old else line[0]
        tag = f"v{len(self.tags) + 1}"
        self.tags[tag] = commit
        self.say(f"tag {tag} at {self.name(commit)}")
        self.world.repository.tag(tag, commit)
        self.github.tag(tag)

    def _old_tag(self, random: Random) -> None:
        self._tag(random, old=True)

    def _last(self) -> None:
        """After the history, a commit that nobody disturbs must reach every environment."""
        self.failures = 0
        for _ in range(40):
            # Reject all runs that still wait, the oldest first, because it may hold up others.
            if not (self.pipelines.tag or self.pipelines.approval == "each"):
                break
            if not (waiting := self._waiting()):
                break
            self.github.reject(waiting[0][0], job=waiting[0][1])
            self.github.settle()
        newest = {}
        for branch in sorted({self.pipelines.branch(e) for e in self.pipelines.environments}):
            newest[branch] = self.world.commit(branch)
            self.say(f"push {branch}: {self.name(newest[branch])}")
            self.world.push(branch)
            self.github.settle()
        if self.pipelines.tag:
            self._tag(Random(0))
            self.github.settle()
        orchestrator = self.github.runs_of("orchestrator-prd.yml")[-1]
        for _ in range(len(self.pipelines.components)):
            waiting = [
                r for r in self.world.waiting() if self.world.orchestrator(r) is orchestrator
            ]
            for run in waiting:
                self.github.approve(run)
            self.github.settle()
        for environment in self.pipelines.environments:
            wanted = newest[self.pipelines.branch(environment)]
            found = self.world.at(environment)
            for component in self.pipelines.components:
                if found.get(component) != wanted:
                    self.problems.append(
                        f"the last commit, {self.name(wanted)}, did not reach {environment}: "
                        f"{component} is at {self.name(found.get(component, ''))}"
                    )

    # How it is told

    def told(self) -> str:
        lines = [*self.lines, "-- deployed:"]
        for d in self.world.deployments:
            lines.append(
                f"{d.begin:>6}-{d.end:<6} {d.component}-{d.environment} {self.name(d.commit)} "
                f"{d.result}, by {self.shown(d.run)}"
            )
        lines.append("-- runs:")
        for run in self.github.runs:
            if run.conclusion != "skipped":
                errors = [e for job in run.jobs.values() for e in job.errors[:1]][:2]
                lines.append(
                    f"{self.shown(run)} {run.event}: {run.status} {run.conclusion or ''} "
                    f"{run.message} {errors or ''}"
                )
        text = "\n".join(lines)
        return re.sub(r"\b[0-9a-f]{40}\b", lambda found: self.name(found[0]), text)


# What has to hold


def blocked(history: History) -> Iterator[str]:
    """Once nothing goes on by itself, each run has ended or waits for its own approval.

    Where tags start production one follows the other, and under `each` a run asks while it holds
    its place: there a run may wait for one that waits for its approval.
    """
    github = history.github
    going = [run for run in github.latest_attempts() if run.status != "completed"]
    asking = [run for run in going if github.waiting(run)]
    may_wait = {run.id for run in asking}
    for run in asking:
        # An orchestrator's job waits for the run that it has started.
        may_wait.add(age(run))
    pipelines = history.pipelines
    for run in going:
        if run.id in may_wait:
            continue
        place = run.workflow_file.removesuffix(".yml").rpartition("-")[2]
        holds = pipelines.tag or pipelines.approval == "each"
        if not (holds and place == "prd" and asking):
            yield f"{history.shown(run)} is {run.status}, and nobody can let it go on"


def broken(history: History) -> Iterator[str]:
    """The rules that the history has broken."""
    world = history.world
    yield from twice_at_once(history)
    yield from older_over_newer(history)
    for deployment in world.deployments:
        if deployment.overtaken:
            by = history.shown(deployment.overtaken[0])
            yield f"{_told(history, deployment)}, although {by} had been let in"
    yield from not_approved(history)
    yield from not_tested(history)
    yield from lost(history)


def _told(history: History, d: Deployment) -> str:
    name = history.name(d.commit)
    return f"{history.shown(d.run)} deployed {d.component} {name} to {d.environment}"


def twice_at_once(history: History) -> Iterator[str]:
    ended = sorted(history.world.deployments, key=lambda d: d.begin)
    for one, other in itertools.combinations(ended, 2):
        if one.place == other.place and one.begin < other.end and other.begin < one.end:
            yield f"at once: {_told(history, one)}; {_told(history, other)}"


def older_over_newer(history: History) -> Iterator[str]:
    """Only a run that a person has started after that may deploy an older commit."""
    last: dict[tuple[str, str], Deployment] = {}
    for d in history.world.deployments:
        before = last.get(d.place)
        last[d.place] = d
        if not before or not history.world.is_older(d.commit, before.commit, d.line):
            continue
        by_tag = history.pipelines.tag and d.environment == "prd"
        later = age(d.run) > age(before.run) or by_tag
        if not (history.world.by_hand(d.run) and later):
            yield f"{_told(history, d)} over {history.name(before.commit)}"


def not_approved(history: History) -> Iterator[str]:
    """Each attempt that deploys to production was approved itself."""
    approval = history.pipelines.approval
    if approval == "none":
        return
    for d in history.world.of_environment("prd"):
        asked = history.world.orchestrator(d.run) if approval == "once" else d.run
        environment = "prd-approval" if approval == "once" else "prd"
        reviews = [r for r in asked.reviews if r.environment == environment]
        if approval == "each":
            reviews = [r for r in reviews if d.component in r.job or r.job == "deploy / deploy"]
        given = [r.state for r in reviews]
        if not given and "approve" in history.github.environments[environment]:  # at once
            given = ["approved" for _, where in asked.approvals if where == environment]
        if given != ["approved"]:
            yield f"{_told(history, d)} without an approval of attempt {asked.attempt}"


def not_tested(history: History) -> Iterator[str]:
    """A package that an environment takes from another one was deployed there, byte for byte."""
    world = history.world
    for d in world.deployments:
        before = history.pipelines.before.get(d.environment)
        for producer, package in d.packages.items():
            tested = any(
                t.packages.get(producer) == package and t.result == "success" and t.end < d.begin
                for t in world.of_environment(before or "")
            )
            if before and not tested:
                yield f"{_told(history, d)} with a package of {producer} that {before} never had"


def lost(history: History) -> Iterator[str]:
    """Each run that an event started deploys, or waits for a person, or has a good reason."""
    for run in history.github.latest_attempts():
        is_ours = run.workflow_file.startswith("orchestrator-")
        by_event = run.event in ("push", "workflow_run") and run.conclusion != "skipped"
        if is_ours and by_event and not good_reason(history, run):
            yield f"{history.shown(run)} is lost: {run.conclusion} {run.message}"


def good_reason(history: History, run: Run) -> str:
    """Why a run need not have deployed; empty if there is no reason."""
    world, pipelines = history.world, history.pipelines
    environment = run.workflow_file.removesuffix(".yml").partition("-")[2]
    commit, line = world.commit_of(run), world.line(environment)
    if run.status != "completed":
        return "it waits" if not blocked_run(history, run) else ""
    done = {
        d.component
        for d in world.of_environment(environment)
        if age(d.run) == run.id and d.result == "success"
    }
    if done.issuperset(pipelines.components):
        return "it was deployed"
    before = run.triggered_by
    if before and good_reason(history, before) not in ("", "it was deployed"):
        return "nothing to promote"
    started_by = age(before) if before else 0
    if history.touched.get(run.id) or history.touched.get(started_by):
        return "a person"
    if run.id in world.failed:
        return "a failure"
    own = [other for other in history.github.runs if age(other) == run.id]
    if any(history.touched.get(age(builder)) for builder in replaced_packages(history, own)):
        return "a person has built its package again"
    if commit not in line or any(other.head_sha not in line for other in own):
        return "its branch was moved by force"
    for other in history.github.runs:
        if other.workflow_file not in _files(pipelines, environment) or age(other) == run.id:
            continue
        is_let_in = any(
            age(other) in world.let_in(environment, component) for component in pipelines.components
        )
        if is_let_in and world.makes_too_old(other, run, commit, line):
            return "overtaken"
        by_tag = pipelines.tag and environment == "prd"  # one follows the other
        if by_tag or other.event == "workflow_dispatch" or other.conclusion == "skipped":
            continue
        # If several candidates or pushes only wait, one of them is enough.
        other_commit = world.commit_of(other)
        ahead = world.is_older(commit, other_commit, world.first_parents(other_commit))
        if ahead or (other_commit == commit and age(other) > run.id):
            return "replaced"
    return ""


def replaced_packages(history: History, runs: list[Run]) -> Iterator[Run]:
    """The runs whose package these runs should have taken, but another one has replaced it."""
    errors = [error for run in runs for job in run.jobs.values() for error in job.errors]
    for error in errors:
        if found := re.search(r"is no longer in run (\d+)", error):
            builder = history.github.find_run(int(found[1]))
            if builder:
                yield builder


def blocked_run(history: History, run: Run) -> bool:
    return any(history.shown(run) in problem for problem in blocked(history))


def _files(pipelines: Pipelines, environment: str) -> list[str]:
    names = ["orchestrator", *pipelines.components]
    return [f"{name}-{environment}.yml" for name in names]


# How one is found


def run(pipelines: Pipelines, seed: int, chosen: list[Event]) -> History:
    with tempfile.TemporaryDirectory() as folder:
        history = History(pipelines, seed, Path(folder))
        history.live(chosen)
        return history


def shrunk(pipelines: Pipelines, seed: int, chosen: list[Event]) -> History:
    """The same problem with as few events as possible. Each event is left out in turn."""
    best = run(pipelines, seed, chosen)
    kind = problem_kind(best)
    left_out = True
    while left_out:
        left_out = False
        for event in list(chosen):
            fewer = [e for e in chosen if e is not event]
            tried = run(pipelines, seed, fewer)
            if kind in map(_kind, tried.problems):
                best, chosen, left_out = tried, fewer, True
    return best


def _kind(problem: str) -> str:
    return re.sub(r"#\d+\.\d|\bc\d+|\?", "", re.sub(r"[\w-]*-(dev|test|prd)", "", problem))


def problem_kind(history: History) -> str:
    return _kind(history.problems[0])


def check(pipelines: Pipelines, seed: int, say: Callable[[str], None] = print) -> History:
    """Play one history. AssertionError, with the shortest such history, if it breaks a rule."""
    chosen = events(pipelines, seed)
    history = run(pipelines, seed, chosen)
    if history.problems:
        history = shrunk(pipelines, seed, chosen)
        problems = "\n".join(history.problems)
        told = re.sub(r"\b[0-9a-f]{40}\b", lambda found: history.name(found[0]), problems)
        raise AssertionError(f"seed {seed}:\n{told}\n\n{history.told()}")
    return history
