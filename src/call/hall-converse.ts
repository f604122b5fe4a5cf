import type { HallSession } from '../callers/hall-sessions.ts';
import { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { JsonText, Message } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import { encode, object, withMember } from '../protocol/codec.ts';
import { takeIdApart, takeTokenApart } from '../protocol/qualify.ts';
import { relatedTask, withApart } from '../protocol/qualify-places.ts';
import { askAll } from './hall-all.ts';
import { discovery, greeting } from './hall-greeting.ts';
import { reachableBy, tellListsChanged } from './hall-news.ts';
import { passOn } from './hall-one.ts';
import { here, type Ending, type HallPlane, type Visit } from './hall-plane.ts';
import { handleCall } from './handle-call.ts';

/** `initialize`: the hall answers for itself. The servers are greeted when they are first needed. */
export function welcome(visit: Visit, plane: HallPlane): Ending {
  const { call, arrival } = visit;
  const { data, guests } = plane;
  const text = data.redactor.clean(greeting(call.params['protocolVersion'], visit.open, plane.version));
  const session = data.sessions.agree(call, { kind: 'result', text });
  if (session === undefined) throw new Fault('BUG', { detail: 'a session that does not stand' });
  const said = call.message.kind === 'request' ? call.message.params : undefined;
  const guest = guests.begin(session, said ?? object([]));
  const place = { principal: call.principal, hall: arrival.server };
  guest.watcher = {
    ...place,
    known: reachableBy(place, plane),
    changed: () => tellListsChanged(guest, data),
  };
  guests.watch(guest.watcher);
  return here({ kind: 'answered', answer: { kind: 'result', text }, opened: session });
}

type Turn = (visit: Visit, plane: HallPlane) => Ending | Promise<Ending>;

/** What belongs to the conversation itself. What is not here cannot be said in the hall. */
const turns: ReadonlyMap<string, Turn> = new Map<string, Turn>([
  ['ping', (_, plane) => said(object([]), plane)],
  ['server/discover', ({ open }, plane) => said(discovery(open, plane.version), plane)],
  ['logging/setLevel', setLevel],
  ['notifications/initialized', () => here(accepted)],
  ['notifications/roots/list_changed', rootsChanged],
  ['notifications/cancelled', cancel],
  ['notifications/progress', progress],
  ['reply', reply],
]);

export function converse(visit: Visit, method: string, plane: HallPlane): Ending | Promise<Ending> {
  const turn = turns.get(method);
  if (turn === undefined) throw new Fault('UNKNOWN_METHOD', { detail: method });
  return turn(visit, plane);
}

const accepted: Outcome = { kind: 'accepted' };

function said(text: JsonText, { data }: HallPlane): Ending {
  const answer = { kind: 'result', text: data.redactor.clean(text) } as const;
  return here({ kind: 'answered', answer, opened: undefined });
}

/** Severities of RFC 5424 section 6.2.1, which the protocol names in its own words (2025-11-25 server/utilities/logging). */
const levels: ReadonlySet<unknown> = new Set([
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
]);

/** For the servers that are there, and for those that are met later. */
async function setLevel(visit: Visit, plane: HallPlane): Promise<Ending> {
  const { guest, call } = visit;
  const level = call.params['level'];
  if (!levels.has(level)) throw new Fault('BAD_PARAMS', { detail: 'no such level' });
  if (guest !== undefined) {
    guest.logLevel = encode({ level: level as string }); // It is one of the eight.
    await toBranches(visit, guest, plane, ({ offers }) => offers.has('logging'));
  }
  return said(object([]), plane);
}

async function rootsChanged(visit: Visit, plane: HallPlane): Promise<Ending> {
  if (visit.guest !== undefined) await toBranches(visit, visit.guest, plane, () => true);
  return here(accepted);
}

async function toBranches(
  { arrival }: Visit,
  guest: HallSession,
  plane: HallPlane,
  wants: (branch: ReturnType<HallSession['branches']>[number]) => boolean,
): Promise<void> {
  const branches = new Map(
    guest
      .branches()
      .filter(wants)
      .map((branch) => [branch.server, branch]),
  );
  await askAll([...branches.keys()], arrival.halt, plane, (server: string, halt: Halt) =>
    handleCall(
      {
        ...arrival,
        id: `${arrival.id}/${server}`,
        server,
        sessionId: branches.get(server)?.session.id,
        halt,
      },
      plane.data,
    ),
  );
}

/** Only the client's own requests have their ids in its own session. */
function cancel({ guest, call }: Visit): Ending {
  const { requestId } = call.params;
  if (typeof requestId === 'string' || typeof requestId === 'number') guest?.cancel(requestId);
  return here(accepted);
}

/** Progress of the client's on what a server asked it. */
function progress(visit: Visit, plane: HallPlane): Ending | Promise<Ending> {
  const { call, guest } = visit;
  const { message } = call;
  const { progressToken } = call.params;
  const apart = typeof progressToken === 'string' ? takeTokenApart(progressToken) : undefined;
  if (apart === undefined || message.kind !== 'notice' || message.params === undefined) return here(accepted);
  const params = withMember(message.params, ['progressToken'], apart.token);
  return toBranch(apart.server, { ...message, params }, visit, guest, plane);
}

/** An answer to a server's question goes to who asked, and to nobody when this client was not asked. */
function reply(visit: Visit, plane: HallPlane): Ending | Promise<Ending> {
  const { guest, call } = visit;
  const { message } = call;
  if (message.kind !== 'reply') return here(accepted);
  const server = guest?.whoAsked(message.id);
  if (server === undefined) return here(accepted);
  const { answer } = message;
  const text = withApart(answer.text, relatedTask, (id) => {
    const apart = takeIdApart(id);
    return apart?.server === server ? apart.rest : undefined;
  });
  return toBranch(server, { ...message, answer: { ...answer, text } }, visit, guest, plane);
}

function toBranch(
  server: string,
  message: Message,
  visit: Visit,
  guest: HallSession | undefined,
  plane: HallPlane,
): Ending | Promise<Ending> {
  if (guest?.branch(server) === undefined) return here(accepted);
  return passOn(server, { ...visit.arrival, message }, visit, plane);
}
