"""Scenarios of pipelines that deploy only changed components."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from generated_repositories import commit, folders, generic, package
from offline_github import OfflineGitHub, Run
from scenarios import expect, head, leave_package, pushed, spare

NAMES = ["first", "second"]
ANSWERS: dict[str, Any] = {
    "components": generic(NAMES, lint="", security="", test=""),
    "dependency_map": {"second": "first"},
    "environments": [{"name": "dev", "branch": "main"}],
    "only_changed": True,
}
FILES = folders(NAMES)


def prepare(github: OfflineGitHub) -> None:
    """Only the first and the last job run. Builds leave packages, and deployments succeed."""
    for name in NAMES:
        make = partial(package, files={"package.txt": f"{name}\n".encode()})
        build = f"{name}-build / build"
        leave_package(github, f"{name}-package-dev", make, build)
        spare(github, build, f"{name}-dev / deploy")
    spare(github, "build / build", "deploy / deploy")


def change(github: OfflineGitHub, name: str) -> Run:
    """Push other contents of a component."""
    text = f"{head(github)}\n"
    commit(github.remote.work_tree, {f"parts/{name}/file.txt": text})
    return pushed(github, "main")


def done(run: Run, job: str) -> list[str]:
    """The components with this job in a run: `build` or `dev`."""
    return [name for name in NAMES if run.results[f"{name}-{job}"] != "skipped"]


def first_run(github: OfflineGitHub) -> None:
    """Without a record, everything is deployed. The next push deploys the changed component."""
    everything = pushed(github, "main")
    expect("what nobody has deployed is deployed", done(everything, "dev") == NAMES)
    run = change(github, "second")
    expect("only what has changed is deployed", done(run, "dev") == ["second"])
    expect("only that is built", done(run, "build") == ["second"])
    summary = run.job("deployment-summary").summary
    says = f" unchanged | unchanged since run {everything.id} |"
    expect("the summary says what is unchanged", says in summary)
    expect("every job succeeds", run.conclusion == "success")


def failed_before(github: OfflineGitHub) -> None:
    """A deployment fails. The next push does not change that component."""
    github.forced_results["second-dev / deploy"] = "failure"
    pushed(github, "main")
    github.forced_results["second-dev / deploy"] = "success"
    commit(github.remote.work_tree, {"README.md": "other\n"})
    run = pushed(github, "main")
    expect("what failed is deployed again", done(run, "dev") == ["second"])


def deployed_meanwhile(github: OfflineGitHub) -> None:
    """During the deployment of second, a person deploys first, which the plan has left out."""
    pushed(github, "main")
    before = github.before_job

    def meanwhile(run: Run, key: str) -> None:
        if before:
            before(run, key)
        if key == "second-dev / deploy":
            github.before_job = before
            github.dispatch("first-dev.yml", "main")

    github.before_job = meanwhile
    run = change(github, "second")
    says = "was overtaken: another run has deployed first since"
    errors = run.job("deployment-summary").errors
    expect("the last look sees it", any(says in error for error in errors))
    commit(github.remote.work_tree, {"README.md": "other\n"})
    run = pushed(github, "main")
    expect("the next run deploys it", done(run, "dev") == ["first"])


SCENARIOS: dict[str, Callable[[OfflineGitHub], None]] = {
    scenario.__name__: scenario for scenario in (first_run, failed_before, deployed_meanwhile)
}
