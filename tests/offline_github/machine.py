"""A job whose steps run on this machine: shells as processes, actions as stand-ins in warm Nodes.

Which steps run, in which order and with which values is that of a job without a machine
(`work.py`). `test_offline_runners.py` shows that act, which is a runner of others, agrees.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from . import actions, expressions
from .model import NotModelledError
from .runner import JobOutcome
from .work import Step, Work

if TYPE_CHECKING:
    from .server import Session
    from .workflows import Node

#: GitHub's command lines of the shells that it knows by name.
SHELLS = {
    "": "bash -e {0}",
    "bash": "bash --noprofile --norc -eo pipefail {0}",
    "sh": "sh -e {0}",
    "python": "python {0}",
}
FILES = ("env", "output", "path", "state", "step_summary")
#: A line that is a command of the runner: `::error title=x::message`.
COMMAND = re.compile(r"\s*::(?P<name>[\w-]+)(?:\s+[^:]*(?:::?[^:]+)*?)?::(?P<data>.*)")
SAID = ("error", "warning", "notice")
#: Commands that have no effect here.
IGNORED = ("debug", "endgroup", "add-matcher", "remove-matcher", "echo", "save-state")
#: Variables that a step cannot replace.
OF_THE_RUNNER = ("GITHUB_", "RUNNER_")


class FileCommandError(ValueError):
    """A file like `$GITHUB_OUTPUT` that the runner cannot read."""


@dataclass
class Place:
    """The folders of a job."""

    folder: Path

    def __post_init__(self) -> None:
        runner = self.folder / "act" / "0"
        self.home, self.workspace = self.folder / "home", runner / "hostexecutor"
        self.temp, self.scripts = runner / "tmp", runner / "act" / "workflow"
        self.tools = self.folder / "tools"

    def make(self) -> None:
        for folder in (self.home, self.workspace, self.temp, self.scripts, self.tools):
            folder.mkdir(parents=True)


@dataclass
class Output:
    """The output of a step, as GitHub shows it."""

    masks: list[str]
    log: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    _stopped: str = ""

    def read(self, text: str) -> None:
        for line in text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else ():
            self._line(line)

    def _line(self, line: str) -> None:
        found = COMMAND.fullmatch(line)
        name, data = (found["name"], _decoded(found["data"])) if found else ("", "")
        if self._stopped:
            if name == self._stopped:
                self._stopped = ""
            else:
                self.log.append(masked(line, self.masks))
        elif name in SAID:
            self.log.append(masked(f"##[{name}]{data}", self.masks))
        elif name == "add-mask":
            add_mask(self.masks, data)
        elif name == "group":
            self.log.append(masked(f"##[group]{data}", self.masks))
        elif name == "stop-commands":
            self._stopped = data
        elif name in ("set-output", "set-env", "add-path"):
            raise NotModelledError(f"the command ::{name}::, which GitHub gives up")
        elif name not in IGNORED:
            self.log.append(masked(line, self.masks))


def _decoded(data: str) -> str:
    return data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def add_mask(masks: list[str], secret: str) -> None:
    """Mask a value, and each of its lines, because a log is masked line by line."""
    masks += {part for part in (secret, *secret.splitlines()) if part.strip()} - {*masks}
    masks.sort(key=len, reverse=True)


def masked(text: str, masks: list[str]) -> str:
    for mask in masks:
        text = text.replace(mask, "***")
    return text


def pairs(text: str) -> dict[str, str]:
    """`name=value` and `name<<END` of a file like `$GITHUB_OUTPUT`."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line[:equals], line[equals + 1 :]
        elif heredoc >= 0:
            name, end = line[:heredoc], line[heredoc + 2 :]
            value_lines = []
            for inner in lines:
                if inner == end:
                    break
                value_lines.append(inner)
            else:
                raise FileCommandError(f"Invalid value. Matching delimiter not found '{end}'")
            value = "\n".join(value_lines)
        else:
            raise FileCommandError(f"Invalid format '{line}'")
        if not name:
            raise FileCommandError(f"Invalid format '{line}'. Name must not be empty")
        found[name] = value
    return found


class Machine(Work):
    """A job that runs, which can be cancelled from another thread."""

    def __init__(
        self,
        session: Session,
        node: Node,
        contexts: dict[str, Any],
        folder: Path,
        environment: dict[str, str],
        token: str,
    ) -> None:
        super().__init__(session, node, contexts, Random(0))
        self.place = Place(folder)
        self.environment = environment
        self.token = token
        self.masks: list[str] = []
        for secret in contexts["secrets"].values():
            add_mask(self.masks, secret)
        event = folder / "event.json"
        self.contexts["github"] |= {
            **{"token": token, "workspace": str(self.place.workspace), "event_path": str(event)},
        }
        self.contexts["runner"] = {
            **self.contexts["runner"],
            **{"temp": str(self.place.temp), "tool_cache": str(self.place.tools)},
        }
        self._added: list[str] = []
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._survives = False
        self._killed = False
        self._leaders: list[int] = []
        self._count = 0

    # From outside

    def check(self) -> None:
        """Check that all actions of the repository can be loaded. Raises ActionError."""
        self._check(self.node.definition["steps"], set())

    def _check(self, steps: list[dict[str, Any]], seen: set[str]) -> None:
        for step in steps:
            uses = str(step.get("uses", ""))
            if uses.startswith("$/"):
                path = uses.removeprefix("$/").strip("/")
                if path not in seen:
                    seen.add(path)
                    self._check(self.action(path)["runs"]["steps"], seen)
            elif uses:
                actions.stand_in(uses, Path())

    def action_folder(self) -> Path:
        return self.github.job_actions(self.run.sha)

    def cancel(self) -> None:
        """Cancel as GitHub does: the current step stops, and steps with always() still run."""
        with self._lock:
            self.cancelled = True
            if self._stop and not self._survives:
                self._stop()

    def kill(self) -> None:
        """Stop a job that takes too long, without regard to conditions."""
        with self._lock:
            self.cancelled = self._killed = True
            if self._stop:
                self._stop()

    def run_job(self) -> JobOutcome:
        self.place.make()
        event = Path(self.contexts["github"]["event_path"])
        event.write_text(json.dumps(self.run.payload), encoding="utf-8")
        going, ended = self.steps(), None
        try:
            while not self._killed:
                next(going)
        except StopIteration as end:
            ended = end.value
        outcome = self.outcome(ended or JobOutcome("cancelled"))
        secrets = [value for value in self.contexts["secrets"].values() if value]
        outcome.outputs = {
            # GitHub drops an output that contains a secret.
            name: value
            for name, value in outcome.outputs.items()
            if not any(secret in value for secret in secrets)
        }
        outcome.steps = {name: end for name, end in outcome.steps.items() if end != "skipped"}
        if self.cancelled:
            outcome.result = "cancelled"
            for leader in self._leaders:
                _kill_group(leader)  # processes that a step has started and left
        return outcome

    # One step

    def log(self, line: str) -> None:
        super().log(masked(line, self.masks))

    def run_by_default(self, step: Step, survives: bool) -> JobOutcome:
        output = Output(self.masks)
        files = self._files()
        try:
            runs = self._action if step.uses else self._shell
            result = runs(step, survives, files, output)
        except expressions.ExpressionError as error:
            output.log.append(masked(f"##[error]{error}", self.masks))
            result = "failure"
        outputs = dict(output.outputs)
        try:
            outputs |= self._read(files)
        except FileCommandError as error:
            output.log.append("##[error]Unable to process file command successfully.")
            output.log.append(masked(f"##[error]{error}", self.masks))
            result = "failure" if result == "success" else result
        summary = files["step_summary"].read_text(encoding="utf-8", errors="replace")
        return JobOutcome(result, outputs, "\n".join(output.log), summary)

    def _files(self) -> dict[str, Path]:
        self._count += 1
        files = {name: self.place.scripts / f"{name}-{self._count}" for name in FILES}
        for file in files.values():
            file.touch()
        return files

    def _read(self, files: dict[str, Path]) -> dict[str, str]:
        texts = {name: file.read_text(encoding="utf-8") for name, file in files.items()}
        self._exported |= pairs(texts["env"])
        self._added[:0] = [line for line in reversed(texts["path"].splitlines()) if line]
        return pairs(texts["output"])

    def _variables(self, step: Step, files: dict[str, Path]) -> dict[str, str]:
        github = self.github
        own = {
            **github.github_variables(self.contexts["github"]),
            **self.environment,
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION": _name(step),
            **{"GITHUB_ACTION_REF": "", "GITHUB_ACTION_REPOSITORY": ""},
            "GITHUB_JOB": self.node.id,
            "GITHUB_WORKFLOW": self.run.workflow_name,
            "RUNNER_OS": "Linux",
            "RUNNER_ARCH": "X64",
            "RUNNER_TEMP": str(self.place.temp),
            "RUNNER_TOOL_CACHE": str(self.place.tools),
            **{f"GITHUB_{name.upper()}": str(file) for name, file in files.items()},
        }
        for name in ("GITHUB_TOKEN", "GITHUB_ACTION_PATH"):
            own.pop(name, None)
        if step.action_path:
            own["GITHUB_ACTION_PATH"] = step.action_path
        fixed = {name: value for name, value in own.items() if name.startswith(OF_THE_RUNNER)}
        path = [*github.path, *os.environ["PATH"].split(os.pathsep)]
        variables = {
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            **github.runner_environment,
            "PATH": os.pathsep.join(path),
            "HOME": str(self.place.home),
            "OFFLINE_GITHUB_FOLDER": str(self.place.folder),
            **own,
            **step.env,
            **fixed,
        }
        variables["PATH"] = os.pathsep.join([*self._added, variables["PATH"]])
        return variables

    def _shell(self, step: Step, survives: bool, files: dict[str, Path], output: Output) -> str:
        given = self._defaults() if not step.within else {}
        shell = step.shell or given.get("shell", "")
        command = SHELLS.get(shell, shell)
        if "{0}" not in command:
            raise NotModelledError(f"shell: {shell}")
        script = self.place.scripts / f"{_name(step)}.{'py' if shell == 'python' else 'sh'}"
        script.write_text(step.run, encoding="utf-8")
        folder = self.place.workspace / (step.directory or given.get("working-directory", ""))
        variables = self._variables(step, files)
        words = [word.replace("{0}", str(script)) for word in shlex.split(command)]
        program = shutil.which(words[0], path=variables["PATH"])
        if not folder.is_dir() or not program:
            output.log.append(
                "##[error]An error occurred trying to start process "
                f"'{words[0]}' with its working directory. No such file or directory"
            )
            return "failure"
        with self._lock:
            if self.cancelled and (self._killed or not survives):
                return "cancelled"
            process = subprocess.Popen(
                [program, *words[1:]],
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._leaders.append(process.pid)
            self._stop, self._survives = lambda: _kill_group(process.pid), survives
        said = process.communicate()[0]
        stopped = self._end_step()
        output.read(said.decode("utf-8", "replace"))
        if stopped:
            return "cancelled"
        if process.returncode:
            code = process.returncode if process.returncode > 0 else 128 - process.returncode
            output.log.append(f"##[error]Process completed with exit code {code}.")
            return "failure"
        return "success"

    def _end_step(self) -> bool:
        """Note that a step has ended. Returns whether it was stopped."""
        with self._lock:
            stopped = self._killed or (self.cancelled and not self._survives)
            self._stop = None
            return stopped

    def _defaults(self) -> dict[str, str]:
        settings: dict[str, Any] = {}
        for definition in (self.node.workflow, self.node.definition):
            settings |= (definition.get("defaults") or {}).get("run") or {}
        return self._evaluated(settings, self.contexts)

    def _action(self, step: Step, survives: bool, files: dict[str, Path], output: Output) -> str:
        inputs = {name.lower(): value for name, value in step.inputs.items()}
        if token := actions.TOKEN_INPUTS.get(step.uses.lower()):
            inputs.setdefault(token, self.token)
        variables = self._variables(step, files)
        variables[actions.GIVEN] = json.dumps([*inputs])
        for name, value in inputs.items():
            variables[f"INPUT_{name.replace(' ', '_').upper()}"] = value
        stop, stopped = socket.socketpair()
        with stop, stopped:
            with self._lock:
                if self.cancelled and (self._killed or not survives):
                    return "cancelled"
                self._stop, self._survives = lambda: stop.send(b"."), survives  # type: ignore[assignment,return-value]
            answer = self.github.action_hosts.run(
                str(self.place.workspace), step.uses, variables, stopped
            )
            ended = self._end_step()
        if answer is None or ended:
            return "cancelled"
        output.read(answer["output"])
        return "failure" if answer["code"] else "success"


def _name(step: Step) -> str:
    """What the runner calls a step, as long as that is told apart."""
    name = step.id or str(step.number)
    return "-".join([*(part.replace("/", "_") for part in step.within), name])


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
