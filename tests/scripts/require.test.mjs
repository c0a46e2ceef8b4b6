// require-approval and require-success: what has to have happened before.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, fakeGitHub, run } from './fake-github.mjs'

const ROUTE = 'GET /repos/{owner}/{repo}/environments/{environment_name}'
const context = { repo: { owner: 'acme', repo: 'demo' } }
const reviewers = { type: 'required_reviewers', reviewers: [{ type: 'User' }] }

async function approval(answer) {
  const github = fakeGitHub({ [ROUTE]: answer })
  const env = { ENVIRONMENT: 'prd-approval', GITHUB_RUN_ATTEMPT: '3' }
  const done = await run('require-approval/approval.cjs', { env, github, context })
  assert.deepEqual(github.calls.at(-1).parameters, { ...context.repo, environment_name: 'prd-approval' })
  return done
}

test('an environment with reviewers: says which attempt was approved', async () => {
  const { log, outputs } = await approval({ protection_rules: [{ type: 'branch_policy' }, reviewers] })
  assert.deepEqual([log, outputs], [[], { attempt: '3' }])
})

for (const [name, answer] of [
  ['has no rules', { protection_rules: [] }],
  ['has another rule', { protection_rules: [{ type: 'wait_timer' }] }],
  ['has reviewers, but none', { protection_rules: [{ ...reviewers, reviewers: [] }, { type: 'required_reviewers' }] }],
  ['is not there', failure(404)],
]) {
  test(`an environment that ${name} stops the run`, async () => {
    const { log, outputs } = await approval(answer)
    assert.match(log.join('\n'), /^failed: The environment prd-approval has no required reviewers.*re-run all jobs.*`approval: none`.*`manual: true`[^\n]*$/)
    assert.deepEqual(outputs, {})
  })
}

test('no answer is no approval', async () => {
  await assert.rejects(approval(failure(403)), { status: 403 })
})

for (const [name, needs, expected] of [
  ['all have succeeded', { a: { result: 'success' }, b: { result: 'success' } }, []],
  ['there are none', {}, []],
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
