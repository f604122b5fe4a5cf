import { hash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { Fault } from '../domain/faults.ts';
import { readJson } from '../domain/read-json.ts';
import { roles, type Person, type Role } from './operators.ts';

/** What we keep of a person's token: enough to know it again, not enough to make it. Times are ISO 8601. */
export type OperatorRecord = {
  readonly name: string;
  /** The part of the token that may be shown. */
  readonly id: string;
  readonly role: Role;
  /** SHA-256, in hex, of the whole token. It holds 256 random bits, so no slow hash is needed. */
  readonly sha256: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
};

const version = 1;
const recordsMax = 1000;
/** Lower case, as the names of approvers in webhooks are compared: one person must not count as two. */
const nameForm = /^[a-z0-9][a-z0-9._@-]{0,63}$/;
const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/;
const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const tokenForm = /^mcpd_op_([0-9A-Za-z]{8})_[0-9A-Za-z_-]{43}$/;

/** The text of `operators.json`. */
export function writeOperators(records: readonly OperatorRecord[]): string {
  return `${JSON.stringify({ version, operators: records }, null, 2)}\n`;
}

/** The records of `operators.json`. Throws `CONFIG_INVALID`; a file that is half understood lets nobody in. */
export function readOperators(bytes: Buffer, path: string): readonly OperatorRecord[] {
  const broken = (what: string, cause?: unknown) =>
    new Fault('CONFIG_INVALID', {
      detail: `${path}: ${what}`,
      hint: `put back a good copy; or move it away and make new tokens: mcpd operator add NAME`,
      cause,
    });
  let value: unknown;
  try {
    value = readJson(bytes.toString('utf8'));
  } catch (cause) {
    throw broken('not JSON', cause);
  }
  const { version: found, operators } = (value ?? {}) as { version?: unknown; operators?: unknown };
  if (found !== version) throw broken('not of a version that this mcpd knows');
  if (!Array.isArray(operators) || operators.length > recordsMax) throw broken('no list of operators');
  for (const [at, record] of operators.entries()) {
    if (!isRecord(record)) throw broken(`operator ${String(at + 1)} is not as mcpd writes them`);
  }
  const records = operators as readonly OperatorRecord[]; // Each was looked at above.
  if (new Set(records.map(({ id }) => id)).size !== records.length) throw broken('two tokens have one id');
  return records;
}

/** Whether somebody may be called so. */
export function isOperatorName(name: string): boolean {
  return nameForm.test(name);
}

/** Whether a token is neither revoked nor over. */
export function isGood({ revokedAt, expiresAt }: OperatorRecord, nowMs: number): boolean {
  return revokedAt === undefined && (expiresAt === undefined || nowMs < Date.parse(expiresAt));
}

/** A new token for a person, and what is kept of it. `token` exists nowhere else: show it once. Throws `CONFIG_INVALID`. */
export function makeOperator(
  records: readonly OperatorRecord[],
  wanted: { readonly name: string; readonly role: Role; readonly expiresAtMs: number | undefined },
  nowMs: number,
): { readonly token: string; readonly record: OperatorRecord } {
  const { name, role, expiresAtMs } = wanted;
  if (records.length >= recordsMax)
    throw new Fault('CONFIG_INVALID', {
      detail: `there are ${String(recordsMax)} operators already`,
      hint: 'take revoked ones out of operators.json',
    });
  const id = freshId(records);
  const token = `mcpd_op_${id}_${randomBytes(32).toString('base64url')}`;
  const record = {
    name,
    id,
    role,
    sha256: hash('sha256', token, 'hex'),
    createdAt: new Date(nowMs).toISOString(),
    ...(expiresAtMs === undefined ? {} : { expiresAt: new Date(expiresAtMs).toISOString() }),
  };
  return { token, record };
}

/** Whose token this is; undefined for one that is unknown, revoked or over. */
export function personWith(
  records: readonly OperatorRecord[],
  token: string,
  nowMs: number,
): Person | undefined {
  const id = tokenForm.exec(token)?.[1];
  const record = id === undefined ? undefined : records.find((it) => it.id === id);
  if (record === undefined) return undefined;
  // Fixed-length digests in constant time: how long it takes says nothing about how much was right.
  const same = timingSafeEqual(Buffer.from(record.sha256, 'hex'), hash('sha256', token, 'buffer'));
  return same && isGood(record, nowMs) ? { name: record.name, role: record.role } : undefined;
}

function isRecord(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false;
  const { name, id, role, sha256, createdAt, expiresAt, revokedAt } = value as Record<string, unknown>;
  return (
    typeof name === 'string' &&
    nameForm.test(name) &&
    typeof id === 'string' &&
    /^[0-9A-Za-z]{8}$/.test(id) &&
    roles.some((known) => known === role) &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    isTime(createdAt) &&
    (expiresAt === undefined || isTime(expiresAt)) &&
    (revokedAt === undefined || isTime(revokedAt))
  );
}

/** A time that is no time would never be over. */
function isTime(value: unknown): boolean {
  return typeof value === 'string' && timeForm.test(value) && !Number.isNaN(Date.parse(value));
}

function freshId(records: readonly OperatorRecord[]): string {
  const taken = new Set(records.map(({ id }) => id));
  for (;;) {
    const id = Array.from({ length: 8 }, () => base62[randomInt(base62.length)]).join('');
    if (!taken.has(id)) return id;
  }
}
