"""Fixtures that every kind of proof shares."""

from __future__ import annotations

from pathlib import Path

import pytest
from copies import export_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a user's Copier sees it."""
    return export_template(tmp_path_factory.mktemp("template"))
