"""Detection finds exactly these components, with these names and paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_answers import CATALOGUE
from pipeline.detection import find_components
from pipeline.own_types import with_own
from pipeline.proposal import propose
from pipeline.repository_files import OTHERS, list_files
from repositories import LAMBDA, SERVICE, components, manifest, proposed, repository

PROJECT = '[project]\nname = "x"\n'
MODULE = 'module "net" {\n  source = "../modules/net"\n}\n'

SAM = "AWSTemplateFormatVersion: 2010-09-09\nTransform: 'AWS::Serverless-2016-10-31'\n"

# Files -> the code type and the path of each component, by its name.
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "no files": ({}, {}),
    "no known code": ({"README.md": "", "src/main.c": ""}, {}),
    "a stack of AWS SAM with its functions, and a site": (
        {
            "template.yaml": SAM + "  Properties:\n    CodeUri: src/hello/\n",
            "requirements.txt": "pytest\n",
            "src/hello/requirements.txt": "",
            "site/package.json": '{"scripts": {"build": "vite build"}}',
        },
        {"sam": "sam .", "node": "node site"},
    ),
    "a stack that builds the code beside it": (
        {
            "deploy/template.yaml": SAM + '  Properties: {CodeUri: "../app"}\n',
            "app/package.json": '{"scripts": {"test": "jest"}}',
            "deploy/plain.yaml": "Resources: {}\n",
        },
        {"sam": "sam deploy", "node": "node app"},
    ),
    "stacks in one folder, one of them nested": (
        {
            "orders.yaml": "Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]\n",
            "stock.yml": SAM + "  Properties:\n    Location: inner.yaml\n",
            "inner.yaml": SAM,
        },
        {"orders": "sam .", "stock": "sam ."},
    ),
    "nested stacks beside a template": (
        {"template.yaml": SAM, "auth.yaml": SAM, "chart/values.yaml": "Transform: none\n"},
        {"sam": "sam ."},
    ),
    "a function": (LAMBDA, {"python": "python functions/sync", "terraform": "terraform infra"}),
    "in the root": (SERVICE, {"python": "python .", "docker": "docker ."}),
    "two services of one type": (
        {"services/api/pyproject.toml": PROJECT, "services/worker/requirements.txt": ""},
        {"api": "python services/api", "worker": "python services/worker"},
    ),
    "one in the root and one in a folder": (
        {"pyproject.toml": PROJECT, "worker/requirements.txt": ""},
        {"python": "python .", "worker": "python worker"},
    ),
    "two folders of one name": (
        {"billing/api/setup.py": "setup()", "sales/api/setup.py": "setup()"},
        {"billing-api": "python billing/api", "sales-api": "python sales/api"},
    ),
    "folders with meaningless names": (
        {"billing/src/setup.py": "setup()", "sales/src/setup.py": "setup()"},
        {"billing": "python billing/src", "sales": "python sales/src"},
    ),
    "images beside code, several of each": (
        {
            f"{name}/{file}": ""
            for name in ("api", "web")
            for file in ("Dockerfile", "requirements.txt")
        },
        {
            "api": "docker api",
            "api-python": "python api",
            "web": "docker web",
            "web-python": "python web",
        },
    ),
    "folders with unsafe characters": (
        {"1. first/setup.py": "setup()", "Größe (neu)/setup.py": "setup()"},
        {"first": "python 1. first", "gr-e-neu": "python Größe (neu)"},
    ),
    "a reserved name": (
        {"orchestrator/setup.py": "setup()", "other/setup.py": "setup()"},
        {"orchestrator-python": "python orchestrator", "other": "python other"},
    ),
    "folders named like code types": (
        {"docker/setup.py": "setup()", "other/setup.py": "setup()", "Dockerfile": ""},
        {"docker": "docker .", "docker-python": "python docker", "other": "python other"},
    ),
    "tools' configuration alone": ({"pyproject.toml": "[tool.ruff]\n"}, {}),
    "modules called setup.py": (
        {
            "code/setup.py": '"""The set-up."""\n\n\ndef setup(job: str) -> None:\n    _setup()\n',
            "old/setup.py": "# setup(a)\nimport setuptools\n\nsetuptools.setup (name='old')\n",
        },
        {"python": "python old"},
    ),
    "a workspace root without dependencies": (
        {
            "pyproject.toml": "[project]\nname = 'shop'\n[tool.uv.workspace]\nmembers = ['*']\n",
            "api/pyproject.toml": PROJECT,
        },
        {"python": "python api"},
    ),
    "a workspace root with dependencies": (
        {
            "pyproject.toml": (
                "[project]\ndependencies = [\n  'api',\n]\n[tool.uv.workspace]\nmembers = ['*']\n"
            ),
            "api/pyproject.toml": PROJECT,
        },
        {"api": "python api", "python": "python ."},
    ),
    "projects of other managers": (
        {
            "a/pyproject.toml": "[tool.poetry.dependencies]\n",
            "b/pyproject.toml": "[tool.pdm]\n",
            "c/Pipfile": "",
            "d/setup.cfg": "[metadata]\n",
            "e/setup.cfg": "[flake8]\n",
        },
        {name: f"python {name}" for name in "abcd"},
    ),
    "modules of Terraform": (
        {"live/main.tf": MODULE, "modules/net/main.tf": ""},
        {"terraform": "terraform live"},
    ),
    "a module of Terraform in one line": (
        {"live/main.tf": 'module "net" { source = "../modules/net" }\n', "modules/net/main.tf": ""},
        {"terraform": "terraform live"},
    ),
    "environments of one stack": (
        {f"infra/envs/{name}/main.tf": "" for name in ("dev", "staging", "prod", "demo")},
        {"terraform": "terraform infra/envs/{environment}"},
    ),
    "environments beside one another": (
        {f"infra/{name}/main.tf": "" for name in ("dev", "prod")},
        {"terraform": "terraform infra/{environment}"},
    ),
    "environments beside other stacks": (
        {f"infra/{name}/main.tf": "" for name in ("dev", "prod", "demo", "bootstrap")},
        {"infra": "terraform infra/{environment}", "bootstrap": "terraform infra/bootstrap"},
    ),
    "environments inside a module": (
        {f"infra/{name}main.tf": "" for name in ("", "dev/", "prod/")},
        {"terraform": "terraform infra"},
    ),
    "environments in the root": (
        {f"{name}/main.tf": "" for name in ("dev", "prod")},
        {"terraform": "terraform {environment}"},
    ),
    "a stack that is called like an environment": (
        {"infra/dev/main.tf": "", "infra/network/main.tf": ""},
        {"dev": "terraform infra/dev", "network": "terraform infra/network"},
    ),
    "manifests": (
        {"k8s/web.yaml": manifest("web"), "k8s/db/db.yml": manifest("db"), "compose.yaml": "a: b"},
        {"kubernetes": "kubernetes k8s"},
    ),
    "base and overlays": (
        {
            "deploy/base/kustomization.yaml": "",
            "deploy/overlays/dev/kustomization.yaml": "",
            "deploy/overlays/prod/kustomization.yml": "",
        },
        {"kubernetes": "kubernetes deploy"},
    ),
    "YAML of other kinds": (
        {"a.yaml": "kind: Config\n", "b/chart.yml": "name: x\n", "c.yaml": "{{ template }}"},
        {},
    ),
    "Dockerfiles by other names": (
        {
            "Dockerfile.api": "",
            "worker.Dockerfile": "",
            "Dockerfile.dev": "",
            "Dockerfile.test": "",
        },
        {"api": "docker .", "worker": "docker ."},
    ),
    "a Dockerfile beside one for development": (
        {"a/Dockerfile": "", "a/Dockerfile.dev": ""},
        {"docker": "docker a"},
    ),
    "a context above the Dockerfile": (
        {"build-images/web.Dockerfile": "COPY web/index.html /\n", "web/index.html": ""},
        {"docker": "docker ."},
    ),
    "a folder of Dockerfiles": (
        {"docker/Dockerfile.api": "COPY . /app\n", "docker/dockerfile.web": "COPY . .\n"},
        {"api": "docker .", "web": "docker ."},
    ),
    "kustomize components": (
        {"k8s/components/db/kustomization.yaml": "apiVersion: v1\nkind: Component\n"},
        {},
    ),
    "what a kustomize component names in its folder": (
        {
            "k8s/components/alerts/kustomization.yaml": (
                "kind: Component\nresources:\n  - ../base\n  # channels\n  - ./mail\n  - chat\n"
            ),
            "k8s/components/alerts/mail/kustomization.yaml": "resources: []\n",
            "k8s/components/alerts/chat/kustomization.yaml": "resources: []\n",
            "k8s/components/space/kustomization.yaml": (
                "kind: Component\nresources:\n- ../base\n- namespace.yaml"
            ),
            "k8s/components/space/namespace.yaml": "kind: Namespace\n",
            "k8s/components/base/kustomization.yaml": "resources: []\n",
            "k8s/shop/kustomization.yaml": "components:\n- ../components/alerts\n",
        },
        {"base": "kubernetes k8s/components/base", "shop": "kubernetes k8s/shop"},
    ),
    "patches and short lists of kustomize components": (
        {
            **{
                f"k8s/{name}/kustomization.yaml": f"kind: Component\n{text}"
                for name, text in {
                    "a": "patches:\n  - target:\n      kind: Deployment\n    path: more/x.yaml\n",
                    "b": "resources:\n- y.yaml\npatchesStrategicMerge:\n- x.yaml\n",
                    "c": "resources: [y.yaml, 'x.yaml']\ncomponents: [../base]\n",
                }.items()
            },
            "k8s/a/more/x.yaml": "kind: Deployment\n",
            **{f"k8s/{name}/{file}.yaml": "kind: Service\n" for name in "bc" for file in "xy"},
            "k8s/base/kustomization.yaml": "resources: []\n",
            "k8s/shop/kustomization.yaml": "resources: [../base]\ncomponents: [../a]\n",
        },
        {"base": "kubernetes k8s/base", "shop": "kubernetes k8s/shop"},
    ),
    "OpenTofu beside Terraform": (
        {
            "a/main.tofu": 'source = "../m"\n',
            "b/main.tf": "",
            "b/.opentofu-version": "",
            "c/main.tf": "",
            "m/main.tf": "",
            ".opentofu-version": "",
        },
        {"a": "opentofu a", "b": "opentofu b", "c": "terraform c", "m": "terraform m"},
    ),
    "two sets of manifests with environments": (
        {
            f"{home}/overlays/{env}/kustomization.yaml": ""
            for home in ("shop", "admin")
            for env in ("dev", "prod")
        },
        {"admin": "kubernetes admin", "shop": "kubernetes shop"},
    ),
    "folders inside environments": (
        {f"k8s/{env}/{name}/a.yaml": manifest("x") for env in ("base", "dev") for name in "ab"},
        {"kubernetes": "kubernetes k8s"},
    ),
    "a Dockerfile that copies from its own folder": (
        {"docker/Dockerfile": "COPY run.sh /\n", "docker/run.sh": "", "Makefile": ""},
        {"docker": "docker docker"},
    ),
    "a folder with a colon, which no path may contain": (
        {"a:b/setup.py": "setup()", "c/setup.py": "setup()"},
        {"python": "python c"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_components_are_found(name: str) -> None:
    files, expected = CASES[name]
    proposal = proposed(files)
    if not expected:
        assert proposal.names == set() and not proposal.table
    else:
        assert components(proposal) == expected


@pytest.mark.parametrize(
    "folder", ["node_modules/x", ".venv/lib", "vendor", "tests/data", "docs", "examples/a", "Build"]
)
def test_vendored_test_and_example_folders_are_left_out(folder: str) -> None:
    assert not proposed({f"{folder}/setup.py": "setup()", f"a/{folder}/Dockerfile": ""}).names
    other = f"x{folder.replace('/', '-')}"
    assert components(proposed({f"{other}/setup.py": "setup()"})) == {"python": f"python {other}"}


def test_left_out_folders_are_lower_case() -> None:
    assert {name.lower() for name in OTHERS} == OTHERS


def test_a_new_component_renames_no_other() -> None:
    """Two services keep their names, whatever a third is called."""
    two = {"services/api/setup.py": "setup()", "services/worker/setup.py": "setup()"}
    names = {it.path: it.name for it in find_components(repository(two), CATALOGUE.code_types)}
    for more in ("aaa/requirements.txt", "zzz/requirements.txt", "Dockerfile", "api/main.tf"):
        found = find_components(repository({**two, more: ""}), CATALOGUE.code_types)
        assert names.items() <= {it.path: it.name for it in found}.items()


# Files of a Python project -> the `produces` that is proposed for it.
PRODUCES: dict[str, tuple[dict[str, str], list[str] | None]] = {
    "a handler": (LAMBDA, None),
    "an asynchronous handler": (
        {"f/main.py": "async def go(event):\n", "f/setup.py": "setup()"},
        None,
    ),
    "a package": ({"p/pyproject.toml": f"{PROJECT}[build-system]\n"}, ["dist"]),
    "an application of Poetry's": (
        {"p/pyproject.toml": "[tool.poetry]\npackage-mode = false\n[build-system]\n"},
        [],
    ),
    "an old package": ({"p/setup.py": "setup()"}, ["dist"]),
    "an application": ({"p/requirements.txt": "", "p/app.py": "def index():\n"}, []),
    "an application whose setup.py and setup.cfg do not make a package": (
        {"p/requirements.txt": "", "p/setup.py": "def setup():\n", "p/setup.cfg": "[flake8]\n"},
        [],
    ),
    "a project whose subfolder has a handler": (
        {"requirements.txt": "", "f/requirements.txt": "", "f/main.py": "def go(event):\n"},
        [],
    ),
}


@pytest.mark.parametrize("name", PRODUCES)
def test_produces_of_a_python_project(name: str) -> None:
    files, expected = PRODUCES[name]
    settings = proposed(files).components.get("python", {})
    assert settings.get("produces") == expected


BUILDS = '{"private": true, "scripts": {"build": "node build.js"}}'


@pytest.mark.parametrize(
    ("package", "ignored", "produces"),
    [
        (BUILDS, "/node_modules\nbuild/\n", ["build"]),
        (BUILDS, "**/out/*\r\n", ["out"]),
        (BUILDS, "build\ndist\nout\n", None),
        (BUILDS, "# build\nbuild.log\nsrc/build\n", None),
        ('{"main": "index.js", "private": true}', "build/\n", []),
    ],
)
def test_a_script_writes_into_the_folder_that_git_ignores(
    package: str, ignored: str, produces: list[str] | None
) -> None:
    """None: the default, `dist`. The file may lie in a folder above."""
    for folder in ("", "web/"):
        found = proposed({f"{folder}package.json": package, ".gitignore": ignored})
        [settings] = [*found.components.values()] or [{}]
        assert settings.get("produces") == produces


@pytest.mark.parametrize(
    ("ignored", "produces"),
    [
        ("web/build\n", ["build"]),
        ("/*/out/\n", ["out"]),
        ("/build\n", None),
        ("build\n!build\n", None),
        ("build\nx\\\n", None),
    ],
)
def test_a_gitignore_above_is_read_as_git_reads_it(
    ignored: str, produces: list[str] | None
) -> None:
    found = proposed({"web/package.json": BUILDS, ".gitignore": ignored})
    assert found.components["node"].get("produces") == produces


MORE_GROUPS: dict[str, dict[str, Any]] = {
    "parts": {"detect": {"parts": r'target\(path: "((Sources|Lib)/\w+)"'}},
    "needs": {"detect": {"needs": [{"named_in": ["*.swift"], "pattern": r"((\.\.)/common)"}]}},
    "called": {
        "detect": {
            "needs": [
                {"named_in": ["*.swift"], "pattern": r"uses (\S+)", "called": r"name (ap(i))|(x)"}
            ]
        }
    },
    "names of packages": {
        "consumes": [{"product": "*", "named_in": ["*.swift"], "pattern": r"((\.\.)/common)"}]
    },
    "variables of files": {
        "consumes": [
            {
                "product": "*",
                "named_in": ["*.swift"],
                "pattern": r"uses (\S+)",
                "variables": r"let (\w+) = ((\.\.)/common)",
            }
        ]
    },
    "environments": {"environments_in": [{"named_in": ["*.swift"], "pattern": r"((pr)od)"}]},
    "constants": {
        "detect": {
            "known_as": r"name (\w+)",
            "reads": r"uses (\S+)",
            "constants": r"let (\w+) = ((\.\.)/common)",
        }
    },
}
"""Keys of a code type whose expressions have more groups than are read."""


@pytest.mark.parametrize("key", MORE_GROUPS)
def test_expressions_may_have_more_groups_than_are_read(key: str) -> None:
    given = MORE_GROUPS[key]
    jobs = {job: {} for job in ("lint", "test", "security", "build", "deploy")}
    detect = {"files": ["Package.swift"], **given.get("detect", {})}
    swift = {"label": "Swift", "description": "x", "jobs": jobs, **given, "detect": detect}
    own = with_own(CATALOGUE, ".github/code-types", {"swift": swift})
    text = 'name api\nlet a = ../common\nuses $a\ntarget(path: "Sources/part")\nprod\n'
    files = {
        "app/Package.swift": text,
        "app/Sources/part/Package.swift": "",
        "common/Package.swift": "name x\n",
    }
    found = propose(repository(files), own.code_types).components
    paths = {settings["path"] for settings in found.values()}
    part = set() if key == "parts" else {"app/Sources/part"}
    assert paths == {"app", "common"} | part


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Editors on Windows write one. The tools skip it."""
    for name, text in {
        "chart/Chart.yaml": "apiVersion: v2\n",
        "api/pyproject.toml": PROJECT,
    }.items():
        file = tmp_path / name
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8-sig")
    assert propose(list_files(tmp_path), CATALOGUE.code_types).names == {"helm", "python"}
