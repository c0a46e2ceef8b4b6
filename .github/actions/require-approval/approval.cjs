// @ts-check
const { undefinedIfGone } = require('../shared/api.cjs')
const { commitOfEvent } = require('../shared/commits.cjs')
const { environmentOf } = require('../shared/manifests.cjs')

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { ENVIRONMENT, GITHUB_RUN_ATTEMPT = '', GITHUB_WORKFLOW_REF = '', REFS = '' } = process.env
  const file = GITHUB_WORKFLOW_REF.replace(/@.*/, '').replace(/.*\//, '')
  const { read, runs } = environmentOf({ github, context, core, refs: REFS })

  // Some GitHub plans have no environments.
  const environment = await undefinedIfGone(read('GET /repos/{owner}/{repo}/environments/{environment_name}', {
    ...context.repo, environment_name: ENVIRONMENT,
  }))
  /** @type {{type: string, reviewers?: unknown[]}[]} */
  const rules = environment?.data.protection_rules ?? []
  if (!rules.some(({ type, reviewers }) => type === 'required_reviewers' && reviewers?.length)) {
    return core.setFailed(
      `The environment ${ENVIRONMENT} has no required reviewers, so nobody has approved this run: add some in the repository's settings ` +
      'and re-run all jobs; if your GitHub plan does not offer them, answer `approval: none`',
    )
  }
  // If two runs start at the same time, the older one may ask last and cancel the approval of the newer one.
  const commit = commitOfEvent(context)
  if (context.eventName !== 'workflow_dispatch' && commit) {
    const newer = await runs.findNewer({ files: [file], commit, alsoCounts: (_, asked) => asked })
    if (newer) {
      const advice = newer.conclusion === 'success' ? '' : 'approve that run (after "Re-run all jobs" if it no longer waits); '
      return core.setFailed(
        `${newer.html_url} is newer, so this run deploys nothing although it was approved: ${advice}` +
        `to deploy ${commit} all the same, start ${file} by hand with that commit`,
      )
    }
  }
  core.setOutput('attempt', GITHUB_RUN_ATTEMPT)
}
