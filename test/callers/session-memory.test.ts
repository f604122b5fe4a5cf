import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { markOf, offersOf, SessionMemory } from '../../src/callers/session-memory.ts';
import { readRecord, writeRecord, type SessionRecord } from '../../src/callers/session-record.ts';
import type { KeptRecord, SessionRecords } from '../../src/callers/session-records.ts';
import { SessionStore } from '../../src/callers/sessions.ts';
import type { Arrival, Call } from '../../src/domain/call.ts';
import { usualCare } from '../../src/domain/care.ts';
import type { Principal, Session } from '../../src/domain/caller.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer, JsonText, Message, Request } from '../../src/domain/message.ts';
import type { Pattern, ServerSpec } from '../../src/domain/orders.ts';
import { namePattern } from '../../src/policy/match.ts';

const pattern = (text: string): Pattern => {
  const compiled = namePattern(text);
  assert.ok(compiled.ok);
  return compiled.pattern;
};
const alice: Principal = { name: 'alice', via: 'key AAAAAAAA' };
const lesser: Principal = { name: 'alice', via: 'key BBBBBBBB', reach: { tools: [pattern('fx/*')] } };
const same: Principal = { name: 'alice', via: 'key CCCCCCCC' };
const bob: Principal = { name: 'bob', via: 'key AAAAAAAA' };

const hello = (more = ''): JsonText =>
  `{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"c","version":"1"}${more}}` as JsonText;
const greeting = (version = '1'): JsonText =>
  `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"${version}"}}` as JsonText;
const result = (text: JsonText): Answer => ({ kind: 'result', text });

const specOf = (more: object = {}): ServerSpec =>
  ({
    name: 'fx',
    command: '/bin/fx',
    args: [],
    care: { ...usualCare, resume: true },
    ...more,
  }) as unknown as ServerSpec;

class Kept implements SessionRecords {
  readonly all = new Map<string, KeptRecord>();
  flushes = 0;
  put = (mark: string, record: string, usedAt: number) => void this.all.set(mark, { record, usedAt });
  touch = (mark: string, usedAt: number) => {
    const kept = this.all.get(mark);
    if (kept !== undefined) this.all.set(mark, { ...kept, usedAt });
  };
  remove = (marks: readonly string[]) => marks.forEach((mark) => this.all.delete(mark));
  find = (mark: string) => this.all.get(mark);
  sweep = (before: number) => {
    for (const [mark, { usedAt }] of this.all) if (usedAt < before) this.all.delete(mark);
  };
  flush = () => void this.flushes++;
  close = () => undefined;
}

/** A run of mcpd over what an earlier one left. */
function run(
  records: Kept,
  more: {
    spec?: ServerSpec | undefined;
    now?: number;
    stands?: (it: Principal) => boolean;
    max?: number;
  } = {},
) {
  const clock = { wallMs: () => more.now ?? 1_000_000, steadyMs: () => 0 };
  const memory = new SessionMemory({
    records,
    clock,
    idleMs: 60_000,
    specOf: () => ('spec' in more ? more.spec : specOf()),
    ordersVersion: () => 'v1',
    clean: (text) => text.replaceAll('s3cret', '***'),
    compile: namePattern,
    stands: more.stands ?? (() => true),
  });
  const ended: string[] = [];
  const max = more.max ?? 10;
  const store = new SessionStore({
    clock,
    bounds: { sessionsMax: max, perCallerMax: max, idleMs: 60_000 },
    onEnd: ({ id }) => ended.push(id),
    memory,
  });
  return { store, memory, ended };
}

const arrivalOf = (message: Message, sessionId?: string): Arrival => ({
  id: 'c-1',
  at: 0,
  remote: '',
  server: 'fx',
  credentials: { kind: 'none' },
  sessionId,
  userAgent: undefined,
  message,
  era: 'legacy',
  mirror: undefined,
  halt: new Halt(),
  outlet: { send: () => 'gone' },
});
const request = (method: string, params: JsonText): Request => ({ kind: 'request', id: 1, method, params });

const callOf = (session: Session, message: Message): Call => {
  const { id, at, remote, server, userAgent, outlet, halt, mirror } = arrivalOf(message);
  const text = message.kind === 'reply' ? undefined : message.params;
  const params = JSON.parse(text ?? '{}') as Call['params'];
  const target = { kind: 'protocol', method: 'any' } as const;
  const more = { principal: session.principal, session, target, params, message, resumes: undefined };
  return { id, at, remote, server, userAgent, outlet, halt, mirror, ...more };
};

/** A session that alice opened, as a client does. */
function opened({ store }: ReturnType<typeof run>, principal = alice, params = hello()) {
  const message = request('initialize', params);
  const session = store.resolve(principal, arrivalOf(message));
  assert.equal(store.agree(callOf(session, message), result(greeting())), session);
  return store.find(principal, 'fx', session.id);
}

/** Brings a session back, as far as the store goes; the child says `answer`. */
function back(
  { store }: ReturnType<typeof run>,
  id: string,
  answer: Answer = result(greeting()),
  principal = alice,
) {
  const asleep = store.asleep(principal, 'fx', id);
  assert.ok(asleep);
  const message = request('initialize', asleep.record.hello);
  const session = store.restore(asleep, message);
  assert.equal(store.resolve(principal, arrivalOf(message, id)), session);
  return store.agree(callOf(session, message), answer);
}

describe('a session that mcpd remembers', () => {
  it('is asleep in the next run, and the same once it was brought back', () => {
    const records = new Kept();
    const first = run(records);
    const { id } = opened(first);
    first.store.close();
    assert.deepEqual(first.ended, [id]);
    const next = run(records);
    assert.equal(next.store.isAwake(id), false);
    assert.equal(next.store.peek(alice, 'fx', id), undefined);
    assert.equal(back(next, id)?.id, id);
    const found = next.store.find(alice, 'fx', id);
    assert.deepEqual(found.agreed?.client, { name: 'c', version: '1' });
    assert.deepEqual([found.isResumed, found.closed, next.store.count], [true, false, 1]);
  });

  it('has no id in its record', () => {
    const records = new Kept();
    const { id } = opened(run(records));
    const [[mark, { record }] = ['', { record: '' }]] = [...records.all];
    assert.equal(mark, markOf(id));
    assert.ok(!mark.includes(id) && !record.includes(id));
    assert.equal(run(records).store.asleep(alice, 'fx', mark), undefined);
  });

  it('cannot be used, nor begun anew by its client, while it is being brought back', () => {
    const records = new Kept();
    const { id } = opened(run(records));
    const next = run(records);
    const asleep = next.store.asleep(alice, 'fx', id);
    assert.ok(asleep);
    const ours = request('initialize', asleep.record.hello);
    const session = next.store.restore(asleep, ours);
    assert.throws(() => next.store.find(alice, 'fx', id), { code: 'UNKNOWN_SESSION' });
    assert.equal(next.store.peek(alice, 'fx', id), undefined);
    const theirs = request('initialize', hello());
    assert.notEqual(next.store.resolve(alice, arrivalOf(theirs, id)), session);
    assert.equal(next.store.resolve(alice, arrivalOf(ours, id)), session);
    // Its client ends it meanwhile.
    next.store.forget({ id });
    assert.throws(() => next.store.agree(callOf(session, ours), result(greeting())), {
      code: 'UNKNOWN_SESSION',
    });
    assert.deepEqual([next.store.count, records.all.size, next.store.isAwake(id)], [0, 0, false]);
  });

  it('is over for good when the new child is another', () => {
    for (const answer of [greeting('2'), hello(), '{"protocolVersion":"2025-06-18"}' as JsonText]) {
      const records = new Kept();
      const { id } = opened(run(records));
      const next = run(records);
      assert.throws(() => back(next, id, result(answer)), { code: 'UNKNOWN_SESSION' });
      assert.deepEqual([records.all.size, next.store.count, next.ended], [0, 0, [id]]);
    }
  });

  it('is not ended when nobody may hear its greeting: its client knows it, and comes again', () => {
    const records = new Kept();
    const { id } = opened(run(records));
    const next = run(records);
    const session = back(next, id);
    assert.ok(session);
    next.store.disown(session);
    assert.deepEqual([next.store.count, records.all.size, next.ended], [1, 1, []]);
  });

  it('sleeps on when it was put back, and takes a place only while it is awake', () => {
    const records = new Kept();
    const { id } = opened(run(records));
    const next = run(records, { max: 1 });
    const asleep = next.store.asleep(alice, 'fx', id);
    assert.ok(asleep);
    const session = next.store.restore(asleep, request('initialize', asleep.record.hello));
    next.store.putBack(session);
    assert.deepEqual([next.store.count, records.all.size], [0, 1]);
    const other = opened(next);
    assert.throws(() => back(next, id), { code: 'TOO_MANY' });
    next.store.end(other);
    assert.equal(back(next, id)?.id, id);
  });

  for (const [what, more] of [
    ['its server is run in another way', { spec: specOf({ args: ['--more'] }) }],
    ['its file takes the word back', { spec: specOf({ care: usualCare }) }],
    ['its server is gone', { spec: undefined }],
    ['it was silent for too long', { now: 1_000_000 + 60_001 }],
    ['the clock went back, so that nobody knows for how long', { now: 1_000_000 - 600_000 }],
    ['a key was taken away that was used in it', { stands: () => false }],
  ] as const) {
    it(`is unknown when ${what}`, () => {
      const records = new Kept();
      const { id } = opened(run(records));
      assert.notEqual(run(records).store.asleep(alice, 'fx', id), undefined);
      assert.equal(run(records, more).store.asleep(alice, 'fx', id), undefined);
    });
  }

  it('admits after a restart whom it admitted before, and nobody else', () => {
    const records = new Kept();
    const first = run(records);
    const { id } = opened(first, lesser);
    // A better credential is used in it: from now on the lesser one is not enough.
    assert.notEqual(run(records).store.asleep(lesser, 'fx', id), undefined);
    const flushes = records.flushes;
    first.store.find(alice, 'fx', id);
    assert.equal(records.flushes, flushes + 1, 'that is written down at once');
    first.store.find(alice, 'fx', id);
    first.store.find({ ...alice }, 'fx', id);
    assert.equal(records.flushes, flushes + 1, 'and once');
    const next = run(records);
    const asks = (who: Principal, server = 'fx') => next.store.asleep(who, server, id) !== undefined;
    assert.deepEqual([asks(alice), asks(same), asks(lesser), asks(bob)], [true, true, false, false]);
    assert.equal(asks(alice, 'other'), false);
    assert.equal(back(next, id, undefined, same)?.principal.via, lesser.via, 'it is still whose it was');
    assert.throws(() => next.store.find(lesser, 'fx', id), { code: 'UNKNOWN_SESSION' });
  });

  it('is forgotten when it ends: by its client, by silence, with its credential', () => {
    for (const end of [
      ({ store }: ReturnType<typeof run>, id: string) => store.end(store.find(alice, 'fx', id)),
      ({ store }: ReturnType<typeof run>) =>
        void store.endWhere(({ principal }) => principal.name === 'alice'),
    ]) {
      const records = new Kept();
      const first = run(records);
      end(first, opened(first).id);
      assert.equal(records.all.size, 0);
    }
  });

  it('knows what was said to its child, and nothing that holds a secret', () => {
    const records = new Kept();
    const first = run(records);
    const session = opened(first);
    const say = (message: Message, answer: Answer | undefined = result('{}' as JsonText)) => {
      const call = callOf(session, message);
      assert.equal(first.memory.notes(call), true);
      first.memory.note(call, answer);
    };
    say({ kind: 'notice', method: 'notifications/initialized', params: undefined }, undefined);
    say(request('logging/setLevel', '{"level":"error"}' as JsonText));
    say(request('logging/setLevel', '{"level":"debug"}' as JsonText), {
      kind: 'error',
      text: '{}' as JsonText,
    });
    for (const uri of ['a:1', 'a:2', 'a:s3cret', 'a:1'])
      say(request('resources/subscribe', JSON.stringify({ uri }) as JsonText));
    say(request('resources/unsubscribe', '{"uri":"a:2"}' as JsonText));
    const { record } = run(records).store.asleep(alice, 'fx', session.id) ?? {};
    assert.deepEqual([record?.introduced, record?.level, record?.uris], [true, '{"level":"error"}', ['a:1']]);
    assert.equal(first.memory.notes(callOf(session, request('tools/call', '{}' as JsonText))), false);
  });

  it('is not remembered when its handshake holds a secret or is long, when it lasts as long as a stream, and unasked', () => {
    const records = new Kept();
    const first = run(records);
    opened(first, alice, hello(',"x":"s3cret"'));
    opened(first, alice, hello(`,"x":"${'y'.repeat(20_000)}"`));
    const brief = first.store.open(alice, 'fx');
    const message = request('initialize', hello());
    first.store.agree(callOf(brief, message), result(greeting()));
    assert.equal(records.all.size, 0);
    opened(first).attach({ send: () => 'sent', close: () => undefined });
    assert.equal(records.all.size, 0);
    opened(run(records, { spec: specOf({ care: usualCare }) }));
    assert.equal(records.all.size, 0, 'nobody said that it may be');
    opened(first);
    assert.equal(records.all.size, 1);
  });
});

describe('the record of a session', () => {
  const record: SessionRecord = {
    server: 'fx',
    launch: 'a',
    shown: [alice, { ...lesser, roles: ['r'], reach: { ...lesser.reach, risks: ['read'] } }],
    hello: hello(),
    agreed: {
      protocolVersion: '2025-11-25',
      client: { name: 'c', version: '' },
      clientCapabilities: ['roots'],
    },
    offers: offersOf(greeting()),
    introduced: true,
    level: undefined,
    uris: ['a:1'],
    openedAt: 5,
    orders: 'v1',
  };
  const written = writeRecord(record) ?? '';
  const plain = (it: SessionRecord | undefined): unknown => JSON.parse(JSON.stringify(it));

  it('reads as it was written', () => {
    const read = readRecord(written, namePattern);
    assert.deepEqual(plain(read), plain(record));
    assert.equal(read?.shown[1]?.reach?.tools?.[0]?.test('fx/any'), true);
  });

  it('is none when anything about it is not as we write it', () => {
    const changed = (change: (it: Record<string, unknown>) => void): string => {
      const it = JSON.parse(written) as Record<string, unknown>;
      change(it);
      return JSON.stringify(it);
    };
    const shown = (more: object) => changed((it) => (it['shown'] = [more]));
    for (const text of [
      '',
      'null',
      '[]',
      written.slice(1),
      `${written} `.repeat(2),
      changed((it) => (it['format'] = 2)),
      changed((it) => (it['more'] = 1)),
      changed((it) => (it['caller'] = '')),
      changed((it) => (it['shown'] = [])),
      changed((it) => (it['hello'] = '{"a":1,"a":2}')),
      changed((it) => (it['hello'] = '[1]')),
      changed((it) => (it['hello'] = '{ "a":1}')),
      changed((it) => (it['level'] = 5)),
      changed((it) => (it['uris'] = [5])),
      changed((it) => (it['introduced'] = 'yes')),
      changed((it) => delete it['agreed']),
      shown({ via: 5 }),
      shown({ reach: { tools: ['fx/*'] } }),
      shown({ tool: ['fx/*'] }),
      shown({ tools: 'fx/*' }),
      shown({ tools: ['*'.repeat(40)] }),
      shown({ risks: ['all'] }),
    ])
      assert.equal(readRecord(text, namePattern), undefined, text);
  });
});
