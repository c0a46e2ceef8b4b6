// @ts-check
// After a run of another workflow: finds out whether all dependencies are deployed, and whether this run
// is the one that deploys the component.
const connect = require('../shared/api.cjs')
const { environmentCommits } = require('../shared/commits.cjs')
const { sleep } = require('../shared/time.cjs')
const list = require('./runs.cjs')

const LOOKS = 3 // GitHub updates lists later than it sends events

/**
 * @typedef {{jobs: string[], decisive: string[], roots: string[]}} Dependency
 * @typedef {{id: number, attempt: number, created: string, end: string}} Deployment
 */

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { ENVIRONMENT = '', COMMIT = '', REFS = '', DEPENDENCIES, PACKAGES = '', PRODUCERS = '' } = process.env
  const trigger = context.payload.workflow_run
  /** @type {[string, Dependency][]} */
  const dependencies = Object.entries(JSON.parse(DEPENDENCIES || '{}'))

  /**
   * @param {boolean} ready
   * @param {string} [packages]
   */
  function setOutputs(ready, packages = PACKAGES) {
    core.setOutput('ready', String(ready))
    core.setOutput('packages', packages)
  }
  if (!trigger || !dependencies.length) return setOutputs(true)

  const api = connect({ github, core })
  const { isReviewed } = environmentCommits({ github, context, core, refs: REFS })
  const runsOf = list({ api, context, environment: ENVIRONMENT, commit: COMMIT, isReviewed })

  /**
   * The newest run that has deployed a component; undefined if a newer one has failed or still deploys. A
   * run does not count if it only found that its dependencies were not deployed yet.
   * @param {string} component
   * @param {Dependency} dependency
   * @returns {Promise<Deployment | undefined>}
   */
  async function newestDeployment(component, { jobs, decisive }) {
    for await (const run of runsOf(component)) {
      const all = await Array.fromAsync(api.pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', { ...context.repo, run_id: run.id }, 'jobs'))
      const begun = all.some(job => jobs.includes(job.name) && job.conclusion !== 'skipped')
      if (!begun && (run.status === 'completed' || run.event === 'workflow_run')) continue
      const ends = all.filter(job => decisive.includes(job.name)).map(job => job.conclusion)
      if (run.conclusion !== 'success' || !ends.length || ends.some(end => end !== 'success')) return
      return { id: run.id, attempt: run.run_attempt, created: run.created_at, end: all.map(job => job.completed_at).filter(Boolean).sort().at(-1) }
    }
  }

  /**
   * When the newest run of a component began.
   * @param {string} component
   * @returns {Promise<string | undefined>}
   */
  async function beginningOf(component) {
    for await (const run of runsOf(component)) return run.run_started_at
  }

  /** The deployments of the dependencies, or the first dependency that is not deployed. */
  async function look() {
    /** @type {Record<string, Deployment>} */
    const found = {}
    for (const [component, dependency] of dependencies) {
      const deployment = await newestDeployment(component, dependency)
      if (!deployment) return { missing: component, found }
      found[component] = deployment
    }
    // If a commit is deployed again, its former deployments no longer count.
    /** @type {Record<string, string>} */
    const starts = {}
    for (const [component, { roots }] of dependencies) {
      for (const root of roots) {
        starts[root] ??= await beginningOf(root) ?? ''
        if (starts[root] > found[component].created) return { missing: component, found }
      }
    }
    return { missing: undefined, found }
  }

  let state = await look()
  for (let looks = 1; state.missing && looks < LOOKS; looks++) {
    await sleep(10)
    state = await look()
  }
  const { missing, found } = state
  if (missing) {
    core.notice(`Not yet: ${missing} has not been deployed to ${ENVIRONMENT} with commit ${COMMIT}`)
    return setOutputs(false)
  }
  // The run that follows the last deployment deploys this component. If two deployments ended in the same
  // second, the one with the higher id is the last. All runs come to the same answer, so exactly one of them deploys.
  const [last] = Object.values(found).sort((a, b) => b.end.localeCompare(a.end) || b.id - a.id)
  if (last.id !== trigger.id || last.attempt !== trigger.run_attempt) {
    core.notice(`Nothing to do: run ${last.id} ended last, and the run that it starts deploys this component`)
    return setOutputs(false)
  }
  // This run has not waited for producers whose packages are only promoted.
  const producers = PRODUCERS.split(' ').filter(Boolean)
  setOutputs(true, JSON.stringify(Object.fromEntries(producers.map(name => [name, name in found ? { run: found[name].id } : 'same-commit']))))
}
