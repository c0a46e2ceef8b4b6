// @ts-check
const { execFileSync } = require('node:child_process')
const { escaped, table, mermaidGraph } = require('../shared/markdown.cjs')

// The commit that was checked out merges the change into its base. Its first parent is that base. Both
// are only read as text, because a fork can write anything into them.
const BASE = 'HEAD^1'
const CHANGE = 'HEAD'
/** @type {Record<string, string>} */
const CHANGES = { A: 'added', D: 'removed', M: 'changed', T: 'changed' }

/** @param {string[]} parameters */
const git = (...parameters) => execFileSync('git', parameters, { encoding: 'utf8', maxBuffer: 2 ** 24, stdio: ['ignore', 'pipe', 'pipe'] })

/** @param {{core: any}} tools */
module.exports = async ({ core }) => {
  const { ANSWERS_FILE = '' } = process.env
  try {
    await show()
  } catch (error) {
    // The graph is only shown: without it, the job succeeds all the same.
    core.warning(`The graph cannot be drawn: ${/** @type {Error} */ (error).message.trim().replace(/\s+/g, ' ')}`)
  }

  async function show() {
    const changes = git('diff', '-z', '--name-status', '--no-renames', BASE, CHANGE, '--', '.github/workflows', '.github/actions', ANSWERS_FILE)
    const files = [...changes.matchAll(/(\w)\0([^\0]*)\0/g)].map(([, status, file]) => [escaped(file), CHANGES[status]])
    if (!files.length) return
    const [before, after] = [graphOf(BASE), graphOf(CHANGE)]
    await core.summary.addRaw([
      '## This pull request changes the pipelines',
      '',
      '### Graph before',
      '',
      ...drawing(before, after, { removed: '#cf222e' }),
      '',
      '### Graph after',
      '',
      ...drawing(after, before, { added: '#1a7f37' }),
      '',
      ...table(['File', 'Change'], files),
      '',
    ].join('\n')).write()
  }

  /**
   * The graph of all components. The workflow of each orchestrator has the graph of its environment.
   * @param {string} commit
   * @returns {Record<string, string[]>}
   */
  function graphOf(commit) {
    /** @type {Map<string, string[]>} */
    const graph = new Map()
    const names = git('ls-tree', '-z', '--name-only', commit, '.github/workflows/').split('\0')
    for (const name of names.filter(file => /\/orchestrator-[\w-]+\.yml$/.test(file))) {
      const line = git('show', `${commit}:${name}`).match(/^ +graph: '(\{.*\})'\r?$/m)
      if (!line) continue
      try {
        for (const [component, others] of Object.entries(JSON.parse(line[1]))) {
          if (!graph.has(component)) graph.set(component, others.map(String))
        }
      } catch {
        core.warning(`The graph in ${name} is not valid JSON: run \`copier update\``)
      }
    }
    return Object.fromEntries(graph)
  }

  /**
   * @param {Record<string, string[]>} graph
   * @param {Record<string, string[]>} other
   * @param {Record<string, string>} colours the name and colour of components that the other graph does not have
   */
  function drawing(graph, other, colours) {
    const [word] = Object.keys(colours)
    return Object.keys(graph).length ? mermaidGraph(graph, name => Object.hasOwn(other, name) ? '' : word, colours) : ['There is no graph.']
  }
}
