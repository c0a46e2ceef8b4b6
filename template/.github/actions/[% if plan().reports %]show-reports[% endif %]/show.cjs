// @ts-check
const { execFileSync } = require('node:child_process')
const { globSync, readFileSync, statSync } = require('node:fs')
const path = require('node:path')
const { escaped, table } = require('../shared/markdown.cjs')
const read = require('./read.cjs')

const FILES = 1000
const BYTES = 20 * 2 ** 20
const SHOWN = 50
const CHARACTERS = 300

/** @param {string} text from a report, for a cell of a table */
const cell = text => escaped(text.slice(0, CHARACTERS).trim())

/** @param {{core: any}} tools */
module.exports = async ({ core }) => {
  const { FOLDER, PATTERNS, REPORTS } = /** @type {Record<string, string>} */ (process.env)
  try {
    await show()
  } catch (error) {
    // The reports are only shown: without them, the job succeeds all the same.
    core.warning(`The test reports cannot be shown: ${/** @type {Error} */ (error).message.trim().replace(/\s+/g, ' ')}`)
  }

  async function show() {
    const files = [...new Set([...found(REPORTS, ['**']), ...found(FOLDER, PATTERNS.split(' '))])]
    /** @type {import('./read.cjs').Case[]} */
    const cases = []
    /** @type {string[][]} */
    const coverage = []
    let left = 5 * BYTES
    for (const file of files.slice(0, FILES)) {
      const { size } = statSync(file)
      left -= size
      if (size > BYTES || left < 0) {
        core.warning(`The report ${file} is not shown: it is too big`)
        continue
      }
      const report = read(readFileSync(file, 'utf8'))
      for (const one of report.cases ?? []) cases.push(one) // may be too many arguments for one push
      if (report.coverage) {
        const { covered, all, unit } = report.coverage
        coverage.push([escaped(path.basename(file)), `${covered} of ${all} ${unit}`, all ? `${(100 * covered / all).toFixed(1)} %` : ''])
      }
    }
    if (files.length > FILES) core.warning(`Only ${FILES} of ${files.length} reports are shown`)
    if (!cases.length && !coverage.length) return
    await core.summary.addRaw([`## Tests in ${escaped(FOLDER)}`, '', ...tests(cases), ...tableOf(['Coverage', 'Covered', 'Share'], coverage)].join('\n')).write()
  }

  /**
   * The files in a folder that match a pattern. Committed files are left out: no test of this run wrote them.
   * @param {string} folder
   * @param {string[]} patterns
   */
  function found(folder, patterns) {
    const exclude = (/** @type {import('node:fs').Dirent} */ { name }) => name === 'node_modules' || name === '.git'
    const files = globSync(patterns, { cwd: folder, exclude, withFileTypes: true }).filter(entry => entry.isFile())
    const names = files.map(({ parentPath, name }) => path.relative(folder, path.join(parentPath, name))).sort()
    const committed = new Set(names.length ? tracked(folder) : [])
    return names.filter(name => !committed.has(name)).map(name => path.join(folder, name))
  }
}

/** @param {string} folder */
function tracked(folder) {
  try {
    return execFileSync('git', ['ls-files', '-z'], { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'ignore'] }).split('\0')
  } catch {
    return []
  }
}

/** @param {import('./read.cjs').Case[]} cases */
function tests(cases) {
  if (!cases.length) return []
  const of = (/** @type {string} */ result) => cases.filter(test => test.result === result)
  const failed = of('failed')
  const time = cases.reduce((sum, test) => sum + test.seconds, 0)
  const row = [
    `${cases.length}`, `${of('passed').length}`, `${failed.length ? '❌ ' : ''}${failed.length}`, `${of('skipped').length}`, `${time.toFixed(1)} s`,
  ]
  return [
    ...tableOf(['Tests', 'Passed', 'Failed', 'Skipped', 'Time'], [row]),
    ...tableOf(['Failed test', 'Message'], failed.map(({ name, message }) => [cell(name), cell(message)])),
  ]
}

/**
 * A table of the first rows, and how many more there are; nothing if there are no rows.
 * @param {string[]} head
 * @param {string[][]} rows
 */
function tableOf(head, rows) {
  if (!rows.length) return []
  const more = rows.length > SHOWN ? ['', `And ${rows.length - SHOWN} more.`] : []
  return [...table(head, rows.slice(0, SHOWN)), ...more, '']
}
