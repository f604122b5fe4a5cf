import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Credentials, Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import { recordRefused } from './arrive.ts';
import type { Risk } from '../domain/orders.ts';
import { challenge } from './challenge.ts';
import type { Door, FrontPlane } from './front-plane.ts';

/** Who calls, and until when that is known, in wall clock milliseconds since 1970. */
export type Known = {
  readonly principal: Principal;
  readonly untilMs: number;
  readonly credentials: Credentials;
};

/** Who sends a request that holds no message. A failed sign-in is on record with its address, whatever it asked for. */
export async function signInFor(
  req: IncomingMessage,
  callId: string,
  server: string,
  plane: FrontPlane,
): Promise<Known> {
  try {
    const checked = await plane.signIn(plane.peers.credentials(req), doorOf(req, server, plane));
    return knownBy(checked, plane);
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
    return knownBy(checked, plane);
  } catch {
    // A certificate or a user that nobody mapped: as good as none.
    return undefined;
  }
}

function knownBy(credentials: Credentials, plane: FrontPlane): Known {
  return { principal: plane.data.callers.identify(credentials), untilMs: untilOf(credentials), credentials };
}

/** How often the credential of an open stream is looked at again. */
const lookEveryMs = 30_000;

/**
 * Calls `end` when the credential that a stream was opened with is found to be no good any more. An open stream shows no
 * credential again, and nobody tells us what an issuer has taken back: the stream would go on for as long as its token says.
 */
export function lookAgain(
  req: IncomingMessage,
  res: ServerResponse,
  server: string,
  plane: Pick<FrontPlane, 'signIn' | 'peers'>,
  end: () => void,
): void {
  const looking = setInterval(() => {
    isGood(req, server, plane).then(
      (good) => good || end(),
      // Not known this time: its issuer cannot be asked. It is asked again.
      () => undefined,
    );
  }, lookEveryMs);
  res.on('close', () => clearInterval(looking));
}

/** Rejects where that cannot be told. */
async function isGood(
  req: IncomingMessage,
  server: string,
  plane: Pick<FrontPlane, 'signIn' | 'peers'>,
): Promise<boolean> {
  try {
    // Not counted among guesses: with those, anybody at the same address could turn "not good any more" into "too many".
    await plane.signIn(plane.peers.credentials(req), { ...doorOf(req, server, plane), again: true });
    return true;
  } catch (reason) {
    if (Fault.from(reason).code === 'UNAUTHENTICATED') return false;
    throw reason;
  }
}

export function doorOf(req: IncomingMessage, server: string, plane: Pick<FrontPlane, 'peers'>): Door {
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
