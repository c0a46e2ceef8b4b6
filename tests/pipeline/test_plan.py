"""The plan: exact files and jobs, permissions, names, secrets, approvals, sizes."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import copies
import printed
import pytest
import toolbox
from hypothesis import given
from javascript import javascript
from made_answers import CODE_TYPES, costly, generic, plan, plans, refusal
from pipeline.actions import ACTIONS, action_files
from pipeline.answers import ORCHESTRATIONS
from pipeline.builds import BuildWorkflow
from pipeline.ci_cd_page import ci_cd_page
from pipeline.code_type_model import JOBS
from pipeline.component_plans import ComponentPlan
from pipeline.component_workflows import ComponentWorkflow
from pipeline.deployments import DeployWorkflow
from pipeline.environments import Environment
from pipeline.limits import WORKFLOW_FILE_BYTES
from pipeline.orchestrators import OrchestratorWorkflow
from pipeline.plan import Plan
from pipeline.sizes import orchestrator_size
from pipeline.steps import Call

CHECKS = ["lint", "test", "security"]
BUILT = [*CHECKS, "build"]

# Each example -> the commands of its components, and its environments.
EXAMPLES: dict[str, tuple[dict[str, list[str]], list[str]]] = {
    "lambda": (
        {"python": BUILT, "terraform": [*CHECKS, "deploy"]},
        ["dev", "test", "prd"],
    ),
    "monorepo": (
        {"worker": BUILT, "terraform": [*CHECKS, "deploy"], "api": [*BUILT, "deploy"]},
        ["dev", "test", "prd"],
    ),
    "seed": (
        {
            "python": BUILT,
            "docker": BUILT,
            "terraform": [*CHECKS, "deploy"],
            "kubernetes": ["lint", "security", "build", "deploy"],
        },
        ["dev", "test", "prd"],
    ),
    "cluster": (
        {
            **{name: BUILT for name in ("result", "vote", "worker")},
            "kubernetes": ["lint", "security", "build", "deploy"],
        },
        ["dev", "test", "prd"],
    ),
    "single": ({"python": [*BUILT, "deploy"]}, ["staging", "release"]),
    "library": ({"python": [*BUILT, "deploy"]}, ["ci", "release"]),
}

# The jobs of each orchestrator, each with the jobs before it except `changes` and `approval`.
RUNS: dict[str, dict[str, dict[str, list[str]]]] = {
    "lambda": {
        **{
            name: {
                "python-build": [],
                "terraform-build": ["python-build"],
                f"terraform-{name}": ["python-build", "terraform-build"],
            }
            for name in ("dev", "test")
        },
        "prd": {"terraform-prd": []},
    },
    "monorepo": {
        "dev": {
            "worker-build": [],
            "terraform-build": ["worker-build"],
            "api-build": [],
            "terraform-dev": ["worker-build", "terraform-build"],
            "api-dev": ["worker-build", "terraform-build", "api-build", "terraform-dev"],
        },
        "test": {"terraform-test": [], "api-test": ["terraform-test"]},
        "prd": {"terraform-prd": [], "api-prd": ["terraform-prd"]},
    },
    "seed": {
        **{
            name: {
                "python-build": [],
                "docker-build": ["python-build"],
                "terraform-build": ["python-build"],
                "kubernetes-build": ["python-build", "docker-build"],
                f"terraform-{name}": ["python-build", "terraform-build"],
                f"kubernetes-{name}": ["python-build", "docker-build", "kubernetes-build"],
            }
            for name in ("dev", "test")
        },
        "prd": {"terraform-prd": [], "kubernetes-prd": ["terraform-prd"]},
    },
    "cluster": {
        "dev": {
            **{f"{name}-build": [] for name in ("result", "vote", "worker")},
            "kubernetes-build": ["result-build", "vote-build", "worker-build"],
            "kubernetes-dev": ["result-build", "vote-build", "worker-build", "kubernetes-build"],
        },
        "test": {"kubernetes-test": []},
        "prd": {"kubernetes-prd": []},
    },
    "single": {
        name: {"python-build": [], f"python-{name}": ["python-build"]}
        for name in ("staging", "release")
    },
    "library": {
        "ci": {"python-build": []},
        "release": {"python-build": [], "python-release": ["python-build"]},
    },
}

# The jobs of workflows of one component, where they differ from `changes`, `build` and (if there is
# a deployment) `deploy`.
ALONE: dict[str, dict[str, list[str]]] = {
    "lambda": {"python-prd": ["changes"], "terraform-prd": ["approval", "deploy"]},
    "monorepo": {
        "worker-test": ["changes"],
        "terraform-test": ["deploy"],
        "api-test": ["changes", "deploy"],
        "worker-prd": ["changes"],
        "terraform-prd": ["approval", "deploy"],
        "api-prd": ["changes", "approval", "deploy"],
    },
    "seed": {
        "python-prd": ["changes"],
        "docker-prd": ["changes"],
        "terraform-prd": ["approval", "deploy"],
        "kubernetes-prd": ["changes", "approval", "deploy"],
    },
    "cluster": {
        **{f"{c}-{e}": ["changes"] for c in ("result", "vote", "worker") for e in ("test", "prd")},
        "kubernetes-test": ["changes", "deploy"],
        "kubernetes-prd": ["changes", "approval", "deploy"],
    },
    "single": {"python-release": ["changes", "approval", "build", "deploy"]},
    "library": {
        "python-ci": ["changes", "build"],
        "python-release": ["changes", "approval", "build", "deploy"],
    },
}
PROMOTED = {("lambda", "prd"), ("monorepo", "test"), ("monorepo", "prd"), ("seed", "prd")}
PROMOTED |= {("cluster", "test"), ("cluster", "prd")}


def workflow_files(made: Plan) -> set[str]:
    return {f.removeprefix(".github/workflows/") for f in made.files if "/workflows/" in f}


@pytest.mark.parametrize("name", EXAMPLES)
def test_files_of_the_examples(name: str) -> None:
    components, environments = EXAMPLES[name]
    made = plan(**copies.example(name))
    expected = {"pull-request.yml", *(f"orchestrator-{e}.yml" for e in environments)}
    for component, commands in components.items():
        expected |= {f"{component}-{e}.yml" for e in environments} | {f"{component}-build.yml"}
        expected |= {f"{component}-deploy.yml"} if "deploy" in commands else set()
    assert workflow_files(made) == expected
    others = {"docs/ci-cd.md", *action_files("call", made.reports)}
    for action in made.setups:
        files = ("action.yml", "setup.sh", *action.setup.files)
        others |= {f"{ACTIONS}/{action.name}/{file}" for file in files}
    assert set(made.files) == others | {f".github/workflows/{file}" for file in expected}
    assert len(set(made.files)) == len(made.files)


@pytest.mark.parametrize("name", EXAMPLES)
def test_jobs_of_the_examples(name: str) -> None:
    components, environments = EXAMPLES[name]
    made = plan(**copies.example(name))
    found = {}
    for orchestrator in made.orchestrators:
        environment, calls = (
            orchestrator.environment.name,
            (
                *orchestrator.builds,
                *orchestrator.deployments,
            ),
        )
        gates = {"changes", "approval"}
        found[environment] = {c.id: [n for n in c.needs if n not in gates] for c in calls}
        asks = environment == environments[-1]  # the last environment is production
        assert orchestrator.gates == (("changes", "approval") if asks else ("changes",))
        producers = [c for c in made.order if "build" in components[c]]
        over = producers if (name, environment) in PROMOTED else []
        assert [p.producer for p in orchestrator.changes.promotions] == over
    assert found == RUNS[name]
    assert {b.component.name: [c.id for c in b.commands] for b in made.builds} == {
        component: [c for c in commands if c != "deploy"]
        for component, commands in components.items()
    }
    alone = {
        f"{component}-{environment}": ["changes", "build", *["deploy"] * ("deploy" in commands)]
        for environment in environments
        for component, commands in components.items()
    }
    assert {w.id: list(w.jobs) for w in made.workflows} == {**alone, **ALONE[name]}


def test_every_example_is_listed_here() -> None:
    assert {file.stem for file in toolbox.EXAMPLES.glob("*.yml")} == set(EXAMPLES)


def test_the_lambda_example_places_the_zip_beside_its_module() -> None:
    """`s3-lambda-trigger-main.tf` reads `lambda_function.zip` in its own folder."""
    made = plan(**copies.example("lambda"))
    (handed,) = set(ci_cd_page(made).handed_files)
    zip_file = "iac/terraform/lambda_function.zip"
    assert handed == ("python", "lambda-package.zip", "terraform", zip_file)


def test_without_pull_requests_their_workflow_and_action_are_missing() -> None:
    usual = plan(**copies.example("lambda"))
    without = plan(**copies.example("lambda"), pull_requests=False)
    assert without.pull_requests == ()
    graph = {f"{ACTIONS}/show-graph/{file}" for file in ("action.yml", "graph.cjs")}
    assert set(usual.files) - set(without.files) == {".github/workflows/pull-request.yml", *graph}
    assert (without.workflows, without.orchestrators) == (usual.workflows, usual.orchestrators)


def test_the_drift_check_adds_one_file() -> None:
    usual = plan(**copies.example("lambda"))
    with_it = plan(**copies.example("lambda"), drift_check=True)
    assert set(with_it.files) - set(usual.files) == {".github/workflows/drift.yml"}
    assert set(usual.files) < set(with_it.files)
    assert (with_it.workflows, with_it.pull_requests) == (usual.workflows, usual.pull_requests)


def test_a_component_may_be_called_drift() -> None:
    """No file or name of the component is just `drift`, so the name is not reserved."""
    components = {"drift": {"code_type": "generic", "lint": "true", "deploy": "true"}}
    environments = [{"name": "drift", "branch": "main"}]
    made = plan(components=components, environments=environments, drift_check=True)
    assert len(set(made.files)) == len(made.files)
    assert not twice(["drift", *names_of(made)])


def test_every_shared_action_is_a_file_of_the_template() -> None:
    """The names of some folders contain the condition under which they are written."""
    folder = toolbox.ROOT / "template" / ACTIONS
    found = set()
    for file in folder.rglob("*"):
        path = re.sub(r"\[%[^%]*%\]|\.jinja$", "", file.relative_to(folder).as_posix())
        if file.is_file() and "[[" not in path:
            found.add(f"{ACTIONS}/{path}")
    assert found == {
        file
        for name in ORCHESTRATIONS
        for file in action_files(name, True, True, plans=True, drift=True)
    }


@pytest.mark.parametrize(
    "orchestration, only",
    [
        ("call", set()),
        ("dispatch", {"read-plan", "run-component"}),
        ("observe", {"find-dependencies", "watch-components"}),
    ],
)
def test_actions_of_one_orchestration(orchestration: str, only: set[str]) -> None:
    common = {file.split("/")[2] for file in action_files("call")}
    files = plan(code_types=["kubernetes"], orchestration=orchestration).files
    assert {f.split("/")[2] for f in files if f.startswith(ACTIONS)} == common | only


def test_called_files_are_listed() -> None:
    """Other generated files do not work without these."""
    made = {o: plan(**{**copies.example("lambda"), "orchestration": o}) for o in ORCHESTRATIONS}
    called = {f"{name}-build.yml" for name in ("python", "terraform")} | {"terraform-deploy.yml"}
    own = {f"{c}-{e}.yml" for c in ("python", "terraform") for e in ("dev", "test", "prd")}
    for orchestration, found in made.items():
        files = {f for f in found.called_files if "/workflows/" in f}
        expected = {*called, "orchestrator-test.yml"} | (own if orchestration != "call" else set())
        assert files == {f".github/workflows/{file}" for file in expected}
        assert set(found.called_files) - files == set(found.action_files)


# What holds for every plan --------------------------------------------------------------------


def twice(names: Iterable[str]) -> list[str]:
    """The names that occur more than once. Case is ignored, as on GitHub, Windows and macOS."""
    return [name for name, number in Counter(n.lower() for n in names).items() if number > 1]


def names_of(made: Plan) -> list[str]:
    """The names of all workflows, by which `workflow_run` identifies them."""
    of_components = [w.name for w in (*made.builds, *made.deploys, *made.workflows)]
    return [
        *of_components,
        *(o.name for o in made.orchestrators),
        *(p.name for p in made.pull_requests),
    ]


def groups_of(made: Plan) -> Iterator[str]:
    """The concurrency groups of orchestrators, deployments and approvals."""
    for orchestrator in made.orchestrators:
        if orchestrator.runs_in != "nothing":
            yield f"orchestrator-{orchestrator.environment.name}"
    deployments = {f"{w.component.name}-{w.environment.name}" for w in made.workflows if w.deploys}
    yield from deployments
    for owner in (*made.orchestrators, *made.workflows):
        if owner.approval and owner.approval.group:
            yield re.sub(r"\$\{\{.*\}\}", "candidate", owner.approval.group)


Owner = OrchestratorWorkflow | ComponentWorkflow


def calls_of(
    made: Plan,
) -> Iterator[tuple[Call, BuildWorkflow | DeployWorkflow | ComponentPlan, Environment | None]]:
    """Every job that calls a workflow, with that workflow and the environment (None in a pull
    request)."""
    called: dict[str, BuildWorkflow | DeployWorkflow | ComponentPlan] = {
        **{build.file: build for build in made.builds},
        **{deploy.file: deploy for deploy in made.deploys},
        **{plan.file: plan for plan in made.plans},
    }
    for orchestrator in made.orchestrators:
        for call in (*orchestrator.builds, *orchestrator.plans, *orchestrator.deployments):
            yield call, called[call.file], orchestrator.environment
    for workflow in made.workflows:
        for call in workflow.calls:
            yield call, called[call.file], workflow.environment
    for pull_request in made.pull_requests:
        for call in (*pull_request.calls, *pull_request.plans):
            yield call, called[call.file], None


@costly
@given(plans())
def test_names_files_and_groups_are_unique(made: Plan) -> None:
    assert not twice(made.files)
    assert not twice(names_of(made))
    assert not twice(groups_of(made))
    for orchestrator in made.orchestrators:
        assert not twice([*orchestrator.summary_needs, "deployment-summary"])
    for pull_request in made.pull_requests:
        assert not twice([pull_request.check, *pull_request.jobs])


@costly
@given(plans())
def test_names_of_files_and_jobs_follow_the_rules(made: Plan) -> None:
    for build in made.builds:
        name = f"{build.component.name}-build"
        assert (build.id, build.file) == (name, f"{name}.yml")
    for workflow in made.workflows:
        name = f"{workflow.component.name}-{workflow.environment.name}"
        assert (workflow.id, workflow.file) == (name, f"{name}.yml")
    for orchestrator in made.orchestrators:
        name = orchestrator.environment.name
        for call in orchestrator.builds:
            assert call.id == call.file.removesuffix(".yml")
        for call in orchestrator.deployments:
            assert call.id == f"{call.file.removesuffix('-deploy.yml')}-{name}"
            assert call.inputs["environment"] == name
        for call in orchestrator.plans:
            assert call.id == f"{call.file.removesuffix('-plan.yml')}-{name}-plan"
            assert call.inputs["environment"] == name


@costly
@given(plans())
def test_callers_pass_exactly_what_a_workflow_declares(made: Plan) -> None:
    """GitHub refuses a run whose call lacks an input or a permission. Each permission has a reason,
    and no other permission or secret is passed."""
    for call, called, environment in calls_of(made):
        declared = {each.name: each for each in called.inputs}
        assert set(call.inputs) <= set(declared)
        assert {n for n, each in declared.items() if each.default is None} <= set(call.inputs)
        with_secrets = environment or isinstance(called, ComponentPlan)
        assert call.secrets == (called.secrets if with_secrets else ())
        granted = dict(called.permissions)
        if isinstance(called, BuildWorkflow) and environment:
            granted |= called.pushing
        assert dict(call.permissions) == granted
        assert all(call.reasons[scope] for scope in granted if scope != "contents")
        for name, value in call.inputs.items():
            kinds = {"boolean": bool, "number": int, "string": str | tuple}
            assert isinstance(value, kinds[declared[name].type])


@costly
@given(plans())
def test_which_jobs_may_write(made: Plan) -> None:
    """Jobs that log in to a cloud, identify themselves to an index, or push to the registry."""
    own_registry = made.answers.registry.base.startswith("ghcr.io/")
    pushes = {"packages" if own_registry else "id-token"}
    for call, called, environment in calls_of(made):
        written = {scope for scope, access in call.permissions.items() if access != "read"}
        assert all(call.permissions[scope] == "write" for scope in written)
        component = called.component
        expected: set[str] = set()
        if isinstance(called, DeployWorkflow) and component.publishes:
            # A Go module is published by its tag, and Maven Central takes a secret.
            publish = CODE_TYPES[component.code_type.name].publish
            assert publish
            expected = {"id-token"} if publish.identity else pushes if publish.registry else set()
            assert called.identity == publish.identity
        elif isinstance(called, DeployWorkflow | ComponentPlan):
            expected = {"id-token"} if component.cloud != "none" else set()
        elif environment and component.code_type.name == "docker" and called.builds:
            expected = pushes
        assert written == expected


@costly
@given(plans())
def test_which_jobs_may_read_runs(made: Plan) -> None:
    """The REST API serves packages and approvals."""
    for _, called, _ in calls_of(made):
        takes_own = isinstance(called, ComponentPlan) and called.own is not None
        needed = isinstance(called, DeployWorkflow) or bool(called.packages) or takes_own
        assert (called.permissions.get("actions") == "read") == needed
        assert called.permissions["contents"] == "read"


@costly
@given(plans())
def test_packages_are_passed_by_run_and_digest(made: Plan) -> None:
    """In an orchestrator's run, exactly the packages that the component takes. In a workflow of one
    component, an input names them."""
    for call, called, environment in calls_of(made):
        taken = [package.producer for package in called.packages]
        alone = call.id in ("build", "plan", "deploy")
        given_packages = call.inputs.get("packages")
        if alone or not taken:
            assert given_packages == ("${{ inputs.packages }}" if taken else None)
            continue
        assert isinstance(given_packages, tuple)
        told = json.loads(re.sub(r"\$\{\{ github.run_id }}", "1", "".join(given_packages)))
        assert list(told) == taken
        for producer, said in told.items():
            assert said["run"] == 1
            step = (
                f"{producer}-digest"
                if environment and not any(need == f"{producer}-build" for need in call.needs)
                else "digest"
            )
            job = "changes" if step != "digest" else f"{producer}-build"
            assert said["digest"] == f"${{{{ needs.{job}.outputs.{step} }}}}"
            assert job in call.needs


@costly
@given(plans())
def test_only_commands_that_take_secrets_get_them(made: Plan) -> None:
    for build in made.builds:
        handed = set()
        for command in build.commands:
            read = secrets_in(command.variables)
            takes = build.component.code_type.jobs[command.id].secrets
            assert read == (set(build.component.secrets) if takes else set())
            handed |= read
        assert handed == set(build.secrets) and not secrets_in(build.variables)
    for deploy in made.deploys:
        component = deploy.component
        takes = component.job("deploy").secrets
        handed = set(component.secrets) if takes else set()
        assert secrets_in(deploy.command.variables) == handed
        assert not secrets_in(deploy.variables)
        of_a_cluster = (
            component.code_type.name in ("helm", "kubernetes") and not component.publishes
        )
        by_login = {"KUBE_CONFIG"} if of_a_cluster and component.cloud == "none" else set()
        assert set(deploy.secrets) == handed | by_login
        assert len(deploy.secrets) == len(set(deploy.secrets))
        assert any("secrets.KUBE_CONFIG" in step for step in deploy.login) == bool(by_login)


def secrets_in(variables: Mapping[str, str]) -> set[str]:
    return {name for value in variables.values() for name in re.findall(r"secrets\.(\w+)", value)}


@costly
@given(plans())
def test_a_production_is_approved_before_anything_is_deployed(made: Plan) -> None:
    """A job asks for one approval for all. No input that a person can type replaces it."""
    once = made.answers.approval == "once"
    for owner in (*made.orchestrators, *made.workflows):
        calls = owner.calls if isinstance(owner, ComponentWorkflow) else owner.deployments
        deploys = [call for call in calls if call.file.endswith("-deploy.yml")]
        asks = once and owner.environment.production and bool(deploys)
        assert (owner.approval is not None) == asks
        for call in deploys:
            told = "${{ needs.approval.outputs.attempt || 'never' }}" if asks else None
            assert call.inputs.get("approved") == told
            assert ("approval" in call.needs) == asks
        if owner.approval:
            assert owner.approval.environment == f"{owner.environment.name}-approval"
    for deploy in made.deploys:
        assert deploy.asks == (once and any(e.production for e in made.environments))


@costly
@given(plans())
def test_an_approved_plan_is_the_one_that_the_deployment_compares(made: Plan) -> None:
    """The plan comes before the approval, and the deployment gets its digest."""
    planned = {plan.component.name for plan in made.plans}
    assert planned == {c.name for c in made.answers.components if c.plan} & {
        deploy.component.name for deploy in made.deploys
    }
    for owner in (*made.orchestrators, *made.workflows):
        asks = made.answers.approval != "none" and owner.environment.production
        calls = owner.calls if isinstance(owner, ComponentWorkflow) else owner.deployments
        for call in calls:
            if not call.file.endswith("-deploy.yml"):
                continue
            of_it = [p for p in owner.plans if p.file == call.file.replace("-deploy", "-plan")]
            shown = asks and call.file.removesuffix("-deploy.yml") in planned
            assert len(of_it) == shown
            if not shown:
                assert "changes" not in call.inputs
                continue
            job = of_it[0].id
            assert job in call.needs
            assert call.inputs["changes"] == f"${{{{ needs.{job}.outputs.changes || 'none' }}}}"
            if owner.approval:
                assert job in owner.approval.needs
                # The plan runs before all deployments, so it names components that will change.
                in_orchestrator = isinstance(owner, OrchestratorWorkflow)
                assert ("deployed" in of_it[0].inputs) == in_orchestrator


def test_for_which_environment_a_pull_request_shows_a_plan() -> None:
    """For the last one that its target branch leads to. The default branch also leads to
    environments that start from a tag."""
    trusted = (
        "github.event.pull_request.head.repo.id == github.event.repository.id && "
        "github.event.pull_request.user.login != 'dependabot[bot]'"
    )
    made = plan(
        components={"infra": {"code_type": "terraform", "plan": True}},
        environments=[
            {"name": "preview", "branch": "feature/**"},
            {"name": "dev", "branch": "it's-dev"},
            {"name": "test", "after": "dev"},
            {"name": "eu", "after": "test"},
            {"name": "us", "after": "test"},
            {"name": "release", "tag": "v*"},
            {"name": "lab", "branch": "**"},
        ],
    )
    [pull_request] = made.pull_requests
    found = {}
    for call in pull_request.plans:
        assert trusted in call.condition and call.needs == ("changes", "infra-build")
        found[call.inputs["environment"]] = call.condition.split(" && ")[4]
    assert found == {
        "preview": "startsWith(github.base_ref, 'feature/')",
        "eu": "github.base_ref == 'it''s-dev'",
        "us": "github.base_ref == 'it''s-dev'",
        "release": "github.base_ref == github.event.repository.default_branch",
        "lab": "startsWith(github.base_ref, '')",
    }


def test_which_workflows_ask_for_an_approval() -> None:
    """For each choice of `approval`, in all three orchestrations."""
    found = {}
    for approval in ("once", "each", "none"):
        for orchestration in ORCHESTRATIONS:
            made = plan(
                components={"x": generic(deploy="d")},
                approval=approval,
                orchestration=orchestration,
            )
            jobs = [*(o.gates for o in made.orchestrators), *(w.jobs for w in made.workflows)]
            number = sum("approval" in each for each in jobs)
            of_run = {o.environment.name for o in made.orchestrators if o.approval}
            found[approval, orchestration] = (number, of_run)
            assert {w.environment.name for w in made.workflows if w.approval} == (
                {"prd"} if approval == "once" else set()
            )
    assert found == {
        **{("once", name): (2, {"prd"}) for name in ("call", "dispatch")},
        ("once", "observe"): (1, set()),
        **{(how, name): (0, set()) for how in ("each", "none") for name in ORCHESTRATIONS},
    }


def test_a_run_of_an_approved_orchestrator_does_not_ask_again() -> None:
    """The deployment itself checks the orchestrator's run, so a typed input proves nothing."""
    made = plan(components={"x": generic(lint="l", deploy="d")}, orchestration="dispatch")
    (workflow,) = (w for w in made.workflows if w.environment.name == "prd")
    (deploy,) = workflow.calls
    assert workflow.approval and workflow.approval.condition == "inputs.orchestrator == ''"
    assert deploy.condition == (
        "!cancelled() && contains(needs.changes.outputs.deploy, '\"x\"')"
        " && (inputs.orchestrator != '' || needs.approval.result == 'success')"
        " && !contains(needs.*.result, 'failure') && !contains(needs.*.result, 'cancelled')"
    )
    assert deploy.inputs["approved"] == (
        "${{ needs.approval.outputs.attempt || inputs.orchestrator "
        "&& format('run {0}', inputs.orchestrator) || 'never' }}"
    )
    prd = made.orchestrators[-1]
    assert [start.needs for start in prd.starts] == [("changes", "approval")]


def test_an_answer_of_an_older_version_is_accepted() -> None:
    for said in (True, False):
        former = plan(components={"x": generic(deploy="d")}, retry_approval=said)
        assert former == plan(components={"x": generic(deploy="d")})


@costly
@given(plans())
def test_only_a_tag_publishes(made: Plan) -> None:
    publishing = {c.name for c in made.answers.components if c.publishes}
    for workflow in made.workflows:
        component, tagged = workflow.component, workflow.environment.trigger == "tag"
        if component.name in publishing:
            assert workflow.deploys == tagged
    for deploy in made.deploys:
        component = deploy.component
        if component.name not in publishing:
            assert not deploy.identity
            continue
        publish = component.code_type.publish
        assert publish and deploy.identity == publish.identity
        # It gets exactly the products of the build, and does not log in to a cloud.
        own = deploy.own.files if deploy.own else ()
        assert {name.split(" -> ")[0] for name in own} == set(component.produces)
        assert set(component.produces) >= {publish.product} - {""}
        assert deploy.command.name.startswith("Publish")
        assert publish.registry or not deploy.cloud


@costly
@given(plans())
def test_commands_contain_no_expression(made: Plan) -> None:
    commands = [command for build in made.builds for command in build.commands]
    commands += [deploy.command for deploy in made.deploys]
    assert not [command.text for command in commands if "${{" in command.text]


@costly
@given(plans())
def test_variables_of_a_component_are_those_of_its_jobs(made: Plan) -> None:
    """They take precedence: no step sets a variable of the same name."""
    for workflow in (*made.builds, *made.deploys):
        own = workflow.component.env
        assert own.items() <= workflow.variables.items()
        commands = workflow.commands if isinstance(workflow, BuildWorkflow) else (workflow.command,)
        assert not [name for command in commands for name in command.variables if name in own]


@costly
@given(plans())
def test_an_orchestrator_has_each_job_once(made: Plan) -> None:
    assert [o.environment for o in made.orchestrators] == list(made.environments)
    for orchestrator in made.orchestrators:
        called = (*orchestrator.builds, *orchestrator.plans, *orchestrator.deployments)
        calls = [call.id for call in called]
        assert orchestrator.summary_needs == (*orchestrator.gates, *calls)
        graph = json.loads(orchestrator.graph)
        assert list(graph) == [name for wave in orchestrator.waves for name in wave]


# Builds ----------------------------------------------------------------------------------------


def test_every_check_runs_and_the_build_needs_all() -> None:
    """An empty condition is GitHub's default: every earlier step has succeeded."""
    commands = dict.fromkeys(JOBS, "make")
    for left, first in (([], "lint"), (["lint"], "test"), (["lint", "test"], "security")):
        given_commands = {job: text for job, text in commands.items() if job not in left}
        (build,) = plan(components={"x": generic(**given_commands)}).builds
        others = f"!cancelled() && steps.{first}.outcome != 'skipped'"
        expected = {job: others for job in CHECKS if job not in left} | {first: "", "build": ""}
        assert {c.id: build.condition(c) for c in build.commands} == expected
    # A command that takes secrets does not run in a pull request, which has none.
    (build,) = plan(components={"x": {"code_type": "docker", "secrets": ["NPM"]}}).builds
    also = "!cancelled() && steps.lint.outcome != 'skipped' && inputs.push"
    assert {c.id: build.condition(c) for c in build.commands} == {
        **{"lint": "", "test": also, "security": also, "build": "inputs.push"}
    }


def test_a_security_scan_only_warns_in_a_roll_back() -> None:
    """The job `changes` tells whether the run is a roll-back."""
    made = plan(
        components={"x": generic(lint="l", build="b", produces=["x"]), "y": generic(security="s")},
        environments=[{"name": "dev", "branch": "main"}, {"name": "prd", "after": "dev"}],
    )
    dev, prd = made.orchestrators
    told = {call.id: call.inputs.get("roll-back") for call in dev.builds}
    assert told == {"x-build": None, "y-build": "${{ needs.changes.outputs.roll-back }}"}
    assert (dev.changes.tells_roll_back, prd.changes.tells_roll_back) == (True, False)
    assert {b.id: "roll-back" in b.reads for b in made.builds} == {
        "x-build": False,
        "y-build": True,
    }
    (checks,) = made.pull_requests
    assert not [call for call in checks.calls if "roll-back" in call.inputs]


# Single cases ----------------------------------------------------------------------------------

# The commands of each code type that get secrets.
SECRET_TAKERS = {
    **{name: {"deploy"} for name in ("cdk", "dotnet", "go", "helm", "java", "kubernetes")},
    **{name: {"deploy"} for name in ("opentofu", "node", "python", "terraform")},
    "docker": {"test", "security", "build", "deploy"},
    "generic": {"build", "deploy"},
}


@pytest.mark.parametrize("code_type", sorted(CODE_TYPES))
def test_which_commands_get_secrets(code_type: str) -> None:
    commands = dict.fromkeys(JOBS, "make")
    settings = {"code_type": code_type, "secrets": ["TOKEN"], "produces": [], **commands}
    made = plan(components={"x": settings})
    (build,), (deploy,) = made.builds, made.deploys
    steps = [*build.commands, deploy.command]
    assert [step.id for step in steps] == list(JOBS)
    takers = {step.id for step in steps if "TOKEN" in step.variables}
    # Other code types have their own tests.
    assert takers == SECRET_TAKERS.get(code_type, takers)
    assert build.secrets == (("TOKEN",) if takers - {"deploy"} else ())
    assert ("TOKEN" in deploy.secrets) == ("deploy" in takers)


def test_commands_of_an_image_get_the_names_of_its_secrets() -> None:
    """One variable lists the names, and each secret is a variable."""
    made = plan(components={"image": {"code_type": "docker", "secrets": ["NPM", "PIP"]}})
    (build,) = made.builds
    named = {c.id: c.variables.get("BUILD_SECRETS") for c in build.commands}
    wanted = "NPM PIP"
    assert named == {"lint": None, "test": wanted, "security": wanted, "build": wanted}
    (build,) = plan(code_types=["docker"]).builds
    assert not [c.id for c in build.commands if "BUILD_SECRETS" in c.variables]


# The code types -> the waves in which they are deployed by default.
HABITS: dict[str, tuple[list[str], tuple[tuple[str, ...], ...]]] = {
    "docker after python": (["docker", "python"], (("python",), ("docker",))),
    "terraform after python": (["terraform", "python"], (("python",), ("terraform",))),
    "docker beside terraform": (["docker", "terraform"], (("docker", "terraform"),)),
    "kubernetes after docker": (["kubernetes", "docker"], (("docker",), ("kubernetes",))),
    "kubernetes after terraform": (["kubernetes", "terraform"], (("terraform",), ("kubernetes",))),
    "helm after docker": (["helm", "docker"], (("docker",), ("helm",))),
    "helm after terraform": (["helm", "terraform"], (("terraform",), ("helm",))),
    "kubernetes beside python": (["kubernetes", "python"], (("kubernetes", "python"),)),
    "generic beside all": (["generic", "kubernetes"], (("generic", "kubernetes"),)),
    "all four": (
        ["python", "terraform", "docker", "kubernetes"],
        (("python",), ("docker", "terraform"), ("kubernetes",)),
    ),
}


@pytest.mark.parametrize("case", HABITS)
def test_usual_waves_of_the_code_types(case: str) -> None:
    code_types, waves = HABITS[case]
    made = plan(code_types=code_types)
    assert made.waves == waves
    assert all(edge.conventional for edge in made.answers.dependencies.edges)
    assert not made.notices


def test_usual_edges_pass_products() -> None:
    """Terraform produces nothing: kubernetes only waits for it."""
    made = plan(code_types=["python", "terraform", "docker", "kubernetes"])
    files = ci_cd_page(made).handed_files
    handed = [(producer, product, consumer) for producer, product, consumer, _ in files]
    assert sorted(handed) == [
        ("docker", "docker-image", "kubernetes"),
        ("python", "lambda-package.zip", "docker"),
        ("python", "lambda-package.zip", "terraform"),
    ]
    edges = {(e.consumer, e.producer) for e in made.answers.dependencies.edges}
    assert edges - {(c, p) for p, _, c in handed} == {("kubernetes", "terraform")}


def test_kubernetes_takes_the_packages_of_every_image() -> None:
    images = {f"image{number:02}": {"code_type": "docker"} for number in range(12)}
    made = plan(code_types=["kubernetes"], components=images)
    assert made.waves == (tuple(images), ("kubernetes",))
    (build,) = (b for b in made.builds if b.component.name == "kubernetes")
    (deploy,) = made.deploys
    for packages in (build.packages, deploy.packages):
        assert [(p.producer, p.files) for p in packages] == [(n, ("docker-image",)) for n in images]
    for orchestrator in made.orchestrators:
        (call,) = orchestrator.deployments
        if orchestrator.builds:
            assert call.needs[1:13] == tuple(f"{name}-build" for name in images)


def test_terraform_clouds_token_has_the_name_that_terraform_reads() -> None:
    (deploy,) = plan(**copies.example("lambda")).deploys
    for name in ("TF_API_TOKEN", "TF_TOKEN_app_terraform_io"):
        assert deploy.command.variables[name] == "${{ secrets.TF_API_TOKEN }}"


# The environments -> the refs whose commits may be deployed to `x`.
BELONGING: dict[str, tuple[list[dict[str, Any]], str]] = {
    "branch": ([{"name": "x", "branch": "main"}], "^refs/heads/main$"),
    "branch with a dot": ([{"name": "x", "branch": "release-1.x"}], r"^refs/heads/release-1\.x$"),
    "branches": ([{"name": "x", "branch": "release/*"}], "^refs/heads/release/[^/]*$"),
    "tag": ([{"name": "x", "tag": "v*"}], "^refs/tags/v[^/]*$"),
    "after a branch": (
        [{"name": "x", "after": "y"}, {"name": "y", "after": "z"}, {"name": "z", "branch": "main"}],
        "^refs/heads/main$",
    ),
    "after a tag": (
        [{"name": "x", "after": "y"}, {"name": "y", "tag": "1.0"}],
        r"^refs/tags/1\.0$",
    ),
    "by hand": ([{"name": "x", "manual": True}], "^refs/heads/.*$"),
    "after one by hand": (
        [{"name": "x", "after": "y"}, {"name": "y", "manual": True}],
        "^refs/heads/.*$",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BELONGING)
def test_refs_whose_commits_may_be_deployed(case: str) -> None:
    """Every job that checks this gets the same regular expression for full ref names."""
    environments, expected = BELONGING[case]
    made = plan(
        components={"a": generic(build="b", produces=["x"]), "c": generic(lint="l", deploy="d")},
        dependency_map={"c": "a"},
        environments=environments,
    )
    (orchestrator,) = (o for o in made.orchestrators if o.environment.name == "x")
    workflows = [w for w in made.workflows if w.environment.name == "x"]
    calls = [*orchestrator.deployments, *(call for w in workflows for call in w.calls)]
    told = [orchestrator.changes.refs, *(w.changes.refs for w in workflows if w.changes)]
    told += [str(call.inputs["refs"]) for call in calls if "refs" in call.inputs]
    assert set(told) == {expected} and len(told) > 3


REFS = "cases => cases.map(([refs, ref]) => new RegExp(refs).test(ref))"  # as in shared/commits.cjs


def test_no_other_ref_matches() -> None:
    """In JavaScript: a dot matches only a dot, and the whole name has to match."""
    fits = {
        "^refs/heads/main$": ("refs/heads/main", ["refs/heads/main2", "refs/heads/x/main"]),
        r"^refs/heads/release-1\.x$": (
            "refs/heads/release-1.x",
            [
                "refs/heads/release-1ax",
                "refs/tags/release-1.x",
                "refs/heads/refs/heads/release-1.x",
            ],
        ),
        "^refs/tags/v[^/]*$": ("refs/tags/v1.0", ["refs/heads/v1.0", "refs/tags/v1/0"]),
        "^refs/heads/.*$": ("refs/heads/a/b", ["refs/tags/a", "x/refs/heads/a"]),
    }
    assert {expected for _, expected in BELONGING.values()} >= set(fits)
    cases = [(refs, ref) for refs, (yes, no) in fits.items() for ref in (yes, *no)]
    found = javascript(REFS, cases)
    assert found == [ref == fits[refs][0] for refs, ref in cases]


# The components -> the folders that the jobs of each leave out of their checkout.
LEFT_OUT: dict[str, tuple[dict[str, Any], dict[str, tuple[str, ...]]]] = {
    "in the root": (
        {
            "python": {},
            "terraform": {"path": "infra"},
            "docker": {"path": "services/api"},
            "x": generic(path="web", lint="l"),
        },
        {"python": ("infra", "services/api", "web")},
    ),
    "in the root, spaces and quotes": (
        {"python": {}, "x": generic(path="my site/it's", lint="l")},
        {"python": ("'my site/it'\"'\"'s'",)},
    ),
    "in a folder": (
        {
            "python": {"path": "src"},
            "inner": {"code_type": "terraform", "path": "src/infra/live"},
            "beside": generic(path="srcs", lint="l"),
            "above": generic(lint="l"),
        },
        {"python": ("infra/live",)},
    ),
    "in a folder, spaces": (
        {"python": {"path": "a b"}, "inner": generic(path="a b/c d", lint="l")},
        {"python": ("'c d'",)},
    ),
    "one in the other in the third": (
        {
            "python": {},
            "outer": {"code_type": "python", "path": "a"},
            "inner": {"code_type": "python", "path": "a/b"},
        },
        {"python": ("a", "a/b"), "outer": ("b",)},
    ),
    "two in one folder": (
        {
            "python": {"path": "src"},
            "other": {"code_type": "python", "path": "./src/"},
            "x": {"code_type": "docker", "path": "src"},
        },
        {},
    ),
    "alone": ({"python": {}}, {}),
    "others in the root": (
        {
            "docker": {},
            "terraform": {},
            "kubernetes": {},
            "x": generic(lint="l"),
            "python": {"path": "src"},
        },
        {},
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_tools_that_walk_into_subfolders_do_not_find_other_components(case: str) -> None:
    components, expected = LEFT_OUT[case]
    made = plan(components=components)
    assert made.builds
    for workflow in (*made.builds, *made.deploys):
        assert workflow.leaves_out.folders == expected.get(workflow.component.name, ())


@costly
@given(plans())
def test_exactly_folders_of_other_components_are_left_out(made: Plan) -> None:
    for workflow in (*made.builds, *made.deploys):
        own = PurePosixPath(workflow.component.path)
        others = {PurePosixPath(c.path) for c in made.answers.components} - {own}
        inner = {other.relative_to(own) for other in others if other.is_relative_to(own)}
        left_out = [PurePosixPath(*shlex.split(folder)) for folder in workflow.leaves_out.folders]
        minds = workflow.component.code_type.name == "python"
        assert set(left_out) == (inner if minds else set())
        assert len(left_out) == len(set(left_out))


def test_independent_components_run_in_parallel() -> None:
    made = plan(components={name: generic(lint="x", deploy="d") for name in ("c", "a", "b")})
    assert made.waves == (("a", "b", "c"),)
    first = made.orchestrators[0]
    assert [call.needs for call in first.builds] == [("changes",)] * 3
    assert [call.needs for call in first.deployments] == [
        ("changes", f"{name}-build") for name in "abc"
    ]


# Other orchestrations


def test_packages_under_dispatch() -> None:
    components = {name: generic(build="b", produces=["x"], deploy="d") for name in ("a", "b", "c")}
    entries = [
        {"code_type": "b", "depends_on": "a", "artifacts": []},
        {"code_type": "c", "depends_on": ["a", "b"]},
    ]
    made = plan(components=components, dependency_map=entries, orchestration="dispatch")
    dev, _, prd = made.orchestrators
    started = {n: f'"{n}": {{"run": ${{{{ needs.{n}-dev.outputs.run-id || 0 }}}}}}' for n in "ab"}
    # A promoted package is an artifact of the orchestrator's run.
    digest = "${{{{ needs.changes.outputs.{}-digest }}}}".format
    over = {n: f'"{n}": {{"run": ${{{{ github.run_id }}}}, "digest": "{digest(n)}"}}' for n in "ab"}
    for orchestrator, gates, runs in (
        (dev, ("changes",), started),
        (prd, ("changes", "approval"), over),
    ):
        name = orchestrator.environment.name
        both = ("{", f"{runs['a']},", runs["b"], "}")
        assert [start.workflow.file for start in orchestrator.starts] == [
            f"{n}-{name}.yml" for n in "abc"
        ]
        assert [start.packages for start in orchestrator.starts] == [(), (), both]
        assert [start.needs for start in orchestrator.starts] == [
            gates,
            (*gates, f"a-{name}"),
            # c also needs a directly, in case b is skipped because it has not changed.
            (*gates, f"a-{name}", f"b-{name}"),
        ]
        assert not orchestrator.builds and not orchestrator.deployments
    assert not dev.changes.promotions
    assert [promotion.producer for promotion in prd.changes.promotions] == ["a", "b", "c"]


def test_a_promoted_component_has_no_run_under_dispatch() -> None:
    """A component that is only built there needs no approval if the run deploys nothing."""
    settings = {"build_per_environment": True, "build": "b", "produces": ["x"]}
    made = plan(
        components={
            "each": generic(**settings),
            "once": generic(build="b", produces=["x"]),
            "site": generic(deploy="d"),
        },
        dependency_map={"site": ["each", "once"]},
        orchestration="dispatch",
    )
    prd = made.orchestrators[-1]
    conditions = {start.id: start.condition for start in prd.starts}
    approved = "needs.approval.result == 'success'"
    assert list(conditions) == ["each-prd", "site-prd"]
    assert f" && {approved} && " in conditions["site-prd"]
    assert f"({approved} || needs.changes.outputs.deploy == '[]')" in conditions["each-prd"]


def test_jobs_that_wait_for_runs_share_groups() -> None:
    """GitHub Free runs 20 jobs at once. Waiting jobs must leave some for the runs they wait for."""
    components = {f"c{number:02}": generic(deploy="d") for number in range(12)}
    environments = [{"name": "dev", "branch": "a"}, {"name": "b", "branch": "b"}]
    made = plan(components=components, orchestration="dispatch", environments=environments)
    for orchestrator in made.orchestrators:
        name = orchestrator.environment.name
        groups = [start.group for start in orchestrator.starts]
        # 9 groups for each of two environments: at most 18 jobs wait at once.
        assert groups == [f"start-{name}-{number % 9}" for number in range(12)]
    few = {name: components[name] for name in list(components)[:9]}
    made = plan(components=few, orchestration="dispatch", environments=environments)
    assert {start.group for o in made.orchestrators for start in o.starts} == {""}


# Limits of GitHub ------------------------------------------------------------------------------

SHIPS = generic(build="make", deploy="ship")


def test_the_most_workflows_that_an_orchestrator_may_call() -> None:
    """50 in one run: for example, 25 components that are built and deployed."""
    most = {f"c{number:02}": SHIPS for number in range(25)}
    assert refusal(components=most) == ""
    checked = {f"d{number:02}": generic(lint="l") for number in range(50)}
    assert refusal(components=checked) == ""
    for more in ({**most, "d": generic(lint="l")}, {**most, "d": generic(deploy="d")}):
        message = refusal(components=more)
        assert message == (
            "orchestration: an orchestrator would call 51 workflows for 26 components, and GitHub "
            "runs at most 50 in one run; choose dispatch, or split the repository's pipelines"
        )
        for other in ("dispatch", "observe"):
            assert refusal(components=more, orchestration=other) == ""
    # An environment counts only components that have a job there.
    here = {"environments": ["dev"], **SHIPS}
    there = {"environments": ["live"], **SHIPS}
    apart = {**{f"h{n:02}": here for n in range(25)}, **{f"t{n:02}": there for n in range(25)}}
    environments = [{"name": "dev", "branch": "dev"}, {"name": "live", "branch": "live"}]
    assert refusal(components=apart, environments=environments, pull_requests=False) == ""


def test_the_most_plans_that_a_run_may_call() -> None:
    """The workflow `infrastructure-drift.yml` calls all plans, also under dispatch."""

    def said(number: int) -> str:
        components = {
            f"c{i}": {"code_type": "terraform", "path": f"c{i}", "plan": True}
            for i in range(number)
        }
        started = {"orchestration": "dispatch", "approval": "each"}
        return refusal(components=components, infrastructure_drift="0 6 * * *", **started)

    assert said(50) == ""
    assert said(51) == (
        "infrastructure_drift: 51 components have `plan: true`, and GitHub runs at most 50 plans "
        "together; drop this"
    )


def binary_tree(number: int, **settings: Any) -> dict[str, Any]:
    """Components that each wait for two others, with names as long as those of real ones."""
    names = [f"service-number-{index:03}" for index in range(number)]
    edges = {
        name: names[2 * index + 1 : 2 * index + 3]
        for index, name in enumerate(names)
        if 2 * index + 1 < number
    }
    components = {name: {**SHIPS, **settings} for name in names}
    return {"components": components, "dependency_map": edges}


MANY: dict[str, dict[str, Any]] = {
    "dispatch": {**binary_tree(180), "orchestration": "dispatch"},
    "dispatch, packages": {
        **binary_tree(150, produces=["x"]),
        **{"orchestration": "dispatch", "pull_requests": False},
    },
    "observe": {
        **binary_tree(15, produces=["x"]),
        "orchestration": "observe",
        "environments": [{"name": "live", "branch": "main", "production": True}],
    },
    "call": {**binary_tree(25, produces=["x"]), "branching": "trunk"},
    "call, for each environment": {
        **binary_tree(25, produces=["x"], build_per_environment=True, secrets=["A_TOKEN"]),
        "branching": "trunk",
    },
}


@pytest.mark.parametrize("case", MANY)
def test_the_size_of_a_file_is_estimated_before_it_is_written(case: str) -> None:
    """The estimate differs by less than a tenth. Binary trees of 150 and more components fit,
    although one failure stops all."""
    made = plan(**MANY[case])
    for orchestrator in made.orchestrators:
        size = len(printed.orchestrator(made, orchestrator).encode())
        assert size < WORKFLOW_FILE_BYTES
        assert 0.9 < orchestrator_size(orchestrator) / size < 1.1, orchestrator.file
    assert made.orchestrators[-1].environment.stops


@pytest.mark.parametrize("command", ["lint", "deploy"])
def test_commands_that_are_too_long_for_github_are_refused(command: str) -> None:
    """A workflow file may have 500 KB, and each line of a command is indented by ten characters."""
    name = "build" if command == "lint" else "deploy"
    for lines in (30_000, 40_000):
        message = refusal(components={"x": generic(**{command: "true\n" * lines})})
        size = 15 * lines // 1024
        if size < 500:
            assert message == ""
            continue
        said = (
            rf"components\.x: x-{name}\.yml would have about (\d+) KB, and GitHub reads at most 500"
        )
        [told] = re.findall(said, message)
        assert 0.9 < int(told) / size < 1.1


LONG = "x" * 36
ALL = [f"{LONG}{index:03}" for index in range(240)]
# The edges, more settings of each component, the environment, and the message.
TOO_MUCH: dict[str, tuple[dict[str, list[str]], dict[str, Any], str, str]] = {
    "a dense graph": (
        {name: ALL[:index] for index, name in enumerate(ALL[:100])},
        {},
        "live",
        "dependency_map: the graph of orchestrator-live.yml has 2\\d\\d KB, and a variable at most",
    ),
    "many packages for one": (
        {ALL[-1]: ALL[:-1]},
        {"build": "b", "produces": ["x"]},
        "live",
        f"dependency_map.{ALL[-1]}: the runs of 239 packages need 31309 characters, and "
        "GitHub reads at most 21000; ",
    ),
    "two wide waves": (
        {name: ALL[:1] for name in ALL[120:]},
        {},
        "live",
        "dependency_map: orchestrator-live.yml would have about 9\\d\\d KB, and GitHub reads at "
        "most 500 KB; drop edges that others imply, or set `on_failure: downstream`",
    ),
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_a_graph_that_is_too_large_for_github_is_refused(case: str) -> None:
    edges, settings, environment, says = TOO_MUCH[case]
    message = refusal(
        components={name: generic(deploy="d", **settings) for name in ALL},
        dependency_map=edges,
        orchestration="dispatch",
        environments=[{"name": environment, "branch": "main", "on_failure": "stop"}],
        pull_requests=False,
    )
    assert re.match(says, message), message
