"""Reads `code_types/*.yml`, one file for each kind of code, and refuses what is wrong in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .code_type_model import (
    CACHE,
    JOBS,
    PLAN_VARIABLES,
    SETUP,
    SETUP_FILES,
    CloudAddition,
    CodeType,
    Consumed,
    Detect,
    JobDefaults,
    Needed,
    OwnCommands,
    Setup,
    State,
    Suggestion,
    WholeTree,
)
from .errors import AnswerError, shown
from .like import in_full
from .names import (
    ENVIRONMENT_FOLDER,
    EXPRESSION,
    VARIABLE,
    check_name,
    check_no_collision,
    check_path,
    check_variable,
    check_watch,
    unknown,
)
from .schema import check
from .settings import COMMON, Setting
from .yaml_text import read_yaml

LINE_ENDS_AND_TABS = str.maketrans("", "", "\n\t")
"""Drops the control characters that a command may hold."""

SETUP_OUTPUT = re.compile(r"\bsteps\.setup\.outputs\.([\w-]+)")
"""How steps and variables name an output of `setup`."""

FILE = re.compile(r"[A-Za-z0-9][\w-]*(\.[\w-]+)*")

REPORT = re.compile(r"[\w.*?{},@-][\w./*?{},@-]*")
"""A pattern of reports: relative, without a space."""

TAKEN_OUTPUTS = ("artifact-name", "artifact-path", "deployment-status", "digest")
"""Outputs that every workflow of a component may have."""

GONE = {
    "packages": "take this line out; packages are placed before the first command, always",
    "timeout_minutes": "take this line out; a component's own `timeout_minutes` says "
    "how long its build and its deployment may take, else 60 minutes",
}
"""Keys of a job in the form of version 0.1, and what to do about each."""


def load_code_types(folder: Path) -> dict[str, CodeType]:
    """Read every `*.yml` of the folder, by name.

    Raises AnswerError with file and key when a file breaks `schema.json`.
    """
    schema = load_schema(folder)
    # Sorted: a folder lists its files in another order on every file system.
    files = sorted(folder.glob("*.yml"), key=lambda file: file.name)
    written = {file.stem: read_yaml(file.read_bytes(), f"code_types/{file.name}") for file in files}
    return {
        name: read_code_type(name, data, schema, f"code_types/{name}.yml", written)
        for name, data in written.items()
    }


def load_schema(folder: Path) -> Mapping[str, Any]:
    """`schema.json` of the folder, with its shared definitions in place."""
    return _resolved(json.loads((folder / "schema.json").read_text(encoding="utf-8")))


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with its shared definitions in place of the references to them."""

    def resolve(part: Any) -> Any:
        if isinstance(part, list):
            return [resolve(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolve(schema["$defs"][part["$ref"].rpartition("/")[2]])
        return {key: resolve(value) for key, value in part.items() if key != "$defs"}

    # A code type that is `like` another one is written out before it is checked.
    return {**resolve(schema), "required": schema["then"]["required"]}


def read_code_type(
    name: str, data: Any, schema: Mapping[str, Any], file: str, others: Mapping[str, Any]
) -> CodeType:
    """The content of a file, as a code type. Raises AnswerError with file and key.

    `others` are the contents of the files that it may be `like`, by name.
    """
    try:
        return replace(_read(name, in_full(data, others), schema), written=data)
    except AnswerError as error:
        raise AnswerError(": ".join(filter(None, (file, error.place))), error.cause) from error


def _read(name: str, data: Any, schema: Mapping[str, Any]) -> CodeType:
    """The code type that a file describes. Raises AnswerError."""
    check_name(name, "")
    _check_form(data)
    check(data, schema, "")
    for key in ("label", "description"):
        _check_line(data[key], key)
    for other in data.get("depends_on", []):
        # A name of no code type is no error: a fork may have deleted that code type.
        check_name(other, "depends_on")
    setup = _setup(data["setup"], "setup") if SETUP in data else None
    tools = _tools(data.get("tools", {}), setup)
    functions = {name: text.strip("\n") for name, text in data.get("functions", {}).items()}
    for function, text in functions.items():
        if not VARIABLE.fullmatch(function):
            raise AnswerError("functions", f"{function!r} is no name of a shell function")
        check_command(text, f"functions.{function}")
    products = _products(data.get("products", {}), functions)
    read = {job: _job(job, data["jobs"].get(job) or {}, functions, f"jobs.{job}") for job in JOBS}
    publish = _publish(data["publish"], products, functions) if "publish" in data else None
    plan = None
    if "plan" in data:
        plan = _job("plan", data["plan"], functions, "plan")
        check_command(data["plan"].get("apply", ""), "plan.apply")
    for job, defaults in read.items():
        _check_tools(defaults, tools, setup, f"jobs.{job}", caches=job != "deploy")
    if plan:
        _check_tools(plan, tools, setup, "plan", caches=False)
    if publish:
        _check_tools(publish, tools, setup, "publish", caches=False)
    if read["build"].command:
        raise AnswerError(
            "jobs.build.command", "write the build commands in `products`, one for each product"
        )
    for product in data.get("produces", []):
        if product not in products:
            raise unknown(product, list(products), "produces", "product")
    _check_reports(data.get("reports", []))
    check_command(data.get("keeps_others", ""), "keeps_others")
    _check_outputs(data.get("outputs", []))
    for secret, others in data.get("secret_variables", {}).items():
        for variable in (secret, *others):
            check_variable(variable, "secret_variables")
    settings = _settings(data.get("settings", {}))
    given_to = [*read.values(), *filter(None, (publish, plan))]
    taken = {"ENVIRONMENT", "ENVIRONMENTS", "COMMIT", *PLAN_VARIABLES}
    taken |= {name.upper() for job in given_to for name in job.variables}
    for setting in settings.values():
        if setting.variable.upper() in taken:
            cause = f"{setting.variable!r} is already given to its commands; choose another name"
            raise AnswerError(f"settings.{setting.name}.variable", cause)
    named = data.get("detect", {}).get("setting", "")
    if named and (named not in settings or settings[named].type != "string"):
        raise unknown(named, list(settings), "detect.setting", "setting of type string")
    clouds = {
        cloud: _cloud(given, setup, f"clouds.{cloud}")
        for cloud, given in data.get("clouds", {}).items()
    }
    return CodeType(
        name=name,
        label=data["label"],
        description=data["description"],
        jobs=read,
        depends_on=tuple(data.get("depends_on", [])),
        produces=tuple(data.get("produces", [])),
        products=products,
        reports=tuple(data.get("reports", [])),
        outputs=tuple(data.get("outputs", [])),
        setup=setup,
        clouds=clouds,
        secret_variables={
            secret: tuple(others) for secret, others in data.get("secret_variables", {}).items()
        },
        tools=tools,
        prerequisites=tuple(data.get("prerequisites", [])),
        pull_requests=data.get("pull_requests", "").strip("\n"),
        leaves_out_others=data.get("leaves_out_others", False),
        keeps_others=data.get("keeps_others", ""),
        publish=publish,
        plan=plan,
        apply=_with_functions(data.get("plan", {}).get("apply", ""), functions).strip("\n"),
        consumes=tuple(
            _consumed(given, f"consumes[{index}]")
            for index, given in enumerate(data.get("consumes", []))
        ),
        detect=_detect(data["detect"], products, "detect") if "detect" in data else None,
        environment_files=tuple(
            _environment_file(path) for path in data.get("environment_files", [])
        ),
        environments_in=tuple(
            _needed(given, f"environments_in[{index}]")
            for index, given in enumerate(data.get("environments_in", []))
        ),
        reads_above=tuple(_read_above(name) for name in data.get("reads_above", [])),
        settings=settings,
    )


def _publish(
    given: Mapping[str, Any], products: Mapping[str, str], functions: Mapping[str, str]
) -> JobDefaults:
    """The key `publish`. Raises AnswerError."""
    publish = _job("deploy", {"name": "Publish", **given}, functions, "publish")
    if publish.product and publish.product not in products:
        raise unknown(publish.product, list(products), "publish.product", "product")
    if not publish.command.strip():
        raise AnswerError("publish.command", "it is empty; write the command that publishes")
    return publish


def _check_reports(patterns: Iterable[str]) -> None:
    """Refuse patterns that cannot be passed on in one line, separated by spaces.

    Raises AnswerError.
    """
    for pattern in patterns:
        if not REPORT.fullmatch(pattern) or ".." in pattern.split("/"):
            raise AnswerError(
                "reports",
                f"{pattern!r} is no relative pattern of files without spaces; write one like "
                "**/TEST-*.xml",
            )


def _check_outputs(names: Sequence[str]) -> None:
    """Refuse outputs without a safe name, or with the name of another one. Raises AnswerError."""
    check_no_collision([(name, f"outputs[{i}]") for i, name in enumerate(names)], "name")
    for name in names:
        check_name(name, "outputs")
        if name in TAKEN_OUTPUTS:
            raise AnswerError("outputs", f"{name!r} is an output of every component; rename it")


def _read_above(name: str) -> str:
    """An entry of `reads_above`. Raises AnswerError."""
    place = "reads_above"
    checked = check_watch(name, place)
    if name.startswith("!") or "**" in name or "{" in name:
        raise AnswerError(
            place, f"{shown(name)} is no name of a file or folder; * stands for a part"
        )
    return checked


ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    "pattern": ("string", "array", "object"),
    "enum": ("string", "array", "object"),
    "packages": ("object",),
    "files": ("string",),
}
"""For each key of a setting: the types of settings in which it has an effect."""


def _settings(given: Mapping[str, Any]) -> dict[str, Setting]:
    """The settings by name. Raises AnswerError."""
    settings = {}
    for name, setting in given.items():
        place = f"settings.{name}"
        if name in COMMON or name in JOBS:
            raise AnswerError(place, "every component has a setting of that name; rename it")
        if not re.fullmatch("[a-z][a-z0-9_]*", name):
            raise AnswerError(place, "use lower-case letters, digits and _, with a letter first")
        for key, types in ONLY_FOR.items():
            if key in setting and setting["type"] not in types:
                cause = f"it has no effect with the type {setting['type']}; drop it"
                raise AnswerError(f"{place}.{key}", cause)
        _check_line(setting["description"], f"{place}.description")
        check_variable(setting["variable"], f"{place}.variable")
        _check_expression(setting.get("pattern", ""), f"{place}.pattern")
        settings[name] = Setting(
            name=name,
            type=setting["type"],
            description=setting["description"],
            variable=setting["variable"],
            pattern=setting.get("pattern", ""),
            choices=tuple(setting.get("enum", ())),
            packages=setting.get("packages", False),
            on_tags=setting.get("on_tags", False),
            files=tuple(setting.get("files", ())),
        )
    variables = [(s.variable, f"settings.{s.name}.variable") for s in settings.values()]
    check_no_collision(variables, "variable")
    return settings


def _check_form(data: Any) -> None:
    """Refuse what only version 0.1 read, with what to do about it. Raises AnswerError."""

    def inner(value: Any, key: str) -> Mapping[str, Any]:
        given = value.get(key) if isinstance(value, dict) else None
        return given if isinstance(given, dict) else {}

    places = {f"jobs.{job}": inner(data.get("jobs"), job) for job in inner(data, "jobs")}
    places["publish"] = inner(data, "publish")
    for place, settings in places.items():
        for key, cause in GONE.items():
            if key in settings:
                raise AnswerError(f"{place}.{key}", cause)
    for product, given in inner(data, "products").items():
        if isinstance(given, dict) and given.keys() & {"command", "pull_request"}:
            raise AnswerError(
                f"products.{product}",
                "write only the command; pull requests run it, too, and it makes a result for "
                "each of $ENVIRONMENTS if those differ",
            )
    if inner(data, "outputs"):
        cause = "list the names alone; the build command writes them to $GITHUB_OUTPUT"
        raise AnswerError("outputs", cause)
    for tool, text in inner(data, "tools").items():
        if isinstance(text, str) and "<environments>" in text:
            cause = "move the step to `setup`, whose script finds $ENVIRONMENTS"
            raise AnswerError(f"tools.{tool}", cause)


def _setup(given: Mapping[str, Any], place: str) -> Setup:
    """The key `setup`. Raises AnswerError."""
    _check_line(given["description"], f"{place}.description")
    check_command(given["script"], f"{place}.script")
    for output, description in given.get("outputs", {}).items():
        check_name(output, f"{place}.outputs")
        _check_line(description, f"{place}.outputs.{output}")
    for file in given.get("files", {}):
        if not FILE.fullmatch(file) or file in SETUP_FILES:
            cause = (
                f"{shown(file)} cannot be the name of a file of the action; use letters, digits, "
                ". - and _"
            )
            raise AnswerError(f"{place}.files", cause)
        others = [text for name, text in given["files"].items() if name != file]
        text = "".join([given["script"], given.get("steps", ""), *others])
        if file.partition(".")[0] not in text:
            raise AnswerError(f"{place}.files", f"no step of `setup` names {shown(file)}")
    steps = given.get("steps", "").strip("\n")
    if steps:
        for step in check_steps(steps, f"{place}.steps"):
            if "run" in step and "shell" not in step:
                raise AnswerError(f"{place}.steps", "a step with `run` needs a `shell` there")
    return Setup(
        description=given["description"],
        script=given["script"].strip("\n"),
        outputs=given.get("outputs", {}),
        steps=steps,
        files={name: text.strip("\n") for name, text in given.get("files", {}).items()},
    )


def _tools(given: Mapping[str, str], setup: Setup | None) -> dict[str, str]:
    """The key `tools`: the steps of each tool. Raises AnswerError."""
    tools = {name: text.strip("\n") for name, text in given.items()}
    for tool, text in tools.items():
        if tool == SETUP:
            raise AnswerError("tools.setup", "rename it; `setup` means the key of that name")
        check_steps(text, f"tools.{tool}")
        _check_outputs_of_setup(text, setup, f"tools.{tool}")
    return tools


def _check_outputs_of_setup(text: str, setup: Setup | None, place: str) -> None:
    """Raise AnswerError unless each output of `setup` that the text reads is there."""
    for output in SETUP_OUTPUT.findall(text):
        if setup is None:
            raise AnswerError(place, f"reads {output!r} of `setup`, and there is no `setup`")
        if output not in setup.outputs:
            raise unknown(output, list(setup.outputs), place, "output of `setup`")


def _check_tools(
    job: JobDefaults, tools: Mapping[str, str], setup: Setup | None, place: str, caches: bool
) -> None:
    """Refuse tools that do not exist, or that read what no tool before them finds.

    Raises AnswerError.
    """
    known = [*tools, *([SETUP] if setup else [])]
    for tool in job.tools:
        if tool not in known:
            raise unknown(tool, known, f"{place}.tools", "tool of this file")
    before: list[str] = []
    for tool in job.tools:
        text = tools.get(tool, "")
        if SETUP_OUTPUT.search(text) and SETUP not in before:
            raise AnswerError(f"{place}.tools", f"name `setup` before {tool!r}, which reads it")
        if CACHE in text and not caches:
            cause = f"{tool!r} reads {CACHE}, which only builds have; name a tool without a cache"
            raise AnswerError(f"{place}.tools", cause)
        before.append(tool)
    for variable, text in job.variables.items():
        here = f"{place}.variables.{variable}"
        _check_outputs_of_setup(text, setup, here)
        if SETUP_OUTPUT.search(text) and SETUP not in job.tools:
            raise AnswerError(here, f"reads an output of `setup`; name that in {place}.tools")
        if CACHE in text and not caches:
            raise AnswerError(here, f"reads {CACHE}, which only builds have; take it out")


def _job(
    job: str, settings: Mapping[str, Any], functions: Mapping[str, str], place: str
) -> JobDefaults:
    check_command(settings.get("command", ""), f"{place}.command")
    return JobDefaults(
        name=settings.get("name", "Security scan" if job == "security" else job.capitalize()),
        command=_with_functions(settings.get("command", ""), functions),
        tools=tuple(settings.get("tools", [])),
        secrets=settings.get("secrets", False),
        cloud=settings.get("cloud", False),
        registry=settings.get("registry", False),
        identity=settings.get("identity", False),
        product=settings.get("product", ""),
        variables=_variables(settings, place),
    )


def _environment_file(path: str) -> str:
    """An entry of `environment_files`. Raises AnswerError."""
    place = "environment_files"
    if path.count(ENVIRONMENT_FOLDER) != 1:
        raise AnswerError(place, f"{shown(path)} has to name {ENVIRONMENT_FOLDER} once")
    if path.endswith("/"):
        return f"{check_path(path, place)}/"
    if ENVIRONMENT_FOLDER not in path.rpartition("/")[2]:
        raise AnswerError(
            place, f"{shown(path)}: write a file's name, or a folder that ends with /"
        )
    return check_path(path, place)


def _consumed(given: Mapping[str, Any], place: str) -> Consumed:
    _check_expression(given.get("pattern", "()"), f"{place}.pattern", groups=1)
    named_in, by_key = tuple(given.get("named_in", [])), given.get("by_key", False)
    variables = given.get("variables", "")
    _check_expression(variables or "()()", f"{place}.variables", groups=2)
    return Consumed(given["product"], named_in, given.get("pattern", ""), by_key, variables)


def _needed(given: Mapping[str, Any], place: str) -> Needed:
    for key in ("pattern", "called"):
        _check_expression(given.get(key, "()"), f"{place}.{key}", groups=1)
    return Needed(tuple(given["named_in"]), given["pattern"], given.get("called", ""))


def _own_commands(given: Mapping[str, Any], place: str) -> OwnCommands:
    """The key `commands` of `detect`. Raises AnswerError."""
    for key in ("before", "script"):
        check_command(given.get(key, ""), f"{place}.{key}")
    return OwnCommands(tuple(given["calls"]), given.get("before", ""), given.get("script", ""))


def _state(given: Mapping[str, Any], place: str) -> State:
    """The key `state`. Raises AnswerError."""
    _check_expression(given["pattern"], f"{place}.pattern")
    for name in given["apart"]:
        check_variable(name, f"{place}.apart")
    return State(tuple(given["named_in"]), given["pattern"], tuple(given["apart"]))


def _whole_tree(given: Mapping[str, Any], place: str) -> dict[str, WholeTree]:
    """The key `whole_tree`, by tool. Raises AnswerError."""
    for tool, said in given.items():
        _check_expression(said.get("unless", ""), f"{place}.{tool}.unless")
    return {
        tool: WholeTree(
            endings=tuple(said["endings"]),
            rewrites=tuple(said["rewrites"]),
            ignores=tuple(said["ignores"]),
            unless=said.get("unless", ""),
        )
        for tool, said in given.items()
    }


def _detect(given: Mapping[str, Any], products: Mapping[str, str], place: str) -> Detect:
    """The key `detect`. Raises AnswerError."""
    for key in ("holds", "beside"):
        for pattern in given.get(key, {}):
            if pattern not in given["files"]:
                raise unknown(pattern, given["files"], f"{place}.{key}", "pattern of `files`")
    for pattern, text in given.get("holds", {}).items():
        _check_expression(text, f"{place}.holds.{pattern}")
    for cloud, text in given.get("clouds", {}).items():
        _check_expression(text, f"{place}.clouds.{cloud}")
    _check_expression(given.get("own_login", ""), f"{place}.own_login")
    _check_expression(given.get("constants", "()()"), f"{place}.constants", groups=2)
    for key in ("parts", "known_as", "reads"):
        _check_expression(given.get(key, "()"), f"{place}.{key}", groups=1)
    if "variable" in given:
        check_variable(given["variable"], f"{place}.variable")
        if "setting" in given:
            raise AnswerError(f"{place}.setting", "there is also a `variable`; remove one of them")
    replaces = given.get("replaces", {})
    if isinstance(replaces, list):
        replaces = dict.fromkeys(replaces, ())
    for name in replaces:
        check_name(name, f"{place}.replaces")
    suggestions = []
    for index, settings in enumerate(given.get("settings", [])):
        here = f"{place}.settings[{index}]"
        _check_expression(settings.get("holds", ""), f"{here}.holds")
        for product in settings.get("produces", []):
            if product not in products:
                raise unknown(product, list(products), f"{here}.produces", "product")
        produces = tuple(settings["produces"]) if "produces" in settings else None
        files = tuple(settings.get("files", []))
        ignored = settings.get("ignored", False)
        suggestions.append(Suggestion(files, settings.get("holds", ""), produces, ignored))
    for product in given.get("leaves", {}):
        if product not in products:
            raise unknown(product, list(products), f"{place}.leaves", "product")
    return Detect(
        files=tuple(given["files"]),
        holds=given.get("holds", {}),
        beside={
            pattern: (names,) if isinstance(names, str) else tuple(names)
            for pattern, names in given.get("beside", {}).items()
        },
        nested=given.get("nested", "component"),
        parts=given.get("parts", ""),
        parts_in=tuple(given.get("parts_in", [])),
        environments=given.get("environments", False),
        replaces={name: tuple(patterns) for name, patterns in replaces.items()},
        replaces_inside=given.get("replaces_inside", True),
        variable=given.get("variable", ""),
        setting=given.get("setting", ""),
        settings=tuple(suggestions),
        commands=_own_commands(given["commands"], f"{place}.commands")
        if "commands" in given
        else None,
        leaves={name: tuple(paths) for name, paths in given.get("leaves", {}).items()},
        known_as=given.get("known_as", ""),
        reads=given.get("reads", ""),
        constants=given.get("constants", ""),
        needs=tuple(
            _needed(needed, f"{place}.needs[{index}]")
            for index, needed in enumerate(given.get("needs", []))
        ),
        clouds=given.get("clouds", {}),
        own_login=given.get("own_login", ""),
        state=_state(given["state"], f"{place}.state") if "state" in given else None,
        whole_tree=_whole_tree(given.get("whole_tree", {}), f"{place}.whole_tree"),
        not_read=given.get("not_read", {}),
    )


def _check_expression(text: str, place: str, groups: int = 0) -> None:
    """Refuse what is no regular expression, or has fewer groups than are read.

    Raises AnswerError.
    """
    try:
        found = re.compile(text).groups
    except re.error as error:
        raise AnswerError(place, f"{text!r} is no regular expression: {error}") from error
    if found < groups:
        raise AnswerError(place, f"{text!r} needs a group around the name")


def _products(given: Mapping[str, str], functions: Mapping[str, str]) -> dict[str, str]:
    products = {}
    for name, command in given.items():
        check_path(name, "products")
        check_command(command, f"products.{name}")
        products[name] = _with_functions(command, functions)
    return products


def _with_functions(command: str, functions: Mapping[str, str]) -> str:
    """The command, after the shell functions that it calls, directly or not."""
    called: list[str] = []
    texts = [command]
    while texts:
        text = texts.pop()
        new = [name for name in functions if re.search(rf"\b{name}\b", text)]
        texts += [functions[name] for name in new if name not in called]
        called += [name for name in new if name not in called]
    above = [text for name, text in functions.items() if name in called]
    return "\n".join([*above, command.strip("\n")])


def _cloud(given: Mapping[str, Any], setup: Setup | None, place: str) -> CloudAddition:
    if "steps" in given:
        check_steps(given["steps"], f"{place}.steps")
    for text in (given.get("steps", ""), *given.get("variables", {}).values()):
        _check_outputs_of_setup(text, setup, place)
    return CloudAddition(
        steps=given.get("steps", "").strip("\n"),
        variables=_variables(given, place),
        permissions=given.get("permissions", {}),
        prerequisites=tuple(given.get("prerequisites", [])),
    )


def _variables(given: Mapping[str, Any], place: str) -> dict[str, str]:
    variables: dict[str, str] = given.get("variables", {})
    for name in variables:
        check_variable(name, f"{place}.variables")
    return variables


def _check_line(text: str, place: str) -> None:
    """Refuse text that cannot be part of a line of a page, or of a prompt, which Copier renders.

    Raises AnswerError.
    """
    if not text.isprintable() or any(bracket in text for bracket in ("[[", "[%", "[#")):
        raise AnswerError(place, "expected one line of printable characters without [[, [% and [#")


def check_steps(text: str, place: str) -> list[dict[str, Any]]:
    """The steps of a YAML list, which is printed as it stands. Raises AnswerError."""
    steps = read_yaml(text, place)
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise AnswerError(place, "expected a list of steps")
    return steps


def check_command(command: str, place: str) -> None:
    """Refuse a command that cannot be printed into a workflow as it is. Raises AnswerError."""
    if not command.translate(LINE_ENDS_AND_TABS).isprintable():
        character = next(c for c in command if not c.isprintable() and c not in "\n\t")
        cause = f"the control character {character!r} cannot stand in a workflow; drop it"
        raise AnswerError(place, cause)
    if EXPRESSION in command:
        raise AnswerError(
            place,
            "a command must not hold ${{ }}: GitHub would paste the value into the script; "
            "hand it over in `env` or `secrets`",
        )
