import type { Decision } from '../domain/decision.ts';
import type { JsonText } from '../domain/message.ts';
import { encode, member, withMember } from '../protocol/codec.ts';

/** What a caller brings its ticket in: an argument beside the tool's own, which never reaches the server. */
export const ticketArgument = 'mcpd_ticket';

/** Whether a call would be answered with a ticket to come back with. */
export function asksByTicket(decision: Decision): boolean {
  return decision.kind === 'confirm' && decision.asking.channels.some(({ kind }) => kind === 'ticket');
}

/**
 * An entry of a listing whose tool may be given a ticket, everything else as it stands: many clients and models send no
 * argument that the schema does not know. Left alone where the tool has an argument of that name, or a schema that is none.
 */
export function withTicket(entry: JsonText): JsonText {
  const schema = member(entry, ['inputSchema']);
  if (!isObject(schema)) return entry;
  const properties = member(schema, ['properties']);
  if (
    properties !== undefined &&
    (!isObject(properties) || member(properties, [ticketArgument]) !== undefined)
  )
    return entry;
  return withMember(entry, ['inputSchema', 'properties', ticketArgument], described);
}

const described = encode({
  type: 'string',
  description:
    'Leave this out at first. If the answer gives you a ticket, make the same call again with the ticket here.',
});

function isObject(text: JsonText | undefined): text is JsonText {
  return text?.charCodeAt(0) === '{'.charCodeAt(0);
}
