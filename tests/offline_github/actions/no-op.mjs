// Actions that install something or log in: their inputs are checked, and what they rely on.
import fs from 'node:fs'

const core = await import('@actions/core')

// With these inputs an action logs in by OIDC, which needs `id-token: write`.
const OIDC = {
  'aws-actions/configure-aws-credentials': 'role-to-assume',
  'azure/login': 'client-id',
  'google-github-actions/auth': 'workload_identity_provider',
}

export default async function noOp({ action }) {
  const federated = OIDC[action] && core.getInput(OIDC[action])
  if (federated && !process.env.ACTIONS_ID_TOKEN_REQUEST_URL) {
    throw new Error(`${action}: unable to get ACTIONS_ID_TOKEN_REQUEST_URL: the job needs id-token: write`)
  }
  const inputs = Object.entries(process.env)
    .filter(([name, value]) => name.startsWith('INPUT_') && value)
    .map(([name, value]) => [name.slice(6).toLowerCase(), value])
  const used = { tool: action, inputs: Object.fromEntries(inputs), job: process.env.OFFLINE_GITHUB_JOB }
  if (process.env.OFFLINE_GITHUB_ACTION_LOG) {
    fs.appendFileSync(process.env.OFFLINE_GITHUB_ACTION_LOG, `${JSON.stringify(used)}\n`)
  }
  core.info(`${action}: nothing to do offline`)
}
