import { endProcess, whenGone } from './end-process.ts';
import { readLedger, type Entry } from './ledger.ts';
import { processTable, type Identity, type Row } from './process-table.ts';
import { marked } from './sweep.ts';

/** Who keeps starting processes while it is ended is looked for so often. */
const looksMax = 8;
const goneWithinMs = 2_000;

/**
 * Ends what an earlier daemon of this state directory left running when it was killed, and gives the ids: whoever is in its
 * ledger and still is the same process, with all it started, and whoever carries the cookie. Both, because a server may have
 * wiped its environment, and a line of the ledger may be lost. A process whose start time differs has only inherited the number.
 * Throws `CONFIG_INVALID` where others could have written the ledger.
 */
export async function endLeftovers(ledger: string, cookie: string): Promise<readonly number[]> {
  const entries = readLedger(ledger, cookie);
  const found = new Map<number, Identity>();
  for (let looks = 0; looks < looksMax; looks++) {
    const ours = [...familyOf(entries, processTable()), ...marked(cookie)];
    const ended = ours.filter((it) => endProcess(it));
    const isNew = ended.some(({ pid }) => !found.has(pid));
    for (const it of ended) found.set(it.pid, it);
    if (!isNew) break;
  }
  // A server that starts before its predecessor is gone may find its port taken or its file locked.
  await whenGone([...found.values()], goneWithinMs);
  return [...found.keys()];
}

/**
 * The processes of a table that were written down, what they started, and who is in a group or session that one of them leads.
 * A leader that is gone says nothing: its number may have been another's since, and so may its group.
 */
export function familyOf(entries: readonly Entry[], table: readonly Row[]): readonly Row[] {
  const byPid = new Map(table.map((row) => [row.pid, row]));
  const ours = new Set<number>();
  for (const { pid, startTicks } of entries)
    if (pid !== process.pid && byPid.get(pid)?.startTicks === startTicks) ours.add(pid);
  const isOf = (row: Row) => ours.has(row.parent) || ours.has(row.group) || ours.has(row.session);
  for (let before = -1; before !== ours.size;) {
    before = ours.size;
    for (const row of table) if (row.pid > 1 && row.pid !== process.pid && isOf(row)) ours.add(row.pid);
  }
  return table.filter(({ pid }) => ours.has(pid));
}
