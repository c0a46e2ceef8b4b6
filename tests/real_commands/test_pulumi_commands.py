"""The commands of Pulumi's code type, with recorded tools.

No package index has Pulumi. A real uv locks and installs a program in Python.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import toolbox
from commands import Runner, write

ANSWERS: dict[str, Any] = {
    "components": {
        "infra": {"code_type": "pulumi", "path": "infra"},
        "shown": {"code_type": "pulumi", "path": "shown", "plan": True},
    },
    "dependency_map": {"infra": [], "shown": []},
}


def project(runtime: str, **options: str) -> dict[str, str]:
    """The text of a Pulumi.yaml."""
    said = "".join(f"    {name}: {value}\n" for name, value in options.items())
    long = f"\n  name: {runtime}\n  options:\n{said}" if options else f" {runtime}\n"
    return {"Pulumi.yaml": f"name: shop\nruntime:{long}description: All of it\n"}


PACKAGE = json.dumps({"scripts": {"lint": "eslint .", "test": "jest"}})
NODE = {**project("nodejs"), "package.json": PACKAGE, "package-lock.json": "{}"}
PIP = {**project("python"), "requirements.txt": "pulumi==3.122.0\n", "__main__.py": ""}
GO = {**project("go"), "go.mod": "module shop\n"}
TOOLS = (
    *("pulumi", "npm", "npx", "uv", "uvx", "poetry", "go", "gofmt", "mvn", "dotnet"),
    *("docker", "tsc", "python"),
)


@pytest.fixture
def machine(runner: Runner) -> Runner:
    """A machine on which all tools are recorded."""
    for name in TOOLS:
        runner.record(name)
    return runner


# Set-up


LOCKS = {
    "npm": (
        "nodejs",
        "package-lock.json",
        '{"node_modules/@pulumi/pulumi": {\n"version": "3.1.0"\n}',
    ),
    "pnpm": (
        "nodejs",
        "pnpm-lock.yaml",
        "packages:\n  '@pulumi/pulumi@3.1.0':\n    resolution: {}\n",
    ),
    "yarn": ("nodejs", "yarn.lock", '"@pulumi/pulumi@^3.0.0":\n  version "3.1.0"\n\n'),
    "yarn berry": ("nodejs", "yarn.lock", '"@pulumi/pulumi@npm:^3.0.0":\n  version: 3.1.0\n\n'),
    "uv": ("python", "uv.lock", '[[package]]\nname = "pulumi"\nversion = "3.1.0"\n\n'),
    "poetry": ("python", "poetry.lock", '[[package]]\nname = "pulumi"\nversion = "3.1.0"\n\n'),
    "pip": ("python", "requirements.txt", "pulumi==3.1.0\npulumi-aws==6.0.1\n"),
    "go": ("go", "go.mod", "require (\n\tgithub.com/pulumi/pulumi/sdk/v3 v3.1.0\n)\n"),
}


@pytest.mark.parametrize("name", LOCKS)
def test_pulumi_has_the_version_of_the_library(machine: Runner, tmp_path: Path, name: str) -> None:
    runtime, file, text = LOCKS[name]
    root = write(
        tmp_path, {f"infra/{file}": text, **{f"infra/{k}": v for k, v in project(runtime).items()}}
    )
    outcome = machine.run("infra/setup", root / "infra")
    assert (outcome.code, outcome.said["version"]) == (0, "3.1.0"), outcome.output
    # In a workspace, the lock file is in a folder above.
    (root / "infra" / file).rename(root / file)
    said = machine.run("infra/setup", root / "infra").said
    assert (said["version"], said["root"]) == ("3.1.0", str(root))


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({}, "3.259.0"),
        ({".pulumi.version": "3.200.1\n"}, "3.200.1"),
        ({"../.pulumi.version": "v3.200.2\n"}, "3.200.2"),
        ({".tool-versions": "pulumi 3.200.3\n"}, "3.200.3"),
        ({"../mise.toml": '[tools]\npulumi = "3.200.4"\n'}, "3.200.4"),
        ({"mise.toml": "[tools]\npulumi = '3.200.4'\n"}, "3.200.4"),
        ({".tool-versions": "pulumi latest\n"}, "3.259.0"),
        ({"Pulumi.yaml": "runtime: yaml\nrequiredPulumiVersion: 3.200.5\n"}, "3.200.5"),
        ({"Pulumi.yaml": 'runtime: yaml\nrequiredPulumiVersion: ">=3.1.0"\n'}, "3.259.0"),
    ],
)
def test_the_version_of_pulumi(
    machine: Runner, tmp_path: Path, files: dict[str, str], version: str
) -> None:
    outcome = machine.run("infra/setup", write(tmp_path / "infra", {**project("yaml"), **files}))
    assert (outcome.code, outcome.said["version"]) == (0, version), outcome.output
    assert len(outcome.notices) == ("latest" in str(files))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runtime: nodejs # TypeScript\n", ("nodejs", "pip")),
        ('runtime: "go"\n', ("go", "pip")),
        ("runtime:\n  name: python\n  options:\n    toolchain: poetry\n", ("python", "poetry")),
        ("runtime: {name: python, options: {toolchain: uv, virtualenv: venv}}\n", ("python", "uv")),
        ("runtime:\n    options:\n        virtualenv: venv\n    name: python\n", ("python", "pip")),
    ],
)
def test_the_runtime(machine: Runner, tmp_path: Path, text: str, said: tuple[str, str]) -> None:
    after = "config:\n  shop:name: nodejs\n"
    files = {"Pulumi.yaml": f"name: shop\n{text}{after}"}
    found = machine.run("infra/setup", write(tmp_path / "infra", files)).said
    assert (found["runtime"], found["toolchain"]) == said


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"main.py": ""}, "title=Project::There is no Pulumi.yaml in"),
        (project("bun"), "title=Runtime::"),
    ],
)
def test_a_project_that_is_not_understood_fails(
    machine: Runner, tmp_path: Path, files: dict[str, str], error: str
) -> None:
    outcome = machine.run("infra/setup", write(tmp_path / "infra", files))
    assert outcome.code == 1 and f"::error {error}" in outcome.output


# Lint and test


RUFF = "uvx ruff@0.17.6"


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (NODE, ["npm ci", "npm run lint"]),
        ({**NODE, "tsconfig.json": ""}, ["npm ci", "npm run lint", "tsc --noEmit"]),
        (PIP, [f"{RUFF} check --select E9,F63,F7,F82 ."]),
        ({**PIP, "ruff.toml": ""}, [f"{RUFF} check .", f"{RUFF} format --check ."]),
        (GO, ["gofmt -l .", "go vet ./..."]),
        (project("dotnet"), ["dotnet build"]),
        (project("yaml"), []),
    ],
    ids=["node", "types", "python", "rules", "go", "dotnet", "yaml"],
)
def test_lint(machine: Runner, tmp_path: Path, files: dict[str, str], lines: list[str]) -> None:
    folder = write(tmp_path / "infra", files)
    outcome = machine.run("infra/lint", folder)
    assert (outcome.code, machine.lines) == (0, lines), outcome.output
    assert len(outcome.notices) == (not lines)
    for failing in lines:
        assert machine.run("infra/lint", folder, STUB_FAILS=failing).code == 1


def test_policy_packs_are_named(machine: Runner, tmp_path: Path) -> None:
    folder = write(tmp_path / "infra", {**NODE, "policy/PulumiPolicy.yaml": "runtime: nodejs\n"})
    [notice] = machine.run("infra/lint", folder).notices
    assert "Policy packs in" in notice


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (NODE, ["npm ci", "npm run test"]),
        (GO, ["go test ./..."]),
        ({**project("java"), "pom.xml": ""}, ["mvn --batch-mode --no-transfer-progress test"]),
        ({**project("dotnet"), "t.csproj": "Microsoft.NET.Test.Sdk"}, ["dotnet test"]),
        ({**NODE, "package.json": "{}"}, []),
        (PIP, []),
        ({**PIP, "venv/lib/test_x.py": ""}, []),
        (project("dotnet"), []),
        (project("yaml"), []),
    ],
    ids=["node", "go", "java", "dotnet", *["nothing"] * 5],
)
def test_tests(machine: Runner, tmp_path: Path, files: dict[str, str], lines: list[str]) -> None:
    folder = write(tmp_path / "infra", files)
    outcome = machine.run("infra/test", folder)
    assert (outcome.code, machine.lines) == (0, lines), outcome.output
    assert len(outcome.notices) == (not lines)
    if lines:
        assert machine.run("infra/test", folder, STUB_FAILS=lines[-1]).code == 1


INSTALLS: dict[str, tuple[dict[str, str], list[str], list[str]]] = {
    "pip": (
        PIP,
        ["uv venv --quiet --clear --seed {venv}"],
        ["uv pip install --quiet --requirements requirements.txt"],
    ),
    "pip, in the folder that the project names": (
        {**PIP, **project("python", toolchain="pip", virtualenv="venv")},
        ["uv venv --quiet --clear --seed {folder}/venv"],
        ["uv pip install --quiet --requirements requirements.txt"],
    ),
    "uv": (
        {**project("python", toolchain="uv"), "uv.lock": "", "pyproject.toml": ""},
        [],
        ["uv sync --quiet --locked --no-default-groups"],
    ),
    "poetry": (
        {**project("python", toolchain="poetry"), "poetry.lock": "", "pyproject.toml": ""},
        ["uv venv --quiet --clear --seed {venv}"],
        ["poetry install --no-interaction"],
    ),
    "no lock file": (
        {**project("python"), "pyproject.toml": ""},
        ["uv venv --quiet --clear --seed {venv}"],
        ["uv pip install --quiet --requirements pyproject.toml"],
    ),
    "npm": (NODE, [], ["npm ci"]),
    "pnpm": (
        {**project("nodejs"), "package.json": '{"packageManager": "pnpm@9.1.0"}'}
        | {"pnpm-lock.yaml": ""},
        [],
        ["npx --yes pnpm@9.1.0 install --frozen-lockfile"],
    ),
    "yarn": (
        {**project("nodejs"), "package.json": "{}", "yarn.lock": "# v1\n"},
        [],
        ["npx --yes yarn@1.22.22 install --frozen-lockfile"],
    ),
    "no lock file of npm": (
        {**project("nodejs"), "package.json": "{}"},
        [],
        ["npm install --no-package-lock"],
    ),
    "go": (GO, [], []),
    "yaml": (project("yaml"), [], []),
}
UP = "--yes --non-interactive --diff --suppress-outputs --suppress-progress"
TOKEN = {"PULUMI_ACCESS_TOKEN": "pul-secret"}


@pytest.mark.parametrize("name", INSTALLS)
def test_a_deployment(machine: Runner, tmp_path: Path, name: str) -> None:
    """It installs the program's dependencies, and none for development."""
    files, first, then = INSTALLS[name]
    folder = write(tmp_path / "infra", files)
    outcome = machine.run("infra/deploy", folder, **TOKEN)
    assert outcome.code == 0, outcome.output
    temporary = machine.folder / "temp-infra-deploy/program"
    expected = [line.format(venv=temporary, folder=folder) for line in first]
    assert machine.lines == [*expected, *then, f"pulumi up --stack dev {UP}"]
    assert "pul-secret" not in outcome.output
    assert len(outcome.notices) == ("no lock file" in name)
    for failing in then or ["pulumi up"]:
        assert machine.run("infra/deploy", folder, STUB_FAILS=failing, **TOKEN).code == 1


def test_python_is_tested_with_its_groups(machine: Runner, tmp_path: Path) -> None:
    files, _, _ = INSTALLS["uv"]
    folder = write(tmp_path / "infra", {**files, "tests/test_shop.py": ""})
    outcome = machine.run("infra/test", folder)
    assert outcome.code == 0 and not outcome.notices, outcome.output
    sync, there, test = machine.lines
    assert sync == "uv sync --quiet --locked --all-groups --all-extras"
    assert there == "python -c import pytest"
    assert test.startswith("python -m pytest --junitxml ")
    assert machine.run("infra/test", folder, STUB_FAILS="python -m").code == 1


@pytest.mark.parametrize(
    ("variables", "stack"),
    [({}, "dev"), ({"ENVIRONMENT": "prd"}, "prd"), ({"PULUMI_STACK": "acme/eu"}, "acme/eu")],
)
def test_the_stack(machine: Runner, tmp_path: Path, variables: dict[str, str], stack: str) -> None:
    folder = write(tmp_path / "infra", project("yaml"))
    backend = {"PULUMI_BACKEND_URL": "s3://state"}
    assert machine.run("infra/deploy", folder, **variables, **backend).code == 0
    assert machine.lines == [f"pulumi up --stack {stack} {UP}"]


def test_a_deployment_without_a_backend_fails(machine: Runner, tmp_path: Path) -> None:
    folder = write(tmp_path / "infra", NODE)
    outcome = machine.run("infra/deploy", folder)
    assert (outcome.code, machine.lines) == (1, [])
    assert "::error title=Backend::Nothing says where the state is" in outcome.output
    with (folder / "Pulumi.yaml").open("a") as file:
        file.write("backend:\n  url: s3://state\n")
    assert machine.run("infra/deploy", folder).code == 0


def step(op: str, name: str, old: Any = None, new: Any = None, kind: str = "aws:s3:Bucket") -> Any:
    """A step of a preview in Pulumi's JSON."""
    urn = f"urn:pulumi:dev::shop::{kind}::{name}"
    states = {"oldState": old and {"inputs": old}, "newState": new and {"inputs": new}}
    return {"op": op, "urn": urn, **{k: state for k, state in states.items() if state}}


PREVIEW = {
    "steps": [
        step("create", "shop-dev", new={"at": "now"}, kind="pulumi:pulumi:Stack"),
        step("same", "kept", {"acl": "private"}, {"acl": "private"}),
        step("create", "new", new={"acl": "private"}),
        step("update", "logs", {"days": 1, "key": "[secret]"}, {"days": 7, "key": "[secret]"}),
        step("delete-replaced", "db", {"zone": "a"}, kind="aws:rds:Instance"),
        step("create-replacement", "db", {"zone": "a"}, {"zone": "b"}, "aws:rds:Instance"),
        step("replace", "db", {"zone": "a"}, {"zone": "b"}, "aws:rds:Instance"),
        step("delete", "old", {"acl": "private"}),
    ],
    "diagnostics": [{"message": "error: no stack named 'dev' found", "severity": "error"}],
}
CHANGES = """\
replace aws:rds:Instance::db
    zone: "a" -> "b"
update aws:s3:Bucket::logs
    days: 1 -> 7
create aws:s3:Bucket::new
    acl: null -> "private"
delete aws:s3:Bucket::old
    acl: "private" -> null
"""


def previewed(machine: Runner, folder: Path, preview: Any) -> tuple[Any, str, str]:
    """The output of a plan for this preview of Pulumi."""
    answer = write(machine.folder, {"preview.json": json.dumps(preview)}) / "preview.json"
    stub, real = machine.tools / "pulumi", machine.tools / "stub/pulumi"
    if not real.exists():
        real.parent.mkdir()
        stub.rename(real)
    stub.write_text(f'#!/bin/sh\ncat "{answer}"\nexec "{real}" "$@"\n', encoding="utf-8")
    stub.chmod(0o755)
    places = [machine.folder / name for name in ("changes", "text")]
    found = dict(zip(("CHANGES", "CHANGES_TEXT"), map(str, places), strict=True))
    outcome = machine.run("shown/plan", folder, **found, **TOKEN)
    return outcome, *(file.read_text("utf-8") if file.exists() else "" for file in places)


def test_a_plan(machine: Runner, tmp_path: Path) -> None:
    folder = write(tmp_path / "shown", project("yaml"))
    outcome, changes, text = previewed(machine, folder, PREVIEW)
    assert outcome.code == 0, outcome.output
    preview = "pulumi preview --stack dev --non-interactive --json --suppress-outputs"
    assert machine.lines == [preview]
    assert text == CHANGES
    lines = [line.split("\t") for line in changes.splitlines()]
    assert [f"{what} {address}" for what, address, _ in lines] == [
        line for line in CHANGES.splitlines() if not line.startswith(" ")
    ]
    # The same preview gives the same list, and another value gives another one.
    other = json.loads(json.dumps(PREVIEW).replace('"days": 7', '"days": 9'))
    assert previewed(machine, folder, PREVIEW)[1] == changes
    after = previewed(machine, folder, other)[1].splitlines()
    assert [a == b for a, b in zip(after, changes.splitlines(), strict=True)].count(False) == 1
    assert previewed(machine, folder, {"steps": []})[1:] == ("", "")


def test_a_failing_plan_shows_the_reason(machine: Runner, tmp_path: Path) -> None:
    folder = write(tmp_path / "shown", project("yaml"))
    previewed(machine, folder, PREVIEW)
    places = {name: str(machine.folder / name) for name in ("CHANGES", "CHANGES_TEXT")}
    outcome = machine.run("shown/plan", folder, STUB_FAILS="pulumi", **places, **TOKEN)
    assert outcome.code == 1 and "error: no stack named 'dev' found" in outcome.output
    assert not (machine.folder / "CHANGES").exists()
    outcome = machine.run("shown/plan", folder, **places)
    assert outcome.code == 1 and "::error title=Backend::" in outcome.output


def test_a_shown_plan_is_deployed_without_another_preview(machine: Runner, tmp_path: Path) -> None:
    folder = write(tmp_path / "shown", project("yaml"))
    assert machine.run("shown/deploy", folder, **TOKEN).code == 0
    assert machine.lines == [f"pulumi up --stack dev {UP} --skip-preview"]


def test_the_scan_reads_only_lock_files(machine: Runner, tmp_path: Path) -> None:
    folder = write(tmp_path / "infra", {**NODE, "index.ts": "", ".env": "SECRET=1"})
    assert machine.run("infra/security", folder).code == 0
    [line] = machine.lines
    assert line.startswith("docker run --rm ") and " --severity HIGH,CRITICAL " in line
    scanned = machine.folder / "temp-infra-security/scan"
    assert {f.name for f in scanned.iterdir()} == {"package.json", "package-lock.json"}
    outcome = machine.run("infra/security", write(tmp_path / "empty", project("yaml")))
    assert outcome.code == 0 and len(outcome.notices) == 1
    own = write(folder, {"trivy.yaml": ""})
    assert machine.run("infra/security", own, STUB_FAILS="docker").code == 1
    assert " --config trivy.yaml ." in machine.lines[-1]


def test_a_real_uv(machine: Runner, tmp_path: Path) -> None:
    """The program's environment has its requirements, and pip, which Pulumi needs."""
    (machine.tools / "python").unlink()
    (machine.tools / "uv").unlink()
    (machine.tools / "uv").symlink_to(toolbox.script("uv"))
    files = {**PIP, "requirements.txt": "iniconfig==2.1.0\n"}
    files["test_it.py"] = "import iniconfig\n\n\ndef test_it():\n    assert iniconfig\n"
    folder = write(tmp_path / "infra", files)
    outcome = machine.run("infra/test", folder)
    assert outcome.code == 0 and "1 passed" in outcome.output, outcome.output
    assert (machine.folder / "temp-infra-test/program/bin/pip").exists()
    assert not shutil.which("pulumi", path=str(machine.folder / "temp-infra-test/program/bin"))
