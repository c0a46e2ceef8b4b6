"""Labelled components are found in two real repositories, of which only file names are stored.

The texts of the files that matter are written here, as short as possible. `benchmarks/detection.py`
reads the real files of the repositories whose labels name a commit.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from repositories import edges, manifest, proposed, read
from toolbox import TESTS

LABELS, LISTINGS = TESTS / "detection" / "labels", TESTS / "detection" / "listings"

NODE = '{"name": "result", "version": "1.0.0", "private": true, "main": "server.js"}'
HOLDS = {
    "listing-lambda-terraform": {
        "src/lambda-python-s3-lambda-trigger/lambda_handler.py": "def lambda_handler(event, c):\n",
        "iac/terraform/s3-lambda-trigger-main.tf": 'filename = "lambda_function.zip"\n',
    },
    "listing-voting-app": {
        "result/package.json": NODE,
        "worker/Worker.csproj": '<Project Sdk="Microsoft.NET.Sdk">',
        **{f"{name}/Dockerfile": "COPY . .\n" for name in ("result", "vote", "worker")},
        "seed-data/Dockerfile": "COPY . .\n",
        **{
            f"k8s-specifications/{name}-deployment.yaml": manifest(image)
            for name, image in {
                "db": "postgres:15-alpine",
                "redis": "redis:alpine",
                "result": "dockersamples/examplevotingapp_result",
                "vote": "dockersamples/examplevotingapp_vote",
                "worker": "dockersamples/examplevotingapp_worker",
            }.items()
        },
    },
}


def label(name: str) -> dict[str, Any]:
    data = yaml.safe_load((LABELS / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize("name", HOLDS)
def test_labelled_components_and_edges_are_found(name: str) -> None:
    listed = (LISTINGS / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    assert set(HOLDS[name]) <= set(listed)
    proposal = proposed({file: HOLDS[name].get(file, "") for file in listed if file})
    found = {c.name: (c.code_type.name, c.path) for c in read(proposal).components}
    said = label(name)
    wanted = {(it["code_type"], it["path"]) for it in said["components"]}
    unsure = {(it["code_type"], it["path"]) for it in said.get("unsure", [])}
    assert set(found.values()) - unsure == wanted

    arrows = {tuple(map(" ".join, (found[who], found[whom]))) for who, whom in pairs(proposal)}
    doubtful = {(it["consumer"], it["producer"]) for it in said.get("unsure_edges", [])}
    certain = {(it["consumer"], it["producer"]) for it in said["edges"]}
    assert certain <= arrows
    open_places = {" ".join(it) for it in unsure}
    assert not {arrow for arrow in arrows - certain - doubtful if not {*arrow} & open_places}


def pairs(proposal: Any) -> list[tuple[str, str]]:
    return [(who, whom) for who, takes in edges(proposal).items() for whom in takes]


@pytest.mark.parametrize("file", sorted(LABELS.rglob("*.yml")), ids=lambda file: file.stem)
def test_labels_are_complete(file: Path) -> None:
    """Each edge joins labelled components, and each path exists if there is a listing."""
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    known = data["components"] + data.get("unsure", [])
    places = {f"{it['code_type']} {it['path']}" for it in known}
    assert len(places) == len(known)
    for edge in data["edges"] + data.get("unsure_edges", []):
        assert {edge["consumer"], edge["producer"]} <= places
    listing = LISTINGS / f"{file.stem}.txt"
    if listing.exists():
        listed = listing.read_text(encoding="utf-8").split("\n")
        for it in known:
            below = it["path"].replace("{environment}", "*") + "/*"
            assert it["path"] == "." or fnmatch.filter(listed, below)
