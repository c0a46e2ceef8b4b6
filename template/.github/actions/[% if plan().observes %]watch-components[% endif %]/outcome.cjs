// @ts-check
// Says what has become of a component, by its runs.

/**
 * @typedef {{url?: string, began?: string, status?: string, result?: string}} Outcome
 *   `status` of a run that still goes on, or `result` of one that has ended
 */

/**
 * @param {{api: any, context: any, trusted: (run: any) => Promise<boolean>}} tools
 */
module.exports = ({ api, context, trusted }) => {
  /** @type {Record<string, string | false>} by attempt that has ended: why it says nothing, or false */
  const reasons = {}

  /**
   * Why a run that has ended says nothing about the component, or false. One that only found that
   * its time had not come has succeeded too, without the jobs that deploy.
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
    // If a job that calls a workflow is skipped, its own name is all there is: "deploy", not "deploy / Deploy".
    const ends = jobs.filter(({ name }) => decisive.some(other => other === name || other.startsWith(`${name} / `))).map(job => job.conclusion)
    if (ends.length && ends.every(end => end === 'success')) return reasons[attempt] = false
    if (ends.length && ends.every(end => end === 'skipped')) return reasons[attempt] = 'not yet'
    return 'the list of jobs lags behind' // so it is read again
  }

  /**
   * Undefined if there is nothing to say yet.
   * @param {any[]} runs of the component, the newest first
   * @param {string[]} decisive the jobs whose success says that it was deployed
   * @param {string} since what is older belongs to an earlier deployment of the commit
   * @returns {Promise<Outcome | undefined>}
   */
  return async function outcome(runs, decisive, since) {
    let refused
    for (const run of runs) {
      if (run.created_at < since || run.conclusion === 'skipped' || !await trusted(run)) continue
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
