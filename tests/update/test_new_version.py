"""`copier update` to a version of the template whose Python differs, in one process."""

from __future__ import annotations

from pathlib import Path

import pytest
from copies import copy, example, tree
from updates import commit, generate, replace, template_versions, update


def another_number(folder: Path) -> None:
    """It stands in a module that `extensions/orchestrator.py` only reaches through others."""
    module = "extensions/pipeline/environments.py"
    replace(module, "LONG_RETENTION = 7, 30", "LONG_RETENTION = 7, 31")(folder)


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """v2 keeps production's packages for 31 days, not 30."""
    return template_versions(tmp_path / "versions", another_number)


@pytest.fixture
def repository(versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = generate(versions, tmp_path / "repository", example("lambda"))
    monkeypatch.chdir(folder)
    return folder


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
