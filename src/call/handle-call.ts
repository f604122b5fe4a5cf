import { stillBound } from '../domain/binding.ts';
import type { Arrival, Call } from '../domain/call.ts';
import type { Principal } from '../domain/caller.ts';
import type { Answer } from '../domain/message.ts';
import type { CleanAnswer, Outcome } from '../domain/outcome.ts';
import { Fault } from '../domain/faults.ts';
import { decide } from '../policy/decide.ts';
import { narrow } from '../policy/narrow.ts';
import type { DataPlane, Trail } from './data-plane.ts';
import { attempt } from './attempt.ts';
import { wrongArguments } from './check-arguments.ts';
import { checkHeaders } from './check-headers.ts';
import { refusedQuestion } from './handle-questions.ts';
import { cleanText } from './clean-text.ts';
import { carryOutHere, endsHere } from './ends-here.ts';
import { judgedOf, nameCall, opensSession } from './name-call.ts';

/** The life of a call. Read this first. */
export async function handleCall(arrival: Arrival, plane: DataPlane): Promise<Outcome> {
  const trail = plane.audit.open(arrival);
  const outcome = worded(await carryOut(arrival, plane, trail), plane);
  trail.close(outcome);
  return outcome;
}

/** What cannot be worded without its secrets is not said, and is on record all the same. */
function worded(outcome: Outcome, plane: DataPlane): Outcome {
  try {
    return cleanly(outcome, plane);
  } catch (reason) {
    return { kind: 'failed', fault: Fault.from(reason) };
  }
}

async function carryOut(arrival: Arrival, plane: DataPlane, trail: Trail): Promise<Outcome> {
  try {
    const principal = plane.callers.identify(arrival.credentials);
    trail.identified(principal);
    const session = plane.sessions.resolve(principal, arrival);
    const named = plane.rounds.resume(nameCall(arrival, principal, session, plane.tasks));
    plane.inFlight.add(named);
    let leave: (() => void) | undefined;
    try {
      const orders = plane.orders.current();
      // What the policy takes out of a call is gone before anybody decides, so that what was decided is what goes out.
      // Most steps are done at once; to wait for them all the same would cost each call a turn, and its place in the line.
      const looked = plane.redactor.inward(orders, named);
      const inward = looked instanceof Promise ? await looked : looked;
      if (plane.orders.current() !== orders) throw new Fault('ORDERS_CHANGED');
      const call = inward.kind === 'clean' ? inward.call : named;
      trail.named(call);
      trail.found('in', inward.found);

      const judged = judgedOf(call);
      let decision = decide(orders, judged, plane.facts);
      const waking =
        decision.kind !== 'deny' && usesTool(call) ? plane.fleet.hold(call.server, call.halt) : undefined;
      if (waking !== undefined) {
        // Nobody knew what a server offers that slept: what the tool wants, whether it is still what was pinned, what a yes to it
        // is a yes to. And it must not fall asleep while a person thinks: the yes would be to a child that is gone.
        leave = await waking;
        if (plane.orders.current() !== orders) throw new Fault('ORDERS_CHANGED');
        decision = decide(orders, judged, plane.facts);
      }
      trail.decided(decision, orders);
      if (decision.kind === 'deny') return { kind: 'refused', why: decision, target: call.target };
      if (inward.kind === 'blocked') return { kind: 'refused', why: inward.why, target: call.target };

      // The headers repeat what the caller wrote, and not what the policy made of it.
      checkHeaders(named, plane);
      const wrong = wrongArguments(call, orders, plane);
      if (wrong !== undefined) return { kind: 'refused', why: wrong, target: call.target };
      // Limits before the question: otherwise a flood of calls becomes a flood of prompts, and a tired person says yes.
      const goesOn = plane.gate.continues(call, decision, orders);
      const charging = plane.limits.charge(orders, call, decision, goesOn);
      const charge = charging instanceof Promise ? await charging : charging;
      if (charge.kind === 'exhausted') return { kind: 'refused', why: charge, target: call.target };
      try {
        const binding = decision.kind === 'confirm' ? plane.fleet.bindingOf(call) : '';
        // One yes is for one call, in however many rounds it is made; in a round under another rule it is none.
        const agreed = call.approved?.rule === decision.rule ? call.approved : undefined;
        const asking = agreed ?? plane.gate.ask(call, decision, orders);
        const consent = asking instanceof Promise ? await asking : asking;
        if (consent.kind === 'awaiting')
          return { kind: 'awaiting', answer: cleanAnswer(consent.answer, plane) };
        if (consent.kind !== 'approved') return { kind: 'declined', why: consent, target: call.target };

        // A yes was given under these orders, for this definition of the tool, in this child. Any of them may have changed
        // while a person was thinking or the call stood in a line; the fleet asks `stands` in the same breath as it writes.
        const stands = () => {
          // The credential may have been taken away or have run out as well; then this throws, and the caller signs in again.
          plane.callers.identify(arrival.credentials);
          const now = plane.orders.current();
          // Also under the same orders: a grant runs out, a link is turned, a tool goes into quarantine.
          const again = decide(now, judged, plane.facts);
          if (decision.kind === 'allow') return again.kind === 'allow';
          // Whoever waits until the rule that wants one yes is over must not get past the one that wants two.
          if (again.kind === 'deny' || (again.kind === 'confirm' && again.rule !== decision.rule))
            return false;
          return now === orders && stillBound(binding, plane.fleet.bindingOf(call));
        };
        const grounds = {
          call,
          permit: decision,
          receipt: charge,
          approval: consent,
          ordersVersion: orders.version,
          stands,
        };
        if (endsHere(call, plane)) {
          const pass = await trail.commit({ ...grounds, attempt: 1 });
          carryOutHere(pass.spend(), plane);
          return { kind: 'accepted' };
        }

        const sent = await attempt(grounds, orders, plane, trail);
        if (sent.kind === 'exhausted') return { kind: 'refused', why: sent, target: call.target };
        const { answer } = sent;
        if (answer === undefined) return { kind: 'accepted' };
        const refusal = refusedQuestion(call, answer, plane);
        if (refusal !== undefined) return { kind: 'refused', why: refusal, target: call.target };
        plane.pins.saw(call, answer);
        const own = plane.tasks.claim(call, answer);
        const narrowed = narrow(plane.orders.current(), call, own, plane.facts);
        const trimmed = plane.rounds.pause(call, narrowed, { ...consent, rule: decision.rule });
        const opened = opensSession(call) ? plane.sessions.agree(call, trimmed) : undefined;
        const cleaning = plane.redactor.outward(orders, call, trimmed);
        const outward = cleaning instanceof Promise ? await cleaning : cleaning;
        trail.found('out', outward.found);
        if (outward.kind === 'blocked') {
          // Nobody is told its id, so nobody could use it or end it.
          if (opened !== undefined) plane.sessions.disown(opened);
          return { kind: 'refused', why: outward.why, target: call.target };
        }
        return { kind: 'answered', answer: outward.answer, opened };
      } finally {
        charge.done();
      }
    } finally {
      leave?.();
      plane.inFlight.remove(named);
    }
  } catch (reason) {
    return { kind: 'failed', fault: Fault.from(reason) };
  }
}

function usesTool({ message, target }: Call): boolean {
  return message.kind === 'request' && target.kind === 'tool';
}

/** What we say of our own goes to the caller, too, and may quote what a server or an operator wrote. */
function cleanly(outcome: Outcome, plane: DataPlane): Outcome {
  if (outcome.kind === 'refused' && outcome.why.kind === 'deny')
    return { ...outcome, why: { ...outcome.why, reason: cleanText(outcome.why.reason, plane) } };
  if (outcome.kind === 'declined' && 'reason' in outcome.why)
    return { ...outcome, why: { ...outcome.why, reason: cleanText(outcome.why.reason, plane) } };
  return outcome;
}

function cleanAnswer({ kind, text }: Answer, plane: DataPlane): CleanAnswer {
  return { kind, text: plane.redactor.clean(text) };
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
