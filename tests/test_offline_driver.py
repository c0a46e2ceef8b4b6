"""Runs without machines: who decides what, and the same history for the same seed."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from offline_github import MemoryRepository, OfflineGitHub, Run, expressions
from offline_github.driver import Execute
from offline_github.work import Going, Step, Work
from test_offline_github import SCRIPT, UPLOAD, job, only

Quick = Callable[..., OfflineGitHub]


@pytest.fixture
def quick(tmp_path: Path) -> Quick:
    """A GitHub without machines, for a repository with these files on main."""
    numbers = itertools.count()

    def build(
        workflows: dict[str, str],
        execute: Execute = lambda work: None,
        seed: int = 0,
        files: dict[str, str] | None = None,
    ) -> OfflineGitHub:
        named = {f".github/workflows/{name}": text for name, text in workflows.items()}
        every = {path: textwrap.dedent(text) for path, text in {**named, **(files or {})}.items()}
        repository = MemoryRepository(every)
        repository.commit("main")
        folder = tmp_path / f"github {next(numbers)}"
        return OfflineGitHub(folder, repository, execute=execute, seed=seed)

    return build


def work_of(github: OfflineGitHub) -> MemoryRepository:
    repository: Any = github.remote
    assert isinstance(repository, MemoryRepository)
    return repository


def push(github: OfflineGitHub, branch: str = "main", **change: Any) -> list[Run]:
    """Push one more commit to a branch. Returns the runs that start; none of their jobs has run
    yet."""
    work_of(github).commit(branch, **change)
    return github.push(branch)


ACTION = """
inputs: {word: {required: true}, other: {default: "${{ github.ref_name }}"}}
outputs: {said: {value: "${{ steps.say.outputs.said }}"}}
runs:
  using: composite
  steps:
    - id: say
      uses: SCRIPT
      env: {WORD: "${{ inputs.word }} ${{ inputs.other }}", OUTER: "${{ env.OUTER }}"}
      with:
        script: |
          await require(`${process.env.GITHUB_ACTION_PATH}/say.cjs`)({ github, context, core })
    - if: failure()
      shell: bash
      run: echo "nobody hears this"
""".replace("SCRIPT", SCRIPT)
SAY = """
const { word } = require('../lib/word.cjs')
module.exports = async ({ github, context, core }) => {
  const { data } = await github.request('GET /repos/{owner}/{repo}/actions/runs/{run_id}', {
    ...context.repo, run_id: context.runId,
  })
  await new Promise(resolve => setTimeout(resolve, 60_000))
  const { WORD, OUTER, GITHUB_JOB } = process.env
  const said = [word(), WORD, OUTER, GITHUB_JOB, data.event, context.payload.ref]
  core.setOutput('said', said.join(' '))
  await core.summary.addRaw('A summary').write()
  if (WORD.startsWith('bad')) core.setFailed('a bad word')
}
"""
ACTIONS = {
    ".github/actions/say/action.yml": ACTION,
    ".github/actions/say/say.cjs": SAY,
    ".github/actions/lib/word.cjs": "exports.word = () => 'hello'",
}
TALK = f"""
on: {{push: , workflow_dispatch: {{inputs: {{word: {{type: string, default: good}}}}}}}}
jobs:
  say:
    runs-on: x
    permissions: {{actions: read}}
    env: {{OUTER: of the job}}
    outputs:
      said: ${{{{ steps.say.outputs.said }}}}
      made: ${{{{ steps.make.outputs.made }}}}
    steps:
      - id: say
        uses: $/.github/actions/say
        with: {{word: "${{{{ inputs.word || 'good' }}}}"}}
      - {{id: make, run: make}}
      - {{name: Keep, uses: {UPLOAD}, with: {{name: made, path: .}}}}
      - {{name: After, if: "steps.make.outcome == 'skipped' && failure()", run: 'true'}}
  next: {job(needs="say", **{"if": "needs.say.outputs.made == 'bricks'"})}
"""


def test_steps_are_real_but_for_shells_and_actions_of_others(quick: Quick) -> None:
    seen: list[tuple[str, ...]] = []

    def decide(step: Step) -> dict[str, str] | None:
        seen.append((step.uses or step.run, *step.within))
        return {"made": "bricks"} if step.run == "make" else None

    github = quick({"talk.yml": TALK}, lambda work: work.steps(decide), files=ACTIONS)
    run = only(push(github))
    assert run.status == "queued"
    before = github.clock.now()
    github.settle()
    assert run.results == {"say": "success", "next": "success"}
    assert run.job("say").outputs == {
        "said": "hello good main of the job say push refs/heads/main",
        "made": "bricks",
    }
    assert run.job("say").summary == "A summary"
    assert github.clock.now() > before + 60, "a script sleeps in the time that it sees"
    assert seen == [
        ("$/.github/actions/say",),
        ("actions/github-script", "$/.github/actions/say"),
        ("make",),
        ("actions/upload-artifact",),
        ("true",),
    ]

    bad = github.dispatch("talk.yml", "main", {"word": "bad"})
    github.settle()
    assert bad.results == {"say": "failure", "next": "skipped"}
    assert bad.job("say").errors == ["a bad word"]
    assert bad.job("say").steps == {
        "$/.github/actions/say": "failure",
        "make": "skipped",
        "Keep": "skipped",
        "After": "success",
    }


def test_a_job_can_be_decided_as_a_whole_and_act_over_rest(quick: Quick) -> None:
    def execute(work: Work) -> Any:
        if work.key == "ask":
            answer = work.rest("GET", f"/actions/runs/{work.run.id}")
            return {"status": answer.body["status"]}
        return "failure"

    asking = job(permissions="{actions: read}", outputs="{status: x}")
    github = quick({"ci.yml": f"on: push\njobs: {{ask: {asking}, other: {job()}}}"}, execute)
    run = only(push(github))
    github.settle()
    assert run.job("ask").outputs == {"status": "in_progress"}
    assert run.results == {"ask": "success", "other": "failure"}
    assert [(call.method, call.job, call.status) for call in github.api_calls] == [
        ("GET", "ask", 200)
    ]


TWO_READERS = f"""
on: push
jobs:
  read:
    runs-on: x
    permissions: {{actions: read}}
    steps:
      - uses: {SCRIPT}
        with:
          script: |
            for (let i = 0; i < 5; i++) {{
              await github.request('GET /repos/{{owner}}/{{repo}}/actions/runs', context.repo)
            }}
"""


def test_the_same_seed_interleaves_runs_in_the_same_way(quick: Quick) -> None:
    def order(seed: int) -> list[int]:
        github = quick({"ci.yml": TWO_READERS}, seed=seed)
        sessions: list[int] = []
        runs = [*push(github), *push(github)]
        while github.step():
            sessions += [len(github.api_calls)]
        assert [run.conclusion for run in runs] == ["success", "success"]
        return sessions

    orders = [order(seed) for seed in (1, 1, 2, 3)]
    assert orders[0] == orders[1]
    assert len({tuple(each) for each in orders}) == 3


def test_a_cancelled_job_ends_between_two_steps_and_still_cleans_up(quick: Quick) -> None:
    ran: list[str] = []

    def decide(step: Step) -> Going | None:
        ran.append(step.run)
        return slow() if step.run == "slow" else None

    def slow() -> Going:
        while True:
            yield 1

    steps = "[{run: slow}, {run: next}, {run: tidy, if: always()}, {run: told, if: cancelled()}]"
    workflow = f"on: push\njobs: {{a: {{runs-on: x, steps: {steps}}}, b: {job(needs='a')}}}"
    github = quick({"ci.yml": workflow}, lambda work: work.steps(decide))
    run = only(push(github))
    github.step(20)
    assert ran == ["slow"]
    github.cancel(run)
    github.settle()
    assert ran == ["slow", "tidy", "told"]
    assert run.job("a").steps == {
        **{"slow": "cancelled", "next": "skipped"},
        **{"tidy": "success", "told": "success"},
    }
    assert run.results == {"a": "cancelled", "b": "skipped"}
    assert run.conclusion == "cancelled"


def test_the_events_are_those_of_the_double_with_machines(quick: Quick) -> None:
    github = quick(
        {
            "first.yml": f"name: First\non: {{push: {{branches: [main]}}}}\njobs: {{a: {job()}}}",
            "second.yml": f"""
            on: {{workflow_run: {{workflows: [First], types: [completed]}}}}
            jobs: {{b: {job()}}}
            """,
            "tag.yml": f"on: {{push: {{tags: ['v*']}}}}\njobs: {{c: {job()}}}",
            "pull.yml": f"on: pull_request\njobs: {{d: {job()}}}",
        }
    )
    push(github)
    push(github, "side")
    github.tag("v1")
    github.pull_request("side")
    github.settle()
    assert [(run.workflow_file, run.event, run.head_branch) for run in github.runs] == [
        ("first.yml", "push", "main"),
        ("tag.yml", "push", "v1"),
        ("pull.yml", "pull_request", "side"),
        ("second.yml", "workflow_run", "main"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("${{ a.text }}", "${{a.yes}}", "x ${{ a.yes }}-${{ a.no }}", "${{ a.number }}"),
        *("n ${{ a.number }}", "${{ a.nothing }}", "[${{ a.nothing }}]", "${{ a.gone.deeper }}"),
        *("${{ A.TEXT }}", "${{ a.Text }}", "${{ a.inner.a-b }}", "${{ a.inner }}", "${{ a }}"),
        *(
            "${{ a.text.length }}",
            "${{ a.list.x }}",
            "${{ a.text == 'b' }}",
            "${{ a.* }} ${{ a.no }}",
        ),
        *(
            "${{ a.count }}",
            "n ${{ a.count }}",
            "${{ 7 }}",
            "${{ 07 }}",
            "${{ 1.5 }}",
            "${{ a.big }}",
        ),
        *(
            "${{ a['inner']['a-b'] }}",
            "${{ a['Text'] }}",
            "${{ a[a.text] }}",
            "${{ a.inner['x'].y }}",
        ),
        *(
            "${{ toJSON(a) }}",
            "${{ toJSON(needs) }}",
            "${{ toJSON(none) }}",
            "${{ toJSON(a.count) }}",
        ),
        *("${{ toJSON(signs) }}", "${{ toJSON(numbers) }}", "${{ toJSON('\"\\ä') }}"),
        *("${{ fromJSON(json).a }}", "${{ fromJSON(json).b['c d'] }}", "${{ fromJSON(json).E.f }}"),
        *("${{ contains(fromJSON('[\"a\", \"B\"]'), 'b') }}", "${{ fromJSON('[1]')[0] }}"),
        *(
            "${{ contains(fromJSON('[1, 2]'), 2) }}",
            "${{ fromJSON('1.0') }}",
            "${{ fromJSON('7') }}",
        ),
        *("${{ format('{0} of {1}, {0}', a.text, a.count) }}", "${{ format('{{0}} {0}', a.yes) }}"),
        *("${{ format('{0}{1}', a.nothing, a.no) }}", "${{ format('none') }}"),
        "${{ a.text && format('x {0}', a.text) || 'y' }}",
        *("${{ a['text'] }}", "${{ a.text }} }}", "'${{ a.text }}'", "${{ a.list }} ${{ a.text }}"),
    ],
)
def test_expressions_without_node_equal_those_of_node(text: str) -> None:
    assert expressions.evaluate(text, VALUES) == expressions.evaluate_by_node(text, VALUES)


VALUES: dict[str, Any] = {
    "a": {
        **{"text": "b", "yes": True, "no": False, "number": 1.5, "nothing": None, "list": [1]},
        **{"count": 3, "big": 2**60, "digits": "3"},
        "inner": {"a-b": "${{ a.text }}"},
    },
    "needs": {"one": {"result": "Success"}, "two": {"result": "skipped", "more": "x"}},
    "none": {},
    "signs": {"line": 'a\nb\t"\\/\x01\x7f', "of": [], "in": [{}, None, True, -1]},
    "numbers": {"b": 1, "10": 2, "9": 3},
    "json": '{"a": 1, "b": {"c d": "x"}, "e": null}',
}
OPERANDS = (
    *("a.text", "'b'", "'B'", "''", "'it''s'", "'ä'", "'Ä'", "'0'", "'false'", "0"),
    *("a.count", "a.digits", "3", "'03'", "' 3'", "10", "a.big"),
    *("a.yes", "a.no", "a.nothing", "a.number", "a.list", "a.inner", "true", "false", "null"),
)
FORMS = (
    *("{} == {}", "{} != {}", "{} && {}", "{} || {}", "contains({}, {})", "!{} == {}"),
    *("{} > {}", "{} >= {}", "format('{{0}}-{{1}}', {}, {})", "toJSON({}) == toJSON({})"),
    *("!({} && !{}) || a.text", "{} || {} && 'x'", "{} == {} != true", "({}) != !!{}"),
)


def outcome(evaluate: Callable[..., Any], *given: Any) -> Any:
    try:
        return evaluate(*given)
    except expressions.ExpressionError:
        return "refused"


@pytest.mark.parametrize("form", FORMS)
def test_operators_without_node_equal_those_of_node(form: str) -> None:
    for left in OPERANDS:
        for right in OPERANDS:
            text = "${{ " + form.format(left, right) + " }}"
            by_node = expressions.evaluate_by_node(text, VALUES)
            assert expressions.evaluate(text, VALUES) == by_node, text
            assert expressions.evaluate(f"-{text}-", VALUES) == (
                expressions.evaluate_by_node(f"-{text}-", VALUES)
            ), text


CONDITIONS = (
    *("success()", "failure()", "cancelled()", "always()", "!cancelled() && a.yes", "a.yes"),
    *("a.no", "a.text == 'B'", "${{ a.nothing }}", "${{ !failure() }}", " ${{ a.no }}", "'x'"),
    *("${{ a.no }} ${{ a.no }}", "contains(a.text, 'b') || b.text", "b", "success", "a.gone.x"),
    *("unknown()", "success(1)", "a.text ==", "(a.yes", "a.yes)", "'}}'", "${{ '}}' }}", "a .yes"),
    *("contains(needs.*.result, 'success')", "!contains(needs.*.RESULT, 'failure')"),
    *("contains(needs.*.result, 'skip')", "contains(needs.*.more, 'x')", "needs.*.result"),
    *(
        "contains(none.*.result, 'success')",
        "contains(a.*.result, 'b')",
        "contains('a', needs.*.x)",
    ),
    *("contains(needs.*.result.x, 'success')", "contains(needs.*.result, null)"),
    *("ALWAYS()", "a['yes']", "a.yes && always(", "!a.list", "'${{'", "success() || a.number"),
)


@pytest.mark.parametrize("text", CONDITIONS)
def test_conditions_without_node_equal_those_of_node(text: str) -> None:
    for names in ((), ("success",), ("failure",), ("cancelled",)):
        status = {name: name in names for name in ("success", "failure", "cancelled")}
        by_node = outcome(expressions.condition_by_node, text, VALUES, status)
        assert outcome(expressions.condition, text, VALUES, status) == by_node


@pytest.mark.parametrize("text", ["${{ success() }}", "${{ b.text || a.text }}", "${{ a.yes && }}"])
def test_expressions_that_github_refuses_are_errors(text: str) -> None:
    with pytest.raises(expressions.ExpressionError):
        expressions.evaluate(text, VALUES)
