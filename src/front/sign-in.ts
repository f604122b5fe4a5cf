import type { IncomingMessage } from 'node:http';
import type { Credentials, Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import { recordRefused } from './arrive.ts';
import type { Risk } from '../domain/orders.ts';
import { challenge } from './challenge.ts';
import type { Door, FrontPlane } from './front-plane.ts';

/** Who calls, and until when that is known, in wall clock milliseconds since 1970. */
export type Known = { readonly principal: Principal; readonly untilMs: number };

/** Who sends a request that holds no message. A failed sign-in is on record with its address, whatever it asked for. */
export async function signInFor(
  req: IncomingMessage,
  callId: string,
  server: string,
  plane: FrontPlane,
): Promise<Known> {
  try {
    const checked = await plane.signIn(plane.peers.credentials(req), doorOf(req, server, plane));
    return { principal: plane.data.callers.identify(checked), untilMs: untilOf(checked) };
  } catch (reason) {
    const fault = Fault.from(reason);
    recordRefused(req, callId, server, fault, plane);
    throw fault;
  }
}

/** Who it is by the connection itself; for what is open to everybody and says more to whom it knows. */
export async function knownAnyway(req: IncomingMessage, plane: FrontPlane): Promise<Known | undefined> {
  const credentials = plane.peers.credentials(req);
  if (credentials.kind === 'none') return undefined;
  try {
    const checked = await plane.signIn(credentials, doorOf(req, '', plane));
    return { principal: plane.data.callers.identify(checked), untilMs: untilOf(checked) };
  } catch {
    // A certificate or a user that nobody mapped: as good as none.
    return undefined;
  }
}

export function doorOf(req: IncomingMessage, server: string, plane: FrontPlane): Door {
  return { server, remote: plane.peers.remote(req) };
}

/** The challenge that goes with a 401, or with a 403 to a token that is not good enough. */
export function challengeFor(
  req: IncomingMessage,
  server: string,
  plane: FrontPlane,
): (needs: Risk | undefined) => string {
  return (needs) =>
    challenge(plane.oauth, doorOf(req, server, plane), {
      presented: req.headers.authorization !== undefined,
      needs,
    });
}

/** Until when a credential is good that was checked: wall clock, milliseconds since 1970. */
export function untilOf(credentials: Credentials): number {
  return credentials.kind === 'checked' ? credentials.proof.untilMs : Number.POSITIVE_INFINITY;
}
