// @ts-check
// Reads the runs of a component for one commit.
const { commitInTitle } = require('../shared/commits.cjs')
const { DAY } = require('../shared/time.cjs')

/**
 * @param {{api: any, context: any, environment: string, commit: string, isReviewed: (run: any) => Promise<boolean>}} tools
 */
module.exports = ({ api, context, environment, commit, isReviewed }) => {
  const triggeringRun = context.payload.workflow_run

  /**
   * @param {any} run
   * @param {string} file
   */
  const isOf = (run, file) =>
    run.path.split('@')[0] === `.github/workflows/${file}` && commitInTitle(run.display_title) === commit

  /**
   * The newest run comes first. A run can be re-run for 30 days, so older ones do not matter.
   * @param {string} file
   */
  async function* listed(file) {
    const created = `>=${new Date(Date.now() - 31 * DAY).toISOString()}`
    try {
      yield* api.pages('GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs', { ...context.repo, workflow_id: file, created }, 'workflow_runs')
    } catch (/** @type {any} */ error) {
      if (error.status !== 404) throw error // 404: the workflow has never run
    }
  }

  /**
   * GitHub updates lists late, so the triggering run is put into the list as the event describes it.
   * @param {string} file
   */
  async function* withEvent(file) {
    let unlisted = isOf(triggeringRun, file) ? triggeringRun : undefined
    for await (const run of listed(file)) {
      if (!isOf(run, file)) continue
      const newer = run.id === unlisted?.id && run.run_attempt > unlisted.run_attempt
      if (unlisted && run.id <= unlisted.id && !newer) yield unlisted
      if (run.id !== unlisted?.id || newer) yield run
      if (run.id <= unlisted?.id) unlisted = undefined
    }
    if (unlisted) yield unlisted
  }

  /**
   * The runs that count, the newest first. Runs that were skipped, or whose workflow nobody reviewed, do not.
   * @param {string} component
   */
  async function* runsOf(component) {
    for await (const run of withEvent(`${component}-${environment}.yml`)) {
      if (run.conclusion !== 'skipped' && await isReviewed(run)) yield run
    }
  }

  return runsOf
}
