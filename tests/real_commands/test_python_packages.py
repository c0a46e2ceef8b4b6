"""Packages of Python's code type are unpacked and used: Lambda zips and wheels."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import toolbox
from commands import CODE_TYPES, Runner, write
from projects import (
    APP,
    PACKAGE,
    PLAIN,
    PYPROJECT,
    another_python,
    lock_of,
    locked,
    security,
    without,
)

CALL = """\
import importlib, json, sys
# No site-packages and no current folder: the standard library, and what was unpacked.
sys.path = [sys.argv[1], *(p for p in sys.path if p and "site-packages" not in p)]
handler = importlib.import_module(sys.argv[2])
print(json.dumps([handler.lambda_handler({"n": 1}, None), handler.__file__]))
"""


def build(runner: Runner, project: Path, **variables: str) -> Path:
    """Build the zip; returns its path."""
    outcome = runner.run("app/build", project, **variables)
    assert outcome.code == 0, outcome.output
    return project / "lambda-package.zip"


def names(package: Path) -> set[str]:
    with zipfile.ZipFile(package) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def versions_in(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))


def own(package: Path) -> set[str]:
    """The files in the zip, without the dependency."""
    return {name for name in names(package) if not name.startswith("iniconfig")}


def call(package: Path, folder: Path, module: str) -> object:
    """The result of the handler, loaded as in Lambda."""
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    command = [sys.executable, "-S", "-E", "-B", "-c", CALL, str(folder), module]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    answer, file = json.loads(done.stdout)
    assert Path(file).is_relative_to(folder)
    return answer


VIRTUAL = PYPROJECT.partition("[build-system]")[0]
REPORTS = '[tool.pytest.ini_options]\naddopts = "--junitxml=.reports/junit.xml"\n'
LEFT = {"htmlcov/index.html": "", "coverage.xml": "", ".coverage": ""}
HASHED = {
    "requirements/base.txt": (
        "iniconfig==2.0.0 \\\n"
        "    --hash=sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374\n"
    ),
    "requirements/prod.txt": "-r base.txt  # all\n",
    "requirements/dev.txt": "-r base.txt\ntabulate\n",
}
OWN_FOLDER = {"lambda_handler.py", "data/greeting.txt"}
OWN_PACKAGE = {f"sample_package/{name}" for name in ("__init__.py", "handler.py", "data.txt")}


SHAPES: dict[str, tuple[Mapping[str, str], str, set[str]]] = {
    "folder": (
        {**without(APP, "requirements.txt", "requirements-dev.txt"), **HASHED},
        "lambda_handler",
        OWN_FOLDER,
    ),
    "package": (PACKAGE, "sample_package.handler", OWN_PACKAGE),
    # Own runners have other folders, and scripts of a dependency contain their names.
    "no build system": (
        {
            **APP,
            "pyproject.toml": VIRTUAL + REPORTS,
            "requirements.txt": "iniconfig>=2\ntabulate\n",
        },
        "lambda_handler",
        OWN_FOLDER | {"pyproject.toml", "tabulate/__init__.py"},
    ),
}
"""Files, their handler, and the other contents of the package."""


@pytest.mark.parametrize("shape", SHAPES)
def test_a_package(runner: Runner, tmp_path: Path, shape: str) -> None:
    """The handler runs. A build alone makes the same bytes: without checks before it, at another
    time, in another folder, on another runner, in another time zone."""
    files, handler, has = SHAPES[shape]
    # Tests can import dependencies for development.
    test = next(name for name in files if name.startswith("tests/"))
    files = {**files, test: f"import tabulate\n{files[test]}"}
    project = write(tmp_path / "one/app", files)
    # Nothing differs for the other checks, so they run once.
    jobs = ["lint", "test", "security", "build"] if shape == "package" else ["test", "build"]
    outcomes = security(runner).build("app", project, jobs, TZ="UTC")
    assert [outcome.code for outcome in outcomes.values()] == [0] * len(jobs), outcomes
    assert [outcome.notices for outcome in outcomes.values()] == [[]] * len(jobs)
    assert "1 passed" in outcomes["test"].output
    assert not (project / ".venv").exists() and not (project / "uv.lock").exists()

    # The zip has no tests, hidden files, lists of requirements, or files for development.
    package = project / "lambda-package.zip"
    assert {name for name in own(package) if ".dist-info/" not in name} == has
    assert "iniconfig/__init__.py" in names(package)
    answer = {"statusCode": 200, "body": json.dumps({"b": "1", "event": {"n": 1}})}
    assert call(package, tmp_path / "unpacked", handler) == answer

    # Only versions in the zip are scanned, without the project and packages for development.
    found = runner.folder / "temp-app/python/versions.txt"
    scanned = versions_in(found.read_text("utf-8"))
    assert scanned.keys() == {"iniconfig"} | {"tabulate"} & {name.split("/")[0] for name in has}
    assert (scanned["iniconfig"] == "2.0.0") == (shape == "folder")
    if shape == "package":
        _, bandit, scan = runner.recorded
        pinned, *options = scan["arguments"][:5]
        assert re.fullmatch(r"pip-audit==\d+\.\d+\.\d+", pinned)
        assert options == ["--no-deps", "--disable-pip", "--requirement", str(found)]
        assert bandit["arguments"][0].startswith("bandit==")

    # Files that a person's tools have left do not matter. A project without a build system is
    # packed as a folder is.
    if shape == "no build system":
        return
    second = write(tmp_path / "another place" / "app", dict(reversed({**files, **LEFT}.items())))
    for file in second.rglob("*"):
        os.utime(file, (time.time() - 1e6, time.time() - 1e6))
    other = Runner(tmp_path / "another runner", runner.steps)
    assert build(other, second, TZ="Asia/Tokyo").read_bytes() == package.read_bytes()


def test_files_of_an_older_build_are_not_packed(runner: Runner, tmp_path: Path) -> None:
    old = {"lambda_handler.py": "", "old.py": "", "lambda-package.zip": "no zip"}
    project = write(tmp_path / "app", {**PLAIN, **old})
    build(runner, project)
    assert names(project / "lambda-package.zip") == {"lambda_handler.py", "old.py"}
    (project / "old.py").unlink()
    write(project, PLAIN)
    (project / "lambda_handler.py").chmod(0o600)
    outcome = runner.run("app/build", project, again=True)
    assert outcome.code == 0, outcome.output
    package = project / "lambda-package.zip"
    assert names(package) == {"lambda_handler.py"}
    assert call(package, tmp_path / "unpacked", "lambda_handler") == {"n": 1}
    # Lambda runs the code as another user, so all may read the files.
    with zipfile.ZipFile(package) as archive:
        assert archive.getinfo("lambda_handler.py").external_attr >> 16 & 0o777 == 0o644


def test_a_call_fails_without_a_dependency(tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("lambda_handler.py", APP["lambda_handler.py"])
    with pytest.raises(AssertionError, match="No module named 'iniconfig'"):
        call(package, tmp_path / "unpacked", "lambda_handler")


OTHER = "x86_64" if platform.machine() in ("aarch64", "arm64") else "aarch64"
"""Another architecture than that of this machine."""
THIS = ("aarch64" if OTHER == "x86_64" else "x86_64") + "-manylinux2014"


@pytest.mark.parametrize("shape", ["requirements.txt", "pyproject.toml", "uv.lock"])
def test_dependencies_are_for_lambdas_machines_and_the_chosen_python(
    runner: Runner, tmp_path: Path, shape: str
) -> None:
    """Not for the machine that builds, and not for its usual Python, if it has another. The same
    versions are scanned."""
    version = another_python() or platform.python_version()
    needs = [
        "iniconfig>=2",
        f"tabulate; platform_machine == '{OTHER}'",
        f"idna; python_full_version == '{version}'",
    ]
    pyproject = PYPROJECT.replace('["iniconfig>=2"]', json.dumps(needs))
    files = {
        "requirements.txt": {**APP, "requirements.txt": "\n".join(needs)},
        "pyproject.toml": {**PACKAGE, "pyproject.toml": pyproject},
        "uv.lock": {**PACKAGE, "pyproject.toml": pyproject, "uv.lock": lock_of(pyproject)},
    }[shape]
    project = write(tmp_path / "app", {**files, ".python-version": f"{version}\n"})
    package = build(runner, project, LAMBDA_PLATFORM=THIS)
    assert "idna/__init__.py" in names(package)
    scanned = runner.folder / "temp-app-build/python/versions.txt"
    assert {"iniconfig", "idna"} <= versions_in(scanned.read_text("utf-8")).keys()
    assert not {name for name in names(package) if name.startswith("tabulate")}
    other = {"LAMBDA_PLATFORM": f"{OTHER}-manylinux2014"}
    assert runner.run("app/build", project, again=True, **other).code == 0
    assert "tabulate/__init__.py" in names(package)


def test_the_wheel_can_be_installed(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "lib", locked())
    outcome = runner.run("lib/build", project)
    assert outcome.code == 0, outcome.output
    assert (project / "uv.lock").read_text(encoding="utf-8") == locked()["uv.lock"]
    built = {file.name for file in (project / "dist").iterdir() if not file.name.startswith(".")}
    wheel = "sample_package-1.2.3-py3-none-any.whl"
    assert built == {wheel, "sample_package-1.2.3.tar.gz"}

    uv, environment = toolbox.script("uv"), tmp_path / "environment"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    python = environment / "bin" / "python"
    install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*install, str(project / "dist" / wheel)], check=True)
    code = (
        "import sample_package, sample_package.handler as h; "
        "print(sample_package.__version__, h.lambda_handler({}, None)['statusCode'], h.__file__)"
    )
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    version, status, file = done.stdout.split(maxsplit=2)
    assert (version, status) == ("1.2.3", "200")
    assert Path(file.strip()).is_relative_to(environment)


WORKSPACE = "[tool.uv.workspace]\nmembers = ['libs/*']\n"


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        ({"pyproject.toml": WORKSPACE, "libs/one/pyproject.toml": ""}, True),
        ({"pyproject.toml": WORKSPACE, "libs/one/main.tf": ""}, False),
        ({"pyproject.toml": 'one = {path = "./libs/one"}\n', "libs/one/setup.py": ""}, True),
        ({"requirements-dev.txt": "-e libs/one\n", "libs/one/setup.py": ""}, True),
        ({"pyproject.toml": "exclude = ['libs/one']\n", "libs/one/pyproject.toml": ""}, False),
        ({"libs/one/pyproject.toml": ""}, False),
    ],
    ids=["member", "infrastructure", "by path", "editable", "named otherwise", "alone"],
)
def test_folders_that_a_project_needs_are_not_left_out(
    tmp_path: Path, files: dict[str, str], kept: bool
) -> None:
    """Folders of other components are deleted before its commands."""
    command = ["bash", "-eo", "pipefail", "-c", CODE_TYPES["python"].keeps_others]
    found = subprocess.run(command, cwd=write(tmp_path, files), env={"folder": "libs/one"})
    assert (found.returncode == 0) == kept
