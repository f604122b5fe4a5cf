import { Fault } from '../domain/faults.ts';
import type { JsonText, Message, RequestId } from '../domain/message.ts';
import {
  canonical,
  decodeUtf8,
  elements,
  errorText,
  readEnvelope,
  readId,
  readMessage,
  type Bounds,
} from '../protocol/codec.ts';
import { faultBody } from './trouble.ts';

/** One line of the client: messages to pass on, or the error that answers it. */
export type Heard =
  | { readonly kind: 'message'; readonly text: JsonText; readonly message: Message }
  /** Several messages in an array (2025-03-26 only; the daemon judges whether it may be). */
  | { readonly kind: 'batch'; readonly text: JsonText; readonly messages: readonly Message[] }
  | { readonly kind: 'unreadable'; readonly error: JsonText };

/** Reads one line. Never throws: what cannot be read is answered with the error that says so. */
export function hear(line: Buffer, bounds: Bounds): Heard {
  let text: string;
  try {
    text = decodeUtf8(line);
    const checked = canonical(text, bounds);
    if (!checked.startsWith('['))
      return { kind: 'message', text: checked, message: readMessage(checked, bounds) };
    const messages = elements(checked).map((element) => readMessage(element, bounds));
    if (messages.length === 0) throw new Fault('BAD_MESSAGE', { detail: 'an empty batch' });
    return { kind: 'batch', text: checked, messages };
  } catch (reason) {
    const { code } = Fault.from(reason);
    return { kind: 'unreadable', error: errorText(idOf(line, bounds), faultBody(code)) };
  }
}

/** A line that was too long to be read. */
export const tooLong: Heard = {
  kind: 'unreadable',
  error: errorText(undefined, faultBody('TOO_LARGE')),
};

/**
 * The id of a request that is JSON but no proper message, so that its sender need not wait for ever. Only of requests: the
 * id of a reply is the server's, and an error under it could pass for the answer to another request of the client's own.
 */
function idOf(line: Buffer, bounds: Bounds): RequestId | undefined {
  try {
    const { id, method } = readEnvelope(decodeUtf8(line), bounds);
    return id === undefined || method === undefined ? undefined : readId(id);
  } catch {
    // No readable id, so the error carries none (no MCP schema allows a null id).
    return undefined;
  }
}
