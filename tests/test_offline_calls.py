"""Called workflows, environments and concurrency in the double of GitHub: each test shows one rule
of GitHub."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from offline_github import OfflineGitHub, Run
from test_offline_github import SCRIPT, built, commit, job, only

Make = Callable[..., OfflineGitHub]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A repository with these workflow files."""
    return lambda workflows: built(tmp_path, workflows, {})


# Permissions

ASK = f"""
    on: workflow_call
    jobs:
      a:
        runs-on: x
        steps:
          - uses: {SCRIPT}
            with:
              script: |
                const {{ git, actions }} = github.rest
                const ask = call => call.then(() => 'yes', error => String(error.status))
                const contents = ask(git.listMatchingRefs({{ ...context.repo, ref: 'heads/' }}))
                core.info(`contents ${{await contents}}`)
                core.info(`actions ${{await ask(actions.listWorkflowRunsForRepo(context.repo))}}`)
"""


def test_a_called_workflow_without_permissions_has_those_of_the_calling_job(make: Make) -> None:
    github = make(
        {
            "callee.yml": ASK,
            "between.yml": "{on: workflow_call, jobs: {b: {uses: $/.github/workflows/callee.yml}}}",
            "ci.yml": """
            on: push
            permissions: {}
            jobs:
              none: {uses: $/.github/workflows/callee.yml}
              some: {permissions: {contents: read}, uses: $/.github/workflows/callee.yml}
              more: {permissions: {actions: read}, uses: $/.github/workflows/between.yml}
            """,
        }
    )
    run = only(github.push("main"))
    said = {key: run.job(key).log.splitlines()[-2:] for key in run.order}
    assert said == {
        "none / a": ["contents 403", "actions 403"],
        "some / a": ["contents yes", "actions 403"],
        "more / b / a": ["contents 403", "actions yes"],
    }


@pytest.mark.parametrize(
    ("callee", "who"),
    [
        ("permissions: {contents: read, actions: read}", "The workflow"),
        ("", "The nested job"),
    ],
)
def test_a_called_workflow_that_declares_more_than_is_granted_stops_the_run(
    make: Make, callee: str, who: str
) -> None:
    asks = "{contents: read}" if callee else "{actions: read}"
    github = make(
        {
            "callee.yml": f"""
            on: workflow_call
            {callee}
            jobs: {{a: {job(permissions=asks, **{"if": "false"})}}}
            """,
            "between.yml": "{on: workflow_call, jobs: {b: {uses: $/.github/workflows/callee.yml}}}",
            "ci.yml": f"""
            on: push
            permissions: {{contents: read}}
            jobs:
              before: {job()}
              c: {{uses: $/.github/workflows/between.yml}}
            """,
        }
    )
    run = only(github.push("main"))
    assert (run.conclusion, run.jobs) == ("startup_failure", {})
    assert (
        f"{who} is requesting 'actions: read', but is only allowed 'actions: none'" in run.message
    )


# Secrets


def shows(**keys: str) -> str:
    """A job that prints two secrets, apart from each other's masks."""
    step = "{run: 'echo $A-$B | tr a-z A-Z', env: {A: '${{ secrets.A }}', B: '${{ secrets.B }}'}}"
    shown = "".join(f"{key}: {value}, " for key, value in keys.items())
    return f"{{runs-on: x, {shown}steps: [{step}]}}"


def test_an_environment_gives_its_secrets_to_a_called_job_by_name(make: Make) -> None:
    github = make(
        {
            "callee.yml": f"""
            on: {{workflow_call: {{secrets: {{A: {{required: false}}, B: {{required: false}}}}}}}}
            jobs:
              env: {shows(environment="prd")}
              none: {shows()}
            """,
            "between.yml": """
            on: {workflow_call: {secrets: {A: }}}
            jobs: {b: {uses: $/.github/workflows/callee.yml, secrets: {A: '${{ secrets.A }}'}}}
            """,
            "inherits.yml": """
            on: {workflow_call: {secrets: {A: }}}
            jobs: {b: {uses: $/.github/workflows/callee.yml, secrets: inherit}}
            """,
            "ci.yml": """
            on: push
            jobs:
              empty: {uses: $/.github/workflows/callee.yml, secrets: {A: '${{ secrets.NO }}'}}
              other: {uses: $/.github/workflows/callee.yml, secrets: {A: '${{ secrets.B }}'}}
              nothing: {uses: $/.github/workflows/callee.yml}
              all: {uses: $/.github/workflows/callee.yml, secrets: inherit}
              nested: {uses: $/.github/workflows/between.yml, secrets: {A: '${{ secrets.B }}'}}
              some: {uses: $/.github/workflows/inherits.yml, secrets: {A: '${{ secrets.B }}'}}
            """,
        }
    )
    github.secrets = {"B": "repository"}
    github.environments["prd"] = {"secrets": {"A": "a of prd", "B": "b of prd"}}
    run = only(github.push("main"))
    said = {key: run.job(key).log.splitlines()[-1] for key in run.order}
    assert said == {
        "empty / env": "A OF PRD-",
        "empty / none": "-",
        "other / env": "A OF PRD-",
        "other / none": "REPOSITORY-",
        "nothing / env": "-",
        "nothing / none": "-",
        "all / env": "A OF PRD-B OF PRD",
        "all / none": "-REPOSITORY",
        "nested / b / env": "A OF PRD-",
        "nested / b / none": "REPOSITORY-",
        "some / b / env": "A OF PRD-",
        "some / b / none": "REPOSITORY-",
    }


def test_a_fork_gets_no_secret_of_an_environment_either(make: Make) -> None:
    github = make(
        {
            "callee.yml": f"""
            on: {{workflow_call: {{secrets: {{A: }}}}}}
            jobs: {{env: {shows(environment="prd")}}}
            """,
            "ci.yml": """
            on: pull_request
            jobs: {c: {uses: $/.github/workflows/callee.yml, secrets: {A: '${{ secrets.A }}'}}}
            """,
        }
    )
    github.environments["prd"] = {"secrets": {"A": "a of prd"}}
    github.push("main")
    run = only(github.pull_request("main", fork=True))
    assert run.job("c / env").log.splitlines()[-1] == "-"


# Environments


def test_an_environment_may_be_empty_or_make_no_deployment(make: Make) -> None:
    expression = "'${{ github.ref_name == ''%s'' && ''prd'' || '''' }}'"
    github = make(
        {
            "ci.yml": f"""
            on: push
            jobs:
              gate: {job(environment="{name: prd, deployment: false}")}
              plain: {job(environment="prd")}
              none: {job(environment=expression % "other")}
              nameless: {job(environment="{name: " + expression % "other" + "}")}
              some: {job(environment=expression % "main")}
            """
        }
    )
    github.environments["prd"] = {"reviewers": True}
    run = only(github.push("main"))
    assert run.conclusion == "success"
    shown = {key: (ended.environment, ended.deployment) for key, ended in run.jobs.items()}
    assert shown == {
        "gate": ("prd", False),
        "plain": ("prd", True),
        "none": (None, False),
        "nameless": (None, False),
        "some": ("prd", True),
    }
    assert sorted(run.approvals) == [("gate", "prd"), ("plain", "prd"), ("some", "prd")]


# Concurrency of jobs

GROUP = "{group: GROUP, cancel-in-progress: true}"


def newer(github: OfflineGitHub) -> Run:
    commit(github.remote.work_tree, {})
    return only(github.push("main"))


def test_a_newer_job_of_the_group_takes_the_place_of_one_that_waits_for_approval(
    make: Make,
) -> None:
    gate = job(environment="gate", concurrency=GROUP.replace("GROUP", "Gate"))
    github = make(
        {
            "ci.yml": f"""
            on: push
            jobs:
              gate: {gate}
              deploy: {job(needs="gate")}
              unsafe: {job(needs="gate", **{"if": "'!cancelled() && !failure()'"})}
              always: {job(needs="gate", **{"if": "always()"})}
            """
        }
    )
    approved = threading.Event()
    github.environments["gate"] = {"reviewers": True, "hold": approved}
    runs: list[Run] = []

    def push_again() -> None:
        while not any(r.jobs.get("gate") and r.status == "waiting" for r in github.runs):
            time.sleep(0.01)
        runs.append(newer(github))
        while runs[0].status != "waiting":
            time.sleep(0.01)
        approved.set()

    thread = threading.Thread(target=push_again)
    thread.start()
    first = only(github.push("main"))
    thread.join()
    assert first.results == {
        "gate": "cancelled",
        "deploy": "skipped",
        "unsafe": "success",  # a replaced job is no failure, and the run was not cancelled
        "always": "success",
    }
    assert first.conclusion == "cancelled"
    assert "higher priority waiting request for 'Gate'" in first.job("gate").log
    assert set(runs[0].results.values()) == {"success"}
    assert runs[0].approvals == [("gate", "gate")]


def test_a_newer_job_of_the_group_cancels_a_running_one_and_all_it_calls(make: Make) -> None:
    called = f"""
        on: workflow_call
        jobs:
          one: {job("work")}
          two: {job(needs="one", **{"if": "always()"})}
    """
    github = make(
        {
            "called.yml": called,
            "ci.yml": f"""
            on: {{push: , workflow_dispatch: }}
            jobs:
              call:
                concurrency: {GROUP.replace("GROUP", "'Deploy-${{ github.ref_name }}'")}
                uses: $/.github/workflows/called.yml
              other: {job(needs="call")}
            """,
            "rival.yml": f"""
            on: workflow_dispatch
            jobs: {{a: {job(concurrency=GROUP.replace("GROUP", "deploy-MAIN"))}}}
            """,
        }
    )
    begun = github.workdir / "begun"
    github.tool("work", f"touch '{begun}'; sleep 60")
    started: list[Run] = []

    def rival() -> None:
        while not begun.exists():
            time.sleep(0.01)
        started.append(github.dispatch("rival.yml", "main"))

    thread = threading.Thread(target=rival)
    thread.start()
    first = only(github.push("main"))
    thread.join()
    assert first.results == {
        "call": "cancelled",
        "call / one": "cancelled",
        "call / two": "success",
        "other": "skipped",
    }
    assert first.conclusion == "cancelled"
    assert started[0].conclusion == "success"


def test_all_jobs_of_a_queue_wait_and_run_one_after_the_other(make: Make) -> None:
    github = make(
        {"ci.yml": f"on: push\njobs: {{a: {job(concurrency='{group: Deploy, queue: max}')}}}"}
    )
    later: list[Run] = []

    def push_more(run: Run, key: str) -> None:
        if not later:
            later.append(run)
            later.extend(newer(github) for _ in range(3))
            while [r.status for r in later[1:]] != ["pending"] * 3:
                time.sleep(0.01)

    github.before_job = push_more
    github.push("main")
    assert [run.conclusion for run in github.runs] == ["success"] * 4
    ends = [run.job("a").completed_at for run in github.runs]
    starts = [run.job("a").started_at for run in github.runs]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False) if start)
