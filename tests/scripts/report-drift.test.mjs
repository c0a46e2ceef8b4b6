// report-drift: one issue for each component that has drifted, until the drift is gone.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { fakeGitHub, paged, run } from './fake-github.mjs'

const folder = mkdtempSync(path.join(tmpdir(), 'report-drift-'))
after(() => rmSync(folder, { recursive: true }))
beforeEach(() => rmSync(folder, { recursive: true, force: true }))

const [LIST, CREATE, CHANGE, COMMENT] = ['GET', 'POST', 'PATCH', 'POST'].map((verb, index) =>
  `${verb} /repos/{owner}/{repo}/issues${['', '', '/{issue_number}', '/{issue_number}/comments'][index]}`)
const MARK = '<!-- infrastructure drift of app -->'
const RUN = 'https://github.com/acme/demo/actions/runs/7'
const ok = { result: 'success' }
const NEEDS = { 'deployed-prd': ok, 'app-test-plan': ok, 'app-prd-plan': ok }

/** What is written, after these changes were planned in each environment. */
async function report(changes, { issues = [], needs = NEEDS } = {}) {
  for (const [environment, list] of Object.entries(changes)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, `app-changes-${environment}.json`), JSON.stringify({ changes: list.map(([action, what]) => ({ action, what })) }))
  }
  const github = fakeGitHub({ [LIST]: paged(issues), [CREATE]: {}, [CHANGE]: {}, [COMMENT]: {} })
  const context = { repo: { owner: 'acme', repo: 'demo' }, serverUrl: 'https://github.com', runId: 7 }
  const env = { COMPONENTS: '{"app": ["test", "prd"]}', FOLDER: folder, NEEDS: JSON.stringify(needs) }
  const { log } = await run('report-drift/report.cjs', { env, github, context })
  const written = github.calls.filter(({ route }) => route !== LIST).map(({ route, parameters }) => [route, Object.fromEntries(Object.entries(parameters).slice(2))])
  return { log, written }
}
const BODY = `\
${MARK}
## prd

If the same commit were deployed again, that would change this:

| Change | What |
| --- | --- |
| update | <code>aws&#95;&#95;x</code> |

Found by [this run](${RUN}).`

test('drift opens an issue', async () => {
  const { log, written } = await report({ test: [], prd: [['update', 'aws__x']] })
  assert.deepEqual(log, ['warning: app has drifted'])
  assert.deepEqual(written, [[CREATE, { title: 'Infrastructure drift: app', body: BODY }]])
})

for (const [name, body, more] of [
  ['no issue', null, {}],
  ['a pull request', MARK, { pull_request: {} }],
  ['an issue of another component', MARK.replace('app', 'api'), {}],
]) {
  test(`drift opens an issue beside ${name}`, async () => {
    const { written } = await report({ prd: [['update', 'aws__x']] }, { issues: [{ number: 1, body, ...more }] })
    assert.deepEqual(written.map(([route]) => route), [CREATE])
  })
}

test('the same drift leaves the issue as it is', async () => {
  const { written } = await report({ prd: [['update', 'aws__x']] }, { issues: [{ number: 3, body: BODY.replace('runs/7', 'runs/6') }] })
  assert.deepEqual(written, [])
})

test('other drift changes the issue', async () => {
  const { written } = await report({ prd: [['delete', 'aws__x']] }, { issues: [{ number: 3, body: BODY }] })
  assert.deepEqual(written, [[CHANGE, { issue_number: 3, body: BODY.replace('update', 'delete') }]])
})

test('much drift is shortened', async () => {
  const { written } = await report({ test: Array.from({ length: 53 }, (_, index) => ['update', `a${index}`]), prd: [] })
  assert.match(written[0][1].body, /^And 3 more\.$/m)
})

test('an issue is never longer than GitHub takes', async () => {
  const long = Array.from({ length: 50 }, (_, index) => ['update', `a${index}["${'@'.repeat(200)}"]`])
  const { written } = await report({ test: long, prd: long })
  assert.ok(written[0][1].body.length < 65_536)
  assert.match(written[0][1].body, /^And \d+ more\.$/m)
})

test('an issue that somebody has edited in a browser keeps the drift of an environment whose plan failed', async () => {
  const issues = [{ number: 3, body: BODY.replaceAll('\n', '\r\n') }]
  const { written } = await report({ test: [], prd: [] }, { needs: { ...NEEDS, 'app-prd-plan': { result: 'failure' } }, issues })
  assert.deepEqual(written, [])
})

test('the issue keeps the drift of an environment whose plan failed', async () => {
  const issues = [{ number: 3, body: BODY }]
  const needs = { ...NEEDS, 'app-prd-plan': { result: 'failure' } }
  const { written } = await report({ test: [['delete', 'b']], prd: [] }, { needs, issues })
  const test = BODY.split('\n').slice(1, -1).join('\n').replace('prd', 'test').replace('update', 'delete').replace('aws&#95;&#95;x', 'b')
  assert.deepEqual(written, [[CHANGE, { issue_number: 3, body: BODY.replace(MARK, `${MARK}\n${test}`) }]])
})

test('an issue is closed though another environment was never deployed', async () => {
  const needs = { ...NEEDS, 'app-test-plan': { result: 'skipped' } }
  const { written } = await report({ prd: [] }, { needs, issues: [{ number: 3, body: BODY }] })
  assert.deepEqual(written.map(([route]) => route), [COMMENT, CHANGE])
})

test('without drift the issue is closed', async () => {
  const { log, written } = await report({ test: [], prd: [] }, { issues: [{ number: 3, body: BODY }] })
  assert.deepEqual(log, ['info: app has no drift any more'])
  assert.deepEqual(written, [
    [COMMENT, { issue_number: 3, body: `There is no drift any more, says [this run](${RUN}).` }],
    [CHANGE, { issue_number: 3, state: 'closed', state_reason: 'completed' }],
  ])
})

test('without drift and without an issue nothing is written', async () => {
  assert.deepEqual(await report({ test: [], prd: [] }), { log: [], written: [] })
})

for (const [name, changes, needs, log] of [
  ['failed', { test: [], prd: [] }, { ...NEEDS, 'app-prd-plan': { result: 'failure' } }, [
    'failed: Some drift may not have been found, see the logs of these jobs: app-prd-plan',
  ]],
  ['was left out', { test: [] }, { ...NEEDS, 'app-prd-plan': { result: 'skipped' } }, []],
  ['left no list', { test: [] }, NEEDS, []],
]) {
  test(`an issue stays open if a plan ${name}`, async () => {
    assert.deepEqual(await report(changes, { needs, issues: [{ number: 3, body: BODY }] }), { log, written: [] })
  })
}
