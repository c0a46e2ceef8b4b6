// @ts-check
// Finds the runs of a workflow that this job has started, in any of its attempts.
const { BOT, starterInTitle } = require('../shared/runs.cjs')

/**
 * @typedef {{id: number, html_url: string, status: string, conclusion: string | null, display_title: string, run_attempt: number}} Run
 * @typedef {Run & {attempt: number, since: string, isNew: boolean, isOnly: boolean}} Child a run, and the attempt that started it;
 *   `since`: when that attempt's job began; `isNew`: that job still goes on; `isOnly`: no other such run began in that time
 */

/**
 * The newest run comes first. A person can type such a title, and a workflow on a feature branch can
 * start such a run. So a run counts only if a workflow has started it while the job ran. If two such runs
 * exist, nobody knows which of them the job has started.
 * @param {{api: any, context: any, workflow: string, commit: string, branch?: string, job?: string}} what
 * @returns {Promise<Child[]>}
 */
module.exports = async ({ api: { read, pages }, context, workflow, commit, branch, job }) => {
  const run_id = context.runId
  const { data: { created_at } } = await read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...context.repo, run_id })
  /** @type {{started_at: string, completed_at: string | null}[]} */
  const times = []
  for await (const one of pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', { ...context.repo, run_id, filter: 'all' }, 'jobs')) {
    if (one.name === job && one.started_at) times.push(one)
  }
  // GitHub updates a filtered list late, so all runs are read, back to the orchestrator's start.
  const runs = pages('GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs', { ...context.repo, workflow_id: workflow }, 'workflow_runs')
  /** @type {any[]} */
  const found = []
  for await (const run of runs) {
    if (run.created_at < created_at) break
    const [starter, attempt] = starterInTitle(run.display_title)
    const time = times.find(({ started_at, completed_at }) => started_at <= run.created_at && !(completed_at && completed_at < run.created_at))
    const fits = run.event === 'workflow_dispatch' && run.head_branch === branch && run.display_title.startsWith(`Deploy ${commit} to `)
    if (fits && time && run.actor?.login === BOT && starter === run_id) found.push({ ...run, attempt, since: time.started_at, isNew: !time.completed_at })
  }
  return found.map(child => ({ ...child, isOnly: found.filter(({ since }) => since === child.since).length === 1 }))
}
