// @ts-check
const api = require('../lib/api.cjs')

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { ENVIRONMENT, GITHUB_RUN_ATTEMPT = '' } = process.env

  /** @returns {Promise<{type: string, reviewers?: unknown[]}[]>} */
  async function rules() {
    try {
      const { data } = await api({ github, core }).read('GET /repos/{owner}/{repo}/environments/{environment_name}', {
        ...context.repo, environment_name: ENVIRONMENT,
      })
      return data.protection_rules
    } catch (error) {
      if (/** @type {import('../lib/api.cjs').ApiError} */ (error).status === 404) return [] // the plan has no environments
      throw error
    }
  }

  if ((await rules()).some(({ type, reviewers }) => type === 'required_reviewers' && reviewers?.length)) {
    return core.setOutput('attempt', GITHUB_RUN_ATTEMPT)
  }
  core.setFailed(
    `The environment ${ENVIRONMENT} has no required reviewers, so nobody has approved this: add some in the repository's settings ` +
    'and re-run all jobs; where its plan has none, answer `approval: none`, or `manual: true` for the environment',
  )
}
