"""`uses: $/path` in the double of GitHub: each test shows one rule of GitHub."""

from __future__ import annotations

import json
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from offline_github import NotModelledError, OfflineGitHub, Run
from offline_github.repository import git
from test_offline_github import CHECKOUT, SCRIPT, UPLOAD, built, commit, only

Make = Callable[..., OfflineGitHub]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A repository with these workflows, actions (name -> YAML of its keys) and other files."""

    def build(
        workflows: dict[str, str], actions: dict[str, str], files: dict[str, str] | None = None
    ) -> OfflineGitHub:
        return built(tmp_path, workflows, {**written(actions), **(files or {})})

    return build


def written(actions: dict[str, str]) -> dict[str, str]:
    head = "name: An action\ndescription: For a test\n"
    return {
        f".github/actions/{name}/action.yml": head + textwrap.dedent(text)
        for name, text in actions.items()
    }


def steps(*lines: str) -> str:
    """A composite action without inputs, by its steps in flow style."""
    return "runs:\n  using: composite\n  steps:\n" + "".join(f"    - {line}\n" for line in lines)


def uses(*lines: str) -> dict[str, str]:
    """A workflow of one job `a`, by its steps in flow style."""
    shown = "".join(f"      - {line}\n" for line in lines)
    return {"ci.yml": f"on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n{shown}"}


def test_an_action_has_inputs_outputs_and_the_files_beside_it(make: Make) -> None:
    github = make(
        {
            "ci.yml": """
            on: push
            jobs:
              a:
                runs-on: x
                outputs:
                  word: ${{ steps.own.outputs.word }}
                  undeclared: ${{ steps.own.outputs.undeclared }}
                steps:
                  - run: mkdir folder
                  - name: Use it
                    id: own
                    uses: $/.github/actions/outer
                    env: {CALLER: me}
                    with: {path: folder}
                  - {name: After, run: 'echo "after ${CALLER:-nobody} ${GITHUB_ACTION_PATH:-none}"'}
            """
        },
        {
            "outer": f"""
            inputs:
              path: {{required: true, description: A folder}}
              name: {{default: 'mine, by ${{{{ github.actor_id }}}}', description: A name}}
              retention-days: {{default: '7', description: Must not reach another action}}
            outputs:
              word: {{value: '${{{{ steps.inner.outputs.word }}}}', description: A word}}
            runs:
              using: composite
              steps:
                - shell: bash
                  working-directory: ${{{{ inputs.path }}}}
                  env: {{NAME: '${{{{ inputs.name }}}}'}}
                  run: |
                    echo "${{PWD##*/}}: $NAME for $CALLER"
                    printenv | grep INPUT_ || echo no inputs
                    bash "$GITHUB_ACTION_PATH/say.sh"
                - uses: {SCRIPT}
                  with:
                    script: |
                      const run = require(`${{process.env.GITHUB_ACTION_PATH}}/outer.cjs`)
                      await run({{ github, context, core }})
                - uses: {UPLOAD}
                  with: {{path: folder}}
                - {{id: inner, uses: $/.github/actions/inner}}
            """,
            "inner": """
            inputs:
              path: {default: of inner, description: Not the one of outer}
            outputs:
              word: {value: '${{ steps.word.outputs.word }}', description: A word}
            runs:
              using: composite
              steps:
                - id: word
                  shell: bash
                  env: {WORD: 'path ${{ inputs.path }}'}
                  run: |
                    echo "word=$WORD" >> "$GITHUB_OUTPUT"
                    echo "undeclared=$WORD" >> "$GITHUB_OUTPUT"
                    echo "### $CALLER" >> "$GITHUB_STEP_SUMMARY"
            """,
        },
        {
            ".github/actions/outer/say.sh": 'echo said > said; echo "said in ${PWD##*/}"\n',
            ".github/actions/outer/outer.cjs": """
            const { greeted } = require('../lib/greeted.cjs')
            module.exports = async ({ github, context, core }) => {
              const { data } = await github.rest.repos.get(context.repo)
              core.info(greeted(`${data.full_name} of ${process.env.CALLER}`))
            }
            """,
            ".github/actions/lib/greeted.cjs": "exports.greeted = name => `hello ${name}`\n",
        },
    )
    run = only(github.push("main"))
    ended = run.job("a")
    assert run.conclusion == "success", ended.log
    for said in (
        "folder: mine, by 3001 for me",
        "no inputs",
        "said in folder",
        "hello acme/demo of me",
        "after nobody none",
    ):
        assert f"\n{said}\n" in f"{ended.log}\n", ended.log
    assert ended.outputs == {"word": "path of inner"}
    assert ended.summary == "### me\n"
    # It has no `name` of its own: the input of that name is the composite action's.
    assert run.artifacts == {"artifact": {"said": b"said\n"}}
    assert ended.steps == {"mkdir folder": "success", "Use it": "success", "After": "success"}


def test_workflows_and_actions_are_those_of_the_running_commit(make: Make) -> None:
    def say(word: str) -> dict[str, str]:
        return {"say": steps(f"{{shell: bash, run: echo say {word}}}")}

    called = """
        on: workflow_call
        jobs:
          a:
            runs-on: x
            permissions: {contents: read}
            steps:
              - {uses: CHECKOUT, with: {ref: WHICH}}
              - {run: 'cat .github/actions/say/action.yml'}
              - {uses: $/.github/actions/say}
    """.replace("CHECKOUT", CHECKOUT)
    github = make(
        {
            "called.yml": called.replace("WHICH", "main"),
            "between.yml": "{on: workflow_call, jobs: {c: {uses: $/.github/workflows/called.yml}}}",
            "ci.yml": """
            name: CI
            on: {push: , workflow_dispatch: }
            jobs: {b: {uses: $/.github/workflows/between.yml}}
            """,
            "after.yml": """
            on: {workflow_run: {workflows: [CI], types: [completed]}}
            jobs: {b: {uses: $/.github/workflows/between.yml}}
            """,
        },
        say("first"),
    )
    github.push("main")
    git("switch", "--quiet", "--create", "other", cwd=github.remote.work_tree)
    commit(github.remote.work_tree, {}, written(say("second")))
    pushed = only(github.push("other"))
    started = github.dispatch("ci.yml", "other")
    for run, word in ((pushed, "second"), (started, "second")):
        log = run.job("b / c / a").log
        assert (run.conclusion, f"\nsay {word}" in log) == ("success", True), log
        assert "run: echo say first" in log, "what is checked out is another commit"
    # After another run, the files of the default branch run.
    after = github.runs_of("after.yml")
    assert [run.conclusion for run in after] == ["success"] * 3
    assert all("\nsay first" in run.job("b / c / a").log for run in after)
    again = github.rerun(pushed)
    assert "\nsay second" in again.job("b / c / a").log


def test_status_functions_of_an_action_look_at_its_own_steps(make: Make) -> None:
    github = make(
        uses(
            "{name: Broken, run: exit 3}",
            "{name: Own, if: always(), uses: $/.github/actions/own}",
            "{id: bad, if: failure(), continue-on-error: true, uses: $/.github/actions/bad}",
            "{name: Never, uses: $/.github/actions/own}",
            "{if: always(), env: {HOW: '${{ toJSON(steps.bad) }}'}, run: 'echo $HOW'}",
        ),
        {
            "own": steps(
                "{shell: bash, run: echo starts anew}",
                "{shell: bash, run: echo no failure here, if: failure()}",
            ),
            "bad": steps(
                "{shell: bash, run: exit 4}",
                "{shell: bash, run: echo not after it}",
                "{shell: bash, run: echo but this, if: failure()}",
                "{shell: bash, run: echo and that, if: '!cancelled()'}",
            ),
        },
    )
    run = only(github.push("main"))
    said = [line for line in run.job("a").log.splitlines() if not line.startswith("##")]
    assert said[:-1] == ["starts anew", "but this", "and that"]
    assert json.loads(said[-1]) == {"outputs": {}, "outcome": "failure", "conclusion": "success"}
    assert "Never" not in run.job("a").steps


@pytest.mark.parametrize("runner", ["own", "act"])
@pytest.mark.parametrize("waits", ["shell: bash, run: work", "uses: SCRIPT, with: {script: WAIT}"])
def test_a_cancelled_action_runs_its_steps_for_cancellation(
    make: Make, waits: str, runner: str
) -> None:
    wait = (
        "core.setOutput('id', 7); await exec.exec('touch', [process.env.HOME + '/beats']); "
        "await new Promise(() => setInterval(() => {}, 1000))"
    )
    waits = waits.replace("SCRIPT", SCRIPT).replace("WAIT", f'"{wait}"')
    github = make(
        {
            "ci.yml": """
            on: push
            jobs:
              a:
                runs-on: x
                outputs: {status: '${{ job.status }}'}
                steps:
                  - {uses: $/.github/actions/work}
                  - {run: echo outer cancelled, if: cancelled()}
                  - {run: echo outer anyway, if: always()}
                  - {run: echo outer failure, if: failure()}
                  - {run: echo outer unless, if: '!cancelled()'}
            """
        },
        {
            "work": steps(
                f"{{id: work, {waits}}}",
                "{shell: bash, run: 'echo inner cancelled $ID', if: cancelled(), "
                "env: {ID: '${{ steps.work.outputs.id }}'}}",
                "{shell: bash, run: echo inner anyway, if: always()}",
                "{shell: bash, run: echo inner unless, if: '!cancelled()'}",
                "{shell: bash, run: echo inner}",
            )
        },
    )
    github.runner = runner
    github.tool("work", 'echo id=7 >> "$GITHUB_OUTPUT"; while touch ~/beats; do sleep 0.02; done')

    def cancel(run: Run, key: str) -> None:
        def later() -> None:
            while not [*github.workdir.glob("jobs/*/home/beats")]:
                time.sleep(0.01)
            github.cancel(run)

        threading.Thread(target=later).start()

    github.before_job = cancel
    run = only(github.push("main"))
    said = [line for line in run.job("a").log.splitlines() if not line.startswith(("##", "["))]
    assert said == ["inner cancelled 7", "inner anyway", "outer cancelled", "outer anyway"]
    assert (run.conclusion, run.results) == ("cancelled", {"a": "cancelled"})
    assert run.job("a").outputs == {"status": "cancelled"}


@pytest.mark.parametrize("runner", ["own", "act"])
def test_a_step_with_always_goes_on_when_the_run_is_cancelled(make: Make, runner: str) -> None:
    github = make(
        uses(
            "{name: First, run: work, if: always()}",
            "{name: Second, run: echo second}",
            "{name: Third, run: echo third, if: cancelled()}",
        ),
        {},
    )
    github.runner = runner
    github.tool("work", 'touch ~/begun; sleep 0.5; echo "to its end"')

    def cancel(run: Run, key: str) -> None:
        def later() -> None:
            while not [*github.workdir.glob("jobs/*/home/begun")]:
                time.sleep(0.01)
            github.cancel(run)

        threading.Thread(target=later).start()

    github.before_job = cancel
    run = only(github.push("main"))
    assert run.job("a").steps == {"First": "success", "Third": "success"}
    assert "to its end" in run.job("a").log
    assert run.conclusion == "cancelled"


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (None, "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '.github/actions/x'"),
        (steps("{run: 'true'}"), "Required property is missing: shell"),
        (steps("{shell: bash, run: 'true', if: secrets.A}"), "Unrecognized named-value: 'secrets'"),
        (steps("{shell: bash, run: '${{ needs.a }}'}"), "Unrecognized named-value: 'needs'"),
        (steps("{uses: $/.github/actions/gone}"), "Can't find 'action.yml'"),
        ("runs: [", "not YAML"),
    ],
)
def test_an_action_that_cannot_be_loaded_fails_the_job(
    make: Make, action: str | None, message: str
) -> None:
    workflow = uses("{run: echo never}", "{uses: $/.github/actions/x}")
    github = make(workflow, {"x": action} if action else {"y": steps("{shell: bash, run: 'true'}")})
    run = only(github.push("main"))
    assert (run.conclusion, run.order) == ("failure", [])
    assert message in run.job("a").log


def test_an_input_that_an_action_lacks_is_an_error(make: Make) -> None:
    action = "inputs: {Word: {description: A word}}\n" + steps("{shell: bash, run: 'true'}")
    workflow = uses(
        "{name: Right, uses: $/.github/actions/x, with: {WORD: a}}",
        "{name: Wrong, uses: $/.github/actions/x, with: {wrd: a}}",
    )
    run = only(make(workflow, {"x": action}).push("main"))
    assert run.job("a").errors[0] == "Unexpected input(s) wrd for $/.github/actions/x"
    assert run.job("a").steps == {"Right": "success", "Wrong": "failure"}


@pytest.mark.parametrize("uses_what", ["./.github/actions/x", "docker://alpine"])
def test_actions_of_the_workspace_are_not_modelled(make: Make, uses_what: str) -> None:
    action = {"x": steps("{shell: bash, run: 'true'}")}
    with pytest.raises(NotModelledError, match="step uses"):
        make(uses(f"{{uses: '{uses_what}'}}"), action).push("main")


def test_actions_of_other_kinds_are_not_modelled(make: Make) -> None:
    action = {"x": "runs: {using: node24, main: x.js}"}
    with pytest.raises(NotModelledError, match="node24"):
        make(uses("{uses: $/.github/actions/x}"), action).push("main")
