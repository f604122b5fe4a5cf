import type { Risk } from '../domain/orders.ts';
import { Fault } from '../domain/faults.ts';
import { readJson } from '../domain/read-json.ts';

/** What a key opens, of what the policy gives its caller. What is absent is not bounded. */
export type KeyScope = {
  /** Patterns for names of servers. */
  readonly servers?: readonly string[];
  /** Patterns for `server/tool`. */
  readonly tools?: readonly string[];
  /** The gravest class of tool; the milder ones are included. */
  readonly risk?: Risk;
  /** Roles that the key brings along. */
  readonly roles?: readonly string[];
};

/** What we keep of a key: enough to know it again, not enough to make it. Times are ISO 8601. */
export type KeyRecord = KeyScope & {
  readonly name: string;
  /** The part of the key that may be shown. */
  readonly id: string;
  /** SHA-256, in hex, of the whole key. It holds 256 random bits, so no slow hash is needed. */
  readonly sha256: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
  /** The owner's own words. */
  readonly note?: string;
};

export const keysMax = 10_000;
export const patternsMax = 100;
export const noteCharsMax = 200;
const version = 2;
const nameForm = /^[A-Za-z0-9._@-]{1,64}$/;
const roleForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/;
const risks: ReadonlySet<unknown> = new Set<Risk>(['read', 'write', 'destructive']);

/** Whether a caller may have this name. Whoever were called `anyone` would be taken for the caller without a key. */
export function isCallerName(name: string): boolean {
  return nameForm.test(name) && name !== 'anyone';
}

/** The text of a key file. */
export function writeRecords(records: readonly KeyRecord[]): string {
  return JSON.stringify({ version, keys: records }, null, 2) + '\n';
}

/**
 * The records of a key file: of version 1, which knew no scopes and no expiry, or 2. Throws `CONFIG_INVALID`. What a newer
 * mcpd wrote is refused: a bound that we do not know would be a bound that we do not keep.
 */
export function readRecords(text: string, path: string): readonly KeyRecord[] {
  const broken = (what: string, cause?: unknown) =>
    new Fault('CONFIG_INVALID', {
      detail: `${path}: ${what}`,
      hint: `Put back a good copy of ${path}, or move it away and make new keys with: mcpd key add NAME`,
      cause,
    });
  let value: unknown;
  try {
    value = readJson(text);
  } catch (cause) {
    throw broken('not valid JSON', cause);
  }
  if (!isObject(value) || !Array.isArray(value['keys']) || Object.keys(value).length !== 2)
    throw broken('not a key file');
  if (value['version'] !== 1 && value['version'] !== version) throw broken('a key file of another version');
  const keys: readonly unknown[] = value['keys'];
  if (keys.length > keysMax) throw broken(`more than ${keysMax} keys`);
  const known = value['version'] === 1 ? isOldRecord : isRecord;
  const bad = keys.findIndex((it) => !known(it));
  if (bad >= 0) throw broken(`key number ${bad + 1} is not a key record`);
  // Checked member by member just now.
  const records = keys as readonly KeyRecord[];
  if (new Set(records.map((it) => it.id)).size !== records.length) throw broken('an id stands there twice');
  return records;
}

type Check = (value: unknown) => boolean;

const always: Readonly<Record<string, Check>> = {
  name: (it) => typeof it === 'string' && isCallerName(it),
  id: like(/^[0-9A-Za-z]{8}$/),
  sha256: like(/^[0-9a-f]{64}$/),
  createdAt: isTime,
};
const sometimes: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['revokedAt', (it) => typeof it === 'string'],
  ['expiresAt', isTime],
  ['servers', listOf(isPatternText)],
  ['tools', listOf((it) => isPatternText(it) && (it as string).includes('/'))],
  ['roles', listOf(like(roleForm))],
  ['risk', (it) => risks.has(it)],
  ['note', isNote],
]);

/** Strict: a misspelt `revokedAt` must not bring a key back to life, nor a misspelt `servers` open all of them. */
function isRecord(value: unknown): boolean {
  if (!isObject(value)) return false;
  if (
    !Object.entries(always).every(([member, check]) => Object.hasOwn(value, member) && check(value[member]))
  )
    return false;
  return Object.keys(value).every(
    (member) => Object.hasOwn(always, member) || sometimes.get(member)?.(value[member]) === true,
  );
}

function isOldRecord(value: unknown): boolean {
  return (
    isRecord(value) &&
    Object.keys(value as object).every((it) => Object.hasOwn(always, it) || it === 'revokedAt')
  );
}

/** Whether a text may stand among the patterns of a scope; whether it is a pattern, the policy's matcher says. */
export function isPatternText(value: unknown): boolean {
  return typeof value === 'string' && /^[^\u0000-\u001f\u007f]{1,512}$/.test(value);
}

export function isRoleName(value: string): boolean {
  return roleForm.test(value);
}

export function isNote(value: unknown): boolean {
  return typeof value === 'string' && value.length <= noteCharsMax && !/[\u0000-\u001f\u007f]/.test(value);
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && timeForm.test(value) && Number.isFinite(Date.parse(value));
}

/** An empty list would be read as "nothing" by one and as "no bound" by another. */
function listOf(check: Check): Check {
  return (it) => Array.isArray(it) && it.length > 0 && it.length <= patternsMax && it.every(check);
}

function like(form: RegExp): Check {
  return (it) => typeof it === 'string' && form.test(it);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
