// @ts-check
// Finds the runs of a workflow that this orchestrator's run has started.

/**
 * @typedef {{id: number, html_url: string, status: string, conclusion: string | null}} Run
 * @typedef {Run & {attempt: number}} Child a run, and the attempt of the orchestrator that started it
 */

/**
 * The newest comes first. Their titles say who started them, so nobody else's run is taken.
 * @param {{api: any, context: any, workflow: string, commit: string, branch?: string}} what
 * @returns {Promise<Child[]>}
 */
module.exports = async ({ api, context, workflow, commit, branch }) => {
  const { data: self } = await api.read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...context.repo, run_id: context.runId })
  // A filtered list lags behind, so all runs of the workflow are read, back to the start of this one.
  const runs = api.pages('GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs', { ...context.repo, workflow_id: workflow }, 'workflow_runs')
  const found = []
  for await (const run of runs) {
    if (run.created_at < self.created_at) break
    const [, starter, attempt] = run.display_title.match(/ of run (\d+), attempt (\d+)$/) ?? []
    const own = run.event === 'workflow_dispatch' && run.head_branch === branch && starter === String(context.runId)
    if (own && run.display_title.startsWith(`Deploy ${commit} to `)) found.push({ ...run, attempt: Number(attempt) })
  }
  return found
}
