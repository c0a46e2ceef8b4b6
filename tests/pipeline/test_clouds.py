"""Clouds and registries: which answers are accepted, which jobs log in, with which permissions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import toolbox
import yaml
from expressions import evaluated
from made_answers import CATALOGUE, CODE_TYPES, generic, plan, read, refusal
from pipeline.builds import BuildWorkflow
from pipeline.clouds import load_clouds
from pipeline.deployments import DeployWorkflow
from pipeline.errors import AnswerError, shown
from pipeline.plan import Plan
from pipeline.settings import CLOUDS

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ACR = "acmeshop.azurecr.io"
ARTIFACTS = "europe-west1-docker.pkg.dev"
DEV = [{"name": "dev", "branch": "main"}]

# A registry of each cloud.
REGISTRY_OF = {"aws": f"{ECR}/shop", "azure": ACR, "gcp": f"{ARTIFACTS}/acme/images"}


def build_of(made: Plan, component: str) -> BuildWorkflow:
    (build,) = (b for b in made.builds if b.component.name == component)
    return build


def deploy_of(made: Plan, component: str) -> DeployWorkflow:
    (deploy,) = (d for d in made.deploys if d.component.name == component)
    return deploy


def variables_of(made: Plan, component: str, command: str) -> dict[str, str]:
    """The variables of a command, of its job and of its step."""
    if command == "deploy":
        deploy = deploy_of(made, component)
        return {**deploy.variables, **deploy.command.variables}
    build = build_of(made, component)
    (step,) = (each for each in build.commands if each.id == command)
    return {**build.variables, **step.variables}


def step_names(steps: tuple[str, ...]) -> list[str]:
    return [step["name"] for text in steps for step in yaml.safe_load(text)]


# The registry that the answers name --------------------------------------------------------------

# The answer -> its cloud, and its host.
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
def test_a_registry_of_its_cloud_is_accepted(given: str) -> None:
    cloud, host = ACCEPTED[given]
    made = plan(code_types=["docker"], cloud=cloud, registry=given)
    registry = made.answers.registry
    assert (registry.base, registry.environment) == (given, "registry")
    assert dict(registry.permissions) == {"id-token": "write"}
    assert variables_of(made, "docker", "build")["IMAGE"] == f"{given}/docker"
    # The job logs in only to push.
    (login,) = build_of(made, "docker").login
    assert login.replace("\n  if: inputs.push", "") == registry.login
    assert {step["if"] for step in yaml.safe_load(login)} == {"inputs.push"}
    # Docker logs in to the host, without a path.
    assert "<registry-host>" not in registry.login
    (step,) = (s for s in yaml.safe_load(registry.login) if s["name"] == "Log in to the registry")
    assert (step.get("env") or step["with"])["REGISTRY" if cloud == "azure" else "registry"] == host


@pytest.mark.parametrize("given", ACCEPTED)
def test_a_registry_of_another_cloud_is_refused(given: str) -> None:
    owner, _ = ACCEPTED[given]
    title = {"aws": "AWS", "azure": "Azure", "gcp": "Google Cloud"}[owner]
    for cloud in set(CLOUDS) - {owner}:
        assert not refusal(code_types=["python"], cloud=cloud, registry=given), "nothing is pushed"
        assert refusal(code_types=["docker"], cloud=cloud, registry=given) == (
            f"registry: {shown(given)} is a registry of {title}, and cloud is {cloud}; "
            f"choose cloud {owner} or ghcr.io"
        )


def test_the_registry_belongs_to_the_common_cloud() -> None:
    """All components share one registry, so `cloud` of a component does not matter for it."""
    own = {"docker": {"cloud": "aws"}}
    assert refusal(components=own, cloud="none", registry=ECR).endswith("aws or ghcr.io")
    assert not refusal(components={"docker": {"cloud": "none"}}, cloud="aws", registry=ECR)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("given", ["ghcr.io", "ghcr.io/"])
def test_githubs_registry_is_accepted_with_every_cloud(given: str, cloud: str) -> None:
    made = plan(components={"Web": {"code_type": "docker"}}, cloud=cloud, registry=given)
    assert made.answers.registry.environment == ""
    assert dict(made.answers.registry.permissions) == {"packages": "write"}
    # `github.repository` may contain capitals, which the name of an image may not. The command
    # makes it lower case, because only GitHub knows the value.
    assert variables_of(made, "Web", "build")["IMAGE"] == "ghcr.io/${{ github.repository }}/web"
    build = build_of(made, "Web")
    assert build.environment == ""
    assert step_names(build.login) == ["Log in to GitHub's registry"]


def test_githubs_registry_is_the_default() -> None:
    assert read().registry == read(registry="ghcr.io").registry


@pytest.mark.parametrize("given", [f"{ECR}/", f"{ECR}/shop/"])
def test_a_slash_at_the_end_is_ignored(given: str) -> None:
    assert read(cloud="aws", registry=given).registry == (
        read(cloud="aws", registry=given.removesuffix("/")).registry
    )


FORMS = (
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/prefix, images.azurecr.io/prefix, "
    "europe-west1-docker.pkg.dev/project/repository, ghcr.io"
)
# Invalid registries, which are refused with every cloud.
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
def test_an_invalid_registry_is_refused(case: str) -> None:
    given = NO_REGISTRY[case]
    for cloud in CLOUDS:
        assert refusal(cloud=cloud, registry=given) == (
            f"registry: {shown(given)} is no registry that images can be pushed to; "
            f"write one like {FORMS}"
        )


@pytest.mark.parametrize("path", ["/acme", "/acme/shop", "/acme/"])
def test_githubs_registry_with_a_path_is_refused(path: str) -> None:
    """The path follows from the repository. The variable `IMAGE` can name another one."""
    for cloud in CLOUDS:
        assert refusal(cloud=cloud, registry=f"ghcr.io{path}") == (
            f"registry: 'ghcr.io{path}' has a path; write ghcr.io alone"
        )


@pytest.mark.parametrize("given", [None, 3, True, ["ghcr.io"], {"host": "ghcr.io"}], ids=repr)
def test_a_registry_that_is_not_text_is_refused(given: Any) -> None:
    assert refusal(registry=given).startswith("registry: expected text, not ")


def test_a_registry_with_fullwidth_digits_is_refused() -> None:
    """AWS has no account with such digits, and Docker accepts no host with them."""
    wide = ECR.replace("123456789012", "".join(chr(0xFF10 + int(n)) for n in "123456789012"))
    assert refusal(cloud="aws", registry=wide).startswith("registry: ")


def test_every_registry_in_a_message_is_accepted() -> None:
    for name, cloud in CATALOGUE.clouds.items():
        assert not refusal(cloud=name, registry=cloud.registry.form)
    assert {cloud.registry.form for cloud in CATALOGUE.clouds.values()} == set(FORMS.split(", "))


# Reserved names --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pull-request", "Pull-Request"])
@pytest.mark.parametrize("pull_requests", [True, False])
def test_the_name_of_pull_requests_is_reserved(name: str, pull_requests: bool) -> None:
    """It is reserved without the checks, too, so that they can be turned on later."""
    environments = [*DEV, {"name": name, "branch": "x"}]
    assert refusal(environments=environments, pull_requests=pull_requests) == (
        f"environments.{name}: the name is reserved, because pull requests are checked under that "
        "name; rename it"
    )


@pytest.mark.parametrize("name", ["registry", "REGISTRY"])
@pytest.mark.parametrize("cloud", REGISTRY_OF)
def test_the_environment_of_a_registry_is_reserved(name: str, cloud: str) -> None:
    answers: dict[str, Any] = {
        "environments": [*DEV, {"name": name, "branch": "x"}],
        "cloud": cloud,
        "registry": REGISTRY_OF[cloud],
    }
    assert refusal(code_types=["docker"], **answers) == (
        f"environments.{name}: the name is reserved, because images are pushed under that name; "
        "rename it"
    )
    # Here, no job pushes to that registry.
    assert not refusal(code_types=["python"], **answers)
    assert not refusal(components={"docker": {"build": ""}}, **answers)
    assert not refusal(code_types=["docker"], **{**answers, "registry": "ghcr.io"})


@pytest.mark.parametrize("pull_requests", [True, False])
@pytest.mark.parametrize("component, environment", [("pull", "request"), ("Pull", "Request")])
def test_the_file_of_the_pull_request_workflow_is_reserved(
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
    [
        *(("pull-request", "dev"), ("pull", "requests"), ("pull", "dev"), ("request", "pull")),
        *(("pull-request", "x2"), ("pull-request-2", "dev")),
    ],
)
def test_names_similar_to_pull_requests_are_allowed(component: str, environment: str) -> None:
    made = plan(
        components={component: generic(lint="true")},
        environments=[{"name": environment, "branch": "main"}],
    )
    own = [f"{component}-build.yml", f"{component}-{environment}.yml"]
    common = [f"orchestrator-{environment}.yml", "pull-request.yml"]
    found = [file for file in made.files if "/workflows/" in file]
    assert found == sorted(f".github/workflows/{file}" for file in (*own, *common))


# Logins and permissions --------------------------------------------------------------------------

READ = {"contents": "read"}
DOWNLOAD = {"actions": "read", "contents": "read"}

# A deploy command for each code type that has none.
OWN_COMMANDS: dict[str, dict[str, str]] = {
    **{name: {} for name in ("cdk", "helm", "kubernetes", "opentofu", "terraform")},
    **{name: {"deploy": "ship"} for name in ("docker", "dotnet", "go", "java", "node", "python")},
    "generic": {"lint": "l", "test": "t", "security": "s", "build": "b", "deploy": "d"},
}


def settings(code_type: str, **more: Any) -> dict[str, Any]:
    return {"code_type": code_type, **OWN_COMMANDS.get(code_type, {"deploy": "ship"}), **more}


@pytest.mark.parametrize("code_type", sorted(CODE_TYPES))
@pytest.mark.parametrize("cloud", CLOUDS)
def test_permissions(cloud: str, code_type: str) -> None:
    """Exactly these: of a build, of its caller to push, and of a deployment."""
    registries = ["ghcr.io"] if cloud == "none" else ["ghcr.io", REGISTRY_OF[cloud]]
    for registry in registries:
        made = plan(
            components={"x": settings(code_type)},
            environments=DEV,
            cloud=cloud,
            registry=registry,
        )
        pushes = {"packages": "write"} if registry == "ghcr.io" else {"id-token": "write"}
        build, deploy = build_of(made, "x"), deploy_of(made, "x")
        assert dict(build.permissions) == READ
        assert dict(build.pushing) == (pushes if code_type == "docker" else {})
        token = {} if cloud == "none" else {"id-token": "write"}
        assert dict(deploy.permissions) == DOWNLOAD | token
        (orchestrator,) = made.orchestrators
        granted = {call.id: dict(call.permissions) for call in (*orchestrator.builds,)}
        assert granted == {"x-build": READ | dict(build.pushing)}


def test_a_job_that_takes_a_package_may_read_runs() -> None:
    made = plan(
        components={"x": generic(lint="l", deploy="d"), "p": generic(build="b", produces=["f"])},
        dependency_map={"x": "p"},
    )
    assert dict(build_of(made, "x").permissions) == DOWNLOAD
    assert dict(build_of(made, "p").permissions) == READ


@pytest.mark.parametrize("code_type", sorted(CODE_TYPES))
def test_a_component_without_a_deployment_has_no_login(code_type: str) -> None:
    """This also holds for code types that do not deploy by default, as Python and Docker."""
    component = settings(code_type, deploy="")
    made = plan(components={"x": component}, environments=DEV, cloud="aws")
    assert not made.deploys
    assert made.builds and not [b for b in made.builds if "aws" in str(b.login)]
    usual = plan(components={"x": {"code_type": code_type}}, environments=DEV, cloud="aws")
    deploys = bool(CODE_TYPES[code_type].jobs["deploy"].command)
    assert [d.cloud for d in usual.deploys] == ["aws"] * deploys


@pytest.mark.parametrize("own", CLOUDS)
@pytest.mark.parametrize("common", CLOUDS)
def test_cloud_of_a_component_takes_precedence(common: str, own: str) -> None:
    """It counts for deployments. The registry stays that of the common cloud."""
    for code_type in CODE_TYPES:
        answers: dict[str, Any] = {
            "components": {"x": settings(code_type, cloud=own)},
            "environments": DEV,
        }
        registry = REGISTRY_OF.get(common, "ghcr.io")
        made, alone = plan(**answers, cloud=common, registry=registry), plan(**answers, cloud=own)
        assert made.deploys == alone.deploys
        cloud = common if code_type == "docker" and common != "none" else ""
        assert build_of(made, "x").cloud == cloud
        assert deploy_of(made, "x").cloud == ("" if own == "none" else own)


LOGINS = {
    "none": [],
    "aws": ["Log in to AWS"],
    "azure": ["Log in to Azure"],
    "gcp": ["Log in to Google Cloud"],
}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_which_steps_log_in(cloud: str) -> None:
    """The login steps of every job, by name and in order. No other job logs in."""
    answers: dict[str, Any] = {
        "components": {name: settings(name) for name in OWN_COMMANDS},
        "environments": DEV,
        "cloud": cloud,
    }
    expected = {f"{name} deploy": LOGINS[cloud] for name in OWN_COMMANDS}
    for name in ("helm", "kubernetes"):
        expected[f"{name} deploy"] = [*LOGINS[cloud], "Get access to the cluster"]
    expected["docker build"] = ["Log in to GitHub's registry"]
    assert logins(plan(**answers)) == {place: names for place, names in expected.items() if names}
    if cloud != "none":
        expected["docker build"] = [*LOGINS[cloud], "Log in to the registry"]
        assert logins(plan(**answers, registry=REGISTRY_OF[cloud])) == expected


def logins(made: Plan) -> dict[str, list[str]]:
    found = {f"{b.component.name} build": step_names(b.login) for b in made.builds}
    found |= {f"{d.component.name} deploy": step_names(d.login) for d in made.deploys}
    return {place: names for place, names in found.items() if names}


@pytest.mark.parametrize("cloud", REGISTRY_OF)
def test_a_build_that_pushes_to_a_cloud_has_an_environment(cloud: str) -> None:
    """The cloud trusts the job by its environment. No approval is needed to push."""
    made = plan(
        code_types=["docker", "python"],
        components={"web": {"code_type": "docker"}, "off": {"code_type": "docker", "build": ""}},
        cloud=cloud,
        registry=REGISTRY_OF[cloud],
    )
    found = {b.component.name: (b.environment, b.cloud, b.pushes) for b in made.builds}
    pushes, not_so = ("registry", cloud, True), ("", "", False)
    assert found == {"docker": pushes, "web": pushes, "python": not_so, "off": not_so}
    pushing = {call.id for o in made.orchestrators for call in o.builds if "push" in call.inputs}
    assert pushing == {"docker-build", "web-build"}


# Secrets and variables ---------------------------------------------------------------------------


def test_kubernetes_without_a_cloud_reads_its_secret_only_to_deploy() -> None:
    made = plan(code_types=["kubernetes"])
    assert build_of(made, "kubernetes").secrets == ()
    deploy = deploy_of(made, "kubernetes")
    assert deploy.secrets == ("KUBE_CONFIG",)
    # Only the step that writes a file reads the secret; the command does not get it.
    assert "KUBE_CONFIG" not in variables_of(made, "kubernetes", "deploy")
    (step,) = (step for text in deploy.login for step in yaml.safe_load(text))
    assert step["env"]["ACCESS"] == "${{ secrets.KUBE_CONFIG }}"
    for orchestrator in made.orchestrators:
        handed = {call.id: call.secrets for call in orchestrator.deployments}
        assert handed == {f"kubernetes-{orchestrator.environment.name}": ("KUBE_CONFIG",)}
        assert not [call for call in orchestrator.builds if call.secrets]


@pytest.mark.parametrize("cloud", REGISTRY_OF)
def test_kubernetes_in_a_cloud_reads_no_secret(cloud: str) -> None:
    for answers in (
        {"code_types": ["kubernetes"], "cloud": cloud},
        {"components": {"kubernetes": {"cloud": cloud}}},
    ):
        made = plan(**answers)
        assert not [w for w in (*made.builds, *made.deploys) if w.secrets]


def test_the_secret_of_the_cluster_is_added_to_own_secrets() -> None:
    """If `secrets` names it as well, the command gets it, too."""
    for own, expected in [
        (["TOKEN"], ("TOKEN", "KUBE_CONFIG")),
        (["KUBE_CONFIG", "TOKEN"], ("KUBE_CONFIG", "TOKEN")),
    ]:
        made = plan(components={"kubernetes": {"secrets": own}})
        assert deploy_of(made, "kubernetes").secrets == expected
        found = variables_of(made, "kubernetes", "deploy")
        assert {name: found[name] for name in own} == {n: f"${{{{ secrets.{n} }}}}" for n in own}


ARM = {
    "ARM_USE_OIDC": "true",
    "ARM_CLIENT_ID": "${{ vars.AZURE_CLIENT_ID }}",
    "ARM_TENANT_ID": "${{ vars.AZURE_TENANT_ID }}",
    "ARM_SUBSCRIPTION_ID": "${{ vars.AZURE_SUBSCRIPTION_ID }}",
}


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("code_type", ["opentofu", "terraform"])
def test_terraform_gets_variables_to_log_in_to_azure(code_type: str, cloud: str) -> None:
    made = plan(code_types=[code_type, "kubernetes"], environments=DEV, cloud=cloud)
    for workflow in (*made.builds, *made.deploys):
        name, deploys = workflow.component.name, isinstance(workflow, DeployWorkflow)
        commands = (
            (workflow.command,) if isinstance(workflow, DeployWorkflow) else workflow.commands
        )
        for command in commands:
            wanted = cloud == "azure" and name == code_type and deploys
            read = {**workflow.variables, **command.variables}
            found = {n: value for n, value in read.items() if n.startswith("ARM_")}
            assert found == (ARM if wanted else {})


# What a code type gives a command -> the answers, the job, the variable, and its value.
GIVEN: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "the name of an image": (
        {"components": {"x": {"code_type": "docker"}}},
        "build",
        "IMAGE",
        "ghcr.io/o/r/x",
    ),
    "whose cache": ({"components": {"x": {"code_type": "docker"}}}, "test", "COMPONENT", "x"),
    "where the cluster's file is": (
        {"components": {"x": {"code_type": "kubernetes"}}},
        "deploy",
        "KUBECONFIG",
        "/t/kubeconfig",
    ),
    "what a cloud adds": (
        {"components": {"x": {"code_type": "terraform"}}, "cloud": "azure"},
        "deploy",
        "ARM_USE_OIDC",
        "true",
    ),
}


@pytest.mark.parametrize("case", GIVEN)
def test_own_variables_take_precedence_over_a_code_types(case: str) -> None:
    answers, command, name, usual = GIVEN[case]
    components = answers["components"]
    own = {**answers, "components": {"x": {**components["x"], "env": {name: "mine"}}}}
    of_environment = [{**DEV[0], "env": {name: "its"}}]
    empty = {**answers, "components": {"x": {**components["x"], "env": {name: ""}}}}
    cases = [
        (answers, DEV, usual),
        (answers, of_environment, "its"),
        (own, DEV, "mine"),
        (own, of_environment, "mine"),
        (empty, of_environment, ""),
    ]
    context = {
        "inputs": {"environment": "dev"},
        "github": {"repository": "o/r"},
        "runner": {"temp": "/t"},
    }
    plans = [plan(**given, environments=environments) for given, environments, _ in cases]
    values = [variables_of(made, "x", command)[name] for made in plans]
    found = evaluated([(value, context) for value in values])
    assert found == [expected for _, _, expected in cases]


def test_an_image_with_another_name_is_pushed_with_the_same_login() -> None:
    image = f"{ECR}/team/front"
    made = plan(components={"docker": {"env": {"IMAGE": image}}}, cloud="aws", registry=ECR)
    assert variables_of(made, "docker", "build")["IMAGE"] == image
    assert (
        build_of(made, "docker").login
        == build_of(plan(code_types=["docker"], cloud="aws", registry=ECR), "docker").login
    )


# The files -----------------------------------------------------------------------------------


def test_shipped_clouds() -> None:
    assert {n: (c.title, bool(c.login)) for n, c in CATALOGUE.clouds.items()} == {
        "none": ("GitHub", False),
        "aws": ("AWS", True),
        "azure": ("Azure", True),
        "gcp": ("Google Cloud", True),
    }
    for cloud in CATALOGUE.clouds.values():
        assert dict(cloud.permissions) == ({"id-token": "write"} if cloud.login else {})


@pytest.mark.parametrize("cloud", CLOUDS)
def test_logins_read_no_secret(cloud: str) -> None:
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


def test_a_valid_file_adds_a_cloud(folder: Path) -> None:
    (folder / "oci.yml").write_text(registry(base="r.example/x"), encoding="utf-8")
    loaded = load_clouds(folder)
    assert {n: cloud for n, cloud in loaded.items() if n != "oci"} == dict(CATALOGUE.clouds)
    assert (loaded["oci"].name, loaded["oci"].title, loaded["oci"].login) == ("oci", "OCI", "")
    assert loaded["oci"].registry.login == "- run: x"
    assert loaded["oci"].registry.base == "r.example/x"
