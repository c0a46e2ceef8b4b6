// check-commit: which commit is deployed, whether it may be, whether it is too old, and whether that is a roll-back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeGitHub, HISTORY, history, paged, run } from './fake-github.mjs'

const [A, B, C, OTHER] = ['a', 'b', 'c', 'd'].map(digit => digit.repeat(40))
const RUNS = 'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs'
const JOBS = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs'
const TAGS = '^refs/tags/v[^/]*$'
const env = {
  COMMIT: '', REFS: '^refs/heads/main$', GITHUB_RUN_ATTEMPT: '1', GITHUB_WORKFLOW_REF: 'acme/demo/.github/workflows/orchestrator-prd.yml@refs/heads/a@b/main',
}
const url = id => `https://github.com/acme/demo/actions/runs/${id}`
/** A run before, which deployed a commit elsewhere. */
const before = more => ({ id: 9, display_title: `Deploy ${B} to test`, html_url: url(9), path: '.github/workflows/orchestrator-test.yml', event: 'push', head_branch: 'main', head_sha: C, head_repository: { id: 1 }, ...more })

/** The run 50 of production; main has A, B and C, and context.sha is C. */
async function check({ runs = [], jobs = {}, event = 'push', sha = C, after, default_branch = 'main', tags = {} } = {}, more = {}) {
  const github = fakeGitHub({
    ...history({ parents: { [A]: [], [B]: [A], [OTHER]: [A], [C]: [B] }, branches: { main: C }, tags }),
    [RUNS]: typeof runs === 'function' ? runs : paged(runs, 'workflow_runs'), [JOBS]: parameters => paged(jobs[parameters.run_id] ?? [], 'jobs')(parameters),
  })
  const payload = { repository: { id: 1, default_branch }, workflow_run: after }
  const context = { repo: { owner: 'acme', repo: 'demo' }, payload, ref: 'refs/heads/main', sha, eventName: after ? 'workflow_run' : event, runId: 50 }
  const { log, outputs } = await run('check-commit/check.cjs', { env: { ...env, ...more }, github, context })
  return { log, outputs, github }
}
/** A run of the list; it deploys C, and an event has started it. */
const listed = (id, more) => ({
  id, html_url: url(id), event: 'workflow_run', head_branch: 'main', head_sha: C, head_repository: { id: 1 }, status: 'completed', conclusion: 'cancelled',
  display_title: `Deploy ${C} to test, then prd`, created_at: '2026-11-01T00:00:00Z', ...more,
})
const approved = [{ name: 'Changes', conclusion: 'success' }, { name: 'approval', conclusion: 'success' }]
const asked = conclusion => [{ name: 'approval', status: 'completed', conclusion }]
const built = [{ name: 'build / Check and build', status: 'completed', conclusion: 'success' }]
const none = { deploy: 'true', 'roll-back': 'false' }

for (const [name, given, more, commit] of [
  ['of the run', {}, {}, C],
  ['that a person chose', { event: 'workflow_dispatch' }, { COMMIT: A }, A],
  ['that the title of the run before names', { after: before() }, {}, B],
  ['of a tag', { sha: B, tags: { v1: B } }, { REFS: TAGS }, B],
  ['of a tag, after another environment', { after: before({ head_branch: 'v1' }), tags: { v1: B } }, { REFS: TAGS }, B],
]) {
  test(`the commit ${name}`, async () => {
    const { log, outputs } = await check(given, more)
    assert.deepEqual([log, outputs], [[], { commit, ...none }])
  })
}

for (const [name, given, more, expected] of [
  ['a short SHA', {}, { COMMIT: B.slice(0, 7) }, /The input commit, "bbbbbbb", is not 40 hexadecimal digits/],
  ['a branch that has a SHA in its name', {}, { COMMIT: `attack-${B}` }, /is not 40 hexadecimal digits/],
  ['a SHA and a line more', {}, { COMMIT: `${B}\n` }, /is not 40 hexadecimal digits/],
  ['a commit of another branch', {}, { COMMIT: OTHER }, /No branch like \^refs\/heads\/main\$ has ever pointed to ddd.*, so it is not deployed: merge the commit first/],
  ['a commit without a tag', {}, { COMMIT: B, REFS: TAGS }, /No tag like \^refs\/tags\/v.* points to bbb.*, or the commit is not on main, so it is not deployed/],
  ['a tag beside the default branch', { tags: { v1: OTHER } }, { COMMIT: OTHER, REFS: TAGS }, /No tag like .* points to ddd.*, or the commit is not on main/],
  ['a run before without a commit in its title', { after: before({ display_title: 'Fix' }) }, {}, /title of .*runs\/9, "Fix", has no commit: start orchestrator-prd.yml/],
  ['a run before that nobody reviewed', { after: before({ head_sha: OTHER }) }, {}, /runs\/9 ran the workflows of ddd.*: start orchestrator-prd.yml by hand/],
  ['another default branch, as which no policy lets it deploy', { after: before(), default_branch: 'develop' }, {},
    /The default branch is develop, but orchestrator-prd.yml deploys from a branch like \^refs\/heads\/main\$: .*gh repo edit --default-branch/],
]) {
  test(`refuses ${name}`, async () => {
    const { log, outputs } = await check(given, more)
    assert.match(log.join('\n'), new RegExp(`^failed: .*${expected.source}`))
    assert.doesNotMatch(log.join('\n'), /\n/)
    assert.deepEqual(outputs, {})
  })
}

test('the default branch may be another one for the first environment, for tags and for patterns', async () => {
  assert.deepEqual((await check({ default_branch: 'develop' })).outputs, { commit: C, ...none })
  const component = before({ path: '.github/workflows/a-prd.yml' })
  assert.deepEqual((await check({ default_branch: 'develop', after: component })).outputs, { commit: B, ...none })
  const { log } = await check({ default_branch: 'develop', after: before() }, { REFS: TAGS })
  assert.match(log.join('\n'), /No tag like/)
  for (const [REFS, asked] of [['^refs/heads/ma[^/]*$', true], ['^refs/heads/main$', false], ['^refs/heads/main\\.x/-y_$', false]]) {
    const { outputs } = await check({ default_branch: 'develop', after: before() }, { REFS })
    assert.equal(outputs.deploy, asked ? 'true' : undefined)
  }
})

// Runs that make a candidate too old. The candidate has B and follows the run before; C is newer.
const tooOld = [
  ['a newer run that was approved', [listed(51, { display_title: `Deploy ${A} to prd`, event: 'workflow_dispatch' })], { 51: approved }],
  ['an older run that deployed a newer commit', [listed(49)], { 49: approved }],
  ['one that a person has started', [listed(49, { event: 'workflow_dispatch' })], { 49: approved }],
]
const candidate = [
  ['a candidate with a newer commit that waits', [listed(49)], { 49: asked(null) }],
  ['one that was replaced', [listed(51)], { 51: asked('cancelled') }],
  ['one that a person has refused', [listed(49)], { 49: asked('failure') }],
]
const coming = [['one that has not asked yet', [listed(51, { status: 'in_progress', conclusion: null })], {}]]
const said = id => `${url(id)} is newer, so this run deploys nothing: to deploy ${B} all the same, start orchestrator-prd.yml by hand with that commit`

for (const [name, runs, jobs] of [...tooOld, ...candidate, ...coming]) {
  test(`after another environment, too old: ${name}`, async () => {
    const { log, outputs } = await check({ after: before(), runs, jobs })
    assert.deepEqual([log, outputs], [[`notice: ${said(runs[0].id)}`], { commit: B, deploy: 'false', 'roll-back': 'false' }])
  })
}

for (const [name, runs, jobs] of [...tooOld, ...candidate]) {
  test(`a push, once more, is refused: ${name}`, async () => {
    const { log, outputs } = await check({ sha: B, runs, jobs })
    assert.deepEqual([log, outputs], [[`failed: ${said(runs[0].id)}`], {}])
  })
}

test('a candidate waits a minute until a newer one that is queued begins, or is skipped', async () => {
  const queued = listed(51, { status: 'queued', conclusion: null })
  const over = { queued: [queued], skipped: [listed(51, { conclusion: 'skipped' })], begun: [listed(51, { status: 'in_progress', conclusion: null })] }
  for (const [what, calls, deploy] of [['skipped', 3, 'true'], ['begun', 3, 'false'], ['queued', 7, 'false']]) {
    const runs = (parameters, before) => paged(before < 2 ? over.queued : over[what], 'workflow_runs')(parameters)
    const { outputs, github } = await check({ after: before(), runs })
    assert.deepEqual([outputs.deploy, github.count(RUNS)], [deploy, calls])
  }
})

test('a candidate that a person re-runs is refused where it is too old', async () => {
  const { log, outputs } = await check({ after: before(), runs: [listed(49)], jobs: { 49: approved } }, { GITHUB_RUN_ATTEMPT: '2' })
  assert.deepEqual([log, outputs], [[`failed: ${said(49)}`], {}])
})

const left = [{ name: 'Changes', conclusion: 'success' }, { name: 'site-test', conclusion: 'skipped' }]
const done = [{ name: 'site-test / Deploy', conclusion: 'success' }]
for (const [name, event, jobs, deploy] of [
  ['was overtaken', 'workflow_run', left, 'false'],
  ['has deployed in part', 'workflow_run', [...left, ...done], 'true'],
  ['has deployed', 'workflow_run', done, 'true'],
  ['has started its components, at last', 'workflow_run', [...left, { name: 'site-test', conclusion: 'success', steps: [{ name: 'Start site-test.yml and wait for it', conclusion: 'success' }] }], 'true'],
  ['could start no component', 'workflow_run', [...left, { name: 'site-test', conclusion: 'failure', steps: [{ name: 'Start site-test.yml and wait for it', conclusion: 'failure' }] }], 'false'],
  ['has watched its components', 'workflow_run', [...left, { name: 'Watch the components', conclusion: 'success', steps: [{ name: 'Watch until all have ended', conclusion: 'success' }] }], 'true'],
  ['has only told somebody, by a job of one\'s own', 'workflow_run', [...left, { name: 'notify / Send', conclusion: 'success', steps: [{ name: 'Send', conclusion: 'success' }] }], 'false'],
  ['comes after no other', 'push', left, 'true'],
]) {
  test(`after a run that ${name}`, async () => {
    const { log, outputs } = await check({ after: before({ event }), jobs: { 9: jobs } })
    assert.deepEqual(log, deploy === 'true' ? [] : [`notice: ${url(9)} deployed nothing, so this run deploys nothing either`])
    assert.deepEqual(outputs, { commit: B, deploy, 'roll-back': 'false' })
  })
}

test('a push does not give way to the next one, which waits for its end', async () => {
  const { log, outputs } = await check({ sha: B, runs: coming[0][1] })
  assert.deepEqual([log, outputs], [[], { commit: B, ...none }])
})

for (const [name, runs, jobs] of [...tooOld, ...candidate, ...coming]) {
  test(`a person may go back: ${name}`, async () => {
    const { log, outputs } = await check({ event: 'workflow_dispatch', runs, jobs }, { COMMIT: B })
    assert.deepEqual([log, outputs], [[], { commit: B, ...none }])
  })
}

for (const [name, runs, jobs] of [
  ['this run', [listed(50)], { 50: approved }],
  ['an older run that deployed an older commit', [listed(49, { display_title: `Deploy ${A} to test, then prd` })], { 49: approved }],
  ['an older run that deployed the same', [listed(49, { display_title: `Deploy ${B} to test, then prd` })], { 49: approved }],
  ['a newer candidate with an older commit that waits', [listed(51, { display_title: `Deploy ${A} to test, then prd`, status: 'waiting' })], { 51: asked(null) }],
  ['a newer commit that a person has not approved yet', [listed(51, { event: 'workflow_dispatch', status: 'waiting' })], { 51: asked(null) }],
  ['a newer commit that ended before it asked', [listed(49)], { 49: [{ name: 'Changes', status: 'completed', conclusion: 'failure' }, ...asked('skipped')] }],
  ['a newer commit whose run was skipped', [listed(49, { conclusion: 'skipped' })], { 49: approved }],
  ['a feature branch that says it has deployed', [listed(51, { event: 'push', head_branch: 'feature' })], { 51: approved }],
  ['a tag that is called main, and waits for ever', [listed(51, { event: 'push', head_sha: OTHER, status: 'in_progress' })], { 51: asked(null) }],
  ['what ran before the newer commit was made', [listed(49, { created_at: '2026-09-01T00:00:00Z' }), listed(48)], { 48: approved }],
]) {
  test(`not too old: ${name}`, async () => {
    const { log, outputs } = await check({ after: before(), runs, jobs })
    assert.deepEqual([log, outputs], [[], { commit: B, ...none }])
  })
}

test('60 runs that nobody approved hide nothing', async () => {
  const planted = Array.from({ length: 60 }, (_, index) => listed(200 - index, { event: 'push', head_branch: 'feature' }))
  const waiting = Array.from({ length: 60 }, (_, index) => listed(100 - index, { event: 'workflow_dispatch' }))
  const { outputs } = await check({ after: before(), runs: [...planted, ...waiting, listed(40)], jobs: { 40: approved } })
  assert.equal(outputs.deploy, 'false')
})

test('the newest commit is looked for no further than this run', async () => {
  const { github } = await check({ runs: Array.from({ length: 300 }, (_, index) => listed(300 - index)) })
  assert.deepEqual([github.count(RUNS), github.count(HISTORY.commits)], [3, 0])
})

// Tags: only a newer tag that was let deploy makes a tag too old.
for (const [name, runs, jobs, expected] of [
  ['a newer tag that was deployed', [listed(49)], { 49: approved }, true],
  ['a newer tag that waits', [listed(51, { event: 'push', status: 'waiting' })], { 51: asked(null) }, false],
  ['an older tag that a person has deployed since', [listed(51, { display_title: `Deploy ${A} to prd` })], { 51: approved }, false],
]) {
  test(`a tag is ${expected ? '' : 'not '}too old: ${name}`, async () => {
    const { log } = await check({ sha: B, tags: { v2: B }, runs, jobs }, { REFS: TAGS })
    assert.deepEqual(log, expected ? [`failed: ${said(49)}`] : [])
  })
}

const deployed = more => listed(40, { conclusion: 'success', display_title: `Deploy ${A} to prd`, ...more })
for (const [name, runs, jobs, expected, event = 'workflow_dispatch', COMMIT = A] of [
  ['a commit that was deployed', [listed(41), deployed()], { 40: built }, 'true'],
  ['a commit whose run left everything out', [deployed()], { 40: [{ name: 'Changes', conclusion: 'success' }, { name: 'build', conclusion: 'skipped' }] }, 'false'],
  ['a commit whose build failed', [deployed()], { 40: [{ name: 'build / Check and build', conclusion: 'failure' }] }, 'false'],
  ['a commit that was never deployed', [deployed({ display_title: `Deploy ${B} to prd` })], { 40: built }, 'false'],
  ['a commit that only a feature branch says it has deployed', [deployed({ event: 'push', head_branch: 'feature' })], { 40: built }, 'false'],
  ['this run itself', [deployed({ id: 50 })], { 50: built }, 'false'],
  ['a run that no person started', [deployed()], { 40: built }, 'false', 'push', C],
  ['the commit of the run itself', [deployed({ display_title: `Deploy ${C} to prd` })], { 40: built }, 'false', 'workflow_dispatch', C],
]) {
  test(`roll-back is ${expected} for ${name}`, async () => {
    const { outputs, github } = await check({ event, runs, jobs }, { COMMIT })
    assert.equal(outputs['roll-back'], expected)
    for (const { parameters } of github.calls.filter(({ route }) => route === RUNS)) {
      assert.equal(parameters.status, event === 'push' ? undefined : 'success')
    }
  })
}

test('roll-back is false if another environment promotes the same commit once more', async () => {
  const runs = [deployed({ display_title: `Deploy ${B} to test, then prd` })]
  assert.equal((await check({ after: before(), runs, jobs: { 40: built } })).outputs['roll-back'], 'false')
})
