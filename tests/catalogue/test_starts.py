"""What starts the engine: the scheduled roll-out, and the starter workflow of a repository."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from central import KEY, TREE, Central, repository
from fleet_github import Organisation, Repository, answers, files, served
from offline_github import OfflineGitHub
from offline_github.organisation import Organisation as Owner
from offline_github.repository import git
from rings_world import NEW, OLD
from toolbox import ROOT
from updates import commit
from validators import validate

STARTER = ROOT / "catalogue" / "dot-github" / "workflow-templates"
INPUTS = yaml.safe_load((TREE / ".github" / "workflows" / "copy-pipelines.yml").read_text("utf-8"))[
    True
]["workflow_dispatch"]["inputs"]

FLEET = """\
import json, os, subprocess, sys
open(os.environ["RUNNER_TEMP"] + "/asked", "w").write(" ".join(sys.argv[1:]))
assert os.environ["GH_TOKEN"].startswith("ghs_app")
# It lists the versions of a private template.
template = sys.argv[sys.argv.index("--template") + 1]
subprocess.run(["git", "ls-remote", "--exit-code", template, "HEAD"], stdout=sys.stderr, check=True)
print({rows!r})
print({said!r}, file=sys.stderr)
sys.exit({code})
"""
"""A stub of fleet.py that prints these rows."""


def row(name: str, may_update: bool) -> dict[str, Any]:
    return {
        "repository": f"acme/{name}",
        "answers_file": ".copier-answers.yml",
        "latest": "v2.0.0",
        "update_to": "v2.0.0",
        "ring": "first",
        "may_update": may_update,
        "reason": "",
    }


def with_fleet(folder: Path, files: dict[str, str]) -> Central:
    """A central repository that may read the fleet. Runs that a roll-out starts do nothing."""
    versions = repository(folder / "template", {"copier.yml": ""})
    for version in (OLD, NEW):
        commit(versions)
        git("tag", version, cwd=versions)
    central = Central(folder, versions, files)
    central.organisation.permissions |= dict.fromkeys(
        ("actions", "checks", "deployments", "environments", "statuses"), "read"
    )
    central.cold()
    central.github.forced_conclusions = {"copy-pipelines.yml": "success"}
    return central


def roll_out(folder: Path, code: int, rows: str, said: str = "") -> Central:
    central = with_fleet(folder, {"fleet.py": FLEET.format(rows=rows, said=said, code=code)})
    central.github.dispatch("rollout.yml", "main")
    return central


def test_a_failed_ring_does_not_stop_other_updates(tmp_path: Path) -> None:
    """The other updates are started. The run fails and names the failed ring."""
    rows = [row("one", True), row("two", False), row("three", True)]
    said = "first: acme/zero has failed"
    central = roll_out(tmp_path, 1, json.dumps(rows), said)
    [run] = central.github.runs_of("rollout.yml")
    assert run.conclusion == "failure", run.job("rollout").log
    runs = central.github.runs_of("copy-pipelines.yml")
    assert [each.inputs["repository"] for each in runs] == ["one", "three"]
    assert {(each.inputs["mode"], each.inputs["version"]) for each in runs} == {
        ("update", "v2.0.0")
    }
    job = run.job("rollout")
    assert said in job.log and "Started 2 updates." in job.summary
    assert job.permissions == {"actions": "write", "contents": "read"}
    # The token reads every repository of the fleet, and writes to none.
    [token] = central.organisation.tokens.values()
    assert {*token.permissions.values()} == {"read"}
    [asked] = central.folder.rglob("asked")
    assert asked.read_text("utf-8") == (
        f"--rings rings.yml --json --organisation acme --template {central.template}"
    )


def test_the_first_ring_is_started_and_the_next_one_waits(tmp_path: Path) -> None:
    """With the real fleet.py and a file of rings. The template is private."""
    rings = [{"name": "canary", "repositories": ["f*", "third"]}, {"name": "rest", "others": True}]
    program = (ROOT / "catalogue" / "fleet.py").read_text("utf-8")
    central = with_fleet(
        tmp_path, {"fleet.py": program, "rings.yml": yaml.safe_dump({"rings": rings})}
    )
    world = Organisation([])
    for name in ("first", "second", "third"):
        world.repositories.append(Repository(name))
        text = answers(OLD, central.template)
        world.commit(world.repositories[-1], files(text, "dev"))
    with served(world, "ghs_app00000000") as graphql:
        central.github.runner_environment = {"OFFLINE_GRAPHQL": graphql}
        central.github.dispatch("rollout.yml", "main")
    [run] = central.github.runs_of("rollout.yml")
    assert run.conclusion == "success", run.job("rollout").log
    assert [
        (each.inputs["repository"], each.inputs["version"], each.inputs["answers_file"])
        for each in central.github.runs_of("copy-pipelines.yml")
    ] == [("first", NEW, ".copier-answers.yml"), ("third", NEW, ".copier-answers.yml")]


def test_a_rollout_without_rows_fails_with_the_reason(tmp_path: Path) -> None:
    central = roll_out(tmp_path, 2, "", "rings.yml: is not YAML")
    [run] = central.github.runs_of("rollout.yml")
    assert run.conclusion == "failure" and central.github.runs_of("copy-pipelines.yml") == []
    assert "rings.yml: is not YAML" in run.job("rollout").log
    assert run.job("rollout").errors[0].startswith("fleet.json: is not JSON")


def test_the_starter_workflow_is_accepted(tmp_path: Path) -> None:
    """By the validators, and by GitHub's rules for the files beside it."""
    file = tmp_path / ".github" / "workflows" / "pipelines.yml"
    file.parent.mkdir(parents=True)
    shutil.copy(STARTER / "pipelines.yml", file)
    assert [str(found) for found in validate(tmp_path, persona="auditor")] == []
    properties = json.loads((STARTER / "pipelines.properties.json").read_text("utf-8"))
    assert {*properties} == {"name", "description", "iconName", "categories"}
    assert properties["iconName"].startswith("octicon ")
    assert {file.name.split(".")[0] for file in STARTER.iterdir()} == {"pipelines"}


def test_the_starter_workflow_starts_the_engine(tmp_path: Path) -> None:
    """For its own repository, with a token that can do nothing else."""
    text = (STARTER / "pipelines.yml").read_text("utf-8")
    work_tree = repository(tmp_path / "demo", {".github/workflows/pipelines.yml": text})
    github = OfflineGitHub(tmp_path / "github", work_tree)
    github.remote.push("refs/heads/main")
    organisation = Owner(tmp_path / "organisation", "acme", "start", KEY)
    organisation.permissions = {"actions": "write"}
    organisation.add("pipelines-catalogue", None)
    github.organisation = organisation
    github.variables = {"PIPELINES_START_CLIENT_ID": "start"}
    github.secrets = {"PIPELINES_START_KEY": KEY}
    github.tool("gh", '#!/bin/sh\nprintf "%s\\n" "$*" > asked\ncat > given\n')
    answers = 'code_types: [python]\nproject_name: "it\'s $HOME"\n'
    run = github.dispatch("pipelines.yml", "main", {"mode": "copy", "answers": answers})
    assert run.conclusion == "success", run.job("start").log
    [given] = tmp_path.rglob("given")
    assert given.with_name("asked").read_text("utf-8") == (
        "workflow run copy-pipelines.yml --repo acme/pipelines-catalogue --json\n"
    )
    inputs = json.loads(given.read_text("utf-8"))
    assert inputs == {"repository": "demo", "mode": "copy", "answers": answers, "version": ""}
    assert {*inputs} <= {*INPUTS}
    [token] = organisation.tokens.values()
    assert token.repositories == ("acme/pipelines-catalogue",)
    assert token.permissions == {"actions": "write"} and run.job("start").permissions == {}
