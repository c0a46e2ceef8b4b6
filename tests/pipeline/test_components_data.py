"""The data of components: the files of each, and what else decides whether a change concerns it."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from typing import Any

import pytest
import toolbox
import yaml
from made_answers import CATALOGUE, DRAWN_TYPES, generic, plan
from pipeline.code_types import load_code_types
from pipeline.errors import AnswerError

CODE_TYPES = CATALOGUE.code_types


def data(**answers: Any) -> dict[str, Any]:
    read = json.loads(plan(**answers).components_data)
    assert isinstance(read, dict)
    return read


def files(settings: dict[str, Any]) -> list[str]:
    found: list[str] = data(components={"app": settings})["components"]["app"]["files"]
    return found


# Settings of a component -> the patterns of its files.
FILES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "its folder": (generic(test="t", path="app"), ["app"]),
    "the root": (generic(test="t"), ["."]),
    "watched paths": (
        generic(test="t", path="app", watches=["!**/*.md", "z/", "libs/**/*.py", "app/inner"]),
        ["app", "libs/**/*.py", "z", "!**/*.md"],
    ),
    "a generated file that the root watches": (
        generic(test="t", watches=[".github/actions/own"]),
        [".", ".github/actions/own"],
    ),
    "only an exclusion": (generic(test="t", watches=["!docs"]), [".", "!docs"]),
    "submodules": (
        generic(test="t", path="a/b", submodules=True, lfs=True),
        ["a/b", ".gitattributes", ".gitmodules", "a/.gitattributes"],
    ),
    "a file that a setting names": (
        {"code_type": "docker", "path": "api", "dockerfile": "../docker/api.Dockerfile"},
        ["api", "docker/api.Dockerfile", "docker/api.Dockerfile.dockerignore"],
    ),
    "one in its folder": (
        {"code_type": "docker", "path": "api", "dockerfile": "build/Dockerfile"},
        ["api"],
    ),
    "above the folder of each environment": (
        {"code_type": "terraform", "path": "live/{environment}/app"},
        [
            "live/{environment}/app",
            *sorted(
                f"{folder}{name}"
                for folder in ("", "live/", "live/{environment}/")
                for name in CODE_TYPES["terraform"].reads_above
            ),
        ],
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_the_files_of_a_component(case: str) -> None:
    settings, wanted = FILES[case]
    assert files(settings) == wanted


def test_the_data_of_all_components() -> None:
    components = {
        "lib": generic(build="make", produces=["x"], path="lib"),
        "app": generic(build='make "$ENVIRONMENT"', produces=["y"], deploy="ship", path="app"),
        "net": generic(deploy="ship", environments=["prd"], path="net"),
        "site": generic(deploy="ship", path="site"),
    }
    environments = [
        {"name": "dev", "branch": "main", "retention_days": 9},
        {"name": "prd", "after": "dev", "production": True},
    ]
    needs = [
        {"code_type": "app", "depends_on": ["lib"]},
        {"code_type": "app", "depends_on": ["net"], "artifacts": []},
        {"code_type": "site", "depends_on": ["app"]},
    ]
    made = plan(components=components, environments=environments, dependency_map=needs)
    plain: dict[str, Any] = {"takes": [], "after": [], "deployed": [], "checked": []}
    plain |= {"builds": False, "package": False}
    both = ["dev", "prd"]
    assert json.loads(made.components_data) == {
        "components": {
            "app": {
                **{"files": ["app"], "takes": ["lib"], "after": ["net"], "deployed": both},
                **{"checked": [], "builds": True, "package": True, "perEnvironment": True},
            },
            "lib": {
                **plain,
                "files": ["lib"],
                "builds": True,
                "package": True,
                "perEnvironment": False,
            },
            "net": {**plain, "files": ["net"], "deployed": ["prd"], "perEnvironment": False},
            # site takes a package that differs between environments, so its own differs, too.
            "site": {
                **plain,
                "files": ["site"],
                "takes": ["app"],
                "deployed": both,
                "perEnvironment": True,
            },
        },
        "environments": {
            "dev": {"after": "", "days": 9},
            "prd": {"after": "dev", "days": made.environments[1].retention_days},
        },
    }
    assert list(json.loads(made.components_data)["environments"]) == ["dev", "prd"]
    lines = made.components_data.splitlines()
    assert [line.split('"')[1] for line in lines[2:6]] == ["app", "lib", "net", "site"]


def test_components_that_are_built_only_to_be_checked() -> None:
    """In the pipeline of a branch: a package that a tag publishes, and one that nothing takes."""
    components = {
        "lib": generic(lint="l", build="make", produces=["x"]),
        "package": generic(lint="l", build="make", produces=["package.tgz"], publish=True),
        "taker": generic(deploy="ship", environments=["release"]),
        "app": generic(build="make", deploy="ship"),
    }
    environments = [{"name": "ci", "branch": "main"}, {"name": "release", "tag": "v*"}]
    components["package"]["code_type"] = "node"
    needs = [{"code_type": "taker", "depends_on": "lib"}]
    made = plan(components=components, environments=environments, dependency_map=needs)
    found = json.loads(made.components_data)["components"]
    assert {name: of["checked"] for name, of in found.items()} == {
        **{"app": [], "lib": ["ci"], "package": ["ci"], "taker": []},
    }


UPWARDS = re.compile(r"\$(folder|root|PWD)\"?/|\$GITHUB_WORKSPACE|\bUP\b|\bPROJECTS\b|compgen")
NAMED = re.compile(
    r"(?<![\w.*-])(\.?[\w-]+\.(?:toml|json|lockb?|ya?ml|work|mod|xml|cfg|ini|gradle\*?)"
    r"|\.(?:[a-z]+-version|tool-versions|nvmrc|sdkmanrc|golangci\.\*)|[a-z-]+lock\*)(?![\w*-])"
)


def sought_above(name: str) -> set[str]:
    """The files that the scripts of a code type look for in parent folders of a component."""
    code_type = CODE_TYPES[name]
    texts = [*code_type.tools.values(), *(job.command for job in code_type.jobs.values())]
    if code_type.setup:
        texts += [code_type.setup.script, *code_type.setup.files.values()]
    lines = [line for text in texts for line in text.splitlines() if UPWARDS.search(line)]
    return {
        file
        for line in lines
        for file in NAMED.findall(re.sub(r"#.*", "", line))
        if "RUNNER_TEMP/" not in line
    }


@pytest.mark.parametrize("name", CODE_TYPES)
def test_reads_above_lists_every_file_that_scripts_look_for(name: str) -> None:
    """A new file in a script must be added to `reads_above` of the same code type."""
    said = [pattern.rstrip("/") for pattern in CODE_TYPES[name].reads_above]
    sought = sought_above(name)
    missing = {file for file in sought if not any(fnmatch(file, s) or file == s for s in said)}
    assert missing == set(), f"{name}.yml: `reads_above` lacks them"


def test_the_search_finds_scripts_that_look_above() -> None:
    """Otherwise the test above would compare nothing. In code types that are not drawn, tools read
    such files by themselves."""
    assert {name for name in DRAWN_TYPES if sought_above(name)} == {
        name for name in DRAWN_TYPES if CODE_TYPES[name].reads_above
    }


# Invalid patterns -> a part of the message.
NO_NAMES = {
    "!x": "'!x' is no name of a file or folder",
    "a/**": "'a/**' is no name of a file or folder",
    "../x": "leaves the repository",
    "/x": "is absolute",
    "": "expected text that is not empty",
}


@pytest.mark.parametrize("name", NO_NAMES)
def test_invalid_names_in_reads_above_are_refused(name: str, tmp_path: Any) -> None:
    content = {"label": "Go", "description": "x", "jobs": {}, "reads_above": [name]}
    (tmp_path / "schema.json").write_bytes((toolbox.ROOT / "code_types/schema.json").read_bytes())
    (tmp_path / "go.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(AnswerError, match=re.escape(NO_NAMES[name])):
        load_code_types(tmp_path)
