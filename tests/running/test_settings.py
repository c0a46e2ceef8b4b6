"""Settings of components, executed: secrets that install, submodules, Git LFS, services."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import toolbox
from generated_repositories import commit, generic, start, with_commands
from offline_github import NotModelledError, OfflineGitHub, Run
from offline_github.repository import git

BUILT = "site-build / build"
CHECK = "pull-request-checks"
FILES = {"parts/site/README.md": "site\n"}
SECRETS = {"NPM_TOKEN": "of the registry", "DEPLOY_TOKEN": "of the host"}


def site(template: Path, folder: Path, **settings: Any) -> OfflineGitHub:
    unchecked = dict.fromkeys(["lint", "test", "security"], "")
    answers = {
        "components": generic(["site"], **(unchecked | settings)),
        "environments": [{"name": "dev", "branch": "main"}],
    }
    github = with_commands(start(template, folder, answers, FILES))
    github.tools.watch(["package.txt"], ["NPM_TOKEN", "DEPLOY_TOKEN"])
    return github


def handed(github: OfflineGitHub) -> dict[str, list[str]]:
    """The secrets that each command has seen."""
    return {
        f"{command.tool} {command.arguments[0]}": [
            name for name, value in SECRETS.items() if command.environment.get(name) == value
        ]
        for command in github.commands()
        if command.tool in ("check", "ship")
    }


def error_of(run: Run) -> str:
    """The one error of its build."""
    assert run.results[BUILT] == "failure"
    [line] = [each for each in run.job(BUILT).log.splitlines() if each.startswith("##[error]")][:1]
    return line.removeprefix("##[error]")


def test_secrets_that_install(template: Path, tmp_path: Path) -> None:
    """Checks and builds get them, also in pull requests of this repository; deployments do not."""
    github = site(
        template,
        tmp_path,
        **{name: f"check {name}" for name in ("lint", "test", "security")},
        install_secrets=["NPM_TOKEN"],
        build="check build\nbuild site",
    )
    github.secrets = SECRETS
    github.remote.push("refs/heads/develop")
    [run] = github.push("main")
    assert run.conclusion == "success", run.results
    install = ("check lint", "check test", "check security", "check build")
    assert handed(github) == {**{name: ["NPM_TOKEN"] for name in install}, "ship site": []}
    assert "NPM_TOKEN" not in run.job("site-dev / deploy").secrets

    commit(github.remote.work_tree, {"parts/site/README.md": "changed\n"})
    git("branch", "--force", "change", cwd=github.remote.work_tree)
    [run] = github.pull_request("change", "develop")
    assert run.results[CHECK] == "success", run.results
    assert run.job(BUILT).secrets == ["NPM_TOKEN"]

    [run] = github.pull_request("change", "develop", fork=True)
    assert run.results[CHECK] == "failure"
    assert "GitHub gives no secrets to pull requests from forks" in error_of(run)
    assert "Lint" not in run.job(BUILT).steps


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {},
            "title=Secret A B::The installation needs it, and it is not set. Set it for "
            "the repository",
        ),
        ({"MISSING": "B "}, "gh secret set B"),
        ({"ACTOR": "dependabot[bot]"}, "gh secret set A --app dependabot"),
        (
            {"ACTOR": "dependabot[bot]", "OF_A_FORK": "true"},
            "no secrets to pull requests from forks",
        ),
    ],
)
def test_what_is_missing_is_said(variables: dict[str, str], said: str) -> None:
    [script] = toolbox.ROOT.glob("template/.github/actions/*require-secrets*/require.sh")
    given = {"MISSING": "A B ", "ACTOR": "octocat", "OF_A_FORK": "false", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", str(script)], env={**given, **variables}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert said in done.stdout and len(done.stdout.splitlines()) == 1


def test_a_secret_may_be_called_like_what_looks_for_it(template: Path, tmp_path: Path) -> None:
    github = site(template, tmp_path, install_secrets=["NAMES", "ACTOR", "MISSING"])
    github.secrets = {"NAMES": "x"}
    [run] = github.push("main")
    assert run.results[BUILT] == "failure"
    assert error_of(run).endswith("gh secret set ACTOR")


def with_submodule(github: OfflineGitHub, folder: Path) -> None:
    """`parts/site/lib` becomes another repository, which has a submodule itself."""
    for name, inner in (("inner", ""), ("lib", "inner")):
        other = folder / name
        other.mkdir()
        git("init", "--quiet", "--initial-branch=main", cwd=other)
        git("config", "user.name", "Test", cwd=other)
        git("config", "user.email", "test@example.invalid", cwd=other)
        if inner:
            add_submodule(other, folder / inner, inner)
        commit(other, {"file.txt": f"{name}\n"})
    add_submodule(github.remote.work_tree, folder / "lib", "parts/site/lib")
    commit(github.remote.work_tree, {})


def add_submodule(work_tree: Path, url: Path, path: str) -> None:
    local = ("-c", "protocol.file.allow=always")
    git(*local, "submodule", "--quiet", "add", str(url), path, cwd=work_tree)


@pytest.mark.parametrize("submodules", [None, True, "recursive", False])
def test_submodules(template: Path, tmp_path: Path, submodules: bool | str | None) -> None:
    """They are checked out as the setting says. Without it, an empty folder is not built."""
    setting = {} if submodules is None else {"submodules": submodules}
    github = site(
        template,
        tmp_path,
        build="cat lib/file.txt lib/inner/file.txt > package.txt || echo none",
        **setting,
    )
    with_submodule(github, tmp_path)
    [run] = github.push("main")
    if submodules is None:
        assert error_of(run).startswith("It is not checked out.")
        assert "submodules: true" in error_of(run)
        return
    assert run.conclusion == "success", run.job(BUILT).log
    [artifact] = [a for a in run.artifact_store.values() if "-package-" in a.name]
    wanted = {True: b"lib\n", "recursive": b"lib\ninner\n", False: b""}[submodules]
    assert artifact.files["package.txt"] == wanted


@pytest.mark.parametrize("lfs", [None, False])
def test_files_of_git_lfs(template: Path, tmp_path: Path, lfs: bool | None) -> None:
    """A pointer file is not built as if it were the real file."""
    github = site(template, tmp_path, **({} if lfs is None else {"lfs": lfs}))
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    # Other files that the attributes match are real files, and files of other components do not
    # count.
    files = {"parts/site/a.onnx": "the file itself\n", "b.onnx": pointer}
    commit(github.remote.work_tree, {".gitattributes": "*.onnx filter=lfs\n", **files})
    if lfs is None:
        [run] = github.push("main")
        assert run.conclusion == "success", run.job(BUILT).log
    commit(github.remote.work_tree, {"parts/site/model.onnx": pointer})
    [run] = github.push("main")
    if lfs is None:
        assert error_of(run).startswith("parts/site/model.onnx is a pointer")
    else:
        assert run.conclusion == "success"


@pytest.mark.parametrize(
    ("folder", "name"),
    [(".", "größe"), ("parts/ü x", "it's"), ("app/[id]", 'a "b"\tc'), ("app/[id]", "$(x)")],
)
def test_what_is_not_checked_out_is_found_by_any_name(
    tmp_path: Path, folder: str, name: str
) -> None:
    """Without an option, git quotes such names, and reads [id] as a pattern."""
    [script] = toolbox.ROOT.glob("template/.github/actions/check-out/missing.sh")
    git("init", "--quiet", cwd=tmp_path)
    pointer = tmp_path / folder / f"{name}.bin"
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    (tmp_path / ".gitattributes").write_text("*.bin filter=lfs\n", encoding="utf-8")
    git("-c", "filter.lfs.clean=cat", "add", ".", cwd=tmp_path)
    lib = f"{folder}/{name}" if folder != "." else name
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{lib}", cwd=tmp_path)
    for given, said in (("LFS", f"title=Submodule {lib}::"), ("SUBMODULES", ".bin is a pointer")):
        settings = {"FOLDER": folder, "LFS": "", "SUBMODULES": "", given: "false"}
        done = subprocess.run(
            ["bash", str(script)],
            cwd=tmp_path,
            env={**settings, "PATH": os.environ["PATH"]},
            capture_output=True,
            encoding="utf-8",
        )
        assert (done.returncode, said in done.stdout) == (1, True), done


def test_files_that_git_cannot_list_are_an_error(tmp_path: Path) -> None:
    """actions/checkout downloads an archive, without .git, if the runner has no git."""
    [script] = toolbox.ROOT.glob("template/.github/actions/check-out/missing.sh")
    for name in ("SUBMODULES", "LFS"):
        settings = {"FOLDER": ".", "LFS": "false", "SUBMODULES": "false", name: ""}
        done = subprocess.run(
            ["bash", str(script)],
            cwd=tmp_path,
            env={**settings, "PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": "/"},
            capture_output=True,
            encoding="utf-8",
        )
        assert (done.returncode, "title=Check out::" in done.stdout) == (1, True), done


def test_services_are_not_modelled(template: Path, tmp_path: Path) -> None:
    """The double runs no containers. It says so instead of leaving services out."""
    github = site(template, tmp_path, services={"db": {"image": "postgres:18", "ports": [5432]}})
    with pytest.raises(NotModelledError, match="services"):
        github.push("main")
