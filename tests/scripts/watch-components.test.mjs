// watch-components: knows the runs of this deployment, and says how each component ended.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, fakeGitHub, paged, run } from './fake-github.mjs'

const SELF = 5
const COMMIT = 'c'.repeat(40)
const OTHER = 'd'.repeat(40)
const MINE = 77 // the id of the repository
const RUN = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}'
const RUNS = 'GET /repos/{owner}/{repo}/actions/runs'
const JOBS = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs'
const REFS = 'GET /repos/{owner}/{repo}/git/matching-refs/{ref}'
const COMMITS = 'GET /repos/{owner}/{repo}/commits'
const DEPLOY = ['deploy / Deploy']
const context = {
  repo: { owner: 'acme', repo: 'demo' }, runId: SELF, eventName: 'push',
  payload: { repository: { id: MINE, default_branch: 'main' } },
}
const url = id => `https://github.com/acme/demo/actions/runs/${id}`
const time = minute => `2026-11-01T12:${String(minute).padStart(2, '0')}:00Z`

/** A run of the component `a`, as the API lists it. */
const listed = (id, more) => ({
  id, html_url: url(id), path: '.github/workflows/a-dev.yml@main', event: 'workflow_run', head_branch: 'main', head_sha: COMMIT, run_attempt: 1,
  repository: { id: MINE }, head_repository: { id: MINE }, display_title: `Deploy ${COMMIT} to dev - a`,
  status: 'completed', conclusion: 'success', created_at: time(1), run_started_at: time(1), ...more,
})
const of = (component, id, more) => listed(id, { path: `.github/workflows/${component}-dev.yml`, ...more })
const alone = ({ sha }) => [{ sha, parents: [], commit: {} }] // a branch of one commit
const main = sha => paged([{ ref: 'refs/heads/main', object: { sha } }])
const list = (...runs) => paged(runs, 'workflow_runs')
const jobs = (...ends) => paged(ends.map(([name, conclusion]) => ({ name, conclusion })), 'jobs')
const deployed = jobs(['Changes', 'success'], ['deploy / Deploy', 'success'])
const notYet = jobs(['Changes', 'success'], ['deploy', 'skipped'])
const refused = jobs(['Changes', 'failure'], ['deploy', 'skipped'])
const byRun = ends => parameters => ends[parameters.run_id](parameters)

/** Watches `components`, {a: {jobs: DEPLOY}} if left out, while the runs are those of `runs`. */
async function watch(runs, { components = { a: {} }, event = 'push', ...routes } = {}) {
  const github = fakeGitHub({
    [RUN]: { created_at: time(0) }, [RUNS]: runs, [JOBS]: deployed, [REFS]: main(COMMIT),
    [COMMITS]: alone, ...routes,
  })
  const COMPONENTS = JSON.stringify(Object.fromEntries(Object.entries(components).map(([name, more]) => [name, { after: [], jobs: DEPLOY, ...more }])))
  const env = { ENVIRONMENT: 'dev', COMMIT, REFS: '^refs/heads/main$', COMPONENTS }
  const done = await run('watch-components/watch.cjs', { env, github, context: { ...context, eventName: event } })
  const of = level => done.log.filter(line => line.startsWith(`${level}: `)).map(line => line.slice(level.length + 2))
  return { ...done, github, results: JSON.parse(done.outputs.results ?? 'null'), failed: of('failed'), errors: of('error') }
}
const success = id => ({ result: 'success', url: url(id) })

test('waits until all have deployed', async () => {
  const done = await watch([
    list(), list(of('a', 1, { status: 'in_progress', conclusion: null })), list(of('a', 1)),
    list(of('b', 2, { status: 'queued', conclusion: null }), of('a', 1)), list(of('b', 2), of('a', 1)),
  ], { components: { a: {}, b: { after: ['a'] } } })
  assert.deepEqual(done.results, { a: success(1), b: success(2) })
  assert.deepEqual([done.failed, done.errors], [[], []])
  assert.deepEqual(done.log, [`info: a: success ${url(1)}`, `info: b: success ${url(2)}`])
  assert.equal(done.seconds, 10 + 15 + 22.5 + 33.75)
  assert.equal(done.github.calls.find(({ route }) => route === RUNS).parameters.created, '>=2026-11-01T11:50:00.000Z')
})

test('takes only runs of this deployment', async () => {
  const failed = { conclusion: 'failure' }
  const strangers = [
    listed(21, { ...failed, display_title: `Deploy ${OTHER} to dev - a` }), listed(22, { ...failed, display_title: `Redeploy ${COMMIT} to dev - a` }),
    listed(23, { ...failed, path: '.github/workflows/b-dev.yml' }), listed(24, { ...failed, head_repository: { id: 1 } }),
    listed(25, { ...failed, head_repository: null }), listed(26, { ...failed, conclusion: 'skipped' }),
    listed(27, { ...failed, event: 'pull_request' }), listed(28, { ...failed, event: 'push', head_sha: OTHER }), listed(30, { ...failed, event: 'push', head_branch: 'feature' }),
    listed(29, { ...failed, event: 'schedule' }),
  ]
  const done = await watch(list(...strangers, listed(1)))
  assert.deepEqual(done.results, { a: success(1) })
})

test('by hand it looks at the day before', async () => {
  const done = await watch(list(listed(1, { event: 'workflow_dispatch' })), { event: 'workflow_dispatch' })
  assert.equal(done.github.calls.find(({ route }) => route === RUNS).parameters.created, '>=2026-10-31T12:00:00.000Z')
  assert.deepEqual(done.results, { a: success(1) })
})

test('a run by hand of a branch that has moved on meanwhile counts', async () => {
  const foreign = listed(9, { event: 'workflow_dispatch', head_sha: 'e'.repeat(40), conclusion: 'failure' })
  const byHand = listed(1, { event: 'workflow_dispatch', head_sha: OTHER, conclusion: 'timed_out' })
  const done = await watch([list(foreign), list(byHand, foreign)], { [REFS]: [main(COMMIT), main(OTHER)] })
  assert.deepEqual(done.results, { a: { result: 'timed_out', url: url(1) } })
})

test('asks only once for each run whether its commit can be trusted', async () => {
  const foreign = listed(9, { event: 'push', head_sha: OTHER, conclusion: 'failure' })
  const done = await watch([list(foreign), list(foreign), list(foreign, listed(1))])
  assert.deepEqual([done.results, done.github.count(COMMITS)], [{ a: success(1) }, 1])
})

test('a run that started too early is ignored', async () => {
  const ends = { 3: notYet, 2: notYet, 1: deployed }
  const done = await watch([list(listed(3)), list(listed(3)), list(listed(3), listed(2), listed(1))], { [JOBS]: byRun(ends) })
  assert.deepEqual(done.results, { a: success(1) })
  // The jobs of an attempt that has ended are read once.
  assert.equal(done.github.count(JOBS), 3)
})

test('a list of jobs that lags behind is read again', async () => {
  const done = await watch(list(listed(1)), { [JOBS]: [jobs(), jobs(['deploy / Deploy', null]), deployed] })
  assert.deepEqual([done.results, done.github.count(JOBS)], [{ a: success(1) }, 3])
})

test('several jobs decide, and all have to succeed', async () => {
  const components = { a: { jobs: ['x', 'y'] } }
  const done = await watch(list(listed(1)), { components, [JOBS]: [jobs(['x', 'success'], ['y', null]), jobs(['x', 'success'], ['y', 'success'])] })
  assert.deepEqual([done.results, done.github.count(JOBS)], [{ a: success(1) }, 2])
})

for (const conclusion of ['failure', 'cancelled', 'timed_out', 'startup_failure']) {
  test(`${conclusion}: what comes after it is skipped`, async () => {
    const components = { a: {}, b: { after: ['a'] }, c: { after: ['b'] }, d: {} }
    const done = await watch(list(of('d', 2), of('a', 1, { conclusion })), { components, [JOBS]: deployed })
    assert.deepEqual(done.results, { a: { result: conclusion, url: url(1) }, b: { result: 'skipped' }, c: { result: 'skipped' }, d: success(2) })
    assert.deepEqual(done.failed, ['Not deployed: a, b, c. Re-run their failed jobs, then this job'])
  })
}

test('a run that was refused counts only if no other has deployed', async () => {
  const failed = { conclusion: 'failure' }
  const ends = { 3: refused, 2: refused, 1: deployed }
  const both = await watch(list(listed(3, failed), listed(2, failed), listed(1)), { [JOBS]: byRun(ends) })
  assert.deepEqual(both.results, { a: success(1) })
  const alone = await watch(list(listed(3, failed), listed(2, failed)), { [JOBS]: byRun(ends) })
  assert.deepEqual(alone.results, { a: { result: 'failure', url: url(3) } })
})

test('a failed run that is re-run during the watch counts again', async () => {
  const going = of('b', 2, { status: 'in_progress', conclusion: null })
  const done = await watch([
    list(going, of('a', 1, { conclusion: 'failure' })), list(going, of('a', 1, { run_attempt: 2 })), list(of('b', 2), of('a', 1, { run_attempt: 2 })),
  ], { components: { a: {}, b: {} } })
  assert.deepEqual(done.results, { a: success(1), b: success(2) })
  assert.deepEqual(done.log.slice(0, 2), [`info: a: failure ${url(1)}`, `info: a: success ${url(1)}`])
})

test('if a commit is deployed once more, the runs of the first time do not count', async () => {
  const old = of('b', 1, { created_at: time(1), run_started_at: time(1) })
  const a = of('a', 2, { created_at: time(2), run_started_at: time(3) })
  const done = await watch([list(a, old), list(of('b', 3, { created_at: time(4) }), a, old)], { components: { a: {}, b: { after: ['a'] } } })
  assert.deepEqual(done.results, { a: success(2), b: success(3) })
})

test('a component without jobs counts once everything before it has deployed', async () => {
  const a = more => of('a', 1, more)
  const components = { a: {}, b: { after: ['a'], jobs: [] } }
  const early = of('b', 2, { created_at: time(0) })
  const done = await watch([list(early, a({ status: 'queued', conclusion: null })), list(early, a()), list(of('b', 3), early, a())], { components })
  assert.deepEqual(done.results, { a: success(1), b: success(3) })
})

test('a component without jobs is skipped if something before it fails, although its runs succeed', async () => {
  const components = { a: {}, b: { after: ['a'], jobs: [] } }
  const b = of('b', 2, { created_at: time(2) })
  const done = await watch([list(b, of('a', 1, { status: 'queued', conclusion: null })), list(b, of('a', 1, { conclusion: 'failure' }))], { components })
  assert.deepEqual(done.results, { a: { result: 'failure', url: url(1) }, b: { result: 'skipped' } })
})

test('a missing run is reported once', async () => {
  const going = of('b', 2, { status: 'in_progress', conclusion: null })
  const done = await watch((parameters, before) => list(before < 30 ? going : of('b', 2))(parameters), { components: { a: {}, b: {} } })
  assert.deepEqual(done.results, { a: { result: 'never started' }, b: success(2) })
  assert.deepEqual(done.errors, [`a-dev.yml has no run for ${COMMIT}, 15 minutes after its dependencies: check that it is enabled, and that it is on the default branch`])
  assert.deepEqual(done.failed, ['Not deployed: a. Re-run their failed jobs, then this job'])
  const alone = await watch(list())
  assert.ok(alone.seconds > 15 * 60 && alone.seconds <= 16 * 60)
})

test('gives up before GitHub ends the job', async () => {
  const waits = of('a', 1, { status: 'waiting', conclusion: null })
  const done = await watch(list(waits), { components: { a: {}, b: { after: ['a'] } } })
  assert.deepEqual(done.results, { a: { result: 'waiting', url: url(1) }, b: { result: 'never started' } })
  assert.deepEqual(done.errors, [
    'a has not ended in 350 minutes (waiting); re-run this job once it has ended',
    'b has not ended in 350 minutes (never started); re-run this job once it has ended',
  ])
  assert.ok(done.seconds > 350 * 60 && done.seconds < 352 * 60)
})

test('retries after temporary errors without a limit', async () => {
  const foreign = listed(9, { event: 'push', head_sha: OTHER, conclusion: 'failure' })
  const done = await watch([failure(502), list(foreign), list(foreign, listed(1))], {
    [JOBS]: [failure(0, 'fetch failed'), deployed],
    // Longer than a question about trust waits by itself.
    [COMMITS]: [...Array(30).fill(failure(502)), failure(403, 'x', { 'retry-after': '1800' }), alone],
  })
  assert.deepEqual([done.results, done.failed], [{ a: success(1) }, []])
})

test('a lasting error ends the watch', async () => {
  await assert.rejects(watch(failure(403, 'Not for you')), { message: 'Not for you' })
})
