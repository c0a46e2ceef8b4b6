"""Where each environment has a folder of its own, nothing else is ever applied there. Terraform is
the real one where it is installed, else a recorded stub, as tflint."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import commit, failed, generic, start, with_commands
from offline_github import OfflineGitHub

ANSWERS: dict[str, Any] = {
    "components": {
        "app": {"code_type": "terraform", "path": "live/{environment}/app", "lint": ""},
        "dns": {
            "code_type": "terraform",
            "path": "live/{environment}_dns",
            "lint": "",
            "environments": ["prd"],
        },
        **generic(["pack"], lint="", test="", security=""),
    },
    "dependency_map": [
        {
            "code_type": "app",
            "depends_on": "pack",
            "artifacts": [{"name": "package.txt", "to": "live/{environment}/app/package.txt"}],
        },
        {"code_type": "dns", "depends_on": "app"},
    ],
    "branching": "trunk",
}
MAIN = 'resource "terraform_data" "sample" {}\n'
FILES = {
    **{f"live/{name}/app/main.tf": MAIN for name in ("dev", "test", "prd")},
    "live/prd_dns/main.tf": MAIN,
    "parts/pack/README.md": "",
}
BUILD = "#!/bin/sh\necho made > package.txt\n"


@pytest.fixture
def github(template: Path, tmp_path: Path) -> OfflineGitHub:
    github = start(template, tmp_path, ANSWERS, FILES)
    github.environments = {"prd-approval": {"reviewers": True}}
    with_commands(github).tools.then("build", BUILD)
    github.tools.watch(["package.txt"], [])
    if terraform := shutil.which("terraform"):
        quietly = "CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE=/dev/null"
        github.tools.then("terraform", f'{quietly} exec {terraform} "$@"')
    return github


def folders(github: OfflineGitHub, job: str) -> list[str]:
    """The folders in which Terraform was called in a job, each once, in order."""
    calls = [c.folder for c in github.commands("terraform") if c.job == job]
    return list(dict.fromkeys(calls))


def test_each_environment_gets_its_own_folder(github: OfflineGitHub) -> None:
    runs = github.push("main")
    assert [run.conclusion for run in github.runs] == ["success"] * 3, [
        (k, j.errors) for run in runs for k, j in run.jobs.items() if j.errors
    ]
    every = [f"live/{name}/app" for name in ("dev", "test", "prd")]
    assert folders(github, "app-build / build") == every
    assert folders(github, "dns-build / build") == ["live/prd_dns"]
    for name in ("dev", "test", "prd"):
        assert folders(github, f"app-{name} / deploy") == [f"live/{name}/app"]
    assert folders(github, "dns-prd / deploy") == ["live/prd_dns"]
    digest = hashlib.sha256(b"made\n").hexdigest()
    for command in github.commands("terraform"):
        if command.folder.endswith("app"):
            assert command.files == {"package.txt": digest}


def test_a_folder_that_is_missing_is_named(github: OfflineGitHub, tmp_path: Path) -> None:
    (tmp_path / "repository" / "live/test/app/main.tf").unlink()
    commit(tmp_path / "repository", {})
    [run] = github.push("main")
    assert failed(run) == {"app-build", "app-build / build", "deployment-summary"}
    [error] = [e for e in run.job("app-build / build").log.splitlines() if "no folder" in e]
    assert "There is no folder live/test/app" in error and "components.app.environments" in error
    assert not folders(github, "app-dev / deploy")
