"""Code types in a folder of the repository: valid ones are offered and recorded.

A wrong one is refused in one line, and nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier._cli import CopierApp
from copies import copy, tree
from pipeline.own_types import FILE_BYTES, FILES
from pipeline.recorded import edited

FOLDER = ".github/code-types"
ANSWERS = ".copier-answers.yml"
SWIFT = """\
label: Swift
description: Tests with swift test
jobs:
  test: &test
    command: |
      swift build
      swift test
  lint: *test
"""
BILLION = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def repository(folder: Path, files: dict[str, str | bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def recorded(folder: Path) -> Any:
    return yaml.safe_load((folder / ANSWERS).read_text(encoding="utf-8"))


Refusal = Callable[..., str]


@pytest.fixture
def refusal(template: Path, capfd: pytest.CaptureFixture[str]) -> Refusal:
    """The one line that a copy into a repository ends with. The copy writes nothing."""

    def run(folder: Path, *arguments: str) -> str:
        before = tree(folder)
        capfd.readouterr()
        command = ["copier", "copy", "--trust", "--defaults", *arguments]
        _, code = CopierApp.run([*command, str(template), str(folder)], exit=False)
        lines = re.sub(r"\x1b\[[0-9;]*m", "", capfd.readouterr().err).splitlines()
        lines = [line for line in lines if line not in ("", "Copying from template version None")]
        assert code == 1
        assert tree(folder) == before
        assert len(lines) == 1, lines
        assert lines[0].isprintable() and len(lines[0]) < 400
        return lines[0]

    return run


# Case -> the files, `code_types_folder` (or None), and how the line begins.
WRONG: dict[str, tuple[dict[str, str | bytes], str | None, str]] = {
    "no folder": ({}, "types", "code_types_folder: 'types' is no folder of this repository"),
    "a file": ({"types": "x"}, "types", "code_types_folder: 'types' is no folder of this repo"),
    "no .yml": (
        {"types/README.md": "x"},
        "types",
        "code_types_folder: 'types' holds no .yml; add a code type",
    ),
    "another suffix alone": (
        {f"{FOLDER}/go.yaml": SWIFT},
        None,
        f"{FOLDER}/go.yaml: ends with .yaml; rename it to .yml",
    ),
    "another suffix": (
        {f"{FOLDER}/go.yaml": SWIFT, f"{FOLDER}/swift.yml": SWIFT},
        None,
        f"{FOLDER}/go.yaml: ends with .yaml; rename it to .yml",
    ),
    "no YAML": ({"types/go.yml": "label: ["}, "types", "types/go.yml: not YAML: "),
    "a tag": ({"types/go.yml": "!!python/name:os.system"}, "types", "types/go.yml: not YAML: "),
    "no UTF-8": ({"types/go.yml": b"label: \xff"}, "types", "types/go.yml: not YAML: "),
    "too deep": ({"types/go.yml": "[" * 9_000}, "types", "types/go.yml: not YAML: "),
    "a folder": (
        {"types/go.yml/x": ""},
        "types",
        "types/go.yml: is not a file; a code type has to be one",
    ),
    "too big": (
        {"types/go.yml": SWIFT + "#" * FILE_BYTES},
        "types",
        "types/go.yml: is too big; at most 64 KB are allowed",
    ),
    "a billion words": (
        {"types/go.yml": BILLION},
        "types",
        "types/go.yml: holds more than 64 KB; write it shorter",
    ),
    "that holds itself": (
        {"types/go.yml": "&a [*a]"},
        "types",
        "types/go.yml: holds more than 64 KB; write it shorter",
    ),
    "too many": (
        {f"types/t{n}.yml": SWIFT for n in range(FILES + 1)},
        "types",
        "types: holds 51 code types; at most 50 are allowed",
    ),
    "no slug": ({f"{FOLDER}/my go.yml": SWIFT}, None, f"{FOLDER}/my go.yml: 'my go' is not a safe"),
    "by case": (
        {"types/go.yml": SWIFT, "types/Go.yml": SWIFT},
        "types",
        "types/go.yml: its name 'go' collides with 'Go' of types/Go.yml; rename one",
    ),
    "empty": ({"types/go.yml": ""}, "types", "types/go.yml: expected a mapping, not nothing"),
    "file and key": (
        {f"{FOLDER}/swift.yml": SWIFT.replace("command", "tools: [xcode]\n    command", 1)},
        None,
        f"{FOLDER}/swift.yml: jobs.lint.tools: 'xcode' is no tool of this file",
    ),
    "as version 0.1 had it": (
        {f"{FOLDER}/swift.yml": SWIFT.replace("command", "timeout_minutes: 9\n    command", 1)},
        None,
        f"{FOLDER}/swift.yml: jobs.lint.timeout_minutes: take this line out; a component's own "
        "`timeout_minutes` says how long its build and its deployment may take, else 60 minutes",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_code_type_is_refused_with_file_and_key(
    case: str, refusal: Refusal, tmp_path: Path
) -> None:
    files, named, says = WRONG[case]
    arguments = [] if named is None else ["--data", f"code_types_folder={named}"]
    if case == "by case" and (repository(tmp_path / "a", files) / "types" / "GO.yml").exists():
        pytest.skip("this file system has one file for both names")
    line = refusal(
        repository(tmp_path / "repository", files), "--data", "code_types=[python]", *arguments
    )
    assert line.startswith(says)


@pytest.mark.parametrize("what", ["folder", "file"])
def test_nothing_is_read_from_outside(what: str, refusal: Refusal, tmp_path: Path) -> None:
    outside = repository(tmp_path / "outside", {"swift.yml": SWIFT})
    folder = repository(tmp_path / "repository", {"types/go.yml": SWIFT})
    link = folder / ("linked" if what == "folder" else "types/swift.yml")
    link.symlink_to(outside if what == "folder" else outside / "swift.yml")
    named = "linked" if what == "folder" else "types"
    line = refusal(folder, "--data", f"code_types_folder={named}", "--data", "code_types=[swift]")
    name = link.relative_to(folder).as_posix()
    assert line == f"{name}: leads out of the repository; put the file itself here"


def test_an_answer_that_differs_from_the_files_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    folder = repository(tmp_path / "repository", {f"{FOLDER}/swift.yml": SWIFT})
    line = refusal(folder, "--data", "own_code_types={swift: {label: Other}}")
    assert line.startswith(
        f"own_code_types: it differs from the files in {FOLDER}, which are read anyway;"
    )


def test_code_types_in_the_usual_folder_are_offered_and_recorded(
    template: Path, tmp_path: Path
) -> None:
    """No answer names the folder. YAML anchors are expanded in the record."""
    folder = repository(
        tmp_path / "repository",
        {f"{FOLDER}/swift.yml": SWIFT, f"{FOLDER}/schema.json": "{}", f"{FOLDER}/README.md": "x"},
    )
    copy(template, folder, {"code_types": ["swift", "python"]})
    answers = recorded(folder)
    assert answers["code_types"] == ["python", "swift"]
    assert answers["code_types_folder"] == FOLDER
    assert answers["own_code_types"] == {"swift": yaml.safe_load(SWIFT)}
    text = (folder / ANSWERS).read_text(encoding="utf-8")
    assert "command: |\n          swift build\n          swift test\n" in text
    assert "&id" not in text
    assert edited(text.replace("swift build", "swift"), answers) == ["own_code_types.swift"]
    workflow = folder / ".github/workflows/swift-build.yml"
    assert "swift test" in workflow.read_text(encoding="utf-8")


def test_without_code_types_nothing_is_recorded(template: Path, tmp_path: Path) -> None:
    for files in ({}, {f"{FOLDER}/README.md": "Not yet."}):
        folder = repository(tmp_path / f"with-{len(files)}", dict(files))
        copy(template, folder, {"code_types": ["python"]})
        assert not {"code_types_folder", "own_code_types"} & set(recorded(folder))


def test_the_usual_folder_can_be_declined(template: Path, tmp_path: Path) -> None:
    folder = repository(tmp_path / "repository", {f"{FOLDER}/swift.yml": "not: ours"})
    copy(template, folder, {"code_types": ["python"], "code_types_folder": ""})
    assert recorded(folder)["code_types_folder"] == ""
    assert "own_code_types" not in recorded(folder)
    copy(template, folder, {"cloud": "aws"})
    assert recorded(folder)["code_types_folder"] == ""


def test_recorded_code_types_are_used_without_the_folder(template: Path, tmp_path: Path) -> None:
    """The drift check and an update render from the answers alone."""
    folder = repository(tmp_path / "repository", {"ci/swift.yml": SWIFT})
    copy(template, folder, {"code_types": ["swift"], "code_types_folder": "ci"})
    answers = {name: value for name, value in recorded(folder).items() if name[0] != "_"}
    (folder / "ci/swift.yml").unlink()
    assert tree(copy(template, tmp_path / "elsewhere", answers)) == tree(folder)


def test_a_code_type_replaces_the_templates_type_of_that_name(
    template: Path, tmp_path: Path
) -> None:
    """Default dependencies on the name still hold, and docs/ci-cd.md names the replacement."""
    python = SWIFT.replace("Swift", "Our Python")
    folder = repository(tmp_path / "repository", {f"{FOLDER}/python.yml": python})
    copy(template, folder, {"code_types": ["python", "terraform"]})
    text = (folder / ".github/workflows/python-build.yml").read_text(encoding="utf-8")
    assert "swift test" in text and "ruff" not in text
    told = f"The code type python is the one of {FOLDER}/python.yml, not the template's."
    assert told in (folder / "docs/ci-cd.md").read_text(encoding="utf-8")
    orchestrator = folder / ".github/workflows/orchestrator-dev.yml"
    assert "terraform (after python)" in orchestrator.read_text(encoding="utf-8")


def test_components_of_own_code_types_are_found(template: Path, tmp_path: Path) -> None:
    """Their key `detect` works as in the template's code types."""
    swift = SWIFT + "detect: {files: [Package.swift]}\n"
    files = {f"{FOLDER}/swift.yml": swift, "server/Package.swift": "", "app/Package.swift": ""}
    folder = repository(tmp_path / "repository", dict(files))
    copy(template, folder, {})
    assert recorded(folder)["components"] == {
        "app": {"code_type": "swift", "path": "app"},
        "server": {"code_type": "swift", "path": "server"},
    }
