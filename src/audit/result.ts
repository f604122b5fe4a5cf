import type { Call } from '../domain/call.ts';
import type { Decision, Exhausted } from '../domain/decision.ts';
import type { JsonText } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import { elements, member } from '../protocol/codec.ts';
import { refusedByText } from './decided.ts';
import { payload } from './entry.ts';
import type { Outside } from './outside.ts';

/**
 * The members that say how a call ended; begins with a comma.
 *
 *   outcome    answered | accepted | refused | declined | awaiting | failed; see outcomes.ts
 *   error      why not: a fault code, a JSON-RPC code, or one of tool-error, denied, rate-limited, declined, expired, cannot-ask
 *   errorSide  whose move it is: caller, policy, upstream, mcpd
 *   records    how many entries were returned: content, contents, messages, values, or the entries of a listing
 */
export function outcomeText(
  outcome: Outcome,
  call: Call | undefined,
  decision: Decision | undefined,
  outside: Outside,
): string {
  switch (outcome.kind) {
    case 'answered':
      return answeredText(outcome.answer, call, outside);
    case 'accepted':
      return ',"outcome":"accepted"';
    // What the caller was given is not kept: it may hold a ticket, and a ticket is as good as a yes.
    case 'awaiting':
      return ',"outcome":"awaiting"';
    case 'refused': {
      const { why } = outcome;
      if (why.kind === 'exhausted') return exhaustedText(why, outside);
      const by = why === decision ? '' : refusedByText(why, outside);
      return `,"outcome":"refused","error":"denied","errorSide":"policy"${by}`;
    }
    case 'declined': {
      const { why } = outcome;
      const by = why.kind === 'declined' ? `,"declinedBy":${outside(why.by)}` : '';
      const reason = why.kind === 'expired' ? '' : `,"reason":${outside(why.reason)}`;
      return `,"outcome":"declined","error":"${why.kind}","errorSide":"policy"${by}${reason}`;
    }
    case 'failed': {
      const { fault } = outcome;
      // Why a sign-in failed is for the operator alone, and no detail of one holds what was presented.
      const reason =
        fault.code === 'UNAUTHENTICATED' && fault.detail !== undefined
          ? `,"reason":${outside(fault.detail)}`
          : '';
      return `,"outcome":"failed","error":"${fault.code}","errorSide":"${fault.side}"${reason}`;
    }
  }
}

function exhaustedText({ limit, retryInMs }: Exhausted, outside: Outside): string {
  // A wait without an end is no number in JSON; there is none to come back after.
  const wait = Number.isFinite(retryInMs) ? `,"retryInMs":${retryInMs}` : '';
  return `,"outcome":"refused","error":"rate-limited","errorSide":"policy","limit":${outside(limit)}${wait}`;
}

/** The payload of an answer, already redacted; begins with a comma, or is empty. */
export function resultPayload(outcome: Outcome): string {
  return outcome.kind === 'answered' ? payload('result', outcome.answer.text, asItIs) : '';
}

const asItIs = (text: string): string => text;

function answeredText(
  answer: { readonly kind: 'result' | 'error'; readonly text: JsonText },
  call: Call | undefined,
  outside: Outside,
): string {
  const bytes = `,"resultBytes":${Buffer.byteLength(answer.text)}`;
  if (answer.kind === 'error') {
    const code = member(answer.text, ['code'])?.slice(0, 20) ?? 'no code';
    return `,"outcome":"answered","error":${outside(code)},"errorSide":"upstream"${bytes}`;
  }
  const records = call === undefined ? undefined : recordsReturned(call, answer.text);
  const counted = records === undefined ? bytes : `${bytes},"records":${records}`;
  // The cheap look spares a walk through every large result.
  const failed = answer.text.includes('"isError":true') && member(answer.text, ['isError']) === 'true';
  return failed
    ? `,"outcome":"answered","error":"tool-error","errorSide":"upstream"${counted}`
    : `,"outcome":"answered"${counted}`;
}

/** Method → the member of its result that holds what was asked for. */
const entriesOf: ReadonlyMap<string, readonly string[]> = new Map([
  ['tools/call', ['content']],
  ['resources/read', ['contents']],
  ['prompts/get', ['messages']],
  ['completion/complete', ['completion', 'values']],
  ['tools/list', ['tools']],
  ['resources/list', ['resources']],
  ['resources/templates/list', ['resourceTemplates']],
  ['prompts/list', ['prompts']],
]);

function recordsReturned(call: Call, text: JsonText): number | undefined {
  const path = call.message.kind === 'request' ? entriesOf.get(call.message.method) : undefined;
  const found = path === undefined ? undefined : member(text, path);
  return found?.startsWith('[') === true ? elements(found).length : undefined;
}
