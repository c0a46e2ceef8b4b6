"""The dependency map: its forms, defaults, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from made_answers import catalogue, generic, read, refusal
from pipeline.code_type_model import Consumed

SERVICES = {"web": generic(), "worker": generic(), "db": generic()}


def edges(**answers: Any) -> list[str]:
    return [f"{e.consumer} <- {e.producer}" for e in read(**answers).dependencies.edges]


# The map -> the edges between web, worker and db.
FORMS: dict[str, tuple[Any, list[str]]] = {
    "nothing": ([], []),
    "short": ({"web": "db"}, ["web <- db"]),
    "short, list": ({"web": ["worker", "db"]}, ["web <- db", "web <- worker"]),
    "short, none": ({"web": []}, []),
    "long": ([{"code_type": "web", "depends_on": "db"}], ["web <- db"]),
    "long, list": (
        [{"code_type": "web", "depends_on": ["db", "worker"]}],
        ["web <- db", "web <- worker"],
    ),
    "long, none": ([{"code_type": "web", "depends_on": []}], []),
    "entries add up": (
        [
            {"code_type": "web", "depends_on": "db"},
            {"code_type": "worker", "depends_on": "db"},
            {"code_type": "web", "depends_on": ["worker"]},
        ],
        ["web <- db", "web <- worker", "worker <- db"],
    ),
    "twice the same": ([{"code_type": "web", "depends_on": ["db", "db"]}] * 2, ["web <- db"]),
    "text, as --data hands it over": ("{web: [db], worker: db}", ["web <- db", "worker <- db"]),
    "JSON, as in the requirements": (
        '[{"code_type": "web", "depends_on": "db", "artifacts": []}]',
        ["web <- db"],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_map(form: str) -> None:
    written, expected = FORMS[form]
    assert edges(components=SERVICES, dependency_map=written) == expected


BOTH: list[str] = ["python", "terraform"]
# The map -> the edges of python and terraform, and whether they are the usual ones.
MENTIONS: dict[str, tuple[Any, list[tuple[str, bool]]]] = {
    "no map": ([], [("python", True)]),
    "written": ({"terraform": "python"}, [("python", False)]),
    "none, on purpose": ({"terraform": []}, []),
    "only the producer": ({"python": []}, [("python", True)]),
}


@pytest.mark.parametrize("case", MENTIONS)
def test_usual_dependencies_hold_for_unmentioned_components(case: str) -> None:
    written, expected = MENTIONS[case]
    found = read(code_types=BOTH, dependency_map=written).dependencies.edges
    assert [(e.producer, e.conventional) for e in found] == expected
    assert all(e.consumer == "terraform" for e in found)


def test_a_written_dependency_replaces_a_usual_one_with_a_notice() -> None:
    found = read(code_types=BOTH, dependency_map={"python": "terraform"}).dependencies
    assert [(e.consumer, e.producer) for e in found.edges] == [("python", "terraform")]
    (notice,) = found.notices
    assert notice.startswith("terraform does not wait for python")


@pytest.mark.parametrize(
    "written",
    [
        {"terraform": "python"},
        {"python": "terraform"},
        [{"code_type": "terraform", "depends_on": "python", "artifacts": ["lambda-package.zip"]}],
    ],
    ids=["consumer", "producer", "with its artifact"],
)
@pytest.mark.parametrize("selected, absent", [("python", "terraform"), ("terraform", "python")])
def test_a_code_type_that_is_not_selected_is_ignored_with_a_notice(
    selected: str, absent: str, written: Any
) -> None:
    found = read(code_types=[selected], dependency_map=written).dependencies
    assert not found.edges
    (notice,) = found.notices
    assert absent in notice and "not selected" in notice


def test_other_names_of_an_entry_still_count() -> None:
    known = catalogue(app=[], image=[], chart=[])
    found = read(
        known=known, code_types=["app", "image"], dependency_map={"app": ["image", "chart"]}
    )
    assert [e.producer for e in found.dependencies.edges] == ["image"]
    assert len(found.dependencies.notices) == 1


MAKERS = {
    "site": generic(build="make", produces=["dist", "report.txt"]),
    "tool": generic(build="make", produces=["tool.zip"]),
    "user": generic(path="infra", deploy="make"),
}


def wanted(*artifacts: Any, of: str | list[str] = "tool") -> list[dict[str, Any]]:
    """The map with one entry: `user` takes these artifacts."""
    return [{"code_type": "user", "depends_on": of, "artifacts": list(artifacts)}]


HANDED_ON: dict[str, tuple[Any, list[tuple[str, str, str | None]]]] = {
    "left out: everything": (
        [{"code_type": "user", "depends_on": ["site", "tool"]}],
        [("site", "dist", None), ("site", "report.txt", None), ("tool", "tool.zip", None)],
    ),
    "short form: everything": ({"user": "tool"}, [("tool", "tool.zip", None)]),
    "empty: order only": ([{"code_type": "user", "depends_on": "site", "artifacts": []}], []),
    "by name": (
        [{"code_type": "user", "depends_on": "site", "artifacts": ["dist"]}],
        [("site", "dist", None)],
    ),
    "the maker is found": (
        [{"code_type": "user", "depends_on": ["site", "tool"], "artifacts": ["tool.zip"]}],
        [("tool", "tool.zip", None)],
    ),
    "to a file": (
        wanted({"name": "tool.zip", "to": "a/b"}),
        [("tool", "tool.zip", "a/b")],
    ),
    "into a folder": (
        wanted({"name": "tool.zip", "to": "a/"}),
        [("tool", "tool.zip", "a/tool.zip")],
    ),
    "into the root": (
        wanted({"name": "tool.zip", "to": "."}),
        [("tool", "tool.zip", "tool.zip")],
    ),
    "to two places": (
        [
            {
                "code_type": "user",
                "depends_on": "tool",
                "artifacts": [{"name": "tool.zip", "to": "a"}, {"name": "tool.zip", "to": "b"}],
            }
        ],
        [("tool", "tool.zip", "a"), ("tool", "tool.zip", "b")],
    ),
    "entries add up": (
        [
            {"code_type": "user", "depends_on": "site", "artifacts": ["dist"]},
            {"code_type": "user", "depends_on": "site", "artifacts": ["report.txt"]},
        ],
        [("site", "dist", None), ("site", "report.txt", None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HANDED_ON)
def test_artifacts_and_their_places(case: str) -> None:
    written, expected = HANDED_ON[case]
    found = read(components=MAKERS, dependency_map=written).dependencies.edges
    assert [(e.producer, p.product, p.to) for e in found for p in e.placements] == expected
    assert {e.consumer for e in found} == {"user"}


# What a code type takes, the artifact that the map names -> whether that is accepted.
TAKEN = {
    "anything": ([], "tool.zip", True),
    "that": (["tool.zip"], "tool.zip", True),
    "by pattern": (["docker-image", "*.zip"], "tool.zip", True),
    "anything by pattern": (["*.whl", "*"], "tool.zip", True),
    "a folder": (["out/*"], "out/a b", True),
    "something in a folder": (["*.zip"], "out/tool.zip", True),
    "another": (["docker-image"], "tool.zip", False),
    "another case": (["Tool.zip"], "tool.zip", False),
    "its end": (["tool"], "tool.zip", False),
    "a name like a pattern": (["a.txt"], "[a].txt", False),
    "a name like a pattern, taken": (["*.txt"], "[a].txt", True),
}


@pytest.mark.parametrize("own", ["", "lint", "build", "deploy"])
@pytest.mark.parametrize("case", TAKEN)
def test_an_artifact_that_the_code_type_does_not_take_is_refused(case: str, own: str) -> None:
    """An own build or deployment may take any artifact."""
    patterns, product, taken = TAKEN[case]
    known = catalogue(maker=[], taker=[])
    consumes = tuple(Consumed(pattern) for pattern in patterns)
    known["taker"] = dataclasses.replace(known["taker"], consumes=consumes)
    answers: dict[str, Any] = {
        "known": known,
        "components": {
            "a": {"code_type": "maker", "build": "make", "produces": [product]},
            "b": {"code_type": "taker", **({own: "make"} if own else {})},
        },
        "dependency_map": [{"code_type": "b", "depends_on": "a", "artifacts": [product]}],
    }
    if taken or own in ("build", "deploy"):
        (edge,) = read(**answers).dependencies.edges
        assert [placement.product for placement in edge.placements] == [product]
    else:
        says = refusal(**answers)
        start = f"{ARTIFACT}: b (taker) asks a (maker) for {product!r}, but takes only "
        assert says.startswith(start + " and ".join(patterns) + "; ")


def test_without_artifacts_all_products_are_taken() -> None:
    """Even those that the consumer's commands do not use."""
    (edge,) = read(
        code_types=["kubernetes", "python"], dependency_map={"kubernetes": "python"}
    ).dependencies.edges
    assert [placement.product for placement in edge.placements] == ["lambda-package.zip"]


ARTIFACT = "dependency_map[0].artifacts[0]"


def artifact(what: Any, of: str | list[str] = "site") -> dict[str, Any]:
    return {"components": MAKERS, "dependency_map": wanted(what, of=of)}


def two(one: str, other: str) -> dict[str, Any]:
    given = artifact({"name": "dist", "to": one}, of=["site", "tool"])
    given["dependency_map"][0]["artifacts"].append({"name": "tool.zip", "to": other})
    return given


# Case -> the answers, the place at the beginning of the message, and a part of it.
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown dependency": (
        {"components": SERVICES, "dependency_map": {"web": "wroker"}},
        "dependency_map.web",
        "did you mean 'worker'?",
    ),
    "unknown component": (
        {"components": SERVICES, "dependency_map": [{"code_type": "wep", "depends_on": "db"}]},
        "dependency_map[0]",
        "did you mean 'web'?",
    ),
    "unknown, nothing near": (
        {"components": SERVICES, "dependency_map": {"web": "qqq"}},
        "dependency_map.web",
        "known are: ",
    ),
    "itself": (
        {"components": SERVICES, "dependency_map": {"web": ["db", "web"]}},
        "dependency_map.web",
        "web depends on itself",
    ),
    "circle of two": (
        {"components": SERVICES, "dependency_map": {"web": "db", "db": "web"}},
        "dependency_map",
        "db -> web -> db",
    ),
    "circle of three": (
        {"components": SERVICES, "dependency_map": {"web": "db", "db": "worker", "worker": "web"}},
        "dependency_map",
        "db -> worker -> web -> db",
    ),
    "unknown key": (
        {"components": SERVICES, "dependency_map": [{"code_type": "web", "depend_on": "db"}]},
        "dependency_map[0]",
        "did you mean 'depends_on'?",
    ),
    "key missing": (
        {"components": SERVICES, "dependency_map": [{"code_type": "web"}]},
        "dependency_map[0]",
        "'depends_on' is missing",
    ),
    "a word": ({"dependency_map": "python"}, "dependency_map", "expected a list or a mapping"),
    "a list of words": ({"dependency_map": ["python"]}, "dependency_map[0]", "a mapping"),
    "a number": (
        {"components": SERVICES, "dependency_map": {"web": 3}},
        "dependency_map.web",
        "expected text or a list",
    ),
    "YAML's on": ({"dependency_map": "{on: python}"}, "dependency_map", "in quotes"),
    "broken YAML": ({"dependency_map": "{web: [db"}, "dependency_map", "is not YAML"),
    "product of no component": (artifact("dits"), ARTIFACT, "did you mean 'dist'?"),
    "product of another": (artifact("tool.zip"), ARTIFACT, "user asks site for"),
    "product of no dependency": (artifact("dist", of=[]), ARTIFACT, "depends on no component that"),
    "unknown key of an artifact": (
        artifact({"name": "dist", "at": "x"}),
        ARTIFACT,
        "unknown key 'at'",
    ),
    "to an absolute path": (
        artifact({"name": "dist", "to": "/etc"}),
        f"{ARTIFACT}.to",
        "absolute",
    ),
    "to a home": (
        artifact({"name": "dist", "to": "~/x"}),
        f"{ARTIFACT}.to",
        "absolute",
    ),
    "to a drive": (
        artifact({"name": "dist", "to": "C:/x"}),
        f"{ARTIFACT}.to",
        "absolute",
    ),
    "out of the repository": (
        artifact({"name": "dist", "to": "a/../../b"}),
        f"{ARTIFACT}.to",
        "leaves the repository",
    ),
    "into git": (
        artifact({"name": "dist", "to": ".git/hooks"}),
        f"{ARTIFACT}.to",
        "git's own folder",
    ),
    "two in one place": (two("a/b", "a/b"), "dependency_map", "in one place"),
    "one spot, written otherwise": (two("a/b", "./a//b"), "dependency_map", "in one place"),
    "one spot by case": (two("a/B", "A/b"), "dependency_map", "in one place"),
    "one inside the other": (two("a", "a/b/c"), "dependency_map", "in one place"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_maps_are_refused(case: str) -> None:
    answers, place, says = WRONG[case]
    message = refusal(**answers)
    assert message.startswith(f"{place}: ")
    assert says in message


@pytest.mark.parametrize(
    "to",
    [".packages/site/dist", ".packages/site", ".packages"],
    ids=["where it lies already", "its own folder", "every folder"],
)
def test_a_placement_over_the_packages_themselves_is_refused(to: str) -> None:
    """Packages without `to` are downloaded to `.packages/{producer}/`, so this place is taken.

    `cp` fails if it copies a file onto itself, and copying over another file would lose it.
    """
    assert "dependency_map" in refusal(**artifact({"name": "dist", "to": to}))


def test_a_placement_over_another_package_is_refused() -> None:
    given = artifact({"name": "dist", "to": ".packages/tool/tool.zip"})
    given["dependency_map"].append({"code_type": "user", "depends_on": "tool"})
    says = refusal(**given)
    assert "user wants 'dist' of site at '.packages/tool/tool.zip', where packages are" in says


def test_two_consumers_may_use_one_place() -> None:
    """Each job has a workspace of its own."""
    taken = [{"name": "dist", "to": "a/b"}]
    entries = [
        {"code_type": who, "depends_on": "site", "artifacts": taken} for who in ("user", "tool")
    ]
    assert not refusal(components=MAKERS, dependency_map=entries)
