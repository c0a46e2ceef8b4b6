"""Generated workflows and actions are broken on purpose, and a scenario notices each fault.

The table has the fault, the scenario that shows it, and the expectation that notices it. GitHub's
own parser, and the rules by which GitHub refuses a run, count as scenarios, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import changed_scenarios
import dispatch_scenarios
import image_scenarios
import observe_scenarios
import publish_scenarios
import pytest
import scenarios
import yaml
from copies import Once
from generated_repositories import repository
from offline_github import NotModelledError, OfflineGitHub
from offline_github.repository import git
from scenarios import NoticedError
from validators import validate

MODULES = (
    scenarios,
    image_scenarios,
    dispatch_scenarios,
    observe_scenarios,
    publish_scenarios,
    changed_scenarios,
)
SCENARIOS = {name: scenario for module in MODULES for name, scenario in module.SCENARIOS.items()}
TABLE = yaml.safe_load((Path(__file__).parent / "mutations.yml").read_text(encoding="utf-8"))


def module_of(scenario: str) -> Any:
    """The module of a scenario. GitHub's parser reads the pipelines of the first module."""
    return next((m for m in MODULES if scenario in m.SCENARIOS), scenarios)


@pytest.fixture(scope="session")
def generated(template: Path, once: Once) -> Callable[[str], Path]:
    """The generated pipelines for a scenario. They are made once, and copied for each mutation."""

    def of(scenario: str) -> Path:
        module = module_of(scenario)
        return once(
            ["mutated", module.__name__],
            lambda folder: repository(template, folder, module.ANSWERS, module.FILES),
        )

    return of


def broken(generated: Path, target: Path, mutation: dict[str, str] | None) -> Path:
    """A copy of the repository, with the mutation on `main` and `develop`."""
    work_tree = Path(shutil.copytree(generated, target))
    if mutation:
        folder = work_tree / ".github" / ("" if "/" in mutation["file"] else "workflows")
        file = folder / mutation["file"]
        text = file.read_text(encoding="utf-8")
        if "old" in mutation:
            assert mutation["old"] in text, "the mutation no longer matches the generated file"
            file.write_text(text.replace(mutation["old"], mutation["new"]), encoding="utf-8")
        else:
            file.unlink()
        git("commit", "--quiet", "--all", "--message", "Broken on purpose", cwd=work_tree)
        main, develop = (work_tree / ".git/refs/heads" / name for name in ("main", "develop"))
        shutil.copyfile(main, develop)
    return work_tree


def noticed(work_tree: Path, github_folder: Path, scenario: str) -> str:
    """The expectation that the scenario finds broken; empty if all are met."""
    if scenario == "parser":
        findings = validate(work_tree, only=["github_parser"])
        return findings[0].message if findings else ""
    github = OfflineGitHub(github_folder, work_tree)
    module_of(scenario).prepare(github)
    scenarios.publish(github)
    try:
        SCENARIOS[scenario](github)
    except (NoticedError, NotModelledError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("scenario", [*SCENARIOS, "parser"])
def test_the_generated_pipelines_meet_all_expectations(
    scenario: str, generated: Callable[[str], Path], tmp_path: Path
) -> None:
    work_tree = broken(generated(scenario), tmp_path / "repository", None)
    assert noticed(work_tree, tmp_path / "github", scenario) == ""


@pytest.mark.parametrize("name", TABLE)
def test_a_broken_pipeline_is_noticed(
    name: str, generated: Callable[[str], Path], tmp_path: Path
) -> None:
    mutation = TABLE[name]
    scenario = mutation["scenario"]
    work_tree = broken(generated(scenario), tmp_path / "repository", mutation)
    what = noticed(work_tree, tmp_path / "github", scenario)
    assert what == mutation["noticed"]


def test_there_are_enough_mutations() -> None:
    assert len(TABLE) >= 100
    assert {mutation["scenario"] for mutation in TABLE.values()} == {*SCENARIOS, "parser"}
