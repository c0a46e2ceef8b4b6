// @ts-check
const connect = require('../lib/api.cjs')
const commits = require('../lib/commits.cjs')
const allRuns = require('../lib/runs.cjs')
const overtaken = require('./overtaken.cjs')

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { COMMIT, GITHUB_WORKFLOW_REF = '', REFS = '' } = process.env
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
  const { default_branch } = context.payload.repository
  if (before && REFS.startsWith('^refs/heads/') && !new RegExp(REFS).test(`refs/heads/${default_branch}`)) {
    // `workflow_run` runs as the default branch, which the environment's policy would refuse later.
    return core.setFailed(`The default branch is ${default_branch}, and ${file} deploys what is on a branch like ${REFS}: make that the default branch with gh repo edit --default-branch`)
  }

  const { belongs, isBefore, reviewed } = commits.of({ github, context, core, refs: REFS })
  if (!await belongs(commit)) {
    const where = REFS.startsWith('^refs/tags/') ? `no tag like ${REFS} is at ${commit}, or it is not on ${default_branch}` : `no branch like ${REFS} was ever at ${commit}`
    return core.setFailed(`${where[0].toUpperCase()}${where.slice(1)}, so it is not deployed: merge it first`)
  }
  if (before && !await reviewed(before)) {
    return core.setFailed(
      `${before.html_url} ran the workflows of ${before.head_sha}, which is neither on the default branch ` +
      `nor on one like ${REFS}: start ${file} by hand with a commit that is`,
    )
  }

  const { pages } = connect({ github, core })
  const environment = file.replace(/^orchestrator-|\.yml$/g, '')
  const runs = allRuns.of({ pages, context, environment, reviewed })
  // What a person starts is deployed, also to go back.
  const newer = context.eventName === 'workflow_dispatch' ? undefined : await overtaken({ context, runs, file, commit, isBefore })
  if (newer) {
    const why = `Nothing is deployed: ${newer.html_url} is newer than ${context.ref}, at ${commit}. To go back, start ${file} by hand with that commit`
    if (!before) return core.setFailed(why)
    core.notice(why) // after another environment was rolled back, for example
  }
  core.setOutput('commit', commit)
  core.setOutput('deploy', String(!newer))
  core.setOutput('roll-back', String(await isRollBack()))

  /** Whether a person chose a commit that this workflow has deployed before. */
  async function isRollBack() {
    if (context.eventName !== 'workflow_dispatch' || commit === context.sha) return false
    for await (const run of runs.ofFile(file)) {
      const isSame = run.id !== context.runId && run.conclusion === 'success' && commits.titled(run.display_title) === commit
      if (isSame && await reviewed(run)) return true
    }
    return false
  }
}
