import type { Branch, HallSession } from '../callers/hall-sessions.ts';
import type { Arrival } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import { Halt } from '../domain/halt.ts';
import type { JsonText, Message } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import { objectOf } from '../protocol/codec.ts';
import { tellListsChanged } from './hall-news.ts';
import { here, type Ending, type HallPlane } from './hall-plane.ts';
import { voiceOf } from './hall-voice.ts';
import { handleCall } from './handle-call.ts';

/** A branch, or how it came that there is none. */
export type Entered = { readonly branch: Branch } | { readonly branch: undefined; readonly outcome: Outcome };

/**
 * Lets a message live the life of a call in the guest's branch to its server. Where there is no branch, the hall has the
 * outcome on its own record.
 */
export async function inBranch(arrival: Arrival, guest: HallSession, plane: HallPlane): Promise<Ending> {
  const ending = await once(arrival, guest, plane);
  const { outcome, record } = ending;
  if (record === 'here' || outcome.kind !== 'failed' || outcome.fault.code !== 'UNKNOWN_SESSION')
    return ending;
  // The server forgot the session, perhaps because its configuration changed. It was sent nothing, so that to begin anew does
  // nothing twice.
  const lost = guest.branch(arrival.server);
  if (lost !== undefined) guest.close(lost);
  return once({ ...arrival, id: `${arrival.id}/again` }, guest, plane);
}

async function once(arrival: Arrival, guest: HallSession, plane: HallPlane): Promise<Ending> {
  const entered = await enter(arrival, guest, plane);
  if (entered.branch === undefined) return here(entered.outcome);
  const outcome = await handleCall({ ...arrival, sessionId: entered.branch.session.id }, plane.data);
  return { outcome, record: 'there' };
}

/**
 * The guest's branch to a server, opened when it is first needed and again when it was lost. Rejects with `CANCELLED` when
 * the wait is halted; the opening goes on, for whoever comes next.
 */
export async function enter(arrival: Arrival, guest: HallSession, plane: HallPlane): Promise<Entered> {
  const { server, halt } = arrival;
  const branch = guest.branch(server);
  if (branch !== undefined) return { branch };
  const opening = guest.opening(server, () => open(arrival, guest, plane));
  const halted = new Promise<never>((_, reject) =>
    halt.listen((reason) => reject(new Fault('CANCELLED', { detail: reason }))),
  );
  try {
    return await Promise.race([opening, halted]);
  } finally {
    halt.unlisten();
  }
}

/** The handshake that the client made with the hall, made with one server: its own words, its own credential. */
async function open(arrival: Arrival, guest: HallSession, plane: HallPlane): Promise<Entered> {
  const { data, attach } = plane;
  const { server } = arrival;
  const voice = voiceOf(server, guest, data.sessions.standing(guest.session), data);
  const say = (step: string, message: Message, sessionId?: string) =>
    handleCall(
      {
        ...arrival,
        id: `${arrival.id}/${step}`,
        sessionId,
        message,
        outlet: voice,
        // Not the halt of whoever came first: others wait for this as well.
        halt: new Halt(),
        mirror: undefined,
      },
      data,
    );
  const hello = await say('open', request('initialize', guest.greeting));
  if (hello.kind !== 'answered') return shut(hello);
  const { opened: session, answer } = hello;
  if (session === undefined)
    return shut({
      kind: 'failed',
      fault: new Fault('UPSTREAM_DOWN', { detail: `${server} refused to initialize` }),
    });
  const branch: Branch = { server, session, offers: offersIn(answer.text) };
  attach(session, { send: voice.send, close: () => guest.close(branch) });
  await say('ready', { kind: 'notice', method: 'notifications/initialized', params: undefined }, session.id);
  if (guest.logLevel !== undefined && branch.offers.has('logging'))
    await say('level', request('logging/setLevel', guest.logLevel), session.id);
  if (!guest.opened(branch)) return shut({ kind: 'failed', fault: new Fault('UNKNOWN_SESSION') });
  // A listing went out without it; the client has to hear that there is more now.
  if (guest.wasMissed(server)) tellListsChanged(guest, data);
  return { branch };
}

function request(method: string, params: JsonText): Message {
  return { kind: 'request', id: 'hall', method, params };
}

function shut(outcome: Outcome): Entered {
  return { branch: undefined, outcome };
}

function offersIn(greeting: JsonText): ReadonlySet<string> {
  const { capabilities } = objectOf(greeting);
  return new Set(
    typeof capabilities === 'object' && capabilities !== null && !Array.isArray(capabilities)
      ? Object.keys(capabilities)
      : [],
  );
}
