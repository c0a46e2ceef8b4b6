"""A line names each tool that a project runs on all files, including the generated ones."""

from __future__ import annotations

import json

import pytest
from made_answers import CATALOGUE
from pipeline.answers import read_answers
from pipeline.git_branches import NO_BRANCHES
from pipeline.unmatched import unmatched
from repositories import repository


def said(script: str, path: str = ".", eslint: str = "9", **more: str) -> list[str]:
    """The lines for a project with this script `lint`, and more files."""
    package = json.dumps(
        {"scripts": {"lint": script}, "devDependencies": {"eslint": eslint}}, indent=2
    )
    name = "package.json" if path == "." else f"{path}/package.json"
    answers = read_answers({"components": {"node": {"path": path}}}, CATALOGUE)
    return unmatched(answers, repository({name: package, **more}), NO_BRANCHES)


def line(tool: str, file: str) -> str:
    return (
        f"package.json runs {tool} on all files, and the generated ones do not fit its "
        "rules: let it ignore `.github/actions`, `.github/workflows`, `docs/ci-cd.md` and Copier's "
        f"answers file ({file})."
    )


PRETTIER, ESLINT = line("prettier", ".prettierignore"), line("eslint", "eslint.config.*")


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        ("prettier --check .", [PRETTIER]),
        ("prettier . -c", [PRETTIER]),
        ('prettier --check "**/*.{ts,md}"', [PRETTIER]),
        ("prettier --check './**/*'", [PRETTIER]),
        ("prettier --check ./", [PRETTIER]),
        ('prettier --check "**/*.{js,ts}"', []),
        ("prettier --check . '!.github'", []),
        ("prettier --check ./*.ts ./src", []),
        ("eslint '**/*.ts'", []),
        ("eslint . --max-warnings 0", [ESLINT]),
        ("tsc && eslint . && prettier --check .", [PRETTIER, ESLINT]),
        ("eslint src ./test", []),
        ("prettier --check src/**/*.ts", []),
        ("prettier --write .", []),
        ("eslint --fix .", []),
        ("tsc -p .", []),
        ("prettier --check . && echo it's", []),  # no shell runs it
    ],
)
def test_tools_that_read_all_files_are_named(script: str, lines: list[str]) -> None:
    assert said(script) == lines


def test_nothing_is_said_if_the_generated_files_are_ignored() -> None:
    script = "eslint . && prettier --check ."
    config = "export default [{ignores: ['.github/**']}]\n"
    assert said(script, **{".prettierignore": "/.github/\n", "eslint.config.js": config}) == []
    only_one = said(script, **{".prettierignore": "dist\n", "eslint.config.js": config})
    assert only_one == [PRETTIER]


@pytest.mark.parametrize(
    ("eslint", "lines"), [("8", []), ("^8.57.0", []), ("^9.1.0", [ESLINT]), ("~10.1", [ESLINT])]
)
def test_eslint_reads_folders_with_a_dot_since_version_9(eslint: str, lines: list[str]) -> None:
    assert said("eslint .", eslint=eslint) == lines


def test_a_file_of_one_line_is_read_string_by_string() -> None:
    package = {"scripts": {"a": "eslint src", "b": "x ."}, "prettier": "a", "files": ["b **/*"]}
    answers = read_answers({"components": {"node": {"path": "."}}}, CATALOGUE)
    files = repository({"package.json": json.dumps(package)})
    assert unmatched(answers, files, NO_BRANCHES) == []


@pytest.mark.parametrize(
    ("ignored", "lines"),
    [
        ("*\n!src\n", []),
        (".*\n", []),
        ("**/.*\n", []),
        (".*rc\n", [PRETTIER]),
        ("!.github\n", [PRETTIER]),
    ],
)
def test_patterns_may_name_the_generated_files(ignored: str, lines: list[str]) -> None:
    assert said("prettier --check .", **{".prettierignore": ignored}) == lines


def test_nothing_is_said_of_a_folder_without_generated_files() -> None:
    assert said("eslint . && prettier --check .", path="web") == []
