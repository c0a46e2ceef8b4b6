"""Own workflows that start on the same push as a deployment are named, with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from copies import copier_command, example
from pipeline.answers import read_answers
from pipeline.catalogue import load_catalogue
from pipeline.own_workflows import deploying_twice
from pipeline.plan import Plan, make_plan
from toolbox import EXAMPLES, ROOT

JOB = "\njobs: {build: {runs-on: ubuntu-latest, steps: [{run: make test}]}}\n"


def plan(*environments: dict[str, object]) -> Plan:
    answers = {"code_types": ["python"], "environments": list(environments)}
    return make_plan(read_answers(answers, load_catalogue(ROOT)))


MAIN = plan({"name": "dev", "branch": "main"}, {"name": "prd", "after": "dev"})
RELEASES = plan({"name": "dev", "branch": "release/**"})
TAGS = plan({"name": "dev", "tag": "v*"})

STARTS = {
    "any push": (MAIN, "on: push", "a push to main, which deploys to dev"),
    "in a list": (MAIN, "on: [pull_request, push]", "a push to main"),
    "no filter": (MAIN, "on: {push: }", "a push to main"),
    "named": (MAIN, "on: {push: {branches: [main]}}", "a push to main"),
    "one name": (MAIN, "on: {push: {branches: main}}", "a push to main"),
    "pattern": (MAIN, "on: {push: {branches: ['m*']}}", "a push to main"),
    "taken back": (MAIN, "on: {push: {branches: ['**', '!ma*', main]}}", "a push to main"),
    "not ignored": (MAIN, "on: {push: {branches-ignore: [dev]}}", "a push to main"),
    "paths": (MAIN, "on: {push: {paths: [src/**]}}", "a push to main (of some files)"),
    "merged": (MAIN, "on: {pull_request: {types: [closed]}}", "a merge to main"),
    "quoted key": (MAIN, "'on': push", "a push to main"),
    "any tag": (TAGS, "on: push", "a push of a tag v*, which deploys to dev"),
    "tag": (TAGS, "on: {push: {tags: [v1.0]}}", "a push of a tag v*"),
    "tags like it": (TAGS, "on: {push: {tags: ['v[0-9]+']}}", "a push of a tag v*"),
    "tag and paths": (TAGS, "on: {push: {paths: [src]}}", "a push of a tag v*, which"),
    "created": (TAGS, "on: create", "the creation of v*"),
    "release branch": (RELEASES, "on: {push: {branches: [release/1]}}", "a push to release/**"),
    "broken pattern": (MAIN, "on: {push: {branches: ['[z-a]']}}", "a push to main"),
}
STAYS_OUT = {
    "by hand": (MAIN, "on: workflow_dispatch"),
    "pull requests": (MAIN, "on: pull_request"),
    "closed elsewhere": (MAIN, "on: {pull_request: {types: [closed], branches: [dev]}}"),
    "another branch": (MAIN, "on: {push: {branches: [dev]}}"),
    "taken out": (MAIN, "on: {push: {branches: ['**', '!main']}}"),
    "ignored": (MAIN, "on: {push: {branches-ignore: ['ma*']}}"),
    "tags only": (MAIN, "on: {push: {tags: ['**']}}"),
    "branches only": (TAGS, "on: {push: {branches: ['**']}}"),
    "tags ignored": (TAGS, "on: {push: {tags-ignore: ['**']}}"),
    "other tags": (TAGS, "on: {push: {tags: ['w*']}}"),
    "created branch": (MAIN, "on: create"),
    "other releases": (RELEASES, "on: {push: {branches: [hotfix/*]}}"),
    "nothing": (MAIN, "name: nothing"),
    "called": (MAIN, "on: workflow_call"),
}


@pytest.mark.parametrize("case", STARTS)
def test_a_workflow_that_starts_with_a_deployment_is_named(case: str) -> None:
    of, on, how = STARTS[case]
    [line] = deploying_twice(of, {"ci.yml": on + JOB})
    assert line.startswith(f".github/workflows/ci.yml: starts on {how}")
    assert line.endswith("; nothing in it looks like a deployment")


@pytest.mark.parametrize("case", STAYS_OUT)
def test_a_workflow_that_starts_otherwise_is_not_named(case: str) -> None:
    of, on = STAYS_OUT[case]
    assert deploying_twice(of, {"ci.yml": on + JOB}) == []


def job(**keys: object) -> str:
    return yaml.safe_dump({"on": "push", "jobs": {"x": {"runs-on": "ubuntu-latest", **keys}}})


WHY = {
    "environment": (job(environment="live"), "its job x has the environment live"),
    "environment with url": (job(environment={"name": "live"}), "the environment live"),
    "action": (
        job(steps=[{"uses": "aws-actions/configure-aws-credentials@v6"}]),
        "it uses aws-actions/configure-aws-credentials",
    ),
    "command": (
        job(steps=[{"run": "terraform init\nterraform apply -auto-approve"}]),
        "it runs `terraform apply`",
    ),
    "script": (job(steps=[{"run": "./scripts/deploy.sh live"}]), "it runs `./scripts/deploy.sh`"),
    "oidc": (job(permissions={"id-token": "write"}), "it logs in by OIDC"),
    "name": ("name: CD\n" + job(), "it is called CD"),
}


@pytest.mark.parametrize("case", WHY)
def test_the_reason_why_a_workflow_looks_like_a_deployment(case: str) -> None:
    text, why = WHY[case]
    [line] = deploying_twice(MAIN, {"ci.yml": text})
    assert "; looks as if it deploys: " in line
    assert line.endswith(why)


def test_called_workflows_are_read_too() -> None:
    texts = {
        "ci.yml": job(uses="./.github/workflows/steps.yml"),
        "steps.yml": "on: workflow_call\njobs: {x: {environment: live}}\n",
        "far.yml": job(uses="acme/shared/.github/workflows/build.yml@v1"),
        "circle.yml": job(uses="./.github/workflows/circle.yml"),
    }
    ci, circle, far = deploying_twice(MAIN, texts)
    assert "ci.yml: " in ci and ci.endswith("its job x has the environment live")
    assert "circle.yml: " in circle and circle.endswith("nothing in it looks like a deployment")
    assert far.endswith(
        "; it may deploy elsewhere: it calls acme/shared/.github/workflows/build.yml@v1"
    )


def test_workflows_that_run_after_it_are_named_too() -> None:
    texts = {
        "ci.yml": "name: CI\non: push" + JOB,
        "live.yml": "on: {workflow_run: {workflows: [CI], types: [completed]}}" + JOB,
        "last.yml": "on: {workflow_run: {workflows: [.github/workflows/live.yml]}}" + JOB,
        "else.yml": "on: {workflow_run: {workflows: [Nightly]}}" + JOB,
    }
    ci, last, live = deploying_twice(MAIN, texts)
    assert "starts on the end of CI;" in live
    assert "starts on the end of .github/workflows/live.yml;" in last
    assert "ci.yml" in ci


@pytest.mark.parametrize(
    "text",
    [
        *("on: [push", "\tx", "on: !!int ''", "on: !!timestamp x"),
        *("on: push\njobs: [a]", "on: push\njobs: {a: {steps: {b: c}}}"),
    ],
)
def test_broken_workflows_are_named_in_one_line(text: str) -> None:
    [line] = deploying_twice(MAIN, {"ci.yml": text})
    assert line.isprintable()
    assert line.startswith(".github/workflows/ci.yml: ")


@pytest.mark.parametrize("text", ["", "[]", "7", "on: {push: {branches: {a: b}}}", "jobs: {}"])
def test_files_that_are_no_workflow_are_ignored(text: str) -> None:
    assert deploying_twice(MAIN, {"ci.yml": text}) == []


def folders(repository: Path) -> Path:
    """Make the folders that the example's answers name; the copy would report missing ones."""
    for settings in example("lambda")["components"].values():
        (repository / settings["path"]).mkdir(parents=True)
    return repository


def test_the_report_of_a_copy_names_own_workflows(template: Path, tmp_path: Path) -> None:
    """Generated files do not name them."""
    folder = folders(tmp_path / "own") / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "ship.yaml").write_text(job(steps=[{"run": "kubectl apply -f ."}]), encoding="utf-8")
    (folder / "nightly.yml").write_text("on: {schedule: [{cron: 0 0 * * *}]}" + JOB, "utf-8")
    done = copier_command(template, tmp_path / "own", f"--data-file={EXAMPLES / 'lambda.yml'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("docs/ci-cd.md has the commands to paste.\n")[1].strip() == (
        "These workflows of your own start on the same push. If one deploys, that happens twice:\n"
        "  .github/workflows/ship.yaml: starts on a push to develop, which deploys to dev and a "
        "push to main, which deploys to test; looks as if it deploys: it runs `kubectl apply`"
    )
    assert not any(
        b"ship.yaml" in file.read_bytes() and file.name != "ship.yaml"
        for file in (tmp_path / "own").rglob("*")
        if file.is_file()
    )


def test_without_own_workflows_the_report_names_none(template: Path, tmp_path: Path) -> None:
    own = folders(tmp_path / "own")
    done = copier_command(template, own, f"--data-file={EXAMPLES / 'lambda.yml'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("docs/ci-cd.md has the commands to paste.")
