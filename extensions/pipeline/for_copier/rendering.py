"""The plan for the templates, and the files that Copier is about to write."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from ..plan import Plan
from .given import Given

YIELD = re.compile(r"\[% yield (\w+) from ([\w.()]+) %\](.*?)\[% endyield %\]")
"""A loop in the name of a template file: the variable, what it loops over, the name inside."""

TEMPLATE_FILES = "template"
"""The folder of the files that Copier renders: see `_subdirectory` in copier.yml."""


def plan(given: Given) -> Plan:
    """The plan for the answers, made once for each set of answers. Raises AnswerError."""
    return given.memory.plan(given.memory.read_answers(given.answers))


def overwritten_files(given: Given) -> Iterator[tuple[str, bytes]]:
    """The files of the destination that Copier is about to write, with their new content."""
    files, repository, environment = plan(given).files, given.repository, given.memory.environment
    if not any(os.path.lexists(repository / path) for path in files):
        return
    variables, root = given.context.get_all(), given.memory.template / TEMPLATE_FILES
    for source in sorted(file for file in root.rglob("*") if file.is_file()):
        pattern = source.relative_to(root).as_posix().removesuffix(".jinja")
        for name, loop in _unrolled(pattern, {"plan()": plan(given)}):
            path = environment.from_string(name).render(variables, **loop)
            if path not in files or not os.path.lexists(repository / path):
                continue
            if source.suffix != ".jinja":
                yield path, source.read_bytes()
                continue
            template = source.relative_to(given.memory.template).as_posix()
            yield path, environment.get_template(template).render(variables, **loop).encode()


def _unrolled(pattern: str, variables: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of a template file without its loops, for each turn of them, with its variables.

    Copier's own `yield` leaves its state in the Jinja environment, which is in use.
    """
    found = YIELD.search(pattern)
    if not found:
        yield pattern, {name: value for name, value in variables.items() if name != "plan()"}
        return
    first, *attributes = found[2].split(".")
    values = variables[first]
    for attribute in attributes:
        values = getattr(values, attribute, ())
    inner = pattern.replace(found[0], found[3], 1)
    for value in values:
        yield from _unrolled(inner, {**variables, found[1]: value})
