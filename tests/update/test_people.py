"""An update loses no edit, and no called file is missing after it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from copier.errors import TaskError
from copies import tree
from updates import CURRENT, clone_once, commit, generate, replace, template_versions, update

WORKFLOWS = Path(".github/workflows")
ACTIONS = Path(".github/actions")
KEPT = Path(".github/orchestrator-removed")
GENERIC = {"code_type": "generic", "lint": "make lint", "deploy": "make"}
TWO = {"components": {"api": GENERIC, "site": GENERIC}}
ONE = {"components": {"site": TWO["components"]["site"]}}
OF_PULL_REQUESTS = "[% if plan().pull_requests %]show-graph[% endif %]"


def other_names(folder: Path) -> None:
    """A version that renames a workflow and a script of an action."""
    replace("extensions/pipeline/deployments.py", "-deploy.yml", "-deployment.yml")(folder)
    graph = folder / "template" / ACTIONS / OF_PULL_REQUESTS
    (graph / "graph.cjs").rename(graph / "picture.cjs")
    replace("extensions/pipeline/actions.py", "graph.cjs", "picture.cjs")(folder)
    replace(f"template/{ACTIONS}/{OF_PULL_REQUESTS}/action.yml", "graph.cjs", "picture.cjs")(folder)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = template_versions(tmp_path_factory.mktemp("versions") / "template", other_names)
    with clone_once(tmp_path_factory.mktemp("clones") / "clones"):
        yield folder


@pytest.fixture(scope="module")
def generated(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(versions, tmp_path_factory.mktemp("generated") / "x", TWO)


@pytest.fixture
def repository(generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository, as the current folder."""
    folder = shutil.copytree(generated, tmp_path / "repository")
    monkeypatch.chdir(folder)
    return folder


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.glob("*")}


def test_workflows_of_a_removed_component_are_deleted(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    update(repository, vcs_ref=CURRENT, data=ONE)
    assert not [n for n in names(repository / WORKFLOWS) if n.startswith("api")]
    assert not (repository / KEPT).exists()
    assert "kept as" not in capfd.readouterr().out


def test_an_edited_workflow_of_a_removed_component_is_kept_aside(
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


def test_edited_files_that_the_template_renamed_are_kept_aside(repository: Path) -> None:
    """Files without an edit are deleted."""
    edited = [WORKFLOWS / "api-deploy.yml", ACTIONS / "show-graph/graph.cjs"]
    for file in edited:
        file.write_text(file.read_text("utf-8").replace("deploy", "DEPLOY") + "\n", "utf-8")
    commit(repository)
    contents = [file.read_bytes() for file in edited]
    update(repository)
    assert (WORKFLOWS / "site-deployment.yml").exists()
    assert not any(file.exists() for file in [*edited, WORKFLOWS / "site-deploy.yml"])
    kept = [KEPT / "api-deploy.yml", KEPT / "actions/show-graph/graph.cjs"]
    assert [file.read_bytes() for file in kept] == contents
    assert {file for file in KEPT.rglob("*") if file.is_file()} == {*kept}


def test_edited_files_of_an_action_that_is_gone_are_kept_aside(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    update(repository, vcs_ref=CURRENT, data={"orchestration": "dispatch"})
    script = ACTIONS / "run-component/wait.cjs"
    script.write_text(script.read_text("utf-8") + "// Ours\n", "utf-8")
    own = ACTIONS / "run-component/ours.md"
    own.write_text("Ours\n", "utf-8")
    commit(repository)
    update(repository, vcs_ref=CURRENT, data={"orchestration": "call"})
    kept = KEPT / "actions/run-component/wait.cjs"
    said = f"{script}: is no longer generated and had been edited; kept as {kept}"
    assert said in capfd.readouterr().out.splitlines()
    assert [file for file in KEPT.rglob("*") if file.is_file()] == [kept]
    assert kept.read_text("utf-8").endswith("// Ours\n")
    assert names(ACTIONS / "run-component") == {"ours.md"}


def test_a_file_that_cannot_be_compared_is_kept_aside(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The recorded version cannot be rendered, so the file may have been edited."""
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


def test_a_deleted_file_that_others_call_is_written_again(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    called = [
        *(
            WORKFLOWS / name
            for name in ("api-build.yml", "api-deploy.yml", "orchestrator-test.yml")
        ),
        *(ACTIONS / name for name in ("shared/api.cjs", "check-commit/action.yml")),
    ]
    left = [WORKFLOWS / n for n in ("api-dev.yml", "orchestrator-prd.yml", "pull-request.yml")]
    left.append(Path("docs/ci-cd.md"))
    before = tree(repository)
    for file in [*called, *left]:
        file.unlink()
    commit(repository)
    update(repository, vcs_ref=CURRENT)
    # Deleted files that no other file uses are not written again.
    paths = {file.as_posix() for file in left}
    assert tree(repository) == {path: text for path, text in before.items() if path not in paths}
    said = capfd.readouterr().out.splitlines()
    written = [
        line for line in said if line.endswith("but another file uses it; it is written again")
    ]
    assert sorted(line.split(": had been deleted,")[0] for line in written) == sorted(
        file.as_posix() for file in called
    )


def test_an_own_job_that_needs_a_removed_job_is_named(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """GitHub would refuse the whole file."""
    orchestrator = WORKFLOWS / "orchestrator-dev.yml"
    with orchestrator.open("a", encoding="utf-8") as file:
        file.write("  own:\n    needs: [api-dev, site-dev]\n    uses: acme/x/y.yml@v1\n")
        file.write("  other:\n    needs: site-dev\n    uses: acme/x/y.yml@v1\n")
    commit(repository)
    with pytest.raises(TaskError):
        update(repository, vcs_ref=CURRENT, data=ONE)
    assert [line for line in capfd.readouterr().err.splitlines() if "own" in line] == [
        f"{orchestrator}: the job own needs api-dev, and there is no such job; name another in "
        "`needs`"
    ]
