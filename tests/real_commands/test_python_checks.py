"""The Python code type's lint, test and security commands, for real, on small projects."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import toolbox
from commands import Outcome, Runner, write
from projects import (
    APP,
    HANDLER_TEST,
    PACKAGE,
    PLAIN,
    PYPROJECT,
    another_python,
    locked,
    security,
    without,
)

UNFORMATTED = "x = {'a':1}\n"
RUFF = "[tool.ruff]\nline-length = 100\n"


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        (APP, 0, "All checks passed!"),
        ({**APP, "more.py": UNFORMATTED}, 0, "All checks passed!"),
        ({**APP, "more.py": "import os\n"}, 0, "All checks passed!"),
        ({**APP, "more.py": "print(unknown)\n"}, 1, "F821"),
        ({**APP, "pyproject.toml": RUFF}, 0, "already formatted"),
        (
            {**APP, "pyproject.toml": RUFF, "more.py": UNFORMATTED},
            1,
            "unformatted: File would be reformatted",
        ),
        (
            {**APP, "ruff.toml": "", "more.py": UNFORMATTED},
            1,
            "unformatted: File would be reformatted",
        ),
        (
            {**APP, ".ruff.toml": "", "more.py": UNFORMATTED},
            1,
            "unformatted: File would be reformatted",
        ),
        ({**APP, "ruff.toml": 'lint.select = ["D"]\n'}, 1, "D100"),
    ],
    ids=[
        "good",
        "without rules the format is free",
        "without rules an unused import is free",
        "an unknown name",
        "own rules in pyproject",
        "own rules and a wrong format",
        "ruff.toml and a wrong format",
        ".ruff.toml and a wrong format",
        "own rules are obeyed",
    ],
)
def test_lint(runner: Runner, tmp_path: Path, files: dict[str, str], code: int, said: str) -> None:
    outcome = runner.run("app/lint", write(tmp_path / "app", files))
    assert (outcome.code, said in outcome.output) == (code, True), outcome.output


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        (APP, 0, "1 passed"),
        (PLAIN, 0, "1 passed"),
        ({**PLAIN, "tests/test_handler.py": "def test_it():\n    assert 0\n"}, 1, "1 failed"),
        ({**PLAIN, "tests/test_handler.py": "import unknown_module\n"}, 2, "unknown_module"),
        (PACKAGE, 0, "1 passed"),
    ],
    ids=[
        "requirements.txt",
        "no dependencies",
        "a failing test",
        "a test that cannot be imported",
        "a package without a lock file",
    ],
)
def test_tests(runner: Runner, tmp_path: Path, files: dict[str, str], code: int, said: str) -> None:
    outcome = runner.run("app/test", write(tmp_path / "app", files))
    assert (outcome.code, said in outcome.output) == (code, True), outcome.output
    assert outcome.notices == []


def test_tests_see_only_what_is_declared(runner: Runner, tmp_path: Path) -> None:
    """A runner's own Python has packages that Lambda has not: on Ubuntu PyYAML, for one. A test
    that passes only because of them says nothing about what is deployed."""
    test = f"import tabulate\n{HANDLER_TEST}"
    python = tmp_path / "python"
    uv = toolbox.script("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "tabulate"]
    subprocess.run(install, check=True)
    without_dev = without(APP, "requirements-dev.txt")
    project = write(tmp_path / "app", {**without_dev, "tests/test_handler.py": test})
    path = os.pathsep.join([str(python / "bin"), str(runner.tools), os.environ["PATH"]])
    outcome = runner.run("app/test", project, PATH=path)
    assert outcome.code == 2 and "No module named 'tabulate'" in outcome.output, outcome.output


def test_no_tests_are_worth_a_notice(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "app", without(APP, "tests/test_handler.py"))
    outcome = runner.run("app/test", project)
    assert outcome.code == 0, outcome.output
    assert outcome.notices == [f"::notice::There are no tests in {project}"]


def test_a_project_of_django_is_tested_by_its_runner(runner: Runner, tmp_path: Path) -> None:
    """Its tests have names that pytest does not look for. The project's own pytest comes first."""
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
    assert "::error title=Test::Where these tests need a database or variables" in outcome.output


def test_tests_see_the_dependencies_for_development(runner: Runner, tmp_path: Path) -> None:
    test = f"import tabulate\n{HANDLER_TEST}"
    outcome = runner.run("app/test", write(tmp_path / "a", {**APP, "tests/test_handler.py": test}))
    assert outcome.code == 0, outcome.output
    package = {**locked(), "tests/test_dev.py": "import tabulate\n\n\ndef test_it():\n    pass\n"}
    outcome = runner.run("app/test", write(tmp_path / "b", package))
    assert (outcome.code, "2 passed" in outcome.output) == (0, True), outcome.output


def test_a_lock_file_that_does_not_fit_fails(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "app", locked())
    lock = (project / "uv.lock").read_bytes()
    assert runner.run("app/test", project).code == 0
    changed = PYPROJECT.replace('"iniconfig>=2"', '"iniconfig>=2", "tabulate"')
    write(project, {"pyproject.toml": changed})
    outcome = runner.run("app/test", project)
    assert outcome.code not in (0, 5) and "needs to be updated" in outcome.output
    assert (project / "uv.lock").read_bytes() == lock


def test_the_python_version_file_is_obeyed(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "app", {**PLAIN, ".python-version": "3.99\n"})
    for job in ("app/test", "app/build"):
        outcome = runner.run(job, project)
        assert outcome.code not in (0, 5) and "3.99" in outcome.output, outcome.output
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    version = f"import sys\n\n\ndef test_it():\n    assert sys.version.startswith('{wanted}.')\n"
    write(project, {".python-version": f"{wanted}\n", "tests/test_handler.py": version})
    outcome = runner.run("app/test", project)
    assert (outcome.code, "1 passed" in outcome.output) == (0, True), outcome.output


# Security


EVAL = "print(eval(input()))\n"  # medium severity, high confidence
SHELL = (
    "import subprocess\n\nsubprocess.call(input(), shell=True)\n"  # high severity and confidence
)
HASH = "import hashlib\n\nhashlib.sha1(b'name').hexdigest()\n"  # the same


def lines_about(outcome: Outcome, *titles: str) -> list[str]:
    """The commands to the runner in a log, without their texts."""
    found = re.findall(r"^::(\w+) (.*?)::", outcome.output, re.MULTILINE)
    return [f"{level} {where}" for level, where in found if where.split("title=")[1] in titles]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("more.py", "import subprocess\n\nsubprocess.run(['ls'], check=True)\n", ""),
        ("more.py", EVAL, "warning file=app/more.py,line=1,title=bandit B307"),
        ("more.py", SHELL, "error file=app/more.py,line=3,title=bandit B602"),
        ("more.py", HASH, "warning file=app/more.py,line=3,title=bandit B324"),
        ("examples/a b.py", SHELL, "warning file=app/examples/a b.py,line=3,title=bandit B602"),
        ("more.py", "def\n", "warning title=Security scan"),
        ("tests/test_more.py", "assert eval('1')\n", ""),
        (".venv/lib/more.py", EVAL, ""),
    ],
    ids=[
        "low",
        "medium",
        "certain",
        "a hash",
        "not run",
        "not Python",
        "only in tests",
        "only in .venv",
    ],
)
def test_findings_in_the_code(
    runner: Runner, tmp_path: Path, file: str, text: str, said: str
) -> None:
    """Without a configuration of bandit: all is shown, what is certain fails."""
    project = write(tmp_path / "app", {**PLAIN, file: text})
    summary = tmp_path / "summary.md"
    outcome = security(runner).run("app/security", project, GITHUB_STEP_SUMMARY=str(summary))
    assert outcome.code == said.startswith("error"), outcome.output
    assert lines_about(outcome, "bandit B307", "bandit B602", "bandit B324", "Security scan") == [
        said
    ] * bool(said)
    assert summary.exists() == ("bandit" in said)
    if summary.exists():
        row = (
            f"| {'fails' if outcome.code else 'warning'} | `app/{file}:{said.split(',')[1][5:]}` |"
        )
        assert row in summary.read_text(encoding="utf-8")
    # What is found in the code does not hide the dependencies.
    assert outcome.notices == [f"::notice::There are no dependencies to scan in {project}"]


def scan(runner: Runner, project: Path, versions: str, **variables: str) -> Outcome:
    """The scan alone, of code and of versions that are installed elsewhere."""
    action = runner.steps["app/security"].action
    assert action
    found = runner.folder / "python"
    write(found, {"versions.txt": versions})
    environment = {
        **os.environ,
        **security(runner).environment,
        "PATH": f"{runner.tools}{os.pathsep}{os.environ['PATH']}",
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
        ({"app/.bandit": "[bandit]\nskips: B307\n"}, 0),
        ({"app/.bandit": "[bandit]\nexclude: ./more.py\n"}, 0),
        ({"app/tox.ini": "[bandit]\nlevel = 3\n"}, 0),
        ({"app/setup.cfg": "[bandit]\nskips = B101\n"}, 1),
        ({"app/bandit.yaml": "skips: [B307]\n"}, 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_the_project_says_of_bandit_decides(
    runner: Runner, tmp_path: Path, files: dict[str, str], code: int
) -> None:
    plain = {f"app/{name}": text for name, text in {**PLAIN, "more.py": EVAL}.items()}
    outcome = scan(runner, write(tmp_path, {**plain, **files}) / "app", "")
    assert outcome.code == code, outcome.output
    assert lines_about(outcome, "bandit B307") == (
        ["error file=app/more.py,line=1,title=bandit B307"] * code
    )


@pytest.mark.parametrize("shape", ["uv.lock", "pyproject.toml", "requirements.txt"])
def test_the_dependencies_that_are_scanned(runner: Runner, tmp_path: Path, shape: str) -> None:
    files = {"uv.lock": locked(), "pyproject.toml": PACKAGE, "requirements.txt": APP}[shape]
    if shape == "uv.lock":  # an older version than the newest: the lock file decides
        files = {**files, "uv.lock": older_lock(tmp_path / "lock")}
    outcome = security(runner).run("app/security", write(tmp_path / "app", files))
    assert outcome.code == 0 and outcome.notices == [], outcome.output
    call = runner.recorded[-1]
    pinned, *options = call["arguments"]
    assert re.fullmatch(r"pip-audit==\d+\.\d+\.\d+", pinned)
    assert options[:3] == ["--no-deps", "--disable-pip", "--requirement"]
    text = call["files"][options[3]]
    found = dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
    if shape == "uv.lock":
        packages = tomllib.loads(files["uv.lock"])["package"]
        locked_version = {p["name"]: p["version"] for p in packages}["iniconfig"]
        assert locked_version == "2.0.0" and found == {"iniconfig": "2.0.0"}
    # Neither the project itself nor what is only for development.
    assert set(found) == {"iniconfig"}
    assert runner.lines[0].startswith("uvx bandit==")


def test_the_dependencies_of_the_chosen_python_are_scanned(runner: Runner, tmp_path: Path) -> None:
    """Of that in `.python-version`, with which the tests run and the package is built."""
    version = another_python()
    if version is None:
        pytest.skip("this machine has only one Python")
    marked = f"tabulate; python_full_version == '{version}'"
    files = {**APP, "requirements.txt": f"iniconfig\n{marked}\n", ".python-version": version}
    outcome = security(runner).run("app/security", write(tmp_path / "app", files))
    assert outcome.code == 0, outcome.output
    call = runner.recorded[-1]
    [versions] = call["files"].values()
    found = re.findall(r"^([\w.-]+)==", versions, re.MULTILINE)
    assert set(found) == {"iniconfig", "tabulate"}


def older_lock(folder: Path) -> str:
    """A lock file that holds iniconfig 2.0.0, although the project takes newer ones."""
    write(
        folder, {**PACKAGE, "pyproject.toml": PYPROJECT.replace("iniconfig>=2", "iniconfig==2.0.0")}
    )
    uv = toolbox.script("uv")
    subprocess.run([uv, "lock", "--quiet"], cwd=folder, check=True)
    write(folder, {"pyproject.toml": PYPROJECT})
    subprocess.run([uv, "lock", "--quiet"], cwd=folder, check=True)
    text = (folder / "uv.lock").read_text(encoding="utf-8")
    shutil.rmtree(folder)
    return text


FINE = {"name": "fine", "version": "1", "vulns": []}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found on PyPI"}
BAD = {"name": "bad", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
AUDITED_NOTHING = "::warning title=Security scan::No dependency was audited: "


@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        ([FINE], 0, ""),
        ([FINE, BAD], 1, "::error title=pip-audit::bad 1: CVE-1, fixed in 2"),
        (
            [FINE, UNKNOWN],
            0,
            "::warning title=Security scan::Not audited, because PyPI does not know",
        ),
        ([UNKNOWN], 0, f"{AUDITED_NOTHING}PyPI knows none of them (ours)"),
        ([], 0, AUDITED_NOTHING),
        (None, 1, "::error title=Security scan::pip-audit ended with 1, and no report"),
    ],
    ids=["fine", "vulnerable", "one unknown", "all unknown", "none", "cannot run"],
)
def test_what_the_audit_says(
    runner: Runner, tmp_path: Path, dependencies: list[object] | None, code: int, said: str
) -> None:
    """An audit of nothing is never green in silence."""
    fails = {"STUB_FAILS": "uvx pip-audit"} if dependencies is None else {}
    report = json.dumps({"dependencies": dependencies})
    project = write(tmp_path / "app", PLAIN)
    outcome = scan(runner, project, "fine==1\n", STUB_AUDIT=report, **fails)
    assert outcome.code == code, outcome.output
    lines = [line for line in outcome.output.splitlines() if line.startswith("::")]
    assert [line.startswith(said) for line in lines] == ([True] if said else []), lines


def test_what_is_from_no_index_is_not_audited_in_silence(runner: Runner, tmp_path: Path) -> None:
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
    """uv refuses to run as another."""
    repository = write(tmp_path / "repository", {"app/main.py": "", **files})
    outcome = runner.run("app/setup", repository / "app")
    assert (outcome.code, outcome.output, outcome.said) == (0, "", {"version": version})
