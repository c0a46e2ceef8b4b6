// shared/manifests.cjs: which manifest is trusted, and what was deployed since. shared/runs.cjs: planned.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HISTORY, actionsOf, failure, fakeCore, fakeGitHub, history, paged, script, zipped } from './fake-github.mjs'

const { environmentOf, unzipped } = script('shared/manifests.cjs')

const [A, B, OTHER] = ['a', 'b', 'd'].map(digit => digit.repeat(40))
const KEY = '0123456789ab'
const SINCE = '2026-11-01T10:00:30.500Z'

/** A run of main's orchestrator, and the job that leaves its manifest. */
const oneRun = (id, more) => ({
  id, path: '.github/workflows/orchestrator-test.yml', display_title: `Deploy ${A} to test`, event: 'push', head_branch: 'main', head_sha: A,
  head_repository: { id: 1 }, conclusion: 'success', created_at: '2026-11-01T10:00:00Z', updated_at: '2026-11-01T10:09:00Z', ...more,
})
const summary = more => ({ name: 'Deployment summary', started_at: '2026-11-01T10:04:00Z', completed_at: '2026-11-01T10:06:00Z', ...more })
const artifact = (id, run, more) => {
  const workflow_run = { id: run, head_branch: 'main', head_repository_id: 1, repository_id: 1, ...more?.workflow_run }
  return { id, name: 'manifest-test', expired: false, created_at: '2026-11-01T10:05:00Z', ...more, workflow_run }
}
const content = (run, more) => ({ version: 1, environment: 'test', run, ...more })

/** What manifests.cjs and runs.cjs can do. `main` has A, then B; OTHER was never on it. */
function world(given, payload = {}, routes = {}) {
  const github = fakeGitHub({ ...history({ parents: { [A]: [], [OTHER]: [A], [B]: [A] }, branches: { main: B } }), ...actionsOf(given), ...routes })
  const context = { repo: { owner: 'acme', repo: 'demo' }, payload: { repository: { id: 1, default_branch: 'main' }, ...payload }, runId: 100 }
  const core = fakeCore()
  const { runs, manifests } = environmentOf({ github, context, core, refs: '^refs/heads/main$' })
  return { github, runs, ...manifests }
}

for (const stored of [false, true]) {
  test(`an archive that is ${stored ? 'stored' : 'deflated'}`, () => {
    const text = JSON.stringify({ 'dätä': '🚀'.repeat(500) })
    assert.equal(unzipped(zipped(text, stored)), text)
    assert.equal(unzipped(zipped('', stored)), '')
  })
}

test('a broken archive is an error', () => {
  assert.throws(() => unzipped(Buffer.from('{"version": 1, "environment": "test", "components": {}}')))
  assert.throws(() => unzipped(zipped('text').subarray(0, 60)))
})

test('the newest manifest of an environment', async () => {
  const given = {
    runs: [oneRun(2), oneRun(1)], jobs: { 1: [summary()], 2: [summary()] },
    artifacts: [artifact(20, 2), artifact(10, 1)], contents: { 10: content(1), 20: content(2) },
  }
  const { newestManifest, github } = world(given)
  assert.deepEqual(await newestManifest('test'), content(2))
  assert.equal(github.calls[0].parameters.name, 'manifest-test')
  assert.equal(await world({}).newestManifest('test'), undefined)
})

// There are two manifests; the newer one is ignored.
for (const [name, { run = {}, its = {}, job = {}, inside = {} }] of [
  ['has expired', { its: { expired: true } }],
  ['is of a fork', { its: { workflow_run: { head_repository_id: 2 } } }],
  ['is of a feature branch', { its: { workflow_run: { head_branch: 'feature' } } }],
  ['is of a branch that only looks like main', { run: { head_sha: OTHER } }],
  ['is of another workflow', { run: { path: '.github/workflows/attack.yml' } }],
  ['is of another environment\'s orchestrator', { run: { path: '.github/workflows/orchestrator-dev.yml' } }],
  ['is of a pull request', { run: { event: 'pull_request' } }],
  ['another job has uploaded', { job: { name: 'build / Deployment summary' } }],
  ['was uploaded before the last job began', { job: { started_at: '2026-11-01T10:05:01Z' } }],
  ['was uploaded after the last job', { job: { completed_at: '2026-11-01T10:04:59Z' } }],
  ['has another version', { inside: { version: 2 } }],
  ['is about another environment', { inside: { environment: 'prd' } }],
]) {
  test(`a manifest that ${name} does not count`, async () => {
    const { newestManifest } = world({
      runs: [oneRun(2, run), oneRun(1)], jobs: { 1: [summary({ completed_at: null })], 2: [summary(job)] },
      artifacts: [artifact(20, 2, its), artifact(10, 1)], contents: { 10: content(1), 20: content(2, inside) },
    })
    assert.deepEqual(await newestManifest('test'), content(1))
  })
}

test('250 artifacts of a feature branch cost fewer than ten calls', async () => {
  const planted = Array.from({ length: 250 }, (_, index) => artifact(1000 - index, 99, { workflow_run: { head_branch: 'feature' } }))
  const { newestManifest, github } = world({ runs: [oneRun(1)], jobs: { 1: [summary()] }, artifacts: [...planted, artifact(10, 1)], contents: { 10: content(1) } })
  assert.deepEqual(await newestManifest('test'), content(1))
  assert.ok(github.calls.length < 10, `${github.calls.length}`)
})

test('a manifest of a deleted run that GitHub still lists does not count', async () => {
  const given = { runs: [oneRun(1)], jobs: { 1: [summary()] }, artifacts: [artifact(20, 2), artifact(10, 1)], contents: { 10: content(1) } }
  assert.deepEqual(await world(given).newestManifest('test'), content(1))
})

// The plan of an orchestrator's run, for the runs that it starts.
const plan = { commit: A, build: ['api'] }
const planned = more => artifact(10, 1, { name: 'plan-test', ...more })
const byChanges = more => summary({ name: 'Changes', ...more })
test('the plan of a run that still goes on', async () => {
  const { planOf } = world({ runs: [oneRun(1, { conclusion: null })], jobs: { 1: [byChanges()] }, artifacts: [planned()], contents: { 10: plan } })
  assert.deepEqual(await planOf(1, 'test'), plan)
})
for (const [name, { run = {}, its = {}, job = {}, id = 1 }] of [
  ['of a run that is gone', { id: 2 }],
  ['that has expired', { its: { expired: true } }],
  ['of another name', { its: { name: 'manifest-test' } }],
  ['of a branch that only looks like main', { run: { head_sha: OTHER } }],
  ['of another workflow', { run: { path: '.github/workflows/attack.yml' } }],
  ['of another environment', { run: { path: '.github/workflows/orchestrator-dev.yml' } }],
  ['that another job has uploaded', { job: { name: 'app-build / Changes' } }],
  ['that was uploaded later', { job: { completed_at: '2026-11-01T10:04:59Z' } }],
]) {
  test(`a plan ${name} does not count`, async () => {
    const { planOf } = world({ runs: [oneRun(1, run)], jobs: { 1: [byChanges(job)] }, artifacts: [planned(its)], contents: { 10: plan } })
    assert.equal(await planOf(id, 'test'), undefined)
  })
}

// A package of a component's run. The job api-test of the run 100 has waited for that run.
const built = more => artifact(30, 3, { name: 'api-package-test', digest: 'sha256:1', ...more })
for (const [name, { its = {}, build = {}, waits = {} }, expected] of [
  ['its build has uploaded', {}, 'sha256:1'],
  ['GitHub knows no digest of', { its: { digest: null } }, undefined],
  ['has another name', { its: { name: 'web-package-test' } }, undefined],
  ['another job has uploaded', { build: { name: 'deploy / Deploy' } }, undefined],
  ['a build that failed has uploaded', { build: { conclusion: 'failure' } }, undefined],
  ['its build has uploaded in a re-run', { waits: { completed_at: '2026-11-01T10:04:59Z' } }, undefined],
  ['was there before', { waits: { started_at: '2026-11-01T10:05:01Z' } }, undefined],
  ['another job has waited for', { waits: { name: 'web-test' } }, undefined],
]) {
  test(`a package that ${name}`, async () => {
    const { digestBuiltBy } = world({
      jobs: { 3: [summary({ name: 'build / Check and build', conclusion: 'success', ...build })], 100: [summary({ name: 'api-test', ...waits })] },
      artifacts: [built(its)],
    })
    assert.equal(await digestBuiltBy('api', 'test', 3), expected)
  })
}

test('the manifest of a run is its newest, or none', async () => {
  const jobs = { 1: [summary()] }
  const contents = { 10: content(1), 11: content(1, { at: 'later' }) }
  assert.deepEqual(await world({ jobs, artifacts: [artifact(10, 1), artifact(11, 1)], contents }).manifestOfRun({ id: 1 }, 'test'), contents[11])
  assert.equal(await world({ jobs, artifacts: [artifact(10, 1), artifact(11, 1, { expired: true })], contents }).manifestOfRun({ id: 1 }, 'test'), undefined)
  assert.equal(await world({ jobs }).manifestOfRun({ id: 1 }, 'test'), undefined)
  const one = world({ jobs, artifacts: [artifact(10, 1)], contents })
  const { created_at } = artifact(10, 1)
  assert.deepEqual(await one.manifestOfRun({ id: 1 }, 'test', created_at), contents[10])
  assert.equal(await one.manifestOfRun({ id: 1 }, 'test', '2026-01-01T00:00:00Z'), undefined)
})

test('a deleted run has no manifest; a run that cannot be read is an error', async () => {
  const route = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/artifacts'
  const answering = status => {
    const one = world({}, {}, { [route]: () => failure(status) })
    return one.manifestOfRun({ id: 1 }, 'test')
  }
  assert.equal(await answering(404), undefined)
  await assert.rejects(answering(403))
})

test('a deleted run leaves a gap in the numbers', async () => {
  const after = (...numbers) => world({ runs: numbers.map(run_number => oneRun(run_number, { run_number })) }).hasMissingRuns({ environment: 'test', number: 3 })
  for (const numbers of [[], [3], [2, 1], [4, 3, 1], [6, 5, 4, 3], [6, 5, 4]]) assert.equal(await after(...numbers), false, `${numbers}`)
  for (const numbers of [[5, 3], [6, 4, 3], [7, 5]]) assert.equal(await after(...numbers), true, `${numbers}`)
})

const began = { steps: [{ name: 'Set up job', conclusion: 'success' }, { name: 'Check that it may be deployed', conclusion: 'success' }] }
const refused = { steps: [{ name: 'Check that it may be deployed', conclusion: 'failure' }, { name: 'Deploy', conclusion: 'skipped' }] }
const job = (name, more) => ({ name, status: 'completed', conclusion: 'success', started_at: '2026-11-01T10:02:00Z', ...began, ...more })
const attempt = (component, more) => ({ component, run: 1, key: KEY, state: 'success', at: '2026-11-01T10:02:00Z', ...more })

/** The attempts that `attemptsSince` finds in these jobs of a run. */
const attemptsIn = (jobs, run = {}, counts = () => true) => world({ runs: [oneRun(1, run)], jobs: { 1: jobs } }).attemptsSince('test', SINCE, counts)

for (const [name, jobs, expected] of [
  ['a deployment', [job(`api-test / Deploy ${KEY}`)], [attempt('api')]],
  ['a name with hyphens', [job(`api-test-test / Deploy ${KEY}`)], [attempt('api-test')]],
  ['one that failed', [job(`api-test / Deploy ${KEY}`, { conclusion: 'failure' })], [attempt('api', { state: 'unknown' })]],
  ['one that goes on', [job(`api-test / Deploy ${KEY}`, { status: 'in_progress', conclusion: null })], [attempt('api', { state: 'unknown' })]],
  ['one that has just begun', [job(`api-test / Deploy ${KEY}`, { status: 'in_progress', conclusion: null, steps: undefined })], []],
  ['one of which GitHub no longer knows the steps', [job(`api-test / Deploy ${KEY}`, { steps: undefined })], [attempt('api')]],
  ['one that is queued', [job(`api-test / Deploy ${KEY}`, { status: 'queued', conclusion: null, steps: [] })], []],
  ['one that was refused', [job(`api-test / Deploy ${KEY}`, { conclusion: 'failure', ...refused })], []],
  ['one that was skipped', [job(`api-test / Deploy ${KEY}`, { conclusion: 'skipped', steps: [] })], []],
  ['one without a key', [job('api-test / Deploy')], []],
  ['a build', [job('api-build / Check and build')], []],
  ['a job of somebody\'s own with such a name', [job(`Deploy ${KEY}`)], []],
  ['the oldest first', [job(`web-test / Deploy ${KEY}`, { started_at: '2026-11-01T10:03:00Z' }), job(`api-test / Deploy ${KEY}`), job(`go-test / Deploy ${KEY}`, { started_at: '2026-11-01T10:04:00Z' })],
    [attempt('api'), attempt('web', { at: '2026-11-01T10:03:00Z' }), attempt('go', { at: '2026-11-01T10:04:00Z' })]],
]) {
  test(`attempts: ${name}`, async () => assert.deepEqual(await attemptsIn(jobs), expected))
}

test('attempts: a component alone, by hand', async () => {
  const byHand = { path: '.github/workflows/api-test.yml', event: 'workflow_dispatch' }
  assert.deepEqual(await attemptsIn([job('deploy / Deploy by hand')], byHand), [attempt('api', { key: 'by hand' })])
  for (const other of [{ path: '.github/workflows/api-prd.yml' }, { path: '.github/workflows/orchestrator-pre-test.yml' }, { head_branch: 'feature' }]) {
    assert.deepEqual(await attemptsIn([job('deploy / Deploy by hand')], { ...byHand, ...other }), [])
  }
})

test('attempts: a run that a filtered list does not have yet', async () => {
  const now = new Date().toISOString()
  const recent = oneRun(9, { path: '.github/workflows/api-test.yml', event: 'workflow_dispatch', created_at: now, updated_at: now })
  const old = { ...recent, id: 8, created_at: new Date(Date.now() - 16 * 60_000).toISOString() }
  const given = { runs: [], jobs: { 8: [job('deploy / Deploy by hand')], 9: [job('deploy / Deploy by hand')] } }
  const all = paged([oneRun(10, { created_at: now }), recent, old], 'workflow_runs')
  const route = 'GET /repos/{owner}/{repo}/actions/runs'
  const { attemptsSince } = world(given, {}, { [route]: parameters => parameters.event ? { workflow_runs: [] } : all(parameters) })
  assert.deepEqual(await attemptsSince('test', SINCE, () => true), [attempt('api', { run: 9, key: 'by hand' })])
})

test('attempts: a component that an orchestrator has started is one of its run', async () => {
  const started = {
    path: '.github/workflows/api-test.yml', event: 'workflow_dispatch', display_title: `Deploy ${A} to test, api of run 7, attempt 1`,
  }
  const two = `Deploy ${A} to test, api of run 5, attempt 1 of run 7, attempt 1`
  for (const [login, id, more] of [['github-actions[bot]', 7], ['mallory', 9], ['github-actions[bot]', 9, { display_title: two }]]) {
    const { attemptsSince } = world({ runs: [oneRun(9, { ...started, actor: { login }, ...more })], jobs: { 9: [job(`deploy / Deploy ${KEY}`)] } })
    assert.deepEqual(await attemptsSince('test', SINCE, () => true), [attempt('api', { run: id })])
  }
})

// The job of the orchestrator's run 1 that has started api, and the run 9, which it may have started.
const start = more => job('api-test', { steps: [{ name: 'Start api-test.yml and wait for it' }], completed_at: '2026-11-01T10:05:00Z', ...more })
const startedRun = more => oneRun(9, {
  path: '.github/workflows/api-test.yml', event: 'workflow_dispatch', actor: { login: 'github-actions[bot]' },
  display_title: `Deploy ${A} to test, api of run 1, attempt 1`, created_at: '2026-11-01T10:02:10Z', updated_at: '2026-11-01T10:04:50Z', ...more,
})
const wasGone = { conclusion: 'failure' }
for (const [name, its, child, isUnknown] of [
  ['is there', wasGone, {}, false],
  ['is gone', wasGone, { display_title: `Deploy ${A} to test, api of run 2, attempt 1` }, true],
  ['is gone since it has succeeded', {}, { display_title: `Deploy ${A} to test, api alone` }, true],
  ['is one of another component', wasGone, { path: '.github/workflows/web-test.yml' }, true],
  ['had ended before', { ...wasGone, started_at: '2026-11-01T10:04:51Z' }, {}, true],
  ['had succeeded before, and was taken', { started_at: '2026-11-01T10:04:51Z' }, {}, false],
  ['came later', { ...wasGone, completed_at: '2026-11-01T10:02:09Z' }, {}, true],
  ['may still come', { status: 'in_progress', conclusion: null }, { path: '.github/workflows/web-test.yml' }, false],
]) {
  test(`attempts: what a job has started ${name}`, async () => {
    const { attemptsSince } = world({ runs: [startedRun(child), oneRun(1)], jobs: { 1: [start(its)], 9: [] } })
    const at = its.started_at ?? '2026-11-01T10:02:00Z'
    assert.deepEqual(await attemptsSince('test', SINCE, () => true), isUnknown ? [attempt('api', { key: '', state: 'unknown', at })] : [])
    assert.deepEqual(await attemptsSince('test', SINCE, () => false), [])
  })
}

test('attempts: the caller says from when they count', async () => {
  const seen = []
  const found = await attemptsIn([job(`api-test / Deploy ${KEY}`)], {}, (...given) => void seen.push(given))
  assert.deepEqual([found, seen], [[], [[1, '2026-11-01T10:02:00Z']]])
})

for (const [name, more, expected] of [
  ['ended in that very second', { updated_at: '2026-11-01T10:00:30Z' }, 1],
  ['ended before', { updated_at: '2026-11-01T10:00:29Z' }, 0],
  ['was created a month before, and waited for an approval', { created_at: '2026-10-01T00:00:00Z' }, 1],
  ['was created longer before than an approval waits', { created_at: '2026-09-26T00:00:00Z' }, 0],
  ['was skipped as a whole', { conclusion: 'skipped' }, 0],
  ['is of a feature branch', { head_branch: 'feature' }, 0],
  ['is of a fork', { head_repository: { id: 2 } }, 0],
  ['is of a pull request', { event: 'pull_request' }, 0],
]) {
  test(`attempts of a run that ${name}: ${expected}`, async () => {
    assert.equal((await attemptsIn([job(`api-test / Deploy ${KEY}`)], more)).length, expected)
  })
}

test('attempts of a run whose commit was pushed away prove nothing, but count', async () => {
  assert.deepEqual(await attemptsIn([job(`api-test / Deploy ${KEY}`)], { head_sha: OTHER }), [attempt('api', { state: 'unknown' })])
})

test('the runs of many components cost one look at the history', async () => {
  const ofMany = Array.from({ length: 40 }, (_, index) => startedRun({ id: 10 + index, path: `.github/workflows/c${index}-test.yml` }))
  const { attemptsSince, github } = world({ runs: [...ofMany, oneRun(1)] })
  await attemptsSince('test', SINCE, () => true)
  assert.equal(github.count(HISTORY.commits), 1)
})

test('attempts of all attempts of a run', async () => {
  const { attemptsSince, github } = world({ runs: [oneRun(1)], jobs: { 1: [job(`api-test / Deploy ${KEY}`)] } })
  await attemptsSince('test', SINCE, () => true)
  const [byHand, jobs] = ['/actions/runs', '/jobs'].map(end => github.calls.find(({ route }) => route.endsWith(end)).parameters)
  assert.deepEqual([byHand.event, byHand.created, jobs.filter], ['workflow_dispatch', '>=2026-09-27T10:00:30Z', 'all'])
})

for (const [conclusion, step, letIn, planned] of [
  ['success', 'success', true, true], ['failure', 'success', false, true], ['success', 'skipped', false, false], ['success', undefined, false, false],
]) {
  test(`a run that ended with ${conclusion}, and whose plan ended with ${step}`, async () => {
    const changes = { name: 'Changes', conclusion: 'success', ...step && { steps: [{ name: 'See what changed', conclusion: step }] } }
    const progress = await world({ jobs: { 1: [changes] } }).runs.progressOf(oneRun(1, { conclusion }))
    assert.deepEqual([progress.allowed, progress.planned], [letIn, planned])
  })
}
