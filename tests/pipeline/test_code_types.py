"""Code types and their schema: shipped files are valid, and errors name the file and the key."""

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
from made_answers import CATALOGUE, CODE_TYPES, DRAWN_TYPES, generic, plan, quick, read
from pipeline import code_types as module
from pipeline.clouds import CLOUD
from pipeline.code_type_model import CACHE, JOBS, CloudAddition, CodeType, Setup
from pipeline.code_types import load_code_types
from pipeline.components import SETTINGS
from pipeline.dependencies import ENTRY
from pipeline.environments import ENVIRONMENT
from pipeline.errors import AnswerError
from pipeline.schema import check
from pipeline.settings import CLOUDS

FOLDER = toolbox.ROOT / "code_types"
SCHEMA = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
FILES = {
    file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))
    for file in sorted(FOLDER.glob("*.yml"))
}
SHIPPED = {name: module.in_full(data, FILES) for name, data in FILES.items()}
"""The contents of the files. A file with `like` is expanded."""
ACTIONS = yaml.safe_load(
    (toolbox.TESTS / "validators/action_inputs.yml").read_text(encoding="utf-8")
)


# The schema ------------------------------------------------------------------------------------


def test_the_schema_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$schema"]


def test_the_schema_knows_the_jobs() -> None:
    assert tuple(SCHEMA["properties"]["jobs"]["properties"]) == JOBS


def test_the_schema_knows_the_clouds() -> None:
    assert tuple(SCHEMA["properties"]["clouds"]["properties"]) == CLOUDS


@pytest.mark.parametrize(
    "schema",
    [SETTINGS, ENTRY, ENVIRONMENT, CLOUD],
    ids=["component", "map", "env", "cloud"],
)
def test_the_schemas_of_the_answers_are_valid(schema: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def ours(value: Any) -> str:
    try:
        # The function that the loader uses to resolve references.
        check(value, module._resolved(SCHEMA), "x")
    except AnswerError as error:
        return str(error)
    return ""


def theirs(value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(SCHEMA).is_valid(value))


MINIMAL: dict[str, Any] = {"label": "Go", "description": "Builds", "jobs": {}}
JOB: dict[str, Any] = {"command": "make", "tools": ["a"], "secrets": True}
# A value, and whether it is a valid code type.
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
    "minutes": ({**MINIMAL, "jobs": {"lint": {"timeout_minutes": 5}}}, False),
    "packages": ({**MINIMAL, "jobs": {"lint": {"packages": True}}}, False),
    "secrets as a list": ({**MINIMAL, "jobs": {"lint": {"secrets": []}}}, False),
    "secrets as a number": ({**MINIMAL, "jobs": {"lint": {"secrets": 1}}}, False),
    "depends on text": ({**MINIMAL, "depends_on": "python"}, False),
    "depends on a number": ({**MINIMAL, "depends_on": [3]}, False),
    "tools": ({**MINIMAL, "tools": {"a": "- run: x"}}, True),
    "empty tool": ({**MINIMAL, "tools": {"a": ""}}, False),
    "tools as a list": ({**MINIMAL, "tools": ["a"]}, False),
    "products": ({**MINIMAL, "products": {"a b": "make"}}, True),
    "empty product": ({**MINIMAL, "products": {"a": ""}}, False),
    "product as a mapping": ({**MINIMAL, "products": {"a": {"command": "make"}}}, False),
    "product as a list": ({**MINIMAL, "products": {"a": ["make"]}}, False),
    "outputs": ({**MINIMAL, "outputs": ["a"]}, True),
    "own commands": ({**MINIMAL, "detect": {"files": ["a"], "commands": {"calls": ["go"]}}}, True),
    "beside several": ({**MINIMAL, "detect": {"files": ["a"], "beside": {"a": ["b", "c"]}}}, True),
    "beside nothing": ({**MINIMAL, "detect": {"files": ["a"], "beside": {"a": []}}}, False),
    "replaces by files": ({**MINIMAL, "detect": {"files": ["a"], "replaces": {"go": ["a"]}}}, True),
    "replaces by none": ({**MINIMAL, "detect": {"files": ["a"], "replaces": {"go": []}}}, False),
    "permissions": ({**MINIMAL, "clouds": {"none": {"permissions": {"pages": "write"}}}}, True),
    "more": ({**MINIMAL, "clouds": {"none": {"permissions": {"contents": "write"}}}}, False),
    "own commands without calls": (
        {**MINIMAL, "detect": {"files": ["a"], "commands": {"before": "x"}}},
        False,
    ),
    "reports": ({**MINIMAL, "reports": ["**/TEST-*.xml"]}, True),
    "reports as text": ({**MINIMAL, "reports": "a.xml"}, False),
    "outputs as a mapping": ({**MINIMAL, "outputs": {"a": "b"}}, False),
    "output as a number": ({**MINIMAL, "outputs": [3]}, False),
    "setup": ({**MINIMAL, "setup": {"description": "x", "script": "y"}}, True),
    "whole setup": (
        {
            **MINIMAL,
            "setup": {
                "description": "x",
                "script": "y",
                "outputs": {"a": "b"},
                "steps": "- run: x",
                "files": {"a.py": "b"},
            },
        },
        True,
    ),
    "setup without a script": ({**MINIMAL, "setup": {"description": "x"}}, False),
    "setup without a description": ({**MINIMAL, "setup": {"script": "x"}}, False),
    "empty script of setup": ({**MINIMAL, "setup": {"description": "x", "script": ""}}, False),
    "outputs of setup as a list": (
        {**MINIMAL, "setup": {"description": "x", "script": "y", "outputs": ["a"]}},
        False,
    ),
    "unknown key of setup": (
        {**MINIMAL, "setup": {"description": "x", "script": "y", "run": "z"}},
        False,
    ),
    "functions": ({**MINIMAL, "functions": {"a": "a() { :; }"}}, True),
    "empty function": ({**MINIMAL, "functions": {"a": ""}}, False),
    "functions as a list": ({**MINIMAL, "functions": ["a() { :; }"]}, False),
    "leaves out others": ({**MINIMAL, "leaves_out_others": False}, True),
    "leaves out in words": ({**MINIMAL, "leaves_out_others": "all"}, False),
    "cloud of nothing": ({**MINIMAL, "clouds": {"aws": {}}}, True),
    "every cloud": (
        {
            **MINIMAL,
            "clouds": {
                name: {"steps": "- run: x", "variables": {"A": "b"}, "prerequisites": ["c"]}
                for name in ("none", "aws", "azure", "gcp")
            },
        },
        True,
    ),
    "unknown cloud": ({**MINIMAL, "clouds": {"amazon": {}}}, False),
    "unknown key of a cloud": ({**MINIMAL, "clouds": {"aws": {"login": "x"}}}, False),
    "cloud's steps as a list": ({**MINIMAL, "clouds": {"aws": {"steps": [{"run": "x"}]}}}, False),
    "empty steps of a cloud": ({**MINIMAL, "clouds": {"aws": {"steps": ""}}}, False),
    "empty variable of a cloud": ({**MINIMAL, "clouds": {"aws": {"variables": {"A": ""}}}}, False),
    "number as a cloud's variable": (
        {**MINIMAL, "clouds": {"aws": {"variables": {"A": 1}}}},
        False,
    ),
    "cloud's prerequisites as text": (
        {**MINIMAL, "clouds": {"aws": {"prerequisites": "x"}}},
        False,
    ),
    "job with a login": ({**MINIMAL, "jobs": {"lint": {"cloud": True, "registry": False}}}, True),
    "job's cloud by name": ({**MINIMAL, "jobs": {"lint": {"cloud": "aws"}}}, False),
    "job's registry by name": ({**MINIMAL, "jobs": {"lint": {"registry": "ghcr.io"}}}, False),
    "job's variables": ({**MINIMAL, "jobs": {"lint": {"variables": {"A": "<image>"}}}}, True),
    "job's variables as a list": ({**MINIMAL, "jobs": {"lint": {"variables": ["A"]}}}, False),
    "truth as a job's variable": ({**MINIMAL, "jobs": {"lint": {"variables": {"A": True}}}}, False),
    "secret's variables": ({**MINIMAL, "secret_variables": {"A": ["B"]}}, True),
    "secret's variables as text": ({**MINIMAL, "secret_variables": {"A": "B"}}, False),
    "a publish command": (
        {**MINIMAL, "publish": {"command": "x", "identity": True, "product": "dist"}},
        True,
    ),
    "publish as a list": (
        {**MINIMAL, "publish": {"command": "x", "product": ["dist"]}},
        False,
    ),
    "identity in words": ({**MINIMAL, "publish": {"command": "x", "identity": "yes"}}, False),
    "prerequisites": ({**MINIMAL, "prerequisites": ["x"]}, True),
    "empty prerequisite": ({**MINIMAL, "prerequisites": [""]}, False),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_our_check_and_jsonschema_agree(case: str) -> None:
    value, fine = VERDICTS[case]
    assert (ours(value) == "") == theirs(value) == fine


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_match_the_schema(name: str) -> None:
    assert theirs(SHIPPED[name]) and theirs(FILES[name])
    assert not ours(SHIPPED[name])


# Without 30.0: JSON Schema accepts it as a whole number, and our check does not.
values = st.one_of(
    *(st.none(), st.booleans(), st.integers(-1, 400), st.just(1.5), st.text(max_size=3)),
    *(st.just([]), st.just({}), st.just(["a"]), st.just([3]), st.just({"a": "b"})),
    st.just({"lint": {}}),
).map(copy.deepcopy)  # A change in one example must not affect the next.
keys = st.sampled_from(
    [
        *SCHEMA["properties"],
        *(
            key
            for definition in SCHEMA["$defs"].values()
            for key in definition.get("properties", {})
        ),
        *("command", "packages", "pull_request", "timeout_minutes", "labell", ""),
        *(*SCHEMA["properties"]["setup"]["properties"], *CLOUDS, *JOBS),
    ]
)


@quick
@given(st.sampled_from(DRAWN_TYPES), st.data())
def test_our_check_and_jsonschema_agree_on_changed_files(name: str, data: st.DataObject) -> None:
    """One value at any depth of a shipped code type is replaced, added or dropped."""
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


# Shipped files ---------------------------------------------------------------------------------


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


def jobs_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The mappings of a code type's jobs, of `publish` and of `plan`."""
    return [*data["jobs"].values(), *(data[key] for key in ("publish", "plan") if key in data)]


@pytest.mark.parametrize("name", SHIPPED)
def test_scripts_contain_no_expression(name: str) -> None:
    """GitHub would insert the value into the script, and no shell could quote it."""
    data = SHIPPED[name]
    scripts = [job["command"] for job in jobs_of(data) if "command" in job]
    for key in ("products", "functions"):
        scripts += texts(data.get(key, {}))
    setup = data.get("setup", {})
    scripts += [setup["script"], *texts(setup.get("files", {}))] if setup else []
    for steps in (yaml.safe_load(text) for _, text in given_steps(name)):
        scripts += [step["run"] for step in steps if "run" in step]
        # The input `script` of actions/github-script is a script, too.
        scripts += [step["with"]["script"] for step in steps if "script" in step.get("with", {})]
    assert bool(scripts) == (name != "generic")
    assert not [script for script in scripts if "${{" in script]


def given_steps(name: str) -> list[tuple[str, str]]:
    """The place and the text of all steps that a code type's file has as YAML text."""
    data = SHIPPED[name]
    tools = [(f"{name}, {tool}", text) for tool, text in data.get("tools", {}).items()]
    if "steps" in data.get("setup", {}):
        tools.append((f"{name}, setup", data["setup"]["steps"]))
    clouds = data.get("clouds", {}).items()
    return tools + [(f"{name} on {c}", what["steps"]) for c, what in clouds if "steps" in what]


@pytest.mark.parametrize("name", SHIPPED)
def test_commands_hide_no_failure(name: str) -> None:
    assert not [text for text in texts(SHIPPED[name]) if re.search(r"\|\|\s*(true|:)\b", text)]


USES = re.compile(r"^\s*(?:- )?uses: (\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")
STEPS = dict(steps for name in SHIPPED for steps in given_steps(name))
for _cloud in CATALOGUE.clouds.values():
    STEPS |= {f"login to {_cloud.name}": _cloud.login} if _cloud.login else {}
    STEPS |= {f"login to the registry of {_cloud.name}": _cloud.registry.login}


@pytest.mark.parametrize("place", STEPS)
def test_steps_use_recorded_pins_of_actions(place: str) -> None:
    text = STEPS[place]
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
        assert action in ACTIONS, f"record {action} in tests/validators/action_inputs.yml"
        assert (ACTIONS[action]["sha"], ACTIONS[action]["version"]) == (sha, version)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_tool_and_product_is_used(name: str) -> None:
    data = SHIPPED[name]
    used = {tool for job in jobs_of(data) for tool in job.get("tools", [])}
    assert used == {*data.get("tools", {}), *(["setup"] if "setup" in data else [])}
    for output in data.get("setup", {}).get("outputs", {}):
        assert re.search(
            rf"steps\.setup\.outputs\.{output}\b", str([data["jobs"], data.get("tools")])
        )
    assert set(data.get("produces", [])) <= set(data.get("products", {}))
    commands = [job.get("command", "") for job in jobs_of(data)]
    commands += texts([data.get("products", {}), data.get("functions", {})])
    for function in data.get("functions", {}):
        assert any(re.search(rf"^[^#\n]*\b{function}\b", text, re.MULTILINE) for text in commands)
    if "clouds" in data:
        assert any(job.get("cloud") for job in data["jobs"].values())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_function_is_defined_under_its_key(name: str) -> None:
    for function, text in SHIPPED[name].get("functions", {}).items():
        assert re.match(rf"{function}\(\) \{{\n", text)


def test_builds_that_depend_on_environments() -> None:
    """Exactly these builds read ENVIRONMENTS and its variables."""
    names = {name for name, text in BUILDS.items() if "$ENVIRONMENTS" in text}
    assert names == {"cdk: cdk.out", "helm: chart", "kubernetes: rendered"}
    for name in names:
        assert "${ENVIRONMENT_VARIABLES:-null}" in BUILDS[name]
    # docker reads ENVIRONMENT to tag the pushed image and to name its cache.
    elsewhere = {n for n, text in BUILDS.items() if re.search(r"\$ENVIRONMENT\b", text)}
    assert elsewhere == names | {"docker: docker-image"}


def files_called(code_type: CodeType, command: str) -> list[str]:
    """The texts of the files of `setup` that a command runs."""
    files = code_type.setup.files if code_type.setup else {}
    return [text for name, text in files.items() if f'"$RUNNER_TEMP/{name}"' in command]


BUILDS = {
    f"{name}: {product}": "\n".join([command, *files_called(code_type, command)])
    for name, code_type in CODE_TYPES.items()
    for product, command in code_type.products.items()
}
"""The command of each product, with the files of `setup` that it runs."""


def test_an_old_product_name_is_refused_with_the_new_one() -> None:
    with pytest.raises(AnswerError, match=r"builds 'rendered\.yaml'; .*choose among: rendered$"):
        read(components={"kubernetes": {"produces": ["rendered.yaml"]}})


def test_an_image_is_pushed_only_with_push() -> None:
    before, _, pushed = BUILDS["docker: docker-image"].partition('if [ "$PUSH" = true ]; then\n')
    assert "skopeo copy --all --preserve-digests" in pushed
    assert "skopeo" not in before and "push" not in before
    assert CODE_TYPES["docker"].jobs["build"].variables["PUSH"] == "${{ inputs.push }}"


def test_jobs_with_credentials_install_no_dependencies() -> None:
    """uvx and npx would install the newest dependencies of a tool. Only cdk uses npx there."""
    found = {}
    for name, code_type in CODE_TYPES.items():
        jobs = [job for job in code_type.jobs.values() if job.cloud or job.registry]
        jobs += [code_type.publish] if code_type.publish else []
        commands = [job.command for job in jobs]
        if code_type.jobs["build"].registry:
            commands += code_type.products.values()
        called = [text for one in commands for text in files_called(code_type, one)]
        text = "\n".join([*commands, *called])
        if run := re.findall(r"\b(?:uvx|npx|pipx|npm install|uv tool|pip install)\b.*", text):
            found[name] = run
    # aws-cdk bundles its dependencies.
    assert set(found) == {"cdk"}
    [line] = found["cdk"]
    assert line.startswith('npx --yes "aws-cdk@$(cat cdk.out/cli-version.txt)" deploy ')


def test_only_builds_use_caches() -> None:
    """No step has a cache that is always on, so a deployment uses none."""
    cached = {
        name
        for name, code_type in CODE_TYPES.items()
        if CACHE in str([code_type.setup, code_type.tools, code_type.jobs])
    }
    # The other types only run a tool or two and need no cache. A new type may have one.
    assert cached >= {"cdk", "docker", "dotnet", "go", "java", "node", "python"}
    for place, text in STEPS.items():
        assert not re.search(r"(?<!to-)cache: *['\"]?(true|npm|pnpm|yarn|maven|gradle)\b", text), (
            place
        )


def test_which_jobs_log_in() -> None:
    """Deployments log in to a cloud, the build of docker to a registry, and no other job."""
    jobs = [(name, job, what) for name, t in CODE_TYPES.items() for job, what in t.jobs.items()]
    assert {(name, job) for name, job, what in jobs if what.cloud} == {
        (name, "deploy") for name in CODE_TYPES
    }
    assert [(name, job) for name, job, what in jobs if what.registry] == [("docker", "build")]


def test_code_types_that_leave_out_folders_of_others() -> None:
    assert [name for name, what in CODE_TYPES.items() if what.leaves_out_others] == [
        "python",
        "static",
    ]


def test_usual_dependencies_have_no_circle() -> None:
    edges = [(name, other) for name, what in CODE_TYPES.items() for other in what.depends_on]
    assert networkx.is_directed_acyclic_graph(networkx.DiGraph(edges))
    assert {other for _, other in edges} <= set(CODE_TYPES)


def test_labels_are_unique() -> None:
    """Two equal labels would be one choice at the prompt."""
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


def setting(**changes: Any) -> dict[str, Any]:
    return {"size": {"type": "string", "description": "x", "variable": "SIZE", **changes}}


SETUP = {"description": "x", "script": "y", "outputs": {"file": "z"}}
READS_FILE, READS_FILES = (f"${{{{ steps.setup.outputs.{name} }}}}" for name in ("file", "files"))
CACHED = "- uses: x\n  with: {cache: '${{ inputs.cache }}'}"

# Case -> the file's text, the place after the file's name, and a part of the message.
BROKEN: dict[str, tuple[str | bytes, str, str]] = {
    "empty": ("", "", "expected a mapping"),
    "broken YAML": ("label: [", "", "not YAML"),
    "a list": ("- label", "", "expected a mapping"),
    "no label": (go(label=None), ".label", "expected text"),
    "no jobs": ("label: x\ndescription: x\n", "", "'jobs' is missing"),
    "unknown key": (go(lable="x"), "", "did you mean 'label'?"),
    "unknown job": (go(jobs={"tset": {}}), ".jobs", "did you mean 'test'?"),
    "a file of no environment": (
        go(environment_files=["a.tfvars"]),
        ".environment_files",
        "has to name {environment} once",
    ),
    "a file in a folder of an environment": (
        go(environment_files=["{environment}/a"]),
        ".environment_files",
        "a folder that ends with /",
    ),
    "environments in files without a group": (
        go(environments_in=[{"named_in": ["a"], "pattern": "x"}]),
        ".environments_in[0].pattern",
        "group",
    ),
    "a pattern without a group": (
        go(detect={"files": ["a"], "reads": "key"}),
        ".detect.reads",
        "needs a group",
    ),
    "like an unknown code type": (go(like="terrafrom"), ".like", "did you mean 'terraform'?"),
    "like one that is like another": (go(like="opentofu"), ".like", "itself like another"),
    "like several": (go(like=["terraform"]), ".like", "expected text"),
    "words without like": (go(words={"a": "b"}), ".words", "name that one in `like`"),
    "words as a list": (go(like="terraform", words=["a"]), ".words", "expected a mapping"),
    "a word that is nowhere": (go(like="terraform", words={"rustc": "x"}), ".words", "remove it"),
    "an empty word": (go(like="terraform", words={"": "x"}), ".words", "remove it"),
    "a setting that is the environment": (
        go(settings=setting(variable="environment")),
        ".settings.size.variable",
        "already given to its commands",
    ),
    "a setting that is a variable of a job": (
        go(settings=setting(), jobs={"test": {"command": "x", "variables": {"SIZE": "1"}}}),
        ".settings.size.variable",
        "already given to its commands",
    ),
    "a pattern of numbers": (
        go(settings=setting(type="integer", pattern="a")),
        ".settings.size.pattern",
        "has no effect with the type integer",
    ),
    "choices of yes and no": (
        go(settings=setting(type="boolean", enum=["a"])),
        ".settings.size.enum",
        "has no effect with the type boolean",
    ),
    "packages of a text": (
        go(settings=setting(packages=True)),
        ".settings.size.packages",
        "has no effect with the type string",
    ),
    "a word that renames a tool of a job": (
        "like: terraform\nwords: {setup: set-up}\n",
        ".jobs.lint.tools",
        "no tool of this file",
    ),
    "unknown key of a job": (go(jobs={"test": {"comand": "x"}}), ".jobs.test", "'command'?"),
    "job as text": (go(jobs={"test": "make"}), ".jobs.test", "expected a mapping"),
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
    "expression in a function": (
        go(functions={"f": "f() { echo ${{ x }}; }"}),
        ".functions.f: ",
        "`env`",
    ),
    "expression in the command that keeps others": (
        go(keeps_others="[ ${{ x }} ]"),
        ".keeps_others: ",
        "`env`",
    ),
    "outputs that differ only in case": (
        go(outputs=["image", "Image"]),
        ".outputs[1]: ",
        "collides with 'image' of outputs[0]; rename one",
    ),
    "an output that is named twice": (go(outputs=["a", "a"]), ".outputs[1]: ", "rename one"),
    "control character in a function": (
        go(functions={"f": "f() { a\x1bb; }"}),
        ".functions.f: ",
        "control character",
    ),
    "function that is none": (go(functions={"f": 3}), ".functions.f: ", "expected text"),
    "functions as a list": (go(functions=["f"]), ".functions: ", "expected a mapping"),
    "product as a number": (go(products={"a": 3}), ".products.a: ", "expected text"),
    "product as another mapping": (go(products={"a": {"b": "x"}}), ".products.a: ", "text"),
    "publishing no product": (
        go(products={"image": "x"}, publish={"command": "x", "product": "imag"}),
        ".publish.product: ",
        "did you mean 'image'?",
    ),
    "publishing by no command": (go(publish={"secrets": True}), ".publish.command: ", "publishes"),
    "publishing by an expression": (
        go(publish={"command": "${{ x }}"}),
        ".publish.command: ",
        "`env`",
    ),
    "publishing by an unknown tool": (
        go(publish={"command": "x", "tools": ["uv"]}),
        ".publish.tools: ",
        "tool of this file",
    ),
    "output with a space": (go(outputs=["my image"]), ".outputs: ", "not a safe name"),
    **{
        f"report called {name!r}": (go(reports=[name]), ".reports: ", "no relative pattern")
        for name in ("a b.xml", "/tmp/a.xml", "a/../../b.xml", "'", "${{ x }}")
    },
    "output as a list": (go(outputs=[["a"]]), ".outputs[0]: ", "expected text"),
    "output of every component": (go(outputs=["digest"]), ".outputs: ", "rename it"),
    # The form of version 0.1, which people's own code types may still have.
    "packages": (go(jobs={"test": {"packages": True}}), ".jobs.test.packages: ", "always"),
    "minutes": (
        go(jobs={"lint": {"timeout_minutes": 5}}),
        ".jobs.lint.timeout_minutes: ",
        "take this line out",
    ),
    "minutes of a publish command": (
        go(publish={"command": "x", "timeout_minutes": 5}),
        ".publish.timeout_minutes: ",
        "take this line out",
    ),
    "a command for pull requests": (
        go(products={"a": {"command": "x", "pull_request": "y"}}),
        ".products.a: ",
        "write only the command; pull requests run it, too",
    ),
    "a product with a command": (
        go(products={"a": {"command": "x"}}),
        ".products.a: ",
        "write only the command",
    ),
    "outputs by product": (go(outputs={"image": "a"}), ".outputs: ", "list the names alone"),
    "names of environments in a tool": (
        go(tools={"a": "- run: x\n  env: {A: <environments>}"}),
        ".tools.a: ",
        "move the step to `setup`",
    ),
    # Code types that share a `setup`.
    "setup without a script": (go(setup={"description": "x"}), ".setup: ", "'script' is missing"),
    "setup of two lines": (
        go(setup={"description": "a\nb", "script": "x"}),
        ".setup.description: ",
        "one line",
    ),
    "setup with an expression": (
        go(setup={"description": "x", "script": "echo ${{ inputs.path }}"}),
        ".setup.script: ",
        "`env`",
    ),
    "setup with an unsafe output": (
        go(setup={**SETUP, "outputs": {"a b": "x"}}),
        ".setup.outputs: ",
        "not a safe name",
    ),
    "setup with steps that are no list": (
        go(setup={**SETUP, "steps": "uses: x"}),
        ".setup.steps: ",
        "list of steps",
    ),
    "setup with a step without a shell": (
        go(setup={**SETUP, "steps": "- run: x"}),
        ".setup.steps: ",
        "`shell`",
    ),
    **{
        f"a file of setup called {name!r}": (
            go(setup={**SETUP, "files": {name: "x"}}),
            ".setup.files: ",
            "cannot be the name of a file",
        )
        for name in ("setup.sh", "../a", ".a", "a b")
    },
    "a file that setup does not name": (
        go(setup={**SETUP, "files": {"a.sh": "x"}}),
        ".setup.files: ",
        "no step of `setup` names",
    ),
    "setup as a tool": (go(tools={"setup": "- run: x"}), ".tools.setup: ", "rename it"),
    "setup that is none": (
        go(jobs={"test": {"tools": ["setup"]}}),
        ".jobs.test.tools: ",
        "tool of this file",
    ),
    "no such output of setup": (
        go(setup=SETUP, jobs={"test": {"tools": ["setup"], "variables": {"A": READS_FILES}}}),
        ".jobs.test.variables.A: ",
        "did you mean 'file'?",
    ),
    "output of no setup": (
        go(jobs={"test": {"variables": {"A": READS_FILES}}}),
        ".jobs.test.variables.A: ",
        "there is no `setup`",
    ),
    "output of a setup that the job has not": (
        go(setup=SETUP, jobs={"test": {"variables": {"A": READS_FILE}}}),
        ".jobs.test.variables.A: ",
        "name that in jobs.test.tools",
    ),
    "a tool that reads no output": (
        go(setup=SETUP, tools={"a": f"- run: {READS_FILES}"}),
        ".tools.a: ",
        "did you mean 'file'?",
    ),
    "a tool before the setup whose output it reads": (
        go(
            setup=SETUP,
            tools={"a": f"- run: {READS_FILE}"},
            jobs={"test": {"tools": ["a", "setup"]}},
        ),
        ".jobs.test.tools: ",
        "name `setup` before 'a'",
    ),
    "a cloud that reads no output": (
        go(clouds={"aws": {"variables": {"A": READS_FILE}}}),
        ".clouds.aws: ",
        "there is no `setup`",
    ),
    "a cache of a deployment": (
        go(tools={"a": CACHED}, jobs={"deploy": {"tools": ["a"]}}),
        ".jobs.deploy.tools: ",
        "only builds have",
    ),
    "a cache of a publish command": (
        go(tools={"a": CACHED}, publish={"command": "x", "tools": ["a"]}),
        ".publish.tools: ",
        "only builds have",
    ),
    "a deployment that asks for a cache": (
        go(jobs={"deploy": {"variables": {"A": "${{ inputs.cache }}"}}}),
        ".jobs.deploy.variables.A: ",
        "only builds have",
    ),
    "leaves out in words": (go(leaves_out_others="all"), ".leaves_out_others: ", "true or false"),
    "cloud of no name": (go(clouds={"amazon": {}}), ".clouds: ", "unknown key 'amazon'"),
    "near cloud": (go(clouds={"azur": {}}), ".clouds: ", "did you mean 'azure'?"),
    "near key of a cloud": (
        go(clouds={"aws": {"step": "- run: x"}}),
        ".clouds.aws: ",
        "did you mean 'steps'?",
    ),
    "cloud's steps that are no list": (
        go(clouds={"aws": {"steps": "run: x"}}),
        ".clouds.aws.steps: ",
        "list of steps",
    ),
    "cloud's steps of words": (
        go(clouds={"gcp": {"steps": "- x"}}),
        ".clouds.gcp.steps: ",
        "list of steps",
    ),
    "cloud's steps of broken YAML": (
        go(clouds={"none": {"steps": "- ["}}),
        ".clouds.none.steps: ",
        "not YAML",
    ),
    "cloud's variable with a dash": (
        go(clouds={"aws": {"variables": {"a-b": "x"}}}),
        ".clouds.aws.variables: ",
        "not a variable's name",
    ),
    "cloud's variable of GitHub": (
        go(clouds={"aws": {"variables": {"GITHUB_X": "x"}}}),
        ".clouds.aws.variables: ",
        "reserved by GitHub",
    ),
    "cloud's empty variable": (
        go(clouds={"aws": {"variables": {"A": ""}}}),
        ".clouds.aws.variables.A: ",
        "that is not empty",
    ),
    "cloud's prerequisite as text": (
        go(clouds={"aws": {"prerequisites": "x"}}),
        ".clouds.aws.prerequisites: ",
        "expected a list",
    ),
    "cloud of a job by name": (
        go(jobs={"test": {"cloud": "aws"}}),
        ".jobs.test.cloud: ",
        "true or false",
    ),
    "registry of a job by name": (
        go(jobs={"test": {"registry": "ghcr.io"}}),
        ".jobs.test.registry: ",
        "true or false",
    ),
    "variable of a job with a dash": (
        go(jobs={"test": {"variables": {"a-b": "x"}}}),
        ".jobs.test.variables: ",
        "not a variable's name",
    ),
    "variable of a job as a number": (
        go(jobs={"test": {"variables": {"A": 1}}}),
        ".jobs.test.variables.A: ",
        "expected text",
    ),
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
    assert message.startswith("code_types/go.yml" + re.sub(r"^\.", ": ", place))
    assert says in message
    assert message.isprintable()


@pytest.mark.parametrize("file", ["Go lang.yml", "1go.yml", "go.lang.yml", "é.yml"])
def test_a_file_name_must_be_a_valid_code_type_name(file: str, folder: Path) -> None:
    with pytest.raises(AnswerError, match=re.escape(f"code_types/{file}: ")):
        load(folder, go(), file)


def test_a_new_file_adds_a_code_type(folder: Path) -> None:
    text = go(
        depends_on=["terraform"],
        produces=["app"],
        products={"app": "go build -o app"},
        jobs={"test": {"command": "go test ./..."}},
    )
    loaded = load(folder, text, "golang.yml")
    assert list(loaded) == sorted([*CODE_TYPES, "golang"])
    assert {name: what for name, what in loaded.items() if name != "golang"} == CODE_TYPES
    answers = read(known=loaded, code_types=["golang", "terraform"], components={"x": generic()})
    assert [c.name for c in answers.components] == ["golang", "terraform", "x"]
    assert [(e.consumer, e.producer) for e in answers.dependencies.edges] == [
        ("golang", "terraform")
    ]
    (component, *_) = answers.components
    assert component.commands == {"test": "go test ./...", "build": "go build -o app"}
    assert component.produces == ("app",)


def test_all_keys_of_a_code_type_are_loaded(folder: Path) -> None:
    """Each key that is more than text."""
    text = go(
        products={"app": "make app", "doc": "make doc"},
        produces=["app", "doc"],
        outputs=["image"],
        setup={**SETUP, "steps": "- run: x\n  shell: bash\n"},
        tools={"a": CACHED, "b": f"- run: {READS_FILE}"},
        leaves_out_others=True,
        clouds={"gcp": {"steps": "- run: x\n", "variables": {"A": "b"}, "prerequisites": ["c"]}},
        jobs={
            "deploy": {"cloud": True, "variables": {"WHO": "<component>"}},
            "lint": {},
            "test": {"tools": ["setup", "a", "b"], "variables": {"A": READS_FILE}},
        },
    )
    loaded = load(folder, text)["go"]
    assert loaded.products == {"app": "make app", "doc": "make doc"}
    assert loaded.outputs == ("image",)
    assert loaded.setup == Setup("x", "y", {"file": "z"}, "- run: x\n  shell: bash")
    assert loaded.jobs["test"].tools == ("setup", "a", "b")
    assert loaded.leaves_out_others
    assert loaded.clouds == {"gcp": CloudAddition("- run: x", {"A": "b"}, ("c",))}
    assert (loaded.jobs["deploy"].cloud, loaded.jobs["deploy"].registry) == (True, False)
    assert loaded.jobs["deploy"].variables == {"WHO": "<component>"}
    assert not loaded.jobs["lint"].cloud and not loaded.jobs["lint"].variables
    usual = load(folder, go())["go"]
    assert (usual.outputs, usual.clouds, usual.leaves_out_others) == ((), {}, False)
    assert usual.setup is None


def test_a_code_type_that_is_like_another(folder: Path) -> None:
    """The longest word is replaced, mappings are merged, and other values are replaced."""
    first = go(
        prerequisites=["a make", "b"],
        jobs={"test": {"command": "make test # makefile"}, "lint": {"command": "make lint"}},
        depends_on=["python", "node"],
    )
    (folder / "rust.yml").write_text(first, encoding="utf-8")
    loaded = load(
        folder,
        "like: rust\nlabel: Like\nwords: {make: just, makefile: Makefile}\n"
        "depends_on: [java]\njobs: {test: {name: Try}}\n",
    )
    one, other = loaded["rust"], loaded["go"]
    assert (one.label, other.label, other.description) == ("Go", "Like", "Builds")
    assert other.prerequisites == ("a just", "b") and other.depends_on == ("java",)
    assert other.jobs["test"].command == "just test # Makefile" and other.jobs["test"].name == "Try"
    assert other.jobs["lint"].command == "just lint"
    assert one.jobs["test"].command == "make test # makefile"


FUNCTIONS = {
    "first": "first() {\n  echo 1\n}\n",
    "second": "second() {\n  echo 2\n}\n",
}
# A command -> the functions that are printed above it, in the order of the file.
CALLS: dict[str, tuple[str, list[str]]] = {
    "none": ("make", []),
    "one": ("first now", ["first"]),
    "the other, later": ("make\nif second; then make; fi", ["second"]),
    "both, in another order": ("second && first", ["first", "second"]),
    "twice": ("first\nfirst", ["first"]),
    "a longer word": ("firstly; secondary; my_first", []),
    "in quotes": ('echo "$(first)"', ["first"]),
}


@pytest.mark.parametrize("case", CALLS)
def test_functions_are_printed_above_commands_that_call_them(case: str, folder: Path) -> None:
    command, called = CALLS[case]
    text = go(
        functions=FUNCTIONS,
        produces=["a"],
        products={"a": command, "b": "make b"},
        jobs={"test": {"command": command}, "lint": {"command": "make lint"}},
    )
    loaded = load(folder, text)["go"]
    whole = "".join(FUNCTIONS[name] for name in called) + command
    assert loaded.jobs["test"].command == whole
    assert loaded.jobs["lint"].command == "make lint"
    assert loaded.products == {"a": whole, "b": "make b"}


def test_an_own_command_gets_no_functions() -> None:
    """In an own command, `render` means a command of the repository."""
    (component,) = read(components={"kubernetes": {"build": "render all"}}).components
    assert component.commands["build"] == "render all"


def test_shipped_functions_are_printed_where_they_are_called() -> None:
    """A command has the functions that it or another printed function calls, and no other."""
    made = plan(code_types=sorted(CODE_TYPES))
    commands = [(b.component.name, command) for b in made.builds for command in b.commands]
    commands += [(deploy.component.name, deploy.command) for deploy in made.deploys]
    called = 0
    for component, command in commands:
        there = re.findall(r"^(\w+)\(\) \{", command.text, re.MULTILINE)
        bodies = re.split(r"^\w+\(\) \{\n[\s\S]*?^\}\n", command.text, flags=re.MULTILINE)
        assert len(bodies) == len(there) + 1 and len(set(there)) == len(there)
        known = SHIPPED[component].get("functions", {})
        for name in known:
            others = [text for other, text in known.items() if other in there and other != name]
            calls = any(re.search(rf"\b{name}\b", text) for text in ["".join(bodies), *others])
            assert calls == (name in there), f"{component} {command.id}: {name}"
            called += calls
    assert called > 10


def test_a_build_command_without_a_product_is_refused(folder: Path) -> None:
    """The schema allows the command, but it would have no effect."""
    with pytest.raises(
        AnswerError, match=r"go\.yml: jobs\.build\.command: write the build commands in `products`"
    ):
        load(folder, go(jobs={"build": {"command": "make app"}}))


def test_a_removed_file_removes_a_code_type(folder: Path) -> None:
    """Usual dependencies on it are dropped."""
    (folder / "python.yml").unlink()
    loaded = load_code_types(folder)
    assert set(loaded) == set(CODE_TYPES) - {"python"}
    assert not read(known=loaded, code_types=["terraform"]).dependencies.edges
