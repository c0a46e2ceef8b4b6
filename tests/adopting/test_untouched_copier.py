"""Copier itself, unchanged and in a process of its own: one copy, one update, one wrong answer.

The other tests change parts of Copier to be fast (tests/copies.py, tests/updates.py and
tests/forked.py). NEWEST_COPIER=1 also runs the newest Copier of the package index.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace

import copier
import copier._main
import pytest
from copies import Copied, example, tree
from offline_github.repository import git
from toolbox import EXAMPLES, ROOT, script
from updates import commit, replace, template_versions

ANSWERS = EXAMPLES / "lambda.yml"
ANSWERS_FILE = ".copier-answers.yml"
WARNING = "copier: this version does not say whether it updates"


def run(
    program: str, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Copier's command, without a terminal."""
    return subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        timeout=120,
    )


def install_newest(folder: Path) -> str:
    """Install the newest Copier into an environment of its own; returns its command."""
    uv = script("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = ["copier", "copier-template-extensions"]
    install = [uv, "pip", "install", "--quiet", "--upgrade", "--python", python, *packages]
    subprocess.run(install, check=True)
    return str(python.with_name("copier.exe" if os.name == "nt" else "copier"))


@pytest.fixture(scope="module", params=["pinned", "newest"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Copier's command: the version of all tests, and the newest one."""
    if request.param == "pinned":
        return script("copier")
    if "NEWEST_COPIER" not in os.environ:
        pytest.skip("NEWEST_COPIER=1 installs the newest Copier and runs it")
    newest = install_newest(tmp_path_factory.mktemp("newest") / "environment")
    print(f"\nThe newest Copier: {run(newest, '--version').stdout.strip()}")
    return newest


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a git repository with two versions."""
    page = replace("template/docs/ci-cd.md.jinja", "# CI/CD", "# Pipelines")
    return template_versions(tmp_path_factory.mktemp("versions") / "template", page)


def check_success(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert "Pipelines for 2 components, deployed in this order:" in done.stdout
    assert WARNING not in done.stderr
    assert "Running task" not in done.stderr  # the hooks are processes without an error


def test_a_copy_an_update_and_a_wrong_answer(
    program: str, versions: Path, copied: Copied, tmp_path: Path
) -> None:
    url, folder = f"git+{versions.as_uri()}", tmp_path / "repository"
    options = ("--trust", "--defaults")
    done = run(program, "copy", *options, "-r", "v1.0.0", f"--data-file={ANSWERS}", url, folder)
    check_success(done)
    # The fast copies of the other tests are the same, byte for byte.
    here, quick = tree(folder), tree(copied(example("lambda")))
    texts = here.pop(ANSWERS_FILE).decode(), quick.pop(ANSWERS_FILE).decode()
    own = re.compile(r"^_(commit|src_path): .*\n", re.MULTILINE)
    assert own.sub("", texts[0]) == own.sub("", texts[1])
    assert here == quick

    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    commit(folder, "Generated")
    done = run(program, "update", *options, folder)
    check_success(done)
    changed = git("status", "--porcelain", cwd=folder).decode().split()
    assert changed == ["M", ANSWERS_FILE, "M", "docs/ci-cd.md"]

    # Only an update refuses an edited answer, so the template knew that this is an update.
    commit(folder, "Updated")
    replace(ANSWERS_FILE, "approval: once", "approval: none")(folder)
    commit(folder, "An answer edited by hand")
    done = run(program, "update", *options, folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(
        "approval: edited by hand in .copier-answers.yml"
    )
    assert git("status", "--porcelain", cwd=folder) == b""


def load_internals() -> ModuleType:
    """Load the module again, as each render does."""
    file = ROOT / "extensions" / "pipeline" / "for_copier" / "copier_internals.py"
    spec = importlib.util.spec_from_file_location("copier_internals_anew", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("left", [{}, {"_operation": "update"}], ids=["none", "another kind"])
def test_a_missing_internal_part_is_reported_once(
    left: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = ModuleType("copier._main")
    newer.__dict__.update(left)
    monkeypatch.setitem(sys.modules, "copier._main", newer)
    monkeypatch.delitem(sys.modules, load_internals().WARNED, raising=False)
    for _ in range(2):
        assert load_internals().is_update() is False
        assert load_internals().is_update() is False
    told = capsys.readouterr().err
    assert told.startswith(WARNING) and told.count("\n") == 1
    monkeypatch.delitem(sys.modules, load_internals().WARNED)


def test_a_copy_works_without_the_internal_part(
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a Copier whose internal part is an object of another type."""
    part = copier._main._operation
    other = SimpleNamespace(get=part.get, set=part.set, reset=part.reset)
    monkeypatch.setattr(copier._main, "_operation", other)
    monkeypatch.delitem(sys.modules, load_internals().WARNED, raising=False)
    options = {"defaults": True, "unsafe": True}
    copier.run_copy(str(template), tmp_path / "copy", data=example("lambda"), **options)
    out, err = capsys.readouterr()
    assert err.count(WARNING) == 1
    assert "Pipelines for 2 components" in out
    monkeypatch.delitem(sys.modules, load_internals().WARNED)
