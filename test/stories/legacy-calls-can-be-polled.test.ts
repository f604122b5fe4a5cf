// Where the owner wants no long connections, a call lets go of its connection and the client comes back for the answer.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Rpc,
  answerIn,
  Events,
  everything,
  isMark,
  messageOf,
  revisions,
  textOf,
  Wire,
  type SeenEvent,
} from '../front/legacy-wire.ts';
import { serving, TestDaemon, until } from '../support/daemon.ts';

/** Comes back until the answer to a call is there; every connection’s events. */
async function poll(wire: Wire, first: Response, id: unknown): Promise<SeenEvent[][]> {
  const connections = [await new Events(first).rest()];
  while (answerIn(connections.at(-1) ?? [], id) === undefined) {
    assert.ok(connections.length < 30, 'the answer never comes');
    const last = connections.flat().findLast((it) => it.id !== undefined)?.id;
    connections.push(await new Events(await wire.get(last)).rest());
  }
  return connections;
}

describe('a call that takes longer than poll_after', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', everything) },
      daemon: '[sessions]\npoll_after = "1s"\n',
    });
  });
  after(() => daemon[Symbol.asyncDispose]());

  it('lets go of its connection with an id and a time to come back, as often as it must, and is answered', async () => {
    const wire = await Wire.open(daemon);
    const connections = await poll(wire, await wire.call(1, 'slow', { ms: 3200 }), 1);
    assert.ok(connections.length >= 2);
    for (const [at, events] of connections.entries()) {
      const [mark] = events;
      assert.ok(mark !== undefined && isMark(mark) && mark.retry !== undefined);
      if (at < connections.length - 1)
        assert.match(events.at(-1)?.retry ?? '', /^\d+$/, 'says when to come back');
    }
    assert.equal(textOf(answerIn(connections.at(-1) ?? [], 1)), 'done');
    assert.equal(connections.flat().filter((it) => it.event === 'message').length, 1);
  });

  it('keeps what is said while nobody is there', async () => {
    const wire = await Wire.open(daemon);
    const events = new Events(await wire.call(1, 'ask_roots'));
    await events.one();
    const asked = await events.one();
    assert.equal(messageOf(asked).method, 'roots/list');
    assert.ok(
      (await events.rest()).every(({ data }) => data === undefined),
      'the connection ends',
    );
    const { id } = messageOf(asked);
    await wire.post({ jsonrpc: '2.0', id, result: { roots: [] } });
    const rest = await new Events(await wire.get(asked.id)).rest();
    assert.equal(textOf(answerIn(rest, 1)), '{"roots":[]}');
  });

  it('is answered at once, in one piece, when it takes no longer', async () => {
    const wire = await Wire.open(daemon);
    const response = await wire.call(1, 'echo', { text: 'quick' });
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.equal(textOf((await response.json()) as Rpc), 'quick');
  });

  it('goes on when the client does not come back, and cancelling it still works', async () => {
    const wire = await Wire.open(daemon);
    const [first = []] = [await new Events(await wire.call('c', 'ask_roots')).rest()];
    await wire.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'c' } });
    const rest = await new Events(await wire.get(first.at(0)?.id)).rest();
    assert.equal(answerIn(rest, 'c')?.error?.code, 1499);
  });

  for (const revision of revisions.filter((it) => it !== '2025-11-25')) {
    it(`is held to its end for a client of ${revision}, which would not come back`, async () => {
      const wire = await Wire.open(daemon, revision);
      const response = await wire.call(1, 'slow', { ms: 1500 });
      assert.equal(response.headers.get('content-type'), 'application/json');
      assert.equal(textOf((await response.json()) as Rpc), 'done');
    });
  }

  it('does not hold the standing stream any shorter', async () => {
    const wire = await Wire.open(daemon);
    const standing = new Events(await wire.get());
    await standing.one();
    await (await wire.call(1, 'slow', { ms: 1500 })).text();
    await wire.call(2, 'change_tools');
    assert.equal((await standing.message()).method, 'notifications/tools/list_changed');
    await standing.leave();
  });
});

describe('a call with poll_after that is under way when mcpd is asked to stop', () => {
  /** The time to come back that clients are told. */
  const retryMs = 1_000;
  const polled = () =>
    TestDaemon.start({
      servers: { fx: serving('answers', everything) },
      daemon: '[sessions]\npoll_after = "1s"\n',
    });
  const draining = (daemon: TestDaemon) =>
    until('it drains', async () => (await fetch(`${daemon.url}/readyz`)).status === 503);

  it('is not let go any more, because its client could not come back', async () => {
    await using daemon = await polled();
    const wire = await Wire.open(daemon);
    const answering = wire.call(1, 'slow', { ms: 2500 });
    await until('it is under way', async () => (await daemon.ctl('status'))['callsInFlight'] === 1);
    const ended = daemon.end();
    const response = await answering;
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.equal(textOf((await response.json()) as Rpc), 'done');
    assert.equal(await ended, 0);
  });

  it('is answered to a client that was let go before, comes back, and is then held on', async () => {
    await using daemon = await polled();
    const wire = await Wire.open(daemon);
    const standing = new Events(await wire.get());
    const [first = []] = [await new Events(await wire.call(1, 'slow', { ms: 4000 })).rest()];
    const ended = daemon.end();
    await draining(daemon);
    const rest = await new Events(await wire.get(first.at(0)?.id)).rest();
    assert.equal(textOf(answerIn(rest, 1)), 'done');
    await standing.leave();
    assert.equal(await ended, 0);
  });

  it('is kept for a client that is about to come back when its answer is there', async () => {
    await using daemon = await polled();
    const wire = await Wire.open(daemon);
    const [first = []] = [await new Events(await wire.call(1, 'slow', { ms: 1300 })).rest()];
    const ended = daemon.end();
    await new Promise((resolve) => setTimeout(resolve, retryMs));
    const rest = await new Events(await wire.get(first.at(0)?.id)).rest();
    assert.equal(textOf(answerIn(rest, 1)), 'done');
    assert.equal(await ended, 0);
  });

  it('is all that can be come back for: nothing else is opened, and no client is told that its session is over', async () => {
    await using daemon = await polled();
    const wire = await Wire.open(daemon);
    const reading = new Events(await wire.get());
    const { id: heard } = await reading.one();
    const answering = wire.call(1, 'slow', { ms: 2500 });
    await until('it is under way', async () => (await daemon.ctl('status'))['callsInFlight'] === 1);
    const ended = daemon.end();
    await draining(daemon);
    const other = new Wire(daemon, 'fx', daemon.key, 'nobody-has-this', '2025-11-25');
    for (const get of [wire.get(), wire.get(heard), wire.get('made.up.id'), other.get(heard)]) {
      const { status, headers } = await get;
      assert.deepEqual([status, headers.get('retry-after')], [503, '5']);
    }
    assert.equal((await answering).status, 200);
    assert.equal(await ended, 0);
  });
});

describe('poll_after and http_sse in mcpd.toml', () => {
  it('are refused where they are no time and no yes or no, with what belongs there', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: serving('answers', everything) },
      boot: false,
    });
    for (const [lines, says] of [
      ['[sessions]\npoll_after = 25', /poll_after[\s\S]*a time such as/],
      ['[sessions]\npoll_after = "0s"', /poll_after[\s\S]*from 1s to 1h/],
      ['[sessions]\npoll_after = "2d"', /poll_after[\s\S]*from 1s to 1h/],
      ['[listen]\nhttp_sse = "yes"', /http_sse[\s\S]*true or false/],
    ] as const) {
      daemon.write('mcpd.toml', lines);
      const { code, stdout, stderr } = await daemon.mcpd(['check']);
      assert.notEqual(code, 0, lines);
      assert.match(stdout + stderr, says);
    }
    daemon.write('mcpd.toml', '[listen]\nhttp_sse = false\n[sessions]\npoll_after = "25s"\n');
    assert.equal((await daemon.mcpd(['check'])).code, 0);
  });
});
