"""Actions of steps are pinned to a recorded commit, and get only inputs that they have.

An unknown input of an action is only a warning on GitHub. The other tools do not find it if the
action is pinned by a SHA. `action_inputs.yml` records the inputs of each action at its pin. Actions
of this repository (`$/`) declare their inputs and outputs themselves. A step with `./` is refused:
that folder belongs to the checked-out commit, which may be older than the workflow. An unrecorded
pin is an error, so that a person reads a new action before it is used.

Cannot find: outputs of other repositories' actions, wrong values, newer releases, combinations of
inputs that an action rejects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .repository import OWN, Document, Finding, Repository, Step, Workflow

RECORDED = Path(__file__).with_name("action_inputs.yml")


# `steps.package.outputs.digest`, or the same with brackets.
OUTPUT = re.compile(
    r"""steps\s*(?:\.\s*([\w-]+)|\[\s*'([^']+)'\s*\])\s*\.\s*outputs\s*"""
    r"""(?:\.\s*([\w-]+)|\[\s*'([^']+)'\s*\])""",
    re.IGNORECASE,
)

Problem = tuple[int, str, str]


def check(repository: Repository, called: Repository | None = None) -> list[Finding]:
    """`called` has the actions, if the repository has more of them."""
    called = called or repository
    return [
        Finding("action_inputs", document.file, line, rule, message)
        for document in repository.documents.values()
        for line, rule, message in (
            *(_jobs(document) if isinstance(document, Workflow) else ()),
            *_steps(document, called),
            *_outputs(document, called),
        )
    ]


@cache
def recorded() -> dict[str, dict[str, Any]]:
    """The recorded actions, by lower-case name: GitHub ignores the case of both names."""
    actions = yaml.safe_load(RECORDED.read_text(encoding="utf-8"))
    return {name.lower(): action for name, action in actions.items()}


def _jobs(workflow: Workflow) -> Iterator[Problem]:
    """A job may call a workflow of this repository, or a pinned one of another repository."""
    for name, job in workflow.jobs.items():
        uses = str(job.get("uses", "./"))
        if not uses.startswith(("./", OWN)) and not re.search(r"@[0-9a-f]{40}$", uses):
            yield workflow.line("jobs", name, "uses"), "unpinned", f"{uses} is not pinned to a SHA"


def _steps(document: Document, repository: Repository) -> Iterator[Problem]:
    for step in document.steps:
        if "uses" in step.data:
            line = document.line(*step.keys, "uses")
            for rule, message in _problems(document, step, repository):
                yield line, rule, message


def _outputs(document: Document, repository: Repository) -> Iterator[Problem]:
    """References to outputs that an action of this repository does not have."""
    used = {
        (step.keys[:-2], str(step.data.get("id")).lower()): action
        for step in document.steps
        if step.own_action and (action := repository.action(step.own_action))
    }
    # A step can be read by the rest of its job, or by all of its action.
    for above in {keys for keys, _ in used}:
        below = above if isinstance(document, Workflow) else ()
        for _, line, text in document.expressions_below(*below):
            for step, quoted_step, output, quoted in OUTPUT.findall(text):
                action = used.get((above, (step or quoted_step).lower()))
                name = output or quoted
                if action and name.lower() not in map(str.lower, action.outputs):
                    yield line, "unknown-output", f"{action.file} has no output '{name}'"


def _problems(workflow: Document, step: Step, repository: Repository) -> Iterator[tuple[str, str]]:
    uses = str(step.data["uses"])
    if uses.startswith(OWN):
        own = repository.action(step.own_action)
        if own is None:
            yield "no-action", f"{uses} has no action.yml"
            return
        states = {
            name: settings.get("required") is True and "default" not in settings
            for name, settings in own.inputs.items()
        }
        yield from _inputs(uses, states, step.data.get("with"))
        return
    if uses.startswith("./"):
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
    # The runner passes an input as INPUT_<NAME> in capitals, so case does not matter.
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
