"""Finds tools that scripts of package.json run on all files, and so on the generated ones too.

A code type says in `detect.whole_tree` which tools these are.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable

from .code_type_model import WholeTree
from .components import Component
from .repository_files import RepositoryFiles
from .task_runners import scripts_of

PACKAGE = "package.json"

OPERATORS = ("&", "|", ";", "(", ")", "<", ">")
"""The beginnings of what separates the commands of a script."""

IGNORES_GITHUB = r"""^(?!!).*(?:\.github\b|(?:^|[/'"])\.\*(?![\w.]))|^\*$"""
"""A line by which a tool ignores `.github`: by its name, with folders alike, or with all files."""


def readers_of_generated_files(component: Component, files: RepositoryFiles) -> list[str]:
    """A line for each tool that a script runs on all files, including the generated ones, which
    do not fit the project's rules. Only in the root: no other folder has generated files."""
    detect = component.code_type.detect
    if not detect or component.path != "." or not component.builds:
        return []
    calls = [call for script in scripts_of(files, ".").values() for call in _calls(script)]
    lines = []
    for name, tool in detect.whole_tree.items():
        place = _where_to_ignore(tool, files)
        of_tool = [call[call.index(name) :] for call in calls if name in call]
        if place and any(_reads_all(tool, words) for words in of_tool):
            lines.append(
                f"{PACKAGE} runs {name} on all files, and the generated ones do not fit its rules: "
                "let it ignore `.github/actions`, `.github/workflows`, `docs/ci-cd.md` and "
                f"Copier's answers file ({place})."
            )
    return lines


def _calls(script: str) -> list[list[str]]:
    """The commands of a script, as words; none if its quotes do not match."""
    reader = shlex.shlex(script, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    reader.commenters = ""
    try:
        words = list(reader)
    except ValueError:
        return []
    groups = itertools.groupby(words, key=lambda word: word.startswith(OPERATORS))
    return [list(call) for is_operator, call in groups if not is_operator]


def _reads_all(tool: WholeTree, words: list[str]) -> bool:
    """Whether a call, from the tool's name on, only reads, and reads the generated files."""
    if {*words} & {*tool.rewrites} or any(".github" in word for word in words):
        return False
    return any(_fits_generated_files(word, tool.endings) for word in words)


def _fits_generated_files(word: str, endings: Iterable[str]) -> bool:
    """Whether a word names all files, or all files with the ending of generated ones."""
    path = word.removeprefix("./")
    if word in (".", "./") or path in ("**", "**/*", "**/*.*"):
        return True
    return path.startswith("**/*.") and not {*endings}.isdisjoint(re.findall(r"\w+", path))


def _where_to_ignore(tool: WholeTree, files: RepositoryFiles) -> str:
    """The file in which the tool can be told what to ignore; empty if it ignores `.github`."""
    told = files.named(".", tool.ignores)
    unless = tool.unless and files.holds(PACKAGE, tool.unless)
    if unless or any(files.holds(file, IGNORES_GITHUB) for file in told):
        return ""
    return told[0] if told else tool.ignores[0]
