import type { AuditTerms } from '../domain/care.ts';

/** A file that is closed to new records. */
export type ClosedFile = {
  readonly number: number;
  readonly bytes: number;
  /** When its last record was written; undefined where that is not known. It takes a look inside. */
  readonly lastWallMs: () => number | undefined;
};

export type RetentionTerms = Pick<AuditTerms, 'keepMs' | 'keepBytesMax'>;

/** Without a record for so long, a file is kept longer; with a clock that was set ahead, it is not removed much too early. */
const gapMsMax = 7 * 86_400_000;
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
 * How many of the first are old. Counted back from now, file by file, and of the time between two of them no more than some
 * days: a clock that was set ten years ahead makes none older than that, also when nobody remembers that it was set. One
 * without a time, or from after the next one, is as old as that one.
 */
function oldOf(closed: readonly ClosedFile[], keepMs: number, nowMs: number | undefined): number {
  if (nowMs === undefined || !mayBeOld(closed[0], keepMs, nowMs)) return 0;
  const gapMs = Math.min(gapMsMax, keepMs / 2);
  let ageMs = 0;
  let nextMs = nowMs;
  for (const [at, { lastWallMs }] of [...closed.entries()].toReversed()) {
    const wallMs = lastWallMs() ?? nextMs;
    ageMs += Math.min(gapMs, Math.max(0, nextMs - wallMs));
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
