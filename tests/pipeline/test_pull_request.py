"""Checks of pull requests: which builds run, what they wait for, and that none has credentials."""

from __future__ import annotations

import json
import re
from typing import Any

import copies
import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jobs_before import with_all_before
from made_answers import acyclic_graphs, costly, generic, plan, plans, quick, refusal
from pipeline.builds import BuildWorkflow
from pipeline.plan import Plan
from pipeline.pull_request import PullRequest


def checks(**answers: Any) -> PullRequest:
    (found,) = plan(**answers).pull_requests
    return found


def needs(found: PullRequest) -> dict[str, list[str]]:
    """Each checked component with all builds before it, in order."""
    assert all(call.needs[0] == "changes" for call in found.calls)
    return {
        call.id.removesuffix("-build"): [n.removesuffix("-build") for n in call.needs[1:]]
        for call in found.calls
    }


# Whole graphs --------------------------------------------------------------------------------


def test_the_lambda_example() -> None:
    found = checks(**copies.example("lambda"))
    assert list(needs(found).items()) == [("python", []), ("terraform", ["python"])]
    assert found.notices == ()
    assert (found.file, found.name) == ("pull-request.yml", "Pull Request")


def test_the_four_code_types() -> None:
    """Kubernetes also waits for terraform's deployment, which a pull request does not have."""
    code_types = ["kubernetes", "docker", "terraform", "python"]
    found = checks(code_types=code_types)
    assert list(needs(found).items()) == [
        ("python", []),
        ("docker", ["python"]),
        ("terraform", ["python"]),
        ("kubernetes", ["python", "docker"]),
    ]
    assert found.notices == ()
    assert checks(code_types=code_types[::-1]) == found


def test_a_diamond() -> None:
    made = {"lint": "l", "build": "b"}
    found = checks(
        components={
            "base": generic(**made, produces=["base.zip"]),
            "left": generic(**made, produces=["left.zip"]),
            "right": generic(**made, produces=["right.zip"], test="t"),
            "top": generic(**made, deploy="d"),
        },
        dependency_map={"left": "base", "right": "base", "top": ["right", "left"]},
    )
    assert list(needs(found).items()) == [
        ("base", []),
        ("left", ["base"]),
        ("right", ["base"]),
        ("top", ["base", "left", "right"]),
    ]


def test_a_package_that_is_taken_twice_is_waited_for_once() -> None:
    made = plan(
        components={
            "a": generic(build="b", produces=["x", "y"]),
            "b": generic(build="b"),
        },
        dependency_map=[
            {"code_type": "b", "depends_on": "a", "artifacts": ["x"]},
            {"code_type": "b", "depends_on": "a", "artifacts": [{"name": "y", "to": "in/y"}]},
        ],
    )
    (found,) = made.pull_requests
    assert needs(found) == {"a": [], "b": ["a"]}
    (package,) = made.builds[1].packages
    assert package.files == ("x", "y -> in/y")


@pytest.mark.parametrize(
    "written, waits",
    [
        ({"b": "a"}, ["a"]),
        ([{"code_type": "b", "depends_on": "a", "artifacts": ["x"]}], ["a"]),
        ([{"code_type": "b", "depends_on": "a", "artifacts": []}], []),
        ({"b": []}, []),
    ],
    ids=["all", "one", "order only", "none"],
)
def test_only_a_package_makes_a_build_wait(written: Any, waits: list[str]) -> None:
    components = {"a": generic(build="b", produces=["x"]), "b": generic(lint="l", build="b")}
    made = plan(components=components, dependency_map=written)
    (found,) = made.pull_requests
    assert needs(found) == {"a": [], "b": waits}
    build = made.builds[1]
    assert [p.producer for p in build.packages] == waits
    assert ("A_PACKAGE" in build.variables) == bool(waits)


def test_without_checks_there_is_no_workflow() -> None:
    made = plan(code_types=["python"], pull_requests=False)
    assert made.pull_requests == ()
    assert not [file for file in made.files if "pull" in file]
    assert plan(code_types=["python"], pull_requests=True) == plan(code_types=["python"])


def test_a_component_that_only_deploys_has_no_job() -> None:
    found = checks(components={"x": generic(deploy="d"), "y": generic()})
    assert (found.calls, found.notices) == ((), ())


def test_no_component_has_the_name_of_the_required_check() -> None:
    found = checks(components={"pull-request": generic(lint="l")})
    assert (found.check, found.check_name) == ("pull-request-checks", "Pull request checks")
    assert [call.id for call in found.calls] == ["pull-request-build"]


# What is left out ------------------------------------------------------------------------------

IMAGE = {"code_type": "docker"}
MAKES = generic(lint="l", test="t", build="b", produces=["x"])
HANDED = {**MAKES, "secrets": ["TOKEN"]}
BY_SECRETS = "in pull requests: it is handed secrets."
A_LEFT_OUT = f"a has no build {BY_SECRETS}"

# The answers -> the builds with their needs, and the notices.
LEFT_OUT: dict[str, tuple[dict[str, Any], dict[str, list[str]], list[str]]] = {
    "an image with build secrets": (
        {"components": {"image": {**IMAGE, "secrets": ["NPM"]}}},
        {"image": []},
        [f"image has no test, security and build {BY_SECRETS}"],
    ),
    "a build with secrets": ({"components": {"a": HANDED}}, {"a": []}, [A_LEFT_OUT]),
    "a deployment with secrets": (
        {"components": {"python": {"deploy": "ship", "secrets": ["TOKEN"]}}},
        {"python": []},
        [],
    ),
    "secrets where nothing is built": (
        {"components": {"a": generic(lint="l", deploy="d", secrets=["TOKEN"])}},
        {"a": []},
        [],
    ),
    "a cluster's secret": ({"code_types": ["kubernetes"]}, {"kubernetes": []}, []),
    "a component that takes its package": (
        {
            "components": {"a": HANDED, "b": MAKES, "c": generic(lint="l", build="b")},
            "dependency_map": {"b": "a", "c": "b"},
        },
        {"a": []},
        [
            A_LEFT_OUT,
            "b is not checked in pull requests: it needs the package of a.",
            "c is not checked in pull requests: it needs the package of b.",
        ],
    ),
    "a component that only waits for it": (
        {
            "components": {"a": HANDED, "b": MAKES, "c": generic(lint="l", build="b")},
            "dependency_map": [
                {"code_type": "b", "depends_on": "a", "artifacts": []},
                {"code_type": "c", "depends_on": "b"},
            ],
        },
        {"a": [], "b": [], "c": ["b"]},
        [A_LEFT_OUT],
    ),
    "a component that takes two packages": (
        {
            "components": {"a": HANDED, "b": HANDED, "c": MAKES, "d": generic(build="b")},
            "dependency_map": {"d": ["a", "b", "c"]},
        },
        {"a": [], "b": [], "c": []},
        [
            A_LEFT_OUT,
            f"b has no build {BY_SECRETS}",
            "d is not checked in pull requests: it needs the package of a and b.",
        ],
    ),
    "both at once, one reason is enough": (
        {
            "components": {"a": HANDED, "image": {**IMAGE, "secrets": ["NPM"]}},
            "dependency_map": {"image": "a"},
        },
        {"a": []},
        [A_LEFT_OUT, "image is not checked in pull requests: it needs the package of a."],
    ),
    "all along the usual edges": (
        {
            "code_types": ["terraform", "docker", "kubernetes"],
            "components": {
                "python": {"code_type": "generic", **HANDED},
                "api": {"code_type": "python"},
            },
            "dependency_map": {"docker": "python", "terraform": "api"},
        },
        {"api": [], "python": [], "terraform": ["api"]},
        [
            f"python has no build {BY_SECRETS}",
            "docker is not checked in pull requests: it needs the package of python.",
            "kubernetes is not checked in pull requests: it needs the package of docker.",
        ],
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_commands_with_secrets_are_left_out(case: str) -> None:
    answers, jobs, notices = LEFT_OUT[case]
    found = checks(**answers)
    assert needs(found) == with_all_before(jobs)
    assert list(found.notices) == notices


def test_one_image_with_secrets_among_others() -> None:
    """The other images are built. The manifests are not, because they need all images."""
    images: dict[str, Any] = {f"image{n}": IMAGE for n in range(3)}
    images["image1"] = {**IMAGE, "secrets": ["NPM"]}
    found = checks(code_types=["kubernetes"], components=images)
    assert needs(found) == {"image0": [], "image1": [], "image2": []}
    assert list(found.notices) == [
        f"image1 has no test, security and build {BY_SECRETS}",
        "kubernetes is not checked in pull requests: it needs the package of image1.",
    ]


# One call ----------------------------------------------------------------------------------------

FULL: dict[str, Any] = {
    "code_types": ["python", "terraform", "docker", "kubernetes"],
    "components": {
        "python": {"path": "src", "env": {"A": "1"}, "deploy": "ship", "secrets": ["TOKEN"]},
        "docker": {"path": "image", "runner": "big"},
        "terraform": {"path": "infra", "secrets": ["TF_API_TOKEN"], "environments": ["prd"]},
        "kubernetes": {"path": "k8s"},
    },
    "cloud": "aws",
    "registry": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "environments": [
        {"name": "dev", "branch": "main", "env": {"REGION": "eu"}, "retention_days": 90},
        {"name": "prd", "after": "dev", "production": True},
    ],
}


def test_inputs_of_a_build() -> None:
    """The commit is GITHUB_SHA: the merge, or the group of a merge queue. Packages are those of the
    same run. `environments` names all that may use the build. Nothing is pushed or kept longer."""
    found = checks(**FULL)
    run = '"run": ${{ github.run_id }}, "digest": "${{ needs.%s-build.outputs.digest }}"'
    common = {"commit": "${{ github.sha }}", "environment": "pull-request"}
    python = ('{"python": {' + run % "python" + "}}",)
    docker = ('{"docker": {' + run % "docker" + "}}",)
    assert {call.id: dict(call.inputs) for call in found.calls} == {
        "python-build": common,
        "docker-build": {**common, "packages": python},
        "terraform-build": {**common, "environments": "prd", "packages": python},
        "kubernetes-build": {**common, "environments": "dev prd", "packages": docker},
    }
    reads = {"contents": "read"}
    takes = {"actions": "read", "contents": "read"}
    granted = {call.id.removesuffix("-build"): dict(call.permissions) for call in found.calls}
    assert granted == {"python": reads, "docker": takes, "terraform": takes, "kubernetes": takes}
    assert not [call for call in found.calls if call.secrets]
    conditions = {call.id: call.condition for call in found.calls}
    assert conditions["python-build"] == (
        "!cancelled() && contains(needs.changes.outputs.build, '\"python\"')"
        " && !contains(needs.*.result, 'failure') && !contains(needs.*.result, 'cancelled')"
    )


def test_own_runners_are_reported() -> None:
    """Code from a fork would run there."""
    assert checks(**FULL).own_runners
    for runner, own in [
        *(("ubuntu-latest", False), ("windows-2025", False), ("macos-15", False)),
        *(("self-hosted", True), (["ubuntu-latest"], True), ({"group": "g"}, True)),
    ]:
        assert checks(components={"x": generic(lint="l")}, runner=runner).own_runners == own
        assert not checks(components={"x": generic(deploy="l")}, runner=runner).own_runners


def test_environments_are_passed_only_to_commands_that_read_them() -> None:
    answers: dict[str, Any] = {
        "components": {
            "asks": generic(lint='for e in $ENVIRONMENTS; do check "$e"; done', test="make"),
            "asks-in-a-word": generic(lint='check "a-$ENVIRONMENTS"'),
            "asks-with-another": generic(lint='check "${ENVIRONMENTS:-$ENVIRONMENT}"'),
            "asks-not": generic(lint='check "$ENVIRONMENT"', test='check "$ENVIRONMENTS_OF_A"'),
        },
        "environments": [
            {"name": "dev", "branch": "main"},
            {"name": "b", "tag": "v*"},
            {"name": "a", "manual": True},
        ],
    }
    made = plan(**answers)
    asking = {"asks", "asks-in-a-word", "asks-with-another"}
    assert {b.component.name for b in made.builds if "ENVIRONMENTS" in b.variables} == asking
    assert {b.component.name for b in made.builds if "environments" in b.reads} == asking
    (found,) = made.pull_requests
    told = {c.id.removesuffix("-build"): c.inputs.get("environments") for c in found.calls}
    assert told == {**dict.fromkeys(asking, "dev b a"), "asks-not": None}


# For every plan ----------------------------------------------------------------------------------


@costly
@given(plans())
def test_builds_wait_for_those_whose_packages_they_take(made: Plan) -> None:
    """Those builds are earlier in the same run, and make the package in pull requests, too."""
    builds = {build.file: build for build in made.builds}
    for found in made.pull_requests:
        earlier: dict[str, BuildWorkflow] = {}
        before: dict[str, set[str]] = {}
        for call in found.calls:
            build = builds[call.file]
            assert call.id == build.id
            direct = {f"{package.producer}-build" for package in build.packages}
            before[call.id] = direct.union(*(before[job] for job in direct))
            assert call.needs[0] == "changes" and set(call.needs[1:]) == before[call.id]
            for package in build.packages:
                producer = earlier[f"{package.producer}-build"]
                taken = {file.split(" -> ")[0] for file in package.files}
                assert taken <= set(producer.produces)
                assert "build" not in producer.left_out_of_pull_requests
            earlier[call.id] = build


@costly
@given(plans())
def test_no_build_gets_credentials(made: Plan) -> None:
    """In a pull request, no step pushes or reads a secret."""
    builds = {build.file: build for build in made.builds}
    for call in (call for found in made.pull_requests for call in found.calls):
        assert set(call.permissions.items()) <= {("contents", "read"), ("actions", "read")}
        assert not call.secrets and "push" not in call.inputs
        assert call.inputs["environment"] == "pull-request"
        build = builds[call.file]
        if build.login:
            assert all(re.search("if: inputs.push$", steps, re.MULTILINE) for steps in build.login)
        for command in build.commands:
            if re.search(r"\bsecrets\.", str(command.variables)):
                assert build.condition(command).endswith("inputs.push")
                assert command.id in build.left_out_of_pull_requests
        others = [*build.variables.values(), *(tool.text for tool in build.tools)]
        assert not re.search(r"\b(secrets|github\.token)\b", str(others))


NOTICE = re.compile(
    r"(?P<name>[\w-]+) (?:has no (?P<commands>[\w, ]+) in pull requests: it is handed secrets"
    r"|is not checked in pull requests: it needs the package of (?P<of>[\w, -]+))\."
)


NO_PLAN = re.compile(
    r"([\w-]+) has no plan in pull requests: (?:it is not built there"
    r"|its package differs between environments)\."
)


def words(text: str | None) -> list[str]:
    """The names of a list in a sentence."""
    return re.split(", | and ", text) if text else []


@costly
@given(plans())
def test_every_build_that_is_left_out_has_a_notice(made: Plan) -> None:
    """And every notice is true."""
    if not made.answers.pull_requests:
        assert made.pull_requests == ()
        return
    (found,) = made.pull_requests
    planless = {m[1] for notice in found.notices if (m := NO_PLAN.fullmatch(notice))}
    matches = [NOTICE.fullmatch(notice) for notice in found.notices]
    told = {match["name"]: match for match in matches if match}
    assert len(told) + len(planless) == len(found.notices)
    shown = {call.file.removesuffix("-plan.yml") for call in found.plans}
    assert {plan.component.name for plan in made.plans} == shown ^ planless
    absent = {name for name, match in told.items() if match["of"]}
    names = [build.component.name for build in made.builds]
    assert [c.id for c in found.calls] == [f"{n}-build" for n in names if n not in absent]
    no_build = {name for name, match in told.items() if "build" in words(match["commands"])}
    no_package = absent | no_build
    for build in made.builds:
        name, handed = build.component.name, build.left_out_of_pull_requests
        missing = [p.producer for p in build.packages if p.producer in no_package]
        if missing:
            assert words(told[name]["of"]) == missing
        elif handed:
            assert words(told[name]["commands"]) == list(handed)
        else:
            assert name not in told


# More than 50 builds ---------------------------------------------------------------------------


def many(graph: dict[str, list[str]], **more: Any) -> dict[str, Any]:
    made = generic(build="make", produces=["x"])
    return {
        "components": dict.fromkeys(graph, made),
        "dependency_map": graph,
        "orchestration": "dispatch",
        **more,
    }


def test_more_than_fifty_builds_make_more_files() -> None:
    """Each file has a required check of its own. Components are in order."""
    names = [f"c{number:03}" for number in range(101)]
    for number, files in ((50, [50]), (51, [50, 1]), (100, [50, 50]), (101, [50, 50, 1])):
        made = plan(**many({name: [] for name in names[:number]}))
        assert [len(found.calls) for found in made.pull_requests] == files
        called = [call.id for found in made.pull_requests for call in found.calls]
        assert called == [f"{name}-build" for name in names[:number]]
    assert [(p.file, p.name, p.check, p.check_name) for p in made.pull_requests] == [
        ("pull-request.yml", "Pull Request", "pull-request-checks", "Pull request checks"),
        ("pull-request-2.yml", "Pull Request 2", "pull-request-checks", "Pull request checks 2"),
        ("pull-request-3.yml", "Pull Request 3", "pull-request-checks", "Pull request checks 3"),
    ]
    assert {f".github/workflows/{p.file}" for p in made.pull_requests} <= set(made.files)


def test_a_package_for_two_files_is_built_in_both() -> None:
    """Packages are taken from the same run."""
    graph: dict[str, list[str]] = {"a-lib": [], **{f"c{number:02}": [] for number in range(49)}}
    graph |= {"user": ["a-lib"], "other": ["user"]}
    made = plan(**many(graph))
    first, second = made.pull_requests
    assert [call.id for call in first.calls] == ["a-lib-build"] + [
        f"c{n:02}-build" for n in range(49)
    ]
    assert needs(second) == {"a-lib": [], "user": ["a-lib"], "other": ["a-lib", "user"]}
    assert [call for call in first.calls if call in second.calls] == [first.calls[0]]


def test_more_packages_than_one_run_can_build_are_refused() -> None:
    names = [f"c{number:02}" for number in range(50)]
    graph: dict[str, list[str]] = {**{name: [] for name in names}, "user": names}
    assert refusal(**many(graph)) == (
        "pull_requests: user takes packages of 50 components, and GitHub runs at most 50 builds "
        "together; take fewer (`artifacts: []`), or set this to false"
    )
    assert refusal(**many(graph, pull_requests=False)) == ""
    entries = [{"code_type": "user", "depends_on": names, "artifacts": []}]
    assert refusal(**many(graph, dependency_map=entries)) == ""
    assert refusal(**many({**graph, "user": names[1:]})) == ""


@st.composite
def large_graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Several small graphs in one, usually with more than 50 nodes."""
    parts = draw(st.lists(acyclic_graphs(), min_size=12, max_size=20))
    return {
        f"p{number}{node}": [f"p{number}{other}" for other in others]
        for number, part in enumerate(parts)
        for node, others in part.items()
    }


@settings(quick, max_examples=5)
@given(large_graphs())
def test_each_file_builds_all_packages_that_it_takes(graph: dict[str, list[str]]) -> None:
    found = plan(**many(graph)).pull_requests
    arrows = networkx.DiGraph([(o, who) for who, others in graph.items() for o in others])
    arrows.add_nodes_from(graph)
    runs = [{call.id.removesuffix("-build") for call in each.calls} for each in found]
    assert set().union(*runs) == set(graph)
    assert all(len(run) <= 50 for run in runs)
    for each, run in zip(found, runs, strict=True):
        assert all(networkx.ancestors(arrows, name) <= run for name in run)
        assert len(each.calls) == len(run)
        assert {name: set(others) for name, others in needs(each).items()} == {
            name: networkx.ancestors(arrows, name) for name in run
        }
        # A build is repeated only in a file with a new component that takes its package.
        new = run - set().union(*runs[: runs.index(run)])
        assert new and run == new.union(*(networkx.ancestors(arrows, name) for name in new))
        for call in each.calls:
            handed = "".join(call.inputs.get("packages", "{}"))
            told = json.loads(handed.replace("${{ github.run_id }}", "1"))
            assert set(told) == set(graph[call.id.removesuffix("-build")])
