"""What a person has to set up on GitHub: exactly what the jobs of the plan use."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from made_answers import CODE_TYPES, costly, generic, plan, plans
from pipeline.plan import Plan
from pipeline.setup import GitHubEnvironment, SetUp, set_up

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DEVELOP, MAIN = ("develop", "branch"), ("main", "branch")
FOUR = ["python", "terraform", "docker", "kubernetes"]


def setup(**answers: Any) -> SetUp:
    return set_up(plan(**answers))


def by_name(found: SetUp) -> dict[str, GitHubEnvironment]:
    assert len({environment.name for environment in found.environments}) == len(found.environments)
    return {environment.name: environment for environment in found.environments}


# The cloud -> its registry, what every job that logs in reads, and what a deployment to Kubernetes
# reads beside it.
CLOUDS: dict[str, tuple[str, list[str], list[str]]] = {
    "none": ("ghcr.io", [], []),
    "aws": (ECR, ["AWS_REGION", "AWS_ROLE_ARN"], ["KUBERNETES_CLUSTER"]),
    "azure": (
        "acmeshop.azurecr.io",
        ["AZURE_CLIENT_ID", "AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID"],
        ["KUBERNETES_CLUSTER", "KUBERNETES_RESOURCE_GROUP"],
    ),
    "gcp": (
        "europe-west1-docker.pkg.dev/acme/images",
        ["GCP_SERVICE_ACCOUNT", "GCP_WORKLOAD_IDENTITY_PROVIDER"],
        ["KUBERNETES_CLUSTER", "KUBERNETES_LOCATION"],
    ),
}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_environments_of_the_four_code_types(cloud: str) -> None:
    registry, login, cluster = CLOUDS[cloud]
    found = setup(code_types=FOUR, cloud=cloud, registry=registry)
    secrets = ("KUBE_CONFIG",) if cloud == "none" else ()
    clouds = () if cloud == "none" else (cloud,)
    variables = tuple(login + cluster)
    expected = [
        GitHubEnvironment("dev", False, (DEVELOP,), secrets, variables, clouds),
        GitHubEnvironment("test", False, (MAIN,), secrets, variables, clouds),
        GitHubEnvironment("prd", True, (MAIN,), secrets, variables, clouds),
        GitHubEnvironment("prd-retry", True, (MAIN,), secrets, variables, clouds, retries="prd"),
    ]
    if cloud != "none":
        pushing = GitHubEnvironment("registry", False, (DEVELOP, MAIN), (), tuple(login), clouds)
        expected.append(pushing)
    assert list(found.environments) == expected
    assert (found.build_secrets, found.variables, found.clouds) == ((), (), clouds)
    assert found.needs_secrets == (cloud == "none")
    assert found.needs_variables == (cloud != "none")


@pytest.mark.parametrize("cloud", ["aws", "azure", "gcp"])
def test_githubs_registry_needs_no_environment(cloud: str) -> None:
    found = setup(code_types=FOUR, cloud=cloud)
    assert list(by_name(found)) == ["dev", "test", "prd", "prd-retry"]
    assert found.clouds == (cloud,)


def test_images_alone_need_the_environment_of_the_registry_alone() -> None:
    found = setup(code_types=["docker"], cloud="aws", registry=ECR)
    assert list(by_name(found)) == ["registry"]
    assert found.clouds == ("aws",)
    assert setup(code_types=["docker"], cloud="aws").clouds == ()
    assert setup(code_types=["docker"], cloud="aws").environments == ()


def test_a_cloud_that_nothing_logs_in_to_needs_nothing() -> None:
    found = setup(code_types=["python"], cloud="aws")
    assert (found.environments, found.clouds, found.needs_variables) == ((), (), False)


def test_several_clouds() -> None:
    """Each environment with those of the components that deploy there."""
    found = setup(
        components={
            "a": {"code_type": "terraform"},
            "b": {"code_type": "terraform", "cloud": "gcp"},
            "c": generic(deploy="d", cloud="none"),
            "docker": {},
        },
        cloud="aws",
        registry=ECR,
        environments=[{"name": "dev", "branch": "main"}],
    )
    gcp, aws = CLOUDS["gcp"][1], CLOUDS["aws"][1]
    assert list(found.environments) == [
        GitHubEnvironment("dev", False, (MAIN,), (), tuple(aws + gcp), ("aws", "gcp")),
        GitHubEnvironment("registry", False, (MAIN,), (), tuple(aws), ("aws",)),
    ]
    assert found.clouds == ("aws", "gcp")


# Refs --------------------------------------------------------------------------------------------

MANUAL = {"name": "m", "manual": True}
# The environments -> what may get into each, and into the one of the registry.
REFS: dict[str, tuple[list[dict[str, Any]], dict[str, list[tuple[str, str]]]]] = {
    "one branch": (
        [{"name": "a", "branch": "main"}],
        {"a": [MAIN], "registry": [MAIN]},
    ),
    "one branch for two": (
        [{"name": "a", "branch": "main"}, {"name": "b", "after": "a"}],
        {"a": [MAIN], "b": [MAIN], "registry": [MAIN]},
    ),
    "branches and tags": (
        [
            {"name": "a", "tag": "v*"},
            {"name": "b", "branch": "release/*"},
            {"name": "c", "branch": "v*"},
        ],
        {
            "a": [("v*", "tag")],
            "b": [("release/*", "branch")],
            "c": [("v*", "branch")],
            "registry": [("v*", "tag"), ("release/*", "branch"), ("v*", "branch")],
        },
    ),
    "one that policies do not know": (
        [{"name": "a", "branch": "main"}, {"name": "b", "branch": "v[12]"}],
        {"a": [MAIN], "b": [], "registry": []},
    ),
    "one with two stars": (
        [{"name": "a", "branch": "release/**"}, {"name": "b", "branch": "main"}],
        {"a": [], "b": [MAIN], "registry": []},
    ),
    "one that repeats": (
        [{"name": "a", "tag": "v1+"}, {"name": "b", "tag": "v[0-9]?"}],
        {"a": [], "b": [], "registry": []},
    ),
    "by hand": (
        [{"name": "a", "branch": "main"}, MANUAL],
        {"a": [MAIN], "m": [], "registry": []},
    ),
    "after one by hand": (
        [MANUAL, {"name": "a", "after": "m"}],
        {"m": [], "a": [], "registry": []},
    ),
    # What comes after another environment runs on the default branch, whatever the tag.
    "after a tag": (
        [{"name": "a", "tag": "v1"}, {"name": "b", "after": "a"}],
        {"a": [("v1", "tag")], "b": [], "registry": []},
    ),
    "after branches": (
        [{"name": "a", "branch": "release/*"}, {"name": "b", "after": "a"}],
        {"a": [("release/*", "branch")], "b": [], "registry": []},
    ),
    "a chain": (
        [
            {"name": "c", "after": "b"},
            {"name": "b", "after": "a"},
            {"name": "a", "branch": "trunk"},
            {"name": "d", "branch": "main"},
        ],
        {
            **{name: [("trunk", "branch")] for name in ("c", "b", "a")},
            "d": [MAIN],
            "registry": [("trunk", "branch"), MAIN],
        },
    ),
}


@pytest.mark.parametrize("case", REFS)
def test_who_gets_in(case: str) -> None:
    environments, expected = REFS[case]
    components = {"docker": {"deploy": "ship"}}
    answers: dict[str, Any] = {"components": components, "environments": environments}
    found = by_name(setup(**answers, cloud="aws", registry=ECR))
    assert {name: list(environment.refs) for name, environment in found.items()} == expected
    assert list(found) == list(expected)
    for environment in found.values():
        # All of them log in to a cloud, which trusts whatever gets in.
        assert environment.policies == environment.refs
        assert len(environment.protection) == bool(environment.refs)
    # Without a cloud nobody has to be kept out of what nobody approves.
    for environment in by_name(setup(**answers)).values():
        assert list(environment.refs) == expected[environment.name]
        assert (environment.policies, environment.protection) == ((), ())


@pytest.mark.parametrize("cloud", ["none", "aws"])
def test_what_is_approved_is_protected(cloud: str) -> None:
    found = by_name(setup(components={"x": generic(deploy="d")}, cloud=cloud))
    for name, environment in found.items():
        production = name.startswith("prd")
        assert environment.reviewed == production
        settings = json.loads(
            "{" + ", ".join(environment.protection).replace("$(gh api user --jq .id)", "1") + "}"
        )
        assert ("reviewers" in settings) == production
        assert ("deployment_branch_policy" in settings) == (production or cloud == "aws")
    assert list(found) == ["dev", "test", "prd", "prd-retry"]


def test_one_registry_for_all_its_environments_is_reviewed_by_nobody() -> None:
    """It is production's too, and comes before anybody can look at what would be deployed."""
    found = by_name(
        setup(
            components={"docker": {"deploy": "ship"}},
            cloud="aws",
            registry=ECR,
            environments=[{"name": "live", "branch": "main", "production": True}],
        )
    )
    assert {name: e.reviewed for name, e in found.items()} == {
        "live": True,
        "live-retry": True,
        "registry": False,
    }


# Identities --------------------------------------------------------------------------------------


def test_an_identity_for_each_environment() -> None:
    """A re-run deploys with the rights of the deployment that it repeats."""
    found = setup(code_types=FOUR, cloud="aws", registry=ECR)
    assert found.identities("aws") == [
        ("dev", ("dev",)),
        ("test", ("test",)),
        ("prd", ("prd", "prd-retry")),
        ("registry", ("registry",)),
    ]
    assert found.identities("gcp") == []


def test_no_identity_is_shared_by_environments_that_only_sound_alike() -> None:
    """`dev-retry` is a name like any other where `dev` is no production."""
    found = setup(
        code_types=["terraform"],
        cloud="aws",
        environments=[
            {"name": "dev", "branch": "main"},
            {"name": "dev-retry", "branch": "other"},
        ],
    )
    assert found.identities("aws") == [("dev", ("dev",)), ("dev-retry", ("dev-retry",))]


# Secrets and variables ---------------------------------------------------------------------------


def test_secrets_of_builds_are_the_repositorys() -> None:
    """Nothing is approved before a build; also where that names the environment of a registry."""
    for registry in ("ghcr.io", ECR):
        found = setup(
            components={
                "docker": {"deploy": "ship", "secrets": ["NPM"]},
                "x": generic(deploy="d", secrets=["TOKEN"]),
            },
            cloud="aws",
            registry=registry,
        )
        assert found.build_secrets == ("NPM",)
        secrets = {name: environment.secrets for name, environment in by_name(found).items()}
        assert secrets == {
            **dict.fromkeys(("dev", "test", "prd", "prd-retry"), ("NPM", "TOKEN")),
            **({"registry": ()} if registry == ECR else {}),
        }
        assert found.needs_secrets


X = "${{ vars.X }}"
ONE = [{"name": "dev", "branch": "main"}]
# Which answers name the variable X -> whether it has to be the repository's, and the environments
# where it could be set for each.
VARIABLES: dict[str, tuple[dict[str, Any], bool, list[str]]] = {
    "checks and deployment": (
        {"components": {"x": generic(lint="l", deploy="d", env={"A": X})}},
        True,
        [],
    ),
    "a deployment alone": (
        {"components": {"x": generic(deploy="d", env={"A": X})}},
        False,
        ["dev"],
    ),
    "a check alone": ({"components": {"x": generic(lint="l", env={"A": X})}}, True, []),
    "no command": ({"components": {"x": generic(env={"A": X})}}, False, []),
    "two components": (
        {
            "components": {
                "x": generic(deploy="d", env={"A": X}),
                "y": generic(lint="l", env={"B": X}),
            }
        },
        True,
        [],
    ),
    "an environment's": (
        {
            "components": {"x": generic(deploy="d")},
            "environments": [{**ONE[0], "env": {"A": X}}, {"name": "b", "manual": True}],
        },
        False,
        ["dev"],
    ),
    "an environment's, with checks": (
        {
            "components": {"x": generic(lint="l", deploy="d")},
            "environments": [{**ONE[0], "env": {"A": X}}, {"name": "b", "manual": True}],
        },
        True,
        [],
    ),
    "a value that a component's own replaces": (
        {
            "components": {"x": generic(lint="l", deploy="d", env={"A": "own"})},
            "environments": [{**ONE[0], "env": {"A": X}}],
        },
        False,
        [],
    ),
    # A pull request builds without any environment; a build for a deployment has the registry's.
    "a build that pushes, and pull requests": (
        {
            "components": {
                "docker": {"lint": "", "test": "", "security": "", "env": {"BUILD_ARG_A": X}}
            },
            "cloud": "aws",
            "registry": ECR,
        },
        True,
        [],
    ),
    "a build that pushes, and no pull requests": (
        {
            "components": {
                "docker": {"lint": "", "test": "", "security": "", "env": {"BUILD_ARG_A": X}}
            },
            "cloud": "aws",
            "registry": ECR,
            "pull_requests": False,
        },
        False,
        ["registry"],
    ),
}


@pytest.mark.parametrize("case", VARIABLES)
def test_where_a_variable_is_read(case: str) -> None:
    answers, repository, environments = VARIABLES[case]
    found = setup(**{"environments": ONE, **answers})
    assert found.variables == (("X",) if repository else ())
    named = [environment.name for environment in found.environments if "X" in environment.variables]
    assert named == environments
    of_cloud = set(CLOUDS["aws"][1])
    others = {v for e in found.environments for v in e.variables} - {"X"}
    assert others <= of_cloud
    assert found.needs_variables == bool(repository or environments)


# The rest ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_a_code_type_asks_for_in_a_cloud(cloud: str) -> None:
    kubernetes = CODE_TYPES["kubernetes"]
    usual = list(kubernetes.prerequisites)
    more = list(kubernetes.clouds[cloud].prerequisites)
    assert bool(more) == (cloud != "none")
    found = setup(code_types=["kubernetes"], cloud=cloud)
    assert list(found.prerequisites) == usual + more
    own = {"kubernetes": {"cloud": cloud}}
    assert list(setup(components=own, cloud="azure").prerequisites) == usual + more
    without = setup(components={"kubernetes": {"deploy": ""}}, cloud=cloud)
    assert list(without.prerequisites) == usual


# The environments -> the branches whose pull requests a ruleset should hold back.
CHECKED: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "two branches": (
        [{"name": "a", "branch": "develop"}, {"name": "b", "branch": "main"}],
        ["refs/heads/develop", "refs/heads/main"],
    ),
    "one for two": (
        [{"name": "a", "branch": "main"}, {"name": "b", "branch": "main"}],
        ["refs/heads/main"],
    ),
    "stars": (
        [{"name": "a", "branch": "release/**"}, {"name": "b", "branch": "v*"}],
        ["refs/heads/release/**", "refs/heads/v*"],
    ),
    "what rulesets do not know": (
        [{"name": "a", "branch": "v[12]"}, {"name": "b", "branch": "main"}],
        ["refs/heads/main"],
    ),
    "nothing else": ([{"name": "a", "branch": "v[12]"}], ["~DEFAULT_BRANCH"]),
    "tags": ([{"name": "a", "tag": "v*"}], ["~DEFAULT_BRANCH"]),
    "by hand": ([MANUAL, {"name": "a", "after": "m"}], ["~DEFAULT_BRANCH"]),
}


@pytest.mark.parametrize("case", CHECKED)
def test_which_branches_pull_requests_are_checked_for(case: str) -> None:
    environments, expected = CHECKED[case]
    assert json.loads(setup(environments=environments).checked_branches) == expected


@costly
@given(plans())
def test_what_jobs_use_is_set_up_and_nothing_else(made: Plan) -> None:
    found = set_up(made)
    environments = by_name(found)
    jobs = [job for workflow in made.workflows for job in workflow.jobs]
    assert set(environments) == {name for job in jobs for name in job.environments}
    for name, environment in environments.items():
        there = [job for job in jobs if name in job.environments]
        read = {variable for job in there for variable in job.variables_of_github}
        # Each variable that a job reads there can be set, and in one place alone.
        assert set(environment.variables) == read - set(found.variables)
        deploying = {secret for job in there if job.id == "deploy" for secret in job.secrets}
        assert set(environment.secrets) == deploying
        by_oidc = {(bool(j.cloud), j.identity) for j in there if "id-token" in j.permissions}
        assert bool(environment.clouds) == any(logs_in for logs_in, _ in by_oidc)
        assert environment.publishes == any(publishes for _, publishes in by_oidc)
        assert (False, False) not in by_oidc
    assert found.clouds == tuple(sorted({c for e in environments.values() for c in e.clouds}))
    assert {i for c in found.clouds for _, names in found.identities(c) for i in names} == {
        name for name, environment in environments.items() if environment.clouds
    }
