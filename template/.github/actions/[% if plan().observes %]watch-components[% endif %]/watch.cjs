// @ts-check
// Looks at the runs of the components until all have ended. It starts nothing.
const connect = require('../shared/api.cjs')
const { commitInTitle, environmentCommits } = require('../shared/commits.cjs')
const { sleep, minutesSince } = require('../shared/time.cjs')
const judge = require('./outcome.cjs')

const START_MINUTES = 15 // for a run to start after its dependencies have succeeded
const MINUTES = 350 // GitHub ends a job after 360, without an explanation

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
  const reviews = {}
  /** @param {any} run */
  async function isReviewed(run) {
    // Branches move while this job watches, so they are read again for each run.
    const ask = () => environmentCommits({ github, context, core, refs: REFS }).isReviewed(run)
    return reviews[run.id] ??= await api.retry(ask)
  }
  const outcome = judge({ api, context, isReviewed })

  // If a person has started this run, it also reports what was started by hand before.
  const { data: self } = await api.read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...context.repo, run_id: context.runId })
  const back = context.eventName === 'workflow_dispatch' ? 24 * 60 : 10
  const earliest = new Date(Date.parse(self.created_at) - back * 60_000).toISOString()

  /** The runs that may belong to this deployment, the newest first, by workflow file. */
  async function runsByFile() {
    const found = Object.fromEntries(components.map(([component]) => [fileOf(component), /** @type {any[]} */ ([])]))
    const runs = api.pages('GET /repos/{owner}/{repo}/actions/runs', { ...context.repo, created: `>=${earliest}` }, 'workflow_runs')
    for await (const run of runs) {
      if (commitInTitle(run.display_title) === COMMIT) found[run.path.split('@')[0].split('/').pop()]?.push(run)
    }
    return found
  }

  /** @type {Record<string, import('./outcome.cjs').Outcome>} */
  const results = {}
  /** @type {Record<string, number>} since when a run of a component is expected */
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
    const dependencies = after.map(other => results[other])
    const ready = dependencies.every(other => other?.result === 'success')
    // Runs that are older than those of the dependencies belong to an earlier deployment of the commit.
    const since = dependencies.map(other => other?.began ?? '').sort().at(-1) ?? ''
    // Without jobs, a run also succeeds if its dependencies are not deployed yet.
    const found = jobs.length || ready ? await outcome(runs, jobs, since) : undefined
    if (found) return note(component, found)
    if (dependencies.some(other => other?.result && other.result !== 'success')) return note(component, { result: 'skipped' })
    if (!ready || minutesSince(expected[component] ??= Date.now()) <= START_MINUTES) return note(component, {})
    if (results[component].result !== 'never started') {
      core.error(`${fileOf(component)} has no run for ${COMMIT}, ${START_MINUTES} minutes after its dependencies: check that it is enabled, and that it is on the default branch`)
    }
    note(component, { result: 'never started' })
  }

  for (let pause = 10; ; pause = Math.min(pause * 1.5, 60)) {
    const runs = await runsByFile()
    for (const [component, plan] of components) {
      // A failed run may be re-run while this job watches.
      if (results[component]?.result !== 'success') await look(component, plan, runs[fileOf(component)])
    }
    const open = components.filter(([component]) => !results[component].result)
    if (!open.length) break
    if (minutesSince(began) > MINUTES) {
      for (const [component] of open) {
        note(component, { ...results[component], result: results[component].status ?? 'never started' })
        core.error(`${component} has not ended in ${MINUTES} minutes (${results[component].result}); re-run this job once it has ended`)
      }
      break
    }
    await sleep(pause)
  }

  const outcomes = components.map(([component]) => [component, { result: results[component].result, url: results[component].url }])
  core.setOutput('results', JSON.stringify(Object.fromEntries(outcomes)))
  // This job fails, too, so that "Re-run failed jobs" watches again.
  const bad = components.map(([component]) => component).filter(component => results[component].result !== 'success')
  if (bad.length) core.setFailed(`Not deployed: ${bad.join(', ')}. Re-run their failed jobs, then this job`)
}
