import { Fault } from '../domain/faults.ts';
import { shellWord } from './ours.ts';

/** SQLite's primary result codes that say something about the disk or the file (sqlite.org/rescode.html). */
const troubles: ReadonlyMap<number, string> = new Map([
  [5, 'another program is using it'],
  [6, 'another program is using it'],
  [7, 'there is no memory left'],
  [8, 'it cannot be written'],
  [10, 'the disk reports an error'],
  [11, 'it is damaged'],
  [13, 'there is no room left for it'],
  [14, 'it cannot be opened'],
  [26, 'it is not a database'],
]);

/** Of these, what the system is to blame for and not the file: it may be over at the next try. */
const passing: ReadonlySet<number> = new Set([5, 6, 7, 10, 13, 14]);

/** What SQLite said, as a fault; whatever is no trouble with disk or file as it came. */
export function troubleWith(path: string, reason: unknown): unknown {
  const says = troubles.get(codeOf(reason));
  if (says === undefined) return reason;
  return new Fault('CONFIG_INVALID', {
    detail: `${path}: ${says} (${(reason as Error).message})`,
    hint: `see that the disk has room and works: df ${shellWord(path)}; mcpd tries again by itself`,
    cause: reason,
  });
}

/** The file is to blame, and cannot be used as it is. */
export function unusable(path: string, what: string, cause: unknown = new Error(what)): Fault {
  return new Fault('CONFIG_INVALID', {
    detail: `${path} ${what}`,
    hint: `put back a copy of ${shellWord(path)} (docs/state.md, "When it is damaged or gone")`,
    cause,
  });
}

/** What SQLite could not make of the file when it was opened: `AUDIT_UNAVAILABLE` where a later start may do better. */
export function unreadable(path: string, cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  const says = troubles.get(codeOf(cause)) ?? 'it cannot be understood';
  const what = `cannot be used: ${says} (${(cause as Error).message})`;
  if (!passing.has(codeOf(cause))) return unusable(path, what, cause);
  // Whoever put back an old copy now would lose every switch since.
  return new Fault('AUDIT_UNAVAILABLE', {
    detail: `${path} ${what}`,
    hint: `see that the disk has room and works: df ${shellWord(path)}; then start mcpd again`,
    cause,
  });
}

/** Rows that nobody could have written who is one of us: a start without them would know less than it did. */
export function notUnderstood(path: string, what: string, unknown: string, cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  return new Fault('CONFIG_INVALID', {
    detail: `the ${what} in ${path} cannot be understood: ${(cause as Error).message}. mcpd does not start, because it would not know ${unknown}.`,
    hint: 'put back a copy of the file (docs/state.md, "When it is damaged or gone")',
    cause,
  });
}

function codeOf(reason: unknown): number {
  const { errcode } = reason as { errcode?: unknown };
  // The lowest byte of an extended code is the primary one.
  return typeof errcode === 'number' ? errcode & 0xff : 0;
}
