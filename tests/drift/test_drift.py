"""`hooks/drift.py` distinguishes edits, changed pins and old versions.

Each error is one line without a traceback.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from copies import tree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_answers import quick
from offline_github.repository import git
from pipeline.written_files import MARKER
from template_versions import ANSWERS, commit, generate
from toolbox import ROOT

FILE = ROOT / "hooks" / "drift.py"
WORKFLOWS = ".github/workflows"
PYTHON = f"{WORKFLOWS}/python-build.yml"
ACTIONS = ".github/actions"
PINNED = f"{ACTIONS}/check-out/action.yml"
"""A file with a pinned action of GitHub."""
SCRIPT = f"{ACTIONS}/shared/api.cjs"
SUMMARY = f"{ACTIONS}/deployment-summary/action.yml"
ORCHESTRATOR = f"{WORKFLOWS}/orchestrator-dev.yml"
DOCS = "docs/ci-cd.md"
ANSWERS_FILE = ".copier-answers.yml"
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
NEWER = f"actions/checkout@{'a' * 40} # v7.1.0"
GITHUB_SCRIPT = "actions/github-script@ed597411d8f924073f98dfc5c65a23a2325f34cd # v8.0.0"
NEWER_SCRIPT = f"actions/github-script@{'a' * 40} # v8.1.0"
OWN_JOBS = "# Own jobs go below this line, indented like those above; `copier update` keeps them."
OWN = "  own:\n    runs-on: ubuntu-latest\n    steps: [{run: make own}]\n"
Change = Callable[[Path], object]
Capture = pytest.CaptureFixture[str]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drift_py", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["drift_py"] = module  # dataclasses need this entry
    spec.loader.exec_module(module)
    return module


DRIFT = load()


def edit(path: str, old: str, new: str, times: int = -1) -> Change:
    def change(repository: Path) -> None:
        file = repository / path
        text = file.read_bytes().decode("utf-8")
        assert old in text
        file.write_bytes(text.replace(old, new, times).encode("utf-8"))

    return change


def append(path: str, text: str) -> Change:
    def change(repository: Path) -> None:
        with (repository / path).open("a", encoding="utf-8") as file:
            file.write(text)

    return change


def delete(path: str) -> Change:
    return lambda repository: (repository / path).unlink()


def both(*changes: Change) -> Change:
    return lambda repository: [change(repository) for change in changes]


def left_behind(name: str) -> Change:
    return lambda repository: shutil.copy(repository / PYTHON, repository / WORKFLOWS / name)


def own_action(name: str) -> Change:
    """Add a file of a person to the folder of an action, even a generated one."""

    def change(repository: Path) -> None:
        (repository / ACTIONS / name).mkdir(exist_ok=True)
        (repository / ACTIONS / name / "ours.yml").write_text("name: Ours\n", encoding="utf-8")

    return change


def recorded(key: str, value: str) -> Change:
    """Write another value of a key of Copier (`_commit`, ...) into the answers file."""

    def change(repository: Path) -> None:
        file = repository / ANSWERS_FILE
        text = file.read_text(encoding="utf-8")
        text, times = re.subn(rf"^{key}: .*\n", value and f"{key}: {value}\n", text, flags=re.M)
        assert times == 1
        file.write_text(text, encoding="utf-8")

    return change


def found(out: str) -> list[tuple[str, str]]:
    """The kind and the file of each finding."""
    heads = re.findall(r"^(\w+): (\S+): ", out, re.MULTILINE)
    assert len(heads) == sum(not line.startswith("  | ") for line in out.splitlines()) - 1
    return heads


class Case(NamedTuple):
    change: Change
    finds: list[tuple[str, str]]
    code: int
    strict: int
    shows: list[str]
    """All lines with + or - that are shown, in order."""


CASES = {
    "nothing": Case(lambda repository: None, [], 0, 0, []),
    "edited": Case(
        edit(PYTHON, "    timeout-minutes: 60\n", "    timeout-minutes: 45\n", 1),
        [("edited", PYTHON)],
        1,
        1,
        ["-    timeout-minutes: 60", "+    timeout-minutes: 45"],
    ),
    "edited-docs": Case(append(DOCS, "\nMore.\n"), [("edited", DOCS)], 1, 1, ["+", "+More."]),
    "edited-script": Case(append(SCRIPT, "// More\n"), [("edited", SCRIPT)], 1, 1, ["+// More"]),
    "own-step": Case(
        edit(PYTHON, "    steps:\n", "    steps:\n      - run: make own\n", 1),
        [("edited", PYTHON)],
        1,
        1,
        ["+      - run: make own"],
    ),
    "bumped": Case(
        edit(PINNED, CHECKOUT, NEWER, 1),
        [("pins", PINNED)],
        0,
        1,
        [f"-      uses: {CHECKOUT}", f"+      uses: {NEWER}"],
    ),
    "bumped-without-version": Case(
        edit(PINNED, CHECKOUT, NEWER.split(" #")[0], 1),
        [("pins", PINNED)],
        0,
        1,
        [f"-      uses: {CHECKOUT}", f"+      uses: {NEWER.split(' #')[0]}"],
    ),
    "bumped-in-an-action": Case(
        edit(SUMMARY, GITHUB_SCRIPT, NEWER_SCRIPT),
        [("pins", SUMMARY)],
        0,
        1,
        [f"-      uses: {GITHUB_SCRIPT}", f"+      uses: {NEWER_SCRIPT}"],
    ),
    "pin-that-is-a-tag": Case(
        edit(PINNED, CHECKOUT, "actions/checkout@v7", 1),
        [("edited", PINNED)],
        1,
        1,
        [f"-      uses: {CHECKOUT}", "+      uses: actions/checkout@v7"],
    ),
    "other-action": Case(
        edit(PINNED, CHECKOUT, CHECKOUT.replace("actions/", "acme/"), 1),
        [("edited", PINNED)],
        1,
        1,
        [f"-      uses: {CHECKOUT}", f"+      uses: {CHECKOUT.replace('actions/', 'acme/')}"],
    ),
    "pin-with-a-comment": Case(
        edit(PINNED, CHECKOUT, f"{CHECKOUT}, because we say so", 1),
        [("edited", PINNED)],
        1,
        1,
        [f"-      uses: {CHECKOUT}", f"+      uses: {CHECKOUT}, because we say so"],
    ),
    "edited-and-bumped": Case(
        both(
            edit(PINNED, CHECKOUT, NEWER, 1),
            edit(PINNED, "name: Check out a commit\n", "name: Check out\n", 1),
        ),
        [("edited", PINNED), ("pins", PINNED)],
        1,
        1,
        [
            *("-name: Check out a commit", "+name: Check out"),
            *(f"-      uses: {CHECKOUT}", f"+      uses: {NEWER}"),
        ],
    ),
    "own-jobs": Case(append(ORCHESTRATOR, OWN), [("own", ORCHESTRATOR)], 0, 0, []),
    "comment-below": Case(append(ORCHESTRATOR, "  # none yet\n\n"), [], 0, 0, []),
    "setting-below": Case(
        append(ORCHESTRATOR, "env:\n  DEBUG: 1\n"),
        [("edited", ORCHESTRATOR)],
        1,
        1,
        ["+env:", "+  DEBUG: 1"],
    ),
    "job-above": Case(
        edit(ORCHESTRATOR, "jobs:\n", f"jobs:\n{OWN}"),
        [("edited", ORCHESTRATOR)],
        1,
        1,
        [f"+{line}" for line in OWN.splitlines()],
    ),
    "marked-line-gone": Case(
        edit(ORCHESTRATOR, OWN_JOBS, "# Ours"),
        [("edited", ORCHESTRATOR)],
        1,
        1,
        [f"-{OWN_JOBS}", "+# Ours"],
    ),
    "missing": Case(delete(PYTHON), [("missing", PYTHON)], 1, 1, []),
    "missing-script": Case(delete(SCRIPT), [("missing", SCRIPT)], 1, 1, []),
    "missing-docs": Case(delete(DOCS), [("missing", DOCS)], 1, 1, []),
    "extra": Case(
        left_behind("docker-dev.yaml"), [("extra", f"{WORKFLOWS}/docker-dev.yaml")], 1, 1, []
    ),
    "extra-action": Case(
        lambda repository: shutil.copytree(
            repository / ACTIONS / "setup-python", repository / ACTIONS / "setup-go"
        ),
        [("extra", f"{ACTIONS}/setup-go/action.yml")],
        1,
        1,
        [],
    ),
    "own-actions": Case(both(*(own_action(n) for n in ("ours", "lib"))), [], 0, 0, []),
    "own-workflow": Case(
        lambda repository: (repository / WORKFLOWS / "python-nightly.yml").write_text("on: push\n"),
        [],
        0,
        0,
        [],
    ),
    "conflict": Case(
        edit(PYTHON, "jobs:\n", "jobs:\n<<<<<<< before updating\n>>>>>>> after updating\n"),
        [("conflict", PYTHON)],
        1,
        1,
        [],
    ),
    "answer-edited-by-hand": Case(
        edit(ANSWERS_FILE, "drift_check: true", "drift_check: false"),
        [("edited", DOCS), ("extra", f"{WORKFLOWS}/drift.yml")],
        1,
        1,
        ["-"],
    ),
    "ends-of-lines": Case(
        lambda repository: [edit(p, "\n", "\r\n")(repository) for p in (PYTHON, DOCS)], [], 0, 0, []
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_drift(
    name: str,
    as_generated: Path,
    versions: Path,
    repository: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = CASES[name]
    if name != "answer-edited-by-hand":
        # Saves time: the same answers render the same files, and other tests do render them.
        monkeypatch.setattr(
            DRIFT,
            "render",
            lambda *given: shutil.copytree(as_generated, given[2]) and str(versions),
        )
    case.change(repository)
    before = tree(repository)
    assert DRIFT.main(["--trust"]) == case.code
    out, err = capsys.readouterr()
    assert err == ""
    assert found(out) == case.finds
    shown = [line.removeprefix("  | ") for line in out.splitlines() if line.startswith("  | ")]
    changed = [line for line in shown if line[:1] in ("+", "-")]
    if name == "answer-edited-by-hand":
        assert "+## Drift" in changed
    else:
        assert changed == case.shows
    last = out.splitlines()[-1]
    assert last.startswith("Drift from v1.2.0: " if case.code else "No drift from v1.2.0")
    assert DRIFT.main(["--trust", "--strict"]) == case.strict
    assert tree(repository) == before


def test_own_jobs_are_named_and_conflicts_have_a_line_number(
    repository: Path, capsys: Capture
) -> None:
    both(
        append(ORCHESTRATOR, f"{OWN}  'other-1': {{uses: ./x.yml}}\n"),
        edit(PYTHON, "\njobs:\n", "\njobs:\n<<<<<<< before updating\n"),
    )(repository)
    assert DRIFT.main(["--trust"]) == 1
    out = capsys.readouterr().out
    assert "below the marked last line, which an update keeps\n  | own\n  | other-1\n" in out
    assert re.search(r"^  \| \d+: <<<<<<< before updating$", out, re.MULTILINE)
    assert out.endswith("Drift from v1.2.0: 1 with a merge conflict\n")


@settings(quick, max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_change_of_any_line_is_found(data: st.DataObject, as_generated: Path) -> None:
    """The line is changed, added or removed, in any generated file except the answers file."""
    names = [name for name in tree(as_generated) if name != ANSWERS_FILE]
    name = data.draw(st.sampled_from(sorted(names)))
    generated = DRIFT._lines(as_generated / name)
    there = list(generated)
    index = data.draw(st.integers(0, len(there) - 1))
    how = data.draw(st.sampled_from(["changed", "added", "dropped"]))
    if how == "dropped":
        del there[index]
    else:
        there[index : index + (how == "changed")] = [f"{generated[index]} x"]
    [finding] = DRIFT._compare_file(name, generated, there)
    assert finding.kind == "edited"
    signs = {line[0] for line in finding.lines if line[0] in "+-"}
    assert signs == {"changed": {"+", "-"}, "added": {"+"}, "dropped": {"-"}}[how]


@pytest.mark.parametrize(
    "line, is_pin",
    [
        (f"        uses: {CHECKOUT}", True),
        (f"      - uses: acme/x/.github/workflows/y.yml@{'0' * 64} # 1.2.0-rc.1+b", True),
        (f"      - uses: acme/x@{'0' * 40}", True),
        (f"      - uses: acme/x@{'0' * 39}", False),
        (f"      - uses: acme/x@{'0' * 40} # main", False),
        ("      - uses: acme/x@v1.2.0", False),
        ("        uses: $/.github/workflows/python-build.yml", False),
        (f"        run: acme/x@{'0' * 40}", False),
        (f"        # uses: acme/x@{'0' * 40}", False),
    ],
)
def test_lines_with_a_pin(line: str, is_pin: bool) -> None:
    assert (DRIFT._without_pin(line) != line) == is_pin


# Old versions ----------------------------------------------------------------------------------


@pytest.fixture
def newer_template(versions: Path, tmp_path: Path, repository: Path) -> Path:
    """Another copy of the template's repository, which the answers file names."""
    folder = shutil.copytree(versions, tmp_path / "newer")
    recorded("_src_path", f"git+{folder.as_uri()}")(repository)
    return folder


@pytest.mark.parametrize(
    "tag, newest",
    [
        ("v1.2.1", "v1.2.1"),
        ("v1.10.0", "v1.10.0"),
        ("v2", "v2"),
        ("v1.3.0rc1", ""),
        ("v1.1.9", ""),
        ("nightly", ""),
        ("", ""),
    ],
)
def test_newer_releases(tag: str, newest: str, newer_template: Path) -> None:
    commit(newer_template, "The next", tag)
    assert DRIFT.newer_version(newer_template.as_uri(), "v1.2.0", ANSWERS_FILE) == newest


def test_an_old_version_is_drift_only_with_strict(newer_template: Path, capsys: Capture) -> None:
    commit(newer_template, "The next", "v1.3.0")
    assert DRIFT.main(["--trust"]) == 0
    out = capsys.readouterr().out
    assert found(out) == [("behind", "v1.2.0")]
    assert "\n  | the newest is v1.3.0\n" in out
    assert out.endswith("\nNo drift from v1.2.0 (allowed: behind)\n")
    assert DRIFT.main(["--trust", "--strict"]) == 1
    assert capsys.readouterr().out.endswith("\nDrift from v1.2.0: behind\n")


def test_a_prerelease_after_the_newest_release_is_not_old(versions: Path) -> None:
    assert DRIFT.newer_version(versions.as_uri(), "v1.3.0rc1", ANSWERS_FILE) == ""


def test_versions_that_cannot_be_read(newer_template: Path) -> None:
    with pytest.raises(DRIFT.CannotTellError, match="cannot be read: fatal: "):
        DRIFT.newer_version(f"{newer_template.as_uri()}-gone", "v1.2.0", ANSWERS_FILE)


def test_files_are_compared_with_the_recorded_version(
    newer_template: Path, repository: Path, capsys: Capture
) -> None:
    """A change of the next version is no edit."""
    header = newer_template / "macros" / "header.jinja"
    header.write_text(header.read_text("utf-8").replace("indented like", "as wide as"), "utf-8")
    commit(newer_template, "The next", "v1.3.0")
    assert DRIFT.main(["--trust"]) == 0
    recorded("_commit", "v1.3.0")(repository)
    assert DRIFT.main(["--trust"]) == 1
    out = capsys.readouterr().out
    assert "indented like" in out and "as wide as" in out


def test_without_releases_the_head_is_the_newest(
    newer_template: Path, repository: Path, capsys: Capture
) -> None:
    git("tag", "--delete", "v1.2.0", cwd=newer_template)
    first = git("rev-parse", "--short", "HEAD", cwd=newer_template).decode().strip()
    recorded("_commit", f"'{first}'")(repository)
    assert DRIFT.main(["--trust", "--strict"]) == 0
    commit(newer_template, "The next")
    head = git("rev-parse", "HEAD", cwd=newer_template).decode()
    capsys.readouterr()
    assert DRIFT.main(["--trust"]) == 0
    assert f"  | the newest is {head[: len(first)]}\n" in capsys.readouterr().out
    assert DRIFT.main(["--trust", "--strict"]) == 1


def test_versions_are_ordered() -> None:
    order = ["abc1234", "1234567", "v0.9", "v1.0.0rc1", "v1.0.0", "1.0.0-3-g12abcde", "v1.0.1"]
    places = [DRIFT._order(version) for version in [*order, "v1.9", "v1.10", "2.0.0"]]
    assert places == sorted(places)
    assert places[0] == places[1] and places[4] == places[5] == DRIFT._order("v1")
    assert len(set(places)) == len(places) - 2


# Errors ----------------------------------------------------------------------------------------

NO_ANSWERS = "holds no answers of copier-orchestrator; name the file that does with --answers-file"
OTHER_TEMPLATE = "_commit: v1.0.0\n_src_path: https://example.invalid/x.git\nproject: x\n"


def written(text: str) -> Change:
    return lambda repository: (repository / ANSWERS_FILE).write_text(text, encoding="utf-8")


CANNOT: dict[str, tuple[Change, str]] = {
    "gone": (
        delete(ANSWERS_FILE),
        "is not there; run this in the repository's folder, or name the file with --answers-file",
    ),
    "a-folder": (
        both(delete(ANSWERS_FILE), lambda repository: (repository / ANSWERS_FILE).mkdir()),
        "cannot be read: ...; repair it",
    ),
    "no-text": (
        lambda repository: (repository / ANSWERS_FILE).write_bytes(b"\xff\xfe"),
        "cannot be read: ...; repair it",
    ),
    "no-yaml": (written("a: [1\nb: 2\n"), "is not YAML: ...; repair it, or restore it from git"),
    "no-boolean": (written("a: !!bool x\n"), "is not YAML: ...; repair it, or restore it from git"),
    "no-date": (written("a: 2024-13-45\n"), "is not YAML: ...; repair it, or restore it from git"),
    "empty": (written(""), NO_ANSWERS),
    "a-list": (written("- a\n"), NO_ANSWERS),
    "another-template": (written(OTHER_TEMPLATE), NO_ANSWERS),
    "conflict": (
        edit(ANSWERS_FILE, "code_types:", "<<<<<<< before updating\ncode_types:"),
        "line ... is a merge conflict; resolve it, then run `copier update --vcs-ref=:current:`",
    ),
    "no-address": (recorded("_src_path", ""), "_src_path does not say which template ..."),
    "no-commit": (recorded("_commit", ""), "_commit does not say which template ..."),
    "number": (recorded("_commit", "1234567"), "_commit does not say which template ..."),
    "unreachable": (
        recorded("_src_path", "git+file:///no/where"),
        "the template git+file:///no/where at v1.2.0 cannot be rendered: fatal: ... check the "
        "address, the network and your rights",
    ),
    "no-repository": (
        recorded("_src_path", "no-where"),
        "the template no-where at v1.2.0 cannot be rendered: ...",
    ),
    "unknown-commit": (
        recorded("_commit", "v9.9.9"),
        "the template ... has no commit v9.9.9; choose one that it has with ...",
    ),
    "option-as-commit": (recorded("_commit", "--help"), "the template ... has no commit --help..."),
    "wrong-answer": (
        edit(ANSWERS_FILE, "branching: trunk", "branching: trunck"),
        "branching: 'trunck' is not a choice; did you mean 'trunk'?",
    ),
    "unknown-answer": (
        edit(ANSWERS_FILE, "branching: trunk", "branchin: trunk"),
        "branchin: there is no such answer; did you mean 'branching'?",
    ),
}


@pytest.mark.parametrize("name", CANNOT)
def test_an_error_is_one_line(name: str, repository: Path, capsys: Capture) -> None:
    change, says = CANNOT[name]
    change(repository)
    assert DRIFT.main(["--trust"]) == 2
    check_line(says, capsys)


def check_line(says: str, capsys: Capture, place: str = ANSWERS_FILE) -> None:
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    pattern = ".*?".join(re.escape(part) for part in re.split(r" ?\.\.\. ?", f"{place}: {says}"))
    assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize("scheme", ["", "git+file://"])
def test_a_commit_that_the_template_lacks(
    scheme: str, versions: Path, repository: Path, capsys: Capture
) -> None:
    """Copier fetches from a folder and from an address in different ways."""
    both(recorded("_src_path", f"{scheme}{versions}"), recorded("_commit", "v9"))(repository)
    assert DRIFT.main(["--trust"]) == 2
    check_line("the template ... has no commit v9; choose one that it has with ...", capsys)


def test_the_template_is_no_git_repository(
    template: Path, repository: Path, capsys: Capture
) -> None:
    recorded("_src_path", str(template))(repository)
    assert DRIFT.main(["--trust"]) == 2
    check_line("... is no git repository; name one in _src_path", capsys)


def test_another_template_with_the_same_answers_is_refused(
    repository: Path, tmp_path: Path, capsys: Capture
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "copier.yml").write_text("code_types: {type: yaml}\n", encoding="utf-8")
    (other / "README.md").write_text("x\n", encoding="utf-8")
    git("init", "--quiet", cwd=other)
    commit(other, "Another template", "v1.2.0")
    recorded("_src_path", str(other))(repository)
    assert DRIFT.main(["--trust"]) == 2
    check_line("its template is not copier-orchestrator; name another answers file ...", capsys)


def test_nothing_of_the_template_runs_without_trust(
    newer_template: Path, repository: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Except if Copier's settings trust the address."""
    assert DRIFT.main([]) == 2
    check_line("the template ... runs its own Python code; pass --trust if you trust it", capsys)
    trusted = f"trust: ['git+{newer_template.as_uri()}']\n"
    (tmp_path / "settings.yml").write_text(trusted, encoding="utf-8")
    assert DRIFT.main([]) == 0


def test_without_copier_it_says_how_to_get_it(
    repository: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "copier", None)
    assert DRIFT.main(["--trust"]) == 2
    check_line("needs Copier (...); run it with `uv run`, which brings it", capsys, "drift.py")


def test_an_unexpected_exception_is_one_line(
    repository: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DRIFT, "compare", lambda *_: 1 / 0)
    assert DRIFT.main(["--trust"]) == 2
    check_line("ZeroDivisionError: division by zero; report it as a bug", capsys, "drift.py")


def test_passwords_in_addresses_are_not_shown(repository: Path, capsys: Capture) -> None:
    recorded("_src_path", "git+file://user:pass@/no/where")(repository)
    assert DRIFT.main(["--trust"]) == 2
    out, err = capsys.readouterr()
    assert "/no/where" in err and "pass" not in out + err


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--answers-file", "../x.yml"], "../x.yml: is no path below this folder; ..."),
        (["--answers-file", "other.yml"], "other.yml: is not there; ..."),
        (["--trusty"], "drift.py: unrecognized arguments: --trusty; see --help"),
        (["--answers-file"], "drift.py: argument --answers-file: expected one argument; ..."),
    ],
)
def test_arguments(arguments: list[str], says: str, repository: Path, capsys: Capture) -> None:
    try:
        assert DRIFT.main(arguments) == 2
    except SystemExit as ended:
        assert ended.code == 2
    place, _, rest = says.partition(": ")
    check_line(rest, capsys, place)


# The command -------------------------------------------------------------------------------------


def test_another_answers_file(
    versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    name = ".copier-answers.pipelines.yml"
    monkeypatch.chdir(generate(str(versions), tmp_path / "shop", answers_file=name))
    assert DRIFT.main(["--trust", "--answers-file", f"./{name}"]) == 0
    left_behind("x.yml")(Path())
    assert DRIFT.main(["--trust", "--answers-file", name]) == 1
    assert found(capsys.readouterr().out.split("\n", 1)[1]) == [("extra", f"{WORKFLOWS}/x.yml")]


def test_a_missing_project_name_is_the_name_of_the_folder(
    versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    data = {key: value for key, value in ANSWERS.items() if key != "project_name"}
    folder = generate(str(versions), tmp_path / "a-shop", data=data)
    monkeypatch.chdir(folder)
    edit(ANSWERS_FILE, "project_name: a-shop\n", "")(folder)
    assert DRIFT.main(["--trust"]) == 0


def test_the_file_runs_alone(repository: Path, tmp_path: Path) -> None:
    """In a folder without the template's other files. It leaves no file behind."""
    alone = shutil.copy(FILE, tmp_path / "drift.py")
    edit(PYTHON, "    timeout-minutes: 60\n", "    timeout-minutes: 60 # ☂\n", 1)(repository)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, alone, "--trust"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**DRIFT.os.environ, "TMPDIR": str(temporary), "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "  | +    timeout-minutes: 60 # ☂\n" in done.stdout
    # The hook that checks a copy does not run, so no other line is printed.
    assert len(found(done.stdout)) == 1
    assert list(temporary.iterdir()) == []
    assert tempfile.gettempdir() != str(temporary)


def test_the_markers_of_generated_files_match_the_template() -> None:
    assert DRIFT.MARKER == MARKER
    header = (ROOT / "macros" / "header.jinja").read_text(encoding="utf-8")
    assert f"\n{DRIFT.MARKER.split('{')[0]}" in header
    assert f"\n{DRIFT.OWN_JOBS}" in header
