// shared/api.cjs: which errors it tries again, how long it waits, and how it reads lists.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer, failure, fakeCore, fakeGitHub, inFakeTime, paged, script } from './fake-github.mjs'

const api = script('shared/api.cjs')
const ROUTE = 'GET /repos/{owner}/{repo}/actions/runs/{run_id}'
const NOW = Date.parse('2026-11-01T12:00:00Z') / 1000
const broken = (message, more) => Object.assign(new TypeError(message), more)

/** Reads once, and gives the answer or the error, the calls, the seconds and the log. */
async function reading(answers, options = {}) {
  const github = fakeGitHub({ [ROUTE]: answers })
  const core = fakeCore()
  const done = {}
  done.seconds = await inFakeTime(async () => {
    try {
      done.data = (await api({ github, core, ...options }).read(ROUTE, { run_id: 1 })).data
    } catch (error) {
      done.error = error
    }
  })
  return { ...done, calls: github.calls.length, log: core.log }
}

const PASSING = [
  ['502', failure(502, '<html>\n Bad   gateway'), 10],
  ['503 with retry-after', failure(503, 'Later', { 'retry-after': '70' }), 70],
  ['500 of Octokit for a broken connection', Object.assign(new Error('other side closed'), { status: 500 }), 10],
  ['fetch failed', broken('fetch failed'), 10],
  ['ECONNRESET', broken('read', { cause: { code: 'ECONNRESET' } }), 10],
  ['ETIMEDOUT', broken('connect', { code: 'ETIMEDOUT' }), 10],
  ['half an answer', answer('{"id": 1, "na'), 10],
  ['an empty answer', answer(''), 10],
  ['429', failure(429, 'Slow down'), 60],
  ['429 with retry-after', failure(429, 'Slow down', { 'retry-after': '90' }), 90],
  ['429 with a retry-after that is no number', failure(429, 'Slow down', { 'retry-after': 'soon' }), 60],
  ['403 with retry-after', failure(403, 'Slow down', { 'retry-after': '80' }), 80],
  ['403 of the primary limit', failure(403, 'No', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW + 300) }), 300],
  ['a primary limit that ends now', failure(403, 'No', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW) }), 10],
  ['a primary limit without an end', failure(403, 'No', { 'x-ratelimit-remaining': '0' }), 60],
  ['403 of the secondary limit', failure(403, 'You have exceeded a secondary rate limit.'), 60],
]
for (const [name, error, seconds] of PASSING) {
  test(`${name}: waits ${seconds} s and tries again`, async () => {
    const done = await reading([error, { id: 1 }])
    assert.deepEqual(done.data, { id: 1 })
    assert.equal(done.seconds, seconds)
    assert.equal(done.log.length, 1)
    assert.match(done.log[0], new RegExp(`^info: [^\n]*; trying again in ${seconds} s$`))
  })
}

const LASTING = [
  ['404', failure(404, 'Not Found')],
  ['401', failure(401, 'Bad credentials')],
  ['304', failure(304, 'Not modified')],
  ['403 without a limit', failure(403, 'Resource not accessible', { 'x-ratelimit-remaining': '12' })],
  ['403 without an answer', Object.assign(new Error('Forbidden'), { status: 403 })],
  ['a mistake of ours', broken('answer.date is undefined')],
]
for (const [name, error] of LASTING) {
  test(`${name}: is thrown at once`, async () => {
    const done = await reading([error, { id: 1 }])
    assert.equal(done.error, error)
    assert.deepEqual([done.calls, done.seconds, done.log], [1, 0, []])
  })
}

test('pauses double, up to a minute, for ten minutes', async () => {
  const error = failure(502)
  const done = await reading(error)
  assert.equal(done.error, error)
  assert.equal(done.seconds, 10 + 20 + 40 + 8 * 60)
})

test('minutes and a deadline', async () => {
  assert.equal((await reading(failure(502), { minutes: 1 })).seconds, 30)
  assert.equal((await reading(failure(502), { deadline: (NOW + 15) * 1000 })).seconds, 10)
  assert.equal((await reading(failure(429, '', { 'retry-after': '601' }))).seconds, 0)
  assert.deepEqual((await reading([failure(429, '', { 'retry-after': '601' }), {}], { minutes: 11 })).data, {})
})

test('minutes count for each call', async () => {
  const github = fakeGitHub({ [ROUTE]: [failure(502), failure(502), {}, failure(502), failure(502), {}] })
  const { read } = api({ github, core: fakeCore(), minutes: 1 })
  assert.equal(await inFakeTime(async () => {
    await read(ROUTE)
    await read(ROUTE)
  }), 60)
})

const LIST = 'GET /repos/{owner}/{repo}/actions/runs'
async function items(given, parameters, member, stop = Infinity) {
  const github = fakeGitHub({ [LIST]: given })
  const found = []
  await inFakeTime(async () => {
    for await (const item of api({ github, core: fakeCore() }).pages(LIST, parameters, member)) {
      found.push(item)
      if (found.length === stop) break
    }
  })
  return { found, calls: github.calls.map(({ parameters }) => parameters) }
}
const numbers = Array.from({ length: 230 }, (_, index) => index)

test('all pages of a list, in a member or not', async () => {
  const { found, calls } = await items(paged(numbers, 'workflow_runs'), { created: '>=x' }, 'workflow_runs')
  assert.deepEqual(found, numbers)
  assert.deepEqual(calls, [1, 2, 3].map(page => ({ per_page: 100, created: '>=x', page })))
  assert.deepEqual((await items(paged(numbers), { per_page: 50 })).found, numbers)
  assert.deepEqual((await items(paged([]), {})).found, [])
})

test('a page that is not needed is not read', async () => {
  assert.equal((await items(paged(numbers), {}, undefined, 100)).calls.length, 1)
})

test('a page that cannot be read is read again', async () => {
  const list = paged(numbers)
  const { found, calls } = await items((parameters, before) => before === 1 ? failure(502) : list(parameters), {})
  assert.deepEqual(found, numbers)
  assert.deepEqual(calls.map(({ page }) => page), [1, 2, 2, 3])
})

test('the message of an error is one line', () => {
  assert.equal(api.messageOf(failure(502, `<html>\n${'x'.repeat(300)}`)), `GitHub answers 502: <html> ${'x'.repeat(193)}`)
  assert.equal(api.messageOf(broken('fetch failed')), 'fetch failed')
})
