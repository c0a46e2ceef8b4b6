"""Workflow files: reading them, and GitHub's static checks, which stop a run before any job.

GitHub reads the whole tree of called workflows first. Unknown or missing inputs, unknown `needs`,
cycles, and a called job that asks for more permissions than its caller grants reject the run.
"""

from __future__ import annotations

import functools
import graphlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from . import concurrency, events
from .model import NotModelledError

MAX_DEPTH = 10
MAX_CALLED = 50
LEVELS = {"none": 0, "read": 1, "write": 2}
SCOPES = (
    *("actions", "attestations", "checks", "contents", "deployments", "discussions", "id-token"),
    *("issues", "models", "packages", "pages", "pull-requests", "security-events", "statuses"),
)
# Since 2023 the token of new repositories may only read these two.
DEFAULT_PERMISSIONS = {"contents": "read", "packages": "read"}
CALLING_KEYS = {
    *("name", "uses", "with", "secrets", "strategy", "needs", "if", "concurrency", "permissions"),
}


class WorkflowError(ValueError):
    """What GitHub reports as an invalid workflow file: the run ends as `startup_failure`."""


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2 as GitHub reads it: `on` is a word, dates and octal numbers are text."""


Loader.yaml_implicit_resolvers = {
    first: [
        (tag, regexp) for tag, regexp in resolvers if tag.endswith((":null", ":float", ":merge"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(true|True|TRUE|false|False|FALSE)$"), "tTfF"
)
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("^[-+]?[0-9]+$"), "-+0123456789")


@functools.lru_cache(maxsize=1000)
def parse(text: str) -> dict[str, Any]:
    """A workflow file; the result is shared, so nobody may change it."""
    try:
        workflow = yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise WorkflowError(f"not YAML: {error}") from error
    if not isinstance(workflow, dict) or "on" not in workflow or not workflow.get("jobs"):
        raise WorkflowError("a workflow needs `on` and `jobs`")
    return workflow


@dataclass
class Node:
    """A job in the tree of a run. The root stands for the run itself."""

    key: str
    id: str
    definition: dict[str, Any]
    workflow: dict[str, Any]
    path: str
    permissions: dict[str, str]
    parent: Node | None = None
    #: The workflow that a calling job calls, and its jobs.
    called: dict[str, Any] | None = None
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def needs(self) -> list[str]:
        return events.as_list(self.definition.get("needs"))

    def walk(self) -> Iterator[Node]:
        """This node and everything below it, in the order of the files."""
        yield self
        for child in self.children.values():
            yield from child.walk()

    def ancestors(self) -> list[Node]:
        """The jobs whose results success() looks at: all that came before, also of the callers."""
        if self.parent is None:
            return []
        found: dict[str, Node] = {}
        todo = list(self.needs)
        while todo:
            sibling = self.parent.children[todo.pop()]
            if sibling.key not in found:
                found[sibling.key] = sibling
                todo += sibling.needs
        return [*found.values(), *self.parent.ancestors()]


def _check_concurrency(settings: dict[str, Any], where: str) -> None:
    try:
        concurrency.check(settings.get("concurrency"))
    except ValueError as error:
        raise WorkflowError(f"{where}: {error}") from error


def permissions(value: Any, inherited: dict[str, str]) -> dict[str, str]:
    """The token's rights that a `permissions` key gives; what it leaves out is `none`."""
    if value is None:
        return inherited
    if value in ("read-all", "write-all"):
        return dict.fromkeys(SCOPES, value.removesuffix("-all"))
    if not isinstance(value, Mapping):
        raise WorkflowError(f"unknown permissions: {value}")
    for scope, level in value.items():
        if scope not in SCOPES or level not in LEVELS:
            raise WorkflowError(f"unknown permission {scope}: {level}")
    return {scope: level for scope, level in value.items() if level != "none"}


def read_only(granted: dict[str, str]) -> dict[str, str]:
    """What GitHub leaves of a job's rights in a pull request of a fork."""
    return {scope: "read" for scope in granted if scope != "id-token"}


def exceeding(wanted: dict[str, str], granted: dict[str, str]) -> list[str]:
    return [
        f"'{scope}: {level}', but is only allowed '{scope}: {granted.get(scope, 'none')}'"
        for scope, level in sorted(wanted.items())
        if LEVELS[level] > LEVELS[granted.get(scope, "none")]
    ]


def tree(files: Mapping[str, str], path: str) -> Node:
    """All jobs of a run of the workflow at `path`, or WorkflowError where GitHub refuses it."""
    workflow = parse(files[path])
    granted = permissions(workflow.get("permissions"), DEFAULT_PERMISSIONS)
    root = Node("", "", {}, workflow, path, granted, called=workflow)
    called: set[str] = set()
    _add_jobs(root, workflow, path, files, called, depth=1)
    if len(called) > MAX_CALLED:
        raise WorkflowError(
            f"{len(called)} reusable workflows called, at most {MAX_CALLED} are allowed"
        )
    return root


def _add_jobs(
    parent: Node,
    workflow: dict[str, Any],
    path: str,
    files: Mapping[str, str],
    called: set[str],
    depth: int,
) -> None:
    jobs = workflow["jobs"]
    _check_concurrency(workflow, path)
    inherited = permissions(workflow.get("permissions"), parent.permissions)
    for job_id, definition in jobs.items():
        where = f"{path}, job {job_id}"
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", job_id):
            raise WorkflowError(f"{where}: not a job id")
        _check_concurrency(definition, where)
        if "strategy" in definition:
            raise NotModelledError("strategy")
        key = f"{parent.key} / {job_id}" if parent.key else job_id
        node = Node(key, job_id, definition, workflow, path, inherited, parent)
        node.permissions = permissions(definition.get("permissions"), inherited)
        parent.children[job_id] = node
        if unknown := [need for need in node.needs if need not in jobs]:
            raise WorkflowError(f"{where}: needs unknown job {unknown[0]}")
        # The check is made job by job against what the calling job grants.
        if parent.key and (too_much := exceeding(node.permissions, parent.permissions)):
            raise WorkflowError(f"{where}: The nested job is requesting {', '.join(too_much)}")
        if "uses" not in definition:
            if not definition.get("runs-on") or not definition.get("steps"):
                raise WorkflowError(f"{where}: `runs-on` and `steps` are required")
            continue
        if extra := sorted(set(definition) - CALLING_KEYS):
            raise WorkflowError(
                f"{where}: {extra[0]} is not allowed in a job that calls a workflow"
            )
        # `./` and `$/` are both the commit of the running workflow.
        target = re.fullmatch(r"[.$]/(\.github/workflows/[^/@]+)", str(definition["uses"]))
        if not target:
            raise NotModelledError(f"uses: {definition['uses']}")
        if target[1] not in files:
            raise WorkflowError(f"{where}: workflow was not found: {target[1]}")
        if depth >= MAX_DEPTH:
            raise WorkflowError(f"{where}: more than {MAX_DEPTH} levels of workflows")
        called.add(target[1])
        node.called = parse(files[target[1]])
        _check_call(node, where)
        asked = permissions(node.called.get("permissions"), {})
        if too_much := exceeding(asked, node.permissions):
            raise WorkflowError(f"{where}: The workflow is requesting {', '.join(too_much)}")
        _add_jobs(node, node.called, target[1], files, called, depth + 1)
    try:
        graphlib.TopologicalSorter({c.id: c.needs for c in parent.children.values()}).prepare()
    except graphlib.CycleError as error:
        raise WorkflowError(f"{path}: cycle {error.args[1]}") from error


def call_settings(workflow: dict[str, Any]) -> dict[str, Any] | None:
    return events.triggers(workflow).get("workflow_call")


def _check_call(node: Node, where: str) -> None:
    """Inputs and secrets of a call, against what the called workflow declares."""
    assert node.called is not None
    settings = call_settings(node.called)
    if settings is None:
        raise WorkflowError(
            f"{where}: the called workflow is not reusable (no `on: workflow_call`)"
        )
    given = {
        "inputs": node.definition.get("with") or {},
        "secrets": node.definition.get("secrets") or {},
    }
    for kind, names in given.items():
        if names == "inherit":
            continue
        declared = settings.get(kind) or {}
        if unknown := sorted(set(names) - set(declared)):
            raise WorkflowError(
                f"{where}: Invalid {kind[:-1]}, {unknown[0]} is not defined "
                "in the referenced workflow"
            )
        for name, declaration in declared.items():
            if (declaration or {}).get("required") and name not in names:
                raise WorkflowError(
                    f"{where}: {kind[:-1].capitalize()} {name} is required, but not provided"
                )


def call_inputs(called: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The `inputs` context of a called workflow, with its defaults; checks the types."""
    settings = call_settings(called) or {}
    inputs: dict[str, Any] = {}
    empty = {"boolean": False, "number": 0, "string": ""}
    for name, declaration in (settings.get("inputs") or {}).items():
        kind = declaration["type"]
        value = given.get(name, declaration.get("default", empty[kind]))
        fits = {"boolean": isinstance(value, bool), "number": _is_number(value), "string": True}
        if not fits[kind]:
            raise ValueError(f"input {name}: Unexpected value {value!r}, expected a {kind}")
        inputs[name] = as_text(value) if kind == "string" else value
    return inputs


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_text(value: Any) -> str:
    """A value as GitHub puts it into a string."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
