// @ts-check
// Starts the run of a component, once.
const { messageOf, rateLimitPause } = require('../shared/api.cjs')
const { sleep, minutesSince } = require('../shared/time.cjs')

const START_MINUTES = 60 // the longest wait for GitHub's rate limits

/**
 * Waits until a fifth of the hour's API calls is left, because the new run makes calls, too.
 * Reading the rate limit costs no call.
 * @param {{github: any, core: any, workflow: string, deadline: number}} task
 */
async function waitForRateLimit({ github, core, workflow, deadline }) {
  for (;;) {
    const answer = await github.request('GET /rate_limit').catch(() => undefined)
    const { limit, remaining, reset } = answer?.data.resources?.core ?? {}
    const seconds = reset - Date.now() / 1000
    // All jobs wait for the same moment. The random part spreads their starts.
    const wait = seconds + 1 + Math.random() * 60
    const mustWait = remaining < limit / 5 && seconds > 0
    if (!mustWait || Date.now() + wait * 1000 > deadline) return
    core.info(`${remaining} of ${limit} calls to the API are left: ${workflow} starts in ${Math.round(wait)} s, when there are more`)
    await sleep(wait)
  }
}

/**
 * Looks for the run if GitHub has not confirmed the start. If it has started, its title appears in the list.
 * @param {{workflow: string, attempt: number, children: () => Promise<import('./children.cjs').Child[]>}} task
 * @param {string} unclear why it is unclear whether the run has started
 */
async function find({ workflow, attempt, children }, unclear) {
  let why = 'no run has appeared in two minutes'
  try {
    for (let look = 0; look < 12; look++) {
      await sleep(10)
      const run = (await children()).find(child => child.attempt === attempt && child.isOnly)
      if (run) return run
    }
  } catch (/** @type {any} */ error) {
    why = `its runs cannot be listed (${messageOf(error)})`
  }
  throw new Error(`${workflow} may or may not have been started (${unclear}), and ${why}; re-run the failed jobs: they use the run if it has appeared by then`)
}

/**
 * A start is repeated only if it has certainly failed. Otherwise there could be two runs.
 * @param {any} task as run.cjs makes it
 * @returns {Promise<{id: number, html_url: string}>}
 */
module.exports = async task => {
  const { github, context, core, workflow, commit, packages, attempt, ref } = task
  await waitForRateLimit(task)
  const since = Date.now()
  for (;;) {
    let unclear
    try {
      const { status, data } = await github.request('POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches', {
        ...context.repo, workflow_id: workflow, ref, return_run_details: true,
        inputs: { commit, packages, orchestrator: String(context.runId), attempt: String(attempt) },
      })
      if (data?.workflow_run_id) return { id: data.workflow_run_id, html_url: data.html_url }
      unclear = `GitHub answers ${status} and names no run`
    } catch (/** @type {any} */ error) {
      const neverSent = !error.response && /ENOTFOUND|EAI_AGAIN|ECONNREFUSED/.test(error.message)
      const wait = rateLimitPause(error) || (neverSent ? 10 : 0)
      if (wait && minutesSince(since) + wait / 60 < START_MINUTES) {
        core.info(`${workflow} was not started (${messageOf(error)}); starting it again in ${Math.round(wait)} s`)
        await sleep(wait)
        continue
      }
      if (wait || (error.response && error.status < 500)) {
        const hint = error.status === 404 ? '; GitHub starts only workflows that are on the default branch, too' : ''
        throw new Error(`${workflow} was not started: ${messageOf(error)}${hint}`, { cause: error })
      }
      unclear = messageOf(error)
    }
    core.info(`It is unclear whether ${workflow} was started (${unclear}): looking for its run`)
    return await find(task, unclear)
  }
}
