"""Generated workflows, broken on purpose: something that was executed notices each.

The table says what is broken, in which scenario that shows, and which expectation notices it.
GitHub's own parser, and the rule by which GitHub refuses a run, count as scenarios too.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from offline_github import NotModelledError, OfflineGitHub
from offline_github.repository import git
from pipelines import commit, start
from scenarios import ANSWERS, BUILD, FILES, SCENARIOS, NoticedError, publish, spare_bystanders
from validators import validate

TABLE = yaml.safe_load((Path(__file__).parent / "mutations.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def generated(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipelines as they are generated: made once, copied for each mutation."""
    folder = tmp_path_factory.mktemp("mutations")
    return start(template, folder, ANSWERS, FILES).remote.work_tree


def broken(generated: Path, target: Path, mutation: dict[str, str] | None) -> Path:
    """A copy of the repository, with the mutation on `main` and `develop`."""
    work_tree = Path(shutil.copytree(generated, target))
    if mutation:
        file = work_tree / ".github" / "workflows" / mutation["file"]
        text = file.read_text(encoding="utf-8")
        assert mutation["old"] in text, "the mutation no longer fits what is generated"
        file.write_text(text.replace(mutation["old"], mutation["new"]), encoding="utf-8")
        commit(work_tree, {}, "Broken on purpose")
        git("branch", "--force", "develop", "HEAD", cwd=work_tree)
    return work_tree


def noticed(work_tree: Path, github_folder: Path, scenario: str) -> str:
    """What the scenario notices; nothing when all is well."""
    if scenario == "parser":
        findings = validate(work_tree, only=["github_parser"])
        return findings[0].message if findings else ""
    github = OfflineGitHub(github_folder, work_tree)
    github.tool("check")
    github.tool("build", BUILD)
    github.tool("ship")
    spare_bystanders(github)
    publish(github)
    try:
        SCENARIOS[scenario](github)
    except (NoticedError, NotModelledError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("scenario", [*SCENARIOS, "parser"])
def test_nothing_is_noticed_in_what_is_generated(
    scenario: str, generated: Path, tmp_path: Path
) -> None:
    work_tree = broken(generated, tmp_path / "repository", None)
    assert noticed(work_tree, tmp_path / "github", scenario) == ""


@pytest.mark.parametrize("name", TABLE)
def test_is_noticed(name: str, generated: Path, tmp_path: Path) -> None:
    mutation = TABLE[name]
    work_tree = broken(generated, tmp_path / "repository", mutation)
    what = noticed(work_tree, tmp_path / "github", mutation["scenario"])
    assert what == mutation["noticed"]


def test_there_are_enough_kinds() -> None:
    assert len(TABLE) >= 25
    assert {mutation["scenario"] for mutation in TABLE.values()} == {*SCENARIOS, "parser"}
