// @ts-check
const { environmentOf } = require('../shared/manifests.cjs')
const { BOT, rootRunId } = require('../shared/runs.cjs')
const approved = require('./approved.cjs')

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { COMMIT = '', COMPONENT, ENVIRONMENT, GITHUB_WORKFLOW_REF = '', REFS = '' } = process.env
  const file = GITHUB_WORKFLOW_REF.replace(/@.*/, '').replace(/.*\//, '')
  if (!/^[0-9a-f]{40}$/.test(COMMIT)) {
    return core.setFailed(`The input commit, ${JSON.stringify(COMMIT)}, is not 40 hexadecimal digits: give the full SHA, or leave it empty`)
  }
  const { read, pages, commits, runs, runOf } = environmentOf({ github, context, core, refs: REFS })
  if (!await commits.isDeployable(COMMIT)) return core.setFailed(commits.whyNotDeployable(COMMIT))

  const { why, run } = await approved({ runOf, pages, context, file, isTrusted: commits.isTrusted })
  if (why) return core.setFailed(why)

  // A run that an orchestrator has started counts as started by hand if the orchestrator was.
  const run_id = context.actor === BOT ? Number(context.payload.inputs?.orchestrator) : 0
  const starter = run ?? (run_id ? (await read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...context.repo, run_id })).data : context)
  const newer = await runs.findNewer({
    files: [`orchestrator-${ENVIRONMENT}.yml`, `${COMPONENT}-${ENVIRONMENT}.yml`],
    commit: COMMIT,
    root: rootRunId(context.runId, context.actor, context.payload.inputs?.orchestrator),
    byHand: (starter.event ?? starter.eventName) === 'workflow_dispatch',
  })
  if (newer) {
    core.setFailed(`${newer.html_url} is newer and was allowed to deploy, so this run deploys nothing more: to go back, start ${file} by hand with ${COMMIT}`)
  }
}
