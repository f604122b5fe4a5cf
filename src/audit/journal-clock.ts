import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { pathOf } from './journal-files.ts';
import type { Standing } from './journal-repairs.ts';

const dayMs = 86_400_000;
const windowBytes = 1024 * 1024;
/** Longer than the members of such a record. */
const overlapBytes = 256;
const clockRecord = '"kind":"clock","time":"';
const membersOf = /^"kind":"clock","time":"([^"]{20,30})","jumpMs":(-?\d{1,16})\b/;

/**
 * Whether the wall clock of a machine is one that may be set back, as far as the journal knows at a start: it stands more than
 * a day after the last record (a machine that starts before it has asked for the time), or the newest file says that it was set
 * ahead less than a day ago. A doubt keeps files a day longer; none takes the whole journal away.
 */
export function isDoubtful(dir: string, standing: Standing | undefined, wallMs: number): boolean {
  if (standing === undefined) return false;
  if (standing.wallMs !== undefined && Math.abs(wallMs - standing.wallMs) > dayMs) return true;
  const setAt = setAheadIn(pathOf(dir, standing.file));
  return setAt !== undefined && Math.abs(wallMs - setAt) < dayMs;
}

/** When the newest record of a jump was written, if the clock was set ahead. A file has some tens of megabytes at the most. */
function setAheadIn(path: string): number | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const bytes = Buffer.alloc(windowBytes + overlapBytes);
    for (let end = fstatSync(fd).size; end > 0; end -= windowBytes) {
      const from = Math.max(0, end - windowBytes);
      const read = readSync(fd, bytes, 0, Math.min(bytes.length, end - from + overlapBytes), from);
      // Within a string the quotes would be escaped, so it is the kind of a record.
      const at = bytes.subarray(0, read).lastIndexOf(clockRecord);
      if (at < 0) continue;
      const [, time = '', jump] =
        membersOf.exec(bytes.toString('latin1', at, Math.min(read, at + overlapBytes))) ?? [];
      return Number(jump) > 0 ? Date.parse(time) : undefined;
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}
