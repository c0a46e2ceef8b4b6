"""Evaluates values of a workflow with GitHub's own parser and evaluator of expressions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import toolbox
from pipeline.printing import scalar


def evaluated(asked: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Each value, printed as the templates print it, evaluated in its contexts. Raises ValueError
    for a value that GitHub refuses in a workflow."""
    done = subprocess.run(
        [str(toolbox.NODE), Path(__file__).with_suffix(".mjs")],
        input=json.dumps([[scalar(value), contexts] for value, contexts in asked]),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    answers = json.loads(done.stdout)
    for (value, _), answer in zip(asked, answers, strict=True):
        if "error" in answer:
            raise ValueError(f"{value}: {answer['error']}")
    return [answer["value"] for answer in answers]
