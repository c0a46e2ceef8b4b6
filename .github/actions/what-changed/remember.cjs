// @ts-check
// Tells what an environment knows at the end of a run.
const { DAY } = require('../shared/time.cjs')
const { at } = require('./components.cjs')
const { FORMAT } = require('./plan.cjs')

/**
 * @typedef {import('./plan.cjs').Entry} Entry
 * @typedef {import('./plan.cjs').Memory} Memory
 * @typedef {import('./plan.cjs').Package} Package
 * @typedef {{component: string, run: number, key: string, state: string, at: string}} Attempt
 */

const MANY = 20 // packages of a component

/**
 * @param {object} what
 * @param {import('./components.cjs').Config} what.config
 * @param {Omit<import('./plan.cjs').Plan, 'unchanged'>} what.plan
 * @param {Memory} [what.memory] what this environment knew before
 * @param {{[job: string]: string}} what.results a job that was not let deploy is "skipped"
 * @param {{[component: string]: string | undefined}} what.digests of the packages that this run holds
 * @param {{[component: string]: number}} [what.runs] of the packages that it does not hold itself, because it has started runs
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

  for (const name of plan.check) note(name, 'checked', results[`${name}-build`])
  for (const name of plan.carry) {
    const before = at(components, name)
    const isDeployed = config.components[name].deployed.includes(environment)
    if (!isComplete(name)) continue
    if (!isDeployed) note(name, 'carried', 'success')
    else if (before?.state === 'success' && before.deployKey === plan.deployKeys[name]) {
      components[name] = { ...before, key: plan.keys[name], package: packageOf(name), takes: takenBy(name) }
    }
  }
  for (const name of plan.deploy) note(name, 'deployed', results[`${name}-${environment}`])

  const held = Object.keys(digests).filter(name => digests[name])
  const packages = Object.fromEntries([...new Set([...held, ...Object.keys(memory?.packages ?? {})])].map(name => {
    const old = (at(memory?.packages, name) ?? []).filter(one => Date.parse(one.expires) >= Date.parse(now))
    const fresh = held.includes(name) && packageOf(name)
    return [name, !fresh || old.includes(fresh) ? old : [fresh, ...old.filter(one => one.run !== fresh.run)].slice(0, MANY)]
  }))
  return { version: FORMAT, commit, run, planned, keys: plan.keys, components, packages }

  /**
   * @param {string} name
   * @param {Entry['kind']} kind
   * @param {string} [result]
   */
  function note(name, kind, result = 'skipped') {
    if (result === 'skipped') return
    components[name] = {
      state: result === 'success' ? 'success' : 'failure', kind, commit, run, key: plan.keys[name],
      deployKey: plan.deployKeys[name], package: packageOf(name), takes: takenBy(name), perEnvironment: config.components[name].perEnvironment,
    }
  }

  /**
   * The package of this run, or the one that it has taken from another. A re-run has what is there already.
   * @param {string} name
   * @returns {Package | null}
   */
  function packageOf(name) {
    const found = at(plan.packages, name)
    const digest = at(digests, name)
    if (!digest) return found ?? null
    // What is brought over from another run still says which commit it was built from.
    const holder = at(runs, name) ?? run
    const copy = found && found.digest !== digest ? { of: found.digest } : {}
    const made = { key: plan.keys[name], commit, ...found, ...copy, digest, run: holder, environment, expires }
    return at(memory?.packages, name)?.find(one => one.run === holder && one.digest === digest) ?? made
  }

  /** @param {string} name */
  function takenBy(name) {
    return Object.fromEntries(Object.keys(plan.taken[name]).flatMap(producer => {
      const found = packageOf(producer)
      return found ? [[producer, found]] : []
    }))
  }

  /**
   * Whether there is all that goes on to later environments: the package, if it has one, those that it
   * takes, and the success of what was to be built.
   * @param {string} name
   */
  function isComplete(name) {
    const isBuilt = !plan.build.includes(name) || results[`${name}-build`] === 'success'
    return isBuilt && [...config.components[name].package ? [name] : [], ...Object.keys(plan.taken[name])].every(packageOf)
  }
}

/**
 * What is known when others have deployed since. Their packages are not known, so the newest attempt
 * only confirms what succeeded with the same key.
 * @param {Memory} memory
 * @param {Attempt[]} attempts
 * @returns {Memory}
 */
function overtaken(memory, attempts) {
  const components = { ...memory.components }
  const newest = new Map([...attempts].sort((a, b) => Date.parse(a.at) - Date.parse(b.at)).map(one => [one.component, one]))
  for (const [name, { key, state }] of newest) {
    const entry = at(components, name)
    if (entry?.kind === 'deployed' && !(state === 'success' && key === entry.deployKey)) components[name] = { ...entry, state: 'unknown' }
  }
  return { ...memory, components }
}

module.exports = { remember, overtaken }
