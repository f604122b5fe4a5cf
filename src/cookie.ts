import { createHmac, randomBytes } from 'node:crypto';
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from './domain/faults.ts';
import { readOurs, shellWord } from './files/ours.ts';

/**
 * The mark that every child of this state directory carries in its environment, the same after a restart: by it, leftovers
 * of a daemon that was killed are known for ours. Made at the first start. Throws `CONFIG_INVALID`.
 */
export function childCookie(stateDir: string): string {
  return keptHex(join(stateDir, 'child-cookie'), 16);
}

/** The key that seals what passes through clients' hands, the same after a restart. Made at the first start. Throws `CONFIG_INVALID`. */
export function sealKey(stateDir: string): Buffer {
  return Buffer.from(keptHex(join(stateDir, 'seal-key'), 32), 'hex');
}

/** The key of the digests that stand in the place of what was taken out; the same after a restart, so that equal stays equal. */
export function redactionKey(stateDir: string): Buffer {
  return createHmac('sha256', sealKey(stateDir)).update('redaction').digest();
}

function keptHex(path: string, bytes: number): string {
  const fresh = `${path}.new`;
  for (let tries = 0; tries < 3; tries++) {
    // What a start that was killed half-way left; while a file has both names it is refused as a hard link.
    rmSync(fresh, { force: true });
    // Whoever else could read or choose it could seal what only we may seal, or pass for our children.
    const hex = readOurs(path, { bytesMax: 1024, closed: 'to everybody' })?.toString('utf8').trim();
    if (hex !== undefined) {
      if (!/^[0-9a-f]+$/.test(hex) || hex.length !== bytes * 2) throw unusable(path, undefined);
      return hex;
    }
    try {
      // Written, then named: a kill in between leaves no empty key. Of two daemons at a first start, one names its own.
      writeFileSync(fresh, randomBytes(bytes).toString('hex'), { flag: 'wx', mode: 0o600, flush: true });
      linkSync(fresh, path);
    } catch (reason) {
      if (!['EEXIST', 'ENOENT'].includes((reason as NodeJS.ErrnoException).code ?? ''))
        throw unusable(path, reason);
    }
  }
  throw unusable(path, undefined);
}

function unusable(path: string, cause: unknown): Fault {
  return new Fault('CONFIG_INVALID', {
    detail: `${path} cannot be used`,
    hint: `rm ${shellWord(path)} (a new one is made at the next start)`,
    cause,
  });
}
