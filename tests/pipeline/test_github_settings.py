"""What a person has to set up on GitHub: exactly what the jobs of the plan use."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from made_answers import CODE_TYPES, costly, generic, plan, plans
from pipeline.deployments import DeployWorkflow
from pipeline.github_settings import GitHubEnvironment, GitHubSettings, github_settings
from pipeline.plan import Plan

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DEVELOP, MAIN = ("develop", "branch"), ("main", "branch")
FOUR = ["python", "terraform", "docker", "kubernetes"]


def settings_of(**answers: Any) -> GitHubSettings:
    return github_settings(plan(**answers))


def by_name(found: GitHubSettings) -> dict[str, GitHubEnvironment]:
    assert len({environment.name for environment in found.environments}) == len(found.environments)
    return {environment.name: environment for environment in found.environments}


# The cloud -> its registry, the variables of every job that logs in, and those that a deployment to
# Kubernetes reads in addition.
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
    found = settings_of(code_types=FOUR, cloud=cloud, registry=registry)
    secrets = ("KUBE_CONFIG",) if cloud == "none" else ()
    clouds = () if cloud == "none" else (cloud,)
    variables = tuple(login + cluster)
    expected = [
        GitHubEnvironment("dev", False, (DEVELOP,), secrets, variables, clouds),
        GitHubEnvironment("test", False, (MAIN,), secrets, variables, clouds),
        GitHubEnvironment("prd-approval", True, (MAIN,), (), (), (), approves="prd"),
        GitHubEnvironment("prd", False, (MAIN,), secrets, variables, clouds),
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
    found = settings_of(code_types=FOUR, cloud=cloud)
    assert list(by_name(found)) == ["dev", "test", "prd-approval", "prd"]
    assert found.clouds == (cloud,)


def test_a_component_that_only_pushes_needs_only_the_registrys_environment() -> None:
    found = settings_of(code_types=["docker"], cloud="aws", registry=ECR)
    assert list(by_name(found)) == ["registry"]
    assert found.clouds == ("aws",)
    assert settings_of(code_types=["docker"], cloud="aws").clouds == ()
    assert settings_of(code_types=["docker"], cloud="aws").environments == ()


def test_a_cloud_without_logins_needs_nothing() -> None:
    found = settings_of(code_types=["python"], cloud="aws")
    assert (found.environments, found.clouds, found.needs_variables) == ((), (), False)


def test_an_environment_has_the_clouds_of_its_components() -> None:
    found = settings_of(
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
# The environments -> the refs that each admits, and those that the registry's environment admits.
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
    # An environment after another runs on the default branch, even if the first starts from a tag.
    # It pushes no image, because the first one did.
    "after a tag": (
        [{"name": "a", "tag": "v1"}, {"name": "b", "after": "a"}],
        {"a": [("v1", "tag")], "b": [], "registry": [("v1", "tag")]},
    ),
    "after branches": (
        [{"name": "a", "branch": "release/*"}, {"name": "b", "after": "a"}],
        {"a": [("release/*", "branch")], "b": [], "registry": [("release/*", "branch")]},
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
def test_which_refs_an_environment_admits(case: str) -> None:
    environments, expected = REFS[case]
    components = {"docker": {"deploy": "ship"}}
    answers: dict[str, Any] = {"components": components, "environments": environments}
    found = by_name(settings_of(**answers, cloud="aws", registry=ECR))
    assert {name: list(environment.refs) for name, environment in found.items()} == expected
    assert list(found) == list(expected)
    # The same holds without a cloud, because an admitted run gets the secrets.
    for environment in by_name(settings_of(**answers)).values():
        assert list(environment.refs) == expected[environment.name]


@pytest.mark.parametrize("orchestration", ["call", "dispatch"])
def test_which_refs_the_environment_of_the_registry_admits(orchestration: str) -> None:
    """Exactly those of environments that push images, also later ones if they build their own."""
    environments = [
        {"name": "a", "tag": "v1"},
        {"name": "b", "after": "a"},
        {"name": "c", "branch": "c"},
    ]
    answers = {"environments": environments, "cloud": "aws", "registry": ECR}
    for settings, refs in (
        ({"environments": ["a", "b"]}, (("v1", "tag"),)),
        ({"environments": ["c"]}, (("c", "branch"),)),
        # The runs of b are on the default branch, whose name the answers do not know.
        ({"build_per_environment": True}, ()),
        (
            {"build_per_environment": True, "environments": ["a", "c"]},
            (("v1", "tag"), ("c", "branch")),
        ),
    ):
        found = settings_of(
            components={"docker": settings, "x": generic(lint="l", deploy="d")},
            orchestration=orchestration,
            **answers,
        )
        assert by_name(found)["registry"].refs == refs


@pytest.mark.parametrize("cloud", ["none", "aws"])
def test_approvals_and_production_admit_only_their_branch(cloud: str) -> None:
    """Only the environment of approvals has reviewers."""
    found = by_name(settings_of(components={"x": generic(deploy="d")}, cloud=cloud))
    assert list(found) == ["dev", "test", "prd-approval", "prd"]
    assert [name for name, environment in found.items() if environment.reviewed] == ["prd-approval"]
    assert found["prd"].refs == found["prd-approval"].refs == (("main", "branch"),)


# `approval`, the trigger -> the environments of approvals, and whether production has reviewers.
ASKING: dict[str, tuple[str, dict[str, Any], list[str], bool]] = {
    "once, on a branch": ("once", {"branch": "main"}, ["live-approval"], False),
    "once, after a branch": ("once", {"after": "dev"}, ["live-approval"], False),
    # A person who may push such a tag or branch may push a workflow that names the environment.
    "once, on a tag": ("once", {"tag": "v*"}, ["live-approval"], True),
    "once, on branches": ("once", {"branch": "live/*"}, ["live-approval"], True),
    "once, by hand": ("once", {"manual": True}, ["live-approval"], True),
    "each, on a branch": ("each", {"branch": "main"}, [], True),
    "none, on a tag": ("none", {"tag": "v*"}, [], False),
}


@pytest.mark.parametrize("case", ASKING)
def test_which_environments_have_reviewers(case: str) -> None:
    approval, trigger, names, itself = ASKING[case]
    environments = [
        {"name": "dev", "branch": "develop"},
        {"name": "live", **trigger, "production": True},
        {"name": "idle", "branch": "idle", "production": True},
    ]
    found = by_name(
        settings_of(
            components={"x": generic(deploy="d", environments=["dev", "live"])},
            approval=approval,
            environments=environments,
        )
    )
    assert list(found) == ["dev", *names, "live"]
    assert [e.name for e in found.values() if e.reviewed] == [*names, *["live"] * itself]
    for name in names:
        assert found[name].approves == "live" and found[name].refs == found["live"].refs


def test_the_environment_of_the_registry_has_no_reviewers() -> None:
    """Images are pushed before a person can see what would be deployed."""
    found = by_name(
        settings_of(
            components={"docker": {"deploy": "ship"}},
            cloud="aws",
            registry=ECR,
            environments=[{"name": "live", "branch": "main", "production": True}],
        )
    )
    assert {name: e.reviewed for name, e in found.items()} == {
        "live-approval": True,
        "live": False,
        "registry": False,
    }


# Identities --------------------------------------------------------------------------------------


def test_an_identity_for_each_environment_that_deploys_or_pushes() -> None:
    found = settings_of(code_types=FOUR, cloud="aws", registry=ECR)
    assert found.identities("aws") == ["dev", "test", "prd", "registry"]
    assert found.identities("gcp") == []


# Secrets and variables ---------------------------------------------------------------------------


def test_secrets_of_builds_are_secrets_of_the_repository() -> None:
    """A build runs before an approval. The registry's environment has no secrets."""
    for registry in ("ghcr.io", ECR):
        found = settings_of(
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
            **dict.fromkeys(("dev", "test", "prd"), ("NPM", "TOKEN")),
            "prd-approval": (),
            **({"registry": ()} if registry == ECR else {}),
        }
        assert found.needs_secrets


X = "${{ vars.X }}"
ONE = [{"name": "dev", "branch": "main"}]
# Answers that name the variable X -> whether it has to be a variable of the repository, and if not,
# the environments where it can be set.
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
    "two environments', of several": (
        {
            "components": {"x": generic(deploy="d")},
            "environments": [
                {**ONE[0], "env": {"A": X, "B": "${{ vars.Y }}"}},
                {"name": "b", "manual": True, "env": {"A": "b"}},
                {"name": "c", "after": "b", "env": {"B": X}},
            ],
        },
        False,
        ["dev", "c"],
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
    # A build has the registry's environment only if it pushes.
    "a build that pushes": (
        {
            "components": {"docker": {"env": {"BUILD_ARG_A": X}}},
            "cloud": "aws",
            "registry": ECR,
        },
        True,
        [],
    ),
}


@pytest.mark.parametrize("case", VARIABLES)
def test_where_a_variable_is_read(case: str) -> None:
    answers, repository, environments = VARIABLES[case]
    found = settings_of(**{"environments": ONE, **answers})
    assert found.variables == (("X",) if repository else ())
    named = [environment.name for environment in found.environments if "X" in environment.variables]
    assert named == environments
    of_cloud = set(CLOUDS["aws"][1])
    others = {v for e in found.environments for v in e.variables} - {"X", "Y"}
    assert others <= of_cloud
    assert found.needs_variables == bool(repository or environments)


# Prerequisites and rulesets --------------------------------------------------------------------


@pytest.mark.parametrize("cloud", CLOUDS)
def test_prerequisites_of_a_code_type_in_a_cloud(cloud: str) -> None:
    kubernetes = CODE_TYPES["kubernetes"]
    usual = list(kubernetes.prerequisites)
    more = list(kubernetes.clouds[cloud].prerequisites)
    assert bool(more) == (cloud != "none")
    found = settings_of(code_types=["kubernetes"], cloud=cloud)
    assert list(found.prerequisites) == usual + more
    own = {"kubernetes": {"cloud": cloud}}
    assert list(settings_of(components=own, cloud="azure").prerequisites) == usual + more
    without = settings_of(components={"kubernetes": {"deploy": ""}}, cloud=cloud)
    assert list(without.prerequisites) == usual


PRODUCTION = {"production": True}

# The environments -> the branches whose pull requests need the required check.
CHECKED: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "two branches": (
        [{"name": "a", "branch": "develop"}, {"name": "b", "branch": "main"}],
        ["refs/heads/develop", "refs/heads/main", "~DEFAULT_BRANCH"],
    ),
    "one for two": (
        [{"name": "a", "branch": "main"}, {"name": "b", "branch": "main"}],
        ["refs/heads/main", "~DEFAULT_BRANCH"],
    ),
    "stars": (
        [
            {"name": "a", "branch": "release/**", **PRODUCTION},
            {"name": "b", "branch": "v*", **PRODUCTION},
        ],
        ["refs/heads/release/*", "refs/heads/release/*/**/*", "refs/heads/v*", "~DEFAULT_BRANCH"],
    ),
    "what rulesets do not know": (
        [{"name": "a", "branch": "v[12]"}, {"name": "b", "after": "a", **PRODUCTION}],
        ["refs/heads/v*", "~DEFAULT_BRANCH"],
    ),
    "previews": (
        [{"name": "a", "branch": "feature/**"}, {"name": "b", "branch": "main"}],
        ["refs/heads/main", "~DEFAULT_BRANCH"],
    ),
    "the default branch itself": (
        [{"name": "a", "branch": "main"}, {"name": "b", "after": "a"}],
        ["refs/heads/main"],
    ),
    "nothing else": ([{"name": "a", "branch": "feature/**"}], ["~DEFAULT_BRANCH"]),
    "but not every branch": (
        [{"name": "p", "branch": "[ab]", "production": True}],
        ["~DEFAULT_BRANCH"],
    ),
    "tags": ([{"name": "a", "tag": "v*"}], ["~DEFAULT_BRANCH"]),
    "by hand": ([MANUAL, {"name": "a", "after": "m"}], ["~DEFAULT_BRANCH"]),
}


@pytest.mark.parametrize("case", CHECKED)
def test_which_branches_need_the_required_check(case: str) -> None:
    environments, expected = CHECKED[case]
    assert json.loads(settings_of(environments=environments).checked_branches) == expected


CREATED: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "production itself": (
        [{"name": "p", "branch": "r/**", "production": True}],
        ["refs/heads/r/*", "refs/heads/r/*/**/*"],
    ),
    "before production": (
        [{"name": "a", "branch": "r/*"}, {"name": "p", "after": "a", "production": True}],
        ["refs/heads/r/*"],
    ),
    "no production": ([{"name": "a", "branch": "r/*"}], []),
    "one branch": ([{"name": "p", "branch": "main", "production": True}], []),
    "a tag": ([{"name": "p", "tag": "v*", "production": True}], []),
}


@pytest.mark.parametrize("case", CREATED)
def test_which_branches_only_administrators_may_create(case: str) -> None:
    environments, expected = CREATED[case]
    assert json.loads(settings_of(environments=environments).created_branches) == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("v*", ["v*"]),
        ("v[0-9]+.*", ["v*"]),
        ("v?1/**", ["*", "*/**/*"]),
        ("release-**", ["release-*", "release-*/**/*"]),
    ],
)
def test_a_ruleset_names_every_tag_that_deploys(tag: str, expected: list[str]) -> None:
    """Rulesets have fewer patterns than triggers, so one may also cover other tags."""
    assert list(settings_of(environments=[{"name": "a", "tag": tag}]).deployed_tags) == expected


@costly
@given(plans())
def test_exactly_what_jobs_use_is_set_up(made: Plan) -> None:
    found = github_settings(made)
    environments = by_name(found)
    approvals = {f"{o.environment.name}-approval" for o in made.orchestrators if o.approval}
    deploying: dict[str, list[DeployWorkflow]] = {}
    for deploy in made.deploys:
        for orchestrator in made.orchestrators:
            if any(call.file == deploy.file for call in orchestrator.deployments):
                deploying.setdefault(orchestrator.environment.name, []).append(deploy)
    pushing = [build for build in made.builds if build.environment]
    pushes = ["registry"] * bool(pushing)
    calls = [
        c for w in (*made.orchestrators, *made.workflows, *made.pull_requests) for c in w.plans
    ]
    planned = {str(call.inputs["environment"]) for call in calls}
    assert set(environments) == {*approvals, *deploying, *pushes, *(f"{n}-plan" for n in planned)}
    for name in planned:
        environment = environments[f"{name}-plan"]
        plans = [p for p in made.plans if p.component.belongs_to(name)]
        assert (environment.reads, environment.reviewed) == (name, False)
        assert set(environment.secrets) == {secret for p in plans for secret in p.secrets}
        assert set(environment.clouds) == {p.cloud for p in plans if p.cloud}
        assert set(environment.variables) <= set(environments[name].variables)
        in_pull_requests = name in {
            c.inputs["environment"] for p in made.pull_requests for c in p.plans
        }
        refs = environments[name].refs
        assert environment.refs == (
            (*refs, ("refs/pull/*/merge", "branch")) if refs and in_pull_requests else refs
        )
    for name in approvals:
        nothing = GitHubEnvironment(name, True, environments[name].refs, (), (), ())
        assert environments[name] == replace(nothing, approves=name.removesuffix("-approval"))
    for name, deploys in deploying.items():
        environment = environments[name]
        read = {
            variable
            for d in deploys
            for variable in variables_in(
                d.variables, d.command.variables, d.login, d.plan.variables if d.plan else ""
            )
        }
        # A variable that only other environments name is read, but its value is not used.
        said = {e.name: variables_in(*e.env.values()) for e in made.environments}
        own = variables_in(*(c.env for c in made.answers.components))
        read -= set().union(*said.values()) - said[name] - own
        # Each variable that a job reads there has exactly one place where it is set.
        assert set(environment.variables) == read - set(found.variables)
        assert set(environment.secrets) == {secret for d in deploys for secret in d.secrets}
        by_oidc = [d for d in deploys if "id-token" in d.permissions]
        assert set(environment.clouds) == {d.cloud for d in by_oidc} - {""}
        assert environment.publishes == any(d.identity for d in by_oidc)
        assert all(d.cloud or d.identity for d in by_oidc)
    for build in pushing:
        assert environments["registry"].clouds == (build.cloud,)
        assert variables_in(build.login) == set(environments["registry"].variables)
    in_builds = [variables_in(b.variables, *(c.variables for c in b.commands)) for b in made.builds]
    assert set(found.variables) == set().union(*in_builds)
    assert set(found.build_secrets) == {secret for b in made.builds for secret in b.secrets}
    assert found.clouds == tuple(sorted({c for e in environments.values() for c in e.clouds}))
    assert {name for c in found.clouds for name in found.identities(c)} == {
        name for name, environment in environments.items() if environment.clouds
    }


def variables_in(*texts: object) -> set[str]:
    """The configuration variables of GitHub that the texts read."""
    return set(re.findall(r"\bvars\.(\w+)", str(texts)))
