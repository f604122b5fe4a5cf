import type { Call } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import { checkArguments } from '../protocol/mirror.ts';
import type { DataPlane } from './data-plane.ts';

/**
 * The arguments that a client repeats in headers must agree with them (2026-07-28 streamable-http, custom headers). After the
 * decision, so that a hidden tool is answered as an unknown one whatever its headers. Throws `HEADER_MISMATCH`.
 */
export function checkHeaders(call: Call, plane: DataPlane): void {
  const { target, mirror } = call;
  if (mirror === undefined || target.kind !== 'tool' || call.session.era === 'legacy') return;
  const wrong = checkArguments(plane.fleet.mirrored(call.server, target.name), mirror, call.params);
  if (wrong !== undefined) throw new Fault('HEADER_MISMATCH', { detail: wrong, data: { header: wrong } });
}
