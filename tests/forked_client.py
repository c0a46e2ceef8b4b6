"""Runs a Python file in a process that has imported Copier: `PORT FILE ARGUMENTS`.

The port is that of a `forked.Server`. The file takes the same arguments, folder and variables.
"""

import json
import os
import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    question = [sys.argv[2:], os.getcwd(), dict(os.environ)]  # noqa: PTH109
    connection.sendall(json.dumps(question).encode() + b"\n")
    with connection.makefile("r", encoding="utf-8") as answer:
        code, out, err = json.loads(answer.readline())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
