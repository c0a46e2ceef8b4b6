"""Every released version can be updated to the next, and the last one to the work tree."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml
from copies import TEMPLATE_PARTS, example, export_template, tree
from offline_github.repository import git
from toolbox import ROOT
from updates import commit, update

RELEASES: dict[str, str] = yaml.safe_load((ROOT / "releases.yml").read_text(encoding="utf-8"))
NEXT = "v1000.0.0"
"""Stands for what comes next: the work tree as it is."""
STEPS = list(pairwise([*RELEASES, NEXT]))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository's history with its releases as tags, and the work tree as the next one."""
    folder = tmp_path_factory.mktemp("releases") / "template"
    git("clone", "--quiet", "--no-tags", str(ROOT), str(folder), cwd=ROOT)
    for version, sha in RELEASES.items():
        git("tag", version, sha, cwd=folder)
    for part in TEMPLATE_PARTS:
        if (folder / part).is_dir():
            shutil.rmtree(folder / part)
    export_template(folder)
    commit(folder, NEXT)
    git("tag", NEXT, cwd=folder)
    return folder


def made(history: Path, folder: Path, version: str, answers: dict[str, Any]) -> Path:
    url = f"git+{history.as_uri()}"
    copier.run_copy(
        url, folder, data=answers, vcs_ref=version, defaults=True, unsafe=True, quiet=True
    )
    return folder


@pytest.mark.parametrize(("old", "new"), STEPS)
@pytest.mark.parametrize("name", ["cluster"])
def test_a_version_is_updated_to_the_next(
    history: Path, tmp_path: Path, old: str, new: str, name: str
) -> None:
    repository = made(history, tmp_path / "repository", old, example(name))
    git("init", "--quiet", cwd=repository)
    commit(repository)
    update(repository, vcs_ref=new)
    fresh = made(history, tmp_path / "repository-fresh", new, example(name))
    assert tree(repository) == tree(fresh)
    assert f"_commit: {new}" in (repository / ".copier-answers.yml").read_text(encoding="utf-8")


def test_releases_are_in_the_history_in_their_order_and_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert [f"v{heading}" for heading in reversed(headings)] == list(RELEASES)
    commits = [*RELEASES.values(), "HEAD"]
    for older, newer in pairwise(commits):
        git("merge-base", "--is-ancestor", older, newer, cwd=ROOT)
    numbers = [tuple(map(int, version[1:].split("."))) for version in RELEASES]
    assert numbers == sorted(numbers)
