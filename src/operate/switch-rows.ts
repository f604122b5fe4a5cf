import { notUnderstood } from '../files/database-trouble.ts';
import type { SwitchedOff, Switches } from '../domain/orders.ts';
import { fromCell, toCell } from '../files/cell.ts';
import type { Database, Row } from '../files/database.ts';
import { isCount } from './state-text.ts';

type Kind = 'tool' | 'server' | 'caller' | 'lockdown';
type One = { readonly kind: Kind; readonly name: string; readonly off: SwitchedOff };

/** The switches in the database. Throws `CONFIG_INVALID` on anything but what `changeSwitches` writes; damage is never "none". */
export function loadSwitches(database: Database): Switches {
  const found: Record<Kind, Map<string, SwitchedOff>> = {
    tool: new Map(),
    server: new Map(),
    caller: new Map(),
    lockdown: new Map(),
  };
  try {
    for (const row of database.all('SELECT kind, name, at, by, reason FROM switches')) {
      const { kind, name, off } = switchAt(row);
      found[kind].set(name, off);
    }
  } catch (cause) {
    throw notUnderstood(database.path, 'switches', 'what is switched off', cause);
  }
  return Object.freeze({
    tools: found.tool,
    servers: found.server,
    callers: found.caller,
    lockdown: found.lockdown.get(''),
  });
}

/** Everything that is switched off, for the seal: a line each. JSON, so that no name looks like two. */
export function switchLines(switches: Switches): readonly string[] {
  return [...oneByOne(switches).values()].map(({ kind, name, off: { at, by, reason } }) =>
    JSON.stringify([kind, name, at, by, reason]),
  );
}

/** Brings the rows from one set of switches to another. Inside a transaction. */
export function changeSwitches(database: Database, from: Switches, to: Switches): void {
  const before = oneByOne(from);
  const after = oneByOne(to);
  for (const [key, { kind, name }] of before)
    if (!after.has(key)) database.run('DELETE FROM switches WHERE kind = ? AND name = ?', kind, toCell(name));
  for (const [key, { kind, name, off }] of after) {
    if (before.get(key)?.off === off) continue;
    const { at, by, reason } = off;
    database.run(
      'INSERT OR REPLACE INTO switches (kind, name, at, by, reason) VALUES (?, ?, ?, ?, ?)',
      ...[kind, toCell(name), at, toCell(by), toCell(reason)],
    );
  }
}

function oneByOne({ tools, servers, callers, lockdown }: Switches): ReadonlyMap<string, One> {
  const all = (kind: Kind, which: ReadonlyMap<string, SwitchedOff>) =>
    [...which].map(([name, off]) => [`${kind} ${name}`, { kind, name, off }] as const);
  return new Map([
    ...all('tool', tools),
    ...all('server', servers),
    ...all('caller', callers),
    ...(lockdown === undefined ? [] : all('lockdown', new Map([['', lockdown]]))),
  ]);
}

function switchAt(row: Row): One {
  const { kind, at } = row;
  const name = fromCell(row['name']);
  if (kind !== 'tool' && kind !== 'server' && kind !== 'caller' && kind !== 'lockdown')
    throw new Error('a switch is of no known kind');
  if ((kind === 'lockdown') !== (name === '')) throw new Error('a switch has no name');
  if (!isCount(at as number)) throw new Error(`the switch for ${JSON.stringify(name)} has no time`);
  const off = { at: at as number, by: fromCell(row['by']), reason: fromCell(row['reason']) };
  return { kind, name, off: Object.freeze(off) };
}
