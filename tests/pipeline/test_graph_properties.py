"""For random graphs: the order is right, every cycle is found, habits never get in the way.

networkx is the oracle: it knows graphs, and nothing of this project.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Mapping
from pathlib import Path

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
    graph_answers,
    plan,
    quick,
    read,
    refusal,
    shuffled,
)
from pipeline.graph import edge_to_drop, find_cycle, waves

ENVIRONMENTS = [
    {"name": "dev", "branch": "main"},
    {"name": "prd", "after": "dev", "on_failure": "stop"},
]


def oracle(graph: Mapping[str, list[str]]) -> networkx.DiGraph:
    """The graph with arrows from each node to those that wait for it."""
    arrows = networkx.DiGraph()
    arrows.add_nodes_from(graph)
    arrows.add_edges_from((other, node) for node, others in graph.items() for other in others)
    return arrows


def generations(graph: Mapping[str, list[str]]) -> list[list[str]]:
    return [sorted(wave) for wave in networkx.topological_generations(oracle(graph))]


def expected_needs(graph: Mapping[str, list[str]], environment: str) -> dict[str, set[str]]:
    """The components that each component's job waits for, `stop` in `prd` included."""
    if environment == "dev":
        return {node: set(others) for node, others in graph.items()}
    order = generations(graph)
    return {
        node: {other for earlier in order[:index] for other in earlier}
        for index, wave in enumerate(order)
        for node in wave
    }


@quick
@given(acyclic_graphs())
def test_waves_are_the_generations_sorted_by_name(graph: dict[str, list[str]]) -> None:
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
    """Several entries of the long form for one component add up."""
    entries = [
        {"code_type": who, "depends_on": whom} for who, others in graph.items() for whom in others
    ]
    entries += [{"code_type": who, "depends_on": []} for who in graph]
    source.shuffle(entries)
    short = graph_answers(graph)
    long = {**graph_answers(graph), "dependency_map": entries}
    assert plan(**short).workflows == plan(**long).workflows


@quick
@given(acyclic_graphs())
def test_planned_needs_are_exactly_the_edges(graph: dict[str, list[str]]) -> None:
    for orchestrator in plan(**graph_answers(graph, environments=ENVIRONMENTS)).orchestrators:
        name = orchestrator.environment.name
        first = {"tested-commit"} if orchestrator.predecessor else set()
        needs = {call.id: set(call.needs) for call in orchestrator.calls}
        assert needs == {
            f"{node}-{name}": first | {f"{other}-{name}" for other in others}
            for node, others in expected_needs(graph, name).items()
        }
        ids = [call.id for call in orchestrator.calls]
        assert ids == [f"{n}-{name}" for wave in generations(graph) for n in wave]


@settings(quick, max_examples=6)
@given(acyclic_graphs())
def test_written_needs_are_exactly_the_edges(
    template: Path, tmp_path_factory: pytest.TempPathFactory, graph: dict[str, list[str]]
) -> None:
    """What counts in the end: the YAML that GitHub reads, and the order that a person reads."""
    folder = tmp_path_factory.mktemp("graph")
    copies.copy(template, folder, graph_answers(graph, environments=ENVIRONMENTS))
    for name in ("dev", "prd"):
        text = (folder / f".github/workflows/orchestrator-{name}.yml").read_text(encoding="utf-8")
        jobs = yaml.safe_load(text)["jobs"]
        first = {"tested-commit"} if name == "prd" else set()
        for node, others in expected_needs(graph, name).items():
            wanted = first | {f"{other}-{name}" for other in others}
            assert set(jobs[f"{node}-{name}"].get("needs", [])) == wanted
        ids = {f"{node}-{name}" for node in graph}
        assert set(jobs) == ids | first | {"deployment-summary"}
        assert set(jobs["deployment-summary"]["needs"]) == ids | first
        assert order_in_header(text) == generations(graph)


def order_in_header(text: str) -> list[list[str]]:
    """The waves that the comment at the top lists, as in `#   2. terraform (after python), x`."""
    header = text[: text.index("\nname:")]
    lines = re.findall(r"^#   \d+\. (.*)$", header, re.MULTILINE)
    return [re.sub(r" \(after [^)]*\)", "", line).split(", ") for line in lines]


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
    # Where dropping one edge is enough, that one is named.
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
def test_a_cycle_is_found_exactly_where_there_is_one(graph: dict[str, list[str]]) -> None:
    sets = {node: frozenset(others) for node, others in graph.items()}
    cycle = find_cycle(sets)
    assert (cycle is None) == networkx.is_directed_acyclic_graph(oracle(graph))
    if cycle:
        assert edge_to_drop(sets, cycle) in set(itertools.pairwise(cycle))


# Habits ----------------------------------------------------------------------------------------

TYPES = ["app", "base", "chart", "image"]


@st.composite
def habits(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, str], dict[str, list[str]]]:
    """Code types with habits, components with their code types, a map of some of them."""
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
@given(habits())
def test_habits_yield_to_what_is_written(
    made: tuple[dict[str, list[str]], dict[str, str], dict[str, list[str]]],
) -> None:
    """Also where habits of several code types run in a circle among themselves."""
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
@given(habits(), st.integers())
def test_habits_do_not_depend_on_the_order_of_the_answers(
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


def test_habits_reach_every_component_of_the_code_type() -> None:
    known = catalogue(app=["image"], image=[])
    components = {"one": "image", "two": "image", "web": "app"}
    found = read(
        known=known,
        components={name: {"code_type": kind} for name, kind in components.items()},
    ).dependencies
    assert [(e.consumer, e.producer) for e in found.edges] == [("web", "one"), ("web", "two")]
    assert all(edge.conventional for edge in found.edges)
    assert not found.notices


def test_being_depended_on_is_no_mention() -> None:
    """Only what the map says about a component itself replaces its habits."""
    known = catalogue(app=["image"], image=["base"], base=[])
    found = read(
        known=known,
        components={"app": None, "image": None, "base": None},
        dependency_map={"app": "image"},
    ).dependencies
    assert [(e.consumer, e.producer) for e in found.edges] == [("app", "image"), ("image", "base")]
