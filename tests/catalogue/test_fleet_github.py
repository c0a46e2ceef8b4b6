"""fleet.py with an organisation, on a double of GitHub that is checked against GitHub's schema."""

from __future__ import annotations

import email.message
import http.client
import json
import re
import unittest.mock
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from fleet_github import (
    ADDRESS,
    Organisation,
    Pull,
    Repository,
    answers,
    files,
    five_hundred,
    served,
    template,
)
from fleet_program import FLEET

Capture = pytest.CaptureFixture[str]
Json = list[dict[str, Any]]
VERSIONS = ("v0.1.0", "v0.2.0", "v0.9.0", "v0.10.0")
CI = ".copier-answers.ci.yml"


@dataclass
class Call:
    organisation: Organisation
    slept: list[float]

    def __call__(self, *arguments: str, code: int = 0) -> None:
        given = ["--organisation", "acme", "--template", ADDRESS, *arguments]
        assert FLEET.main(given) == code

    def add(self, name: str, *commits: dict[str, str | None], **more: Any) -> Repository:
        repository = Repository(name, **more)
        self.organisation.repositories.append(repository)
        for commit in commits:
            self.organisation.commit(repository, commit)
        return repository


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Calls fleet.py for an organisation that has only the template."""
    organisation = Organisation([template(*VERSIONS)])
    slept: list[float] = []
    monkeypatch.setattr(FLEET, "pause", slept.append)
    # git must not use the network.
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "none")
    with served(organisation) as url:
        monkeypatch.setenv("GH_TOKEN", "a-token")
        monkeypatch.setenv("GITHUB_GRAPHQL_URL", url)
        yield Call(organisation, slept)


def rows(capsys: Capture) -> Json:
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def of(told: Json, *names: str) -> list[tuple[object, ...]]:
    return [tuple(row[name] for name in names) for row in told]


# Repositories and their states -----------------------------------------------------------------


def test_each_kind_of_repository(fleet: Call, capsys: Capture) -> None:
    sha = fleet.organisation.repositories[0].tags["v0.9.0"]
    conflict = answers("v0.1.0").replace("code_types", "<<<<<<< before updating\ncode_types")
    commits = {
        "current": files(answers("v0.10.0")),
        "behind": files(answers("v0.1.0")),
        "ssh": files(answers("v0.9.0", "git@github.com:acme/Pipelines-Template.git")),
        "short": files(answers("v0.9.0", "gh:acme/pipelines-template")),
        "after": files(answers("v0.10.0-3-gabc1234")),
        "between": files(answers("v0.2.0-1-gabc1234")),
        "prerelease": files(answers("v0.10.0rc1")),
        "commit": files(answers(sha[:7])),
        "other-commit": files(answers("abcdef1")),
        "number": files(answers(1234567)),
        "empty-version": files(answers("")),
        "conflict": files(conflict),
        "no-yaml": files("a: [1\nb: 2\n"),
        "no-map": files("- a\n"),
        "empty-file": {".copier-answers.yml": "\n"},
        "binary": {".copier-answers.yml": None},
        "folder": {".copier-answers.yml/x": "x"},
        "no-address": {".copier-answers.yml": "components: {}\n"},
        # These are left out.
        "other-template": files(answers("v1.0.0", "https://github.com/acme/other")),
        "copier-of-others": {".copier-answers.yml": "name: x\n"},
        "no-answers": {"README.md": "x"},
    }
    for name, commit in commits.items():
        fleet.add(name, commit)
    fleet.add("nothing")
    fleet.add("private", files(answers("v0.2.0")), private=True)
    fleet.add("archived", files(answers("v0.2.0")), archived=True)
    ours, theirs = answers("v0.9.0"), answers("v3.0.0", "https://github.com/acme/other")
    fleet.add("two-templates", {".copier-answers.yml": theirs, CI: ours})
    fleet.add("two-of-ours", {".copier-answers.yml": ours, CI: answers("v0.10.0")})
    fleet("--json")
    told = rows(capsys)
    kinds = of(told, "repository", "answers_file", "state", "version", "behind")
    usual = ".copier-answers.yml"
    assert kinds == [
        ("acme/binary", usual, "broken", None, None),
        ("acme/conflict", usual, "broken", None, None),
        ("acme/empty-file", usual, "broken", None, None),
        ("acme/folder", usual, "broken", None, None),
        ("acme/no-address", usual, "broken", None, None),
        ("acme/no-map", usual, "broken", None, None),
        ("acme/no-yaml", usual, "broken", None, None),
        ("acme/empty-version", usual, "unknown", None, None),
        ("acme/number", usual, "unknown", None, None),
        ("acme/other-commit", usual, "unknown", "abcdef1", None),
        ("acme/behind", usual, "behind", "v0.1.0", 3),
        ("acme/archived", usual, "behind", "v0.2.0", 2),
        ("acme/between", usual, "behind", "v0.2.0-1-gabc1234", 2),
        ("acme/private", usual, "behind", "v0.2.0", 2),
        ("acme/commit", usual, "behind", sha[:7], 1),
        ("acme/prerelease", usual, "behind", "v0.10.0rc1", 1),
        ("acme/short", usual, "behind", "v0.9.0", 1),
        ("acme/ssh", usual, "behind", "v0.9.0", 1),
        ("acme/two-of-ours", usual, "behind", "v0.9.0", 1),
        ("acme/two-templates", CI, "behind", "v0.9.0", 1),
        ("acme/after", usual, "current", "v0.10.0-3-gabc1234", 0),
        ("acme/current", usual, "current", "v0.10.0", 0),
        ("acme/two-of-ours", CI, "current", "v0.10.0", 0),
    ]
    assert {row["latest"] for row in told if row["state"] != "broken"} == {"v0.10.0"}
    by_name = {row["repository"]: row for row in told}
    assert by_name["acme/conflict"]["reason"].startswith("line 4 is a merge conflict; resolve")
    assert by_name["acme/behind"]["reason"] == "3 newer: v0.10.0, v0.9.0, v0.2.0"
    assert [r["repository"] for r in told if r["private"]] == ["acme/private"]
    assert [r["repository"] for r in told if r["archived"]] == ["acme/archived"]
    assert len(fleet.organisation.calls) == 2


def test_a_template_without_releases_is_compared_by_its_head(fleet: Call, capsys: Capture) -> None:
    own = fleet.organisation.repositories[0]
    own.tags = {}
    old, new = (commit.oid[:7] for commit in own.commits[-2:])
    fleet.add("old", files(answers(old)))
    fleet.add("new", files(answers(new)))
    fleet("--json")
    states = of(rows(capsys), "repository", "latest", "state", "behind")
    assert states == [("acme/old", new, "behind", None), ("acme/new", new, "current", 0)]


def test_releases_are_read_from_releases_yml_without_tags(fleet: Call, capsys: Capture) -> None:
    own = fleet.organisation.repositories[0]
    listed = "".join(f"{name}: {sha}\n" for name, sha in own.tags.items())
    between = fleet.organisation.commit(own, {"releases.yml": listed}).oid
    own.tags = {}
    fleet.add("sha", files(answers(own.commits[1].oid[:7])))
    fleet.add("after", files(answers(between[:9])))
    fleet("--json")
    told = of(rows(capsys), "repository", "latest", "state", "behind")
    assert told == [
        ("acme/sha", "v0.10.0", "behind", 2),
        ("acme/after", "v0.10.0", "current", 0),
    ]


def test_a_renamed_template_is_known_by_both_names(fleet: Call, capsys: Capture) -> None:
    own = fleet.organisation.repositories[0]
    own.name, own.former = "pipelines", ("pipelines-template",)
    fleet.add("old-name", files(answers("v0.2.0")))
    fleet.add("new-name", files(answers("v0.2.0", "https://github.com/acme/pipelines")))
    fleet("--json")
    names = of(rows(capsys), "repository")
    assert names == [("acme/new-name",), ("acme/old-name",)]


def test_an_own_server(fleet: Call, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.acme.example")
    address = "https://git.acme.example/acme/pipelines-template"
    fleet.add("shop", files(answers("v0.2.0", "git@git.acme.example:acme/pipelines-template")))
    fleet.add("elsewhere", files(answers("v0.2.0")))
    assert FLEET.main(["--organisation", "acme", "--template", address, "--json"]) == 0
    assert of(rows(capsys), "repository", "behind") == [("acme/shop", 2)]


def test_tags_are_read_over_several_pages(fleet: Call, capsys: Capture) -> None:
    own = fleet.organisation.repositories[0]
    own.tags = {f"v1.0.{n}": f"{n:040x}" for n in range(230)}
    fleet.add("old", files(answers("v1.0.3")))
    fleet("--json")
    assert of(rows(capsys), "latest", "behind") == [("v1.0.229", 226)]


@pytest.mark.parametrize(("times", "code"), [(2, 0), (3, 2)])
def test_a_page_of_tags_is_asked_for_again(
    times: int, code: int, fleet: Call, capsys: Capture
) -> None:
    own = fleet.organisation.repositories[0]
    own.tags = {f"v1.0.{n}": f"{n:040x}" for n in range(130)}
    fleet.add("old", files(answers("v1.0.3")))
    left = [(502, {}, b"")] * times
    fleet.organisation.refuses = lambda query: left and "query Versions" in query and left.pop()
    fleet("--json", code=code)
    if code:
        check_line("its tags cannot be read; run this again", capsys, f"--template {ADDRESS}: ")
    else:
        assert of(rows(capsys), "latest", "behind") == [("v1.0.129", 126)]


def test_an_answers_file_of_another_name(fleet: Call, capsys: Capture) -> None:
    fleet.add("named", {"ci/answers.yml": answers("v0.9.0")})
    fleet("--json")
    assert rows(capsys) == []
    fleet("--json", "--answers-file", "./ci/answers.yml")
    assert of(rows(capsys), "repository", "answers_file") == [("acme/named", "ci/answers.yml")]


def test_a_repository_is_renamed_during_a_run(fleet: Call, capsys: Capture) -> None:
    repository = fleet.add("old", files(answers("v0.9.0")))
    repository.former = ("old",)

    def rename(query: str) -> None:
        if "query Details" in query:
            repository.name = "new"

    fleet.organisation.refuses = rename
    fleet("--json")
    assert of(rows(capsys), "repository") == [("acme/new",)]


NAMES = ('a"b', "a\\", "a\n}", "é☂\U0001f600", "$x {y} %s %d", '"""#')


@pytest.mark.parametrize("name", NAMES)
def test_names_that_could_break_a_query(name: str, fleet: Call, capsys: Capture) -> None:
    file = f".copier-answers.{name}.yml"
    repository = fleet.add("shop", files(answers("v0.2.0"), name, name=file))
    fleet.organisation.deploy(repository, name)
    fleet("--json")
    [row] = rows(capsys)
    assert row["answers_file"] == file
    assert [(d["environment"], d["result"]) for d in row["deployments"]] == [(name, "success")]


# Pull requests and deployments -----------------------------------------------------------------


def test_the_open_pull_request_is_the_one_with_a_later_version(
    fleet: Call, capsys: Capture
) -> None:
    repository = fleet.add("shop", files(answers("v0.2.0")))
    for number, (version, checks, fork) in enumerate(
        [
            ("v0.9.0", "SUCCESS", False),
            ("v0.10.0", "FAILURE", False),
            ("v0.10.0", "SUCCESS", True),
            ("v0.1.0", "SUCCESS", False),
            ("v0.2.0", "SUCCESS", False),
        ]
    ):
        pull = Pull(number, {".copier-answers.yml": answers(version)}, checks, fork)
        repository.pulls.append(pull)
    repository.pulls.append(Pull(9, {}, None))
    fleet.add("none", files(answers("v0.2.0")))
    mending = fleet.add("broken", files("a: ["))
    mending.pulls.append(Pull(3, {".copier-answers.yml": answers("v0.2.0")}, None))
    fleet("--json")
    pulls = {row["repository"]: row["pull_request"] for row in rows(capsys)}
    url = "https://github.com/acme"
    assert pulls == {
        "acme/shop": {
            "number": 1,
            "url": f"{url}/shop/pull/1",
            "version": "v0.10.0",
            "checks": "failure",
        },
        "acme/none": None,
        "acme/broken": {
            "number": 3,
            "url": f"{url}/broken/pull/3",
            "version": "v0.2.0",
            "checks": "none",
        },
    }


def test_the_last_deployment_of_each_environment(fleet: Call, capsys: Capture) -> None:
    repository = fleet.add("shop", files(answers("v0.2.0"), "dev", "prd", "new"))
    world = fleet.organisation
    world.deploy(repository, "dev")
    world.deploy(repository, "prd")
    world.deploy(repository, "github-pages")
    world.commit(repository, files(answers("v0.9.0")))
    world.deploy(repository, "dev", "FAILURE", "FAILURE")
    world.deploy(repository, "prd", "IN_PROGRESS", None)
    fleet("--json")
    [row] = rows(capsys)
    told = [(d["environment"], d["result"], d["version"]) for d in row["deployments"]]
    assert told == [
        ("dev", "failure", "v0.9.0"),
        ("new", None, None),
        ("prd", "success", "v0.2.0"),
    ]
    assert row["deployments"][0]["url"] == "https://github.com/acme/shop/actions/runs/1/job/2"


# Calls -----------------------------------------------------------------------------------------


def test_one_call_reads_fifty_repositories(fleet: Call, capsys: Capture) -> None:
    fleet.organisation.repositories = five_hundred(130).repositories
    fleet("--json")
    assert len(rows(capsys)) == 129
    assert len(fleet.organisation.calls) == 4 <= 130 / 50 + 2
    assert len({query.split("(")[0].split(" {")[0] for query in fleet.organisation.calls}) == 2


TOO_MUCH: list[tuple[int, dict[str, str], object]] = [
    (502, {}, b"<html>"),
    (504, {}, {"message": "We couldn't respond to your request in time."}),
    (200, {}, {"data": None, "errors": [{"type": "RESOURCE_LIMITS_EXCEEDED", "message": "x"}]}),
    (200, {}, {"errors": [{"message": "Something went wrong while executing your query."}]}),
]


@pytest.mark.parametrize("answer", TOO_MUCH, ids=["502", "504", "limits", "went-wrong"])
@pytest.mark.parametrize("most", [15, 0], ids=["smaller-calls", "one-repository-never"])
def test_a_call_that_is_too_large_is_split(
    answer: tuple[int, dict[str, str], object], most: int, fleet: Call, capsys: Capture
) -> None:
    fleet.organisation.repositories = five_hundred(40).repositories
    fleet.add("zzz", files(answers("v0.9.0")))

    def refuses(query: str) -> object:
        asked = query.count("... on Repository")
        never = asked and fleet.organisation.repositories[-1].id in query
        return answer if asked > 15 or (not most and never) else None

    fleet.organisation.refuses = refuses  # type: ignore[assignment]
    fleet("--json")
    told = {row["repository"]: row for row in rows(capsys)}
    assert len(told) == 40
    unknown = [r for r in told.values() if r["reason"].endswith("did not send its details")]
    assert [r["repository"] for r in unknown] == ([] if most else ["acme/zzz"])
    assert told["acme/zzz"]["state"] == "behind"


def test_one_repository_with_too_much_does_not_slow_the_others(
    fleet: Call, capsys: Capture
) -> None:
    first = fleet.add("aaa", files(answers("v0.9.0"), "dev"))
    fleet.organisation.repositories += five_hundred(130).repositories[1:]
    error = {"type": "MAX_NODE_LIMIT_EXCEEDED", "message": "This query requests up to"}
    too_much = (200, {}, {"errors": [error]})
    fleet.organisation.refuses = lambda query: too_much if first.id in query else None
    fleet("--json")
    told = {row["repository"]: row for row in rows(capsys)}
    assert len(told) == 130
    assert "did not send its details" in told["acme/aaa"]["reason"]
    assert sum(row["deployments"] is None for row in told.values()) == 1
    assert len(fleet.organisation.calls) < 30


HOSTILE = {
    "levels": "[" * 60_000,
    "merges": "".join(f"a{n}: &a{n} {{<<: [{f'*a{n - 1},' * 9}]}}\n" for n in range(1, 20)),
    "digits": "x: 1" + ":1" * 200_000,
    "no number": "x: !!int ''",
    "no truth": "x: !!bool x",
    "no time": "x: !!timestamp x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answers_file_is_a_row(name: str, fleet: Call, capsys: Capture) -> None:
    """It does not end the run, and needs little memory and time."""
    fleet.add("shop", files("a0: &a0 {x: 1}\n" + HOSTILE[name]))
    fleet("--json")
    assert of(rows(capsys), "repository", "state") == [("acme/shop", "broken")]


def test_a_listing_that_is_too_large_is_read_in_smaller_pages(fleet: Call, capsys: Capture) -> None:
    fleet.organisation.repositories = five_hundred(40).repositories
    asked: list[str] = []

    def refuses(query: str) -> object:
        asked.append(query)
        return (502, {}, b"") if len(asked) < 3 else None

    fleet.organisation.refuses = refuses  # type: ignore[assignment]
    fleet("--json")
    assert len(rows(capsys)) == 39


def test_a_repository_that_github_hides_is_reported(fleet: Call, capsys: Capture) -> None:
    fleet.organisation.repositories.insert(0, Repository("hidden", unreadable=True))
    fleet.add("shop", files(answers("v0.9.0")))
    fleet("--json")
    out, err = capsys.readouterr()
    assert [row["repository"] for row in json.loads(out)] == ["acme/shop"]
    [line] = err.splitlines()
    assert re.fullmatch(
        r"fleet\.py: 127\.0\.0\.1:\d+: refused 1 times: repositoryOwner\.repositories\.nodes: "
        r"Although .*; check the token's rights",
        line,
    )


def test_it_waits_if_github_asks_for_it(fleet: Call, capsys: Capture) -> None:
    fleet.add("shop", files(answers("v0.9.0")))
    said = [(403, {"retry-after": "7"}, {"message": "You have exceeded a secondary rate limit"})]
    fleet.organisation.refuses = lambda query: said.pop() if said else None
    fleet("--json")
    assert of(rows(capsys), "repository") == [("acme/shop",)]
    assert fleet.slept == [7]


RESET = str(int(datetime(2026, 11, 1, 14, 5, tzinfo=UTC).timestamp()))
WRONG: dict[str, tuple[tuple[int, dict[str, str], object], str]] = {
    "spent": (
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET}, {"message": "API rate"}),
        "the token's calls of this hour are spent until 14:05 UTC; wait",
    ),
    "spent-as-graphql": (
        (200, {}, {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}),
        "the token's calls of this hour are spent; wait",
    ),
    "waits-too-long": (
        (429, {"retry-after": "900"}, {"message": "You have exceeded a secondary rate limit"}),
        "the token's calls of this hour are spent; wait",
    ),
    "waits-again": (
        (403, {"retry-after": "1"}, {"message": "You have exceeded a secondary rate limit"}),
        "asks to wait again and again; run this later",
    ),
    "forbidden": (
        (403, {}, {"message": "Resource not accessible\nby integration"}),
        "403 Resource not accessible by integration; check the token's rights",
    ),
    "redirect": ((302, {"location": "http://127.0.0.1:9/"}, {}), "302 Found; check the token's..."),
    "no-json": ((200, {}, b"<html>"), "does not answer as GitHub does; check http://..."),
    "a-list": ((200, {}, []), "does not answer as GitHub does; check http://..."),
    "no-data": (
        (200, {}, {"errors": [{"message": "Parse error on \x1b[31m"}]}),
        "the query: Parse error on \ufffd[31m; check the token's rights",
    ),
    "always-502": ((502, {}, b""), "502 Bad Gateway; run this again"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_refusal_of_github_is_one_line(name: str, fleet: Call, capsys: Capture) -> None:
    answer, says = WRONG[name]
    fleet.organisation.refuses = lambda query: answer
    fleet(code=2)
    check_line(says, capsys, r"127\.0\.0\.1:\d+: ")


def test_a_refusal_that_breaks_off_is_one_line(
    fleet: Call, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = unittest.mock.Mock(read=unittest.mock.Mock(side_effect=http.client.IncompleteRead(b"")))
    error = urllib.error.HTTPError("x", 403, "Forbidden", email.message.Message(), body)
    monkeypatch.setattr(FLEET.OPENER, "open", unittest.mock.Mock(side_effect=error))
    fleet(code=2)
    check_line("403 Forbidden; check the token's rights", capsys, r"127\.0\.0\.1:\d+: ")


def check_line(says: str, capsys: Capture, place: str = "") -> None:
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    pattern = ".*".join(re.escape(part) for part in says.split("..."))
    assert re.fullmatch(f"fleet\\.py: {place}{pattern}", line), line


Change = Callable[[pytest.MonkeyPatch], object]
CALLED_WRONGLY: dict[str, tuple[list[str], Change, str]] = {
    "no-token": ([], lambda m: m.delenv("GH_TOKEN"), "GH_TOKEN: holds no token; run export..."),
    "token-with-a-line": (
        [],
        lambda m: m.setenv("GH_TOKEN", "a\nb"),
        "GH_TOKEN: holds no token...",
    ),
    "bad-token": (
        [],
        lambda m: m.setenv("GH_TOKEN", "other"),
        "GH_TOKEN: ... does not accept it: Bad credentials; make a new one",
    ),
    "no-host": (
        [],
        lambda m: m.setenv("GITHUB_GRAPHQL_URL", "http://127.0.0.1:1/graphql"),
        "127.0.0.1:1: cannot be reached: ...refused; check the network",
    ),
    "no-organisation": (
        ["--organisation", "nobody"],
        lambda m: None,
        "--organisation nobody: GitHub shows this token no such organisation; check the name,...",
    ),
    "no-template": (
        ["--template", "https://github.com/acme/nothing"],
        lambda m: None,
        "--template https://github.com/acme/nothing: its versions cannot be read: fatal: ...",
    ),
    "drift": (["--drift"], lambda m: None, "--drift needs --clones FOLDER: it compares files"),
    "answers-file": (
        ["--answers-file", "../x"],
        lambda m: None,
        "--answers-file ../x: is no path inside a repository",
    ),
    "page": (
        ["--html", "/no/where/x.html"],
        lambda m: None,
        "--html ...x.html: cannot be written: No such file or directory; name a file...",
    ),
}


@pytest.mark.parametrize("name", CALLED_WRONGLY)
def test_a_wrong_call_is_one_line(
    name: str, fleet: Call, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, change, says = CALLED_WRONGLY[name]
    change(monkeypatch)
    fleet(*arguments, code=2)
    check_line(says, capsys)


@pytest.mark.parametrize(
    "arguments, says",
    [
        ([], "say which repositories: --organisation NAME or --clones FOLDER"),
        (["--organisation", "acme"], "say which template: --template URL_OR_PATH"),
        (
            ["--organisation", "a", "--clones", "b"],
            "argument --clones: not allowed with argument...",
        ),
        (["--jsn"], "unrecognized arguments: --jsn; see --help"),
        (["--template"], "argument --template: expected one argument; see --help"),
    ],
)
def test_wrong_arguments(arguments: list[str], says: str, capsys: Capture) -> None:
    try:
        assert FLEET.main(arguments) == 2
    except SystemExit as ended:
        assert ended.code == 2
    check_line(says, capsys)


def test_an_unexpected_exception_is_one_line(
    fleet: Call, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FLEET, "list_repositories", lambda *_: 1 / 0)
    fleet(code=2)
    check_line("ZeroDivisionError: division by zero; report it as a bug", capsys)
