"""Images that no component is named after: a line names them, and the guards stay on."""

from __future__ import annotations

from typing import Any

import pytest
from made_answers import CATALOGUE
from pipeline.answers import read_answers
from pipeline.choosing import read_images, with_images
from pipeline.errors import AnswerError
from pipeline.git_branches import NO_BRANCHES
from pipeline.unmatched import unmatched
from repositories import answers, manifest, proposed, repository

CHART = "apiVersion: v2\nname: x\n"
FILES = {"web/Dockerfile": "", "api/Dockerfile": "", "k8s/a.yaml": manifest("acme/storefront:1")}


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        ("acme/storefront:1", True),
        ("${REGISTRY}/x", True),
        ("ghcr.io/acme/x@sha256:1", True),
        ("acme/shop-web", False),
        ("redis:8", False),
        ("quay.io/prometheus/node-exporter", False),
    ],
)
def test_unknown_images_are_asked_for(image: str, asked: bool) -> None:
    found = proposed({**FILES, "k8s/a.yaml": manifest(image)}).unknown_images
    assert [it.file for it in found] == ["k8s/a.yaml"] * asked


def test_nothing_is_asked_if_every_built_image_is_deployed() -> None:
    text = manifest("web") + "---\n" + manifest("api") + "---\n" + manifest("acme/other")
    assert proposed({**FILES, "k8s/a.yaml": text}).unknown_images == ()
    assert proposed({"k8s/a.yaml": manifest("acme/other")}).unknown_images == ()


def lines(**changes: Any) -> list[str]:
    given = answers(proposed(FILES))
    given["components"]["kubernetes"] |= changes
    return unmatched(read_answers(given, CATALOGUE), repository(FILES), NO_BRANCHES)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ("shop:\n  image:\n    repository: acme/backend\n    tag: x\n", "shop.image"),
        ("shop:\n  image: acme/backend:1\n", "shop.image"),
        ("all: &all\n  self: *all\n  image: acme/backend\n", "all.image"),
    ],
)
def test_a_line_names_the_key_of_an_image_in_a_chart(values: str, key: str) -> None:
    files = {"web/Dockerfile": "", "c/Chart.yaml": CHART, "c/values.yaml": values}
    for env, silent in ({}, False), ({"DOCKER_IMAGE": f"x {key}"}, True):
        given = answers(proposed(files))
        given["components"]["helm"] |= {"env": env}
        said = unmatched(read_answers(given, CATALOGUE), repository(files), NO_BRANCHES)
        assert [f"`API_IMAGE: {key}`" in line for line in said] == [True] * (not silent)


def test_a_line_names_an_image_until_a_variable_assigns_it() -> None:
    [line] = lines()
    assert line.startswith("kubernetes runs the image acme/storefront (k8s/a.yaml), and no ")
    assert "components.kubernetes.env (for a component api: `API_IMAGE: acme/storefront`)" in line
    assert lines(env={"WEB_IMAGE": "acme/storefront"}) == []


@pytest.mark.parametrize(
    ("files", "env"),
    [
        (FILES, {"WEB_IMAGE": "acme/storefront"}),
        (
            {
                "web/Dockerfile": "",
                "api/Dockerfile": "",
                "k8s/Chart.yaml": CHART,
                "k8s/values.yaml": "shop:\n  image:\n    repository: acme/storefront\n",
            },
            {"WEB_IMAGE": "shop.image"},
        ),
    ],
)
def test_an_assigned_image_becomes_a_variable_and_an_edge(
    files: dict[str, str], env: dict[str, str]
) -> None:
    proposal = proposed(files)
    whose = read_images("web = acme/storefront", proposal, ["api", "web"])
    made = with_images(proposal, whose)
    [settings] = [s for s in made.components.values() if s.get("path") == "k8s"]
    assert settings["env"] == env
    assert with_images(proposal, {}).components == proposal.components
    read = read_answers(answers(made), CATALOGUE)
    taken = {
        (edge.producer, p.product) for edge in read.dependencies.edges for p in edge.placements
    }
    assert ("web", "docker-image") in taken


def test_an_assigned_image_is_added_to_known_ones() -> None:
    """The manifests take the known image as before, and the assigned one too."""
    text = manifest("api") + "---\n" + manifest("acme/storefront")
    proposal = proposed({**FILES, "k8s/a.yaml": text})
    made = with_images(proposal, {"acme/storefront": "web"})
    read = read_answers(answers(made), CATALOGUE)
    assert {edge.producer for edge in read.dependencies.edges} == {"api", "web"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("wbe=acme/storefront", "'wbe' is no component that builds an image; did you mean 'web'?"),
        ("web=acme/other", "'acme/other' is not one of these images"),
        ("web=acme/storefront, api=acme/storefront", "'acme/storefront' is named twice"),
        ("web", "'web' names no image; write web=IMAGE"),
    ],
)
def test_wrong_assignments_of_images_are_refused(text: str, says: str) -> None:
    with pytest.raises(AnswerError, match=says):
        read_images(text, proposed(FILES), ["api", "web"])
