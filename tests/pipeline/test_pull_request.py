"""The checks of pull requests: which jobs, what they wait for, and what they never get."""

from __future__ import annotations

import re
from typing import Any

import copies
import pytest
from hypothesis import given
from made_answers import CODE_TYPES, costly, generic, plan, plans, refusal
from pipeline.jobs import Job
from pipeline.plan import Plan
from pipeline.pull_request import PullRequest

DEV = [{"name": "dev", "branch": "main"}]


def checks(**answers: Any) -> PullRequest:
    found = plan(**answers).pull_request
    assert found
    return found


def needs(found: PullRequest) -> dict[str, list[str]]:
    """Each job with the jobs it needs, in their order."""
    return {job.id: list(job.needs) for job in found.jobs}


CREDENTIALS = re.compile(r"\$\{\{[^}]*\b(secrets|github\.token)\b")


# Whole graphs --------------------------------------------------------------------------------


def test_the_lambda_example() -> None:
    found = checks(**copies.example("lambda"))
    assert list(needs(found).items()) == [
        ("python-lint", []),
        ("python-test", []),
        ("python-security", []),
        ("python-build", []),
        ("terraform-lint", []),
        ("terraform-test", ["python-build"]),
        ("terraform-security", []),
    ]
    assert found.notices == ()
    assert [job.name for job in found.jobs] == [
        "python / Lint",
        "python / Test",
        "python / Security scan",
        "python / Build",
        "terraform / Lint",
        "terraform / Validate",
        "terraform / Security scan",
    ]


FOUR = {
    "python-lint": [],
    "python-test": [],
    "python-security": [],
    "python-build": [],
    "docker-lint": [],
    "docker-test": ["python-build"],
    "docker-security": ["python-build"],
    "docker-build": ["python-build"],
    "terraform-lint": [],
    "terraform-test": ["python-build"],
    "terraform-security": [],
    "kubernetes-lint": [],
    "kubernetes-security": [],
    "kubernetes-build": ["docker-build"],
}


def test_the_four_code_types() -> None:
    """Kubernetes waits for terraform's deployment too, and there is none in a pull request."""
    found = checks(code_types=["python", "terraform", "docker", "kubernetes"])
    assert list(needs(found).items()) == list(FOUR.items())
    assert found.notices == ()


def test_the_order_of_the_answers_does_not_matter() -> None:
    code_types = ["kubernetes", "docker", "terraform", "python"]
    assert checks(code_types=code_types) == checks(code_types=code_types[::-1])


def test_a_diamond() -> None:
    made = {"lint": "l", "build": "b"}
    found = checks(
        components={
            "base": generic(**made, produces=["base.zip"]),
            "left": generic(**made, produces=["left.zip"]),
            "right": generic(**made, produces=["right.zip"], test="t"),
            "top": generic(**made, deploy="d"),
        },
        dependency_map={"left": "base", "right": "base", "top": ["right", "left"]},
    )
    assert list(needs(found).items()) == [
        ("base-lint", []),
        ("base-build", []),
        ("left-lint", []),
        ("left-build", ["base-build"]),
        ("right-lint", []),
        ("right-test", []),
        ("right-build", ["base-build"]),
        ("top-lint", []),
        ("top-build", ["left-build", "right-build"]),
    ]


def test_what_takes_a_package_by_two_ways_waits_for_each_once() -> None:
    made = plan(
        components={
            "a": generic(build="b", produces=["x", "y"]),
            "b": generic(build="b"),
        },
        dependency_map=[
            {"code_type": "b", "depends_on": "a", "artifacts": ["x"]},
            {"code_type": "b", "depends_on": "a", "artifacts": [{"name": "y", "to": "in/y"}]},
        ],
    )
    assert made.pull_request
    (build,) = (job for job in made.pull_request.jobs if job.id == "b-build")
    assert build.needs == ("a-build",)
    (package,) = build.packages
    assert package.copies == ((".packages/a/y", "in/y"),)
    assert package.wanted == ("x", "y")


@pytest.mark.parametrize(
    "written, waits",
    [
        ({"b": "a"}, ["a-build"]),
        ([{"code_type": "b", "depends_on": "a", "artifacts": ["x"]}], ["a-build"]),
        ([{"code_type": "b", "depends_on": "a", "artifacts": []}], []),
        ({"b": []}, []),
    ],
    ids=["all", "one", "order only", "none"],
)
def test_only_a_package_makes_a_build_wait(written: Any, waits: list[str]) -> None:
    components = {"a": generic(build="b", produces=["x"]), "b": generic(lint="l", build="b")}
    found = checks(components=components, dependency_map=written)
    assert needs(found) == {"a-build": [], "b-lint": [], "b-build": waits}
    (build,) = (job for job in found.jobs if job.id == "b-build")
    assert [p.producer for p in build.packages] == ["a"] * bool(waits)
    assert ("A_PACKAGE" in build.variables) == bool(waits)


def test_builds_do_not_wait_for_checks() -> None:
    """A person sees all that is wrong at once. Deployments wait, see test_plan.py."""
    found = needs(checks(code_types=["python"]))
    assert found == {f"python-{job}": [] for job in ("lint", "test", "security", "build")}


def test_without_the_checks_there_is_no_workflow() -> None:
    made = plan(code_types=["python"], pull_requests=False)
    assert made.pull_request is None
    assert not [file for file in made.files if "pull" in file]
    assert plan(code_types=["python"], pull_requests=True) == plan(code_types=["python"])


def test_a_component_that_only_deploys_has_no_job() -> None:
    found = checks(components={"x": generic(deploy="d"), "y": generic()})
    assert (found.jobs, found.notices) == ((), ())


def test_the_required_check_has_a_name_of_its_own() -> None:
    found = checks(components={"pull-request": generic(lint="l")})
    assert (found.check, found.check_name) == ("pull-request-checks", "Pull request checks")
    assert [job.id for job in found.jobs] == ["pull-request-lint"]
    assert found.file == "pull-request.yml"


# What is left out ------------------------------------------------------------------------------

IMAGE = {"code_type": "docker"}
MAKES = generic(lint="l", test="t", build="b", produces=["x"])
HANDED = {**MAKES, "secrets": ["TOKEN"]}
BY_SECRETS = "it is handed secrets."

# What the answers hold -> the jobs with their needs, and the notices.
LEFT_OUT: dict[str, tuple[dict[str, Any], dict[str, list[str]], list[str]]] = {
    "an image with build secrets": (
        {"components": {"image": {**IMAGE, "secrets": ["NPM"]}}},
        {"image-lint": []},
        [f"image has no test, security, build in pull requests: {BY_SECRETS}"],
    ),
    "a build with secrets": (
        {"components": {"a": HANDED}},
        {"a-lint": [], "a-test": []},
        [f"a has no build in pull requests: {BY_SECRETS}"],
    ),
    "a deployment with secrets": (
        {"components": {"python": {"deploy": "ship", "secrets": ["TOKEN"]}}},
        {f"python-{job}": [] for job in ("lint", "test", "security", "build")},
        [],
    ),
    "secrets where nothing is built": (
        {"components": {"a": generic(lint="l", deploy="d", secrets=["TOKEN"])}},
        {"a-lint": []},
        [],
    ),
    "a cluster's secret": (
        {"code_types": ["kubernetes"]},
        {"kubernetes-lint": [], "kubernetes-security": [], "kubernetes-build": []},
        [],
    ),
    "what needs its package": (
        {
            "components": {"a": HANDED, "b": MAKES, "c": generic(lint="l", build="b")},
            "dependency_map": {"b": "a", "c": "b"},
        },
        {"a-lint": [], "a-test": [], "b-lint": [], "b-test": [], "c-lint": []},
        [
            f"a has no build in pull requests: {BY_SECRETS}",
            "b has no build in pull requests: it needs the package of a.",
            "c has no build in pull requests: it needs the package of b.",
        ],
    ),
    "what only waits for it": (
        {
            "components": {"a": HANDED, "b": MAKES, "c": generic(lint="l", build="b")},
            "dependency_map": [
                {"code_type": "b", "depends_on": "a", "artifacts": []},
                {"code_type": "c", "depends_on": "b"},
            ],
        },
        {
            **{"a-lint": [], "a-test": []},
            **{"b-lint": [], "b-test": [], "b-build": []},
            **{"c-lint": [], "c-build": ["b-build"]},
        },
        [f"a has no build in pull requests: {BY_SECRETS}"],
    ),
    "what needs two packages": (
        {
            "components": {"a": HANDED, "b": HANDED, "c": MAKES, "d": generic(build="b")},
            "dependency_map": {"d": ["a", "b", "c"]},
        },
        {
            **{"a-lint": [], "a-test": [], "b-lint": [], "b-test": []},
            **{"c-lint": [], "c-test": [], "c-build": []},
        },
        [
            f"a has no build in pull requests: {BY_SECRETS}",
            f"b has no build in pull requests: {BY_SECRETS}",
            "d has no build in pull requests: it needs the package of a and b.",
        ],
    ),
    "both at once, one reason is enough": (
        {
            "components": {"a": HANDED, "image": {**IMAGE, "secrets": ["NPM"]}},
            "dependency_map": {"image": "a"},
        },
        {"a-lint": [], "a-test": [], "image-lint": []},
        [
            f"a has no build in pull requests: {BY_SECRETS}",
            f"image has no test, security, build in pull requests: {BY_SECRETS}",
        ],
    ),
    "all along the usual edges": (
        {
            "code_types": ["terraform", "docker", "kubernetes"],
            "components": {
                "python": {"code_type": "generic", **HANDED},
                "api": {"code_type": "python"},
            },
            "dependency_map": {"docker": "python", "terraform": "api"},
        },
        {
            **{f"api-{job}": [] for job in ("lint", "test", "security", "build")},
            **{"python-lint": [], "python-test": [], "docker-lint": []},
            **{"terraform-lint": [], "terraform-test": ["api-build"], "terraform-security": []},
            **{"kubernetes-lint": [], "kubernetes-security": []},
        },
        [
            f"python has no build in pull requests: {BY_SECRETS}",
            "docker has no test, security, build in pull requests: it needs the package of python.",
            "kubernetes has no build in pull requests: it needs the package of docker.",
        ],
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_is_left_out(case: str) -> None:
    answers, jobs, notices = LEFT_OUT[case]
    found = checks(**answers)
    assert needs(found) == jobs
    assert list(found.notices) == notices


def test_one_image_with_secrets_among_others() -> None:
    """The others are built, and the manifests, which need all of them, are not."""
    images: dict[str, Any] = {f"image{n}": IMAGE for n in range(3)}
    images["image1"] = {**IMAGE, "secrets": ["NPM"]}
    found = checks(code_types=["kubernetes"], components=images)
    builds = [job.id for job in found.jobs if job.id.endswith("-build")]
    assert builds == ["image0-build", "image2-build"]
    assert list(found.notices) == [
        f"image1 has no test, security, build in pull requests: {BY_SECRETS}",
        "kubernetes has no build in pull requests: it needs the package of image1.",
    ]


# One job -----------------------------------------------------------------------------------------

FULL: dict[str, Any] = {
    "code_types": ["python", "terraform", "docker", "kubernetes"],
    "components": {
        "python": {"path": "src", "env": {"A": "1"}, "deploy": "ship", "secrets": ["TOKEN"]},
        "docker": {"path": "image", "runner": "big", "timeout_minutes": 9},
        "terraform": {"path": "infra", "cloud": "none", "secrets": ["TF_API_TOKEN"]},
        "kubernetes": {"path": "k8s"},
    },
    "cloud": "aws",
    "registry": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "environments": [
        {"name": "dev", "branch": "main", "env": {"REGION": "eu"}, "retention_days": 90},
        {"name": "prd", "after": "dev", "production": True},
    ],
}


def jobs_of(**answers: Any) -> dict[str, Job]:
    return {job.id: job for job in checks(**answers).jobs}


def test_the_jobs_are_the_same_whatever_the_cloud() -> None:
    """None of them may log in, so nothing but the name of an image can differ."""
    usual = jobs_of(**FULL)
    assert {id_: list(job.needs) for id_, job in usual.items()} == FOUR
    for id_, job in jobs_of(**{**FULL, "cloud": "none", "registry": "ghcr.io"}).items():
        other = usual[id_]
        assert (job.command, job.needs, job.setup) == (other.command, other.needs, other.setup)
        assert set(job.variables) == set(other.variables)


def test_no_job_can_do_harm() -> None:
    for job in jobs_of(**FULL).values():
        assert dict(job.permissions) == {"contents": "read"}
        assert (job.login, job.secrets) == ((), ())
        assert (job.environment, job.retry_environment, job.environments) == ("", "", ())
        assert job.group == ""
        texts = [*job.setup, *job.variables.values(), job.command]
        assert not [text for text in texts if CREDENTIALS.search(text)]


def test_the_variables_of_a_pull_request() -> None:
    """Those of no environment; and what a component's own deployment has beside them."""
    jobs = jobs_of(**FULL)
    common = {"ENVIRONMENT": "pull-request", "COMMIT": "${{ github.sha }}"}
    for job in ("lint", "test", "security", "build"):
        assert jobs[f"python-{job}"].variables == {**common, "A": "1"}
    package = {"PYTHON_PACKAGE": "${{ github.workspace }}/.packages/python"}
    # The root modules of all are checked.
    environments = {"ENVIRONMENTS": "dev prd"}
    assert jobs["terraform-lint"].variables == {**common, **environments}
    assert jobs["terraform-test"].variables == {**common, **environments, **package}
    assert 'ENVIRONMENTS: "dev prd"' in jobs["terraform-lint"].setup[0]
    cache = {
        "COMPONENT": "docker",
        "ACTIONS_CACHE_SERVICE_V2": "true",
        "ACTIONS_RESULTS_URL": "${{ steps.cache.outputs.url }}",
        "ACTIONS_RUNTIME_TOKEN": "${{ steps.cache.outputs.token }}",
    }
    assert jobs["docker-test"].variables == {**common, **package, **cache}
    image = {"IMAGE": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/docker"}
    assert jobs["docker-build"].variables == {**common, **package, **cache, **image}
    assert jobs["kubernetes-build"].variables == {
        **common,
        # Manifests are rendered for each of them: that is what may break.
        "ENVIRONMENTS": "dev prd",
        "DOCKER_PACKAGE": "${{ github.workspace }}/.packages/docker",
    }


def test_the_event_says_which_commit_is_checked() -> None:
    """For a pull request it is the merge, for a merge queue the group's: both are GITHUB_SHA."""
    assert {job.commit for job in jobs_of(**FULL).values()} == {""}


def test_settings_of_a_component_hold_here_too() -> None:
    for id_, job in jobs_of(**FULL).items():
        if job.component.name == "docker":
            assert (job.runner, job.timeout_minutes) == ("big", 9)
        else:
            (name,) = (j for j in ("lint", "test", "security", "build") if id_.endswith(f"-{j}"))
            defaults = job.component.code_type.jobs[name]
            assert (job.runner, job.timeout_minutes) == ("ubuntu-latest", defaults.timeout_minutes)


def test_packages_meet_in_the_run_itself() -> None:
    """Over the REST API they could be another run's; that needs a permission too."""
    jobs = jobs_of(**FULL)
    handed = {
        id_: [(p.artifact, p.by_run, p.own) for p in job.packages]
        for id_, job in jobs.items()
        if job.packages
    }
    python, docker = "python-package-pull-request", "docker-package-pull-request"
    assert handed == {
        **{f"docker-{job}": [(python, False, False)] for job in ("test", "security", "build")},
        "terraform-test": [(python, False, False)],
        "kubernetes-build": [(docker, False, False)],
    }
    assert {p.run for job in jobs.values() for p in job.packages} == {"${{ github.run_id }}"}
    assert {p.built_from for job in jobs.values() for p in job.packages} == {"COMMIT"}
    assert not [id_ for id_, job in jobs.items() if job.takes_upstream]
    uploads = {id_: job.upload for id_, job in jobs.items() if job.upload}
    # As short as GitHub allows: nobody deploys them.
    assert {
        i: (u.artifact, u.products, u.retention_days, u.outputs) for i, u in uploads.items()
    } == {
        "python-build": (python, ("lambda-package.zip",), 1, ()),
        "docker-build": (docker, ("docker-image",), 1, ()),
        "kubernetes-build": ("kubernetes-package-pull-request", ("rendered.yaml",), 1, ()),
    }


@pytest.mark.parametrize("code_type", sorted(CODE_TYPES))
def test_a_build_of_a_code_types_own(code_type: str) -> None:
    """The command for pull requests; a person's own build is run as it is."""
    products = CODE_TYPES[code_type].products
    for produces in ([name] for name in products):
        settings: dict[str, Any] = {"code_type": code_type, "produces": produces}
        (job,) = (j for j in checks(components={"x": settings}).jobs if j.id == "x-build")
        assert job.command == products[produces[0]].pull_request
        settings["build"] = "make it"
        (job,) = (j for j in checks(components={"x": settings}).jobs if j.id == "x-build")
        assert job.command == "make it"


def test_every_environment_is_named_only_where_the_command_asks() -> None:
    answers: dict[str, Any] = {
        "components": {
            "asks": generic(lint='for e in $ENVIRONMENTS; do check "$e"; done', test="make"),
            "asks-in-a-word": generic(lint='check "a-$ENVIRONMENTS"'),
            "asks-with-another": generic(lint='check "${ENVIRONMENTS:-$ENVIRONMENT}"'),
            "asks-not": generic(lint='check "$ENVIRONMENT"', test='check "$ENVIRONMENTS_OF_A"'),
        },
        "environments": [*DEV, {"name": "b", "tag": "v*"}, {"name": "a", "manual": True}],
    }
    jobs = jobs_of(**answers)
    assert {id_: job.variables.get("ENVIRONMENTS") for id_, job in jobs.items()} == {
        "asks-lint": "dev b a",
        "asks-test": None,
        "asks-in-a-word-lint": "dev b a",
        "asks-with-another-lint": "dev b a",
        "asks-not-lint": None,
        "asks-not-test": None,
    }


# For every plan ----------------------------------------------------------------------------------

NOTICE = re.compile(
    r"(?P<name>[\w-]+) has no (?P<jobs>[\w, ]+) in pull requests: "
    r"(?:it is handed secrets|it needs the package of (?P<of>[\w -]+))\."
)


@costly
@given(plans())
def test_jobs_wait_for_earlier_jobs_alone(made: Plan) -> None:
    """And for exactly those whose packages they take, which those jobs upload."""
    if not made.pull_request:
        return
    earlier: dict[str, Job] = {}
    for job in made.pull_request.jobs:
        assert list(job.needs) == [f"{package.producer}-build" for package in job.packages]
        for package in job.packages:
            upload = earlier[f"{package.producer}-build"].upload
            assert upload and upload.artifact == package.artifact
            assert set(package.wanted) <= set(upload.products)
            assert package.artifact == f"{package.producer}-package-pull-request"
        earlier[job.id] = job


@costly
@given(plans())
def test_ids_and_artifacts_collide_with_nothing(made: Plan) -> None:
    if not made.pull_request:
        return
    ids = [job.id.lower() for job in made.pull_request.jobs]
    assert len({*ids, made.pull_request.check}) == len(ids) + 1
    names = [job.name.lower() for job in made.pull_request.jobs]
    assert len({*names, made.pull_request.check_name.lower()}) == len(names) + 1
    uploads = [job.upload.artifact.lower() for job in made.pull_request.jobs if job.upload]
    assert len(set(uploads)) == len(uploads)
    assert all(upload.endswith("-package-pull-request") for upload in uploads)
    deployed = {workflow.artifact.lower() for workflow in made.workflows}
    assert not deployed & set(uploads)


@costly
@given(plans())
def test_nothing_gets_credentials(made: Plan) -> None:
    for job in made.pull_request.jobs if made.pull_request else ():
        assert dict(job.permissions) == {"contents": "read"}
        assert not (job.login or job.secrets or job.environments or job.group or job.commit)
        texts = [*job.setup, *job.variables.values(), job.command]
        assert not [text for text in texts if CREDENTIALS.search(text)]


@costly
@given(plans())
def test_every_command_is_run_or_its_absence_explained(made: Plan) -> None:
    """Nothing is left out without a notice, nor with one that is not true."""
    if not made.pull_request:
        assert not made.answers.pull_requests
        return
    missing: dict[str, str] = {}
    for notice in made.pull_request.notices:
        match = NOTICE.fullmatch(notice)
        assert match
        for job in match["jobs"].split(", "):
            assert f"{match['name']}-{job}" not in missing  # one reason each
            missing[f"{match['name']}-{job}"] = match["of"] or ""
    found = [job.id for job in made.pull_request.jobs]
    by_name = {component.name: component for component in made.answers.components}
    commands = [
        f"{name}-{job}" for name in made.order for job in by_name[name].commands if job != "deploy"
    ]
    assert found == [job for job in commands if job not in missing]
    assert set(missing) <= set(commands)
    for id_ in commands:
        name, _, job = id_.rpartition("-")
        component = by_name[name]
        takes = component.code_type.jobs[job]
        edges = [e for e in made.answers.dependencies.edges if e.consumer == name and e.placements]
        absent = [e.producer for e in edges if f"{e.producer}-build" not in found]
        if takes.secrets and component.secrets:
            assert missing[id_] == ""
        elif takes.packages and absent:
            assert missing[id_] == " and ".join(absent)
        else:
            assert id_ in found


# More than GitHub reads ------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [30_000, 40_000])
def test_a_file_that_github_would_not_read_is_refused(lines: int) -> None:
    """500 KB; each line of a command is indented by ten characters."""
    long = {"x": generic(lint="true\n" * lines)}
    message = refusal(components=long)
    size = (15 * lines + 5_500) // 1024
    if size < 500:
        assert message == ""
    else:
        [told] = re.findall(r"^pull_requests: pull-request\.yml would have about (\d+) KB", message)
        assert 0.9 < int(told) / size < 1.1
        assert message.endswith("GitHub reads at most 500 KB; shorten commands, or say false")
    assert refusal(components=long, pull_requests=False) == ""
