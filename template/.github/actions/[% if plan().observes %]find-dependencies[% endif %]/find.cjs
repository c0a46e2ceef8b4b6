// @ts-check
// After another workflow's run: says whether everything before has been deployed, and whether this
// is the run that goes on from there.
const connect = require('../shared/api.cjs')
const commits = require('../shared/commits.cjs')
const { sleep } = require('../shared/time.cjs')
const list = require('./runs.cjs')

const LOOKS = 3 // lists lag behind events

/**
 * @typedef {{jobs: string[], decisive: string[], roots: string[]}} Dependency
 * @typedef {{id: number, attempt: number, created: string, end: string}} Deployment
 */

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { ENVIRONMENT = '', COMMIT = '', REFS = '', DEPENDENCIES, PACKAGES = '', PRODUCERS = '' } = process.env
  const before = context.payload.workflow_run
  /** @type {[string, Dependency][]} */
  const dependencies = Object.entries(JSON.parse(DEPENDENCIES || '{}'))

  /**
   * @param {boolean} ready
   * @param {string} [packages]
   */
  function answer(ready, packages = PACKAGES) {
    core.setOutput('ready', String(ready))
    core.setOutput('packages', packages)
  }
  if (!before || !dependencies.length) return answer(true)

  const api = connect({ github, core })
  const { isReviewed } = commits.of({ github, context, core, refs: REFS })
  const runsOf = list({ api, context, environment: ENVIRONMENT, commit: COMMIT, isReviewed })

  /**
   * The newest run that has deployed a component. None if a newer one has failed, or still deploys.
   * A run that only found that its time has not come does neither.
   * @param {string} component
   * @param {Dependency} dependency
   * @returns {Promise<Deployment | undefined>}
   */
  async function deployed(component, { jobs, decisive }) {
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
  async function began(component) {
    for await (const run of runsOf(component)) return run.run_started_at
  }

  /** What has been deployed, or the first component that has not. */
  async function look() {
    /** @type {Record<string, Deployment>} */
    const found = {}
    for (const [component, dependency] of dependencies) {
      const deployment = await deployed(component, dependency)
      if (!deployment) return { absent: component, found }
      found[component] = deployment
    }
    // If a commit is deployed once more, what it did the first time is out of date.
    /** @type {Record<string, string>} */
    const starts = {}
    for (const [component, { roots }] of dependencies) {
      for (const root of roots) {
        starts[root] ??= await began(root) ?? ''
        if (starts[root] > found[component].created) return { absent: component, found }
      }
    }
    return { absent: undefined, found }
  }

  let seen = await look()
  for (let looks = 1; seen.absent && looks < LOOKS; looks++) {
    await sleep(10)
    seen = await look()
  }
  const { absent, found } = seen
  if (absent) {
    core.notice(`Not yet: ${absent} has not been deployed to ${ENVIRONMENT} from ${COMMIT}`)
    return answer(false)
  }
  // The run before that ended last is followed by the deployment; of two that ended in the same
  // second, the one with the higher id. All that look see the same one, so one of them deploys.
  const [last] = Object.values(found).sort((a, b) => b.end.localeCompare(a.end) || b.id - a.id)
  if (last.id !== before.id || last.attempt !== before.run_attempt) {
    core.notice(`Left to the run that follows run ${last.id}, the last to end`)
    return answer(false)
  }
  // Some producers are not waited for, because they only bring their packages over.
  const producers = PRODUCERS.split(' ').filter(Boolean)
  answer(true, JSON.stringify(Object.fromEntries(producers.map(name => [name, name in found ? { run: found[name].id } : 'same-commit']))))
}
