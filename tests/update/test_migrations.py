"""Steps between versions: which are due, and that Copier runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from migrations import Migration, changed_answers, due, migration, release
from pipeline.recorded import written
from updates import commit, generate, template_versions, update


def step(version: str, stage: str, name: str = "") -> Migration:
    def run(answers_file: Path) -> None: ...

    run.__name__ = name or f"to_{version}"
    return Migration(version, stage, run)


STEPS = [
    step("0.3.0", "before"),
    step("0.2.0", "before", "first"),
    step("0.2.0", "before", "second"),
    step("0.2.0", "after"),
    step("0.10.0", "before"),
]


@pytest.mark.parametrize(
    ("before", "now", "names"),
    [
        ("0.1.0", "0.1.0", []),
        ("0.1.0", "0.2.0", ["0.2.0 before: first", "0.2.0 before: second"]),
        ("0.2.0", "0.3.0", ["0.3.0 before: to_0.3.0"]),
        ("0.2.0.post3.dev0+8d2d", "0.3.0", ["0.3.0 before: to_0.3.0"]),
        ("0.3.0", "0.10.0", ["0.10.0 before: to_0.10.0"]),
        ("0.3.0", "0.2.0", []),  # a downgrade runs no step
    ],
)
def test_which_steps_are_due(before: str, now: str, names: list[str]) -> None:
    assert [found.name for found in due("before", before, now, STEPS)] == names


def test_only_steps_of_the_stage_are_due() -> None:
    assert [found.name for found in due("after", "0.1.0", "9.9.9", STEPS)] == [
        "0.2.0 after: to_0.2.0"
    ]


@pytest.mark.parametrize(
    ("version", "stage"), [("0.2", "before"), ("v0.2.0", "after"), ("0.2.0", "now")]
)
def test_a_step_with_a_wrong_version_or_stage_is_refused(version: str, stage: str) -> None:
    with pytest.raises(ValueError, match="no migration can be of"):
        migration(version, stage)


def test_release_numbers_of_versions() -> None:
    versions = ["", "v0.9.0", "0.10.0", "0.10.0.post1", "1.0"]
    assert [release(v) for v in versions] == [(0,), (0, 9, 0), (0, 10, 0), (0, 10, 0), (1, 0)]


@pytest.mark.parametrize(
    "components", [None, "x", ["api"], {"docker": ["x"]}, {"docker": {"env": "DOCKERFILE=x"}}]
)
def test_steps_leave_answers_of_a_wrong_form_to_their_check(
    components: Any, tmp_path: Path
) -> None:
    """The check ends with one line, a step would end with a traceback."""
    answers_file = tmp_path / ".copier-answers.yml"
    text = yaml.safe_dump({"components": components})
    answers_file.write_text(text, encoding="utf-8")
    for found in due("before", "0.1.0", "9.9.9"):
        found.run(answers_file)
    assert answers_file.read_text(encoding="utf-8") == text


def test_changed_answers_keep_the_comment(tmp_path: Path) -> None:
    file = tmp_path / "answers.yml"
    file.write_text("# By copier\n_commit: v1\nname: x\n", encoding="utf-8")
    with changed_answers(file) as answers:
        answers["name"] = "ü"
    assert file.read_text(encoding="utf-8") == (
        f"# By copier\n{written({'_commit': 'v1', 'name': 'ü'})}"
    )


def another_name(folder: Path) -> None:
    """A version with two steps: one changes the project's name, one writes a file."""
    registry = folder / "hooks" / "migrations.py"
    registry.write_text(
        registry.read_text(encoding="utf-8")
        + """

@migration("2.0.0", "before")
def is_called_otherwise(answers_file: Path) -> None:
    with changed_answers(answers_file) as answers:
        answers["project_name"] += " two"


@migration("2.0.0", "after")
def leaves_a_mark(answers_file: Path) -> None:
    with Path("mark.txt").open("a") as file:
        file.write("here")
""",
        encoding="utf-8",
    )


def test_copier_runs_each_step_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    versions = template_versions(tmp_path / "template", another_name)
    answers = {"project_name": "shop", "code_types": ["terraform"]}
    repository = generate(versions, tmp_path / "repository", answers)
    monkeypatch.chdir(repository)
    update(repository)
    said = [line for line in capfd.readouterr().out.splitlines() if line.startswith("Migration")]
    assert said == [
        "Migration 2.0.0 before: is_called_otherwise",
        "Migration 2.0.0 after: leaves_a_mark",
    ]
    stored = yaml.safe_load((repository / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert (stored["project_name"], stored["_commit"]) == ("shop two", "v2.0.0")
    workflow = repository / ".github/workflows/orchestrator-dev.yml"
    assert "# Deploys shop two to dev" in workflow.read_text(encoding="utf-8")
    assert (repository / "mark.txt").read_text() == "here"
    commit(repository)
    update(repository)
    assert "Migration" not in capfd.readouterr().out
