"""How answers are recorded: readable, with a checksum beside each, so that an edit is noticed.

Copier renders the old and the new files of an update from one answers file. An edit of that file
changes both, so the update would change nothing and say nothing.

git merges lines, and two changes without an unchanged line between them conflict. So each answer
has a line with its name above it, and its checksum and an empty line below it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from .yaml_text import LOADER

LINE = re.compile(r"^(?:  )?# checksum (\S+) ([0-9a-f]{6})$", re.MULTILINE)

FORMER_LINE = re.compile(r"^# checksums: ?(.*)\n", re.MULTILINE)
"""Version 0.1 wrote all checksums in one line."""

DIGITS = 6
"""How many digits of each checksum are kept: enough against mistakes, not against attacks."""

BY_KEY = ("components", "dependency_map", "own_code_types")
"""Answers with a checksum for each key: two branches may each add one."""


def written(answers: Mapping[str, Any]) -> str:
    """What an answers file holds below its first comment; Copier's own answers have no checksum."""
    text = readable(dict(answers))
    sums = checksums(answers)
    lines = text.splitlines(keepends=True)
    before: dict[int, str] = {}
    for key, value, start, end in _entries(yaml.compose(text, Loader=LOADER), len(lines)):
        if key.startswith("_"):
            continue
        before[start] = f"{before.get(start, '')}\n# {key}\n"
        parts = [(key, end, "")]
        if key not in sums:
            parts = [(f"{key}.{part}", at, "  ") for part, _, _, at in _entries(value, end)]
        for name, at, indent in parts:
            gap = "\n" if at < end else ""
            before[at] = f"{indent}# checksum {name} {sums[name]}\n{gap}{before.get(at, '')}"
    return "".join(before.get(n, "") + line for n, line in enumerate([*lines, ""]))


def readable(value: Any, sort: bool = True) -> str:
    """A value as YAML for people, in several lines."""
    return yaml.dump(
        value, Dumper=_Readable, allow_unicode=True, default_flow_style=False, sort_keys=sort
    )


def checksums(answers: Mapping[str, Any]) -> dict[str, str]:
    """The checksums by answer, or by answer and key, without Copier's own answers."""
    parts: dict[str, Any] = {}
    for name, value in answers.items():
        if name in BY_KEY and isinstance(value, dict) and value:
            parts |= {f"{name}.{key}": part for key, part in value.items()}
        elif not name.startswith("_"):
            parts[name] = value
    return {name: _short(value) for name, value in parts.items()}


def edited(text: str, known: Iterable[str]) -> list[str]:
    """The answers, or keys of them, that differ from their checksums in an answers file; none in a
    file without checksums.

    Only of known answers: an answer that the template no longer asks for may be deleted.
    """
    answers = _answers(text)
    recorded, now = dict(LINE.findall(text)), checksums(answers)
    if not recorded:
        if not (former := FORMER_LINE.search(text)):
            return []
        recorded = dict(part.split("=", 1) for part in former[1].split() if "=" in part)
        now = {name: _short(value) for name, value in answers.items()}
    order = list(known)
    differing = {name for name in recorded | now if recorded.get(name) != now.get(name)}
    return sorted(
        (name for name in differing if name.split(".")[0] in order),
        key=lambda name: (order.index(name.split(".")[0]), name),
    )


def undecided(
    text: str, known: Iterable[str], merged: Callable[[str], list[tuple[str, str]]], version: str
) -> list[str]:
    """The answers of `edited` that no merge explains.

    If two branches changed the same answer, the person who merges them writes a third value
    without a checksum. `merged` gives, for a version of the file, the versions and texts that the
    last commit merged; none if it was no merge.
    """
    known = list(known)
    names = edited(text, known)
    parents = merged(version) if names else []
    if len(parents) < 2:
        return names
    theirs = [_values(text) for _, text in parents]
    open_before = {
        name for parent, text in parents for name in undecided(text, known, merged, parent)
    }
    return [
        name
        for name in names
        if name in open_before or all(values.get(name) == theirs[0].get(name) for values in theirs)
    ]


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines as blocks: a person reads what changed in a command."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML still quotes a text that a block cannot hold.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


_Readable.add_representer(str, _text)


def _entries(node: Any, end: int) -> list[tuple[str, Any, int, int]]:
    """The keys of a mapping, their values, and the first line of each and the line after its last.
    `end` is the last line of the text."""
    if not isinstance(node, yaml.MappingNode):
        return []
    starts = [*(key.start_mark.line for key, _ in node.value), end]
    return [
        (str(key.value), value, start, after)
        for (key, value), start, after in zip(node.value, starts, starts[1:], strict=False)
    ]


def _answers(text: str) -> dict[str, Any]:
    try:
        answers = yaml.load(text, Loader=LOADER)
    except yaml.YAMLError:  # an older version of the file; the present one was checked before
        return {}
    return {str(k): v for k, v in answers.items()} if isinstance(answers, dict) else {}


def _values(text: str) -> dict[str, str]:
    answers = _answers(text)
    return {name: _short(value) for name, value in answers.items()} | checksums(answers)


def _short(value: Any) -> str:
    return _checksum(value, {}).hex()[:DIGITS]


def _checksum(value: Any, known: dict[int, bytes]) -> bytes:
    """The checksum of a value; the order of keys and YAML's anchors make no difference.

    Each part is read once, because with anchors ten lines can hold a billion words.
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
