"""Checks a value against the part of JSON Schema that this project uses.

A user's Copier has no JSON Schema library, and its messages would not name the fix. The tests
compare the verdicts with the `jsonschema` package.

Known keywords: type, properties, patternProperties, additionalProperties (a schema or false),
required, items, enum, pattern, minimum, maximum, minLength, minItems, anyOf, description, title,
default, $schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import AnswerError, nearest, shown, yaml_surprise

_TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "string": ("text", (str,)),
    "integer": ("a whole number", (int,)),
    "number": ("a number", (int, float)),
    "boolean": ("true or false", (bool,)),
    "array": ("a list", (list, tuple)),
    "object": ("a mapping", (dict,)),
    "null": ("nothing", (type(None),)),
}


def check(value: Any, schema: Mapping[str, Any], place: str) -> None:
    """Raise AnswerError, naming the place inside the value, unless the value fits the schema."""
    if not schema:
        return  # Anything fits. Going through the value might never end, because of anchors.
    if "anyOf" in schema:
        _check_any(value, schema["anyOf"], place)
        return
    if "type" in schema and not _is(value, schema["type"]):
        wanted = _TYPES[schema["type"]][0]
        surprise = yaml_surprise(value) if schema["type"] == "string" else ""
        raise AnswerError(place, f"expected {wanted}, not {shown(value)}{surprise}")
    if "enum" in schema and value not in schema["enum"]:
        cause = f"{shown(value)} is not a choice{nearest(value, schema['enum'])}"
        raise AnswerError(place, cause)
    if isinstance(value, str):
        _check_text(value, schema, place)
    elif isinstance(value, dict):
        _check_mapping(value, schema, place)
    elif isinstance(value, (list, tuple)):
        if len(value) < schema.get("minItems", 0):
            raise AnswerError(place, "expected at least one entry")
        for index, item in enumerate(value):
            check(item, schema.get("items", {}), _join(place, index))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = schema.get("minimum"), schema.get("maximum")
        if (low is not None and value < low) or (high is not None and value > high):
            raise AnswerError(place, f"expected a number from {low} to {high}, not {shown(value)}")


def _check_any(value: Any, choices: list[Mapping[str, Any]], place: str) -> None:
    # The error for the choice of the same type says more than "fits none of these".
    for choice in choices:
        if "type" not in choice or _is(value, choice["type"]):
            check(value, choice, place)
            return
    wanted = " or ".join(_TYPES[choice["type"]][0] for choice in choices)
    strings = any(choice["type"] == "string" for choice in choices)
    surprise = yaml_surprise(value) if strings else ""
    raise AnswerError(place, f"expected {wanted}, not {shown(value)}{surprise}")


def _check_text(value: str, schema: Mapping[str, Any], place: str) -> None:
    if len(value) < schema.get("minLength", 0):
        raise AnswerError(place, "expected text that is not empty")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        wanted = schema.get("description", f"text like {schema['pattern']}")
        raise AnswerError(place, f"{shown(value)} is not valid; expected: {wanted}")


def _check_mapping(value: Mapping[Any, Any], schema: Mapping[str, Any], place: str) -> None:
    properties: Mapping[str, Any] = schema.get("properties", {})
    patterns: Mapping[str, Any] = schema.get("patternProperties", {})
    others = schema.get("additionalProperties", {})
    for key, item in value.items():
        if not isinstance(key, str):
            cause = f"the key {shown(key)} is not text{yaml_surprise(key)}"
            raise AnswerError(place, cause)
        if key in properties:
            check(item, properties[key], _join(place, key))
            continue
        matching = [rule for pattern, rule in patterns.items() if re.search(pattern, key)]
        for rule in matching:
            check(item, rule, _join(place, key))
        if not matching and others is False:
            hint = nearest(key, properties)
            raise AnswerError(place, f"unknown key {shown(key)}{hint}")
        if not matching and isinstance(others, dict):
            check(item, others, _join(place, key))
    for key in schema.get("required", []):
        if key not in value:
            raise AnswerError(place, f"the key {key!r} is missing")


def _is(value: Any, type_name: str) -> bool:
    # Python counts True as an integer; JSON does not.
    if isinstance(value, bool) and type_name != "boolean":
        return False
    return isinstance(value, _TYPES[type_name][1])


def _join(place: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{place}[{key}]"
    return f"{place}.{key}" if place else str(key)
