"""Environments that follow one another, and deployments that come while one is going on.

GitHub runs each link on the head of the default branch: which commit the chain is about travels
by the titles of its runs. The deploy command is handed the commit that lies in the workspace.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import Made, commit, failed, former_run, generic, reopened
from offline_github import OfflineGitHub, Run
from offline_github.repository import git

DEPLOY_ONLY = dict.fromkeys(["lint", "test", "security", "build"], "")
SHIP = 'ship site "$(git rev-parse HEAD)"'
COMPONENTS = generic(["site"], **DEPLOY_ONLY, produces=[], path=".", deploy=SHIP)
CHAINS: dict[str, dict[str, Any]] = {
    "trunk": {"branching": "trunk"},
    "custom": {
        "environments": [
            {"name": "dev", "branch": "main"},
            {"name": "test", "after": "dev"},
            {"name": "stage", "after": "test"},
            {"name": "prd", "after": "stage", "production": True},
            {"name": "release", "tag": "v*"},
            {"name": "mirror", "after": "release", "production": True},
            {"name": "sandbox", "manual": True},
            {"name": "sandbox-two", "after": "sandbox"},
            {"name": "sandbox-three", "after": "sandbox-two"},
            {"name": "preview", "branch": "feature/**"},
            {"name": "review", "after": "preview", "production": True},
        ]
    },
}
Open = Callable[[str], OfflineGitHub]


@pytest.fixture
def repository(made: Made, tmp_path: Path) -> Open:
    def open_repository(name: str) -> OfflineGitHub:
        answers = {"components": COMPONENTS, **CHAINS[name]}
        github = reopened(made(name, answers, {"version.txt": "1\n"}), tmp_path, ("main",))
        github.tool("ship")
        for name in ("prd", "mirror", "review"):
            github.environments[f"{name}-approval"] = {"reviewers": True}
        return github

    return open_repository


def changed(github: OfflineGitHub, text: str, branch: str = "main") -> str:
    """One more commit on a branch, which is created if it is missing. Nothing is pushed."""
    work_tree = github.remote.work_tree
    exists = git("branch", "--list", branch, cwd=work_tree)
    git("switch", "--quiet", *([] if exists else ["--create"]), branch, cwd=work_tree)
    return commit(work_tree, {"version.txt": text}, text)


def shipped(github: OfflineGitHub) -> list[tuple[str, str]]:
    """(environment, commit) of every deployment, in order."""
    commands = github.commands("ship", "^site-[a-z-]+ / deploy$")
    return [(c.job.split(" ")[0].removeprefix("site-"), c.arguments[1]) for c in commands]


def chain(github: OfflineGitHub, *environments: str) -> list[Run]:
    """The one run of each environment's orchestrator; nothing else has run."""
    files = [f"orchestrator-{name}.yml" for name in environments]
    runs = {run.workflow_file: run for run in github.runs if run.conclusion != "skipped"}
    assert sorted(runs) == sorted(files) and len(runs) == len(environments)
    return [runs[file] for file in files]


# From the first environment to the last


def test_trunk_takes_the_first_commit_all_the_way(repository: Open) -> None:
    """`main` gets commits during dev and during test, by pushes that start nothing."""
    github = repository("trunk")
    first = changed(github, "2\n")
    heads = [first]

    def move_on(run: Run, key: str) -> None:
        if key in ("site-dev / deploy", "site-test / deploy"):
            heads.append(changed(github, key))
            github.remote.push("refs/heads/main")

    github.before_job = move_on
    [dev] = github.push("main")
    runs = chain(github, "dev", "test", "prd")
    assert runs[0] is dev and {run.conclusion for run in runs} == {"success"}
    assert shipped(github) == [("dev", first), ("test", first), ("prd", first)]
    assert [run.head_sha for run in runs] == heads and len(set(heads)) == 3
    assert [run.event for run in runs] == ["push", "workflow_run", "workflow_run"]
    assert [run.display_title for run in runs] == [
        f"Deploy {first} to dev",
        f"Deploy {first} to dev, then test",
        f"Deploy {first} to dev, then test, then prd",
    ]


def test_trunk_goes_on_from_a_test_that_a_person_started(repository: Open) -> None:
    """A roll-back that begins in the middle of the chain."""
    github = repository("trunk")
    older = changed(github, "2\n")
    changed(github, "3\n")
    github.remote.push("refs/heads/main")
    former_run(github, "dev", older)
    github.dispatch("orchestrator-test.yml", "main", {"commit": older})
    _, _, prd = chain(github, "dev", "test", "prd")
    assert shipped(github) == [("test", older), ("prd", older)]
    assert prd.display_title == f"Deploy {older} to test, then prd"


@pytest.mark.parametrize("stops", ["dev", "test"])
def test_a_chain_ends_at_a_failure(repository: Open, stops: str) -> None:
    github = repository("trunk")
    github.fail_tool("ship", job=f"^site-{stops} / ")
    github.push("main")
    before = ["dev"] if stops == "dev" else ["dev", "test"]
    runs = chain(github, *before)
    assert [run.conclusion for run in runs] == [*["success"] * (len(before) - 1), "failure"]
    ended = github.runs[len(before) :]
    # The link that refuses is itself a run that did not succeed, so nothing follows it.
    names = {"dev": ["test", "prd"], "test": ["prd"]}[stops]
    assert [run.workflow_file for run in ended] == [f"orchestrator-{name}.yml" for name in names]
    assert {(run.conclusion, len(run.order)) for run in ended} == {("skipped", 0)}


def test_three_links(repository: Open) -> None:
    github = repository("custom")
    first = changed(github, "2\n")
    github.environments["prd"] = {"branches": ["main"]}
    github.push("main")
    runs = chain(github, "dev", "test", "stage", "prd")
    assert shipped(github) == [(name, first) for name in ("dev", "test", "stage", "prd")]
    assert runs[-1].display_title == f"Deploy {first} to dev, then test, then stage, then prd"
    assert runs[-1].approvals == [("approval", "prd-approval")]


def test_from_a_tag(repository: Open) -> None:
    github = repository("custom")
    tagged = changed(github, "2\n")
    git("tag", "v1", cwd=github.remote.work_tree)
    changed(github, "3\n")
    github.remote.push("refs/heads/main")
    [release] = github.tag("v1")
    _, mirror = chain(github, "release", "mirror")
    assert (release.head_branch, mirror.head_branch) == ("v1", "main")
    assert shipped(github) == [("release", tagged), ("mirror", tagged)]
    assert mirror.display_title == f"Deploy {tagged} to release, then mirror"


@pytest.mark.parametrize("default", ["feature/all", "main"])
def test_from_a_branch_that_fits_a_pattern(repository: Open, default: str) -> None:
    """The next links run on the default branch, so no environment's policy needs the pattern."""
    github = repository("custom")
    changed(github, "1\n", "feature/all")
    github.remote.push("refs/heads/feature/all")
    github.default_branch = default
    tried = changed(github, "2\n", "feature/a/b")
    [preview] = github.push("feature/a/b")
    _, review = chain(github, "preview", "review")
    assert (preview.head_branch, review.head_branch) == ("feature/a/b", default)
    assert review.display_title == f"Deploy {tried} to preview, then review"
    assert shipped(github) == [("preview", tried), ("review", tried)]


def test_by_hand_on_a_feature_branch(repository: Open) -> None:
    """Every link deploys the commit that the person chose, also after a link that ran on main."""
    github = repository("custom")
    tried = changed(github, "2\n", "feature/a")
    github.remote.push("refs/heads/feature/a")
    github.dispatch("orchestrator-sandbox.yml", "feature/a")
    *_, last = chain(github, "sandbox", "sandbox-two", "sandbox-three")
    assert last.display_title == f"Deploy {tried} to sandbox, then sandbox-two, then sandbox-three"
    assert failed(last) == set(), last.job("changes").errors
    names = ("sandbox", "sandbox-two", "sandbox-three")
    assert shipped(github) == [(name, tried) for name in names]


# What somebody who may push could try

FORGED = """\
name: {name}
run-name: Deploy {commit} to production
on: workflow_dispatch
jobs:
  nothing:
    runs-on: ubuntu-latest
    steps: [{{run: "true"}}]
"""


@pytest.mark.parametrize(
    ("chain_name", "before", "after", "victim", "ref", "skipped"),
    [
        pytest.param("trunk", "test", "prd", "main", "refs/heads/evil", True, id="branch"),
        pytest.param("trunk", "dev", "test", "main", "refs/heads/evil", True, id="first-link"),
        pytest.param("trunk", "test", "prd", "main", "refs/tags/main", False, id="tag-like-main"),
        pytest.param("custom", "release", "mirror", "v1", "refs/heads/evil", False, id="tag-root"),
        pytest.param(
            "custom", "preview", "review", "feature/a", "refs/heads/evil", False, id="pattern"
        ),
    ],
)
def test_a_forged_title_takes_no_commit_further(
    repository: Open,
    chain_name: str,
    before: str,
    after: str,
    victim: str,
    ref: str,
    skipped: bool,
) -> None:
    """Its workflow was changed on a branch that nobody reviews, and claims that it has tested."""
    github = repository(chain_name)
    untested = changed(github, "2\n", "main" if victim.startswith("v") else victim)
    if victim == "v1":
        git("tag", "v1", cwd=github.remote.work_tree)
        github.remote.push("refs/tags/v1")
    github.remote.push(f"refs/heads/{'main' if victim == 'v1' else victim}")
    changed(github, "evil", "evil")
    file = f"orchestrator-{before}.yml"
    text = FORGED.format(name=f"Orchestrator {before.title()}", commit=untested)
    forged = commit(github.remote.work_tree, {f".github/workflows/{file}": text})
    git("update-ref", ref, forged, cwd=github.remote.work_tree)
    github.remote.push(ref)
    github.forced_results["nothing"] = "success"
    if victim.startswith("feature/"):
        github.default_branch = victim
    run = github.dispatch(file, ref)
    assert (run.conclusion, run.head_sha) == ("success", forged)
    assert run.display_title == f"Deploy {untested} to production"
    assert shipped(github) == []
    [stopped] = github.runs_of(f"orchestrator-{after}.yml")
    assert stopped.results[f"site-{after}"] == "skipped"
    assert stopped.results["changes"] == ("skipped" if skipped else "failure")
    if not skipped:
        assert f"ran the workflows of {forged}, which is" in stopped.job("changes").errors[0]


def test_a_forged_title_cannot_smuggle_a_commit_past_the_branch(repository: Open) -> None:
    """Even if the title is trusted, the commit must be on the branch."""
    github = repository("trunk")
    evil = changed(github, "evil", "evil")
    github.remote.push("refs/heads/evil")
    title = f"Deploy {evil} to dev, then test"
    head = github.remote.resolve("main")
    assert head
    github.add_run(
        "orchestrator-test.yml",
        head_sha=head,
        event="workflow_dispatch",
        display_title=title,
        fire=True,
    )
    [prd] = github.runs_of("orchestrator-prd.yml")
    assert failed(prd) == {"changes", "deployment-summary"}
    assert prd.order == ["changes", "deployment-summary"]
    assert prd.job("changes").errors[0] == (
        f"No branch like ^refs/heads/main$ has ever pointed to {evil}, so it is not deployed: "
        "merge the commit first"
    )
    assert shipped(github) == []


# While a deployment runs


def test_a_push_waits_for_the_deployment_that_runs(repository: Open) -> None:
    github = repository("custom")
    pushed: list[Run] = []
    first = changed(github, "2\n", "feature/a")

    def push(run: Run, key: str) -> None:
        if key == "site-preview / deploy" and not pushed:
            changed(github, "3\n", "feature/b")
            pushed.extend(github.push("feature/b"))
            # From another branch to the same environment: it waits, and cancels nothing.
            assert [run.status for run in pushed] == ["pending"]
            assert not run.cancelled

    github.before_job = push
    [running] = github.push("feature/a")
    [waiting] = pushed
    assert running.conclusion == waiting.conclusion == "success"
    assert running.concurrency == waiting.concurrency == "orchestrator-preview"
    previews = [commit for name, commit in shipped(github) if name == "preview"]
    assert previews == [first, waiting.head_sha]


def test_of_two_that_wait_the_newer_one_stays(repository: Open) -> None:
    """GitHub's rule: a group keeps one pending run, and cancels the older for the newer."""
    github = repository("custom")
    commits = [changed(github, "1\n", "feature/a")]
    later: list[Run] = []

    def push(run: Run, key: str) -> None:
        if key == "site-preview / deploy" and not later:
            for number in (2, 3):
                commits.append(changed(github, f"{number}\n", "feature/a"))
                later.extend(github.push("feature/a"))

    github.before_job = push
    [first] = github.push("feature/a")
    second, third = later
    assert [run.conclusion for run in (first, second, third)] == ["success", "cancelled", "success"]
    assert second.jobs == {} and "higher priority waiting request" in second.message
    previews = [commit for name, commit in shipped(github) if name == "preview"]
    assert previews == [commits[0], commits[2]]


@pytest.mark.parametrize("environment", ["sandbox", "release"])
def test_what_a_person_or_a_tag_starts_is_never_dropped(repository: Open, environment: str) -> None:
    github = repository("custom")
    commits = [changed(github, f"{number}\n") for number in range(3)]
    for number, sha in enumerate(commits):
        git("tag", f"v{number}", sha, cwd=github.remote.work_tree)
    github.remote.push("refs/heads/main")
    runs: list[Run] = []

    def begin(number: int) -> None:
        if environment == "release":
            runs.extend(github.tag(f"v{number}"))
            return
        inputs = {"commit": commits[number]}
        runs.append(github.dispatch("orchestrator-sandbox.yml", "main", inputs))

    def others(run: Run, key: str) -> None:
        if run.workflow_file != f"orchestrator-{environment}.yml":
            github.cancel(run)  # the next links are tested above
        elif key == f"site-{environment} / deploy" and len(github.runs) == 1:
            begin(1)
            begin(2)
            assert [later.status for later in runs] == ["pending", "pending"]

    github.before_job = others
    begin(0)
    assert {run.concurrency for run in runs} == {f"orchestrator-{environment}"}
    assert [run.conclusion for run in runs] == ["success"] * 3
    assert shipped(github) == [(environment, sha) for sha in commits]


def test_what_a_person_starts_runs_beside_what_events_have_started(repository: Open) -> None:
    """It does not wait for pushes; only a deployment of the same component waits for it."""
    github = repository("custom")
    first = changed(github, "2\n")
    by_hand: list[Run] = []
    seen: list[str] = []

    def dispatch(run: Run, key: str) -> None:
        if run.workflow_file != "orchestrator-dev.yml":
            github.cancel(run)
        elif key == "site-dev / deploy" and not by_hand:
            by_hand.append(github.dispatch("orchestrator-dev.yml", "main", {"commit": first}))
        elif key == "changes" and run.event == "workflow_dispatch":
            seen.append(github.runs[0].status)

    github.before_job = dispatch
    [pushed] = github.push("main")
    [person] = by_hand
    assert seen == ["in_progress"]
    assert (pushed.conclusion, person.conclusion) == ("success", "success")
    assert pushed.concurrency == "orchestrator-dev"
    assert person.concurrency == f"orchestrator-dev-{person.id}"
    deployments = [run.job("site-dev / deploy") for run in (pushed, person)]
    assert {job.concurrency for job in deployments} == {"site-dev"}
    assert shipped(github) == [("dev", first)] * 2
