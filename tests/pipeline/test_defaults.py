"""The questions of copier.yml and the pure modules say the same."""

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


def test_hidden_questions_look_first_and_last() -> None:
    hidden = [name for name in QUESTIONS if name not in (*ASKED, *PROMPTS)]
    assert hidden == [next(iter(QUESTIONS)), list(QUESTIONS)[-1]]


GREYED_OUT = ("orchestration", "branching")


@pytest.mark.parametrize("question", GREYED_OUT)
def test_a_choice_that_can_be_greyed_out_asks_about_itself(question: str) -> None:
    for choice in QUESTIONS[question]["choices"].values():
        if isinstance(choice, dict):
            call = f"why_impossible('{question}', '{choice['value']}')"
            assert choice == {"value": choice["value"], "validator": f"[[ {call} ]]"}


def test_each_branching_but_custom_stands_for_a_list() -> None:
    assert tuple(BY_NAME["branching"].choices) == (*BRANCHING, "custom")


def test_every_cloud_that_can_be_chosen_is_known() -> None:
    assert tuple(BY_NAME["cloud"].choices) == CLOUDS
    assert set(CLOUDS) == set(CATALOGUE.clouds)
    assert {name: cloud.name for name, cloud in CATALOGUE.clouds.items()} == {n: n for n in CLOUDS}


@pytest.fixture(scope="module")
def recorded(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Copier records for somebody who only presses Enter, after one code type.

    Its images are pushed somewhere, so that every question but one is asked.
    """
    folder = tmp_path_factory.mktemp("defaults") / "my-repository"
    copies.copy(template, folder, {"code_types": ["docker"]})
    answers = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert isinstance(answers, dict)
    return answers


@pytest.mark.parametrize(
    "question", [q for q in DEFAULTS if q not in ("project_name", "code_types")]
)
def test_enter_means_the_default(question: str, recorded: dict[str, Any]) -> None:
    # Copier records no answer to a question that it did not ask, and we none that says nothing.
    unasked = {"environments": [], "code_types_folder": "", "own_code_types": {}, "found": {}}
    unasked |= {"default_branch": "main", "unmatched": []}
    found = recorded.get(question, unasked.get(question))
    assert found == DEFAULTS[question]
    assert type(found) is type(DEFAULTS[question])


# The code types and components -> whether it matters where images are pushed to.
PUSHING: dict[str, tuple[dict[str, Any], bool]] = {
    "no images": ({"code_types": ["python", "kubernetes"]}, False),
    "a component": ({"components": {"api": {"code_type": "docker"}}}, True),
    "no build": ({"components": {"docker": {"build": ""}}}, False),
    "said, though nothing is pushed": (
        {"code_types": ["python"], "registry": "acmeshop.azurecr.io"},
        True,
    ),
    "the usual one, though nothing is pushed": (
        {"code_types": ["python"], "registry": "ghcr.io"},
        False,
    ),
}


@pytest.mark.parametrize("case", PUSHING)
def test_the_registry_is_asked_for_where_it_matters(
    case: str, template: Path, tmp_path: Path
) -> None:
    given, asked = PUSHING[case]
    folder = copies.copy(template, tmp_path / "x", {"code_types": [], **given})
    answers = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert answers.get("registry") == (given.get("registry", "ghcr.io") if asked else None)


def test_hidden_questions_leave_no_answer(recorded: dict[str, Any]) -> None:
    assert {name for name in recorded if not name.startswith("_")} <= set(DEFAULTS)


def test_a_project_is_called_like_its_folder(recorded: dict[str, Any]) -> None:
    assert recorded["project_name"] == "my-repository"


def test_code_types_are_offered_by_their_labels(template: Path) -> None:
    labels = [code_type.label for code_type in CODE_TYPES.values()]
    assert len(set(labels)) == len(labels)
    assert "code_type_choices()" in QUESTIONS["code_types"]["choices"]
