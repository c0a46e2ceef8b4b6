// may-deploy: the commit, the approval, and that nothing newer was let deploy. With shared/runs.cjs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, fakeGitHub, HISTORY, history, paged, run } from './fake-github.mjs'

const [A, B, C, OTHER] = ['a', 'b', 'c', 'd'].map(digit => digit.repeat(40))
const RUNS = 'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs'
const JOBS = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs'
const RUN = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}'
const ATTEMPT = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs'
const BOT = 'github-actions[bot]'
const ORCHESTRATOR = 'orchestrator-prd.yml'
const SITE = 'site-prd.yml'
const env = {
  COMMIT: B, REFS: '^refs/heads/main$', COMPONENT: 'site', ENVIRONMENT: 'prd', APPROVED: '', GITHUB_RUN_ATTEMPT: '1',
  GITHUB_WORKFLOW_REF: 'acme/demo/.github/workflows/orchestrator-prd.yml@refs/heads/a@b/main',
}
const ALONE = { GITHUB_WORKFLOW_REF: `acme/demo/.github/workflows/${SITE}@refs/heads/main` }

/** The run 50 deploys B; main has A, B and C. `runs` are the lists, by file; `jobs` those of each run, by id. */
async function deploy(given = {}, more = {}) {
  const { runs = {}, jobs = {}, event = 'workflow_run', actor = 'octocat', inputs, tags = {} } = given
  const github = fakeGitHub({
    ...history({ parents: { [A]: [], [B]: [A], [OTHER]: [A], [C]: [B] }, branches: { main: C }, tags }),
    [RUNS]: parameters => runs[parameters.workflow_id] instanceof Error ? runs[parameters.workflow_id] : paged(runs[parameters.workflow_id] ?? [], 'workflow_runs')(parameters),
    [JOBS]: parameters => paged(jobs[parameters.run_id] ?? [], 'jobs')(parameters),
    [RUN]: given.orchestrator ?? failure(404), [ATTEMPT]: parameters => paged(given.attempt ?? [], 'jobs')(parameters),
  })
  const payload = { repository: { id: 1, default_branch: 'main' }, inputs }
  const context = { repo: { owner: 'acme', repo: 'demo' }, payload, ref: 'refs/heads/main', sha: C, eventName: event, runId: 50, actor }
  const { log, outputs } = await run('may-deploy/check.cjs', { env: { ...env, ...more }, github, context })
  assert.deepEqual(outputs, {})
  return { log, github }
}
/** A run of the list. */
const listed = (id, more) => ({
  id, html_url: `https://github.com/acme/demo/actions/runs/${id}`, event: 'workflow_run', head_branch: 'main', head_sha: C, head_repository: { id: 1 },
  status: 'completed', conclusion: 'success', display_title: `Deploy ${B} to test, then prd`, created_at: '2026-11-01T00:00:00Z', actor: { login: 'octocat' }, ...more,
})
const step = (name, conclusion = 'success') => ({ name, status: conclusion ? 'completed' : 'queued', conclusion })
const check = conclusion => [step('Set up job'), step('Check that it may be deployed', conclusion)]
const job = (name, conclusion, steps, more) => ({ name, status: 'completed', conclusion, steps, ...more })
const approved = [job('Changes', 'success', [step('Set up job')]), job('approval', 'success', [step('Set up job')])]
const refused = id => new RegExp(`^failed: https://github.com/acme/demo/actions/runs/${id} is newer and was allowed to deploy, so this run deploys nothing more: to go back, start \\S+ by hand with ${B}$`)

for (const [name, more, expected] of [
  ['a short SHA', { COMMIT: B.slice(0, 7) }, /The input commit, "bbbbbbb", is not 40 hexadecimal digits/],
  ['a branch that has a SHA in its name', { COMMIT: `attack-${B}` }, /is not 40 hexadecimal digits/],
  ['a SHA and a line more', { COMMIT: `${B}\n` }, /is not 40 hexadecimal digits/],
  ['no commit', { COMMIT: '' }, /is not 40 hexadecimal digits/],
  ['a commit of another branch', { COMMIT: OTHER }, /No branch like \^refs\/heads\/main\$ has ever pointed to ddd.* merge the commit first/],
  ['a commit without a tag', { REFS: '^refs/tags/v.*$' }, /No tag like \^refs\/tags\/v\.\*\$ points to bbb.*, or the commit is not on main, .* merge the commit first/],
  ['no approval', { APPROVED: 'never' }, /Attempt 1 of this run has no approval: choose "Re-run all jobs"/],
  ['the approval of another attempt', { APPROVED: '1', GITHUB_RUN_ATTEMPT: '2' }, /Attempt 2 of this run has no approval/],
]) {
  test(`refuses ${name}`, async () => {
    assert.match((await deploy({}, more)).log.join('\n'), new RegExp(`^failed: .*${expected.source}[^\n]*$`))
  })
}

test('deploys if it was approved in this attempt, or needs no approval', async () => {
  for (const more of [{ APPROVED: '' }, { APPROVED: '1' }, { APPROVED: '2', GITHUB_RUN_ATTEMPT: '2' }]) {
    assert.deepEqual((await deploy({}, more)).log, [])
  }
})

// The jobs, in any attempt of a newer run, that show that it was let deploy.
for (const [name, jobs] of [
  ['a person has approved it', approved],
  ['a person has approved an earlier attempt', [...approved, job('approval', null, [], { status: 'waiting' })]],
  ['it has deployed', [job('site-prd / Deploy', 'success', check())]],
  ['it has failed to deploy', [job('site-prd / Deploy', 'failure', check())]],
  ['it was cancelled while it deployed', [job('site-prd / Deploy', 'cancelled', check())]],
  ['it deploys', [job('site-prd / Deploy', null, check(), { status: 'in_progress' })]],
  ['it has deployed another component', [job('site-prd', 'skipped', []), job('api-prd / Deploy', 'success', check())]],
  ['it begins to deploy, and names no steps yet', [job('deploy / Deploy', null, undefined, { status: 'in_progress' })]],
  ['it has deployed, and its steps are gone', [job('deploy / Deploy', 'success', [])]],
  ['it has started the run of a component', [job('site-prd', 'failure', [step('Set up job'), step('Start site-prd.yml and wait for it', 'failure')])]],
]) {
  test(`refuses when a newer run was let deploy: ${name}`, async () => {
    for (const file of [ORCHESTRATOR, SITE]) {
      const { log, github } = await deploy({ runs: { [file]: [listed(51)] }, jobs: { 51: jobs } })
      assert.match(log.join('\n'), refused(51))
      for (const { parameters } of github.calls.filter(({ route }) => route === JOBS)) assert.equal(parameters.filter, 'all')
    }
  })
}

for (const [name, jobs, more] of [
  ['it waits for its approval', [job('approval', null, [], { status: 'waiting' })]],
  ['its approval was refused', [job('approval', 'failure', []), job('site-prd', 'skipped', [])]],
  ['its approval was replaced', [job('approval', 'cancelled', []), job('site-prd', 'skipped', [])]],
  ['its approval was left out', [job('approval', 'skipped', []), job('site-prd', 'skipped', [])]],
  ['its deployment waits for another', [job('site-prd / Deploy', null, [], { status: 'pending' })]],
  ['its deployment was cancelled while it waited', [job('site-prd / Deploy', 'cancelled', [])]],
  ['its deployment was rejected by a reviewer', [job('site-prd / Deploy', 'failure', [])]],
  ['its deployment was refused', [job('deploy / Deploy', 'failure', check('failure'))]],
  ['its deployment is only just looked at', [job('deploy / Deploy', null, check(null), { status: 'in_progress' })]],
  ['it builds', [job('site-build / Check and build', null, [], { status: 'in_progress' }), job('build / Build', 'success', [])]],
  ['an own job of it has such a name', [job('smoke-prd', 'success', [step('Set up job'), step('Smoke')]), job('smoke-prd', 'success', [])]],
  ['it was skipped', approved, { conclusion: 'skipped' }],
  ['a feature branch approves itself', approved, { event: 'push', head_branch: 'feature', head_sha: OTHER }],
  ['a tag that is called main approves itself', approved, { event: 'push', head_sha: OTHER }],
  ['a fork approves itself', approved, { head_repository: { id: 2 } }],
  ['it is this run', approved, { id: 50 }],
  ['it is older', approved, { id: 49 }],
]) {
  test(`is not stopped by a run that is not newer, or was not let in: ${name}`, async () => {
    const { log } = await deploy({ runs: { [ORCHESTRATOR]: [listed(51, more)], [SITE]: [listed(51, more)] }, jobs: { 49: jobs, 50: jobs, 51: jobs } })
    assert.deepEqual(log, [])
  })
}

test('looks at this environment and this component only', async () => {
  const { github } = await deploy()
  assert.deepEqual(github.calls.filter(({ route }) => route === RUNS).map(({ parameters }) => parameters.workflow_id), [ORCHESTRATOR, SITE])
})

test('120 newer runs that were skipped hide nothing', async () => {
  const skipped = Array.from({ length: 120 }, (_, index) => listed(1000 - index, { conclusion: 'skipped' }))
  const { log, github } = await deploy({ runs: { [SITE]: [...skipped, listed(51)] }, jobs: { 51: approved } })
  assert.match(log.join('\n'), refused(51))
  assert.deepEqual(github.calls.filter(({ route }) => route === JOBS).map(({ parameters }) => parameters.run_id), [51])
})

test('a job on the second page counts', async () => {
  const many = Array.from({ length: 100 }, () => job('x-prd', 'skipped', []))
  assert.match((await deploy({ runs: { [ORCHESTRATOR]: [listed(51)] }, jobs: { 51: [...many, ...approved] } })).log.join('\n'), refused(51))
})

test('a workflow that has never run has no newer run, and an error is not taken for that', async () => {
  assert.deepEqual((await deploy({ runs: { [SITE]: failure(404) } })).log, [])
  await assert.rejects(deploy({ runs: { [SITE]: failure(403) } }), { status: 403 })
})

// Older commits after newer ones, in any order of starts.
const ofC = more => listed(40, { display_title: `Deploy ${C} to prd, site alone`, event: 'workflow_dispatch', ...more })
for (const [name, event, runs, expected] of [
  ['no event brings an older commit over a newer one', 'workflow_run', [ofC()], true],
  ['nor over one that a person deployed of this component alone', 'push', [listed(45), ofC()], true],
  ['a person may do so', 'workflow_dispatch', [ofC()], false],
  ['an event brings a newer commit over an older one', 'workflow_run', [ofC({ display_title: `Deploy ${A} to prd` })], false],
  ['and the same once more', 'workflow_run', [ofC({ display_title: `Deploy ${B} to prd` })], false],
  ['a run without a commit in its title is ignored', 'workflow_run', [ofC({ display_title: 'Fix' })], false],
  ['a run from before the newer commit cannot have deployed it', 'workflow_run', [listed(45, { created_at: '2026-09-30T00:00:00Z' }), ofC()], false],
]) {
  test(`the order of commits: ${name}`, async () => {
    const { log } = await deploy({ event, runs: { [SITE]: runs }, jobs: { 40: approved } })
    assert.match(log.join('\n'), expected ? refused(40) : /^$/)
  })
}

test('the order of commits: a newer one that only waits does not stop what was approved', async () => {
  const { log } = await deploy({ runs: { [ORCHESTRATOR]: [listed(51, { display_title: `Deploy ${C} to test, then prd` })] }, jobs: { 51: [job('approval', null, [], { status: 'waiting' })] } })
  assert.deepEqual(log, [])
})

test('the order of commits costs no call where nothing is newer', async () => {
  const runs = Array.from({ length: 300 }, (_, index) => listed(49 - index / 10))
  const { github } = await deploy({ runs: { [ORCHESTRATOR]: runs, [SITE]: runs } }, { COMMIT: C })
  assert.deepEqual(github.calls.map(({ route }) => route), [HISTORY.refs, RUNS, RUNS])
  const byHand = await deploy({ event: 'workflow_dispatch', runs: { [ORCHESTRATOR]: runs, [SITE]: runs } })
  assert.equal(byHand.github.count(RUNS), 2)
})

// Tags follow one another: none is dropped because a person deployed another commit meanwhile.
for (const [name, event, id, commit, expected] of [
  ['a newer tag that was let in before', 'push', 40, C, true],
  ['a newer tag that was let in since', 'push', 51, C, true],
  ['an older tag that a person has deployed since', 'push', 51, A, false],
  ['a newer tag, where a person goes back', 'workflow_dispatch', 40, C, false],
  ['a newer tag since a person went back', 'workflow_dispatch', 51, C, true],
]) {
  test(`a tag is ${expected ? '' : 'not '}stopped by ${name}`, async () => {
    const runs = { [SITE]: [listed(id, { display_title: `Deploy ${commit} to prd` })] }
    const { log } = await deploy({ event, runs, jobs: { [id]: approved }, tags: { v2: B } }, { REFS: '^refs/tags/v[^/]*$' })
    assert.match(log.join('\n'), expected ? refused(id) : /^$/)
  })
}

// A deployment that an orchestrator has started needs no approval besides that of the orchestrator.
const child = { ...ALONE, APPROVED: 'run 47' }
const orchestrator = more => listed(47, {
  path: '.github/workflows/orchestrator-prd.yml@main', status: 'in_progress', conclusion: null, run_attempt: 2, run_started_at: '2026-11-01T12:00:00Z', ...more,
})
const gate = more => ({ name: 'approval', conclusion: 'success', run_attempt: 2, started_at: '2026-11-01T12:00:00Z', ...more })
const waits = { ...gate({ conclusion: null }), name: 'site-prd', status: 'in_progress' }
const started = {
  event: 'workflow_dispatch', actor: BOT, orchestrator: orchestrator(), attempt: [{ ...gate(), name: 'Changes' }, gate(), waits],
  inputs: { packages: 'same-commit', orchestrator: '47' },
}

test('the approval of the orchestrator that has started it', async () => {
  const { log, github } = await deploy(started, child)
  assert.deepEqual(log, [])
  const of = route => github.calls.filter(call => call.route === route).map(({ parameters }) => parameters)
  assert.deepEqual(of(RUN).map(({ run_id }) => run_id), [47])
  assert.deepEqual(of(ATTEMPT).map(({ run_id, attempt_number }) => [run_id, attempt_number]), [[47, 2]])
})

for (const [name, given, more, why] of [
  ['that a person has typed', { actor: 'octocat' }, {}, 'octocat has typed it, and only an orchestrator can hand on its approval'],
  ['in another attempt', {}, { GITHUB_RUN_ATTEMPT: '2' }, 'it approves only attempt 1 of this run, and this is attempt 2'],
  ['with the newest packages', { inputs: { packages: 'latest' } }, {}, '`packages: latest` takes packages of other commits, which nobody has approved'],
  ['that is not there', { orchestrator: failure(404) }, {}, 'it is not a run of orchestrator-prd.yml'],
  ['that is no number', {}, { APPROVED: 'run 47\n8' }, 'it is not a run of orchestrator-prd.yml'],
  ['of another environment', { orchestrator: orchestrator({ path: '.github/workflows/orchestrator-dev.yml' }) }, {}, 'it is not a run of orchestrator-prd.yml'],
  ['for another commit', { orchestrator: orchestrator({ display_title: `Deploy ${A} to test, then prd` }) }, {}, `its title does not say that it deploys ${B}`],
  ['of a feature branch', { orchestrator: orchestrator({ event: 'workflow_dispatch', head_sha: OTHER }) }, {}, `it ran the workflows of ${OTHER}, which nobody has reviewed`],
  ['that has ended', { orchestrator: orchestrator({ status: 'completed', conclusion: 'success' }) }, {}, 'it has already ended'],
  ['before its turn', { attempt: [gate(), { ...waits, status: 'queued' }, { ...waits, name: 'other-prd' }] }, {}, 'its job site-prd does not wait for this run'],
  ['that has no approval', { attempt: [{ ...gate(), name: 'Changes' }] }, {}, 'nobody has approved its attempt 2'],
  ['that waits for its approval', { attempt: [gate({ conclusion: null })] }, {}, 'nobody has approved its attempt 2'],
  ['with the approval of an earlier attempt', { attempt: [gate({ run_attempt: 1 })] }, {}, 'nobody has approved its attempt 2'],
  ['with an approval that was taken over', { attempt: [gate({ started_at: '2026-11-01T11:59:59Z' })] }, {}, 'nobody has approved its attempt 2'],
]) {
  test(`refuses an orchestrator ${name}`, async () => {
    const { log } = await deploy({ ...started, ...given }, { ...child, ...more })
    const id = JSON.stringify({ ...child, ...more }.APPROVED.slice(4))
    const mend = 'Re-run all jobs of a run of orchestrator-prd.yml, or start site-prd.yml by hand without that input: both ask for an approval'
    assert.deepEqual(log, [`failed: The input orchestrator, ${id}, names no run that approves this deployment: ${why}. ${mend}`])
  })
}

test('an orchestrator that cannot be looked up is no approval', async () => {
  await assert.rejects(deploy({ ...started, orchestrator: failure(401, 'Bad credentials') }, child), { message: 'Bad credentials' })
})

// Such a deployment is as old as its orchestrator.
const title = id => `Deploy ${C} to prd, site of run ${id}, attempt 1`
for (const [name, runs, expected] of [
  ['that of a newer orchestrator', [listed(60, { display_title: title(48), actor: { login: BOT } })], true],
  ['a newer orchestrator', [listed(48)], true],
  ['one that a person has started since', [listed(60)], true],
  ['that of an older orchestrator, though it began later', [listed(60, { display_title: title(46), actor: { login: BOT } })], false],
  ['another one of the same orchestrator', [listed(60, { display_title: title(47), actor: { login: BOT } })], false],
  ['one for which a person has typed an older orchestrator', [listed(60, { display_title: title(46) })], true],
]) {
  test(`a run of an orchestrator is ${expected ? '' : 'not '}overtaken by ${name}`, async () => {
    const jobs = { 48: approved, 60: [job('deploy / Deploy', 'success', check())] }
    const file = runs[0].id === 48 ? ORCHESTRATOR : SITE
    for (const more of [child, { ...child, APPROVED: '' }]) {
      const { log } = await deploy({ ...started, orchestrator: orchestrator({ event: 'workflow_dispatch' }), runs: { [file]: runs }, jobs }, more)
      assert.match(log.join('\n'), expected ? refused(runs[0].id) : /^$/)
    }
  })
}

test('a run that another workflow has started is as old as itself', async () => {
  const given = { ...started, inputs: { packages: 'same-commit', orchestrator: '' }, runs: { [SITE]: [listed(48)] }, jobs: { 48: approved } }
  assert.deepEqual((await deploy(given, ALONE)).log, [])
})

test('inputs that a person types do not make a run older', async () => {
  const given = { ...started, actor: 'octocat', runs: { [SITE]: [listed(48)] }, jobs: { 48: approved } }
  assert.deepEqual((await deploy(given, { ...child, APPROVED: '1' })).log, [])
})

test('an orchestrator that an event has started brings no older commit over a newer one', async () => {
  assert.match((await deploy({ ...started, runs: { [SITE]: [ofC()] }, jobs: { 40: approved } }, child)).log.join('\n'), refused(40))
})

test('a run that an orchestrator has started counts as by hand only if the orchestrator was', async () => {
  const ahead = { runs: { [SITE]: [listed(40, { display_title: `Deploy ${C} to prd, site alone`, event: 'workflow_dispatch' })] }, jobs: { 40: approved } }
  for (const more of [child, { ...child, APPROVED: '' }]) {
    assert.match((await deploy({ ...started, ...ahead }, more)).log.join('\n'), refused(40))
    const byHand = orchestrator({ event: 'workflow_dispatch' })
    assert.deepEqual((await deploy({ ...started, ...ahead, orchestrator: byHand }, more)).log, [])
  }
})
