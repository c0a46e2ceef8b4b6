// @ts-check
const { existsSync, readFileSync, writeFileSync } = require('node:fs')
const path = require('node:path')
const { escaped } = require('../shared/markdown.cjs')
const { counted, digest, listed, read } = require('./changes.cjs')

const CHARACTERS = 60_000 // GitHub shows a summary of at most 1 MiB

/** @param {{core: any}} tools */
module.exports = async ({ core }) => {
  const { COMMIT = '', COMPONENT = '', DEPLOYED = '', ENVIRONMENT = '', GITHUB_EVENT_NAME, OUTCOME = '', RUNNER_TEMP = '', UPSTREAM = '' } = process.env
  /** @type {string[]} */
  const deployed = JSON.parse(DEPLOYED || '[]')
  const upstream = UPSTREAM.split(' ').filter(name => deployed.includes(name))
  const isUnknown = OUTCOME !== 'success'
  const before = upstream.map(escaped).join(', ')
  if (isUnknown && !upstream.length) return core.setFailed('The plan could not be made: see the log of the step Plan')

  const changes = isUnknown ? [] : read(path.join(RUNNER_TEMP, 'changes'))
  /** @type {import('./changes.cjs').Plan} */
  const plan = { component: COMPONENT, environment: ENVIRONMENT, commit: COMMIT, upstream, isUnknown, changes }
  const text = JSON.stringify(plan)
  writeFileSync(path.join(RUNNER_TEMP, `${COMPONENT}-changes-${ENVIRONMENT}.json`), text)
  core.setOutput('changes', digest(text))

  const lines = [`## Plan: ${escaped(COMPONENT)} to ${escaped(ENVIRONMENT)}`, '']
  if (isUnknown) {
    lines.push(
      `**The plan has failed.** Perhaps it needs what ${before} deploys: read the log of the step Plan. ` +
      'The deployment will make changes that nobody has seen. It lists them before it makes them, and destroys nothing.', '',
    )
    core.warning(`The plan of ${COMPONENT} has failed, perhaps because ${upstream.join(', ')} is not deployed yet: read the log of the step Plan before you approve`)
  } else {
    lines.push(`**${changes.length ? counted(changes) : 'Nothing changes'}**, with commit ${escaped(COMMIT.slice(0, 7))}.`, '')
    if (upstream.length) {
      const first = GITHUB_EVENT_NAME === 'pull_request' ? `Before that, ${before} has to be deployed` : `The same run deploys ${before} before`
      lines.push(
        `${first}. What follows from that is not in this plan. The deployment lists it before it makes the changes, ` +
        'and destroys nothing that is not listed here.', '',
      )
    }
    lines.push(...listed(changes), ...inFull(path.join(RUNNER_TEMP, 'changes.txt')))
  }
  await core.summary.addRaw(lines.join('\n')).write()
}

/**
 * What the tool says, shortened.
 * @param {string} file
 */
function inFull(file) {
  const text = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
  if (!text) return []
  const shown = text.length > CHARACTERS ? text.slice(0, CHARACTERS).replace(/\n[^\n]*$/, '') : text
  const left = text.slice(shown.length).trim().split('\n').filter(Boolean).length
  // The fence is longer than any in the text.
  const fence = '`'.repeat(Math.max(3, ...[...shown.matchAll(/`+/g)].map(([ticks]) => ticks.length + 1)))
  return [
    '<details><summary>In full</summary>', '', `${fence}text`, shown, fence, '',
    ...left ? [`${left} more lines are in the log of the step Plan.`, ''] : [], '</details>', '',
  ]
}
