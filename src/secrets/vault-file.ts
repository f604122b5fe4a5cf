import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { readJson } from '../domain/read-json.ts';
import { isSecretName } from '../domain/secret-reference.ts';

/**
 * The vault as it stands on disk: names and dates in the open, values sealed one by one with AES-256-GCM under a data key that
 * is itself sealed, and one authentication code (HMAC-SHA-256) over all of it, so that nothing in it can be left out, put back
 * or moved to another name without the key. Pure: bytes in, bytes out.
 */
export type VaultFile = {
  readonly version: 1;
  /** Of this vault; an entry of another one does not fit. */
  readonly id: string;
  /** Counts changes. */
  readonly serial: number;
  readonly key: {
    /** How the owner's key becomes the one that seals the data key. */
    readonly from: 'key' | 'passphrase';
    readonly salt: string;
    readonly sealed: string;
  };
  readonly entries: readonly VaultEntry[];
  readonly mac: string;
};

export type VaultEntry = {
  readonly name: string;
  /** How often this name was set. */
  readonly version: number;
  /** RFC 3339. */
  readonly setAt: string;
  readonly sealed: string;
};

export const entriesMax = 1000;
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** Why a text is no vault, or a vault that somebody changed; `what` continues "the vault …". */
export type Unsound = { readonly ok: false; readonly what: string };

/** The shape only; nothing in it is believed before `unlocked`. */
export function readVaultFile(text: string): { readonly ok: true; readonly file: VaultFile } | Unsound {
  let value: unknown;
  try {
    value = readJson(text);
  } catch {
    return { ok: false, what: 'is damaged: it is not JSON' };
  }
  return isVaultFile(value)
    ? { ok: true, file: value }
    : { ok: false, what: 'is damaged: parts are missing' };
}

export function printVaultFile(file: VaultFile): string {
  return `${JSON.stringify(file, undefined, 1)}\n`;
}

/** An empty vault, and its data key. `kek` seals the data key. */
export function newVaultFile(
  kek: Buffer,
  from: VaultFile['key']['from'],
  salt: string,
): { readonly file: VaultFile; readonly dataKey: Buffer } {
  const id = randomBytes(16).toString('hex');
  const dataKey = randomBytes(keyBytes);
  const sealed = seal(kek, dataKey, keyContext(id, from, salt));
  const file = { version: 1, id, serial: 0, key: { from, salt, sealed }, entries: [] } as const;
  return { file: { ...file, mac: macOf(file, dataKey) }, dataKey };
}

/** The data key, once the whole file is known to be as its owner left it. */
export function unlocked(
  file: VaultFile,
  kek: Buffer,
): { readonly ok: true; readonly dataKey: Buffer } | (Unsound & { readonly wrongKey: boolean }) {
  const dataKey = unseal(kek, file.key.sealed, keyContext(file.id, file.key.from, file.key.salt));
  if (dataKey?.length !== keyBytes) return { ok: false, wrongKey: true, what: 'is not opened by this key' };
  if (!timingSafeEqual(hash(file.mac), hash(macOf(file, dataKey))))
    return { ok: false, wrongKey: false, what: 'was changed by somebody without the key, or is damaged' };
  return { ok: true, dataKey };
}

/** The value of an entry; undefined when it does not belong where it stands. */
export function openEntry(file: VaultFile, entry: VaultEntry, dataKey: Buffer): string | undefined {
  return unseal(derived(dataKey, 'entries'), entry.sealed, entryContext(file.id, entry))?.toString('utf8');
}

/** The vault with one more value, or another one in its place. */
export function withEntry(
  file: VaultFile,
  dataKey: Buffer,
  name: string,
  value: string,
  setAt: string,
): VaultFile {
  const before = file.entries.find((entry) => entry.name === name);
  const about = { name, version: (before?.version ?? 0) + 1, setAt };
  const sealed = seal(derived(dataKey, 'entries'), Buffer.from(value, 'utf8'), entryContext(file.id, about));
  const entries = [...file.entries.filter((entry) => entry.name !== name), { ...about, sealed }];
  return changed(file, entries, dataKey);
}

export function withoutEntry(file: VaultFile, dataKey: Buffer, name: string): VaultFile {
  return changed(
    file,
    file.entries.filter((entry) => entry.name !== name),
    dataKey,
  );
}

function changed(file: VaultFile, entries: readonly VaultEntry[], dataKey: Buffer): VaultFile {
  const { version, id, key, serial } = file;
  const next = { version, id, serial: serial + 1, key, entries };
  return { ...next, mac: macOf(next, dataKey) };
}

/** Over every member, in an order of ours: how the JSON is written does not count. */
function macOf({ version, id, serial, key, entries }: Omit<VaultFile, 'mac'>, dataKey: Buffer): string {
  const said = JSON.stringify([
    'mcpd vault',
    version,
    id,
    serial,
    [key.from, key.salt, key.sealed],
    entries.map((entry) => [entry.name, entry.version, entry.setAt, entry.sealed]),
  ]);
  return createHmac('sha256', derived(dataKey, 'mac')).update(said).digest('base64');
}

function keyContext(id: string, from: string, salt: string): string {
  return JSON.stringify(['mcpd vault key', 1, id, from, salt]);
}

function entryContext(id: string, { name, version, setAt }: Omit<VaultEntry, 'sealed'>): string {
  return JSON.stringify(['mcpd vault entry', 1, id, name, version, setAt]);
}

/** One key for one purpose. */
function derived(dataKey: Buffer, purpose: 'entries' | 'mac'): Buffer {
  return Buffer.from(hkdfSync('sha256', dataKey, '', `mcpd vault ${purpose}`, keyBytes));
}

function seal(key: Buffer, plain: Buffer, context: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(context, 'utf8'));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64');
}

function unseal(key: Buffer, sealed: string, context: string): Buffer | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < nonceBytes + tagBytes) return undefined;
  try {
    const nonce = bytes.subarray(0, nonceBytes);
    const opener = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
    opener.setAAD(Buffer.from(context, 'utf8'));
    opener.setAuthTag(bytes.subarray(-tagBytes));
    return Buffer.concat([opener.update(bytes.subarray(nonceBytes, -tagBytes)), opener.final()]);
  } catch {
    // The tag does not fit: another key, another name, or other bytes.
    return undefined;
  }
}

/** Of equal length, for a comparison that tells nothing by its time. */
function hash(text: string): Buffer {
  return createHmac('sha256', 'compare').update(text).digest();
}

const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

function isVaultFile(value: unknown): value is VaultFile {
  if (!isRecord(value) || !isRecord(value['key']) || !Array.isArray(value['entries'])) return false;
  const { version, id, serial, key, entries, mac } = value;
  const names = new Set<unknown>();
  return (
    version === 1 &&
    isMatch(id, /^[0-9a-f]{32}$/) &&
    isCount(serial) &&
    (key['from'] === 'key' || key['from'] === 'passphrase') &&
    isMatch(key['salt'], base64) &&
    isMatch(key['sealed'], base64) &&
    isMatch(mac, base64) &&
    entries.length <= entriesMax &&
    entries.every((entry: unknown) => {
      if (!isRecord(entry) || typeof entry['name'] !== 'string' || names.has(entry['name'])) return false;
      names.add(entry['name']);
      return (
        isSecretName(entry['name']) &&
        isCount(entry['version']) &&
        isMatch(entry['setAt'], /^[0-9TZ:.-]{20,30}$/) &&
        isMatch(entry['sealed'], base64)
      );
    })
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isMatch(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
