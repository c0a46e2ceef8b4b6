"""A job without a machine: its steps in order, conditions and expressions as GitHub has them.

Scripts of actions/github-script run as they are. What else a step does, the test says: a shell
command and an action of another repository succeed, without outputs, unless it decides otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from . import expressions, own_actions, scripts, workflows
from .model import Job, Run
from .runner import JobOutcome
from .server import Answer, Call, Session, respond

if TYPE_CHECKING:
    from .workflows import Node

#: How a job or a step ended: its result, its outputs when it succeeded, or both (and an `env`).
Ended = str | dict[str, str] | JobOutcome
#: It goes on after so many seconds; in the meantime others may go on.
Going = Generator[float, None, Any]
Decide = Callable[["Step"], "Ended | Going | None"]

SCRIPT = "actions/github-script"
WORKSPACE = "/runner/work/demo/demo"
RUNNER = {
    **{"os": "Linux", "arch": "X64", "name": "offline", "environment": "github-hosted"},
    **{"tool_cache": "/runner/tools", "debug": ""},
}


def outcome_of(ended: Any) -> JobOutcome:
    """What a test has said, in full."""
    if ended is None:
        return JobOutcome("success")
    if isinstance(ended, str):
        return JobOutcome(ended)
    if isinstance(ended, dict):
        return JobOutcome("success", {n: workflows.as_text(value) for n, value in ended.items()})
    if isinstance(ended, JobOutcome):
        return ended
    raise TypeError(f"neither a result nor outputs: {ended!r}")


# The folder tells the contents.
_loaded = functools.lru_cache(maxsize=500)(own_actions.load)


@dataclass
class Step:
    """One step, of a job or of a composite action; its expressions are evaluated."""

    work: Work
    name: str
    id: str
    #: Without the version: "actions/checkout", "$/.github/actions/take-package"; or "".
    uses: str
    run: str
    inputs: dict[str, str]
    env: dict[str, str]
    #: The composite actions around it, outermost first, as in `uses`.
    within: tuple[str, ...]
    #: Where the files of the action lie that the step belongs to.
    action_path: str = ""
    shell: str = ""
    directory: str = ""
    #: Its place among the steps of its job or action.
    number: int = 0

    @property
    def is_script(self) -> bool:
        return self.uses == SCRIPT

    def script(self) -> Going:
        """Run the script of actions/github-script, as it is."""
        return self.work.script(self.inputs["script"], self.env, self.action_path)


@dataclass
class Scope:
    """What the steps of a job, or of one composite action, share."""

    contexts: dict[str, Any]
    env: dict[str, str]
    within: tuple[str, ...] = ()
    action_path: str = ""
    failed: bool = False
    results: dict[str, Any] = field(default_factory=dict)


class Work:
    """A job that runs."""

    def __init__(
        self, session: Session, node: Node, contexts: dict[str, Any], random: Random
    ) -> None:
        self.session = session
        self.github = session.github
        self.run: Run = session.run
        self.job: Job = session.job
        self.node = node
        self.random = random
        self.cancelled = False
        #: Whether its own steps run, which may clean up after a cancellation.
        self.in_steps = False
        self._log: list[str] = []
        self._summary = ""
        #: Shown while the job runs; a step that has not ended has no conclusion.
        self._steps: dict[str, str] = {}
        self.job.steps = self._steps
        self._exported: dict[str, str] = {}
        #: Scripts write files for later steps.
        self._temp = self.github.workdir / "temp"
        self._temp.mkdir(exist_ok=True)
        self.contexts = {
            **contexts,
            "github": {
                **contexts["github"],
                **{"token": "offline", "workspace": WORKSPACE, "action_path": ""},
            },
            "runner": {**RUNNER, "temp": str(self._temp)},
        }

    @property
    def key(self) -> str:
        return self.job.key

    # What a test does

    def rest(self, method: str, path: str, body: Any = None) -> Answer:
        """A REST call with the job's token; `path` is what follows `/repos/acme/demo`."""
        return respond(self.session, Call(method, f"/repos/{self.github.name}{path}", body))

    def log(self, line: str) -> None:
        self._log.append(line)

    def steps(self, decide: Decide | None = None) -> Going:
        """Run the job's own steps. `decide` says what becomes of each; None: it runs by default."""
        definition = self.node.definition
        try:
            env = self._evaluated(self.node.workflow.get("env") or {}, self.contexts)
            env |= self._evaluated(definition.get("env") or {}, {**self.contexts, "env": env})
            scope = Scope(self.contexts, env)
            self.in_steps = True
            yield from self._run_steps(definition["steps"], scope, decide)
            self.in_steps = False
            contexts = self._contexts(scope, {})
            outputs = self._evaluated(definition.get("outputs") or {}, contexts)
        except (expressions.ExpressionError, own_actions.ActionError) as error:
            self.log(f"##[error]{error}")
            return JobOutcome("failure")
        result = "cancelled" if self.cancelled else "failure" if scope.failed else "success"
        return JobOutcome(result, outputs)

    def run_by_default(self, step: Step, survives: bool) -> Ended | Going | None:
        """Run a step for which the test decides nothing.

        `survives` says whether it goes on when the run is cancelled.
        """
        return step.script() if step.is_script else None

    def action_folder(self) -> Path:
        """Where the repository's own actions lie, of the commit that runs."""
        return self.github.action_folder(self.run.sha)

    def action(self, path: str) -> dict[str, Any]:
        """One of the repository's own actions."""
        return _loaded(self.action_folder(), path, self.github.name, self.run.sha)

    def script(self, code: str, env: dict[str, str], action_path: str = "") -> Going:
        """Any script, as a step of actions/github-script."""
        folder = self.action_folder()
        variables = {
            **self.github.github_variables(self.contexts["github"]),
            **{"GITHUB_WORKSPACE": WORKSPACE, "RUNNER_TEMP": str(self._temp), "CI": "true"},
            "GITHUB_JOB": self.key.split(" / ")[-1],
            **env,
            "GITHUB_ACTION_PATH": action_path,
        }
        end = yield from scripts.run(self.session, code, variables, folder, self.random)
        self._log += end["log"]
        self._summary += end["summary"]
        self._exported |= end["exported"]
        return JobOutcome("failure" if end["failed"] else "success", end["outputs"])

    def outcome(self, ended: Any) -> JobOutcome:
        """What became of the job, with all that it left."""
        outcome = outcome_of(ended)
        outcome.log = "\n".join([*self._log, *filter(None, [outcome.log])])
        outcome.summary = self._summary + outcome.summary
        outcome.steps = {**self._steps, **outcome.steps}
        return outcome

    # Steps

    @staticmethod
    def _evaluated(values: dict[str, Any], contexts: dict[str, Any]) -> dict[str, str]:
        found = expressions.evaluate(values, contexts)
        return {name: workflows.as_text(value) for name, value in found.items()}

    def _contexts(self, scope: Scope, env: dict[str, str]) -> dict[str, Any]:
        """What the expressions of a step can read."""
        status = "cancelled" if self.cancelled else "failure" if scope.failed else "success"
        github = {**scope.contexts["github"], "action_path": scope.action_path}
        return {
            **scope.contexts,
            "github": github,
            "env": {**scope.env, **self._exported, **env},
            "job": {"status": status},
            "steps": scope.results,
        }

    def _run_steps(self, steps: list[dict[str, Any]], scope: Scope, decide: Decide | None) -> Going:
        for number, step in enumerate(steps):
            yield 0
            env = self._evaluated(step.get("env") or {}, self._contexts(scope, {}))
            contexts = self._contexts(scope, env)
            condition = workflows.as_text(step.get("if", ""))
            status = {
                "success": not scope.failed and not self.cancelled,
                "failure": scope.failed and not self.cancelled,
                "cancelled": self.cancelled,
            }
            outcome, tolerated = JobOutcome("skipped"), False
            name = str(step.get("name") or step.get("uses") or step.get("run"))
            if not scope.within:
                self._steps[name] = ""
            if expressions.condition(condition, contexts, status):
                never = {"success": False, "failure": False, "cancelled": True}
                survives = expressions.condition(condition, contexts, never)
                outcome = yield from self._run_step(step, number, scope, env, survives, decide)
                tolerant = expressions.evaluate(step.get("continue-on-error", False), contexts)
                tolerated = tolerant is True and outcome.result == "failure"
            conclusion = "success" if tolerated else outcome.result
            scope.failed |= conclusion == "failure"
            if step_id := step.get("id"):
                scope.results[step_id] = {
                    "outcome": outcome.result,
                    "conclusion": conclusion,
                    "outputs": outcome.outputs,
                }
            if not scope.within:
                self._steps[name] = conclusion

    def _run_step(
        self,
        step: dict[str, Any],
        number: int,
        scope: Scope,
        env: dict[str, str],
        survives: bool,
        decide: Decide | None,
    ) -> Generator[float, None, JobOutcome]:
        """One step, which the cancellation of the run ends, unless it survives that."""
        contexts = self._contexts(scope, env)
        uses = str(step.get("uses", ""))
        shown = Step(
            self,
            workflows.as_text(expressions.evaluate(step.get("name", ""), contexts)),
            str(step.get("id", "")),
            uses.partition("@")[0],
            workflows.as_text(expressions.evaluate(step.get("run", ""), contexts)),
            self._evaluated(step.get("with") or {}, contexts),
            {**scope.env, **self._exported, **env},
            scope.within,
            scope.action_path,
            workflows.as_text(step.get("shell", "")),
            workflows.as_text(expressions.evaluate(step.get("working-directory", ""), contexts)),
            number,
        )
        self.log(f"##[group]Run {(shown.name or uses or shown.run).rstrip()}")
        ended = decide(shown) if decide else None
        if ended is None and uses.startswith("$/"):
            outcome = yield from self._composite(shown, decide)
            return outcome
        if ended is None:
            ended = self.run_by_default(shown, survives)
        if isinstance(ended, Generator):
            ended = yield from self._until_cancelled(ended, survives)
        outcome = outcome_of(ended)
        self._log += filter(None, [outcome.log])
        self._summary += outcome.summary
        return outcome

    def _until_cancelled(self, going: Going, survives: bool) -> Going:
        began_cancelled = self.cancelled
        while True:
            if self.cancelled and not (began_cancelled or survives):
                going.close()
                return "cancelled"
            try:
                seconds = next(going)
            except StopIteration as end:
                return end.value
            yield seconds

    def _composite(self, step: Step, decide: Decide | None) -> Generator[float, None, JobOutcome]:
        """An action of the repository itself, at the commit of the running workflow."""
        path = step.uses.removeprefix("$/").strip("/")
        folder, action = self.action_folder(), self.action(path)
        declared = action.get("inputs") or {}
        if unknown := sorted(
            {name.lower() for name in step.inputs} - {n.lower() for n in declared}
        ):
            # GitHub only warns; a test must not overlook it.
            self.log(f"##[error]Unexpected input(s) {', '.join(unknown)} for {step.uses}")
            return JobOutcome("failure")
        given = {name.lower(): value for name, value in step.inputs.items()}
        base = {name: self.contexts[name] for name in ("github", "runner", "strategy", "matrix")}
        defaults = {name: (setting or {}).get("default", "") for name, setting in declared.items()}
        inputs = self._evaluated(defaults, base)
        inputs |= {name: given[name.lower()] for name in declared if name.lower() in given}
        scope = Scope(
            {**base, "inputs": inputs},
            step.env,
            (*step.within, step.uses),
            str(folder / path),
        )
        yield from self._run_steps(action["runs"]["steps"], scope, decide)
        values = {name: output["value"] for name, output in (action.get("outputs") or {}).items()}
        outputs = self._evaluated(values, self._contexts(scope, {}))
        result = "cancelled" if self.cancelled else "failure" if scope.failed else "success"
        return JobOutcome(result, outputs)
