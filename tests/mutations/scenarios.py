"""Short scenarios of a pipeline, each with expectations.

They run with the generated pipelines, which have to meet all expectations, and with broken ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from generated_repositories import (
    commit,
    digest_of,
    former_run,
    generic,
    package,
    planned,
)
from offline_github import Artifact, OfflineGitHub, Run
from offline_github.repository import git

# Each build makes other bytes.
BUILD = """\
#!/usr/bin/env bash
printf '%s of %s, %s\\n' "$1" "$(git rev-parse HEAD)" "$(date +%s%N)" > package.txt
printf 'hidden\\n' > .settings
printf 'echo hello\\n' > tool.sh
chmod +x tool.sh
"""
ONE_CHECK = {"lint": "", "security": ""}  # the other checks are similar steps
COMPONENTS = {
    **generic(["base"], produces=["package.txt", ".settings", "tool.sh"], **ONE_CHECK),
    **generic(
        ["top"],
        build="",
        produces=[],
        secrets=["TOKEN"],
        deploy='"$BASE_PACKAGE/tool.sh" && cat "$BASE_PACKAGE/.settings" && ship top',
    ),
    # These two only matter if a failure in another component has to stop them.
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
SUMMARY = "deployment-summary"
VERSION = "../../version.txt"
MANIFEST = ".package/manifest"
ENVIRONMENTS = ("dev", "test", "prd")
JOBS = (
    *("changes", SUMMARY, "base-build / build", "top-build / build"),
    *(f"{name}-{environment} / deploy" for name in COMPONENTS for environment in ENVIRONMENTS),
    *("build / build", "deploy / deploy"),
)
"""All jobs except approvals, also those in workflows of one component."""


class NoticedError(Exception):
    """An expectation was not met; the text says which."""


def expect(what: str, holds: bool) -> None:
    if not holds:
        raise NoticedError(what)


def publish(github: OfflineGitHub) -> None:
    """Push the branches before the scenario. This starts no run."""
    for branch in ("main", "develop"):
        github.remote.push(f"refs/heads/{branch}")


def head(github: OfflineGitHub) -> str:
    return git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()


def change(github: OfflineGitHub, branch: str, text: str) -> str:
    """Commit a change to a branch of the work tree."""
    git("switch", "--quiet", branch, cwd=github.remote.work_tree)
    return commit(github.remote.work_tree, {"version.txt": text}, text)


def prepare(github: OfflineGitHub) -> None:
    """Put the commands of the components on the PATH of the jobs."""
    github.tool("check")
    github.tools.then("build", BUILD)
    github.tool("ship")
    github.environments = {"prd-approval": {"reviewers": True}}
    watched = ["TOKEN", "ENVIRONMENT", "COMMIT"]
    github.tools.watch(["base.txt", "package.txt", VERSION], watched)
    # Most scenarios do not test these.
    spare(github, *(f"{n}-{e} / deploy" for n in ("side", "late") for e in ENVIRONMENTS))


def pushed(github: OfflineGitHub, branch: str = "develop") -> Run:
    runs = github.push(branch)
    expect("a push starts exactly the orchestrator of its branch", len(runs) == 1)
    expect("GitHub accepts the workflows", runs[0].conclusion != "startup_failure")
    return runs[0]


def spare(github: OfflineGitHub, *jobs: str) -> None:
    """Let these jobs succeed without running, because the scenario is not about them."""
    github.forced_results |= dict.fromkeys(jobs, "success")


def only(github: OfflineGitHub, *jobs: str) -> None:
    """Let all jobs but these and approvals succeed without running. dev has to do everything."""
    github.forced_results.clear()
    spare(github, *({*JOBS} - {*jobs}))
    github.forced_outputs["changes"] = everything(github)


def everything(github: OfflineGitHub) -> dict[str, str]:
    """The outputs of `changes` in dev if everything has to be done."""
    text = github.remote.work_tree / ".github/actions/what-changed/components.json"
    components = json.loads(text.read_text(encoding="utf-8"))["components"]
    return {
        **{"commit": head(github), "roll-back": "false"},
        **planned(
            [name for name, one in components.items() if one["builds"]],
            [name for name, one in components.items() if "dev" in one["deployed"]],
        ),
    }


def package_of_base(built_from: str, text: bytes = b"tested\n") -> dict[str, bytes]:
    """The files of the package that the build of `base` makes."""
    files = {"package.txt": text, ".settings": b"hidden\n", "tool.sh": b"echo hello\n"}
    return package(built_from, files, ["tool.sh"])


def leave_package(
    github: OfflineGitHub,
    name: str,
    make: Callable[[str], dict[str, bytes]],
    job: str,
    output: str = "digest",
) -> None:
    """Let a job that does not run upload a package of the commit, and output its digest."""
    before = github.before_job

    def upload(run: Run, key: str) -> None:
        if before:
            before(run, key)
        if key == job:
            made = make(run.sha)
            artifact = github.new_artifact(run, name)
            artifact.fill(made)
            artifact.retention_days = run.job(key).inputs.get("retention-days")
            said = github.forced_outputs.get(job, {})
            github.forced_outputs[job] = {**said, output: digest_of(made)}

    github.before_job = upload


def base_is_built(github: OfflineGitHub) -> None:
    """Give `base` a package without running its build."""
    leave_package(github, "base-package-dev", package_of_base, "base-build / build")


def was_tested(github: OfflineGitHub, sha: str, **run: Any) -> Run:
    """Add a run that has built and deployed this commit to test, without executing it."""
    return former_run(github, "test", sha, {"base": package_of_base(sha)}, **run)


def ships(github: OfflineGitHub, job: str = "") -> list[str]:
    return [command.arguments[0] for command in github.commands("ship", job)]


def package_in(run: Run) -> Artifact:
    """The artifact of the run's only package."""
    [found] = [a for a in run.artifact_store.values() if "-package-" in a.name]
    return found


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# From a push to the summary


def started(github: OfflineGitHub) -> None:
    """A push starts the right workflows with the right permissions."""
    only(github)
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    expect("runs wait for one another", run.concurrency == "orchestrator-dev")
    levels = {level for job in run.jobs.values() for level in job.permissions.values()}
    expect("tokens only read", levels == {"read"})


def success(github: OfflineGitHub) -> None:
    """All jobs of dev run and succeed."""
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    expect("components are deployed in order", ships(github) == ["base", "top"])


def summarised(github: OfflineGitHub) -> None:
    """The summary of a successful deployment."""
    only(github, "changes", SUMMARY)
    base_is_built(github)
    run = pushed(github)
    summary = run.job(SUMMARY).summary
    expect("the summary says so", summary.startswith("## Deployment to dev succeeded\n"))
    expect("the summary has the picture", summary.count(" --> ") == 2)
    expect("the summary leads to each job", summary.count(f"/runs/{run.id}/job/") == 5)


def without_gates(github: OfflineGitHub) -> None:
    """Leave out the first and the last job, because the scenario is about the others."""
    spare(github, "changes", SUMMARY)
    github.forced_outputs["changes"] = everything(github)


def told(github: OfflineGitHub, run: Run) -> bool:
    """Whether all commands get the environment and the commit."""
    given = {"ENVIRONMENT": "dev", "COMMIT": run.head_sha}
    return all(given.items() <= command.environment.items() for command in github.commands())


def packaged(github: OfflineGitHub) -> None:
    """A component is built and deployed with its package."""
    without_gates(github)
    spare(github, "top-build / build", "top-dev / deploy")
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    package = run.packages.get("base-package-dev", {})
    files = {"package.txt", ".settings", "tool.sh", MANIFEST}
    expect("the package holds what the build left", set(package) == files)
    [ship] = github.commands("ship")
    digest = sha256(package["package.txt"])
    expect("the own package is put back", ship.files.get("package.txt") == digest)
    expect("commands know environment and commit", told(github, run))
    [artifact] = run.artifact_store.values()
    expect("it is kept as long as dev wants", artifact.retention_days == 7)
    expect(
        "the caller learns of the package",
        run.job("base-build").outputs.get("artifact-name") == "base-package-dev"
        and run.job("base-dev").outputs.get("deployment-status") == "success",
    )


def handed_on(github: OfflineGitHub) -> None:
    """A component is deployed with the package of another one, and gets a secret."""
    only(github, "top-dev / deploy")
    base_is_built(github)
    github.secrets = {"TOKEN": "of the repository"}
    github.environments["dev"] = {"secrets": {"TOKEN": "of dev"}}
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    [ship] = github.commands("ship")
    expect("the file is placed", ship.files.get("base.txt") == sha256(b"tested\n"))
    expect("commands run in their folder", ship.folder == "parts/top")
    expect("commands know environment and commit", told(github, run))
    expect("the environment's secret arrives", ship.environment.get("TOKEN") == "of dev")
    expect("the job names the environment", run.job("top-dev / deploy").environment == "dev")
    expect("deployments have a group", run.job("top-dev / deploy").concurrency == "top-dev")


def checked_with_it(github: OfflineGitHub) -> None:
    """A component is checked with the package of another one, and without its secret."""
    only(github, "top-build / build")
    base_is_built(github)
    github.secrets = {"TOKEN": "of the repository"}
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    checks = github.commands("check")
    with_it = [command for command in checks if "base.txt" in command.files]
    expect("what is checked has the package", len(with_it) == len(checks) == 3)
    expect("commands know environment and commit", told(github, run))
    leaks = [command for command in checks if "TOKEN" in command.environment]
    expect("the secret arrives nowhere else", not leaks)


def failing_test(github: OfflineGitHub) -> None:
    """A test of the first component fails."""
    only(github, "changes", "base-build / build", "base-dev / deploy", SUMMARY)
    github.fail_tool("check", "test base")
    run = pushed(github)
    expect("nothing that depends on it is deployed", ships(github) == [])
    expect("nothing is built after a failed check", not github.commands("build"))
    expect("the run fails", run.conclusion == "failure")
    summary = run.jobs[SUMMARY]
    expect("the summary is written", summary.result != "skipped")
    expect("the summary fails too", summary.result == "failure")
    says = "## Deployment to dev failed in base\n"
    expect("the summary names the component", summary.summary.startswith(says))


def failing_checks(github: OfflineGitHub) -> None:
    """The first check of the last component fails."""
    only(github, "top-build / build", "top-dev / deploy")
    base_is_built(github)
    github.fail_tool("check", "lint top")
    pushed(github)
    checks = [command.arguments[0] for command in github.commands("check", "^top-build")]
    expect("the other checks run all the same", checks == ["lint", "test", "security"])
    expect("what failed a check is not deployed", "top" not in ships(github))


def failing_first(github: OfflineGitHub) -> None:
    """The deployment of the first component fails."""
    only(github, "base-dev / deploy", "top-dev / deploy")
    base_is_built(github)
    github.fail_tool("ship", "base")
    pushed(github)
    expect("what depends on it is not deployed", "top" not in ships(github))


def failing_deploy(github: OfflineGitHub) -> None:
    """The deployment of the last component fails."""
    only(github, "changes", "top-dev / deploy", SUMMARY)
    base_is_built(github)
    github.fail_tool("ship", "top")
    run = pushed(github)
    rows = [line for line in run.job(SUMMARY).summary.splitlines() if "| " in line]
    expect("what failed comes first", rows[2].startswith("| top | ❌ failure |"))
    status = run.job("top-dev").outputs.get("deployment-status")
    expect("the caller learns that it failed", status == "failure")


# Which commit


def foreign_commit(github: OfflineGitHub) -> None:
    """A commit that is only on another branch, and later in a merge."""
    only(github, "changes", "deploy / deploy")
    git("switch", "--quiet", "--create", "feature", "develop", cwd=github.remote.work_tree)
    foreign = change(github, "feature", "of the feature\n")
    github.push("feature")
    run = github.dispatch("orchestrator-dev.yml", "develop", {"commit": foreign})
    expect("a commit of another branch is not even built", run.order == ["changes", SUMMARY])
    git("switch", "--quiet", "develop", cwd=github.remote.work_tree)
    git("merge", "--quiet", "--no-ff", "--no-edit", "feature", cwd=github.remote.work_tree)
    github.remote.push("refs/heads/develop")
    run = github.dispatch("orchestrator-dev.yml", "develop", {"commit": foreign})
    never = "what the branch was never at is not even built"
    expect(never, run.order == ["changes", SUMMARY])
    github.dispatch("side-prd.yml", "main", {"commit": foreign})
    expect("a commit of another branch is refused", ships(github) == [])


def deployed_before(github: OfflineGitHub) -> tuple[str, str]:
    """A commit that was deployed to dev, a newer one that was not, and develop, which is newer
    still."""
    older = change(github, "develop", "older\n")
    only(github)
    expect("an older commit was deployed", pushed(github).conclusion == "success")
    never = change(github, "develop", "never\n")
    change(github, "develop", "newer\n")
    github.remote.push("refs/heads/develop")
    github.fail_tool("check", "security top")  # a scan finds something new
    return older, never


def by_hand(github: OfflineGitHub) -> None:
    """A person deploys an older commit that was deployed before."""
    older, _ = deployed_before(github)
    jobs = ("changes", "base-build / build", "top-build / build", "top-dev / deploy")
    only(github, *jobs)
    run = github.dispatch("orchestrator-dev.yml", "develop", {"commit": older})
    expect("a roll-back is not held up by what a scan finds", run.conclusion == "success")
    alone = run.concurrency == f"orchestrator-dev-{run.id}"
    expect("a person waits for nobody", alone)
    title = f"Deploy {older} to dev"
    expect("the title says which commit", run.display_title == title)
    commands = github.commands()
    versions = {c.files.get(VERSION) for c in commands}
    expect("the older commit is checked and deployed", versions == {sha256(b"older\n")})
    expect("commands are told so", {c.environment.get("COMMIT") for c in commands} == {older})
    made = run.packages["base-package-dev"]["package.txt"].decode()
    expect("the older commit is built", made.startswith(f"base of {older}, "))


def never_deployed(github: OfflineGitHub) -> None:
    """A person deploys an older commit that was never deployed."""
    _, never = deployed_before(github)
    only(github, "changes", "base-build / build", "top-build / build")
    refused = github.dispatch("orchestrator-dev.yml", "develop", {"commit": never})
    expect("what was never deployed is no roll-back", refused.results["top-build"] == "failure")


# Promotion


def followed(github: OfflineGitHub) -> None:
    """Production follows test after an approval."""
    only(github)
    tested = change(github, "main", "tested\n")
    pushed(github, "main")
    runs = github.runs_of("orchestrator-prd.yml")
    expect("prd follows test", [run.conclusion for run in runs] == ["success"])
    [prd] = runs
    expect("prd says which commit", prd.display_title == f"Deploy {tested} to test, then prd")
    expect("one person is asked, once", prd.approvals == [("approval", "prd-approval")])
    replaced = prd.job("approval").concurrency == "prd-approval-candidate"
    expect("a newer candidate takes the place of one that waits", replaced)


def release(github: OfflineGitHub) -> None:
    """The tested packages reach production, although the branch has changed since."""
    tested = change(github, "main", "tested\n")
    change(github, "main", "newer\n")
    github.remote.push("refs/heads/main")
    test = was_tested(github, tested)
    github.environments["prd"] = {"secrets": {"TOKEN": "of prd"}}
    github.ended(test)
    [prd] = github.runs_of("orchestrator-prd.yml")
    expect("prd succeeds", prd.conclusion == "success")
    expect("nothing is built in production", not github.commands("check"))
    kept = test.packages["base-package-test"], prd.packages.get("base-package-prd")
    expect("prd has the very package that was tested", kept[0] == kept[1])
    for name, file in (("base", "package.txt"), ("top", "base.txt")):
        [ship] = github.commands("ship", f"^{name}-prd")
        digest = sha256(kept[0]["package.txt"])
        expect("prd deploys these bytes", ship.files.get(file) == digest)
        version = ship.files.get(VERSION)
        expect("prd deploys the tested commit", version == sha256(b"tested\n"))
    [top] = github.commands("ship", "^top-prd")
    expect("it has prd's own secret", top.environment.get("TOKEN") == "of prd")
    expect("its package outlives the deployment", package_in(prd).retention_days == 30)


def kept_for_approval(github: OfflineGitHub) -> None:
    """Packages of test still exist when production is approved."""
    only(github, "base-build / build")
    test = pushed(github, "main")
    expect("packages outlive the wait for an approval", package_in(test).retention_days == 37)


def release_again(github: OfflineGitHub) -> None:
    """The same commit is tested again, and its build makes other bytes."""
    sha = head(github)
    for environment in ("test", "prd"):
        former_run(github, environment, sha, {"base": package_of_base(sha, b"first\n")})
    test = was_tested(github, sha)
    only(github, "changes")
    github.ended(test)
    prd = github.runs_of("orchestrator-prd.yml")[-1]
    kept = test.packages["base-package-test"], prd.packages.get("base-package-prd")
    expect("prd takes the package of the run that it follows", kept[0] == kept[1])


def untested(github: OfflineGitHub) -> None:
    """The deployment to test failed, and then one component was deployed alone."""
    was_tested(github, head(github), conclusion="failure")
    only(github)
    leave_package(github, "base-package-test", package_of_base, "build / build")
    alone = github.dispatch("base-test.yml", "main")
    expect("it runs alone", alone.conclusion == "success")
    only(github, "changes")
    for file in ("orchestrator-prd.yml", "base-prd.yml"):
        prd = github.dispatch(file, "main")
        refused = prd.results["changes"] == "failure"
        expect("what was not tested is not promoted", refused and prd.packages == {})


def of_another_commit(github: OfflineGitHub) -> None:
    """The package names another commit."""
    test = was_tested(github, head(github))
    _, _, rest = package_in(test).files[MANIFEST].partition(b"\n")
    fill(test, {MANIFEST: b"commit " + b"0" * 40 + b"\n" + rest})
    only(github, "changes")
    prd = github.dispatch("base-prd.yml", "main")
    refused = prd.results["changes"] == "failure" and prd.packages == {}
    expect("a package of another commit is not promoted", refused)


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


# Production


def stop(github: OfflineGitHub) -> None:
    """In production, started by a person, no job starts after a failure."""
    only(github)
    github.forced_results["base-prd / deploy"] = "failure"
    run = github.dispatch("orchestrator-prd.yml", "main")
    alone = run.job("approval").concurrency == f"prd-approval-{run.id}"
    expect("what a person starts takes nobody's place", alone)
    expect("nothing further starts in production", run.results["late-prd"] == "skipped")


def side_alone(github: OfflineGitHub) -> Run:
    """Deploy only `side` to production; it needs no package."""
    github.forced_results.clear()
    return github.dispatch("side-prd.yml", "main")


def retry(github: OfflineGitHub) -> None:
    """A deployment to production failed. `Re-run failed jobs` leaves the approval out."""
    github.fail_tool("ship")
    run = side_alone(github)
    github.tools.heal()
    github.rerun(run, failed_only=True)
    expect("a second attempt needs an approval of its own", ships(github) == ["side"])
    again = github.rerun(run)
    expect("a person is asked", again.approvals == [("approval", "prd-approval")])
    expect("with one it is deployed", ships(github) == ["side"] * 2)


def overtaken(github: OfflineGitHub) -> None:
    """A newer run was approved before this one is run again."""
    github.fail_tool("ship")
    older = side_alone(github)
    github.tools.heal()
    side_alone(github)
    github.rerun(older)
    expect("an older run deploys nothing any more", ships(github) == ["side"] * 2)


def older(github: OfflineGitHub) -> None:
    """A run for an older commit is run again."""
    only(github, "changes")
    first = pushed(github)
    change(github, "develop", "newer\n")
    pushed(github)
    again = github.rerun(first)
    expect("an older commit is not even built", again.results["base-build"] == "skipped")


def rolled_back(github: OfflineGitHub) -> None:
    """A person deploys an older commit to test; production has a newer one."""
    older = change(github, "main", "older\n")
    change(github, "main", "newer\n")
    github.remote.push("refs/heads/main")
    only(github)
    github.dispatch("orchestrator-prd.yml", "main")
    only(github, "changes", SUMMARY)
    github.ended(was_tested(github, older, event="workflow_dispatch"))
    *_, prd = github.runs_of("orchestrator-prd.yml")
    expect("prd says which commit", prd.display_title == f"Deploy {older} to test, then prd")
    expect("nobody is asked to go back", prd.approvals == [])
    expect("that is no failure", prd.conclusion == "success")
    says = (
        "## Nothing was deployed to prd&#58; a newer run has deployed, or waits for its approval\n"
    )
    expect("the summary says why", prd.job(SUMMARY).summary.startswith(says))


# One component alone


def rerun_all(github: OfflineGitHub) -> None:
    """The whole run is run again, so the package is built again."""
    only(github, "base-build / build")
    run = pushed(github)
    again = github.rerun(run)
    expect("a re-run replaces its package", again.conclusion == "success")


def alone(github: OfflineGitHub) -> None:
    """A person deploys one component of an older commit. Newer packages exist, of another commit
    and of an unreviewed branch."""
    older = change(github, "develop", "older\n")
    built = package_of_base(older)
    former_run(github, "dev", older, {"base": built}, head_branch="develop")
    newer = change(github, "develop", "newer\n")
    github.remote.push("refs/heads/develop")
    files = {"base": package_of_base(newer, b"newer\n")}
    newest = former_run(github, "dev", newer, files, head_branch="develop")
    git("switch", "--quiet", "--create", "feature", cwd=github.remote.work_tree)
    change(github, "feature", "evil\n")
    github.remote.push("refs/heads/feature")
    only(github)
    name, job = "base-package-dev", "build / build"
    leave_package(github, name, lambda _: package_of_base(older, b"evil\n"), job)
    evil = github.dispatch("base-dev.yml", "feature", {"commit": older})
    expect("a branch can make a package of any commit", evil.conclusion == "success")
    github.before_job = None
    only(github, "changes", "build / build", "deploy / deploy")
    run = github.dispatch("top-dev.yml", "develop", {"commit": older})
    expect("it runs alone", run.conclusion == "success")
    files_then = github.commands("ship")[-1].files
    digest = sha256(built["package.txt"])
    expect("alone it takes the package of its commit", files_then.get("base.txt") == digest)
    given = {"commit": older, "packages": str(newest.id)}
    refused = github.dispatch("top-dev.yml", "develop", given).conclusion == "failure"
    expect("a run for another commit is refused", refused)


def alone_in_vain(github: OfflineGitHub) -> None:
    """No run has built the package of this commit."""
    run = github.dispatch("top-dev.yml", "develop")
    errors = run.job("build / build").errors
    says = f"The package of base, base-package-dev, is not in any run for {head(github)}: start "
    expect("it says which package is missing", bool(errors) and errors[0].startswith(says))


# Packages inside a run


def fill(run: Run, files: dict[str, bytes]) -> None:
    """Replace the contents of the run's only package."""
    artifact = package_in(run)
    artifact.fill({**artifact.files, **files})


def _tampered(github: OfflineGitHub, change: Callable[[Artifact], dict[str, bytes]]) -> None:
    """The package is replaced between the build and the deployments."""

    def tamper(run: Run, job: str) -> None:
        if job == "base-dev / deploy":
            [artifact] = run.artifact_store.values()
            artifact.fill({**artifact.files, **change(artifact)})

    github.before_job = tamper
    only(github, "base-dev / deploy", "top-dev / deploy")
    base_is_built(github)
    pushed(github)


def changed_package(github: OfflineGitHub) -> None:
    _tampered(github, lambda _: {"package.txt": b"changed\n"})
    expect("a changed package is refused", ships(github) == [])


def replaced_package(github: OfflineGitHub) -> None:
    """The package matches its own data, but differs from the build's result."""

    def evil(artifact: Artifact) -> dict[str, bytes]:
        was = sha256(artifact.files["package.txt"]).encode()
        manifest = artifact.files[MANIFEST].replace(was, sha256(b"evil\n").encode())
        return {"package.txt": b"evil\n", MANIFEST: manifest}

    _tampered(github, evil)
    expect("a replaced package is refused", ships(github) == [])


SCENARIOS: dict[str, Callable[[OfflineGitHub], None]] = {
    scenario.__name__: scenario
    for scenario in (
        started,
        success,
        summarised,
        packaged,
        handed_on,
        checked_with_it,
        failing_test,
        failing_checks,
        failing_first,
        failing_deploy,
        foreign_commit,
        by_hand,
        never_deployed,
        followed,
        release,
        kept_for_approval,
        release_again,
        untested,
        of_another_commit,
        after_failure,
        after_fork,
        after_branch,
        after_schedule,
        stop,
        retry,
        overtaken,
        older,
        rolled_back,
        rerun_all,
        alone,
        alone_in_vain,
        changed_package,
        replaced_package,
    )
}
