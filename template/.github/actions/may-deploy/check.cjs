// @ts-check
const connect = require('../lib/api.cjs')
const commits = require('../lib/commits.cjs')
const allRuns = require('../lib/runs.cjs')
const approved = require('./approved.cjs')

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { APPROVED, COMMIT = '', COMPONENT, ENVIRONMENT = '', GITHUB_WORKFLOW_REF = '', REFS = '' } = process.env
  const file = GITHUB_WORKFLOW_REF.replace(/@.*/, '').replace(/.*\//, '')
  if (!/^[0-9a-f]{40}$/.test(COMMIT)) {
    return core.setFailed(`The input commit, ${JSON.stringify(COMMIT)}, is not 40 hexadecimal digits: give the full SHA, or nothing`)
  }
  const { belongs, reviewed } = commits.of({ github, context, core, refs: REFS })
  if (!await belongs(COMMIT)) return core.setFailed(`No branch or tag like ${REFS} was ever at ${COMMIT}, so it is not deployed: merge it first`)

  const { read, pages } = connect({ github, core })
  const runs = allRuns.of({ pages, context, environment: ENVIRONMENT, reviewed })
  const { why, run } = await approved({ read, pages, context, file, reviewed })
  if (why) return core.setFailed(why)

  // Tags follow one another, and each is deployed.
  if (REFS.startsWith('^refs/tags/')) return
  const files = [`orchestrator-${ENVIRONMENT}.yml`, `${COMPONENT}-${ENVIRONMENT}.yml`]
  const newer = await runs.newerThan(files, run ?? allRuns.age(context.runId, context.payload.inputs?.orchestrator))
  if (newer) {
    core.setFailed(`${newer.html_url} is newer and was let deploy, so this run deploys nothing more: to go back, start ${file} by hand with ${COMMIT}`)
  }
}
