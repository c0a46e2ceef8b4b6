"""What a deployment would change is shown before it is approved, and nothing else is changed.

Terraform plans for real where it is installed, with resources that need no provider. Elsewhere, and
where a test says so, a stub does the same (terraform_stub.py).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import Made, commit, failed, reopened, skipped
from offline_github import OfflineGitHub, Run
from offline_github.repository import git

STUB = Path(__file__).with_name("terraform_stub.py")
UNCHECKED: dict[str, Any] = {"test": "", "security": ""}
ANSWERS: dict[str, Any] = {
    "components": {
        "network": {"code_type": "terraform", "path": "network", "lint": "", **UNCHECKED},
        "app": {"code_type": "terraform", "path": "app", "plan": True, "lint": "true", **UNCHECKED},
    },
    "dependency_map": {"app": "network"},
    "branching": "custom",
    "environments": [{"name": "prd", "branch": "main", "production": True}],
    "only_changed": True,
    "infrastructure_drift": "17 6 * * 1-5 Europe/Berlin",
}
PRD = "orchestrator-prd.yml"
PLAN, DEPLOY = "app-prd-plan / plan", "app-prd / deploy"


def code(outputs: Mapping[str, str] = {}, secret: str = "", **resources: str) -> str:
    """A root module: resources with these inputs, outputs, and a sensitive one."""
    written: dict[str, Any] = {
        "terraform": {"backend": {"local": {}}},
        "variable": {"other_state": {"type": "string", "default": ""}},
        "resource": {"terraform_data": {n: {"input": value} for n, value in resources.items()}},
        "output": {name: {"value": value} for name, value in outputs.items()},
    }
    if secret:
        written["output"]["password"] = {"value": secret, "sensitive": True}
    if "remote_state" in json.dumps(written):
        other = {"backend": "local", "config": {"path": "${var.other_state}"}}
        written["data"] = {"terraform_remote_state": {"network": other}}
    return json.dumps({key: value for key, value in written.items() if value}, indent=1)


FROM_NETWORK = "${data.terraform_remote_state.network.outputs.id}"
FILES = {
    "network/versions.tf": "",
    "network/main.tf.json": code({"id": "net-1"}, net="1"),
    "app/versions.tf": "",
    "app/main.tf.json": code(secret="hunter2-hunter2", web="1", queue="1"),
}


@pytest.fixture(scope="module")
def tool() -> str:
    """The command that plans and applies."""
    return shutil.which("terraform") or f"python3 -ES {STUB}"


def opened(work_tree: Path, folder: Path, branches: tuple[str, ...], tool: str) -> OfflineGitHub:
    """A repository whose states lie in the folder `states`. A person called lead approves."""
    github = reopened(work_tree, folder, branches)
    states = folder / "states"
    states.mkdir(exist_ok=True)
    github.tools.then(
        "terraform",
        f"""#!/usr/bin/env bash
export TF_CLI_ARGS_init="-backend-config=path={states}/$(basename "$PWD").tfstate"
export TF_VAR_other_state={states}/network.tfstate CHECKPOINT_DISABLE=1
exec {tool} "$@"
""",
    )
    github.environments["prd-approval"] = {"reviewers": ["lead"]}
    return github


@pytest.fixture(scope="module")
def first(
    made: Made, tool: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[OfflineGitHub, Path]:
    """A repository whose first push is deployed, and its folder."""
    folder = tmp_path_factory.mktemp("plans")
    github = opened(made("plans", ANSWERS, FILES), folder, (), tool)
    [run] = github.push("main")
    assert github.waiting(run), {k: j.log for k, j in run.jobs.items() if j.errors}
    github.approve(run)
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    return github, folder


@pytest.fixture
def github(first: tuple[OfflineGitHub, Path], tool: str, tmp_path: Path) -> Iterator[OfflineGitHub]:
    """The same repository after that, for this test alone."""
    before, folder = first
    shutil.copytree(folder / "states", tmp_path / "states")
    github = opened(before.remote.work_tree, tmp_path, ("main",), tool)
    github.go_on_from(before)
    yield github
    check_that_nothing_secret_is_shown(github)


def check_that_nothing_secret_is_shown(github: OfflineGitHub) -> None:
    """Nothing holds a secret value, and no plan of the tool has left its machine."""
    for run in github.runs:
        for key, job in run.jobs.items():
            assert "hunter2" not in job.log + job.summary, key
        for name, files in run.artifacts.items():
            assert not any(b"hunter2" in content for content in files.values()), name
            assert name in ("manifest-prd", "app-changes-prd"), name


def changed(github: OfflineGitHub, files: Mapping[str, str]) -> Run:
    """The run that a push of these files starts; it may wait for its approval."""
    commit(github.remote.work_tree, files)
    [run] = github.push("main")
    return run


def applied(github: OfflineGitHub, run: Run) -> list[str]:
    """The root modules that a run has applied."""
    return [
        c.folder
        for c in github.commands("terraform")
        if c.run == run.id and c.arguments[0] == "apply"
    ]


def summary(run: Run, key: str = PLAN) -> list[str]:
    """The lines of a job's summary, up to what the tool says."""
    return run.job(key).summary.partition("<details>")[0].split("\n")


def table(run: Run, key: str = PLAN) -> list[str]:
    return [line for line in summary(run, key) if line.startswith("| ") and "---" not in line][1:]


def test_what_is_new_is_shown_and_then_made(github: OfflineGitHub) -> None:
    run = changed(github, {"app/main.tf.json": code(web="2", queue="1", store="1")})
    assert github.waiting(run) == [("approval", "prd-approval")]
    assert applied(github, run) == []
    assert summary(run)[:3] == [
        "## Plan: app to prd",
        "",
        f"**1 changed, 1 created, 1 output**, with commit {run.sha[:7]}.",
    ]
    assert table(run) == [
        "| changed | terraform_data.web |",
        "| created | terraform_data.store |",
        "| output | password &#40;delete&#41; |",
    ]
    in_full = run.job(PLAN).summary.partition("<details><summary>In full</summary>")[2]
    assert "terraform_data.store will be create" in in_full
    assert set(run.artifacts) == {"app-changes-prd"}
    github.approve(run)
    assert run.conclusion == "success" and applied(github, run) == ["app"]
    assert run.order == [
        *("changes", "app-build / build", PLAN, "approval", DEPLOY),
        "deployment-summary",
    ]
    # The plan runs with an identity of its own, and only reads.
    job = run.job(PLAN)
    assert (job.environment, job.deployment) == ("prd-plan", False)
    assert set(job.permissions.values()) == {"read"}
    planned = [c for c in github.commands("terraform", PLAN) if c.run == run.id]
    assert [c.arguments[0] for c in planned] == ["init", "plan", "show", "show"]
    assert "-lock=false" in planned[1].arguments
    [before] = [
        c
        for c in github.commands("terraform", DEPLOY)
        if c.run == run.id and c.arguments[0] == "plan"
    ]
    assert "-lock=false" not in before.arguments
    unchanged = changed(github, {"README.md": "changed\n"})
    assert unchanged.conclusion == "success" and {"app-prd-plan", "app-prd"} <= skipped(unchanged)


def test_nothing_changes(github: OfflineGitHub) -> None:
    run = changed(github, {"app/README.md": "changed\n"})
    assert "**Nothing changes**" in run.job(PLAN).summary and table(run) == []
    github.approve(run)
    assert run.conclusion == "success" and applied(github, run) == ["app"]


@pytest.mark.parametrize("lost", [True, False], ids=["a new change", "one that is gone"])
def test_other_changes_than_those_that_were_approved_are_not_made(
    github: OfflineGitHub, tmp_path: Path, lost: bool
) -> None:
    state = tmp_path / "states/app.tfstate"
    before = state.read_text(encoding="utf-8")
    files = {"app/main.tf.json": code(web="2", queue="1")}
    run = changed(github, files if not lost else {"app/README.md": "changed\n"})
    # Somebody changes the infrastructure while the run waits.
    if lost:
        state.unlink()
    else:
        other = deployed_elsewhere(github, state, files["app/main.tf.json"])
        assert other != before
    github.approve(run)
    assert failed(run) == {"app-prd", DEPLOY, "deployment-summary"}
    assert applied(github, run) == []
    [error] = [e for e in run.job(DEPLOY).errors if "shown" in e]
    assert "The changes of app are not those that were shown (" in error
    assert error.endswith("): re-run all jobs, so that the new plan is shown")
    assert (
        "new: create terraform_data.queue, create" if lost else "no longer there: update"
    ) in error
    if not lost:
        return
    # The advice in the error helps.
    again = github.rerun(run)
    github.approve(again)
    assert again.conclusion == "success" and applied(github, again)[-1:] == ["app"]


def deployed_elsewhere(github: OfflineGitHub, state: Path, text: str) -> str:
    """The state after somebody has applied this code by hand."""
    folder = state.parent / "app"
    folder.mkdir()
    (folder / "main.tf.json").write_text(text, encoding="utf-8")
    run_terraform(github, folder)
    return state.read_text(encoding="utf-8")


def run_terraform(github: OfflineGitHub, folder: Path) -> None:
    tool = str(github.tools.folder / ".after-terraform")
    for arguments in (["init", "-input=false"], ["plan", "-out=tfplan"], ["apply", "tfplan"]):
        subprocess.run([tool, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_plan_that_fails_asks_nobody(github: OfflineGitHub) -> None:
    github.fail_tool("terraform", "^plan", PLAN)
    run = changed(github, {"app/README.md": "changed\n"})
    assert run.conclusion == "failure" and run.approvals == []
    assert failed(run) == {"app-prd-plan", PLAN, "deployment-summary"}
    assert run.job(PLAN).errors[-1] == "The plan could not be made: see the log of the step Plan"
    assert applied(github, run) == []
    assert run.job("deployment-summary").summary.startswith("## Deployment to prd failed in app\n")


def test_what_follows_from_a_deployment_before_it_is_listed(github: OfflineGitHub) -> None:
    run = changed(github, {"app/main.tf.json": code(web=FROM_NETWORK)})
    github.approve(run)
    run = changed(
        github,
        {
            "network/main.tf.json": code({"id": "net-2"}, net="1"),
            "app/main.tf.json": code(web=FROM_NETWORK, more="1"),
        },
    )
    assert table(run) == ["| created | terraform_data.more |"]
    assert any("deploys network before" in line for line in summary(run))
    github.approve(run)
    assert run.conclusion == "success" and applied(github, run) == ["network", "app"]
    assert table(run, DEPLOY) == ["| changed | terraform_data.web |"]
    [notice] = [
        line for line in run.job(DEPLOY).log.split("\n") if "Since network was deployed" in line
    ]
    assert "new: update terraform_data.web" in notice


def test_what_was_not_shown_is_not_destroyed_because_of_a_deployment_before_it(
    github: OfflineGitHub, tmp_path: Path
) -> None:
    files = {
        "network/main.tf.json": code({"id": "net-2"}, net="1"),
        "app/main.tf.json": code(web="1", queue="1"),
    }
    run = changed(github, files)
    state = tmp_path / "states/app.tfstate"
    deployed_elsewhere(github, state, code(web="1", queue="1", extra="1"))
    github.approve(run)
    assert applied(github, run) == ["network"]
    assert "app would destroy what no plan has shown (delete terraform_data.extra)" in "".join(
        run.job(DEPLOY).errors
    )


def test_the_first_deployment_of_what_it_reads(made: Made, tool: str, tmp_path: Path) -> None:
    """The network is not there yet, so no plan can be made."""
    github = opened(made("plans", ANSWERS, FILES), tmp_path, ("main",), tool)
    run = changed(github, {"app/main.tf.json": code(web=FROM_NETWORK)})
    assert "**The plan has failed.** Perhaps it needs what network deploys" in run.job(PLAN).summary
    github.approve(run)
    assert run.conclusion == "success" and applied(github, run) == ["network", "app"]
    assert table(run, DEPLOY) == ["| created | terraform_data.web |"]


def test_a_component_alone(github: OfflineGitHub) -> None:
    commit(github.remote.work_tree, {"app/main.tf.json": code(web="2", queue="1")})
    github.remote.push("refs/heads/main")
    run = github.dispatch("app-prd.yml", "main")
    assert github.waiting(run) == [("approval", "prd-approval")]
    assert table(run, "plan / plan")[0] == "| changed | terraform_data.web |"
    github.approve(run)
    assert run.conclusion == "success" and applied(github, run) == ["app"]


@pytest.mark.parametrize("fork", [False, True], ids=["here", "in a fork"])
def test_a_pull_request(github: OfflineGitHub, fork: bool) -> None:
    git("switch", "--quiet", "--create", "change", cwd=github.remote.work_tree)
    commit(github.remote.work_tree, {"app/main.tf.json": code(web="2", aaa="1")})
    github.environments["prd-plan"] = {"branches": ["main", "refs/pull/*/merge"]}
    [run] = github.pull_request("change", "main", fork=fork)
    assert run.conclusion == "success"
    assert set(run.artifacts) == set()
    if fork:
        assert "app-prd-plan" in skipped(run)
        assert {job.environment for job in run.jobs.values()} == {None}
        assert [c for c in github.commands("terraform") if c.run == run.id] == []
        return
    # What is destroyed comes first.
    assert table(run)[:3] == [
        "| 💥 destroyed | terraform_data.queue |",
        "| changed | terraform_data.web |",
        "| created | terraform_data.aaa |",
    ]
    assert run.job(PLAN).environment == "prd-plan" and applied(github, run) == []


DRIFT = "infrastructure-drift.yml"


def test_drift_has_an_issue_until_there_is_none(github: OfflineGitHub, tmp_path: Path) -> None:
    """What was not deployed yet is no drift."""
    commit(github.remote.work_tree, {"app/main.tf.json": code(web="2")})
    github.remote.push("refs/heads/main")
    run = github.dispatch(DRIFT, "main")
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    assert github.issues == [] and "Nothing changes" in run.job(PLAN).summary
    # Somebody changes something by hand, and then back.
    state = tmp_path / "states/app.tfstate"
    before = state.read_text(encoding="utf-8")
    deployed_elsewhere(github, state, code(secret="hunter2-hunter2", web="9", queue="1"))
    for _ in range(2):
        run = github.dispatch(DRIFT, "main")
        assert run.conclusion == "success"
        assert github.issues, {k: j.log for k, j in run.jobs.items()}
        [issue] = github.issues
        assert (issue["title"], issue["state"]) == ("Infrastructure drift: app", "open")
        assert "| update | <code>terraform_data.web</code> |" in issue["body"]
    state.write_text(before, encoding="utf-8")
    assert github.dispatch(DRIFT, "main").conclusion == "success"
    assert [(i["state"], len(i["comments"])) for i in github.issues] == [("closed", 1)]
    assert applied(github, run) == []


def test_drift_that_nobody_can_look_for(github: OfflineGitHub) -> None:
    github.fail_tool("terraform", "^plan", "app-prd-plan")
    run = github.dispatch(DRIFT, "main")
    assert failed(run) == {"app-prd-plan", "app-prd-plan / plan", "report"}
    assert github.issues == []


@pytest.mark.parametrize("orchestration", ["call", "dispatch", "observe"])
def test_each_deployment_asks_after_its_plan(
    made: Made, tmp_path: Path, orchestration: str
) -> None:
    """The plan of a component comes right before its own approval, whatever runs it."""
    given = {"approval": "each", "orchestration": orchestration, "infrastructure_drift": ""}
    work_tree = made(f"plans-{orchestration}", {**ANSWERS, **given}, FILES)
    github = opened(work_tree, tmp_path, ("main",), f"python3 -ES {STUB}")
    github.environments["prd"] = {"reviewers": ["lead"]}
    commit(github.remote.work_tree, {"app/main.tf.json": code(web=FROM_NETWORK)})
    own, plan, deploy = PRD, PLAN, DEPLOY
    if orchestration == "call":
        github.push("main")
    else:  # a person starts both, because nobody waits for a run that waits for its approval
        github.remote.push("refs/heads/main")
        own, plan, deploy = "app-prd.yml", "plan / plan", "deploy / deploy"
        github.dispatch("network-prd.yml", "main")
    for run in [*github.runs]:  # the end of one may start another
        for _ in github.waiting(run):
            github.approve(run)
    if orchestration == "dispatch":
        github.dispatch(own, "main")
    [run] = github.runs_of(own)
    assert github.waiting(run) == [(deploy, "prd")]
    # The network is deployed, so its output is known; and the plan is exactly what is made.
    assert table(run, plan) == ["| created | terraform_data.web |"]
    (tmp_path / "states/app.tfstate").write_text(
        json.dumps({"resources": {"terraform_data.old": {"input": "1"}}, "outputs": {}}),
        encoding="utf-8",
    )
    github.approve(run)
    assert deploy in failed(run) and applied(github, run).count("app") == 0
    assert "(new: delete terraform_data.old)" in "".join(run.job(deploy).errors)
