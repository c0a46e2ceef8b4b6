"""Scripts of actions/github-script that the test drives, in one Node process for all of them."""

from __future__ import annotations

import atexit
import base64
import functools
import itertools
import json
import subprocess
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import toolbox

from .server import Answer, Call, Session, respond

if TYPE_CHECKING:
    from collections.abc import Generator


class Host:
    """The Node process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [toolbox.NODE, Path(__file__).with_name("script_host.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._ids = itertools.count(1)
        atexit.register(self._process.kill)

    def new_id(self) -> int:
        return next(self._ids)

    def tell(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """The state of the script that this message belongs to."""
        self.tell(message)
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that runs scripts has ended")
        state: dict[str, Any] = json.loads(line)
        return state


@functools.cache
def host() -> Host:
    return Host()


def run(
    session: Session, code: str, env: dict[str, str], folder: Path, random: Random
) -> Generator[float, None, dict[str, Any]]:
    """A script, call by call; yields the seconds after which it goes on. Returns its end."""
    number = host().new_id()
    started = {
        "id": number,
        "code": code,
        "env": env,
        "event": session.run.payload,
        "folder": str(folder),
    }
    state: dict[str, Any] = {"ended": False}
    try:
        state = host().ask({**started, "now": _now(session)})
        while not state["ended"]:
            if state["requests"]:
                asked = random.choice(state["requests"])
                yield 0
                message = _answer(session, asked)
            else:
                first = min(state["timers"], key=lambda timer: float(timer["due"]))
                yield max(0, first["due"] - _now(session)) / 1000
                message = {"timer": first["timer"]}
            state = host().ask({"id": number, **message, "now": _now(session)})
    finally:
        if not state["ended"]:
            host().tell({"stop": number})
    return state


def _now(session: Session) -> int:
    return int(session.github.clock.now() * 1000)


def _answer(session: Session, asked: dict[str, Any]) -> dict[str, Any]:
    if code := session.github.fault(asked["method"], asked["url"].partition("?")[0]):
        return {"request": asked["request"], "error": code}
    body = json.loads(asked["body"]) if asked["body"] else None
    answer = respond(session, Call(asked["method"], asked["url"], body, asked["known"]))
    if answer.status == 0:
        return {"request": asked["request"], "error": "ECONNRESET"}
    if answer.status == 302:  # a redirect to an artifact's archive, which Octokit follows
        number = int(asked["url"].partition("?")[0].split("/")[-2])
        artifact = session.github.artifact(number)
        assert artifact
        headers = {"content-type": "application/zip"}
        data = base64.b64encode(artifact.data).decode()
        return {"request": asked["request"], "status": 200, "headers": headers, "data": data}
    return {"request": asked["request"], **_sent(answer)}


def _sent(answer: Answer) -> dict[str, Any]:
    text = "" if answer.body is None or isinstance(answer.body, bytes) else json.dumps(answer.body)
    if answer.cut:
        text = text[: len(text) // 2]
    return {"status": answer.status, "headers": answer.headers or {}, "text": text}
