"""Node.js' code type: set-up and commands, with recorded tools and with the real npm.

The set-up script finds the package manager. It runs before each command, as in a generated job.
REAL_TOOLS=1 installs the real pnpm and Yarn from npm.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import toolbox
import yaml
from commands import Outcome, Runner, Step, write
from pipeline.code_types import load_code_types

ANSWERS: dict[str, Any] = {
    "components": {
        "app": {"code_type": "node", "path": "app", "produces": ["lambda-package.zip"]},
        "lib": {"code_type": "node", "path": "lib", "produces": ["package.tgz"]},
        "site": {"code_type": "node", "path": "site"},
        "next": {"code_type": "node", "path": "next", "produces": [".next"]},
        "made": {
            "code_type": "node",
            "path": "made",
            "produces": [],
            "lint": "install-packages && make lint",
            "test": "run-script check",
        },
    },
    "dependency_map": {"made": [], "app": [], "lib": [], "site": [], "next": []},
}

CODE_TYPE = yaml.safe_load((toolbox.ROOT / "code_types/node.yml").read_text(encoding="utf-8"))
INSTALLS = yaml.safe_load(CODE_TYPE["setup"]["steps"])[1]["run"]
"""The script that installs the package manager."""

NPM = toolbox.NODE.parent.parent / "lib/node_modules/npm/bin"
real_tools = pytest.mark.skipif(
    not toolbox.REAL_TOOLS, reason="REAL_TOOLS=1 installs pnpm and Yarn from npm"
)


def manifest(**keys: Any) -> str:
    return json.dumps({"name": "sample", "version": "1.2.3", **keys}, indent=2) + "\n"


class Machine:
    """A runner with Node.js."""

    def __init__(self, runner: Runner, stubs: bool) -> None:
        own = {"installs": Step(INSTALLS), "publish": Step(CODE_TYPE["publish"]["command"])}
        self.runner = Runner(runner.folder / "node", {**runner.steps, **own})
        tools = self.runner.tools
        (tools / "node").symlink_to(toolbox.NODE)
        # npm reads the project's settings, and not those of this machine.
        self.runner.environment = {"npm_config_fund": "false", "CI": "true"}
        for name in ("npm", "npx"):
            if stubs:
                self.runner.record(name)
            else:
                script = f'#!/bin/sh\nexec "{toolbox.NODE}" "{NPM / name}-cli.js" "$@"\n'
                write(tools, {name: script})
                (tools / name).chmod(0o755)
        if stubs:
            self.runner.record("pnpm")
            self.runner.record("yarn")

    def packs(self) -> None:
        """Let `npm pack` work. All other calls are recorded."""
        tools = self.runner.tools
        (tools / "stub").mkdir()
        (tools / "npm").rename(tools / "stub/npm")
        real = f'exec "{toolbox.NODE}" "{NPM}/npm-cli.js" "$@"'
        script = f'if [ "$1" = pack ]; then {real}; else exec {tools}/stub/npm "$@"; fi\n'
        write(tools, {"npm": f"#!/bin/bash\n{script}"})
        (tools / "npm").chmod(0o755)

    def read(self, project: Path, root: Path | None = None) -> dict[str, str]:
        """The output of the set-up script."""
        where = str(root or project.parent)
        outcome = self.runner.run("app/setup", project, GITHUB_WORKSPACE=where)
        assert outcome.code == 0, outcome.output
        return dict(outcome.said)

    def run(self, job: str, project: Path, root: Path | None = None, **variables: str) -> Outcome:
        where = str(root or project.parent)
        return self.runner.run(job, project, GITHUB_WORKSPACE=where, **variables)

    @property
    def lines(self) -> list[str]:
        return self.runner.lines


@pytest.fixture
def machine(runner: Runner) -> Machine:
    return Machine(runner, stubs=True)


@pytest.fixture
def real(runner: Runner) -> Machine:
    return Machine(runner, stubs=False)


# Set-up ----------------------------------------------------------------------------------------

LOCKS = {
    "npm": {"package-lock.json": "{}"},
    "pnpm": {"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"},
    "yarn": {"yarn.lock": "# yarn lockfile v1\n"},
    "berry": {"yarn.lock": "__metadata:\n  version: 8\n"},
}
INSTALL = {
    "npm": "npm ci",
    "pnpm": "pnpm install --frozen-lockfile",
    "yarn": "yarn install --frozen-lockfile",
    "berry": "yarn install --immutable",
}
BERRY = {"packageManager": "yarn@4.9.2"}
NPM_CI = {"install": INSTALL["npm"]}
PNPM = {"install": INSTALL["pnpm"], "package": "pnpm@10.34.8"}
ROOT = {"root": ""}
NODE_22 = manifest(engines={"node": "22"})


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, {}),
        ({"app/package-lock.json": ""}, NPM_CI),
        ({"app/pnpm-lock.yaml": ""}, PNPM),
        ({"app/yarn.lock": ""}, {"install": INSTALL["yarn"], "package": "yarn@1.22.22"}),
        # package.json takes precedence over other files.
        (
            {
                "app/package.json": manifest(**BERRY),
                "app/yarn.lock": "",
                "app/package-lock.json": "",
            },
            {"install": INSTALL["berry"], "package": "@yarnpkg/cli-dist@4.9.2"},
        ),
        (
            {"app/package.json": manifest(packageManager="npm@10.1.0+sha512.abc")},
            {"package": "npm@10.1.0", "hash": "sha512.abc"},
        ),
        (
            {"app/package.json": manifest(packageManager="yarn@4.9.2+sha224.abc")},
            {
                "install": "yarn install --no-immutable",
                "package": "@yarnpkg/cli-dist@4.9.2",
                "hash": "sha224.abc",
            },
        ),
        # The nearest lock file counts, with the package.json beside it.
        (
            {"pnpm-lock.yaml": "", "package.json": manifest(packageManager="pnpm@9.0.0")},
            PNPM | {"root": "", "package": "pnpm@9.0.0"},
        ),
        ({"pnpm-lock.yaml": "", "app/package-lock.json": ""}, NPM_CI),
        # The nearest file with a version of Node.js counts.
        ({"app/.nvmrc": "lts/*", "app/.node-version": "20"}, {"version-file": "app/.nvmrc"}),
        ({".nvmrc": "22", "app/.node-version": "v20.1.0"}, {"version-file": "app/.node-version"}),
        ({".nvmrc": "22", "app/package-lock.json": ""}, NPM_CI | {"version-file": ".nvmrc"}),
        ({"app/package.json": NODE_22, ".nvmrc": "20"}, {"version-file": "app/package.json"}),
        ({"package.json": NODE_22}, {"version-file": "package.json"}),
        # Files of asdf and mise.
        ({".tool-versions": "python 3.12\nnodejs 22.1.0 20\n"}, {"version": "22.1.0"}),
        ({"app/mise.toml": '[tools]\nnode = "22"\n', ".nvmrc": "20"}, {"version": "22"}),
        ({"mise.toml": '[tools]\n"node" = {version = "20"}\n'}, {"version": "20"}),
        ({"mise.toml": "[tools]\nnode = 'lts'\n"}, {"version": "lts/*"}),
        (
            {"mise.toml": "[tools]\npnpm = '9.1.0'\n", "app/pnpm-lock.yaml": ""},
            PNPM | {"package": "pnpm@9.1.0"},
        ),
        (
            {".tool-versions": "pnpm 9.1.0\n", "app/pnpm-lock.yaml": ""},
            PNPM | {"package": "pnpm@9.1.0"},
        ),
        (
            {"app/yarn.lock": "", "app/package.json": manifest(volta={"yarn": "1.22.10"})},
            {"install": INSTALL["yarn"], "package": "yarn@1.22.10"},
        ),
        (
            {"app/pnpm-lock.yaml": "", "app/package.json": manifest(engines={"pnpm": "9.x"})},
            PNPM | {"package": "pnpm@9.x"},
        ),
        # The newest version that accepts the lock file.
        ({"app/pnpm-lock.yaml": "lockfileVersion: 5.4\n"}, PNPM | {"package": "pnpm@7.33.7"}),
        ({"app/pnpm-lock.yaml": "lockfileVersion: '6.0'\n"}, PNPM | {"package": "pnpm@8.15.9"}),
        (
            {"app/yarn.lock": "__metadata:\n  version: 6\n"},
            {"install": INSTALL["berry"], "package": "@yarnpkg/cli-dist@3.8.7"},
        ),
        (
            {"app/yarn.lock": "__metadata:\n  version: 8\n\na:\n  version: 1"},
            {"install": INSTALL["berry"], "package": "@yarnpkg/cli-dist@4.18.1"},
        ),
        (
            {"app/bun.lock": ""},
            {"install": "bun install --frozen-lockfile", "package": "bun@1.3.14"},
        ),
        ({"app/npm-shrinkwrap.json": ""}, NPM_CI),
        # The root of the workspace with this member, with and without a lock file.
        (
            {"package.json": manifest(workspaces=["libs/*", "./app/"]), "package-lock.json": ""},
            NPM_CI | ROOT,
        ),
        ({"package.json": manifest(workspaces={"packages": ["a*"]})}, ROOT),
        (
            {"pnpm-workspace.yaml": "packages:\n  # ours\n  - 'app' # one\n", "package.json": "{}"},
            {"install": "pnpm install", "package": "pnpm@10.34.8", **ROOT},
        ),
        ({"pnpm-workspace.yaml": 'packages: ["lib", "app"]\n', "pnpm-lock.yaml": ""}, PNPM | ROOT),
    ],
)
def test_the_package_manager_and_the_version_of_node(
    machine: Machine, tmp_path: Path, files: dict[str, str], found: dict[str, str]
) -> None:
    root = write(tmp_path / "repository", {"app/package.json": manifest(), **files})
    output = machine.read(root / "app", root)
    output["root"] = output["root"].removeprefix(str(root))
    usual = {"root": "/app", "package": "", "hash": "", "version-file": ""}
    usual |= {"install": "npm install", "version": "" if "version-file" in found else "24"}
    expected = {**usual, **found}
    assert output == {**expected, "manager": expected["install"].split()[0]}


NEEDS = manifest(dependencies={"a": "1"})


@pytest.mark.parametrize(
    ("files", "notice"),
    [
        # The folder is not a member of the workspace above it.
        ({"package-lock.json": "", "app/package.json": NEEDS}, "No workspace in "),
        (
            {
                "package-lock.json": "",
                "package.json": manifest(workspaces=["app*", "!app"]),
                "app/package.json": NEEDS,
            },
            "No workspace in ",
        ),
        ({"app/.nvmrc": "\n"}, "names no version of Node.js"),
        (
            {"app/yarn.lock": "", "app/package-lock.json": ""},
            "lock files of several package managers",
        ),
        (
            {"app/yarn.lock": "", "app/package.json": manifest(packageManager="pnpm@9.0.0")},
            "pnpm@9.0.0, which does not read yarn.lock",
        ),
    ],
)
def test_settings_that_are_not_read_are_named(
    machine: Machine, tmp_path: Path, files: dict[str, str], notice: str
) -> None:
    root = write(tmp_path / "repository", {"app/package.json": manifest(), **files})
    outcome = machine.runner.run("app/setup", root / "app", GITHUB_WORKSPACE=str(root))
    assert outcome.code == 0 and outcome.said["root"] == str(root / "app")
    [said] = outcome.notices
    assert notice in said and str(root) in said


def test_files_above_the_repository_are_ignored(machine: Machine, tmp_path: Path) -> None:
    write(tmp_path, {".nvmrc": "20", "package.json": manifest(**BERRY), "yarn.lock": ""})
    root = write(tmp_path / "repository", {"package.json": manifest()})
    found = machine.read(root, root)
    assert found["root"] == str(root) and found["install"] == "npm install"
    assert found["package"] == found["version-file"] == ""


def install(
    machine: Machine, project: Path, package: str, value: str = "", **variables: str
) -> Outcome:
    return machine.runner.run("installs", project, PACKAGE=package, HASH=value, **variables)


@pytest.mark.parametrize("name", ["pnpm", "@yarnpkg/cli-dist"])
def test_the_hash_of_the_package_manager_is_checked(
    machine: Machine, tmp_path: Path, name: str
) -> None:
    """It is the hash of the archive; for newer Yarn, that of one file, as in Corepack."""
    content = archive(name, {"bin/yarn.js": "yarn"})
    (tmp_path / "archive.tgz").write_bytes(content)
    # The stub of `npm pack` copies the archive, and prints its name.
    npm, stub = machine.runner.tools / "npm", machine.runner.tools / "stub/npm"
    stub.parent.mkdir()
    npm.rename(stub)
    packs = f'cp {tmp_path}/archive.tgz "$4/manager-9.0.0.tgz"; echo manager-9.0.0.tgz'
    write(npm.parent, {"npm": f'#!/bin/bash\nif [ "$1" = pack ]; then {packs}; fi\n{stub} "$@"\n'})
    npm.chmod(0o755)
    project = write(tmp_path / "app", {"package.json": manifest()})
    package = f"{name}@9.0.0"

    hashed = b"yarn" if name.startswith("@") else content
    for algorithm in ("", "sha1", "sha224", "sha512"):
        value = f"{algorithm}.{hashlib.new(algorithm, hashed).hexdigest()}" if algorithm else ""
        assert install(machine, project, package, value).code == 0, algorithm
    temporary = machine.runner.folder / "temp-installs"
    assert (
        machine.lines
        == [
            f"npm pack --silent --pack-destination {temporary} {package}",
            f"npm install --global {temporary}/manager-9.0.0.tgz",
        ]
        * 4
    )

    for wrong in (f"sha224.{'0' * 56}", f"sha1.{'0' * 40}", "sha224.", "sha999.abc"):
        outcome = install(machine, project, package, wrong)
        error = f"::error title=Package manager::{package} does not have the hash that "
        assert outcome.code == 1 and error in outcome.output, wrong
    assert sum("--global" in line for line in machine.lines) == 4
    assert install(machine, project, package, STUB_FAILS="npm pack").code == 1
    assert [file.name for file in project.iterdir()] == ["package.json"]


# Lint and test ---------------------------------------------------------------------------------

SCRIPTS = {"lint": "eslint src", "test": "node --test", "build": "tsc"}


def project_of(manager: str, folder: Path, **keys: Any) -> Path:
    keys = {"scripts": SCRIPTS, **(BERRY if manager == "berry" else {}), **keys}
    return write(folder, {"package.json": manifest(**keys), **LOCKS[manager]})


PRUNE = {
    "npm": "npm prune --omit=dev --ignore-scripts",
    "pnpm": "pnpm prune --prod --ignore-scripts",
    "yarn": "yarn install --frozen-lockfile --production --ignore-scripts",
    "berry": "yarn workspaces focus --production",
}


@pytest.mark.parametrize("manager", LOCKS)
def test_a_build_installs_once_or_again_for_a_zip(
    machine: Machine, tmp_path: Path, manager: str
) -> None:
    """For the zip it installs again if the packages may be links, which a zip cannot contain. The
    zip has no files of tests, and only packages for production."""
    machine.runner.record("docker")
    left = {"node_modules/of/tests.js": "", "coverage/index.html": ""}
    project = write(project_of(manager, tmp_path / "app"), left)
    jobs = ["lint", "test", "security", "build"] if manager == "npm" else ["test", "build"]
    outcomes = machine.runner.build("app", project, jobs)
    assert [outcome.code for outcome in outcomes.values()] == [0] * len(jobs), outcomes
    assert [outcome.notices for outcome in outcomes.values()] == [[]] * len(jobs)
    command = INSTALL[manager].split()[0]
    runs = [f"{command} run {job}" for job in jobs if job != "security"]
    lines = [line for line in machine.lines if not line.startswith("docker")]
    again = [] if manager == "npm" else [INSTALL[manager]]
    assert lines == [INSTALL[manager], *runs[:-1], *again, runs[-1], PRUNE[manager]]
    kept = {"node_modules/of/tests.js"} if manager == "npm" else set()
    assert names(project / "lambda-package.zip") == {"package.json"} | kept


@pytest.mark.parametrize(("job", "failing"), [("lint", "npm run"), ("test", "npm ci")])
def test_a_failing_command_fails(machine: Machine, tmp_path: Path, job: str, failing: str) -> None:
    project = project_of("npm", tmp_path / "app")
    assert machine.run(f"app/{job}", project, STUB_FAILS=failing).code == 1


def test_a_workspace_is_installed_where_its_lock_file_is(machine: Machine, tmp_path: Path) -> None:
    """The script is that of the component."""
    files = {"package.json": manifest(workspaces=["app"]), **LOCKS["npm"]}
    root = write(tmp_path, {**files, "app/package.json": manifest(scripts=SCRIPTS)})
    where = root / "tools.log"
    text = f'#!/bin/bash\necho "$PWD: npm $*" >> {where}\n'
    npm = machine.runner.tools / "npm"
    npm.unlink()
    npm.write_text(text, encoding="utf-8")
    npm.chmod(0o755)
    assert machine.run("app/test", root / "app", root).code == 0
    lines = where.read_text(encoding="utf-8").splitlines()
    assert lines == [f"{root}: npm ci", f"{root}/app: npm run test"]


WORKSPACE = {
    "package.json": manifest(workspaces=["apps/*", "libs/*"], private=True),
    "apps/site/package.json": manifest(
        name="site",
        dependencies={"@acme/one": "1.0.0"},
        scripts={
            "test": "node -e \"process.exit(require('@acme/one') - 3)\"",
            "build": "mkdir dist",
        },
    ),
    "libs/one/package.json": json.dumps(
        {
            "name": "@acme/one",
            "version": "1.0.0",
            "main": "dist/index.js",
            "dependencies": {"two": "1.0.0"},
            "scripts": {"build": "node build.js"},
        }
    ),
    "libs/one/build.js": "require('fs').mkdirSync('dist', {recursive: true});\n"
    "require('fs').writeFileSync('dist/index.js', `module.exports = ${require('two') + 1}`)\n",
    "libs/two/package.json": json.dumps(
        {
            "name": "two",
            "version": "1.0.0",
            "main": "made.js",
            "devDependencies": {"@acme/one": "1.0.0"},
            "scripts": {"build": "echo module.exports = 2 > made.js"},
        }
    ),
    "libs/broken/package.json": json.dumps(
        {"name": "broken", "version": "1.0.0", "scripts": {"build": "exit 3"}}
    ),
}
"""The site needs `one`, and `one` and `two` need each other."""


def test_packages_that_a_member_needs_are_built_first(real: Machine, tmp_path: Path) -> None:
    """With the real npm, which does not order builds."""
    needs = {"@acme/one": "1.0.0", "broken": "1.0.0"}
    site = manifest(name="site", dependencies=needs, scripts={"lint": "true", "build": "exit 6"})
    root = write(tmp_path / "repository", {**WORKSPACE, "apps/site/package.json": site})
    outcome = real.run("site/lint", root / "apps/site", root)
    assert (root / "libs/one/dist/index.js").read_text(encoding="utf-8") == "module.exports = 3"
    [error] = [line for line in outcome.output.splitlines() if line.startswith("::error")]
    assert outcome.code == 1 and f"The script build of {root}/libs/broken, which " in error


def test_the_root_of_a_workspace_runs_scripts_of_its_members(real: Machine, tmp_path: Path) -> None:
    """The packages that they need are built first. Each script runs, and failed ones are named."""
    red = {"apps/red/package.json": manifest(name="red", scripts={"lint": "exit 4"})}
    apart = {"tool/package.json": manifest(name="tool", scripts={"test": "exit 5"})}
    root = write(tmp_path / "repository", {**WORKSPACE, **red, **apart})
    jobs = ["lint", "test"]
    lint, test = real.runner.build("site", root, jobs, GITHUB_WORKSPACE=str(root)).values()
    assert lint.code == 1
    assert "::error title=lint::The script lint has failed in apps/red\n" in lint.output
    assert test.code == 0 and test.notices == [], test.output
    assert f"npm run test, in {root}/apps/site\n" in test.output
    assert not (root / "apps/site/dist").exists()
    (root / "apps/red/package.json").unlink()
    assert len(real.run("site/lint", root, root).notices) == 1


def test_a_proposed_make_command_runs(real: Machine, tmp_path: Path) -> None:
    root = write(tmp_path / "repository", WORKSPACE)
    needs = manifest(name="site", dependencies={"@acme/one": "1.0.0"}, scripts={"check": "exit 7"})
    checks = "lint:\n\tnode -e \"process.exit(require('@acme/one') - 3)\"\n"
    site = write(root / "apps/site", {"package.json": needs, "Makefile": checks})
    jobs = ["lint", "test"]
    lint, test = real.runner.build("made", site, jobs, GITHUB_WORKSPACE=str(root)).values()
    assert (lint.code, test.code) == (0, 7), (lint.output, test.output)


def test_a_package_json_that_cannot_be_read(machine: Machine, tmp_path: Path) -> None:
    outcome = machine.run("app/test", write(tmp_path / "app", {"package.json": "{,}"}))
    [error] = [line for line in outcome.output.splitlines() if line.startswith("::error")]
    assert outcome.code == 1 and f"{tmp_path}/app/package.json cannot be read" in error


PLACEHOLDER = 'echo "Error: no test specified" && exit 1'


@pytest.mark.parametrize(
    ("job", "scripts"),
    [("lint", None), ("test", {}), ("test", {"test": PLACEHOLDER})],
    ids=["no scripts", "none", "placeholder"],
)
def test_a_missing_script_gets_a_notice(
    machine: Machine, tmp_path: Path, job: str, scripts: Any
) -> None:
    project = write(tmp_path / "app", {"package.json": manifest(scripts=scripts)})
    outcome = machine.run(f"app/{job}", project)
    assert outcome.code == 0 and len(outcome.notices) == 1 and machine.lines == []


# Security --------------------------------------------------------------------------------------


def scanned(machine: Machine) -> dict[str, str]:
    folder = machine.runner.folder / "temp-app-security" / "scan"
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(f.relative_to(folder)): f.read_text(encoding="utf-8") for f in files}


@pytest.mark.parametrize("rules", [False, True], ids=["no rules", "own rules"])
def test_the_lock_file_is_scanned(machine: Machine, tmp_path: Path, rules: bool) -> None:
    machine.runner.record("docker")
    files = {"package.json": manifest(workspaces=["app"]), "package-lock.json": "{}"}
    files |= {"app/package.json": manifest(), "app/node_modules/a/package.json": "{}"}
    files |= {"requirements.txt": "", "other/yarn.lock": ""}
    files |= {"app/trivy.yaml": ""} if rules else {}
    root = write(tmp_path / "repository", files)
    outcome = machine.run("app/security", root / "app", root)
    assert outcome.code == 0 and outcome.notices == [], outcome.output
    expected = ["app/package.json", "package-lock.json", "package.json"]
    assert [*scanned(machine)] == [*expected, *["trivy.yaml"] * rules]
    options = "--config trivy.yaml" if rules else "--severity HIGH,CRITICAL --ignore-unfixed"
    [line] = machine.lines
    assert line.endswith(f" filesystem --scanners vuln --exit-code 1 --quiet {options} .")
    assert machine.run("app/security", root / "app", root, STUB_FAILS="docker").code == 1


def test_the_scanner_is_the_one_that_scans_images() -> None:
    docker = (toolbox.ROOT / "code_types/docker.yml").read_text(encoding="utf-8")
    [image] = [word for word in docker.split() if word.startswith("aquasec/trivy")]
    assert image in CODE_TYPE["setup"]["files"]["scan.sh"]


def test_a_missing_lock_file_gets_a_notice(machine: Machine, tmp_path: Path) -> None:
    machine.runner.record("docker")
    project = write(tmp_path / "app", {"package.json": manifest(scripts=SCRIPTS)})
    outcome = machine.run("app/security", project)
    assert outcome.code == 0 and len(outcome.notices) == 1 and str(project) in outcome.notices[0]
    assert machine.run("app/test", project).code == 0
    assert machine.lines[1:] == ["npm install", "npm run test"]


# Build, with the real npm ----------------------------------------------------------------------

HANDLER = """\
const { answer } = require('dependency')
exports.handler = async event => ({ answer, event })
"""


def archive(name: str, files: Mapping[str, str]) -> bytes:
    """The archive of a package, as in a registry."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file, text in {"package.json": json.dumps({"name": name}), **files}.items():
            entry = tarfile.TarInfo(f"package/{file}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


def sample(folder: Path, **keys: Any) -> Path:
    """A project with a dependency for production, and one for development with a command."""
    packages = {
        "dependency": archive("dependency", {"index.js": "exports.answer = 42\n"}),
        "tool": archive("tool", {"index.js": ""}),
    }
    needs = {name: f"file:packed/{name}.tgz" for name in packages}
    locked = {
        f"node_modules/{name}": {"version": "1.0.0", "resolved": needs[name], "dev": name == "tool"}
        for name in packages
    }
    dependencies = {
        "dependencies": {"dependency": needs["dependency"]},
        "devDependencies": {"tool": needs["tool"]},
    }
    root = {"name": "sample", "version": "1.2.3", **dependencies}
    lock = {"name": "sample", "lockfileVersion": 3, "packages": {"": root, **locked}}
    # A usual lifecycle script: it fails if only packages for production are installed.
    scripts = {"build": "mkdir dist && cp index.js dist", "prepare": "ls node_modules/tool"}
    for name, content in packages.items():
        path = folder / "packed" / f"{name}.tgz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    files = {
        "package.json": manifest(**dependencies, **{"scripts": scripts, **keys}),
        "package-lock.json": json.dumps(lock),
        "index.js": HANDLER,
        "test/index.test.js": "",
        ".env": "SECRET=1\n",
    }
    return write(folder, files)


def names(package: Path) -> set[str]:
    with zipfile.ZipFile(package) as opened:
        return {name for name in opened.namelist() if not name.endswith("/")}


def call(package: Path, folder: Path) -> Any:
    """The result of the handler, loaded as in Lambda."""
    with zipfile.ZipFile(package) as opened:
        opened.extractall(folder)
    code = "require('./index.js').handler(1).then(said => console.log(JSON.stringify(said)))"
    command = [toolbox.NODE, "-e", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


NEEDED = {"node_modules/dependency/index.js", "node_modules/dependency/package.json"}


OWN = {"index.js", "package.json", "packed/dependency.tgz", "packed/tool.tgz"}


def test_a_lambda_zip(real: Machine, tmp_path: Path) -> None:
    """It has the code, the result of its build, and its dependencies."""
    project = sample(tmp_path / "app")
    outcome = real.run("app/build", project)
    assert outcome.code == 0, outcome.output
    package = project / "lambda-package.zip"
    assert names(package) == OWN | NEEDED | {"dist/index.js"}
    assert call(package, tmp_path / "unpacked") == {"answer": 42, "event": 1}


def installed(project: Path) -> Path:
    """Write the packages as npm does, which is faster than npm."""
    write(project / "node_modules/dependency", {"index.js": "", "package.json": "{}"})
    command = project / "node_modules/.bin/command"
    write(project / "node_modules", {".package-lock.json": str(project), ".bin/other": ""})
    command.symlink_to("../dependency/index.js")
    return project


def test_equal_sources_make_equal_bytes(machine: Machine, tmp_path: Path) -> None:
    """In another folder, time zone and umask."""
    one = installed(sample(tmp_path / "one" / "app"))
    two = installed(sample(tmp_path / "another place" / "app"))
    (two / "index.js").chmod(0o600)
    for project, zone in ((one, "UTC"), (two, "Asia/Tokyo")):
        outcome = machine.run("app/build", project, TZ=zone)
        assert outcome.code == 0, outcome.output
    package = (one / "lambda-package.zip").read_bytes()
    assert (two / "lambda-package.zip").read_bytes() == package
    assert names(one / "lambda-package.zip") == OWN | NEEDED


def test_a_lambda_zip_of_a_workspace_has_to_be_a_bundle(machine: Machine, tmp_path: Path) -> None:
    files = {"package.json": manifest(workspaces=["app"]), **LOCKS["npm"]}
    root = write(tmp_path / "root", {**files, "app/package.json": manifest()})
    outcome = machine.run("app/build", root / "app", root)
    [error] = outcome.output.splitlines()
    assert outcome.code == 1 and error.startswith("::error") and str(root) in error
    assert machine.lines == []


def test_a_build_that_fails(machine: Machine, tmp_path: Path) -> None:
    project = project_of("npm", tmp_path / "app")
    for failing in ("npm run build", "npm prune"):
        assert machine.run("app/build", project, STUB_FAILS=failing).code == 1
        assert not (project / "lambda-package.zip").exists()


def test_a_package_for_npm(machine: Machine, tmp_path: Path) -> None:
    machine.packs()
    project = installed(sample(tmp_path / "lib", scripts=SCRIPTS, files=["dist", "coverage"]))
    left = {"package.tgz": "of another time", "coverage/index.html": "", "dist/index.js": ""}
    write(project, left)
    outcome = machine.run("lib/build", project)
    assert outcome.code == 0, outcome.output
    assert machine.lines == ["npm ci", "npm run build"]
    with tarfile.open(project / "package.tgz") as tar:
        assert set(tar.getnames()) == {"package/package.json", "package/dist/index.js"}


@pytest.mark.parametrize("job", ["site", "next"])
def test_a_folder(machine: Machine, tmp_path: Path, job: str) -> None:
    project = write(project_of("pnpm", tmp_path / job), {".next/cache/a": "", ".next/b": ""})
    assert machine.run(f"{job}/build", project).code == 0
    assert machine.lines == ["pnpm install --frozen-lockfile", "pnpm run build"]
    assert (project / ".next/cache").exists() == (job == "site")
    assert (project / ".next/b").exists()


# Publish ---------------------------------------------------------------------------------------


def publish(machine: Machine, folder: Path, version: str, tag: str, **variables: str) -> Outcome:
    folder.mkdir(exist_ok=True)
    packed = archive("sample", {"package.json": json.dumps({"version": version})})
    (folder / "package.tgz").write_bytes(packed)
    return machine.runner.run("publish", folder, GITHUB_REF_NAME=tag, **variables)


@pytest.mark.parametrize(
    ("version", "tag", "options"),
    [
        ("1.2.3", "v1.2.3", ""),
        ("1.2.3", "1.2.3", ""),
        ("1.2.3", "my-lib-v1.2.3", ""),
        ("1.2.3", "@scope/lib@1.2.3", ""),
        ("1.2.3-rc.1", "v1.2.3-rc.1", " --tag next"),
    ],
)
def test_the_built_package_is_published(
    machine: Machine, tmp_path: Path, version: str, tag: str, options: str
) -> None:
    outcome = publish(machine, tmp_path, version, tag)
    assert outcome.code == 0, outcome.output
    assert machine.lines == [f"npm publish ./package.tgz --ignore-scripts{options}"]


def test_a_publication_that_fails(machine: Machine, tmp_path: Path) -> None:
    assert publish(machine, tmp_path, "1.2.3", "v1.2.3", STUB_FAILS="npm publish").code == 1


@pytest.mark.parametrize("tag", ["v1.2.4", "v11.2.3", "v1.2.3-rc.1", "main", "v0.1.2.3"])
def test_a_tag_of_another_version_publishes_nothing(
    machine: Machine, tmp_path: Path, tag: str
) -> None:
    outcome = publish(machine, tmp_path, "1.2.3", tag)
    [error] = [line for line in outcome.output.splitlines() if line]
    assert outcome.code == 1 and error.startswith("::error") and tag in error and "1.2.3" in error
    assert machine.lines == []


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_a_token_is_not_written_down(machine: Machine, tmp_path: Path, visibility: str) -> None:
    event = json.dumps({"repository": {"visibility": visibility}})
    path = write(tmp_path / "event", {"event.json": event}) / "event.json"
    script = '#!/bin/bash\nif [ "$1" = config ]; then echo https://registry.example/a/; '
    script += 'else echo "npm $*"; cat "$NPM_CONFIG_USERCONFIG"; fi\n'
    npm = machine.runner.tools / "npm"
    npm.unlink()
    npm.write_text(script, encoding="utf-8")
    npm.chmod(0o755)
    variables = {"NPM_TOKEN": "hidden", "GITHUB_EVENT_PATH": str(path)}
    outcome = publish(machine, tmp_path / "lib", "1.2.3", "v1.2.3", **variables)
    provenance = " --provenance" if visibility == "public" else ""
    assert outcome.output.splitlines() == [
        f"npm publish ./package.tgz --ignore-scripts{provenance}",
        "//registry.example/a/:_authToken=${NPM_TOKEN}",
    ]


# Found -----------------------------------------------------------------------------------------


def proposed(folder: Path) -> list[str] | None:
    """The proposed products of a folder; None if it is no component."""
    detect = load_code_types(toolbox.ROOT / "code_types")["node"].detect
    assert detect is not None
    text = (folder / "package.json").read_text(encoding="utf-8")
    if not re.search(detect.holds["package.json"], text, re.MULTILINE):
        return None
    for entry in detect.settings:
        files = [folder / name for name in entry.files if (folder / name).exists()]
        texts = [file.read_text(encoding="utf-8") for file in files]
        if not entry.files or any(re.search(entry.holds, text, re.MULTILINE) for text in texts):
            return list(entry.produces or ())
    raise AssertionError("nothing fits")


APP = {"name": "app", "version": "1.0.0", "main": "index.js", "scripts": {"test": PLACEHOLDER}}


@pytest.mark.parametrize(
    ("keys", "files", "produces"),
    [
        ({"private": True, "workspaces": ["a"], "scripts": {"build": "b"}}, {}, []),
        ({"scripts": {"build": "turbo build"}, "devDependencies": {"turbo": "2"}}, {}, []),
        ({"scripts": {"build": "pnpm -r build"}}, {}, []),
        ({"devDependencies": {"husky": "9"}, "scripts": {"prepare": "husky"}}, {}, None),
        (APP, {}, []),
        ({**APP, "dependencies": {"express": "5"}, "scripts": {"start": "node ."}}, {}, []),
        ({"private": True, "scripts": {"build": "vite build"}}, {}, ["dist"]),
        ({**APP, "files": ["dist"], "scripts": {"build": "tsc"}}, {}, ["package.tgz"]),
        ({**APP, "bin": "cli.js"}, {}, ["package.tgz"]),
        ({**APP, "private": True, "exports": "./a.js", "scripts": {"build": "b"}}, {}, ["dist"]),
        ({"dependencies": {"next": "16"}}, {"next.config.ts": "export default {}"}, [".next"]),
        ({"dependencies": {}}, {"next.config.mjs": "{ output: 'export' }"}, ["out"]),
        ({"dependencies": {"react-scripts": "5"}, "scripts": {"build": "b"}}, {}, ["build"]),
        ({**APP, "devDependencies": {"@types/aws-lambda": "8"}}, {}, ["lambda-package.zip"]),
        (APP, {"index.mjs": "export const handler = 1"}, ["lambda-package.zip"]),
        (APP, {"index.js": "exports.handler = 1"}, ["lambda-package.zip"]),
        (APP, {"index.js": "const handler = 1"}, []),
    ],
)
def test_proposed_products(
    tmp_path: Path, keys: dict[str, Any], files: dict[str, str], produces: list[str] | None
) -> None:
    folder = write(tmp_path, {"package.json": json.dumps(keys, indent=2), **files})
    assert proposed(folder) == produces


# pnpm and Yarn, from npm -----------------------------------------------------------------------


@real_tools
@pytest.mark.parametrize(
    "package", ["pnpm@8.15.9", "pnpm@10.34.8", "pnpm@12.21.0", "yarn@1.22.22", "yarn@4.18.1"]
)
def test_real_package_managers(real: Machine, tmp_path: Path, package: str) -> None:
    """They are installed by the set-up, and make tests, a Lambda zip and a package for npm."""
    real.runner.environment["npm_config_prefix"] = str(tmp_path / "global")
    trusted = {k: v for k, v in os.environ.items() if k == "NODE_EXTRA_CA_CERTS"}
    real.runner.environment.update(trusted)
    installed = package.replace("yarn@4", "@yarnpkg/cli-dist@4")
    assert install(real, tmp_path, installed).code == 0
    for tool in (tmp_path / "global" / "bin").iterdir():
        (real.runner.tools / tool.name).symlink_to(tool.resolve())
    scripts = {"build": "mkdir -p dist && cp index.js dist", "test": "ls node_modules/left-pad"}
    keys = {"dependencies": {"is-odd": "3.0.1"}, "devDependencies": {"left-pad": "1.3.0"}}
    files = {"index.js": "exports.handler = async n => ({ odd: require('is-odd')(n) })\n"}
    # pnpm 12 adds itself to the lock file, with binaries that some registries do not have.
    declared = {} if package.startswith("pnpm@12") else {"packageManager": package}
    files["package.json"] = manifest(**keys, scripts=scripts, **declared)
    if package.startswith("yarn@4"):
        files[".yarnrc.yml"] = "nodeLinker: node-modules\nenableGlobalCache: false\n"
    folders = [write(tmp_path / name / "app", files) for name in ("one", "another one")]
    manager = package.split("@")[0]
    free = {"pnpm": "--no-frozen-lockfile", "yarn@1": "", "yarn@4": "--no-immutable"}
    [option] = [free[start] for start in free if package.startswith(start)]
    variables = {"PACKAGE_MANAGER": manager, "INSTALL": f"{manager} install {option}"}
    outcome = real.run("app/test", folders[0], **variables)
    assert outcome.code == 0, outcome.output
    [lock] = [f for f in folders[0].iterdir() if f.name in ("pnpm-lock.yaml", "yarn.lock")]
    (folders[1] / lock.name).write_bytes(lock.read_bytes())
    assert real.run("app/test", folders[0]).code == 0
    for folder in folders:
        outcome = real.run("app/build", folder)
        assert outcome.code == 0, outcome.output
    one, two = (folder / "lambda-package.zip" for folder in folders)
    assert {n for n in names(one) if n.count("/") < 2} == {
        "index.js",
        "package.json",
        "dist/index.js",
    }
    assert {n.split("/")[1] for n in names(one) if "node_modules" in n} == {"is-odd", "is-number"}
    assert call(one, tmp_path / "unpacked") == {"odd": True}
    assert one.read_bytes() == two.read_bytes()
    outcome = real.run("lib/build", folders[0])
    assert outcome.code == 0, outcome.output
    with tarfile.open(folders[0] / "package.tgz") as tar:
        assert {"package/package.json", "package/index.js"} <= set(tar.getnames())
    other = manifest(dependencies={"is-odd": "3.0.0"}, scripts=scripts, **declared)
    write(folders[1], {"package.json": other})
    outcome = real.run("app/test", folders[1])
    assert outcome.code != 0, "a lock file that does not match is an error"


# Hashes that Corepack has written into package.json of published repositories.
COREPACKS = {
    "pnpm@10.12.1": "f0dda8580f0ee9481c5c79a1d927b9164f2c478e90992ad268bbb2465a736984"
    "391d6333d2c327913578b2804af33474ca554ba29c04a8b13060a717675ae3ac",
    "@yarnpkg/cli-dist@4.9.2": "1fc009bc09d13cfd0e19efa44cbfc2b9cf6ca61482725eb35bbc5e257e093ebf"
    "4130db6dfe15d604ff4b79efd8e1e8e99b25fa7d0a6197c9f9826358d4d65c3c",
}


@real_tools
@pytest.mark.parametrize("package", COREPACKS)
def test_the_hash_equals_that_of_corepack(real: Machine, tmp_path: Path, package: str) -> None:
    real.runner.environment["npm_config_prefix"] = str(tmp_path / "global")
    trusted = {k: v for k, v in os.environ.items() if k == "NODE_EXTRA_CA_CERTS"}
    real.runner.environment.update(trusted)
    outcome = install(real, tmp_path, package, f"sha512.{COREPACKS[package]}")
    assert outcome.code == 0, outcome.output
    outcome = install(real, tmp_path, package, f"sha512.{COREPACKS[package][::-1]}")
    assert outcome.code == 1 and "does not have the hash that" in outcome.output


@real_tools
@pytest.mark.parametrize(
    ("package", "more"),
    [
        ("npm@11.6.0", {}),
        ("pnpm@10.34.8", {"pnpm-workspace.yaml": "packages:\n  - apps/*\n  - libs/*\n"}),
        ("yarn@1.22.22", {}),
        ("yarn@4.18.1", {}),
        ("yarn@4.18.1", {".yarnrc.yml": "nodeLinker: node-modules\n"}),
        ("bun@1.3.14", {}),
    ],
)
def test_real_workspaces(real: Machine, tmp_path: Path, package: str, more: dict[str, str]) -> None:
    """First without a lock file, then from a fresh checkout with the written one."""
    real.runner.environment["npm_config_prefix"] = str(tmp_path / "global")
    trusted = {k: v for k, v in os.environ.items() if k == "NODE_EXTRA_CA_CERTS"}
    real.runner.environment.update(trusted)
    files = dict(WORKSPACE)
    if not package.startswith(("npm", "yarn@1")):
        own = re.compile(r'("(?:@acme/one|two)": )"1.0.0"')
        files = {name: own.sub(r'\1"workspace:*"', text) for name, text in files.items()}
    files["package.json"] = manifest(
        workspaces=["apps/*", "libs/*"], private=True, packageManager=package
    )
    lock = ""
    for name in ("first", "again"):
        root = write(tmp_path / name, {**files, **more})
        if lock:
            (root / lock).write_bytes((tmp_path / "first" / lock).read_bytes())
        else:
            found = real.read(root / "apps/site", root)
            assert found["root"] == str(root)
            if not package.startswith("npm"):
                assert install(real, tmp_path, found["package"]).code == 0
                for tool in (tmp_path / "global" / "bin").iterdir():
                    (real.runner.tools / tool.name).symlink_to(tool.resolve())
        outcome = real.run("site/test", root / "apps/site", root)
        assert outcome.code == 0, outcome.output
        assert (root / "libs/one/dist/index.js").exists()
        if not lock:
            [lock] = [f.name for f in root.iterdir() if "lock" in f.name and f.name != ".pnp.lock"]
