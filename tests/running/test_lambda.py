"""The real example: Python packs a Lambda zip, Terraform applies it. Real uv, ruff, pytest and
bandit; Terraform and tflint, which no registry provides, are recorded stubs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from copies import example
from offline_github import OfflineGitHub
from offline_github.repository import git
from pipelines import commit, failed, start, with_the_machines_packages, zip_names

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
PYTHON_JOBS = {"preflight / preflight", "lint", "test", "security", "build"}
TERRAFORM_JOBS = {"preflight / preflight", "lint", "test", "security", "deploy"}


def jobs_of(environment: str, python: set[str], terraform: set[str]) -> set[str]:
    """Keys of all jobs of a run, the callers among them."""
    keys = {"deployment-summary"}
    for component, jobs in (("python", python), ("terraform", terraform)):
        caller = f"{component}-{environment}"
        keys |= {caller, *(f"{caller} / {job}" for job in jobs | {"preflight"})}
    return keys


@pytest.fixture
def github(template: Path, tmp_path: Path) -> OfflineGitHub:
    github = with_the_machines_packages(start(template, tmp_path, example("lambda"), FILES))
    github.secrets = {"TF_API_TOKEN": "of the repository"}
    github.environments = {"dev": {"secrets": {"TF_API_TOKEN": "of dev"}}}
    github.tools.watch(["lambda_function.zip"], ["TF_API_TOKEN"])
    return github


def test_deploys_in_order_and_places_the_zip(github: OfflineGitHub) -> None:
    [run] = github.push("develop")
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    assert set(run.jobs) == jobs_of("dev", PYTHON_JOBS, TERRAFORM_JOBS)
    assert set(run.results.values()) == {"success"}

    package = run.artifacts["python-package-dev"]
    assert zip_names(package["lambda-package.zip"]) == {"lambda_handler.py"}
    assert set(run.artifacts) == {"python-package-dev"}

    # Terraform read the very zip, under the name that the code asks for, before each command.
    digest = hashlib.sha256(package["lambda-package.zip"]).hexdigest()
    commands = github.commands("terraform")
    by_job = {
        job: [c for c in commands if c.job == f"terraform-dev / {job}"] for job in TERRAFORM_JOBS
    }
    assert [c.arguments for c in by_job["test"]] == [
        ["init", "-backend=false", "-input=false"],
        ["validate"],
    ]
    assert [c.arguments for c in by_job["deploy"]] == [
        ["init", "-input=false"],
        ["plan", "-input=false", "-lock-timeout=5m", "-out=tfplan"],
        ["apply", "-input=false", "-lock-timeout=5m", "tfplan"],
    ]
    for command in by_job["test"] + by_job["deploy"]:
        assert command.folder == "iac/terraform"
        assert command.files == {"lambda_function.zip": digest}
    # The environment's secret, under both names, and in the deploy job alone.
    token = {"TF_API_TOKEN": "of dev", "TF_TOKEN_app_terraform_io": "of dev"}
    assert all(token.items() <= c.environment.items() for c in by_job["deploy"])
    assert not any(token.keys() & c.environment.keys() for c in by_job["test"] + by_job["lint"])
    assert run.job("terraform-dev / deploy").environment == "dev"
    assert run.order.index("python-dev / build") < run.order.index("terraform-dev / lint")


def test_a_failing_test_stops_what_depends_on_it(github: OfflineGitHub) -> None:
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "develop", cwd=work_tree)
    commit(work_tree, {f"{SOURCE}/tests/test_handler.py": TEST.replace("hello 0", "bye")})
    [run] = github.push("develop")
    assert run.conclusion == "failure"
    assert failed(run) == {"python-dev", "python-dev / test", "deployment-summary"}
    assert github.commands("terraform") == []
    assert run.artifacts == {}
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev failed in python-dev\n")
