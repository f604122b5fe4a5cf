import assert from 'node:assert/strict';
import { it } from 'node:test';
import { usualCare } from '../../src/domain/care.ts';
import type { Facts } from '../../src/domain/decision.ts';
import type { Orders, Risk, ServerOrders } from '../../src/domain/orders.ts';
import { mayNotProve } from '../../src/policy/may-prove.ts';

const off = { at: 0, by: 'me', reason: '' };
const proof = { tool: 'whoami', args: {}, everyMs: 60_000 };

/** Orders with one server, whose owner names `whoami` and has classed it so. */
function ordersWith(
  risk: Risk | undefined,
  switches: Partial<Orders['switches']> = {},
  tool = 'whoami',
): Orders {
  const tools =
    risk === undefined
      ? []
      : [{ text: { risk }, pattern: { text: tool, test: (it: string) => it === tool }, args: [] }];
  const server = {
    spec: { care: { ...usualCare, health: { ...usualCare.health, proof: { ...proof, tool } } } },
    tools,
  } as unknown as ServerOrders; // Nothing else is looked at.
  const none = new Map<string, typeof off>();
  return {
    version: '1',
    servers: new Map([['fx', server]]),
    switches: { tools: none, servers: none, callers: none, lockdown: undefined, ...switches },
    grants: [],
    roles: new Map(),
    limits: [],
  };
}
const facts = (known?: ReturnType<Facts['tool']>): Facts => ({
  nowMs: () => 0,
  tool: () => known,
  realPath: () => undefined,
});

it('a tool that the owner names and classes as reading may be called', () =>
  assert.equal(mayNotProve(ordersWith('read'), 'fx', proof, facts()), undefined));

it('no other', () => {
  const cases: readonly [Orders, Facts, RegExp][] = [
    [ordersWith('write'), facts(), /classed "write"/],
    [ordersWith(undefined), facts(), /classed "destructive"/],
    [ordersWith('read'), facts({ admits: 'write', quarantined: undefined }), /classed "write"/],
    [ordersWith('read'), facts({ admits: 'read', quarantined: 'changed' } as never), /quarantine/],
    [ordersWith('read', {}, 'other'), facts(), /no longer names it/],
    [ordersWith('read', { lockdown: off }), facts(), /lockdown/],
    [ordersWith('read', { servers: new Map([['fx', off]]) }), facts(), /server is switched off/],
    [ordersWith('read', { tools: new Map([['fx/whoami', off]]) }), facts(), /tool is switched off/],
  ];
  for (const [orders, known, why] of cases) assert.match(mayNotProve(orders, 'fx', proof, known) ?? '', why);
  assert.match(mayNotProve(ordersWith('read'), 'gone', proof, facts()) ?? '', /no longer names it/);
});
