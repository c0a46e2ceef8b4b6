"""The Software Template asks the same as copier.yml, and its answers make the same pipelines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from copies import Copied, copy, tree
from pipeline.choosing import PROMPTS
from pipeline.code_types import load_code_types
from toolbox import EXAMPLES, ROOT
from validators.node import run

ENTITY = yaml.safe_load((ROOT / "catalogue" / "backstage" / "template.yaml").read_text("utf-8"))
QUESTIONS = {
    name: question
    for name, question in yaml.safe_load((ROOT / "copier.yml").read_text("utf-8")).items()
    if not name.startswith("_") and "help" in question
}
CODE_TYPES = load_code_types(ROOT / "code_types")
ENGINE = ("repository", "mode", "version", "answers_file")
WORKFLOW = (
    ROOT / "catalogue" / "pipelines-catalogue" / ".github" / "workflows" / "copy-pipelines.yml"
)


def fields() -> dict[str, Any]:
    """Every field of the form, also those that depend on another field."""
    found: dict[str, Any] = {}
    for page in ENTITY["spec"]["parameters"]:
        found |= page["properties"]
        for one_of in page.get("dependencies", {}).values():
            for way in one_of["oneOf"]:
                found |= {n: f for n, f in way["properties"].items() if n not in found}
    return found


def filled(data: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The errors in a form's data, and the inputs of the run that it starts."""
    [answer] = run("../catalogue/form.mjs", {"template": ENTITY, "data": dict(data)})
    [inputs] = answer["inputs"]
    assert inputs["repoUrl"] == "github.com?owner=OWNER&repo=pipelines-catalogue"
    assert inputs["workflowId"] == WORKFLOW.name
    return answer["errors"], inputs["workflowInputs"]


def form_of(answers: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a form that is filled in with these answers."""
    data: dict[str, Any] = {"repository": "shop", "mode": "copy", "code_types": []}
    for name, value in answers.items():
        if name in ("components", "environments"):
            data[name] = yaml.safe_dump(value)
        elif name == "dependency_map":
            data[name] = [form_entry(entry) for entry in value]
        else:
            data[name] = value
    return data


def form_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the map as a form has it: with lists, which may be empty."""
    needs, files = entry["depends_on"], entry.get("artifacts", [])
    return {
        "artifacts": [{"name": file} if isinstance(file, str) else file for file in files],
        "code_type": entry["code_type"],
        "depends_on": [needs] if isinstance(needs, str) else needs,
    }


def without_answers(folder: Path) -> dict[str, bytes]:
    return {name: text for name, text in tree(folder).items() if name != ".copier-answers.yml"}


def recorded(folder: Path) -> dict[str, Any]:
    """The recorded answers, with all entries of the dependency map in the same form."""
    answers = yaml.safe_load((folder / ".copier-answers.yml").read_text("utf-8"))
    if isinstance(answers["dependency_map"], list):
        entries = [form_entry(entry) for entry in answers["dependency_map"]]
        answers["dependency_map"] = entries
    return dict(answers)


def test_the_form_asks_every_question_that_a_person_is_asked() -> None:
    """With the same words and in the same order. Questions about files of the repository are not in
    the form."""
    asked = [name for name in QUESTIONS if name not in PROMPTS and QUESTIONS[name].get("ask", True)]
    form = fields()
    names = ["code_types" if name == "parts" else name for name in QUESTIONS]
    expected = [n for n in names if n in {*asked, "code_types"}]
    assert [name for name in form if name in expected] != [] and {*form} == {*ENGINE, *expected}
    for name in asked:
        title, _, example = QUESTIONS[name]["help"].partition("\n")
        if name == "dependency_map":
            assert title.startswith(f"{form[name]['title']}, as YAML")
            continue
        assert form[name]["title"] == title
        if "ui:placeholder" in form[name] and example:
            lines = [line.strip() for line in example.splitlines()]
            assert form[name]["ui:placeholder"].splitlines() == lines
    types = form["code_types"]
    prompts = ROOT / "extensions" / "pipeline" / "for_copier" / "component_choices.py"
    assert f'return "{types["title"]}"' in prompts.read_text("utf-8")
    labels = dict(zip(types["items"]["enum"], types["items"]["enumNames"], strict=True))
    assert labels == {name: code_type.label for name, code_type in CODE_TYPES.items()}


@pytest.mark.parametrize(
    "name", [n for n, q in QUESTIONS.items() if isinstance(q.get("choices"), dict)]
)
def test_the_form_has_the_same_choices(name: str) -> None:
    if name in PROMPTS:
        return
    choices = {
        re.sub(r"\[\[ default_branch \]\]", "main", label): value["value"]
        if isinstance(value, dict)
        else value
        for label, value in QUESTIONS[name]["choices"].items()
    }
    field = fields()[name]
    assert dict(zip(field["enumNames"], field["enum"], strict=True)) == choices


def test_the_form_has_the_inputs_of_the_engine() -> None:
    """The run gets no other inputs, and all answers are optional."""
    on = yaml.safe_load(WORKFLOW.read_text("utf-8"))[True]
    known = on["workflow_dispatch"]["inputs"]
    errors, inputs = filled(
        {"repository": "shop", "mode": "copy", "code_types": [], "dependency_map": []}
    )
    assert errors == [] and {*inputs} == {*known}
    assert fields()["mode"]["enum"] == known["mode"]["options"]
    assert yaml.safe_load(inputs["answers"]) == {}
    assert filled({"repository": "shop", "mode": "update", "cloud": "aws"})[1]["answers"] == ""
    assert all(isinstance(value, str) for value in inputs.values())


@pytest.mark.parametrize(
    "data",
    [
        {"repository": "acme/shop"},
        {"repository": "shop", "mode": "recopy"},
        {"repository": "shop", "mode": "copy", "code_types": ["perl"]},
        {"repository": "shop", "mode": "copy", "branching": "custom"},
        {"repository": "shop", "mode": "copy", "dependency_map": [{"code_type": "a"}]},
    ],
)
def test_the_form_refuses(data: dict[str, Any]) -> None:
    assert filled(data)[0] != []


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yml")), ids=lambda file: file.stem)
def test_a_form_with_an_example_makes_the_same_pipelines(
    example: Path, template: Path, tmp_path: Path, copied: Copied
) -> None:
    """Through the form, nunjucks and the engine's YAML, as with `copier copy --data-file`."""
    answers = yaml.safe_load(example.read_text("utf-8"))
    errors, inputs = filled(form_of(answers))
    assert errors == []
    made = copy(template, tmp_path / "made", yaml.safe_load(inputs["answers"]))
    assert without_answers(made) == without_answers(copied(answers))
    assert recorded(made) == recorded(copied(answers))


def test_every_setting_of_the_form_is_passed(
    template: Path, tmp_path: Path, copied: Copied
) -> None:
    """Also settings that no example has, with quotes."""
    answers = {
        "project_name": 'The "shop": it\'s {{ ours }}, ümlaut\\n',
        "code_types": ["docker", "python"],
        "dependency_map": [{"code_type": "docker", "depends_on": "python"}],
        "runner": "[self-hosted, linux]",
        "approval": "each",
        "pull_requests": False,
        "drift_check": True,
        "orchestration": "dispatch",
        "cloud": "gcp",
        "registry": "europe-west1-docker.pkg.dev/project/repository",
    }
    errors, inputs = filled(form_of(answers))
    assert errors == []
    said = yaml.safe_load(inputs["answers"])
    assert said["project_name"] == answers["project_name"]
    made = copy(template, tmp_path / "made", said)
    expected = {**answers, "runner": ["self-hosted", "linux"]}
    assert without_answers(made) == without_answers(copied(expected))
    assert recorded(made) == recorded(copied(expected))
