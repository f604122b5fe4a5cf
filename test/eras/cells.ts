/** Every meeting of a client, a door and a server, and how it is carried. The tables in docs/eras.md hold exactly these. */

/** The official clients, and how the second generation is told to begin. */
export const kinds = ['v1', 'v2, legacy', 'v2, auto', 'v2, pinned'] as const;
export type Kind = (typeof kinds)[number];

export const doors = ['Streamable HTTP', 'HTTP+SSE', 'stdio'] as const;
export type Door = (typeof doors)[number];

/** The era in which mcpd speaks with the client, and the one in which it speaks with the child. */
export type Carried = 'legacy' | 'modern' | 'modern → legacy' | 'legacy → modern';

/** How a client of each era meets a server. `server`: its name in the test's daemon. */
export type Row = {
  readonly server: string;
  readonly conduct: 'legacy only' | 'legacy only, strict' | 'both' | 'modern only';
  readonly protocol: 'auto' | 'legacy' | 'modern';
  readonly legacy: Carried | 'refused';
  readonly modern: Carried | 'refused';
};

const row = (
  conduct: Row['conduct'],
  protocol: Row['protocol'],
  legacy: Row['legacy'],
  modern: Row['modern'],
): Row => ({
  server: `${conduct.replaceAll(/\W+/g, '-')}-${protocol}`,
  conduct,
  protocol,
  legacy,
  modern,
});

export const rows: readonly Row[] = [
  row('legacy only', 'auto', 'legacy', 'modern → legacy'),
  row('legacy only', 'legacy', 'legacy', 'modern → legacy'),
  row('legacy only', 'modern', 'refused', 'refused'),
  row('legacy only, strict', 'auto', 'legacy', 'modern → legacy'),
  row('legacy only, strict', 'legacy', 'legacy', 'modern → legacy'),
  row('legacy only, strict', 'modern', 'refused', 'refused'),
  row('both', 'auto', 'legacy', 'modern'),
  row('both', 'legacy', 'legacy', 'modern → legacy'),
  row('both', 'modern', 'legacy → modern', 'modern'),
  row('modern only', 'auto', 'legacy → modern', 'modern'),
  row('modern only', 'legacy', 'refused', 'refused'),
  row('modern only', 'modern', 'legacy → modern', 'modern'),
];

/** What becomes of one meeting: how it is carried, or the words with which the client's library says that it is not. */
export type Cell = Carried | { readonly refused: RegExp; readonly says: string };

const notRunning = {
  refused: /The server behind this address is not running/,
  says: 'refused: 1502',
} as const;
const notOffered = {
  refused: /did not offer pinned protocol version/,
  says: 'refused: not offered',
} as const;

/** The older transport is of the legacy era, so a client that tries the modern one first ends up there too. */
export function cellOf(kind: Kind, door: Door, it: Row): Cell {
  if (kind === 'v2, pinned' && (door === 'HTTP+SSE' || it.modern === 'refused')) return notOffered;
  const speaksModern = kind === 'v2, pinned' || (kind === 'v2, auto' && door !== 'HTTP+SSE');
  const carried = speaksModern ? it.modern : it.legacy;
  return carried === 'refused' ? notRunning : carried;
}

/** What stands in the document for a cell. */
export const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.says);
