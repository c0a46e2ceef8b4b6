"""Approves and rejects jobs that wait for a review, as people do on the page of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import environments
from .environments import ReviewError
from .model import Job, Review, Run

if TYPE_CHECKING:
    from .github import OfflineGitHub


def waiting(github: OfflineGitHub, run: Run) -> list[Job]:
    """The jobs of a run that wait for a review, in the order of the files."""
    scheduler = github.scheduler_of(run)
    return scheduler.asking() if scheduler else []


def review(
    github: OfflineGitHub,
    run: Run,
    state: str,
    environment: str | None,
    job: str | None,
    by: str | None,
) -> list[str]:
    """Approve or reject those that wait for an environment (any), or one job; their keys.

    On GitHub one review is for all jobs that wait for its environment at that moment.
    """
    chosen = [
        waits
        for waits in waiting(github, run)
        if environment is None or environment.lower() == (waits.environment or "").lower()
        if job in (None, waits.key)
    ]
    if not chosen:
        raise ReviewError(f"no such job of run {run.id} waits for a review")
    people = {waits.key: _person(github, run, waits, by) for waits in chosen}
    scheduler = github.scheduler_of(run)
    assert scheduler
    for waits in chosen:
        run.reviews.append(Review(waits.key, waits.environment or "", state, people[waits.key]))
        scheduler.decide(waits, state)
    return [waits.key for waits in chosen]


def _person(github: OfflineGitHub, run: Run, job: Job, by: str | None) -> str:
    """The reviewer: the person that the test names, or the first who may."""
    assert job.environment
    settings = environments.rules(github, job.environment)
    people = [by] if by else environments.reviewers(settings)
    refused: list[ReviewError] = []
    for person in people:
        try:
            environments.check_reviewer(settings, run, person)
            return person
        except ReviewError as error:
            refused.append(error)
    raise refused[0]
