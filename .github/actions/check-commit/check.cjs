// @ts-check
const { commitInTitle, commitOfEvent } = require('../shared/commits.cjs')
const { environmentOf } = require('../shared/manifests.cjs')
const { sleep } = require('../shared/time.cjs')

const LOOKS = 6 // at a newer run that is still queued

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { COMMIT, GITHUB_RUN_ATTEMPT, GITHUB_WORKFLOW_REF = '', REFS = '' } = process.env
  const file = GITHUB_WORKFLOW_REF.replace(/@.*/, '').replace(/.*\//, '')
  const trigger = context.payload.workflow_run

  const commit = COMMIT || commitOfEvent(context)
  if (!commit) {
    return core.setFailed(`The title of ${trigger.html_url}, ${JSON.stringify(trigger.display_title)}, has no commit: start ${file} by hand, and give a commit`)
  }
  if (!/^[0-9a-f]{40}$/.test(commit)) {
    return core.setFailed(`The input commit, ${JSON.stringify(commit)}, is not 40 hexadecimal digits: give the full SHA, or leave it empty`)
  }
  const { default_branch } = context.payload.repository
  const { commits, runs } = environmentOf({ github, context, core, refs: REFS })
  const isNextEnvironment = trigger?.path.includes('/orchestrator-')
  const isOneBranch = /^\^refs\/heads\/([\w/-]|\\.)+\$$/.test(REFS)
  if (isNextEnvironment && isOneBranch && !new RegExp(REFS).test(`refs/heads/${default_branch}`)) {
    // `workflow_run` runs on the default branch, which the environment's branch policy would refuse later.
    // Two cases are allowed: after another component, because then the policy has the default branch, too;
    // and a chain that starts from a pattern of branches, because then there is no policy.
    return core.setFailed(`The default branch is ${default_branch}, but ${file} deploys from a branch like ` +
      `${REFS}: make that the default branch with gh repo edit --default-branch`)
  }
  if (!await commits.isDeployable(commit)) return core.setFailed(commits.whyNotDeployable(commit))
  if (trigger && !await commits.isTrusted(trigger)) {
    return core.setFailed(
      `${trigger.html_url} ran the workflows of ${trigger.head_sha}, which is neither on the default branch ` +
      `nor on a branch like ${REFS}: start ${file} by hand with a commit that is`,
    )
  }

  const byHand = context.eventName === 'workflow_dispatch'
  // A run that a person starts may deploy an older commit: it can be a roll-back.
  const newer = byHand ? undefined : await newerRun(commit)
  if (newer) {
    const why = `${newer.html_url} is newer, so this run deploys nothing: to deploy ${commit} all the same, start ${file} by hand with that commit`
    // Only a first attempt that another run has triggered succeeds without a deployment. All others fail.
    if (!trigger || GITHUB_RUN_ATTEMPT !== '1') return core.setFailed(why)
    core.notice(why)
  }
  const isIdle = !newer && trigger?.event === 'workflow_run' && await isTriggerIdle()
  if (isIdle) core.notice(`${trigger.html_url} deployed nothing, so this run deploys nothing either`)
  core.setOutput('commit', commit)
  core.setOutput('deploy', String(!newer && !isIdle))
  core.setOutput('roll-back', String(byHand && await isRollBack()))

  /**
   * A newer run. If it is still queued, it may be skipped in the next moment and not count: look again.
   * @param {string} older
   */
  async function newerRun(older) {
    for (let look = 0; ; look++) {
      const found = await runs.findNewer({
        files: [file], commit: older, alsoCounts: (run, asked) => asked || Boolean(trigger && run.status !== 'completed'),
      })
      if (look === LOOKS || !['queued', 'requested'].includes(found?.status ?? '')) return found
      await sleep(10)
    }
  }

  /** Whether the triggering run deployed nothing, because a newer run had overtaken it. */
  async function isTriggerIdle() {
    const { skipped, worked, planned } = await runs.progressOf(trigger)
    return skipped && !worked && !planned
  }

  /** Whether this workflow has already built or deployed the commit that a person chose. */
  async function isRollBack() {
    if (commit === context.sha) return false
    for await (const run of runs.ofWorkflow(file, { status: 'success' })) {
      const isSame = run.id !== context.runId && commitInTitle(run.display_title) === commit
      if (isSame && await commits.isTrusted(run) && (await runs.progressOf(run)).worked) return true
    }
    return false
  }
}
