"""The code types and their schema: what is shipped is right, what is broken is named."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import networkx
import pytest
import toolbox
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_answers import CODE_TYPES, generic, quick, read
from pipeline import code_types as module
from pipeline.code_types import JOBS, CodeType, load_code_types
from pipeline.components import SETTINGS
from pipeline.dependencies import ENTRY
from pipeline.environments import ENVIRONMENT
from pipeline.errors import AnswerError
from pipeline.schema import check

FOLDER = toolbox.ROOT / "code_types"
SCHEMA = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
SHIPPED = {
    file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))
    for file in sorted(FOLDER.glob("*.yml"))
}
ACTIONS = yaml.safe_load(
    (toolbox.TESTS / "validators/action_inputs.yml").read_text(encoding="utf-8")
)


# The schema ------------------------------------------------------------------------------------


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$schema"]


def test_the_schema_knows_the_jobs() -> None:
    assert tuple(SCHEMA["properties"]["jobs"]["properties"]) == JOBS


@pytest.mark.parametrize("schema", [SETTINGS, ENTRY, ENVIRONMENT], ids=["component", "map", "env"])
def test_the_schemas_of_the_answers_are_schemas(schema: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def ours(value: Any) -> str:
    try:
        # The one function that the loader resolves its references with.
        check(value, module._resolved(SCHEMA), "x")
    except AnswerError as error:
        return str(error)
    return ""


def theirs(value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(SCHEMA).is_valid(value))


MINIMAL: dict[str, Any] = {"label": "Go", "description": "Builds", "jobs": {}}
JOB: dict[str, Any] = {"command": "make", "tools": ["a"], "timeout_minutes": 5, "secrets": True}
# A value, and whether it is a code type.
VERDICTS: dict[str, tuple[Any, bool]] = {
    "minimal": (MINIMAL, True),
    "a job": ({**MINIMAL, "jobs": {"lint": JOB}}, True),
    "empty job": ({**MINIMAL, "jobs": {"lint": {}}}, True),
    "nothing": (None, False),
    "list": ([], False),
    "empty": ({}, False),
    "no label": ({"description": "x", "jobs": {}}, False),
    "no jobs": ({"label": "x", "description": "x"}, False),
    "empty label": ({**MINIMAL, "label": ""}, False),
    "label as a number": ({**MINIMAL, "label": 3}, False),
    "unknown key": ({**MINIMAL, "colour": "red"}, False),
    "unknown job": ({**MINIMAL, "jobs": {"publish": {}}}, False),
    "job as text": ({**MINIMAL, "jobs": {"lint": "make"}}, False),
    "unknown key of a job": ({**MINIMAL, "jobs": {"lint": {"run": "x"}}}, False),
    "command as a list": ({**MINIMAL, "jobs": {"lint": {"command": []}}}, False),
    "no minutes": ({**MINIMAL, "jobs": {"lint": {"timeout_minutes": 0}}}, False),
    "too many minutes": ({**MINIMAL, "jobs": {"lint": {"timeout_minutes": 361}}}, False),
    "half minutes": ({**MINIMAL, "jobs": {"lint": {"timeout_minutes": 1.5}}}, False),
    "minutes as truth": ({**MINIMAL, "jobs": {"lint": {"timeout_minutes": True}}}, False),
    "minutes as text": ({**MINIMAL, "jobs": {"lint": {"timeout_minutes": "5"}}}, False),
    "secrets as a list": ({**MINIMAL, "jobs": {"lint": {"secrets": []}}}, False),
    "secrets as a number": ({**MINIMAL, "jobs": {"lint": {"secrets": 1}}}, False),
    "depends on text": ({**MINIMAL, "depends_on": "python"}, False),
    "depends on a number": ({**MINIMAL, "depends_on": [3]}, False),
    "tools": ({**MINIMAL, "tools": {"a": "- run: x"}}, True),
    "empty tool": ({**MINIMAL, "tools": {"a": ""}}, False),
    "tools as a list": ({**MINIMAL, "tools": ["a"]}, False),
    "products": ({**MINIMAL, "products": {"a b": "make"}}, True),
    "empty product": ({**MINIMAL, "products": {"a": ""}}, False),
    "secret's variables": ({**MINIMAL, "secret_variables": {"A": ["B"]}}, True),
    "secret's variables as text": ({**MINIMAL, "secret_variables": {"A": "B"}}, False),
    "prerequisites": ({**MINIMAL, "prerequisites": ["x"]}, True),
    "empty prerequisite": ({**MINIMAL, "prerequisites": [""]}, False),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_our_check_and_jsonschema_agree(case: str) -> None:
    value, fine = VERDICTS[case]
    assert (ours(value) == "") == theirs(value) == fine


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_fits_the_schema(name: str) -> None:
    assert theirs(SHIPPED[name])
    assert not ours(SHIPPED[name])


# Not among them: 30.0, which JSON Schema counts as a whole number, and a person does not write.
values = st.one_of(
    *(st.none(), st.booleans(), st.integers(-1, 400), st.just(1.5), st.text(max_size=3)),
    *(st.just([]), st.just({}), st.just(["a"]), st.just([3]), st.just({"a": "b"})),
    st.just({"lint": {}}),
).map(copy.deepcopy)  # What one example changes must not reach the next.
keys = st.sampled_from(
    [*SCHEMA["properties"], *SCHEMA["$defs"]["job"]["properties"], *JOBS, "labell", ""]
)


@quick
@given(st.sampled_from(sorted(SHIPPED)), st.data())
def test_they_agree_on_every_change(name: str, data: st.DataObject) -> None:
    """Something in a shipped code type is replaced, added or dropped, as deep as it lies."""
    changed = copy.deepcopy(SHIPPED[name])
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = changed
        while True:
            inner = list(place.values()) if isinstance(place, dict) else place
            inner = [i for i in inner if isinstance(i, dict | list) and i]
            if not inner or data.draw(st.booleans()):
                break
            place = data.draw(st.sampled_from(inner))
        if isinstance(place, list):
            place[data.draw(st.integers(0, len(place) - 1))] = data.draw(values)
            continue
        key = data.draw(st.sampled_from(list(place)) | keys) if place else data.draw(keys)
        if key in place and data.draw(st.booleans()):
            del place[key]
        else:
            place[key] = data.draw(values)
    assert (ours(changed) == "") == theirs(changed)


# What is shipped -------------------------------------------------------------------------------


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", SHIPPED)
def test_no_script_holds_an_expression(name: str) -> None:
    """GitHub would paste the value into the script before any shell could quote it."""
    data = SHIPPED[name]
    scripts = [job.get("command", "") for job in data["jobs"].values()]
    scripts += data.get("products", {}).values()
    for steps in map(yaml.safe_load, data.get("tools", {}).values()):
        scripts += [step["run"] for step in steps if "run" in step]
    assert not [script for script in scripts if "${{" in script]


@pytest.mark.parametrize("name", SHIPPED)
def test_no_failure_is_hidden(name: str) -> None:
    assert not [text for text in texts(SHIPPED[name]) if re.search(r"\|\|\s*(true|:)\b", text)]


USES = re.compile(r"^\s*(?:- )?uses: (\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")
TOOLS = [(n, tool) for n, data in SHIPPED.items() for tool in data.get("tools", {})]


@pytest.mark.parametrize("name, tool", TOOLS, ids=[f"{n}, {tool}" for n, tool in TOOLS])
def test_a_tool_is_a_list_of_steps_with_pinned_actions(name: str, tool: str) -> None:
    text = SHIPPED[name]["tools"][tool]
    steps = yaml.safe_load(text)
    assert steps and isinstance(steps, list)
    for step in steps:
        assert step["name"]
        assert ("uses" in step) != ("run" in step)
    used = [USES.match(line) for line in text.splitlines() if "uses:" in line]
    assert len(used) == sum("uses" in step for step in steps)
    for match in used:
        assert match, text
        action, sha, version = match.groups()
        assert (ACTIONS[action]["sha"], ACTIONS[action]["version"]) == (sha, version)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_tool_and_product_is_of_use(name: str) -> None:
    data = SHIPPED[name]
    used = {tool for job in data["jobs"].values() for tool in job.get("tools", [])}
    assert used == set(data.get("tools", {}))
    assert set(data.get("produces", [])) <= set(data.get("products", {}))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_job_has_its_own_timeout(name: str) -> None:
    assert all("timeout_minutes" in job for job in SHIPPED[name]["jobs"].values())


def test_habits_run_in_no_circle() -> None:
    edges = [(name, other) for name, what in CODE_TYPES.items() for other in what.depends_on]
    assert networkx.is_directed_acyclic_graph(networkx.DiGraph(edges))
    assert {other for _, other in edges} <= set(CODE_TYPES)


def test_labels_differ() -> None:
    """Two that are alike would be one choice at the prompt."""
    assert len({what.label for what in CODE_TYPES.values()}) == len(CODE_TYPES)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_code_type_works_alone(name: str) -> None:
    (component,) = read(code_types=[name]).components
    assert component.path == "."
    assert list(component.commands) == [job for job in JOBS if job in component.commands]


# Broken files, and a new one -------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "code_types"))


def load(folder: Path, text: str | bytes, file: str = "go.yml") -> dict[str, CodeType]:
    content = text.encode() if isinstance(text, str) else text
    (folder / file).write_bytes(content)
    return load_code_types(folder)


def go(**changes: Any) -> str:
    return str(yaml.safe_dump({**MINIMAL, **changes}))


# What is wrong -> the file's text, the place behind the file's name, and what is said.
BROKEN: dict[str, tuple[str | bytes, str, str]] = {
    "empty": ("", "", "expected a mapping"),
    "broken YAML": ("label: [", "", "not YAML"),
    "a list": ("- label", "", "expected a mapping"),
    "no label": (go(label=None), ".label", "expected text"),
    "no jobs": ("label: x\ndescription: x\n", "", "'jobs' is missing"),
    "unknown key": (go(lable="x"), "", "did you mean 'label'?"),
    "unknown job": (go(jobs={"tset": {}}), ".jobs", "did you mean 'test'?"),
    "unknown key of a job": (go(jobs={"test": {"comand": "x"}}), ".jobs.test", "'command'?"),
    "job as text": (go(jobs={"test": "make"}), ".jobs.test", "expected a mapping"),
    "too many minutes": (
        go(jobs={"test": {"timeout_minutes": 500}}),
        ".jobs.test.timeout_minutes",
        "1 to 360",
    ),
    "unknown tool": (
        go(tools={"golang": "- run: x"}, jobs={"test": {"tools": ["golan"]}}),
        ".jobs.test.tools",
        "did you mean 'golang'?",
    ),
    "expression in a command": (
        go(jobs={"test": {"command": "echo ${{ x }}"}}),
        ".jobs.test.command",
        "`env`",
    ),
    "expression in a product": (go(products={"a": "${{ x }}"}), ".products.a", "`env`"),
    "tool that is no list": (go(tools={"a": "uses: x"}), ".tools.a", "list of steps"),
    "tool that is a number": (go(tools={"a": "0"}), ".tools.a", "list of steps"),
    "tool of words": (go(tools={"a": "- x"}), ".tools.a", "list of steps"),
    "tool of broken YAML": (go(tools={"a": "- ["}), ".tools.a", "not YAML"),
    "unsafe habit": (go(depends_on=["a b"]), ": depends_on", "not a safe name"),
    "habit as text": (go(depends_on="python"), ".depends_on", "expected a list"),
    "YAML's no as a label": ("label: no\ndescription: x\njobs: {}\n", ".label", "in quotes"),
    "YAML's on as a key": (go() + "on: x\n", "", "in quotes"),
    "a date that is none": (go() + "produces: [2024-13-45]\n", "", "not YAML"),
    "no UTF-8": (b"label: \xff\n", "", ""),
    "product that no command makes": (go(produces=["a"]), ".produces", "'a'"),
    "product out of the folder": (go(produces=["../a"], products={"../a": "x"}), ".produc", ""),
    "secret with a dash": (go(secret_variables={"a-b": ["A"]}), ".secret_variables", ""),
    "variable with a dash": (go(secret_variables={"A": ["a-b"]}), ".secret_variables", ""),
    "script with a control character": (
        go(jobs={"test": {"command": "a\x1bb"}}),
        ".jobs.test.command",
        "",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_its_key(case: str, folder: Path) -> None:
    text, place, says = BROKEN[case]
    with pytest.raises(AnswerError) as caught:
        load(folder, text)
    message = str(caught.value)
    assert message.startswith(f"code_types/go.yml{place}")
    assert says in message
    assert message.isprintable()


@pytest.mark.parametrize("file", ["Go lang.yml", "1go.yml", "go.lang.yml", "é.yml"])
def test_a_file_must_be_called_like_a_code_type(file: str, folder: Path) -> None:
    with pytest.raises(AnswerError, match=re.escape(f"code_types/{file}: ")):
        load(folder, go(), file)


def test_adding_a_code_type_is_adding_a_file(folder: Path) -> None:
    text = go(
        depends_on=["terraform"],
        produces=["app"],
        products={"app": "go build -o app"},
        jobs={"test": {"command": "go test ./...", "timeout_minutes": 10}},
    )
    loaded = load(folder, text)
    assert list(loaded) == sorted([*CODE_TYPES, "go"])
    assert {name: what for name, what in loaded.items() if name != "go"} == CODE_TYPES
    answers = read(known=loaded, code_types=["go", "terraform"], components={"x": generic()})
    assert [c.name for c in answers.components] == ["go", "terraform", "x"]
    assert [(e.consumer, e.producer) for e in answers.dependencies.edges] == [("go", "terraform")]
    (component, *_) = answers.components
    assert component.commands == {"test": "go test ./...", "build": "go build -o app"}
    assert component.produces == ("app",)


def test_a_build_command_without_a_product_is_refused(folder: Path) -> None:
    """The schema lets every job have a command: one that says nothing in the end is a trap."""
    with pytest.raises(AnswerError, match=r"go\.yml\.jobs\.build\.command: say in `products`"):
        load(folder, go(jobs={"build": {"command": "make app"}}))


def test_taking_a_code_type_away_is_taking_its_file(folder: Path) -> None:
    """Also one that another waits for by habit."""
    (folder / "python.yml").unlink()
    loaded = load_code_types(folder)
    assert set(loaded) == set(CODE_TYPES) - {"python"}
    assert not read(known=loaded, code_types=["terraform"]).dependencies.edges
