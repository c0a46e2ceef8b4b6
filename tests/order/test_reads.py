"""How often a release reads GitHub's API: the token has a thousand calls an hour."""

from __future__ import annotations

from pathlib import Path

import pytest
from copies import copy
from pipelines import generic
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
    for _ in range(2):
        world.merged()
        candidate = world.candidate()
        before = len(world.github.api_calls)
        world.approve(candidate)
        world.github.settle()
    assert {d.component for d in world.of_environment("prd")} == {*COMPONENTS}
    calls = world.github.api_calls[before:]
    assert len([call for call in calls if call.method == "GET"]) <= most
