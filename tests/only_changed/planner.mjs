// The modules that plan, in one process: a line of JSON asks, and a line answers.
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const [folder] = process.argv.slice(2)
const { ownerIn } = require(`${folder}/contents.cjs`)
const modules = { owns: ({ component, environment, paths }) => paths.filter(path => ownerIn(component, [environment])(path)) }
Object.assign(modules, require(`${folder}/plan.cjs`))
const { remember, overtaken } = require(`${folder}/remember.cjs`)
Object.assign(modules, { remember, overtaken: ({ memory, attempts }) => overtaken(memory, attempts) })

for await (const line of createInterface({ input: process.stdin })) {
  const { name, given } = JSON.parse(line)
  let answer
  try {
    answer = { value: modules[name](given) }
  } catch (error) {
    answer = { error: error.stack }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
