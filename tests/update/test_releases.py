"""Every released version can be updated to the next one, and the last one to the work tree.

Answers, own files and edits are kept.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml
from copier.errors import TaskError, UserMessageError
from copies import TEMPLATE_PARTS, example, export_template, tree
from offline_github import MemoryRepository, OfflineGitHub
from offline_github.repository import git
from pages import commands
from toolbox import ROOT
from updates import clone_once, commit, generate, replace, update

RELEASES: dict[str, str] = yaml.safe_load((ROOT / "releases.yml").read_text(encoding="utf-8"))
NEXT = "v1000.0.0"
"""The next version: the present work tree."""
STEPS = list(pairwise([*RELEASES, NEXT]))

WORKFLOWS = Path(".github/workflows")
ACTIONS = Path(".github/actions")
KEPT = Path(".github/orchestrator-removed")
OWN_JOB = "  own:\n    runs-on: ubuntu-latest\n    steps: [{run: make own}]\n"
GONE = "retry_approval: is no answer any more; a retry needs the approval that `approval` "


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """This repository's history with a tag for each release, and the work tree as the next one."""
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
    with clone_once(tmp_path_factory.mktemp("clones") / "clones"):
        yield folder


def fresh(history: Path, folder: Path, version: str, answers: dict[str, Any]) -> Path:
    url, options = f"git+{history.as_uri()}", {"defaults": True, "unsafe": True, "quiet": True}
    copier.run_copy(url, folder, data=answers, vcs_ref=version, skip_tasks=True, **options)
    return folder


def add(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write(text)


@pytest.mark.parametrize(("old", "new"), STEPS)
@pytest.mark.parametrize(
    ("name", "orchestration"),
    [("lambda", "call"), ("monorepo", "dispatch"), ("cluster", "observe")],
)
def test_a_version_is_updated_to_the_next(
    history: Path, tmp_path: Path, old: str, new: str, name: str, orchestration: str
) -> None:
    """Without edits, the result equals a new copy."""
    answers = {**example(name), "orchestration": orchestration}
    repository = generate(history, tmp_path / "repository", answers, old)
    update(repository, vcs_ref=new)
    assert tree(repository) == tree(fresh(history, tmp_path / "fresh", new, answers))
    assert f"_commit: {new}" in (repository / ".copier-answers.yml").read_text(encoding="utf-8")


def test_releases_match_the_history_and_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert [f"v{heading}" for heading in reversed(headings)] == list(RELEASES)
    commits = [*RELEASES.values(), "HEAD"]
    for older, newer in pairwise(commits):
        git("merge-base", "--is-ancestor", older, newer, cwd=ROOT)
    numbers = [tuple(map(int, version[1:].split("."))) for version in RELEASES]
    assert numbers == sorted(numbers)


# -- from 0.1, which had other workflows --------------------------------------------------------

FROM = "v0.1.0"


def own_work(repository: Path) -> None:
    """Add jobs to workflows that people, pushes and pull requests start; and own files."""
    for component in ("python", "terraform", "orchestrator"):
        for environment in ("dev", "test", "prd"):
            add(repository / WORKFLOWS / f"{component}-{environment}.yml", OWN_JOB)
    add(repository / WORKFLOWS / "pull-request.yml", OWN_JOB)
    for path in ("workflows/own.yml", "actions/own/action.yml", "actions/shared/own.cjs"):
        file = repository / ".github" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("# Ours\n", encoding="utf-8")


def test_own_work_is_kept_from_0_1(
    history: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = {**example("lambda"), "orchestration": "dispatch"}
    repository = generate(
        history, tmp_path / "repository", {**answers, "retry_approval": False}, FROM
    )
    gone = ("component-preflight.yml", "component-run.yml")
    own_work(repository)
    for name in gone:
        add(repository / WORKFLOWS / name, OWN_JOB)
    commit(repository)
    edited = {name: (repository / WORKFLOWS / name).read_bytes() for name in gone}
    capfd.readouterr()
    update(repository, vcs_ref=NEXT)
    said = capfd.readouterr()
    assert [line for line in said.err.splitlines() if line.startswith(GONE)]
    assert "retry_approval" not in (repository / ".copier-answers.yml").read_text("utf-8")
    for name in gone:
        kept = f"is no longer generated and had been edited; kept as {KEPT / name}"
        assert f"{WORKFLOWS / name}: {kept}" in said.out.splitlines()
    wanted = fresh(history, tmp_path / "fresh", NEXT, answers)
    own_work(wanted)
    assert tree(repository) == {
        **tree(wanted),
        **{(KEPT / name).as_posix(): content for name, content in edited.items()},
    }


def test_an_edit_in_a_place_that_0_2_changed_is_a_conflict(
    history: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """An own action with the name of a new one, and an edit of a removed job."""
    answers = {"code_types": ["terraform"], "environments": [{"name": "dev", "branch": "main"}]}
    repository = generate(history, tmp_path / "repository", answers, FROM)
    own = repository / ACTIONS / "check-commit" / "action.yml"
    own.parent.mkdir(parents=True)
    own.write_text("name: Ours\n", encoding="utf-8")
    workflow = repository / WORKFLOWS / "terraform-dev.yml"
    step = "      - name: Lint\n"
    replace(f"{WORKFLOWS}/terraform-dev.yml", step, f"      - run: make ours\n{step}")(repository)
    commit(repository)
    with pytest.raises(TaskError):
        update(repository, vcs_ref=NEXT)
    said = capfd.readouterr().err
    for file, ours in ((own, "name: Ours"), (workflow, "- run: make ours")):
        path = file.relative_to(repository).as_posix()
        assert f"{path}: holds a merge conflict; resolve it" in said
        before, _, _ = (
            file.read_text("utf-8").split("<<<<<<< before updating\n")[1].partition("\n=======")
        )
        assert ours in before


def refused(repository: Path, **options: Any) -> str:
    """The one line that an update ends with. The update writes nothing."""
    before = tree(repository)
    with pytest.raises(UserMessageError) as error:
        update(repository, vcs_ref=NEXT, **options)
    assert tree(repository) == before
    assert "\n" not in str(error.value)
    return str(error.value)


def test_more_components_than_call_now_accepts(history: Path, tmp_path: Path) -> None:
    """25 that are built and deployed are the limit; 0.1 accepted 49."""
    component = {"code_type": "generic", "build": "make", "produces": ["x"], "deploy": "make"}
    answers = {
        "components": {f"c{index}": component for index in range(26)},
        "environments": [{"name": "dev", "branch": "main"}],
    }
    repository = generate(history, tmp_path / "repository", answers, FROM)
    # With defaults and at a prompt.
    for options in ({}, {"defaults": False}):
        assert refused(repository, **options) == (
            "orchestration: an orchestrator would call 52 workflows for 26 components, and GitHub "
            "runs at most 50 in one run; choose dispatch, or split the repository's pipelines; it "
            "is recorded in .copier-answers.yml: give another with --data orchestration=..."
        )
    update(repository, vcs_ref=NEXT, data={"orchestration": "dispatch"})
    recorded = yaml.safe_load((repository / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert (recorded["orchestration"], len(recorded["components"])) == ("dispatch", 26)


def test_a_refusal_after_a_migration_says_how_to_restore_answers(
    history: Path, tmp_path: Path
) -> None:
    """The migration has changed the file, and Copier refuses an update with uncommitted changes."""
    env = {"DOCKERFILE": "api.Dockerfile", "LFS": "1"}
    answers = {"components": {"api": {"code_type": "docker", "env": env}}}
    repository = generate(history, tmp_path / "repository", answers, FROM)
    with pytest.raises(UserMessageError, match=r"components\.api\.env\.LFS: ") as error:
        update(repository, vcs_ref=NEXT)
    way_out = ": `git restore .copier-answers.yml`, and give another with --data components=..."
    assert str(error.value).endswith(way_out)


def test_answers_of_0_1_are_converted(history: Path, tmp_path: Path) -> None:
    """The product of Kubernetes, and the variable for a Dockerfile."""
    answers = {
        "components": {
            "kubernetes": {"produces": ["rendered.yaml"]},
            "own": {"code_type": "kubernetes", "build": "make", "produces": ["rendered.yaml"]},
            "api": {"code_type": "docker", "env": {"DOCKERFILE": "api.Dockerfile"}},
            "web": {"code_type": "docker", "env": {"DOCKERFILE": "web", "LEVEL": "1"}},
            "job": {"code_type": "generic", "lint": "a", "env": {"DOCKERFILE": "x"}},
        },
        "environments": [{"name": "dev", "branch": "main"}],
    }
    repository = generate(history, tmp_path / "repository", answers, FROM)
    update(repository, vcs_ref=NEXT)
    recorded = yaml.safe_load((repository / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert recorded["components"]["kubernetes"]["produces"] == ["rendered"]
    assert recorded["components"]["own"]["produces"] == ["rendered.yaml"]
    assert recorded["components"]["api"] == {"code_type": "docker", "dockerfile": "api.Dockerfile"}
    web = {"code_type": "docker", "dockerfile": "web", "env": {"LEVEL": "1"}}
    assert recorded["components"]["web"] == web
    assert recorded["components"]["job"]["env"] == {"DOCKERFILE": "x"}


@pytest.mark.parametrize(
    ("approval", "trigger", "said"),
    [
        ("once", {"after": "dev"}, ["set up prd-approval", "keep them for 30 days", "prd-retry"]),
        # A production that starts from a tag keeps its reviewers for good.
        ("once", {"tag": "v*"}, ["set up prd-approval", "prd-retry"]),
        ("each", {"after": "dev"}, ["prd-retry"]),
        ("none", {"after": "dev"}, []),
    ],
)
def test_the_update_says_what_to_change_on_github(
    history: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    approval: str,
    trigger: dict[str, str],
    said: list[str],
) -> None:
    environments = [
        {"name": "dev", "branch": "main"},
        {"name": "prd", "production": True, **trigger},
    ]
    answers = {"code_types": ["terraform"], "environments": environments}
    repository = generate(history, tmp_path / "repository", answers, FROM)
    capfd.readouterr()
    update(repository, vcs_ref=NEXT, data={"approval": approval})
    out = capfd.readouterr().out
    known = ("set up prd-approval", "keep them for 30 days", "prd-retry")
    assert [text for text in known if text in out] == said


@pytest.mark.parametrize(("keeps", "retry"), [(True, False), (False, False), (True, True)])
def test_old_runs_of_production_stay_guarded(
    history: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], keeps: bool, retry: bool
) -> None:
    """A re-run of a run of 0.1 uses its old workflow, which only reviewers can stop."""
    environments = [{"name": "dev", "branch": "main"}, {"name": "prd", "production": True}]
    environments[1]["after"] = "dev"
    answers = {"code_types": ["terraform"], "environments": environments, "retry_approval": retry}
    repository = generate(history, tmp_path / "repository", answers, FROM)
    memory = MemoryRepository.from_folder(repository)
    memory.commit("main")
    github = OfflineGitHub(tmp_path / "github", memory, execute=lambda work: None)
    github.put_keeps = keeps
    github.environments["prd"] = {"reviewers": ["octocat"], "branches": ["main"], "tags": []}
    github.push("main")
    github.settle()
    [old] = github.runs_of("orchestrator-prd.yml")
    assert "prd" in {environment for _, environment in github.waiting(old)}
    github.approve(old, environment="prd")
    github.settle()

    capfd.readouterr()
    update(repository, vcs_ref=NEXT)
    out = capfd.readouterr().out
    skipped = ("environment prd ", "allow prd ")
    assert all(f"`{line}`" in out for line in skipped)
    *_, later = [
        line.strip() for line in out.splitlines() if line.strip().startswith("environment prd")
    ]
    defined = ""
    for command in commands((repository / "docs" / "ci-cd.md").read_text(encoding="utf-8")):
        if re.match(r"\w+(=|\(\))", command):
            defined += command
        elif not command.startswith(skipped):
            assert github.shell(defined + command).returncode == 0, command
        assert github.environments["prd"]["reviewers"] == ["octocat"], command
    again = github.rerun(old)
    github.settle()
    if retry:
        assert again.job("terraform-prd / deploy").errors == [
            "The environment prd-retry asks nobody: add required reviewers to it, then re-run"
        ]
    else:
        assert [environment for _, environment in github.waiting(again)] == ["prd"]
    # After thirty days, nobody can re-run the old run.
    assert github.shell(defined + later).returncode == 0
    assert github.environments["prd"]["branches"] == ["main"]
    assert not github.environments["prd"].get("reviewers")
