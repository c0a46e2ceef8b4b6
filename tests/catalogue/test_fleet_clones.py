"""fleet.py with a folder of clones, without a network, and with the template's own drift check."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fleet_github import ADDRESS, answers, files
from fleet_program import FILE, FLEET
from offline_github.repository import git
from toolbox import ROOT

Capture = pytest.CaptureFixture[str]


def commit(folder: Path, *tags: str) -> None:
    git("add", "--all", cwd=folder)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    git(*identity, "commit", "--quiet", "--allow-empty", "--message", "x", cwd=folder)
    for tag in tags:
        git("tag", tag, cwd=folder)


def clone(folder: Path, origin: str | None, content: dict[str, str | None]) -> Path:
    git("init", "--quiet", "--initial-branch=main", str(folder), cwd=folder.parent)
    if origin:
        git("remote", "add", "origin", origin, cwd=folder)
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text or "", encoding="utf-8")
    return folder


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A clone of a template with two releases."""
    folder = clone(tmp_path / "template", f"{ADDRESS}.git", {"copier.yml": "{}"})
    for version in ("v0.1.0", "v0.2.0"):
        commit(folder, version)
    return folder


@pytest.fixture
def clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # git must not use the network.
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    monkeypatch.setattr(FLEET.OPENER, "open", None)
    monkeypatch.delenv("GH_TOKEN", raising=False)
    folder = tmp_path / "clones"
    folder.mkdir()
    return folder


def told(clones: Path, capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
    assert FLEET.main(["--clones", str(clones), "--json", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_clones(clones: Path, template: Path, capsys: Capture) -> None:
    (clones / "acme").mkdir()
    clone(clones / "acme" / "here", "git@github.com:Acme/shop.git", files(answers("v0.1.0"), "dev"))
    clone(clones / "local", None, files(answers("v0.2.0", str(template))))
    clone(clones / "relative", None, files(answers("v0.2.0", "../../template")))
    clone(clones / "moved", "https://x:secret@git.acme.example/a/b/moved", files(answers("v0.1.0")))
    clone(clones / "other", None, files(answers("v0.1.0", "https://github.com/acme/other")))
    outside = clones.parent / "secret.yml"
    outside.write_text("secret: [\n", encoding="utf-8")
    linked = clone(clones / "linked", None, {"README.md": "x"})
    (linked / ".copier-answers.yml").symlink_to(outside)
    (clone(clones / "loop", None, {}) / ".copier-answers.yml").symlink_to(".copier-answers.yml")
    large = clone(clones / "large", None, {".copier-answers.yml": "# " + "x" * 1_000_000})
    (large / ".copier-answers.x.yml").write_bytes(b"\xff\xfe")
    (clones / "no-clone").mkdir()
    (clones / "no-clone" / ".copier-answers.yml").write_text("a: [", encoding="utf-8")
    rows = told(clones, capsys, "--template", str(template))
    assert [(r["repository"], r["url"], r["state"], r["reason"][:14]) for r in rows] == [
        ("large", None, "broken", "is not UTF-8; "),
        ("large", None, "broken", "is too large; "),
        ("linked", None, "broken", "is a link; rep"),
        ("loop", None, "broken", "is a link; rep"),
        ("a/b/moved", "https://git.acme.example/a/b/moved", "behind", "1 newer: v0.2."),
        ("Acme/shop", "https://github.com/Acme/shop", "behind", "1 newer: v0.2."),
        ("local", None, "current", ""),
        ("relative", None, "current", ""),
    ]
    assert all(row["deployments"] is None and row["drift"] is None for row in rows)


def test_the_template_may_be_one_of_the_clones(
    clones: Path, template: Path, capsys: Capture
) -> None:
    clone(clones / "shop", None, files(answers("v0.1.0")))
    shutil.move(template, clones / "pipelines-template")
    for address in (ADDRESS, "git@github.com:acme/pipelines-template"):
        [row] = told(clones, capsys, "--template", address)
        assert (row["repository"], row["latest"], row["behind"]) == ("shop", "v0.2.0", 1)


def test_a_commit_is_compared_by_its_place_in_the_history(
    clones: Path, template: Path, capsys: Capture
) -> None:
    sha = git("rev-parse", "v0.1.0", cwd=template).decode()[:7]
    clone(clones / "shop", None, files(answers(sha)))
    commit(template)
    clone(clones / "after", None, files(answers(f"v0.2.0-1-g{sha}")))
    rows = told(clones, capsys, "--template", str(template), "--template", ADDRESS)
    assert [(row["state"], row["behind"]) for row in rows] == [("behind", 1), ("current", 0)]


WRONG = {
    "no-clones": (["--template", "{t}"], "--clones {c}: holds no clone; clone the repositories..."),
    "no-folder": (
        ["--template", "{t}", "--clones", "{c}/x"],
        "--clones {c}/x: is no folder; name the one with the clones",
    ),
    "no-git": (
        ["--template", "{c}"],
        "--template {c}: is no git repository with a commit: fatal: ...; name a clone of the...",
    ),
    "rings": (
        ["--template", "{t}", "--rings", "{c}/rings.yml"],
        "--rings needs --organisation NAME: only GitHub knows what was deployed",
    ),
    "no-drift": (
        ["--template", "{t}", "--drift", "--clones", "{t}/.."],
        "--template {t}: its hooks/drift.py cannot be read: fatal: ...; name a...",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_is_one_line(name: str, clones: Path, template: Path, capsys: Capture) -> None:
    arguments, says = WRONG[name]
    (clones / "rings.yml").write_text("rings: [{name: a, others: true}]\n", encoding="utf-8")
    clone(clones.parent / "shop", None, files(answers("v0.1.0")))
    places = {"c": str(clones), "t": str(template)}
    given = ["--clones", str(clones), *(x.format(**places) for x in arguments)]
    if "--clones" in arguments:
        del given[:2]
    assert FLEET.main(given) == 2
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    pattern = ".*".join(re.escape(part) for part in says.format(**places).split("..."))
    assert out == "" and re.fullmatch(f"fleet\\.py: {pattern}", line), line


def test_drift_runs_only_the_given_template(
    clones: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address in an answers file does not matter."""
    program = (
        "import os, pathlib, subprocess, sys, yaml\n"
        "assert 'GH_TOKEN' not in os.environ\n"
        "name = sys.argv[-1]\n"
        "answers = yaml.safe_load(pathlib.Path(name).read_text())\n"
        "address = answers['_src_path'].removeprefix('git+')\n"
        "if address.startswith('gh:'):\n"
        "    address = 'https://github.com/' + address[3:] + '.git'\n"
        "done = subprocess.run(['git', 'ls-remote', address, 'refs/tags/v0.1.0'],\n"
        "                      capture_output=True, text=True)\n"
        "last = 'Drift from v0.1.0: 1 edited (allowed: behind)'\n"
        "print('edited: x\\n' + last if 'v0.1.0' in done.stdout else done.stderr)\n"
        "sys.exit({'none': 0, 'wrong': 2}.get(pathlib.Path.cwd().name, 1))\n"
    )
    template = clone(tmp_path / "template", ADDRESS, {"hooks/drift.py": program})
    commit(template)
    sha = git("rev-parse", "HEAD", cwd=template).decode().strip()
    (template / "releases.yml").write_text(f"v0.1.0: {sha}\n", encoding="utf-8")
    commit(template)
    sources = {
        "https": ADDRESS,
        "ssh": "git@github.com:Acme/pipelines-template.git",
        "short": "gh:acme/pipelines-template",
        "plus": "git+ssh://git@github.com/acme/pipelines-template",
        "none": ADDRESS,
        "wrong": ADDRESS,
        "other": "https://github.com/acme/other",
    }
    for name, source in sources.items():
        clone(clones / name, None, files(answers("v0.1.0", source)))
    clone(clones / "broken", None, files("a: ["))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(FLEET.tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("GH_TOKEN", "a-token")
    rows = told(clones, capsys, "--template", str(template), "--drift")
    assert [(row["repository"], row["state"], row["drift"]) for row in rows] == [
        ("broken", "broken", None),
        *((name, "edited", "1 edited") for name in ("https", "plus", "short", "ssh")),
        ("none", "current", "none"),
        ("wrong", "current", "unknown: drift.py failed"),
    ]
    assert list(temporary.iterdir()) == []


def test_drift_by_the_real_template(
    clones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The answers name an address on GitHub, and the template is a folder on this machine."""
    import copier
    from copies import export_template

    template = export_template(tmp_path / "template")
    git("init", "--quiet", "--initial-branch=main", cwd=template)
    git("remote", "add", "origin", ADDRESS, cwd=template)
    commit(template, "v0.1.0")
    folder = clones / "shop"
    copier.run_copy(
        str(template),
        folder,
        data={"code_types": ["python"], "branching": "trunk"},
        defaults=True,
        unsafe=True,
        quiet=True,
        skip_tasks=True,
    )
    git("init", "--quiet", cwd=folder)
    file = folder / ".copier-answers.yml"
    text = file.read_text(encoding="utf-8").replace(str(template), f"{ADDRESS}.git")
    file.write_text(text, encoding="utf-8")
    with (folder / ".github/workflows/python-build.yml").open("a") as workflow:
        workflow.write("env: {}\n")
    commit(template, "v0.2.0")
    monkeypatch.setenv("COPIER_CACHE_DIR", str(tmp_path / "cache"))
    rows = told(clones, capsys, "--template", str(template), "--drift")
    assert [(row["state"], row["behind"], row["drift"], row["reason"]) for row in rows] == [
        ("edited", 1, "1 edited", "1 edited; 1 newer: v0.2.0; see docs/drift.md"),
    ]
    assert not (tmp_path / "cache").exists(), "it is Copier's own, for the real address"


def test_the_file_runs_alone(clones: Path, template: Path, tmp_path: Path) -> None:
    """In a folder without other files, with the packages that Copier depends on."""
    alone = shutil.copy(FILE, tmp_path / "fleet.py")
    clone(clones / "shop-☂", None, files(answers("v0.1.0")))
    done = subprocess.run(
        [sys.executable, alone, "--clones", clones, "--template", template],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "STATE   REPOSITORY  VERSION  BEHIND  REASON",
        "behind  shop-☂      v0.1.0   1       1 newer: v0.2.0",
        "1 repository: 1 behind; newest v0.2.0",
    ]


def test_its_header_lists_its_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = FILE.read_text(encoding="utf-8")
    block = re.match(r"# /// script\n((?:# .*\n)+)# ///\n", text)
    assert block
    header = tomllib.loads(re.sub(r"^# ", "", block[1], flags=re.MULTILINE))
    assert header["requires-python"] == project["requires-python"]
    assert header["dependencies"] == project["dependencies"][:2]
    imported = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))
    # Copier depends on both.
    assert imported - set(sys.stdlib_module_names) == {"yaml", "packaging"}


def test_its_constants_match_drift() -> None:
    text = (ROOT / "hooks" / "drift.py").read_text(encoding="utf-8")
    assert 'ANSWERS = {"code_types", "components"}' in text
    assert {"code_types", "components"} == FLEET.ANSWERS
    assert f'NUMBERS = r"{FLEET.NUMBERS.pattern}"' in text
