// @ts-check
// Reads the list of changes that a plan's command has written, and tells it to people.
const { createHash } = require('node:crypto')
const { readFileSync } = require('node:fs')
const { escaped, table } = require('../shared/markdown.cjs')

/**
 * @typedef {{action: string, what: string, content: string}} Change `content` is a digest of everything
 *   else that has to be the same again
 * @typedef {{component: string, environment: string, commit: string, upstream: string[], isUnknown: boolean, changes: Change[]}} Plan
 *   `upstream`: the components that the same run deploys before it; `isUnknown`: the plan could not be made before that
 */

const SHOWN = 100
/** @type {Record<string, string>} the most urgent first */
const WORDS = { delete: '💥 destroyed', replace: '💥 replaced', update: 'changed', create: 'created' }
const ORDER = ['delete', 'replace', '', 'update', 'create', 'output'] // any other action is ''

/** @param {string} text */
const digest = text => createHash('sha256').update(text).digest('hex')

/** @param {Change} change */
const urgency = ({ action }) => ORDER.indexOf(action) < 0 ? ORDER.indexOf('') : ORDER.indexOf(action)

/**
 * @param {string} text the lines `ACTION <tab> WHAT`, or `ACTION <tab> WHAT <tab> CONTENT`
 * @returns {Change[]} what is destroyed comes first
 */
function parse(text) {
  const changes = text.split('\n').filter(Boolean).map((line, index) => {
    const [action, what, ...rest] = line.split('\t')
    if (!/^[a-z][a-z ]*$/.test(action) || !what) throw new Error(`Line ${index + 1} of the list of changes is not an action, a tab and an address: correct the plan's command`)
    return { action, what, content: digest(rest.join('\t')) }
  })
  return changes.sort((a, b) => urgency(a) - urgency(b) || (a.what < b.what ? -1 : Number(a.what > b.what)))
}

/** @param {string} file */
const read = file => parse(readFileSync(file, 'utf8'))

/** @param {Change} change */
const destroys = ({ action }) => action === 'delete' || action === 'replace'

/** @param {Change[]} changes @returns {string} for example `1 destroyed, 2 created` */
function counted(changes) {
  /** @type {Record<string, number>} */
  const numbers = {}
  for (const { action } of changes) numbers[action] = (numbers[action] ?? 0) + 1
  return Object.entries(numbers).map(([action, number]) => `${number} ${(WORDS[action] ?? action).replace('💥 ', '')}`).join(', ')
}

/**
 * The lines of a table of the first changes, and how many more there are.
 * @param {Change[]} changes
 */
function listed(changes) {
  const rows = changes.slice(0, SHOWN).map(({ action, what }) => [WORDS[action] ?? action, escaped(what)])
  const more = changes.length > SHOWN ? ['', `And ${changes.length - SHOWN} more, ${counted(changes.slice(SHOWN))}.`] : []
  return changes.length ? [...table(['Change', 'What'], rows), ...more, ''] : []
}

/** @param {Change[]} changes @returns {string} the first changes in one line */
const named = changes => changes.slice(0, 3).map(({ action, what }) => `${action} ${what}`).join(', ') + (changes.length > 3 ? ` and ${changes.length - 3} more` : '')

module.exports = { counted, destroys, digest, listed, named, parse, read }
