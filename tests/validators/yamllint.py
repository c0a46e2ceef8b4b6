"""yamllint, with `yamllint.yml` of this folder: how the YAML is written.

Runs inside this process: starting it costs more than linting. Cannot see: anything about
GitHub's meaning of the file. Long lines are allowed, and braces only where they are empty
(`permissions: {}`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from yamllint import linter  # type: ignore[import-untyped]
from yamllint.config import YamlLintConfig  # type: ignore[import-untyped]

from .repository import Finding, Repository

CONFIG = Path(__file__).with_name("yamllint.yml")


def check(repository: Repository) -> list[Finding]:
    return [
        Finding("yamllint", file, line, rule, message)
        for file in repository.workflows
        for line, rule, message in _lint((repository.root / file).read_bytes())
    ]


@cache
def _config() -> YamlLintConfig:
    return YamlLintConfig(CONFIG.read_text(encoding="utf-8"))


@cache  # the shared workflows are the same in every generated repository
def _lint(content: bytes) -> list[tuple[int, str, str]]:
    problems = linter.run(content, _config())
    return [(problem.line, problem.rule or "syntax", problem.desc) for problem in problems]
