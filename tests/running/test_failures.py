"""What fails, what is held back by it, and what the summary says of it.

One repository for all of it, five components, and most jobs forced to a result: what is looked
at runs for real, and the rest costs nothing.

    alone
    base -> left  -> top
         -> right ->
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from pipelines import commit, folders, generic, start, with_commands

NAMES = ["alone", "base", "left", "right", "top"]
CHECKS = ["lint", "test", "security"]
JOBS = [*CHECKS, "build", "deploy"]
AFTER_BASE = {"left", "right", "top"}
ANSWERS = {
    "components": generic(NAMES),
    "environments": [
        {"name": "dev", "branch": "main"},
        {"name": "strict", "manual": True, "on_failure": "stop"},
    ],
    "dependency_map": [
        # A list of no artifacts: `left` waits for `base`, and takes nothing of it.
        {"code_type": "left", "depends_on": "base", "artifacts": []},
        {
            "code_type": "right",
            "depends_on": "base",
            "artifacts": [{"name": "package.txt", "to": "parts/right/base.txt"}],
        },
        {"code_type": "top", "depends_on": ["left", "right"]},
    ],
}
COLOURS = """\
  classDef success fill:#1a7f37,color:#fff
  classDef failure fill:#cf222e,color:#fff
  classDef cancelled fill:#9a6700,color:#fff
  classDef skipped fill:#6e7781,color:#fff
"""


@pytest.fixture(scope="module")
def repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> OfflineGitHub:
    github = start(template, tmp_path_factory.mktemp("failures"), ANSWERS, folders(NAMES))
    github.remote.push("refs/heads/main")  # the tests themselves say what runs
    github.tools.watch(["base.txt", "package.txt"], [])
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
    head = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
    for key in github.job_keys(f"orchestrator-{environment}.yml"):
        if key in real:
            continue
        github.forced_results[key] = "success"
        if key.endswith("/ preflight"):
            github.forced_outputs[key] = {"commit": head, "runs": "{}"}


def deploy(github: OfflineGitHub, environment: str = "dev") -> Run:
    return github.dispatch(f"orchestrator-{environment}.yml", "main")


def results(
    environment: str, unlike: dict[str, str], skipped: Iterable[str] = (), summary: str = "success"
) -> dict[str, str]:
    """Every job's result: success, but for what is `unlike` it, and for components left out."""
    expected = {"deployment-summary": summary}
    for name in NAMES:
        caller = f"{name}-{environment}"
        if name in skipped:
            expected[caller] = "skipped"
            continue
        jobs = ["preflight", "preflight / preflight", *JOBS]
        expected |= {caller: "success", **{f"{caller} / {job}": "success" for job in jobs}}
    assert unlike.keys() <= expected.keys()
    return expected | unlike


def failed_at(caller: str, job: str, how: str = "failure") -> dict[str, str]:
    """The results of a component in which one job failed."""
    behind = {"build": ["deploy"], "deploy": []}.get(job, ["build", "deploy"])
    return {
        caller: how,
        f"{caller} / {job}": how,
        **{f"{caller} / {other}": "skipped" for other in behind},
    }


def deployed(run: Run) -> list[str]:
    """The components whose deploy job ran, in the order in which it started."""
    return [key.split("-")[0] for key in run.order if key.endswith(" / deploy")]


def shipped(github: OfflineGitHub, run: Run) -> list[str]:
    return [c.arguments[0] for c in github.commands("ship") if c.run == run.id]


def rows(run: Run) -> list[tuple[str, str]]:
    """(component, result) of the summary's table."""
    summary = run.job("deployment-summary").summary
    return re.findall(r"^\| (\S+) \| \S+ (\w+) \| \[open\]", summary, re.MULTILINE)


def link(run: Run, key: str) -> str:
    return f"https://github.com/acme/demo/actions/runs/{run.id}/job/{run.job(key).id}"


def test_five_components_are_deployed_in_order(github: OfflineGitHub) -> None:
    for name in NAMES:
        for job in CHECKS:
            github.forced_results[f"{name}-dev / {job}"] = "success"
    head = commit(github.remote.work_tree, {})
    [run] = github.push("main")
    assert run.results == results("dev", {})
    assert (run.conclusion, run.event, run.head_sha) == ("success", "push", head)

    order = shipped(github, run)
    assert sorted(order) == NAMES and sorted(deployed(run)) == NAMES
    assert order.index("base") < min(order.index("left"), order.index("right"))
    assert order.index("top") > max(order.index("left"), order.index("right"))

    text = {name: f"{name} of {head}\n".encode() for name in NAMES}
    packages = {name: files["package.txt"] for name, files in run.artifacts.items()}
    assert packages == {f"{name}-package-dev": text[name] for name in NAMES}
    files = {c.arguments[0]: c.files for c in github.commands("ship") if c.run == run.id}
    digests = {name: hashlib.sha256(text[name]).hexdigest() for name in NAMES}
    own = {name: {"package.txt": digests[name]} for name in NAMES}
    assert files == {**own, "right": {**own["right"], "base.txt": digests["base"]}}

    for name in NAMES:
        assert run.job(f"{name}-dev").outputs == {
            "artifact-name": f"{name}-package-dev",
            "artifact-path": "package.txt",
            "deployment-status": "success",
        }
    assert run.job("deployment-summary").summary.startswith("## Deployment to dev succeeded\n")
    assert rows(run) == [(f"{name}-dev", "success") for name in NAMES]


@pytest.mark.parametrize(
    ("where", "held_back"),
    [("base", AFTER_BASE), ("left", {"top"}), ("top", set())],
    ids=["first", "middle", "last"],
)
@pytest.mark.parametrize("job", JOBS)
def test_a_failure_holds_back_what_depends_on_it(
    github: OfflineGitHub, job: str, where: str, held_back: set[str]
) -> None:
    caller = f"{where}-dev"
    failing = f"{caller} / {job}"
    real = ["deployment-summary"]
    if where == "left":  # here the command itself fails
        real.append(failing)
        if job in CHECKS:
            github.fail_tool("check", f"{job} left")
        elif job == "build":
            github.tool("build", "exit 3")
        else:
            real.append(f"{caller} / build")  # the deployment takes its package
            github.fail_tool("ship", "left")
    only(github, "dev", *real)
    if where != "left":
        github.forced_results[failing] = "failure"
    run = deploy(github)

    ended = results("dev", failed_at(caller, job), held_back, summary="failure")
    assert run.results == ended
    assert run.conclusion == "failure"
    went_on = set(NAMES) - held_back - ({where} if job != "deploy" else set())
    assert set(deployed(run)) == went_on
    if where == "left":
        code = 3 if job == "build" else 1
        assert run.job(failing).errors == [f"Process completed with exit code {code}."]
    if failing == "left-dev / deploy":
        assert run.job(caller).outputs["deployment-status"] == "failure"

    summary = run.job("deployment-summary")
    assert summary.summary.startswith(f"## Deployment to dev failed in {caller}\n")
    assert summary.errors[0] == f"Deployment to dev failed in {caller}"
    in_order = [name for name in NAMES if name not in held_back | {where}]
    assert rows(run) == [
        (caller, "failure"),
        *((f"{name}-dev", "skipped") for name in sorted(held_back)),
        *((f"{name}-dev", "success") for name in in_order),
    ]
    assert f"| {caller} | ❌ failure | [open]({link(run, failing)}) |" in summary.summary


@pytest.mark.parametrize(
    ("environment", "where", "held_back"),
    [
        ("dev", "alone", set()),
        ("strict", "alone", AFTER_BASE),
        ("strict", "left", {"top"}),
    ],
    ids=["downstream-independent", "stop-first-wave", "stop-second-wave"],
)
def test_on_failure_says_who_else_stops(
    github: OfflineGitHub, environment: str, where: str, held_back: set[str]
) -> None:
    only(github, environment)
    caller = f"{where}-{environment}"
    github.forced_results[f"{caller} / lint"] = "failure"
    github.parallel = 1
    run = deploy(github, environment)
    ended = failed_at(caller, "lint")
    assert run.results == results(environment, ended, held_back)
    assert run.conclusion == "failure"
    # What shares the wave goes on, although it deploys after the failure.
    same_wave = {"alone": "base", "left": "right"}[where]
    order = run.order
    assert order.index(f"{caller} / lint") < order.index(f"{same_wave}-{environment} / deploy")


def test_failures_in_two_branches_are_both_named(github: OfflineGitHub) -> None:
    only(github, "dev", "deployment-summary")
    github.forced_results |= {"alone-dev / test": "failure", "left-dev / build": "failure"}
    run = deploy(github)
    unlike = failed_at("alone-dev", "test") | failed_at("left-dev", "build")
    assert run.results == results("dev", unlike, {"top"}, summary="failure")
    assert set(deployed(run)) == {"base", "right"}
    assert run.job("deployment-summary").summary == (
        "## Deployment to dev failed in alone-dev, left-dev\n"
        "\n"
        "| Component | Result | Link |\n"
        "| --- | --- | --- |\n"
        f"| alone-dev | ❌ failure | [open]({link(run, 'alone-dev / test')}) |\n"
        f"| left-dev | ❌ failure | [open]({link(run, 'left-dev / build')}) |\n"
        f"| top-dev | ⏭️ skipped | [open]({link(run, 'top-dev')}) |\n"
        f"| base-dev | ✅ success | [open]({link(run, 'base-dev / preflight / preflight')}) |\n"
        f"| right-dev | ✅ success | [open]({link(run, 'right-dev / preflight / preflight')}) |\n"
        "\n"
        "```mermaid\n"
        "graph LR\n"
        '  n0["alone-dev"]:::failure\n'
        '  n1["base-dev"]:::success\n'
        '  n2["left-dev"]:::failure\n'
        '  n3["right-dev"]:::success\n'
        '  n4["top-dev"]:::skipped\n'
        "  n1 --> n2\n"
        "  n1 --> n3\n"
        "  n2 --> n4\n"
        "  n3 --> n4\n"
        f"{COLOURS}"
        "```\n"
    )
    calls = [call for call in github.api_calls if call.job == "deployment-summary"]
    assert f"/repos/acme/demo/actions/runs/{run.id}/jobs" == calls[-1].path.split("?")[0]


def package(built_from: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """What the package of a component holds."""
    sums = [f"{hashlib.sha256(data).hexdigest()}  ./{name}\n" for name, data in files.items()]
    return {
        **files,
        ".package/commit": f"{built_from}\n".encode(),
        ".package/executables": b"",
        ".package/sha256sums": "".join(sums).encode(),
    }


GOOD = {"package.txt": b"as it was built\n"}
OTHER = "1" * 40


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ("absent", "is missing"),
        ("expired", "is missing"),
        ("changed", "was changed"),
        ("of another commit", "was not built from commit COMMIT"),
        ("without the product", "does not hold package.txt"),
    ],
    ids=["absent", "expired", "changed", "of another commit", "without the product"],
)
def test_a_package_that_is_not_right_stops_its_consumer(
    github: OfflineGitHub, state: str, problem: str
) -> None:
    only(github, "dev", "right-dev / preflight / preflight", "right-dev / build")

    def deliver(run: Run, key: str) -> None:
        if key != "right-dev / build" or state == "absent":
            return
        files = package(run.head_sha, GOOD)
        if state == "changed":
            files["package.txt"] = b"as somebody wanted it\n"
        elif state == "of another commit":
            files = package(OTHER, GOOD)
        elif state == "without the product":
            files = package(run.head_sha, {"other.txt": b"other\n"})
        github.new_artifact(run, "base-package-dev").fill(files)
        if state == "expired":
            github.expire(run, "base-package-dev")

    github.before_job = deliver
    run = deploy(github)
    assert run.results == results("dev", failed_at("right-dev", "build"), {"top"})
    job = run.job("right-dev / build")
    problem = problem.replace("COMMIT", run.head_sha)
    assert f"base-package-dev of run {run.id} {problem}" in job.errors
    # Its command left no such file run.
    assert job.steps["Verify and place what was downloaded"] == "failure"
    assert job.steps.get("Build", "skipped") == "skipped"
    assert "right-package-dev" not in run.artifacts


@pytest.mark.parametrize(
    "script",
    ["true", "touch ../package.txt", "ln -s nowhere package.txt"],
    ids=["nothing", "elsewhere", "a link to nowhere"],
)
def test_a_build_that_does_not_leave_its_product_names_it(
    github: OfflineGitHub, script: str
) -> None:
    only(github, "dev", "base-dev / build")
    github.tool("build", script)
    run = deploy(github)
    assert run.results == results("dev", failed_at("base-dev", "build"), AFTER_BASE)
    message = run.job("base-dev / build").errors[0]
    says = r"It was to leave package\.txt in \S+/parts/base, and left no such file"
    assert re.fullmatch(says, message)
    assert run.artifacts == {}


def test_a_cancelled_run_says_so(github: OfflineGitHub) -> None:
    only(github, "dev", "deployment-summary", "left-dev / build")
    github.parallel = 1

    def cancel(run: Run, key: str) -> None:
        if key == "left-dev / build":
            github.cancel(run)

    github.before_job = cancel
    run = deploy(github)
    assert run.conclusion == "cancelled"
    assert run.order[-1] == "deployment-summary"
    # `alone` and `base` were through, `right` was about to begin, nothing starts afterwards.
    unlike = failed_at("left-dev", "build", "cancelled")
    unlike |= {f"right-dev / {job}": "skipped" for job in JOBS}
    begun = ["right-dev", "right-dev / preflight", "right-dev / preflight / preflight"]
    unlike |= dict.fromkeys(begun, "cancelled")
    assert run.results == results("dev", unlike, {"top"}, summary="failure")
    assert deployed(run) == ["alone", "base"]
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev was not completed\n")
    assert rows(run) == [
        ("left-dev", "cancelled"),
        ("right-dev", "cancelled"),
        ("top-dev", "skipped"),
        ("alone-dev", "success"),
        ("base-dev", "success"),
    ]
    assert "🚫 cancelled" in summary and '"left-dev"]:::cancelled' in summary


@pytest.mark.parametrize("how", ["failure", "cancelled"])
def test_the_summary_links_to_the_job_that_ended_a_component(
    github: OfflineGitHub, how: str
) -> None:
    only(github, "dev", "deployment-summary")
    github.forced_results["left-dev / build"] = how
    run = deploy(github)
    unlike = failed_at("left-dev", "build", how)
    assert run.results == results("dev", unlike, {"top"}, summary="failure")
    [row] = re.findall(r"^\| left-dev .*$", run.job("deployment-summary").summary, re.MULTILINE)
    assert row.endswith(f"| [open]({link(run, 'left-dev / build')}) |")
