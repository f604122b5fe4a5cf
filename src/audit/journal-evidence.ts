import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { KeyObject } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { genesis, type Link } from './chain.ts';
import { readCheckpoints } from './journal-checkpoints.ts';
import type { CheckpointRead } from './checkpoint.ts';
import { readHead, type Head } from './journal-head.ts';
import { headPath, publicKeyOf, publicKeyPath, readHeadKey, type ProofPlace } from './journal-keys.ts';
import type { Notes } from './verdict.ts';

/** The head as it is at this moment. */
export type HeadLook = () => Head | 'absent' | 'invalid';

/** Reads the public key of a journal: a file that was handed to an auditor, or ours. Undefined where there is none. */
export function publicKey(place: ProofPlace, file: string | undefined): KeyObject | undefined {
  const path = file ?? publicKeyPath(place);
  try {
    return publicKeyOf(path, readFileSync(path, 'utf8'));
  } catch (reason) {
    if (file === undefined && (reason as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw reason;
  }
}

/** The head, as often as it is asked for; undefined where its key is not at hand. A look that falls into a write is repeated. */
export async function headOf(place: ProofPlace): Promise<HeadLook | undefined> {
  const key = readHeadKey(place);
  if (key === undefined) return undefined;
  const look: HeadLook = () => {
    const read = readHead(headPath(place), key);
    return read.kind === 'read' ? read.head : read.kind;
  };
  for (let tries = 0; tries < 5 && look() === 'invalid'; tries++) await pause(20);
  return look;
}

/** Reads the checkpoints and says which of them cannot be believed. */
export function checkpointsOf(
  place: ProofPlace,
  key: KeyObject | undefined,
  notes: Notes,
): readonly CheckpointRead[] {
  if (key === undefined) return [];
  const all = readCheckpoints(place.checkpoints, key);
  const found: (CheckpointRead & { readonly file: string; readonly line: number })[] = [];
  for (const { file, line, read } of all) {
    if (read !== undefined) found.push({ ...read, file: basename(file), line });
    else
      notes.find({
        kind: 'checkpoint',
        file: basename(file),
        line,
        says: `line ${line} of ${basename(file)} is no checkpoint`,
      });
  }
  return vouched(found, notes);
}

type Placed = CheckpointRead & { readonly file: string; readonly line: number };

/**
 * Those that a signature vouches for. The signature of the newest one covers all that it follows, by their hashes: so one
 * signature is checked for the whole chain, and one more wherever the chain is broken.
 */
function vouched(found: readonly Placed[], notes: Notes): readonly CheckpointRead[] {
  const good: CheckpointRead[] = [];
  let next: Placed | undefined;
  for (const it of found.toReversed()) {
    const covered = next !== undefined && next.prev === it.hash && next.n === it.n + 1;
    if (!covered && next !== undefined) broken(it, next, notes);
    // A signature takes 0.1 ms: whoever fills the folder with forged ones does not get to keep the auditor waiting.
    if (covered || (notes.more === 0 && it.isSigned())) {
      good.push(it);
      next = it;
    } else {
      const says = `checkpoint ${it.n} in ${it.file} is not signed with this key`;
      notes.find({ kind: 'checkpoint', file: it.file, line: it.line, says });
    }
  }
  return good.reverse();
}

function broken(it: Placed, next: Placed, notes: Notes): void {
  const { file, line } = next;
  const isGap = next.n > it.n + 1;
  const says = isGap
    ? `${next.n - it.n - 1} checkpoints between ${it.n} and ${next.n} are missing`
    : `checkpoint ${next.n} in ${file} does not follow checkpoint ${it.n}`;
  // When mcpd itself found some gone, it went on from the one that was left, and the journal says so.
  if (isGap && next.prev === it.hash) notes.warn({ kind: 'checkpoints', file, says });
  else notes.find({ kind: 'checkpoint', file, line, says });
}

/** The newest record that retention had removed, as far as the head and the checkpoints know. */
export function retiredBy(head: Head | undefined, checkpoints: readonly CheckpointRead[]): Link {
  const told = [head?.retired, checkpoints.at(-1)?.retired];
  return told.reduce<Link>((newest, it) => (it !== undefined && it.seq > newest.seq ? it : newest), genesis);
}
