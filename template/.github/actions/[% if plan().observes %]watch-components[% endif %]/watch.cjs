// @ts-check
// Looks at the runs of the components until all have ended. It starts nothing.
const connect = require('../shared/api.cjs')
const commits = require('../shared/commits.cjs')
const { sleep, minutesSince } = require('../shared/time.cjs')
const judge = require('./outcome.cjs')

const START_MINUTES = 15 // for a run to come after everything before it has succeeded
const MINUTES = 350 // GitHub ends a job after 360, and does not say why

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { ENVIRONMENT, COMMIT = '', REFS = '', COMPONENTS = '' } = process.env
  /** @type {[string, {after: string[], jobs: string[]}][]} */
  const components = Object.entries(JSON.parse(COMPONENTS))
  const began = Date.now()
  const api = connect({ github, core, minutes: MINUTES, deadline: began + MINUTES * 60_000 })
  /** @param {string} component */
  const fileOf = component => `${component}-${ENVIRONMENT}.yml`

  /** @type {Record<number, boolean>} */
  const opinions = {}
  /** @param {any} run */
  async function trusted(run) {
    // Branches move on while this looks, so they are read anew for each run.
    const ask = () => commits.of({ github, context, core, refs: REFS }).isReviewed(run)
    return opinions[run.id] ??= await api.retry(ask)
  }
  const outcome = judge({ api, context, trusted })

  // Who starts this by hand wants to see what was started by hand before.
  const { data: self } = await api.read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...context.repo, run_id: context.runId })
  const back = context.eventName === 'workflow_dispatch' ? 24 * 60 : 10
  const earliest = new Date(Date.parse(self.created_at) - back * 60_000).toISOString()

  /** The runs that may belong to this deployment, the newest first, by workflow file. */
  async function runsByFile() {
    const found = Object.fromEntries(components.map(([component]) => [fileOf(component), /** @type {any[]} */ ([])]))
    const runs = api.pages('GET /repos/{owner}/{repo}/actions/runs', { ...context.repo, created: `>=${earliest}` }, 'workflow_runs')
    for await (const run of runs) {
      if (commits.commitInTitle(run.display_title) === COMMIT) found[run.path.split('@')[0].split('/').pop()]?.push(run)
    }
    return found
  }

  /** @type {Record<string, import('./outcome.cjs').Outcome>} */
  const results = {}
  /** @type {Record<string, number>} since when a component's run could have come */
  const expected = {}

  /**
   * @param {string} component
   * @param {import('./outcome.cjs').Outcome} now
   */
  function note(component, now) {
    const { result, url = '' } = now
    if (result && result !== results[component]?.result) core.info(`${component}: ${result} ${url}`)
    results[component] = now
  }

  /**
   * @param {string} component
   * @param {{after: string[], jobs: string[]}} plan
   * @param {any[]} runs
   */
  async function look(component, { after, jobs }, runs) {
    const before = after.map(other => results[other])
    const ready = before.every(other => other?.result === 'success')
    // What ran before those began belongs to an earlier deployment of the commit.
    const since = before.map(other => other?.began ?? '').sort().at(-1) ?? ''
    // Without jobs, each of its runs succeeds, also one whose time has not come.
    const found = jobs.length || ready ? await outcome(runs, jobs, since) : undefined
    if (found) return note(component, found)
    if (before.some(other => other?.result && other.result !== 'success')) return note(component, { result: 'skipped' })
    if (!ready || minutesSince(expected[component] ??= Date.now()) <= START_MINUTES) return note(component, {})
    if (results[component].result !== 'never started') {
      core.error(`${fileOf(component)} has no run for ${COMMIT}, ${START_MINUTES} minutes after everything before it; is it disabled, or not on the default branch?`)
    }
    note(component, { result: 'never started' })
  }

  for (let pause = 10; ; pause = Math.min(pause * 1.5, 60)) {
    const runs = await runsByFile()
    for (const [component, plan] of components) {
      // What failed may be re-run while this looks.
      if (results[component]?.result !== 'success') await look(component, plan, runs[fileOf(component)])
    }
    const open = components.filter(([component]) => !results[component].result)
    if (!open.length) break
    if (minutesSince(began) > MINUTES) {
      for (const [component] of open) {
        note(component, { ...results[component], result: results[component].status ?? 'never started' })
        core.error(`${component} has not ended in ${MINUTES} minutes (${results[component].result}); re-run this job once it has`)
      }
      break
    }
    await sleep(pause)
  }

  const told = components.map(([component]) => [component, { result: results[component].result, url: results[component].url }])
  core.setOutput('results', JSON.stringify(Object.fromEntries(told)))
  // This job fails too, so that "Re-run failed jobs" looks again.
  const bad = components.map(([component]) => component).filter(component => results[component].result !== 'success')
  if (bad.length) core.setFailed(`Not deployed: ${bad.join(', ')}. Re-run what failed, then this job`)
}
