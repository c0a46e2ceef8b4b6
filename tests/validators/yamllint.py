"""yamllint, with `yamllint.yml` of this folder: the style of the YAML.

It runs in this process, because starting it takes longer than linting. It does not know what keys
mean to GitHub. Long lines and braces are allowed.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from yamllint import linter  # type: ignore[import-untyped]
from yamllint.config import YamlLintConfig  # type: ignore[import-untyped]

from .repository import Finding, Repository

JOB = re.compile(rb"^(?:\n|  #.*\n)*  ([\w-]+):(?: #.*)?$", re.MULTILINE)
STEP = re.compile(rb"^(?:\n|      #.*\n)*      - (?=\w)", re.MULTILINE)
"""The first line of a job or a step, with empty lines and comments before it."""

CONFIG = Path(__file__).with_name("yamllint.yml")


def check(repository: Repository) -> list[Finding]:
    return [
        Finding("yamllint", file, line, rule, message)
        for file in repository.documents
        for line, rule, message in _problems((repository.root / file).read_bytes())
    ]


def _problems(content: bytes) -> list[tuple[int, str, str]]:
    """The findings in a file. It is read step by step, because workflows share most steps.

    If a part has a finding, or the file cannot be cut into parts, it is read as a whole.
    """
    parts = _parts(content)
    return _lint(content) if not parts or any(map(_lint, parts)) else []


def _parts(content: bytes) -> list[bytes]:
    """The text above the jobs, each job without its steps, and each step. Empty if `jobs` is not
    the last key, or if two jobs have the same name."""
    head, jobs = _cut(content, b"\njobs:\n", JOB)
    names = {match[1] for job in jobs if (match := JOB.match(job))}
    more = re.search(rb"^[^\s#]", b"".join(jobs), re.MULTILINE)
    if more or not jobs or len(names) < len(jobs):
        return []
    parts = [head]
    for job in jobs:
        keys, steps = _cut(job, b"\n    steps:\n", STEP)
        if re.search(rb"^ {0,4}[^\s#]", b"".join(steps), re.MULTILINE):  # more keys follow
            keys, steps = job, []
        parts += [b"jobs:\n" + keys, *(b"jobs:\n  job:\n    steps:\n" + step for step in steps)]
    return parts


def _cut(text: bytes, key: bytes, first: re.Pattern[bytes]) -> tuple[bytes, list[bytes]]:
    """The text up to a key, and the text after it, cut before each match of `first`."""
    head, found, rest = text.partition(key)
    starts = [match.start() for match in first.finditer(rest)]
    if starts[:1] != [0]:
        return text, []
    return head + found, [rest[a:b] for a, b in pairwise([*starts, len(rest)])]


_syntax_error = linter.get_syntax_error


def _quick_syntax_error(text: str) -> Any:
    """yamllint parses each text twice: here libyaml says first that there is no such error."""
    try:
        list(yaml.parse(text, Loader=yaml.CBaseLoader))
    except yaml.YAMLError:
        return _syntax_error(text)


linter.get_syntax_error = _quick_syntax_error


@cache
def _config() -> YamlLintConfig:
    return YamlLintConfig(CONFIG.read_text(encoding="utf-8"))


@cache
def _lint(content: bytes) -> list[tuple[int, str, str]]:
    problems = linter.run(content, _config())
    return [(problem.line, problem.rule or "syntax", problem.desc) for problem in problems]
