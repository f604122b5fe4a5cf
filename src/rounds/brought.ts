import type { BroughtConsent, Call } from '../domain/call.ts';
import type { Answer, Json, JsonObject, JsonText } from '../domain/message.ts';
import { encode, member, object, withMember, withoutMember } from '../protocol/codec.ts';

/** Under which a client of the modern era is asked for its user's yes. */
const questionKey = 'mcpd-confirm';
/** The argument in which a model brings a ticket, and the member of `_meta` in which a program does. */
const ticketArgument = 'mcpd_ticket';
const ticketMeta = 'mcpd/ticket';
/** As `confirm/ticket.ts` spells them. Anything else under that name is an argument of the tool's own. */
const ticketShape = /^mcpd-ticket-[0-9a-f]{32}$/;

/** A call without the ticket that it brings: no rule, schema or server ever sees one. The same call where it brings none. */
export function takeTicket(call: Call): Call {
  const { message, target } = call;
  if (message.kind !== 'request' || message.params === undefined) return call;
  const hasArguments = target.kind === 'tool' || target.kind === 'prompt';
  const argument = hasArguments ? ticketAt(call, 'arguments', ticketArgument) : undefined;
  const meta = ticketAt(call, '_meta', ticketMeta);
  const ticket = argument ?? meta;
  if (ticket === undefined) return call;
  let bare = call;
  if (argument !== undefined) bare = without(bare, 'arguments', ticketArgument);
  if (meta !== undefined) bare = without(bare, '_meta', ticketMeta);
  return { ...bare, consent: { kind: 'ticket', ticket } };
}

function ticketAt({ params }: Call, place: string, name: string): string | undefined {
  const within = params[place];
  if (!isObject(within) || !Object.hasOwn(within, name)) return undefined;
  const ticket = within[name];
  return typeof ticket === 'string' && ticketShape.test(ticket) ? ticket : undefined;
}

/** The call with one member of `params.<place>` gone, in what it means and in what it says. */
function without(call: Call, place: string, name: string): Call {
  const { message, params } = call;
  const within = params[place];
  if (message.kind !== 'request' || message.params === undefined || !isObject(within)) return call;
  const { [name]: _taken, ...kept } = within;
  const said = member(message.params, [place]);
  const text = said === undefined ? encode(kept) : withoutMember(said, name);
  return {
    ...call,
    params: { ...params, [place]: kept },
    message: { ...message, params: withMember(message.params, [place], text) },
  };
}

/** What the client's user said to our question, as the client puts it; undefined: nothing. */
export function answerIn({ params }: Call): Json | undefined {
  const responses = params['inputResponses'];
  return isObject(responses) && Object.hasOwn(responses, questionKey) ? responses[questionKey] : undefined;
}

export function consentOf(mark: string, said: Json | undefined): BroughtConsent {
  return { kind: 'answer', mark, said };
}

/** The answer that asks a client of the modern era for its user's yes, without the state it carries. */
export function questionWith(params: JsonText): Extract<Answer, { kind: 'result' }> {
  const request = object([
    ['method', encode('elicitation/create')],
    ['params', params],
  ]);
  const text = object([
    ['resultType', encode('input_required')],
    ['inputRequests', object([[questionKey, request]])],
  ]);
  return { kind: 'result', text };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
