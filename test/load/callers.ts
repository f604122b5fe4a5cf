/** Callers that know what they were told: every call they make is one entry of a history that can be held against the journal. */
import { Agent, request, type IncomingHttpHeaders } from 'node:http';
import { EventReader } from '../differential/event-reader.ts';

type Json = Record<string, unknown>;

/**
 * What came of a call, as its caller saw it. `answered`: the server's own answer. `refused`: mcpd said no, for good or for
 * now. `failed`: mcpd said that the server failed. `turned away`: it was told to come back (503, 429). `over`: its session is
 * gone. `unheard`: the connection ended, or there was none. `garbled`: something that no client can understand.
 */
export type End = 'answered' | 'refused' | 'failed' | 'turned away' | 'over' | 'unheard' | 'garbled';

export type Deed = {
  readonly tool: string;
  /** The argument `text`, where there is one: of this call alone. */
  readonly text: string;
  readonly caller: string;
  readonly end: End;
  /** The text of the answer, or how it was refused. */
  readonly said: string;
  readonly status: number;
  readonly correlationId: string | undefined;
  readonly retryAfter: number;
  /** When it was sent and when its end was known, of `performance.now()`. */
  readonly from: number;
  readonly to: number;
};

export type Heard = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly messages: readonly Json[];
};

export type Address = { readonly url: string; readonly server: string; readonly key: string };
/** How long nothing may come: a bound for a broken daemon, not a measurement. */
const silentMs = 120_000;

/** HTTP as thin as can be, on connections that stay open. */
export class Wire {
  readonly #agent: Agent;
  readonly #at: Address;

  constructor(at: Address, sockets = 8) {
    this.#at = at;
    this.#agent = new Agent({ keepAlive: true, maxSockets: sockets });
  }

  send(body: string, headers: Readonly<Record<string, string>>, method = 'POST'): Promise<Heard> {
    const { url, server, key } = this.#at;
    return new Promise((resolve, reject) => {
      const outgoing = request(`${url}/servers/${server}/mcp`, {
        method,
        agent: this.#agent,
        headers: {
          accept: 'application/json, text/event-stream',
          authorization: `Bearer ${key}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          ...headers,
        },
      });
      outgoing.setTimeout(silentMs, () => outgoing.destroy(new Error('no answer')));
      outgoing.on('error', reject);
      outgoing.on('response', (response) => {
        const messages: Json[] = [];
        const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;
        let plain = '';
        const events = new EventReader((data) => messages.push(JSON.parse(data) as Json));
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          if (isStream) events.feed(chunk);
          else plain += chunk;
        });
        response.on('end', () => {
          try {
            if (plain !== '') messages.push(JSON.parse(plain) as Json);
            resolve({ status: response.statusCode ?? 0, headers: response.headers, messages });
          } catch {
            reject(new Error(`neither JSON nor events: ${plain.slice(0, 200)}`));
          }
        });
        response.on('error', reject);
        response.on('close', () => reject(new Error('the response broke off')));
      });
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Somebody who makes one call after the other, or several at once. */
export type Caller = {
  readonly name: string;
  readonly server: string;
  call: (tool: string, args?: Json) => Promise<Deed>;
  /** Drops every connection, as a client does that is shut. */
  hangUp: () => void;
};

/** A client of 2025-11-25. Where its session is over it says so with one call, and opens another with the next. */
export class LegacyCaller implements Caller {
  readonly name: string;
  readonly server: string;
  readonly #at: Address;
  readonly #sockets: number;
  #wire: Wire;
  #session: string | undefined;
  #opening: Promise<Deed['end'] | undefined> | undefined;
  #last = 0;
  /** Sessions that it was given. */
  sessions = 0;

  constructor(name: string, at: Address, sockets = 8) {
    this.name = name;
    this.server = at.server;
    this.#at = at;
    this.#sockets = sockets;
    this.#wire = new Wire(at, sockets);
  }

  get session(): string | undefined {
    return this.#session;
  }

  async call(tool: string, args: Json = {}): Promise<Deed> {
    const text = typeof args['text'] === 'string' ? args['text'] : '';
    const from = performance.now();
    const blank = {
      tool,
      text,
      caller: this.name,
      said: '',
      status: 0,
      correlationId: undefined,
      retryAfter: 0,
    };
    const trouble = await (this.#opening ??= this.#open().finally(() => (this.#opening = undefined)));
    if (trouble !== undefined)
      return { ...blank, end: trouble, said: 'while it opened a session', from, to: performance.now() };
    const session = this.#session ?? '';
    const id = ++this.#last;
    const body = {
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: tool, arguments: args },
    };
    const deed = await endOf(this.#wire.send(JSON.stringify(body), headersOf(session)), id);
    // Another call may have opened a new one meanwhile.
    if (deed.end === 'over' && this.#session === session) this.#session = undefined;
    return { ...blank, ...deed, from, to: performance.now() };
  }

  hangUp(): void {
    this.#wire.close();
    this.#wire = new Wire(this.#at, this.#sockets);
    this.#session = undefined;
  }

  /** Ends the session, as a polite client does. */
  async leave(): Promise<void> {
    if (this.#session !== undefined)
      await this.#wire.send('', headersOf(this.#session), 'DELETE').catch(() => undefined);
    this.#wire.close();
    this.#session = undefined;
  }

  async #open(): Promise<End | undefined> {
    if (this.#session !== undefined) return undefined;
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'load', version: '1' },
    };
    const hello = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
    try {
      const { status, headers, messages } = await this.#wire.send(hello, {});
      const session = headers['mcp-session-id'];
      if (typeof session !== 'string')
        return status === 503 || status === 429 ? 'turned away' : failureOf(messages);
      await this.#wire.send('{"jsonrpc":"2.0","method":"notifications/initialized"}', headersOf(session));
      this.#session = session;
      this.sessions++;
      return undefined;
    } catch {
      return 'unheard';
    }
  }
}

/** A client of 2026-07-28: every request stands for itself. */
export class ModernCaller implements Caller {
  readonly name: string;
  readonly server: string;
  readonly #at: Address;
  readonly #sockets: number;
  #wire: Wire;
  #last = 0;

  constructor(name: string, at: Address, sockets = 8) {
    this.name = name;
    this.server = at.server;
    this.#at = at;
    this.#sockets = sockets;
    this.#wire = new Wire(at, sockets);
  }

  async call(tool: string, args: Json = {}): Promise<Deed> {
    const text = typeof args['text'] === 'string' ? args['text'] : '';
    const id = ++this.#last;
    const from = performance.now();
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': modern,
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'load', version: '1' },
    };
    const params = { name: tool, arguments: args, _meta };
    const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params });
    const headers = { 'mcp-protocol-version': modern, 'mcp-method': 'tools/call', 'mcp-name': tool };
    const deed = await endOf(this.#wire.send(body, headers), id);
    return { tool, text, caller: this.name, ...deed, from, to: performance.now() };
  }

  hangUp(): void {
    this.#wire.close();
    this.#wire = new Wire(this.#at, this.#sockets);
  }
}

const modern = '2026-07-28';

function headersOf(session: string): Record<string, string> {
  return { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
}

type Ending = Pick<Deed, 'end' | 'said' | 'status' | 'correlationId' | 'retryAfter'>;

async function endOf(sending: Promise<Heard>, id: number): Promise<Ending> {
  let heard: Heard;
  try {
    heard = await sending;
  } catch (reason) {
    const garbled = reason instanceof Error && reason.message.startsWith('neither JSON');
    return {
      end: garbled ? 'garbled' : 'unheard',
      said: String(reason),
      status: 0,
      correlationId: undefined,
      retryAfter: 0,
    };
  }
  const { status, headers, messages } = heard;
  const correlation = headers['mcpd-correlation-id'];
  const about = {
    status,
    correlationId: typeof correlation === 'string' ? correlation : undefined,
    retryAfter: Number(headers['retry-after'] ?? 0),
  };
  const answer = messages.find((message) => 'result' in message || 'error' in message);
  const said = saidIn(answer);
  if (status === 503 || status === 429) return { ...about, end: 'turned away', said };
  if (status === 404 && codeIn(answer) === 1404) return { ...about, end: 'over', said };
  if (answer === undefined || answer['id'] !== id)
    return { ...about, end: 'garbled', said: JSON.stringify(messages) };
  if ('error' in answer) return { ...about, end: failureOf(messages), said };
  const result = answer['result'] as { isError?: boolean };
  return { ...about, end: result.isError === true ? 'refused' : 'answered', said };
}

function codeIn(answer: Json | undefined): number {
  return Number((answer?.['error'] as { code?: number } | undefined)?.code ?? 0);
}

/** 1502 to 1510 and 1499, 1412: docs/errors.md. */
function failureOf(messages: readonly Json[]): End {
  const code = codeIn(messages.find((message) => 'error' in message));
  return code === 1412 || (code >= 1499 && code <= 1512) ? 'failed' : 'refused';
}

function saidIn(answer: Json | undefined): string {
  const result = answer?.['result'] as { content?: { text?: string }[] } | undefined;
  const error = answer?.['error'] as { message?: string } | undefined;
  return result?.content?.[0]?.text ?? error?.message ?? JSON.stringify(answer ?? null);
}
