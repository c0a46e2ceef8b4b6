// What scripts of actions get from actions/github-script, without GitHub and without waiting.
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

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
 * The routes that tell of commits. `parents` has every commit, the oldest first, with those before
 * it; `branches` and `tags` have the commit that each is at. A commit is made a minute after the one before.
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

/**
 * `routes` says what each route answers: data, an answer, a failure, a function of the parameters
 * that gives one of them, or a list of them, one for each call (the last one for all that follow).
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
 * Calls `act` in a time of its own, which begins at `start` and goes on only while somebody sleeps.
 * Gives the seconds that passed.
 */
export async function inFakeTime(act, start = '2026-11-01T12:00:00Z') {
  const real = { setTimeout: globalThis.setTimeout, now: Date.now }
  const began = Date.parse(start)
  let now = began
  Date.now = () => now
  globalThis.setTimeout = (call, milliseconds) => {
    now += milliseconds
    setImmediate(call)
  }
  try {
    await act()
    return (now - began) / 1000
  } finally {
    globalThis.setTimeout = real.setTimeout
    Date.now = real.now
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
