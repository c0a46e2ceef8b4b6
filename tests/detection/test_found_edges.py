"""Edges between components, as the files show them: exactly these, with each artifact's place."""

from __future__ import annotations

from typing import Any

import pytest
from repositories import LAMBDA, SERVICE, edges, manifest, proposed

HANDLER = {"requirements.txt": "", "handler.py": "def handler(event):\n"}
PACKAGE = {"pyproject.toml": "[build-system]\n"}


def within(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}


def function(text: str) -> dict[str, str]:
    return {"infra/main.tf": f'resource "aws_lambda_function" "it" {{\n  {text}\n}}\n'}


IMAGES = {f"{name}/Dockerfile": "" for name in ("api", "web")}

PAGE = '{"main": "x", "private": true, "scripts": {"build": "vite build"}}'

# Files -> for each consumer and producer: the artifacts, each with its place.
CASES: dict[str, tuple[dict[str, str], dict[str, dict[str, list[str]]]]] = {
    "a zip that Terraform names": (
        LAMBDA,
        {"terraform": {"python": ["lambda-package.zip -> infra/sync.zip"]}},
    ),
    "a zip in another folder": (
        {**within("app", HANDLER), **function('filename = "${path.module}/../build/app.zip"')},
        {"terraform": {"python": ["lambda-package.zip -> build/app.zip"]}},
    ),
    "a zip for each of two functions": (
        {
            **within("f/sync", HANDLER),
            **within("f/clean", HANDLER),
            **function('filename = "clean.zip"\n  other = "zips/sync_v2.zip"'),
        },
        {
            "terraform": {
                "clean": ["lambda-package.zip -> infra/clean.zip"],
                "sync": ["lambda-package.zip -> infra/zips/sync_v2.zip"],
            }
        },
    ),
    "a zip that two functions could be": (
        # Either could be meant, so Terraform takes both, as by default.
        {
            **within("f/sync", HANDLER),
            **within("f/clean", HANDLER),
            **function('filename = "it.zip"'),
        },
        {
            "terraform": {
                "clean": ["lambda-package.zip"],
                "sync": ["lambda-package.zip"],
            }
        },
    ),
    "a zip that is there": (
        {**within("app", HANDLER), **function('filename = "it.zip"'), "infra/it.zip": ""},
        {"terraform": {"python": ["lambda-package.zip"]}},
    ),
    "a path outside the repository": (
        {**within("app", HANDLER), **function('filename = "../../it.zip"')},
        {"terraform": {"python": ["lambda-package.zip"]}},
    ),
    "infrastructure that needs no code": (
        {"api/requirements.txt": "", "infra/main.tf": ""},
        {},
    ),
    "a jar that a build argument names": (
        {
            "shop/pom.xml": "<project/>",
            "shop/Dockerfile": "ARG JAR_FILE=target/*.jar\nCOPY ${JAR_FILE} app.jar\n",
        },
        {"docker": {"java": ["dist -> shop/target"]}},
    ),
    "a jar of one module of several": (
        {
            "settings.gradle": "",
            "app/build.gradle": "",
            "app/Dockerfile": "COPY build/libs/app.jar app.jar\n",
        },
        {"docker": {"java": ["dist -> app/build/libs"]}},
    ),
    "a folder that a page is built in": (
        {
            "web/package.json": PAGE,
            "web/Dockerfile": "FROM nginx\nCOPY --chown=1 ./dist/ /usr/share/nginx/html\n",
        },
        {"docker": {"node": ["dist -> web/dist"]}},
    ),
    "a stage that builds it itself": (
        {
            "web/package.json": PAGE,
            "web/Dockerfile": "COPY . .\nFROM nginx\nCOPY --from=0 /dist /x\n",
        },
        {"docker": {"node": []}},
    ),
    "an image that Compose names": (
        {
            **IMAGES,
            "k8s/a.yaml": manifest("acme/storefront:1"),
            "docker-compose.yml": "services:\n  it: {image: 'acme/storefront:dev', build: ./web}\n",
            "api/compose.yaml": "services: [3]\n",
        },
        {"kubernetes": {"web": ["docker-image"]}},
    ),
    "an image with an unknown name": (
        {"Dockerfile": "", "k8s/a.yaml": manifest("acme/storefront:1")},
        {"kubernetes": {"docker": ["docker-image"]}},
    ),
    "a Dockerfile beside the code": (SERVICE, {"docker": {"python": []}}),
    "a Dockerfile that copies what is built": (
        {**within("api", PACKAGE), "api/Dockerfile": "COPY dist/*.whl /tmp/\n"},
        {"docker": {"python": ["dist -> api/dist"]}},
    ),
    "the same from the root": (
        {**within("api", PACKAGE), "Dockerfile": "COPY entry.sh api/dist /tmp/\n", "entry.sh": ""},
        {},
    ),
    "a copy from another stage": (
        {
            **within("api", PACKAGE),
            "web/Dockerfile": "COPY --from=build dist /\nCOPY a /\n",
            "web/a": "",
        },
        {},
    ),
    "a Dockerfile that copies the code's folder": (
        {"api/requirements.txt": "", "Dockerfile": "COPY --chown=1 api/ /app\n"},
        {"docker": {"python": []}},
    ),
    "two services with their images": (
        {**IMAGES, "api/requirements.txt": "", "web/requirements.txt": ""},
        {"api": {"api-python": []}, "web": {"web-python": []}},
    ),
    "manifests that name images": (
        {
            **IMAGES,
            "k8s/a.yaml": manifest("api:1.2"),
            "k8s/b.yaml": manifest("registry.example:5000/shop/shop-web@sha256:0"),
            "k8s/c.yaml": manifest("postgres:16"),
        },
        {"kubernetes": {"api": ["docker-image"], "web": ["docker-image"]}},
    ),
    "manifests that name one of two": (
        {**IMAGES, "k8s/a.yaml": manifest("api")},
        {"kubernetes": {"api": ["docker-image"]}},
    ),
    "manifests that name none": (
        # None of the images can be built here: only the order is left, without an artifact.
        {**IMAGES, "k8s/a.yaml": manifest("postgres:18")},
        {"kubernetes": {"api": [], "web": []}},
    ),
    "manifests with a variable as the image": (
        {**IMAGES, "k8s/a.yaml": manifest("$IMAGE")},
        {"kubernetes": {"api": ["docker-image"], "web": ["docker-image"]}},
    ),
    "an image named like the repository": (
        {"Dockerfile": "", "k8s/a.yaml": manifest("ghcr.io/acme/shop")},
        {"kubernetes": {"docker": ["docker-image"]}},
    ),
    "infrastructure before manifests": (
        {"Dockerfile": "", "k8s/a.yaml": manifest("docker"), "infra/main.tf": ""},
        {"kubernetes": {"docker": ["docker-image"], "terraform": []}},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_edges(name: str) -> None:
    files, expected = CASES[name]
    assert edges(proposed(files)) == expected


# Files -> the map that is proposed. It is empty if it equals the usual one.
MAPS: dict[str, tuple[dict[str, str], Any]] = {
    "usual": (SERVICE, []),
    "order alone": ({**IMAGES, "api/requirements.txt": ""}, {"web": []}),
    "a package that no component takes": (
        {**IMAGES, "api/setup.py": "setup()"},
        [
            {"code_type": "api", "depends_on": ["python"], "artifacts": []},
            {"code_type": "web", "depends_on": []},
        ],
    ),
}


@pytest.mark.parametrize("name", MAPS)
def test_the_dependency_map_is_short(name: str) -> None:
    files, expected = MAPS[name]
    assert proposed(files).dependency_map == expected


def test_the_image_name_of_a_manifest_is_proposed_as_a_variable() -> None:
    files = {**IMAGES, "k8s/a.yaml": manifest("acme/shop_api:1"), "k8s/b.yaml": manifest("web")}
    kubernetes = proposed(files).components["kubernetes"]
    assert kubernetes == {"path": "k8s", "env": {"API_IMAGE": "acme/shop_api"}}


def test_the_file_that_shows_a_component_or_edge() -> None:
    assert proposed(LAMBDA).found == {
        "python": "functions/sync/requirements.txt",
        "terraform": "infra/main.tf",
        "terraform needs python": "infra/main.tf names sync.zip",
    }


def test_the_table_of_the_proposal() -> None:
    assert proposed(LAMBDA).table.splitlines() == [
        "python     Python     functions/sync  requirements.txt",
        "terraform  Terraform  infra           main.tf           after python",
    ]


def test_the_key_of_an_image_in_values_is_proposed_as_a_variable() -> None:
    chart = {"chart/Chart.yaml": "apiVersion: v2\nname: shop\n"}
    one = {"api/Dockerfile": "", **chart}
    assert (
        "env"
        not in proposed(
            {**one, "chart/values.yaml": "image:\n  repository: acme/docker\n"}
        ).components["helm"]
    )
    values = (
        "server:\n  web:\n    repository: acme/web # ours\ndb: {image: {repository: postgres}}\n"
    )
    helm = proposed({**IMAGES, **chart, "chart/values.yaml": values}).components["helm"]
    assert helm == {"path": "chart", "env": {"WEB_IMAGE": "server.web"}}


def test_values_that_yaml_cannot_read_have_no_keys() -> None:
    files = {"chart/Chart.yaml": "apiVersion: v2\nname: shop\n", "docker/Dockerfile": ""}
    values = "image:\n  repository: acme/docker\nport: !!int ''\n"
    assert proposed({**files, "chart/values.yaml": values}).names == {"docker", "helm"}
