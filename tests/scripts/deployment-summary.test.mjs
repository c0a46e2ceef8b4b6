// deployment-summary: what became of each component, what is named first, and when it fails.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, fakeGitHub, paged, run } from './fake-github.mjs'

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

| Component | Result | Link |
| --- | --- | --- |
| changes | ✅ success | [open](${jobs[0].html_url}) |
| python | ✅ success | [open](${jobs[1].html_url}) |
| terraform | ✅ success | [open](${RUN}) |

\`\`\`mermaid
graph LR
  n0["python"]:::success
  n1["terraform"]:::success
  n0 --> n1
  classDef failure fill:#cf222e,color:#fff
  classDef cancelled fill:#9a6700,color:#fff
  classDef skipped fill:#6e7781,color:#fff
  classDef success fill:#1a7f37,color:#fff
\`\`\`
`)
})

test('what failed is named first, and links to the job that failed', async () => {
  const jobs = [
    { name: 'terraform-dev / Deploy', conclusion: 'failure', html_url: `${RUN}/job/3` },
    { name: 'python-build / Test', conclusion: 'success', html_url: `${RUN}/job/1` },
    { name: 'python-build / Build', conclusion: 'failure', html_url: `${RUN}/job/2` },
  ]
  const bad = { result: 'failure', outputs: {} }
  const done = await summary({ changes: ok, 'python-build': bad, 'python-dev': { result: 'skipped' }, 'terraform-dev': bad }, { jobs: paged(jobs, 'jobs') })
  assert.deepEqual(done.log, [`failed: Deployment to dev failed in python, terraform: ${RUN}`])
  assert.deepEqual(done.rows, [
    ['python', '❌ failure', `[open](${RUN}/job/2)`],
    ['terraform', '❌ failure', `[open](${RUN}/job/3)`],
    ['changes', '✅ success', `[open](${RUN})`],
  ])
})

test('neither failed nor complete', async () => {
  const done = await summary({ changes: ok, approval: { result: 'cancelled' }, 'terraform-dev': { result: 'skipped' } })
  assert.deepEqual(done.log, [`failed: Deployment to dev was not completed: ${RUN}`])
  assert.deepEqual(done.rows.map(([name, result]) => `${name} ${result}`), ['approval 🚫 cancelled', 'terraform ⏭️ skipped', 'changes ✅ success', 'python ✅ success'])
})

const tooOld = { result: 'success', outputs: { deploy: 'false' } }
test('something newer has made it too old: nothing is deployed, and nothing is wrong', async () => {
  const done = await summary({ changes: tooOld, approval: { result: 'skipped' }, 'terraform-dev': { result: 'skipped' } })
  assert.deepEqual(done.log, [])
  assert.ok(done.text.startsWith('## Nothing was deployed to dev&#58; something newer was, or waits for its approval\n'))
})

test('too old, and something failed all the same', async () => {
  const done = await summary({ changes: tooOld, approval: { result: 'skipped' }, 'terraform-dev': { result: 'failure' } })
  assert.deepEqual(done.log, [`failed: Deployment to dev failed in terraform: ${RUN}`])
})

test('a package that was not brought over is a component that failed', async () => {
  const done = await summary({ changes: { result: 'failure' }, 'terraform-dev': { result: 'skipped' } })
  assert.deepEqual(done.log, [`failed: Deployment to dev failed in changes, python: ${RUN}`])
})

test('a component that ran by itself says how it ended, and where', async () => {
  const url = `${HOME}actions/runs/9`
  const done = await summary({
    changes: ok,
    'python-dev': { result: 'failure', outputs: { conclusion: 'timed_out', url } },
    'terraform-dev': { result: 'success', outputs: { conclusion: 'success', url: 'https://evil.example/x' } },
  })
  assert.deepEqual(done.log, [`failed: Deployment to dev failed in python: ${RUN}`])
  assert.deepEqual(done.rows[0], ['python', '❌ timed_out', `[open](${url})`])
  assert.deepEqual(done.rows[2], ['terraform', '✅ success', `[open](${RUN})`])
})

test('components that were watched', async () => {
  const url = `${HOME}actions/runs/9`
  const results = { python: { result: 'success', url }, terraform: { result: 'never started' } }
  const done = await summary({ changes: ok, watch: { result: 'failure' } }, { results })
  assert.deepEqual(done.log, [`failed: Deployment to dev failed in terraform: ${RUN}`])
  assert.deepEqual(done.rows, [
    ['terraform', '❌ never started', `[open](${RUN})`], ['changes', '✅ success', `[open](${RUN})`], ['python', '✅ success', `[open](${url})`],
  ])
})

for (const [name, result, results, expected] of [
  ['the watch broke off', 'cancelled', '', ['watch 🚫 cancelled', 'python 🚫 cancelled', 'terraform 🚫 cancelled']],
  ['the watch said nothing of one', 'success', { python: { result: 'success' } }, ['terraform ❌ unknown']],
]) {
  test(`not known is no success: ${name}`, async () => {
    const done = await summary({ changes: ok, watch: { result } }, { results })
    assert.deepEqual(done.rows.map(([name, result]) => `${name} ${result}`).slice(0, expected.length), expected)
    assert.equal(done.log.length, 1)
  })
}

test('without the list of jobs, all links lead to the run', async () => {
  const done = await summary({ changes: ok, 'python-build': ok, 'terraform-dev': ok }, { jobs: failure(403, 'Resource not accessible') })
  assert.deepEqual(done.log, ['warning: The summary links to the run, not to its jobs: GitHub answers 403: Resource not accessible'])
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
