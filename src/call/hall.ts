import type { Arrival } from '../domain/call.ts';
import type { Message } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import { Fault } from '../domain/faults.ts';
import { decide } from '../policy/decide.ts';
import type { Trail } from './data-plane.ts';
import { whoIsIn } from './hall-choice.ts';
import { converse, welcome } from './hall-converse.ts';
import { listAll } from './hall-list.ts';
import { followAll } from './hall-listen.ts';
import { toOne } from './hall-one.ts';
import { here, type Ending, type HallPlane, type Visit } from './hall-plane.ts';
import { nameCall } from './name-call.ts';

/**
 * The life of a message in the hall, where all servers that a caller may see are shown as one. Read `handle-call.ts` first:
 * nothing is decided here that is decided there. The hall takes a message apart, lets each part live the life of a call at its
 * server, and puts what comes back together.
 */
export async function handleHall(arrival: Arrival, plane: HallPlane): Promise<Outcome> {
  const trail = plane.data.audit.open(arrival);
  const { outcome, record } = await carryOut(arrival, plane, trail);
  if (record === 'here') trail.close(outcome);
  return outcome;
}

async function carryOut(arrival: Arrival, plane: HallPlane, trail: Trail): Promise<Ending> {
  try {
    const { data, guests, profiles } = plane;
    const principal = data.callers.identify(arrival.credentials);
    trail.identified(principal);
    const orders = data.orders.current();
    const found = whoIsIn(arrival.server, principal, methodOf(arrival.message), orders, profiles, data.facts);
    const session = data.sessions.resolve(principal, arrival);
    const call = nameCall(arrival, principal, session, noTasks);
    trail.named(call);
    trail.decided(found.decision, orders);
    if (found.decision.kind === 'deny')
      return here({ kind: 'refused', why: found.decision, target: call.target });

    const isNew = session.era === 'legacy' && methodOf(call.message) === 'initialize';
    const guest = session.era === 'modern' || isNew ? undefined : guests.of(session);
    const visit = { arrival, call, open: found.open, off: found.off, guest };
    const ending = isNew ? welcome(visit, plane) : await once(visit, () => answer(visit, plane));
    const { outcome } = ending;
    if (outcome.kind === 'refused' && outcome.why.kind === 'deny') trail.decided(outcome.why, orders);
    return ending;
  } catch (reason) {
    return here({ kind: 'failed', fault: Fault.from(reason) });
  }
}

/** Who has a part in the answer. */
async function answer(visit: Visit, plane: HallPlane): Promise<Ending> {
  const { target, principal } = visit.call;
  switch (target.kind) {
    case 'tool':
    case 'prompt':
    case 'resource':
    case 'completion':
    case 'task':
      return toOne(visit, plane);
    case 'listing':
      return here(await listAll(visit, target.of, plane));
    case 'subscription':
      return here(await followAll(visit, target.uris, plane));
    case 'protocol':
      return converse(visit, target.method, plane);
    case 'upcall':
    case 'unknown': {
      const why = decide(
        plane.data.orders.current(),
        { server: '', principal, target, args: undefined },
        plane.data.facts,
      );
      if (why.kind !== 'deny') throw new Fault('BUG', { detail: 'an unknown method was allowed' });
      return here({ kind: 'refused', why, target });
    }
  }
}

/** A client's requests under way have each their own id, and can be cancelled by it. */
async function once({ call, guest }: Visit, go: () => Promise<Ending>): Promise<Ending> {
  const { message, halt } = call;
  if (guest === undefined || message.kind !== 'request') return go();
  guest.begin(message.id, halt);
  try {
    return await go();
  } finally {
    guest.done(message.id);
  }
}

function methodOf(message: Message): string {
  return message.kind === 'reply' ? 'reply' : message.method;
}

/** Which tool a task came of, its own server's ledger knows. */
const noTasks = { toolOf: () => undefined };
