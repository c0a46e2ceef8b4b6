"""Stand-ins for actions: `actions/OWNER+NAME.mjs` in warm Nodes, or those in `plain_actions.py`.

Which inputs an action has is recorded in `tests/validators/action_inputs.yml`; an action that is
not listed there cannot be used offline.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import shutil
import socket
import socketserver
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import toolbox
import yaml

from . import plain_actions
from .model import NotModelledError

if TYPE_CHECKING:
    from .server import Server

HERE = Path(__file__).parent
RECORDED = toolbox.TESTS / "validators" / "action_inputs.yml"

# The only defaults that a stand-in cannot work out from its environment.
TOKEN_INPUTS = {
    "actions/checkout": "token",
    "actions/github-script": "github-token",
}

# The inputs that a step gives, as JSON. They cannot be read from the environment: act also leaves
# the inputs of a composite action in the environment of its steps.
GIVEN = "OFFLINE_GITHUB_INPUTS"

# A step creates many objects that live for a short time, more than Node's usual space for new
# ones holds. Buffers are outside the heap: without the last two options, Node marks the whole heap
# after each 64 MB of them.
FLAGS = (
    "--min-semi-space-size=32 --max-semi-space-size=32 "
    "--external-memory-accounted-in-global-limit --initial-old-space-size=400"
)

#: The seconds that a step waits for a process. Starting one, and its first fifty steps, take two
#: seconds of CPU more than steps in a warm one. A script that waits for another run keeps its own.
PATIENCE = 0.5

# When a step fails, act drops what it printed last. So a failing step prints this line and waits
# until the test, which reads act's log, has seen it and created the file. (The line is a workflow
# command, because act does not mask those.)
DRAINED = "offline-drained"
DRAIN = """\
[ "$code" = 0 ] && exit
drained="$OFFLINE_GITHUB_FOLDER/drained-$$"
echo "::{drained}::$drained"
exec 2> /dev/null # a cancellation may kill what it starts now, which bash would report
for _ in {{1..500}}; do
  [ -e "$drained" ] && break
  {sleep} 0.01
done
exit "$code"
"""

# If act knows that a run is cancelled, it stops a composite action and does not run the steps with
# `always()` in it. So act is not told. A running step is killed from outside, unless its condition
# holds after a cancellation. The conditions of all later steps are rewritten to read this variable.
CANCELLED = "OFFLINE_GITHUB_CANCELLED"
SURVIVES = "OFFLINE_GITHUB_SURVIVES"
CANCEL = """\
echo "$$ {shell} ${SURVIVES}" >> "$OFFLINE_GITHUB_FOLDER/sessions"
cancelled() {{
  [ -e "$OFFLINE_GITHUB_FOLDER/cancelled" ] && [ "${CANCELLED}" != true ] || return 1
  echo "{CANCELLED}=true" >> "$GITHUB_ENV"
}}
if [ "${SURVIVES}" != true ] && cancelled; then exit 143; fi
"""

# What runs as `node` in a job: stand-ins go to a warm process, everything else to Node itself.
NODE_SHIM = """\
#!{bash}
case "$*" in
  "--no-warnings -e console.log(process.execPath)") echo "$0"; exit ;; # act asks where node is
  */stand-in.mjs) ;;
  *) exec {node} "$@" ;;
esac
{cancel}
trap 'cancelled; exit 143' TERM
exec 3<>"/dev/tcp/127.0.0.1/$OFFLINE_GITHUB_ACTION_HOST"
# Where Linux shows the environment, this takes no process but bash itself.
variables=()
[ -r /proc/self/environ ] && mapfile -d '' -t variables < /proc/self/environ
{{
  printf '%s\\0' "$PWD" "$GITHUB_ACTION_REPOSITORY" "${{variables[@]}}"
  [ "${{#variables[@]}}" -gt 0 ] || env -0
  printf '\\0'
}} >&3
IFS= read -r code <&3
cat <&3
cancelled
"""

# What runs as `bash`: act gives its steps a terminal, and the inputs of the composite action that
# they belong to; a runner of GitHub gives neither.
BASH_SHIM = """\
#!{bash}
case "$*" in
  *-e*/act/workflow/*.sh) ;;
  *) exec {bash} "$@" ;;
esac
{cancel}
unset GOGC GOMEMLIMIT # act's own
inputs=()
[ -r /proc/self/environ ] && mapfile -d '' -t variables < /proc/self/environ
for variable in "${{variables[@]}}"; do
  name="${{variable%%=*}}"
  case "$name" in
    INPUT_*[!A-Z0-9_]*) inputs+=(-u "$name") ;; # which bash cannot unset
    INPUT_*|{GIVEN}|{SURVIVES}) unset "$name" ;;
  esac
done
set -- {bash} "$@"
[ "${{#inputs[@]}}" -eq 0 ] || set -- env "${{inputs[@]}}" "$@"
"$@" </dev/null 2>&1 | cat
code="${{PIPESTATUS[0]}}"
cancelled
"""


@functools.cache
def recorded_inputs() -> dict[str, dict[str, bool]]:
    """Action -> input -> whether a step must give it."""
    actions = yaml.safe_load(RECORDED.read_text(encoding="utf-8"))
    return {
        name.lower(): {key: state is True for key, state in (action["inputs"] or {}).items()}
        for name, action in actions.items()
    }


@functools.cache
def recorded_commits() -> dict[str, str]:
    """Action -> the commit at which its inputs were recorded."""
    actions = yaml.safe_load(RECORDED.read_text(encoding="utf-8"))
    return {name.lower(): action["sha"] for name, action in actions.items()}


def write_stand_ins(folder: Path) -> None:
    """An `action.yml` for every known action, in the form in which act looks for it."""
    for name in recorded_inputs():
        action = {"name": name, "runs": {"using": "node24", "main": "stand-in.mjs"}}
        place = folder / name.replace("/", "+")
        place.mkdir(parents=True)
        (place / "action.yml").write_text(json.dumps(action), encoding="utf-8")


def write_shims(folder: Path) -> None:
    """The commands that act calls instead of `node` and `bash`."""
    commands = {name: shutil.which(name) or f"/bin/{name}" for name in ("bash", "sleep")}
    for name, script in (("node", NODE_SHIM), ("bash", BASH_SHIM)):
        shim = folder / name
        words = {"GIVEN": GIVEN, "CANCELLED": CANCELLED, "SURVIVES": SURVIVES, "shell": name}
        cancel = CANCEL.format(**words)
        words |= {"node": str(toolbox.NODE), "drained": DRAINED, "cancel": cancel, **commands}
        text = (script + DRAIN).format(**words)
        shim.write_text(text, encoding="utf-8")
        shim.chmod(0o755)


def stand_in(uses: str, folder: Path) -> Path:
    """The folder in which act looks for an action of another repository."""
    name, _, ref = uses.partition("@")
    if uses.startswith(("./", "docker://")) or not ref:
        raise NotModelledError(f"step uses: {uses}")
    if name.lower() not in recorded_inputs():
        raise NotModelledError(
            f"there is no stand-in for {name}: record its inputs in {RECORDED.name}"
        )
    if ref != recorded_commits()[name.lower()]:
        raise NotModelledError(f"{name} is recorded at one commit, which is not {ref}")
    return folder / name.lower().replace("/", "+")


def with_token(step: dict[str, Any], given: list[str]) -> dict[str, Any]:
    """A step, with the default token of its action if it gives none. The inputs are recorded."""
    token = TOKEN_INPUTS.get(str(step["uses"]).partition("@")[0].lower())
    if token is None or token in given:
        return step
    given.append(token)
    return {**step, "with": {**(step.get("with") or {}), token: "${{ github.token }}"}}


class _Host:
    """One warm Node process."""

    def __init__(self, environment: dict[str, str]) -> None:
        answers, descriptor = os.pipe()
        # The descriptor is 3 in the child, whatever its number is here.
        command = (
            f'exec "$0" {FLAGS} "$1" 3>&{descriptor} {descriptor}>&-'
            if descriptor != 3
            else f'exec "$0" {FLAGS} "$1"'
        )
        self.process = subprocess.Popen(
            ["bash", "-c", command, toolbox.NODE, HERE / "action_host.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[descriptor],
            env=environment,
        )
        os.close(descriptor)
        self.answers = os.fdopen(answers, "rb")

    def run(self, request: dict[str, Any], step: socket.socket) -> dict[str, Any] | None:
        """The action's answer; None if the step was killed together with this process."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.answers.fileno(), step.fileno()], [], [])
        if self.answers.fileno() not in ready:
            self.process.kill()
            return None
        answer: dict[str, Any] = json.loads(self.answers.readline())
        return answer


class ActionHosts:
    """Hands steps to warm Node processes, as many as there are steps at the same time."""

    def __init__(self, server: Server) -> None:
        self._api = server
        # The libraries read the address of the API when they are loaded.
        self._environment = {"PATH": os.environ["PATH"], "GITHUB_API_URL": server.url}
        self._idle: list[_Host] = []
        self._freed = threading.Condition()
        hosts = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                hosts._handle(self)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._all: list[_Host] = []
        atexit.register(self._close)

    def run(
        self, cwd: str, action: str, environment: dict[str, str], stop: socket.socket
    ) -> dict[str, Any] | None:
        """An action's answer; None if `stop` received something first."""
        action = action.lower()
        # What the step does not give itself, act has from the composite action around it.
        given = {plain_actions.variable(name) for name in json.loads(environment[GIVEN])}
        variables = {
            name: value
            for name, value in environment.items()
            if name in given or (name != GIVEN and not name.startswith("INPUT_"))
        }
        if wrong := plain_actions.wrong_inputs(action, recorded_inputs()[action], variables):
            return {"code": 1, "output": plain_actions.error(wrong) + "\n"}
        if not (HERE / "actions" / f"{action.replace('/', '+')}.mjs").exists():
            return plain_actions.run(plain_actions.Step(self._api, action, Path(cwd), variables))
        request = {"cwd": cwd, "action": action, "env": variables}
        host = self._host()
        answer = host.run(request, stop)
        with self._freed:
            if answer is None:
                self._all.remove(host)
            else:
                self._idle.append(host)
            self._freed.notify()
        return answer

    def _host(self) -> _Host:
        """A process that is free, the warmest first; a new one if none becomes free soon."""
        with self._freed:
            if self._all:
                self._freed.wait_for(lambda: self._idle, PATIENCE)
            if not self._idle:
                self._idle.append(_Host(self._environment))
                self._all += self._idle
            return self._idle.pop()

    def _handle(self, connection: socketserver.StreamRequestHandler) -> None:
        text = b""
        while not text.endswith(b"\0\0"):
            received = connection.request.recv(65536)
            if not received:
                return
            text += received
        cwd, action, *variables = text.decode()[:-2].split("\0")
        environment = dict(variable.split("=", 1) for variable in variables if "=" in variable)
        answer = self.run(cwd, action, environment, connection.request)
        if answer is None:
            return
        connection.request.sendall(f"{answer['code']}\n{answer['output']}".encode())

    def _close(self) -> None:
        for host in self._all:
            host.process.kill()
