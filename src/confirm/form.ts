import type { Call } from '../domain/call.ts';
import type { Answer, Json, JsonObject, JsonText } from '../domain/message.ts';
import { encode, objectOf } from '../protocol/codec.ts';
import { metaKeys, metaOf } from '../protocol/era.ts';

/** The methods whose answer may be a question (2026-07-28, multi round-trip requests). */
const mayBeAnswered: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** Why the caller's own user cannot be asked about a call; undefined where that is possible. */
export function whyNotAskable(call: Call): string | undefined {
  const { session, params, message } = call;
  if (message.kind !== 'request') return 'only a request can be asked about';
  const declared = session.agreed?.clientCapabilities.includes('elicitation') === true;
  if (session.era === 'legacy') return declared ? undefined : undeclared;
  if (!mayBeAnswered.has(message.method))
    return `in this revision of the protocol nobody can be asked about ${message.method}`;
  return declared && showsForms(metaOf(params)[metaKeys.capabilities]) ? undefined : undeclared;
}

const undeclared =
  'your client did not say that it can put a question to its user (the capability "elicitation"): use one that can';

/** `elicitation: {}` means forms; a client that names modes must name this one (2025-11-25 client/elicitation). */
function showsForms(capabilities: Json | undefined): boolean {
  const elicitation = isObject(capabilities) ? capabilities['elicitation'] : undefined;
  if (!isObject(elicitation)) return false;
  return Object.hasOwn(elicitation, 'form') || !Object.hasOwn(elicitation, 'url');
}

/** The `params` of an `elicitation/create`: one box to tick, and it is not ticked. */
export function formOf(message: string): JsonText {
  return encode({
    message,
    requestedSchema: {
      type: 'object',
      properties: {
        approve: {
          type: 'boolean',
          title: 'Let this call go out',
          description: 'Once, just as it is shown.',
        },
      },
      required: ['approve'],
    },
  });
}

/** What a user said to the form. `nothing`: the client did not put it to its user. */
export type Said = 'yes' | 'no' | 'nothing';

export function saidIn(answer: Answer): Said {
  if (answer.kind === 'error') return 'nothing';
  return answer.text.startsWith('{') ? said(objectOf(answer.text)) : 'no';
}

/** Only a ticked box is a yes; whatever else it is, is none. */
export function said(value: Json): 'yes' | 'no' {
  if (!isObject(value) || value['action'] !== 'accept') return 'no';
  const content = value['content'];
  return isObject(content) && content['approve'] === true ? 'yes' : 'no';
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
