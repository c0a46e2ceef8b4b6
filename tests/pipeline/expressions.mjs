// Evaluates values of a workflow: GitHub's own parser finds the expressions in them, and its own
// evaluator computes them. Reads [[value as YAML text, contexts], ...] as JSON from standard
// input; writes the values, or errors, as JSON.

import "../node/packages.mjs";
import { readFileSync } from "node:fs";

const { parseWorkflow, NoOperationTraceWriter } = await import("@actions/workflow-parser");
const { Lexer, Parser, Evaluator } = await import("@actions/expressions");
const { reviver } = await import("@actions/expressions/data/reviver");

const AROUND = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: x\n        env:\n          VALUE: ";

/** The last value of a mapping that GitHub's parser read. */
const last = mapping => [...mapping].at(-1).value;

function evaluated([value, contexts]) {
  const file = parseWorkflow({ name: "x", content: `${AROUND}${value}\n` }, new NoOperationTraceWriter());
  const errors = file.context.errors.getErrors();
  if (errors.length) return { error: errors.map(error => error.message).join("; ") };
  const [step] = last(last(last(file.value)));
  const token = last(last(step));
  if (!("expression" in token)) return { value: String(token.value) };
  const tree = new Parser(new Lexer(token.expression).lex().tokens, Object.keys(contexts), []).parse();
  const context = JSON.parse(JSON.stringify(contexts), reviver);
  return { value: new Evaluator(tree, context).evaluate().coerceString() };
}

const asked = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(asked.map(evaluated)));
