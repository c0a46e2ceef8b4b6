// @ts-check
// Writes down what is deployed now, for the next run and for the next environment.
const { readFileSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const connect = require('../shared/api.cjs')
const allCommits = require('../shared/commits.cjs')
const allManifests = require('../shared/manifests.cjs')
const allRuns = require('../shared/runs.cjs')
const { overtaken, remember } = require('../what-changed/remember.cjs')

/**
 * @typedef {Omit<import('../what-changed/plan.cjs').Plan, 'unchanged'> & {commit: string, sha: string, planned: string,
 *   unchanged: {[component: string]: {run: number}}}} Planned
 * @typedef {import('../what-changed/remember.cjs').Attempt} Attempt
 */

/**
 * @param {{github: any, context: any, core: any, plan: Planned, environment: string, refs: string,
 *   needs: Record<string, {result: string, outputs?: Record<string, string | undefined>}>}} run
 * @returns {Promise<{file: string, stale: string[]}>} the manifest, and the components that another run
 *   has deployed since: those that were left out, and those that were not
 */
module.exports = async ({ github, context, core, plan, needs, environment, refs }) => {
  const { RUNNER_TEMP = '' } = process.env
  const now = new Date().toISOString() // what begins from now on, the next run looks at
  const { read, pages } = connect({ github, core })
  const commits = allCommits.of({ github, context, core, refs })
  const runs = allRuns.of({ pages, context, commits })
  const manifests = allManifests.of({ read, pages, context, commits, runs })
  const config = JSON.parse(readFileSync(require.resolve('../what-changed/components.json'), 'utf8'))

  const last = await manifests.newestManifest(environment)
  const before = last && await manifests.hasMissingRuns(last) ? undefined : last
  const since = before && before.planned < plan.planned ? before.planned : plan.planned
  const attempts = await manifests.attemptsSince(environment, since, (_, started) => started > since)
  const own = attempts.filter(({ run }) => run === context.runId)
  const others = attempts.filter(({ run }) => run !== context.runId)
  // Where an old run is re-run, newer ones have deployed and written of it since.
  const isNew = (/** @type {Attempt} */ { run, at }) => !before || at > (run === before.run ? before.at : before.planned)
  /** @param {string} name */
  const ownOf = name => own.filter(({ component }) => component === name)
  /** @param {string} name */
  const isLast = name => !others.some(other => other.component === name && !isNew(other) && ownOf(name).every(mine => mine.at < other.at))

  // A deployment that was refused, or never got its turn, has changed nothing. What a newer run has
  // deployed and written down since is as that run left it.
  /** @param {string} id */
  function counts(id) {
    if (!id.endsWith(`-${environment}`)) return true
    const name = id.slice(0, -environment.length - 1)
    return (needs[id].result === 'success' || ownOf(name).length > 0) && isLast(name)
  }

  // Who re-runs the run of a component by itself may break what this run has seen succeed.
  const broken = plan.deploy.filter(name => needs[`${name}-${environment}`]?.result === 'success' &&
    ownOf(name).length > 1 && ownOf(name).at(-1)?.state !== 'success')
  const results = Object.fromEntries(Object.entries(needs).map(([id, { result }]) => [id, counts(id) ? result : 'skipped']))
  for (const name of broken) results[`${name}-${environment}`] = 'failure'
  /** @type {Record<string, number>} */
  const builders = {}
  /** @type {Record<string, string | undefined>} */
  const digests = {}
  for (const name of Object.keys(config.components)) {
    digests[name] = needs[`${name}-build`]?.outputs?.digest || needs.changes.outputs?.[`${name}-digest`]
    // Where a component has a run of its own, that builds and deploys it.
    const start = needs[`${name}-${environment}`]
    if (!plan.build.includes(name) || !start || needs[`${name}-build`]) continue
    results[`${name}-build`] = start.result
    builders[name] = Number(start.outputs?.['run-id'])
    if (builders[name] && config.components[name].package) digests[name] = await manifests.digestBuiltBy(name, environment, builders[name])
  }

  // The next environment gets what this run deployed, even if somebody has deployed here since; the
  // next run here sees that.
  const memory = remember({
    config, plan, environment,
    // What an earlier attempt of this run has deployed is not known, if this one did not come to it.
    memory: before && overtaken(before, attempts.filter(one => isNew(one) && (others.includes(one) || isLast(one.component)))),
    results, digests, runs: builders,
    run: context.runId, commit: plan.commit, planned: plan.planned,
    at: now,
  })

  const file = join(RUNNER_TEMP, `manifest-${environment}.json`)
  writeFileSync(file, JSON.stringify({ ...memory, environment, number: context.runNumber, at: now }))
  const isClean = (/** @type {string} */ name) =>
    memory.components[name]?.state === 'success' && memory.components[name].deployKey === plan.deployKeys[name]
  return { file, stale: [...Object.keys(plan.unchanged).filter(name => !isClean(name)), ...broken] }
}
