"""What the validators read, and what they report."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

# Where GitHub looks for workflows: nowhere else, and not in folders below it.
FOLDER = ".github/workflows"

Keys = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong: `file` is relative to the repository, `line` 0 where unknown."""

    validator: str
    file: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message} [{self.validator}: {self.rule}]"


class Once:
    """What is found in each different content, so that it is looked for once in this process."""

    def __init__(self) -> None:
        self._found: dict[Hashable, list[Finding]] = {}

    def find(
        self, keys: Mapping[str, Hashable], look: Callable[[list[str]], list[Finding]]
    ) -> list[Finding]:
        """What is found in these files; `look` is asked for those of which nothing is known yet.

        A key stands for all that the findings hang on.
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
    """YAML 1.2, as GitHub reads it: `on` is a word, and so are `yes`, dates and `12:30`."""


# Not inherited: PyYAML's own resolvers are those of YAML 1.1, in which `on` is true.
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
    """A step, with the keys that lead to it."""

    job: str
    keys: Keys
    data: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.data.get("name") or self.data.get("id") or f"step {self.keys[-1]}")


@dataclass(frozen=True)
class Workflow:
    """A workflow file. What it holds may be anything: it is not validated yet."""

    file: str
    text: str

    @cached_property
    def _parsed(self) -> tuple[Any, dict[Keys, yaml.Node], str]:
        return _parse(self.text)

    @property
    def content(self) -> Any:
        """The parsed file, whatever it is; None when it cannot be parsed."""
        return self._parsed[0]

    @property
    def error(self) -> str:
        """Why it cannot be parsed; empty when it can."""
        return self._parsed[2]

    @property
    def data(self) -> dict[str, Any]:
        """The parsed file, empty when it is no mapping."""
        return _mapping(self._parsed[0])

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

    @cached_property
    def calls(self) -> dict[str, str]:
        """The jobs that call a workflow of this repository: job -> the workflow's file."""
        return {
            name: str(job["uses"]).removeprefix("./")
            for name, job in self.jobs.items()
            if str(job.get("uses", "")).startswith("./")
        }

    @property
    def expressions(self) -> Iterator[tuple[int, str]]:
        """Every string that GitHub reads as an expression or as one with text, with its line."""
        for keys, node in self._parsed[1].items():
            if isinstance(node, yaml.ScalarNode) and ("${{" in node.value or keys[-1:] == ("if",)):
                yield node.start_mark.line + 1, node.value

    def line(self, *keys: str | int) -> int:
        """The line on which the value that these keys lead to begins; 0 when there is none."""
        node = self._parsed[1].get(keys)
        return node.start_mark.line + 1 if node else 0

    def source(self, *keys: str | int) -> str:
        """The source text of that line, which has the comment that parsing loses."""
        line = self.line(*keys)
        return self.text.splitlines()[line - 1] if line else ""

    def is_block(self, *keys: str | int) -> bool:
        """Whether that value is a block scalar, which begins on the next line."""
        node = self._parsed[1].get(keys)
        return isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")


@dataclass(frozen=True)
class Repository:
    """A folder that has workflows, read once for all validators."""

    root: Path
    workflows: dict[str, Workflow]

    @classmethod
    def read(cls, root: Path) -> Repository:
        """Read a repository; one without workflows is an error, as no validator could fail."""
        paths = sorted(path for path in (root / FOLDER).glob("*.y*ml") if path.is_file())
        if not paths:
            raise FileNotFoundError(f"{root / FOLDER} has no workflows")
        files = {path.relative_to(root).as_posix(): path for path in paths}
        return cls(
            root,
            {
                file: Workflow(file, path.read_text(encoding="utf-8"))
                for file, path in files.items()
            },
        )

    def of(self, files: Collection[str]) -> Repository:
        """The same folder with some of its workflows."""
        return Repository(self.root, {file: self.workflows[file] for file in files})

    @property
    def texts(self) -> dict[str, str]:
        return {file: workflow.text for file, workflow in self.workflows.items()}


@cache
def _parse(text: str) -> tuple[Any, dict[Keys, yaml.Node], str]:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        nodes = dict(_nodes(root, ())) if root else {}
        return (loader.construct_document(root) if root else None), nodes, ""
    except yaml.YAMLError as error:
        # Reported by yamllint, the schema and GitHub's parser; the others see an empty file.
        return None, {}, str(error)
    finally:
        loader.dispose()


def _nodes(node: yaml.Node, keys: Keys) -> Iterator[tuple[Keys, yaml.Node]]:
    """Every node below one, with the keys that lead to it."""
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
