"""What components produce, which build makes it, and where jobs find it."""

from __future__ import annotations

from typing import Any

import pytest
from made_answers import CODE_TYPES, generic, plan, read, refusal
from pipeline.components import Component

PYTHON = CODE_TYPES["python"]


def python(**settings: Any) -> Component:
    (found,) = read(components={"python": settings}).components
    return found


# `produces` -> the products whose commands the build is made of, in order.
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
    assert found.commands.get("build", "") == "\n".join(one.command for one in built)
    assert found.pull_request.get("build", "") == "\n".join(one.pull_request for one in built)


@pytest.mark.parametrize(
    "settings, produces",
    [
        ({"build": "make"}, ("lambda-package.zip",)),
        ({"build": "make", "produces": ["a", "b/c"]}, ("a", "b/c")),
        ({"build": "make", "produces": []}, ()),
        ({"build": ""}, ()),
        ({"build": "", "produces": []}, ()),
    ],
    ids=["own build, usual product", "own products", "none", "off", "off, said twice"],
)
def test_an_own_build(settings: dict[str, Any], produces: tuple[str, ...]) -> None:
    found = python(**settings)
    assert found.produces == produces
    assert found.commands.get("build", "") == settings["build"]
    assert found.pull_request.get("build", "") == settings["build"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown product": ({"produces": ["whl"]}, "choose among: lambda-package.zip, dist"),
    "switched off, yet produced": ({"build": "", "produces": ["dist"]}, "switched off"),
    "the whole folder": ({"build": "make", "produces": ["."]}, "whole folder"),
    "the whole folder, disguised": ({"build": "make", "produces": ["./"]}, "whole folder"),
    "out of the folder": ({"build": "make", "produces": ["../x"]}, "leaves the repository"),
    "absolute": ({"build": "make", "produces": ["/x"]}, "absolute"),
    "glob": ({"build": "make", "produces": ["*.zip"]}, "write it out"),
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
    assert "say `build`" in refusal(components={"x": generic(produces=["a"])})


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


def jobs(component: str) -> dict[str, Any]:
    made = plan(**CHAIN)
    (workflow,) = (w for w in made.workflows if w.component.name == component)
    return {job.id: job for job in workflow.jobs}


def test_upstream_packages_come_before_build_and_deploy() -> None:
    found = jobs("infra")
    upstream = {
        name: [p.artifact for p in job.packages if not p.own] for name, job in found.items()
    }
    wanted = ["site-package-dev"]
    assert upstream == {"lint": [], "test": [], "security": [], "build": wanted, "deploy": wanted}


def test_terraform_validates_with_the_package_in_place() -> None:
    made = plan(code_types=["python", "terraform"])
    for workflow in made.workflows:
        if workflow.component.name == "terraform":
            placed = {job.id for job in workflow.jobs if any(not p.own for p in job.packages)}
            assert placed == {"test", "deploy"}


def test_a_package_is_placed_and_its_folder_named() -> None:
    (package,) = jobs("infra")["build"].packages
    assert package.folder == ".packages/site"
    assert package.copies == (("'.packages/site/a b.txt'", "'iac/in put.txt'"),)
    assert set(package.wanted) == {"dist", "'a b.txt'"}
    assert jobs("infra")["build"].variables[package.variable].endswith("/.packages/site")


def test_deploy_gets_back_what_its_own_build_made() -> None:
    (own,) = (p for p in jobs("infra")["deploy"].packages if p.own)
    assert own.artifact == "infra-package-dev"
    assert own.copies == ((".packages/infra/plan", "iac/plan"),)
    (own,) = jobs("site")["deploy"].packages
    assert own.copies == (
        (".packages/site/dist", "web/dist"),
        ("'.packages/site/a b.txt'", "'web/a b.txt'"),
    )


def test_order_only_means_no_package() -> None:
    given = {
        **CHAIN,
        "dependency_map": [{"code_type": "infra", "depends_on": "site", "artifacts": []}],
    }
    (infra,) = (w for w in plan(**given).workflows if w.component.name == "infra")
    assert infra.waits_for == ("site",)
    assert not infra.producers
    assert all(package.own for job in infra.jobs for package in job.packages)


@pytest.mark.parametrize(
    "component", ["a", "a-b", "A_b"], ids=["plain", "dash", "underscore and case"]
)
def test_the_variable_of_a_package_is_one_for_a_shell(component: str) -> None:
    made = plan(
        components={component: generic(build="b", produces=["x"]), "z": generic(deploy="d")},
        dependency_map={"z": component},
    )
    for workflow in made.workflows:
        for job in workflow.jobs:
            assert all(
                name.replace("_", "a").isalnum() and name.isascii() for name in job.variables
            )
