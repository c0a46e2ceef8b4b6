// read-plan: which run of an orchestrator is trusted, and what a component gets of its plan.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionsOf, failure, fakeGitHub, history, run } from './fake-github.mjs'

const [A, B] = ['a', 'b'].map(digit => digit.repeat(40))
const KEPT = { key: 'k', digest: 'd', run: 3, commit: A, environment: 'test', expires: '2027-01-01T00:00:00.000Z' }
const PLAN = {
  commit: B, sha: B, build: ['web'], deploy: ['api', 'web'], deployKeys: { api: '1', web: '2' }, packages: { base: KEPT, lib: KEPT, api: KEPT },
  taken: { web: { base: null }, api: {} },
}
const orchestrator = {
  id: 7, path: '.github/workflows/orchestrator-test.yml', display_title: `Deploy ${B} to test`, event: 'push', head_branch: 'main', head_sha: B,
  head_repository: { id: 1 }, conclusion: null, created_at: '2026-11-01T10:00:00Z',
}
const CHANGES = { name: 'Changes', started_at: '2026-11-01T10:00:00Z', completed_at: '2026-11-01T10:01:00Z' }
const ARTIFACT = { id: 70, name: 'plan-test', expired: false, created_at: '2026-11-01T10:00:30Z', workflow_run: { id: 7 } }

/** What the run of a component is told. */
async function read(env = {}, { actor = 'github-actions[bot]', packages = '{}', plan = PLAN, routes = {} } = {}) {
  const given = { runs: [orchestrator], jobs: { 7: [CHANGES] }, artifacts: [ARTIFACT], contents: { 70: plan } }
  const github = fakeGitHub({ ...history({ parents: { [A]: [], [B]: [A] }, branches: { main: B } }), ...actionsOf(given), ...routes })
  const context = { repo: { owner: 'acme', repo: 'demo' }, actor, runId: 100, sha: B, payload: { repository: { id: 1, default_branch: 'main' }, inputs: { packages } } }
  const all = { COMPONENT: 'web', ENVIRONMENT: 'test', COMMIT: B, REFS: '^refs/heads/main$', ORCHESTRATOR: '7', ...env }
  const { log, outputs } = await run('read-plan/read.cjs', { env: all, github, context })
  return { log, outputs, github }
}

test('a run by hand builds and deploys the component, and reads no plan', async () => {
  const { log, outputs, github } = await read({ ORCHESTRATOR: '' }, { actor: 'octocat' })
  assert.deepEqual([log, outputs, github.calls], [[], { build: '["web"]', deploy: '["web"]' }, []])
})

test('a component gets its own part of the plan', async () => {
  const { log, outputs } = await read()
  const { plan, ...lists } = outputs
  assert.deepEqual([log, lists], [[], { build: '["web"]', deploy: '["web"]' }])
  assert.deepEqual(JSON.parse(plan), { deployKeys: { web: '2' }, packages: { base: KEPT } })
})

test('a component that is deployed as it was built before', async () => {
  const { outputs } = await read({ COMPONENT: 'api' })
  assert.deepEqual([outputs.build, outputs.deploy, JSON.parse(outputs.plan)], ['[]', '["api"]', { deployKeys: { api: '1' }, packages: { api: KEPT } }])
})

test('a component that is not in the plan does nothing', async () => {
  const { outputs } = await read({ COMPONENT: 'other' })
  assert.deepEqual([outputs.build, outputs.deploy], ['[]', '[]'])
})

for (const [name, env, more, why] of [
  ['that a person has typed', {}, { actor: 'mallory' }, 'mallory has started this run, and only an orchestrator can hand on its plan'],
  ['with packages of another commit', {}, { packages: 'latest' }, '`packages: latest` takes packages that the plan does not name'],
  ['that is no id', { ORCHESTRATOR: '7 of mine' }, {}, 'it is not a reviewed run of orchestrator-test.yml with a plan'],
  ['that is gone', { ORCHESTRATOR: '8' }, {}, 'it is not a reviewed run of orchestrator-test.yml with a plan'],
  ['of another commit', {}, { plan: { ...PLAN, commit: A } }, `it deploys ${A}`],
]) {
  test(`an orchestrator's run ${name}`, async () => {
    const { log, outputs } = await read(env, more)
    assert.deepEqual(outputs, {})
    assert.deepEqual(log, [`failed: The plan of the orchestrator's run ${JSON.stringify(env.ORCHESTRATOR ?? '7')} cannot be used here: ${why}. ` +
      'Start orchestrator-test.yml, or this workflow without the input orchestrator: then it deploys the component, changed or not'])
  })
}

// GitHub starts the head of a branch. The branch may have moved on since.
const files = (...all) => all.map(([path, sha]) => ({ path: `.github/${path}`, mode: '100644', type: 'blob', sha }))
const [BUILD, DEPLOY, ACTION, OTHER, DATA] = [
  'workflows/web-build.yml', 'workflows/web-deploy.yml', 'actions/check-out/action.yml', 'workflows/api-build.yml', 'actions/what-changed/components.json',
]
const before = files([BUILD, '1'], [DEPLOY, '1'], [ACTION, '1'], [OTHER, '1'], [DATA, '1'])
for (const [name, now, isSame, then] of [
  ['the same', before, true, before],
  ['nobody knows what the orchestrator had', before, false],
  ['those of other components are others', files([BUILD, '1'], [DEPLOY, '1'], [ACTION, '1'], [OTHER, '2'], [DATA, '2']), true, before],
  ['it is built otherwise', files([BUILD, '2'], [DEPLOY, '1'], [ACTION, '1']), false, before],
  ['it is deployed otherwise', files([BUILD, '1'], [DEPLOY, '2'], [ACTION, '1']), false, before],
  ['an action is another', files([BUILD, '1'], [DEPLOY, '1'], [ACTION, '2']), false, before],
  ['nobody knows them any more', undefined, false, before],
]) {
  test(`the pipelines of the orchestrator's commit and of this run: ${name}`, async () => {
    const tree = ({ tree_sha }) => {
      const listed = { [A]: then, [B]: now }[tree_sha]
      return listed ? { tree: listed, truncated: false } : failure(404)
    }
    const { log } = await read({}, { plan: { ...PLAN, sha: A }, routes: { 'GET /repos/{owner}/{repo}/git/trees/{tree_sha}': tree } })
    assert.deepEqual(log.map(line => line.includes(`it used the pipelines of ${A}, which have changed since.`)), isSame ? [] : [true])
  })
}

test('a run that cannot be read is an error, not a refusal', async () => {
  await assert.rejects(read({}, { routes: { 'GET /repos/{owner}/{repo}/actions/runs/{run_id}': failure(403) } }), { status: 403 })
})
