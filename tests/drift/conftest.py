"""The template with a release, and repositories with what it generates."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from copies import export_template
from offline_github.repository import git
from template_versions import commit, generate


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a git repository with one release. Not to be written to."""
    folder = export_template(tmp_path_factory.mktemp("versions") / "template")
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    commit(folder, "The first", "v1.2.0")
    return folder


@pytest.fixture(scope="session")
def as_generated(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it generates. Not to be written to."""
    return generate(str(versions), tmp_path_factory.mktemp("as-generated") / "shop")


@pytest.fixture
def repository(
    as_generated: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A copy of that, which is the current folder."""
    folder = shutil.copytree(as_generated, tmp_path / "shop")
    monkeypatch.chdir(folder)
    # What a machine keeps of templates, and whom it trusts, is not for tests.
    monkeypatch.setenv("COPIER_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    (tmp_path / "settings.yml").write_text("trust: []\n", encoding="utf-8")
    monkeypatch.setenv("COPIER_SETTINGS_PATH", str(tmp_path / "settings.yml"))
    return folder
