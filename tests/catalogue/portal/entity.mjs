// Backstage's own validators of an entity, and its form: asked with {template, forms}, a line of
// JSON; answers what is wrong with the entity, and of each form, page by page, what it holds after
// rjsf has filled it in, what is wrong with that, and the page as HTML.
// Run in a folder that has the packages: see package.json beside this file.
import { createRequire } from 'node:module'
import readline from 'node:readline'

const require = createRequire(`${process.cwd()}/package.json`)
const { SchemaValidEntityPolicy, FieldFormatEntityPolicy, NoForeignRootFieldsEntityPolicy } = require('@backstage/catalog-model')
const { templateEntityV1beta3Validator } = require('@backstage/plugin-scaffolder-common')
const { createElement } = require('react')
const { renderToStaticMarkup } = require('react-dom/server')
const { default: Form } = require('@rjsf/core')
const { getDefaultFormState } = require('@rjsf/utils')
const { default: validator } = require('@rjsf/validator-ajv8')

async function wrong(entity) {
  const found = []
  for (const Policy of [SchemaValidEntityPolicy, FieldFormatEntityPolicy, NoForeignRootFieldsEntityPolicy]) {
    await new Policy().enforce(entity).catch((error) => found.push(`${Policy.name}: ${error.message}`))
  }
  await templateEntityV1beta3Validator.check(entity).then(
    (fits) => fits || found.push('is no template'),
    (error) => found.push(error.message),
  )
  return found
}

/** As Backstage does it: what begins with `ui:` is no part of the schema. */
function uiOf(schema) {
  const ui = {}
  for (const [name, value] of Object.entries(schema ?? {})) {
    if (name.startsWith('ui:')) ui[name] = value
  }
  for (const [name, field] of Object.entries(schema.properties ?? {})) ui[name] = uiOf(field)
  if (schema.items) ui.items = uiOf(schema.items)
  for (const { oneOf } of Object.values(schema.dependencies ?? {})) {
    for (const way of oneOf) {
      for (const [name, field] of Object.entries(way.properties)) Object.assign((ui[name] ??= {}), uiOf(field))
    }
  }
  return ui
}

function page(parameters, data) {
  const schema = { type: 'object', ...parameters }
  const formData = getDefaultFormState(validator, schema, data, schema, false, { allOf: 'populateDefaults' })
  const { errors } = validator.validateFormData(formData, schema)
  const html = renderToStaticMarkup(createElement(Form, { schema, uiSchema: uiOf(schema), validator, formData }))
  return { formData, errors: errors.map((error) => error.stack), html }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { template, forms } = JSON.parse(line)
  const pages = forms.map((data) => template.spec.parameters.map((parameters) => page(parameters, data)))
  console.log(JSON.stringify({ wrong: await wrong(template), pages }))
}
