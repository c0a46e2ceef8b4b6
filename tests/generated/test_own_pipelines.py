"""This repository's own `.github/` is what the template in the work tree generates.

The answers are those of its `.copier-answers.yml`. `UPDATE_SNAPSHOTS=1` writes the files instead.
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
"""What people write there; everything else in `.github/` is generated."""


def recorded() -> dict[str, object]:
    answers = yaml.safe_load(ANSWERS.read_text(encoding="utf-8"))
    assert isinstance(answers, dict)
    return answers


def own_files(root: Path) -> dict[str, bytes]:
    """All of `.github/` that nobody wrote, and `docs/ci-cd.md`."""
    files = {f".github/{name}": content for name, content in tree(root / ".github").items()}
    files["docs/ci-cd.md"] = (root / "docs" / "ci-cd.md").read_bytes()
    return {name: text for name, text in files.items() if not name.startswith(CODE_TYPES)}


def test_what_is_here_reads_as_it_is_generated(template: Path, tmp_path: Path) -> None:
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
    # A copy would record the same answers, so that `copier update` proposes no other ones.
    new = yaml.safe_load((tmp_path / ANSWERS.name).read_text(encoding="utf-8"))
    recorded_now = {name: value for name, value in new.items() if not name.startswith("_")}
    # A question that is newer than the last update has its default here, until the next one.
    later = {name: DEFAULTS[name] for name in recorded_now.keys() - answers.keys()}
    assert recorded_now == {**answers, **later}


def test_copier_can_update_them_in_any_clone() -> None:
    """The template is the repository itself, at a commit that each clone has."""
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
    """A stand-in for GitHub's tool knows no release, and tells what it is called with."""
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
