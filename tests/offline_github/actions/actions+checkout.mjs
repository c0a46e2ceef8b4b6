// actions/checkout: fetches from the bare remote, as far as the token's rights reach.
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const core = await import('@actions/core')
const exec = await import('@actions/exec')

const NOT_MODELLED = ['ssh-key', 'filter', 'sparse-checkout', 'github-server-url']

/** Where a checkout of one commit is kept: copying files is much quicker than ten git processes. */
function keep(url, parts) {
  const name = crypto.createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 20)
  const folder = path.join(path.dirname(fileURLToPath(url)), 'checkouts')
  fs.mkdirSync(folder, { recursive: true })
  return path.join(folder, name)
}

/** What `git init` and `git remote add origin` make, without two processes. */
async function initialise(folder, url) {
  for (const name of ['objects', 'refs/heads', 'refs/tags']) {
    await fs.promises.mkdir(path.join(folder, name), { recursive: true })
  }
  await fs.promises.writeFile(path.join(folder, 'HEAD'), 'ref: refs/heads/offline\n')
  const core = '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n'
  const origin = `[remote "origin"]\n\turl = ${url}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`
  await fs.promises.writeFile(path.join(folder, 'config'), core + origin)
}

export default async function checkout() {
  for (const name of NOT_MODELLED) {
    if (core.getInput(name)) throw new Error(`offline checkout does not model the input ${name}`)
  }
  if (!['', 'false'].includes(core.getInput('lfs'))) throw new Error('offline checkout does not model lfs')
  const submodules = core.getInput('submodules') || 'false'
  const token = core.getInput('token')
  const repository = core.getInput('repository') || process.env.GITHUB_REPOSITORY
  const workspace = process.env.GITHUB_WORKSPACE
  const target = path.resolve(workspace, core.getInput('path') || '.')
  if (target !== workspace && !target.startsWith(workspace + path.sep)) {
    throw new Error(`Repository path '${target}' is not under '${workspace}'`)
  }

  const ref = core.getInput('ref') || process.env.GITHUB_SHA
  const answer = await fetch(`${process.env.GITHUB_API_URL}/_offline/clone/${repository}?ref=${encodeURIComponent(ref)}`, {
    headers: { authorization: `token ${token}` },
  })
  if (!answer.ok) throw new Error(`The process '/usr/bin/git' failed with exit code 128: ${await answer.text()}`)
  const { url, fetched, commit, branch } = await answer.json()

  const depth = core.getInput('fetch-depth') || '1'
  const git = (...args) => exec.exec('git', ['-C', target, ...args], { silent: true })
  await fs.promises.mkdir(target, { recursive: true })
  if ((core.getInput('clean') || 'true') === 'true') {
    for (const entry of await fs.promises.readdir(target)) {
      await fs.promises.rm(path.join(target, entry), { recursive: true, force: true })
    }
  }
  const tags = core.getInput('fetch-tags') === 'true' ? ['--tags'] : ['--no-tags']
  const remembered = depth === '0' || tags[0] === '--tags' ? null : keep(url, [fetched, commit, branch, depth])
  if (remembered && fs.existsSync(remembered)) {
    fs.cpSync(remembered, target, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  } else {
    await initialise(path.join(target, '.git'), url)
    // All history is that of branches and tags: a pull request's commit is on none of them.
    const refs = depth === '0' ? ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'] : []
    await git('-c', 'fetch.unpackLimit=1', 'fetch', '--quiet', '--no-auto-maintenance', ...(depth === '0' ? [] : [...tags, `--depth=${depth}`]), 'origin', ...refs, fetched)
    await git('checkout', '--quiet', '--force', ...(branch ? ['-B', branch] : ['--detach']), commit)
    if (remembered) {
      const copy = `${remembered}-${process.pid}`
      fs.cpSync(target, copy, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
      // Another job may have been quicker; one is as good as the other.
      await fs.promises.rename(copy, remembered).catch(() => fs.promises.rm(copy, { recursive: true }))
    }
  }
  if (submodules !== 'false') {
    const deep = submodules === 'recursive' ? ['--recursive'] : []
    await git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'update', '--init', '--force', ...deep)
  }
  if ((core.getInput('persist-credentials') || 'true') === 'true') {
    const basic = Buffer.from(`x-access-token:${token}`).toString('base64')
    await git('config', 'http.https://github.com/.extraheader', `AUTHORIZATION: basic ${basic}`)
  }
  core.setOutput('ref', ref)
  core.setOutput('commit', commit)
  core.info(`Checked out ${commit} of ${repository}`)
}
