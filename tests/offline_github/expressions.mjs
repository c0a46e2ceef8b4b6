// Evaluates GitHub expressions with GitHub's own library. Reads one JSON request a line and
// answers each with one line: {"value": ...} or {"error": "..."}.
import '../node/packages.mjs'
import readline from 'node:readline'

const { Lexer, Parser, Evaluator, data } = await import('@actions/expressions')
const { TokenType } = await import('@actions/expressions/lexer')
const { reviver } = await import('@actions/expressions/data/reviver')
const { replacer } = await import('@actions/expressions/data/replacer')

const STATUS_FUNCTIONS = ['always', 'cancelled', 'failure', 'success']

/** The pieces of a string: literal text, and the expressions in `${{ }}` with their bounds. */
function* pieces(text) {
  let position = 0
  for (;;) {
    const open = text.indexOf('${{', position)
    if (open < 0) break
    let end = open + 3
    let quoted = false // '}}' inside a string does not end the expression
    while (end < text.length && (quoted || !text.startsWith('}}', end))) {
      if (text[end] === "'") quoted = !quoted
      end += 1
    }
    if (end >= text.length) throw new Error(`unterminated expression: ${text.slice(open)}`)
    yield { text: text.slice(position, open) }
    yield { expression: text.slice(open + 3, end) }
    position = end + 2
  }
  yield { text: text.slice(position) }
}

function evaluateExpression(expression, context, status) {
  const functions = STATUS_FUNCTIONS.filter(() => status).map((name) => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(name === 'always' || status[name]),
  }))
  const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(context), functions).parse()
  const dictionary = JSON.parse(JSON.stringify(context), reviver)
  return new Evaluator(tree, dictionary, new Map(functions.map((f) => [f.name, f]))).evaluate()
}

const plain = (value) => JSON.parse(JSON.stringify(value, replacer))

/** A string that is one expression keeps the expression's type; otherwise the parts are joined. */
function evaluateText(text, context) {
  const parts = [...pieces(text)].filter((part) => part.expression !== undefined || part.text)
  if (parts.length === 1 && parts[0].expression !== undefined) {
    return plain(evaluateExpression(parts[0].expression, context))
  }
  return parts
    .map((part) => part.text ?? evaluateExpression(part.expression, context).coerceString())
    .join('')
}

function mapStrings(value, change) {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, mapStrings(v, change)]))
}

/** The expression of an `if`, which may be written with or without `${{ }}`. */
function bareExpression(condition) {
  const parts = [...pieces(condition)].filter((part) => part.expression !== undefined || part.text)
  if (parts.length < 2) return parts[0]?.expression ?? condition
  // Text around `${{ }}` makes the condition a string, which is true unless it is empty.
  const format = parts.map((p, i) => (p.text !== undefined ? p.text.replace(/[{}]/g, '$&$&') : `{${i}}`))
  return `format('${format.join('').replaceAll("'", "''")}', ${parts.map((p) => p.expression ?? "''").join(', ')})`
}

const usesStatus = (tokens) =>
  tokens.some(
    (token, i) =>
      token.type === TokenType.IDENTIFIER &&
      STATUS_FUNCTIONS.includes(token.lexeme.toLowerCase()) &&
      tokens[i + 1]?.type === TokenType.LEFT_PAREN,
  )

/** Whether a job starts: without a status function GitHub puts `success() &&` before the `if`. */
function condition(text, context, status) {
  const expression = bareExpression(text)
  if (!expression.trim()) return status.success
  const implicit = !usesStatus(new Lexer(expression).lex().tokens)
  const whole = implicit ? `success() && (${expression})` : expression
  const value = evaluateExpression(`!!(${whole})`, context, status)
  return plain(value)
}

/** Replaces contexts (`needs`) and single properties (`github.workflow_ref`) by their values.
 *
 * A value of {__expression: text} is put in as it is. */
function substituteExpression(expression, literals) {
  const { tokens } = new Lexer(expression).lex()
  const lines = expression.split('\n')
  const lineStarts = [0]
  for (const line of lines) lineStarts.push(lineStarts.at(-1) + line.length + 1)
  const offset = (position) => lineStarts[position.line] + position.column
  const quote = (value) => value?.__expression ?? `fromJSON('${JSON.stringify(value).replaceAll("'", "''")}')`
  let result = ''
  let copied = 0
  for (let i = 0; i < tokens.length; i += 1) {
    const token = tokens[i]
    if (token.type !== TokenType.IDENTIFIER || tokens[i - 1]?.type === TokenType.DOT) continue
    if (tokens[i + 1]?.type === TokenType.LEFT_PAREN) continue
    const name = token.lexeme.toLowerCase()
    const property = tokens[i + 1]?.type === TokenType.DOT ? tokens[i + 2]?.lexeme?.toLowerCase() : ''
    const [key, last] = `${name}.${property}` in literals ? [`${name}.${property}`, tokens[i + 2]] : [name, token]
    if (!(key in literals)) continue
    result += expression.slice(copied, offset(token.range.start)) + quote(literals[key])
    copied = offset(last.range.end)
  }
  return result + expression.slice(copied)
}

const substituteText = (text, literals) =>
  [...pieces(text)]
    .map((p) => p.text ?? '${{' + substituteExpression(p.expression, literals) + '}}')
    .join('')

/** An expression whose status functions are replaced by what `status` says of each. */
function withStatus(expression, status) {
  const { tokens } = new Lexer(expression).lex()
  const lineStarts = [0]
  for (const line of expression.split('\n')) lineStarts.push(lineStarts.at(-1) + line.length + 1)
  const offset = (position) => lineStarts[position.line] + position.column
  let result = ''
  let copied = 0
  tokens.forEach((token, i) => {
    const name = token.lexeme.toLowerCase()
    const called = token.type === TokenType.IDENTIFIER && tokens[i + 1]?.type === TokenType.LEFT_PAREN
    if (!called || !STATUS_FUNCTIONS.includes(name)) return
    result += expression.slice(copied, offset(token.range.start)) + status[name]
    copied = offset(tokens[i + 2].range.end)
  })
  return result + expression.slice(copied)
}

function cancellable(condition, cancelled) {
  const bare = bareExpression(condition)
  const expression = !bare.trim()
    ? 'success()'
    : usesStatus(new Lexer(bare).lex().tokens)
      ? bare
      : `success() && (${bare})`
  const later = { always: 'true', cancelled, success: `(success() && !${cancelled})`, failure: `(failure() && !${cancelled})` }
  const then = { always: 'true', cancelled: 'true', success: 'false', failure: 'false' }
  // act puts `success()` before a condition without a status function.
  return { if: `always() && (${withStatus(expression, later)})`, survives: withStatus(expression, then) }
}

/** Throws where a string, or an `if`, names a context or function that is not there. */
function check(value, contexts, names, key) {
  if (typeof value === 'string') {
    const parts = key === 'if' ? [{ expression: bareExpression(value) }] : [...pieces(value)]
    const functions = [...STATUS_FUNCTIONS, ...names].map((name) => ({ name, minArgs: 0, maxArgs: 255 }))
    for (const { expression } of parts) {
      if (expression?.trim()) new Parser(new Lexer(expression).lex().tokens, contexts, functions).parse()
    }
  } else if (value !== null && typeof value === 'object') {
    for (const [name, item] of Object.entries(value)) check(item, contexts, names, name)
  }
}

const operations = {
  check: ({ value, contexts, functions }) => check(value, contexts, functions) ?? null,
  evaluate: ({ value, context }) => mapStrings(value, (text) => evaluateText(text, context)),
  condition: ({ text, context, status }) => condition(text, context, status),
  cancellable: ({ conditions, cancelled }) => conditions.map((text) => cancellable(text, cancelled)),
  substitute: ({ job, steps, literals }) => ({
    job: mapStrings(job, (text) => substituteText(text, literals)),
    steps: steps.map(({ if: bare, ...step }) => ({
      ...mapStrings(step, (text) => substituteText(text, literals)),
      ...(bare === undefined ? {} : { if: substituteExpression(bareExpression(String(bare)), literals) }),
    })),
  }),
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer
  try {
    const request = JSON.parse(line)
    answer = { value: operations[request.operation](request) }
  } catch (error) {
    answer = { error: error.message }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
