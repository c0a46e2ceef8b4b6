// actions/upload-artifact: GitHub's artifact library against the local artifact service.
import fs from 'node:fs'
import path from 'node:path'

const core = await import('@actions/core')
const glob = await import('@actions/glob')
const { default: artifacts } = await import('@actions/artifact')

/** The deepest folder that holds all search paths: names in the artifact start below it. */
function commonFolder(paths) {
  const split = paths.map((name) => path.normalize(name).split(path.sep))
  const shared = split[0].filter((part, i) => split.every((other) => other.slice(0, i + 1).join() === split[0].slice(0, i + 1).join()))
  return shared.join(path.sep) || path.sep
}

async function find(search, hidden) {
  const globber = await glob.create(search, {
    followSymbolicLinks: true,
    implicitDescendants: true,
    omitBrokenSymbolicLinks: true,
    excludeHiddenFiles: !hidden,
  })
  const files = (await globber.glob()).filter((file) => !fs.statSync(file).isDirectory())
  const paths = globber.getSearchPaths()
  if (paths.length > 1) return { files, root: commonFolder(paths) }
  const oneFile = files.length === 1 && files[0] === paths[0]
  return { files, root: oneFile ? path.dirname(files[0]) : paths[0] }
}

export default async function upload() {
  const name = core.getInput('name') || 'artifact'
  const search = core.getInput('path', { required: true })
  const missing = core.getInput('if-no-files-found') || 'warn'
  const flag = (input) => core.getInput(input) === 'true'
  if (!['warn', 'error', 'ignore'].includes(missing)) throw new Error(`Unrecognized if-no-files-found input: ${missing}`)
  if (core.getInput('archive') === 'false') throw new Error('offline upload-artifact does not model archive: false')

  const { files, root } = await find(search, flag('include-hidden-files'))
  if (!files.length) {
    const message = `No files were found with the provided path: ${search}. No artifacts will be uploaded.`
    if (missing === 'error') core.setFailed(message)
    else core[missing === 'warn' ? 'warning' : 'info'](message)
    return
  }
  if (flag('overwrite')) await artifacts.deleteArtifact(name).catch(() => {})
  const options = {}
  if (core.getInput('retention-days')) options.retentionDays = Number(core.getInput('retention-days'))
  if (core.getInput('compression-level')) options.compressionLevel = Number(core.getInput('compression-level'))
  const { id, digest } = await artifacts.uploadArtifact(name, files, root, options)
  core.setOutput('artifact-id', id)
  core.setOutput('artifact-digest', digest)
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID } = process.env
  core.setOutput('artifact-url', `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}/artifacts/${id}`)
}
