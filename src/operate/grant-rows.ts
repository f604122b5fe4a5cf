import { notUnderstood } from '../files/database-trouble.ts';
import type { Grant } from '../domain/orders.ts';
import { fromCell, toCell } from '../files/cell.ts';
import type { Database, Row } from '../files/database.ts';
import { isCount } from './state-text.ts';

const texts = ['id', 'caller', 'server', 'tool', 'by', 'reason'] as const;

/** The grants in the database, oldest first. Throws `CONFIG_INVALID` on anything but what `changeGrants` writes. */
export function loadGrants(database: Database): readonly Grant[] {
  try {
    return Object.freeze(database.all('SELECT * FROM grants ORDER BY place').map(grantAt));
  } catch (cause) {
    throw notUnderstood(database.path, 'grants', 'what was granted', cause);
  }
}

/** Every grant, for the seal: a line each. */
export function grantLines(grants: readonly Grant[]): readonly string[] {
  return grants.map(({ id, caller, server, tool, at, untilMs, by, reason }) =>
    JSON.stringify([id, caller, server, tool, at, untilMs, by, reason]),
  );
}

/** Brings the rows from some grants to others. Inside a transaction. */
export function changeGrants(database: Database, from: readonly Grant[], to: readonly Grant[]): void {
  const before = new Set(from);
  const after = new Set(to);
  for (const grant of before)
    if (!after.has(grant)) database.run('DELETE FROM grants WHERE id = ?', toCell(grant.id));
  for (const grant of after) if (!before.has(grant)) add(database, grant);
}

function add(database: Database, { id, caller, server, tool, at, untilMs, by, reason }: Grant): void {
  database.run(
    'INSERT INTO grants (id, caller, server, tool, at, until_ms, by, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ...[toCell(id), toCell(caller), toCell(server), toCell(tool), at, untilMs, toCell(by), toCell(reason)],
  );
}

function grantAt(row: Row): Grant {
  const { at, until_ms: untilMs } = row;
  if (!isCount(at as number) || !isCount(untilMs as number)) throw new Error('a grant lacks at or until_ms');
  const [id, caller, server, tool, by, reason] = texts.map((key) => {
    const text = fromCell(row[key]);
    if (text === '' && key !== 'reason') throw new Error(`a grant lacks ${key}`);
    return text;
  }) as [string, string, string, string, string, string];
  return Object.freeze({
    ...{ id, caller, server, tool, by, reason },
    ...{ at: at as number, untilMs: untilMs as number },
  });
}
