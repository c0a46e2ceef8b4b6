"""A line names each deployment whose state is lost, or is the same for several environments."""

from __future__ import annotations

from typing import Any

import pytest
from made_answers import CATALOGUE
from pipeline.answers import read_answers
from pipeline.git_branches import NO_BRANCHES
from pipeline.repository_files import CHARACTERS, RepositoryFiles
from pipeline.unmatched import unmatched
from repositories import repository

S3 = 'terraform {\n  backend "s3" {\n    key = "shop"\n  }\n}\n'
ENVIRONMENTS = [
    {"name": "dev", "branch": "main"},
    {"name": "test", "after": "dev"},
    {"name": "prd", "after": "test", "production": True},
]


def with_env(*values: dict[str, str]) -> list[dict[str, Any]]:
    """The environments with these variables, in their order."""
    return [{**e, "env": env} for e, env in zip(ENVIRONMENTS, values, strict=True)]


def shared(environments: str, file: str = "infra/main.tf", name: str = "terraform") -> str:
    return (
        f"{name} has one state ({file}) for {environments}, so each of these deployments changes "
        "what the others have made: in the answer `environments`, set TF_WORKSPACE or "
        "TF_CLI_ARGS_init in the `env` of each, or list one of them in "
        f"components.{name}.environments."
    )


def lost(folder: str, label: str = "Terraform", name: str = "terraform") -> str:
    return (
        f"{folder}: no file says where {label} keeps its state, so each run of {name} would create "
        f"everything again: configure a backend, or take {name} out of the answers."
    )


WORKSPACES = with_env(*({"TF_WORKSPACE": name} for name in ("a", "b", "c")))
ALL = shared("dev, test and prd")

# The text of infra/main.tf, the component's settings, more answers -> the expected lines.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], list[str]]] = {
    "a state with a fixed name": (S3, {}, {}, [ALL]),
    "a workspace of HCP Terraform": (
        "terraform {\n  cloud {\n  }\n}\n",
        {"secrets": ["TF_API_TOKEN"]},
        {},
        [ALL],
    ),
    "a workspace for each environment": (S3, {}, {"environments": WORKSPACES}, []),
    "the same workspace for two": (
        S3,
        {},
        {"environments": with_env(*({"TF_WORKSPACE": name} for name in ("a", "a", "c")))},
        [shared("dev and test")],
    ),
    "options of init for one": (
        S3,
        {},
        {"environments": with_env({"TF_CLI_ARGS_init": "-backend-config=key=dev"}, {}, {})},
        [shared("test and prd")],
    ),
    "a variable that each GitHub Environment may set": (
        S3,
        {"env": {"TF_WORKSPACE": "${{ vars.WORKSPACE }}"}},
        {},
        [],
    ),
    "a secret of each GitHub Environment": (S3, {"secrets": ["TF_CLI_ARGS_init"]}, {}, []),
    "the same variable for all": (S3, {"env": {"TF_WORKSPACE": "a"}}, {}, [ALL]),
    "one environment": (S3, {"environments": ["prd"]}, {}, []),
    "a deployment of its own": (S3, {"deploy": "make deploy"}, {}, []),
    "no deployment": ("locals {}\n", {"deploy": ""}, {}, []),
    "no backend": ("locals {}\n", {}, {}, [lost("infra")]),
    "a backend in a comment": ('# backend "s3" {}\n', {}, {}, [lost("infra")]),
    "a backend without quotes": (S3.replace('"s3"', "s3"), {}, {}, [ALL]),
    "an address of each environment": (
        'terraform {\n  backend "http" {}\n}\n',
        {},
        {"environments": with_env(*({"TF_HTTP_ADDRESS": f"https://a/{n}"} for n in "abc"))},
        [],
    ),
    "a text that is not read to its end": ("#" * CHARACTERS, {}, {}, []),
    "a state on the runner": ('terraform {\n  backend "local" {}\n}\n', {}, {}, [lost("infra")]),
}


def said(files: dict[str, str], settings: dict[str, Any], **more: Any) -> list[str]:
    name = more.pop("name", "terraform")
    components = {name: {"path": "infra", "cloud": "none", **settings}}
    answers = read_answers(
        {"components": components, "environments": ENVIRONMENTS, **more}, CATALOGUE
    )
    return unmatched(answers, repository(files), NO_BRANCHES, CATALOGUE.code_types.values())


@pytest.mark.parametrize("case", CASES)
def test_states_that_are_lost_or_shared_are_named(case: str) -> None:
    text, settings, more, lines = CASES[case]
    assert said({"infra/main.tf": text}, settings, **more) == lines


def test_folders_of_environments_have_states_of_their_own() -> None:
    """In the path, or below it."""
    files = {f"infra/envs/{name}/main.tf": S3 for name in ("dev", "test", "prd")}
    assert said(files, {"path": "infra/envs/{environment}"}) == []
    assert said(files, {}) == []
    del files["infra/envs/test/main.tf"]
    files |= {"infra/envs/test/main.tf": "locals {}\n"}
    assert said(files, {}) == [lost("infra/envs/test")]


def test_another_file_of_the_folder_may_say_it() -> None:
    json = '{"terraform": {"backend": {"s3": {"key": "shop"}}}}'
    for file in ("infra/backend.tf", "infra/versions.tofu"):
        assert said({"infra/main.tf": "locals {}\n", file: S3}, {}) == [
            shared("dev, test and prd", file)
        ]
    files = {"infra/main.tf": "locals {}\n", "infra/backend.tf.json": json}
    assert said(files, {}) == [shared("dev, test and prd", "infra/backend.tf.json")]


def test_the_last_of_many_files_may_say_it() -> None:
    many = {f"infra/a{n}.tf": "locals {}\n" for n in range(30)}
    assert said({**many, "infra/versions.tf": S3}, {}) == [
        shared("dev, test and prd", "infra/versions.tf")
    ]
    cloud = "terraform {\n  cloud {\n  }\n}\n"
    lines = said({**many, "infra/versions.tf": cloud}, {"environments": ["prd"]})
    assert lines == [
        "terraform needs a token to log in (infra/versions.tf), and has no secret: name "
        "TF_API_TOKEN in components.terraform.secrets."
    ]


@pytest.mark.parametrize(
    ("link", "lines"), [("infra/backend.tf", []), ("other/backend.tf", [lost("infra")])]
)
def test_a_link_may_say_it(link: str, lines: list[str]) -> None:
    answers = read_answers(
        {"components": {"terraform": {"path": "infra", "cloud": "none"}}}, CATALOGUE
    )
    names = ["infra/main.tf"]
    files = RepositoryFiles(names, lambda file: "locals {}\n", "shop", lambda: [*names, link])
    assert unmatched(answers, files, NO_BRANCHES) == lines


def test_the_whole_tree_is_listed_only_once() -> None:
    """It may have 100,000 files, and any number of environments."""
    listed = []

    def every() -> list[str]:
        listed.append(1)
        return names

    names = [f"infra/envs/{name}/main.tf" for name in ("dev", "test", "prd")]
    answers = read_answers(
        {"components": {"terraform": {"path": "infra"}}, "environments": ENVIRONMENTS}, CATALOGUE
    )
    files = RepositoryFiles(names, lambda file: "locals {}\n", "shop", every)
    assert len(unmatched(answers, files, NO_BRANCHES)) == 3
    assert listed == [1]


def test_opentofu_is_named_as_itself() -> None:
    files = {"infra/main.tofu": "locals {}\n"}
    assert said(files, {}, name="opentofu") == [lost("infra", "OpenTofu", "opentofu")]


def test_terragrunt_writes_the_backend() -> None:
    """A line says that nothing runs Terragrunt."""
    [line] = said({"infra/main.tf": "locals {}\n", "infra/terragrunt.hcl": ""}, {})
    assert "Terragrunt is a tool that no code type runs" in line


def test_nothing_is_said_of_a_folder_that_is_not_there_yet() -> None:
    assert said({"README.md": ""}, {}) == []
