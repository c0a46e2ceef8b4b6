// @ts-check
const { existsSync, readFileSync } = require('node:fs')
const path = require('node:path')
const connect = require('../shared/api.cjs')
const { escaped, table } = require('../shared/markdown.cjs')

/** @typedef {{action: string, what: string}} Change as the action show-plan writes it */

const SHOWN = 50
const CHARACTERS = 60_000 // GitHub refuses an issue of more than 65,536
const BOT = 'github-actions[bot]'
const ISSUES = '/repos/{owner}/{repo}/issues'

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { COMPONENTS = '', FOLDER = '', NEEDS = '' } = process.env
  /** @type {Record<string, string[]>} */
  const components = JSON.parse(COMPONENTS)
  /** @type {Record<string, {result: string}>} */
  const needs = JSON.parse(NEEDS)
  const { pages } = connect({ github, core })
  const run = `${context.serverUrl}/${context.repo.owner}/${context.repo.repo}/actions/runs/${context.runId}`

  /** @type {any[]} */
  const issues = await Array.fromAsync(pages(`GET ${ISSUES}`, { ...context.repo, state: 'open', creator: BOT }))
  for (const [component, environments] of Object.entries(components)) {
    const mark = `<!-- infrastructure drift of ${component} -->`
    const listed = issues.find(({ body, pull_request }) => !pull_request && body?.startsWith(mark))
    // A browser writes \r\n when somebody edits the issue.
    const issue = listed && { ...listed, body: listed.body.replaceAll('\r\n', '\n') }
    const before = issue ? issue.body.split(/\n(?=## |Found by )/) : []
    const found = environments.map(environment => ({ environment, changes: changesOf(component, environment) }))
    const sections = found.flatMap(({ environment, changes }) => {
      const head = `## ${escaped(environment)}`
      // If a plan is missing, nobody knows whether the drift is still there.
      if (!changes) return before.filter((/** @type {string} */ section) => section.startsWith(`${head}\n`))
      return changes.length ? [[head, ...lines(changes, CHARACTERS / environments.length)].join('\n')] : []
    })
    if (found.some(({ changes }) => changes?.length)) core.warning(`${component} has drifted`)
    if (sections.length) await open(component, issue, [mark, ...sections, `Found by [this run](${run}).`].join('\n'))
    else if (issue) await close(component, issue)
  }
  const failed = Object.keys(needs).filter(id => !['success', 'skipped'].includes(needs[id].result))
  if (failed.length) core.setFailed(`Some drift may not have been found, see the logs of these jobs: ${failed.join(', ')}`)

  /**
   * What a deployment would change now; undefined if there is no plan.
   * @param {string} component
   * @param {string} environment
   * @returns {Change[] | undefined}
   */
  function changesOf(component, environment) {
    const file = path.join(FOLDER, `${component}-changes-${environment}.json`)
    if (needs[`${component}-${environment}-plan`]?.result !== 'success' || !existsSync(file)) return
    return JSON.parse(readFileSync(file, 'utf8')).changes
  }

  /**
   * @param {string} component
   * @param {{number: number, body: string} | undefined} issue
   * @param {string} body
   */
  async function open(component, issue, body) {
    const title = `Infrastructure drift: ${component}`
    const same = (/** @type {string} */ text) => text.replace(/\nFound by .*$/, '')
    if (!issue) await github.request(`POST ${ISSUES}`, { ...context.repo, title, body })
    else if (same(issue.body) !== same(body)) await github.request(`PATCH ${ISSUES}/{issue_number}`, { ...context.repo, issue_number: issue.number, body })
  }

  /**
   * @param {string} component
   * @param {{number: number}} issue
   */
  async function close(component, { number: issue_number }) {
    core.info(`${component} has no drift any more`)
    await github.request(`POST ${ISSUES}/{issue_number}/comments`, { ...context.repo, issue_number, body: `There is no drift any more, says [this run](${run}).` })
    await github.request(`PATCH ${ISSUES}/{issue_number}`, { ...context.repo, issue_number, state: 'closed', state_reason: 'completed' })
  }
}

/**
 * @param {Change[]} changes
 * @param {number} room how many characters the table may have
 */
function lines(changes, room) {
  const rows = []
  let size = 0
  for (const { action, what } of changes.slice(0, SHOWN)) {
    // GitHub turns an @ into a mention, except in code.
    const row = [escaped(action), `<code>${escaped(what)}</code>`]
    size += row.join('').length + 10
    if (size >= room) break
    rows.push(row)
  }
  const more = changes.length > rows.length ? ['', `And ${changes.length - rows.length} more.`] : []
  return ['', 'If the same commit were deployed again, that would change this:', '', ...table(['Change', 'What'], rows), ...more, '']
}
