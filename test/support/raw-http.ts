/** HTTP as an attacker writes it: the bytes as they are, over a plain socket. Real clients refuse to send most of this. */
import { connect, type Socket } from 'node:net';

export type RawReply = {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
};

export type RawExchange = {
  readonly replies: readonly RawReply[];
  /** False when the other side was still holding the connection after `waitMs`. */
  readonly closed: boolean;
  readonly received: Buffer;
};

export type RawOptions = {
  /** How long to wait for the other side to hang up. A bound for a broken server, not a measurement. */
  readonly waitMs?: number;
  /** Called with the socket once everything was written; for attackers who go on. */
  readonly then?: (socket: Socket) => void;
  /** The answer to HEAD has a length and no body. */
  readonly headOnly?: boolean;
  /** Whether to go on holding our half of the connection after the other side has closed its own. */
  readonly holdOn?: boolean;
  /** Lets go of the connection when it fires. */
  readonly until?: AbortSignal;
};

/** Writes bytes and collects whatever comes back until the other side hangs up. */
export function exchange(
  port: number,
  bytes: Buffer | string,
  { waitMs = 20_000, then, headOnly = false, holdOn = false, until }: RawOptions = {},
): Promise<RawExchange> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: holdOn });
    let closed = true;
    const late = setTimeout(() => {
      closed = false;
      socket.destroy();
    }, waitMs);
    until?.addEventListener('abort', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // A server that hangs up in the middle of our writing is what some attacks want to see.
    socket.on('error', () => undefined);
    socket.on('connect', () =>
      socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, () => then?.(socket)),
    );
    socket.on('close', () => {
      clearTimeout(late);
      const received = Buffer.concat(chunks);
      resolve({ replies: readReplies(received, headOnly), closed, received });
    });
  });
}

/** A well-formed POST, as text to be spoiled. */
export function postText(
  path: string,
  port: number,
  headers: Readonly<Record<string, string>>,
  body: string | Buffer,
): Buffer {
  const all: Record<string, string> = {
    Host: `127.0.0.1:${port}`,
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    'Content-Length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'),
    Buffer.from(body),
  ]);
}

export function header(reply: RawReply, name: string): string | undefined {
  return reply.headers.find(([it]) => it === name)?.[1];
}

/** Every final response in a stream of bytes; interim ones (100) are stepped over. */
function readReplies(bytes: Buffer, headOnly: boolean): RawReply[] {
  const text = bytes.toString('latin1');
  const replies: RawReply[] = [];
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end < 0) break;
    const [first = '', ...lines] = text.slice(at, end).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? Number.NaN);
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    at = end + 4;
    if (status === 100) continue;
    const value = (name: string) => headers.find(([it]) => it === name)?.[1];
    let body: string;
    if (headOnly) body = '';
    else if (value('transfer-encoding') === 'chunked') [body, at] = chunked(text, at);
    else {
      const length = Number(value('content-length') ?? text.length - at);
      body = text.slice(at, at + length);
      at += length;
    }
    replies.push({ status, headers, body: Buffer.from(body, 'latin1').toString('utf8') });
  }
  return replies;
}

function chunked(text: string, from: number): [body: string, end: number] {
  let body = '';
  let at = from;
  for (;;) {
    const line = text.indexOf('\r\n', at);
    const size = line < 0 ? Number.NaN : Number.parseInt(text.slice(at, line), 16);
    if (Number.isNaN(size)) return [body, text.length];
    if (size === 0) return [body, line + 4];
    body += text.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}
