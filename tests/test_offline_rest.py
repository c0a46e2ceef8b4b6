"""The double of GitHub for scripts that start runs over REST and wait for them."""

from __future__ import annotations

import json
import textwrap
import time
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


def test_an_etag_saves_the_answer_and_runs_are_found_by_time_and_actor(make: Make) -> None:
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
        const { data: run } = await get(`runs/${await start()}`)
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
    assert 30 <= seen["waited"] < 150
    assert -5 < seen["age"] < 300 and seen["total_count"] == 1
    assert -5 < seen["server"] < 150
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


def test_a_run_waits_for_approval_and_its_times_follow_its_changes(make: Make) -> None:
    script = """
        const run_id = await start('gated.yml')
        const seen = []
        let signalled = false
        for (;;) {
          const { data } = await get(`runs/${run_id}`)
          const shown = [data.status, data.updated_at, data.conclusion]
          if (seen.at(-1)?.[0] !== data.status) seen.push(shown)
          if (data.status === 'completed') break
          if (data.status === 'waiting' && !signalled) {
            const { data: { jobs } } = await get(`runs/${run_id}/jobs`)
            signalled = jobs.map(({ name, status }) => [name, status])
            await get('runs/1') // the test takes this for an approval
          }
          await sleep(1)
        }
        await sleep(5)
        const { data: run } = await get(`runs/${run_id}`)
        const { data: { jobs } } = await get(`runs/${run_id}/jobs`)
        return { seen, signalled, run, jobs }
    """
    gated = f"""
    on: workflow_dispatch
    jobs:
      build: {job()}
      deploy: {job(needs="build", environment="prd")}
    """
    github = make(script, gated=gated)
    github.push("main")

    def approve(run: Run, key: str) -> bool:
        assert (key, run.approvals) == ("deploy", [])
        return any(call.path.endswith("/runs/1") for call in github.api_calls)

    def until_seen(run: Run, key: str) -> None:
        path = f"/repos/acme/demo/actions/runs/{run.id}"
        before = len(github.api_calls)
        while key != "ask" and [c.path for c in github.api_calls[before:]].count(path) < 2:
            time.sleep(0.005)

    github.before_job = until_seen
    github.environments["prd"] = {"reviewers": True, "hold": approve}
    seen = result(github.dispatch("api.yml", "main"))
    statuses = [status for status, _, _ in seen["seen"]]
    assert statuses[-4:] == ["in_progress", "waiting", "in_progress", "completed"]
    assert [conclusion for *_, conclusion in seen["seen"]][-2:] == [None, "success"]
    assert seen["signalled"] == [["build", "completed"], ["deploy", "waiting"]]
    assert only(github.runs_of("gated.yml")).approvals == [("deploy", "prd")]
    run, jobs = seen["run"], seen["jobs"]
    changes = [changed for _, changed, _ in seen["seen"]]
    assert changes == sorted(changes) and run["updated_at"] == changes[-1]
    build, deploy = (
        [j[f"{what}_at"] for what in ("created", "started", "completed")] for j in jobs
    )
    times = [run["created_at"], *build, *deploy, run["updated_at"]]
    assert times == sorted(times) and run["run_started_at"] == run["created_at"]
    assert (run["actor"]["login"], run["actor"]["id"]) == ("github-actions[bot]", 41898282)


def test_a_run_that_a_job_started_goes_on_when_that_job_has_ended(make: Make) -> None:
    github = make(
        "return await start('gated.yml')",
        gated=CHILD.replace("{runs-on", "{environment: prd, runs-on"),
    )
    github.push("main")

    def outer_is_over(run: Run, key: str) -> bool:
        return github.runs_of("api.yml")[0].status == "completed"

    github.environments["prd"] = {"reviewers": True, "hold": outer_is_over}
    outer = github.dispatch("api.yml", "main")
    child = only(github.runs_of("gated.yml"))
    assert (result(outer), child.conclusion) == (child.id, "success")
    assert (outer.actor, child.actor) == ("octocat", "github-actions[bot]")
    assert child.payload["sender"]["id"] == 41898282


def test_jobs_without_a_runner_and_runs_behind_them_stay_until_they_are_cancelled(
    make: Make,
) -> None:
    script = """
        const ids = [await start('group.yml'), await start('group.yml')]
        await sleep(10)
        const status = async id => (await get(`runs/${id}`)).data.status
        const { data: { jobs: [job] } } = await get(`runs/${ids[0]}/jobs`)
        const seen = [await status(ids[0]), job.status, await status(ids[1])]
        for (const run_id of ids.toReversed()) await actions.cancelWorkflowRun({ ...repo, run_id })
        const ends = []
        for (const id of ids) ends.push((await end(id)).conclusion)
        return [...seen, ...ends]
    """
    group = f"{{on: workflow_dispatch, concurrency: one, jobs: {{work: {job()}}}}}"
    github = make(script, group=group.replace("ubuntu-latest", "[self-hosted, rare]"))
    github.push("main")
    github.no_runner = {"rare"}
    seen = result(github.dispatch("api.yml", "main"))
    assert seen == ["queued", "queued", "pending", "cancelled", "cancelled"]
    assert [run.order for run in github.runs_of("group.yml")] == [[], []]


def test_the_conclusion_of_a_run_can_be_forced(make: Make) -> None:
    script = """
        const count = async status => (await get(`runs?status=${status}`)).data.total_count
        const run = await end(await start())
        const counts = ['timed_out', 'stale', 'waiting'].map(count)
        return [run.conclusion, ...await Promise.all(counts)]
    """
    after = f"""
    on: {{workflow_run: {{workflows: [Child], types: [completed]}}}}
    jobs: {{never: {job(**{"if": "false"})}}}
    """
    github = make(script, after=after)
    github.push("main")
    forced = ["timed_out", "startup_failure", "action_required", "neutral", "stale", "skipped"]
    for conclusion in forced:
        github.forced_conclusions = {"child.yml": conclusion}
        run = github.dispatch("child.yml", "main")
        assert (run.status, run.conclusion, run.jobs) == ("completed", conclusion, {})
    fired = [run.payload["workflow_run"]["conclusion"] for run in github.runs_of("after.yml")]
    assert fired == forced
    github.forced_conclusions = {"child.yml": "timed_out"}
    assert result(github.dispatch("api.yml", "main")) == ["timed_out", 2, 1, 0]


def test_runs_can_end_in_the_same_second(make: Make) -> None:
    github = make("")
    github.push("main")
    github.forced_conclusions = {"child.yml": "success"}
    first = github.dispatch("child.yml", "main")
    github.same_second = True
    second, third = (github.dispatch("child.yml", "main") for _ in range(2))
    github.same_second = False
    again = github.rerun(first)
    assert first.created_at < first.updated_at == second.created_at == third.updated_at
    assert again.created_at == first.created_at < third.updated_at < again.started_at
    shown = github.run_payload(again)
    assert (shown["run_attempt"], shown["run_started_at"]) == (2, again.started_at)
    old = github.add_run("child.yml", head_sha="1" * 40, created_at="2020-01-01T00:00:00Z")
    assert github.run_payload(old)["updated_at"] == "2020-01-01T00:00:00Z"
    assert shown["triggering_actor"]["login"] == shown["actor"]["login"] == "octocat"
