"""Plans of Kubernetes, Helm and the CDK, up to a deployment.

kubectl renders and reads files for real. Stubs stand in for a cluster, for Helm and for the CDK.
What they deploy lies in the folder `deployed`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import toolbox
from generated_repositories import Made, commit, failed, reopened
from offline_github import OfflineGitHub, Run

UNCHECKED: dict[str, Any] = {"lint": "", "test": "", "security": "", "plan": True}
ANSWERS: dict[str, Any] = {
    "components": {
        "cluster": {"code_type": "kubernetes", "path": "cluster", **UNCHECKED},
        "chart": {"code_type": "helm", "path": "chart", **UNCHECKED},
        "stacks": {"code_type": "cdk", "path": "stacks", **UNCHECKED},
    },
    "dependency_map": {"cluster": [], "chart": [], "stacks": []},
    "branching": "custom",
    "environments": [{"name": "prd", "branch": "main", "production": True}],
    "only_changed": True,
}


def settings(name: str, value: str) -> str:
    head = f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"
    return f"{head}data: {{a: '{value}'}}\n"


def secret(value: str) -> str:
    head = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: database}\n"
    return f"{head}stringData: {{password: hunter{value}}}\n"


FILES = {
    "cluster/all.yaml": settings("one", "1") + secret("1"),
    "chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.2.3\n",
    "chart/templates/all.yaml": settings("one", "1") + settings("two", "1") + secret("1"),
    "stacks/cdk.json": '{"app": "true"}',
    "stacks/stack.txt": "AWS::SNS::Topic Topic\nAWS::SQS::Queue Queue\n",
}
CHANGED = {
    "cluster/all.yaml": settings("one", "2") + secret("2"),
    "chart/templates/all.yaml": settings("one", "2") + secret("2"),
    "stacks/stack.txt": "AWS::SNS::Topic Topic\nAWS::SNS::Topic Other\n",
}
TABLES = {
    "cluster": ["| changed | ConfigMap one |", "| changed | Secret database |"],
    "chart": [
        "| 💥 destroyed | ConfigMap two |",
        "| changed | ConfigMap one |",
        "| changed | Secret database |",
    ],
    "stacks": [
        "| 💥 destroyed | Site AWS::SQS::Queue Queue |",
        "| created | Site AWS::SNS::Topic Other |",
    ],
}
# Each keeps what it deploys, and answers from that.
TOOLS = {
    "kubectl": """\
annotation=kubectl.kubernetes.io/last-applied-configuration
case "$*" in
  kustomize* | patch*) exec {kubectl} "$@" ;;
  "get --ignore-not-found"*) cat {deployed}/cluster 2> /dev/null || true ;;
  apply*)
    {kubectl} patch --local --type merge --patch '{{}}' --output json --filename "$3" |
      jq --arg name "$annotation" '.metadata.annotations[$name] = tojson' > {deployed}/cluster
    ;;
esac
""",
    "helm": """\
case "$1 $2" in
  package*) mkdir -p chart && touch chart/chart-1.2.3.tgz ;;
  template*) cat templates/all.yaml ;;
  "get manifest")
    if [ ! -f {deployed}/chart ]; then echo 'Error: release: not found' >&2 && exit 1; fi
    cat {deployed}/chart
    ;;
  upgrade*) cp "chart/$ENVIRONMENT/rendered.yaml" {deployed}/chart ;;
esac
""",
    "npx": """\
touch {deployed}/stacks
case "$*" in
  *--version) echo 2.1000.1 ;;
  *" synth "*) mkdir -p "${{*: -1}}" && cp stack.txt "${{*: -1}}" ;;
  *" diff "*)
    printf 'Stack Site\\nResources\\n'
    diff {deployed}/stacks "cdk.out/$ENVIRONMENT/stack.txt" |
      sed -nE 's/^> /[+] /p; s/^< (.*)/[-] \\1 destroy/p'
    ;;
  *" deploy "*) cp "cdk.out/$ENVIRONMENT/stack.txt" {deployed}/stacks ;;
esac
""",
}
DEPLOYS = {"kubectl": "apply", "helm": "upgrade", "npx": "deploy"}


def opened(work_tree: Path, folder: Path, branches: tuple[str, ...]) -> OfflineGitHub:
    github = reopened(work_tree, folder, branches)
    deployed = folder / "deployed"
    deployed.mkdir(exist_ok=True)
    kubectl = toolbox.script("kubectl")
    for name, script in TOOLS.items():
        text = script.format(deployed=deployed, kubectl=kubectl)
        github.tools.then(name, f"#!/usr/bin/env bash\n{text}")
    for name in ("uv", "uvx"):
        github.tool(name)
    access = {"secrets": {"KUBE_CONFIG": "kind: Config # hunter0"}}
    github.environments |= {"prd": access, "prd-plan": access}
    github.environments["prd-approval"] = {"reviewers": ["lead"]}
    return github


@pytest.fixture(scope="module")
def first(made: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[OfflineGitHub, Path]:
    """A repository whose first push is deployed, and its folder."""
    folder = tmp_path_factory.mktemp("clusters")
    github = opened(made("clusters", ANSWERS, FILES), folder, ())
    [run] = github.push("main")
    assert [table(run, name)[0] for name in TABLES] == [
        "| created | ConfigMap one |",
        "| created | ConfigMap one |",
        "| created | Site AWS::SNS::Topic Topic |",
    ]
    github.approve(run)
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    assert deployed(github, run) == set(DEPLOYS)
    return github, folder


@pytest.fixture
def github(first: tuple[OfflineGitHub, Path], tmp_path: Path) -> Iterator[OfflineGitHub]:
    """The same repository after that, for this test alone."""
    before, folder = first
    shutil.copytree(folder / "deployed", tmp_path / "deployed")
    github = opened(before.remote.work_tree, tmp_path, ("main",))
    github.go_on_from(before)
    yield github
    for run in (*before.runs, *github.runs):
        for key, job in run.jobs.items():
            assert "hunter" not in job.log + job.summary, key
        for name, files in run.artifacts.items():
            if name.endswith("-changes-prd"):
                assert not any(b"hunter" in content for content in files.values())


def changed(github: OfflineGitHub, files: Mapping[str, str]) -> Run:
    commit(github.remote.work_tree, files)
    [run] = github.push("main")
    return run


def table(run: Run, name: str) -> list[str]:
    """The changes of a component that were shown."""
    text = unescape(run.job(f"{name}-prd-plan / plan").summary.partition("<details>")[0])
    return [line for line in text.split("\n") if line.startswith("| ") and "---" not in line][1:]


def deployed(github: OfflineGitHub, run: Run) -> set[str]:
    """The tools that have deployed something in a run."""
    return {
        tool
        for tool, verb in DEPLOYS.items()
        for call in github.commands(tool)
        if call.run == run.id and verb in call.arguments
    }


def test_other_changes_than_those_that_were_shown(github: OfflineGitHub, tmp_path: Path) -> None:
    """Somebody deploys something else while the run waits for its approval."""
    run = changed(github, CHANGED)
    assert {name: table(run, name) for name in TABLES} == TABLES
    assert deployed(github, run) == set()
    full = run.job("chart-prd-plan / plan").summary.partition("<details>")[2]
    assert '-  a: "1"\n+  a: "2"\n' in full and "+  password: (hidden, changed)\n" in full
    now = tmp_path / "deployed"
    for name, before, after in (
        ("cluster", '"1\\', '"3\\'),
        ("chart", "name: two", "name: three"),
        ("stacks", "Queue Queue", "Queue Third"),
    ):
        text = (now / name).read_text(encoding="utf-8")
        assert before in text
        (now / name).write_text(text.replace(before, after), encoding="utf-8")
    github.approve(run)
    keys = {f"{name}-prd / deploy" for name in TABLES}
    assert failed(run) >= keys and deployed(github, run) == set()
    errors = [error for key in sorted(keys) for error in run.job(key).errors if "shown" in error]
    assert ["new: " + error.partition("new: ")[2].partition(";")[0] for error in errors] == [
        "new: delete ConfigMap three",
        "new: update ConfigMap one",
        "new: delete Site AWS::SQS::Queue Third",
    ]
