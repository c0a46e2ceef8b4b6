"""The Docker code type's lint command with the real hadolint. What builds needs an engine: see
tests/running/test_images.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Runner, write

GOOD = 'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py"]\n'
UNPINNED = "FROM python\nRUN apt-get install --yes curl\n"  # two warnings
WRONG = "FROM python:3.13-slim\nRUN\n"
TWO_COMMANDS = GOOD + 'CMD ["python", "other.py"]\n'
BROKEN_SHELL = "FROM python:3.13-slim\nRUN if [ -f x ]; then echo y\n"


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({"Dockerfile": GOOD}, 0, ""),
        ({"Dockerfile": UNPINNED}, 0, "DL3006"),
        ({"Dockerfile": UNPINNED, ".hadolint.yaml": "{}"}, 1, "DL3006"),
        ({"Dockerfile": UNPINNED, ".hadolint.yml": "{}"}, 1, "DL3006"),
        (
            {"Dockerfile": UNPINNED, ".hadolint.yaml": "failure-threshold: error"},
            0,
            "DL3006",
        ),
        ({"Dockerfile": WRONG}, 1, "Dockerfile:2"),
        ({"Dockerfile": BROKEN_SHELL}, 1, "SC1"),
        ({"Dockerfile": "COPY a b\nFROM scratch\n"}, 1, "DL3061"),
        ({}, 1, "Dockerfile"),
    ],
    ids=[
        "good",
        "warnings are shown",
        "the project's own rules",
        "the project's own rules, by the other name",
        "the project's own threshold",
        "not a Dockerfile",
        "a broken script",
        "in the wrong order",
        "none",
    ],
)
def test_lint(files: dict[str, str], code: int, said: str, runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "repository" / "image", {"README.md": "image\n", **files})
    outcome = runner.run("image/lint", project)
    assert outcome.code == code, outcome.output
    assert said in outcome.output


def test_another_file(runner: Runner, tmp_path: Path) -> None:
    files = {"Dockerfile": WRONG, "other.Dockerfile": GOOD}
    project = write(tmp_path / "repository" / "image", files)
    outcome = runner.run("image/lint", project, DOCKERFILE="other.Dockerfile")
    assert (outcome.code, outcome.output) == (0, "")
