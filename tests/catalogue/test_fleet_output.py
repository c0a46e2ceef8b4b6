"""The table fits the terminal, and all values of a repository are shown as text."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fleet_pages import HOSTILE, hostile_rows, row
from fleet_program import FLEET
from toolbox import NODE

NOW = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


def usual(count: int = 40) -> list[object]:
    made = []
    for number in range(count):
        repository = f"acme/service-{number:03}"
        deployed = [
            {"environment": name, "result": "success", "version": "v0.2.0", "url": None}
            | {"finished": f"2026-10-{number % 28 + 1:02}T10:00:00Z"}
            for name in ("dev", "prd")
        ]
        one = row(number, "v0.2.0", repository=repository, answers_file=".copier-answers.yml")
        one.deployments, one.reason, one.ring = deployed, "2 newer: v0.4.0, v0.3.0", "canary"
        one.url = f"https://github.com/{repository}"
        made.append(one)
    return made


@pytest.mark.parametrize("width", [200, 120, 80, 60])
@pytest.mark.parametrize("rings", [True, False])
@pytest.mark.parametrize("made", [usual, hostile_rows])
def test_the_table_fits(made: object, rings: bool, width: int) -> None:
    rows = made()  # type: ignore[operator]
    lines = FLEET.table(rows, rings, width).splitlines()
    assert len(lines) == len(rows) + 1
    assert all(FLEET.width_of(line) <= width for line in lines)
    assert all(text.isprintable() for text in lines)


def test_without_a_terminal_nothing_is_cut() -> None:
    text = FLEET.table(usual(), True, None)
    assert "…" not in text and "pull request" in text.lower()
    assert "ANSWERS FILE" not in text, "all answers files have the usual name"
    assert FLEET.table(usual(1), False, None).splitlines()[0].split("  ")[0] == "STATE"


def test_hostile_values_are_one_line_each() -> None:
    for value in HOSTILE:
        assert FLEET.shown(value).isprintable() and len(FLEET.shown(value)) <= 300
    assert FLEET.shown("git+https://me:secret@host/x") == "git+https://host/x"
    listed = [one.as_json(True) for one in hostile_rows()]
    text = json.dumps(listed)
    assert text.isascii() and [x["repository"] for x in json.loads(text)] == list(HOSTILE)
    assert not {"source", "made_from", "proof"} & set(listed[0])


def test_characters_with_double_width() -> None:
    assert FLEET.width_of("漢字") == 4 and FLEET.width_of("e\u0301") == 1
    assert FLEET.fitted("漢字漢字", 6) == "漢字… "


class Reader(HTMLParser):
    """Reads a page as a browser does."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[list[str]] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "tr":
            self.cells.append([])
        elif tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.cells and self.cells[-1] and self.inside not in ("script", "style"):
            self.cells[-1][-1] += data


def read(rows: list[object], rings: list[str] | None) -> tuple[str, Reader]:
    text = FLEET.page(rows, "Pipelines of <b>", rings, NOW)
    reader = Reader()
    reader.feed(text)
    return text, reader


def test_hostile_values_are_text_in_the_page() -> None:
    text, reader = read(hostile_rows(), list(HOSTILE))
    names = [tag for tag, _ in reader.tags]
    assert names.count("script") == names.count("style") == 1
    assert not {"img", "b", "iframe", "link", "object", "base"} & set(names)
    for tag, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src"):
            assert name not in attributes or re.match("https?://[^/]", attributes[name] or "")
        assert name not in attributes or tag == "a"
    assert all(
        FLEET.shown(value, 1000) in cells[1]
        for value, cells in zip(HOSTILE, reader.cells[1:], strict=True)
    )
    assert "\x1b" not in text and "\u202e" not in text


def test_the_page_allows_only_its_own_style_and_script() -> None:
    text, reader = read(usual(), None)
    policy = next(a["content"] for tag, a in reader.tags if a.get("http-equiv"))
    assert policy and policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    # Every address in the page is a link.
    assert text.count("https://") == text.count('href="https://')


def test_the_page_has_the_values_of_the_table() -> None:
    _, reader = read(usual(), ["canary", "rest"])
    assert [cell.strip().lower() for cell in reader.cells[0]] == [
        *("state", "repository", "version", "behind", "pull request"),
        *("deployed", "ring", "may update", "reason"),
    ]
    assert len(reader.cells) == 41
    assert reader.cells[1][1] == "acme/service-000"
    assert reader.cells[1][5] == "dev: success 2026-10-01prd: success 2026-10-01"
    heads = [attributes for tag, attributes in reader.tags if tag == "th"]
    assert {attributes["scope"] for attributes in heads} == {"col", "row"}


def test_the_script_is_javascript(tmp_path: Path) -> None:
    file = tmp_path / "page.js"
    file.write_text(FLEET.SCRIPT, encoding="utf-8")
    subprocess.run([NODE, "--check", file], check=True)


def test_a_page_with_five_hundred_rows_is_small() -> None:
    text, _ = read(usual(500), ["canary"])
    assert len(text.encode()) < 500_000


def test_progress_is_shown_only_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for looks in (True, False):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda looks=looks: looks)
        monkeypatch.setattr(FLEET.sys, "stderr", stream)
        progress = FLEET.Progress()
        progress("Read 12 of 500 clones")
        progress("Read 13\x1b[2J")
        progress.clear()
        told = stream.getvalue()
        assert (told == "") is not looks
        assert "\x1b" not in told and (not looks or told.endswith("\r"))
