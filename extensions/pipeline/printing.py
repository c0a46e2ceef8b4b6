"""How text becomes YAML that reads as if written by hand, and Markdown that stays in its line.

The templates use the functions for YAML as filters.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./ @+-]*(?<! )")
_LOOKS_LIKE_A_NUMBER = re.compile(r"[.+-]?(\d|inf|nan)", re.IGNORECASE)


def scalar(value: Any) -> str:
    """A YAML scalar that every YAML reader reads as the same value, quoted only where needed."""
    if isinstance(value, bool) or not isinstance(value, str):
        return json.dumps(value)
    if re.fullmatch(r"\$\{\{ [^\n]* \}\}[\w./-]*", value) and not re.search(r":\s|\s#", value):
        return value  # No character of an expression has a meaning in YAML.
    if _PLAIN.fullmatch(value) and not _LOOKS_LIKE_A_NUMBER.match(value) and not _is_word(value):
        return value
    if value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False)


@functools.cache
def _is_word(value: str) -> bool:
    """Whether some YAML reader does not read it as text: on, no, null, y, ..."""
    try:
        return yaml.safe_load(value) != value or value.lower() in ("y", "n")
    except yaml.YAMLError:
        return True


def in_markdown(text: str) -> str:
    """A text without the characters that break a line, or a table, of Markdown."""
    return "".join(c if c.isprintable() and c not in "`|" else "_" for c in text)[:200]


def flow(value: Any) -> str:
    """A scalar, a list or a mapping on one line, as in `[a, b]` and `{group: large}`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_in_flow(item) for item in value) + "]"
    return _in_flow(value)


def _in_flow(value: Any) -> str:
    # Inside [ ] and { } a comma or brace ends a plain scalar. Only expressions hold any.
    text = scalar(value)
    return "'" + value.replace("'", "''") + "'" if text.startswith("$") else text


def command(text: str, indent: int) -> str:
    """A command as the value of `run:`, on the same line or as a block below it."""
    if "\n" not in text and "#" not in text and scalar(text) == text:
        return text
    padding = " " * indent
    # A first line that starts with a space needs an explicit indentation.
    header = "|2" if text.startswith((" ", "\t", "\n")) else "|"
    lines = [f"{padding}{line}" if line else "" for line in text.split("\n")]
    return "\n".join([header, *lines])
