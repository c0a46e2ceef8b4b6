"""A copy takes and records the proposal if no answer is given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from copies import copier_command, copy, tree
from made_answers import CATALOGUE
from pipeline.proposal import propose
from pipeline.repository_files import list_files
from repositories import LAMBDA, answers, proposed
from updates import clone_once, commit, generate, replace, template_versions, update

DOCS = """\
### What was found where

The copy proposed the first answers because of these files.

| Found | In |
| --- | --- |
| python | `functions/sync/requirements.txt` |
| terraform | `infra/main.tf` |
| terraform needs python | `infra/main.tf names sync.zip` |
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def recorded(folder: Path) -> dict[str, Any]:
    text = (folder / ".copier-answers.yml").read_text(encoding="utf-8")
    return {k: v for k, v in yaml.safe_load(text).items() if not k.startswith("_")}


@pytest.fixture(scope="module")
def taken(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with files, into which the template was copied without a terminal."""
    return copy(template, write(tmp_path_factory.mktemp("found") / "shop", LAMBDA), {})


def test_a_copy_without_a_terminal_takes_the_proposal(taken: Path) -> None:
    assert {name: recorded(taken)[name] for name in answers(proposed(LAMBDA))} == {
        "code_types": ["python", "terraform"],
        "components": {"python": {"path": "functions/sync"}, "terraform": {"path": "infra"}},
        "dependency_map": [
            {
                "code_type": "terraform",
                "depends_on": ["python"],
                "artifacts": [{"name": "lambda-package.zip", "to": "infra/sync.zip"}],
            }
        ],
    }
    assert recorded(taken)["found"] == proposed(LAMBDA).found
    assert DOCS in (taken / "docs/ci-cd.md").read_text(encoding="utf-8")


def test_recorded_answers_make_the_same_files(taken: Path, template: Path, tmp_path: Path) -> None:
    """The second copy goes into an empty folder, where nothing can be found."""
    elsewhere = copy(template, tmp_path / "shop", recorded(taken))
    assert tree(taken) == {**tree(elsewhere), **{k: v.encode() for k, v in LAMBDA.items()}}


def test_a_second_copy_keeps_the_recorded_answers(
    taken: Path, template: Path, tmp_path: Path
) -> None:
    files = {name: data.decode() for name, data in tree(taken).items()}
    repository = write(tmp_path / "shop", {**files, "web/Dockerfile": "FROM scratch\n"})
    copy(template, repository, {})
    assert {**tree(taken), "web/Dockerfile": b"FROM scratch\n"} == tree(repository)


def test_an_update_keeps_the_recorded_proposal(tmp_path: Path) -> None:
    """The new Dockerfile changes no answer."""
    more = replace("code_types/python.yml", "label: Python", "label: Snakes")
    versions = template_versions(tmp_path / "template", more)
    with clone_once(tmp_path / "clones"):
        repository = generate(versions, write(tmp_path / "shop", LAMBDA), {})
        before = recorded(repository)
        commit(repository, write(repository, {"web/Dockerfile": "FROM scratch\n"}).name)
        update(repository, vcs_ref="v2.0.0")
    assert recorded(repository) == before
    docs = (repository / "docs/ci-cd.md").read_text(encoding="utf-8")
    assert DOCS in docs and "Snakes" in docs


@pytest.mark.parametrize(
    "said",
    [{"code_types": ["python"]}, {"components": {"python": {}}}],
    ids=["code types", "components"],
)
def test_a_given_answer_turns_off_all_proposals(
    said: dict[str, Any], template: Path, tmp_path: Path
) -> None:
    """The same answers mean the same in a repository with code and in an empty one."""
    here = copy(template, write(tmp_path / "here" / "shop", LAMBDA), said)
    there = copy(template, tmp_path / "there" / "shop", said)
    assert tree(here) == {**tree(there), **{k: v.encode() for k, v in LAMBDA.items()}}
    assert "found" not in recorded(here)


def test_links_and_submodules_are_not_followed(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", {**LAMBDA, "sub/.git": "", "sub/x/Dockerfile": ""})
    (repository / "link").symlink_to(repository / "infra", target_is_directory=True)
    (repository / "round").symlink_to(repository, target_is_directory=True)
    (repository / "Dockerfile").symlink_to(repository / "nowhere")
    assert propose(list_files(repository), CATALOGUE.code_types) == proposed(LAMBDA)


def test_binary_files_are_ignored(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", LAMBDA)
    (repository / "pyproject.toml").write_bytes(b"\xff\xfex[project]\0")
    (repository / "a.yaml").write_bytes(b"kind: \xff")
    assert propose(list_files(repository), CATALOGUE.code_types) == proposed(LAMBDA)


TOO_MANY = (
    "an orchestrator would call 52 workflows for 26 components, and GitHub runs at most 50 in one "
    "run; choose dispatch, or split the repository's pipelines"
)


def roots(number: int) -> dict[str, str]:
    """Files of this number of components that are both built and deployed."""
    return {f"infra/s{index}/main.tf": 'variable "x" {}\n' for index in range(number)}


ONE_ENVIRONMENT = {"branching": "custom", "environments": [{"name": "dev", "branch": "main"}]}


@pytest.mark.parametrize(
    ("files", "orchestration"),
    [
        (roots(25), "call"),
        (roots(26), "dispatch"),
        # These are only built, so each has one workflow.
        ({f"lib/s{index}/requirements.txt": "" for index in range(50)}, "call"),
    ],
    ids=["25 deployed", "26 deployed", "50 built"],
)
def test_dispatch_is_the_default_if_one_run_is_too_small(
    files: dict[str, str], orchestration: str, template: Path, tmp_path: Path
) -> None:
    """`call` would be refused for this number of workflows."""
    made = copy(template, write(tmp_path / "shop", files), ONE_ENVIRONMENT)
    assert recorded(made)["orchestration"] == orchestration
    assert len(recorded(made)["components"]) == len(files)


def test_call_with_too_many_components_is_refused(template: Path, tmp_path: Path) -> None:
    """Nothing is written."""
    repository = write(tmp_path / "shop", roots(26))
    answers = tmp_path / "answers.yml"
    components = {f"c{index}": {"code_type": "terraform"} for index in range(26)}
    answers.write_text(yaml.safe_dump({"components": components}), encoding="utf-8")
    for said in (["--data=orchestration=call"], [f"--data-file={answers}"]):
        done = copier_command(template, repository, *said)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.strip() == f"orchestration: {TOO_MANY}"
        assert tree(repository) == {name: text.encode() for name, text in roots(26).items()}


@pytest.mark.skipif(sys.platform == "win32", reason="pexpect needs the terminals of Unix")
def test_a_prompt_shows_why_call_cannot_be_chosen(template: Path, tmp_path: Path) -> None:
    """Enter takes `dispatch`."""
    from terminal import Terminal

    repository = write(tmp_path / "shop", roots(26))
    session = Terminal("copier", "copy", "--trust", template, repository)
    before = ("is this repository called", "Found in this repository", "Are their names")
    after = ("What starts", "Which cloud", "Which runner", "How is a deployment to production")
    for question in (*before, "How do orchestrators run", *after, "Check pull", "Check in pull"):
        session.expect_exact(question)
        if question.startswith("How do"):
            session.expect_exact(f"no runner waits (orchestration: {TOO_MANY})")
        session.send("\r")
    session.expect_exact("docs/ci-cd.md has the commands to paste.")
    session.read()
    session.close()
    assert session.exitstatus == 0
    assert recorded(repository)["orchestration"] == "dispatch"
