// PM2 starts, reloads and stops the daemon, and may itself be killed. No answer is lost or wrong, and nothing is left behind.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  alive,
  endNow,
  initialize,
  parentOf,
  post,
  processes,
  projectRoot,
  childMark,
  readOr,
  rule,
  run,
  serving,
  TestDaemon,
  textOf,
  until,
  type Rpc,
  type Run,
} from '../support/daemon.ts';

/** AGPL: run as a program, never loaded. */
const program = join(projectRoot, 'node_modules', '.bin', 'pm2');
const ecosystem = join(projectRoot, 'ecosystem.config.cjs');
const canary = 'hunter2-of-the-shell';
const policy = (extra = '') =>
  `answer_within = "10m"\n${rule('allow', ['*'], 'record = ["text"]\n')}${extra}`;

/** One PM2 of its own, with everything it writes inside the daemon's folder. */
class Pm2 {
  readonly daemon: TestDaemon;
  readonly home: string;
  constructor(daemon: TestDaemon) {
    this.daemon = daemon;
    this.home = join(daemon.dir, 'pm2');
  }

  /** What a boot script gives it: nothing of a shell. */
  get bootEnv(): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      HOME: this.daemon.dir,
      PM2_HOME: this.home,
      // PM2 reports to its makers when it is installed and once a day. The one keeps it from the first, the other from the second.
      PM2_DISCRETE_MODE: 'true',
      PM2_DISABLE_VERSION_CHECK: 'true',
    };
  }

  async run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
    const told = await run(process.execPath, [program, ...args], { ...this.bootEnv, ...env });
    assert.equal(told.code, 0, `pm2 ${args.join(' ')}: ${told.stdout}${told.stderr}${this.log()}`);
    return told;
  }

  /** As from a shell that knows where this daemon lives, and a password. */
  start(): Promise<Run> {
    const { state, policies } = this.daemon;
    return this.run(['start', ecosystem], {
      MCPD_STATE_DIR: state,
      MCPD_POLICIES: policies,
      SHELL_PASSWORD: canary,
    });
  }

  async app(): Promise<{ readonly pid: number; readonly status: string; readonly exitCode: number }> {
    const { stdout } = await this.run(['jlist']);
    const list = JSON.parse(stdout.slice(stdout.lastIndexOf('\n[') + 1)) as {
      pid: number;
      pm2_env: { status: string; exit_code: number };
    }[];
    const app = list[0];
    assert.ok(app !== undefined && list.length === 1, `PM2 runs one mcpd: ${stdout}`);
    return { pid: app.pid, status: app.pm2_env.status, exitCode: app.pm2_env.exit_code };
  }

  get god(): number {
    return Number(readOr(join(this.home, 'pm2.pid'), '0'));
  }

  log(): string {
    return readOr(join(this.home, 'pm2.log'), '');
  }

  /** How often PM2 has started the daemon. */
  get starts(): number {
    return this.log().split('starting in -fork mode-').length - 1;
  }

  /** What mcpd printed, which PM2 keeps. */
  output(): string {
    const dir = join(this.home, 'logs');
    return readdirSync(dir)
      .map((file) => readOr(join(dir, file), ''))
      .join('');
  }
}

const crossed = 'the connection ended before an answer';

/** Keeps calling as a client would: starts a session anew where the old one is gone, and tries again what was refused. */
class Caller {
  readonly #daemon: TestDaemon;
  #session: string | undefined;
  /** Correlation id → what was asked. */
  readonly answered = new Map<string, string>();
  /** What was asked and refused, and how. */
  readonly refused = new Map<string, string>();
  readonly wrong: string[] = [];

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
  }

  async keepOn(goesOn: () => boolean): Promise<void> {
    for (let turn = 0; goesOn(); turn++) {
      const text = randomUUID();
      const slow = turn % 2 === 0;
      const how =
        (await this.#begin()) ?? (await this.#call(text, slow ? 'slow' : 'echo', slow ? 'done' : text));
      if (how === undefined) continue;
      this.refused.set(text, how);
      await sleep(20);
    }
  }

  /** Undefined when there is a session, else how it was refused. */
  async #begin(): Promise<string | undefined> {
    if (this.#session !== undefined) return undefined;
    const reply = await this.#send(initialize());
    if (typeof reply === 'string') return reply;
    this.#session = reply.headers.get('mcp-session-id') ?? undefined;
    if (this.#session === undefined) return this.#unclear(reply);
    const said = await this.#send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    return typeof said === 'string' ? said : undefined;
  }

  async #call(text: string, name: string, expected: string): Promise<string | undefined> {
    const id = randomUUID();
    const params = { name, arguments: { text, ms: 50 } };
    const reply = await this.#send({ jsonrpc: '2.0', id, method: 'tools/call', params });
    if (typeof reply === 'string') return reply;
    if (reply.status !== 200 || reply.body.error !== undefined) return this.#unclear(reply);
    if (reply.body.id !== id || textOf(reply) !== expected)
      this.wrong.push(`${name} ${text}: ${JSON.stringify(reply.body)}`);
    this.answered.set(reply.headers.get('mcpd-correlation-id') ?? `none for ${text}`, text);
    return undefined;
  }

  /** The reply, or how it was refused in one of the ways that a client can understand. */
  async #send(body: object): Promise<Rpc | string> {
    let reply: Rpc;
    try {
      reply = await post(this.#daemon, 'own', this.#daemon.key, this.#session, body);
    } catch (reason) {
      const { message, cause } = reason as Error;
      const { code } = (cause ?? {}) as { code?: string };
      if (code === 'ECONNREFUSED') return 'connection refused';
      // Where a request and the end of its connection cross on the way, HTTP/1.1 has no word for it; then the client sees a
      // connection that ends before the first byte of an answer. An answer that was begun must not break off.
      if (message === 'fetch failed' && (code === 'ECONNRESET' || code === 'UND_ERR_SOCKET')) return crossed;
      this.wrong.push(`broke off: ${code ?? ''} ${String(reason)}`);
      return 'broke off';
    }
    const told = reply.body.error?.message ?? '';
    if (reply.status === 503 && told !== '' && Number(reply.headers.get('retry-after')) >= 1) return '503';
    // The specification: a client that is told 404 begins a new session.
    if (reply.status === 404 && told !== '' && this.#session !== undefined) {
      this.#session = undefined;
      return '404';
    }
    return reply;
  }

  #unclear(reply: Rpc): string {
    const what = `${reply.status} ${JSON.stringify(reply.body)}`;
    this.wrong.push(what);
    return what;
  }
}

/** The calls that went out and have no end on record. */
function endless(records: readonly Record<string, unknown>[]): unknown[] {
  const open = new Set(records.filter(({ kind }) => kind === 'decision').map(({ id }) => id));
  for (const { kind, id } of records) if (kind === 'outcome') open.delete(id);
  return [...open];
}

describe('PM2 runs it', { timeout: 100_000 }, () => {
  let daemon: TestDaemon;
  let pm2: Pm2;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { own: serving('answers', policy()) },
      boot: false,
    });
    pm2 = new Pm2(daemon);
  });
  after(async () => {
    await pm2.run(['kill']).catch(() => undefined);
    // Only what names this state directory is ours: PM2 itself, and the daemons that it started.
    const mark = `MCPD_STATE_DIR=${daemon.state}\0`;
    const left = processes().filter(
      (pid) => pid !== process.pid && readOr(`/proc/${pid}/environ`, '').includes(mark),
    );
    left.forEach(endNow);
    await daemon[Symbol.asyncDispose]();
  });

  /** Every server process of this state directory, whichever daemon started it. */
  const children = (): number[] => {
    const mark = childMark(daemon.state);
    assert.notEqual(mark, '');
    return processes().filter((pid) => alive(pid) && readOr(`/proc/${pid}/environ`, '').includes(mark));
  };
  const inFlight = (count: number) =>
    until(
      `${count} calls are in flight`,
      async () => (await daemon.ctl('status'))['callsInFlight'] === count,
    );
  /** Every line reads, none is missing, and every call that went out has its end. */
  const wholeJournal = (): Record<string, unknown>[] => {
    const records = daemon.journal();
    assert.deepEqual(
      records.map(({ seq }) => seq),
      records.map((_, at) => at + 1),
    );
    assert.deepEqual(endless(records), []);
    return records;
  };
  const answeredIn = (records: Record<string, unknown>[]) =>
    new Set(records.filter(({ outcome }) => outcome === 'answered').map(({ id }) => id));

  it('online means that calls are answered', async () => {
    await pm2.start();
    const { pid, status } = await pm2.app();
    assert.equal(status, 'online');
    assert.equal(await (await daemon.session('own')).text('echo', { text: 'well' }), 'well');
    assert.equal(parentOf(pid), pm2.god);
  });

  it('neither the daemon nor what `pm2 save` writes holds anything of the shell but what mcpd reads', async () => {
    await pm2.run(['save']);
    const dump = readOr(join(pm2.home, 'dump.pm2'), '');
    assert.ok(dump.includes(daemon.state));
    assert.ok(!dump.includes(canary));
    const { pid } = await pm2.app();
    const own = readOr(`/proc/${pid}/environ`, '');
    assert.ok(own.includes(daemon.state));
    assert.ok(!own.includes(canary));
  });

  it('three reloads under load: every answer is right and on record, every refusal is clear, one daemon at a time', async () => {
    const callers = [1, 2, 3, 4].map(() => new Caller(daemon));
    let goesOn = true;
    const load = Promise.all(callers.map((caller) => caller.keepOn(() => goesOn)));
    const answers = () => callers.map(({ answered }) => answered.size);
    const allGoOn = async () => {
      const seen = answers();
      await until('every caller has ten more answers', () =>
        answers().every((now, at) => now >= (seen[at] ?? 0) + 10),
      );
    };
    try {
      await allGoOn();
      for (let reload = 0; reload < 3; reload++) {
        const { pid } = await pm2.app();
        const old = [pid, ...children()];
        assert.ok(old.length >= 5, 'the daemon, and a child for each session');
        await pm2.run(['reload', 'mcpd']);
        assert.deepEqual(old.filter(alive), []);
        const now = await pm2.app();
        assert.equal(now.status, 'online');
        assert.notEqual(now.pid, pid);
        await allGoOn();
      }
    } finally {
      goesOn = false;
      await load;
    }
    assert.deepEqual(
      callers.flatMap(({ wrong }) => wrong),
      [],
    );
    const refused = new Map(callers.flatMap((caller) => [...caller.refused]));
    const ways = [...refused.values()];
    assert.ok(ways.includes('connection refused') || ways.includes('503'), 'the gap was seen');
    for (const caller of callers) {
      const crossings = [...caller.refused.values()].filter((how) => how === crossed);
      assert.ok(crossings.length <= 3, 'no more than one for each reload');
    }

    // A running daemon writes the end of a call just after its answer, so the very last ones may still be on their way.
    await until('every call has its end on record', () => endless(daemon.journal()).length === 0);
    const records = wholeJournal();
    const answered = answeredIn(records);
    const asked = callers.flatMap((caller) => [...caller.answered.keys()]);
    assert.deepEqual(
      asked.filter((id) => !answered.has(id)),
      [],
    );
    const sent = records.filter(({ kind }) => kind === 'decision').map((record) => JSON.stringify(record));
    assert.ok(sent.some((line) => line.includes([...(callers[0]?.answered.values() ?? [])][0] ?? 'nothing')));
    assert.deepEqual(
      [...refused.keys()].filter((text) => sent.some((line) => line.includes(text))),
      [],
      'what was refused never went to a server',
    );

    // The log of all of them together: each one has stopped before the next one listens.
    const turns = daemon
      .log()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { pid: number; msg: string })
      .filter(({ msg }) => msg === 'mcpd listens' || msg === 'mcpd has stopped');
    assert.equal(turns.length, 7);
    turns.forEach(({ pid, msg }, at) => {
      assert.equal(msg, at % 2 === 0 ? 'mcpd listens' : 'mcpd has stopped');
      if (at % 2 === 1) assert.equal(pid, turns[at - 1]?.pid);
    });
  });

  it('stop: calls in flight are answered, no child is left, the journal is whole, the exit code is 0', async () => {
    const sessions = [await daemon.session('own'), await daemon.session('own')];
    daemon.write('servers/stubborn.toml', serving('ignores-sigterm', policy()));
    await daemon.ctl('reload');
    const left = [...(JSON.parse(await (await daemon.session('stubborn')).text('pids')) as number[])];
    const before = [...children(), ...left];
    assert.ok(before.every(alive));
    const answering = Promise.all(sessions.map((session) => session.call('slow', { ms: 2500 })));
    await inFlight(2);
    const { pid } = await pm2.app();
    await pm2.run(['stop', 'mcpd']);

    const answers = await answering;
    assert.deepEqual(answers.map(textOf), ['done', 'done']);
    assert.deepEqual([pid, ...before].filter(alive), []);
    assert.deepEqual(children(), []);
    const answered = answeredIn(wholeJournal());
    for (const { headers } of answers) assert.ok(answered.has(headers.get('mcpd-correlation-id')));
    const app = await pm2.app();
    assert.deepEqual(app, { pid: 0, status: 'stopped', exitCode: 0 });
    // PM2 counts an end by SIGKILL as code 0 too, but says so.
    assert.doesNotMatch(pm2.log(), /SIGKILL/);
  });

  it('a configuration that cannot be read ends it with 78, and PM2 leaves it at that', async () => {
    daemon.writeExactly('servers/own.toml', 'command = ');
    const seen = pm2.starts;
    await pm2.run(['start', 'mcpd']);
    await until('PM2 has seen it end', async () => (await pm2.app()).exitCode === 78);
    assert.match(pm2.output(), /own\.toml:1:\d+: not valid TOML/);
    // PM2 would try again after 200 ms.
    await sleep(1000);
    assert.equal(pm2.starts, seen + 1);

    daemon.write('servers/own.toml', serving('answers', policy()));
    await pm2.run(['start', 'mcpd']);
    assert.equal((await pm2.app()).status, 'online');
    assert.equal(await (await daemon.session('own')).text('echo', { text: 'mended' }), 'mended');
  });

  it('killed, it comes back by itself, without the children of the one before', async () => {
    const stubborn = await daemon.session('stubborn');
    const told = JSON.parse(await stubborn.text('pids')) as number[];
    const { pid } = await pm2.app();
    const old = [pid, ...children(), ...told];
    endNow(pid);
    await until('another one is ready', async () => {
      const app = await pm2.app();
      return app.pid !== pid && app.status === 'online' && alive(app.pid);
    });
    await until('the old ones are gone', () => !old.some(alive));
    rmSync(join(daemon.policies, 'servers', 'stubborn.toml'));
    await until('calls are answered', async () =>
      daemon.session('own').then(
        async (session) => (await session.text('echo', { text: 'back' })) === 'back',
        () => false,
      ),
    );
  });

  it('PM2 itself is killed: calls in flight are answered, no child is left, and `pm2 resurrect` brings it back', async () => {
    const session = await daemon.session('own');
    const { pid } = await pm2.app();
    const { god } = pm2;
    const old = [pid, ...children()];
    const answering = session.call('slow', { ms: 1500 });
    await inFlight(1);
    endNow(god);

    const answer = await answering;
    assert.equal(textOf(answer), 'done');
    await until('nothing is left', () => !old.some(alive));
    assert.deepEqual(children(), []);
    assert.ok(answeredIn(wholeJournal()).has(answer.headers.get('mcpd-correlation-id')));

    // As a boot script does it, with nothing but the list that was saved.
    await pm2.run(['resurrect']);
    const again = await pm2.app();
    assert.equal(again.status, 'online');
    await until('calls are answered', async () =>
      daemon.session('own').then(
        async (next) => (await next.text('echo', { text: 'risen' })) === 'risen',
        () => false,
      ),
    );
  });
});
