"""The composite actions that are the same for every repository: plain files in `template/`."""

from __future__ import annotations

from collections.abc import Mapping

ACTIONS = ".github/actions"

ALWAYS: Mapping[str, tuple[str, ...]] = {
    "check-out": ("action.yml", "missing.sh"),
    "check-commit": ("action.yml", "check.cjs"),
    "deployment-summary": ("action.yml", "manifest.cjs", "summary.cjs"),
    "keep-package": ("action.yml", "collect.sh"),
    "shared": (
        *("api.cjs", "commits.cjs", "manifests.cjs", "markdown.cjs"),
        *("package.sh", "runs.cjs", "time.cjs"),
    ),
    "may-deploy": ("action.yml", "approved.cjs", "check.cjs"),
    "promote-package": ("action.yml",),
    "require-approval": ("action.yml", "approval.cjs"),
    "require-success": ("action.yml", "success.cjs"),
    "take-package": ("action.yml", "find.cjs", "verify.sh"),
    "what-changed": (
        *("action.yml", "components.cjs", "components.json", "contents.cjs", "plan.cjs"),
        *("remember.cjs", "trees.cjs", "what.cjs"),
    ),
}
"""The files of each action, by its folder. A test compares them with `template/`."""

OF_ORCHESTRATION: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "call": {},
    "dispatch": {
        "read-plan": ("action.yml", "read.cjs"),
        "run-component": (
            *("action.yml", "cancel.cjs", "children.cjs"),
            *("run.cjs", "start.cjs", "wait.cjs"),
        ),
    },
    "observe": {
        "find-dependencies": ("action.yml", "find.cjs", "runs.cjs"),
        "watch-components": ("action.yml", "outcome.cjs", "watch.cjs"),
    },
}
"""The actions of each orchestration alone."""

OF_REPORTS: Mapping[str, tuple[str, ...]] = {"show-reports": ("action.yml", "read.cjs", "show.cjs")}
"""Only for repositories whose tests leave reports."""

OF_PULL_REQUESTS: Mapping[str, tuple[str, ...]] = {"show-graph": ("action.yml", "graph.cjs")}
"""Only for repositories whose pull requests are checked."""

OF_PLANS: Mapping[str, tuple[str, ...]] = {
    "show-plan": ("action.yml", "changes.cjs", "compare.cjs", "show.cjs"),
}
"""Only for repositories with components whose plan is shown."""

OF_DRIFT: Mapping[str, tuple[str, ...]] = {
    "read-deployed": ("action.yml", "read.cjs"),
    "report-drift": ("action.yml", "report.cjs"),
}
"""Only for repositories that look for drift of what is deployed."""

WITH_INSTALL_SECRETS: Mapping[str, tuple[str, ...]] = {
    "require-secrets": ("action.yml", "require.sh"),
}
"""Only for repositories with `install_secrets`."""


def action_files(
    orchestration: str,
    reports: bool = False,
    install_secrets: bool = False,
    pull_requests: bool = True,
    plans: bool = False,
    drift: bool = False,
) -> list[str]:
    """The files of all shared actions, relative to the repository's root."""
    actions = {
        **ALWAYS,
        **OF_ORCHESTRATION[orchestration],
        **(OF_REPORTS if reports else {}),
        **(OF_PULL_REQUESTS if pull_requests else {}),
        **(OF_PLANS if plans else {}),
        **(OF_DRIFT if drift else {}),
        **(WITH_INSTALL_SECRETS if install_secrets else {}),
    }
    return [f"{ACTIONS}/{name}/{file}" for name, files in sorted(actions.items()) for file in files]
