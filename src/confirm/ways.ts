import type { Call } from '../domain/call.ts';
import type { Asking } from '../domain/orders.ts';
import { whyNotAskable } from './form.ts';
import { nameOf } from './question.ts';

/** The longest text that a client shows whole in a dialog, as far as we trust it to; UTF-8 bytes. */
const formBytesMax = 16 * 1024;
/**
 * The longest that an operator is shown, and with it a bound of what one question takes of the control socket's line; UTF-8
 * bytes. As for webhooks: more than this nobody reads.
 */
const operatorBytesMax = 256 * 1024;
/** The longest that a model is made to read before it repeats a call; UTF-8 bytes. */
const ticketBytesMax = 64 * 1024;

/**
 * How an answer comes. `here`: the call waits for it. `answer`: the call is answered with the question, and comes again with
 * what its user said. `ticket`: it comes again with a ticket.
 */
export type Ways = {
  readonly by: 'here' | 'answer' | 'ticket';
  /** Names of the channels that are there for this call. */
  readonly channels: readonly string[];
};

/**
 * By which channels of a rule somebody can be asked about a call, or why by none. `shown`: what the caller's side would be
 * shown; `listed`: what an operator would be.
 */
export function waysFor(
  call: Call,
  asking: Asking,
  { shown, listed }: { readonly shown: () => string; readonly listed: () => string },
): Ways | { readonly obstacle: string } {
  const named = asking.channels.map(nameOf);
  const reasons: string[] = [];
  const caller = named.includes('caller') && usable(whyNotCaller(call, shown), reasons);
  const byTicket = !caller && named.includes('ticket') && usable(whyNoTicket(call, asking, shown), reasons);
  const byOperator = named.includes('operator') && usable(whyNotOperator(listed), reasons);
  const others = named.filter((name) => (name === 'operator' ? byOperator : isForOthers(name)));
  const channels = [...others, ...(caller ? ['caller'] : []), ...(byTicket ? ['ticket'] : [])];
  if (channels.length === 0)
    return { obstacle: reasons.length === 0 ? 'the rule names nobody to ask' : reasons.join('; ') };
  if (!couldSuffice(channels, asking.approvals))
    return {
      obstacle: `${asking.approvals} different approvers are needed, and only the caller's own user can be asked`,
    };
  const again = caller && call.session.era === 'modern' ? 'answer' : byTicket ? 'ticket' : 'here';
  return { by: again, channels };
}

/** Whether so many different approvers can still come by these channels: a caller has one user, an operator's desk has many. */
export function couldSuffice(channels: Iterable<string>, needed: number): boolean {
  let own = 0;
  for (const name of channels) {
    if (isForOthers(name)) return true;
    own = 1;
  }
  return needed <= own;
}

/** Whether a channel leads to somebody who is not the caller. */
export function isForOthers(name: string): boolean {
  return name !== 'caller' && name !== 'ticket';
}

function usable(why: string | undefined, reasons: string[]): boolean {
  if (why !== undefined) reasons.push(why);
  return why === undefined;
}

function whyNotCaller(call: Call, shown: () => string): string | undefined {
  return whyNotAskable(call) ?? whyTooLong(shown(), formBytesMax, 'your user');
}

function whyNotOperator(listed: () => string): string | undefined {
  return whyTooLong(listed(), operatorBytesMax, 'the operator');
}

function whyNoTicket(call: Call, asking: Asking, shown: () => string): string | undefined {
  if (call.message.kind !== 'request') return 'only a request can be made again with a ticket';
  // The model itself spends it: it stands for nobody's second look.
  if (asking.approvals > 1) return 'a ticket does not count where several approvers are needed';
  return whyTooLong(shown(), ticketBytesMax, 'you');
}

/** What cannot be shown whole is not shown: the end of it could be what matters. */
function whyTooLong(text: string, bytesMax: number, whom: string): string | undefined {
  const bytes = Buffer.byteLength(text);
  if (bytes <= bytesMax) return undefined;
  const orElse = bytesMax < operatorBytesMax ? ', or have the operator asked' : '';
  return `the call is too long to be shown to ${whom} (${bytes} bytes, at most ${bytesMax}): make it shorter${orElse}`;
}
