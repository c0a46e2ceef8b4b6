"""What was built once is what every environment after it deploys, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from pipelines import (
    Made,
    built_by,
    commit,
    failed,
    folders,
    generic,
    package,
    reopened,
    with_the_machines_packages,
)

# Other bytes at every build.
BUILD = 'date +%s%N > package.txt; echo "$1 for $ENVIRONMENT" >> package.txt'
UNCHECKED = {"lint": "", "test": ""}
DEPLOY_ONLY = {**UNCHECKED, "security": "", "build": "", "produces": []}
TAKEN = [{"name": "package.txt", "to": "parts/taker/input.txt"}]
TWO: dict[str, Any] = {
    "components": {**generic(["maker"], **UNCHECKED), **generic(["taker"], **DEPLOY_ONLY)},
    "dependency_map": [{"code_type": "taker", "depends_on": "maker", "artifacts": TAKEN}],
}
TEST, PRD = "orchestrator-test.yml", "orchestrator-prd.yml"
FOUND = "The package of maker, maker-package-prd or maker-package-test, is not in"
Open = Callable[..., OfflineGitHub]


@pytest.fixture
def repository(made: Made, tmp_path: Path) -> Open:
    def open_repository(name: str, answers: dict[str, Any], **files: str) -> OfflineGitHub:
        work_tree = made(name, answers, folders(list(answers["components"])) | files)
        github = reopened(work_tree, tmp_path, ("main", "develop"))
        github.tool("check")
        github.tool("ship")
        github.tools.then("build", BUILD)
        github.tools.watch(["package.txt", "input.txt", "lambda-package.zip"], [])
        github.environments["prd-approval"] = {"reviewers": True}
        github.forced_results = {"deployment-summary": "success"}
        return github

    return open_repository


def deployed(github: OfflineGitHub, run: Run) -> dict[str, dict[str, str]]:
    """With which files each component was deployed in a run."""
    return {c.arguments[0]: c.files for c in github.commands("ship") if c.run == run.id}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_build_that_differs_each_time_reaches_every_environment_alike(repository: Open) -> None:
    """`main` is built for dev; test and production deploy what dev has deployed."""
    python = {
        "path": "parts/python",
        **{"lint": "", "security": "", "deploy": "ship python"},
        "test": "date +%s%N > stamp.txt",  # which the build of a Lambda zip packs
    }
    answers: dict[str, Any] = {
        "code_types": ["python"],
        "branching": "trunk",
        **{**TWO, "components": {**TWO["components"], "python": python}},
    }
    answers["dependency_map"] = [*TWO["dependency_map"], {"code_type": "python", "depends_on": []}]
    github = with_the_machines_packages(repository("trunk", answers, **{"parts/python/app.py": ""}))
    [dev] = github.push("main")
    [test], [prd] = github.runs_of(TEST), github.runs_of(PRD)
    for run in (dev, test, prd):
        assert run.conclusion == "success", {k: j.errors for k, j in run.jobs.items() if j.errors}
    assert [c.job for c in github.commands("build")] == ["maker-build / build"]

    made = {name: dev.artifacts[f"{name}-package-dev"] for name in ("maker", "python")}
    zip_digest = sha256(made["python"]["lambda-package.zip"])
    digest = sha256(made["maker"]["package.txt"])
    for run, environment in ((dev, "dev"), (test, "test"), (prd, "prd")):
        # The same files with the same manifest, and so the same digest.
        assert run.artifacts == {f"{name}-package-{environment}": made[name] for name in made}
        assert deployed(github, run) == {
            "maker": {"package.txt": digest},
            "taker": {"input.txt": digest},
            "python": {"lambda-package.zip": zip_digest},
        }
    days = [{a.retention_days for a in run.artifact_store.values()} for run in (dev, test, prd)]
    assert days == [{37}, {37}, {30}]
    builds = {"maker-build", "maker-build / build", "python-build", "python-build / build"}
    assert builds < dev.jobs.keys() and not builds & {*test.jobs, *prd.jobs}
    assert prd.approvals == [("approval", "prd-approval")]
    assert set(prd.jobs) - set(test.jobs) == {
        "approval",
        *(f"{name}-prd{job}" for name in ("maker", "python", "taker") for job in ("", " / deploy")),
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

    # Straight to production: with the package that it has kept.
    back = github.dispatch(PRD, "main", {"commit": old})
    jobs = ["changes", "approval", "maker-prd", "taker-prd", "deployment-summary"]
    jobs += ["maker-prd / deploy", "taker-prd / deploy"]
    assert back.results == dict.fromkeys(jobs, "success")
    assert back.approvals == [("approval", "prd-approval")]
    assert back.display_title == f"Deploy {old} to prd"
    assert back.artifacts == prd.artifacts
    assert deployed(github, back) == deployed(github, prd)
    assert len(github.commands("build")) == 1

    # When no package is left that was tested with all others, nobody is asked, and the error says
    # what to start. It names the first three that were found.
    for run, name in ((test, "test"), (prd, "prd"), (back, "prd")):
        github.expire(run, f"maker-package-{name}")
    built = {"maker-package-test": package(old, {"package.txt": b"alone"})}
    title = f"Deploy {old} to test, maker alone"
    alone = github.add_run("maker-test.yml", head_sha=old, display_title=title, artifacts=built)
    built_by(github, alone, "build / build")
    refused = github.dispatch(PRD, "main", {"commit": old})
    assert refused.order == ["changes", "deployment-summary"] and refused.approvals == []
    reasons = "; ".join(f"run {run.id}: it has expired" for run in (back, prd, test))
    assert refused.job("changes").errors[0] == (
        f"{FOUND} any run for {old} ({reasons}): start {TEST} with commit {old}, which builds it"
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
    """One more job of the run uploads a package of the same name."""
    github.new_artifact(run, "maker-package-test").fill(package(sha, {"package.txt": b"evil"}))
    run.jobs["maker-build / build"].completed_at = "2020-01-01T00:00:00Z"  # long before


def damaged(github: OfflineGitHub, run: Run, sha: str) -> None:
    [artifact] = run.artifact_store.values()
    artifact.fill({**artifact.files, "package.txt": b"evil"})


def of_another_commit(github: OfflineGitHub, run: Run, sha: str) -> None:
    [artifact] = run.artifact_store.values()
    artifact.fill(package("1" * 40, {"package.txt": b"good"}))


def gone(github: OfflineGitHub, run: Run, sha: str) -> None:
    run.artifact_store.clear()


def nothing(github: OfflineGitHub, run: Run, sha: str) -> None:
    """It is the package that was tested."""


@pytest.mark.parametrize(
    ("happens", "problem"),
    [
        (nothing, ""),
        (later, f"{FOUND} run RUN (run RUN holds one that its build did not upload): start {TEST}"),
        (damaged, "maker-package-test of run RUN differs from what the build left, in ./package"),
        (of_another_commit, f"maker-package-test of run RUN was built from {'1' * 40}, not from"),
        (gone, f"{FOUND} run RUN: start {TEST}"),
    ],
)
def test_only_what_was_tested_is_promoted(
    repository: Open, happens: Callable[[OfflineGitHub, Run, str], None], problem: str
) -> None:
    github = repository("two", TWO)
    sha = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
    files = {"maker-package-test": package(sha, {"package.txt": b"good"})}

    def before(run: Run, key: str) -> None:
        if key == "changes":
            built_by(github, github.runs[0], "maker-build / build")
            happens(github, github.runs[0], sha)

    github.before_job = before
    github.same_second = True  # in which the run ended, so that only its build tells
    github.forced_results |= dict.fromkeys(["maker-prd / deploy", "taker-prd / deploy"], "success")
    title = f"Deploy {sha} to test"
    test = github.add_run(TEST, head_sha=sha, display_title=title, artifacts=files, fire=True)
    [prd] = github.runs_of(PRD)
    assert prd.results["changes"] == ("failure" if problem else "success")
    if problem:
        assert problem.replace("RUN", str(test.id)) in prd.job("changes").errors[0]
        assert prd.order == ["changes", "deployment-summary"] and prd.approvals == []
    else:
        assert [*prd.artifacts.values()] == [*files.values()]


# What is not the same everywhere

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
    # Nobody is asked before it is built.
    assert place["each-build / build"] < place["approval"] < place["first-prd / deploy"]

    made = {
        name: sha256(run.artifacts[name]["package.txt"])
        for run in (dev, prd)
        for name in run.artifacts
    }
    assert made["middle-package-dev"] == made["middle-package-prd"]
    assert made["each-package-dev"] != made["each-package-prd"]
    assert prd.artifacts["each-package-prd"]["package.txt"].endswith(b"each for prd\n")
    for run, environment in ((dev, "dev"), (prd, "prd")):
        files = deployed(github, run)
        own = made[f"each-package-{environment}"]
        assert files["each"]["package.txt"] == own
        assert files["last"] == {OF_MIDDLE: made["middle-package-dev"], OF_EACH: own}

    # Alone, too: it is built for its environment, and nobody takes what was built for another.
    workflows = github.remote.work_tree / ".github" / "workflows"
    assert not (workflows / "middle-prd.yml").exists()
    each = github.dispatch("each-prd.yml", "main")
    jobs = {"changes", "build", "build / build", "approval", "deploy", "deploy / deploy"}
    assert each.results == dict.fromkeys(jobs, "success")
    newest = {OF_MIDDLE: made["middle-package-dev"]}
    newest[OF_EACH] = sha256(each.artifacts["each-package-prd"]["package.txt"])
    last = github.dispatch("last-prd.yml", "main")
    assert deployed(github, last) == {"last": newest}
    for run in (prd, each):
        github.expire(run, "each-package-prd")
    refused = github.dispatch("last-prd.yml", "main")
    assert deployed(github, refused) == {}
    [error, *_] = refused.job("deploy / deploy").errors
    assert error.startswith("The package of each, each-package-prd, is not in any run for ")
    assert error.endswith(f": start {PRD} with commit {dev.head_sha}, which builds it")


def test_the_error_names_the_environment_that_builds(repository: Open) -> None:
    """Where what comes before production is promoted too."""
    github = repository("trunk-alone", {**TWO, "branching": "trunk"})
    run = github.dispatch(PRD, "main")
    [error, *_] = run.job("changes").errors
    says = f"{FOUND} any run for {run.head_sha}: start orchestrator-dev.yml with commit "
    assert error.startswith(says)
