/** Drivers for too much of everything: thin clients that measure, over node:http and plain sockets. */
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../src/control/client.ts';
import { run, TestSession, type TestDaemon } from '../support/daemon.ts';

/** One answer, in whatever form it came. */
export type Told = {
  /** 0: the connection broke. */
  readonly status: number;
  readonly ms: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
};

/** Where a session stands. */
export type Place = {
  readonly url: string;
  readonly server: string;
  readonly key: string;
  readonly id: string;
};

export async function placeOf(daemon: TestDaemon, server: string, key: string): Promise<Place> {
  const { id } = await TestSession.open(daemon, server, { key });
  return { url: daemon.url, server, key, id };
}

/** How often somebody was answered in which way: `done`, `busy` (1506), `timed out` (1504), or the status. */
export type Counts = Readonly<Record<string, number | undefined>>;

export type Noise = {
  readonly lanes: number;
  readonly forMs: number;
  readonly tool: string;
  readonly args: object;
  /** Arguments that are so many bytes long. */
  readonly fill?: Readonly<Record<string, number>>;
  /** Begins no call when so many were answered, whatever the time is. */
  readonly calls?: number;
};

/** Has a caller make noise in a process of its own; resolves with what it was told when the time is over. */
export async function noise(
  daemon: TestDaemon,
  { server, key }: { readonly server: string; readonly key: string },
  plan: Noise,
): Promise<Counts> {
  const order = JSON.stringify({ ...(await placeOf(daemon, server, key)), ...plan });
  const { stdout, stderr } = await run(
    process.execPath,
    [join(import.meta.dirname, 'noise.ts'), order],
    process.env,
  );
  try {
    return JSON.parse(stdout) as Counts;
  } catch {
    throw new Error(`the noise failed: ${stderr}`);
  }
}

/** One session on connections that stay open. */
export class Caller {
  readonly #url: URL;
  readonly #agent: Agent;
  readonly #headers: Record<string, string>;
  #next = 1000;
  #isOver = false;

  private constructor({ url, server, key, id }: Place, sockets: number) {
    this.#url = new URL(`${url}/servers/${server}/mcp`);
    this.#agent = new Agent({ keepAlive: true, maxSockets: sockets });
    this.#headers = {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'mcp-session-id': id,
      'mcp-protocol-version': '2025-11-25',
    };
  }

  static at(place: Place, sockets: number): Caller {
    return new Caller(place, sockets);
  }

  static async open(daemon: TestDaemon, server: string, key: string, sockets: number): Promise<Caller> {
    return new Caller(await placeOf(daemon, server, key), sockets);
  }

  call(name: string, args: object): Promise<Told> {
    return this.post({ id: this.#next++, method: 'tools/call', params: { name, arguments: args } });
  }

  post(message: object): Promise<Told> {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message });
    const headers = { ...this.#headers, 'content-length': Buffer.byteLength(body) };
    const from = performance.now();
    return new Promise((resolve) => {
      const done = (status: number, retryAfter: string | undefined, text: string) =>
        resolve({ status, ms: performance.now() - from, retryAfter, body: text });
      const outgoing = request(this.#url, { method: 'POST', agent: this.#agent, headers }, (res) => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (chunk: string) => (text += chunk));
        res.on('error', () => done(0, undefined, text));
        res.on('end', () => done(res.statusCode ?? 0, res.headers['retry-after'], text));
      });
      outgoing.setTimeout(60_000, () => outgoing.destroy());
      outgoing.on('error', () => done(0, undefined, ''));
      outgoing.end(body);
    });
  }

  /** As many lanes as said, each with one call after the other, until the time is over. Gives every answer. */
  async flood(lanes: number, forMs: number, name: string, args: object): Promise<Told[]> {
    const told: Told[] = [];
    await this.pour(lanes, forMs, name, args, (one) => told.push(one));
    return told;
  }

  /** As `flood`, for more answers than can be kept: hands each of them over. */
  async pour(
    lanes: number,
    forMs: number,
    name: string,
    args: object,
    take: (one: Told) => void,
  ): Promise<void> {
    const until = performance.now() + forMs;
    const lane = async (): Promise<void> => {
      while (!this.#isOver && performance.now() < until) {
        const one = await this.call(name, args);
        take(one);
        // A client that is turned away and knocks again at once is worse than any that there is; this one waits a little.
        if (one.status !== 200) await sleep(20);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  /** Begins no call any more. */
  stop(): void {
    this.#isOver = true;
  }

  leave(): void {
    this.#agent.destroy();
  }
}

/** The value below which so large a share of all lies; 0 where there is none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** A connection that is open, or was refused. */
export function dial(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    // Who does not read does not even see that the other side has hung up.
    socket.resume();
    socket.on('error', () => resolve(socket));
    socket.on('connect', () => resolve(socket));
  });
}

export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Resident memory in bytes. */
export function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

/** What `ctl status` says of the doors. */
export type Pressed = {
  readonly requests: number;
  readonly streams: number;
  readonly connections: number;
  readonly connectionsMax: number;
  readonly isLate: boolean;
  readonly turnedAway: Readonly<Record<string, number>>;
  readonly letGo: Readonly<Record<string, number>>;
};

/** `ctl status`, without a process of its own for each look. */
export async function statusOf(daemon: TestDaemon): Promise<Record<string, unknown>> {
  return { ...(await ask(join(daemon.state, 'control', 'mcpd.sock'), 'status')) };
}

export async function pressureOn(daemon: TestDaemon): Promise<Pressed> {
  return (await statusOf(daemon))['pressure'] as Pressed;
}

/** One command of the operator's. Throws when it is refused. */
export async function operate(
  daemon: TestDaemon,
  command: string,
  args: Readonly<Record<string, string>>,
): Promise<void> {
  const told = await ask(join(daemon.state, 'control', 'mcpd.sock'), command, args);
  if (!told.ok) throw new Error(`${command}: ${JSON.stringify(told)}`);
}

export const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
