import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Permit } from '../../src/domain/decision.ts';
import type { Orders } from '../../src/domain/orders.ts';
import { Limiter, type LimiterParts } from '../../src/limits/limiter.ts';
import {
  budget,
  call,
  FakeClock,
  FakeStore,
  limit,
  orders,
  perCaller,
  perCallerAndTool,
  permit,
  rate,
  tool,
  type CallWant,
} from './support.ts';

function limiter(more: Partial<LimiterParts> = {}) {
  const clock = new FakeClock();
  const store = new FakeStore();
  return { clock, store, it: new Limiter({ clock, store, ...more }) };
}

/** What a charge that nobody has to wait for says. */
function said(it: Limiter, standing: Orders, want: CallWant = {}, leave: Permit = permit()): string {
  const charge = it.charge(standing, call(want), leave);
  assert.ok(!(charge instanceof Promise));
  return charge.kind === 'paid' ? (charge.would ?? 'paid') : `${charge.limit} in ${charge.retryInMs}`;
}

test('without limits everything is paid, and nothing is kept', () => {
  const { it, store } = limiter();
  for (let count = 0; count < 100; count++) assert.equal(said(it, orders()), 'paid');
  assert.equal(it.count, 0);
  assert.equal(store.takes.length, 0);
});

test('a call that was charged when it was asked about needs only its place', () => {
  const { it } = limiter();
  const once = orders({ server: [perCaller(rate(1))] });
  assert.equal(said(it, once), 'paid');
  assert.match(said(it, once), /^1\/s per caller/);
  const again = it.charge(once, call({}), permit(), true);
  assert.ok(!(again instanceof Promise) && again.kind === 'paid');
  const busy = orders({ server: [limit('busy', [], { concurrency: 1 })] });
  const held = it.charge(busy, call({}), permit(), true);
  assert.ok(!(held instanceof Promise) && held.kind === 'paid');
  const other = it.charge(busy, call({}), permit(), true);
  assert.ok(!(other instanceof Promise) && other.kind === 'exhausted');
  held.done();
  assert.equal(said(it, busy), 'paid');
});

const scopes: readonly (readonly [string, Orders, Permit, CallWant, CallWant, string])[] = [
  [
    'across servers',
    orders({ all: [perCaller(rate(1))] }),
    permit(),
    { server: 'files' },
    { server: 'git' },
    '1/s per caller',
  ],
  [
    'per server',
    orders({ server: [perCaller(rate(1))] }),
    permit(),
    { target: tool('a') },
    { target: tool('b') },
    '1/s per caller',
  ],
  ['per tool', orders({ server: [perCallerAndTool(rate(1))] }), permit(), {}, {}, '1/s per caller and tool'],
  ['per rule and target', orders(), permit(rate(1)), {}, {}, '1/s per caller, rule and target'],
  [
    'with a new session',
    orders({ all: [perCaller(rate(1))] }),
    permit(),
    { session: 's1' },
    { session: 's2' },
    '1/s per caller',
  ],
  [
    'by listing after calling',
    orders({ all: [perCaller(rate(1))] }),
    permit(),
    {},
    { target: { kind: 'listing', of: 'tools' } },
    '1/s per caller',
  ],
  [
    'by being somebody else, where a tool has one count for all',
    orders({ server: [limit('per tool', ['tool'], { rates: [rate(1)] })] }),
    permit(),
    { caller: 'alice' },
    { caller: 'bob' },
    '1/s per tool',
  ],
  [
    'with another tool and as somebody else, where the server has one count for all',
    orders({ server: [limit('per server', [], { rates: [rate(1)] })] }),
    permit(),
    { caller: 'alice', target: tool('a') },
    { caller: 'bob', target: tool('b') },
    '1/s per server',
  ],
  [
    'with the other tool of a named limit',
    orders({ server: [limit('writes', ['caller'], { tools: ['a', 'b'], rates: [rate(1)] })] }),
    permit(),
    { target: tool('a') },
    { target: tool('b') },
    'the limit "writes": 1/s',
  ],
  [
    'in its second rate',
    orders({ server: [perCaller(rate(5), rate(1))] }),
    permit(),
    {},
    {},
    '1/s per caller',
  ],
];
for (const [how, standing, leave, first, second, words] of scopes) {
  test(`a caller cannot go past a limit ${how}, and is told which and when to come back`, () => {
    const { it, clock } = limiter();
    assert.equal(said(it, standing, first, leave), 'paid');
    clock.pass(400.5);
    assert.equal(said(it, standing, second, leave), `${words} in 600`);
    clock.pass(599.5);
    assert.equal(said(it, standing, second, leave), 'paid');
  });
}

const apart: readonly (readonly [string, Orders, CallWant, CallWant])[] = [
  ['callers', orders({ all: [perCaller(rate(1))] }), { caller: 'alice' }, { caller: 'bob' }],
  ['servers', orders({ server: [perCaller(rate(1))] }), { server: 'files' }, { server: 'git' }],
  [
    'tools of two servers',
    orders({ all: [limit('x', ['tool'], { rates: [rate(1)] })] }),
    { server: 'files' },
    { server: 'git' },
  ],
  ['tools', orders({ server: [perCallerAndTool(rate(1))] }), { target: tool('a') }, { target: tool('b') }],
  [
    'tools with very long names',
    orders({ server: [perCallerAndTool(rate(1))] }),
    { target: tool('x'.repeat(500) + 'a') },
    { target: tool('x'.repeat(500) + 'b') },
  ],
];
for (const [what, standing, first, second] of apart) {
  test(`two ${what} do not share a limit that is for one`, () => {
    const { it } = limiter();
    assert.equal(said(it, standing, first), 'paid');
    assert.equal(said(it, standing, second), 'paid');
    assert.notEqual(said(it, standing, first), 'paid');
  });
}

test('two limits of one name, of a file and of the one it extends, count apart and both count', () => {
  const { it } = limiter();
  const standing = orders({
    server: [
      limit('x', ['caller'], { tools: ['a'], rates: [rate(2)] }),
      limit('x', ['caller'], { tools: ['a', 'b'], rates: [rate(3)] }),
    ],
  });
  const kinds = ['b', 'a', 'a', 'a', 'b'].map((name) => said(it, standing, { target: tool(name) }));
  assert.deepEqual(
    kinds.map((it) => it === 'paid'),
    [true, true, true, false, false],
  );
});

test('the conversation itself, notifications, replies and asking about a task are free', () => {
  const { it } = limiter();
  const strict = orders({ all: [limit('in total', [], { rates: [rate(1)], concurrency: 1 })] });
  const free: readonly CallWant[] = [
    { target: { kind: 'protocol', method: 'ping' } },
    { target: { kind: 'task', id: 't', tool: 'read' } },
    { target: { kind: 'subscription', uris: [] } },
    { message: { kind: 'notice', method: 'notifications/cancelled', params: undefined } },
    { message: { kind: 'reply', id: 1, answer: { kind: 'result', text: '{}' as never } } },
  ];
  for (const want of [...free, ...free]) assert.equal(said(it, strict, want), 'paid');
  assert.equal(it.count, 0);
  assert.equal(it.held, 0);
});

test('a limit on tools says nothing about what is no tool', () => {
  const { it } = limiter();
  const standing = orders({
    server: [
      limit('per tool', ['tool'], { rates: [rate(1)] }),
      limit('x', [], { tools: ['read'], rates: [rate(1)] }),
      limit('spend', [], { budget: budget(1) }),
    ],
  });
  const target = { kind: 'resource', uri: 'file:///a' } as const;
  for (let count = 0; count < 3; count++) assert.equal(said(it, standing, { target }), 'paid');
});

test('a call that one limit refuses is charged to none', () => {
  const { it, clock, store } = limiter();
  const both = orders({ all: [perCaller(rate(2))], server: [perCallerAndTool(rate(1))] });
  assert.equal(said(it, both, { target: tool('a') }), 'paid');
  const kept = store.takes.length;
  for (let count = 0; count < 5; count++)
    assert.equal(said(it, both, { target: tool('a') }), '1/s per caller and tool in 1000');
  assert.equal(store.takes.length, kept);
  assert.equal(said(it, both, { target: tool('b') }), 'paid');
  clock.pass(1);
  assert.equal(said(it, both, { target: tool('c') }), '2/s per caller in 999');
});

test('of two limits that refuse, the one that lasts longer is told', () => {
  const { it } = limiter();
  const both = orders({ all: [perCaller(rate(1, 1000))], server: [perCallerAndTool(rate(1, 5000))] });
  said(it, both);
  assert.equal(said(it, both), '1/s per caller and tool in 5000');
});

test('new orders with another rate apply at once and refill nothing', () => {
  const { it } = limiter();
  const at = (count: number) => said(it, orders({ all: [perCaller(rate(count))] }));
  for (let count = 0; count < 5; count++) assert.equal(at(5), 'paid');
  assert.notEqual(at(3), 'paid');
  assert.equal(at(6), 'paid');
  assert.notEqual(at(6), 'paid');
});

const spend = (most: number, more = {}) =>
  orders({ server: [limit('spend', ['caller'], { budget: budget(most), ...more })] });
const pays = (it: Limiter, standing: Orders, amount: number) => said(it, standing, { args: { amount } });

test('a budget is what its calls sum up to, to the millionth', () => {
  const { it, clock } = limiter();
  for (let count = 0; count < 10; count++) assert.equal(pays(it, spend(1), 0.1), 'paid');
  assert.equal(pays(it, spend(1), 0), 'paid');
  assert.equal(pays(it, spend(1), 0.000001), 'the limit "spend": sum(args.amount) <= 1/s in 1000');
  clock.pass(1000);
  assert.equal(pays(it, spend(1), 0.7), 'paid');
  assert.notEqual(pays(it, spend(1), 0.31), 'paid');
  assert.equal(pays(it, spend(1), 0.3), 'paid');
});

test('a limit may have a rate and a budget; both are charged or none', () => {
  const { it } = limiter();
  const both = spend(10, { rates: [rate(2)] });
  assert.equal(pays(it, both, 6), 'paid');
  assert.notEqual(pays(it, both, 6), 'paid');
  assert.equal(pays(it, both, 4), 'paid');
  assert.equal(pays(it, both, 0), 'the limit "spend": 2/s in 1000');
});

test('a call whose amount cannot be told is refused, with the reason, and no wait will help', () => {
  const { it } = limiter();
  const told =
    /^the limit "spend": sum\(args\.amount\) <= 5\/s \(the argument "amount" is ([^)]+)\) in Infinity$/;
  const why = (args: CallWant['args']) =>
    told.exec(said(it, spend(5), args === undefined ? {} : { args }))?.[1];
  assert.equal(why(undefined), 'missing');
  assert.equal(why({}), 'missing');
  assert.equal(why({ amount: '5' }), 'no number');
  assert.equal(why({ amount: null }), 'no number');
  assert.equal(why({ amount: [1] }), 'no number');
  assert.equal(why({ amount: -1 }), 'negative');
  assert.equal(why({ amount: 5.000001 }), 'more than all of it');
  assert.equal(why({ amount: 1e308 }), 'more than all of it');
  assert.equal(it.count, 0);
});

test('made-up targets use up the room of their own caller only, and no live limit is forgotten for them', () => {
  const { it, clock } = limiter({ windowsPerCallerMax: 10, windowsMax: 100 });
  const standing = orders({ server: [perCallerAndTool(rate(1))] });
  for (let count = 0; count < 10; count++)
    assert.equal(said(it, standing, { target: tool(`t${count}`) }), 'paid');
  assert.equal(said(it, standing, { target: tool('t10') }), 'too many different targets at once in 1000');
  assert.match(said(it, standing, { target: tool('t0') }), /per caller and tool/);
  assert.equal(said(it, standing, { caller: 'bob' }), 'paid');
  clock.pass(1000);
  assert.equal(said(it, standing, { target: tool('t10') }), 'paid');
  assert.equal(it.count, 1);
});

test('made-up names of tools that have one count for all are on the account of who made them up', () => {
  const { it } = limiter({ windowsPerCallerMax: 3 });
  const standing = orders({ server: [limit('per tool', ['tool'], { rates: [rate(5)] })] });
  for (const name of ['a', 'b', 'c']) assert.equal(said(it, standing, { target: tool(name) }), 'paid');
  assert.match(said(it, standing, { target: tool('d') }), /too many different targets/);
  assert.equal(said(it, standing, { target: tool('d'), caller: 'bob' }), 'paid');
  assert.equal(said(it, standing, { target: tool('d') }), 'paid');
});

test('the room of all callers together is bounded too', () => {
  const { it } = limiter({ windowsMax: 3 });
  const standing = orders({ all: [perCaller(rate(1))] });
  const kinds = ['a', 'b', 'c', 'd'].map((caller) => said(it, standing, { caller }) === 'paid');
  assert.deepEqual(kinds, [true, true, true, false]);
});

test('takes that no memory is left for make a window stricter, not looser', () => {
  const { it, clock } = limiter({ takesMax: 16 });
  const standing = orders({ all: [perCaller(rate(100))] });
  let paid = 0;
  for (let at = 0; at < 1000; at++, clock.pass(1)) if (said(it, standing) === 'paid') paid++;
  assert.equal(paid, 100);
});

test('limits that nobody uses any more are forgotten in time', () => {
  const { it, clock } = limiter();
  const standing = orders({ all: [perCaller(rate(1))] });
  for (let count = 0; count < 50; count++) said(it, standing, { caller: `c${count}` });
  clock.pass(60_000);
  said(it, standing);
  assert.equal(it.count, 1);
});

test('a limit that still counts survives every clearing away', () => {
  const { it, clock } = limiter({ windowsPerCallerMax: 1 });
  const standing = orders({ server: [perCallerAndTool(rate(1, 200_000))] });
  said(it, standing, { target: tool('a') });
  for (const ms of [1000, 59_000, 60_000, 60_000]) {
    clock.pass(ms);
    assert.notEqual(said(it, standing, { target: tool('b') }), 'paid');
    assert.notEqual(said(it, standing, { target: tool('a') }), 'paid');
  }
});

for (const shadow of [{ mode: 'observe' }, { stage: 'observe' }] as const) {
  test(`where ${Object.keys(shadow)[0]} is observe nothing is refused, and what would have been is named`, () => {
    const { it, store } = limiter();
    const standing = orders({
      ...shadow,
      server: [perCaller(rate(1)), limit('spend', [], { budget: budget(5) })],
    });
    assert.equal(said(it, standing, { args: { amount: 1 } }), 'paid');
    const kept = store.takes.length;
    assert.equal(said(it, standing, { args: { amount: 1 } }), '1/s per caller');
    assert.match(said(it, standing, {}), /"amount" is missing/);
    assert.equal(store.takes.length, kept);
  });
}

test('where places are only observed, nobody waits for one', () => {
  const { it } = limiter();
  const standing = orders({
    mode: 'observe',
    server: [limit('per server', [], { concurrency: 1, waiting: 5 })],
  });
  const first = it.charge(standing, call(), permit());
  assert.equal(said(it, standing), '1 at once per server');
  assert.ok(!(first instanceof Promise) && first.kind === 'paid');
  first.done();
  assert.equal(it.held, 0);
  assert.equal(said(it, standing), 'paid');
});

test('a take that cannot be written down is not made, and charges nothing', () => {
  const { it, store } = limiter();
  const standing = orders({ all: [limit('per caller', ['caller'], { rates: [rate(1)], concurrency: 1 })] });
  store.broken = true;
  for (let count = 0; count < 3; count++)
    assert.throws(() => it.charge(standing, call(), permit()), { code: 'AUDIT_UNAVAILABLE' });
  assert.equal(it.held, 0);
  store.broken = false;
  assert.equal(said(it, standing), 'paid');
});

test('a store that is overgrown is written anew with what still counts', () => {
  const { it, store, clock } = limiter();
  const standing = orders({ all: [perCaller(rate(5))] });
  for (let count = 0; count < 5; count++, clock.pass(300)) said(it, standing);
  store.overgrown = true;
  said(it, standing);
  assert.equal(store.takes.length, 4);
});

test('what is kept of a call holds no name that its caller chose', () => {
  const { it, store } = limiter();
  const target = { kind: 'resource', uri: 'https://x.example/?token=s3cr3t' } as const;
  assert.equal(said(it, orders(), { target }, permit(rate(1))), 'paid');
  assert.equal(store.takes.length, 1);
  assert.doesNotMatch(JSON.stringify(store.takes), /s3cr3t|example|alice/);
});
