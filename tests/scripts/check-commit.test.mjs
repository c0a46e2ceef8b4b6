// check-commit: which commit is deployed, whether it may be, and whether that is a roll-back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, fakeGitHub, paged, run } from './fake-github.mjs'

const [A, B, OTHER] = ['a', 'b', 'd'].map(digit => digit.repeat(40))
const REFS = 'GET /repos/{owner}/{repo}/git/matching-refs/{ref}'
const COMPARE = 'GET /repos/{owner}/{repo}/compare/{basehead}'
const RUNS = 'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs'
const JOBS = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs'
const RUN = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}'
const ATTEMPT = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs'
const BOT = 'github-actions[bot]'
const NEWER = 'https://github.com/acme/demo/actions/runs/9'
const env = {
  COMMIT: '', REFS: '^refs/heads/main$', APPROVED: '', ENVIRONMENT: 'prd', GITHUB_RUN_ATTEMPT: '1',
  GITHUB_WORKFLOW_REF: 'acme/demo/.github/workflows/orchestrator-prd.yml@refs/heads/a@b/main',
}

/** main has A, then B. */
async function check(given = {}, more = {}) {
  const { runs = [], jobs = {}, event = 'push', before, sha = B, actor = BOT, inputs } = given
  const github = fakeGitHub({
    [REFS]: [[{ ref: 'refs/heads/main', object: { sha: B } }]],
    [COMPARE]: ({ basehead }) => ({ status: basehead.startsWith(OTHER) ? 'diverged' : 'ahead' }),
    [RUNS]: parameters => paged(Array.isArray(runs) ? runs : runs[parameters.workflow_id] ?? [], 'workflow_runs')(parameters),
    [JOBS]: parameters => paged(jobs[parameters.run_id] ?? [], 'jobs')(parameters),
    [RUN]: given.orchestrator ?? failure(404), [ATTEMPT]: parameters => paged(given.attempt ?? [], 'jobs')(parameters),
  })
  const payload = { repository: { id: 1, default_branch: 'main' }, workflow_run: before, inputs }
  const context = { repo: { owner: 'acme', repo: 'demo' }, payload, sha, eventName: event, runId: 5, runNumber: 50, actor }
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
  ['a newer run that was skipped', [listed({ conclusion: 'skipped' })], { 9: approved }],
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

// A deployment that an orchestrator has started: what that run was approved for is not asked again.
const child = { APPROVED: 'run 7', GITHUB_WORKFLOW_REF: 'acme/demo/.github/workflows/site-prd.yml@refs/heads/main' }
const orchestrator = more => listed({
  id: 7, run_number: 30, path: '.github/workflows/orchestrator-prd.yml@main', event: 'workflow_run', status: 'in_progress',
  display_title: `Deploy ${B} to test, then prd`, run_attempt: 2, run_started_at: '2026-11-01T12:00:00Z', ...more,
})
const gate = more => ({ name: 'approval', conclusion: 'success', run_attempt: 2, started_at: '2026-11-01T12:00:00Z', ...more })
const started = { orchestrator: orchestrator(), attempt: [{ ...gate(), name: 'Changes' }, gate()], inputs: { packages: 'same-commit' } }

test('the approval of the orchestrator that has started it', async () => {
  const { log, outputs, github } = await check(started, child)
  assert.deepEqual([log, outputs.commit], [[], B])
  const of = route => github.calls.filter(call => call.route === route).map(({ parameters }) => parameters)
  assert.deepEqual(of(RUN).map(({ run_id }) => run_id), [7])
  assert.deepEqual(of(ATTEMPT).map(({ run_id, attempt_number }) => [run_id, attempt_number]), [[7, 2]])
  assert.deepEqual(of(RUNS).map(({ workflow_id }) => workflow_id), ['orchestrator-prd.yml', 'site-prd.yml'])
})

for (const [name, given, more, why] of [
  ['that a person has typed', { actor: 'octocat' }, {}, 'octocat has typed it'],
  ['in another attempt', {}, { GITHUB_RUN_ATTEMPT: '2' }, 'it has approved attempt 1 of this run, and this is attempt 2'],
  ['with the newest packages', { inputs: { packages: 'latest' } }, {}, 'packages of another commit, as with latest, were not approved'],
  ['that is not there', { orchestrator: failure(404) }, {}, 'it is no run of orchestrator-prd.yml'],
  ['that is no number', {}, { APPROVED: 'run 7\n8' }, 'it is no run of orchestrator-prd.yml'],
  ['of another environment', { orchestrator: orchestrator({ path: '.github/workflows/orchestrator-dev.yml' }) }, {}, 'it is no run of orchestrator-prd.yml'],
  ['for another commit', { orchestrator: orchestrator({ display_title: `Deploy ${A} to test, then prd` }) }, {}, `its title does not say that it deploys ${B}`],
  ['of a feature branch', { orchestrator: orchestrator({ event: 'workflow_dispatch', head_sha: OTHER }) }, {}, `it ran the workflows of ${OTHER}, which nobody has reviewed`],
  ['that has ended', { orchestrator: orchestrator({ status: 'completed', conclusion: 'success' }) }, {}, 'it has ended'],
  ['that waits for its approval', { attempt: [{ ...gate(), name: 'Changes' }, gate({ conclusion: null })] }, {}, 'nobody has approved its attempt 2'],
  ['with the approval of an earlier attempt', { attempt: [gate({ run_attempt: 1 })] }, {}, 'nobody has approved its attempt 2'],
  ['with an approval that was taken over', { attempt: [gate({ started_at: '2026-11-01T11:59:59Z' })] }, {}, 'nobody has approved its attempt 2'],
]) {
  test(`refuses an orchestrator ${name}`, async () => {
    const { log, outputs } = await check({ ...started, ...given }, { ...child, ...more })
    const id = JSON.stringify({ ...child, ...more }.APPROVED.slice(4))
    const mend = 'Re-run all jobs of a run of orchestrator-prd.yml, or start site-prd.yml by hand without that input, which asks for one'
    assert.deepEqual([log, outputs], [[`failed: The input orchestrator, ${id}, is no approval of this deployment: ${why}. ${mend}`], {}])
  })
}

for (const [workflow, run_number] of [['orchestrator-prd.yml', 31], ['site-prd.yml', 51]]) {
  test(`refuses an orchestrator after a newer approval in ${workflow}`, async () => {
    const runs = number => ({ [workflow]: [listed({ run_number: number })] })
    const { log } = await check({ ...started, runs: runs(run_number), jobs: { 9: approved } }, child)
    assert.match(log.join('\n'), new RegExp(`^failed: .*runs/9 is newer and was approved.* start ${workflow} by hand with bbb`))
    assert.deepEqual((await check({ ...started, runs: runs(run_number - 1), jobs: { 9: approved } }, child)).log, [])
  })
}

test('an orchestrator that cannot be looked up is no approval', async () => {
  await assert.rejects(check({ ...started, orchestrator: failure(401, 'Bad credentials') }, child), { message: 'Bad credentials' })
})

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
