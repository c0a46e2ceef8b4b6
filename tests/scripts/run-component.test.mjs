// run-component: starts one run, waits for this run, and cancels the run if it is cancelled itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer, failure, fakeGitHub, paged, run } from './fake-github.mjs'

const SELF = 5
const COMMIT = 'c'.repeat(40)
const RUN = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}'
const JOBS = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs'
const BEFORE = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs'
const LIST = 'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs'
const START = 'POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches'
const CANCEL = 'POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel'
const LIMIT = 'GET /rate_limit'
const NOW = Date.parse('2026-11-01T12:00:00Z') / 1000
const CHILD = 'https://github.com/acme/demo/actions/runs/9'
const context = { repo: { owner: 'acme', repo: 'demo' }, runId: SELF }
const env = {
  WORKFLOW: 'site-dev.yml', COMMIT, PACKAGES: '', GITHUB_JOB: 'site-dev', GITHUB_RUN_ATTEMPT: '1',
  GITHUB_REF: 'refs/heads/main', GITHUB_REF_NAME: 'main',
}
const BOT = { login: 'github-actions[bot]' }
/** This job, in two attempts; the second one still runs. */
const own = paged([
  { name: 'other', started_at: '2026-11-01T12:00:00Z', completed_at: null }, { name: 'site-dev', started_at: null, completed_at: null },
  { name: 'site-dev', started_at: '2026-11-01T12:00:30Z', completed_at: '2026-11-01T12:01:00Z' },
  { name: 'site-dev', started_at: '2026-11-01T12:10:00Z', completed_at: null },
], 'jobs')
const plenty = { resources: { core: { limit: 1000, remaining: 900, reset: NOW + 3600 } } }
const started = { workflow_run_id: 9, html_url: CHILD }

/** A run of the component as the API lists it. */
const listed = more => ({
  id: 9, html_url: CHILD, event: 'workflow_dispatch', actor: BOT, head_branch: 'main', status: 'completed', conclusion: 'success', run_attempt: 1,
  created_at: '2026-11-01T12:00:30Z', display_title: `Deploy ${COMMIT} to dev, site of run ${SELF}, attempt 1`, ...more,
})
const list = runs => paged(runs, 'workflow_runs')

/** Runs it; `child` answers the looks at run 9. */
function start({ child = listed(), ...routes } = {}, more = {}) {
  const looks = fakeGitHub({ [RUN]: child })
  const github = fakeGitHub({
    [LIMIT]: plenty, [START]: started, [JOBS]: own, ...routes,
    [RUN]: parameters => parameters.run_id === SELF ? { id: SELF, created_at: '2026-11-01T12:00:00Z' } : looks.request(RUN, parameters),
  })
  return run('run-component/run.cjs', { env: { ...env, ...more }, github, context })
    .then(done => ({ ...done, github, looks, failed: done.log.filter(line => line.startsWith('failed: ')).map(line => line.slice(8)) }))
}
const state = (status, conclusion = null) => listed({ status, conclusion })

test('starts a run, waits for it and says how it ended', async () => {
  const done = await start({ child: [state('queued'), state('in_progress'), state('in_progress'), listed()] })
  assert.deepEqual(done.failed, [])
  assert.deepEqual(done.outputs, { 'run-id': 9, url: CHILD, conclusion: 'success' })
  const { parameters } = done.github.calls.find(({ route }) => route === START)
  assert.deepEqual(parameters, {
    ...context.repo, workflow_id: 'site-dev.yml', ref: 'refs/heads/main', return_run_details: true,
    inputs: { commit: COMMIT, packages: 'same-commit', orchestrator: '5', attempt: '1' },
  })
  assert.equal(done.seconds, 10 + 15 + 22.5)
})

test('passes the list of packages to the run', async () => {
  const PACKAGES = '{"api": {"run": 7}}'
  const done = await start({}, { PACKAGES })
  assert.equal(done.github.calls.find(({ route }) => route === START).parameters.inputs.packages, PACKAGES)
})

for (const conclusion of ['failure', 'timed_out', 'cancelled', 'startup_failure', 'skipped', 'neutral', 'stale', 'action_required']) {
  test(`a run that ends with ${conclusion} fails the job`, async () => {
    const done = await start({ child: state('completed', conclusion) })
    assert.deepEqual(done.failed, [`site-dev.yml ended with ${conclusion}: ${CHILD}`])
    assert.equal(done.outputs.conclusion, conclusion)
  })
}

// Starting

const MAY = 'site-dev.yml may or may not have been started'
const AGAIN = 're-run the failed jobs: they use the run if it has appeared by then'
const UNCLEAR = [
  ['an answer without a run', answer(undefined, {}, 204), 'GitHub answers 204 and names no run'],
  ['502', failure(502, '<html>\nBad gateway'), 'GitHub answers 502: <html> Bad gateway'],
  ['502 of a gateway without a connection', failure(502, 'ECONNREFUSED'), 'GitHub answers 502: ECONNREFUSED'],
  ['a connection that broke', failure(0, 'other side closed'), 'other side closed'],
]
for (const [name, given, said] of UNCLEAR) {
  test(`${name}: it is not started again, and its title is looked for`, async () => {
    const strangers = [
      listed({ id: 1, event: 'push' }), listed({ id: 2, head_branch: 'feature' }),
      listed({ id: 3, display_title: `Deploy ${COMMIT} to dev, site alone` }),
      listed({ id: 4, display_title: `Deploy ${COMMIT} to dev, site of run 6, attempt 1` }),
      listed({ id: 6, display_title: `Deploy ${COMMIT} to dev, site of run ${SELF}, attempt 2`, created_at: '2026-11-01T12:10:00Z' }),
      listed({ id: 10, actor: { login: 'mallory' } }), listed({ id: 11, actor: null }),
      listed({ id: 12, created_at: '2026-11-01T12:00:29Z' }), listed({ id: 13, created_at: '2026-11-01T12:01:01Z' }),
      listed({ id: 7, display_title: `Deploy ${'d'.repeat(40)} to dev, site of run ${SELF}, attempt 1` }),
    ]
    const earlier = listed({ id: 8, created_at: '2026-11-01T11:59:59Z' })
    const found = await start({ [START]: given, [LIST]: [list([]), list([...strangers, listed(), earlier])] })
    assert.deepEqual(found.failed, [])
    assert.equal(found.outputs['run-id'], 9)
    assert.equal(found.github.count(START), 1)
    const lost = await start({ [START]: given, [LIST]: list([...strangers, earlier]) })
    assert.deepEqual(lost.failed, [`${MAY} (${said}), and no run has appeared in two minutes; ${AGAIN}`])
    assert.deepEqual([lost.github.count(START), lost.github.count(LIST), lost.seconds], [1, 12, 120])
    assert.deepEqual(lost.outputs, {})
  })
}

test('two runs with its title at the same time: takes neither', async () => {
  const both = list([listed({ id: 10 }), listed()])
  const done = await start({ [START]: failure(502, 'Bad gateway'), [LIST]: both })
  assert.deepEqual(done.failed, [`${MAY} (GitHub answers 502: Bad gateway), and no run has appeared in two minutes; ${AGAIN}`])
  const again = await start({ [LIST]: both, [BEFORE]: jobsOf('failure') }, second)
  assert.deepEqual([again.failed, again.github.count(START)], [[], 1])
})

test('runs that cannot be listed leave the start unclear', async () => {
  const done = await start({ [START]: failure(0, 'other side closed'), [LIST]: failure(401, 'Bad credentials') })
  const why = 'and its runs cannot be listed (GitHub answers 401: Bad credentials)'
  assert.deepEqual(done.failed, [`${MAY} (other side closed), ${why}; ${AGAIN}`])
})

const NOT_HAPPENED = [
  [failure(429, 'Slow', { 'retry-after': '120' }), 120], [failure(403, 'a secondary rate limit'), 60],
  [failure(0, 'getaddrinfo ENOTFOUND api.github.com'), 10], [failure(0, 'EAI_AGAIN'), 10], [failure(0, 'connect ECONNREFUSED'), 10],
]
test('a start that certainly did not happen is repeated', async () => {
  for (const [error, seconds] of NOT_HAPPENED) {
    const done = await start({ [START]: [error, started] })
    assert.deepEqual([done.failed, done.github.count(START), done.seconds], [[], 2, seconds])
  }
})

const REFUSED = [
  [failure(403, 'Resource not accessible'), 'GitHub answers 403: Resource not accessible'],
  [failure(404, 'Not Found'), 'GitHub answers 404: Not Found; GitHub starts only workflows that are on the default branch, too'],
  [failure(422, 'Unexpected inputs'), 'GitHub answers 422: Unexpected inputs'],
  [failure(429, 'Slow\ndown', { 'retry-after': '3700' }), 'GitHub answers 429: Slow down'],
]
test('a start that is refused is one clear line', async () => {
  for (const [error, said] of REFUSED) {
    const done = await start({ [START]: error })
    assert.deepEqual([done.failed, done.github.count(START)], [[`site-dev.yml was not started: ${said}`], 1])
  }
})

test('waits before a start if too few calls are left for the run', async () => {
  const used = (reset, remaining = 199) => ({ resources: { core: { limit: 1000, remaining, reset } } })
  const done = await start({ [LIMIT]: [used(NOW + 1800), plenty] })
  assert.deepEqual(done.failed, [])
  assert.ok(done.seconds > 1800 && done.seconds < 1862, `${done.seconds}`)
  for (const limit of [used(NOW + 1800, 201), used(NOW - 5), used(NOW + 6 * 3600), failure(502), { resources: {} }]) {
    assert.deepEqual((await start({ [LIMIT]: limit })).seconds, 0)
  }
})

// Waiting

test('asks with the last etag, and less and less often', async () => {
  const unchanged = Object.assign(failure(304), { response: { headers: {} } })
  const done = await start({ child: [answer(state('in_progress'), { etag: '"1"' }), ...Array(6).fill(unchanged), listed()] })
  assert.deepEqual(done.failed, [])
  assert.deepEqual(done.looks.calls.map(({ parameters }) => parameters.headers), [{}, ...Array(7).fill({ 'if-none-match': '"1"' })])
  assert.equal(done.seconds, 10 + 15 + 22.5 + 33.75 + 50.625 + 60 + 60)
  assert.equal(done.log.filter(line => line.startsWith('info: The run is ')).length, 2)
})

test('spreads the remaining calls over the time that is left', async () => {
  const limits = (left, reset) => ({ 'x-ratelimit-limit': '1000', 'x-ratelimit-remaining': left, 'x-ratelimit-reset': String(reset) })
  const pause = async headers => (await start({ child: [answer(state('in_progress'), headers), listed()] })).seconds
  assert.equal(await pause(limits('500', NOW + 3600)), 10)
  assert.equal(await pause(limits('300', NOW + 3600)), 360)
  assert.equal(await pause(limits('0', NOW + 3600)), 3600)
  assert.equal(await pause(limits('300', NOW - 10)), 10)
  assert.equal(await pause(limits('0', NOW)), 10)
})

test('retries after temporary errors', async () => {
  const passing = [failure(502), failure(0, 'fetch failed'), failure(404), failure(404), failure(403, 'x', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW + 900) })]
  for (const error of passing) assert.deepEqual((await start({ child: [error, listed()] })).failed, [])
  const done = await start({ child: [failure(404), failure(404), listed()] })
  assert.equal(done.seconds, 10 + 20)
})

test('a run that can no longer be watched fails the job', async () => {
  const lost = said => `site-dev.yml: ${CHILD} can no longer be watched, and may go on (${said}); re-run the failed jobs once that run has ended`
  const done = await start({ child: [state('waiting'), failure(401, 'Bad credentials')] })
  assert.deepEqual(done.failed, [lost('GitHub answers 401: Bad credentials')])
  assert.equal(done.outputs.conclusion, 'waiting')
  const gone = await start({ child: failure(404, 'Not Found') })
  assert.deepEqual(gone.failed, [lost('GitHub answers 404: Not Found')])
  assert.equal(gone.seconds, 10 + 20 + 40 + 80)
})

test('a run that never begins is cancelled', async () => {
  for (const [cancel, warning] of [[{}, []], [failure(500, 'No'), ['warning: Run 9 could not be cancelled: GitHub answers 500: No']]]) {
    const done = await start({ child: state('queued'), [JOBS]: { jobs: [{ status: 'queued' }] }, [CANCEL]: cancel })
    assert.deepEqual(done.failed, [`site-dev.yml: ${CHILD} has not begun in 60 minutes, so it was cancelled: check that there is a runner for the labels of its jobs`])
    assert.ok(done.seconds > 3600 && done.seconds <= 3660)
    assert.deepEqual(done.github.calls.at(-1).parameters, { ...context.repo, run_id: 9 })
    assert.deepEqual(done.log.filter(line => line.startsWith('warning')), warning)
  }
})

test('a run that is pending behind another has begun', async () => {
  const child = (_, before) => before < 100 ? state('pending') : listed()
  const done = await start({ child, [JOBS]: { jobs: [{ status: 'completed' }] } })
  assert.deepEqual([done.failed, done.github.count(JOBS), done.github.count(CANCEL)], [[], 1, 0])
  const lost = await start({ child, [JOBS]: failure(401, 'Bad\ncredentials') })
  assert.match(lost.failed[0], /can no longer be watched, and may go on \(GitHub answers 401: Bad credentials\)/)
})

test('gives up before GitHub ends the job, and says why', async () => {
  for (const [status, said] of [['waiting', 'waits for approval'], ['in_progress', 'is in_progress']]) {
    const done = await start({ child: state(status) })
    assert.deepEqual(done.failed, [`site-dev.yml: ${CHILD} still ${said} after 350 minutes, and goes on; re-run the failed jobs once that run has ended`])
    assert.ok(done.seconds > 350 * 60 && done.seconds < 351 * 60)
    assert.equal(done.outputs.conclusion, status)
  }
})

// Re-runs

const second = { GITHUB_RUN_ATTEMPT: '2' }
const jobsOf = conclusion => paged([...Array(150).fill({ name: 'other', conclusion: 'success' }), { name: 'site-dev', conclusion }], 'jobs')

test('a re-run takes a run that still goes on, or has succeeded meanwhile', async () => {
  const goesOn = await start({ [LIST]: list([state('in_progress')]), child: [state('in_progress'), listed()] }, second)
  const succeeded = await start({ [LIST]: list([listed()]), [BEFORE]: jobsOf('failure') }, second)
  for (const done of [goesOn, succeeded]) {
    assert.deepEqual([done.failed, done.github.count(START)], [[], 0])
    assert.deepEqual(done.outputs, { 'run-id': 9, url: CHILD, conclusion: 'success' })
    assert.ok(done.log.includes(`notice: Not started again: attempt 1 has started ${CHILD}`))
  }
  assert.equal(succeeded.github.calls.find(({ route }) => route === BEFORE).parameters.attempt_number, 1)
})

test('a re-run starts a new run after a failure, after no start, and after a success that its job saw', async () => {
  const routes = [
    { [LIST]: list([state('completed', 'failure')]) }, { [LIST]: list([]) },
    { [LIST]: list([listed()]), [BEFORE]: jobsOf('success') },
  ]
  for (const given of routes) {
    const done = await start(given, second)
    assert.deepEqual([done.failed, done.github.count(START)], [[], 1])
    assert.equal(done.github.calls.find(({ route }) => route === START).parameters.inputs.attempt, '2')
  }
})

test('a re-run waits for a run with older packages, then starts a new one', async () => {
  const PACKAGES = '{"a": {"run": 3}, "b": {"run": 10}}'
  const said = `notice: A new run starts, because ${CHILD}, of attempt 1, has older packages or was re-run`
  for (const [status, looks] of [['in_progress', 3], ['completed', 1]]) {
    const child = [state('in_progress'), listed({ conclusion: 'failure' }), listed()].slice(3 - looks)
    const done = await start({ [LIST]: list([state(status, 'success')]), [BEFORE]: jobsOf('failure'), child }, { ...second, PACKAGES })
    assert.deepEqual([done.failed, done.github.count(START), done.looks.count(RUN)], [[], 1, looks])
    assert.ok(done.log.includes(said))
  }
  const done = await start({ [LIST]: list([listed()]), [BEFORE]: jobsOf('failure') }, { ...second, PACKAGES: '{"a": {"run": 8}}' })
  assert.equal(done.github.count(START), 0)
})

test('a re-run waits for a run that a person has re-run, then starts a new one', async () => {
  for (const [status, looks] of [['in_progress', 2], ['completed', 1]]) {
    const child = [state('in_progress'), listed()].slice(2 - looks)
    const again = { ...state(status, 'success'), run_attempt: 2 }
    const done = await start({ [LIST]: list([again]), [BEFORE]: jobsOf('failure'), child: [...child, listed()] }, second)
    assert.deepEqual([done.failed, done.github.count(START)], [[], 1])
  }
})

test('a re-run that cannot wait for a run with older packages names that run', async () => {
  const again = { ...state('in_progress'), run_attempt: 2 }
  const done = await start({ [LIST]: list([again]), child: failure(401, 'Bad credentials') }, second)
  assert.deepEqual([done.failed.length, done.github.count(START)], [1, 0])
  assert.ok(done.failed[0].startsWith(`site-dev.yml: ${CHILD} can no longer be watched`), done.failed[0])
})

test('a re-run that cannot list the started runs starts nothing', async () => {
  const done = await start({ [LIST]: failure(401, 'Bad credentials') }, second)
  const why = 'the runs of earlier attempts cannot be listed (GitHub answers 401: Bad credentials)'
  assert.deepEqual([done.failed, done.github.count(START)], [[`site-dev.yml was not started: ${why}`], 0])
})

// Cancelling

function cancel(routes, more = {}) {
  const github = fakeGitHub({ [RUN]: { id: SELF, created_at: '2026-11-01T12:00:00Z' }, [JOBS]: own, ...routes })
  return run('run-component/cancel.cjs', { env: { ...env, RUN_ID: '', ...more }, github, context })
    .then(done => ({ ...done, github, cancelled: github.calls.filter(({ route }) => route === CANCEL).map(({ parameters }) => parameters.run_id) }))
}

test('cancels the run that was waited for', async () => {
  const done = await cancel({ [CANCEL]: [failure(502), failure(429, 'x', { 'retry-after': '40' }), {}] }, { RUN_ID: '9' })
  assert.deepEqual([done.cancelled, done.seconds], [[9, 9, 9], 50])
})

test('cancels the run that goes on, or the one of this attempt, if the job did not know it yet', async () => {
  const title = attempt => `Deploy ${COMMIT} to dev, site of run ${SELF}, attempt ${attempt}`
  const goesOn = listed({ id: 4, status: 'queued', display_title: title(1) })
  const one = listed({ id: 6, display_title: title(2), created_at: '2026-11-01T12:10:30Z' })
  const stranger = listed({ id: 7, status: 'queued', display_title: `Deploy ${COMMIT} to dev, site alone` })
  for (const [runs, id] of [[[stranger, one, goesOn], 4], [[stranger, one, listed()], 6]]) {
    const done = await cancel({ [LIST]: [list([]), list(runs)], [CANCEL]: {} }, second)
    assert.deepEqual([done.cancelled, done.seconds], [[id], 10])
  }
})

test('a run that has already ended is no error', async () => {
  const done = await cancel({ [CANCEL]: failure(409) }, { RUN_ID: '9' })
  assert.deepEqual([done.cancelled, done.log, done.seconds], [[9], [], 0])
})

test('warns about a run that could not be cancelled or found', async () => {
  const done = await cancel({ [CANCEL]: failure(500, 'Oops') }, { RUN_ID: '9' })
  assert.equal(done.log.at(-1), 'warning: Run 9 of site-dev.yml could not be cancelled, and may go on')
  assert.ok(done.cancelled.length > 2 && done.seconds >= 120 && done.seconds < 180)
  const nobody = await cancel({ [LIST]: list([]) })
  assert.equal(nobody.log.at(-1), 'warning: No run of site-dev.yml was found to cancel')
})
