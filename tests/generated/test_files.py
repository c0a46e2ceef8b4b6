"""Exactly the planned files are written, and they equal the snapshots."""

from __future__ import annotations

import difflib
import functools
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answer_sets import ANSWER_SETS
from copies import tree
from generated_files import workflows
from pipeline.answers import Answers, read_answers
from pipeline.catalogue import load_catalogue
from pipeline.code_type_model import SETUP_FILES
from pipeline.components import Component
from pipeline.environments import Environment
from toolbox import ROOT

Generated = Callable[[str], Path]
SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"
"""Whether to write the snapshots instead of comparing; see CONTRIBUTING.md."""


@functools.cache
def answers_of(answer_set: str) -> Answers:
    return read_answers(ANSWER_SETS[answer_set], load_catalogue(ROOT))


# The promises of the README, computed from the answers and not from the plan.


def takes_from(read: Answers, names: set[str]) -> set[str]:
    """These components, and those whose packages they take, directly or not."""
    edges = [edge for edge in read.dependencies.edges if edge.placements]
    while more := {e.producer for e in edges if e.consumer in names} - names:
        names |= more
    return names


def taken_by(read: Answers, names: set[str]) -> set[str]:
    """These components, and those that take their packages, directly or not."""
    edges = [edge for edge in read.dependencies.edges if edge.placements]
    while more := {e.consumer for e in edges if e.producer in names} - names:
        names |= more
    return names


def is_deployed(component: Component, environment: Environment) -> bool:
    """Whether the component is deployed, or published from a tag."""
    here = "deploy" in component.commands and component.belongs_to(environment.name)
    return here and (environment.trigger == "tag" or not component.publishes)


def is_built(read: Answers, component: Component, environment: Environment) -> bool:
    """In the first environment of a chain; later if the build depends on the environment."""
    again = taken_by(read, {c.name for c in read.components if c.build_per_environment})
    once = environment.trigger != "after"
    return bool(set(component.commands) - {"deploy"}) and (once or component.name in again)


def is_approved(read: Answers, environment: Environment) -> bool:
    return environment.production and read.approval == "once"


def is_shown(read: Answers, component: Component, environment: Environment) -> bool:
    """Whether a person sees the plan of the deployment before the approval."""
    asked = environment.production and read.approval != "none"
    return component.plan and asked and is_deployed(component, environment)


def members(read: Answers, environment: Environment) -> list[Component]:
    """The components of an environment and of those after it."""
    names, last = {environment.name}, 0
    while len(names) != last:
        last = len(names)
        names |= {e.name for e in read.environments if e.source in names and e.trigger == "after"}
    belonging = {c.name for c in read.components if any(map(c.belongs_to, names))}
    return [c for c in read.components if c.name in takes_from(read, belonging)]


def has_workflow(read: Answers, component: Component, environment: Environment) -> bool:
    """Whether the component has a workflow of its own. Under `call`, only in its environments."""
    return read.orchestration != "call" or component.belongs_to(environment.name)


def expected_files(read: Answers) -> set[str]:
    workflows = {f"orchestrator-{e.name}.yml" for e in read.environments}
    further: set[str] = set()
    actions = {"check-commit", "deployment-summary", "keep-package", "may-deploy", "shared"}
    actions |= {"check-out"}
    actions |= {"promote-package", "require-approval", "require-success"}
    actions |= {"show-graph"} if read.pull_requests else set()
    actions |= {"take-package", "what-changed"}
    actions |= {
        "call": set(),
        "dispatch": {"read-plan", "run-component"},
        "observe": {"find-dependencies", "watch-components"},
    }[read.orchestration]
    for component in read.components:
        name = component.name
        actions |= {"require-secrets"} if component.install_secrets else set()
        if component.code_type.reports and "test" in component.commands:
            actions |= {"show-reports"}
        workflows |= {f"{name}-build.yml"} if set(component.commands) - {"deploy"} else set()
        for environment in read.environments:
            if is_deployed(component, environment):
                workflows |= {f"{name}-deploy.yml"}
                workflows |= {f"{name}-plan.yml"} if component.plan else set()
                actions |= {"show-plan"} if component.plan else set()
            own = component in members(read, environment)
            if own and has_workflow(read, component, environment):
                workflows |= {f"{name}-{environment.name}.yml"}
        if "test" in component.commands and component.code_type.reports:
            actions |= {"show-reports"}
        plan = component.code_type.plan if component.plan else None
        jobs = [*map(component.job, component.commands), *([plan] if plan else [])]
        if any("setup" in job.tools for job in jobs):
            actions |= {f"setup-{component.code_type.name}"}
            further |= {
                f"setup-{component.code_type.name}/{file}"
                for file in component.code_type.setup.files
            }
    if read.pull_requests:
        builds = sum(file.endswith("-build.yml") for file in workflows)
        workflows |= {"pull-request.yml"} | ({"pull-request-2.yml"} if builds > 50 else set())
    workflows |= {"drift.yml"} if read.drift_check else set()
    if read.infrastructure_drift:
        workflows |= {"infrastructure-drift.yml"}
        actions |= {"read-deployed", "report-drift"}
    files = {f".github/workflows/{name}" for name in workflows}
    own = {f"setup-{c.code_type.name}": c.code_type.setup for c in read.components}
    for name in actions:
        setup = own.get(name)
        shared = SHARED.get(name) or (*SETUP_FILES, *(setup.files if setup else ()))
        files |= {f".github/actions/{name}/{file}" for file in shared}
    files |= {f".github/actions/{file}" for file in further}
    files |= {".github/actions/what-changed/components.json"}
    return files | {"docs/ci-cd.md", ".copier-answers.yml"}


def shared_actions() -> dict[str, dict[str, bytes]]:
    """The files of actions that the template contains without templating."""
    found: dict[str, dict[str, bytes]] = {}
    for file in (ROOT / "template" / ".github" / "actions").glob("*/*"):
        if file.suffix != ".jinja":
            name = re.sub(r"\[%.*?%\]", "", file.parent.name)
            found.setdefault(name, {})[file.name] = file.read_bytes()
    return found


SHARED = shared_actions()


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_exactly_the_promised_files(answer_set: str, generated: Generated) -> None:
    written = tree(generated(answer_set))
    assert set(written) == expected_files(answers_of(answer_set))
    for name, content in written.items():
        text = content.decode("utf-8")
        assert not any(mark in text for mark in ("[[ ", " ]]", "[%", "%]", "[#")), name
        assert text.endswith("\n") and not text.endswith("\n\n"), name
        assert "\r" not in text and "\n" * (4 if name.endswith(".py") else 3) not in text.replace(
            "\n\n\n\techo", ""
        ), name
        folder, _, file = name.removeprefix(".github/actions/").partition("/")
        if folder in SHARED and file in SHARED[folder]:
            assert content == SHARED[folder][file], name  # the same in every repository


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_orchestrators_have_exactly_the_promised_jobs(
    answer_set: str, generated: Generated
) -> None:
    """Each job calls or starts the right file."""
    read, files = answers_of(answer_set), workflows(generated(answer_set))
    for environment in read.environments:
        name = environment.name
        jobs = files[f"orchestrator-{name}.yml"]["jobs"]
        its_own = members(read, environment)
        deployed = {c.name for c in its_own if is_deployed(c, environment)}
        uses = {}
        if read.orchestration == "call":
            built = {c.name for c in its_own if is_built(read, c, environment)}
            uses = {f"{c}-build": f"$/.github/workflows/{c}-build.yml" for c in built}
            uses |= {f"{c}-{name}": f"$/.github/workflows/{c}-deploy.yml" for c in deployed}
            shown = {c.name for c in its_own if is_shown(read, c, environment)}
            uses |= {f"{c}-{name}-plan": f"$/.github/workflows/{c}-plan.yml" for c in shown}
        elif read.orchestration == "dispatch":
            started = [c for c in its_own if c.name in deployed or is_built(read, c, environment)]
            uses = {f"{c.name}-{name}": f"{c.name}-{name}.yml" for c in started}
        else:
            uses = {"watch": ""}
            watched = json.loads(jobs["watch"]["steps"][0]["with"]["components"])
            assert set(watched) == {c.name for c in its_own}
        # Under `observe`, each component's own workflow asks for the approval.
        asks = deployed and is_approved(read, environment) and "watch" not in uses
        gates = {"changes"} | ({"approval"} if asks else set())
        found = {
            job: what["uses"] if "uses" in what else what["steps"][0]["with"].get("workflow", "")
            for job, what in jobs.items()
            if job not in gates | {"deployment-summary"}
        }
        assert found == uses
        assert set(jobs) == {*uses, *gates, "deployment-summary"}
        assert set(jobs["deployment-summary"]["needs"]) == {*uses, *gates}


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_workflows_of_components_have_exactly_the_promised_jobs(
    answer_set: str, generated: Generated
) -> None:
    read, files = answers_of(answer_set), workflows(generated(answer_set))
    for component in read.components:
        name = component.name
        build, deploy = files.get(f"{name}-build.yml"), files.get(f"{name}-deploy.yml")
        if build:
            assert (set(build["on"]), set(build["jobs"])) == ({"workflow_call"}, {"build"})
            own = component.code_type.outputs if "build" in component.commands else ()
            outputs = {"artifact-name", "artifact-path", "digest", *own}
            told = build["on"]["workflow_call"].get("outputs", {})
            assert set(told) == (outputs if component.produces else set())
        if deploy:
            assert (set(deploy["on"]), set(deploy["jobs"])) == ({"workflow_call"}, {"deploy"})
            outputs = {"artifact-name", "artifact-path", "deployment-status"}
            assert set(deploy["on"]["workflow_call"]["outputs"]) == outputs
        for environment in read.environments:
            workflow = files.get(f"{name}-{environment.name}.yml")
            if not workflow:
                continue
            deploys = is_deployed(component, environment)
            calls = {"build"} if is_built(read, component, environment) else set()
            calls |= {"deploy"} if deploys else set()
            calls |= {"plan"} if is_shown(read, component, environment) else set()
            approval = {"approval"} if deploys and is_approved(read, environment) else set()
            jobs = set(workflow["jobs"])
            # A deployment checks the commit itself. Jobs before it need the job `changes` for that.
            assert jobs - {"changes"} == calls | approval
            assert "changes" in jobs or calls == {"deploy"}
            for call in calls:
                assert workflow["jobs"][call]["uses"] == f"$/.github/workflows/{name}-{call}.yml"
            check_triggers(workflow["on"], read, component, bool(calls))


def check_triggers(on: dict[str, Any], read: Answers, component: Component, works: bool) -> None:
    """The triggers of a component's workflow, with the inputs."""
    takes = any(e.consumer == component.name and e.placements for e in read.dependencies.edges)
    inputs = {"commit"} | ({"packages"} if takes else set())
    if read.orchestration == "dispatch" and works:
        inputs |= {"packages", "orchestrator", "attempt"}
    assert set(on["workflow_dispatch"]["inputs"]) == inputs
    if read.orchestration == "observe":
        # A push, the end of another workflow, or only a person starts it.
        assert len(set(on) & {"push", "workflow_run"}) < 2
        assert set(on) - {"push", "workflow_run"} == {"workflow_dispatch"}
    else:
        assert set(on) == {"workflow_dispatch"}


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_pull_requests_have_exactly_the_promised_jobs(
    answer_set: str, generated: Generated
) -> None:
    """All builds, except those that need a package of a build with secrets; and plans."""
    read, files = answers_of(answer_set), workflows(generated(answer_set))
    texts = {
        name: (generated(answer_set) / ".github" / "workflows" / name).read_text("utf-8")
        for name in files
        if name.startswith("pull-request")
    }
    if not read.pull_requests:
        assert not texts
        return
    said = re.findall(
        r"^# (\S+) is not checked in pull requests: it needs the package of (.+)\.$",
        texts["pull-request.yml"],
        re.MULTILINE,
    )
    handed = {c.name for c in read.components if c.code_type.jobs["build"].secrets and c.secrets}
    from_images = (
        {"api", "web"} if answer_set == "settings" else set()
    )  # they take the image of base
    handed |= from_images
    assert {name for name, _ in said} == taken_by(read, set(handed)) - handed
    builds = {name.removesuffix(".yml") for name in files if name.endswith("-build.yml")}

    def last(component: Component) -> set[str]:
        """The environments after which the component is not deployed again."""
        after = {e.name: e.source for e in read.environments if e.trigger == "after"}
        deployed = {e.name for e in read.environments if is_deployed(component, e)}
        earlier: set[str] = set()
        for name in deployed:
            while name := after.get(name, ""):
                earlier.add(name)
        return deployed - earlier

    calls: set[str] = set()
    planned: set[tuple[str, str]] = set()
    for number, (name, text) in enumerate(sorted(texts.items(), key=lambda t: len(t[0])), 1):
        workflow = files[name]
        check, gates = "pull-request-checks", {"changes"} & set(workflow["jobs"])
        assert workflow["on"] == {"pull_request": None, "merge_group": None}
        named = set(re.findall(r"\$\{\{[^}]*\bsecrets\.(\w+)", text))
        assert named == {
            secret
            for c in read.components
            for secret in (*c.install_secrets, *(c.secrets if c.plan else ()))
        }
        assert not re.search(r"\$\{\{[^}]*\bgithub\.token\b", text)
        assert gates or set(workflow["jobs"]) == {check}
        plans = {job for job in workflow["jobs"] if job.endswith("-plan")}
        for job in plans:
            what = workflow["jobs"][job]
            component = what["uses"].removeprefix("$/.github/workflows/").removesuffix("-plan.yml")
            assert "head.repo.id == github.event.repository.id" in what["if"]
            assert f"{component}-build" in what["needs"] and "refs" not in what["with"]
            planned.add((component, what["with"]["environment"]))
        here = {
            job: what["uses"]
            for job, what in workflow["jobs"].items()
            if job not in {check, *gates, *plans}
        }
        assert here == {job: f"$/.github/workflows/{job}.yml" for job in here}
        assert len(here) + len(plans) <= 50
        calls |= set(here)
        for job in here:
            what = workflow["jobs"][job]
            assert set(what["permissions"].values()) == {"read"}, job
            assert what["with"]["environment"] == "pull-request"
            assert not {"push", "roll-back", "refs"} & set(what["with"]), job
            assert "environment" not in what and "contains(needs.changes.outputs." in what["if"], (
                job
            )
            assert gates <= set(what["needs"]) <= {*gates, *here}
        checks = workflow["jobs"][check]
        assert set(checks.get("needs", [])) == {*gates, *here, *plans}
        suffix = f" {number}" if number > 1 else ""
        assert (checks["if"], checks["name"]) == ("always()", f"Pull request checks{suffix}")
        assert checks["permissions"] == {"contents": "read"}
    assert calls == builds - {f"{name}-build" for name, _ in said}
    assert planned == {
        (component.name, environment)
        for component in read.components
        if component.plan and f"{component.name}-build" in calls
        for environment in last(component)
    }


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_the_drift_workflow_plans_every_deployment_of_a_component(
    answer_set: str, generated: Generated
) -> None:
    read, files = answers_of(answer_set), workflows(generated(answer_set))
    workflow = files.get("infrastructure-drift.yml")
    assert (workflow is not None) == bool(read.infrastructure_drift)
    if not workflow:
        return
    assert set(workflow["on"]) == {"schedule", "workflow_dispatch"}
    [schedule] = workflow["on"]["schedule"]
    assert " ".join(schedule.values()) == read.infrastructure_drift
    places = [
        (component.name, environment.name)
        for component in read.components
        for environment in read.environments
        if component.plan and is_deployed(component, environment)
    ]
    plans = {f"{component}-{environment}-plan" for component, environment in places}
    before = {f"deployed-{environment}" for _, environment in places}
    assert set(workflow["jobs"]) == {*plans, *before, "report"}
    assert set(workflow["jobs"]["report"]["needs"]) == plans | before
    written = {name for name, job in workflow["jobs"].items() if "write" in str(job["permissions"])}
    assert {name for name in written if name not in plans} == {"report"}


CODE_TYPES = load_catalogue(ROOT).code_types
DEPLOYS_BY_ITSELF = {name for name, one in CODE_TYPES.items() if one.jobs["deploy"].cloud}
PUBLISHES_BY_OIDC = {n for n, one in CODE_TYPES.items() if one.publish and one.publish.identity}
"""Code types whose index trusts a job. Maven repositories use passwords, Go's proxy needs none."""


def pushes(component: Component, registry: str) -> set[str]:
    """The permissions to write that the build of a component needs."""
    builds = component.code_type.name == "docker" and "build" in component.commands
    return {"packages" if registry.startswith("ghcr.io/") else "id-token"} if builds else set()


def writes(component: Component, registry: str) -> set[str]:
    """The permissions to write that the deployment of a component needs, by the answers."""
    name = component.code_type.name
    if component.publishes:
        helm = {"packages" if registry.startswith("ghcr.io/") else "id-token"}
        return {"id-token"} if name in PUBLISHES_BY_OIDC else helm if name == "helm" else set()
    if (name, component.cloud) == ("static", "none") and "deploy" not in component.own_commands:
        return {"id-token", "pages"}  # for GitHub Pages
    deploys = name in DEPLOYS_BY_ITSELF or "deploy" in component.own_commands
    return {"id-token"} if deploys and component.cloud != "none" else set()


@pytest.mark.parametrize("answer_set", ANSWER_SETS)
def test_only_jobs_that_need_it_may_write(answer_set: str, generated: Generated) -> None:
    """Exactly the jobs that log in, push or publish, and those that call them.

    The build of an image has no permissions of its own: its caller grants them.
    """
    read, files = answers_of(answer_set), workflows(generated(answer_set))
    registry = read.registry.base
    expected: dict[tuple[str, str], set[str]] = {}
    for environment in read.environments:
        orchestrator = f"orchestrator-{environment.name}.yml"
        for component in read.components:
            name = component.name
            token, place = writes(component, registry), f"{name}-{environment.name}"
            calls = [("build", f"{name}-build", pushes(component, registry))]
            calls *= is_built(read, component, environment)
            if is_deployed(component, environment):
                expected[f"{name}-deploy.yml", "deploy"] = token
                calls.append(("deploy", place, token))
                if component.plan:
                    expected[f"{name}-plan.yml", "plan"] = token
                    expected["pull-request.yml", f"{place}-plan"] = token
                    expected["infrastructure-drift.yml", f"{place}-plan"] = token
                if is_shown(read, component, environment):
                    calls.append(("plan", f"{place}-plan", token))
            for job, called, wanted in calls:
                expected[orchestrator, called] = wanted
                expected[f"{place}.yml", job] = wanted
            if read.orchestration == "dispatch":
                expected[orchestrator, place] = {"actions"}
    expected["infrastructure-drift.yml", "report"] = {"issues"}
    found = {
        (file, name): {
            what
            for what, how in job.get("permissions", workflow.get("permissions", {})).items()
            if how == "write"
        }
        for file, workflow in files.items()
        for name, job in workflow["jobs"].items()
    }
    assert {k: v for k, v in found.items() if v} == {
        k: v for k, v in expected.items() if v and k in found
    }
    for component in read.components:
        if build := files.get(f"{component.name}-build.yml"):
            assert ("permissions" in build) == (not pushes(component, registry))


SHOWN = (".github/workflows/", "docs/")
"""The folders with snapshots. Actions need none, because the template has the same files."""


@pytest.mark.parametrize("name", ["lambda", "single"])
def test_output_reads_as_in_the_snapshots(name: str, generated: Generated) -> None:
    written = {k: v for k, v in tree(generated(name)).items() if k.startswith(SHOWN)}
    folder = SNAPSHOTS / name
    if UPDATE:
        shutil.rmtree(folder, ignore_errors=True)
        for path, content in written.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    before = tree(folder)
    changes = [
        line
        for path in sorted(before | written)
        for line in difflib.unified_diff(
            before.get(path, b"").decode("utf-8").splitlines(),
            written.get(path, b"").decode("utf-8").splitlines(),
            f"snapshot/{path}",
            f"written/{path}",
            lineterm="",
            n=1,
        )
    ]
    assert not changes, "\n".join(changes)
