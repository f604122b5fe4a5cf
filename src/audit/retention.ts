import type { AuditTerms } from '../domain/care.ts';

/** A file that is closed to new records. */
export type ClosedFile = {
  readonly number: number;
  readonly bytes: number;
  /** When its last record was written; undefined where that is not known. It takes a look inside. */
  readonly lastWallMs: () => number | undefined;
};

export type RetentionTerms = Pick<AuditTerms, 'keepMs' | 'keepBytesMax'> &
  Partial<Pick<AuditTerms, 'fileAgeMs'>>;

/** How much of a long time without a record is believed: more keeps less when the clock was set ahead. */
const gapMsMax = 7 * 86_400_000;
/** Removing is slow on some disks; what is left goes the next time. */
const atOnce = 16;

/**
 * Which closed files, given oldest first, need not be kept any longer: always the oldest, without a gap. `nowMs` is
 * undefined while the wall clock cannot be trusted: set ahead by ten years, it would have the whole journal removed. `sinceMs`:
 * for how long, by the steady clock, the newest of them has been closed at least.
 */
export function outlived(
  closed: readonly ClosedFile[],
  openBytes: number,
  { keepMs, keepBytesMax, fileAgeMs = 0 }: RetentionTerms,
  nowMs: number | undefined,
  sinceMs = 0,
): readonly ClosedFile[] {
  let total = closed.reduce((sum, { bytes }) => sum + bytes, openBytes);
  const old =
    nowMs === undefined
      ? 0
      : oldOf(closed, keepMs, Math.max(fileAgeMs, Math.min(gapMsMax, keepMs / 2)), nowMs, sinceMs);
  let count = 0;
  for (const { bytes } of closed) {
    if (count === atOnce || (total <= keepBytesMax && count >= old)) break;
    total -= bytes;
    count++;
  }
  return closed.slice(0, count);
}

/**
 * How many of the first are old. Counted back from now, file by file, and of the time between two of them no more than `gapMs`,
 * or what a clock that nobody sets has measured: one that was set ten years ahead makes none older than that, also when nobody
 * remembers that it was set. One without a time, or from after the next one, is as old as that one.
 */
function oldOf(
  closed: readonly ClosedFile[],
  keepMs: number,
  gapMs: number,
  nowMs: number,
  sinceMs: number,
): number {
  if (!mayBeOld(closed[0], keepMs, nowMs)) return 0;
  let ageMs = 0;
  let nextMs = nowMs;
  let mostMs = Math.max(gapMs, sinceMs);
  for (const [at, { lastWallMs }] of [...closed.entries()].toReversed()) {
    const wallMs = lastWallMs() ?? nextMs;
    ageMs += Math.min(mostMs, Math.max(0, nextMs - wallMs));
    mostMs = gapMs;
    nextMs = wallMs;
    if (ageMs > keepMs) return at + 1;
  }
  return 0;
}

/** Whether the others have to be looked into at all: false almost always. */
export function mayBeOld(oldest: ClosedFile | undefined, keepMs: number, nowMs: number): boolean {
  const wallMs = oldest?.lastWallMs();
  return oldest !== undefined && !(wallMs !== undefined && wallMs <= nowMs && nowMs - wallMs <= keepMs);
}
