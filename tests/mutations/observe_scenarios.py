"""Scenarios of `observe`: components start each other, and the orchestrator watches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from generated_repositories import commit, generic
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from scenarios import change, expect, head

PARTS = dict.fromkeys(["lint", "test", "security", "build"], "")
ANSWERS: dict[str, Any] = {
    "components": generic(["left", "right", "top", "tail"], **PARTS, produces=[], path="."),
    "dependency_map": {"top": ["left", "right"], "tail": "top"},
    "orchestration": "observe",
    "environments": [{"name": "dev", "branch": "develop"}],
    "pull_requests": False,
}
FILES = {"version.txt": "0\n"}
ORCHESTRATOR = "orchestrator-dev.yml"
DEPLOY = "deploy / deploy"


def prepare(github: OfflineGitHub) -> None:
    github.tool("ship")
    github.speed = 1000


def spare(github: OfflineGitHub, *jobs: str) -> None:
    """Let these jobs succeed without running, because the scenario is not about them."""
    github.forced_results |= dict.fromkeys(jobs, "success")


def deployed(github: OfflineGitHub, name: str) -> list[Run]:
    """The runs of a component that reached its deploy job."""
    runs = github.runs_of(f"{name}-dev.yml")
    return [run for run in runs if run.results.get(DEPLOY) == "success"]


def table(github: OfflineGitHub) -> str:
    [run] = github.runs_of(ORCHESTRATOR)
    return run.job("deployment-summary").summary


def observed(github: OfflineGitHub) -> None:
    """All succeed. `left` ends first, so `top` first finds that it has to wait."""
    spare(github, "watch", "deployment-summary")

    def right_is_slow(run: Run, key: str) -> None:
        if (run.workflow_file, key) == ("right-dev.yml", DEPLOY):
            for _ in range(400):
                if any(top.status == "completed" for top in github.runs_of("top-dev.yml")):
                    break
                threading.Event().wait(0.01)

    github.before_job = right_is_slow
    started = {run.workflow_file for run in github.push("develop")}
    first = {"left-dev.yml", "right-dev.yml", ORCHESTRATOR}
    expect("a push starts those that wait for nothing", started == first)
    shipped = [command.arguments[0] for command in github.commands("ship")]
    in_order = shipped[2:] == ["top", "tail"] and sorted(shipped[:2]) == ["left", "right"]
    expect("each is deployed once, in order", in_order)


def observed_tie(github: OfflineGitHub) -> None:
    """Both components before `top` end in the same second."""
    spare(github, "watch", "deployment-summary", DEPLOY)
    github.same_second = True
    github.speed = 20  # half a second between two looks

    def while_top_looks(run: Run, key: str) -> None:
        """`left` has started `top`. `right` ends when that run looks at its dependencies.

        By then that run has seen no newer run of `top`: only the tie can stop it.
        """
        if (run.workflow_file, key) != ("right-dev.yml", DEPLOY):
            return
        for _ in range(2000):
            if any(c.job == "changes" and "left-dev.yml/runs" in c.path for c in github.api_calls):
                break
            threading.Event().wait(0.01)

    github.before_job = while_top_looks
    github.push("develop")
    runs = deployed(github, "top")
    expect("it is deployed once", len(runs) < 2)
    last = max(github.runs_of("left-dev.yml") + github.runs_of("right-dev.yml"), key=lambda r: r.id)
    expect("the last to end deploys it", [run.triggered_by for run in runs] == [last])


def observed_failure(github: OfflineGitHub) -> None:
    spare(github, DEPLOY)
    github.forced_conclusions = {"left-dev.yml": "failure"}
    github.push("develop")
    tops = github.runs_of("top-dev.yml")
    starts = [run for run in tops if run.triggered_by and run.triggered_by.conclusion != "success"]
    expect("the failure starts nothing", not any(run.order for run in starts))
    expect("what waits for it is not deployed", not deployed(github, "top"))
    named = table(github).startswith("## Deployment to dev failed in left\n")
    expect("the summary names the component", named)


def observed_elsewhere(github: OfflineGitHub) -> None:
    """A workflow on a feature branch claims that it deployed the commit on develop."""
    spare(github, DEPLOY)
    good = change(github, "develop", "good\n")
    git("switch", "--quiet", "--create", "feature", cwd=github.remote.work_tree)
    evil = commit(github.remote.work_tree, {}, "Evil")
    github.remote.push("refs/heads/feature")
    github.add_run(
        "left-dev.yml",
        head_sha=evil,
        head_branch="feature",
        event="workflow_dispatch",
        display_title=f"Deploy {good} to dev - left",
        fire=True,
    )
    expect("another branch starts nothing", not any(r.order for r in github.runs_of("top-dev.yml")))
    github.forced_conclusions = {"left-dev.yml": "failure"}
    late: list[Run] = []

    def forge(run: Run, key: str) -> None:
        # It is newer than the true run, and looks successful.
        if key == "watch" and not late:
            for _ in range(400):
                if any(r.conclusion == "failure" for r in github.runs_of("left-dev.yml")):
                    break
                threading.Event().wait(0.01)
            late.append(
                github.add_run(
                    "left-dev.yml",
                    head_sha=evil,
                    head_branch="feature",
                    conclusion="timed_out",
                    event="workflow_dispatch",
                    display_title=f"Deploy {good} to dev - left",
                )
            )

    github.before_job = forge
    github.push("develop")
    reported = "| left | ❌ failure |" in table(github)
    expect("a run that nobody reviewed is not reported", reported)


def observed_never(github: OfflineGitHub) -> None:
    """Nothing starts `tail`: its workflow is not on the default branch."""
    spare(github, DEPLOY, "changes")
    github.speed = 20_000
    github.forced_outputs["changes"] = {"ready": "true", "commit": head(github)}
    git("switch", "--quiet", "main", cwd=github.remote.work_tree)
    git("rm", "--quiet", ".github/workflows/tail-dev.yml", cwd=github.remote.work_tree)
    commit(github.remote.work_tree, {}, "Without tail")
    github.remote.push("refs/heads/main")
    github.push("develop")
    [run] = github.runs_of(ORCHESTRATOR)
    soon = any("15 minutes after its dependencies" in e for e in run.job("watch").errors)
    reported = "| tail | ❌ never started |" in table(github)
    expect("what never comes is reported", soon and reported)


SCENARIOS: dict[str, Callable[[OfflineGitHub], None]] = {
    scenario.__name__: scenario
    for scenario in (observed, observed_tie, observed_failure, observed_elsewhere, observed_never)
}
