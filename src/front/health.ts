import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { FrontPlane } from './front-plane.ts';
import { knownAnyway, signInFor } from './sign-in.ts';

export type HealthPlane = {
  readonly alive: () => { readonly version: string; readonly uptimeSeconds: number };
  /** Bare: for anyone. */
  readonly ready: () => 'healthy' | 'degraded' | 'unhealthy';
  /** What one caller may see: the servers its policy shows it, each with a measured round trip. */
  readonly detail: (principal: Principal) => Promise<object>;
};

/** Whether mcpd is alive, and whether calls can be made: bare for anyone, more for who is known. */
export async function sendHealth(
  req: IncomingMessage,
  res: ServerResponse,
  which: 'healthz' | 'readyz',
  callId: string,
  plane: FrontPlane,
  own: HealthPlane,
): Promise<void> {
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.setHeader('allow', 'GET, HEAD');
    throw new Fault('WRONG_METHOD');
  }
  const known =
    req.headers.authorization === undefined
      ? await knownAnyway(req, plane)
      : await signInFor(req, callId, '', plane);
  if (which === 'healthz')
    return sendJson(res, 200, { status: 'ok', ...(known === undefined ? {} : own.alive()) });
  const status = own.ready();
  const detail = known === undefined ? {} : { ...own.alive(), ...(await own.detail(known.principal)) };
  sendJson(res, status === 'unhealthy' ? 503 : 200, { status, ...detail });
}

function sendJson(res: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(text),
  });
  res.end(text);
}
