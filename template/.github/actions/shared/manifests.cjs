// @ts-check
// Finds out what was deployed: from the manifests of orchestrators, and from the jobs that ran since.
const { inflateRawSync } = require('node:zlib')
const api = require('./api.cjs')
const { environmentCommits } = require('./commits.cjs')
const { MAY_DEPLOY_STEP, START_STEP, environmentRuns, rootRunIdOf } = require('./runs.cjs')
const { DAY } = require('./time.cjs')

const SUMMARY = 'Deployment summary' // the job that uploads the manifest
const CHANGES = 'Changes' // the job that uploads the plan
const LAG = 15 // minutes by which a filtered list may be late

/**
 * @typedef {import('../what-changed/remember.cjs').Memory & {environment: string, number: number, at: string}} Memory `at`: when it was written;
 *   `number`: the number of its run in its workflow
 * @typedef {import('../what-changed/remember.cjs').Attempt} Attempt
 * @typedef {import('./runs.cjs').Run & {updated_at: string, run_number: number}} Run
 */

/** @param {string} environment */
const artifactName = environment => `manifest-${environment}`

/**
 * The text of the only file in a ZIP archive. See PKWARE's APPNOTE.TXT, 4.3.12 and 4.3.16.
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
 * What can be asked about an environment: its commits, the runs that deploy to it, and their manifests.
 * @param {{github: any, context: any, core: any, refs: string}} options as for environmentCommits
 */
function environmentOf({ github, context, core, refs }) {
  const { read, pages } = api({ github, core })
  const commits = environmentCommits({ github, context, core, refs })
  const runs = environmentRuns({ pages, context, commits })
  /** Artifacts by run and name. @type {Map<string, Promise<any>>} */
  const knownArtifacts = new Map()
  /** Jobs of all attempts, by run. @type {Map<number, Promise<any[]>>} */
  const knownJobs = new Map()

  /** @param {number} run_id */
  function jobsOf(run_id) {
    const found = knownJobs.get(run_id) ??
      Array.fromAsync(pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', { ...context.repo, run_id, filter: 'all' }, 'jobs'))
    knownJobs.set(run_id, found)
    return found
  }

  /** @param {number} run_id @returns {Promise<any>} undefined if it does not exist */
  const runOf = async run_id => (await api.undefinedIfGone(read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...context.repo, run_id })))?.data

  /** @param {Run} run */
  const fileOf = run => run.path.replace(/@.*/, '').replace('.github/workflows/', '')

  /**
   * The JSON in an artifact; undefined if this job has not uploaded it. Any job of a run can upload an
   * artifact of this name.
   * @param {any} artifact
   * @param {string} job
   */
  async function jsonFromJob(artifact, job) {
    const { id: artifact_id, created_at, workflow_run } = artifact
    const isFromJob = (await jobsOf(workflow_run.id)).some(({ name, started_at, completed_at }) =>
      name === job && started_at <= created_at && (!completed_at || created_at <= completed_at))
    if (!isFromJob) return
    // A re-run may have replaced the artifact since it was listed.
    const answer = await api.undefinedIfGone(read('GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}/zip', { ...context.repo, artifact_id }))
    return answer && JSON.parse(unzipped(Buffer.from(answer.data)))
  }

  /**
   * @param {any} artifact
   * @param {string} environment
   * @returns {Promise<Memory | undefined>}
   */
  async function manifestIn(artifact, environment) {
    const memory = await jsonFromJob(artifact, SUMMARY)
    return memory?.version === 1 && memory.environment === environment ? memory : undefined
  }

  /**
   * The plan of an orchestrator's run; undefined if the run is not trusted, is no orchestrator's, or has none.
   * @param {number} run_id
   * @param {string} environment
   * @returns {Promise<import('../deployment-summary/manifest.cjs').Planned | undefined>}
   */
  async function planOf(run_id, environment) {
    const run = await runOf(run_id)
    if (!run || fileOf(run) !== `orchestrator-${environment}.yml` || !await commits.isTrusted(run)) return
    return planIn(run_id, environment)
  }

  /**
   * The plan that the job `changes` of a run has uploaded; undefined if it has not.
   * @param {number} run_id
   * @param {string} environment
   */
  async function planIn(run_id, environment) {
    const found = await artifactOf(run_id, `plan-${environment}`)
    return found && !found.expired ? jsonFromJob(found, CHANGES) : undefined
  }

  /**
   * Whether a package was uploaded by the job that builds or promotes it, and that job has succeeded. Any
   * other job can upload an artifact of this name.
   * @param {{created_at: string, workflow_run: {id: number}}} artifact
   * @param {string} producer
   */
  async function isFromBuild({ created_at, workflow_run: { id } }, producer) {
    return (await jobsOf(id)).some(({ name, conclusion, started_at, completed_at }) =>
      (name === CHANGES || name.startsWith('build / ') || name.startsWith(`${producer}-build / `)) &&
      conclusion === 'success' && started_at <= created_at && created_at <= completed_at)
  }

  /**
   * GitHub's digest of the package that a component's run has built while a job of this run waited for
   * that run. It is read now, because a re-run of that run may replace the package.
   * @param {string} producer
   * @param {string} environment
   * @param {number} run the id of the component's run
   */
  async function digestBuiltBy(producer, environment, run) {
    const artifact = await artifactOf(run, `${producer}-package-${environment}`)
    if (!artifact?.digest || !await isFromBuild(artifact, producer)) return
    const isOfThisRun = (await jobsOf(context.runId)).some(({ name, started_at, completed_at }) =>
      name === `${producer}-${environment}` && started_at <= artifact.created_at && artifact.created_at <= completed_at)
    return isOfThisRun ? artifact.digest : undefined
  }

  /**
   * The manifest of a reviewed run; undefined if it has none. A manifest that a re-run has written after
   * `until` is left to the run that follows the re-run.
   * @param {{id: number}} run
   * @param {string} environment
   * @param {string} [until] when the run ended
   */
  async function manifestOfRun({ id }, environment, until = '9999') {
    const found = await artifactOf(id, artifactName(environment))
    return found && !found.expired && found.created_at <= until ? manifestIn(found, environment) : undefined
  }

  /**
   * The newest artifact of a name in a run: a re-run replaces older ones. It may have expired.
   * @param {number} run_id
   * @param {string} name
   */
  async function artifactOf(run_id, name) {
    const filter = { ...context.repo, run_id, name }
    const found = await api.undefinedIfGone(Array.fromAsync(pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/artifacts', filter, 'artifacts')))
    return /** @type {any[] | undefined} */ (found)?.sort((a, b) => b.id - a.id)[0]
  }

  /**
   * Whether a run still holds this very package. A package that a re-run has put in its place expires later.
   * @param {string} name
   * @param {{run: number, environment: string, expires: string, digest: string}} kept
   */
  async function hasPackage(name, { run, environment, expires, digest }) {
    const key = `${run} ${name} ${environment}`
    const found = knownArtifacts.get(key) ?? artifactOf(run, `${name}-package-${environment}`)
    knownArtifacts.set(key, found)
    const artifact = await found
    const isReplaced = digest.startsWith('sha256:') && artifact?.digest !== digest
    return Boolean(artifact) && !artifact.expired && !isReplaced && Date.parse(artifact.expires_at) <= Date.parse(expires)
  }

  /**
   * The newest manifest of an environment; undefined if there is none.
   * @param {string} environment
   */
  async function newestManifest(environment) {
    const filter = { ...context.repo, name: artifactName(environment) }
    for await (const artifact of pages('GET /repos/{owner}/{repo}/actions/artifacts', filter, 'artifacts')) {
      const { id: run_id, head_branch, head_repository_id, repository_id } = artifact.workflow_run
      if (artifact.expired || head_repository_id !== repository_id || !commits.mayBeReviewed(head_branch)) continue
      const run = await runOf(run_id) // GitHub may still list the artifacts of a deleted run
      if (!run || fileOf(run) !== `orchestrator-${environment}.yml` || !await commits.isReviewed(run)) continue
      const memory = await manifestIn(artifact, environment)
      if (memory) return memory
    }
  }

  /**
   * The deployments that have begun after a given time, the oldest first. A deployment that waits or has
   * no steps yet has changed nothing; the next run will see it.
   * @param {string} environment
   * @param {string} since
   * @param {(run: number, started: string) => boolean} counts
   * @returns {Promise<Attempt[]>}
   */
  async function attemptsSince(environment, since, counts) {
    /** @type {Attempt[]} */
    const found = []
    const { later, all } = await runsSince(environment, since)
    for (const { run, isReviewed } of later) {
      const component = fileOf(run).replace(`-${environment}.yml`, '')
      for (const { name, status, conclusion, started_at, completed_at, steps = [] } of await jobsOf(run.id)) {
        // If the job has started a run that was deleted since, nobody knows what that run has deployed.
        const startsRun = status === 'completed' && steps.some((/** @type {any} */ step) => START_STEP.test(step.name))
        const isChild = (/** @type {Run} */ child) => rootRunIdOf(child) === run.id && fileOf(child) === `${name}.yml` &&
          (conclusion === 'success' || (child.created_at <= completed_at && child.updated_at >= started_at))
        if (startsRun && counts(run.id, started_at) && !all.some(isChild)) {
          found.push({ component: name.replace(new RegExp(`-${environment}$`), ''), run: run.id, key: '', state: 'unknown', at: started_at })
        }
        const [, job, key] = name.match(/^(.+) \/ .*? ([0-9a-f]{12}|by hand)$/) ?? []
        const isBegun = steps.length ? steps.some((/** @type {any} */ step) => step.name === MAY_DEPLOY_STEP && step.conclusion === 'success') : status === 'completed'
        // A run that an orchestrator has started counts as part of the orchestrator's run.
        const id = rootRunIdOf(run)
        if (!job || !isBegun || conclusion === 'skipped' || !counts(id, started_at)) continue
        found.push({
          component: job === 'deploy' ? component : job.replace(new RegExp(`-${environment}$`), ''),
          run: id, key, state: isReviewed && conclusion === 'success' ? 'success' : 'unknown', at: started_at,
        })
      }
    }
    return found.sort((a, b) => a.at < b.at ? -1 : 1)
  }

  /**
   * The runs that may have deployed after a given time. A run can wait 30 days for its approval. A run whose
   * commit a force push has removed from its branch proves nothing any more, but it may have deployed.
   * @param {string} environment
   * @param {string} since
   */
  async function runsSince(environment, since) {
    const first = new Date(Date.parse(since) - 35 * DAY).toISOString()
    /** @type {Run[]} */
    const found = []
    for await (const run of runs.ofWorkflow(`orchestrator-${environment}.yml`)) {
      if (run.created_at < first) break
      found.push(/** @type {Run} */ (run))
    }
    const route = 'GET /repos/{owner}/{repo}/actions/runs'
    const byHand = { event: 'workflow_dispatch', created: `>=${first.slice(0, 19)}Z` }
    for await (const run of pages(route, { ...context.repo, ...byHand }, 'workflow_runs')) add(run)
    // GitHub updates a filtered list late, so the newest runs are read without a filter.
    const lately = new Date(Date.now() - LAG * 60_000).toISOString()
    for await (const run of pages(route, context.repo, 'workflow_runs')) {
      if (run.created_at < lately) break
      if (run.event === 'workflow_dispatch') add(run)
    }
    const later = []
    // One after the other: the first run reads the history for all.
    for (const run of found) {
      const mayCount = run.updated_at >= since && run.conclusion !== 'skipped' && commits.mayHaveDeployed(run)
      if (mayCount) later.push({ run, isReviewed: await commits.isReviewed(run) })
    }
    return { later, all: found }

    /** @param {Run} run of a component that a person or an orchestrator has started */
    function add(run) {
      const file = fileOf(run)
      const isNew = found.every(({ id }) => id !== run.id)
      if (isNew && file.endsWith(`-${environment}.yml`) && !file.startsWith('orchestrator-')) found.push(run)
    }
  }

  /**
   * Whether a run that came after a manifest was deleted. GitHub numbers the runs of a workflow without
   * gaps. Anybody with write access can delete a run, with its jobs and artifacts.
   * @param {Memory} manifest
   */
  async function hasMissingRuns({ environment, number }) {
    /** @type {Set<number>} */
    const found = new Set()
    for await (const run of runs.ofWorkflow(`orchestrator-${environment}.yml`)) {
      const { run_number } = /** @type {Run} */ (run)
      if (run_number <= number) break
      found.add(run_number)
    }
    return found.size < Math.max(...found, number) - number
  }

  const manifests = { artifactOf, digestBuiltBy, isFromBuild, manifestOfRun, planIn, planOf, newestManifest, attemptsSince, hasPackage, hasMissingRuns }
  return { read, pages, commits, runs, runOf, manifests }
}

module.exports = { environmentOf, unzipped }
