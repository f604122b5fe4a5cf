import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call, Target } from '../../src/domain/call.ts';
import type { Permit, Rate } from '../../src/domain/decision.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Message } from '../../src/domain/message.ts';
import type { Orders, ServerLimits, ServerOrders } from '../../src/domain/orders.ts';
import { Limiter } from '../../src/limits/limiter.ts';

const rate = (count: number, perMs = 1000): Rate => ({ count, perMs, text: `${count}/s` });
const tool = (name: string): Target => ({ kind: 'tool', name });

function orders(more: { all?: Rate; server?: Partial<ServerLimits> } = {}): Orders {
  const limits = { perCaller: undefined, perTool: undefined, ...more.server };
  // Only the limits of a server matter here.
  const server = { limits } as ServerOrders;
  return {
    version: 'v1',
    servers: new Map([
      ['files', server],
      ['git', server],
    ]),
    switches: { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined },
    perCaller: more.all,
  };
}

type Want = { target?: Target; caller?: string; server?: string; session?: string; message?: Message };
function call({
  target = tool('read'),
  caller = 'alice',
  server = 'files',
  session = 's1',
  message,
}: Want = {}): Call {
  const principal = { name: caller };
  return {
    id: 'c',
    at: 0,
    remote: '',
    principal,
    session: { id: session, principal, server, era: 'legacy', agreed: undefined },
    server,
    target,
    message: message ?? { kind: 'request', id: 1, method: 'm', params: undefined },
    params: {},
    userAgent: undefined,
    outlet: { send: () => 'gone' },
    halt: new Halt(),
    mirror: undefined,
    resumes: undefined,
  };
}

const permit = (rate?: Rate, rule = 'r'): Permit => ({ kind: 'allow', rule, record: [], rate });

function limiter(more: { windowsMax?: number; windowsPerCallerMax?: number } = {}) {
  const clock = { now: 0 };
  return { clock, it: new Limiter({ clock: { wallMs: () => 0, steadyMs: () => clock.now }, ...more }) };
}

test('without limits everything is paid, and nothing is kept', () => {
  const { it } = limiter();
  for (let count = 0; count < 100; count++) assert.equal(it.charge(orders(), call(), permit()).kind, 'paid');
  assert.equal(it.count, 0);
});

const scopes: readonly (readonly [string, Orders, Permit, Want, Want, string])[] = [
  [
    'across servers',
    orders({ all: rate(1) }),
    permit(),
    { server: 'files' },
    { server: 'git' },
    '1/s per caller',
  ],
  [
    'per server',
    orders({ server: { perCaller: rate(1) } }),
    permit(),
    { target: tool('a') },
    { target: tool('b') },
    '1/s per caller and server',
  ],
  ['per tool', orders({ server: { perTool: rate(1) } }), permit(), {}, {}, '1/s per caller and tool'],
  ['per rule and target', orders(), permit(rate(1)), {}, {}, '1/s per caller, rule and target'],
  [
    'with a new session',
    orders({ all: rate(1) }),
    permit(),
    { session: 's1' },
    { session: 's2' },
    '1/s per caller',
  ],
  [
    'by listing after calling',
    orders({ all: rate(1) }),
    permit(),
    {},
    { target: { kind: 'listing', of: 'tools' } },
    '1/s per caller',
  ],
];
for (const [how, standing, leave, first, second, words] of scopes) {
  test(`a caller cannot go past a limit ${how}, and is told which and when to come back`, () => {
    const { it, clock } = limiter();
    assert.deepEqual(it.charge(standing, call(first), leave), { kind: 'paid' });
    clock.now = 400.5;
    assert.deepEqual(it.charge(standing, call(second), leave), {
      kind: 'exhausted',
      limit: words,
      retryInMs: 600,
    });
    clock.now = 1000;
    assert.deepEqual(it.charge(standing, call(second), leave), { kind: 'paid' });
  });
}

const apart: readonly (readonly [string, Orders, Permit, Want, Want])[] = [
  ['callers', orders({ all: rate(1) }), permit(), { caller: 'alice' }, { caller: 'bob' }],
  ['servers', orders({ server: { perCaller: rate(1) } }), permit(), { server: 'files' }, { server: 'git' }],
  ['tools', orders({ server: { perTool: rate(1) } }), permit(), { target: tool('a') }, { target: tool('b') }],
  [
    'tools with very long names',
    orders({ server: { perTool: rate(1) } }),
    permit(),
    { target: tool('x'.repeat(500) + 'a') },
    { target: tool('x'.repeat(500) + 'b') },
  ],
];
for (const [what, standing, leave, first, second] of apart) {
  test(`two ${what} do not share a limit that is for one`, () => {
    const { it } = limiter();
    assert.equal(it.charge(standing, call(first), leave).kind, 'paid');
    assert.equal(it.charge(standing, call(second), leave).kind, 'paid');
  });
}

test('the conversation itself, notifications and replies are free', () => {
  const { it } = limiter();
  const strict = orders({ all: rate(1) });
  const free: readonly Want[] = [
    { target: { kind: 'protocol', method: 'ping' } },
    { message: { kind: 'notice', method: 'notifications/cancelled', params: undefined } },
    { message: { kind: 'reply', id: 1, answer: { kind: 'result', text: '{}' as never } } },
  ];
  for (const want of [...free, ...free]) assert.equal(it.charge(strict, call(want), permit()).kind, 'paid');
  assert.equal(it.count, 0);
});

test('a call that one limit refuses is charged to none', () => {
  const { it, clock } = limiter();
  const both = orders({ all: rate(2), server: { perTool: rate(1) } });
  it.charge(both, call({ target: tool('a') }), permit());
  for (let count = 0; count < 5; count++) {
    assert.equal(it.charge(both, call({ target: tool('a') }), permit()).kind, 'exhausted');
  }
  assert.equal(it.charge(both, call({ target: tool('b') }), permit()).kind, 'paid');
  clock.now = 1;
  assert.deepEqual(it.charge(both, call({ target: tool('c') }), permit()), {
    kind: 'exhausted',
    limit: '2/s per caller',
    retryInMs: 999,
  });
});

test('of two limits that refuse, the one that lasts longer is told', () => {
  const { it } = limiter();
  const both = orders({ all: rate(1, 1000), server: { perTool: rate(1, 5000) } });
  it.charge(both, call(), permit());
  assert.deepEqual(it.charge(both, call(), permit()), {
    kind: 'exhausted',
    limit: '1/s per caller and tool',
    retryInMs: 5000,
  });
});

test('new orders with another rate apply at once and refill nothing', () => {
  const { it } = limiter();
  for (let count = 0; count < 5; count++)
    assert.equal(it.charge(orders({ all: rate(5) }), call(), permit()).kind, 'paid');
  assert.equal(it.charge(orders({ all: rate(3) }), call(), permit()).kind, 'exhausted');
  assert.equal(it.charge(orders({ all: rate(6) }), call(), permit()).kind, 'paid');
  assert.equal(it.charge(orders({ all: rate(6) }), call(), permit()).kind, 'exhausted');
});

test('made-up targets use up the room of their own caller only, and no live limit is forgotten for them', () => {
  const { it, clock } = limiter({ windowsPerCallerMax: 10, windowsMax: 100 });
  const standing = orders({ server: { perTool: rate(1) } });
  for (let count = 0; count < 10; count++) {
    assert.equal(it.charge(standing, call({ target: tool(`t${count}`) }), permit()).kind, 'paid');
  }
  const refused = it.charge(standing, call({ target: tool('t10') }), permit());
  assert.deepEqual(refused, {
    kind: 'exhausted',
    limit: 'too many different targets at once',
    retryInMs: 1000,
  });
  assert.equal(it.charge(standing, call({ target: tool('t0') }), permit()).kind, 'exhausted');
  assert.equal(it.charge(standing, call({ caller: 'bob' }), permit()).kind, 'paid');
  clock.now = 1000;
  assert.equal(it.charge(standing, call({ target: tool('t10') }), permit()).kind, 'paid');
  assert.equal(it.count, 1);
});

test('the room of all callers together is bounded too', () => {
  const { it } = limiter({ windowsMax: 3 });
  const standing = orders({ all: rate(1) });
  const kinds = ['a', 'b', 'c', 'd'].map((caller) => it.charge(standing, call({ caller }), permit()).kind);
  assert.deepEqual(kinds, ['paid', 'paid', 'paid', 'exhausted']);
});

test('limits that nobody uses any more are forgotten in time', () => {
  const { it, clock } = limiter();
  const standing = orders({ all: rate(1) });
  for (let count = 0; count < 50; count++) it.charge(standing, call({ caller: `c${count}` }), permit());
  clock.now = 60_000;
  it.charge(standing, call(), permit());
  assert.equal(it.count, 1);
});

test('a limit that still counts survives every clearing away', () => {
  const { it, clock } = limiter({ windowsPerCallerMax: 1 });
  const standing = orders({ server: { perTool: rate(1, 200_000) } });
  it.charge(standing, call({ target: tool('a') }), permit());
  for (const now of [1000, 60_000, 120_000, 180_000]) {
    clock.now = now;
    assert.equal(it.charge(standing, call({ target: tool('b') }), permit()).kind, 'exhausted');
    assert.equal(it.charge(standing, call({ target: tool('a') }), permit()).kind, 'exhausted');
  }
});
