/** A client of `/mcp` that shows what a real client would hide: raw requests of both eras. */
import { initialize, readEvents, type Rpc, type TestDaemon } from './daemon.ts';

export type Message = Record<string, unknown>;

export class HallClient {
  readonly daemon: TestDaemon;
  readonly key: string | undefined;
  /** What stands after `/mcp`. */
  readonly query: string;
  sessionId: string | undefined;
  #next = 100;

  constructor(daemon: TestDaemon, key: string | undefined = daemon.key, query = '') {
    this.daemon = daemon;
    this.key = key;
    this.query = query;
  }

  /** A legacy session, introduced. */
  static async open(
    daemon: TestDaemon,
    key = daemon.key,
    query = '',
    capabilities = {},
  ): Promise<HallClient> {
    const client = new HallClient(daemon, key, query);
    const hello = await client.post(initialize(capabilities));
    const id = hello.headers.get('mcp-session-id');
    if (id === null)
      throw new Error(`initialize: ${hello.status} ${JSON.stringify(hello.body)}\n${daemon.log()}`);
    client.sessionId = id;
    await client.post({ jsonrpc: '2.0', method: 'notifications/initialized' });
    return client;
  }

  request(method: string, params: object = {}, onEvent?: (message: Message) => void): Promise<Rpc> {
    return this.post({ jsonrpc: '2.0', id: this.#next++, method, params }, {}, onEvent);
  }

  call(name: string, args: object = {}, onEvent?: (message: Message) => void): Promise<Rpc> {
    return this.request('tools/call', { name, arguments: args }, onEvent);
  }

  /** A request of the modern era, with its headers. */
  modern(method: string, params: Message = {}, capabilities: object = {}): Promise<Rpc> {
    const { body, headers } = this.asModern(method, params, capabilities);
    return this.post(body, headers);
  }

  asModern(
    method: string,
    params: Message,
    capabilities: object,
  ): { body: object; headers: Record<string, string> } {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': capabilities,
      'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    };
    const name = params['name'] ?? params['uri'] ?? params['taskId'];
    return {
      body: { jsonrpc: '2.0', id: this.#next++, method, params: { ...params, _meta } },
      headers: {
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
      },
    };
  }

  async post(
    body: object,
    more: Record<string, string> = {},
    onEvent: (message: Message) => void = () => undefined,
  ): Promise<Rpc> {
    const response = await this.http('POST', JSON.stringify(body), {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...more,
    });
    const messages: Message[] = [];
    if ((response.headers.get('content-type') ?? '').startsWith('text/event-stream'))
      await readEvents(response, (message) => {
        messages.push(message);
        onEvent(message);
      });
    else {
      const text = await response.text();
      messages.push(text === '' ? {} : (JSON.parse(text) as Message));
    }
    return {
      status: response.status,
      headers: response.headers,
      body: messages.at(-1) ?? {},
      events: messages.slice(0, -1),
    };
  }

  http(
    method: string,
    body?: string,
    more: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    const headers: Record<string, string> = { accept: 'text/event-stream', ...more };
    if (this.key !== undefined) headers['authorization'] = `Bearer ${this.key}`;
    if (this.sessionId !== undefined) headers['mcp-session-id'] = this.sessionId;
    return fetch(`${this.daemon.url}/mcp${this.query}`, {
      method,
      headers,
      body: body ?? null,
      signal: signal ?? AbortSignal.timeout(90_000),
    });
  }

  async names(method: string, of: string): Promise<string[]> {
    const { body } = await this.request(method);
    const listed = (body.result?.[of] ?? []) as { name?: string; uri?: string }[];
    return listed.map(({ name, uri }) => (of === 'resources' ? uri : name) ?? '');
  }
}
