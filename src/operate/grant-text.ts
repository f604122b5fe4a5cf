import { Fault } from '../domain/faults.ts';
import type { Json } from '../domain/message.ts';
import type { Grant } from '../domain/orders.ts';
import { canonical, decodeUtf8, valueOf } from '../protocol/codec.ts';
import { isCount, objectAt, onlyKeys } from './state-text.ts';

/** What `grants.json` said, in which an older mcpd kept its grants. */
export type GrantState = { readonly changes: number; readonly grants: readonly Grant[] };

/** The version of the file's shape that this mcpd reads. */
const shapeVersion = 1;
const texts = ['id', 'caller', 'server', 'tool', 'by', 'reason'] as const;

/** Text → grants. Throws `CONFIG_INVALID` on anything but exactly the shape above: half a grant is no grant. */
export function readGrants(bytes: Buffer, path: string): GrantState {
  try {
    const bounds = { bytesMax: 4 * 1024 * 1024, depthMax: 8 };
    const state = objectAt(valueOf(canonical(decodeUtf8(bytes), bounds)), 'the file');
    const { version, changes, grants } = state;
    if (typeof version === 'number' && version > shapeVersion)
      throw new Error(`it was written by a newer mcpd (version ${version}; this one knows ${shapeVersion})`);
    onlyKeys(state, ['version', 'changes', 'grants'], 'the file');
    if (version !== shapeVersion) throw new Error('its version is missing or unknown');
    if (!isCount(changes)) throw new Error('changes is not a whole number');
    if (!Array.isArray(grants)) throw new Error('grants is not a list');
    const read = grants.map(grantAt);
    if (new Set(read.map(({ id }) => id)).size < read.length) throw new Error('two grants have one id');
    return { changes, grants: Object.freeze(read) };
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} cannot be understood: ${(cause as Error).message}. mcpd does not start, because it would not know what was granted.`,
      hint: `repair ${path}, or remove it: then nothing is granted`,
      cause,
    });
  }
}

function grantAt(value: Json): Grant {
  const row = objectAt(value, 'a grant');
  onlyKeys(row, [...texts, 'at', 'untilMs'], 'a grant');
  for (const key of texts)
    if (typeof row[key] !== 'string' || (row[key] === '' && key !== 'reason'))
      throw new Error(`a grant lacks ${key}`);
  if (!isCount(row['at']) || !isCount(row['untilMs'])) throw new Error('a grant lacks at or untilMs');
  // Every member was looked at above, and there is no other.
  return Object.freeze(row) as unknown as Grant;
}
