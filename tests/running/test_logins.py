"""Jobs log in by OIDC, with the variables of their environment: those that deploy or push, and no
others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from generated_repositories import commit, failed, start
from images import DOCKERFILE, deployment, with_images

FILES = {
    "web/Dockerfile": DOCKERFILE,
    "k8s/web.yaml": deployment("web", "web"),
    "infra/main.tf": "",
    "app/README.md": "deploys without a cloud\n",
}
COMPONENTS = {
    "web": {"code_type": "docker", "path": "web"},
    "cluster": {"code_type": "kubernetes", "path": "k8s"},
    "infra": {"code_type": "terraform", "path": "infra"},
    "app": {"code_type": "generic", "path": "app", "deploy": "true", "cloud": "none"},
}
DEPLOYING = {"cluster-dev / deploy", "infra-dev / deploy"}
PUSHING = "web-build / build"

# For each cloud: the registry, the name of an image, the action that logs in, the variables of an
# environment, the action's inputs from them, and how the cluster is reached.
CLOUDS: dict[str, dict[str, Any]] = {
    "aws": {
        "registry": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop",
        "action": "aws-actions/configure-aws-credentials",
        "variables": {"AWS_ROLE_ARN": "arn:{0}", "AWS_REGION": "eu-west-1"},
        "inputs": {"role-to-assume": "arn:{0}", "aws-region": "eu-west-1"},
        "cluster": ["aws eks update-kubeconfig --name cluster-of-dev"],
        "docker": {"registry": "123456789012.dkr.ecr.eu-west-1.amazonaws.com"},
    },
    "azure": {
        "registry": "shopimages.azurecr.io",
        "action": "azure/login",
        "variables": {
            "AZURE_CLIENT_ID": "client of {0}",
            "AZURE_TENANT_ID": "tenant",
            "AZURE_SUBSCRIPTION_ID": "subscription",
            "KUBERNETES_RESOURCE_GROUP": "group",
        },
        "inputs": {
            "client-id": "client of {0}",
            "tenant-id": "tenant",
            "subscription-id": "subscription",
        },
        "cluster": [
            "az aks get-credentials --resource-group group --name cluster-of-dev --file KUBECONFIG",
            "az account get-access-token --resource 6dae42f8-4368-4678-94ff-3960e28e3630 "
            "--query accessToken --output tsv",
        ],
        "docker": None,
    },
    "gcp": {
        "registry": "europe-west1-docker.pkg.dev/project/images",
        "action": "google-github-actions/auth",
        "variables": {
            "GCP_WORKLOAD_IDENTITY_PROVIDER": "provider",
            "GCP_SERVICE_ACCOUNT": "account of {0}",
            "KUBERNETES_LOCATION": "europe-west1",
        },
        "inputs": {
            "workload_identity_provider": "provider",
            "service_account": "account of {0}",
        },
        "cluster": [
            "gcloud container clusters get-credentials cluster-of-dev --location europe-west1",
            "gcloud auth print-access-token",
        ],
        "docker": {
            "registry": "europe-west1-docker.pkg.dev",
            "username": "oauth2accesstoken",
        },
    },
}
PUSH_INPUTS = {"gcp": {"token_format": "access_token", "create_credentials_file": "false"}}


def variables(cloud: str, environment: str) -> dict[str, str]:
    given = CLOUDS[cloud]["variables"]
    texts = {name: text.format(environment) for name, text in given.items()}
    return {**texts, "KUBERNETES_CLUSTER": f"cluster-of-{environment}"}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_exactly_the_jobs_that_need_it_log_in(cloud: str, template: Path, tmp_path: Path) -> None:
    answers = {
        "components": COMPONENTS,
        "dependency_map": {"cluster": ["web"], "infra": [], "web": []},
        "environments": [{"name": "dev", "branch": "main"}],
        "cloud": cloud,
        "registry": CLOUDS[cloud]["registry"],
    }
    github = with_images(start(template, tmp_path, answers, FILES))
    github.environments = {name: {"vars": variables(cloud, name)} for name in ("dev", "registry")}
    github.tools.watch([], ["KUBECONFIG", "ARM_.*"])
    [run] = github.push("main")
    assert run.conclusion == "success", {k: j.errors for k, j in run.jobs.items() if j.errors}

    # Each with the variables of its own GitHub Environment, which the cloud trusts.
    logins = {
        login["job"]: login["inputs"] for login in github.actions_used(CLOUDS[cloud]["action"])
    }
    assert set(logins) == {*DEPLOYING, PUSHING}
    for job, inputs in logins.items():
        environment = "registry" if job == PUSHING else "dev"
        assert run.job(job).environment == environment
        expected = {k: v.format(environment) for k, v in CLOUDS[cloud]["inputs"].items()}
        extra = PUSH_INPUTS.get(cloud, {}) if job == PUSHING else {}
        assert inputs == {**expected, **extra}

    with_token = {key for key, job in run.jobs.items() if "id-token" in job.permissions}
    callers = {job.split(" / ")[0] for job in logins}
    assert with_token == {*logins, *callers}
    assert not [job for job in run.jobs.values() if job.permissions.get("packages")]
    assert {job.environment for job in run.jobs.values()} == {None, "dev", "registry"}
    assert all(not job.secrets for job in run.jobs.values())

    # The image goes to the cloud's registry.
    reference = run.packages["web-package-dev"]["docker-image"].decode()
    assert reference.startswith(f"{CLOUDS[cloud]['registry']}/web@sha256:")
    docker = [login["inputs"] for login in github.actions_used("docker/login-action")]
    expected_docker = CLOUDS[cloud]["docker"]
    assert [{k: i[k] for k in expected_docker or {}} for i in docker] == (
        [expected_docker] if expected_docker else []
    )
    by_hand = [c.line for c in github.commands("az", PUSHING)]
    assert by_hand == (["az acr login --name shopimages"] if cloud == "azure" else [])
    # The job logs in after the scan, right before the push.
    steps = list(run.job(PUSHING).steps)
    assert (
        steps.index("Security scan") < steps.index("Log in to the registry") < steps.index("Build")
    )

    # The cluster is reached by the login: kubectl reads the file that it wrote.
    deploy = github.commands(job="cluster-dev / deploy")
    paths = {command.environment["KUBECONFIG"] for command in deploy}
    [kubeconfig] = paths
    lines = [c.line.replace(kubeconfig, "KUBECONFIG") for c in deploy if c.tool != "kubectl"]
    assert lines == CLOUDS[cloud]["cluster"]
    kubectl = [c.arguments[:2] for c in deploy if c.tool == "kubectl"]
    by_token = [["config", "set-credentials"], ["config", "set-context"]]
    assert kubectl[: len(kubectl) - 3] == ([] if cloud == "aws" else by_token)

    # Terraform's azurerm provider logs in by itself.
    apply = github.commands("terraform", "infra-dev / deploy")[-1]
    arm = {k: v for k, v in apply.environment.items() if k.startswith("ARM_")}
    assert arm == (
        {
            "ARM_USE_OIDC": "true",
            "ARM_CLIENT_ID": "client of dev",
            "ARM_TENANT_ID": "tenant",
            "ARM_SUBSCRIPTION_ID": "subscription",
        }
        if cloud == "azure"
        else {}
    )


def test_a_login_that_is_not_trusted_deploys_nothing(template: Path, tmp_path: Path) -> None:
    """The job that deploys lacks its permissions: the login fails before any command."""
    answers = {
        "components": {"infra": COMPONENTS["infra"]},
        "environments": [{"name": "dev", "branch": "main"}],
        "cloud": "aws",
    }
    github = with_images(start(template, tmp_path, answers, FILES))
    work_tree = github.remote.work_tree
    workflow = work_tree / ".github" / "workflows" / "infra-deploy.yml"
    text = workflow.read_text(encoding="utf-8")
    line = "      id-token: write # logs in by OIDC\n"
    assert text.count(line) == 1
    workflow.write_text(text.replace(line, ""), encoding="utf-8")

    commit(work_tree, {})
    github.environments = {"dev": {"vars": variables("aws", "dev")}}
    [run] = github.push("main")
    assert failed(run) == {"infra-dev", "infra-dev / deploy", "deployment-summary"}
    assert "id-token: write" in run.job("infra-dev / deploy").errors[0]
    assert github.commands("terraform", "deploy") == []
