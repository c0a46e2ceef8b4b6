"""`docs/ci-cd.md` names exactly what the workflows beside it need, and nothing more."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import pytest
import yaml
from answer_sets import ANSWER_SETS
from copies import copy
from generated_files import workflows
from validators import validate

Generated = Callable[[str], Path]


def docs(repository: Path) -> str:
    return (repository / "docs" / "ci-cd.md").read_text(encoding="utf-8")


def deploying(repository: Path) -> list[tuple[set[str], str]]:
    """For each job with an environment: the environments it may use, and the job as text."""
    found = []
    for workflow in workflows(repository).values():
        for job in workflow["jobs"].values():
            if "environment" in job:
                found.append((named(job), str(job)))
    return found


def named(job: dict[str, Any]) -> set[str]:
    """The environments that a job with one may use."""
    return set(re.findall(r"'([\w-]+)'", job["environment"]) or [job["environment"]])


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_environments_and_secrets(answer_set: str, generated: Generated) -> None:
    repository = generated(answer_set)
    text = docs(repository)
    used = {name for names, _ in deploying(repository) for name in names}
    created = re.findall(r"--method PUT \"repos/\{owner\}/\{repo\}/environments/([\w-]+)\"", text)
    assert sorted(created) == sorted(used)

    secrets = {
        (secret, name)
        for names, job in deploying(repository)
        for name in names
        for secret in re.findall(r"secrets\.(\w+)", job)
    }
    # What a job without an environment reads is the repository's, and so images are pushed with it.
    common = {
        secret
        for workflow in workflows(repository).values()
        for job in workflow["jobs"].values()
        if "environment" not in job
        for secret in re.findall(r"secrets\.(\w+)", str(job))
    }
    secrets -= {(secret, "registry") for secret in common}
    told = re.findall(r"^gh secret set (\w+) --env ([\w-]+)$", text, re.MULTILINE)
    assert sorted(told) == sorted(secrets)
    assert sorted(re.findall(r"^gh secret set (\w+)$", text, re.MULTILINE)) == sorted(common)


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_variables(answer_set: str, generated: Generated) -> None:
    repository = generated(answer_set)
    used = set(re.findall(r"vars\.(\w+)", str(workflows(repository))))
    text = docs(repository)
    told = re.findall(r"^gh variable set (\w+) --body", text, re.MULTILINE)
    of_environments = re.findall(r"^gh variable set (\w+) --env ([\w-]+) --body", text, re.M)
    # What a job without an environment reads is the repository's; the rest is of each environment.
    common, own = set(), set()
    for workflow in workflows(repository).values():
        for job in workflow["jobs"].values():
            names = set(re.findall(r"vars\.(\w+)", str(job)))
            if "environment" in job:
                own |= {(name, environment) for name in names for environment in named(job)}
            else:
                common |= names
    assert sorted(told) == sorted(common)
    assert sorted(of_environments) == sorted(pair for pair in own if pair[0] not in common)
    assert used == {*common, *(name for name, _ in own)}


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_the_picture_is_the_graph(answer_set: str, generated: Generated) -> None:
    """Nodes and edges of the picture are the `needs` of an orchestrator that does not `stop`."""
    repository = generated(answer_set)
    text = docs(repository)
    names = dict(re.findall(r'^  (n\d+)\["(.*)"\]$', text, re.MULTILINE))
    arrows = re.findall(r"^  (n\d+) --> (n\d+)$", text, re.MULTILINE)
    picture = networkx.DiGraph([(names[a], names[b]) for a, b in arrows])
    picture.add_nodes_from(names.values())

    file, orchestrator = next(
        (file, workflow)
        for file, workflow in workflows(repository).items()
        if file.startswith("orchestrator-")
    )
    summary = orchestrator["jobs"]["deployment-summary"]["steps"][0]
    graph = yaml.safe_load(summary["env"]["GRAPH"])
    environment = file.removeprefix("orchestrator-").removesuffix(".yml")

    def component(job: str) -> str:
        return job.removesuffix(f"-{environment}")

    expected = networkx.DiGraph()
    expected.add_nodes_from(map(component, graph))
    expected.add_edges_from(
        (component(before), component(job)) for job, befores in graph.items() for before in befores
    )
    assert set(picture.nodes) == set(expected.nodes)
    assert set(picture.edges) == set(expected.edges)


@pytest.mark.parametrize(
    ("answer_set", "branch"),
    [("lambda", "main"), ("monorepo", "main"), ("single", None), ("environments", "main")],
)
def test_the_default_branch(answer_set: str, branch: str | None, generated: Generated) -> None:
    """Only where a chain hangs on it: `workflow_run` takes its file from the default branch."""
    told = re.findall(r"^gh repo edit --default-branch (.*)$", docs(generated(answer_set)), re.M)
    assert told == ([branch] if branch else [])


# Trust in the clouds --------------------------------------------------------------------------

PRINTED = {
    "aws": "aws iam create-role --role-name",
    "azure": "az identity federated-credential create",
    "gcp": "gcloud iam service-accounts add-iam-policy-binding",
}
STUBS = """\
aws() { if [ "$1" = sts ]; then echo 123456789012; else echo "aws $*"; fi; }
az() { echo "az $*"; }
gcloud() { case "$*" in *describe*|*get*) echo "projects/1/pool" ;; *) echo "gcloud $*" ;; esac; }
gh() {
  case "$*" in
    *full_name*) echo acme/demo ;;
    *owner.login*) echo acme@2001/demo@1001 ;;
    *) echo 1001 ;;
  esac
}
"""


@pytest.mark.parametrize("cloud", PRINTED)
def test_a_cloud_is_told_to_trust_both_forms_of_each_environment(
    cloud: str, generated: Generated
) -> None:
    """The commands are run, with the clouds' own recorded: each subject is trusted once."""
    repository = generated(cloud)
    text = docs(repository).split("### Trust")[1].split("### Variables")[0]
    [script] = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", STUBS + script], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    commands = done.stdout.replace("\n", " ").split(f"{PRINTED[cloud]} ")
    subjects = [re.findall(r"repo:[^\s\"]+", command) for command in commands[1:]]
    logging_in = {
        environment
        for workflow in workflows(repository).values()
        for job in workflow["jobs"].values()
        if "id-token" in job.get("permissions", {}) and "environment" in job
        for environment in named(job)
    }
    assert logging_in == {"dev", "test", "prd", "prd-retry", "registry"}
    assert sorted(subject for found in subjects for subject in found) == sorted(
        f"repo:{form}:environment:{environment}"
        for form in ("acme/demo", "acme@2001/demo@1001")
        for environment in logging_in
    )
    if cloud == "aws":
        policies = [
            json.loads(command.split("--assume-role-policy-document ")[1].split("aws iam")[0])
            for command in commands[1:]
        ]
        for policy in policies:
            [statement] = policy["Statement"]
            assert statement["Principal"]["Federated"].startswith("arn:aws:iam::123456789012:")
            assert set(statement["Condition"]) == {"StringEquals"}
            audience = statement["Condition"]["StringEquals"]
            assert audience["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_environments_that_a_cloud_trusts_let_in_only_their_branches(
    answer_set: str, generated: Generated
) -> None:
    text = docs(generated(answer_set))
    for workflow in workflows(generated(answer_set)).values():
        for job in workflow["jobs"].values():
            if "id-token" in job.get("permissions", {}) and "environment" in job:
                for name in named(job):
                    policies = f"environments/{name}/deployment-branch-policies"
                    assert policies in text, name


def test_the_plan_for_pull_requests_is_a_valid_job(template: Path, tmp_path: Path) -> None:
    """The snippets of docs/ci-cd.md, put where they say."""
    repository = copy(template, tmp_path / "copy", {"code_types": ["opentofu", "terraform"]})
    snippets = re.findall(r"^```yaml\n(.*?)^```$", docs(repository), re.MULTILINE | re.DOTALL)
    assert len(snippets) == 2
    file = repository / ".github" / "workflows" / "pull-request.yml"
    text = "\n".join([file.read_text(encoding="utf-8"), *snippets])
    file.write_text(text, encoding="utf-8")
    assert [str(finding) for finding in validate(repository)] == []
    assert {"opentofu-plan", "terraform-plan"} <= set(yaml.safe_load(text)["jobs"])


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_runners_of_ones_own_are_warned_of(answer_set: str, generated: Generated) -> None:
    files = workflows(generated(answer_set))
    checks = [files[name] for name in ("pull-request.yml", "drift.yml") if name in files]
    jobs = [job for workflow in checks for job in workflow["jobs"].values()]
    own = [job for job in jobs if job["runs-on"] != "ubuntu-latest"]
    assert ("machines of your own" in docs(generated(answer_set))) == bool(own)
