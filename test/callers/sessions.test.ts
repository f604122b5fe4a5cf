import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SessionStore } from '../../src/callers/sessions.ts';
import type { Arrival, Call } from '../../src/domain/call.ts';
import type { Principal, Session } from '../../src/domain/caller.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer, JsonText } from '../../src/domain/message.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';

const alice: Principal = { name: 'alice' };
const bob: Principal = { name: 'bob' };

const initialize = (sessionId: string | undefined, server = 'fx'): Arrival => ({
  id: 'c-1',
  at: 0,
  remote: '',
  server,
  credentials: { kind: 'none' },
  sessionId,
  userAgent: undefined,
  message: { kind: 'request', id: 1, method: 'initialize', params: undefined },
  era: 'legacy',
  mirror: undefined,
  halt: new Halt(),
  outlet: { send: () => 'gone' },
});

const callIn = (session: Session): Call => {
  const { id, at, remote, server, message, userAgent, outlet, halt, mirror } = initialize(undefined);
  const target = { kind: 'protocol', method: 'initialize' } as const;
  const { principal } = session;
  const more = { principal, session, target, params: {}, resumes: undefined };
  return { id, at, remote, server, message, userAgent, outlet, halt, mirror, ...more };
};

const agreedOn = (revision: string): Answer => ({
  kind: 'result',
  text: `{"protocolVersion":"${revision}"}` as JsonText,
});
const refused: Answer = { kind: 'error', text: '{"code":1,"message":"no"}' as JsonText };

function storeOf(bounds: { sessionsMax?: number; perCallerMax?: number } = {}) {
  const ended: string[] = [];
  const clock = { now: 0 };
  const store = new SessionStore({
    clock: { steadyMs: () => clock.now, wallMs: () => 0 },
    bounds: { sessionsMax: 10, perCallerMax: 10, idleMs: 1000, ...bounds },
    onEnd: ({ id }) => ended.push(id),
  });
  return { store, ended, clock };
}

describe('a session that stands before it is initialized', () => {
  it('is the one that its own `initialize` settles, and then no other', () => {
    const { store } = storeOf();
    const session = store.open(alice, 'fx');
    assert.equal(store.count, 1);
    assert.equal(store.resolve(alice, initialize(session.id)), session);
    assert.equal(store.agree(callIn(session), agreedOn('2024-11-05')), session);
    assert.equal(session.agreed?.protocolVersion, '2024-11-05');
    assert.equal(store.count, 1, 'it is not counted twice');
    assert.notEqual(store.resolve(alice, initialize(session.id)), session);
  });

  it('is not ended when nobody may hear its greeting, as another one is: its client holds its stream', () => {
    const { store, ended } = storeOf();
    const known = store.open(alice, 'fx');
    const fresh = store.resolve(alice, initialize(undefined));
    for (const session of [known, fresh]) {
      store.agree(callIn(session), agreedOn('2024-11-05'));
      store.disown(session);
    }
    assert.deepEqual([store.count, ended], [1, [fresh.id]]);
  });

  it('is nobody else’s, and of no other server', () => {
    const { store } = storeOf();
    const session = store.open(alice, 'fx');
    assert.notEqual(store.resolve(bob, initialize(session.id)), session);
    assert.notEqual(store.resolve(alice, initialize(session.id, 'other')), session);
    assert.equal(store.peek(bob, 'fx', session.id), undefined);
    assert.equal(store.peek(alice, 'other', session.id), undefined);
    assert.equal(store.peek(alice, 'fx', session.id), session);
  });

  it('may be tried again when the server refuses it', () => {
    const { store, ended } = storeOf();
    const session = store.open(alice, 'fx');
    assert.equal(store.agree(callIn(session), refused), undefined);
    assert.equal(store.resolve(alice, initialize(session.id)), session);
    assert.deepEqual(ended, []);
  });

  it('does not come back to life when it ended before the server answered', () => {
    const { store, ended } = storeOf();
    const session = store.open(alice, 'fx');
    store.end(session);
    assert.throws(() => store.agree(callIn(session), agreedOn('2024-11-05')), { code: 'UNKNOWN_SESSION' });
    assert.equal(store.count, 0);
    assert.deepEqual(ended, [session.id, session.id], 'a child that was started meanwhile is ended too');
  });

  it('ends when the server’s answer is none', () => {
    const { store, ended } = storeOf();
    const session = store.open(alice, 'fx');
    const answer: Answer = { kind: 'result', text: '{}' as JsonText };
    assert.throws(() => store.agree(callIn(session), answer), { code: 'UPSTREAM_GARBLED' });
    assert.deepEqual([store.count, ended], [0, [session.id]]);
  });

  it('takes a place, for its caller and for all', () => {
    const { store } = storeOf({ sessionsMax: 3, perCallerMax: 2 });
    const [first] = [store.open(alice, 'fx'), store.open(alice, 'fx')];
    assert.throws(() => store.open(alice, 'fx'), { code: 'TOO_MANY' });
    assert.throws(() => store.resolve(alice, initialize(undefined)), { code: 'TOO_MANY' });
    store.open(bob, 'fx');
    assert.throws(() => store.open(bob, 'fx'), { code: 'TOO_MANY' });
    store.end(first);
    store.open(alice, 'fx');
  });

  it('hears nothing that is said to everyone', () => {
    const { store } = storeOf();
    const [early, agreed] = [store.open(alice, 'fx'), store.open(alice, 'fx')];
    store.agree(callIn(agreed), agreedOn('2024-11-05'));
    const news = { kind: 'notice', method: 'notifications/tools/list_changed', params: undefined } as const;
    const reached = store.reachedBy({
      server: 'fx',
      audience: { kind: 'everyone' },
      message: news,
      callId: undefined,
      settle: () => undefined,
    });
    assert.deepEqual(reached, [agreed]);
    assert.notEqual(early, agreed);
  });
});

describe('a standing stream without event ids', () => {
  it('is told what waited, and then everything at once; a second one is refused', () => {
    const { store } = storeOf();
    const session = store.open(alice, 'fx');
    session.deliver('early' as RedactedJson);
    const told: string[] = [];
    let closed = 0;
    const stream = { send: (text: string) => (told.push(text), 'sent' as const), close: () => void closed++ };
    session.attach(stream);
    session.deliver('late' as RedactedJson);
    assert.deepEqual(told, ['early', 'late']);
    assert.throws(() => session.attach({ ...stream }), { code: 'SESSION_BUSY' });
    store.end(session);
    assert.equal(closed, 1);
    assert.equal(session.deliver('too late' as RedactedJson), 'gone');
  });
});

describe('a session that nobody uses', () => {
  it('has all of its time when its stream breaks, however long that was open', () => {
    const { store, ended, clock } = storeOf();
    const session = store.open(alice, 'fx');
    store.agree(callIn(session), agreedOn('2025-11-25'));
    const reader = { send: () => 'sent' as const, mark: () => undefined, close: () => undefined };
    session.standing.readOn(reader, false);
    const lookAt = (now: number): number => {
      clock.now = now;
      return store.sweep(() => false);
    };
    for (let now = 500; now <= 10_000; now += 500) assert.equal(lookAt(now), 0);
    session.standing.leave(reader);
    assert.equal(lookAt(10_900), 0, 'its client may come back for the rest');
    assert.equal(lookAt(11_100), 1);
    assert.deepEqual(ended, [session.id]);
  });

  it('has all of its time when its last call is over', () => {
    const { store, clock } = storeOf();
    const session = store.open(alice, 'fx');
    store.agree(callIn(session), agreedOn('2025-11-25'));
    clock.now = 5000;
    assert.equal(
      store.sweep((it) => it === session),
      0,
    );
    clock.now = 5900;
    assert.equal(
      store.sweep(() => false),
      0,
    );
    clock.now = 6100;
    assert.equal(
      store.sweep(() => false),
      1,
    );
  });
});
