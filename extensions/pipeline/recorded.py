"""How answers are recorded: readable, with checksums over them, so that an edit is noticed.

Copier renders the old and the new tree of an update from one answers file. What was edited there
changes both alike, and so the update changes nothing, without a word.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

LINE = re.compile(r"^# checksums: ?(.*)\n", re.MULTILINE)

DIGITS = 6
"""Of each checksum: against edits by mistake, not against malice."""


def checksums(answers: Mapping[str, Any]) -> str:
    """What the line says after its name: one checksum for each answer, without Copier's own."""
    return " ".join(
        f"{name}={_checksum(value, {}).hex()[:DIGITS]}"
        for name, value in sorted(answers.items())
        if not name.startswith("_")
    )


def edited(text: str, answers: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    """The answers that are not as they were recorded in the text; none without the line.

    Only of those that are known: one that the template asks for no more may be deleted.
    """
    line = LINE.search(text)
    if line is None:
        return []
    recorded, now = (
        dict(part.split("=", 1) for part in some.split() if "=" in part)
        for some in (line[1], checksums({str(k): v for k, v in answers.items()}))
    )
    return [name for name in known if recorded.get(name) != now.get(name)]


def sealed(text: str) -> str:
    """The text of an answers file with the checksums of what it says now: for migrations."""
    line = f"# checksums: {checksums(yaml.safe_load(text))}\n"
    return LINE.sub(lambda _: line, text, count=1)


class Readable(yaml.SafeDumper):
    """Writes texts of several lines as blocks: a person reads what changed in a command."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Where a block could not hold it, PyYAML quotes it all the same.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


Readable.add_representer(str, _text)


def _checksum(value: Any, known: dict[int, bytes]) -> bytes:
    """Of what a value means: the order of keys and YAML's anchors make no difference.

    Each part is looked at once, because anchors write a billion words in ten lines.
    """
    if not isinstance(value, (dict, list, tuple)):
        return hashlib.sha256(json.dumps(value, default=str).encode()).digest()
    if id(value) not in known:
        if isinstance(value, dict):
            pairs = [(_checksum(k, known), _checksum(v, known)) for k, v in value.items()]
            parts = [b"{", *(part for pair in sorted(pairs) for part in pair)]
        else:
            parts = [b"[", *(_checksum(item, known) for item in value)]
        known[id(value)] = hashlib.sha256(b"".join(parts)).digest()
    return known[id(value)]
