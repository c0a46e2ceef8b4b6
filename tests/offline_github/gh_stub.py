"""The GitHub CLI, as far as pages on setting up use it.

Its command hands on to the process of the test how it was called: no Python starts for it. What is
not known ends with 64, which `OfflineGitHub.shell` reports.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from .tools import sent

#: Answers a REST call: method, path and body to status and body.
Respond = Callable[[str, str, Any], tuple[int, Any]]

STUB = """\
#!{bash}
exec 3<>/dev/tcp/127.0.0.1/{port}
input=
case " $* " in
  *" --input - "* | " secret set "* | " variable set "*) IFS= read -r -d '' input ;;
esac
printf '=%s\\0' "$#" "$@" "$input" >&3 # what may be empty is never mistaken for the end
printf '\\0' >&3
IFS= read -r code <&3 && IFS= read -r -d '' out <&3 && IFS= read -r -d '' err <&3 || exit 255
printf '%s' "$out"
printf '%s' "$err" >&2
exit "$code"
"""


class GhError(Exception):
    """The command ends with this code, and says this."""

    def __init__(self, code: int, says: str) -> None:
        super().__init__(says)
        self.code = code


def unknown(what: str) -> NoReturn:
    raise GhError(64, f"not modelled: {what}")


@contextlib.contextmanager
def put_into(folder: Path, repository: str, respond: Respond) -> Iterator[None]:
    """A command `gh` in this folder, for as long as this lasts."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            text = sent(self.request)
            if not text:
                return
            _, *arguments, given = (word[1:] for word in text.decode().split("\0"))
            code, out, err = Gh(repository, respond, given).run(arguments)
            self.request.sendall(f"{code}\n{out}\0{err}\0".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        bash = shutil.which("bash") or "/bin/bash"
        stub = folder / "gh"
        stub.write_text(STUB.format(bash=bash, port=server.server_address[1]), encoding="utf-8")
        stub.chmod(0o755)
        try:
            yield
        finally:
            server.shutdown()


def options(arguments: list[str], single: tuple[str, ...]) -> tuple[list[str], dict[str, Any]]:
    """The arguments without a name, and the options: those in `single` once, others in a list."""
    alone: list[str] = []
    found: dict[str, Any] = {}
    rest = iter(arguments)
    for word in rest:
        if not word.startswith("-"):
            alone.append(word)
            continue
        name, given, value = word.partition("=") if word.startswith("--") else (word, "", "")
        value = value if given else next(rest, "")
        if name in single:
            found[name] = value
        elif name in ("-f", "--raw-field", "-F", "--field"):
            found.setdefault(name, []).append(value)
        else:
            unknown(word)
    return alone, found


def typed(text: str) -> Any:
    """The value of an option `-F`, with its type."""
    if text in ("true", "false", "null"):
        return json.loads(text)
    if text.startswith("@"):
        unknown(f"-F {text}")
    return int(text) if text.lstrip("-").isdigit() else text


def fields(found: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for names, convert in ((("-f", "--raw-field"), str), (("-F", "--field"), typed)):
        for pair in (pair for name in names for pair in found.get(name, [])):
            name, _, value = pair.partition("=")
            if "[" in name:
                unknown(f"field {name}")
            body[name] = convert(value)
    return body


def looked_up(value: Any, query: str) -> Any:
    """A path of `jq`: `.a.b`."""
    for name in query.split("."):
        if name and not name.isidentifier():
            unknown(f"--jq {query}")
        value = value[name] if name else value
    return value


class Gh:
    """One call of the command."""

    def __init__(self, repository: str, respond: Respond, given: str) -> None:
        self.repository, self.respond, self.given = repository, respond, given
        self.here = f"/repos/{repository}"
        self._out = io.StringIO()

    def run(self, arguments: list[str]) -> tuple[int, str, str]:
        """The exit code, and what it prints as output and errors."""
        code, errors = 0, ""
        try:
            self._do(arguments)
        except GhError as error:
            code, errors = error.code, f"gh: {error}\n"
        except Exception as error:
            code, errors = 1, f"gh: {error!r}\n"
        return code, self._out.getvalue(), errors

    def _print(self, text: str) -> None:
        self._out.write(f"{text}\n")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.respond(method, path, body)
        if status >= 400:
            self._print(json.dumps(answer))
            raise GhError(1, f"{answer['message']} (HTTP {status})")
        return answer

    def _api(self, arguments: list[str]) -> None:
        single = ("--method", "-X", "--input", "--jq", "-q", "-H", "--header")
        [path], found = options(arguments, single)
        body: Any = fields(found) or None
        if "--input" in found:
            if found["--input"] != "-":
                unknown(f"--input {found['--input']}")
            body = json.loads(self.given)
        method = found.get("--method") or found.get("-X") or ("GET" if body is None else "POST")
        path = "/" + path.lstrip("/").replace("{owner}/{repo}", self.repository)
        answer = self._call(method, f"{self.here}/_user" if path == "/user" else path, body)
        query = found.get("--jq") or found.get("-q")
        shown = answer if query is None else looked_up(answer, query)
        if shown is not None:
            self._print(shown if isinstance(shown, str) else json.dumps(shown))

    def _keep(self, kind: str, arguments: list[str]) -> None:
        """`gh secret set` and `gh variable set`."""
        [action, name], found = options(arguments, ("--env", "-e", "--body", "-b"))
        if action != "set":
            unknown(f"{kind} {action}")
        value = found.get("--body", found.get("-b"))
        body = {"value": self.given if value is None else value}
        kept = {**body, "env": found.get("--env") or found.get("-e")}
        self._call("PUT", f"{self.here}/_{kind}/{name}", kept)

    def _do(self, arguments: list[str]) -> None:
        match arguments:
            case ["api", *rest]:
                self._api(rest)
            case ["repo", "edit", "--default-branch", branch]:
                self._call("PATCH", self.here, {"default_branch": branch})
            case [("secret" | "variable") as kind, *rest]:
                self._keep(kind, rest)
            case ["workflow", "run", file, *rest]:
                _, found = options(rest, ("--ref", "-r"))
                ref = found.get("--ref") or found.get("-r")
                ref = ref or self._call("GET", self.here)["default_branch"]
                body = {"ref": ref, "inputs": fields(found)}
                self._call("POST", f"{self.here}/actions/workflows/{file}/dispatches", body)
            case _:
                unknown(" ".join(arguments))
