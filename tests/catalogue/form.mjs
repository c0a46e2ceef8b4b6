// Does with a form's data what Backstage does. Each line of JSON has a template entity and data. The
// script checks the data page by page, with the JSON-schema library of Backstage's forms. Then it
// renders the inputs of the steps as the scaffolder does: with nunjucks and the scaffolder's own marks.
// A value that is a single expression keeps its type.
import '../node/packages.mjs'
import readline from 'node:readline'

const { default: Ajv } = await import('ajv8')
const { default: nunjucks } = await import('nunjucks')

const tags = { variableStart: '${{', variableEnd: '}}' }
const environment = nunjucks.configure({ autoescape: false, tags })
// The settings are those of @rjsf/validator-ajv8.
const ajv = new Ajv({ allErrors: true, multipleOfPrecision: 8, strict: false, verbose: true, discriminator: false })

function isOneExpression(text) {
  const { children } = nunjucks.parser.parse(text, [], { autoescape: false, tags })
  return children.length === 1 && !(children[0]?.children?.[0] instanceof nunjucks.nodes.TemplateData)
}

function render(value, context) {
  if (Array.isArray(value)) return value.map((each) => render(each, context))
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, render(each, context)]))
  }
  if (typeof value !== 'string') return value
  if (isOneExpression(value)) {
    const dumped = value.replace(/\${{\s*(.+)\s*}}/g, '${{ ( $1 ) | dump }}')
    const text = environment.renderString(dumped, context)
    return text === '' ? undefined : JSON.parse(text)
  }
  const text = environment.renderString(value, context)
  return text === '' ? undefined : text
}

function errors(pages, data) {
  return pages.flatMap((page) => {
    const valid = ajv.compile({ type: 'object', ...page })
    return valid(data) ? [] : valid.errors.map((error) => `${page.title}: ${error.instancePath} ${error.message}`)
  })
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { template, data } = JSON.parse(line)
  const inputs = template.spec.steps.map((step) => render(step.input, { parameters: data }))
  console.log(JSON.stringify([{ errors: errors(template.spec.parameters, data), inputs }]))
}
