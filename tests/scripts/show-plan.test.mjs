// show-plan: the summary of a plan, and the changes that a deployment may make.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { run, script } from './fake-github.mjs'

const { digest, parse } = script('show-plan/changes.cjs')
const temp = mkdtempSync(path.join(tmpdir(), 'show-plan-'))
after(() => rmSync(temp, { recursive: true }))
beforeEach(() => {
  rmSync(temp, { recursive: true })
  mkdirSync(path.join(temp, 'shown'), { recursive: true })
})

const write = (name, text) => writeFileSync(path.join(temp, name), text)
const kept = () => readFileSync(path.join(temp, 'app-changes-prd.json'), 'utf8')
const show = (lines, env = {}, text) => {
  if (lines) write('changes', lines.map(line => `${line.join('\t')}\n`).join(''))
  if (text) write('changes.txt', text)
  return run('show-plan/show.cjs', {
    env: { COMPONENT: 'app', ENVIRONMENT: 'prd', COMMIT: 'a'.repeat(40), OUTCOME: 'success', RUNNER_TEMP: temp, ...env },
  })
}
const NETWORK = { UPSTREAM: 'network vpc', DEPLOYED: '["app","network"]' }

test('destroyed resources come first', async () => {
  const lines = [['create', 'b'], ['create', 'a'], ['update', 'c'], ['output', 'o'], ['delete', 'z'], ['move', 'm'], ['replace', 'y|*']]
  const { log, outputs, summaries } = await show(lines)
  assert.deepEqual(log, [])
  assert.equal(summaries[0], `\
## Plan: app to prd

**1 destroyed, 1 replaced, 1 move, 1 changed, 2 created, 1 output**, with commit aaaaaaa.

| Change | What |
| --- | --- |
| 💥 destroyed | z |
| 💥 replaced | y&#124;&#42; |
| move | m |
| changed | c |
| created | a |
| created | b |
| output | o |
`)
  assert.deepEqual(outputs, { changes: digest(kept()) })
})

test('the contents of a change are kept as a digest', async () => {
  await show([['update', 'a', 'from 1', 'to 2'], ['update', 'b', 'from 1']])
  const { changes, ...plan } = JSON.parse(kept())
  assert.deepEqual(plan, { component: 'app', environment: 'prd', commit: 'a'.repeat(40), upstream: [], isUnknown: false })
  assert.match(changes[0].content, /^[0-9a-f]{64}$/)
  assert.notEqual(changes[0].content, changes[1].content)
})

test('nothing changes', async () => {
  const { summaries } = await show([])
  assert.equal(summaries[0], '## Plan: app to prd\n\n**Nothing changes**, with commit aaaaaaa.\n')
})

test('the output of the tool is shown in full, between fences that it cannot close', async () => {
  const { summaries } = await show([['create', 'a']], {}, '```\n# a will be created\n````\n')
  assert.ok(summaries[0].endsWith('\n<details><summary>In full</summary>\n\n`````text\n```\n# a will be created\n````\n`````\n\n</details>\n'))
})

test('a long plan is shortened', async () => {
  const lines = Array.from({ length: 130 }, (_, index) => ['create', `a${index}`])
  const { summaries } = await show(lines, {}, `${'x'.repeat(59_990)}\n${'y'.repeat(20)}\nz\n`)
  assert.match(summaries[0], /\n\nAnd 30 more, 30 created\.\n\n<details>/)
  assert.ok(!summaries[0].includes('yyy'))
  assert.match(summaries[0], /\n2 more lines are in the log of the step Plan\.\n\n<\/details>/)
})

test('a long plan in one line is shortened', async () => {
  const { summaries } = await show([['create', 'a']], {}, `${'x'.repeat(2 ** 20)}\n`)
  assert.match(summaries[0], /\nx{60000}\n```\n\n1 more lines are in the log of the step Plan\.\n/)
})

for (const line of ['create', 'create a', 'Create\ta', '\ta']) {
  test(`a line that is no change: ${JSON.stringify(line)}`, () => {
    assert.throws(() => parse(`create\ta\n${line}\n`), /^Error: Line 2 of the list of changes is not an action, a tab and an address/)
  })
}

test('a plan that cannot be made', async () => {
  const { log, outputs, summaries } = await show(undefined, { OUTCOME: 'failure', ...NETWORK, DEPLOYED: '["app"]' })
  assert.deepEqual([log, outputs, summaries], [['failed: The plan could not be made: see the log of the step Plan'], {}, []])
})

test('a plan that cannot be made before another component is deployed', async () => {
  const { log, outputs, summaries } = await show(undefined, { OUTCOME: 'failure', ...NETWORK })
  assert.deepEqual(log, ['warning: The plan of app has failed, perhaps because network is not deployed yet: read the log of the step Plan before you approve'])
  assert.match(summaries[0], /^\*\*The plan has failed\.\*\* Perhaps it needs what network deploys: /m)
  assert.deepEqual(outputs, { changes: digest(kept()) })
  const { isUnknown, upstream, changes } = JSON.parse(kept())
  assert.deepEqual([isUnknown, upstream, changes], [true, ['network'], []])
})

test('the same run deploys another component before', async () => {
  const { summaries } = await show([], NETWORK)
  assert.match(summaries[0], /^The same run deploys network before\. /m)
  assert.match((await show([], { ...NETWORK, GITHUB_EVENT_NAME: 'pull_request' })).summaries[0], /^Before that, network has to be deployed\. /m)
})

// The deployment.

const compare = (lines, SHOWN = digest(kept())) => {
  write('changes', lines.map(line => `${line.join('\t')}\n`).join(''))
  return run('show-plan/compare.cjs', { env: { COMPONENT: 'app', ENVIRONMENT: 'prd', RUNNER_TEMP: temp, SHOWN } })
}
const shown = async (lines, env) => {
  await show(lines, env)
  write('shown/app-changes-prd.json', kept())
}
const AGAIN = 're-run all jobs, so that the new plan is shown'

test('the changes that were shown are made', async () => {
  await shown([['update', 'a', '1'], ['delete', 'b', '2']])
  const { log, summaries } = await compare([['delete', 'b', '2'], ['update', 'a', '1']])
  assert.deepEqual([log, summaries], [['info: app: 1 destroyed, 1 changed', 'info: These are the changes that were shown.'], []])
})

for (const [name, lines, what] of [
  ['one is new', [['update', 'a', '1'], ['create', 'c']], 'new: create c'],
  ['one is gone', [], 'no longer there: update a'],
  ['one has another content', [['update', 'a', '2']], 'new: update a; no longer there: update a'],
  ['one has become another', [['replace', 'a', '1']], 'new: replace a; no longer there: update a'],
  ['many are new', [['update', 'a', '1'], ...['b', 'c', 'd', 'e'].map(each => ['create', each])], 'new: create b, create c, create d and 1 more'],
]) {
  test(`other changes than those that were shown: ${name}`, async () => {
    await shown([['update', 'a', '1']])
    const { log, summaries } = await compare(lines)
    assert.equal(log.at(-1), `failed: The changes of app are not those that were shown (${what}): ${AGAIN}`)
    assert.match(summaries[0], /^## app: other changes than those that were shown\n/)
  })
}

test('changes that follow from an earlier deployment are listed', async () => {
  await shown([['update', 'a', '1']], NETWORK)
  const { log, summaries } = await compare([['update', 'a', '2'], ['create', 'b']])
  assert.equal(log.at(-1), 'notice: Since network was deployed, the changes of app are others than the plan has shown (new: update a, create b; no longer there: update a)')
  assert.equal(summaries[0], `\
## app: other changes than those that were shown

New: **1 changed, 1 created**.

| Change | What |
| --- | --- |
| changed | a |
| created | b |

Shown, and no longer there: **1 changed**.

| Change | What |
| --- | --- |
| changed | a |
`)
})

for (const action of ['delete', 'replace']) {
  test(`a deletion that was not shown is refused, even after another deployment: ${action}`, async () => {
    await shown([], NETWORK)
    const { log } = await compare([[action, 'a'], ['create', 'b']])
    assert.equal(log.at(-1), `failed: Since network was deployed, app would destroy what no plan has shown (${action} a): ${AGAIN}`)
  })
}

test('a deletion that was shown is allowed after another deployment', async () => {
  await shown([['delete', 'a'], ['create', 'b']], NETWORK)
  assert.match((await compare([['delete', 'a']])).log.at(-1), /^notice: /)
})

test('nobody approves the deployment', async () => {
  assert.deepEqual((await compare([['delete', 'a']], '')).log, ['info: app: 1 destroyed'])
  assert.deepEqual((await compare([], '')).log, ['info: app: nothing changes'])
})

for (const [name, change] of [
  ['it is missing', () => rmSync(path.join(temp, 'shown'), { recursive: true })],
  ['somebody has replaced it', () => write('shown/app-changes-prd.json', kept().replace('"a"', '"b"'))],
]) {
  test(`the plan that was shown cannot be read: ${name}`, async () => {
    await shown([['create', 'a']])
    change()
    assert.equal((await compare([['create', 'a']])).log.at(-1), `failed: The plan of app that was shown cannot be read: ${AGAIN}`)
  })
}

test('no plan was shown', async () => {
  assert.equal((await compare([], 'none')).log.at(-1), `failed: The plan of app that was shown cannot be read: ${AGAIN}`)
})
