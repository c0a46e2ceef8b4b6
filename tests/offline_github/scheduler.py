"""Runs the jobs of one run in dependency order, with GitHub's rules for conditions and calls."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import environments, expressions, machine, own_actions, runner, workflows
from .concurrency import Claim
from .model import Job, Run
from .server import Session
from .waits import Inbox, Wait
from .workflows import Node

if TYPE_CHECKING:
    from .driver import Body
    from .github import OfflineGitHub

#: A condition without any of these does not survive the cancellation of a run.
NEVER = {"success": False, "failure": False, "cancelled": True}
#: The value of `job.status` for act, which is not told of a cancellation.
JOB_STATUS = expressions.raw(f"({own_actions.CANCELLED} && 'cancelled' || job.status)")


@dataclass
class Previous:
    """An earlier attempt. Some of its jobs run again, with all jobs that depend on them."""

    run: Run
    again: set[str]


@dataclass
class Progress:
    """The progress of a job of the tree."""

    status: str = "pending"
    result: str | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    #: What a calling job passes to the jobs of the workflow that it calls.
    inputs: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    #: The names whose values the job's environment replaces; None: all of the environment's names.
    environment_secrets: frozenset[str] | None = frozenset()
    claims: list[Claim] = field(default_factory=list)
    process: runner.JobProcess | machine.Machine | Body | None = None
    job: Job | None = None
    #: By its concurrency group.
    cancelled: bool = False
    permitted: bool = False
    evaluated: bool = False
    approved: bool = False
    #: The time since which it waits for a runner, or for a `hold` of a test.
    held: float | None = None
    #: Whether it waits for a review, and the result: "approved" or "rejected".
    asks: bool = False
    review: str | None = None


class Scheduler:
    """One attempt of one run."""

    def __init__(
        self, github: OfflineGitHub, run: Run, root: Node, run_claims: list[Claim]
    ) -> None:
        self.github = github
        self.run = run
        self.root = root
        self.claims = run_claims
        self.nodes = [node for node in root.walk() if node.parent]
        self.progress = {node.key: Progress() for node in root.walk()}
        #: Jobs that have ended, with their outcomes; None: something else has changed.
        self.inbox = Inbox()
        self.wait = Wait(self._may_go_on, self.inbox.changed, self._rests, self._look)
        self.running = 0
        top = self.progress[root.key]
        top.status, top.inputs = "running", run.inputs
        self.restricted = github.restricted(run)
        top.environment_secrets = frozenset() if self.restricted else None
        top.secrets = {} if self.restricted else dict(github.secrets)

    # Contexts

    def context(self, node: Node) -> dict[str, Any]:
        """The contexts that the keys of a job may use."""
        assert node.parent
        caller = self.progress[node.parent.key]
        needs = {need: self._needed(node.parent.children[need]) for need in node.needs}
        return {
            "github": self.github.github_context(self.run, node.id),
            "inputs": caller.inputs,
            "needs": needs,
            "vars": self.github.variables_of(self.run),
            "strategy": {},
            "matrix": {},
        }

    def _needed(self, node: Node) -> dict[str, Any]:
        progress = self.progress[node.key]
        return {"result": progress.result, "outputs": progress.outputs}

    def _status(self, node: Node) -> dict[str, bool]:
        """success() and failure() look at all ancestors, not only at `needs`."""
        results = [self.progress[ancestor.key].result for ancestor in node.ancestors()]
        cancelled = self._cancelled(node)
        return {
            "success": not cancelled and all(result == "success" for result in results),
            "failure": any(result == "failure" for result in results),
            "cancelled": cancelled,
        }

    # The loop

    def execute(self) -> Iterator[Wait]:
        """Run all jobs until each has a result. Yields when there is nothing to do."""
        with contextlib.ExitStack() as stack:
            if not self.github.driver:
                pool = concurrent.futures.ThreadPoolExecutor(self.github.parallel)
                self.pool = stack.enter_context(pool)
            while True:
                while self._advance():
                    pass
                self._show_status()
                if all(self.progress[node.key].status == "completed" for node in self.nodes):
                    break
                yield self.wait
                for message in self.inbox.take():
                    if message is not None:
                        self._collect(*message)

    def wake(self, stopped: Node | None = None) -> None:
        """Look again: the run, or a job, was cancelled."""
        self.inbox.put(None)
        for node in (stopped or self.root).walk():
            progress = self.progress[node.key]
            if progress.process and not self._survives_cancel(node):
                progress.process.cancel()

    def _may_go_on(self) -> bool:
        """Whether a job has ended, or one that waits for a group or a review has it now."""
        if self.inbox:
            return True
        waiting = (
            progress
            for node in self.nodes
            if (progress := self.progress[node.key]).status == "pending" and progress.permitted
            # A job that waits for a machine gets it only when another job ends.
            if node.called or not self._all_machines_run()
        )
        return any(
            not progress.held
            and not (progress.asks and progress.review is None)
            and not any(claim.state == "pending" for claim in progress.claims)
            for progress in waiting
        )

    def _all_machines_run(self) -> bool:
        return not self.github.driver and self.running >= self.github.parallel

    def _rests(self) -> bool:
        return not self.running and not any(p.held for p in self.progress.values())

    def _look(self) -> float | None:
        """Look for a group that is free, or a `hold` that is over: nothing announces these."""
        waits = any(
            p.held or any(claim.state == "pending" for claim in p.claims)
            for p in self.progress.values()
        )
        return 0.05 if waits else None

    def _show_status(self) -> None:
        """The status of the run follows from those of its jobs."""
        shown = [progress.job.status for progress in self.progress.values() if progress.job]
        status = "in_progress" if self.running or self.run.order else "queued"
        if not self.running:
            status = next((held for held in ("waiting", "pending") if held in shown), status)
        self.github.show_status(self.run, status)

    def _advance(self) -> bool:
        """Let every job that can go on take one step, in the order of the files."""
        changed = False
        for node in self.nodes:
            assert node.parent
            progress = self.progress[node.key]
            if progress.status == "pending" and self.progress[node.parent.key].status == "running":
                siblings = node.parent.children
                if all(
                    self.progress[siblings[need].key].status == "completed" for need in node.needs
                ):
                    changed |= self._start(node, progress)
            elif progress.status == "running" and node.called:
                children = [self.progress[child.key] for child in node.children.values()]
                if all(child.status == "completed" for child in children):
                    self._return(node, progress)
                    changed = True
        return changed

    def _start(self, node: Node, progress: Progress) -> bool:
        if not progress.permitted:
            try:
                status = self._status(node)
                text = workflows.as_text(node.definition.get("if", ""))
                starts = expressions.condition(text, self.context(node), status)
            except expressions.ExpressionError as error:
                return self._finish(node, "failure", f"##[error]The template is not valid. {error}")
            if not starts:
                # The job was ready and the cancellation stopped it, or its condition does not hold.
                results = [self.progress[a.key].result for a in node.ancestors()]
                stopped = self._cancelled(node) and all(result == "success" for result in results)
                return self._finish(node, "cancelled" if stopped else "skipped")
            progress.permitted = True
        if not node.called and self._all_machines_run():
            return False
        try:
            if not self._claim(node, progress):
                return progress.status == "completed"
            if node.called:
                self._call(node, progress)
            elif self._may_start(node, progress):
                self._launch(node, progress)
            else:
                return progress.status == "completed"
        except own_actions.ActionError as error:
            return self._finish(node, "failure", f"##[error]{error}")
        except (expressions.ExpressionError, ValueError) as error:
            return self._finish(node, "failure", f"##[error]The template is not valid. {error}")
        return True

    def _claim(self, node: Node, progress: Progress) -> bool:
        """Ask for the job's concurrency groups; False while they are held by others."""
        if not progress.claims:
            wanted = [(node.definition.get("concurrency"), self.context(node))]
            if node.called:
                context = {**self.context(node), "inputs": self._call_inputs(node)}
                wanted.append((node.called.get("concurrency"), context))
            job = self._job(node)
            for value, context in wanted:
                if value is None:
                    continue
                claim = Claim.from_setting(
                    expressions.evaluate(value, context), lambda: self._stop(node)
                )
                job.concurrency = claim.group
                claim.outer = [*self.claims, *self._outer_claims(node), *progress.claims]
                progress.claims.append(claim)
                self.github.groups.request(claim)
        for claim in progress.claims:
            if claim.state == "cancelled":
                self._finish(node, "cancelled")
                return False
        if self._cancelled(node) and not self._survives_cancel(node):
            self._finish(node, "cancelled")
            return False
        granted = all(claim.state == "running" for claim in progress.claims)
        job = self._job(node)
        if not granted or job.status == "pending":
            self.github.show_status(self.run, "queued" if granted else "pending", job)
        return granted

    def _stop(self, node: Node) -> None:
        """Cancel a job, with all jobs that it calls: a newer claim replaces it in its group."""
        self.progress[node.key].cancelled = True
        self.wake(node)

    def _cancelled(self, node: Node) -> bool:
        """Whether the run was cancelled, or this job, or one that calls it."""
        if node.parent is None:
            return self.run.cancelled
        return self.progress[node.key].cancelled or self._cancelled(node.parent)

    def _outer_claims(self, node: Node) -> list[Claim]:
        claims: list[Claim] = []
        parent = node.parent
        while parent:
            claims += self.progress[parent.key].claims
            parent = parent.parent
        return claims

    def _survives_cancel(self, node: Node) -> bool:
        try:
            return expressions.condition(
                workflows.as_text(node.definition.get("if", "")), self.context(node), NEVER
            )
        except expressions.ExpressionError:
            return False

    def _job(self, node: Node) -> Job:
        progress = self.progress[node.key]
        if progress.job is None:
            job = Job(node.key, self.github.new_id(), self.run.attempt, node.path)
            job.permissions = node.permissions
            if self.restricted:
                job.permissions = workflows.read_only(node.permissions)
            job.name = str(node.definition.get("name", node.id))
            job.created_at = self.github.moment()
            progress.job = self.run.jobs[node.key] = job
            self.github.touch(self.run)
        return progress.job

    def _finish(self, node: Node, result: str, log: str = "") -> bool:
        progress, job = self.progress[node.key], self._job(node)
        progress.status, progress.result, progress.process = "completed", result, None
        progress.held = None
        with self.github.lock:
            job.result, job.outputs = result, progress.outputs
            # No job that runs takes less than a second. Scripts compare the times of jobs.
            end = self.github.next_second if job.started_at else self.github.moment
            job.completed_at = end()
            self.github.show_status(self.run, "completed", job)
        reasons = [f"##[error]{claim.message}" for claim in progress.claims if claim.message]
        job.log = "\n".join(part for part in (job.log, log, *reasons) if part)
        for claim in progress.claims:
            self.github.groups.release(claim)
        if (
            result != "success"
            and node.called
            and not any(self.progress[child.key].job for child in node.children.values())
        ):
            # GitHub shows a call that did not happen as one job, without those of the callee.
            for child in node.walk():
                self.progress[child.key].status = "completed"
                self.progress[child.key].result = result
        return True

    # Calls

    def _call_inputs(self, node: Node) -> dict[str, Any]:
        assert node.called
        given = expressions.evaluate(node.definition.get("with") or {}, self.context(node))
        return workflows.call_inputs(node.called, given)

    def _call(self, node: Node, progress: Progress) -> None:
        """Start the jobs of a called workflow."""
        assert node.parent
        caller = self.progress[node.parent.key]
        job = self._job(node)
        progress.inputs = job.inputs = self._call_inputs(node)
        secrets = node.definition.get("secrets") or {}
        if secrets == "inherit":
            progress.secrets, progress.environment_secrets = (
                caller.secrets,
                caller.environment_secrets,
            )
        else:
            context = {**self.context(node), "secrets": caller.secrets}
            values = expressions.evaluate(secrets, context)
            progress.secrets = {name: workflows.as_text(value) for name, value in values.items()}
            # The job's environment wins over what is passed, an empty one too.
            progress.environment_secrets = frozenset() if self.restricted else frozenset(values)
        progress.status, job.started_at = "running", self.github.moment()
        self.github.show_status(self.run, "in_progress", job)

    def _return(self, node: Node, progress: Progress) -> None:
        """A calling job ends: its outputs, and the worst result of what it called."""
        assert node.called
        results = [self.progress[child.key].result for child in node.children.values()]
        settings = workflows.call_settings(node.called) or {}
        declared = {name: o["value"] for name, o in (settings.get("outputs") or {}).items()}
        jobs = {child.id: self._needed(child) for child in node.children.values()}
        context = {**self.context(node), "inputs": progress.inputs, "jobs": jobs}
        values = expressions.evaluate(declared, context)
        progress.outputs = {name: workflows.as_text(value) for name, value in values.items()}
        for worst in ("failure", "cancelled"):
            if worst in results:
                self._finish(node, worst)
                return
        self._finish(node, "skipped" if set(results) == {"skipped"} else "success")

    # Jobs with steps

    def _may_start(self, node: Node, progress: Progress) -> bool:
        """Whether the job can start: its environment allows it, and it has a runner."""
        github, run, job = self.github, self.run, self._job(node)
        if not progress.evaluated:
            self._evaluate(node, job)
            progress.evaluated = True
        settings = self._environment(job)
        if refused := environments.refusal(settings, run.ref, job.environment or ""):
            self._finish(node, "failure", f"##[error]{refused}")
            return False
        if settings.get("reviewers") and not progress.approved:
            if not self._approved(settings, node, progress):
                return False
            assert job.environment
            run.approvals.append((node.key, job.environment))
            progress.approved = True
        if github.no_runner & runner.labels(job.runs_on):
            return self._hold(node, progress, "queued")
        progress.held = None
        return True

    def _evaluate(self, node: Node, job: Job) -> None:
        runner.check_modelled(node.definition)
        context = self.context(node)
        job.name = workflows.as_text(expressions.evaluate(job.name, context))
        job.runs_on = expressions.evaluate(node.definition["runs-on"], context)
        asked, deploys = node.definition.get("environment"), True
        if isinstance(asked, dict):  # its `url` is known only when the steps have run
            deploys = bool(expressions.evaluate(asked.get("deployment", True), context))
            asked = asked.get("name")
        job.environment = workflows.as_text(expressions.evaluate(asked, context)) or None
        job.deployment = deploys and job.environment is not None

    def _environment(self, job: Job) -> dict[str, Any]:
        """An environment that does not exist is created, without any protection."""
        if not job.environment:
            return {}
        if environments.named(self.github, job.environment) is None:
            self.github.environments[job.environment] = {}
        return environments.rules(self.github, job.environment)

    def _approved(self, settings: dict[str, Any], node: Node, progress: Progress) -> bool:
        """Whether somebody has approved the job. Otherwise it waits, or ends."""
        if hold := settings.get("hold"):
            free = hold.is_set() if isinstance(hold, threading.Event) else hold(self.run, node.key)
            return bool(free) or self._hold(node, progress, "waiting")
        if not environments.is_held(self.github, settings) or progress.review == "approved":
            return True
        if progress.review == "rejected":
            message = "The deployment was rejected or didn't satisfy other protection rules."
            self._finish(node, "failure", f"##[error]{message}")
        elif self._cancelled(node):
            self._finish(node, "cancelled")
        else:
            progress.asks = True
            self.github.show_status(self.run, "waiting", self._job(node))
        return False

    def asking(self) -> list[Job]:
        """The jobs that wait for a review."""
        waiting = [p for p in self.progress.values() if p.asks and p.status == "pending"]
        return [p.job for p in waiting if p.job and p.review is None]

    def decide(self, job: Job, review: str) -> None:
        """Somebody has approved or rejected a job."""
        self.progress[job.key].review = review
        self.inbox.put(None)

    def _hold(self, node: Node, progress: Progress, status: str) -> bool:
        """Wait as this status, until the run or the job is cancelled."""
        if self._cancelled(node):
            self._finish(node, "cancelled")
            return False
        progress.held = progress.held or time.monotonic()
        if time.monotonic() - progress.held > self.github.job_limit:
            message = f"{node.key} was {status} longer than {self.github.job_limit} s"
            self.github.failures.append(TimeoutError(message))
            self.github.cancel(self.run)
        self.github.show_status(self.run, status, self._job(node))
        return False

    def _launch(self, node: Node, progress: Progress) -> None:
        assert node.parent
        github, run, job = self.github, self.run, self._job(node)
        caller, context = self.progress[node.parent.key], self.context(node)
        variables, secrets = dict(github.variables_of(run)), dict(caller.secrets)
        settings = self._environment(job)
        if not self.restricted:
            variables |= settings.get("vars") or {}
        own, wanted = settings.get("secrets") or {}, caller.environment_secrets
        secrets |= {n: value for n, value in own.items() if wanted is None or n in wanted}
        job.secrets = sorted(secrets)
        job.inputs = caller.inputs
        session = Session(github, run, job)
        if github.driver:
            contexts = {**context, "vars": variables, "secrets": secrets}
            progress.process = github.driver.start(session, node, contexts, self._ended(node))
        else:
            progress.process = self._machine(session, node, context, variables, secrets)
        progress.status, job.started_at = "running", github.moment()
        run.order.append(node.key)
        self.running += 1
        github.show_status(run, "in_progress", job)
        self._show_status()
        if isinstance(progress.process, runner.JobProcess | machine.Machine):
            self.pool.submit(self._work, node, progress.process)

    def _ended(self, node: Node) -> Callable[[runner.JobOutcome], None]:
        return lambda outcome: self.inbox.put((node, outcome))

    def _machine(
        self,
        session: Session,
        node: Node,
        context: dict[str, Any],
        variables: dict[str, str],
        secrets: dict[str, str],
    ) -> runner.JobProcess | machine.Machine:
        """A job that runs on this machine."""
        github, run, job = self.github, self.run, session.job
        token, runtime_token = github.server.tokens(session)
        folder = github.workdir / "jobs" / f"{run.id}-{run.attempt}-{job.id}"
        environment = github.job_environment(run, job, context["github"], runtime_token)
        secrets = {**secrets, "GITHUB_TOKEN": token}
        if github.runner == "own":
            contexts = {**context, "vars": variables, "secrets": secrets}
            own_machine = machine.Machine(session, node, contexts, folder, environment, token)
            if node.key not in github.forced_results:
                own_machine.check()
            return own_machine
        unknown = {**github.unknown_to_act(context["github"]), "job.status": JOB_STATUS}
        literals = {**context, "vars": variables, **unknown}
        del literals["github"]
        parts = {key: node.definition.get(key) or {} for key in ("env", "defaults", "outputs")}
        parts["workflow"] = {key: node.workflow.get(key) or {} for key in ("env", "defaults")}
        parts, steps = expressions.substitute(parts, node.definition["steps"], literals)
        own = own_actions.OwnActions(
            github.remote, github.name, run.sha, unknown, folder / "repository"
        )
        if node.key not in github.forced_results:
            steps = own.prepare(steps, github.stand_ins)
        return runner.JobProcess(
            runner.JobRequest(
                folder=folder,
                actions=own.used,
                event_name=run.event,
                event=run.payload,
                workflow_name=run.workflow_name,
                workflow=parts.pop("workflow"),
                job_id=node.id,
                job=parts,
                steps=steps,
                environment=environment,
                secrets=secrets,
                variables=variables,
                path=github.path_of_act,
                runner_environment=github.runner_environment,
            )
        )

    def _work(self, node: Node, process: runner.JobProcess | machine.Machine) -> None:
        outcome: runner.JobOutcome | BaseException
        github, started = self.github, time.monotonic()

        def too_long() -> None:
            github.failures.append(TimeoutError(f"{node.key} ran longer than {github.job_limit} s"))
            process.kill()

        limit = threading.Timer(github.job_limit, too_long)
        limit.start()
        try:
            if github.before_job:
                github.before_job(self.run, node.key)
            if result := github.forced_results.get(node.key):
                outcome = runner.JobOutcome(result, github.forced_outputs.get(node.key, {}))
            else:
                process.environment |= github.fault_environment()
                outcome = process.run_job()
        except BaseException as error:
            outcome = error
        finally:
            limit.cancel()
        self._job(node).seconds = time.monotonic() - started
        self.inbox.put((node, outcome))

    def _collect(self, node: Node, outcome: runner.JobOutcome | BaseException) -> None:
        self.running -= 1
        if isinstance(outcome, BaseException):
            self.github.failures.append(outcome)
            outcome = runner.JobOutcome(log=f"##[error]offline GitHub: {outcome!r}")
        job, progress = self._job(node), self.progress[node.key]
        job.log, job.summary, job.steps = outcome.log, outcome.summary, outcome.steps
        progress.outputs = {name: value for name, value in outcome.outputs.items() if value}
        self._finish(node, outcome.result)

    # Re-runs

    def keep(self, previous: Previous) -> None:
        """Keep the results of jobs that neither run again nor depend on jobs that do."""
        jobs, chosen = previous.run.jobs, previous.again
        around = {key.rsplit(" / ", i)[0] for key in chosen for i in range(key.count(" / ") + 1)}

        def again(node: Node) -> bool:
            if node.children and any(child.key in jobs for child in node.children.values()):
                return any(again(child) for child in node.children.values())
            return bool(
                node.key in chosen or any(ancestor.key in around for ancestor in node.ancestors())
            )

        for node in self.nodes:
            old = jobs.get(node.key)
            progress = self.progress[node.key]
            if old is None or again(node):
                continue
            progress.status, progress.result, progress.outputs = (
                "completed",
                old.result,
                old.outputs,
            )
            progress.job = self.run.jobs[node.key] = old
            if node.called:
                for child in node.walk():
                    kept = self.progress[child.key]
                    if child.key not in jobs:
                        kept.status, kept.result = "completed", old.result


def conclusion(run: Run) -> str:
    """The run's conclusion from its top-level jobs."""
    results = {job.result for key, job in run.jobs.items() if " / " not in key}
    if run.cancelled:
        return "cancelled"
    for worst in ("failure", "cancelled"):
        if worst in results:
            return worst
    return "skipped" if results == {"skipped"} else "success"
