"""Components that are published instead of deployed: which job publishes, and what it gets."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from made_answers import CODE_TYPES, generic, plan, read, refusal
from pipeline.answers import ORCHESTRATIONS
from pipeline.ci_cd_page import ci_cd_page
from pipeline.code_type_model import JobDefaults
from pipeline.github_settings import Publisher, github_settings
from pipeline.plan import Plan, make_plan

LIBRARY: dict[str, Any] = {"components": {"lib": {"code_type": "python", "publish": True}}}


def published(**answers: Any) -> Plan:
    """The plan with `branching: release`."""
    return plan(**{**LIBRARY, "branching": "release", **answers})


@pytest.mark.parametrize("orchestration", ORCHESTRATIONS)
def test_only_a_tag_publishes_a_component(orchestration: str) -> None:
    made = published(orchestration=orchestration)
    jobs = {w.id: w.jobs for w in made.workflows}
    assert jobs == {
        "lib-ci": ("changes", "build"),
        "lib-release": ("changes", "approval", "build", "deploy"),
    }
    (build,), (publish,) = made.builds, made.deploys
    assert [c.id for c in build.commands] == ["lint", "test", "security", "build"]
    assert publish.command.text == CODE_TYPES["python"].publish.command  # type: ignore[union-attr]
    assert (publish.command.name, publish.verb) == ("Publish", "publishes")
    assert publish.permissions == {"actions": "read", "contents": "read", "id-token": "write"}
    assert publish.reasons["id-token"] == "publishes by OIDC"
    assert publish.own and publish.own.files == ("dist -> dist",)
    assert "id-token" not in {**build.permissions, **build.pushing}
    if orchestration == "call":
        assert [len(o.deployments) for o in made.orchestrators] == [0, 1]


def test_a_published_component_produces_what_it_publishes() -> None:
    """Without `produces`. The usual product of the code type is another one."""
    [component] = read(**LIBRARY, branching="release").components
    assert component.produces == ("dist",)
    assert component.does == ["lint", "test", "security", "build", "publish"]
    own = {"code_type": "python", "publish": True, "build": "make", "produces": ["dist", "site"]}
    [component] = read(components={"x": own}, branching="release").components
    assert (component.produces, component.commands["build"]) == (("dist", "site"), "make")


def test_publish_false_is_the_default() -> None:
    settings = {"code_type": "python", "deploy": "make"}
    assert plan(components={"x": {**settings, "publish": False}}) == plan(
        components={"x": settings}
    )


def test_secrets_reach_the_job_that_publishes() -> None:
    components = {"lib": {"code_type": "python", "publish": True, "secrets": ["UV_PUBLISH_TOKEN"]}}
    made = published(components=components)
    assert made.builds[0].secrets == ()
    assert made.deploys[0].secrets == ("UV_PUBLISH_TOKEN",)
    settings = github_settings(made)
    assert settings.publishers == ()
    assert {e.name: e.secrets for e in settings.environments} == {
        "release-approval": (),
        "release": ("UV_PUBLISH_TOKEN",),
    }


def test_publishing_logs_in_to_no_cloud() -> None:
    made = published(cloud="aws")
    (publish,) = made.deploys
    assert (publish.cloud, publish.login) == ("", ())
    assert "vars." not in str(publish.variables) + str(publish.command.variables)
    assert github_settings(made).clouds == ()


def test_publish_of_a_code_type_replaces_deploy() -> None:
    """Tools, variables, secrets and registry are those of `publish`, not those of `deploy`."""
    text = "- name: Set up a tool"
    publish = JobDefaults(
        "Push",
        "push",
        tools=("tool",),
        secrets=True,
        registry=True,
        variables={"WHERE": "<image>"},
    )
    bare = dataclasses.replace(CODE_TYPES["generic"], tools={"tool": text}, publish=publish)
    bare = dataclasses.replace(bare, jobs={**bare.jobs, "deploy": JobDefaults("Deploy")})
    known = {**CODE_TYPES, "generic": bare}
    settings = generic(publish=True, secrets=["TOKEN"])
    made = make_plan(read(known, components={"x": settings}, branching="release"))
    assert not made.builds
    (found,) = made.deploys
    assert (found.command.name, found.command.text) == ("Push", "push")
    assert [tool.text for tool in found.tools] == [text]
    assert found.secrets[0] == "TOKEN"
    assert found.command.variables["WHERE"].startswith("ghcr.io/") and found.login
    assert found.permissions["packages"] == "write" and "id-token" not in found.permissions
    (granting,) = (c for o in made.orchestrators for c in o.deployments)
    assert granting.reasons["packages"] == "publishes there"
    assert github_settings(made).publishers == ()


# Orchestration -> the workflow that a trusted publisher of an index has to name.
STARTED = {
    "call": "orchestrator-release.yml",
    "dispatch": "lib-release.yml",
    "observe": "lib-release.yml",
}


@pytest.mark.parametrize("orchestration", STARTED)
def test_the_trusted_publisher(orchestration: str) -> None:
    settings = github_settings(published(orchestration=orchestration))
    assert settings.publishers == (
        Publisher(
            "lib",
            "lib-deploy.yml",
            STARTED[orchestration],
            "release",
            "v*",
        ),
    )
    # No branch is admitted, with an approval or without.
    assert [e.refs for e in settings.environments] == [(("v*", "tag"),)] * 2
    alone = [{"name": "r", "tag": "v*"}]
    [environment] = github_settings(plan(**LIBRARY, environments=alone)).environments
    assert (environment.reviewed, environment.refs) == (False, (("v*", "tag"),))


def test_a_component_waits_for_the_build_or_the_publication() -> None:
    """Under observe: in `ci` for the build, in `release` for the publication."""
    components = {**LIBRARY["components"], "site": generic(deploy="ship")}
    made = published(components=components, dependency_map={"site": "lib"}, orchestration="observe")
    decisive = {
        w.id: json.loads(w.triggers.dependencies)["lib"]["decisive"]
        for w in made.workflows
        if w.triggers.dependencies
    }
    built, out = ["build / Check and build"], ["deploy / Publish"]
    assert decisive == {"site-ci": built, "site-release": out}
    watched = {o.environment.name: json.loads(o.watched) for o in made.orchestrators}
    assert watched["ci"]["lib"]["jobs"] == built
    assert watched["release"]["lib"]["jobs"] == out


def test_publishing_after_another_component_is_refused_under_observe() -> None:
    components = {**LIBRARY["components"], "base": generic(build="b", produces=["x"])}
    answers = {"components": components, "dependency_map": {"lib": "base"}, "branching": "release"}
    assert refusal(**answers, orchestration="observe") == (
        "components.lib.publish: under observe it runs when Base Release has ended, in a run that "
        "no longer knows the tag; choose call or dispatch"
    )
    assert [refusal(**answers, orchestration=o) for o in ("call", "dispatch")] == ["", ""]


def test_a_person_starts_a_publication_from_the_tag() -> None:
    assert ci_cd_page(plan(**LIBRARY, branching="release")).manual_branch == "TAG"
    chained = [{"name": "a", "tag": "v*"}, {"name": "b", "after": "a"}]
    assert ci_cd_page(plan(**LIBRARY, environments=chained)).manual_branch == "BRANCH"


def test_names_of_workflows_that_publish() -> None:
    found = {w.id: w.what for w in published().workflows}
    assert found == {
        "lib-ci": "Checks and builds lib for ci",
        "lib-release": "Publishes lib to release",
    }


def test_publish_without_a_tag_is_refused() -> None:
    """None of the component's environments starts from a tag."""
    lib = {"code_type": "python", "publish": True}
    assert refusal(components={"lib": lib}).startswith(
        "components.lib.publish: no environment starts from a tag"
    )
    here = {"lib": {**lib, "environments": ["ci"]}}
    assert refusal(components=here, branching="release") == (
        "components.lib.environments: none of them starts from a tag, so it would never be "
        "published; add release, or drop `publish`"
    )
    there = {"lib": {**lib, "environments": ["release"]}}
    assert refusal(components=there, branching="release") == ""
