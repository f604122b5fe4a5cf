import type { Agreed, Principal, Session } from '../domain/caller.ts';
import type { Arrival } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import type { JsonObject } from '../domain/message.ts';
import { objectOf } from '../protocol/codec.ts';
import { metaKeys, metaOf } from '../protocol/era.ts';

/** Everything a session would know stands in the request itself (2026-07-28 basic/index, `_meta`). */
export function ofOneRequest(principal: Principal, { id, server, message }: Arrival): Session {
  const meta = message.kind === 'reply' ? {} : metaOf(objectOf(message.params));
  const version = meta[metaKeys.version];
  return {
    id,
    principal,
    server,
    era: 'modern',
    agreed: {
      protocolVersion: typeof version === 'string' ? version : '',
      client: clientIn(meta[metaKeys.client]),
      clientCapabilities: namesIn(meta[metaKeys.capabilities]),
    },
  };
}

function clientIn(info: unknown): Agreed['client'] {
  return { name: textOf(info, 'name'), version: textOf(info, 'version') };
}

function namesIn(capabilities: unknown): readonly string[] {
  return typeof capabilities === 'object' && capabilities !== null
    ? Object.keys(capabilities).slice(0, 32)
    : [];
}

/** What `initialize` settled. Throws `UPSTREAM_GARBLED`. */
export function agreedOn(result: JsonObject, params: JsonObject): Agreed {
  const { protocolVersion } = result;
  if (typeof protocolVersion !== 'string') {
    throw new Fault('UPSTREAM_GARBLED', { detail: 'initialize was answered without a protocolVersion' });
  }
  const { clientInfo, capabilities } = params;
  return {
    protocolVersion,
    client: clientIn(clientInfo),
    clientCapabilities: namesIn(capabilities),
  };
}

function textOf(value: unknown, key: string): string {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return '';
  const text = (value as Record<string, unknown>)[key];
  return typeof text === 'string' ? text.slice(0, 128) : '';
}
