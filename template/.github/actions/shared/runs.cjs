// @ts-check
// Finds out which runs were allowed to deploy to an environment, and which one is newer than another.
const { commitInTitle } = require('./commits.cjs')

/**
 * @typedef {{id: number, html_url: string, status: string, conclusion: string | null, display_title: string, event: string,
 *   head_branch: string, head_sha: string, path: string, created_at: string, actor?: {login: string} | null,
 *   head_repository?: {id: number} | null}} Run
 * @typedef {{name: string, status: string, conclusion: string | null, steps?: {name: string, conclusion: string | null}[]}} Job
 */

const BOT = 'github-actions[bot]' // the actor of a run that a workflow has started
const MAY_DEPLOY_STEP = 'Check that it may be deployed' // the first step of each deployment
const START_STEP = /^Start [\w.-]+ and wait for it$/ // the step in which an orchestrator starts the run of a component
const WATCH_STEP = 'Watch until all have ended' // a step of an orchestrator whose components start by themselves
const PLAN_STEP = 'See what changed' // a step of the first job
const BUILD_JOB = /(^|-)build \/ /

/**
 * The id of the run that a deployment began with: the orchestrator's, if one has started this run. The
 * order of these ids is the order of deployments.
 * @param {number} id
 * @param {string | undefined} actor who started the run: an id that a person has typed is ignored
 * @param {string | number | undefined} orchestrator
 */
const rootRunId = (id, actor, orchestrator) => actor === BOT ? Math.min(id, Number(orchestrator) || id) : id

/**
 * The run that has started this one, and the attempt of that run, as the title says. A person can type
 * any text as the attempt, so the whole title has to match.
 * @param {string} title
 */
const starterInTitle = title => title.match(/^Deploy [0-9a-f]{40} to [\w-]+, [\w-]+ of run (\d+), attempt (\d+)$/)?.slice(1).map(Number) ?? []

/** @param {Run} run */
const rootRunIdOf = ({ id, actor, display_title }) => rootRunId(id, actor?.login, starterInTitle(display_title)[0])

/**
 * Whether a job deploys or has deployed. A job that waits or was refused does not. A job without steps
 * may have just begun.
 * @param {Job} job
 */
function deploys({ name, status, conclusion, steps = [] }) {
  if (!steps.length) return name.includes(' / ') && !BUILD_JOB.test(name) && (status === 'in_progress' || conclusion === 'success')
  return steps.some(step => START_STEP.test(step.name) || (step.name === MAY_DEPLOY_STEP && step.conclusion === 'success'))
}

/**
 * Whether a generated job has built or deployed something, in its own run or in a run that it has
 * waited for. People may have added other jobs, and these may call workflows, too.
 * @param {Job} job
 */
const hasWorked = job => job.conclusion === 'success' &&
  (BUILD_JOB.test(job.name) || deploys(job) || (job.steps ?? []).some(step => step.name === WATCH_STEP))

/**
 * What can be asked about the runs that deploy to an environment.
 * @param {{pages: any, context: any, commits: ReturnType<typeof import('./commits.cjs').environmentCommits>}} tools
 */
function environmentRuns({ pages, context, commits }) {
  /**
   * The runs of a workflow, the newest first. GitHub updates a filtered list later than a full one.
   * @param {string} file
   * @param {Record<string, string>} [filter]
   * @returns {AsyncGenerator<Run>}
   */
  async function* ofWorkflow(file, filter) {
    try {
      yield* pages('GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs', { ...context.repo, workflow_id: file, ...filter }, 'workflow_runs')
    } catch (/** @type {any} */ error) {
      if (error.status !== 404) throw error // 404: the workflow has never run
    }
  }

  /**
   * What a run has done, in all of its attempts. `allowed`: it was allowed to deploy (a person has approved
   * it, it has begun to deploy, or it has found nothing to deploy); `skipped`: one of its jobs was skipped;
   * `worked`: it has built or deployed something; `planned`: it has decided what to deploy.
   * @param {Run} run
   */
  async function progressOf(run) {
    const progress = { allowed: false, askedForApproval: false, skipped: false, worked: false, planned: false }
    const jobs = pages('GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs', { ...context.repo, run_id: run.id, filter: 'all' }, 'jobs')
    for await (const job of jobs) {
      const isApproval = job.name === 'approval'
      progress.allowed ||= isApproval ? job.conclusion === 'success' : deploys(job)
      progress.askedForApproval ||= isApproval && job.conclusion !== 'skipped'
      progress.skipped ||= job.conclusion === 'skipped'
      progress.worked ||= hasWorked(job)
      progress.planned ||= (job.steps ?? []).some((/** @type {any} */ step) => step.name === PLAN_STEP && step.conclusion === 'success')
    }
    progress.allowed ||= progress.planned && run.conclusion === 'success'
    return progress
  }

  /**
   * The newer run because of which a deployment is refused. Once a newer run was allowed to deploy, older
   * runs deploy nothing more. No event deploys an older commit over a newer one. If tags start the
   * environment, only the order of commits counts, and not the order of runs.
   * @param {{files: string[], commit: string, root?: number, byHand?: boolean, alsoCounts?: (run: Run, asked: boolean) => boolean}} deployment
   *   `alsoCounts`: whether a run counts that has a newer commit, was started by an event, and was not yet allowed to deploy
   */
  async function findNewer({ files, commit, root = context.runId, byHand = false, alsoCounts = () => false }) {
    const newer = await commits.newerThan(commit)
    for (const file of files) {
      for await (const run of ofWorkflow(file)) {
        if (run.id <= root && (byHand || !newer.commits.size || run.created_at < newer.since)) break
        const isLater = rootRunIdOf(run) > root
        const isAhead = newer.commits.has(commitInTitle(run.display_title) ?? '') && (isLater || !byHand)
        if (run.id === context.runId || !(isAhead || (isLater && !commits.isTag))) continue
        if (run.conclusion === 'skipped' || !await commits.isReviewed(run)) continue
        const { allowed, askedForApproval } = await progressOf(run)
        const counts = isAhead && !commits.isTag && run.event !== 'workflow_dispatch'
        if (allowed || (counts && alsoCounts(run, askedForApproval))) return run
      }
    }
  }

  return { ofWorkflow, progressOf, findNewer }
}

module.exports = { BOT, MAY_DEPLOY_STEP, PLAN_STEP, START_STEP, rootRunId, rootRunIdOf, starterInTitle, environmentRuns }
