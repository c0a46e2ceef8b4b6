// @ts-check
const connect = require('../shared/api.cjs')
const { commitOfEvent, environmentCommits } = require('../shared/commits.cjs')
const { environmentRuns } = require('../shared/runs.cjs')

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { ENVIRONMENT, GITHUB_RUN_ATTEMPT = '', GITHUB_WORKFLOW_REF = '', REFS = '' } = process.env
  const file = GITHUB_WORKFLOW_REF.replace(/@.*/, '').replace(/.*\//, '')
  const { read, pages } = connect({ github, core })

  /** @returns {Promise<{type: string, reviewers?: unknown[]}[]>} */
  async function rules() {
    try {
      const { data } = await read('GET /repos/{owner}/{repo}/environments/{environment_name}', {
        ...context.repo, environment_name: ENVIRONMENT,
      })
      return data.protection_rules
    } catch (error) {
      if (/** @type {import('../shared/api.cjs').ApiError} */ (error).status === 404) return [] // the GitHub plan has no environments
      throw error
    }
  }

  if (!(await rules()).some(({ type, reviewers }) => type === 'required_reviewers' && reviewers?.length)) {
    return core.setFailed(
      `The environment ${ENVIRONMENT} has no required reviewers, so nobody has approved this run: add some in the repository's settings ` +
      'and re-run all jobs; if your GitHub plan does not offer them, answer `approval: none`',
    )
  }
  // If two runs start at the same time, the older one may ask last and cancel the approval of the newer one.
  const commit = commitOfEvent(context)
  if (context.eventName !== 'workflow_dispatch' && commit) {
    const commits = environmentCommits({ github, context, core, refs: REFS })
    const newer = await environmentRuns({ pages, context, commits }).findNewer({ files: [file], commit, alsoCounts: (_, asked) => asked })
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
