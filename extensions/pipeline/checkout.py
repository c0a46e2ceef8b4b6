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
    """What says which settings the checkout of a component in some folders needs."""
    submodules = [
        join(".", path.strip('"'))
        for path in re.findall(SUBMODULE, files.text(".gitmodules"), re.MULTILINE)
    ]
    large = _large_files(files)

    def find(folders: Collection[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if any(is_in(p, f) or is_in(f, p) for p in submodules for f in folders):
            found["submodules"] = True
        if any(is_in(name, folder) for name in large for folder in folders):
            found["lfs"] = True
        return found

    return find


def _large_files(files: RepositoryFiles) -> list[str]:
    """The files that Git LFS holds, as `.gitattributes` say; wherever they are."""
    rules = []
    for name in files.attributes():
        for line in files.text(name).splitlines():
            pattern, *attributes = line.split() or [""]
            if "filter=lfs" in attributes:
                rules.append(_matcher(posixpath.dirname(name) or ".", pattern))
    if not rules:
        return []
    return [name for name in files.every() if any(rule.match(name) for rule in rules)]


def _matcher(folder: str, pattern: str) -> re.Pattern[str]:
    """The files that a pattern of a `.gitattributes` means, as git reads it."""
    above = "" if folder == "." else f"{folder}/"
    anywhere = "/" not in pattern.rstrip("/")
    parts = re.split(r"(\*\*/|/\*\*|\*|\?|\[[^]]+\])", pattern.lstrip("/"))
    known = {"**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*", "?": "[^/]"}
    text = "".join(
        known.get(part) or (part.replace("[!", "[^") if part[:1] == "[" else re.escape(part))
        for part in parts
    )
    try:
        return re.compile(f"{re.escape(above)}{'(?:.*/)?' if anywhere else ''}{text}\\Z")
    except re.error:
        return re.compile(r"(?!)")
