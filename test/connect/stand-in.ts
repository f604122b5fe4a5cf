/** A stand-in for the daemon that shows every request it gets on its socket and answers as the test says. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { frontSocketIn } from '../../src/cli/connect.ts';
import { StdioPeer, type Line, type PeerOptions } from '../support/stdio-peer.ts';

export type Request = {
  readonly verb: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Line;
};
/** `false`: as a legacy server would. */
export type Answering = (request: Request, res: ServerResponse) => unknown;

export const session = 'a-session';

export class StandIn {
  readonly dir = mkdtempSync(join(tmpdir(), 'mcpd-connect-'));
  readonly requests: Request[] = [];
  /** What happened, in order: `whole <method>` when a request is here, `gone <method>` when its client hung up. */
  readonly events: string[] = [];
  readonly #peers: StdioPeer[] = [];
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  async listen(answers: Answering = () => false): Promise<void> {
    const server = createServer((req, res) => this.#receive(req, res, answers));
    server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
      res.writeContinue();
      this.#receive(req, res, answers);
    });
    this.#watch(server);
    await new Promise<void>((resolve) => server.listen(frontSocketIn(this.dir), resolve));
  }

  /** A daemon that answers before it has read a body, and hangs up. Told how many bytes had come by then. */
  async listenUnwilling(answer: (res: ServerResponse, bytes: number) => unknown): Promise<void> {
    const refuse = (req: IncomingMessage, res: ServerResponse) => {
      req.pause();
      res.once('finish', () => req.socket.destroy());
      answer(res, req.socket.bytesRead);
    };
    const server = createServer(refuse);
    server.on('checkContinue', refuse);
    this.#watch(server);
    await new Promise<void>((resolve) => server.listen(frontSocketIn(this.dir), resolve));
  }

  #watch(server: Server): void {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** The daemon is gone, and so is everything that was open. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    // A connection that has not said anything yet is none to `closeAllConnections`, and would keep the server open.
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  connect(options: PeerOptions = {}, args: readonly string[] = []): StdioPeer {
    const peer = new StdioPeer(['files', '--state-dir', this.dir, ...args], options);
    this.#peers.push(peer);
    return peer;
  }

  of(method: string): Request[] {
    return this.requests.filter(({ body, verb }) => (body.method ?? verb) === method);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) await peer[Symbol.asyncDispose]();
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #receive(req: IncomingMessage, res: ServerResponse, answers: Answering): void {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('error', () => undefined);
    req.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const body = (text === '' ? {} : JSON.parse(text)) as Line;
      const request = { verb: req.method ?? '', path: req.url ?? '', headers: req.headers, body };
      const name = body.method ?? request.verb;
      this.requests.push(request);
      this.events.push(`whole ${name}`);
      res.on('error', () => undefined);
      res.on('close', () => void (res.writableFinished || this.events.push(`gone ${name}`)));
      if (answers(request, res) === false) usually(request, res);
    });
  }
}

export const usually: Answering = ({ verb, body }, res) => {
  if (verb === 'GET') return stream(res);
  if (verb === 'DELETE') return res.writeHead(204).end();
  if (body.id === undefined || body.method === undefined) return res.writeHead(202).end();
  const result = body.method === 'initialize' ? { protocolVersion: '2025-06-18', capabilities: {} } : {};
  return json(res, 200, { jsonrpc: '2.0', id: body.id, result }, { 'mcp-session-id': session });
};

export function json(
  res: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export function stream(res: ServerResponse, ...events: string[]): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.flushHeaders();
  for (const event of events) res.write(event);
}

export const event = (message: object, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: message\ndata: ${JSON.stringify(message)}\n\n`;
