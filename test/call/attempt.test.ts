import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { attempt } from '../../src/call/attempt.ts';
import type { DataPlane, Trail } from '../../src/call/data-plane.ts';
import type { Exhausted } from '../../src/domain/decision.ts';
import { Fault, type FaultCode } from '../../src/domain/faults.ts';
import type { Answer, JsonText } from '../../src/domain/message.ts';
import { Pass } from '../../src/domain/pass.ts';
import { call, orders, permit } from '../limits/support.ts';
import { quiet } from './quiet.ts';

const answer: Answer = { kind: 'result', text: '{}' as JsonText };
const resting: Exhausted = { kind: 'exhausted', limit: 'none', retryInMs: 5 };

type Plot = {
  /** What the server does, try by try; at the end it answers. */
  readonly fails?: readonly FaultCode[];
  readonly tries?: number;
  /** From which try on the tool rests. */
  readonly restsFrom?: number;
  readonly commitFails?: boolean;
  readonly halted?: boolean;
};

/** Tries one call and gives all that was told on the way, and how it ended. */
async function play({
  fails = [],
  tries = 1,
  restsFrom = Infinity,
  commitFails,
  halted,
}: Plot): Promise<string[]> {
  const told: string[] = [];
  let asked = 0;
  const left = [...fails];
  const plane = {
    breakers: {
      ...quiet.breakers,
      admit: () => (++asked >= restsFrom ? resting : undefined),
      went: (_orders: unknown, _call: unknown, how: string) => told.push(how),
      retryInMs: (_orders: unknown, _call: unknown, number: number) =>
        number < tries ? number * 10 : undefined,
      wait: async (_call: unknown, ms: number) => {
        told.push(`wait ${ms}`);
        if (halted === true) throw new Fault('CANCELLED');
      },
    },
    fleet: {
      forward: async (pass: Pass) => {
        told.push(`forward ${pass.grounds.attempt}`);
        const code = left.shift();
        if (code !== undefined) throw new Fault(code);
        return answer;
      },
    },
    // Only what an attempt touches.
  } as unknown as DataPlane;
  const trail = {
    commit: async (grounds: Parameters<Trail['commit']>[0]) => {
      told.push(`commit ${grounds.attempt}`);
      if (commitFails === true) throw new Fault('AUDIT_UNAVAILABLE');
      return Pass.issue(grounds);
    },
  } as unknown as Trail;
  const grounds = {
    call: call(),
    permit: permit(),
    receipt: { kind: 'paid', done: () => undefined, would: undefined },
    approval: { kind: 'approved', by: 'policy' },
    ordersVersion: 'v1',
    stands: () => true,
  } as const;
  const end = await attempt(grounds, orders(), plane, trail).then(
    (sent) => sent.kind,
    (reason: unknown) => Fault.from(reason).code,
  );
  return [...told, end];
}

describe('an attempt', () => {
  it('is written down, goes out once and is told to the breaker', async () => {
    assert.deepEqual(await play({}), ['commit 1', 'forward 1', 'well', 'sent']);
  });

  it('is made again with a record and a pass of its own', async () => {
    assert.deepEqual(await play({ fails: ['UPSTREAM_DIED', 'UPSTREAM_TIMEOUT'], tries: 3 }), [
      ...['commit 1', 'forward 1', 'badly', 'wait 10'],
      ...['commit 2', 'forward 2', 'badly', 'wait 20'],
      ...['commit 3', 'forward 3', 'well', 'sent'],
    ]);
  });

  it('is not made again when the policy has said so often enough', async () => {
    const told = await play({ fails: ['UPSTREAM_DIED', 'UPSTREAM_DIED', 'UPSTREAM_DIED'], tries: 2 });
    assert.deepEqual(told.slice(-3), ['forward 2', 'badly', 'UPSTREAM_DIED']);
  });

  const counts: readonly (readonly [FaultCode, boolean])[] = [
    ['UPSTREAM_DOWN', true],
    ['UPSTREAM_DIED', true],
    ['UPSTREAM_TIMEOUT', true],
    ['UPSTREAM_GARBLED', true],
    ['UPSTREAM_BUSY', false],
    ['CANNOT_CROSS', false],
    ['CANCELLED', false],
    ['ORDERS_CHANGED', false],
    ['BAD_PARAMS', false],
    ['SECRET_UNAVAILABLE', false],
    ['BUG', false],
  ];
  for (const [code, does] of counts) {
    it(`${does ? 'counts' : 'does not count'} against the tool when it ends with ${code}`, async () => {
      const told = await play({ fails: [code] });
      assert.deepEqual(told, ['commit 1', 'forward 1', ...(does ? ['badly'] : []), code]);
    });
  }

  it('does not go out, and is not on record as going out, while the tool rests', async () => {
    assert.deepEqual(await play({ restsFrom: 1 }), ['exhausted']);
  });

  it('that went out once is told how that went, when the tool rests by then', async () => {
    const told = await play({ fails: ['UPSTREAM_DIED'], tries: 3, restsFrom: 2 });
    assert.deepEqual(told, ['commit 1', 'forward 1', 'badly', 'wait 10', 'UPSTREAM_DIED']);
  });

  it('is not made when it cannot be written down, and that is not the fault of the tool', async () => {
    assert.deepEqual(await play({ commitFails: true, tries: 3 }), ['commit 1', 'AUDIT_UNAVAILABLE']);
  });

  it('ends when it is stopped between two tries', async () => {
    const told = await play({ fails: ['UPSTREAM_DIED'], tries: 3, halted: true });
    assert.deepEqual(told.slice(-2), ['wait 10', 'CANCELLED']);
  });
});
