import { payload, payloadOnTheWire } from './payload.ts';

/** What became of one call. `stray`: the reply carries a token or an id that this call did not send. */
export type Verdict =
  | { readonly kind: 'right' }
  | { readonly kind: 'stray'; readonly detail: string }
  | { readonly kind: 'error'; readonly detail: string };

/** What one call sent, and so what its reply must carry. */
export type Sent = { readonly id: number; readonly token: string };

/** What every reply of a scenario carries behind its token. */
export type Expected = { readonly text: string; readonly wire: Buffer };

type Message = {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly error?: { readonly code?: unknown; readonly message?: unknown };
  readonly result?: { readonly isError?: unknown; readonly content?: readonly { readonly text?: unknown }[] };
};

export const right: Verdict = { kind: 'right' };

const cutFrom = 4096;

/** Builds what replies of `bytes` bytes must carry, once. */
export function expecting(bytes: number): Expected {
  return { text: payload(bytes), wire: Buffer.from(payloadOnTheWire(bytes), 'latin1') };
}

/** Judges the messages that came back for one call. Every byte of the payload is compared. */
export function judge(messages: readonly Buffer[], sent: Sent, expected: Expected): Verdict {
  for (const bytes of messages) {
    const verdict =
      (expected.wire.length > cutFrom && judgeCut(bytes, sent, expected)) ||
      judgeWhole(bytes, sent, expected);
    if (verdict !== undefined) return verdict;
  }
  return { kind: 'error', detail: 'a reply without an answer' };
}

/**
 * Compares a large payload as bytes and parses only what stands around it: parsing a megabyte would cost the machine as
 * much as carrying it. Anything but a perfect reply is left to `judgeWhole`.
 */
function judgeCut(bytes: Buffer, sent: Sent, { wire }: Expected): Verdict | undefined {
  const begin = bytes.indexOf(sent.token) + sent.token.length + 1;
  const end = begin + wire.length;
  if (begin <= sent.token.length || end > bytes.length || wire.compare(bytes, begin, end) !== 0)
    return undefined;
  const rest = JSON.parse(bytes.toString('latin1', 0, begin - 1) + bytes.toString('utf8', end)) as Message;
  const whole =
    rest.id === sent.id && rest.result?.isError !== true && rest.result?.content?.[0]?.text === sent.token;
  return whole ? right : undefined;
}

/** `undefined`: a notification or a question, not an answer. */
function judgeWhole(bytes: Buffer, { id, token }: Sent, { text }: Expected): Verdict | undefined {
  const message = JSON.parse(bytes.toString()) as Message;
  if (message.method !== undefined) return undefined;
  if (message.error !== undefined) {
    return {
      kind: 'error',
      detail: `JSON-RPC ${String(message.error.code)}: ${String(message.error.message)}`,
    };
  }
  if (message.id !== id)
    return { kind: 'stray', detail: `id ${String(message.id)} came back for ${String(id)}` };
  const got = message.result?.content?.[0]?.text;
  if (got === `${token} ${text}` && message.result?.isError !== true) return right;
  const told = String(got).slice(0, 80);
  if (message.result?.isError === true) return { kind: 'error', detail: `tool error: ${told}` };
  if (typeof got === 'string' && got.startsWith(`${token} `))
    return { kind: 'error', detail: 'a damaged payload' };
  return { kind: 'stray', detail: `"${told}" came back for ${token}` };
}
