// A `require` for scripts of actions/github-script. It runs each module of the repository anew, as a
// process of its own would, but compiles it again only when its text has changed.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import vm from 'node:vm'

const NAMES = ['exports', 'require', 'module', '__filename', '__dirname']
/** File -> its text, the module as a function, and what its `require` finds. */
const files = new Map()

function read(file, changes) {
  const known = files.get(file)
  if (known && !changes) return known
  const text = fs.readFileSync(file, 'utf8')
  if (known?.text === text) return known
  const run = vm.compileFunction(text, NAMES, { filename: file })
  const made = { text, run, require: createRequire(file), resolved: new Map() }
  files.set(file, made)
  return made
}

/**
 * @param {NodeJS.Require} first finds what the script itself requires
 * @param {(file: string) => boolean} isOwn whether a file is a module of the repository
 * @param {boolean} changes whether another text may come to lie at the same path
 */
export function loader(first, isOwn, changes = true) {
  const modules = new Map()
  const from = (require, resolved) => {
    const found = (name) => {
      let file = resolved.get(name)
      if (!file) resolved.set(name, file = require.resolve(name))
      if (!isOwn(file)) return require(name)
      if (modules.has(file)) return modules.get(file).exports
      const module = { exports: {} }
      modules.set(file, module)
      const known = read(file, changes)
      known.run(module.exports, from(known.require, known.resolved), module, file, path.dirname(file))
      return module.exports
    }
    return Object.assign(found, { resolve: require.resolve })
  }
  return from(first, new Map())
}
