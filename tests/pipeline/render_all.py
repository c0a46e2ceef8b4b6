"""Run by test_determinism.py in a process of its own, by any Python that has Copier.

    python render_all.py TEMPLATE JOBS    JOBS: a JSON file, {"DESTINATION": answers, ...}

Writes a file beside JOBS, with the suffix `.messages`: as JSON, the message with which each was
refused, or "" if it was written.
"""

import json
import sys
from pathlib import Path

from copier import run_copy
from copier.errors import CopierError


def main(template: str, jobs: str) -> None:
    messages = {}
    for destination, answers in json.loads(Path(jobs).read_text(encoding="utf-8")).items():
        try:
            run_copy(template, destination, answers, defaults=True, unsafe=True, quiet=True)
            messages[destination] = ""
        except CopierError as error:
            messages[destination] = str(error)
    Path(jobs).with_suffix(".messages").write_text(json.dumps(messages), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
