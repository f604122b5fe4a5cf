// The kill switch: in force for the next call when the command returns, and until somebody takes it back.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import {
  initialize,
  post,
  rawEnv,
  rule,
  serving,
  TestDaemon,
  textOf,
  until,
  type Rpc,
  type TestSession,
} from '../support/daemon.ts';

const policy = serving(
  'answers',
  `answer_within = "10m"\n${rawEnv}${rule('allow', ['echo', 'list_dir', 'slow'])}${rule('confirm', ['write_file'], 'answer_within = "5m"')}`,
);

describe('an operator can switch things off', () => {
  let daemon: TestDaemon;
  let session: TestSession;
  let elsewhere: TestSession;
  let otherKey: string;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { fx: policy, fx2: policy.replace('answer_within', 'concurrency = 1\nanswer_within') },
    });
    otherKey = await daemon.addKey('somebody-else');
    session = await daemon.session('fx');
    elsewhere = await daemon.session('fx2');
  });
  after(async () => daemon[Symbol.asyncDispose]());

  it('and sees beforehand which names there are, and what callers may do with them', async () => {
    const find = async () =>
      (
        (await daemon.ctl('tools'))['servers'] as {
          name: string;
          allowed: string[];
          gated: string[];
          hidden: string[];
        }[]
      ).find(({ name }) => name === 'fx2');
    const before = await find();
    assert.deepEqual(before?.gated, ['write_file']);
    assert.ok(before.allowed.includes('echo') && before.hidden.includes('delete_file'));
    assert.equal((await daemon.ctl('disable-tool', 'fx2/list_dir'))['ok'], true);
    assert.ok((await find())?.hidden.includes('list_dir'));
    assert.match((await daemon.mcpd(['ctl', 'tools'])).stdout, /fx2\/list_dir +hidden/);
    assert.equal((await daemon.ctl('enable-tool', 'fx2/list_dir'))['ok'], true);
    assert.ok((await find())?.allowed.includes('list_dir'));
  });

  const works = async (it: TestSession, tool = 'echo') => {
    const text = randomUUID();
    const reply = await it.call(tool, { text });
    assert.ok(reply.body.result !== undefined, `refused: ${textOf(reply)}`);
    assert.ok(daemon.raw().includes(text));
  };
  const refused = async (it: TestSession, tool = 'echo'): Promise<Rpc> => {
    const text = randomUUID();
    const reply = await it.call(tool, { text });
    assert.ok(reply.body.result === undefined || reply.body.result['isError'] === true, textOf(reply));
    assert.ok(!daemon.raw().includes(text), 'it went out');
    return reply;
  };
  /** Types a command twice: the second time it is so already, and that is no error. */
  const twice = async (...args: string[]) => {
    const [first, second] = [await daemon.ctl(...args), await daemon.mcpd(['ctl', ...args])];
    assert.equal(first['ok'], true, JSON.stringify(first));
    assert.equal(first['changed'], true);
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stdout, /already|was not/);
    assert.equal((await daemon.ctl(...args))['changed'], false);
  };
  const inFlight = (server: string, count: number) =>
    until(`${count} calls are in flight`, async () => (await daemon.status(server)).inFlight === count);

  it('a tool: the next call is refused as unknown, it stands in no listing, and other tools and servers go on', async () => {
    await works(session, 'list_dir');
    await twice('disable-tool', 'fx/list_dir', '--reason', 'incident 12');
    const reply = await refused(session, 'list_dir');
    assert.equal(reply.body.error?.message, 'Unknown tool: list_dir');
    assert.ok(!(await session.list('tools')).includes('list_dir'));
    await works(session);
    await works(elsewhere, 'list_dir');
    const { switches } = (await daemon.ctl('status')) as {
      switches: { tools: { name: string; reason: string }[] };
    };
    assert.deepEqual(
      switches.tools.map(({ name, reason }) => [name, reason]),
      [['fx/list_dir', 'incident 12']],
    );
    const record = (await daemon.audit('--correlation', reply.headers.get('mcpd-correlation-id') ?? ''))[0];
    assert.equal(record?.['outcome'], 'refused');

    await twice('enable-tool', 'fx/list_dir');
    await works(session, 'list_dir');
    assert.ok((await session.list('tools')).includes('list_dir'));
  });

  it('a tool that no policy allows is not allowed by switching it on', async () => {
    await daemon.ctl('disable-tool', 'fx/delete_file');
    await daemon.ctl('enable-tool', 'fx/delete_file');
    await refused(session, 'delete_file');
  });

  it('a server: every call and every new session is refused, its sessions work again afterwards', async () => {
    await twice('disable-server', 'fx');
    await refused(session);
    const hello = await post(daemon, 'fx', daemon.key, undefined, initialize());
    assert.equal(hello.headers.get('mcp-session-id'), null);
    assert.ok(hello.body.error !== undefined);
    await works(elsewhere);
    await twice('enable-server', 'fx');
    await works(session);
  });

  it('a caller: refused everywhere, and nobody else is', async () => {
    const theirs = await daemon.session('fx', { key: otherKey });
    await works(theirs);
    await twice('disable-caller', 'somebody-else');
    await refused(theirs);
    const hello = await post(daemon, 'fx2', otherKey, undefined, initialize());
    assert.equal(hello.body.result, undefined);
    await works(session);
    await twice('enable-caller', 'somebody-else');
    await works(theirs);
  });

  it('everything: lockdown refuses every call of everybody, and unlock ends it', async () => {
    await daemon.ctl('disable-tool', 'fx/list_dir');
    await twice('lockdown', '--reason', 'incident 13');
    await refused(session);
    await refused(elsewhere);
    const hello = await post(daemon, 'fx', otherKey, undefined, initialize());
    assert.equal(hello.body.result, undefined);
    assert.match(JSON.stringify((await daemon.ctl('status'))['because']), /lockdown/);
    await twice('unlock');
    await works(session);
    await works(elsewhere);
    // What was switched off by itself is not switched on along the way.
    await refused(session, 'list_dir');
    await daemon.ctl('enable-tool', 'fx/list_dir');
  });

  for (const [what, args, back] of [
    ['the tool', ['disable-tool', 'fx/slow'], ['enable-tool', 'fx/slow']],
    ['the server', ['disable-server', 'fx'], ['enable-server', 'fx']],
    ['the caller', ['disable-caller', 'tester'], ['enable-caller', 'tester']],
    ['everything', ['lockdown'], ['unlock']],
  ] as const) {
    it(`with --now, switching off ${what} stops what is in flight; without, it may finish`, async () => {
      const finishing = session.call('slow', { ms: 1500 });
      await inFlight('fx', 1);
      await daemon.ctl(...args);
      assert.equal(textOf(await finishing), 'done');
      await daemon.ctl(...back);

      const stopping = session.raw({
        jsonrpc: '2.0',
        id: 77,
        method: 'tools/call',
        params: { name: 'slow', arguments: { ms: 600_000 } },
      });
      await inFlight('fx', 1);
      const cancellations = () => daemon.raw().split('notifications/cancelled').length - 1;
      const before = cancellations();
      const off = await daemon.ctl(...args, '--now');
      assert.equal(off['stopped'], 1);
      const stopped = await stopping;
      assert.equal(stopped.body.error?.code, 1499);
      await until('the server is told', () => cancellations() === before + 1);
      await daemon.ctl(...back);
      await works(session);
    });
  }

  it('a call that waits for a yes is refused when its tool was switched off meanwhile, yes or not', async () => {
    for (const now of [[], ['--now']]) {
      const path = randomUUID();
      const answering = session.call('write_file', { path });
      await until('it waits', async () => (await daemon.approvals()).length === 1);
      const [question] = await daemon.approvals();
      await daemon.ctl('disable-tool', 'fx/write_file', ...now);
      await daemon.ctl('approve', question?.id ?? '');
      const reply = await answering;
      assert.notEqual(textOf(reply), 'ok');
      await works(session);
      assert.ok(!daemon.raw().includes(path));
      await daemon.ctl('enable-tool', 'fx/write_file');
    }
  });

  it('a call that stands in line behind another is refused when its tool was switched off meanwhile', async () => {
    const first = elsewhere.call('slow', { ms: 1500 });
    await inFlight('fx2', 1);
    const text = randomUUID();
    const second = elsewhere.call('echo', { text });
    await until('the second waits in line', async () => (await daemon.status('fx2')).waiting === 1);
    await daemon.ctl('disable-tool', 'fx2/echo');
    assert.equal(textOf(await first), 'done');
    const reply = await second;
    assert.equal(reply.body.error?.code, 1412, textOf(reply));
    assert.ok(!daemon.raw().includes(text));
    await daemon.ctl('enable-tool', 'fx2/echo');
  });

  it('a name that does not exist is taken, and said to be unknown with the nearest one', async () => {
    const typo = await daemon.mcpd(['ctl', 'disable-tool', 'fx/list_dri']);
    assert.equal(typo.code, 0);
    assert.match(typo.stdout, /knows no such tool.*fx\/list_dir/s);
    await daemon.ctl('enable-tool', 'fx/list_dri');
    const pattern = await daemon.mcpd(['ctl', 'disable-tool', 'fx/*']);
    assert.notEqual(pattern.code, 0);
  });

  it('it survives a restart and a kill -9', async () => {
    await daemon.ctl('disable-tool', 'fx/list_dir');
    await daemon.ctl('disable-server', 'fx2');
    await daemon.ctl('disable-caller', 'somebody-else');
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await daemon.end(signal);
      await daemon.boot();
      const again = await daemon.session('fx');
      await works(again);
      await refused(again, 'list_dir');
      for (const [server, key] of [
        ['fx2', daemon.key],
        ['fx', otherKey],
      ] as const)
        assert.equal((await post(daemon, server, key, undefined, initialize())).body.result, undefined);
    }
    await daemon.ctl('lockdown');
    await daemon.end('SIGKILL');
    await daemon.boot();
    assert.equal((await post(daemon, 'fx', daemon.key, undefined, initialize())).body.result, undefined);
    await daemon.ctl('unlock');
    await works(await daemon.session('fx'));
  });

  it('damaged state keeps the daemon from starting, rather than switching everything on', async () => {
    await daemon.end();
    const file = `${daemon.state}/state.db`;
    const kept = readFileSync(file);
    for (const damage of [
      () => writeFileSync(file, Buffer.alloc(kept.length)),
      () => writeFileSync(file, kept.subarray(0, 5000)),
      () => writeFileSync(file, ''),
      () => rmSync(file),
    ]) {
      damage();
      const start = await daemon.mcpd(['run', '--policies', daemon.policies]);
      assert.equal(start.code, 78);
      assert.match(start.stderr, /state\.db (cannot|is|has)/);
    }
    writeFileSync(file, kept, { mode: 0o600 });
    await daemon.boot();
    await refused(await daemon.session('fx'), 'list_dir');
  });

  it('without a daemon the command says so, and what to do', async () => {
    await daemon.end();
    const { code, stderr } = await daemon.mcpd(['ctl', 'disable-tool', 'fx/echo']);
    assert.equal(code, 69);
    assert.match(stderr, /mcpd run|not running/);
  });
});
