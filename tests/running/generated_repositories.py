"""Repositories with generated pipelines, ready to be pushed to the offline GitHub."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from copies import copy
from offline_github import OfflineGitHub, Run
from offline_github.model import Job
from offline_github.repository import git

Made = Callable[[str, Mapping[str, Any], Mapping[str, str]], Path]
"""The fixture `made`: from a name, answers and files to a work tree."""

MACHINE = ("UV_", "PIP_", "SSL_", "REQUESTS_", "HTTP", "NO_PROXY", "HOME", "XDG_")
"""The variables of a machine that real tools read: its package index, and how to trust it."""

MANIFEST = ".package/manifest"
"""The file in a package that describes the package."""

BUILD = """\
#!/usr/bin/env bash
# Makes a package that says of what it is made.
printf '%s of %s\\n' "$1" "$GITHUB_SHA" > package.txt
"""


def commit(work_tree: Path, files: Mapping[str, str], message: str = "A change") -> str:
    """Write files, commit everything, and return the commit."""
    for name, text in files.items():
        path = work_tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git("add", "--all", cwd=work_tree)
    git("commit", "--quiet", "--allow-empty", "--message", message, cwd=work_tree)
    return git("rev-parse", "HEAD", cwd=work_tree).decode().strip()


def repository(
    template: Path, work_tree: Path, answers: Mapping[str, Any], files: Mapping[str, str]
) -> None:
    """A repository with generated pipelines and these files, on `main` and `develop`.

    Each run deploys everything, changed or not, unless the answers say `only_changed`.
    """
    work_tree.mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main", cwd=work_tree)
    git("config", "user.name", "Test", cwd=work_tree)
    git("config", "user.email", "test@example.invalid", cwd=work_tree)
    copy(template, work_tree, {"only_changed": False, **answers})
    commit(work_tree, files, "The first")
    git("branch", "develop", cwd=work_tree)
    # A pack is one file instead of hundreds: many tests copy the repository and check it out.
    git("-c", "repack.updateServerInfo=false", "repack", "-a", "-d", "--quiet", cwd=work_tree)


def start(
    template: Path, folder: Path, answers: Mapping[str, Any], files: Mapping[str, str]
) -> OfflineGitHub:
    """A repository with generated pipelines, on a GitHub of its own."""
    repository(template, folder / "repository", answers, files)
    return OfflineGitHub(folder / "github", folder / "repository")


def reopened(work_tree: Path, folder: Path, branches: tuple[str, ...]) -> OfflineGitHub:
    """A copy of a work tree, on a GitHub of its own that already has these branches."""
    github = OfflineGitHub(folder / "github", shutil.copytree(work_tree, folder / "repository"))
    for branch in branches:
        github.remote.push(f"refs/heads/{branch}")  # this starts nothing
    return github


def with_the_machines_packages(github: OfflineGitHub) -> OfflineGitHub:
    """Let jobs install real tools: ruff, pytest, bandit."""
    variables = os.environ.items()
    github.runner_environment = {k: v for k, v in variables if k.upper().startswith(MACHINE)}
    return github


def generic(names: list[str], **settings: Any) -> dict[str, Any]:
    """Components whose commands are recorded: `check`, `build` and `ship` are put on the PATH."""
    return {
        name: {
            "code_type": "generic",
            "path": f"parts/{name}",
            "lint": f"check lint {name}",
            "test": f"check test {name}",
            "security": f"check security {name}",
            "build": f"build {name}",
            "produces": ["package.txt"],
            "deploy": f"ship {name}",
            **settings,
        }
        for name in names
    }


DIAMOND = ["alone", "base", "left", "right", "top"]
"""`left` waits for `base`, and takes nothing of it:

    alone
    base -> left  -> top
         -> right ->
"""


def diamond(**answers: Any) -> dict[str, Any]:
    """The answers for a diamond of components, and one beside it."""
    right = {"name": "package.txt", "to": "parts/right/base.txt"}
    edges = [
        {"code_type": "left", "depends_on": "base", "artifacts": []},
        {"code_type": "right", "depends_on": "base", "artifacts": [right]},
        {"code_type": "top", "depends_on": ["left", "right"]},
    ]
    return {"components": generic(DIAMOND), "dependency_map": edges, **answers}


def folders(names: list[str]) -> dict[str, str]:
    """A file in each component's folder, so that git keeps the folder."""
    return {f"parts/{name}/README.md": f"{name}\n" for name in names}


def with_commands(github: OfflineGitHub) -> OfflineGitHub:
    """Put the commands of `generic` on the jobs' PATH."""
    github.tool("check")
    github.tool("build", BUILD)
    github.tool("ship")
    return github


def planned(
    build: Collection[str] = (), deploy: Collection[str] = (), **more: Any
) -> dict[str, str]:
    """What the job `changes` says when it has planned this, for a test that does not run it.

    `more` is of the plan itself: packages of former runs, reasons, what is unchanged.
    """
    plan = {
        **{name: [] for name in ("carry", "check", "refused", "removed", "nobody")},
        **{name: {} for name in ("packages", "reasons", "unchanged", "keys")},
        "taken": {name: {} for name in (*build, *deploy)},
        **{"build": [*build], "deploy": [*deploy]},
        **{"commit": "c" * 40, "planned": "2026-01-01T00:00:00.000Z"},
        "deployKeys": {name: hashlib.sha256(name.encode()).hexdigest()[:12] for name in deploy},
        **more,
    }
    told = {name: json.dumps(plan[name]) for name in ("build", "deploy")}
    return {**told, "plan": json.dumps(plan)}


def deployments(github: OfflineGitHub, tool: str) -> list[str]:
    """The arguments of a tool's calls, in order."""
    return [command.arguments[0] for command in github.commands(tool)]


def package(
    built_from: str, files: Mapping[str, bytes], executables: Collection[str] = ()
) -> dict[str, bytes]:
    """The files with a manifest that fits them, as a build makes it. Anybody could make one."""
    lines = [f"commit {built_from}\n"]
    for kind in ("executable", "file"):
        for name in sorted(files, key=os.fsencode):
            if (name in executables) == (kind == "executable"):
                lines.append(f"{kind} {hashlib.sha256(files[name]).hexdigest()}  ./{name}\n")
    return {**files, MANIFEST: "".join(lines).encode()}


def digest_of(artifact: Mapping[str, bytes]) -> str:
    """The digest of a package that its build reports."""
    return hashlib.sha256(artifact[MANIFEST]).hexdigest()


def forged(commit_sha: str) -> dict[str, bytes]:
    """A package that fits its manifest. Anybody could make one."""
    return package(commit_sha, {"package.txt": b"evil"})


def built_by(github: OfflineGitHub, run: Run, key: str) -> Run:
    """Record for a run of `add_run` which of its jobs has uploaded its packages."""
    moment = next((a.created_at for a in run.artifact_store.values()), run.created_at)
    parts = key.split(" / ")
    for count in range(1, len(parts) + 1):
        name = {"build": "Check and build", "changes": "Changes"}.get(parts[count - 1], "")
        job = Job(" / ".join(parts[:count]), github.new_id(), 1, run.workflow_path)
        job.name = name if count == len(parts) and name else parts[count - 1]
        job.status, job.result = "completed", "success"
        job.created_at = job.started_at = job.completed_at = moment
        run.jobs[job.key] = job
    return run


def components_of(github: OfflineGitHub) -> dict[str, Any]:
    """The data about each component in the pipelines of the work tree."""
    file = github.remote.work_tree / ".github/actions/what-changed/components.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))["components"])


def key_of(*parts: str) -> str:
    """A key that no plan has, different for each component."""
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def all_planned(github: OfflineGitHub, environment: str, sha: str) -> dict[str, str]:
    """The outputs of a job `changes` that has not run: everything is built and deployed."""
    components = components_of(github)
    build = [name for name, component in components.items() if component["builds"]]
    deploy = [
        name for name, component in components.items() if environment in component["deployed"]
    ]
    told = planned(
        build,
        deploy,
        taken={name: dict.fromkeys(components[name]["takes"]) for name in components},
        reasons=dict.fromkeys({*build, *deploy}, "everything was requested"),
        keys={name: key_of("build", name)[:24] for name in components},
        commit=sha,
        planned=github.clock.stamp(),
    )
    return {"commit": sha, **told}


def former_run(
    github: OfflineGitHub,
    environment: str,
    sha: str,
    packages: Mapping[str, Mapping[str, bytes]] | None = None,
    **settings: Any,
) -> Run:
    """A run that nobody executed, and that has deployed everything, as its manifest says.

    `packages` are those that it has built, by component. Nothing has seen its end yet:
    `OfflineGitHub.ended`.
    """
    file = f"orchestrator-{environment}.yml"
    title = f"Deploy {sha} to {environment}"
    run = github.add_run(file, head_sha=sha, **{"display_title": title, **settings})
    made = {}
    for name, files in (packages or {}).items():
        github.new_artifact(run, f"{name}-package-{environment}").fill(dict(files))
        built_by(github, run, f"{name}-build / build")
        made[name] = {
            "key": key_of("build", name)[:24],
            "digest": digest_of(files),
            "run": run.id,
            "commit": sha,
            "environment": environment,
            "expires": "2100-01-01T00:00:00Z",
        }
    components = components_of(github)
    entries = {
        name: {
            "state": "success",
            "kind": "deployed" if environment in component["deployed"] else "carried",
            "commit": sha,
            "key": key_of("build", name)[:24],
            "deployKey": key_of("deploy", name)[:12],
            "package": made.get(name),
            "takes": {
                producer: made[producer] for producer in component["takes"] if producer in made
            },
            "run": run.id,
            "perEnvironment": component["perEnvironment"],
        }
        for name, component in components.items()
    }
    left_by(
        github,
        run,
        {
            "version": 1,
            "environment": environment,
            "commit": sha,
            "run": run.id,
            "planned": run.created_at,
            "at": run.created_at,
            "keys": {name: entry["key"] for name, entry in entries.items()},
            "components": entries,
            "packages": {name: [package] for name, package in made.items()},
        },
    )
    return run


def left_by(
    github: OfflineGitHub, run: Run, manifest: Mapping[str, Any], job: str = "Deployment summary"
) -> None:
    """Let a job of a run of `add_run` upload a manifest."""
    artifact = github.new_artifact(run, f"manifest-{manifest['environment']}")
    artifact.fill({"manifest.json": json.dumps(manifest).encode()})
    summary = Job("deployment-summary", github.new_id(), 1, run.workflow_path, job)
    summary.status, summary.result = "completed", "success"
    summary.created_at = summary.started_at = summary.completed_at = artifact.created_at
    run.jobs[summary.key] = summary
    run.updated_at = artifact.created_at


def manifest_of(run: Run) -> dict[str, Any]:
    """The manifest that a run has left for the next one."""
    [(_, files)] = [entry for entry in run.artifacts.items() if entry[0].startswith("manifest-")]
    [content] = files.values()
    return dict(json.loads(content))


def zip_names(data: bytes) -> set[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def rows(run: Run) -> list[tuple[str, str]]:
    """(component, result) of the table in the run's summary."""
    return [(name, result) for name, result, _ in table(run)]


def table(run: Run) -> list[tuple[str, str, str]]:
    """(component, result, why) of the table in the run's summary."""
    summary = run.job("deployment-summary").summary
    return re.findall(r"^\| (\S+) \| \S+ (\w+) \| (.*) \| \[open\]", summary, re.MULTILINE)


def failed(run: Run) -> set[str]:
    """The jobs that failed, callers included."""
    return {key for key, job in run.jobs.items() if job.result == "failure"}


def skipped(run: Run) -> set[str]:
    return {key for key, job in run.jobs.items() if job.result == "skipped"}
