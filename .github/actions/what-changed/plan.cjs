// @ts-check
// Decides what a run builds and deploys. What is left out has proof: its newest attempt succeeded with
// exactly what it would get now.
const { DAY } = require('../shared/time.cjs')
const { at, followers, members, producers, takes, uses } = require('./components.cjs')
const { deployKey, isGenerated, keysOf, ownerIn, pipelineIn, workflow } = require('./contents.cjs')

/**
 * @typedef {import('./components.cjs').Config} Config
 * @typedef {import('./contents.cjs').Keys} Keys
 * @typedef {import('./contents.cjs').Tree} Tree
 * @typedef {{key: string, digest: string, run: number, commit: string, environment: string, expires: string, of?: string}} Package
 *   the artifact of a run; `digest` is that of its manifest, or, where a run of its own has built it, GitHub's of the
 *   archive; `of`: the digest of what it is a copy of, if that is another
 * @typedef {{state: 'success' | 'failure' | 'unknown', kind: 'deployed' | 'carried' | 'checked', commit: string, key: string,
 *   deployKey: string, package: Package | null, takes: {[producer: string]: Package}, run: number, perEnvironment: boolean}} Entry
 *   what became of a component's newest attempt
 * @typedef {{version: number, commit: string, run: number, planned: string, keys: Keys, components: {[name: string]: Entry},
 *   packages: {[name: string]: Package[]}}} Memory what an environment knows; `keys` are those of its commit
 * @typedef {{[component: string]: string}} Reasons
 * @typedef {{build: string[], deploy: string[], carry: string[], check: string[], packages: {[component: string]: Package},
 *   taken: {[consumer: string]: {[producer: string]: Package | null}}, reasons: Reasons, unchanged: {[component: string]: Entry},
 *   refused: string[], removed: string[], keys: Keys, deployKeys: Keys, nobody: string[], relies: [component: string, Package][]}} Plan
 *   `carry`: what goes on to later environments without being deployed here; `check`: what is built for
 *   its checks; `nobody`: files that changed and are no component's (pull requests); `relies`: the packages
 *   that have to be there
 * @typedef {{config: Config, environment: string, tree: Tree, pipeline: Tree, memory: {[environment: string]: Memory},
 *   now: string, all?: boolean}} Situation
 */

const FORMAT = 1 // of the memory
const MARGIN = 7 // days that a package is kept, at least, when a later environment still has to take it

/** @type {() => Plan} */
const nothing = () => ({
  build: [], deploy: [], carry: [], check: [], packages: {}, taken: {}, reasons: {}, unchanged: {}, refused: [], removed: [],
  keys: {}, deployKeys: {}, nobody: [], relies: [],
})

/**
 * Whether the newest attempt has proved that nothing is to do.
 * @param {Entry | undefined} entry
 * @param {Entry['kind']} kind
 * @param {string | undefined} key
 */
const isClean = (entry, kind, key) =>
  entry?.state === 'success' && entry.kind === kind && (kind === 'deployed' ? entry.deployKey : entry.key) === key

/**
 * The environment with which the chain of one begins: it builds.
 * @param {Config} config
 * @param {string} environment
 * @returns {string}
 */
function first(config, environment) {
  const { after } = config.environments[environment]
  return after ? first(config, after) : environment
}

/** @param {Entry | undefined} entry */
function why(entry) {
  if (!entry) return 'new here'
  if (entry.state === 'failure') return `run ${entry.run} did not succeed`
  if (entry.state === 'unknown') return `deployed since run ${entry.run}, with other contents or without success`
  return `changed since run ${entry.run}`
}

/**
 * What a source environment does: the first of its chain, which builds.
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
 * What an environment does that gets what another one had when a run of it succeeded.
 * @param {Situation & {manifest?: Memory, commit: string}} situation `commit`: the one that is asked for
 * @returns {Plan}
 */
function promoted({ manifest, commit, ...situation }) {
  const { config, environment, tree } = situation
  const pipeline = pipelineIn(situation.pipeline)
  if (manifest?.version !== FORMAT) {
    return { ...nothing(), refused: [`There is nothing to promote: start orchestrator-${first(config, environment)}.yml with commit ${commit}`] }
  }
  const had = Object.fromEntries(Object.entries(manifest.components).filter(([name, { state, kind, key }]) =>
    Object.hasOwn(config.components, name) && state === 'success' && kind !== 'checked' && key === manifest.keys[name]))
  const names = Object.keys(config.components).filter(name => Object.hasOwn(had, name))
  const given = Object.fromEntries(names.filter(name => !config.components[name].perEnvironment).map(name => [name, had[name].key]))
  const keys = keysOf({ config, environment, tree, pipeline, given, names })
  return decide({ ...situation, pipeline }, keys, names, { ...manifest, components: had })
}

/**
 * @param {Situation} situation
 * @param {Keys} keys
 * @param {string[]} names
 * @param {Memory} [manifest]
 */
function decide({ config, environment, tree, pipeline, memory, now, all = false }, keys, names, manifest) {
  const { components, environments } = config
  const handed = manifest?.components ?? {}
  const own = memoryOf(environment)
  const later = followers(config, environment)
  const time = Date.parse(now)
  // A package that is kept for a week must not count as gone on its first day.
  const until = time + (later.length ? Math.min(MARGIN, environments[environment].days / 2) * DAY : 0)
  const here = members(config, environment)
  const left = here.filter(name => !names.includes(name)) // it stays as it is
  const deployKeys = deployKeysIn(environment)
  const lacks = later.map(where => ({ where, names: lackedBy(where) }))
  const plan = { ...nothing(), keys, deployKeys }
  /** @type {{[what in 'deploy' | 'carry' | 'check']: Reasons}} */
  const todo = { deploy: {}, carry: {}, check: {} }

  for (const name of names.filter(one => here.includes(one))) {
    const entry = at(own.components, name)
    if (!deployKeys[name]) plan.refused.push(`${name} takes a package that ${environments[environment].after} does not have`)
    else if (all || !isClean(entry, 'deployed', deployKeys[name])) todo.deploy[name] = all ? 'everything was asked for' : why(entry)
  }
  for (const name of names) addForLater(name)
  if (!manifest) for (const name of names) addCheck(name)
  findPackages()

  const logged = Object.entries(own.components)
  plan.unchanged = Object.fromEntries(logged.filter(([name]) => here.includes(name) && !left.includes(name) && !Object.hasOwn(todo.deploy, name)))
  plan.removed = logged.filter(([name, { kind }]) => kind === 'deployed' && !here.includes(name)).map(([name]) => name)
  const whyLeft = `left out, because run ${manifest?.run} tells of no success of it`
  plan.reasons = { ...todo.check, ...todo.carry, ...todo.deploy, ...Object.fromEntries(left.map(name => [name, whyLeft])) }
  if (plan.refused.length) return Object.assign(plan, { build: [], deploy: [], carry: [], check: [] })
  return Object.assign(plan, { deploy: Object.keys(todo.deploy), carry: Object.keys(todo.carry), check: Object.keys(todo.check) })

  /**
   * Whether a package is there until a time, as far as the memory tells.
   * @param {string} name
   * @param {Package | null} found
   * @param {number} end
   */
  function isKept(name, found, end) {
    if (!found || Date.parse(found.expires) < end) return false
    plan.relies.push([name, found])
    return true
  }

  /** @param {string} name */
  function memoryOf(name) {
    const known = at(memory, name)
    return known?.version === FORMAT ? known : { components: {}, packages: {} }
  }

  /**
   * The deploy keys in this or a later environment, as far as they can be known now.
   * @param {string} where
   * @returns {Keys}
   */
  function deployKeysIn(where) {
    const fixed = Object.fromEntries(Object.entries(keys).filter(([name]) => !components[name].perEnvironment))
    const there = where === environment ? keys : keysOf({ config, environment: where, tree, pipeline, given: fixed, names })
    return Object.fromEntries(names.flatMap(name => {
      const taken = Object.fromEntries(takes(config, name).map(producer => [producer, components[producer].perEnvironment
        ? there[producer]
        : at(handed, name)?.takes[producer]?.key ?? keys[producer]]))
      if (![there[name], ...Object.values(taken)].every(Boolean)) return []
      return [[name, deployKey({ config, environment: where, name, key: there[name], taken, tree, pipeline })]]
    }))
  }

  /**
   * Whatever a later environment uses has to be here, and, if it is lacking there, its packages, too.
   * @param {string} name
   */
  function addForLater(name) {
    if (Object.hasOwn(todo.deploy, name) || !deployKeys[name] || !later.some(where => uses(config, where).has(name))) return
    const entry = at(own.components, name)
    const isHere = here.includes(name)
    if (all || !entry || entry.key !== keys[name] || (!isHere && !isClean(entry, 'carried', keys[name]))) {
      todo.carry[name] = all ? 'everything was asked for' : why(entry)
      return
    }
    const lacking = lacks.find(({ names: lacked }) => lacked.has(name))
    const used = Object.entries({ ...components[name].package ? { [name]: entry.package } : {}, ...entry.takes })
    if (!lacking || used.every(([one, found]) => isKept(one, found, until))) return
    todo[isHere ? 'deploy' : 'carry'][name] = `${lacking.where} lacks it, and its package is gone or will be soon`
  }

  /**
   * What a later environment lacks, and what it builds some of that from.
   * @param {string} where
   */
  function lackedBy(where) {
    const wanted = deployKeysIn(where)
    return uses(config, where, name => keys[name] && !isClean(at(memoryOf(where).components, name), 'deployed', wanted[name]))
  }

  /**
   * What is deployed nowhere, and taken by nobody, is built for its checks when it has changed.
   * @param {string} name
   */
  function addCheck(name) {
    if (!components[name].checked.includes(environment)) return
    const entry = at(own.components, name)
    if (all || !isClean(entry, 'checked', keys[name])) todo.check[name] = all ? 'everything was asked for' : why(entry)
  }

  /** Finds a package for each component of which one is needed, or builds it. */
  function findPackages() {
    const asked = Object.keys({ ...todo.deploy, ...todo.carry, ...todo.check })
    const needed = new Set(asked)
    const build = new Set()
    for (const name of needed) {
      const component = components[name]
      const mayBuild = !manifest || component.perEnvironment
      if (!mayBuild && at(handed, name)?.perEnvironment) {
        plan.refused.push(`${name} was built for another environment: the next run of ${environments[environment].after} will do`)
      }
      const isNew = mayBuild && (all || Object.hasOwn(todo.check, name))
      const found = component.package && !isNew ? find(name, mayBuild) : undefined
      if (found) plan.packages[name] = found
      else if (mayBuild && component.builds) build.add(name)
      else if (component.package) plan.refused.push(isGone(name))
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
   * @param {boolean} isOwn whether this environment may build it, so that any package of the same contents will do
   */
  function find(name, isOwn) {
    const stock = at(own.packages, name) ?? []
    if (isOwn) return stock.find(one => one.key === keys[name] && isKept(name, one, manifest ? time : until))
    const packages = handedOn(name)
    const copies = stock.filter(({ digest, of }) => packages.some(one => one.digest === digest || one.digest === of))
    return [...packages, ...copies].find(one => isKept(name, one, time))
  }

  /**
   * The packages that the environment before had of a component: its own, and what others took.
   * @param {string} name
   * @returns {Package[]}
   */
  function handedOn(name) {
    const taken = Object.values(handed).map(entry => at(entry.takes, name))
    return [at(handed, name)?.package, ...taken].flatMap(one => one ?? [])
  }

  /** @param {string} name */
  function isGone(name) {
    const [{ run } = { run: undefined }] = handedOn(name)
    return `The package of ${name}${run ? `, of run ${run},` : ''} is gone: start orchestrator-${first(config, environment)}.yml with commit ${manifest?.commit}`
  }
}

/**
 * What a pull request or a merge group builds, compared with the commit where it has left the branch.
 * @param {{config: Config, tree: Tree, pipeline: Tree, base?: {config: Config, tree: Tree, pipeline: Tree}}} request
 * @returns {Plan}
 */
function pullRequest({ config, tree, pipeline, base }) {
  const keys = keysOf({ config, tree, pipeline })
  const before = base && keysOf(base)
  const isAffected = (/** @type {string} */ name) => !base || at(before, name) !== keys[name] ||
    workflow(base.pipeline, name, 'deploy')?.[1] !== workflow(pipeline, name, 'deploy')?.[1]
  const affected = Object.keys(config.components).filter(isAffected)
  const needed = producers(config, affected)
  const build = Object.keys(config.components).filter(name => needed.has(name) && config.components[name].builds)
  const taken = Object.fromEntries(build.map(name => [name, Object.fromEntries(takes(config, name).map(one => [one, null]))]))
  const reasons = Object.fromEntries(affected.map(name => [name, base ? 'changed' : 'there is nothing to compare it with']))
  return { ...nothing(), build, taken, reasons, keys, nobody: base ? ofNobody(config, base, tree) : [] }
}

/**
 * The files that differ, and are no component's before or after, and not the pipeline's.
 * @param {Config} config
 * @param {{config: Config, tree: Tree}} base
 * @param {Tree} tree
 */
function ofNobody(config, base, tree) {
  const [before, after] = [new Map(base.tree), new Map(tree)]
  const owners = [config, base.config].flatMap(({ components, environments }) =>
    Object.values(components).map(component => ownerIn(component, Object.keys(environments))))
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter(path => before.get(path) !== after.get(path) && !isGenerated(path) && !owners.some(isOwner => isOwner(path, after.get(path) ?? before.get(path))))
}

module.exports = { FORMAT, source, promoted, pullRequest, ofNobody }
