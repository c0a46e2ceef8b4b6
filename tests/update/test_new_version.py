"""`copier update`, in one process, to a version of the template with other Python code."""

from __future__ import annotations

from pathlib import Path

import pytest
from copies import example
from updates import generate, replace, template_versions, update


def another_number(folder: Path) -> None:
    """The number is in a module that `extensions/orchestrator.py` imports only indirectly."""
    module = "extensions/pipeline/environments.py"
    replace(module, "PRODUCTION_RETENTION = 30", "PRODUCTION_RETENTION = 31")(folder)


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
    """A cached old module would render the old number."""
    assert retention(repository) == {"retention-days: 30"}
    update(repository)
    assert retention(repository) == {"retention-days: 31"}
