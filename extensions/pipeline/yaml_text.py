"""Reads YAML, by libyaml if it is installed, because that is faster."""

from __future__ import annotations

from typing import Any

import yaml

from .errors import AnswerError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""For fifty workflows PyYAML's own parser takes a second, libyaml a tenth."""

NOT_YAML = (
    *(yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError),
    RecursionError,
)
"""What PyYAML raises. It lets other errors than its own through: 2024-13-45 looks like a date and
is none, `!!int ''` has no digits, a thousand brackets are too deep."""


def read_yaml(text: str | bytes, place: str) -> Any:
    """The text, parsed. Raises AnswerError."""
    try:
        return yaml.load(text, Loader=LOADER)
    except NOT_YAML as error:
        raise AnswerError(place, f"not YAML: {error}") from error
