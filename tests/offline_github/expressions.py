"""GitHub's expressions, evaluated by GitHub's own `@actions/expressions` in one Node process."""

from __future__ import annotations

import atexit
import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import toolbox


class ExpressionError(ValueError):
    """An expression that GitHub would refuse."""


class _Evaluator:
    """The Node process; started when first needed, shared by everything in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def ask(self, operation: str, **request: Any) -> Any:
        with self._lock:
            if self._process is None:
                script = Path(__file__).with_name("expressions.mjs")
                self._process = subprocess.Popen(
                    [toolbox.NODE, script],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                )
                atexit.register(self._process.kill)
            assert self._process.stdin and self._process.stdout
            self._process.stdin.write(json.dumps({"operation": operation, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the expression evaluator has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise ExpressionError(answer["error"])
        return answer["value"]


_evaluator = _Evaluator()


def evaluate(value: Any, context: dict[str, Any]) -> Any:
    """`value` with every `${{ }}` in its strings evaluated."""
    return _evaluator.ask("evaluate", value=value, context=context)


def condition(text: str, context: dict[str, Any], status: dict[str, bool]) -> bool:
    """Whether an `if` holds; `status` says what success(), failure() and cancelled() return."""
    return bool(_evaluator.ask("condition", text=text, context=context, status=status))


def substitute(
    job: dict[str, Any], steps: list[dict[str, Any]], literals: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A job's keys and steps with contexts replaced by their values, for a runner without them.

    A value that `raw` has made is an expression.
    """
    answer = _evaluator.ask("substitute", job=job, steps=steps, literals=literals)
    return answer["job"], answer["steps"]


def check(value: Any, contexts: list[str], functions: list[str]) -> None:
    """ExpressionError if a string (an `if` too) names a context or function that is not there."""
    _evaluator.ask("check", value=value, contexts=contexts, functions=functions)


def raw(expression: str) -> dict[str, str]:
    """An expression, to be put in the place of a context or property."""
    return {"__expression": expression}


def cancellable(conditions: list[str], cancelled: str) -> list[dict[str, str]]:
    """Conditions (`if`) of steps for a runner that hears of no cancellation.

    `cancelled` is an expression that says whether there was one; `survives` is an expression that
    says whether a step goes on, or starts, when the run is cancelled.
    """
    answer: list[dict[str, str]] = _evaluator.ask(
        "cancellable", conditions=conditions, cancelled=cancelled
    )
    return answer
