// Runs the stand-ins of actions, one after the other, in a process that stays warm: starting Node
// and loading the official libraries anew for each step would take ten times as long as the step.
// Reads {cwd, action, env} a line from stdin, writes {code, output} a line to descriptor 3.
import '../node/packages.mjs'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import readline from 'node:readline'

const core = await import('@actions/core')

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

/** The repository's own modules are anew in each step, as in a process of its own. */
const { cache } = createRequire(import.meta.url)
function forgetModules() {
  for (const file of Object.keys(cache)) if (!file.includes('/node_modules/')) delete cache[file]
}

async function run({ cwd, action, env }) {
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
  process.chdir(cwd)
  process.exitCode = 0
  forgetModules()
  core.summary.emptyBuffer()
  core.summary._filePath = undefined // it remembers the file of the step before
  output = ''
  try {
    const module = await import(`./actions/${action.replace('/', '+')}.mjs`)
    await module.default()
  } catch (error) {
    if (!(error instanceof Exit)) fail(error)
  }
  return { code: process.exitCode, output }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const answer = await run(JSON.parse(line))
  fs.writeSync(3, `${JSON.stringify(answer)}\n`)
}
