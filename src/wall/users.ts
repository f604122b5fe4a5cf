import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { readJson } from '../domain/read-json.ts';
import { readOurs } from '../files/ours.ts';
import { replaceWhole } from '../files/replace.ts';

/** Where systemd takes the users from that it makes for a while; no distribution gives them to anybody for good. */
export const firstUid = 61_184;
export const lastUid = 65_519;
const fileBytesMax = 4 * 1024 * 1024;

/**
 * Which user id belongs to which server, the same for as long as the state directory lives: files in its home are its own
 * tomorrow, and nobody else's. Throws `CONFIG_INVALID`.
 */
export class Users {
  readonly #path: string;
  readonly #taken: (uid: number) => boolean;
  #uids: ReadonlyMap<string, number>;

  private constructor(path: string, taken: (uid: number) => boolean, uids: ReadonlyMap<string, number>) {
    this.#path = path;
    this.#taken = taken;
    this.#uids = uids;
  }

  static open(stateDir: string, taken: (uid: number) => boolean = takenHere): Users {
    const path = join(stateDir, 'users.json');
    return new Users(path, taken, new Map(read(path)));
  }

  /** Chosen by the name, so that it is the same in a new state directory unless somebody has it already. */
  of(server: string): number {
    const known = this.#uids.get(server);
    if (known !== undefined) return known;
    const count = lastUid - firstUid + 1;
    const used = new Set(this.#uids.values());
    const from = createHash('sha256').update(server).digest().readUInt32BE(0) % count;
    for (let step = 0; step < count; step++) {
      const uid = firstUid + ((from + step) % count);
      if (used.has(uid) || this.#taken(uid)) continue;
      // In force once it is on the disk: what a restart forgets could be given to another server, and this one's files with it.
      const next = new Map(this.#uids).set(server, uid);
      replaceWhole(this.#path, `${JSON.stringify(Object.fromEntries(next), undefined, 2)}\n`);
      this.#uids = next;
      return uid;
    }
    throw new Fault('CONFIG_INVALID', {
      detail: 'no user id is left for another server',
      hint: `rm ${this.#path}`,
    });
  }
}

function read(path: string): readonly (readonly [string, number])[] {
  // Whoever could write it could give two servers one user.
  const bytes = readOurs(path, { bytesMax: fileBytesMax, closed: 'to writers' });
  if (bytes === undefined) return [];
  try {
    const written: unknown = readJson(bytes.toString('utf8'));
    const entries = Object.entries(written as Record<string, unknown>);
    const good = entries.filter((it): it is [string, number] => typeof it[1] === 'number' && isOurs(it[1]));
    // Two servers with one user could read one another's memory.
    if (good.length === entries.length && new Set(good.map(([, uid]) => uid)).size === good.length)
      return good;
  } catch {
    // Not JSON: said below.
  }
  throw new Fault('CONFIG_INVALID', { detail: `${path} is damaged`, hint: `remove it: rm ${path}` });
}

function isOurs(uid: number): boolean {
  return Number.isInteger(uid) && uid >= firstUid && uid <= lastUid;
}

/** Somebody of this machine, or a user that systemd has made for a service. */
function takenHere(uid: number): boolean {
  if (existsSync(`/run/systemd/dynamic-uid/${uid}`)) return true;
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .some((line) => line.split(':')[2] === String(uid));
  } catch {
    return false;
  }
}
