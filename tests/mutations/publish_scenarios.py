"""Scenarios of a library: `main` is checked and built, and a tag publishes its build once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from library import FILES as FILES
from library import SDIST, WHEEL, with_uv
from offline_github import OfflineGitHub, Run
from scenarios import expect, sha256

ONE_CHECK = {"lint": "", "security": ""}
ANSWERS: dict[str, Any] = {
    "components": {"lib": {"code_type": "python", "publish": True, **ONE_CHECK}},
    "branching": "release",
}
PUBLISHES = ["publish", "--trusted-publishing", "always", WHEEL, SDIST]
PUBLISH = "lib-release / deploy"


def prepare(github: OfflineGitHub) -> None:
    with_uv(github)


def published(github: OfflineGitHub) -> list[dict[str, str]]:
    """The files and digests of each publication."""
    calls = [c for c in github.commands("uv") if c.arguments[0] == "publish"]
    expect("by GitHub's word alone", all(c.arguments == PUBLISHES for c in calls))
    return [call.files for call in calls]


def built(run: Run, artifact: str = "lib-package-release") -> dict[str, str]:
    package = run.packages.get(artifact, {})
    return {name: sha256(package[name]) for name in (WHEEL, SDIST) if name in package}


# The scenarios


def pushed_to_main(github: OfflineGitHub) -> None:
    """A push is checked and built."""
    runs = github.push("main")
    expect("a push starts one run", [r.workflow_file for r in runs] == ["orchestrator-ci.yml"])
    expect("every job succeeds", set(runs[0].results.values()) == {"success"})
    expect("it is built", len(built(runs[0], "lib-package-ci")) == 2)
    expect("a push publishes nothing", published(github) == [])


def tagged(github: OfflineGitHub) -> None:
    """A tag publishes."""
    runs = github.tag("v1.2.3")
    started = [run.workflow_file for run in runs]
    expect("a tag starts one run", started == ["orchestrator-release.yml"])
    expect("GitHub accepts the workflows", runs[0].conclusion != "startup_failure")
    expect("every job succeeds", set(runs[0].results.values()) == {"success"})
    expect("what was built is published, once", published(github) == [built(runs[0])])
    token = runs[0].job(PUBLISH).permissions
    expect("an index may trust the job that publishes", token.get("id-token") == "write")
    others = [job.permissions for key, job in runs[0].jobs.items() if key.endswith("/ build")]
    expect("and no other", not any("id-token" in permissions for permissions in others))
    asked = runs[0].approvals == [("approval", "release-approval")]
    expect("a person approves", asked)


def tagged_wrongly(github: OfflineGitHub) -> None:
    """The tag has another version."""
    [run] = github.tag("v11.2.3")
    expect("another version's tag publishes nothing", published(github) == [])
    expect("the run fails", run.conclusion == "failure")


def tagged_again(github: OfflineGitHub) -> None:
    """The publication failed and is run again."""
    github.fail_tool("uv", "^publish")
    [run] = github.tag("v1.2.3")
    expect("the run fails", run.conclusion == "failure")
    github.tools.heal()
    github.rerun(run, failed_only=True)
    expect("nothing is published again unasked", len(published(github)) == 1)


SCENARIOS: dict[str, Callable[[OfflineGitHub], None]] = {
    scenario.__name__: scenario
    for scenario in (pushed_to_main, tagged, tagged_wrongly, tagged_again)
}
