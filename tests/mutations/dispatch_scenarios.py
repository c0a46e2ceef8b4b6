"""Scenarios of `dispatch`: the orchestrator starts a run for each component, and waits for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from generated_repositories import former_run, generic, package, planned
from offline_github import OfflineGitHub, Run
from offline_github.github import BOT
from scenarios import expect, head, pushed

PARTS = dict.fromkeys(["lint", "test", "security"], "")
COMPONENTS = generic(["base", "top"], **PARTS, path=".")
COMPONENTS["top"] |= {"build": "", "produces": []}
ANSWERS: dict[str, Any] = {
    "components": COMPONENTS,
    "dependency_map": [
        {
            "code_type": "top",
            "depends_on": "base",
            "artifacts": [{"name": "package.txt", "to": "base.txt"}],
        },
    ],
    "orchestration": "dispatch",
    "pull_requests": False,
}
FILES = {"version.txt": "0\n"}
BUILD = """\
#!/usr/bin/env bash
printf '%s of %s\\n' "$1" "$COMMIT" > package.txt
"""
DEPLOY = "deploy / deploy"
ASKED = [("approval", "prd-approval")]


def prepare(github: OfflineGitHub) -> None:
    github.tool("build", BUILD)
    github.tool("ship")
    github.tools.watch(["base.txt"], [])
    github.environments["prd-approval"] = {"reviewers": True}


def spare(github: OfflineGitHub, *more: str) -> None:
    """Let all jobs succeed without running, except those that start runs and wait."""
    told = planned(["base"], ["base", "top"])
    github.forced_outputs["changes"] = {"commit": head(github), **told}
    ran = ("changes", "build / build", DEPLOY, *more)
    github.forced_results |= dict.fromkeys(ran, "success")


def runs(github: OfflineGitHub, name: str, environment: str = "dev") -> list[Run]:
    return github.runs_of(f"{name}-{environment}.yml")


def ships(github: OfflineGitHub) -> list[str]:
    return [command.arguments[0] for command in github.commands("ship")]


def dispatched(github: OfflineGitHub) -> None:
    """All jobs succeed."""
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    [base], [top] = runs(github, "base"), runs(github, "top")
    expect("components are deployed in order", ships(github) == ["base", "top"])
    content = base.packages["base-package-dev"]["package.txt"]
    [ship] = [c for c in github.commands("ship") if c.arguments == ["top"]]
    digest = hashlib.sha256(content).hexdigest()
    expect("the file of the run before is placed", ship.files == {"base.txt": digest})
    summary = run.job("deployment-summary").summary
    expect("the summary leads to each run", all(f"/runs/{r.id})" in summary for r in (base, top)))


def strangers(github: OfflineGitHub) -> None:
    """GitHub does not return the started run, and a person starts another one in that second."""
    spare(github, "top-dev", "deployment-summary")
    github.answer("POST", "/base-dev.yml/dispatches$", 204, after=True)

    def also(run: Run, key: str) -> None:
        if key == "base-dev":
            other = {"orchestrator": "1", "attempt": "1"}
            github.dispatch("base-dev.yml", "develop", other, by=BOT)

    github.before_job = also
    run = pushed(github)
    ours = [r for r in runs(github, "base") if f" of run {run.id}, " in r.display_title]
    expect("nothing is started twice", len(ours) == 1)
    outputs = run.job("base-dev").outputs
    expect("the run it started is waited for", outputs.get("run-id") == str(ours[0].id))


def lost_answer(github: OfflineGitHub) -> None:
    """GitHub starts the run, but its answer is lost."""
    spare(github, "top-dev", "deployment-summary")
    github.answer("POST", "/base-dev.yml/dispatches$", 502, after=True)
    run = pushed(github)
    expect("nothing is started twice", len(runs(github, "base")) == 1)
    expect("what was started is found", run.conclusion == "success")


def timed_out(github: OfflineGitHub) -> None:
    github.forced_conclusions = {"base-dev.yml": "timed_out"}
    run = pushed(github)
    expect("only success is success", run.results["base-dev"] == "failure")
    expect("what depends on it does not start", not runs(github, "top"))
    summary = run.job("deployment-summary").summary
    expect("the summary says how it ended", "| base | ❌ timed_out |" in summary)


def cancelled(github: OfflineGitHub) -> None:
    spare(github)
    asked = []

    def waits(run: Run, key: str) -> bool:
        [orchestrator] = github.runs_of("orchestrator-dev.yml")
        if not orchestrator.cancelled:
            github.cancel(orchestrator)
        # Nobody approves, and a run that is not cancelled continues later.
        asked.append(key)
        return orchestrator.status == "completed" and len(asked) > 20

    github.environments["dev"] = {"reviewers": True, "hold": waits}
    pushed(github)
    [base] = runs(github, "base")
    expect("what it started is cancelled too", base.conclusion == "cancelled")


def mended(github: OfflineGitHub) -> None:
    """A run failed, was corrected, and is run again. GitHub's answer to the start is lost."""
    spare(github, "top-dev", "deployment-summary")
    github.forced_results[DEPLOY] = "failure"
    run = pushed(github)
    expect("a failure is a failure", run.results["base-dev"] == "failure")
    github.forced_results[DEPLOY] = "success"
    github.answer("POST", "/base-dev.yml/dispatches$", 502, after=True)
    again = github.rerun(run, failed_only=True)
    expect("what failed is started once more", len(runs(github, "base")) == 2)
    expect("what a re-run has started is found", again.conclusion == "success")


def lost_sight(github: OfflineGitHub) -> None:
    """The waiting job failed. The run that it waited for succeeded, and is not started again."""
    spare(github, "top-dev", "deployment-summary")
    github.answer("GET", r"/actions/runs/\d+$", 401, {"message": "Bad credentials"})
    run = pushed(github)
    expect("without news it fails", run.results["base-dev"] == "failure")
    again = github.rerun(run, failed_only=True)
    expect("what has succeeded is not started again", len(runs(github, "base")) == 1)
    expect("what has succeeded is taken", again.conclusion == "success")


def approved_once(github: OfflineGitHub) -> None:
    """In production, a workflow starts a component with the id of the approved run."""
    commit = head(github)
    tested = package(commit, {"package.txt": b"tested\n"})
    former_run(github, "test", commit, {"base": tested})
    github.forced_results |= {"top-prd": "success", "deployment-summary": "success"}
    typed: list[Run] = []

    def types(run: Run, key: str) -> None:
        if (run.workflow_file, key) == ("base-prd.yml", DEPLOY):
            [going] = github.runs_of("orchestrator-prd.yml")
            inputs = {"orchestrator": str(going.id)}
            typed.append(github.dispatch_at_once("top-prd.yml", "main", inputs, BOT))

    github.before_job = types
    run = github.dispatch("orchestrator-prd.yml", "main")
    [base] = runs(github, "base", "prd")
    expect("one approval is enough", run.approvals == ASKED and base.approvals == [])
    expect("what was approved is deployed", "base" in ships(github))
    expect("a typed id is no approval", len(typed) == 1 and ships(github) == ["base"])
    expect("production takes the tested bytes", run.packages == {"base-package-prd": tested})


SCENARIOS: dict[str, Callable[[OfflineGitHub], None]] = {
    scenario.__name__: scenario
    for scenario in (
        dispatched,
        strangers,
        lost_answer,
        timed_out,
        cancelled,
        mended,
        lost_sight,
        approved_once,
    )
}
