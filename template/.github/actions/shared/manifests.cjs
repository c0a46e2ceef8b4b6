// @ts-check
// Reads what was deployed: from the manifests that orchestrators leave, and from the jobs since then.
const { inflateRawSync } = require('node:zlib')
const { MAY_DEPLOY } = require('./runs.cjs')
const { DAY } = require('./time.cjs')

const SUMMARY = 'Deployment summary' // the job that uploads the manifest

/**
 * @typedef {import('../what-changed/remember.cjs').Memory & {environment: string, number: number, at: string}} Memory `at`: when it was written;
 *   `number`: that of its run among those of its workflow
 * @typedef {import('../what-changed/remember.cjs').Attempt} Attempt
 * @typedef {import('./runs.cjs').Run & {updated_at: string, run_number: number}} Run
 */

/** @param {string} environment */
const nameOf = environment => `manifest-${environment}`

/**
 * The text of the only file in a ZIP archive. PKWARE: APPNOTE.TXT 4.3.12 and 4.3.16.
 * @param {Buffer} archive
 */
function unzipped(archive) {
  const end = archive.lastIndexOf('PK\x05\x06', undefined, 'latin1')
  const entry = archive.readUInt32LE(end + 16)
  const [method, size, header] = [archive.readUInt16LE(entry + 10), archive.readUInt32LE(entry + 20), archive.readUInt32LE(entry + 42)]
  const start = header + 30 + archive.readUInt16LE(header + 26) + archive.readUInt16LE(header + 28)
  const data = archive.subarray(start, start + size)
  return (method === 0 ? data : inflateRawSync(data)).toString('utf8')
}

/**
 * @param {{read: any, pages: any, context: any, commits: ReturnType<typeof import('./commits.cjs').of>,
 *   runs: ReturnType<typeof import('./runs.cjs').of>}} tools
 */
function of({ read, pages, context, commits, runs }) {
  /** Artifacts by run and name. @type {Map<string, Promise<any>>} */
  const known = new Map()

  /** @param {number} run_id */
  const jobsOf = run_id =>
    Array.fromAsync(pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', { ...context.repo, run_id, filter: 'all' }, 'jobs'))

  /** @param {Run} run */
  const fileOf = run => run.path.replace(/@.*/, '').replace('.github/workflows/', '')

  /**
   * The manifest in an artifact; undefined unless the job that writes it has uploaded it. Any other
   * job of the run could have uploaded one of that name.
   * @param {any} artifact
   * @param {string} environment
   * @returns {Promise<Memory | undefined>}
   */
  async function contentOf(artifact, environment) {
    const { id: artifact_id, created_at, workflow_run } = artifact
    const isOfSummary = (await jobsOf(workflow_run.id)).some((/** @type {any} */ { name, started_at, completed_at }) =>
      name === SUMMARY && started_at <= created_at && (!completed_at || created_at <= completed_at))
    if (!isOfSummary) return
    const { data } = await read('GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}/zip', { ...context.repo, artifact_id })
    const memory = JSON.parse(unzipped(Buffer.from(data)))
    return memory.version === 1 && memory.environment === environment ? memory : undefined
  }

  /**
   * The manifest that a reviewed run has left; undefined if it has left none. What a re-run has left
   * since is promoted by a run of its own.
   * @param {{id: number}} run
   * @param {string} environment
   * @param {string} [until] when the run had ended
   */
  async function ofRun({ id }, environment, until = '9999') {
    const found = await artifactOf(id, nameOf(environment))
    return found && !found.expired && found.created_at <= until ? contentOf(found, environment) : undefined
  }

  /**
   * The newest artifact of this name in a run, because a re-run replaces it. It may have expired.
   * @param {number} run_id
   * @param {string} name
   */
  async function artifactOf(run_id, name) {
    const filter = { ...context.repo, run_id, name }
    try {
      const found = await Array.fromAsync(pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/artifacts', filter, 'artifacts'))
      const [last] = /** @type {any[]} */ (found).sort((a, b) => b.id - a.id)
      return last
    } catch (/** @type {any} */ error) {
      if (error.status !== 404) throw error // 404: somebody has deleted the run
    }
  }

  /**
   * Whether a run still holds a package. What a re-run has put in its place ends later than it.
   * @param {string} name
   * @param {{run: number, environment: string, expires: string}} kept
   */
  async function holds(name, { run, environment, expires }) {
    const key = `${run} ${name} ${environment}`
    const found = known.get(key) ?? artifactOf(run, `${name}-package-${environment}`)
    known.set(key, found)
    const artifact = await found
    return Boolean(artifact) && !artifact.expired && Date.parse(artifact.expires_at) <= Date.parse(expires)
  }

  /**
   * The newest manifest of an environment; undefined if there is none.
   * @param {string} environment
   */
  async function newest(environment) {
    const filter = { ...context.repo, name: nameOf(environment) }
    for await (const artifact of pages('GET /repos/{owner}/{repo}/actions/artifacts', filter, 'artifacts')) {
      const { id: run_id, head_branch, head_repository_id, repository_id } = artifact.workflow_run
      if (artifact.expired || head_repository_id !== repository_id || !commits.isNear(head_branch)) continue
      const { data: run } = await read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...context.repo, run_id })
      if (fileOf(run) !== `orchestrator-${environment}.yml` || !await commits.reviewed(run)) continue
      const memory = await contentOf(artifact, environment)
      if (memory) return memory
    }
  }

  /**
   * The deployments that have begun after a moment, the oldest first. One that waits, or has no steps
   * yet, has changed nothing so far; the next look sees it.
   * @param {string} environment
   * @param {string} since
   * @param {(run: number, started: string) => boolean} counts
   * @returns {Promise<Attempt[]>}
   */
  async function attempts(environment, since, counts) {
    /** @type {Attempt[]} */
    const found = []
    for (const { run, isReviewed } of await runsSince(environment, since)) {
      const component = fileOf(run).replace(`-${environment}.yml`, '')
      for (const { name, status, conclusion, started_at, steps = [] } of await jobsOf(run.id)) {
        const [, job, key] = name.match(/^(.+) \/ .*? ([0-9a-f]{12}|by hand)$/) ?? []
        const isBegun = steps.length ? steps.some((/** @type {any} */ step) => step.name === MAY_DEPLOY && step.conclusion === 'success') : status === 'completed'
        if (!job || !isBegun || conclusion === 'skipped' || !counts(run.id, started_at)) continue
        found.push({
          component: job === 'deploy' ? component : job.replace(new RegExp(`-${environment}$`), ''),
          run: run.id, key, state: isReviewed && conclusion === 'success' ? 'success' : 'unknown', at: started_at,
        })
      }
    }
    return found.sort((a, b) => a.at < b.at ? -1 : 1)
  }

  /**
   * The runs that may have deployed after a moment. GitHub ends an approval that waits for 30 days.
   * One whose commit has been pushed away proves nothing any more, but it has deployed all the same.
   * @param {string} environment
   * @param {string} since
   */
  async function runsSince(environment, since) {
    const first = new Date(Date.parse(since) - 35 * DAY).toISOString()
    /** @type {Run[]} */
    const found = []
    for await (const run of runs.ofFile(`orchestrator-${environment}.yml`)) {
      if (run.created_at < first) break
      found.push(/** @type {Run} */ (run))
    }
    const byHand = { ...context.repo, event: 'workflow_dispatch', created: `>=${first.slice(0, 19)}Z` }
    for await (const run of pages('GET /repos/{owner}/{repo}/actions/runs', byHand, 'workflow_runs')) {
      const file = fileOf(run)
      if (file.endsWith(`-${environment}.yml`) && !file.startsWith('orchestrator-')) found.push(run)
    }
    const later = found.filter(run => run.updated_at >= since && run.conclusion !== 'skipped' && commits.mayDeploy(run))
    return Promise.all(later.map(async run => ({ run, isReviewed: await commits.reviewed(run) })))
  }

  /**
   * Whether a run that came after a manifest is gone: GitHub numbers the runs of a workflow one after
   * the other. Whoever may write can delete one, with all that it has left.
   * @param {Memory} manifest
   */
  async function isMissing({ environment, number }) {
    /** @type {Set<number>} */
    const found = new Set()
    for await (const run of runs.ofFile(`orchestrator-${environment}.yml`)) {
      const { run_number } = /** @type {Run} */ (run)
      if (run_number <= number) break
      found.add(run_number)
    }
    return found.size < Math.max(...found, number) - number
  }

  return { artifactOf, ofRun, newest, attempts, holds, isMissing }
}

module.exports = { of, nameOf, unzipped }
