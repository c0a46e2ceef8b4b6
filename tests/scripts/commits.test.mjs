// shared/commits.cjs: which commits belong to an environment, and which runs can be trusted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, fakeCore, fakeGitHub, HISTORY, history, script } from './fake-github.mjs'

const { commitInTitle, commitOfEvent, environmentCommits } = script('shared/commits.cjs')
const [A, B, C, M, OTHER, GONE] = ['a', 'b', 'c', 'e', 'd', 'f'].map(digit => digit.repeat(40))
const MAIN = '^refs/heads/main$'
// main was at A, then B, C and M, which merges OTHER: a commit of a pull request.
const parents = { [A]: [], [B]: [A], [OTHER]: [B], [C]: [B], [M]: [C, OTHER] }

const gitHub = given => fakeGitHub(history({ parents, branches: { main: M }, ...given }))
const asked = (github, refs = MAIN, event = {}) => environmentCommits({
  github, core: fakeCore(), refs,
  context: { repo: { owner: 'acme', repo: 'demo' }, payload: { repository: { id: 1, default_branch: 'main' }, ...event.payload }, ...event },
})

test('a title names its commit', () => {
  assert.equal(commitInTitle(`Deploy ${A} to dev`), A)
  assert.equal(commitInTitle(`Deploy ${A} to test, then prd`), A)
  for (const title of [undefined, '', `deploy ${A} to dev`, `Merge: Deploy ${A} to dev`, `Deploy ${A}b to dev`, `Deploy ${A.slice(1)} to dev`]) {
    assert.equal(commitInTitle(title), undefined)
  }
})

test('the commit of a run that an event has started', () => {
  const after = display_title => commitOfEvent({ sha: A, payload: { workflow_run: { display_title } } })
  assert.deepEqual([commitOfEvent({ sha: A, payload: {} }), after(`Deploy ${B} to test`), after('Fix')], [A, B, undefined])
})

for (const [name, refs, sha, expected, given] of [
  ['the newest commit of the branch', MAIN, M, true],
  ['what the branch was at', MAIN, A, true],
  ['what a pull request was made of, which no branch was ever at', MAIN, OTHER, false],
  ['a commit that is not there', MAIN, GONE, false],
  ['a commit that the branch does not have yet', MAIN, C, false, { branches: { main: B } }],
  ['a commit that a force push has taken away', MAIN, C, false, { branches: { main: OTHER } }],
  ['a branch whose name only begins so', MAIN, A, false, { branches: { 'main-2': C } }],
  ['a branch that fits a pattern', '^refs/heads/release/[^/]*$', B, true, { branches: { 'release/1': A, 'release/2': C } }],
  ['a character that may be missing', '^refs/heads/mai?n$', A, true, { branches: { man: C } }],
  ['a dot that is a dot', '^refs/heads/release-1\\.x$', A, false, { branches: { 'release-1ax': C } }],
  ['any branch', '^refs/heads/.*$', A, true, { branches: { x: C } }],
  ['no branch at all', MAIN, A, false, { branches: {} }],
  ['a tag at the commit', '^refs/tags/v[^/]*$', B, true, { tags: { v1: A, v2: B } }],
  ['a tag at a newer commit', '^refs/tags/v[^/]*$', A, false, { tags: { v2: B } }],
  ['a tag that does not fit', '^refs/tags/v[^/]*$', A, false, { tags: { x1: A } }],
  ['a tag at a commit that the default branch was never at', '^refs/tags/v[^/]*$', OTHER, false, { tags: { v1: OTHER } }],
  ['a tag, and no default branch', '^refs/tags/v[^/]*$', A, false, { tags: { v1: A }, branches: { 'main-2': A } }],
  ['a tag with the name of the branch', MAIN, OTHER, false, { tags: { main: OTHER } }],
]) {
  test(`${expected ? 'belongs' : 'does not belong'}: ${name}`, async () => {
    assert.equal(await asked(gitHub(given), refs).isDeployable(sha), expected)
  })
}

test('a long history is read in pages, and only as far as it is asked for', async () => {
  const line = Array.from({ length: 250 }, (_, index) => String(index).padStart(40, '0'))
  const long = Object.fromEntries(line.map((sha, index) => [sha, line.slice(index - 1, index)]))
  const github = gitHub({ parents: { ...long, [OTHER]: [line[0]] }, branches: { main: line[249] } })
  const { isDeployable, newerThan } = asked(github)
  const reads = async sha => [await isDeployable(sha), github.count(HISTORY.commits), github.count(HISTORY.compare)]
  assert.deepEqual(await reads(line[249]), [true, 0, 0])
  assert.deepEqual(await reads(line[248]), [true, 1, 0])
  assert.deepEqual(await reads(OTHER), [false, 1, 1])
  assert.deepEqual(await reads(GONE), [false, 1, 2])
  assert.deepEqual(await reads(line[51]), [true, 2, 3])
  assert.deepEqual(await reads(line[0]), [true, 3, 4])
  assert.deepEqual(await reads(line[60]), [true, 3, 4])
  assert.deepEqual(await reads(OTHER), [false, 3, 4])
  assert.equal((await newerThan(line[60])).commits.size, 189)
})

test('a history that never ends is not read to its end', async () => {
  let number = 0
  const endless = { [HISTORY.compare]: { status: 'ahead' }, [HISTORY.commits]: ({ sha }) => [{ sha, parents: [{ sha: `${++number}` }], commit: {} }] }
  const github = fakeGitHub({ ...history({ parents, branches: { main: M } }), ...endless })
  const { isDeployable } = asked(github)
  assert.deepEqual([await isDeployable(A), await isDeployable(B), github.count(HISTORY.commits)], [false, false, 50])
})

test('asks only for branches that begin as the pattern, and for each commit once', async () => {
  const github = gitHub({ branches: { 'release/1': C } })
  const { isDeployable } = asked(github, '^refs/heads/release/v?[^/]*$')
  assert.deepEqual([await isDeployable(A), await isDeployable(A), await isDeployable(B), await isDeployable(GONE)], [true, true, true, false])
  assert.deepEqual(github.calls.filter(({ route }) => route === HISTORY.refs).map(({ parameters }) => parameters.ref), ['heads/release/'])
  assert.deepEqual([github.count(HISTORY.compare), github.count(HISTORY.commits)], [0, 1])
})

for (const [name, event, sha] of [
  ['the one that was pushed', { ref: 'refs/heads/release/2' }, B],
  ['that of the run before', { payload: { repository: { id: 1, default_branch: 'main' }, workflow_run: { head_branch: 'release/2' } } }, B],
  ['one that is at the commit', {}, C],
  ['the default branch', { payload: { repository: { id: 1, default_branch: 'release/2' } } }, B],
]) {
  test(`of many branches, the likeliest is looked at first: ${name}`, async () => {
    const github = gitHub({ branches: { 'release/0': A, 'release/1': OTHER, 'release/2': C } })
    assert.equal(await asked(github, '^refs/heads/release/[^/]*$', event).isDeployable(sha), true)
    assert.equal(github.count(HISTORY.commits), sha === C ? 0 : 1)
  })
}

test('where tags start the environment, only the default branch is asked for', async () => {
  const github = gitHub({ tags: { v1: C } })
  const { isDeployable, isReviewed } = asked(github, '^refs/tags/v[^/]*$')
  assert.deepEqual([await isDeployable(C), await isReviewed(run({ head_branch: 'v1', head_sha: C }))], [true, true])
  assert.deepEqual(github.calls.filter(({ route }) => route === HISTORY.refs).map(({ parameters }) => parameters.ref), ['heads/main'])
})

test('the commits that are ahead of a commit on its branch, and the time of that commit', async () => {
  const newerThan = async (sha, given, refs) => {
    const { commits, since } = await asked(gitHub(given), refs).newerThan(sha)
    return [[...commits], since]
  }
  assert.deepEqual(await newerThan(A), [[M, C, B], '2026-10-01T00:00:00Z'])
  assert.deepEqual(await newerThan(M), [[], ''])
  assert.deepEqual(await newerThan(OTHER), [[], ''])
  assert.deepEqual(await newerThan(B, {}, '^refs/tags/v.*$'), [[M, C], '2026-10-01T00:01:00Z'])
})

test('a commit without a date has no time', async () => {
  const routes = history({ parents, branches: { main: M } })
  const dateless = parameters => routes[HISTORY.commits](parameters).map(shown => ({ ...shown, commit: {} }))
  assert.equal((await asked(fakeGitHub({ ...routes, [HISTORY.commits]: dateless })).newerThan(A)).since, '')
})

for (const [status, given] of [[403, { [HISTORY.compare]: failure(403) }], [401, { [HISTORY.commits]: failure(401) }]]) {
  test(`an error is thrown and not remembered: ${status}`, async () => {
    const endless = ({ sha }) => [{ sha, parents: [{ sha: `${sha}0` }], commit: {} }]
    const github = fakeGitHub({ ...history({ parents, branches: { main: M } }), [HISTORY.commits]: endless, ...given })
    const { isDeployable } = asked(github)
    await assert.rejects(isDeployable(A), { status })
    await assert.rejects(isDeployable(A), { status })
  })
}

const run = more => ({ display_title: `Deploy ${A} to x`, event: 'push', head_branch: 'main', head_sha: M, head_repository: { id: 1 }, ...more })
const release = { branches: { main: M, 'release/1': OTHER } }
for (const [name, given, expected, refs = MAIN, repository = { tags: { v1: M } }] of [
  ['of the newest commit', {}, true],
  ['of what the branch was at', { head_sha: A }, true],
  ['of what a pull request was made of, through a tag that is called main', { head_sha: OTHER }, false],
  ['of a feature branch', { head_branch: 'feature', head_sha: OTHER }, false],
  ['of a feature branch at a commit of main, which may run anything later', { head_branch: 'feature' }, false],
  ['of a tag that starts the environment', { head_branch: 'v1', head_sha: A }, true, '^refs/tags/v.*$'],
  ['of such a tag beside the default branch', { head_branch: 'v1', head_sha: OTHER }, false, '^refs/tags/v.*$'],
  ['of another branch of the environment', { head_branch: 'release/1', head_sha: OTHER }, true, '^refs/heads/release/.*$', release],
  ['of the default branch, where another starts the environment', { head_sha: A }, true, '^refs/heads/release/.*$', release],
  ['of a branch that is gone, at a commit of main', { head_branch: 'release/2', head_sha: A }, true, '^refs/heads/release/.*$', release],
  ['of a branch that is gone', { head_branch: 'release/2', head_sha: OTHER }, false, '^refs/heads/release/.*$', release],
  ['without a default branch', { head_sha: A }, false, '^refs/tags/v.*$', { branches: { 'main-2': M } }],
  ['started by hand', { event: 'workflow_dispatch', head_sha: A }, true],
  ['after another, with the file of the default branch', { event: 'workflow_run', head_sha: OTHER }, true],
  ['of a pull request', { event: 'pull_request' }, false],
  ['of a fork', { head_repository: { id: 2 } }, false],
  ['of a fork, after another', { event: 'workflow_run', head_repository: { id: 2 } }, false],
  ['of a fork that is gone', { head_repository: null }, false],
]) {
  test(`a run ${name} is ${expected ? '' : 'not '}reviewed`, async () => {
    assert.equal(await asked(gitHub(repository), refs).isReviewed(run(given)), expected)
  })
}

for (const [name, given, expected, refs = '^refs/heads/.*$'] of [
  ['of the default branch', {}, true],
  ['of the branch that this run is of', { head_branch: 'own', head_sha: OTHER }, true],
  ['of any other branch, for its own commit', { head_branch: 'feature', head_sha: OTHER, display_title: `Deploy ${OTHER} to x` }, true],
  ['of any other branch', { head_branch: 'feature', head_sha: OTHER }, false],
  ['of any other branch, though its name fits a pattern', { head_branch: 'feature', head_sha: OTHER }, true, '^refs/heads/f.*$'],
  ['after another', { event: 'workflow_run', head_branch: 'feature' }, true],
  ['of a pull request', { event: 'pull_request' }, false],
]) {
  test(`a run ${name} is ${expected ? '' : 'not '}believed where any branch may be deployed`, async () => {
    const github = gitHub({ branches: { main: M, own: OTHER, feature: OTHER } })
    assert.equal(await asked(github, refs, { ref: 'refs/heads/own' }).isTrusted(run(given)), expected)
  })
}

test('a hundred planted runs of feature branches cost no call', async () => {
  const github = gitHub()
  const { isReviewed } = asked(github)
  for (let index = 0; index < 100; index++) {
    assert.equal(await isReviewed(run({ head_branch: `feature-${index}`, head_sha: String(index).padStart(40, '0') })), false)
  }
  assert.equal(github.calls.length, 0)
})
