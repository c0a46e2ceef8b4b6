"""Each validator finds errors in bad workflows, and none complains about good ones.

A check that cannot fail is a defect. So each validator has to fail on copies of the good workflows
in `validators/samples`; `validators/samples/bad.yml` lists the changes that make them bad.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import validators
import yaml
from validators import VALIDATORS, Finding, action_inputs, validate, zizmor
from validators.repository import FOLDER

SAMPLES = Path(validators.__file__).with_name("samples")


@dataclass(frozen=True)
class Bad:
    """A case of `bad.yml`, which explains the fields."""

    validator: str
    name: str
    file: str
    replace: str
    by: str
    rule: str
    says: str = ""
    at: str = ""
    reported_in: str = ""
    also: dict[str, str] | None = None

    @property
    def edits(self) -> list[tuple[str, str]]:
        also = [(self.also["replace"], self.also["by"])] if self.also else []
        return [(self.replace, self.by), *also]


BAD = [
    Bad(validator=validator, **case)
    for validator, cases in yaml.safe_load(
        (SAMPLES / "bad.yml").read_text(encoding="utf-8")
    ).items()
    for case in cases
]

# Texts that are no workflow, or only look like one.
NONSENSE = [
    *("", "[]", "3", "jobs: 3", "on: [3]\njobs: {a: 3}", "jobs: {a: {steps: 3}}"),
    *("jobs: {a: {steps: [3]}}", "jobs: {a: {steps: [{uses: 3, with: b, run: [c]}]}}"),
    *("permissions: [a]\njobs: {a: {uses: 3, permissions: {b: [c]}}}", "? [a]\n: b", "a: *b", "\t"),
    "jobs: {a: {uses: ./.github/workflows/a.yml, permissions: [a], concurrency: [b], secrets: 3}}",
    "defaults: 3\njobs: {a: {defaults: {run: 3}, steps: [{run: 'true', shell: 3}, {run: 3}]}}",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the good workflows."""
    return Path(shutil.copytree(SAMPLES, tmp_path / "repository"))


def place(file: str) -> str:
    """The path of a workflow, or of `actions/...`."""
    return f".github/{file}" if file.startswith("actions/") else f"{FOLDER}/{file}"


def write(root: Path, file: str, text: str) -> None:
    path = root / place(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


def edit(root: Path, file: str, old: str, new: str) -> None:
    """Replace the first occurrence of a text, which must be there."""
    text = (root / place(file)).read_text(encoding="utf-8")
    assert old in text
    write(root, file, text.replace(old, new, 1))


def describe(findings: list[Finding]) -> str:
    return "\n".join(map(str, findings)) or "nothing was found"


def test_good_workflows_have_no_findings() -> None:
    found = validate(SAMPLES)
    assert not found, describe(found)


@pytest.mark.parametrize("persona", ["pedantic", "auditor"])
def test_good_workflows_have_no_findings_with_zizmor_as(persona: zizmor.Persona) -> None:
    found = validate(SAMPLES, persona=persona, only=["zizmor"])
    assert not found, describe(found)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.validator}: {bad.name}")
def test_bad_workflow_is_caught(root: Path, bad: Bad) -> None:
    for old, new in bad.edits:
        edit(root, bad.file, old, new)
    found = validate(root, only=[bad.validator])
    file = place(bad.reported_in or bad.file)
    lines = ["", *(root / file).read_text(encoding="utf-8").splitlines()]
    assert any(
        (finding.validator, finding.file, finding.rule) == (bad.validator, file, bad.rule)
        and bad.says in finding.message
        and bad.at in lines[finding.line]
        for finding in found
    ), describe(found)


def test_every_validator_has_bad_workflows() -> None:
    cases = Counter(bad.validator for bad in BAD)
    assert cases.keys() == VALIDATORS.keys()
    assert min(cases.values()) >= 3


@pytest.mark.parametrize("rule", ["string-size", "file-size"])
def test_file_that_is_too_big_is_caught(root: Path, rule: str) -> None:
    edits = {
        "python-dev.yml": ("ref: ${{", f"ref: {'x' * 21_000}${{{{"),
        # A condition is an expression even without braces.
        "orchestrator-dev.yml": ("if: always()", f"if: always(){' || always()' * 2_000}"),
        # Each é has two bytes.
        "terraform-dev.yml": ("jobs:\n", "# é\n" * 110_000 + "jobs:\n"),
    }
    for file, (old, new) in edits.items():
        edit(root, file, old, new)
    found = {
        finding.file for finding in validate(root, only=["expressions"]) if finding.rule == rule
    }
    files = list(edits)[:2] if rule == "string-size" else list(edits)[2:]
    assert found == {f"{FOLDER}/{file}" for file in files}


def caller(*callees: str) -> str:
    """A workflow that calls others."""
    jobs = [f"  j{n}:\n    uses: ./{FOLDER}/{callee}" for n, callee in enumerate(callees)]
    return "\n".join(["on: workflow_call", "jobs:", *jobs])


@pytest.mark.parametrize(("levels", "caught"), [(10, False), (11, True)])
def test_more_than_ten_levels_are_caught(tmp_path: Path, levels: int, caught: bool) -> None:
    for level in range(levels):
        write(tmp_path, f"{level}.yml", caller(*[f"{level + 1}.yml"] * (level + 1 < levels)))
    found = validate(tmp_path, only=["calls"])
    assert [finding.rule for finding in found] == ["levels"] * caught, describe(found)


@pytest.mark.parametrize(("called", "caught"), [(50, False), (51, True)])
def test_more_than_fifty_workflows_are_caught(tmp_path: Path, called: int, caught: bool) -> None:
    # All others call `shared.yml`, which counts once.
    for number in range(1, called):
        write(tmp_path, f"{number}.yml", caller("shared.yml"))
    write(tmp_path, "shared.yml", caller())
    write(tmp_path, "all.yml", caller(*(f"{number}.yml" for number in range(1, called))))
    found = validate(tmp_path, only=["calls"])
    assert [finding.rule for finding in found] == ["called"] * caught, describe(found)


PARTS = """\
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - run: make

      - run: test
  two:
    runs-on: ubuntu-latest
"""


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("", "", ""),
        ("  two:", "  one:", "key-duplicates"),
        ("  two:", "    steps: []\n  two:", "key-duplicates"),
        ("jobs:", "jobs: {}\njobs:", "key-duplicates"),
        ("  two:", "\n\n  two:", "empty-lines"),
        ("\n      - run: test", "\n\n      - run: test", "empty-lines"),
        ("      - run: test", "    # wrong\n      - run: test", "comments-indentation"),
        ("latest\n    steps", "latest \n    steps", "trailing-spaces"),
        ("  two:", "  two", "syntax"),
    ],
)
def test_yamllint_finds_errors_across_the_parts_of_a_file(
    tmp_path: Path, old: str, new: str, rule: str
) -> None:
    write(tmp_path, "a.yml", f"permissions: {{}}\n\n{PARTS.replace(old, new, 1)}")
    assert {f.rule for f in validate(tmp_path, only=["yamllint"])} == ({rule} if rule else set())


def test_each_file_with_the_same_text_has_its_finding(root: Path) -> None:
    edit(root, "python-dev.yml", "persist-credentials: false", "fetch-depth: 1")
    text = (root / FOLDER / "python-dev.yml").read_text(encoding="utf-8")
    files = {f"{FOLDER}/python-dev.yml"}
    for name in ("python-dev.yml", "again.yml", "more.yml"):
        write(root, name, text)
        files.add(f"{FOLDER}/{name}")
        for only in ("zizmor", "expressions"):
            assert {f.file for f in validate(root, only=[only])} == files


def test_a_file_is_audited_again_after_a_failed_audit(root: Path) -> None:
    edit(root, "python-dev.yml", "persist-credentials: false", "fetch-depth: 1")
    write(root, "broken.yml", "on: [\n")
    assert {f.rule for f in validate(root, only=["zizmor"])} == {"unreadable"}
    (root / FOLDER / "broken.yml").unlink()
    assert {f.rule for f in validate(root, only=["zizmor"])} == {"artipacked"}


def test_shellcheck_ignores_scripts_for_other_shells(root: Path) -> None:
    edit(root, "python-dev.yml", "shell: bash", "shell: pwsh")
    edit(root, "python-dev.yml", "run: zip", "run: $Unused = `zip")
    assert not validate(root, only=["shellcheck"])
    edit(root, "python-dev.yml", "shell: pwsh", "shell: bash")
    assert validate(root, only=["shellcheck"])


def test_expression_in_a_script_does_not_confuse_shellcheck(root: Path) -> None:
    edit(root, "python-dev.yml", "pip install ruff", "echo \"${{ fromJSON('{\"a\": 1}')['a'] }}\"")
    assert not validate(root, only=["shellcheck"])


def test_error_of_a_called_workflow_is_reported_once(root: Path) -> None:
    # GitHub's service also reports it for every caller, with the line of the called workflow.
    edit(root, "component-preflight.yml", "timeout-minutes: 5", "timeout-minutes: soon")
    found = validate(root, only=["github_parser"])
    assert [finding.file for finding in found] == [f"{FOLDER}/component-preflight.yml"]


def test_strictest_persona_reports_more(root: Path) -> None:
    edit(root, "terraform-dev.yml", " # logs in to the cloud", "")
    assert not validate(root, only=["zizmor"])
    rules = {finding.rule for finding in validate(root, persona="auditor", only=["zizmor"])}
    assert rules == {"undocumented-permissions"}


def test_zizmor_reads_the_configuration_of_the_repository(root: Path) -> None:
    edit(root, "python-dev.yml", "persist-credentials: false", "fetch-depth: 1")
    assert {finding.rule for finding in validate(root, only=["zizmor"])} == {"artipacked"}
    own = "rules: {artipacked: {disable: true}}\n"
    (root / ".github" / "zizmor.yml").write_text(own, encoding="utf-8")
    assert not validate(root, only=["zizmor"])


def test_ignored_file_is_audited(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".gitignore").write_text(".github/\n", encoding="utf-8")
    edit(root, "python-dev.yml", "persist-credentials: false", "fetch-depth: 1")
    assert validate(root, only=["zizmor"])


def test_nonsense_is_reported_without_a_crash(tmp_path: Path) -> None:
    files = [f"{number}.yml" for number in range(len(NONSENSE))]
    for file, text in zip(files, NONSENSE, strict=True):
        write(tmp_path, file, text)
    write(tmp_path, "caller.yml", caller(*files))
    reported = {finding.file for finding in validate(tmp_path)}
    assert reported >= {f"{FOLDER}/{file}" for file in files}


def test_repository_without_workflows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        validate(tmp_path)


def test_recorded_actions_are_well_formed() -> None:
    for name, action in action_inputs.recorded().items():
        assert re.fullmatch(r"[0-9a-f]{40}", action["sha"]), name
        assert re.fullmatch(r"v\d+\.\d+\.\d+", action["version"]), name
        assert set(action["inputs"].values()) <= {True, False, "deprecated"}, name


def test_finding_reads_like_a_compiler_error() -> None:
    assert str(Finding("schema", "a.yml", 3, "rule", "what")) == "a.yml:3: what [schema: rule]"
    assert str(Finding("schema", "a.yml", 0, "rule", "what")) == "a.yml: what [schema: rule]"
