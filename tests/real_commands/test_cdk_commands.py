"""The commands of the AWS CDK's code type: with recorded tools, and real ones with REAL_TOOLS=1."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import toolbox
import yaml
from commands import Runner, write

ANSWERS: dict[str, Any] = {
    "components": {"infra": {"code_type": "cdk", "path": "infra"}},
    "dependency_map": {"infra": []},
    "cloud": "aws",
}

CODE_TYPE = yaml.safe_load((toolbox.ROOT / "code_types/cdk.yml").read_text(encoding="utf-8"))
NPM = toolbox.NODE.parent.parent / "lib/node_modules/npm/bin"

# A stub of the CDK, called directly or by npx, that writes the same files as the real one.
CDK = """\
#!/bin/bash
{stub} "$@" || exit 1
case "$*" in
  *--version) echo "2.1000.1 (build abcdef)" ;;
  *synth*) mkdir -p "${{*: -1}}" && echo "$*" > "${{*: -1}}/manifest.json" ;;
esac
"""
APP = {"cdk.json": '{"app": "node app.js"}'}
PACKAGE = json.dumps({"name": "infra", "scripts": {"lint": "eslint .", "test": "jest"}})
NODE = {**APP, "package.json": PACKAGE, "package-lock.json": "{}"}
PYTHON = {"cdk.json": '{"app": "python app.py"}', "requirements.txt": "aws-cdk-lib\n"}
OWN_CLI = "node_modules/.bin/cdk"


@pytest.fixture
def machine(runner: Runner) -> Runner:
    """A machine with Node.js. All other tools are recorded."""
    tools = runner.tools
    (tools / "node").symlink_to(toolbox.NODE)
    for name in ("npm", "npx", "uv", "uvx", "go", "mvn", "dotnet", "python"):
        runner.record(name)
    script(tools / "npx", tools / "stub/npx")
    return runner


def script(tool: Path, stub: Path) -> None:
    """Copy the recorded tool to another place, where it does the work of the CDK."""
    stub.parent.mkdir(parents=True, exist_ok=True)
    tool.rename(stub)
    tool.write_text(CDK.format(stub=stub), encoding="utf-8")
    tool.chmod(0o755)


def own_cli(machine: Runner, folder: Path) -> None:
    """Give the project a CDK command of its own."""
    machine.record("cdk")
    cli = folder / OWN_CLI
    cli.parent.mkdir(parents=True)
    (machine.tools / "cdk").rename(cli)
    script(cli, folder / "node_modules/stub/cdk")


ALL = {"ENVIRONMENTS": "dev test prd"}


def synth(environment: str, cli: str = "npx --yes aws-cdk@2.1148.1") -> str:
    context = f"--context environment={environment}"
    return f"{cli} synth --quiet --no-lookups {context} --output cdk.out/{environment}"


# Lint and test


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (NODE, ["npm ci", "npm run lint"]),
        ({**APP, "package.json": "{}"}, []),
        (PYTHON, ["uvx ruff@0.17.6 check --select E9,F63,F7,F82 ."]),
        (
            {**PYTHON, "ruff.toml": ""},
            ["uvx ruff@0.17.6 check .", "uvx ruff@0.17.6 format --check ."],
        ),
    ],
    ids=["script", "no script", "python", "rules"],
)
def test_lint(machine: Runner, tmp_path: Path, files: dict[str, str], lines: list[str]) -> None:
    project = write(tmp_path / "infra", files)
    outcome = machine.run("infra/lint", project)
    assert outcome.code == 0 and machine.lines == lines, outcome.output
    assert len(outcome.notices) == (not lines)


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (NODE, ["npm ci", "npm run test"]),
        ({"cdk.json": "", "go.mod": ""}, ["go test ./..."]),
        ({"cdk.json": "", "pom.xml": ""}, ["mvn --batch-mode --no-transfer-progress test"]),
        ({"cdk.json": "", "src/App.sln": ""}, ["dotnet test src"]),
        ({**APP, "package.json": "{}"}, []),
        ({**APP, "package.json": '{"scripts": {"test": "echo no test specified"}}'}, []),
        ({"cdk.json": "", "build.gradle": ""}, []),
    ],
    ids=["script", "go", "java", "dotnet", "no script", "placeholder", "unknown"],
)
def test_tests(machine: Runner, tmp_path: Path, files: dict[str, str], lines: list[str]) -> None:
    project = write(tmp_path / "infra", files)
    outcome = machine.run("infra/test", project)
    assert outcome.code == 0 and machine.lines == lines, outcome.output
    assert len(outcome.notices) == (not lines)


@pytest.mark.parametrize(("status", "code"), [(0, 0), (5, 0), (1, 1)])
def test_tests_of_an_app_in_python(machine: Runner, tmp_path: Path, status: int, code: int) -> None:
    project = write(tmp_path / "infra", {**PYTHON, "requirements-dev.txt": "pytest\n"})
    (machine.tools / "uv").rename(machine.tools / "stub/uv")
    uv = f'#!/bin/sh\n{machine.tools}/stub/uv "$@"\nexit {status}\n'
    (machine.tools / "uv").write_text(uv, encoding="utf-8")
    (machine.tools / "uv").chmod(0o755)
    outcome = machine.run("infra/test", project)
    assert outcome.code == code and len(outcome.notices) == (status == 5)
    files = "--with-requirements requirements.txt --with-requirements requirements-dev.txt"
    [line] = machine.lines
    command = f"uv run --no-project {files} --with pytest python -m pytest"
    assert line.startswith(f"{command} --junitxml ") and line.endswith("/reports/pytest.xml")


@pytest.mark.parametrize("job", ["lint", "test"])
def test_a_failing_script_fails_the_command(machine: Runner, tmp_path: Path, job: str) -> None:
    project = write(tmp_path / "infra", NODE)
    assert machine.run(f"infra/{job}", project, STUB_FAILS="npm run").code == 1


# Build


NPX = "npx --yes aws-cdk@2.1148.1"
PACKAGES = {**APP, "package.json": "{}"}


@pytest.mark.parametrize(
    ("files", "install", "cli"),
    [
        (NODE, ["npm ci"], NPX),
        (PACKAGES, ["npm install"], NPX),
        (
            {**PACKAGES, "pnpm-lock.yaml": ""},
            ["npx --yes pnpm@10.34.8 install --frozen-lockfile"],
            NPX,
        ),
        (
            {**PACKAGES, "yarn.lock": "# v1\n"},
            ["npx --yes yarn@1.22.22 install --frozen-lockfile"],
            NPX,
        ),
        (
            {**PACKAGES, "yarn.lock": "__metadata:\n"},
            ["npx --yes @yarnpkg/cli-dist@4.18.1 install --immutable"],
            NPX,
        ),
        *(
            (
                {**APP, "package.json": f'{{"packageManager": "{named}"}}', **lock},
                [f"npx --yes {command}"],
                NPX,
            )
            for named, lock, command in (
                (
                    "pnpm@9.1.0+sha512.abc",
                    {"pnpm-lock.yaml": ""},
                    "pnpm@9.1.0 install --frozen-lockfile",
                ),
                ("yarn@1.22.1", {"yarn.lock": "# v1\n"}, "yarn@1.22.1 install --frozen-lockfile"),
                (
                    "yarn@4.5.0",
                    {"yarn.lock": "__metadata:\n"},
                    "@yarnpkg/cli-dist@4.5.0 install --immutable",
                ),
            )
        ),
        ({**PYTHON, "uv.lock": ""}, [], f"uv run --locked {NPX}"),
        (PYTHON, [], f"uv run --no-project --with-requirements requirements.txt {NPX}"),
        ({"cdk.json": "", "go.mod": ""}, [], NPX),
    ],
)
def test_the_assembly_names_the_version_that_made_it(
    machine: Runner, tmp_path: Path, files: dict[str, str], install: list[str], cli: str
) -> None:
    script(machine.tools / "uv", machine.tools / "stub/uv")
    project = write(tmp_path / "infra", {**files, "cdk.out/of-another-time": ""})
    outcome = machine.run("infra/build", project)
    assert outcome.code == 0, outcome.output
    assert machine.lines == [*install, synth("dev", cli), f"{cli} --version"]
    assert {file.name for file in (project / "cdk.out").iterdir()} == {"dev", "cli-version.txt"}
    assert [file.name for file in (project / "cdk.out/dev").iterdir()] == ["manifest.json"]
    version = (project / "cdk.out/cli-version.txt").read_text(encoding="utf-8")
    assert version == "2.1000.1\n"


@pytest.mark.parametrize("failing", ["npm ci", "npx --yes aws-cdk@2.1148.1 synth"])
def test_no_command_runs_after_a_failure(machine: Runner, tmp_path: Path, failing: str) -> None:
    project = write(tmp_path / "infra", NODE)
    assert machine.run("infra/build", project, STUB_FAILS=failing).code == 1
    assert machine.lines[-1].startswith(failing) and not (project / "cdk.out").exists()


def test_a_workspace_above_the_app(machine: Runner, tmp_path: Path) -> None:
    """The lock file and the CDK command may be in the workspace's root."""
    root = write(tmp_path / "root", {"package.json": "{}", "pnpm-lock.yaml": ""})
    own_cli(machine, root)
    project = write(root / "infra", {**PACKAGES, "blocks/a.js": ""})
    assert machine.run("infra/build", project).code == 0
    pnpm = "npx --yes pnpm@10.34.8 install --frozen-lockfile"
    assert machine.lines == [pnpm, synth("dev", "cdk"), "cdk --version"]
    assert [call["folder"] for call in machine.recorded][:2] == [str(root), str(project)]


def test_packages_of_the_workspace_are_built_first(machine: Runner, tmp_path: Path) -> None:
    package = '{"scripts": {"build": "tsc"}, "dependencies": {%s}}'
    files = {
        "package.json": "{}",
        "package-lock.json": "{}",
        "blocks/package.json": package % '"@x/base": "*", "left-pad": "1"',
        "base/package.json": package % "",
        "docs/package.json": package % "",
    }
    root = write(tmp_path / "root", files)
    needs = {**APP, "package.json": '{"devDependencies": {"@x/blocks": "*"}}'}
    project = write(root / "infra", needs)
    (root / "node_modules/@x").mkdir(parents=True)
    for name in ("blocks", "base", "docs"):
        (root / "node_modules/@x" / name).symlink_to(root / name)
    assert machine.run("infra/build", project).code == 0
    assert machine.lines[:3] == ["npm ci", "npm run build", "npm run build"]
    folders = [str(folder) for folder in (root, root / "base", root / "blocks", project)]
    assert [call["folder"] for call in machine.recorded][:4] == folders
    outcome = machine.run("infra/build", project, STUB_FAILS="npm run build")
    error = f"The script build of {root / 'base'}, which {root / 'blocks'} needs, has failed"
    assert (outcome.code, f"::error title=Build::{error}" in outcome.output) == (1, True)


def test_each_environment_is_synthesized(machine: Runner, tmp_path: Path) -> None:
    """With its own variables only."""
    project = write(tmp_path / "infra", NODE)
    own_cli(machine, project)
    cli = project / OWN_CLI
    text = cli.read_text(encoding="utf-8").replace('echo "$*" >', 'echo "$COLOUR" >')
    cli.write_text(text, encoding="utf-8")
    variables = json.dumps({"dev": {"COLOUR": "a 'red'"}, "prd": {"COLOUR": "blue"}})
    outcome = machine.run("infra/build", project, ENVIRONMENT_VARIABLES=variables, **ALL)
    assert outcome.code == 0, outcome.output
    environments = ("dev", "test", "prd")
    expected = ["npm ci", *(synth(name, "cdk") for name in environments), "cdk --version"]
    assert machine.lines == expected
    assert [
        (project / f"cdk.out/{name}/manifest.json").read_text(encoding="utf-8")
        for name in environments
    ] == ["a 'red'\n", "\n", "blue\n"]


@pytest.mark.parametrize("rules", [".checkov.yml", ".checkov.yaml"])
def test_the_templates_are_scanned(machine: Runner, tmp_path: Path, rules: str) -> None:
    project = write(tmp_path / "infra", {**NODE, rules: ""})
    assert machine.run("infra/build", project, **ALL).code == 0
    scan = f"uvx checkov@3.3.30 --config-file {rules} --directory cdk.out/{{}}"
    scan += " --framework cloudformation --quiet --compact"
    expected = [line for n in ("dev", "test", "prd") for line in (synth(n), scan.format(n))]
    assert machine.lines == ["npm ci", *expected, f"{NPX} --version"]
    assert machine.run("infra/build", project, STUB_FAILS="uvx checkov").code == 1


def test_a_build_installs_once(machine: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", NODE)
    own_cli(machine, project)
    outcomes = machine.build("infra", project)
    assert [outcome.code for outcome in outcomes.values()] == [0, 0, 0], outcomes
    scripts = ["npm ci", "npm run lint", "npm run test"]
    # The build finds the project's own CDK command, although it installs nothing itself.
    assert machine.lines == [*scripts, synth("dev", "cdk"), "cdk --version"]


# Deploy


@pytest.mark.parametrize(
    ("stacks", "selected"), [("", "--all"), ("Dev/*", "Dev/*"), ("Site-dev Data-dev",) * 2]
)
def test_the_synthesized_assembly_is_deployed(
    machine: Runner, tmp_path: Path, stacks: str, selected: str
) -> None:
    """By the version that synthesized it. The project's packages are not used."""
    files = {**NODE, "cdk.out/cli-version.txt": "2.1000.1\n", "Dev/file": ""}
    project = write(tmp_path / "infra", files)
    assert machine.run("infra/deploy", project, STACKS=stacks).code == 0
    [line] = machine.lines
    options = "--app cdk.out/dev --require-approval never"
    assert line == f"npx --yes aws-cdk@2.1000.1 deploy {options} {selected}"
    assert machine.run("infra/deploy", project, STUB_FAILS="npx").code == 1


def test_without_stacks_all_are_deployed(machine: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", {"cdk.out/cli-version.txt": "2.1000.1\n"})
    assert machine.run("infra/deploy", project).code == 0
    assert machine.lines[0].endswith(" --all")


# Set-up


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({".nvmrc": "22", ".node-version": "20"}, "infra/.nvmrc"),
        ({"package.json": '{"engines": {"node": ">=22"}}'}, "infra/package.json"),
        ({"package.json": '{"dependencies": {}}'}, ""),
        ({"package.json": "{}", "../.nvmrc": "22"}, ".nvmrc"),
    ],
)
def test_the_version_of_node(
    machine: Runner, tmp_path: Path, files: dict[str, str], found: str
) -> None:
    outcome = machine.run("infra/setup", write(tmp_path / "infra", {**APP, **files}))
    assert (outcome.code, outcome.said["version-file"]) == (0, found)


def test_the_version_of_uv(machine: Runner, tmp_path: Path) -> None:
    """An app in Python may require a version of uv, and uv refuses to run as another."""
    tables = {"pyproject.toml": '[tool.uv]\nrequired-version = ">=0.9,<0.12"\n'}
    project = write(tmp_path / "infra", {**PYTHON, **tables})
    assert machine.run("infra/setup", project).said["uv"] == ">=0.9,<0.12"
    write(project, {"uv.toml": 'required-version = "==0.9.1"', "pyproject.toml": ""})
    assert machine.run("infra/setup", project).said["uv"] == "==0.9.1"
    (project / "uv.toml").unlink()
    assert machine.run("infra/setup", project).said["uv"] == ""


# Found


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("lambda.Code.fromAsset('../api/lambda-package.zip')", "../api/lambda-package.zip"),
        ("Code.fromAsset(path.join(__dirname, '../../api/dist'))", "../../api/dist"),
        ('_lambda.Code.from_asset("../api/dist")', "../api/dist"),
        ("s3deploy.Source.asset(`../web/dist`)", "../web/dist"),
        ('code: Code.fromAsset(\n  "../api/bin",\n)', "../api/bin"),
        ("new Asset()", None),
    ],
)
def test_the_path_of_an_app(text: str, path: str | None) -> None:
    consumed, _ = CODE_TYPE["consumes"]
    found = re.search(consumed["pattern"], text, re.MULTILINE)
    assert (found and found[1]) == path


# For real


@pytest.mark.skipif(not toolbox.REAL_TOOLS, reason="REAL_TOOLS=1 brings the CDK from npm (210 MB)")
def test_a_real_app(runner: Runner, tmp_path: Path) -> None:
    """One bucket and one asset, synthesized for an environment without credentials."""
    (runner.tools / "node").symlink_to(toolbox.NODE)
    for name in ("npm", "npx"):
        text = f'#!/bin/sh\nexec "{toolbox.NODE}" "{NPM / name}-cli.js" "$@"\n'
        write(runner.tools, {name: text})
        (runner.tools / name).chmod(0o755)
    trusted = {k: v for k, v in os.environ.items() if k == "NODE_EXTRA_CA_CERTS"}
    runner.environment.update(trusted)
    dependencies = {"aws-cdk-lib": "2.276.0", "constructs": "^10.0.0", "aws-cdk": "2.1148.1"}
    code = """\
const { App, Stack } = require('aws-cdk-lib')
const { Asset } = require('aws-cdk-lib/aws-s3-assets')
const { Bucket } = require('aws-cdk-lib/aws-s3')
const { Vpc } = require('aws-cdk-lib/aws-ec2')
const app = new App()
const env = { account: '123456789012', region: 'eu-central-1' }
const stack = new Stack(app, `Site-${app.node.tryGetContext('environment')}`, { env })
new Bucket(stack, 'Bucket')
new Asset(stack, 'Asset', { path: 'asset' })
if (process.env.LOOKUP) Vpc.fromLookup(stack, 'Vpc', { isDefault: true })
"""
    files = {"package.json": json.dumps({"dependencies": dependencies}), "app.js": code}
    project = write(tmp_path / "infra", {**APP, **files, "asset/file.txt": "1"})
    outcome = runner.run("infra/build", project)
    assert outcome.code == 0, outcome.output
    out = project / "cdk.out"
    assert (out / "cli-version.txt").read_text(encoding="utf-8") == "2.1148.1\n"
    template = json.loads((out / "dev/Site-dev.template.json").read_text(encoding="utf-8"))
    types = {what["Type"] for what in template["Resources"].values()}
    assert "AWS::S3::Bucket" in types
    assert [file.read_text(encoding="utf-8") for file in out.glob("dev/asset.*/file.txt")] == ["1"]
    # A lookup without a committed result fails with the reason.
    outcome = runner.run("infra/build", project, LOOKUP="1")
    assert outcome.code != 0 and "cdk.context.json" in outcome.output, outcome.output
    # The real CDK accepts the assembly, and only fails because there are no credentials.
    outcome = runner.run("infra/build", project)
    outcome = runner.run("infra/deploy", project, AWS_EC2_METADATA_DISABLED="true")
    assert outcome.code != 0 and "credentials" in outcome.output, outcome.output
