import type { AuditTerms } from '../domain/care.ts';

/** A file that is closed to new records. */
export type ClosedFile = {
  readonly number: number;
  readonly bytes: number;
  /** When its last record was written; undefined where that is not known. Asked of the oldest ones: it takes a look inside. */
  readonly lastWallMs: () => number | undefined;
};

export type RetentionTerms = Pick<AuditTerms, 'keepMs' | 'keepBytesMax'>;

/** Removing is slow on some disks; what is left goes the next time. */
const atOnce = 16;

/**
 * Which closed files, given oldest first, need not be kept any longer: always the oldest, without a gap. `nowMs` is
 * undefined while the wall clock cannot be trusted: set ahead by ten years, it would have the whole journal removed.
 */
export function outlived(
  closed: readonly ClosedFile[],
  openBytes: number,
  { keepMs, keepBytesMax }: RetentionTerms,
  nowMs: number | undefined,
): readonly ClosedFile[] {
  let total = closed.reduce((sum, { bytes }) => sum + bytes, openBytes);
  const old = oldOf(closed, keepMs, nowMs);
  let count = 0;
  for (const { bytes } of closed) {
    if (count === atOnce || (total <= keepBytesMax && count >= old)) break;
    total -= bytes;
    count++;
  }
  return closed.slice(0, count);
}

/**
 * How many of the first are old. One without a time, or with one that is still to come because the clock was set when it was
 * written, is as old as the one that follows it; else a single one would keep all that come after it, for years.
 */
function oldOf(closed: readonly ClosedFile[], keepMs: number, nowMs: number | undefined): number {
  let old = 0;
  if (nowMs === undefined) return old;
  for (const [at, { lastWallMs }] of closed.entries()) {
    const ageMs = nowMs - (lastWallMs() ?? Infinity);
    if (ageMs < 0) continue;
    if (ageMs <= keepMs) break;
    old = at + 1;
  }
  return old;
}
