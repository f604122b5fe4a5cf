import { genesis, type Link, type Position } from './chain.ts';
import { lastIn, pathOf, recordFrom, type Last } from './journal-files.ts';

/** What the journal says of itself, without its time: `members` begins with a comma, or is empty. */
export type Repair = { readonly kind: OwnKind; readonly members: string };

/**
 * The kinds of records of the journal about itself; docs/audit.md says what they mean.
 *
 *   started, recovered, lost      it began; it works again; records that nobody waits for were too many to be kept
 *   torn-tail, unsealed           what a crash leaves: half a record; records that the head does not know yet
 *   truncated, changed, head-lost what a crash does not do
 *   checkpoints-lost              the folder of checkpoints holds fewer than there were
 *   io-error                      the disk did not confirm what had been written
 *   chain-begins                  the records before this one are in the format without a chain
 *   retired                       a file that was older than it has to be kept is removed
 *   clock                         the wall clock jumped
 */
export type OwnKind =
  | 'started'
  | 'recovered'
  | 'lost'
  | 'torn-tail'
  | 'unsealed'
  | 'truncated'
  | 'changed'
  | 'head-lost'
  | 'checkpoints-lost'
  | 'io-error'
  | 'chain-begins'
  | 'retired'
  | 'clock';

/** Where an earlier journal of this process stopped. */
export type Going = {
  readonly last: Position;
  readonly retired: Link;
  /** The last record that the disk has confirmed. */
  readonly confirmed: Link;
  /** It failed to confirm what came after: nothing is appended to that file any more. */
  readonly isSuspect: boolean;
};

/** The last record that stands in the files. */
export type Standing = Last & { readonly file: number };

export type Findings = {
  readonly dir: string;
  readonly standing: Standing | undefined;
  /** Where the journal should end: by memory, by the head, or by the newest checkpoint. */
  readonly expected: Position | undefined;
  /** Undefined where there is no head to be kept. */
  readonly head: 'read' | 'absent' | 'invalid' | undefined;
  /** The last writer ended in order. */
  readonly isShut: boolean;
  readonly going: Going | undefined;
  readonly tornBytes: number;
  readonly checkpoints: { readonly known: number; readonly told: number };
};

/** Holds what stands in the files against what should. Gives what belongs on record, and what the next record follows. */
export function reconcile(found: Findings): { readonly repairs: readonly Repair[]; readonly last: Link } {
  const { standing, expected } = found;
  const repairs = [...atEnd(found), ...atTail(found), ...ofDisk(found), ...ofProof(found)];
  // Never back: a number stands for one record, also when that is gone. What is there is what the next record follows, so
  // that the chain vouches for it; where nothing is, it follows what should be there.
  const seq = Math.max(standing?.link.seq ?? 0, expected?.seq ?? 0);
  return { repairs, last: { seq, hash: standing?.link.hash ?? expected?.hash ?? genesis.hash } };
}

/** What was cut off, made up or rewritten at the end; comes first, because it says why a number is missing before it. */
function atEnd({ dir, standing, expected, isShut }: Findings): readonly Repair[] {
  if (expected === undefined || expected.seq === 0) return [];
  const end = standing?.link ?? genesis;
  if (end.seq < expected.seq)
    return [repair('truncated', `,"from":${end.seq + 1},"to":${expected.seq},"hash":"${expected.hash}"`)];
  if (end.seq === expected.seq)
    return end.hash === expected.hash
      ? []
      : [repair('changed', `,"record":${end.seq},"hash":"${expected.hash}"`)];
  const range = `,"from":${expected.seq + 1},"to":${end.seq}`;
  // A kill between the record and the head: what follows the head is ours if it says that it follows it.
  if (!isShut && follows(dir, expected)) return [repair('unsealed', range)];
  return [repair('changed', `,"record":${expected.seq},"hash":"${expected.hash}"${range}`)];
}

/** What was cut off because it was no whole line. A crash leaves that; who ended in order does not. */
function atTail({ tornBytes, isShut }: Findings): readonly Repair[] {
  if (tornBytes === 0) return [];
  return [repair(isShut ? 'changed' : 'torn-tail', `,"bytes":${tornBytes}`)];
}

function follows(dir: string, { file, bytes, seq, hash }: Position): boolean {
  try {
    const next = recordFrom(pathOf(dir, file), bytes) ?? recordFrom(pathOf(dir, file + 1), 0);
    return next?.link.seq === seq + 1 && next.prev === hash;
  } catch {
    // The file is not there, or cannot be read: then nothing shows that it follows.
    return false;
  }
}

function ofDisk({ dir, going }: Findings): readonly Repair[] {
  if (going?.isSuspect !== true) return [];
  const { last, confirmed } = going;
  const file = JSON.stringify(pathOf(dir, last.file));
  const range = `,"from":${confirmed.seq + 1},"to":${last.seq}`;
  // The disk may lose any of these, and then the chain has a hole: what it had confirmed before is vouched for by this record.
  return [repair('io-error', `,"file":${file}${range},"after":"${confirmed.hash}"`)];
}

function ofProof({ standing, head, checkpoints }: Findings): readonly Repair[] {
  const repairs: Repair[] = [];
  // In a first start there is neither; a head that is missing beside a chain was there once.
  const isChained = standing?.prev !== undefined;
  if (head !== undefined && head !== 'read' && isChained)
    repairs.push(repair('head-lost', `,"was":"${head}"`));
  if (checkpoints.told > checkpoints.known)
    repairs.push(repair('checkpoints-lost', `,"known":${checkpoints.known},"made":${checkpoints.told}`));
  if (standing !== undefined && !isChained)
    repairs.push(repair('chain-begins', `,"after":${standing.link.seq}`));
  return repairs;
}

function repair(kind: OwnKind, members: string): Repair {
  return { kind, members };
}

/** The last record of a journal. Looks into older files only where the newest holds none yet. Throws like `lastIn`. */
export function standingIn(dir: string, numbers: readonly number[]): Standing | undefined {
  for (const file of numbers.toReversed()) {
    const last: Last | undefined = lastIn(pathOf(dir, file));
    if (last !== undefined) return { ...last, file };
  }
  return undefined;
}

/** What is further on of what the head and a checkpoint say. */
export function furthest(one: Position | undefined, other: Position | undefined): Position | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other.seq > one.seq ? other : one;
}

export function furthestLink(one: Link = genesis, other: Link = genesis): Link {
  return other.seq > one.seq ? other : one;
}
