"""Pull requests are checked without credentials, in the order of what is built from what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from copies import copy
from images import DOCKERFILE, deployment, with_images
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from pipelines import Made, commit, failed, generic, reopened, skipped, with_commands

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
JOBS = {
    *("library-test", "library-build", "infra-test"),
    *("web-lint", "web-test", "web-security", "web-build"),
    *("cluster-lint", "cluster-security", "cluster-build"),
}


@pytest.fixture
def github(made: Made, tmp_path: Path) -> OfflineGitHub:
    work_tree = made("checked", ANSWERS, FILES)
    github = with_images(with_commands(reopened(work_tree, tmp_path, ("main", "develop"))))
    github.secrets = {"TOKEN": "of the repository"}
    github.environments = {"dev": {"secrets": {"KUBE_CONFIG": "of dev"}}}
    github.tools.watch(["package.txt", "rendered.yaml"], ["ENVIRONMENT.*", "TOKEN"])
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


@pytest.mark.parametrize("fork", [False, True], ids=["own branch", "fork"])
def test_everything_is_checked_and_nothing_deployed(github: OfflineGitHub, fork: bool) -> None:
    run = proposed(github, {"README.md": "changed\n"}, fork)
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    assert run.workflow_file == "pull-request.yml"
    assert set(run.jobs) == JOBS | {CHECK}
    assert set(run.results.values()) == {"success"}

    # In order only where a package is needed.
    order = run.order
    for first, then in [
        *(("library-build", f"web-{job}") for job in ("test", "security", "build")),
        ("web-build", "cluster-build"),
    ]:
        assert order.index(first) < order.index(then)
    assert order[-1] == CHECK
    assert set(run.artifacts) == {
        f"{name}-package-pull-request" for name in ("library", "web", "cluster")
    }
    built = [c for c in github.commands("docker") if c.arguments[:2] == ["buildx", "build"]]
    assert len(built) == 3 and all(set(c.files) == {"package.txt"} for c in built)
    # Every environment's manifests run the image that was built, which is pushed nowhere.
    reference = run.artifacts["web-package-pull-request"]["docker-image"].decode().strip()
    rendered = [c.files for c in github.commands("uvx", "cluster-build")]
    assert len({files["rendered.yaml"] for files in rendered}) == 3
    last = yaml.safe_load(run.artifacts["cluster-package-pull-request"]["rendered.yaml"])
    assert last["metadata"]["namespace"] == "prd"
    assert last["spec"]["template"]["spec"]["containers"][0]["image"] == reference
    [build] = github.commands("docker", "web-build")
    assert f"type=image,name={reference.split('@')[0]},push=false" in build.arguments

    # No credentials: no secret, no environment, no login, and a token that reads.
    assert all(job.permissions == {"contents": "read"} for job in run.jobs.values())
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
    assert len(github.runs) == 1


def test_the_merge_queue_is_checked_too(github: OfflineGitHub) -> None:
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--create", "change", "main", cwd=work_tree)
    commit(work_tree, {"README.md": "changed\n"})
    github.forced_results = dict.fromkeys(JOBS - {"library-build"}, "success")
    [run] = github.merge_group("change")
    assert (run.conclusion, set(run.jobs)) == ("success", JOBS | {CHECK})


def test_a_failing_check_is_named_and_hides_nothing_else(github: OfflineGitHub) -> None:
    github.fail_tool("check", "test library")
    github.fail_tool("docker", "--exit-code 1")
    run = proposed(github, {"README.md": "changed\n"})
    assert failed(run) == {"library-test", "web-security", CHECK}
    assert skipped(run) == set()
    said = run.job(CHECK).errors[0]
    assert said == "Not successful: library-test (failure), web-security (failure)"


def test_what_cannot_be_built_is_not_built_upon(github: OfflineGitHub) -> None:
    github.tool("build", "exit 1")
    run = proposed(github, {"README.md": "changed\n"})
    assert failed(run) == {"library-build", CHECK}
    assert skipped(run) == {"web-test", "web-security", "web-build", "cluster-build"}
    message = run.job(CHECK).errors[0]
    assert message.startswith("Not successful: ") and "cluster-build (skipped)" in message


def test_a_manifest_of_one_environment_is_wrong(github: OfflineGitHub) -> None:
    github.forced_results = dict.fromkeys(
        JOBS - {"library-build", "web-build", "cluster-build"}, "success"
    )
    text = "resources: [../../base, missing.yaml]\n"
    run = proposed(github, {"k8s/overlays/prd/kustomization.yaml": text})
    assert failed(run) == {"cluster-build", CHECK}


def test_a_newer_push_ends_the_older_run_without_success(github: OfflineGitHub) -> None:
    def push_again(run: Run, job: str) -> None:
        github.before_job = None
        commit(github.remote.work_tree, {"README.md": "once more\n"})
        github.pull_request("change")

    github.before_job = push_again
    github.parallel = 1
    github.forced_results = dict.fromkeys(JOBS - {"library-test"}, "success")
    run = proposed(github, {"README.md": "changed\n"})
    newer = github.runs[-1]
    assert (run.conclusion, newer.conclusion) == ("cancelled", "success")
    assert run.jobs[CHECK].result != "success"


# When the pipelines change -------------------------------------------------------------------


def answered(github: OfflineGitHub, template: Path, answers: Mapping[str, Any]) -> Run:
    """The run that checks a change of the answers."""
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--force-create", "change", "main", cwd=work_tree)
    for file in (work_tree / ".github" / "workflows").iterdir():
        file.unlink()
    copy(template, work_tree, answers)
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
    github.forced_results = dict.fromkeys([*JOBS, "extra-test", "extra-build"], "success")
    run = answered(
        github, template, {**ANSWERS, "components": components, "dependency_map": mapped}
    )
    assert run.conclusion == "success", run.job(CHECK).log
    summary = run.job(CHECK).summary
    assert summary.startswith("## This change is one of the pipelines\n")
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
    rows = dict(
        line.strip("| ").split(" | ") for line in summary.splitlines() if line.startswith("| `")
    )
    words = {file.strip("`").rpartition("/")[2]: word for file, word in rows.items()}
    assert words == {
        ".copier-answers.yml": "changed",
        **{f"orchestrator-{e}.yml": "changed" for e in ("dev", "test", "prd")},
        **{f"cluster-{e}.yml": "changed" for e in ("dev", "test", "prd")},
        **{f"extra-{e}.yml": "added" for e in ("dev", "test", "prd")},
        **{f"infra-{e}.yml": "removed" for e in ("dev", "test", "prd")},
        "pull-request.yml": "changed",
    }


def test_the_first_pipelines_have_no_graph_before(github: OfflineGitHub) -> None:
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "main", cwd=work_tree)
    git("rm", "-r", "--quiet", ".github", cwd=work_tree)
    commit(work_tree, {})
    github.remote.push("refs/heads/main")
    git("switch", "--quiet", "--create", "change", cwd=work_tree)
    git("revert", "--no-edit", "HEAD", cwd=work_tree)
    github.forced_results = dict.fromkeys(JOBS, "success")
    [run] = github.pull_request("change")
    assert run.conclusion == "success", run.job(CHECK).log
    summary = run.job(CHECK).summary
    assert "### Graph before\n\nThere is none.\n" in summary
    assert picture(summary, "Graph after")[:2] == [
        'n0["library"]:::added',
        'n1["infra"]:::added',
    ]


@pytest.mark.parametrize(
    "graph",
    ["{broken}", '{"a-dev": 1}', '{"<img>`|-dev": ["x\\"]-dev"], "a-dev": ["b-dev"]}'],
    ids=["not JSON", "not a graph", "names that are none"],
)
def test_what_a_fork_writes_into_the_graph_is_only_read(github: OfflineGitHub, graph: str) -> None:
    text = f"name: x\non: [workflow_dispatch]\njobs: {{}}\n#\n          GRAPH: '{graph}'\n"
    files = {f".github/workflows/orchestrator-{name}.yml": text for name in ("dev", "test", "prd")}
    github.forced_results = dict.fromkeys(JOBS, "success")
    run = proposed(github, files, fork=True)
    assert run.conclusion == "success", run.job(CHECK).log
    after = run.job(CHECK).summary.split("### Graph after\n")[1].split("| File")[0]
    assert not set("<>`|") & set(after.replace("-->", "").replace("```", ""))


# Secrets --------------------------------------------------------------------------------------


def test_a_build_that_is_handed_secrets_is_left_out(made: Made, tmp_path: Path) -> None:
    """And what needs its package; the required check does not wait for either."""
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
    assert run.conclusion == "success"
    assert set(run.jobs) == {
        *("secret-test", "upon-test", "beside-test", "beside-build"),
        CHECK,
    }
    for file in (".github/workflows/pull-request.yml", "docs/ci-cd.md"):
        text = (work_tree / file).read_text(encoding="utf-8")
        assert "secret has no build in pull requests: it is handed secrets." in text
        assert "upon has no build in pull requests: it needs the package of secret." in text
