"""Order, waves and cycles of a dependency graph. `graphlib` sorts; ties break by name."""

from __future__ import annotations

import graphlib
import itertools
from collections.abc import Mapping

Graph = Mapping[str, frozenset[str]]
"""Each node with the nodes that it waits for; every node is a key."""


def waves(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """The nodes in waves: all that a node waits for lies in earlier waves; sorted by name inside.

    Raises graphlib.CycleError when there is no order.
    """
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()
    result = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        result.append(tuple(ready))
        sorter.done(*ready)
    return tuple(result)


def needs(graph: Graph, stops: bool) -> Graph:
    """What each node needs: what it waits for and, if one failure stops all, earlier waves."""
    if not stops:
        return graph
    earlier: frozenset[str] = frozenset()
    result = {}
    for wave in waves(graph):
        result.update(dict.fromkeys(wave, earlier))
        earlier |= set(wave)
    return result


def find_cycle(graph: Graph) -> tuple[str, ...] | None:
    """A cycle as `(a, b, a)`, where a waits for b and b for a; None when there is none.

    The same cycle for the same graph: it starts at its smallest name, whatever the order of the
    graph's keys.
    """
    # Sorted, because graphlib keeps the order of its input, and sets have no order.
    in_order = {node: sorted(graph[node]) for node in sorted(graph)}
    try:
        graphlib.TopologicalSorter(in_order).prepare()
    except graphlib.CycleError as error:
        # graphlib lists each node before the one that waits for it; reversed, a waits for b.
        circle = list(reversed(error.args[1]))[:-1]
        start = circle.index(min(circle))
        circle = circle[start:] + circle[:start]
        return (*circle, circle[0])
    return None


def edge_to_drop(graph: Graph, cycle: tuple[str, ...]) -> tuple[str, str]:
    """The edge (consumer, producer) of the cycle without which the whole graph has an order.

    When no single edge does it (several cycles), the first edge of this one.
    """
    edges = list(itertools.pairwise(cycle))
    for consumer, producer in edges:
        if find_cycle({**graph, consumer: graph[consumer] - {producer}}) is None:
            return consumer, producer
    return edges[0]


def reaches(graph: Graph, start: str, goal: str) -> bool:
    """Whether `start` waits for `goal`, directly or through others."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        node = todo.pop()
        if node == goal:
            return True
        if node not in seen:
            seen.add(node)
            todo.extend(graph.get(node, ()))
    return False
