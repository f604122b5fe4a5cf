import { connect, type Socket } from 'node:net';
import { agreedText, callText, type Ask, type Caller, firstId, helloText, tokenOf } from './caller.ts';
import { messagesIn, type Reply, ReplyReader } from './http-reply.ts';
import { type Expected, judge, type Sent, type Verdict } from './verdict.ts';

/** Where an MCP endpoint is, and what else to send there. */
export type Endpoint = { readonly url: string; readonly headers: Readonly<Record<string, string>> };

type Taker = { readonly reply: (reply: Reply) => void; readonly fail: (reason: string) => void };

const handshakeWithinMs = 20_000;

/** A Streamable HTTP client of one session on one socket, with the request prebuilt and only id and token patched. */
export class HttpCaller implements Caller {
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #session: number;
  readonly #ask: Ask;
  readonly #expected: Expected;
  #socket: Socket | undefined;
  #taker: Taker | undefined;
  #request: Buffer = Buffer.alloc(0);
  #idAt = 0;
  #tokenAt = 0;
  #id = firstId;
  #idleMaxMs = Infinity;
  #usedAt = 0;

  private constructor(endpoint: Endpoint, session: number, ask: Ask, expected: Expected) {
    this.#url = new URL(endpoint.url);
    this.#headers = endpoint.headers;
    this.#session = session;
    this.#ask = ask;
    this.#expected = expected;
  }

  /** Connects, initialises, and says it is initialised. Rejects when any of it fails or takes 20 s. */
  static async open(endpoint: Endpoint, session: number, ask: Ask, expected: Expected): Promise<HttpCaller> {
    const caller = new HttpCaller(endpoint, session, ask, expected);
    try {
      await caller.refresh();
      const hello = await caller.#exchange(caller.#post(helloText, {}));
      const answer = messagesIn(hello).map(
        (it) => JSON.parse(it.toString()) as { result?: { protocolVersion: string } },
      );
      const version = answer.find((it) => it.result !== undefined)?.result?.protocolVersion;
      if (version === undefined)
        throw new Error(`initialize: HTTP ${String(hello.status)}: ${hello.body.toString('utf8', 0, 200)}`);
      const agreed = {
        'MCP-Protocol-Version': version,
        ...(hello.sessionId === undefined ? {} : { 'Mcp-Session-Id': hello.sessionId }),
      };
      const noted = await caller.#exchange(caller.#post(agreedText, agreed));
      if (noted.status !== 202) throw new Error(`notifications/initialized: HTTP ${String(noted.status)}`);
      caller.#prepare(agreed);
      return caller;
    } catch (reason) {
      caller.close();
      throw reason;
    }
  }

  async refresh(): Promise<void> {
    // A server closes an idle connection without asking; sending into that moment would look like its error.
    if (performance.now() - this.#usedAt > this.#idleMaxMs) this.#hangUp();
    if (this.#socket === undefined) await this.#connect();
  }

  call(done: (verdict: Verdict) => void): void {
    if (this.#socket === undefined) {
      this.#connect().then(
        () => this.#send(done),
        (reason: unknown) => done({ kind: 'error', detail: String(reason) }),
      );
    } else this.#send(done);
  }

  abandon(): void {
    this.#taker = undefined;
    this.#hangUp();
  }

  close(): void {
    this.abandon();
  }

  #send(done: (verdict: Verdict) => void): void {
    this.#id += 1;
    const sent: Sent = { id: this.#id, token: tokenOf(this.#session, this.#id) };
    this.#request.write(String(sent.id), this.#idAt, 'latin1');
    this.#request.write(sent.token, this.#tokenAt, 'latin1');
    this.#taker = {
      reply: (reply) => done(this.#judge(reply, sent)),
      fail: (detail) => done({ kind: 'error', detail }),
    };
    this.#socket?.write(this.#request);
  }

  #judge(reply: Reply, sent: Sent): Verdict {
    if (reply.status !== 200) {
      return {
        kind: 'error',
        detail: `HTTP ${String(reply.status)}: ${reply.body.toString('utf8', 0, 120)}`,
      };
    }
    try {
      return judge(messagesIn(reply), sent, this.#expected);
    } catch (reason) {
      return { kind: 'error', detail: `an unreadable reply: ${String(reason).slice(0, 120)}` };
    }
  }

  #exchange(request: Buffer): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#fail('no answer to the handshake in 20 s'), handshakeWithinMs);
      this.#taker = {
        reply: (reply) => (clearTimeout(late), resolve(reply)),
        fail: (reason) => (clearTimeout(late), reject(new Error(reason))),
      };
      this.#socket?.write(request);
    });
  }

  #connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: this.#url.hostname, port: Number(this.#url.port), noDelay: true });
      const reader = new ReplyReader((reply) => this.#take(reply));
      socket.on('data', (chunk: Buffer) => {
        try {
          reader.push(chunk);
        } catch (reason) {
          this.#fail(String(reason));
        }
      });
      socket.on('error', (reason) => {
        reject(reason);
        if (this.#socket === socket) this.#fail(reason.message);
      });
      socket.on('close', () => {
        if (this.#socket === socket) this.#fail('the connection was closed');
      });
      socket.on('connect', () => {
        this.#socket = socket;
        this.#usedAt = performance.now();
        resolve();
      });
    });
  }

  #take(reply: Reply): void {
    const taker = this.#taker;
    this.#taker = undefined;
    this.#usedAt = performance.now();
    // Half a second early: the server's clock started before ours.
    if (reply.keptForMs !== undefined) this.#idleMaxMs = Math.max(0, reply.keptForMs - 500);
    if (reply.closes) this.#hangUp();
    taker?.reply(reply);
  }

  #fail(reason: string): void {
    const taker = this.#taker;
    this.#taker = undefined;
    this.#hangUp();
    taker?.fail(reason);
  }

  #hangUp(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }

  #post(body: string, more: Readonly<Record<string, string>>): Buffer {
    const headers = {
      Host: this.#url.host,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      ...this.#headers,
      ...more,
      'Content-Length': String(Buffer.byteLength(body)),
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.from(`POST ${this.#url.pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
  }

  #prepare(agreed: Readonly<Record<string, string>>): void {
    const token = tokenOf(this.#session, firstId);
    this.#request = this.#post(callText(firstId, token, this.#ask), agreed);
    this.#idAt = this.#request.lastIndexOf(`"id":${String(firstId)}`) + 5;
    this.#tokenAt = this.#request.lastIndexOf(token);
  }
}
