"""A line names files that fit none of the answers.

The line is recorded, and dropped when the files or the answers are corrected.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from copies import copier_command
from offline_github.repository import git
from updates import CURRENT, clone_once, commit, generate, template_versions, update

MAIN = 'terraform {\n  backend "s3" {}\n}\nvariable "size" {}\n'
ANSWERS: dict[str, Any] = {
    "code_types": ["terraform"],
    "components": {
        "terraform": {"path": "infra", "env": {"TF_WORKSPACE": "${{ vars.WORKSPACE }}"}}
    },
    "branching": "trunk",
}


def write(folder: Path, *names: str) -> None:
    (folder / "infra").mkdir(parents=True, exist_ok=True)
    (folder / "infra/main.tf").write_text(MAIN, encoding="utf-8")
    for name in names:
        (folder / "infra" / name).write_text("size = 1\n", encoding="utf-8")


def recorded(repository: Path) -> Any:
    return yaml.safe_load((repository / ".copier-answers.yml").read_text(encoding="utf-8"))


def docs(repository: Path) -> str:
    return (repository / "docs/ci-cd.md").read_text(encoding="utf-8")


def test_an_update_checks_the_files_again(tmp_path: Path) -> None:
    versions = template_versions(tmp_path / "template")
    repository = tmp_path / "shop"
    write(repository, "dev.tfvars", "test.tfvars", "prod.tfvars")
    with clone_once(tmp_path / "clones"):
        generate(versions, repository, ANSWERS)
        lines = recorded(repository)["unmatched"]
        assert [line.split(":")[0] for line in lines] == [
            "infra/prod.tfvars belongs to no environment (dev, test, prd)",
            "terraform has nothing like infra/dev.tfvars for prd",
        ]
        assert all(f"> {line}" in docs(repository) for line in lines)
        (repository / "infra/prod.tfvars").rename(repository / "infra/prd.tfvars")
        commit(repository)
        update(repository, vcs_ref=CURRENT)
        assert "unmatched" not in recorded(repository)
        assert "infra/prod.tfvars" not in docs(repository)
        # A new error is reported by the next update.
        (repository / "infra/prd.tfvars").unlink()
        commit(repository)
        update(repository, vcs_ref=CURRENT)
    [line] = recorded(repository)["unmatched"]
    assert line in docs(repository)


@pytest.mark.parametrize("branch", ["main", "master"])
def test_the_default_branch_is_recorded(branch: str, template: Path, tmp_path: Path) -> None:
    """It is recorded, so that a later change of it does not change the pipelines."""
    repository = tmp_path / "shop"
    write(repository)
    git("init", "--quiet", f"--initial-branch={branch}", cwd=repository)
    commit(repository)
    done = copier_command(template, repository)
    assert done.returncode == 0, done.stderr
    answers = recorded(repository)
    assert answers["branching"] == "trunk"
    [line] = answers["unmatched"]  # nothing about a missing branch
    assert line.startswith("terraform has one state (infra/main.tf) for dev, test and prd")
    assert answers.get("default_branch", "main") == branch
    text = (repository / ".github/workflows/orchestrator-dev.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)[True]["push"]["branches"] == [branch]
