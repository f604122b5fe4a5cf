/** Lines about policy that must not compile. `npm run typecheck` fails when one of them does. */
import type { Call } from '../../src/domain/call.ts';
import type { Condition, Holds } from '../../src/domain/conditions.ts';
import type { Decision, Facts } from '../../src/domain/decision.ts';
import type { Orders } from '../../src/domain/orders.ts';
import { decide, type Judged } from '../../src/policy/decide.ts';
import { narrow } from '../../src/policy/narrow.ts';

declare const orders: Orders;
declare const judged: Judged;
declare const facts: Facts;
declare const call: Call;
declare const decision: Decision;
declare const holds: Holds;
declare const condition: Condition;

// @ts-expect-error nothing is decided without the facts: the quarantine would be forgotten
decide(orders, judged);
// @ts-expect-error whether there are arguments is said, not left out: a listing and a call are two questions
decide(orders, { server: 'x', principal: { name: 'x' }, target: { kind: 'tool', name: 'x' } }, facts);
// @ts-expect-error a listing is trimmed by the same facts
narrow(orders, call, { kind: 'result', text: '{}' as never });
// @ts-expect-error a condition has three answers, and none of them is true
const _met: boolean = holds;
// @ts-expect-error a denial asks nobody
void decision.asking;
// @ts-expect-error orders are replaced, never edited
orders.grants = [];
// @ts-expect-error nor is a condition
condition.optional = true;
