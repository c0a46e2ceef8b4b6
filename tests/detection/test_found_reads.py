"""A root module that reads another's state waits for it, and takes no artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from made_answers import CATALOGUE
from made_answers import read as read_answers
from pipeline.git_branches import NO_BRANCHES
from pipeline.repository_files import RepositoryFiles
from pipeline.unmatched import unmatched
from repositories import APART, BACKEND, edges, proposed, repository

S3 = 'terraform {\n  backend "s3" {\n    bucket = "b"\n    key    = "%s"\n  }\n}\n'
GCS = 'terraform {\n  backend "gcs" {\n    prefix = "%s"\n  }\n}\n'
CLOUD = 'terraform {\n  cloud {\n    workspaces {\n      name = "%s"\n    }\n  }\n}\n'


def reads(setting: str, more: str = "") -> str:
    config = f'  config = {{\n    bucket = "b-${{var.region}}"\n    {setting}\n  }}\n'
    return f'data "terraform_remote_state" "other" {{\n  backend = "x"\n{config}}}\n{more}'


def two(maker: str, reader: str) -> dict[str, str]:
    return {"network/main.tf": maker, "app/main.tf": BACKEND + reader, "db/main.tf": BACKEND}


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
    "a state file in another folder": (
        two("", reads('path = "../network/terraform.tfstate"')),
        {"app": ["network"]},
    ),
    "a variable for the environment": (
        two(S3 % "prod/one/terraform.tfstate", reads('key = "${var.env}/one/terraform.tfstate"')),
        {"app": ["network"]},
    ),
    "the folder's name": (
        two(BACKEND, reads('key = "prod/network/terraform.tfstate"')),
        {"app": ["network"]},
    ),
    "a key that fits no module": (two(BACKEND, reads('key = "prod/dns/terraform.tfstate"')), {}),
    "a key without a name": (two(BACKEND, reads('key = "prod/terraform.tfstate"')), {}),
    "two modules with the same key": (
        {"a/main.tf": S3 % "x", "b/main.tf": S3 % "x", "c/main.tf": reads('key = "x"')},
        {},
    ),
    "its own state": ({"a/main.tf": S3 % "x" + reads('key = "x"'), "b/main.tf": BACKEND}, {}),
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
                "app": BACKEND + reads(f'key = "{env}/network.tfstate"'),
            }.items()
        },
        {"app": ["network"]},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_module_waits_for_the_state_that_it_reads(case: str) -> None:
    files, expected = CASES[case]
    proposal = proposed(files)
    assert {who: list(whom) for who, whom in edges(proposal).items()} == expected
    assert all(not takes for whom in edges(proposal).values() for takes in whom.values())


def apart(components: Mapping[str, Any]) -> dict[str, Any]:
    """The components, whose environments share no state."""
    return {name: {**settings, "env": APART} for name, settings in components.items()}


CIRCLE = (
    "a needs b (a/main.tf reads b), b needs a (b/main.tf reads a): these run in a circle, so they "
    "are left out; say in dependency_map which comes first."
)


@pytest.mark.parametrize(
    ("dependencies", "says"), [(None, [CIRCLE]), ({"a": ["b"]}, []), ({"b": ["a"]}, [])]
)
def test_a_circle_is_named_until_the_answers_give_an_order(
    dependencies: dict[str, list[str]] | None, says: list[str]
) -> None:
    files, _ = CASES["a circle"]
    found = proposed(files)
    answers = read_answers(
        code_types=found.code_types,
        components=apart(found.components),
        dependency_map={"c": ["a"], **dependencies} if dependencies else found.dependency_map,
    )
    lines = unmatched(answers, repository(files), NO_BRANCHES, CATALOGUE.code_types.values())
    assert lines == says


def test_a_circle_of_stacks_is_named() -> None:
    """Each stack has a folder for each environment."""
    files = {
        f"live/{env}/{stack}/main.tf": S3 % f"{env}/{stack}" + reads(f'key = "{env}/{other}"')
        for env in ("dev", "prod")
        for stack, other in (("a", "b"), ("b", "a"))
    }
    found = proposed(files)
    answers = read_answers(
        code_types=found.code_types,
        components=found.components,
        dependency_map=found.dependency_map,
        branching="custom",
        environments=found.environments,
    )
    [line] = unmatched(answers, repository(files), NO_BRANCHES)
    assert line.startswith("a needs b (live/dev/a/main.tf reads dev/b), b needs a (")


def test_a_circle_inside_a_longer_circle_is_named() -> None:
    """a and b read each other; c is part of the longer circle b, c, a."""
    files = {
        "a/main.tf": S3 % "a" + reads('key = "b"'),
        "b/main.tf": S3 % "b" + reads('key = "a"') + reads('key = "c"'),
        "c/main.tf": S3 % "c" + reads('key = "a"'),
    }
    found = proposed(files)
    answers = read_answers(
        code_types=found.code_types,
        components=apart(found.components),
        dependency_map=found.dependency_map,
    )
    [line] = unmatched(answers, repository(files), NO_BRANCHES)
    assert "a needs b (a/main.tf reads b)" in line and "b needs a (b/main.tf reads a)" in line


TERRAGRUNT = (
    "live/dev/a/terragrunt.hcl and 1 more: Terragrunt is a tool that no code type runs, so what it "
    "would deploy is in no pipeline; give a component a `build` and a `deploy` of your own for it."
)


@pytest.mark.parametrize(
    ("components", "says"),
    [
        ({"infra": {"code_type": "terraform", "path": "infra", "env": APART}}, [TERRAGRUNT]),
        ({"api": {"code_type": "python", "path": "api"}}, [TERRAGRUNT]),
        (
            {"a": {"code_type": "generic", "path": "live", "deploy": "terragrunt apply"}},
            [],
        ),
    ],
    ids=["beside Terraform", "alone", "own commands"],
)
def test_files_of_terragrunt_are_named_unless_a_component_runs_it(
    components: dict[str, dict[str, str]], says: list[str]
) -> None:
    files = {f"live/{env}/a/terragrunt.hcl": "" for env in ("dev", "prod")}
    answers = read_answers(code_types=[], components=components)
    types = CATALOGUE.code_types.values()
    lines = unmatched(answers, repository({**files, "infra/main.tf": BACKEND}), NO_BRANCHES, types)
    assert lines == says


def test_the_file_that_reads_the_state_is_named() -> None:
    files, _ = CASES["a key"]
    says = proposed(files).found["app needs network"]
    assert says == "app/main.tf reads states/one.tfstate"


GOES_INTO_AN_IMAGE = {
    "go.mod": "module acme.example/shop\n",
    "main.go": "package main\nfunc main() {}\n",
    "docs/page.html": "",
    ".netrc": "",
    ".gitmodules": '[submodule "theme"]\n  path = theme\n',
    "Dockerfile": """\
ARG ARCH="amd64"
FROM scratch AS made
COPY . .
COPY --from=made /other /other
COPY theme/x docs/page.html .netrc docs/page.html /
COPY .netrc docs *.go /
COPY .build/linux-${ARCH}/shop /bin/shop
COPY /shop ${UNKNOWN} /
""",
}
TAKES = (
    "docker takes .build/linux-amd64/shop, shop (Dockerfile), and the repository has no such file: "
    "say in dependency_map which component's package has it, with `to`, or give docker a `build` "
    "of your own. Otherwise its build fails."
)


def test_what_an_image_takes_and_nothing_has_is_named() -> None:
    """Without a package, with a package for the one or the other file, with a build of its own."""
    found = proposed(GOES_INTO_AN_IMAGE)
    assert found.dependency_map == [{"code_type": "docker", "depends_on": ["go"], "artifacts": []}]
    both, own = [".build/linux-amd64", "shop"], {"docker": {"build": "make image"}}
    one = TAKES.replace(".build/linux-amd64/shop, ", "")
    for places, components, says in (
        ([], {}, [TAKES]),
        (both[:1], {}, [one]),
        (both[1:], {}, [TAKES.replace(", shop", "")]),
        ([], own, []),
    ):
        edge = {"code_type": "docker", "depends_on": ["go"]}
        taken = [{"name": "bin", "to": place} for place in places]
        answers = read_answers(
            code_types=found.code_types,
            components=components,
            dependency_map=[{**edge, "artifacts": taken}],
        )
        assert unmatched(answers, repository(GOES_INTO_AN_IMAGE), NO_BRANCHES) == says


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("COPY --chown=a:b \\\n  made /", "made"),
        ('COPY [ "a made file", "/" ]', "a made file"),
        ("COPY --chown=a:b \\\n  main.go /", ""),
        ("COPY .git/HEAD /", ""),
        ("COPY link/file /", ""),
        ("ADD git@github.com:acme/shop.git /", ""),
        ('ADD ["https://acme.example/a.zip", "/"]', ""),
        ("ARG BIN=made\nCOPY ${BIN} /", "made"),
        ("ARG GIVEN=made\nCOPY ${GIVEN} /", ""),
    ],
)
def test_only_files_that_no_checkout_has_are_named(line: str, says: str) -> None:
    texts = {"Dockerfile": f"FROM scratch\n{line}\n", "main.go": ""}
    files = RepositoryFiles(
        texts, lambda file: texts.get(file, ""), "shop", lambda: [*texts, "link"]
    )
    answers = read_answers(components={"docker": {"build_args": {"GIVEN": "main.go"}}})
    lines = unmatched(answers, files, NO_BRANCHES)
    assert [line.partition(" (")[0] for line in lines] == [f"docker takes {says}"] * bool(says)
