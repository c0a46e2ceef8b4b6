"""What starts a component's workflow under `observe`, and which components it waits for."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import networkx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from made_answers import NODES, acyclic_graphs, generic, plan, quick, refusal
from pipeline.component_workflows import ComponentWorkflow
from pipeline.triggers import Triggers

RUN = "github.event.workflow_run"
BY_HAND = "github.event_name == 'workflow_dispatch' ||"
SUCCESS = f"({RUN}.conclusion == 'success' &&"
OURS = f"{RUN}.head_repository.id == github.event.repository.id &&"
DEFAULT = f"{RUN}.head_branch == github.event.repository.default_branch"
EITHER = f"({RUN}.event == 'push' || {RUN}.event == 'workflow_dispatch')"
DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
DEV = [{"name": "dev", "branch": "main"}]


def observe(
    graph: Mapping[str, list[str]], environments: list[dict[str, Any]] = DEV, **more: Any
) -> dict[str, ComponentWorkflow]:
    """The components' workflows by id. Each component deploys, unless `more` replaces it."""
    components = {name: generic(deploy="ship") for name in graph} | more
    made = plan(
        components=components,
        dependency_map=dict(graph),
        orchestration="observe",
        environments=environments,
    )
    return {workflow.id: workflow for workflow in made.workflows}


def waited_for(triggers: Triggers) -> dict[str, Any]:
    return json.loads(triggers.dependencies) if triggers.dependencies else {}


def deploys(*roots: str) -> dict[str, list[str]]:
    job = "deploy / Deploy"
    return {"jobs": [job], "decisive": [job], "roots": [*roots]}


# Exact values


def test_a_diamond() -> None:
    made = observe(DIAMOND)
    assert made["a-dev"].triggers == Triggers(branch="main")
    assert not made["a-dev"].triggers.waits
    for name in "bc":
        triggers = made[f"{name}-dev"].triggers
        assert (triggers.branch, triggers.tag, triggers.after) == ("", "", ("A Dev",))
        assert triggers.guard == (
            *(BY_HAND, SUCCESS, OURS, f"{EITHER} &&", f"{RUN}.head_branch == 'main')"),
        )
        assert triggers.waits and waited_for(triggers) == {"a": deploys()}
    triggers = made["d-dev"].triggers
    assert triggers.after == ("B Dev", "C Dev")
    assert triggers.guard == (
        *(BY_HAND, SUCCESS, OURS),
        f"(({RUN}.event == 'workflow_dispatch' &&",
        f"{RUN}.head_branch == 'main') ||",
        f"({RUN}.event == 'workflow_run' &&",
        f"{DEFAULT})))",
    )
    assert waited_for(triggers) == {"b": deploys("a"), "c": deploys("a")}


def test_a_component_after_a_first_and_a_later_one() -> None:
    triggers = observe({"a": [], "x": [], "b": ["a"], "c": ["b", "x"]})["c-dev"].triggers
    assert triggers.after == ("B Dev", "X Dev")
    assert triggers.guard == (
        *(BY_HAND, SUCCESS, OURS),
        f"(({EITHER} &&",
        f"{RUN}.head_branch == 'main') ||",
        f"({RUN}.event == 'workflow_run' &&",
        f"{DEFAULT})))",
    )
    assert waited_for(triggers) == {"b": deploys("a"), "x": deploys()}


def test_an_implied_dependency_is_waited_for_and_starts_nothing() -> None:
    """c waits for a directly because it takes the package of a."""
    triggers = observe({"a": [], "b": ["a"], "c": ["a", "b"]})["c-dev"].triggers
    assert triggers.after == ("B Dev",)
    assert waited_for(triggers) == {"a": deploys(), "b": deploys("a")}


@pytest.mark.parametrize(
    ("environment", "first", "guard"),
    [
        (
            {"branch": "it's"},
            {"branch": "it's"},
            (f"{EITHER} &&", f"{RUN}.head_branch == 'it''s')"),
        ),
        # The job `changes` checks the branch, because a condition has no patterns.
        ({"branch": "release/**"}, {"branch": "release/**"}, (f"{EITHER})",)),
        ({"tag": "v*"}, {"tag": "v*"}, (f"{EITHER})",)),
        ({"manual": True}, {}, (f"{RUN}.event == 'workflow_dispatch')",)),
    ],
    ids=["quote", "glob", "tag", "manual"],
)
def test_other_environments(
    environment: dict[str, Any], first: dict[str, str], guard: tuple[str, ...]
) -> None:
    made = observe({"a": [], "b": ["a"]}, [{"name": "x", **environment}])
    assert made["a-x"].triggers == Triggers(**first)
    assert made["b-x"].triggers.after == ("A X",)
    assert made["b-x"].triggers.guard == (BY_HAND, SUCCESS, OURS, *guard)


def test_environments_after_others() -> None:
    environments = [*DEV, {"name": "test", "after": "dev"}, {"name": "prd", "after": "test"}]
    made = observe({"a": [], "b": ["a"]}, environments)
    pushed = (BY_HAND, SUCCESS, OURS, f"{EITHER} &&", f"{RUN}.head_branch == 'main')")
    chained = (
        *(BY_HAND, SUCCESS, OURS),
        f"(({RUN}.event == 'workflow_dispatch' &&",
        f"{RUN}.head_branch == 'main') ||",
        f"({RUN}.event == 'workflow_run' &&",
        f"{DEFAULT})))",
    )
    assert made["a-test"].triggers == Triggers(after=("Orchestrator Dev",), guard=pushed)
    assert made["a-prd"].triggers == Triggers(after=("Orchestrator Test",), guard=chained)
    for environment in ("Test", "Prd"):
        triggers = made[f"b-{environment.lower()}"].triggers
        assert (triggers.after, triggers.guard) == ((f"A {environment}",), chained)
        assert waited_for(triggers) == {"a": deploys()}
    assert made["a-prd"].triggers.waits is False


def test_stop_waits_for_every_earlier_wave() -> None:
    """`dependencies` has direct dependencies, and others that no listed one implies."""
    graph = {"a": [], "b": [], "c": ["a"], "d": ["c", "a"]}
    made = observe(graph, [{"name": "dev", "branch": "main", "on_failure": "stop"}])
    assert made["c-dev"].triggers.after == ("A Dev", "B Dev")
    assert waited_for(made["c-dev"].triggers) == {"a": deploys(), "b": deploys()}
    assert made["d-dev"].triggers.after == ("C Dev",)
    assert waited_for(made["d-dev"].triggers) == {"a": deploys(), "c": deploys("a", "b")}


def test_no_component_waits_for_one_without_commands() -> None:
    graph = {"a": [], "x": [], "b": ["a", "x"], "c": ["b"], "d": ["c"], "y": [], "e": ["y"]}
    made = observe(graph, b=generic(), c=generic(), y=generic())
    assert made["b-dev"].triggers.after == ("A Dev", "X Dev")
    assert made["c-dev"].triggers.after == made["d-dev"].triggers.after == ("A Dev", "X Dev")
    assert waited_for(made["d-dev"].triggers) == {"a": deploys(), "x": deploys()}
    # e only waits for y, which has no commands, so a push starts it.
    assert made["e-dev"].triggers == Triggers(branch="main")


BUILT, CHECKED, DEPLOYED = "build / Check and build", "build / Check", "deploy / Deploy"


@pytest.mark.parametrize(
    ("settings", "jobs", "decisive"),
    [
        ({"lint": "x", "build": "x", "deploy": "x"}, [BUILT, DEPLOYED], [DEPLOYED]),
        ({"lint": "x", "build": "x"}, [BUILT], [BUILT]),
        ({"lint": "x", "test": "x"}, [CHECKED], [CHECKED]),
        ({"test": "x", "deploy": "x"}, [CHECKED, DEPLOYED], [DEPLOYED]),
    ],
)
def test_jobs_that_show_that_a_component_was_deployed(
    settings: dict[str, str], jobs: list[str], decisive: list[str]
) -> None:
    """By their names in the API. With an approval, that job starts before the deployment."""
    triggers = observe({"a": [], "b": ["a"]}, a=generic(**settings))["b-dev"].triggers
    assert waited_for(triggers) == {"a": {"jobs": jobs, "decisive": decisive, "roots": []}}
    production = [{**DEV[0], "production": True}]
    triggers = observe({"a": [], "b": ["a"]}, production, a=generic(**settings))["b-dev"].triggers
    before = [job for job in jobs if job != DEPLOYED]
    asks = ["approval"] * (DEPLOYED in jobs)
    told = {"jobs": [*before, *asks, *jobs[len(before) :]], "decisive": decisive, "roots": []}
    assert waited_for(triggers) == {"a": told}


def test_an_orchestrator_watches_each_component() -> None:
    """Each component, with those before it and the jobs that show that it was deployed.

    A component without commands is replaced by those before it.
    """
    made = plan(
        components={
            "a": generic(build="x", produces=["x"]),
            "b": generic(),
            "c": generic(lint="x", deploy="x", environments=["prd"]),
            "d": generic(deploy="x"),
        },
        dependency_map={"b": "a", "c": "b", "d": ["c"]},
        orchestration="observe",
        environments=[*DEV, {"name": "prd", "after": "dev"}],
    )
    first, last = (json.loads(orchestrator.watched) for orchestrator in made.orchestrators)
    assert first == {
        "a": {"after": [], "jobs": [BUILT]},
        "b": {"after": ["a"], "jobs": []},
        "c": {"after": ["a"], "jobs": [CHECKED]},
        "d": {"after": ["c"], "jobs": [DEPLOYED]},
    }
    assert last == {
        # The job `changes` promotes its package.
        "a": {"after": [], "jobs": []},
        "b": {"after": [], "jobs": []},
        "c": {"after": [], "jobs": [DEPLOYED]},
        "d": {"after": ["c"], "jobs": [DEPLOYED]},
    }
    for orchestrator in made.orchestrators:
        assert not (orchestrator.builds or orchestrator.deployments or orchestrator.starts)
        assert orchestrator.summary_needs == ("changes", "watch")


def test_only_waiting_workflows_check_their_dependencies_first() -> None:
    both = generic(lint="x", build="x", deploy="x")
    made = observe({"a": [], "b": ["a"]}, a=both, b=both)
    ready = "needs.changes.outputs.ready == 'true'"
    waiting, first = made["b-dev"], made["a-dev"]
    assert {call.id: call.condition for call in waiting.calls} == {"build": ready, "deploy": ""}
    assert {call.id: call.condition for call in first.calls} == {"build": "", "deploy": ""}
    assert waiting.changes and waiting.changes.dependencies == waiting.triggers.dependencies
    assert first.changes and first.changes.dependencies == ""
    # Without a build, the approval or the deployment has the condition.
    live = [{**DEV[0], "production": True}]
    made = observe({"a": [], "b": ["a"]}, live)
    assert made["b-dev"].approval and made["b-dev"].approval.condition == ready
    made = observe({"a": [], "b": ["a"]})
    assert [call.condition for call in made["b-dev"].calls] == [ready]


def test_packages_of_checked_runs_are_taken() -> None:
    """The job `changes` has checked those runs."""
    makes = generic(build="x", produces=["x"], deploy="x")
    made = observe({"a": [], "b": ["a"], "c": []}, a=makes, b=makes, c=makes)
    waiting = made["b-dev"]
    assert waiting.changes and waiting.changes.producers == ("a",)
    told = {call.id: call.inputs.get("packages") for call in waiting.calls}
    assert told == dict.fromkeys(("build", "deploy"), "${{ needs.changes.outputs.packages }}")
    assert [call.inputs.get("packages") for call in made["c-dev"].calls] == [None, None]


# Chains that are too long for GitHub

FIVE = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": ["d"]}


def test_the_longest_chain_is_named() -> None:
    answers = {"components": {name: generic(deploy="x") for name in [*FIVE, "z"]}}
    message = refusal(
        **answers, dependency_map={**FIVE, "z": ["a"]}, orchestration="observe", environments=DEV
    )
    assert message == (
        "orchestration: under observe A Dev -> B Dev -> C Dev -> D Dev -> E Dev are 4 links, and "
        "GitHub starts at most 3 workflows after one another; choose call or dispatch"
    )


@pytest.mark.parametrize("earlier", range(4))
def test_each_earlier_environment_is_a_link_of_the_chain(earlier: int) -> None:
    names = [f"e{i}" for i in range(earlier + 1)]
    environments: list[dict[str, Any]] = [{"name": names[0], "branch": "main"}]
    environments += [{"name": n, "after": o} for o, n in itertools.pairwise(names)]
    for waves in range(1, 5):
        graph = dict(list(FIVE.items())[:waves])
        message = refusal(
            components={name: generic(deploy="x") for name in graph},
            dependency_map=graph,
            orchestration="observe",
            environments=environments,
        )
        links = waves - 1 + earlier
        assert bool(message) == (links > 3)
        if message:
            chain = [f"Orchestrator E{i}" for i in range(earlier)]
            chain += [f"{n.upper()} E{earlier}" for n in graph]
            said = f"{' -> '.join(chain)} are {links} links"
            assert message.startswith(f"orchestration: under observe {said}")


# At random


@st.composite
def observed_graphs(
    draw: st.DrawFn,
) -> tuple[dict[str, list[str]], set[str], bool, int]:
    """A graph, components without commands, whether failures stop all, earlier environments."""
    graph = draw(acyclic_graphs(max_size=8))
    idle = draw(st.sets(st.sampled_from(sorted(graph)), max_size=2))
    return graph, idle, draw(st.booleans()), draw(st.integers(0, 2))


def upstream(graph: Mapping[str, list[str]], stop: bool) -> dict[str, set[str]]:
    """All that each component waits for, directly or not, computed with networkx."""
    arrows = networkx.DiGraph()
    arrows.add_nodes_from(graph)
    arrows.add_edges_from((other, node) for node, others in graph.items() for other in others)
    if not stop:
        return {node: set(networkx.ancestors(arrows, node)) for node in graph}
    earlier: set[str] = set()
    found = {}
    for wave in networkx.topological_generations(arrows):
        found |= {node: set(earlier) for node in wave}
        earlier |= set(wave)
    return found


@quick
@given(observed_graphs())
def test_random_graphs(made: tuple[dict[str, list[str]], set[str], bool, int]) -> None:
    graph, idle, stop, earlier = made
    environments: list[dict[str, Any]] = [{"name": "e0", "branch": "main"}]
    environments += [{"name": f"e{i + 1}", "after": f"e{i}"} for i in range(earlier)]
    for environment in environments:
        environment["on_failure"] = "stop" if stop else "downstream"
    answers = {
        "components": {n: generic(**({} if n in idle else {"deploy": "x"})) for n in graph},
        "dependency_map": graph,
        "orchestration": "observe",
        "environments": environments,
    }
    # A component without commands is replaced by those before it.
    above = {node: others - idle for node, others in upstream(graph, stop).items()}

    def depth(node: str) -> int:
        return max((1 + depth(other) for other in above[node]), default=0)

    deepest = max(map(depth, graph)) + earlier
    message = refusal(**answers)
    assert bool(message) == (deepest > 3)
    assume(not message)

    last = f"e{earlier}"
    workflows = {
        w.component.name: w for w in plan(**answers).workflows if w.environment.name == last
    }
    by_title = {workflow.name: name for name, workflow in workflows.items()}
    for node, workflow in workflows.items():
        triggers = workflow.triggers
        after = {by_title.get(title, title) for title in triggers.after}
        if not above[node]:
            assert after == ({f"Orchestrator E{earlier - 1}"} if earlier else set())
            assert bool(triggers.branch) == (not earlier) and not triggers.waits
            continue
        assert triggers.branch == "" and triggers.guard
        # The triggers are the last ones above: no other one above waits for a trigger.
        assert after == {n for n in above[node] if not any(n in above[o] for o in above[node])}
        waits = waited_for(triggers)
        # If all in `waits` were deployed, all above were.
        assert after <= set(waits) <= above[node]
        assert set().union(*(above[other] | {other} for other in waits)) == above[node]
        # `waits` has all direct dependencies.
        assert set(graph[node]) - idle <= set(waits)
        for other, names in waits.items():
            assert names["decisive"] == [DEPLOYED]
            assert names["roots"] == sorted(n for n in above[other] if not above[n])


def test_names_of_workflows_do_not_collide() -> None:
    """Workflows start each other by name."""
    made = observe({name: [] for name in NODES})
    assert len({workflow.name for workflow in made.values()}) == len(NODES)
