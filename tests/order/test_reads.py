"""How often a release reads GitHub's API: the token has a thousand calls an hour."""

from __future__ import annotations

from pathlib import Path

import pytest
from copies import copy
from generated_repositories import generic
from worlds import Pipelines, World

COMPONENTS = [f"c{number:02}" for number in range(1, 25)]
#: A binary tree.
MAP = {name: COMPONENTS[(index - 1) // 2] for index, name in enumerate(COMPONENTS) if index}


@pytest.mark.parametrize(("orchestration", "most"), [("call", 300), ("dispatch", 800)])
def test_a_release_of_twenty_four_components(
    template: Path, tmp_path: Path, orchestration: str, most: int
) -> None:
    answers = {"components": generic(COMPONENTS), "dependency_map": MAP}
    work_tree = copy(template, tmp_path / "copy", {**answers, "orchestration": orchestration})
    pipelines = Pipelines(work_tree, tuple(COMPONENTS), orchestration=orchestration)
    world = World(tmp_path / "github", pipelines)
    for turn in range(2):
        world.merged("main", {f"parts/{name}/README.md": f"{turn}\n" for name in COMPONENTS})
        candidate = world.candidate()
        before = len(world.github.api_calls)
        world.approve(candidate)
        world.github.settle()
    assert {d.component for d in world.of_environment("prd")} == {*COMPONENTS}
    calls = world.github.api_calls[before:]
    assert len([call for call in calls if call.method == "GET"]) <= most


LIMIT = 128 * 1024
"""The longest variable of a step: Linux' MAX_ARG_STRLEN."""


def test_a_release_of_what_has_changed(template: Path, tmp_path: Path) -> None:
    """It costs less, and a plan of three hundred components is no longer than a variable may be."""
    answers = {"components": generic(COMPONENTS), "dependency_map": MAP}
    work_tree = copy(template, tmp_path / "copy", {**answers, "only_changed": True})
    world = World(tmp_path / "github", Pipelines(work_tree, tuple(COMPONENTS)))
    for names in (COMPONENTS, COMPONENTS[-2:]):
        before = len(world.github.api_calls)
        world.merged("main", {f"parts/{name}/README.md": f"{before}\n" for name in names})
        test = world.github.runs_of("orchestrator-test.yml")[-1]
        for run in (test, world.candidate()):
            assert len(run.job("changes").outputs["plan"]) < LIMIT / 300 * len(COMPONENTS)
        world.approve(world.candidate())
    assert len(world.of_environment("prd")) == len(COMPONENTS) + 2
    calls = world.github.api_calls[before:]
    assert len([call for call in calls if call.method == "GET"]) <= 100
