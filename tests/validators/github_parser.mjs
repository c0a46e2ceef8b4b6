// Validates workflows with GitHub's own language service. Each line of standard input is a JSON
// object {files: {file: text}, validate: [file]}, each of standard output a JSON array of
// {file, line, rule, message}.

import "../node/packages.mjs";
import readline from "node:readline";

const { registerLogger, validate } = await import("@actions/languageservice");
// The service caches files by name, for an editor. Here, the next question has other files.
const cache = "../node/node_modules/@actions/languageservice/dist/utils/workflow-cache.js";
const { clearCache } = await import(new URL(cache, import.meta.url));

let found; // file -> its diagnostics
let callees; // file -> the files it calls
let file;

// An exception inside the service is only logged, and the file then passes as valid.
registerLogger({
  log: () => {},
  info: () => {},
  warn: () => {},
  error: message => found.get(file).push({ line: 0, rule: "crash", message }),
});

async function check(files, wanted) {
  clearCache();
  found = new Map();
  callees = new Map();
  const fileProvider = {
    async getFileContent({ path, repository }) {
      if (repository || !(path in files)) throw new Error(`There is no ${path}`);
      callees.get(file).add(path);
      return { name: path, content: files[path] };
    },
  };
  const waiting = [...wanted];
  while (waiting.length) {
    file = waiting.shift();
    if (found.has(file)) continue;
    found.set(file, []);
    callees.set(file, new Set());
    const document = { uri: `file:///${file}`, getText: () => files[file] };
    for (const { range, severity, code, message } of await validate(document, { fileProvider })) {
      const rule = code ?? (severity === 2 ? "warning" : "error");
      found.get(file).push({ line: range.start.line + 1, rule, message });
    }
    // A diagnostic of a caller may belong to a called file.
    if (found.get(file).length) waiting.push(...callees.get(file));
  }

  // Errors of a called file are also reported for its callers, with the called file's line numbers.
  const same = a => b => a.line === b.line && a.message === b.message;
  const own = ([file, diagnostics]) =>
    diagnostics
      .filter(d => ![...callees.get(file)].some(callee => callee !== file && found.get(callee).some(same(d))))
      .map(d => ({ file, ...d }));
  return wanted.map(file => [file, found.get(file)]).flatMap(own);
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { files, validate: wanted } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await check(files, wanted))}\n`);
}
