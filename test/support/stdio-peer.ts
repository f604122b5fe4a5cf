/** `mcpd connect` as a client sees it: a process that is written lines and writes lines. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { endNow, projectRoot, until } from './daemon.ts';

export type Line = {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { code: number; message: string; data?: Record<string, unknown> };
};

export type PeerOptions = {
  readonly env?: NodeJS.ProcessEnv;
  /** Leaves stdout unread until `read`. */
  readonly deaf?: boolean;
  readonly uid?: number;
};

export const launcher = join(projectRoot, 'src', 'launch.cjs');

export class StdioPeer {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** Resolves when the process is gone and everything it wrote is here. */
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly heard: Line[] = [];
  /** The lines as they came. */
  readonly raw: string[] = [];
  notes = '';
  #rest = '';

  constructor(args: readonly string[], { env = {}, deaf = false, uid }: PeerOptions = {}) {
    const { PATH, HOME } = process.env;
    this.child = spawn(process.execPath, [launcher, 'connect', ...args], {
      env: { PATH, HOME, ...env },
      cwd: projectRoot,
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid }),
    });
    this.child.stderr.on('data', (chunk: Buffer) => (this.notes += chunk.toString()));
    // A process that ends before it has read everything is what some tests want to see.
    this.child.stdin.on('error', () => undefined);
    this.exit = new Promise((resolve) => this.child.on('close', (code, signal) => resolve({ code, signal })));
    if (!deaf) this.read();
  }

  read(): void {
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) {
        this.raw.push(line);
        this.heard.push(JSON.parse(line) as Line);
      }
    });
  }

  say(message: object | string): void {
    this.child.stdin.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`);
  }

  /** The first line that fits, once it is there. */
  async hear(what: string, fits: (line: Line) => boolean): Promise<Line> {
    let found: Line | undefined;
    await until(
      `${what} is heard (heard: ${this.raw.join('\n').slice(0, 2000)}) (notes: ${this.notes})`,
      () => (found = this.heard.find(fits)) !== undefined,
    );
    return found as Line;
  }

  /** Sends a request and gives its answer. */
  ask(id: number | string, method: string, params?: object): Promise<Line> {
    this.say({ jsonrpc: '2.0', id, method, params });
    return this.answer(id);
  }

  answer(id: number | string): Promise<Line> {
    return this.hear(`the answer ${id}`, (line) => line.id === id && line.method === undefined);
  }

  /** The legacy handshake. */
  async initialize(protocolVersion = '2025-11-25'): Promise<Line> {
    const answer = await this.ask('init', 'initialize', {
      protocolVersion,
      capabilities: {},
      clientInfo: { name: 'peer', version: '1' },
    });
    this.say({ jsonrpc: '2.0', method: 'notifications/initialized' });
    return answer;
  }

  /** Closes its stdin and waits until it is gone. */
  end(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    this.child.stdin.end();
    return this.exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.pid !== undefined) endNow(this.child.pid);
    this.child.stdout.resume();
    await this.exit;
  }
}
