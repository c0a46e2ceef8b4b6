// Stands in for actions/github-script: the arguments of scripts, without GitHub and without waiting.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import Module, { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import { deflateRawSync } from 'node:zlib'

const actions = fileURLToPath(new URL('../../template/.github/actions/', import.meta.url))

/** Requires a script by its place once it is generated, such as 'run-component/run.cjs'. */
export function script(place) {
  const [action, file] = place.split('/')
  const folder = readdirSync(actions).find(name => name === action || name.includes(`%]${action}[%`))
  return createRequire(import.meta.url)(`${actions}${folder}/${file}`)
}

/** An error as Octokit throws it. Without a status the connection has broken. */
export function failure(status, message = 'Oops', headers = {}) {
  return Object.assign(new Error(message), status && { status, response: { status, headers } })
}

/** An answer with headers of its own, or with another status than 200. */
export const answer = (data, headers = {}, status = 200) => Object.assign(new Answer(), { status, headers, data })
class Answer {}

/** A list that GitHub gives in pages. `member` is the member of each answer that is the list. */
export const paged = (items, member) => ({ per_page, page }) => {
  const data = items.slice((page - 1) * per_page, page * per_page)
  return answer(member ? { [member]: data } : data, items.length > page * per_page ? { link: '<...>; rel="next"' } : {})
}

const API = 'GET /repos/{owner}/{repo}'
export const HISTORY = {
  refs: `${API}/git/matching-refs/{ref}`, tags: `${API}/tags`, compare: `${API}/compare/{basehead}`, commits: `${API}/commits`,
}

/**
 * The routes for commits. `parents` has the parents of every commit, the oldest commit first;
 * `branches` and `tags` have the commit of each. Every commit is a minute younger than the one before.
 */
export function history({ parents, branches = {}, tags = {} }) {
  const all = Object.keys(parents)
  /** A commit and all before it. */
  const from = sha => new Set([sha, ...(parents[sha] ?? []).flatMap(parent => [...from(parent)])])
  const shown = sha => ({
    sha, parents: parents[sha].map(parent => ({ sha: parent })),
    commit: { committer: { date: new Date(Date.UTC(2026, 9, 1, 0, all.indexOf(sha))).toISOString().replace('.000', '') } },
  })
  return {
    [HISTORY.refs]: parameters => {
      const listed = Object.entries(branches).map(([name, sha]) => ({ ref: `refs/heads/${name}`, object: { sha } }))
      return paged(listed.filter(({ ref }) => ref.startsWith(`refs/${parameters.ref}`)))(parameters)
    },
    [HISTORY.tags]: paged(Object.entries(tags).map(([name, sha]) => ({ name, commit: { sha } }))),
    [HISTORY.compare]: ({ basehead }) => {
      const [base, head] = basehead.split('...')
      if (!(base in parents)) return failure(404)
      return { status: base === head ? 'identical' : from(head).has(base) ? 'ahead' : from(base).has(head) ? 'behind' : 'diverged' }
    },
    [HISTORY.commits]: ({ sha, per_page }) => {
      const before = from(sha)
      return all.toReversed().filter(each => before.has(each)).slice(0, per_page).map(shown)
    },
  }
}

/** An archive as actions/upload-artifact makes it: sizes stand behind the data, and in the directory. */
export function zipped(text, stored = false) {
  const name = Buffer.from('manifest.json')
  const data = stored ? Buffer.from(text) : deflateRawSync(text)
  const parts = [Buffer.alloc(30), name, Buffer.alloc(5), data, Buffer.alloc(46), name, Buffer.alloc(22)]
  const [local, , extra, , entry, , end] = parts
  const before = parts.slice(0, 4).reduce((sum, { length }) => sum + length, 0)
  local.write('PK\x03\x04', 'latin1')
  local.writeUInt16LE(name.length, 26)
  local.writeUInt16LE(extra.length, 28)
  entry.write('PK\x01\x02', 'latin1')
  entry.writeUInt16LE(stored ? 0 : 8, 10)
  entry.writeUInt32LE(data.length, 20)
  entry.writeUInt16LE(name.length, 28)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt32LE(before, 16)
  return Buffer.concat(parts)
}

/**
 * The routes for runs, their jobs and artifacts. `jobs` has the jobs of each run by its id, and
 * `contents` the contents of each artifact by its id.
 */
export function actionsOf({ runs = [], jobs = {}, artifacts = [], contents = {} }) {
  const all = `${API}/actions`
  const inFile = file => runs.filter(run => run.path.split('@')[0].endsWith(`/${file}`))
  return {
    [`${all}/workflows/{workflow_id}/runs`]: parameters => {
      const found = inFile(parameters.workflow_id).filter(({ conclusion }) => !parameters.status || conclusion === parameters.status)
      return found.length ? paged(found, 'workflow_runs')(parameters) : failure(404)
    },
    [`${all}/runs`]: parameters => paged(runs.filter(({ event }) => !parameters.event || event === parameters.event), 'workflow_runs')(parameters),
    [`${all}/runs/{run_id}`]: ({ run_id }) => runs.find(({ id }) => id === run_id) ?? failure(404),
    [`${all}/runs/{run_id}/jobs`]: parameters => paged(jobs[parameters.run_id] ?? [], 'jobs')(parameters),
    [`${all}/runs/{run_id}/artifacts`]: parameters =>
      paged(artifacts.filter(({ name, workflow_run }) => name === parameters.name && workflow_run.id === parameters.run_id), 'artifacts')(parameters),
    [`${all}/artifacts`]: parameters => paged(artifacts.filter(({ name }) => name === parameters.name), 'artifacts')(parameters),
    [`${all}/artifacts/{artifact_id}/zip`]: ({ artifact_id }) => zipped(JSON.stringify(contents[artifact_id])),
  }
}

/** The generated components.json, which the template does not have, says this in the tests of a file. */
export function components(config) {
  const folder = mkdtempSync(path.join(tmpdir(), 'components-'))
  const file = path.join(folder, 'components.json')
  writeFileSync(file, JSON.stringify(config))
  const resolve = Module._resolveFilename
  before(() => (Module._resolveFilename = (name, ...more) => name.endsWith('/components.json') ? file : resolve(name, ...more)))
  after(() => {
    Module._resolveFilename = resolve
    rmSync(folder, { recursive: true })
  })
}

/**
 * `routes` has the answer of each route: data, an answer, a failure, a function of the parameters
 * that returns one of these, or a list of these, one for each call (later calls get the last one).
 */
export function fakeGitHub(routes) {
  const calls = []
  async function request(route, parameters) {
    if (!(route in routes)) throw new Error(`unexpected call: ${route}`)
    const before = calls.filter(call => call.route === route).length
    calls.push({ route, parameters, time: Date.now() })
    let given = routes[route]
    if (Array.isArray(given)) given = given[Math.min(before, given.length - 1)]
    if (typeof given === 'function') given = await given(parameters, before)
    if (given instanceof Error) throw given
    return given instanceof Answer ? given : answer(given)
  }
  return { request, calls, count: route => calls.filter(call => call.route === route).length }
}

/** What a script says. */
export function fakeCore() {
  const log = []
  const say = level => message => void log.push(`${level}: ${message}`)
  const outputs = {}
  const summaries = []
  return {
    log, outputs, summaries,
    summary: { addRaw: text => ({ write: async () => void summaries.push(text) }) },
    info: say('info'), notice: say('notice'), warning: say('warning'), error: say('error'), setFailed: say('failed'),
    setOutput: (name, value) => void (outputs[name] = value),
  }
}

/**
 * Calls `act` with a clock of its own. The clock begins at `start` and moves on only while code sleeps.
 * Returns the seconds that passed.
 */
export async function inFakeTime(act, start = '2026-11-01T12:00:00Z') {
  const real = { setTimeout: globalThis.setTimeout, Date }
  const began = Date.parse(start)
  let now = began
  globalThis.Date = class extends real.Date {
    constructor(...given) {
      super(...given.length ? given : [now])
    }

    static now() {
      return now
    }
  }
  globalThis.setTimeout = (call, milliseconds) => {
    now += milliseconds
    setImmediate(call)
  }
  try {
    await act()
    return (now - began) / 1000
  } finally {
    globalThis.setTimeout = real.setTimeout
    globalThis.Date = real.Date
  }
}

/** Runs a script with these variables, and gives what it said, its outputs and how long it took. */
export async function run(place, { env, github, context }) {
  const core = fakeCore()
  const names = Object.keys(env)
  Object.assign(process.env, env)
  try {
    const seconds = await inFakeTime(() => script(place)({ github, context, core }))
    return { ...core, seconds }
  } finally {
    for (const name of names) delete process.env[name]
  }
}
