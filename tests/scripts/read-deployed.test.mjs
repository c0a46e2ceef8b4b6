// read-deployed: what is known to be deployed to an environment.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionsOf, fakeGitHub, history, run } from './fake-github.mjs'

const A = 'a'.repeat(40)
const OF_MANIFEST = {
  id: 5, run_number: 5, path: '.github/workflows/orchestrator-prd.yml', display_title: `Deploy ${A} to prd`, event: 'push', head_branch: 'main', head_sha: A,
  head_repository: { id: 1 }, conclusion: 'success', created_at: '2026-11-01T10:00:00Z', updated_at: '2026-11-01T10:31:00Z',
}
const ALONE = { ...OF_MANIFEST, id: 6, path: '.github/workflows/app-prd.yml', display_title: `Deploy ${A} to prd, app alone`, event: 'workflow_dispatch', updated_at: '2026-11-01T11:31:00Z' }
const SUMMARY = { name: 'Deployment summary', started_at: '2026-11-01T10:29:00Z', completed_at: '2026-11-01T10:31:00Z' }
const ARTIFACT = { id: 50, name: 'manifest-prd', created_at: '2026-11-01T10:30:00Z', workflow_run: { id: 5, head_branch: 'main', head_repository_id: 1, repository_id: 1 } }
const entry = more => ({ state: 'success', kind: 'deployed', commit: A, run: 5, key: 'k', deployKey: '1'.repeat(12), package: null, takes: {}, perEnvironment: false, ...more })
const LIB = { digest: 'lib', run: 3, commit: A, environment: 'test', expires: '9999-01-01T00:00:00Z' }
const OLD = { ...LIB, expires: '2000-01-01T00:00:00Z' }
const COMPONENTS = { app: entry({ takes: { lib: LIB } }), chart: entry({ package: LIB }), broken: entry({ state: 'unknown' }), lib: entry({ kind: 'carried' }) }
const deploys = (job, key) => ({
  name: `${job} / Deploy ${key}`, status: 'completed', conclusion: 'success', started_at: '2026-11-01T11:01:00Z',
  steps: [{ name: 'Check that it may be deployed', conclusion: 'success' }],
})

async function deployed({ artifacts = [ARTIFACT], components = COMPONENTS, runs = [OF_MANIFEST], jobs = {} } = {}) {
  const memory = { version: 1, environment: 'prd', number: 5, run: 5, commit: A, planned: '2026-11-01T10:00:00.000Z', at: '2026-11-01T10:30:00.000Z', keys: {}, components, packages: {} }
  const github = fakeGitHub({ ...history({ parents: { [A]: [] }, branches: { main: A } }), ...actionsOf({ runs, jobs: { 5: [SUMMARY], ...jobs }, artifacts, contents: { 50: memory } }) })
  const context = { repo: { owner: 'acme', repo: 'demo' }, runId: 100, payload: { repository: { id: 1, default_branch: 'main' } } }
  const { log, outputs } = await run('read-deployed/read.cjs', { env: { COMPONENTS: 'app chart broken lib new', ENVIRONMENT: 'prd', REFS: '^refs/heads/main$' }, github, context })
  return { named: log.map(line => line.match(/^notice: (?:Nobody knows what is deployed of|The drift of) (\S+) (?:to prd|in prd is not looked at), /)[1]), deployed: JSON.parse(outputs.deployed) }
}

test('the commits and packages of the newest manifest', async () => {
  assert.deepEqual(await deployed(), {
    named: ['broken', 'lib', 'new'],
    deployed: { app: { commit: A, plan: { packages: { lib: LIB } } }, chart: { commit: A, plan: { packages: { chart: LIB } } } },
  })
})

test('a component that a person has deployed since then is unknown', async () => {
  const found = await deployed({ runs: [ALONE, OF_MANIFEST], jobs: { 6: [deploys('deploy', 'by hand')] } })
  assert.deepEqual([found.named, Object.keys(found.deployed)], [['app', 'broken', 'lib', 'new'], ['chart']])
})

test('the deployments of the manifest\'s own run are in it', async () => {
  const found = await deployed({ jobs: { 5: [SUMMARY, deploys('app-prd', '2'.repeat(12))] } })
  assert.deepEqual(Object.keys(found.deployed), ['app', 'chart'])
})

test('without a manifest nothing is known', async () => {
  assert.deepEqual(await deployed({ artifacts: [] }), { named: ['app', 'chart', 'broken', 'lib', 'new'], deployed: {} })
})

test('a component whose package has expired cannot be planned again', async () => {
  const found = await deployed({ components: { app: entry({ takes: { lib: OLD } }), chart: entry({ package: LIB }) } })
  assert.deepEqual([found.named, Object.keys(found.deployed)], [['app', 'broken', 'lib', 'new'], ['chart']])
})
