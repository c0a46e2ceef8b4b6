"""Variables that differ between environments, with the values that GitHub computes for each."""

from __future__ import annotations

import json
import re
from typing import Any

from expressions import evaluated
from hypothesis import given
from hypothesis import strategies as st
from made_answers import awkward, generic, plan, printable, refusal, slow
from pipeline.plan import Plan

Values = dict[str, dict[str, str]]
"""The variables of each environment."""

NAMES = ["A", "B_1", "IMAGE"]
EXPRESSION = "${{ vars.X }}"
TRIGGERS: dict[str, dict[str, Any]] = {
    "dev": {"branch": "develop"},
    "Test-1": {"branch": "main"},
    "prd": {"after": "Test-1"},
}
PULL_REQUEST = "pull-request"


def planned(values: Values, **settings: Any) -> Plan:
    """The plan for an image that is also deployed."""
    environments = [{"name": n, **TRIGGERS[n], "env": env} for n, env in values.items()]
    component = {"code_type": "docker", "deploy": "ship", **settings}
    return plan(components={"x": component}, environments=environments)


def contexts(environment: str, variable: str | None) -> dict[str, Any]:
    """The contexts of a job. With None, GitHub has no configuration variable X."""
    return {
        "inputs": {"environment": environment, "commit": "c", "push": True, "cache": False},
        "vars": {} if variable is None else {"X": variable},
        "github": {"repository": "o/r", "workspace": "/w"},
        "steps": {},
    }


def check_values(cases: list[tuple[Values, dict[str, str], str | None]]) -> None:
    """Each job has exactly the values of its environment, and a pull request has none of them.

    Variables of the component take precedence. Other values are those of the code type, or empty.
    """
    asked, expected = [], []
    for values, own, variable in cases:
        made = planned(values, env=own)
        (build,), (deploy,) = made.builds, made.deploys
        commands = {c.id: c.variables for c in build.commands}
        jobs = [(environment, deploy.variables, deploy.command.variables) for environment in values]
        jobs += [(e, build.variables, commands["build"]) for e in (*values, PULL_REQUEST)]
        for environment, of_job, of_command in jobs:
            said = {**values.get(environment, {}), **own}
            usual = {"IMAGE": "ghcr.io/o/r/x"} if of_command is commands["build"] else {}
            for name in NAMES:
                # Variables of a step take precedence over those of the job.
                found = of_command.get(name, of_job.get(name, ""))
                asked.append((found, contexts(environment, variable)))
                wanted = said.get(name, usual.get(name, ""))
                expected.append((variable or "") if wanted == EXPRESSION else wanted)
    for (text, context), found, wanted in zip(asked, evaluated(asked), expected, strict=True):
        assert found == wanted, (text, context["inputs"]["environment"])


BRACES = ["{", "}", "{0}", "}}", "{{ a }}", "'", "''", '"', "it's {0}", "\\", "a\nb", "#", ": "]
text_or_variable = st.one_of(
    awkward, printable, st.sampled_from(BRACES), st.just(EXPRESSION), st.just(EXPRESSION)
).filter(lambda value: "${{" not in value or value == EXPRESSION)
variables = st.dictionaries(st.sampled_from(NAMES), text_or_variable)
values = st.fixed_dictionaries({name: variables for name in TRIGGERS})
case = st.tuples(
    values,
    st.dictionaries(st.sampled_from(NAMES), text_or_variable, max_size=1),
    st.none() | st.sampled_from(BRACES) | printable,
)


@slow
@given(st.lists(case, min_size=30, max_size=60))
def test_any_values(cases: list[tuple[Values, dict[str, str], str | None]]) -> None:
    check_values(cases)


def read_by(made: Plan, *environments: str) -> list[dict[str, str]]:
    """The build's own variables of these names, in each environment."""
    (build,) = made.builds
    own = {name: value for name, value in build.variables.items() if name in NAMES}
    asked = [(value, contexts(e, None)) for e in environments for value in own.values()]
    found = iter(evaluated(asked))
    return [{name: next(found) for name in own} for _ in environments]


def test_a_value_that_differs_is_a_table() -> None:
    """An equal value is plain text in a deployment. A build has tables, for pull requests."""
    made = planned(
        {
            "dev": {"A": "eu", "B_1": "it's"},
            "Test-1": {"A": "us", "B_1": "it's"},
            "prd": {"A": EXPRESSION, "B_1": "it's"},
        }
    )
    (build,), (deploy,) = made.builds, made.deploys
    both = """${{ fromJSON(format('{{"dev": "eu", "Test-1": "us", "prd": {0}}}', """
    both += "toJSON(vars.X)))[inputs.environment] }}"
    assert {n: deploy.variables[n] for n in ("A", "B_1")} == {"A": both, "B_1": "it's"}
    assert build.variables["A"] == both
    assert build.variables["B_1"] == (
        r"""${{ fromJSON('{"dev": "it\u0027s", "Test-1": "it\u0027s", "prd": "it\u0027s"}')"""
        "[inputs.environment] }}"
    )


def test_a_component_has_the_variables_of_its_own_environments() -> None:
    values = {"dev": {"A": "1"}, "Test-1": {"A": "2"}, "prd": {"A": "3", "B_1": "4"}}
    made = planned(values, environments=["dev", "prd"])
    (deploy,) = made.deploys
    assert (
        deploy.variables["A"]
        == """${{ fromJSON('{"dev": "1", "prd": "3"}')[inputs.environment] }}"""
    )
    (deploy,) = planned(values, environments=["prd"]).deploys
    assert (deploy.variables["A"], deploy.variables["B_1"]) == ("3", "4")


def test_a_build_has_the_variables_of_the_environment_that_it_runs_in() -> None:
    """Even if the component is deployed only later, or only its consumers are."""
    values = {"dev": {"A": "1"}, "Test-1": {"A": "2"}, "prd": {"A": "3", "B_1": "4"}}
    made = planned(values, environments=["prd"])
    assert read_by(made, "Test-1", "prd", "dev") == [
        {"A": "2", "B_1": ""},
        {"A": "3", "B_1": "4"},
        {"A": "", "B_1": ""},
    ]
    environments = [{"name": n, **TRIGGERS[n], "env": env} for n, env in values.items()]
    asks = generic(build="make $ENVIRONMENT_VARIABLES", produces=["x"])
    (build,) = plan(
        components={"lib": {**asks, "environments": ["dev"]}, "app": generic(deploy="d")},
        dependency_map={"app": "lib"},
        environments=environments,
    ).builds
    assert json.loads(build.variables["ENVIRONMENT_VARIABLES"]) == values


def test_a_build_can_read_the_variables_of_all_environments() -> None:
    """As JSON in ENVIRONMENT_VARIABLES, if its command reads that."""
    values = {
        "dev": {"A": "it's {0}", "B_1": EXPRESSION},
        "Test-1": {},
        "prd": {"A": 'a }} "b"\n', "IMAGE": "mine"},
    }
    (usual,) = planned(values, build="make", produces=["x"]).builds
    assert "ENVIRONMENT_VARIABLES" not in usual.variables
    asks = 'jq . <<< "$ENVIRONMENT_VARIABLES"'
    (build,) = planned(values, env={"IMAGE": "own"}, build=asks, produces=["x"]).builds
    table = build.variables["ENVIRONMENT_VARIABLES"]
    said = [None, 'it\'s {0} "c"']
    found = evaluated([(table, contexts("dev", variable)) for variable in said])
    assert [json.loads(text) for text in found] == [
        {"dev": {"A": "it's {0}", "B_1": variable}, "prd": {"A": 'a }} "b"\n'}} for variable in said
    ]
    (alone,) = planned(values, environments=["prd"], build=asks, produces=["x"]).builds
    assert json.loads(alone.variables["ENVIRONMENT_VARIABLES"]) == {"prd": values["prd"]}
    (build,) = planned({"dev": {}}, build="$ENVIRONMENT_VARIABLES", produces=["x"]).builds
    assert "ENVIRONMENT_VARIABLES" not in build.variables


def test_values_that_are_too_long_for_github_are_refused() -> None:
    """The limit counts for expressions. Text without one may be longer."""

    def message(env: dict[str, str], build: str, environments: list[str]) -> str:
        return refusal(
            components={"x": generic(build=build)},
            environments=[
                {"name": name, "branch": name, "env": {k: f"{v}{name}" for k, v in env.items()}}
                for name in environments
            ],
        )

    long = {"A": 6_990 * "x"}
    assert message(long, "make", ["a", "b"]) == ""
    assert message(long, "make", ["a", "b", "c"]) == (
        "environments.a.env.A: with the values of the other environments it has 21039 characters, "
        "and GitHub reads at most 21000; shorten them"
    )
    many = {f"A{number}": 5_000 * "x" for number in range(5)}
    assert message(many, "make $ENVIRONMENT_VARIABLES", ["a"]) == ""
    one = {"name": "a", "branch": "a", "env": {**many, "B": EXPRESSION}}
    built = {"x": generic(build="make $ENVIRONMENT_VARIABLES")}
    assert re.match(
        "environments.a.env: with .* 250\\d\\d characters, and GitHub reads at most 21000",
        refusal(components=built, environments=[one]),
    )


# The answers -> the environments whose builds may use a cache.
CACHES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "two branches": ({"branching": "develop-main"}, {"dev"}),
    "one branch": ({"branching": "trunk"}, set()),
    "a release": ({"branching": "release"}, {"ci"}),
    "no production": (
        {"environments": [{"name": "a", "branch": "main"}, {"name": "b", "after": "a"}]},
        {"a", "b"},
    ),
    "beside a production": (
        {
            "environments": [
                {"name": "a", "branch": "main"},
                {"name": "b", "after": "a"},
                {"name": "it", "after": "a", "production": True},
            ]
        },
        {"b"},
    ),
}


def test_builds_use_a_cache_unless_a_production_takes_them() -> None:
    """Builds of pull requests use it, too."""
    asked, expected = [], []
    for answers, cached in CACHES.values():
        made = plan(code_types=["docker", "python"], **answers)
        image, code = made.builds if made.builds[0].pushes else made.builds[::-1]
        (build,) = (c for c in image.commands if c.id == "build")
        (tool,) = (tool for tool in code.tools if "cache" in tool.inputs)
        for name in (PULL_REQUEST, *(e.name for e in made.environments)):
            for value in (build.variables["CACHE"], tool.inputs["cache"]):
                asked.append((value, {"inputs": {"environment": name}}))
                expected.append(str(name in {*cached, PULL_REQUEST}).lower())
    assert evaluated(asked) == expected
