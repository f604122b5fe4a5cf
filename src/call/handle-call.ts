import type { Arrival } from '../domain/call.ts';
import type { Principal } from '../domain/caller.ts';
import type { Outcome } from '../domain/outcome.ts';
import { Fault } from '../domain/faults.ts';
import { decide } from '../policy/decide.ts';
import { narrow } from '../policy/narrow.ts';
import type { DataPlane, Trail } from './data-plane.ts';
import { checkHeaders } from './check-headers.ts';
import { refusedQuestion } from './handle-questions.ts';
import { cancelsAnother, nameCall, opensSession } from './name-call.ts';

/** The life of a call. Read this first. */
export async function handleCall(arrival: Arrival, plane: DataPlane): Promise<Outcome> {
  const trail = plane.audit.open(arrival);
  const outcome = await carryOut(arrival, plane, trail);
  trail.close(outcome);
  return outcome;
}

async function carryOut(arrival: Arrival, plane: DataPlane, trail: Trail): Promise<Outcome> {
  try {
    const principal = plane.callers.identify(arrival.credentials);
    trail.identified(principal);
    const session = plane.sessions.resolve(principal, arrival);
    const call = plane.rounds.resume(nameCall(arrival, principal, session, plane.tasks));
    trail.named(call);

    plane.inFlight.add(call);
    try {
      const orders = plane.orders.current();
      const decision = decide(orders, call);
      trail.decided(decision, orders);
      if (decision.kind === 'deny') return { kind: 'refused', why: decision, target: call.target };

      checkHeaders(call, plane);
      // Limits before the question: otherwise a flood of calls becomes a flood of prompts, and a tired person says yes.
      const charge = plane.limits.charge(orders, call, decision);
      if (charge.kind === 'exhausted') return { kind: 'refused', why: charge, target: call.target };

      // One yes is for one call, in however many rounds it is made.
      const consent = call.approved ?? (await plane.gate.ask(call, decision));
      if (consent.kind !== 'approved') return { kind: 'declined', why: consent, target: call.target };

      // A yes was given under these orders. Someone may have changed them while a person was thinking, or while the call
      // stands in a line; the fleet asks `stands` in the same breath as it writes.
      const stands = () =>
        plane.orders.current() === orders ||
        (decision.kind === 'allow' && decide(plane.orders.current(), call).kind === 'allow');
      const pass = await trail.commit({
        call,
        permit: decision,
        receipt: charge,
        approval: consent,
        ordersVersion: orders.version,
        stands,
      });

      if (cancelsAnother(call)) {
        plane.inFlight.cancel(pass.spend());
        return { kind: 'accepted' };
      }

      const answer = await plane.fleet.forward(pass);
      if (answer === undefined) return { kind: 'accepted' };
      const refusal = refusedQuestion(call, answer, plane);
      if (refusal !== undefined) return { kind: 'refused', why: refusal, target: call.target };
      const own = plane.tasks.claim(call, answer);
      const trimmed = plane.rounds.pause(call, narrow(plane.orders.current(), call, own), consent);
      const opened = opensSession(call) ? plane.sessions.agree(call, trimmed) : undefined;
      return {
        kind: 'answered',
        answer: { kind: trimmed.kind, text: plane.redactor.clean(trimmed.text) },
        opened,
      };
    } finally {
      plane.inFlight.remove(call);
    }
  } catch (reason) {
    return { kind: 'failed', fault: Fault.from(reason) };
  }
}

/**
 * A message that could not be read: there is nothing to decide, but it is on record who sent it. Never throws for the
 * reason it reports.
 */
export function refuseUnread(
  arrival: Arrival,
  principal: Principal | undefined,
  fault: Fault,
  plane: DataPlane,
): void {
  const trail = plane.audit.open(arrival);
  if (principal !== undefined) trail.identified(principal);
  trail.close({ kind: 'failed', fault });
}

/** Something a caller does that holds no message. Throws `AUDIT_UNAVAILABLE`, and then it must not be done. */
export function noteVisit(arrival: Arrival, principal: Principal, plane: DataPlane): void {
  const trail = plane.audit.open(arrival);
  trail.identified(principal);
  trail.close({ kind: 'accepted' });
}
