import type { Call } from '../domain/call.ts';
import type { DataPlane } from './data-plane.ts';

/** Whether this message is for us, although it names a server: what it speaks about, the child knows by another name or not at all. */
export function endsHere(call: Call, plane: DataPlane): boolean {
  return cancelsAnother(call) || plane.gate.awaits(call);
}

/** Stops the call that a cancellation names, or takes the answer to a question of ours. */
export function carryOutHere(call: Call, plane: DataPlane): void {
  if (cancelsAnother(call)) plane.inFlight.cancel(call);
  else plane.gate.hear(call);
}

function cancelsAnother(call: Call): boolean {
  return call.message.kind === 'notice' && call.message.method === 'notifications/cancelled';
}
