// @ts-check
// Starts the workflow of a component, waits for exactly that run, and ends with its result.
const connect = require('../shared/api.cjs')
const listChildren = require('./children.cjs')
const start = require('./start.cjs')
const wait = require('./wait.cjs')

const MINUTES = 350 // GitHub ends a job after 360, without an explanation

/**
 * The run that an earlier attempt of the orchestrator has started, if this attempt can use it: it still
 * goes on, or it has succeeded although the job that waited for it has not. If that job has succeeded,
 * too, then somebody has re-run all jobs, and the component is deployed again.
 * @param {{api: any, context: any, attempt: number, job?: string, children: () => Promise<import('./children.cjs').Child[]>}} task
 */
async function earlierRun({ api, context, attempt, job, children }) {
  if (attempt === 1) return
  // This job has not started a run yet, so runs that are newer than this job are not its own.
  const child = (await children()).find(({ isNew }) => !isNew)
  if (!child?.isOnly) return
  if (child.status !== 'completed') return child
  if (child.conclusion !== 'success') return
  const jobs = api.pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs', {
    ...context.repo, run_id: context.runId, attempt_number: attempt - 1,
  }, 'jobs')
  for await (const { name, conclusion } of jobs) {
    if (name === job && conclusion === 'success') return
  }
  return child
}

/**
 * Whether a run can no longer be used: it is older than a run whose package it has to take, or somebody
 * has re-run it, so its package would never be promoted.
 * @param {{id: number, run_attempt: number}} child
 * @param {string} packages
 */
const isOutdated = (child, packages) => child.run_attempt > 1 || [...packages.matchAll(/"run": (\d+)/g)].some(([, id]) => Number(id) > child.id)

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { WORKFLOW = '', COMMIT = '', PACKAGES, GITHUB_JOB, GITHUB_REF, GITHUB_REF_NAME, GITHUB_RUN_ATTEMPT } = process.env
  const deadline = Date.now() + MINUTES * 60_000
  const api = connect({ github, core, minutes: MINUTES, deadline })
  const task = {
    github, context, core, api, deadline,
    workflow: WORKFLOW, commit: COMMIT, packages: PACKAGES || 'same-commit',
    attempt: Number(GITHUB_RUN_ATTEMPT), job: GITHUB_JOB, ref: GITHUB_REF, minutes: MINUTES,
    children: () => listChildren({ api, context, workflow: WORKFLOW, commit: COMMIT, branch: GITHUB_REF_NAME, job: GITHUB_JOB }),
  }
  try {
    let before = await earlierRun(task).catch(error => {
      throw new Error(`${WORKFLOW} was not started: the runs of earlier attempts cannot be listed (${connect.messageOf(error)})`)
    })
    if (before && isOutdated(before, task.packages)) {
      core.notice(`A new run starts, because ${before.html_url}, of attempt ${before.attempt}, has older packages or was re-run`)
      if (before.status !== 'completed') await ended(before)
      before = undefined
    }
    if (before) core.notice(`Not started again: attempt ${before.attempt} has started ${before.html_url}`)
    const run = before ?? await start(task)
    core.info(`Waiting for ${run.html_url}`)
    core.setOutput('run-id', run.id)
    core.setOutput('url', run.html_url)
    const conclusion = await ended(run)
    if (conclusion !== 'success') core.setFailed(`${WORKFLOW} ended with ${conclusion}: ${run.html_url}`)
  } catch (/** @type {any} */ error) {
    core.setFailed(error.message)
  }

  /**
   * How a run ended.
   * @param {{id: number, html_url: string}} run
   * @returns {Promise<string>}
   */
  function ended({ id, html_url }) {
    return wait(task, id).catch(error => {
      throw new Error(`${WORKFLOW}: ${html_url} ${error.message}`)
    })
  }
}
