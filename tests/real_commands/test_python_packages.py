"""What the Python code type builds, unpacked and used: Lambda zips and wheels."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import zipfile
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
    """The zip that the build leaves."""
    outcome = runner.run("app/build", project, **variables)
    assert outcome.code == 0, outcome.output
    return project / "lambda-package.zip"


def names(package: Path) -> set[str]:
    with zipfile.ZipFile(package) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def own(package: Path) -> set[str]:
    """What is in the zip beside the dependency."""
    return {name for name in names(package) if not name.startswith("iniconfig")}


def call(package: Path, folder: Path, module: str) -> object:
    """What the handler answers, as Lambda would load it."""
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    command = [sys.executable, "-S", "-E", "-B", "-c", CALL, str(folder), module]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    answer, file = json.loads(done.stdout)
    assert Path(file).is_relative_to(folder)
    return answer


def test_a_folder_with_requirements(runner: Runner, tmp_path: Path) -> None:
    package = build(runner, write(tmp_path / "app", APP))
    answer = {"statusCode": 200, "body": json.dumps({"b": "1", "event": {"n": 1}})}
    assert call(package, tmp_path / "unpacked", "lambda_handler") == answer
    # No tests, no hidden files, no lists of requirements, nothing only for development.
    assert own(package) == {"lambda_handler.py", "data/greeting.txt"}
    assert "iniconfig/__init__.py" in names(package)


@pytest.mark.parametrize("lock", [True, False], ids=["with uv.lock", "without a lock file"])
def test_a_package(runner: Runner, tmp_path: Path, lock: bool) -> None:
    package = build(runner, write(tmp_path / "app", locked() if lock else PACKAGE))
    answer = {"statusCode": 200, "body": json.dumps({"b": "1", "event": {"n": 1}})}
    assert call(package, tmp_path / "unpacked", "sample_package.handler") == answer
    shipped = {name for name in own(package) if ".dist-info/" not in name}
    assert shipped == {
        "sample_package/__init__.py",
        "sample_package/handler.py",
        "sample_package/data.txt",
    }
    assert "iniconfig/__init__.py" in names(package)


def test_no_dependencies(runner: Runner, tmp_path: Path) -> None:
    package = build(runner, write(tmp_path / "app", PLAIN))
    assert call(package, tmp_path / "unpacked", "lambda_handler") == {"n": 1}
    assert names(package) == {"lambda_handler.py"}


def test_an_undeclared_dependency_is_not_in_the_zip(runner: Runner, tmp_path: Path) -> None:
    """The way the handler is called can fail."""
    package = build(runner, write(tmp_path / "app", without(APP, "requirements.txt")))
    with pytest.raises(AssertionError, match="No module named 'iniconfig'"):
        call(package, tmp_path / "unpacked", "lambda_handler")


OTHER = "x86_64" if platform.machine() in ("aarch64", "arm64") else "aarch64"
"""A kind of machine that this one is not."""
THIS = ("aarch64" if OTHER == "x86_64" else "x86_64") + "-manylinux2014"
MARKED = f"tabulate; platform_machine == '{OTHER}'"


@pytest.mark.parametrize("shape", ["requirements.txt", "pyproject.toml", "uv.lock"])
def test_the_dependencies_are_those_of_lambdas_machines(
    runner: Runner, tmp_path: Path, shape: str
) -> None:
    """Not those of the machine that builds."""
    pyproject = PYPROJECT.replace('"iniconfig>=2"', f'"iniconfig>=2", "{MARKED}"')
    files = {
        "requirements.txt": {**APP, "requirements.txt": f"iniconfig\n{MARKED}\n"},
        "pyproject.toml": {**PACKAGE, "pyproject.toml": pyproject},
        "uv.lock": {**PACKAGE, "pyproject.toml": pyproject, "uv.lock": lock_of(pyproject)},
    }[shape]
    own_machine = build(runner, write(tmp_path / "a", files), LAMBDA_PLATFORM=THIS)
    assert not {name for name in names(own_machine) if name.startswith("tabulate")}
    platforms = {"LAMBDA_PLATFORM": f"{OTHER}-manylinux2014"}
    assert "tabulate/__init__.py" in names(build(runner, write(tmp_path / "b", files), **platforms))


@pytest.mark.parametrize("shape", ["requirements.txt", "pyproject.toml", "uv.lock"])
def test_the_dependencies_are_those_of_the_chosen_python(
    runner: Runner, tmp_path: Path, shape: str
) -> None:
    """Not those of the Python that the runner has by itself."""
    version = another_python()
    if version is None:
        pytest.skip("this machine has only one Python")
    marked = f"tabulate; python_full_version == '{version}'"
    pyproject = PYPROJECT.replace('"iniconfig>=2"', f'"iniconfig>=2", "{marked}"')
    files = {
        "requirements.txt": {**APP, "requirements.txt": f"iniconfig\n{marked}\n"},
        "pyproject.toml": {**PACKAGE, "pyproject.toml": pyproject},
        "uv.lock": {**PACKAGE, "pyproject.toml": pyproject, "uv.lock": lock_of(pyproject)},
    }[shape]
    project = write(tmp_path / "app", {**files, ".python-version": f"{version}\n"})
    assert "tabulate/__init__.py" in names(build(runner, project))


def test_requirements_that_include_others(runner: Runner, tmp_path: Path) -> None:
    files = {**APP, "requirements.txt": "-r requirements-base.txt\n"}
    project = write(tmp_path / "app", {**files, "requirements-base.txt": "iniconfig>=2\n"})
    assert runner.run("app/test", project).code == 0
    package = build(runner, project)
    assert "iniconfig/__init__.py" in names(package)
    assert own(package) == {"lambda_handler.py", "data/greeting.txt"}


VIRTUAL = PYPROJECT.partition("[build-system]")[0]
REPORTS = '[tool.pytest.ini_options]\naddopts = "--junitxml=.reports/junit.xml"\n'
LEFT = {"htmlcov/index.html": "", "coverage.xml": "", ".coverage": ""}


@pytest.mark.parametrize("shape", ["folder", "package", "locked", "no build system"])
def test_the_checks_leave_nothing_in_the_package(
    runner: Runner, tmp_path: Path, shape: str
) -> None:
    """It is the one that a build alone makes, byte for byte."""
    files = {
        "folder": APP,
        "package": PACKAGE,
        "locked": locked(),
        "no build system": {**APP, "pyproject.toml": VIRTUAL + REPORTS},
    }[shape]
    security(runner)
    project = write(tmp_path / "one/app", files)
    outcomes = runner.build("app", project)
    assert [outcome.code for outcome in outcomes.values()] == [0] * 4, outcomes
    assert "1 passed" in outcomes["test"].output
    assert not (project / ".venv").exists()
    assert (project / "uv.lock").exists() == (shape == "locked")
    package = (project / "lambda-package.zip").read_bytes()
    assert build(runner, write(tmp_path / "two/app", files)).read_bytes() == package
    assert build(runner, write(project, LEFT)).read_bytes() == package


@pytest.mark.parametrize("shape", ["folder", "package"])
def test_equal_sources_make_equal_bytes(runner: Runner, tmp_path: Path, shape: str) -> None:
    """At another time, in another folder, on another runner, in another time zone."""
    files = {"folder": APP, "package": locked()}[shape]
    first = write(tmp_path / "one" / "app", files)
    second = write(tmp_path / "another place" / "app", dict(reversed(files.items())))
    for file in second.rglob("*"):
        os.utime(file, (time.time() - 1e6, time.time() - 1e6))
    one = build(runner, first, TZ="UTC").read_bytes()
    other = Runner(tmp_path / "another runner", runner.steps)
    assert build(other, second, TZ="Asia/Tokyo").read_bytes() == one
    handler = next(name for name in files if name.endswith("handler.py") and "test" not in name)
    write(second, {handler: files[handler] + "\n# changed\n"})
    assert build(other, second).read_bytes() != one


def test_equal_sources_make_equal_bytes_on_another_runner(runner: Runner, tmp_path: Path) -> None:
    """Also with a dependency that brings a command: runners of one's own have other folders."""
    files = {**PLAIN, "requirements.txt": "tabulate\n"}
    other = Runner(tmp_path / "another runner", runner.steps)
    one = build(runner, write(tmp_path / "one" / "app", files))
    two = build(other, write(tmp_path / "two" / "app", files))
    assert one.read_bytes() == two.read_bytes()


def test_equal_sources_make_equal_bytes_whatever_the_umask(runner: Runner, tmp_path: Path) -> None:
    """Lambda runs the code as another user: what only its owner may read cannot be imported."""
    one = build(runner, write(tmp_path / "one" / "app", PLAIN)).read_bytes()
    project = write(tmp_path / "two" / "app", PLAIN)
    (project / "lambda_handler.py").chmod(0o600)
    package = build(runner, project)
    with zipfile.ZipFile(package) as archive:
        modes = {name: archive.getinfo(name).external_attr >> 16 & 0o444 for name in names(package)}
    assert modes == {"lambda_handler.py": 0o444}
    assert package.read_bytes() == one


def test_only_what_is_there_now_is_packed(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "app", {**PLAIN, "old.py": "", "lambda-package.zip": "no zip"})
    assert "old.py" in names(build(runner, project))
    (project / "old.py").unlink()
    assert names(build(runner, project)) == {"lambda_handler.py"}


def test_the_wheel_can_be_installed(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "lib", locked())
    outcome = runner.run("lib/build", project)
    assert outcome.code == 0, outcome.output
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
def test_what_a_project_is_made_of_is_not_taken_away(
    tmp_path: Path, files: dict[str, str], kept: bool
) -> None:
    """Where folders of other components are taken away before its commands."""
    command = ["bash", "-eo", "pipefail", "-c", CODE_TYPES["python"].keeps_others]
    found = subprocess.run(command, cwd=write(tmp_path, files), env={"folder": "libs/one"})
    assert (found.returncode == 0) == kept
