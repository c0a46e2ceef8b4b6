// Predicts which jobs of a run start on GitHub, and with which results a run ends, from the results
// that single jobs are given. Reads one JSON request a line, answers each with one line.
//
// GitHub's own packages read the workflows and evaluate the conditions. The rules around them are
// written down here from GitHub's documentation; each says where it stands. Nothing is shared with
// tests/offline_github, whose scheduler is compared with this.

import "../node/packages.mjs";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import readline from "node:readline";

const { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = await import("@actions/workflow-parser");
const { parseAction } = await import("@actions/workflow-parser/actions/action-parser");
const { Lexer, Parser, Evaluator, data } = await import("@actions/expressions");
const { reviver } = await import("@actions/expressions/data/reviver");
const { truthy } = await import("@actions/expressions/result");

// docs.github.com, "Contexts reference", "Context availability": jobs.<job_id>.if. Our summary's
// steps read `needs`, and its action `inputs`.
const CONTEXTS = ["github", "needs", "vars", "inputs"];
const STATUS_FUNCTIONS = ["always", "cancelled", "failure", "success"];

const parsed = new Map(); // the text of a workflow -> its jobs
let count = 0; // of all jobs that were parsed

/** The jobs of a workflow as GitHub's parser sees them, in the order of the file. */
async function jobsOf(files, path) {
  if (!(path in files)) throw new Error(`There is no ${path}`);
  const text = files[path];
  if (!parsed.has(text)) {
    const { context, value } = parseWorkflow({ name: path, content: text }, new NoOperationTraceWriter());
    const { jobs, errors } = await convertWorkflowTemplate(context, value);
    if (errors?.length) throw new Error(errors.map(error => error.Message).join("; "));
    const raw = entries(entries(value).jobs);
    const needs = Object.fromEntries(jobs.map(job => [job.id.value, (job.needs ?? []).map(need => need.value)]));
    parsed.set(
      text,
      jobs.map(job => ({
        number: count++, // a short name for it, in keys of what is known
        id: job.id.value,
        needs: needs[job.id.value],
        ancestors: ancestors(job.id.value, needs),
        // The parser itself puts `success() &&` before a condition without a status function, and
        // `success()` where there is none: "Expressions", "Status check functions": "A default
        // status check of success() is applied unless you include one of these functions."
        if: job.if.expression,
        // Both are this repository's: "Workflow syntax", jobs.<job_id>.uses; `$/` at this commit.
        calls: job.type === "reusableWorkflowJob" ? job.ref.value.replace(/^[.$]\//, "") : null,
        steps: "steps" in entries(raw[job.id.value]) ? [...entries(raw[job.id.value]).steps].map(entries) : [],
      })),
    );
  }
  return parsed.get(text);
}

/** A mapping of GitHub's parser as an object, one level deep. */
function entries(mapping) {
  return Object.fromEntries([...mapping].map(({ key, value }) => [key.value, value]));
}

const trees = new Map(); // expression -> its syntax tree

function evaluate(expression, context, status) {
  if (!trees.has(expression)) {
    const functions = STATUS_FUNCTIONS.map(name => ({ name, minArgs: 0, maxArgs: 0 }));
    trees.set(expression, new Parser(new Lexer(expression).lex().tokens, CONTEXTS, functions).parse());
  }
  const functions = STATUS_FUNCTIONS.map(name => [name, { call: () => new data.BooleanData(status[name]) }]);
  return new Evaluator(trees.get(expression), context, new Map(functions)).evaluate();
}

/** All jobs that a job needs, directly or through others. */
function ancestors(id, needs) {
  const found = new Set(needs[id]);
  for (const other of found) needs[other].forEach(need => found.add(need)); // also visits what it adds
  return [...found];
}

/** Whether the `if` of a job is true. `before`: the results of all ancestors, also of its callers. */
function holds(job, before, done, run) {
  const status = {
    // "Workflow syntax", jobs.<job_id>.needs: "If a run contains a series of jobs that need each
    // other, a failure or skip applies to all jobs in the dependency chain from the point of failure
    // or skip onwards." So success() is about all ancestors; actions/runner#491 is the same answer.
    // "Workflow cancellation reference": no condition is `if: success()`, and cancels the job, so
    // success() is false in a cancelled run.
    success: !run.cancelled && before.every(result => result === "success"),
    // "Expressions", failure(): "If you have a chain of dependent jobs, failure() returns true if any
    // ancestor job fails."
    failure: before.includes("failure"),
    // "Expressions", always(): "returns true, even when canceled".
    always: true,
    // "Expressions", cancelled(): "Returns true if the workflow was canceled." The workflow, not a
    // job before this one.
    cancelled: run.cancelled,
  };
  const known = [job.number, run.place, Object.values(status), ...job.needs.map(id => done[id])].join();
  if (!run.known.has(known)) run.known.set(known, truthy(evaluate(job.if, context(job, done, run), status)));
  return run.known.get(known);
}

/** "Contexts reference", needs: the direct dependencies alone, with result and outputs. A job that was
 * skipped has made none. */
function context(job, done, run) {
  const needs = new data.Dictionary(...job.needs.map(id => ({ key: id, value: ended(done[id], (done[id] !== "skipped" && run.outputs[id]) || NOTHING) })));
  return new data.Dictionary(...run.contexts, { key: "needs", value: needs });
}

const NOTHING = {};
const RESULTS = new WeakMap(); // outputs -> result -> what `needs` says of a job that ended so

function ended(result, outputs) {
  if (!RESULTS.has(outputs)) RESULTS.set(outputs, new Map());
  const known = RESULTS.get(outputs);
  if (!known.has(result)) known.set(result, revived({ result, outputs }));
  return known.get(result);
}

function revived(plain) {
  return JSON.parse(JSON.stringify(plain), reviver);
}

/** Runs jobs one after another, in the order of the file: one of the orders that GitHub may take. */
async function runJobs(files, path, prefix, outer, run) {
  const jobs = await jobsOf(files, path);
  const done = {}; // id -> result
  const waiting = [...jobs];
  while (waiting.length) {
    // "Workflow syntax", jobs.<job_id>.needs: a job waits until all it needs has completed.
    const [job] = waiting.splice(waiting.findIndex(job => job.needs.every(need => need in done)), 1);
    const key = prefix + job.id;
    const before = [...job.ancestors.map(id => done[id]), ...outer];
    if (!holds(job, before, done, run)) {
      // "Workflow syntax", jobs.<job_id>.if; needs.<id>.result is then `skipped`.
      done[job.id] = "skipped";
      run.results[key] = null;
      continue;
    }
    run.results[key] = "running";
    if (run.cancel === key) run.cancelled = true;
    if (job.calls && !(key in run.given)) {
      const results = Object.values(await runJobs(files, job.calls, `${key} / `, before, run));
      // Not documented in one place. A failing job of a called workflow fails the caller's job; a
      // call of which no job ran counts as skipped: a guess, as in tests/offline_github.
      done[job.id] =
        ["failure", "cancelled"].find(worst => results.includes(worst)) ??
        (results.every(result => result === "skipped") ? "skipped" : "success");
    } else if (key in run.given) {
      done[job.id] = run.given[key];
    } else {
      done[job.id] = await runScripts(job, done, run);
    }
    // "Workflow cancellation reference": the `if` of running jobs is evaluated again, and those for
    // which it is false are cancelled.
    if (run.cancel === key && !holds(job, before, done, run)) done[job.id] = "cancelled";
    run.results[key] = done[job.id];
  }
  return done;
}

const AsyncFunction = (async () => {}).constructor;

/** The result of a job whose steps are actions of this repository, made of scripts:
 * actions/github-script, README: "the body of an asynchronous function call"; it fails by
 * core.setFailed or by an exception. */
async function runScripts(job, done, run) {
  const known = ["steps", job.number, run.place, ...job.needs.map(id => done[id])].join();
  if (!run.known.has(known)) run.known.set(known, await runSteps(job, done, run));
  const { result, summary } = run.known.get(known);
  run.summary = summary;
  return result;
}

async function runSteps(job, done, run) {
  const outcome = { result: "success", summary: "" };
  const status = { success: true, failure: false, always: true, cancelled: run.cancelled };
  const needs = context(job, done, run);
  for (const step of job.steps) {
    const folder = `${run.repository}/${step.uses?.value.replace(/^\$\//, "")}`;
    if (step.uses?.value.endsWith("/take-package")) continue; // compares bytes, which are not here
    if (!step.uses?.value.startsWith("$/")) {
      throw new Error(`${job.id} needs a given result: a step of it is no action of this repository`);
    }
    const { inputs, steps } = actionOf(`${folder}/action.yml`);
    const given = { ...inputs, ...texts(step.with, needs, status) };
    const inside = revived({ inputs: given });
    for (const script of steps) {
      if (script.uses?.value.startsWith("actions/upload-artifact@")) continue; // what a script has written
      await runScript(script, folder, { ...texts(script.env, inside, status), RUNNER_TEMP: run.repository }, outcome);
    }
  }
  return outcome;
}

/** The values of a mapping, expressions evaluated. */
function texts(mapping, context, status) {
  const text = value => (value.expression ? evaluate(value.expression, context, status).coerceString() : value.toString());
  return Object.fromEntries([...(mapping ?? [])].map(({ key, value }) => [key.value, text(value)]));
}

const actions = new Map(); // file -> defaults of its inputs, and its steps

function actionOf(file) {
  if (!actions.has(file)) {
    const { context, value } = parseAction({ name: file, content: readFileSync(file, "utf8") }, new NoOperationTraceWriter());
    const errors = context.errors.getErrors();
    if (errors.length) throw new Error(errors.map(error => error.message).join("; "));
    const inputs = Object.entries(entries(entries(value).inputs)).map(([name, input]) => [name, entries(input).default?.value ?? ""]);
    actions.set(file, { inputs: Object.fromEntries(inputs), steps: [...entries(entries(value).runs).steps].map(entries) });
  }
  return actions.get(file);
}

const requires = new Map(); // folder -> the `require` of its scripts

function requireIn(folder) {
  if (!requires.has(folder)) requires.set(folder, createRequire(`${folder}/`));
  return requires.get(folder);
}

/** One step of an action, with what github-script hands to it. */
async function runScript(step, folder, env, outcome) {
  if (!step.uses?.value.startsWith("actions/github-script@")) throw new Error(`a step in ${folder} is no script`);
  const core = {
    info: () => {},
    setFailed: () => (outcome.result = "failure"),
    setOutput: () => {},
    summary: { addRaw: more => ((outcome.summary += more), core.summary), write: async () => core.summary },
  };
  const nothing = { jobs: [], artifacts: [], workflow_runs: [] };
  const github = { request: async () => ({ status: 200, headers: {}, data: nothing }) };
  const payload = { repository: { id: 1, default_branch: "main" } };
  const place = { repo: { owner: "acme", repo: "demo" }, runId: 1, serverUrl: "https://github.com", payload };
  const script = new AsyncFunction("core", "github", "context", "require", entries(step.with).script.value);
  Object.assign(process.env, env, { GITHUB_ACTION_PATH: folder });
  try {
    await script(core, github, place, requireIn(folder));
  } catch (error) {
    outcome.result = "failure";
  }
}

const operations = {
  /** The jobs of one workflow, as GitHub's parser sees them. */
  jobs: async ({ files, path }) =>
    (await jobsOf(files, path)).map(({ id, needs, if: condition, calls }) => ({ id, needs, if: condition, calls })),

  /** For each of `runs` the result of every job that started, and null for those that did not. The
   * actions lie in the folder `repository`. Contexts and outputs are told by their place in `common`. */
  predict: async ({ files, path, runs, common, repository }) => {
    const known = new Map(); // what has been evaluated: thousands of runs differ in a few results
    const contexts = new Map(); // what is the same for all jobs of a run
    const answers = [];
    for (const given of runs) {
      const said = `${given.github} ${given.inputs}`;
      if (!contexts.has(said)) {
        const told = JSON.stringify({ github: common[given.github], inputs: common[given.inputs], vars: {} });
        contexts.set(said, JSON.parse(told, reviver).pairs());
      }
      const place = `${said} ${given.outputs}`;
      const outputs = common[given.outputs];
      const run = { ...given, outputs, repository, known, place, contexts: contexts.get(said), cancelled: false, results: {}, summary: "" };
      await runJobs(files, path, "", [], run);
      answers.push({ results: run.results, headline: run.summary.split("\n")[0] });
    }
    return answers;
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer;
  try {
    const request = JSON.parse(line);
    answer = { value: await operations[request.operation](request) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
