// deployment-summary: the result of each component, the order of the rows, and when the job fails.
import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { actionsOf, components, failure, fakeGitHub, history, paged, run } from './fake-github.mjs'

const JOBS = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs'
const HOME = 'https://github.com/acme/demo/'
const RUN = `${HOME}actions/runs/7`
const context = { repo: { owner: 'acme', repo: 'demo' }, serverUrl: 'https://github.com', runId: 7 }
const GRAPH = { python: [], terraform: ['python'] }
const ok = { result: 'success', outputs: {} }

/** The text, the rows of its table and what is logged. */
async function summary(needs, { results = '', graph = GRAPH, jobs = paged([], 'jobs') } = {}) {
  const env = { ENVIRONMENT: 'dev', GRAPH: JSON.stringify(graph), NEEDS: JSON.stringify(needs), RESULTS: results && JSON.stringify(results) }
  const { log, summaries } = await run('deployment-summary/summary.cjs', { env, github: fakeGitHub({ [JOBS]: jobs }), context })
  const rows = summaries[0].split('\n').filter(line => line.startsWith('| ')).slice(2)
  return { text: summaries[0], rows: rows.map(row => row.slice(2, -2).split(' | ')), log }
}

test('all have succeeded', async () => {
  const job = (name, conclusion = 'success') => ({ name, conclusion, html_url: `${RUN}/job/${encodeURIComponent(name).length}` })
  const jobs = [job('Changes'), job('python-build / Check and build'), job('terraform-dev / Deploy'), job('terraform-dev-2 / Deploy')]
  const done = await summary({ changes: ok, 'python-build': ok, 'terraform-build': ok, 'terraform-dev': ok }, { jobs: paged(jobs, 'jobs') })
  assert.deepEqual(done.log, [])
  assert.equal(done.text, `\
## Deployment to dev succeeded

| Component | Result | Why | Link |
| --- | --- | --- | --- |
| changes | ✅ success |  | [open](${jobs[0].html_url}) |
| python | ✅ success |  | [open](${jobs[1].html_url}) |
| terraform | ✅ success |  | [open](${RUN}) |

\`\`\`mermaid
graph LR
  n0["python"]:::success
  n1["terraform"]:::success
  n0 --> n1
  classDef failure fill:#cf222e,color:#fff
  classDef cancelled fill:#9a6700,color:#fff
  classDef skipped fill:#6e7781,color:#fff
  classDef success fill:#1a7f37,color:#fff
  classDef unchanged fill:#afb8c1,color:#fff
\`\`\`
`)
})

test('failed components come first, with a link to the failed job', async () => {
  const jobs = [
    { name: 'terraform-dev / Deploy', conclusion: 'failure', html_url: `${RUN}/job/3` },
    { name: 'python-build / Test', conclusion: 'success', html_url: `${RUN}/job/1` },
    { name: 'python-build / Build', conclusion: 'failure', html_url: `${RUN}/job/2` },
  ]
  const bad = { result: 'failure', outputs: {} }
  const done = await summary({ changes: ok, 'python-build': bad, 'python-dev': { result: 'skipped' }, 'terraform-dev': bad }, { jobs: paged(jobs, 'jobs') })
  assert.deepEqual(done.log, [`failed: Deployment to dev failed in python, terraform: ${RUN}`])
  assert.deepEqual(done.rows, [
    ['python', '❌ failure', '', `[open](${RUN}/job/2)`],
    ['terraform', '❌ failure', '', `[open](${RUN}/job/3)`],
    ['changes', '✅ success', '', `[open](${RUN})`],
  ])
})

test('neither failed nor complete', async () => {
  const done = await summary({ changes: ok, approval: { result: 'cancelled' }, 'terraform-dev': { result: 'skipped' } })
  assert.deepEqual(done.log, [`failed: Deployment to dev was not completed: ${RUN}`])
  assert.deepEqual(done.rows.map(([name, result]) => `${name} ${result}`), ['approval 🚫 cancelled', 'terraform ⏭️ skipped', 'changes ✅ success', 'python ✅ success'])
})

const tooOld = { result: 'success', outputs: { deploy: 'false' } }
test('a newer run has overtaken this one: nothing is deployed, and the job succeeds', async () => {
  const done = await summary({ changes: tooOld, approval: { result: 'skipped' }, 'terraform-dev': { result: 'skipped' } })
  assert.deepEqual(done.log, [])
  assert.ok(done.text.startsWith('## Nothing was deployed to dev&#58; a newer run has deployed, or waits for its approval\n'))
})

test('overtaken, but a component failed', async () => {
  const done = await summary({ changes: tooOld, approval: { result: 'skipped' }, 'terraform-dev': { result: 'failure' } })
  assert.deepEqual(done.log, [`failed: Deployment to dev failed in terraform: ${RUN}`])
})

test('a component whose package was not brought over has failed', async () => {
  const done = await summary({ changes: { result: 'failure' }, 'terraform-dev': { result: 'skipped' } })
  assert.deepEqual(done.log, [`failed: Deployment to dev failed in changes, python: ${RUN}`])
})

test('a component that ran by itself has its result and the link to its run', async () => {
  const url = `${HOME}actions/runs/9`
  const done = await summary({
    changes: ok,
    'python-dev': { result: 'failure', outputs: { conclusion: 'timed_out', url } },
    'terraform-dev': { result: 'success', outputs: { conclusion: 'success', url: 'https://evil.example/x' } },
  })
  assert.deepEqual(done.log, [`failed: Deployment to dev failed in python: ${RUN}`])
  assert.deepEqual(done.rows[0], ['python', '❌ timed_out', '', `[open](${url})`])
  assert.deepEqual(done.rows[2], ['terraform', '✅ success', '', `[open](${RUN})`])
})

test('components that were watched', async () => {
  const url = `${HOME}actions/runs/9`
  const results = { python: { result: 'success', url }, terraform: { result: 'never started' } }
  const done = await summary({ changes: ok, watch: { result: 'failure' } }, { results })
  assert.deepEqual(done.log, [`failed: Deployment to dev failed in terraform: ${RUN}`])
  assert.deepEqual(done.rows, [
    ['terraform', '❌ never started', '', `[open](${RUN})`], ['changes', '✅ success', '', `[open](${RUN})`], ['python', '✅ success', '', `[open](${url})`],
  ])
})

for (const [name, result, results, expected] of [
  ['the watch broke off', 'cancelled', '', ['watch 🚫 cancelled', 'python 🚫 cancelled', 'terraform 🚫 cancelled']],
  ['the watch said nothing of one', 'success', { python: { result: 'success' } }, ['terraform ❌ unknown']],
]) {
  test(`an unknown result is no success: ${name}`, async () => {
    const done = await summary({ changes: ok, watch: { result } }, { results })
    assert.deepEqual(done.rows.map(([name, result]) => `${name} ${result}`).slice(0, expected.length), expected)
    assert.equal(done.log.length, 1)
  })
}

test('without the list of jobs, all links lead to the run', async () => {
  const done = await summary({ changes: ok, 'python-build': ok, 'terraform-dev': ok }, { jobs: failure(403, 'Resource not accessible') })
  assert.deepEqual(done.log, ['warning: The summary links to the run, because its jobs cannot be listed: GitHub answers 403: Resource not accessible'])
  assert.equal(done.rows.length, 3)
})

test('a name and an address that would be Markdown stay text', async () => {
  const url = `${HOME}x) [click](https://evil.example`
  const graph = { 'a|b](x)<img src=x>`': [], '__proto__"]': [] }
  const done = await summary({ changes: { result: 'success', outputs: { url } } }, { graph })
  assert.deepEqual(done.rows.map(row => row.at(-1)), Array(3).fill(`[open](${RUN})`))
  assert.equal(done.rows[1][0], 'a&#124;b&#93;&#40;x&#41;&#60;img src&#61;x&#62;&#96;')
  assert.match(done.text, /n1\["#95;#95;proto#95;#95;#34;#93;"\]/)
})

// If the job `changes` has made a plan, the summary also writes the manifest.
const [A, B] = ['a', 'b'].map(digit => digit.repeat(40))
const component = (takes, more) => ({ files: [], takes, deployed: ['dev'], checked: [], builds: true, package: true, perEnvironment: false, ...more })
components({ components: { python: component([]), terraform: component(['python']) }, environments: { dev: { after: '', days: 7 } } })

const KEYS = { python: '111111111111', terraform: '222222222222' }
const plan = more => ({
  build: [], deploy: [], carry: [], check: [], packages: {}, taken: { python: {}, terraform: { python: null } }, reasons: {}, unchanged: {}, refused: [], removed: [],
  keys: { python: 'p', terraform: 't' }, deployKeys: KEYS, nobody: [], commit: B, planned: '2026-11-01T11:00:00.500Z', ...more,
})
const everything = plan({ build: ['python', 'terraform'], deploy: ['python', 'terraform'], reasons: { python: 'new here', terraform: 'new here' } })
const changes = (its, more) => ({ result: 'success', outputs: { plan: JSON.stringify(its), ...more } })
const built = digest => ({ result: 'success', outputs: { digest } })
const deploys = (name, started_at, more) => ({
  name: `${name}-dev / Deploy ${KEYS[name]}`, status: 'completed', conclusion: 'success', started_at,
  steps: [{ name: 'Check that it may be deployed', conclusion: 'success' }], html_url: RUN, ...more,
})
const runOf = (id, more) => ({
  id, run_number: id, path: '.github/workflows/orchestrator-dev.yml', display_title: `Deploy ${A} to dev`, event: 'push', head_branch: 'main', head_sha: A,
  head_repository: { id: 1 }, conclusion: null, created_at: '2026-11-01T10:00:00Z', updated_at: '2026-11-01T11:59:00Z', ...more,
})
const entry = (name, more) => ({
  state: 'success', kind: 'deployed', commit: A, run: 5, key: name[0], deployKey: KEYS[name], package: { digest: name, run: 5 }, takes: {}, perEnvironment: false, ...more,
})
/** What the run 5 left, if it was planned then. */
const manifest = (planned, found = { python: entry('python'), terraform: entry('terraform') }) =>
  ({ version: 1, environment: 'dev', run: 5, commit: A, planned, at: '2026-11-01T10:30:00.000Z', keys: {}, components: found, packages: {} })

/** What a run leaves; `jobs` are those of this run, `others` those of the run 6, `formers` those of the run 5. */
async function planned(needs, { jobs = [], others = [], formers = [], before, children = { runs: [], jobs: {}, artifacts: [] } } = {}) {
  const given = {
    runs: [runOf(7), runOf(6), runOf(5, { conclusion: 'success', updated_at: '2026-11-01T10:31:00Z' }), ...children.runs],
    jobs: { ...children.jobs, 7: jobs, 6: others, 5: [{ name: 'Deployment summary', started_at: '2026-11-01T10:29:00Z', completed_at: '2026-11-01T10:31:00Z' }, ...formers] },
    artifacts: before ? [...children.artifacts, { id: 50, name: 'manifest-dev', created_at: '2026-11-01T10:30:00Z', workflow_run: { id: 5, head_branch: 'main', head_repository_id: 1, repository_id: 1 } }] : children.artifacts,
    contents: { 50: before, ...children.contents },
  }
  const github = fakeGitHub({ ...history({ parents: { [A]: [], [B]: [A] }, branches: { main: B } }), ...actionsOf(given) })
  const env = { ENVIRONMENT: 'dev', RUNNER_TEMP: tmpdir(), GRAPH: JSON.stringify(GRAPH), NEEDS: JSON.stringify(needs), REFS: '^refs/heads/main$' }
  const its = { ...context, payload: { repository: { id: 1, default_branch: 'main' } } }
  const { log, outputs, summaries } = await run('deployment-summary/summary.cjs', { env, github, context: its })
  const rows = summaries[0].split('\n').filter(line => line.startsWith('| ')).slice(2)
  const memory = outputs.manifest && JSON.parse(readFileSync(outputs.manifest, 'utf8'))
  return { log, text: summaries[0], rows: rows.map(row => row.slice(2, -2).split(' | ')), memory }
}
const first = { changes: changes(everything), 'python-build': built('P'), 'terraform-build': built('T') }

test('the manifest has the deployed components, and the summary shows the reasons', async () => {
  const jobs = [deploys('python', '2026-11-01T11:01:00Z'), deploys('terraform', '2026-11-01T11:02:00Z')]
  const done = await planned({ ...first, 'python-dev': ok, 'terraform-dev': ok }, { jobs })
  assert.deepEqual(done.log, [])
  assert.deepEqual(done.rows.map(row => row.slice(0, 3)), [['changes', '✅ success', ''], ['python', '✅ success', 'new here'], ['terraform', '✅ success', 'new here']])
  const { environment, commit, components: found, packages, at } = done.memory
  assert.deepEqual([environment, commit, found.terraform.takes.python.digest, packages.terraform[0].run, at], ['dev', B, 'P', 7, '2026-11-01T12:00:00.000Z'])
  assert.equal(packages.python[0].expires, '2026-11-08T12:00:00.000Z')
})

test('a plan that could not be made: its component has failed', async () => {
  const done = await planned({ ...first, 'python-dev': ok, 'terraform-dev-plan': { result: 'failure' }, 'terraform-dev': { result: 'skipped' } })
  assert.deepEqual(done.rows.find(([name]) => name === 'terraform').slice(0, 3), ['terraform', '❌ failure', 'new here'])
})

test('the manifest has a failed deployment, but not a refused one', async () => {
  const jobs = [
    deploys('python', '2026-11-01T11:01:00Z', { conclusion: 'failure' }),
    deploys('terraform', '2026-11-01T11:02:00Z', { conclusion: 'failure', steps: [{ name: 'Check that it may be deployed', conclusion: 'failure' }] }),
  ]
  const failed = { result: 'failure' }
  const done = await planned({ ...first, 'python-dev': failed, 'terraform-dev': failed }, { jobs })
  assert.deepEqual(Object.entries(done.memory.components).map(([name, { state }]) => [name, state]), [['python', 'failure']])
  assert.equal(done.log.length, 1)
})

test('if nothing has changed, a skipped approval is no failure', async () => {
  const its = plan({ unchanged: { python: { run: 5 } } })
  const skipped = { result: 'skipped' }
  const needs = { changes: changes(its), approval: skipped, 'python-build': skipped, 'python-dev': skipped, 'terraform-dev': skipped }
  const done = await planned(needs, { before: manifest('2026-11-01T10:00:00.000Z') })
  assert.deepEqual(done.log, [])
  assert.deepEqual(done.rows, [
    ['changes', '✅ success', '', `[open](${RUN})`],
    ['python', '➖ unchanged', 'unchanged since run 5', `[open](${HOME}actions/runs/5)`],
    ['terraform', '➖ unchanged', '', `[open](${RUN})`],
  ])
  assert.ok(done.text.startsWith('## Deployment to dev succeeded\n'))
  const waits = await planned({ ...needs, changes: changes(everything), approval: { result: 'cancelled' } })
  assert.ok(waits.rows.some(([name]) => name === 'approval'))
})

test('a component without a successful deployment before is left out, with the reason', async () => {
  const its = plan({ unchanged: { terraform: { run: 5 } }, deployKeys: { terraform: KEYS.terraform }, reasons: { python: 'left out' } })
  const done = await planned({ changes: changes(its), 'python-dev': { result: 'skipped' } }, { before: manifest('2026-11-01T10:00:00.000Z') })
  assert.deepEqual([done.log, done.rows[1]], [[], ['python', '➖ unchanged', 'left out', `[open](${RUN})`]])
})

test('names files of no component, and removed components', async () => {
  const { text } = await planned({ changes: changes(plan({ nobody: ['README.md', 'a|b'], removed: ['old'] })) })
  assert.ok(text.includes('\nChanged files that belong to no component: README.md, a&#124;b. Add files that a component uses to its `watches`.\n'), text)
  assert.ok(text.includes('\nRemoved from the pipelines, but not undeployed: old.\n'))
})

// This run has left python out, because the run 5 had deployed it.
const without = plan({ unchanged: { python: { run: 5 } }, deploy: ['terraform'], reasons: { terraform: 'changed since run 5' } })
const later = '2026-11-01T11:30:00Z'
for (const [name, others, stale] of [
  ['with other contents', [deploys('python', later, { name: 'python-dev / Deploy 333333333333' })], true],
  ['without success', [deploys('python', later, { conclusion: 'failure' })], true],
  ['by hand', [deploys('python', later, { name: 'python-dev / Deploy by hand' })], true],
  ['with the same contents', [deploys('python', later)], false],
  ['before that', [deploys('python', '2026-11-01T09:30:00Z', { conclusion: 'failure' })], false],
]) {
  test(`a component was left out, and another run has deployed it ${name}`, async () => {
    const jobs = [deploys('terraform', '2026-11-01T11:01:00Z')]
    const done = await planned({ changes: changes(without), 'terraform-dev': ok }, { jobs, others, before: manifest('2026-11-01T10:00:00.000Z') })
    assert.deepEqual(done.log, stale ? [`failed: Deployment to dev was overtaken: another run has deployed python since. Start this workflow again: ${RUN}`] : [])
    assert.equal(done.memory.components.python.state, stale ? 'unknown' : 'success')
  })
}

for (const [at, state] of [['2026-11-01T10:29:59Z', 'success'], ['2026-11-01T10:30:00Z', 'unknown']]) {
  test(`a failed deployment at ${at}, by the run of the newest manifest: the state is ${state}`, async () => {
    const formers = [deploys('python', at, { conclusion: 'failure' })]
    const done = await planned({ changes: changes(without) }, { before: manifest('2026-11-01T10:00:00.000Z'), formers })
    assert.equal(done.memory.components.python.state, state)
  })
}

for (const [name, at, state] of [['before', '2026-11-01T11:00:59Z', 'success'], ['after', '2026-11-01T11:01:01Z', 'success']]) {
  test(`another run has deployed a component ${name} this one`, async () => {
    const jobs = [deploys('terraform', '2026-11-01T11:01:00Z'), deploys('python', '2026-11-01T11:01:00Z')]
    const others = [deploys('terraform', at, { conclusion: 'failure' })]
    const done = await planned({ ...first, 'python-dev': ok, 'terraform-dev': ok }, { jobs, others })
    assert.deepEqual([done.memory.components.terraform.state, done.memory.components.python.state], [state, 'success'])
  })
}

test('a re-run of an old run keeps the entries of a newer run in the manifest', async () => {
  const before = manifest('2026-11-01T11:10:00.000Z')
  const jobs = [deploys('terraform', '2026-11-01T11:01:00Z'), deploys('python', '2026-11-01T11:01:00Z')]
  const others = [deploys('terraform', '2026-11-01T11:05:00Z')]
  const done = await planned({ ...first, 'python-dev': ok, 'terraform-dev': ok }, { before, jobs, others })
  assert.deepEqual(done.memory.components.terraform, before.components.terraform)
  assert.equal(done.memory.components.python.run, 7)
})

test('a plan that this run keeps for the runs that it starts is read from there', async () => {
  const outputs = { deploy: '["python","terraform"]' }
  const jobs = [
    { name: 'Changes', started_at: '2026-11-01T11:00:00Z', completed_at: '2026-11-01T11:00:10Z' },
    deploys('python', '2026-11-01T11:01:00Z'), deploys('terraform', '2026-11-01T11:02:00Z'),
  ]
  const kept = { id: 70, name: 'plan-dev', created_at: '2026-11-01T11:00:05Z', workflow_run: { id: 7 } }
  const children = { runs: [], jobs: {}, artifacts: [kept], contents: { 70: everything } }
  const needs = { ...first, changes: { result: 'success', outputs }, 'python-dev': ok, 'terraform-dev': ok }
  const done = await planned(needs, { jobs, children })
  assert.deepEqual([done.log, Object.keys(done.memory.components)], [[], ['python', 'terraform']])
})

test('a plan that GitHub keeps back is no success', async () => {
  const outputs = { deploy: '["terraform"]' }
  const done = await planned({ ...first, changes: { result: 'success', outputs }, 'python-dev': ok, 'terraform-dev': ok })
  assert.match(done.log[0], /^failed: Deployment to dev failed in changes: its plan is missing: GitHub withholds it if .*: https:/)
  assert.equal(done.memory, undefined)
})

test('outputs that GitHub keeps back are no newer run', async () => {
  const jobs = [{ name: 'Changes', steps: [{ name: 'See what changed', conclusion: 'success' }] }]
  const skipped = { result: 'skipped', outputs: {} }
  const done = await planned({ ...first, changes: { result: 'success', outputs: {} }, 'python-dev': skipped, 'terraform-dev': skipped }, { jobs })
  assert.match(done.log[0], /^failed: Deployment to dev failed in changes: its plan is missing/)
})

test('a manifest with a gap in the runs after it is not used', async () => {
  const before = { ...manifest('2026-11-01T10:00:00.000Z'), number: 3 }
  const done = await planned({ changes: changes(without) }, { before })
  assert.deepEqual(done.memory.components, {})
})

test('a manifest that came after the plan knows what was deployed before it planned', async () => {
  const before = manifest('2026-11-01T11:10:00.000Z')
  const done = await planned({ changes: changes(without) }, { before, others: [deploys('python', '2026-11-01T11:05:00Z', { conclusion: 'failure' })] })
  assert.equal(done.memory.components.python.state, 'success')
})

test('a package that was brought over is the run\'s own', async () => {
  const found = { key: 'p', digest: 'P', run: 3, commit: A, environment: 'build', expires: '2026-12-01T00:00:00.000Z' }
  const its = plan({ deploy: ['python'], packages: { python: found }, reasons: { python: 'new here' } })
  const done = await planned({ changes: changes(its, { 'python-digest': 'P' }), 'python-dev': ok }, { jobs: [deploys('python', '2026-11-01T11:01:00Z')] })
  assert.deepEqual(done.memory.components.python.package, { ...found, run: 7, environment: 'dev', expires: '2026-11-08T12:00:00.000Z' })
})

// Where each component has a run of its own, that builds and deploys it.
const started = more => ({ result: 'success', outputs: { 'run-id': '70', url: `${HOME}actions/runs/70`, conclusion: 'success', ...more } })
const child = runOf(70, {
  path: '.github/workflows/python-dev.yml', event: 'workflow_dispatch', actor: { login: 'github-actions[bot]' },
  display_title: `Deploy ${B} to dev, python of run 7, attempt 1`,
})
const ofChild = [
  { name: 'build / Check and build', conclusion: 'success', started_at: '2026-11-01T11:01:00Z', completed_at: '2026-11-01T11:03:00Z' },
  deploys('python', '2026-11-01T11:03:10Z', { name: 'deploy / Deploy 111111111111' }),
]
const waits = { name: 'python-dev', started_at: '2026-11-01T11:00:50Z', completed_at: '2026-11-01T11:04:00Z', html_url: RUN }
const archive = { id: 71, name: 'python-package-dev', digest: 'sha256:1', created_at: '2026-11-01T11:02:59Z', workflow_run: { id: 70 } }

for (const [name, its, needs, expected] of [
  ['built and deployed', { build: ['python'], deploy: ['python'] }, started(), ['success', 70, 'sha256:1']],
  ['built, and its deployment failed', { build: ['python'], deploy: ['python'] }, started({ conclusion: 'failure' }), ['failure', 70, 'sha256:1']],
  ['deployed as it was', { deploy: ['python'] }, started(), ['success', undefined, undefined]],
  ['not started', { build: ['python'], deploy: ['python'] }, { result: 'failure', outputs: {} }, [undefined, undefined, undefined]],
]) {
  test(`a component that has a run of its own was ${name}`, async () => {
    const isFailed = name.endsWith('failed')
    const end = isFailed ? { result: 'failure' } : {}
    const jobs = needs.outputs['run-id'] ? { 70: isFailed ? [ofChild[0], { ...ofChild[1], conclusion: 'failure' }] : ofChild } : {}
    const done = await planned({ changes: changes(plan({ ...its, reasons: { python: 'new here' } })), 'python-dev': { ...needs, ...end } },
      { jobs: [waits], children: { runs: [child], jobs, artifacts: [archive] } })
    const found = done.memory.components.python
    assert.deepEqual([found?.state, found?.package?.run, found?.package?.digest], expected)
    assert.deepEqual(done.rows.find(([one]) => one === 'python').slice(1, 3), [isFailed || !needs.outputs['run-id'] ? '❌ failure' : '✅ success', 'new here'])
  })
}

test('a component whose own run was run again meanwhile, without success', async () => {
  const again = deploys('python', '2026-11-01T11:05:00Z', { name: 'deploy / Deploy 111111111111', conclusion: 'failure' })
  for (const [more, state] of [[[], 'success'], [[again], 'failure'], [[{ ...again, conclusion: 'success' }], 'success']]) {
    const done = await planned({ changes: changes(plan({ deploy: ['python'], reasons: { python: 'new here' } })), 'python-dev': started() },
      { jobs: [waits], children: { runs: [child], jobs: { 70: [...ofChild, ...more] }, artifacts: [archive] } })
    assert.equal(done.memory.components.python.state, state)
    assert.deepEqual(done.log, state === 'success' ? [] : [`failed: Deployment to dev was overtaken: another run has deployed python since. Start this workflow again: ${RUN}`])
  }
})

test('what an earlier attempt has deployed, and this one has not come to, is not known', async () => {
  const jobs = [deploys('python', '2026-11-01T10:30:00Z', { name: 'python-dev / Deploy 333333333333' })]
  const done = await planned({ ...first, 'python-dev': { result: 'skipped' } }, { jobs, before: manifest('2026-11-01T10:00:00.000Z') })
  assert.equal(done.memory.components.python.state, 'unknown')
})

test('a component that is only checked, in a run of its own', async () => {
  const its = plan({ build: ['python'], check: ['python'], reasons: { python: 'new here' } })
  for (const [result, state] of [['success', 'success'], ['failure', 'failure']]) {
    const done = await planned({ changes: changes(its), 'python-dev': { ...started({ conclusion: result }), result } }, { jobs: [waits], children: { runs: [child], jobs: { 70: [ofChild[0]] }, artifacts: [] } })
    assert.deepEqual([done.memory.components.python.state, done.memory.components.python.package], [state, null])
    assert.equal(done.rows.find(([one]) => one === 'python')[1], result === 'success' ? '✅ success' : '❌ failure')
  }
})

test('a package that was brought over, and is known by its archive, says what it is a copy of', async () => {
  const found = { key: 'p', digest: 'sha256:1', run: 3, commit: A, environment: 'build', expires: '2026-12-01T00:00:00.000Z' }
  const its = plan({ deploy: ['python'], packages: { python: found }, reasons: { python: 'new here' } })
  const done = await planned({ changes: changes(its, { 'python-digest': 'P' }), 'python-dev': ok }, { jobs: [deploys('python', '2026-11-01T11:01:00Z')] })
  assert.deepEqual(done.memory.components.python.package, { ...found, digest: 'P', of: 'sha256:1', run: 7, environment: 'dev', expires: '2026-11-08T12:00:00.000Z' })
})

test('the first job has found something newer, so there is no plan', async () => {
  const done = await planned({ changes: { result: 'success', outputs: {} }, 'python-dev': { result: 'skipped' }, 'terraform-dev': { result: 'skipped' } })
  assert.deepEqual([done.log, done.memory], [[], undefined])
  assert.ok(done.text.startsWith('## Nothing was deployed to dev'))
})
