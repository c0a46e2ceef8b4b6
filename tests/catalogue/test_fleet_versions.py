"""All forms of a template's address are equal, and every version that Copier records is ordered."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleet_program import FLEET


@pytest.mark.parametrize(
    "given",
    [
        "https://github.com/acme/pipelines",
        "https://github.com/acme/pipelines.git",
        "https://GitHub.com/Acme/Pipelines/",
        "https://user:pass@github.com/acme/pipelines.git",
        "http://www.github.com/acme/pipelines",
        "git+https://github.com/acme/pipelines.git",
        "git@github.com:acme/pipelines.git",
        "github.com:acme/pipelines",
        "git+ssh://git@github.com/acme/pipelines",
        "ssh://git@github.com/acme/pipelines.git",
        "ssh://git@ssh.github.com:443/acme/pipelines.git",
        "gh:acme/pipelines",
        " gh:acme/pipelines.git ",
    ],
)
def test_all_forms_of_one_address(given: str) -> None:
    assert FLEET.identity(given) == "github.com/acme/pipelines"


@pytest.mark.parametrize(
    "given",
    [
        "https://github.com/acme/pipelines-2",
        "https://github.com/acme2/pipelines",
        "https://github.com.evil.example/acme/pipelines",
        "https://evil.example/github.com/acme/pipelines",
        "https://github.com@evil.example/acme/pipelines",
        "gl:acme/pipelines",
        "github.com/acme/pipelines",
        "C:/acme/pipelines",
        r"C:\acme\pipelines",
        "",
    ],
)
def test_other_addresses(given: str) -> None:
    assert FLEET.identity(given) != "github.com/acme/pipelines"


def test_all_forms_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a template"
    folder.mkdir()
    known = FLEET.identity(str(folder))
    assert known == FLEET.identity(f"git+{folder.as_uri()}") == FLEET.identity(f"{folder}/")
    assert known == FLEET.identity("../a template", tmp_path / "shop")
    assert known != FLEET.identity("../a template", tmp_path)


SHAS = {name: f"{number:x}" * 40 for number, name in enumerate(["v0.9.0", "v0.10.0", "v1.0.0"], 1)}
HEAD, BETWEEN, OLD = "f" * 40, "e" * 40, "d" * 40


def made(has_tags: bool = True) -> object:
    template = FLEET.Template("x", {"x"})
    template.head = HEAD
    template.history = [HEAD, SHAS["v1.0.0"], BETWEEN, SHAS["v0.10.0"], SHAS["v0.9.0"], OLD]
    names = {**SHAS, "nightly": OLD, "v1.1.0rc1": HEAD, "v2-final": HEAD} if has_tags else {}
    template.set_releases(
        names, "v0.9.0: 'x'\nfoo: bar\n" + "".join(f"{n}: '{s}'\n" for n, s in SHAS.items())
    )
    return template


@pytest.mark.parametrize("has_tags", [True, False], ids=["tags", "releases.yml"])
@pytest.mark.parametrize(
    "version, newer",
    [
        ("v1.0.0", []),
        ("1.0", []),
        ("v0.10.0", ["v1.0.0"]),
        ("v0.10.0-12-gabc1234", ["v1.0.0"]),
        ("v0.9.0", ["v0.10.0", "v1.0.0"]),
        ("v0.1.0", ["v0.9.0", "v0.10.0", "v1.0.0"]),
        ("v1.0.0rc2", ["v1.0.0"]),
        ("v2.0.0", []),
        (SHAS["v0.10.0"][:7], ["v1.0.0"]),
        (HEAD[:8], []),
        (BETWEEN[:7], ["v1.0.0"]),
        (OLD, ["v0.9.0", "v0.10.0", "v1.0.0"]),
        (f"nightly-3-g{BETWEEN[:7]}", ["v1.0.0"]),
        ("abcdef0", None),
        ("nightly", None),
        ("v1-final", None),
        ("", None),
        ("v", None),
    ],
)
def test_which_releases_are_newer(version: str, newer: list[str] | None, has_tags: bool) -> None:
    template = made(has_tags)
    assert template.latest == "v1.0.0"  # type: ignore[attr-defined]
    assert template.releases_after(version) == newer  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text", ["", "a: [", "- v1.0.0", "v1.0.0: 3", "v1.0.0: main", "2024-13-45"]
)
def test_a_releases_yml_without_releases(text: str) -> None:
    template = FLEET.Template("x", {"x"})
    template.set_releases({}, text)
    assert template.releases == {} and template.latest is None


@pytest.mark.parametrize(
    "text, version",
    [
        ("_commit: v0.1.0\n", "v0.1.0"),
        ("a: 1\n_commit: '1234567'\n", "1234567"),
        ("_commit: 1234567\n", None),
        ("_commit: [\n", None),
        ("x_commit: v1\n", None),
        ("_commit: " + "[" * 60_000, None),
        ("_commit: a" + " " * 400_000 + "b", None),
        (None, None),
    ],
)
def test_the_recorded_version(text: str | None, version: str | None) -> None:
    assert FLEET.recorded_version(text) == version
