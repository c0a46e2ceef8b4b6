// @ts-check
// Finds the run that makes this one, which an event has started, too old to deploy.
const { titled } = require('../lib/commits.cjs')

const LOOKED_AT = 50 // runs: so many that nobody has approved may stand before the last approved one

/**
 * @param {{context: any, runs: ReturnType<typeof import('../lib/runs.cjs').of>, file: string, commit: string,
 *   isBefore: (older: string, newer: string) => Promise<boolean>}} candidate
 * @returns {Promise<import('../lib/runs.cjs').Run | undefined>}
 */
module.exports = async ({ context, runs, file, commit, isBefore }) => {
  let looked = 0
  for await (const run of runs.ofFile(file)) {
    if (run.id === context.runId || run.conclusion === 'skipped') continue
    if (++looked > LOOKED_AT) return
    const isNewer = run.id > context.runId
    const its = titled(run.display_title)
    const waits = isNewer && run.status !== 'completed' && run.event !== 'workflow_dispatch'
    const letIn = await runs.wasLetIn(run)
    if (letIn && isNewer) return run // this is an old run, once more
    if ((letIn || waits) && its && its !== commit && await isBefore(commit, its)) return run
    // What was deployed before that is older still.
    if (letIn) return
  }
}
