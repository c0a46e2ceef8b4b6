"""A library goes to a package index on a tag, by hand and again, whichever way it is started.

What holds of a push, and of a tag of another version, is among the scenarios of `mutations/`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import Made, commit, reopened
from library import FILES, SDIST, WHEEL, with_uv
from offline_github import OfflineGitHub
from offline_github.repository import git

BUILD_ALONE = dict.fromkeys(["lint", "test", "security"], "")
PUBLISH = "lib-release / deploy"
SETUP = "astral-sh/setup-uv"
Open = Callable[..., OfflineGitHub]


@pytest.fixture
def repository(made: Made, tmp_path: Path) -> Open:
    def open_repository(orchestration: str = "call", **settings: Any) -> OfflineGitHub:
        component = {"code_type": "python", "publish": True, **BUILD_ALONE, **settings}
        answers = {
            "components": {"lib": component},
            "branching": "release",
            "orchestration": orchestration,
        }
        name = "-".join([orchestration, *settings])
        github = with_uv(reopened(made(name, answers, FILES), tmp_path, ("main",)))
        github.forced_results = {"deployment-summary": "success", "watch": "success"}
        return github

    return open_repository


def publications(github: OfflineGitHub) -> list[dict[str, str]]:
    """The files, with their digests, that were published each time."""
    calls = [c for c in github.commands("uv") if c.arguments[0] == "publish"]
    for call in calls:
        assert call.arguments[3:] == [WHEEL, SDIST]
    return [call.files for call in calls]


@pytest.mark.parametrize("orchestration", ["call", "dispatch", "observe"])
def test_a_tag_publishes_what_was_built_once(repository: Open, orchestration: str) -> None:
    github = repository(orchestration)
    github.push("main")
    assert publications(github) == []
    github.tag("v1.2.3")
    orchestrators = github.runs_of("orchestrator-release.yml")
    [run] = orchestrators if orchestration == "call" else github.runs_of("lib-release.yml")
    assert run.conclusion == "success" and run.ref == "refs/tags/v1.2.3"
    package = run.packages["lib-package-release"]
    built = {name: hashlib.sha256(package[name]).hexdigest() for name in (WHEEL, SDIST)}
    assert publications(github) == [built]
    # The version is read from the tag, which the checkout has.
    assert package[WHEEL] == b"v1.2.3\n"
    publish = PUBLISH if orchestration == "call" else "deploy / deploy"
    asked = run.approvals if orchestration == "observe" else orchestrators[0].approvals
    assert asked == [("approval", "release-approval")]
    assert run.job(publish).environment == "release"
    key = "" if orchestration == "observe" else " [0-9a-f]{12}"
    assert re.fullmatch(f"Publish{key}", run.job(publish).name)
    trusted = {key for key, job in run.jobs.items() if "id-token" in job.permissions}
    assert trusted == {publish, publish.rpartition(" / ")[0]}
    # A published package uses no cache; a package that is only checked may.
    caches = [used["inputs"]["enable-cache"] for used in github.actions_used(SETUP)]
    assert caches == ["true", "false", "false"]
    # The workflow for `ci` has no such job at all.
    assert not any(key.endswith("deploy") for r in github.runs_of("lib-ci.yml") for key in r.jobs)


def test_by_hand_it_is_published_from_the_tag_alone(repository: Open) -> None:
    github = repository()
    github.forced_results[PUBLISH] = "failure"
    github.tag("v1.2.3")
    del github.forced_results[PUBLISH]
    sha = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
    later = commit(github.remote.work_tree, {"version.txt": "2.0\n"})
    github.push("main")
    of_no_tag = github.dispatch("orchestrator-release.yml", "main", {"commit": later})
    assert of_no_tag.order == ["changes", "deployment-summary"]
    from_main = github.dispatch("orchestrator-release.yml", "main", {"commit": sha})
    assert from_main.conclusion == "failure" and publications(github) == []
    assert from_main.job(PUBLISH).errors[0] == (
        "lib-1.2.3-py3-none-any.whl has the version 1.2.3, and 'main' is no tag of it: tag the "
        "commit that sets the version, as v1.2.3"
    )
    assert github.dispatch("lib-release.yml", "v1.2.3").conclusion == "success"
    assert len(publications(github)) == 1


def test_a_second_attempt_is_asked_for_and_publishes_what_was_built(repository: Open) -> None:
    github = repository()
    github.fail_tool("uv", "^publish")
    [run] = github.tag("v1.2.3")
    assert run.conclusion == "failure" and len(publications(github)) == 1
    github.tools.heal()
    unasked = github.rerun(run, failed_only=True)
    assert unasked.job(PUBLISH).errors[0].startswith("Attempt 2 of this run has no approval")
    assert len(publications(github)) == 1
    again = github.rerun(unasked)
    assert again.approvals == [("approval", "release-approval")]
    assert again.conclusion == "success" and len(publications(github)) == 2


def test_a_secret_instead_of_trust(repository: Open) -> None:
    github = repository(secrets=["UV_PUBLISH_TOKEN"])
    github.environments["release"] = {"secrets": {"UV_PUBLISH_TOKEN": "of release"}}
    [run] = github.tag("v1.2.3")
    assert run.conclusion == "success"
    _, build, publish = github.commands("uv")  # the first sets up
    assert publish.arguments == ["publish", "--trusted-publishing", "never", WHEEL, SDIST]
    secret = {"UV_PUBLISH_TOKEN": "of release"}
    assert publish.environment == {**secret, "UV_PUBLISH_NO_ATTESTATIONS": "true"}
    assert build.environment == {}
