import { hash, randomBytes, randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { holdLock } from '../files/lock.ts';
import { replaceWhole } from '../files/replace.ts';
import { readPrivate } from './key-file.ts';
import {
  isCallerName,
  keysMax,
  readRecords,
  writeRecords,
  type KeyRecord,
  type KeyScope,
} from './key-record.ts';
import { keyRing, type CompilePattern, type KeyRing } from './key-ring.ts';

/** A new key. `key` exists nowhere else: show it once. */
export type NewKey = { readonly key: string; readonly record: KeyRecord };

/** How a key is wanted. `expiresAtMs`: wall clock, milliseconds since 1970; absent: it is good until it is revoked. */
export type KeyTerms = KeyScope & { readonly expiresAtMs?: number | undefined; readonly note?: string };

export type Rotation =
  | { readonly kind: 'rotated'; readonly made: NewKey; readonly old: readonly KeyRecord[] }
  | { readonly kind: 'unknown' };

export type Revocation =
  | { readonly kind: 'revoked' | 'already'; readonly records: readonly KeyRecord[] }
  | { readonly kind: 'unknown' };

export const keyFileName = 'keys.json';
const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * Makes a key for a caller: `mcpd_<8 characters>_<32 bytes in base64url>`, so that secret scanners can find one that got
 * out. Throws `CONFIG_INVALID` when the name has a good key already or is not a name.
 */
export async function addKey(
  dir: string,
  name: string,
  terms: KeyTerms = {},
  nowMs = Date.now(),
): Promise<NewKey> {
  refuseBadName(name);
  return withLock(dir, (records) => {
    if (records.some((it) => it.name === name && isUsable(it, nowMs))) {
      throw new Fault('CONFIG_INVALID', {
        detail: `${name} has a key already`,
        hint: `For a new one in its place: mcpd key rotate ${name}. To take it away: mcpd key revoke ${name}. Or choose another name.`,
      });
    }
    const made = makeKey(records, name, terms, nowMs);
    return { records: [...records, made.record], result: made };
  });
}

/** All keys, oldest first, revoked ones too. No file: no keys. Throws `CONFIG_INVALID` when the file cannot be trusted. */
export function listKeys(dir: string): readonly KeyRecord[] {
  const text = readPrivate(dir, keyFileName);
  return text === undefined ? [] : readRecords(text, `${dir}/${keyFileName}`);
}

/**
 * Gives a caller a new key with the scope of its newest good one; those it had are good for `overlapMs` more, and no longer
 * than they would have been. Both are the same caller meanwhile. A key that was made for a time is followed by one for the
 * same time, unless `expiresAtMs` says otherwise. A caller without a good key is `unknown`.
 */
export async function rotateKey(
  dir: string,
  name: string,
  { overlapMs, expiresAtMs }: { readonly overlapMs: number; readonly expiresAtMs?: number | undefined },
  nowMs = Date.now(),
): Promise<Rotation> {
  return withLock<Rotation>(dir, (records) => {
    const own = records.filter((it) => it.name === name && isUsable(it, nowMs));
    const newest = own.at(-1);
    if (newest === undefined) return { records: undefined, result: { kind: 'unknown' } };
    const { servers, tools, roles, risk, note } = newest;
    const scope = { servers, tools, roles, risk, note };
    const terms = { ...present(scope), expiresAtMs: expiresAtMs ?? asLong(newest, nowMs) };
    const made = makeKey(records, name, terms, nowMs);
    const end = nowMs + overlapMs;
    const old = own.map((it) => ({ ...it, expiresAt: timeText(Math.min(end, untilMs(it))) }));
    const kept = records.map((it) => old.find(({ id }) => id === it.id) ?? it);
    return { records: [...kept, made.record], result: { kind: 'rotated', made, old } };
  });
}

/**
 * Takes keys away: all those of a caller, or the one with an id (`AbCd1234`, or whatever begins with `mcpd_AbCd1234`). A
 * caller's name goes before an id that is spelt alike. What is so already succeeds and says so.
 */
export async function revokeKey(dir: string, nameOrId: string, nowMs = Date.now()): Promise<Revocation> {
  return withLock<Revocation>(dir, (records) => {
    const id = /^mcpd_([0-9A-Za-z]{8})(_|$)/.exec(nameOrId)?.[1];
    const named = id === undefined ? records.filter((it) => it.name === nameOrId) : [];
    const meant = named.length > 0 ? named : records.filter((it) => it.id === (id ?? nameOrId));
    const open = meant.filter((it) => it.revokedAt === undefined);
    if (meant.length === 0) return { records: undefined, result: { kind: 'unknown' } };
    // Written once more: the first time may have ended before it was on the disk for sure.
    if (open.length === 0) return { records, result: { kind: 'already', records: meant } };
    const revoked = open.map((it) => ({ ...it, revokedAt: timeText(nowMs) }));
    return {
      records: records.map((it) => revoked.find((other) => other.id === it.id) ?? it),
      result: { kind: 'revoked', records: revoked },
    };
  });
}

/** The keys of a directory, ready to sign in with. Throws like `listKeys`: a broken file never means that no key is needed. */
export function loadKeyRing(dir: string, compile: CompilePattern): KeyRing {
  return keyRing(listKeys(dir), compile);
}

/** Whether a key is neither revoked nor over. */
export function isUsable(record: KeyRecord, nowMs: number): boolean {
  return record.revokedAt === undefined && nowMs < untilMs(record);
}

function makeKey(records: readonly KeyRecord[], name: string, terms: KeyTerms, nowMs: number): NewKey {
  if (records.length >= keysMax) {
    throw new Fault('CONFIG_INVALID', {
      detail: `${keyFileName} holds ${keysMax} keys`,
      hint: 'Remove revoked ones from it.',
    });
  }
  const { expiresAtMs, ...scope } = terms;
  const id = freshId(records);
  const key = `mcpd_${id}_${randomBytes(32).toString('base64url')}`;
  const sha256 = hash('sha256', key, 'hex');
  const record = {
    name,
    id,
    sha256,
    createdAt: timeText(nowMs),
    ...(expiresAtMs === undefined ? {} : { expiresAt: timeText(expiresAtMs) }),
    ...present(scope),
  };
  // What we would refuse to read must not be written: all keys would be gone with it.
  readRecords(writeRecords([record]), keyFileName);
  return { key, record };
}

/** Reads, changes and replaces the file while nobody else does. `records: undefined`: nothing changes. */
async function withLock<T>(
  dir: string,
  change: (records: readonly KeyRecord[]) => {
    readonly records: readonly KeyRecord[] | undefined;
    readonly result: T;
  },
): Promise<T> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const lock = await holdLock(join(dir, `.${keyFileName}.lock`));
  try {
    const { records, result } = change(listKeys(dir));
    lock.mustHold();
    if (records !== undefined) replaceWhole(join(dir, keyFileName), writeRecords(records));
    return result;
  } finally {
    lock.release();
  }
}

function refuseBadName(name: string): void {
  if (isCallerName(name)) return;
  if (name === 'anyone') {
    throw new Fault('CONFIG_INVALID', {
      detail: 'the name "anyone" means a caller without a key',
      hint: 'Choose another name.',
    });
  }
  throw new Fault('CONFIG_INVALID', {
    detail: 'not a name for a key',
    hint: 'Use 1 to 64 letters, digits and . _ @ - for the name of a key.',
  });
}

function freshId(records: readonly KeyRecord[]): string {
  // A name that is spelt like an id goes before it when keys are revoked.
  const taken = new Set(records.flatMap((it) => [it.id, it.name]));
  for (;;) {
    const id = Array.from({ length: 8 }, () => base62[randomInt(base62.length)]).join('');
    if (!taken.has(id)) return id;
  }
}

/** When a key ends that is good for as long as another one was made for; undefined: it does not end by itself. */
function asLong(record: KeyRecord, nowMs: number): number | undefined {
  return record.expiresAt === undefined
    ? undefined
    : nowMs + (untilMs(record) - Date.parse(record.createdAt));
}

function untilMs({ expiresAt }: KeyRecord): number {
  return expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt);
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

/** The members that are there. */
function present<T extends object>(value: T): { [K in keyof T]?: NonNullable<T[K]> } {
  // Only members that are undefined go, and every one of the type is optional.
  return Object.fromEntries(Object.entries(value).filter(([, it]) => it !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
