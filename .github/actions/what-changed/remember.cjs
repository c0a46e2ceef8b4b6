// @ts-check
// Makes the content of a manifest: what is deployed to an environment at the end of a run.
const { DAY } = require('../shared/time.cjs')
const { lookUp } = require('./components.cjs')
const { FORMAT } = require('./plan.cjs')

/**
 * @typedef {import('./plan.cjs').Entry} Entry
 * @typedef {import('./plan.cjs').Memory} Memory
 * @typedef {import('./plan.cjs').Package} Package
 * @typedef {{component: string, run: number, key: string, state: string, at: string}} Attempt
 */

const MOST_PACKAGES = 20 // of a component

/**
 * @param {object} what
 * @param {import('./components.cjs').Config} what.config
 * @param {Omit<import('./plan.cjs').Plan, 'unchanged'>} what.plan
 * @param {Memory} [what.memory] the manifest before
 * @param {{[job: string]: string}} what.results a job that was not allowed to deploy is "skipped"
 * @param {{[component: string]: string | undefined}} what.digests of the packages that this run holds
 * @param {{[component: string]: number}} [what.runs] which runs hold a package, if this run has started them
 * @param {number} what.run
 * @param {string} what.commit
 * @param {string} what.environment
 * @param {string} what.at now
 * @param {string} what.planned when the plan was made
 * @returns {Memory}
 */
function remember({ config, plan, memory, results, digests, runs = {}, run, commit, environment, at: now, planned }) {
  const expires = new Date(Date.parse(now) + config.environments[environment].days * DAY).toISOString()
  const components = { ...memory?.components }
  for (const name of plan.removed) delete components[name]

  for (const name of plan.check) record(name, 'checked', results[`${name}-build`])
  for (const name of plan.carry) {
    const before = lookUp(components, name)
    const isDeployed = config.components[name].deployed.includes(environment)
    if (!isComplete(name)) continue
    if (!isDeployed) record(name, 'carried', 'success')
    else if (before?.state === 'success' && before.deployKey === plan.deployKeys[name]) {
      components[name] = { ...before, key: plan.keys[name], package: packageOf(name), takes: takenBy(name) }
    }
  }
  for (const name of plan.deploy) record(name, 'deployed', results[`${name}-${environment}`])

  const held = Object.keys(digests).filter(name => digests[name])
  const packages = Object.fromEntries([...new Set([...held, ...Object.keys(memory?.packages ?? {})])].map(name => {
    const old = (lookUp(memory?.packages, name) ?? []).filter(one => Date.parse(one.expires) >= Date.parse(now))
    const fresh = held.includes(name) && packageOf(name)
    return [name, !fresh || old.includes(fresh) ? old : [fresh, ...old.filter(one => one.run !== fresh.run)].slice(0, MOST_PACKAGES)]
  }))
  return { version: FORMAT, commit, run, planned, keys: plan.keys, components, packages }

  /**
   * @param {string} name
   * @param {Entry['kind']} kind
   * @param {string} [result]
   */
  function record(name, kind, result = 'skipped') {
    if (result === 'skipped') return
    components[name] = {
      state: result === 'success' ? 'success' : 'failure', kind, commit, run, key: plan.keys[name],
      deployKey: plan.deployKeys[name], package: packageOf(name), takes: takenBy(name), perEnvironment: config.components[name].perEnvironment,
    }
  }

  /**
   * The package that this run has made or has taken from another run. A re-run finds the one it has made before.
   * @param {string} name
   * @returns {Package | null}
   */
  function packageOf(name) {
    const found = lookUp(plan.packages, name)
    const digest = lookUp(digests, name)
    if (!digest) return found ?? null
    // A package from another run keeps the commit that it was built from.
    const holder = lookUp(runs, name) ?? run
    const copy = found && found.digest !== digest ? { of: found.digest } : {}
    const made = { key: plan.keys[name], commit, ...found, ...copy, digest, run: holder, environment, expires }
    return lookUp(memory?.packages, name)?.find(one => one.run === holder && one.digest === digest) ?? made
  }

  /** @param {string} name */
  function takenBy(name) {
    return Object.fromEntries(Object.keys(plan.taken[name]).flatMap(producer => {
      const found = packageOf(producer)
      return found ? [[producer, found]] : []
    }))
  }

  /**
   * Whether later environments can take a component from here: its package and those that it takes are
   * here, and its build has succeeded, if one was planned.
   * @param {string} name
   */
  function isComplete(name) {
    const isBuilt = !plan.build.includes(name) || results[`${name}-build`] === 'success'
    return isBuilt && [...config.components[name].package ? [name] : [], ...Object.keys(plan.taken[name])].every(packageOf)
  }
}

/**
 * The manifest, corrected by the attempts of other runs since. Their packages are unknown, so such an
 * attempt confirms an entry only if it has succeeded with the same key.
 * @param {Memory} memory
 * @param {Attempt[]} attempts
 * @returns {Memory}
 */
function overtaken(memory, attempts) {
  const components = { ...memory.components }
  const newest = new Map([...attempts].sort((a, b) => Date.parse(a.at) - Date.parse(b.at)).map(one => [one.component, one]))
  for (const [name, { key, state }] of newest) {
    const entry = lookUp(components, name)
    if (entry?.kind === 'deployed' && !(state === 'success' && key === entry.deployKey)) components[name] = { ...entry, state: 'unknown' }
  }
  return { ...memory, components }
}

module.exports = { remember, overtaken }
