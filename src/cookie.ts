import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from './domain/faults.ts';

/**
 * The mark that every child of this state directory carries in its environment, the same after a restart: by it, leftovers
 * of a daemon that was killed are known for ours. Made at the first start. Throws `CONFIG_INVALID`.
 */
export function childCookie(stateDir: string): string {
  const path = join(stateDir, 'child-cookie');
  try {
    // wx: of two daemons at a first start, one makes it and the other reads it.
    writeFileSync(path, randomBytes(16).toString('hex'), { flag: 'wx', mode: 0o600 });
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(path, reason);
  }
  const cookie = readFileSync(path, 'utf8').trim();
  if (!/^[0-9a-f]{32}$/.test(cookie)) throw unusable(path, undefined);
  return cookie;
}

function unusable(path: string, cause: unknown): Fault {
  return new Fault('CONFIG_INVALID', {
    detail: `${path} cannot be used`,
    hint: `remove it: rm ${path}`,
    cause,
  });
}
