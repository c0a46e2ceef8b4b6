"""Histories whose jobs are executed: real shells, real packages, runs that go on side by side.

What happens is chosen by a seed; when, by the machine. Each job that begins may be the moment of
the next event, so that they come while others go on. The rules are those of `histories.py`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from random import Random

import histories
from generated_repositories import commit, reopened, with_commands
from offline_github import OfflineGitHub, Run
from offline_github.environments import ReviewError
from worlds import LEAD, Deployment, Pipelines, World

LENGTH = 5
#: Records its begin, its end, its component and environment, and the bytes that it deploys.
SHIP = """\
#!/usr/bin/env bash
line() { # in one write, because others write there as well
  set -- "$1" "$2" "$ENVIRONMENT" "$COMMIT" "$GITHUB_RUN_ID" "$GITHUB_RUN_ATTEMPT"
  set -- "$@" "$(cat package.txt)" "$(date +%s%N)"
  printf '%s\\t%s\\t%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "$@" >> "$SHIPPED"
}
line begin "$1"
sleep 0.1
line end "$1"
"""
#: It makes other bytes each time.
BUILD = """\
#!/usr/bin/env bash
printf '%s %s' "$1" "$(date +%s%N)" > package.txt
"""


class Machines(World):
    """A repository on a GitHub with machines; `deployments` are read from what was shipped."""

    def __init__(self, folder: Path, pipelines: Pipelines) -> None:
        self.pipelines = pipelines
        self.github: OfflineGitHub = reopened(pipelines.work_tree, folder, ("main", "develop"))
        with_commands(self.github)
        self.github.tool("ship", SHIP)
        self.github.tool("build", BUILD)
        self.shipped = folder / "shipped"
        self.shipped.touch()
        self.github.runner_environment = {"SHIPPED": str(self.shipped)}
        refs = {"branches": ["main"]}
        self.github.environments = {"dev": {"branches": ["develop"]}, "test": dict(refs)}
        self.github.environments["prd"] = dict(refs)
        asked = {"once": "prd-approval", "each": "prd"}.get(pipelines.approval)
        if asked:
            self.github.environments[asked] = {"reviewers": [LEAD], **refs}
        if (pipelines.orchestration, pipelines.approval) == ("dispatch", "each"):
            # The orchestrator watches while a component waits, so the test would never be called.
            self.github.environments["prd"]["approve"] = "at once"
        self.repository = self.github.remote  # type: ignore[assignment]
        self.admitted = []
        self.failed = set()

    @property
    def deployments(self) -> list[Deployment]:  # type: ignore[override]
        """The deployments, in the order in which they began."""
        found: list[Deployment] = []
        for text in self.shipped.read_text(encoding="utf-8").splitlines():
            what, component, environment, sha, run, attempt, content, moment = text.split("\t")
            attempt_of = self.github.find_run(int(run), int(attempt))
            assert attempt_of
            if what == "begin":
                line = self.line(environment)
                packages = {component: (sha, content)}
                one = Deployment(component, environment, sha, attempt_of, packages, line, 0, [])
                one.begin, one.result = int(moment), "cancelled"
                found.append(one)
                continue
            begun = [d for d in found if d.place == (component, environment) and not d.end]
            one = next(d for d in begun if d.run is attempt_of)
            one.end, one.result = int(moment), "success"
        for one in found:
            one.end = one.end or one.begin + 1
        return sorted(found, key=lambda d: d.begin)


class Executed(histories.History):
    """Play one history, with executed jobs."""

    def __init__(self, pipelines: Pipelines, seed: int, folder: Path) -> None:
        self.pipelines, self.seed = pipelines, seed
        self.world = Machines(folder, pipelines)
        self.github = self.world.github
        self.random = Random(seed)
        self.lines, self.problems, self.names, self.tags = [], [], {}, {}
        self.touched = defaultdict(set)
        self._left = LENGTH
        self._lock = threading.Lock()
        self.github.before_job = self._meanwhile

    def live(self, chosen: list[histories.Event] | None = None) -> None:
        self._change()
        while self._left > 0:
            self._next()
        self.github.before_job = None
        for _ in range(20):
            if not (waiting := self._waiting()):
                break
            self.github.reject(waiting[0][0], job=waiting[0][1])
        wanted = self._change()
        for _ in range(4):
            for run, job in self._waiting():
                self.github.approve(run, job=job)
        for rule in (
            histories.twice_at_once,
            histories.older_over_newer,
            histories.not_approved,
            histories.not_tested,
        ):
            self.problems += list(rule(self))
        for environment in ("test", "prd"):
            found = self.world.at(environment)
            if set(found.values()) != {wanted} or len(found) != len(self.pipelines.components):
                self.problems.append(f"the last commit did not reach {environment}: {found}")

    def _meanwhile(self, run: Run, key: str) -> None:
        with self._lock:
            if self._left > 1 and self.random.random() < 0.12:
                self._next()

    def _next(self) -> None:
        self._left -= 1
        kinds = ["push", "push", "approve", "approve", "reject", "again", "failed", "by hand"]
        kind = self.random.choice([*kinds, "alone", "cancel"])
        try:
            getattr(self, "_do_" + kind.replace(" ", "_"))()
        except (ReviewError, ValueError) as error:
            self.say(f"{kind}: {error}")

    def _change(self) -> str:
        work_tree = self.github.remote.work_tree
        sha = commit(work_tree, {"version.txt": f"{len(self.names)}\n"})
        self.say(f"push main: {self.name(sha)}")
        self.github.push("main")
        return sha

    def _do_push(self) -> None:
        self._change()

    def _do_approve(self) -> None:
        if waiting := self._waiting():
            run, job = self.random.choice([waiting[-1], *waiting])
            self.say(f"approve {self.shown(run)}, {job}")
            self.github.approve(run, job=job)

    def _do_reject(self) -> None:
        if waiting := self._waiting():
            run, job = self.random.choice(waiting)
            self.say(f"reject {self.shown(run)}, {job}")
            self.github.reject(run, job=job)

    def _ended(self) -> list[Run]:
        runs = self.github.latest_attempts()
        return [r for r in runs if r.status == "completed" and r.conclusion != "skipped"]

    def _do_again(self, failed_only: bool = False) -> None:
        if ended := [r for r in self._ended() if r.jobs]:
            run = self.random.choice(ended)
            self.say(f"re-run {'failed of ' * failed_only}{self.shown(run)}")
            self.github.rerun(run, failed_only)

    def _do_failed(self) -> None:
        self._do_again(failed_only=True)

    def _do_by_hand(self) -> None:
        environment = self.random.choice(["test", "prd", "prd"])
        sha = self.random.choice(self.world.line("test"))
        self.say(f"by hand orchestrator-{environment} with {self.name(sha)}")
        self.github.dispatch(f"orchestrator-{environment}.yml", "main", {"commit": sha})

    def _do_alone(self) -> None:
        environment = self.random.choice(["test", "prd"])
        component = self.random.choice(self.pipelines.components)
        self.say(f"by hand {component}-{environment}")
        self.github.dispatch(f"{component}-{environment}.yml", "main")

    def _do_cancel(self) -> None:
        if going := [r for r in self.github.latest_attempts() if r.status != "completed"]:
            run = self.random.choice(going)
            self.say(f"cancel {self.shown(run)}")
            self.github.cancel(run)
