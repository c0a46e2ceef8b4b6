"""This repository itself: names, style, and pages that repeat facts from elsewhere."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from toolbox import ROOT, script


def tracked() -> list[str]:
    """The files that git has, or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return listed.stdout.decode("utf-8").split("\0")[:-1]


def test_windows_can_hold_every_file() -> None:
    names = tracked()
    assert names
    for name in names:
        assert len(name) <= 160, name
        for part in PurePosixPath(name).parts:
            assert not re.search(r'[<>:"|?*\\\x00-\x1f]', part), name
            assert not part.endswith((".", " ")), name
            assert part.split(".")[0].lower() not in ("con", "prn", "aux", "nul"), name
    assert len({name.lower() for name in names}) == len(names)


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_finds_nothing(arguments: list[str]) -> None:
    done = subprocess.run([script("ruff"), *arguments, "--quiet"], cwd=ROOT, capture_output=True)
    assert (done.returncode, done.stdout.decode()) == (0, "")


def test_mypy_finds_nothing() -> None:
    """It checks all code that runs on a user's machine."""
    paths = ["extensions/pipeline", "hooks", "catalogue/fleet.py", "dev.py"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", *paths], cwd=ROOT, capture_output=True
    )
    assert (done.returncode, done.stdout.decode()) == (0, "")


def variables_read(file: Path) -> Iterator[str]:
    """The environment variables that a module of the tests reads by name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(ast.Attribute(found, "get" | "setdefault"), [ast.Constant(name), *_]):
                pass
            case ast.Subscript(found, ast.Constant(name)):
                pass
            case ast.Compare(ast.Constant(name), [ast.In() | ast.NotIn()], [found]):
                pass
            case _:
                continue
        if ast.unparse(found) == "os.environ" and isinstance(name, str):
            yield name


OF_OTHERS = ("PATH", "TMPDIR", "PYTEST_", "OFFLINE_")
"""Variables of others: the machine, pytest, and the double of GitHub for its own programs."""


def test_the_contributing_page_lists_every_variable_of_the_tests() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)=", text, re.MULTILINE)
    files = [ROOT / name for name in tracked() if re.fullmatch(r"tests/.*\.py", name)]
    read = {name for file in files if file.exists() for name in variables_read(file)}
    assert {name for name, _ in rows} == {n for n in read if not n.startswith(OF_OTHERS)}
    assert all(name == used for name, used in rows)


def functions_of(place: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The tests of a file or folder: the name that `-k` searches, and the function."""
    path = ROOT / place
    for file in [path] if path.is_file() else sorted(path.glob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{file.name}::{node.name}", node


def test_the_examples_of_the_contributing_page_choose_tests() -> None:
    """Otherwise a renamed test would leave an example that selects nothing, unnoticed."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    examples = re.findall(r"=\S+ python3 dev\.py test (\S+)(?: -k (\w+))?`", text)
    assert len(examples) > 10
    for place, word in examples:
        assert any(word in name for name, _ in functions_of(place)), (place, word)


def test_the_command_for_a_changed_output_runs_all_that_write_it() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [(place, word)] = set(re.findall(r"UPDATE_SNAPSHOTS=1 .* test (\S+) -k (\w+)", text))
    writing = [
        name
        for name, function in functions_of(place)
        if any(isinstance(node, ast.Name) and node.id == "UPDATE" for node in ast.walk(function))
    ]
    assert len(writing) == 2
    assert [name for name in writing if word not in name] == []


def test_code_for_users_imports_only_what_copier_installs() -> None:
    """It may import the standard library, jinja2, PyYAML, pathspec and copier."""
    allowed = {*sys.stdlib_module_names, "yaml", "jinja2", "pathspec", "copier", "pipeline"}
    allowed |= {file.stem for file in (ROOT / "hooks").glob("*.py")}
    for folder in ("extensions", "hooks"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            imported = set(re.findall(r"^\s*(?:from|import) ([a-z_]\w*)", text, re.MULTILINE))
            assert imported <= allowed, file


def test_drift_py_installs_the_same_packages_as_the_project() -> None:
    """Its header names them for uv, and the generated workflow pins the versions of the tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "hooks" / "drift.py").read_text(encoding="utf-8")
    block = re.match(r"# /// script\n((?:# .*\n)+)# ///\n", text)
    assert block
    script_block = tomllib.loads(re.sub(r"^# ", "", block[1], flags=re.MULTILINE))
    assert script_block["requires-python"] == project["requires-python"]
    # Jinja2 and PyYAML come with Copier.
    assert script_block["dependencies"] == project["dependencies"][:2]
    [workflow] = (ROOT / "template" / ".github" / "workflows").glob("*%]drift.yml*")
    pins = set(re.findall(r"--with (\S+)", workflow.read_text(encoding="utf-8")))
    assert len(pins) == 2 and pins < set(project["optional-dependencies"]["test"])


def test_the_docs_have_the_costs_that_the_benchmark_prints() -> None:
    program = ROOT / "benchmarks" / "orchestrations.py"
    printed = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    text = (ROOT / "docs" / "orchestrations.md").read_text(encoding="utf-8")
    assert printed.stdout.count("| as required |") == 10
    assert all(line in text.splitlines() for line in printed.stdout.splitlines())


def test_the_package_lists_its_modules() -> None:
    folder = ROOT / "extensions" / "pipeline"
    text = (folder / "__init__.py").read_text(encoding="utf-8")
    listed = re.findall(r"^    (\w+\.py) ", text, re.MULTILINE)
    assert sorted(listed) == sorted(f.name for f in folder.glob("*.py") if f.stem != "__init__")
