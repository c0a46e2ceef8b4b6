"""Code types that are `like` another one: opentofu copies terraform, with some words replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import AnswerError, shown
from .names import unknown
from .schema import check

LIKE: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "like": {"type": "string"},
        "words": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
"""The keys of a code type that is like another one. A contract: docs/code-types.md."""


def in_full(data: Any, others: Mapping[str, Any]) -> Any:
    """The content of a file; if it is `like` another one, that content with its words replaced.

    Raises AnswerError.
    """
    if not isinstance(data, dict) or not {"like", "words"} & data.keys():
        return data
    check(data, LIKE, "")
    if "like" not in data:
        raise AnswerError(
            "words", "they replace words of another code type; name that one in `like`"
        )
    like = data["like"]
    if like not in others:
        raise unknown(like, list(others), "like", "code type of the template")
    if not isinstance(others[like], dict) or "like" in others[like]:
        raise AnswerError("like", f"{like!r} is itself like another one; name one that is not")
    own = {key: value for key, value in data.items() if key not in ("like", "words")}
    words = data.get("words", {})
    found: set[str] = set()
    meant = _in_words(others[like], words, found)
    if unused := [word for word in words if word not in found]:
        cause = f"{shown(unused[0])} is not in the text of {like}"
        raise AnswerError("words", f"{cause}; remove it, or correct it")
    return _merged(meant, own)


def _in_words(value: Any, words: Mapping[str, str], found: set[str]) -> Any:
    """A copy with words replaced; if two words match, the longer one counts. `found` collects the
    words that occur."""
    if isinstance(value, dict):
        return {key: _in_words(item, words, found) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_words(item, words, found) for item in value]
    if not isinstance(value, str) or not words:
        return value
    found |= {word for word in words if word and word in value}
    longest_first = sorted(words, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda m: words[m[0]], value)


def _merged(value: Any, own: Any) -> Any:
    """Two mappings merged key by key; for anything else, the code type's own value."""
    if not isinstance(value, dict) or not isinstance(own, dict):
        return own
    return {**value, **{key: _merged(value.get(key), item) for key, item in own.items()}}
