"""The plan's own prediction of a run, said once more in the words of docs/answers.md.

It reads components, edges, waves and `stops`; not the `needs` that plan.py makes of them, because
those are what is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import toolbox
from pipeline.answers import read_answers
from pipeline.catalogue import load_catalogue
from pipeline.environments import Environment
from pipeline.plan import Plan, make_plan

TESTED = "tested-commit"
"""The job that lets in a run of the environment before, and reads its commit."""

CATALOGUE = load_catalogue(toolbox.ROOT)


def plan_of(answers: Mapping[str, Any]) -> Plan:
    return make_plan(read_answers(answers, CATALOGUE))


def components_after(
    plan: Plan, environment: Environment, given: Mapping[str, str], tested: str = "success"
) -> dict[str, str | None]:
    """Each component's result when those that start end as given; None for those that do not.

    `tested` is the result of the job that reads the tested commit, in a chained environment.

    A component starts when everything it depends on has started and succeeded. Under `stop`, no
    wave starts unless everything in the waves before it has succeeded.
    """
    dependencies: dict[str, set[str]] = {name: set() for name in plan.order}
    for edge in plan.answers.dependencies.edges:
        dependencies[edge.consumer].add(edge.producer)
    results: dict[str, str | None] = {}
    for number, wave in enumerate(plan.waves):
        earlier = {name for before in plan.waves[:number] for name in before}
        for name in wave:
            awaited = earlier if environment.stops else dependencies[name]
            starts = tested == "success" and all(results[other] == "success" for other in awaited)
            results[name] = given[name] if starts else None
    return results


def summary_after(results: Mapping[str, str | None], tested: str = "success") -> str | None:
    """The summary's result: it runs always, and fails unless everything succeeded.

    Only where the environment before gave no reason to start is there nothing to sum up.
    """
    if tested == "skipped":
        return None
    return "success" if {tested, *results.values()} == {"success"} else "failure"


def components_until(plan: Plan, cancelled: str) -> dict[str, str | None]:
    """Each component's result when the run is cancelled during one: the earlier ones succeeded,
    started one after another, and nothing starts any more."""
    place = plan.order.index(cancelled)
    return {
        **dict.fromkeys(plan.order),
        **dict.fromkeys(plan.order[:place], "success"),
        cancelled: "cancelled",
    }


def github_context(environment: Environment, plan: Plan, **changes: Any) -> dict[str, Any]:
    """The `github` context after a good run of the environment before."""
    by_name = {e.name: e for e in plan.environments}
    before = by_name.get(environment.source)
    if environment.trigger != "after" or before is None:
        return {"event_name": "push", "event": {}}
    event = {
        "branch": "push",
        "tag": "push",
        "after": "workflow_run",
        "manual": "workflow_dispatch",
    }
    root = by_name[environment.root]
    run = {
        "conclusion": "success",
        "event": event[before.trigger],
        # A run that was itself started by `workflow_run` counts as one of the default branch.
        "head_branch": "main" if before.trigger == "after" else root.source,
        "head_repository": {"id": 1},
        **changes,
    }
    repository = {"id": 1, "default_branch": "main"}
    return {
        "event_name": "workflow_run",
        "event": {"workflow_run": run, "repository": repository},
    }
