import { Fault } from '../domain/faults.ts';
import type { Json, JsonObject } from '../domain/message.ts';
import { canonical, decodeUtf8, valueOf } from '../protocol/codec.ts';
import type { Installed } from './npx-tree.ts';

/** What a server ran, the last time somebody agreed or nobody had to. */
export type Known = {
  /** What its file asked for then. Of another request nothing is known. */
  readonly asked: string;
  readonly installed: Installed;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  /** Who agreed; empty for what was there first. */
  readonly by: string;
  /** What it ran instead since, and nobody has agreed to. */
  readonly drift: { readonly installed: Installed; readonly at: number } | null;
};

/** Server → what is known of it. */
export type Records = ReadonlyMap<string, Known>;

export const recordBytesMax = 4 * 1024 * 1024;
const shapeVersion = 1;
/** Of servers, those of earlier policies included. */
const rowsMax = 4000;

/** Records → text, a server on each line. */
export function writeRecords(records: Records): string {
  const rows = [...records]
    .toSorted(([, a], [, b]) => a.at - b.at)
    .slice(-rowsMax)
    .map(([server, known]) => `\n ${JSON.stringify({ server, ...known })}`);
  return `{"version":${shapeVersion},"packages":[${rows.join(',')}]}\n`;
}

/** Text → records. Throws `CONFIG_INVALID` on anything but exactly the shape above; damage is never "nothing was known". */
export function readRecords(bytes: Buffer, path: string): Records {
  try {
    const file = objectAt(valueOf(canonical(decodeUtf8(bytes), { bytesMax: recordBytesMax, depthMax: 8 })));
    only(file, ['version', 'packages']);
    const { version, packages } = file;
    if (version !== shapeVersion) throw new Error('its version is missing or unknown');
    if (!Array.isArray(packages)) throw new Error('packages is not a list');
    const records = new Map<string, Known>();
    for (const it of packages) {
      const row = objectAt(it);
      only(row, ['server', 'asked', 'installed', 'at', 'by', 'drift']);
      const server = textAt(row, 'server');
      if (records.has(server)) throw new Error(`${JSON.stringify(server)} is there twice`);
      const { drift } = row;
      records.set(server, {
        asked: textAt(row, 'asked'),
        installed: installedAt(row['installed']),
        at: timeAt(row),
        by: textAt(row, 'by'),
        drift: drift === null ? null : driftAt(objectAt(drift)),
      });
    }
    return records;
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} cannot be understood: ${(cause as Error).message}. mcpd does not start, because it would not know which packages ran before.`,
      hint: `put back a copy of ${path}; or remove it, and what each server runs next counts as known`,
      cause,
    });
  }
}

function driftAt(row: JsonObject): Known['drift'] {
  only(row, ['installed', 'at']);
  return { installed: installedAt(row['installed']), at: timeAt(row) };
}

function installedAt(value: Json | undefined): Installed {
  const row = objectAt(value);
  only(row, ['name', 'version', 'integrity', 'tree']);
  const orNull = (key: 'integrity' | 'tree') => (row[key] === null ? null : textAt(row, key));
  return {
    name: textAt(row, 'name'),
    version: textAt(row, 'version'),
    integrity: orNull('integrity'),
    tree: orNull('tree'),
  };
}

function textAt(row: JsonObject, key: string): string {
  const value = row[key];
  if (typeof value !== 'string') throw new Error(`${key} is not a text`);
  return value;
}

function timeAt({ at }: JsonObject): number {
  if (typeof at !== 'number' || !Number.isSafeInteger(at) || at < 0) throw new Error('at is not a time');
  return at;
}

function objectAt(value: Json | undefined): JsonObject {
  if (value === undefined || value === null || typeof value !== 'object' || Array.isArray(value))
    throw new Error('something is not an object');
  return value;
}

function only(value: JsonObject, keys: readonly string[]): void {
  const stranger = Object.keys(value).find((key) => !keys.includes(key));
  if (stranger !== undefined) throw new Error(`there is an unknown member ${JSON.stringify(stranger)}`);
}
