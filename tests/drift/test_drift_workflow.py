"""The generated drift check of pull requests is executed.

The template is read with git, and uv is a stub.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import forked
import pytest
from generated_repositories import commit
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from template_versions import commit as release
from test_drift import (
    CHECKOUT,
    NEWER,
    ORCHESTRATOR,
    OWN,
    PINNED,
    PYTHON,
    Change,
    append,
    edit,
    recorded,
)
from toolbox import ROOT

CLIENT = ROOT / "tests" / "forked_client.py"
UV = f"""\
#!/usr/bin/env bash
# Runs the same command as uv, in a Python that has imported the packages already.
printf '%s\\n' "$*" > "$RUNNER_TEMP/arguments"
while [ "$1" != python ]; do shift; done
exec {sys.executable} {CLIENT} PORT "${{@:2}}"
"""


@pytest.fixture(scope="module")
def uv() -> Iterator[str]:
    with forked.Server() as server:
        yield UV.replace("PORT", str(server.port))
        server.shutdown()


@pytest.fixture
def github(repository: Path, tmp_path: Path, uv: str) -> OfflineGitHub:
    """A repository with the generated files on main."""
    git("init", "--quiet", "--initial-branch=main", cwd=repository)
    git("config", "user.name", "Test", cwd=repository)
    git("config", "user.email", "test@example.invalid", cwd=repository)
    commit(repository, {}, "Generated")
    github = OfflineGitHub(tmp_path / "github", repository)
    github.remote.push("refs/heads/main")
    github.secrets = {"TOKEN": "of the repository"}
    github.tool("uv", uv)
    # The check clones the template into this folder.
    github.runner_environment = {"TMPDIR": tempfile.gettempdir()}
    return github


def proposed(github: OfflineGitHub, *changes: Change) -> Run:
    """The run that checks a pull request with these changes."""
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--create", "change", cwd=work_tree)
    for change in changes:
        change(work_tree)
    commit(work_tree, {}, "A change")
    [run] = github.pull_request("change", fork=True)
    assert (run.workflow_file, run.results) == ("drift.yml", {"drift": run.conclusion})
    assert run.job("drift").permissions == {"contents": "read"}
    return run


def test_changed_pins_and_own_jobs_pass(github: OfflineGitHub) -> None:
    """In a pull request and in the merge queue."""
    run = proposed(github, append(ORCHESTRATOR, OWN), edit(PINNED, CHECKOUT, NEWER, 1))
    log = run.job("drift").log
    assert run.conclusion == "success", log
    assert f"own: {ORCHESTRATOR}: " in log and f"pins: {PINNED}: " in log
    assert "No drift from v1.2.0 (allowed: 1 with other pins)" in log
    assert {entry["tool"] for entry in github.actions_used()} == {"astral-sh/setup-uv"}
    [queued] = github.merge_group("change")
    assert (queued.workflow_file, queued.conclusion) == ("drift.yml", "success")


def test_an_edit_fails_and_its_lines_are_shown(github: OfflineGitHub) -> None:
    old, new = "    timeout-minutes: 60\n", "    timeout-minutes: 45\n"
    run = proposed(github, edit(PYTHON, old, new, 1))
    assert run.conclusion == "failure"
    log = run.job("drift").log
    assert f"edited: {PYTHON}: " in log
    assert "  | -    timeout-minutes: 60\n" in log and "  | +    timeout-minutes: 45\n" in log
    assert "Drift from v1.2.0: 1 edited" in log


@pytest.mark.parametrize("address", ["git+file://{}", "'{}'", "{}"])
def test_the_check_of_the_recorded_version_runs(
    address: str, github: OfflineGitHub, versions: Path, tmp_path: Path
) -> None:
    """A newer version's check would fail here. YAML may quote the address."""
    newer = shutil.copytree(versions, tmp_path / "newer")
    (newer / "hooks" / "drift.py").write_text("raise SystemExit(1)\n", encoding="utf-8")
    release(newer, "The next", "v1.3.0")
    run = proposed(github, recorded("_src_path", address.format(newer)))
    assert run.conclusion == "success", run.job("drift").log
    assert "No drift from v1.2.0 (allowed: behind)" in run.job("drift").log


@pytest.mark.parametrize(
    "key, value", [("_src_path", "/no/where"), ("_commit", "v9"), ("_commit", "--output=x")]
)
def test_a_template_that_cannot_be_read_is_named(
    key: str, value: str, github: OfflineGitHub
) -> None:
    run = proposed(github, recorded(key, value))
    assert run.conclusion == "failure"
    [error] = [line for line in run.job("drift").errors if "answers" in line]
    assert error.startswith(".copier-answers.yml: the template at _src_path cannot be read")


def with_git_settings(github: OfflineGitHub, folder: Path, text: str) -> None:
    (folder / "gitconfig").write_text(text, encoding="utf-8")
    github.runner_environment = {"GIT_CONFIG_GLOBAL": str(folder / "gitconfig")}


@pytest.mark.parametrize("start", ["gh:", "gh:/", "git+https://github.com/", "https://github.com/"])
def test_addresses_that_copier_accepts(
    start: str, github: OfflineGitHub, versions: Path, tmp_path: Path
) -> None:
    """Git's settings map GitHub to a folder."""
    (tmp_path / "template.git").symlink_to(versions)
    here = f'[url "{tmp_path}/"]\n\tinsteadOf = https://github.com/acme/\n'
    with_git_settings(github, tmp_path, here)
    run = proposed(github, recorded("_src_path", f"{start}acme/template.git"))
    assert run.conclusion == "success", run.job("drift").log


def test_an_ssh_address_is_read_over_https(github: OfflineGitHub, tmp_path: Path) -> None:
    with_git_settings(github, tmp_path, "[http]\n\tproxy = http://127.0.0.1:9\n")
    run = proposed(github, recorded("_src_path", "git@github.com:acme/template.git"))
    assert "unable to access 'https://github.com/acme/template.git/'" in run.job("drift").log
