/** A gate with a clock and timers of the test's own, and calls as the story hands them on. */
import { Gate, type GateParts } from '../../src/confirm/gate.ts';
import type { Posed } from '../../src/confirm/posing.ts';
import type { Question } from '../../src/confirm/question.ts';
import type { Call } from '../../src/domain/call.ts';
import type { Confirmation, Consent } from '../../src/domain/decision.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer, JsonObject, JsonText } from '../../src/domain/message.ts';
import type { Asking, Channel, Orders } from '../../src/domain/orders.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { encode, objectOf } from '../../src/protocol/codec.ts';
import { metaKeys } from '../../src/protocol/era.ts';

export const operator: Channel = { kind: 'operator' };
export const caller: Channel = { kind: 'caller' };
export const ticket: Channel = { kind: 'ticket' };
export const webhook = (name: string): Channel => ({ kind: 'webhook', name });

export function confirm(channels: readonly Channel[] = [operator], more: Partial<Asking> = {}): Confirmation {
  const asking = { channels, approvals: 1, answerWithinMs: 5000, leaseMsMax: 0, leaseSame: [], ...more };
  return { kind: 'confirm', rule: 'writes', record: [], rates: [], would: undefined, asking };
}

export const allow = {
  kind: 'allow',
  rule: 'reads',
  record: [],
  rates: [],
  would: undefined,
} as const;

export type Calling = {
  readonly who?: string;
  readonly era?: 'legacy' | 'modern';
  readonly session?: string;
  readonly server?: string;
  readonly method?: string;
  readonly tool?: string;
  readonly args?: JsonObject;
  readonly params?: JsonText;
  readonly meta?: JsonObject;
  readonly can?: readonly string[];
  readonly elicitation?: JsonObject;
  readonly gone?: boolean;
};

export type Made = Call & { readonly sent: JsonObject[] };

let made = 0;

/** A call, and everything that its caller is sent meanwhile. */
export function calling(how: Calling = {}): Made {
  const { who = 'alice', era = 'legacy', server = 'files', tool = 'write', can = ['elicitation'] } = how;
  const { method = 'tools/call', args = { token: 'sk-secret' } } = how;
  const principal = { name: who };
  const id = `call-${++made}`;
  const modernMeta = {
    [metaKeys.version]: '2026-07-28',
    [metaKeys.capabilities]: can.includes('elicitation') ? { elicitation: how.elicitation ?? {} } : {},
  };
  const meta = { ...(era === 'modern' ? modernMeta : {}), ...how.meta };
  const params =
    how.params ??
    encode({ name: tool, arguments: args, ...(Object.keys(meta).length > 0 ? { _meta: meta } : {}) });
  const sent: JsonObject[] = [];
  return {
    id,
    at: 0,
    remote: '',
    principal,
    session: {
      id: era === 'modern' ? id : (how.session ?? 's'),
      principal,
      server,
      era,
      agreed: { protocolVersion: '', client: { name: '', version: '' }, clientCapabilities: can },
    },
    server,
    target: { kind: 'tool', name: tool },
    message: { kind: 'request', id: 1, method, params },
    params: objectOf(params),
    userAgent: undefined,
    outlet: {
      send: (text) => {
        if (how.gone === true) return 'gone';
        sent.push(JSON.parse(text) as JsonObject);
        return 'sent';
      },
    },
    halt: new Halt(),
    mirror: undefined,
    resumes: undefined,
    sent,
  };
}

/** The form that a client of the legacy era was sent. */
export function formIn(call: Made): { id: string; params: { message: string; requestedSchema: JsonObject } } {
  const form = call.sent.find(({ method }) => method === 'elicitation/create');
  if (form === undefined) throw new Error('no form was sent');
  return form as unknown as ReturnType<typeof formIn>;
}

export const accepted = { action: 'accept', content: { approve: true } } as const;

/** What a client says to a form, in a message of its own. */
export function reply(
  to: Made,
  id: string,
  result: JsonObject | 'error' = accepted,
  how: Calling = {},
): Call {
  const answer: Answer =
    result === 'error'
      ? { kind: 'error', text: encode({ code: -1, message: 'no' }) }
      : { kind: 'result', text: encode(result) };
  const session = { who: to.principal.name, session: to.session.id, server: to.server };
  return {
    ...calling({ ...session, ...how }),
    target: { kind: 'protocol', method: 'reply' },
    message: { kind: 'reply', id, answer },
    params: {},
  };
}

export const orders = (version = 'v1'): Orders => ({ version, servers: new Map() }) as unknown as Orders;

export type Bench = ReturnType<typeof setUp>;

export function setUp(more: Partial<GateParts> = {}) {
  const clock = { now: 0, wall: 1_000_000 };
  const world = { version: 'v1', binding: 'digest@child' };
  const timers = new Map<() => void, number>();
  const asked: Question[] = [];
  const notified: [string, Question][] = [];
  const posed: Posed[] = [];
  const gate = new Gate({
    clock: { steadyMs: () => clock.now, wallMs: () => clock.wall },
    later: (afterMs, run) => {
      timers.set(run, clock.now + afterMs);
      return () => timers.delete(run);
    },
    redact: (text) => text.replaceAll('sk-secret', '[redacted]') as RedactedJson,
    bindingOf: () => world.binding,
    ordersVersion: () => world.version,
    pose: (_call, it) => {
      posed.push(it);
      return { kind: 'result', text: encode({ resultType: 'input_required', mark: it.mark }) };
    },
    notify: (question, name) => notified.push([name, question]),
    pendingMax: 100,
    onAsk: (question) => asked.push(question),
    ...more,
  });
  /** Lets time go by, and runs what is due. */
  const pass = (ms: number) => {
    clock.now += ms;
    clock.wall += ms;
    for (const [run, at] of [...timers]) if (at <= clock.now && timers.delete(run)) run();
  };
  const last = () => asked.at(-1) as Question;
  /** Asks under the orders in force. */
  const ask = (call: Call, permit: Confirmation) => gate.ask(call, permit, orders(world.version));
  /** What a call comes back with, when its user was asked. */
  const mark = () => (posed.at(-1) as Posed).mark;
  return { gate, clock, world, timers, asked, notified, posed, pass, last, ask, mark };
}

/** A modern call that comes again. */
export function again(call: Call, mark: string, result: JsonObject | undefined = accepted): Call {
  return { ...call, halt: new Halt(), consent: { kind: 'answer', mark, said: result } };
}

export function withTicket(call: Call, its: string): Call {
  return { ...call, halt: new Halt(), consent: { kind: 'ticket', ticket: its } };
}

export function awaitingIn(consent: Consent | Promise<Consent>): JsonObject {
  if (consent instanceof Promise || consent.kind !== 'awaiting')
    throw new Error('the call was not sent back');
  return objectOf(consent.answer.text);
}

export function ticketIn(consent: Consent | Promise<Consent>): string {
  const meta = awaitingIn(consent)['_meta'] as JsonObject;
  return meta['mcpd/ticket'] as string;
}

/** Whether a promise has settled, once everything that is due was run. */
export async function settled(promise: unknown): Promise<boolean> {
  let done = false;
  Promise.resolve(promise).then(
    () => (done = true),
    () => (done = true),
  );
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  return done;
}
