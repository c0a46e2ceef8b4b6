"""Each script of the engine: what it refuses, and how it handles hostile text."""

from __future__ import annotations

import http.client
import importlib
import importlib.metadata
import io
import json
import re
import subprocess
import sys
import tarfile
import unittest.mock
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from offline_github.repository import git
from toolbox import ROOT
from updates import commit
from validators import validate

ENGINE = ROOT / "catalogue" / "pipelines-catalogue" / "engine"
NAMES = ("common", "check", "fetch", "transfer", "render", "propose", "start")
ADDRESS = "https://github.com/acme/copier-orchestrator.git"


@pytest.fixture(scope="module")
def engine() -> Iterator[dict[str, ModuleType]]:
    sys.path.insert(0, str(ENGINE))
    yield {name: importlib.import_module(name) for name in NAMES}
    sys.path.remove(str(ENGINE))
    for name in NAMES:
        del sys.modules[name]


def test_mypy_finds_nothing_in_the_engine() -> None:
    """All scripts are checked together, because they import each other."""
    files = sorted(map(str, ENGINE.glob("*.py")))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "change, said",
    [
        ({"repository": "shop"}, ""),
        ({"repository": "ACME/shop.js"}, ""),
        ({"repository": ""}, "repository: '' is no name"),
        ({"repository": "other/shop"}, "repository: other/shop does not belong to acme"),
        ({"repository": "acme/.."}, "repository: 'acme/..' is no name"),
        ({"repository": "shop,payroll"}, "repository: 'shop,payroll' is no name"),
        ({"repository": "shop\npayroll"}, "repository: 'shop\\npayroll' is no name"),
        (
            {"repository": "https://github.com/acme/shop"},
            "repository: https://github.com/acme/shop",
        ),
        ({"mode": "recopy"}, "mode: 'recopy' is not one of copy, update, update-answers"),
        ({"version": "v1.2.0-3-gabc"}, ""),
        ({"version": "--upload-pack=x"}, "version: '--upload-pack=x' is no tag"),
        ({"answers_file": ".copier-answers.ci.yml"}, ""),
        ({"answers_file": ".copier-answers-shop.api.yaml"}, ""),
        ({"answers_file": ".copier-answers.a..b.yml"}, "answers_file: '.copier-answers.a..b.yml'"),
        ({"answers_file": "../.copier-answers.yml"}, "answers_file: '../.copier-answers.yml' is"),
        ({"mode": "update", "answers": "a: 1"}, "answers: an update keeps the recorded answers"),
        ({"mode": "update-answers"}, "answers: say which answers change"),
    ],
)
def test_inputs(change: dict[str, str], said: str, engine: dict[str, ModuleType]) -> None:
    inputs = {"repository": "shop", "mode": "copy", "answers": "", "version": "", **change}
    try:
        assert engine["check"].check_inputs(inputs, "acme") in ("shop", "shop.js")
        assert not said
    except engine["common"].EngineError as error:
        assert said and str(error).startswith(said)


@pytest.mark.parametrize(
    "written",
    [
        "https://github.com/acme/copier-orchestrator",
        "git+https://github.com/Acme/Copier-Orchestrator.git",
        "http://x:y@www.github.com/ACME/copier-orchestrator/",
        "git@github.com:acme/copier-orchestrator.git",
        "github.com:Acme/copier-orchestrator",
        "ssh://git@ssh.github.com:443/acme/copier-orchestrator.git",
        "ssh://git@github.com/acme/copier-orchestrator",
        "gh:acme/copier-orchestrator",
    ],
)
def test_all_forms_of_the_templates_address_are_equal(
    written: str, engine: dict[str, ModuleType], tmp_path: Path
) -> None:
    """git reads each from the fetched clone, without a token or a network."""
    template = tmp_path / "template"
    git("init", "--quiet", str(template), cwd=tmp_path)
    commit(template)
    assert engine["common"].place_of(written) == engine["common"].place_of(ADDRESS)
    environment = engine["render"].environment(template, {ADDRESS, written}, tmp_path)
    # Copier passes the address to git in this form.
    given = written.removeprefix("git+").replace("gh:", "https://github.com/")
    asked = ["git", "ls-remote", given, "HEAD"]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    asked[2] = "https://github.com/evil/other"
    done = subprocess.run(asked, env=environment, capture_output=True, text=True)
    assert "transport 'https' not allowed" in done.stderr


@pytest.mark.parametrize(
    "source", ["https://github.com/evil/copier-orchestrator.git", "/tmp/x", "."]
)
def test_no_other_template_is_run(
    source: str, engine: dict[str, ModuleType], tmp_path: Path
) -> None:
    """The answers file of a repository may name any template."""
    text = f"_commit: v1\n_src_path: {source}\ncode_types: []\n"
    (tmp_path / ".copier-answers.yml").write_text(text, encoding="utf-8")
    render = engine["render"]
    found = render.answers_files(tmp_path)
    # A copy is refused, too: it would lose the answers, and the address may be a former one.
    for mode in ("update", "copy"):
        with pytest.raises(
            engine["common"].EngineError,
            match=rf"^answers_file: \S+ names the template {source}; .* now at {ADDRESS},",
        ):
            render.choose_answers_file(mode, "", found, ADDRESS)
    assert render.choose_answers_file("copy", ".copier-answers.ci.yml", found, ADDRESS)


def test_one_of_several_answers_files_is_chosen(engine: dict[str, ModuleType]) -> None:
    choose, error = engine["render"].choose_answers_file, engine["common"].EngineError
    usual, other = ".copier-answers.yml", ".copier-answers.ci.yml"
    ours, theirs = {"_src_path": ADDRESS}, {"_src_path": "gh:acme/other"}
    assert choose("update", "", {other: ours}, ADDRESS) == other
    assert choose("update", "", {usual: theirs, other: ours}, ADDRESS) == other
    assert choose("copy", other, {}, ADDRESS) == other
    for mode, wanted, found, said in (
        ("update", "", {usual: ours, other: ours}, "several"),
        ("update", "", {}, "has no answers file of https"),
        ("update", other, {usual: ours}, "is not there"),
        ("update", other, {usual: ours, other: theirs}, "the template gh:acme/other"),
        ("copy", "", {other: ours}, "there are pipelines already"),
        ("copy", "", {other: theirs, usual: theirs}, "yml names the template gh:acme/other"),
        (
            "update",
            "",
            {other: theirs, usual: theirs},
            rf"{usual} names the template gh:acme/other",
        ),
        ("copy", "", {usual: theirs, other: ours}, "there are pipelines already"),
    ):
        with pytest.raises(error, match=said):
            choose(mode, wanted, found, ADDRESS)


def test_the_template_gets_few_variables(
    engine: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIPELINES_TRANSFER_KEY", "ACTIONS_RUNTIME_TOKEN", "INPUTS", "GITHUB_OUTPUT"):
        monkeypatch.setenv(name, "x")
    seen = engine["render"].environment(tmp_path, {ADDRESS}, tmp_path)
    rest = {name for name in seen if not name.startswith("GIT_")}
    assert rest <= {*engine["render"].KEPT, "HOME"}


HOSTILE = "@acme/everybody `~~~\n~~~\n## Approved\n<img src=x> [click](https://evil.example)\u202e"


def test_text_of_a_report_is_escaped(
    engine: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job that runs the template's code writes the report, so no word of it may be Markdown or
    a mention."""
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    report = engine["propose"].Report.read(
        json.dumps(
            {
                "mode": HOSTILE,
                "answers_file": HOSTILE,
                "before": "v1",
                "now": HOSTILE,
                "conflicts": ["@acme/everybody https://evil.example " + "x" * 80_000, HOSTILE] * 20,
                "changed": [["A", HOSTILE]] * 1000,
                "said": HOSTILE * 2000,
            }
        )
    )
    assert report.branch == "update-pipelines"
    assert report.title == "Update the pipelines from v1 to unknown: 40 conflicts to resolve"
    text = engine["propose"].body(report, "acme/shop", "https://github.com/acme/c/actions/runs/1")
    assert len(text) < 65_536
    # Outside of code blocks, the hostile text does not appear.
    fences, shown = 0, []
    for line in text.splitlines():
        if line.startswith("~~~"):
            fences += 1
        elif fences % 2 == 0:
            shown.append("".join(line.split("`")[::2]))
    assert fences % 2 == 0 and not [line for line in shown if "evil" in line or "@" in line]
    assert "\u202e" not in text
    summed = engine["common"].plain(f"{HOSTILE} https://evil.example www.evil.example")
    assert "\n" not in summed and not re.search(r"https://|www\.|@acme|(?<!\\)[<\[]", summed)
    for broken in ("{", "[]", '{"mode": 1}', '"x"'):
        with pytest.raises(engine["common"].EngineError, match=r"^report\.json: cannot be read"):
            engine["propose"].Report.read(broken)


@pytest.mark.parametrize("kind", ["link", "missing", "large"])
def test_only_plain_files_are_unpacked(
    kind: str, engine: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINES_TRANSFER_KEY", "x" * 32)
    monkeypatch.setattr(engine["transfer"], "LIMIT", 10)
    folder = tmp_path / "packed"
    folder.mkdir()
    match kind:
        case "link":
            (folder / "report.json").symlink_to("/etc/passwd")
        case "large":
            (folder / "report.json").write_text("x" * 11, encoding="utf-8")
    transfer = engine["transfer"]
    transfer.pack(tmp_path / "x.enc", folder)
    with pytest.raises(engine["common"].EngineError, match="holds no plain file report"):
        transfer.take(tmp_path / "x.enc", tmp_path / "taken", ["report.json"])
    monkeypatch.setenv("PIPELINES_TRANSFER_KEY", "y" * 32)
    with pytest.raises(engine["common"].EngineError, match="is PIPELINES_TRANSFER_KEY the same"):
        transfer.unpack(tmp_path / "x.enc", tmp_path / "taken")


def test_a_transferred_repository_is_unchanged(
    engine: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modes and links, too. Otherwise they would be changes in the pull request."""
    monkeypatch.setenv("PIPELINES_TRANSFER_KEY", "x" * 32)
    folder = tmp_path / "shop"
    git("init", "--quiet", str(folder), cwd=tmp_path)
    (folder / "run.sh").write_text("exit\n", encoding="utf-8")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("/no/where")
    commit(folder)
    engine["transfer"].pack(tmp_path / "x.enc", folder)
    engine["transfer"].unpack(tmp_path / "x.enc", tmp_path / "there")
    assert git("status", "--porcelain", cwd=tmp_path / "there") == b""
    assert [file.name for file in tmp_path.glob("x*")] == ["x.enc"]


def test_a_wrong_key_is_named_if_openssl_accepts_it(
    engine: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINES_TRANSFER_KEY", "x" * 32)
    transfer, wrong = engine["transfer"], tmp_path / "wrong"
    wrong.write_bytes(b"what a wrong key makes of an archive")
    transfer._openssl("-e", "-salt", "-in", str(wrong), "-out", str(tmp_path / "x.enc"))
    with pytest.raises(engine["common"].EngineError, match="is PIPELINES_TRANSFER_KEY the same"):
        transfer.unpack(tmp_path / "x.enc", tmp_path / "taken")


def test_conversions_of_git_are_no_change(engine: dict[str, ModuleType], tmp_path: Path) -> None:
    """Line ends that differ from the repository's attributes, and filters of the runner."""
    work_tree = tmp_path / "work"
    git("init", "--quiet", "--initial-branch=trunk", str(work_tree), cwd=tmp_path)
    (work_tree / "old.txt").write_bytes(b"one\r\ntwo\r\n")
    commit(work_tree)
    (work_tree / ".gitattributes").write_text("* text eol=crlf\n*.txt filter=lfs\n", "utf-8")
    git("add", ".gitattributes", cwd=work_tree)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    git(*identity, "commit", "--quiet", "--message", "Attributes", cwd=work_tree)
    folder = tmp_path / "shop"
    made, branch = engine["fetch"].clone_to_render(work_tree.as_uri(), folder, "")
    assert (made, branch) == (git("rev-parse", "HEAD", cwd=work_tree).decode().strip(), "trunk")
    git("add", "--all", "--force", cwd=folder)
    assert git("status", "--porcelain", cwd=folder) == b""


def test_errors_of_a_traceback_are_one_line(engine: dict[str, ModuleType]) -> None:
    reason = engine["render"].reason
    assert reason("\x1b[31mrunner: is wrong\x1b[0m\n") == "runner: is wrong"
    printed = "Traceback (most recent call last):\n  File x\nValueError: no such thing\n"
    assert reason(printed) == "Copier failed: ValueError: no such thing"
    printed += "Stderr: | fatal: no network\n"
    assert reason(printed) == "Copier failed: fatal: no network"
    said = engine["common"]._reason
    assert said("remote: This repository was archived\nfatal: unable to access 'x'") == (
        "This repository was archived; fatal: unable to access 'x'"
    )
    moment = "somebody else has pushed at the same moment; start the run again"
    assert said("remote: error: cannot lock ref 'refs/heads/x'\n ! [rejected]") == moment


@pytest.mark.parametrize("value", ["!!int ''", "!!bool x", "!!timestamp x", "2026-13-45"])
def test_answers_that_are_no_yaml_are_one_line(value: str, engine: dict[str, ModuleType]) -> None:
    with pytest.raises(engine["common"].EngineError, match=r"^answers: is not YAML: "):
        engine["render"].read_answers(f"approval: {value}")


@pytest.mark.parametrize("broken", [http.client.IncompleteRead(b"{"), b"{"])
def test_an_answer_that_breaks_off_is_one_line(
    broken: Exception | bytes, engine: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "https://api.github.com")
    answer = unittest.mock.MagicMock(status=200)
    answer.__enter__.return_value.read.side_effect = [broken]
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: answer)
    with pytest.raises(engine["common"].EngineError, match=r"^GitHub cannot be reached: .*again$"):
        engine["propose"].GitHub("acme/shop", "token").call("GET", "/pulls")


def test_validators_find_nothing_in_the_engine(tmp_path: Path) -> None:
    folder = ENGINE.parent / ".github" / "workflows"
    assert [str(found) for found in validate(ENGINE.parent, persona="auditor")] == []
    text = (folder / "copy-pipelines.yml").read_text(encoding="utf-8")
    bad = text.replace("          permission-contents: read\n", "", 1)
    bad = bad.replace("run: python3 engine/check.py", 'run: echo "${{ inputs.answers }}"')
    target = tmp_path / ".github" / "workflows" / "copy-pipelines.yml"
    target.parent.mkdir(parents=True)
    target.write_text(bad, encoding="utf-8")
    rules = {found.rule for found in validate(tmp_path)}
    assert {"github-app", "template-injection", "expression-in-script"} <= rules


def test_no_job_has_both_a_key_and_the_template() -> None:
    """The security of the engine depends on this rule (docs/decisions)."""
    file = ENGINE.parent / ".github" / "workflows" / "copy-pipelines.yml"
    jobs: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
    kinds = {}
    for name, job in jobs.items():
        text = json.dumps(job)
        kinds[name] = ("PIPELINES_APP_KEY" in text, "render.py" in text or "uv run" in text)
    assert kinds == {"fetch": (True, False), "render": (False, True), "propose": (True, False)}


def test_a_rollout_starts_updates_that_are_due(engine: dict[str, ModuleType]) -> None:
    row = {
        "repository": "acme/shop",
        "answers_file": ".copier-answers.yml",
        "latest": "v2.0.0",
        "may_update": True,
        "ring": "first",
        "reason": "",
    }
    due = engine["start"].due
    assert due([row, {**row, "may_update": False}]) == [
        {
            "repository": "shop",
            "mode": "update",
            "answers": "",
            "version": "v2.0.0",
            "answers_file": ".copier-answers.yml",
        }
    ]
    for wrong in ([{}], [1], None):
        with pytest.raises(engine["common"].EngineError, match=r"^fleet\.json: is not what"):
            due(wrong)


@pytest.mark.parametrize("status, asked", [(403, 2), (422, 4)])
def test_a_rollout_stops_at_the_rate_limit(
    status: int,
    asked: int,
    engine: dict[str, ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A refusal of one repository does not stop the others."""
    calls: list[Any] = []

    def call(_: Any, method: str, path: str, content: Any = None) -> None:
        calls.append(content)
        if len(calls) == 2:
            raise engine["propose"].RefusedError(status, f"GitHub answers {status}")

    start = engine["start"]
    monkeypatch.setattr(start.GitHub, "call", call)
    monkeypatch.setattr(start, "WAIT", 0)
    row = {"answers_file": ".copier-answers.yml", "latest": "v2", "may_update": True}
    rows = [{**row, "repository": f"acme/r{number}"} for number in range(4)]
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["start.py", str(file)])
    for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "TOKEN", "REF"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    missing = 4 - (asked - 1)
    with pytest.raises(
        engine["common"].EngineError,
        match=rf"^{missing} of 4 updates were not started: r1: GitHub answers {status}",
    ):
        start.main()
    assert len(calls) == asked


def test_the_rollout_pins_the_packages_of_fleet(tmp_path: Path) -> None:
    """fleet.py needs no other packages than those of the roll-out."""
    ask = (ENGINE / "ask.py").read_text(encoding="utf-8")
    packages = dict(re.findall(r'"--with", "([a-z]+)==([0-9.]+)"', ask))
    for name, version in packages.items():
        assert importlib.metadata.version(name) == version
    blocked = "import sys; sys.modules |= dict.fromkeys(('copier', 'jinja2')); "
    run = "import runpy; runpy.run_path(sys.argv[1], run_name='fleet')"
    program = str(ROOT / "catalogue" / "fleet.py")
    subprocess.run([sys.executable, "-c", blocked + run, program], check=True)


def test_a_broken_archive_is_one_line(
    engine: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINES_TRANSFER_KEY", "x" * 32)
    plain = tmp_path / "plain"
    with tarfile.open(plain, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("x"), io.BytesIO())
    text = plain.read_bytes()
    plain.write_bytes(text[: len(text) // 2])
    engine["transfer"]._openssl("-e", "-salt", "-in", str(plain), "-out", str(tmp_path / "x.enc"))
    with pytest.raises(engine["common"].EngineError, match=r"x\.enc: (?:cannot be read|holds no)"):
        engine["transfer"].take(tmp_path / "x.enc", tmp_path, ["x"])


@pytest.mark.parametrize("text", ["", 'template = "copier-orchestrator"', "template = 7", None])
def test_a_catalogue_without_a_template_is_one_line(
    text: str | None, engine: dict[str, ModuleType], tmp_path: Path
) -> None:
    """None stands for the file as it is published, without an address."""
    file = tmp_path / "catalogue.toml"
    as_it_comes = ENGINE.parent / "catalogue.toml"
    file.write_text(as_it_comes.read_text("utf-8") if text is None else text, encoding="utf-8")
    with pytest.raises(engine["common"].EngineError, match=r"^catalogue\.toml: "):
        engine["common"].template_address(file)
