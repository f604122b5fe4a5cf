// Two callers and one child: what is one's never reaches the other, whatever the child writes.
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { Answer } from '../../src/domain/message.ts';
import { metaKeys } from '../../src/protocol/era.ts';
import { Client, fault, Fleets, statusOf, untilTold, type Running } from './client.ts';
import { ask, errorOf, fleetOf, passOf, request, resultOf, specOf, toolCall, until } from './support.ts';

const fleets = new Fleets();
afterEach(() => fleets.stopAll());

const shared = (fixture = 'remembers', more: object = {}): Running =>
  fleets.start([fixture, { sharing: 'all', ...more }]);
const pair = async (running: Running): Promise<[Client, Client]> => {
  await running.fleet.waitReady(10_000);
  return [await Client.open(running, 'ana', 'A'), await Client.open(running, 'bob', 'B')];
};
const call = (client: Client, name: string, args: object, meta?: object, id: string | number = 1) =>
  client.pass(
    request(
      'tools/call',
      { name, arguments: { ...args }, ...(meta === undefined ? {} : { _meta: { ...meta } }) },
      id,
    ),
  );

describe('in one child that two callers share', () => {
  it('equal ids and equal progress tokens find their own callers', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    const calls = [ana, bob, ana, bob].map((client, at) => ({
      client,
      data: `${client.session}${at}`,
      ...call(client, 'progress', { data: `${client.session}${at}` }, { progressToken: 7 }, 7),
    }));
    await Promise.all(calls.map(({ pass }) => running.fleet.forward(pass)));
    for (const { client, data, call: own } of calls) {
      const progress = running.upcalls.filter(({ callId }) => callId === own.id);
      assert.deepEqual(
        progress.map(({ audience, message }) => [audience, message.params]),
        [
          [
            { kind: 'session', sessionId: client.session },
            `{"progressToken":7,"progress":1,"message":"${data}"}`,
          ],
        ],
      );
    }
  });

  it('a cancelled call is cancelled in the child under its own id, and no other call with it', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    const mine = call(ana, 'wait', { ms: 60_000 }, undefined, 5);
    const theirs = call(bob, 'wait', { ms: 100 }, undefined, 5);
    const ends = [running.fleet.forward(mine.pass), running.fleet.forward(theirs.pass)] as const;
    await until(() => statusOf(running.fleet).inFlight === 2);
    mine.call.halt.call('cancelled by the caller');
    await assert.rejects(ends[0], fault('CANCELLED'));
    assert.ok(resultOf(await ends[1]));
    assert.deepEqual((await bob.told()).told, ['cancelled']);
  });

  it('a child that answers with other ids, or to calls that are not its own, answers nobody else', async () => {
    const running = shared('remembers', { answerWithinMs: 1500 });
    const [ana, bob] = await pair(running);
    const waiting = bob.call('wait', { ms: 300 });
    await until(() => statusOf(running.fleet).inFlight === 1);
    const { dropped } = statusOf(running.fleet);
    const lines = ['0', '-1', '99999', '1e1', '1.5', 'null', '"$ID"', '"1"', '[1]', '{}'].map(
      (id) => `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"foreign"}]}}`,
    );
    assert.equal(await ana.call('raw', { lines }), 'raw');
    assert.equal(await waiting, 'waited');
    assert.ok(statusOf(running.fleet).dropped >= dropped + 8);
  });

  it('progress under tokens that are nobody’s, over, or not yet given reaches nobody', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    const first = call(bob, 'progress', { data: 'x' }, { progressToken: 'b' });
    await running.fleet.forward(first.pass);
    const waiting = call(bob, 'wait', { ms: 200 });
    const ended = running.fleet.forward(waiting.pass);
    const before = running.upcalls.length;
    const lines = Array.from({ length: 60 }, (_, at) => [String(at), `"${at}"`, '"b"', `${at}.0`])
      .flat()
      .map(
        (token) =>
          `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":1}}`,
      );
    await ana.call('raw', { lines });
    await ended;
    assert.equal(running.upcalls.length, before);
  });

  it('none of its messages can name a session or a call, and its questions are refused', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    await bob.call('echo', { data: 'b' });
    const lines = [
      '{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"sessionId":"B"}}',
      '{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"B?"}}',
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
      '{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t","status":"working"}}',
      '{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e"}}',
      '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x","sessionId":"B"}}',
    ];
    await ana.call('raw', { lines });
    assert.deepEqual(running.upcalls, []);
  });

  it('a reply that nobody asked for goes nowhere', async () => {
    const running = shared();
    const [ana] = await pair(running);
    const { dropped } = statusOf(running.fleet);
    const reply = { kind: 'reply', id: 's-1', answer: { kind: 'result', text: '{}' as never } } as const;
    assert.equal(await running.fleet.forward(ana.pass(reply).pass), undefined);
    assert.equal(statusOf(running.fleet).dropped, dropped + 1);
    assert.deepEqual((await ana.told()).told, []);
  });

  it('a crash fails the calls of both, and each is served again', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    await bob.follow('x:/b');
    const ends = [ana.call('wait', { ms: 60_000 }), bob.call('wait', { ms: 60_000 })].map((it) =>
      assert.rejects(it, fault('UPSTREAM_DIED')),
    );
    await until(() => statusOf(running.fleet).inFlight === 2);
    await assert.rejects(ana.call('die'), fault('UPSTREAM_DIED'));
    await Promise.all(ends);
    assert.deepEqual(await Promise.all([ana.call('echo', { data: 'a' }), bob.call('echo', { data: 'b' })]), [
      'a',
      'b',
    ]);
    await untilTold(ana, ['subscribe x:/b']);
  });
});

for (const sharing of ['principal', 'all'] as const) {
  describe(`a modern client of a child with sharing = "${sharing}"`, () => {
    const modern = (client: Client, name: string, args: object, meta: object = {}) => {
      const made = call(client, name, args, { [metaKeys.capabilities]: {}, ...meta });
      Object.assign(made.call.session, { era: 'modern' });
      return made;
    };

    it('hears of the progress of its call, in the answer to that call', async () => {
      const running = fleets.start(['remembers', { sharing }]);
      const ana = new Client(running, 'ana', 'A');
      const made = modern(ana, 'progress', { data: 'x' }, { progressToken: 'p' });
      assert.ok(resultOf(await running.fleet.forward(made.pass)));
      assert.deepEqual(
        running.upcalls.map(({ audience, message }) => [audience, message.params]),
        [[{ kind: 'call', callId: made.call.id }, '{"progressToken":"p","progress":1,"message":"x"}']],
      );
    });

    it('is told none of the log lines of others, though it asks for lines and they do not', async () => {
      const running = fleets.start(['remembers', { sharing }]);
      const [ana, bob] = [new Client(running, 'ana', 'A'), await Client.open(running, 'ana', 'B')];
      const made = modern(ana, 'wait', { ms: 150 }, { [metaKeys.logLevel]: 'debug' });
      const waiting = running.fleet.forward(made.pass);
      await until(() => statusOf(running.fleet).inFlight === 1);
      await bob.call('say', { data: 'of bob' });
      await waiting;
      assert.deepEqual(
        running.upcalls.filter(({ audience }) => audience.kind !== 'session'),
        [],
      );
    });
  });
}

for (const sharing of ['principal', 'all'] as const) {
  describe(`tasks with sharing = "${sharing}"`, () => {
    it('are not offered, not begun and not asked about', async () => {
      const running = fleets.start(['remembers', { sharing }]);
      const ana = new Client(running, 'ana', 'A');
      const capabilities = (await ana.hello())['capabilities'] as object;
      assert.deepEqual(Object.keys(capabilities).sort(), ['logging', 'resources', 'tools']);
      const asked = {
        name: 'params',
        arguments: { n: 1 },
        task: { ttl: 60_000 },
        _meta: { progressToken: 3 },
      };
      const { pass } = ana.pass(request('tools/call', asked));
      const said = resultOf(await running.fleet.forward(pass))['content'] as [{ text: string }];
      const { _meta, ...others } = JSON.parse(said[0].text) as { _meta: { progressToken: number } };
      assert.deepEqual(others, { name: 'params', arguments: { n: 1 } });
      assert.equal(typeof _meta.progressToken, 'number');
      for (const method of ['tasks/list', 'tasks/get', 'tasks/result', 'tasks/cancel'])
        assert.equal(errorOf(await ana.request(method, { taskId: 't' }))['code'], -32601);
    });
  });
}

it('tasks go through to a child of one session', async () => {
  const running = fleets.start(['remembers', {}]);
  const ana = new Client(running, 'ana', 'A');
  assert.ok('tasks' in ((await ana.hello())['capabilities'] as object));
  const { pass } = ana.pass(request('tools/call', { name: 'params', arguments: {}, task: { ttl: 1 } }));
  const said = resultOf(await running.fleet.forward(pass))['content'] as [{ text: string }];
  assert.deepEqual((JSON.parse(said[0].text) as { task: object }).task, { ttl: 1 });
});

describe('ids of questions', () => {
  it('are never equal, in no two children of no two servers', async () => {
    const running = fleetOf();
    const names = ['one', 'two'];
    running.fleet.apply(names.map((name) => specOf('answers', { name })));
    try {
      const sessions = names.flatMap((server) => ['A', 'B'].map((id) => ({ server, id: `${server}${id}` })));
      const forward = (server: string, message: Parameters<typeof passOf>[0], id: string) => {
        const { pass } = passOf(message, id);
        Object.assign(pass.call, { server });
        return running.fleet.forward(pass);
      };
      for (const { server, id } of sessions) {
        await forward(server, request('initialize', { protocolVersion: '2025-06-18', capabilities: {} }), id);
        await forward(server, { kind: 'notice', method: 'notifications/initialized', params: undefined }, id);
      }
      const asked = sessions.map(({ server, id }) => forward(server, toolCall('ask_roots'), id));
      await until(() => running.upcalls.length === sessions.length);
      const ids = running.upcalls.map(({ message }) => (message.kind === 'request' ? message.id : ''));
      assert.deepEqual([...ids].sort(), ['s-1', 's-2', 's-3', 's-4']);
      // Nor does the id of one open the question of another.
      const [first, second] = running.upcalls;
      assert.ok(first?.audience.kind === 'session' && second?.message.kind === 'request');
      const reply = { kind: 'reply', id: second.message.id, answer: { kind: 'result', text: '{}' } } as const;
      const { server } = first;
      const { dropped } = running.fleet.status().find(({ name }) => name === server) ?? { dropped: -1 };
      await forward(server, reply as never, first.audience.sessionId);
      assert.equal(running.fleet.status().find(({ name }) => name === server)?.dropped, dropped + 1);
      for (const { settle } of running.upcalls) settle({ kind: 'result', text: '{}' } as Answer);
      await Promise.all(asked);
    } finally {
      await running.fleet.stop();
    }
  });
});

describe('a child that speaks 2025-03-26', () => {
  const lines = (batch: string) => ({ lines: [batch] });
  const progress = (token: string) =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":1}}`;

  for (const sharing of ['session', 'principal', 'all'] as const) {
    it(`may write several messages as one array (sharing = "${sharing}")`, async () => {
      const running = fleets.start(['remembers', { sharing, env: { REVISION: '2025-03-26' } }]);
      const ana = await Client.open(running, 'ana', 'A');
      const answer = '{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"in a batch"}]}}';
      const news =
        '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"hello"}}';
      assert.equal(await ana.call('raw', lines(`[${news},5,[],${answer},${answer}]`)), 'in a batch');
      assert.deepEqual(ana.lines(), ['hello']);
      await assert.rejects(ana.call('die'), fault('UPSTREAM_DIED'));
      assert.equal(await ana.call('raw', lines(`[${answer}]`)), 'in a batch');
    });
  }

  it('is held to the same rules for each of them, and to a bound for all', async () => {
    const running = fleets.start(['remembers', { sharing: 'all', env: { REVISION: '2025-03-26' } }]);
    await running.fleet.waitReady(10_000);
    const ana = await Client.open(running, 'ana', 'A');
    const { dropped } = statusOf(running.fleet);
    const batch = `[${Array.from({ length: 1000 }, () => progress('1')).join(',')}]`;
    await ana.call('raw', lines(batch));
    assert.equal(statusOf(running.fleet).dropped, dropped + 1000);
    // One more than may be: nobody looks into it. The call that is open was perhaps meant, and does not wait in vain.
    const tooMany = `[${Array.from({ length: 1001 }, () => progress('1')).join(',')}]`;
    await assert.rejects(ana.call('raw', lines(tooMany)), fault('UPSTREAM_GARBLED'));
    await ana.call('echo', { data: '' });
    assert.ok(statusOf(running.fleet).dropped <= dropped + 1002);
  });

  it('is the only one that may', async () => {
    const running = fleets.start(['remembers', { sharing: 'all' }]);
    const ana = await Client.open(running, 'ana', 'A');
    const news =
      '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"hello"}}';
    await ana.call('raw', lines(`[${news}]`));
    assert.deepEqual(ana.lines(), []);
  });
});

it('what waits for a child does not join a session that has ended meanwhile', async () => {
  const running = fleets.start(['slow-start', { sharing: 'all', env: { START_MS: '200' } }]);
  const { pass, call: hello } = passOf(request('initialize', {}), 'A');
  const opening = running.fleet.forward(pass);
  hello.halt.call('session ended');
  await assert.rejects(opening, fault('CANCELLED'));
  assert.ok(await ask(running.fleet, toolCall('x'), 'B'));
  assert.deepEqual(running.upcalls, []);
});
