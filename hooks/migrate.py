"""The one entry for Copier's migrations (see `_migrations` in copier.yml), before and after.

Called in the repository with the stage, the two versions and the name of the answers file. Before,
the steps of hooks/migrations.py run that are due; after, those, then nothing of a person's is
lost, nothing that is called is missing, and what was written is compared with the plan. Ends with
1 where something is left to do: so a bot stops.
"""

from __future__ import annotations

import sys
from pathlib import Path

import check_written
import yaml
from kept import keep_edited, removed, write_again
from migrations import due
from pipeline.errors import AnswerError
from pipeline.written_files import tell
from rendering import RenderError


def main(stage: str, before: str, now: str, answers_file: str) -> int:
    for step in due(stage, before, now):
        tell(f"Migration {step.name}")
        step.run(Path(answers_file))
    if stage == "before":
        return 0
    for line in keep_edited(removed(), answers_file):
        tell(line)
    try:
        plan = check_written.read_plan(Path(answers_file))
        for line in write_again(plan.called_files, answers_file):
            tell(line)
    except (OSError, yaml.YAMLError, AnswerError, RenderError) as error:
        print(f"{answers_file}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    # What nothing calls may stay deleted, where a person deleted it.
    return check_written.main(answers_file, optional=set(plan.files) - set(plan.called_files))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
