"""GitHub's expressions, evaluated by GitHub's own `@actions/expressions` in one Node process.

The plainest of them need no Node: see `plain_expressions.py`."""

from __future__ import annotations

import atexit
import json
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import toolbox

from . import plain_expressions


class ExpressionError(ValueError):
    """An expression that GitHub would refuse."""


#: The most answers that are kept, and the most characters of a question whose answer is kept.
REMEMBERED, SHORT = 10_000, 4_000


class _Evaluator:
    """The Node process.

    It starts when it is first needed, and everything in this process shares it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: dict[str, str] = {}

    def ask(self, operation: str, **request: Any) -> Any:
        """The answer of Node. A short question is asked only once."""
        question = json.dumps({"operation": operation, **request})
        with self._lock:
            answer = self._answers.get(question) or self._asked(question)
        known = json.loads(answer)
        if "error" in known:
            raise ExpressionError(known["error"])
        return known["value"]

    def _asked(self, question: str) -> str:
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
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the expression evaluator has ended")
        if len(question) < SHORT:
            if len(self._answers) >= REMEMBERED:
                self._answers.clear()
            self._answers[question] = answer
        return answer


_evaluator = _Evaluator()


def evaluate(value: Any, context: dict[str, Any]) -> Any:
    """`value` with every `${{ }}` in its strings evaluated."""
    if isinstance(value, dict):
        return {name: evaluate(item, context) for name, item in value.items()}
    if isinstance(value, list):
        return [evaluate(item, context) for item in value]
    if not isinstance(value, str) or "${{" not in value:
        return value
    try:
        return plain_expressions.text_of(value, context)
    except plain_expressions.NotPlainError:
        return evaluate_by_node(value, context)


def evaluate_by_node(text: str, context: dict[str, Any]) -> Any:
    return _evaluator.ask("evaluate", value=text, context=_read(text, context))


def _read(text: str, context: dict[str, Any]) -> dict[str, Any]:
    """The parts of the contexts that a text can read, so that less is sent and more is cached."""
    words = set(re.findall(r"[\w-]+", text.lower()))
    found = {name: value for name, value in context.items() if name in words}
    if "github" in found:
        mentioned = re.findall(r"(?<![\w.-])github(\.[\w-]+)?", text, re.IGNORECASE)
        if all(mentioned):
            names = {name[1:].lower() for name in mentioned}
            github = found["github"].items()
            found["github"] = {name: value for name, value in github if name.lower() in names}
    return found


def condition(text: str, context: dict[str, Any], status: dict[str, bool]) -> bool:
    """Whether an `if` holds; `status` says what success(), failure() and cancelled() return."""
    if not text.strip():
        return status["success"]
    try:
        return plain_expressions.condition(text, context, status)
    except plain_expressions.NotPlainError:
        return condition_by_node(text, context, status)


def condition_by_node(text: str, context: dict[str, Any], status: dict[str, bool]) -> bool:
    read = _read(text, context)
    return bool(_evaluator.ask("condition", text=text, context=read, status=status))


def substitute(
    job: dict[str, Any], steps: list[dict[str, Any]], literals: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A job's keys and steps with contexts replaced by their values, for a runner without them.

    A value that `raw` has made is an expression.
    """
    answer = _evaluator.ask("substitute", job=job, steps=steps, literals=literals)
    return answer["job"], answer["steps"]


def check(value: Any, contexts: list[str], functions: list[str]) -> None:
    """Check that strings (also `if`) name contexts and functions that exist.

    Raises ExpressionError.
    """
    _evaluator.ask("check", value=value, contexts=contexts, functions=functions)


def raw(expression: str) -> dict[str, str]:
    """An expression that replaces a context or a property."""
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
