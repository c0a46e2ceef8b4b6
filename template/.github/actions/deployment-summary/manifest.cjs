// @ts-check
// Writes the manifest: what is deployed now, for the next run and for the next environment.
const { readFileSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const { environmentOf } = require('../shared/manifests.cjs')
const { overtaken, remember } = require('../what-changed/remember.cjs')

/**
 * @typedef {Omit<import('../what-changed/plan.cjs').Plan, 'unchanged'> & {commit: string, sha: string, planned: string,
 *   unchanged: {[component: string]: {run: number}}}} Planned
 * @typedef {import('../what-changed/remember.cjs').Attempt} Attempt
 */

/**
 * @param {{github: any, context: any, core: any, plan: Planned, environment: string, refs: string,
 *   needs: Record<string, {result: string, outputs?: Record<string, string | undefined>}>}} run
 * @returns {Promise<{file: string, stale: string[]}>} `stale`: the components that are no longer
 *   as this run has left them, because another run has deployed them since
 */
module.exports = async ({ github, context, core, plan, needs, environment, refs }) => {
  const { RUNNER_TEMP = '' } = process.env
  const now = new Date().toISOString() // the next run looks at whatever begins after this
  const { manifests } = environmentOf({ github, context, core, refs })
  const config = JSON.parse(readFileSync(require.resolve('../what-changed/components.json'), 'utf8'))

  const last = await manifests.newestManifest(environment)
  const previous = last && await manifests.hasMissingRuns(last) ? undefined : last
  const since = previous && previous.planned < plan.planned ? previous.planned : plan.planned
  const attempts = await manifests.attemptsSince(environment, since, (_, started) => started > since)
  const ownAttempts = attempts.filter(({ run }) => run === context.runId)
  const otherAttempts = attempts.filter(({ run }) => run !== context.runId)
  // If an old run is re-run, newer runs have deployed since, and the manifest already contains that.
  const isRecorded = (/** @type {Attempt} */ { run, at }) => previous !== undefined && at <= (run === previous.run ? previous.at : previous.planned)
  /** @param {string} name */
  const ownAttemptsOf = name => ownAttempts.filter(({ component }) => component === name)
  /** @param {string} name */
  const isOvertaken = name => otherAttempts.some(other => other.component === name && isRecorded(other) && ownAttemptsOf(name).every(mine => mine.at < other.at))

  // Whether a job's result counts. A deployment that was refused or did not start has changed nothing. A
  // component that a newer run has deployed and recorded since is as that run left it.
  /** @param {string} id */
  function counts(id) {
    if (!id.endsWith(`-${environment}`)) return true
    const name = id.slice(0, -environment.length - 1)
    return (needs[id].result === 'success' || ownAttemptsOf(name).length > 0) && !isOvertaken(name)
  }

  // Somebody may have re-run a component's own run, and so have broken a deployment that had succeeded.
  const broken = plan.deploy.filter(name => needs[`${name}-${environment}`]?.result === 'success' &&
    ownAttemptsOf(name).length > 1 && ownAttemptsOf(name).at(-1)?.state !== 'success')
  const results = Object.fromEntries(Object.entries(needs).map(([id, { result }]) => [id, counts(id) ? result : 'skipped']))
  for (const name of broken) results[`${name}-${environment}`] = 'failure'
  /** @type {Record<string, number>} */
  const buildRuns = {}
  /** @type {Record<string, string | undefined>} */
  const digests = {}
  for (const name of Object.keys(config.components)) {
    digests[name] = needs[`${name}-build`]?.outputs?.digest || needs.changes.outputs?.[`${name}-digest`]
    // Under `dispatch`, the component's own run builds and deploys it.
    const start = needs[`${name}-${environment}`]
    if (!plan.build.includes(name) || !start || needs[`${name}-build`]) continue
    results[`${name}-build`] = start.result
    buildRuns[name] = Number(start.outputs?.['run-id'])
    if (buildRuns[name] && config.components[name].package) digests[name] = await manifests.digestBuiltBy(name, environment, buildRuns[name])
  }

  // The next environment gets what this run has deployed, even if another run has deployed here since.
  // The next run in this environment sees the other one.
  const memory = remember({
    config, plan, environment,
    // The state of a component is unknown if only an earlier attempt of this run has deployed it.
    memory: previous && overtaken(previous, attempts.filter(one => !isRecorded(one) && (otherAttempts.includes(one) || !isOvertaken(one.component)))),
    results, digests, runs: buildRuns,
    run: context.runId, commit: plan.commit, planned: plan.planned,
    at: now,
  })

  const file = join(RUNNER_TEMP, `manifest-${environment}.json`)
  writeFileSync(file, JSON.stringify({ ...memory, environment, number: context.runNumber, at: now }))
  const isAsLeft = (/** @type {string} */ name) =>
    memory.components[name]?.state === 'success' && memory.components[name].deployKey === plan.deployKeys[name]
  return { file, stale: [...Object.keys(plan.unchanged).filter(name => !isAsLeft(name)), ...broken] }
}
