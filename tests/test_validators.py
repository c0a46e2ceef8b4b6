"""Each validator catches bad workflows, and none complains about good ones.

A check that cannot fail is a defect: so every validator is shown to fail, on copies of the good
workflows in `validators/samples` in each of which one thing was made wrong.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import validators
from validators import VALIDATORS, Finding, action_inputs, repository, validate, zizmor

SAMPLES = Path(validators.__file__).with_name("samples")

ORCHESTRATOR = "orchestrator-dev.yml"
FOLLOWER = "orchestrator-prd.yml"
PYTHON = "python-dev.yml"
TERRAFORM = "terraform-dev.yml"
PREFLIGHT = "component-preflight.yml"

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
PIN = "3d3c42e5aac5ba805825da76410c181273ba90b1"


@dataclass(frozen=True)
class Bad:
    """One edit of a sample that makes it bad, and how that must be reported.

    `says` is a part of the message, `at` of the line that is reported; `reported_in` is the file
    of the finding where that is not the edited one.
    """

    validator: str
    name: str
    file: str
    old: str
    new: str
    rule: str
    says: str = ""
    at: str = ""
    reported_in: str = ""


def github(name: str, file: str, old: str, new: str, says: str, at: str = "", **more: str) -> Bad:
    return Bad("github_parser", name, file, old, new, more.pop("rule", "error"), says, at, **more)


CALL_PYTHON = "uses: ./.github/workflows/python-dev.yml\n"
NEEDS_PYTHON = "needs: [python-dev]\n"
RUN_LINT = "          pip install ruff\n"

GITHUB_PARSER = [
    github(
        "input that the callee lacks",
        *(ORCHESTRATOR, "packages: this-run\n    secrets", "colour: red\n    secrets"),
        *("Invalid input, colour is not defined", "colour: red"),
    ),
    github(
        "input that the callee requires",
        *(PYTHON, "      commit: ${{ inputs.commit }}\n", ""),
        *("Input commit is required", "uses: ./.github/workflows/component-preflight.yml"),
    ),
    github(
        "secret that the callee lacks",
        *(ORCHESTRATOR, NEEDS_PYTHON, NEEDS_PYTHON + "    secrets: {NOPE: '${{ secrets.A }}'}\n"),
        "Invalid secret, NOPE is not defined",
    ),
    github(
        "secret that the callee requires",
        *(TERRAFORM, "    outputs:\n", "    secrets:\n      KEY: {required: true}\n    outputs:\n"),
        *("Secret KEY is required", "uses: ./.github/workflows/terraform-dev.yml"),
        reported_in=ORCHESTRATOR,
    ),
    github(
        "callee that is not there",
        *(ORCHESTRATOR, CALL_PYTHON, "uses: ./.github/workflows/python-tset.yml\n"),
        "Unable to find reusable workflow",
    ),
    github(
        "callee that cannot be called",
        *(TERRAFORM, "  workflow_call:\n", "  workflow_dispatch:\n"),
        *("workflow_call key is not defined", "uses: ./.github/workflows/terraform-dev.yml"),
        reported_in=ORCHESTRATOR,
    ),
    github(
        "unknown job in needs",
        *(ORCHESTRATOR, NEEDS_PYTHON, "needs: [pyhton-dev]\n"),
        *("depends on unknown job 'pyhton-dev'", "needs: [pyhton-dev]"),
    ),
    github(
        "cycle of jobs",
        *(ORCHESTRATOR, CALL_PYTHON, CALL_PYTHON + "    needs: [terraform-dev]\n"),
        "creates a cycle",
    ),
    github(
        "output that the callee lacks",
        *(ORCHESTRATOR, "outputs.artifact-name }}", "outputs.artifact-nmae }}"),
        *("Context access might be invalid: artifact-nmae", "PACKAGE:"),
        rule="warning",
    ),
    github(
        "job that is not needed",
        *(PYTHON, "needs: [preflight, lint]", "needs: [lint]"),
        *("Context access might be invalid: preflight", "ref:"),
        rule="warning",
    ),
    github(
        "unknown step",
        *(PREFLIGHT, "commit: ${{ steps.commit.", "commit: ${{ steps.comit."),
        "Context access might be invalid: comit",
        rule="warning",
    ),
    github(
        "unknown function",
        *(ORCHESTRATOR, "toJSON(needs)", "asJSON(needs)"),
        *("Unrecognized function: 'asJSON'", "NEEDS:"),
    ),
    github(
        "context that is not there",
        *(PYTHON, "    environment: dev", "    environment: ${{ secrets.ENVIRONMENT }}"),
        "Unrecognized named-value: 'secrets'",
    ),
    github(
        "environment of a calling job",
        *(ORCHESTRATOR, CALL_PYTHON, CALL_PYTHON + "    environment: dev\n"),
        *("Unexpected value 'environment'", "environment: dev"),
    ),
    github(
        "time limit of a calling job",
        *(ORCHESTRATOR, CALL_PYTHON, CALL_PYTHON + "    timeout-minutes: 5\n"),
        "Unexpected value 'timeout-minutes'",
    ),
    github(
        "unknown permission",
        *(PYTHON, "      contents: read # compares", "      content: read # compares"),
        "Unexpected value 'content'",
    ),
    github(
        "the caller's errors stay in its file",
        *(PREFLIGHT, "timeout-minutes: 5", "timeout-minutes: soon"),
        *("Unexpected value 'soon'", "timeout-minutes: soon"),
    ),
]

ACTIONLINT = [
    Bad(
        *("actionlint", "unknown context", ORCHESTRATOR, "toJSON(needs)", "toJSON(need)"),
        *("expression", 'undefined variable "need"', "NEEDS:"),
    ),
    Bad(
        *("actionlint", "property that is not there", PYTHON, "inputs.commit }}", "inputs.comit }}"),
        *("expression", 'property "comit" is not defined'),
    ),
    Bad(
        *("actionlint", "unknown runner", PYTHON, "runs-on: ubuntu-latest", "runs-on: ubuntu-lates"),
        *("runner-label", '"ubuntu-lates" is unknown', "runs-on:"),
    ),
    Bad(
        *("actionlint", "condition that is always true", ORCHESTRATOR),
        *("    if: always()", "    if: ${{ always() }} && false"),
        *("if-cond", "always evaluated to true"),
    ),
    Bad(
        *("actionlint", "duplicate step id", PYTHON, "      - name: Lint\n"),
        "      - run: 'true'\n        id: lint\n      - name: Lint\n        id: lint\n",
        *("id", "duplicate"),
    ),
    Bad(
        *("actionlint", "unknown shell", PYTHON, "shell: bash", "shell: bsh"),
        *("shell-name", '"bsh" is invalid'),
    ),
    Bad(
        *("actionlint", "unknown key", PYTHON, "overwrite: true", "overwrite: true\n        wiht: 1"),
        *("syntax-check", 'unexpected key "wiht"', "wiht: 1"),
    ),
]

SHELLCHECK = [
    Bad(
        *("shellcheck", "unquoted variable", PYTHON, '"$part" "$STAGE"', '"$part" $STAGE'),
        *("SC2086", "deploy, 'Deploy': Double quote", "$STAGE"),
    ),
    Bad(
        *("shellcheck", "unused variable, one line", PYTHON, "run: zip -r", "run: unused=1; zip -r"),
        *("SC2034", "build, 'Build': unused", "run: unused=1"),
    ),
    Bad(
        *("shellcheck", "style", PYTHON, RUN_LINT, RUN_LINT + '          echo "`date`"\n'),
        *("SC2006", "legacy backticks", "date"),
    ),
    Bad(
        *("shellcheck", "script that does not parse", PYTHON, "          done\n", ""),
        *("SC1073", "parse"),
    ),
    Bad(
        *("shellcheck", "bash under sh as default", TERRAFORM, "        shell: bash\n"),
        "        shell: sh\n",
        *("SC3010", "[[ ]]", "[[ -f"),
    ),
    Bad(
        *("shellcheck", "cd that may fail unnoticed", PYTHON, "        shell: bash\n"),
        "        shell: bash {0}\n",
        *("SC2164", "cd", "cd build"),
    ),
]

ZIZMOR = [
    Bad(
        *("zizmor", "expression in a script", PYTHON, "pip install ruff"),
        *("echo ${{ github.head_ref }}", "template-injection", "", "github.head_ref"),
    ),
    Bad(
        *("zizmor", "credentials are kept", PYTHON, "          persist-credentials: false\n", ""),
        *("artipacked", "", "actions/checkout"),
    ),
    Bad("zizmor", "unpinned action", PYTHON, f"{PIN} # v7.0.1", "v7", "unpinned-uses"),
    Bad(
        *("zizmor", "all permissions", PYTHON, "permissions: {}\n", "permissions: write-all\n"),
        *("excessive-permissions", "", "permissions: write-all"),
    ),
    Bad(
        *("zizmor", "trigger without its reason", FOLLOWER, " # zizmor: ignore[dangerous-triggers]"),
        *(" #", "dangerous-triggers", "workflow_run"),
    ),
    Bad(
        *("zizmor", "all secrets without the reason", ORCHESTRATOR),
        *(" # zizmor: ignore[secrets-inherit]", " #", "secrets-inherit"),
    ),
    Bad("zizmor", "file that it cannot read", PYTHON, "jobs:\n", "jobs: [\n", "unreadable"),
]

SCHEMA = [
    Bad(
        *("schema", "time that is no number", PYTHON, "timeout-minutes: 10"),
        *("timeout-minutes: soon", "schema", "timeout-minutes", "timeout-minutes: soon"),
    ),
    Bad(
        *("schema", "unknown key of a step", PYTHON, "        shell: bash\n", "        shel: bash\n"),
        *("schema", "'shel' was unexpected"),
    ),
    Bad("schema", "unknown event", PYTHON, "  workflow_call:\n", "  workflow_cal:\n", "schema", "on"),
    Bad("schema", "job without steps", PYTHON, "    steps:\n", "    stesp:\n", "schema", "jobs"),
    Bad("schema", "file that does not parse", PYTHON, "jobs:\n", "jobs: [\n", "parse"),
]

YAMLLINT = [
    Bad("yamllint", "indentation", PYTHON, RUN_LINT, "  " + RUN_LINT, "syntax"),
    Bad(
        *("yamllint", "indentation of a list", PYTHON, "      - uses: actions/setup-python"),
        *("        - uses: actions/setup-python", "syntax"),
    ),
    Bad(
        *("yamllint", "indentation of a map", PYTHON, "    - name: Build\n", "    -   name: Build\n"),
        *("syntax",),
    ),
    Bad(
        *("yamllint", "duplicate key", PYTHON, "    environment: dev\n"),
        *("    environment: dev\n    environment: prd\n", "key-duplicates", "", "environment: prd"),
    ),
    Bad(
        *("yamllint", "trailing space", PYTHON, RUN_LINT, RUN_LINT.replace("\n", " \n")),
        *("trailing-spaces", "", "pip install"),
    ),
    Bad("yamllint", "word that is a truth", PYTHON, "overwrite: true", "overwrite: yes", "truthy"),
    Bad(
        *("yamllint", "map in braces", PYTHON, "    environment: dev\n"),
        *("    environment: {name: dev}\n", "braces"),
    ),
    Bad("yamllint", "comment without a space", PYTHON, " # checks the", " #checks the", "comments"),
    Bad("yamllint", "line ends of Windows", PYTHON, "permissions: {}\n", "\r\n", "new-lines"),
]

ACTION_INPUTS = [
    Bad("action_inputs", "tag", PYTHON, f"{PIN} # v7.0.1", "v7", "unpinned", "@v7", "checkout@v7"),
    Bad(
        *("action_inputs", "branch of another repository", ORCHESTRATOR, CALL_PYTHON),
        *("uses: owner/name/.github/workflows/x.yml@main\n", "unpinned", "@main"),
    ),
    Bad(
        *("action_inputs", "local action", PYTHON, CHECKOUT, "./.github/actions/checkout"),
        *("local-action", "checked out"),
    ),
    Bad(
        *("action_inputs", "action that is not recorded", PYTHON, "actions/checkout@"),
        *("actions/chekcout@", "not-recorded", "actions/chekcout"),
    ),
    Bad("action_inputs", "other commit", PYTHON, PIN, PIN.replace("3", "4"), "sha", "recorded is"),
    Bad("action_inputs", "other version", PYTHON, "# v7.0.1", "# v7.0.0", "version", "'# v7.0.0'"),
    Bad("action_inputs", "no version", PYTHON, " # v7.0.1", "", "version", "says ''"),
    Bad(
        *("action_inputs", "unknown input", PYTHON, "retention-days: 7", "retention: 7"),
        *("unknown-input", "no input 'retention'", "actions/upload-artifact"),
    ),
    Bad(
        *("action_inputs", "missing input", PYTHON, "          path: src/lambda/lambda-package.zip\n"),
        *("", "missing-input", "requires the input 'path'"),
    ),
    Bad(
        *("action_inputs", "deprecated input", PYTHON, CHECKOUT),
        "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5\n"
        "        with: {path: a, key: b, save-always: true}\n      - uses: " + CHECKOUT,
        *("deprecated-input", "'save-always'"),
    ),
]

EXPRESSIONS = [
    Bad(
        *("expressions", "expression in run", PYTHON, RUN_LINT, "          echo ${{ github.ref }}\n"),
        *("expression-in-script", "lint, 'Lint'", "run:"),
    ),
    Bad(
        *("expressions", "expression in script", PREFLIGHT, "'commit', COMMIT"),
        *("'commit', '${{ inputs.commit }}'", "expression-in-script", "", "script:"),
    ),
    Bad("expressions", "no time limit", PYTHON, "    timeout-minutes: 10\n", "", "timeout", "lint"),
    Bad("expressions", "no permissions at the top", PYTHON, "permissions: {}\n", "", "permissions"),
    Bad(
        *("expressions", "some permissions at the top", PYTHON, "permissions: {}\n"),
        *("permissions: {contents: read}\n", "permissions", "the workflow", "permissions:"),
    ),
    Bad(
        *("expressions", "job without permissions", PYTHON),
        *("    permissions:\n      contents: read # checks the commit out\n", ""),
        *("permissions", "job lint"),
    ),
    Bad(
        *("expressions", "job with all permissions", ORCHESTRATOR, "    permissions: {}\n"),
        *("    permissions: read-all\n", "permissions", "job deployment-summary"),
    ),
    Bad(
        *("expressions", "credentials are kept", PYTHON, "          persist-credentials: false\n", ""),
        *("persist-credentials", "lint", "uses: actions/checkout"),
    ),
    Bad(
        *("expressions", "credentials are kept on purpose", PYTHON, "persist-credentials: false"),
        *("persist-credentials: 'false '", "persist-credentials"),
    ),
    Bad(
        *("expressions", "hidden failure", PYTHON, "ruff check .", "ruff check . || true"),
        *("hidden-failure", "|| true"),
    ),
    Bad(
        *("expressions", "hidden failure in a list", PYTHON, "ruff check .", "(ruff check||:) ; a"),
        *("hidden-failure", "||:"),
    ),
    Bad(
        *("expressions", "secrets without a comment", ORCHESTRATOR, " # zizmor: ignore[secrets-"),
        *(" # [", "secrets-inherit", "", "secrets: inherit"),
    ),
    Bad(
        *("expressions", "secrets without a reason", ORCHESTRATOR),
        *(" environment secrets reach a callee in no other way", "", "secrets-inherit"),
    ),
    Bad(
        *("expressions", "string that is too long", PYTHON, "ref: ${{"),
        *(f"ref: {'x' * 21_000}${{{{", "string-size", "", "ref:"),
    ),
    Bad(
        *("expressions", "condition that is too long", ORCHESTRATOR, "if: always()"),
        *(f"if: always(){' || always()' * 2_000}", "string-size", "", "if:"),
    ),
    Bad("expressions", "file that is too big", PYTHON, "jobs:\n", "# é\n" * 120_000, "file-size"),
]

ID_TOKEN = "      id-token: write # logs in to the cloud\n"

PERMISSIONS = [
    Bad(
        *("permissions", "not granted", ORCHESTRATOR, ID_TOKEN, "", "not-granted"),
        "job 'deploy' of .github/workflows/terraform-dev.yml is requesting 'id-token: write', "
        "but is only allowed 'id-token: none'",
        "uses: ./.github/workflows/terraform-dev.yml",
    ),
    Bad(
        *("permissions", "only read is granted", PYTHON, "      contents: read # checks"),
        *("      contents: write # checks", "not-granted"),
        *("'contents: write', but is only allowed 'contents: read'", "", ORCHESTRATOR),
    ),
    Bad(
        *("permissions", "nested callee", PREFLIGHT, "      contents: read"),
        *("      checks: write\n      contents: read", "not-granted"),
        *("job 'preflight'", "uses: ./.github/workflows/component-preflight.yml", PYTHON),
    ),
    Bad(
        *("permissions", "the whole callee", PREFLIGHT, "permissions: {}\n"),
        *("permissions: {issues: write}\n", "not-granted", "The workflow of", "", TERRAFORM),
    ),
    Bad(
        *("permissions", "everything", PREFLIGHT, "permissions: {}\n"),
        *("permissions: read-all\n", "not-granted", "every other: read", "", TERRAFORM),
    ),
    Bad(
        *("permissions", "none by the caller's workflow", PYTHON),
        "    permissions:\n      actions: read # finds the runs that hold packages\n"
        "      contents: read # compares the commit with the branch\n",
        *("", "not-granted", "only allowed 'actions: none'"),
    ),
]

CALLS = [
    Bad(
        *("calls", "cycle", PREFLIGHT, "jobs:\n"),
        "jobs:\n  back:\n    uses: ./.github/workflows/python-dev.yml\n",
        *("cycle", "-> .github/workflows/python-dev.yml ->"),
    ),
    Bad(
        *("calls", "itself", PREFLIGHT, "jobs:\n"),
        "jobs:\n  back:\n    uses: ./.github/workflows/component-preflight.yml\n",
        "cycle",
    ),
    Bad(
        *("calls", "group of the workflow", PYTHON, "group: python-dev\n"),
        *("group: Orchestrator-Dev\n", "same-group", "'orchestrator-dev'", "", ORCHESTRATOR),
    ),
    Bad(
        *("calls", "group of a job", PYTHON, "group: python-dev-deploy\n"),
        *("group: orchestrator-dev\n", "same-group", "job python-dev", "", ORCHESTRATOR),
    ),
]

BAD = [
    *(*GITHUB_PARSER, *ACTIONLINT, *SHELLCHECK, *ZIZMOR, *SCHEMA, *YAMLLINT),
    *(*ACTION_INPUTS, *EXPRESSIONS, *PERMISSIONS, *CALLS),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the samples."""
    return Path(shutil.copytree(SAMPLES, tmp_path / "repository"))


def write(root: Path, file: str, text: str) -> None:
    path = root / repository.FOLDER / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def edit(root: Path, file: str, old: str, new: str) -> None:
    """Replace the first of a text's occurrences; a text that is not there is an error."""
    text = (root / repository.FOLDER / file).read_text(encoding="utf-8")
    assert old in text
    write(root, file, text.replace(old, new, 1))


def describe(findings: list[Finding]) -> str:
    return "\n".join(map(str, findings)) or "nothing was found"


@pytest.mark.parametrize("persona", ["regular", "pedantic", "auditor"])
def test_good_workflows_have_no_findings_with_zizmor_as(persona: zizmor.Persona) -> None:
    only = VALIDATORS if persona == "auditor" else ["zizmor"]
    found = validate(SAMPLES, persona=persona, only=only)
    assert not found, describe(found)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.validator}: {bad.name}")
def test_bad_workflow_is_caught(root: Path, bad: Bad) -> None:
    edit(root, bad.file, bad.old, bad.new)
    # Scripts of their own for two cases: what is right in one shell is wrong in another.
    if bad.rule == "SC3010":
        edit(root, bad.file, "          terraform init", "          [[ -f a ]]\n          terraform init")
    if bad.rule == "SC2164":
        edit(root, bad.file, "run: zip", "run: cd build; zip")
    found = validate(root, only=[bad.validator])
    file = f"{repository.FOLDER}/{bad.reported_in or bad.file}"
    matching = [
        finding
        for finding in found
        if (finding.validator, finding.file, finding.rule) == (bad.validator, file, bad.rule)
        and bad.says in finding.message
    ]
    assert matching, describe(found)
    if bad.at:
        lines = (root / file).read_text(encoding="utf-8").splitlines()
        assert any(bad.at in lines[finding.line - 1] for finding in matching), describe(found)


def test_every_validator_is_shown_to_fail() -> None:
    cases = Counter(bad.validator for bad in BAD)
    assert cases.keys() == VALIDATORS.keys()
    assert min(cases.values()) >= 3
