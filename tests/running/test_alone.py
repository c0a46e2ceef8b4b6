"""A component's workflow on its own: which commit it may deploy, and whose package it takes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import built_by, commit, folders, package, start
from offline_github import OfflineGitHub, Run
from offline_github.repository import git

ANSWERS: dict[str, Any] = {
    "components": {
        "maker": {
            "code_type": "generic",
            "path": "parts/maker",
            "build": "build maker",
            "produces": ["package.txt"],
            "deploy": "ship maker",
        },
        "taker": {"code_type": "generic", "path": "parts/taker", "deploy": "ship taker"},
        "solo": {"code_type": "generic", "path": "parts/solo", "deploy": "ship solo"},
    },
    "environments": [
        {"name": "dev", "branch": "main"},
        {"name": "test", "branch": "main"},
        {"name": "preview", "branch": "feature/**"},
        {"name": "release", "tag": "v[0-9]+.*"},
        {"name": "sandbox", "manual": True},
    ],
    "dependency_map": [
        {
            "code_type": "taker",
            "depends_on": "maker",
            "artifacts": [{"name": "package.txt", "to": "parts/taker/input.txt"}],
        },
    ],
}
BUILD = """\
#!/usr/bin/env bash
# GITHUB_SHA is the commit of the workflow, which need not be the one that is deployed.
printf '%s of %s\\n' "$1" "$(git rev-parse HEAD)" > package.txt
"""
ARTIFACT = "maker-package-dev"
OTHER = "1" * 40
OLD_PIPELINE = "name: Old\non: push\njobs: {}\n"


@pytest.fixture(scope="module")
def repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> OfflineGitHub:
    names = list(ANSWERS["components"])
    github = start(template, tmp_path_factory.mktemp("alone"), ANSWERS, folders(names))
    github.tool("build", BUILD)
    github.tool("ship")
    github.tools.watch(["input.txt", "package.txt", "README.md"], [])
    return github


@pytest.fixture
def github(repository: OfflineGitHub) -> OfflineGitHub:
    """The repository with a new commit on `main` that has no package yet."""
    repository.forced_results = {}
    repository.before_job = None
    repository.tools.heal()
    git("switch", "--quiet", "main", cwd=repository.remote.work_tree)
    new_commit(repository)
    return repository


def other_commit(github: OfflineGitHub, **files: str) -> str:
    """A commit with a number, because two equal commits of one second would be the same."""
    return commit(github.remote.work_tree, files, f"Change {github.new_id()}")


def new_commit(github: OfflineGitHub, branch: str = "main", **files: str) -> str:
    """A commit that arrives without an event, so that only the test starts runs."""
    sha = other_commit(github, **files)
    github.remote.push(f"refs/heads/{branch}")
    return sha


def head(github: OfflineGitHub) -> str:
    sha = github.remote.resolve("refs/heads/main")
    assert sha
    return sha


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def deliver(
    github: OfflineGitHub,
    text: str,
    *,
    file: str = "maker-dev.yml",
    of: str = "",
    artifact: str = ARTIFACT,
    by: str = "",
    **more: Any,
) -> Run:
    """A finished run that left a package of this text; of the head of main unless said."""
    built_from = of or head(github)
    settings = {"head_sha": built_from, "display_title": f"Deploy {built_from} to dev", **more}
    artifacts = {artifact: package(built_from, {"package.txt": text.encode()})}
    run = github.add_run(file, artifacts=artifacts, **settings)
    return built_by(github, run, by or ("maker-build" if "orch" in file else "build") + " / build")


def take(github: OfflineGitHub, **inputs: str) -> Run:
    return github.dispatch("taker-dev.yml", "main", inputs)


def taken(github: OfflineGitHub, run: Run) -> list[str]:
    """The digests of the packages with which `taker` was deployed."""
    commands = [c for c in github.commands("ship") if c.run == run.id]
    assert all(c.arguments == ["taker"] and c.folder == "parts/taker" for c in commands)
    return [c.files["input.txt"] for c in commands]


def refused(run: Run) -> str:
    """Why the deployment ended before its checkout."""
    assert run.results == {"deploy": "failure", "deploy / deploy": "failure"}
    job = run.job("deploy / deploy")
    assert job.steps == {"Check that it may be deployed": "failure"}
    return job.errors[0]


def without_package(github: OfflineGitHub, run: Run) -> str:
    """Why the deployment took no package."""
    assert run.results == {"deploy": "failure", "deploy / deploy": "failure"}
    assert taken(github, run) == []
    return run.job("deploy / deploy").errors[0]


DEPLOYED = {"deploy": "success", "deploy / deploy": "success"}


# Whose package


@pytest.mark.parametrize(
    "files",
    [["orchestrator-dev.yml", "maker-dev.yml"], ["maker-dev.yml", "orchestrator-dev.yml"]],
    ids=["of its producer", "of the orchestrator"],
)
def test_takes_the_newest_package_of_its_commit(github: OfflineGitHub, files: list[str]) -> None:
    """Only trusted runs count.

    Each other run here is newer, and its text says why it does not count.
    """
    for file in files:
        deliver(github, f"good, of {file}", file=file)
    unmerged = on_branch(github, "unmerged", moves_on=False)
    github.expire(deliver(github, "expired"), ARTIFACT)
    deliver(github, "of a fork", fork=True)
    deliver(github, "of another environment's orchestrator", file="orchestrator-test.yml")
    deliver(github, "of another component", file="solo-dev.yml")
    deliver(github, "of another commit", of=OTHER)
    deliver(github, "of another environment", artifact="maker-package-test")
    deliver(github, "under another name", artifact="taker-package-dev")
    deliver(github, "uploaded by another job", by="deploy / deploy")
    # Whoever may push a branch may change its workflows, and so their titles and packages.
    deliver(github, "of a branch", head_sha=unmerged, head_branch="unmerged")
    deliver(github, "a pull request's", event="pull_request")
    run = take(github)
    assert run.results == DEPLOYED
    assert taken(github, run) == [digest(f"good, of {files[-1]}")]
    assert run.display_title == f"Deploy {head(github)} to dev, taker alone"


def test_says_clearly_when_no_package_fits(github: OfflineGitHub) -> None:
    expired = deliver(github, "expired")
    github.expire(expired, ARTIFACT)
    fork = deliver(github, "of a fork", fork=True)
    sha = head(github)
    assert without_package(github, take(github)) == (
        f"The package of maker, {ARTIFACT}, is not in any run for {sha} "
        f"(run {fork.id} ran the workflows of {sha}, which nobody has reviewed; "
        f"run {expired.id}: it has expired): "
        f"start orchestrator-dev.yml with commit {sha}, which builds it"
    )
    other = deliver(github, "of another component", file="solo-dev.yml")
    named = without_package(github, take(github, packages=str(other.id)))
    assert f"is not in run {other.id} (run {other.id} is a run of solo-dev.yml): start" in named
    # The package of this environment is not taken either if another environment is named.
    run = github.dispatch("taker-test.yml", "main", {"packages": "latest"})
    assert without_package(github, run) == (
        "The package of maker, maker-package-test, is not in any run: "
        f"start orchestrator-test.yml with commit {head(github)}, which builds it"
    )


def test_latest_takes_the_newest_of_any_commit_of_the_branch(github: OfflineGitHub) -> None:
    older = head(github)
    new_commit(github)
    unmerged = on_branch(github, "other", moves_on=False)
    deliver(github, "of the commit")
    deliver(github, "the newest", of=older, file="orchestrator-dev.yml")
    deliver(github, "a fork's", fork=True)
    deliver(github, "of a branch", of=unmerged, head_branch="other", event="workflow_dispatch")
    github.expire(deliver(github, "expired"), ARTIFACT)
    run = take(github, packages="latest")
    assert run.results == DEPLOYED
    assert taken(github, run) == [digest("the newest")]


def test_a_title_that_lies_about_the_commit_is_noticed(github: OfflineGitHub) -> None:
    holder = deliver(github, "of another", of=OTHER, head_sha=head(github))
    holder.display_title = f"Deploy {head(github)} to dev"
    assert without_package(github, take(github)).startswith(
        f"{ARTIFACT} of run {holder.id} was built from {OTHER}, not from {head(github)}"
    )


def test_a_package_built_alone_is_taken_alone(github: OfflineGitHub) -> None:
    """Both workflows really run, and the re-run of a failed job takes the package of attempt 1."""
    github.fail_tool("ship", "maker")
    made = github.dispatch("maker-dev.yml", "main")
    jobs = {"changes", "build", "build / build", *DEPLOYED}
    failures = {"deploy": "failure", "deploy / deploy": "failure"}
    assert made.results == {**dict.fromkeys(jobs, "success"), **failures}
    built = {a.id: a.digest for a in made.artifact_store.values()}
    github.tools.heal()
    again = github.rerun(made, failed_only=True)
    assert again.results == dict.fromkeys(jobs, "success")
    assert (again.id, again.attempt, again.order) == (made.id, 2, ["deploy / deploy"])
    assert {a.id: a.digest for a in again.artifact_store.values()} == built
    ships = [c for c in github.commands("ship") if c.run == made.id]
    text = digest(f"maker of {head(github)}\n")
    assert [(c.code, c.files["package.txt"]) for c in ships] == [(1, text), (0, text)]

    deliver(github, "another one, which is newer")
    named = take(github, packages=str(made.id))
    assert named.results == DEPLOYED and taken(github, named) == [text]


# Which commit


def test_a_commit_that_does_not_exist_is_refused(github: OfflineGitHub) -> None:
    run = github.dispatch("solo-dev.yml", "main", {"commit": OTHER})
    assert refused(run) == foreign(OTHER, "^refs/heads/main$")


def test_a_commit_of_another_branch_is_refused(github: OfflineGitHub) -> None:
    sha = on_branch(github, "other")
    message = foreign(sha, "^refs/heads/main$")
    assert refused(github.dispatch("solo-dev.yml", "main", {"commit": sha})) == message
    # It is also refused if the workflow starts from that branch, or from a tag called main.
    git("tag", "main", sha, cwd=github.remote.work_tree)
    github.remote.push("refs/tags/main")
    try:
        assert refused(github.dispatch("solo-dev.yml", "other")) == message
    finally:
        git("tag", "--delete", "main", cwd=github.remote.work_tree)
        git("update-ref", "-d", "refs/tags/main", cwd=github.remote.path)


@pytest.mark.parametrize("file", ["orchestrator-dev.yml", "maker-dev.yml"])
def test_a_commit_is_refused_before_anything_is_built(github: OfflineGitHub, file: str) -> None:
    """Of a branch called like a commit of main."""
    branch = f"attack-{head(github)}"
    on_branch(github, branch)
    run = github.dispatch(file, "main", {"commit": branch})
    alone = file == "maker-dev.yml"
    assert run.order == (["changes"] if alone else ["changes", "deployment-summary"])
    assert set(run.results.values()) == {"failure", "skipped"} and run.packages == {}
    assert "is not 40 hexadecimal digits" in run.job("changes").errors[0]


def test_an_older_commit_is_deployed_by_the_workflows_of_today(github: OfflineGitHub) -> None:
    work_tree = github.remote.work_tree
    workflows = {f.name: f.read_text() for f in (work_tree / ".github/workflows").iterdir()}
    # The older commit has other sources, and pipelines that would do nothing.
    old_files = {f".github/workflows/{name}": OLD_PIPELINE for name in workflows}
    old = commit(work_tree, {**old_files, "parts/taker/README.md": "older\n"})
    today = {f".github/workflows/{name}": text for name, text in workflows.items()}
    new = new_commit(github, **today, **{"parts/taker/README.md": "newer\n"})

    looked_at = ("changes", "maker-", "taker-")
    jobs = [k for k in github.job_keys("orchestrator-dev.yml") if not k.startswith(looked_at)]
    github.forced_results = dict.fromkeys(jobs, "success")
    run = github.dispatch("orchestrator-dev.yml", "main", {"commit": old})
    assert (run.head_sha, run.display_title) == (new, f"Deploy {old} to dev")
    expected = {"changes", "maker-build", "maker-build / build", "deployment-summary"}
    for name in ("maker", "taker", "solo"):
        expected |= {f"{name}-dev", f"{name}-dev / deploy"}
    assert run.results == dict.fromkeys(expected, "success")
    assert run.packages[ARTIFACT]["package.txt"] == f"maker of {old}\n".encode()
    assert taken_sources(github, run) == ("older\n", f"maker of {old}\n")

    # So does a component alone, which takes the package of that commit from the run before.
    deliver(github, "of today")
    alone = take(github, commit=old)
    assert (alone.head_sha, alone.results) == (new, DEPLOYED)
    assert taken_sources(github, alone) == ("older\n", f"maker of {old}\n")


def test_a_command_can_tell_which_commit_it_deploys(github: OfflineGitHub) -> None:
    """GITHUB_SHA is the commit of the workflow: as an image's tag it would name a wrong commit."""
    github.tools.watch([], ["GITHUB_SHA", "COMMIT"])
    older = head(github)
    new = new_commit(github)
    run = solo(github, "dev", "main", older)
    assert run.results == DEPLOYED
    [command] = [c for c in github.commands("ship") if c.run == run.id]
    assert command.environment == {"GITHUB_SHA": new, "COMMIT": older}


def taken_sources(github: OfflineGitHub, run: Run) -> tuple[str, str]:
    """The texts with which `taker` was deployed: that of its own file and that of the package."""
    [command] = [c for c in github.commands("ship") if (c.run, c.arguments) == (run.id, ["taker"])]
    commits = git("rev-list", "--all", cwd=github.remote.path).decode().split()
    texts = ["older\n", "newer\n", "of today", *(f"maker of {sha}\n" for sha in commits)]
    known = {digest(text): text for text in texts}
    return known[command.files["README.md"]], known[command.files["input.txt"]]


def on_branch(github: OfflineGitHub, name: str, *, moves_on: bool = True) -> str:
    """A commit that only this branch has; main gets another one."""
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--force-create", name, "main", cwd=work_tree)
    sha = other_commit(github)
    git("push", "--quiet", "--force", github.remote.path, name, cwd=work_tree)
    git("switch", "--quiet", "main", cwd=work_tree)
    if moves_on:
        new_commit(github)
    return sha


def foreign(sha: str, refs: str) -> str:
    """The message about a commit that an environment does not deploy."""
    where = f"No branch like {refs} has ever pointed to {sha}"
    if refs.startswith("^refs/tags/"):
        where = f"No tag like {refs} points to {sha}, or the commit is not on main"
    return f"{where}, so it is not deployed: merge the commit first"


def solo(github: OfflineGitHub, environment: str, ref: str, sha: str = "") -> Run:
    return github.dispatch(f"solo-{environment}.yml", ref, {"commit": sha} if sha else {})


def test_a_pattern_of_branches_lets_in_commits_of_any_that_fits(github: OfflineGitHub) -> None:
    sha = on_branch(github, "feature/deep/below")
    on_branch(github, "feature/beside")
    run = solo(github, "preview", "main", sha)
    assert run.results == DEPLOYED
    assert run.job("deploy / deploy").environment == "preview"


@pytest.mark.parametrize("branch", ["main", "my/feature/one"])
def test_a_pattern_of_branches_refuses_commits_of_others(
    github: OfflineGitHub, branch: str
) -> None:
    on_branch(github, "feature/behind")
    sha = head(github) if branch == "main" else on_branch(github, branch)
    assert refused(solo(github, "preview", branch, sha)) == foreign(sha, "^refs/heads/feature/.*$")


@pytest.mark.parametrize("chosen", [False, True], ids=["by its commit", "by its name"])
def test_a_tag_lets_in_its_commit(github: OfflineGitHub, chosen: bool) -> None:
    """An annotated tag is an object of its own, and not the commit."""
    sha, name = head(github), f"v1.{github.new_id()}"
    git("tag", "--annotate", "--message", name, name, cwd=github.remote.work_tree)
    github.remote.push(f"refs/tags/{name}")
    new_commit(github)
    run = solo(github, "release", name if chosen else "main", "" if chosen else sha)
    assert run.results == DEPLOYED
    assert run.display_title == f"Deploy {sha} to release, solo alone"


def test_a_commit_without_a_fitting_tag_is_refused(github: OfflineGitHub) -> None:
    sha = head(github)
    for tag in ("v.1", "av1.0"):
        git("tag", "--force", tag, cwd=github.remote.work_tree)
        github.remote.push(f"refs/tags/{tag}")
    # A tag of a commit beside the default branch is refused, too: nobody has reviewed that commit.
    beside = on_branch(github, "beside")
    git("tag", f"v2.{github.new_id()}", beside, cwd=github.remote.work_tree)
    github.remote.push("refs/tags/*")
    for one in (sha, beside):
        message = foreign(one, "^refs/tags/v[0-9]+\\.[^/]*$")
        assert refused(solo(github, "release", "main", one)) == message


def test_by_hand_a_feature_branch_may_be_deployed(github: OfflineGitHub) -> None:
    before = head(github)
    sha = on_branch(github, "feature/by-hand")
    run = solo(github, "sandbox", "feature/by-hand")
    assert run.results == DEPLOYED
    assert (run.head_sha, run.job("deploy / deploy").environment) == (sha, "sandbox")
    # The commit that the branch began with is deployed, too.
    assert solo(github, "sandbox", "feature/by-hand", before).results == DEPLOYED


def test_by_hand_a_commit_that_no_branch_has_is_refused(github: OfflineGitHub) -> None:
    sha = on_branch(github, "gone")
    git("update-ref", "-d", "refs/heads/gone", cwd=github.remote.path)
    message = refused(solo(github, "sandbox", "main", sha))
    assert message == foreign(sha, "^refs/heads/.*$")
