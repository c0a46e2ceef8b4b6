"""Permissions that a called workflow needs are compared with those that the calling job grants.

GitHub compares them before any job starts, whatever the job's `if:` says, and rejects the whole run
("The nested job 'deploy' is requesting 'id-token: write', but is only allowed 'id-token: none'").
Its language service does not compare them. The rules are those of `PermissionsHelper` in GitHub's
runner. The permissions of the called workflow, and of each of its jobs, are compared with those of
the calling job. If that job has none, those of its workflow count. If that has none either and is
called itself, those that its callers grant count.

Cannot find: limits in the repository's settings; missing permissions of a job's steps. In a
workflow that is not only called, a call is not checked if neither the job nor the workflow has
permissions (`expressions` requires both).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .repository import Finding, Repository, Workflow

LEVELS = {"none": 0, "read": 1, "write": 2}

# `read-all` and `write-all` stand for every permission.
ALL = {"read-all": "read", "write-all": "write"}


def check(repository: Repository) -> list[Finding]:
    found = []
    for workflow in repository.workflows.values():
        for job, file in workflow.calls.items():
            granted = _permissions(workflow, job)
            line = workflow.line("jobs", job, "uses")
            if granted is not None:
                found += [
                    Finding("permissions", workflow.file, line, "not-granted", message)
                    for message in _asked(file, granted, repository, ())
                ]
    return found


def _permissions(workflow: Workflow, job: str) -> Any:
    return workflow.jobs[job].get("permissions", workflow.data.get("permissions"))


def _asked(
    file: str, granted: Any, repository: Repository, above: tuple[str, ...]
) -> Iterator[str]:
    """The permissions of a called workflow that are not granted; calls in it, too."""
    callee = repository.workflows.get(file)
    if callee is None or file in above:  # github_parser and calls report these
        return
    wanted = {"The workflow": callee.data.get("permissions")} | {
        f"The nested job '{name}'": nested.get("permissions")
        for name, nested in callee.jobs.items()
    }
    for who, asked in wanted.items():
        yield from (f"{who} {excess}" for excess in _excess(asked, granted, file))
    for job, called in callee.calls.items():
        if _permissions(callee, job) is None:
            yield from _asked(called, granted, repository, (*above, file))


def _excess(asked: Any, granted: Any, file: str) -> list[str]:
    """A text for each permission that is not granted."""
    if isinstance(asked, str):
        asked = {name: ALL.get(asked, "none") for name in _names(granted)}
    return [
        f"of {file} is requesting '{name}: {level}', but is only allowed '{name}: {allowed}'"
        for name, level in (asked.items() if isinstance(asked, dict) else ())
        if LEVELS.get(str(level), 0) > LEVELS.get(allowed := _level(granted, name), 0)
    ]


def _level(granted: Any, name: str) -> str:
    if isinstance(granted, str):
        return ALL.get(granted, "none")
    return str(granted.get(name, "none")) if isinstance(granted, dict) else "none"


def _names(granted: Any) -> list[str]:
    """The names for which `read-all` and `write-all` are compared: the granted ones and another."""
    return [*(granted if isinstance(granted, dict) else []), "every other"]
