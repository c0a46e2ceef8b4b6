"""What is published instead of deployed: where that job is, and what it takes."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from made_answers import CODE_TYPES, generic, plan, read, refusal
from pipeline.answers import ORCHESTRATIONS
from pipeline.code_types import JobDefaults
from pipeline.jobs import Job
from pipeline.plan import make_plan
from pipeline.setup import Publisher, set_up

LIBRARY: dict[str, Any] = {"components": {"lib": {"code_type": "python", "publish": True}}}


def jobs(workflow_id: str, **answers: Any) -> dict[str, Job]:
    """The jobs of a component's workflow; of the choice `release`."""
    made = plan(**{**LIBRARY, "branching": "release", **answers})
    [workflow] = [w for w in made.workflows if w.id == workflow_id]
    return {job.id: job for job in workflow.jobs}


@pytest.mark.parametrize("orchestration", ORCHESTRATIONS)
def test_only_the_tag_publishes(orchestration: str) -> None:
    checks = ["lint", "test", "security", "build"]
    assert list(jobs("lib-ci", orchestration=orchestration)) == checks
    found = jobs("lib-release", orchestration=orchestration)
    assert list(found) == [*checks, "deploy"]
    publish = found["deploy"]
    assert publish.command == CODE_TYPES["python"].publish.command  # type: ignore[union-attr]
    assert (publish.name, publish.timeout_minutes) == ("Publish", 15)
    assert publish.environments == ("release", "release-retry")
    assert publish.permissions == {"actions": "read", "contents": "read", "id-token": "write"}
    assert publish.reasons["id-token"] == "publishes by OIDC"
    assert [(p.producer, p.own, p.wanted) for p in publish.packages] == [("lib", True, ("dist",))]
    others = [job for job_id, job in found.items() if job_id != "deploy"]
    assert not any("id-token" in job.permissions for job in others)


def test_what_its_orchestrator_grants_says_why() -> None:
    made = plan(**LIBRARY, branching="release")
    grants = {o.environment.name: o.calls[0] for o in made.orchestrators}
    assert "id-token" not in grants["ci"].permissions
    assert grants["release"].permissions["id-token"] == "write"
    assert grants["release"].reasons["id-token"] == "it publishes by OIDC"


def test_it_produces_what_it_publishes() -> None:
    """Without a word; the code type's usual product is another."""
    [component] = read(**LIBRARY, branching="release").components
    assert component.produces == ("dist",)
    assert component.does == ["lint", "test", "security", "build", "publish"]
    own = {"code_type": "python", "publish": True, "build": "make", "produces": ["dist", "site"]}
    [component] = read(components={"x": own}, branching="release").components
    assert (component.produces, component.commands["build"]) == (("dist", "site"), "make")


def test_false_is_as_nothing() -> None:
    settings = {"code_type": "python", "deploy": "make"}
    assert plan(components={"x": {**settings, "publish": False}}) == plan(
        components={"x": settings}
    )


def test_secrets_reach_the_job_that_publishes() -> None:
    components = {"lib": {"code_type": "python", "publish": True, "secrets": ["UV_PUBLISH_TOKEN"]}}
    assert [j for j, job in jobs("lib-release", components=components).items() if job.secrets] == [
        "deploy"
    ]
    assert not any(job.secrets for job in jobs("lib-ci", components=components).values())
    setup = set_up(plan(components=components, branching="release"))
    assert setup.publishers == ()
    assert [(e.name, e.secrets) for e in setup.environments] == [
        ("release", ("UV_PUBLISH_TOKEN",)),
        ("release-retry", ("UV_PUBLISH_TOKEN",)),
    ]


def test_no_cloud_is_logged_in_to() -> None:
    publish = jobs("lib-release", cloud="aws")["deploy"]
    assert (publish.cloud, publish.login, publish.variables_of_github) == ("", (), set())
    assert set_up(plan(**LIBRARY, branching="release", cloud="aws")).clouds == ()


def test_all_that_a_code_type_says_of_it_counts() -> None:
    """Tools, variables, secrets, registry, time: its own, and not those of `deploy`."""
    text = "- name: Set up a tool"
    publish = JobDefaults(
        "Push",
        "push",
        tools=("tool",),
        packages=True,
        secrets=True,
        registry=True,
        variables={"WHERE": "<image>"},
        timeout_minutes=7,
    )
    bare = dataclasses.replace(CODE_TYPES["generic"], tools={"tool": text}, publish=publish)
    bare = dataclasses.replace(bare, jobs={**bare.jobs, "deploy": JobDefaults("Deploy")})
    known = {**CODE_TYPES, "generic": bare}
    settings = generic(publish=True, secrets=["TOKEN"])
    answers = read(known, components={"x": settings}, branching="release")
    made = make_plan(answers)
    [job] = [job for workflow in made.workflows for job in workflow.jobs]
    assert (job.id, job.name, job.command, job.setup) == ("deploy", "Push", "push", (text,))
    assert (job.timeout_minutes, job.secrets[0]) == (7, "TOKEN")
    assert job.variables["WHERE"].startswith("ghcr.io/") and job.login
    assert job.permissions["packages"] == "write" and "id-token" not in job.permissions
    [granting] = [o.calls[0] for o in made.orchestrators if o.environment.name == "release"]
    assert granting.reasons["packages"] == "it publishes there"
    assert set_up(made).publishers == ()


# Orchestration -> the workflow that an index sees as the one that was started.
STARTED = {
    "call": "orchestrator-release.yml",
    "dispatch": "lib-release.yml",
    "observe": "lib-release.yml",
}


@pytest.mark.parametrize("orchestration", STARTED)
def test_what_an_index_is_told(orchestration: str) -> None:
    setup = set_up(plan(**LIBRARY, branching="release", orchestration=orchestration))
    assert setup.publishers == (
        Publisher(
            "lib",
            "lib-release.yml",
            STARTED[orchestration],
            ("release", "release-retry"),
            "v*",
        ),
    )
    # Nobody gets in by a branch: neither where a person approves nor where nobody does.
    assert [e.policies for e in setup.environments] == [(("v*", "tag"),)] * 2
    alone = [{"name": "r", "tag": "v*"}]
    [environment] = set_up(plan(**LIBRARY, environments=alone)).environments
    assert (environment.reviewed, environment.policies) == (False, (("v*", "tag"),))


def test_whoever_waits_for_it_waits_for_the_job_that_there_is() -> None:
    """Under observe: in `ci` that is the build, in `release` the publication."""
    components = {**LIBRARY["components"], "site": generic(deploy="ship")}
    made = plan(
        components=components,
        dependency_map={"site": "lib"},
        branching="release",
        orchestration="observe",
    )
    decisive = {
        w.id: json.loads(w.triggers.dependencies)["lib"]["decisive"]
        for w in made.workflows
        if w.triggers.dependencies
    }
    assert decisive == {"site-ci": ["Build"], "site-release": ["Publish"]}
    watched = {o.environment.name: json.loads(o.watched) for o in made.orchestrators}
    assert watched["ci"]["lib-ci"]["jobs"] == ["Build"]
    assert watched["release"]["lib-release"]["jobs"] == ["Publish"]


def test_what_runs_after_another_knows_no_tag() -> None:
    components = {**LIBRARY["components"], "base": generic(build="b", produces=["x"])}
    answers = {"components": components, "dependency_map": {"lib": "base"}, "branching": "release"}
    assert refusal(**answers, orchestration="observe") == (
        "components.lib.publish: under observe it runs when Base Release has ended, in a run that "
        "no longer knows the tag; choose call or dispatch"
    )
    assert [refusal(**answers, orchestration=o) for o in ("call", "dispatch")] == ["", ""]


def test_a_person_starts_it_from_the_tag() -> None:
    assert plan(**LIBRARY, branching="release").hand_branch == "TAG"
    chained = [{"name": "a", "tag": "v*"}, {"name": "b", "after": "a"}]
    assert plan(**LIBRARY, environments=chained).hand_branch == "BRANCH"


def test_workflows_say_what_they_do() -> None:
    found = {w.id: w.what for w in plan(**LIBRARY, branching="release").workflows}
    assert found == {
        "lib-ci": "Checks and packages",
        "lib-release": "Checks, packages and publishes",
    }
