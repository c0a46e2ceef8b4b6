"""`docs/ci-cd.md` names exactly what the workflows of the repository need."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import networkx
import pytest
from answer_sets import ANSWER_SETS
from generated_files import workflows
from offline_github import MemoryRepository, OfflineGitHub, PushError
from pages import commands
from test_files import PUBLISHES_BY_OIDC, answers_of, is_deployed

Generated = Callable[[str], Path]


def docs(repository: Path) -> str:
    return (repository / "docs" / "ci-cd.md").read_text(encoding="utf-8")


class Run(NamedTuple):
    """A job with steps, in one of the GitHub Environments that it may use."""

    environment: str
    """Empty without an environment."""
    file: str
    """The workflow with the job."""
    job: dict[str, Any]
    secrets: frozenset[str]
    """Secrets that its caller passes, or that it reads if it is not called."""

    @property
    def logs_in(self) -> bool:
        return self.job.get("permissions", {}).get("id-token") == "write"

    @property
    def variables(self) -> set[str]:
        return set(re.findall(r"vars\.(\w+)", str(self.job)))


def runs(repository: Path) -> list[Run]:
    """Every job that may run. A job of a called workflow is listed once for each caller."""
    found = []
    for file, workflow in workflows(repository).items():
        if set(workflow["on"]) == {"workflow_call"}:
            continue
        for job in workflow["jobs"].values():
            if "uses" not in job:
                environment = job.get("environment", {"name": ""})["name"]
                names = re.findall(r"secrets\.(\w+)", str(job))
                found.append(Run(environment, file, job, frozenset(names)))
                continue
            called = job["uses"].removeprefix("$/.github/workflows/")
            [inner] = workflows(repository)[called]["jobs"].values()
            said = inner.get("environment", "")
            environment = str(said["name"] if isinstance(said, dict) else said)
            if environment.startswith("${{ inputs.environment"):
                environment = job["with"]["environment"] + environment.partition(" }}")[2]
            elif match := re.fullmatch(r"\$\{\{ inputs\.push && '(.+)' \|\| '' \}\}", environment):
                environment = match[1] if job["with"].get("push") else ""
            # A workflow without permissions has those of the calling job.
            steps = {"permissions": job["permissions"], **inner}
            found.append(Run(environment, called, steps, frozenset(job.get("secrets", {}))))
    return found


def without_pushing(job: dict[str, Any]) -> str:
    """A build without its steps that push."""
    steps = [step for step in job["steps"] if step.get("if") != "inputs.push"]
    return str({**job, "steps": steps})


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_environments(answer_set: str, generated: Generated) -> None:
    """Each environment of a job is created. Those of productions get reviewers."""
    repository, read = generated(answer_set), answers_of(answer_set)
    text = docs(repository)
    used = {run.environment for run in runs(repository)} - {""}
    created = re.findall(r'^environment ([\w-]+) "(.*)"$', text, re.MULTILINE)
    assert sorted(name for name, _ in created) == sorted(used)
    reviews = re.findall(r'^environment ([\w-]+) "(.*)\$reviewers" \|\|', text, re.MULTILINE)
    expected = set()
    first = {e.name: e for e in read.environments}
    for environment in read.environments:
        if environment.production and environment.name in used and read.approval != "none":
            root = first[environment.root]
            own = root.trigger != "branch" or re.search(r"[*?+\[]", root.source)
            expected |= {f"{environment.name}-approval"} if read.approval == "once" else set()
            expected |= {environment.name} if own or read.approval == "each" else set()
    assert sorted(name for name, _ in reviews) == sorted(expected)
    # An environment with reviewers keeps its policy. If GitHub's plan has no reviewers, the command
    # sets the policy alone.
    allowed = re.findall(r"^allow ([\w-]+) (.+)$", text, re.MULTILINE)
    assert len(set(allowed)) == len(allowed)
    assert dict(created) == {n: "$policy" if n in dict(allowed) else "" for n in used}
    assert dict(reviews) == {n: "$policy, " if n in dict(allowed) else "" for n in expected}
    again = re.findall(r"^  allow ([\w-]+) (.+)$", text, re.MULTILINE)
    assert again == [(name, ref) for name, ref in allowed if name in expected]
    refused = re.findall(r'^  environment ([\w-]+) "\$policy"$', text, re.MULTILINE)
    assert set(refused) == expected & set(dict(allowed))
    enterprise = text.count("a private repository needs GitHub Enterprise")
    assert enterprise == len(expected)


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_secrets(answer_set: str, generated: Generated) -> None:
    repository = generated(answer_set)
    text = docs(repository)
    # A build reads secrets of the repository, even if it pushes in an environment.
    of_builds = {run.file for run in runs(repository) if run.file.endswith("-build.yml")}
    common = {s for run in runs(repository) if run.file in of_builds for s in run.secrets}
    own = {
        (secret, run.environment)
        for run in runs(repository)
        for secret in run.secrets
        if run.file not in of_builds
    }
    told = re.findall(r"^gh secret set (\w+) --env ([\w-]+)$", text, re.MULTILINE)
    assert sorted(told) == sorted(own)
    assert sorted(re.findall(r"^gh secret set (\w+)$", text, re.MULTILINE)) == sorted(common)
    assert ("it must give no access to production" in text) == bool(common)


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_variables(answer_set: str, generated: Generated) -> None:
    """Variables of jobs without an environment belong to the repository; others to environments."""
    repository = generated(answer_set)
    text = docs(repository)
    common: set[str] = set()
    own: set[tuple[str, str]] = set()
    for run in runs(repository):
        builds = run.file.endswith("-build.yml")
        if builds or not run.environment:
            common |= set(re.findall(r"vars\.(\w+)", without_pushing(run.job)))
        if run.environment:
            own |= {(name, run.environment) for name in run.variables}
    told = re.findall(r"^gh variable set (\w+) --body", text, re.MULTILINE)
    of_environments = re.findall(r"^gh variable set (\w+) --env ([\w-]+) --body", text, re.M)
    assert sorted(told) == sorted(common)
    assert sorted(of_environments) == sorted(pair for pair in own if pair[0] not in common)


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_the_diagram_matches_the_graph(answer_set: str, generated: Generated) -> None:
    """It has the nodes and edges of the largest summary of an orchestrator."""
    repository = generated(answer_set)
    text = docs(repository)
    names = dict(re.findall(r'^  (n\d+)\["(.*)"\]$', text, re.MULTILINE))
    arrows = re.findall(r"^  (n\d+) --> (n\d+)$", text, re.MULTILINE)
    picture = networkx.DiGraph([(names[a], names[b]) for a, b in arrows])
    picture.add_nodes_from(names.values())
    graphs = [
        json.loads(workflow["jobs"]["deployment-summary"]["steps"][0]["with"]["graph"])
        for file, workflow in workflows(repository).items()
        if file.startswith("orchestrator-")
    ]
    summary = max(graphs, key=len)
    expected = networkx.DiGraph(
        [(before, name) for name, befores in summary.items() for before in befores]
    )
    expected.add_nodes_from(summary)
    assert set(picture.nodes) == set(expected.nodes)
    assert set(picture.edges) == set(expected.edges)


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_rulesets(answer_set: str, generated: Generated) -> None:
    """For deployed branches and tags. Each file that checks pull requests has a required check."""
    repository, read = generated(answer_set), answers_of(answer_set)
    checks = [
        workflow["jobs"]["pull-request-checks"]["name"]
        for file, workflow in workflows(repository).items()
        if file.startswith("pull-request")
    ]
    told = re.findall(r"rulesets\" --input - <<'EOF'\n(.*?)^EOF$", docs(repository), re.M | re.S)
    rules = {rule["name"]: rule for rule in map(json.loads, told)}
    assert len(rules) == len(told)
    if checks:
        [required] = rules.pop("Pull request checks")["rules"]
        contexts = [c["context"] for c in required["parameters"]["required_status_checks"]]
        assert sorted(contexts) == sorted(checks)
    branches = {e.source for e in read.environments if e.trigger == "branch"}
    expected = {"Deployed branches need a review"}
    if literal := {f"refs/tags/{branch}" for branch in branches if "*" not in branch}:
        expected |= {"No tag has the name of a branch"}
        names = rules["No tag has the name of a branch"]["conditions"]["ref_name"]["include"]
        assert set(names) == literal
    if any(e.trigger == "tag" for e in read.environments):
        expected |= {"Only administrators create release tags"}
    assert set(rules) == expected


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_publishers(answer_set: str, generated: Generated) -> None:
    """A package index trusts the workflow with the job, in its environment."""
    repository, read = generated(answer_set), answers_of(answer_set)
    text = docs(repository)
    rows = re.findall(r"^\| (\S+) \| this repository \| `(\S+)` \| `(\S+)` \|$", text, re.MULTILINE)
    expected = [
        (component.name, f"{component.name}-deploy.yml", environment.name)
        for component in read.components
        for environment in read.environments
        if is_deployed(component, environment) and component.publishes and not component.secrets
        # Other code types need no index, or use passwords.
        if component.code_type.name in PUBLISHES_BY_OIDC
    ]
    assert sorted(rows) == sorted(expected)
    assert {(file, place) for _, file, place in rows} <= {
        (run.file, run.environment) for run in runs(repository) if run.logs_in
    }
    run_files = set(re.findall(r"register `(orchestrator-\S+\.yml)` there", text))
    called = read.orchestration == "call"
    assert run_files == {f"orchestrator-{place}.yml" for *_, place in rows if called}


@pytest.mark.parametrize(
    ("answer_set", "branch"),
    [("lambda", "main"), ("monorepo", "main"), ("single", None), ("environments", "main")],
)
def test_the_default_branch(answer_set: str, branch: str | None, generated: Generated) -> None:
    """Only if a chain needs it: `workflow_run` reads its file from the default branch."""
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
def test_a_cloud_trusts_both_forms_of_each_environment(cloud: str, generated: Generated) -> None:
    """The page's commands run with stubs of the clouds' tools. Each subject is trusted once."""
    repository = generated(cloud)
    text = docs(repository).split("### Trust")[1].split("### Variables")[0]
    [script] = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", STUBS + script], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    commands = done.stdout.replace("\n", " ").split(f"{PRINTED[cloud]} ")
    subjects = [re.findall(r"repo:[^\s\"]+", command) for command in commands[1:]]
    logging_in = {run.environment for run in runs(repository) if run.logs_in}
    assert logging_in == {"dev", "test", "prd", "registry"}
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


# The commands of the page, pasted --------------------------------------------------------------

MAIN = frozenset({("branches", "main")})
POLICIES: dict[str, dict[str, frozenset[tuple[str, str]]]] = {
    "environments": dict.fromkeys(["dev", "test", "stage", "prd-approval", "prd"], MAIN),
    "each-asks": {"prd": MAIN, "eu": frozenset({("tags", "v*")})},
    # A run that `workflow_run` starts is on the default branch.
    "observe": {
        "dev": MAIN | {("branches", "develop")},
        **dict.fromkeys(["test", "prd-approval", "prd"], MAIN),
    },
}
"""The branches and tags that each environment admits. Others admit all."""
REVIEWED = {
    "environments": {
        *("prd-approval", "release-approval", "release"),
        *("sandbox-two-approval", "sandbox-two"),
    },
    "each-asks": {"prd", "eu"},
    "observe": {"prd-approval"},
}
REFUSED = {
    "environments": {"push": ["main"], "tag": ["main", "v1.0"]},
    "each-asks": {"push": ["main"], "tag": ["main", "v1"]},
    "observe": {"push": ["main", "develop"], "tag": ["main", "develop"]},
}
"""Branches that need a pull request, and tags that only administrators may create."""
NO_REVIEWERS = "This plan has no required reviewers"


def policies(github: OfflineGitHub) -> dict[str, set[tuple[str, str]]]:
    """The branches and tags that each environment with a policy admits."""
    return {
        name: {(kind, glob) for kind in ("branches", "tags") for glob in settings[kind]}
        for name, settings in github.environments.items()
        if "branches" in settings
    }


@pytest.mark.parametrize(
    ("answer_set", "plan", "keeps"),
    [
        ("each-asks", "public", True),
        ("each-asks", "public", False),
        ("each-asks", "team", True),
        ("each-asks", "team", False),
        ("environments", "team", False),
        ("observe", "public", False),
    ],
)
def test_the_page_sets_up_a_repository(
    answer_set: str, plan: str, keeps: bool, generated: Generated, tmp_path: Path
) -> None:
    """No command undoes another one. If reviewers are not available, the commands say so."""
    repository = MemoryRepository.from_folder(generated(answer_set))
    for branch in ("main", "develop", "feature/a/b"):
        repository.commit(branch)
    github = OfflineGitHub(tmp_path / "github", repository, execute=lambda work: None)
    for branch in ("main", "develop", "feature/a/b"):
        github.push(branch)
    github.private, github.plan, github.put_keeps = plan != "public", plan, keeps
    defined, said = "", ""
    for command in commands(docs(generated(answer_set))):
        if re.match(r"\w+(=|\(\))", command):
            defined += command
            continue
        before = policies(github)
        done = github.shell(defined + command)
        assert done.returncode == 0, (command, done.stderr)
        said += done.stdout
        for name, refs in before.items():
            assert refs <= policies(github)[name], command
    assert policies(github) == POLICIES[answer_set]
    reviewed = REVIEWED[answer_set]
    asks = {"reviewers": ["octocat"], "prevent_self_review": True, "can_admins_bypass": False}
    for name, settings in github.environments.items():
        found = {key: settings[key] for key in asks if key in settings}
        assert found == (asks if plan == "public" and name in reviewed else {}), name
    assert said.count(NO_REVIEWERS) == (0 if plan == "public" else len(reviewed))
    repository.commit("feature/a/b")
    github.push("feature/a/b", by="mallory")  # a preview needs no review
    for branch in REFUSED[answer_set]["push"]:
        repository.commit(branch)
        with pytest.raises(PushError, match="through a pull request"):
            github.push(branch, by="mallory")
    for tag in REFUSED[answer_set]["tag"]:
        with pytest.raises(PushError, match="forbids its creation"):
            github.tag(tag, by="mallory")


OPEN = {
    "single": {"staging"},  # started by hand
    # Environments do not have such a pattern, or a person starts them from any branch.
    "environments": {"preview", "release", "mirror", "sandbox", "sandbox-two"},
    # A run that `workflow_run` starts is on the default branch, whose name is unknown.
    "observe-environments": {"preview", "release", "mirror", "sandbox"},
    "plans": {"dev"},
}
"""Environments whose branches and tags cannot be listed."""


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_each_environment_admits_only_its_branches_and_tags(
    answer_set: str, generated: Generated
) -> None:
    text = docs(generated(answer_set))
    used = {run.environment for run in runs(generated(answer_set))} - {""}
    unguarded = {name for name in used if f"\nallow {name} " not in text}
    of = {re.sub("-(approval|plan)$", "", name) for name in unguarded}
    assert of == OPEN.get(answer_set, set())


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_the_page_warns_of_own_runners(answer_set: str, generated: Generated) -> None:
    files = workflows(generated(answer_set))
    checks = [files[name] for name in ("pull-request.yml", "drift.yml") if name in files]
    jobs = [job for workflow in checks for job in workflow["jobs"].values()]
    calls = [job["uses"] for job in jobs if "uses" in job]
    called = [workflows(generated(answer_set))[name.split("/")[-1]] for name in calls]
    jobs += [job for workflow in called for job in workflow["jobs"].values()]
    own = [job for job in jobs if job.get("runs-on", "ubuntu-latest") != "ubuntu-latest"]
    assert ("your own machines" in docs(generated(answer_set))) == bool(own)
