// @ts-check

/** @param {{core: any}} tools */
module.exports = ({ core }) => {
  const { NEEDS = '' } = process.env
  /** @type {Record<string, {result: string}>} */
  const needs = JSON.parse(NEEDS)
  // A job that was skipped or cancelled has checked nothing.
  const others = Object.entries(needs).filter(([, { result }]) => result !== 'success')
  if (others.length) {
    const named = others.map(([id, { result }]) => `${id} (${result})`).join(', ')
    core.setFailed(`Not all jobs have succeeded, see their logs: ${named}`)
  }
}
