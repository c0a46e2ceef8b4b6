"""Runs the steps of one job with nektos/act in host mode, in a workspace of its own.

act gets a workflow of this single job, with the contexts it cannot know (`needs`, `inputs`, ...)
replaced by their values, and a last step that records the job's outputs.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import toolbox

from . import actions
from .model import NotModelledError

COLLECTOR = "offline-github collects the outputs"
#: A step that the log does not show.
QUIET = "offline-github ends the action"
LABEL = "offline"
NOT_MODELLED = ("container", "services", "continue-on-error")
# act's message for a failed step -> GitHub's message.
ACT_ERRORS = {
    r"^exit status (\d+)$": r"Process completed with exit code \1.",
    r"^fork/exec .*: no such file or directory$": "An error occurred trying to start process "
    "'bash' with its working directory. No such file or directory",
}
#: Garbage collection is a fifth of act's work. act ends before there is much garbage.
ACT = {"GOGC": "off", "GOMEMLIMIT": "300MiB"}
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class JobRequest:
    """Everything that a job's steps can see."""

    folder: Path
    #: `uses` of any step, also inside composite actions -> the folder with that action for act.
    actions: dict[str, Path]
    event_name: str
    event: dict[str, Any]
    workflow_name: str
    workflow: dict[str, Any]
    job_id: str
    #: `env`, `defaults` and `outputs` of the job, and its steps: contexts already replaced.
    job: dict[str, Any]
    steps: list[dict[str, Any]]
    #: Variables that act passes to the steps, and from which it makes the `github` context.
    environment: dict[str, str]
    secrets: dict[str, str]
    variables: dict[str, str]
    path: list[str]
    runner_environment: dict[str, str] = field(default_factory=dict)


@dataclass
class JobOutcome:
    result: str = "failure"
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    steps: dict[str, str] = field(default_factory=dict)


class JobProcess:
    """A running act, which can be cancelled."""

    def __init__(self, request: JobRequest) -> None:
        self.request = request
        self.environment = request.environment
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Cancel as GitHub does: the current step stops, and steps with always() still run."""
        self._cancelled.set()
        if self._process:
            (self.request.folder / "cancelled").touch()
            if sessions := self._sessions():
                sessions[-1].stop()

    def kill(self) -> None:
        """Stop a job that takes too long, without regard to conditions."""
        self._cancelled.set()
        if self._process:
            self._process.kill()
            self._kill_orphans()

    def run_job(self) -> JobOutcome:
        request = self.request
        for folder in ("home", "act"):
            (request.folder / folder).mkdir(parents=True)
        names = [*(request.job.get("outputs") or {})]
        collected = request.folder / "outputs"
        workflow = request.folder / "workflow.yml"
        workflow.write_text(
            json.dumps(_derived(request, names, collected), ensure_ascii=False), encoding="utf-8"
        )
        (request.folder / "event.json").write_text(json.dumps(request.event), encoding="utf-8")
        self._process = subprocess.Popen(
            _command(request, workflow),
            cwd=request.folder,
            env=_environment(request),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        if self._cancelled.is_set():
            self.cancel()  # the cancellation came before the process started
        assert self._process.stdout
        outcome = _read_log(self._process.stdout)
        self._process.wait()
        if collected.exists():
            values = collected.read_text(encoding="utf-8").split("\0")
            outcome.outputs = _visible(dict(zip(names, values, strict=False)), request.secrets)
        if self._cancelled.is_set():
            outcome.result = "cancelled"
            self._kill_orphans()
        return outcome

    def _sessions(self) -> list[Session]:
        file = self.request.folder / "sessions"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [Session(int(pid), kind, word == "true") for pid, kind, word in map(_words, lines)]

    def _kill_orphans(self) -> None:
        """The processes that a step has started and left."""
        for session in self._sessions():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(session.leader, signal.SIGKILL)


def _words(line: str) -> tuple[str, str, str]:
    pid, kind, survives = line.split(" ")
    return pid, kind, survives


@dataclass
class Session:
    """The processes of a step; the first of them is a shim of `actions.py`."""

    leader: int
    kind: str
    survives: bool

    def stop(self) -> None:
        """End the step, but not its shim, which says that the run was cancelled."""
        if self.survives:
            return
        with contextlib.suppress(ProcessLookupError):
            if self.kind == "node":
                os.kill(self.leader, signal.SIGTERM)
                return
            while others := self._others():
                for pid in others:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def _others(self) -> list[int]:
        """The processes that the step itself has started, without those of the shim."""
        table = subprocess.run(
            ["ps", "-A", "-o", "pid=,pgid=,ppid=,comm="], capture_output=True, text=True, check=True
        )
        rows = [line.split(None, 3) for line in table.stdout.splitlines()]
        return [
            int(pid)
            for pid, group, parent, command in rows
            if int(group) == self.leader != int(pid)
            and not (int(parent) == self.leader and command in ("cat", "sleep"))
        ]


def _derived(request: JobRequest, outputs: list[str], collected: Path) -> dict[str, Any]:
    """The workflow that act runs. It is JSON, which is YAML as well."""
    expressions = request.job.get("outputs") or {}
    variables = {f"OFFLINE_OUTPUT_{i}": str(expressions[name]) for i, name in enumerate(outputs)}
    values = " ".join(f'"${name}"' for name in variables)
    collector = {
        "name": COLLECTOR,
        "if": "always()",
        "shell": "sh",  # without a shim: it is the last step
        "working-directory": str(request.folder),
        "env": variables,
        "run": f"printf '%s\\0' {values} > '{collected}'",
    }
    job = {
        "name": request.job_id,
        "runs-on": LABEL,
        "env": request.job.get("env") or {},
        "defaults": request.job.get("defaults") or {},
        "steps": [*request.steps, *([collector] if variables else [])],
    }
    return {
        "name": request.workflow_name,
        "on": [request.event_name],
        "env": request.workflow.get("env") or {},
        "defaults": request.workflow.get("defaults") or {},
        "jobs": {request.job_id: job},
    }


def _command(request: JobRequest, workflow: Path) -> list[str]:
    command = [toolbox.script("act"), request.event_name, "--json", "--workflows", str(workflow)]
    command += [
        "--eventpath",
        str(request.folder / "event.json"),
        "--platform",
        f"{LABEL}=-self-hosted",
    ]
    command += ["--action-offline-mode", "--no-skip-checkout", "--no-cache-server", "--rm"]
    command += [
        "--action-cache-path",
        str(request.folder / "act"),
        "--actor",
        request.environment["GITHUB_ACTOR"],
    ]
    for uses, folder in request.actions.items():
        name, _, ref = uses.partition("@")
        repository = "/".join(name.split("/")[:2])
        command += ["--local-repository", f"{repository}@{ref}={folder}"]
    options = {
        "--env": request.environment,
        "--var": request.variables,
        "--secret": request.secrets,
    }
    for option, values in options.items():
        for name, value in values.items():
            command += [option, f"{name}={value}"]
    return command


def _environment(request: JobRequest) -> dict[str, str]:
    """The variables that a hosted runner gives to every step, and none of this machine."""
    path = os.pathsep.join([*request.path, *os.environ["PATH"].split(os.pathsep)])
    return {
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        **request.runner_environment,
        "PATH": path,
        "HOME": str(request.folder / "home"),
        "OFFLINE_GITHUB_FOLDER": str(request.folder),
        **ACT,
    }


def _visible(outputs: dict[str, str], secrets: dict[str, str]) -> dict[str, str]:
    """GitHub drops a job output that contains a secret."""
    hidden = [value for value in secrets.values() if value]
    return {
        n: value for n, value in outputs.items() if not any(secret in value for secret in hidden)
    }


def _read_log(lines: Any) -> JobOutcome:
    """Turns act's JSON log into the log that GitHub shows, step results and the summary."""
    outcome = JobOutcome()
    log: list[str] = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            if not re.fullmatch(r"Error: Job '.*' failed", line.strip()):
                log.append(line.rstrip())
            continue
        message = ANSI.sub("", entry.get("msg", "")).rstrip("\r\n")
        outcome.result = entry.get("jobResult", outcome.result)
        if entry.get("command") == actions.DRAINED:
            Path(entry["arg"]).touch()
            continue
        if entry.get("step") == COLLECTOR:
            continue
        if entry.get("command") == "summary":
            outcome.summary += entry["content"]
        elif entry.get("command") in ("error", "warning", "notice"):
            # Masked text: the message, after its symbol and the command itself.
            text = re.sub(r"^\W*::\w+(?: [^:]*)?::", "", message.strip())
            decoded = text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
            log.append(f"##[{entry['command']}]{decoded}")
        elif entry.get("raw_output"):
            log.append(message)
        elif entry.get("stepResult") and entry.get("stage") == "Main":
            outcome.steps[entry["step"]] = entry["stepResult"]
        elif entry.get("level") == "error":
            for pattern, words in ACT_ERRORS.items():
                message = re.sub(pattern, words, message)
            log.append(f"##[error]{message}")
        elif "⭐ Run Main" in message and QUIET not in message:
            log.append(f"##[group]Run {message.partition('Run Main ')[2]}")
    outcome.log = "\n".join(log)
    return outcome


def check_modelled(definition: dict[str, Any]) -> None:
    for key in NOT_MODELLED:
        if key in definition:
            raise NotModelledError(f"jobs.<id>.{key}")


def labels(runs_on: Any) -> set[str]:
    """The labels that a job requires of its runner, with the name of a group."""
    if isinstance(runs_on, dict):
        return set().union(*map(labels, runs_on.values()))
    return {runs_on} if isinstance(runs_on, str) else set(runs_on)
