"""This repository's own `.github/` equals what the template in the work tree generates.

The answers are those of `.copier-answers.yml`. `UPDATE_SNAPSHOTS=1` writes the files instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from copies import copy, tree
from pipeline.questions import DEFAULTS
from test_files import UPDATE
from toolbox import ROOT

ANSWERS = ROOT / ".copier-answers.yml"
CODE_TYPES = ".github/code-types/"
"""Files of people. All other files in `.github/` are generated."""


def recorded() -> dict[str, object]:
    answers = yaml.safe_load(ANSWERS.read_text(encoding="utf-8"))
    assert isinstance(answers, dict)
    return answers


def own_files(root: Path) -> dict[str, bytes]:
    """All generated files in `.github/`, and `docs/ci-cd.md`."""
    files = {f".github/{name}": content for name, content in tree(root / ".github").items()}
    files["docs/ci-cd.md"] = (root / "docs" / "ci-cd.md").read_bytes()
    return {name: text for name, text in files.items() if not name.startswith(CODE_TYPES)}


def test_github_folder_reads_as_generated(template: Path, tmp_path: Path) -> None:
    answers = {name: value for name, value in recorded().items() if not name.startswith("_")}
    shutil.copytree(ROOT / CODE_TYPES, tmp_path / CODE_TYPES)
    expected = own_files(copy(template, tmp_path, answers))
    if UPDATE:
        for name in own_files(ROOT):
            (ROOT / name).unlink()
        for name, content in expected.items():
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_bytes(content)
    found = own_files(ROOT)
    differing = {
        name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
    }
    assert sorted(differing) == [], "UPDATE_SNAPSHOTS=1 writes them: see CONTRIBUTING.md"
    # A copy records the same answers, so `copier update` changes none.
    new = yaml.safe_load((tmp_path / ANSWERS.name).read_text(encoding="utf-8"))
    recorded_now = {name: value for name, value in new.items() if not name.startswith("_")}
    # Until the next update, newer questions have their defaults.
    later = {name: DEFAULTS[name] for name in recorded_now.keys() - answers.keys()}
    assert recorded_now == {**answers, **later}


def test_copier_can_update_own_pipelines_in_any_clone() -> None:
    """The template is this repository, at a commit that each clone has."""
    answers = recorded()
    assert answers["_src_path"] == "."
    git = ["git", "-C", str(ROOT)]
    shallow = subprocess.run(
        [*git, "rev-parse", "--is-shallow-repository"], capture_output=True, text=True, check=True
    )
    if shallow.stdout.strip() == "false":
        ancestor = [*git, "merge-base", "--is-ancestor", str(answers["_commit"]), "HEAD"]
        assert subprocess.run(ancestor, check=False).returncode == 0, "see CONTRIBUTING.md"


@pytest.mark.parametrize(("tag", "heading"), [("v0.2.0", "### Changed"), ("v9.9.9", "")])
def test_a_tag_is_released_with_its_changes(tag: str, heading: str, tmp_path: Path) -> None:
    """A stub of `gh` has no release, and prints its arguments."""
    tool = tmp_path / "gh"
    tool.write_text('#!/bin/sh\n[ "$2" = create ] && printf "%s\\n" "$@"\n', encoding="utf-8")
    tool.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "GITHUB_REF_NAME": tag, "GITHUB_REPOSITORY": "acme/template"}
    command = ["bash", str(ROOT / ".ci" / "release")]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)
    if heading:
        assert done.stdout.startswith(
            f"release\ncreate\n{tag}\n--repo\nacme/template\n--verify-tag\n"
        )
        assert heading in done.stdout and "## [" not in done.stdout
    else:
        assert (done.returncode, done.stdout.count("\n")) == (1, 1)
        assert done.stdout.startswith("::error title=Release::")
