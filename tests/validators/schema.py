"""The JSON schema of GitHub workflows that `check-jsonschema` brings (SchemaStore's).

Cannot see: expressions, references between jobs or files, inputs of actions, scripts. It is
laxer than GitHub in places (types of inputs, combinations of keys) and knows nothing of limits.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import toolbox

from .repository import Finding, Keys, Repository


def check(repository: Repository) -> list[Finding]:
    """Validate all workflows in one call."""
    command = [
        *(toolbox.script("check-jsonschema"), "--builtin-schema", "vendor.github-workflows"),
        *("--output-format", "json", *repository.workflows),
    ]
    result = subprocess.run(command, cwd=repository.root, capture_output=True, encoding="utf-8")
    if result.returncode not in (0, 1) or not result.stdout:
        raise RuntimeError(f"check-jsonschema failed ({result.returncode}):\n{result.stderr}")
    report = json.loads(result.stdout)
    return [_finding(error, repository) for error in report["errors"]] + [
        Finding("schema", error["filename"], 0, "parse", error["message"])
        for error in report.get("parse_errors", [])
    ]


def _finding(error: dict[str, Any], repository: Repository) -> Finding:
    # A job is a normal or a calling one: of all mismatches the shallowest blames the wrong kind
    # ("'uses' is a required property"), the deepest one says what people must change.
    best = error.get("best_deep_match", error)
    file = error["filename"].replace("\\", "/")
    line = repository.workflows[file].line(*_keys(best["path"]))
    return Finding("schema", file, line, "schema", f"{best['path']}: {best['message']}")


def _keys(path: str) -> Keys:
    """The keys of a JSON path as check-jsonschema writes it: `$.jobs.a.steps[0].run`."""
    parts = re.findall(r"\.([^.\[]+)|\[(\d+)\]|\['([^']+)'\]", path)
    return tuple(int(number) if number else name or quoted for name, number, quoted in parts)
