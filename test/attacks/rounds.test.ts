import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import type { JsonObject } from '../../src/domain/message.ts';
import {
  allowAll,
  asks,
  assertClean,
  Caller,
  callsOf,
  elicit,
  form,
  going,
  heardBy,
  playedBy,
  puppetToml,
  startPuppets,
  type Step,
  type Told,
} from '../rounds/caller.ts';
import { until, type TestDaemon } from '../support/daemon.ts';
import { order } from './reference.ts';

const done: Step = { result: { resultType: 'complete', content: [], done: true } };
const stale = (told: Told) => {
  assert.equal(told.error?.code, -32602, JSON.stringify(told.result ?? told.error));
  assert.match(told.error.message, /requestState is not valid here/);
};
/** The same first round, of a child of either era. */
const eras = {
  old: (caller: Caller) => {
    const steps = [elicit('who?'), { replies: 1 }];
    return { first: () => caller.play(steps), next: (more: JsonObject, of = caller) => of.play(steps, more) };
  },
  new: (caller: Caller) => {
    const rounds = [[asks({ a: form }, { requestState: '1' })], []];
    return {
      first: () => caller.rounds(rounds),
      next: (more: JsonObject, of = caller) => of.rounds(rounds, more),
    };
  },
} as const;
const names = Object.keys(eras) as (keyof typeof eras)[];

const both = (rules = allowAll, more = '') => ({
  old: puppetToml('old', 'legacy', rules, more),
  new: puppetToml('new', 'modern', rules, more),
});
const onlyPlay = ({ method, target }: { method: string; target: string }) =>
  method !== 'tools/call' || target === 'play';

describe('the state of a call in rounds, in a thief’s hands', () => {
  for (const name of names)
    it(`opens nothing for another caller, another call or another server, before ${name === 'old' ? 'a legacy' : 'a modern'} child`, async () => {
      const { daemon, bob } = await startPuppets(both());
      await using _ = daemon;
      const ann = new Caller(daemon, name);
      const { first, next } = eras[name](ann);
      const told = await first();
      const state = going(told);
      const callsBefore = callsOf(daemon, name).length;
      stale(await next(state, new Caller(daemon, name, bob)));
      stale(await ann.play([{ wait: 1 }], state));
      stale(await ann.send('prompts/get', { name: 'play', ...state }));
      stale(await ann.send('tools/call', { ...state, name: 'play', arguments: {} }));
      stale(await next(state, ann.at(name === 'old' ? 'new' : 'old')));
      stale(await ann.send('tools/list', { requestState: state['requestState'] as string }));
      // Nothing of all that reached a child, and its owner goes on as if nothing had been.
      assert.equal(callsOf(daemon, name).length, callsBefore);
      assert.equal(
        heardBy(daemon, name).some((it) => 'result' in it),
        false,
      );
      assert.ok(playedBy(await next(state)).pid);
      for (const each of names) if (each === name) assertClean(daemon, each, onlyPlay);
    });

  it('opens nothing with one digit changed, and no guess opens anything', async () => {
    const { daemon } = await startPuppets(both());
    await using _ = daemon;
    for (const name of names) {
      const { first, next } = eras[name](new Caller(daemon, name));
      const { requestState, inputResponses } = going(await first());
      const state = requestState as string;
      const calls = callsOf(daemon, name).length;
      const guesses: unknown[] = [
        '',
        '1',
        'held-1',
        randomUUID(),
        'a'.repeat(200),
        '0'.repeat(state.length),
        null,
        7,
        true,
        [],
        {},
        [state],
        `${state}00`,
        state.toUpperCase(),
        state.slice(2),
        `${state.slice(0, -1)}${state.endsWith('0') ? '1' : '0'}`,
      ];
      for (const guess of guesses) stale(await next({ inputResponses, requestState: guess } as JsonObject));
      assert.equal(callsOf(daemon, name).length, calls);
      await next({ inputResponses: inputResponses ?? {}, requestState: state });
    }
  });

  it('works for a call that waits in a child once, and once only when two come at the same moment', async () => {
    const { daemon } = await startPuppets(both());
    await using _ = daemon;
    const { first, next } = eras.old(new Caller(daemon, 'old'));
    const state = going(await first());
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => next(state)));
    assert.equal(outcomes.filter(({ result }) => result !== undefined).length, 1);
    for (const it of outcomes) if (it.result === undefined) stale(it);
    stale(await next(state));
    assert.equal(callsOf(daemon, 'old').length, 1);
    assert.equal(heardBy(daemon, 'old').filter((it) => 'result' in it).length, 1);
  });

  it('is the server’s own business when it is replayed there, and every replay is on record', async () => {
    const { daemon } = await startPuppets(both());
    await using _ = daemon;
    const { first, next } = eras.new(new Caller(daemon, 'new'));
    const state = going(await first());
    for (let times = 0; times < 3; times++) assert.equal(playedBy(await next(state)).requestState, '1');
    assert.equal(callsOf(daemon, 'new').length, 4);
    const records = await daemon.audit();
    assert.equal(records.filter((it) => JSON.stringify(it).includes('"play"')).length >= 4, true);
  });

  it('outlives a restart where the server keeps it, and ends with its child where a call waits', async () => {
    const { daemon } = await startPuppets(both());
    await using _ = daemon;
    const [old, fresh] = [eras.old(new Caller(daemon, 'old')), eras.new(new Caller(daemon, 'new'))];
    const [waiting, kept] = [going(await old.first()), going(await fresh.first())];
    await daemon.end();
    await daemon.boot();
    stale(await old.next(waiting));
    assert.equal(playedBy(await fresh.next(kept)).requestState, '1');
  });

  for (const [what, stop] of [
    ['a switch', (daemon: TestDaemon) => daemon.ctl('disable-tool', 'old/play', '--now')],
    ['a lockdown', (daemon: TestDaemon) => daemon.ctl('lockdown', '--now')],
    ['a switched-off caller', (daemon: TestDaemon) => daemon.ctl('disable-caller', 'bob', '--now')],
  ] as const)
    it(`is worth nothing after ${what} with --now, and the child that waits is told at once`, async () => {
      const { daemon, bob } = await startPuppets(both());
      await using _ = daemon;
      const { first, next } = eras.old(new Caller(daemon, 'old', bob));
      const state = going(await first());
      assert.equal((await stop(daemon))['stopped'], 1);
      await until('it is cancelled', () =>
        heardBy(daemon, 'old').some(({ method }) => method === 'notifications/cancelled'),
      );
      const told = await next(state);
      assert.throws(() => playedBy(told));
    });

  it('is worth nothing when its caller’s key was revoked meanwhile, and nobody else notices', async () => {
    const { daemon, bob } = await startPuppets(both(allowAll, 'idle = "2s"'));
    await using _ = daemon;
    going(await eras.old(new Caller(daemon, 'old', bob)).first());
    assert.equal((await daemon.mcpd(['key', 'revoke', 'bob'])).code, 0);
    await until('it is cancelled', () =>
      heardBy(daemon, 'old').some(({ method }) => method === 'notifications/cancelled'),
    );
    going(await eras.old(new Caller(daemon, 'old')).first());
  });

  it('comes through whole when it is a megabyte', async () => {
    const { daemon } = await startPuppets(both());
    await using _ = daemon;
    const ann = new Caller(daemon, 'new');
    const rounds = [[asks({ a: form }, { requestState: '1'.padStart(900_000, '0') })], []];
    const told = await ann.rounds(rounds);
    assert.equal(playedBy(await ann.rounds(rounds, going(told))).requestState?.length, 900_000);
  });
});

describe('answers to questions', () => {
  it('reach a legacy child only where it asked, and in no other shape than a result', async () => {
    const { daemon } = await startPuppets(both());
    await using _ = daemon;
    const { first, next } = eras.old(new Caller(daemon, 'old'));
    const { requestState, inputResponses } = going(await first());
    const [key = ''] = Object.keys(inputResponses as JsonObject);
    const say = (responses: unknown) => next({ requestState, inputResponses: responses } as JsonObject);
    for (const shape of [[], 'x', 7, null, [{ [key]: {} }], { [key]: 'x' }, { [key]: [] }, { [key]: null }])
      assert.equal((await say(shape)).error?.code, -32602, JSON.stringify(shape));
    const foreign = {
      's-1000': { stolen: 1 },
      'c-1': { stolen: 2 },
      ['__proto__']: { stolen: 3 },
      'a\nb': { stolen: 4 },
    };
    let state = await say(foreign);
    assert.equal(state.result?.['resultType'], 'input_required');
    state = await next({ ...going(state), inputResponses: { ...foreign, [key]: { action: 'decline' } } });
    assert.deepEqual(playedBy(state).replies, [{ jsonrpc: '2.0', id: 'c-1', result: { action: 'decline' } }]);
    assert.equal(
      heardBy(daemon, 'old').some((it) => JSON.stringify(it).includes('stolen')),
      false,
    );
    assertClean(daemon, 'old', onlyPlay);
  });

  it('reach a modern child as they are, digits and all, and are no way to smuggle a call past the policy', async () => {
    const { daemon } = await startPuppets(both());
    await using _ = daemon;
    const ann = new Caller(daemon, 'new');
    const rounds = [[asks({ a: form }, { requestState: '1' })], []];
    const { requestState } = going(await ann.rounds(rounds));
    const inputResponses = {
      a: { action: 'accept' },
      extra: { method: 'tools/call', params: { name: 'denied' } },
    };
    const told = await ann.rounds(rounds, { requestState: requestState as string, inputResponses });
    assert.deepEqual(playedBy(told).inputResponses, inputResponses);
    for (const alike of ['InputResponses', 'REQUESTSTATE', 'requestſtate', 'Name', 'Arguments'])
      assert.equal((await ann.rounds(rounds, { [alike]: {} })).status, 400, alike);
    assertClean(daemon, 'new', onlyPlay);
  });
});

const noSampling = `
[[rule]]
name = "calls, and forms"
verdict = "allow"
tools = ["play"]
prompts = ["*"]
upcalls = ["elicitation/create"]
`;

describe('questions that may not be asked', () => {
  const bad: [string, JsonObject][] = [
    [
      'sampling that no rule allows',
      { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } },
    ],
    ['roots that no rule allows', { method: 'roots/list' }],
    [
      'a link that runs a script',
      { method: 'elicitation/create', params: { mode: 'url', url: 'javascript:alert(1)', message: 'm' } },
    ],
    [
      'a link to a file',
      { method: 'elicitation/create', params: { mode: 'url', url: 'file:///etc/passwd', message: 'm' } },
    ],
    [
      'a link under another name',
      {
        method: 'elicitation/create',
        params: { mode: 'url', URL: 'javascript:alert(1)', url: 'https://ok.example', message: 'm' },
      },
    ],
    ['what nobody knows', { method: 'custom/question', params: {} }],
  ];

  it('are kept from the client of a legacy child, which hears a no and goes on', async () => {
    const { daemon } = await startPuppets(both(noSampling));
    await using _ = daemon;
    const ann = new Caller(daemon, 'old');
    for (const [what, question] of bad) {
      const told = await ann.play([{ ask: question }, { replies: 1 }]);
      assert.deepEqual(
        playedBy(told).replies.map(({ error }) => (error as JsonObject)['code']),
        [-32601],
        what,
      );
      assert.deepEqual(told.events, []);
    }
  });

  it('are kept from the client of a modern child, with the whole answer, and are on record', async () => {
    const { daemon } = await startPuppets(both(noSampling));
    await using _ = daemon;
    const ann = new Caller(daemon, 'new');
    for (const [what, question] of bad) {
      const told = await ann.rounds([[asks({ a: form, b: question }, { requestState: 'secret-state' })]]);
      assert.equal(told.result?.['isError'], true, what);
      assert.doesNotMatch(
        JSON.stringify(told.result),
        /javascript|passwd|inputRequests|secret-state|requestState/,
        what,
      );
    }
    const asked = daemon.journal().filter((it) => JSON.stringify(it).includes('sampling/createMessage'));
    assert.ok(asked.length > 0);
  });

  it('are kept from a prompt’s reader, too', async () => {
    const { daemon } = await startPuppets(both(noSampling));
    await using _ = daemon;
    const told = await new Caller(daemon, 'new').send('prompts/get', {
      name: 'p',
      arguments: { rounds: [[asks({ a: bad[0]?.[1] })]] as never },
    });
    assert.equal(told.result, undefined);
    assert.match(told.error?.message ?? '', /Refused by policy/);
  });

  it('are not asked of a client that did not say that it can answer', async () => {
    const { daemon } = await startPuppets(both());
    await using _ = daemon;
    const how = { capabilities: { roots: {} } };
    const old = await new Caller(daemon, 'old').play([elicit('x'), { replies: 1 }], {}, how);
    assert.deepEqual(
      playedBy(old).replies.map(({ error }) => (error as JsonObject)['code']),
      [-32601],
    );
    const fresh = await new Caller(daemon, 'new').rounds([[asks({ a: form })]], {}, how);
    assert.equal(fresh.result?.['isError'], true);
    const none = await new Caller(daemon, 'old').play(
      [elicit('x'), { replies: 1 }],
      {},
      { capabilities: {} },
    );
    assert.equal(playedBy(none).replies.length, 1);
  });
});

describe('a switch that is thrown between two rounds', () => {
  const switches = [
    ['disable-tool', (name: string) => ({ tool: `${name}/play` })],
    ['lockdown', () => ({})],
  ] as const;
  for (const [command, args] of switches)
    for (const name of names)
      it(`${command} stops the next round before ${name === 'old' ? 'a legacy' : 'a modern'} child`, async () => {
        const { daemon } = await startPuppets(both(allowAll, 'idle = "2s"'));
        await using _ = daemon;
        const { first, next } = eras[name](new Caller(daemon, name));
        const state = going(await first());
        const before = heardBy(daemon, name).length;
        const ordered = await order(daemon, command, args(name));
        assert.equal(ordered['ok'], true, JSON.stringify(ordered));
        const told = await next(state);
        assert.ok(told.error !== undefined || told.result?.['isError'] === true);
        assert.equal(
          'resultType' in (told.result ?? {}) && told.result?.['resultType'] === 'input_required',
          false,
        );
        const heard = heardBy(daemon, name).slice(before);
        assert.deepEqual(
          heard.filter((it) => it['method'] === 'tools/call' || 'result' in it),
          [],
        );
        // A call that waits in its child is stopped there soon after, though no client is there to be told.
        if (name === 'old')
          await until('the waiting call is cancelled', () =>
            heardBy(daemon, 'old').some(({ method }) => method === 'notifications/cancelled'),
          );
      });

  it('a rule that is taken away does the same', async () => {
    const { daemon } = await startPuppets(both());
    await using _ = daemon;
    for (const name of names) {
      const { first, next } = eras[name](new Caller(daemon, name));
      const state = going(await first());
      const calls = callsOf(daemon, name).length;
      daemon.write(
        `servers/${name}.toml`,
        puppetToml(name, name === 'old' ? 'legacy' : 'modern', noSampling.replace('"play"', '"other"')),
      );
      assert.equal((await order(daemon, 'reload'))['ok'], true);
      assert.match((await next(state)).error?.message ?? '', /Unknown tool/);
      assert.equal(callsOf(daemon, name).length, calls);
    }
  });
});

describe('a client that goes away', () => {
  it('cancels its call in the child at every stage, and frees its place', async () => {
    const { daemon } = await startPuppets(
      both(allowAll, 'concurrency = 1\nwaiting_max = 4\nanswer_within = "20s"'),
    );
    await using _ = daemon;
    const free = async (name: string) =>
      until(`${name} has free places`, async () => {
        const { inFlight, waiting } = await daemon.status(name);
        return inFlight + waiting === 0;
      });
    const cancelled = (name: string) =>
      heardBy(daemon, name).filter(({ method }) => method === 'notifications/cancelled').length;
    for (const name of names) {
      const caller = new Caller(daemon, name);
      const steps: Step[] = [{ cancelled: true }];
      const play = (more: JsonObject, how: object) =>
        name === 'old' ? caller.play(steps, more, how) : caller.rounds([steps], more, how);
      for (const capabilities of [{}, { elicitation: {} }]) {
        const before = cancelled(name);
        const going = new AbortController();
        const call = play({}, { signal: going.signal, capabilities }).catch(() => 'gone');
        await until('the child works', () => callsOf(daemon, name).length > before);
        // One more that waits in the line and never reaches the child.
        const waits = new AbortController();
        const waiting = play({}, { signal: waits.signal, capabilities }).catch(() => 'gone');
        waits.abort();
        await waiting;
        going.abort();
        assert.equal(await call, 'gone');
        await until('the child was told', () => cancelled(name) > before);
        await free(name);
      }
    }
    // In a later round.
    const { first } = eras.old(new Caller(daemon, 'old'));
    const steps = [elicit('who?'), { cancelled: true }];
    const caller = new Caller(daemon, 'old');
    const state = going(await caller.play(steps));
    const before = cancelled('old');
    const leaving = new AbortController();
    const second = caller.play(steps, state, { signal: leaving.signal }).catch(() => 'gone');
    await until('the child has its answer', () => heardBy(daemon, 'old').some((it) => 'result' in it));
    leaving.abort();
    assert.equal(await second, 'gone');
    await until('the child was told', () => cancelled('old') > before);
    await free('old');
    assert.ok(going(await first()));
  });

  it('a thousand times leaves children and memory within their bounds, and other callers alone', async () => {
    const { daemon, bob } = await startPuppets(
      both(allowAll, 'children_max = 8\nwaiting_max = 8\nanswer_within = "1s"'),
    );
    await using _ = daemon;
    const ann = new Caller(daemon, 'old');
    const steps = [elicit('who?'), { replies: 1 }];
    let asked = 0;
    let most = 0;
    for (let batch = 0; batch < 20; batch++) {
      // Each says that it is another client, because those share no child.
      const told = await Promise.all(
        Array.from({ length: 50 }, (_each, n) =>
          ann.play(
            steps,
            {},
            { meta: { 'io.modelcontextprotocol/clientInfo': { name: `c${n}`, version: `${batch}` } } },
          ),
        ),
      );
      for (const { result, error, status } of told)
        if (result?.['resultType'] === 'input_required') asked++;
        else assert.ok(status === 429 || error?.code === 1506 || error?.code === 1504, JSON.stringify(error));
      most = Math.max(most, (await daemon.status('old')).children);
    }
    assert.ok(asked >= 1 && asked <= 3, `${asked} were asked`);
    // The standing child, and a quarter of eight.
    assert.ok(most <= 3, `${most} children`);
    const { first, next } = eras.old(new Caller(daemon, 'old', bob));
    assert.ok(playedBy(await next(going(await first()))).pid);
    // A modern child keeps nothing at all for those who do not come back.
    const { first: fresh } = eras.new(new Caller(daemon, 'new'));
    for (let n = 0; n < 200; n++) going(await fresh());
    assert.ok((await daemon.status('new')).children <= 2);
    assert.deepEqual(daemon.children().length <= 6, true);
  });
});

describe('an operator’s yes in rounds', () => {
  const confirmed = `
[[rule]]
name = "with a yes"
verdict = "confirm"
tools = ["play"]
answer_within = "30s"

[[rule]]
name = "questions"
verdict = "allow"
upcalls = ["*"]
`;
  const approve = async (daemon: Parameters<typeof order>[0]) => {
    let id = '';
    await until('a question waits', async () => {
      const { approvals } = (await order(daemon, 'approvals')) as { approvals: { id: string }[] };
      id = approvals[0]?.id ?? '';
      return id !== '';
    });
    await order(daemon, 'approve', { id });
  };

  it('is good for one chain of rounds: two that present it at once need another', async () => {
    const { daemon } = await startPuppets(both(confirmed));
    await using _ = daemon;
    const { first, next } = eras.new(new Caller(daemon, 'new'));
    const asked = first();
    await approve(daemon);
    const state = going(await asked);
    const calls = callsOf(daemon, 'new').length;
    const racers = [next(state), next(state), next(state)];
    await Promise.race(racers);
    await until(
      'two wait for a yes',
      async () => ((await order(daemon, 'approvals'))['approvals'] as unknown[]).length === 2,
    );
    assert.equal(callsOf(daemon, 'new').length, calls + 1);
    await approve(daemon);
    await approve(daemon);
    await Promise.all(racers);
  });

  it('is not carried to other arguments, nor by a state that another caller presents', async () => {
    const { daemon, bob } = await startPuppets(both(confirmed));
    await using _ = daemon;
    const ann = new Caller(daemon, 'new');
    const { first, next } = eras.new(ann);
    const asked = first();
    await approve(daemon);
    const state = going(await asked);
    stale(await next(state, new Caller(daemon, 'new', bob)));
    stale(await ann.rounds([[done]], state));
    assert.deepEqual((await order(daemon, 'approvals'))['approvals'], []);
    assert.equal(callsOf(daemon, 'new').length, 1);
    assert.ok(playedBy(await next(state)).pid);
  });
});
