"""The project's own rules for generated workflows and actions, and GitHub's limits on one file.

- No expression in a script: its value would become part of the program. Values are passed by `env:`
  (https://docs.github.com/actions/concepts/security/script-injections).
- `permissions: {}` for every workflow, and explicit permissions for every job. A workflow that is
  only called may declare them once for all its jobs, or have those that its caller grants.
- A time limit for every job, except calling jobs, where GitHub does not allow one.
- `persist-credentials: false` at every checkout, so that no later step finds the token.
- No `|| true`: a check that cannot fail is useless.
- `secrets: inherit` only with its reason beside it.
- A file has less than 500 KB, and a string with an expression less than 21,000 characters. GitHub
  rejects others.

Cannot find: wrong permissions, limits or reasons; failures that are hidden in other ways
(`continue-on-error`, `if ! command`, called scripts); expressions in values that a script
evaluates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .repository import Document, Finding, Repository, Step, Workflow

MAX_FILE = 500_000
MAX_STRING = 21_000

REASON = re.compile(r"secrets:\s*inherit\s+# zizmor: ignore\[secrets-inherit\]\s+\w")
HIDDEN_FAILURE = re.compile(r"\|\|\s*(?:true|:)(?=$|[\s;)&|#])", re.MULTILINE)

# The name of the rule, the line, and the message.
Problem = tuple[str, int, str]


def check(repository: Repository) -> list[Finding]:
    return [
        Finding("expressions", file.file, line, rule, message)
        for file in repository.documents.values()
        for rule, line, message in (
            *_file(file),
            *(_workflow(file) if isinstance(file, Workflow) else ()),
            *(problem for step in file.steps for problem in _step(file, step)),
        )
    ] + [
        Finding("expressions", file, text[: hidden.start()].count("\n") + 1, rule, message)
        for file, text in repository.scripts.items()
        for hidden in HIDDEN_FAILURE.finditer(text)
        for rule, message in [("hidden-failure", f"`{hidden[0]}` hides a failure")]
    ]


def _file(file: Document) -> Iterator[Problem]:
    size = len(file.text.encode("utf-8"))
    if size >= MAX_FILE:
        yield "file-size", 0, f"the file has {size} bytes, GitHub allows {MAX_FILE}"
    for line, text in file.expressions:
        if len(text) >= MAX_STRING:
            yield "string-size", line, f"a string with an expression has {len(text)} characters"


def _workflow(workflow: Workflow) -> Iterator[Problem]:
    permissions = workflow.data.get("permissions")
    only_called = workflow.events == {"workflow_call"}
    if permissions != {} and not (only_called and isinstance(permissions, dict | None)):
        yield "permissions", workflow.line("permissions"), "the workflow lacks `permissions: {}`"
    for job in workflow.jobs:
        yield from _job(workflow, job, only_called and permissions != {})


def _job(workflow: Workflow, name: str, inherits: bool) -> Iterator[Problem]:
    job, line = workflow.jobs[name], workflow.line("jobs", name)
    if not isinstance(job.get("permissions"), dict) and not (inherits and "permissions" not in job):
        yield "permissions", line, f"job {name} does not list its permissions"
    if "uses" not in job and "timeout-minutes" not in job:
        yield "timeout", line, f"job {name} has no timeout-minutes"
    if job.get("secrets") == "inherit" and not REASON.search(
        workflow.source("jobs", name, "secrets")
    ):
        message = f"job {name} inherits secrets without an ignore comment that says why"
        yield "secrets-inherit", workflow.line("jobs", name, "secrets"), message


def _step(workflow: Document, step: Step) -> Iterator[Problem]:
    title = f"{step.job}, {step.name!r}"
    inputs: Any = step.data.get("with")
    inputs = inputs if isinstance(inputs, dict) else {}
    action = str(step.data.get("uses", "")).partition("@")[0].lower()
    run = str(step.data.get("run", ""))
    if "${{" in run:
        line = workflow.line(*step.keys, "run")
        yield "expression-in-script", line, f"{title}: an expression inside `run:`"
    if hidden := HIDDEN_FAILURE.search(run):
        line = workflow.line(*step.keys, "run")
        yield "hidden-failure", line, f"{title}: `{hidden[0]}` hides a failure"
    if action == "actions/github-script" and "${{" in str(inputs.get("script", "")):
        line = workflow.line(*step.keys, "with", "script")
        yield "expression-in-script", line, f"{title}: an expression inside `script:`"
    if action == "actions/checkout" and inputs.get("persist-credentials") is not False:
        line = workflow.line(*step.keys)
        yield "persist-credentials", line, f"{title}: lacks `persist-credentials: false`"
