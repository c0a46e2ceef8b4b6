"""A component's workflow on its own: which commit it may deploy, and whose package it takes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from pipelines import commit, folders, start

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
RUN_IT = "run orchestrator-dev.yml or maker-dev.yml for it first"
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
    """The repository with a new commit on `main`, of which there is no package yet."""
    repository.forced_results = {}
    repository.before_job = None
    repository.tools.heal()
    git("switch", "--quiet", "main", cwd=repository.remote.work_tree)
    new_commit(repository)
    return repository


def other_commit(github: OfflineGitHub, **files: str) -> str:
    """A commit unlike all others: without the number, two of one second would be the same."""
    return commit(github.remote.work_tree, files, f"Change {github.new_id()}")


def new_commit(github: OfflineGitHub, branch: str = "main", **files: str) -> str:
    """A commit that arrives without any event, so that nothing runs but what a test starts."""
    sha = other_commit(github, **files)
    github.remote.push(f"refs/heads/{branch}")
    return sha


def head(github: OfflineGitHub) -> str:
    sha = github.remote.resolve("refs/heads/main")
    assert sha
    return sha


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def package(built_from: str, text: str) -> dict[str, bytes]:
    """What the package of `maker` holds."""
    return {
        "package.txt": text.encode(),
        ".package/commit": f"{built_from}\n".encode(),
        ".package/executables": b"",
        ".package/sha256sums": f"{digest(text)}  ./package.txt\n".encode(),
    }


def deliver(
    github: OfflineGitHub,
    text: str,
    *,
    file: str = "maker-dev.yml",
    of: str = "",
    artifact: str = ARTIFACT,
    **more: Any,
) -> Run:
    """A finished run that left a package of this text; of the head of main unless said."""
    built_from = of or head(github)
    return github.add_run(
        file,
        head_sha=built_from,
        display_title=f"Deploy {built_from} to dev",
        artifacts={artifact: package(built_from, text)},
        **more,
    )


def take(github: OfflineGitHub, **inputs: str) -> Run:
    return github.dispatch("taker-dev.yml", "main", inputs)


def taken(github: OfflineGitHub, run: Run) -> list[str]:
    """Digests of the packages with which `taker` was deployed."""
    commands = [c for c in github.commands("ship") if c.run == run.id]
    assert all(c.arguments == ["taker"] and c.folder == "parts/taker" for c in commands)
    return [c.files["input.txt"] for c in commands]


def refused(run: Run) -> str:
    """Why the preflight let nothing run; everything behind it was skipped."""
    assert run.conclusion == "failure"
    assert run.results == {
        "preflight": "failure",
        "preflight / preflight": "failure",
        **{key: "skipped" for key in run.jobs if not key.startswith("preflight")},
    }
    assert run.order == ["preflight / preflight"] and "deploy" in run.jobs
    return run.job("preflight / preflight").errors[0]


DEPLOYED = {"preflight": "success", "preflight / preflight": "success", "deploy": "success"}


# Whose package


@pytest.mark.parametrize("file", ["maker-dev.yml", "orchestrator-dev.yml"])
def test_takes_the_package_of_its_commit(github: OfflineGitHub, file: str) -> None:
    holder = deliver(github, f"by {file}", file=file)
    calls = len(github.api_calls)
    run = take(github)
    assert run.results == DEPLOYED
    assert taken(github, run) == [digest(f"by {file}")]
    assert run.display_title == f"Deploy {head(github)} to dev, taker alone"
    # Both workflows were asked for their runs, and one run for its artifacts.
    paths = [call.path.split("?")[0] for call in github.api_calls[calls:]]
    base = "/repos/acme/demo/actions"
    assert {p for p in paths if "/workflows/" in p} == {
        f"{base}/workflows/orchestrator-dev.yml/runs",
        f"{base}/workflows/maker-dev.yml/runs",
    }
    assert {p for p in paths if "/runs/" in p} == {f"{base}/runs/{holder.id}/artifacts"}


@pytest.mark.parametrize(
    "unfit",
    [
        {},
        {"fork": True},
        {"file": "orchestrator-test.yml"},
        {"file": "solo-dev.yml"},
        {"of": OTHER},
        {"artifact": "maker-package-test"},
        {"artifact": "taker-package-dev"},
    ],
    ids=[
        "expired",
        "of a fork",
        "orchestrator of another environment",
        "another component",
        "another commit",
        "package of another environment",
        "package of another component",
    ],
)
def test_says_clearly_when_no_package_fits(github: OfflineGitHub, unfit: dict[str, Any]) -> None:
    holder = deliver(github, "unfit", **unfit)
    if not unfit:
        github.expire(holder, ARTIFACT)
    assert refused(take(github)) == (
        f"{ARTIFACT} of maker was never built for commit {head(github)}, or has expired: {RUN_IT}"
    )


def test_a_title_that_lies_about_the_commit_is_noticed(github: OfflineGitHub) -> None:
    holder = github.add_run(
        "maker-dev.yml",
        head_sha=head(github),
        display_title=f"Deploy {head(github)} to dev",
        artifacts={ARTIFACT: package(OTHER, "of another commit")},
    )
    run = take(github)
    assert run.results == {**DEPLOYED, "deploy": "failure"}
    message = f"{ARTIFACT} of run {holder.id} was not built from commit {head(github)}"
    assert run.job("deploy").errors[0] == message
    assert taken(github, run) == []


def test_a_run_of_a_branch_that_nobody_merged_is_ignored(github: OfflineGitHub) -> None:
    """Whoever may push a branch may change the workflow there: its titles, and what it packs."""
    github.add_run(
        "maker-dev.yml",
        head_sha=on_branch(github, "forged"),
        head_branch="forged",
        event="workflow_dispatch",
        display_title=f"Deploy {head(github)} to dev, maker alone",
        artifacts={ARTIFACT: package(head(github), "forged")},
    )
    assert refused(take(github)).startswith(f"{ARTIFACT} of maker was never built")


@pytest.mark.parametrize(
    ("files", "expired", "expected"),
    [
        (["orchestrator-dev.yml", "maker-dev.yml", "maker-dev.yml"], [], 2),
        (["maker-dev.yml", "orchestrator-dev.yml"], [], 1),
        (["maker-dev.yml", "orchestrator-dev.yml", "maker-dev.yml"], [1, 2], 0),
    ],
    ids=["of its producer", "of the orchestrator", "those after it expired"],
)
def test_takes_the_newest_of_several(
    github: OfflineGitHub, files: list[str], expired: list[int], expected: int
) -> None:
    holders = [deliver(github, f"number {i}", file=file) for i, file in enumerate(files)]
    for number in expired:
        github.expire(holders[number], ARTIFACT)
    deliver(github, "a fork's", fork=True)
    deliver(github, "another commit's", of=OTHER)
    run = take(github)
    assert run.results == DEPLOYED
    assert taken(github, run) == [digest(f"number {expected}")]


def test_latest_takes_the_newest_of_any_commit(github: OfflineGitHub) -> None:
    older = head(github)
    new_commit(github)
    deliver(github, "of the commit")
    deliver(github, "the newest", of=older, file="orchestrator-dev.yml")
    deliver(github, "a fork's", fork=True)
    github.expire(deliver(github, "expired"), ARTIFACT)
    run = take(github, packages="latest")
    assert run.results == DEPLOYED
    assert taken(github, run) == [digest("the newest")]


def test_latest_says_clearly_when_there_is_none(github: OfflineGitHub) -> None:
    deliver(github, "of dev")
    run = github.dispatch("taker-test.yml", "main", {"packages": "latest"})
    assert refused(run) == (
        "maker-package-test of maker was never built for any commit, or has expired: "
        "run orchestrator-test.yml or maker-test.yml for it first"
    )


@pytest.mark.parametrize("value", ["Latest", "latest; $(id)"])
def test_a_bad_value_of_packages_is_refused(github: OfflineGitHub, value: str) -> None:
    known = 'this-run, same-commit, latest, {"PRODUCER": RUN}'
    message = f"packages: '{value}' is none of {known}"
    assert refused(take(github, packages=value)) == message


def test_a_package_built_alone_is_taken_alone(github: OfflineGitHub) -> None:
    """Both workflows for real, without anything made up."""
    made = github.dispatch("maker-dev.yml", "main")
    assert made.conclusion == "success"
    run = take(github)
    assert run.results == DEPLOYED
    assert taken(github, run) == [digest(f"maker of {head(github)}\n")]


def test_a_rerun_of_what_failed_reuses_the_package_of_the_first_attempt(
    github: OfflineGitHub,
) -> None:
    github.fail_tool("ship", "maker")
    first = github.dispatch("maker-dev.yml", "main")
    jobs = {**DEPLOYED, "build": "success"}
    assert first.results == {**jobs, "deploy": "failure"}
    built = {a.id: a.digest for a in first.artifact_store.values()}
    github.tools.heal()
    again = github.rerun(first, failed_only=True)
    assert again.results == jobs
    assert (again.id, again.attempt, again.order) == (first.id, 2, ["deploy"])
    assert {a.id: a.digest for a in again.artifact_store.values()} == built
    ships = [c for c in github.commands("ship") if c.run == first.id]
    text = digest(f"maker of {head(github)}\n")
    assert [(c.code, c.files["package.txt"]) for c in ships] == [(1, text), (0, text)]


def test_a_rerun_of_what_failed_keeps_to_the_run_it_found(github: OfflineGitHub) -> None:
    deliver(github, "found first")
    github.fail_tool("ship", "taker")
    first = take(github)
    assert first.results == {**DEPLOYED, "deploy": "failure"}
    deliver(github, "built meanwhile")
    github.tools.heal()
    again = github.rerun(first, failed_only=True)
    assert again.results == DEPLOYED and again.order == ["deploy"]
    assert taken(github, again) == [digest("found first")] * 2


# Which commit


def test_a_commit_that_does_not_exist_is_refused(github: OfflineGitHub) -> None:
    run = github.dispatch("solo-dev.yml", "main", {"commit": OTHER})
    assert refused(run) == f"{OTHER} is not on the branch main: it is not deployed to dev"


def test_a_commit_of_another_branch_is_refused(github: OfflineGitHub) -> None:
    sha = on_branch(github, "other")
    message = f"{sha} is not on the branch main: it is not deployed to dev"
    assert refused(github.dispatch("solo-dev.yml", "main", {"commit": sha})) == message
    # Nor does it help to start the workflow from that branch, or to give it main's name as a tag.
    git("tag", "main", sha, cwd=github.remote.work_tree)
    github.remote.push("refs/tags/main")
    try:
        assert refused(github.dispatch("solo-dev.yml", "other")) == message
    finally:
        git("tag", "--delete", "main", cwd=github.remote.work_tree)
        git("update-ref", "-d", "refs/tags/main", cwd=github.remote.path)


@pytest.mark.parametrize(
    "text",
    ["main", "SHORT", "UPPER", "$(touch hacked); `id` #", "' || true", "SHA "],
)
def test_what_is_not_a_full_sha_is_refused(github: OfflineGitHub, text: str) -> None:
    sha = head(github)
    given = {"SHORT": sha[:12], "UPPER": f"{sha[:-1]}A", "SHA ": f"{sha} "}.get(text, text)
    calls = len(github.api_calls)
    run = github.dispatch("solo-dev.yml", "main", {"commit": given})
    assert refused(run) == f"'{given}' is not a full commit SHA, 40 hexadecimal digits"
    assert github.api_calls[calls:] == []


def test_the_orchestrator_refuses_a_commit_before_anything_runs(github: OfflineGitHub) -> None:
    sha = on_branch(github, "unmerged")
    run = github.dispatch("orchestrator-dev.yml", "unmerged")
    assert run.head_sha == sha
    expected = {"taker-dev": "skipped", "deployment-summary": "failure"}
    for name, jobs in (("maker", ["build", "deploy"]), ("solo", ["deploy"])):
        for job in ("", " / preflight", " / preflight / preflight"):
            expected[f"{name}-dev{job}"] = "failure"
        expected |= {f"{name}-dev / {job}": "skipped" for job in jobs}
    assert run.results == expected and run.artifacts == {}
    assert [c for c in github.commands() if c.run == run.id] == []


def test_an_older_commit_is_deployed_by_the_workflows_of_today(github: OfflineGitHub) -> None:
    work_tree = github.remote.work_tree
    workflows = {f.name: f.read_text() for f in (work_tree / ".github/workflows").iterdir()}
    # The older commit had other pipelines, which would do nothing, and other sources.
    old_files = {f".github/workflows/{name}": OLD_PIPELINE for name in workflows}
    old = commit(work_tree, {**old_files, "parts/taker/README.md": "older\n"})
    today = {f".github/workflows/{name}": text for name, text in workflows.items()}
    new = new_commit(github, **today, **{"parts/taker/README.md": "newer\n"})

    looked_at = ("maker-dev", "taker-dev")
    jobs = [k for k in github.job_keys("orchestrator-dev.yml") if not k.startswith(looked_at)]
    github.forced_results = dict.fromkeys(jobs, "success")
    run = github.dispatch("orchestrator-dev.yml", "main", {"commit": old})
    assert (run.head_sha, run.display_title) == (new, f"Deploy {old} to dev")
    own_jobs = {"maker": ["build", "deploy"], "taker": ["deploy"], "solo": ["deploy"]}
    expected = {"deployment-summary": "success"}
    for name, own in own_jobs.items():
        parts = ["", " / preflight", " / preflight / preflight", *(f" / {job}" for job in own)]
        expected |= {f"{name}-dev{part}": "success" for part in parts}
    assert run.results == expected
    assert run.artifacts[ARTIFACT]["package.txt"] == f"maker of {old}\n".encode()
    assert taken_sources(github, run) == ("older\n", f"maker of {old}\n")

    # So does a component alone, which takes the package of that commit from the run before.
    deliver(github, "of today")
    alone = take(github, commit=old)
    assert (alone.head_sha, alone.results) == (new, DEPLOYED)
    assert taken_sources(github, alone) == ("older\n", f"maker of {old}\n")


def test_a_command_can_tell_which_commit_it_deploys(github: OfflineGitHub) -> None:
    """GITHUB_SHA is that of the workflow: an image with it as its tag would be mistaken for it."""
    github.tools.watch([], [".*"])
    older = head(github)
    new = new_commit(github)
    run = solo(github, "dev", "main", older)
    assert run.results == DEPLOYED
    [command] = [c for c in github.commands("ship") if c.run == run.id]
    assert command.environment["GITHUB_SHA"] == new
    assert older in command.environment.values()


def taken_sources(github: OfflineGitHub, run: Run) -> tuple[str, str]:
    """What of `taker` was deployed: its own file and the package, of the texts they could be."""
    [command] = [c for c in github.commands("ship") if (c.run, c.arguments) == (run.id, ["taker"])]
    commits = git("rev-list", "--all", cwd=github.remote.path).decode().split()
    texts = ["older\n", "newer\n", "of today", *(f"maker of {sha}\n" for sha in commits)]
    known = {digest(text): text for text in texts}
    return known[command.files["README.md"]], known[command.files["input.txt"]]


def on_branch(github: OfflineGitHub, name: str) -> str:
    """A commit that only this branch has; main goes on beside it."""
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--force-create", name, "main", cwd=work_tree)
    sha = other_commit(github)
    git("push", "--quiet", "--force", github.remote.path, name, cwd=work_tree)
    git("switch", "--quiet", "main", cwd=work_tree)
    new_commit(github)
    return sha


def solo(github: OfflineGitHub, environment: str, ref: str, sha: str = "") -> Run:
    return github.dispatch(f"solo-{environment}.yml", ref, {"commit": sha} if sha else {})


def test_a_pattern_of_branches_lets_in_commits_of_any_that_fits(github: OfflineGitHub) -> None:
    sha = on_branch(github, "feature/deep/below")
    on_branch(github, "feature/beside")
    run = solo(github, "preview", "main", sha)
    assert run.results == DEPLOYED
    assert run.job("deploy").environment == "preview"


@pytest.mark.parametrize("branch", ["main", "my/feature/one"])
def test_a_pattern_of_branches_refuses_commits_of_others(
    github: OfflineGitHub, branch: str
) -> None:
    on_branch(github, "feature/behind")
    sha = head(github) if branch == "main" else on_branch(github, branch)
    assert refused(solo(github, "preview", branch, sha)) == (
        f"{sha} is not on a branch like ^feature/.*$: it is not deployed to preview"
    )


@pytest.mark.parametrize("kind", ["light", "annotated", "annotated, chosen"])
def test_a_tag_lets_in_its_commit(github: OfflineGitHub, kind: str) -> None:
    sha, name = head(github), f"v1.{len(github.runs)}"
    message = [] if kind == "light" else ["--annotate", "--message", name]
    git("tag", *message, name, cwd=github.remote.work_tree)
    github.remote.push(f"refs/tags/{name}")
    new_commit(github)
    chosen = kind == "annotated, chosen"
    run = solo(github, "release", name if chosen else "main", "" if chosen else sha)
    assert run.results == DEPLOYED
    assert run.display_title == f"Deploy {sha} to release, solo alone"


@pytest.mark.parametrize("tag", ["", "v.1", "av1.0"], ids=["none", "v.1", "av1.0"])
def test_a_commit_without_a_fitting_tag_is_refused(github: OfflineGitHub, tag: str) -> None:
    sha = head(github)
    if tag:
        git("tag", "--force", tag, cwd=github.remote.work_tree)
        github.remote.push(f"refs/tags/{tag}")
    assert refused(solo(github, "release", "main", sha)) == (
        f"{sha} is not on a tag like ^v[0-9]+\\.[^/]*$: it is not deployed to release"
    )


def test_by_hand_a_feature_branch_may_be_deployed(github: OfflineGitHub) -> None:
    before = head(github)
    sha = on_branch(github, "feature/by-hand")
    run = solo(github, "sandbox", "feature/by-hand")
    assert run.results == DEPLOYED
    assert (run.head_sha, run.job("deploy").environment) == (sha, "sandbox")
    # And what that branch grew from.
    assert solo(github, "sandbox", "feature/by-hand", before).results == DEPLOYED


def test_by_hand_a_commit_that_no_branch_has_is_refused(github: OfflineGitHub) -> None:
    sha = on_branch(github, "gone")
    git("update-ref", "-d", "refs/heads/gone", cwd=github.remote.path)
    message = refused(solo(github, "sandbox", "main", sha))
    assert message.startswith(f"{sha} is not on ")
    assert message.endswith(": it is not deployed to sandbox")
