import { Fault } from '../domain/faults.ts';
import type { Json, JsonObject } from '../domain/message.ts';
import { canonical, decodeUtf8, valueOf } from '../protocol/codec.ts';

/** The definition of a tool that counts as approved. */
export type Pin = {
  readonly digest: string;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  /** `first`: it stood in the first listing; `server`, `tool`: somebody pinned the whole server, or this very tool. */
  readonly how: 'first' | 'server' | 'tool';
  /** The operator; empty for `first`. */
  readonly by: string;
  /** The definition as JSON text, without the secrets; undefined where there was no room to keep it. */
  readonly definition: string | undefined;
};

/** What is pinned of one server. */
export type ServerPins = {
  /** Whether its listing was seen whole: from then on nothing new is pinned by itself. */
  readonly sealed: boolean;
  readonly tools: ReadonlyMap<string, Pin>;
};

/** Server → its pins. */
export type Lock = ReadonlyMap<string, ServerPins>;

export const emptyPins: ServerPins = Object.freeze({ sealed: false, tools: new Map() });

/** Bytes of all definitions together; of the lock file of an older mcpd, too. */
export const lockBytesMax = 32 * 1024 * 1024;
/** The version of the file's shape that this mcpd reads. */
const shapeVersion = 1;

/** Text → pins. Throws `CONFIG_INVALID` on anything but exactly the shape above; damage is never "nothing was pinned". */
export function readLock(bytes: Buffer, path: string): Lock {
  try {
    const file = objectAt(
      valueOf(canonical(decodeUtf8(bytes), { bytesMax: lockBytesMax, depthMax: 8 })),
      'the file',
    );
    const { version } = file;
    if (typeof version === 'number' && version > shapeVersion)
      throw new Error(`it was written by a newer mcpd (version ${version}; this one knows ${shapeVersion})`);
    if (version !== shapeVersion) throw new Error('its version is missing or unknown');
    onlyKeys(file, ['version', 'servers'], 'the file');
    return byName(file['servers'], 'servers', serverAt);
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} cannot be understood: ${(cause as Error).message}. mcpd does not start, because it would not know which tools were approved.`,
      hint: `put back a copy of ${path}; or remove it, and what each server lists next counts as approved`,
      cause,
    });
  }
}

function serverAt(row: JsonObject, where: string): ServerPins {
  onlyKeys(row, ['name', 'sealed', 'tools'], where);
  const { sealed } = row;
  if (typeof sealed !== 'boolean') throw new Error(`sealed of ${where} is not true or false`);
  return Object.freeze({ sealed, tools: byName(row['tools'], `tools of ${where}`, pinAt) });
}

function pinAt(row: JsonObject, where: string): Pin {
  onlyKeys(row, ['name', 'digest', 'at', 'how', 'by', 'definition'], where);
  return checkPin(row, where);
}

/** A pin that was kept, or a plain sentence that is thrown about what is wrong with it. */
export function checkPin(row: Readonly<Record<keyof Pin, unknown>> | JsonObject, where: string): Pin {
  const { digest, at, how, by, definition } = row;
  if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest))
    throw new Error(`the digest of ${where} is not 64 hex digits`);
  if (typeof at !== 'number' || !Number.isSafeInteger(at) || at < 0)
    throw new Error(`at of ${where} is not a time`);
  if (how !== 'first' && how !== 'server' && how !== 'tool') throw new Error(`how of ${where} is unknown`);
  if (typeof by !== 'string') throw new Error(`by of ${where} is not a text`);
  if (definition !== undefined && typeof definition !== 'string')
    throw new Error(`definition of ${where} is not a text`);
  return Object.freeze({ digest, at, how, by, definition });
}

function byName<Row>(
  value: Json | undefined,
  where: string,
  read: (row: JsonObject, where: string) => Row,
): ReadonlyMap<string, Row> {
  if (!Array.isArray(value)) throw new Error(`${where} is not a list`);
  const rows = new Map<string, Row>();
  for (const it of value) {
    const row = objectAt(it, `a row of ${where}`);
    const { name } = row;
    if (typeof name !== 'string' || name === '') throw new Error(`a row of ${where} has no name`);
    if (rows.has(name)) throw new Error(`${where} has ${JSON.stringify(name)} twice`);
    rows.set(name, read(row, JSON.stringify(name)));
  }
  return rows;
}

function objectAt(value: Json | undefined, where: string): JsonObject {
  if (value === undefined || value === null || typeof value !== 'object' || Array.isArray(value))
    throw new Error(`${where} is not an object`);
  return value;
}

function onlyKeys(value: JsonObject, keys: readonly string[], where: string): void {
  const stranger = Object.keys(value).find((key) => !keys.includes(key));
  if (stranger !== undefined) throw new Error(`${where} has an unknown member ${JSON.stringify(stranger)}`);
}
