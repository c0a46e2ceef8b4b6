// show-graph: the pictures of a change, from real commits, also with broken and hostile files.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { run } from './fake-github.mjs'

const here = process.cwd()
const there = mkdtempSync(path.join(tmpdir(), 'show-graph-'))
after(() => {
  process.chdir(here)
  rmSync(there, { recursive: true })
})
const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'commit.gpgsign=false']
const git = (...parameters) => execFileSync('git', [...identity, ...parameters], { stdio: 'pipe' })

beforeEach(() => {
  process.chdir(there)
  rmSync('.git', { recursive: true, force: true })
  rmSync('.github', { recursive: true, force: true })
  git('init', '--quiet')
})

/** Commits files, each with its text; undefined removes it. */
function commit(files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(name), { recursive: true })
    if (text === undefined) rmSync(name)
    else writeFileSync(name, text)
  }
  git('add', '--all')
  git('commit', '--quiet', '--allow-empty', '--message', 'x')
}
const orchestrator = graph => `jobs:\n  summary:\n    steps:\n      - with:\n          environment: dev\n          graph: '${graph}'\n          needs: x\n`
const DEV = '.github/workflows/orchestrator-dev.yml'
const show = () => run('show-graph/graph.cjs', { env: { ANSWERS_FILE: '.copier-answers.yml' } })

test('an added component', async () => {
  commit({ [DEV]: orchestrator('{"api": [], "old": ["api"]}') })
  commit({ [DEV]: orchestrator('{"api": [], "web": ["api", "elsewhere"]}'), '.copier-answers.yml': 'x', 'README.md': 'x' })
  const { log, summaries } = await show()
  assert.deepEqual(log, [])
  assert.deepEqual(summaries, [`\
## This pull request changes the pipelines

### Graph before

\`\`\`mermaid
graph LR
  n0["api"]
  n1["old"]:::removed
  n0 --> n1
  classDef removed fill:#cf222e,color:#fff
\`\`\`

### Graph after

\`\`\`mermaid
graph LR
  n0["api"]
  n1["web"]:::added
  n0 --> n1
  classDef added fill:#1a7f37,color:#fff
\`\`\`

| File | Change |
| --- | --- |
| .copier-answers.yml | added |
| .github/workflows/orchestrator-dev.yml | changed |
`])
})

test('environments have other components', async () => {
  const PRD = DEV.replace('dev', 'prd')
  commit({ [DEV]: orchestrator('{"api": [], "tool": []}'), [PRD]: orchestrator('{"api": ["db"], "db": []}') })
  commit({ [PRD]: orchestrator('{"api": [], "web": ["api"]}') })
  const [text] = (await show()).summaries
  const [before, after] = text.split('### Graph after').map(part => [...part.matchAll(/\["(\w+)"\](?:::(:\w+))?/g)].map(match => match.slice(1).join('')))
  assert.deepEqual(before, ['api', 'tool', 'db:removed'])
  assert.deepEqual(after, ['api', 'tool', 'web:added'])
  assert.equal(text.split('### Graph after')[1].match(/n0 --> n2/g)?.length, 1)
})

test('a change of something else draws nothing', async () => {
  commit({ [DEV]: orchestrator('{"api": []}') })
  commit({ 'README.md': 'x' })
  assert.deepEqual(await show().then(({ log, summaries }) => [log, summaries]), [[], []])
})

test('the first pipelines, and the last', async () => {
  commit({ 'README.md': 'x' })
  commit({ [DEV]: orchestrator('{"api": []}') })
  assert.match((await show()).summaries[0], /### Graph before\n\nThere is no graph\.\n\n### Graph after\n\n```mermaid/)
  commit({ [DEV]: undefined })
  assert.match((await show()).summaries[0], /### Graph after\n\nThere is no graph\.\n\n\| File \| Change \|\n.*\n.*orchestrator-dev.yml \| removed \|/)
})

test('a graph that cannot be read is named, and the next one is read', async () => {
  commit({ 'README.md': 'x' })
  commit({
    '.github/workflows/orchestrator-a.yml': 'jobs: {}\n',
    '.github/workflows/orchestrator-b.yml': orchestrator('{"api": 1}'),
    '.github/workflows/orchestrator-c.yml': orchestrator('{"api": [}'),
    '.github/workflows/orchestrator-d.yml': orchestrator('{"api": []}').replaceAll('\n', '\r\n'),
  })
  const { log, summaries } = await show()
  assert.deepEqual(log, ['b', 'c'].map(name => `warning: The graph in .github/workflows/orchestrator-${name}.yml is not valid JSON: run \`copier update\``))
  assert.match(summaries[0], /n0\["api"\]:::added/)
})

test('names from a pull request are shown as text', async () => {
  commit({ 'README.md': 'x' })
  commit({
    [DEV]: orchestrator('{"__proto__": [], "x\\"]\\nclick n0 \\"javascript:alert(1)\\"": ["__proto__"], "<b>": [{}]}'),
    '.github/workflows/`| [a](b) <img>\n## größe.yml': 'x',
  })
  const { summaries: [text] } = await show()
  assert.match(text, /n0\["#95;#95;proto#95;#95;"\]:::added\n {2}n1\["x#34;#93; click n0 #34;javascript#58;alert#40;1#41;#34;"\]:::added\n/)
  assert.match(text, /\| \.github\/workflows\/&#96;&#124; &#91;a&#93;&#40;b&#41; &#60;img&#62; &#35;&#35; größe\.yml \| added \|/)
})

test('without the base it says so, and fails nothing', async () => {
  commit({ [DEV]: orchestrator('{"api": []}') })
  const { log, summaries } = await show()
  assert.match(log.join('\n'), /^warning: The graph cannot be drawn: [^\n]*HEAD\^1/)
  assert.deepEqual(summaries, [])
})
