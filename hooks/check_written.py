"""Runs after a copy or an update, and compares the written files with the plan.

Copier calls it (see `_tasks` in copier.yml), and so does migrate.py after an update: in the
repository, with the name of the answers file. If files differ, it prints one line for each and
exits with 1. Otherwise it prints what was generated and what to do next. It needs only Copier's own
requirements.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path

import yaml

TEMPLATE = Path(__file__).resolve().parent.parent
# This process loads one version of the template only, so it can import the package by its name.
sys.path.insert(0, str(TEMPLATE / "extensions"))

from pipeline.answers import read_answers  # noqa: E402
from pipeline.catalogue import load_catalogue  # noqa: E402
from pipeline.errors import AnswerError  # noqa: E402
from pipeline.plan import Plan, make_plan  # noqa: E402
from pipeline.written_files import differences, success, tell  # noqa: E402


def read_plan(answers_file: Path) -> Plan:
    """The plan for the answers that were recorded. Raises AnswerError."""
    answers = yaml.safe_load(answers_file.read_text(encoding="utf-8"))
    return make_plan(read_answers(answers, load_catalogue(TEMPLATE)))


def main(answers_file: str, optional: Collection[str] = ()) -> int:
    """Print what differs from the plan, or the message of success. Returns the exit code.

    Files that are `optional` may be missing.
    """
    try:
        plan = read_plan(Path(answers_file))
    except (OSError, yaml.YAMLError, AnswerError) as error:
        print(f"{answers_file}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    found = differences(plan, Path.cwd(), answers_file, optional)
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        # Copier tells its tasks the operation.
        tell(success(plan, Path.cwd(), os.environ.get("COPIER_OPERATION", "")))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
