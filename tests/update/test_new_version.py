"""`copier update` to a version of the template whose Python differs, in one process."""

from __future__ import annotations

from pathlib import Path

import copier
import pytest
from copies import copy, example, export_template, tree
from offline_github.repository import git


def commit(repository: Path, message: str) -> None:
    git("add", "--all", cwd=repository)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    git(*identity, "commit", "--quiet", "--message", message, cwd=repository)


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """The template as a git repository: v2 keeps production's packages for 31 days, not 30.

    The number stands in a module that `extensions/orchestrator.py` only reaches through others.
    """
    folder = export_template(tmp_path / "versions")
    git("init", "--quiet", cwd=folder)
    commit(folder, "v1")
    git("tag", "v1.0.0", cwd=folder)
    module = folder / "extensions" / "pipeline" / "environments.py"
    text = module.read_text(encoding="utf-8")
    assert "LONG_RETENTION = 7, 30" in text
    module.write_text(text.replace("LONG_RETENTION = 7, 30", "LONG_RETENTION = 7, 31"), "utf-8")
    commit(folder, "v2")
    git("tag", "v2.0.0", cwd=folder)
    return folder


@pytest.fixture
def repository(versions: Path, tmp_path: Path) -> Path:
    """A repository with the pipelines of v1, committed."""
    folder = tmp_path / "repository"
    data = example("lambda")
    url = f"git+{versions.as_uri()}"
    copier.run_copy(
        url, folder, data=data, vcs_ref="v1.0.0", defaults=True, unsafe=True, quiet=True
    )
    git("init", "--quiet", cwd=folder)
    commit(folder, "Generated")
    return folder


def update(repository: Path, **options: object) -> None:
    copier.run_update(repository, defaults=True, overwrite=True, unsafe=True, quiet=True, **options)  # type: ignore[arg-type]


def retention(repository: Path) -> set[str]:
    text = (repository / ".github/workflows/python-prd.yml").read_text(encoding="utf-8")
    return {line.strip() for line in text.splitlines() if "retention-days" in line}


def test_the_new_render_uses_the_new_modules(repository: Path) -> None:
    """A module that stayed the old one would render the old number, and nobody would notice."""
    assert retention(repository) == {"retention-days: 30"}
    update(repository)
    assert retention(repository) == {"retention-days: 31"}


def test_an_update_equals_a_copy(versions: Path, repository: Path, tmp_path: Path) -> None:
    """Also when the answers change with it; and own jobs below the last line stay."""
    orchestrator = repository / ".github/workflows/orchestrator-dev.yml"
    own = "  own:\n    runs-on: ubuntu-latest\n    steps: [{run: make own}]\n"
    with orchestrator.open("a", encoding="utf-8") as file:
        file.write(own)
    commit(repository, "A job of our own")
    more = {"components": {**example("lambda")["components"], "site": {"code_type": "generic"}}}
    update(repository, data=more)

    fresh = tree(copy(versions, tmp_path / "fresh", {**example("lambda"), **more}))
    updated = tree(repository)
    for written in (fresh, updated):
        del written[".copier-answers.yml"]  # it says where the template lay
    assert updated.pop(".github/workflows/orchestrator-dev.yml") == fresh.pop(
        ".github/workflows/orchestrator-dev.yml"
    ) + own.encode("utf-8")
    assert updated == fresh


def test_checks_of_pull_requests_can_be_dropped_and_taken_back(
    versions: Path, repository: Path, tmp_path: Path
) -> None:
    """Their workflow goes and comes with the answer, and the hook finds nothing amiss."""
    pull_request = repository / ".github/workflows/pull-request.yml"
    assert pull_request.exists()
    update(repository, data={"pull_requests": False})
    assert not pull_request.exists()
    commit(repository, "No checks of pull requests")
    update(repository, data={"pull_requests": True})

    fresh = tree(copy(versions, tmp_path / "fresh", example("lambda")))
    updated = tree(repository)
    for written in (fresh, updated):
        del written[".copier-answers.yml"]  # it says where the template lay
    assert updated == fresh
