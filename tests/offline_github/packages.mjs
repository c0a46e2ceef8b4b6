// Lets the modules of this folder import the npm packages that lie in `tests/node`: Node looks for
// packages beside the importing file only. Import this file first, the packages dynamically.
import { registerHooks } from 'node:module'

const packages = new URL('../node/package.json', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const bare = !/^(node:|file:|\.|\/)/.test(specifier)
    const ours = context.parentURL?.startsWith(new URL('.', import.meta.url).href)
    return next(specifier, bare && ours ? { ...context, parentURL: packages } : context)
  },
})
