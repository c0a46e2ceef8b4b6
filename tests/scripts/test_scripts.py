"""The scripts of the actions: their unit tests reach every branch, and linters find nothing.

Each linter also checks a bad sample, so an empty output is not a linter that does nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import toolbox
import yaml

HERE = Path(__file__).parent
ACTIONS = toolbox.ROOT / "template" / ".github" / "actions"
CJS, SH, YML = (sorted(ACTIONS.glob(f"*/*.{ending}")) for ending in ("cjs", "sh", "yml"))
BIN = toolbox.NODE_PACKAGES / "node_modules" / ".bin"


def said(*command: str | Path, cwd: Path = toolbox.ROOT) -> str:
    """What a checker printed, or its exit code if it failed silently; empty if it found nothing."""
    path = f"{toolbox.NODE.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PATH": path},
        capture_output=True,
        encoding="utf-8",
    )
    text = done.stdout + done.stderr
    assert done.returncode or not text.strip(), f"ended with 0, and said:\n{text}"
    return text or f"ended with {done.returncode}" * bool(done.returncode)


def eslint(*files: Path, folder: Path = toolbox.ROOT) -> str:
    return said(BIN / "eslint", "--config", HERE / "eslint.config.mjs", *files, cwd=folder)


def tsc(project: Path) -> str:
    return said(BIN / "tsc", "--project", project)


def shellcheck(*files: Path) -> str:
    options = ("--norc", "--severity=style", "--external-sources", "--source-path=SCRIPTDIR")
    return said(toolbox.script("shellcheck"), *options, *files)


def unreached(tests: list[Path], folder: Path, tmp_path: Path) -> dict[Path, list[str]]:
    """Runs tests in one process. Returns the unreached lines, branches and functions of each loaded
    script."""
    report = tmp_path / "coverage.lcov"
    done = subprocess.run(
        [
            *(str(toolbox.NODE), "--experimental-test-coverage"),
            *(f"--test-coverage-include={path}**/*.cjs" for path in ("", "**/.github/")),
            *("--test-reporter=lcov", f"--test-reporter-destination={report}"),
            *("--test-reporter=spec", "--test-reporter-destination=stdout"),
            *(str(file) for file in (HERE / "all.mjs", *tests)),
        ],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout[done.stdout.find("failing tests:") :] + done.stderr
    found = {}
    for part in report.read_text(encoding="utf-8").split("end_of_record\n")[:-1]:
        file = folder / re.findall(r"^SF:(.*)$", part, re.MULTILINE)[0]
        found[file] = re.findall(r"^(?:DA:.*,0|BRDA:.*,0|FNDA:0,.*)$", part, re.MULTILINE)
    return found


def test_the_tests_of_scripts_reach_every_branch(tmp_path: Path) -> None:
    found = unreached(sorted(HERE.glob("*.test.mjs")), toolbox.ROOT, tmp_path)
    assert found == {script: [] for script in CJS}


def test_an_unreached_branch_is_found(tmp_path: Path) -> None:
    (tmp_path / "x.cjs").write_text("module.exports = n => {\n  if (n) return 'a'\n}\n")
    test = tmp_path / "x.test.mjs"
    test.write_text("import x from './x.cjs'\nx(0)\n")
    assert unreached([test], tmp_path, tmp_path)[tmp_path / "x.cjs"] == ["BRDA:2,2,0,0"]


def test_eslint_finds_nothing_in_the_scripts() -> None:
    assert eslint(*CJS, *HERE.glob("*.mjs")) == ""


def test_eslint_finds(tmp_path: Path) -> None:
    bad = {
        "max-lines": "\n".join(["require('node:fs')"] * 301),
        "no-shadow": "module.exports = a => a.map(a => a)",
        "no-undef": "module.exports = () => nowhere()",
        "no-unused-vars": "const unused = 1",
        "require-await": "module.exports = async () => 1",
    }
    for rule, text in bad.items():
        (tmp_path / f"{rule}.cjs").write_text(f"{text}\n")
    said = eslint(*(Path(f"{rule}.cjs") for rule in bad), folder=tmp_path)
    found = re.findall(r"^/.*/(\S+)\.cjs\n.*error .* (\S+)$", said, re.MULTILINE)
    assert found == [(rule, rule) for rule in bad]


def test_tsc_finds_nothing_in_the_scripts() -> None:
    assert [script for script in CJS if not script.read_text().startswith("// @ts-check\n")] == []
    assert tsc(HERE / "tsconfig.json") == ""


def test_tsc_finds_a_wrong_type(tmp_path: Path) -> None:
    (tmp_path / "bad.cjs").write_text("/** @param {string} a */\nmodule.exports = a => a.size\n")
    (tmp_path / "tsconfig.json").write_text(
        f'{{"extends": "{(HERE / "tsconfig.json").as_posix()}", "include": ["bad.cjs"]}}'
    )
    assert "bad.cjs(2,25): error TS2339" in tsc(tmp_path / "tsconfig.json")


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    assert shellcheck(*SH) == ""


def test_shellcheck_finds_an_unquoted_variable(tmp_path: Path) -> None:
    (tmp_path / "bad.sh").write_text('#!/usr/bin/env bash\nrm -rf $1 "$2"\n')
    assert "SC2086" in shellcheck(tmp_path / "bad.sh")


def test_shared_scripts_use_the_names_of_the_workflows() -> None:
    """The scripts recognise a run by the names of its steps, and the manifest by its job."""
    script = (ACTIONS / "shared" / "runs.cjs").read_text(encoding="utf-8")
    [check] = re.findall(r"^const MAY_DEPLOY_STEP = '(.*)' //", script, re.MULTILINE)
    [starts] = re.findall(r"^const START_STEP = /(.*)/ //", script, re.MULTILINE)
    [watches] = re.findall(r"^const WATCH_STEP = '(.*)' //", script, re.MULTILINE)
    names: dict[str, list[str]] = {}
    for file in (ACTIONS.parent / "workflows").iterdir():
        text = file.read_text(encoding="utf-8").replace("[[ start.workflow.file ]]", "a-b_c.yml")
        kind = re.findall(r" yield (\w+) ", file.name)
        names["".join(kind)] = re.findall(r"^ +- name: (.*)$", text, re.MULTILINE)
    assert [kind for kind in names if check in names[kind]] == ["deploy"]
    assert [kind for kind in names if any(re.search(starts, n) for n in names[kind])] == [
        "orchestrator"
    ]
    assert [kind for kind in names if watches in names[kind]] == ["orchestrator"]
    [plans] = re.findall(r"^const PLAN_STEP = '(.*)' //", script, re.MULTILINE)
    jobs = (toolbox.ROOT / "macros" / "jobs.jinja").read_text(encoding="utf-8")
    assert f"- name: {plans}\n" in jobs
    manifests = (ACTIONS / "shared" / "manifests.cjs").read_text(encoding="utf-8")
    [summary] = re.findall(r"^const SUMMARY = '(.*)' //", manifests, re.MULTILINE)
    [orchestrator] = [
        f for f in (ACTIONS.parent / "workflows").iterdir() if "orchestrator" in f.name
    ]
    assert f"    name: {summary}\n" in orchestrator.read_text(encoding="utf-8")


@pytest.mark.parametrize("action", YML, ids=lambda action: str(action.parent.name))
def test_an_action_sets_all_variables_of_its_scripts(action: Path) -> None:
    """The action has each script that it calls, and sets each variable that they read."""
    text = action.read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["runs"]["steps"]
    given = {name for step in steps for name in step.get("env", {})}
    called = set(re.findall(r"GITHUB_ACTION_PATH\}?/([\w.-]+)", text))
    scripts = [script for script in CJS + SH if script.parent == action.parent]
    assert called <= {script.name for script in scripts}
    for script in scripts:
        source = script.read_text(encoding="utf-8")
        destructured = "".join(re.findall(r"\{([^}]*)\} = (?:/\*.*\*/ \()?process\.env", source))
        read = set(re.findall(r"\b[A-Z][A-Z_]+\b", destructured))
        read |= set(re.findall(r"\bprocess\.env\.(\w+)", source))
        if script.suffix == ".sh":
            read = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", source)) - {"PWD"}
        assert {
            name for name in read - given if not name.startswith(("GITHUB_", "RUNNER_"))
        } == set()
