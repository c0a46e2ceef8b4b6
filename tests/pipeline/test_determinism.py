"""The same answers make the same bytes for every hash seed, order of keys and version of Python."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import copies
import pytest
import toolbox
from made_answers import generic, shuffled

RENDER = Path(__file__).with_name("render_all.py")
EXAMPLES = ("monorepo", "mixed")
MAKES = generic(build="make $ENVIRONMENT_VARIABLES", produces=["x", "y"], deploy="ship")
MIXED: dict[str, Any] = {
    "code_types": ["terraform", "docker", "kubernetes", "helm"],
    "components": {
        "site": {**MAKES, "build_per_environment": True, "secrets": ["B", "A"]},
        "lib": {**MAKES, "environments": ["test", "dev"], "env": {"Z": "1", "A": "${{ vars.B }}"}},
        **{f"app{index}": MAKES for index in range(4)},
    },
    "dependency_map": [
        {"code_type": "app3", "depends_on": ["lib", "site", "app2", "app1", "app0"]},
        {"code_type": "docker", "depends_on": "app3", "artifacts": ["y", "x"]},
    ],
    "orchestration": "dispatch",
    "cloud": "azure",
    "environments": [
        {"name": "dev", "branch": "main", "env": {"IMAGE": "a", "V": "${{ vars.X }}"}},
        {"name": "test", "after": "dev", "env": {"V": "2", "IMAGE": "${{ vars.Y }}"}},
        {"name": "prd", "after": "test", "production": True},
    ],
}
"""Answers with everything that might be stored in a set, which a hash seed would shuffle."""

# Each has several errors: the message must not depend on the seed either.
WRONG: dict[str, dict[str, Any]] = {
    "wrong-products": {"components": {"x": generic(build="b", produces=["ab", "Ab", "aB", "AB"])}},
    "wrong-secrets": {"components": {"x": generic(deploy="d", secrets=["ab", "Ab", "aB", "AB"])}},
    "wrong-circles": {
        "components": {name: generic() for name in "abcdef"},
        "dependency_map": {"a": ["b", "c"], "b": ["a"], "c": ["d"], "d": ["a", "e"], "e": ["d"]},
    },
    "wrong-names": {"components": {name: generic() for name in ("x y", "z w")}},
}


Trees = dict[str, dict[str, bytes]]


def answers_of(name: str) -> dict[str, Any]:
    return dict(MIXED) if name == "mixed" else copies.example(name)


def render(
    python: str,
    template: Path,
    folder: Path,
    seed: str,
    more: dict[str, Any] | None = None,
    bytecode: str = "1",
) -> tuple[Trees, dict[str, str]]:
    """The trees that a Python with a hash seed writes for the examples and for `more`; and the
    messages for the answers whose name begins with "wrong"."""
    # All folders are called `out`, because the name is the default of `project_name`.
    jobs = {f"{name}/out": answers_of(name) for name in EXAMPLES}
    jobs |= {f"{name}/out": given for name, given in (more or {}).items()}
    file = folder / "jobs.json"
    file.write_text(json.dumps({str(folder / d): given for d, given in jobs.items()}))
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": bytecode}
    environment.pop("PYTHONPATH", None)
    subprocess.run(
        [python, str(RENDER), str(template), str(file)],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )
    said = json.loads(file.with_suffix(".messages").read_text(encoding="utf-8"))
    messages = {d: said[str(folder / d)] for d in jobs}
    trees = {d: copies.tree(folder / d) for d in jobs if not d.startswith("wrong")}
    assert not [message for d, message in messages.items() if d in trees and message]
    return trees, {d: m for d, m in messages.items() if d not in trees}


@pytest.fixture(scope="module")
def usual(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trees, dict[str, str]]:
    source = random.Random(0)
    more = {f"{name}-keys": shuffled(answers_of(name), source) for name in EXAMPLES}
    return render(sys.executable, template, tmp_path_factory.mktemp("seed-0"), "0", more | WRONG)


def check_equal(found: Trees, expected: Trees) -> None:
    for name, tree in found.items():
        assert set(expected[name]) == set(tree)
        assert not [file for file in tree if expected[name][file] != tree[file]], name


@pytest.fixture(scope="module")
def other_seed(
    template: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trees, dict[str, str]]:
    return render(sys.executable, template, tmp_path_factory.mktemp("seed-1"), "4711", WRONG)


def test_files_do_not_depend_on_the_hash_seed(
    usual: tuple[Trees, dict[str, str]], other_seed: tuple[Trees, dict[str, str]]
) -> None:
    check_equal(other_seed[0], usual[0])


@pytest.mark.parametrize("name", WRONG)
def test_messages_do_not_depend_on_the_hash_seed(
    name: str, usual: tuple[Trees, dict[str, str]], other_seed: tuple[Trees, dict[str, str]]
) -> None:
    """Of several errors, always the same one is named."""
    message = usual[1][f"{name}/out"]
    assert message
    assert other_seed[1][f"{name}/out"] == message


@pytest.mark.parametrize("name", EXAMPLES)
def test_files_do_not_depend_on_the_order_of_keys(
    name: str, usual: tuple[Trees, dict[str, str]]
) -> None:
    tree = usual[0][f"{name}/out"]
    assert len(tree) > 8
    check_equal({"": usual[0][f"{name}-keys/out"]}, {"": tree})


@pytest.mark.parametrize("name", EXAMPLES)
def test_files_do_not_depend_on_the_order_of_lists(
    name: str, usual: tuple[Trees, dict[str, str]], template: Path, tmp_path: Path
) -> None:
    """Code types and the map have another order, which only the recorded answers show."""
    given = answers_of(name)
    for key in ("code_types", "dependency_map"):
        given[key] = given[key][::-1]
    found = copies.tree(copies.copy(template, tmp_path / "out", given))
    expected = dict(usual[0][f"{name}/out"])
    del found[".copier-answers.yml"], expected[".copier-answers.yml"]
    check_equal({"": found}, {"": expected})


def pinned() -> list[str]:
    """The project's dependencies, in the versions that the tests run with."""
    text = (toolbox.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    names = [entry.split(">")[0].lower() for entry in project["dependencies"]]
    extra = project["optional-dependencies"]["test"]
    return [entry for entry in extra if entry.split("==")[0].lower() in names]


@cache
def find_python(version: str) -> str | None:
    """A Python of this version, from the PATH or installed by pyenv."""
    installed = (Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python")
    candidates = [shutil.which(f"python{version}"), *map(str, sorted(installed))]
    print_version = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        # A shim of pyenv may be on the PATH although this version is not enabled.
        asked = subprocess.run([candidate, "-c", print_version], capture_output=True, text=True)
        if asked.stdout.strip() == version:
            return candidate
    return None


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_files_do_not_depend_on_the_version_of_python(
    version: str, usual: tuple[Trees, dict[str, str]], template: Path, tmp_path: Path
) -> None:
    """They equal those of the Python that runs the tests."""
    base = find_python(version)
    if base is None:
        pytest.skip(f"there is no Python {version} on the PATH or in ~/.pyenv")
    uv, home = toolbox.script("uv"), tmp_path / "venv"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([uv, "venv", "--quiet", "--python", base, str(home)], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(python), *pinned()]
    subprocess.run(install, check=True)
    # Writing bytecode saves time: the environment is new, and each copy starts a hook in it.
    trees, _ = render(str(python), template, tmp_path, "1", bytecode="")
    check_equal(trees, usual[0])
