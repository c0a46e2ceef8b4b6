"""A double of GitHub for tests: push to it, and look at the runs that follow."""

from __future__ import annotations

import functools
import itertools
import json
import re
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import toolbox

from . import (
    actions,
    events,
    expressions,
    reviews,
    rulesets,
    runner,
    scheduler,
    server,
    settings,
    workflows,
)
from .clock import Clock, RateLimit, SteppedClock, timestamp
from .concurrency import Claim, Groups
from .driver import Driver, Execute, laid_out, unpacked
from .memory import MemoryRepository
from .model import Artifact, Job, NotModelledError, PullRequest, Run
from .organisation import Organisation
from .people import BOT as BOT  # tests import it from here
from .people import ROLES, account, person_id
from .repository import WORKFLOWS, Repository
from .scheduler import Previous
from .server import Answer, ApiCall, Call, Planned, Server, next_plan
from .tools import Command, Tools
from .waits import Wait

MAX_WORKFLOW_RUN_LINKS = 3
#: The most tags of a push that creates events.
MAX_TAGS = 3
#: How long a run can be re-run.
RERUN_DAYS = 30
SERVER_URL = "https://github.com"


class DispatchError(ValueError):
    """GitHub answers 422 to a dispatch."""


@functools.cache
def _server() -> Server:
    return Server()


@functools.cache
def _hosts() -> actions.ActionHosts:
    return actions.ActionHosts(_server())


class OfflineGitHub:
    """The repository `acme/demo`, its runs, and everything a workflow can reach of GitHub."""

    name = "acme/demo"
    repository_id = 1001
    owner_id = 2001
    fork = "stranger/demo"
    fork_id = 9001

    def __init__(
        self,
        workdir: Path,
        repository: Path | MemoryRepository,
        execute: Execute | None = None,
        seed: int = 0,
    ) -> None:
        """With `execute` no job has a machine: it says what becomes of each, see `driver.py`."""
        self.workdir = workdir
        workdir.mkdir(parents=True, exist_ok=True)
        if isinstance(repository, MemoryRepository):
            self.remote = cast(Repository, repository)  # it has the same methods
        else:
            self.remote = Repository(workdir / "remote.git", repository)
        self.driver = Driver(self, execute, seed) if execute else None
        self.server = _server()
        self.server.add(self)
        self.api_url = self.server.url
        self.server_url = SERVER_URL
        #: Repositories of the same owner that an app can reach: see `organisation.py`.
        self.organisation: Organisation | None = None
        self.default_branch = "main"
        #: name -> {"reviewers": True or [names], "prevent_self_review": bool, "branches": [globs],
        #: "tags": [globs], "vars": {}, "secrets": {}}. With reviewers also "approve": "at once" or
        #: "when told", or "hold": an event, or a function of run and job key, to wait for.
        self.environments: dict[str, dict[str, Any]] = {}
        #: How reviewers without names (True) approve: "at once", or "when told" by the test.
        #: Those with names wait until they are told.
        self.unnamed_reviewers = "when told" if execute else "at once"
        #: With `private`, it decides which rules environments can have: also "free", "pro", "team".
        self.plan = "enterprise"
        self.private = True
        #: Whether PUT of an environment keeps the rules that it does not name. GitHub does not say.
        self.put_keeps = True
        #: person -> "read", "write", "maintain" or "admin"; others may write.
        self.roles: dict[str, str] = dict(ROLES)
        self.rulesets: list[dict[str, Any]] = []
        #: People whose pull requests need an approval to run, in a public repository.
        self.approval_policy = "first_time_contributors"
        #: Whether workflows may approve pull requests.
        self.workflows_approve = True
        #: By how many seconds lists of runs are late, and lists with a filter (also by filter).
        self.list_lag = self.filtered_list_lag = 0.0
        #: How a list shows jobs that a re-run has kept: "as they were", "copied" or "left out".
        self.kept_jobs = "as they were"
        self.variables: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        #: Variables of the machine for jobs that run real tools (indexes, proxies).
        self.runner_environment: dict[str, str] = {}
        #: What runs jobs on this machine: "own", or "act" to compare both.
        self.runner = "own"
        #: How many jobs run at once; 1 makes `order` the same every time.
        self.parallel = 4
        #: The time that scripts of actions/github-script see, REST tells, and runs carry.
        self.clock = SteppedClock() if self.driver else Clock(speed=100)
        self.rate_limit = RateLimit(self.clock)
        #: If true, all runs are created, change and end in the same second from now on.
        self.same_second = False
        #: How many files a recursive list of a tree names.
        self.tree_limit = 100_000
        #: Folders that such lists have named: object id -> (commit, path).
        self.folders: dict[str, tuple[str, str]] = {}
        #: The dates of commits by their authors' clocks; if not set, when they were pushed.
        self.commit_dates: dict[str, str] = {}
        #: Called with (run, job key) before a job's first step; may push, cancel, dispatch, fail.
        self.before_job: Callable[[Run, str], None] | None = None
        #: Job key -> result (and outputs), for jobs whose steps do not run.
        self.forced_results: dict[str, str] = {}
        self.forced_outputs: dict[str, dict[str, str]] = {}
        #: Workflow file -> conclusion, for runs of which no job runs.
        self.forced_conclusions: dict[str, str] = {}
        #: Labels of `runs-on` that no runner has: such jobs stay queued.
        self.no_runner: set[str] = set()
        #: After these seconds a job that runs, or is held, is an error of the test.
        self.job_limit = 120
        self.runs: list[Run] = []
        self.api_calls: list[ApiCall] = []
        self.failures: list[BaseException] = []
        self.groups = Groups()
        self.lock = threading.RLock()
        self._action_log = workdir / "actions.jsonl"
        if not self.driver:
            self._set_up_machines()
        self._ids = itertools.count(1)
        self._numbers: dict[str, int] = {}
        self._pull_requests: list[PullRequest] = []
        #: Issues, as the API shows them, with the texts of their comments.
        self.issues: list[dict[str, Any]] = []
        self._action_folders: dict[str, Path] = {}
        self._job_actions: dict[str, Path] = {}
        self._threads: dict[threading.Thread, Run] = {}
        #: By a run's `id()`: what it waits for at this moment.
        self._waits: dict[int, Wait] = {}
        #: How often it has gone on.
        self._turns: Counter[int] = Counter()
        self._schedulers: dict[int, scheduler.Scheduler] = {}
        self._claims: dict[int, Claim] = {}
        self._planned: list[Planned] = []
        self._faults: list[Planned] = []
        self._local = threading.local()

    def _set_up_machines(self) -> None:
        """Prepare what jobs need that run on this machine."""
        self.tools = Tools(self.workdir)
        shims = self.workdir / "bin"
        shims.mkdir()
        (shims / "node").symlink_to(toolbox.NODE)
        self.path = [str(self.tools.folder), str(shims), str(toolbox.SCRIPTS)]
        self.action_hosts = _hosts()

    @property
    def stand_ins(self) -> Path:
        """The folder in which act finds actions of other repositories."""
        folder = self.workdir / "actions"
        with self.lock:  # several jobs may begin at once
            if not folder.exists():
                actions.write_stand_ins(folder)
        return folder

    @property
    def path_of_act(self) -> list[str]:
        """The `PATH` of a job, which begins with the replaced `node` and `bash`."""
        own, shims = self.workdir / "bin", self.workdir / "shims"
        with self.lock:
            if not shims.exists():
                shims.mkdir()
                actions.write_shims(shims)
        return [str(shims) if part == str(own) else part for part in self.path]

    # What tests do

    @property
    def speed(self) -> float:
        """How many times faster the clock and timers of scripts run."""
        return self.clock.speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self.clock.speed = speed

    @property
    def quota(self) -> int | None:
        """The REST calls left for the jobs' tokens; None if there are certainly enough."""
        return self.rate_limit.left

    @quota.setter
    def quota(self, calls: int | None) -> None:
        self.rate_limit.set_left(calls)

    @property
    def lags(self) -> bool:
        """Whether lists are late. If not, they show changes of the current second."""
        return bool(self.list_lag or self.filtered_list_lag)

    def role(self, person: str) -> str:
        return self.roles.get(person, "write")

    def push(self, branch: str, *, by: str = "octocat", merged: bool = False) -> list[Run]:
        """Push a branch of the work tree; the runs that the push itself started.

        `merged`: through a pull request that had all that rulesets ask of one. PushError where
        the rulesets, or the role of who pushes, forbid it.
        """
        return self._push([f"refs/heads/{branch}"], by, merged)

    def tag(self, *names: str, by: str = "octocat") -> list[Run]:
        """Push tags.

        Those that do not exist are created at HEAD. More than three create no event.
        """
        for name in names:
            self.remote.ensure_tag(name)
        return self._push([f"refs/tags/{name}" for name in names], by, merged=False)

    def pull_request(self, head: str, base: str = "main", fork: bool = False) -> list[Run]:
        """Open a pull request of a branch of the work tree; the same again pushes to it.

        Returns the runs that this itself started: none when the branches conflict. Workflows
        that wait for the `push` of the head do not start.
        """
        base_commit = self._commit(f"refs/heads/{base}")
        pull, commit = self._push_head(head, base, fork)
        pull.commits.append(commit)
        ref = f"refs/pull/{pull.number}/merge"
        message = f"Merge {commit} into {base_commit}"
        merged = self.remote.merge(base_commit, commit, ref, message)
        if merged is None:
            return []
        payload: dict[str, Any] = {
            "action": "opened",
            "number": pull.number,
            "pull_request": self._pull_request_payload(pull, base_commit),
            **self._payload(pull.author),
        }
        if len(pull.commits) > 1:
            before, after = pull.commits[-2:]
            payload |= {"action": "synchronize", "before": before, "after": after}
        return self._start_all(
            "pull_request",
            ref,
            merged,
            payload,
            lambda settings: events.starts_on_merge(settings, payload["action"], base),
        )

    def merge_group(self, head: str, base: str = "main") -> list[Run]:
        """The merge queue takes the pull request of a branch, which need not be open before.

        Returns the runs that this itself started: none when the branches conflict.
        """
        base_commit = self._commit(f"refs/heads/{base}")
        pull, commit = self._push_head(head, base)
        branch = f"gh-readonly-queue/{base}/pr-{pull.number}-{base_commit}"
        ref = f"refs/heads/{branch}"
        owner = (self.fork if pull.fork else self.name).split("/")[0]
        message = f"Merge pull request #{pull.number} from {owner}/{head}"
        merged = self.remote.merge(base_commit, commit, ref, message)
        if merged is None:
            return []
        group = {
            "head_sha": merged,
            "head_ref": ref,
            "base_sha": base_commit,
            "base_ref": f"refs/heads/{base}",
            "head_commit": {"id": merged, "message": message},
        }
        payload = {"action": "checks_requested", "merge_group": group, **self._payload()}
        return self._start_all(
            "merge_group",
            ref,
            merged,
            payload,
            lambda settings: events.starts_on_merge(settings, "checks_requested", base),
        )

    def dispatch(
        self,
        workflow_file: str,
        ref: str,
        inputs: dict[str, Any] | None = None,
        *,
        by: str = "octocat",
    ) -> Run:
        """Start a workflow by hand. DispatchError where GitHub answers 422, or 403."""
        if self.role(by) == "read":
            raise DispatchError(f"{by} may not start workflows")
        with self._outermost():
            return self.dispatch_at_once(workflow_file, ref, inputs, by)

    def rest(self, method: str, path: str, body: Any = None, *, by: str = "octocat") -> Answer:
        """A REST call with the token of a person; `path` is what follows `/repos/acme/demo`."""
        call = Call(method, f"/repos/{self.name}{path}", body)
        answer = server.answer(settings.session(self, by), call)
        self.raise_failures()
        return answer

    def shell(self, script: str, *, by: str = "octocat") -> subprocess.CompletedProcess[str]:
        """Run the commands of a person; `gh` is `gh_stub.py`."""
        done = settings.shell(self, script, by)
        if "gh: not modelled" in done.stderr:
            self.report(done.stderr.strip())
        self.raise_failures()
        return done

    def approve_run(self, run: Run) -> None:
        """Let a stranger's run start."""
        with self._outermost():
            run.status, run.conclusion = "queued", None
            self._begin(run)

    def dispatch_at_once(
        self, workflow_file: str, ref: str, inputs: dict[str, Any] | None, actor: str
    ) -> Run:
        """Start a workflow without waiting for it, as the API does."""
        path = workflow_file if "/" in workflow_file else f"{WORKFLOWS}/{workflow_file}"
        if path not in self.remote.workflows(self._default_commit()):
            raise DispatchError(f"{path} does not exist on the default branch")
        full, commit = self._branch_or_tag(ref)
        files = self.remote.workflows(commit)
        settings = events.triggers(workflows.parse(files[path])) if path in files else {}
        if "workflow_dispatch" not in settings:
            raise DispatchError(
                f"Workflow does not have 'workflow_dispatch' trigger on {ref}: {path}"
            )
        try:
            typed = events.dispatch_inputs(settings["workflow_dispatch"], inputs or {})
        except ValueError as error:
            raise DispatchError(str(error)) from error
        texts = {name: workflows.as_text(value) for name, value in typed.items()}
        payload = {"ref": full, "inputs": texts, "workflow": path, **self._payload(actor)}
        return self._start(path, "workflow_dispatch", full, commit, payload, typed)

    def rerun(
        self,
        run: Run,
        failed_only: bool = False,
        actor: str = "octocat",
        *,
        job: str | None = None,
    ) -> Run:
        """Another attempt: same id, commit, event and files. Returns the new attempt.

        Of all jobs, of those that failed or were cancelled, or of one `job` (its key); what
        depends on them runs again, too. What counts is the newest attempt, whichever is given.
        ValueError where GitHub refuses it.
        """
        run = self.find_run(run.id) or run
        if run.status != "completed":
            raise ValueError("This workflow run is still running")
        if self.clock.now() - timestamp(run.created_at) > RERUN_DAYS * 86_400:
            raise ValueError(
                "Unable to retry this workflow run because it was created over a month ago"
            )
        previous = None
        if job:
            previous = Previous(
                run, {key for key in run.jobs if f"{key} / ".startswith(f"{job} / ")}
            )
            if not previous.again:
                raise ValueError(f"run {run.id} has no job {job}")
        elif failed_only:
            ended = ("failure", "cancelled")
            previous = Previous(run, {key for key, j in run.jobs.items() if j.result in ended})
            if not previous.again:
                raise ValueError("This workflow run has no failed jobs")
        again = Run(
            id=run.id,
            number=run.number,
            workflow_path=run.workflow_path,
            workflow_name=run.workflow_name,
            event=run.event,
            head_sha=run.head_sha,
            head_branch=run.head_branch,
            ref=run.ref,
            payload=run.payload,
            sha=run.sha,
            attempt=run.attempt + 1,
            inputs=run.inputs,
            actor=run.actor,
            triggering_actor=actor,
            created_at=run.created_at,
            head_repository=run.head_repository,
            triggered_by=run.triggered_by,
            artifact_store=run.artifact_store,
            history=list(run.history),
        )
        again.started_at = again.updated_at = self.next_second()
        self._remember(again)
        with self._outermost():
            self._begin(again, previous)
        return again

    def cancel(self, run: Run) -> None:
        """Cancel a run in progress (from `before_job`, a tool, or over the API)."""
        with self._outermost():
            run.cancelled = True
            self.touch(run)
            with self.groups.changed:
                claim = self._claims.get(id(run))
                if claim and claim.state == "pending":
                    claim.state, claim.message = "cancelled", "The run was canceled."
                self.groups.changed.notify_all()
            if running := self._schedulers.get(id(run)):
                running.wake()

    def waiting(self, run: Run) -> list[tuple[str, str]]:
        """(job, environment) pairs of a run that wait for a review."""
        return [(job.key, job.environment or "") for job in reviews.waiting(self, run)]

    def approve(
        self,
        run: Run,
        *,
        environment: str | None = None,
        job: str | None = None,
        by: str | None = None,
    ) -> list[str]:
        """Let `by` (the first reviewer who may) approve what waits; returns the keys of the jobs.

        ReviewError where nothing waits, or that person may not.
        """
        with self._outermost():
            return reviews.review(self, run, "approved", environment, job, by)

    def reject(
        self,
        run: Run,
        *,
        environment: str | None = None,
        job: str | None = None,
        by: str | None = None,
    ) -> list[str]:
        """Like `approve`, but the jobs fail."""
        with self._outermost():
            return reviews.review(self, run, "rejected", environment, job, by)

    def scheduler_of(self, run: Run) -> scheduler.Scheduler | None:
        return self._schedulers.get(id(run))

    def add_run(
        self,
        workflow_file: str,
        *,
        head_sha: str,
        head_branch: str = "main",
        event: str = "push",
        conclusion: str = "success",
        display_title: str = "",
        created_at: str = "",
        fork: bool = False,
        artifacts: dict[str, dict[str, bytes]] | None = None,
        fire: bool = False,
    ) -> Run:
        """A run that nobody executes: of a fork, of another event, of long ago.

        `fire` lets `workflow_run` workflows see its end.
        """
        path = f"{WORKFLOWS}/{workflow_file}"
        text = self.remote.workflows(self._default_commit()).get(path)
        name = self._name_of(path, text)
        run = self._new_run(path, name, event, f"refs/heads/{head_branch}", head_sha, {}, {})
        run.status, run.conclusion, run.display_title = (
            "completed",
            conclusion,
            display_title or name,
        )
        run.head_repository = self.fork if fork else self.name
        for artifact_name, files in (artifacts or {}).items():
            self.new_artifact(run, artifact_name).fill(files)
        run.updated_at = self.next_second()
        if created_at:
            run.created_at = run.started_at = run.updated_at = created_at
        if fire:
            self.ended(run)
        return run

    def go_on_from(self, other: OfflineGitHub) -> None:
        """Have the runs of another one, at rest, whose work tree was copied and pushed here: many
        tests go on from the same deployment."""
        self.runs, self._pull_requests = deepcopy((other.runs, other._pull_requests))
        self._ids, self._numbers = itertools.count(next(other._ids)), dict(other._numbers)
        self.commit_dates, self.folders = dict(other.commit_dates), dict(other.folders)
        self.clock.advance(max(0.0, other.clock.now() - self.clock.now()) + 1)
        self.tools.go_on_from(other.tools)
        if other._action_log.exists():
            shutil.copy(other._action_log, self._action_log)

    def ended(self, run: Run) -> None:
        """Start the workflows that wait (`workflow_run`) for a run that `add_run` has added."""
        with self._outermost():
            self._fire_workflow_run(run)

    def expire(self, run: Run, name: str) -> None:
        """Let an artifact expire."""
        for artifact in run.artifact_store.values():
            artifact.expired |= artifact.name == name

    def commands(self, tool: str | None = None, job: str = "") -> list[Command]:
        """The calls of the recorded tools, in order; `job` is a pattern."""
        return self.tools.commands(tool, job)

    def tool(self, name: str, script: str | None = None) -> None:
        """Put a command on the jobs' PATH: the test's own script, or a recorded stub."""
        self.tools.add(name, script)

    def fail_tool(self, tool: str, arguments: str = "", job: str = "", code: int = 1) -> None:
        """Let a recorded tool fail for arguments and jobs that match these patterns."""
        self.tools.fail(tool, arguments, job, code)

    def actions_used(self, name: str | None = None) -> list[dict[str, Any]]:
        """The inputs that setup and login actions got, in order."""
        if not self._action_log.exists():
            return []
        lines = self._action_log.read_text(encoding="utf-8").splitlines()
        return [entry for entry in map(json.loads, lines) if name in (None, entry["tool"])]

    def answer(
        self,
        method: str,
        path: str,
        status: int,
        body: Any = None,
        times: int = 1,
        headers: dict[str, str] | None = None,
        *,
        after: bool = False,
        skip: int = 0,
    ) -> None:
        """Let the next REST calls that match answer this; status 0 drops the connection.

        `after`: only once the call has done its work. `skip`: let so many matching calls through.
        Calls of the artifact service (`/twirp/`) and for its contents (`/blobs/`) may match, too.
        """
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        planned = Answer(status, body, lower)
        with self.lock:
            self._planned.append(Planned(method, re.compile(path), planned, times, skip, after))

    def cut_off(self, method: str, path: str, times: int = 1, *, skip: int = 0) -> None:
        """Let the answers to the next matching REST calls break off in the middle."""
        with self.lock:
            answer = Answer(200)
            self._planned.append(Planned(method, re.compile(path), answer, times, skip, cut=True))

    def unreachable(
        self,
        times: int = 1,
        path: str = "",
        code: str = "ENOTFOUND",
        *,
        method: str = "",
        skip: int = 0,
    ) -> None:
        """Let `fetch` of the next matching calls fail in scripts; plan it before the job starts.

        `code` is also EAI_AGAIN, ECONNREFUSED, ECONNRESET or ETIMEDOUT; nothing reaches GitHub.
        """
        with self.lock:
            plan = Planned(method, re.compile(path), Answer(0, code), times, skip)
            self._faults.append(plan)

    def job_keys(self, workflow_file: str, ref: str = "main") -> list[str]:
        """The keys of all jobs with steps that a run of this workflow could have."""
        files = self.remote.workflows(self._branch_or_tag(ref)[1])
        root = workflows.tree(files, f"{WORKFLOWS}/{workflow_file}")
        return [node.key for node in root.walk() if node.parent and not node.called]

    def runs_of(self, workflow_file: str) -> list[Run]:
        return [run for run in self.runs if run.workflow_file == workflow_file]

    # Events

    def settle(self) -> None:
        """With `execute`: go on until nothing more happens without the test."""
        assert self.driver
        while self.driver.step():
            pass

    def step(self, steps: int = 1) -> bool:
        """With `execute`: let this many things happen, in any run; False if nothing was left."""
        assert self.driver
        return all(self.driver.step() for _ in range(steps))

    def _push(self, refs: list[str], by: str, merged: bool) -> list[Run]:
        changes = {ref: self.remote.change(ref) for ref in refs}
        for ref, change in changes.items():
            rulesets.check_push(self, ref, change, by, merged)
        started = []
        with self._outermost():
            for ref in refs:
                before = self.remote.resolve(ref)
                self.remote.push(ref)
                made = self.clock.stamp(frozen=self.same_second)
                for sha in self.remote.history(self._commit(ref)):
                    self.commit_dates.setdefault(sha, made)
                if len(refs) <= MAX_TAGS:
                    started += self._pushed(ref, before, changes[ref], by)
        return started

    def _pushed(self, ref: str, before: str | None, change: str, by: str) -> list[Run]:
        commit = self._commit(ref)
        payload = {
            "ref": ref,
            "before": before or "0" * 40,
            "after": commit,
            "created": before is None,
            "deleted": False,
            "forced": change == "non_fast_forward",
            "head_commit": {"id": commit, "message": self.remote.message(commit)},
            "pusher": {"name": by},
            **self._payload(by),
        }
        return self._start_all(
            "push", ref, commit, payload, lambda settings: events.starts_on_push(settings, ref)
        )

    def _start_all(
        self,
        event: str,
        ref: str,
        commit: str,
        payload: dict[str, Any],
        fits: Callable[[dict[str, Any]], bool],
    ) -> list[Run]:
        """Start the workflows of a commit for an event that their filters accept."""
        started = []
        with self._outermost():
            for path, text in self.remote.workflows(commit).items():
                try:
                    on = events.triggers(workflows.parse(text))
                except workflows.WorkflowError:
                    on = {"push": {}}  # GitHub shows a failed run for a file it cannot read
                if event in on and fits(on[event]):
                    started.append(self._start(path, event, ref, commit, payload, {}))
        return started

    def _push_head(self, head: str, base: str, fork: bool | None = None) -> tuple[PullRequest, str]:
        """The pull request of a branch, a new one if need be, and the commit it now has."""
        with self.lock:
            known = [
                pull
                for pull in self._pull_requests
                if (pull.head, pull.base) == (head, base) and fork in (None, pull.fork)
            ]
            if not known:
                number = len(self._pull_requests) + 1
                known = [PullRequest(number, head, base, bool(fork))]
                self._pull_requests += known
        pull, target = known[-1], f"refs/pull/{known[-1].number}/head"
        self.remote.push(f"refs/heads/{head}", target)
        if not pull.fork:
            self.remote.push(f"refs/heads/{head}")
        return pull, self._commit(target)

    def _fire_workflow_run(self, run: Run) -> None:
        """A run has ended: start what waits for it, with the default branch's files."""
        links, origin = 1, run
        while origin.event == "workflow_run" and origin.triggered_by:
            links, origin = links + 1, origin.triggered_by
        if links > MAX_WORKFLOW_RUN_LINKS:
            return
        ref, commit = (
            f"refs/heads/{self.default_branch}",
            self.remote.resolve(f"refs/heads/{self.default_branch}"),
        )
        if commit is None:
            return
        for path, text in self.remote.workflows(commit).items():
            try:
                on = events.triggers(workflows.parse(text))
            except workflows.WorkflowError:
                continue
            if "workflow_run" not in on:
                continue
            if not events.starts_on_workflow_run(
                on["workflow_run"], run.workflow_name, "completed", run.head_branch
            ):
                continue
            payload = {
                "action": "completed",
                "workflow_run": self.run_payload(run),
                "workflow": {"name": run.workflow_name, "path": run.workflow_path},
                **self._payload(run.actor),
            }
            self._start(path, "workflow_run", ref, commit, payload, {}, triggered_by=run)

    def _commit(self, ref: str) -> str:
        commit = self.remote.resolve(ref)
        if commit is None:
            raise DispatchError(f"No ref found for: {ref}")
        return commit

    def _default_commit(self) -> str:
        return self._commit(f"refs/heads/{self.default_branch}")

    def _branch_or_tag(self, ref: str) -> tuple[str, str]:
        """A dispatch takes a branch or a tag, not a commit."""
        for full in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}"):
            if full.startswith(("refs/heads/", "refs/tags/")) and (
                commit := self.remote.resolve(full)
            ):
                return full, commit
        raise DispatchError(f"No ref found for: {ref}")

    def _payload(self, sender: str = "octocat") -> dict[str, Any]:
        return {
            "repository": self.repository_payload(),
            "sender": {"login": sender, "id": person_id(sender)},
        }

    # Runs

    def _start(
        self,
        path: str,
        event: str,
        ref: str,
        commit: str,
        payload: dict[str, Any],
        inputs: dict[str, Any],
        triggered_by: Run | None = None,
    ) -> Run:
        name = self._name_of(path, self.remote.workflows(commit)[path])
        run = self._new_run(path, name, event, ref, commit, payload, inputs)
        run.triggered_by = triggered_by
        if rulesets.is_held(self, run):
            run.status, run.conclusion = "completed", "action_required"
        else:
            self._begin(run)
        return run

    def _new_run(
        self,
        path: str,
        name: str,
        event: str,
        ref: str,
        commit: str,
        payload: dict[str, Any],
        inputs: dict[str, Any],
    ) -> Run:
        with self.lock:
            number = self._numbers[path] = self._numbers.get(path, 0) + 1
            branch = ref.split("/", 2)[2]
            return_value = Run(
                self.new_id(), number, path, name, event, commit, branch, ref, payload
            )
            return_value.inputs, return_value.created_at = inputs, self.next_second()
            return_value.started_at = return_value.updated_at = return_value.created_at
            return_value.actor = payload.get("sender", {}).get("login", return_value.actor)
            return_value.triggering_actor = return_value.actor
            if pull := payload.get("pull_request"):
                head = pull["head"]
                return_value.head_sha, return_value.head_branch = head["sha"], head["ref"]
                return_value.head_repository = head["repo"]["full_name"]
            self.runs.append(return_value)
        return return_value

    def _begin(self, run: Run, previous: Previous | None = None) -> None:
        if run not in self.runs:
            self.runs.append(run)
        ready = threading.Event()
        life = self._life(run, previous, ready)
        if self.driver:
            self.driver.add(run, life, ready)
            return
        thread = threading.Thread(target=self._live, args=(run, life), daemon=True)
        with self.lock:
            self._threads[thread] = run
            thread.start()
        ready.wait()  # runs are created, and ask for their groups, in the order of the events

    def _live(self, run: Run, life: Iterator[Wait]) -> None:
        """Take a run from start to end, in a thread of its own."""
        for wait in life:
            self._waits[id(run)] = wait
            wait.pause()
            self._turns[id(run)] += 1
            self._waits.pop(id(run))

    def _life(self, run: Run, previous: Previous | None, ready: threading.Event) -> Iterator[Wait]:
        """A run from its start to its end; yields where it has to wait."""
        try:
            ended = yield from self._run_jobs(run, previous, ready)
        except workflows.WorkflowError as error:
            run.jobs, run.message, ended = {}, str(error), "startup_failure"
        except BaseException as error:
            self.failures.append(error)
            run.message, ended = repr(error), "failure"
        with self.lock:
            run.status, run.conclusion, run.updated_at = "completed", ended, self.next_second()
            self._remember(run)
        if claim := self._claims.get(id(run)):
            self.groups.release(claim)
        yield from self._breath()
        try:
            self._fire_workflow_run(run)
        except BaseException as error:
            self.failures.append(error)
        finally:
            ready.set()

    def _breath(self) -> Iterator[Wait]:
        """Let others go first, if a driver decides about the order."""
        if self.driver:
            yield Wait(lambda: True)

    def _run_jobs(
        self, run: Run, previous: Previous | None, ready: threading.Event
    ) -> Generator[Wait, None, str]:
        """The run from its start to its conclusion."""
        files = self.remote.workflows(run.sha)
        root = workflows.tree(files, run.workflow_path)
        context = {
            "github": self.github_context(run, ""),
            "inputs": run.inputs,
            "vars": self.variables_of(run),
        }
        try:
            title = expressions.evaluate(
                root.workflow.get("run-name"), context
            ) or self._default_title(run)
            wanted = expressions.evaluate(root.workflow.get("concurrency"), context)
        except expressions.ExpressionError as error:
            raise workflows.WorkflowError(str(error)) from error
        run.display_title = workflows.as_text(title)
        claims = []
        if wanted:
            try:
                claim = Claim.from_setting(wanted, lambda: self.cancel(run))
            except ValueError as error:
                raise workflows.WorkflowError(str(error)) from error
            run.concurrency = claim.group
            claims.append(claim)
            self._claims[id(run)] = claim
            self.groups.request(claim)
            if claim.state == "pending":
                self.show_status(run, "pending")
            ready.set()
            while claim.state in ("new", "pending"):
                yield Wait(lambda: claim.state not in ("new", "pending"), self.groups.changed)
            if claim.state == "cancelled":
                run.cancelled, run.message = True, claim.message
                return "cancelled"
        if forced := self.forced_conclusions.get(run.workflow_file):
            ready.set()
            return forced
        self.show_status(run, "queued")
        jobs = scheduler.Scheduler(self, run, root, claims)
        if previous:
            jobs.keep(previous)
        self._schedulers[id(run)] = jobs
        ready.set()
        yield from self._breath()
        yield from jobs.execute()
        return scheduler.conclusion(run)

    def _default_title(self, run: Run) -> str:
        if run.event == "push":
            return str(run.payload["head_commit"]["message"]).splitlines()[0]
        if run.event == "pull_request":
            return str(run.payload["pull_request"]["title"])
        return run.workflow_name

    @contextmanager
    def _outermost(self) -> Iterator[None]:
        """Wait until nothing more happens without the test. Calls that jobs make do not wait."""
        inside = self._busy()
        yield
        if inside or self.driver:
            return
        while busy := self._busy():
            busy.join(0.05)
        with self.lock:
            self._threads = {t: run for t, run in self._threads.items() if t.is_alive()}
        self.raise_failures()

    def raise_failures(self) -> None:
        """Raise in the test what went wrong in another thread."""
        if self.failures:
            failures, self.failures = self.failures, []
            raise failures[0]

    def _busy(self) -> threading.Thread | None:
        """The thread of a run that goes on without the test; runs that wait for a review do not."""
        alive = [(t, run) for t, run in self._threads.copy().items() if t.is_alive()]
        return next((thread for thread, run in alive if self._goes_on(run)), None)

    def _goes_on(self, run: Run) -> bool:
        """Whether a run does something, will do something, or did something during this check."""
        turns, wait = self._turns[id(run)], self._waits.get(id(run))
        if wait is None or not wait.rests() or wait.over():
            return True
        return self._turns[id(run)] != turns or self._waits.get(id(run)) is not wait

    def report(self, what: str) -> None:
        """Fail the test: something was used that this double does not imitate."""
        self.failures.append(NotModelledError(what))

    def planned_answer(self, method: str, path: str) -> Planned | None:
        with self.lock:
            return next_plan(self._planned, method, path)

    def fault(self, method: str, path: str) -> str | None:
        with self.lock:
            plan = next_plan(self._faults, method, path)
        return plan.answer.body if plan else None

    def fault_environment(self) -> dict[str, str]:
        """Tells a job that it has to ask before its calls."""
        return {"OFFLINE_GITHUB_FAULTS": "1"} if any(f.times for f in self._faults) else {}

    def new_id(self) -> int:
        with self.lock:
            return 10_000_000 + next(self._ids)

    def next_second(self) -> str:
        """A second that no earlier event has, so that runs and artifacts have an order."""
        return self.clock.stamp(new=True, frozen=self.same_second)

    def touch(self, run: Run) -> None:
        """The run, or one of its jobs, has changed."""
        with self.lock:
            if run.status != "completed":
                run.updated_at = self.moment()

    def show_status(self, run: Run, status: str, job: Job | None = None) -> None:
        """From now on the API shows another status of the run, or of its job."""
        with self.lock:
            shown = job or run
            if shown.status != status:
                shown.status = status
                self.touch(run)
                self._remember(run)

    def _remember(self, run: Run) -> None:
        run.history.append((self.clock.now(), run.status, run.conclusion))

    def moment(self) -> str:
        """The second of a change. Two changes may have the same one."""
        return self.clock.stamp(frozen=self.same_second)

    def find_run(self, run_id: int, attempt: int | None = None) -> Run | None:
        attempts = [run for run in self.runs if run.id == run_id and attempt in (None, run.attempt)]
        return attempts[-1] if attempts else None

    def latest_attempts(self) -> list[Run]:
        return list({run.id: run for run in self.runs}.values())

    def new_artifact(self, run: Run, name: str) -> Artifact:
        with self.lock:
            artifact = Artifact(self.new_id(), name, run.id, created_at=self.next_second())
            run.artifact_store[artifact.id] = artifact
        return artifact

    def artifact(self, artifact_id: int) -> Artifact | None:
        return next(
            (r.artifact_store[artifact_id] for r in self.runs if artifact_id in r.artifact_store),
            None,
        )

    # What GitHub tells workflows and API clients

    @staticmethod
    def _name_of(path: str, text: str | None) -> str:
        try:
            return str(workflows.parse(text).get("name", path)) if text else path
        except workflows.WorkflowError:
            return path

    def workflow_path(self, file_or_id: str) -> str | None:
        """The path of a workflow, by file name or id, if GitHub has heard of it."""
        commit = self.remote.resolve(f"refs/heads/{self.default_branch}")
        known: list[str] = list(self.remote.workflows(commit)) if commit else []
        for path in [*known, *(run.workflow_path for run in self.runs)]:
            if file_or_id in (path, path.rsplit("/", 1)[1], str(self.workflow_id(path))):
                return path
        return None

    @staticmethod
    @functools.cache
    def workflow_id(path: str) -> int:
        return 500_000 + sum(i * ord(letter) for i, letter in enumerate(path, 1))

    def restricted(self, run: Run) -> bool:
        """A fork's pull request: its token may only read, and there are no secrets or variables."""
        return run.event == "pull_request" and run.head_repository != self.name

    def variables_of(self, run: Run) -> dict[str, str]:
        return {} if self.restricted(run) else self.variables

    def head_repository_id(self, run: Run) -> int:
        return self.repository_id if run.head_repository == self.name else self.fork_id

    def repository_payload(self, name: str | None = None) -> dict[str, Any]:
        name = name or self.name
        owner = name.split("/")[0]
        return {
            "id": self.repository_id if name == self.name else self.fork_id,
            "name": name.split("/")[1],
            "full_name": name,
            "private": self.private,
            "fork": name != self.name,
            "default_branch": self.default_branch,
            "html_url": f"{self.server_url}/{name}",
            "owner": {
                "login": owner,
                "id": self.owner_id if name == self.name else person_id(owner),
                "type": "Organization" if name == self.name else "User",
            },
        }

    def _pull_request_payload(self, pull: PullRequest, base_commit: str) -> dict[str, Any]:
        def side(repository: str, branch: str, commit: str) -> dict[str, Any]:
            shown = self.repository_payload(repository)
            label = f"{shown['owner']['login']}:{branch}"
            return {"label": label, "ref": branch, "sha": commit, "repo": shown}

        return {
            "number": pull.number,
            "state": "open",
            "draft": False,
            "title": self.remote.message(pull.commits[0]).splitlines()[0],
            "html_url": f"{self.server_url}/{self.name}/pull/{pull.number}",
            "user": {"login": pull.author, "id": person_id(pull.author)},
            "head": side(self.fork if pull.fork else self.name, pull.head, pull.commits[-1]),
            "base": side(self.name, pull.base, base_commit),
        }

    def run_payload(self, run: Run) -> dict[str, Any]:
        with self.lock:  # the run may be going on
            return self._run_payload(run)

    def _run_payload(self, run: Run) -> dict[str, Any]:
        url = f"{self.api_url}/repos/{self.name}/actions/runs/{run.id}"
        return {
            "id": run.id,
            "name": run.workflow_name,
            "path": run.workflow_path,
            "display_title": run.display_title,
            "event": run.event,
            "status": run.status,
            "conclusion": run.conclusion,
            "head_sha": run.head_sha,
            "head_branch": run.head_branch,
            "run_number": run.number,
            "run_attempt": run.attempt,
            "workflow_id": self.workflow_id(run.workflow_path),
            "created_at": run.created_at,
            "run_started_at": run.started_at,
            "updated_at": run.updated_at,
            "url": url,
            "jobs_url": f"{url}/jobs",
            "html_url": f"{self.server_url}/{self.name}/actions/runs/{run.id}",
            "actor": account(run.actor),
            "triggering_actor": account(run.triggering_actor),
            "repository": self.repository_payload(),
            "head_repository": self.repository_payload(run.head_repository),
            # GitHub lists only the repository's own ones, not those of forks.
            "pull_requests": [
                {name: pull[name] for name in ("number", "head", "base")}
                for pull in [run.payload.get("pull_request")]
                if pull and run.head_repository == self.name
            ],
        }

    def job_payloads(self, run: Run) -> list[dict[str, Any]]:
        """Jobs as the API lists them: those with steps, under the names that the page shows."""
        with self.lock:  # the run may be going on
            return self._job_payloads(run)

    def _job_payloads(self, run: Run) -> list[dict[str, Any]]:
        shown = []
        jobs = dict(run.jobs)
        for key, job in jobs.items():
            if any(other.startswith(f"{key} / ") for other in jobs):
                continue
            if job.attempt != run.attempt and self.kept_jobs == "left out":
                continue
            names = [
                jobs[" / ".join(key.split(" / ")[: i + 1])].name
                for i in range(key.count(" / ") + 1)
            ]
            shown.append(self._job_payload(run, job, " / ".join(names)))
        return shown

    def _job_payload(self, run: Run, job: Job, name: str) -> dict[str, Any]:
        number, attempt = job.id, job.attempt
        if attempt != run.attempt and self.kept_jobs == "copied":
            number, attempt = 1000 * job.id + run.attempt, run.attempt
        ran = job.started_at is not None
        url = f"{self.api_url}/repos/{self.name}/actions"
        return {
            "id": number,
            "run_id": run.id,
            "run_url": f"{url}/runs/{run.id}",
            "run_attempt": attempt,
            "workflow_name": run.workflow_name,
            "head_sha": run.head_sha,
            "head_branch": run.head_branch,
            "name": name,
            "status": job.status,
            "conclusion": job.result,
            "created_at": job.created_at,
            "started_at": job.started_at or job.created_at,
            "completed_at": job.completed_at,
            "url": f"{url}/jobs/{number}",
            "html_url": f"{self.server_url}/{self.name}/actions/runs/{run.id}/job/{number}",
            "steps": [
                {
                    "name": step,
                    "status": "completed" if conclusion else "in_progress",
                    "conclusion": conclusion or None,
                    "number": place,
                }
                for place, (step, conclusion) in enumerate(dict(job.steps).items(), 1)
            ],
            "labels": sorted(runner.labels(job.runs_on)) if job.runs_on else [],
            "runner_id": 1 if ran else None,
            "runner_name": "GitHub Actions 1" if ran else None,
            "runner_group_id": 0 if ran else None,
            "runner_group_name": "GitHub Actions" if ran else None,
        }

    def github_context(self, run: Run, job_id: str) -> dict[str, Any]:
        kind, name = run.ref.split("/", 2)[1:]
        pull = run.payload.get("pull_request")
        return {
            "action": "",
            "actor": run.actor,
            "actor_id": str(person_id(run.actor)),
            "api_url": self.api_url,
            "base_ref": pull["base"]["ref"] if pull else "",
            "event": run.payload,
            "event_name": run.event,
            "graphql_url": f"{self.api_url}/graphql",
            "head_ref": pull["head"]["ref"] if pull else "",
            "job": job_id,
            "ref": run.ref,
            "ref_name": name,
            "ref_protected": False,
            "ref_type": "tag" if kind == "tags" else "branch",
            "repository": self.name,
            "repository_id": str(self.repository_id),
            "repository_owner": self.name.split("/")[0],
            "repository_owner_id": str(self.owner_id),
            "repositoryUrl": f"git://github.com/{self.name}.git",
            "retention_days": "90",
            "run_attempt": str(run.attempt),
            "run_id": str(run.id),
            "run_number": str(run.number),
            "server_url": self.server_url,
            "sha": run.sha,
            "triggering_actor": run.triggering_actor,
            "workflow": run.workflow_name,
            "workflow_ref": f"{self.name}/{run.workflow_path}@{run.ref}",
            "workflow_sha": run.sha,
        }

    @staticmethod
    def unknown_to_act(context: dict[str, Any]) -> dict[str, Any]:
        """The properties of `github` that act leaves empty."""
        names = [
            *("actor_id", "ref_protected", "repository_id", "repository_owner_id"),
            *("repositoryUrl", "triggering_actor", "workflow_ref", "workflow_sha"),
        ]
        return {f"github.{name.lower()}": context[name] for name in names}

    @staticmethod
    def github_variables(context: dict[str, Any]) -> dict[str, str]:
        skipped = ("action", "event", "job", "repositoryUrl", "workflow")
        return {
            f"GITHUB_{name.upper()}": workflows.as_text(value)
            for name, value in context.items()
            if name not in skipped
        }

    def action_folder(self, commit: str) -> Path:
        """Where the actions of a commit lie: the same folder for the same contents."""
        if commit not in self._action_folders:
            self._action_folders[commit] = unpacked(self.remote.github_files(commit))
        return self._action_folders[commit]

    def job_actions(self, commit: str) -> Path:
        """The same for jobs on this machine, with the modes of files and with links."""
        if commit not in self._job_actions:
            self._job_actions[commit] = laid_out(self.remote.archive(commit))
        return self._job_actions[commit]

    def job_environment(
        self, run: Run, job: Job, context: dict[str, Any], runtime_token: str
    ) -> dict[str, str]:
        """Variables of the runner; act derives most of the `github` context from them."""
        variables = self.github_variables(context)
        if job.permissions.get("id-token") == "write":
            variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = f"{self.api_url}/oidc?api-version=1"
            variables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = runtime_token
        return {
            **variables,
            "CI": "true",
            "SHA_REF": run.sha,  # act's name for the commit
            "RUNNER_NAME": "offline",
            "RUNNER_ENVIRONMENT": "github-hosted",
            "ACTIONS_RESULTS_URL": f"{self.api_url}/",
            "ACTIONS_RUNTIME_TOKEN": runtime_token,
            "OFFLINE_GITHUB_ACTION_HOST": str(self.action_hosts.port),
            "OFFLINE_GITHUB_ACTION_LOG": str(self._action_log),
            "OFFLINE_GITHUB_JOB": job.key,
            "OFFLINE_GITHUB_SPEED": str(self.speed),
            "OFFLINE_GITHUB_CLOCK": " ".join(str(1000 * t) for t in self.clock.pair()),
        }
