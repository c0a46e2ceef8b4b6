// @ts-check
// Finds the component of a file, and makes keys: hashes of all that goes into a package or a deployment.
const { createHash } = require('node:crypto')
const { followers, takes } = require('./components.cjs')

/**
 * @typedef {import('./components.cjs').Component} Component
 * @typedef {import('./components.cjs').Config} Config
 * @typedef {[path: string, object: string][]} Tree the files of a commit, each with its mode and object id
 * @typedef {{[component: string]: string}} Keys
 */

const VERSION = 1 // of the keys: with a new version, everything is deployed once
const ACTIONS = '.github/actions/'
const CONFIG = `${ACTIONS}what-changed/components.json`
// These files do not belong to a component in the root: a change of another component's pipeline does not
// affect it.
const GENERATED = ['.github/', 'docs/ci-cd.md', '.copier-answers']
const BUILDER_DIGITS = 8 // first digits of a build key: the hash of the workflow and the actions
const PLACEHOLDER = '{environment}'
const SUBMODULE = '160000 ' // the mode of a submodule
/** @type {{[wildcard: string]: string}} */
const WILDCARDS = { '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' }

/**
 * @param {Tree[number]} a
 * @param {Tree[number]} b
 */
const byPath = ([a], [b]) => Number(a > b) - Number(a < b)

/** @param {unknown[]} parts */
const digest = (...parts) => createHash('sha256').update(JSON.stringify([VERSION, ...parts])).digest('hex')

/** @param {string} path */
const isGenerated = path => GENERATED.some(start => path.startsWith(start))

/**
 * Whether a path matches the name of a file or folder, or a pattern.
 * @param {string} text
 * @returns {(path: string) => boolean}
 */
function matches(text) {
  const name = text.replace(/^\/+|\/+$/g, '')
  if (['', '.'].includes(name)) return path => !isGenerated(path)
  if (!/[*?]/.test(name)) return path => path === name || path.startsWith(`${name}/`)
  const source = name.replace(/\*\*\/|\*\*|[*?]|[\\^$.|+()[\]{}]/g, part => WILDCARDS[part] ?? `\\${part}`)
  const expression = new RegExp(`^${source}$`, 'su')
  return path => expression.test(path)
}

/**
 * Whether the files that a text names may be in a submodule, or around it. Git does not list a submodule's files.
 * @param {string} text
 * @returns {(path: string) => boolean}
 */
function mayTouch(text) {
  const name = text.replace(/^\/+|\/+$/g, '')
  const start = /[*?]/.test(name) ? name.replace(/[^/]*[*?].*/s, '') : `${name}/`
  return path => start.startsWith(`${path}/`) || `${path}/`.startsWith(start)
}

/** @param {Component} component */
const hasFilesPerEnvironment = ({ files }) => files.some(text => text.includes(PLACEHOLDER))

/**
 * Tells whether a path belongs to a component, in any of these environments. `object`, the mode and id of
 * the path, shows whether it is a submodule.
 * @param {Component} component
 * @param {string[]} environments
 * @returns {(path: string, object?: string) => boolean}
 */
function ownerIn(component, environments) {
  const owners = (hasFilesPerEnvironment(component) ? environments : ['']).map(environment => {
    const files = component.files.map(text => text.replaceAll(PLACEHOLDER, environment))
    const excluded = files.filter(text => text.startsWith('!')).map(text => matches(text.slice(1)))
    const named = files.filter(text => !text.startsWith('!'))
    const [inside, around] = [named.map(matches), named.map(mayTouch)]
    return (/** @type {string} */ path, /** @type {string} */ object) => {
      const isNamed = inside.some(isMatch => isMatch(path)) || (object.startsWith(SUBMODULE) && around.some(isMatch => isMatch(path)))
      return isNamed && !excluded.some(isMatch => isMatch(path))
    }
  })
  return (path, object = '') => owners.some(isOwner => isOwner(path, object))
}

/**
 * @param {Component} component
 * @param {string[]} environments
 * @param {Tree} tree
 */
function filesOf(component, environments, tree) {
  const isOwner = ownerIn(component, environments)
  return tree.filter(([path, object]) => isOwner(path, object)).sort(byPath)
}

/**
 * The files of the pipeline. They are searched many times, so they are selected once.
 * @param {Tree} tree
 */
const pipelineIn = tree => tree.filter(([path]) => path.startsWith('.github/'))

/**
 * The files that all components share: the actions.
 * @param {Tree} pipeline
 */
const common = pipeline => pipeline.filter(([path]) => path.startsWith(ACTIONS) && path !== CONFIG).sort(byPath)

/**
 * @param {Tree} pipeline
 * @param {string} component
 * @param {'build' | 'deploy'} kind
 */
const workflow = (pipeline, component, kind) => pipeline.find(([path]) => path === `.github/workflows/${component}-${kind}.yml`)

/**
 * The environments for which a package is built: this one, and all later ones that deploy it. Without one: all.
 * @param {Config} config
 * @param {string} name
 * @param {string | undefined} environment
 */
function builtFor(config, name, environment) {
  if (!environment) return Object.keys(config.environments)
  const { perEnvironment, deployed } = config.components[name]
  return perEnvironment ? [environment] : [environment, ...followers(config, environment)].filter(one => deployed.includes(one))
}

/**
 * The build key of each component: a hash of its files, its build workflow, the actions, and the
 * packages that it takes.
 * @param {object} what
 * @param {Config} what.config
 * @param {string} [what.environment] left out for a pull request
 * @param {Tree} what.tree the files of the commit that is built
 * @param {Tree} what.pipeline the files of the commit whose workflows run
 * @param {Keys} [what.given] known keys: only those of components that are built for each environment are added
 * @param {string[]} [what.names] the components whose keys are wanted
 * @returns {Keys}
 */
function keysOf({ config, environment, tree, pipeline, given, names = Object.keys(config.components) }) {
  /** @type {Keys} */
  const keys = { ...given }
  const shared = digest(common(pipeline))
  for (const name of names) keyOf(name)
  return keys

  /**
   * @param {string} name
   * @returns {string | undefined}
   */
  function keyOf(name) {
    const component = config.components[name]
    if (Object.hasOwn(keys, name)) return keys[name]
    if (!names.includes(name) || (given && !component.perEnvironment)) return
    const taken = takes(config, name).map(producer => [producer, keyOf(producer)])
    if (taken.some(([, key]) => !key)) return
    const files = filesOf(component, builtFor(config, name, environment), tree)
    const builder = digest(workflow(pipeline, name, 'build'), shared).slice(0, BUILDER_DIGITS)
    keys[name] = builder + digest('build', name, files, taken, component.perEnvironment && environment).slice(0, 16)
    return keys[name]
  }
}

/**
 * The deploy key of a component: a hash of the package, the deploy workflow, the actions, and the packages
 * that it takes. If the package has files for several environments, only those for this one count.
 * @param {object} what
 * @param {Config} what.config
 * @param {string} what.environment
 * @param {string} what.name the component
 * @param {string} what.key its build key
 * @param {Keys} what.taken the build keys of the packages that it takes
 * @param {Tree} what.tree
 * @param {Tree} what.pipeline
 */
function deployKey({ config, environment, name, key, taken, tree, pipeline }) {
  const component = config.components[name]
  const isShared = hasFilesPerEnvironment(component) && !component.perEnvironment
  const content = isShared ? [filesOf(component, [environment], tree), key.slice(0, BUILDER_DIGITS)] : key
  const deploy = workflow(pipeline, name, 'deploy')
  return digest('deploy', name, content, deploy, common(pipeline), Object.entries(taken).sort()).slice(0, 12)
}

module.exports = { isGenerated, ownerIn, pipelineIn, common, workflow, keysOf, deployKey }
