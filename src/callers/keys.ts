import { hash, randomBytes, randomInt } from 'node:crypto';
import type { Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import { holdLock, readPrivate, replaceWhole } from './key-file.ts';

/** What we keep of a key: enough to know it again, not enough to make it. */
export type KeyRecord = {
  readonly name: string;
  /** The part of the key that may be shown. */
  readonly id: string;
  /** SHA-256, in hex, of the whole key. It holds 256 random bits, so no slow hash is needed. */
  readonly sha256: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly revokedAt?: string;
};

/** The keys as calls see them: never edited, replaced whole. */
export type KeyRing = {
  readonly byId: ReadonlyMap<
    string,
    { readonly principal: Principal; readonly digest: Buffer; readonly revoked: boolean }
  >;
};

/** A new key. `key` exists nowhere else: show it once. */
export type NewKey = { readonly key: string; readonly record: KeyRecord };

export type Revocation =
  | { readonly kind: 'revoked'; readonly record: KeyRecord }
  | { readonly kind: 'already'; readonly record: KeyRecord }
  | { readonly kind: 'unknown' };

const fileName = 'keys.json';
const keysMax = 10_000;
const nameForm = /^[A-Za-z0-9._@-]{1,64}$/;
const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * Makes a key for a caller: `mcpd_<8 characters>_<32 bytes in base64url>`, so that secret scanners can find one that got
 * out. Throws `CONFIG_INVALID` when the name is taken or not a name.
 */
export async function addKey(dir: string, name: string): Promise<NewKey> {
  refuseBadName(name);
  return withLock(dir, (records) => {
    if (records.some((it) => it.name === name && it.revokedAt === undefined)) {
      throw new Fault('CONFIG_INVALID', {
        detail: `${name} has a key already`,
        hint: `Choose another name, or first type: mcpd key revoke ${name}`,
      });
    }
    if (records.length >= keysMax) {
      throw new Fault('CONFIG_INVALID', {
        detail: `${fileName} holds ${keysMax} keys`,
        hint: 'Remove revoked ones from it.',
      });
    }
    const id = freshId(records);
    const key = `mcpd_${id}_${randomBytes(32).toString('base64url')}`;
    const record = { name, id, sha256: hash('sha256', key, 'hex'), createdAt: new Date().toISOString() };
    return { records: [...records, record], result: { key, record } };
  });
}

/** All keys, oldest first, revoked ones too. No file: no keys. Throws `CONFIG_INVALID` when the file cannot be trusted. */
export function listKeys(dir: string): readonly KeyRecord[] {
  const text = readPrivate(dir, fileName);
  return text === undefined ? [] : readRecords(text, `${dir}/${fileName}`);
}

/** Takes a caller's key away. What is so already succeeds and says so. */
export async function revokeKey(dir: string, name: string): Promise<Revocation> {
  return withLock<Revocation>(dir, (records) => {
    const own = records.filter((it) => it.name === name);
    const active = own.find((it) => it.revokedAt === undefined);
    const last = own.at(-1);
    if (last === undefined) return { records: undefined, result: { kind: 'unknown' } };
    if (active === undefined) return { records: undefined, result: { kind: 'already', record: last } };
    const revoked = { ...active, revokedAt: new Date().toISOString() };
    return {
      records: records.map((it) => (it === active ? revoked : it)),
      result: { kind: 'revoked', record: revoked },
    };
  });
}

/** The keys of a directory, ready for `identify`. Throws like `listKeys`: a broken file never means that no key is needed. */
export function loadKeyRing(dir: string): KeyRing {
  return keyRing(listKeys(dir));
}

export function keyRing(records: readonly KeyRecord[]): KeyRing {
  return {
    byId: new Map(
      records.map(({ id, name, sha256, revokedAt }) => [
        id,
        {
          principal: Object.freeze({ name }),
          digest: Buffer.from(sha256, 'hex'),
          revoked: revokedAt !== undefined,
        },
      ]),
    ),
  };
}

/** Reads, changes and replaces the file while nobody else does. `records: undefined`: nothing changes. */
async function withLock<T>(
  dir: string,
  change: (records: readonly KeyRecord[]) => {
    readonly records: readonly KeyRecord[] | undefined;
    readonly result: T;
  },
): Promise<T> {
  const lock = await holdLock(dir, fileName);
  try {
    const { records, result } = change(listKeys(dir));
    lock.mustHold();
    if (records !== undefined)
      replaceWhole(dir, fileName, JSON.stringify({ version: 1, keys: records }, null, 2) + '\n');
    return result;
  } finally {
    lock.release();
  }
}

function refuseBadName(name: string): void {
  if (!nameForm.test(name)) {
    throw new Fault('CONFIG_INVALID', {
      detail: 'not a name for a key',
      hint: 'Use 1 to 64 letters, digits and . _ @ - for the name of a key.',
    });
  }
  // Whoever had this key would be taken for the caller without one.
  if (name === 'anyone') {
    throw new Fault('CONFIG_INVALID', {
      detail: 'the name "anyone" means a caller without a key',
      hint: 'Choose another name.',
    });
  }
}

function freshId(records: readonly KeyRecord[]): string {
  const taken = new Set(records.map((it) => it.id));
  for (;;) {
    const id = Array.from({ length: 8 }, () => base62[randomInt(base62.length)]).join('');
    if (!taken.has(id)) return id;
  }
}

function readRecords(text: string, path: string): readonly KeyRecord[] {
  const broken = (what: string, cause?: unknown) =>
    new Fault('CONFIG_INVALID', {
      detail: `${path}: ${what}`,
      hint: `Put back a good copy of ${path}, or move it away and make new keys with: mcpd key add NAME`,
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw broken('not valid JSON', cause);
  }
  if (
    !isRecord(value) ||
    value['version'] !== 1 ||
    !Array.isArray(value['keys']) ||
    Object.keys(value).length !== 2
  ) {
    throw broken('not a key file of this version');
  }
  const keys: readonly unknown[] = value['keys'];
  if (keys.length > keysMax) throw broken(`more than ${keysMax} keys`);
  const bad = keys.findIndex((it) => !isKeyRecord(it));
  if (bad >= 0) throw broken(`key number ${bad + 1} is not a key record`);
  const records = keys as readonly KeyRecord[];
  if (new Set(records.map((it) => it.id)).size !== records.length) throw broken('an id stands there twice');
  return records;
}

/** Strict: a misspelt `revokedAt` must not bring a key back to life. */
function isKeyRecord(value: unknown): value is KeyRecord {
  if (!isRecord(value)) return false;
  const { name, id, sha256, createdAt, revokedAt, ...rest } = value;
  return (
    Object.keys(rest).length === 0 &&
    matches(name, nameForm) &&
    name !== 'anyone' &&
    matches(id, /^[0-9A-Za-z]{8}$/) &&
    matches(sha256, /^[0-9a-f]{64}$/) &&
    typeof createdAt === 'string' &&
    (!Object.hasOwn(value, 'revokedAt') || typeof revokedAt === 'string')
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function matches(value: unknown, form: RegExp): boolean {
  return typeof value === 'string' && form.test(value);
}
