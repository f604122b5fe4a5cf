import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { handleCall } from '../../src/call/handle-call.ts';
import type { DataPlane } from '../../src/call/data-plane.ts';
import type { Arrival, Call } from '../../src/domain/call.ts';
import type { Charge, Consent, Exhausted, ToolFacts } from '../../src/domain/decision.ts';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Json, JsonText } from '../../src/domain/message.ts';
import type { Orders, RuleText } from '../../src/domain/orders.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import { Pass } from '../../src/domain/pass.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { compile } from '../../src/policy/compile.ts';
import { noSwitches, rule, serverFile } from '../policy/support.ts';

function ordersOf(rules: readonly RuleText[], version: string): Orders {
  const daemon = { limits: [], roles: [], webhooks: [] };
  const compiled = compile([serverFile('fx', rules)], daemon, { switches: noSwitches, grants: [] }, version);
  assert.ok(compiled.ok);
  return compiled.orders;
}

const orders = ordersOf(
  [rule('reading', 'allow', { tools: ['read'] }), rule('writing', 'confirm', { tools: ['write'] })],
  'v1',
);

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

type Step =
  | 'open'
  | 'identify'
  | 'session'
  | 'inward'
  | 'inFlight'
  | 'facts'
  | 'charge'
  | 'ask'
  | 'admit'
  | 'commit'
  | 'forward'
  | 'pins'
  | 'outward';

type FakeOptions = {
  readonly breaks?: Step;
  readonly charge?: Charge;
  readonly consent?: Consent;
  readonly current?: () => Orders;
  readonly facts?: ToolFacts;
  readonly schema?: Json;
  readonly binding?: () => string;
  readonly awaits?: boolean;
  readonly charged?: boolean;
  readonly resting?: Exhausted;
  /** How often the server dies before it answers. */
  readonly fails?: number;
  readonly tries?: number;
  readonly blocks?: 'in' | 'out';
};

/** A plane that writes down what it was told, in order, and breaks where it is told to. */
function fakePlane(told: string[], options: FakeOptions = {}): DataPlane {
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
          found: () => undefined,
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
      agree: (call) => call.session,
      disown: ({ id }) => told.push(`session ${id} ends`),
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
    facts: {
      nowMs: () => 0,
      tool: () => {
        step('facts');
        return options.facts;
      },
      realPath: (path) => path,
    },
    limits: {
      charge: (_orders, _call, _permit, charged) => {
        step('charge', charged ? 'place only' : 'charge');
        return (
          options.charge ?? { kind: 'paid', done: () => told.push('place given back'), would: undefined }
        );
      },
    },
    gate: {
      ask: () => {
        step('ask');
        return options.consent ?? { kind: 'approved', by: 'policy' };
      },
      continues: () => options.charged ?? false,
      awaits: () => options.awaits ?? false,
      hear: () => told.push('heard'),
    },
    breakers: {
      admit: () => {
        step('admit');
        return options.resting;
      },
      went: (_orders, _call, how) => told.push(`went ${how}`),
      retryInMs: (_orders, _call, attempt) => (attempt < (options.tries ?? 1) ? 7 : undefined),
      wait: async (_call, ms) => void told.push(`wait ${ms}`),
    },
    pins: { saw: () => step('pins') },
    tasks: { toolOf: () => undefined, claim: (_call, answer) => answer },
    rounds: { resume: (call) => call, pause: (_call, answer) => answer },
    fleet: {
      hold: () => undefined,
      mirrored: () => [],
      inputSchema: () => options.schema,
      bindingOf: () => options.binding?.() ?? 'definition@child',
      forward: async (pass) => {
        pass.spend();
        step('forward');
        if (told.filter((it) => it === 'forward').length <= (options.fails ?? 0))
          throw new Fault('UPSTREAM_DIED');
        return { kind: 'result', text: '{}' as JsonText };
      },
    },
    redactor: {
      clean: (text) => text as RedactedJson,
      inward: (_orders, call) => {
        step('inward');
        return options.blocks === 'in'
          ? { kind: 'blocked', why: blocked, found: [] }
          : { kind: 'clean', call, found: [] };
      },
      outward: (_orders, _call, { kind, text }) => {
        step('outward');
        return options.blocks === 'out'
          ? { kind: 'blocked', why: blocked, found: [] }
          : { kind: 'clean', answer: { kind, text: text as RedactedJson }, found: [] };
      },
      aside: (_orders, _server, text) => text as RedactedJson,
    },
  };
}

const blocked = { kind: 'deny', rule: 'built-in: redaction', reason: 'no', hidden: false } as const;

const wholeStory = [
  'open',
  'identify',
  'identified',
  'session',
  'in flight',
  'inward',
  'named',
  'facts',
  'decided allow',
  'charge',
  'ask',
  'admit',
  'commit',
  // Asked again in the same breath as the call goes out.
  'identify',
  'facts',
  'forward',
  'went well',
  'pins',
  'outward',
  'place given back',
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
    'inward',
    'inFlight',
    'charge',
    'ask',
    'admit',
    'commit',
    'forward',
    'pins',
    'outward',
  ] as const) {
    it(`a broken ${breaks} step fails the call, is recorded, and lets no answer through`, async () => {
      const told: string[] = [];
      const outcome = await handleCall(arrival('read'), fakePlane(told, { breaks }));
      assert.equal(outcome.kind, 'failed');
      assert.equal(told.at(-1), 'close failed');
      if (breaks !== 'pins' && breaks !== 'outward')
        assert.ok(!told.includes('forward'), 'nothing was forwarded');
      const charged = told.includes('charge');
      assert.equal(told.includes('place given back'), charged, 'whoever was let in leaves again');
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
      const rest = told.slice(told.indexOf(lastStep)).filter((it) => it !== 'place given back');
      assert.deepEqual(rest, [lastStep, 'no longer in flight', `close ${kind}`]);
    });
  }

  it('is refused when the orders changed while somebody was thinking', async () => {
    const told: string[] = [];
    let current = orders;
    const plane = fakePlane(told, { current: () => current });
    const asked = {
      ...plane,
      gate: {
        ...plane.gate,
        ask: async () => {
          current = ordersOf([rule('writing', 'confirm', { tools: ['write'] })], 'v2');
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
        ...plane.gate,
        ask: async () => {
          current = ordersOf([rule('reading', 'allow', { tools: ['read'] })], 'v2');
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
        ...plane.gate,
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
        ...plane.fleet,
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

  it('is refused when the tool or its child was replaced while somebody was thinking', async () => {
    for (const [then, now] of [
      ['old@child', 'new@child'],
      ['tool@one', 'tool@two'],
      ['tool@one', 'tool@'],
    ] as const) {
      const told: string[] = [];
      let asked = 0;
      const outcome = await handleCall(
        arrival('write'),
        fakePlane(told, {
          binding: () => (asked++ === 0 ? then : now),
          consent: { kind: 'approved', by: 'op' },
        }),
      );
      assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'ORDERS_CHANGED', `${then} ${now}`);
      assert.ok(!told.includes('forward'));
    }
  });

  describe('when another rule decides by the time somebody has said yes', () => {
    const untilMs = 1000;
    const late = async (after: 'allow' | 'confirm') => {
      // Neither the clock nor a link that is turned makes another version of the orders.
      const both = ordersOf(
        [
          rule('one yes while it is light', 'confirm', { tools: ['write'], untilMs }),
          rule('two at night', after, { tools: ['write'] }),
        ],
        'v1',
      );
      const told: string[] = [];
      let nowMs = 0;
      const plane = fakePlane(told, { current: () => both });
      const outcome = await handleCall(arrival('write'), {
        ...plane,
        facts: { ...plane.facts, nowMs: () => nowMs },
        gate: {
          ...plane.gate,
          ask: async (_call, permit) => {
            assert.equal(permit.rule, 'one yes while it is light');
            nowMs = untilMs;
            return { kind: 'approved', by: 'op' } as const;
          },
        },
      });
      return { outcome, told };
    };

    it('the yes is worth nothing where that one asks, too', async () => {
      const { outcome, told } = await late('confirm');
      assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'ORDERS_CHANGED');
      assert.ok(!told.includes('forward'));
    });

    it('the call goes where that one asks nobody', async () => {
      assert.equal((await late('allow')).outcome.kind, 'answered');
    });
  });

  it('asks again where the yes of the round before was given under another rule', async () => {
    for (const [given, asks] of [
      ['writing', false],
      ['writing once', true],
    ] as const) {
      const told: string[] = [];
      const plane = fakePlane(told, { consent: { kind: 'approved', by: 'op' } });
      const kept: unknown[] = [];
      const outcome = await handleCall(arrival('write'), {
        ...plane,
        rounds: {
          resume: (call) => ({ ...call, approved: { kind: 'approved', by: 'ana', rule: given } }),
          pause: (_call, answer, agreed) => {
            kept.push(agreed);
            return answer;
          },
        },
      });
      assert.equal(outcome.kind, 'answered');
      assert.equal(told.includes('ask'), asks, given);
      // The next round is told under which rule somebody agreed.
      assert.deepEqual(kept, [{ kind: 'approved', by: asks ? 'op' : 'ana', rule: 'writing' }]);
    }
  });

  it('goes on when the child was only started meanwhile', async () => {
    let asked = 0;
    const plane = fakePlane([], {
      binding: () => (asked++ === 0 ? 'tool@' : 'tool@one'),
      consent: { kind: 'approved', by: 'op' },
    });
    assert.equal((await handleCall(arrival('write'), plane)).kind, 'answered');
  });

  it('is made again after the server died, when the policy says so, and every try is on record', async () => {
    const told: string[] = [];
    const outcome = await handleCall(arrival('read'), fakePlane(told, { fails: 2, tries: 3 }));
    assert.equal(outcome.kind, 'answered');
    const tries = told.filter((it) => /^(admit|commit|forward|went .*|wait .*)$/.test(it));
    const failed = ['admit', 'commit', 'forward', 'went badly', 'wait 7'];
    assert.deepEqual(tries, [...failed, ...failed, 'admit', 'commit', 'forward', 'went well']);
  });

  it('is not made again without leave', async () => {
    const told: string[] = [];
    const outcome = await handleCall(arrival('read'), fakePlane(told, { fails: 1 }));
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'UPSTREAM_DIED');
    assert.equal(told.filter((it) => it === 'forward').length, 1);
  });

  it('waits for a tool that rests', async () => {
    const told: string[] = [];
    const resting = { kind: 'exhausted', limit: 'rests', retryInMs: 9 } as const;
    const outcome = await handleCall(arrival('read'), fakePlane(told, { resting }));
    assert.deepEqual(outcome, { kind: 'refused', why: resting, target: { kind: 'tool', name: 'read' } });
    assert.ok(!told.includes('commit'));
  });

  it('is refused, and nobody is asked, when its arguments do not fit the schema of the tool', async () => {
    const told: string[] = [];
    const schema = { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] };
    const outcome = await handleCall(arrival('write'), fakePlane(told, { schema }));
    assert.ok(outcome.kind === 'refused' && outcome.why.kind === 'deny' && !outcome.why.hidden);
    assert.equal(outcome.why.rule, 'built-in: arguments');
    assert.ok(!told.includes('charge') && !told.includes('ask') && !told.includes('forward'));
  });

  it('is charged once, however often it comes back to the question about it', async () => {
    const told: string[] = [];
    const consent = { kind: 'approved', by: 'ticket:ann' } as const;
    await handleCall(arrival('write'), fakePlane(told, { charged: true, consent }));
    assert.ok(told.includes('place only') && !told.includes('charge') && told.includes('forward'));
  });

  it('is refused when what it holds may not go out, unless it does not exist anyway', async () => {
    const told: string[] = [];
    const outcome = await handleCall(arrival('read'), fakePlane(told, { blocks: 'in' }));
    assert.ok(outcome.kind === 'refused');
    assert.deepEqual(outcome.why, blocked);
    assert.ok(!told.includes('charge') && !told.includes('forward'));
    const hidden = await handleCall(arrival('delete'), fakePlane([], { blocks: 'in' }));
    assert.ok(hidden.kind === 'refused' && hidden.why.kind === 'deny' && hidden.why.hidden);
  });

  it('gives no answer that may not go out', async () => {
    const outcome = await handleCall(arrival('read'), fakePlane([], { blocks: 'out' }));
    assert.ok(outcome.kind === 'refused');
    assert.deepEqual(outcome.why, blocked);
  });

  it('ends a session whose greeting may not go out: nobody is told its id', async () => {
    const hello = (): Arrival => ({
      ...arrival('read'),
      message: { kind: 'request', id: 1, method: 'initialize', params: '{}' as JsonText },
    });
    for (const [blocks, ends] of [
      ['out', true],
      [undefined, false],
    ] as const) {
      const told: string[] = [];
      await handleCall(hello(), fakePlane(told, blocks === undefined ? {} : { blocks }));
      assert.equal(told.includes('session s ends'), ends);
    }
  });

  it('hands a question back without going out, when the caller has to come again', async () => {
    const told: string[] = [];
    const answer = { kind: 'result', text: '{"question":1}' as JsonText } as const;
    const outcome = await handleCall(
      arrival('write'),
      fakePlane(told, { consent: { kind: 'awaiting', answer } }),
    );
    assert.deepEqual(outcome, { kind: 'awaiting', answer });
    assert.ok(!told.includes('commit'));
  });

  it('takes the answer to a question of ours itself, on record', async () => {
    const told: string[] = [];
    const reply = { kind: 'reply', id: 'c-1', answer: { kind: 'result', text: '{}' as JsonText } } as const;
    const outcome = await handleCall(
      { ...arrival('read'), message: reply },
      fakePlane(told, { awaits: true }),
    );
    assert.equal(outcome.kind, 'accepted');
    assert.ok(told.indexOf('commit') < told.indexOf('heard') && told.includes('heard'));
    assert.ok(!told.includes('forward'));
  });

  it('is refused when the orders changed while its arguments were looked through', async () => {
    const told: string[] = [];
    let current = orders;
    const plane = fakePlane(told, { current: () => current });
    const slow: DataPlane = {
      ...plane,
      redactor: {
        ...plane.redactor,
        inward: async (_orders, call) => {
          current = ordersOf([], 'v2');
          return { kind: 'clean', call, found: [] };
        },
      },
    };
    const outcome = await handleCall(arrival('read'), slow);
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'ORDERS_CHANGED');
    assert.deepEqual(told.slice(-2), ['no longer in flight', 'close failed']);
  });

  it('is told nothing that the redactor would take out, in a refusal either', async () => {
    const plane = fakePlane([], {
      consent: { kind: 'declined', by: 'op', reason: 'it has sk-secret in it' },
    });
    const clean = (text: JsonText) => text.replaceAll('sk-secret', '[redacted]') as RedactedJson;
    const outcome = await handleCall(arrival('write'), { ...plane, redactor: { ...plane.redactor, clean } });
    assert.ok(outcome.kind === 'declined' && 'reason' in outcome.why);
    assert.equal(outcome.why.reason, 'it has [redacted] in it');
  });

  it('has a tool in quarantine look like an unknown one', async () => {
    const outcome = await handleCall(
      arrival('read'),
      fakePlane([], { facts: { admits: undefined, quarantined: 'it changed' } }),
    );
    assert.ok(outcome.kind === 'refused' && outcome.why.kind === 'deny' && outcome.why.hidden);
  });
});
