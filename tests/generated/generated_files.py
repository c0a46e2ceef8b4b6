"""Reads the workflows of a generated repository."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml if it is installed: the largest answer set has a hundred workflows."""


@functools.cache
def _parsed(content: bytes) -> Any:
    workflow = yaml.load(content, Loader=LOADER)
    # PyYAML reads YAML 1.1, where the key `on` is true.
    return {"on": workflow.pop(True), **workflow}


@functools.cache
def workflows(repository: Path) -> dict[str, Any]:
    """The generated workflows, by file name. Tests must not change them."""
    files = (repository / ".github" / "workflows").iterdir()
    return {file.name: _parsed(file.read_bytes()) for file in files}
