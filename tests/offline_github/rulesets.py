"""Rulesets: who may create, move and delete which branches and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import events
from .model import NotModelledError, Run

if TYPE_CHECKING:
    from .github import OfflineGitHub

APPROVAL_POLICIES = (
    "first_time_contributors_new_to_github",
    "first_time_contributors",
    "all_external_contributors",
)
#: What a push does to a ref -> the rule that forbids it.
RULES = ("creation", "update", "deletion", "non_fast_forward")
#: Rules about how a change gets into a branch. No push of these tests breaks them.
OF_MERGING = ("pull_request", "required_status_checks", "required_linear_history")
#: `actor_id` of `RepositoryRole` -> the role.
ROLES = {2: "maintain", 4: "write", 5: "admin"}
LEVELS = ("read", "write", "maintain", "admin")


class PushError(ValueError):
    """GitHub declines the push."""


def checked(body: dict[str, Any]) -> dict[str, Any]:
    """A ruleset. The double must know all of its rules."""
    known = {"name", "target", "enforcement", "conditions", "rules", "bypass_actors"}
    if unknown := sorted(set(body) - known):
        raise NotModelledError(f"ruleset: {unknown}")
    if body["target"] not in ("branch", "tag"):
        raise NotModelledError(f"ruleset for a {body['target']}")
    if body["enforcement"] not in ("active", "disabled"):
        raise NotModelledError(f"ruleset: enforcement {body['enforcement']}")
    if set(body["conditions"]) != {"ref_name"}:
        raise NotModelledError(f"ruleset: conditions {sorted(body['conditions'])}")
    for rule in body["rules"]:
        if rule["type"] not in (*RULES, *OF_MERGING):
            raise NotModelledError(f"ruleset: rule {rule['type']}")
    for actor in body.get("bypass_actors") or []:
        if actor["actor_type"] != "RepositoryRole" or actor["bypass_mode"] != "always":
            raise NotModelledError(f"ruleset: {actor}")
    return body


def _names(patterns: list[str], ref: str, default_branch: str) -> bool:
    def fits(pattern: str) -> bool:
        if pattern == "~DEFAULT_BRANCH":
            pattern = f"refs/heads/{default_branch}"
        return pattern == "~ALL" or events.fits(pattern, ref)

    return any(map(fits, patterns))


def check_push(github: OfflineGitHub, ref: str, change: str, by: str, merged: bool) -> None:
    """Check that the person's role and the rulesets allow this change. Raises PushError."""
    role = github.role(by)
    if LEVELS.index(role) < LEVELS.index("write"):
        raise PushError(f"Permission to {github.name} denied to {by}")
    kind = "tag" if ref.startswith("refs/tags/") else "branch"
    for ruleset in github.rulesets:
        names = ruleset["conditions"]["ref_name"]
        if (
            ruleset["target"] != kind
            or ruleset["enforcement"] != "active"
            or not _names(names["include"], ref, github.default_branch)
            or _names(names.get("exclude") or [], ref, github.default_branch)
        ):
            continue
        bypass = [ROLES[actor["actor_id"]] for actor in ruleset.get("bypass_actors") or []]
        if any(LEVELS.index(role) >= LEVELS.index(least) for least in bypass):
            continue
        types = {rule["type"] for rule in ruleset["rules"]}
        if types & set(OF_MERGING) and change == "update" and not merged:
            raise PushError(f"{ref}: Changes must be made through a pull request")
        if change in types or (change == "non_fast_forward" and "update" in types):
            raise PushError(f"{ref}: the ruleset {ruleset['name']} forbids its {change}")


def is_held(github: OfflineGitHub, run: Run) -> bool:
    """Whether a run needs an approval to start: that of a stranger, in a public repository."""
    if github.private or run.event != "pull_request" or run.head_repository == github.name:
        return False
    # The stranger of these tests is not new to GitHub, and has contributed nothing.
    return github.approval_policy != "first_time_contributors_new_to_github"
