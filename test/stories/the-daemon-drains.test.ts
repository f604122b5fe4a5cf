// Asked to stop, the daemon lets calls finish, takes no new ones, leaves no child behind, and says that all went well.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { alive, rule, serving, TestDaemon, textOf, until, type Rpc } from '../support/daemon.ts';

const servers = {
  own: serving('answers', `answer_within = "10m"\n${rule('allow', ['*'])}`),
  shared: serving('answers', `sharing = "all"\nanswer_within = "10m"\n${rule('allow', ['*'])}`),
  gated: serving('answers', rule('confirm', ['*'], 'answer_within = "5m"')),
};
/** Ends only by SIGKILL, which takes its time. */
const stubborn = serving('ignores-sigterm', rule('allow', ['*']));

const inFlight = (daemon: TestDaemon, count: number) =>
  until(`${count} calls are in flight`, async () => (await daemon.ctl('status'))['callsInFlight'] === count);

describe('the daemon drains', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`on ${signal} calls in flight finish, new ones are told to come back, nothing is left, and the exit code is 0`, async () => {
      await using daemon = await TestDaemon.start({ servers: { ...servers, stubborn } });
      const [own, shared, unwilling] = [
        await daemon.session('own'),
        await daemon.session('shared'),
        await daemon.session('stubborn'),
      ];
      const held = (await daemon.session('gated')).call('echo', { text: 'never sent' });
      const pids = [...daemon.children(), ...(JSON.parse(await unwilling.text('pids')) as number[])];
      assert.ok(pids.length >= 6 && pids.every(alive));
      const answering = [own, shared].map((session) => session.call('slow', { ms: 2500 }));
      await inFlight(daemon, 3);

      const ended = daemon.end(signal);
      let refusal: Rpc | undefined;
      await until('new calls are refused', async () => {
        const text = randomUUID();
        const reply = await own.call('echo', { text });
        if (reply.status !== 200) refusal = reply;
        return refusal !== undefined;
      });
      assert.equal(refusal?.status, 503);
      assert.ok(Number(refusal.headers.get('retry-after')) >= 1);
      assert.equal((await fetch(`${daemon.url}/readyz`)).status, 503);
      assert.match(textOf(await held), /^Not done/);
      for (const answer of await Promise.all(answering)) assert.equal(textOf(answer), 'done');

      assert.equal(await ended, 0);
      assert.deepEqual(pids.filter(alive), []);
      const records = daemon.journal();
      assert.deepEqual(
        records.map(({ seq }) => seq),
        records.map((_, at) => at + 1),
      );
      const open = new Set(records.filter(({ kind }) => kind === 'decision').map(({ id }) => id));
      for (const { kind, id } of records) if (kind === 'outcome') open.delete(id);
      assert.deepEqual([...open], [], 'every call that went out has its end on record');
    });
  }

  it('a call that does not finish in time is told so, and the exit code is 0 all the same', async () => {
    await using daemon = await TestDaemon.start({ servers, daemon: '[stop]\ndrain_within = "300ms"\n' });
    const session = await daemon.session('own');
    const children = daemon.children();
    const answering = session.call('slow', { ms: 600_000 });
    await inFlight(daemon, 1);
    const ended = daemon.end();
    const answer = await answering;
    assert.ok(answer.body.error !== undefined, textOf(answer));
    assert.equal(await ended, 0);
    assert.deepEqual(children.filter(alive), []);
    const last = daemon
      .journal()
      .find(({ id, kind }) => kind === 'outcome' && id === answer.headers.get('mcpd-correlation-id'));
    assert.equal(last?.['outcome'], 'failed');
  });

  it('standing streams do not hold it up, and a second signal does no harm', async () => {
    await using daemon = await TestDaemon.start({ servers });
    const session = await daemon.session('own');
    const stream = await session.http('GET');
    assert.equal(stream.status, 200);
    const reading = stream.text();
    const ended = daemon.end();
    daemon.child?.kill('SIGTERM');
    daemon.child?.kill('SIGINT');
    await reading;
    assert.equal(await ended, 0);
  });
});
