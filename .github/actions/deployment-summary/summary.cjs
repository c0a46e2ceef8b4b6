// @ts-check
const api = require('../shared/api.cjs')
const { environmentOf } = require('../shared/manifests.cjs')
const { escaped, table, mermaidGraph } = require('../shared/markdown.cjs')
const { PLAN_STEP } = require('../shared/runs.cjs')
const writeManifest = require('./manifest.cjs')

/**
 * @typedef {{result: string, url?: string, why?: string}} Outcome
 * @typedef {{result: string, outputs?: Record<string, string | undefined>}} Job
 */

// The most urgent first. Any other result, such as timed_out, counts as a failure.
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
  const watchedResults = JSON.parse(RESULTS || '{}')
  const home = `${context.serverUrl}/${context.repo.owner}/${context.repo.repo}/`
  const run = `${home}actions/runs/${context.runId}`
  const jobs = await jobsOfThisRun()
  const plan = await planOfThisRun()
  const stale = plan ? await keepManifest(plan) : []

  /** @param {string | undefined} url in this repository; any other is replaced by the url of this run */
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
    // If the component had a run of its own, the conclusion of that run says more.
    const conclusion = result === 'failure' && outputs?.conclusion
    return { result: conclusion || result, url: outputs?.url || job?.html_url }
  }

  /** @param {string} name */
  const idsOf = name => [`${name}-build`, `${name}-${ENVIRONMENT}-plan`, `${name}-${ENVIRONMENT}`].filter(id => id in needs)

  /**
   * The jobs of a component that the plan has chosen. A single job starts a run that builds and deploys.
   * @param {string} name
   */
  function chosenJobs(name) {
    const ids = idsOf(name)
    if (!plan) return ids
    const { build, deploy } = plan
    const listOf = (/** @type {string} */ id) => ids.length === 1 ? [...build, ...deploy] : id === `${name}-build` ? build : deploy
    return ids.filter(id => listOf(id).includes(name))
  }

  /**
   * @param {string} name
   * @returns {Outcome}
   */
  function outcomeOfComponent(name) {
    if (Object.hasOwn(watchedResults, name)) return watchedResults[name]
    // The job `watch` has not reported this component.
    if (needs.watch) return { result: needs.watch.result === 'success' ? 'unknown' : needs.watch.result }
    const ids = chosenJobs(name)
    const why = plan?.reasons[name]
    if (plan && !ids.length && (!why || !plan.deployKeys[name])) {
      const last = plan.unchanged[name]?.run
      return { result: 'unchanged', why: last ? `unchanged since run ${last}` : why, url: last ? `${home}actions/runs/${last}` : run }
    }
    // The job `changes` has promoted the package of a component that has no job of its own.
    const outcomes = (ids.length ? ids : ['changes']).map(outcomeOf)
    return { why, ...outcomes.sort((a, b) => urgency(a) - urgency(b))[0] }
  }

  const components = Object.keys(graph)
  const outcomes = new Map(components.map(name => [name, outcomeOfComponent(name)]))
  // The job `watch` fails if a component has failed, so it gets no row.
  const jobsWithRow = [...components.flatMap(idsOf), ...(RESULTS ? ['watch'] : [])]
  const isNeeded = (/** @type {string} */ id) => id !== 'approval' || !plan || plan.deploy.length > 0
  /** @type {(Outcome & {name: string})[]} */
  const others = Object.keys(needs).filter(id => !jobsWithRow.includes(id) && isNeeded(id)).map(id => ({ name: id, ...outcomeOf(id) }))

  const rows = [...others, ...[...outcomes].map(([name, outcome]) => ({ name, ...outcome }))].sort((a, b) => urgency(a) - urgency(b))
  const failed = rows.filter(row => KINDS[urgency(row)] === 'failure').map(({ name }) => name)
  // Without the plan, there is no manifest. GitHub may have withheld all outputs that say what is deployed.
  const hasPlanned = jobs.some(({ steps }) => steps?.some(({ name, conclusion }) => name === PLAN_STEP && conclusion === 'success'))
  const isPlanMissing = Boolean(REFS && (needs.changes?.outputs?.deploy || hasPlanned) && !plan)
  if (isPlanMissing) failed.push('changes: its plan is missing: GitHub withholds it if the value of a secret is in it. Use a longer value for that secret, and re-run all jobs')
  // The job `changes` has already named the newer run.
  const tooOld = (REFS ? needs.changes?.result === 'success' && !plan : needs.changes?.outputs?.deploy === 'false') && !failed.length
  const complete = tooOld || (!stale.length && !isPlanMissing && rows.every(({ result }) => ['success', 'unchanged'].includes(result)))
  const done = complete ? 'succeeded' : 'was not completed'
  const left = stale.length ? `was overtaken: another run has deployed ${stale.join(', ')} since. Start this workflow again` : done
  const what = failed.length ? `failed in ${failed.join(', ')}` : left
  const headline = tooOld ? `Nothing was deployed to ${ENVIRONMENT}: a newer run has deployed, or waits for its approval` : `Deployment to ${ENVIRONMENT} ${what}`

  await core.summary.addRaw([
    `## ${escaped(headline)}`,
    '',
    ...table(['Component', 'Result', 'Why', 'Link'], rows.map(({ name, result, why = '', url }) => [
      escaped(name), `${ICONS[urgency({ result })]} ${escaped(result)}`, escaped(why), link(url),
    ])),
    ...plan?.nobody.length ? ['', `Changed files that belong to no component: ${plan.nobody.map(escaped).join(', ')}. Add files that a component uses to its \`watches\`.`] : [],
    ...plan?.removed.length ? ['', `Removed from the pipelines, but not undeployed: ${plan.removed.map(escaped).join(', ')}.`] : [],
    '',
    ...mermaidGraph(graph, name => KINDS[urgency(/** @type {Outcome} */ (outcomes.get(name)))], COLOURS),
    '',
  ].join('\n')).write()
  if (!complete) core.setFailed(`${headline}: ${run}`)

  /**
   * What the job `changes` has decided. If this run starts runs of its components, there is a copy for them,
   * and no output: with many components, NEEDS would be longer than Linux allows.
   * @returns {Promise<import('./manifest.cjs').Planned | undefined>}
   */
  async function planOfThisRun() {
    const { plan: output, deploy } = needs.changes?.outputs ?? {}
    if (output) return JSON.parse(output)
    if (!REFS || !deploy) return
    return await environmentOf({ github, context, core, refs: REFS }).manifests.planIn(context.runId, ENVIRONMENT)
  }

  /**
   * Writes the manifest. Returns the components that are no longer as this run has left them.
   * @param {import('./manifest.cjs').Planned} planned
   * @returns {Promise<string[]>}
   */
  async function keepManifest(planned) {
    const written = await writeManifest({ github, context, core, plan: planned, needs, environment: ENVIRONMENT, refs: REFS })
    core.setOutput('manifest', written.file)
    return written.stale
  }

  /** @returns {Promise<{name: string, conclusion: string, html_url: string, steps?: {name: string, conclusion: string}[]}[]>} */
  async function jobsOfThisRun() {
    const { pages } = api({ github, core, minutes: 2 })
    const own = { ...context.repo, run_id: context.runId }
    try {
      return await Array.fromAsync(pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', own, 'jobs'))
    } catch (error) {
      core.warning(`The summary links to the run, because its jobs cannot be listed: ${api.messageOf(/** @type {any} */ (error))}`)
      return []
    }
  }
}
