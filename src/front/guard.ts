import type { IncomingMessage } from 'node:http';
import type { Credentials } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';

export type GuardRules = {
  /** `host:port` values that the Host header may have, lower case. */
  readonly hosts: ReadonlySet<string>;
  /** Origins that may call, for example `http://127.0.0.1:8377`. */
  readonly origins: ReadonlySet<string>;
};

/** The headers we act on. Each may stand once: Node keeps the first of some and joins others, and the next hop may not. */
const single = new Set([
  'host',
  'authorization',
  'content-type',
  'content-encoding',
  'content-length',
  'origin',
  'accept',
  'mcp-session-id',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'last-event-id',
]);

/** Turns away what must not come in, before anything is parsed or believed. Throws the fault that says why. */
export function guard(req: IncomingMessage, rules: GuardRules): void {
  const { headers } = req;
  refuseTwice(req);
  const { host } = headers;
  if (host === undefined) throw new Fault('BAD_HEADER', { detail: 'no Host' });
  // DNS rebinding: a page on evil.example that resolves to 127.0.0.1 still sends its own name here.
  if (!rules.hosts.has(host) && !rules.hosts.has(host.toLowerCase()))
    throw new Fault('FORBIDDEN_HOST', { detail: host.slice(0, 200) });
  const { origin } = headers;
  if (origin !== undefined && !rules.origins.has(origin))
    throw new Fault('FORBIDDEN_ORIGIN', { detail: origin.slice(0, 200) });
  // A browser says where a request comes from even when it sends no Origin.
  const site = headers['sec-fetch-site'];
  if (origin === undefined && site !== undefined && site !== 'same-origin' && site !== 'none') {
    throw new Fault('FORBIDDEN_ORIGIN', { detail: `Sec-Fetch-Site ${String(site).slice(0, 40)}` });
  }
  // An absolute target names another authority than the one that was checked.
  if (!(req.url ?? '').startsWith('/'))
    throw new Fault('BAD_HEADER', { detail: 'the request target is not a path' });
}

/** Throws where a header that we act on stands twice. */
function refuseTwice({ rawHeaders, headers }: IncomingMessage): void {
  let names = 0;
  for (const _name in headers) names++;
  // As many names as lines, which is almost always: nothing stands twice.
  if (names * 2 === rawHeaders.length) return;
  let seen = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (!single.has(name)) continue;
    const bit = bitOf.get(name) as number;
    if ((seen & bit) !== 0) throw new Fault('BAD_HEADER', { detail: `${name} stands twice` });
    seen |= bit;
  }
}

const bitOf: ReadonlyMap<string, number> = new Map([...single].map((name, index) => [name, 1 << index]));

/** Tokens that name many groups are long. The whole head has 16 KiB. */
const authorizationCharsMax = 8192;

/** Reads the Authorization header (RFC 6750 section 2.1). Tokens in the query are never looked at. */
export function credentialsOf(req: IncomingMessage): Credentials {
  const { authorization } = req.headers;
  if (authorization === undefined) return { kind: 'none' };
  if (authorization.length > authorizationCharsMax) return { kind: 'malformed', why: 'too long' };
  const space = authorization.indexOf(' ');
  if (space < 0 || authorization.slice(0, space).toLowerCase() !== 'bearer') {
    return { kind: 'malformed', why: 'not a Bearer credential' };
  }
  const token = authorization.slice(space + 1).trim();
  return token === '' ? { kind: 'malformed', why: 'empty' } : { kind: 'bearer', token };
}

/** A POST body must say that it is JSON in UTF-8: a web form cannot say that, so it cannot forge a call (CSRF). */
export function checkBodyHeaders(req: IncomingMessage, bytesMax: number): void {
  const type = req.headers['content-type'];
  if (type === undefined || !isJson(type))
    throw new Fault('NOT_JSON', { detail: `content-type ${String(type).slice(0, 80)}` });
  if (req.headers['content-encoding'] !== undefined)
    throw new Fault('NOT_JSON', { detail: 'content-encoding' });
  const length = req.headers['content-length'];
  if (length !== undefined && Number(length) > bytesMax)
    throw new Fault('TOO_LARGE', { detail: `${length} bytes` });
}

function isJson(type: string): boolean {
  if (type === 'application/json') return true;
  return /^application\/json[ \t]*(;[ \t]*charset="?utf-8"?[ \t]*)?$/i.test(type);
}

/**
 * Whether a client names event streams before JSON. It has to accept both (2025-03-26 basic/transports), so the order is the
 * only way to say which it would rather have; the official clients name JSON first.
 */
export function prefersStream({ headers: { accept } }: IncomingMessage): boolean {
  if (accept === undefined || accept.startsWith('application/json')) return false;
  const stream = accept.indexOf('text/event-stream');
  return stream >= 0 && stream < accept.indexOf('application/json');
}

/** 2025-03-26 basic/transports: a POST accepts both JSON and event streams, a GET accepts event streams. */
export function checkAccept(req: IncomingMessage, wanted: readonly string[]): void {
  const accept = req.headers.accept;
  if (accept === undefined || accept === '*/*') return;
  const lower = accept.toLowerCase();
  for (const type of wanted) {
    if (!lower.includes(type) && !lower.includes('*/*'))
      throw new Fault('NOT_ACCEPTABLE', { detail: `Accept lacks ${type}` });
  }
}
