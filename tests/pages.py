"""The commands on a page of the docs that people are to run."""

from __future__ import annotations

import re
import subprocess


def commands(page: str) -> list[str]:
    """The commands of a page one by one. A command ends where bash accepts the lines so far."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        command = ""
        for line in block.splitlines(keepends=True):
            if not command and (not line.strip() or line.startswith("#")):
                continue
            command += line
            done = subprocess.run(["bash", "-n", "-c", command], capture_output=True)
            if (done.returncode, done.stderr) == (0, b""):  # bash only warns about an open heredoc
                found.append(command)
                command = ""
        assert not command
    return found
