/** A legacy client that shows what is on the wire: every event with its id, in whatever revision the test wants. */
import assert from 'node:assert/strict';
import { initialize, type TestDaemon } from '../support/daemon.ts';

/** Everything is allowed, the servers' questions included. */
export const everything = `[[rule]]
name = "everything"
verdict = "allow"
tools = ["*"]
resources = ["**", "file:///**"]
prompts = ["*"]
upcalls = ["*"]
`;

export type Revision = '2024-11-05' | '2025-03-26' | '2025-06-18' | '2025-11-25';
export const revisions: readonly Revision[] = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];

export type Rpc = {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: { readonly content?: readonly { readonly text: string }[] } & Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string };
};

export class Wire {
  readonly daemon: TestDaemon;
  readonly server: string;
  readonly key: string;
  readonly id: string;
  readonly revision: Revision;

  constructor(daemon: TestDaemon, server: string, key: string, id: string, revision: Revision) {
    this.daemon = daemon;
    this.server = server;
    this.key = key;
    this.id = id;
    this.revision = revision;
  }

  static async open(
    daemon: TestDaemon,
    revision: Revision = '2025-11-25',
    { server = 'fx', key = daemon.key }: { readonly server?: string; readonly key?: string } = {},
  ): Promise<Wire> {
    const before = new Wire(daemon, server, key, '', revision);
    const hello = initialize({ roots: {}, elicitation: {} }) as { params: object };
    const greeting = { ...hello, params: { ...hello.params, protocolVersion: revision } };
    const response = await before.post(greeting, {
      'mcp-session-id': undefined,
      'mcp-protocol-version': undefined,
    });
    const id = response.headers.get('mcp-session-id');
    const said = await response.text();
    assert.ok(id !== null, `initialize: ${response.status} ${said}`);
    const wire = new Wire(daemon, server, key, id, revision);
    assert.equal((await wire.post({ jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202);
    return wire;
  }

  post(body: unknown, headers: Headers = {}): Promise<Response> {
    return this.#fetch('POST', headers, typeof body === 'string' ? body : JSON.stringify(body));
  }

  /** The standing stream; with an event id, the rest of the stream that the event was on. */
  get(lastEventId?: string, headers: Headers = {}): Promise<Response> {
    return this.#fetch('GET', { 'last-event-id': lastEventId, ...headers });
  }

  end(): Promise<Response> {
    return this.#fetch('DELETE', {});
  }

  call(id: unknown, name: string, args: object = {}, meta?: object): Promise<Response> {
    return this.post(toolCall(id, name, args, meta));
  }

  #fetch(method: string, headers: Headers, body?: string): Promise<Response> {
    const all: Headers = {
      authorization: `Bearer ${this.key}`,
      accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
      'mcp-session-id': this.id,
      'mcp-protocol-version': this.revision,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    };
    const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return fetch(`${this.daemon.url}/servers/${this.server}/mcp`, {
      method,
      headers: given,
      body: body ?? null,
    });
  }
}

type Headers = Readonly<Record<string, string | undefined>>;

export function toolCall(id: unknown, name: string, args: object = {}, meta?: object): object {
  const params = { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) };
  return { jsonrpc: '2.0', id, method: 'tools/call', params };
}

/** One block of an event stream: its fields, without comments. */
export type SeenEvent = {
  readonly event: string | undefined;
  readonly id: string | undefined;
  readonly retry: string | undefined;
  /** Undefined where there is no `data` field at all. */
  readonly data: string | undefined;
};

export const isMark = ({ id, data }: SeenEvent): boolean => id !== undefined && data === '';
export const messageOf = ({ data }: SeenEvent): Rpc => JSON.parse(data ?? '') as Rpc;
export const answerIn = (events: readonly SeenEvent[], id: unknown): Rpc | undefined =>
  events
    .filter((it) => it.data !== undefined && it.data !== '')
    .map(messageOf)
    .find((it) => it.id === id && it.method === undefined);
export const textOf = (rpc: Rpc | undefined): string =>
  rpc?.result?.content?.[0]?.text ?? rpc?.error?.message ?? JSON.stringify(rpc);

/** Reads an event stream, event by event. */
export class Events {
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #ready: SeenEvent[] = [];
  #rest = '';

  constructor(response: Response) {
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    assert.ok(response.body !== null);
    this.#reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next event; undefined when the stream has ended. Rejects when it broke. */
  async next(): Promise<SeenEvent | undefined> {
    for (;;) {
      const ready = this.#ready.shift();
      if (ready !== undefined) return ready;
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      const blocks = (this.#rest + value).split('\n\n');
      this.#rest = blocks.pop() ?? '';
      for (const block of blocks) if (!block.startsWith(':')) this.#ready.push(eventIn(block));
    }
  }

  /** The next event, which must come. */
  async one(): Promise<SeenEvent> {
    const event = await this.next();
    assert.ok(event !== undefined, 'the stream ended');
    return event;
  }

  /** The next message; marks and `retry` alone are stepped over. */
  async message(): Promise<Rpc> {
    for (;;) {
      const event = await this.one();
      if (event.data !== undefined && event.data !== '') return messageOf(event);
    }
  }

  async rest(): Promise<SeenEvent[]> {
    const events: SeenEvent[] = [];
    for (let event = await this.next(); event !== undefined; event = await this.next()) events.push(event);
    return events;
  }

  /** Hangs up. */
  leave(): Promise<void> {
    return this.#reader.cancel();
  }
}

function eventIn(block: string): SeenEvent {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ''));
  }
  const [event, id, retry, data] = ['event', 'id', 'retry', 'data'].map((name) => fields.get(name));
  return { event, id, retry, data };
}
