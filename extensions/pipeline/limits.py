"""The limits of GitHub that bound what is generated, each with its source."""

from __future__ import annotations

REUSABLE_WORKFLOWS = 50
"""Unique reusable workflows in one run, nested ones included.

GitHub: "Limitations of reusable workflows"; GitHub Enterprise Server allows fewer.
"""

WORKFLOW_RUN_LINKS = 3
"""How many `workflow_run` triggers may follow one another. GitHub: "Events that trigger
workflows", workflow_run: "You can't use workflow_run to chain together more than three levels"."""

RETENTION_DAYS = 400
"""The longest an artifact can be kept, in days (private repositories; public ones: 90)."""

TIMEOUT_MINUTES = 360
"""The longest a job may run on GitHub's own runners, in minutes."""

WORKFLOW_FILE_BYTES = 500 * 1024
"""The largest workflow file that GitHub reads."""

VARIABLE_BYTES = 128 * 1024
"""The longest environment variable of a process on Linux (`MAX_ARG_STRLEN`). The summary's script
gets the graph in one variable, and the results of all components in another."""

DISPATCHED_COMPONENTS = 250
"""How many components `dispatch` runs. The summary gets GitHub's data of all jobs in one variable,
up to 500 bytes of JSON for each job."""

OBSERVED_COMPONENTS = 49
"""How many components `observe` runs. Whenever a run ends, each component that waits for it looks
for the runs of all that it waits for. All share 1,000 calls of the API in an hour.

GitHub: "Rate limits for the REST API".
"""

WAITING_JOBS = 18
"""How many jobs may wait for other runs at the same time, in all environments together. The runs
need runners, too, and GitHub Free runs 20 jobs at once. GitHub: "Actions limits"."""

EXPRESSION_CHARACTERS = 21_000
"""The longest text with an expression in it that GitHub reads.

GitHub's own error: "Exceeded max expression length 21000"."""
