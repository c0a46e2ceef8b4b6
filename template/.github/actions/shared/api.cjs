// @ts-check
// Reads GitHub's API. Only this file decides which calls are repeated, and how long to wait.
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
const CONNECTION_LOST = /fetch failed|ECONNRESET|ETIMEDOUT|ECONNREFUSED|EPIPE|EAI_AGAIN|ENOTFOUND|UND_ERR|socket hang up|terminated/

/**
 * The message of an error, in one line. A gateway may answer with a whole HTML page.
 * @param {ApiError} error
 */
function messageOf({ status, message, response }) {
  const line = message.replace(/\s+/g, ' ').slice(0, 200)
  return response ? `GitHub answers ${status}: ${line}` : line
}

/**
 * The seconds to wait after a rate limit has refused a call; 0 if no rate limit has.
 * @param {ApiError} error
 */
function rateLimitPause({ status, message, response }) {
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
function isTransient(error) {
  if (error.status) return error.status >= 500 || rateLimitPause(error) > 0
  return CONNECTION_LOST.test(`${error.message} ${error.code} ${error.cause?.code}`)
}

/**
 * @template T
 * @param {Promise<T>} asked
 * @param {number[]} [gone] the statuses that say so
 * @returns {Promise<T | undefined>} undefined if GitHub does not have what was asked for
 */
const undefinedIfGone = (asked, gone = [404]) => asked.catch((/** @type {ApiError} */ error) => {
  if (!gone.includes(Number(error.status))) throw error
  return undefined
})

/**
 * Failed calls are repeated for at most `minutes`, and not after `deadline` (milliseconds, as from Date.now()).
 * @param {{github: GitHub, core: Log, minutes?: number, deadline?: number}} options
 */
function api({ github, core, minutes = 10, deadline = Infinity }) {
  /**
   * Repeats a call after a transient error. Use it only for calls that may safely happen twice.
   * @template T
   * @param {() => Promise<T>} call
   * @returns {Promise<T>}
   */
  function retry(call) {
    const end = Math.min(Date.now() + minutes * 60_000, deadline)
    /**
     * @param {number} pause
     * @returns {Promise<T>}
     */
    const attempt = pause => call().catch(async (/** @type {ApiError} */ error) => {
      const wait = rateLimitPause(error) || Number(error.response?.headers['retry-after']) || pause
      if (!isTransient(error) || Date.now() + wait * 1000 > end) throw error
      core.info(`${messageOf(error)}; trying again in ${Math.round(wait)} s`)
      await sleep(wait)
      return attempt(Math.min(pause * 2, LONGEST_PAUSE))
    })
    return attempt(FIRST_PAUSE)
  }

  /**
   * @param {string} route for example 'GET /repos/{owner}/{repo}/actions/runs/{run_id}'
   * @param {Record<string, any>} [parameters]
   */
  const read = (route, parameters) => retry(async () => {
    const answer = await github.request(route, parameters)
    // Octokit returns plain text if it cannot parse an answer.
    if (typeof answer.data === 'object') return answer
    throw Object.assign(new Error('the connection broke in the middle of the answer'), { status: 500 })
  })

  /**
   * The items of all pages of a list. A page is read only when its first item is needed.
   * @param {string} route
   * @param {Record<string, any>} parameters
   * @param {string} [property] the property of the answer that holds the list; without it, the answer is the list
   * @returns {AsyncGenerator<any>}
   */
  async function* pages(route, parameters, property) {
    let more = true
    for (let page = 1; more; page++) {
      const { data, headers } = await read(route, { per_page: 100, ...parameters, page })
      yield* property ? data[property] : data
      more = Boolean(headers.link?.includes('rel="next"'))
    }
  }

  return { retry, read, pages }
}

module.exports = Object.assign(api, { messageOf, rateLimitPause, undefinedIfGone })
