"""Runs a piece of JavaScript with the tests' Node: GitHub's own readers are written in it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import toolbox


def javascript(function: str, value: Any) -> Any:
    """What the function (JavaScript text) returns for the value; both travel as JSON.

    `YAML` is the npm package `yaml`, a YAML 1.2 reader, which GitHub's language service uses too.
    """
    program = (
        "import { readFileSync } from 'node:fs'; import * as YAML from 'yaml';"
        f"const result = ({function})(JSON.parse(readFileSync(0, 'utf8')));"
        "process.stdout.write(JSON.stringify(result))"
    )
    done = subprocess.run(
        [str(toolbox.NODE), "--input-type=module", "--eval", program],
        input=json.dumps(value),
        capture_output=True,
        encoding="utf-8",
        cwd=toolbox.NODE_PACKAGES,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)
