// @ts-check
const { rmSync } = require('node:fs')
const api = require('../shared/api.cjs')
const commits = require('../shared/commits.cjs')
const allManifests = require('../shared/manifests.cjs')
const allRuns = require('../shared/runs.cjs')
const { at } = require('../what-changed/components.cjs')

// An orchestrator's run. Under `observe` there are only runs of components, with titles like that.
const OF_PIPELINE = /^Deploy [0-9a-f]{40} to [\w-]+(( -|, then) [\w-]+)*$/
const FORMS = 'same-commit, latest, the id of a run, or {"PRODUCER": {"run": ID, "digest": SHA256}}'

/**
 * The run that is named, if one is, and the digest that the build left. 0 is a run that was not
 * started, because the plan names the package.
 * @param {string} packages
 * @param {string} producer
 * @param {boolean} isKept
 * @returns {{run?: number, digest?: string}}
 */
function named(packages, producer, isKept) {
  if (['same-commit', 'latest'].includes(packages)) return {}
  const given = JSON.parse(packages)
  // A build says its own digest. One with quotes in it would name the package of another component.
  if (JSON.stringify(given) !== packages.replace(/\s/g, '')) throw new Error(FORMS)
  if (given[producer] === 'same-commit') return {} // a producer whose run nobody waits for
  const { run, digest } = typeof given === 'number' ? { run: given, digest: '' } : given[producer]
  if (!Number.isSafeInteger(run) || run < (isKept ? 0 : 1) || (digest && !/^[0-9a-f]{64}$/.test(digest))) throw new Error(FORMS)
  return { run, digest }
}

/**
 * The package of a former run that was chosen, if one was. The digest of its files proves what it is.
 * @param {string} plan
 * @param {string} producer
 * @returns {{run: number, digest: string, commit: string, environment: string} | undefined}
 */
const chosen = (plan, producer) => plan ? at(JSON.parse(plan).packages, producer) : undefined

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { COMMIT = '', ENVIRONMENTS = '', PACKAGES = '', PLAN = '', PRODUCER = '', REFS = '' } = process.env
  if (!/^[\w-]+$/.test(PRODUCER)) return core.setFailed(`The input producer, ${JSON.stringify(PRODUCER)}, is no component's name: give one`)

  const { read, pages } = api({ github, core })
  const of = commits.of({ github, context, core, refs: REFS })
  const { isDeployable, isTrusted } = of
  const runs = allRuns.of({ pages, context, commits: of })
  const manifests = allManifests.of({ read, pages, context, commits: of, runs })
  const [own, before = own, first = before] = ENVIRONMENTS.split(' ')
  const environments = [...new Set([own, before])]

  /** Why packages that were found do not count. @type {Set<string>} */
  const reasons = new Set()
  const kept = chosen(PLAN, PRODUCER)
  /** @type {{run?: number, digest?: string}} */
  let wanted
  try {
    wanted = PACKAGES === 'planned' ? { run: context.runId } : named(PACKAGES, PRODUCER, Boolean(kept))
  } catch {
    return core.setFailed(`The input packages, ${PACKAGES.replace(/\s+/g, ' ')}, does not say which package of ${PRODUCER} to take: give ${FORMS}`)
  }
  const isInThisRun = wanted.run === context.runId
  if (kept && (isInThisRun || wanted.run === 0) && !wanted.digest) return take(kept)
  // Every job of this run could have uploaded it. A digest that is missing does not mean "any".
  if (isInThisRun && !wanted.digest) {
    return core.setFailed(`The build of ${PRODUCER} in this run left no digest, so its package cannot be verified: re-run all jobs`)
  }

  // The run before has been looked at by the job's first step, and the event tells all of it, as it
  // ended then.
  const told = context.payload.workflow_run
  const run = isInThisRun || !wanted.run ? undefined : wanted.run === told?.id ? told : await runOf(wanted.run)
  for (const environment of environments) {
    const found = await packageFor(environment)
    if (!found) continue
    // What was brought over still says which commit it was built from.
    tell(found.artifact, kept?.commit ?? found.commit, wanted.digest ?? '')
    return
  }
  // A run may deploy what it has not built.
  const former = wanted.digest ? undefined : kept ?? (wanted.run === undefined && await deployedWith())
  if (former) return take(former)
  const names = environments.map(packageName).join(' or ')
  const where = wanted.run ? `run ${wanted.run}` : PACKAGES === 'latest' ? 'any run' : `any run for ${COMMIT}`
  const why = reasons.size ? ` (${[...reasons].slice(0, 3).join('; ')})` : ''
  const mend = isInThisRun ? 're-run all jobs' : `start orchestrator-${first}.yml with commit ${COMMIT}, which builds it`
  core.setFailed(`The package of ${PRODUCER}, ${names}, is not in ${where}${why}: ${mend}`)

  /**
   * @param {any} artifact
   * @param {string} commit
   * @param {string} digest
   */
  function tell(artifact, commit, digest) {
    rmSync(`.packages/${PRODUCER}`, { recursive: true, force: true }) // a folder that was checked out is no package
    const outputs = { artifact: artifact.id, name: artifact.name, run: artifact.workflow_run.id, commit, digest }
    for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value)
  }

  /** The package that a successful run has deployed with this commit, or with the newest one. */
  async function deployedWith() {
    for (const environment of environments) {
      for await (const candidate of runs.ofFile(`orchestrator-${environment}.yml`, { status: 'success' })) {
        const commit = commits.commitInTitle(candidate.display_title)
        const fits = PACKAGES === 'latest' ? commit && await isDeployable(commit) : commit === COMMIT
        if (!fits || !await isTrusted(candidate)) continue
        const { components = {} } = await manifests.manifestOfRun(candidate, environment) ?? {}
        const taken = Object.values(components).map(({ takes }) => at(takes, PRODUCER))
        const found = [at(components, PRODUCER)?.package, ...taken].find(Boolean)
        if (found) return found
      }
    }
  }

  /** @param {{run: number, digest: string, commit: string, environment: string}} known */
  async function take({ run: id, digest, commit, environment }) {
    const artifact = await artifactOf(id, environment)
    // GitHub's own digest says the same of the archive, where a run of its own has built the package.
    const isOfArchive = digest.startsWith('sha256:')
    if (artifact && !(isOfArchive && artifact.digest !== digest)) return tell(artifact, commit, isOfArchive ? '' : digest)
    // Until it expires, a plan takes it for kept.
    core.setFailed(`The package of ${PRODUCER}, ${packageName(environment)}, is no longer in run ${id}: ` +
      `start orchestrator-${first}.yml with commit ${COMMIT} and \`all\`, which builds it again`)
  }

  /** @param {string} environment */
  function packageFor(environment) {
    if (isInThisRun) return inThisRun(environment)
    if (wanted.run) return run && packageOf(run, environment)
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
   * The run that is named, if it exists.
   * @param {number} id
   */
  async function runOf(id) {
    try {
      return (await read('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...context.repo, run_id: id })).data
    } catch (error) {
      if (/** @type {import('../shared/api.cjs').ApiError} */ (error).status !== 404) throw error
      reasons.add(`run ${id} does not exist`)
    }
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
    for await (const candidate of runs.ofFile(file)) {
      const { id, display_title } = candidate
      const mayHoldIt = id !== context.runId && (PACKAGES === 'latest' || commits.commitInTitle(display_title) === COMMIT)
      const found = mayHoldIt && await packageOf(candidate, environment)
      if (found) return found
    }
  }

  /** @param {string} environment */
  function workflowsOf(environment) {
    return [`orchestrator-${environment}.yml`, `${PRODUCER}-${environment}.yml`]
  }

  /**
   * The package in another run, if that run and the package can be believed.
   * @param {any} other
   * @param {string} environment
   */
  async function packageOf(other, environment) {
    const file = other.path.replace(/@.*/, '').replace('.github/workflows/', '')
    const commit = commits.commitInTitle(other.display_title)
    /** @param {string} reason */
    const refuse = reason => void reasons.add(`run ${other.id} ${reason}`)
    if (!environments.flatMap(workflowsOf).includes(file)) return refuse(`is one of ${file}`)
    if (!workflowsOf(environment).includes(file)) return
    if (!commit || (PACKAGES === 'latest' ? !await isDeployable(commit) : commit !== COMMIT)) return refuse(`is one for ${commit ?? 'no commit'}`)
    // What is promoted has been tested, together with all that was deployed with it.
    if (environment !== own && other.conclusion !== 'success') return refuse(`ended with ${other.conclusion}`)
    if (environment !== own && !OF_PIPELINE.test(other.display_title)) return refuse('is one of a component alone, so nothing was tested with it')
    if (other !== told && !await isTrusted(other)) return refuse(`ran the workflows of ${other.head_sha}, which nobody has reviewed`)
    const artifact = await artifactOf(other.id, environment)
    if (!artifact) return
    if (!artifact.digest) return refuse('holds one of which GitHub knows no digest, so it could have been changed')
    if (other === told && artifact.created_at > told.updated_at) return refuse('was re-run since, and is promoted by a run of its own')
    if (!await manifests.isFromBuild(artifact, PRODUCER)) return refuse('holds one that its build did not upload')
    return { artifact, commit }
  }
}
