"""Only what changed is built and deployed, with real steps: what each push comes to.

What a plan decides is in tests/only_changed; here, what the pipelines make of it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from copies import copy
from generated_repositories import (
    DIAMOND,
    Made,
    commit,
    diamond,
    folders,
    generic,
    left_by,
    manifest_of,
    reopened,
    skipped,
    table,
    with_commands,
)
from offline_github import OfflineGitHub, Run
from offline_github.repository import git

TEST, PRD = "orchestrator-test.yml", "orchestrator-prd.yml"
ENVIRONMENTS = [
    {"name": "test", "branch": "main"},
    {"name": "prd", "after": "test", "production": True},
]
ANSWERS = {
    **diamond(environments=ENVIRONMENTS, only_changed=True),
    # What a plan names is built and deployed: the checks are steps of the same jobs.
    "components": generic(DIAMOND, lint="", test="", security=""),
}
NOTHING = ["changes", "deployment-summary"]
CHECK = "pull-request-checks"


def opened(work_tree: Path, folder: Path, branches: tuple[str, ...]) -> OfflineGitHub:
    github = with_commands(reopened(work_tree, folder, branches))
    github.tools.then("build", 'printf "%s of %s\\n" "$1" "$GITHUB_SHA" > package.txt')
    github.environments["prd-approval"] = {"reviewers": True}
    github.tools.watch(["base.txt", "package.txt"], [])
    return github


@pytest.fixture(scope="module")
def deployed(made: Made, tmp_path_factory: pytest.TempPathFactory) -> OfflineGitHub:
    """A diamond of components that is deployed everywhere, by its first push."""
    work_tree = made("diamond", ANSWERS, folders(DIAMOND))
    github = opened(work_tree, tmp_path_factory.mktemp("deployed"), ())
    assert [run.conclusion for run in pushed(github)] == ["success", "success"]
    return github


def after(before: OfflineGitHub, folder: Path, *branches: str) -> OfflineGitHub:
    """The same repository, where other things happen from then on."""
    github = opened(before.remote.work_tree, folder, branches)
    github.go_on_from(before)
    return github


@pytest.fixture
def github(deployed: OfflineGitHub, tmp_path: Path) -> OfflineGitHub:
    """The same repository after that, for this test alone."""
    return after(deployed, tmp_path, "main")


def pushed(github: OfflineGitHub, files: dict[str, str] | None = None) -> tuple[Run, Run]:
    """The runs of test and production after a push of a change."""
    commit(github.remote.work_tree, files or {})
    [test] = github.push("main")
    return test, github.runs_of(PRD)[-1]


def shipped(github: OfflineGitHub, run: Run) -> set[str]:
    return {c.arguments[0] for c in github.commands("ship") if c.run == run.id}


def built(github: OfflineGitHub, run: Run) -> set[str]:
    return {c.arguments[0] for c in github.commands("build") if c.run == run.id}


def texts(run: Run) -> dict[str, str]:
    return {name: files["package.txt"].decode() for name, files in run.packages.items()}


def test_nothing_that_a_component_is_made_of(github: OfflineGitHub) -> None:
    """Two jobs in each environment. Nobody is asked, and the summary names what is unchanged."""
    first, _ = github.runs[:2]
    before = len(github.commands())
    for run in pushed(github, {"README.md": "changed\n"}):
        assert run.conclusion == "success" and run.ran == NOTHING and run.approvals == []
        assert set(run.results) - skipped(run) == set(NOTHING)
        assert run.packages == {}
        summary = run.job("deployment-summary").summary
        assert "Changed files that belong to no component: README.md." in summary
        assert {(name, result) for name, result, _ in table(run)} == {
            ("changes", "success"),
            *((name, "unchanged") for name in DIAMOND),
        }
    assert len(github.commands()) == before
    test = github.runs_of(TEST)[-1]
    assert {why for name, _, why in table(test) if name in DIAMOND} == {
        f"unchanged since run {first.id}"
    }


def test_a_change_moves_what_takes_its_package_and_nothing_else(github: OfflineGitHub) -> None:
    first = github.runs[0]
    test, prd = pushed(github, {"parts/right/README.md": "changed\n"})
    assert built(github, test) == {"right", "top"} and built(github, prd) == set()
    for run in (test, prd):
        assert run.conclusion == "success", {k: j.errors for k, j in run.jobs.items() if j.errors}
        assert shipped(github, run) == {"right", "top"}
        whys = {name: (result, why) for name, result, why in table(run)}
        assert whys["right"][0] == whys["top"][0] == "success"
        assert whys["left"][0] == whys["base"][0] == whys["alone"][0] == "unchanged"
    assert prd.approvals == [("approval", "prd-approval")]
    assert dict((n, w) for n, _, w in table(test))["right"] == f"changed since run {first.id}"

    # `right` takes the package of `base` that a former run has built, and production its bytes.
    base = hashlib.sha256(texts(first)["base-package-test"].encode()).hexdigest()
    rights = [c.files["base.txt"] for c in github.commands("ship") if c.arguments[0] == "right"]
    assert rights == [base] * 4
    assert "base-package-test" not in test.packages
    assert texts(test)["right-package-test"] == texts(prd)["right-package-prd"]
    assert texts(test)["right-package-test"] != texts(first)["right-package-test"]

    # A component that only waits for another one is not deployed again with it.
    test, prd = pushed(github, {"parts/base/README.md": "changed\n"})
    assert shipped(github, test) == shipped(github, prd) == {"base", "right", "top"}


def test_what_failed_is_deployed_again_though_its_change_was_taken_back(
    github: OfflineGitHub,
) -> None:
    first = github.runs[0]
    github.fail_tool("ship", "left")
    failing, _ = pushed(github, {"parts/left/README.md": "broken\n"})
    assert failing.conclusion == "failure" and shipped(github, failing) == {"left"}
    github.tools.heal()
    git("revert", "--no-edit", "HEAD", cwd=github.remote.work_tree)
    test, prd = pushed(github)
    assert test.conclusion == "success", {k: j.errors for k, j in test.jobs.items() if j.errors}
    # What it goes back to is kept, so nothing is built; `top` was not reached, and is as it was.
    assert built(github, test) == set() and shipped(github, test) == {"left"}
    whys = {name: why for name, _, why in table(test)}
    assert whys["left"] == f"run {failing.id} did not succeed"
    assert prd.conclusion == "success" and shipped(github, prd) == set()
    digest = hashlib.sha256(texts(first)["left-package-test"].encode()).hexdigest()
    assert github.commands("ship")[-1].files == {"package.txt": digest}


def test_production_takes_bytes_of_an_older_run(github: OfflineGitHub) -> None:
    """Production deploys in its next run what it missed, although test has not changed it."""
    github.fail_tool("ship", "alone", "^alone-prd")
    older, failing = pushed(github, {"parts/alone/README.md": "changed\n"})
    assert older.conclusion == "success" and failing.conclusion == "failure"
    github.tools.heal()
    test, prd = pushed(github, {"README.md": "changed\n"})
    assert test.ran == NOTHING and prd.conclusion == "success"
    assert shipped(github, prd) == {"alone"} and test.packages == {}
    assert texts(prd) == {"alone-package-prd": texts(older)["alone-package-test"]}


def test_all_by_hand(github: OfflineGitHub) -> None:
    run = github.dispatch(TEST, "main", {"all": "true"})
    assert run.conclusion == "success" and skipped(run) == set()
    assert built(github, run) == shipped(github, run) == set(DIAMOND)
    assert {why for name, _, why in table(run) if name in DIAMOND} == {"everything was requested"}


def test_a_removed_component_is_named(github: OfflineGitHub, template: Path) -> None:
    work_tree = github.remote.work_tree
    parts = {name: part for name, part in ANSWERS["components"].items() if name != "alone"}
    git("rm", "--quiet", "-r", ".github", "parts/alone", cwd=work_tree)
    copy(template, work_tree, {**ANSWERS, "components": parts})
    for run in pushed(github):
        says = "Removed from the pipelines, but not undeployed: alone."
        assert says in run.job("deployment-summary").summary
        assert "alone" not in shipped(github, run) and "alone" not in manifest_of(run)["components"]


# Who may say what was deployed


CHANGE = {"parts/alone/README.md": "changed\n"}


@pytest.fixture(scope="module")
def taken_back(deployed: OfflineGitHub, tmp_path_factory: pytest.TempPathFactory) -> OfflineGitHub:
    """A change was deployed, and taken back. The branch `evil` has it, too."""
    github = after(deployed, tmp_path_factory.mktemp("taken-back"), "main")
    git("switch", "--quiet", "--create", "evil", cwd=github.remote.work_tree)
    commit(github.remote.work_tree, CHANGE)
    git("switch", "--quiet", "main", cwd=github.remote.work_tree)
    pushed(github, CHANGE)
    git("revert", "--no-edit", "HEAD", cwd=github.remote.work_tree)
    test, _ = pushed(github)
    assert shipped(github, test) == {"alone"}
    return github


@pytest.mark.parametrize("whose", ["another job", "another workflow", "a feature branch", "a fork"])
def test_a_forged_manifest_leaves_nothing_out(
    taken_back: OfflineGitHub, tmp_path: Path, whose: str
) -> None:
    """A manifest that claims that a change was deployed, with the right key."""
    github = after(taken_back, tmp_path, "main", "evil")
    _, honest, test = github.runs_of(TEST)
    claims = manifest_of(honest)
    evil = git("rev-parse", "evil", cwd=github.remote.work_tree).decode().strip()
    forger = github.add_run(
        "other.yml" if whose == "another workflow" else TEST,
        head_sha=evil if whose == "a feature branch" else test.head_sha,
        head_branch="evil" if whose == "a feature branch" else "main",
        fork=whose == "a fork",
        display_title=f"Deploy {test.head_sha} to test",
    )
    claims |= {"planned": forger.created_at, "at": forger.created_at, "run": forger.id}
    job = "alone-build / Check and build" if whose == "another job" else "Deployment summary"
    left_by(github, forger, claims, job)
    again, _ = pushed(github, CHANGE)
    assert shipped(github, again) == {"alone"}, table(again)


# Pull requests


def proposed(github: OfflineGitHub, files: dict[str, str]) -> Run:
    git("switch", "--quiet", "--force-create", "change", "main", cwd=github.remote.work_tree)
    commit(github.remote.work_tree, files)
    [run] = github.pull_request("change", "main")
    return run


LEFT = ("parts/left/README.md", {"left", "top", "right", "base"})


@pytest.mark.parametrize(
    ("file", "builds", "queue"),
    [
        (*LEFT, False),
        ("parts/alone/README.md", {"alone"}, False),
        ("README.md", set(), False),
        (*LEFT, True),
    ],
    ids=["left", "alone", "nothing", "left in a merge queue"],
)
def test_a_pull_request_checks_what_it_affects(
    github: OfflineGitHub, file: str, builds: set[str], queue: bool
) -> None:
    """Also the components whose packages it takes. The required check is green if nothing runs."""
    if queue:
        git("switch", "--quiet", "--create", "change", "main", cwd=github.remote.work_tree)
        commit(github.remote.work_tree, {file: "changed\n"})
        [run] = github.merge_group("change")
    else:
        run = proposed(github, {file: "changed\n"})
    assert run.conclusion == run.results[CHECK] == "success"
    assert built(github, run) == builds
    assert skipped(run) == {f"{name}-build" for name in DIAMOND} - {f"{n}-build" for n in builds}


def test_a_plan_that_fails_is_no_green_check(github: OfflineGitHub) -> None:
    github.answer("GET", r"/git/trees/", 403, {"message": "Oops"}, times=99)
    run = proposed(github, {"README.md": "changed\n"})
    assert run.results["changes"] == run.results[CHECK] == run.conclusion == "failure"
    assert "changes (failure)" in run.job(CHECK).errors[0]
    assert built(github, run) == set()
