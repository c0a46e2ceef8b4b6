// Backstage's backend with the catalogue and the scaffolder, and nothing of its own. Run in a folder
// that has the packages, with `--config FILE`.
import { createRequire } from 'node:module'

const require = createRequire(`${process.cwd()}/package.json`)
const { createBackend } = require('@backstage/backend-defaults')

const backend = createBackend()
for (const name of [
  '@backstage/plugin-catalog-backend',
  '@backstage/plugin-catalog-backend-module-scaffolder-entity-model',
  '@backstage/plugin-scaffolder-backend',
  '@backstage/plugin-scaffolder-backend-module-github',
]) {
  backend.add(Promise.resolve({ default: require(name).default }))
}
await backend.start()
