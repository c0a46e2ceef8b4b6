"""The cloud that files deploy to is proposed as `cloud`, or its keys as `secrets`.

A line names each component that the answers leave without a login.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from copies import copy
from made_answers import CATALOGUE
from pipeline.answers import read_answers
from pipeline.git_branches import NO_BRANCHES
from pipeline.proposal import propose
from pipeline.unmatched import unmatched
from repositories import APART, BACKEND, LAMBDA, SERVICE, repository

AWS = 'provider "aws" {\n  region = "eu-west-1"\n}\n'
HCP = "terraform {\n  cloud {\n  }\n}\n"
AZURE = 'resource "azurerm_resource_group" "all" {\n}\n'
KEYS = (
    "on: push\njobs: {a: {steps: [{env: {AWS_SECRET_ACCESS_KEY: '${{ secrets.AWS_SECRET_ACCESS_KEY "
    "}}', ID: '${{ secrets.AWS_ACCESS_KEY_ID }}', OTHER: '${{ secrets.OTHER }}'}}]}}\n"
)
SAM = "Transform: AWS::Serverless-2016-10-31\nResources: {}\n"
SITE = {"mkdocs.yml": "site_name: Docs\n", "docs/index.md": "# Docs\n"}

# Files -> the cloud for all components, and the settings for single ones.
CASES: dict[str, tuple[dict[str, str], str, dict[str, dict[str, Any]]]] = {
    "a provider": ({"infra/main.tf": AWS}, "aws", {}),
    "a resource, beside a component that is not deployed": ({**LAMBDA, **SERVICE}, "aws", {}),
    "in a file of OpenTofu": ({"infra/main.tofu": AZURE}, "azure", {}),
    "Google": ({"main.tf": 'provider "google-beta" {}\n'}, "gcp", {}),
    "each environment's folder": (
        {"infra/dev/main.tf": "locals {}\n", "infra/prod/main.tf": AWS},
        "aws",
        {},
    ),
    "a comment": ({"infra/main.tf": '# provider "aws" {\n'}, "", {}),
    "an unknown cloud": ({"infra/main.tf": 'provider "cloudflare" {}\n'}, "", {}),
    "two in one component": ({"infra/main.tf": AWS + AZURE}, "", {}),
    "HCP Terraform logs in": ({"infra/main.tf": HCP + AWS}, "", {}),
    "HCP Terraform, with a token that workflows have": (
        {
            "infra/main.tf": HCP + AWS,
            ".github/workflows/deploy.yml": "${{ secrets.TF_API_TOKEN }}",
        },
        "",
        {"terraform": {"secrets": ["TF_API_TOKEN"]}},
    ),
    "one cloud each": (
        {"a/main.tf": AWS, "b/main.tf": AZURE},
        "",
        {"a": {"cloud": "aws"}, "b": {"cloud": "azure"}},
    ),
    "one of two that are deployed": (
        {"infra/main.tf": AWS, **SITE},
        "",
        {"terraform": {"cloud": "aws"}},
    ),
    "a component inside another": (
        {"main.tf": AWS, "azure/main.tf": AZURE},
        "",
        {"terraform": {"cloud": "aws"}, "azure": {"cloud": "azure"}},
    ),
    "the CDK": ({"cdk.json": '{"app": "python3 app.py"}', "app.py": ""}, "aws", {}),
    "SAM": ({"template.yaml": SAM}, "aws", {}),
    "Pulumi in TypeScript": (
        {"Pulumi.yaml": "name: a\nruntime: nodejs\n", "index.ts": 'import "@pulumi/aws";\n'},
        "aws",
        {},
    ),
    "Pulumi in Python": (
        {"Pulumi.yaml": "name: a\nruntime: python\n", "a.py": "import pulumi_azure_native\n"},
        "azure",
        {},
    ),
    "Pulumi in YAML": (
        {"Pulumi.yaml": "name: a\nruntime: yaml\nresources:\n  b:\n    type: gcp:storage:Bucket\n"},
        "gcp",
        {},
    ),
    "keys that workflows have": (
        {"infra/main.tf": AWS, ".github/workflows/deploy.yml": KEYS},
        "",
        {"terraform": {"secrets": ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]}},
    ),
    "the ids of Azure without a key, as for OIDC": (
        {
            "infra/main.tf": AZURE,
            ".github/workflows/deploy.yml": "${{ secrets.ARM_CLIENT_ID }}"
            "${{ secrets.ARM_TENANT_ID }}${{ secrets.ARM_SUBSCRIPTION_ID }}",
        },
        "azure",
        {},
    ),
    "keys of another cloud": (
        {"infra/main.tf": AZURE, ".github/workflows/deploy.yml": KEYS},
        "azure",
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_cloud_is_proposed(case: str) -> None:
    files, cloud, settings = CASES[case]
    proposal = propose(repository(files), CATALOGUE.code_types, clouds=CATALOGUE.clouds)
    assert proposal.names
    assert proposal.cloud == cloud
    found = {
        name: kept
        for name, given in proposal.components.items()
        if (kept := {key: given[key] for key in ("cloud", "secrets") if key in given})
    }
    assert found == settings


def logins(folder: Path) -> dict[str, list[str]]:
    """The actions that log in, by the name of the deploy workflow."""
    found = {}
    for file in sorted((folder / ".github/workflows").glob("*-deploy.yml")):
        [job] = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()
        used = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
        found[file.stem] = [name for name in used if "credentials" in name or "login" in name]
    return found


@pytest.mark.parametrize(
    ("data", "login"),
    [
        ({}, ["aws-actions/configure-aws-credentials"]),
        ({"cloud": "none"}, []),
        ({"cloud": "azure"}, ["azure/login"]),
    ],
    ids=["found", "none was answered", "another one was answered"],
)
def test_an_answer_replaces_the_proposed_cloud(
    data: dict[str, str], login: list[str], template: Path, tmp_path: Path
) -> None:
    for name, text in LAMBDA.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert logins(copy(template, tmp_path, data)) == {"terraform-deploy": login}
    recorded = yaml.safe_load((tmp_path / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert recorded["cloud"] == data.get("cloud", "aws")


NOTE = (
    "terraform deploys to AWS (infra/main.tf) and logs in to {}: answer `cloud: aws`, or name its "
    "keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) in components.terraform.secrets."
)

# More answers, and settings of the component -> the expected lines.
SAID: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "no login": ({}, {}, [NOTE.format("no cloud")]),
    "another login": ({"cloud": "azure"}, {}, [NOTE.format("Azure")]),
    "its login": ({"cloud": "aws"}, {}, []),
    "its own login": ({}, {"cloud": "aws"}, []),
    "keys": ({}, {"secrets": ["AWS_KEY"]}, []),
    "a deployment of its own": ({}, {"deploy": "make deploy"}, []),
    "no deployment": ({}, {"deploy": ""}, []),
    "a self-hosted runner": ({"runner": ["self-hosted", "aws"]}, {}, []),
}


@pytest.mark.parametrize("case", SAID)
def test_a_component_without_a_login_is_named(case: str) -> None:
    answers, settings, lines = SAID[case]
    components = {"terraform": {"path": "infra", "env": APART, **settings}}
    read = read_answers({"branching": "trunk", "components": components, **answers}, CATALOGUE)
    there = repository({"infra/main.tf": BACKEND + AWS})
    assert unmatched(read, there, NO_BRANCHES) == lines


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        (
            {},
            [
                "terraform needs a token to log in (infra/main.tf), and has no secret: name "
                "TF_API_TOKEN in components.terraform.secrets."
            ],
        ),
        ({"secrets": ["TF_API_TOKEN"]}, []),
        ({"deploy": "make deploy"}, []),
    ],
    ids=["no token", "a token", "a deployment of its own"],
)
def test_a_component_without_a_token_is_named(settings: dict[str, Any], lines: list[str]) -> None:
    components = {"terraform": {"path": "infra", "env": APART, **settings}}
    read = read_answers({"branching": "trunk", "components": components}, CATALOGUE)
    assert unmatched(read, repository({"infra/main.tf": HCP + AWS}), NO_BRANCHES) == lines


def test_what_docs_say_already_is_not_said_again() -> None:
    """The CDK without a login has this in docs/ci-cd.md, also before its files are there."""
    read = read_answers({"branching": "trunk", "code_types": ["cdk"]}, CATALOGUE)
    assert any(
        "cloud: aws" in line for line in read.components[0].code_type.clouds["none"].prerequisites
    )
    assert unmatched(read, repository({"cdk.json": '{"app": "python3 app.py"}'}), NO_BRANCHES) == []
