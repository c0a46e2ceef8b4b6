// what-changed/what.cjs and trees.cjs: what they read from GitHub, and what they print.
// tests/only_changed runs the same scripts on real repositories.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { before, test } from 'node:test'
import { actionsOf, answer, components, fakeCore, fakeGitHub, failure, history, run, script } from './fake-github.mjs'

const connect = script('shared/api.cjs')
const trees = script('what-changed/trees.cjs')
const [A, B, GONE] = ['a', 'b', 'd'].map(digit => digit.repeat(40))
const API = 'GET /repos/{owner}/{repo}'
const [TREES, CONTENTS, REF, COMPARE] = ['git/trees/{tree_sha}', 'contents/{path}', 'git/ref/{ref}', 'compare/{basehead}'].map(end => `${API}/${end}`)
const CONFIG = '.github/actions/what-changed/components.json'
const repo = { owner: 'acme', repo: 'demo' }

const file = (path, sha = '1', mode = '100644') => ({ path, mode, type: 'blob', sha })
const folder = (path, sha) => ({ path, mode: '040000', type: 'tree', sha })

/** What trees.cjs can do, where each tree is what is said of it, whole or cut short. */
function treesOf(said, more = {}) {
  const github = fakeGitHub({ [TREES]: ({ tree_sha, recursive }) => {
    const found = said[tree_sha]
    if (!found || found instanceof Error) return found ?? failure(404)
    return { tree: recursive ? found.all ?? found.own : found.own, truncated: Boolean(recursive ? !found.all : found.cut) }
  }, ...more })
  const { read } = connect({ github, core: fakeCore() })
  return { github, ...trees({ read, context: { repo } }) }
}

test('a list of all files is read once', async () => {
  const submodule = { path: 'libs/x', mode: '160000', type: 'commit', sha: '9' }
  const all = [folder('libs', '5'), submodule, file('a b/ä'), file('run.sh', '2', '100755')]
  const { treeOf, github } = treesOf({ [A]: { all } })
  const expected = [['libs/x', '160000 9'], ['a b/ä', '100644 1'], ['run.sh', '100755 2']]
  assert.deepEqual([await treeOf(A), await treeOf(A)], [expected, expected])
  assert.deepEqual(github.calls.map(({ parameters }) => parameters), [{ ...repo, tree_sha: A, recursive: '1' }])
})

test('a list that is cut short is read folder by folder', async () => {
  const { treeOf, github } = treesOf({
    [A]: { own: [folder('a', '1a'), folder('b', '1b'), file('x'), { path: 's', mode: '160000', type: 'commit', sha: '9' }] },
    '1a': { all: [file('y'), folder('c', '1c'), file('c/z')] },
    '1b': { own: [folder('d', '1d')] },
    '1d': { all: [] },
  })
  assert.deepEqual(await treeOf(A), [['a/y', '100644 1'], ['a/c/z', '100644 1'], ['x', '100644 1'], ['s', '160000 9']])
  assert.equal(github.calls.length, 6)
})

test('a folder may have hundreds of thousands of files', async () => {
  const { treeOf } = treesOf({ [A]: { own: [folder('a', '1a')] }, '1a': { all: Array(300_000).fill(file('y')) } })
  assert.equal((await treeOf(A)).length, 300_000)
})

for (const [name, own, cut] of [['the repository', [], true], ['a/', [folder('a', '1a')], false]]) {
  test(`the files of ${name} are too many for one list: nothing is guessed`, async () => {
    const { treeOf } = treesOf({ [A]: { own, cut }, '1a': { own: [], cut: true } })
    await assert.rejects(treeOf(A), { message: `GitHub lists the files of ${name} only in part: move some of them into subfolders` })
  })
}

for (const status of [404, 422]) {
  test(`a commit that is gone has no files: ${status}`, async () => assert.equal(await treesOf({ [A]: failure(status) }).treeOf(A), undefined))
}

test('files that cannot be read are an error', async () => {
  await assert.rejects(treesOf({ [A]: failure(403) }).treeOf(A), { status: 403 })
  const { textOf } = treesOf({}, { [CONTENTS]: failure(403) })
  await assert.rejects(textOf('x', A), { status: 403 })
})

test('the text of a file, and of one that is not there', async () => {
  const { textOf } = treesOf({}, { [CONTENTS]: ({ path, ref }) => path === 'x' && ref === A ? { content: Buffer.from('ä\n').toString('base64') } : failure(404) })
  assert.deepEqual([await textOf('x', A), await textOf('y', A), await textOf('x', B)], ['ä\n', undefined, undefined])
})

// what.cjs
const component = (files, more) =>
  ({ files, takes: [], after: [], deployed: ['test', 'prd'], checked: [], builds: true, package: true, perEnvironment: false, ...more })
const config = {
  components: { api: component(['api']), web: component(['web'], { takes: ['api'] }) },
  environments: { test: { after: '', days: 30 }, prd: { after: 'test', days: 90 } },
}
components(config)
const NOW = '2026-11-01T12:00:00.000Z'
const old = [file('api/x'), file('web/x'), file('README.md'), file(CONFIG)]
const same = [...old.slice(0, 2), file('README.md', '2'), file(CONFIG)]

const oneRun = (id, environment, more) => ({
  id, run_number: id, path: `.github/workflows/orchestrator-${environment}.yml`, html_url: `RUN ${id}`, display_title: `Deploy ${A} to ${environment}`, event: 'push', head_branch: 'main',
  head_sha: A, head_repository: { id: 1 }, conclusion: 'success', created_at: '2026-11-01T10:00:00Z', updated_at: '2026-11-01T10:09:00Z', ...more,
})
/** A run that has left a manifest, in which everything has succeeded. */
const past = (id, environment, memory, more) => ({
  runs: [oneRun(id, environment, more)],
  jobs: { [id]: [{ name: 'Deployment summary', started_at: '2026-11-01T10:04:00Z', completed_at: '2026-11-01T10:06:00Z' }] },
  artifacts: [`manifest-${environment}`, ...['api', 'web'].map(name => `${name}-package-${environment}`)].map((name, index) => ({
    id: index ? 100 * id + index : id, name, created_at: '2026-11-01T10:05:00Z', expires_at: '2026-12-31T00:00:00Z',
    workflow_run: { id, head_branch: 'main', head_repository_id: 1, repository_id: 1 },
  })),
  contents: { [id]: { ...memory, environment, at: '2026-11-01T10:05:00.000Z' } },
})
const both = (...all) => ({
  runs: all.flatMap(({ runs }) => runs), jobs: Object.assign({}, ...all.map(({ jobs }) => jobs)),
  artifacts: all.flatMap(({ artifacts = [] }) => artifacts), contents: Object.assign({}, ...all.map(({ contents }) => contents)),
})

/** A run that plans; `files` says what each commit holds. */
async function what({ files = { [A]: old, [B]: same }, given = {}, routes = {}, payload = {}, env = {}, sha = B }) {
  const github = fakeGitHub({
    ...history({ parents: { [A]: [], [B]: [A] }, branches: { main: B } }), ...actionsOf(given),
    [TREES]: ({ tree_sha }) => tree_sha in files ? { tree: files[tree_sha], truncated: false } : failure(404), ...routes,
  })
  const context = { repo, sha, ref: 'refs/heads/main', runId: 100, payload: { repository: { id: 1, default_branch: 'main' }, ...payload } }
  const { log, outputs } = await run('what-changed/what.cjs', { env: { COMMIT: B, ENVIRONMENT: 'test', REFS: '^refs/heads/main$', RUNNER_TEMP: tmpdir(), ...env }, github, context })
  const { file: place, ...said } = outputs
  // Runs that this one starts read the same.
  assert.equal(place && readFileSync(place, 'utf8'), said.plan)
  const parsed = Object.fromEntries(Object.entries(said).map(([name, text]) => [name, JSON.parse(text)]))
  return { log: log.filter(line => !line.startsWith('info: ')), github, ...parsed }
}

/** What an environment knows after a run that has deployed everything. */
function known(plan, id, environment, commit) {
  const names = Object.keys(config.components)
  const packageOf = name => ({ key: plan.keys[name], digest: `${name} ${id}`, run: id, commit, environment, expires: '2027-01-01T00:00:00.000Z' })
  const entry = name => ({
    state: 'success', kind: 'deployed', commit, run: id, key: plan.keys[name], deployKey: plan.deployKeys[name], package: packageOf(name),
    takes: name === 'web' ? { api: packageOf('api') } : {}, perEnvironment: false,
  })
  return {
    version: 1, commit, run: id, planned: '2026-11-01T10:01:00.000Z', keys: plan.keys,
    components: Object.fromEntries(names.map(name => [name, entry(name)])), packages: Object.fromEntries(names.map(name => [name, [packageOf(name)]])),
  }
}
let first, ofTest, ofPrd
before(async () => {
  first = (await what({})).plan
  ofTest = past(5, 'test', known(first, 5, 'test', A))
  const { plan } = await what({ env: { ENVIRONMENT: 'prd' }, given: ofTest, payload: { workflow_run: ofTest.runs[0] } })
  ofPrd = past(6, 'prd', known(plan, 6, 'prd', A), { event: 'workflow_run' })
})

test('without a manifest everything is deployed', async () => {
  const { build, deploy, promote, plan, log } = await what({})
  assert.deepEqual([build, deploy, promote, plan.nobody, plan.planned, plan.commit, log], [['api', 'web'], ['api', 'web'], [], [], NOW, B, []])
})

test('only a file of no component has changed', async () => {
  const { build, deploy, plan, log } = await what({ given: both(ofTest, ofPrd) })
  assert.deepEqual([build, deploy, plan.nobody, plan.unchanged], [[], [], ['README.md'], { api: { run: 5 }, web: { run: 5 } }])
  assert.deepEqual(log, ['notice: No component has changed'])
})

test('by hand, everything is asked for', async () => {
  const { build, deploy } = await what({ given: both(ofTest, ofPrd), env: { ALL: 'true' } })
  assert.deepEqual([build, deploy], [['api', 'web'], ['api', 'web']])
})

test('a changed component, with a package of a former run', async () => {
  const { build, deploy, promote } = await what({ given: both(ofTest, ofPrd), files: { [A]: old, [B]: [file('web/x', '2'), ...same.slice(0, 1)] } })
  assert.deepEqual([build, deploy, promote], [['web'], ['web'], ['api']])
})

test('a package of a former run that is gone before its time is built again', async () => {
  const files = { [A]: old, [B]: [file('web/x', '2'), ...same.slice(0, 1)] }
  for (const change of [{ expires_at: '2027-12-31T00:00:00Z' }, { expired: true }, { name: 'elsewhere' }]) {
    const artifacts = ofTest.artifacts.map(one => one.name === 'api-package-test' ? { ...one, ...change } : one)
    const { build, promote } = await what({ given: both({ ...ofTest, artifacts }, ofPrd), files })
    assert.deepEqual([build, promote], [['api', 'web'], []])
  }
})

test('a package that is known by its archive, and was replaced, is built again', async () => {
  const files = { [A]: old, [B]: [file('web/x', '2'), ...same.slice(0, 1)] }
  const contents = JSON.parse(JSON.stringify(ofTest.contents).replaceAll('api 5', 'sha256:1'))
  for (const [digest, expected] of [['sha256:1', ['web']], ['sha256:2', ['api', 'web']]]) {
    const artifacts = ofTest.artifacts.map(one => one.name === 'api-package-test' ? { ...one, digest } : one)
    assert.deepEqual((await what({ given: both({ ...ofTest, artifacts, contents }, ofPrd), files })).build, expected)
  }
})

test('a run that is gone may have deployed anything', async () => {
  const more = { runs: [oneRun(9, 'test', { run_number: 9 })], jobs: { 9: [] } }
  const numbered = { ...ofTest, contents: { 5: { ...ofTest.contents[5], number: 7 } } }
  assert.deepEqual((await what({ given: both(more, numbered, ofPrd) })).deploy, ['api', 'web'])
})

test('components that other runs have deployed since', async () => {
  const steps = [{ name: 'Check that it may be deployed', conclusion: 'success' }]
  const job = (started_at, name = `api-test / Deploy ${first.deployKeys.api}`, conclusion = 'failure') => ({ name, status: 'completed', conclusion, started_at, steps })
  const since = (id, ...jobs) => what({ given: both(ofTest, ofPrd, { runs: [oneRun(7, 'test')], jobs: { 7: [], [id]: [...ofTest.jobs[id] ?? [], ...jobs] } }) })
  assert.deepEqual((await since(7, job('2026-11-01T10:02:00Z'))).deploy, ['api'])
  assert.deepEqual((await since(7, job('2026-11-01T10:00:59Z'))).deploy, [])
  assert.deepEqual((await since(7, job('2026-11-01T10:02:00Z', undefined, 'success'))).deploy, [])
  assert.deepEqual((await since(7, job('2026-11-01T10:02:00Z', 'api-test / Deploy by hand', 'success'))).deploy, ['api'])
  // The run that left the manifest has written down what it did until then.
  assert.deepEqual((await since(5, job('2026-11-01T10:02:00Z'))).deploy, [])
  assert.deepEqual((await since(5, job('2026-11-01T10:06:00Z'))).deploy, ['api'])
})

test('many files of no component', async () => {
  const files = { [A]: old, [B]: [...old, ...Array.from({ length: 12 }, (_, index) => file(`docs/${index}.md`)), file('.github/dependabot.yml')] }
  const { plan } = await what({ given: both(ofTest, ofPrd), files })
  assert.deepEqual([plan.nobody.length, plan.nobody[0], plan.nobody[10]], [11, 'docs/0.md', '2 more'])
  assert.deepEqual((await what({ given: both(ofTest, ofPrd), files: { [B]: same } })).plan.nobody, [])
})

for (const [name, files, sha] of [['that is deployed', { [A]: old }, B], ['whose workflows run', { [B]: same }, GONE]]) {
  test(`the commit ${name} is gone`, async () => {
    const { log, build } = await what({ files, sha })
    assert.deepEqual([log, build], [[`failed: GitHub no longer has the files of commit ${sha}: push the commit again`], undefined])
  })
}

test('a promotion takes the packages of the run before', async () => {
  const { build, deploy, promote, plan } = await what({ env: { ENVIRONMENT: 'prd' }, given: ofTest, payload: { workflow_run: ofTest.runs[0] } })
  assert.deepEqual([build, deploy, promote, plan.packages.api.run], [[], ['api', 'web'], ['api', 'web'], 5])
  const done = await what({ env: { ENVIRONMENT: 'prd' }, given: both(ofTest, ofPrd), payload: { workflow_run: ofTest.runs[0] } })
  assert.deepEqual([done.deploy, done.promote], [[], []])
})

test('a promotion by hand: the newest run of that commit, of the environment itself or of the one before', async () => {
  const given = both(ofTest, ofPrd)
  const from = async (COMMIT, its) => (await what({ env: { ENVIRONMENT: 'prd', ALL: 'true', COMMIT }, given: its })).plan?.packages.api.run
  assert.equal(await from(A, given), 6)
  assert.equal(await from(A, ofTest), 5)
  assert.equal(await from(B, given), undefined)
  assert.equal(await from(A, both({ runs: [oneRun(100, 'prd')], jobs: {} }, ofTest)), 5)
  assert.equal(await from(A, { ...ofTest, runs: [oneRun(8, 'test'), oneRun(9, 'test', { head_sha: GONE }), ...ofTest.runs] }), 5)
})

test('nothing to promote', async () => {
  const { log, deploy } = await what({ env: { ENVIRONMENT: 'prd' }, payload: { workflow_run: ofTest.runs[0] } })
  assert.deepEqual([log, deploy], [[`failed: There is nothing to promote: start orchestrator-test.yml with commit ${B}`], undefined])
})

// Pull requests and merge groups: A is where they left the branch.
const at = sha => ({ [REF]: ({ ref }) => ref === 'heads/main' ? { object: { sha } } : failure(404) })
const left = {
  ...at('tip'), [COMPARE]: ({ basehead }) => basehead === `tip...${B}` ? { merge_base_commit: { sha: A } } : failure(500),
  [CONTENTS]: ({ path, ref }) => path === CONFIG && ref === A ? { content: Buffer.from(JSON.stringify(config)).toString('base64') } : failure(404),
}
const pull = { pull_request: { base: { ref: 'main' } } }
const asked = more => what({ payload: pull, routes: left, ...more, env: { ENVIRONMENT: '', REFS: '', ...more?.env } })

for (const [name, payload] of [['a pull request', pull], ['a merge group', { merge_group: { base_ref: 'refs/heads/main' } }]]) {
  test(`${name} is compared with where it left its branch`, async () => {
    const { build, deploy, plan, log } = await asked({ payload })
    assert.deepEqual([build, deploy, plan], [[], [], undefined])
    assert.deepEqual(log, [
      'notice: Changed files that belong to no component: README.md. Add files that a component uses to its `watches`', 'notice: No component has changed',
    ])
  })
}

for (const [name, more, log = []] of [
  ['all was asked for', { env: { ALL: 'true' } }],
  ['there is nothing in common', { routes: { ...left, [COMPARE]: failure(404) } }],
  ['the base is gone', { routes: { ...left, [REF]: failure(404) } }],
  ['the base has no such pipeline', { routes: { ...left, [CONTENTS]: failure(404) } }],
  ['the base has no files any more', { files: { [B]: same } }],
]) {
  test(`a pull request builds everything: ${name}`, async () => {
    const done = await asked(more)
    assert.deepEqual([done.build, done.log], [['api', 'web'], log])
  })
}

test('a pull request builds what it affects', async () => {
  const { build, log } = await asked({ files: { [A]: old, [B]: [file('api/x', '2'), ...old.slice(1)] } })
  assert.deepEqual([build, log], [['api', 'web'], []])
})

test('an error is not taken for a missing comparison', async () => {
  await assert.rejects(asked({ routes: { ...left, [COMPARE]: failure(403) } }), { status: 403 })
  await assert.rejects(asked({ routes: { ...left, [COMPARE]: answer({}, {}, 200) } }), TypeError)
})
