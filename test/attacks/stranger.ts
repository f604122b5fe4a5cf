/** Requests byte by byte, as somebody writes them who has no key, and what such a person may be told. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { metaKeys } from '../../src/protocol/era.ts';
import type { Bad } from './bad-credentials.ts';

/** No server may ever hear it. */
export const never = 'said-by-a-stranger';

/** One modern call, which brings along everything that it needs to be carried out. */
const callOf = (text: string): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: {
      name: 'echo',
      arguments: { text },
      _meta: { [metaKeys.version]: '2026-07-28', [metaKeys.capabilities]: {} },
    },
  });

/** A request that would be carried out if its sender were anybody. */
export function ask(
  door: number | Door,
  method: string,
  path: string,
  { headers, query }: Pick<Bad, 'headers' | 'query'>,
  text = never,
): Promise<Reply> {
  const body = method === 'POST' || method === 'PUT' || method === 'PATCH' ? callOf(text) : '';
  const target = query === undefined ? path : `${path}?${query}`;
  // Whoever is let in with a GET would hold a stream; refused for what it accepts, it is let in all the same.
  const accept = method === 'GET' ? 'text/plain' : 'application/json, text/event-stream';
  return send(
    door,
    [
      `${method} ${target} HTTP/1.1`,
      `Host: ${typeof door === 'number' ? `127.0.0.1:${door}` : door.host}`,
      'Connection: close',
      `Accept: ${accept}`,
      ...(body === '' ? [] : modern),
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...headers,
    ],
    body,
  );
}

const modern = [
  'Content-Type: application/json',
  'MCP-Protocol-Version: 2026-07-28',
  'Mcp-Method: tools/call',
  'Mcp-Name: echo',
];

export type Reply = {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
};

/** Another way in than the port: what is to stand in Host, and a connection to write to once it is ready. */
export type Door = { readonly host: string; readonly ready: string; readonly open: () => Socket };

let asked = 0;

/**
 * An address of this machine that nobody used before, so that a limit on one peer's failures never hides what the answer
 * would have been. Only Linux has more than one.
 */
export function nextAddress(): { readonly localAddress?: string } {
  asked++;
  if (process.platform !== 'linux') return {};
  return { localAddress: `127.${1 + (asked >> 16)}.${(asked >> 8) & 255}.${asked & 255 || 1}` };
}

function atPort(port: number): Door {
  const open = () => connect({ port, host: '127.0.0.1', ...nextAddress() });
  return { host: `127.0.0.1:${port}`, ready: 'connect', open };
}

/** One request over a connection of its own, its bytes as they are. Rejects where there is no answer. */
export function send(to: number | Door, head: readonly string[], body = ''): Promise<Reply> {
  const door = typeof to === 'number' ? atPort(to) : to;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = door.open();
    // A bound for a server that never hangs up; what it sent until then is judged.
    const late = setTimeout(() => socket.destroy(), 10_000);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on(door.ready, () => socket.write(Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1')));
    socket.on('close', () => {
      clearTimeout(late);
      const text = Buffer.concat(chunks).toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      const [first = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\r\n');
      const status = Number(/^HTTP\/1\.[01] (\d{3}) /.exec(first)?.[1] ?? Number.NaN);
      if (Number.isNaN(status)) return reject(new Error(`no response to ${head.join(' | ')}: ${text}`));
      const headers = new Map(
        lines.map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
        }),
      );
      resolve({ status, headers, body: text.slice(end + 4) });
    });
  });
}

/** Nothing about servers, versions, paths or the code, and a 401 says what to bring (RFC 9110 section 15.5.2). */
export function tellsNothing(what: string, { status, headers, body }: Reply): void {
  if (status >= 200 && status < 300 && body !== '' && !body.includes('"resource"'))
    assert.match(body, /^\{"status":"(ok|healthy)"\}$/, what);
  if (!body.includes('"resource"'))
    assert.doesNotMatch(body, /\bfx\b|shared|tester|node|\/work|\/tmp|v?26\.|0\.1\.0|at .*:\d+:\d+/, what);
  assert.ok(!headers.has('access-control-allow-origin') && !headers.has('server'), what);
  assert.ok(!headers.has('mcp-session-id') && !headers.has('set-cookie'), what);
  if (status === 401) assert.match(headers.get('www-authenticate') ?? '', /^[A-Z][\w-]+ realm="mcpd"/, what);
}

/** A reply without what differs between any two, and without the name that was asked for. */
export function plain(
  { status, headers, body }: Reply,
  name: string,
): { status: number; headers: object; body: string } {
  const id = headers.get('mcpd-correlation-id') ?? '-';
  const same = (text: string) =>
    text.replaceAll(id, 'ID').replaceAll(`/${name}/`, '/NAME/').replaceAll(`: ${name}"`, ': NAME"');
  const kept = [...headers].filter(([it]) => it !== 'date' && it !== 'content-length');
  return {
    status,
    headers: Object.fromEntries(kept.map(([it, value]) => [it, same(value)])),
    body: same(body),
  };
}
