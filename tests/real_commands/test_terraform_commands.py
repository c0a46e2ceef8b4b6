"""The commands of Terraform and OpenTofu: with recorded stubs, and real tools if they are
installed.

No registry of the tests has them. The built-in `terraform_data` needs no provider.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import toolbox
from commands import Outcome, Runner, write
from pipeline.code_types import load_code_types

TERRAFORM = shutil.which("terraform")
real = pytest.mark.skipif(TERRAFORM is None, reason="terraform is not installed")

MAIN = """\
variable "size" {
  type    = string
  default = "default"
}

resource "terraform_data" "sample" {
  input = var.size
}
"""
BADLY_FORMATTED = MAIN.replace("  type    =", "  type =")


@dataclass
class Stubs:
    """A machine with recorded tools, and a component of Terraform or OpenTofu."""

    runner: Runner
    home: Path
    component: str
    tool: str

    def run(self, job: str, project: Path, **variables: str) -> Outcome:
        return self.runner.run(f"{self.component}/{job}", project, **variables)

    def for_all(self, job: str, project: Path, **variables: str) -> Outcome:
        """Run a command for all environments, as in a pull request."""
        return self.run(job, project, ENVIRONMENTS="dev test prd", **variables)

    @property
    def folders(self) -> list[str]:
        """The folder of each call, relative to the test's folder."""
        home = self.home.resolve()
        return [str(Path(call["folder"]).relative_to(home)) for call in self.runner.recorded]

    @property
    def lines(self) -> list[str]:
        """The calls, with Terraform's name for both tools."""
        lines = [line.split(" ", 1) for line in self.runner.lines]
        return [" ".join(["terraform" if n == self.tool else n, *rest]) for n, *rest in lines]

    def fails(self, line: str) -> str:
        """The call at which the stubs fail."""
        return line.replace("terraform ", f"{self.tool} ")


@pytest.fixture(params=[("infra", "terraform"), ("tofu", "tofu")], ids=["terraform", "opentofu"])
def stubs(request: pytest.FixtureRequest, runner: Runner, tmp_path: Path) -> Stubs:
    for name in ("terraform", "tofu", "tflint", "uvx"):
        runner.record(name)
    return Stubs(runner, tmp_path, *request.param)


one_tool = pytest.mark.parametrize(
    "stubs", [("infra", "terraform")], ids=["terraform"], indirect=True
)
"""For cases that only need one tool: OpenTofu's commands differ in a few words."""
opentofu = pytest.mark.parametrize("stubs", [("tofu", "tofu")], ids=["opentofu"], indirect=True)


@pytest.fixture
def machine(runner: Runner, tmp_path: Path) -> Runner:
    """A machine with the real Terraform, without this machine's settings."""
    runner.record("tflint")
    settings = write(tmp_path, {"terraform.rc": ""}) / "terraform.rc"
    runner.environment |= {"TF_CLI_CONFIG_FILE": str(settings), "CHECKPOINT_DISABLE": "1"}
    return runner


# Commands in order


@one_tool
@pytest.mark.parametrize("rules", [True, False], ids=["own rules", "no rules"])
def test_lint(stubs: Stubs, tmp_path: Path, rules: bool) -> None:
    project = write(
        tmp_path / "infra", {"main.tf": MAIN, **dict.fromkeys([".tflint.hcl"] * rules, "")}
    )
    assert stubs.run("lint", project).code == 0
    assert stubs.lines == [
        "terraform fmt -check -diff -recursive",
        *["tflint --init"] * rules,
        "tflint",
    ]


@one_tool
@pytest.mark.parametrize("failing", ["terraform fmt", "tflint"])
def test_lint_fails(stubs: Stubs, tmp_path: Path, failing: str) -> None:
    outcome = stubs.run(
        "lint", write(tmp_path / "infra", {"main.tf": MAIN}), STUB_FAILS=stubs.fails(failing)
    )
    assert outcome.code == 1


def validation(lock: str = "") -> list[str]:
    return [
        f"terraform init -input=false -backend=false{lock}",
        "terraform validate",
    ]


def test_validation(stubs: Stubs, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", {"main.tf": MAIN})
    assert stubs.run("test", project).code == 0
    assert stubs.lines == validation()
    failing = stubs.fails("terraform validate")
    assert stubs.run("test", project, STUB_FAILS=failing).code == 1


def test_a_missing_configuration_of_the_scan_gets_a_notice(stubs: Stubs, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", {"main.tf": MAIN})
    outcome = stubs.run("security", project)
    assert outcome.code == 0 and len(outcome.notices) == 1 and str(project) in outcome.notices[0]
    assert stubs.lines == []


@one_tool
@pytest.mark.parametrize("rules", [".checkov.yaml", ".checkov.yml"])
def test_rules_for_a_scan_are_obeyed(stubs: Stubs, tmp_path: Path, rules: str) -> None:
    project = write(tmp_path / "infra", {rules: ""})
    assert stubs.run("security", project).code == 0
    [line] = stubs.lines
    assert line.startswith("uvx checkov@") and line.endswith(" --directory . --quiet --compact")
    assert stubs.run("security", project, STUB_FAILS=stubs.fails("uvx checkov")).code == 1


PLAN = "terraform plan -input=false -lock-timeout=5m -out=tfplan"
APPLY = "terraform apply -input=false -lock-timeout=5m tfplan"


@one_tool
@pytest.mark.parametrize(
    ("files", "init", "options"),
    [
        ([], "", ""),
        (["dev.tfvars"], "", " -var-file=dev.tfvars"),
        (["environments/dev.tfvars"], "", " -var-file=environments/dev.tfvars"),
        (
            ["dev.tfvars", "environments/dev.tfvars"],
            "",
            " -var-file=dev.tfvars -var-file=environments/dev.tfvars",
        ),
        (["prd.tfvars", "environments/prd.tfvars"], "", ""),
        (["vars/dev/terraform.tfvars"], "", " -var-file=vars/dev/terraform.tfvars"),
        ([".terraform.lock.hcl"], " -lockfile=readonly", ""),
    ],
    ids=[
        "nothing",
        "dev.tfvars",
        "environments",
        "both",
        "another environment",
        "a folder",
        "lock file",
    ],
)
def test_deployment(
    stubs: Stubs, tmp_path: Path, files: list[str], init: str, options: str
) -> None:
    project = write(tmp_path / "infra", {"main.tf": MAIN, **dict.fromkeys(files, "")})
    assert stubs.run("deploy", project).code == 0
    assert stubs.lines == [f"terraform init -input=false{init}", PLAN + options, APPLY]


@opentofu
def test_deployment_by_opentofu(stubs: Stubs, tmp_path: Path) -> None:
    files = dict.fromkeys(["dev.tfvars", "environments/dev.tfvars", ".terraform.lock.hcl"], "")
    project = write(tmp_path / "infra", {"main.tf": MAIN, **files})
    assert stubs.run("deploy", project).code == 0
    options = " -var-file=dev.tfvars -var-file=environments/dev.tfvars"
    assert stubs.lines == [
        "terraform init -input=false -lockfile=readonly",
        PLAN + options,
        APPLY,
    ]


@one_tool
@pytest.mark.parametrize("number", range(3), ids=["init", "plan", "apply"])
def test_no_command_runs_after_a_failure(stubs: Stubs, tmp_path: Path, number: int) -> None:
    commands = ["terraform init -input=false", PLAN, APPLY]
    project = write(tmp_path / "infra", {"main.tf": MAIN})
    outcome = stubs.run("deploy", project, STUB_FAILS=stubs.fails(commands[number]))
    assert outcome.code == 1
    assert stubs.lines == commands[: number + 1]


# Folders

FOLDERS = ["dev", "environments/dev", "envs/dev"]
"""Possible folders of the root module for the environment dev."""


def modules(*folders: str, file: str = "main.tf") -> dict[str, str]:
    return {f"{folder}/{file}": MAIN for folder in folders}


@pytest.mark.parametrize(
    ("stubs", "folder"),
    [*((("infra", "terraform"), folder) for folder in FOLDERS), (("tofu", "tofu"), FOLDERS[0])],
    indirect=["stubs"],
)
def test_the_root_module_of_an_environment(stubs: Stubs, tmp_path: Path, folder: str) -> None:
    others = modules("prd", "environments/prd", "envs/prd", "modules/a")
    lock = {f"{folder}/.terraform.lock.hcl": "", f"{folder}/dev.tfvars": "", ".tflint.hcl": ""}
    project = write(tmp_path / "infra", {**modules(folder), **others, **lock})
    for job in ("lint", "test", "deploy"):
        assert stubs.run(job, project).code == 0
    rules = f"--config={project}/.tflint.hcl"
    assert stubs.lines == [
        "terraform fmt -check -diff -recursive",
        f"tflint --init {rules}",
        f"tflint {rules}",
        *validation(" -lockfile=readonly"),
        "terraform init -input=false -lockfile=readonly",
        f"{PLAN} -var-file=dev.tfvars",
        APPLY,
    ]
    there = f"infra/{folder}"
    assert stubs.folders == ["infra", *[there] * 7]


@one_tool
def test_rules_of_a_root_modules_own(stubs: Stubs, tmp_path: Path) -> None:
    rules = {".tflint.hcl": "", "dev/.tflint.hcl": ""}
    project = write(tmp_path / "infra", {**modules("dev"), **rules})
    assert stubs.run("lint", project).code == 0
    assert stubs.lines[1:] == ["tflint --init", "tflint"]


@one_tool
def test_the_path_itself_comes_first(stubs: Stubs, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", modules(".", *FOLDERS))
    assert stubs.run("deploy", project).code == 0
    assert stubs.for_all("test", project).code == 0
    assert set(stubs.folders) == {"infra"}
    assert stubs.lines[-2:] == validation()  # only once, not for each environment
    assert len(stubs.lines) == 5


@one_tool
def test_folders_come_in_order(stubs: Stubs, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", {**modules(*FOLDERS[1:]), "dev/readme.md": ""})
    assert stubs.run("test", project).code == 0
    assert stubs.lines == validation()
    assert set(stubs.folders) == {"infra/environments/dev"}


def test_files_of_opentofus_own(stubs: Stubs, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", modules("envs/dev", file="main.tofu"))
    outcome = stubs.run("deploy", project)
    assert outcome.code == (0 if stubs.tool == "tofu" else 1)


@pytest.mark.parametrize("job", ["lint", "test", "deploy"])
def test_no_root_module_is_one_line(stubs: Stubs, tmp_path: Path, job: str) -> None:
    nothing = {"terraform.tfvars": "", "dev/dev.tfvars": "", **modules("prd", "modules/dev")}
    project = write(tmp_path / "infra", nothing)
    outcome = stubs.run(job, project)
    assert outcome.code == 1
    [line] = outcome.output.splitlines()
    assert line.startswith("::error title=Root module::There are no *.tf ")
    assert f" in {project}, nor below it in NAME, " in line and "(NAME: dev): " in line
    assert stubs.lines == []


def test_all_environments_are_checked(stubs: Stubs, tmp_path: Path) -> None:
    """Each root module is checked once."""
    project = write(tmp_path / "infra", modules("envs/dev", "envs/prd", "envs/other"))
    assert stubs.for_all("lint", project).code == 0
    assert stubs.for_all("test", project).code == 0
    dev, prd = "infra/envs/dev", "infra/envs/prd"
    assert stubs.folders == ["infra", dev, prd, dev, dev, prd, prd]
    assert stubs.lines[3:] == validation() * 2


@one_tool
@pytest.mark.parametrize("failing", ["tflint", *validation()])
def test_a_failure_in_one_of_them_fails(stubs: Stubs, tmp_path: Path, failing: str) -> None:
    project = write(tmp_path / "infra", modules("envs/dev", "envs/prd"))
    job = "lint" if failing == "tflint" else "test"
    assert stubs.for_all(job, project, STUB_FAILS=stubs.fails(failing)).code == 1
    assert stubs.lines[-1] == failing  # no call after it


def test_a_project_without_a_module_for_any_environment_fails(stubs: Stubs, tmp_path: Path) -> None:
    outcome = stubs.for_all("test", write(tmp_path / "infra", modules("other")))
    assert outcome.code == 1 and "(NAME: dev test prd)" in outcome.output
    assert stubs.lines == []


# Versions

PINNED = {"terraform": "1.15.6", "opentofu": "1.12.6"}
"""The version if the project names none."""

VERSIONS = {
    "nothing": ({"main.tf": MAIN}, ""),
    "the tool's file": ({"%s": "1.9.2\n", ".tool-versions": "%s 1.9.1\n"}, "1.9.2"),
    "the tool's file without an end of line": ({"%s": "v1.9.2"}, "1.9.2"),
    "asdf's file": ({".tool-versions": "python 3.13.1\n%s 1.9.1 # ours\n"}, "1.9.1"),
    "asdf's file without it": ({".tool-versions": "python 3.13.1\nother%s 1.9.1\n"}, ""),
    "mise's file": ({"mise.toml": '[tools]\npython = "3.13"\n%s = "1.9.1"\n'}, "1.9.1"),
    "mise's file with options": ({".mise.toml": '%s = { version = "1.9" }\n'}, "1.9"),
    "mise's file in other quotes": ({"mise.toml": "[tools]\n%s = '1.9.1'\n"}, "1.9.1"),
    "the newest of tomorrow": ({"%s": "latest\n", "mise.toml": '%s = "latest"\n'}, ""),
    "the newest, and another file": ({"%s": "latest:^1.8", "a.tf": "required_version = '1'"}, ""),
    "above": ({"../.tool-versions": "%s 1.9.1\n"}, "1.9.1"),
    "above, and nearer": ({"../.tool-versions": "%s 1.9.1\n", "%s": "1.9.2"}, "1.9.2"),
    "the code": ({"main.tf": 'terraform {\n  required_version = ">= 1.6"\n}\n'}, ""),
    "the code with something newer": ({"a.tf": 'required_version = ">= 1.99.0"\n'}, ">= 1.99.0"),
    "the code with two": ({"a.tf": '\trequired_version = ">= 1.6, < 2"\n'}, ">= 1.6  < 2"),
    "the code with the last part free": ({"a.tf": 'required_version="~> 1.8.1"\n'}, "~1.8.1"),
    "the code with the minor part free": ({"a.tf": 'required_version = "~> 1.8"\n'}, "^1.8"),
    "both": ({"a.tf": 'required_version = "~> 1.8, < 1.10"\n'}, "^1.8  < 1.10"),
    "what the action has no word for": ({"a.tf": 'required_version = "!= 1.8.0"\n'}, ""),
    "a comment": ({"a.tf": '# required_version = "~> 1.8"\n'}, ""),
    "asdf's file before the code": (
        {".tool-versions": "%s 1.9.1\n", "a.tf": 'required_version = "~> 1.8"\n'},
        "1.9.1",
    ),
}


def version(runner: Runner, code_type: str, project: Path, environments: str) -> str:
    """The version in the output of the set-up script."""
    component = "infra" if code_type == "terraform" else "tofu"
    outcome = runner.run(f"{component}/setup", project, ENVIRONMENTS=environments)
    # A version that is not used is reported.
    names_none = (project / f".{code_type}-version").is_file() and "latest" in (
        project / f".{code_type}-version"
    ).read_text(encoding="utf-8")
    tool = "Terraform" if code_type == "terraform" else "OpenTofu"
    said = f"::notice::Not read, because it names no version of {tool}: latest" * names_none
    assert (outcome.code, outcome.output[: len(said) or None].strip()) == (0, said)
    return outcome.said["version"]


@pytest.mark.parametrize("case", VERSIONS)
@pytest.mark.parametrize("code_type", ["terraform", "opentofu"])
def test_version(runner: Runner, tmp_path: Path, code_type: str, case: str) -> None:
    files, expected = VERSIONS[case]
    made = {
        (f".{code_type}-version" if name == "%s" else name): text.replace("%s", code_type)
        for name, text in {"x.tf": "", **files}.items()
    }
    found = version(runner, code_type, write(tmp_path / "infra", made), "dev")
    assert found == (expected or PINNED[code_type])


# The files with their versions, the environments, and the version that is used.
NEAREST = {
    "the root module's own": (["envs/dev", "."], "dev", "envs/dev"),
    "the path's": (["."], "dev", "."),
    "another environment's": (["envs/prd", "."], "dev", "."),
    "several environments": (
        ["envs/test", "environments/dev", "."],
        "dev test",
        "environments/dev",
    ),
    "the first that is there": (["envs/test", "envs/prd", "."], "new test prd", "envs/test"),
}


@pytest.mark.parametrize("case", NEAREST)
@pytest.mark.parametrize("code_type", ["terraform", "opentofu"])
def test_version_of_an_environment(
    runner: Runner, tmp_path: Path, code_type: str, case: str
) -> None:
    folders, environments, expected = NEAREST[case]
    numbers = {folder: f"1.{index}" for index, folder in enumerate(folders)}
    files = {f"{folder}/.{code_type}-version": number for folder, number in numbers.items()}
    # `required_version` in the code counts after every file.
    roots = {"envs/dev", *folders} - {"."}
    files |= {f"{folder}/main.tf": 'required_version = "1.1.1"' for folder in roots}
    project = write(tmp_path / "infra", files)
    assert version(runner, code_type, project, environments) == numbers[expected]


def test_version_in_a_file_of_opentofus(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "tofu", {"a.tofu": 'required_version = "~> 1.8"\n'})
    assert version(runner, "opentofu", project, "dev") == "^1.8"


# With the real tools


@real
def test_real_format(machine: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", {"main.tf": MAIN, "modules/a/main.tf": MAIN})
    assert machine.run("infra/lint", project).code == 0
    assert machine.lines == ["tflint"]
    write(project, {"modules/a/main.tf": BADLY_FORMATTED})
    outcome = machine.run("infra/lint", project)
    assert outcome.code != 0 and "modules/a/main.tf" in outcome.output
    assert machine.lines == ["tflint"]  # called once
    text = (project / "modules/a/main.tf").read_text(encoding="utf-8")
    assert text == BADLY_FORMATTED  # only checked


@real
def test_real_validation(machine: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", {"main.tf": MAIN})
    outcome = machine.run("infra/test", project)
    assert outcome.code == 0 and "configuration is valid" in outcome.output, outcome.output
    write(project, {"main.tf": MAIN.replace("var.size", "var.unknown")})
    outcome = machine.run("infra/test", project)
    assert outcome.code != 0 and "undeclared input variable" in outcome.output


def state(project: Path) -> list[str]:
    """The inputs of the resources that Terraform has made."""
    known = json.loads((project / "terraform.tfstate").read_text(encoding="utf-8"))
    return [r["instances"][0]["attributes"]["input"]["value"] for r in known["resources"]]


@real
def test_real_deployment(machine: Runner, tmp_path: Path) -> None:
    files = {"dev.tfvars": 'size = "small"\n', "environments/prd.tfvars": 'size = "large"\n'}
    project = write(tmp_path / "infra", {"main.tf": MAIN, **files})
    outcome = machine.run("infra/deploy", project)
    assert outcome.code == 0 and "1 added, 0 changed, 0 destroyed" in outcome.output, outcome.output
    assert state(project) == ["small"]

    outcome = machine.run("infra/deploy", project)
    assert outcome.code == 0 and "No changes." in outcome.output, outcome.output
    assert "0 added, 0 changed, 0 destroyed" in outcome.output

    outcome = machine.run("infra/deploy", project, ENVIRONMENT="prd")
    assert outcome.code == 0 and "1 changed" in outcome.output, outcome.output
    assert state(project) == ["large"]


@real
def test_real_environments(machine: Runner, tmp_path: Path) -> None:
    """Each has its own state. Without OpenTofu, Terraform runs in its place."""
    (machine.tools / "tofu").symlink_to(shutil.which("tofu") or str(TERRAFORM))
    shared = 'module "all" {\n  source = "../../modules/all"\n  size   = "%s"\n}\n'
    files = {f"envs/{name}/main.tf": shared % name for name in ("dev", "prd")}
    project = write(tmp_path / "infra", {"modules/all/main.tf": MAIN, **files})
    assert machine.run("tofu/lint", project).code == 0
    for environment in ("dev", "prd"):
        outcome = machine.run("tofu/deploy", project, ENVIRONMENT=environment)
        assert outcome.code == 0, outcome.output
        assert state(project / "envs" / environment) == [environment]
    assert not (project / "terraform.tfstate").exists()
    write(project, {"envs/prd/main.tf": shared % "prd" + "output {\n}\n"})
    assert machine.run("tofu/test", project).code == 0
    outcome = machine.run("tofu/test", project, ENVIRONMENTS="dev prd")
    assert outcome.code != 0 and "output" in outcome.output


@real
def test_the_shown_plan_is_applied(machine: Runner, tmp_path: Path) -> None:
    """Code that changes between the two commands (here by a wrapper) has no effect."""
    project = write(tmp_path / "infra", {"main.tf": MAIN, "dev.tfvars": 'size = "planned"\n'})
    wrapper = machine.tools / "terraform"
    changes = "echo 'size = \"changed\"' > dev.tfvars"
    text = f'#!/bin/bash\nif [ "$1" = apply ]; then {changes}; fi\nexec "{TERRAFORM}" "$@"\n'
    wrapper.write_text(text, encoding="utf-8")
    wrapper.chmod(0o755)
    outcome = machine.run("infra/deploy", project)
    assert outcome.code == 0, outcome.output
    assert state(project) == ["planned"]
    assert "changed" in (project / "dev.tfvars").read_text(encoding="utf-8")


@real
def test_a_plan_that_fails_is_not_applied(machine: Runner, tmp_path: Path) -> None:
    required = MAIN.replace('  default = "default"\n', "").replace("type    =", "type =")
    project = write(tmp_path / "infra", {"main.tf": required})
    outcome = machine.run("infra/deploy", project)
    assert outcome.code != 0 and "No value for required variable" in outcome.output
    assert not (project / "terraform.tfstate").exists()
    write(project, {"environments/dev.tfvars": 'size = "given"\n'})
    assert machine.run("infra/deploy", project).code == 0
    assert state(project) == ["given"]


@real
def test_a_lock_file_is_obeyed(machine: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", {"main.tf": MAIN, ".terraform.lock.hcl": "# ours\n"})
    outcome = machine.run("infra/deploy", project)
    assert outcome.code == 0, outcome.output
    assert (project / ".terraform.lock.hcl").read_text(encoding="utf-8") == "# ours\n"
    assert state(project) == ["default"]


MIRROR = "mirror/registry.terraform.io/acme/fake/1.0.0/linux_{arch}/terraform-provider-fake_v1.0.0"
PROVIDER = """\
terraform {
  required_providers {
    fake = {
      source  = "acme/fake"
      version = "1.0.0"
    }
  }
}

resource "fake_thing" "sample" {}
"""
OF_A_MAC = """\
provider "registry.terraform.io/acme/fake" {
  version     = "1.0.0"
  constraints = "1.0.0"
  hashes      = ["h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
}
"""


@real
@pytest.mark.parametrize(
    ("job", "lock"),
    [("test", OF_A_MAC), ("deploy", "# of no provider\n")],
    ids=["a Mac's", "an older one"],
)
def test_a_lock_file_that_lacks_this_machine(
    machine: Runner, tmp_path: Path, job: str, lock: str
) -> None:
    """Checks and deployment show the same error, with the command that corrects it."""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    write(tmp_path, {MIRROR.format(arch=arch): "#!/bin/sh\nexit 1\n"})
    mirror = f'provider_installation {{\n  filesystem_mirror {{ path = "{tmp_path}/mirror" }}\n}}\n'
    write(tmp_path, {"terraform.rc": mirror})
    project = write(tmp_path / "infra", {"main.tf": PROVIDER, ".terraform.lock.hcl": lock})
    outcome = machine.run(f"infra/{job}", project)
    assert outcome.code == 1
    [error] = [line for line in outcome.output.splitlines() if line.startswith("::error")]
    command = f"terraform providers lock -platform=linux_{arch}"
    assert str(project) in error and command in error
    done = subprocess.run(
        [*command.split(), f"-fs-mirror={tmp_path}/mirror"],
        cwd=project,
        env={**os.environ, **machine.environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    outcome = machine.run(f"infra/{job}", project)
    assert "::error" not in outcome.output  # the provider itself does nothing


@real
def test_a_real_build(machine: Runner, tmp_path: Path) -> None:
    """All checks run in one checkout, twice, and leave no files that disturb others."""
    machine.record("uvx")
    files = {"envs/dev/main.tf": MAIN, "envs/prd/main.tf": MAIN, ".checkov.yaml": ""}
    project = write(tmp_path / "infra", files)
    for _ in range(2):
        outcomes = machine.build("infra", project, ENVIRONMENTS="dev prd")
        assert {job: outcome.code for job, outcome in outcomes.items()} == {
            "lint": 0,
            "test": 0,
            "security": 0,
        }


def test_default_versions_are_pinned() -> None:
    """A newer version would run with a deployment's credentials."""
    for code_type in load_code_types(toolbox.ROOT / "code_types").values():
        texts = [*code_type.tools.values(), code_type.setup.steps if code_type.setup else ""]
        assert not [text for text in texts if re.search("latest|lts/", text)], code_type.name


MADE_AGAIN = {"actions": ["delete", "create"], "importing": {"id": "x"}}
MARKED = {"before": {"key": "hunter2"}, "after_sensitive": {"key": True}}


@pytest.mark.parametrize(
    ("plan", "listed"),
    [
        ({"address": "a.b", "change": MADE_AGAIN}, ["import a.b", "replace a.b"]),
        (
            {"address": "a.b", "change": {"actions": ["create", "forget"]}},
            ["create and forget a.b"],
        ),
        ({"address": "a.b", "change": {"actions": ["update"], **MARKED}}, ["update a.b"]),
    ],
    ids=["imported and replaced", "forgotten", "marked as sensitive only now"],
)
def test_changes_that_a_plan_lists(plan: dict[str, Any], listed: list[str]) -> None:
    invoked = {"address": "action.c.d", "config_values": {"key": "hunter2", "function": "f"}}
    invoked["config_sensitive"] = {"key": True}
    [*lines, last] = changes_of({"resource_changes": [plan], "action_invocations": [invoked]})
    assert [" ".join(line[:2]) for line in lines] == listed
    assert last[:2] == ["invoke", "action.c.d"] and '"function":"f"' in last[2]
    assert "hunter2" not in str([*lines, last])


def changes_of(plan: dict[str, Any]) -> list[list[str]]:
    """The list of changes for a plan in JSON."""
    setup = load_code_types(toolbox.ROOT / "code_types")["terraform"].setup
    assert setup
    command = ["jq", "--raw-output", setup.files["changes.jq"]]
    done = subprocess.run(command, input=json.dumps(plan), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]
