"""Environments are proposed by names of files and folders, and a line names what fits no answer."""

from __future__ import annotations

from typing import Any

import pytest
from made_answers import CATALOGUE
from made_answers import read as read_answers
from pipeline.environment_names import kind
from pipeline.git_branches import NO_BRANCHES, Branches
from pipeline.proposal import propose
from pipeline.unmatched import unmatched
from repositories import APART, BACKEND, components, proposed, repository

CHART = {"chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n"}
INFRA = {"infra/main.tf": BACKEND}
STACK = {"template.yaml": "Transform: AWS::Serverless-2016-10-31\n"}
SECTIONS = ("default", "dev", "prod", "guided")
CONFIG = "version = 0.1\n" + "".join(f"[{name}.deploy.parameters]\n" for name in SECTIONS)
SAM = {**STACK, "samconfig.toml": CONFIG}


def files(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "")


def stacks(*folders: str) -> dict[str, str]:
    return {f"{folder}/main.tf": BACKEND for folder in folders}


def overlays(*names: str) -> dict[str, str]:
    places = ["k8s/base", *(f"k8s/overlays/{name}" for name in names)]
    return {f"{place}/kustomization.yaml": "resources: []\n" for place in places}


# Files -> the environments that are proposed; a star marks production.
FOUND: dict[str, tuple[dict[str, str], str]] = {
    "no names": (INFRA, ""),
    "variables": ({**INFRA, **files("infra/dev.tfvars", "infra/prod.tfvars")}, "dev prod*"),
    "in a folder": (
        {**INFRA, **files("infra/vars/staging.tfvars", "infra/vars/production.tfvars")},
        "staging production*",
    ),
    "the default environments": (
        {**INFRA, **files(*(f"infra/{n}.tfvars" for n in ("dev", "test", "prd")))},
        "",
    ),
    "values": (
        {**CHART, **files("chart/values-staging.yaml", "chart/values-prod.yaml")},
        "staging prod*",
    ),
    "overlays": (overlays("prod", "dev", "qa"), "dev qa prod*"),
    "root modules": (stacks("envs/nonproduction", "envs/production"), "nonproduction production*"),
    "root modules beside others": (
        stacks("infra/staging", "infra/prod", "infra/demo", "infra/bootstrap", "infra/shared"),
        "staging demo prod*",
    ),
    "production in several regions": (
        {**INFRA, **files("infra/dev.tfvars", "infra/prod-eu.tfvars", "infra/prod-us.tfvars")},
        "dev prod-eu* prod-us*",
    ),
    "variants of one environment": (
        overlays("dev", "prod", "init-db-prod", "prod-minimal"),
        "dev prod*",
    ),
    "two names for one environment": (
        {
            **INFRA,
            **CHART,
            **files("infra/dev.tfvars", "infra/prod.tfvars"),
            **files("chart/values-dev.yaml", "chart/values-production.yaml"),
            **overlays("dev", "prod"),
        },
        "dev prod*",
    ),
    "no production": ({**INFRA, **files("infra/dev.tfvars", "infra/qa.tfvars")}, ""),
    "production alone": ({**CHART, **files("chart/values-production.yaml")}, ""),
    "other words": ({**INFRA, **files("infra/terraform.tfvars", "infra/common.tfvars")}, ""),
    "folders of something else": ({**overlays(), **files("k8s/dev/x.py", "k8s/prod/x.py")}, ""),
    "stacks": (stacks("live/dev/app", "live/prod/app", "live/test/app"), "dev test prod*"),
    "stacks without a production": (stacks("live/dev/app", "live/qa/app"), "dev qa*"),
    "stacks of any name": (
        stacks("environments/dev/app", "environments/acme/app", "environments/modules/vpc"),
        "dev acme*",
    ),
    "stacks of other names": (stacks("live/blue/app", "live/green/app"), "blue green*"),
    "stacks of Pulumi": (
        {"Pulumi.yaml": "runtime: go\n", **files("Pulumi.dev.yaml", "Pulumi.prod.yaml")},
        "dev prod*",
    ),
    "sections of samconfig": (SAM, "dev prod*"),
    "sections of samconfig in YAML": (
        {**STACK, "samconfig.yaml": "version: 0.1\nprod:\n  deploy:\ndev:\n  deploy:\n"},
        "dev prod*",
    ),
    "folders that are not alike": (stacks("live/blue/app", "live/green/dns"), ""),
}


@pytest.mark.parametrize("case", FOUND)
def test_environments_are_proposed(case: str) -> None:
    there, expected = FOUND[case]
    entries = proposed(there).environments
    names = [entry["name"] + "*" * entry.get("production", False) for entry in entries]
    assert " ".join(names) == expected


# The environments, the branches, and what starts each environment.
STARTS: dict[str, tuple[str, Branches, list[str]]] = {
    "one after the other": ("dev qa prod", NO_BRANCHES, ["branch main", "after dev", "after qa"]),
    "master": ("dev prod", Branches("master"), ["branch master", "after dev"]),
    "develop": (
        "dev qa prod",
        Branches("main", frozenset({"main", "develop"})),
        ["branch develop", "branch main", "after qa"],
    ),
    "develop, and production next": (
        "dev prod",
        Branches("main", frozenset({"main", "develop"})),
        ["branch develop", "branch main"],
    ),
    "develop is the default": (
        "dev prod",
        Branches("develop", frozenset({"main", "develop"})),
        ["branch develop", "after dev"],
    ),
    "more environments than one run can start": (
        "dev test qa staging preprod prod",
        NO_BRANCHES,
        ["branch main", "after dev", "after test", "manual True", "manual True", "after qa"],
    ),
    "several productions": (
        "dev prod-a prod-b",
        NO_BRANCHES,
        ["branch main", "after dev", "after dev"],
    ),
}


@pytest.mark.parametrize("case", STARTS)
def test_triggers_of_environments(case: str) -> None:
    names, branches, expected = STARTS[case]
    there = repository({**INFRA, **files(*(f"infra/{name}.tfvars" for name in names.split()))})
    proposal = propose(there, CATALOGUE.code_types, branches)
    read_answers(
        code_types=proposal.code_types,
        components=proposal.components,
        environments=proposal.environments,
    )
    triggers = ("branch", "after", "manual")
    starts = [f"{t} {e[t]}" for e in proposal.environments for t in triggers if t in e]
    assert starts == expected


def test_a_stack_in_folders_of_environments_is_one_component() -> None:
    there = {
        **stacks("live/dev/app", "live/dev/network", "live/prod/app", "live/prod/network"),
        **stacks("live/prod/dns", "global/iam"),
    }
    proposal = proposed(there)
    assert components(proposal) == {
        "app": "terraform live/{environment}/app",
        "dns": "terraform live/{environment}/dns",
        "iam": "terraform global/iam",
        "network": "terraform live/{environment}/network",
    }
    assert proposal.components["dns"]["environments"] == ["prod"]
    assert "environments" not in proposal.components["app"]


def test_an_artifact_is_placed_in_the_folder_of_each_environment() -> None:
    zip_name = 'resource "x" "y" {\n  filename = "sync.zip"\n}\n'
    there = {
        "functions/sync/handler.py": "def handler(event, context):\n    return event\n",
        "functions/sync/requirements.txt": "boto3\n",
        "live/dev/app/main.tf": zip_name,
        "live/prod/app/main.tf": zip_name,
    }
    [entry] = proposed(there).dependency_map
    assert entry["artifacts"] == [
        {"name": "lambda-package.zip", "to": "live/{environment}/app/sync.zip"}
    ]


NONE = [
    "infra/prod.tfvars belongs to no environment (dev, test, prd): rename it, or an environment."
]
LACKS = (
    "terraform has nothing like {} for {}: add it, or list where it is deployed in "
    "components.terraform.environments."
)
FOLDERS = {"path": "live/{environment}/app"}
BRANCH = (
    "{} starts on a push to {}, and this clone knows no such branch: create it, or change "
    "`default_branch`, `branching` or `environments`."
)

# The files, the settings of terraform, the branches, and the expected lines.
UNMATCHED: dict[str, tuple[dict[str, str], dict[str, Any], set[str], list[str]]] = {
    "nothing": (INFRA, {}, set(), []),
    "all": (
        {**INFRA, **files(*(f"infra/{n}.tfvars" for n in ("dev", "test", "prd")))},
        {},
        set(),
        [],
    ),
    "another production": (
        {**INFRA, **files("infra/dev.tfvars", "infra/prod.tfvars")},
        {},
        set(),
        [*NONE, LACKS.format("infra/dev.tfvars", "test, prd")],
    ),
    "many files": (
        {**CHART, **INFRA, **files(*(f"infra/{n}-dev.tfvars" for n in "abcde"))},
        {},
        set(),
        [
            "infra/a-dev.tfvars, infra/b-dev.tfvars, infra/c-dev.tfvars and 2 more belong to no "
            "environment (dev, test, prd): rename them, or an environment."
        ],
    ),
    "not deployed there": (
        {**INFRA, **files("infra/dev.tfvars", "infra/test.tfvars")},
        {"environments": ["dev", "test"]},
        set(),
        [],
    ),
    "a command of its own": (
        {**INFRA, **files("infra/prod.tfvars")},
        {"deploy": "make"},
        set(),
        [],
    ),
    "folders": (
        stacks("live/dev/app", "live/test/app", "live/acme/app", "live/modules/app"),
        FOLDERS,
        set(),
        [
            NONE[0].replace("infra/prod.tfvars", "live/acme/app"),
            LACKS.format("live/dev/app", "prd"),
        ],
    ),
    "no folder at all": (
        {"README.md": ""},
        FOLDERS,
        set(),
        [LACKS.format("live/{environment}/app", "dev, test, prd")],
    ),
    "branches": (
        INFRA,
        {},
        {"master"},
        [BRANCH.format("dev", "develop"), BRANCH.format("test", "main")],
    ),
    "both branches": (INFRA, {}, {"main", "develop"}, []),
}


@pytest.mark.parametrize("case", UNMATCHED)
def test_files_and_branches_that_fit_no_environment_are_named(case: str) -> None:
    there, settings, known, says = UNMATCHED[case]
    answers = read_answers(
        code_types=["terraform"],
        components={"terraform": {"path": "infra", "env": APART, **settings}},
    )
    assert unmatched(answers, repository(there), Branches("main", frozenset(known))) == says


def test_sections_of_samconfig_that_fit_no_environment_are_named() -> None:
    answers = read_answers(code_types=["sam"], components={"sam": {"path": "."}})
    says = unmatched(answers, repository(SAM), NO_BRANCHES)
    belongs, lacks = (
        line.replace("sam ", "terraform ").replace(".sam", ".terraform") for line in says
    )
    assert belongs == NONE[0].replace("infra/prod.tfvars", "samconfig.toml (prod)")
    assert lacks == LACKS.format("samconfig.toml (dev)", "test, prd")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("prod", "production"),
        ("Production-EU", "production"),
        ("non-prod", "preproduction"),
        ("nonproduction", "preproduction"),
        ("dev2", "development"),
        ("eu_staging", "staging"),
        ("products", ""),
        ("device", ""),
        ("", ""),
    ],
)
def test_kind_of_an_environment_name(name: str, expected: str) -> None:
    assert kind(name) == expected
