"""Permissions that a called workflow asks for, against those that the calling job grants.

GitHub compares them before any job starts and rejects the whole run ("The nested job 'deploy' is
requesting 'id-token: write', but is only allowed 'id-token: none'"), whatever the job's `if:`
says; its language service does not compare them. The rules are those of `PermissionsHelper` in
GitHub's runner: the called workflow's own permissions, and those of each of its jobs, are held
against the calling job's permissions, or, where that job has none, its workflow's, or, where that
has none either and is itself called, what its callers grant.

Cannot see: what the repository's settings grant. Of workflows that something else than a call
starts, a call for which neither job nor workflow says anything is not checked (`expressions` wants
both to say something). Nor whether permissions are enough for what a job does.
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
    """What a called workflow asks for beyond what is granted, and what it calls on the same."""
    callee = repository.workflows.get(file)
    if callee is None or file in above:  # reported by github_parser, and by calls
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
    """What is asked for beyond what is granted, in words."""
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
    """Names to compare `read-all` or `write-all` with: those granted, and one that is not."""
    return [*(granted if isinstance(granted, dict) else []), "every other"]
