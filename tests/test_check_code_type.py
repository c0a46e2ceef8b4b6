"""`dev.py check` finds nothing in good code types. In bad ones it finds each class of error, with
file, line and job."""

from __future__ import annotations

import re
from pathlib import Path

import check_code_type
import pytest
from check_code_type import Report, check, main, read, run, run_sample
from toolbox import ROOT
from validators import action_inputs

DOCS = ROOT / "docs" / "code-types.md"
ONCE = {"clouds": ["none"], "orchestrations": ["call"]}


def code_type(folder: Path, text: str, name: str = "swift") -> Path:
    file = folder / f"{name}.yml"
    file.write_text(text, encoding="utf-8")
    return file


GOOD = """\
Schema       swift.yml is the code type swift: Swift
Generated    1 repositories (1 clouds, 1 orchestrations), 1 of them different
Validators   github_parser, actionlint, shellcheck, zizmor, schema, yamllint, action_inputs, \
expressions, permissions, calls: nothing found
Push, none   success
  part lint          success
  part test          success
    swift test
  part build         success
    swift build --configuration release
  part deploy        success
    ship
Pull request success
  part lint          success
  part test          success
    swift test
  part build         success
    swift build --configuration release

Nothing is wrong with it."""


def test_the_example_of_the_docs_is_good(tmp_path: Path) -> None:
    """The report is the same on every machine and at any time."""
    [example] = re.findall(
        r"```yaml\n(# yaml-language-server.*?)```", DOCS.read_text("utf-8"), re.S
    )
    assert re.search(r"^# yaml-language-server: \$schema=\S+/code_types/schema\.json\n", example)
    tests = tmp_path / "files" / "Tests"
    tests.mkdir(parents=True)
    (tests / "app.swift").write_text("", encoding="utf-8")
    report = check(code_type(tmp_path, example), tests.parent, **ONCE)
    assert str(report) == GOOD
    shown = re.findall(r"```text\n(Push, none .*?)```", DOCS.read_text("utf-8"), re.S)
    assert [text.strip() in GOOD for text in shown] == [True]


BAD = """\
label: Bad
description: Everything is wrong with it
produces: [app]
tools:
  unpinned: |
    - name: Set up Swift
      uses: swift-actions/setup-swift@v2
  own: |
    - name: Set up something of ours
      uses: acme/setup@cccccccccccccccccccccccccccccccccccccccc # v1.2.3
      with:
        version: 3
  injected: |
    - name: Say why
      run: echo "${{ github.head_ref }}"
  idle: |
    - run: echo "Never"
setup:
  description: Sets up what nobody needs
  script: echo "Never"
functions:
  idle: |
    idle() { echo "Never"; }
jobs:
  lint:
    tools: [unpinned]
    command: swiftlint $OPTIONS
  test:
    tools: [own]
    command: |
      swift test
      ./scripts/integration --all
  security:
    tools: [injected]
    command: swift scan
  deploy:
    command: |
      curl --fail "$ACTIONS_ID_TOKEN_REQUEST_URL" > token
products:
  app: |
    echo "There is nothing to build"
"""
# An error -> the finding for it.
FOUND = {
    "a tool of no job": "bad.yml: tools.idle: no job sets it up; drop it, or name it in `jobs`",
    "a function of no command": "bad.yml: functions.idle: no command calls it; drop it",
    "an unpinned action": "bad.yml:7: job lint: swift-actions/setup-swift@v2 is not pinned to a "
    "SHA [action_inputs: unpinned]",
    "shellcheck": "bad.yml:27: job lint: Double quote to prevent globbing and word splitting. "
    "[shellcheck: SC2086]",
    "an expression": "bad.yml:15: job security: an expression inside `run:` "
    "[expressions: expression-in-script]",
    "permissions": "bad.yml:38: job deploy: `ACTIONS_ID_TOKEN_REQUEST_URL` needs the permission "
    "`id-token: write`; say `identity: true` of the job, or `cloud: true`",
    "a command that fails": "bad.yml:32: job test: `./scripts/integration --all` failed: "
    "./scripts/integration: No such file or directory",
    "a set-up of no job": "bad.yml: setup: no job names it among its `tools`; drop it, or name it "
    "there",
}


def test_each_error_is_found(tmp_path: Path) -> None:
    report = check(code_type(tmp_path, BAD, "bad"), **ONCE)
    for what, line in FOUND.items():
        assert line in report.findings, what
    # All other findings are about the same lines.
    lines = {re.split(r":\D", finding)[0] for finding in report.findings}
    assert lines == {re.split(r":\D", line)[0] for line in FOUND.values()}
    assert set(report.notes) == {
        "acme/setup is not in action_inputs.yml, so its inputs are not checked, and it does "
        "nothing in the run"
    }


def test_an_action_of_the_template_needs_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "acme/setup is not in action_inputs.yml: the tests need its record, see CONTRIBUTING.md"
    file = code_type(tmp_path, BAD, "bad")
    monkeypatch.setattr(check_code_type, "OURS", file.parent.resolve())
    monkeypatch.setattr(check_code_type, "VALIDATORS", {"action_inputs": action_inputs.check})
    monkeypatch.setattr(check_code_type, "run", lambda *_: None)
    assert line in check(file, **ONCE).findings


LEFT = """\
label: Left
description: Its stubs leave nothing
produces: [made]
jobs:
  lint: {command: make sure}
products:
  made: make all
  missing: |
    echo "There is nothing to build"
"""


def test_a_missing_product_is_found_if_no_tool_was_called(template: Path, tmp_path: Path) -> None:
    """If a tool was to make the product, the check makes it instead."""
    subject, report = read(code_type(tmp_path, LEFT, "left")), Report()
    run(subject, template, tmp_path / "run", "none", None, report)
    assert report.notes == ["part: made was made by the check, because stubs make nothing"]
    assert report.findings == [
        "left.yml:8: part-2, build, 'Keep the package': the build did not write missing in part-2: "
        "let the build write it, or change `produces`"
    ]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("bad", BAD.replace("tools: [own]", "tools: [owm]"), "bad.yml: jobs.test.tools: 'owm' is"),
        ("bad", BAD.replace("label", "lable"), "bad.yml: unknown key 'lable'; did you mean"),
        ("bad", "label: [", "bad.yml: not YAML: "),
        ("not good", BAD, "not good.yml: 'not good' is not a safe name"),
    ],
)
def test_an_error_against_the_schema_is_found_with_its_key(
    name: str, text: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(code_type(tmp_path, text, name))]) == 1
    out = capsys.readouterr().out
    assert f"\n  {line}" in out
    assert out.endswith("\n1 finding\n")


def test_an_unknown_name_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pyhton"]) == 2
    assert capsys.readouterr().err.startswith("pyhton: is no file, and none of: cdk, docker, ")


def test_a_code_type_of_the_template_is_good() -> None:
    """All are checked by hand before a release: `dev.py check NAME`. This one takes no package of
    the component before, makes something for each environment, and has a plan."""
    kubernetes = ROOT / "code_types" / "kubernetes.yml"
    report = check(kubernetes, clouds=["none"], orchestrations=["dispatch"])
    assert report.findings == []
    text = str(report)
    for name in ("dev", "prd"):
        assert f"\n    uvx kubernetes-validate@1.37.0 --strict rendered/{name}.yaml\n" in text
    assert "  part deploy        success\n    kubectl apply --filename rendered/dev.yaml\n" in text


def test_a_sample_runs_for_real(template: Path, tmp_path: Path) -> None:
    """The commands run with the machine's tools, and the package has their product."""
    text = r"""label: Words
description: Counts words
produces: [count.txt]
jobs:
  test: {command: "test \"$(tr '[:lower:]' '[:upper:]' < words.txt)\" = \"A B\""}
products:
  count.txt: wc -w < words.txt > "$NAME"
"""
    sample = tmp_path / "sample"
    sample.mkdir()
    (sample / "words.txt").write_text("a b\n", encoding="utf-8")
    subject = read(code_type(tmp_path, text.replace("$NAME", "count.txt"), "words"))
    report = Report()
    run_sample(subject, template, tmp_path / "run", sample, report)
    assert report.findings == []
    assert report.lines == [
        "Sample       success",
        "  part test          success",
        "  part build         success",
        "  part-package-pull-request holds count.txt",
    ]
