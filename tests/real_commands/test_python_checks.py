"""Python's lint, test and security commands with real tools, on small projects."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import toolbox
from commands import PATH, Outcome, Runner, write
from projects import (
    APP,
    HANDLER_TEST,
    PLAIN,
    PYPROJECT,
    security,
    without,
)

UNFORMATTED = "x = {'a':1}\n"
RUFF = "[tool.ruff]\nline-length = 100\n"


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({**PLAIN, "more.py": f"import os\n{UNFORMATTED}"}, 0, "All checks passed!"),
        ({**PLAIN, "more.py": "print(unknown)\n"}, 1, "F821"),
        ({**PLAIN, "pyproject.toml": RUFF}, 0, "already formatted"),
        (
            {**PLAIN, ".ruff.toml": "", "more.py": UNFORMATTED},
            1,
            "unformatted: File would be reformatted",
        ),
        ({**PLAIN, "ruff.toml": 'lint.select = ["D"]\n'}, 1, "D100"),
    ],
    ids=[
        "without rules the format and an unused import are free",
        "an unknown name",
        "own rules in pyproject",
        ".ruff.toml and a wrong format",
        "own rules are obeyed",
    ],
)
def test_lint(runner: Runner, tmp_path: Path, files: dict[str, str], code: int, said: str) -> None:
    outcome = runner.run("app/lint", write(tmp_path / "app", files))
    assert (outcome.code, said in outcome.output) == (code, True), outcome.output


def test_tests_that_fail(runner: Runner, tmp_path: Path) -> None:
    files = {**PLAIN, "tests/test_handler.py": "def test_it():\n    assert 0\n"}
    outcome = runner.run("app/test", write(tmp_path / "app", files))
    assert (outcome.code, "1 failed" in outcome.output) == (1, True), outcome.output
    assert outcome.notices == []


def test_tests_see_only_declared_dependencies(runner: Runner, tmp_path: Path) -> None:
    """A runner's own Python has packages that Lambda does not have, as PyYAML on Ubuntu. A test
    that needs them would pass, although the deployed code fails."""
    test = f"import tabulate\n{HANDLER_TEST}"
    python = tmp_path / "python"
    uv = toolbox.script("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "tabulate"]
    subprocess.run(install, check=True)
    without_dev = without(APP, "requirements-dev.txt")
    project = write(tmp_path / "app", {**without_dev, "tests/test_handler.py": test})
    path = os.pathsep.join([str(python / "bin"), str(runner.tools), *PATH])
    outcome = runner.run("app/test", project, PATH=path)
    assert outcome.code == 2 and "No module named 'tabulate'" in outcome.output, outcome.output


def test_a_django_project_is_tested_with_its_own_runner(runner: Runner, tmp_path: Path) -> None:
    """pytest does not find its tests. A project with pytest is tested with that."""
    manage = "import sys\n\nsys.exit(f'manage.py {sys.argv[1:]}')\n"
    files = {"manage.py": manage, "requirements.txt": "", "shop/tests.py": "assert 0\n"}
    outcome = runner.run("app/test", write(tmp_path / "a", files))
    assert (outcome.code, "manage.py ['test']" in outcome.output) == (1, True), outcome.output
    outcome = runner.run("app/test", write(tmp_path / "b", {**files, "requirements.txt": "pytest"}))
    assert (outcome.code, outcome.notices) == (
        0,
        [f"::notice::There are no tests in {tmp_path / 'b'}"],
    )
    below = {"src/manage.py": f"# DJANGO_SETTINGS_MODULE\n{manage}", "requirements.txt": ""}
    outcome = runner.run("app/test", write(tmp_path / "c", below))
    assert (outcome.code, "manage.py ['test']" in outcome.output) == (1, True), outcome.output
    assert "::error title=Test::If these tests need a database or variables" in outcome.output


# Security


EVAL = "print(eval(input()))\n"  # medium severity, high confidence
SHELL = (
    "import subprocess\n\nsubprocess.call(input(), shell=True)\n"  # high severity and confidence
)
HASH = "import hashlib\n\nhashlib.sha1(b'name').hexdigest()\n"  # also high severity and confidence


def lines_about(outcome: Outcome, *titles: str) -> list[str]:
    """The commands to the runner in a log, without their texts."""
    found = re.findall(r"^::(\w+) (.*?)::", outcome.output, re.MULTILINE)
    return [f"{level} {where}" for level, where in found if where.split("title=")[1] in titles]


SUSPECTS = {
    "medium.py": (EVAL, "warning", 1, "B307"),
    "certain.py": (SHELL, "error", 3, "B602"),
    "a_hash.py": (HASH, "warning", 3, "B324"),
    "examples/not run.py": (SHELL, "warning", 3, "B602"),
}
NOTHING_TO_SHOW = {
    "low.py": "import subprocess\n\nsubprocess.run(['ls'], check=True)\n",
    "tests/test_more.py": "assert eval('1')\n",
    ".venv/lib/more.py": EVAL,
}


@pytest.mark.parametrize("certain", [True, False])
def test_findings_in_the_code(runner: Runner, tmp_path: Path, certain: bool) -> None:
    """Without a configuration of bandit, all findings are shown, and certain ones fail."""
    found = {file: s for file, s in SUSPECTS.items() if certain or file != "certain.py"}
    texts = {file: text for file, (text, *_) in found.items()}
    files = {**PLAIN, **NOTHING_TO_SHOW, **texts, "no_python.py": "def\n"}
    project, summary = write(tmp_path / "app", files), tmp_path / "summary.md"
    outcome = security(runner).run("app/security", project, GITHUB_STEP_SUMMARY=str(summary))
    assert outcome.code == certain, outcome.output
    titles = ("bandit B307", "bandit B602", "bandit B324", "Security scan")
    assert set(lines_about(outcome, *titles)) == {
        "warning title=Security scan",  # other files are not scanned
        *(f"{s} file=app/{f},line={n},title=bandit {rule}" for f, (_, s, n, rule) in found.items()),
    }
    rows = re.findall(r"^\| (\w+) \| `(.+?)`", summary.read_text("utf-8"), re.MULTILINE)
    fails = {"error": "fails", "warning": "warning"}
    assert sorted(rows) == sorted((fails[s], f"app/{f}:{n}") for f, (_, s, n, _) in found.items())
    assert (rows[0][0] == "fails") == certain
    # A finding in the code does not stop the audit of dependencies.
    assert outcome.notices == [f"::notice::There are no dependencies to scan in {project}"]


def scan(runner: Runner, project: Path, versions: str, **variables: str) -> Outcome:
    """Scan the code, and versions that are installed in another place."""
    action = runner.steps["app/security"].action
    assert action
    found = runner.folder / "python"
    write(found, {"versions.txt": versions})
    environment = {
        **os.environ,
        **security(runner).environment,
        "PATH": os.pathsep.join([str(runner.tools), *PATH]),
        "RUNNER_TEMP": str(runner.folder),
        "GITHUB_WORKSPACE": str(project.parent),
        **variables,
    }
    done = subprocess.run(
        [sys.executable, action / "scan.py"],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Outcome(done.returncode, done.stdout)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"app/pyproject.toml": "[tool.bandit]\n"}, 1),
        ({"app/pyproject.toml": '[tool.bandit]\nskips = ["B307"]\n'}, 0),
        ({"pyproject.toml": '[tool.bandit]\nskips = ["B101"]\n'}, 1),
        ({"app/.bandit": "[bandit]\nskips: B307\nexclude: ./b.py\n", "app/b.py": SHELL}, 0),
        ({"app/tox.ini": "[bandit]\nlevel = 3\n"}, 0),
        ({"app/setup.cfg": "[bandit]\nskips = B101\n"}, 1),
        ({"app/bandit.yaml": "skips: [B307]\n"}, 0),
        ({"app/.bandit": "# as YAML\nskips: [B307]\n"}, 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_the_projects_configuration_of_bandit_is_used(
    runner: Runner, tmp_path: Path, files: dict[str, str], code: int
) -> None:
    plain = {f"app/{name}": text for name, text in {**PLAIN, "more.py": EVAL}.items()}
    project, summary = write(tmp_path, {**plain, **files}) / "app", tmp_path / "summary.md"
    outcome = scan(runner, project, "", GITHUB_STEP_SUMMARY=str(summary))
    assert outcome.code == code, outcome.output
    assert summary.exists() == bool(code)
    assert lines_about(outcome, "bandit B307") == (
        ["error file=app/more.py,line=1,title=bandit B307"] * code
    )


@pytest.mark.parametrize("text", ["# nothing yet\n", "[other]\nskips: B307\n"])
def test_a_bandit_file_without_settings_is_no_configuration(
    runner: Runner, tmp_path: Path, text: str
) -> None:
    project = write(tmp_path / "app", {**PLAIN, "more.py": EVAL, ".bandit": text})
    outcome = scan(runner, project, "")
    assert lines_about(outcome, "bandit B307") == [
        "warning file=app/more.py,line=1,title=bandit B307"
    ]


FINE = {"name": "fine", "version": "1", "vulns": []}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found on PyPI"}
BAD = {"name": "bad", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
AUDITED_NOTHING = "::warning title=Security scan::No dependency was audited: "


@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        (
            [FINE, BAD, UNKNOWN],
            1,
            [
                "::error title=pip-audit::bad 1: CVE-1, fixed in 2",
                "::warning title=Security scan::Not audited, because PyPI does not know them: ours",
            ],
        ),
        ([UNKNOWN], 0, [f"{AUDITED_NOTHING}PyPI knows none of them (ours)"]),
        ([], 0, [f"{AUDITED_NOTHING}PyPI knows none of them ()"]),
        (None, 1, ["::error title=Security scan::pip-audit ended with 1, and no report"]),
    ],
    ids=["vulnerable and unknown", "all unknown", "none", "cannot run"],
)
def test_results_of_the_audit(
    runner: Runner, tmp_path: Path, dependencies: list[object] | None, code: int, said: list[str]
) -> None:
    """If nothing was audited, a warning says so."""
    fails = {"STUB_FAILS": "uvx pip-audit"} if dependencies is None else {}
    report = json.dumps({"dependencies": dependencies})
    project = write(tmp_path / "app", PLAIN)
    outcome = scan(runner, project, "fine==1\n", STUB_AUDIT=report, **fails)
    assert outcome.code == code, outcome.output
    assert [line for line in outcome.output.splitlines() if line.startswith("::")] == said


def test_packages_from_no_index_get_a_warning(runner: Runner, tmp_path: Path) -> None:
    write(runner.folder / "python", {"sources.txt": "ours @ git+https://example.com/ours\n"})
    outcome = scan(runner, write(tmp_path / "app", PLAIN), "")
    assert outcome.code == 0 and AUDITED_NOTHING in outcome.output, outcome.output
    assert outcome.notices == []


# Which uv


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({}, ""),
        ({"app/pyproject.toml": PYPROJECT}, ""),
        ({"app/pyproject.toml": '[tool.uv]\nrequired-version = ">=0.9, <1"\n'}, ">=0.9, <1"),
        ({"app/uv.toml": 'required-version="==0.9.1" # ours\n', "uv.toml": ""}, "==0.9.1"),
        ({"pyproject.toml": '[tool.uv]\nrequired-version = "==0.9.2"\n'}, "==0.9.2"),
        (
            {
                "app/uv.toml": 'required-version = "==0.9.3"\n',
                "uv.toml": 'required-version = "==0.9.4"\n',
            },
            "==0.9.3",
        ),
    ],
    ids=["nothing", "none", "pyproject.toml", "uv.toml", "the repository's", "the nearest"],
)
def test_the_version_of_uv(
    runner: Runner, tmp_path: Path, files: dict[str, str], version: str
) -> None:
    """uv refuses to run as another version."""
    repository = write(tmp_path / "repository", {"app/main.py": "", **files})
    outcome = runner.run("app/setup", repository / "app")
    assert (outcome.code, outcome.output, outcome.said) == (0, "", {"version": version})
