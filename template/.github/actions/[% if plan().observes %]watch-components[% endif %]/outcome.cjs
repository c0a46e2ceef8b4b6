// @ts-check
// Finds out from the runs of a component how its deployment ended.

/**
 * @typedef {{url?: string, began?: string, status?: string, result?: string}} Outcome
 *   `status` of a run that still goes on, or `result` of one that has ended
 */

/**
 * @param {{api: any, context: any, isReviewed: (run: any) => Promise<boolean>}} tools
 */
module.exports = ({ api, context, isReviewed }) => {
  /** @type {Record<string, string | false>} by attempt: why an ended attempt does not count, or false if it counts */
  const reasons = {}

  /**
   * Why a run that has ended does not count, or false if it counts. A run that only found that its
   * dependencies were not deployed yet has succeeded, too, without the jobs that deploy.
   * @param {any} run
   * @param {string[]} decisive
   */
  async function reasonOf(run, decisive) {
    const attempt = `${run.id}.${run.run_attempt}`
    if (attempt in reasons) return reasons[attempt]
    const jobs = await Array.fromAsync(api.pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', { ...context.repo, run_id: run.id }, 'jobs'))
    if (run.conclusion !== 'success') {
      const refused = jobs.some(({ name, conclusion }) => name === 'Changes' && conclusion === 'failure')
      return reasons[attempt] = refused && 'refused'
    }
    // A skipped job that calls a workflow has only its own name: "deploy", not "deploy / Deploy".
    const ends = jobs.filter(({ name }) => decisive.some(other => other === name || other.startsWith(`${name} / `))).map(job => job.conclusion)
    if (ends.length && ends.every(end => end === 'success')) return reasons[attempt] = false
    if (ends.length && ends.every(end => end === 'skipped')) return reasons[attempt] = 'not yet'
    return 'the list of jobs lags behind' // so it is read again
  }

  /**
   * How the deployment ended, or how it is going on; undefined if it has not begun.
   * @param {any[]} runs of the component, the newest first
   * @param {string[]} decisive the jobs whose success says that it was deployed
   * @param {string} since older runs belong to an earlier deployment of the commit
   * @returns {Promise<Outcome | undefined>}
   */
  return async function outcome(runs, decisive, since) {
    let refused
    for (const run of runs) {
      if (run.created_at < since || run.conclusion === 'skipped' || !await isReviewed(run)) continue
      const found = { url: run.html_url, began: run.run_started_at }
      if (run.status !== 'completed') return { ...found, status: run.status }
      const clear = !decisive.length || !['success', 'failure'].includes(run.conclusion)
      const reason = clear ? false : await reasonOf(run, decisive)
      if (!reason) return { ...found, result: run.conclusion }
      // Another run may have deployed it all the same.
      if (reason === 'refused') refused ??= { ...found, result: run.conclusion }
    }
    return refused
  }
}
