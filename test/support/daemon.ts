/** Starts a real daemon on a free loopback port with a policy of the test's own, and speaks to it as a client would. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Canaries } from './canary.ts';

export const projectRoot = join(import.meta.dirname, '..', '..');
const launcher = join(projectRoot, 'src', 'launch.cjs');
export const fixture = (name: string): string =>
  join(projectRoot, 'test', 'fixtures', 'servers', `${name}.ts`);

/** What the daemon writes to its children is judged at the end of the run; see `tap.ts`. */
const { MCPD_TEST_TAP } = process.env;
const tapEnv = MCPD_TEST_TAP === undefined ? {} : { MCPD_TEST_TAP };
const tapped =
  MCPD_TEST_TAP === undefined ? [] : [`--import=${join(projectRoot, 'test', 'support', 'tap.ts')}`];

export type DaemonOptions = {
  /** Server name → the text of its policy file. `$NODE` and `$FIXTURES` are filled in. */
  readonly servers: Readonly<Record<string, string>>;
  /** Appended to mcpd.toml after the `[listen]` table. */
  readonly daemon?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Prepared before the daemon starts. */
  readonly prepare?: (dirs: {
    readonly dir: string;
    readonly state: string;
    readonly policies: string;
  }) => void;
  /** Undone when the daemon is gone, before its folder is removed. */
  readonly cleanUp?: (dirs: { readonly state: string }) => void;
  /** False: everything is prepared, and the test starts the process itself. */
  readonly boot?: boolean;
  /** False: no secret is planted that the test did not write, and none is searched for; see `canary.ts`. */
  readonly canaries?: false;
};

/** The text of a policy file for one of the fixture servers. `more` comes after `args`. */
export const serving = (server: string, more = ''): string =>
  `command = "$NODE"\nargs = ["$FIXTURES/${server}.ts"]\n${more}\n`;

/** A rule that gives a verdict about tools; `more` holds further lines of it. */
export const rule = (verdict: 'allow' | 'deny' | 'confirm', tools: readonly string[], more = ''): string =>
  `[[rule]]\nname = "${verdict} ${tools.join(' ')}"\nverdict = "${verdict}"\ntools = ${JSON.stringify(tools)}\n${more}\n`;

/** For a server that writes every byte of its stdin to a file: `daemon.raw()`. */
export const rawEnv = '[env]\nFX_RAW = "$DIR/raw.log"\n';

/**
 * A server file with an owner, a class for every tool and no pins, where a test says nothing about them: without those,
 * nothing may be called, and most tests are about something else.
 */
export function inContract(text: string): string {
  const owner = /^(owner|extends) =/m.test(text) ? '' : 'owner = "tests"\n';
  const classes = /^\[tools\./m.test(text)
    ? ''
    : '\n[tools."*"]\nrisk = "destructive"\neffect = "whatever the test wants"\n';
  // Servers of the tests have tools that they do not list, or list to some only.
  const pins = /^pins =/m.test(text) ? '' : 'pins = "off"\n';
  // The wall has tests of its own; elsewhere a server of a test writes into its folder, and is looked at from outside.
  const sandbox = /^sandbox =/m.test(text) ? '' : 'sandbox = "off"\n';
  return `${owner}${pins}${sandbox}${text}${classes}`;
}

export type Run = { readonly code: number; readonly stdout: string; readonly stderr: string };

export class TestDaemon {
  readonly dir: string;
  readonly state: string;
  readonly policies: string;
  readonly port: number;
  readonly options: DaemonOptions;
  /** What must be found nowhere when this daemon goes. */
  readonly canaries: Canaries | undefined;
  #looks = 0;
  key = '';
  child: ChildProcess | undefined;
  output = '';

  private constructor(dir: string, port: number, options: DaemonOptions) {
    this.dir = dir;
    this.state = join(dir, 'state');
    this.policies = join(dir, 'policies');
    this.port = port;
    this.options = options;
    this.canaries = options.canaries === false ? undefined : new Canaries(dir);
  }

  static async start(options: DaemonOptions): Promise<TestDaemon> {
    const dir = mkdtempSync(join(tmpdir(), 'mcpd-test-'));
    const daemon = new TestDaemon(dir, await freePort(), options);
    mkdirSync(join(daemon.policies, 'servers'), { recursive: true, mode: 0o700 });
    mkdirSync(daemon.state, { mode: 0o700 });
    chmodSync(daemon.policies, 0o700);
    daemon.write('mcpd.toml', `[listen]\nport = ${daemon.port}\n${options.daemon ?? ''}`);
    for (const [name, text] of Object.entries(options.servers)) daemon.write(`servers/${name}.toml`, text);
    try {
      options.prepare?.({ dir, state: daemon.state, policies: daemon.policies });
      daemon.key = await daemon.addKey('tester');
      if (options.boot !== false) await daemon.boot();
      return daemon;
    } catch (reason) {
      await daemon[Symbol.asyncDispose]();
      throw reason;
    }
  }

  /** Makes a key for one more caller. */
  async addKey(name: string): Promise<string> {
    const { code, stdout, stderr } = await this.mcpd(['key', 'add', name, '--json']);
    if (code !== 0) throw new Error(`key add: ${stderr}${stdout}`);
    const { key } = JSON.parse(stdout) as { key: string };
    this.canaries?.addKey(key);
    return key;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  get env(): NodeJS.ProcessEnv {
    const { PATH, HOME } = process.env;
    return {
      PATH,
      HOME,
      ...tapEnv,
      ...this.canaries?.env,
      MCPD_STATE_DIR: this.state,
      MCPD_POLICIES: this.policies,
      ...this.options.env,
    };
  }

  /** Writes a policy file, whole; see `inContract`. Servers get a secret, and the log says all there is to say. */
  write(file: string, text: string): void {
    const server = /^servers\/([^/]+)\.toml$/.exec(file)?.[1];
    if (server !== undefined) {
      const whole = inContract(text);
      this.writeExactly(file, this.canaries?.inServer(server, whole) ?? whole);
    } else if (file === 'mcpd.toml' && this.canaries !== undefined && !/^\s*\[?log\b/m.test(text))
      this.writeExactly(file, `${text}\n[log]\nlevel = "debug"\n`);
    else this.writeExactly(file, file.startsWith('servers/') ? inContract(text) : text);
  }

  /** The same, and nothing else: lines and columns are those of the text. */
  writeExactly(file: string, text: string): void {
    const filled = text
      .replaceAll('$NODE', process.execPath)
      .replaceAll('$FIXTURES', join(projectRoot, 'test', 'fixtures', 'servers'));
    writeFileSync(join(this.policies, file), filled.replaceAll('$DIR', this.dir), { mode: 0o600 });
  }

  /** Starts the process and waits until it is ready (or says why not). */
  async boot(): Promise<void> {
    this.canaries?.lookForAll('what the daemon printed', this.output);
    this.output = '';
    const child = spawn(process.execPath, [...tapped, launcher, 'run', '--policies', this.policies], {
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    child.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    for (let tries = 0; tries < 300; tries++) {
      if (child.exitCode !== null) throw new Error(`mcpd exited with ${child.exitCode}:\n${this.output}`);
      const settled = await fetch(`${this.url}/readyz`, { headers: { authorization: `Bearer ${this.key}` } })
        .then((response) => response.json() as Promise<{ servers?: { state: string }[] }>)
        .catch(() => undefined);
      if (settled?.servers?.every(({ state }) => state !== 'starting') === true) {
        this.canaries?.lookAtProcesses();
        return;
      }
      await sleep(50);
    }
    throw new Error(`mcpd did not become ready:\n${this.output}`);
  }

  /** Runs `mcpd …` to its end. */
  async mcpd(args: readonly string[], input?: string): Promise<Run> {
    const told = await run(process.execPath, [launcher, ...args], this.env, input);
    this.canaries?.look(`what mcpd ${args.slice(0, 3).join(' ')} printed`, told.stdout + told.stderr);
    return told;
  }

  /** Runs `mcpd ctl … --json` and gives what it printed. */
  ctl(...args: string[]): Promise<Record<string, unknown>> {
    return this.#json(['ctl', ...args, '--json']);
  }

  /** Runs `mcpd audit query … --json` and gives the records, oldest first. */
  async audit(...args: string[]): Promise<Record<string, unknown>[]> {
    const reply = await this.#json(['audit', 'query', ...args, '--json']);
    return reply['records'] as Record<string, unknown>[];
  }

  async #json(args: readonly string[]): Promise<Record<string, unknown>> {
    const { stdout, stderr } = await this.mcpd(args);
    try {
      return JSON.parse(stdout) as Record<string, unknown>;
    } catch {
      throw new Error(`${args.join(' ')} printed no JSON: ${stdout}${stderr}`);
    }
  }

  /** One server as `ctl status` shows it. */
  async status(server: string): Promise<ServerStatus> {
    const { servers } = (await this.ctl('status')) as { servers: ServerStatus[] };
    const found = servers.find(({ name }) => name === server);
    if (found === undefined) throw new Error(`ctl status shows no server ${server}`);
    return found;
  }

  /** The questions that wait for the operator. */
  async approvals(): Promise<WaitingQuestion[]> {
    return (await this.ctl('approvals'))['approvals'] as WaitingQuestion[];
  }

  /** The processes that the daemon itself started and that live. */
  children(): number[] {
    return processes().filter((pid) => parentOf(pid) === this.pid && alive(pid));
  }

  commandLine(pid: number): string {
    return readOr(`/proc/${pid}/cmdline`, '').replaceAll('\0', ' ');
  }

  /** What the servers with `rawEnv` read on their stdin so far. */
  raw(): string {
    return readOr(join(this.dir, 'raw.log'), '');
  }

  /** What stands in the log files. */
  log(): string {
    const dir = join(this.state, 'log');
    return readdirSync(dir)
      .map((file) => readOr(join(dir, file), ''))
      .join('');
  }

  /** One signal, and the exit it leads to. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null;
    const gone = new Promise<number | null>((resolve) => child.on('exit', resolve));
    child.kill(signal);
    return gone;
  }

  /** Stops the daemon and removes everything it left, servers of a daemon that was killed included. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.canaries?.lookAtProcesses();
    const exit = this.end();
    const late = setTimeout(() => this.child?.kill('SIGKILL'), 20_000);
    await exit;
    clearTimeout(late);
    const mark = childMark(this.state);
    for (const pid of mark === '' ? [] : processes()) {
      if (pid !== process.pid && readOr(`/proc/${pid}/environ`, '').includes(mark)) endNow(pid);
    }
    this.options.cleanUp?.({ state: this.state });
    this.canaries?.lookForAll('what the daemon printed', this.output);
    this.canaries?.lookAtFiles(this.state, projectRoot);
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
    this.canaries?.close();
  }

  /** The files of the journal, oldest first. */
  journalFiles(): string[] {
    const dir = join(this.state, 'audit');
    return readdirSync(dir)
      .filter((file) => file.startsWith('journal-'))
      .sort()
      .map((file) => join(dir, file));
  }

  /** Every record of the journal. Throws when a line is not whole. */
  journal(): Record<string, unknown>[] {
    return this.journalFiles()
      .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  session(
    server: string,
    options: { readonly key?: string; readonly capabilities?: object } = {},
  ): Promise<TestSession> {
    const opened = TestSession.open(this, server, options);
    // Not with every session: some tests open hundreds, and the processes are the same.
    if (this.#looks++ < 2) return opened.finally(() => this.canaries?.lookAtProcesses());
    return opened;
  }
}

export type ServerStatus = {
  readonly name: string;
  readonly state: string;
  readonly because: string | null;
  readonly pid: number | null;
  readonly children: number;
  readonly restarts: number;
  readonly inFlight: number;
  readonly waiting: number;
};

export type WaitingQuestion = {
  readonly id: string;
  readonly callId: string;
  readonly caller: string;
  readonly target: { readonly kind: string; readonly name?: string };
  readonly argsText: string;
  readonly argsSha256: string;
};

export type Rpc = {
  readonly status: number;
  readonly headers: Headers;
  /** The response to the request, wherever it came. */
  readonly body: {
    readonly id?: unknown;
    readonly result?: Record<string, unknown>;
    readonly error?: { code: number; message: string; data?: unknown };
  };
  /** What came before it on an event stream. */
  readonly events: Record<string, unknown>[];
};

/** A client of the 2025-11-25 revision, as plain as can be: it shows bytes and statuses that a real client would hide. */
export class TestSession {
  readonly daemon: TestDaemon;
  readonly server: string;
  readonly key: string;
  readonly id: string;
  #next = 100;

  private constructor(daemon: TestDaemon, server: string, key: string, id: string) {
    this.daemon = daemon;
    this.server = server;
    this.key = key;
    this.id = id;
  }

  static async open(
    daemon: TestDaemon,
    server: string,
    options: { readonly key?: string; readonly capabilities?: object },
  ): Promise<TestSession> {
    const key = options.key ?? daemon.key;
    const init = await post(daemon, server, key, undefined, initialize(options.capabilities));
    const id = init.headers.get('mcp-session-id');
    if (id === null)
      throw new Error(`initialize: ${init.status} ${JSON.stringify(init.body)}\n${daemon.log()}`);
    const session = new TestSession(daemon, server, key, id);
    await session.raw({ jsonrpc: '2.0', method: 'notifications/initialized' });
    return session;
  }

  request(method: string, params?: object, onEvent?: OnEvent): Promise<Rpc> {
    return this.raw({ jsonrpc: '2.0', id: this.#next++, method, params }, onEvent);
  }

  call(name: string, args: object = {}): Promise<Rpc> {
    return this.request('tools/call', { name, arguments: args });
  }

  /** The text of a tool's first content block, or the error's message. */
  async text(name: string, args: object = {}): Promise<string> {
    return textOf(await this.call(name, args));
  }

  /** The names in a listing. */
  async list(what: 'tools' | 'prompts'): Promise<string[]> {
    const { body } = await this.request(`${what}/list`);
    return ((body.result?.[what] ?? []) as { name: string }[]).map(({ name }) => name);
  }

  raw(body: string | object, onEvent?: OnEvent): Promise<Rpc> {
    return post(this.daemon, this.server, this.key, this.id, body, onEvent);
  }

  /** GET or DELETE with the session's own headers; `key` instead of its own. */
  http(method: 'GET' | 'DELETE', key = this.key, signal?: AbortSignal): Promise<Response> {
    return fetch(`${this.daemon.url}/servers/${this.server}/mcp`, {
      method,
      headers: { accept: 'text/event-stream', authorization: `Bearer ${key}`, 'mcp-session-id': this.id },
      signal: signal ?? null,
    });
  }
}

/** What an answer says to a model: the text of the first content block, or the error's message. */
export function textOf({ body }: Rpc): string {
  const content = body.result?.['content'] as { text?: string }[] | undefined;
  return content?.[0]?.text ?? body.error?.message ?? JSON.stringify(body);
}

export const initialize = (capabilities: object = {}): object => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'test', version: '1' } },
});

/** Told of each message on an event stream, the answer included, while the stream is open. */
export type OnEvent = (message: Record<string, unknown>) => void;

export async function post(
  daemon: TestDaemon,
  server: string,
  key: string | undefined,
  sessionId: string | undefined,
  body: string | object,
  onEvent: OnEvent = () => undefined,
): Promise<Rpc> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  };
  if (key !== undefined) headers['authorization'] = `Bearer ${key}`;
  if (sessionId !== undefined) {
    headers['mcp-session-id'] = sessionId;
    headers['mcp-protocol-version'] = '2025-11-25';
  }
  const response = await fetch(`${daemon.url}/servers/${server}/mcp`, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(90_000),
  });
  const messages: Record<string, unknown>[] = [];
  if ((response.headers.get('content-type') ?? '').startsWith('text/event-stream'))
    await readEvents(response, (message) => {
      messages.push(message);
      onEvent(message);
    });
  else {
    const text = await response.text();
    daemon.canaries?.look(`an answer of ${server}`, text);
    messages.push(text === '' ? {} : (JSON.parse(text) as Record<string, unknown>));
  }
  return {
    status: response.status,
    headers: response.headers,
    body: messages.at(-1) ?? {},
    events: messages.slice(0, -1),
  };
}

/** Reads an event stream to its end. */
export async function readEvents(response: Response, onEvent: OnEvent): Promise<void> {
  if (response.body === null) return;
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines)
      if (line.startsWith('data: ')) onEvent(JSON.parse(line.slice(6)) as Record<string, unknown>);
  }
}

export function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input?: string,
  cwd = projectRoot,
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
    // A child that is done before it read everything is no failure of the test.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
  });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Waits until something is so, and says what was not. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  tries = 200,
): Promise<void> {
  for (let i = 0; i < tries; i++) {
    if (await isSo()) return;
    await sleep(50);
  }
  throw new Error(`still not so: ${what}`);
}

/** Whether a process is alive (a zombie is not). */
export function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Ends one process by its id; it may be gone already. */
export function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone, which is what was wanted.
  }
}

export function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readOr(`/proc/${pid}/status`, ''))?.[1] ?? 0);
}

export function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The text of a file; something else when there is none. */
/** What marks the children of a daemon; empty before its first start. */
export function childMark(stateDir: string): string {
  return readOr(join(stateDir, 'child-cookie'), '').split(/\s/)[0] ?? '';
}

export function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}
