import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Replaces a file whole, keeping its mode, or says why not; a reader sees the old text or the new one. A link stays a link,
 * and the file that it leads to is replaced.
 */
export function replaceFile(file: string, was: string, text: string): string | undefined {
  let fresh: string | undefined;
  try {
    const path = realpathSync(file);
    const { mode } = statSync(path);
    fresh = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
    writeFresh(fresh, text, mode & 0o777);
    // Somebody may have saved the file while it was laid out, and their work is worth more than ours.
    if (readFileSync(path, 'utf8') !== was) {
      rmSync(fresh, { force: true });
      return 'it was changed at the same time, so it was left alone';
    }
    renameSync(fresh, path);
    return undefined;
  } catch (reason) {
    if (fresh !== undefined) rmSync(fresh, { force: true });
    return `cannot be written (${(reason as NodeJS.ErrnoException).code ?? String(reason)})`;
  }
}

/** Writes a file that is not there yet; throws where it is, and follows no link (CWE-59). */
export function writeFresh(path: string, text: string, mode: number): void {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } catch (reason) {
    // Half a policy may lack the rule that denies.
    rmSync(path, { force: true });
    throw reason;
  } finally {
    closeSync(fd);
  }
  chmodSync(path, mode);
}
