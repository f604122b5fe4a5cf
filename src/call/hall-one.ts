import { Fault } from '../domain/faults.ts';
import type { Arrival, Call, Target } from '../domain/call.ts';
import type { Message } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import { decide } from '../policy/decide.ts';
import { encode, withMember } from '../protocol/codec.ts';
import { realName, takeApart, takeIdApart, takeUriApart, type Apart } from '../protocol/qualify.ts';
import { qualifyAnswer } from '../protocol/qualify-places.ts';
import type { DataPlane } from './data-plane.ts';
import { inBranch } from './hall-branch.ts';
import { here, type Ending, type HallPlane, type Visit } from './hall-plane.ts';
import { voiceOf } from './hall-voice.ts';
import { handleCall } from './handle-call.ts';

/** Takes a message to the one server that its target names, and names that server's things in the answer again. */
export async function toOne(visit: Visit, plane: HallPlane): Promise<Ending> {
  const { call, arrival, open } = visit;
  const aimed = aimOf(call, plane);
  if (aimed?.message === undefined || !open.includes(aimed.server))
    return unknown(visit, aimed?.server, plane);
  return passOn(aimed.server, { ...arrival, message: aimed.message }, visit, plane);
}

/** Lets a message live the life of a call at one server. */
export async function passOn(
  server: string,
  arrival: Arrival,
  { guest, call }: Visit,
  plane: HallPlane,
): Promise<Ending> {
  const { data } = plane;
  const to = { ...arrival, server, outlet: voiceOf(server, guest, arrival.outlet, data) };
  if (guest === undefined) return there(await handleCall(to, data), server, call, data);
  const { outcome, record } = await inBranch(to, guest, plane);
  return record === 'there' ? there(outcome, server, call, data) : here(aimedAt(outcome, call.target));
}

function there(outcome: Outcome, server: string, call: Call, data: DataPlane): Ending {
  return { outcome: named(outcome, server, call, data), record: 'there' };
}

/** An outcome as the hall's client may read it: a refusal speaks of what the client asked for, in the client's words. */
function named(outcome: Outcome, server: string, call: Call, data: DataPlane): Outcome {
  if (outcome.kind !== 'answered') return aimedAt(outcome, call.target);
  const { message } = call;
  if (message.kind !== 'request') return outcome;
  const answer = qualifyAnswer(server, message.method, outcome.answer);
  if (answer === outcome.answer) return outcome;
  return { ...outcome, answer: { kind: answer.kind, text: data.redactor.clean(answer.text) } };
}

function aimedAt(outcome: Outcome, target: Target): Outcome {
  return outcome.kind === 'refused' || outcome.kind === 'declined' ? { ...outcome, target } : outcome;
}

/** What is hidden, what was not chosen and what never was are one; what the operator switched off says so. */
function unknown({ call, off }: Visit, server: string | undefined, plane: HallPlane): Ending {
  const { principal, target } = call;
  const why =
    (server === undefined ? undefined : off.get(server)) ??
    decide(plane.data.orders.current(), { server: '', principal, target, args: undefined }, plane.data.facts);
  if (why.kind !== 'deny') throw new Fault('BUG', { detail: 'a server without a name' });
  return here({ kind: 'refused', why, target });
}

/** Which server a message is for, and the message as that server would have been sent it; undefined for a name it does not know. */
type Aimed = { readonly server: string; readonly message: Message | undefined };

function aimOf({ target, message }: Call, plane: HallPlane): Aimed | undefined {
  switch (target.kind) {
    case 'tool':
    case 'prompt':
      return rewritten(message, ['name'], takeApart(target.name), (apart) => real(apart, plane));
    case 'resource':
      return rewritten(message, ['uri'], takeUriApart(target.uri), rest);
    case 'completion':
      return target.of.kind === 'prompt'
        ? rewritten(message, ['ref', 'name'], takeApart(target.of.name), (apart) => real(apart, plane))
        : rewritten(message, ['ref', 'uri'], takeUriApart(target.of.uri), rest);
    case 'task':
      return rewritten(message, ['taskId'], takeIdApart(target.id), rest);
    default:
      return undefined;
  }
}

function rewritten(
  message: Message,
  path: readonly string[],
  apart: Apart | undefined,
  own: (apart: Apart) => string | undefined,
): Aimed | undefined {
  if (apart === undefined || message.kind !== 'request' || message.params === undefined) return undefined;
  const { server } = apart;
  const name = own(apart);
  if (name === undefined) return { server, message: undefined };
  return { server, message: { ...message, params: withMember(message.params, path, encode(name)) } };
}

function real(apart: Apart, plane: HallPlane): string | undefined {
  return realName(apart, namesOf(apart.server, plane));
}

/** Looked at only for a cut name. */
function* namesOf(server: string, { names, guests }: HallPlane): Iterable<string> {
  yield* names(server);
  yield* guests.learned(server);
}

function rest(apart: Apart): string {
  return apart.rest;
}
