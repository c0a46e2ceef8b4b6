// actions/create-github-app-token: asks the double's organisation, whose tokens can do what was asked.
const core = await import('@actions/core')

export default async function createAppToken() {
  const owner = core.getInput('owner') || process.env.GITHUB_REPOSITORY_OWNER
  const repositories = core.getInput('repositories').split(/[\s,]+/).filter(Boolean)
  const permissions = {}
  for (const [name, value] of Object.entries(process.env)) {
    const scope = /^INPUT_PERMISSION-(.+)$/.exec(name)
    if (scope && value) permissions[scope[1].toLowerCase().replaceAll('-', '_')] = value
  }
  const body = { client_id: core.getInput('client-id'), key: core.getInput('private-key'), owner, repositories, permissions }
  const answer = await fetch(`${process.env.GITHUB_API_URL}/_offline/app-token`, {
    method: 'POST',
    headers: { authorization: `token ${process.env.ACTIONS_RUNTIME_TOKEN}` },
    body: JSON.stringify(body),
  })
  const said = await answer.json()
  if (!answer.ok) throw new Error(said.message)
  core.setSecret(said.token)
  core.setOutput('token', said.token)
  core.setOutput('installation-id', said.installation_id)
  core.setOutput('app-slug', said.app_slug)
}
