"""The GitHub CLI, as far as pages on setting up use it; runs as a process of its own, named `gh`.

A command that it does not know ends with 64, which `OfflineGitHub.shell` reports.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any, NoReturn

HERE = f"/repos/{os.environ['OFFLINE_GH_REPOSITORY']}"


def unknown(what: str) -> NoReturn:
    print(f"gh: not modelled: {what}", file=sys.stderr)
    raise SystemExit(64)


def call(method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        os.environ["OFFLINE_GH_URL"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {os.environ['OFFLINE_GH_TOKEN']}"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        print(text)
        print(f"gh: {json.loads(text)['message']} (HTTP {error.code})", file=sys.stderr)
        raise SystemExit(1) from error


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


def api(arguments: list[str]) -> None:
    single = ("--method", "-X", "--input", "--jq", "-q", "-H", "--header")
    [path], found = options(arguments, single)
    body: Any = fields(found) or None
    if "--input" in found:
        if found["--input"] != "-":
            unknown(f"--input {found['--input']}")
        body = json.load(sys.stdin)
    method = found.get("--method") or found.get("-X") or ("GET" if body is None else "POST")
    path = "/" + path.lstrip("/").replace("{owner}/{repo}", HERE.removeprefix("/repos/"))
    answer = call(method, f"{HERE}/_user" if path == "/user" else path, body)
    query = found.get("--jq") or found.get("-q")
    shown = answer if query is None else looked_up(answer, query)
    if shown is not None:
        print(shown if isinstance(shown, str) else json.dumps(shown))


def keep(kind: str, arguments: list[str]) -> None:
    """`gh secret set` and `gh variable set`."""
    [action, name], found = options(arguments, ("--env", "-e", "--body", "-b"))
    if action != "set":
        unknown(f"{kind} {action}")
    value = found.get("--body", found.get("-b"))
    body = {"value": sys.stdin.read() if value is None else value}
    call("PUT", f"{HERE}/_{kind}/{name}", {**body, "env": found.get("--env") or found.get("-e")})


def main(arguments: list[str]) -> None:
    match arguments:
        case ["api", *rest]:
            api(rest)
        case ["repo", "edit", "--default-branch", branch]:
            call("PATCH", HERE, {"default_branch": branch})
        case [("secret" | "variable") as kind, *rest]:
            keep(kind, rest)
        case ["workflow", "run", file, *rest]:
            _, found = options(rest, ("--ref", "-r"))
            ref = found.get("--ref") or found.get("-r") or call("GET", HERE)["default_branch"]
            body = {"ref": ref, "inputs": fields(found)}
            call("POST", f"{HERE}/actions/workflows/{file}/dispatches", body)
        case _:
            unknown(" ".join(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
