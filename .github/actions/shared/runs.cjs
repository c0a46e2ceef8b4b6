// @ts-check
// Tells which runs were let deploy to an environment, and which one has overtaken another.
const { titled } = require('./commits.cjs')

/**
 * @typedef {{id: number, html_url: string, status: string, conclusion: string | null, display_title: string, event: string,
 *   head_branch: string, head_sha: string, path: string, created_at: string, actor?: {login: string} | null,
 *   head_repository?: {id: number} | null}} Run
 * @typedef {{name: string, status: string, conclusion: string | null, steps?: {name: string, conclusion: string | null}[]}} Job
 */

const BOT = 'github-actions[bot]' // starts what a workflow starts
const MAY_DEPLOY = 'Check that it may be deployed' // the first step of each deployment
const STARTS = /^Start [\w.-]+ and wait for it$/ // an orchestrator's, where each component has a run of its own
const WATCHES = 'Watch until all have ended' // where the components start by themselves
const PLANS = 'See what changed' // a step of the first job
const BUILD = /(^|-)build \/ /

/**
 * The id of the run that decides how old a deployment is: that of its orchestrator, if one started it.
 * @param {number} id
 * @param {string | undefined} actor who started it: what a person types says nothing
 * @param {string | number | undefined} orchestrator
 */
const ageOf = (id, actor, orchestrator) => actor === BOT ? Math.min(id, Number(orchestrator) || id) : id

/**
 * The run, and its attempt, that a title names as what has started it. The attempt is typed as text, so
 * nothing else may stand before what it says.
 * @param {string} title
 */
const starterIn = title => title.match(/^Deploy [0-9a-f]{40} to [\w-]+, [\w-]+ of run (\d+), attempt (\d+)$/)?.slice(1).map(Number) ?? []

/** @param {Run} run */
const ageOfRun = ({ id, actor, display_title }) => ageOf(id, actor?.login, starterIn(display_title)[0])

/**
 * Whether a job deploys. One that waits, or was refused, does not. Without steps, it may just have begun.
 * @param {Job} job
 */
function deploys({ name, status, conclusion, steps = [] }) {
  if (!steps.length) return name.includes(' / ') && !BUILD.test(name) && (status === 'in_progress' || conclusion === 'success')
  return steps.some(step => STARTS.test(step.name) || (step.name === MAY_DEPLOY && step.conclusion === 'success'))
}

/**
 * Whether a job of ours has built or deployed something, in its own run or in one that it has waited
 * for. A person may have added jobs, also such that call a workflow.
 * @param {Job} job
 */
const works = job => job.conclusion === 'success' &&
  (BUILD.test(job.name) || deploys(job) || (job.steps ?? []).some(step => step.name === WATCHES))

/**
 * @param {{pages: any, context: any, commits: ReturnType<typeof import('./commits.cjs').of>}} tools
 */
function of({ pages, context, commits }) {
  /**
   * The runs of a workflow, the newest first. Lists that GitHub filters lag behind others.
   * @param {string} file
   * @param {Record<string, string>} [filter]
   * @returns {AsyncGenerator<Run>}
   */
  async function* ofFile(file, filter) {
    try {
      yield* pages('GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs', { ...context.repo, workflow_id: file, ...filter }, 'workflow_runs')
    } catch (/** @type {any} */ error) {
      if (error.status !== 404) throw error // 404: the workflow has never run
    }
  }

  /**
   * What became of a run, in all of its attempts: whether it was let deploy (a person has approved
   * it, it has begun to, or it has found that nothing has changed), whether it asked a person, whether
   * a job was left out, whether anything of ours has succeeded, and whether it has planned.
   * @param {Run} run
   */
  async function fateOf(run) {
    const fate = { letIn: false, asked: false, skipped: false, worked: false, planned: false }
    const jobs = pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', { ...context.repo, run_id: run.id, filter: 'all' }, 'jobs')
    for await (const job of jobs) {
      const isApproval = job.name === 'approval'
      fate.letIn ||= isApproval ? job.conclusion === 'success' : deploys(job)
      fate.asked ||= isApproval && job.conclusion !== 'skipped'
      fate.skipped ||= job.conclusion === 'skipped'
      fate.worked ||= works(job)
      fate.planned ||= (job.steps ?? []).some((/** @type {any} */ step) => step.name === PLANS && step.conclusion === 'success')
    }
    fate.letIn ||= fate.planned && run.conclusion === 'success'
    return fate
  }

  /**
   * The run that makes a deployment too old. Once a newer run was let deploy, older ones deploy
   * nothing more; and no event brings an older commit over a newer one. Tags follow one another, so
   * there only the order of commits counts.
   * @param {{files: string[], commit: string, age?: number, byHand?: boolean, isRival?: (run: Run, asked: boolean) => boolean}} deployment
   *   `isRival` says which run of a newer commit that an event has started counts before it is let in
   */
  async function overtaking({ files, commit, age = context.runId, byHand = false, isRival = () => false }) {
    const ahead = await commits.ahead(commit)
    for (const file of files) {
      for await (const run of ofFile(file)) {
        if (run.id <= age && (byHand || !ahead.commits.size || run.created_at < ahead.since)) break
        const isLater = ageOfRun(run) > age
        const isAhead = ahead.commits.has(titled(run.display_title) ?? '') && (isLater || !byHand)
        if (run.id === context.runId || !(isAhead || (isLater && !commits.isTag))) continue
        if (run.conclusion === 'skipped' || !await commits.reviewed(run)) continue
        const { letIn, asked } = await fateOf(run)
        const counts = isAhead && !commits.isTag && run.event !== 'workflow_dispatch'
        if (letIn || (counts && isRival(run, asked))) return run
      }
    }
  }

  return { ofFile, fateOf, overtaking }
}

module.exports = { BOT, MAY_DEPLOY, STARTS, ageOf, ageOfRun, starterIn, of }
