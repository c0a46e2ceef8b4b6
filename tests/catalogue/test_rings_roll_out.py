"""A ring opens only after all earlier rings have proved the version."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fleet_github import Pull, Repository, answers, files
from rings_world import NEW, OLD, Rings, connected, ring
from toolbox import ROOT

Step = Callable[[Rings, Repository], object]


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Rings:
    made = connected(monkeypatch, tmp_path / "rings.yml")
    made.write(ring("canary", "first"), ring("rest"))
    return made


def update(rings: Rings, first: Repository) -> None:
    rings.update(first)


def commit(rings: Rings, first: Repository) -> None:
    rings.world.commit(first, {"README.md": str(rings.world.now)})


def deploy(*environments: str, state: str = "ACTIVE", run: str | None = "SUCCESS") -> Step:
    def step(rings: Rings, first: Repository) -> None:
        for environment in environments or ("dev", "prd"):
            rings.world.deploy(first, environment, state, run)

    return step


def run(conclusion: str | None, file: str = "orchestrator-dev.yml", event: str = "push") -> Step:
    return lambda rings, first: rings.world.run(first, file, conclusion, event)


def run_again(rings: Rings, first: Repository) -> None:
    """Re-run the newest run of dev, which succeeds."""
    first.head.runs[-1].conclusion = "SUCCESS"
    first.deployments[-1].state = "ACTIVE"


def old_commit(step: Step) -> Step:
    """Do the step at the commit before the newest one."""

    def at(rings: Rings, first: Repository) -> None:
        newest = first.commits.pop()
        step(rings, first)
        first.commits.append(newest)

    return at


def only_text(text: str) -> Step:
    return lambda rings, first: rings.world.commit(first, {".copier-answers.yml": text})


FAILED = deploy("dev", state="FAILURE", run="FAILURE")
PROVED, WAITS, FAILS = "proved", "waits", "fails"
DEPLOYING: dict[str, tuple[list[Step], str]] = {
    "nothing": ([], WAITS),
    "not-deployed": ([update], WAITS),
    "deployed": ([update, deploy()], PROVED),
    "one-of-two": ([update, deploy("dev")], WAITS),
    "deployed-before": ([deploy(), update], WAITS),
    "old-commit-later": ([deploy(), update, old_commit(deploy())], WAITS),
    "ahead": ([only_text(answers(f"{NEW}-3-gabc1234")), deploy()], PROVED),
    "failed": ([update, deploy(), FAILED], FAILS),
    "failed-before-deploying": ([update, deploy(), run("FAILURE")], FAILS),
    "failed-between": ([update, deploy(), commit, run("FAILURE"), commit], FAILS),
    "never-started": ([update, deploy(), run("STARTUP_FAILURE")], FAILS),
    "timed-out": ([update, deploy(), run("TIMED_OUT")], FAILS),
    "failed-with-the-old": ([FAILED, update, deploy()], PROVED),
    "old-commit-fails-later": ([update, deploy(), old_commit(FAILED)], WAITS),
    "run-again": ([update, deploy("prd"), FAILED, run_again], PROVED),
    "mended": ([update, deploy("prd"), FAILED, commit, deploy("dev")], PROVED),
    "mended-but-runs": ([update, deploy("prd"), FAILED, commit, run(None)], FAILS),
    "cancelled": ([update, deploy(), commit, run("CANCELLED")], PROVED),
    "skipped": ([update, deploy(), commit, run("SKIPPED")], PROVED),
    "failed-then-cancelled": ([update, deploy(), run("FAILURE"), run("CANCELLED")], FAILS),
    "only-cancelled": ([update, deploy("prd"), run("CANCELLED")], WAITS),
    "runs-again": ([update, deploy(), commit, run(None)], PROVED),
    "runs": ([update, deploy("prd"), deploy("dev", state="IN_PROGRESS", run=None)], WAITS),
    "green-without-a-deployment": ([update, deploy("prd"), run("SUCCESS")], WAITS),
    "green-and-deployed-before": (
        [deploy(), update, run("SUCCESS"), run("SUCCESS", "orchestrator-prd.yml")],
        WAITS,
    ),
    "by-another-workflow": (
        [
            update,
            deploy("prd"),
            lambda rings, first: rings.world.deploy(first, "dev", run=None),
            run("FAILURE", "nightly.yml"),
        ],
        WAITS,
    ),
    "broken": ([update, deploy(), only_text("a: [")], WAITS),
    "unknown": ([update, deploy(), only_text(answers("abcdef1"))], WAITS),
    "gone-back": ([update, deploy(), lambda rings, first: rings.update(first, OLD)], WAITS),
    "hidden": ([update, deploy(), lambda rings, first: setattr(first, "unreadable", True)], WAITS),
}
BUILDING: dict[str, tuple[list[Step], str]] = {
    "no-run": ([update], WAITS),
    "green": ([update, run("SUCCESS", "build.yml")], PROVED),
    "red": ([update, run("SUCCESS", "build.yml"), run("FAILURE", "publish.yml")], FAILS),
    "red-then-green": ([update, run("FAILURE", "build.yml"), run("SUCCESS", "build.yml")], PROVED),
    "runs": ([update, run("SUCCESS", "build.yml"), run(None, "publish.yml")], WAITS),
    "green-before": ([run("SUCCESS", "build.yml"), update], WAITS),
    "red-before": ([run("FAILURE", "build.yml"), update, run("SUCCESS", "build.yml")], PROVED),
    "a-pull-request": ([update, run("SUCCESS", "build.yml", "pull_request")], WAITS),
    "no-run-for-the-newest": ([update, run("SUCCESS", "build.yml"), commit], PROVED),
    "skipped-for-the-newest": (
        [update, run("SUCCESS", "build.yml"), commit, run("SKIPPED", "build.yml")],
        PROVED,
    ),
    "red-for-the-newest": (
        [update, run("SUCCESS", "build.yml"), commit, run("FAILURE", "build.yml")],
        FAILS,
    ),
}
CASES = [(name, ("dev", "prd"), *case) for name, case in DEPLOYING.items()]
CASES += [(f"building-{name}", (), *case) for name, case in BUILDING.items()]


@pytest.mark.parametrize(
    "environments, steps, outcome", [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_first_ring_decides_whether_the_second_may_update(
    environments: tuple[str, ...], steps: list[Step], outcome: str, rings: Rings
) -> None:
    first = rings.add("first", *environments)
    rings.add("second")
    for step in steps:
        step(rings, first)
    rows = rings.rows()
    assert rows["second"]["may_update"] is (outcome == PROVED)
    assert rings.code == (1 if outcome == FAILS else 0), rings.err
    if outcome == FAILS:
        assert rings.err.startswith("fleet.py: ring canary: acme/first: ")
        assert "failed: https://github.com/acme/first/actions/runs/" in rings.err
        assert rows["second"]["reason"] == "ring canary has failed: acme/first"
    elif "first" not in rows:
        assert (
            rows["second"]["reason"] == "ring canary has no repository that could prove a version"
        )
    elif outcome == WAITS:
        assert rows["second"]["reason"].startswith(
            "ring canary has not proved the version yet: acme/first "
        )


def test_the_first_ring_is_open_and_names_the_version(rings: Rings) -> None:
    rings.add("first")
    rings.add("second")
    rows = rings.rows()
    assert rows["first"]["may_update"] and rows["first"]["update_to"] == NEW
    assert (rows["first"]["ring"], rows["second"]["ring"]) == ("canary", "rest")
    assert rows["first"]["reason"] == f"may be updated to {NEW}"
    assert rings.err == "" and rings.code == 0


def test_the_engine_starts_the_printed_updates(rings: Rings) -> None:
    rings.add("first")
    rings.add("second")
    program = "import json, start, sys; print(json.dumps(start.due(json.load(sys.stdin))))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(list(rings.rows().values())),
        cwd=ROOT / "catalogue" / "pipelines-catalogue" / "engine",
        capture_output=True,
        text=True,
        check=True,
    )
    [inputs] = json.loads(done.stdout)
    assert (inputs["repository"], inputs["mode"], inputs["version"]) == ("first", "update", NEW)


def test_a_failed_ring_starts_no_further_update(rings: Rings) -> None:
    rings.write(ring("canary", "first*"), ring("rest"))
    first = rings.add("first", "dev")
    rings.add("first-2")
    rings.update(first)
    FAILED(rings, first)
    rows = rings.rows()
    assert rows["first-2"]["reason"] == "ring canary has failed" and rings.code == 1


def test_a_newer_release_replaces_a_failed_one(rings: Rings) -> None:
    first = rings.add("first", "dev")
    rings.add("second")
    rings.update(first)
    FAILED(rings, first)
    own = rings.world.repositories[0]
    own.tags["v0.3.0"] = rings.world.commit(own, {"copier.yml": "3"}).oid
    assert rings.may_update() == ["first"] and rings.code == 0


def test_archived_repositories_are_not_counted(rings: Rings) -> None:
    rings.write(ring("canary", "first*"), ring("rest"))
    rings.add("first-old", archived=True)
    first = rings.add("first", "dev")
    rings.add("second")
    assert rings.may_update() == ["first"]
    rings.update(first)
    rings.world.deploy(first, "dev")
    assert rings.may_update() == ["second"]


def test_a_ring_without_repositories_opens_nothing(rings: Rings) -> None:
    rings.write(ring("canary", "frist"), ring("rest"))
    rings.add("second")
    assert rings.may_update() == []
    assert rings.err.splitlines() == [
        "fleet.py: ring canary: frist matches no repository",
        "fleet.py: ring canary has no repository that could prove a version; no later ring opens",
    ]
    assert rings.code == 0


def test_an_update_with_an_open_pull_request_is_not_started(rings: Rings) -> None:
    first = rings.add("first")
    first.pulls.append(Pull(7, files(answers(NEW)), "FAILURE"))
    rows = rings.rows()
    assert rows["first"]["may_update"] is False
    assert rows["first"]["reason"] == "pull request 7 is open; its checks: failure"
    own = rings.world.repositories[0]
    own.tags["v0.3.0"] = rings.world.commit(own, {"copier.yml": "3"}).oid
    assert rings.may_update() == ["first"], "the pull request is for an older version"


def test_hours_of_soak(rings: Rings) -> None:
    rings.write(ring("canary", "first", soak=24), ring("rest"))
    first = rings.add("first", "dev", "prd")
    rings.add("second")
    rings.update(first)
    rings.world.tick(hours=100)
    rings.world.deploy(first, "dev")
    rings.world.tick(hours=23)
    rings.world.deploy(first, "prd")
    assert rings.may_update() == []
    until = rings.rows()["second"]["reason"]
    assert until.startswith("ring canary soaks until 2026-11-") and until.endswith(" UTC")
    rings.world.tick(hours=23, minutes=59)
    for environment in ("dev", "prd"):  # later deployments do not start the soak again
        rings.world.deploy(first, environment)
    assert rings.may_update() == []
    rings.world.tick(minutes=1)
    assert rings.may_update() == ["second"]


def test_frequent_deployments_do_not_extend_the_soak(rings: Rings) -> None:
    rings.write(ring("canary", "first", soak=24), ring("rest"))
    first = rings.add("first", "dev")
    rings.add("second")
    rings.update(first)
    for _ in range(45):
        rings.world.tick(hours=0.5)
        rings.world.deploy(first, "dev")
    assert rings.may_update() == []
    rings.world.tick(hours=1)
    rings.world.deploy(first, "dev")
    rings.world.tick(hours=1)
    assert rings.may_update() == ["second"]


def test_soak_of_a_repository_without_environments(rings: Rings) -> None:
    rings.write(ring("canary", "first", soak=1), ring("rest"))
    first = rings.add("first")
    rings.add("second")
    rings.update(first, merged=False)
    run("SUCCESS", "build.yml")(rings, first)
    assert rings.may_update() == []
    rings.world.tick(hours=1)
    assert rings.may_update() == ["second"]


def test_rings_may_name_an_older_version(rings: Rings) -> None:
    own = rings.world.repositories[0]
    own.tags["v0.3.0"] = rings.world.commit(own, {"copier.yml": "3"}).oid
    rings.write(ring("canary", "first"), ring("rest"), version=NEW)
    rings.add("first", version=NEW)
    run("SUCCESS", "build.yml")(rings, rings.world.repositories[-1])
    rings.add("second")
    rows = rings.rows()
    assert rows["first"]["state"] == "behind" and not rows["first"]["may_update"]
    assert rows["first"]["reason"] == f"has {NEW}; its default branch is green"
    assert rows["second"]["may_update"] and rows["second"]["update_to"] == NEW
    rings.write(ring("rest"), version="v9.0.0")
    rings.rows()
    assert rings.code == 2
    assert rings.err.endswith(
        "version: v9.0.0 is no release of https://github.com/acme/pipelines-template; the newest "
        f"are {OLD}, {NEW}, v0.3.0\n"
    )
    own.tags = {}
    rings.rows()
    assert rings.code == 2 and "has no tag that is a version, and Copier" in rings.err


def test_two_answers_files_of_one_repository(rings: Rings) -> None:
    """Both must have the version."""
    first = rings.add("first")
    rings.world.commit(first, {".copier-answers.ci.yml": answers(OLD)})
    rings.add("second")
    rings.update(first)
    run("SUCCESS", "build.yml")(rings, first)
    assert (
        rings.rows()["second"]["reason"]
        == "ring canary has not proved the version yet: acme/first has v0.1.0"
    )
    rings.world.commit(first, {".copier-answers.ci.yml": answers(NEW)})
    run("SUCCESS", "build.yml")(rings, first)
    assert rings.may_update() == ["second"]


def test_missing_answers_of_github_prove_nothing(rings: Rings) -> None:
    first = rings.add("first", "dev")
    rings.add("second")
    rings.update(first)
    rings.world.deploy(first, "dev")
    assert rings.may_update() == ["second"]
    for kind in ("query Details", "query Runs"):
        rings.world.refuses = lambda query, kind=kind: (502, {}, {}) if kind in query else None
        assert rings.may_update() == []
        assert rings.code == 0
