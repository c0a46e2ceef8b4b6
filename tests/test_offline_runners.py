"""The double's own runner and act, a program of other people, give the same results for a job."""

from __future__ import annotations

import re
from difflib import unified_diff
from pathlib import Path
from pprint import pformat
from typing import Any

from generated_repositories import folders, generic, reopened, start, with_commands
from offline_github import OfflineGitHub, Run
from test_offline_actions import steps, written
from test_offline_github import CHECKOUT, DOWNLOAD, SCRIPT, SETUP_UV, UPLOAD, built

SHELLS = r"""
name: Shells
on: push
env: {FROM: workflow, SHARED: workflow}
permissions: {contents: read, id-token: write}
defaults: {run: {shell: bash}}
jobs:
  values:
    runs-on: x
    env: {SHARED: job, SECRET: "${{ secrets.WORD }}", VAR: "${{ vars.VAR }}"}
    defaults: {run: {working-directory: "${{ vars.FOLDER }}"}}
    outputs:
      text: ${{ steps.set.outputs.text }}
      lines: ${{ steps.set.outputs.lines }}
      empty: ${{ steps.set.outputs.none }}
      leak: ${{ steps.set.outputs.leak }}
      all: ${{ toJSON(steps.set.outputs) != '{}' && job.status }} ${{ env.LATER }}
    steps:
      - {run: 'mkdir folder && echo "in ${PWD##*/}" | cut -c1-3', working-directory: .}
      - id: set
        env: {SHARED: step, THIRD: "${{ format('{0}-{1}', env.FROM, env.SHARED) }}"}
        run: |
          echo "$FROM $SHARED $THIRD $VAR in ${PWD##*/}"
          echo "text=a=b <<c" >> "$GITHUB_OUTPUT"
          printf 'lines<<END\none\n\ntwo=2\nEND\n' >> "$GITHUB_OUTPUT"
          echo "leak=x$SECRET" >> "$GITHUB_OUTPUT"
          printf 'LATER<<E\nx  y\nE\nSHARED=exported\n' >> "$GITHUB_ENV"
          mkdir bin && printf '#!/bin/sh\necho mine $1\n' > bin/mine && chmod +x bin/mine
          echo "$PWD/bin" >> "$GITHUB_PATH"
          printf '### One\n' >> "$GITHUB_STEP_SUMMARY"
      - name: Later
        run: |
          mine "$LATER"; echo "$SHARED $THIRD"; printf "no end"
      - name: Words
        run: |
          echo "$SECRET"; echo "::add-mask::also this"; echo "is also this hidden"
          echo "::warning file=a.txt,line=3,title=A title::100%25 of%0Ait"
          echo "::notice::seen" >&2
          false | true
          echo never
      - name: On failure
        if: failure()
        shell: sh
        run: |
          echo "$0" | grep -c /
          echo "### Two" >> "$GITHUB_STEP_SUMMARY"
      - {name: Not after it, run: echo never}
      - {name: Tolerated, if: "!cancelled()", id: bad, continue-on-error: true, run: exit 7}
      - name: Of two kinds
        if: always() && steps.bad.outcome == 'failure' && steps.bad.conclusion == 'success'
        run: echo so it is
      - {name: Nowhere, if: always(), working-directory: nowhere, run: echo never}
  variables:
    runs-on: x
    steps:
      - name: Python
        shell: python
        run: |
          import os
          print(os.environ['GITHUB_JOB'], __file__.endswith('.py'))
      - name: Names
        run: |
          names='^(CI|GITHUB_|RUNNER_|ACTIONS_|HOME|LANG)'
          acts='^(GITHUB_ACTION_PATH|RUNNER_PERFLOG|RUNNER_TRACKING_ID)$'
          env -0 | cut -z -d= -f1 | tr '\0' '\n' | grep -E "$names" | grep -Ev "$acts" | sort
      - name: Values
        run: |
          for name in $(compgen -v GITHUB_) RUNNER_OS RUNNER_ARCH RUNNER_ENVIRONMENT; do
            case "$name" in
              *_PATH | *_ENV | *_OUTPUT | *_STATE | *_SUMMARY | *_URL | *_WORKSPACE) ;;
              GITHUB_RUN_* | GITHUB_TOKEN | GITHUB_*SHA) ;;
              *) echo "$name=${!name}" ;;
            esac
          done
"""
ACTIONS = {
    "outer": f"""
    inputs:
      path: {{default: 'of ${{{{ github.actor }}}}', description: A folder}}
      retention-days: {{default: '7', description: Must not reach another action}}
    outputs:
      word:
        description: A word
        value: ${{{{ steps.inner.outputs.word }}}} ${{{{ steps.no.conclusion }}}}
    runs:
      using: composite
      steps:
        - shell: bash
          run: |
            printenv | grep INPUT_ || echo "$CALLER ${{GITHUB_ACTION_PATH##*.github}}"
        - {{id: no, if: inputs.path == 'x', shell: bash, run: exit 1}}
        - {{id: inner, uses: $/.github/actions/inner, with: {{word: '${{{{ inputs.path }}}}'}}}}
        - uses: {SCRIPT}
          env: {{PART: part}}
          with:
            script: |
              core.info(`${{process.env.PART}} ${{context.job}} ${{process.env.MADE}}`)
              core.setOutput('x', {{ a: 1 }})
              core.exportVariable('EXPORTED', 'of a script')
              await core.summary.addHeading('Three').write()
              const {{ data }} = await github.rest.repos.get(context.repo)
              core.notice(data.full_name)
    """,
    "inner": """
    inputs: {word: {required: true, description: A word}}
    outputs: {word: {value: '${{ steps.w.outputs.word }}', description: A word}}
    runs:
      using: composite
      steps:
        - id: w
          shell: bash
          env: {W: '<${{ inputs.word }}>'}
          run: echo "word=$W" >> "$GITHUB_OUTPUT"; echo MADE=inside >> "$GITHUB_ENV"
    """,
    "bad": steps(
        "{shell: bash, run: exit 4}",
        "{shell: bash, run: echo not after it}",
        "{shell: bash, run: echo but this, if: failure()}",
    ),
}
OTHERS = f"""
name: Others
on: push
permissions: {{contents: read}}
jobs:
  actions:
    runs-on: x
    outputs:
      word: ${{{{ steps.own.outputs.word }}}}
      digest: ${{{{ steps.up.outputs.artifact-digest != '' }}}}
    steps:
      - {{uses: {CHECKOUT}, with: {{persist-credentials: false}}}}
      - {{id: own, name: Own, uses: $/.github/actions/outer, env: {{CALLER: me}}}}
      - {{run: 'echo "$EXPORTED $MADE ${{CALLER:-nobody}} ${{GITHUB_ACTION_PATH:-none}}"; ls -A'}}
      - {{id: up, uses: {UPLOAD}, with: {{name: all, path: file}}}}
      - {{uses: {DOWNLOAD}, with: {{name: all, path: got}}}}
      - {{run: cat got/file}}
      - {{name: Tool, uses: {SETUP_UV}, with: {{enable-cache: false}}}}
      - {{name: Wrong, continue-on-error: true, uses: {SETUP_UV}, with: {{enable-cahce: false}}}}
      - {{name: Broken, uses: {SCRIPT}, with: {{script: "throw new Error('this went wrong')"}}}}
      - {{name: Bad, if: always(), uses: $/.github/actions/bad}}
      - {{name: Skipped, run: echo never}}
      - {{name: Last, if: failure(), run: terraform plan -out=x}}
"""


#: Steps that may fail. act shows that they failed; GitHub shows their conclusion.
TOLERATED = ("Tolerated", "Wrong")
#: Texts that differ in each run.
OF_THE_RUN = re.compile(
    r"\b[0-9a-f]{40,64}\b|http://\S+|/\S+/hostexecutor|act/[0-9a-f]+/|\b10\d{6}\b"
    r"|\b\d{4}-\d\d-\d\dT[\d:.]+Z\b|Uploaded bytes \d+"
)


def ended(run: Run) -> dict[str, Any]:
    """The results of all jobs that the tests compare."""
    return {
        key: {
            "result": job.result,
            "outputs": {name: OF_THE_RUN.sub("*", value) for name, value in job.outputs.items()},
            "steps": {n: result for n, result in job.steps.items() if n not in TOLERATED},
            "summary": OF_THE_RUN.sub("*", job.summary),
            # For every failed action, act prints that a process failed, and sometimes one more
            # empty line.
            "log": [
                OF_THE_RUN.sub("*", line)
                for line in job.log.splitlines()
                if line and not line.startswith(("##[group]Run ", "##[error]Process completed"))
            ],
        }
        for key, job in sorted(run.jobs.items())
    }


def left(run: Run) -> dict[str, Any]:
    """The artifacts of a run; manifests without times and digests."""
    return {
        name: {file: OF_THE_RUN.sub("*", content.decode()) for file, content in files.items()}
        if name.startswith("manifest-")
        else files
        for name, files in run.artifacts.items()
    }


def seen(github: OfflineGitHub, runs: list[Run]) -> list[Any]:
    """The results of a push that the tests compare."""
    return [
        {run.workflow_file: ended(run) for run in runs},
        {run.workflow_file: left(run) for run in runs},
        sorted((c.line, c.folder, c.job) for c in github.commands()),
        sorted(github.actions_used(), key=str),
    ]


def difference(own: Any, act: Any) -> str:
    texts = [pformat(one, width=200).splitlines() for one in (own, act)]
    return "\n".join(unified_diff(*texts, "own", "act", lineterm="", n=1))


def test_both_runners_agree_on_shells_and_actions(tmp_path: Path) -> None:
    found = []
    for runner in ("own", "act"):
        (tmp_path / runner).mkdir()
        files = {**written(ACTIONS), "file": "text\n"}
        github = built(tmp_path / runner, {"a.yml": SHELLS, "b.yml": OTHERS}, files)
        github.runner, github.parallel = runner, 1
        github.secrets["WORD"] = "s3cr3t"
        github.variables |= {"VAR": "a variable", "FOLDER": "folder"}
        found.append(seen(github, github.push("main")))
    own, act = found
    assert own == act, difference(own, act)
    jobs = {key: job for run in own[0].values() for key, job in run.items()}
    assert {key: job["result"] for key, job in jobs.items()} == {
        "values": "failure",
        "variables": "success",
        "actions": "failure",
    }
    assert jobs["values"]["outputs"] == {
        "text": "a=b <<c",
        "lines": "one\n\ntwo=2",
        "all": "failure x  y",
    }
    assert len(jobs["actions"]["log"]) > 20 and "so it is" in jobs["values"]["log"]


def test_both_runners_agree_on_a_generated_pipeline(template: Path, tmp_path: Path) -> None:
    """With checks, builds, packages for other components, deployments and production."""
    names = ["base", "right"]
    edges = [
        {
            "code_type": "right",
            "depends_on": "base",
            "artifacts": [{"name": "package.txt", "to": "parts/right/base.txt"}],
        }
    ]
    unchecked = {"lint": "", "test": ""}
    components = generic(["base"], **unchecked, security="") | generic(["right"], **unchecked)
    answers = {"components": components, "dependency_map": edges}
    made = start(template, tmp_path / "made", answers, folders(names)).remote.work_tree
    found = []
    for runner in ("own", "act"):
        github = with_commands(reopened(made, tmp_path / runner, ()))
        github.runner, github.parallel = runner, 1
        github.fail_tool("check", arguments="security right", job="right")
        first = github.push("main")
        github.tools.heal()
        again = [github.rerun(first[0], failed_only=True)]
        found.append([*seen(github, first), *seen(github, again), *seen(github, github.runs)])
    own, act = found
    assert own == act, difference(own, act)
    first_results, artifacts, commands = own[0], own[1], own[2]
    results = {job["result"] for run in first_results.values() for job in run.values()}
    assert results == {"success", "failure", "skipped"} and any(artifacts.values()) and commands
