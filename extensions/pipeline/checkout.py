"""Finds what a plain checkout leaves out: submodules, and files of Git LFS."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection
from typing import Any

from .repository_files import RepositoryFiles, is_in, join

SUBMODULE = r"^\s*path\s*=\s*(.+?)\s*$"

Finder = Callable[[Collection[str]], dict[str, Any]]


def checkout_settings(files: RepositoryFiles) -> Finder:
    """The function that finds the checkout settings of a component in some folders."""
    submodules = submodules_of(files)
    large = _large_files(files)

    def find(folders: Collection[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if any(is_in(p, f) or is_in(f, p) for p in submodules for f in folders):
            found["submodules"] = True
        if any(is_in(name, folder) for name in large for folder in folders):
            found["lfs"] = True
        return found

    return find


def submodules_of(files: RepositoryFiles) -> list[str]:
    """The folders of the submodules."""
    paths = re.findall(SUBMODULE, files.text(".gitmodules"), re.MULTILINE)
    return [join(".", path.strip('"')) for path in paths]


def _large_files(files: RepositoryFiles) -> list[str]:
    """All files that Git LFS holds, as the files `.gitattributes` say."""
    rules = []
    for name in files.attributes():
        for line in files.text(name).splitlines():
            first = re.match(r'\s*(?:"((?:[^"\\]|\\.)+)"|(\S+))', line)
            if first and "filter=lfs" in line[first.end() :].split():
                pattern = first[2] or re.sub(r"\\(.)", r"\1", first[1])
                rules.append(_matcher(posixpath.dirname(name) or ".", pattern))
    if not rules:
        return []
    return [name for name in files.every() if any(rule.match(name) for rule in rules)]


CLASSES = {"space": r"\s", "digit": "0-9", "alpha": "A-Za-z", "alnum": "A-Za-z0-9"}
"""Classes in brackets: git writes a space as [[:space:]]."""


def _matcher(folder: str, pattern: str) -> re.Pattern[str]:
    """The files that a pattern of a `.gitattributes` means, as git reads it."""
    parts = pattern.lstrip("/").split("/")
    if "/" not in pattern.rstrip("/"):
        parts = ["**", *parts]
    if parts[-1] == "**":
        parts.append("*")
    folders = [""]
    for part in parts[:-1]:
        if part == "**":
            folders.append("")
        else:
            folders[-1] += f"{_of_one_name(part)}/"
    folders[-1] += _of_one_name(parts[-1])
    above = "" if folder == "." else re.escape(f"{folder}/")
    try:
        return re.compile(f"{above}{_with_gaps(folders, '(?:[^/]+/)')}\\Z")
    except re.error:
        return re.compile(r"(?!)")


def _of_one_name(pattern: str) -> str:
    """What a pattern without / means in the name of a file or folder."""
    pieces = [""]
    for token in re.findall(r"\\.|\[[!^]?\]?(?:\[:\w+:\]|[^]])*\]|\*+|.", pattern):
        if token[0] == "*":
            pieces.append("")
        elif token[0] == "[" and len(token) > 1:
            inner = re.sub(r"\[:(\w+):\]", lambda m: f"\0{m[1]}\0", token[1:-1])
            inner = re.sub(r"([\[\]\\&~|])", r"\\\1", inner).replace("--", r"-\-")
            inner = re.sub(r"\0(\w+)\0", lambda m: CLASSES.get(m[1], ""), inner)
            pieces[-1] += f"(?!/)[{'^' + inner[1:] if inner[0] in '!^' else inner}]"
        else:
            pieces[-1] += "[^/]" if token == "?" else re.escape(token[-1])
    return _with_gaps(pieces, "[^/]")


def _with_gaps(pieces: list[str], gap: str) -> str:
    """Pieces with gaps between them. Each gap is as short as possible, and is not tried again with
    another length. So the time grows only with the length of the name."""
    first, *rest = pieces
    inner = "".join(f"(?>{gap}*?{piece})" for piece in rest[:-1])
    return first + inner + "".join(f"{gap}*{piece}" for piece in rest[-1:])
