"""The actions of steps: pinned to a recorded commit, and given inputs that they have.

An input that an action does not know is only a warning on GitHub, and the other tools miss it
for actions that are pinned by SHA. `action_inputs.yml` records what each action has at its pin.
Local actions are refused: a step's `./` is a folder of the commit that was checked out, which may
be older than the workflow.

Cannot see: whether a value makes sense, whether a newer release exists, what an action does with
inputs that it allows but rejects together. A pin that is not recorded is an error, so that a new
action is read before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .repository import Finding, Repository, Step, Workflow

RECORDED = Path(__file__).with_name("action_inputs.yml")


def check(repository: Repository) -> list[Finding]:
    return [
        Finding("action_inputs", workflow.file, line, rule, message)
        for workflow in repository.workflows.values()
        for line, rule, message in (*_jobs(workflow), *_steps(workflow))
    ]


@cache
def recorded() -> dict[str, dict[str, Any]]:
    """The recorded actions, by lower-case name: GitHub ignores the case of both names."""
    actions = yaml.safe_load(RECORDED.read_text(encoding="utf-8"))
    return {name.lower(): action for name, action in actions.items()}


def _jobs(workflow: Workflow) -> Iterator[tuple[int, str, str]]:
    """A job may call a workflow of this repository, or a pinned one of another."""
    for name, job in workflow.jobs.items():
        uses = str(job.get("uses", "./"))
        if not uses.startswith("./") and not re.search(r"@[0-9a-f]{40}$", uses):
            yield workflow.line("jobs", name, "uses"), "unpinned", f"{uses} is not pinned to a SHA"


def _steps(workflow: Workflow) -> Iterator[tuple[int, str, str]]:
    for step in workflow.steps:
        if "uses" in step.data:
            line = workflow.line(*step.keys, "uses")
            for rule, message in _problems(workflow, step):
                yield line, rule, message


def _problems(workflow: Workflow, step: Step) -> Iterator[tuple[str, str]]:
    uses = str(step.data["uses"])
    if uses.startswith(("./", "$/")):
        yield "local-action", f"{uses} comes from the commit that was checked out, if any"
        return
    name, _, ref = uses.partition("@")
    if not re.fullmatch(r"[0-9a-f]{40}", ref):
        yield "unpinned", f"{uses} is not pinned to a SHA"
        return
    action = recorded().get(name.lower())
    if action is None:
        yield "not-recorded", f"{name} is not in {RECORDED.name}"
        return
    if ref != action["sha"]:
        yield "sha", f"{name} is pinned to {ref}, recorded is {action['sha']}"
    comment = workflow.source(*step.keys, "uses").partition(uses)[2].strip("'\" ")
    if comment != f"# {action['version']}":
        yield "version", f"{name} says '{comment}' after its SHA, not '# {action['version']}'"
    yield from _inputs(name, action["inputs"], step.data.get("with"))


def _inputs(name: str, known: dict[str, Any], given: Any) -> Iterator[tuple[str, str]]:
    # The runner hands an input over as INPUT_<NAME>, in capitals, so case does not matter.
    states = {known_input.lower(): state for known_input, state in known.items()}
    given_names = {str(key).lower() for key in (given if isinstance(given, dict) else {})}
    for key in sorted(given_names):
        if key not in states:
            yield "unknown-input", f"{name} has no input '{key}'"
        elif states[key] == "deprecated":
            yield "deprecated-input", f"{name} calls its input '{key}' deprecated"
    for key, state in states.items():
        if state is True and key not in given_names:
            yield "missing-input", f"{name} requires the input '{key}'"
