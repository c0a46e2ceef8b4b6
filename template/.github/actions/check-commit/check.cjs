// @ts-check
const api = require('../lib/api.cjs')
const commits = require('../lib/commits.cjs')
const refusal = require('./approved.cjs')

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { APPROVED, COMMIT, GITHUB_WORKFLOW_REF = '', REFS = '' } = process.env
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

  const why = APPROVED && await refusal({ github, context, core, commit, file, reviewed })
  if (why) return core.setFailed(why)

  core.setOutput('commit', commit)
  core.setOutput('roll-back', String(await isRollBack()))

  /** Whether a person chose a commit that an earlier run has deployed. */
  async function isRollBack() {
    if (context.eventName !== 'workflow_dispatch' || commit === context.sha) return false
    const runs = pages(
      'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs', { ...context.repo, workflow_id: file, status: 'success' }, 'workflow_runs',
    )
    for await (const run of runs) {
      if (run.id !== context.runId && commits.titled(run.display_title) === commit && await reviewed(run)) return true
    }
    return false
  }
}
