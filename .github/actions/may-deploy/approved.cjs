// @ts-check
// Says why nobody has approved this deployment.
const { titled } = require('../shared/commits.cjs')
const { BOT } = require('../shared/runs.cjs')

/**
 * What was approved is this attempt of the run, or the run of an orchestrator that has started it.
 * @param {{read: any, pages: any, context: any, file: string, believed: (run: any) => Promise<boolean>}} deployment
 * @returns {Promise<{why?: string, run?: import('../shared/runs.cjs').Run}>} the reason to refuse it, if
 *   there is one, and the orchestrator's run that was approved, if one has started it
 */
module.exports = async ({ read, pages, context, file, believed }) => {
  const { APPROVED = '', COMMIT, COMPONENT, ENVIRONMENT, GITHUB_RUN_ATTEMPT } = process.env
  const orchestrator = `orchestrator-${ENVIRONMENT}.yml`
  const [, id] = APPROVED.match(/^run (.*)$/s) ?? []

  // "Re-run failed jobs" leaves the approval out, because that job has succeeded.
  if (id === undefined) {
    const fits = !APPROVED || APPROVED === GITHUB_RUN_ATTEMPT
    return fits ? {} : { why: `Attempt ${GITHUB_RUN_ATTEMPT} of this run has no approval: choose "Re-run all jobs", which asks for one` }
  }
  const started = /^\d+$/.test(id) ? await find(Number(id)) : undefined
  const why = await whyNot(started)
  if (!why) return { run: started }
  return {
    why: `The input orchestrator, ${JSON.stringify(id)}, is no approval of this deployment: ${why}. ` +
      `Re-run all jobs of a run of ${orchestrator}, or start ${file} by hand without that input, which asks for one`,
  }

  /** @param {number} run_id */
  async function find(run_id) {
    try {
      return (await read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...context.repo, run_id })).data
    } catch (/** @type {any} */ error) {
      if (error.status !== 404) throw error
    }
  }

  /**
   * Whoever may start this workflow can type an id, so only what GitHub says of that run counts.
   * @param {any} run
   */
  async function whyNot(run) {
    if (context.actor !== BOT) return `${context.actor} has typed it`
    if (GITHUB_RUN_ATTEMPT !== '1') return `it has approved attempt 1 of this run, and this is attempt ${GITHUB_RUN_ATTEMPT}`
    if (context.payload.inputs?.packages === 'latest') return 'packages of another commit, as with latest, were not approved'
    if (run?.path.replace(/@.*/, '') !== `.github/workflows/${orchestrator}`) return `it is no run of ${orchestrator}`
    if (titled(run.display_title) !== COMMIT) return `its title does not say that it deploys ${COMMIT}`
    if (!await believed(run)) return `it ran the workflows of ${run.head_sha}, which nobody has reviewed`
    if (run.status === 'completed') return 'it has ended'
    return whyNotYet(run)
  }

  /** @param {any} run */
  async function whyNotYet({ id: run_id, run_attempt, run_started_at }) {
    const own = `${COMPONENT}-${ENVIRONMENT}`
    let isApproved = false
    let isItsTurn = false
    const jobs = pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs', {
      ...context.repo, run_id, attempt_number: run_attempt,
    }, 'jobs')
    for await (const job of jobs) {
      // An attempt also lists the jobs that it has taken over from the one before.
      const isNew = job.run_attempt === run_attempt && job.started_at >= run_started_at
      isApproved ||= isNew && job.name === 'approval' && job.conclusion === 'success'
      isItsTurn ||= job.name === own && job.status === 'in_progress'
    }
    if (!isApproved) return `nobody has approved its attempt ${run_attempt}`
    if (!isItsTurn) return `its job ${own} does not wait for it`
  }
}
