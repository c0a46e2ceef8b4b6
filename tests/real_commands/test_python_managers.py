"""Python projects with their own managers are built, packed and scanned with locked versions."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import toolbox
from commands import Runner, write
from pip._internal.models.index import PyPI
from projects import security
from test_python_packages import call, names, versions_in

PROJECTS = Path(__file__).parent / "python_projects"
"""Real projects with real lock files. Each accepts any idna from 3.4 on, and locks 3.7."""

INDEX = "https://index.invalid/simple"
"""The index in these projects. Their checksums contain its address."""

SETUP_PY = {
    "setup.py": (
        "from setuptools import find_packages, setup\n\nsetup(\n"
        '    name="orders",\n    version="1.0",\n    package_dir={"": "src"},\n'
        '    packages=find_packages("src"),\n    install_requires=["idna==3.7"],\n'
        '    extras_require={"test": ["tabulate"]},\n)\n'
    )
}
SETUP_CFG = {
    "setup.cfg": (
        "[metadata]\nname = orders\nversion = 1.0\n\n[options]\npackage_dir =\n    =src\n"
        "packages = find:\ninstall_requires =\n    idna==3.7\n\n[options.packages.find]\n"
        "where = src\n\n[options.extras_require]\ntest = tabulate\n"
    ),
    "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\n',
}
DEVELOPED = {
    "requirements.in": "-e ../libs/common\n",
    "test-requirements.txt": "tabulate\n",
    "../libs/common/src/common/__init__.py": "GREETING = 'hello'\n",
    "../libs/common/pyproject.toml": (
        '[project]\nname = "common"\nversion = "1"\n\n[build-system]\n'
        'requires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'
    ),
}
HANDLER, TEST = (
    (PROJECTS / "pipenv" / file).read_text(encoding="utf-8")
    for file in ("handler.py", "tests/test_handler.py")
)
IN_SRC = {
    "src/orders/__init__.py": "",
    "src/orders/handler.py": HANDLER,
    "tests/test_handler.py": TEST.replace("from handler", "from orders.handler"),
}

SHAPES: dict[str, Mapping[str, str] | str] = {
    "uv": "uv-workspace",
    "poetry": "poetry",
    "pdm": "pdm",
    "pipenv": "pipenv",
    "setup.py": {**SETUP_PY, **IN_SRC},
    "setup.cfg, requirements with a folder": {**SETUP_CFG, **DEVELOPED, **IN_SRC},
}


@functools.cache
def lock_of_workspace() -> str:
    """The `uv.lock` that uv writes on this machine, with an older idna."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PROJECTS / "uv-workspace", folder, dirs_exist_ok=True)
        command = [toolbox.script("uv"), "lock", "--quiet", "--upgrade-package", "idna==3.7"]
        environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        subprocess.run(command, cwd=folder, env=environment, check=True)
        return (Path(folder) / "uv.lock").read_text(encoding="utf-8")


def project(shape: str, folder: Path) -> Path:
    """Write the project into a repository of its own."""
    files = SHAPES[shape]
    if not isinstance(files, str):
        return write(folder / "app", files)
    shutil.copytree(PROJECTS / files, folder)
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(INDEX, PyPI.simple_url), encoding="utf-8")
    if shape != "uv":
        return folder
    write(folder, {"uv.lock": lock_of_workspace()})
    return folder / "functions/orders"


@pytest.mark.parametrize("shape", SHAPES)
def test_locked_versions_are_tested_scanned_and_packed(
    runner: Runner, tmp_path: Path, shape: str
) -> None:
    repository = tmp_path / "repository"
    path = project(shape, repository)
    before = set(repository.rglob("*"))
    # The commands that do not depend on the manager run once. setup.py is packed as setup.cfg is.
    whole = ["lint", "test", "security", "build"]
    jobs = {"uv": whole, "setup.py": ["test"]}.get(shape, ["test", "build"])
    outcomes = security(runner).build("app", path, jobs, GITHUB_WORKSPACE=str(repository))
    assert [outcome.code for outcome in outcomes.values()] == [0] * len(jobs), outcomes
    assert "1 passed" in outcomes["test"].output
    assert [outcome.notices for outcome in outcomes.values()] == [[]] * len(jobs)

    found = runner.folder / "temp-app/python"
    assert versions_in((found / "versions.txt").read_text("utf-8"))["idna"] == "3.7"
    if shape == "uv":
        [scan] = [one for one in runner.recorded if one["arguments"][0].startswith("pip-audit")]
        assert [*scan["files"]] == [str(found / "versions.txt")]

    if "build" not in jobs:
        assert (found / "folders.txt").read_text("utf-8") == f"{path}\n"
        return
    package = path / "lambda-package.zip"
    module = "handler" if "handler.py" in names(package) else "orders.handler"
    assert call(package, tmp_path / "unpacked", module) is not None
    assert "idna-3.7.dist-info/METADATA" in names(package)
    # The zip has no packages for development and no links to this machine. No lock file is left.
    assert not {name for name in names(package) if re.search(r"tabulate|\.pth$|__editable__", name)}
    left = {p for p in set(repository.rglob("*")) - before if p.name != "lambda-package.zip"}
    made = r"/(build|[\w.]+\.egg-info|__pycache__|\.pytest_cache|\.ruff_cache|\.pdm-build)(/|$)"
    assert {str(p) for p in left if not re.search(made, str(p))} == set()
    if shape in ("uv", "setup.cfg, requirements with a folder"):
        [common] = [name for name in names(package) if re.match(r"common(/__init__)?\.py", name)]
        with zipfile.ZipFile(package) as archive:
            assert b"hello" in archive.read(common)


# Wrong and missing lock files


NEWER = {
    "poetry": ("pyproject.toml", 'idna = ">=3.7"', 'idna = ">=3.8"'),
    "pdm": ("pyproject.toml", "idna>=3.7", "idna>=3.8"),
    "pipenv": ("Pipfile", 'idna = ">=3.7"', 'idna = ">=3.8"'),
    "uv": ("pyproject.toml", "idna>=3.4", "idna>=3.8"),
}


@pytest.mark.parametrize("shape", NEWER)
def test_a_lock_file_that_does_not_match_is_an_error(
    runner: Runner, tmp_path: Path, shape: str
) -> None:
    path = project(shape, tmp_path / "repository")
    locks = {file: file.read_bytes() for file in (tmp_path / "repository").rglob("*lock*")}
    file, old, new = NEWER[shape]
    text = (path / file).read_text("utf-8")
    assert old in text
    write(path, {file: text.replace(old, new)})
    outcome = runner.run("app/test", path, GITHUB_WORKSPACE=str(tmp_path / "repository"))
    assert outcome.code == 1, outcome.output
    assert "::error title=Dependencies::" in outcome.output
    assert locks and locks == {lock: lock.read_bytes() for lock in locks}


def test_without_a_lock_file_none_is_written(runner: Runner, tmp_path: Path) -> None:
    path = project("poetry", tmp_path / "app")
    (path / "poetry.lock").unlink()
    before = {p.name for p in path.iterdir()}
    assert runner.run("app/lint", path).code == 0
    assert {p.name for p in path.iterdir()} - {".ruff_cache"} == before
    versions = runner.folder / "temp-app-lint/python/versions.txt"
    assert versions_in(versions.read_text("utf-8"))["idna"] != "3.7"  # the newest idna


# Files that are not read


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("environment.yml", "dependencies:\n  - idna\n"),
        ("requirements-gpu.txt", "idna\n"),
        ("pylock.toml", 'lock-version = "1.0"\n'),
        ("main.py", '# /// script\n# dependencies = ["idna"]\n# ///\n'),
        ("pyproject.toml", "[tool.pixi.dependencies]\nidna = '*'\n"),
        ("pyproject.toml", "[project\n"),
    ],
    ids=["conda", "an unknown name", "pylock.toml", "a script", "pixi", "broken"],
)
def test_dependencies_in_an_unknown_file_are_an_error(
    runner: Runner, tmp_path: Path, file: str, text: str
) -> None:
    path = write(tmp_path / "app", {"handler.py": "", file: text})
    outcome = runner.run("app/test", path)
    [error] = [line for line in outcome.output.splitlines() if line.startswith("::error")]
    assert outcome.code == 1 and f"{path}/{file} " in error


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("requirements.txt", b"-r base.txt\n", "/base.txt cannot be read: "),
        ("requirements.txt", "idna\n".encode("utf-16"), "/requirements.txt cannot be read: "),
        ("setup.cfg", b"name = orders\n", "/setup.cfg cannot be read: "),
    ],
    ids=["not there", "not UTF-8", "without a section"],
)
def test_a_file_that_cannot_be_read_is_one_line(
    runner: Runner, tmp_path: Path, file: str, text: bytes, said: str
) -> None:
    path = write(tmp_path / "app", {"handler.py": ""})
    (path / file).write_bytes(text)
    outcome = runner.run("app/test", path)
    [error] = [line for line in outcome.output.splitlines() if line.startswith("::error")]
    assert outcome.code == 1 and said in error
    assert "Traceback" not in outcome.output


def test_what_some_editors_write_is_read(runner: Runner, tmp_path: Path) -> None:
    """A mark at the beginning of a file, and a version manager's `latest`."""
    own = {"requirements.txt": "\ufeffidna==3.7\n", "mise.toml": '[tools]\npython = "latest"\n'}
    outcome = runner.run("app/test", write(tmp_path / "app", {"handler.py": "", **own}))
    assert outcome.code == 0, outcome.output
    line = "::notice::Not read, because it names no version of Python: latest"
    assert runner.installed and line in runner.installed.output


def test_a_link_to_a_folder_of_the_machine_is_not_packed(runner: Runner, tmp_path: Path) -> None:
    path = write(tmp_path / "app", {"handler.py": "", "requirements.txt": "", "own.pth": "/src\n"})
    outcome = runner.run("app/build", path)
    assert outcome.code == 1
    assert "::error title=Package::" in outcome.output and "own.pth" in outcome.output


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pyproject.toml", '[tool.poetry]\n[tool.poetry.dependencies]\npython = "^3.99"\n'),
        ("pyproject.toml", '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.99"\n'),
        ("Pipfile", '[requires]\npython_version = "3.99"\n'),
        ("setup.cfg", "[metadata]\nname = a\n[options]\npython_requires = >=3.99\n"),
        ("setup.py", "from setuptools import setup\n\nsetup(\n    python_requires='>=3.99',\n)\n"),
        ("../.tool-versions", "python 3.99\n"),
        ("mise.toml", '[tools]\npython = "3.99"\n'),
        (".python-version", "3.99\n"),
    ],
)
def test_the_required_python_is_used(runner: Runner, tmp_path: Path, file: str, text: str) -> None:
    path = write(tmp_path / "app", {"handler.py": "", file: text})
    outcome = runner.run("app/test", path)
    assert outcome.code == 1 and "3.99" in outcome.output, outcome.output


# The project's own linters and tests


HOOKS = """\
repos:
  - repo: local
    hooks:
      - {id: no-commit-to-branch, name: never, language: fail, entry: never, always_run: true}
      - {id: own, name: own, language: system, entry: python other/own.py}
"""
OWN_HOOK = "import sys\n\nimport tabulate\n\nprint(sys.argv)\nsys.exit(tabulate.__name__)\n"
NOX = """\
import nox


@nox.session(venv_backend="none")
def lint(session):
    session.run("python", "-c", "print('linted' + ' by nox')")


@nox.session(venv_backend="none")
def tests(session):
    session.run("python", "-c", "import tabulate; print('tested' + ' by nox')")
"""
TOX = """\
[tox]
env_list = py39, lint
skipsdist = true

[testenv]
commands = python -c "print('tested' + ' by tox')"

[testenv:lint]
commands = python -c "print('linted' + ' by tox')"
"""
PLAIN = {"handler.py": "", "test_handler.py": "def test_it():\n    pass\n"}


@pytest.mark.parametrize(
    ("job", "files", "said"),
    [
        ("test", {"requirements-dev.txt": "pytest==8.3.5\n"}, "pytest-8.3.5"),
        ("lint", {"requirements-dev.txt": "ruff==0.14.5\n"}, "+ ruff check ."),
        ("lint", {"../ruff.toml": 'required-version = "==0.14.5"\n'}, "+ uvx ruff==0.14.5 check"),
        ("lint", {"mise.toml": '[tools]\nruff = "0.14.5"\n'}, "+ uvx ruff==0.14.5 check"),
        ("lint", {".flake8": "[flake8]\nextend-select = W291\n", "a.py": "a = 1 \n"}, "W291"),
        ("lint", {"setup.cfg": "[pylint.main]\n", "a.py": "import abc\n"}, "unused-import"),
    ],
)
def test_the_projects_own_tools_check_it(
    runner: Runner, tmp_path: Path, job: str, files: dict[str, str], said: str
) -> None:
    path = write(tmp_path / "app", {**PLAIN, **files})
    in_git(tmp_path)
    outcome = runner.run(f"app/{job}", path)
    finds = "a.py" in files
    assert (bool(outcome.code), said in outcome.output) == (finds, True), outcome.output
    assert "--select" not in outcome.output  # none of our rules


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ({"tox.ini": TOX}, "tox"),
        ({"noxfile.py": NOX, "dev-requirements.txt": "tabulate\n"}, "nox"),
    ],
)
def test_one_own_tool_may_lint_and_test(
    runner: Runner, tmp_path: Path, files: dict[str, str], tool: str
) -> None:
    path = write(tmp_path / "app", {**PLAIN, **files})
    lint, test = runner.build("app", path, ["lint", "test"]).values()
    assert (lint.code, test.code) == (0, 0), (lint, test)
    assert f"linted by {tool}" in lint.output and f"tested by {tool}" in test.output
    assert "--select" not in lint.output  # none of our rules


def test_hooks_of_the_repository_check_only_the_project(runner: Runner, tmp_path: Path) -> None:
    files = {"requirements-dev.txt": "tabulate\n", "../.pre-commit-config.yaml": HOOKS}
    path = write(tmp_path / "app", {**PLAIN, **files, "../other/own.py": OWN_HOOK})
    in_git(tmp_path)
    outcome = runner.run("app/lint", path)
    [called] = re.findall(r"^\['other/own.py'(.*)\]$", outcome.output, re.MULTILINE)
    files = {"app/handler.py", "app/test_handler.py", "app/requirements-dev.txt"}
    assert set(re.findall("'(.+?)'", called)) == files and outcome.code != 0
    assert re.search(r"never\.+Skipped", outcome.output)


def in_git(folder: Path) -> None:
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
