"""The commands of AWS SAM's code type: with recorded tools, and real ones with REAL_TOOLS=1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import toolbox
from commands import Runner, write

ANSWERS: dict[str, Any] = {
    "components": {
        "shop": {"code_type": "sam", "path": "shop"},
        "named": {"code_type": "sam", "path": "named", "template": "stacks/orders.yaml"},
    },
    "dependency_map": {"shop": [], "named": []},
    "cloud": "aws",
}

HEAD = "Transform: AWS::Serverless-2016-10-31\nGlobals:\n  Function:\n    Runtime: python3.13\n"
FUNCTION = """\
  {name}:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: {folder}
      Handler: app.handler
"""


def template(*folders: str, more: str = "") -> str:
    """A template with a function in each folder."""
    functions = [FUNCTION.format(name=f"F{i}", folder=f) for i, f in enumerate(folders)]
    return f"{HEAD}Resources:\n{''.join(functions)}{more}"


ESBUILD = """\
  Web:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ./web/, Handler: app.handler, Runtime: nodejs22.x}
    Metadata: {BuildMethod: esbuild}
"""
PYTHON = {"template.yaml": template("src/hello/", "src/bye"), "src/hello/requirements.txt": "six\n"}
SCRIPTS = json.dumps({"scripts": {"lint": "eslint .", "test": "jest"}})
NODE = {"template.yaml": template("web/", more=ESBUILD), "web/package.json": SCRIPTS}
TOML = """\
version = 0.1
[default.build.parameters]
cached = true
[dev.global.parameters]
stack_name = "shop-dev"
[dev.deploy.parameters]
profile = "mine"
s3_bucket = "builds"
capabilities = "CAPABILITY_NAMED_IAM"
[prd.deploy.parameters]
stack_name = "shop-prd"
"""
YAML = """\
version: 0.1
dev:
  global:
    parameters:
      stack_name: shop-dev
  deploy:
    parameters:
      profile: mine
      s3_bucket: builds
      capabilities: CAPABILITY_NAMED_IAM
prd:
  deploy:
    parameters:
      stack_name: shop-prd
"""
TOOLS = ("sam", "cfn-lint", "uv", "uvx", "npm", "npx", "go", "mvn", "docker", "tox")


@pytest.fixture
def machine(runner: Runner) -> Runner:
    """A machine on which all tools are recorded."""
    for name in TOOLS:
        runner.record(name)
    return runner


def repository(folder: Path, files: dict[str, str]) -> Path:
    """A project in a commit."""
    write(folder, files)
    for command in ("init --quiet", "add --all"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    return folder


# Set-up


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({}, "1.170.0"),
        ({".tool-versions": "nodejs 22\naws-sam-cli 1.150.1\n"}, "1.150.1"),
        ({"../.tool-versions": "aws-sam 1.151.0\n"}, "1.151.0"),
        ({"mise.toml": '[tools]\naws-sam-cli = "1.152.0"\n'}, "1.152.0"),
        ({"mise.toml": "[tools]\naws-sam = '1.152.0'\n"}, "1.152.0"),
        ({".mise.toml": '[tools]\naws-sam = "latest"\n'}, "1.170.0"),
    ],
)
def test_the_version_of_sam(
    machine: Runner, tmp_path: Path, files: dict[str, str], version: str
) -> None:
    outcome = machine.run("shop/setup", write(tmp_path / "shop", {**PYTHON, **files}))
    assert (outcome.code, outcome.said["version"]) == (0, version), outcome.output
    assert len(outcome.notices) == ("latest" in str(files))


NESTED = (
    "  Inner:\n    Type: AWS::Serverless::Application\n    Properties:\n      Location: in.yaml\n"
)


IN_IT = {"template.yaml": template("src", more=NESTED), "in.yaml": HEAD.replace("13", "12")}


@pytest.mark.parametrize(
    ("files", "python", "node"),
    [
        (PYTHON, "3.13", ""),
        (NODE, "3.13", "22"),
        (IN_IT, "3.12\n3.13", ""),
        (
            {**PYTHON, "samconfig.toml": "[default.build.parameters]\nuse_container = true\n"},
            "",
            "",
        ),
        ({"template.yaml": HEAD.replace("python3.13", "provided.al2023")}, "", ""),
    ],
    ids=["python", "node", "nested", "container", "other"],
)
def test_the_runtimes_of_the_functions(
    machine: Runner, tmp_path: Path, files: dict[str, str], python: str, node: str
) -> None:
    said = machine.run("shop/setup", write(tmp_path / "shop", files)).said
    assert (said["python"], said["node"]) == (python, node)


def test_a_runtime_may_be_a_parameter(machine: Runner, tmp_path: Path) -> None:
    text = HEAD.replace("python3.13", "!Ref Runtime")
    outcome = machine.run("shop/setup", write(tmp_path / "shop", {"template.yaml": text}))
    [notice] = outcome.notices
    assert outcome.code == 0 and "is no plain text" in notice


def test_no_template(machine: Runner, tmp_path: Path) -> None:
    outcome = machine.run("shop/setup", write(tmp_path / "shop", {"other.yaml": HEAD}))
    assert outcome.code == 1 and "::error title=Template::There is no" in outcome.output


# Lint and test


RULES = {**PYTHON, "ruff.toml": "", ".cfnlintrc.yaml": ""}
RUFF = "uvx ruff@0.17.6"
BY_RULES = [
    "cfn-lint template.yaml",
    f"{RUFF} check --no-cache .",
    f"{RUFF} format --no-cache --check .",
]
PLAIN = f"{RUFF} check --no-cache --select E9,F63,F7,F82 ."


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (PYTHON, ["cfn-lint --non-zero-exit-code error template.yaml", PLAIN]),
        (RULES, BY_RULES),
        (
            {**NODE, "web/package-lock.json": "{}"},
            ["cfn-lint --non-zero-exit-code error template.yaml", PLAIN, "npm ci", "npm run lint"],
        ),
    ],
    ids=["python", "rules", "node"],
)
def test_lint(machine: Runner, tmp_path: Path, files: dict[str, str], lines: list[str]) -> None:
    project = repository(tmp_path / "shop", files)
    outcome = machine.run("shop/lint", project)
    assert (outcome.code, machine.lines) == (0, lines), outcome.output
    assert machine.run("shop/lint", project, STUB_FAILS=lines[-1]).code == 1


UV = "uv run --python 3.13 --no-project"
PYTEST = "--with pytest python -m pytest -p no:cacheprovider --ignore tests/integration"


@pytest.mark.parametrize(
    ("files", "first", "last", "notices"),
    [
        (PYTHON, f"{UV} --with-requirements src/hello/requirements.txt {PYTEST}", ".", 0),
        (
            {
                **PYTHON,
                "tests/requirements.txt": "",
                "tests/unit/t.py": "",
                "tests/integration/t": "",
            },
            f"{UV} --with-requirements tests/requirements.txt --with-requirements src/hello/",
            "tests/unit",
            1,
        ),
        ({**PYTHON, "uv.lock": ""}, f"uv run --python 3.13 --locked --all-groups {PYTEST}", ".", 0),
        ({**PYTHON, "tox.ini": ""}, "uvx tox@4.67.15 run --workdir ", "/tox", 0),
    ],
    ids=["pytest", "unit tests", "locked", "tox"],
)
def test_tests_in_python(
    machine: Runner, tmp_path: Path, files: dict[str, str], first: str, last: str, notices: int
) -> None:
    outcome = machine.run("shop/test", repository(tmp_path / "shop", files))
    assert outcome.code == 0 and len(outcome.notices) == notices, outcome.output
    [line] = machine.lines
    assert line.startswith(first) and line.endswith(last)


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ({**NODE, "web/yarn.lock": "# v1\n"}, ["npx --yes yarn@1.22.22 install --frozen-lockfile"]),
        ({**NODE, "web/pnpm-lock.yaml": ""}, ["npx --yes pnpm@10.34.8 install --frozen-lockfile"]),
        ({**NODE, "uv.lock": "", "Cargo.lock": ""}, ["npm install --no-package-lock"]),
    ],
    ids=["yarn", "pnpm", "no lock file"],
)
def test_tests_of_functions_in_node(
    machine: Runner, tmp_path: Path, files: dict[str, str], lines: list[str]
) -> None:
    """They run in the function's folder with its package.json."""
    only_node = files["template.yaml"].replace("python3.13", "nodejs22.x")
    project = repository(tmp_path / "shop", {**files, "template.yaml": only_node})
    assert machine.run("shop/test", project).code == 0
    assert machine.lines == [*lines, "npm run test"]
    assert {call["folder"] for call in machine.recorded} == {str(project / "web")}
    for failing in (lines[0], "npm run"):
        assert machine.run("shop/test", project, STUB_FAILS=failing).code == 1


def test_tests_in_other_languages(machine: Runner, tmp_path: Path) -> None:
    text = template("orders", "stock").replace("python3.13", "java21")
    files = {"template.yaml": text, "orders/pom.xml": "", "stock/go.mod": ""}
    outcome = machine.run("shop/test", repository(tmp_path / "shop", files))
    assert outcome.code == 0 and not outcome.notices
    assert machine.lines == ["mvn --batch-mode --no-transfer-progress test", "go test ./..."]


def test_an_application_without_tests_gets_a_notice(machine: Runner, tmp_path: Path) -> None:
    files = {"template.yaml": template("run").replace("python3.13", "ruby3.4")}
    outcome = machine.run("shop/test", repository(tmp_path / "shop", files))
    assert (outcome.code, machine.lines, len(outcome.notices)) == (0, [], 1)


# Build

LOCKED = '"node_modules/esbuild": {\n"version": "0.24.1",\n"resolved": ""\n'
BUILD = "sam build --template template.yaml --build-dir .aws-sam/build"


def test_a_build(machine: Runner, tmp_path: Path) -> None:
    project = repository(tmp_path / "shop", PYTHON)
    write(project, {".aws-sam/build/of-another-time": ""})
    outcome = machine.run("shop/build", project)
    assert (outcome.code, machine.lines) == (0, [BUILD]), outcome.output
    assert not (project / ".aws-sam/build").exists()
    assert machine.run("shop/build", project, STUB_FAILS="sam").code == 1


def test_one_build_for_all_environments(machine: Runner, tmp_path: Path) -> None:
    other = "[prd.build.parameters]\nparallel = true\n"
    project = repository(tmp_path / "shop", {**PYTHON, "samconfig.toml": TOML + other})
    outcome = machine.run("shop/build", project)
    assert machine.lines == [f"{BUILD} --config-file {project}/samconfig.toml"]
    [notice] = outcome.notices
    assert "the build of prd are not used" in notice


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({}, "0.28.2"),
        ({"package.json": '{"dependencies": {"esbuild": "0.25.0"}}'}, "0.25.0"),
        ({"package-lock.json": LOCKED}, "0.24.1"),
    ],
    ids=["none", "named", "locked"],
)
def test_esbuild(machine: Runner, tmp_path: Path, files: dict[str, str], version: str) -> None:
    """The SAM CLI needs it on the PATH."""
    project = repository(tmp_path / "shop", {**NODE, **files})
    assert machine.run("shop/build", project).code == 0
    npm, sam = machine.lines
    assert npm.startswith("npm install --silent --no-save --prefix ") and sam == BUILD
    assert npm.endswith(f"/esbuild esbuild@{version}")


def test_files_of_the_checks_are_not_packed(machine: Runner, tmp_path: Path) -> None:
    """Packages of other components are packed, although they are not in the commit either."""
    project = repository(tmp_path / "shop", PYTHON)
    stub = machine.tools / "uv"
    stub.write_text("#!/bin/sh\nmkdir src/hello/htmlcov\necho > src/hello/htmlcov/index.html\n")
    write(project, {"src/bye/package/lib.js": "", "src/bye/node_modules/x.js": ""})
    outcomes = machine.build("shop", project)
    assert [outcome.code for outcome in outcomes.values()] == [0, 0, 0, 0], outcomes
    there = {f.relative_to(project).as_posix() for f in (project / "src").rglob("*") if f.is_file()}
    kept = {"src/bye/package/lib.js", "src/bye/node_modules/x.js"}
    assert there == {*kept, "src/hello/requirements.txt"}


def test_images_are_in_the_package(machine: Runner, tmp_path: Path) -> None:
    """Otherwise only Docker on the build machine would have them."""
    project = repository(tmp_path / "shop", PYTHON)
    sam = machine.tools / "sam"
    built = (
        "mkdir -p .aws-sam/build; echo '      ImageUri: hello:v1' > .aws-sam/build/template.yaml"
    )
    sam.rename(machine.tools / "real-sam")
    sam.write_text(f'#!/bin/sh\n[ "$1" = deploy ] || {{ {built}; }}\nexec real-sam "$@"\n')
    sam.chmod(0o755)
    assert machine.run("shop/build", project).code == 0
    assert machine.lines[-1] == "docker save hello:v1"
    outcome = machine.run("shop/deploy", project)
    assert outcome.code == 0, outcome.output
    assert machine.lines[2] == "docker load"
    assert machine.lines[3].endswith(" --resolve-image-repos")


# Deploy

DEPLOY = "sam deploy --template-file .aws-sam/build/template.yaml --config-env"
QUIET = "--no-confirm-changeset --no-fail-on-empty-changeset"
ROLES = "--capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"


@pytest.mark.parametrize("config", [TOML, YAML], ids=["toml", "yaml"])
def test_samconfig_has_the_settings_of_a_deployment(
    machine: Runner, tmp_path: Path, config: str
) -> None:
    file = "samconfig.toml" if config is TOML else "samconfig.yaml"
    project = write(tmp_path / "shop", {**PYTHON, file: config})
    outcome = machine.run("shop/deploy", project)
    assert outcome.code == 0 and not outcome.notices, outcome.output
    [line] = machine.lines
    before, _, copy = line.partition(" --config-file ")
    assert before == f"{DEPLOY} dev {QUIET}"
    text = Path(copy).read_text(encoding="utf-8")
    assert "shop-dev" in text and "profile" not in text  # the job has logged in without a profile
    outcome = machine.run("shop/deploy", project, ENVIRONMENT="prd")
    assert machine.lines[1].endswith(f".{file[10:]} --resolve-s3 {ROLES}")


def test_without_samconfig(machine: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "shop", PYTHON)
    assert machine.run("shop/deploy", project).code == 0
    expected = f"{DEPLOY} default {QUIET} --stack-name shop-dev --resolve-s3 {ROLES}"
    assert machine.lines == [expected]
    assert machine.run("shop/deploy", project, STUB_FAILS="sam deploy").code == 1


def test_an_environment_that_samconfig_lacks(machine: Runner, tmp_path: Path) -> None:
    """The SAM CLI alone would deploy without any settings."""
    project = write(tmp_path / "shop", {**PYTHON, "samconfig.toml": TOML})
    outcome = machine.run("shop/deploy", project, ENVIRONMENT="test")
    assert (outcome.code, machine.lines) == (1, [])
    assert "has nothing for test (it has: dev prd): add it, or name another" in outcome.output
    outcome = machine.run("shop/deploy", project, ENVIRONMENT="test", CONFIG_ENV="dev")
    assert outcome.code == 0 and machine.lines[0].startswith(f"{DEPLOY} dev ")


def test_a_file_of_the_environment(machine: Runner, tmp_path: Path) -> None:
    own = "[default.deploy.parameters]\nstack_name = 'own'\nresolve_s3 = true\n"
    files = {**PYTHON, "samconfig.toml": TOML, "samconfig.test.toml": own}
    outcome = machine.run("shop/deploy", write(tmp_path / "shop", files), ENVIRONMENT="test")
    assert outcome.code == 0 and not outcome.notices, outcome.output
    [line] = machine.lines
    assert line.startswith(f"{DEPLOY} default {QUIET}") and "--resolve-s3" not in line
    assert "--stack-name" not in line


def test_one_name_for_all_environments(machine: Runner, tmp_path: Path) -> None:
    config = '[default.deploy.parameters]\nstack_name = "shop"\nresolve_s3 = true\n'
    project = write(tmp_path / "shop", {**PYTHON, "samconfig.toml": config})
    [notice] = machine.run("shop/deploy", project).notices
    assert "names one stack for all environments" in notice
    outcome = machine.run(
        "shop/deploy", project, STACK_NAME="shop-dev", PARAMETERS="Stage=dev Size=3"
    )
    assert not outcome.notices
    assert " --stack-name shop-dev " in machine.lines[1]
    assert machine.lines[1].endswith(f"{ROLES} --parameter-overrides Stage=dev Size=3")


def test_a_template_of_another_name(machine: Runner, tmp_path: Path) -> None:
    files = {"stacks/orders.yaml": template("../orders"), "orders/package.json": SCRIPTS}
    project = repository(tmp_path / "named", files)
    assert machine.run("named/build", project).code == 0
    assert machine.lines == ["sam build --template stacks/orders.yaml --build-dir .aws-sam/build"]
    assert machine.run("named/lint", project).code == 0
    assert machine.recorded[-1]["folder"] == str(project / "orders")
    assert machine.run("named/deploy", project).code == 0
    assert " --stack-name named-dev " in machine.lines[-1]


# For real


@pytest.mark.skipif(not toolbox.REAL_TOOLS, reason="REAL_TOOLS=1 installs the SAM CLI (340 MB)")
def test_the_real_sam(runner: Runner, tmp_path: Path) -> None:
    """It lints, builds once with dependencies, and stops where it needs AWS."""
    tools = tmp_path / "tools"
    places = {"UV_TOOL_DIR": str(tools), "UV_TOOL_BIN_DIR": str(runner.tools)}
    command = ["tool", "install", "--quiet", "--with-executables-from", "cfn-lint"]
    runner.environment.update(places)
    subprocess.run(
        [toolbox.script("uv"), *command, "aws-sam-cli==1.170.0"],
        env={**os.environ, **places},
        check=True,
    )
    version = ".".join(map(str, sys.version_info[:2]))
    files = {
        "template.yaml": template("src/hello/", more=NESTED).replace("3.13", version),
        "in.yaml": template("src/bye").replace("3.13", version),
        "src/hello/app.py": "import iniconfig\n\n\ndef handler(event, c):\n    return event\n",
        "src/hello/requirements.txt": "iniconfig==2.1.0\n",
        "src/bye/app.py": "def handler(event, context):\n    return 1\n",
        "tests/unit/test_app.py": "from src.hello.app import handler\n\n\n"
        "def test_it():\n    assert handler(1, None) == 1\n",
        "samconfig.toml": TOML,
    }
    project = repository(tmp_path / "shop", files)
    outcomes = runner.build("shop", project)
    assert [outcome.code for outcome in outcomes.values()] == [0, 0, 0, 0], outcomes
    built = project / ".aws-sam/build"
    names = {f.relative_to(built).as_posix() for f in built.rglob("*.py")}
    assert {"F0/app.py", "Inner/F0/app.py", "F0/iniconfig/__init__.py"} <= names
    assert not [file for file in built.rglob("*") if "__pycache__" in file.parts]
    offline = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "eu-west-1"}
    outcome = runner.run("shop/deploy", project, **offline)
    assert outcome.code != 0 and "credentials" in outcome.output, outcome.output
    wrong = files["template.yaml"].replace("Handler:", "Handlr:")
    write(project, {"template.yaml": wrong})
    outcome = runner.run("shop/lint", project)
    assert outcome.code != 0 and "Handlr" in outcome.output, outcome.output
