"""yamllint, with `yamllint.yml` of this folder: how the YAML is written.

Runs inside this process: starting it costs more than linting. Cannot see: anything about
GitHub's meaning of the file. Long lines and braces are allowed.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

from yamllint import linter  # type: ignore[import-untyped]
from yamllint.config import YamlLintConfig  # type: ignore[import-untyped]

from .repository import Finding, Repository

JOB = re.compile(rb"^(?:\n|  #.*\n)*  ([\w-]+):(?: #.*)?$", re.MULTILINE)
STEP = re.compile(rb"^(?:\n|      #.*\n)*      - (?=\w)", re.MULTILINE)
"""The first line of a job or a step, with the empty lines and the comments before it."""

CONFIG = Path(__file__).with_name("yamllint.yml")


def check(repository: Repository) -> list[Finding]:
    return [
        Finding("yamllint", file, line, rule, message)
        for file in repository.documents
        for line, rule, message in _problems((repository.root / file).read_bytes())
    ]


def _problems(content: bytes) -> list[tuple[int, str, str]]:
    """What is wrong with a file, read step by step: workflows share most of their steps.

    Where anything is, or one cannot tell the parts, it is read as a whole.
    """
    parts = _parts(content)
    return _lint(content) if not parts or any(map(_lint, parts)) else []


def _parts(content: bytes) -> list[bytes]:
    """What stands above the jobs, each job's own keys, each step; nothing where jobs do not come
    last, or two have one name."""
    head, jobs = _cut(content, b"\njobs:\n", JOB)
    names = {match[1] for job in jobs if (match := JOB.match(job))}
    more = re.search(rb"^[^\s#]", b"".join(jobs), re.MULTILINE)
    if more or not jobs or len(names) < len(jobs):
        return []
    parts = [head]
    for job in jobs:
        keys, steps = _cut(job, b"\n    steps:\n", STEP)
        if re.search(rb"^ {0,4}[^\s#]", b"".join(steps), re.MULTILINE):  # they do not come last
            keys, steps = job, []
        parts += [b"jobs:\n" + keys, *(b"jobs:\n  job:\n    steps:\n" + step for step in steps)]
    return parts


def _cut(text: bytes, key: bytes, first: re.Pattern[bytes]) -> tuple[bytes, list[bytes]]:
    """What stands up to a key, and what it holds, cut at these first lines."""
    head, found, rest = text.partition(key)
    starts = [match.start() for match in first.finditer(rest)]
    if starts[:1] != [0]:
        return text, []
    return head + found, [rest[a:b] for a, b in pairwise([*starts, len(rest)])]


@cache
def _config() -> YamlLintConfig:
    return YamlLintConfig(CONFIG.read_text(encoding="utf-8"))


@cache
def _lint(content: bytes) -> list[tuple[int, str, str]]:
    problems = linter.run(content, _config())
    return [(problem.line, problem.rule or "syntax", problem.desc) for problem in problems]
