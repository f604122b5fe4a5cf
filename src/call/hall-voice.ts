import type { HallSession } from '../callers/hall-sessions.ts';
import type { Outlet } from '../domain/call.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { members, readId, valueOf, withMember } from '../protocol/codec.ts';
import { qualifyParams } from '../protocol/qualify-places.ts';
import type { DataPlane } from './data-plane.ts';

/** One server's way to a client of the hall. What it says was decided and recorded before it comes here. */
export function voiceOf(
  server: string,
  guest: HallSession | undefined,
  outlet: Outlet,
  { redactor }: Pick<DataPlane, 'redactor'>,
): Outlet {
  return {
    send: (text) => {
      const { id, method, params } = partsOf(text);
      if (typeof method !== 'string') return outlet.send(text);
      const named = params === undefined ? undefined : qualifyParams(server, method, params);
      // Its answer comes back to the hall, and belongs to this server alone.
      if (id !== undefined) guest?.asked(id, server);
      return outlet.send(
        named === undefined || named === params ? text : redactor.clean(withMember(text, ['params'], named)),
      );
    },
  };
}

function partsOf(text: RedactedJson) {
  const entries = new Map(members(text));
  const [id, method, params] = [entries.get('id'), entries.get('method'), entries.get('params')];
  return {
    id: id === undefined ? undefined : readId(id),
    method: method === undefined ? undefined : valueOf(method),
    params: params?.startsWith('{') === true ? params : undefined,
  };
}
