// Policy files are read again while the daemon runs. A good change is taken whole, a bad one not at all, and it says why.
import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  inContract,
  freePort,
  initialize,
  post,
  rule,
  serving,
  TestDaemon,
  until,
  type TestSession,
} from '../support/daemon.ts';

const policy = (tools: readonly string[]) => serving('answers', rule('allow', tools));

describe('a bad policy changes nothing', () => {
  let daemon: TestDaemon;
  let session: TestSession;
  before(async () => {
    daemon = await TestDaemon.start({ servers: { fx: policy(['echo']), fx2: policy(['echo']) } });
    session = await daemon.session('fx');
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const offers = async (tools: readonly string[]) => {
    assert.deepEqual(await session.list('tools'), tools);
    for (const tool of ['echo', 'list_dir', 'env']) {
      const { body } = await session.call(tool, { text: 'x' });
      assert.equal(body.result !== undefined, tools.includes(tool), tool);
    }
  };
  const complaints = async () => JSON.stringify((await daemon.ctl('status'))['because']);

  it('a good change takes effect by itself, in sessions that are open', async () => {
    await offers(['echo']);
    const before = (await daemon.ctl('status'))['ordersVersion'];
    daemon.write('servers/fx.toml', policy(['echo', 'list_dir']));
    await until('the new policy is in force', async () => (await session.list('tools')).length === 2);
    await offers(['list_dir', 'echo']);
    assert.notEqual((await daemon.ctl('status'))['ordersVersion'], before);
    const { pid } = await daemon.status('fx');
    daemon.write('servers/fx.toml', policy(['echo']));
    await until('the old policy is in force again', async () => (await session.list('tools')).length === 1);
    await offers(['echo']);
    assert.equal((await daemon.status('fx')).pid, pid, 'a change of rules restarts nothing');
  });

  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['an unknown key', `${policy(['echo', 'env'])}commnad = "x"\n`, /fx\.toml:\d+:\d+: .*commnad/],
    [
      'an unknown key in a rule',
      serving('answers', rule('allow', ['echo', 'env'], 'verdcit = "deny"')),
      /fx\.toml:\d+:\d+: .*verdcit.*verdict/,
    ],
    [
      'a wrong type',
      serving('answers', `concurrency = "many"\n${rule('allow', ['echo', 'env'])}`),
      /fx\.toml:3:\d+: /,
    ],
    ['broken TOML', `${policy(['echo', 'env'])}tools = [\n`, /fx\.toml:\d+:\d+: /],
    [
      'a key that stands twice',
      serving('answers', `sharing = "all"\nsharing = "session"\n${rule('allow', ['echo', 'env'])}`),
      /fx\.toml:4:\d+: /,
    ],
    [
      'an unknown verdict',
      policy(['echo', 'env']).replace('verdict = "allow"', 'verdict = "maybe"'),
      /fx\.toml:\d+:\d+: /,
    ],
    [
      'a bad reference to a secret',
      serving('answers', `[secrets]\nTOKEN = "the-value-itself"\n${rule('allow', ['echo', 'env'])}`),
      /fx\.toml:4:\d+: /,
    ],
    [
      'a command that is not there',
      policy(['echo', 'env']).replace('"$NODE"', '"/no/such/program"'),
      /fx\.toml:1:\d+: /,
    ],
    ['an empty file', '', /fx\.toml:\d+:\d+: .*command/],
  ];
  for (const [what, text, complaint] of bad) {
    it(`${what} keeps the old policy, and says file, line and column`, async () => {
      daemon.writeExactly('servers/fx.toml', text);
      // The good half of a change that is bad elsewhere is not taken either.
      daemon.write('servers/fx2.toml', policy(['echo', 'env']));
      await until('the daemon complains', async () => complaint.test(await complaints()));
      assert.match(daemon.log(), complaint);
      assert.ok(!daemon.log().includes('the-value-itself'), 'what may be a secret is not repeated');
      await offers(['echo']);
      assert.deepEqual(await (await daemon.session('fx2')).list('tools'), ['echo']);
      const check = await daemon.mcpd(['check']);
      assert.equal(check.code, 78);
      assert.match(check.stderr + check.stdout, complaint);
      const reload = await daemon.mcpd(['ctl', 'reload']);
      assert.notEqual(reload.code, 0);

      daemon.write('servers/fx.toml', policy(['echo']));
      daemon.write('servers/fx2.toml', policy(['echo']));
      await until('it is content again', async () => (await complaints()) === '[]');
      await offers(['echo']);
    });
  }

  it('a file that is written in two halves is never half in force', async () => {
    const whole = policy(['echo', 'list_dir']);
    daemon.write('servers/fx.toml', whole.slice(0, whole.lastIndexOf('list_dir')));
    await until('the daemon complains', async () => /fx\.toml:\d+:\d+/.test(await complaints()));
    await offers(['echo']);
    daemon.write('servers/fx.toml', whole);
    await until('the new policy is in force', async () => (await session.list('tools')).length === 2);
    assert.equal(await complaints(), '[]');
    daemon.write('servers/fx.toml', policy(['echo']));
    await until('the old policy is in force again', async () => (await session.list('tools')).length === 1);
  });

  it('a new file starts a server, a file that is gone stops it', async () => {
    daemon.write('new.tmp', inContract(policy(['echo'])));
    renameSync(join(daemon.policies, 'new.tmp'), join(daemon.policies, 'servers', 'new.toml'));
    let fresh: TestSession | undefined;
    await until(
      'the new server serves',
      async () => (fresh = await daemon.session('new').catch(() => undefined)) !== undefined,
    );
    assert.equal(await fresh?.text('echo', { text: 'x' }), 'x');
    rmSync(join(daemon.policies, 'servers', 'new.toml'));
    await until(
      'it is gone',
      async () => (await post(daemon, 'new', daemon.key, undefined, initialize())).status === 404,
    );
    assert.equal((await fresh?.call('echo', { text: 'x' }))?.body.result, undefined);
  });

  it('a change that only a restart can bring says so', async () => {
    const port = await freePort();
    daemon.write('mcpd.toml', `[listen]\nport = ${port}\n`);
    await until('the daemon knows', async () =>
      JSON.stringify(await daemon.ctl('reload')).includes('next start'),
    );
    daemon.write('mcpd.toml', `[listen]\nport = ${daemon.port}\n`);
  });

  it('at the start, every complaint is printed and the exit code is 78', async () => {
    await daemon.end();
    daemon.write('servers/fx.toml', `${policy(['echo'])}commnad = "x"\n`);
    daemon.writeExactly(
      'servers/fx2.toml',
      serving('answers', `sharing = "some"\n${rule('allow', ['echo'])}`),
    );
    daemon.write('mcpd.toml', '[listne]\nport = 1\n');
    const start = await daemon.mcpd(['run', '--policies', daemon.policies]);
    assert.equal(start.code, 78);
    for (const complaint of [
      /fx\.toml:\d+:\d+: .*commnad/,
      /fx2\.toml:3:\d+: /,
      /mcpd\.toml:1:\d+: .*listne.*listen/,
    ])
      assert.match(start.stderr, complaint);
    assert.ok(!start.stderr.includes('    at '), 'no stack trace');
  });

  it('a file that others may write to is refused', async () => {
    daemon.write('mcpd.toml', `[listen]\nport = ${daemon.port}\n`);
    daemon.write('servers/fx2.toml', policy(['echo']));
    const file = join(daemon.policies, 'servers', 'fx.toml');
    rmSync(file);
    daemon.write('servers/fx.toml', policy(['echo']));
    const { chmodSync } = await import('node:fs');
    chmodSync(file, 0o666);
    const start = await daemon.mcpd(['run', '--policies', daemon.policies]);
    assert.equal(start.code, 78);
    assert.match(start.stderr, /fx\.toml.*\n?.*chmod/);
    writeFileSync(file, '');
  });
});
