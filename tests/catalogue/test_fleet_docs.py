"""docs/catalogue.md documents all of fleet.py."""

from __future__ import annotations

import re

import pytest
import yaml
from fleet_program import FLEET
from toolbox import ROOT

PAGE = ROOT / "docs" / "catalogue.md"
RINGS = ROOT / "catalogue" / "pipelines-catalogue" / "rings.yml"


def section(name: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    return text.split(f"\n## {name} (")[1].split("\n## ")[0]


def test_every_option_field_and_state(capsys: pytest.CaptureFixture[str]) -> None:
    board, rings = section("The board"), section("Rings")
    with pytest.raises(SystemExit):
        FLEET.main(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options == set(re.findall(r"^\| `(--[a-z-]+)", board, re.MULTILINE))
    row = FLEET.Row("a", "b")
    assert all(f"`{name}`" in board for name in row.as_json(False))
    assert all(f"`{name}`" in rings for name in set(row.as_json(True)) - set(row.as_json(False)))
    assert re.findall(r"^\| `([a-z]+)` \|", board, re.MULTILINE)[:5] == list(FLEET.STATES)


def test_the_example_of_rings() -> None:
    [shown] = re.findall(r"^```yaml\n(.*?)^```$", section("Rings"), re.MULTILINE | re.DOTALL)
    assert yaml.safe_load(shown) == yaml.safe_load(RINGS.read_text(encoding="utf-8"))
