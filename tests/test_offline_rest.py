"""The double of GitHub for scripts that start runs over REST and wait for them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from test_offline_github import SCRIPT, built, job, only

Make = Callable[..., OfflineGitHub]

CHILD = f"{{name: Child, on: workflow_dispatch, jobs: {{work: {job()}}}}}"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A repository whose `api.yml` runs a script, beside `child.yml` and other files."""

    def build(script: str, **files: str) -> OfflineGitHub:
        workflows = {f"{name}.yml": text for name, text in files.items()}
        return built(tmp_path, {"child.yml": CHILD, "api.yml": api(script), **workflows}, {})

    return build


def api(script: str) -> str:
    """A workflow whose job `ask` runs this script, which may call a few helpers."""
    helpers = """
        const repo = context.repo
        const { actions } = github.rest
        const sleep = seconds => new Promise(done => setTimeout(done, 1000 * seconds))
        const failed = error => ({ ...error.response, status: error.status, failed: error })
        const get = (path, headers = {}) =>
          github.request(`GET /repos/acme/demo/actions/${path}`, { headers }).catch(failed)
        const start = (workflow_id = 'child.yml') => actions.createWorkflowDispatch({
          ...repo, workflow_id, ref: 'main', return_run_details: true,
        }).then(({ data }) => data.workflow_run_id)
        const end = async run_id => {
          for (;;) {
            const { data } = await actions.getWorkflowRun({ ...repo, run_id })
            if (data.status === 'completed') return data
            await sleep(1)
          }
        }
    """
    step = {
        "id": "ask",
        "uses": SCRIPT,
        "with": {"script": textwrap.dedent(helpers) + textwrap.dedent(script)},
    }
    ask = {
        "runs-on": "x",
        "permissions": {"actions": "write"},
        "outputs": {"result": "${{ steps.ask.outputs.result }}"},
        "steps": [step],
    }
    return json.dumps({"on": "workflow_dispatch", "jobs": {"ask": ask}})


def result(run: Run) -> Any:
    """What the script returned."""
    assert run.job("ask").result == "success", run.job("ask").log
    return json.loads(run.job("ask").outputs["result"])


def test_what_is_known_is_not_sent_again_and_runs_are_found_by_time_and_actor(make: Make) -> None:
    script = """
        const run = await end(await start())
        const run_id = run.id
        const seen = []
        for (const path of [`runs/${run_id}`, 'runs?event=workflow_dispatch']) {
          const first = await get(path)
          const again = await get(path, { 'if-none-match': first.headers.etag })
          const other = await get(path, { 'if-none-match': 'W/"x"' })
          seen.push([first.headers.etag.slice(0, 3), again.status, again.data, other.status])
        }
        const at = run.created_at
        const earlier = new Date(Date.parse(at) - 1000).toISOString()
        const found = async query =>
          (await get(`workflows/child.yml/runs?${query}`)).data.total_count
        const created = c => found(`created=${encodeURIComponent(c)}`)
        return { seen, actor: [await found(`actor=${run.actor.login}`), await found('actor=x')],
          found: await Promise.all([`>=${at}`, `<=${at}`, `${earlier}..${at}`, `${earlier}..*`,
            `>${earlier}`, '>2020-01-01', '<2020-01-01', `>${at}`, `<${at}`, `*..${earlier}`
          ].map(created)) }
    """
    github = make(script)
    github.push("main")
    seen = result(github.dispatch("api.yml", "main"))
    assert seen["seen"] == [['W/"', 304, "", 200]] * 2
    assert seen["actor"] == [1, 0]
    assert seen["found"] == [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert only(github.runs_of("child.yml")).conclusion == "success"


def test_a_script_sees_one_fast_clock(make: Make) -> None:
    script = """
        const before = Date.now()
        await sleep(30)
        const waited = (Date.now() - before) / 1000
        const { status, ...run } = await end(await start())
        const age = (Date.now() - Date.parse(run.created_at)) / 1000
        const recent = new Date(new Date().getTime() - 300 * 1000).toISOString()
        const { data: { total_count } } =
          await get(`workflows/child.yml/runs?created=${encodeURIComponent('>=' + recent)}`)
        const { headers } = await get('runs?event=push')
        return { waited, age, total_count, server: (Date.now() - Date.parse(headers.date)) / 1000,
          dates: [new Date() instanceof Date, typeof Date(), Date.UTC(1970, 0, 2), new Date(0)] }
    """
    github = make(script)
    github.push("main")
    seen = result(github.dispatch("api.yml", "main"))
    assert 30 <= seen["waited"] < 90
    assert 0 <= seen["age"] < 300 and seen["total_count"] == 1
    assert -2 < seen["server"] < 60
    assert seen["dates"] == [True, "string", 86_400_000, "1970-01-01T00:00:00.000Z"]
    created = [run.created_at for run in github.runs]
    assert created == sorted(set(created))


def test_calls_are_counted_and_a_spent_quota_is_full_again_after_its_reset(make: Make) -> None:
    script = """
        const run_id = context.runId
        const seen = []
        const names = ['limit', 'remaining', 'used', 'resource']
        const note = ({ status, headers, data }) => seen.push(
          [status, ...names.map(name => headers[`x-ratelimit-${name}`])]
            .concat(status === 403 ? [data.message] : []))
        const first = await get(`runs/${run_id}`)
        note(first)
        note(await get(`runs/${run_id}`, { 'if-none-match': first.headers.etag }))
        note(await get('runs/1'))
        const spent = await get(`runs/${run_id}`)
        note(spent)
        const wait = Number(spent.headers['x-ratelimit-reset']) - Date.now() / 1000
        await sleep(wait)
        note(await get(`runs/${run_id}`))
        return { wait, seen }
    """
    github = make(script)
    github.push("main")
    github.rate_limit.window = 200
    github.quota = 2
    seen = result(github.dispatch("api.yml", "main"))
    assert 0 < seen["wait"] <= 200
    assert seen["seen"] == [
        [200, "1000", "1", "999", "core"],
        [304, "1000", "1", "999", "core"],
        [404, "1000", "0", "1000", "core"],
        [403, "1000", "0", "1000", "core", "API rate limit exceeded for installation."],
        [200, "1000", "999", "1", "core"],
    ]
    assert github.quota is None


def test_a_secondary_limit_can_be_planned_with_its_headers(make: Make) -> None:
    script = """
        const busy = await get('runs')
        const before = Date.now()
        await sleep(Number(busy.headers['retry-after']))
        return [busy.status, busy.data.message, busy.headers['x-ratelimit-remaining'],
          Date.now() - before >= 60000, (await get('runs')).status]
    """
    github = make(script)
    github.push("main")
    message = "You have exceeded a secondary rate limit. Please wait a few minutes."
    github.answer("GET", "/runs$", 429, {"message": message}, headers={"Retry-After": "60"})
    assert result(github.dispatch("api.yml", "main")) == [429, message, "999", True, 200]


@pytest.mark.parametrize("status", [0, 204, 502])
def test_a_call_can_do_its_work_although_its_answer_is_lost(make: Make, status: int) -> None:
    script = """
        const seen = []
        const said = () => start().then(id => id > 0, error => error.status)
        for (let i = 0; i < 3; i++) seen.push(await said())
        return seen
    """
    github = make(script)
    github.push("main")
    github.answer("POST", "/dispatches$", status, after=True, skip=1)
    first, lost, last = result(github.dispatch("api.yml", "main"))
    assert first is last is True
    assert lost == {0: 500, 204: False, 502: 502}[status]
    assert [run.conclusion for run in github.runs_of("child.yml")] == ["success"] * 3
    assert [call.status for call in github.api_calls] == [200, status, 200]


def test_plans_count_every_call_that_matches_them(make: Make) -> None:
    github = make("")
    github.answer("GET", "/a", 503)
    github.answer("GET", "/a", 404, skip=2)
    github.answer("GET", "/a", 500, skip=1)
    answers = [github.planned_answer("GET", "/a") for _ in range(4)]
    assert [plan and plan.answer.status for plan in answers] == [503, 500, 404, None]


def test_the_network_can_fail_before_anything_reaches_github(make: Make) -> None:
    script = """
        const text = ({ message, cause }) => [message, cause.name, cause.message, cause.cause.code]
        const raw = await fetch(`${process.env.GITHUB_API_URL}/repos/acme/demo`).then(
          () => null, error => [error.name, error.message, error.cause.code])
        const calls = []
        for (let i = 0; i < 3; i++) calls.push(await start().then(id => id > 0, text))
        return { raw, calls }
    """
    github = make(script)
    github.push("main")
    github.unreachable(1, "demo$", "ECONNREFUSED")
    github.unreachable(1, "/dispatches", skip=1, method="POST")
    seen = result(github.dispatch("api.yml", "main"))
    assert seen["raw"] == ["TypeError", "fetch failed", "ECONNREFUSED"]
    first, failed, last = seen["calls"]
    assert first is last is True
    host = "getaddrinfo ENOTFOUND 127.0.0.1"
    assert failed == [host, "TypeError", "fetch failed", "ENOTFOUND"]
    assert len(github.runs_of("child.yml")) == len(github.api_calls) == 2
    # Nothing is left to fail: later jobs do not even ask.
    assert github.fault_environment() == {}
