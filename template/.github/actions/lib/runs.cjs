// @ts-check
// Tells which runs were let deploy to an environment.

/**
 * @typedef {{id: number, html_url: string, status: string, conclusion: string | null, display_title: string, event: string,
 *   head_sha: string, path: string, run_number: number, run_attempt: number, head_repository?: {id: number} | null}} Run
 */

/**
 * The id of the run that decides how old a deployment is: that of its orchestrator, if one started it.
 * What a person types can only make a run older.
 * @param {number} id
 * @param {string | number | undefined} orchestrator
 */
const age = (id, orchestrator) => Math.min(id, Number(orchestrator) || id)

/** @param {Run} run */
const ageOf = run => age(run.id, run.display_title.match(/ of run (\d+), attempt \d+$/)?.[1])

/**
 * @param {{pages: any, context: any, environment: string, reviewed: (run: any) => Promise<boolean>}} tools
 */
function of({ pages, context, environment, reviewed }) {
  /**
   * The runs of a workflow, the newest first. Lists that GitHub filters lag behind others.
   * @param {string} file
   * @returns {AsyncGenerator<Run>}
   */
  async function* ofFile(file) {
    try {
      yield* pages('GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs', { ...context.repo, workflow_id: file }, 'workflow_runs')
    } catch (/** @type {any} */ error) {
      if (error.status !== 404) throw error // 404: the workflow has never run
    }
  }

  /**
   * Whether a job that deploys has begun. Steps tell a job that was cancelled at work from one that
   * was cancelled while it waited.
   * @param {{name: string, status: string, conclusion: string | null, steps?: any[]}} job
   */
  function deploys({ name, status, conclusion, steps }) {
    const isDeployment = name.startsWith('deploy / ') || name.includes(`-${environment} / `) || name.endsWith(`-${environment}`)
    if (!isDeployment || conclusion === 'skipped') return false
    return status === 'in_progress' || (status === 'completed' && (conclusion !== 'cancelled' || Boolean(steps?.length)))
  }

  /**
   * Whether a run, in any attempt, may deploy or has begun to: a person has approved it or, where
   * nobody is asked, a deployment has begun.
   * @param {Run} run
   */
  async function wasLetIn(run) {
    if (run.conclusion === 'skipped' || !await reviewed(run)) return false
    let asks = false
    let begun = false
    const jobs = pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', { ...context.repo, run_id: run.id, filter: 'all' }, 'jobs')
    for await (const job of jobs) {
      if (job.name === 'approval') {
        if (job.conclusion === 'success') return true
        asks ||= job.conclusion !== 'skipped'
      }
      begun ||= deploys(job)
    }
    return begun && !asks
  }

  /**
   * The newer run, of all that deploy this component here, that was let in.
   * @param {string[]} files
   * @param {number} age
   */
  async function newerThan(files, age) {
    for (const file of files) {
      for await (const run of ofFile(file)) {
        if (run.id <= age) break
        if (run.id !== context.runId && ageOf(run) > age && await wasLetIn(run)) return run
      }
    }
  }

  return { ofFile, wasLetIn, newerThan }
}

module.exports = { of, age }
