"""What fails, what is held back by it, and what the summary says of it.

One repository for all of it, and most jobs forced to a result: what is looked at runs for real,
and the rest costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from generated_repositories import (
    DIAMOND,
    all_planned,
    commit,
    diamond,
    folders,
    rows,
    start,
    with_commands,
)
from offline_github import OfflineGitHub, Run
from offline_github.repository import git

ENVIRONMENTS = [
    {"name": "dev", "branch": "main"},
    {"name": "release", "tag": "v*", "production": True},
]
ASKED = "everything was requested"
AFTER_BASE = {"left-dev", "right-dev", "top-dev"}
COMMANDS = {"lint": "Lint", "test": "Test", "security": "Security scan", "build": "Build"}
COLOURS = """\
  classDef failure fill:#cf222e,color:#fff
  classDef cancelled fill:#9a6700,color:#fff
  classDef skipped fill:#6e7781,color:#fff
  classDef success fill:#1a7f37,color:#fff
  classDef unchanged fill:#afb8c1,color:#fff
"""


@pytest.fixture(scope="module")
def repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> OfflineGitHub:
    answers = diamond(environments=ENVIRONMENTS)
    github = start(template, tmp_path_factory.mktemp("failures"), answers, folders(DIAMOND))
    github.remote.push("refs/heads/main")  # the tests decide which jobs run
    github.environments["release-approval"] = {"reviewers": True}
    return github


@pytest.fixture
def github(repository: OfflineGitHub) -> OfflineGitHub:
    """The repository, as if no test had used it."""
    repository.forced_results = {}
    repository.forced_outputs = {}
    repository.before_job = None
    repository.parallel = 4
    repository.tools.heal()
    return with_commands(repository)


def only(github: OfflineGitHub, environment: str, *real: str) -> None:
    """Let these jobs run for real, and all others succeed without running."""
    keys = github.job_keys(f"orchestrator-{environment}.yml")
    assert set(real) <= set(keys)
    github.forced_results = {key: "success" for key in keys if key not in real}
    head = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
    github.forced_outputs["changes"] = all_planned(github, environment, head) | {
        "roll-back": "false"
    }


def deploy(github: OfflineGitHub) -> Run:
    return github.dispatch("orchestrator-dev.yml", "main")


def release(github: OfflineGitHub) -> Run:
    commit(github.remote.work_tree, {})
    [run] = github.tag(f"v{github.new_id()}")
    return run


def results(
    environment: str, unlike: dict[str, str], skipped: Iterable[str] = (), summary: str = "success"
) -> dict[str, str]:
    """Every job's result: success, except for those in `unlike`, and for calls left out."""
    expected = {"changes": "success", "deployment-summary": summary}
    if environment == "release":
        expected["approval"] = "success"
    for name in DIAMOND:
        for call, job in ((f"{name}-build", "build"), (f"{name}-{environment}", "deploy")):
            if call in skipped:
                expected[call] = "skipped"
            else:
                expected |= {call: "success", f"{call} / {job}": "success"}
    assert unlike.keys() <= expected.keys()
    return expected | unlike


def failed_at(call: str, how: str = "failure") -> dict[str, str]:
    """The results of a call that failed, and of its one job."""
    return {call: how, f"{call} / {'build' if call.endswith('-build') else 'deploy'}": how}


def deployed(run: Run) -> set[str]:
    """The components whose deploy job ran."""
    return {key.split("-")[0] for key in run.order if key.endswith(" / deploy")}


def link(run: Run, key: str) -> str:
    return f"https://github.com/acme/demo/actions/runs/{run.id}/job/{run.job(key).id}"


@pytest.mark.parametrize(
    ("call", "held_back"),
    [
        ("base-build", {"right-build", "top-build", "base-dev", *AFTER_BASE}),
        ("top-build", {"top-dev"}),
        ("base-dev", AFTER_BASE),
        ("top-dev", set()),
    ],
)
def test_a_failure_holds_back_what_depends_on_it(
    github: OfflineGitHub, call: str, held_back: set[str]
) -> None:
    """In dev, a failure holds back only the components that depend on it."""
    only(github, "dev")
    [key] = [key for key in failed_at(call) if key != call]
    github.forced_results[key] = "failure"
    run = deploy(github)
    assert run.results == results("dev", failed_at(call), held_back)
    assert run.conclusion == "failure"


@pytest.mark.parametrize("command", [*COMMANDS, "deploy"])
def test_a_command_that_fails_is_named(github: OfflineGitHub, command: str) -> None:
    call = "left-dev" if command == "deploy" else "left-build"
    key = [*failed_at(call)][1]
    if command == "deploy":
        only(github, "dev", "left-build / build", key, "deployment-summary")
        github.fail_tool("ship", "left")
    else:
        only(github, "dev", key, "deployment-summary")
        if command == "build":
            github.tool("build", "exit 3")
        else:
            github.fail_tool("check", f"{command} left")
    run = deploy(github)

    held_back = {"top-dev"} if command == "deploy" else {"top-build", "left-dev", "top-dev"}
    ended = results("dev", failed_at(call), held_back, summary="failure")
    assert run.results == ended and run.conclusion == "failure"
    job = run.job(key)
    code = 3 if command == "build" else 1
    assert job.errors == [f"Process completed with exit code {code}."]
    if command == "deploy":
        assert run.job(call).outputs["deployment-status"] == "failure"
        assert job.steps["Deploy"] == "failure"
    else:
        # All checks run and are reported. Nothing is built unless all have passed.
        steps = {id: job.steps.get(name, "skipped") for id, name in COMMANDS.items()}
        passed = dict.fromkeys(COMMANDS, "success")
        if command != "build":
            passed["build"] = "skipped"
        assert steps == {**passed, command: "failure"}
        assert run.packages == {}

    summary = run.job("deployment-summary")
    says = "Deployment to dev failed in left"
    assert summary.summary.startswith(f"## {says}\n")
    assert summary.errors[0].startswith(f"{says}: https://")
    assert f"| left | ❌ failure | {ASKED} | [open]({link(run, key)}) |" in summary.summary
    others = ["changes", "alone", "base", "right"]
    assert rows(run) == [("left", "failure"), ("top", "skipped"), *((n, "success") for n in others)]


@pytest.mark.parametrize(
    ("call", "deployed_anyway"),
    [
        ("top-build", set()),
        ("alone-release", {"base"}),
        ("left-release", {"alone", "base", "right"}),
    ],
    ids=["build", "first-wave", "second-wave"],
)
def test_production_stops_at_a_failure(
    github: OfflineGitHub, call: str, deployed_anyway: set[str]
) -> None:
    """Nobody is asked unless everything was built, and no wave starts after a failure."""
    key = [*failed_at(call)][1]
    only(github, "release", *[key] * (call == "top-build"))
    if call == "top-build":
        github.fail_tool("check", "security top")
    else:
        github.forced_results[key] = "failure"
    run = release(github)
    went_on = deployed_anyway | {call.split("-")[0]} - {"top"}
    held_back = {f"{name}-release" for name in DIAMOND if name not in went_on}
    unlike = failed_at(call) | ({"approval": "skipped"} if call == "top-build" else {})
    assert run.results == results("release", unlike, held_back)
    assert deployed(run) == went_on and run.conclusion == "failure"


def test_failures_in_two_branches_are_both_named(github: OfflineGitHub) -> None:
    only(github, "dev", "deployment-summary")
    github.forced_results |= {"alone-dev / deploy": "failure", "left-build / build": "failure"}
    run = deploy(github)
    unlike = failed_at("alone-dev") | failed_at("left-build")
    held_back = {"top-build", "left-dev", "top-dev"}
    assert run.results == results("dev", unlike, held_back, summary="failure")
    assert run.job("deployment-summary").summary == (
        "## Deployment to dev failed in alone, left\n"
        "\n"
        "| Component | Result | Why | Link |\n"
        "| --- | --- | --- | --- |\n"
        f"| alone | ❌ failure | {ASKED} | [open]({link(run, 'alone-dev / deploy')}) |\n"
        f"| left | ❌ failure | {ASKED} | [open]({link(run, 'left-build / build')}) |\n"
        f"| top | ⏭️ skipped | {ASKED} | [open]({link(run, 'top-build')}) |\n"
        f"| changes | ✅ success |  | [open]({link(run, 'changes')}) |\n"
        f"| base | ✅ success | {ASKED} | [open]({link(run, 'base-build / build')}) |\n"
        f"| right | ✅ success | {ASKED} | [open]({link(run, 'right-build / build')}) |\n"
        "\n"
        "```mermaid\n"
        "graph LR\n"
        '  n0["alone"]:::failure\n'
        '  n1["base"]:::success\n'
        '  n2["left"]:::failure\n'
        '  n3["right"]:::success\n'
        '  n4["top"]:::skipped\n'
        "  n1 --> n2\n"
        "  n1 --> n3\n"
        "  n2 --> n4\n"
        "  n3 --> n4\n"
        f"{COLOURS}"
        "```\n"
    )


def test_a_build_that_does_not_leave_its_product_names_it(github: OfflineGitHub) -> None:
    only(github, "dev", "base-build / build")
    github.tool("build", "touch ../package.txt")
    run = deploy(github)
    held_back = {"right-build", "top-build", "base-dev", *AFTER_BASE}
    assert run.results == results("dev", failed_at("base-build"), held_back)
    says = (
        r"base-package-dev: the build did not write package\.txt in \S+/parts/base: "
        "let the build write it, or change `produces`"
    )
    assert re.fullmatch(says, run.job("base-build / build").errors[0])
    assert run.packages == {}


def test_a_cancelled_run_says_so(github: OfflineGitHub) -> None:
    only(github, "dev", "deployment-summary", "left-dev / deploy")
    github.parallel = 1

    def cancel(run: Run, key: str) -> None:
        if key == "left-dev / deploy":
            github.cancel(run)

    github.before_job = cancel
    run = deploy(github)
    assert run.conclusion == "cancelled"
    assert run.order[-1] == "deployment-summary"
    # All is built, `alone` and `base` were through, and `right` was about to begin, so that its job
    # may be there or not.
    unlike = failed_at("left-dev", "cancelled") | failed_at("right-dev", "cancelled")
    expected = results("dev", unlike, {"top-dev"}, summary="failure")
    assert run.results | {"right-dev / deploy": "cancelled"} == expected
    assert deployed(run) == {"alone", "base", "left"}
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev was not completed\n")
    assert rows(run) == [
        *((name, "cancelled") for name in ("left", "right")),
        ("top", "skipped"),
        *((name, "success") for name in ("changes", "alone", "base")),
    ]
    row = f"| left | 🚫 cancelled | {ASKED} | [open]({link(run, 'left-dev / deploy')}) |"
    assert row in summary and '"left"]:::cancelled' in summary
