"""The Terraform code type's commands: against recorded stubs, and for real where it is installed.

No registry that the tests use provides Terraform; the built-in `terraform_data` needs no provider.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import Runner, write

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


@pytest.fixture
def stubs(runner: Runner) -> Runner:
    """A machine on which both tools are recorded."""
    runner.record("terraform")
    runner.record("tflint")
    return runner


@pytest.fixture
def machine(runner: Runner, tmp_path: Path) -> Runner:
    """A machine with the real Terraform, and nothing of this machine's own settings."""
    runner.record("tflint")
    settings = write(tmp_path, {"terraform.rc": ""}) / "terraform.rc"
    runner.environment |= {"TF_CLI_CONFIG_FILE": str(settings), "CHECKPOINT_DISABLE": "1"}
    return runner


# Which commands, in which order


@pytest.mark.parametrize("rules", [True, False], ids=["own rules", "no rules"])
def test_lint(stubs: Runner, tmp_path: Path, rules: bool) -> None:
    project = write(tmp_path / "infra", {".tflint.hcl": ""} if rules else {"main.tf": MAIN})
    assert stubs.run("infra/lint", project).code == 0
    assert stubs.lines == [
        "terraform fmt -check -diff -recursive",
        *["tflint --init"] * rules,
        "tflint",
    ]


@pytest.mark.parametrize("failing", ["terraform fmt", "tflint"])
def test_lint_fails(stubs: Runner, tmp_path: Path, failing: str) -> None:
    outcome = stubs.run(
        "infra/lint", write(tmp_path / "infra", {"main.tf": MAIN}), STUB_FAILS=failing
    )
    assert outcome.code == 1


def test_validation(stubs: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", {"main.tf": MAIN})
    assert stubs.run("infra/test", project).code == 0
    assert stubs.lines == ["terraform init -backend=false -input=false", "terraform validate"]
    assert stubs.run("infra/test", project, STUB_FAILS="terraform validate").code == 1


def test_no_rules_for_a_scan_are_worth_a_notice(stubs: Runner, tmp_path: Path) -> None:
    stubs.record("uvx")
    project = write(tmp_path / "infra", {"main.tf": MAIN})
    outcome = stubs.run("infra/security", project)
    assert outcome.code == 0 and len(outcome.notices) == 1 and str(project) in outcome.notices[0]
    assert stubs.lines == []


@pytest.mark.parametrize("rules", [".checkov.yaml", ".checkov.yml"])
def test_rules_for_a_scan_are_obeyed(stubs: Runner, tmp_path: Path, rules: str) -> None:
    stubs.record("uvx")
    project = write(tmp_path / "infra", {rules: ""})
    assert stubs.run("infra/security", project).code == 0
    [line] = stubs.lines
    assert line.startswith("uvx checkov@") and line.endswith(" --directory . --quiet --compact")
    assert stubs.run("infra/security", project, STUB_FAILS="uvx checkov").code == 1


PLAN = "terraform plan -input=false -lock-timeout=5m -out=tfplan"
APPLY = "terraform apply -input=false -lock-timeout=5m tfplan"


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
        ([".terraform.lock.hcl"], " -lockfile=readonly", ""),
    ],
    ids=["nothing", "dev.tfvars", "environments", "both", "another environment", "lock file"],
)
def test_deployment(
    stubs: Runner, tmp_path: Path, files: list[str], init: str, options: str
) -> None:
    project = write(tmp_path / "infra", {"main.tf": MAIN, **dict.fromkeys(files, "")})
    assert stubs.run("infra/deploy", project).code == 0
    assert stubs.lines == [f"terraform init -input=false{init}", PLAN + options, APPLY]


@pytest.mark.parametrize("number", range(3), ids=["init", "plan", "apply"])
def test_nothing_follows_what_failed(stubs: Runner, tmp_path: Path, number: int) -> None:
    commands = ["terraform init -input=false", PLAN, APPLY]
    project = write(tmp_path / "infra", {"main.tf": MAIN})
    outcome = stubs.run("infra/deploy", project, STUB_FAILS=commands[number])
    assert outcome.code == 1
    assert stubs.lines == commands[: number + 1]


# What they do


@real
def test_real_format(machine: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", {"main.tf": MAIN, "modules/a/main.tf": MAIN})
    assert machine.run("infra/lint", project).code == 0
    assert machine.lines == ["tflint"]
    write(project, {"modules/a/main.tf": BADLY_FORMATTED})
    outcome = machine.run("infra/lint", project)
    assert outcome.code != 0 and "modules/a/main.tf" in outcome.output
    assert machine.lines == ["tflint"]  # not called again
    text = (project / "modules/a/main.tf").read_text(encoding="utf-8")
    assert text == BADLY_FORMATTED  # checked, not mended


@real
def test_real_validation(machine: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "infra", {"main.tf": MAIN})
    outcome = machine.run("infra/test", project)
    assert outcome.code == 0 and "configuration is valid" in outcome.output, outcome.output
    write(project, {"main.tf": MAIN.replace("var.size", "var.unknown")})
    outcome = machine.run("infra/test", project)
    assert outcome.code != 0 and "undeclared input variable" in outcome.output


def state(project: Path) -> list[str]:
    """The inputs of what Terraform has made."""
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
def test_that_very_plan_is_applied(machine: Runner, tmp_path: Path) -> None:
    """Code that changes between the two commands, here by a wrapper, changes nothing."""
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
