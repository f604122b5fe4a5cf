import type { Exhausted } from '../domain/decision.ts';
import { Fault, type FaultCode } from '../domain/faults.ts';
import type { Answer } from '../domain/message.ts';
import type { Orders } from '../domain/orders.ts';
import type { Grounds } from '../domain/pass.ts';
import type { DataPlane, Trail } from './data-plane.ts';

type Sent = { readonly kind: 'sent'; readonly answer: Answer | undefined } | Exhausted;

/**
 * What says that a tool does not work. A caller's own fault or a call that was stopped says nothing, and neither does a full
 * line: with a flood of calls one caller could take the tool away from all the others.
 */
const failures: ReadonlySet<FaultCode> = new Set([
  'UPSTREAM_DOWN',
  'UPSTREAM_DIED',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_GARBLED',
]);

/**
 * Forwards a call, and again where the policy calls the tool idempotent and it failed on the way. Every try is on record
 * before it goes out, and has a pass of its own.
 */
export async function attempt(
  grounds: Omit<Grounds, 'attempt'>,
  orders: Orders,
  plane: DataPlane,
  trail: Trail,
): Promise<Sent> {
  const { call } = grounds;
  let failed: Fault | undefined;
  for (let number = 1; ; number++) {
    const resting = plane.breakers.admit(orders, call);
    if (resting !== undefined) {
      // A call that went out was not refused: its caller hears how it went.
      if (failed !== undefined) throw failed;
      return resting;
    }
    const pass = await trail.commit({ ...grounds, attempt: number });
    try {
      const answer = await plane.fleet.forward(pass);
      plane.breakers.went(orders, call, 'well');
      return { kind: 'sent', answer };
    } catch (reason) {
      failed = Fault.from(reason);
      if (failures.has(failed.code)) plane.breakers.went(orders, call, 'badly');
      const waitMs = plane.breakers.retryInMs(orders, call, number, failed);
      if (waitMs === undefined) throw failed;
      await plane.breakers.wait(call, waitMs);
    }
  }
}
