"""Small Python projects of usual kinds."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import toolbox
from commands import BASE_PYTHON, PATH, Runner, write

# iniconfig is pure Python, has 8 KB, and is a dependency of pytest anyway.
HANDLER = """\
import json

import iniconfig


def lambda_handler(event, context):
    config = iniconfig.IniConfig("x.ini", data="[a]\\nb = 1\\n")
    body = {"b": config["a"]["b"], "event": event}
    return {"statusCode": 200, "body": json.dumps(body)}
"""
HANDLER_TEST = """\
from lambda_handler import lambda_handler


def test_answers():
    assert lambda_handler({}, None)["statusCode"] == 200
"""
APP = {
    "lambda_handler.py": HANDLER,
    "data/greeting.txt": "hello\n",
    "requirements.txt": "iniconfig>=2\n",
    "requirements-dev.txt": "tabulate\n",
    "tests/test_handler.py": HANDLER_TEST,
    ".env": "SECRET=1\n",
    ".github/notes.md": "not for Lambda\n",
}

PLAIN = {
    "lambda_handler.py": "def lambda_handler(event, context):\n    return event\n",
    "tests/test_handler.py": (
        "from lambda_handler import lambda_handler\n\n\n"
        "def test_gives_back():\n    assert lambda_handler(1, None) == 1\n"
    ),
}

PYPROJECT = """\
[project]
name = "sample-package"
version = "1.2.3"
requires-python = ">=3.11"
dependencies = ["iniconfig>=2"]

[dependency-groups]
dev = ["tabulate"]

[build-system]
requires = ["uv_build>=0.9,<1"]
build-backend = "uv_build"
"""
PACKAGE = {
    "pyproject.toml": PYPROJECT,
    "src/sample_package/__init__.py": '__version__ = "1.2.3"\n',
    "src/sample_package/handler.py": HANDLER,
    "src/sample_package/data.txt": "shipped\n",
    "tests/test_package.py": (
        "from sample_package.handler import lambda_handler\n\n\n"
        "def test_answers():\n    assert lambda_handler({}, None)['statusCode'] == 200\n"
    ),
}


@functools.cache
def another_python() -> str | None:
    """The version of another Python on this machine, which the runner does not choose itself."""
    command = [toolbox.script("uv"), "python", "list", "--only-installed", "--output-format=json"]
    environment = {**os.environ, "PATH": os.pathsep.join([BASE_PYTHON, *PATH])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    versions = {tuple(map(int, p["version_parts"].values())) for p in json.loads(done.stdout)}
    others = sorted(v for v in versions if v >= (3, 11) and v != sys.version_info[:3])
    return ".".join(map(str, others[-1])) if others else None


def without(files: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: text for name, text in files.items() if name not in names}


@functools.cache
def lock_of(pyproject: str) -> str:
    """The `uv.lock` that uv writes on this machine for a pyproject.toml."""
    folder = Path(tempfile.mkdtemp())
    try:
        write(folder, {**PACKAGE, "pyproject.toml": pyproject})
        environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        command = [toolbox.script("uv"), "lock", "--quiet"]
        subprocess.run(command, cwd=folder, env=environment, check=True)
        return (folder / "uv.lock").read_text(encoding="utf-8")
    finally:
        shutil.rmtree(folder)


def locked() -> dict[str, str]:
    """The package with its lock file."""
    return {**PACKAGE, "uv.lock": lock_of(PYPROJECT)}


def security(runner: Runner) -> Runner:
    """Record pip-audit, because it needs the network. All other tools are real."""
    runner.record("uvx")
    runner.environment["REAL_UVX"] = toolbox.script("uvx")
    return runner
