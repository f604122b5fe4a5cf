import { lstatSync } from 'node:fs';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { version } from '../version.ts';
import { Trouble } from './trouble.ts';

/** Which server behind which daemon, and as whom. */
export type Upstream = {
  readonly socketPath: string;
  readonly server: string;
  /** Without one, the daemon answers only where its owner allowed callers without a key. */
  readonly key: string | undefined;
};

export type Headers = Readonly<Record<string, string>>;

export type HttpReply = {
  readonly status: number;
  readonly isStream: boolean;
  readonly isJson: boolean;
  readonly sessionId: string | undefined;
  readonly correlationId: string | undefined;
  /** Set where the request was turned away, undone, by a daemon that had too much to do or was about to stop. */
  readonly comeBackInMs: number | undefined;
  /** Throws `LOST` when the daemon goes away in the middle. */
  readonly body: AsyncIterable<Buffer>;
  /** Lets go of a body that nobody will read: its connection would stay open. */
  readonly drop: () => void;
};

export type Sending = {
  /** Resolves when the last byte was handed to the system, or when there is nothing more to send. Never rejects. */
  readonly sent: Promise<void>;
  /** Rejects with a `Trouble`. */
  readonly reply: Promise<HttpReply>;
};

/** A body beyond this is sent only after the daemon has said that it wants it: a refusal would be lost in a broken pipe. */
const unaskedBytesMax = 64 * 1024;
/** Even a daemon that says "now" is not asked in a loop, and one that says "tomorrow" is asked before. */
const comeBackMsMin = 50;
const comeBackMsMax = 60_000;
const comeBackMsUnsaid = 1_000;

/**
 * One HTTP request to the daemon, on a connection of its own. A connection that is used again may be closed by the daemon in
 * the same moment, and nobody could tell whether the call was made or may be made again. Never throws: a request that cannot
 * be made is one that has failed.
 */
export function send(
  upstream: Upstream,
  method: 'POST' | 'GET' | 'DELETE',
  headers: Headers,
  text: string | undefined,
  signal: AbortSignal,
): Sending {
  const sent = Promise.withResolvers<void>();
  const reply = Promise.withResolvers<HttpReply>();
  const fail = (trouble: Trouble) => {
    sent.resolve();
    reply.reject(trouble);
  };
  try {
    mustBeOurs(upstream.socketPath);
    const body = text === undefined ? undefined : Buffer.from(text);
    const req = request({
      socketPath: upstream.socketPath,
      path: `/servers/${upstream.server}/mcp`,
      method,
      agent: false,
      signal,
      headers: { ...headers, ...always(upstream), ...about(body) },
    });
    req.once('finish', sent.resolve);
    req.once('response', (res) => {
      sent.resolve();
      reply.resolve(replyOf(req, res));
    });
    req.on('error', (cause) => fail(troubleOf(cause, upstream.socketPath)));
    if (body !== undefined && body.length > unaskedBytesMax) {
      req.once('continue', () => req.end(body));
      req.flushHeaders();
    } else req.end(body);
  } catch (cause) {
    // Nothing has left: a header can hold what HTTP cannot carry, such as a line end in the revision that was agreed on.
    fail(cause instanceof Trouble ? cause : new Trouble('UNREACHABLE', { detail: String(cause), cause }));
  }
  return { sent: sent.promise, reply: reply.promise };
}

function always({ key }: Upstream): Headers {
  return {
    host: 'localhost',
    'user-agent': `mcpd-connect/${version}`,
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
}

function about(body: Buffer | undefined): Headers {
  if (body === undefined) return {};
  return {
    'content-type': 'application/json',
    'content-length': String(body.length),
    ...(body.length > unaskedBytesMax ? { expect: '100-continue' } : {}),
  };
}

function replyOf(req: ClientRequest, res: IncomingMessage): HttpReply {
  const header = (name: string) => {
    const value = res.headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  const type = header('content-type') ?? '';
  const correlationId = header('mcpd-correlation-id');
  // The daemon refused a body that it had not asked for yet.
  res.once('close', () => void (req.writableEnded || req.destroy()));
  return {
    status: res.statusCode ?? 0,
    isStream: type.startsWith('text/event-stream'),
    isJson: type.startsWith('application/json'),
    sessionId: header('mcp-session-id'),
    correlationId,
    comeBackInMs: comeBackIn(res.statusCode, header('retry-after')),
    body: chunksOf(res, correlationId),
    drop: () => void req.destroy(),
  };
}

function comeBackIn(status: number | undefined, retryAfter = ''): number | undefined {
  if (status !== 429 && status !== 503) return undefined;
  if (!/^\d{1,9}$/.test(retryAfter)) return comeBackMsUnsaid;
  return Math.min(Math.max(Number(retryAfter) * 1000, comeBackMsMin), comeBackMsMax);
}

async function* chunksOf(res: IncomingMessage, correlationId: string | undefined): AsyncGenerator<Buffer> {
  try {
    yield* res as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new Trouble('LOST', { correlationId, cause });
  }
}

/** The key goes to whoever listens there: in a folder that others may write to, that could be anybody (a planted socket). */
function mustBeOurs(path: string): void {
  const me = process.getuid?.();
  const owner = ownerOf(path);
  if (owner === undefined || me === undefined || me === 0 || owner === me) return;
  throw new Trouble('NOT_PERMITTED', { detail: `${path} belongs to user ${owner}` });
}

function ownerOf(path: string): number | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.uid;
  } catch (cause) {
    // In a folder that this user may not enter, which the state directory is to everybody but its owner.
    throw troubleOf(cause as NodeJS.ErrnoException, path);
  }
}

function troubleOf(cause: NodeJS.ErrnoException, path: string): Trouble {
  switch (cause.code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ECONNREFUSED':
      return new Trouble('NOT_RUNNING', { detail: `nothing answers at ${path}`, cause });
    case 'EACCES':
    case 'EPERM':
      return new Trouble('NOT_PERMITTED', { detail: `you may not use ${path}`, cause });
    case 'EAGAIN':
    case 'EMFILE':
    case 'ENFILE':
    case 'EINVAL':
    case 'ELOOP':
    case 'ENAMETOOLONG':
    case 'ENOTSOCK':
    case 'EPROTOTYPE':
      return new Trouble('UNREACHABLE', { detail: `${path}: ${cause.code}`, cause });
    default:
      return new Trouble('LOST', { cause });
  }
}
