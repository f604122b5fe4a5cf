import type { Call } from './call.ts';
import type { Approval, Permit, Receipt } from './decision.ts';
import { Fault } from './faults.ts';

/** Everything that must be so before a call goes out. All four, or it does not compile. */
export type Grounds = {
  readonly call: Call;
  readonly permit: Permit;
  readonly receipt: Receipt;
  readonly approval: Approval;
  /** Version of the orders the decision was made under. */
  readonly ordersVersion: string;
  /** Which try this is, where a call that failed on the way is made again: 1, 2, … */
  readonly attempt: number;
  /** Whether the decision still holds now. Asked at the last moment, because a call may have waited in a line. */
  readonly stands: () => boolean;
};

/**
 * Leave to forward one call, once. `audit/trail.ts` issues it when the grounds are written down; `fleet/` spends it
 * with the same breath as it writes to the child, so that a kill switch thrown meanwhile is obeyed.
 */
export class Pass {
  readonly grounds: Grounds;
  #spent = false;

  private constructor(grounds: Grounds) {
    this.grounds = grounds;
  }

  /** Only the trail may call this; `test/architecture.test.ts` holds it to that. */
  static issue(grounds: Grounds): Pass {
    return new Pass(grounds);
  }

  get call(): Call {
    return this.grounds.call;
  }

  /** Throws `ORDERS_CHANGED` when the decision no longer stands, `CANCELLED` when the call was stopped. */
  spend(): Call {
    if (this.#spent) throw new Fault('BUG', { detail: 'a pass was spent twice' });
    this.#spent = true;
    const { call, stands } = this.grounds;
    if (call.halt.reason !== undefined) throw new Fault('CANCELLED', { detail: call.halt.reason });
    if (!stands()) throw new Fault('ORDERS_CHANGED', { detail: 'the policy changed while the call waited' });
    return call;
  }
}
