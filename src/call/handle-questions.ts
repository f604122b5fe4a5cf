import type { Call } from '../domain/call.ts';
import type { Denial } from '../domain/decision.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import type { Upcall } from '../domain/upstream.ts';
import { decide } from '../policy/decide.ts';
import { harmful } from '../policy/question.ts';
import { elements, encode, member, members, object, objectOf, valueOf } from '../protocol/codec.ts';
import { fold } from '../protocol/look-alike.ts';
import { capabilityFor, methodToClient } from '../protocol/methods.ts';
import type { DataPlane } from './data-plane.ts';

/** Questions in one answer. */
const questionsMax = 64;

/**
 * Whether an answer asks its caller something that may not be asked. Each question is decided and put on record as if it had
 * come by itself; one that is denied refuses the whole answer, because the server would wait for it in every following round.
 */
export function refusedQuestion(call: Call, answer: Answer, plane: DataPlane): Denial | undefined {
  const asked = answer.kind === 'error' ? linksIn(answer.text) : questionsIn(call, answer);
  if (asked === undefined) return undefined;
  if (asked.length > questionsMax) return unreadable;
  const questions = asked.map(([key, text]) => questionIn(call, key, text));
  // Before any of them is on record as asked.
  if (questions.includes(undefined)) return unreadable;
  const orders = plane.orders.current();
  for (const question of questions as readonly Upcall[]) {
    const { message } = question;
    const target = { kind: 'upcall', method: message.method } as const;
    const decision =
      (answer.kind === 'result' ? undeclared(call, message.method) : undefined) ??
      harmful(message.method, objectOf(message.params)) ??
      decide(
        orders,
        { server: call.server, principal: call.principal, target, args: objectOf(message.params) },
        plane.facts,
      );
    plane.audit.upcall(question, call.session, decision, orders.version, decision.kind !== 'deny');
    if (decision.kind === 'deny') return refusalOf(message.method, decision);
  }
  return undefined;
}

const undeclaredRule = 'built-in: undeclared capability';

/** A server must not ask for what the client did not declare in this request (2026-07-28 basic/index, capabilities). */
function undeclared({ session }: Call, method: string): Denial | undefined {
  const needed = capabilityFor(method);
  if (needed === undefined || session.agreed?.clientCapabilities.includes(needed) === true) return undefined;
  return {
    kind: 'deny',
    rule: undeclaredRule,
    reason: 'The client did not declare that it can be asked this.',
    hidden: false,
  };
}

type Asked = readonly (readonly [key: string, text: JsonText])[];
const nonsense: Asked = [['', encode(null)]];

/** The questions in a result of the modern era (2026-07-28, multi round-trip requests; also in a task that waits for input). */
function questionsIn({ session }: Call, answer: Extract<Answer, { kind: 'result' }>): Asked | undefined {
  // What waits in a child of the legacy era was decided when the child asked.
  if (session.era === 'legacy' || answer.held !== undefined) return undefined;
  if (!answer.text.includes('"input_required"') && !answer.text.includes('"inputRequests":'))
    return undefined;
  const entries = members(answer.text);
  if (hasLookAlike(entries, ['inputRequests'])) return nonsense;
  const asked = entries.find(([key]) => key === 'inputRequests')?.[1];
  if (asked === undefined || asked === 'null') return undefined;
  // A list has entries, too, for a client that does not look closely.
  return asked.startsWith('{') ? members(asked) : nonsense;
}

/** The links that an error wants its caller to open first (2025-11-25 client/elicitation, URLElicitationRequiredError). */
function linksIn(error: JsonText): Asked | undefined {
  if (!error.includes('-32042') || Number(member(error, ['code'])) !== -32042) return undefined;
  const links = member(error, ['data', 'elicitations']);
  if (links?.startsWith('[') !== true) return nonsense;
  const method = encode('elicitation/create');
  return elements(links, questionsMax + 1).map((params, at): [string, JsonText] => [
    String(at),
    object([
      ['method', method],
      ['params', params],
    ]),
  ]);
}

function questionIn(call: Call, key: string, text: JsonText): Upcall | undefined {
  if (!text.startsWith('{')) return undefined;
  const entries = members(text);
  if (hasLookAlike(entries, ['method', 'params'])) return undefined;
  const { method, params } = Object.fromEntries(entries) as { method?: JsonText; params?: JsonText };
  if (method?.startsWith('"') !== true || (params !== undefined && !params.startsWith('{'))) return undefined;
  const name = valueOf(method) as string; // It began with a quote.
  return {
    server: call.server,
    audience: { kind: 'call', callId: call.id },
    message: { kind: 'request', id: key, method: name, params },
    callId: call.id,
    settle: () => undefined,
  };
}

/** A client that ignores case (Go's encoding/json) would be asked what stands under `InputRequests`, and nobody looked at that. */
function hasLookAlike(entries: Asked, names: readonly string[]): boolean {
  const folded = new Set(names.map(fold));
  return entries.some(([key]) => !names.includes(key) && folded.has(fold(key)));
}

function refusalOf(method: string, { rule }: Denial): Denial {
  // Of a method that nobody knows the name is the server's own word, and could be a secret of its.
  const named = methodToClient(method) === undefined ? 'something that MCP does not know' : method;
  return {
    kind: 'deny',
    rule,
    reason: `the server asked for ${named}, which the ${rule === undeclaredRule ? 'client did not declare' : 'policy does not allow'}.`,
    hidden: false,
  };
}

const unreadable: Denial = {
  kind: 'deny',
  rule: 'built-in: misplaced method',
  reason: 'the server asked for something that cannot be read.',
  hidden: false,
};
