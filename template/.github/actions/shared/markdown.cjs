// @ts-check
// Writes Markdown for summaries of runs. A name can contain anything, because a pull request can choose it.

// An underscore between letters needs no escape.
const SPECIAL = /[^\p{L}\p{N}_ ,/.-]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu

/**
 * Escapes text, so that Markdown shows it as it is, in one cell of a table.
 * @param {string} text
 */
const escaped = text => text.replace(/\s+/g, ' ').replace(SPECIAL, character => `&#${character.codePointAt(0)};`)

/**
 * The lines of a table.
 * @param {string[]} head
 * @param {string[][]} rows
 */
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)

/**
 * The graph of components in Mermaid's language. Arrows lead from a component to those that depend on it.
 * @param {Record<string, string[]>} graph
 * @param {(name: string) => string} kind a key of `colours`, or '' for a component without a colour
 * @param {Record<string, string>} colours
 */
function mermaidGraph(graph, kind, colours) {
  const names = Object.keys(graph)
  const node = new Map(names.map((name, index) => [name, `n${index}`]))
  return [
    '```mermaid',
    'graph LR',
    // In Mermaid's language, &#43; is written #43;
    ...names.map(name => `  ${node.get(name)}["${escaped(name).replaceAll('&#', '#')}"]${kind(name) && `:::${kind(name)}`}`),
    ...names.flatMap(name => graph[name].filter(other => node.has(other)).map(other => `  ${node.get(other)} --> ${node.get(name)}`)),
    ...Object.entries(colours).map(([name, colour]) => `  classDef ${name} fill:${colour},color:#fff`),
    '```',
  ]
}

module.exports = { escaped, table, mermaidGraph }
