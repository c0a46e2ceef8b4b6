"""Fixtures: the template with a release, and repositories that are generated from it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from copies import export_template
from offline_github.repository import git
from template_versions import commit, generate


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a git repository with one release. Tests must not change it."""
    folder = export_template(tmp_path_factory.mktemp("versions") / "template")
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    commit(folder, "The first", "v1.2.0")
    return folder


@pytest.fixture(scope="session")
def as_generated(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated repository. Tests must not change it."""
    return generate(str(versions), tmp_path_factory.mktemp("as-generated") / "shop")


@pytest.fixture
def repository(
    as_generated: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A copy of the generated repository, as the current folder."""
    folder = shutil.copytree(as_generated, tmp_path / "shop")
    monkeypatch.chdir(folder)
    # Tests must not use the machine's cache of templates, or its trusted addresses.
    monkeypatch.setenv("COPIER_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    (tmp_path / "settings.yml").write_text("trust: []\n", encoding="utf-8")
    monkeypatch.setenv("COPIER_SETTINGS_PATH", str(tmp_path / "settings.yml"))
    return folder
