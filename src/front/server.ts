import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { hallOf } from '../call/hall-choice.ts';
import { Fault } from '../domain/faults.ts';
import type { Principal } from '../domain/caller.ts';
import { wordFault } from '../protocol/wire-errors.ts';
import { errorText } from '../protocol/codec.ts';
import { receiveApproval } from './approvals.ts';
import { arrive, recordVisit } from './arrive.ts';
import type { FrontPlane } from './front-plane.ts';
import { guard, type GuardRules } from './guard.ts';
import { endSession, holdStream, type Visit } from './hold.ts';
import { sendHealth, type HealthPlane } from './health.ts';
import type { HttpSse } from './http-sse.ts';
import { sendMetadata } from './metadata.ts';
import { receive } from './receive.ts';
import { admitted, held } from './let-in.ts';
import { findRoute } from './routes.ts';
import { challengeFor, signInFor } from './sign-in.ts';
import { sendTurnedAway } from './turned-away.ts';

export type FrontParts = {
  readonly rules: GuardRules;
  readonly plane: FrontPlane;
  /** The older transport, where the owner wants it served. */
  readonly httpSse: HttpSse | undefined;
  readonly health: HealthPlane;
  /** For the whole request head, and for the whole request. */
  readonly headersWithinMs: number;
  readonly requestWithinMs: number;
  /** Makes a server that speaks TLS; undefined: plain HTTP. */
  readonly tls?: ((options: ServerOptions, onRequest: RequestListener) => Server) | undefined;
};

const ticketForm = /^\?sessionId=([A-Za-z0-9_-]{32})$/;

/**
 * The HTTP front. Listens where it is told; every route but the bare health status wants a credential first. Of a webhook
 * that is its signature.
 */
export function createFront(parts: FrontParts): Server {
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    res.on('error', () => {
      // The reader went away in the middle of a write; its call is closed on the trail all the same.
    });
    const callId = randomUUID();
    route(req, res, callId, parts).catch((reason: unknown) =>
      turnAway(req, res, Fault.from(reason), callId, parts),
    );
  };
  const options = {
    headersTimeout: parts.headersWithinMs,
    requestTimeout: parts.requestWithinMs,
    keepAliveTimeout: 75_000,
    maxHeaderSize: 16 * 1024,
    connectionsCheckingInterval: 2_000,
    // Node would answer 400 by itself, but without our headers; guard() says the same.
    requireHostHeader: false,
    noDelay: true,
  };
  const server = parts.tls === undefined ? createServer(options, onRequest) : parts.tls(options, onRequest);
  parts.plane.pressure.connections.watch(server, parts.tls !== undefined);
  // Node would say 100-continue before anyone looked at the credential.
  server.on('checkContinue', onRequest);
  server.on('checkExpectation', (_req: IncomingMessage, res: ServerResponse) =>
    res.writeHead(417, { connection: 'close' }).end(),
  );
  server.on('connect', (_req: IncomingMessage, socket: Socket) => {
    // Node counts this socket as ours from here on, and no timeout of its own would end it if the other half stays open.
    socket.end('HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n', () =>
      socket.destroy(),
    );
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const status = clientErrors.get(error.code ?? '') ?? '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
  return server;
}

const clientErrors: ReadonlyMap<string, string> = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
]);

async function route(
  req: IncomingMessage,
  res: ServerResponse,
  callId: string,
  parts: FrontParts,
): Promise<void> {
  const { admission, connections } = parts.plane.pressure;
  const isSpare = connections.request(req, res) === 'spare';
  guard(req, parts.rules);
  const url = req.url ?? '/';
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  const at = findRoute(path, servedBy(parts));
  const isHealth = at?.to === 'healthz' || at?.to === 'readyz';
  if (isSpare) {
    // There is no room for this connection; whether mcpd is alive is answered all the same.
    res.setHeader('connection', 'close');
    if (!isHealth) return sendTurnedAway(req, res, admission.noRoom(), callId);
  }
  if (isHealth) return sendHealth(req, res, at.to, callId, parts.plane, parts.health);
  if (at?.to === 'approvals') return receiveApproval(req, res, callId, at.name, parts.plane);
  if (at?.to === 'metadata') return sendMetadata(req, res, at.name, parts.plane.oauth);
  if ((at?.to === 'sse' || at?.to === 'messages') && parts.httpSse !== undefined)
    return routeHttpSse({ req, res, callId, server: at.name }, at.to === 'sse', parts.httpSse, parts);
  // A misspelt choice of the hall is at no address.
  const server = at === undefined ? undefined : serverAt(at, query < 0 ? '' : url.slice(query + 1));
  // A POST signs in on its trail, so that a failed one is on record with its message's address.
  if (server !== undefined && req.method === 'POST')
    return admitted(req, res, callId, parts.plane, (stay) =>
      receive(req, res, callId, server, parts.plane, stay),
    );
  const known = await signInFor(req, callId, server ?? '', parts.plane);
  if (server === undefined) throw new Fault('NO_ROUTE');
  const visit = visitOf(req, callId, server, known.principal, parts);
  if (req.method === 'GET') {
    const arrival = arrive(req, callId, server, parts.plane, { send: () => 'gone' });
    await parts.plane.resume(arrival, known.credentials);
    return held(req, res, callId, known, parts.plane, () =>
      holdStream(req, res, server, known, visit, parts.plane),
    );
  }
  if (req.method === 'DELETE') return endSession(req, res, server, known.principal, visit, parts.plane);
  res.setHeader('allow', 'GET, POST, DELETE');
  throw new Fault('WRONG_METHOD');
}

async function routeHttpSse(
  { req, res, callId, server }: { req: IncomingMessage; res: ServerResponse; callId: string; server: string },
  isStream: boolean,
  httpSse: HttpSse,
  parts: FrontParts,
): Promise<void> {
  if (!isStream && req.method === 'POST') {
    const url = req.url ?? '';
    const ticket = ticketForm.exec(url.slice(url.indexOf('?')))?.[1];
    return admitted(req, res, callId, parts.plane, (stay) =>
      httpSse.receive(req, res, callId, server, ticket, stay),
    );
  }
  const known = await signInFor(req, callId, server, parts.plane);
  if (isStream && req.method === 'GET')
    return held(req, res, callId, known, parts.plane, () =>
      httpSse.hold(req, res, server, known, visitOf(req, callId, server, known.principal, parts)),
    );
  res.setHeader('allow', isStream ? 'GET' : 'POST');
  throw new Fault('WRONG_METHOD');
}

function servedBy({ httpSse, plane }: FrontParts): Parameters<typeof findRoute>[1] {
  return { always: true, http_sse: httpSse !== undefined, oauth: plane.oauth.issuers.length > 0 };
}

function serverAt(
  { to, name }: { readonly to: string; readonly name: string },
  query: string,
): string | undefined {
  return to === 'hall' ? hallOf(query) : name;
}

/** The server in an address, `''` where there is none: for the challenge, which names what the token has to be for. */
function serverIn({ url = '/' }: IncomingMessage, parts: FrontParts): string {
  const [path = '', query = ''] = url.split('?', 2);
  const at = findRoute(path, servedBy(parts));
  return at === undefined ? '' : (serverAt(at, query) ?? '');
}

function visitOf(
  req: IncomingMessage,
  callId: string,
  server: string,
  principal: Principal,
  parts: FrontParts,
): Visit {
  return { callId, record: (what) => recordVisit(req, callId, server, what, principal, parts.plane) };
}

function turnAway(
  req: IncomingMessage,
  res: ServerResponse,
  fault: Fault,
  callId: string,
  parts: FrontParts,
): void {
  if (fault.side === 'mcpd') parts.plane.report(fault, callId);
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { status, body, retryInMs } = wordFault(fault, callId);
  if (status === 401)
    res.setHeader('www-authenticate', challengeFor(req, serverIn(req, parts), parts.plane)(undefined));
  if (retryInMs !== undefined) res.setHeader('retry-after', String(Math.ceil(retryInMs / 1000)));
  if (status !== 404) res.setHeader('connection', 'close');
  const text = errorText(undefined, body);
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'mcpd-correlation-id': callId,
  });
  res.end(text);
}

/** Where a front listens: on an address, or under the path of a Unix socket. */
export type ListenAt = { readonly host: string; readonly port: number } | { readonly path: string };

/** Listens, or says who is in the way: throws `PLACE_TAKEN` or `CONFIG_INVALID`. A Unix socket is born with mode 0600. */
export function listen(server: Server, at: ListenAt): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(notListening(at, cause)));
    const listening = () => {
      server.removeAllListeners('error');
      // A failed accept (no more file descriptors) must not end the daemon; the next one may work.
      server.on('error', () => undefined);
      resolve();
    };
    if ('port' in at) return void server.listen(at.port, at.host, listening);
    // Otherwise there would be a moment in which others could connect.
    const before = process.umask(0o177);
    try {
      server.listen(at.path, listening);
    } finally {
      process.umask(before);
    }
  });
}

function notListening(at: ListenAt, cause: NodeJS.ErrnoException): Fault {
  if ('path' in at)
    return new Fault('CONFIG_INVALID', {
      detail: `cannot listen at ${at.path}: ${cause.message}`,
      hint: 'see that the state directory can be written, and lies on a local file system',
      cause,
    });
  const { host, port } = at;
  const taken = cause.code === 'EADDRINUSE';
  return new Fault(taken ? 'PLACE_TAKEN' : 'CONFIG_INVALID', {
    detail: `cannot listen on ${host}:${port}: ${taken ? 'somebody else does' : cause.message}`,
    hint: taken
      ? `see who: ss -ltnp 'sport = :${port}'; or choose another port under [listen] in mcpd.toml`
      : 'choose another address under [listen] in mcpd.toml',
    cause,
  });
}
