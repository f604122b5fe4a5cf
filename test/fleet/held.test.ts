import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { realClock, type Clock } from '../../src/domain/clock.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { Answer, Json, JsonObject } from '../../src/domain/message.ts';
import type { Upcall } from '../../src/domain/upstream.ts';
import { Connection } from '../../src/fleet/connection.ts';
import { Held } from '../../src/fleet/held.ts';
import { Tally } from '../../src/fleet/tally.ts';
import { member } from '../../src/protocol/codec.ts';
import { modern, type Asked, type Asking } from '../rounds/support.ts';
import { resultOf, until } from './support.ts';

const capabilities = { elicitation: {}, sampling: {}, roots: {} };
const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const roots = { method: 'roots/list' };
const elicit = (message: string): JsonObject => ({ method: 'elicitation/create', params: { message } });

type Verdict = 'asked' | 'denied';

/** One call in a child that is nothing but its wire, and what became of it. */
class Stage {
  readonly connection: Connection;
  readonly held: Held;
  /** What the child was written, one line each. */
  readonly lines: string[] = [];
  readonly upcalls: Upcall[] = [];
  readonly progress: unknown[] = [];
  /** What the held call had its client told, and in which round. */
  readonly heard: unknown[] = [];
  verdict: Verdict = 'asked';
  over = 0;
  told = 0;

  constructor(
    more: { heldWithinMs?: number; answerWithinMs?: number; clock?: Clock; concurrency?: number } = {},
  ) {
    const clock = more.clock ?? { wallMs: () => 0, steadyMs: () => 0 };
    let asked = 0;
    this.connection = new Connection({
      limits: { concurrency: more.concurrency ?? 1, waitingMax: 4 },
      clock,
      bounds: { bytesMax: 1_000_000, depthMax: 20 },
      answerWithinMsMax: 3_600_000,
      questionWithinMs: 600_000,
      nextQuestionId: () => `s-${++asked}`,
      write: (text) => this.lines.push(...text.split('\n').slice(0, -1)) > 0,
      tally: new Tally({ clock, say: () => undefined, faulty: () => undefined }),
      hearing: {
        question: (request, settle) => this.held.asked(request, settle),
        notice: ({ method, params }, about) => {
          const said = JSON.parse(params ?? '{}') as JsonObject;
          if (method === 'notifications/cancelled') this.held.withdrawn(said['requestId'] as string);
          else if (method === 'notifications/message') this.held.said({ kind: 'notice', method, params });
          else this.progress.push([said['progressToken'], about?.id]);
        },
      },
    });
    this.connection.tell('notifications/initialized');
    stages.push(this);
    this.held = new Held({
      connection: this.connection,
      server: 'fx',
      answerWithinMs: more.answerWithinMs ?? 600_000,
      heldWithinMs: more.heldWithinMs ?? 600_000,
      onUpcall: (upcall) => {
        this.upcalls.push(upcall);
        if (this.verdict === 'asked') upcall.hold?.();
        else upcall.settle({ kind: 'error', text: '{"code":-32601,"message":"no"}' as Answer['text'] });
      },
      tell: ({ method, params }, call) => void this.heard.push([method, JSON.parse(params ?? '{}'), call.id]),
      over: () => this.over++,
      told: () => this.told++,
    });
  }

  say(message: object): void {
    this.connection.receive(Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message })));
  }

  /** What the child was written of one method, or of none: its questions' answers. */
  written(method?: string): JsonObject[] {
    return this.lines.map((line) => JSON.parse(line) as JsonObject).filter((it) => it['method'] === method);
  }

  /** The first round, as far as its line to the child. */
  async begin(asking: Asking = {}): Promise<{ asked: Asked; answer: Promise<Answer> }> {
    const asked = modern({ capabilities, ...asking });
    const answer = this.held.begin(asked.pass);
    answer.catch(() => undefined);
    await turn();
    return { asked, answer };
  }

  resume(inputResponses?: Json, asking: Asking = {}): { asked: Asked; answer: Promise<Answer> } {
    const params = {
      name: 'echo',
      arguments: {},
      ...(inputResponses === undefined ? {} : { inputResponses }),
    };
    const asked = modern({ capabilities, params, ...asking });
    const answer = this.held.resume(asked.pass);
    answer.catch(() => undefined);
    return { asked, answer };
  }

  /** The first round up to its questions. */
  async asking(...questions: readonly JsonObject[]): Promise<Answer> {
    const { answer } = await this.begin();
    for (const [at, question] of questions.entries()) this.say({ id: `c-${at}`, ...question });
    return answer;
  }
}

const stages: Stage[] = [];
afterEach(() => {
  for (const { connection } of stages.splice(0)) connection.end(new Fault('UPSTREAM_DOWN'));
});

const turn = () => new Promise((resolve) => setImmediate(resolve));
/** The keys under which a client is to answer. */
const keysOf = (answer: Answer): string[] => Object.keys(resultOf(answer)['inputRequests'] as JsonObject);
const accepted = (name: string): JsonObject => ({ action: 'accept', content: { name } });

describe('a call in rounds', () => {
  it('is one call to its child, whose questions the client answers in its next round', async () => {
    const stage = new Stage();
    const first = await stage.asking(elicit('who?'));
    assert.deepEqual(
      stage.written('tools/call').map(({ params }) => params),
      [{ name: 'echo', arguments: {} }],
    );
    const [key = ''] = keysOf(first);
    assert.deepEqual(resultOf(first), {
      resultType: 'input_required',
      inputRequests: { [key]: elicit('who?') },
    });
    assert.equal(first.kind === 'result' && first.held, stage.held.id);

    const { answer } = stage.resume({ [key]: accepted('Ada') });
    await turn();
    assert.deepEqual(stage.written(), [{ jsonrpc: '2.0', id: 'c-0', result: accepted('Ada') }]);
    stage.say({ id: 1, result: { content: [] } });
    assert.deepEqual(resultOf(await answer), { content: [] });
    assert.equal(stage.written('tools/call').length, 1);
    assert.deepEqual([stage.over, stage.told], [1, 1]);
  });

  it('asks for the client’s own ids, not the child’s, and under each of them once', async () => {
    const stage = new Stage();
    const keys = keysOf(await stage.asking(roots, elicit('a'), elicit('b')));
    assert.equal(new Set(keys).size, 3);
    for (const key of keys) assert.doesNotMatch(key, /^c-/);
  });

  it('keeps digits and order of what is asked and of what is answered', async () => {
    const stage = new Stage();
    const { answer } = await stage.begin();
    const params = '{"zz":12345678901234567890,"message":"m","n":1.0,"e":1E+2}';
    stage.connection.receive(
      Buffer.from(`{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":${params}}`),
    );
    const [key = ''] = keysOf(await answer);
    assert.equal(member((await answer).text, ['inputRequests', key, 'params']), params);
    const result = '{"b":12345678901234567890,"action":"accept","a":1.0}';
    stage.resume(undefined, { text: `{"name":"echo","inputResponses":{"${key}":${result}}}` });
    await turn();
    assert.equal(stage.lines.at(-1), `{"jsonrpc":"2.0","id":7,"result":${result}}`);
  });

  it('puts together what was asked together, and asks again for what was not answered', async () => {
    const stage = new Stage();
    const [a = '', b = ''] = keysOf(await stage.asking(elicit('a'), elicit('b')));
    const second = await stage.resume({ [a]: accepted('A') }).answer;
    assert.deepEqual(keysOf(second), [b]);
    const third = stage.resume({ [b]: accepted('B') });
    await turn();
    assert.deepEqual(
      stage.written().map(({ id }) => id),
      ['c-0', 'c-1'],
    );
    stage.say({ id: 1, result: {} });
    await third.answer;
  });

  it('hands its child nothing that was not asked for', async () => {
    const stage = new Stage();
    const [key = ''] = keysOf(await stage.asking(roots));
    const foreign = {
      's-99': accepted('x'),
      'c-0': accepted('x'),
      '1': accepted('x'),
      constructor: accepted('x'),
      [`${key} `]: accepted('x'),
    };
    const again = await stage.resume(foreign).answer;
    assert.deepEqual([keysOf(again), stage.written()], [[key], []]);
    // Answered once, a question takes no second answer.
    const { answer } = stage.resume({ [key]: accepted('one') });
    await turn();
    stage.say({ id: 'c-9', ...elicit('more') });
    await answer;
    void stage.resume({ [key]: accepted('two') }).answer;
    await turn();
    assert.deepEqual(
      stage.written().map(({ result }) => result),
      [accepted('one')],
    );
  });

  it('turns answers of another shape away, and may be gone on with all the same', async () => {
    const stage = new Stage();
    const [key = ''] = keysOf(await stage.asking(roots));
    const shapes: Json[] = [
      [],
      'x',
      7,
      null,
      true,
      [accepted('x')],
      { [key]: 'x' },
      { [key]: [accepted('x')] },
      { [key]: null },
      { other: 7, [key]: accepted('x') },
    ];
    for (const shape of shapes)
      await assert.rejects(stage.resume(shape).answer, fault('BAD_PARAMS'), JSON.stringify(shape));
    assert.deepEqual(stage.written(), []);
    stage.resume({ [key]: accepted('x') });
    await turn();
    assert.equal(stage.written().length, 1);
  });

  it('is gone on with by one round at a time', async () => {
    const stage = new Stage();
    const [key = ''] = keysOf(await stage.asking(roots));
    const { answer } = stage.resume({});
    await assert.rejects(stage.resume({ [key]: accepted('thief') }).answer, fault('STALE_STATE'));
    assert.deepEqual(stage.written(), []);
    assert.deepEqual(keysOf(await answer), [key]);
  });
});

describe('what a client is asked', () => {
  it('is only what it said that it can answer, whatever the policy allows', async () => {
    const can: Record<string, JsonObject> = {
      'elicitation/create': { elicitation: {} },
      'sampling/createMessage': { sampling: {} },
      'roots/list': { roots: {} },
    };
    for (const [method, own] of Object.entries(can)) {
      for (const other of Object.values(can)) {
        const stage = new Stage();
        await stage.begin({ capabilities: other });
        stage.say({ id: 'c', method, params: {} });
        await turn();
        assert.equal(stage.upcalls.length, other === own ? 1 : 0, `${method} of ${JSON.stringify(other)}`);
        assert.equal(stage.written().length, other === own ? 0 : 1);
      }
    }
  });

  it('is nothing that has no place in an answer of this era', async () => {
    const stage = new Stage();
    await stage.begin();
    for (const method of ['tools/call', 'custom/question', 'elicitation/Create', 'constructor'])
      stage.say({ id: method, method, params: {} });
    await turn();
    assert.equal(stage.upcalls.length, 0);
    assert.deepEqual(
      stage.written().map(({ error }) => (error as JsonObject)['code']),
      [-32601, -32601, -32601, -32601],
    );
  });

  it('is not what the policy denies; the child hears it at once, and the call goes on', async () => {
    const stage = new Stage();
    const { answer } = await stage.begin();
    stage.verdict = 'denied';
    stage.say({ id: 'c-0', ...elicit('password?') });
    await turn();
    assert.deepEqual(
      stage.written().map(({ id, error }) => [id, (error as JsonObject)['code']]),
      [['c-0', -32601]],
    );
    stage.verdict = 'asked';
    stage.say({ id: 'c-1', ...roots });
    assert.equal(keysOf(await answer).length, 1);
  });

  it('is at most sixteen things at once; a child that asks ten thousand hears a no to the rest', async () => {
    const stage = new Stage();
    const { answer } = await stage.begin();
    for (let n = 0; n < 10_000; n++) stage.say({ id: n, ...roots });
    assert.equal(keysOf(await answer).length, 16);
    await turn();
    assert.equal(stage.written().length, 10_000 - 16);
    // While nobody is there, too.
    for (let n = 0; n < 1_000; n++) stage.say({ id: `late-${n}`, ...roots });
    await turn();
    assert.equal(stage.written().length, 11_000 - 16);
  });

  it('is not asked under an id that the child has used for another open question', async () => {
    const stage = new Stage();
    const { answer } = await stage.begin();
    stage.say({ id: 1, ...elicit('first') });
    stage.say({ id: 1, ...elicit('second') });
    const requests = Object.values(resultOf(await answer)['inputRequests'] as JsonObject);
    assert.deepEqual(requests, [elicit('first')]);
    assert.deepEqual(
      stage.written().map(({ error }) => (error as JsonObject)['code']),
      [-32600],
    );
  });

  it('while it is away waits for it, is decided when it comes, and is put in the same round', async () => {
    const stage = new Stage();
    const [first = ''] = keysOf(await stage.asking(roots));
    stage.say({ id: 'early-1', ...elicit('one') });
    stage.say({ id: 'early-2', ...elicit('two') });
    assert.equal(stage.upcalls.length, 1, 'nobody decides for a caller who is not there');
    const { answer } = stage.resume({ [first]: accepted('x') });
    assert.equal(stage.upcalls.length, 3);
    assert.equal(keysOf(await answer).length, 2);
  });

  it('is what its child asked before it was given the call, too', async () => {
    const stage = new Stage();
    stage.say({ id: 'eager', ...roots });
    const { answer } = await stage.begin();
    assert.equal(keysOf(await answer).length, 1);
  });

  it('is not what the child has taken back, before it was put or while nobody was there', async () => {
    const stage = new Stage();
    const { answer } = await stage.begin();
    stage.say({ id: 'a', ...elicit('a') });
    stage.say({ id: 'b', ...elicit('b') });
    stage.say({ method: 'notifications/cancelled', params: { requestId: 'a' } });
    const [b = '', ...none] = keysOf(await answer);
    assert.deepEqual(none, []);
    stage.say({ id: 'early', ...elicit('early') });
    stage.say({ id: 'kept', ...elicit('kept') });
    stage.say({ method: 'notifications/cancelled', params: { requestId: 'early' } });
    const again = await stage.resume({ [b]: accepted('x') }).answer;
    assert.deepEqual(Object.values(resultOf(again)['inputRequests'] as JsonObject), [elicit('kept')]);
  });
});

describe('a call in rounds that ends early', () => {
  it('is cancelled in its child when the client goes away, in its first round', async () => {
    const stage = new Stage();
    const { asked, answer } = await stage.begin();
    asked.halt.call('the caller went away');
    await assert.rejects(answer, fault('CANCELLED'));
    await turn();
    assert.deepEqual(
      stage.written('notifications/cancelled').map(({ params }) => (params as JsonObject)['requestId']),
      [1],
    );
    assert.deepEqual([stage.over, stage.connection.inFlight], [1, 0]);
  });

  it('is not cancelled when the stream of a round ends with its answer', async () => {
    const stage = new Stage();
    const { asked, answer } = await stage.begin();
    stage.say({ id: 'c', ...roots });
    await answer;
    asked.halt.call('the caller went away');
    await turn();
    assert.deepEqual(stage.written('notifications/cancelled'), []);
    assert.equal(stage.over, 0);
  });

  it('is cancelled when the client goes away in a later round, before it asks again or after', async () => {
    for (const asksAgain of [false, true]) {
      const stage = new Stage();
      const [key = ''] = keysOf(await stage.asking(roots));
      const { asked, answer } = stage.resume({ [key]: accepted('x') });
      await turn();
      if (asksAgain) stage.say({ id: 'c-1', ...roots });
      asked.halt.call('the caller went away');
      await assert.rejects(answer, fault('CANCELLED'));
      await turn();
      assert.equal(stage.written('notifications/cancelled').length, 1);
      assert.deepEqual([stage.over, stage.told, stage.connection.inFlight], [1, 1, 0]);
    }
  });

  it('answers the questions that are open when it ends: a child may not ask without end, and waits for none in vain', async () => {
    const stage = new Stage();
    const { answer } = await stage.begin();
    stage.say({ id: 'put', ...roots });
    await answer;
    stage.say({ id: 'early', ...roots });
    stage.say({ id: 1, result: {} });
    await turn();
    assert.deepEqual(
      stage.written().map(({ id }) => id),
      ['put', 'early'],
    );
  });

  it('that could not begin leaves nothing open that its child had asked', async () => {
    const stage = new Stage();
    stage.say({ id: 'eager', ...roots });
    stage.held.forget();
    await turn();
    assert.deepEqual(
      stage.written().map(({ id }) => id),
      ['eager'],
    );
  });

  it('when its child dies before the first answer, says so', async () => {
    const stage = new Stage();
    const { answer } = await stage.begin();
    stage.connection.end(new Fault('UPSTREAM_DIED'));
    await assert.rejects(answer, fault('UPSTREAM_DIED'));
    assert.deepEqual([stage.over, stage.told], [1, 1]);
  });

  it('when its child dies while the client is away, says so to the next round', async () => {
    const stage = new Stage();
    const [key = ''] = keysOf(await stage.asking(roots));
    stage.say({ id: 'early', ...roots });
    stage.connection.end(new Fault('UPSTREAM_DIED'));
    assert.deepEqual([stage.over, stage.told], [1, 0]);
    await assert.rejects(stage.resume({ [key]: accepted('x') }).answer, fault('UPSTREAM_DIED'));
    assert.deepEqual([stage.over, stage.told], [1, 1]);
  });

  it('when its child dies in a later round, says so', async () => {
    const stage = new Stage();
    const [key = ''] = keysOf(await stage.asking(roots));
    const { answer } = stage.resume({ [key]: accepted('x') });
    stage.connection.end(new Fault('UPSTREAM_DIED'));
    await assert.rejects(answer, fault('UPSTREAM_DIED'));
    assert.deepEqual([stage.over, stage.told], [1, 1]);
  });

  it('keeps an answer that comes while the client is away, for the next round, once', async () => {
    const stage = new Stage();
    const [key = ''] = keysOf(await stage.asking(roots));
    stage.say({ id: 1, result: { late: true } });
    assert.deepEqual([stage.over, stage.told], [1, 0]);
    const heardBefore = stage.lines.length;
    assert.deepEqual(resultOf(await stage.resume({ [key]: accepted('x') }).answer), { late: true });
    await turn();
    assert.equal(stage.told, 1);
    // Its own question was answered when it ended; nothing of the client's goes there.
    assert.equal(
      stage.lines.slice(heardBefore).some((line) => line.includes('accept')),
      false,
    );
  });

  it('does not wait for ever for a client that never comes back', async () => {
    const stage = new Stage({ heldWithinMs: 20, clock: realClock });
    await stage.asking(roots);
    await until(() => stage.told === 1);
    assert.equal(stage.over, 1);
    assert.equal(stage.written('notifications/cancelled').length, 1);
    assert.equal(stage.connection.inFlight, 0);
  });

  it('does not wait for ever for its child, in any round', async () => {
    const stage = new Stage({ answerWithinMs: 20, clock: realClock });
    const [key = ''] = keysOf(await stage.asking(roots));
    await assert.rejects(stage.resume({ [key]: accepted('x') }).answer, fault('UPSTREAM_TIMEOUT'));
    assert.deepEqual([stage.over, stage.told], [1, 1]);
  });
});

describe('a call in rounds under a policy that changes', () => {
  it('does not go on when the decision about the next round does not stand, and its child hears nothing of it', async () => {
    const stage = new Stage();
    const [key = ''] = keysOf(await stage.asking(roots));
    const heardBefore = stage.lines.length;
    const { answer } = stage.resume({ [key]: accepted('x') }, { stands: () => false });
    await assert.rejects(answer, fault('ORDERS_CHANGED'));
    await turn();
    assert.equal(stage.lines.length, heardBefore);
  });

  it('stops its child when a switch was thrown while the client is away', async () => {
    const stage = new Stage();
    let stands = true;
    const { answer } = await stage.begin({ stands: () => stands });
    stage.say({ id: 'c', ...roots });
    await answer;
    stage.held.recheck();
    assert.equal(stage.over, 0);
    stands = false;
    stage.held.recheck();
    await turn();
    assert.equal(stage.written('notifications/cancelled').length, 1);
    assert.equal(stage.over, 1);
    await assert.rejects(stage.resume({}).answer, fault('ORDERS_CHANGED'));
  });

  it('is left to its next round when a credential has run out meanwhile, and nobody else notices', async () => {
    const stage = new Stage();
    let isRevoked = false;
    const stands = () => {
      if (!isRevoked) return true;
      throw new Fault('UNAUTHENTICATED', { detail: 'a revoked key' });
    };
    const { answer } = await stage.begin({ stands });
    stage.say({ id: 'c', ...roots });
    await answer;
    isRevoked = true;
    stage.held.recheck();
    await turn();
    assert.deepEqual([stage.written('notifications/cancelled').length, stage.over], [0, 0]);
    isRevoked = false;
    stage.say({ id: 1, result: { late: true } });
    assert.deepEqual(resultOf(await stage.resume({}).answer), { late: true });
  });

  it('is stopped at once where it is meant, if no round is under way', async () => {
    const stage = new Stage();
    const { asked, answer } = await stage.begin();
    const seen: unknown[] = [];
    const isMeant = (call: unknown) => seen.push(call) > 0;
    assert.equal(stage.held.halt(isMeant, 'switched off by the operator'), false, 'its own signal stops it');
    stage.say({ id: 'c', ...roots });
    await answer;
    assert.equal(
      stage.held.halt(() => false, 'switched off by the operator'),
      false,
    );
    assert.equal(stage.held.halt(isMeant, 'switched off by the operator'), true);
    await turn();
    assert.deepEqual([stage.written('notifications/cancelled').length, seen], [1, [asked.call]]);
    assert.equal(stage.held.halt(isMeant, 'switched off by the operator'), false, 'once');
  });

  it('is left alone by that while a round is under way: then the switch itself reaches it', async () => {
    const stage = new Stage();
    const { answer } = await stage.begin({ stands: () => false === stage.lines.length > 1 });
    stage.held.recheck();
    stage.say({ id: 1, result: {} });
    assert.ok(await answer);
  });
});

describe('the progress of a call in rounds', () => {
  it('is told under the token of the round that is under way, and to nobody in between', async () => {
    const stage = new Stage();
    const { asked, answer } = await stage.begin({ meta: { progressToken: 'first' } });
    const progress = () => {
      stage.say({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } });
      return stage.progress.splice(0);
    };
    assert.deepEqual(progress(), [['first', asked.call.id]]);
    stage.say({ id: 'c', ...roots });
    const [key = ''] = keysOf(await answer);
    assert.deepEqual(progress(), []);
    const { asked: second } = stage.resume({ [key]: accepted('x') }, { meta: { progressToken: 'second' } });
    assert.deepEqual(progress(), [['second', second.call.id]]);
    stage.say({ id: 'c-1', ...roots });
  });

  it('that comes while the client is away is kept for its next round, and so are log lines, in their order', async () => {
    const stage = new Stage();
    stage.say({ method: 'notifications/message', params: { data: 'of the call before' } });
    const [key = ''] = keysOf(await stage.asking(roots));
    stage.say({ method: 'notifications/progress', params: { progressToken: 1, progress: 2 } });
    stage.say({ method: 'notifications/message', params: { data: 'working' } });
    assert.deepEqual([stage.heard, stage.progress], [[], []]);
    const { asked } = stage.resume({ [key]: accepted('x') }, { meta: { progressToken: 'second' } });
    assert.deepEqual(stage.heard.splice(0), [
      ['notifications/progress', { progressToken: 'second', progress: 2 }, asked.call.id],
      ['notifications/message', { data: 'working' }, asked.call.id],
    ]);
    stage.say({ id: 'again', ...roots });
    stage.say({ method: 'notifications/progress', params: { progressToken: 1, progress: 3 } });
    assert.deepEqual(stage.progress, [['second', asked.call.id]], 'and from then on at once');
  });

  it('is told before the end that the client comes too late for', async () => {
    const stage = new Stage();
    const [key = ''] = keysOf(await stage.asking(roots));
    stage.say({ method: 'notifications/progress', params: { progressToken: 1, progress: 2 } });
    stage.say({ id: 1, result: {} });
    const { asked, answer } = stage.resume({ [key]: accepted('x') }, { meta: { progressToken: 't' } });
    assert.deepEqual(stage.heard, [
      ['notifications/progress', { progressToken: 't', progress: 2 }, asked.call.id],
    ]);
    assert.deepEqual(resultOf(await answer), {});
  });

  it('is kept up to a bound, the youngest', async () => {
    for (const [size, kept] of [
      [0, 64],
      [30_000, 2],
      [70_000, 0],
    ] as const) {
      const stage = new Stage();
      const [key = ''] = keysOf(await stage.asking(roots));
      for (let n = 1; n <= 70; n++)
        stage.say({
          method: 'notifications/progress',
          params: { progressToken: 1, progress: n, message: 'x'.repeat(size) },
        });
      stage.resume({ [key]: accepted('x') }, { meta: { progressToken: 't' } });
      const steps = stage.heard.map((it) => (it as [string, JsonObject])[1]['progress']);
      assert.deepEqual(
        steps,
        Array.from({ length: kept }, (_, at) => 71 - kept + at),
      );
    }
  });
});
