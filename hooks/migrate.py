"""Copier calls this before and after an update (see `_migrations` in copier.yml).

It runs in the repository, with the stage, both versions and the name of the answers file. In both
stages it runs the steps of hooks/migrations.py that are due. After an update it also keeps deleted
files that somebody had edited, writes deleted files again that other files call, and compares the
written files with the plan. If something is left to do, it exits with 1, so that a bot stops.
"""

from __future__ import annotations

import sys
from pathlib import Path

import check_written
import yaml
from kept import keep_edited, write_again
from migrations import due
from pipeline.errors import AnswerError
from pipeline.written_files import deleted_files, tell
from rendering import RenderError


def main(stage: str, before: str, now: str, answers_file: str) -> int:
    """Do what is due in a stage of an update between two versions. Returns the exit code."""
    for step in due(stage, before, now):
        tell(f"Migration {step.name}")
        step.run(Path(answers_file))
    if stage == "before":
        return 0
    for line in keep_edited(deleted_files(Path.cwd()), answers_file):
        tell(line)
    try:
        plan = check_written.read_plan(Path(answers_file))
        for line in write_again(plan.called_files, answers_file):
            tell(line)
    except (OSError, yaml.YAMLError, AnswerError, RenderError) as error:
        print(f"{answers_file}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    # A file that a person deleted may stay deleted if no other file calls it.
    return check_written.main(answers_file, optional=set(plan.files) - set(plan.called_files))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
