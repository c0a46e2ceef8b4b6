"""Helpers for tests of the pure modules: the shipped code types, and random answers."""

from __future__ import annotations

import dataclasses
import functools
import os
import random
from collections.abc import Mapping
from typing import Any

import toolbox
from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from pipeline.answers import Answers, read_answers
from pipeline.catalogue import load_catalogue
from pipeline.code_type_model import CodeType
from pipeline.environments import BRANCHING
from pipeline.errors import AnswerError
from pipeline.plan import Plan, make_plan
from pipeline.questions import DEFAULTS, PLAIN, Question
from pipeline.settings import CLOUDS

CATALOGUE = load_catalogue(toolbox.ROOT)
CODE_TYPES = CATALOGUE.code_types

# No database: the tests write nothing into the work tree. The examples are the same in each run: a
# test that fails in one run of a hundred would block unrelated work. RANDOM_EXAMPLES=1 in the
# environment draws other examples, and test_fresh.py draws a few new ones in each run.
quick = settings(
    deadline=None,
    derandomize=not os.environ.get("RANDOM_EXAMPLES"),
    max_examples=50,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
costly = settings(quick, max_examples=25)
# Each example is a large batch, so Hypothesis does not shrink it after a failure.
slow = settings(quick, max_examples=3, phases=[Phase.explicit, Phase.generate])

KNOWN_PLACES = tuple(DEFAULTS)


def generic(**settings: Any) -> dict[str, Any]:
    """The settings of a component that runs commands of its own."""
    return {"code_type": "generic", **settings}


def read(known: Mapping[str, CodeType] = CODE_TYPES, **answers: Any) -> Answers:
    """`read_answers`, with one component if none is given: without any, answers are refused."""
    if not answers.get("code_types") and not answers.get("components"):
        answers["code_types"] = ["python"]
    return read_answers(answers, dataclasses.replace(CATALOGUE, code_types=known))


def plan(**answers: Any) -> Plan:
    return make_plan(read(**answers))


def refusal(**answers: Any) -> str:
    """The message with which the answers are refused, or "" if they are accepted."""
    try:
        plan(**answers)
    except AnswerError as error:
        return str(error)
    return ""


def catalogue(**depends_on: list[str]) -> dict[str, CodeType]:
    """Code types with nothing but `depends_on`: `catalogue(app=["image"], image=[])`."""
    bare = CODE_TYPES["generic"]
    return {
        name: dataclasses.replace(bare, name=name, depends_on=tuple(others))
        for name, others in depends_on.items()
    }


def graph_answers(graph: Mapping[str, list[str]], **more: Any) -> dict[str, Any]:
    """Answers whose components and edges are exactly those of the graph."""
    return {
        "components": {name: generic(lint="true") for name in graph},
        "dependency_map": {name: list(others) for name, others in graph.items()},
        **more,
    }


def shuffled(value: Any, source: random.Random, lists: bool = False) -> Any:
    """The same value, with the keys of each mapping (and with `lists`, each list) shuffled."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, source, lists)) for key, item in value.items()]
        return dict(source.sample(items, len(items)))
    if isinstance(value, list):
        items = [shuffled(item, source, lists) for item in value]
        return source.sample(items, len(items)) if lists else items
    return value


# Some sort differently by case or by length. Some could collide when they are joined by "-".
NODES = ["a", "b", "B2", "a-b", "b-c", "c", "a10", "a9", "z", "Zeta", "worker", "on", "null"]


@functools.cache
def some_of(names: tuple[str, ...], **bounds: int) -> st.SearchStrategy[list[str]]:
    """Some of the names, each at most once. The cache returns one strategy for the same names,
    because Hypothesis checks each new strategy."""
    return st.lists(st.sampled_from(names), unique=True, **bounds)


@st.composite
def acyclic_graphs(draw: st.DrawFn, max_size: int = len(NODES)) -> dict[str, list[str]]:
    """Each node with the nodes that it waits for, in any order and without a cycle."""
    nodes = draw(st.lists(st.sampled_from(NODES), min_size=1, max_size=max_size, unique=True))
    edges = {
        node: draw(some_of(tuple(nodes[:index]), max_size=3)) if index else []
        for index, node in enumerate(nodes)
    }
    return {node: edges[node] for node in draw(st.permutations(nodes))}


@st.composite
def cyclic_graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Each node with the nodes that it waits for, with a cycle. No node waits for itself."""
    nodes = draw(st.lists(st.sampled_from(NODES), min_size=2, unique=True))
    graph = {node: draw(some_of(tuple(n for n in nodes if n != node))) for node in nodes}
    ring = draw(st.permutations(nodes))[: draw(st.integers(2, len(nodes)))]
    for who, whom in zip(ring, [*ring[1:], ring[0]], strict=True):
        graph[who] = sorted({*graph[who], whom})
    return graph


# Whole answers -------------------------------------------------------------------------------

# The characters that a value of an answer may contain: no control characters, and of the
# separators only the space.
characters = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
printable = st.text(characters, max_size=12).filter(lambda text: "${{" not in text)
awkward = st.sampled_from(
    [
        *("on", "no", "null", "~", "y", "N", "true", "1e3", "0o7", "0x1F", "1_000", "12:30:00"),
        *("2024-01-01", ".inf", ".nan", "=", "<<", "- a", "? a", "a: b", "a:", "a #b", "#", "..."),
        *("---", "--- a", "... a", "{a}", "[a]", "a, b", "*a", "&a b", "!a", "%a", "@a", "`a`"),
        *("|", ">", "'", '"', "it's", "\\n", " a", "a ", " ", "", "é", "日本", "😀", "a\tb", "-"),
        *("$HOME", "$(id)", "%PATH%", "1", "-1", "+1", ".5", "1.0", "0b1", "010", "_", "._", "y "),
    ]
)
commands = st.sampled_from(["make", "true", "on", "  indented\n\n\ttab ", "a: b # c", "a \n b"])
build_commands = commands | st.sampled_from(
    ["make $ENVIRONMENT", "make $ENVIRONMENTS", 'make "$ENVIRONMENT_VARIABLES"']
)
COMPONENTS = [
    *("python", "terraform", "docker", "kubernetes"),
    *("a", "a-b", "A2", "worker", "tested", "orchestrator_x", "on"),
]
ENVIRONMENTS = ["dev", "b", "b-c", "prd", "x-dev", "on", "changes", "registry", "prd-approval"]
DRAWN_TYPES = [
    *("cdk", "docker", "dotnet", "generic", "go", "helm", "java", "kubernetes", "node", "opentofu"),
    *("python", "terraform"),
]
"""The code types that random tests use. With all types, each new type would change every random
example."""

REGISTRIES: dict[str, list[str]] = {
    "none": [],
    "aws": [
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/team/shop",
    ],
    "azure": ["acmeshop.azurecr.io", "acmeshop.azurecr.io/team/shop"],
    "gcp": ["europe-west1-docker.pkg.dev/acme-shop/images"],
}
"""The registries of a cloud, besides ghcr.io, which every cloud may use."""


# Made once, because Hypothesis checks each new strategy.
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "path": st.sampled_from([".", "src", "src/in ner", "a b/c", "it's/é", "on", "... a"]),
    "cloud": st.sampled_from(CLOUDS),
    "lint": st.one_of(st.just(""), commands),
    "test": commands,
    "security": commands,
    "runner": st.sampled_from(["self-hosted", ["a", "on"], {"group": "g", "labels": ["x"]}]),
    "timeout_minutes": st.integers(1, 360),
    "env": st.dictionaries(
        st.sampled_from(["A", "B_1", "on", "null", "IMAGE", "KUBECONFIG"]), awkward | printable
    ),
}


@st.composite
def _settings(draw: st.DrawFn, name: str) -> dict[str, Any]:
    types = [name] if name in DRAWN_TYPES else DRAWN_TYPES
    given: dict[str, Any] = {"code_type": draw(st.sampled_from(types))}
    for key, strategy in OPTIONAL.items():
        if draw(st.booleans()):
            given[key] = draw(strategy)
    if draw(st.booleans()):
        given["build"] = draw(build_commands)
        given["produces"] = draw(st.sampled_from([[], ["x.zip"], ["dist", "a b.txt"]]))
    if draw(st.booleans()):
        given["deploy"] = draw(commands)
    builds = given.get("build", given["code_type"] == "docker")
    if "deploy" in given or (given["code_type"] in ("generic", "docker") and builds):
        given["secrets"] = draw(st.sampled_from([[], ["TOKEN"], ["TF_API_TOKEN", "B"]]))
    return given


of_env = st.dictionaries(
    st.sampled_from(["C", "d", "IMAGE"]),
    awkward | st.sampled_from(["${{ vars.X }}", "${{ vars.Y }}"]),
)


@st.composite
def _environments(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(st.sampled_from(ENVIRONMENTS), min_size=1, max_size=4, unique=True))
    found = []
    for index, name in enumerate(names):
        triggers = ["branch", "tag", "manual"] + ["after"] * 3 * bool(index)
        trigger = draw(st.sampled_from(triggers))
        values = {
            "branch": st.sampled_from(["main", "release/**", "it's", "on", "v[12].x"]),
            "tag": st.sampled_from(["v*", "v[0-9]+.*"]),
            "manual": st.just(True),
            "after": st.just(names[index - 1]),
        }
        entry = {"name": name, trigger: draw(values[trigger])}
        if draw(st.booleans()):
            entry["production"] = draw(st.booleans())
            entry["on_failure"] = draw(st.sampled_from(["downstream", "stop"]))
            entry["env"] = draw(of_env)
        found.append(entry)
    return found


def _plain(question: Question) -> st.SearchStrategy[Any]:
    """An answer to a question that takes true or false, or one of some choices."""
    if isinstance(question.default, bool):
        return st.booleans()
    return st.sampled_from([*question.choices] or [question.default])


@st.composite
def answers(draw: st.DrawFn, orchestration: str = "call") -> dict[str, Any]:
    """Complete answers that are valid, except that names may collide."""
    names = draw(st.lists(st.sampled_from(COMPONENTS), min_size=1, max_size=5, unique=True))
    components = {name: draw(_settings(name)) for name in names}
    entries = [
        {
            "code_type": name,
            "depends_on": draw(st.lists(st.sampled_from(names[:index]), max_size=3)),
            # No other artifact is named: what a component produces depends on many answers.
            **draw(st.sampled_from([{}, {}, {"artifacts": []}])),
        }
        for index, name in enumerate(names)
        if index and draw(st.booleans())
    ]
    cloud = draw(st.sampled_from(CLOUDS))
    made: dict[str, Any] = {
        "project_name": draw(st.one_of(st.just("shop"), printable.filter(str.strip))),
        "code_types": [n for n in names if n in DRAWN_TYPES],
        "components": components,
        "dependency_map": entries,
        "orchestration": orchestration,
        "cloud": cloud,
        "registry": draw(st.sampled_from(["ghcr.io", *REGISTRIES[cloud]])),
        **{question.name: draw(_plain(question)) for question in PLAIN},
        "runner": draw(st.sampled_from(["ubuntu-latest", ["self-hosted", "on"], {"group": "g"}])),
    }
    if draw(st.booleans()):
        made["environments"] = draw(_environments())
    else:
        made["branching"] = draw(st.sampled_from(["develop-main", "trunk", "release"]))
    environments = made.get("environments") or BRANCHING[made["branching"]]
    names = [environment["name"] for environment in environments]
    for given in components.values():
        if draw(st.sampled_from([False, False, True])):
            some = st.lists(st.sampled_from(names), min_size=1, unique=True)
            given["environments"] = draw(some)
        if draw(st.sampled_from([False, False, False, True])):
            given["build_per_environment"] = True
        if draw(st.sampled_from([False, False, False, True])):
            given["watches"] = draw(st.sampled_from([["libs", "!**/*.md"], ["*.json"]]))
    tagged = {environment["name"] for environment in environments if "tag" in environment}
    for given in components.values():
        publish = CODE_TYPES[given["code_type"]].publish
        # Only a component of an environment that starts from a tag can be published.
        if (
            publish
            and not tagged.isdisjoint(given.get("environments", names))
            and draw(st.booleans())
        ):
            for key in ("deploy", "build", "produces", *([] if publish.secrets else ["secrets"])):
                given.pop(key, None)
            given["publish"] = True
        elif CODE_TYPES[given["code_type"]].plan and "deploy" not in given and draw(st.booleans()):
            # A person has to see the plan, and before the approval.
            later = (orchestration, made["approval"]) == ("dispatch", "once")
            given["plan"] = made["pull_requests"] and not later
    return made


@st.composite
def plans(draw: st.DrawFn, orchestration: str = "call") -> Plan:
    """The plan for random answers that are accepted."""
    made = draw(answers(orchestration))
    try:
        return make_plan(read_answers(made, CATALOGUE))
    except AnswerError:
        assume(False)
        raise
