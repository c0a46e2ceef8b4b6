"""What an environment builds, promotes and deploys, in which order: exact jobs."""

from __future__ import annotations

from typing import Any

import pytest
from jobs_before import with_all_before
from made_answers import generic, plan, refusal
from pipeline.calls import Promotion
from pipeline.orchestrators import OrchestratorWorkflow
from pipeline.plan import Plan

TRUNK = [
    {"name": "dev", "branch": "main"},
    {"name": "test", "after": "dev"},
    {"name": "prd", "after": "test", "production": True, "on_failure": "downstream"},
]
DEPLOYS = generic(deploy="ship")
BUILDS = generic(lint="l", build="make", produces=["x"])
BOTH = {**BUILDS, "deploy": "ship"}
CHECKS = generic(lint="l")

Jobs = dict[str, list[str]]
"""Each job with the jobs before it, without `changes` and `approval`."""


def made(
    components: dict[str, Any], written: Any = (), **more: Any
) -> dict[str, OrchestratorWorkflow]:
    """The orchestrators by environment."""
    answers = {"environments": TRUNK, **more}
    found = plan(components=components, dependency_map=list_or_map(written), **answers)
    return {o.environment.name: o for o in found.orchestrators}


def list_or_map(written: Any) -> Any:
    return written if isinstance(written, dict) else list(written)


def jobs(orchestrator: OrchestratorWorkflow) -> Jobs:
    gates = set(orchestrator.gates)
    calls = [*orchestrator.builds, *orchestrator.deployments]
    for call in calls:
        firsts = ("changes",) if call in orchestrator.builds else orchestrator.gates
        assert call.needs[: len(firsts)] == firsts and not gates & set(call.needs[len(firsts) :])
    return {call.id: [n for n in call.needs if n not in gates] for call in calls}


def promoted(orchestrator: OrchestratorWorkflow) -> list[str]:
    return [promotion.producer for promotion in orchestrator.changes.promotions]


def test_components_are_built_once_and_deployed_in_order() -> None:
    found = made(
        {"lib": BUILDS, "app": BOTH, "net": DEPLOYS, "docs": CHECKS},
        {"app": ["lib", "net"]},
    )
    assert jobs(found["dev"]) == {
        "docs-build": [],
        "lib-build": [],
        "app-build": ["lib-build"],
        "net-dev": [],
        "app-dev": ["lib-build", "app-build", "net-dev"],
    }
    for name, before in (("test", "dev"), ("prd", "test")):
        orchestrator = found[name]
        assert jobs(orchestrator) == {f"net-{name}": [], f"app-{name}": [f"net-{name}"]}
        assert orchestrator.changes.promotions == tuple(
            Promotion(
                producer,
                "prd test dev" if name == "prd" else "test dev",
                "planned",
                30 if name == "prd" else 37,
            )
            for producer in ("lib", "app")
        )
        assert before in orchestrator.changes.promotions[0].environments
    assert promoted(found["dev"]) == []
    assert {n: o.approval is not None for n, o in found.items()} == {
        **{"dev": False, "test": False, "prd": True}
    }
    # docs only has checks, which run in dev; it is still in the waves of the others.
    assert [o.waves for o in found.values()] == [(("docs", "lib", "net"), ("app",))] * 3


def test_with_stop_everything_is_built_before_a_deployment() -> None:
    """Each wave waits for all deployments of the earlier waves."""
    components = {"a": BOTH, "b": DEPLOYS, "c": DEPLOYS, "d": CHECKS, "e": BOTH, "f": DEPLOYS}
    edges = {"c": "a", "d": "b", "e": "d", "f": []}
    stop = [{"name": "dev", "branch": "main", "on_failure": "stop"}]
    found = made(components, edges, environments=stop)["dev"]
    builds = ["a-build", "d-build", "e-build"]
    assert jobs(found) == {
        **{build: [] for build in builds},
        **{f"{name}-dev": builds for name in "abf"},
        "c-dev": [*builds, "a-dev", "b-dev", "f-dev"],
        "e-dev": [*builds, "a-dev", "b-dev", "f-dev", "c-dev"],
    }


# The components with their edges -> the jobs in dev and in prd, and what prd promotes.
BELONGING: dict[str, tuple[dict[str, Any], Any, Jobs, Jobs, list[str]]] = {
    "order passes through": (
        {"a": DEPLOYS, "b": {**DEPLOYS, "environments": ["dev"]}, "c": DEPLOYS},
        {"b": "a", "c": "b"},
        {"a-dev": [], "b-dev": ["a-dev"], "c-dev": ["b-dev"]},
        {"a-prd": [], "c-prd": ["a-prd"]},
        [],
    ),
    "order passes through several": (
        {
            "a": DEPLOYS,
            "b": DEPLOYS,
            **{name: {**DEPLOYS, "environments": ["dev"]} for name in "cde"},
            "f": DEPLOYS,
        },
        {"c": "a", "d": ["b", "c"], "e": [], "f": ["d", "e"]},
        {
            **{f"{name}-dev": [] for name in "abe"},
            "c-dev": ["a-dev"],
            "d-dev": ["b-dev", "c-dev"],
            "f-dev": ["e-dev", "d-dev"],
        },
        {"a-prd": [], "b-prd": [], "f-prd": ["a-prd", "b-prd"]},
        [],
    ),
    "its package reaches components that take it": (
        {"a": {**BOTH, "environments": ["dev"]}, "b": BOTH, "c": DEPLOYS},
        {"b": "a", "c": "b"},
        {
            "a-build": [],
            "b-build": ["a-build"],
            "a-dev": ["a-build"],
            "b-dev": ["a-build", "b-build", "a-dev"],
            "c-dev": ["b-build", "b-dev"],
        },
        {"b-prd": [], "c-prd": ["b-prd"]},
        ["a", "b"],
    ),
    "its package reaches components through others": (
        {"a": BUILDS, "b": {**BUILDS, "environments": ["dev"]}, "c": BOTH},
        {"b": "a", "c": "b"},
        {
            **{"a-build": [], "b-build": ["a-build"], "c-build": ["b-build"]},
            "c-dev": ["a-build", "b-build", "c-build"],
        },
        {"c-prd": []},
        ["a", "b", "c"],
    ),
    "no component takes its package": (
        {"a": {**BOTH, "environments": ["dev"]}, "b": BOTH},
        [{"code_type": "b", "depends_on": "a", "artifacts": []}],
        {
            **{"a-build": [], "b-build": [], "a-dev": ["a-build"]},
            "b-dev": ["b-build", "a-dev"],
        },
        {"b-prd": []},
        ["b"],
    ),
    "only in a later one": (
        {"a": {**BOTH, "environments": ["prd"]}, "b": BOTH},
        {"b": "a"},
        # Everything in prd was built and checked in dev.
        {"a-build": [], "b-build": ["a-build"], "b-dev": ["a-build", "b-build"]},
        {"a-prd": [], "b-prd": ["a-prd"]},
        ["a", "b"],
    ),
    "one that is only checked is waited for": (
        {"a": CHECKS, "b": DEPLOYS},
        {"b": "a"},
        {"a-build": [], "b-dev": ["a-build"]},
        {"b-prd": []},
        [],
    ),
}


@pytest.mark.parametrize("case", BELONGING)
def test_environments_of_a_component(case: str) -> None:
    components, written, dev, prd, over = BELONGING[case]
    found = made(components, written)
    assert jobs(found["dev"]) == with_all_before(dev)
    assert jobs(found["prd"]) == with_all_before(prd)
    assert promoted(found["prd"]) == over


def test_an_unrelated_environment_does_not_have_the_component() -> None:
    """It has no job, no file and no node in the graph."""
    environments = [*TRUNK, {"name": "other", "branch": "other"}]
    components = {"a": {**BOTH, "environments": ["dev"]}, "b": DEPLOYS}
    written = [{"code_type": "b", "depends_on": "a", "artifacts": []}]
    found = plan(components=components, dependency_map=written, environments=environments)
    (other,) = (o for o in found.orchestrators if o.environment.name == "other")
    assert (other.waves, other.wave_lines, other.graph) == ((("b",),), ("b",), '{"b": []}')
    assert jobs(other) == {"b-other": []}
    assert [w.file for w in found.workflows if w.component.name == "a"] == ["a-dev.yml"]


def test_an_environment_without_components_is_named() -> None:
    components = {"a": generic(environments=["release"])}
    made = plan(components=components, dependency_map=[], branching="release")
    assert made.notices == ("No component belongs to ci: its orchestrator does nothing.",)
    assert not plan(components={"a": generic()}, dependency_map=[], branching="release").notices


@pytest.mark.parametrize("orchestration", ["call", "dispatch", "observe"])
def test_which_components_have_a_workflow(orchestration: str) -> None:
    """Under observe, a component that is only promoted has one, too."""
    components = {"a": {**BUILDS, "environments": ["dev"]}, "b": DEPLOYS}
    environments = TRUNK[:2]
    found = plan(
        components=components,
        dependency_map={"b": "a"},
        environments=environments,
        orchestration=orchestration,
    )
    own = ["a-dev", "b-dev", *["a-test"] * (orchestration == "observe"), "b-test"]
    assert [workflow.id for workflow in found.workflows] == own
    jobs_of = {workflow.id: list(workflow.jobs) for workflow in found.workflows}
    assert jobs_of["a-dev"] == ["changes", "build"]
    if orchestration == "observe":
        assert jobs_of["a-test"] == ["changes"]
        (over,) = (w for w in found.workflows if w.id == "a-test")
        assert over.changes and [p.producer for p in over.changes.promotions] == ["a"]
        assert over.what == "Promotes a for test"


@pytest.mark.parametrize("name", ["prod", "DEV", ""])
def test_a_component_of_an_unknown_environment_is_refused(name: str) -> None:
    message = refusal(components={"a": {**BOTH, "environments": ["dev", name]}}, environments=TRUNK)
    known = "; did you mean 'dev'?" if name == "DEV" else "; known are: dev, prd, test"
    if name == "prod":
        known = "; did you mean 'prd'?"
    assert message == f"components.a.environments: {name!r} is no environment{known}"


def test_a_component_of_no_environment_is_refused() -> None:
    message = refusal(components={"a": {**BOTH, "environments": []}}, environments=TRUNK)
    assert message.startswith("components.a.environments: ") and "at least one" in message


# Built again for each environment -------------------------------------------------------------

# Settings -> whether the component is built again for each environment.
AGAIN: dict[str, tuple[dict[str, Any], bool]] = {
    "nothing said": ({"build": "make"}, False),
    "said": ({"build": "make", "build_per_environment": True}, True),
    "said that it is not": ({"build": "make", "build_per_environment": False}, False),
    "its build names it": ({"build": 'make "a-$ENVIRONMENT"'}, True),
    "its build names it in braces": ({"build": "make ${ENVIRONMENT:-x}"}, True),
    "its build names them all": ({"build": "make $ENVIRONMENTS $ENVIRONMENT_VARIABLES"}, False),
    "its build names another": ({"build": "make $MY_ENVIRONMENT $ENVIRONMENT_2"}, False),
    "another command names it": (
        {"build": "make", "lint": "l $ENVIRONMENT", "deploy": "d $ENVIRONMENT"},
        False,
    ),
}


@pytest.mark.parametrize("case", AGAIN)
def test_builds_for_each_environment(case: str) -> None:
    settings, again = AGAIN[case]
    found = made({"a": generic(produces=["x"], **settings)})
    for name in ("test", "prd"):
        assert jobs(found[name]).keys() >= ({"a-build"} if again else set())
        assert promoted(found[name]) == ([] if again else ["a"])
    assert "a-build" in jobs(found["dev"])


def test_false_for_a_build_that_names_the_environment_is_refused() -> None:
    settings = generic(build="make $ENVIRONMENT", build_per_environment=False)
    assert refusal(components={"a": settings}) == (
        "components.a.build_per_environment: the command `build` names ENVIRONMENT, so each "
        "environment needs its own build; remove this setting, or ENVIRONMENT from the command"
    )


def test_consumers_of_a_package_for_each_environment_are_built_again() -> None:
    """Indirect consumers, too. Components that only wait, and those that it consumes itself, are
    not."""
    components = {
        "below": BUILDS,
        "site": {**BUILDS, "build_per_environment": True},
        "image": BUILDS,
        "chart": BOTH,
        "beside": BOTH,
        "last": DEPLOYS,
    }
    written = [
        {"code_type": "site", "depends_on": "below"},
        {"code_type": "image", "depends_on": "site"},
        {"code_type": "chart", "depends_on": ["image", "below"]},
        {"code_type": "beside", "depends_on": "site", "artifacts": []},
        {"code_type": "last", "depends_on": "site"},
    ]
    found = made(components, written)
    prd = found["prd"]
    assert promoted(prd) == ["below", "beside"]
    assert jobs(prd) == {
        "site-build": [],
        "image-build": ["site-build"],
        "chart-build": ["site-build", "image-build"],
        "beside-prd": ["site-build"],
        "last-prd": ["site-build"],
        "chart-prd": ["site-build", "image-build", "chart-build"],
    }
    calls = {call.id: call.inputs for call in (*prd.builds, *prd.deployments)}
    over = '"run": ${{ github.run_id }}, "digest": "${{ needs.changes.outputs.below-digest }}"'
    image = '"run": ${{ github.run_id }}, "digest": "${{ needs.image-build.outputs.digest }}"'
    assert calls["site-build"]["packages"] == (f'{{"below": {{{over}}}}}',)
    both = ("{", f'"below": {{{over}}},', f'"image": {{{image}}}', "}")
    assert calls["chart-build"]["packages"] == calls["chart-prd"]["packages"] == both
    assert calls["chart-prd"]["digest"] == "${{ needs.chart-build.outputs.digest }}"
    assert calls["beside-prd"]["digest"] == "${{ needs.changes.outputs.beside-digest }}"


def test_a_single_deployment_takes_no_package_of_another_environment() -> None:
    """Unless the package was built once for all of them."""
    made_plan = plan(
        components={
            "site": {**BUILDS, "build_per_environment": True},
            "lib": BUILDS,
            "last": DEPLOYS,
            "app": DEPLOYS,
        },
        dependency_map={"last": "site", "app": "lib"},
        environments=TRUNK,
    )
    alone = {
        w.id: call.inputs.get("environments")
        for w in made_plan.workflows
        for call in w.calls
        if call.id == "deploy"
    }
    assert alone == {
        **{"last-dev": None, "last-test": None, "last-prd": None},
        **{"app-dev": None, "app-test": "test dev", "app-prd": "prd test dev"},
    }


def built_for(made_plan: Plan) -> dict[str, Any]:
    """Each build in each orchestrator, with its input `environments`."""
    return {
        f"{call.id} in {o.environment.name}": call.inputs.get("environments")
        for o in made_plan.orchestrators
        for call in o.builds
    }


def test_a_build_knows_all_environments_that_use_it() -> None:
    """`ENVIRONMENTS` has those of the chain where the component, or a consumer of its package, is
    deployed."""
    asks = generic(build="make $ENVIRONMENTS", produces=["x"], deploy="d")
    environments = [*TRUNK, {"name": "eu", "after": "dev"}, {"name": "other", "manual": True}]
    found = built_for(
        plan(
            components={
                "all": asks,
                "some": {**asks, "environments": ["prd", "other", "dev"]},
                "none-here": {**asks, "environments": ["other"]},
                "each": {**asks, "build_per_environment": True},
                "silent": BUILDS,
                "taken": {**asks, "environments": ["dev"]},
                "takes": {**asks, "environments": ["eu"]},
            },
            dependency_map={"takes": "taken"},
            environments=environments,
        )
    )
    once = {
        "all-build in dev": "dev test prd eu",
        "some-build in dev": "dev prd",
        "silent-build in dev": None,
        "taken-build in dev": "dev eu",
        "takes-build in dev": "eu",
        "each-build in dev": None,
        **{f"each-build in {name}": None for name in ("test", "prd", "eu", "other")},
        **{f"{name}-build in other": None for name in ("all", "some", "none-here", "silent")},
    }
    assert found == once
