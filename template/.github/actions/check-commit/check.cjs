// @ts-check
const api = require('../lib/api.cjs')
const commits = require('../lib/commits.cjs')

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { APPROVED, COMMIT, GITHUB_RUN_ATTEMPT, GITHUB_WORKFLOW_REF = '', REFS = '' } = process.env
  const file = GITHUB_WORKFLOW_REF.replace(/@.*/, '').replace(/.*\//, '')
  const before = context.payload.workflow_run

  // After `workflow_run`, context.sha is the default branch's newest commit.
  const commit = COMMIT || (before ? commits.titled(before.display_title) : context.sha)
  if (!commit) {
    return core.setFailed(`The title of ${before.html_url}, ${JSON.stringify(before.display_title)}, names no commit: start ${file} by hand with one`)
  }
  if (!/^[0-9a-f]{40}$/.test(commit)) {
    return core.setFailed(`The input commit, ${JSON.stringify(commit)}, is not 40 hexadecimal digits: give the full SHA, or nothing`)
  }

  const { belongs, reviewed } = commits.of({ github, context, core, commit, refs: REFS })
  const { pages } = api({ github, core })
  if (!await belongs(commit)) {
    return core.setFailed(`${commit} is on no branch or tag like ${REFS}, so it is not deployed: bring it there first`)
  }
  if (before && !await reviewed(before)) {
    return core.setFailed(
      `${before.html_url} ran the workflows of ${before.head_sha}, which is neither on the default branch ` +
      `nor on one like ${REFS}: start ${file} by hand with a commit that is`,
    )
  }

  /**
   * The runs of this very workflow, the newest first.
   * @param {Record<string, string>} filter
   */
  const runs = filter => pages(
    'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs', { ...context.repo, workflow_id: file, ...filter }, 'workflow_runs',
  )

  if (APPROVED) {
    // "Re-run failed jobs" leaves the approval out, because that job has succeeded.
    if (APPROVED !== GITHUB_RUN_ATTEMPT) {
      return core.setFailed(`Attempt ${GITHUB_RUN_ATTEMPT} of this run has no approval: choose "Re-run all jobs", which asks for one`)
    }
    const newer = await approvedAfterThis()
    if (newer) return core.setFailed(`${newer} is newer and was approved, so this run deploys nothing: to go back, start ${file} by hand with ${commit}`)
  }

  core.setOutput('commit', commit)
  core.setOutput('roll-back', String(await isRollBack()))

  /** The address of a newer run that a person has let deploy. */
  async function approvedAfterThis() {
    for await (const run of runs({})) {
      if (run.run_number <= context.runNumber) return
      if (run.conclusion === 'skipped' || !await reviewed(run)) continue
      const jobs = pages(
        'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', { ...context.repo, run_id: run.id, filter: 'all' }, 'jobs',
      )
      for await (const job of jobs) {
        if (job.name === 'approval' && job.conclusion === 'success') return run.html_url
      }
    }
  }

  /** Whether a person chose a commit that an earlier run has deployed. */
  async function isRollBack() {
    if (context.eventName !== 'workflow_dispatch' || commit === context.sha) return false
    for await (const run of runs({ status: 'success' })) {
      if (run.id !== context.runId && commits.titled(run.display_title) === commit && await reviewed(run)) return true
    }
    return false
  }
}
