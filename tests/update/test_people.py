"""After an update nothing that people did is lost, and nothing that others call is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from updates import CURRENT, clone_once, commit, generate, replace, template_versions, update

WORKFLOWS = Path(".github/workflows")
KEPT = Path(".github/orchestrator-removed")
TWO = {"components": {n: {"code_type": "generic", "deploy": "make"} for n in ("api", "site")}}
ONE = {"components": {"site": TWO["components"]["site"]}}


def another_preflight(folder: Path) -> None:
    """A version in which a file has another name."""
    workflows = folder / "template" / WORKFLOWS
    (workflows / "component-preflight.yml.jinja").rename(workflows / "component-check.yml.jinja")
    replace("extensions/pipeline/plan.py", "component-preflight.yml", "component-check.yml")(folder)
    for file in workflows.glob("*"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("component-preflight.yml", "component-check.yml"), "utf-8")


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template_versions(tmp_path_factory.mktemp("versions") / "template", another_preflight)


@pytest.fixture
def repository(versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with clone_once(tmp_path / "clones"):
        folder = generate(versions, tmp_path / "repository", TWO)
        monkeypatch.chdir(folder)
        yield folder


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.glob("*")}


def test_a_removed_component_takes_its_workflows_along(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    update(repository, vcs_ref=CURRENT, data=ONE)
    assert not [n for n in names(repository / WORKFLOWS) if n.startswith("api")]
    assert not (repository / KEPT).exists()
    assert "kept as" not in capfd.readouterr().out


def test_its_edited_workflow_is_kept_aside(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    edited = repository / WORKFLOWS / "api-dev.yml"
    with edited.open("a", encoding="utf-8") as file:
        file.write("  own:\n    runs-on: ubuntu-latest\n    steps: [{run: make own}]\n")
    commit(repository)
    content = edited.read_bytes()
    update(repository, vcs_ref=CURRENT, data=ONE)
    assert not [n for n in names(repository / WORKFLOWS) if n.startswith("api")]
    assert names(repository / KEPT) == {"api-dev.yml"}
    assert (repository / KEPT / "api-dev.yml").read_bytes() == content
    path = (WORKFLOWS / "api-dev.yml").as_posix()
    said = f"{path}: is no longer generated and had been edited; kept as {KEPT}/api-dev.yml"
    assert said in capfd.readouterr().out.splitlines()


def test_a_file_of_another_name_is_kept_aside_where_it_was_edited(repository: Path) -> None:
    """The name is another one in the next version of the template."""
    preflight = repository / WORKFLOWS / "component-preflight.yml"
    replace(f"{WORKFLOWS}/component-preflight.yml", "minutes: 5", "minutes: 50")(repository)
    commit(repository)
    content = preflight.read_bytes()
    update(repository)
    assert {"component-check.yml"} == {n for n in names(repository / WORKFLOWS) if "component" in n}
    assert {n: (repository / KEPT / n).read_bytes() for n in names(repository / KEPT)} == {
        "component-preflight.yml": content
    }


def test_what_cannot_be_compared_any_more_is_kept(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The answers of before say a version that nobody has; better kept than lost."""
    from kept import keep_edited

    replace(".copier-answers.yml", "_commit: v1.0.0", "_commit: v0.9.0")(repository)
    commit(repository)
    (repository / WORKFLOWS / "api-dev.yml").unlink()
    kept_before = repository / KEPT / "api-dev.yml"
    kept_before.parent.mkdir()
    kept_before.write_text("kept by an earlier update\n", encoding="utf-8")
    [line] = keep_edited([(WORKFLOWS / "api-dev.yml").as_posix()], ".copier-answers.yml")
    assert "may have been edited (the version before cannot be rendered any more)" in line
    assert line.endswith(f"; kept as {KEPT.as_posix()}/api-dev-2.yml")
    assert names(repository / KEPT) == {"api-dev.yml", "api-dev-2.yml"}
    assert kept_before.read_text(encoding="utf-8") == "kept by an earlier update\n"


def test_a_deleted_workflow_that_is_called_is_written_again(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {n: (repository / WORKFLOWS / n).read_bytes() for n in names(repository / WORKFLOWS)}
    called = {"api-dev.yml", "component-preflight.yml", "orchestrator-test.yml"}
    left = {"orchestrator-prd.yml", "pull-request.yml"}
    for name in called | left:
        (repository / WORKFLOWS / name).unlink()
    (repository / "docs/ci-cd.md").unlink()
    commit(repository)
    update(repository, vcs_ref=CURRENT)
    after = {n: (repository / WORKFLOWS / n).read_bytes() for n in names(repository / WORKFLOWS)}
    # What nothing needs stays away: a person wanted it so.
    assert after == {name: text for name, text in before.items() if name not in left}
    assert not (repository / "docs/ci-cd.md").exists()
    said = capfd.readouterr().out
    for name in called:
        line = f"{(WORKFLOWS / name).as_posix()}: had been deleted, and is called by another"
        assert f"{line}; written again" in said.splitlines()
