// @ts-check
// Finds the runs of a workflow that this job has started, in any of its attempts.
const childrenOf = require('../shared/children.cjs')

/** @typedef {import('../shared/children.cjs').Child} Child */

/**
 * The newest comes first.
 * @param {{api: any, context: any, workflow: string, commit: string, branch?: string, job?: string}} what
 * @returns {Promise<Child[]>}
 */
module.exports = async ({ api, context, workflow, commit, branch, job = '' }) => {
  const { data: orchestrator } = await api.read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...context.repo, run_id: context.runId })
  return childrenOf({ pages: api.pages, context, orchestrator, job, file: workflow, commit, branch })
}
