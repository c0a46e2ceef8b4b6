"""What a pipeline has to do where only what has changed moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from generated_repositories import commit, folders, generic, with_commands
from offline_github import OfflineGitHub, Run
from scenarios import expect, head, pushed, ships, spare

NAMES = ["first", "second"]
ANSWERS: dict[str, Any] = {
    "components": generic(NAMES, lint="", security="", test=""),
    "dependency_map": {"second": "first"},
    "environments": [{"name": "dev", "branch": "main"}],
    "only_changed": True,
}
FILES = folders(NAMES)


def prepare(github: OfflineGitHub) -> None:
    with_commands(github)


def change(github: OfflineGitHub, name: str) -> Run:
    """A component gets other contents, and is pushed."""
    text = f"{head(github)}\n"
    commit(github.remote.work_tree, {f"parts/{name}/file.txt": text})
    return pushed(github, "main")


def first_run(github: OfflineGitHub) -> None:
    """Nothing is known, so everything is deployed; then what changes, with what is there."""
    everything = pushed(github, "main")
    expect("what nobody has deployed is deployed", ships(github) == NAMES)
    run = change(github, "second")
    expect("only what has changed is deployed", ships(github) == [*NAMES, "second"])
    expect("only that is built", [*run.packages] == ["second-package-dev"])
    summary = run.job("deployment-summary").summary
    says = f" unchanged | unchanged since run {everything.id} |"
    expect("the summary says what is unchanged", says in summary)
    expect("every job succeeds", run.conclusion == "success")


def failed_before(github: OfflineGitHub) -> None:
    """A deployment fails; the next push changes nothing of it."""
    github.fail_tool("ship", "second")
    pushed(github, "main")
    github.tools.heal()
    commit(github.remote.work_tree, {"README.md": "other\n"})
    pushed(github, "main")
    expect("what failed is deployed again", ships(github)[2:] == ["second"])


def deployed_meanwhile(github: OfflineGitHub) -> None:
    """While second is deployed, a person deploys first, which the plan has left out."""
    pushed(github, "main")
    spare(github, "deploy / deploy")

    def meanwhile(run: Run, key: str) -> None:
        if key == "second-dev / deploy":
            github.before_job = None
            github.dispatch("first-dev.yml", "main")

    github.before_job = meanwhile
    run = change(github, "second")
    says = "was overtaken: another run has deployed first since"
    errors = run.job("deployment-summary").errors
    expect("the last look sees it", any(says in error for error in errors))
    commit(github.remote.work_tree, {"README.md": "other\n"})
    pushed(github, "main")
    expect("the next run deploys it", ships(github)[3:] == ["first"])


def overtaken_plan(github: OfflineGitHub) -> None:
    """A run that was planned before a newer one is run again, in part."""
    github.fail_tool("ship", "second")
    old = pushed(github, "main")
    github.tools.heal()
    change(github, "second")
    again = github.rerun(old, failed_only=True)
    expect("an overtaken plan deploys nothing", len(ships(github)) == 3)
    expect("it fails", again.conclusion == "failure")


SCENARIOS: dict[str, Callable[[OfflineGitHub], None]] = {
    scenario.__name__: scenario
    for scenario in (first_run, failed_before, deployed_meanwhile, overtaken_plan)
}
