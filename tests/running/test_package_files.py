"""Packages arrive complete: every byte, name and executable bit, in the right place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import all_planned, commit, digest_of, folders, package, start
from offline_github import OfflineGitHub, Run
from offline_github.repository import git

FOLDER, HIDDEN, QUOTED, UNICODE, TOOL = "dist folder", ".hid den", "it's.txt", "grün ☂.txt", "tool"
PRODUCTS = [FOLDER, HIDDEN, QUOTED, UNICODE, TOOL]
ANSWERS: dict[str, Any] = {
    "components": {
        "maker": {
            "code_type": "generic",
            "path": "parts/maker",
            "build": "make-things",
            "produces": PRODUCTS,
            "deploy": "ship maker",
        },
        "second": {
            "code_type": "generic",
            "path": "parts/second",
            "build": 'echo "second for $ENVIRONMENT" > package.txt',
            "produces": ["package.txt"],
        },
        "both": {"code_type": "generic", "path": "parts/both", "deploy": "ship both"},
        "one": {"code_type": "generic", "path": "parts/one", "deploy": "ship one"},
    },
    "environments": [{"name": "dev", "branch": "main", "retention_days": 3}],
    "dependency_map": [
        {
            "code_type": "both",
            "depends_on": ["maker", "second"],
            "artifacts": [
                {"name": FOLDER, "to": "parts/both/assets"},
                {"name": HIDDEN, "to": "parts/both/"},
                {"name": QUOTED, "to": "in put/o'clock.txt"},
                {"name": UNICODE, "to": "parts/both/größe/"},
                {"name": TOOL, "to": "parts/both/tool"},
                {"name": TOOL, "to": "parts/both/bin/other"},
                "package.txt",
            ],
        },
        {"code_type": "one", "depends_on": "maker"},
    ],
}
MAKE = f"""\
#!/usr/bin/env bash
set -e
mkdir -p '{FOLDER}/sub folder/.deep'
echo page > '{FOLDER}/page.html'
echo new > '{FOLDER}/same.txt'
printf '\\0\\1\\377' > '{FOLDER}/sub folder/.deep/b '\\''q'\\'' ü.bin'
echo '#!/bin/sh' > '{FOLDER}/sub folder/run me.sh'
chmod 755 '{FOLDER}/sub folder/run me.sh'
ln -s '../{TOOL}' '{FOLDER}/link'
echo hidden > '{HIDDEN}'
echo quoted > "{QUOTED}"
echo "$ENVIRONMENT" > '{UNICODE}'
echo '#!/bin/sh' > {TOOL}
chmod 755 {TOOL}
"""
EXECUTABLE = b"#!/bin/sh\n"
IN_FOLDER = {
    "page.html": b"page\n",
    "same.txt": b"new\n",
    "sub folder/.deep/b 'q' ü.bin": b"\0\1\xff",
    "sub folder/run me.sh": EXECUTABLE,
    "link": EXECUTABLE,
}
MADE = {
    **{f"{FOLDER}/{name}": data for name, data in IN_FOLDER.items()},
    HIDDEN: b"hidden\n",
    QUOTED: b"quoted\n",
    UNICODE: b"dev\n",
    TOOL: EXECUTABLE,
}
RUNNABLE = {TOOL, f"{FOLDER}/sub folder/run me.sh", f"{FOLDER}/link"}
SHIP = """\
#!/usr/bin/env bash
# Keeps the workspace as the deployment saw it, and the variables that name packages.
set -e
kept=KEPT/$GITHUB_RUN_ID/$1
mkdir -p "$kept"
cp -Rp "$GITHUB_WORKSPACE/." "$kept"
rm -rf "$kept/.git"
env | { grep -E '_PACKAGE=' || true; } | sed "s|$GITHUB_WORKSPACE/||" | sort > "$kept/variables"
"""


@pytest.fixture(scope="module")
def repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> OfflineGitHub:
    files = folders(list(ANSWERS["components"])) | {
        "parts/both/assets/kept.txt": "kept\n",
        "parts/both/assets/same.txt": "old\n",
        f"parts/maker/{TOOL}": "replaced by the build, and not to be executed\n",
    }
    github = start(template, tmp_path_factory.mktemp("packages"), ANSWERS, files)
    github.remote.push("refs/heads/main")
    github.tool("ship", SHIP.replace("KEPT", str(github.workdir / "kept")))
    github.tool("make-things", MAKE)
    return github


@pytest.fixture
def github(repository: OfflineGitHub) -> OfflineGitHub:
    repository.forced_results = {}
    repository.forced_outputs = {}
    repository.before_job = None
    return repository


def found(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, without the manifest of the package."""
    return {
        name: file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not (name := file.relative_to(folder).as_posix()).startswith(".pack")
    }


def executables(folder: Path) -> set[str]:
    return {
        name.relative_to(folder).as_posix()
        for name in folder.rglob("*")
        if name.is_file() and os.access(name, os.X_OK)
    }


def kept(github: OfflineGitHub, run: Run, name: str) -> Path:
    """The workspace that a deployment saw."""
    return github.workdir / "kept" / str(run.id) / name


def test_packages_arrive_complete(github: OfflineGitHub) -> None:
    """One run for all of it, because a run takes more time than the checks."""
    commit(github.remote.work_tree, {})
    [run] = github.push("main")
    assert run.conclusion == "success", {k: j.errors for k, j in run.jobs.items() if j.errors}

    # One artifact for each producer, however many consumers it has.
    assert set(run.packages) == {"maker-package-dev", "second-package-dev"}
    packages = [one for one in run.artifact_store.values() if "-package-" in one.name]
    assert {artifact.retention_days for artifact in packages} == {3}
    assert run.packages["maker-package-dev"] == package(run.head_sha, MADE, RUNNABLE)
    assert run.job("maker-build").outputs == {
        "artifact-name": "maker-package-dev",
        "artifact-path": "\n".join(PRODUCTS),
        "digest": digest_of(run.packages["maker-package-dev"]),
    }
    assert run.job("maker-dev").outputs == {
        "artifact-name": "maker-package-dev",
        "artifact-path": "\n".join(PRODUCTS),
        "deployment-status": "success",
    }
    for name in ("both", "one"):
        nothing = {"artifact-name": "none", "artifact-path": "none"}
        assert run.job(f"{name}-dev").outputs == {**nothing, "deployment-status": "success"}

    # A component's own package is where its build wrote it, and replaces a file there.
    maker = kept(github, run, "maker")
    assert found(maker / "parts/maker") == {**MADE, "README.md": b"maker\n"}
    assert executables(maker / "parts/maker") == RUNNABLE
    assert (maker / "variables").read_text() == ""

    # `to` names a file, a folder (with a / at its end), or a folder that is merged with an
    # existing one.
    both = kept(github, run, "both")
    assert found(both / "parts/both") == {
        "README.md": b"both\n",
        "assets/kept.txt": b"kept\n",
        **{f"assets/{name}": data for name, data in IN_FOLDER.items()},
        HIDDEN: b"hidden\n",
        f"größe/{UNICODE}": b"dev\n",
        "tool": EXECUTABLE,
        "bin/other": EXECUTABLE,
    }
    assert found(both / "in put") == {"o'clock.txt": b"quoted\n"}
    placed = {"tool", "bin/other", "assets/sub folder/run me.sh", "assets/link"}
    assert executables(both / "parts/both") == placed

    # Each package has its own folder, which a variable names.
    variables = "MAKER_PACKAGE=.packages/maker\nSECOND_PACKAGE=.packages/second\n"
    assert (both / "variables").read_text() == variables
    assert found(both / ".packages/second") == {"package.txt": b"second for dev\n"}
    assert found(both / ".packages/maker") == MADE
    one = kept(github, run, "one")
    assert (one / "variables").read_text() == "MAKER_PACKAGE=.packages/maker\n"
    assert found(one / ".packages/maker") == MADE
    assert executables(one / ".packages/maker") == RUNNABLE
    assert found(one / "parts/one") == {"README.md": b"one\n"}


NOT_THAT = "maker-package-dev of run RUN is not the one that the build has uploaded: run"
# Whose deployment takes the package, what has become of it -> what that deployment sees.
CASES = {
    ("one", "as it was built"): "",
    ("one", "gone"): "The package of maker, maker-package-dev, is not in run RUN: re-run all jobs",
    ("one", "expired"): "is not in run RUN (run RUN: it has expired): re-run all jobs",
    ("one", "damaged"): f"differs from what the build has uploaded, in ./{HIDDEN}",
    ("one", "replaced"): NOT_THAT,
    ("maker", "replaced"): NOT_THAT,
    ("one", "without a digest"): "The build of maker in this run has reported no digest",
}


@pytest.mark.parametrize(("taker", "case"), CASES)
def test_only_the_package_that_the_build_left_is_deployed(
    github: OfflineGitHub, taker: str, case: str
) -> None:
    """Also if another job of the run uploads or replaces packages."""
    head = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
    built = package(head, MADE, RUNNABLE)
    deployment = f"{taker}-dev / deploy"
    keys = set(github.job_keys("orchestrator-dev.yml")) - {deployment}
    github.forced_results = dict.fromkeys(keys, "success")
    digest = {} if case == "without a digest" else {"digest": digest_of(built)}
    changes = all_planned(github, "dev", head)
    github.forced_outputs = {"changes": changes, "maker-build / build": digest}

    def upload(run: Run, key: str) -> None:
        if key != "maker-build / build" or case == "gone":
            return
        files = dict(built)
        if case == "replaced":
            files = package(head, {**MADE, TOOL: b"evil\n"}, RUNNABLE)
        elif case == "damaged":
            files[HIDDEN] = b"other\n"
        github.new_artifact(run, "maker-package-dev").fill(files)
        if case == "expired":
            github.expire(run, "maker-package-dev")

    github.before_job = upload
    run = github.dispatch("orchestrator-dev.yml", "main")
    problem = CASES[taker, case].replace("RUN", str(run.id))
    assert run.results[deployment] == ("failure" if problem else "success")
    assert kept(github, run, taker).exists() != bool(problem)
    if problem:
        assert problem in run.job(deployment).errors[0]
