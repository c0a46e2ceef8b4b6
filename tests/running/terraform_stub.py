#!/usr/bin/env python3
"""Does what Terraform does for these tests, where it is not installed: see test_plans.py.

It knows `init`, `plan -out=FILE`, `show [-json] FILE` and `apply FILE`, for resources
`terraform_data` with an input, and for outputs, in main.tf.json. A value is a text, or refers to a
variable or to another state's output.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

VARIABLES = dict(os.environ)


def state_file() -> Path:
    return Path(VARIABLES["TF_CLI_ARGS_init"].partition("path=")[2])


def read_state(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {"resources": {}, "outputs": {}}


def value_of(text: str) -> str:
    if variable := re.fullmatch(r"\$\{var\.(\w+)\}", text):
        return VARIABLES[f"TF_VAR_{variable[1]}"]
    if other := re.fullmatch(r"\$\{data\.terraform_remote_state\.\w+\.outputs\.(\w+)\}", text):
        path = Path(VARIABLES["TF_VAR_other_state"])
        if not path.exists():
            sys.exit("Error: Unable to find remote state")
        return str(read_state(path)["outputs"][other[1]])
    return text


def change(before: Any, after: Any, sensitive: bool = False) -> dict[str, Any]:
    actions = ["no-op"] if before == after else ["update"]
    if before is None or after is None:
        actions = ["create"] if before is None else ["delete"]
    hidden: Any = sensitive if isinstance(after if after is not None else before, str) else {}
    marks = {"before_sensitive": hidden, "after_sensitive": hidden, "after_unknown": False}
    return {"actions": actions, "before": before, "after": after, **marks}


def plan() -> dict[str, Any]:
    code = json.loads(Path("main.tf.json").read_text())
    resources = {
        f"terraform_data.{name}": {"input": value_of(given["input"])}
        for name, given in code.get("resource", {}).get("terraform_data", {}).items()
    }
    outputs = {
        name: (value_of(given["value"]), given.get("sensitive", False))
        for name, given in code.get("output", {}).items()
    }
    before = read_state(state_file())
    return {
        "resource_changes": [
            {"address": name, "change": change(before["resources"].get(name), resources.get(name))}
            for name in sorted({*before["resources"], *resources})
        ],
        "output_changes": {
            name: change(before["outputs"].get(name), *outputs.get(name, (None, True)))
            for name in sorted({*before["outputs"], *outputs})
        },
        "state": {"resources": resources, "outputs": {n: v for n, (v, _) in outputs.items()}},
    }


def main() -> None:
    command, *rest = sys.argv[1:]
    if command == "init":
        return
    if command == "plan":
        [out] = [option.partition("=")[2] for option in rest if option.startswith("-out=")]
        Path(out).write_text(json.dumps(plan()))
        return
    saved = json.loads(Path(rest[-1]).read_text())
    if command == "apply":
        state_file().write_text(json.dumps(saved["state"]))
    elif "-json" in rest:
        print(json.dumps(saved))
    else:
        for each in saved["resource_changes"]:
            print(each["address"], "will be", each["change"]["actions"][0])


main()
