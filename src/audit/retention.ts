import type { AuditTerms } from '../domain/care.ts';

/** A file that is closed to new records. */
export type ClosedFile = {
  readonly number: number;
  readonly bytes: number;
  /** When its last record was written; undefined where that is not known. Asked of the oldest only: it takes a look inside. */
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
  let count = 0;
  for (const { bytes, lastWallMs } of closed) {
    if (count === atOnce || (total <= keepBytesMax && !isOld(lastWallMs(), keepMs, nowMs))) break;
    total -= bytes;
    count++;
  }
  return closed.slice(0, count);
}

function isOld(lastWallMs: number | undefined, keepMs: number, nowMs: number | undefined): boolean {
  return nowMs !== undefined && lastWallMs !== undefined && nowMs - lastWallMs > keepMs;
}
