// @ts-check
const api = require('../shared/api.cjs')
const { plain, table, picture } = require('../shared/markdown.cjs')
const keep = require('./manifest.cjs')

/**
 * @typedef {{result: string, url?: string, why?: string}} Outcome
 * @typedef {{result: string, outputs?: Record<string, string | undefined>}} Job
 */

// The most urgent first. Any other result is a failure of its own name, as timed_out.
const KINDS = ['failure', 'cancelled', 'skipped', 'success', 'unchanged']
const ICONS = ['❌', '🚫', '⏭️', '✅', '➖']
const COLOURS = { failure: '#cf222e', cancelled: '#9a6700', skipped: '#6e7781', success: '#1a7f37', unchanged: '#afb8c1' }

/** @param {Outcome} outcome */
const urgency = ({ result }) => Math.max(KINDS.indexOf(result), 0)

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { ENVIRONMENT = '', GRAPH = '', NEEDS = '', REFS = '', RESULTS = '' } = process.env
  /** @type {Record<string, string[]>} */
  const graph = JSON.parse(GRAPH)
  /** @type {Record<string, Job>} */
  const needs = JSON.parse(NEEDS)
  /** @type {Record<string, Outcome>} */
  const watched = JSON.parse(RESULTS || '{}')
  const home = `${context.serverUrl}/${context.repo.owner}/${context.repo.repo}/`
  const run = `${home}actions/runs/${context.runId}`
  const jobs = await jobsOfThisRun()
  /** @type {import('./manifest.cjs').Planned | undefined} */
  const plan = needs.changes?.outputs?.plan ? JSON.parse(needs.changes.outputs.plan) : undefined
  const stale = plan ? await kept(plan) : []

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
   * The jobs of a component that were to run. One alone may do both: start the run that builds and deploys.
   * @param {string} name
   */
  function chosen(name) {
    const ids = idsOf(name)
    if (!plan) return ids
    const { build, deploy } = plan
    const lists = ids.length === 1 ? [[...build, ...deploy]] : [build, deploy]
    return ids.filter((_, index) => lists[index].includes(name))
  }

  /**
   * @param {string} name
   * @returns {Outcome}
   */
  function outcomeOfComponent(name) {
    if (Object.hasOwn(watched, name)) return watched[name]
    // It was to be watched, and nothing was said of it.
    if (needs.watch) return { result: needs.watch.result === 'success' ? 'unknown' : needs.watch.result }
    const ids = chosen(name)
    const why = plan?.reasons[name]
    if (plan && !ids.length && (!why || !plan.deployKeys[name])) {
      const last = plan.unchanged[name]?.run
      return { result: 'unchanged', why: last ? `as run ${last} left it` : why, url: last ? `${home}actions/runs/${last}` : run }
    }
    // What has no job of its own was brought over by the job `changes`.
    const outcomes = (ids.length ? ids : ['changes']).map(outcomeOf)
    return { why, ...outcomes.sort((a, b) => urgency(a) - urgency(b))[0] }
  }

  const components = Object.keys(graph)
  const outcomes = new Map(components.map(name => [name, outcomeOfComponent(name)]))
  // The job `watch` fails because of what it has seen.
  const known = [...components.flatMap(idsOf), ...(RESULTS ? ['watch'] : [])]
  const isNeeded = (/** @type {string} */ id) => id !== 'approval' || !plan || plan.deploy.length > 0
  /** @type {(Outcome & {name: string})[]} */
  const others = Object.keys(needs).filter(id => !known.includes(id) && isNeeded(id)).map(id => ({ name: id, ...outcomeOf(id) }))

  const rows = [...others, ...[...outcomes].map(([name, outcome]) => ({ name, ...outcome }))].sort((a, b) => urgency(a) - urgency(b))
  const failed = rows.filter(row => KINDS[urgency(row)] === 'failure').map(({ name }) => name)
  // Without the plan nothing is remembered.
  const isKeptBack = Boolean(REFS && needs.changes?.outputs?.deploy && !plan)
  if (isKeptBack) failed.push('changes: GitHub keeps its plan back, because the value of a secret is in it. Make that secret longer')
  // The job `changes` has said what is newer.
  const tooOld = (REFS ? needs.changes?.result === 'success' && !plan : needs.changes?.outputs?.deploy === 'false') && !failed.length
  const complete = tooOld || (!stale.length && !isKeptBack && rows.every(({ result }) => ['success', 'unchanged'].includes(result)))
  const done = complete ? 'succeeded' : 'was not completed'
  const left = stale.length ? `was overtaken in ${stale.join(', ')}, which another run has deployed since: start it again` : done
  const what = failed.length ? `failed in ${failed.join(', ')}` : left
  const headline = tooOld ? `Nothing was deployed to ${ENVIRONMENT}: something newer was, or waits for its approval` : `Deployment to ${ENVIRONMENT} ${what}`

  await core.summary.addRaw([
    `## ${plain(headline)}`,
    '',
    ...table(['Component', 'Result', 'Why', 'Link'], rows.map(({ name, result, why = '', url }) => [
      plain(name), `${ICONS[urgency({ result })]} ${plain(result)}`, plain(why), link(url),
    ])),
    ...plan?.nobody.length ? ['', `Changed files of no component: ${plan.nobody.map(plain).join(', ')}. \`watches\` names those that one is made of.`] : [],
    ...plan?.removed.length ? ['', `No longer here, and not undeployed: ${plan.removed.map(plain).join(', ')}.`] : [],
    '',
    ...picture(graph, name => KINDS[urgency(/** @type {Outcome} */ (outcomes.get(name)))], COLOURS),
    '',
  ].join('\n')).write()
  if (!complete) core.setFailed(`${headline}: ${run}`)

  /**
   * The components that are not as this run has left them.
   * @param {import('./manifest.cjs').Planned} planned
   * @returns {Promise<string[]>}
   */
  async function kept(planned) {
    const written = await keep({ github, context, core, plan: planned, needs, environment: ENVIRONMENT, refs: REFS })
    core.setOutput('manifest', written.file)
    return written.stale
  }

  /** @returns {Promise<{name: string, conclusion: string, html_url: string}[]>} */
  async function jobsOfThisRun() {
    const { pages } = api({ github, core, minutes: 2 })
    const own = { ...context.repo, run_id: context.runId }
    try {
      return await Array.fromAsync(pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', own, 'jobs'))
    } catch (error) {
      core.warning(`The summary links to the run, not to its jobs: ${api.messageOf(/** @type {any} */ (error))}`)
      return []
    }
  }
}
