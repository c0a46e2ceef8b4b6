// actions/download-artifact: from this run by the artifact service, from others over REST.
import path from 'node:path'

const core = await import('@actions/core')
const { default: artifacts } = await import('@actions/artifact')
const { Minimatch } = await import('minimatch')

async function download() {
  const name = core.getInput('name')
  const ids = core.getInput('artifact-ids')
  const token = core.getInput('github-token')
  const pattern = core.getInput('pattern')
  const merge = core.getInput('merge-multiple') === 'true'
  const mismatch = core.getInput('digest-mismatch') || 'error'
  const target = path.resolve(core.getInput('path') || process.env.GITHUB_WORKSPACE)
  if (name && ids) throw new Error("Inputs 'name' and 'artifact-ids' cannot be used together. Please specify only one.")

  const options = {}
  if (token) {
    const [owner, repo] = (core.getInput('repository') || process.env.GITHUB_REPOSITORY).split('/')
    const run = Number.parseInt(core.getInput('run-id') || process.env.GITHUB_RUN_ID, 10)
    options.findBy = { token, workflowRunId: run, repositoryOwner: owner, repositoryName: repo }
  }

  let found
  if (name) {
    found = [(await artifacts.getArtifact(name, options)).artifact]
  } else {
    const { artifacts: all } = await artifacts.listArtifacts({ latest: true, ...options })
    const wanted = ids.split(',').map((id) => Number(id.trim()))
    const matcher = new Minimatch(pattern || '**')
    found = all.filter((a) => (ids ? wanted.includes(a.id) : !pattern || matcher.match(a.name)))
    if (ids && !found.length) throw new Error('None of the provided artifact IDs were found')
  }
  for (const artifact of found) {
    const flat = name || merge || found.length === 1
    const { digestMismatch } = await artifacts.downloadArtifact(artifact.id, {
      ...options,
      path: flat ? target : path.join(target, artifact.name),
      expectedHash: artifact.digest,
      skipDecompress: core.getInput('skip-decompress') === 'true',
    })
    if (digestMismatch && mismatch === 'error') throw new Error(`Digest validation failed for artifact(s): ${artifact.name}`)
  }
  core.info(`Total of ${found.length} artifact(s) downloaded`)
  core.setOutput('download-path', target)
}

export default () =>
  download().catch((error) => {
    throw new Error(`Unable to download artifact(s): ${error.message}`)
  })
