// require-approval and require-success: the approvals and jobs that a deployment needs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, fakeGitHub, history, paged, run } from './fake-github.mjs'

const ROUTE = 'GET /repos/{owner}/{repo}/environments/{environment_name}'
const RUNS = 'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs'
const JOBS = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs'
const [A, B, C] = ['a', 'b', 'c'].map(digit => digit.repeat(40))
const reviewers = { type: 'required_reviewers', reviewers: [{ type: 'User' }] }
const rules = { protection_rules: [{ type: 'branch_policy' }, reviewers] }

/** The run 50 deploys B; main has A, B and C. */
async function approval(answer, { event = 'workflow_run', title = `Deploy ${B} to test`, runs = [], jobs = {}, REFS = '^refs/heads/main$', sha = C } = {}) {
  const github = fakeGitHub({
    ...history({ parents: { [A]: [], [B]: [A], [C]: [B] }, branches: { main: C } }),
    [ROUTE]: answer, [RUNS]: paged(runs, 'workflow_runs'), [JOBS]: parameters => paged(jobs[parameters.run_id] ?? [], 'jobs')(parameters),
  })
  const workflow_run = event === 'workflow_run' ? { display_title: title, head_branch: 'main' } : undefined
  const payload = { repository: { id: 1, default_branch: 'main' }, workflow_run }
  const context = { repo: { owner: 'acme', repo: 'demo' }, payload, ref: 'refs/heads/main', sha, eventName: event, runId: 50 }
  const env = { ENVIRONMENT: 'prd-approval', REFS, GITHUB_RUN_ATTEMPT: '3', GITHUB_WORKFLOW_REF: 'acme/demo/.github/workflows/orchestrator-prd.yml@refs/heads/main' }
  const done = await run('require-approval/approval.cjs', { env, github, context })
  assert.deepEqual(github.calls[0].parameters, { owner: 'acme', repo: 'demo', environment_name: 'prd-approval' })
  return { ...done, github }
}

test('an environment with reviewers: passes on the attempt that was approved', async () => {
  const { log, outputs } = await approval(rules)
  assert.deepEqual([log, outputs], [[], { attempt: '3' }])
})

for (const [name, answer] of [
  ['has no rules', { protection_rules: [] }],
  ['has another rule', { protection_rules: [{ ...reviewers, type: 'wait_timer' }] }],
  ['has reviewers, but none', { protection_rules: [{ ...reviewers, reviewers: [] }, { type: 'required_reviewers' }] }],
  ['is not there', failure(404)],
]) {
  test(`an environment that ${name} stops the run`, async () => {
    const { log, outputs } = await approval(answer)
    assert.match(log.join('\n'), /^failed: The environment prd-approval has no required reviewers.*re-run all jobs.*`approval: none`[^\n]*$/)
    assert.deepEqual(outputs, {})
  })
}

test('no answer is no approval', async () => {
  await assert.rejects(approval(failure(403)), { status: 403 })
})

const listed = (id, more) => ({
  id, html_url: `https://github.com/acme/demo/actions/runs/${id}`, event: 'workflow_run', head_branch: 'main', head_sha: C, head_repository: { id: 1 },
  status: 'completed', conclusion: 'cancelled', display_title: `Deploy ${C} to test, then prd`, created_at: '2026-11-01T00:00:00Z', ...more,
})
const gate = conclusion => ({ name: 'approval', status: 'completed', conclusion })
const nothingToDo = { name: 'changes', status: 'completed', conclusion: 'success', steps: [{ name: 'See what changed', conclusion: 'success' }] }
const byHand = { event: 'workflow_dispatch', conclusion: 'success', display_title: `Deploy ${A} to prd` }

for (const [name, given, runs, jobs, advice = 'approve that run (after "Re-run all jobs" if it no longer waits); '] of [
  ['a newer candidate whose place this one took', {}, [listed(51)], [gate('cancelled')]],
  ['one that was approved', {}, [listed(51)], [gate('success')]],
  ['a newer commit that an older run was let deploy', {}, [listed(49)], [gate('success')]],
  ['a newer candidate, where a push starts production', { event: 'push', sha: B }, [listed(51, { event: 'push' })], [gate('cancelled')]],
  ['a person went back to what is there', {}, [listed(51, byHand)], [nothingToDo], ''],
]) {
  test(`an approval counts for nothing after ${name}`, async () => {
    const { log, outputs } = await approval(rules, { ...given, runs, jobs: { [runs[0].id]: jobs } })
    assert.deepEqual([log, outputs], [[
      `failed: ${runs[0].html_url} is newer, so this run deploys nothing although it was approved: ${advice}` +
      `to deploy ${B} all the same, start orchestrator-prd.yml by hand with that commit`,
    ], {}])
  })
}

for (const [name, given, runs, jobs] of [
  ['a newer candidate that has not asked yet', {}, [listed(51, { status: 'in_progress', conclusion: null })], []],
  ['a newer candidate with an older commit', {}, [listed(51, { display_title: `Deploy ${A} to test, then prd` })], [gate('cancelled')]],
  ['a newer run that a person has started, and nobody approved', {}, [listed(51, { event: 'workflow_dispatch' })], [gate(null)]],
  ['a newer candidate of a feature branch', {}, [listed(51, { event: 'push', head_branch: 'feature' })], [gate('cancelled')]],
  ['a newer candidate, where a person has started this run', { event: 'workflow_dispatch', sha: B, REFS: '' }, [listed(51)], [gate('cancelled')]],
  ['a newer candidate, where no commit is known', { title: 'Fix' }, [listed(51)], [gate('cancelled')]],
]) {
  test(`an approval counts in spite of ${name}`, async () => {
    const { log, outputs, github } = await approval(rules, { ...given, runs, jobs: { 51: jobs } })
    assert.deepEqual([log, outputs], [[], { attempt: '3' }])
    assert.equal(github.count(RUNS), given.REFS === '' || given.title ? 0 : 1)
  })
}

const planned = build => ({ result: 'success', outputs: { build: JSON.stringify(build) } })
for (const [name, needs, expected] of [
  ['all have succeeded', { a: { result: 'success' }, b: { result: 'success' } }, []],
  ['there are none', {}, []],
  ['what has not changed is left out', { changes: planned(['a']), 'a-build': { result: 'success' }, 'b-build': { result: 'skipped' } }, []],
  ['nothing has changed', { changes: planned([]), 'a-build': { result: 'skipped' } }, []],
  ['what was to be checked was not', { changes: planned(['a', 'b']), 'a-build': { result: 'skipped' }, 'b-build': { result: 'cancelled' } }, [
    'failed: Not all jobs have succeeded, see their logs: a-build (skipped), b-build (cancelled)',
  ]],
  ['what was left out is no success in another way', { changes: planned([]), 'a-build': { result: 'failure' }, b: { result: 'skipped' } }, [
    'failed: Not all jobs have succeeded, see their logs: a-build (failure), b (skipped)',
  ]],
  ['nobody knows what has changed', { changes: { result: 'failure', outputs: { build: '' } }, 'a-build': { result: 'skipped' } }, [
    'failed: Not all jobs have succeeded, see their logs: changes (failure), a-build (skipped)',
  ]],
  ['the first job has said nothing', { changes: { result: 'success', outputs: {} }, 'a-build': { result: 'skipped' } }, [
    'failed: Not all jobs have succeeded, see their logs: a-build (skipped)',
  ]],
  ['a fork gets no plan', { changes: planned(['a']), 'a-build': { result: 'success' }, 'a-prd-plan': { result: 'skipped' } }, []],
  ['a plan could not be made', { changes: planned(['a']), 'a-build': { result: 'success' }, 'a-prd-plan': { result: 'failure' } }, [
    'failed: Not all jobs have succeeded, see their logs: a-prd-plan (failure)',
  ]],
  ['some have not', { a: { result: 'success' }, b: { result: 'skipped' }, c: { result: 'failure' } }, [
    'failed: Not all jobs have succeeded, see their logs: b (skipped), c (failure)',
  ]],
]) {
  test(`jobs before: ${name}`, async () => {
    assert.deepEqual((await run('require-success/success.cjs', { env: { NEEDS: JSON.stringify(needs) } })).log, expected)
  })
}

test('jobs that cannot be read are no success', async () => {
  await assert.rejects(run('require-success/success.cjs', { env: {} }), SyntaxError)
})
