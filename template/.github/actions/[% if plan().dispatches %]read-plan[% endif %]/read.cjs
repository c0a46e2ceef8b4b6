// @ts-check
const { environmentOf } = require('../shared/manifests.cjs')
const { BOT } = require('../shared/runs.cjs')
const { common, workflow } = require('../what-changed/contents.cjs')
const trees = require('../what-changed/trees.cjs')

/** @typedef {import('../what-changed/contents.cjs').Tree} Tree */

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { COMMIT, COMPONENT = '', ENVIRONMENT = '', ORCHESTRATOR = '', REFS = '' } = process.env
  if (!ORCHESTRATOR) {
    for (const kind of ['build', 'deploy']) core.setOutput(kind, JSON.stringify([COMPONENT]))
    return
  }
  const { read, manifests } = environmentOf({ github, context, core, refs: REFS })
  const plan = /^\d+$/.test(ORCHESTRATOR) ? await manifests.planOf(Number(ORCHESTRATOR), ENVIRONMENT) : undefined
  const why = await whyNot()
  if (plan && !why) return setOutputs(plan)
  core.setFailed(`The plan of the orchestrator's run ${JSON.stringify(ORCHESTRATOR)} cannot be used here: ${why}. ` +
    `Start orchestrator-${ENVIRONMENT}.yml, or this workflow without the input orchestrator: then it deploys the component, changed or not`)

  /** Why the plan cannot be used. Anybody who may start workflows can type the id of any run. */
  async function whyNot() {
    if (context.actor !== BOT) return `${context.actor} has started this run, and only an orchestrator can hand on its plan`
    if (context.payload.inputs?.packages === 'latest') return '`packages: latest` takes packages that the plan does not name'
    if (!plan) return `it is not a reviewed run of orchestrator-${ENVIRONMENT}.yml with a plan`
    if (plan.commit !== COMMIT) return `it deploys ${plan.commit}`
    if (plan.sha !== context.sha && !await hasSamePipelines(plan.sha)) return `it used the pipelines of ${plan.sha}, which have changed since`
  }

  /**
   * Whether this run has the same pipelines as the commit that the orchestrator has planned with. GitHub
   * starts this run at the head of the branch, which may have moved since.
   * @param {string} sha
   */
  async function hasSamePipelines(sha) {
    const { treeOf } = trees({ read, context })
    const [before, now] = [await treeOf(sha), await treeOf(context.sha)]
    return before && now && pipelineIn(before) === pipelineIn(now)
  }

  /** @param {Tree} tree */
  function pipelineIn(tree) {
    return JSON.stringify([common(tree), workflow(tree, COMPONENT, 'build'), workflow(tree, COMPONENT, 'deploy')])
  }

  /**
   * Sets the outputs, with only the part of the plan that the component needs.
   * @param {import('../deployment-summary/manifest.cjs').Planned} planned
   */
  function setOutputs({ build, deploy, deployKeys, packages, taken }) {
    const used = [COMPONENT, ...Object.keys(taken[COMPONENT] ?? {})].filter(name => Object.hasOwn(packages, name))
    for (const [kind, names] of Object.entries({ build, deploy })) {
      core.setOutput(kind, JSON.stringify(names.filter(name => name === COMPONENT)))
    }
    core.setOutput('plan', JSON.stringify({
      deployKeys: { [COMPONENT]: deployKeys[COMPONENT] },
      packages: Object.fromEntries(used.map(name => [name, packages[name]])),
    }))
  }
}
