"""A diamond of components: base, then left and right at once, then top."""

from __future__ import annotations

from pathlib import Path

import pytest
from offline_github import OfflineGitHub, Run
from pipelines import deployments, failed, folders, generic, skipped, start, with_commands

NAMES = ["base", "left", "right", "top"]
ANSWERS = {
    "components": generic(NAMES),
    "dependency_map": [
        {"code_type": "left", "depends_on": "base"},
        {
            "code_type": "right",
            "depends_on": "base",
            "artifacts": [{"name": "package.txt", "to": "parts/right/base.txt"}],
        },
        {"code_type": "top", "depends_on": ["left", "right"]},
    ],
}


@pytest.fixture
def github(template: Path, tmp_path: Path) -> OfflineGitHub:
    github = with_commands(start(template, tmp_path, ANSWERS, folders(NAMES)))
    github.tools.watch(["base.txt", "package.txt"], [])
    return github


def pushed(github: OfflineGitHub) -> Run:
    [run] = github.push("develop")
    return run


def test_deploys_in_the_order_of_the_graph(github: OfflineGitHub) -> None:
    run = pushed(github)
    assert set(run.results.values()) == {"success"}
    order = deployments(github, "ship")
    assert order[0] == "base" and order[-1] == "top" and set(order[1:3]) == {"left", "right"}
    # Nothing of a component starts before all it depends on has been deployed.
    first = {name: min(i for i, key in enumerate(run.order) if key.startswith(f"{name}-dev /"))
             for name in NAMES}  # fmt: skip
    deployed = {name: run.order.index(f"{name}-dev / deploy") for name in NAMES}
    assert deployed["base"] < min(first["left"], first["right"])
    assert max(deployed["left"], deployed["right"]) < first["top"]


def test_packages_arrive_where_they_are_wanted(github: OfflineGitHub) -> None:
    run = pushed(github)
    packages = {name: run.artifacts[f"{name}-package-dev"]["package.txt"] for name in NAMES}
    assert packages == {name: f"{name} of {run.head_sha}\n".encode() for name in NAMES}
    ships = {command.arguments[0]: command for command in github.commands("ship")}
    assert set(ships["right"].files) == {"base.txt", "package.txt"}
    assert set(ships["left"].files) == {"package.txt"}
    folder = ships["left"].environment["BASE_PACKAGE"]
    assert folder == f"{ships['left'].workspace}/.packages/base"
    both = {"LEFT_PACKAGE", "RIGHT_PACKAGE"}
    assert both == {name for name in ships["top"].environment if name.endswith("_PACKAGE")}


def test_a_failing_check_stops_only_what_depends_on_it(github: OfflineGitHub) -> None:
    github.fail_tool("check", "security left")
    run = pushed(github)
    assert failed(run) == {"left-dev", "left-dev / security", "deployment-summary"}
    assert {"top-dev", "left-dev / build", "left-dev / deploy"} <= skipped(run)
    # Under `on_failure: downstream`, the other side of the diamond goes on.
    assert sorted(deployments(github, "ship")) == ["base", "right"]
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev failed in left-dev\n")
    rows = [line for line in summary.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows][1:] == [
        "| left-dev",
        "| top-dev",
        "| base-dev",
        "| right-dev",
    ]
    assert '  n1["left-dev"]:::failure' in summary and "  n0 --> n1" in summary
