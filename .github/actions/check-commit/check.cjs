// @ts-check
const connect = require('../shared/api.cjs')
const allCommits = require('../shared/commits.cjs')
const allRuns = require('../shared/runs.cjs')
const { sleep } = require('../shared/time.cjs')

const LOOKS = 6

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { COMMIT, GITHUB_RUN_ATTEMPT, GITHUB_WORKFLOW_REF = '', REFS = '' } = process.env
  const file = GITHUB_WORKFLOW_REF.replace(/@.*/, '').replace(/.*\//, '')
  const before = context.payload.workflow_run

  const commit = COMMIT || allCommits.started(context)
  if (!commit) {
    return core.setFailed(`The title of ${before.html_url}, ${JSON.stringify(before.display_title)}, names no commit: start ${file} by hand with one`)
  }
  if (!/^[0-9a-f]{40}$/.test(commit)) {
    return core.setFailed(`The input commit, ${JSON.stringify(commit)}, is not 40 hexadecimal digits: give the full SHA, or nothing`)
  }
  const { default_branch } = context.payload.repository
  const commits = allCommits.of({ github, context, core, refs: REFS })
  const isNextEnvironment = before?.path.includes('/orchestrator-')
  const isOneBranch = /^\^refs\/heads\/([\w/-]|\\.)+\$$/.test(REFS)
  if (isNextEnvironment && isOneBranch && !new RegExp(REFS).test(`refs/heads/${default_branch}`)) {
    // `workflow_run` runs as the default branch, which the environment's policy would refuse later;
    // but not after another component, because then the policy has the default branch as well, and
    // not where the chain starts from a pattern, because then there is no policy.
    return core.setFailed(`The default branch is ${default_branch}, and ${file} deploys what is on a branch like ` +
      `${REFS}: make that the default branch with gh repo edit --default-branch`)
  }
  if (!await commits.belongs(commit)) return core.setFailed(commits.foreign(commit))
  if (before && !await commits.believed(before)) {
    return core.setFailed(
      `${before.html_url} ran the workflows of ${before.head_sha}, which is neither on the default branch ` +
      `nor on one like ${REFS}: start ${file} by hand with a commit that is`,
    )
  }

  const { pages } = connect({ github, core })
  const runs = allRuns.of({ pages, context, commits })
  const byHand = context.eventName === 'workflow_dispatch'
  // What a person starts is deployed, also to go back. A candidate that only comes has not asked yet.
  const newer = byHand ? undefined : await overtaking(commit)
  if (newer) {
    const why = `${newer.html_url} makes this run too old, so it deploys nothing: to deploy ${commit} all the same, start ${file} by hand with it`
    // What a person re-runs ends red, so that a run that has succeeded has deployed what it holds.
    if (!before || GITHUB_RUN_ATTEMPT !== '1') return core.setFailed(why)
    core.notice(why) // after another environment was rolled back, for example
  }
  const idle = !newer && before?.event === 'workflow_run' && await isIdle()
  if (idle) core.notice(`${before.html_url} deployed nothing, so this run deploys nothing either`)
  core.setOutput('commit', commit)
  core.setOutput('deploy', String(!newer && !idle))
  core.setOutput('roll-back', String(byHand && await isRollBack()))

  /**
   * A run that is queued may be skipped in the next moment, and then makes nothing too old.
   * @param {string} older
   */
  async function overtaking(older) {
    for (let look = 0; ; look++) {
      const found = await runs.overtaking({
        files: [file], commit: older, isRival: (run, asked) => asked || Boolean(before && run.status !== 'completed'),
      })
      if (look === LOOKS || !['queued', 'requested'].includes(found?.status ?? '')) return found
      await sleep(10)
    }
  }

  /** Whether a newer run has overtaken the run before, which came after another one, too. */
  async function isIdle() {
    const { skipped, worked, planned } = await runs.fateOf(before)
    return skipped && !worked && !planned
  }

  /** Whether this workflow has already built or deployed the commit that a person chose. */
  async function isRollBack() {
    if (commit === context.sha) return false
    for await (const run of runs.ofFile(file, { status: 'success' })) {
      const isSame = run.id !== context.runId && allCommits.titled(run.display_title) === commit
      if (isSame && await commits.believed(run) && (await runs.fateOf(run)).worked) return true
    }
    return false
  }
}
