"""The questions and the code types, wherever copier.yml, the docs and the form of Backstage repeat
them.

`UPDATE_SNAPSHOTS=1 python3 dev.py test tests/test_documented.py` writes the missing parts.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml
from pipeline.choosing import PROMPTS
from pipeline.code_types import load_code_types
from pipeline.components import SETTINGS
from pipeline.questions import BY_NAME, PLAIN, QUESTIONS, Question
from toolbox import ROOT

UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"
COMMAND = "UPDATE_SNAPSHOTS=1 python3 dev.py test tests/test_documented.py"
CODE_TYPES = load_code_types(ROOT / "code_types")

COPIER, README, FORM = "copier.yml", "README.md", "catalogue/backstage/template.yaml"
PAGE = "docs/code-types.md"


def read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def copier_questions() -> dict[str, Any]:
    """The questions of copier.yml by name, without checks and those that only help with others."""
    found = yaml.safe_load(read(COPIER))
    return {
        name: what
        for name, what in found.items()
        if not name.startswith(("_", "check_")) and name not in PROMPTS
    }


def require(file: str, wanted: str, after: str, is_there: bool) -> None:
    """Write the wanted text below the text `after`, or fail with one line that names it."""
    if is_there:
        return
    text = read(file)
    assert text.count(after) == 1, f"{file}: {after!r} has to be there once"
    if UPDATE:
        (ROOT / file).write_text(text.replace(after, after + wanted), encoding="utf-8")
    else:
        line = wanted.strip().splitlines()[0]
        pytest.fail(f"{file} lacks {line!r}; `{COMMAND}` writes it", pytrace=False)


def replace(file: str, there: str, wanted: str) -> None:
    """Replace the text `there` by the wanted text, or fail with one line."""
    if there == wanted:
        return
    text = read(file)
    assert text.count(there) == 1, f"{file}: {there!r} has to be there once"
    if UPDATE:
        (ROOT / file).write_text(text.replace(there, wanted), encoding="utf-8")
    else:
        message = f"{file} has {there.strip()!r}, not {wanted.strip()!r}; `{COMMAND}` mends it"
        pytest.fail(message, pytrace=False)


# Questions -----------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """The text as YAML, with quotes only if they are needed."""
    return yaml.safe_dump(text, width=10**6, allow_unicode=True).removesuffix("\n...\n").strip()


def block_in_copier(question: Question) -> str:
    """The lines of a question in copier.yml."""
    kind = "bool" if isinstance(question.default, bool) else "str"
    lines = [f"{question.name}:", f"  type: {kind}"]
    lines += [f"  help: {quoted(question.prompt)}"] if question.prompt else ["  ask: false"]
    if question.choices:
        lines.append("  choices:")
        lines += [f"    {json.dumps(line)}: {value}" for value, line in question.choices.items()]
    lines.append(f"  default: {quoted(json.loads(json.dumps(question.default)))}")
    if question.check:
        lines.append(f"  validator: \"[[ problem_with('{question.name}') ]]\"")
    return "\n".join(lines) + "\n"


@functools.cache
def before(name: str) -> Question:
    """The question before this one."""
    names = list(BY_NAME)
    return BY_NAME[names[names.index(name) - 1]]


def block_of(text: str, name: str) -> str:
    """The lines of a top-level key in a text of YAML."""
    found = re.search(rf"^{name}:\n(?:[ #].*\n)*", text, re.MULTILINE)
    assert found, name
    return found[0]


@pytest.mark.parametrize("question", PLAIN, ids=lambda question: question.name)
def test_copier_asks_the_question(question: Question) -> None:
    text = read(COPIER)
    is_there = f"\n{question.name}:\n" in text
    if not is_there:
        after = block_of(text, before(question.name).name)
        require(COPIER, f"\n{block_in_copier(question)}", after, is_there)
    else:
        replace(COPIER, block_of(text, question.name), block_in_copier(question))


@pytest.mark.skipif(UPDATE, reason="the next run compares the written texts")
def test_copier_has_the_same_questions_in_the_same_order() -> None:
    there = copier_questions()
    assert list(there) == [question.name for question in QUESTIONS]
    for question in QUESTIONS:
        choices = there[question.name].get("choices")
        if question.prompt:
            assert there[question.name]["help"] == question.prompt, question.name
        if isinstance(choices, dict):
            values = {line: c["value"] if isinstance(c, dict) else c for line, c in choices.items()}
            assert {value: line for line, value in values.items()} == question.choices


def row(question: Question) -> str:
    """The row of the question in README.md."""
    what = question.what
    if question.name == "code_types":
        what = what.replace("CODE_TYPES", ", ".join(f"`{name}`" for name in CODE_TYPES))
    usual = question.usual
    if usual is None:
        default = question.default
        usual = f"`{default if isinstance(default, str) else json.dumps(default)}`"
    return f"| `{question.name}` | {what} | {usual} |".replace("|  |", "| |") + "\n"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_the_readme_has_its_row(question: Question) -> None:
    text = read(README)
    rows = re.findall(rf"^\| `{question.name}` \|.*\n", text, re.MULTILINE)
    if UPDATE and rows:
        (ROOT / README).write_text(text.replace(rows[0], row(question)), encoding="utf-8")
        return
    after = row(before(question.name)) if question is not QUESTIONS[0] else "| --- | --- | --- |\n"
    require(README, row(question), after, row(question) in rows)


def test_the_readme_names_every_setting_of_components() -> None:
    for setting in SETTINGS["properties"]:
        assert f"`{setting}" in BY_NAME["components"].what


def form_field(question: Question) -> str:
    """The lines of the question in the form of Backstage."""
    lines = [f"{question.name}:", f"  title: {quoted(question.prompt)}"]
    if isinstance(question.default, bool):
        lines += ["  type: boolean", "  ui:widget: radio"]
    else:
        lines.append("  type: string")
    if question.choices:
        lines += [f"  enum: [{', '.join(question.choices)}]", "  enumNames:"]
        lines += [f"    - {json.dumps(line)}" for line in question.choices.values()]
    return "".join(f"        {line}\n" for line in lines)


def form_answer(question: Question) -> str:
    """The lines with which the form passes the answer on."""
    otherwise = "" if isinstance(question.default, bool) else " or nothing"
    return f",\n            {question.name}: parameters.{question.name}{otherwise}"


ASKED = [question for question in PLAIN if question.prompt]


@pytest.mark.parametrize("question", ASKED, ids=lambda question: question.name)
def test_backstage_asks_the_question(question: Question) -> None:
    previous = ASKED[ASKED.index(question) - 1] if question is not ASKED[0] else None
    there = re.findall(rf"^        {question.name}:\n(?: {{10}}.*\n)+", read(FORM), re.MULTILINE)
    if there:
        replace(FORM, there[0], form_field(question))
    else:
        after = form_field(previous) if previous else ""
        require(FORM, form_field(question), after, False)
    after = form_answer(previous) if previous else ""
    require(FORM, form_answer(question), after, form_answer(question) in read(FORM))


# Code types ----------------------------------------------------------------------------------


def lists_in_form() -> Mapping[str, Sequence[str]]:
    """The two lists of code types in the form: names and labels."""
    return {
        "enum": [*CODE_TYPES],
        "enumNames": [code_type.label for code_type in CODE_TYPES.values()],
    }


def test_backstage_lists_every_code_type() -> None:
    text = read(FORM)
    start = text.index("        code_types:\n")
    for key, values in lists_in_form().items():
        found = re.compile(rf"^            {key}:\n((?:              - .*\n)+)", re.MULTILINE)
        there = found.search(text, start)
        assert there
        wanted = "".join(f"              - {quoted(value)}\n" for value in values)
        if UPDATE:
            text = text[: there.start(1)] + wanted + text[there.end(1) :]
            (ROOT / FORM).write_text(text, encoding="utf-8")
        elif there[1] != wanted:
            pytest.fail(f"{FORM} lists other code types; `{COMMAND}` mends it", pytrace=False)


@pytest.mark.parametrize("name", CODE_TYPES)
def test_a_code_type_has_its_section(name: str) -> None:
    text = read(PAGE)
    following = sorted(n for n in re.findall(r"^## ([a-z].*)$", text, re.MULTILINE) if n > name)
    section = f"## {name}\n\n{CODE_TYPES[name].description}.\n\n"
    if f"\n## {name}\n" in text:
        return
    if not UPDATE:
        pytest.fail(f"{PAGE} has no section {name}; `{COMMAND}` begins one", pytrace=False)
    end = text.index(f"## {following[0]}\n") if following else len(text)
    new = text[:end] + ("" if following else "\n") + section + text[end:]
    (ROOT / PAGE).write_text(new.rstrip("\n") + "\n", encoding="utf-8")


def test_no_section_is_of_an_unknown_code_type() -> None:
    sections = set(re.findall(r"^## ([a-z].*)$", read(PAGE), re.MULTILINE))
    assert sections <= set(CODE_TYPES)
