"""The hook after a copy names files that differ from the plan, and accepts all others."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import copier
import pytest
from copies import HOOK, Copied, copier_command, example
from pipeline.destination import nearest_folder
from toolbox import EXAMPLES

ORCHESTRATOR = ".github/workflows/orchestrator-dev.yml"
PULL_REQUEST = ".github/workflows/pull-request.yml"
BUILD = ".github/workflows/python-build.yml"
CHECK = ".github/actions/check-commit/check.cjs"
SETUP = ".github/actions/setup-python/setup.sh"
Change = Callable[[Path], object]


@pytest.fixture
def repository(copied: Copied, tmp_path: Path) -> Path:
    return shutil.copytree(copied(example("lambda")), tmp_path / "copy")


Checked = Callable[[], tuple[int, str, str]]


@pytest.fixture
def check(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Checked:
    """Run the hook as Copier does, but in this process: exit code, output and errors."""

    def run() -> tuple[int, str, str]:
        monkeypatch.chdir(repository)
        return HOOK.main(".copier-answers.yml"), *capsys.readouterr()

    return run


def edit(path: str, old: str, new: str) -> Change:
    def change(repository: Path) -> None:
        file = repository / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    return change


def write(path: str, text: str) -> Change:
    return lambda repository: (repository / path).write_text(text, encoding="utf-8")


WRONG: dict[str, tuple[Change, str]] = {
    "missing": (
        lambda repository: (repository / ORCHESTRATOR).unlink(),
        f"{ORCHESTRATOR}: is missing; render it again with `copier recopy`",
    ),
    "missing-docs": (
        lambda repository: (repository / "docs/ci-cd.md").unlink(),
        "docs/ci-cd.md: is missing; render it again with `copier recopy`",
    ),
    "missing-script": (
        lambda repository: (repository / CHECK).unlink(),
        f"{CHECK}: is missing; render it again with `copier recopy`",
    ),
    "missing-script-of-a-code-type": (
        lambda repository: (repository / SETUP).unlink(),
        f"{SETUP}: is missing; render it again with `copier recopy`",
    ),
    "extra": (
        # A workflow of a component that has another name now.
        lambda repository: shutil.copy(
            repository / ".github/workflows/python-dev.yml",
            repository / ".github/workflows/docker-dev.yml",
        ),
        ".github/workflows/docker-dev.yml: is generated, but not by these answers; delete it",
    ),
    "unparsable": (
        edit(ORCHESTRATOR, "permissions: {}\n", "permissions: {\n"),
        f"{ORCHESTRATOR}: is not a workflow that can be read; ",
    ),
    "not-a-mapping": (
        write(ORCHESTRATOR, "- one\n"),
        f"{ORCHESTRATOR}: is not a workflow that can be read; ",
    ),
    "empty": (
        write(ORCHESTRATOR, ""),
        f"{ORCHESTRATOR}: is not a workflow that can be read; ",
    ),
    "conflict": (
        edit(ORCHESTRATOR, "jobs:\n", "jobs:\n<<<<<<< before updating\n>>>>>>> after updating\n"),
        f"{ORCHESTRATOR}: holds a merge conflict; resolve it between <<<<<<< and >>>>>>>",
    ),
    "conflict-docs": (
        edit("docs/ci-cd.md", "\n\n", "\n<<<<<<< before updating\n>>>>>>> after updating\n"),
        "docs/ci-cd.md: holds a merge conflict; resolve it between <<<<<<< and >>>>>>>",
    ),
    "conflict-in-a-script": (
        edit(CHECK, "\n\n", "\n<<<<<<< before updating\n>>>>>>> after updating\n"),
        f"{CHECK}: holds a merge conflict; resolve it between <<<<<<< and >>>>>>>",
    ),
    "rejected": (
        write(f"{ORCHESTRATOR}.rej", "@@ -1 +1 @@\n"),
        f"{ORCHESTRATOR}: was not merged completely; apply by hand what {ORCHESTRATOR}.rej"
        " holds, and delete that",
    ),
    "rejected-own": (
        write(".github/workflows/own.yml.rej", "@@ -1 +1 @@\n"),
        ".github/workflows/own.yml: was not merged completely; apply by hand what"
        " .github/workflows/own.yml.rej holds, and delete that",
    ),
    "rejected-own-action": (
        write(".github/actions/check-commit/own.sh.rej", "@@ -1 +1 @@\n"),
        ".github/actions/check-commit/own.sh: was not merged completely; apply by hand what"
        " .github/actions/check-commit/own.sh.rej holds, and delete that",
    ),
    "job-gone": (
        edit(ORCHESTRATOR, "  terraform-dev:\n", "  something:\n"),
        f"{ORCHESTRATOR}: has no job terraform-dev; render it again with `copier recopy`",
    ),
    "missing-pull-request": (
        lambda repository: (repository / PULL_REQUEST).unlink(),
        f"{PULL_REQUEST}: is missing; render it again with `copier recopy`",
    ),
    "pull-requests-no-longer-checked": (
        edit(".copier-answers.yml", "pull_requests: true", "pull_requests: false"),
        f"{PULL_REQUEST}: is generated, but not by these answers; delete it",
    ),
    "job-gone-in-pull-requests": (
        edit(PULL_REQUEST, "  terraform-build:\n", "  something:\n"),
        f"{PULL_REQUEST}: has no job terraform-build; render it again with `copier recopy`",
    ),
    "job-gone-in-a-build": (
        edit(BUILD, "  build:\n", "  something:\n"),
        f"{BUILD}: has no job build; render it again with `copier recopy`",
    ),
    "own-job-needs-an-unknown-job": (
        edit(ORCHESTRATOR, "\n# Own jobs", "\n  own: {needs: [changes, python-dev]}\n# Own jobs"),
        f"{ORCHESTRATOR}: the job own needs python-dev, and there is no such job; name another in "
        "`needs`",
    ),
    "own-job-needs-no-name": (
        edit(ORCHESTRATOR, "\n# Own jobs", "\n  own: {needs: [{changes: true}]}\n# Own jobs"),
        f"{ORCHESTRATOR}: the job own needs {{'changes': True}}, and there is no such job; name "
        "another in `needs`",
    ),
    "value-that-yaml-cannot-read": (
        edit(ORCHESTRATOR, "\n# Own jobs", "\n  own: {timeout-minutes: !!int ''}\n# Own jobs"),
        f"{ORCHESTRATOR}: is not a workflow that can be read; ",
    ),
    "required-job-gone": (
        edit(PULL_REQUEST, "  pull-request-checks:\n", "  something:\n"),
        f"{PULL_REQUEST}: has no job pull-request-checks; render it again with `copier recopy`",
    ),
    "too-large": (
        edit(ORCHESTRATOR, "jobs:\n", f"# {'x' * 512_000}\njobs:\n"),
        f"{ORCHESTRATOR}: has 50 ... KB, and GitHub reads at most 500 KB; move commands into "
        "scripts of the repository",
    ),
    "answers-gone": (
        lambda repository: (repository / ".copier-answers.yml").unlink(),
        ".copier-answers.yml: ",
    ),
    "answers-wrong": (
        edit(".copier-answers.yml", "branching: develop-main", "branching: trunck"),
        ".copier-answers.yml: branching: 'trunck' is not a choice; did you mean 'trunk'?",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_differs_from_the_plan_is_named(
    name: str, repository: Path, check: Checked
) -> None:
    change, says = WRONG[name]
    change(repository)
    code, out, err = check()
    assert (code, out) == (1, "")
    [line] = err.splitlines()
    start, _, end = says.partition(" ... ")
    assert line.startswith(start) and line.endswith(end)


def test_own_files_and_jobs_are_accepted(repository: Path, check: Checked) -> None:
    """Also a workflow named like a generated one, with a similar comment at the top."""
    write(".github/workflows/python-extra.yml", "# Generated by hand\non: push\n")(repository)
    with (repository / ORCHESTRATOR).open("a", encoding="utf-8") as file:
        file.write("  own:\n    runs-on: ubuntu-latest\n    steps: [{run: true}]\n")
    code, _, err = check()
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, lambda path: path.symlink_to("nowhere")],
    ids=["folder", "link to nothing"],
)
def test_what_is_no_file_is_no_workflow(
    make: Change, template: Path, repository: Path, check: Checked
) -> None:
    make(repository / ".github/workflows/own.yml")
    (repository / ".github/actions/own").mkdir()
    make(repository / ".github/actions/own/action.yml")
    code, _, err = check()
    assert (code, err) == (0, "")
    done = copier_command(template, repository, "--overwrite")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_the_fix_names_another_answers_file(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / ".copier-answers.yml").rename(repository / "ci.yml")
    (repository / BUILD).unlink()
    monkeypatch.chdir(repository)
    assert HOOK.main("ci.yml") == 1
    assert f"{BUILD}: is missing; render it again with `copier recopy --answers-file ci.yml`" in (
        capsys.readouterr().err
    )


def test_the_report_lists_the_order_and_the_next_steps(template: Path, tmp_path: Path) -> None:
    answers = f"--data-file={EXAMPLES / 'lambda.yml'}"
    for folder in ("src/lambda-python-s3-lambda-trigger", "IaC/terraform"):
        (tmp_path / "copy" / folder).mkdir(parents=True)
    done = copier_command(template, tmp_path / "copy", "--quiet", answers)
    assert done.returncode == 0
    assert done.stdout.strip().splitlines() == [
        "Pipelines for 2 components, deployed in this order:",
        "  1. python",
        "  2. terraform (after python)",
        "Next, on GitHub: the default branch main; environments dev, test, prd-approval, prd; "
        "secrets TF_API_TOKEN; the required check 'Pull request checks'.",
        "docs/ci-cd.md has the commands to paste.",
        "",
        "Folders of components that are not there yet:",
        "  terraform: iac/terraform; the nearest folder is IaC/terraform",
    ]


def test_folders_that_differ_only_in_case_are_two(tmp_path: Path) -> None:
    for name in ("Src", "src", "SRC"):
        (tmp_path / name).mkdir(exist_ok=True)
    if len([*tmp_path.iterdir()]) == 1:
        pytest.skip("this file system has one folder for all names")
    assert [nearest_folder(name, tmp_path) for name in ("Src", "src", "SRC")] == [None] * 3


def test_files_that_git_ignores_are_named(template: Path, tmp_path: Path) -> None:
    """git would not add them, so a run would not find them. `lib/` is often ignored."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    ignored = "/docs/\n*.[cé]js\n!check.cjs\nlib/\n"
    (tmp_path / ".gitignore").write_text(ignored, encoding="latin-1")
    answers = f"--data-file={EXAMPLES / 'single.yml'}"
    done = copier_command(template, tmp_path, "--quiet", answers)
    head, *lines = done.stdout.partition("Git ignores ")[2].splitlines()
    assert head.endswith("add them by `git add --force`:") and done.returncode == 0
    assert [line.partition(": ")[0] for line in sorted(lines)] == [
        "  .gitignore, line 1 (/docs/)",
        "  .gitignore, line 2 (*.[c\N{REPLACEMENT CHARACTER}]js)",
    ]


def test_the_report_lists_what_a_cloud_needs(template: Path, tmp_path: Path) -> None:
    """Variables of the repository and of environments, and the trust in each cloud."""
    answers = tmp_path / "answers.yml"
    answers.write_text(
        """
code_types: [docker, kubernetes]
components:
  kubernetes: {env: {KUBERNETES_NAMESPACE: "${{ vars.NAMESPACE }}"}}
  legacy: {code_type: terraform, cloud: azure}
cloud: aws
registry: 123456789012.dkr.ecr.eu-west-1.amazonaws.com
environments: [{name: dev, branch: main}]
pull_requests: false
""",
        encoding="utf-8",
    )
    done = copier_command(template, tmp_path / "copy", "--quiet", f"--data-file={answers}")
    assert done.returncode == 0
    assert done.stdout.strip().splitlines() == [
        "Pipelines for 3 components, deployed in this order:",
        "  1. docker, legacy",
        "  2. kubernetes (after docker, legacy)",
        "Next, on GitHub: environments dev, registry; variables AWS_REGION, AWS_ROLE_ARN, "
        "AZURE_CLIENT_ID, AZURE_SUBSCRIPTION_ID, AZURE_TENANT_ID, KUBERNETES_CLUSTER, NAMESPACE; "
        "trust in AWS, Azure.",
        "docs/ci-cd.md has the commands to paste.",
    ]


def test_a_template_that_lacks_a_file_fails_the_copy(template: Path, tmp_path: Path) -> None:
    """After a typing error in a file's name, Copier renders nothing and reports success."""
    broken = tmp_path / "template"
    shutil.copytree(template, broken)
    workflows = broken / "template" / ".github" / "workflows"
    [file] = [file for file in workflows.iterdir() if "plan().workflows" in file.name]
    file.rename(file.with_name(file.name.replace("plan().workflows", "plan().workflow")))
    answers = f"--data-file={EXAMPLES / 'lambda.yml'}"
    done = copier_command(broken, tmp_path / "copy", answers)
    assert done.returncode != 0
    missing = [line for line in done.stderr.splitlines() if line.endswith("`copier recopy`")]
    assert len(missing) == 6  # two components, three environments
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "copy").exists()


class Unread(io.StringIO):
    """The standard output of `copier copy | head` after `head` has ended."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize(
    "stdout",
    [io.TextIOWrapper(io.BytesIO(), encoding="ascii"), Unread()],
    ids=["ASCII", "closed pipe"],
)
def test_a_copy_succeeds_if_its_report_cannot_be_printed(
    stdout: io.TextIOWrapper, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise Copier would delete the new copy."""
    answers = {**example("lambda"), "components": {"python": {"path": "café"}}}
    options: dict[str, Any] = {"defaults": True, "unsafe": True, "quiet": True}
    monkeypatch.setattr(sys, "stdout", stdout)
    copier.run_copy(str(template), tmp_path / "copy", data=answers, **options)
    monkeypatch.undo()
    assert (tmp_path / "copy" / BUILD).is_file()
    if not isinstance(stdout, Unread):
        stdout.seek(0)
        assert "  python: caf\\xe9; the nearest folder is the root\n" in stdout.read()
