/** What the tests measured, as a table in a document. */

export type Figure = { readonly id: string; readonly name: string; readonly value: number | string };

/** One figure on each line, as `figure()` writes them. A line that a killed process tore is left out. */
export function readFigures(text: string): Figure[] {
  return text.split('\n').flatMap((line) => {
    try {
      const { id, name, value } = JSON.parse(line) as Partial<Figure>;
      return id === undefined || name === undefined || value === undefined ? [] : [{ id, name, value }];
    } catch {
      return [];
    }
  });
}

/** Names of which the worst of all tests counts, or the sum. */
const worst = ['event loop late max ms', 'of it own work max ms', 'health worst ms', 'rss max MiB'];
const sums = ['orphans', 'zombies', 'wrong replies', 'journals verified'];

/** Two tables in Markdown: the run as a whole, and the figures of each id. Of a figure that stands twice, the largest. */
export function tableOf(run: readonly (readonly [string, string])[], figures: readonly Figure[]): string {
  const valuesOf = (name: string): number[] =>
    figures.filter((it) => it.name === name).map(({ value }) => Number(value));
  const all = [
    ...worst.map((name) => [name, valuesOf(name), Math.max] as const),
    ...sums.map((name) => [name, valuesOf(name), sum] as const),
  ].filter(([, values]) => values.length > 0);
  const byId = new Map<string, Map<string, Figure['value']>>();
  for (const { id, name, value } of figures) {
    const found = byId.get(id) ?? new Map<string, Figure['value']>();
    byId.set(id, found.set(name, together(name, found.get(name), value)));
  }
  return [
    '| the run | |',
    '|---|---|',
    ...run.map(([name, value]) => `| ${cell(name)} | ${cell(value)} |`),
    ...all.map(([name, values, of]) => `| ${name}, all tests | ${of(...values)} |`),
    '',
    '| id | figures |',
    '|---|---|',
    ...[...byId].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, found]) => `| ${id} | ${row(found)} |`),
  ].join('\n');
}

function row(found: ReadonlyMap<string, Figure['value']>): string {
  return [...found].map(([name, value]) => `${cell(name)} **${cell(String(value))}**`).join(', ');
}

/** Of what was measured several times, the largest; of what was counted, the sum. */
function together(
  name: string,
  before: Figure['value'] | undefined,
  value: Figure['value'],
): Figure['value'] {
  if (typeof before !== 'number' || typeof value !== 'number') return value;
  return sums.includes(name) ? before + value : Math.max(before, value);
}

function sum(...values: number[]): number {
  return values.reduce((total, it) => total + it, 0);
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

const [opening, closing] = ['<!-- figures -->', '<!-- /figures -->'];

/** The document with the table between its two marks; undefined where they are not there. */
export function inserted(document: string, table: string): string | undefined {
  const [from, to] = [document.indexOf(opening), document.indexOf(closing)];
  if (from < 0 || to < from) return undefined;
  return `${document.slice(0, from + opening.length)}\n\n${table}\n\n${document.slice(to)}`;
}
