import { randomUUID } from 'node:crypto';
import { closeSync, constants, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Fault } from '../domain/faults.ts';

/**
 * Replaces a file so that a reader, a crash or a power cut finds the old text or the new one and nothing between. The file is
 * for its owner only. Throws `CONFIG_INVALID`.
 */
export function replaceWhole(path: string, text: string): void {
  const dir = dirname(path);
  const fresh = join(dir, `.${basename(path)}.${randomUUID()}.new`);
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    written(openSync(fresh, flags, 0o600), (file) => writeFileSync(file, text));
    renameSync(fresh, path);
    // With the rename a power cut would take the new text away.
    written(openSync(dir, constants.O_RDONLY), () => undefined);
  } catch (cause) {
    rmSync(fresh, { force: true });
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      hint: `see that ${dir} can be written and has room`,
      cause,
    });
  }
}

function written(file: number, write: (file: number) => void): void {
  try {
    write(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
