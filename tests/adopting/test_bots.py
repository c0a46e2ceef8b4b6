"""The workflow for bots in docs/update.md is valid and works as the page says, offline."""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import copier
import forked
import pytest
import yaml
from copies import export_template
from offline_github.repository import git
from toolbox import ROOT
from updates import commit, copier_here
from validators import validate

PAGE = (ROOT / "docs" / "update.md").read_text(encoding="utf-8")
[SNIPPET] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
WORKFLOW = ".github/workflows/update-pipelines.yml"
DEV = ".github/workflows/orchestrator-dev.yml"
STEPS: dict[str, dict[str, Any]] = {
    step["name"].split(",")[0]: step for step in yaml.safe_load(SNIPPET)["jobs"]["update"]["steps"]
}

SMALL = {"code_types": ["python"], "environments": [{"name": "dev", "branch": "main"}]}

CLIENT = ROOT / "tests" / "forked_client.py"
UVX = f"""\
uvx() {{
  [ "$1" = --with ] && shift 2
  case "$1" in copier@*) shift ;; *) exit 9 ;; esac
  {shlex.join([sys.executable, str(CLIENT)])} "$COPIER" copier "$@"
}}
"""
"""Runs the Copier of the tests instead of the one from PyPI, in the process that is forked."""

GH = """\
gh() {
  echo "gh $*" >> "$GITHUB_STEP_SUMMARY.calls"
  case "$1 $2" in "pr list") echo "$OPEN" ;; esac
}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Generated from v0.1.0, with the workflow of the page. v0.2.0 is newer."""
    versions = export_template(tmp_path / "versions")
    git("init", "--quiet", cwd=versions)
    commit(versions)
    git("tag", "v0.1.0", cwd=versions)
    header = versions / "macros" / "header.jinja"
    text = header.read_text(encoding="utf-8")
    assert "change that with" in text
    header.write_text(text.replace("change that with", "change it with"), "utf-8")
    commit(versions)
    git("tag", "v0.2.0", cwd=versions)

    folder = tmp_path / "repository"
    git("init", "--quiet", "--initial-branch=main", str(folder), cwd=tmp_path)
    options = {"defaults": True, "unsafe": True, "quiet": True}
    copier.run_copy(  # type: ignore[arg-type]
        f"git+{versions.as_uri()}", folder, data=SMALL, vcs_ref="v0.1.0", **options
    )
    (folder / WORKFLOW).write_text(SNIPPET, encoding="utf-8")
    commit(folder)
    git("init", "--quiet", "--bare", str(tmp_path / "origin"), cwd=tmp_path)
    git("remote", "add", "origin", str(tmp_path / "origin"), cwd=folder)
    return folder


def run(repository: Path, step: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the workflow as a runner does."""
    given = {"GITHUB_STEP_SUMMARY": str(repository.parent / "summary"), "COPIER": port()}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", UVX + GH + STEPS[step]["run"]],
        cwd=repository,
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=60,
        env={**os.environ, **given, **env},
    )


@functools.cache
def port() -> str:
    """The port of the process that is forked for Copier's commands."""
    return str(forked.Server().port)


def propose(repository: Path, is_open: bool = False) -> list[str]:
    """Run the last step; returns the calls of `gh`."""
    env = {"BRANCH": STEPS["Open a pull request"]["env"]["BRANCH"], "BASE": "main"}
    done = run(repository, "Open a pull request", OPEN=str(int(is_open)), **env)
    assert done.returncode == 0, done.stderr
    calls = repository.parent / "summary.calls"
    return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


def test_the_workflow_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / WORKFLOW
    file.parent.mkdir(parents=True)
    file.write_text(SNIPPET, encoding="utf-8")
    assert [str(finding) for finding in validate(tmp_path, persona="auditor")] == []
    file.write_text(SNIPPET.replace("permissions: {}", "permissions: write-all"), encoding="utf-8")
    assert validate(tmp_path) != []


def test_the_workflow_proposes_the_new_version_once(repository: Path, tmp_path: Path) -> None:
    before = (repository / DEV).read_text(encoding="utf-8")
    assert run(repository, "Update").returncode == 0
    calls = propose(repository)
    assert calls[0] == "gh auth setup-git"
    assert calls[-1].startswith(
        "gh pr create --base main --head update-pipelines --title Update the pipelines to v0.2.0 "
    )
    assert b"change it with" in git("show", f"update-pipelines:{DEV}", cwd=tmp_path / "origin")

    # Where the update has changed nothing, there is nothing to do.
    asked = len(calls)
    assert len(propose(repository)) == asked
    assert (tmp_path / "summary").read_text("utf-8") == "The pipelines are up to date.\n"

    # While the pull request is open, the step only pushes.
    git("switch", "--quiet", "main", cwd=repository)
    git("branch", "--delete", "--force", "update-pipelines", cwd=repository)
    (repository / DEV).write_text(before + "# Changed\n", encoding="utf-8")
    assert not any("gh pr create" in call for call in propose(repository, True)[asked:])
    assert b"# Changed" in git("show", f"update-pipelines:{DEV}", cwd=tmp_path / "origin")


def test_a_conflict_fails_a_bots_update(repository: Path) -> None:
    """With the command that Renovate runs. The way back is the one on the page."""
    file = repository / DEV
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace("change that with", "never change"), encoding="utf-8")
    commit(repository)
    command = ("update", "--skip-answered", "--defaults", "--trust")
    done = copier_here(
        repository, *command, "--answers-file", ".copier-answers.yml", "--vcs-ref", "v0.2.0"
    )
    assert done.returncode != 0
    assert f"{DEV}: holds a merge conflict" in done.stderr
    assert "<<<<<<< before updating" in file.read_text(encoding="utf-8")
    assert git("diff", "--name-only", "--diff-filter=U", cwd=repository).decode() == f"{DEV}\n"

    commit(repository)
    done = copier_here(repository, "update", "--trust", "--defaults", "--vcs-ref", "v0.1.0")
    assert done.returncode == 1
    assert "Downgrades are not supported" in done.stderr
    back = ("recopy", "--trust", "--defaults", "--overwrite", "--vcs-ref", "v0.1.0")
    done = copier_here(repository, *back)
    assert done.returncode == 0, done.stderr
    assert file.read_text(encoding="utf-8") == before
    assert "_commit: v0.1.0" in (repository / ".copier-answers.yml").read_text("utf-8")
