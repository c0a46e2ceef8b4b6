// @ts-check
// Checks whether somebody has approved this deployment.
const { commitInTitle } = require('../shared/commits.cjs')
const { BOT } = require('../shared/runs.cjs')

/**
 * Somebody has approved this attempt of this run, or the orchestrator's run that has started it.
 * @param {{runOf: (id: number) => Promise<any>, pages: any, context: any, file: string, isTrusted: (run: any) => Promise<boolean>}} deployment
 * @returns {Promise<{why?: string, run?: import('../shared/runs.cjs').Run}>} `why`: the
 *   reason to refuse the deployment, if there is one; `run`: the orchestrator's run, if one has started this run
 */
module.exports = async ({ runOf, pages, context, file, isTrusted }) => {
  const { APPROVED = '', COMMIT, COMPONENT, ENVIRONMENT, GITHUB_RUN_ATTEMPT } = process.env
  const orchestrator = `orchestrator-${ENVIRONMENT}.yml`
  const [, id] = APPROVED.match(/^run (.*)$/s) ?? []

  // "Re-run failed jobs" does not repeat the job approval, because that has succeeded.
  if (id === undefined) {
    const fits = !APPROVED || APPROVED === GITHUB_RUN_ATTEMPT
    return fits ? {} : { why: `Attempt ${GITHUB_RUN_ATTEMPT} of this run has no approval: choose "Re-run all jobs", which asks for one` }
  }
  const started = /^\d+$/.test(id) ? await runOf(Number(id)) : undefined
  const why = await whyNot(started)
  if (!why) return { run: started }
  return {
    why: `The input orchestrator, ${JSON.stringify(id)}, names no run that approves this deployment: ${why}. ` +
      `Re-run all jobs of a run of ${orchestrator}, or start ${file} by hand without that input: both ask for an approval`,
  }

  /**
   * Why a run does not approve this deployment. Anybody who may start this workflow can type the id of
   * a run, so only what GitHub says about that run counts.
   * @param {any} run
   */
  async function whyNot(run) {
    if (context.actor !== BOT) return `${context.actor} has typed it, and only an orchestrator can hand on its approval`
    if (GITHUB_RUN_ATTEMPT !== '1') return `it approves only attempt 1 of this run, and this is attempt ${GITHUB_RUN_ATTEMPT}`
    if (context.payload.inputs?.packages === 'latest') return '`packages: latest` takes packages of other commits, which nobody has approved'
    if (run?.path.replace(/@.*/, '') !== `.github/workflows/${orchestrator}`) return `it is not a run of ${orchestrator}`
    if (commitInTitle(run.display_title) !== COMMIT) return `its title does not say that it deploys ${COMMIT}`
    if (!await isTrusted(run)) return `it ran the workflows of ${run.head_sha}, which nobody has reviewed`
    if (run.status === 'completed') return 'it has already ended'
    return whyNotApproved(run)
  }

  /** @param {any} run */
  async function whyNotApproved({ id: run_id, run_attempt, run_started_at }) {
    const jobId = `${COMPONENT}-${ENVIRONMENT}`
    let isApproved = false
    let isWaiting = false
    const jobs = pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs', {
      ...context.repo, run_id, attempt_number: run_attempt,
    }, 'jobs')
    for await (const job of jobs) {
      // GitHub also lists the jobs that an attempt has taken over from the one before.
      const isNew = job.run_attempt === run_attempt && job.started_at >= run_started_at
      isApproved ||= isNew && job.name === 'approval' && job.conclusion === 'success'
      isWaiting ||= job.name === jobId && job.status === 'in_progress'
    }
    if (!isApproved) return `nobody has approved its attempt ${run_attempt}`
    if (!isWaiting) return `its job ${jobId} does not wait for this run`
  }
}
