// @ts-check
const { readFileSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const connect = require('../shared/api.cjs')
const { commitInTitle } = require('../shared/commits.cjs')
const { environmentOf } = require('../shared/manifests.cjs')
const { followers } = require('./components.cjs')
const plans = require('./plan.cjs')
const { overtaken } = require('./remember.cjs')
const trees = require('./trees.cjs')

const CONFIG = '.github/actions/what-changed/components.json'
const SHOWN = 10 // files that belong to no component

/**
 * @typedef {import('../shared/manifests.cjs').Memory} Memory
 * @typedef {import('./plan.cjs').Plan} Plan
 */

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { ALL, COMMIT = '', ENVIRONMENT = '', REFS = '', RUNNER_TEMP = '' } = process.env
  const { read } = connect({ github, core })
  const config = JSON.parse(readFileSync(require.resolve('./components.json'), 'utf8'))
  const { treeOf, textOf } = trees({ read, context })
  const all = ALL === 'true'
  const now = new Date().toISOString()
  const [tree, pipeline] = [await treeOf(COMMIT), await treeOf(context.sha)]
  if (!tree || !pipeline) return core.setFailed(`GitHub no longer has the files of commit ${tree ? context.sha : COMMIT}: push the commit again`)

  if (!ENVIRONMENT) return report(plans.pullRequest({ config, tree, pipeline, base: all ? undefined : await base() }))

  const { commits, runs, manifests } = environmentOf({ github, context, core, refs: REFS })
  /** @type {Record<string, Memory>} */
  const memory = {}
  for (const environment of [ENVIRONMENT, ...followers(config, ENVIRONMENT)]) {
    const found = await manifests.newestManifest(environment)
    // If a run was deleted, nobody knows what it has deployed.
    if (found && !await manifests.hasMissingRuns(found)) memory[environment] = { ...found, ...overtaken(found, await attemptsSince(found, environment)) }
  }
  const before = config.environments[ENVIRONMENT].after
  if (!before) return report(await withPackages(() => plans.source({ config, environment: ENVIRONMENT, tree, pipeline, memory, now, all })))

  const manifest = await candidate()
  return report(await withPackages(() => plans.promoted({ config, environment: ENVIRONMENT, commit: COMMIT, tree, pipeline, manifest, memory, now, all })))

  /**
   * @param {Memory} found
   * @param {string} environment
   */
  function attemptsSince({ run, planned, at }, environment) {
    return manifests.attemptsSince(environment, planned, (id, started) => started > (id === run ? at : planned))
  }

  /**
   * Plans again, if packages that the plan needs are gone before they expire: deleted, or replaced by a re-run.
   * @param {() => Plan} decide
   */
  async function withPackages(decide) {
    for (;;) {
      const plan = decide()
      const gone = []
      for (const [name, found] of plan.relies) if (!await manifests.hasPackage(name, found)) gone.push(found)
      if (!gone.length) return plan
      for (const found of gone) found.expires = new Date(0).toISOString()
    }
  }

  /** The manifest to promote: that of the triggering run when it ended; by hand, that of the newest run with this commit. */
  async function candidate() {
    const triggeringRun = context.payload.workflow_run
    if (triggeringRun) return manifests.manifestOfRun(triggeringRun, before, triggeringRun.updated_at)
    for (const environment of [ENVIRONMENT, before]) {
      for await (const run of runs.ofWorkflow(`orchestrator-${environment}.yml`, { status: 'success' })) {
        if (run.id === context.runId || commitInTitle(run.display_title) !== COMMIT || !await commits.isTrusted(run)) continue
        const found = await manifests.manifestOfRun(run, environment)
        if (found) return found
      }
    }
  }

  /** What a pull request or a merge group is compared with: the commit where it left its target branch. */
  async function base() {
    const { pull_request, merge_group } = context.payload
    const ref = pull_request ? `heads/${pull_request.base.ref}` : merge_group.base_ref.replace('refs/', '')
    // A tag may have the name of the branch, so the commit of the branch is read first.
    const branch = await connect.undefinedIfGone(read('GET /repos/{owner}/{repo}/git/ref/{ref}', { ...context.repo, ref }))
    const basehead = `${branch?.data.object.sha}...${COMMIT}`
    const compared = branch && await connect.undefinedIfGone(read('GET /repos/{owner}/{repo}/compare/{basehead}', { ...context.repo, basehead, per_page: 1 }))
    if (!compared) return // there is no common commit, so everything is checked
    const { sha } = compared.data.merge_base_commit
    const [files, text] = [await treeOf(sha), await textOf(CONFIG, sha)]
    return files && text ? { config: JSON.parse(text), tree: files, pipeline: files } : undefined
  }

  /** @param {Plan} plan */
  async function report(plan) {
    if (plan.refused.length) return core.setFailed(plan.refused.join('; '))
    const { build, deploy, packages } = plan
    core.setOutput('build', JSON.stringify(build))
    core.setOutput('deploy', JSON.stringify(deploy))
    core.setOutput('promote', JSON.stringify(Object.keys(packages)))
    const nobody = named(ENVIRONMENT ? await unownedFiles() : plan.nobody)
    if (ENVIRONMENT) {
      const said = JSON.stringify({ ...brief(plan), commit: COMMIT, sha: context.sha, planned: now, nobody })
      const file = join(RUNNER_TEMP, `plan-${ENVIRONMENT}.json`)
      writeFileSync(file, said)
      core.setOutput('plan', said)
      core.setOutput('file', file)
    }
    else if (nobody.length) core.notice(`Changed files that belong to no component: ${nobody.join(', ')}. Add files that a component uses to its \`watches\``)
    core.info(JSON.stringify(plan.reasons, null, 2))
    if (![...build, ...deploy].length) core.notice('No component has changed')
  }

  /**
   * The plan without the parts that nobody reads. Steps get it as an environment variable, and Linux allows
   * no more than 128 KB there.
   * @param {Plan} plan
   */
  function brief({ relies: _, ...plan }) {
    /** @type {<T, U>(map: {[name: string]: T}, change: (value: T) => U) => {[name: string]: U}} */
    const each = (map, change) => Object.fromEntries(Object.entries(map).map(([name, value]) => [name, change(value)]))
    return { ...plan, taken: each(plan.taken, packages => each(packages, () => null)), unchanged: each(plan.unchanged, ({ run }) => ({ run })) }
  }

  /** The files that have changed since the last deployment, and that belong to no component. */
  async function unownedFiles() {
    const last = memory[ENVIRONMENT]?.commit
    const old = last && await treeOf(last)
    return old ? plans.unownedFiles(config, { config, tree: old }, /** @type {import('./contents.cjs').Tree} */ (tree)) : []
  }

  /**
   * The first names, and how many more there are.
   * @param {string[]} names
   */
  function named(names) {
    return [...names.slice(0, SHOWN), ...names.length > SHOWN ? [`${names.length - SHOWN} more`] : []]
  }
}
