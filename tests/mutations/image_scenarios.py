"""The same for images, clusters and pull requests: a library goes into an image, which a cluster
runs, in a cloud."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import scenarios
import yaml
from images import DOCKERFILE, deployment, with_images
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from pipelines import commit, generic, with_commands
from scenarios import expect, pushed

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
    "environments": [{"name": "dev", "branch": "develop"}],
    "cloud": "aws",
    "registry": REGISTRY,
}
FILES = {
    "parts/library/README.md": "library\n",
    "web/Dockerfile": DOCKERFILE,
    "k8s/web.yaml": deployment("web", "web"),
}
CHECK = "pull-request-checks"


def prepare(github: OfflineGitHub) -> None:
    with_images(with_commands(github))
    variables = {"AWS_ROLE_ARN": "arn", "AWS_REGION": "eu-west-1", "KUBERNETES_CLUSTER": "c"}
    github.environments = {name: {"vars": variables} for name in ("dev", "registry")}
    github.tools.watch(["package.txt", "rendered.yaml"], ["KUBECONFIG"])


def spare(github: OfflineGitHub, *jobs: str) -> None:
    """Let these jobs succeed without running, where a scenario is not about them."""
    github.forced_results |= dict.fromkeys(jobs, "success")


def running_image(run: Run) -> str:
    manifest = yaml.safe_load(run.artifacts["cluster-package-dev"]["rendered.yaml"])
    image: str = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


# The scenarios


def image(github: OfflineGitHub) -> None:
    """An image is built, pushed and run."""
    spare(github, "web-dev / lint", "web-dev / security")
    run = pushed(github)
    expect("every job succeeds", set(run.results.values()) == {"success"})
    build, _ = github.commands("docker", "web-dev / build")
    line = build.line
    output = f"type=image,name={REPOSITORY},push-by-digest=true,name-canonical=true,push=true"
    expect("the image is pushed by digest", output in build.arguments)
    expect("the image says how it was built", "--provenance mode=max --sbom true" in line)
    expect("what it builds from is there", set(build.files) == {"package.txt"})
    expect("layers are cached", "--cache-from type=gha,scope=web" in line)
    reference = run.artifacts["web-package-dev"]["docker-image"].decode().strip()
    log = run.job("web-dev / build").log
    [digest] = re.findall(r"exporting manifest list (\S+)", log)
    expect("the package names the digest of the build", reference == f"{REPOSITORY}@{digest}")
    expect("the caller learns of the image", run.job("web-dev").outputs["image"] == reference)
    expect("the cluster runs what was built", running_image(run) == reference)
    docker = {entry["job"] for entry in github.actions_used("docker/login-action")}
    expect("the push is logged in", docker == {"web-dev / build"})
    logins = {e["job"] for e in github.actions_used("aws-actions/configure-aws-credentials")}
    expect("exactly two jobs log in", logins == {"web-dev / build", "cluster-dev / deploy"})
    where = [run.job(job).environment for job in sorted(logins)]
    expect("each logs in by its environment", where == ["dev", "registry"])
    deploy = github.commands(job="cluster-dev / deploy")
    expect(
        "the cluster is reached before it is changed",
        deploy[0].line == "aws eks update-kubeconfig --name c",
    )
    paths = {command.environment.get("KUBECONFIG") for command in deploy}
    expect("kubectl uses that access", len(paths) == 1 and None not in paths)
    expect(
        "what was validated is applied",
        deploy[1].line == "kubectl apply --filename rendered.yaml" and bool(deploy[1].files),
    )
    validated = [c.files for c in github.commands("uvx", "cluster-dev / build")]
    expect("the manifests are validated", deploy[1].files in validated)
    deadline = re.search(r" --timeout [0-9]+s$", deploy[-1].line)
    expect("the rollout has a deadline", deadline is not None)


def flaw(github: OfflineGitHub) -> None:
    """The scan finds a flaw."""
    spare(github, "cluster-dev / build", "cluster-dev / deploy", "web-dev / lint")
    github.fail_tool("docker", "--exit-code 1")
    pushed(github)
    pushing = github.commands("docker", "web-dev / build")
    expect("an image with a flaw is not pushed", not pushing)


def other_image(github: OfflineGitHub) -> None:
    """The manifests run another image."""
    spare(github, "web-dev / lint", "web-dev / security")
    git("switch", "--quiet", "develop", cwd=github.remote.work_tree)
    commit(github.remote.work_tree, {"k8s/web.yaml": deployment("web", "wbe")})
    pushed(github)
    applied = github.commands("kubectl", "deploy")
    expect("manifests of another image are not applied", not applied)


def rollout(github: OfflineGitHub) -> None:
    """The rollout does not end."""
    spare(github, "web-dev / lint", "web-dev / security")
    github.fail_tool("kubectl", "rollout status")
    run = pushed(github)
    expect("a rollout that fails is a failure", run.results["cluster-dev / deploy"] == "failure")
    lines = " ".join(c.line for c in github.commands("kubectl", "deploy"))
    expect("its events are shown", "kubectl get events --namespace default" in lines)


def proposed(github: OfflineGitHub, files: dict[str, str]) -> Run:
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--create", "change", "develop", cwd=work_tree)
    commit(work_tree, files)
    runs = github.pull_request("change", "develop")
    expect("a pull request starts exactly its workflow", len(runs) == 1)
    expect("GitHub accepts the workflow", runs[0].conclusion != "startup_failure")
    return runs[0]


def checked(github: OfflineGitHub) -> None:
    """A pull request is checked."""
    spare(github, "web-lint", "web-security")
    github.tool("build", f"sleep 0.5\n{scenarios.BUILD}")  # whoever does not wait finds nothing
    run = proposed(github, {"README.md": "changed\n"})
    expect("every check succeeds", set(run.results.values()) == {"success"})
    [build] = github.commands("docker", "web-build")
    expect("what a check builds from is there", set(build.files) == {"package.txt"})
    expect("nothing is pushed", "push=true" not in build.line)
    reads = all(job.permissions == {"contents": "read"} for job in run.jobs.values())
    expect("the token only reads", reads)
    expect("no environment is used", {job.environment for job in run.jobs.values()} == {None})
    expect("nothing is said of pipelines", run.job(CHECK).summary == "")


def changed_on_the_way(github: OfflineGitHub) -> None:
    """What a check builds from is changed before."""

    def tamper(run: Run, job: str) -> None:
        if job == "web-build":
            [artifact] = run.artifact_store.values()
            artifact.fill({**artifact.files, "package.txt": b"changed\n"})

    spare(github, "web-lint", "web-security")
    github.before_job = tamper
    proposed(github, {"README.md": "changed\n"})
    expect("a changed package is not built from", not github.commands("docker", "web-build"))


def failing_check(github: OfflineGitHub) -> None:
    """One check fails, and it builds nothing."""
    spare(github, "library-build", "web-security", "web-build", "cluster-build")
    github.forced_results["web-lint"] = "failure"
    run = proposed(github, {"README.md": "changed\n"})
    expect("the required check fails", run.results[CHECK] == "failure")
    expect("it says what failed", "web-lint (failure)" in run.job(CHECK).errors[0])


def skipped_check(github: OfflineGitHub) -> None:
    """Somebody switched a check off."""
    spare(github, "library-build", "web-security", "web-build", "cluster-build")
    github.forced_results["web-lint"] = "skipped"
    run = proposed(github, {"README.md": "changed\n"})
    expect("a check that did not run is no success", run.results[CHECK] == "failure")


def changed_pipelines(github: OfflineGitHub) -> None:
    """The pull request changes the graph."""
    spare(github, "library-build", "web-lint", "web-security", "web-build", "cluster-build")
    file = github.remote.work_tree / ".github" / "workflows" / "orchestrator-dev.yml"
    text = file.read_text(encoding="utf-8").replace('"cluster-dev": ["web-dev"]', '"x-dev": []')
    run = proposed(github, {".github/workflows/orchestrator-dev.yml": text})
    before, _, after = run.job(CHECK).summary.partition("### Graph after")
    expect("the graph before is shown", 'n2["cluster"]:::removed' in before)
    expect("the graph after is shown", 'n2["x"]:::added' in after)


SCENARIOS: dict[str, Callable[[OfflineGitHub], None]] = {
    scenario.__name__: scenario
    for scenario in (
        image,
        flaw,
        other_image,
        rollout,
        checked,
        changed_on_the_way,
        failing_check,
        skipped_check,
        changed_pipelines,
    )
}
