// @ts-check
// Reads GitHub's API. Only this file knows which errors pass, and how long to wait.
const { sleep } = require('./time.cjs')

/**
 * @typedef {Record<string, string | undefined>} Headers
 * @typedef {{status: number, headers: Headers, data: any}} Answer
 * @typedef {{message: string, status?: number, code?: string, cause?: any, response?: {headers: Headers}}} ApiError
 * @typedef {{request: (route: string, parameters?: Record<string, any>) => Promise<Answer>}} GitHub
 * @typedef {{info: (message: string) => void}} Log
 */

const FIRST_PAUSE = 10 // seconds
const LONGEST_PAUSE = 60
const DROPPED = /fetch failed|ECONNRESET|ETIMEDOUT|ECONNREFUSED|EPIPE|EAI_AGAIN|ENOTFOUND|UND_ERR|socket hang up|terminated/

/**
 * What went wrong, in one line. A gateway may answer with a whole page.
 * @param {ApiError} error
 */
function said({ status, message, response }) {
  const line = message.replace(/\s+/g, ' ').slice(0, 200)
  return response ? `GitHub answers ${status}: ${line}` : line
}

/**
 * The seconds that a limit of GitHub's asks for. 0 if no limit has refused the call.
 * @param {ApiError} error
 */
function refusedFor({ status, message, response }) {
  if (status !== 403 && status !== 429) return 0
  const headers = response?.headers ?? {}
  if (headers['retry-after']) return Number(headers['retry-after']) || 60
  if (headers['x-ratelimit-remaining'] === '0') return Math.max(Number(headers['x-ratelimit-reset']) - Date.now() / 1000, 10) || 60
  return status === 429 || /rate limit/i.test(message) ? 60 : 0
}

/**
 * Whether the same call may succeed a little later.
 * @param {ApiError} error
 */
function passes(error) {
  if (error.status) return error.status >= 500 || refusedFor(error) > 0
  return DROPPED.test(`${error.message} ${error.code} ${error.cause?.code}`)
}

/**
 * A call is repeated for so many `minutes`, and not after the `deadline` (as Date.now() gives it).
 * @param {{github: GitHub, core: Log, minutes?: number, deadline?: number}} options
 */
function api({ github, core, minutes = 10, deadline = Infinity }) {
  /**
   * Repeats a call after errors that pass. Only for calls that may happen twice.
   * @template T
   * @param {() => Promise<T>} call
   * @returns {Promise<T>}
   */
  function again(call) {
    const end = Math.min(Date.now() + minutes * 60_000, deadline)
    /**
     * @param {number} pause
     * @returns {Promise<T>}
     */
    const attempt = pause => call().catch(async (/** @type {ApiError} */ error) => {
      const wait = refusedFor(error) || Number(error.response?.headers['retry-after']) || pause
      if (!passes(error) || Date.now() + wait * 1000 > end) throw error
      core.info(`${said(error)}; asking again in ${Math.round(wait)} s`)
      await sleep(wait)
      return attempt(Math.min(pause * 2, LONGEST_PAUSE))
    })
    return attempt(FIRST_PAUSE)
  }

  /**
   * @param {string} route for example 'GET /repos/{owner}/{repo}/actions/runs/{run_id}'
   * @param {Record<string, any>} [parameters]
   */
  const read = (route, parameters) => again(async () => {
    const answer = await github.request(route, parameters)
    // Octokit hands over the text of an answer that it cannot parse.
    if (typeof answer.data === 'object') return answer
    throw Object.assign(new Error('the connection broke in the middle of the answer'), { status: 500 })
  })

  /**
   * The items of all pages of a list. A page is read when its first item is asked for.
   * @param {string} route
   * @param {Record<string, any>} parameters
   * @param {string} [member] which member of the answer is the list; left out, the answer itself
   * @returns {AsyncGenerator<any>}
   */
  async function* pages(route, parameters, member) {
    let more = true
    for (let page = 1; more; page++) {
      const { data, headers } = await read(route, { per_page: 100, ...parameters, page })
      yield* member ? data[member] : data
      more = Boolean(headers.link?.includes('rel="next"'))
    }
  }

  return { again, read, pages }
}

module.exports = Object.assign(api, { said, refusedFor })
