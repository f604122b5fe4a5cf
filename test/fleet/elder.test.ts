import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Target } from '../../src/domain/call.ts';
import { usualCare } from '../../src/domain/care.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { Answer, Json, JsonObject, Message } from '../../src/domain/message.ts';
import type { Upcall } from '../../src/domain/upstream.ts';
import { encode } from '../../src/protocol/codec.ts';
import { metaKeys } from '../../src/protocol/era.ts';
import { Bench, played, type BenchOptions, type Step } from '../rounds/bench.ts';
import { modern, type Asked } from '../rounds/support.ts';
import { resultOf, until } from './support.ts';

const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const hello = {
  protocolVersion: '2025-06-18',
  capabilities: {
    elicitation: {},
    roots: {},
    tasks: { list: {} },
    extensions: { 'io.modelcontextprotocol/tasks': {} },
  },
  clientInfo: { name: 'old', version: '1' },
};
const asks = (inputRequests: Json, more: object = {}): Step => ({
  result: { resultType: 'input_required', inputRequests, ...more },
});
const form = { method: 'elicitation/create', params: { message: 'who?' } };
const roots = { method: 'roots/list' };
const done: Step = { result: { resultType: 'complete', content: [], done: true } };

/** A client of the legacy era in front of a child that speaks only the modern one. */
class Old {
  readonly bench: Bench;
  readonly session: string;
  stands: () => boolean = () => true;

  constructor(bench: Bench, session = 'A') {
    this.bench = bench;
    this.session = session;
  }

  static async open(bench: Bench, session = 'A'): Promise<Old> {
    const client = new Old(bench, session);
    await client.request('initialize', hello).answer;
    await client.tell('notifications/initialized');
    return client;
  }

  request(
    method: string,
    params: object = {},
    target?: Target,
  ): { asked: Asked; answer: Promise<Answer | undefined> } {
    const aim =
      target ??
      (method.startsWith('resources/')
        ? ({ kind: 'resource', uri: (params as { uri: string }).uri } as const)
        : undefined);
    const asked = modern({
      era: 'legacy',
      sessionId: this.session,
      method,
      text: JSON.stringify(params),
      stands: () => this.stands(),
      ...(aim === undefined ? {} : { target: aim }),
    });
    const answer = this.bench.bridge.forwardLegacy(asked.pass);
    answer.catch(() => undefined);
    return { asked, answer };
  }

  play(
    rounds: readonly (readonly Step[])[],
    meta?: JsonObject,
  ): { asked: Asked; answer: Promise<Answer | undefined> } {
    const _meta = meta === undefined ? {} : { _meta: meta };
    return this.request('tools/call', { name: 'play', arguments: { rounds }, ..._meta });
  }

  async #say(message: Message): Promise<void> {
    const { pass, call } = modern({ era: 'legacy', sessionId: this.session, text: '{}' });
    Object.assign(call, { message });
    await this.bench.bridge.forwardLegacy(pass);
  }

  tell(method: string): Promise<void> {
    return this.#say({ kind: 'notice', method, params: undefined });
  }

  reply(question: Upcall | undefined, answer: Answer): Promise<void> {
    assert.ok(question?.message.kind === 'request');
    return this.#say({ kind: 'reply', id: question.message.id, answer });
  }

  /** What this client was asked, in order. */
  questions(): Upcall[] {
    return this.bench.upcalls.filter(
      ({ message, audience }) =>
        message.kind === 'request' && audience.kind === 'session' && audience.sessionId === this.session,
    );
  }

  async question(nth: number): Promise<Upcall> {
    await until(() => this.questions().length > nth);
    return this.questions()[nth] as Upcall;
  }

  news(): string[] {
    return this.bench.upcalls
      .filter(
        ({ message, audience }) =>
          message.kind === 'notice' && audience.kind === 'session' && audience.sessionId === this.session,
      )
      .map(({ message }) => `${message.method.replace('notifications/', '')} ${message.params ?? ''}`);
  }
}

const yes: Answer = { kind: 'result', text: encode({ action: 'accept', content: { name: 'Ada' } }) };
const no: Answer = { kind: 'error', text: encode({ code: -1, message: 'no' }) };
const bench = (options: BenchOptions = {}) => new Bench({ era: 'modern', ...options });
/** The calls that the child was written. */
const calls = (of: Bench): JsonObject[] =>
  of
    .raw()
    .filter(({ method }) => method === 'tools/call')
    .map(({ params }) => params as JsonObject);
const listens = (of: Bench) => of.raw().filter(({ method }) => method === 'subscriptions/listen').length;
const lastListen = (of: Bench) =>
  of.raw().findLast(({ method }) => method === 'subscriptions/listen')?.['params'] as
    { notifications: JsonObject } | undefined;

describe('a legacy client in front of a modern child', () => {
  it('is greeted in its own revision, with what the child offers', async () => {
    await using place = bench();
    const client = new Old(place);
    const greeting = resultOf(await client.request('initialize', hello).answer);
    assert.deepEqual(
      [greeting['protocolVersion'], greeting['serverInfo']],
      ['2025-06-18', { name: 'puppet', version: '1' }],
    );
    assert.equal('resultType' in greeting, false);
    const other = resultOf(
      await new Old(place, 'B').request('initialize', { ...hello, protocolVersion: '1999-01-01' }).answer,
    );
    assert.equal(other['protocolVersion'], '2025-11-25');
    await assert.rejects(client.request('initialize', hello).answer, fault('BAD_MESSAGE'));
    await assert.rejects(new Old(place, 'nobody').request('tools/list').answer, fault('UNKNOWN_SESSION'));
  });

  it('says in each request what it said once, and nothing that means something else there', async () => {
    await using place = bench();
    const client = await Old.open(place);
    const { meta } = played(await client.play([[]], { progressToken: 'p' }).answer);
    assert.deepEqual(meta, {
      progressToken: meta['progressToken'],
      [metaKeys.version]: '2026-07-28',
      [metaKeys.capabilities]: { elicitation: {}, roots: {} },
      [metaKeys.client]: { name: 'old', version: '1' },
    });
    await client.request('logging/setLevel', { level: 'error' }).answer;
    assert.equal(played(await client.play([[]]).answer).meta[metaKeys.logLevel], 'error');
    const result = resultOf(await client.request('tools/list', {}, { kind: 'listing', of: 'tools' }).answer);
    assert.deepEqual(Object.keys(result), ['tools']);
  });

  it('is asked in messages of its own, and its child hears all answers at once, with its own state', async () => {
    await using place = bench();
    const client = await Old.open(place);
    const { answer } = client.play([[asks({ a: form, b: roots }, { requestState: '1' })], []]);
    await client.reply(await client.question(1), yes);
    assert.equal(calls(place).length, 1);
    await client.reply(await client.question(0), yes);
    const { inputResponses, requestState } = played(await answer);
    assert.deepEqual(
      [inputResponses, requestState],
      [
        {
          a: { action: 'accept', content: { name: 'Ada' } },
          b: { action: 'accept', content: { name: 'Ada' } },
        },
        '1',
      ],
    );
  });

  it('may be asked in several rounds, but not without end', async () => {
    await using place = bench();
    place.judge = () => 'ask';
    const client = await Old.open(place);
    // A round without a question asks nobody, and a server may need it.
    const { answer } = client.play([
      [asks({}, { requestState: '1' })],
      [asks({}, { requestState: '2' })],
      [done],
    ]);
    assert.equal(resultOf(await answer)['done'], true);
    const endless = client.play([[asks({}, { requestState: '0' })]]);
    await assert.rejects(endless.answer, fault('UPSTREAM_GARBLED'));
    assert.equal(calls(place).length, 3 + 16);
  });

  it('that says no, or may not be asked, has a clear error, and its child is not called again', async () => {
    await using place = bench();
    const client = await Old.open(place);
    const refused = client.play([[asks({ a: form })], [done]]);
    await client.reply(await client.question(0), no);
    assert.equal((await refused.answer)?.kind, 'error');
    place.judge = () => 'deny';
    const denied = client.play([[asks({ a: form, b: roots })], [done]]);
    assert.equal((await denied.answer)?.kind, 'error');
    assert.equal(calls(place).length, 2);
    // After the first no nobody is asked the rest.
    assert.equal(client.questions().length, 2);
  });

  it('answers only its own questions, each of them once', async () => {
    await using place = bench();
    const [client, thief] = [await Old.open(place, 'A'), await Old.open(place, 'B')];
    const { answer } = client.play([[asks({ a: form, b: form }, { requestState: '1' })], []]);
    const [first, second] = [await client.question(0), await client.question(1)];
    await thief.reply(first, yes);
    await client.reply(first, { kind: 'result', text: encode({ mine: 1 }) });
    await client.reply(first, { kind: 'result', text: encode({ mine: 2 }) });
    await client.reply(second, { kind: 'result', text: encode({ mine: 3 }) });
    assert.deepEqual(played(await answer).inputResponses, { a: { mine: 1 }, b: { mine: 3 } });
  });

  it('that cancels one call goes on with another in which it is asked', async () => {
    await using place = bench();
    const client = await Old.open(place);
    const kept = client.play([[asks({ a: form }, { requestState: '1' })], [done]]);
    await client.question(0);
    const dropped = client.play([[asks({ a: form, b: form })], [done]]);
    await client.question(2);
    // Also when it has answered a part of it.
    await client.reply(await client.question(1), yes);
    dropped.asked.halt.call('cancelled by the caller');
    await assert.rejects(dropped.answer, fault('CANCELLED'));
    await client.reply(await client.question(0), yes);
    assert.equal(resultOf(await kept.answer)['done'], true);
    assert.equal(calls(place).length, 3);
  });

  it('that cancels while its child works has it cancelled there, in every round', async () => {
    await using place = bench();
    const client = await Old.open(place);
    const first = client.play([[{ cancelled: true }]]);
    await until(() => calls(place).length === 1);
    first.asked.halt.call('cancelled by the caller');
    await assert.rejects(first.answer, fault('CANCELLED'));
    const second = client.play([[asks({}, { requestState: '1' })], [{ cancelled: true }]]);
    await until(() => calls(place).length === 3);
    second.asked.halt.call('cancelled by the caller');
    await assert.rejects(second.answer, fault('CANCELLED'));
    await until(() => place.raw().filter(({ method }) => method === 'notifications/cancelled').length === 2);
    assert.equal(
      place.bridge.supervisors().reduce((sum, { inFlight, waiting }) => sum + inFlight + waiting, 0),
      0,
    );
  });

  it('is not waited for without end', async () => {
    await using place = bench({ pace: { questionWithinMs: 20 } });
    const client = await Old.open(place);
    assert.equal((await client.play([[asks({ a: form })], [done]]).answer)?.kind, 'error');
    await client.reply(client.questions()[0], yes);
    assert.equal(calls(place).length, 1);
  });

  it('is served on by a new child when the old one dies between two rounds', async () => {
    await using place = bench();
    const client = await Old.open(place);
    const { answer } = client.play([[asks({ a: form }, { requestState: '1' }), { exit: 1 }], [done]]);
    const question = await client.question(0);
    await until(
      () =>
        place.bridge.supervisors().every(({ pid }) => pid === undefined) ||
        place.bridge.supervisors().some(({ restarts }) => restarts > 0),
    );
    await client.reply(question, yes);
    assert.equal(resultOf(await answer)['done'], true);
    await assert.rejects(client.play([[{ exit: 1 }]]).answer, fault('UPSTREAM_DIED'));
  });

  it('whose session ends is asked nothing more, and nothing of its waits', async () => {
    await using place = bench();
    const client = await Old.open(place);
    const { answer } = client.play([[asks({ a: form })], [done]]);
    await client.question(0);
    place.bridge.endSession('A');
    assert.equal((await answer)?.kind, 'error');
    await assert.rejects(client.play([[done]]).answer, fault('UNKNOWN_SESSION'));
    assert.equal(calls(place).length, 1);
  });
});

describe('a policy that changes between two rounds of a legacy client', () => {
  it('stops the next one', async () => {
    await using place = bench();
    const client = await Old.open(place);
    const { answer } = client.play([[asks({ a: form })], [done]]);
    const question = await client.question(0);
    client.stands = () => false;
    await client.reply(question, yes);
    await assert.rejects(answer, fault('ORDERS_CHANGED'));
    assert.equal(calls(place).length, 1);
  });

  it('stops it also while it stands in the line of a busy child', async () => {
    await using place = bench({ spec: { concurrency: 1 } });
    const [client, other] = [await Old.open(place, 'A'), await Old.open(place, 'B')];
    const { answer } = client.play([[asks({ a: form }, { requestState: '1' })], [done]]);
    const question = await client.question(0);
    const busy = other.play([[place.gate('go'), done]]);
    await until(() => calls(place).length === 2);
    await client.reply(question, yes);
    await until(() => place.bridge.supervisors()[0]?.waiting === 1);
    client.stands = () => false;
    place.letGo('go');
    await busy.answer;
    await assert.rejects(answer, fault('ORDERS_CHANGED'));
    assert.equal(calls(place).length, 2);
  });
});

describe('a modern child that answers a legacy client with nonsense', () => {
  it('is a fault of the child, of which nobody is asked a part', async () => {
    await using place = bench();
    const client = await Old.open(place);
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`q${n}`, form]));
    const nonsense: Json[] = [
      [form],
      'x',
      7,
      null,
      true,
      many,
      { a: form, b: 7 },
      { a: form, b: {} },
      { a: form, b: { method: 7 } },
      { a: form, b: { method: 'roots/list', params: [] } },
    ];
    for (const inputRequests of nonsense)
      await assert.rejects(
        client.play([[asks(inputRequests)], [done]]).answer,
        fault('UPSTREAM_GARBLED'),
        JSON.stringify(inputRequests).slice(0, 60),
      );
    assert.equal(client.questions().length, 0);
  });

  it('is a fault of the child when it is a type of result that no legacy client knows', async () => {
    await using place = bench();
    const client = await Old.open(place);
    for (const resultType of ['task', 'Complete', '', 7, null, ['complete']])
      await assert.rejects(
        client.play([[{ result: { resultType, taskId: 't', content: [] } }]]).answer,
        fault('UPSTREAM_GARBLED'),
        JSON.stringify(resultType),
      );
    assert.deepEqual(resultOf(await client.play([[{ result: { content: [] } }]]).answer), { content: [] });
  });

  it('has no way to ask it anything in a message of its own', async () => {
    await using place = bench();
    const client = await Old.open(place);
    const { answer } = client.play([[{ ask: { method: 'elicitation/create', params: {} } }, { replies: 1 }]]);
    assert.equal(played(await answer).replies[0]?.['error'] === undefined, false);
    assert.equal(client.questions().length, 0);
  });

  it('has no tasks for it', async () => {
    await using place = bench();
    const client = await Old.open(place);
    for (const [method, target] of [
      ['tasks/get', { kind: 'task', id: 't', tool: 'x' }],
      ['tasks/list', { kind: 'listing', of: 'tasks' }],
      ['tasks/result', { kind: 'task', id: 't', tool: 'x' }],
    ] as const)
      await assert.rejects(client.request(method, { taskId: 't' }, target).answer, fault('CANNOT_CROSS'));
    await client.request('tools/call', { name: 'play', arguments: {}, task: { ttl: 1 } }).answer;
    assert.equal(
      calls(place).some((it) => 'task' in it),
      false,
    );
  });
});

describe('what a legacy client follows on a modern child', () => {
  const follow = (client: Old, uri: string) => client.request('resources/subscribe', { uri }).answer;
  const unfollow = (client: Old, uri: string) => client.request('resources/unsubscribe', { uri }).answer;

  it('is told to it as its era has it, and to nobody else', async () => {
    await using place = bench();
    const [client, other] = [await Old.open(place, 'A'), await Old.open(place, 'B')];
    await follow(client, 'file:///a');
    await until(() => lastListen(place)?.notifications['resourceSubscriptions'] !== undefined);
    const news: Step = {
      send: {
        method: 'notifications/resources/updated',
        params: { uri: 'file:///a', _meta: { [metaKeys.subscription]: '$LISTEN', own: 1 } },
      },
    };
    await client.play([[news, { wait: 5 }]]).answer;
    assert.deepEqual(
      [client.news(), other.news()],
      [[`resources/updated {"uri":"file:///a","_meta":{"own":1}}`], []],
    );
  });

  it('is asked for whole after each change, and the old stream ends after the new one began', async () => {
    await using place = bench();
    const client = await Old.open(place);
    await follow(client, 'file:///a');
    await follow(client, 'file:///b');
    await unfollow(client, 'file:///a');
    await until(() => place.raw().filter(({ method }) => method === 'notifications/cancelled').length === 3);
    assert.deepEqual(lastListen(place)?.notifications['resourceSubscriptions'], ['file:///b']);
    const order = place
      .raw()
      .map(({ method }) => method)
      .filter((it) => it === 'subscriptions/listen' || it === 'notifications/cancelled');
    assert.deepEqual(order.slice(0, 3), [
      'subscriptions/listen',
      'subscriptions/listen',
      'notifications/cancelled',
    ]);
  });

  it('has a bound, at which it can still be given up', async () => {
    await using place = bench();
    const client = await Old.open(place);
    for (let n = 0; n < 1000; n++) await follow(client, `file:///${n}`);
    await assert.rejects(follow(client, 'file:///one-more'), fault('TOO_MANY'));
    await follow(client, 'file:///7');
    await unfollow(client, 'file:///7');
    await follow(client, 'file:///one-more');
    const long = await Old.open(place, 'B');
    const uri = (n: number) => `file:///${n}/${'x'.repeat(60_000)}`;
    for (let n = 0; n < 17; n++) await follow(long, uri(n));
    await assert.rejects(follow(long, uri(17)), fault('TOO_MANY'));
  });

  it('is refused by a child that promises no such news', async () => {
    await using place = bench({ env: { PUPPET_CAPABILITIES: '{"resources":{}}' } });
    const client = await Old.open(place);
    assert.equal((await follow(client, 'file:///a'))?.kind, 'error');
  });

  it('is followed again when its child came back', async () => {
    await using place = bench();
    const client = await Old.open(place);
    await follow(client, 'file:///a');
    await assert.rejects(client.play([[{ exit: 1 }]]).answer, fault('UPSTREAM_DIED'));
    const before = listens(place);
    await until(() => listens(place) > before);
    assert.deepEqual(lastListen(place)?.notifications['resourceSubscriptions'], ['file:///a']);
  });

  it('is followed again when its child was given up, and an operator brought it back', async () => {
    await using place = bench({ spec: { care: { ...usualCare, deathsMax: 0 } } });
    const client = await Old.open(place);
    await follow(client, 'file:///a');
    await assert.rejects(client.play([[{ exit: 1 }]]).answer, fault('UPSTREAM_DIED'));
    const [supervisor] = place.bridge.supervisors();
    await until(() => supervisor?.state === 'given-up');
    await follow(client, 'file:///b');
    const before = listens(place);
    await supervisor?.restart();
    await until(() => listens(place) > before);
    assert.deepEqual(lastListen(place)?.notifications['resourceSubscriptions'], ['file:///a', 'file:///b']);
  });

  it('is followed again when its child ended the subscription, and no call can be ended like that', async () => {
    await using place = bench();
    const client = await Old.open(place);
    await follow(client, 'file:///a');
    await until(() => lastListen(place)?.notifications['resourceSubscriptions'] !== undefined);
    const before = listens(place);
    const cancel = (requestId: string): Step => ({
      send: { method: 'notifications/cancelled', params: { requestId } },
    });
    const { answer } = client.play([[cancel('$LISTEN'), cancel('$ID'), done]]);
    assert.equal(resultOf(await answer)['done'], true);
    await until(() => listens(place) > before);
    assert.deepEqual(lastListen(place)?.notifications['resourceSubscriptions'], ['file:///a']);
  });

  it('ends with its session', async () => {
    await using place = bench();
    const client = await Old.open(place);
    await until(() => lastListen(place) !== undefined);
    place.bridge.endSession(client.session);
    await until(() => place.raw().some(({ method }) => method === 'notifications/cancelled'));
    assert.deepEqual(place.bridge.supervisors().length, 1);
  });
});
