"""Re-runs: only what has to run again does, with the packages that are there.

That production asks again is tested in test_approval.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from generated_repositories import Made, deployments, folders, generic, reopened
from offline_github import OfflineGitHub, Run

NAMES = ["base", "middle", "side", "top"]
UNCHECKED = dict.fromkeys(["lint", "test", "security"], "")
ANSWERS: dict[str, Any] = {
    "components": generic(NAMES, **UNCHECKED),
    "dependency_map": {"middle": "base", "top": "middle", "side": []},
    "approval": "none",
}
BUILD = """\
#!/usr/bin/env bash
printf '%s, attempt %s\\n' "$1" "$GITHUB_RUN_ATTEMPT" > package.txt
"""


@pytest.fixture
def github(made: Made, tmp_path: Path) -> OfflineGitHub:
    work_tree = made("graph", ANSWERS, folders(NAMES))
    github = reopened(work_tree, tmp_path, ("main", "develop"))
    github.tool("ship")
    github.tools.then("build", BUILD)
    github.tools.watch(["package.txt"], [])
    return github


def rows(run: Run) -> dict[str, tuple[str, str]]:
    """Component -> (result, link), in the order of the summary's table."""
    lines = run.job("deployment-summary").summary.splitlines()
    cells = [
        line.removeprefix("| ").removesuffix(" |").split(" | ")
        for line in lines
        if line.startswith("| ")
    ][2:]
    return {name: (result.split()[1], link[7:-1]) for name, result, _, link in cells}


def test_runs_again_what_failed_and_what_it_kept_from_running(github: OfflineGitHub) -> None:
    """A deployment to test has failed, and another component's build; then production follows."""
    production = github.job_keys("orchestrator-prd.yml")
    github.forced_results = {key: "success" for key in production if key.endswith("prd / deploy")}
    github.fail_tool("ship", "^middle$")
    github.fail_tool("build", "side")
    [run] = github.push("main")
    skipped = {key for key, result in run.results.items() if result == "skipped"}
    assert skipped == {"top-test", "side-test"}
    assert list(rows(run)) == ["side", "middle", "top", "changes", "base"]
    kept = {a.name: a.id for a in run.artifact_store.values() if "-package-" in a.name}
    github.tools.heal()

    again = github.rerun(run, failed_only=True)
    assert again.conclusion == "success" and set(again.results.values()) == {"success"}
    first = {"middle-test / deploy", "side-build / build"}
    behind = {"top-test / deploy", "side-test / deploy", "deployment-summary"}
    assert set(again.order) == first | behind
    assert sorted(deployments(github, "ship")) == ["base", "middle", "middle", "side", "top"]

    # The second attempt deploys the packages of the first, each once.
    ids = {a.name: a.id for a in again.artifact_store.values()}
    assert ids.pop("manifest-test") and sorted(ids) == sorted(f"{n}-package-test" for n in NAMES)
    assert len(again.artifact_store) == len(NAMES) + 1 and kept.items() <= ids.items()
    attempts = {
        name: files["package.txt"].decode().strip() for name, files in again.packages.items()
    }
    assert attempts == {
        "base-package-test": "base, attempt 1",
        "middle-package-test": "middle, attempt 1",
        "side-package-test": "side, attempt 2",
        "top-package-test": "top, attempt 1",
    }
    before, after = github.commands("ship", "^middle-test / deploy$")
    assert before.files == after.files and set(before.files) == {"package.txt"}

    # The summary shows all components in order, also those that did not run again.
    table = rows(again)
    assert list(table) == ["changes", "base", "side", "middle", "top"]
    url = f"https://github.com/{github.name}/actions/runs/{run.id}/job"
    for name in NAMES:
        jobs = [j.id for key, j in again.jobs.items() if key.startswith(f"{name}-") and "/" in key]
        result, link = table[name]
        assert result == "success" and link in {f"{url}/{number}" for number in jobs}
    assert table["base"][1] == rows(run)["base"][1]
    picture = again.job("deployment-summary").summary
    assert all(f'["{name}"]:::success' in picture for name in NAMES)

    # In production this is a first attempt, with the packages that test has deployed.
    untouched, prd = github.runs_of("orchestrator-prd.yml")
    assert (untouched.conclusion, prd.conclusion, prd.attempt) == ("skipped", "success", 1)
    assert prd.display_title == f"Deploy {run.head_sha} to test, then prd"
    promoted = {name.replace("-prd", "-test"): files for name, files in prd.packages.items()}
    assert promoted == again.packages


def test_a_build_that_runs_again_replaces_its_package(github: OfflineGitHub) -> None:
    keys = set(github.job_keys("orchestrator-dev.yml"))
    real = {"changes", "base-build / build", "base-dev / deploy"}
    github.forced_results = dict.fromkeys(keys - real, "success")
    [run] = github.push("develop")
    [before] = run.artifact_store.values()
    again = github.rerun(run)
    [after] = again.artifact_store.values()
    assert (before.name, after.name) == ("base-package-dev", "base-package-dev")
    assert before.id != after.id and after.final and not after.expired
    assert after.files["package.txt"] == b"base, attempt 2\n"
    # A deployment takes the package that its own attempt has built.
    first, second = github.commands("ship", "^base-dev / deploy$")
    assert first.files != second.files
    assert [c.code for c in (first, second)] == [0, 0] and again.conclusion == "success"
