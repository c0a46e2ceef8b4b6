"""Components: their settings, what their code type adds, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_answers import (
    CATALOGUE,
    KNOWN_PLACES,
    answers,
    generic,
    plan,
    quick,
    read,
    refusal,
)
from pipeline.answers import ORCHESTRATIONS, read_answers
from pipeline.builds import BuildWorkflow
from pipeline.code_type_model import JOBS
from pipeline.components import Component
from pipeline.deployments import DeployWorkflow
from pipeline.errors import AnswerError
from pipeline.plan import Plan, make_plan


def component(name: str = "x", /, **settings: Any) -> Component:
    """A component with these settings."""
    (found,) = read(components={name: settings}).components
    return found


def test_a_selected_code_type_is_a_component() -> None:
    found = read(code_types=["terraform", "python"]).components
    assert [(c.name, c.code_type.name, c.path) for c in found] == [
        ("python", "python", "."),
        ("terraform", "terraform", "."),
    ]


def test_settings_of_a_selected_code_type() -> None:
    given_settings = {"python": {"path": "src"}, "worker": {"code_type": "python"}}
    by_selection = read(code_types=["python"], components=given_settings)
    assert by_selection.components == read(components=given_settings).components
    assert [(c.name, c.path) for c in by_selection.components] == [
        ("python", "src"),
        ("worker", "."),
    ]


def test_a_component_without_settings_has_defaults() -> None:
    assert read(components={"python": None}).components == read(code_types=["python"]).components


def test_components_as_text() -> None:
    """`--data` passes answers as text."""
    text = read(code_types="[python]", components="{a: {code_type: generic, path: s}}")
    assert [c.name for c in text.components] == ["a", "python"]


@pytest.mark.parametrize("job", JOBS)
def test_a_command_replaces_the_code_types_own(job: str) -> None:
    usual = component("python").commands
    found = component("python", **{job: "make it"}).commands
    assert found == {j: "make it" if j == job else usual[j] for j in JOBS if j == job or j in usual}


@pytest.mark.parametrize("off", ["", " ", "\n", " \n\t"], ids=["empty", "space", "line", "blank"])
@pytest.mark.parametrize("job", JOBS)
def test_an_empty_command_switches_a_job_off(job: str, off: str) -> None:
    usual = component("python").commands
    assert component("python", **{job: off}).commands == {
        j: c for j, c in usual.items() if j != job
    }


def test_a_component_without_commands_keeps_its_place() -> None:
    """It is part of the order and has workflows, but runs nothing."""
    made = plan(components={"x": generic(), "y": generic(deploy="d")}, dependency_map={"y": "x"})
    assert [o.waves for o in made.orchestrators] == [(("x",), ("y",))] * 3
    assert [b.component.name for b in (*made.builds, *made.deploys)] == ["y"]
    assert {w.id: (w.jobs, w.what) for w in made.workflows if w.component.name == "x"} == {
        f"x-{name}": (("changes",), f"Checks the commit alone: x has nothing to do in {name}")
        for name in ("dev", "test", "prd")
    }


# Case -> the settings of `x`, the place below `components.x`, and a part of the message.
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown code type": ({"code_type": "pyton"}, ".code_type", "did you mean 'python'?"),
    "no code type": ({}, "", "set its code_type"),
    "code type as a number": ({"code_type": 3}, ".code_type", "expected text"),
    "unknown key": (generic(comand="x"), "", "unknown key 'comand'"),
    "a near key": (generic(pth="x"), "", "did you mean 'path'?"),
    "absolute path": (generic(path="/src"), ".path", "absolute"),
    "path out of the repository": (generic(path="../src"), ".path", "leaves the repository"),
    "path out, later": (generic(path="a/../../b"), ".path", "leaves the repository"),
    "path of a drive": (generic(path="C:\\src"), ".path", "backslash"),
    "path of a drive with /": (generic(path="C:/src"), ".path", "absolute"),
    "path in a home": (generic(path="~/src"), ".path", "absolute"),
    "path in git": (generic(path=".GIT/x"), ".path", "git's own folder"),
    "path as an option": (generic(path="-rf"), ".path", "option"),
    "path with an expression": (generic(path="${{ x }}"), ".path", "expression"),
    "path with a newline": (generic(path="a\nb"), ".path", "not a path"),
    "path for no Windows": (generic(path="a?b"), ".path", "Windows"),
    "empty path": (generic(path=""), ".path", "not a path"),
    "path as a date": (generic(path=False), ".path", "in quotes"),
    "expression in a command": (generic(lint="echo ${{ x }}"), ".lint", "must not hold"),
    "control character in a command": (generic(lint="a\x1b[0m"), ".lint", "control character"),
    "carriage return in a command": (generic(lint="a\r\nb"), ".lint", "control character"),
    "command as a list": (generic(lint=["a"]), ".lint", "expected text"),
    "command that YAML reads": (generic(lint=True), ".lint", "in quotes"),
    "variable with a space": (generic(env={"A B": "x"}), ".env", "not a variable's name"),
    "variable with a digit first": (generic(env={"1A": "x"}), ".env", "not a variable's name"),
    "GitHub's variable": (generic(env={"github_x": "x"}), ".env", "reserved by GitHub"),
    "the runner's variable": (generic(env={"RUNNER_X": "x"}), ".env", "reserved by GitHub"),
    "variable as a list": (generic(env={"A": []}), ".env.A", "expected text"),
    "variable that YAML reads": (generic(env={"A": True}), ".env.A", "in quotes"),
    "version that YAML shortens": (generic(env={"A": 3.10}), ".env.A", "in quotes"),
    "variable without a value": (generic(env={"A": None}), ".env.A", "not nothing"),
    "variable with a secret": (generic(env={"A": "${{ secrets.A }}"}), ".env.A", "`secrets`"),
    "variable with more": (generic(env={"A": "x ${{ vars.A }}"}), ".env.A", "expression"),
    "variable with an operator": (generic(env={"A": "${{ vars.A || 1 }}"}), ".env.A", "expression"),
    "variable with a control character": (generic(env={"A": "\x00"}), ".env.A", "control"),
    "secret with a dash": (generic(deploy="x", secrets=["a-b"]), ".secrets", "not a variable's"),
    "GitHub's secret": (generic(deploy="x", secrets=["GITHUB_TOKEN"]), ".secrets", "reserved"),
    "secret and variable": (
        generic(deploy="x", secrets=["A"], env={"A": "x"}),
        ".env",
        "the secret A",
    ),
    "secrets but for case": (generic(deploy="x", secrets=["A", "a"]), ".secrets", "collides"),
    "secret for no command": (generic(lint="x", secrets=["A"]), ".secrets", "no such command"),
    "secrets as text": (generic(deploy="x", secrets="A"), ".secrets", "expected a list"),
    "no minutes": (generic(timeout_minutes=0), ".timeout_minutes", "1 to 360"),
    "many minutes": (generic(timeout_minutes=361), ".timeout_minutes", "1 to 360"),
    "half minutes": (generic(timeout_minutes=1.5), ".timeout_minutes", "whole number"),
    "minutes as truth": (generic(timeout_minutes=True), ".timeout_minutes", "whole number"),
    "empty runner": (generic(runner=""), ".runner", "empty"),
    "no labels": (generic(runner=[]), ".runner", "at least one"),
    "unknown key of a runner": (generic(runner={"grup": "x"}), ".runner", "did you mean 'group'?"),
    "empty mapping as a runner": (generic(runner={}), ".runner", "group or labels"),
    "runner by expression": (generic(runner="${{ x }}"), ".runner", "not a runner's label"),
    "label by expression": (generic(runner=["a", "${{ x }}"]), ".runner", "not a runner's label"),
    "unknown cloud": (generic(cloud="azur"), ".cloud", "did you mean 'azure'?"),
    "cloud by case": (generic(cloud="AWS"), ".cloud", "did you mean 'aws'?"),
    "cloud as a list": (generic(cloud=["aws"]), ".cloud", "expected text"),
    "cloud that YAML reads": (generic(cloud=False), ".cloud", "in quotes"),
    "no cloud at all": (generic(cloud=None), ".cloud", "not nothing"),
    "published by words": (generic(publish="yes"), ".publish", "expected true or false"),
    "published by nobody": (generic(publish=True), ".publish", "generic has no command that publi"),
    "published and deployed": (
        {"code_type": "python", "publish": True, "deploy": "make"},
        ".publish",
        "a `deploy` of its own, too; remove one of them",
    ),
    "published, and not deployed": (
        {"code_type": "python", "publish": True, "deploy": ""},
        ".publish",
        "a `deploy` of its own, too; remove one of them",
    ),
    "published without a build": (
        {"code_type": "python", "publish": True, "build": " "},
        ".publish",
        "`build` is empty, so there is no 'dist' to publish; remove `build` or `publish`",
    ),
    "published without the product": (
        {"code_type": "python", "publish": True, "produces": ["lambda-package.zip"]},
        ".publish",
        "it publishes 'dist', which `produces` does not name; add it",
    ),
    "published without any product": (
        {"code_type": "python", "publish": True, "produces": []},
        ".publish",
        "which `produces` does not name",
    ),
    "published by no tag": (
        {"code_type": "python", "publish": True},
        ".publish",
        "no environment starts from a tag, so nothing would ever be published; choose "
        "`branching: release`, or give an environment a `tag`",
    ),
    "registry of its own": (generic(registry="ghcr.io"), "", "unknown key 'registry'"),
    "environment as text": (generic(environments="dev"), ".environments", "expected a list"),
    "no environment": (generic(environments=[]), ".environments", "at least one"),
    "environments as numbers": (generic(environments=[1]), ".environments[0]", "expected text"),
    "built for each in words": (
        generic(build="b", build_per_environment="yes"),
        ".build_per_environment",
        "expected true or false",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_refused_settings(case: str) -> None:
    settings, place, says = WRONG[case]
    message = refusal(components={"x": settings})
    assert message.startswith(f"components.x{place}: ")
    assert says in message


# Invalid names of components.
NAMES: dict[str, Any] = {
    "space": "a b", "slash": "a/b", "dot": "a.b", "digit first": "1a", "dash first": "-a",
    "dash last": "a-", "two dashes": "a--b", "emoji": "😀", "umlaut": "bü", "quote": "it's",
    "newline": "a\n", "expression": "${{ x }}", "empty": "", "long": "a" * 41, "shell": "$(id)",
    "up": "..", "reserved": "orchestrator", "reserved by case": "Orchestrator",
    "truth": True, "number": 3, "nothing": None,
}  # fmt: skip


@pytest.mark.parametrize("case", NAMES)
def test_refused_names(case: str) -> None:
    assert refusal(components={NAMES[case]: generic()}).startswith("components")


@pytest.mark.parametrize("name", ["a" * 40, "on", "null", "No", "a_b-c9"])
def test_unusual_names_are_accepted(name: str) -> None:
    assert component(name, **generic()).name == name


# Components and environments whose names collide somewhere.
CLASHES: dict[str, tuple[list[str], list[str]]] = {
    "case": (["api", "API"], ["dev"]),
    "variable of the package": (["a-b", "a_b"], ["dev"]),
    "file": (["a", "a-b"], ["b-c", "c"]),
    "file by case": (["A", "a-b"], ["b-c", "c"]),
    "file beside that of a build": (["a", "a-build"], ["dev", "build-dev"]),
    "file beside that of a deployment": (["a", "a-deploy"], ["dev", "Deploy-dev"]),
    "file of a build": (["a", "a-x"], ["x-build", "dev"]),
    "orchestrator's file": (["orchestrator-x"], ["dev", "x-dev"]),
    "the summary's job": (["deployment"], ["summary"]),
    "the file for pull requests": (["pull"], ["request"]),
    "the file for pull requests by case": (["Pull"], ["REQUEST"]),
    "orchestrator's name": (["orchestrator_x"], ["dev", "x-dev"]),
    "builds' own name": (["a"], ["build"]),
    "deployments' own name": (["a"], ["Deploy"]),
    "approvals of another": (["a"], ["dev", "DEV-approval"]),
    "group of an approval": (["a", "a-dev"], ["dev", "approval"]),
    "group of an approval for an event": (["dev-approval"], ["dev", "push"]),
}


@pytest.mark.parametrize("case", CLASHES)
def test_names_that_collide_are_refused(case: str) -> None:
    """Two files, jobs, concurrency groups or workflows would have the same name."""
    names, environments = CLASHES[case]
    first, *others = environments
    message = refusal(
        components={name: generic(lint="true") for name in names},
        environments=[
            {"name": first, "branch": "main"},
            *({"name": name, "after": first} for name in others),
        ],
    )
    assert message
    assert message.startswith(("components", "environments"))


@pytest.mark.parametrize("orchestration", ORCHESTRATIONS)
def test_similar_names_that_do_not_collide_are_accepted(orchestration: str) -> None:
    """For example, a component `x-build` beside the build of `x`."""
    names = ["x", "x-build", "x-deploy", "x-build-build", "x-dev", "drift", "changes", "watch"]
    made = plan(
        components={name: generic(build="b", produces=["x"], deploy="d") for name in names},
        orchestration=orchestration,
        environments=[{"name": name, "branch": name} for name in ("dev", "b-build", "changes")],
        drift_check=True,
    )
    jobs = [o.summary_needs for o in made.orchestrators]
    assert all(len(ids) == len(set(ids)) for ids in (*jobs, made.files))
    packages = [f"{c}-package-{e.name}" for c in names for e in made.environments]
    assert len(set(packages)) == len(packages)


@pytest.mark.parametrize(
    ("orchestration", "most", "fix"),
    [
        ("call", 50, "choose dispatch, or merge some"),
        ("dispatch", 250, "merge some"),
        ("observe", 49, "choose dispatch, or merge some"),
    ],
)
def test_the_most_components_of_each_orchestration(orchestration: str, most: int, fix: str) -> None:
    """One run may call 50 different workflows."""

    def given(number: int) -> dict[str, Any]:
        components = {f"c{i}": generic() for i in range(number)}
        return {"components": components, "orchestration": orchestration, "pull_requests": False}

    assert len(plan(**given(most)).waves[0]) == most
    takes = f"{orchestration} takes at most {most}, because"
    message = refusal(**given(most + 1))
    assert message.startswith(f"orchestration: there are {most + 1} components, and {takes}")
    assert f"; {fix}, " in message
    assert refusal(**given(10_000)).startswith(
        f"orchestration: there are 10000 components, and {takes}"
    )


def test_selected_code_types_count_as_components() -> None:
    components = {f"c{i}": generic() for i in range(49)}
    assert refusal(code_types=["python", "terraform"], components=components)
    assert not refusal(code_types=["python"], components=components)


# Variables, secrets, runner, timeout ----------------------------------------------------------

VALUES: dict[str, tuple[Any, str]] = {
    "text": ("x", "x"),
    "whole number": (3, "3"),
    "empty": ("", ""),
    "lines": ("a\n\tb", "a\n\tb"),
    "dollar": ("$HOME ${X}", "$HOME ${X}"),
    "configuration variable": ("${{ vars.A }}", "${{ vars.A }}"),
}


@pytest.mark.parametrize("case", VALUES)
def test_variables_are_text(case: str) -> None:
    value, expected = VALUES[case]
    assert component(**generic(env={"A": value})).env == {"A": expected}


def test_variables_of_a_component_take_precedence_over_its_environments() -> None:
    made = plan(
        components={"x": generic(deploy="true", env={"A": "own"})},
        environments=[{"name": "dev", "branch": "main", "env": {"A": "common", "B": "common"}}],
    )
    (deploy,) = made.deploys
    assert (deploy.variables["A"], deploy.variables["B"]) == ("own", "common")
    assert deploy.variables["ENVIRONMENT"] == "${{ inputs.environment }}"


# GitHub's parser ignores the case of keys. If two keys differ only by case, it reports "already
# defined" and runs nothing. Each of these must be refused, or become one variable.
SAME_VARIABLE: dict[str, dict[str, Any]] = {
    "two of a component": {"components": {"x": generic(deploy="t", env={"a": "1", "A": "2"})}},
    "environment and component": {
        "components": {"x": generic(deploy="t", env={"a": "1"})},
        "environments": [{"name": "dev", "branch": "main", "env": {"A": "2"}}],
    },
    "secret and variable": {
        "components": {"x": generic(deploy="t", secrets=["Token"], env={"TOKEN": "2"})}
    },
    "secret and environment's": {
        "components": {"x": generic(deploy="t", secrets=["Token"])},
        "environments": [{"name": "dev", "branch": "main", "env": {"TOKEN": "2"}}],
    },
    "our own": {"components": {"x": generic(deploy="t", env={"Environment": "1"})}},
    "a code type's": {"components": {"x": {"code_type": "docker", "env": {"image": "mine"}}}},
    "a code type's and a secret": {
        "components": {"x": {"code_type": "docker", "secrets": ["image"]}}
    },
    "a code type's and an environment's": {
        "code_types": ["kubernetes"],
        "environments": [{"name": "dev", "branch": "main", "env": {"kubeconfig": "mine"}}],
    },
    "what a cloud adds": {
        "components": {"x": {"code_type": "terraform", "env": {"arm_use_oidc": "false"}}},
        "cloud": "azure",
    },
    "a package's": {
        "components": {
            "x": generic(deploy="t", env={"p_package": "1"}),
            "p": generic(build="t", produces=["f"]),
        },
        "dependency_map": {"x": "p"},
    },
}


@pytest.mark.parametrize("case", SAME_VARIABLE)
def test_variables_never_differ_only_by_case(case: str) -> None:
    given_answers = SAME_VARIABLE[case]
    if refusal(**given_answers):
        return
    made = plan(**given_answers)
    for workflow in (*made.builds, *made.deploys):
        commands = (
            (workflow.command,) if isinstance(workflow, DeployWorkflow) else workflow.commands
        )
        for command in commands:
            names = {*workflow.variables, *command.variables}
            assert len({name.lower() for name in names}) == len(names)


# Variables with a name that the plan also uses: one value would silently replace the other.
LOST_VARIABLE: dict[str, dict[str, Any]] = {
    "a package's folder": {
        "x": generic(deploy="t", env={"P_PACKAGE": "mine"}),
        "p": generic(build="t", produces=["f"]),
    },
    "a package's folder, by a secret": {
        "x": generic(deploy="t", secrets=["P_PACKAGE"]),
        "p": generic(build="t", produces=["f"]),
    },
    "another name of a secret": {
        "x": {
            "code_type": "terraform",
            "secrets": ["TF_API_TOKEN"],
            "env": {"TF_TOKEN_app_terraform_io": "mine"},
        }
    },
}  # fmt: skip


@pytest.mark.parametrize("case", LOST_VARIABLE)
def test_no_variable_is_silently_replaced(case: str) -> None:
    components = LOST_VARIABLE[case]
    written = {"x": "p"} if "p" in components else {}
    assert refusal(components=components, dependency_map=written)


RUNNERS: dict[str, Any] = {
    "label": "macos-latest",
    "labels": ["self-hosted", "linux"],
    "group": {"group": "large"},
    "group and label": {"group": "large", "labels": "x64"},
    "group and labels": {"group": "large", "labels": ["x64", "gpu"]},
}


def workflows_of(made: Plan, component: str) -> list[BuildWorkflow | DeployWorkflow]:
    return [w for w in (*made.builds, *made.deploys) if w.component.name == component]


@pytest.mark.parametrize("case", RUNNERS)
def test_runners(case: str) -> None:
    """`runner` of a component counts for its build and deployment."""
    usual = generic(lint="true", deploy="true")
    runner = RUNNERS[case]
    common = plan(components={"x": usual}, runner=runner)
    assert [w.runner for w in workflows_of(common, "x")] == [runner] * 2
    own = plan(components={"x": {**usual, "runner": runner}, "y": usual})
    assert [w.runner for w in workflows_of(own, "x")] == [runner] * 2
    assert [w.runner for w in workflows_of(own, "y")] == ["ubuntu-latest"] * 2
    assert (common.own_runner, own.own_runner) == (case != "label", False)


def test_a_timeout_holds_for_build_and_deployment() -> None:
    made = plan(components={"x": {"code_type": "python", "timeout_minutes": 7, "deploy": "x"}})
    assert [w.timeout_minutes for w in workflows_of(made, "x")] == [7, 7]
    usual = plan(components={"x": {"code_type": "python", "deploy": "x"}})
    assert [w.timeout_minutes for w in workflows_of(usual, "x")] == [60, 60]


# All other answers -----------------------------------------------------------------------------

PROJECT_NAMES: dict[str, tuple[Any, bool]] = {
    "words": ("My shop", True),
    "quotes": ('it\'s "ours"', True),
    "emoji": ("shop 😀", True),
    "number": (2024, True),
    "empty": ("", False),
    "blank": ("  ", False),
    "lines": ("a\nb", False),
    "expression": ("${{ x }}", False),
    "long": ("a" * 101, False),
    "list": (["a"], False),
    "nothing": (None, False),
    "YAML's yes": (True, False),
    "YAML's no": (False, False),
}


@pytest.mark.parametrize("case", PROJECT_NAMES)
def test_project_names(case: str) -> None:
    value, fine = PROJECT_NAMES[case]
    message = refusal(project_name=value)
    assert message.startswith("" if fine else "project_name: ")
    assert bool(message) != fine


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown answer": ({"branchng": "x"}, "branchng: there is no such answer; did you"),
    "unknown code type": ({"code_types": ["pyhton"]}, "code_types: 'pyhton' is no code type"),
    "code types as text": ({"code_types": "python"}, "code_types: expected a list"),
    "code types as truth": ({"code_types": [True]}, "code_types[0]: expected text"),
    "no component": ({"code_types": [], "components": {}}, "code_types: nothing is selected"),
    "components as a list": ({"components": ["x"]}, "components: expected a mapping"),
    "unknown orchestration": ({"orchestration": "cal"}, "orchestration: 'cal' is not a choice"),
    "unknown cloud": ({"cloud": "amazon"}, "cloud: 'amazon' is not a choice"),
    "unknown approval": ({"approval": "onec"}, "approval: 'onec' is not a choice; did you mean"),
    "approval that YAML reads": ({"approval": False}, "approval: expected text"),
    "pull requests in words": ({"pull_requests": "all"}, "pull_requests: expected true or false"),
    "registry as a list": ({"registry": ["ghcr.io"]}, "registry: expected text"),
    "registry that is nothing": ({"registry": None}, "registry: expected text, not nothing"),
    "cloud as a list": ({"cloud": ["aws"]}, "cloud: expected text"),
    "runner as a number": ({"runner": 3}, "runner: expected text"),
    "broken YAML": ({"components": "{a: [}"}, "components: '{a: [}' is not YAML"),
    "a date that is none": ({"components": "2024-13-45"}, "components: '2024-13-45' is not YAML"),
    "a thousand brackets": ({"components": "[" * 1000}, "components: "),
    "a reference to nothing": ({"components": "*x"}, "components: '*x' is not YAML"),
    "a Python object": ({"components": "!!python/object:os.system {}"}, "components: "),
    "a control character": ({"components": "\x00"}, "components: "),
    "a list that holds itself": ({"dependency_map": "&a [*a]"}, "dependency_map[0]: "),
    "an empty number": ({"runner": "!!int ''"}, "runner: "),
    "a truth that is none": ({"runner": "!!bool x"}, "runner: "),
    "a time that is none": ({"runner": "!!timestamp x"}, "runner: "),
    "a number beyond all": ({"runner": ":".join(["9"] * 200) + ".5"}, "runner: "),
    "a number of many digits": ({"runner": "0x" + "f" * 5000}, "runner: "),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_other_refusals(case: str) -> None:
    given_answers, opening = OTHERS[case]
    if case == "no component":
        with pytest.raises(AnswerError, match=opening):
            read_answers(given_answers, CATALOGUE)
        return
    message = refusal(**given_answers)
    assert message.startswith(opening)
    assert message.isprintable()


json_garbage = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["python", "generic", "on", "code_type", "depends_on", "name", "{a: b}", "[x]"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(
                ["python", "x", "code_type", "depends_on", "artifacts", "env", "labels"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def check_verdict(given_answers: dict[str, Any]) -> None:
    """The answers are accepted, or refused in one line that begins with the place."""
    try:
        make_plan(read_answers(given_answers, CATALOGUE))
    except AnswerError as error:
        message = str(error)
        assert message.isprintable()
        place, cause = message.split(": ", 1)
        assert place.startswith(KNOWN_PLACES)
        assert cause.strip()


@quick
@given(st.dictionaries(st.sampled_from(KNOWN_PLACES), json_garbage, max_size=4))
def test_garbage_is_accepted_or_refused(garbage: dict[str, Any]) -> None:
    check_verdict(garbage)


@quick
@given(answers(), st.data())
def test_damaged_answers_are_accepted_or_refused(made: dict[str, Any], data: st.DataObject) -> None:
    """One value at any depth of valid answers is replaced by garbage."""
    made = copy.deepcopy(made)  # A change in one example must not affect the next.
    parent: Any = made
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        key = data.draw(st.sampled_from(keys))
        inner = parent[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        parent = inner
    parent[key] = data.draw(json_garbage)
    check_verdict(made)


@quick
@given(st.text(alphabet="{}[]:,-&*!|>'\"%@#?\n\t aon019.~=<_", max_size=14))
def test_any_text_is_accepted_or_refused(text: str) -> None:
    """`--data` passes text, which is read as YAML."""
    for name in ("components", "dependency_map", "environments", "runner", "code_types"):
        check_verdict({"code_types": ["python"], name: text})


@quick
@given(answers())
def test_valid_random_answers_are_rarely_refused(made: dict[str, Any]) -> None:
    """Otherwise tests with random plans would prove little. Only colliding names are refused."""
    message = refusal(**made)
    assert not message or "collides" in message or "reserved" in message
