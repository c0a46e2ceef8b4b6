// Validates workflows with GitHub's own language service. Standard input is a JSON object
// {file: text}, standard output a JSON array of {file, line, rule, message}.

import "../node/packages.mjs";
import { json } from "node:stream/consumers";

const { registerLogger, validate } = await import("@actions/languageservice");

const files = await json(process.stdin);
const found = new Map(); // file -> its diagnostics
const callees = new Map(); // file -> the files it calls
let file;

// An exception inside the service is only logged, and the file then passes as valid.
registerLogger({
  log: () => {},
  info: () => {},
  warn: () => {},
  error: message => found.get(file).push({ line: 0, rule: "crash", message }),
});

const fileProvider = {
  async getFileContent({ path, repository }) {
    if (repository || !(path in files)) throw new Error(`There is no ${path}`);
    callees.get(file).add(path);
    return { name: path, content: files[path] };
  },
};

for (file of Object.keys(files)) {
  found.set(file, []);
  callees.set(file, new Set());
  const document = { uri: `file:///${file}`, getText: () => files[file] };
  for (const { range, severity, code, message } of await validate(document, { fileProvider })) {
    const rule = code ?? (severity === 2 ? "warning" : "error");
    found.get(file).push({ line: range.start.line + 1, rule, message });
  }
}

// Errors of a called file are also reported for its callers, with the called file's line numbers.
const same = a => b => a.line === b.line && a.message === b.message;
const own = ([file, diagnostics]) =>
  diagnostics
    .filter(d => ![...callees.get(file)].some(callee => callee !== file && found.get(callee).some(same(d))))
    .map(d => ({ file, ...d }));

process.stdout.write(JSON.stringify([...found].flatMap(own)));
