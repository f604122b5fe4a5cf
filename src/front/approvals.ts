import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault } from '../domain/faults.ts';
import { recordRefused } from './arrive.ts';
import { readBody } from './body.ts';
import type { FrontPlane } from './front-plane.ts';
import { checkBodyHeaders } from './guard.ts';
import { sendTurnedAway } from './turned-away.ts';

/** Takes what a chat or ticket system answers; checks who it is and that it was not said before. */
export type Approvals = {
  /** Rejects with `BAD_JSON`, `BAD_PARAMS`, `TOO_MANY` or `AUDIT_UNAVAILABLE`. */
  readonly take: (name: string, headers: IncomingMessage['headers'], body: Buffer) => Promise<TakenAnswer>;
};

export type TakenAnswer =
  | { readonly kind: 'taken'; readonly result: 'approved' | 'declined' }
  | { readonly kind: 'counted'; readonly still: number }
  | { readonly kind: 'unsigned'; readonly why: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'ended'; readonly how: string }
  | { readonly kind: 'refused'; readonly reason: string };

const bodyBytesMax = 16 * 1024;

/**
 * One POST of a chat or ticket system. There is no key: its signature is what it is known by. Calls wait for it, so it comes in
 * however many of them there are.
 */
export async function receiveApproval(
  req: IncomingMessage,
  res: ServerResponse,
  callId: string,
  name: string,
  plane: FrontPlane,
): Promise<void> {
  if (req.method !== 'POST') {
    res.setHeader('allow', 'POST');
    throw new Fault('WRONG_METHOD');
  }
  if (plane.draining()) throw new Fault('DRAINING');
  checkBodyHeaders(req, bodyBytesMax);
  if (req.headers.expect !== undefined) res.writeContinue();
  const body = await readBody(req, bodyBytesMax, () => undefined);
  // Nothing is counted, so nothing is turned away.
  if ('kind' in body) return;
  // Only now: a stranger who sends a body byte by byte must not hold a place that somebody's yes needs.
  const leave = plane.pressure.admission.enterAside();
  if (typeof leave !== 'function') return sendTurnedAway(req, res, leave, callId);
  try {
    await answerApproval(req, res, callId, name, body, plane);
  } finally {
    leave();
  }
}

async function answerApproval(
  req: IncomingMessage,
  res: ServerResponse,
  callId: string,
  name: string,
  body: Buffer,
  plane: FrontPlane,
): Promise<void> {
  const taken = await take(req, name, body, plane.approvals);
  // On record with its address like any failed sign-in; of a flood, only the first.
  if (taken.kind === 'unsigned')
    recordRefused(req, callId, '', new Fault('UNAUTHENTICATED', { detail: `webhook: ${taken.why}` }), plane);
  const [status, said] = wordTaken(taken);
  const text = JSON.stringify(said);
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'mcpd-correlation-id': callId,
    // RFC 9110 section 15.5.2: a 401 says what to bring.
    ...(status === 401 ? { 'www-authenticate': 'Webhook-Signature realm="mcpd"' } : {}),
  });
  res.end(text);
}

/** `BAD_PARAMS` is 200 for a call, whose error is in the body; here the status is all that most senders look at. */
async function take(
  req: IncomingMessage,
  name: string,
  body: Buffer,
  approvals: Approvals,
): Promise<TakenAnswer | { readonly kind: 'malformed'; readonly what: string }> {
  try {
    return await approvals.take(name, req.headers, body);
  } catch (reason) {
    const fault = Fault.from(reason);
    // Only who signed it gets this far, so it may be told what is wrong with it.
    if (fault.code === 'BAD_PARAMS') return { kind: 'malformed', what: fault.detail ?? fault.says };
    throw fault;
  }
}

function wordTaken(taken: Awaited<ReturnType<typeof take>>): readonly [status: number, said: object] {
  switch (taken.kind) {
    case 'taken':
      return [200, { result: taken.result }];
    case 'counted':
      return [200, { result: 'counted', stillNeeded: taken.still }];
    case 'malformed':
      return [400, { error: taken.what }];
    case 'unsigned':
      return [401, { error: 'The signature is missing, wrong, too old or from the future.' }];
    case 'unknown':
      return [404, { error: 'There is no such question.' }];
    case 'ended':
      return [409, { error: 'This was answered or ended before.', how: taken.how }];
    case 'refused':
      return [409, { error: taken.reason }];
  }
}
