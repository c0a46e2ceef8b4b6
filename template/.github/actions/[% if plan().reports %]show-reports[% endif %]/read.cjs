// @ts-check
// Reads reports of tests (JUnit's XML, TRX) and of coverage (Cobertura, JaCoCo, LCOV, Go's profile).
// A pull request can write anything into them. So only the five predefined entities of XML are known, and
// each regular expression takes a time that grows only linearly with the text.

/**
 * @typedef {{name: string, result: 'passed' | 'failed' | 'skipped', seconds: number, message: string}} Case
 * @typedef {{covered: number, all: number, unit: string}} Coverage
 * @typedef {{cases?: Case[], coverage?: Coverage}} Report
 * @typedef {{name: string, attributes: Record<string, string>, isEnd: boolean, isEmpty: boolean, text: string}} Tag
 */

const SKIPPED = [['<!--', '-->'], ['<![CDATA[', ']]>'], ['<?', '?>'], ['<!', '>']]
const TAG = /<(\/?)([\w:.-]+)([^<>"']*(?:"[^"]*"[^<>"']*|'[^']*'[^<>"']*)*)>/y
const ATTRIBUTE = /\s([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g
const TEXT = /\s*(?:<!\[CDATA\[((?:(?!\]\]>)[^]){0,500})|([^<]{0,500}))/y
/** @type {Record<string, string>} */
const ENTITIES = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** @param {string} text */
const unescaped = text => text.replace(/&(?:(\w{2,4})|#(\d{1,6})|#x([\da-f]{1,5}));/gi, (whole, name, decimal, hexadecimal) =>
  name ? ENTITIES[name] ?? whole : String.fromCodePoint(hexadecimal ? parseInt(hexadecimal, 16) : Number(decimal)))

/**
 * The tags of an XML text, in their order, each with the text after it. It ends where XML cannot be read.
 * @param {string} xml
 * @returns {Generator<Tag>}
 */
function* tags(xml) {
  for (let at = xml.indexOf('<'); at >= 0; at = xml.indexOf('<', at)) {
    const skipped = SKIPPED.find(([start]) => xml.startsWith(start, at))
    if (skipped) {
      at = xml.indexOf(skipped[1], at)
      if (at < 0) return
      continue
    }
    TAG.lastIndex = at
    const tag = TAG.exec(xml)
    if (!tag) return
    at = TEXT.lastIndex = TAG.lastIndex
    const attributes = [...tag[3].matchAll(ATTRIBUTE)].map(([, name, one, two]) => [name, unescaped(one ?? two)])
    const [, data, plain] = /** @type {string[]} */ (/** @type {unknown} */ (TEXT.exec(xml)))
    yield {
      name: tag[2], attributes: Object.fromEntries(attributes), isEnd: tag[1] !== '', isEmpty: tag[3].endsWith('/'),
      text: data ?? unescaped(plain),
    }
  }
}

/**
 * @param {string | undefined} text seconds, or hours, minutes and seconds
 */
const seconds = text => (text ?? '').replaceAll(',', '').split(':').reduce((sum, part) => sum * 60 + (Number.isFinite(Number(part)) ? Number(part) : 0), 0)

/**
 * @param {Iterable<Tag>} all
 * @returns {Report}
 */
function junit(all) {
  /** @type {Case[]} */
  const cases = []
  /** @type {Case | undefined} the test case that the current tag is in */
  let inside
  for (const { name, attributes, isEnd, isEmpty, text } of all) {
    if (name === 'testcase') {
      /** @type {Case} */
      const test = { name: [attributes.classname, attributes.name].filter(Boolean).join(' '), result: 'passed', seconds: seconds(attributes.time), message: '' }
      if (!isEnd) cases.push(test)
      inside = isEnd || isEmpty ? undefined : test
    } else if (inside && !isEnd && (name === 'failure' || name === 'error')) {
      inside.result = 'failed'
      inside.message ||= attributes.message || text
    } else if (inside && name === 'skipped') {
      inside.result = 'skipped'
    }
  }
  return { cases }
}

/**
 * @param {Iterable<Tag>} all
 * @returns {Report}
 */
function trx(all) {
  /** @type {Case[]} */
  const cases = []
  for (const { name, attributes, isEnd, text } of all) {
    if (name === 'UnitTestResult' && !isEnd) {
      const result = attributes.outcome === 'Passed' ? 'passed' : attributes.outcome === 'NotExecuted' ? 'skipped' : 'failed'
      cases.push({ name: attributes.testName ?? '', result, seconds: seconds(attributes.duration), message: '' })
    } else if (name === 'Message' && !isEnd && cases.length) {
      cases[cases.length - 1].message ||= text
    }
  }
  return { cases }
}

/**
 * @param {Iterable<Tag>} all
 * @returns {Report}
 */
function jacoco(all) {
  let depth = 0
  for (const { name, attributes, isEnd, isEmpty } of all) {
    if (name === 'counter' && !depth && attributes.type === 'LINE') {
      const covered = Number(attributes.covered)
      return coverageOf(covered, covered + Number(attributes.missed))
    }
    depth += isEnd ? -1 : isEmpty ? 0 : 1
  }
  return {}
}

/** @param {string} text */
function go(text) {
  /** @type {Map<string, [number, boolean]>} by place: several tests may cover the same one */
  const places = new Map()
  for (const [, place, statements, times] of text.matchAll(/^(.+:[\d.,]+) (\d+) (\d+)\r?$/gm)) {
    places.set(place, [Number(statements), times !== '0' || (places.get(place)?.[1] ?? false)])
  }
  const all = [...places.values()]
  const sum = (/** @type {[number, boolean][]} */ some) => some.reduce((number, [statements]) => number + statements, 0)
  return coverageOf(sum(all.filter(([, covered]) => covered)), sum(all), 'statements')
}

/** @param {string} text */
function lcov(text) {
  const sum = (/** @type {RegExp} */ line) => [...text.matchAll(line)].reduce((number, [, some]) => number + Number(some), 0)
  return coverageOf(sum(/^LH:(\d+)/gm), sum(/^LF:(\d+)/gm))
}

/**
 * @param {number} covered
 * @param {number} all
 * @returns {Report}
 */
const coverageOf = (covered, all, unit = 'lines') => covered <= all && all < Infinity ? { coverage: { covered, all, unit } } : {}

/**
 * The content of a report; empty if the text is no known report.
 * @param {string} text
 * @returns {Report}
 */
module.exports = text => {
  if (/^mode: (?:set|count|atomic)\b/.test(text)) return go(text)
  if (/^(?:TN|SF):/.test(text)) return lcov(text)
  const all = tags(text)
  const root = all.next().value
  if (root?.name === 'testsuites' || root?.name === 'testsuite') return junit(all)
  if (root?.name === 'TestRun') return trx(all)
  if (root?.name === 'report') return jacoco(all)
  if (root?.name === 'coverage') return coverageOf(Number(root.attributes['lines-covered']), Number(root.attributes['lines-valid']))
  return {}
}
