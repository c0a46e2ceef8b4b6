"""Sample repositories: the names of their files with the texts in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from made_answers import CATALOGUE
from pipeline.answers import Answers, read_answers
from pipeline.proposal import ANSWERS, Proposal, propose
from pipeline.repository_files import RepositoryFiles

LAMBDA = {
    "functions/sync/handler.py": "def handler(event, context):\n    return event\n",
    "functions/sync/requirements.txt": "boto3\n",
    "infra/main.tf": 'resource "aws_lambda_function" "sync" {\n  filename = "sync.zip"\n}\n',
}
"""One function, and the Terraform that deploys its zip."""

SERVICE = {
    "pyproject.toml": '[project]\nname = "service"\n',
    "Dockerfile": "FROM python:3.13\nCOPY . .\n",
}
"""A service in the repository's root, with its image."""

BACKEND = 'terraform {\n  backend "s3" {}\n}\n'
"""Says that Terraform keeps its state in S3."""

APART = {"TF_WORKSPACE": "${{ vars.WORKSPACE }}"}
"""The `env` of a component of Terraform whose environments share no state."""


def manifest(image: str, kind: str = "Deployment") -> str:
    return (
        f"apiVersion: apps/v1\nkind: {kind}\nspec:\n  template:\n    spec:\n      containers:\n"
        f"        - name: it\n          image: {image}\n"
    )


def repository(files: Mapping[str, str], name: str = "shop") -> RepositoryFiles:
    return RepositoryFiles(files, lambda file: files.get(file, ""), name)


def proposed(files: Mapping[str, str], name: str = "shop") -> Proposal:
    """The proposal for these files. It is also read as answers, which raises if one is wrong."""
    proposal = propose(repository(files, name), CATALOGUE.code_types)
    if proposal.names:
        read(proposal)
    return proposal


def answers(proposal: Proposal) -> dict[str, Any]:
    return {name: getattr(proposal, name) for name in ANSWERS}


def read(proposal: Proposal) -> Answers:
    """Read the proposal as answers. Raises AnswerError if it is not valid."""
    given = {**answers(proposal), "found": dict(proposal.found), "orchestration": "dispatch"}
    if proposal.environments:
        given["environments"] = proposal.environments
    return read_answers(given, CATALOGUE)


def components(proposal: Proposal) -> dict[str, str]:
    """The code type and the path of each component, by its name."""
    return {c.name: f"{c.code_type.name} {c.path}" for c in read(proposal).components}


def edges(proposal: Proposal) -> dict[str, dict[str, list[str]]]:
    """What each consumer takes from each producer, with its place."""
    found: dict[str, dict[str, list[str]]] = {}
    for edge in read(proposal).dependencies.edges:
        takes = [f"{p.product} -> {p.to}" if p.to else p.product for p in edge.placements]
        found.setdefault(edge.consumer, {})[edge.producer] = takes
    return found
