"""The workflow that checks pull requests: `pull-request.yml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .answers import Answers
from .environments import PULL_REQUEST
from .errors import AnswerError
from .jobs import Job, checking_job
from .limits import WORKFLOW_FILE_BYTES

PULL_REQUEST_FILE = f"{PULL_REQUEST}.yml"
CHECKS_JOB = "pull-request-checks"
CHECKS_NAME = "Pull request checks"
"""The one required check of pull requests: branch protection knows it by its name."""


@dataclass(frozen=True)
class PullRequest:
    """`pull-request.yml`."""

    jobs: tuple[Job, ...]
    notices: tuple[str, ...]
    """What is left out, and why."""
    file: str = PULL_REQUEST_FILE
    check: str = CHECKS_JOB
    """The id of the job at the end."""
    check_name: str = CHECKS_NAME

    @property
    def own_runners(self) -> bool:
        """Whether a job may run on a machine of the project's own, where a fork's code would be."""
        return not all(is_hosted(job.runner) for job in self.jobs)

    @property
    def size(self) -> int:
        """About how large the file is, in bytes: what each job prints, and what all share."""
        return 4_900 + sum(_size(job) for job in self.jobs)


def is_hosted(runner: Any) -> bool:
    """Whether it is a label of GitHub's. GitHub: "GitHub-hosted runners", supported runners."""
    return isinstance(runner, str) and bool(re.match("(ubuntu|windows|macos)-", runner))


def _size(job: Job) -> int:
    """About how much the template prints for a job, in bytes, within a tenth."""

    def block(text: str, indent: int) -> int:
        return len(text.encode()) + indent * (text.count("\n") + 1)

    size = 390 + 5 * len(job.id) + len(job.component.path) + block(job.command, 10)
    size += sum(block(step, 6) for step in job.setup)
    size += sum(12 + len(name) + len(value) for name, value in job.variables.items())
    size += 560 * bool(job.packages) + 200 * job.places
    for package in job.packages:
        size += (
            230 + 3 * len(package.producer) + sum(20 + len(a) + len(b) for a, b in package.copies)
        )
    if job.upload:
        size += 1_200 + sum(20 + len(product) for product in job.upload.products)
    return size


def plan_pull_request(answers: Answers, order: tuple[tuple[str, ...], ...]) -> PullRequest:
    """The checks and builds of every component, with no credentials and no deployment.

    A job that is handed secrets cannot run there, nor one that needs what such a job builds. A
    build does not wait for the checks, so that a person sees all that is wrong at once.
    Raises AnswerError for more than GitHub reads.
    """
    by_name = {component.name: component for component in answers.components}
    jobs: list[Job] = []
    left_out: dict[tuple[str, str], list[str]] = {}
    for name in (name for wave in order for name in wave):
        component = by_name[name]
        edges = [e for e in answers.dependencies.edges if e.consumer == name and e.placements]
        built = {job.id for job in jobs}
        for job_id in component.pull_request:
            defaults = component.job(job_id)
            missing = [e.producer for e in edges if f"{e.producer}-build" not in built]
            if component.secrets and defaults.secrets:
                left_out.setdefault((name, "it is handed secrets"), []).append(job_id)
            elif missing and defaults.packages:
                why = f"it needs the package of {' and '.join(missing)}"
                left_out.setdefault((name, why), []).append(job_id)
            else:
                jobs.append(checking_job(job_id, component, edges, answers))
    notices = [
        f"{name} has no {', '.join(job_ids)} in pull requests: {why}."
        for (name, why), job_ids in left_out.items()
    ]
    pull_request = PullRequest(tuple(jobs), tuple(notices))
    if pull_request.size > WORKFLOW_FILE_BYTES:
        size, limit = pull_request.size // 1024, WORKFLOW_FILE_BYTES // 1024
        raise AnswerError(
            "pull_requests",
            f"{PULL_REQUEST_FILE} would have about {size} KB, and GitHub reads at most {limit} KB; "
            "shorten commands, or say false",
        )
    return pull_request
