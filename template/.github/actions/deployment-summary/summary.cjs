// @ts-check
const api = require('../shared/api.cjs')
const { plain, table, picture } = require('../shared/markdown.cjs')

/**
 * @typedef {{result: string, url?: string}} Outcome
 * @typedef {{result: string, outputs?: {conclusion?: string, url?: string, deploy?: string}}} Job
 */

// The most urgent first. Any other result is a failure of its own name, as timed_out.
const KINDS = ['failure', 'cancelled', 'skipped', 'success']
const ICONS = ['❌', '🚫', '⏭️', '✅']
const COLOURS = { failure: '#cf222e', cancelled: '#9a6700', skipped: '#6e7781', success: '#1a7f37' }

/** @param {Outcome} outcome */
const urgency = ({ result }) => Math.max(KINDS.indexOf(result), 0)

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { ENVIRONMENT = '', GRAPH = '', NEEDS = '', RESULTS = '' } = process.env
  /** @type {Record<string, string[]>} */
  const graph = JSON.parse(GRAPH)
  /** @type {Record<string, Job>} */
  const needs = JSON.parse(NEEDS)
  /** @type {Record<string, Outcome>} */
  const watched = JSON.parse(RESULTS || '{}')
  const home = `${context.serverUrl}/${context.repo.owner}/${context.repo.repo}/`
  const run = `${home}actions/runs/${context.runId}`
  const jobs = await jobsOfThisRun()

  /** @param {string | undefined} url an address in this repository; for any other, the run's */
  const link = url => `[open](${url?.startsWith(home) && /^[\w/:.#-]+$/.test(url) ? url : run})`

  /**
   * GitHub shows a job of a called workflow as "terraform-dev / Deploy", and `changes` as "Changes".
   * @param {string} id
   * @returns {Outcome}
   */
  function outcomeOf(id) {
    const { result, outputs } = needs[id]
    const own = jobs.filter(({ name }) => name.toLowerCase() === id.toLowerCase() || name.startsWith(`${id} / `))
    const job = own.find(({ conclusion }) => conclusion === result) ?? own[0]
    // A component that ran as a run of its own says what that run came to.
    const said = result === 'failure' && outputs?.conclusion
    return { result: said || result, url: outputs?.url || job?.html_url }
  }

  /** @param {string} name */
  const idsOf = name => [`${name}-build`, `${name}-${ENVIRONMENT}`].filter(id => id in needs)

  /**
   * @param {string} name
   * @returns {Outcome}
   */
  function outcomeOfComponent(name) {
    if (Object.hasOwn(watched, name)) return watched[name]
    // It was to be watched, and nothing was said of it.
    if (needs.watch) return { result: needs.watch.result === 'success' ? 'unknown' : needs.watch.result }
    const ids = idsOf(name)
    // What has no job of its own was brought over by the job `changes`.
    const outcomes = (ids.length ? ids : ['changes']).map(outcomeOf)
    return outcomes.sort((a, b) => urgency(a) - urgency(b))[0]
  }

  const components = Object.keys(graph)
  const outcomes = new Map(components.map(name => [name, outcomeOfComponent(name)]))
  // The job `watch` fails because of what it has seen.
  const known = [...components.flatMap(idsOf), ...(RESULTS ? ['watch'] : [])]
  const others = Object.keys(needs).filter(id => !known.includes(id)).map(id => ({ name: id, ...outcomeOf(id) }))

  const rows = [...others, ...[...outcomes].map(([name, outcome]) => ({ name, ...outcome }))].sort((a, b) => urgency(a) - urgency(b))
  const failed = rows.filter(row => KINDS[urgency(row)] === 'failure').map(({ name }) => name)
  // The job `changes` has said what is newer.
  const tooOld = needs.changes?.outputs?.deploy === 'false' && !failed.length
  const complete = tooOld || rows.every(({ result }) => result === 'success')
  const what = failed.length ? `failed in ${failed.join(', ')}` : complete ? 'succeeded' : 'was not completed'
  const headline = tooOld ? `Nothing was deployed to ${ENVIRONMENT}: something newer was, or waits for its approval` : `Deployment to ${ENVIRONMENT} ${what}`

  await core.summary.addRaw([
    `## ${plain(headline)}`,
    '',
    ...table(['Component', 'Result', 'Link'], rows.map(({ name, result, url }) => [
      plain(name), `${ICONS[urgency({ result })]} ${plain(result)}`, link(url),
    ])),
    '',
    ...picture(graph, name => KINDS[urgency(/** @type {Outcome} */ (outcomes.get(name)))], COLOURS),
    '',
  ].join('\n')).write()
  if (!complete) core.setFailed(`${headline}: ${run}`)

  /** @returns {Promise<{name: string, conclusion: string, html_url: string}[]>} */
  async function jobsOfThisRun() {
    const { pages } = api({ github, core, minutes: 2 })
    const own = { ...context.repo, run_id: context.runId }
    try {
      return await Array.fromAsync(pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', own, 'jobs'))
    } catch (error) {
      core.warning(`The summary links to the run, not to its jobs: ${api.said(/** @type {any} */ (error))}`)
      return []
    }
  }
}
