import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { handleCall } from '../../src/call/handle-call.ts';
import type { DataPlane } from '../../src/call/data-plane.ts';
import type { Arrival, Call } from '../../src/domain/call.ts';
import type { Charge, Consent } from '../../src/domain/decision.ts';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { JsonText } from '../../src/domain/message.ts';
import type { Orders, RuleText } from '../../src/domain/orders.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import { Pass } from '../../src/domain/pass.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { compile } from '../../src/policy/compile.ts';

const rule = (name: string, verdict: RuleText['verdict'], tools: string[]): RuleText => ({
  name,
  verdict,
  callers: undefined,
  tools,
  resources: [],
  prompts: [],
  upcalls: [],
  methods: [],
  record: [],
  rate: undefined,
  answerWithinMs: 1000,
});

function ordersOf(rules: readonly RuleText[], version: string): Orders {
  const spec = {
    name: 'fx',
    command: '/bin/true',
    args: [],
    cwd: '/',
    env: {},
    secrets: {},
    sharing: 'session',
    concurrency: 1,
    waitingMax: 1,
    answerWithinMs: 1,
    startWithinMs: 1,
    childrenMax: 1,
    lineBytesMax: 1,
    protocol: 'legacy',
    idleMs: 1,
    spare: 0,
  } as const;
  const limits = { perCaller: undefined, perTool: undefined };
  const switches = { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined };
  const compiled = compile(
    [{ spec, rules, limits, recordPayloads: false, file: 'fx.toml' }],
    switches,
    undefined,
    version,
  );
  assert.ok(compiled.ok);
  return compiled.orders;
}

const orders = ordersOf([rule('reading', 'allow', ['read']), rule('writing', 'confirm', ['write'])], 'v1');

function arrival(tool: string): Arrival {
  return {
    id: 'c-1',
    at: 0,
    remote: '127.0.0.1',
    server: 'fx',
    credentials: { kind: 'bearer', token: 't' },
    sessionId: 's',
    userAgent: undefined,
    message: {
      kind: 'request',
      id: 1,
      method: 'tools/call',
      params: `{"name":"${tool}","arguments":{}}` as JsonText,
    },
    era: 'legacy',
    mirror: undefined,
    halt: new Halt(),
    outlet: { send: () => 'gone' },
  };
}

type Step = 'open' | 'identify' | 'session' | 'inFlight' | 'charge' | 'ask' | 'commit' | 'forward' | 'clean';

/** A plane that writes down what it was told, in order, and breaks where it is told to. */
function fakePlane(
  told: string[],
  options: { breaks?: Step; charge?: Charge; consent?: Consent; current?: () => Orders } = {},
): DataPlane {
  const step = (name: Step, say: string = name): void => {
    if (options.breaks === name) throw new Fault('BUG', { detail: name });
    told.push(say);
  };
  return {
    audit: {
      open: () => {
        step('open');
        return {
          identified: () => told.push('identified'),
          named: () => told.push('named'),
          decided: (decision) => told.push(`decided ${decision.kind}`),
          commit: async (grounds) => {
            step('commit');
            return Pass.issue(grounds);
          },
          close: (outcome) => told.push(`close ${outcome.kind}`),
        };
      },
      upcall: () => undefined,
    },
    callers: {
      identify: () => {
        step('identify');
        return { name: 'ann' };
      },
    },
    sessions: {
      resolve: (principal) => {
        step('session');
        return { id: 's', principal, server: 'fx', era: 'legacy', agreed: undefined };
      },
      agree: () => undefined,
      reachedBy: () => [],
      standing: () => ({ send: () => 'gone' }),
    },
    orders: { current: options.current ?? (() => orders) },
    inFlight: {
      add: () => step('inFlight', 'in flight'),
      remove: () => told.push('no longer in flight'),
      find: () => undefined,
      newest: () => undefined,
      cancel: () => undefined,
    },
    limits: {
      charge: () => {
        step('charge');
        return options.charge ?? { kind: 'paid' };
      },
    },
    gate: {
      ask: () => {
        step('ask');
        return options.consent ?? { kind: 'approved', by: 'policy' };
      },
    },
    tasks: { toolOf: () => undefined, claim: (_call, answer) => answer },
    rounds: { resume: (call) => call, pause: (_call, answer) => answer },
    fleet: {
      mirrored: () => [],
      forward: async (pass) => {
        pass.spend();
        step('forward');
        return { kind: 'result', text: '{}' as JsonText };
      },
    },
    redactor: {
      clean: (text) => {
        step('clean');
        return text as RedactedJson;
      },
    },
  };
}

const wholeStory = [
  'open',
  'identify',
  'identified',
  'session',
  'named',
  'in flight',
  'decided allow',
  'charge',
  'ask',
  'commit',
  'forward',
  'clean',
  'no longer in flight',
  'close answered',
];

describe('the life of a call', () => {
  it('goes through every step, in this order', async () => {
    const told: string[] = [];
    const outcome = await handleCall(arrival('read'), fakePlane(told));
    assert.equal(outcome.kind, 'answered');
    assert.deepEqual(told, wholeStory);
  });

  for (const breaks of [
    'identify',
    'session',
    'inFlight',
    'charge',
    'ask',
    'commit',
    'forward',
    'clean',
  ] as const) {
    it(`a broken ${breaks} step fails the call, is recorded, and lets no answer through`, async () => {
      const told: string[] = [];
      const outcome = await handleCall(arrival('read'), fakePlane(told, { breaks }));
      assert.equal(outcome.kind, 'failed');
      assert.equal(told.at(-1), 'close failed');
      if (breaks !== 'clean') assert.ok(!told.includes('forward'), 'nothing was forwarded');
    });
  }

  it('is not begun when it cannot be recorded', async () => {
    const told: string[] = [];
    await assert.rejects(handleCall(arrival('read'), fakePlane(told, { breaks: 'open' })));
    assert.deepEqual(told, []);
  });

  const refusals: [string, string, Parameters<typeof fakePlane>[1], Outcome['kind'], string][] = [
    ['a tool that no rule allows', 'delete', {}, 'refused', 'decided deny'],
    [
      'an exhausted limit',
      'read',
      { charge: { kind: 'exhausted', limit: '1/min', retryInMs: 5 } },
      'refused',
      'charge',
    ],
    ['a no', 'write', { consent: { kind: 'declined', by: 'op', reason: '' } }, 'declined', 'ask'],
    ['an unanswered question', 'write', { consent: { kind: 'expired', afterMs: 1 } }, 'declined', 'ask'],
    [
      'a question that cannot be asked',
      'write',
      { consent: { kind: 'cannot-ask', reason: 'full' } },
      'declined',
      'ask',
    ],
  ];
  for (const [what, tool, options, kind, lastStep] of refusals) {
    it(`${what} ends it there`, async () => {
      const told: string[] = [];
      const outcome = await handleCall(arrival(tool), fakePlane(told, options));
      assert.equal(outcome.kind, kind);
      assert.deepEqual(told.slice(told.indexOf(lastStep)), [
        lastStep,
        'no longer in flight',
        `close ${kind}`,
      ]);
    });
  }

  it('is refused when the orders changed while somebody was thinking', async () => {
    const told: string[] = [];
    let current = orders;
    const plane = fakePlane(told, { current: () => current });
    const asked = {
      ...plane,
      gate: {
        ask: async () => {
          current = ordersOf([rule('writing', 'confirm', ['write'])], 'v2');
          return { kind: 'approved', by: 'op' } as const;
        },
      },
    };
    const outcome = await handleCall(arrival('write'), asked);
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'ORDERS_CHANGED');
    assert.ok(!told.includes('forward'));
  });

  it('goes on under other orders that allow the same, when nobody had to agree', async () => {
    let current = orders;
    const plane = fakePlane([], { current: () => current });
    const slow = {
      ...plane,
      gate: {
        ask: async () => {
          current = ordersOf([rule('reading', 'allow', ['read'])], 'v2');
          return { kind: 'approved', by: 'policy' } as const;
        },
      },
    };
    assert.equal((await handleCall(arrival('read'), slow)).kind, 'answered');
  });

  it('is not forwarded when it was stopped while it waited', async () => {
    const told: string[] = [];
    let named: Call | undefined;
    const plane = fakePlane(told);
    const stopped = {
      ...plane,
      inFlight: { ...plane.inFlight, add: (call: Call) => void (named = call) },
      gate: {
        ask: () => {
          named?.halt.call('switched off by the operator');
          return { kind: 'approved', by: 'op' } as const;
        },
      },
    };
    const outcome = await handleCall(arrival('read'), stopped);
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'CANCELLED');
    assert.ok(!told.includes('forward'));
  });

  it('spends its pass once', async () => {
    const plane = fakePlane([]);
    const greedy = {
      ...plane,
      fleet: {
        mirrored: () => [],
        forward: async (pass: Pass) => {
          pass.spend();
          pass.spend();
          return undefined;
        },
      },
    };
    const outcome = await handleCall(arrival('read'), greedy);
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'BUG');
  });
});
