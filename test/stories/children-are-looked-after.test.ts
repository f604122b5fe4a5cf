// What the fleet promises about its children, through a whole daemon: whom it ends, whom it asks, and what an operator sees.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Caller, type Told } from '../rounds/caller.ts';
import { alive, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { figure } from '../support/faults.ts';

describe('children are looked after', { skip: process.platform !== 'linux' }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        family: serving('leaves-family', `sharing = "all"\n${rule('allow', ['*'])}`),
        lazy: serving('answers', `sharing = "all"\nstart = "wanted"\n${rule('allow', ['echo'])}`),
        late: serving(
          'answers',
          `sharing = "all"\nstart = "wanted"\n${rule('allow', ['echo'])}${rule('confirm', ['write_file'], 'ask = "caller"')}`,
        ),
        strict: serving('conformance', `sharing = "all"\nstart = "wanted"\n${rule('allow', ['*'])}`),
        hangs: serving(
          'hangs',
          `sharing = "all"\nhealth = { every = "1s", within = "200ms" }\n[env]\nHANGS = "idle"\n${rule('allow', ['work'])}`,
        ),
        known: serving(
          'has-a-credential',
          `sharing = "all"\nhealth = { tool = "whoami", tool_every = "10s" }\n[env]\nTOKEN_FILE = "$DIR/token"\n[tools.whoami]\nrisk = "read"\neffect = "none"\n[tools.free]\nrisk = "read"\neffect = "none"\n${rule('allow', ['free'])}`,
        ),
      },
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());
  const ledger = () => readFileSync(join(daemon.state, 'children'), 'utf8');

  for (const [what, ms] of [
    ['behind a parent that lived for a moment', 1500],
    ['behind a parent that nobody saw', 0],
  ] as const)
    it(`C-10 after a kill -9 and a start nobody is left, ${what}, without mark and group`, async () => {
      const told = JSON.parse(await (await daemon.session('family')).text('start', { ms })) as number[];
      assert.ok(told.length === 5 && told.every(alive));
      await until('all are written down', () => told.every((pid) => ledger().includes(`+ ${pid} `)));
      await daemon.end('SIGKILL');
      assert.ok(told.slice(1).every(alive), 'this is a test of the next start');
      const from = performance.now();
      await daemon.boot();
      figure('C-10', 'start with leftovers (ms)', Math.round(performance.now() - from));
      await until('they are gone', () => !told.some(alive));
      assert.match(daemon.log(), /left behind/);
    });

  it('C-07 after a stop nobody is left, and no zombie was', async () => {
    const told = JSON.parse(await (await daemon.session('family')).text('start', { ms: 0 })) as number[];
    const from = performance.now();
    await daemon.end();
    figure('C-07', 'stop of the daemon, a child ignores SIGTERM (ms)', Math.round(performance.now() - from));
    await until('they are gone', () => !told.some(alive));
    await daemon.boot();
  });

  it('a server that is started when it is wanted is asleep, mcpd is ready, and the first call wakes it', async () => {
    const shown = async () => (await daemon.status('lazy')) as unknown as { asleep: boolean; state: string };
    assert.deepEqual([(await shown()).asleep, (await shown()).state], [true, 'stopped']);
    assert.match((await daemon.mcpd(['ctl', 'status'])).stdout, /lazy +asleep/);
    const { because } = await daemon.ctl('status');
    assert.ok(!(because as string[]).some((it) => it.includes('lazy')));
    assert.equal(await (await daemon.session('lazy')).text('echo', { text: 'good morning' }), 'good morning');
    assert.equal((await shown()).asleep, false);
  });

  it('a modern client’s first call to a server that sleeps is judged as any other: by what the tool wants, and asked about', async () => {
    const caller = new Caller(daemon, 'late');
    const call = (more: object = {}): Promise<Told> =>
      caller.send('tools/call', { name: 'write_file', arguments: { path: '/a' }, ...more });
    const first = await call();
    assert.equal(first.result?.['resultType'], 'input_required', JSON.stringify(first));
    const second = await call({
      requestState: first.result['requestState'],
      inputResponses: { 'mcpd-confirm': { action: 'accept', content: { approve: true } } },
    });
    assert.equal(second.result?.['resultType'], 'complete', JSON.stringify(second));
    const wrong = await new Caller(daemon, 'strict').send('tools/call', {
      name: 'test_x_mcp_header',
      arguments: { region: 'north' },
    });
    // It did not repeat in a header what the tool wants repeated; that it does is known from the server alone.
    assert.equal(wrong.error?.code, -32_020, JSON.stringify(wrong));
  });

  it('C-02 a server that hangs is replaced, and the operator sees it', async () => {
    await until(
      'it was replaced',
      async () => ((await daemon.status('hangs')) as unknown as { hung: number }).hung > 0,
    );
    assert.match(daemon.log(), /hangs hangs/);
  });

  it('a credential that does not work is shown, on record, and recovers', async () => {
    const shown = async () =>
      ((await daemon.status('known')) as unknown as { credential: { state: string } | null }).credential
        ?.state;
    await until('it fails', async () => (await shown()) === 'fails');
    assert.match(
      (await daemon.mcpd(['ctl', 'status'])).stdout,
      /server known: its credential fails since 2\S+: 401/,
    );
    assert.equal(await (await daemon.session('known')).text('free'), 'free');
    const health = daemon.journal().filter(({ command }) => command === 'health');
    assert.deepEqual(
      health.slice(0, 2).map(({ by, args, result }) => [by, args, result]),
      [
        ['mcpd', ['known', 'whoami'], 'sent'],
        ['mcpd', ['known', 'whoami'], 'fails'],
      ],
    );
    writeFileSync(join(daemon.dir, 'token'), '');
    await daemon.ctl('restart', 'known');
    await until('it works', async () => (await shown()) === 'works');
    await daemon.ctl('disable-tool', 'known/whoami');
    await daemon.ctl('restart', 'known');
    await until('it is not asked', async () => (await shown()) === 'not-asked');
  });
});
