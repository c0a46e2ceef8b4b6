"""Environments: branching choices, defaults, triggers, chains and patterns."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from javascript import javascript
from made_answers import CATALOGUE, plan, read, refusal
from pipeline.answers import read_answers
from pipeline.environments import (
    Environment,
    filter_to_regex,
    read_environments,
    rival_chains,
)
from pipeline.errors import AnswerError

# The list that each choice stands for, as in docs/answers.md.
EXPANSIONS: dict[str, list[dict[str, Any]]] = {
    "develop-main": [
        {"name": "dev", "branch": "develop", "retention_days": 7},
        {"name": "test", "branch": "main", "retention_days": 37},
        {"name": "prd", "after": "test", "retention_days": 30, "production": True},
    ],
    "trunk": [
        {"name": "dev", "branch": "main", "retention_days": 37},
        {"name": "test", "after": "dev", "retention_days": 37},
        {"name": "prd", "after": "test", "retention_days": 30, "production": True},
    ],
    "release": [
        {"name": "ci", "branch": "main", "retention_days": 7},
        {"name": "release", "tag": "v*", "retention_days": 30, "production": True},
    ],
}


def environments(*entries: dict[str, Any]) -> tuple[Environment, ...]:
    return read(environments=list(entries)).environments


@pytest.mark.parametrize("branching", EXPANSIONS)
def test_a_branching_choice_stands_for_a_list(branching: str) -> None:
    by_choice = plan(branching=branching)
    assert by_choice.environments == environments(*EXPANSIONS[branching])
    assert by_choice == plan(branching="custom", environments=EXPANSIONS[branching])


def test_develop_main_is_the_default() -> None:
    assert read().environments == read(branching="develop-main").environments


@pytest.mark.parametrize("branching", [*EXPANSIONS, "custom"])
def test_a_given_list_replaces_the_branching_choice(branching: str) -> None:
    found = read(branching=branching, environments=[{"name": "only", "branch": "x"}])
    assert [e.name for e in found.environments] == ["only"]


# Settings -> the days packages are kept, `production`, and whether a failure stops all.
DEFAULTS: dict[str, tuple[dict[str, Any], tuple[int, bool, bool]]] = {
    "nothing": ({}, (7, False, False)),
    "production": ({"production": True}, (30, True, True)),
    "not production": ({"production": False}, (7, False, False)),
    "production goes on": ({"production": True, "on_failure": "downstream"}, (30, True, False)),
    "others stop": ({"on_failure": "stop"}, (7, False, True)),
    "days": ({"retention_days": 1}, (1, False, False)),
    "days of production": ({"production": True, "retention_days": 400}, (400, True, True)),
}


@pytest.mark.parametrize("case", DEFAULTS)
def test_defaults(case: str) -> None:
    given, expected = DEFAULTS[case]
    (found,) = environments({"name": "x", "branch": "main", **given})
    assert (found.retention_days, found.production, found.stops) == expected


TRIGGERS: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "branch": ({"branch": "main"}, ("branch", "main")),
    "branches": ({"branch": "release/**"}, ("branch", "release/**")),
    "tag": ({"tag": "v*"}, ("tag", "v*")),
    "after": ({"after": "first"}, ("after", "first")),
    "manual": ({"manual": True}, ("manual", "")),
    "branch, not manual": ({"branch": "main", "manual": False}, ("branch", "main")),
}


@pytest.mark.parametrize("case", TRIGGERS)
def test_triggers(case: str) -> None:
    given, expected = TRIGGERS[case]
    _, found = environments({"name": "first", "branch": "x"}, {"name": "x", **given})
    assert (found.trigger, found.source) == expected


def chain(length: int) -> list[dict[str, Any]]:
    """One environment with a branch and `length` more in a chain, listed from last to first."""
    entries = [{"name": f"e{i}", "after": f"e{i - 1}"} for i in range(length, 0, -1)]
    return [*entries, {"name": "e0", "branch": "main"}]


# The environments -> how many days each keeps packages.
RETENTION: dict[str, tuple[list[dict[str, Any]], dict[str, int]]] = {
    "before a production, directly or not": (
        [
            {"name": "a", "branch": "main"},
            {"name": "b", "after": "a"},
            {"name": "c", "after": "b", "production": True},
            {"name": "d", "after": "c"},
            {"name": "e", "after": "a"},
        ],
        {"a": 37, "b": 37, "c": 30, "d": 7, "e": 7},
    ),
    "a production before another": (
        [
            {"name": "c", "after": "b", "production": True},
            {"name": "b", "after": "a", "production": True},
            {"name": "a", "tag": "v*", "production": True},
        ],
        {"a": 37, "b": 37, "c": 30},
    ),
    "what the answers say": (
        [
            {"name": "a", "branch": "main", "retention_days": 2},
            {"name": "b", "after": "a", "production": True, "retention_days": 400},
        ],
        {"a": 2, "b": 400},
    ),
}


@pytest.mark.parametrize("case", RETENTION)
def test_packages_outlive_the_wait_for_an_approval(case: str) -> None:
    """A run may wait 30 days for an approval, so packages for a production are kept longer."""
    entries, days = RETENTION[case]
    assert {e.name: e.retention_days for e in environments(*entries)} == days


def test_a_chain_has_one_root() -> None:
    """With the greatest length, and listed in any order."""
    found = {e.name: e.root for e in environments(*chain(3))}
    assert found == {"e0": "e0", "e1": "e0", "e2": "e0", "e3": "e0"}


def test_a_chain_that_is_too_long_for_github_is_refused() -> None:
    assert re.match(r"environments\.e4: .*at most 3", refusal(environments=chain(4)))


DEV = {"name": "dev", "branch": "main"}
PRD = {"name": "prd", "after": "dev", "production": True}
# Case -> the list, the place at the beginning of the message, and a part of it.
WRONG: dict[str, tuple[list[Any], str, str]] = {
    "no trigger": ([{"name": "x"}], "environments.x", "exactly one of"),
    "manual false": ([{"name": "x", "manual": False}], "environments.x", "exactly one of"),
    "two triggers": ([{**DEV, "tag": "v*"}], "environments.dev", "it has branch and tag"),
    "three triggers": ([{**DEV, "tag": "v*", "manual": True}], "environments.dev", "exactly one"),
    "no name": ([{"branch": "main"}], "environments[0]", "'name' is missing"),
    "unknown key": ([{**DEV, "retention": 3}], "environments[0]", "did you mean 'retention_days'?"),
    "unknown after": ([DEV, {"name": "x", "after": "deV"}], "environments.x.after", "mean 'dev'?"),
    "after itself": ([{"name": "x", "after": "x"}], "environments.x.after", "x -> x"),
    "after one another": (
        [{"name": "x", "after": "y"}, {"name": "y", "after": "x"}],
        "environments.y.after",
        "circle: x -> y -> x",
    ),
    "same name": ([DEV, DEV], "environments[1]", "collides"),
    "same but for case": ([DEV, {**DEV, "name": "Dev"}], "environments[1]", "collides"),
    "one title": (
        [{"name": "a-b", "branch": "x"}, {"name": "a_b", "branch": "y"}],
        "environments[1]",
        "collides",
    ),
    "name of an approval": (
        [DEV, PRD, {"name": "prd-approval", "branch": "x"}],
        "environments.prd-approval",
        "reserved",
    ),
    "name of an approval by case": (
        [DEV, PRD, {"name": "PRD-Approval", "branch": "x"}],
        "environments.PRD-Approval",
        "reserved",
    ),
    "name of an approval that is still to come": (
        [DEV, {"name": "dev-approval", "branch": "x"}],
        "environments.dev-approval",
        "reserved",
    ),
    "name of builds": ([{"name": "Build", "branch": "x"}], "environments.Build", "reserved"),
    "name of deployments": ([{"name": "deploy", "tag": "x"}], "environments.deploy", "reserved"),
    "unsafe name": ([{"name": "a/b", "branch": "x"}], "environments[0]", "not a safe name"),
    "name that YAML reads": ([{"name": False, "branch": "x"}], "environments[0].name", "quotes"),
    "long name": ([{"name": "x" * 41, "branch": "x"}], "environments[0]", "at most 40"),
    "no days": ([{**DEV, "retention_days": 0}], "environments[0].retention_days", "1 to 400"),
    "many days": ([{**DEV, "retention_days": 401}], "environments[0].retention_days", "1 to 400"),
    "days in words": ([{**DEV, "retention_days": "7"}], "environments[0].retention_days", "whole"),
    "on_failure": ([{**DEV, "on_failure": "stopp"}], "environments[0].on_failure", "mean 'stop'?"),
    "production in words": ([{**DEV, "production": "yes"}], "environments[0].production", "true"),
    "a mapping": ([[]], "environments[0]", "expected a mapping"),
    "reserved variable": (
        [{**DEV, "env": {"GITHUB_TOKEN": "x"}}],
        "environments.dev.env",
        "reserved by GitHub",
    ),
    "expression": (
        [{**DEV, "env": {"A": "${{ secrets.A }}"}}],
        "environments.dev.env.A",
        "expression",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_environments_are_refused(case: str) -> None:
    entries, place, says = WRONG[case]
    message = refusal(environments=entries)
    assert message.startswith(f"{place}: ")
    assert says in message


@pytest.mark.parametrize(
    "answers, says",
    [
        ({"branching": "custom"}, "environments: branching is custom"),
        ({"branching": "trunck"}, "did you mean 'trunk'?"),
        ({"branching": "custom", "environments": []}, "environments: branching is custom"),
        ({"environments": []}, "environments: the list is empty; name at least one, or leave it"),
        ({"environments": "[]", "branching": "trunk"}, "environments: the list is empty"),
        ({"environments": None}, "environments: expected a list, not nothing"),
        ({"environments": {"dev": {}}}, "environments: expected a list"),
        ({"branching": None}, "branching: expected text"),
    ],
    ids=[
        *("custom without a list", "unknown choice", "custom with an empty list", "empty list"),
        *("empty list as text", "no list", "mapping", "nothing"),
    ],
)
def test_wrong_branching_and_lists_are_refused(answers: dict[str, Any], says: str) -> None:
    assert says in refusal(**answers)


def test_an_environment_may_have_the_name_of_an_unused_approval() -> None:
    assert not refusal(environments=[DEV, {"name": "prd-approval", "branch": "x"}])


# Patterns ------------------------------------------------------------------------------------

# Patterns with names that match and names that do not. Most are from the filter pattern cheat sheet
# of GitHub's page "Workflow syntax".
CHEAT_SHEET: dict[str, tuple[list[str], list[str]]] = {
    "feature/*": (["feature/my-branch", "feature/your-branch"], ["feature/a/b", "xfeature/a"]),
    "feature/**": (
        ["feature/beta-a/my-branch", "feature/your-branch", "feature/mona/the/octocat"],
        ["feature", "features/a"],
    ),
    "main": (["main"], ["main2", "my/main", "mai"]),
    "releases/mona-the-octocat": (["releases/mona-the-octocat"], ["releases/mona"]),
    "*": (["main", "releases"], ["all/the/branches"]),
    "**": (["all/the/branches", "every/tag", "x"], []),
    "*feature": (["mona-feature", "feature", "ver-10-feature"], ["my/feature", "feature-1"]),
    "v2*": (["v2", "v2.0", "v2.9"], ["v1", "xv2", "v2/a"]),
    "v[12].[0-9]+.[0-9]+": (["v1.10.1", "v2.0.0"], ["v3.0.0", "v1.1", "v1x10x1"]),
    "v[0-9]?.1": (["v.1", "v7.1"], ["v77.1", "vx1"]),
    "release-+1": (["release-1", "release--1"], ["release1"]),
    "a.b": (["a.b"], ["axb"]),
    "user/{a,b}": (["user/{a,b}"], ["user/a"]),
    "a(b)|c$": (["a(b)|c$"], ["a", "ab", "c"]),
    "1.x": (["1.x"], ["1-x"]),
    "it's": (["it's"], ["its"]),
    "[a-c]x": (["ax", "bx"], ["dx", "[a-c]x"]),
    "büro/*": (["büro/ä"], ["buro/a"]),
}  # fmt: skip

MATCHES = (
    "pairs => pairs.map(([pattern, name]) => {"
    " try { return new RegExp(pattern).test(name) } catch (error) { return error.message } })"
)


@pytest.fixture(scope="module")
def in_javascript() -> dict[tuple[str, str], Any]:
    """Whether each name matches each pattern in JavaScript, which the action check-commit uses."""
    pairs = [(p, name) for p, (yes, no) in CHEAT_SHEET.items() for name in [*yes, *no]]
    verdicts = javascript(MATCHES, [[filter_to_regex(pattern), name] for pattern, name in pairs])
    return dict(zip(pairs, verdicts, strict=True))


@pytest.mark.parametrize("pattern", CHEAT_SHEET)
def test_patterns_match_as_on_github(
    pattern: str, in_javascript: dict[tuple[str, str], Any]
) -> None:
    matching, others = CHEAT_SHEET[pattern]
    for name in [*matching, *others]:
        expected = name in matching
        assert (re.search(filter_to_regex(pattern), name) is not None) == expected, name
        assert in_javascript[pattern, name] is expected, name


@pytest.mark.filterwarnings("ignore:Possible nested set")
def test_every_accepted_pattern_works_in_javascript() -> None:
    """Python accepts expressions that JavaScript refuses, such as `a*+`. With one of them, every
    deployment would fail."""
    source = random.Random(1)
    parts = ["a", "b", "1", "-", "/", ".", "*", "**", "?", "+", "[", "]", "[ab]", "[a-b]", "{", "("]
    parts += ["$", "|", "é"]
    names = ["a", "ab", "a/b", "b1", "aa", ".", "a-b", "b*", "[ab]", "é"]
    patterns = {"".join(source.choices(parts, k=source.randint(1, 4))) for _ in range(1500)}
    taken = [
        pattern
        for pattern in sorted(patterns)
        if not refusal(environments=[{"name": "x", "branch": pattern}])
    ]
    assert len(taken) > 300
    pairs = [(pattern, name) for pattern in taken for name in names]
    verdicts = javascript(MATCHES, [[filter_to_regex(pattern), name] for pattern, name in pairs])
    differing = [
        (pattern, name, verdict)
        for (pattern, name), verdict in zip(pairs, verdicts, strict=True)
        if verdict != (re.search(filter_to_regex(pattern), name) is not None)
    ]
    assert not differing


REFUSED_REFS = {
    "space": "a b",
    "newline": "a\nb",
    "expression": "${{ github.ref }}",
    "dots": "a..b",
    "caret": "a^",
    "tilde": "a~1",
    "colon": "a:b",
    "backslash": "a\\*",
    "at-brace": "a@{1}",
    "negated": "!main",
    "full name": "refs/heads/main",
    "repeats nothing": "+a",
    "asks for nothing": "?",
    "empty set": "[]",
    "backward range": "[z-a]",
}


@pytest.mark.parametrize("trigger", ["branch", "tag"])
@pytest.mark.parametrize("case", REFUSED_REFS)
def test_refused_refs(case: str, trigger: str) -> None:
    message = refusal(environments=[{"name": "x", trigger: REFUSED_REFS[case]}])
    assert message.startswith(f"environments.x.{trigger}: ")


def test_a_component_may_name_environments_that_are_asked_for_later() -> None:
    """At a prompt, components come before environments. Later questions check both together."""
    said = {"code_types": ["python"], "components": {"python": {"environments": ["live"]}}}
    for asking in ("components", "dependency_map", "orchestration"):
        read_answers(said, CATALOGUE, asking)
    read_answers({**said, "branching": "custom"}, CATALOGUE, "branching")
    listed = [{"name": "live", "branch": "main"}]
    read_answers({**said, "branching": "custom", "environments": listed}, CATALOGUE, "cloud")
    unknown = "components.python.environments: 'live' is no environment; known are: dev, prd, test"
    for asking in ("branching", "cloud", ""):
        with pytest.raises(AnswerError, match=re.escape(unknown)):
            read_answers({**said, "branching": "trunk"}, CATALOGUE, asking)


RIVALS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "one chain": ([{"name": "a", "branch": "main"}, {"name": "b", "after": "a"}], ""),
    "two of one branch": (
        [
            *({"name": name, "branch": "main"} for name in "ab"),
            *({"name": f"{name}2", "after": name} for name in "ab"),
        ],
        "",
    ),
    "two branches": (
        [
            {"name": "a", "branch": "main"},
            {"name": "b", "after": "a"},
            {"name": "c", "after": "b"},
            {"name": "d", "branch": "develop"},
            {"name": "e", "after": "d"},
        ],
        "b and c only if it is `main`; e only if it is `develop`.",
    ),
    "a tag beside a branch": (
        [
            {"name": "a", "branch": "main"},
            {"name": "b", "after": "a"},
            {"name": "c", "tag": "v*"},
            {"name": "d", "after": "c"},
        ],
        "",
    ),
    # A pattern may match the default branch, so its chain is not named.
    "a pattern beside a branch": (
        [
            {"name": "a", "branch": "feature/*"},
            {"name": "b", "after": "a"},
            {"name": "c", "branch": "main"},
            {"name": "d", "after": "c"},
        ],
        "",
    ),
}


@pytest.mark.parametrize("case", RIVALS)
def test_chains_that_need_different_default_branches_are_named(case: str) -> None:
    environments, said = RIVALS[case]
    notices = rival_chains(read_environments("custom", environments))
    begin = "A repository has one default branch, and it decides what can start: "
    assert list(notices) == [begin + said] * bool(said)
