// check-commit: which commit is deployed, whether it may be, and whether that is a roll-back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeGitHub, paged, run } from './fake-github.mjs'

const [A, B, OTHER] = ['a', 'b', 'd'].map(digit => digit.repeat(40))
const REFS = 'GET /repos/{owner}/{repo}/git/matching-refs/{ref}'
const COMPARE = 'GET /repos/{owner}/{repo}/compare/{basehead}'
const RUNS = 'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs'
const JOBS = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs'
const NEWER = 'https://github.com/acme/demo/actions/runs/9'
const env = {
  COMMIT: '', REFS: '^refs/heads/main$', APPROVED: '', GITHUB_RUN_ATTEMPT: '1',
  GITHUB_WORKFLOW_REF: 'acme/demo/.github/workflows/orchestrator-prd.yml@refs/heads/a@b/main',
}

/** main has A, then B. */
async function check(given = {}, more = {}) {
  const { runs = [], jobs = {}, event = 'push', before, sha = B } = given
  const github = fakeGitHub({
    [REFS]: [[{ ref: 'refs/heads/main', object: { sha: B } }]],
    [COMPARE]: ({ basehead }) => ({ status: basehead.startsWith(OTHER) ? 'diverged' : 'ahead' }),
    [RUNS]: paged(runs, 'workflow_runs'),
    [JOBS]: parameters => paged(jobs[parameters.run_id] ?? [], 'jobs')(parameters),
  })
  const payload = { repository: { id: 1, default_branch: 'main' }, workflow_run: before }
  const context = { repo: { owner: 'acme', repo: 'demo' }, payload, sha, eventName: event, runId: 5, runNumber: 50 }
  const { log, outputs } = await run('check-commit/check.cjs', { env: { ...env, ...more }, github, context })
  return { log, outputs, github }
}
const listed = more => ({
  id: 9, run_number: 51, html_url: NEWER, event: 'push', head_sha: B, head_repository: { id: 1 }, conclusion: null, display_title: '', ...more,
})
const approved = [{ name: 'Changes', conclusion: 'success' }, { name: 'approval', conclusion: 'success' }]

test('the commit of the run', async () => {
  const { log, outputs } = await check()
  assert.deepEqual([log, outputs], [[], { commit: B, 'roll-back': 'false' }])
})

test('a commit that a person chose', async () => {
  const { log, outputs } = await check({ event: 'workflow_dispatch' }, { COMMIT: A })
  assert.deepEqual([log, outputs], [[], { commit: A, 'roll-back': 'false' }])
})

test('after another run, the commit that its title names', async () => {
  const before = { display_title: `Deploy ${A} to test`, html_url: NEWER, event: 'push', head_sha: A, head_repository: { id: 1 } }
  const { log, outputs } = await check({ before, event: 'workflow_run' })
  assert.deepEqual([log, outputs], [[], { commit: A, 'roll-back': 'false' }])
})

for (const [name, given, more, expected] of [
  ['a short SHA', {}, { COMMIT: B.slice(0, 7) }, /The input commit, "bbbbbbb", is not 40 hexadecimal digits/],
  ['a branch that has a SHA in its name', {}, { COMMIT: `attack-${B}` }, /is not 40 hexadecimal digits/],
  ['a SHA and a line more', {}, { COMMIT: `${B}\n` }, /is not 40 hexadecimal digits/],
  ['a commit of another branch', {}, { COMMIT: OTHER }, /ddd is on no branch or tag like \^refs\/heads\/main\$, so it is not deployed/],
  ['a run before without a commit in its title', { before: { display_title: 'Fix', html_url: NEWER } }, {}, /title of .*runs\/9, "Fix", names no commit: start orchestrator-prd.yml/],
  ['a run before that nobody reviewed', {
    before: { display_title: `Deploy ${A} to test`, html_url: NEWER, event: 'push', head_sha: OTHER, head_repository: { id: 1 } },
  }, {}, /runs\/9 ran the workflows of ddd.*: start orchestrator-prd.yml by hand/],
  ['no approval', {}, { APPROVED: 'never' }, /Attempt 1 of this run has no approval: choose "Re-run all jobs"/],
  ['the approval of another attempt', {}, { APPROVED: '1', GITHUB_RUN_ATTEMPT: '2' }, /Attempt 2 of this run has no approval/],
  ['a newer run that was approved', { runs: [listed()], jobs: { 9: approved } }, { APPROVED: '1' }, /runs\/9 is newer and was approved.*start orchestrator-prd.yml by hand with bbb/],
  ['one behind a hundred that were skipped', {
    runs: [...Array.from({ length: 120 }, (_, index) => listed({ id: 1000 - index, run_number: 300 - index, conclusion: 'skipped' })), listed()],
    jobs: { 9: approved },
  }, { APPROVED: '1' }, /runs\/9 is newer/],
]) {
  test(`refuses ${name}`, async () => {
    const { log, outputs } = await check(given, more)
    assert.match(log.join('\n'), new RegExp(`^failed: .*${expected.source}`))
    assert.doesNotMatch(log.join('\n'), /\n/)
    assert.deepEqual(outputs, {})
  })
}

for (const [name, runs, jobs] of [
  ['an older run that was approved', [listed({ run_number: 49 })], { 9: approved }],
  ['this run', [listed({ run_number: 50 })], { 9: approved }],
  ['a newer run that still waits', [listed()], { 9: [{ name: 'approval', conclusion: null }] }],
  ['a newer run of a feature branch that approves itself', [listed({ head_sha: OTHER })], { 9: approved }],
  ['a newer run of a fork that approves itself', [listed({ head_repository: { id: 2 } })], { 9: approved }],
]) {
  test(`is not stopped by ${name}`, async () => {
    const { log, outputs, github } = await check({ runs, jobs }, { APPROVED: '1' })
    assert.deepEqual([log, outputs.commit], [[], B])
    for (const { parameters } of github.calls.filter(({ route }) => route === JOBS)) assert.equal(parameters.filter, 'all')
    assert.equal(github.calls.find(({ route }) => route === RUNS).parameters.workflow_id, 'orchestrator-prd.yml')
  })
}

const deployed = more => listed({ run_number: 40, conclusion: 'success', display_title: `Deploy ${A} to prd`, ...more })
for (const [name, runs, expected, event = 'workflow_dispatch'] of [
  ['a commit that was deployed', [listed({ display_title: `Deploy ${B} to prd` }), deployed()], 'true'],
  ['a commit that only another branch says it has deployed', [deployed({ head_sha: OTHER })], 'false'],
  ['this run itself', [deployed({ id: 5 })], 'false'],
  ['a run that no person started', [deployed()], 'false', 'push'],
]) {
  test(`roll-back is ${expected} for ${name}`, async () => {
    const { outputs, github } = await check({ event, runs }, { COMMIT: A })
    assert.equal(outputs['roll-back'], expected)
    for (const { parameters } of github.calls.filter(({ route }) => route === RUNS)) assert.equal(parameters.status, 'success')
  })
}
