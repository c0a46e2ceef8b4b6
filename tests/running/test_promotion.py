"""What was built once is what every environment after it deploys, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import (
    Made,
    built_by,
    commit,
    digest_of,
    failed,
    folders,
    forged,
    former_run,
    generic,
    left_by,
    manifest_of,
    package,
    reopened,
)
from offline_github import OfflineGitHub, Run
from offline_github.model import Artifact
from offline_github.repository import git

# Each build makes other bytes.
BUILD = 'date +%s%N > package.txt; echo "$1 for $ENVIRONMENT" >> package.txt'
UNCHECKED = {"lint": "", "test": ""}
DEPLOY_ONLY = {**UNCHECKED, "security": "", "build": "", "produces": []}
TAKEN = [{"name": "package.txt", "to": "parts/taker/input.txt"}]
TWO: dict[str, Any] = {
    "components": {**generic(["maker"], **UNCHECKED), **generic(["taker"], **DEPLOY_ONLY)},
    "dependency_map": [{"code_type": "taker", "depends_on": "maker", "artifacts": TAKEN}],
}
TEST, PRD = "orchestrator-test.yml", "orchestrator-prd.yml"
Open = Callable[..., OfflineGitHub]


@pytest.fixture
def repository(made: Made, tmp_path: Path) -> Open:
    def open_repository(name: str, answers: dict[str, Any], **files: str) -> OfflineGitHub:
        work_tree = made(name, answers, folders(list(answers["components"])) | files)
        github = reopened(work_tree, tmp_path, ("main", "develop"))
        github.tool("check")
        github.tool("ship")
        github.tools.then("build", BUILD)
        github.tools.watch(["package.txt", "input.txt"], [])
        github.environments["prd-approval"] = {"reviewers": True}
        return github

    return open_repository


def deployed(github: OfflineGitHub, run: Run) -> dict[str, dict[str, str]]:
    """The files with which each component was deployed in a run."""
    return {c.arguments[0]: c.files for c in github.commands("ship") if c.run == run.id}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_build_that_differs_each_time_reaches_every_environment_alike(repository: Open) -> None:
    """`main` is built for dev; test and production deploy what dev has deployed."""
    github = repository("trunk", {**TWO, "branching": "trunk"})
    [dev] = github.push("main")
    [test], [prd] = github.runs_of(TEST), github.runs_of(PRD)
    for run in (dev, test, prd):
        assert run.conclusion == "success", {k: j.errors for k, j in run.jobs.items() if j.errors}
    assert [c.job for c in github.commands("build")] == ["maker-build / build"]

    made = dev.packages["maker-package-dev"]
    digest = sha256(made["package.txt"])
    for run, environment in ((dev, "dev"), (test, "test"), (prd, "prd")):
        # The same files with the same manifest, and so the same digest.
        assert run.packages == {f"maker-package-{environment}": made}
        assert deployed(github, run) == {
            "maker": {"package.txt": digest},
            "taker": {"input.txt": digest},
        }
    days = [
        {a.retention_days for a in run.artifact_store.values() if "-package-" in a.name}
        for run in (dev, test, prd)
    ]
    assert days == [{37}, {37}, {30}]
    builds = {"maker-build", "maker-build / build"}
    assert builds < dev.jobs.keys() and not builds & {*test.jobs, *prd.jobs}
    assert prd.approvals == [("approval", "prd-approval")]
    assert set(prd.jobs) - set(test.jobs) == {
        "approval",
        *(f"{name}-prd{job}" for name in ("maker", "taker") for job in ("", " / deploy")),
    }


def test_rolls_back_to_a_package_that_was_kept_or_is_built_again(repository: Open) -> None:
    """What a person does, step by step."""
    github = repository("two", TWO)
    [test] = github.push("main")
    [prd] = github.runs_of(PRD)
    old = test.head_sha
    never_deployed = commit(github.remote.work_tree, {})
    commit(github.remote.work_tree, {}, "Newer")
    github.remote.push("refs/heads/main")

    # Directly to production, with the package that production has kept.
    back = github.dispatch(PRD, "main", {"commit": old})
    jobs = ["changes", "approval", "maker-prd", "taker-prd", "deployment-summary"]
    jobs += ["maker-prd / deploy", "taker-prd / deploy"]
    assert back.results == dict.fromkeys(jobs, "success")
    assert back.approvals == [("approval", "prd-approval")]
    assert back.display_title == f"Deploy {old} to prd"
    assert back.packages == prd.packages
    assert deployed(github, back) == deployed(github, prd)
    assert len(github.commands("build")) == 1

    # If the tested package is gone, nobody is asked, and the error says what to start.
    for run, name in ((test, "test"), (prd, "prd"), (back, "prd")):
        github.expire(run, f"maker-package-{name}")
    built = {"maker-package-test": package(old, {"package.txt": b"alone"})}
    title = f"Deploy {old} to test, maker alone"
    alone = github.add_run("maker-test.yml", head_sha=old, display_title=title, artifacts=built)
    built_by(github, alone, "build / build")
    refused = github.dispatch(PRD, "main", {"commit": old})
    assert refused.order == ["changes", "deployment-summary"] and refused.approvals == []
    assert refused.job("changes").errors[0] == (
        f"The package of maker, of run {back.id}, is gone: start {TEST} with commit {old}"
    )

    # Then it is built again, and a finding of the scan does not keep it from being deployed.
    github.fail_tool("check", "security maker")
    again = github.dispatch(TEST, "main", {"commit": old})
    production = github.runs_of(PRD)[-1]
    assert again.conclusion == production.conclusion == "success"
    assert [c.code for c in github.commands("check") if c.run == again.id] == [1]
    assert production.display_title == f"Deploy {old} to test, then prd"
    assert deployed(github, production) == deployed(github, again) != deployed(github, prd)
    assert len(github.commands("build")) == 2

    # For a commit that was never deployed, it does: the newest, or an older one.
    for sha in ("", never_deployed):
        blocked = github.dispatch(TEST, "main", {"commit": sha} if sha else {})
        assert "maker-build" in failed(blocked) and deployed(github, blocked) == {}


# What is not promoted


def later(github: OfflineGitHub, run: Run, sha: str) -> None:
    """Another job of the run uploads a package of the same name that fits its manifest."""
    github.new_artifact(run, "maker-package-test").fill(package(sha, {"package.txt": b"evil"}))


def damaged(github: OfflineGitHub, run: Run, sha: str) -> None:
    artifact = kept_in(run)
    artifact.fill({**artifact.files, "package.txt": b"evil"})


def of_another_commit(github: OfflineGitHub, run: Run, sha: str) -> None:
    kept_in(run).fill(package("1" * 40, {"package.txt": b"good"}))


def gone(github: OfflineGitHub, run: Run, sha: str) -> None:
    del run.artifact_store[kept_in(run).id]


def nothing(github: OfflineGitHub, run: Run, sha: str) -> None:
    """It is the package that was tested."""


def unmanifested(github: OfflineGitHub, run: Run, sha: str) -> None:
    """The run has planned, and left no manifest."""
    planned_job(github, run)
    del run.artifact_store[kept_in(run, "manifest-test").id]


def forged_by_a_job(github: OfflineGitHub, run: Run, sha: str) -> None:
    """Another job of the run uploads a manifest that names its own package."""
    planned_job(github, run)
    evil = package(sha, {"package.txt": b"evil"})
    github.new_artifact(run, "maker-package-test").fill(evil)
    manifest = manifest_of(run)
    for entry in manifest["components"].values():
        for one in filter(None, [entry["package"], *entry["takes"].values()]):
            one["digest"] = digest_of(evil)
    left = run.jobs["deployment-summary"]
    github.clock.advance(60)
    left_by(github, run, manifest, "maker-build / Something else")
    run.jobs["other"] = run.jobs["deployment-summary"]
    run.jobs["deployment-summary"] = left


def kept_in(run: Run, name: str = "maker-package-test") -> Artifact:
    [artifact] = [one for one in run.artifact_store.values() if one.name == name]
    return artifact


def planned_job(github: OfflineGitHub, run: Run) -> None:
    job = built_by(github, run, "changes").jobs["changes"]
    job.steps = {"See what changed": "success"}


NOT_THAT = "maker-package-test of run RUN is not the one that"


@pytest.mark.parametrize(
    ("happens", "problem"),
    [
        (nothing, ""),
        (later, NOT_THAT),
        (
            damaged,
            "maker-package-test of run RUN differs from what the build has uploaded, in ./package",
        ),
        (of_another_commit, NOT_THAT),
        (gone, f"The package of maker, of run RUN, is gone: start {TEST} with commit "),
        (unmanifested, f"There is nothing to promote: start {TEST} with commit "),
        (forged_by_a_job, f"There is nothing to promote: start {TEST} with commit "),
    ],
)
def test_only_what_was_tested_is_promoted(
    repository: Open, happens: Callable[[OfflineGitHub, Run, str], None], problem: str
) -> None:
    """The digest in the manifest says which bytes those are, and only the last job writes it."""
    github = repository("two", TWO)
    sha = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
    files = {"maker": package(sha, {"package.txt": b"good"})}
    github.same_second = happens is not forged_by_a_job
    github.forced_results = dict.fromkeys(["maker-prd / deploy", "taker-prd / deploy"], "success")
    test = former_run(github, "test", sha, files)
    happens(github, test, sha)
    github.ended(test)
    [prd] = github.runs_of(PRD)
    assert prd.results["changes"] == ("failure" if problem else "success")
    if problem:
        assert problem.replace("RUN", str(test.id)) in prd.job("changes").errors[0]
        assert prd.order == ["changes", "deployment-summary"] and prd.approvals == []
    else:
        assert [*prd.packages.values()] == [*files.values()]


@pytest.mark.parametrize("whose", ["fork", "feature-branch", "other-workflow"])
def test_a_manifest_of_nobody_we_know_is_not_promoted(repository: Open, whose: str) -> None:
    """By hand no event names the run.

    A run that nobody reviewed is not used, whatever it claims.
    """
    github = repository("two", TWO)
    sha = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
    git("switch", "--quiet", "--create", "feature/x", cwd=github.remote.work_tree)
    evil = commit(github.remote.work_tree, {}, "Evil")
    github.remote.push("refs/heads/feature/x")
    git("switch", "--quiet", "main", cwd=github.remote.work_tree)
    run = former_run(
        github,
        "test",
        sha,
        {"maker": forged(sha)},
        **({"fork": True} if whose == "fork" else {}),
        **({"head_branch": "feature/x"} if whose == "feature-branch" else {}),
    )
    if whose == "feature-branch":
        run.head_sha = run.sha = evil
    if whose == "other-workflow":
        run.workflow_path = ".github/workflows/other.yml"
    prd = github.dispatch(PRD, "main")
    [error, *_] = prd.job("changes").errors
    assert error == f"There is nothing to promote: start {TEST} with commit {sha}"
    assert prd.approvals == [] and github.commands("ship") == []


# Builds that differ between environments

UNLIKE: dict[str, Any] = {
    "components": {
        **generic(["first"], **DEPLOY_ONLY),
        **generic(["middle"], **UNCHECKED, environments=["dev"]),
        **generic(["each"], **UNCHECKED, build_per_environment=True),
        **generic(["last"], **DEPLOY_ONLY),
    },
    "environments": [
        {"name": "dev", "branch": "main"},
        {"name": "prd", "after": "dev", "production": True},
    ],
    "dependency_map": {"middle": "first", "each": [], "last": ["middle", "each"]},
}
OF_MIDDLE, OF_EACH = (f"../../.packages/{name}/package.txt" for name in ("middle", "each"))


def test_environments_of_a_component_and_builds_for_each_of_them(repository: Open) -> None:
    """`middle` is not deployed to production: its package is taken there all the same, and order
    passes through it. `each` is built there again."""
    github = repository("unlike", UNLIKE)
    github.tools.watch([OF_MIDDLE, OF_EACH], [])
    [dev] = github.push("main")
    [prd] = github.runs_of(PRD)
    jobs = {"changes", "deployment-summary", "each-build", "each-build / build"}
    for name in ("first", "each", "last"):
        jobs |= {f"{name}-prd", f"{name}-prd / deploy"}
    assert prd.results == dict.fromkeys({*jobs, "approval"}, "success")
    middle = {"middle-build", "middle-build / build", "middle-dev", "middle-dev / deploy"}
    assert {key.replace("-dev", "-prd") for key in dev.jobs.keys() - middle} == jobs
    for run, environment in ((dev, "dev"), (prd, "prd")):
        place = {key: number for number, key in enumerate(run.order)}
        first, last = (place[f"{name}-{environment} / deploy"] for name in ("first", "last"))
        assert first < last
    # Nobody is asked before it was built.
    assert place["each-build / build"] < place["approval"] < place["first-prd / deploy"]

    made = {
        name: sha256(run.packages[name]["package.txt"])
        for run in (dev, prd)
        for name in run.packages
    }
    assert made["middle-package-dev"] == made["middle-package-prd"]
    assert made["each-package-dev"] != made["each-package-prd"]
    assert prd.packages["each-package-prd"]["package.txt"].endswith(b"each for prd\n")
    for run, environment in ((dev, "dev"), (prd, "prd")):
        files = deployed(github, run)
        own = made[f"each-package-{environment}"]
        assert files["each"]["package.txt"] == own
        assert files["last"] == {OF_MIDDLE: made["middle-package-dev"], OF_EACH: own}

    # The same if it is started alone: it is built for its environment and takes no other build.
    workflows = github.remote.work_tree / ".github" / "workflows"
    assert not (workflows / "middle-prd.yml").exists()
    each = github.dispatch("each-prd.yml", "main")
    jobs = {"changes", "build", "build / build", "approval", "deploy", "deploy / deploy"}
    assert each.results == dict.fromkeys(jobs, "success")
    newest = {OF_MIDDLE: made["middle-package-dev"]}
    newest[OF_EACH] = sha256(each.packages["each-package-prd"]["package.txt"])
    last = github.dispatch("last-prd.yml", "main")
    assert deployed(github, last) == {"last": newest}
    for run in (prd, each):
        github.expire(run, "each-package-prd")
    refused = github.dispatch("last-prd.yml", "main")
    assert deployed(github, refused) == {}
    [error, *_] = refused.job("deploy / deploy").errors
    assert error == (
        f"The package of each, each-package-prd, is no longer in run {prd.id}: start {PRD} with "
        f"commit {dev.head_sha} and `all`, which builds it again"
    )


def test_the_error_names_the_environment_that_builds(repository: Open) -> None:
    """Also if the environment before production promotes, too."""
    github = repository("trunk-alone", {**TWO, "branching": "trunk"})
    run = github.dispatch(PRD, "main")
    [error, *_] = run.job("changes").errors
    says = "There is nothing to promote: start orchestrator-dev.yml with commit "
    assert error == f"{says}{run.head_sha}"
