// @ts-check

/** @param {{core: any}} tools */
module.exports = ({ core }) => {
  const { NEEDS = '' } = process.env
  /** @type {Record<string, {result: string, outputs?: {build?: string}}>} */
  const needs = JSON.parse(NEEDS)
  /** @type {string[] | undefined} */
  const planned = needs.changes?.outputs?.build ? JSON.parse(needs.changes.outputs.build) : undefined
  /** @param {string} id */
  const isLeftOut = id => id.endsWith('-plan') || (planned && id.endsWith('-build') && !planned.includes(id.slice(0, -'-build'.length)))
  // A skipped or cancelled job has checked nothing. Only a build that the plan leaves out may be skipped, and a
  // job that shows a plan: a fork gets no identity for it.
  const others = Object.entries(needs).filter(([id, { result }]) => result !== 'success' && !(result === 'skipped' && isLeftOut(id)))
  if (others.length) {
    const named = others.map(([id, { result }]) => `${id} (${result})`).join(', ')
    core.setFailed(`Not all jobs have succeeded, see their logs: ${named}`)
  }
}
