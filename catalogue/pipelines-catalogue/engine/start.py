"""Starts the engine for each repository that may be updated now; called with fleet.py's JSON.

No call is repeated: a call without an answer may have started its run. The next roll-out starts it
again, and a run with nothing to do is green. Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from common import EngineError, plain, run, summary
from propose import GitHub, RefusedError

WAIT = 1
"""Seconds between two starts: GitHub allows 80 a minute."""


def due(rows: Any) -> list[dict[str, str]]:
    """The inputs of each run. Raises EngineError if these are no rows of fleet.py."""
    try:
        return [
            {
                "repository": str(row["repository"]).rpartition("/")[2],
                "mode": "update",
                "answers": "",
                "version": str(row.get("update_to") or row["latest"]),
                "answers_file": str(row["answers_file"]),
            }
            for row in rows
            if row["may_update"] is True
        ]
    except (TypeError, KeyError) as error:
        raise EngineError(
            f"fleet.json: is not what `fleet.py --rings --json` prints: {error}"
        ) from None


def main() -> None:
    try:
        rows = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    except ValueError as error:
        raise EngineError(f"fleet.json: is not JSON: {error}; fleet.py says why above") from None
    github = GitHub(os.environ["GITHUB_REPOSITORY"], os.environ["TOKEN"])
    started, failed = [], []
    wanted = due(rows)
    for number, inputs in enumerate(wanted):
        time.sleep(WAIT if number else 0)
        content = {"ref": os.environ["REF"], "inputs": inputs}
        try:
            github.call("POST", "/actions/workflows/copy-pipelines.yml/dispatches", content)
            started.append(f"{inputs['repository']} to {inputs['version']}")
        except RefusedError as error:
            failed.append(f"{inputs['repository']}: {error}")
            if error.status in (401, 403, 429):  # all others would get this answer, too
                break
        except EngineError as error:
            failed.append(f"{inputs['repository']}: {error}")
    summary("\n".join([f"Started {len(started)} updates.", *(f"- {plain(s)}" for s in started)]))
    if failed:
        missing = len(wanted) - len(started)
        raise EngineError(f"{missing} of {len(wanted)} updates were not started: {failed[0]}")


if __name__ == "__main__":
    run(main, "The roll-out has stopped")
