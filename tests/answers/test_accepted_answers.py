"""Answers that look odd and are valid: none is refused, and each means what it says."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier._cli import CopierApp
from copies import copy, example, tree
from pipeline.answers import read_answers
from pipeline.catalogue import load_catalogue
from pipeline.ci_cd_page import ci_cd_page
from pipeline.plan import Plan, make_plan
from toolbox import ROOT

CATALOGUE = load_catalogue(ROOT)
GENERIC = {"code_type": "generic"}
SEED_MAP = (
    '[{"code_type": "terraform", "depends_on": "python", "artifacts": ["lambda-package.zip"]},'
    ' {"code_type": "kubernetes", "depends_on": "docker", "artifacts": ["docker-image"]}]'
)
"""The dependency map of the requirements, unchanged."""


def plan_of(**answers: Any) -> Plan:
    return make_plan(read_answers({"code_types": ["python", "terraform"], **answers}, CATALOGUE))


def edges(plan: Plan) -> set[str]:
    return {f"{e.consumer} after {e.producer}" for e in plan.answers.dependencies.edges}


def handed_files(plan: Plan) -> set[tuple[str, str]]:
    """Each product, with the place where it goes."""
    return {(product, where) for _, product, _, where in ci_cd_page(plan).handed_files}


PACKAGE = ("lambda-package.zip", ".packages/python/lambda-package.zip")
"""What terraform takes from python by default."""


# -- the dependency map ---------------------------------------------------------------------


@pytest.mark.parametrize("written", [SEED_MAP, json.loads(SEED_MAP)], ids=["text", "list"])
def test_the_map_of_the_requirements(written: Any) -> None:
    """The map does not name docker, so docker waits for python by default. It says that kubernetes
    waits for docker, so kubernetes does not wait for terraform."""
    alone = {"code_types": ["python", "terraform", "docker", "kubernetes"]}
    for answers in (alone, example("seed")):
        plan = plan_of(**{**answers, "dependency_map": written})
        assert edges(plan) == {
            "terraform after python",
            "kubernetes after docker",
            "docker after python",
        }
        assert {
            (e.consumer, e.producer) for e in plan.answers.dependencies.edges if e.conventional
        } == {("docker", "python")}
        assert handed_files(plan) == {PACKAGE, ("docker-image", ".packages/docker/docker-image")}
        assert plan.waves == (("python",), ("docker", "terraform"), ("kubernetes",))
        assert plan.notices == ()


@pytest.mark.parametrize(
    "written",
    [
        {"terraform": "python"},
        {"terraform": ["python"]},
        {"terraform": ["python", "python"]},
        "{terraform: [python]}",
        "terraform: python",
        "terraform:\n- python\n",
        [{"code_type": "terraform", "depends_on": "python"}],
        [{"code_type": "terraform", "depends_on": ["python"]}],
        [{"code_type": "terraform", "depends_on": "python", "artifacts": ["lambda-package.zip"]}],
        [{"code_type": "terraform", "depends_on": "python", "artifacts": ["./lambda-package.zip"]}],
        [{"code_type": "terraform", "depends_on": "python"}] * 2,
        {"python": [], "terraform": "python"},
    ],
    ids=repr,
)
def test_all_forms_of_a_map_mean_the_same(written: Any) -> None:
    plan = plan_of(dependency_map=written)
    assert edges(plan) == {"terraform after python"}
    assert handed_files(plan) == {PACKAGE}


@pytest.mark.parametrize(
    "written",
    [
        {"terraform": []},
        {"terraform": ""},
        [{"code_type": "terraform", "depends_on": []}],
        [{"code_type": "terraform", "depends_on": ""}],
        [{"code_type": "terraform", "depends_on": [], "artifacts": []}],
    ],
    ids=repr,
)
def test_an_empty_list_turns_the_default_dependency_off(written: Any) -> None:
    assert edges(plan_of(dependency_map=written)) == set()
    assert edges(plan_of(dependency_map={})) == {"terraform after python"}


def test_entries_of_one_component_are_added() -> None:
    plan = plan_of(
        components={"api": GENERIC, "worker": {"code_type": "python", "produces": ["dist"]}},
        dependency_map=[
            {"code_type": "api", "depends_on": "python", "artifacts": []},
            {"code_type": "api", "depends_on": []},
            {"code_type": "api", "depends_on": ["worker", "python"], "artifacts": ["dist"]},
            {"code_type": "terraform", "depends_on": "api"},
        ],
    )
    assert edges(plan) == {"api after python", "api after worker", "terraform after api"}
    assert handed_files(plan) == {("dist", ".packages/worker/dist")}
    assert plan.waves == (("python", "worker"), ("api",), ("terraform",))


def test_no_artifacts_leaves_only_the_order() -> None:
    entry = {"code_type": "terraform", "depends_on": "python", "artifacts": []}
    plan = plan_of(dependency_map=[entry])
    assert edges(plan) == {"terraform after python"}
    assert handed_files(plan) == set()


@pytest.mark.parametrize(
    ("to", "where"),
    [
        ("infra/", "infra/lambda-package.zip"),
        ("./infra//", "infra/lambda-package.zip"),
        (".", "lambda-package.zip"),
        ("./", "lambda-package.zip"),
        ("infra/code.zip", "infra/code.zip"),
        ("infra/./code.zip", "infra/code.zip"),
        ("infra", "infra"),
        (".infra/.code", ".infra/.code"),
        ("ünïcode/🚀.zip", "ünïcode/🚀.zip"),
        ("it's $HOME & co/x.zip", "it's $HOME & co/x.zip"),
    ],
)
def test_the_place_of_an_artifact(to: str, where: str) -> None:
    artifact = {"name": "lambda-package.zip", "to": to}
    entry = {"code_type": "terraform", "depends_on": "python", "artifacts": [artifact]}
    assert handed_files(plan_of(dependency_map=[entry])) == {("lambda-package.zip", where)}


def test_one_artifact_in_two_places() -> None:
    artifacts = [{"name": "lambda-package.zip", "to": to} for to in ("a.zip", "b.zip", "b.zip")]
    entry = {"code_type": "terraform", "depends_on": "python", "artifacts": artifacts}
    assert {where for _, where in handed_files(plan_of(dependency_map=[entry]))} == {
        "a.zip",
        "b.zip",
    }


def test_paths_with_a_common_beginning_are_two_places() -> None:
    artifacts = [{"name": "lambda-package.zip", "to": to} for to in ("infra/a", "infra/ab")]
    entry = {"code_type": "terraform", "depends_on": "python", "artifacts": artifacts}
    assert len(handed_files(plan_of(dependency_map=[entry]))) == 2


def test_two_consumers_may_use_one_place() -> None:
    """Each has a workspace of its own."""
    artifacts = [{"name": "lambda-package.zip", "to": "x.zip"}]
    plan = plan_of(
        components={"edge": {"code_type": "terraform"}},
        dependency_map=[
            {"code_type": consumer, "depends_on": "python", "artifacts": artifacts}
            for consumer in ("edge", "terraform")
        ],
    )
    assert handed_files(plan) == {("lambda-package.zip", "x.zip")}


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ({"terraform": "python"}, set()),
        ({"python": "terraform"}, set()),
        ({"python": ["terraform", "api"]}, {"python after api"}),
        ([{"code_type": "python", "depends_on": "terraform", "artifacts": ["state"]}], set()),
    ],
    ids=repr,
)
def test_a_dependency_on_an_unselected_code_type_is_left_out(written: Any, left: set[str]) -> None:
    plan = plan_of(code_types=["python"], components={"api": GENERIC}, dependency_map=written)
    assert edges(plan) == left
    assert len(plan.notices) == 1
    assert "terraform, which is not selected" in plan.notices[0]


def test_the_notice_is_in_every_orchestrator_and_the_docs(template: Path, tmp_path: Path) -> None:
    answers = {"code_types": ["python"], "dependency_map": {"terraform": "python"}}
    files = tree(copy(template, tmp_path / "new", answers))
    (notice,) = plan_of(**answers).notices
    for env in ("dev", "test", "prd"):
        header = files[f".github/workflows/orchestrator-{env}.yml"].decode().split("\nname:")[0]
        assert f"# {notice}\n" in header
    assert notice in files["docs/ci-cd.md"].decode()
    assert not [path for path in files if "terraform" in path]


def test_a_written_dependency_replaces_the_opposite_default() -> None:
    plan = plan_of(dependency_map={"python": "terraform"})
    assert edges(plan) == {"python after terraform"}
    assert len(plan.notices) == 1
    assert "terraform does not wait for python" in plan.notices[0]


# -- names and texts ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["on", "no", "null", "y", "true", "Off", "call", "e1", "NaN"])
def test_names_that_yaml_reads_as_other_values(name: str, template: Path, tmp_path: Path) -> None:
    """As quoted text they stay names, in the plan and in the written files."""
    answers = {
        "code_types": [],
        "components": {name: {**GENERIC, "deploy": "true"}},
        "environments": [{"name": name, "branch": name, "env": {"A": name}}],
    }
    plan = plan_of(**answers)
    assert plan.order == (name,)
    assert [e.name for e in plan.environments] == [name]
    files = tree(copy(template, tmp_path / "new", answers))
    assert set(files) == {*plan.files, ".copier-answers.yml"}
    stored = yaml.safe_load(files[".copier-answers.yml"])
    assert plan_of(**{"code_types": [], **stored}) == plan_of(
        **answers, branching="custom", project_name="new"
    )


@pytest.mark.parametrize(
    "name",
    ["Änderungs-Dienst", "注文", "🚀 launch", "it's \"quoted\"", "# no comment", "a: b", "- x",
     "[[ 7 * 7 ]] [% if %]", "{{ x }}", "$HOME `id`", "x" * 100, "007", "*anchor", "</a>"],
)  # fmt: skip
def test_unusual_project_names(name: str, template: Path, tmp_path: Path) -> None:
    answers = {"code_types": ["python"], "project_name": name}
    assert plan_of(**answers).answers.project_name == name
    files = tree(copy(template, tmp_path / "new", answers))
    assert yaml.safe_load(files[".copier-answers.yml"])["project_name"] == name
    orchestrator = files[".github/workflows/orchestrator-dev.yml"].decode()
    assert orchestrator.startswith(f"# Deploys {name} to dev")
    assert yaml.safe_load(orchestrator)["name"] == "Orchestrator Dev"


@pytest.mark.parametrize(("given", "name"), [(12, "12"), (1.5, "1.5"), (0, "0"), ("  a  ", "a")])
def test_project_names_are_made_text(given: Any, name: str) -> None:
    assert plan_of(project_name=given).answers.project_name == name


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("🚀 ünï", "🚀 ünï"),
        ("", ""),
        ("a\nb\tc\n", "a\nb\tc\n"),
        (" \" ' # : - ", " \" ' # : - "),
        (8080, "8080"),
        ("3.10", "3.10"),
        ("${{ vars.REGION }}", "${{ vars.REGION }}"),
        ("$HOME ${HOME} }} {{", "$HOME ${HOME} }} {{"),
        ("x" * 10_000, "x" * 10_000),
    ],
)
def test_values_of_variables(given: Any, text: str, template: Path, tmp_path: Path) -> None:
    answers = {
        "code_types": [],
        "components": {"api": {**GENERIC, "env": {"VALUE": given}, "deploy": "true"}},
        "environments": [{"name": "dev", "branch": "main", "env": {"OTHER": given}}],
    }
    plan = plan_of(**answers)
    assert plan.answers.components[0].env == {"VALUE": text}
    assert plan.environments[0].env == {"OTHER": text}
    files = tree(copy(template, tmp_path / "new", answers))
    workflow = yaml.safe_load(files[".github/workflows/api-deploy.yml"])
    variables = workflow["jobs"]["deploy"]["env"]
    assert (variables["VALUE"], variables.get("OTHER", "")) == (text, text)


@pytest.mark.parametrize("path", [".", "./", "a b/c", "it's", "ünï/🚀", ".hidden", "a/./b", "..."])
def test_unusual_paths(path: str) -> None:
    plan = plan_of(components={"python": {"path": path}})
    (python,) = [c for c in plan.answers.components if c.name == "python"]
    assert Path(python.path) == Path(path)


def test_49_components_are_accepted() -> None:
    components = {f"c{i}": GENERIC for i in range(47)}
    assert len(plan_of(components=components).order) == 49


# -- environments and other choices ---------------------------------------------------------


@pytest.mark.parametrize(
    "ref", ["main", "release/**", "v[0-9]+.[0-9]+", "feature/*", "a+b?", "ünï", "it's", "v*", "#1"]
)
@pytest.mark.parametrize("trigger", ["branch", "tag"])
def test_branches_and_tags(trigger: str, ref: str) -> None:
    (dev,) = plan_of(environments=[{"name": "dev", trigger: ref}]).environments
    assert (dev.trigger, dev.source) == (trigger, ref)


def test_a_list_of_environments_replaces_branching() -> None:
    environments = [{"name": "live", "branch": "main"}]
    for branching in ("develop-main", "trunk", "release", "custom"):
        plan = plan_of(branching=branching, environments=environments)
        assert [e.name for e in plan.environments] == ["live"]


def test_environments_may_be_listed_in_any_order() -> None:
    chain = [
        {"name": "d", "after": "c", "production": True},
        {"name": "b", "after": "a", "manual": False},
        {"name": "c", "after": "b"},
        {"name": "a", "branch": "main", "retention_days": 400},
    ]
    plan = plan_of(environments=chain)
    assert [(e.name, e.source, e.root) for e in plan.environments] == [
        ("d", "c", "a"),
        ("b", "a", "a"),
        ("c", "b", "a"),
        ("a", "main", "a"),
    ]


def test_components_in_some_environments() -> None:
    """`environments` may be in any order and name one twice. A component is not deployed elsewhere.
    There, order passes through it, and consumers still get its package."""
    plan = plan_of(
        components={
            "api": {**GENERIC, "build": "make", "produces": ["x"], "deploy": "make"},
            "base": {**GENERIC, "deploy": "make", "environments": ["prd", "test", "prd"]},
            "end": {**GENERIC, "deploy": "make"},
            "python": {"environments": ["dev"]},
            "terraform": {"environments": ["dev", "test", "prd"]},
        },
        dependency_map=[
            {"code_type": "api", "depends_on": "base"},
            {"code_type": "base", "depends_on": "terraform"},
            {"code_type": "end", "depends_on": "api", "artifacts": []},
        ],
    )
    jobs = {
        o.environment.name: {call.id: call.needs for call in (*o.builds, *o.deployments)}
        for o in plan.orchestrators
    }
    assert set(jobs["dev"]) == {
        *("api-build", "python-build", "terraform-build"),
        *("api-dev", "end-dev", "terraform-dev"),
    }
    assert "terraform-dev" in jobs["dev"]["api-dev"]
    assert {"base-test", "base-prd"} <= {*jobs["test"], *jobs["prd"]}
    # terraform takes python's package in all environments, so python is built and promoted.
    assert "python-build" in jobs["test"]
    (prd,) = [o for o in plan.orchestrators if o.environment.name == "prd"]
    assert [p.producer for p in prd.changes.promotions] == ["python", "api"]


def test_a_build_for_each_environment() -> None:
    """By the answer, or because the build command uses ENVIRONMENT. A consumer of the package is
    built again, too."""
    for settings in ({"build_per_environment": True}, {"build": 'make "$ENVIRONMENT"'}):
        plan = plan_of(components={"python": {"produces": ["lambda-package.zip"], **settings}})
        (prd,) = [o for o in plan.orchestrators if o.environment.name == "prd"]
        assert [call.id for call in prd.builds] == ["python-build", "terraform-build"]
        assert prd.changes.promotions == ()
    # ENVIRONMENTS is another variable, and an explicit `false` is allowed.
    settings = {"build": 'make "$ENVIRONMENTS"', "build_per_environment": False}
    plan = plan_of(components={"python": {"produces": ["lambda-package.zip"], **settings}})
    assert not plan.orchestrators[-1].builds


def test_names_reserved_by_older_versions_are_allowed() -> None:
    environments = [
        {"name": "prd", "branch": "main", "production": True},
        {"name": "commit", "after": "prd"},
        {"name": "preflight", "manual": True},
        {"name": "prd-retry", "manual": True},
    ]
    components = {"component": GENERIC, "tested": GENERIC}
    plan = plan_of(components=components, environments=environments)
    assert len(plan.environments) == 4


@pytest.mark.parametrize("approval", ["once", "each", "none"])
def test_approval_of_an_orchestrator(approval: str) -> None:
    asks = [bool(o.approval) for o in plan_of(approval=approval).orchestrators]
    assert asks == [False, False, approval == "once"]


@pytest.mark.parametrize(
    "runner",
    ["macos-15", ["self-hosted", "linux"], {"group": "big"}, {"group": "big", "labels": ["x64"]},
     {"labels": "x64"}],
    ids=repr,
)  # fmt: skip
def test_runners(runner: Any) -> None:
    assert plan_of(runner=runner).answers.runner == runner
    assert plan_of(runner=json.dumps(runner)).answers.runner == runner


@pytest.mark.parametrize(
    ("cloud", "registry"),
    [
        ("none", "ghcr.io"),
        ("aws", "ghcr.io"),
        ("aws", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/shop"),
        ("azure", "acmeshop.azurecr.io"),
        ("gcp", "europe-west1-docker.pkg.dev/acme-shop/images/"),
    ],
)
def test_clouds_and_registries(cloud: str, registry: str, template: Path, tmp_path: Path) -> None:
    """The answers are recorded unchanged, and the build gets the planned name of the image."""
    answers = {
        "code_types": ["docker", "kubernetes"],
        "cloud": cloud,
        "registry": registry,
        "pull_requests": False,
        "environments": [{"name": "dev", "branch": "main"}],
    }
    plan = plan_of(**answers)
    files = tree(copy(template, tmp_path / "new", answers))
    assert set(files) == {*plan.files, ".copier-answers.yml"}
    stored = yaml.safe_load(files[".copier-answers.yml"])
    assert {name: stored[name] for name in ("cloud", "registry", "pull_requests")} == {
        "cloud": cloud,
        "registry": registry,
        "pull_requests": False,
    }
    build = yaml.safe_load(files[".github/workflows/docker-build.yml"])["jobs"]["build"]
    base = {"ghcr.io": "ghcr.io/${{ github.repository }}"}.get(registry, registry.rstrip("/"))
    images = {s["env"]["IMAGE"] for s in build["steps"] if "IMAGE" in s.get("env", {})}
    assert images == {f"{base}/docker"}
    where = "${{ inputs.push && 'registry' || '' }}"
    assert build.get("environment") == (None if registry == "ghcr.io" else where)


# -- through Copier's command ---------------------------------------------------------------


def copier(template: Path, destination: Path, *arguments: str) -> int:
    command = ["copier", "copy", "--trust", "--defaults", "--quiet", *arguments]
    _, code = CopierApp.run([*command, str(template), str(destination)], exit=False)
    return int(code)


def test_data_data_file_and_python_make_the_same_copy(template: Path, tmp_path: Path) -> None:
    answers = {**example("seed"), "dependency_map": SEED_MAP}
    file = tmp_path / "answers.yml"
    file.write_text(yaml.safe_dump(answers), encoding="utf-8")
    data = [
        part
        for key, value in answers.items()
        for part in ("--data", f"{key}={value if isinstance(value, str) else json.dumps(value)}")
    ]
    assert copier(template, tmp_path / "file", "--data-file", str(file)) == 0
    assert copier(template, tmp_path / "data", *data) == 0
    copy(template, tmp_path / "python", example("seed"))
    assert tree(tmp_path / "file") == tree(tmp_path / "data") == tree(tmp_path / "python")


@pytest.mark.parametrize("empty", ["components={}", "dependency_map=[]"])
def test_an_empty_answer_by_data_is_the_default(empty: str, template: Path, tmp_path: Path) -> None:
    arguments = ["--data", "code_types=[python]", "--data", empty]
    assert copier(template, tmp_path / "new", *arguments) == 0
    copy(template, tmp_path / "other" / "new", {"code_types": ["python"]})
    assert tree(tmp_path / "new") == tree(tmp_path / "other" / "new")


@pytest.mark.parametrize("name", ["lambda", "monorepo", "seed", "single"])
def test_a_recorded_answers_file_is_a_valid_data_file(
    name: str, template: Path, tmp_path: Path
) -> None:
    former = copy(template, tmp_path / "former", example(name))
    answers = former / ".copier-answers.yml"
    elsewhere = tmp_path / "answers.yml"
    text = answers.read_text(encoding="utf-8")
    elsewhere.write_text(f"{text}_commit: v0.0.1\n", encoding="utf-8")
    assert copier(template, tmp_path / "new", "--data-file", str(elsewhere)) == 0
    # Copier ignores the file's `_commit`.
    assert tree(tmp_path / "new") == tree(former)


@pytest.mark.parametrize("way", ["data-file", "answers-file"])
def test_an_answer_of_an_older_version_is_reported(
    way: str, template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It changes no generated file."""
    new = tmp_path / "new"
    text = "code_types: [python]\nretry_approval: false\n"
    arguments = ["--overwrite"]
    if way == "data-file":
        (tmp_path / "answers.yml").write_text(text, encoding="utf-8")
        arguments = ["--data-file", str(tmp_path / "answers.yml")]
    else:
        new.mkdir()
        (new / ".copier-answers.yml").write_text(text, encoding="utf-8")
    assert copier(template, new, *arguments) == 0
    (told,) = [line for line in capfd.readouterr().err.splitlines() if "retry_approval" in line]
    assert told == (
        "retry_approval: is no answer any more; a retry needs the approval that `approval` says"
    )
    assert tree(new) == tree(copy(template, tmp_path / "other" / "new", {"code_types": ["python"]}))


def test_data_takes_precedence_over_a_data_file(template: Path, tmp_path: Path) -> None:
    file = tmp_path / "answers.yml"
    file.write_text("code_types: [pyton]\nbranching: trunk\n", encoding="utf-8")
    arguments = ["--data-file", str(file), "--data", "code_types=[python]"]
    assert copier(template, tmp_path / "new", *arguments) == 0
    stored = yaml.safe_load((tmp_path / "new" / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert (stored["code_types"], stored["branching"]) == (["python"], "trunk")


def test_only_given_answers_are_recorded(template: Path, tmp_path: Path) -> None:
    """Each render computes the default dependencies, so they follow later choices."""
    new = copy(template, tmp_path / "new", {"code_types": ["terraform", "python"]})
    stored = yaml.safe_load((new / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert stored["dependency_map"] == []
    assert "environments" not in stored
    assert not any(key.startswith("check") for key in stored)
    assert not any(isinstance(value, datetime.date) for value in stored.values())
