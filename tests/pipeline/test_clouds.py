"""Clouds and registries: what is accepted, who logs in where, and with which permissions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import toolbox
import yaml
from made_answers import CATALOGUE, CODE_TYPES, generic, plan, read, refusal
from pipeline.clouds import load_clouds
from pipeline.components import CLOUDS
from pipeline.errors import AnswerError, shown
from pipeline.jobs import Job
from pipeline.plan import Plan

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ACR = "acmeshop.azurecr.io"
ARTIFACTS = "europe-west1-docker.pkg.dev"
DEV = [{"name": "dev", "branch": "main"}]

# The registry that a cloud has, for tests that need one of each.
REGISTRY_OF = {"aws": f"{ECR}/shop", "azure": ACR, "gcp": f"{ARTIFACTS}/acme/images"}


def jobs_of(made: Plan, component: str, environment: str = "dev") -> dict[str, Job]:
    """The jobs of a component's workflow for an environment, by their ids."""
    (workflow,) = (w for w in made.workflows if w.id == f"{component}-{environment}")
    return {job.id: job for job in workflow.jobs}


def step_names(steps: tuple[str, ...]) -> list[str]:
    return [step["name"] for text in steps for step in yaml.safe_load(text)]


# The registry that the answers name --------------------------------------------------------------

# The answer -> the cloud that it goes with, and its host.
ACCEPTED: dict[str, tuple[str, str]] = {
    ECR: ("aws", ECR),
    f"{ECR}/shop": ("aws", ECR),
    f"{ECR}/team/shop-2/a.b_c__d--e": ("aws", ECR),
    "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com": (
        "aws",
        "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
    ),
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn": (
        "aws",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
    ),
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/shop": (
        "aws",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
    ),
    ACR: ("azure", ACR),
    f"{ACR}/team/shop": ("azure", ACR),
    "acmeshop.azurecr.cn": ("azure", "acmeshop.azurecr.cn"),
    "acmeshop.azurecr.us/shop": ("azure", "acmeshop.azurecr.us"),
    "acme-shop-a1b2.azurecr.io": ("azure", "acme-shop-a1b2.azurecr.io"),
    f"{ARTIFACTS}/acme/images": ("gcp", ARTIFACTS),
    f"{ARTIFACTS}/acme/images/team": ("gcp", ARTIFACTS),
    "us-docker.pkg.dev/acme.com/shop/images": ("gcp", "us-docker.pkg.dev"),
}


@pytest.mark.parametrize("given", ACCEPTED)
def test_a_registry_of_the_cloud(given: str) -> None:
    cloud, host = ACCEPTED[given]
    made = plan(code_types=["docker"], cloud=cloud, registry=given)
    registry = made.answers.registry
    assert (registry.base, registry.environment) == (given, "registry")
    assert dict(registry.permissions) == {"id-token": "write"}
    build = jobs_of(made, "docker")["build"]
    assert build.variables["IMAGE"] == f"{given}/docker"
    assert build.login == (registry.login,)
    # Docker logs in to the host, never to a path below it.
    assert "<registry-host>" not in registry.login
    (step,) = (s for s in yaml.safe_load(registry.login) if s["name"] == "Log in to the registry")
    assert (step.get("env") or step["with"])["REGISTRY" if cloud == "azure" else "registry"] == host


@pytest.mark.parametrize("given", ACCEPTED)
def test_a_registry_of_another_cloud(given: str) -> None:
    owner, _ = ACCEPTED[given]
    title = {"aws": "AWS", "azure": "Azure", "gcp": "Google Cloud"}[owner]
    for cloud in set(CLOUDS) - {owner}:
        assert not refusal(code_types=["python"], cloud=cloud, registry=given), "nothing is pushed"
        assert refusal(code_types=["docker"], cloud=cloud, registry=given) == (
            f"registry: {shown(given)} is a registry of {title}, and cloud is {cloud}; "
            f"choose cloud {owner} or ghcr.io"
        )


def test_the_cloud_of_a_component_is_not_that_of_the_registry() -> None:
    """One registry for all of them, which the common answer pays for."""
    own = {"docker": {"cloud": "aws"}}
    assert refusal(components=own, cloud="none", registry=ECR).endswith("aws or ghcr.io")
    assert not refusal(components={"docker": {"cloud": "none"}}, cloud="aws", registry=ECR)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("given", ["ghcr.io", "ghcr.io/"])
def test_githubs_registry_goes_with_every_cloud(given: str, cloud: str) -> None:
    made = plan(components={"Web": {"code_type": "docker"}}, cloud=cloud, registry=given)
    assert made.answers.registry.environment == ""
    assert dict(made.answers.registry.permissions) == {"packages": "write"}
    for environment in ("dev", "test", "prd"):
        build = jobs_of(made, "Web", environment)["build"]
        # GitHub knows repositories by their names in any case; an image's name has none, and the
        # command takes it down where only GitHub can say it.
        assert build.variables["IMAGE"] == "ghcr.io/${{ github.repository }}/web"
        assert (build.environment, build.environments) == ("", ())
        assert step_names(build.login) == ["Log in to GitHub's registry"]


def test_githubs_registry_is_the_default() -> None:
    assert read().registry == read(registry="ghcr.io").registry


@pytest.mark.parametrize("given", [f"{ECR}/", f"{ECR}/shop/"])
def test_a_slash_at_the_end_means_nothing(given: str) -> None:
    assert read(cloud="aws", registry=given).registry == (
        read(cloud="aws", registry=given.removesuffix("/")).registry
    )


FORMS = (
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/prefix, images.azurecr.io/prefix, "
    "europe-west1-docker.pkg.dev/project/repository, ghcr.io"
)
# What is no registry: refused whatever the cloud.
NO_REGISTRY: dict[str, str] = {
    "nothing": "",
    "a word": "ecr",
    "Docker Hub": "docker.io",
    "Docker Hub with a user": "docker.io/acme",
    "Docker Hub's user alone": "acme/shop",
    "another host": "registry.example.com",
    "host and port": "localhost:5000",
    "a URL": f"https://{ECR}",
    "GitHub's by case": "GHCR.IO",
    "GitHub's old one": "docker.pkg.github.com/acme/shop",
    "something like GitHub's": "ghcr.io.example.com",
    "something before GitHub's": "xghcr.io",
    "two slashes at the end": "ghcr.io//",
    "a line behind": "ghcr.io\n",
    "a space behind": "ghcr.io ",
    "ECR of a short account": "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
    "ECR without a region": "123456789012.dkr.ecr.amazonaws.com",
    "ECR, something like it": f"{ECR}.example.com",
    "ECR, letter case of the host": ECR.upper(),
    "ECR with a port": f"{ECR}:443/shop",
    "ECR with an uppercase path": f"{ECR}/Shop",
    "ECR with a tag": f"{ECR}/shop:latest",
    "ECR with a digest": f"{ECR}/a@sha256:00",
    "ECR with an empty part": f"{ECR}//shop",
    "ECR with a dot first": f"{ECR}/.shop",
    "ECR with a dash last": f"{ECR}/shop-",
    "ECR with two dots": f"{ECR}/a..b",
    "ECR with three underscores": f"{ECR}/a___b",
    "ECR and up": f"{ECR}/../shop",
    "ECR with a space": f"{ECR}/my shop",
    "ECR with an expression": f"{ECR}/${{{{ github.repository }}}}",
    "ECR with an umlaut": f"{ECR}/büro",
    "ECR with a line": f"{ECR}/shop\n",
    "ECR with quotes": f"{ECR}/sh'op",
    "ECR for everybody": "public.ecr.aws/acme",
    "ACR of a short name": "abcd.azurecr.io",
    "ACR without a name": ".azurecr.io",
    "ACR of another domain": "acmeshop.azurecr.com",
    "ACR by case": "AcmeShop.azurecr.io",
    "ACR with an uppercase path": f"{ACR}/Shop",
    "ACR's console": "acmeshop.azurecr.io.evil.example",
    "Artifact Registry without anything": ARTIFACTS,
    "Artifact Registry with a slash": f"{ARTIFACTS}/",
    "Artifact Registry with a project alone": f"{ARTIFACTS}/acme",
    "Artifact Registry with a project and a slash": f"{ARTIFACTS}/acme/",
    "Artifact Registry without a region": "docker.pkg.dev/acme/images",
    "Artifact Registry of another kind": "europe-west1-maven.pkg.dev/acme/images",
    "Artifact Registry by case": f"{ARTIFACTS}/Acme/images",
    "Artifact Registry, something like it": "evil.example/europe-west1-docker.pkg.dev/a/b",
    "Google's old one": "gcr.io/acme",
}


@pytest.mark.parametrize("case", NO_REGISTRY)
def test_what_is_no_registry(case: str) -> None:
    given = NO_REGISTRY[case]
    for cloud in CLOUDS:
        assert refusal(cloud=cloud, registry=given) == (
            f"registry: {shown(given)} is no registry that images can be pushed to; "
            f"write one like {FORMS}"
        )


@pytest.mark.parametrize("path", ["/acme", "/acme/shop", "/acme/"])
def test_githubs_registry_with_a_path(path: str) -> None:
    """It is that of the repository's owner; whoever has another place says `IMAGE`."""
    for cloud in CLOUDS:
        assert refusal(cloud=cloud, registry=f"ghcr.io{path}") == (
            f"registry: 'ghcr.io{path}' has a path; write ghcr.io alone"
        )


@pytest.mark.parametrize("given", [None, 3, True, ["ghcr.io"], {"host": "ghcr.io"}], ids=repr)
def test_a_registry_is_text(given: Any) -> None:
    assert refusal(registry=given).startswith("registry: expected text, not ")


def test_a_registry_of_digits_that_only_look_like_some() -> None:
    """AWS knows no fullwidth digits, and Docker no host that holds any."""
    wide = ECR.replace("123456789012", "".join(chr(0xFF10 + int(n)) for n in "123456789012"))
    assert refusal(cloud="aws", registry=wide).startswith("registry: ")


def test_every_form_that_a_message_names_is_accepted() -> None:
    for name, cloud in CATALOGUE.clouds.items():
        assert not refusal(cloud=name, registry=cloud.registry.form)
    assert {cloud.registry.form for cloud in CATALOGUE.clouds.values()} == set(FORMS.split(", "))


# Names that are ours -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pull-request", "Pull-Request"])
@pytest.mark.parametrize("pull_requests", [True, False])
def test_no_environment_is_called_like_pull_requests(name: str, pull_requests: bool) -> None:
    """Whether they are checked or not, so that they can be switched on at any time."""
    environments = [*DEV, {"name": name, "branch": "x"}]
    assert refusal(environments=environments, pull_requests=pull_requests) == (
        f"environments.{name}: the name is reserved, pull requests are checked under that name; "
        "rename it"
    )


@pytest.mark.parametrize("name", ["registry", "REGISTRY"])
@pytest.mark.parametrize("cloud", REGISTRY_OF)
def test_no_environment_is_called_like_that_of_a_clouds_registry(name: str, cloud: str) -> None:
    answers: dict[str, Any] = {
        "environments": [*DEV, {"name": name, "branch": "x"}],
        "cloud": cloud,
        "registry": REGISTRY_OF[cloud],
    }
    assert refusal(code_types=["docker"], **answers) == (
        f"environments.{name}: the name is reserved, images are pushed under that name; rename it"
    )
    # Nobody pushes there: no component does, or images go to GitHub's own.
    assert not refusal(code_types=["python"], **answers)
    assert not refusal(components={"docker": {"build": ""}}, **answers)
    assert not refusal(code_types=["docker"], **{**answers, "registry": "ghcr.io"})


@pytest.mark.parametrize("pull_requests", [True, False])
@pytest.mark.parametrize("component, environment", [("pull", "request"), ("Pull", "Request")])
def test_no_workflow_is_called_like_that_of_pull_requests(
    component: str, environment: str, pull_requests: bool
) -> None:
    message = refusal(
        components={component: generic(lint="true")},
        environments=[{"name": environment, "branch": "main"}],
        pull_requests=pull_requests,
    )
    assert message == (
        f"components.{component}: its file '{component}-{environment}' collides with "
        "'pull-request' of the workflow for pull requests; rename one"
    )


@pytest.mark.parametrize(
    "component, environment",
    [("pull-request", "dev"), ("pull", "requests"), ("pull", "dev"), ("request", "pull")],
)
def test_names_that_only_resemble_those_of_pull_requests(component: str, environment: str) -> None:
    made = plan(
        components={component: generic(lint="true")},
        environments=[{"name": environment, "branch": "main"}],
    )
    assert len(set(made.files)) == 5


# Logins and permissions --------------------------------------------------------------------------

READ = {"contents": "read"}
DOWNLOAD = {"actions": "read", "contents": "read"}

# Each code type with every job that it can have: what its jobs may do without any cloud. A
# deployment downloads what its own build made.
ALONE: dict[str, dict[str, dict[str, str]]] = {
    "cdk": {"lint": READ, "test": READ, "build": READ, "deploy": DOWNLOAD},
    "docker": {"lint": READ, "test": READ, "security": READ, "build": READ, "deploy": DOWNLOAD},
    "dotnet": {"lint": READ, "test": READ, "security": READ, "build": READ, "deploy": DOWNLOAD},
    "generic": {"lint": READ, "test": READ, "security": READ, "build": READ, "deploy": READ},
    "go": {"lint": READ, "test": READ, "security": READ, "build": READ, "deploy": DOWNLOAD},
    "helm": {"lint": READ, "security": READ, "build": READ, "deploy": DOWNLOAD},
    "java": {"lint": READ, "test": READ, "security": READ, "build": READ, "deploy": DOWNLOAD},
    "kubernetes": {"lint": READ, "security": READ, "build": READ, "deploy": DOWNLOAD},
    "opentofu": {"lint": READ, "test": READ, "security": READ, "deploy": READ},
    "node": {"lint": READ, "test": READ, "security": READ, "build": READ, "deploy": DOWNLOAD},
    "python": {"lint": READ, "test": READ, "security": READ, "build": READ, "deploy": DOWNLOAD},
    "terraform": {"lint": READ, "test": READ, "security": READ, "deploy": READ},
}
OWN_COMMANDS = {
    "cdk": {},
    "docker": {"deploy": "ship"},
    "dotnet": {"deploy": "ship"},
    "generic": {"lint": "l", "test": "t", "security": "s", "build": "b", "deploy": "d"},
    "go": {"deploy": "ship"},
    "helm": {},
    "java": {"deploy": "ship"},
    "kubernetes": {},
    "opentofu": {},
    "node": {"deploy": "ship"},
    "python": {"deploy": "ship"},
    "terraform": {},
}


def test_every_code_type_is_known_here() -> None:
    assert set(ALONE) == set(OWN_COMMANDS) == set(CODE_TYPES)


def check_permissions(
    made: Plan, code_type: str, cloud: str, registry: dict[str, str], deploys: bool
) -> None:
    """Exactly these: of every job, of the job that calls the workflow, and of its preflight."""
    expected = {job: dict(permissions) for job, permissions in ALONE[code_type].items()}
    if not deploys:
        del expected["deploy"]
    elif cloud != "none":
        expected["deploy"]["id-token"] = "write"
    if code_type == "docker":
        expected["build"] |= registry
    assert {id_: dict(job.permissions) for id_, job in jobs_of(made, "x").items()} == expected
    together = dict(DOWNLOAD)  # the preflight finds packages
    for permissions in expected.values():
        together |= permissions
    (call,) = (call for o in made.orchestrators for call in o.calls)
    assert dict(call.workflow.permissions) == together
    assert dict(call.workflow.preflight_permissions) == DOWNLOAD


@pytest.mark.parametrize("code_type", ALONE)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_permissions(cloud: str, code_type: str) -> None:
    component = {"code_type": code_type, **OWN_COMMANDS[code_type]}
    common: dict[str, Any] = {"components": {"x": component}, "environments": DEV, "cloud": cloud}
    packages, token = {"packages": "write"}, {"id-token": "write"}
    check_permissions(plan(**common), code_type, cloud, packages, deploys=True)
    if cloud != "none":
        made = plan(**common, registry=REGISTRY_OF[cloud])
        check_permissions(made, code_type, cloud, token, deploys=True)


@pytest.mark.parametrize("code_type", ALONE)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_permissions_where_nothing_else_is_said(cloud: str, code_type: str) -> None:
    """Python and Docker deploy nothing by themselves, so nothing of theirs logs in to a cloud."""
    commands = OWN_COMMANDS["generic"] if code_type == "generic" else {}
    component = {"code_type": code_type, **commands, **({"deploy": ""} if commands else {})}
    made = plan(components={"x": component}, environments=DEV, cloud=cloud)
    deploys = bool(CODE_TYPES[code_type].jobs["deploy"].command)
    check_permissions(made, code_type, cloud, {"packages": "write"}, deploys=deploys)


@pytest.mark.parametrize("own", CLOUDS)
@pytest.mark.parametrize("common", CLOUDS)
def test_a_components_own_cloud_wins(common: str, own: str) -> None:
    """In deployments; the registry stays the common one."""
    for code_type in ALONE:
        component = {"code_type": code_type, "cloud": own, **OWN_COMMANDS[code_type]}
        answers: dict[str, Any] = {"components": {"x": component}, "environments": DEV}
        registry = REGISTRY_OF.get(common, "ghcr.io")
        made = plan(**answers, cloud=common, registry=registry)
        pushes = {"packages": "write"} if common == "none" else {"id-token": "write"}
        check_permissions(made, code_type, own, pushes, deploys=True)
        beside = plan(**answers, cloud=own)
        deploy, expected = jobs_of(made, "x")["deploy"], jobs_of(beside, "x")["deploy"]
        assert (deploy.login, deploy.secrets) == (expected.login, expected.secrets)
        assert deploy.variables == expected.variables


LOGINS = {
    "none": [],
    "aws": ["Log in to AWS"],
    "azure": ["Log in to Azure"],
    "gcp": ["Log in to Google Cloud"],
}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_who_logs_in(cloud: str) -> None:
    """The steps of every job, by name, in their order; nothing that is not listed logs in."""
    answers: dict[str, Any] = {
        "components": {name: {"code_type": name, **OWN_COMMANDS[name]} for name in ALONE},
        "environments": DEV,
        "cloud": cloud,
    }
    expected = {f"{name} deploy": LOGINS[cloud] for name in ALONE}
    for name in ("helm", "kubernetes"):
        expected[f"{name} deploy"] = [*LOGINS[cloud], "Get access to the cluster"]
    expected["docker build"] = ["Log in to GitHub's registry"]
    check_logins(plan(**answers), expected)
    if cloud != "none":
        expected["docker build"] = [*LOGINS[cloud], "Log in to the registry"]
        check_logins(plan(**answers, registry=REGISTRY_OF[cloud]), expected)


def check_logins(made: Plan, expected: dict[str, list[str]]) -> None:
    found = {
        f"{w.component.name} {j.id}": step_names(j.login) for w in made.workflows for j in w.jobs
    }
    assert {place: names for place, names in found.items() if names} == {
        place: names for place, names in expected.items() if names
    }
    assert made.pull_request
    assert not [job.id for job in made.pull_request.jobs if job.login]


@pytest.mark.parametrize("cloud", REGISTRY_OF)
def test_what_pushes_to_a_clouds_registry_has_an_environment(cloud: str) -> None:
    """A cloud trusts a job by its environment; nobody has been asked to approve anything yet."""
    made = plan(
        code_types=["docker", "python"],
        components={"web": {"code_type": "docker"}},
        cloud=cloud,
        registry=REGISTRY_OF[cloud],
    )
    found = {(w.id, job.id): job.environment for w in made.workflows for job in w.jobs}
    assert {place: name for place, name in found.items() if name} == {
        (f"{component}-{environment}", "build"): "registry"
        for component in ("docker", "web")
        for environment in ("dev", "test", "prd")
    }
    for workflow in made.workflows:
        for job in workflow.jobs:
            # Builds of two environments may run at once, and a re-run pushes without being asked.
            assert (job.group, job.retry_environment) == ("", "")


# Secrets and variables ---------------------------------------------------------------------------


def test_kubernetes_without_a_cloud_reads_one_secret_in_its_deployment() -> None:
    made = plan(code_types=["kubernetes"])
    for environment in ("dev", "test", "prd"):
        jobs = jobs_of(made, "kubernetes", environment)
        secrets = {id_: job.secrets for id_, job in jobs.items()}
        assert secrets == {"lint": (), "security": (), "build": (), "deploy": ("KUBE_CONFIG",)}
        # The step that writes it to a file reads it; the command sees no secret.
        assert "KUBE_CONFIG" not in jobs["deploy"].variables
        (step,) = (step for text in jobs["deploy"].login for step in yaml.safe_load(text))
        assert step["env"]["ACCESS"] == "${{ secrets.KUBE_CONFIG }}"
    assert all(workflow.reads_secrets for workflow in made.workflows)


@pytest.mark.parametrize("cloud", REGISTRY_OF)
def test_kubernetes_in_a_cloud_reads_no_secret(cloud: str) -> None:
    for answers in (
        {"code_types": ["kubernetes"], "cloud": cloud},
        {"components": {"kubernetes": {"cloud": cloud}}},
    ):
        made = plan(**answers)
        assert not [job for w in made.workflows for job in w.jobs if job.secrets]
        assert not any(workflow.reads_secrets for workflow in made.workflows)


def test_the_secret_of_the_cluster_beside_secrets_of_ones_own() -> None:
    """Also where it is named once more, for the command to see."""
    for own, expected in [
        (["TOKEN"], ("TOKEN", "KUBE_CONFIG")),
        (["KUBE_CONFIG", "TOKEN"], ("KUBE_CONFIG", "TOKEN")),
    ]:
        made = plan(components={"kubernetes": {"secrets": own}})
        deploy = jobs_of(made, "kubernetes")["deploy"]
        assert deploy.secrets == expected
        for name in own:
            assert deploy.variables[name] == f"${{{{ secrets.{name} }}}}"


ARM = {
    "ARM_USE_OIDC": "true",
    "ARM_CLIENT_ID": "${{ vars.AZURE_CLIENT_ID }}",
    "ARM_TENANT_ID": "${{ vars.AZURE_TENANT_ID }}",
    "ARM_SUBSCRIPTION_ID": "${{ vars.AZURE_SUBSCRIPTION_ID }}",
}


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("code_type", ["opentofu", "terraform"])
def test_terraform_logs_in_to_azure_by_itself(code_type: str, cloud: str) -> None:
    made = plan(code_types=[code_type, "kubernetes"], environments=DEV, cloud=cloud)
    for workflow in made.workflows:
        for job in workflow.jobs:
            wanted = cloud == "azure" and (workflow.id, job.id) == (f"{code_type}-dev", "deploy")
            found = {name: v for name, v in job.variables.items() if name.startswith("ARM_")}
            assert found == (ARM if wanted else {})


# What a code type gives a command -> the answers, the job, the variable, and its value.
GIVEN: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "the name of an image": (
        {"components": {"x": {"code_type": "docker"}}},
        "build",
        "IMAGE",
        "ghcr.io/${{ github.repository }}/x",
    ),
    "whose cache": ({"components": {"x": {"code_type": "docker"}}}, "test", "COMPONENT", "x"),
    "where the cluster's file is": (
        {"components": {"x": {"code_type": "kubernetes"}}},
        "deploy",
        "KUBECONFIG",
        "${{ runner.temp }}/kubeconfig",
    ),
    "what a cloud adds": (
        {"components": {"x": {"code_type": "terraform"}}, "cloud": "azure"},
        "deploy",
        "ARM_USE_OIDC",
        "true",
    ),
}


@pytest.mark.parametrize("case", GIVEN)
def test_variables_of_ones_own_win_over_a_code_types(case: str) -> None:
    answers, job, name, usual = GIVEN[case]
    components = answers["components"]
    own = {**answers, "components": {"x": {**components["x"], "env": {name: "mine"}}}}
    of_environment = [{**DEV[0], "env": {name: "its"}}]
    empty = {**answers, "components": {"x": {**components["x"], "env": {name: ""}}}}
    for given, environments, expected in [
        (answers, DEV, usual),
        (answers, of_environment, "its"),
        (own, DEV, "mine"),
        (own, of_environment, "mine"),
        (empty, of_environment, ""),
    ]:
        made = plan(**given, environments=environments)
        assert jobs_of(made, "x")[job].variables[name] == expected


def test_an_image_with_a_name_of_its_own_is_pushed_by_the_same_login() -> None:
    image = f"{ECR}/team/front"
    made = plan(components={"docker": {"env": {"IMAGE": image}}}, cloud="aws", registry=ECR)
    build = jobs_of(made, "docker")["build"]
    assert build.variables["IMAGE"] == image
    assert build.login == (made.answers.registry.login,)


def test_the_digest_of_an_image_is_an_output() -> None:
    made = plan(
        components={
            "docker": {},
            "own": {"code_type": "docker", "build": "make", "produces": ["docker-image", "log"]},
            "other": {"code_type": "docker", "build": "make", "produces": ["log"]},
            "x": generic(build="make", produces=["docker-image"]),
        },
        environments=DEV,
    )
    outputs = {workflow.component.name: workflow.outputs for workflow in made.workflows}
    assert outputs == {"docker": ("image",), "own": ("image",), "other": (), "x": ()}
    for name in ("docker", "own"):
        upload = jobs_of(made, name)["build"].upload
        assert upload and upload.outputs == (("image", "docker-image"),)


# The files -----------------------------------------------------------------------------------


def test_what_is_shipped() -> None:
    assert {n: (c.title, bool(c.login)) for n, c in CATALOGUE.clouds.items()} == {
        "none": ("GitHub", False),
        "aws": ("AWS", True),
        "azure": ("Azure", True),
        "gcp": ("Google Cloud", True),
    }
    for cloud in CATALOGUE.clouds.values():
        assert dict(cloud.permissions) == ({"id-token": "write"} if cloud.login else {})


@pytest.mark.parametrize("cloud", CLOUDS)
def test_logins_hold_no_secret_but_the_jobs_own_token(cloud: str) -> None:
    what = CATALOGUE.clouds[cloud]
    assert "secrets." not in what.login + what.registry.login


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(toolbox.ROOT / "clouds", tmp_path / "clouds"))


REGISTRY: dict[str, Any] = {
    "form": "r.example",
    "pattern": r"r\.example",
    "permissions": {},
    "login": "- run: x\n",
}


def oci(**changes: Any) -> str:
    return str(yaml.safe_dump({"name": "OCI", "registry": REGISTRY, **changes}))


def registry(**changes: Any) -> str:
    return oci(registry={**REGISTRY, **changes})


BROKEN: dict[str, tuple[str | bytes, str, str]] = {
    "empty": ("", ": ", "expected a mapping"),
    "broken YAML": ("name: [", ": ", "not YAML"),
    "no UTF-8": (b"name: \xff\n", "", ""),
    "no name": ("registry: {}\n", "", "is missing"),
    "no registry": ("name: OCI\n", ": ", "'registry' is missing"),
    "near key": (oci(logn="- run: x"), ": ", "did you mean 'login'?"),
    "name that YAML reads": (oci(name=True), ".name: ", "in quotes"),
    "login that is a list": (oci(login=[{"run": "x"}]), ".login: ", "expected text"),
    "login that is no list": (oci(login="run: x"), ".login: ", "list of steps"),
    "login of words": (oci(login="- x"), ".login: ", "list of steps"),
    "login of broken YAML": (oci(login="- ["), ".login: ", "not YAML"),
    "registry as text": (oci(registry="r.example"), ".registry: ", "expected a mapping"),
    "registry without a form": (
        oci(registry={k: v for k, v in REGISTRY.items() if k != "form"}),
        ".registry: ",
        "'form' is missing",
    ),
    "near key of a registry": (registry(bse="x"), ".registry: ", "did you mean 'base'?"),
    "registry's login of words": (registry(login="- x"), ".registry.login: ", "list of steps"),
    "registry's pattern as a list": (registry(pattern=["x"]), ".registry.pattern: ", "text"),
    "permissions as a list": (registry(permissions=["x"]), ".registry.permissions: ", "mapping"),
    "permission as truth": (
        registry(permissions={"packages": True}),
        ".registry.permissions.packages: ",
        "in quotes",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_its_key(case: str, folder: Path) -> None:
    text, place, says = BROKEN[case]
    (folder / "oci.yml").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(AnswerError) as caught:
        load_clouds(folder)
    message = str(caught.value)
    assert message.startswith(f"clouds/oci.yml{place}")
    assert says in message
    assert message.isprintable()


def test_a_file_that_is_not_broken(folder: Path) -> None:
    (folder / "oci.yml").write_text(registry(base="r.example/x"), encoding="utf-8")
    loaded = load_clouds(folder)
    assert {n: cloud for n, cloud in loaded.items() if n != "oci"} == dict(CATALOGUE.clouds)
    assert (loaded["oci"].name, loaded["oci"].title, loaded["oci"].login) == ("oci", "OCI", "")
    assert loaded["oci"].registry.login == "- run: x"
    assert loaded["oci"].registry.base == "r.example/x"
