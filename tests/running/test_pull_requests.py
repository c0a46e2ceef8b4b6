"""Pull requests are checked and built without credentials, in the order of what takes what."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from copies import copy
from generated_repositories import (
    Made,
    commit,
    digest_of,
    failed,
    generic,
    package,
    reopened,
    skipped,
    with_commands,
)
from images import DOCKERFILE, deployment, with_images
from offline_github import OfflineGitHub, Run
from offline_github.repository import git

CHECK = "pull-request-checks"
ONE_CHECK = {"lint": "", "security": ""}
ANSWERS: dict[str, Any] = {
    "components": {
        **generic(["library"], **ONE_CHECK),
        "web": {"code_type": "docker", "path": "web"},
        "cluster": {"code_type": "kubernetes", "path": "k8s"},
        "infra": {"code_type": "terraform", "path": "infra", "lint": "", "security": ""},
    },
    "dependency_map": [
        {
            "code_type": "web",
            "depends_on": "library",
            "artifacts": [{"name": "package.txt", "to": "web/package.txt"}],
        },
        {"code_type": "cluster", "depends_on": ["web", "infra"]},
        {"code_type": "infra", "depends_on": "library", "artifacts": []},
    ],
    "cloud": "aws",
    "registry": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
}
FILES = {
    "parts/library/README.md": "library\n",
    "web/Dockerfile": f"{DOCKERFILE}FROM scratch AS test\n",
    "infra/main.tf": "",
    "k8s/base/web.yaml": deployment("web", "web"),
    "k8s/base/kustomization.yaml": "resources: [web.yaml]\n",
    **{
        f"k8s/overlays/{name}/kustomization.yaml": f"resources: [../../base]\nnamespace: {name}\n"
        for name in ("dev", "test", "prd")
    },
}
NAMES = ("library", "infra", "web", "cluster")
JOBS = {f"{name}-build / build" for name in NAMES}
CALLS = {f"{name}-build" for name in NAMES}
ENVIRONMENTS = ("dev", "test", "prd")


@pytest.fixture
def github(made: Made, tmp_path: Path) -> OfflineGitHub:
    work_tree = made("checked", ANSWERS, FILES)
    github = with_images(with_commands(reopened(work_tree, tmp_path, ("main", "develop"))))
    github.secrets = {"TOKEN": "of the repository"}
    github.environments = {"dev": {"secrets": {"KUBE_CONFIG": "of dev"}}}
    github.tools.watch(["package.txt"], ["ENVIRONMENT.*", "TOKEN"])
    return github


def proposed(
    github: OfflineGitHub, files: Mapping[str, str], fork: bool = False, base: str = "main"
) -> Run:
    """The run that checks a change, on a branch of its own."""
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--force-create", "change", base, cwd=work_tree)
    commit(work_tree, files)
    [run] = github.pull_request("change", base, fork=fork)
    return run


def only(github: OfflineGitHub, *real: str) -> None:
    """Let these builds run for real, and all others succeed without running."""
    calls = {f"{name}-build / build" for name in real}
    github.forced_results = dict.fromkeys(JOBS - calls, "success")


def test_everything_is_checked_and_nothing_deployed(github: OfflineGitHub) -> None:
    run = proposed(github, {"README.md": "changed\n"})
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    assert run.workflow_file == "pull-request.yml"
    assert run.results == dict.fromkeys({"changes", *CALLS, *JOBS, CHECK}, "success")
    assert len(github.runs) == 1

    # A build waits only if it needs a package.
    order = run.order
    assert order.index("library-build / build") < order.index("web-build / build")
    assert order.index("web-build / build") < order.index("cluster-build / build")
    assert order[-1] == CHECK
    assert set(run.packages) == {
        f"{name}-package-pull-request" for name in ("library", "web", "cluster")
    }
    assert {artifact.retention_days for artifact in run.artifact_store.values()} == {1}
    built = [c for c in github.commands("docker") if c.arguments[:2] == ["buildx", "build"]]
    assert built and all(set(c.files) == {"package.txt"} for c in built)
    # The image is pushed nowhere, and every environment's manifests run it.
    assert github.commands("skopeo") == []
    reference = run.packages["web-package-pull-request"]["docker-image"].decode().strip()
    manifests = run.packages["cluster-package-pull-request"]
    for name in ENVIRONMENTS:
        rendered = yaml.safe_load(manifests[f"rendered/{name}.yaml"])
        assert rendered["metadata"]["namespace"] == name
        assert rendered["spec"]["template"]["spec"]["containers"][0]["image"] == reference

    # No credentials: no secret, no environment, no login, and a read-only token.
    assert {level for job in run.jobs.values() for level in job.permissions.values()} == {"read"}
    assert {job.environment for job in run.jobs.values()} == {None}
    assert all("TOKEN" not in command.environment for command in github.commands())
    used = {entry["tool"] for entry in github.actions_used()}
    assert used == {
        *("astral-sh/setup-uv", "docker/setup-buildx-action", "azure/setup-kubectl"),
        "hashicorp/setup-terraform",
    }
    assert not github.commands("ship")
    assert {c.arguments[0] for c in github.commands("kubectl")} == {"kustomize"}
    assert {c.environment["ENVIRONMENT"] for c in github.commands("docker")} == {"pull-request"}
    assert run.job(CHECK).summary == "", "the pipelines did not change"


def test_a_fork_may_read_what_its_run_needs(github: OfflineGitHub) -> None:
    """One build that takes the package of another."""
    only(github, "library", "web")
    run = proposed(github, {"README.md": "changed\n"}, fork=True)
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    assert set(run.packages) == {"library-package-pull-request", "web-package-pull-request"}
    assert all(job.secrets == [] for job in run.jobs.values())


def test_the_merge_queue_is_checked_too(github: OfflineGitHub) -> None:
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--create", "change", "main", cwd=work_tree)
    commit(work_tree, {"README.md": "changed\n"})
    only(github, "library")
    [run] = github.merge_group("change")
    assert run.results == dict.fromkeys({"changes", *CALLS, *JOBS, CHECK}, "success")


def test_a_failing_check_is_named_and_hides_nothing_else(github: OfflineGitHub) -> None:
    """Only builds that take its package are left out."""
    github.fail_tool("check", "test library")
    run = proposed(github, {"README.md": "changed\n"})
    assert failed(run) == {"library-build", "library-build / build", CHECK}
    assert skipped(run) == {"web-build", "cluster-build"}
    assert run.results["infra-build"] == "success"
    said, _, names = run.job(CHECK).errors[0].partition(": ")
    assert said == "Not all jobs have succeeded, see their logs"
    left_out = {"web-build (skipped)", "cluster-build (skipped)"}
    assert set(names.split(", ")) == {"library-build (failure)", *left_out}


def test_a_manifest_of_one_environment_is_wrong(github: OfflineGitHub) -> None:
    only(github, "cluster")

    def upload(run: Run, key: str) -> None:
        if key == "web-build / build":
            image = f"example.invalid/web@sha256:{'0' * 64}\n".encode()
            files = package(run.sha, {"docker-image": image})
            github.new_artifact(run, "web-package-pull-request").fill(files)
            github.forced_outputs[key] = {"digest": digest_of(files)}

    github.before_job = upload
    text = "resources: [../../base, missing.yaml]\n"
    run = proposed(github, {"k8s/overlays/prd/kustomization.yaml": text})
    assert failed(run) == {"cluster-build", "cluster-build / build", CHECK}
    assert "missing.yaml" in run.job("cluster-build / build").log


def test_a_newer_push_ends_the_older_run_without_success(github: OfflineGitHub) -> None:
    def push_again(run: Run, job: str) -> None:
        github.before_job = None
        commit(github.remote.work_tree, {"README.md": "once more\n"})
        github.pull_request("change")

    github.before_job = push_again
    github.parallel = 1
    only(github, "library")
    run = proposed(github, {"README.md": "changed\n"})
    newer = github.runs[-1]
    assert (run.conclusion, newer.conclusion) == ("cancelled", "success")
    assert run.jobs[CHECK].result != "success"


# When the pipelines change -------------------------------------------------------------------


def answered(github: OfflineGitHub, template: Path, answers: Mapping[str, Any]) -> Run:
    """The run that checks a change of the answers."""
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--force-create", "change", "main", cwd=work_tree)
    shutil.rmtree(work_tree / ".github")
    copy(template, work_tree, {"only_changed": False, **answers})
    commit(work_tree, {})
    [run] = github.pull_request("change")
    return run


def picture(summary: str, heading: str) -> list[str]:
    part = summary.split(f"### {heading}\n")[1].split("classDef")[0]
    return [line.strip() for line in part.splitlines() if line.startswith("  n")]


def test_the_graph_is_shown_before_and_after(github: OfflineGitHub, template: Path) -> None:
    components = dict(ANSWERS["components"])
    del components["infra"]
    components.update(generic(["extra"], **ONE_CHECK))
    mapped = [e for e in ANSWERS["dependency_map"][:1]]
    mapped += [{"code_type": "cluster", "depends_on": ["web", "extra"]}]
    github.forced_results = dict.fromkeys([*JOBS, "extra-build / build"], "success")
    run = answered(
        github, template, {**ANSWERS, "components": components, "dependency_map": mapped}
    )
    assert run.conclusion == "success", run.job(CHECK).log
    summary = run.job(CHECK).summary
    assert summary.startswith("## This pull request changes the pipelines\n")
    assert picture(summary, "Graph before") == [
        'n0["library"]',
        'n1["infra"]:::removed',
        'n2["web"]',
        'n3["cluster"]',
        *("n0 --> n1", "n0 --> n2", "n1 --> n3", "n2 --> n3"),
    ]
    assert picture(summary, "Graph after") == [
        'n0["extra"]:::added',
        'n1["library"]',
        'n2["web"]',
        'n3["cluster"]',
        *("n1 --> n2", "n0 --> n3", "n2 --> n3"),
    ]
    rows = re.findall(r"^\| (\.\S+) \| (\w+) \|$", summary, re.MULTILINE)
    words = {file.rpartition("workflows/")[2]: word for file, word in rows}
    setup = [
        f".github/actions/setup-terraform/{name}"
        for name in ("action.yml", "changes.jq", "lint.sh", "plan.sh", "setup.sh")
    ]
    assert words == {
        ".copier-answers.yml": "changed",
        **{f"orchestrator-{name}.yml": "changed" for name in ENVIRONMENTS},
        **{f"extra-{name}.yml": "added" for name in (*ENVIRONMENTS, "build", "deploy")},
        **{f"infra-{name}.yml": "removed" for name in (*ENVIRONMENTS, "build", "deploy")},
        **dict.fromkeys(["cluster-build.yml", "cluster-deploy.yml"], "changed"),
        **dict.fromkeys(setup, "removed"),
        "pull-request.yml": "changed",
        ".github/actions/what-changed/components.json": "changed",
    }


# Secrets --------------------------------------------------------------------------------------


def test_a_build_that_is_handed_secrets_is_left_out(made: Made, tmp_path: Path) -> None:
    """Also builds that need its package. The required check waits for neither."""
    answers = {
        "components": {
            **generic(["secret"], **ONE_CHECK, secrets=["TOKEN"]),
            **generic(["upon", "beside"], **ONE_CHECK),
        },
        "dependency_map": {"upon": "secret"},
    }
    folders = {f"parts/{name}/README.md": "\n" for name in ("secret", "upon", "beside")}
    work_tree = made("secrets", answers, folders)
    github = with_commands(reopened(work_tree, tmp_path, ("main",)))
    run = proposed(github, {"README.md": "changed\n"})
    builds = ("secret-build", "beside-build")
    jobs = {"changes", CHECK, *builds, *(f"{build} / build" for build in builds)}
    assert run.results == dict.fromkeys(jobs, "success")
    checked = {(c.job, *c.arguments[0].split()[:1]) for c in github.commands("check")}
    assert checked == {(f"{build} / build", "test") for build in builds}
    assert set(run.packages) == {"beside-package-pull-request"}
    for file in (".github/workflows/pull-request.yml", "docs/ci-cd.md"):
        text = (work_tree / file).read_text(encoding="utf-8")
        assert "secret has no build in pull requests: it is handed secrets." in text
        assert "upon is not checked in pull requests: it needs the package of secret." in text
