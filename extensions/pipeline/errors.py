"""The one exception of this package, and the words of its messages.

Every message is one line and names the place, the cause and the fix, in that order.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

SHOWN_CHARACTERS = 60
"""The most characters of a wrong value that a message repeats: enough to find it."""


class AnswerError(Exception):
    """An answer that cannot be used; its text is shown to the person as it is."""

    def __init__(self, place: str, cause: str) -> None:
        # A name in the place may have ten thousand characters.
        parts = [
            part if len(part) <= SHOWN_CHARACTERS else f"{part[:SHOWN_CHARACTERS]}..."
            for part in place.split(".")
        ]
        super().__init__(f"{one_line('.'.join(parts))}: {one_line(cause)}")
        self.place, self.cause = place, cause
        self.answer = re.split(r"[.\[]", place, maxsplit=1)[0]
        """The answer that the place lies in."""


def one_line(text: str) -> str:
    """The text without control characters, so that a message stays one line in any terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def shown(value: Any) -> str:
    """A value as a message shows it: short and on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    value = _pruned(value)
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _pruned(value: Any, depth: int = 3) -> Any:
    """The beginning of a value. With anchors, ten lines of YAML can hold a billion words."""
    if isinstance(value, (list, tuple)):
        some = value[: SHOWN_CHARACTERS // 3] if depth else [...]
        return [_pruned(item, depth - 1) for item in some]
    if isinstance(value, dict):
        some = list(value.items())[: SHOWN_CHARACTERS // 5] if depth else []
        return {_pruned(key, depth - 1): _pruned(item, depth - 1) for key, item in some}
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 1000:
        return "a number of more than 300 digits"
    return value


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; nothing for none."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def beginning(words: Sequence[str], most: int) -> str:
    """`a, b and 3 more`: the first words, and how many are left out."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return f"{', '.join(words[:most])}{more}"


def nearest(word: Any, known: Iterable[str]) -> str:
    """`; did you mean 'python'?`, or the known words when none is near."""
    words = sorted(set(known))
    near = difflib.get_close_matches(str(word).lower(), words, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    if not words:
        return ""
    some = words if len(words) <= 24 else [*words[:24], "..."]
    return f"; known are: {', '.join(some)}"


def yaml_surprise(value: Any) -> str:
    """Why YAML did not read a word as text; empty if there is no surprise."""
    if isinstance(value, bool):
        words = "yes, no, on, off, true and false"
        return f" (YAML reads {words} without quotes like that; write it in quotes)"
    if isinstance(value, datetime.date):
        return " (YAML reads a date without quotes like that; write it in quotes)"
    if isinstance(value, (int, float)):
        return " (write it in quotes)"
    return ""


def as_text(value: str | int | float, place: str) -> str:
    """A number as text. Raises AnswerError for thousands of digits, which Python does not write."""
    try:
        return str(value)
    except ValueError:
        raise AnswerError(place, f"{shown(value)} is too long") from None
