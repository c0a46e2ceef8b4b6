"""The graphs for all comparisons: all small ones, and a sample of larger ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

from copies import example

Edges = frozenset[tuple[int, int]]
"""(consumer, producer). Each node waits only for smaller numbers, so there is no cycle."""

SHAPES_OF = {1: 1, 2: 2, 3: 6, 4: 31}
"""The number of acyclic graphs with unlabelled nodes: OEIS A003087."""

SAMPLED = 6
"""The number of graphs with five components that are used, of 302."""

ENVIRONMENTS = [
    {"name": "dev", "branch": "develop", "on_failure": "downstream"},
    {"name": "test", "after": "dev", "on_failure": "downstream"},
    {"name": "stage", "branch": "main", "on_failure": "stop"},
    {"name": "prd", "after": "stage", "production": True, "on_failure": "stop"},
]
"""A push and a chained environment for each `on_failure`."""


def every_shape(size: int) -> list[Edges]:
    """One graph of each shape with this many nodes."""
    pairs = [(who, whom) for who in range(size) for whom in range(who)]
    graphs = [
        frozenset(edges)
        for number in range(len(pairs) + 1)
        for edges in itertools.combinations(pairs, number)
    ]
    return list({_canonical(graph, size): graph for graph in reversed(graphs)}.values())


def sampled_shapes() -> list[Edges]:
    """Different graphs of five nodes: five chosen by hand, and random ones."""
    chosen: list[Edges] = [
        frozenset((n, n - 1) for n in range(1, 5)),  # a chain
        frozenset((n, 0) for n in range(1, 5)),  # four after one
        frozenset((4, n) for n in range(4)),  # one after four
        frozenset({(1, 0), (2, 0), (3, 1), (3, 2), (4, 3)}),  # a diamond, and one after it
        frozenset({(2, 0), (3, 0), (3, 1), (4, 1)}),  # two that share a consumer
    ]
    source = random.Random(5)
    pairs = [(who, whom) for who in range(5) for whom in range(who)]
    while len(chosen) < SAMPLED:
        edges = frozenset(pair for pair in pairs if source.random() < 0.4)
        if _canonical(edges, 5) not in {_canonical(other, 5) for other in chosen}:
            chosen.append(edges)
    return chosen


def _canonical(edges: Edges, size: int) -> tuple[tuple[int, int], ...]:
    """Equal for two graphs if and only if they differ only in the names of nodes."""
    return min(
        tuple(sorted((order[who], order[whom]) for who, whom in edges))
        for order in itertools.permutations(range(size))
    )


def graph_of(edges: Edges, size: int) -> dict[str, list[str]]:
    """Components and their dependencies. The first is `e`, so the alphabet is not the order."""
    names = "edcba"
    return {
        names[node]: sorted(names[whom] for who, whom in edges if who == node)
        for node in range(size)
    }


def shown(graph: dict[str, list[str]]) -> str:
    """A graph as a test id: `e d(e) c(d,e)`."""
    return " ".join(f"{name}({','.join(on)})" if on else name for name, on in graph.items())


BUILD = {"lint": "true", "build": "true", "produces": ["package"]}
DEPLOY = {"deploy": "true"}
KINDS: list[dict[str, Any]] = [
    {**BUILD, **DEPLOY},
    BUILD,
    DEPLOY,
    {**BUILD, **DEPLOY, "build_per_environment": True},
    {**BUILD, **DEPLOY, "environments": ["test", "stage"]},
    {"lint": "true", **DEPLOY},
]
"""Kinds of components: built and deployed, only built, only deployed, ..."""


def answers_for(graph: dict[str, list[str]], kinds: Sequence[int] = (0,)) -> dict[str, Any]:
    """Answers with exactly these components and edges, in all four kinds of environments.

    `kinds` lists the kinds of components in order. If they differ, every other component takes no
    packages, and only waits.
    """
    chosen = {name: KINDS[kind] for name, kind in zip(graph, itertools.cycle(kinds))}
    return {
        "components": {name: {"code_type": "generic", **chosen[name]} for name in graph},
        "dependency_map": [
            {"code_type": name, "depends_on": others, **({"artifacts": []} if order else {})}
            for index, (name, others) in enumerate(graph.items())
            for order in [len(kinds) > 1 and index % 2 == 1]
        ],
        "environments": ENVIRONMENTS,
    }


def small() -> dict[str, dict[str, Any]]:
    """Answers for every shape of up to four components."""
    graphs = [graph_of(edges, size) for size in SHAPES_OF for edges in every_shape(size)]
    return {shown(graph): answers_for(graph) for graph in graphs}


def large() -> dict[str, dict[str, Any]]:
    graphs = [graph_of(edges, 5) for edges in sampled_shapes()]
    return {shown(graph): answers_for(graph) for graph in graphs}


def mixed() -> dict[str, dict[str, Any]]:
    """Every shape of three components and some of five, with different kinds of components."""
    graphs = [graph_of(edges, 3) for edges in every_shape(3)]
    graphs += [graph_of(edges, 5) for edges in sampled_shapes()]
    source = random.Random(3)
    found = {}
    for graph in graphs:
        for _ in range(2):
            kinds = [source.randrange(len(KINDS)) for _ in graph]
            found[f"{shown(graph)} {kinds}"] = answers_for(graph, kinds)
    return found


def dispatched() -> dict[str, dict[str, Any]]:
    """Graphs whose components have runs of their own. Some only build, or only deploy."""
    graphs = [graph_of(edges, 3) for edges in every_shape(3)]
    graphs += [graph_of(edges, 5) for edges in sampled_shapes()]
    source = random.Random(4)
    found = {}
    for place, graph in enumerate(graphs):
        kinds = [source.randrange(len(KINDS)) if place % 2 else 0 for _ in graph]
        answers = answers_for(graph, kinds)
        found[f"{shown(graph)} {kinds} dispatched"] = {**answers, "orchestration": "dispatch"}
    return found


def examples() -> dict[str, dict[str, Any]]:
    return {f"example {name}": example(name) for name in ("lambda", "monorepo", "seed", "single")}
