"""What a pipeline has to do, as short scenarios that say which expectation was broken.

They are run on the pipelines as generated, where nothing may be noticed, and on broken ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from pipelines import commit, generic

BUILD = """\
#!/usr/bin/env bash
printf '%s of %s\\n' "$1" "$(git rev-parse HEAD)" > package.txt
printf 'hidden\\n' > .settings
printf 'echo hello\\n' > tool.sh
chmod +x tool.sh
"""
ONE_CHECK = {"lint": "", "security": ""}  # the others are jobs of the same kind
COMPONENTS = {
    **generic(["base"], produces=["package.txt", ".settings", "tool.sh"], **ONE_CHECK),
    **generic(
        ["top"],
        **ONE_CHECK,
        build="",
        produces=[],
        secrets=["TOKEN"],
        deploy='"$BASE_PACKAGE/tool.sh" && cat "$BASE_PACKAGE/.settings" && ship top',
    ),
    # These two only matter where a failure elsewhere has to hold them back.
    **{
        name: {"code_type": "generic", "path": ".", "deploy": f"ship {name}"}
        for name in ("side", "late")
    },
}
ANSWERS: dict[str, Any] = {
    "components": COMPONENTS,
    "dependency_map": [
        {
            "code_type": "top",
            "depends_on": "base",
            "artifacts": [
                {"name": "package.txt", "to": "parts/top/base.txt"},
                ".settings",
                "tool.sh",
            ],
        },
        {"code_type": "late", "depends_on": "side"},
    ],
}
FILES = {"parts/base/README.md": "base\n", "parts/top/README.md": "top\n", "version.txt": "0\n"}
BYSTANDERS = ["side", "late"]


class NoticedError(Exception):
    """An expectation was broken; its text says which."""


def expect(what: str, holds: bool) -> None:
    if not holds:
        raise NoticedError(what)


def publish(github: OfflineGitHub) -> None:
    """The branches as they were before the scenario: this starts nothing."""
    for branch in ("main", "develop"):
        github.remote.push(f"refs/heads/{branch}")


def head(github: OfflineGitHub) -> str:
    return git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()


def change(github: OfflineGitHub, branch: str, text: str) -> str:
    """One more commit on a branch of the work tree."""
    git("switch", "--quiet", branch, cwd=github.remote.work_tree)
    return commit(github.remote.work_tree, {"version.txt": text}, text)


def prepare(github: OfflineGitHub) -> None:
    """Put the commands of the components on the jobs' PATH."""
    github.tool("check")
    github.tool("build", BUILD)
    github.tool("ship")
    spare_bystanders(github)


def spare_bystanders(github: OfflineGitHub) -> None:
    """Let `side` and `late` succeed without running: most scenarios are not about them."""
    spare(github, *(f"{n}-{e}" for n in BYSTANDERS for e in ("dev", "test", "prd")))


def pushed(github: OfflineGitHub, branch: str = "develop") -> Run:
    runs = github.push(branch)
    expect("a push starts exactly the orchestrator of its branch", len(runs) == 1)
    expect("GitHub accepts the workflows", runs[0].conclusion != "startup_failure")
    return runs[0]


def spare(github: OfflineGitHub, *callers: str) -> None:
    """Let these callers' jobs succeed without running, where a scenario is not about them."""
    for caller in callers:
        for job in ("preflight / preflight", "test", "build", "deploy"):
            github.forced_results[f"{caller} / {job}"] = "success"


def ships(github: OfflineGitHub, job: str = "") -> list[str]:
    return [command.arguments[0] for command in github.commands("ship", job)]


# The scenarios


def success(github: OfflineGitHub) -> None:
    """Everything is well, in dev."""
    github.tools.watch(["base.txt"], ["TOKEN", "ENVIRONMENT"])
    github.secrets = {"TOKEN": "of the repository"}
    github.environments = {"dev": {"secrets": {"TOKEN": "of dev"}}}
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    expect("components are deployed in order", ships(github) == ["base", "top"])
    package = run.artifacts.get("base-package-dev", {})
    expect("the package has its name", "package.txt" in package)
    [ship] = [c for c in github.commands("ship") if c.arguments == ["top"]]
    digest = hashlib.sha256(package["package.txt"]).hexdigest()
    expect("the file is placed", ship.files == {"base.txt": digest})
    expect("commands run in their folder", ship.folder == "parts/top")
    expect("the environment's secret arrives", ship.environment.get("TOKEN") == "of dev")
    expect("the environment's name arrives", ship.environment.get("ENVIRONMENT") == "dev")
    others = [c for c in github.commands() if c.job != "top-dev / deploy"]
    leaks = [c for c in others if "TOKEN" in c.environment]
    expect("the secret arrives nowhere else", not leaks)
    expect("the job names the environment", run.job("top-dev / deploy").environment == "dev")
    expect("deployments have a group", run.job("top-dev / deploy").concurrency == "top-dev")
    outputs = run.job("base-dev").outputs
    expect(
        "the caller learns of the package",
        outputs.get("artifact-name") == "base-package-dev"
        and outputs.get("deployment-status") == "success",
    )
    summary = run.job("deployment-summary").summary
    expect("the summary says so", summary.startswith("## Deployment to dev succeeded\n"))
    expect("the summary has the picture", summary.count(" --> ") == 2)


def failing_test(github: OfflineGitHub) -> None:
    """A test of the first component fails."""
    github.fail_tool("check", "test base")
    run = pushed(github)
    expect("nothing that depends on it is deployed", ships(github) == [])
    expect("nothing is packaged after a failed check", run.artifacts == {})
    expect("the run fails", run.conclusion == "failure")
    summary = run.jobs["deployment-summary"]
    expect("the summary is written", summary.result != "skipped")
    expect("the summary fails too", summary.result == "failure")
    says = "## Deployment to dev failed in base-dev\n"
    expect("the summary names the component", summary.summary.startswith(says))


def failing_deploy(github: OfflineGitHub) -> None:
    """The deployment of the last component fails."""
    github.fail_tool("ship", "top")
    run = pushed(github)
    rows = [line for line in run.job("deployment-summary").summary.splitlines() if "| " in line]
    expect("what failed comes first", rows[2].startswith("| top-dev | ❌ failure |"))
    status = run.job("top-dev").outputs.get("deployment-status")
    expect("the caller learns that it failed", status == "failure")


def foreign_commit(github: OfflineGitHub) -> None:
    """A commit that only lies on another branch."""
    git("switch", "--quiet", "--create", "feature", "develop", cwd=github.remote.work_tree)
    foreign = change(github, "feature", "of the feature\n")
    github.push("feature")
    github.dispatch("orchestrator-dev.yml", "develop", {"commit": foreign})
    expect("a commit of another branch is refused", ships(github) == [])


def production(github: OfflineGitHub) -> None:
    """The branch moves on while test is deployed."""
    tested = change(github, "main", "tested\n")
    spare(github, "base-test", "top-test", "top-prd")
    del github.forced_results["base-test / test"]

    def move_on(run: Run, job: str) -> None:
        if (run.workflow_file, job) == ("orchestrator-test.yml", "base-test / test"):
            github.before_job = None
            change(github, "main", "newer\n")
            github.remote.push("refs/heads/main")

    github.before_job = move_on
    pushed(github, "main")
    runs = github.runs_of("orchestrator-prd.yml")
    expect("prd follows test", [run.conclusion for run in runs] == ["success"])
    expect("prd says which commit", runs[0].display_title == f"Deploy {tested} to test, then prd")
    made = runs[0].artifacts["base-package-prd"]["package.txt"].decode()
    expect("prd deploys the tested commit", made == f"base of {tested}\n")


def _after(github: OfflineGitHub, what: str, **run: Any) -> None:
    """A run of test's orchestrator that must not lead to production."""
    sha = head(github)
    title = f"Deploy {sha} to test"
    given = {"head_sha": sha, "display_title": title, **run}
    github.add_run("orchestrator-test.yml", fire=True, **given)
    ran = [run.order for run in github.runs_of("orchestrator-prd.yml")]
    expect(f"prd does nothing after {what}", ships(github) == [] and not any(ran))


def after_failure(github: OfflineGitHub) -> None:
    _after(github, "a failure", conclusion="failure")


def after_fork(github: OfflineGitHub) -> None:
    _after(github, "a fork", fork=True)


def after_branch(github: OfflineGitHub) -> None:
    _after(github, "another branch", head_branch="feature", event="workflow_dispatch")


def after_schedule(github: OfflineGitHub) -> None:
    _after(github, "another event", event="schedule")


def stop(github: OfflineGitHub) -> None:
    """In production nothing further starts after a failure."""
    change(github, "main", "breaks in prd\n")
    spare(github, "base-test", "top-test")
    github.fail_tool("ship", "base", job="base-prd")
    pushed(github, "main")
    [run] = github.runs_of("orchestrator-prd.yml")
    expect("nothing further starts in production", run.results["late-prd"] == "skipped")


def retry(github: OfflineGitHub) -> None:
    """A re-run of a production deployment, where nobody is asked."""
    change(github, "main", "retried\n")
    spare(github, "base-test", "top-test")
    github.environments = {"prd": {"reviewers": True}, "prd-retry": {}}
    github.fail_tool("ship", "base", job="base-prd")
    pushed(github, "main")
    [run] = github.runs_of("orchestrator-prd.yml")
    github.tools.heal()
    before = ships(github)
    again = github.rerun(run, failed_only=True)
    used = again.job("base-prd / deploy").environment
    expect("a re-run uses the retry environment", used == "prd-retry")
    expect("a re-run that asks nobody deploys nothing", ships(github) == before)


def rerun_all(github: OfflineGitHub) -> None:
    """The whole run again: the package is made again."""
    run = pushed(github)
    again = github.rerun(run)
    expect("a re-run replaces its package", again.conclusion == "success")


def alone(github: OfflineGitHub) -> None:
    """One component alone, for an older commit, beside a newer package and a fork's."""
    spare(github, "top-dev")
    older = change(github, "develop", "older\n")
    first = pushed(github)
    change(github, "develop", "newer\n")
    pushed(github)
    title = f"Deploy {older} to dev"
    forged = dict(first.artifacts["base-package-dev"])
    forged["package.txt"] = b"forged\n"
    artifacts = {"base-package-dev": forged}
    github.add_run(
        "base-dev.yml", head_sha=older, display_title=title, fork=True, artifacts=artifacts
    )
    github.tools.watch(["base.txt"], [])
    run = github.dispatch("top-dev.yml", "develop", {"commit": older})
    expect("it runs alone", run.conclusion == "success")
    digest = hashlib.sha256(first.artifacts["base-package-dev"]["package.txt"]).hexdigest()
    files = github.commands("ship")[-1].files
    expect("alone it takes the package of its commit", files == {"base.txt": digest})


def alone_in_vain(github: OfflineGitHub) -> None:
    """Nobody has built the package of this commit."""
    run = github.dispatch("top-dev.yml", "develop")
    errors = run.job("preflight / preflight").errors
    expect(
        "it says which package is missing",
        bool(errors) and errors[0].startswith("base-package-dev of base was never built"),
    )


def _tampered(github: OfflineGitHub, of: str, files: dict[str, bytes], what: str) -> None:
    def tamper(run: Run, job: str) -> None:
        if job == f"{of}-dev / deploy":
            [artifact] = run.artifact_store.values()
            artifact.fill({**artifact.files, **files})

    github.before_job = tamper
    pushed(github)
    expect(what, of not in ships(github))


def changed_package(github: OfflineGitHub) -> None:
    _tampered(github, "top", {"package.txt": b"changed\n"}, "a changed package is refused")


def larger_package(github: OfflineGitHub) -> None:
    _tampered(github, "top", {"more.txt": b"more\n"}, "a package that holds more is refused")


def replaced_package(github: OfflineGitHub) -> None:
    """The package fits what it says of itself, and is not what the build left."""
    _tampered(github, "base", {".package/executables": b""}, "a replaced package is refused")


def foreign_package(github: OfflineGitHub) -> None:
    commit = {".package/commit": b"0" * 40}
    _tampered(github, "top", commit, "a package of another commit is refused")


SCENARIOS: dict[str, Callable[[OfflineGitHub], None]] = {
    scenario.__name__: scenario
    for scenario in (
        success,
        failing_test,
        failing_deploy,
        foreign_commit,
        production,
        after_failure,
        after_fork,
        after_branch,
        after_schedule,
        stop,
        retry,
        rerun_all,
        alone,
        alone_in_vain,
        changed_package,
        larger_package,
        replaced_package,
        foreign_package,
    )
}
