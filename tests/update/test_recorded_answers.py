"""No recorded answer is dropped silently.

It still counts, or one line says what to do, and nothing is written.
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
from pipeline.recorded import LINE, edited
from toolbox import ROOT
from updates import CURRENT, clone_once, commit, generate, replace, template_versions, update

ANSWERS = ".copier-answers.yml"
DATA: dict[str, Any] = {
    "project_name": "shop",
    "code_types": ["python", "terraform"],
    "dependency_map": {"terraform": ["python"]},
}

GONE = ("opentofu", "terraform")
"""terraform, and the code type that is `like` it."""


def without_terraform(folder: Path) -> None:
    for name in GONE:
        (folder / "code_types" / f"{name}.yml").unlink()


def call_is_renamed_to_direct(folder: Path) -> None:
    """In Python and in copier.yml, without a migration."""
    replace("copier.yml", "value: call,", "value: direct,")(folder)
    replace("copier.yml", "'orchestration', 'call'", "'orchestration', 'direct'")(folder)
    for file in sorted((folder / "extensions" / "pipeline").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace('"call"', '"direct"'), encoding="utf-8")


def call_is_only_hidden(folder: Path) -> None:
    """In the question only, so that the first check still accepts the answer."""
    replace("copier.yml", "{value: call,", "{value: dispatch,")(folder)
    default = "[[ first_possible('orchestration', 'call', 'dispatch') ]]"
    replace("copier.yml", default, "dispatch")(folder)


def no_question_about_drift(folder: Path) -> None:
    """A version that renames an answer, without a message for the old name."""
    replace("copier.yml", "\ndrift_check:\n", "\ntells_drift:\n")(folder)
    replace("extensions/pipeline/questions.py", "drift_check: bool", "tells_drift: bool")(folder)
    replace("extensions/pipeline/plan.py", "answers.drift_check", "answers.tells_drift")(folder)


EDITS = (without_terraform, call_is_renamed_to_direct, call_is_only_hidden, no_question_about_drift)
VERSION = {edit: f"v{number}.0.0" for number, edit in enumerate(EDITS, 2)}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """v1, and the versions of EDITS, which each start from v1."""
    folder = template_versions(tmp_path_factory.mktemp("template") / "versions")
    for edit, version in VERSION.items():
        git("checkout", "--quiet", "v1.0.0", cwd=folder)
        edit(folder)
        commit(folder, version)
        git("tag", version, cwd=folder)
    with clone_once(tmp_path_factory.mktemp("clones") / "clones"):
        yield folder


@pytest.fixture(scope="module")
def generated(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(versions, tmp_path_factory.mktemp("generated") / "repository", DATA)


@pytest.fixture
def repository(generated: Path) -> Iterator[Path]:
    """The generated repository, which is reset after the test."""
    yield generated
    git("reset", "--quiet", "--hard", cwd=generated)
    first = git("rev-list", "--max-parents=0", "HEAD", cwd=generated).decode().strip()
    git("reset", "--quiet", "--hard", first, cwd=generated)
    git("clean", "--quiet", "-fd", cwd=generated)


def refusal(repository: Path, **options: Any) -> str:
    """The one line that an update ends with. The update writes nothing."""
    before = tree(repository)
    with pytest.raises(UserMessageError) as error:
        update(repository, **options)
    assert tree(repository) == before
    line = str(error.value)
    assert "\n" not in line
    return line


def recorded(repository: Path) -> dict[str, Any]:
    answers = yaml.safe_load((repository / ANSWERS).read_text(encoding="utf-8"))
    assert isinstance(answers, dict)
    return answers


# -- new versions -----------------------------------------------------------------------------


# At a prompt, Copier alone would silently leave out the box of the missing code type.
@pytest.mark.parametrize("defaults", [True, False], ids=["defaults", "prompts"])
def test_a_removed_code_type_is_refused(repository: Path, defaults: bool) -> None:
    options = {"vcs_ref": VERSION[without_terraform], "defaults": defaults}
    others = sorted({file.stem for file in (ROOT / "code_types").glob("*.yml")} - {*GONE})
    assert refusal(repository, **options) == (
        f"code_types: 'terraform' is no code type; known are: {', '.join(others)}; "
        "it is recorded in .copier-answers.yml: give another with --data code_types=..."
    )
    line = refusal(repository, **options, data={"code_types": ["python"]})
    assert line.startswith("dependency_map.terraform: ")
    assert line.endswith("give another with --data dependency_map=...")


def test_new_answers_drop_a_removed_code_type(repository: Path) -> None:
    data = {"code_types": ["python"], "dependency_map": []}
    update(repository, vcs_ref=VERSION[without_terraform], data=data)
    assert recorded(repository)["code_types"] == ["python"]
    assert not list(repository.glob(".github/workflows/terraform-*"))


@pytest.mark.parametrize("defaults", [True, False], ids=["defaults", "prompts"])
def test_a_renamed_choice_is_refused(repository: Path, defaults: bool) -> None:
    options = {"vcs_ref": VERSION[call_is_renamed_to_direct], "defaults": defaults}
    line = refusal(repository, **options)
    assert line.startswith("orchestration: 'call' is not a choice; known are: ")
    assert line.endswith(
        "; it is recorded in .copier-answers.yml: give another with --data orchestration=..."
    )


def test_a_new_answer_replaces_a_renamed_choice(repository: Path) -> None:
    update(repository, vcs_ref=VERSION[call_is_renamed_to_direct], data={"orchestration": "direct"})
    assert recorded(repository)["orchestration"] == "direct"
    assert recorded(repository)["code_types"] == ["python", "terraform"]


def test_data_corrects_a_recorded_answer_at_a_prompt(repository: Path) -> None:
    """An error in another answer is still reported. (Answered questions are skipped, because the
    test has no terminal.)"""
    options = {"vcs_ref": VERSION[without_terraform], "defaults": False, "skip_answered": True}
    data = {"code_types": ["python"]}
    assert "dependency_map.terraform: " in refusal(repository, **options, data=data)
    update(repository, **options, data={**data, "dependency_map": {}})
    assert recorded(repository)["code_types"] == ["python"]


def test_a_choice_that_only_copier_refuses(repository: Path) -> None:
    """Copier alone would silently take the default."""
    line = refusal(repository, vcs_ref=VERSION[call_is_only_hidden])
    assert line == (
        "orchestration: 'call' is an answer that Copier does not accept; it is recorded in"
        " .copier-answers.yml: give another with --data orchestration=..."
    )


def test_an_answer_without_a_question_may_be_deleted(repository: Path) -> None:
    """This edit by hand is allowed."""
    line = refusal(repository, vcs_ref=VERSION[no_question_about_drift])
    assert line.startswith("drift_check: there is no such answer")
    assert line.endswith("; it is recorded in .copier-answers.yml: delete it there")
    replace(ANSWERS, "drift_check: false\n", "")(repository)
    commit(repository, "No question asks for this any more")
    update(repository, vcs_ref=VERSION[no_question_about_drift])
    assert recorded(repository)["tells_drift"] is False


# -- edits by hand ----------------------------------------------------------------------------

BY_HAND = {
    "another value": ("cloud: none", "cloud: aws", "cloud"),
    "a part of a value": ("- terraform\n", "- docker\n", "code_types"),
    "two": ("cloud: none", "cloud: aws\nenvironments: [{name: x, branch: y}]", "environments"),
    "deleted": ("cloud: none\n", "", "cloud"),
    "added": ("cloud: none\n", "cloud: none\nregistry: acmeshop.azurecr.io\n", "registry"),
    "another type": ("drift_check: false", "drift_check: 'false'", "drift_check"),
}


@pytest.mark.parametrize(
    ("case", "version"), [("another value", "v2.0.0"), *((case, CURRENT) for case in BY_HAND)]
)
def test_an_answer_edited_by_hand_is_refused(case: str, version: Any, repository: Path) -> None:
    """An update renders both versions with the edited answers, so it would see no change."""
    old, new, name = BY_HAND[case]
    replace(ANSWERS, old, new)(repository)
    commit(repository, "By hand")
    line = refusal(repository, vcs_ref=version, data={"project_name": "x"})
    assert name in line.split(": ")[0].split(", ")
    assert "edited by hand in .copier-answers.yml, so an update would not apply it" in line


def test_a_wrong_answer_written_by_hand_is_refused(repository: Path) -> None:
    replace(ANSWERS, "cloud: none", "cloud: alibaba")(repository)
    commit(repository, "By hand")
    line = refusal(repository, vcs_ref=CURRENT, data={"cloud": "aws"})
    assert line.startswith("cloud: 'alibaba' is not a choice; ")
    assert line.endswith("; it was edited by hand in .copier-answers.yml: restore the old answer")


def test_an_update_works_after_the_edit_is_undone(repository: Path) -> None:
    before = (repository / ANSWERS).read_text(encoding="utf-8")
    replace(ANSWERS, "cloud: none", "cloud: aws")(repository)
    commit(repository, "By hand")
    (repository / ANSWERS).write_text(before, encoding="utf-8")
    commit(repository, "Put back")
    update(repository, vcs_ref=CURRENT, data={"cloud": "aws"})
    assert "aws-actions" in (repository / ".github/workflows/terraform-deploy.yml").read_text(
        "utf-8"
    )


def test_recopy_accepts_an_edited_answer(repository: Path) -> None:
    """Updates work again after it."""
    replace(ANSWERS, "cloud: none", "cloud: aws")(repository)
    commit(repository, "By hand")
    copier.run_recopy(
        repository, defaults=True, overwrite=True, unsafe=True, quiet=True, vcs_ref="v1.0.0"
    )
    assert "aws-actions" in (repository / ".github/workflows/terraform-deploy.yml").read_text(
        "utf-8"
    )
    commit(repository, "Recopied")
    update(repository, vcs_ref=CURRENT)
    assert git("status", "--porcelain", cwd=repository) == b""


def test_another_style_is_no_edit(repository: Path) -> None:
    """Order, quotes, comments and the template's address may change. A file without checksums is
    never edited."""
    text = (repository / ANSWERS).read_text(encoding="utf-8")
    answers = yaml.safe_load(text)
    sums = "".join(f"{match[0]}\n" for match in LINE.finditer(text))
    turned = dict(sorted(answers.items(), reverse=True)) | {"_src_path": "git@example.invalid:x"}
    flow = yaml.safe_dump(turned, default_flow_style=True, sort_keys=False)
    for harmless in (text, sums + flow, f"# Ours\n{flow}\n{sums}"):
        assert edited(harmless, answers) == []
    aws = text.replace("cloud: none", "cloud: aws")
    assert edited(aws, answers) == ["cloud"]
    assert edited(LINE.sub("", aws), answers) == []


# -- what still works -------------------------------------------------------------------------


def test_an_update_without_a_change_changes_nothing(repository: Path) -> None:
    """Copier sorts the keys of mappings, which makes no difference."""
    data = {"components": {"python": {"path": "src", "env": {"Z": "1", "A": "2"}}}}
    update(repository, vcs_ref=CURRENT, data=data)
    commit(repository, "A component's settings")
    update(repository, vcs_ref=CURRENT)
    assert git("status", "--porcelain", cwd=repository) == b""


def test_dropping_only_the_settings_of_a_component_is_refused(repository: Path) -> None:
    """Its code type is still selected, so the component would move to the root."""
    components = {"python": {"path": "src"}, "terraform": {"env": {"A": "1"}}}
    update(repository, vcs_ref=CURRENT, data={"components": components})
    commit(repository, "Settings")
    line = refusal(repository, vcs_ref=CURRENT, data={"components": {}})
    assert line == (
        "components.python: it was in src; it is missing in `components`, but `code_types` still "
        "selects it, so it would move to the root; drop it in both, or write {python: {}} in "
        "`components` if it is to move"
    )
    update(repository, vcs_ref=CURRENT, data={"components": {"python": {}}})
    assert recorded(repository)["components"] == {"python": {}}


def test_another_branching_replaces_a_list(repository: Path) -> None:
    listed = [{"name": "live", "branch": "main"}]
    update(repository, vcs_ref=CURRENT, data={"environments": listed})
    assert recorded(repository)["branching"] == "custom"  # though develop-main was recorded
    assert recorded(repository)["environments"] == listed
    commit(repository, "A list")
    update(repository, vcs_ref=CURRENT, data={"branching": "trunk"})
    assert recorded(repository)["branching"] == "trunk"
    assert "environments" not in recorded(repository)
    commit(repository, "Trunk")
    assert "environments: branching is custom" in refusal(
        repository, vcs_ref=CURRENT, data={"branching": "custom"}
    )


def test_a_given_registry_is_kept_without_images(repository: Path) -> None:
    """The default registry is not."""
    for registry, kept in (("ghcr.io", None), ("acmeshop.azurecr.io", "acmeshop.azurecr.io")):
        data = {"code_types": ["docker"], "registry": registry, "cloud": "azure"}
        update(repository, vcs_ref=CURRENT, data=data)
        assert recorded(repository)["registry"] == registry
        commit(repository, "Images")
        update(repository, vcs_ref=CURRENT, data={"code_types": ["python"]})
        assert recorded(repository).get("registry") == kept
        commit(repository, "None")
