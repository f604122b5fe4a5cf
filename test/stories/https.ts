/** A client of HTTPS, with or without a certificate of its own, that shows what comes back and when. */
import { readFileSync } from 'node:fs';
import { request, type RequestOptions } from 'node:https';
import { request as plainRequest } from 'node:http';
import { initialize } from '../support/daemon.ts';

export type Asked = {
  readonly port: number;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** The file of the issuer that is trusted; undefined: plain HTTP. */
  readonly ca?: string;
  readonly client?: { readonly cert: string; readonly key: string };
  /** Which address of this machine to come from. */
  readonly from?: string;
  /** Told of what has come so far; true: that is enough. */
  readonly enough?: (text: string) => boolean;
};

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
};

/** Rejects when there was no answer: no connection, or no handshake. */
export function ask({
  port,
  path = '/mcp',
  method = 'POST',
  headers = {},
  body,
  ...how
}: Asked): Promise<Answer> {
  const options: RequestOptions = {
    host: '127.0.0.1',
    port,
    path,
    method,
    agent: false,
    headers: {
      accept: 'application/json, text/event-stream',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(how.from === undefined ? {} : { localAddress: how.from }),
    ...(how.ca === undefined ? {} : { ca: readFileSync(how.ca) }),
    ...(how.client === undefined
      ? {}
      : { cert: readFileSync(how.client.cert), key: readFileSync(how.client.key) }),
  };
  return new Promise((resolve, reject) => {
    const req = (how.ca === undefined ? plainRequest : request)(options, (res) => {
      let text = '';
      const done = () => {
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text });
        req.destroy();
      };
      res.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (how.enough?.(text) === true) done();
      });
      res.on('end', done);
      res.on('error', done);
    });
    req.on('error', reject);
    req.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Begins a session and gives its id; fails with what came instead. */
export async function begin(asked: Asked): Promise<string> {
  const { status, headers, text } = await ask({ ...asked, body: initialize() });
  const id = headers['mcp-session-id'];
  if (typeof id !== 'string') throw new Error(`initialize: ${status} ${text}`);
  await ask({
    ...asked,
    headers: { ...asked.headers, 'mcp-session-id': id },
    body: { jsonrpc: '2.0', method: 'notifications/initialized' },
  });
  return id;
}

export const call = (name: string, args: object = {}): object => ({
  jsonrpc: '2.0',
  id: 7,
  method: 'tools/call',
  params: { name, arguments: args },
});
