// @ts-check
const { rmSync } = require('node:fs')
const { commitInTitle } = require('../shared/commits.cjs')
const { environmentOf } = require('../shared/manifests.cjs')
const { lookUp } = require('../what-changed/components.cjs')

// The title of an orchestrator's run. Under `observe`, the runs of components have such titles, too.
const OF_PIPELINE = /^Deploy [0-9a-f]{40} to [\w-]+(( -|, then) [\w-]+)*$/
const FORMS = 'same-commit, latest, the id of a run, or {"PRODUCER": {"run": ID, "digest": SHA256}}'

/**
 * The run that the input packages names, if it names one, and the digest that the build has reported.
 * Run 0 was never started, because the plan names the package.
 * @param {string} packages
 * @param {string} producer
 * @param {boolean} isPlanned whether the plan names the package
 * @returns {{run?: number, digest?: string}}
 */
function requestedPackage(packages, producer, isPlanned) {
  if (['same-commit', 'latest'].includes(packages)) return {}
  const given = JSON.parse(packages)
  // A build reports its own digest. A digest with quotes in it could name another component's package.
  if (JSON.stringify(given) !== packages.replace(/\s/g, '')) throw new Error(FORMS)
  if (given[producer] === 'same-commit') return {} // no job waits for the run of this producer
  const { run, digest } = typeof given === 'number' ? { run: given, digest: '' } : given[producer]
  if (!Number.isSafeInteger(run) || run < (isPlanned ? 0 : 1) || (digest && !/^[0-9a-f]{64}$/.test(digest))) throw new Error(FORMS)
  return { run, digest }
}

/**
 * The package of an earlier run that the plan names, if it names one. Its digest proves which package it is.
 * @param {string} plan
 * @param {string} producer
 * @returns {{run: number, digest: string, commit: string, environment: string} | undefined}
 */
const plannedPackage = (plan, producer) => plan ? lookUp(JSON.parse(plan).packages, producer) : undefined

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { COMMIT = '', ENVIRONMENTS = '', PACKAGES = '', PLAN = '', PRODUCER = '', REFS = '' } = process.env
  if (!/^[\w-]+$/.test(PRODUCER)) return core.setFailed(`The input producer, ${JSON.stringify(PRODUCER)}, is not the name of a component: give one`)

  const { commits, runs, runOf, manifests } = environmentOf({ github, context, core, refs: REFS })
  const { isDeployable, isTrusted } = commits
  const [own, before = own, first = before] = ENVIRONMENTS.split(' ')
  const environments = [...new Set([own, before])]

  /** Why runs and packages were not taken. @type {Set<string>} */
  const reasons = new Set()
  const planned = plannedPackage(PLAN, PRODUCER)
  /** @type {{run?: number, digest?: string}} */
  let requested
  try {
    requested = PACKAGES === 'planned' ? { run: context.runId } : requestedPackage(PACKAGES, PRODUCER, Boolean(planned))
  } catch {
    return core.setFailed(`The input packages, ${PACKAGES.replace(/\s+/g, ' ')}, does not say which package of ${PRODUCER} to take: give ${FORMS}`)
  }
  const isInThisRun = requested.run === context.runId
  if (planned && (isInThisRun || requested.run === 0) && !requested.digest) return take(planned)
  // Any job of this run could have uploaded such an artifact, so the digest is required.
  if (isInThisRun && !requested.digest) {
    return core.setFailed(`The build of ${PRODUCER} in this run has reported no digest, so its package cannot be verified: re-run all jobs`)
  }

  // The first step of the job has checked the triggering run, and the event describes that run as it
  // ended.
  const triggeringRun = context.payload.workflow_run
  const run = isInThisRun || !requested.run ? undefined : requested.run === triggeringRun?.id ? triggeringRun : await requestedRun(requested.run)
  for (const environment of environments) {
    const found = await packageFor(environment)
    if (!found) continue
    // A promoted package still has the commit that it was built from.
    setOutputs(found.artifact, planned?.commit ?? found.commit, requested.digest ?? '')
    return
  }
  // The package that a run deploys may have been built by an earlier run.
  const earlier = requested.digest ? undefined : planned ?? (requested.run === undefined && await earlierPackage())
  if (earlier) return take(earlier)
  const names = environments.map(packageName).join(' or ')
  const where = requested.run ? `run ${requested.run}` : PACKAGES === 'latest' ? 'any run' : `any run for ${COMMIT}`
  const why = reasons.size ? ` (${[...reasons].slice(0, 3).join('; ')})` : ''
  const mend = isInThisRun ? 're-run all jobs' : `start orchestrator-${first}.yml with commit ${COMMIT}, which builds it`
  core.setFailed(`The package of ${PRODUCER}, ${names}, is not in ${where}${why}: ${mend}`)

  /**
   * @param {any} artifact
   * @param {string} commit
   * @param {string} digest
   */
  function setOutputs(artifact, commit, digest) {
    rmSync(`.packages/${PRODUCER}`, { recursive: true, force: true }) // such a folder may have been checked out
    const outputs = { artifact: artifact.id, name: artifact.name, run: artifact.workflow_run.id, commit, digest }
    for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value)
  }

  /** The package that a successful run has deployed with this commit, or with the newest one. */
  async function earlierPackage() {
    for (const environment of environments) {
      for await (const candidate of runs.ofWorkflow(`orchestrator-${environment}.yml`, { status: 'success' })) {
        const commit = commitInTitle(candidate.display_title)
        const fits = PACKAGES === 'latest' ? commit && await isDeployable(commit) : commit === COMMIT
        if (!fits || !await isTrusted(candidate)) continue
        const { components = {} } = await manifests.manifestOfRun(candidate, environment) ?? {}
        const taken = Object.values(components).map(({ takes }) => lookUp(takes, PRODUCER))
        const found = [lookUp(components, PRODUCER)?.package, ...taken].find(Boolean)
        if (found) return found
      }
    }
  }

  /** @param {{run: number, digest: string, commit: string, environment: string}} known */
  async function take({ run: id, digest, commit, environment }) {
    const artifact = await artifactOf(id, environment)
    // If a component's own run has built the package, the digest is GitHub's digest of the archive.
    const isOfArchive = digest.startsWith('sha256:')
    if (artifact && !(isOfArchive && artifact.digest !== digest)) return setOutputs(artifact, commit, isOfArchive ? '' : digest)
    // Without `all`, a plan would still expect the package, because it has not expired.
    core.setFailed(`The package of ${PRODUCER}, ${packageName(environment)}, is no longer in run ${id}: ` +
      `start orchestrator-${first}.yml with commit ${COMMIT} and \`all\`, which builds it again`)
  }

  /** @param {string} environment */
  function packageFor(environment) {
    if (isInThisRun) return inThisRun(environment)
    if (requested.run) return run && packageOf(run, environment)
    return inNewestRun(environment)
  }

  /** @param {string} environment */
  function packageName(environment) {
    return `${PRODUCER}-package-${environment}`
  }

  /**
   * @param {number} id
   * @param {string} environment
   */
  async function artifactOf(id, environment) {
    const found = await manifests.artifactOf(id, packageName(environment))
    if (!found?.expired) return found
    reasons.add(`run ${id}: it has expired`)
  }

  /** @param {string} environment */
  async function inThisRun(environment) {
    const artifact = await artifactOf(context.runId, environment)
    return artifact && { artifact, commit: COMMIT }
  }

  /**
   * The run with an id, if there is one.
   * @param {number} id
   */
  async function requestedRun(id) {
    const found = await runOf(id)
    if (!found) reasons.add(`run ${id} does not exist`)
    return found
  }

  /** @param {string} environment */
  async function inNewestRun(environment) {
    const found = []
    for (const file of workflowsOf(environment)) {
      const newest = await inNewestRunOf(file, environment)
      if (newest) found.push(newest)
    }
    return found.sort((a, b) => b.artifact.workflow_run.id - a.artifact.workflow_run.id)[0]
  }

  /**
   * @param {string} file
   * @param {string} environment
   */
  async function inNewestRunOf(file, environment) {
    for await (const candidate of runs.ofWorkflow(file)) {
      const { id, display_title } = candidate
      const mayHoldIt = id !== context.runId && (PACKAGES === 'latest' || commitInTitle(display_title) === COMMIT)
      const found = mayHoldIt && await packageOf(candidate, environment)
      if (found) return found
    }
  }

  /** @param {string} environment */
  function workflowsOf(environment) {
    return [`orchestrator-${environment}.yml`, `${PRODUCER}-${environment}.yml`]
  }

  /**
   * The package in another run, if that run and the package can be trusted.
   * @param {any} other
   * @param {string} environment
   */
  async function packageOf(other, environment) {
    const file = other.path.replace(/@.*/, '').replace('.github/workflows/', '')
    const commit = commitInTitle(other.display_title)
    /** @param {string} reason */
    const refuse = reason => void reasons.add(`run ${other.id} ${reason}`)
    if (!environments.flatMap(workflowsOf).includes(file)) return refuse(`is a run of ${file}`)
    if (!workflowsOf(environment).includes(file)) return
    if (!commit || (PACKAGES === 'latest' ? !await isDeployable(commit) : commit !== COMMIT)) return refuse(`is for ${commit ?? 'no commit'}`)
    // A package is promoted only if it was tested, together with everything that was deployed with it.
    if (environment !== own && other.conclusion !== 'success') return refuse(`ended with ${other.conclusion}`)
    if (environment !== own && !OF_PIPELINE.test(other.display_title)) return refuse('has deployed a component alone, so it was not tested with the others')
    if (other !== triggeringRun && !await isTrusted(other)) return refuse(`ran the workflows of ${other.head_sha}, which nobody has reviewed`)
    const artifact = await artifactOf(other.id, environment)
    if (!artifact) return
    if (!artifact.digest) return refuse('has a package without a digest by GitHub, so somebody could have changed it')
    if (other === triggeringRun && artifact.created_at > triggeringRun.updated_at) return refuse('was re-run since, and the re-run starts a promotion of its own')
    if (!await manifests.isFromBuild(artifact, PRODUCER)) return refuse('has a package that its build did not upload')
    return { artifact, commit }
  }
}
