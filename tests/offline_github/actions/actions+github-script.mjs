// actions/github-script: the script runs with the real Octokit and toolkit.
import { createRequire } from 'node:module'
import path from 'node:path'
import { loader } from '../modules.mjs'

const core = await import('@actions/core')
const exec = await import('@actions/exec')
const glob = await import('@actions/glob')
const io = await import('@actions/io')
const { context, getOctokit } = await import('@actions/github')
const { defaults } = await import('@actions/github/lib/utils')

const AsyncFunction = Object.getPrototypeOf(async () => null).constructor
const packages = createRequire(new URL('../../node/package.json', import.meta.url))
const isOwn = (file) => path.isAbsolute(file) && file.endsWith('.cjs') && !file.includes('/node_modules/')

/** Waiting is most of what a polling script does: its clock and timers run faster here, together. */
function hasten() {
  const { Date, setInterval, setTimeout } = globalThis
  const speed = Number(process.env.OFFLINE_GITHUB_SPEED || 1)
  const [real, shown] = (process.env.OFFLINE_GITHUB_CLOCK || '0 0').split(' ').map(Number)
  // Finer than Date.now(), whose milliseconds are long when they are multiplied.
  const [begin, mark] = [Date.now(), performance.now()]
  const now = () => Math.floor(shown + (begin - real + performance.now() - mark) * speed)
  // Node may fire a millisecond early, counted from a moment that lies a little back.
  const shorten = (delay) => Math.ceil((delay || 0) / speed) + 1
  globalThis.setTimeout = (callback, delay, ...rest) => setTimeout(callback, shorten(delay), ...rest)
  globalThis.setInterval = (callback, delay, ...rest) => setInterval(callback, shorten(delay), ...rest)
  globalThis.Date = new Proxy(Date, {
    apply: () => new Date(now()).toString(),
    construct: (target, given, made) => Reflect.construct(target, given.length ? given : [now()], made),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  })
  return () => Object.assign(globalThis, { Date, setInterval, setTimeout })
}

const FAULTS = {
  ENOTFOUND: ({ hostname }) => ['getaddrinfo', hostname],
  EAI_AGAIN: ({ hostname }) => ['getaddrinfo', hostname],
  ECONNREFUSED: ({ host }) => ['connect', host],
  ETIMEDOUT: ({ host }) => ['connect', host],
  ECONNRESET: () => ['read', ''],
}

/** A fetch that asks before each call whether the test wants the network to fail. */
function unreliable(fetch, token) {
  const ask = globalThis.fetch
  return async (resource, options) => {
    const url = new URL(resource?.url ?? resource)
    const method = options?.method ?? resource?.method ?? 'GET'
    const answer = await ask(new URL('/_offline/fault', process.env.GITHUB_API_URL), {
      method: 'POST',
      headers: { authorization: `token ${token}` },
      body: JSON.stringify({ method: method.toUpperCase(), path: url.pathname }),
    })
    const { code } = await answer.json()
    if (!code) return fetch(resource, options)
    const [syscall, where] = FAULTS[code](url)
    const cause = Object.assign(new Error(`${syscall} ${code} ${where}`.trim()), { code, syscall })
    throw new TypeError('fetch failed', { cause })
  }
}

export default async function githubScript() {
  const token = core.getInput('github-token', { required: true })
  const script = core.getInput('script', { required: true })
  const baseUrl = core.getInput('base-url')
  const userAgent = core.getInput('user-agent') || 'actions/github-script'
  const { fetch } = globalThis
  const request = { ...defaults.request }
  if (process.env.OFFLINE_GITHUB_FAULTS) {
    request.fetch = unreliable(request.fetch, token)
    globalThis.fetch = unreliable(fetch, token)
  }
  const github = getOctokit(token, { userAgent, request, ...(baseUrl ? { baseUrl } : {}) })
  const require = loader(packages, isOwn)
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
  const restore = hasten()
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
    restore()
    globalThis.fetch = fetch
  }
}
