"""The settings that a component can have: those of every component, and of its code type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import AnswerError, as_text, shown
from .limits import TIMEOUT_MINUTES
from .names import EXPRESSION, check_variable

CLOUDS = ("none", "aws", "azure", "gcp")
"""The choices of `cloud`. They are never renamed, because people's answers hold them."""

RUNNER: Mapping[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "group": {"type": "string", "minLength": 1},
                "labels": {
                    "anyOf": [
                        {"type": "string", "minLength": 1},
                        {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "minLength": 1},
                        },
                    ]
                },
            },
        },
    ]
}
"""A label, a list of labels, or `{group, labels}`: what `runs-on` takes."""

ENV: Mapping[str, Any] = {
    "type": "object",
    # No fractions and booleans: YAML has already made 3.1 of 3.10, and true of yes.
    "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
}

NAMES: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}

LAST_PORT = 65535

SERVICE: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "image": {
            "type": "string",
            # A host, the repository in lower case, a tag and a digest.
            "pattern": r"\A([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9._-]+(/[a-z0-9._-]+)*"
            r"(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?\Z",
            "description": "an image as `docker pull` takes it, like postgres:18",
        },
        "env": ENV,
        "ports": {
            "type": "array",
            "minItems": 1,
            "items": {
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": LAST_PORT},
                    {
                        "type": "string",
                        "pattern": r"\A([0-9]{1,5}:)?[0-9]{1,5}(/(tcp|udp))?\Z",
                        "description": "a port as 5432, or '15432:5432' with the machine's first",
                    },
                ]
            },
        },
        "volumes": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        "options": {"type": "string", "minLength": 1},
    },
}
"""A container beside the commands, with the keys of GitHub's `services`."""

COMMON: Mapping[str, Any] = {
    "code_type": {"type": "string"},
    "path": {"type": "string"},
    "publish": {"type": "boolean"},
    "produces": NAMES,
    "secrets": NAMES,
    "install_secrets": NAMES,
    "services": {"type": "object", "additionalProperties": SERVICE},
    "submodules": {
        "anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["recursive"]}],
    },
    "lfs": {"type": "boolean"},
    "env": ENV,
    "runner": RUNNER,
    "cloud": {"type": "string", "enum": list(CLOUDS)},
    "timeout_minutes": {"type": "integer", "minimum": 1, "maximum": TIMEOUT_MINUTES},
    "environments": {"type": "array", "minItems": 1, "items": {"type": "string"}},
    "build_per_environment": {"type": "boolean"},
    "watches": {"type": "array", "minItems": 1, "items": {"type": "string"}},
    "plan": {"type": "boolean"},
}
"""The settings of every component besides its commands. A contract: docs/answers.md."""

EVERYDAY = ("path", "publish", "secrets", "env", "runner", "cloud", "environments", "plan")
"""Settings whose names are also common variables, so that `env` may hold these names."""

PACKAGE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["package"],
    "properties": {"package": {"type": "string"}, "file": {"type": "string"}},
}
"""A value that is read from a file of another component's package."""


@dataclass(frozen=True)
class Setting:
    """A setting that a code type declares for its components."""

    name: str
    type: str
    description: str
    variable: str
    """The variable in which commands find it."""
    pattern: str = ""
    """The pattern of a text, of each entry of a list or of each value of a mapping."""
    choices: tuple[str, ...] = ()
    packages: bool = False
    """Whether a value of the mapping may come from a package."""
    on_tags: bool = False
    """Whether it has an effect only in environments that start on a tag."""
    files: tuple[str, ...] = ()
    """Files that its value names, relative to the component's path, with <value> for the value."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """The form of its value."""
        if self.type in ("boolean", "integer"):
            return {"type": self.type}
        text: dict[str, Any] = {"type": "string", "minLength": 1}
        if self.pattern:
            text |= {"pattern": self.pattern, "description": self.description}
        if self.choices:
            text["enum"] = list(self.choices)
        if self.type == "array":
            return {"type": "array", "minItems": 1, "items": text}
        if self.type == "object":
            values = [{k: v for k, v in text.items() if k != "minLength"}, {"type": "integer"}]
            if self.packages:
                values.append(PACKAGE)
            return {"type": "object", "additionalProperties": {"anyOf": values}}
        return text


@dataclass(frozen=True)
class FromPackage:
    """A value that is read from a file of another component's package."""

    producer: str
    file: str
    """The file; empty if only one is taken."""


Value = str | Mapping[str, str | FromPackage]
"""A setting for commands: a text, or a mapping that becomes a line for each entry."""


def read_value(setting: Setting, given: Any, place: str) -> Value:
    """A value that fits the setting's schema, as commands find it. Raises AnswerError."""
    if setting.type == "boolean":
        return "true" if given else ""
    if setting.type == "array":
        for item in given:
            if re.search(r"\s", item):
                raise AnswerError(place, f"{shown(item)} has a space; write it as two entries")
        return " ".join(_text(item, place) for item in given)
    if setting.type != "object":
        return _text(given, place)
    values: dict[str, str | FromPackage] = {}
    for name, value in sorted(given.items()):
        here = f"{place}.{check_variable(name, place)}"
        if isinstance(value, dict):
            values[name] = FromPackage(value["package"], value.get("file", ""))
        else:
            values[name] = _text(value, here)
    return values


def _text(value: str | int, place: str) -> str:
    text = as_text(value, place)
    if EXPRESSION in text:
        raise AnswerError(place, f"{shown(text)} holds an expression; write the value itself")
    if not text.isprintable():
        raise AnswerError(place, f"{shown(text)} has to be one line of printable characters")
    return text
