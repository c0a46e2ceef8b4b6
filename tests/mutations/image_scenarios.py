"""Scenarios of images, clusters and pull requests: a library, an image with it, and a cluster."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import scenarios
import yaml
from generated_repositories import commit, generic, package, with_commands
from images import DOCKERFILE, deployment, with_images
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from scenarios import expect, leave_package, pushed, spare

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
REPOSITORY = f"{REGISTRY}/web"
ANSWERS: dict[str, Any] = {
    "components": {
        **generic(["library"], lint="", test="", security="", deploy=""),
        "web": {"code_type": "docker", "path": "web", "test": ""},
        "cluster": {"code_type": "kubernetes", "path": "k8s", "lint": "", "security": ""},
    },
    "dependency_map": [
        {
            "code_type": "web",
            "depends_on": "library",
            "artifacts": [{"name": "package.txt", "to": "web/package.txt"}],
        },
        {"code_type": "cluster", "depends_on": "web"},
    ],
    "environments": [
        {"name": "dev", "branch": "develop"},
        {"name": "prd", "after": "dev", "env": {"KUBERNETES_NAMESPACE": "shop"}},
    ],
    "cloud": "aws",
    "registry": REGISTRY,
}
FILES = {
    "parts/library/README.md": "library\n",
    "web/Dockerfile": DOCKERFILE,
    "k8s/web.yaml": deployment("web", "web"),
}
CHECK = "pull-request-checks"
TAKEN, BUILT, RENDERED = (f"{name}-build / build" for name in ("library", "web", "cluster"))
DEPLOYED, IN_PRODUCTION = "cluster-dev / deploy", "cluster-prd / deploy"
JOBS = ("changes", scenarios.SUMMARY, CHECK, TAKEN, BUILT, RENDERED, DEPLOYED, IN_PRODUCTION)
REFERENCE = f"{REPOSITORY}@sha256:{'0123456789abcdef' * 4}"


def prepare(github: OfflineGitHub) -> None:
    with_images(with_commands(github))
    github.default_branch = "develop"
    variables = {"AWS_ROLE_ARN": "arn", "AWS_REGION": "eu-west-1", "KUBERNETES_CLUSTER": "c"}
    github.environments = {name: {"vars": variables} for name in ("dev", "prd", "registry")}
    rendered = ["rendered/dev.yaml", "rendered/prd.yaml"]
    github.tools.watch(["package.txt", *rendered], ["KUBECONFIG"])


def only(github: OfflineGitHub, *jobs: str, environment: str = "dev") -> None:
    """Let all jobs but these succeed without running. Builds that do not run leave packages for
    this environment. Production does not follow."""
    spare(github, *({*JOBS} - {*jobs}))
    github.forced_outputs["changes"] = scenarios.everything(github)
    github.forced_conclusions = {"orchestrator-prd.yml": "success"} if environment == "dev" else {}
    manifests = {
        f"rendered/{name}.yaml": deployment("web", REFERENCE).encode() for name in ("dev", "prd")
    }
    github.forced_outputs[BUILT] = {"image": REFERENCE}
    for name, job, files in (
        ("library", TAKEN, {"package.txt": b"of the library\n"}),
        ("web", BUILT, {"docker-image": f"{REFERENCE}\n".encode()}),
        ("cluster", RENDERED, manifests),
    ):
        # In production, the job `changes` promotes it.
        by, output = ("changes", f"{name}-digest") if environment == "prd" else (job, "digest")
        if by not in jobs:
            make = partial(package, files=files)
            leave_package(github, f"{name}-package-{environment}", make, by, output)


def manifest(run: Run, environment: str) -> Any:
    package = run.packages["cluster-package-dev"]
    return yaml.safe_load(package[f"rendered/{environment}.yaml"])


# The scenarios


def image(github: OfflineGitHub) -> None:
    """An image is built, scanned and pushed."""
    only(github, BUILT)
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    docker = [c for c in github.commands() if c.tool in ("docker", "skopeo")]
    did = [command.arguments[0] for command in docker]
    expect("it is built once, scanned and pushed, in that order", did == ["buildx", "run", "copy"])
    build, _, push = docker
    digests = re.findall(r"^(?:scanned|pushed) (\S+)$", run.job(BUILT).log, re.M)
    expect("what was scanned is pushed", len(digests) == 2 and len(set(digests)) == 1)
    expect("all of the image is pushed", "--all --preserve-digests" in push.line)
    expect("the image says how it was built", "--provenance mode=max --sbom true" in build.line)
    expect("what it builds from is there", set(build.files) == {"package.txt"})
    reference = run.packages["web-package-dev"]["docker-image"].decode().strip()
    expect("the package names what was pushed", reference == f"{REPOSITORY}@{digests[0]}")
    expect("the caller learns of the image", run.job("web-build").outputs["image"] == reference)
    docker_logins = [e["job"] for e in github.actions_used("docker/login-action")]
    expect("the push is logged in", docker_logins == [BUILT])
    logins = {e["job"] for e in github.actions_used("aws-actions/configure-aws-credentials")}
    expect("it logs in", logins == {BUILT})
    where = [run.job(job).environment for job in (BUILT, DEPLOYED)]
    expect("each logs in by its environment", where == ["registry", "dev"])
    trusted = {key for key, job in run.jobs.items() if "id-token" in job.permissions}
    expect("clouds trust no other", {key for key in trusted if " / " in key} == {BUILT, DEPLOYED})


def rendered(github: OfflineGitHub) -> None:
    """Manifests are rendered for each environment, with the built image."""
    only(github, RENDERED)
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    files = {name for name in run.packages["cluster-package-dev"] if name.startswith("rendered/")}
    everywhere = {"rendered/dev.yaml", "rendered/prd.yaml"}
    expect("it is rendered for each environment", files == everywhere)
    containers = manifest(run, "dev")["spec"]["template"]["spec"]["containers"]
    expect("the cluster runs what was built", containers[0]["image"] == REFERENCE)
    namespace = manifest(run, "prd")["metadata"].get("namespace")
    expect("prd has what was rendered for it", namespace == "shop")
    validated = {command.arguments[-1] for command in github.commands("uvx")}
    expect("the manifests are validated", validated == everywhere)


def applied(github: OfflineGitHub) -> None:
    """The rendered manifests are applied."""
    only(github, DEPLOYED)
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    logins = {e["job"] for e in github.actions_used("aws-actions/configure-aws-credentials")}
    expect("it logs in", logins == {DEPLOYED})
    deploy = github.commands(job=DEPLOYED)
    expect(
        "the cluster is reached before it is changed",
        deploy[0].line == "aws eks update-kubeconfig --name c",
    )
    paths = {command.environment.get("KUBECONFIG") for command in deploy}
    expect("kubectl uses that access", len(paths) == 1 and None not in paths)
    is_applied = deploy[1].line == "kubectl apply --filename rendered/dev.yaml"
    expect("what was rendered is applied", is_applied and bool(deploy[1].files))
    deadline = re.search(r" --timeout [0-9]+s$", deploy[-1].line)
    expect("the rollout has a deadline", deadline is not None)


def applied_in_production(github: OfflineGitHub) -> None:
    """The manifests for production are applied there."""
    only(github, IN_PRODUCTION, environment="prd")
    run = github.dispatch("orchestrator-prd.yml", "develop")
    expect("prd succeeds", run.conclusion == "success")
    [apply] = [c for c in github.commands("kubectl") if c.arguments[0] == "apply"]
    expect("prd applies that", apply.arguments[-1] == "rendered/prd.yaml")


def flaw(github: OfflineGitHub) -> None:
    """The scan finds a flaw."""
    only(github, BUILT)
    github.fail_tool("docker", "--exit-code 1")
    pushed(github)
    expect("the image is scanned", len(github.commands("docker")) == 2)
    expect("an image with a flaw is not pushed", not github.commands("skopeo"))


def other_image(github: OfflineGitHub) -> None:
    """The manifests run another image."""
    git("switch", "--quiet", "develop", cwd=github.remote.work_tree)
    commit(github.remote.work_tree, {"k8s/web.yaml": deployment("web", "wbe")})
    only(github, RENDERED)
    run = pushed(github)
    expect("manifests of another image are not applied", DEPLOYED not in run.results)


def rollout(github: OfflineGitHub) -> None:
    """The rollout does not finish."""
    only(github, DEPLOYED)
    github.fail_tool("kubectl", "rollout status")
    run = pushed(github)
    expect("a rollout that fails is a failure", run.results[DEPLOYED] == "failure")
    lines = " ".join(c.line for c in github.commands("kubectl", "deploy"))
    expect("its events are shown", "kubectl get events --namespace default" in lines)


def proposed(github: OfflineGitHub, *jobs: str, files: dict[str, str] | None = None) -> Run:
    """A pull request with a change. Only these jobs really run."""
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--create", "change", "develop", cwd=work_tree)
    commit(work_tree, files or {"README.md": "changed\n"})
    only(github, *jobs, environment="pull-request")
    runs = github.pull_request("change", "develop")
    expect("a pull request starts exactly its workflow", len(runs) == 1)
    expect("GitHub accepts the workflow", runs[0].conclusion != "startup_failure")
    return runs[0]


def checked(github: OfflineGitHub) -> None:
    """A pull request is checked with few permissions."""
    run = proposed(github)
    expect("every check succeeds", set(run.results.values()) == {"success"})
    commits = {run.jobs[job.split(" / ")[0]].inputs["commit"] for job in (TAKEN, BUILT, RENDERED)}
    expect("what is checked is the change in its branch", commits == {run.sha})
    levels = {level for job in run.jobs.values() for level in job.permissions.values()}
    expect("the token only reads", levels == {"read"})
    expect("no environment is used", {job.environment for job in run.jobs.values()} == {None})


def checked_image(github: OfflineGitHub) -> None:
    """The check builds an image."""
    run = proposed(github, "changes", BUILT, CHECK)
    expect("every check succeeds", set(run.results.values()) == {"success"})
    build, _ = github.commands("docker")
    expect("what a check builds from is there", set(build.files) == {"package.txt"})
    expect("what is checked is built from the change", run.sha in build.line)
    expect("layers are cached", "--cache-from type=gha,scope=web-pull-request-image" in build.line)
    expect("nothing is pushed", not github.commands("skopeo"))
    expect("nobody logs in", not github.actions_used("docker/login-action"))
    expect("nothing is said of pipelines", run.job(CHECK).summary == "")


def checked_manifests(github: OfflineGitHub) -> None:
    """The check renders manifests."""
    run = proposed(github, RENDERED)
    [artifact] = [a for a in run.artifact_store.values() if a.name.startswith("cluster")]
    rendered = {name for name in artifact.files if name.startswith("rendered/")}
    everywhere = {"rendered/dev.yaml", "rendered/prd.yaml"}
    expect("it is rendered for each environment", rendered == everywhere)
    expect("what a check builds is kept for a day", artifact.retention_days == 1)


def failing_check(github: OfflineGitHub) -> None:
    """One check fails."""
    github.forced_results[BUILT] = "failure"
    run = proposed(github, BUILT, CHECK)
    expect("the required check fails", run.results[CHECK] == "failure")
    expect("it says what failed", "web-build (failure)" in run.job(CHECK).errors[0])


def skipped_check(github: OfflineGitHub) -> None:
    """A check is switched off."""
    github.forced_results[BUILT] = "skipped"
    run = proposed(github, BUILT, CHECK)
    expect("a check that did not run is no success", run.results[CHECK] == "failure")


def changed_pipelines(github: OfflineGitHub) -> None:
    """The pull request changes the graph."""
    files = {}
    for name in ("dev", "prd"):
        file = f".github/workflows/orchestrator-{name}.yml"
        text = (github.remote.work_tree / file).read_text(encoding="utf-8")
        files[file] = text.replace('"cluster": ["web"]', '"x": []')
    run = proposed(github, CHECK, files=files)
    before, _, after = run.job(CHECK).summary.partition("### Graph after")
    expect("the graph before is shown", 'n2["cluster"]:::removed' in before)
    expect("the graph after is shown", 'n2["x"]:::added' in after)


SCENARIOS: dict[str, Callable[[OfflineGitHub], None]] = {
    scenario.__name__: scenario
    for scenario in (
        image,
        rendered,
        applied,
        applied_in_production,
        flaw,
        other_image,
        rollout,
        checked,
        checked_image,
        checked_manifests,
        failing_check,
        skipped_check,
        changed_pipelines,
    )
}
