// @ts-check
// Cancels the run of a component when the job that waits for it is cancelled.
const connect = require('../shared/api.cjs')
const listChildren = require('./children.cjs')
const { sleep, minutesSince } = require('../shared/time.cjs')

const MINUTES = 2 // GitHub gives five to the steps of a cancelled job

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { WORKFLOW = '', COMMIT = '', RUN_ID, GITHUB_JOB, GITHUB_REF_NAME, GITHUB_RUN_ATTEMPT } = process.env
  const began = Date.now()
  const api = connect({ github, core, deadline: began + MINUTES * 60_000 })

  // Finds the run if the job did not know it yet: one that still goes on, from any attempt; otherwise the
  // one that this attempt has started.
  async function find() {
    const children = await listChildren({ api, context, workflow: WORKFLOW, commit: COMMIT, branch: GITHUB_REF_NAME, job: GITHUB_JOB })
    const child = children.find(({ status }) => status !== 'completed') ?? children.find(({ attempt }) => String(attempt) === GITHUB_RUN_ATTEMPT)
    return child?.id
  }

  for (; minutesSince(began) < MINUTES; await sleep(10)) {
    try {
      const id = Number(RUN_ID) || await find()
      if (!id) continue
      return await api.retry(() => github.request('POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel', { ...context.repo, run_id: id }))
    } catch (/** @type {any} */ error) {
      if (error.status === 409) return // it has ended already
      core.info(connect.messageOf(error))
    }
  }
  core.warning(RUN_ID ? `Run ${RUN_ID} of ${WORKFLOW} could not be cancelled, and may go on` : `No run of ${WORKFLOW} was found to cancel`)
}
