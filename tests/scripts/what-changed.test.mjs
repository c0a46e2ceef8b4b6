// what-changed: the plan and the manifest. tests/only_changed compares all decisions with an oracle.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'

const require = createRequire(import.meta.url)
const folder = '../../template/.github/actions/what-changed'
const { ownerIn } = require(`${folder}/contents.cjs`)
const { source, promoted, pullRequest } = require(`${folder}/plan.cjs`)
const { remember, overtaken } = require(`${folder}/remember.cjs`)

const component = (files, more) =>
  ({ files, takes: [], after: [], deployed: ['test', 'prd'], checked: [], builds: true, package: true, perEnvironment: false, ...more })
const config = (components, environments = { test: { after: '', days: 30 }, prd: { after: 'test', days: 90 } }) => ({ components, environments })
const two = config({ api: component(['api']), web: component(['web'], { takes: ['api', 'elsewhere'] }) })
const files = { 'api/x': '1', 'web/x': '1', 'README.md': '1' }
const NOW = '2026-01-01T00:00:00Z'
const LATER = '2026-03-01T00:00:00Z'

/** A situation with these files. */
const situation = (given, changed = {}, more = {}) => ({
  config: given, environment: 'test', tree: Object.entries({ ...files, ...changed }), memory: {}, now: NOW,
  pipeline: [['.github/workflows/api-build.yml', '1'], ['README.md', '1']], ...more,
})

/** What a run leaves behind in which all succeeds but what is said to fail; each build makes new bytes. */
function run(number, plan, { config: its, environment, now }, memory, results = {}) {
  const all = [...plan.build.map(name => `${name}-build`), ...plan.deploy.map(name => `${name}-${environment}`)]
  const held = environment === 'test' ? plan.build.filter(name => its.components[name].package) : Object.keys(plan.packages)
  return remember({
    config: its, plan, memory, environment, run: number, commit: `c${number}`, at: now, planned: now,
    results: { ...Object.fromEntries(all.map(job => [job, 'success'])), ...results },
    digests: Object.fromEntries(held.map(name => [name, plan.packages[name]?.digest ?? `${name} of ${number}`])),
  })
}

test('deploys everything first, then nothing, then only the changed component', () => {
  const first = source(situation(two))
  assert.deepEqual(first.reasons, { api: 'new here', web: 'new here' })
  const memory = { test: run(1, first, situation(two)) }
  const second = source(situation(two, {}, { memory }))
  assert.deepEqual([second.build, second.deploy, second.unchanged.web.run], [[], [], 1])
  const third = source(situation(two, { 'web/x': '2' }, { memory }))
  assert.deepEqual([third.reasons, third.packages.api.digest, third.taken.web.api.run], [{ web: 'changed since run 1' }, 'api of 1', 1])
  assert.deepEqual(source(situation(two, {}, { memory: { test: { ...memory.test, version: 2 } } })).deploy, ['api', 'web'])
})

test('a failed deployment is a reason, and leaves no package', () => {
  const first = source(situation(two))
  const memory = run(1, first, situation(two), undefined, { 'api-test': 'cancelled', 'web-test': 'skipped' })
  assert.deepEqual(Object.keys(memory.components), ['api'])
  const unbuilt = remember({
    config: two, plan: first, results: { 'web-test': 'failure' }, digests: {}, run: 1, commit: 'c1', environment: 'test', at: NOW, planned: NOW,
  })
  assert.deepEqual([unbuilt.components.web.package, unbuilt.components.web.takes], [null, {}])
  assert.deepEqual(source(situation(two, {}, { memory: { test: memory } })).reasons, { api: 'run 1 did not succeed', web: 'new here' })
})

test('a component may be called constructor', () => {
  const odd = config({ constructor: component(['api']) })
  const plan = source(situation(odd))
  assert.deepEqual(plan.reasons, { constructor: 'new here' })
  assert.deepEqual(source(situation(odd, {}, { memory: { test: run(1, plan, situation(odd)) } })).deploy, [])
})

test('a promotion takes the packages of the environment before, and names those that are gone', () => {
  const manifest = run(1, source(situation(two)), situation(two))
  const there = { environment: 'prd', manifest }
  const plan = promoted(situation(two, {}, there))
  assert.deepEqual([plan.deploy, plan.build, plan.packages.web.run], [['api', 'web'], [], 1])
  const memory = { prd: run(2, plan, { ...situation(two), environment: 'prd' }) }
  assert.equal(memory.prd.packages.web[0].environment, 'prd')
  assert.deepEqual(promoted(situation(two, {}, { ...there, memory })).deploy, [])
  const late = promoted(situation(two, {}, { ...there, now: LATER }))
  assert.deepEqual(late.refused, ['api', 'web'].map(name =>
    `The package of ${name}, of run 1, is gone: start orchestrator-test.yml with commit c1`))
  // This environment has a copy of the same package.
  assert.deepEqual(promoted(situation(two, {}, { ...there, memory, now: LATER, all: true })).packages.api.run, 2)
  assert.deepEqual(promoted(situation(two, {}, { environment: 'prd', commit: 'c9' })).refused, ['There is nothing to promote: start orchestrator-test.yml with commit c9'])
})

test('a copy of a package remembers the digest of the original archive', () => {
  const prd = { ...situation(two), environment: 'prd' }
  const first = source(situation(two))
  const digests = names => Object.fromEntries(names.map(([name, digest]) => [name, digest]))
  const manifest = remember({
    config: two, plan: first, environment: 'test', run: 1, commit: 'c1', at: NOW, planned: NOW,
    results: { 'api-build': 'success', 'web-build': 'success', 'api-test': 'success', 'web-test': 'success' },
    digests: digests([['api', 'sha256:1'], ['web', 'sha256:2']]), runs: { api: 11, web: 12 },
  })
  assert.deepEqual([manifest.packages.api[0].run, manifest.components.web.takes.api.run, manifest.components.web.run], [11, 11, 1])
  const plan = promoted(situation(two, {}, { environment: 'prd', manifest }))
  const memory = { prd: remember({
    config: two, plan, environment: 'prd', run: 2, commit: 'c1', at: prd.now, planned: NOW, results: { 'api-prd': 'success', 'web-prd': 'success' },
    digests: digests([['api', 'A'], ['web', 'W']]),
  }) }
  const again = promoted(situation(two, {}, { environment: 'prd', manifest, memory, now: LATER, all: true }))
  assert.deepEqual([again.packages.api.run, again.packages.api.digest, again.packages.api.of], [2, 'A', 'sha256:1'])
})

test('a promotion refuses missing packages and packages of another environment', () => {
  const manifest = run(1, source(situation(two)), situation(two))
  const web = { ...manifest.components.web, takes: {} }
  const without = promoted(situation(two, {}, { environment: 'prd', manifest: { ...manifest, components: { web } } }))
  assert.deepEqual(without.refused, ['web takes a package that test does not have: start orchestrator-test.yml first'])
  assert.equal(without.reasons.api, 'left out, because run 1 has not deployed it successfully')
  const each = Object.fromEntries(Object.entries(manifest.components).map(([name, entry]) => [name, { ...entry, perEnvironment: true }]))
  const { refused } = promoted(situation(two, {}, { environment: 'prd', manifest: { ...manifest, components: each } }))
  assert.equal(refused[0], 'The package of api was built for another environment: start orchestrator-test.yml first')
  // A package that never existed has no run to name.
  const none = Object.fromEntries(Object.entries(manifest.components).map(([name, entry]) => [name, { ...entry, package: null, takes: {} }]))
  const never = promoted(situation(two, {}, { environment: 'prd', manifest: { ...manifest, components: none } }))
  assert.equal(never.refused[0], 'The package of api is gone: start orchestrator-test.yml with commit c1')
})

test('a component that is built for each environment is built again in a promotion', () => {
  const given = config({ api: component(['api'], { perEnvironment: true }), web: component(['web'], { perEnvironment: true, takes: ['api'] }) })
  const manifest = run(1, source(situation(given)), situation(given))
  const there = { environment: 'prd', manifest }
  const plan = promoted(situation(given, {}, there))
  assert.deepEqual([plan.build, plan.taken.web], [['api', 'web'], { api: null }])
  // What failed here is built here: a package of the same contents does.
  const known = { api: [{ ...manifest.packages.api[0], key: plan.keys.api, environment: 'prd' }] }
  const memory = { prd: { ...manifest, components: {}, packages: known } }
  assert.deepEqual(promoted(situation(given, {}, { ...there, memory })).build, ['web'])
  const partly = { ...manifest, components: { web: manifest.components.web } }
  assert.deepEqual(promoted(situation(given, {}, { ...there, manifest: partly })).refused, ['web takes a package that test does not have: start orchestrator-test.yml first'])
})

test('a package that a later environment still needs is built again before it expires', () => {
  const manifest = run(1, source(situation(two)), situation(two))
  const late = source(situation(two, {}, { memory: { test: manifest }, now: LATER }))
  assert.deepEqual(late.reasons.api, 'prd lacks it, and its package is gone or will expire soon')
  assert.deepEqual(late.build, ['api', 'web'])
})

test('a component that only a later environment deploys is carried on', () => {
  const given = config({
    api: component(['api'], { deployed: ['prd'] }), web: component(['web'], { takes: ['api'], package: false }),
    raw: component(['README.md'], { deployed: ['prd'], builds: false, package: false }),
  })
  const plan = source(situation(given))
  assert.deepEqual([plan.carry, plan.deploy, plan.build], [['api', 'raw'], ['web'], ['api', 'web']])
  const failed = run(1, plan, situation(given), undefined, { 'api-build': 'failure', 'web-test': 'skipped' })
  assert.deepEqual(Object.keys(failed.components), ['raw'])
  const memory = { test: run(1, plan, situation(given)) }
  assert.deepEqual(source(situation(given, {}, { memory })).carry, [])
  assert.deepEqual(source(situation(given, {}, { memory, now: LATER })).reasons, {
    api: 'prd lacks it, and its package is gone or will expire soon', web: 'prd lacks it, and its package is gone or will expire soon',
  })
  const everything = source(situation(given, {}, { memory, all: true }))
  assert.deepEqual(everything.reasons, Object.fromEntries(['api', 'raw', 'web'].map(name => [name, 'everything was requested'])))
})

test('a change of files of a later environment builds, but does not deploy here', () => {
  const given = config({ iac: component(['iac/{environment}']) })
  const here = { 'iac/test/x': '1', 'iac/prd/x': '1' }
  const memory = { test: run(1, source(situation(given, here)), situation(given)) }
  const plan = source(situation(given, { ...here, 'iac/prd/x': '2' }, { memory }))
  assert.deepEqual([plan.deploy, plan.carry, plan.build], [[], ['iac'], ['iac']])
  const { iac } = run(2, plan, situation(given), memory.test).components
  assert.deepEqual([iac.run, iac.package.run, iac.kind], [1, 2, 'deployed'])
  // The manifest no longer has it: another run has removed it meanwhile, and that counts.
  assert.deepEqual(run(2, plan, situation(given)).components, {})
})

test('a library is checked until that succeeds', () => {
  const given = config({ lib: component(['api'], { deployed: [], checked: ['test'], package: false }) })
  const plan = source(situation(given))
  assert.deepEqual([plan.check, plan.build, plan.deploy], [['lib'], ['lib'], []])
  const failed = run(1, plan, situation(given), undefined, { 'lib-build': 'failure' })
  assert.deepEqual(source(situation(given, {}, { memory: { test: failed } })).reasons, { lib: 'run 1 did not succeed' })
  const memory = { test: run(1, plan, situation(given)) }
  assert.deepEqual(source(situation(given, {}, { memory })).build, [])
  assert.deepEqual(source(situation(given, {}, { memory, all: true })).build, ['lib'])
})

test('a removed component is named once', () => {
  const memory = run(1, source(situation(two)), situation(two))
  const less = config({ api: two.components.api })
  const plan = source(situation(less, {}, { memory: { test: memory } }))
  assert.deepEqual(plan.removed, ['web'])
  const after = run(2, plan, situation(less), memory)
  assert.deepEqual(source(situation(less, {}, { memory: { test: after } })).removed, [])
  assert.deepEqual(source(situation(two, {}, { memory: { test: after } })).build, []) // its package is kept
})

test('packages: the newest twenty that have not expired, one of each run', () => {
  const api = config({ api: component(['api']) })
  let memory
  for (let number = 1; number <= 25; number++) {
    const at = situation(api, {}, { all: true, now: `2026-01-${String(number).padStart(2, '0')}T00:00:00Z` })
    memory = run(number, source(at), at, memory)
  }
  assert.deepEqual([memory.packages.api.length, memory.packages.api[0].run], [20, 25])
  const again = situation(api, {}, { all: true, now: '2026-02-20T00:00:00Z' })
  const rerun = run(25, source(again), again, memory)
  assert.deepEqual(rerun.packages.api.map(one => one.run), [25, 24, 23, 22, 21])
  assert.equal(rerun.packages.api[0].expires, memory.packages.api[0].expires)
})

test('deployments of other runs make the state unknown, unless the same contents succeeded last', () => {
  const memory = run(1, source(situation(two)), situation(two))
  const { api, web } = memory.components
  const attempt = (name, key, state, at = NOW) => ({ component: name, run: 2, key, state, at })
  const stateOf = (...attempts) => overtaken(memory, attempts).components.api.state
  assert.equal(stateOf(attempt('api', api.deployKey, 'success')), 'success')
  assert.equal(stateOf(attempt('api', web.deployKey, 'success')), 'unknown')
  assert.equal(stateOf(attempt('api', api.deployKey, 'failure')), 'unknown')
  assert.equal(stateOf(attempt('api', api.deployKey, 'success', LATER), attempt('api', 'x', 'failure')), 'success')
  assert.deepEqual(overtaken(memory, [attempt('gone', 'x', 'success')]), memory)
  const known = { test: overtaken(memory, [attempt('api', 'x', 'success')]) }
  assert.deepEqual(source(situation(two, {}, { memory: known })).reasons, {
    api: 'deployed again after run 1, with other contents or without success',
  })
})

test('a pull request builds the affected components and those whose packages they take', () => {
  const side = (changed, pipeline = []) => ({ config: two, tree: Object.entries({ ...files, ...changed }), pipeline })
  const plan = pullRequest({ ...side({ 'web/x': '2', 'README.md': '2', 'new': '1' }), base: side({}) })
  assert.deepEqual([plan.build, plan.reasons, plan.nobody], [['api', 'web'], { web: 'changed' }, ['README.md', 'new']])
  const workflow = object => side({}, [['.github/workflows/api-deploy.yml', object]])
  assert.deepEqual(pullRequest({ ...workflow('1'), base: side({}) }).build, ['api'])
  assert.deepEqual(pullRequest({ ...workflow('1'), base: workflow('2') }).build, ['api'])
  assert.deepEqual(pullRequest({ ...workflow('1'), base: workflow('1') }).build, [])
  assert.deepEqual(pullRequest({ ...side({}, [['.github/actions/what-changed/components.json', '1']]), base: side({}) }).build, [])
  assert.deepEqual(Object.keys(pullRequest({ ...side({}, [['.github/actions/x', '1'], ['.github/actions/a', '1']]), base: side({}) }).reasons), ['api', 'web'])
  assert.deepEqual(pullRequest(side({})).reasons, { api: 'there is nothing to compare it with', web: 'there is nothing to compare it with' })
})

test('the paths of a component decide which files it owns', () => {
  assert.ok(ownerIn(component(['.', '!docs/**']), ['test'])('a'))
  assert.ok(!ownerIn(component(['.', '!docs/**']), ['test'])('docs/a'))
  assert.ok(!ownerIn(component(['.']), ['test'])('.github/x'))
  assert.ok(ownerIn(component(['a+b/*']), ['test'])('a+b/c'))
  const around = ownerIn(component(['vendor/lib/src']), ['test'])
  assert.deepEqual([around('vendor/lib', '160000 1'), around('vendor/lib', '100644 1'), around('vendor/other', '160000 1')], [true, false, false])
})

test('a changed submodule affects every component that may have files in it', () => {
  const reasons = (its, path, object = '160000 2') => Object.keys(pullRequest({
    config: config({ api: component(its) }), tree: [[path, object]], pipeline: [],
    base: { config: config({ api: component(its) }), tree: [[path, '160000 1']], pipeline: [] },
  }).reasons).length
  for (const its of [['vendor/lib/app'], ['vendor'], ['vendor/lib'], ['vendor/**/*.py'], ['vendor/lib/*/x'], ['**/*.py']]) assert.equal(reasons(its, 'vendor/lib'), 1, its[0])
  for (const its of [['vendor/libs'], ['vendor/lib-x/**'], ['other'], ['vendor', '!vendor/lib']]) assert.equal(reasons(its, 'vendor/lib'), 0, its[0])
  assert.equal(reasons(['vendor/lib/app'], 'vendor/lib', '100644 2'), 1) // it was a submodule before
})
