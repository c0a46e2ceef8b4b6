"""The edges of the graph: which component waits for which, and which files it takes."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from .code_type_model import CodeType
from .components import Component
from .errors import AnswerError, nearest, shown
from .graph import Graph, edge_to_drop, find_cycle, reaches
from .names import check_environment_path, check_path, unknown
from .schema import check
from .settings import FromPackage

PACKAGES_FOLDER = ".packages"
"""Where a package lands, `.packages/{producer}/`, relative to the repository's root."""

NAMES: Mapping[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
}
ARTIFACT: Mapping[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "to": {"type": "string"}},
        },
    ]
}
ENTRY: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["code_type", "depends_on"],
    "properties": {
        "code_type": {"type": "string"},
        "depends_on": NAMES,
        "artifacts": {"type": "array", "items": ARTIFACT},
    },
}
MAP: Mapping[str, Any] = {
    "anyOf": [{"type": "array"}, {"type": "object", "additionalProperties": NAMES}]
}
"""A list of entries, or the short form. A contract: docs/answers.md."""


@dataclass(frozen=True)
class Placement:
    """A file or folder of a producer's package, and the path where its consumer wants it."""

    product: str
    to: str | None
    """Relative to the repository's root, with {environment} where it lies in a folder of each
    environment; None leaves it in `.packages/{producer}/`."""


@dataclass(frozen=True)
class Dependency:
    """One edge: `consumer` waits for `producer`, and takes `placements` from its package."""

    consumer: str
    producer: str
    placements: tuple[Placement, ...]
    conventional: bool = False

    def path_of(self, placement: Placement) -> str:
        """Where the consumer finds one of the placements, relative to the repository's root."""
        return placement.to or f"{PACKAGES_FOLDER}/{self.producer}/{placement.product}"


@dataclass(frozen=True)
class Dependencies:
    """All edges, and what a person should know about them."""

    edges: tuple[Dependency, ...]
    notices: tuple[str, ...] = ()

    def graph(self, components: tuple[Component, ...]) -> Graph:
        """Each component's name with the names that it waits for."""
        return {
            c.name: frozenset(e.producer for e in self.edges if e.consumer == c.name)
            for c in components
        }


def package_path(value: FromPackage, consumer: str, dependencies: Dependencies, place: str) -> str:
    """Where the file of a package lies that a setting reads, relative to the repository's root.

    Raises AnswerError if the component does not take it.
    """
    edges = [e for e in dependencies.edges if e.consumer == consumer and e.placements]
    takes = {edge.producer: edge for edge in edges}
    if value.producer not in takes:
        raise AnswerError(
            place,
            f"{consumer} takes no package of {shown(value.producer)}; say in dependency_map that "
            f"it does, or name another component{nearest(value.producer, takes)}",
        )
    edge = takes[value.producer]
    files = {placement.product: placement for placement in edge.placements}
    if not value.file and len(files) > 1:
        raise AnswerError(place, f"choose the `file` of {value.producer}: {', '.join(files)}")
    name = value.file or next(iter(files))
    if name not in files:
        raise unknown(name, list(files), f"{place}.file", f"file that it takes of {value.producer}")
    return edge.path_of(files[name])


@dataclass
class _Wish:
    """What the map's entries say of one edge, added up."""

    everything: bool = False
    placements: list[Placement] = field(default_factory=list)


def read_dependencies(
    given: Any, components: tuple[Component, ...], code_types: Mapping[str, CodeType]
) -> Dependencies:
    """The edges that the map writes down, and the conventional ones of what it does not mention.

    Raises AnswerError for unknown names and artifacts, artifacts that the consumer does not take,
    self-dependencies, cycles, and two files at one path.
    """
    by_name = {component.name: component for component in components}
    wishes, notices = _written(_entries(given), by_name, code_types)
    written = {consumer: frozenset(wishes[consumer]) for consumer in wishes}
    # Names that do not exist were refused before, so that only cycles are left.
    graph = {name: written.get(name, frozenset()) for name in by_name}
    _check_no_cycle(graph)
    edges = [
        Dependency(consumer, producer, _placements(by_name[producer], wish))
        for consumer in wishes
        for producer, wish in wishes[consumer].items()
    ]
    conventional, yielded = _conventional(graph, set(wishes), by_name)
    edges += conventional
    edges.sort(key=lambda edge: (edge.consumer, edge.producer))
    for name in by_name:
        _check_placements(by_name[name], [edge for edge in edges if edge.consumer == name])
    return Dependencies(tuple(edges), tuple(sorted(set(notices))) + yielded)


def _entries(given: Any) -> list[tuple[str, dict[str, Any]]]:
    """The map's entries in the long form, each with its place for messages."""
    check(given, MAP, "dependency_map")
    if isinstance(given, dict):
        return [
            (f"dependency_map.{consumer}", {"code_type": consumer, "depends_on": producer})
            for consumer, producer in given.items()
        ]
    entries = []
    for index, entry in enumerate(given):
        place = f"dependency_map[{index}]"
        check(entry, ENTRY, place)
        entries.append((place, entry))
    return entries


def _written(
    entries: list[tuple[str, dict[str, Any]]],
    by_name: Mapping[str, Component],
    code_types: Mapping[str, CodeType],
) -> tuple[dict[str, dict[str, _Wish]], list[str]]:
    """What the entries say of each edge, by consumer and producer, and notices.

    Raises AnswerError.
    """
    wishes: dict[str, dict[str, _Wish]] = {}
    notices: list[str] = []
    for place, entry in entries:
        consumer = entry["code_type"]
        wanted = entry["depends_on"]
        producers = [wanted] if isinstance(wanted, str) else list(wanted)
        if not wanted:  # a person may write an empty text for "none"
            producers = []
        absent = set()
        for name in [consumer, *producers]:
            if name in by_name:
                continue
            if name not in code_types:
                known = [*by_name, *code_types]
                raise unknown(name, known, place, "component or code type")
            absent.add(name)
            notices.append(
                f"The dependency map names {name}, which is not selected; that part is ignored."
            )
        if consumer in producers:
            raise AnswerError(place, f"{consumer} depends on itself; drop that dependency")
        if consumer in absent:
            continue
        edges = wishes.setdefault(consumer, {})
        present = [name for name in producers if name not in absent]
        for producer in present:
            edges.setdefault(producer, _Wish())
        if "artifacts" not in entry:
            for producer in present:
                edges[producer].everything = True
            continue
        for index, artifact in enumerate(entry["artifacts"]):
            here = f"{place}.artifacts[{index}]"
            sources = [by_name[producer] for producer in present]
            made = _add_artifact(artifact, by_name[consumer], sources, bool(absent), here)
            for producer, placement in made:
                edges[producer.name].placements.append(placement)
    return wishes, notices


def _add_artifact(
    artifact: Any,
    consumer: Component,
    producers: list[Component],
    some_absent: bool,
    place: str,
) -> list[tuple[Component, Placement]]:
    """The producers of the artifact, each with the path where the consumer wants it.

    Raises AnswerError.
    """
    given = {"name": artifact} if isinstance(artifact, str) else artifact
    name = check_path(given["name"], place)
    makers = [producer for producer in producers if name in producer.produces]
    if not makers:
        if some_absent:
            return []  # Its producer is not selected; a notice says so.
        raise AnswerError(place, _nobody_makes(name, consumer, producers))
    for maker in makers:
        _check_taken(name, consumer, maker, place)
    to = given.get("to")
    if to is not None:
        target = check_environment_path(to, f"{place}.to")
        # `to: iac/` means "into that folder", as it does for cp.
        if to.endswith("/") or target == ".":
            target = str(PurePosixPath(target) / PurePosixPath(name).name)
        to = check_path(target, f"{place}.to")
        if PurePosixPath(to.lower()).parts[0] == PACKAGES_FOLDER:
            cause = (
                f"{consumer.name} wants {shown(name)} of {_all(makers)} at {shown(to)}, where "
                "packages are downloaded to; choose another place"
            )
            raise AnswerError(f"{place}.to", cause)
    return [(maker, Placement(name, to)) for maker in makers]


def _all(components: list[Component]) -> str:
    return " and ".join(component.name for component in components)


def _nobody_makes(name: str, consumer: Component, producers: list[Component]) -> str:
    """The cause and the fix if no producer of an edge makes the artifact."""
    if not producers:
        return (
            f"{consumer.name} asks for {shown(name)}, and depends on no component that makes it; "
            "name its producer in depends_on"
        )
    makes = " and ".join(
        f"{producer.name} makes {', '.join(_first(producer.produces)) or 'nothing'}"
        for producer in producers
    )
    known = [product for producer in producers for product in producer.produces]
    near = nearest(name, known)
    fix = near if near.endswith("?") else "; name what is made, or add it to a `produces`"
    return f"{consumer.name} asks {_all(producers)} for {shown(name)}, but {makes}{fix}"


def _first(products: tuple[str, ...]) -> tuple[str, ...]:
    """The first dozen; a message is one line."""
    return products if len(products) <= 12 else (*products[:12], "...")


def _check_taken(name: str, consumer: Component, producer: Component, place: str) -> None:
    """Refuse an artifact that no command of the consumer reads. Raises AnswerError."""
    taken = [consumed.product for consumed in consumer.code_type.consumes]
    own = consumer.own_commands & {"build", "deploy"}
    if not taken or own or any(fnmatch.fnmatchcase(name, pattern) for pattern in taken):
        return
    raise AnswerError(
        place,
        f"{_with_type(consumer)} asks {_with_type(producer)} for {shown(name)}, but takes only "
        f"{' and '.join(taken)}; drop it (`artifacts: []` only waits), or give {consumer.name} a "
        "`build` or `deploy` of its own that uses it",
    )


def _with_type(component: Component) -> str:
    """Its name, and its code type if that is another word."""
    if component.name == component.code_type.name:
        return component.name
    return f"{component.name} ({component.code_type.name})"


def _placements(producer: Component, wish: _Wish) -> tuple[Placement, ...]:
    placements = list(wish.placements)
    if wish.everything:
        named = {placement.product for placement in placements}
        placements += [Placement(p, None) for p in producer.produces if p not in named]
    unique = dict.fromkeys(placements)
    return tuple(sorted(unique, key=lambda p: (p.product, p.to or "")))


def _conventional(
    written: Graph, mentioned: set[str], by_name: Mapping[str, Component]
) -> tuple[list[Dependency], tuple[str, ...]]:
    """The conventional edges, except those that would close a cycle with written ones."""
    graph = dict(written)
    edges, notices = [], []
    for consumer in by_name.values():
        if consumer.name in mentioned:
            continue
        for producer in by_name.values():
            if producer.code_type.name not in consumer.code_type.depends_on:
                continue
            if reaches(graph, producer.name, consumer.name):
                notices.append(
                    f"{consumer.name} does not wait for {producer.name}, as "
                    f"{consumer.code_type.name} usually does for {producer.code_type.name}: "
                    f"{producer.name} waits for it."
                )
                continue
            graph[consumer.name] = graph[consumer.name] | {producer.name}
            placements = tuple(Placement(product, None) for product in producer.produces)
            edges.append(Dependency(consumer.name, producer.name, placements, conventional=True))
    return edges, tuple(notices)


def _check_no_cycle(graph: Graph) -> None:
    """Refuse dependencies that run in a circle. Raises AnswerError."""
    cycle = find_cycle(graph)
    if cycle:
        consumer, producer = edge_to_drop(graph, cycle)
        raise AnswerError(
            "dependency_map",
            f"the dependencies run in a circle: {' -> '.join(cycle)}; drop one of them, for "
            f"example that {consumer} depends on {producer}",
        )


def _check_placements(consumer: Component, edges: list[Dependency]) -> None:
    """Refuse two files of one consumer at one path, and a file inside another.

    Refuse also a file at the path of a product: it would be taken for the product. Raises
    AnswerError.
    """
    spots = [
        (edge.path_of(placement), f"{placement.product!r} of {edge.producer}")
        for edge in edges
        for placement in edge.placements
    ]
    own = [str(PurePosixPath(consumer.path) / product) for product in consumer.produces]
    for spot, what in spots:
        for left in own:
            if spot.lower() == left.lower():
                cause = f"{consumer.name} places {what} at {spot!r}, where its own build leaves"
                raise AnswerError("dependency_map", f"{cause} {left!r}; choose another `to`")
    for index, (spot, what) in enumerate(spots):
        for other, other_what in spots[index + 1 :]:
            a, b = spot.lower(), other.lower()
            if a == b or a.startswith(f"{b}/") or b.startswith(f"{a}/"):
                where = repr(spot) if a == b else f"{spot!r} and {other!r}"
                raise AnswerError(
                    "dependency_map",
                    f"{consumer.name} places {what} and {other_what} in one place, {where}; "
                    "choose another `to` for one of them",
                )
