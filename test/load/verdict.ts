/** One call, and what its session may hear about it. */
export type Expected = {
  /** As it is written in JSON; so is the token. */
  readonly id: string;
  readonly token: string;
  /** Names this call and no other; begins with the name of its session. */
  readonly nonce: string;
  readonly notes: number;
};

export type Verdict =
  | 'answer'
  | 'note'
  /** A log line of the session's own. */
  | 'log'
  /** The call was stopped, as its session wished. */
  | 'cancelled'
  /** It holds another session's nonce, or another call's where only one's own belongs. */
  | 'foreign'
  /** Anything else: an error, a wrong id, a note too many. */
  | 'odd';

/** Every nonce looks like this, so that none can be part of another. */
export const nonceOf = (session: number, lane: number, turn: number): string =>
  `<${session}:${lane}:${turn}>`;

const nonces = /<(\d+):\d+:\d+>/g;

/** What a message that came for a call is. `noteNumber`: how many notes came before it. */
export function judge(text: string, expected: Expected, noteNumber: number): Verdict {
  const { id, token, nonce, notes } = expected;
  // Compared as texts: that is exact, and a million messages need no parser.
  if (text === `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"${nonce}"}]}}`)
    return 'answer';
  if (
    text ===
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":${noteNumber + 1},"message":"${nonce}"}}`
  )
    return noteNumber < notes ? 'note' : 'odd';
  if (text.startsWith('{"jsonrpc":"2.0","method":"notifications/message",')) return judgeLoose(text, nonce);
  if ([...text.matchAll(nonces)].some(([it]) => it !== nonce)) return 'foreign';
  return text.startsWith(`{"jsonrpc":"2.0","id":${id},"error":{"code":1499,`) ? 'cancelled' : 'odd';
}

/** What a message is that names no call: a log line, or anything on the standing stream. */
export function judgeLoose(text: string, ownNonce: string): Verdict {
  const session = ownNonce.slice(1, ownNonce.indexOf(':'));
  const found = [...text.matchAll(nonces)];
  if (found.some(([, whose]) => whose !== session)) return 'foreign';
  const isLog = text.startsWith('{"jsonrpc":"2.0","method":"notifications/message",');
  return isLog && found.length === 1 ? 'log' : 'odd';
}
