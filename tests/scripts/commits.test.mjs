// lib/commits.cjs: which commits belong to an environment, and whose runs can be believed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, fakeCore, fakeGitHub, paged, script } from './fake-github.mjs'

const { titled, of } = script('lib/commits.cjs')
const [A, B, C, OTHER] = ['a', 'b', 'c', 'd'].map(digit => digit.repeat(40))
const REFS = 'GET /repos/{owner}/{repo}/git/matching-refs/{ref}'
const TAGS = 'GET /repos/{owner}/{repo}/tags'
const COMPARE = 'GET /repos/{owner}/{repo}/compare/{basehead}'
const repository = { id: 1, default_branch: 'main' }
const context = { repo: { owner: 'acme', repo: 'demo' }, payload: { repository } }

/** A history A - B - C, branches and tags in it, and a commit of another branch. */
function history({ branches = { main: C }, tags = {} } = {}) {
  const line = [A, B, C]
  return fakeGitHub({
    [REFS]: parameters => {
      const all = Object.entries(branches).map(([name, sha]) => ({ ref: `refs/heads/${name}`, object: { sha } }))
      return paged(all.filter(({ ref }) => ref.startsWith(`refs/${parameters.ref}`)))(parameters)
    },
    [TAGS]: paged(Object.entries(tags).map(([name, sha]) => ({ name, commit: { sha } }))),
    [COMPARE]: ({ basehead }) => {
      const [base, head] = basehead.split('...').map(sha => line.indexOf(sha))
      if (base < 0) return failure(404)
      return { status: base < head ? 'ahead' : base > head ? 'behind' : 'identical' }
    },
  })
}
const asked = (github, refs, commit = C) => of({ github, context, core: fakeCore(), commit, refs })

test('a title names its commit', () => {
  assert.equal(titled(`Deploy ${A} to dev`), A)
  assert.equal(titled(`Deploy ${A} to test, then prd`), A)
  for (const title of [undefined, '', `deploy ${A} to dev`, `Merge: Deploy ${A} to dev`, `Deploy ${A}b to dev`, `Deploy ${A.slice(1)} to dev`]) {
    assert.equal(titled(title), undefined)
  }
})

for (const [name, refs, sha, expected, given] of [
  ['the newest commit of the branch', '^refs/heads/main$', C, true],
  ['an older commit of the branch', '^refs/heads/main$', A, true],
  ['a commit that is not there', '^refs/heads/main$', OTHER, false],
  ['a commit that the branch does not have yet', '^refs/heads/main$', C, false, { branches: { main: B } }],
  ['a branch whose name only begins so', '^refs/heads/main$', A, false, { branches: { 'main-2': C } }],
  ['a branch that fits a pattern', '^refs/heads/release/[^/]*$', B, true, { branches: { 'release/1': A, 'release/2': C } }],
  ['a character that may be missing', '^refs/heads/mai?n$', A, true, { branches: { man: C } }],
  ['a dot that is a dot', '^refs/heads/release-1\\.x$', A, false, { branches: { 'release-1ax': C } }],
  ['any branch', '^refs/heads/.*$', A, true, { branches: { x: C } }],
  ['an expression that nobody gave', '', A, false],
  ['no branch at all', '^refs/heads/main$', A, false, { branches: {} }],
  ['a tag at the commit', '^refs/tags/v[^/]*$', B, true, { tags: { v1: A, v2: B } }],
  ['a tag at a newer commit', '^refs/tags/v[^/]*$', A, false, { tags: { v2: B } }],
  ['a tag that does not fit', '^refs/tags/v[^/]*$', A, false, { tags: { x1: A } }],
  ['a tag with the name of the branch', '^refs/heads/main$', OTHER, false, { tags: { main: OTHER } }],
]) {
  test(`${expected ? 'belongs' : 'does not belong'}: ${name}`, async () => {
    assert.equal(await asked(history(given), refs).belongs(sha), expected)
  })
}

test('asks only for branches that begin as the pattern, and for each commit once', async () => {
  const github = history({ branches: { 'release/1': C } })
  const { belongs } = asked(github, '^refs/heads/release/v?[^/]*$')
  assert.deepEqual([await belongs(A), await belongs(A), await belongs(B)], [true, true, true])
  assert.deepEqual(github.calls.filter(({ route }) => route === REFS).map(({ parameters }) => parameters.ref), ['heads/release/'])
  assert.equal(github.count(COMPARE), 2)
})

test('an error that is no answer is thrown', async () => {
  const github = fakeGitHub({ [REFS]: [[{ ref: 'refs/heads/main', object: { sha: C } }]], [COMPARE]: failure(403) })
  await assert.rejects(asked(github, '^refs/heads/main$').belongs(A), { status: 403 })
})

const run = more => ({ event: 'push', head_sha: C, head_repository: { id: 1 }, ...more })
for (const [name, given, expected, refs = '^refs/heads/main$'] of [
  ['of the commit itself', {}, true],
  ['of another commit of the branch', { head_sha: A }, true],
  ['of a commit of the default branch, where a tag starts the environment', { head_sha: A }, true, '^refs/tags/v.*$'],
  ['of a feature branch', { head_sha: OTHER }, false],
  ['started by hand', { event: 'workflow_dispatch', head_sha: A }, true],
  ['after another, with the file of the default branch', { event: 'workflow_run', head_sha: OTHER }, true],
  ['of a pull request', { event: 'pull_request' }, false],
  ['of a fork', { head_repository: { id: 2 } }, false],
  ['of a fork, after another', { event: 'workflow_run', head_repository: { id: 2 } }, false],
  ['of a fork that is gone', { head_repository: null }, false],
]) {
  test(`a run ${name} is ${expected ? '' : 'not '}reviewed`, async () => {
    assert.equal(await asked(history({ tags: { v1: C } }), refs).reviewed(run(given)), expected)
  })
}

test('without a default branch, nobody has reviewed a run of another commit', async () => {
  assert.equal(await asked(history({ branches: { 'main-2': C } }), '^refs/heads/main$').reviewed(run({ head_sha: A })), false)
})
