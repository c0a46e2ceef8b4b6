"""Copier's command, or a Python file that uses Copier, in a process of its own that starts quickly.

One process has imported Copier and compiled the template. It is forked for each command, and uses
`copies.cache_what_repeats`. Tests with `copies.copier_process` start the command as people do, and
show that its results are the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import runpy
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import termios
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path


class Command:
    """A command that runs, with these files as its input, output and errors.

    The first word of the command is `copier` or a Python file."""

    def __init__(
        self,
        words: Sequence[str | Path],
        files: tuple[int, int, int],
        cwd: Path | str = ".",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.ended, tell = os.pipe()
        variables = {**os.environ, **(environment or {})}
        given = [[str(word) for word in words], str(Path(cwd).resolve()), variables]
        message = json.dumps(given).encode() + b"\n"
        sent = socket.send_fds(_server(), [message], [*files, tell])
        _server().sendall(message[sent:])
        os.close(tell)

    def wait(self) -> int:
        """The exit code; -1 if it was killed."""
        with open(self.ended, "rb") as file:  # noqa: PTH123
            said = file.read()
        return int(said) if said else -1


def run(
    words: Sequence[str | Path],
    cwd: Path | str = ".",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal, and wait for its end."""
    with (
        open(os.devnull, "rb") as nothing,  # noqa: PTH123
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        files = (nothing.fileno(), out.fileno(), err.fileno())
        code = Command(words, files, cwd, environment).wait()
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode("utf-8"))
    return subprocess.CompletedProcess(words, code, *said)


class Server(socketserver.ThreadingTCPServer):
    """Runs commands for other processes: see forked_client.py and warm_uv.py."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Asked(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        words, cwd, environment = json.loads(self.rfile.readline())
        done = run(words, cwd, environment)
        answer = json.dumps([done.returncode, done.stdout, done.stderr])
        self.wfile.write(answer.encode() + b"\n")


@functools.cache
def _server() -> socket.socket:
    """The connection to the process that is forked. That process ends when this one does."""
    ours, its = socket.socketpair()
    subprocess.Popen(
        [sys.executable, __file__, str(its.fileno())],
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    its.close()
    return ours


def _become(words: list[str], cwd: str, environment: dict[str, str], files: list[int]) -> None:
    """Run this command in the present process, and pass on its exit code.

    If the input is a terminal, it becomes the terminal of the process.
    """
    from copier._cli import CopierApp
    from plumbum import local

    code: int | None = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for number, file in enumerate(files[:3]):
            os.dup2(file, number)
            os.close(file)
        if os.isatty(0):
            fcntl.ioctl(0, termios.TIOCSCTTY)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        local.env.clear()  # else Copier's commands get the variables of plumbum's import
        local.env.update(environment)
        for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
            setattr(sys, name, open(number, mode, 1, "utf-8", closefd=False))  # noqa: SIM115
        if words[0] == "copier":
            _, code = CopierApp.run(words, exit=False)
        else:
            sys.argv, code = words, 0
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(files[3], str(code or 0).encode())
        finally:
            os._exit(0)


def _is_template(word: str) -> bool:
    """Whether the word is the folder of a template without git; most words are no path at all."""
    with contextlib.suppress(OSError, ValueError):
        return Path(word, "copier.yml").is_file() and not Path(word, ".git").exists()
    return False


@functools.cache
def _warm_up(template: str) -> None:
    """Load and compile what a copy of this template needs, or of the work tree if it is empty."""
    import copies

    # Copier needs the exit codes of the commands that it starts.
    ignored = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(Exception), tempfile.TemporaryDirectory() as folder:
        source = Path(template) if template else copies.export_template(Path(folder, "template"))
        copies.copy(source, Path(folder, "copy"), copies.example("monorepo"))
    signal.signal(signal.SIGCHLD, ignored)


def _serve(descriptor: int) -> None:
    sys.path.insert(0, str(Path(__file__).parent.parent / "extensions"))
    import copies  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as tests:
        while True:
            message, files, _, _ = socket.recv_fds(tests, 65536, 4)
            while message and not message.endswith(b"\n"):
                message += tests.recv(65536)
            if not message:
                return
            words, *given = json.loads(message)
            _warm_up(next(filter(_is_template, words), ""))
            if not os.fork():
                tests.close()
                _become(words, *given, files)
            for file in files:
                os.close(file)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
