"""The plan: exact files and jobs, permissions, names, secrets, approval of re-runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import copies
import pytest
import toolbox
from hypothesis import given
from made_answers import CODE_TYPES, costly, generic, plan, plans
from pipeline.code_types import JOBS
from pipeline.plan import Plan

LEVELS = ["none", "read", "write"]

# What each example generates: the jobs of each component, and its environments.
EXAMPLES: dict[str, tuple[dict[str, list[str]], list[str]]] = {
    "lambda": (
        {
            "python": ["lint", "test", "security", "build"],
            "terraform": ["lint", "test", "security", "deploy"],
        },
        ["dev", "test", "prd"],
    ),
    "monorepo": (
        {
            "worker": ["lint", "test", "security", "build"],
            "terraform": ["lint", "test", "security", "deploy"],
            "api": ["lint", "test", "security", "build", "deploy"],
        },
        ["dev", "test", "prd"],
    ),
    "seed": (
        {
            "docker": ["build"],
            "python": ["lint", "test", "security", "build"],
            "kubernetes": ["deploy"],
            "terraform": ["lint", "test", "security", "deploy"],
        },
        ["dev", "test", "prd"],
    ),
    "single": (
        {"python": ["lint", "test", "security", "build", "deploy"]},
        ["staging", "release"],
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_files_of_the_examples(name: str) -> None:
    components, environments = EXAMPLES[name]
    expected = {"docs/ci-cd.md", ".github/workflows/component-preflight.yml"}
    for environment in environments:
        expected.add(f".github/workflows/orchestrator-{environment}.yml")
        expected |= {f".github/workflows/{c}-{environment}.yml" for c in components}
    made = plan(**copies.example(name))
    assert set(made.files) == expected
    assert len(made.files) == len(expected)


@pytest.mark.parametrize("name", EXAMPLES)
def test_jobs_of_the_examples(name: str) -> None:
    components, environments = EXAMPLES[name]
    made = plan(**copies.example(name))
    assert [o.environment.name for o in made.orchestrators] == environments
    for orchestrator in made.orchestrators:
        environment = orchestrator.environment.name
        calls = [call.id for call in orchestrator.calls]
        assert calls == [f"{component}-{environment}" for component in components]
        for call in orchestrator.calls:
            found = [job.id for job in call.workflow.jobs]
            assert found == components[call.workflow.component.name]


def test_every_example_is_known_here() -> None:
    assert {file.stem for file in toolbox.EXAMPLES.glob("*.yml")} == set(EXAMPLES)


def test_the_example_that_fits_the_real_repository() -> None:
    """`s3-lambda-trigger-main.tf` reads `lambda_function.zip` beside it."""
    made = plan(**copies.example("lambda"))
    (place,) = set(made.placements)
    zip_file = "iac/terraform/lambda_function.zip"
    assert place == ("python", "lambda-package.zip", "terraform", zip_file)


# What holds for every plan --------------------------------------------------------------------


def twice(names: Iterable[str]) -> list[str]:
    """The names that are there more than once; GitHub, Windows and macOS ignore case."""
    return [name for name, number in Counter(n.lower() for n in names).items() if number > 1]


@costly
@given(plans())
def test_nothing_collides(made: Plan) -> None:
    assert not twice(made.files)
    # `workflow_run` finds the workflow before it by its name.
    assert not twice([*(o.name for o in made.orchestrators), *(w.name for w in made.workflows)])
    for orchestrator in made.orchestrators:
        ids = [call.id for call in orchestrator.calls]
        assert not twice([*ids, "tested-commit", "deployment-summary"])
        # Packages meet in the run of an orchestrator.
        assert not twice(c.workflow.artifact for c in orchestrator.calls if c.workflow.artifact)
    groups = [f"orchestrator-{e.name}" for e in made.environments] + [w.id for w in made.workflows]
    assert not twice(groups)
    for workflow in made.workflows:
        assert not twice(["preflight", *(job.id for job in workflow.jobs)])


@costly
@given(plans())
def test_names_are_what_other_people_rely_on(made: Plan) -> None:
    for workflow in made.workflows:
        name, environment = workflow.component.name, workflow.environment.name
        assert (workflow.id, workflow.file) == (
            f"{name}-{environment}",
            f"{name}-{environment}.yml",
        )
        produces = bool(workflow.component.produces)
        assert workflow.artifact == (f"{name}-package-{environment}" if produces else "")
        for job in workflow.jobs:
            for package in job.packages:
                assert package.artifact == f"{package.producer}-package-{environment}"
                assert package.own == (package.producer == name)


@costly
@given(plans())
def test_callers_grant_what_the_called_ask_for(made: Plan) -> None:
    """Otherwise GitHub refuses the whole run before any job starts. Nothing is granted that no
    job asks for, and nothing at all may be written."""
    for workflow in made.workflows:
        asked = [workflow.preflight_permissions, *(job.permissions for job in workflow.jobs)]
        highest = {
            scope: max((a.get(scope, "none") for a in asked), key=LEVELS.index)
            for scope in {scope for a in asked for scope in a}
        }
        assert workflow.permissions == highest
        assert set(highest.values()) <= {"read"}


@costly
@given(plans())
def test_a_package_is_read_over_the_rest_api(made: Plan) -> None:
    """download-artifact of another run needs `actions: read`, as does asking for an environment."""
    for workflow in made.workflows:
        for job in workflow.jobs:
            needed = bool(job.packages or job.retry_environment)
            assert (job.permissions.get("actions") == "read") == needed
            assert job.permissions["contents"] == "read"


@costly
@given(plans())
def test_every_package_has_been_built_before(made: Plan) -> None:
    by_id = {workflow.id: workflow for workflow in made.workflows}
    for orchestrator in made.orchestrators:
        earlier: set[str] = set()
        for call in orchestrator.calls:
            assert set(call.needs) - {"tested-commit"} <= earlier
            for producer in call.workflow.producers:
                upstream = by_id[f"{producer}-{orchestrator.environment.name}"]
                assert upstream.id in call.needs
                assert upstream.artifact
                assert any(job.id == "build" for job in upstream.jobs)
            earlier.add(call.id)


@costly
@given(plans())
def test_checks_run_in_parallel_and_block_what_follows(made: Plan) -> None:
    checks = {"lint", "test", "security"}
    for workflow in made.workflows:
        jobs = {job.id: set(job.needs) for job in workflow.jobs}
        for name, needs in jobs.items():
            assert "preflight" in needs
            if name in checks:
                assert needs == {"preflight"}
            else:
                waits = needs | {other for n in needs for other in jobs.get(n, set())}
                assert checks & set(jobs) <= waits
        if {"build", "deploy"} <= set(jobs):
            assert "build" in jobs["deploy"]


@costly
@given(plans())
def test_secrets_only_where_the_code_type_says_so(made: Plan) -> None:
    for workflow in made.workflows:
        code_type = workflow.component.code_type
        for job in workflow.jobs:
            read = [value for value in job.variables.values() if "secrets." in value]
            if code_type.jobs[job.id].secrets:
                assert set(job.secrets) == set(workflow.component.secrets)
                assert {f"${{{{ secrets.{name} }}}}" for name in job.secrets} == set(read)
            else:
                assert not job.secrets
                assert not read


@costly
@given(plans())
def test_only_re_runs_of_production_deployments_ask_again(made: Plan) -> None:
    for workflow in made.workflows:
        environment = workflow.environment
        for job in workflow.jobs:
            asks = job.id == "deploy" and environment.production and made.answers.retry_approval
            assert job.retry_environment == (f"{environment.name}-retry" if asks else "")
            if asks:
                assert (
                    f"> 1 && '{environment.name}-retry' || '{environment.name}'" in job.environment
                )
            else:
                assert job.environment == (environment.name if job.id == "deploy" else "")


@costly
@given(plans())
def test_nobody_can_paste_into_a_script(made: Plan) -> None:
    for workflow in made.workflows:
        assert not any("${{" in job.command for job in workflow.jobs)


@costly
@given(plans())
def test_an_orchestrator_runs_every_component_once(made: Plan) -> None:
    names = sorted(c.name for c in made.answers.components)
    assert [o.environment for o in made.orchestrators] == list(made.environments)
    for orchestrator in made.orchestrators:
        assert sorted(c.workflow.component.name for c in orchestrator.calls) == names
        assert set(orchestrator.summary_needs) - {"tested-commit"} == {
            call.id for call in orchestrator.calls
        }
        assert ("tested-commit" in orchestrator.summary_needs) == bool(orchestrator.predecessor)


# Single cases ----------------------------------------------------------------------------------

SECRET_TAKERS = {"generic": {"build", "deploy"}, "python": {"deploy"}, "terraform": {"deploy"}}


@pytest.mark.parametrize("code_type", sorted(CODE_TYPES))
def test_who_takes_secrets(code_type: str) -> None:
    commands = dict.fromkeys(JOBS, "make")
    settings = {"code_type": code_type, "secrets": ["TOKEN"], "produces": [], **commands}
    for workflow in plan(components={"x": settings}).workflows:
        assert {job.id for job in workflow.jobs if job.secrets} == SECRET_TAKERS[code_type]


def test_terraform_clouds_token_has_the_name_that_terraform_reads() -> None:
    for workflow in plan(**copies.example("lambda")).workflows:
        if workflow.component.name == "terraform":
            (deploy,) = (job for job in workflow.jobs if job.id == "deploy")
            for name in ("TF_API_TOKEN", "TF_TOKEN_app_terraform_io"):
                assert deploy.variables[name] == "${{ secrets.TF_API_TOKEN }}"


# The environments -> what the preflight of `x` checks the commit against.
BELONGING: dict[str, tuple[list[dict[str, Any]], dict[str, str]]] = {
    "branch": ([{"name": "x", "branch": "main"}], {"branch": "main"}),
    "branches": ([{"name": "x", "branch": "release/*"}], {"branch-pattern": "^release/[^/]*$"}),
    "tag": ([{"name": "x", "tag": "v*"}], {"tag-pattern": "^v[^/]*$"}),
    "after a branch": (
        [{"name": "x", "after": "y"}, {"name": "y", "after": "z"}, {"name": "z", "branch": "main"}],
        {"branch": "main"},
    ),
    "after a tag": (
        [{"name": "x", "after": "y"}, {"name": "y", "tag": "1.0"}],
        {"tag-pattern": r"^1\.0$"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BELONGING)
def test_which_commits_belong(case: str) -> None:
    environments, expected = BELONGING[case]
    made = plan(code_types=["python"], environments=environments)
    assert [w.preflight for w in made.workflows if w.environment.name == "x"] == [expected]


def test_independent_components_run_in_parallel() -> None:
    made = plan(components={name: generic(lint="x") for name in ("c", "a", "b")})
    assert made.waves == (("a", "b", "c"),)
    first = made.orchestrators[0]
    assert [call.needs for call in first.calls] == [(), (), ()]
