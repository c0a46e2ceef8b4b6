"""The kinds of pipelines that histories and attacks try."""

from __future__ import annotations

from typing import Any

from copies import example
from generated_repositories import generic

PAIR = {"components": generic(["first", "second"]), "dependency_map": {"second": "first"}}
LAMBDA: dict[str, Any] = example("lambda")
TAGGED = {
    **LAMBDA,
    "branching": "custom",
    "environments": [
        {"name": "test", "branch": "main"},
        {"name": "prd", "tag": "v*", "production": True},
    ],
}
PATTERN = {
    **LAMBDA,
    "branching": "custom",
    "environments": [
        {"name": "test", "branch": "release/*"},
        {"name": "prd", "after": "test", "production": True},
    ],
}
BY_HAND = {
    **LAMBDA,
    "branching": "custom",
    "environments": [
        {"name": "test", "manual": True},
        {"name": "prd", "manual": True, "production": True},
    ],
}
AFTER_HAND = {
    **LAMBDA,
    "branching": "custom",
    "environments": [
        {"name": "test", "manual": True},
        {"name": "prd", "after": "test", "production": True},
    ],
}
SEVERAL = {
    "components": {**generic(["first", "second"], deploy=""), **generic(["third"])},
    "dependency_map": {"third": ["first", "second"]},
}
# `first`, which test builds, is deployed only in production.
AT_LAST = {"components": {**generic(["first"], environments=["prd"]), **generic(["second"])}}
TRUNK = {**LAMBDA, "branching": "trunk"}
ALONE, BOTH = ("terraform",), ("first", "second")
#: Name -> answers, the components that are deployed, and how.
KINDS: dict[str, tuple[dict[str, Any], tuple[str, ...], dict[str, Any]]] = {
    "call": (LAMBDA, ALONE, {}),
    "dispatch": (LAMBDA, ALONE, {"orchestration": "dispatch"}),
    "each": (PAIR, BOTH, {"approval": "each"}),
    "none": (PAIR, BOTH, {"approval": "none"}),
    "trunk": (TRUNK, ALONE, {"trunk": True}),
    "trunk-dispatch": (TRUNK, ALONE, {"trunk": True, "orchestration": "dispatch"}),
    "tag": (TAGGED, ALONE, {"tag": True}),
    "only changed": (
        {**LAMBDA, "only_changed": True},
        ALONE,
        {"touched": ("iac/terraform",)},
    ),
    "only changed, dispatch": (
        {**LAMBDA, "only_changed": True},
        ALONE,
        {"orchestration": "dispatch", "touched": ("iac/terraform",)},
    ),
    "only changed, none": (
        {**PAIR, "only_changed": True},
        BOTH,
        {"approval": "none", "touched": ("parts/first", "parts/second")},
    ),
}
#: Settings that are not answers.
OWN = ("tag", "trunk", "touched")
#: More kinds, which only attacks try.
ATTACKED = {
    **KINDS,
    "several": (SEVERAL, ("third",), {}),
    "at-last": (AT_LAST, BOTH, {}),
    "pattern": (PATTERN, ALONE, {}),
    "by-hand": (BY_HAND, ALONE, {}),
    "after-hand": (AFTER_HAND, ALONE, {}),
    "changed": ({**PAIR, "only_changed": True}, BOTH, {}),
    "changed-dispatch": (
        {**PAIR, "only_changed": True},
        BOTH,
        {"orchestration": "dispatch"},
    ),
    "changed-each": ({**PAIR, "only_changed": True}, BOTH, {"approval": "each"}),
}
