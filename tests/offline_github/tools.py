"""Commands that no package registry provides: recorded stubs that jobs find on their PATH."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import socket
import socketserver
import threading
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_TOOLS = (
    "terraform",
    "tofu",
    "tflint",
    "docker",
    "kubectl",
    "helm",
    "kustomize",
    "aws",
    "az",
    "gcloud",
)

# A recorded tool runs this: it tells this process how it was called, and does what the answer says.
# Thousands of calls run, and bash starts twenty times as fast as Python.
STUB = """\
#!{bash}
exec 3<>/dev/tcp/127.0.0.1/{port}
variables=()
[ -r /proc/self/environ ] && mapfile -d '' -t variables < /proc/self/environ
{{
  printf '=%s\\0' "$0" "$PWD" "$#" "$@" # what may be empty is never mistaken for the end
  if [ "${{#variables[@]}}" -gt 0 ]; then printf '%s\\0' "${{variables[@]}}"; else env -0; fi
  printf '\\0'
}} >&3
{{ IFS= read -r code && IFS= read -r after; }} <&3 || exit 255
exec 3>&-
[ -z "$after" ] || exec "$after" "$@"
printf '%s\\n' "offline ${{0##*/}}${{*:+ $*}}"
[ "$code" = 0 ] || printf '%s\\n' "offline ${{0##*/}} was told to fail" >&2
exit "$code"
"""


@dataclass
class Command:
    """One call of a recorded tool."""

    tool: str
    arguments: list[str]
    cwd: str
    workspace: str
    job: str
    run: int
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    code: int = 0

    @property
    def folder(self) -> str:
        """Where it ran, relative to the workspace."""
        return Path(self.cwd).relative_to(self.workspace).as_posix() if self.workspace else self.cwd

    @property
    def line(self) -> str:
        return " ".join([self.tool, *self.arguments])


@dataclass
class Failure:
    """Patterns of calls that fail."""

    tool: str
    arguments: str
    job: str
    code: int

    def meets(self, command: Command) -> bool:
        return (
            command.tool == self.tool
            and bool(re.search(self.job, command.job))
            and bool(re.search(self.arguments, " ".join(command.arguments)))
        )


class Tools:
    """The folder of stubs, and how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tools"
        self.folder.mkdir(parents=True)
        self._lock = threading.Lock()
        self._commands: list[Command] = []
        self._files: list[str] = []
        self._environment = ["TF_.*", "AWS_.*", ".*_PACKAGE.*"]
        self._failures: list[Failure] = []
        recorder = _recorder()
        recorder.tools[str(self.folder)] = self
        stub = self.folder / ".stub"
        bash = shutil.which("bash") or "/bin/bash"
        stub.write_text(STUB.format(bash=bash, port=recorder.server_address[1]), encoding="utf-8")
        stub.chmod(0o755)
        for name in DEFAULT_TOOLS:
            (self.folder / name).symlink_to(stub.name)

    def called(self, tool: str, cwd: str, arguments: list[str], every: dict[str, str]) -> str:
        """Write a call down; the stub's exit code, and what it becomes if it succeeds."""
        with self._lock:
            watched = re.compile("|".join(self._environment))
            command = Command(
                tool,
                arguments,
                os.path.realpath(cwd),
                every.get("GITHUB_WORKSPACE", ""),
                every.get("OFFLINE_GITHUB_JOB", ""),
                int(every.get("GITHUB_RUN_ID", "0")),
                {name: value for name, value in every.items() if watched.fullmatch(name)},
                {
                    name: _digest(file)
                    for name in self._files
                    if (file := Path(cwd, name)).is_file()
                },
            )
            command.code = next((f.code for f in self._failures[::-1] if f.meets(command)), 0)
            self._commands.append(command)
        after = self.folder / f".after-{tool}"
        return f"{command.code}\n{after if not command.code and after.exists() else ''}\n"

    def watch(self, files: list[str], environment: list[str]) -> None:
        """Let the stubs note digests of these files (relative to where they run) and variables."""
        self._files += files
        self._environment += environment

    def fail(self, tool: str, arguments: str, job: str, code: int) -> None:
        self._failures.append(Failure(tool, arguments, job, code))

    def go_on_from(self, other: Tools) -> None:
        """Take over the recorded calls of another one."""
        self._commands = list(other._commands)

    def heal(self) -> None:
        self._failures.clear()

    def add(self, name: str, script: str | None) -> None:
        """A command of the test's own, or one more recorded stub."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        if script is None:
            path.symlink_to(".stub")
            return
        path.write_text(
            script if script.startswith("#!") else f"#!/usr/bin/env bash\n{script}\n",
            encoding="utf-8",
        )
        path.chmod(0o755)

    def then(self, name: str, script: str) -> None:
        """What a recorded stub does after it has written down how it was called."""
        self.add(name, None)
        self.add(f".after-{name}", script)

    def commands(self, tool: str | None, job: str) -> list[Command]:
        return [c for c in self._commands if tool in (None, c.tool) and re.search(job, c.job)]


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


class _Recorder(socketserver.ThreadingTCPServer):
    """Receives the calls of the stubs in all folders of this process."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.tools: dict[str, Tools] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()


def sent(request: socket.socket) -> bytes:
    """What a stub sends, up to two null bytes, which end it; empty if the stub has gone."""
    text = b""
    while not text.endswith(b"\0\0"):
        received = request.recv(65536)
        if not received:
            return b""
        text += received
    return text[:-2]


class _Call(socketserver.StreamRequestHandler):
    """With a `=` before each: the stub's path, where it runs, how many arguments, and these; then
    its variables."""

    def handle(self) -> None:
        assert isinstance(self.server, _Recorder)
        text = sent(self.request)
        if not text:
            return
        path, cwd, count, *rest = map(os.fsdecode, text.split(b"\0"))
        last = int(count[1:])
        arguments = [argument[1:] for argument in rest[:last]]
        variables = dict(variable.split("=", 1) for variable in rest[last:] if "=" in variable)
        folder, tool = os.path.split(path[1:])
        answer = self.server.tools[folder].called(tool, cwd[1:], arguments, variables)
        self.request.sendall(answer.encode())


@functools.cache
def _recorder() -> _Recorder:
    return _Recorder()
