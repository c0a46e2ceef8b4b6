// @ts-check
const { environmentOf } = require('../shared/manifests.cjs')
const { lookUp } = require('../what-changed/components.cjs')
const { overtaken } = require('../what-changed/remember.cjs')

/** @param {{github: any, context: any, core: any}} tools */
module.exports = async ({ github, context, core }) => {
  const { COMPONENTS = '', ENVIRONMENT = '', REFS = '' } = process.env
  const { manifests } = environmentOf({ github, context, core, refs: REFS })

  const manifest = await manifests.newestManifest(ENVIRONMENT)
  const attempts = manifest ? await manifests.attemptsSince(ENVIRONMENT, manifest.planned, run => run !== manifest.run) : []
  const now = manifest && overtaken(manifest, attempts)
  /** @type {Record<string, {commit: string, plan: {packages: Record<string, unknown>}}>} */
  const deployed = {}
  for (const name of COMPONENTS.split(' ')) {
    const entry = now && lookUp(now.components, name)
    if (entry?.kind !== 'deployed' || entry.state !== 'success') {
      core.notice(`Nobody knows what is deployed of ${name} to ${ENVIRONMENT}, so its drift is not looked at: ` +
        `start orchestrator-${ENVIRONMENT}.yml, or look at its last run`)
      continue
    }
    const packages = { ...entry.takes, ...entry.package ? { [name]: entry.package } : {} }
    const expired = Object.keys(packages).filter(one => Date.parse(packages[one].expires) < Date.now())
    if (expired.length) {
      core.notice(`The drift of ${name} in ${ENVIRONMENT} is not looked at, because the package of ${expired.join(', ')} has expired: ` +
        `deploy ${name} again, and give ${ENVIRONMENT} more retention_days`)
      continue
    }
    deployed[name] = { commit: entry.commit, plan: { packages } }
  }
  core.setOutput('deployed', JSON.stringify(deployed))
}
