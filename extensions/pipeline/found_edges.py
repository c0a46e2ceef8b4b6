"""Finds which components of an existing repository need others first.

A code type says in `consumes` how its files name what it takes, and in `detect.leaves` which names
others use for what it makes. `found_reads.py` finds what is read by name.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import itertools
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from .code_type_model import Consumed
from .detection import FoundComponent, is_safe, meaningful_parts, names_in
from .found_reads import find_reads
from .graph import find_cycle
from .repository_files import RepositoryFiles, is_in, is_in_any, join
from .yaml_text import LOADER, NOT_YAML

IMAGE = "docker-image"
"""The product that is known by the name of an image; all others are known by a path."""

COMPOSE = ("compose*.yaml", "compose*.yml", "docker-compose*.yaml", "docker-compose*.yml")
"""Files that name the images that are built in folders."""

ROOTS = re.compile(r"^(?:\$\{path\.(?:module|root|cwd)\}|\.)/|^\$\{path\.(?:module|root)\}$")
"""What Terraform and OpenTofu call the folder that a file lies in."""


@dataclass(frozen=True)
class FoundEdge:
    """One component that needs another first."""

    consumer: str
    producer: str
    evidence: str
    """The file that shows it, relative to the repository's root."""
    says: str
    """What it says there: the end of a sentence that starts with the file's name."""
    product: str = ""
    """What is taken; empty for order only."""
    to: str = ""
    """Where that has to lie, relative to the repository's root; empty for nowhere special."""
    known_as: str = ""
    """The name by which the consumer's files know an image, or the key where they name it."""


def find_edges(files: RepositoryFiles, found: tuple[FoundComponent, ...]) -> tuple[FoundEdge, ...]:
    """The edges, sorted; one for each product and path."""
    return edges_and_circles(files, found)[0]


def edges_and_circles(
    files: RepositoryFiles, found: tuple[FoundComponent, ...]
) -> tuple[tuple[FoundEdge, ...], tuple[FoundEdge, ...]]:
    """The edges, and those that are left out because they close a circle."""
    every = _all_edges(files, found)
    kept = _with_an_order(every, found)
    return tuple(kept), tuple(edge for edge in every if edge not in kept)


def _all_edges(files: RepositoryFiles, found: tuple[FoundComponent, ...]) -> list[FoundEdge]:
    """All edges that the files show, also those that form a circle."""
    edges: dict[tuple[str, ...], FoundEdge] = {}
    for consumer in found:
        for edge in (*_edges_of_names(files, consumer, found), *_edges_beside(consumer, found)):
            edges.setdefault((edge.consumer, edge.producer, edge.product, edge.to), edge)
    for reader, maker, file, name in find_reads(files, found):
        edge = FoundEdge(reader.name, maker.name, file, f"reads {name}")
        edges.setdefault((edge.consumer, edge.producer, "", ""), edge)
    # An edge that takes something implies the order.
    taken = {(edge.consumer, edge.producer) for edge in edges.values() if edge.product}
    kept = [e for e in edges.values() if e.product or (e.consumer, e.producer) not in taken]
    return sorted(kept, key=lambda e: (e.consumer, e.producer, e.product, e.to))


def _with_an_order(edges: list[FoundEdge], found: tuple[FoundComponent, ...]) -> list[FoundEdge]:
    """The edges without circles of order alone: a person has to say which comes first."""
    while True:
        graph = {
            component.name: frozenset(e.producer for e in edges if e.consumer == component.name)
            for component in found
        }
        circle = find_cycle(graph)
        if circle is None:
            return edges
        pairs = set(itertools.pairwise(circle))
        left = [e for e in edges if e.product or (e.consumer, e.producer) not in pairs]
        if len(left) == len(edges):
            return edges
        edges = left


def _edges_beside(
    consumer: FoundComponent, found: tuple[FoundComponent, ...]
) -> Iterator[FoundEdge]:
    """The components in its folder that its code type usually waits for."""
    for producer in found:
        if producer.code_type.name in consumer.code_type.depends_on and (
            producer.code_type.products and producer.path in (consumer.path, consumer.folder)
        ):
            says = f"lies beside {posixpath.basename(producer.evidence)}"
            yield FoundEdge(consumer.name, producer.name, consumer.evidence, says)


def _edges_of_names(
    files: RepositoryFiles, consumer: FoundComponent, found: tuple[FoundComponent, ...]
) -> Iterator[FoundEdge]:
    """The components that its files name."""
    for consumed in consumer.code_type.consumes:
        for file in _files_that_may_name(files, consumer, consumed, found):
            for name in names_in(files, file, consumed):
                if consumed.product == IMAGE:
                    for edge in image_edges(name, file, files, consumer, found):
                        yield dataclasses.replace(
                            edge, known_as=known_as(name, file, consumed, files)
                        )
                else:
                    yield from _edges_of_path(name, file, files, consumer, consumed, found)


def _files_that_may_name(
    files: RepositoryFiles,
    consumer: FoundComponent,
    consumed: Consumed,
    found: tuple[FoundComponent, ...],
) -> list[str]:
    """The files of a component that may name something."""
    if not consumed.pattern:
        return []
    detect = consumer.code_type.detect
    if detect and detect.by_file:
        return [consumer.evidence]  # other files in the folder belong to other components
    alike = {
        path for other in found if other.code_type is consumer.code_type for path in other.paths
    }
    return [
        file
        for home in consumer.paths
        for file in files.named(home, consumed.named_in, everywhere=True)
        if not is_in_any(posixpath.dirname(file), alike, above=home)
    ]


def files_that_name(
    files: RepositoryFiles, consumer: FoundComponent, found: tuple[FoundComponent, ...]
) -> Iterator[tuple[str, str, str]]:
    """(name of an image, file that names it, how the commands find it) of all that it runs."""
    for consumed in consumer.code_type.consumes:
        if consumed.product == IMAGE:
            for file in _files_that_may_name(files, consumer, consumed, found):
                for name in names_in(files, file, consumed):
                    yield name, file, known_as(name, file, consumed, files)


def known_as(name: str, file: str, consumed: Consumed, files: RepositoryFiles) -> str:
    """How the commands find an image: by its name, or by the key where the file names it."""
    return _key_of_image(name, files.text(file)) if consumed.by_key else plain_image(name)


def plain_image(name: str) -> str:
    """The name of an image without its tag and digest."""
    return re.sub(r"@.*$|:[^/]*$", "", name)


def built_by_compose(files: RepositoryFiles) -> dict[str, str]:
    """The folder in which Compose files build each image."""
    if files.compose is None:
        files.compose = {}
        for folder in sorted(files.holding(COMPOSE)):
            for file in files.named(folder, COMPOSE):
                try:
                    services = yaml.load(files.text(file), Loader=LOADER)["services"].values()
                    for service in services:
                        build = service.get("build")
                        context = build if isinstance(build, str) else (build or {}).get("context")
                        if isinstance(context, str) and isinstance(service.get("image"), str):
                            files.compose[plain_image(service["image"])] = join(folder, context)
                except (*NOT_YAML, TypeError, KeyError):
                    continue  # not a Compose file after all
    return files.compose


def image_edges(
    name: str,
    file: str,
    files: RepositoryFiles,
    consumer: FoundComponent,
    found: tuple[FoundComponent, ...],
) -> Iterator[FoundEdge]:
    """The component that builds an image: by a Compose file, or because the image's name ends with
    the name of the component or its folder."""
    image = plain_image(name)
    repository = files.name
    if context := built_by_compose(files).get(image):
        makers = (component for component in found if IMAGE in component.code_type.products)
        built = [component for component in makers if context in (component.path, component.folder)]
        if len(built) == 1:
            says = f"runs the image {image}"
            yield FoundEdge(consumer.name, built[0].name, file, says, IMAGE, known_as=image)
            return
    last = image.rpartition("/")[2].lower()
    fitting: dict[str, tuple[bool, int, bool]] = {}
    for producer in found:
        if IMAGE not in producer.code_type.products:
            continue
        folder = meaningful_parts(producer.folder) or [repository.lower()]
        # Several components may lie in one folder, so a component's name counts more.
        for known, is_name in ((producer.name.lower(), True), (folder[-1], False)):
            if known and (last == known or re.search(rf"[-_]{re.escape(known)}$", last)):
                score = (last == known, len(known), is_name)
                fitting[producer.name] = max(score, fitting.get(producer.name, score))
    best = [producer for producer, score in fitting.items() if score == max(fitting.values())]
    if len(best) == 1:
        says = f"runs the image {image}"
        yield FoundEdge(consumer.name, best[0], file, says, IMAGE, known_as=image)


def _key_of_image(image: str, text: str) -> str:
    """The key of an image, or of the mapping whose `repository` it is, with dots; empty if there
    is none."""
    try:
        entries: list[tuple[str, Any]] = [("", yaml.load(text, Loader=LOADER))]
    except NOT_YAML:
        return ""
    seen: set[int] = set()  # an anchor may contain itself
    for key, value in entries:  # grows while it is looked through
        if value == image:
            return key.removesuffix(".repository")
        if isinstance(value, dict) and id(value) not in seen:
            seen.add(id(value))
            entries += [(f"{key}.{k}".strip("."), inner) for k, inner in value.items()]
    return ""


def _edges_of_path(
    name: str,
    file: str,
    files: RepositoryFiles,
    consumer: FoundComponent,
    consumed: Consumed,
    found: tuple[FoundComponent, ...],
) -> Iterator[FoundEdge]:
    """The component that makes what lies at a path, or whose folder it is."""
    detect = consumer.code_type.detect
    # Paths in a component's only file are relative to the folder where its commands run.
    base = consumer.path if detect and detect.by_file else posixpath.dirname(file)
    relative = ROOTS.sub("", name.strip("'\"")).lstrip("/")
    path = join(base, relative)
    if "$" in relative or path.startswith(".."):
        return
    plain = path.split("*")[0].rstrip("/") or "."
    if files.exists(plain):  # then no build has to make it
        for producer in found:
            if producer is consumer or "." in (producer.path, plain) or plain in consumer.paths:
                continue
            usual = producer.code_type.name in consumer.code_type.depends_on
            inside = any(is_in(home, plain) or is_in(plain, home) for home in producer.paths)
            if (usual and inside) or (plain in producer.paths and makes(producer, consumed)):
                yield FoundEdge(consumer.name, producer.name, file, f"takes {name}")
        return
    for maker, product, to in _makers(path, consumer, consumed, found):
        for home in consumer.paths:
            if is_in(to, home):  # the same in the folder of each environment
                to = join(consumer.path, posixpath.relpath(to, home))
        if is_safe(to):
            yield FoundEdge(consumer.name, maker, file, f"names {name}", product, to)


def _makers(
    path: str, consumer: FoundComponent, consumed: Consumed, found: tuple[FoundComponent, ...]
) -> list[tuple[str, str, str]]:
    """Its producers: (component, product, path where it has to lie); none if two are possible."""
    scored: list[tuple[int, str, str, str]] = []
    for producer in found:
        if producer is consumer:
            continue
        detect = producer.code_type.detect
        for product in producer.code_type.products:
            if not fnmatch.fnmatch(product, consumed.product):
                continue
            for leaf in (detect.leaves if detect else {}).get(product, (product,)):
                if deep := _folder_of_part(producer.path, leaf, path):
                    scored.append((8, producer.name, product, deep))
                    continue
                # In the producer's folder or, with fewer points, in the consumer's.
                roots = [(each, 9) for each in producer.paths]
                roots += [(each, 1) for each in consumer.paths]
                for root, score in roots:
                    location = join(root, leaf)
                    if is_in(path, location):
                        scored.append((score, producer.name, product, location))
                    elif fnmatch.fnmatch(path, location):
                        scored.append((score, producer.name, product, path))
            if product.endswith(".zip") and path.endswith(".zip"):
                # The consumer chooses the name of the zip, and `to` says it.
                score = 2 + _shares_a_word(path, producer)
                scored.append((score, producer.name, product, path))
    best = max((score for score, *_ in scored), default=0)
    makers = {
        (producer_name, product): to
        for score, producer_name, product, to in scored
        if score == best
    }
    if len(makers) != 1:
        return []
    return [(producer_name, product, to) for (producer_name, product), to in makers.items()]


def _folder_of_part(root: str, leaf: str, path: str) -> str:
    """The folder of a part of a component, as a module, in which a path lies: `**/target`."""
    if not leaf.startswith("**/"):
        return ""
    start = "" if root == "." else re.escape(f"{root}/")
    found = re.match(rf"{start}(?:[^/*]+/)*?{re.escape(leaf[3:])}(?=/|$)", path)
    return found[0] if found else ""


def _shares_a_word(file: str, producer: FoundComponent) -> bool:
    """Whether a file's name shares a word with a component's, apart from common words."""
    stem = posixpath.splitext(posixpath.basename(file))[0]
    one, other = (
        set(re.split(r"[^a-z0-9]+", text.lower()))
        for text in (stem, f"{producer.name} {producer.path}")
    )
    return bool((one & other) - {"lambda", "function", "package", "src", ""})


def makes(producer: FoundComponent, consumed: Consumed) -> bool:
    """Whether a component can make something that is taken so."""
    return any(fnmatch.fnmatch(name, consumed.product) for name in producer.code_type.products)


def usual_producers(
    consumer: FoundComponent, found: tuple[FoundComponent, ...]
) -> list[FoundComponent]:
    """The components that its code type usually waits for."""
    usual = consumer.code_type.depends_on
    return [
        component
        for component in found
        if component.code_type.name in usual and component is not consumer
    ]
