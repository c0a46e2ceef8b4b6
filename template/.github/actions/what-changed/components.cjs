// @ts-check
// Finds the components of an environment, and those whose packages they take.

/**
 * @typedef {{files: string[], takes: string[], after?: string[], deployed: string[], checked: string[], builds: boolean,
 *   package: boolean, perEnvironment: boolean}} Component an entry of components.json; `checked`: the environments that build it only
 *   for its checks
 * @typedef {{components: {[name: string]: Component}, environments: {[name: string]: {after: string, days: number}}}} Config
 */

/**
 * @template T
 * @param {{[name: string]: T} | undefined} map
 * @param {string} name
 */
const lookUp = (map, name) => map && Object.hasOwn(map, name) ? map[name] : undefined

/**
 * @param {Config} config
 * @param {string} environment
 */
const members = ({ components }, environment) => Object.keys(components).filter(name => components[name].deployed.includes(environment))

/**
 * The given components, and all components whose packages they take, directly or indirectly.
 * @param {Config} config
 * @param {string[]} names
 */
function producers(config, names) {
  const found = new Set(names)
  for (const name of found) for (const producer of takes(config, name)) found.add(producer)
  return found
}

/**
 * The components that an environment uses: its own (those for which `counts` is true), and the producers of
 * those that it builds.
 * @param {Config} config
 * @param {string} environment
 * @param {(name: string) => unknown} [counts]
 */
const uses = (config, environment, counts = () => true) => new Set(members(config, environment).filter(counts)
  .flatMap(name => config.components[name].perEnvironment ? [...producers(config, [name])] : [name]))

/**
 * The producers whose packages a component takes.
 * @param {Config} config
 * @param {string} name
 */
const takes = ({ components }, name) => components[name].takes.filter(producer => Object.hasOwn(components, producer)).sort()

/**
 * All later environments of the chain.
 * @param {Config} config
 * @param {string} environment
 * @returns {string[]}
 */
function followers({ environments }, environment) {
  const found = [environment]
  for (const before of found) found.push(...Object.keys(environments).filter(name => environments[name].after === before))
  return found.slice(1)
}

module.exports = { lookUp, followers, members, producers, takes, uses }
