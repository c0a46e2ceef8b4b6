// @ts-check
const { existsSync, readFileSync } = require('node:fs')
const path = require('node:path')
const { escaped } = require('../shared/markdown.cjs')
const { counted, destroys, digest, listed, named, read } = require('./changes.cjs')

/** @typedef {import('./changes.cjs').Change} Change */

const AGAIN = 're-run all jobs, so that the new plan is shown'

/**
 * The changes that the other list does not have.
 * @param {Change[]} changes
 * @param {Change[]} others
 */
function without(changes, others) {
  const known = new Set(others.map(each => JSON.stringify([each.action, each.what, each.content])))
  return changes.filter(each => !known.has(JSON.stringify([each.action, each.what, each.content])))
}

/** @param {{core: any}} tools */
module.exports = async ({ core }) => {
  const { COMPONENT = '', ENVIRONMENT = '', RUNNER_TEMP = '', SHOWN = '' } = process.env
  const changes = read(path.join(RUNNER_TEMP, 'changes'))
  core.info(changes.length ? `${COMPONENT}: ${counted(changes)}` : `${COMPONENT}: nothing changes`)
  if (!SHOWN) return // nobody approves this deployment

  const file = path.join(RUNNER_TEMP, 'shown', `${COMPONENT}-changes-${ENVIRONMENT}.json`)
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  if (!text || digest(text) !== SHOWN) return core.setFailed(`The plan of ${COMPONENT} that was shown cannot be read: ${AGAIN}`)
  /** @type {import('./changes.cjs').Plan} */
  const shown = JSON.parse(text)
  const added = without(changes, shown.changes)
  const gone = without(shown.changes, changes)
  if (!added.length && !gone.length) return core.info('These are the changes that were shown.')

  await core.summary.addRaw([
    `## ${escaped(COMPONENT)}: other changes than those that were shown`, '',
    ...added.length ? [`New: **${counted(added)}**.`, '', ...listed(added)] : [],
    ...gone.length ? [`Shown, and no longer there: **${counted(gone)}**.`, '', ...listed(gone)] : [],
  ].join('\n')).write()
  const destroyed = added.filter(destroys)
  const before = shown.upstream.join(', ')
  if (before && destroyed.length) {
    return core.setFailed(`Since ${before} was deployed, ${COMPONENT} would destroy what no plan has shown (${named(destroyed)}): ${AGAIN}`)
  }
  const what = [
    ...added.length ? [`new: ${named(added)}`] : [],
    ...gone.length ? [`no longer there: ${named(gone)}`] : [],
  ].join('; ')
  if (!before) return core.setFailed(`The changes of ${COMPONENT} are not those that were shown (${what}): ${AGAIN}`)
  core.notice(`Since ${before} was deployed, the changes of ${COMPONENT} are others than the plan has shown (${what})`)
}
