"""The real example: Python packs a Lambda zip, Terraform applies it. Real uv, ruff, pytest and
bandit; Terraform and tflint, which no registry provides, are recorded stubs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from copies import example
from generated_repositories import start, with_the_machines_packages, zip_names
from offline_github import Command, OfflineGitHub, Run

SOURCE = "src/lambda-python-s3-lambda-trigger"
HANDLER = '''\
"""Says hello to what was put into the bucket."""


def lambda_handler(event, context):
    return {"statusCode": 200, "body": f"hello {len(event.get('Records', []))}"}
'''
TEST = """\
from lambda_handler import lambda_handler


def test_hello():
    assert lambda_handler({}, None)["body"] == "hello 0"
"""
FILES = {
    f"{SOURCE}/lambda_handler.py": HANDLER,
    f"{SOURCE}/requirements.txt": "# none\n",
    f"{SOURCE}/tests/test_handler.py": TEST,
    "iac/terraform/main.tf": 'locals {\n  package = "lambda_function.zip"\n}\n',
}
BUILDS = {"python-build", "python-build / build", "terraform-build", "terraform-build / build"}


@pytest.fixture
def github(template: Path, tmp_path: Path) -> OfflineGitHub:
    github = with_the_machines_packages(start(template, tmp_path, example("lambda"), FILES))
    github.secrets = {"TF_API_TOKEN": "of the repository"}
    github.environments = {
        name: {"secrets": {"TF_API_TOKEN": f"of {name}"}} for name in ("test", "prd")
    }
    github.environments["prd-approval"] = {"reviewers": True}
    github.tools.watch(["lambda_function.zip"], ["TF_API_TOKEN"])
    return github


def zip_of(run: Run, environment: str) -> bytes:
    """The zip in the only package of a run."""
    [(name, files)] = run.packages.items()
    assert name == f"python-package-{environment}"
    assert set(files) == {"lambda-package.zip", ".package/manifest"}
    return files["lambda-package.zip"]


def test_what_was_built_once_is_deployed_in_order_and_reaches_production(
    github: OfflineGitHub,
) -> None:
    [test] = github.push("main")
    [prd] = github.runs_of("orchestrator-prd.yml")
    for run in (test, prd):
        assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
        assert set(run.results.values()) == {"success"}
    assert set(test.jobs) == {
        *("changes", *BUILDS, "terraform-test", "terraform-test / deploy", "deployment-summary")
    }
    # Nothing is checked or built again.
    assert set(prd.jobs) == {
        *("changes", "approval", "terraform-prd", "terraform-prd / deploy", "deployment-summary")
    }
    order = ["changes", "python-build / build", "terraform-build / build"]
    assert test.order == [*order, "terraform-test / deploy", "deployment-summary"]
    assert prd.approvals == [("approval", "prd-approval")] and test.approvals == []
    assert len(github.runs) == 2

    package = zip_of(test, "test")
    assert zip_names(package) == {"lambda_handler.py"}
    assert zip_of(prd, "prd") == package

    # Before each command, Terraform reads that zip under the name that the code uses.
    digest = hashlib.sha256(package).hexdigest()
    deploys = ["terraform-test / deploy", "terraform-prd / deploy"]
    commands = github.commands("terraform")
    by_job: dict[str, list[Command]] = {}
    for command in commands:
        by_job.setdefault(command.job, []).append(command)
    assert list(by_job) == ["terraform-build / build", *deploys]
    assert [c.arguments for c in by_job["terraform-build / build"]] == [
        ["fmt", "-check", "-diff", "-recursive"],
        ["init", "-input=false", "-backend=false"],
        ["validate"],
    ]
    for job in deploys:
        assert [c.arguments for c in by_job[job]] == [
            ["init", "-input=false"],
            ["plan", "-input=false", "-lock-timeout=5m", "-out=tfplan"],
            ["apply", "-input=false", "-lock-timeout=5m", "tfplan"],
        ]
    for command in commands:
        assert command.folder == "iac/terraform"
        assert command.files == {"lambda_function.zip": digest}
    # The environment's secret is set under both names, only in the deploy job.
    for run, environment in ((test, "test"), (prd, "prd")):
        job = f"terraform-{environment} / deploy"
        assert run.job(job).environment == environment
        value = f"of {environment}"
        token = {"TF_API_TOKEN": value, "TF_TOKEN_app_terraform_io": value}
        assert all(token.items() <= c.environment.items() for c in by_job[job])
    checks = [*by_job["terraform-build / build"], *github.commands("tflint")]
    assert not any(name for c in checks for name in c.environment if "TOKEN" in name)
