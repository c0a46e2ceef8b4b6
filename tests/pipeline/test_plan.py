"""The plan: exact files and jobs, permissions, names, secrets, approval of re-runs."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import copies
import pytest
import toolbox
from hypothesis import given
from made_answers import CODE_TYPES, costly, generic, plan, plans, refusal
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
            "python": ["lint", "test", "security", "build"],
            "docker": ["lint", "test", "security", "build"],
            "terraform": ["lint", "test", "security", "deploy"],
            "kubernetes": ["lint", "security", "build", "deploy"],
        },
        ["dev", "test", "prd"],
    ),
    "cluster": (
        {
            **{n: ["lint", "test", "security", "build"] for n in ("result", "vote", "worker")},
            "kubernetes": ["lint", "security", "build", "deploy"],
        },
        ["dev", "test", "prd"],
    ),
    "single": (
        {"python": ["lint", "test", "security", "build", "deploy"]},
        ["staging", "release"],
    ),
    "library": (
        {"python": ["lint", "test", "security", "build", "deploy"]},
        ["ci", "release"],
    ),
}
PUBLISHED = {("library", "ci"): "python"}
"""Where an example's component has no `deploy`, because nothing is published there."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_files_of_the_examples(name: str) -> None:
    components, environments = EXAMPLES[name]
    expected = {"docs/ci-cd.md", ".github/workflows/component-preflight.yml"}
    expected.add(".github/workflows/pull-request.yml")
    for environment in environments:
        expected.add(f".github/workflows/orchestrator-{environment}.yml")
        expected |= {f".github/workflows/{c}-{environment}.yml" for c in components}
    made = plan(**copies.example(name))
    assert set(made.files) == expected
    assert len(made.files) == len(expected)


def test_without_checks_of_pull_requests_there_is_one_file_less() -> None:
    usual = plan(**copies.example("lambda"))
    without = plan(**copies.example("lambda"), pull_requests=False)
    assert without.pull_request is None
    assert set(usual.files) - set(without.files) == {".github/workflows/pull-request.yml"}
    assert (without.workflows, without.orchestrators) == (usual.workflows, usual.orchestrators)


def test_the_check_for_drift_is_one_file_more() -> None:
    usual = plan(**copies.example("lambda"))
    with_it = plan(**copies.example("lambda"), drift_check=True)
    assert set(with_it.files) - set(usual.files) == {".github/workflows/drift.yml"}
    assert set(usual.files) < set(with_it.files)
    assert (with_it.workflows, with_it.pull_request) == (usual.workflows, usual.pull_request)


def test_a_component_may_be_called_drift() -> None:
    """Its files and names have its environment beside it, so none is reserved."""
    components = {"drift": {"code_type": "generic", "lint": "true"}}
    environments = [{"name": "drift", "branch": "main"}]
    made = plan(components=components, environments=environments, drift_check=True)
    assert len(set(made.files)) == len(made.files)
    names = {"drift", *(workflow.name.lower() for workflow in made.workflows)}
    names |= {orchestrator.name.lower() for orchestrator in made.orchestrators}
    assert len(names) == 3


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
            component = call.workflow.component.name
            without = ["deploy"] * (PUBLISHED.get((name, environment)) == component)
            assert found + without == components[component]


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
    names = [*(o.name for o in made.orchestrators), *(w.name for w in made.workflows)]
    assert not twice([*names, "Pull Request"])
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
    job asks for, and each permission says why."""
    for workflow in made.workflows:
        asked = [workflow.preflight_permissions, *(job.permissions for job in workflow.jobs)]
        highest = {
            scope: max((a.get(scope, "none") for a in asked), key=LEVELS.index)
            for scope in {scope for a in asked for scope in a}
        }
        assert workflow.permissions == highest
        for job in workflow.jobs:
            assert all(job.reasons[scope] for scope in job.permissions if scope != "contents")
    for call in (call for orchestrator in made.orchestrators for call in orchestrator.calls):
        granted = call.workflow.permissions
        assert all(call.reasons[scope] for scope in granted if scope != "contents")


@costly
@given(plans())
def test_what_may_be_written(made: Plan) -> None:
    """An OIDC token by what logs in to a cloud or publishes, and the image by what pushes it."""
    answers = made.answers
    own_registry = answers.registry.base.startswith("ghcr.io/")
    for workflow in made.workflows:
        component = workflow.component
        for job in workflow.jobs:
            written = {scope for scope, access in job.permissions.items() if access != "read"}
            expected = set()
            if job.id == "deploy" and (component.cloud != "none" or component.publishes):
                expected = {"id-token"}
            if job.id == "build" and component.code_type.name == "docker":
                expected = {"packages"} if own_registry else {"id-token"}
            assert written == expected
            assert all(job.permissions[scope] == "write" for scope in written)


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
        component = workflow.component
        for job in workflow.jobs:
            read = [value for value in job.variables.values() if "secrets." in value]
            handed = component.secrets if component.job(job.id).secrets else ()
            assert {f"${{{{ secrets.{name} }}}}" for name in handed} == set(read)
            of_a_cluster = component.code_type.name in ("helm", "kubernetes")
            kubeconfig = of_a_cluster and component.cloud == "none"
            by_login = {"KUBE_CONFIG"} if kubeconfig and job.id == "deploy" else set()
            assert set(job.secrets) == {*handed, *by_login}
            assert len(job.secrets) == len(set(job.secrets))
            assert any("secrets.KUBE_CONFIG" in step for step in job.login) == bool(by_login)
        # The calling job inherits secrets only for a workflow that reads some.
        assert workflow.reads_secrets == any(job.secrets for job in workflow.jobs)


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
            elif job.id == "deploy":
                assert job.environment == environment.name
            else:
                pushes = workflow.component.code_type.name == "docker" and job.id == "build"
                own_registry = made.answers.registry.base.startswith("ghcr.io/")
                assert job.environment == ("registry" if pushes and not own_registry else "")


@costly
@given(plans())
def test_only_deployments_wait_for_one_another(made: Plan) -> None:
    """Two runs must not deploy one component to one environment at once; builds may run."""
    for workflow in made.workflows:
        for job in workflow.jobs:
            assert job.group == (workflow.id if job.id == "deploy" else "")


@costly
@given(plans())
def test_only_a_tag_publishes(made: Plan) -> None:
    publishing = {c.name for c in made.answers.components if c.publishes}
    for workflow in made.workflows:
        component, tagged = workflow.component, workflow.environment.trigger == "tag"
        jobs = {job.id: job for job in workflow.jobs}
        assert component.publishes == (component.name in publishing and tagged)
        if component.name not in publishing:
            assert not any(job.identity for job in workflow.jobs)
            continue
        publish = component.code_type.publish
        assert ("deploy" in jobs) == tagged and ("build" in jobs) == bool(component.produces)
        trusted = ["deploy"] * (tagged and publish.identity)
        assert [job.id for job in workflow.jobs if job.identity] == trusted
        if tagged:
            # Exactly what was built, put back where it was; no login to a cloud.
            own = [name for p in jobs["deploy"].packages if p.own for name in p.wanted]
            assert set(own) == set(component.produces) >= {publish.product} - {""}
            assert jobs["deploy"].name.startswith("Publish")
            assert publish.registry or not jobs["deploy"].cloud


@costly
@given(plans())
def test_nobody_can_paste_into_a_script(made: Plan) -> None:
    jobs = [job for workflow in made.workflows for job in workflow.jobs]
    jobs += made.pull_request.jobs if made.pull_request else ()
    assert not [job.command for job in jobs if "${{" in job.command]


@costly
@given(plans())
def test_what_a_person_says_wins_over_the_code_type(made: Plan) -> None:
    jobs = [(job, workflow.environment.env) for workflow in made.workflows for job in workflow.jobs]
    # What is said of an environment holds in deployments to it alone.
    jobs += [(job, {}) for job in made.pull_request.jobs] if made.pull_request else []
    for job, of_environment in jobs:
        said = {**of_environment, **job.component.env}
        assert said.items() <= job.variables.items()


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

SECRET_TAKERS = {
    "cdk": {"deploy"},
    "docker": {"test", "security", "build", "deploy"},
    "dotnet": {"deploy"},
    "generic": {"build", "deploy"},
    "go": {"deploy"},
    "helm": {"deploy"},
    "java": {"deploy"},
    "kubernetes": {"deploy"},
    "opentofu": {"deploy"},
    "node": {"deploy"},
    "python": {"deploy"},
    "terraform": {"deploy"},
}


@pytest.mark.parametrize("code_type", sorted(CODE_TYPES))
def test_who_takes_secrets(code_type: str) -> None:
    commands = dict.fromkeys(JOBS, "make")
    settings = {"code_type": code_type, "secrets": ["TOKEN"], "produces": [], **commands}
    for workflow in plan(components={"x": settings}).workflows:
        assert [job.id for job in workflow.jobs] == list(JOBS)
        takers = {job.id for job in workflow.jobs if "TOKEN" in job.secrets}
        assert takers == SECRET_TAKERS[code_type]
        readers = {job.id for job in workflow.jobs if "TOKEN" in job.variables}
        assert readers == SECRET_TAKERS[code_type]


def test_build_secrets_of_an_image_are_named_to_its_builds() -> None:
    """The command reads their names from a variable, and their values from variables of theirs."""
    made = plan(components={"image": {"code_type": "docker", "secrets": ["NPM", "PIP"]}})
    for workflow in made.workflows:
        named = {job.id: job.variables.get("BUILD_SECRETS") for job in workflow.jobs}
        wanted = "NPM PIP"
        assert named == {"lint": None, "test": wanted, "security": wanted, "build": wanted}
    (workflow, *_) = plan(code_types=["docker"]).workflows
    assert not [job.id for job in workflow.jobs if "BUILD_SECRETS" in job.variables]


# The code types -> the waves in which they are deployed when nobody says otherwise.
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
def test_what_is_usual_for_the_code_types(case: str) -> None:
    code_types, waves = HABITS[case]
    made = plan(code_types=code_types)
    assert made.waves == waves
    assert all(edge.conventional for edge in made.answers.dependencies.edges)
    assert not made.notices


def test_usual_edges_hand_on_what_is_produced() -> None:
    """Terraform produces nothing: kubernetes only waits for it."""
    made = plan(code_types=["python", "terraform", "docker", "kubernetes"])
    handed = [(producer, product, consumer) for producer, product, consumer, _ in made.placements]
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
    for workflow in made.workflows:
        if workflow.component.name != "kubernetes":
            continue
        environment = workflow.environment.name
        assert workflow.waits_for == workflow.producers == tuple(images)
        for job in workflow.jobs:
            taken = [(p.producer, p.artifact, p.folder) for p in job.packages if not p.own]
            every = [(n, f"{n}-package-{environment}", f".packages/{n}") for n in images]
            assert taken == (every if job.id in ("build", "deploy") else [])
            assert all(p.wanted == ("docker-image",) for p in job.packages if not p.own)


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


# The components -> what the jobs of each leave out of their checkout.
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
def test_folders_of_others_are_left_out_where_tools_would_walk_into_them(case: str) -> None:
    components, expected = LEFT_OUT[case]
    made = plan(components=components)
    assert made.pull_request
    jobs = [job for workflow in made.workflows for job in workflow.jobs]
    for job in (*jobs, *made.pull_request.jobs):
        assert job.leaves_out == expected.get(job.component.name, ())


@costly
@given(plans())
def test_nothing_of_ones_own_is_left_out(made: Plan) -> None:
    jobs = [job for workflow in made.workflows for job in workflow.jobs]
    jobs += made.pull_request.jobs if made.pull_request else ()
    for job in jobs:
        own = PurePosixPath(job.component.path)
        others = {PurePosixPath(c.path) for c in made.answers.components} - {own}
        inner = {other.relative_to(own) for other in others if other.is_relative_to(own)}
        left_out = [PurePosixPath(*shlex.split(folder)) for folder in job.leaves_out]
        assert set(left_out) == (inner if job.component.code_type.name == "python" else set())
        assert len(left_out) == len(set(left_out))


def test_independent_components_run_in_parallel() -> None:
    made = plan(components={name: generic(lint="x") for name in ("c", "a", "b")})
    assert made.waves == (("a", "b", "c"),)
    first = made.orchestrators[0]
    assert [call.needs for call in first.calls] == [(), (), ()]


# Other orchestrations


def test_what_jobs_hand_on_under_dispatch() -> None:
    components = {name: generic(build="b", produces=["x"], deploy="d") for name in ("a", "b", "c")}
    entries = [
        {"code_type": "b", "depends_on": "a", "artifacts": []},
        {"code_type": "c", "depends_on": ["a", "b"]},
    ]
    made = plan(components=components, dependency_map=entries, orchestration="dispatch")
    dev, _, prd = made.orchestrators
    commit = "${{ inputs.commit || github.sha }}"
    both = '{"a": ${{ needs.a-dev.outputs.run-id }}, "b": ${{ needs.b-dev.outputs.run-id }}}'
    assert [call.inputs(dev.commit) for call in dev.calls] == [
        {"workflow": "a-dev.yml", "commit": commit},
        {"workflow": "b-dev.yml", "commit": commit},
        {"workflow": "c-dev.yml", "commit": commit, "runs": both},
    ]
    assert {call.file for call in (*dev.calls, *prd.calls)} == {"component-run.yml"}
    assert [call.needs for call in dev.calls] == [(), ("a-dev",), ("a-dev", "b-dev")]
    assert (dev.gates, dev.belonging) == ((), {"branch": "develop"})
    assert (prd.gates, prd.belonging) == (("tested-commit", "preflight"), {"branch": "main"})
    assert [call.needs[0] for call in prd.calls] == ["preflight"] * 3
    assert prd.commit == "needs.preflight.outputs.commit"


def test_who_may_be_asked_to_approve_a_rerun() -> None:
    for orchestration, is_retry in (
        ("call", "github.run_attempt > 1"),
        ("dispatch", "(inputs.attempt > 1 || github.run_attempt > 1)"),
        ("observe", "github.run_attempt > 1"),
    ):
        made = plan(components={"x": generic(deploy="d")}, orchestration=orchestration)
        environments = [job.environment for w in made.workflows for job in w.jobs]
        retried = f"${{{{ {is_retry} && 'prd-retry' || 'prd' }}}}"
        assert environments == ["dev", "test", retried]


LONG = "x" * 36
SIZES: dict[str, tuple[int, bool, bool, str]] = {
    # How many components, whether each needs all before it, whether it takes their packages.
    "a dense graph": (100, True, False, "the graph of orchestrator-live.yml has 2"),
    "many packages for one": (240, False, True, "the runs of 239 packages are named in 2"),
    "a long chain that stops": (240, False, False, "orchestrator-live.yml would have about 1"),
}


@pytest.mark.parametrize("case", SIZES)
def test_what_github_could_not_read_is_refused(case: str) -> None:
    number, dense, taken, says = SIZES[case]
    names = [f"{LONG}{i:03}" for i in range(number)]
    settings = generic(build="b", produces=["x"]) if taken else generic(deploy="d")
    edges = {name: names[:i] if dense else names[max(i - 1, 0) : i] for i, name in enumerate(names)}
    if taken:
        edges = {names[-1]: names[:-1]}
    message = refusal(
        components=dict.fromkeys(names, settings),
        dependency_map=edges,
        orchestration="dispatch",
        environments=[{"name": "live", "branch": "main", "on_failure": "stop"}],
        pull_requests=False,
    )
    assert message.startswith("dependency_map") and says in message
    assert "KB" in message or "21000" in message
