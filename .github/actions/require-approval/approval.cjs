// @ts-check
const connect = require('../shared/api.cjs')
const allCommits = require('../shared/commits.cjs')
const allRuns = require('../shared/runs.cjs')

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
      if (/** @type {import('../shared/api.cjs').ApiError} */ (error).status === 404) return [] // the plan has no environments
      throw error
    }
  }

  if (!(await rules()).some(({ type, reviewers }) => type === 'required_reviewers' && reviewers?.length)) {
    return core.setFailed(
      `The environment ${ENVIRONMENT} has no required reviewers, so nobody has approved this: add some in the repository's settings ` +
      'and re-run all jobs; where its plan has none, answer `approval: none`',
    )
  }
  // Of two runs that came at the same time, the older one may have asked last, in the other's place.
  const commit = allCommits.started(context)
  if (context.eventName !== 'workflow_dispatch' && commit) {
    const commits = allCommits.of({ github, context, core, refs: REFS })
    const newer = await allRuns.of({ pages, context, commits }).overtaking({ files: [file], commit, isRival: (_, asked) => asked })
    if (newer) {
      const advice = newer.conclusion === 'success' ? '' : 'approve that one, after "Re-run all jobs" if it does not wait; '
      return core.setFailed(
        `${newer.html_url} is newer, so what was approved here is not deployed: ${advice}` +
        `to deploy ${commit} all the same, start ${file} by hand with it`,
      )
    }
  }
  core.setOutput('attempt', GITHUB_RUN_ATTEMPT)
}
