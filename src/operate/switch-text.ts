import type { SwitchedOff, Switches } from '../domain/orders.ts';
import { Fault } from '../domain/faults.ts';
import type { Json } from '../domain/message.ts';
import { canonical, decodeUtf8, valueOf } from '../protocol/codec.ts';
import { isCount, objectAt, onlyKeys } from './state-text.ts';

/** What `switches.json` said, in which an older mcpd kept its switches. */
export type SwitchState = { readonly changes: number; readonly switches: Switches };

/** The version of the file's shape that this mcpd reads. */
const shapeVersion = 1;

/** Text → switches. Throws `CONFIG_INVALID` on anything but exactly the shape above; damage is never "none". */
export function readSwitches(bytes: Buffer, path: string): SwitchState {
  try {
    const state = objectAt(
      valueOf(canonical(decodeUtf8(bytes), { bytesMax: 4 * 1024 * 1024, depthMax: 8 })),
      'the file',
    );
    if (typeof state['version'] === 'number' && state['version'] > shapeVersion) {
      throw new Error(
        `it was written by a newer mcpd (version ${state['version']}; this one knows ${shapeVersion})`,
      );
    }
    onlyKeys(state, ['version', 'changes', 'lockdown', 'servers', 'tools', 'callers'], 'the file');
    if (state['version'] !== shapeVersion) throw new Error('its version is missing or unknown');
    const changes = state['changes'];
    if (!isCount(changes)) throw new Error('changes is not a whole number');
    return {
      changes,
      switches: Object.freeze({
        lockdown:
          state['lockdown'] === null
            ? undefined
            : switchAt(state['lockdown'], ['at', 'by', 'reason'], 'lockdown'),
        servers: rowsAt(state['servers'], 'servers'),
        tools: rowsAt(state['tools'], 'tools'),
        callers: rowsAt(state['callers'], 'callers'),
      }),
    };
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} cannot be understood: ${(cause as Error).message}. mcpd does not start, because it would not know what is switched off.`,
      hint: `repair ${path} or put back a copy of it; to start with nothing switched off, remove it and ${path.replace(/[^/]*$/, 'switches-were-kept')}`,
      cause,
    });
  }
}

function rowsAt(value: Json | undefined, where: string): ReadonlyMap<string, SwitchedOff> {
  if (!Array.isArray(value)) throw new Error(`${where} is not a list`);
  const rows = new Map<string, SwitchedOff>();
  for (const row of value) {
    const name = objectAt(row, where)['name'];
    if (typeof name !== 'string' || name === '') throw new Error(`a row of ${where} has no name`);
    if (rows.has(name)) throw new Error(`${where} names ${JSON.stringify(name)} twice`);
    rows.set(name, switchAt(row, ['name', 'at', 'by', 'reason'], where));
  }
  return rows;
}

function switchAt(value: Json | undefined, keys: readonly string[], where: string): SwitchedOff {
  const row = objectAt(value, where);
  onlyKeys(row, keys, where);
  const { at, by, reason } = row;
  if (!isCount(at) || typeof by !== 'string' || typeof reason !== 'string') {
    throw new Error(`a row of ${where} lacks at, by or reason`);
  }
  return Object.freeze({ at, by, reason });
}
