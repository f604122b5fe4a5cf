import { notUnderstood } from '../files/database-trouble.ts';
import { Fault } from '../domain/faults.ts';
import { fromCell, toCell } from '../files/cell.ts';
import type { Database, Row } from '../files/database.ts';
import { Kept } from '../files/kept.ts';
import { checkPin, emptyPins, lockBytesMax, type Lock, type Pin, type ServerPins } from './lock.ts';

/** The pins in the state's database. */
export class PinRows {
  readonly #kept: Kept;
  #onDisk: Lock;

  private constructor(kept: Kept, lock: Lock) {
    this.#kept = kept;
    this.#onDisk = lock;
  }

  /** Throws `CONFIG_INVALID` on anything but what `save` writes; damage is never "nothing was pinned". */
  static open(database: Database): PinRows {
    try {
      const lock = lockIn(database);
      return new PinRows(Kept.open(database, 'pins', pinLines(lock)), lock);
    } catch (cause) {
      throw notUnderstood(database.path, 'pins', 'which tools were approved', cause);
    }
  }

  /** What is on the disk. */
  load(): Lock {
    return this.#onDisk;
  }

  /** Durable when it returns. Throws `CONFIG_INVALID`, and `TOO_LARGE` where all definitions together need too much room. */
  save(lock: Lock): void {
    if (bytesOf(lock) > lockBytesMax)
      throw new Fault('TOO_LARGE', { detail: `the pins need more than ${lockBytesMax} bytes` });
    this.#kept.change(this.#kept.version + 1, pinLines(lock), (database) =>
      changePins(database, this.#onDisk, lock),
    );
    this.#onDisk = lock;
  }
}

/** What is pinned, for the seal. Without the definitions, which are only shown: their digests say which they are. */
export function pinLines(lock: Lock): readonly string[] {
  return [...lock].flatMap(([server, { sealed, tools }]) => [
    JSON.stringify([server, sealed]),
    ...[...tools].map(([tool, { digest, at, how, by }]) =>
      JSON.stringify([server, tool, digest, at, how, by]),
    ),
  ]);
}

/** Brings the rows from some pins to others. Inside a transaction. */
export function changePins(database: Database, from: Lock, to: Lock): void {
  for (const name of from.keys()) if (!to.has(name)) changeServer(database, name, from.get(name), undefined);
  for (const [name, pins] of to) changeServer(database, name, from.get(name), pins);
}

function changeServer(
  database: Database,
  name: string,
  before: ServerPins | undefined,
  after: ServerPins | undefined,
): void {
  if (before === after) return;
  const cell = toCell(name);
  if (after === undefined) database.run('DELETE FROM pinned_servers WHERE name = ?', cell);
  else if (before?.sealed !== after.sealed)
    database.run(
      'INSERT OR REPLACE INTO pinned_servers (name, sealed) VALUES (?, ?)',
      ...[cell, after.sealed ? 1 : 0],
    );
  const [old, fresh] = [(before ?? emptyPins).tools, (after ?? emptyPins).tools];
  for (const tool of old.keys())
    if (!fresh.has(tool)) database.run('DELETE FROM pins WHERE server = ? AND tool = ?', cell, toCell(tool));
  for (const [tool, pin] of fresh) if (old.get(tool) !== pin) put(database, cell, toCell(tool), pin);
}

function put(
  database: Database,
  server: string,
  tool: string,
  { digest, at, how, by, definition }: Pin,
): void {
  database.run(
    `INSERT INTO pins (server, tool, digest, at, how, by, definition) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (server, tool) DO UPDATE SET digest = excluded.digest, at = excluded.at, how = excluded.how,
       by = excluded.by, definition = excluded.definition`,
    ...[server, tool, digest, at, how, toCell(by), definition === undefined ? null : toCell(definition)],
  );
}

function lockIn(database: Database): Lock {
  const lock = new Map<string, { readonly sealed: boolean; readonly tools: Map<string, Pin> }>();
  for (const { name, sealed } of database.all('SELECT name, sealed FROM pinned_servers')) {
    if (sealed !== 0 && sealed !== 1) throw new Error('sealed is not 0 or 1');
    lock.set(nameIn(name), { sealed: sealed === 1, tools: new Map() });
  }
  for (const row of database.each('SELECT * FROM pins ORDER BY place')) {
    const tools = lock.get(nameIn(row['server']))?.tools;
    if (tools === undefined) throw new Error('a pin is of a server that is not there');
    const tool = nameIn(row['tool']);
    tools.set(tool, pinAt(row, JSON.stringify(tool)));
  }
  return new Map([...lock].map(([name, pins]) => [name, Object.freeze(pins)]));
}

function pinAt({ digest, at, how, by, definition }: Row, where: string): Pin {
  const text = definition === null ? undefined : fromCell(definition);
  return checkPin({ digest, at, how, by: fromCell(by), definition: text }, where);
}

function nameIn(cell: unknown): string {
  const name = fromCell(cell);
  if (name === '') throw new Error('a name is empty');
  return name;
}

function bytesOf(lock: Lock): number {
  let bytes = 0;
  for (const [name, { tools }] of lock)
    for (const [tool, { by, definition = '' }] of tools)
      bytes += 200 + Buffer.byteLength(name + tool + by) + Buffer.byteLength(definition);
  return bytes;
}
