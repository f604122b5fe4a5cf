import { createHmac, randomBytes } from 'node:crypto';
import { linkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from './domain/faults.ts';
import { readOurs, shellWord } from './files/ours.ts';
import { isPassing } from './files/passing.ts';

/**
 * The mark that every child of this state directory carries in its environment, the same after a restart: by it, leftovers
 * of a daemon that was killed are known for ours. Made at the first start, and again in a copy of the directory: else a daemon
 * that is started on a copy would end the children of the one that runs. Throws `CONFIG_INVALID`, and `AUDIT_UNAVAILABLE` where
 * the disk is full or fails.
 */
export function childCookie(stateDir: string): string {
  const { dev, ino } = statSync(stateDir);
  return keptHex(join(stateDir, 'child-cookie'), 16, `${dev}:${ino}`);
}

/** The key that seals what passes through clients' hands, the same after a restart. Made at the first start. Throws `CONFIG_INVALID`. */
export function sealKey(stateDir: string): Buffer {
  return Buffer.from(keptHex(join(stateDir, 'seal-key'), 32), 'hex');
}

/** The key of the digests that stand in the place of what was taken out; the same after a restart, so that equal stays equal. */
export function redactionKey(stateDir: string): Buffer {
  return createHmac('sha256', sealKey(stateDir)).update('redaction').digest();
}

/** `place`: where it is good; behind it in the file. */
function keptHex(path: string, bytes: number, place?: string): string {
  const fresh = `${path}.new`;
  for (let tries = 0; tries < 4; tries++) {
    // What a start that was killed half-way left; while a file has both names it is refused as a hard link.
    rmSync(fresh, { force: true });
    // Whoever else could read or choose it could seal what only we may seal, or pass for our children.
    const kept = readOurs(path, { bytesMax: 1024, closed: 'to everybody' })?.toString('utf8').trim();
    if (kept !== undefined) {
      const [hex = '', madeAt] = kept.split(' ');
      if (!/^[0-9a-f]+$/.test(hex) || hex.length !== bytes * 2) throw unusable(path, undefined);
      if (madeAt === place) return hex;
      // One that says nothing of a place is of an earlier version, and of this directory.
      rmSync(path);
      if (madeAt === undefined) makeHex(fresh, path, hex, place);
      continue;
    }
    try {
      makeHex(fresh, path, randomBytes(bytes).toString('hex'), place);
    } catch (reason) {
      if (!['EEXIST', 'ENOENT'].includes((reason as NodeJS.ErrnoException).code ?? ''))
        throw unusable(path, reason);
    }
  }
  throw unusable(path, undefined);
}

/** Written, then named: a kill in between leaves no empty key. Of two daemons at a first start, one names its own. */
function makeHex(fresh: string, path: string, hex: string, place: string | undefined): void {
  const text = place === undefined ? hex : `${hex} ${place}`;
  writeFileSync(fresh, text, { flag: 'wx', mode: 0o600, flush: true });
  linkSync(fresh, path);
}

function unusable(path: string, cause: unknown): Fault {
  if (isPassing(cause))
    return new Fault('AUDIT_UNAVAILABLE', {
      detail: `${path} cannot be written`,
      hint: `see that the disk has room and works: df ${shellWord(path)}; then start mcpd again`,
      cause,
    });
  return new Fault('CONFIG_INVALID', {
    detail: `${path} cannot be used`,
    hint: `rm ${shellWord(path)} (a new one is made at the next start)`,
    cause,
  });
}
