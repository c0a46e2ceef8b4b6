// @ts-check
// Waits until a run has ended.
const { messageOf } = require('../shared/api.cjs')
const { sleep, minutesSince } = require('../shared/time.cjs')

const BEGIN_MINUTES = 60 // for a runner to take the run's first job
const AGAIN = 're-run the failed jobs once that run has ended'

/**
 * The pause that leaves API calls for other jobs. All jobs of a repository share 1,000 calls an hour. The
 * answer "not modified" does not count, so 30 components that wait need about 20 calls each. If more
 * than half of the calls are used, the rest is spread over the remaining time.
 * @param {import('../shared/api.cjs').Headers} headers
 */
function fairPause(headers) {
  const [limit, left, reset] = ['limit', 'remaining', 'reset'].map(name => Number(headers[`x-ratelimit-${name}`]))
  const rest = reset - Date.now() / 1000
  return left < limit / 2 ? Math.min(30 * rest / Math.max(left, 1), rest) : 0
}

/**
 * @param {{github: any, context: any, core: any, api: any, deadline: number, minutes: number}} task
 * @param {number} id
 * @returns {Promise<string>} how the run ended
 */
module.exports = async ({ github, context, core, api, deadline, minutes }, id) => {
  const run_id = { ...context.repo, run_id: id }
  const since = Date.now()

  /**
   * @param {string} [etag] of the answer before; if nothing has changed since, the new answer has no run
   * @returns {Promise<{run?: any, headers: any}>}
   */
  async function look(etag, pause = 10) {
    try {
      const headers = etag ? { 'if-none-match': etag } : {}
      const answer = await api.read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...run_id, headers })
      return { run: answer.data, headers: answer.headers }
    } catch (/** @type {any} */ error) {
      if (error.status === 304) return { headers: error.response.headers }
      // GitHub may not find a new run at once.
      if (error.status !== 404 || minutesSince(since) > 2) throw error
      await sleep(pause)
      return look(etag, pause * 2)
    }
  }

  // A run is `pending` if its next job waits for another deployment, but also if there is no runner.
  async function hasBegun() {
    const { data } = await api.read('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', { ...run_id, per_page: 100 })
    return data.jobs.some((/** @type {any} */ job) => ['in_progress', 'completed'].includes(job.status))
  }

  /**
   * @param {import('../shared/api.cjs').ApiError} error
   * @returns {never}
   */
  function lost(error) {
    throw new Error(`can no longer be watched, and may go on (${messageOf(error)}); ${AGAIN}`)
  }

  /** @type {any} */
  let run
  /** @type {string | undefined} */
  let etag
  let begun = false
  for (let pause = 10; ; pause = Math.min(pause * 1.5, 60)) {
    const answer = await look(etag).catch(lost)
    if (answer.run) {
      if (run?.status !== answer.run.status) core.info(`The run is ${answer.run.status}`)
      run = answer.run
      etag = answer.headers.etag
      core.setOutput('conclusion', run.conclusion ?? run.status)
    }
    if (run.status === 'completed') return run.conclusion
    begun ||= !['queued', 'requested', 'pending'].includes(run.status)
    if (!begun && minutesSince(since) > BEGIN_MINUTES) {
      begun = await hasBegun().catch(lost)
      if (!begun) {
        await github.request('POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel', run_id)
          .catch((/** @type {any} */ error) => core.warning(`Run ${id} could not be cancelled: ${messageOf(error)}`))
        throw new Error(`has not begun in ${BEGIN_MINUTES} minutes, so it was cancelled: check that there is a runner for the labels of its jobs`)
      }
    }
    if (Date.now() > deadline) {
      const state = run.status === 'waiting' ? 'waits for approval' : `is ${run.status}`
      throw new Error(`still ${state} after ${minutes} minutes, and goes on; ${AGAIN}`)
    }
    await sleep(Math.min(Math.max(pause, fairPause(answer.headers)), (deadline - Date.now()) / 1000 + 1))
  }
}
