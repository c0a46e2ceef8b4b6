// Runs many scripts of actions/github-script at once, in one process, each as far as it gets: what
// it asks of REST, and how long it sleeps, the test's side answers when it likes, one at a time.
// Reads one message a line from stdin; answers each, when no script goes on by itself, with one line.
import '../node/packages.mjs'
import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire } from 'node:module'
import readline from 'node:readline'
import { loader } from './modules.mjs'

process.env.GITHUB_API_URL = 'http://offline.invalid'
const realCore = await import('@actions/core')
const { context: anyContext, getOctokit } = await import('@actions/github')
const { defaults } = await import('@actions/github/lib/utils')

const AsyncFunction = Object.getPrototypeOf(async () => null).constructor
const running = new AsyncLocalStorage()
/** @type {Map<number, any>} */
const scripts = new Map()
const real = { Date, setTimeout, clearTimeout, env: process.env, write: process.stdout.write.bind(process.stdout) }

// What a process of its own would have.
Object.defineProperty(process, 'env', { configurable: true, get: () => running.getStore()?.env ?? real.env })
const now = () => running.getStore()?.now ?? real.Date.now()
globalThis.Date = new Proxy(real.Date, {
  apply: () => new real.Date(now()).toString(),
  construct: (target, given, made) => Reflect.construct(target, given.length ? given : [now()], made),
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
})
globalThis.setTimeout = (callback, delay, ...rest) => {
  const script = running.getStore()
  if (!script) return real.setTimeout(callback, delay, ...rest)
  const timer = ++script.count
  script.timers.set(timer, { due: script.now + (Number(delay) || 0), fire: () => callback(...rest) })
  return { timer, script, ref: () => {}, unref: () => {} }
}
globalThis.clearTimeout = (handle) => {
  if (handle?.script) handle.script.timers.delete(handle.timer)
  else real.clearTimeout(handle)
}
globalThis.setInterval = () => {
  throw new Error('setInterval is not modelled by the offline GitHub')
}
process.exit = () => {
  throw new Error('process.exit is not modelled by the offline GitHub')
}
const print = (chunk) => {
  const script = running.getStore()
  if (!script) return real.write(chunk)
  script.log.push(...String(chunk).replace(/\n$/, '').split('\n'))
  return true
}
process.stdout.write = print
process.stderr.write = print
process.on('unhandledRejection', (error) => {
  const [script] = [running.getStore(), ...scripts.values()].filter(Boolean)
  script?.fail(`Unhandled error: ${error}`)
})

class Script {
  constructor({ id, code, env, event, folder, now: time }) {
    Object.assign(this, { id, code, env, event, folder, now: time })
    this.count = 0
    this.requests = new Map()
    this.timers = new Map()
    this.log = []
    this.outputs = {}
    this.exported = {}
    this.failed = false
    this.ended = false
  }

  fail(message) {
    this.failed = true
    this.log.push(`##[error]${message}`)
  }

  /** The call waits until the test's side answers it. */
  fetch(resource, options = {}) {
    const url = new URL(resource?.url ?? resource)
    const method = (options.method ?? 'GET').toUpperCase()
    const headers = Object.fromEntries(new Headers(options.headers ?? {}))
    const number = ++this.count
    return new Promise((resolve, reject) => {
      const asked = { method, url: url.pathname + url.search, body: options.body ?? null, known: headers['if-none-match'] ?? null }
      this.requests.set(number, { asked, resolve, reject, url: String(url) })
    })
  }

  answer({ request, status, headers, text = '', data = '', error }) {
    const { resolve, reject, url } = this.requests.get(request)
    this.requests.delete(request)
    if (error) {
      const cause = Object.assign(new Error(error), { code: error })
      reject(new TypeError('fetch failed', { cause }))
      return
    }
    const all = new Headers({ 'content-type': 'application/json; charset=utf-8', ...headers })
    resolve({
      status,
      url,
      ok: status < 400,
      headers: all,
      text: async () => text,
      json: async () => JSON.parse(text),
      arrayBuffer: async () => data ? new Uint8Array(Buffer.from(data, 'base64')).buffer : new TextEncoder().encode(text).buffer,
    })
  }

  core() {
    const say = (kind) => (message) => this.log.push(`##[${kind}]${message instanceof Error ? message : String(message)}`)
    const summary = new realCore.summary.constructor()
    summary.write = async () => {
      this.summary = (this.summary ?? '') + summary.stringify()
      return summary.emptyBuffer()
    }
    return {
      ...realCore,
      summary,
      setOutput: (name, value) => { this.outputs[name] = text(value) },
      exportVariable: (name, value) => { this.env[name] = this.exported[name] = text(value) },
      setFailed: (message) => this.fail(message instanceof Error ? String(message) : message),
      setSecret: () => {},
      error: say('error'),
      warning: say('warning'),
      notice: say('notice'),
      debug: () => {},
      info: (message) => { this.log.push(String(message)) },
    }
  }

  async run() {
    try {
      const fetch = (...call) => this.fetch(...call)
      const github = getOctokit(this.env.GITHUB_TOKEN_OF_JOB ?? 'offline', { request: { ...defaults.request, fetch } })
      const context = new anyContext.constructor()
      context.payload = this.event
      const isOwn = (file) => file.startsWith(this.folder) && !file.endsWith('.json')
      const require = loader(createRequire(import.meta.url), isOwn, false)
      const scope = { require, __original_require__: require, github, octokit: github, context, core: this.core() }
      const result = await compiled(this.code, Object.keys(scope))(...Object.values(scope))
      if (result !== undefined) this.outputs.result = JSON.stringify(result)
    } catch (error) {
      this.fail(`Unhandled error: ${error}`)
    }
    this.ended = true
  }

  get blocked() {
    return this.ended || this.requests.size > 0 || this.timers.size > 0
  }
}

const text = (value) => (typeof value === 'string' || value instanceof String ? String(value) : value == null ? '' : JSON.stringify(value))

const functions = new Map()
function compiled(code, names) {
  const known = functions.get(code) ?? new AsyncFunction(...names, code)
  functions.set(code, known)
  return known
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Wait until the script can do nothing more by itself. */
async function settled(script) {
  let count = -1
  for (let turns = 0; !(script.blocked && count === script.count); turns++) {
    count = script.count
    if (turns < 50) await turn()
    else if (turns < 5000) await new Promise((resolve) => real.setTimeout(resolve, 1))
    else return script.fail('the script waits for something that is not modelled by the offline GitHub')
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const message = JSON.parse(line)
  if (message.stop !== undefined) {
    scripts.delete(message.stop)
    continue
  }
  let script = scripts.get(message.id)
  if (message.code !== undefined) {
    script = new Script(message)
    scripts.set(script.id, script)
    running.run(script, () => void script.run())
  } else {
    script.now = message.now
    running.run(script, () => {
      if (message.timer) {
        const { fire } = script.timers.get(message.timer)
        script.timers.delete(message.timer)
        fire()
      } else script.answer(message)
    })
  }
  await settled(script)
  if (script.ended) scripts.delete(script.id)
  const { ended, failed, outputs, exported, log, summary = '' } = script
  const state = {
    requests: [...script.requests].map(([request, { asked }]) => ({ request, ...asked })),
    timers: [...script.timers].map(([timer, { due }]) => ({ timer, due })),
    ended: ended || failed && !script.requests.size && !script.timers.size,
    ...(ended && { failed, outputs, exported, log, summary }),
  }
  real.write(`${JSON.stringify(state)}\n`)
}
