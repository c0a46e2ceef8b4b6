"""The questions of copier.yml match the pure modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import copies
import pytest
import toolbox
import yaml
from made_answers import CATALOGUE, CODE_TYPES
from pipeline.choosing import PROMPTS
from pipeline.environments import BRANCHING
from pipeline.questions import BY_NAME, DEFAULTS
from pipeline.settings import CLOUDS

SETTINGS = yaml.safe_load((toolbox.ROOT / "copier.yml").read_text(encoding="utf-8"))
QUESTIONS = {name: what for name, what in SETTINGS.items() if not name.startswith("_")}
ASKED = {
    name: what
    for name, what in QUESTIONS.items()
    if not name.startswith("check_") and name not in PROMPTS
}


def test_hidden_questions_come_first_and_last() -> None:
    hidden = [name for name in QUESTIONS if name not in (*ASKED, *PROMPTS)]
    assert hidden == [next(iter(QUESTIONS)), list(QUESTIONS)[-1]]


GREYED_OUT = ("orchestration", "branching")


@pytest.mark.parametrize("question", GREYED_OUT)
def test_a_choice_that_can_be_greyed_out_passes_its_own_value(question: str) -> None:
    for choice in QUESTIONS[question]["choices"].values():
        if isinstance(choice, dict):
            call = f"why_impossible('{question}', '{choice['value']}')"
            assert choice == {"value": choice["value"], "validator": f"[[ {call} ]]"}


def test_each_branching_except_custom_has_a_list() -> None:
    assert tuple(BY_NAME["branching"].choices) == (*BRANCHING, "custom")


def test_every_cloud_of_the_question_exists() -> None:
    assert tuple(BY_NAME["cloud"].choices) == CLOUDS
    assert set(CLOUDS) == set(CATALOGUE.clouds)
    assert {name: cloud.name for name, cloud in CATALOGUE.clouds.items()} == {n: n for n in CLOUDS}


@pytest.fixture(scope="module")
def recorded(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The answers that Copier records if all defaults are taken, with one code type.

    The code type pushes images, so that the registry is asked for.
    """
    folder = tmp_path_factory.mktemp("defaults") / "my-repository"
    copies.copy(template, folder, {"code_types": ["docker"]})
    answers = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert isinstance(answers, dict)
    return answers


@pytest.mark.parametrize(
    "question", [q for q in DEFAULTS if q not in ("project_name", "code_types")]
)
def test_enter_records_the_default(question: str, recorded: dict[str, Any]) -> None:
    # Questions that are not asked, and empty answers, are not recorded.
    unasked = {"environments": [], "code_types_folder": "", "own_code_types": {}, "found": {}}
    unasked |= {"default_branch": "main", "unmatched": []}
    found = recorded.get(question, unasked.get(question))
    assert found == DEFAULTS[question]
    assert type(found) is type(DEFAULTS[question])


# The answers -> whether `registry` is asked for and recorded.
PUSHING: dict[str, tuple[dict[str, Any], bool]] = {
    "no images": ({"code_types": ["python", "kubernetes"]}, False),
    "a component": ({"components": {"api": {"code_type": "docker"}}}, True),
    "no build": ({"components": {"docker": {"build": ""}}}, False),
    "given, though nothing is pushed": (
        {"code_types": ["python"], "registry": "acmeshop.azurecr.io"},
        True,
    ),
    "the default given, though nothing is pushed": (
        {"code_types": ["python"], "registry": "ghcr.io"},
        False,
    ),
}


@pytest.mark.parametrize("case", PUSHING)
def test_the_registry_is_recorded_if_images_are_pushed(
    case: str, template: Path, tmp_path: Path
) -> None:
    given, asked = PUSHING[case]
    folder = copies.copy(template, tmp_path / "x", {"code_types": [], **given})
    answers = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert answers.get("registry") == (given.get("registry", "ghcr.io") if asked else None)


def test_hidden_questions_are_not_recorded(recorded: dict[str, Any]) -> None:
    assert {name for name in recorded if not name.startswith("_")} <= set(DEFAULTS)


def test_the_name_of_the_folder_is_the_project_name(recorded: dict[str, Any]) -> None:
    assert recorded["project_name"] == "my-repository"


def test_code_types_are_offered_by_their_labels(template: Path) -> None:
    labels = [code_type.label for code_type in CODE_TYPES.values()]
    assert len(set(labels)) == len(labels)
    assert "code_type_choices()" in QUESTIONS["code_types"]["choices"]
