// Lets the modules of the tests import the npm packages that lie beside this file: Node looks for
// packages beside the importing file only. Import this file first, the packages dynamically.

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";

const packages = new URL("package.json", import.meta.url).href;
const tests = new URL("..", import.meta.url).href;
const installed = new URL("node_modules/", import.meta.url).href;

registerHooks({
  resolve(name, context, next) {
    const bare = !/^(node:|file:|[./])/.test(name);
    const parent = context.parentURL ?? "";
    const ours = parent.startsWith(tests) && !parent.startsWith(installed);
    return next(name, bare && ours ? { ...context, parentURL: packages } : context);
  },
  // GitHub's packages are written for bundlers: they import .json without saying so. (`require`
  // of .json is fine, and must stay what it is.)
  load(url, context, next) {
    const silently = context.conditions.includes("import") && !context.importAttributes?.type;
    if (!url.endsWith(".json") || !silently) return next(url, context);
    const source = `export default ${readFileSync(new URL(url), "utf8")}`;
    return { format: "module", shortCircuit: true, source };
  },
});
