"""`rings.yml`: each error is one line, and each repository has one ring."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from fleet_program import FLEET
from toolbox import ROOT

RING = "rings: [{name: canary, repositories: [a]}, {name: rest, others: true}]\n"
WRONG = {
    "gone": (None, "cannot be read: ...No such file...; name a file with rings"),
    "no-yaml": ("rings: [", "is not YAML: ...; fix it"),
    "empty": ("", "rings: there is no list of rings; see docs/catalogue.md"),
    "a-list": ("- a", "rings: there is no list of rings; see..."),
    "no-rings": ("rings: []", "rings: there is no list of rings; see..."),
    "a-map": ("rings: {canary: [a]}", "rings: there is no list of rings; see..."),
    "setting": (RING + "ring: 1", "ring: is no setting; drop it, or see docs/catalogue.md"),
    "version": (RING + "version: 1.2", "version: 1.2 is no text; write it in quotes"),
    "organisation": (RING + "organisation: [a]", "organisation: ['a'] is no text; write it..."),
    "template": (RING + "template: 3", "template: is no list of texts; write one, for example..."),
    "no-name": ("rings: [{repositories: [a]}]", "rings[0]: has no name; write `name:` and..."),
    "empty-name": ('rings: [{name: "", repositories: [a]}]', "rings[0]: has no name; write..."),
    "a-text": ("rings: [canary]", "rings[0]: has no name; write `name:` and `repositories:`"),
    "twice": (
        "rings: [{name: a, repositories: [a]}, {name: a, repositories: [b]}]",
        "rings.a: is there twice; give each ring a different name",
    ),
    "others-twice": (
        "rings: [{name: a, others: true}, {name: b, others: true}]",
        "rings.b: is the second with `others: true`; name its repositories",
    ),
    "neither": (
        "rings: [{name: a}]",
        "rings.a: needs one of `repositories` and `others: true`; write one of them",
    ),
    "both": (
        "rings: [{name: a, repositories: [a], others: true}]",
        "rings.a: needs one of `repositories` and `others: true`; write one of them",
    ),
    "no-patterns": (
        "rings: [{name: a, repositories: []}]",
        "rings.a.repositories: is no list of texts; write one, for example [acme/shop-*]",
    ),
    "number": ("rings: [{name: a, repositories: [3]}]", "rings.a.repositories: is no list of..."),
    "ring-setting": (
        "rings: [{name: a, others: true, wait: 3}]",
        "rings.a.wait: is no setting; see docs/catalogue.md",
    ),
    "soak": (
        "rings: [{name: a, others: true, soak: 2d}]",
        "rings.a.soak: 2d is no number of hours; write 0 to 8760",
    ),
    "soak-yes": (
        "rings: [{name: a, others: true, soak: yes}]",
        "rings.a.soak: True is no number...",
    ),
    "soak-before": ("rings: [{name: a, others: true, soak: -1}]", "rings.a.soak: -1 is no..."),
    "soak-nan": ("rings: [{name: a, others: true, soak: .nan}]", "rings.a.soak: nan is no..."),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_error_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, says = WRONG[name]
    file = tmp_path / "rings.yml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    given = ["--organisation", "acme", "--template", "x", "--rings", str(file)]
    assert FLEET.main(given) == 2
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    pattern = ".*".join(re.escape(part) for part in says.split("..."))
    assert out == "" and re.fullmatch(f"fleet\\.py: {re.escape(str(file))}: {pattern}", line), line


def test_the_example() -> None:
    """All its keys are read, and the docs show the same file."""
    file = ROOT / "catalogue" / "pipelines-catalogue" / "rings.yml"
    rings = FLEET.read_rings(file)
    read = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert [ring.name for ring in rings.rings] == [ring["name"] for ring in read["rings"]]
    assert rings.rings[0].soak > timedelta() and rings.rings[-1].patterns == ()


@pytest.mark.parametrize(
    "pattern, fits, not_",
    [
        ("shop", ["acme/shop", "acme/Shop"], ["acme/shop-2", "shop/acme"]),
        ("shop-*", ["acme/shop-", "acme/shop-api"], ["acme/shop", "shop-x/y"]),
        ("acme/shop", ["acme/shop"], ["acme2/shop", "acme/shop/x"]),
        ("acme/*", ["acme/shop"], ["other/shop"]),
        ("shop[12]", ["acme/shop1"], ["acme/shop3", "acme/shop[12]"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], not_: list[str]) -> None:
    assert all(FLEET.fits(pattern, name) for name in fits)
    assert not any(FLEET.fits(pattern, name) for name in not_)


def test_each_repository_has_one_ring() -> None:
    rings = [
        FLEET.Ring("one", ("a*", "nothing-*")),
        FLEET.Ring("rest", ()),
        FLEET.Ring("two", ("acme/ab", "c")),
    ]
    rows = [FLEET.Row(f"acme/{name}", "x") for name in ("a", "ab", "ab", "c", "d")]
    notes = FLEET.put_into_rings(rings, rows)
    assert [row.ring for row in rows] == ["one", "two", "two", "two", "rest"]
    assert notes == [
        "ring one: nothing-* matches no repository",
        "acme/ab: is in 2 rings, one, two; it is updated in the last of them",
    ]
    notes = FLEET.put_into_rings(rings[:1], rows)
    assert [row.ring for row in rows] == ["one", "one", "one", None, None]
    assert notes[1:] == [
        f"acme/{name}: is in no ring, and is not updated; add it to one" for name in "cd"
    ]
