import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { flawOf, own } from '../files/ours.ts';

const fileBytesMax = 8 * 1024 * 1024;

/** The text of a file that only its owner can open; undefined when there is none. Throws `CONFIG_INVALID` otherwise. */
export function readPrivate(dir: string, name: string): string | undefined {
  const path = join(dir, name);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    if (codeOf(cause) === 'ELOOP')
      throw new Fault('CONFIG_INVALID', { detail: `${path} is a symbolic link`, hint: own(path), cause });
    throw unreadable(path, cause);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > fileBytesMax)
      throw new Fault('CONFIG_INVALID', {
        detail: `${path} is not a plain file of moderate size`,
        hint: `Move ${path} away.`,
      });
    // Whoever can write here can let themselves in.
    const flaw = flawOf(path, stat, 'to everybody');
    if (flaw !== undefined)
      throw new Fault('CONFIG_INVALID', {
        detail: `${path} does not belong to mcpd alone: it ${flaw.what}`,
        hint: flaw.mend,
      });
    return readFileSync(fd, 'utf8');
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw unreadable(path, cause);
  } finally {
    closeSync(fd);
  }
}

function unreadable(path: string, cause: unknown): Fault {
  return new Fault('CONFIG_INVALID', {
    detail: `cannot read ${path}: ${told(cause)}`,
    hint: `Make ${path} a plain file that mcpd can read, mode 600.`,
    cause,
  });
}

function told(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function codeOf(cause: unknown): string | undefined {
  return (cause as NodeJS.ErrnoException).code;
}
