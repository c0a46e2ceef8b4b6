"""Which workflows an event starts: branch and tag filters with GitHub's glob rules."""

from __future__ import annotations

import re
from typing import Any

from .model import NotModelledError


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def triggers(workflow: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`on:` in its long form: a workflow may use any of three forms."""
    on = workflow["on"]
    if isinstance(on, dict):
        return {event: settings or {} for event, settings in on.items()}
    return {event: {} for event in as_list(on)}


def pattern(glob: str) -> re.Pattern[str]:
    """A filter pattern of GitHub as a regular expression.

    `*` stops at `/`, `**` does not; `?` and `+` repeat the character before them.
    """
    parts = []
    for token in re.findall(r"\*\*|\\.|\[[^\]]*\]|.", glob):
        if token == "**":
            parts.append(".*")
        elif token == "*":
            parts.append("[^/]*")
        elif token in "?+" or token[0] in "[\\":
            parts.append(token)
        else:
            parts.append(re.escape(token))
    return re.compile("".join(parts))


def matches(globs: list[str], name: str) -> bool:
    """Whether a list of patterns lets a name through: the last one that matches decides."""
    result = False
    for glob in globs:
        negative = glob.startswith("!")
        if pattern(glob.removeprefix("!")).fullmatch(name):
            result = not negative
    return result


def fits(glob: str, name: str) -> bool:
    """Whether a pattern of an environment or ruleset matches, as in Ruby's `fnmatch`."""
    words = {"**/": "(?:[^/]+/)*", "**": "[^/]*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(r"\*\*/|\*\*|\\.|\[[^\]]*\]|.", glob)
    text = "".join(words.get(t, t if t[0] in "[\\" else re.escape(t)) for t in tokens)
    return re.fullmatch(text, name) is not None


def filtered(settings: dict[str, Any], include: str, name: str) -> bool:
    """Applies `branches` and `branches-ignore` (or the same of tags)."""
    if include in settings:
        return matches(as_list(settings[include]), name)
    ignore = settings.get(f"{include}-ignore")
    return ignore is None or not matches(as_list(ignore), name)


def starts_on_push(settings: dict[str, Any], ref: str) -> bool:
    """Whether a push of a branch or tag starts it. Filters of one kind exclude the other kind."""
    if any(key.startswith("paths") for key in settings):
        raise NotModelledError("paths filters")
    kind, other = ("branches", "tags") if ref.startswith("refs/heads/") else ("tags", "branches")

    def has(filter_kind: str) -> bool:
        return filter_kind in settings or f"{filter_kind}-ignore" in settings

    if not has(kind) and has(other):
        return False
    return filtered(settings, kind, ref.split("/", 2)[2])


def starts_on_merge(settings: dict[str, Any], activity: str, base: str) -> bool:
    """Whether a `pull_request`, or a `merge_group` of the merge queue, to `base` starts it."""
    if any(key.startswith("paths") for key in settings):
        raise NotModelledError("paths filters")
    default = ["opened", "synchronize", "reopened", "checks_requested"]
    types = as_list(settings.get("types")) or default
    return activity in types and filtered(settings, "branches", base)


def starts_on_workflow_run(
    settings: dict[str, Any], name: str, activity: str, branch: str | None
) -> bool:
    """Whether it starts when a run of a named workflow was `requested` or is `completed`."""
    if name not in as_list(settings.get("workflows")):
        return False
    types = as_list(settings.get("types")) or ["requested", "in_progress", "completed"]
    return activity in types and filtered(settings, "branches", branch or "")


def dispatch_inputs(settings: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The inputs of a dispatch, with their types. Raises ValueError if GitHub would answer 422."""
    declared = settings.get("inputs") or {}
    if unknown := sorted(set(given) - set(declared)):
        raise ValueError(f"Unexpected inputs provided: {unknown}")
    inputs: dict[str, Any] = {}
    for name, declaration in declared.items():
        declaration = declaration or {}
        kind = declaration.get("type", "string")
        if name not in given and declaration.get("required") and "default" not in declaration:
            raise ValueError(f"Required input '{name}' not provided")
        value = given.get(name, declaration.get("default", False if kind == "boolean" else ""))
        if kind == "choice" and value not in declaration.get("options", []):
            raise ValueError(
                f"Provided value '{value}' for input '{name}' not in the list of allowed values"
            )
        if kind == "boolean":
            if str(value).lower() not in ("true", "false"):
                raise ValueError(f"Input '{name}' must be a boolean")
            inputs[name] = str(value).lower() == "true"
        elif kind == "number":
            inputs[name] = float(value) if "." in str(value) else int(value)
        else:
            inputs[name] = str(value)
    return inputs
