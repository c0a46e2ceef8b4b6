"""Which root module reads the state of which, by its name: order alone."""

from __future__ import annotations

import pytest
from repositories import edges, proposed

S3 = 'terraform {\n  backend "s3" {\n    bucket = "b"\n    key    = "%s"\n  }\n}\n'
GCS = 'terraform {\n  backend "gcs" {\n    prefix = "%s"\n  }\n}\n'
CLOUD = 'terraform {\n  cloud {\n    workspaces {\n      name = "%s"\n    }\n  }\n}\n'
PARTIAL = 'terraform {\n  backend "s3" {}\n}\n'


def reads(setting: str, more: str = "") -> str:
    config = f'  config = {{\n    bucket = "b-${{var.region}}"\n    {setting}\n  }}\n'
    return f'data "terraform_remote_state" "other" {{\n  backend = "x"\n{config}}}\n{more}'


def two(maker: str, reader: str) -> dict[str, str]:
    return {"network/main.tf": maker, "app/main.tf": PARTIAL + reader, "db/main.tf": PARTIAL}


CASES: dict[str, tuple[dict[str, str], dict[str, list[str]]]] = {
    "a key": (
        two(S3 % "states/one.tfstate", reads('key = "states/one.tfstate"')),
        {"app": ["network"]},
    ),
    "a prefix": (two(GCS % "first", reads('prefix = "first"')), {"app": ["network"]}),
    "a workspace": (
        two(CLOUD % "core", reads('workspaces = {\n      name = "core"\n    }')),
        {"app": ["network"]},
    ),
    "a workspace that a local names": (
        two(
            CLOUD % "core",
            reads("workspaces = { name = local.it }", 'locals {\n  it = "core"\n}\n'),
        ),
        {"app": ["network"]},
    ),
    "outputs of a workspace": (
        two(
            CLOUD % "core",
            'data "tfe_outputs" "it" {\n  organization = "acme"\n  workspace = "core"\n}\n',
        ),
        {"app": ["network"]},
    ),
    "a file beside it": (
        two("", reads('path = "../network/terraform.tfstate"')),
        {"app": ["network"]},
    ),
    "of any environment": (
        two(S3 % "prod/one/terraform.tfstate", reads('key = "${var.env}/one/terraform.tfstate"')),
        {"app": ["network"]},
    ),
    "the folder's name": (
        two(PARTIAL, reads('key = "prod/network/terraform.tfstate"')),
        {"app": ["network"]},
    ),
    "nobody's": (two(PARTIAL, reads('key = "prod/dns/terraform.tfstate"')), {}),
    "what says nothing": (two(PARTIAL, reads('key = "prod/terraform.tfstate"')), {}),
    "two that could be meant": (
        {"a/main.tf": S3 % "x", "b/main.tf": S3 % "x", "c/main.tf": reads('key = "x"')},
        {},
    ),
    "its own": ({"a/main.tf": S3 % "x" + reads('key = "x"'), "b/main.tf": PARTIAL}, {}),
    "a circle": (
        {
            "a/main.tf": S3 % "a" + reads('key = "b"'),
            "b/main.tf": S3 % "b" + reads('key = "a"'),
            "c/main.tf": S3 % "c" + reads('key = "a"'),
        },
        {"c": ["a"]},
    ),
    "stacks of environments": (
        {
            f"live/{env}/{stack}/main.tf": text
            for env in ("dev", "prod")
            for stack, text in {
                "network": S3 % f"{env}/network.tfstate",
                "app": PARTIAL + reads(f'key = "{env}/network.tfstate"'),
            }.items()
        },
        {"app": ["network"]},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_reads(case: str) -> None:
    files, expected = CASES[case]
    proposal = proposed(files)
    assert {who: list(whom) for who, whom in edges(proposal).items()} == expected
    assert all(not takes for whom in edges(proposal).values() for takes in whom.values())


def test_the_file_that_says_so() -> None:
    files, _ = CASES["a key"]
    says = proposed(files).found["app needs network"]
    assert says == "app/main.tf reads states/one.tfstate"
