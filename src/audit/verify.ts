import { setTimeout as pause } from 'node:timers/promises';
import { genesis, type Link } from './chain.ts';
import type { CheckpointRead } from './checkpoint.ts';
import { checkpointsOf, headOf, publicKey, retiredBy, type HeadLook } from './journal-evidence.ts';
import type { Head } from './journal-head.ts';
import type { ProofPlace } from './journal-keys.ts';
import { Reading } from './journal-reading.ts';
import { Notes, records, type Verdict } from './verdict.ts';

export type VerifyPlace = {
  readonly dir: string;
  readonly proof: ProofPlace;
  /** An auditor's own copy of the public key; then nothing is believed that needs a secret key, and the head is not looked at. */
  readonly publicKey?: string;
};

/** How often, and how long apart, the end is looked at while somebody writes. */
const looksMax = 15;
const lookEveryMs = 20;

/**
 * Holds a journal against its chain, its head and its checkpoints. Needs no daemon and disturbs none: what is being written
 * while it reads is no finding. Throws what cannot be read, as `AUDIT_UNAVAILABLE` or `CONFIG_INVALID`.
 */
export async function verify(place: VerifyPlace): Promise<Verdict> {
  const notes = new Notes();
  // In this order: whatever is written meanwhile makes the journal longer than its proof, and never shorter.
  const look = place.publicKey === undefined ? await headOf(place.proof) : undefined;
  const head = look?.();
  const key = publicKey(place.proof, place.publicKey);
  const checkpoints = checkpointsOf(place.proof, key, notes);
  const reading = new Reading(place.dir, notes, checkpoints, known(head)?.last.seq ?? Infinity);
  try {
    reading.readOn();
    const fits = look === undefined ? undefined : await holdAgainst(look, reading, checkpoints, notes);
    const isShut = surelyShut(look, reading);
    const retired = newest(reading.judge.own.retired, retiredBy(known(look?.()), checkpoints));
    reading.finish(retired.seq, isShut);
    judgeBeginning(reading, retired, notes);
    judgeCheckpoints(reading, known(head), checkpoints, notes);
    if (look === undefined) judgeUnsigned(reading, checkpoints, notes);
    if (key === undefined)
      notes.find({ kind: 'unsigned', says: 'there is no public key to believe checkpoints by' });
    return reading.verdict(fits, checkpoints.length);
  } finally {
    reading.close();
  }
}

function known(head: Head | 'absent' | 'invalid' | undefined): Head | undefined {
  return typeof head === 'object' ? head : undefined;
}

/** Whether mcpd had ended in order when everything was read: then nothing of its own can be unfinished. */
function surelyShut(look: HeadLook | undefined, reading: Reading): boolean {
  const isShut = () => known(look?.())?.isShut === true;
  if (!isShut()) return false;
  // What was being written when it was read is whole by now.
  reading.readOn();
  return isShut();
}

/** Whether the journal ends where the head says. Somebody may be writing both while we look. */
async function holdAgainst(
  look: HeadLook,
  reading: Reading,
  checkpoints: readonly CheckpointRead[],
  notes: Notes,
): Promise<boolean> {
  let before: number | undefined;
  let isMoving = false;
  for (let looks = 1; ; looks++) {
    const head = look();
    if (typeof head !== 'object') {
      if (looks < looksMax && head === 'invalid') await pause(lookEveryMs);
      else return !tellNoHead(head, reading, checkpoints, notes);
      continue;
    }
    isMoving ||= before !== undefined && head.last.seq !== before;
    before = head.last.seq;
    reading.readOn();
    const { last } = reading.judge;
    // The head is written after the record: it is never ahead, and may be behind for as long as a turn takes.
    if (head.last.seq >= last.seq || head.isShut || isMoving || looks === looksMax)
      return judgeEnd(head, reading, isMoving, notes);
    await pause(lookEveryMs);
  }
}

/** Not where it was to be expected: killed in its first moments, mcpd has made a key for the head, and no head yet. */
function tellNoHead(
  head: 'absent' | 'invalid',
  reading: Reading,
  checkpoints: readonly CheckpointRead[],
  notes: Notes,
): boolean {
  // Before its first record mcpd begins the head. So it is missing also beside records that no chain vouches for: else whoever
  // removes head and checkpoints could put any journal in the format of before in the place of ours.
  const isNew = reading.judge.count === 0 && checkpoints.length === 0;
  if (isNew && head === 'absent') return false;
  const says =
    head === 'absent'
      ? 'the head of the journal is missing: whether records were cut off at the end is known to the checkpoints only'
      : 'the head of the journal is not one that mcpd wrote';
  notes.find({ kind: 'head', says });
  return true;
}

function judgeEnd(head: Head, reading: Reading, isMoving: boolean, notes: Notes): boolean {
  const { last } = reading.judge;
  const { seq, hash } = head.last;
  if (seq > last.seq) {
    const from = last.seq + 1;
    notes.find({
      kind: 'truncated',
      from,
      to: seq,
      says: `${records(from, seq)} ${from === seq ? 'was' : 'were'} written, and the journal ends before: cut off, or lost in a power cut`,
    });
    return false;
  }
  const found = seq === 0 ? genesis.hash : reading.hashAt(seq);
  if (found !== undefined && found !== hash && seq > 0) {
    const from = (reading.signed?.at.seq ?? 0) + 1;
    const says = `record ${seq} is not the one that the head holds: it was changed, or something before it and the chain made anew`;
    notes.find({
      kind: seq === last.seq && from === seq ? 'edited' : 'rewritten',
      from: Math.min(from, seq),
      to: seq,
      says,
    });
    return false;
  }
  if (seq < last.seq && !isMoving) {
    const behind = `${records(seq + 1, last.seq)} ${seq + 1 === last.seq ? 'stands' : 'stand'} behind the head`;
    const range = { from: seq + 1, to: last.seq };
    if (head.isShut) {
      const says = `${behind}, and mcpd had ended in order: somebody else wrote them`;
      notes.find({ kind: 'inserted', ...range, says });
    } else {
      const says = `${behind}: mcpd was killed as it wrote, or somebody added to the journal`;
      notes.warn({ kind: 'unsealed', ...range, says });
    }
  }
  return true;
}

/** What is there must begin after what retention removed. */
function judgeBeginning(reading: Reading, retired: Link, notes: Notes): void {
  const { first, own } = reading.judge;
  if (first === undefined || (first.seq === 1 && (first.prev ?? genesis.hash) === genesis.hash)) return;
  const { file, seq, prev } = first;
  if (seq > retired.seq + 1) {
    if (own.toldTruncated(retired.seq + 1, seq - 1)) return;
    const says = `the journal begins with record ${seq} in ${file}, and should begin with record ${retired.seq + 1}`;
    if (own.unconfirmed(retired.seq + 1, seq - 1))
      return notes.warn({
        kind: 'io-error',
        file,
        from: retired.seq + 1,
        to: seq - 1,
        says: `${says}: the disk lost what was between`,
      });
    return notes.find({ kind: 'missing', file, from: retired.seq + 1, to: seq - 1, says });
  }
  const before = retired.seq === seq - 1 ? retired : own.retiredAt(seq - 1);
  if (before === undefined || prev === undefined || before.hash === prev) return;
  const says = `record ${seq}, the first in ${file}, does not follow the record that was removed before it`;
  notes.find({ kind: 'edited', file, from: seq, to: seq, says });
}

/** Without the head, the end is known as far as it is signed. */
function judgeUnsigned(reading: Reading, checkpoints: readonly CheckpointRead[], notes: Notes): void {
  const { last, count } = reading.judge;
  const signed = checkpoints.at(-1)?.at.seq ?? 0;
  if (signed === 0) notes.find({ kind: 'unsigned', says: 'no checkpoint signs any of this journal' });
  else if (count > 0 && last.seq > signed) {
    const says = `${records(signed + 1, last.seq)} came after the newest checkpoint: more may have been cut off behind`;
    notes.warn({ kind: 'unsealed', from: signed + 1, to: last.seq, says });
  }
}

function newest(one: Link, other: Link): Link {
  return other.seq > one.seq ? other : one;
}

function judgeCheckpoints(
  reading: Reading,
  head: Head | undefined,
  checkpoints: readonly CheckpointRead[],
  notes: Notes,
): void {
  const newest = checkpoints.at(-1);
  const { first, last } = reading.judge;
  const ahead = checkpoints.find(({ at }) => at.seq > last.seq);
  if (ahead !== undefined && newest !== undefined) {
    const from = last.seq + 1;
    const says = `checkpoint ${newest.n}, signed at ${newest.time}, has ${records(from, newest.at.seq)}, and the journal ends before`;
    notes.find({ kind: 'truncated', from, to: newest.at.seq, says });
  }
  const count = newest?.n ?? 0;
  if (head !== undefined && head.checkpoints > count) {
    const says = `${head.checkpoints} checkpoints were made, and the newest that can be believed is ${count === 0 ? 'none' : `number ${count}`}`;
    notes.find({ kind: 'checkpoint', says });
  }
  const oldest = checkpoints[0]?.n ?? 1;
  if (oldest > 1 && first?.seq === 1)
    notes.warn({ kind: 'checkpoints', says: `checkpoints 1 to ${oldest - 1} are not here` });
}
