// take-package: which artifact it takes, and which ones it does not trust.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { actionsOf, failure, fakeGitHub, history, paged, run } from './fake-github.mjs'

const here = process.cwd()
const there = mkdtempSync(path.join(tmpdir(), 'take-package-'))
after(() => {
  process.chdir(here)
  rmSync(there, { recursive: true })
})
beforeEach(() => process.chdir(there))

const [A, B, OTHER] = ['a', 'b', 'd'].map(digit => digit.repeat(40))
const DIGEST = 'e'.repeat(64)
const [THIS, TEST, PRD, ALONE] = [100, 20, 30, 40]
const env = { PRODUCER: 'python', ENVIRONMENTS: 'prd test', COMMIT: A, REFS: '^refs/heads/main$', PACKAGES: 'same-commit' }
const API = 'GET /repos/{owner}/{repo}'

const oneRun = (id, file, more) => ({
  id, path: `.github/workflows/${file}`, display_title: `Deploy ${A} to x`, event: 'push', head_branch: 'main', head_sha: A, actor: { login: 'octocat' }, head_repository: { id: 1 }, conclusion: 'success', run_attempt: 1, created_at: '2026-11-01T10:00:00Z', ...more,
})
const artifact = (id, run, name, more) => ({ id, name, expired: false, digest: 'sha256:0', created_at: '2026-11-01T10:05:00Z', workflow_run: { id: run }, ...more })
const job = (name, more) => ({ name, conclusion: 'success', started_at: '2026-11-01T10:00:00Z', completed_at: '2026-11-01T10:05:00Z', ...more })

/** Takes the package; `main` has A, then B. Gives outputs, log and the calls. */
async function take({ runs = [], artifacts = [], jobs = {}, contents = {}, told }, more = {}) {
  const github = fakeGitHub({
    ...history({ parents: { [A]: [], [OTHER]: [A], [B]: [A] }, branches: { main: B } }),
    ...actionsOf({ runs, artifacts, contents }),
    [`${API}/actions/runs/{run_id}/jobs`]: parameters => paged(jobs[parameters.run_id] ?? [job('python-build / Check and build')], 'jobs')(parameters),
  })
  const context = { repo: { owner: 'acme', repo: 'demo' }, payload: { repository: { id: 1, default_branch: 'main' }, workflow_run: told }, runId: THIS }
  const { log, outputs } = await run('take-package/find.cjs', { env: { ...env, ...more }, github, context })
  return { log, outputs, github }
}
const inRun = (id, digest) => JSON.stringify({ python: { run: id, digest } })
const test20 = { runs: [oneRun(TEST, 'orchestrator-test.yml')], artifacts: [artifact(2, TEST, 'python-package-test')] }
const of20 = { artifact: 2, name: 'python-package-test', run: TEST, commit: A, digest: '' }

test('the package of this run, by the digest that its build left', async () => {
  const artifacts = [artifact(1, THIS, 'python-package-prd'), artifact(3, THIS, 'python-package-prd'), artifact(4, 50, 'python-package-prd')]
  const { log, outputs, github } = await take({ artifacts }, { PACKAGES: inRun(THIS, DIGEST) })
  assert.deepEqual([log, outputs], [[], { artifact: 3, name: 'python-package-prd', run: THIS, commit: A, digest: DIGEST }])
  assert.equal(github.calls.length, 1)
})

for (const [name, PACKAGES] of [['its id', `${TEST}`], ['JSON', inRun(TEST)], ['JSON with an empty digest', inRun(TEST, '')], ['JSON of several lines', `{\n"python": {"run": ${TEST}}\n}`]]) {
  test(`the package of the run before, by ${name}`, async () => {
    assert.deepEqual((await take(test20, { PACKAGES })).outputs, of20)
  })
}

test('does not ask for the run before, because the event has it', async () => {
  const [told] = test20.runs
  const { outputs, github } = await take({ ...test20, told }, { PACKAGES: `${TEST}` })
  assert.deepEqual([outputs, github.calls.map(({ route }) => route.split('/').pop())], [of20, ['artifacts', 'jobs']])
  const failed = await take({ ...test20, told: { ...told, conclusion: 'failure' } }, { PACKAGES: `${TEST}` })
  assert.ok(failed.log[0].includes('(run 20 ended with failure)'))
  const another = await take({ ...test20, told: { ...told, id: 19 }, runs: [{ ...told, head_sha: OTHER }] }, { PACKAGES: `${TEST}` })
  assert.ok(another.log[0].includes('which nobody has reviewed'))
})

test('leaves a run before that was re-run since the event to the promotion of the re-run', async () => {
  const [run] = test20.runs
  const { log } = await take({ ...test20, told: { ...run, updated_at: '2026-11-01T10:04:59Z' } }, { PACKAGES: `${TEST}` })
  assert.ok(log[0].includes('(run 20 was re-run since, and the re-run starts a promotion of its own)'), log[0])
  const { outputs } = await take({ ...test20, told: { ...run, updated_at: '2026-11-01T10:05:00Z' } }, { PACKAGES: `${TEST}` })
  assert.deepEqual(outputs, of20)
})

test('the package of another run, with its digest', async () => {
  assert.deepEqual((await take(test20, { PACKAGES: inRun(TEST, DIGEST) })).outputs, { ...of20, digest: DIGEST })
})

for (const name of ['Changes', 'build / Check and build', 'python-build / Check and build']) {
  test(`uploaded by ${name}`, async () => {
    const { outputs, github } = await take({ ...test20, jobs: { [TEST]: [job('terraform-build / Check and build'), job(name)] } })
    assert.deepEqual(outputs, of20)
    assert.equal(github.calls.find(({ route }) => route.endsWith('/jobs')).parameters.filter, 'all')
  })
}

const two = {
  runs: [oneRun(ALONE, 'python-prd.yml@refs/heads/main'), oneRun(PRD, 'orchestrator-prd.yml', { conclusion: 'failure' }), ...test20.runs],
  artifacts: [artifact(4, ALONE, 'python-package-prd'), artifact(3, PRD, 'python-package-prd'), ...test20.artifacts],
}
test('of the same commit, where other producers have a run of their own', async () => {
  const PACKAGES = JSON.stringify({ go: { run: TEST }, python: 'same-commit' })
  assert.equal((await take(two, { PACKAGES })).outputs.run, ALONE)
})

test('of the same commit: the newest of the environment itself', async () => {
  assert.equal((await take(two)).outputs.run, ALONE)
})

test('of the same commit: also one of the environment itself that was started alone', async () => {
  const alone = oneRun(ALONE, 'python-prd.yml', { display_title: `Deploy ${A} to prd, python alone`, conclusion: 'failure' })
  assert.equal((await take({ ...two, runs: [alone, ...two.runs.slice(1)] })).outputs.run, ALONE)
})

test('of the same commit: not one of another commit, and not one of this run', async () => {
  const runs = [oneRun(THIS, 'orchestrator-prd.yml'), oneRun(ALONE, 'python-prd.yml', { display_title: `Deploy ${B} to prd` }), ...two.runs.slice(1)]
  const artifacts = [artifact(9, THIS, 'python-package-prd'), ...two.artifacts]
  assert.equal((await take({ runs, artifacts })).outputs.run, PRD)
})

test('the latest, of whatever commit of the environment', async () => {
  const runs = [
    oneRun(60, 'python-prd.yml', { display_title: `Deploy ${OTHER} to prd` }), oneRun(50, 'python-prd.yml', { display_title: 'Fix' }),
    oneRun(ALONE, 'python-prd.yml', { display_title: `Deploy ${B} to prd` }), ...two.runs.slice(1),
  ]
  const artifacts = [artifact(6, 60, 'python-package-prd'), artifact(5, 50, 'python-package-prd'), ...two.artifacts]
  const { outputs } = await take({ runs, artifacts }, { PACKAGES: 'latest' })
  assert.deepEqual([outputs.run, outputs.commit], [ALONE, B])
})

// A promotion takes packages that were tested together.
const child = title => oneRun(ALONE, 'python-test.yml', { event: 'workflow_dispatch', display_title: `Deploy ${A} to ${title}` })
for (const [name, promoted, title] of [
  ['one that an orchestrator has started', false, `test, python of run ${TEST}, attempt 1`],
  ['one for which a person has typed an end like that of observe', false, 'test, python of run x, attempt 1 - python'],
  ['one that was started alone', false, 'test, python alone'],
  ['one that observes, after a push', true, 'test - python'],
  ['one that observes, after others', true, 'dev, then test - terraform, then python'],
]) {
  test(`${promoted ? 'promotes' : 'does not promote'} the package of ${name}`, async () => {
    const { log, outputs } = await take({ runs: [child(title)], artifacts: [artifact(4, ALONE, 'python-package-test')] })
    if (promoted) assert.deepEqual([log, outputs.run], [[], ALONE])
    else assert.ok(log.length === 1 && log[0].includes(`run ${ALONE} has deployed a component alone, so it was not tested with the others`), log[0])
  })
}

// Packages of former runs, from a plan or a manifest.
const kept = more => ({ key: 'k', run: 10, digest: DIGEST, commit: B, environment: 'dev', ...more })
const planOf = packages => JSON.stringify({ packages })
const ofRun10 = [artifact(7, 10, 'python-package-dev')]
const of10 = { artifact: 7, name: 'python-package-dev', run: 10, commit: B, digest: DIGEST }

for (const PACKAGES of ['planned', inRun(THIS, ''), JSON.stringify({ python: { run: THIS } })]) {
  test(`the package of a former run, as planned: ${PACKAGES}`, async () => {
    const { log, outputs } = await take({ artifacts: ofRun10 }, { PACKAGES, PLAN: planOf({ python: kept() }) })
    assert.deepEqual([log, outputs], [[], of10])
  })
}

for (const [PACKAGES, digest, artifact] of [
  ['planned', 'sha256:0', 7], ['planned', 'sha256:1', undefined],
  [inRun(0), DIGEST, 7], [inRun(50), DIGEST, 7], [inRun(50), 'sha256:0', 7],
]) {
  test(`the package of a former run, with ${digest.slice(0, 8)}, of ${PACKAGES}, as planned`, async () => {
    const { log, outputs } = await take({ artifacts: ofRun10 }, { PACKAGES, PLAN: planOf({ python: kept({ digest }) }) })
    const proof = digest === DIGEST ? digest : ''
    assert.deepEqual([log.length, outputs], artifact ? [0, { ...of10, digest: proof }] : [1, {}])
  })
}

test('the planned package wins over another one of the same commit', async () => {
  const { outputs } = await take({ ...test20, artifacts: [...test20.artifacts, ...ofRun10] }, { PACKAGES: inRun(0), PLAN: planOf({ python: kept() }) })
  assert.deepEqual(outputs, of10)
})

test('no run, and no plan', async () => {
  const { log } = await take({ artifacts: ofRun10 }, { PACKAGES: inRun(0), PLAN: planOf({ other: kept() }) })
  assert.match(log[0], /^failed: The input packages, .* does not say which package of python to take/)
})

test('a package that this run has brought over has the commit that it was built from', async () => {
  const artifacts = [...ofRun10, artifact(8, THIS, 'python-package-prd')]
  const { outputs } = await take({ artifacts }, { PACKAGES: inRun(THIS, DIGEST), PLAN: planOf({ python: kept() }) })
  assert.deepEqual([outputs.run, outputs.commit], [THIS, B])
})

test('a named run wins over the plan', async () => {
  const { outputs } = await take(test20, { PACKAGES: `${TEST}`, PLAN: planOf({ python: kept() }) })
  assert.deepEqual(outputs, { ...of20, commit: B })
})

for (const [name, artifacts] of [['gone', []], ['expired', [artifact(7, 10, 'python-package-dev', { expired: true })]]]) {
  test(`a planned package that is ${name} is not replaced by another`, async () => {
    const { log, outputs } = await take({ ...test20, artifacts: [...test20.artifacts, ...artifacts] }, { PACKAGES: 'planned', PLAN: planOf({ python: kept() }) })
    assert.deepEqual([log, outputs], [[
      `failed: The package of python, python-package-dev, is no longer in run 10: start orchestrator-test.yml with commit ${A} and \`all\`, which builds it again`,
    ], {}])
  })
}

for (const [PRODUCER, packages] of [['python', {}], ['python', { go: kept() }], ['constructor', {}]]) {
  test(`${PRODUCER}, which a plan of ${Object.keys(packages)} does not have`, async () => {
    const { log } = await take({}, { PRODUCER, PACKAGES: 'planned', PLAN: planOf(packages) })
    assert.deepEqual(log, [`failed: The build of ${PRODUCER} in this run has reported no digest, so its package cannot be verified: re-run all jobs`])
  })
}

/** A run of this commit has built nothing, and its manifest says what it deployed. */
const deployed = (found, more) => ({
  runs: [oneRun(TEST, 'orchestrator-test.yml', more)], jobs: { [TEST]: [job('Deployment summary')] },
  artifacts: [...ofRun10, artifact(9, TEST, 'manifest-test')], contents: { 9: { version: 1, environment: 'test', components: found } },
})
for (const [name, found] of [
  ['its own', { python: { package: kept(), takes: {} }, go: { package: null, takes: {} } }],
  ['one that another took', { go: { package: null, takes: {} }, terraform: { package: null, takes: { python: kept() } } }],
]) {
  test(`of the same commit: the package of a former run that was deployed with it, ${name}`, async () => {
    const { log, outputs } = await take(deployed(found))
    assert.deepEqual([log, outputs], [[], of10])
  })
}

for (const [name, more, expected] of [
  ['of the newest commit', { display_title: `Deploy ${B} to test` }, of10],
  ['of a commit that is nobody\'s', { display_title: `Deploy ${OTHER} to test` }, {}],
  ['of a run that names none', { display_title: 'Test' }, {}],
]) {
  test(`the latest: the package of a former run, ${name}`, async () => {
    const found = { python: { package: kept(), takes: {} } }
    assert.deepEqual((await take(deployed(found, more), { PACKAGES: 'latest' })).outputs, expected)
  })
}

for (const [name, found, more, PRODUCER = 'python'] of [
  ['another component', { go: { package: kept(), takes: {} } }],
  ['a component without a package', { python: { package: null, takes: {} } }],
  ['names that all objects have', { python: { package: kept(), takes: {} } }, {}, 'constructor'],
  ['a run of another commit', { python: { package: kept(), takes: {} } }, { display_title: `Deploy ${B} to test` }],
  ['a run that nobody reviewed', { python: { package: kept(), takes: {} } }, { head_sha: OTHER }],
  ['a run that did not succeed', { python: { package: kept(), takes: {} } }, { conclusion: 'failure' }],
]) {
  test(`of the same commit: a manifest of ${name} names none`, async () => {
    const { log, outputs } = await take(deployed(found, more), { PRODUCER })
    assert.deepEqual(outputs, {})
    assert.ok(log[0].includes(`is not in any run for ${A}`), log[0])
  })
}

test('of the same commit: a manifest that the last job did not write names none', async () => {
  const given = deployed({ python: { package: kept(), takes: {} } })
  assert.deepEqual((await take({ ...given, jobs: { [TEST]: [job('attack')] } })).outputs, {})
})

test('a folder of that name that was checked out makes way', async () => {
  mkdirSync('.packages/python', { recursive: true })
  writeFileSync('.packages/python/old', '')
  await take(test20)
  assert.deepEqual([existsSync('.packages/python'), existsSync('.packages')], [false, true])
})

const start = `: start orchestrator-test.yml with commit ${A}, which builds it`
for (const [name, given, PACKAGES, expected] of [
  ['none', {}, 'same-commit', `python-package-prd or python-package-test, is not in any run for ${A}${start}`],
  ['none, of any commit', {}, 'latest', `is not in any run${start}`],
  ['a run that does not exist', {}, '20', `is not in run 20 (run 20 does not exist)${start}`],
  ['a run of another workflow', { ...test20, runs: [oneRun(TEST, 'attack.yml')] }, '20', `is not in run 20 (run 20 is a run of attack.yml)${start}`],
  ['a run of another commit', { ...test20, runs: [oneRun(TEST, 'orchestrator-test.yml', { display_title: `Deploy ${B} to test` })] }, '20', `(run 20 is for ${B})`],
  ['a run without a commit', { ...test20, runs: [oneRun(TEST, 'orchestrator-test.yml', { display_title: `Merge ${A}` })] }, '20', '(run 20 is for no commit)'],
  ['a run that failed', { ...test20, runs: [oneRun(TEST, 'orchestrator-test.yml', { conclusion: 'failure' })] }, '20', '(run 20 ended with failure)'],
  ['a run of a feature branch', { ...test20, runs: [oneRun(TEST, 'orchestrator-test.yml', { head_sha: OTHER })] }, '20', `(run 20 ran the workflows of ${OTHER}, which nobody has reviewed)`],
  ['a run of a fork', { ...test20, runs: [oneRun(TEST, 'orchestrator-test.yml', { head_repository: { id: 2 } })] }, 'same-commit', 'which nobody has reviewed)'],
  ['a package that has expired', { ...test20, artifacts: [artifact(2, TEST, 'python-package-test', { expired: true })] }, '20', '(run 20: it has expired)'],
  ['a run without the package', { ...test20, artifacts: [] }, '20', `is not in run 20${start}`],
  ['a package of which GitHub knows no digest', { ...test20, artifacts: [artifact(3, TEST, 'python-package-test', { digest: null })] }, '20', '(run 20 has a package without a digest by GitHub, so somebody could have changed it)'],
  ['a package that a later job has replaced', { ...test20, artifacts: [...test20.artifacts, artifact(3, TEST, 'python-package-test', { created_at: '2026-11-01T10:05:01Z' })] }, '20', '(run 20 has a package that its build did not upload)'],
  ['a package replaced between two attempts', { ...test20, jobs: { [TEST]: [job('build / Build', { completed_at: '2026-11-01T10:04:00Z' }), job('build / Build', { started_at: '2026-11-01T10:06:00Z', completed_at: '2026-11-01T10:07:00Z' })] } }, '20', 'did not upload)'],
  ['a package that another job has uploaded while its build failed', { ...test20, jobs: { [TEST]: [job('python-build / Check and build', { conclusion: 'failure' })] } }, '20', '(run 20 has a package that its build did not upload)'],
  ['a package whose build goes on', { ...test20, jobs: { [TEST]: [job('build / Build', { conclusion: null, completed_at: null })] } }, '20', 'did not upload)'],
  ['one of this run that is gone', {}, inRun(THIS, DIGEST), `is not in run 100: re-run all jobs`],
  ['one of this run that has expired', { artifacts: [artifact(1, THIS, 'python-package-prd', { expired: true })] }, inRun(THIS, DIGEST), `is not in run 100 (run 100: it has expired): re-run all jobs`],
  ['one of this run without a digest', {}, inRun(THIS), 'The build of python in this run has reported no digest, so its package cannot be verified: re-run all jobs'],
  ['one of this run by its id alone', {}, `${THIS}`, 'has reported no digest'],
  ...['newest', '', '0', '{}', '{', 'null', '"x"', '1.5', '{"python": {"run": "20"}}', '{"python": null}', '{"python": {"run": 20, "digest": "x"}}',
    `{"python": {"run": 20}, "go": {"run": ${THIS}, "digest": "${DIGEST}"}, "python": {"run": ${THIS}, "digest": "${DIGEST}"}}`].map(PACKAGES => [
    `packages: ${PACKAGES}`, {}, PACKAGES, `The input packages, ${PACKAGES}, does not say which package of python to take: give same-commit, latest, the id`,
  ]),
]) {
  test(`refuses ${name}`, async () => {
    const { log, outputs } = await take(given, { PACKAGES })
    assert.equal(log.length, 1)
    assert.match(log[0], /^failed: [^\n]*$/)
    assert.ok(log[0].includes(expected), log[0])
    assert.deepEqual(outputs, {})
  })
}

test('names the environment that builds, which may be an earlier one', async () => {
  const given = { ...test20, runs: [oneRun(TEST, 'orchestrator-dev.yml')], artifacts: [artifact(2, TEST, 'python-package-dev')] }
  const { log } = await take(given, { ENVIRONMENTS: 'prd test dev' })
  assert.ok(log[0].endsWith(`prd or python-package-test, is not in any run for ${A}${start.replace('test', 'dev')}`), log[0])
})

test('names only a few of many reasons', async () => {
  const runs = Array.from({ length: 9 }, (_, index) => oneRun(index + 1, 'orchestrator-test.yml', { conclusion: 'failure' }))
  assert.match((await take({ runs })).log[0], /\(run 1 ended with failure; run 2 ended with failure; run 3 ended with failure\)/)
})

for (const PRODUCER of ['../python', '..', 'a/b', '', 'a b', 'a\nb']) {
  test(`refuses the producer ${JSON.stringify(PRODUCER)}`, async () => {
    const { log, github } = await take(test20, { PRODUCER })
    assert.match(log.join('\n'), /^failed: The input producer, "[^\n]*", is not the name of a component: give one$/)
    assert.equal(github.calls.length, 0)
  })
}

for (const [name, PACKAGES, route] of [['a list', 'same-commit', '/actions/workflows/{workflow_id}/runs'], ['a run', '20', '/actions/runs/{run_id}']]) {
  test(`${name} that cannot be read is no list without the package`, async () => {
    const github = fakeGitHub({ [`${API}${route}`]: failure(403) })
    const context = { repo: { owner: 'acme', repo: 'demo' }, payload: { repository: { id: 1 } }, runId: THIS }
    await assert.rejects(run('take-package/find.cjs', { env: { ...env, PACKAGES }, github, context }), { status: 403 })
  })
}
