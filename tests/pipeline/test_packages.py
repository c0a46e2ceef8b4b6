"""What components produce, which command makes it, and where jobs find it."""

from __future__ import annotations

from typing import Any

import pytest
from made_answers import CODE_TYPES, generic, plan, read, refusal
from pipeline.builds import BuildWorkflow
from pipeline.calls import Promotion
from pipeline.components import Component
from pipeline.deployments import DeployWorkflow

PYTHON = CODE_TYPES["python"]


def python(**settings: Any) -> Component:
    (found,) = read(components={"python": settings}).components
    return found


# `produces` -> the products whose commands make up the build, in order.
CHOICES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "left out: a Lambda zip": ({}, ["lambda-package.zip"]),
    "a Lambda zip": ({"produces": ["lambda-package.zip"]}, ["lambda-package.zip"]),
    "a wheel": ({"produces": ["dist"]}, ["dist"]),
    "a wheel, written otherwise": ({"produces": ["./dist/"]}, ["dist"]),
    "both": ({"produces": ["dist", "lambda-package.zip"]}, ["dist", "lambda-package.zip"]),
    "one twice": ({"produces": ["dist", "dist"]}, ["dist"]),
    "nothing": ({"produces": []}, []),
}


@pytest.mark.parametrize("case", CHOICES)
def test_products_choose_the_build(case: str) -> None:
    settings, products = CHOICES[case]
    found = python(**settings)
    assert list(found.produces) == products
    built = [PYTHON.products[product] for product in products]
    assert found.commands.get("build", "") == "\n".join(built)


@pytest.mark.parametrize(
    "settings, produces",
    [
        ({"build": "make"}, ("lambda-package.zip",)),
        ({"build": "make", "produces": ["a", "b/c"]}, ("a", "b/c")),
        ({"build": "make", "produces": []}, ()),
        ({"build": ""}, ()),
        ({"build": "", "produces": []}, ()),
    ],
    ids=["own build, usual product", "own products", "none", "off", "off, without products"],
)
def test_products_of_an_own_build(settings: dict[str, Any], produces: tuple[str, ...]) -> None:
    found = python(**settings)
    assert found.produces == produces
    assert found.commands.get("build", "") == settings["build"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown product": ({"produces": ["whl"]}, "choose among: lambda-package.zip, dist"),
    "switched off, yet produced": ({"build": "", "produces": ["dist"]}, "`build` is empty"),
    "the whole folder": ({"build": "make", "produces": ["."]}, "whole folder"),
    "the whole folder, disguised": ({"build": "make", "produces": ["./"]}, "whole folder"),
    "out of the folder": ({"build": "make", "produces": ["../x"]}, "leaves the repository"),
    "absolute": ({"build": "make", "produces": ["/x"]}, "absolute"),
    "glob": ({"build": "make", "produces": ["*.zip"]}, "write the path without it"),
    "same but for case": ({"build": "make", "produces": ["a", "A"]}, "collides"),
    "one in the other": ({"build": "make", "produces": ["a", "a/b"]}, "lies in"),
    "one in the other by case": ({"build": "make", "produces": ["A/b", "a"]}, "lies in"),
    "text": ({"produces": "dist"}, "expected a list"),
}


@pytest.mark.parametrize("case", WRONG)
def test_refused_products(case: str) -> None:
    settings, says = WRONG[case]
    message = refusal(components={"python": settings})
    assert message.startswith("components.python.produces: ")
    assert says in message


def test_a_code_type_without_products_needs_a_build() -> None:
    assert "write a `build`" in refusal(components={"x": generic(produces=["a"])})


CHAIN: dict[str, Any] = {
    "components": {
        "site": generic(path="web", build="make", produces=["dist", "a b.txt"], deploy="ship"),
        "infra": generic(
            path="iac", lint="l", test="t", security="s", build="b", produces=["plan"], deploy="d"
        ),
    },
    "dependency_map": [
        {
            "code_type": "infra",
            "depends_on": "site",
            "artifacts": ["dist", {"name": "a b.txt", "to": "iac/in put.txt"}],
        }
    ],
    "environments": [{"name": "dev", "branch": "main"}],
}


IN_ROOT = generic(build="make", produces=["dist", "a b.txt"], deploy="ship")


def workflows(component: str, **more: Any) -> tuple[BuildWorkflow, DeployWorkflow]:
    made = plan(**{**CHAIN, **more})
    (build,) = (b for b in made.builds if b.component.name == component)
    (deploy,) = (d for d in made.deploys if d.component.name == component)
    return build, deploy


def test_a_package_is_placed_and_a_variable_names_its_folder() -> None:
    """In the build and in the deployment."""
    for workflow in workflows("infra"):
        assert [(p.producer, p.files) for p in workflow.packages] == [
            ("site", ("a b.txt -> iac/in put.txt", "dist"))
        ]
        assert workflow.variables["SITE_PACKAGE"] == "${{ github.workspace }}/.packages/site"
    for workflow in workflows("site"):
        assert workflow.packages == () and "SITE_PACKAGE" not in workflow.variables


def test_a_deployment_gets_the_package_of_its_own_build() -> None:
    """Where it was made, from the same run, by the digest of the build or of `changes`."""
    _, deploy = workflows("infra")
    assert deploy.own and deploy.own.files == ("plan -> iac/plan",)
    _, deploy = workflows("site")
    assert deploy.own and deploy.own.files == ("dist -> web/dist", "a b.txt -> web/a b.txt")
    assert deploy.this_run == (
        '{"site": {"run": ${{ github.run_id }}, "digest": "${{ inputs.digest }}"}}'
    )
    _, deploy = workflows("site", components={**CHAIN["components"], "site": IN_ROOT})
    assert deploy.own and deploy.own.files == ("dist -> dist", "a b.txt -> a b.txt")


def test_a_deployment_without_products_gets_no_package() -> None:
    components = {"x": generic(lint="l", build="make", deploy="ship")}
    made = plan(components=components)
    (build,), (deploy,) = made.builds, made.deploys
    assert deploy.own is None and build.produces == ()
    assert "digest" not in {each.name for each in deploy.inputs}
    assert "retention-days" not in build.reads


def test_no_artifacts_means_no_package() -> None:
    waits = [{"code_type": "infra", "depends_on": "site", "artifacts": []}]
    for workflow in workflows("infra", dependency_map=waits):
        assert not workflow.packages
        assert "packages" not in {each.name for each in workflow.inputs}
        assert "SITE_PACKAGE" not in workflow.variables


def test_packages_are_kept_as_long_as_their_environment_says() -> None:
    """In the first environment of a chain by the build, later by the job that promotes them."""
    made = plan(
        components={"x": generic(build="make", produces=["x"], deploy="d")}, branching="trunk"
    )
    built = {c.id: c.inputs["retention-days"] for o in made.orchestrators for c in o.builds}
    over = {
        o.environment.name: [p.retention_days for p in o.changes.promotions]
        for o in made.orchestrators
    }
    assert (built, over) == ({"x-build": 37}, {"dev": [], "test": [37], "prd": [30]})
    alone = {w.id: w.changes.promotions for w in made.workflows if w.changes}
    assert alone == {
        "x-dev": (),
        "x-test": (Promotion("x", "test dev", "same-commit", 37),),
        "x-prd": (Promotion("x", "prd test dev", "same-commit", 30),),
    }
    (checks,) = made.pull_requests
    assert not [call for call in checks.calls if "retention-days" in call.inputs]
    (length,) = (i.default for i in made.builds[0].inputs if i.name == "retention-days")
    assert length == 1  # nothing deploys packages of a pull request


@pytest.mark.parametrize(
    "component", ["a", "a-b", "A_b"], ids=["plain", "dash", "underscore and case"]
)
def test_the_variable_of_a_package_has_a_valid_name(component: str) -> None:
    (deploy,) = plan(
        components={component: generic(build="b", produces=["x"]), "z": generic(deploy="d")},
        dependency_map={"z": component},
    ).deploys
    (name,) = (n for n in deploy.variables if n.endswith("_PACKAGE"))
    assert name == f"{component.upper().replace('-', '_')}_PACKAGE"
    assert name.replace("_", "a").isalnum() and name.isascii()


def test_the_digest_of_an_image_is_an_output() -> None:
    """For every build of a code type with that output; `generic` has none."""
    made = plan(
        components={
            "docker": {},
            "own": {"code_type": "docker", "build": "make", "produces": ["docker-image", "log"]},
            "x": generic(build="make", produces=["docker-image"]),
            "none": {"code_type": "docker", "build": ""},
        }
    )
    found = {build.component.name: build.outputs for build in made.builds}
    assert found == {"docker": ("image",), "own": ("image",), "x": (), "none": ()}
