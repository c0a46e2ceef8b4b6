"""Commands of code types are short, and linters find nothing in their products and programs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import toolbox
import yaml
from pipeline.code_type_model import CodeType
from pipeline.code_types import load_code_types

CODE_TYPES = load_code_types(toolbox.ROOT / "code_types")

LINES = 80
"""The most lines of a command, so that people can read it."""


def run_steps(steps: str) -> Iterator[tuple[str, str]]:
    """The name and the script of each step that has one."""
    for step in yaml.safe_load(steps or "[]"):
        if "run" in step:
            yield step["name"], step["run"]


def scripts(code_type: CodeType) -> dict[str, str]:
    """All shell scripts of a code type, by their keys."""
    found = {f"jobs.{name}": job.command for name, job in code_type.jobs.items()}
    found |= {f"products.{name}": command for name, command in code_type.products.items()}
    if code_type.publish:
        found["publish"] = code_type.publish.command
    if code_type.plan:
        found |= {"plan.command": code_type.plan.command, "plan.apply": code_type.apply}
    steps = {f"tools.{name}": text for name, text in code_type.tools.items()}
    steps |= {f"clouds.{name}": addition.steps for name, addition in code_type.clouds.items()}
    if code_type.setup:
        found["setup.script"] = f"set -u\n{code_type.setup.script}"
        steps["setup.steps"] = code_type.setup.steps
        files = {n: text for n, text in code_type.setup.files.items() if not n.endswith(".py")}
        found |= {f"setup.files.{name}": text for name, text in files.items()}
    for key, text in steps.items():
        found |= {f"{key}, {name}": script for name, script in run_steps(text)}
    return {key: script for key, script in found.items() if script}


def test_shellcheck_finds_nothing_in_products(tmp_path: Path) -> None:
    """The generated repositories of tests/generated have all other scripts, and shellcheck reads
    those there. Not every product is in one of them."""
    files = {}
    for name, code_type in CODE_TYPES.items():
        for number, (product, command) in enumerate(code_type.products.items()):
            file = tmp_path / f"{name}-{number}.sh"
            file.write_text(f"#!/bin/bash\nset -eo pipefail\n{command}\n", encoding="utf-8")
            files[str(file)] = f"code_types/{name}.yml: products.{product}"
    done = subprocess.run(
        [toolbox.script("shellcheck"), "--norc", "--format=gcc", *files],
        capture_output=True,
        text=True,
    )
    said = done.stdout
    for path, place in files.items():
        said = said.replace(path, place)
    assert (said.splitlines(), done.stderr, done.returncode) == ([], "", 0)


def programs(code_type: CodeType) -> dict[str, str]:
    """The Python files of a code type's action."""
    files = code_type.setup.files.items() if code_type.setup else ()
    return {name: text for name, text in files if name.endswith(".py")}


@pytest.mark.parametrize("name", [name for name, found in CODE_TYPES.items() if programs(found)])
def test_programs_of_actions_are_clean(name: str, tmp_path: Path) -> None:
    """Python in a code type's file is checked like all other Python here."""
    files = programs(CODE_TYPES[name])
    for file, text in files.items():
        (tmp_path / file).write_text(f"{text}\n", encoding="utf-8")
    rules = str(toolbox.ROOT / "pyproject.toml")
    for tool, *options in (
        ("ruff", "check", "--config", rules, "."),
        ("ruff", "format", "--check", "--config", rules, "."),
        ("mypy", "--strict", *files),
    ):
        command = [toolbox.script(tool), *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", CODE_TYPES)
def test_no_command_is_too_long(name: str) -> None:
    lengths = {key: len(script.splitlines()) for key, script in scripts(CODE_TYPES[name]).items()}
    assert {key: length for key, length in lengths.items() if length > LINES} == {}
