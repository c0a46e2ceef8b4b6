"""Stand-ins that need no npm library: actions/checkout, and actions that only set something up.

Nearly every job checks out. Node takes five times as long to start git and to copy the files.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .repository import Facts, Repository

if TYPE_CHECKING:
    from .server import Server


class StepError(Exception):
    """What an action reports as its error."""


@dataclass
class Step:
    """One step: what it has from its environment, and what it leaves."""

    server: Server
    action: str
    workspace: Path
    environment: Mapping[str, str]
    log: list[str] = field(default_factory=list)

    def input(self, name: str, default: str = "") -> str:
        return self.environment.get(variable(name), "").strip() or default

    def output(self, name: str, value: str) -> None:
        with Path(self.environment["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.write(f"{name}={value}\n")


def variable(name: str) -> str:
    """The environment variable of an input."""
    return f"INPUT_{name.replace(' ', '_').upper()}"


#: With these inputs an action logs in by OIDC, which needs `id-token: write`.
OIDC = {
    "aws-actions/configure-aws-credentials": "role-to-assume",
    "azure/login": "client-id",
    "google-github-actions/auth": "workload_identity_provider",
}


def record(step: Step) -> None:
    """Actions that install something or log in: what they rely on, and their inputs in a file."""
    action, environment = step.action, step.environment
    federated = action in OIDC and step.input(OIDC[action])
    if federated and not environment.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        raise StepError(
            f"{action}: unable to get ACTIONS_ID_TOKEN_REQUEST_URL: the job needs id-token: write"
        )
    given = {
        name.removeprefix("INPUT_").lower(): value
        for name, value in environment.items()
        if name.startswith("INPUT_") and value
    }
    used = {"tool": action, "inputs": given, "job": environment["OFFLINE_GITHUB_JOB"]}
    with Path(environment["OFFLINE_GITHUB_ACTION_LOG"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(used) + "\n")
    step.log.append(f"{action}: nothing to do offline")


NOT_MODELLED = ("ssh-key", "filter", "sparse-checkout", "github-server-url")
CONFIGURATION = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
[remote "origin"]
\turl = {url}
\tfetch = +refs/heads/*:refs/remotes/origin/*
"""
#: What a checkout of a commit leaves. Writing the files is much quicker than ten git processes.
CHECKOUTS = Facts(30)


def checkout(step: Step) -> None:
    """Fetch from the bare remote, as far as the token's rights reach."""
    for name in NOT_MODELLED:
        if step.input(name):
            raise StepError(f"offline checkout does not model the input {name}")
    if step.input("lfs") not in ("", "false"):
        raise StepError("offline checkout does not model lfs")
    token, environment = step.input("token"), step.environment
    repository = step.input("repository", environment["GITHUB_REPOSITORY"])
    target = Path(os.path.normpath(step.workspace / step.input("path", ".")))
    if not target.is_relative_to(step.workspace):
        raise StepError(f"Repository path '{target}' is not under '{step.workspace}'")
    ref = step.input("ref", environment["GITHUB_SHA"])
    found = step.server.clone(token, repository, ref)
    if found.status != 200:
        failed = "The process '/usr/bin/git' failed with exit code 128"
        raise StepError(f"{failed}: {json.dumps(found.body)}")
    remote: Repository = found.body["remote"]
    commit, branch, fetched = (found.body[name] for name in ("commit", "branch", "fetched"))

    def git(*arguments: str) -> None:
        command = ["git", "-C", str(target), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True)
        if done.returncode:
            step.log += done.stderr.decode("utf-8", "replace").splitlines()
            failed = f"The process '/usr/bin/git' failed with exit code {done.returncode}"
            raise StepError(failed)

    target.mkdir(parents=True, exist_ok=True)
    if step.input("clean", "true") == "true":
        for entry in target.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    depth, tags = step.input("fetch-depth", "1"), step.input("fetch-tags") == "true"
    # All history is that of branches and tags: a pull request's commit is on none of them.
    refs = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
    what = ["origin", *refs, fetched]
    if depth != "0":
        what = ["--tags" if tags else "--no-tags", f"--depth={depth}", "origin", fetched]
    key = (fetched, commit, branch, depth)
    keep = depth != "0" and not tags and not any(target.iterdir())
    kept = CHECKOUTS.get(key) if keep else None
    if kept:
        kept.write(target)
    initialise(target / ".git", remote.url)
    if not kept:  # though another job may have put one there meanwhile
        if (depth, tags, fetched) == ("1", False, commit):
            remote.pack(commit, target / ".git")
        else:
            git("-c", "fetch.unpackLimit=1", "fetch", "--quiet", "--no-auto-maintenance", *what)
        git("checkout", "--quiet", "--force", *(["-B", branch] if branch else ["--detach"]), commit)
        if keep:
            CHECKOUTS[key] = Files.of(target)
    submodules = step.input("submodules", "false")
    if submodules != "false":
        deep = ["--recursive"] if submodules == "recursive" else []
        allow = ("-c", "protocol.file.allow=always")
        git(*allow, "submodule", "--quiet", "update", "--init", "--force", *deep)
    if step.input("persist-credentials", "true") == "true":
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        git("config", "http.https://github.com/.extraheader", f"AUTHORIZATION: basic {basic}")
    step.output("ref", ref)
    step.output("commit", commit)
    step.log.append(f"Checked out {commit} of {repository}")


def initialise(folder: Path, url: str) -> None:
    """What `git init` and `git remote add origin` make, without two processes."""
    for name in ("objects", "refs/heads", "refs/tags"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if not (folder / "HEAD").exists():
        (folder / "HEAD").write_text("ref: refs/heads/offline\n", encoding="utf-8")
    (folder / "config").write_text(CONFIGURATION.format(url=url), encoding="utf-8")


@dataclass
class Files:
    """All that is in a folder."""

    folders: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    #: With their modes, and their times, which git compares.
    files: list[tuple[str, int, int, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, top: Path) -> Files:
        found = cls()
        for path in sorted(top.rglob("*")):  # a folder comes before what is in it
            name, status = str(path.relative_to(top)), path.lstat()
            if path.is_symlink():
                found.links.append((name, str(path.readlink())))
            elif path.is_dir():
                found.folders.append(name)
            else:
                mode, time = status.st_mode & 0o777, status.st_mtime_ns
                found.files.append((name, mode, time, path.read_bytes()))
        return found

    def write(self, top: Path) -> None:
        for name in self.folders:
            (top / name).mkdir()
        for name, to in self.links:
            (top / name).symlink_to(to)
        for name, mode, time, content in self.files:
            file = os.open(f"{top}/{name}", os.O_WRONLY | os.O_CREAT, mode)
            os.write(file, content)
            os.utime(file, ns=(time, time))
            os.close(file)


#: What the actions do that are imitated here.
ACTIONS: dict[str, Callable[[Step], None]] = {"actions/checkout": checkout}


def run(step: Step) -> dict[str, object]:
    """The exit code of a step, and what it prints."""
    try:
        ACTIONS.get(step.action, record)(step)
    except StepError as failed:
        return {"code": 1, "output": "\n".join([*step.log, error(str(failed)), ""])}
    return {"code": 0, "output": "\n".join([*step.log, ""])}


def wrong_inputs(action: str, declared: Mapping[str, bool], environment: Mapping[str, str]) -> str:
    """GitHub only warns of an input that an action does not have; a test must not overlook it."""
    known = {variable(name): name for name in declared}
    given = [name for name in environment if name.startswith("INPUT_")]
    if unknown := [f"'{name[6:].lower()}'" for name in given if name not in known]:
        return f"Unexpected input(s) {','.join(unknown)} for {action}"
    missing = [name for name, required in declared.items() if required]
    missing = [name for name in missing if not environment.get(variable(name))]
    return f"Input required and not supplied: {missing[0]}" if missing else ""


def error(message: str) -> str:
    """The workflow command of an error."""
    data = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::error::{data}"
