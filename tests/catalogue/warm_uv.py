"""Runs as `uv` in tests: it runs the script of the command, with Copier in a process that is warm.

The arguments are the port of a `forked.Server` and the script. It replaces only the command that
render.py starts; the input and the result are the same.
"""

from __future__ import annotations

import json
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    port, *sys.argv = sys.argv[1:]
    run = subprocess.run

    def run_warm(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if command[1:4] != ["-P", "-m", "copier"]:
            return run(command, **options)
        question = [command[3:], str(options["cwd"]), options["env"]]
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("r", encoding="utf-8") as answer:
                return subprocess.CompletedProcess(command, *json.loads(answer.readline()))

    subprocess.run = run_warm  # type: ignore[assignment]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
