// find-dependencies: waits until all dependencies are deployed. Exactly one of the waiting runs continues.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, fakeGitHub, paged, run } from './fake-github.mjs'

const COMMIT = 'c'.repeat(40)
const OTHER = 'd'.repeat(40)
const MINE = 77 // the id of the repository
const RUNS = 'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs'
const JOBS = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs'
const REFS = 'GET /repos/{owner}/{repo}/git/matching-refs/{ref}'
const COMMITS = 'GET /repos/{owner}/{repo}/commits'
const BUILD = 'build / Check and build'
const DEPLOY = 'deploy / Deploy'
const time = minute => `2026-11-01T11:${String(minute).padStart(2, '0')}:00Z`
const HEAD = { head_branch: 'main', head_sha: COMMIT, display_title: `Deploy ${COMMIT} to dev - a`, repository: { id: MINE }, head_repository: { id: MINE } }

/** A run of a component, as the API and the event have it. */
const runOf = (component, id, more) => ({
  id, path: `.github/workflows/${component}-dev.yml@main`, event: 'workflow_run', run_attempt: 1, ...HEAD,
  status: 'completed', conclusion: 'success', created_at: time(10), run_started_at: time(10), ...more,
})
const job = (name, conclusion, minute) => ({ name, conclusion, completed_at: minute === undefined ? null : time(minute) })
const deployed = minute => [job('Changes', 'success', 11), job(BUILD, 'success', 12), job(DEPLOY, 'success', minute)]
const notYet = [job('Changes', 'success', 11), job('build', 'skipped', 11), job('deploy', 'skipped', 11)]
const needs = { jobs: [BUILD, DEPLOY], decisive: [DEPLOY], roots: [] }
const ONE = { a: needs }
const TWO = { a: needs, b: needs }

/**
 * Runs the script after the run `before`. `runs` has the listed runs by component, and `jobs` the jobs
 * by the id of their run. Where a value is a list, each look gets the next item.
 */
async function find({ before, dependencies = ONE, runs = {}, jobs = {}, producers = '', packages = 'same-commit', ...routes }) {
  const looks = {}
  const next = (key, given) => {
    const seen = looks[key] = (looks[key] ?? -1) + 1
    return given?.every?.(Array.isArray) && given.length ? given[Math.min(seen, given.length - 1)] : given
  }
  const github = fakeGitHub({
    [RUNS]: parameters => {
      const component = parameters.workflow_id.replace('-dev.yml', '')
      const given = next(component, runs[component])
      return given ? paged(given, 'workflow_runs')(parameters) : failure(404, 'Not Found')
    },
    [JOBS]: parameters => paged(next(parameters.run_id, jobs[parameters.run_id]), 'jobs')(parameters),
    [REFS]: paged([{ ref: 'refs/heads/main', object: { sha: COMMIT } }]), [COMMITS]: [[{ sha: COMMIT, parents: [], commit: {} }]],
    ...routes,
  })
  const context = {
    repo: { owner: 'acme', repo: 'demo' }, runId: 5, eventName: before ? 'workflow_run' : 'workflow_dispatch',
    payload: { repository: { id: MINE, default_branch: 'main' }, workflow_run: before },
  }
  const env = {
    ENVIRONMENT: 'dev', COMMIT, REFS: '^refs/heads/main$', PACKAGES: packages, PRODUCERS: producers,
    DEPENDENCIES: dependencies && JSON.stringify(dependencies),
  }
  const done = await run('find-dependencies/find.cjs', { env, github, context })
  return { ...done, github, ready: done.outputs.ready, packages: done.outputs.packages }
}
const absent = component => [`notice: Not yet: ${component} has not been deployed to dev with commit ${COMMIT}`]

test('a run by hand, or without dependencies, is ready at once', async () => {
  const packages = '{"a": {"run": 3}}'
  for (const given of [{ packages }, { packages, before: runOf('a', 1), dependencies: '' }, { packages, before: runOf('a', 1), dependencies: {} }]) {
    const done = await find(given)
    assert.deepEqual([done.outputs, done.github.calls], [{ ready: 'true', packages }, []])
  }
})

test('is ready after its only dependency', async () => {
  const a = runOf('a', 1)
  const done = await find({ before: a, runs: { a: [a] }, jobs: { 1: deployed(20) }, producers: 'a' })
  assert.deepEqual(done.outputs, { ready: 'true', packages: '{"a":{"run":1}}' })
  assert.equal(done.github.calls[0].parameters.created, '>=2026-10-01T12:00:00.000Z')
  assert.equal(done.seconds, 0)
})

test('only the run after the last dependency to end continues', async () => {
  const [a, b] = [runOf('a', 1), runOf('b', 2)]
  const both = { dependencies: TWO, runs: { a: [a], b: [b] }, producers: 'a b' }
  const packages = '{"a":{"run":1},"b":{"run":2}}'
  // The end of the last job counts. If two end in the same second, the ids decide.
  for (const [endOfA, endOfB, last] of [[21, 20, a], [20, 21, b], [20, 20, b]]) {
    const jobs = { 1: deployed(endOfA), 2: deployed(endOfB) }
    const other = last === a ? b : a
    assert.deepEqual((await find({ ...both, jobs, before: last })).outputs, { ready: 'true', packages })
    const left = await find({ ...both, jobs, before: other })
    assert.deepEqual([left.ready, left.log], ['false', [`notice: Nothing to do: run ${last.id} ended last, and the run that it starts deploys this component`]])
  }
})

test('a run after an earlier attempt leaves the deployment to the run after the next attempt', async () => {
  const first = runOf('a', 1)
  const second = { ...first, run_attempt: 2 }
  const given = { runs: { a: [second] }, jobs: { 1: deployed(20) } }
  assert.deepEqual((await find({ ...given, before: first })).log, ['notice: Nothing to do: run 1 ended last, and the run that it starts deploys this component'])
  assert.equal((await find({ ...given, before: second })).ready, 'true')
})

test('is not ready if a dependency is missing after three looks in twenty seconds', async () => {
  const a = runOf('a', 1)
  const done = await find({ before: a, dependencies: TWO, runs: { a: [a], b: [] }, jobs: { 1: deployed(20) } })
  assert.deepEqual([done.ready, done.packages, done.log, done.seconds], ['false', 'same-commit', absent('b'), 20])
  const late = await find({ before: a, dependencies: TWO, runs: { a: [a], b: [[], [runOf('b', 2)]] }, jobs: { 1: deployed(21), 2: deployed(20) } })
  assert.deepEqual([late.ready, late.seconds], ['true', 10])
  const never = await find({ before: a, dependencies: TWO, runs: { a: [a] }, jobs: { 1: deployed(20) } })
  assert.deepEqual([never.ready, never.log], ['false', absent('b')])
})

test('the event counts even if the lists disagree', async () => {
  const a = runOf('a', 2)
  const stale = { ...a, status: 'in_progress', conclusion: null }
  const older = runOf('a', 1, { conclusion: 'failure' })
  const newer = runOf('a', 3, { conclusion: 'skipped' })
  for (const shown of [[], [stale], [older], [newer, stale, older], [newer, older]]) {
    const done = await find({ before: a, runs: { a: shown }, jobs: { 2: deployed(20), 1: deployed(20) } })
    assert.equal(done.ready, 'true', JSON.stringify(shown.map(({ id, status }) => [id, status])))
  }
})

test('the run of the event does not count if it has only looked, and its jobs are read once', async () => {
  const [older, told] = [runOf('a', 1), runOf('a', 2)]
  const done = await find({ before: told, runs: { a: [told, older] }, jobs: { 1: deployed(20), 2: notYet } })
  assert.deepEqual([done.ready, done.log], ['false', ['notice: Nothing to do: run 1 ended last, and the run that it starts deploys this component']])
  assert.deepEqual(done.github.calls.filter(({ route }) => route === JOBS).map(({ parameters }) => parameters.run_id), [2, 1])
})

const SAYS_NOTHING = {
  'has only looked': [{}, notYet],
  'has skipped all that works': [{}, [job(BUILD, 'skipped', 12), job(DEPLOY, 'skipped', 12)]],
  'only looks': [{ status: 'in_progress', conclusion: null }, [job('Changes', null)]],
  'was refused': [{ conclusion: 'failure' }, [job('Changes', 'failure', 11), job('deploy', 'skipped', 11)]],
  'was skipped': [{ conclusion: 'skipped' }, []],
  'is of a feature branch': [{ event: 'push', head_sha: OTHER, conclusion: 'failure' }, deployed(20)],
  'is of another commit': [{ display_title: `Deploy ${OTHER} to dev - a`, conclusion: 'failure' }, deployed(20)],
  'is of another workflow': [{ path: '.github/workflows/x-dev.yml', conclusion: 'failure' }, deployed(20)],
  'is of a fork': [{ head_repository: { id: 1 }, conclusion: 'failure' }, deployed(20)],
  'is of a fork that is gone': [{ head_repository: null, conclusion: 'failure' }, deployed(20)],
}
for (const [what, [more, jobs]] of Object.entries(SAYS_NOTHING)) {
  test(`a newer run that ${what} is ignored`, async () => {
    const a = runOf('a', 1)
    const done = await find({ before: a, runs: { a: [runOf('a', 2, more), a] }, jobs: { 1: deployed(20), 2: jobs } })
    assert.equal(done.ready, 'true')
  })
}

const COUNTS = {
  'has failed to deploy': [{ conclusion: 'failure' }, [job(BUILD, 'success', 12), job(DEPLOY, 'failure', 13)]],
  'has failed before it deployed': [{ conclusion: 'failure' }, [job(BUILD, 'failure', 12), job('deploy', 'skipped', 12)]],
  'has deployed and then failed': [{ conclusion: 'failure' }, [...deployed(13), job('own', 'failure', 14)]],
  'still deploys': [{ status: 'in_progress', conclusion: null }, [job(BUILD, 'success', 12), job(DEPLOY, null)]],
  'a person has just started': [{ event: 'workflow_dispatch', status: 'queued', conclusion: null }, []],
  'has built and not deployed': [{}, [job(BUILD, 'success', 12), job('deploy', 'skipped', 12)]],
  'has a job that decides and did not succeed': [{}, [job(BUILD, 'success', 12), job(DEPLOY, 'neutral', 12)]],
}
for (const [what, [more, jobs]] of Object.entries(COUNTS)) {
  test(`a newer run that ${what} counts more than an older one`, async () => {
    const a = runOf('a', 1)
    const done = await find({ before: a, runs: { a: [runOf('a', 2, more), a] }, jobs: { 1: deployed(20), 2: jobs } })
    assert.deepEqual([done.ready, done.log], ['false', absent('a')])
  })
}

test('if a commit is deployed once more, the runs of the first time do not count', async () => {
  const dependencies = { b: { ...needs, roots: ['a'] }, d: { ...needs, roots: ['a', 'c'] } }
  const [b, d] = [runOf('b', 2, { created_at: time(20) }), runOf('d', 4, { created_at: time(20) })]
  const jobs = { 2: deployed(25), 4: deployed(26) }
  const roots = (a, c) => ({ a: [runOf('a', 1, { run_started_at: time(a) })], c: c ? [runOf('c', 3, { run_started_at: time(c) })] : [] })
  const found = async (...starts) => {
    const done = await find({ before: d, dependencies, runs: { b: [b], d: [d], ...roots(...starts) }, jobs })
    return done.ready === 'true' || done.log
  }
  assert.equal(await found(10, 15), true)
  assert.equal(await found(10, 0), true)
  assert.deepEqual(await found(21, 15), absent('b'))
  assert.deepEqual(await found(10, 21), absent('d'))
})

test('the packages come from the runs that were found', async () => {
  const a = runOf('a', 1)
  const given = { before: a, runs: { a: [a] }, jobs: { 1: deployed(20) } }
  assert.equal((await find(given)).packages, '{}')
  // `x` only brings its package over, so no run waits for it.
  assert.equal((await find({ ...given, producers: 'a x' })).packages, '{"a":{"run":1},"x":"same-commit"}')
})

test('a job that still looks unfinished does not delay a run that has ended', async () => {
  const [a, b] = [runOf('a', 1), runOf('b', 2)]
  const jobs = { 1: [...deployed(21), job('own', null)], 2: deployed(20) }
  const done = await find({ before: a, dependencies: TWO, runs: { a: [a], b: [b] }, jobs })
  assert.equal(done.ready, 'true')
})

test('retries after temporary errors, and fails after lasting ones', async () => {
  const a = runOf('a', 1)
  const given = { before: a, runs: { a: [a] }, jobs: { 1: deployed(20) } }
  const jobs = paged(deployed(20), 'jobs')
  const done = await find({ ...given, [JOBS]: [failure(502), failure(0, 'read ECONNRESET'), jobs] })
  assert.deepEqual([done.ready, done.seconds], ['true', 30])
  await assert.rejects(find({ ...given, [JOBS]: failure(404, 'Not Found') }), { message: 'Not Found' })
  await assert.rejects(find({ ...given, [RUNS]: failure(401, 'Bad credentials') }), { message: 'Bad credentials' })
})
