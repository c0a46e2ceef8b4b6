// @ts-check
// Writes Markdown for summaries of runs. Names may come from anybody, those in a pull request too.

// An underscore between letters means nothing.
const SPECIAL = /[^\p{L}\p{N}_ ,/.-]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu

/**
 * Text that stays text, and stays in its cell of a table.
 * @param {string} text
 */
const plain = text => text.replace(/\s+/g, ' ').replace(SPECIAL, character => `&#${character.codePointAt(0)};`)

/**
 * The lines of a table.
 * @param {string[]} head
 * @param {string[][]} rows
 */
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)

/**
 * The components as a picture, each with arrows from those it depends on.
 * @param {Record<string, string[]>} graph
 * @param {(name: string) => string} kind one of `colours`, or '' for none
 * @param {Record<string, string>} colours
 */
function picture(graph, kind, colours) {
  const names = Object.keys(graph)
  const node = new Map(names.map((name, index) => [name, `n${index}`]))
  return [
    '```mermaid',
    'graph LR',
    // Mermaid writes #43; for &#43; in its texts.
    ...names.map(name => `  ${node.get(name)}["${plain(name).replaceAll('&#', '#')}"]${kind(name) && `:::${kind(name)}`}`),
    ...names.flatMap(name => graph[name].filter(other => node.has(other)).map(other => `  ${node.get(other)} --> ${node.get(name)}`)),
    ...Object.entries(colours).map(([name, colour]) => `  classDef ${name} fill:${colour},color:#fff`),
    '```',
  ]
}

module.exports = { plain, table, picture }
