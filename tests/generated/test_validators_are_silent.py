"""The validators find nothing in generated files, for answers of many kinds.

zizmor runs with its strictest persona, `auditor`. Accepted findings are listed here with a reason,
and each of them has to be found.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from answer_sets import ANSWER_SETS
from copies import copy
from validators import Finding, validate
from validators.repository import FOLDER


class Accepted(NamedTuple):
    """An accepted finding: the rule, the files and answer sets with it, and the reason."""

    rule: str
    files: str
    sets: tuple[str, ...]
    reason: str


Generated = Callable[[str], Path]
SOME_RUNNERS = ("runners",)
SERVICES = ("settings",)
ACCEPTED = [
    Accepted(
        "concurrency-limits",
        r"(?!orchestrator-|pull-request|drift)[^/]*(?<!-build)(?<!-deploy)\.yml",
        tuple(ANSWER_SETS),
        "several commits of a component may be checked and built at once; what must happen one "
        "after the other is the deployment, whose job has a group of its own",
    ),
    Accepted(
        "self-hosted-runner", r".*\.yml", SOME_RUNNERS, "these answers ask for self-hosted runners"
    ),
    Accepted(
        "unpinned-images", r".*-build\.yml", SERVICES, "these answers name a service by its version"
    ),
    Accepted(
        "runner-label", r".*\.yml", SOME_RUNNERS, "actionlint does not know labels of own runners"
    ),
]


def _accepted_as(finding: Finding, answer_set: str) -> Accepted | None:
    name = Path(finding.file).name
    return next(
        (
            accepted
            for accepted in ACCEPTED
            if finding.rule == accepted.rule
            and answer_set in accepted.sets
            and re.fullmatch(accepted.files, name)
        ),
        None,
    )


def of_each_shape(repository: Path) -> list[str]:
    """The workflows, without those that differ from another one only by the number in `part-0`,
    `part-1` ... or in `c1`, `c2` ...: this saves reading a hundred equal files."""
    files = sorted((repository / FOLDER).iterdir())
    shapes = {
        re.sub(r"(?i)(?<=\bpart[-_ ])\d+|(?<=\bc)\d+", "0", f.read_text("utf-8")): f for f in files
    }
    return [file.relative_to(repository).as_posix() for file in shapes.values()]


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_validators_find_nothing(answer_set: str, generated: Generated) -> None:
    repository = generated(answer_set)
    findings = validate(repository, persona="auditor", files=of_each_shape(repository))
    assert [str(f) for f in findings if not _accepted_as(f, answer_set)] == []


@pytest.mark.parametrize("name", ["lambda", "observe"])
def test_zizmor_finds_nothing_in_its_default_persona(
    name: str, template: Path, tmp_path: Path
) -> None:
    """Without a configuration, as users run it: `zizmor --offline .`"""
    repository = copy(template, tmp_path / "copy", ANSWER_SETS[name])
    configuration = tmp_path / "copy" / ".github" / "zizmor.yml"
    configuration.write_text("rules: {}\n", encoding="utf-8")
    assert [str(f) for f in validate(repository, only=["zizmor"])] == []


def test_every_accepted_finding_is_found(generated: Generated) -> None:
    """Otherwise the list would accept findings that no longer exist."""
    found = set()
    for answer_set in ("lambda", "runners", "settings"):
        only = ["zizmor", "actionlint"]
        findings = validate(generated(answer_set), persona="auditor", only=only)
        found |= {_accepted_as(finding, answer_set) for finding in findings}
    assert found - {None} == set(ACCEPTED)
