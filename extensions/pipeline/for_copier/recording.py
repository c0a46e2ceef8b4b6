"""What the answers file says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..answers import parsed
from ..choosing import PROMPTS
from ..errors import AnswerError
from ..git_branches import read_branches
from ..proposal import found_of
from ..questions import DEFAULTS
from ..unmatched import unmatched
from .given import Given

FROM_THE_REPOSITORY = ("found", "default_branch", "unmatched")
"""Answers that are read from the repository. They are recorded if they are not the default."""


def recorded(answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers as their file holds them.

    Typed YAML is parsed. A list of environments means `custom`. `found` has only the components and
    environments that still exist.
    """
    kept = {name: parsed(name, value) for name, value in answers.items() if name not in PROMPTS}
    if kept.get("environments"):
        kept["branching"] = "custom"
    names = {*kept.get("code_types", ()), *kept.get("components", ())}
    environments = [entry["name"] for entry in kept.get("environments") or ()]
    kept["found"] = found_of(kept.get("found", {}), names, environments)
    return {k: v for k, v in kept.items() if k not in FROM_THE_REPOSITORY or v != DEFAULTS[k]}


def find_unmatched(given: Given) -> str:
    """What in the repository does not match the answers, as YAML: the answer `unmatched`."""
    memory = given.memory
    try:
        answers = memory.read_answers(given.answers)
    except AnswerError:
        return "[]"  # `check_answers` says it
    branches, files = read_branches(given.repository), memory.files(given.repository)
    return json.dumps(unmatched(answers, files, branches, memory.catalogue.code_types.values()))


def outdated_unmatched(given: Given) -> str:
    """`outdated` if the repository has changed since that was recorded; else an empty text.

    `own_code_types.outdated_own_code_types` says what it is for.
    """
    if "unmatched" in given.data:
        return ""
    same = given.context["unmatched"] == json.loads(find_unmatched(given))
    return "" if same else "outdated"
