// @ts-check
// Decides what a run builds and deploys. A component is left out only if its newest deployment succeeded
// with exactly the contents that it would get now.
const { DAY } = require('../shared/time.cjs')
const { lookUp, followers, members, producers, takes, uses } = require('./components.cjs')
const { deployKey, isGenerated, keysOf, ownerIn, pipelineIn, workflow } = require('./contents.cjs')

/**
 * @typedef {import('./components.cjs').Config} Config
 * @typedef {import('./contents.cjs').Keys} Keys
 * @typedef {import('./contents.cjs').Tree} Tree
 * @typedef {{key: string, digest: string, run: number, commit: string, environment: string, expires: string, of?: string}} Package
 *   the artifact of a run; `digest`: that of its manifest, or GitHub's digest of the archive if a component's own run
 *   has built it; `of`: the digest of the package that it is a copy of, if that is another one
 * @typedef {{state: 'success' | 'failure' | 'unknown', kind: 'deployed' | 'carried' | 'checked', commit: string, key: string,
 *   deployKey: string, package: Package | null, takes: {[producer: string]: Package}, run: number, perEnvironment: boolean}} Entry
 *   the result of the newest attempt to deploy a component
 * @typedef {{version: number, commit: string, run: number, planned: string, keys: Keys, components: {[name: string]: Entry},
 *   packages: {[name: string]: Package[]}}} Memory what was deployed to an environment; `keys`: of its commit
 * @typedef {{[component: string]: string}} Reasons
 * @typedef {{build: string[], deploy: string[], carry: string[], check: string[], packages: {[component: string]: Package},
 *   taken: {[consumer: string]: {[producer: string]: Package | null}}, reasons: Reasons, unchanged: {[component: string]: Entry},
 *   refused: string[], removed: string[], keys: Keys, deployKeys: Keys, nobody: string[], relies: [component: string, Package][]}} Plan
 *   `carry`: components that later environments need, and that are not deployed here; `check`: components that
 *   are built only for their checks; `nobody`: changed files that belong to no component (pull requests);
 *   `relies`: packages that must still exist
 * @typedef {{config: Config, environment: string, tree: Tree, pipeline: Tree, memory: {[environment: string]: Memory},
 *   now: string, all?: boolean}} Situation
 */

const FORMAT = 1 // the version of a manifest
const MARGIN = 7 // days that a package must still be kept, if a later environment has yet to take it

/** @type {() => Plan} */
const emptyPlan = () => ({
  build: [], deploy: [], carry: [], check: [], packages: {}, taken: {}, reasons: {}, unchanged: {}, refused: [], removed: [],
  keys: {}, deployKeys: {}, nobody: [], relies: [],
})

/**
 * Whether there is nothing to do, because the newest attempt has succeeded with the same key.
 * @param {Entry | undefined} entry
 * @param {Entry['kind']} kind
 * @param {string | undefined} key
 */
const isUpToDate = (entry, kind, key) =>
  entry?.state === 'success' && entry.kind === kind && (kind === 'deployed' ? entry.deployKey : entry.key) === key

/**
 * The first environment of the chain, which builds.
 * @param {Config} config
 * @param {string} environment
 * @returns {string}
 */
function firstOfChain(config, environment) {
  const { after } = config.environments[environment]
  return after ? firstOfChain(config, after) : environment
}

/** @param {Entry | undefined} entry */
function reasonFor(entry) {
  if (!entry) return 'new here'
  if (entry.state === 'failure') return `run ${entry.run} did not succeed`
  if (entry.state === 'unknown') return `deployed again after run ${entry.run}, with other contents or without success`
  return `changed since run ${entry.run}`
}

/**
 * The plan of a source environment: the first one of its chain, which builds.
 * @param {Situation} situation
 * @returns {Plan}
 */
function source(situation) {
  const { config, environment, tree } = situation
  const pipeline = pipelineIn(situation.pipeline)
  const keys = keysOf({ config, environment, tree, pipeline })
  return decide({ ...situation, pipeline }, keys, Object.keys(config.components))
}

/**
 * The plan of an environment that gets what the environment before had when a run there succeeded.
 * @param {Situation & {manifest?: Memory, commit: string}} situation `commit`: the commit to deploy
 * @returns {Plan}
 */
function promoted({ manifest, commit, ...situation }) {
  const { config, environment, tree } = situation
  const pipeline = pipelineIn(situation.pipeline)
  if (manifest?.version !== FORMAT) {
    return { ...emptyPlan(), refused: [`There is nothing to promote: start orchestrator-${firstOfChain(config, environment)}.yml with commit ${commit}`] }
  }
  const deployedBefore = Object.fromEntries(Object.entries(manifest.components).filter(([name, { state, kind, key }]) =>
    Object.hasOwn(config.components, name) && state === 'success' && kind !== 'checked' && key === manifest.keys[name]))
  const names = Object.keys(config.components).filter(name => Object.hasOwn(deployedBefore, name))
  const given = Object.fromEntries(names.filter(name => !config.components[name].perEnvironment).map(name => [name, deployedBefore[name].key]))
  const keys = keysOf({ config, environment, tree, pipeline, given, names })
  return decide({ ...situation, pipeline }, keys, names, { ...manifest, components: deployedBefore })
}

/**
 * @param {Situation} situation
 * @param {Keys} keys
 * @param {string[]} names
 * @param {Memory} [manifest]
 */
function decide({ config, environment, tree, pipeline, memory, now, all = false }, keys, names, manifest) {
  const { components, environments } = config
  const entriesBefore = manifest?.components ?? {}
  const ownMemory = memoryOf(environment)
  const [previous, later] = [environments[environment].after, followers(config, environment)]
  const time = Date.parse(now)
  // A package that is kept for only a week must not count as gone on its first day.
  const until = time + (later.length ? Math.min(MARGIN, environments[environment].days / 2) * DAY : 0)
  const here = members(config, environment)
  const leftOut = here.filter(name => !names.includes(name)) // these stay as they are
  const deployKeys = deployKeysIn(environment)
  const lacks = later.map(where => ({ where, names: lackedBy(where) }))
  const plan = { ...emptyPlan(), keys, deployKeys }
  /** @type {{[what in 'deploy' | 'carry' | 'check']: Reasons}} */
  const todo = { deploy: {}, carry: {}, check: {} }

  for (const name of names.filter(one => here.includes(one))) {
    const entry = lookUp(ownMemory.components, name)
    if (!deployKeys[name]) plan.refused.push(`${name} takes a package that ${previous} does not have: start orchestrator-${previous}.yml first`)
    else if (all || !isUpToDate(entry, 'deployed', deployKeys[name])) todo.deploy[name] = all ? 'everything was requested' : reasonFor(entry)
  }
  for (const name of names) addForLater(name)
  if (!manifest) for (const name of names) addCheck(name)
  findPackages()

  const logged = Object.entries(ownMemory.components)
  plan.unchanged = Object.fromEntries(logged.filter(([name]) => here.includes(name) && !leftOut.includes(name) && !Object.hasOwn(todo.deploy, name)))
  plan.removed = logged.filter(([name, { kind }]) => kind === 'deployed' && !here.includes(name)).map(([name]) => name)
  const whyLeftOut = `left out, because run ${manifest?.run} has not deployed it successfully`
  plan.reasons = { ...todo.check, ...todo.carry, ...todo.deploy, ...Object.fromEntries(leftOut.map(name => [name, whyLeftOut])) }
  if (plan.refused.length) return Object.assign(plan, { build: [], deploy: [], carry: [], check: [] })
  return Object.assign(plan, { deploy: Object.keys(todo.deploy), carry: Object.keys(todo.carry), check: Object.keys(todo.check) })

  /**
   * Whether a package is kept until a given time, as far as the manifest says.
   * @param {string} name
   * @param {Package | null} found
   * @param {number} end
   */
  function isAvailable(name, found, end) {
    if (!found || Date.parse(found.expires) < end) return false
    plan.relies.push([name, found])
    return true
  }

  /** @param {string} name */
  function memoryOf(name) {
    const known = lookUp(memory, name)
    return known?.version === FORMAT ? known : { components: {}, packages: {} }
  }

  /**
   * The deploy keys in this or a later environment, as far as they are known now.
   * @param {string} where
   * @returns {Keys}
   */
  function deployKeysIn(where) {
    const fixed = Object.fromEntries(Object.entries(keys).filter(([name]) => !components[name].perEnvironment))
    const there = where === environment ? keys : keysOf({ config, environment: where, tree, pipeline, given: fixed, names })
    /** @type {Keys} */
    const found = {}
    for (const name of names) {
      const before = lookUp(entriesBefore, name)?.takes ?? {}
      const taken = Object.fromEntries(takes(config, name).map(producer =>
        [producer, components[producer].perEnvironment ? there[producer] : before[producer]?.key ?? keys[producer]]))
      const areKnown = [there[name], ...Object.values(taken)].every(Boolean)
      if (areKnown) found[name] = deployKey({ config, environment: where, name, key: there[name], taken, tree, pipeline })
    }
    return found
  }

  /**
   * A later environment takes components from here. The packages of those that it lacks must still be here.
   * @param {string} name
   */
  function addForLater(name) {
    if (Object.hasOwn(todo.deploy, name) || !deployKeys[name] || !later.some(where => uses(config, where).has(name))) return
    const entry = lookUp(ownMemory.components, name)
    const isHere = here.includes(name)
    if (all || !entry || entry.key !== keys[name] || (!isHere && !isUpToDate(entry, 'carried', keys[name]))) {
      todo.carry[name] = all ? 'everything was requested' : reasonFor(entry)
      return
    }
    const lacking = lacks.find(({ names: lacked }) => lacked.has(name))
    const used = Object.entries({ ...components[name].package ? { [name]: entry.package } : {}, ...entry.takes })
    if (!lacking || used.every(([one, found]) => isAvailable(one, found, until))) return
    todo[isHere ? 'deploy' : 'carry'][name] = `${lacking.where} lacks it, and its package is gone or will expire soon`
  }

  /**
   * The components that a later environment lacks, and the producers that it needs to build some of them.
   * @param {string} where
   */
  function lackedBy(where) {
    const wanted = deployKeysIn(where)
    return uses(config, where, name => keys[name] && !isUpToDate(lookUp(memoryOf(where).components, name), 'deployed', wanted[name]))
  }

  /**
   * A component that is not deployed, and that no other component takes, is built for its checks if it has changed.
   * @param {string} name
   */
  function addCheck(name) {
    if (!components[name].checked.includes(environment)) return
    const entry = lookUp(ownMemory.components, name)
    if (all || !isUpToDate(entry, 'checked', keys[name])) todo.check[name] = all ? 'everything was requested' : reasonFor(entry)
  }

  /** Finds a package for each component that needs one, or plans its build. */
  function findPackages() {
    const asked = Object.keys({ ...todo.deploy, ...todo.carry, ...todo.check })
    const needed = new Set(asked)
    const build = new Set()
    for (const name of needed) {
      const component = components[name]
      const mayBuild = !manifest || component.perEnvironment
      if (!mayBuild && lookUp(entriesBefore, name)?.perEnvironment) {
        plan.refused.push(`The package of ${name} was built for another environment: start orchestrator-${previous}.yml first`)
      }
      const isNew = mayBuild && (all || Object.hasOwn(todo.check, name))
      const found = component.package && !isNew ? find(name, mayBuild) : undefined
      if (found) plan.packages[name] = found
      else if (mayBuild && component.builds) build.add(name)
      else if (component.package) plan.refused.push(goneMessage(name))
      if (asked.includes(name) || build.has(name)) for (const producer of takes(config, name)) needed.add(producer)
    }
    for (const name of needed) {
      if (!asked.includes(name) && !build.has(name)) continue
      plan.taken[name] = Object.fromEntries(takes(config, name).map(producer => [producer, plan.packages[producer] ?? null]))
    }
    plan.build = Object.keys(components).filter(name => build.has(name))
  }

  /**
   * @param {string} name
   * @param {boolean} mayBuild whether this environment may build it, and so take any package with the same contents
   */
  function find(name, mayBuild) {
    const stock = lookUp(ownMemory.packages, name) ?? []
    if (mayBuild) return stock.find(one => one.key === keys[name] && isAvailable(name, one, manifest ? time : until))
    const packages = packagesBefore(name)
    const copies = stock.filter(({ digest, of }) => packages.some(one => one.digest === digest || one.digest === of))
    return [...packages, ...copies].find(one => isAvailable(name, one, time))
  }

  /**
   * The packages of a component in the environment before: its own, and those that other components took.
   * @param {string} name
   * @returns {Package[]}
   */
  function packagesBefore(name) {
    const taken = Object.values(entriesBefore).map(entry => lookUp(entry.takes, name))
    return [lookUp(entriesBefore, name)?.package, ...taken].flatMap(one => one ?? [])
  }

  /** @param {string} name */
  function goneMessage(name) {
    const [{ run } = { run: undefined }] = packagesBefore(name)
    return `The package of ${name}${run ? `, of run ${run},` : ''} is gone: start orchestrator-${firstOfChain(config, environment)}.yml with commit ${manifest?.commit}`
  }
}

/**
 * The plan of a pull request or a merge group, compared with the commit where it left its target branch.
 * @param {{config: Config, tree: Tree, pipeline: Tree, base?: {config: Config, tree: Tree, pipeline: Tree}}} request
 * @returns {Plan}
 */
function pullRequest({ config, tree, pipeline, base }) {
  const keys = keysOf({ config, tree, pipeline })
  const before = base && keysOf(base)
  const isAffected = (/** @type {string} */ name) => !base || lookUp(before, name) !== keys[name] ||
    workflow(base.pipeline, name, 'deploy')?.[1] !== workflow(pipeline, name, 'deploy')?.[1]
  const affected = Object.keys(config.components).filter(isAffected)
  const needed = producers(config, affected)
  const build = Object.keys(config.components).filter(name => needed.has(name) && config.components[name].builds)
  const taken = Object.fromEntries(build.map(name => [name, Object.fromEntries(takes(config, name).map(one => [one, null]))]))
  const reasons = Object.fromEntries(affected.map(name => [name, base ? 'changed' : 'there is nothing to compare it with']))
  return { ...emptyPlan(), build, taken, reasons, keys, nobody: base ? unownedFiles(config, base, tree) : [] }
}

/**
 * The changed files that belong to no component, before or after, and that were not generated.
 * @param {Config} config
 * @param {{config: Config, tree: Tree}} base
 * @param {Tree} tree
 */
function unownedFiles(config, base, tree) {
  const [before, after] = [new Map(base.tree), new Map(tree)]
  const owners = [config, base.config].flatMap(({ components, environments }) =>
    Object.values(components).map(component => ownerIn(component, Object.keys(environments))))
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter(path => before.get(path) !== after.get(path) && !isGenerated(path) && !owners.some(isOwner => isOwner(path, after.get(path) ?? before.get(path))))
}

module.exports = { FORMAT, source, promoted, pullRequest, unownedFiles }
