// actions/github-script: the script runs with the real Octokit and toolkit.
import { createRequire } from 'node:module'

const core = await import('@actions/core')
const exec = await import('@actions/exec')
const glob = await import('@actions/glob')
const io = await import('@actions/io')
const { context, getOctokit } = await import('@actions/github')

const AsyncFunction = Object.getPrototypeOf(async () => null).constructor
const require = createRequire(new URL('../../node/package.json', import.meta.url))

export default async function githubScript() {
  const token = core.getInput('github-token', { required: true })
  const script = core.getInput('script', { required: true })
  const baseUrl = core.getInput('base-url')
  const userAgent = core.getInput('user-agent') || 'actions/github-script'
  const github = getOctokit(token, { userAgent, ...(baseUrl ? { baseUrl } : {}) })
  const scope = {
    require,
    __original_require__: require,
    github,
    octokit: github,
    context: new context.constructor(), // the library made its own when it was loaded
    core,
    exec,
    glob,
    io,
  }
  // Waiting is the only thing a polling script does most of the time: its clock runs faster here.
  const speed = Number(process.env.OFFLINE_GITHUB_SPEED || 1)
  const { setTimeout } = globalThis
  globalThis.setTimeout = (callback, delay, ...rest) => setTimeout(callback, (delay ?? 0) / speed, ...rest)
  try {
    const result = await new AsyncFunction(...Object.keys(scope), script)(...Object.values(scope))
    const encoding = core.getInput('result-encoding') || 'json'
    if (!['json', 'string'].includes(encoding)) {
      throw new Error('"result-encoding" must be either "string" or "json"')
    }
    core.setOutput('result', encoding === 'json' ? JSON.stringify(result) : String(result))
  } catch (error) {
    throw new Error(`Unhandled error: ${error}`, { cause: error })
  } finally {
    globalThis.setTimeout = setTimeout
  }
}
