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
 * @returns {Promise<{file: string, stale: string[]}>} the manifest, and the components that were left
 *   out and are no longer as they were
 */
module.exports = async ({ github, context, core, plan, needs, environment, refs }) => {
  const { RUNNER_TEMP = '' } = process.env
  const { read, pages } = connect({ github, core })
  const commits = allCommits.of({ github, context, core, refs })
  const runs = allRuns.of({ pages, context, commits })
  const manifests = allManifests.of({ read, pages, context, commits, runs })
  const config = JSON.parse(readFileSync(require.resolve('../what-changed/components.json'), 'utf8'))

  const last = await manifests.newest(environment)
  const before = last && await manifests.isMissing(last) ? undefined : last
  const since = before && before.planned < plan.planned ? before.planned : plan.planned
  const attempts = await manifests.attempts(environment, since, (_, started) => started > since)
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

  const results = Object.fromEntries(Object.entries(needs).map(([id, { result }]) => [id, counts(id) ? result : 'skipped']))
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
    if (builders[name] && config.components[name].package) digests[name] = await manifests.builtBy(name, environment, builders[name])
  }

  // What this run has deployed goes on to the next environment, whoever deploys here after it: the
  // next look at this environment sees that.
  const memory = remember({
    config, plan, environment,
    memory: before && overtaken(before, others.filter(isNew)),
    results, digests, runs: builders,
    run: context.runId, commit: plan.commit, planned: plan.planned,
    at: new Date().toISOString(),
  })

  const file = join(RUNNER_TEMP, `manifest-${environment}.json`)
  writeFileSync(file, JSON.stringify({ ...memory, environment, number: context.runNumber, at: new Date().toISOString() }))
  const isClean = (/** @type {string} */ name) =>
    memory.components[name]?.state === 'success' && memory.components[name].deployKey === plan.deployKeys[name]
  return { file, stale: Object.keys(plan.unchanged).filter(name => !isClean(name)) }
}
