"""Runs JavaScript with the Node of the tests, because GitHub's own parsers are written in it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import toolbox


def javascript(function: str, value: Any) -> Any:
    """The result of the function (JavaScript text) for the value. Both are passed as JSON.

    In the function, `YAML` is the npm package `yaml`, a YAML 1.2 parser that GitHub's language
    service uses, too.
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
