import { Agent, request, type IncomingMessage } from 'node:http';
import { EventReader } from '../differential/event-reader.ts';

/** How long nothing may come before an exchange counts as lost; a bound for a broken daemon, not a measurement. */
const silentMs = 120_000;

/** One session of the crowd: a client as thin as can be, on connections of its own that stay open. */
export class Member {
  readonly #url: URL;
  readonly #agent: Agent;
  readonly #headers: Record<string, string>;
  #standing: IncomingMessage | undefined;

  private constructor(url: string, key: string, sockets: number) {
    this.#url = new URL(url);
    this.#agent = new Agent({ keepAlive: true, maxSockets: sockets });
    this.#headers = {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
    };
  }

  static async join(url: string, key: string, sockets: number): Promise<Member> {
    const member = new Member(url, key, sockets);
    const params =
      '{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"crowd","version":"1"}}';
    const response = await member.#send(
      'POST',
      `{"jsonrpc":"2.0","id":1,"method":"initialize","params":${params}}`,
    );
    const sessionId = response.headers['mcp-session-id'];
    const texts = await messagesOf(response, () => undefined);
    if (typeof sessionId !== 'string')
      throw new Error(`initialize: ${response.statusCode} ${texts.join('')}`);
    member.#headers['mcp-session-id'] = sessionId;
    member.#headers['mcp-protocol-version'] = '2025-11-25';
    await member.post('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    return member;
  }

  /** Sends a message and gives every message of its response; `heard` is told of each as it comes. */
  async post(
    body: string,
    heard: (text: string) => void = () => undefined,
    withinMs = silentMs,
  ): Promise<readonly string[]> {
    return messagesOf(await this.#send('POST', body, withinMs), heard);
  }

  /** Opens the standing stream. */
  async listen(heard: (text: string) => void): Promise<void> {
    const response = await this.#send('GET');
    if (response.statusCode !== 200) throw new Error(`the standing stream: ${response.statusCode}`);
    this.#standing = response;
    // It ends when this session leaves, in the middle of whatever it is doing.
    messagesOf(response, heard).catch(() => undefined);
  }

  leave(): void {
    this.#standing?.destroy();
    this.#agent.destroy();
  }

  #send(method: string, body?: string, withinMs = silentMs): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
      const headers = { ...this.#headers, ...length };
      const outgoing = request(this.#url, { method, agent: this.#agent, headers }, resolve);
      outgoing.setTimeout(withinMs, () => outgoing.destroy(new Error('no answer')));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}

function messagesOf(response: IncomingMessage, heard: (text: string) => void): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const texts: string[] = [];
    const take = (text: string): void => {
      texts.push(text);
      heard(text);
    };
    const isStream = response.headers['content-type'] === 'text/event-stream';
    const reader = new EventReader(take);
    let plain = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      if (isStream) reader.feed(chunk);
      else plain += chunk;
    });
    response.on('end', () => {
      if (plain !== '') take(plain);
      resolve(texts);
    });
    response.on('error', reject);
    response.on('close', () => reject(new Error('the response broke off')));
  });
}
