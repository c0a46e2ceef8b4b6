"""Random graphs: the order is right, every cycle is found, and usual dependencies close none.

networkx is the oracle: it is a graph library that shares no code with this project.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import copies
import networkx
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from made_answers import (
    NODES,
    acyclic_graphs,
    catalogue,
    cyclic_graphs,
    generic,
    graph_answers,
    plan,
    quick,
    read,
    refusal,
    shuffled,
)
from pipeline.graph import edge_to_drop, find_cycle, waves

ENVIRONMENTS = [
    {"name": "dev", "branch": "develop"},
    {"name": "test", "branch": "main", "on_failure": "stop"},
    {"name": "eu", "after": "test"},
    {"name": "prd", "after": "eu", "production": True},
]
CHAINS = {
    "dev": ["dev"],
    "test": ["test", "eu", "prd"],
    "eu": ["eu", "prd"],
    "prd": ["prd"],
}
"""Each environment with itself and those after it."""


def oracle(graph: Mapping[str, list[str]]) -> networkx.DiGraph:
    """The graph with arrows from each node to the nodes that wait for it."""
    arrows = networkx.DiGraph()
    arrows.add_nodes_from(graph)
    arrows.add_edges_from((other, node) for node, others in graph.items() for other in others)
    return arrows


def generations(graph: Mapping[str, list[str]]) -> list[list[str]]:
    return [sorted(wave) for wave in networkx.topological_generations(oracle(graph))]


Graph = Mapping[str, list[str]]


@dataclass(frozen=True)
class Roles:
    """A graph with the settings of its components, and what a pipeline of it has to do."""

    graph: Graph
    settings: Mapping[str, dict[str, Any]]
    waits_only: frozenset[tuple[str, str]]
    """The edges (consumer, producer) without a package."""

    @property
    def answers(self) -> dict[str, Any]:
        entries: list[dict[str, Any]] = [
            {"code_type": who, "depends_on": whom}
            | ({"artifacts": []} if (who, whom) in self.waits_only else {})
            for who, others in self.graph.items()
            for whom in others
        ]
        return {
            "components": {name: generic(**s) for name, s in self.settings.items()},
            "dependency_map": entries,
            "environments": ENVIRONMENTS,
        }

    @property
    def packages(self) -> networkx.DiGraph:
        """The arrows with packages."""
        return oracle(
            {
                who: [
                    whom
                    for whom in others
                    if "produces" in self.settings[whom] and (who, whom) not in self.waits_only
                ]
                for who, others in self.graph.items()
            }
        )

    def deployed(self, environment: str) -> set[str]:
        return {
            name
            for name, s in self.settings.items()
            if "deploy" in s and environment in s.get("environments", CHAINS)
        }

    def concerned(self, environment: str) -> set[str]:
        """The components of this environment or a later one, and all whose packages these take,
        directly or not."""
        chain = set(CHAINS[environment])
        belonging = {n for n, s in self.settings.items() if chain & {*s.get("environments", chain)}}
        return belonging.union(*(networkx.ancestors(self.packages, n) for n in belonging))

    def built(self, environment: str) -> set[str]:
        """In the first of a chain, all with checks or a build; later, those that differ there."""
        checked = {n for n, s in self.settings.items() if {"lint", "build"} & s.keys()}
        found = checked & self.concerned(environment)
        if environment in ("dev", "test"):
            return found
        again = {n for n, s in self.settings.items() if s.get("build_per_environment")}
        again = again.union(*(networkx.descendants(self.packages, n) for n in again))
        return found & again

    def before(self, name: str, environment: str) -> set[str]:
        """The components that a deployment waits for. `stop` in test and prd is included."""
        if environment in ("dev", "eu"):
            return set(networkx.ancestors(oracle(self.graph), name))
        order = generations(self.graph)
        (index,) = (i for i, wave in enumerate(order) if name in wave)
        return {other for earlier in order[:index] for other in earlier}

    def expected(self, environment: str) -> dict[str, set[str]]:
        """Every job with all jobs that must have succeeded before it."""
        deployed, built = self.deployed(environment), self.built(environment)
        gates = {"changes", "approval"} if environment == "prd" else {"changes"}
        found = {
            f"{name}-build": {"changes"}
            | {f"{n}-build" for n in networkx.ancestors(self.packages, name) & built}
            for name in built
        }
        for name in deployed:
            before = self.before(name, environment)
            first = built if environment in ("test", "prd") else built & (before | {name})
            found[f"{name}-{environment}"] = (
                gates
                | {f"{n}-build" for n in first}
                | {f"{n}-{environment}" for n in before & deployed}
            )
        return found


@st.composite
def graphs_with_roles(draw: st.DrawFn, max_size: int = len(NODES)) -> Roles:
    graph = draw(acyclic_graphs(max_size))
    makes = {"build": "make", "produces": ["x"]}
    kinds: list[dict[str, Any]] = [
        *({"deploy": "ship"}, {**makes, "deploy": "ship"}, {**makes, "deploy": "ship"}),
        *(makes, {"lint": "look"}, {}, {"lint": "look", "deploy": "ship"}),
        {**makes, "build_per_environment": True},
    ]
    belonging = st.lists(st.sampled_from(sorted(CHAINS)), min_size=1, unique=True)
    somewhere = st.one_of(
        st.just({}), st.just({}), st.fixed_dictionaries({"environments": belonging})
    )
    settings = {node: {**draw(st.sampled_from(kinds)), **draw(somewhere)} for node in graph}
    edges = [(who, whom) for who, others in graph.items() for whom in others]
    waits = {edge for edge in edges if draw(st.sampled_from([False, False, True]))}
    return Roles(graph, settings, frozenset(waits))


def all_before(needs: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Each job with all jobs that it needs, directly or not."""
    arrows = networkx.DiGraph((other, job) for job, others in needs.items() for other in others)
    return {job: set(networkx.ancestors(arrows, job)) for job in needs}


@quick
@given(acyclic_graphs())
def test_waves_are_sorted_generations_of_the_graph(graph: dict[str, list[str]]) -> None:
    made = plan(**graph_answers(graph))
    assert [list(wave) for wave in made.waves] == generations(graph)
    assert list(made.order) == [name for wave in made.waves for name in wave]


@quick
@given(acyclic_graphs(), st.integers())
def test_order_does_not_depend_on_the_order_of_the_answers(
    graph: dict[str, list[str]], seed: int
) -> None:
    answers = graph_answers(graph)
    other = shuffled(answers, random.Random(seed), lists=True)
    assert plan(**answers).orchestrators == plan(**other).orchestrators
    sets = {node: frozenset(others) for node, others in graph.items()}
    assert waves(sets) == waves(dict(reversed(sets.items())))


@quick
@given(acyclic_graphs(), st.randoms(use_true_random=False))
def test_both_forms_of_the_map_mean_the_same(
    graph: dict[str, list[str]], source: random.Random
) -> None:
    """In the long form, entries for one component are added."""
    entries = [
        {"code_type": who, "depends_on": whom} for who, others in graph.items() for whom in others
    ]
    entries += [{"code_type": who, "depends_on": []} for who in graph]
    source.shuffle(entries)
    short = graph_answers(graph)
    long = {**graph_answers(graph), "dependency_map": entries}
    assert plan(**short).orchestrators == plan(**long).orchestrators
    assert plan(**short).builds == plan(**long).builds


@quick
@given(graphs_with_roles())
def test_every_job_waits_for_the_jobs_before_it_in_the_graph(roles: Roles) -> None:
    for orchestrator in plan(**roles.answers).orchestrators:
        name = orchestrator.environment.name
        calls = (*orchestrator.builds, *orchestrator.deployments)
        expected = roles.expected(name)
        # Without a deployment, no approval is asked for.
        assert (orchestrator.approval is not None) == (name == "prd" and bool(roles.deployed(name)))
        needs: dict[str, Iterable[str]] = {call.id: call.needs for call in calls}
        if orchestrator.approval:
            needs["approval"] = orchestrator.approval.needs
            # The approval waits for all builds, so that none fails after it.
            builds = {call.id for call in orchestrator.builds}
            for before in expected.values():
                before |= builds if "approval" in before else set()
            expected["approval"] = {"changes", *builds}
        assert all_before(needs) == expected
        assert len(needs) == len(calls) + bool(orchestrator.approval)
        for call in calls:
            # A job can read only outputs of jobs in its own `needs`.
            read = set(re.findall(r"\bneeds\.([\w-]+)\.", str(call.inputs)))
            assert read <= set(call.needs) and len(set(call.needs)) == len(call.needs)
        concerned = roles.concerned(name)
        order = [[n for n in wave if n in concerned] for wave in generations(roles.graph)]
        assert [list(wave) for wave in orchestrator.waves] == [wave for wave in order if wave]
        promoted = {p.producer for p in orchestrator.changes.promotions}
        makers = {n for n in concerned if "produces" in roles.settings[n]}
        assert promoted == (makers - roles.built(name) if name in ("eu", "prd") else set())


@quick
@given(graphs_with_roles())
def test_every_started_run_waits_for_the_runs_before_it(roles: Roles) -> None:
    """Under dispatch, one run builds and deploys. The job `changes` promotes packages."""
    for orchestrator in plan(**roles.answers, orchestration="dispatch").orchestrators:
        name = orchestrator.environment.name
        started = roles.built(name) | (roles.deployed(name) & roles.concerned(name))
        gates = {"changes", "approval"} if orchestrator.approval else {"changes"}
        assert (orchestrator.approval is not None) == (name == "prd" and bool(roles.deployed(name)))
        needs = {start.id: start.needs for start in orchestrator.starts}
        before = all_before({**needs, "approval": ["changes"]})
        del before["approval"]
        assert before == {
            f"{n}-{name}": gates | {f"{o}-{name}" for o in roles.before(n, name) & started}
            for n in started
        }
        for start in orchestrator.starts:
            read = set(re.findall(r"\bneeds\.([\w-]+)\.", f"{start.packages} {start.condition}"))
            assert read <= set(start.needs) and len(set(start.needs)) == len(start.needs)
            assert set(start.needs) == before[start.id]
            producers = set(roles.packages.pred[start.workflow.component.name])
            over = producers & {p.producer for p in orchestrator.changes.promotions}
            taken = {f"{n}-{name}" for n in producers - over} | {"changes" for _ in over}
            assert set(re.findall(r"needs\.([\w-]+)\.outputs", str(start.packages))) == taken


@settings(quick, max_examples=6)
@given(graphs_with_roles())
def test_written_needs_match_the_graph(
    template: Path, tmp_path_factory: pytest.TempPathFactory, roles: Roles
) -> None:
    """In the YAML that GitHub reads, and in the comment that a person reads."""
    folder = tmp_path_factory.mktemp("graph")
    copies.copy(template, folder, roles.answers)
    for name in CHAINS:
        text = (folder / f".github/workflows/orchestrator-{name}.yml").read_text(encoding="utf-8")
        jobs = yaml.safe_load(text)["jobs"]
        expected = roles.expected(name)
        asks = {"approval"} if name == "prd" and roles.deployed(name) else set()
        assert set(jobs) == {*expected, "changes", *asks, "deployment-summary"}
        assert set(jobs["deployment-summary"]["needs"]) == set(jobs) - {"deployment-summary"}
        before = all_before({job: what.get("needs", []) for job, what in jobs.items()})
        assert {job: before[job] for job in expected} == expected
        assert before["changes"] == set()
        concerned = roles.concerned(name)
        order = [[n for n in wave if n in concerned] for wave in generations(roles.graph)]
        assert order_in_header(text) == [wave for wave in order if wave]


def order_in_header(text: str) -> list[list[str]]:
    """The waves that the comment at the top lists: `#   2. terraform (after python), x`."""
    header = text[: text.index("\nname:")]
    lines = re.findall(r"^#   \d+\. (.*)$", header, re.MULTILINE)
    return [re.sub(r" \([^)]*\)", "", line).split(", ") for line in lines]


@quick
@given(cyclic_graphs())
def test_every_cycle_is_found_and_named(graph: dict[str, list[str]]) -> None:
    message = refusal(**graph_answers(graph))
    assert message.startswith("dependency_map: ")
    match = re.search(r": (\S+(?: -> \S+)+); .* that (\S+) depends on (\S+)$", message)
    assert match, message
    path = match[1].split(" -> ")
    assert path[0] == path[-1] == min(path)
    assert len(path) > 2 and len(set(path[:-1])) == len(path) - 1
    steps = list(itertools.pairwise(path))
    assert all(whom in graph[who] for who, whom in steps)
    drop = (match[2], match[3])
    assert drop in steps
    # If dropping one edge of the cycle is enough, the message names such an edge.
    assert is_enough(graph, drop) or not any(is_enough(graph, step) for step in steps)


def is_enough(graph: Mapping[str, list[str]], drop: tuple[str, str]) -> bool:
    arrows = oracle(graph)
    arrows.remove_edge(drop[1], drop[0])
    return bool(networkx.is_directed_acyclic_graph(arrows))


@quick
@given(cyclic_graphs(), st.integers())
def test_the_same_cycle_is_named_whatever_the_order(graph: dict[str, list[str]], seed: int) -> None:
    answers = graph_answers(graph)
    other = shuffled(answers, random.Random(seed), lists=True)
    assert refusal(**answers) == refusal(**other)


@quick
@given(st.one_of(acyclic_graphs(), cyclic_graphs()))
def test_a_cycle_is_found_if_and_only_if_there_is_one(graph: dict[str, list[str]]) -> None:
    sets = {node: frozenset(others) for node, others in graph.items()}
    cycle = find_cycle(sets)
    assert (cycle is None) == networkx.is_directed_acyclic_graph(oracle(graph))
    if cycle:
        assert edge_to_drop(sets, cycle) in set(itertools.pairwise(cycle))


# Usual dependencies ----------------------------------------------------------------------------

TYPES = ["app", "base", "chart", "image"]


@st.composite
def usual_dependencies(
    draw: st.DrawFn,
) -> tuple[dict[str, list[str]], dict[str, str], dict[str, list[str]]]:
    """Code types with `depends_on`, components with code types, and a map for some of them."""
    depends_on = {
        name: draw(st.lists(st.sampled_from([t for t in TYPES if t != name]), unique=True))
        for name in TYPES
    }
    names = draw(st.lists(st.sampled_from(NODES), min_size=1, max_size=7, unique=True))
    types = {name: draw(st.sampled_from(TYPES)) for name in names}
    written = {
        name: draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
        if draw(st.booleans())
    }
    return depends_on, types, written


@quick
@given(usual_dependencies())
def test_usual_dependencies_never_close_a_cycle(
    made: tuple[dict[str, list[str]], dict[str, str], dict[str, list[str]]],
) -> None:
    """Even if usual dependencies of code types form a cycle, or one with written ones."""
    depends_on, types, written = made
    found = read(
        known=catalogue(**depends_on),
        components={name: {"code_type": kind} for name, kind in types.items()},
        dependency_map=written,
    ).dependencies
    graph: dict[str, list[str]] = {name: [] for name in types}
    for edge in found.edges:
        graph[edge.consumer].append(edge.producer)
    assert networkx.is_directed_acyclic_graph(oracle(graph))
    for name, kind in types.items():
        if name in written:
            assert sorted(graph[name]) == sorted(written[name])
            continue
        usual = {other for other, what in types.items() if what in depends_on[kind]}
        assert set(graph[name]) <= usual
        for missing in usual - set(graph[name]):
            assert networkx.has_path(oracle(graph), name, missing), "it would close no cycle"
            opening = f"{name} does not wait for {missing}, "
            assert sum(notice.startswith(opening) for notice in found.notices) == 1


@quick
@given(usual_dependencies(), st.integers())
def test_usual_dependencies_do_not_depend_on_the_order_of_the_answers(
    made: tuple[dict[str, list[str]], dict[str, str], dict[str, list[str]]], seed: int
) -> None:
    depends_on, types, written = made
    answers = {
        "components": {name: {"code_type": kind} for name, kind in types.items()},
        "dependency_map": written,
    }
    known = catalogue(**depends_on)
    other = shuffled(answers, random.Random(seed), lists=True)
    assert read(known, **answers).dependencies == read(known, **other).dependencies


def test_a_usual_dependency_counts_for_every_component_of_the_type() -> None:
    known = catalogue(app=["image"], image=[])
    components = {"one": "image", "two": "image", "web": "app"}
    found = read(
        known=known,
        components={name: {"code_type": kind} for name, kind in components.items()},
    ).dependencies
    assert [(e.consumer, e.producer) for e in found.edges] == [("web", "one"), ("web", "two")]
    assert all(edge.conventional for edge in found.edges)
    assert not found.notices


def test_a_component_that_is_only_a_producer_keeps_usual_dependencies() -> None:
    """Only an entry of the map about a component replaces its usual dependencies."""
    known = catalogue(app=["image"], image=["base"], base=[])
    found = read(
        known=known,
        components={"app": None, "image": None, "base": None},
        dependency_map={"app": "image"},
    ).dependencies
    assert [(e.consumer, e.producer) for e in found.edges] == [("app", "image"), ("image", "base")]
