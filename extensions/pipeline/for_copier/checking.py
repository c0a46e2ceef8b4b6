"""Checks the written files in Copier's own process, because to start another one takes longer.

If anything is not as planned, the hook runs as a process and reports it (see copier.yml), because
only the exit code of a process stops Copier.
"""

from __future__ import annotations

import re
import subprocess

import yaml

from ..errors import AnswerError
from ..plan import Plan
from ..versions import release
from ..written_files import deleted_files, differences, success, tell
from .given import Given

VERSION = re.compile(r"\d+\.\d+\.\d+")


def files_match_plan(given: Given) -> bool:
    """After a copy: whether all files are as planned. If so, print what a person should know."""
    return _is_done(given, "copy")


def needs_migration(given: Given, stage: str, before: object, now: object) -> bool:
    """Whether hooks/migrate.py has to run in this stage of an update, between two versions.

    It need not run if no migration is between the versions, nobody deleted a file, and all files
    are as planned. Then print what a person should know.
    """
    if given.settings["pretend"] or _may_have_steps(given, str(before), str(now)):
        return True
    return stage == "after" and not _is_done(given, "update")


def _may_have_steps(given: Given, before: str, now: str) -> bool:
    """Whether hooks/migrations.py names a version on the way from one to another."""
    text = (given.memory.template / "hooks" / "migrations.py").read_text(encoding="utf-8")
    return any(release(before) < release(step) <= release(now) for step in VERSION.findall(text))


def _is_done(given: Given, operation: str) -> bool:
    if given.settings["pretend"]:
        return False
    repository = given.repository
    try:
        plan = _recorded_plan(given)
        optional = set[str]()
        if operation == "update":
            # A file that a person deleted may stay deleted if no other file calls it.
            optional = set(plan.files) - set(plan.called_files)
            if deleted_files(repository):
                return False
        if differences(plan, repository, given.answers_file, optional):
            return False
    except (AnswerError, OSError, yaml.YAMLError, subprocess.CalledProcessError):
        return False  # the hook says it
    tell(success(plan, repository, operation))
    return True


def _recorded_plan(given: Given) -> Plan:
    """The plan for the answers in the answers file. Raises AnswerError, OSError or YAMLError."""
    text = (given.repository / given.answers_file).read_text(encoding="utf-8")
    return given.memory.plan(given.memory.read_answers(given.memory.parse_yaml(text)))
