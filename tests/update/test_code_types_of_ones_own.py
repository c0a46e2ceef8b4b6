"""Updates with a repository's own code types: the present content of their files counts.

An edit changes the workflows of its components, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml
from copier.errors import UserMessageError
from copies import tree
from offline_github.repository import git
from rendering import render
from updates import CURRENT, clone_once, commit, generate, replace, template_versions, update

FOLDER = ".github/code-types"
ANSWERS = ".copier-answers.yml"
SWIFT = """\
label: Swift
description: Tests with swift test
jobs:
  test:
    command: swift test
"""
DATA: dict[str, Any] = {
    "code_types": ["python", "swift"],
    "components": {"tool": {"code_type": "swift", "path": "tool"}},
    "environments": [{"name": "dev", "branch": "main"}],
}


def own(repository: Path, **files: str) -> None:
    (repository / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (repository / FOLDER / f"{name}.yml").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = template_versions(
        tmp_path_factory.mktemp("template") / "versions",
        replace("code_types/python.yml", "E9,F63,F7,F82", "E9,F63,F7"),
    )
    with clone_once(tmp_path_factory.mktemp("clones") / "clones"):
        yield folder


@pytest.fixture(scope="module")
def generated(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "repository"
    own(folder, swift=SWIFT)
    return generate(versions, folder, DATA)


@pytest.fixture
def repository(generated: Path) -> Iterator[Path]:
    """The generated repository, which is reset after the test."""
    yield generated
    first = git("rev-list", "--max-parents=0", "HEAD", cwd=generated).decode().strip()
    git("reset", "--quiet", "--hard", first, cwd=generated)
    git("clean", "--quiet", "-fd", cwd=generated)


def changed(repository: Path) -> set[str]:
    """The generated files that differ from the commit."""
    paths = git("diff", "--name-only", "HEAD", cwd=repository).decode().split()
    return {path for path in paths if not path.startswith(FOLDER)}


def recorded(repository: Path) -> Any:
    return yaml.safe_load((repository / ANSWERS).read_text(encoding="utf-8"))


def as_a_fresh_copy(
    repository: Path, versions: Path, fresh: Path, version: str = "v1.0.0", **changes: Any
) -> None:
    """The tree equals a new copy with the same own files."""
    for name, content in tree(repository).items():
        if name.startswith(FOLDER):
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).write_bytes(content)
    copier.run_copy(
        f"git+{versions.as_uri()}",
        fresh,
        data={**DATA, "project_name": "repository", **changes},
        vcs_ref=version,
        **{"defaults": True, "unsafe": True, "quiet": True, "skip_tasks": True},
    )
    assert tree(repository) == tree(fresh)


PARALLEL = SWIFT.replace("command: swift test", "command: swift test --parallel")


def test_an_edit_changes_the_workflows_of_its_components(
    repository: Path, versions: Path, tmp_path: Path
) -> None:
    """The same update also takes a new version of the template, which changes python."""
    own(repository, swift=PARALLEL)
    commit(repository, "In parallel")
    update(repository, vcs_ref="v2.0.0")
    names = ("swift-build.yml", "tool-build.yml", "python-build.yml")
    assert changed(repository) == {ANSWERS, *(f".github/workflows/{name}" for name in names)}
    as_a_fresh_copy(repository, versions, tmp_path / "fresh", "v2.0.0")


def test_edits_of_a_person_survive(repository: Path) -> None:
    workflow = ".github/workflows/swift-build.yml"
    replace(workflow, "timeout-minutes: 60", "timeout-minutes: 3")(repository)
    edited = (repository / workflow).read_text(encoding="utf-8")
    own(repository, swift=SWIFT.replace("command", "comand"))
    commit(repository, "An edit by hand, and a typing error in the code type")
    with pytest.raises(UserMessageError) as error:
        update(repository, vcs_ref=CURRENT)
    assert str(error.value) == (
        f"{FOLDER}/swift.yml: jobs.test: unknown key 'comand'; did you mean 'command'?"
    )
    own(repository, swift=PARALLEL)
    commit(repository, "Mended")
    assert changed(repository) == set()
    update(repository, vcs_ref=CURRENT)
    names = ("swift-build.yml", "tool-build.yml")
    assert changed(repository) == {ANSWERS, *(f".github/workflows/{name}" for name in names)}
    expected = edited.replace("run: swift test\n", "run: swift test --parallel\n")
    assert (repository / workflow).read_text(encoding="utf-8") == expected != edited


def test_recorded_code_types_count_if_the_folder_is_gone(
    repository: Path, versions: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    git("rm", "-r", "--quiet", FOLDER, cwd=repository)
    commit(repository, "Gone")
    update(repository, vcs_ref=CURRENT)
    lines = [line for line in capfd.readouterr().err.splitlines() if FOLDER in line]
    assert lines == [
        f"code_types_folder: {FOLDER} is gone, so the recorded content of its code types is used; "
        "restore it, or drop them by --data code_types_folder="
    ]
    assert changed(repository) == set()
    with pytest.raises(UserMessageError, match="'swift' is no code type"):
        update(repository, vcs_ref=CURRENT, data={"code_types_folder": ""})
    assert changed(repository) == set()
    without = {"code_types_folder": "", "code_types": ["python"], "components": {}}
    update(repository, vcs_ref=CURRENT, data=without)
    assert not {"code_types_folder", "own_code_types"} & set(recorded(repository))
    as_a_fresh_copy(repository, versions, tmp_path / "fresh", **without)


def test_a_renamed_folder_is_given_as_an_answer(repository: Path) -> None:
    (repository / FOLDER).rename(repository / "ci")
    commit(repository, "Moved")
    with pytest.raises(UserMessageError, match="code_types_folder: 'cj' is no folder of this"):
        update(repository, vcs_ref=CURRENT, data={"code_types_folder": "cj"})
    update(repository, vcs_ref=CURRENT, data={"code_types_folder": "ci"})
    assert changed(repository) == {ANSWERS}
    assert recorded(repository)["code_types_folder"] == "ci"


def test_a_renamed_code_type_is_another_one(
    repository: Path, versions: Path, tmp_path: Path
) -> None:
    (repository / FOLDER / "swift.yml").rename(repository / FOLDER / "apple.yml")
    commit(repository, "Renamed")
    with pytest.raises(UserMessageError, match="'swift' is no code type"):
        update(repository, vcs_ref=CURRENT)
    renamed = {"code_types": ["python", "apple"], "components": {"tool": {"code_type": "apple"}}}
    update(repository, vcs_ref=CURRENT, data=renamed)
    assert not (repository / ".github/workflows/swift-dev.yml").exists()
    assert list(recorded(repository)["own_code_types"]) == ["apple"]
    as_a_fresh_copy(repository, versions, tmp_path / "fresh", **renamed)


def test_an_update_adds_a_first_own_code_type(versions: Path, tmp_path: Path) -> None:
    data = {**DATA, "code_types": ["python"], "components": {}}
    repository = generate(versions, tmp_path / "repository", data)
    own(repository, swift=SWIFT)
    commit(repository, "A code type")
    update(repository, vcs_ref=CURRENT, data={"code_types": ["python", "swift"]})
    assert (repository / ".github/workflows/swift-dev.yml").is_file()
    assert recorded(repository)["code_types_folder"] == FOLDER


def test_rendering_from_recorded_answers_needs_no_folder(repository: Path, tmp_path: Path) -> None:
    """hooks/kept.py and the drift check render in another folder."""
    own(repository, swift=PARALLEL)  # no update has read this
    render(recorded(repository), ANSWERS, tmp_path / "elsewhere")
    workflow = ".github/workflows/swift-build.yml"
    rendered = (tmp_path / "elsewhere" / workflow).read_bytes()
    assert rendered == (repository / workflow).read_bytes()
