"""Finds images that manifests and charts run, and that no component is known to build."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from .answers import Answers
from .detection import FoundComponent
from .found_edges import IMAGE, files_that_name, image_edges, plain_image
from .repository_files import RepositoryFiles, join

PUBLIC = re.compile(
    r"^[\w.-]+$|^(?:docker\.io/)?(?:library|bitnami|grafana|prom|hashicorp|elastic|confluentinc)/"
    r"|^(?:quay\.io|registry\.k8s\.io|k8s\.gcr\.io|mcr\.microsoft\.com|public\.ecr\.aws|gcr\.io/"
    r"(?:google-containers|distroless|cloudsql-docker|kubernetes-)|docker\.elastic\.co|nvcr\.io)"
)
"""Public images: Docker's own, or in the registry of a public project."""


@dataclass(frozen=True)
class UnknownImage:
    """An image that a component runs, and that could be one of the repository's own."""

    consumer: str
    image: str
    file: str
    known_as: str
    """How a variable has to name it: by its name, or by its key in a chart."""


def unknown_images(
    files: RepositoryFiles, found: tuple[FoundComponent, ...], named: Collection[str] = ()
) -> tuple[UnknownImage, ...]:
    """The unknown images, if some component builds an image that no component is known to run.

    `named` are the names of images, or keys of charts, that the answers give to components.
    """
    makers = {component.name for component in found if IMAGE in component.code_type.products}
    result: dict[tuple[str, str], UnknownImage] = {}
    for consumer in found if makers else ():
        run: set[str] = set()
        unknown: dict[tuple[str, str], UnknownImage] = {}
        for name, file, known in files_that_name(files, consumer, found):
            edges = list(image_edges(name, file, files, consumer, found))
            image = plain_image(name)
            run |= {edge.producer for edge in edges}
            if not edges and (known or image) not in named and not PUBLIC.search(image):
                unknown[consumer.name, image] = UnknownImage(consumer.name, image, file, known)
        if makers - run:
            result |= unknown
    return tuple(result.values())


def unknown_images_of(answers: Answers, files: RepositoryFiles) -> tuple[UnknownImage, ...]:
    """The unknown images for the components of the answers."""
    found = tuple(
        FoundComponent(c.code_type, c.path, join(c.path, "Dockerfile"), name=c.name)
        for c in answers.components
        if not c.by_environment
    )
    named = {
        word
        for component in answers.components
        for name, value in component.env.items()
        if name.endswith("IMAGE")
        for word in value.split()
    }
    return unknown_images(files, found, named)
