"""What arrives of a package: every byte, name and right to execute, where it is wanted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.workflows import parse
from pipelines import commit, folders, start

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
    "environments": [
        {"name": "dev", "branch": "main"},
        {"name": "test", "manual": True, "retention_days": 3},
        {"name": "prd", "manual": True, "production": True},
    ],
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
}
MADE = {
    **{f"{FOLDER}/{name}": data for name, data in IN_FOLDER.items()},
    HIDDEN: b"hidden\n",
    QUOTED: b"quoted\n",
    TOOL: EXECUTABLE,
}
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
    }
    github = start(template, tmp_path_factory.mktemp("packages"), ANSWERS, files)
    github.remote.push("refs/heads/main")
    github.tool("ship", SHIP.replace("KEPT", str(github.workdir / "kept")))
    return github


@pytest.fixture
def github(repository: OfflineGitHub) -> OfflineGitHub:
    repository.tool("make-things", MAKE)
    repository.forced_results = {"deployment-summary": "success"}
    repository.forced_outputs = {}
    repository.before_job = None
    return repository


def found(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for what belongs to the package itself."""
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


def only(github: OfflineGitHub, environment: str, *real: str) -> None:
    """Let these jobs run for real, and all others succeed without running."""
    jobs = {f"{key.split('-')[0]}-{environment}{key.partition('-')[2]}" for key in real}
    keys = github.job_keys(f"orchestrator-{environment}.yml")
    assert jobs <= set(keys)
    github.forced_results = {key: "success" for key in keys if key not in jobs}


BUILD_JOBS = ("maker- / preflight / preflight", "maker- / build")


def build(
    github: OfflineGitHub, script: str = "", *more: str, environment: str = "dev", deploy: str = ""
) -> Run:
    """Only the build of `maker` with this script behind it, and `more` jobs."""
    github.tool("make-things", f"{MAKE}\n{script}\n")
    only(github, environment, *BUILD_JOBS, *more)
    inputs = {"commit": deploy} if deploy else {}
    return github.dispatch(f"orchestrator-{environment}.yml", "main", inputs)


def build_and_take(github: OfflineGitHub, script: str = "", environment: str = "dev") -> Run:
    """The build of `maker` and the deployment of `one`, which takes all of it."""
    more = ("one- / preflight / preflight", "one- / deploy")
    return build(github, script, *more, environment=environment)


def test_packages_arrive_complete(github: OfflineGitHub) -> None:
    """One run for all of it: a run costs more than what is looked at."""
    commit(github.remote.work_tree, {})
    [run] = github.push("main")
    assert run.conclusion == "success", {k: j.errors for k, j in run.jobs.items() if j.errors}
    made = {**MADE, UNICODE: b"dev\n"}
    runnable = {TOOL, f"{FOLDER}/sub folder/run me.sh"}

    # One artifact for each producer, however many consumers it has.
    assert set(run.artifacts) == {"maker-package-dev", "second-package-dev"}
    held = run.artifacts["maker-package-dev"]
    about = {name for name in held if name.startswith(".package/")}
    assert about == {".package/commit", ".package/executables", ".package/sha256sums"}
    assert {name: held[name] for name in held.keys() - about} == made
    assert held[".package/commit"].decode() == f"{run.head_sha}\n"
    assert run.job("maker-dev").outputs == {
        "artifact-name": "maker-package-dev",
        "artifact-path": "\n".join(PRODUCTS),
        "deployment-status": "success",
    }
    for name in ("both", "one"):
        nothing = {"artifact-name": "none", "artifact-path": "none"}
        assert run.job(f"{name}-dev").outputs == {**nothing, "deployment-status": "success"}

    # A component's own package lies where its build had left it.
    maker = kept(github, run, "maker")
    assert found(maker / "parts/maker") == {**made, "README.md": b"maker\n"}
    assert executables(maker / "parts/maker") == runnable
    assert (maker / "variables").read_text() == ""

    # `to` names a file, a folder with a / behind it, or a folder that is merged with what is there.
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
    placed = {"tool", "bin/other", "assets/sub folder/run me.sh"}
    assert executables(both / "parts/both") == placed

    # Packages lie side by side, and variables name their folders.
    variables = "MAKER_PACKAGE=.packages/maker\nSECOND_PACKAGE=.packages/second\n"
    assert (both / "variables").read_text() == variables
    assert found(both / ".packages/second") == {"package.txt": b"second for dev\n"}
    assert found(both / ".packages/maker") == made
    one = kept(github, run, "one")
    assert (one / "variables").read_text() == "MAKER_PACKAGE=.packages/maker\n"
    assert found(one / ".packages/maker") == made
    assert executables(one / ".packages/maker") == runnable
    assert found(one / "parts/one") == {"README.md": b"one\n"}


def test_environments_of_one_commit_do_not_mix(github: OfflineGitHub) -> None:
    commits = set()
    for environment in ("dev", "test"):
        before = len(github.api_calls)
        run = build_and_take(github, environment=environment)
        commits.add(run.head_sha)
        artifact = f"maker-package-{environment}"
        assert run.conclusion == "success" and set(run.artifacts) == {artifact}
        made = {**MADE, UNICODE: f"{environment}\n".encode()}
        assert found(kept(github, run, "one") / ".packages/maker") == made
        calls = [c for c in github.api_calls[before:] if c.job == f"one-{environment} / deploy"]
        listed = f"/repos/acme/demo/actions/runs/{run.id}/artifacts?name={artifact}"
        assert calls[0].path.split("&")[0] == listed
    assert len(commits) == 1


@pytest.mark.parametrize(("environment", "days"), [("dev", 7), ("test", 3), ("prd", 30)])
def test_packages_are_kept_as_long_as_the_environment_says(
    github: OfflineGitHub, environment: str, days: int
) -> None:
    """The double does not let time pass, so this reads what the workflow asks for."""
    file = github.remote.work_tree / f".github/workflows/maker-{environment}.yml"
    steps = parse(file.read_text(encoding="utf-8"))["jobs"]["build"]["steps"]
    [upload] = [step["with"] for step in steps if "upload-artifact" in step.get("uses", "")]
    assert (upload["name"], upload["retention-days"]) == (f"maker-package-{environment}", days)


@pytest.mark.parametrize("content", ["", "/only/folders"], ids=["empty", "folders"])
def test_an_empty_folder_is_named_by_the_build_that_left_it(
    github: OfflineGitHub, content: str
) -> None:
    """Artifacts hold files alone: it would be missing where it is wanted, far from its cause."""
    run = build(github, f"rm -rf '{FOLDER}'; mkdir -p '{FOLDER}{content}'")
    assert run.results["maker-dev / build"] == "failure"
    assert FOLDER in run.job("maker-dev / build").errors[0]
    assert run.artifacts == {}


def test_a_product_that_replaces_a_file_may_be_executed(github: OfflineGitHub) -> None:
    work_tree = github.remote.work_tree
    tracked = work_tree / "parts/maker" / TOOL
    with_file = commit(work_tree, {f"parts/maker/{TOOL}": "to be replaced by the build\n"})
    tracked.unlink()
    commit(work_tree, {})
    github.remote.push("refs/heads/main")
    run = build(github, "", "maker- / deploy", deploy=with_file)
    assert run.conclusion == "success"
    seen = kept(github, run, "maker") / "parts/maker"
    assert (seen / TOOL).read_bytes() == EXECUTABLE
    assert TOOL in executables(seen)


def test_links_become_what_they_lead_to(github: OfflineGitHub) -> None:
    script = f"mv {TOOL} real && ln -s real {TOOL} && ln -s ../real '{FOLDER}/link'"
    run = build_and_take(github, f"{script} && ln -s 'sub folder' '{FOLDER}/again'")
    assert run.conclusion == "success", {k: j.errors for k, j in run.jobs.items() if j.errors}
    package = kept(github, run, "one") / ".packages/maker"
    deep = "sub folder/.deep/b 'q' ü.bin"
    assert found(package) == {
        **MADE,
        UNICODE: b"dev\n",
        f"{FOLDER}/link": EXECUTABLE,
        f"{FOLDER}/again/run me.sh": EXECUTABLE,
        f"{FOLDER}/again/{deep.removeprefix('sub folder/')}": IN_FOLDER[deep],
    }
    assert not any(file.is_symlink() for file in package.rglob("*"))
    assert {TOOL, f"{FOLDER}/link", f"{FOLDER}/again/run me.sh"} <= executables(package)


def test_a_link_that_leads_nowhere_fails_the_build(github: OfflineGitHub) -> None:
    run = build(github, f"ln -s nowhere '{FOLDER}/lost'")
    assert run.results["maker-dev / build"] == "failure"
    assert f"{FOLDER}/lost" in run.job("maker-dev / build").log
    assert run.artifacts == {}


Files = dict[str, bytes]


def with_its_manifest(files: Files) -> Files:
    """The package with a manifest that fits, as anybody could write it."""
    sums = [
        f"{hashlib.sha256(data).hexdigest()}  ./{name}\n"
        for name, data in files.items()
        if not name.startswith(".package/")
    ]
    return {**files, ".package/sha256sums": "".join(sums).encode()}


def with_more(files: Files) -> Files:
    return {**files, f"{FOLDER}/evil.txt": b"evil"}


NOT_THAT = "is not the one that the build of this run left"
# Whose deployment takes the package, what somebody does to it before -> what that one sees.
REPLACED: dict[str, tuple[str, Callable[[Files], Files], str]] = {
    "a file, and the manifest": (
        "maker",
        lambda files: with_its_manifest({**files, TOOL: b"evil"}),
        NOT_THAT,
    ),
    "a file more, and the manifest": (
        "maker",
        lambda files: with_its_manifest(with_more(files)),
        NOT_THAT,
    ),
    "what may be executed": (
        "maker",
        lambda files: {**files, ".package/executables": f"./{HIDDEN}\n".encode()},
        NOT_THAT,
    ),
    "a file more of another's package": ("one", with_more, "holds more than its build left"),
    # Only the component itself knows what its build left: docs/decisions/0016.
    "another's package, and the manifest": (
        "one",
        lambda files: with_its_manifest({**files, TOOL: b"evil"}),
        "",
    ),
}


@pytest.mark.parametrize("case", REPLACED)
def test_a_package_that_is_replaced_on_the_way(github: OfflineGitHub, case: str) -> None:
    taker, replace, problem = REPLACED[case]
    deployment = f"{taker}-dev / deploy"

    def replaces(run: Run, key: str) -> None:
        if key == deployment:
            [artifact] = [a for a in run.artifact_store.values() if a.name == "maker-package-dev"]
            artifact.fill(replace(artifact.files))

    github.before_job = replaces
    more = ["one- / preflight / preflight"] * (taker == "one")
    run = build(github, "", *more, f"{taker}- / deploy")
    errors = run.job(deployment).errors
    if problem:
        assert f"maker-package-dev of run {run.id} {problem}" in errors
        assert not kept(github, run, taker).exists()
    else:
        assert run.results[deployment] == "success", errors
