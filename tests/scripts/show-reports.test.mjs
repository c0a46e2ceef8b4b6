// show-reports: the summary of the reports of tests. Hostile reports do no harm.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { run, script } from './fake-github.mjs'

const read = script('show-reports/read.cjs')
const there = mkdtempSync(path.join(tmpdir(), 'show-reports-'))
const app = path.join(there, 'app')
after(() => rmSync(there, { recursive: true }))
beforeEach(() => {
  rmSync(there, { recursive: true })
  mkdirSync(app, { recursive: true })
})

/** Writes files, each with its text. */
function write(files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(there, name)), { recursive: true })
    writeFileSync(path.join(there, name), text)
  }
}
const show = (patterns = '**/TEST-*.xml **/*.lcov') => run('show-reports/show.cjs', {
  env: { FOLDER: app, PATTERNS: patterns, REPORTS: path.join(there, 'reports') },
})

const PYTEST = `<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="1" skipped="1" tests="3" time="0.045">
<testcase classname="test_a" name="test_good" time="0.5" />
<testcase classname="test_a" name="test_bad[&lt;b&gt;]" time="1.25"><failure message="AssertionError: assert 1 == 2&#10;  + where">def test</failure></testcase>
<testcase classname="test_a" name="test_later" time="0.000"><skipped type="pytest.skip" message="later">x</skipped></testcase></testsuite></testsuites>`

test('a run of tests', async () => {
  write({ 'reports/pytest.xml': PYTEST, 'app/x.lcov': 'TN:\nSF:a.js\nLF:4\nLH:3\nend_of_record\nSF:b.js\nLF:4\nLH:4\nend_of_record\n' })
  const { log, summaries } = await show()
  assert.deepEqual(log, [])
  assert.equal(summaries[0].replace(/^## .*/, '## Tests'), `\
## Tests

| Tests | Passed | Failed | Skipped | Time |
| --- | --- | --- | --- | --- |
| 3 | 1 | ❌ 1 | 1 | 1.8 s |

| Failed test | Message |
| --- | --- |
| test_a test_bad&#91;&#60;b&#62;&#93; | AssertionError&#58; assert 1 &#61;&#61; 2 &#43; where |

| Coverage | Covered | Share |
| --- | --- | --- |
| x.lcov | 7 of 8 lines | 87.5 % |
`)
})

test('without reports there is no summary', async () => {
  write({ 'app/TEST-a.xml': '<other/>', 'app/node_modules/x/TEST-b.xml': PYTEST, 'app/unasked.xml': PYTEST, 'elsewhere/TEST-c.xml': PYTEST })
  symlinkSync(path.join(there, 'elsewhere'), path.join(app, 'linked'))
  symlinkSync(path.join(there, 'elsewhere/TEST-c.xml'), path.join(app, 'TEST-c.xml'))
  const { log, summaries } = await show()
  assert.deepEqual([log, summaries], [[], []])
})

test('committed reports are ignored', async () => {
  write({ 'app/TEST-old.xml': PYTEST, 'app/target/TEST-new.xml': '<testsuite><testcase name="one"/></testsuite>' })
  execFileSync('git', ['init', '--quiet'], { cwd: there })
  execFileSync('git', ['add', 'app/TEST-old.xml'], { cwd: there })
  const { summaries } = await show()
  assert.match(summaries[0], /\| 1 \| 1 \| 0 \| 0 \| 0\.0 s \|/)
})

test('long lists and long texts are shortened', async () => {
  const cases = Array.from({ length: 60 }, (_, index) => `<testcase name="t${index}"><error>${'x'.repeat(900)}</error></testcase>`)
  write({ 'app/TEST-a.xml': `<testsuite>${cases.join('')}</testsuite>` })
  const { summaries } = await show()
  assert.match(summaries[0], /\| 60 \| 0 \| ❌ 60 \| 0 \|/)
  assert.equal(summaries[0].split('\n').filter(line => /^\| t\d+ \| x{300} \|$/.test(line)).length, 50)
  assert.match(summaries[0], /\n\nAnd 10 more\.\n/)
})

test('hundreds of thousands of tests are counted', async () => {
  write({ 'app/TEST-a.xml': `<testsuite>${'<testcase name="a"/>'.repeat(300_000)}</testsuite>` })
  const { log, summaries } = await show()
  assert.deepEqual(log, [])
  assert.match(summaries[0], /\| 300000 \| 300000 \| 0 \| 0 \|/)
})

test('coverage alone', async () => {
  write({ 'app/x.lcov': 'SF:a\nLF:0\nLH:0\n' })
  assert.deepEqual((await show()).summaries[0].split('\n').slice(2), ['| Coverage | Covered | Share |', '| --- | --- | --- |', '| x.lcov | 0 of 0 lines |  |', ''])
})

test('a file that is too big, and files that are too many, are named', async () => {
  write(Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`app/TEST-b${index}.xml`, '<testsuite/>'])))
  write({ 'app/TEST-a.xml': '' })
  truncateSync(path.join(app, 'TEST-a.xml'), 21 * 2 ** 20)
  assert.deepEqual((await show()).log, [
    `warning: The report ${app}/TEST-a.xml is not shown: it is too big`, 'warning: Only 1000 of 1002 reports are shown',
  ])
})

test('many files that are too big together are not all read', async () => {
  for (let index = 0; index < 6; index++) {
    write({ [`app/TEST-${index}.xml`]: '' })
    truncateSync(path.join(app, `TEST-${index}.xml`), 19 * 2 ** 20)
  }
  assert.deepEqual((await show()).log, [`warning: The report ${app}/TEST-5.xml is not shown: it is too big`])
})

test('an error is a warning: the tests have their own result', async () => {
  write({ 'app/TEST-a.xml': PYTEST })
  const log = []
  const core = { summary: { addRaw() { throw new Error('no\nroom') } }, warning: said => log.push(said) }
  Object.assign(process.env, { FOLDER: app, PATTERNS: '*.xml', REPORTS: there })
  await script('show-reports/show.cjs')({ core })
  assert.deepEqual(log, ['The test reports cannot be shown: no room'])
})

const failed = (name, message, seconds = 0) => ({ name, result: 'failed', seconds, message })
const passed = (name, seconds = 0) => ({ name, result: 'passed', seconds, message: '' })
const skipped = name => ({ name, result: 'skipped', seconds: 0, message: '' })

for (const [what, text, expected] of [
  ['Surefire', '<testsuite xmlns:xsi="x" name="a"><properties><property name="p>" value="\'"/></properties><testcase name="one" classname=\'a.B\' time="1,234.5"><failure type="E"><![CDATA[was <1>]]></failure><failure message="second"/></testcase><testcase name="two"><system-out>x</system-out><flakyFailure message="once"/></testcase><failure message="of nobody"/></testsuite>',
    { cases: [failed('a.B one', 'was <1>', 1234.5), passed('two')] }],
  ['Jest', '<testsuites><testsuite><testcase name="a" time="bad"><failure>Error: no\n at x</failure></testcase><testcase name="b"><skipped/></testcase><testcase name="c"/><skipped/></testsuite></testsuites>',
    { cases: [failed('a', 'Error: no\n at x'), skipped('b'), passed('c')] }],
  ['TRX', '<?xml version="1.0"?><TestRun><Results><Message>of nobody</Message><UnitTestResult testName="A" outcome="Passed" duration="00:01:02.5"/><UnitTestResult testName="B" outcome="Failed" duration="00:00:01"><Output><ErrorInfo><Message>no &amp; no</Message></ErrorInfo></Output></UnitTestResult><UnitTestResult testName="C" outcome="NotExecuted"/></Results></TestRun>',
    { cases: [passed('A', 62.5), failed('B', 'no & no', 1), skipped('C')] }],
  ['Cobertura', '<?xml version="1.0" ?><!DOCTYPE coverage SYSTEM "x.dtd"><!-- x > --><coverage lines-valid="120" lines-covered="93" line-rate="0.775"></coverage>',
    { coverage: { covered: 93, all: 120, unit: 'lines' } }],
  ['another root called coverage', '<coverage generated="1"><project/></coverage>', {}],
  ['JaCoCo', '<!DOCTYPE report PUBLIC "-//x" "report.dtd"><report name="r"><sessioninfo id="x"/><package name="p"><counter type="LINE" missed="9" covered="9"/></package><counter type="BRANCH" missed="1" covered="1"/><counter type="LINE" missed="1" covered="3"/></report>',
    { coverage: { covered: 3, all: 4, unit: 'lines' } }],
  ['a report without lines', '<report><x></x></report>', {}],
  ['Go', 'mode: atomic\na/b.go:1.2,3.4 2 1\na/b.go:5.2,6.4 3 0\r\na/b.go:5.2,6.4 3 4\na/b.go:5.2,6.4 3 0\na/c.go:1.1,1.9 5 0\n',
    { coverage: { covered: 5, all: 10, unit: 'statements' } }],
  ['LCOV', 'SF:a\nLF:0\nLH:0\n', { coverage: { covered: 0, all: 0, unit: 'lines' } }],
  ['more covered than there is', 'SF:a\nLF:1\nLH:2\n', {}],
  ['no report', 'hello', {}],
  ['nothing', '', {}],
  ['what ends in a tag', '<testsuite><testcase name="a"/><testcase name="b', { cases: [passed('a')] }],
  ['what ends in a comment', '<testsuite><testcase name="a"/><!-- <testcase name="b"/>', { cases: [passed('a')] }],
  ['entities of its own', '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY bb SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&a;&bb;&#x41;&#66;&lt;&apos;&#xfffff;"/></testsuite>',
    { cases: [passed("&a;&bb;AB<'\u{fffff}")] }],
]) test(`reads ${what}`, () => assert.deepEqual(read(text), expected))

for (const [what, text] of [
  ['comments without an end', '<!--'],
  ['tags without an end', '<a '],
  ['quotes without an end', '<a b="'],
  ['attributes without a value', '<a b '],
  ['blanks', '<a  '],
  ['words', 'aaaa'],
  ['failures', '<failure>'],
  ['entities', '&#x'],
]) {
  test(`millions of ${what} take no time`, () => {
    const start = Date.now()
    for (const end of ['', '>', '"/></testsuite>']) read(`<testsuite><testcase name="a">${text.repeat(2e6 / text.length)}${end}`)
    read(`SF:${text.repeat(1e6)}`)
    read(`mode: set\n${text.repeat(1e6)}`)
    assert.ok(Date.now() - start < 15000)
  })
}

test('a message of a test may have brackets', () => {
  const [{ message }] = read('<testsuite><testcase name="a"><failure><![CDATA[[1]] is not [2]]]></failure></testcase></testsuite>').cases
  assert.equal(message, '[1]] is not [2]')
})
test('a test without a name does not hide another', async () => {
  write({ 'app/TEST-a.xml': PYTEST, 'app/TEST-b.xml': '<TestRun><UnitTestResult outcome="Failed"/></TestRun>' })
  const { log, summaries } = await show()
  assert.deepEqual(log, [])
  assert.match(summaries[0], /\| 4 \| 1 \| ❌ 2 \| 1 \|/)
})
test('an infinite duration counts as 0', () => {
  assert.equal(read('<testsuite><testcase name="a" time="1e999"/></testsuite>').cases[0].seconds, 0)
  assert.deepEqual(read('<coverage lines-covered="1e400" lines-valid="1e400"/>'), {})
  assert.deepEqual(read(`SF:a\nLH:1\nLF:${'9'.repeat(400)}\n`), {})
})
test('a number that is no character is left as it is', () => assert.deepEqual(read('<testsuite><testcase name="&#9999999;&#999999;"/></testsuite>').cases[0].name, '&#9999999;\u{f423f}'))
