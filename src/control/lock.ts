import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../domain/faults.ts';

const tryAgainMs = 20;
const withinMs = 5000;

/**
 * A lock that the kernel holds for us, and drops when we die: Node has no `flock`, and SQLite takes one on an empty file
 * (fcntl(2), advisory). The file stays; to remove it would let two holders lock two files of one name. Gives the way to
 * let go. Throws `PLACE_TAKEN` when somebody else keeps it for longer than a start takes.
 */
export async function takeLock(path: string): Promise<() => void> {
  const before = process.umask(0o177);
  let file: DatabaseSync;
  try {
    file = new DatabaseSync(path, { timeout: 0 });
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', {
      detail: `no lock at ${path}: ${(cause as Error).message}`,
      hint: 'see that the state directory can be written',
      cause,
    });
  } finally {
    process.umask(before);
  }
  const release = () => file.close();
  for (let waitedMs = 0; ; waitedMs += tryAgainMs) {
    try {
      file.exec('BEGIN EXCLUSIVE');
      return release;
    } catch (cause) {
      if (waitedMs >= withinMs) {
        release();
        throw new Fault('PLACE_TAKEN', {
          detail: `another mcpd is starting: it holds ${path}`,
          hint: `wait for it, or see who it is: fuser -v ${path}`,
          cause,
        });
      }
    }
    await sleep(tryAgainMs);
  }
}
