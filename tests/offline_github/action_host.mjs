// Runs the stand-ins of actions, one after the other, in a process that stays warm: starting Node
// and loading the official libraries anew for each step would take ten times as long as the step.
// Reads {cwd, action, inputs, env} a line from stdin, writes {code, output} a line to descriptor 3.
import '../node/packages.mjs'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import readline from 'node:readline'

const core = await import('@actions/core')
const NO_OP = './actions/no-op.mjs'

let output = ''
const capture = (chunk, encoding, done) => {
  output += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
  const callback = typeof encoding === 'function' ? encoding : done
  callback?.()
  return true
}
process.stdout.write = capture
process.stderr.write = capture

function fail(error) {
  core.setFailed(error instanceof Error ? error.message : String(error))
}

// Real actions fail on an unhandled rejection.
process.on('unhandledRejection', (error) => fail(`Unhandled error: ${error}`))

class Exit extends Error {}
process.exit = (code) => {
  process.exitCode = code ?? process.exitCode ?? 0
  throw new Exit('process.exit')
}

const variable = (name) => `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`

/** What the step does not give itself, act has from the composite action around it. */
function keepGiven() {
  const given = new Set(JSON.parse(process.env.OFFLINE_GITHUB_INPUTS).map(variable))
  delete process.env.OFFLINE_GITHUB_INPUTS
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('INPUT_') && !given.has(name)) delete process.env[name]
  }
}

/** GitHub only warns of an input that an action does not have; a test must not overlook it. */
function checkInputs(action, declared) {
  const known = new Set(Object.keys(declared).map(variable))
  const unknown = Object.keys(process.env).filter((name) => name.startsWith('INPUT_') && !known.has(name))
  if (unknown.length) {
    throw new Error(`Unexpected input(s) ${unknown.map((n) => `'${n.slice(6).toLowerCase()}'`)} for ${action}`)
  }
  for (const [name, required] of Object.entries(declared)) {
    if (required && !process.env[variable(name)]) throw new Error(`Input required and not supplied: ${name}`)
  }
}

/** The repository's own modules are anew in each step, as in a process of its own. */
const { cache } = createRequire(import.meta.url)
function forgetModules() {
  for (const file of Object.keys(cache)) if (!file.includes('/node_modules/')) delete cache[file]
}

async function run({ cwd, action, inputs, env }) {
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
  process.chdir(cwd)
  process.exitCode = 0
  forgetModules()
  core.summary.emptyBuffer()
  core.summary._filePath = undefined // it remembers the file of the step before
  output = ''
  try {
    keepGiven()
    checkInputs(action, inputs)
    const file = new URL(`./actions/${action.replace('/', '+')}.mjs`, import.meta.url)
    const module = await import(fs.existsSync(file) ? file.href : NO_OP)
    await module.default({ action })
  } catch (error) {
    if (!(error instanceof Exit)) fail(error)
  }
  return { code: process.exitCode, output }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const answer = await run(JSON.parse(line))
  fs.writeSync(3, `${JSON.stringify(answer)}\n`)
}
