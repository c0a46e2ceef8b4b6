"""Environments: who has to approve a job, and which branches and tags may deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import events
from .model import NotModelledError, Run

if TYPE_CHECKING:
    from .github import OfflineGitHub

#: `reviewers: True` stands for this person.
REVIEWER = "reviewer"
#: Plan -> whether private repositories have branch policies, and reviewers.
PLANS = {
    "free": (False, False),
    "pro": (True, False),
    "team": (True, False),
    "enterprise": (True, True),
}
KNOWN = {
    *("reviewers", "prevent_self_review", "approve", "hold", "branches", "tags"),
    *("vars", "secrets", "can_admins_bypass"),
}


class ReviewError(ValueError):
    """GitHub does not let this person, or anybody, approve or reject a job."""


def named(github: OfflineGitHub, name: str) -> str | None:
    """The name of an environment as in the settings: case makes no difference."""
    return next((known for known in github.environments if known.lower() == name.lower()), None)


def rules(github: OfflineGitHub, name: str) -> dict[str, Any]:
    """The settings of an environment, without what the repository's plan does not have."""
    settings = github.environments[named(github, name) or name]
    if unknown := set(settings) - KNOWN:
        raise NotModelledError(f"environment {name}: {sorted(unknown)}")
    policies, reviewers = has_rules(github)
    left_out = set() if policies else {"branches", "tags"}
    if not reviewers:
        left_out |= {"reviewers", "prevent_self_review"}
    return {key: value for key, value in settings.items() if key not in left_out}


def has_rules(github: OfflineGitHub) -> tuple[bool, bool]:
    """Whether the repository's plan has branch policies, and reviewers."""
    return PLANS[github.plan] if github.private else (True, True)


def has_policy(settings: dict[str, Any]) -> bool:
    return any(settings.get(kind) is not None for kind in ("branches", "tags"))


def refusal(settings: dict[str, Any], ref: str, name: str) -> str | None:
    """Why a job on this ref may not deploy. A pattern applies to branches or to tags."""
    if not has_policy(settings):
        return None
    kind = "tags" if ref.startswith("refs/tags/") else "branches"
    # For a pull request, GitHub compares the whole ref: the pattern is `refs/pull/*/merge`.
    shown = ref if ref.startswith("refs/pull/") else ref.split("/", 2)[2]
    if any(events.fits(pattern, shown) for pattern in settings.get(kind) or []):
        return None
    word = "Tag" if kind == "tags" else "Branch"
    return (
        f'{word} "{shown}" is not allowed to deploy to {name} due to environment protection rules.'
    )


def reviewers(settings: dict[str, Any]) -> list[str]:
    asked = settings.get("reviewers") or []
    return [REVIEWER] if asked is True else list(asked)


def is_held(github: OfflineGitHub, settings: dict[str, Any]) -> bool:
    """Whether a job waits until the test approves or rejects it."""
    asked = settings.get("approve")
    if asked not in (None, "at once", "when told"):
        raise ValueError(f"approve: {asked}")
    if asked:
        return bool(asked == "when told")
    return github.unnamed_reviewers == "when told" or settings["reviewers"] is not True


def may_review(github: OfflineGitHub, name: str, run: Run, person: str) -> bool:
    try:
        check_reviewer(rules(github, name), run, person)
    except ReviewError:
        return False
    return True


def check_reviewer(settings: dict[str, Any], run: Run, person: str) -> None:
    """Check that this person may approve or reject jobs of the run. Raises ReviewError."""
    if person not in reviewers(settings):
        raise ReviewError(f"{person} is no reviewer of this environment")
    if settings.get("prevent_self_review") and person == run.triggering_actor:
        raise ReviewError(f"{person} has started this run, and cannot review it")
