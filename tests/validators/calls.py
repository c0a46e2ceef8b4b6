"""Workflows that call each other: rules that GitHub checks over all files of a run.

- A workflow must not call itself, directly or not.
- At most ten levels (the caller and nine called ones), and at most 50 different called workflows:
  https://docs.github.com/actions/reference/workflows-and-actions/reusing-workflow-configurations
- A called workflow must not be in the concurrency group of its caller: both would wait for each
  other, or one would cancel the other. Groups ignore case.
- An action of this repository must not use itself, directly or not.

`github_parser` checks the keys of a calling job, and whether the called file exists.

Cannot find: errors in workflows of other repositories; equal groups that are different expressions;
GitHub Enterprise Server's lower limits (4 levels, 20 workflows).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .repository import Action, Finding, Repository, Workflow

MAX_LEVELS = 10
MAX_CALLED = 50


def check(repository: Repository) -> list[Finding]:
    return [
        Finding("calls", workflow.file, 0, rule, message)
        for workflow in repository.workflows.values()
        for rule, message in (*_tree(workflow, repository), *_groups(workflow, repository))
    ] + [
        Finding("calls", action.file, 0, "cycle", message)
        for action in repository.actions.values()
        for message in _uses_itself(action, repository)
    ]


def _uses_itself(action: Action, repository: Repository) -> Iterator[str]:
    paths: list[tuple[str, ...]] = [(action.file,)]
    while paths:
        path = paths.pop()
        used = {repository.action(s.own_action) for s in repository.actions[path[-1]].steps}
        for file in sorted(other.file for other in used if other):
            if file == action.file:
                yield " -> ".join((*path, file))
            elif file not in path:
                paths.append((*path, file))


def _tree(workflow: Workflow, repository: Repository) -> Iterator[tuple[str, str]]:
    """Follow all calls of a run of this workflow."""
    called: set[str] = set()
    deepest: tuple[str, ...] = ()
    paths: list[tuple[str, ...]] = [(workflow.file,)]
    while paths:
        path = paths.pop()
        deepest = max(deepest, path, key=len)
        current = repository.workflows.get(path[-1])
        for file in sorted(set(current.calls.values())) if current else []:
            if file == workflow.file:
                yield "cycle", " -> ".join((*path, file))
            elif file not in path:  # a cycle of other files is reported for those
                called.add(file)
                paths.append((*path, file))
    if len(deepest) > MAX_LEVELS:
        yield "levels", f"{len(deepest)} levels, GitHub allows {MAX_LEVELS}: {' -> '.join(deepest)}"
    if len(called) > MAX_CALLED:
        yield "called", f"calls {len(called)} different workflows, GitHub allows {MAX_CALLED}"


def _groups(workflow: Workflow, repository: Repository) -> Iterator[tuple[str, str]]:
    """Compare the groups of a calling job with those in the called workflow."""
    for job, file in workflow.calls.items():
        callee = repository.workflows.get(file)
        if callee is None:
            continue
        outer = {_group(workflow.data), _group(workflow.jobs[job])} - {None}
        inner = {_group(callee.data), *map(_group, callee.jobs.values())}
        for group in sorted(str(group) for group in outer & inner):
            yield "same-group", f"job {job} and {file} are both in the concurrency group '{group}'"


def _group(holder: dict[str, Any]) -> str | None:
    concurrency = holder.get("concurrency")
    group = concurrency.get("group") if isinstance(concurrency, dict) else concurrency
    return str(group).lower() if group else None
