import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Stay } from './admission.ts';
import type { FrontPlane } from './front-plane.ts';
import type { Known } from './sign-in.ts';
import { sendTurnedAway } from './turned-away.ts';

/** A request comes in, and is counted until everything it set going has ended. */
export async function admitted(
  req: IncomingMessage,
  res: ServerResponse,
  callId: string,
  plane: FrontPlane,
  carryOut: (stay: Stay) => Promise<void>,
): Promise<void> {
  // A message of the modern era asks for something, and says so before its body.
  const stay = plane.pressure.admission.enter(req.headers['mcp-method'] !== undefined);
  if (stay.kind === 'turned away') return sendTurnedAway(req, res, stay, callId);
  try {
    await carryOut(stay);
  } finally {
    stay.leave();
  }
}

/**
 * A stream is opened, and counted until its connection is closed. Not for a client that went away while its credential was looked
 * at or its session brought back: nothing would tell us again that it is gone, and the place, the session and the stream would be
 * its for all time.
 */
export function held(
  req: IncomingMessage,
  res: ServerResponse,
  callId: string,
  { principal }: Known,
  plane: FrontPlane,
  hold: () => void,
): void {
  if (res.destroyed) return;
  const leave = plane.pressure.admission.enterStream(principal.name);
  if (typeof leave !== 'function') return sendTurnedAway(req, res, leave, callId);
  res.on('close', leave);
  hold();
}
