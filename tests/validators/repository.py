"""The files that validators read, and the findings that they report."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

# GitHub reads workflows only in this folder, and not in folders below it.
FOLDER = ".github/workflows"

# The folder of generated actions and their scripts.
ACTIONS = ".github/actions"

# This repository at the commit of the running workflow. In a call, `./` means the same.
OWN = "$/"

Keys = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Finding:
    """One error. `file` is relative to the repository; `line` is 0 if it is unknown."""

    validator: str
    file: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message} [{self.validator}: {self.rule}]"


class Once:
    """Remembers the findings of each content, so that it is checked once in this process."""

    def __init__(self) -> None:
        self._found: dict[Hashable, list[Finding]] = {}

    def find(
        self, keys: Mapping[str, Hashable], look: Callable[[list[str]], list[Finding]]
    ) -> list[Finding]:
        """The findings in these files. `look` is called only for files with a new key.

        A key has everything on which the findings depend.
        """
        new = {key: file for file, key in keys.items() if key not in self._found}
        found = look(list(new.values())) if new else []
        for key, file in new.items():
            self._found[key] = [finding for finding in found if finding.file == file]
        return [
            replace(finding, file=file)
            for file, key in keys.items()
            for finding in self._found[key]
        ]


class _Loader(yaml.CSafeLoader):
    """YAML 1.2, as GitHub reads it: `on`, `yes`, dates and `12:30` are text."""


# PyYAML's own resolvers are those of YAML 1.1, where `on` is true.
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )


@dataclass(frozen=True)
class Step:
    """A step with the keys that lead to it, and with its job or composite action."""

    job: str
    keys: Keys
    data: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.data.get("name") or self.data.get("id") or f"step {self.keys[-1]}")

    @property
    def own_action(self) -> str:
        """The path of the used action of this repository; empty for other actions."""
        uses = str(self.data.get("uses", ""))
        return uses.removeprefix(OWN).strip("/") if uses.startswith(OWN) else ""


@dataclass(frozen=True)
class Document:
    """A file with steps. It may have any content, because it is not validated yet."""

    file: str
    text: str

    @cached_property
    def _parsed(self) -> tuple[Any, dict[Keys, yaml.Node], str]:
        return _parse(self.text)

    @property
    def content(self) -> Any:
        """The parsed file, of any type; None if it cannot be parsed."""
        return self._parsed[0]

    @property
    def error(self) -> str:
        """The reason why it cannot be parsed; empty if it can."""
        return self._parsed[2]

    @property
    def data(self) -> dict[str, Any]:
        """The parsed file; empty if it is no mapping."""
        return _mapping(self._parsed[0])

    @property
    def steps(self) -> list[Step]:
        """Every step."""
        return []

    def defaults(self, step: Step) -> list[dict[str, Any]]:
        """The mappings that may have `defaults` for a step, the nearest first."""
        return []

    @property
    def expressions(self) -> Iterator[tuple[int, str]]:
        """Every string that GitHub reads as an expression, or as text with one; with its line."""
        return ((line, text) for _, line, text in self.expressions_below())

    def expressions_below(self, *above: str | int) -> Iterator[tuple[Keys, int, str]]:
        """The same strings below these keys; with their own keys."""
        for keys, node in self._parsed[1].items():
            if (
                isinstance(node, yaml.ScalarNode)
                and ("${{" in node.value or keys[-1:] == ("if",))
                and keys[: len(above)] == above
            ):
                yield keys, node.start_mark.line + 1, node.value

    def line(self, *keys: str | int) -> int:
        """The line where the value of these keys begins; 0 if there is none."""
        node = self._parsed[1].get(keys)
        return node.start_mark.line + 1 if node else 0

    def source(self, *keys: str | int) -> str:
        """The text of that line, including its comment."""
        line = self.line(*keys)
        return self.text.splitlines()[line - 1] if line else ""

    def is_block(self, *keys: str | int) -> bool:
        """Whether the value is a block scalar, which begins on the next line."""
        node = self._parsed[1].get(keys)
        return isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")


@dataclass(frozen=True)
class Workflow(Document):
    """A workflow file."""

    @cached_property
    def jobs(self) -> dict[str, dict[str, Any]]:
        return {str(key): _mapping(job) for key, job in _mapping(self.data.get("jobs")).items()}

    @cached_property
    def steps(self) -> list[Step]:
        """Every step of every job."""
        return [
            Step(name, ("jobs", name, "steps", number), _mapping(step))
            for name, job in self.jobs.items()
            for number, step in enumerate(_sequence(job.get("steps")))
        ]

    def defaults(self, step: Step) -> list[dict[str, Any]]:
        return [self.jobs[step.job], self.data]

    @cached_property
    def calls(self) -> dict[str, str]:
        """The jobs that call a workflow of this repository, each with the workflow's file."""
        return {
            name: str(job["uses"])[2:]
            for name, job in self.jobs.items()
            if str(job.get("uses", "")).startswith(("./", OWN))
        }

    @property
    def events(self) -> set[str]:
        """The events that start it."""
        on = self.data.get("on")
        return {str(event) for event in (on if isinstance(on, dict | list) else [on])}


@dataclass(frozen=True)
class Action(Document):
    """An `action.yml`."""

    @cached_property
    def inputs(self) -> dict[str, dict[str, Any]]:
        return {str(k): _mapping(v) for k, v in _mapping(self.data.get("inputs")).items()}

    @cached_property
    def outputs(self) -> list[str]:
        return [str(key) for key in _mapping(self.data.get("outputs"))]

    @cached_property
    def steps(self) -> list[Step]:
        """Its steps, if it is a composite action."""
        name = self.file.split("/")[-2]
        steps = _sequence(_mapping(self.data.get("runs")).get("steps"))
        return [Step(name, ("runs", "steps", n), _mapping(step)) for n, step in enumerate(steps)]


@dataclass(frozen=True)
class Repository:
    """A folder with workflows, read once for all validators."""

    root: Path
    workflows: dict[str, Workflow]
    actions: dict[str, Action] = field(default_factory=dict)
    #: The text of each shell script of the actions.
    scripts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> Repository:
        """Read a repository. Without workflows it is an error, because no validator could fail."""
        paths = sorted(path for path in (root / FOLDER).glob("*.y*ml") if path.is_file())
        if not paths:
            raise FileNotFoundError(f"{root / FOLDER} has no workflows")
        beside = sorted(path for path in (root / ACTIONS).rglob("*") if path.is_file())

        def texts(paths: Iterable[Path]) -> dict[str, str]:
            return {p.relative_to(root).as_posix(): p.read_text(encoding="utf-8") for p in paths}

        actions = texts(path for path in beside if path.name in ("action.yml", "action.yaml"))
        return cls(
            root,
            {file: Workflow(file, text) for file, text in texts(paths).items()},
            {file: Action(file, text) for file, text in actions.items()},
            texts(path for path in beside if path.suffix == ".sh"),
        )

    def of(self, files: Collection[str]) -> Repository:
        """The same repository with only some of its workflows."""
        return replace(self, workflows={file: self.workflows[file] for file in files})

    @property
    def documents(self) -> dict[str, Document]:
        """Workflows and actions."""
        return {**self.workflows, **self.actions}

    @property
    def texts(self) -> dict[str, str]:
        """The texts of workflows and actions."""
        return {file: document.text for file, document in self.documents.items()}

    def action(self, path: str) -> Action | None:
        """The action in a folder."""
        files = (f"{path}/action.yml", f"{path}/action.yaml")
        return next((self.actions[file] for file in files if file in self.actions), None)

    def closure(self, file: str) -> dict[str, str]:
        """The texts of a file and of all files of this repository that it calls or uses."""
        found: dict[str, str] = {}
        waiting = [file]
        while waiting:
            name = waiting.pop()
            document = self.documents.get(name)
            if name in found or document is None:
                continue
            found[name] = document.text
            if isinstance(document, Workflow):
                waiting += document.calls.values()
            used = {self.action(step.own_action) for step in document.steps if step.own_action}
            waiting += [action.file for action in used if action]
        return dict(sorted(found.items()))


@cache
def _parse(text: str) -> tuple[Any, dict[Keys, yaml.Node], str]:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        nodes = dict(_nodes(root, ())) if root else {}
        return (loader.construct_document(root) if root else None), nodes, ""
    except yaml.YAMLError as error:
        # yamllint, the schema and GitHub's parser report this. Others read an empty file.
        return None, {}, str(error)
    finally:
        loader.dispose()


def _nodes(node: yaml.Node, keys: Keys) -> Iterator[tuple[Keys, yaml.Node]]:
    """A node and every node below it, each with its keys."""
    yield keys, node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _nodes(value, (*keys, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _nodes(value, (*keys, number))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
