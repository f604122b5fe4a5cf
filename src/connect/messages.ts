import { Fault } from '../domain/faults.ts';
import type { JsonText } from '../domain/message.ts';
import {
  canonical,
  decodeUtf8,
  elements,
  readEnvelope,
  type Bounds,
  type Envelope,
} from '../protocol/codec.ts';
import { readEvents } from './events.ts';
import type { Mark } from './session.ts';
import { Trouble } from './trouble.ts';
import type { HttpReply } from './wire.ts';

/** What the daemon said at once: mostly one message; several in an array where a batch was asked. */
export type Said = { readonly text: JsonText; readonly envelopes: readonly Envelope[] };

/** For one message of the daemon's: a server's longest line by default, and room for what redaction may add. */
const answerBounds: Bounds = { bytesMax: 32 * 1024 * 1024, depthMax: 1024 };

/**
 * The messages in a reply of the daemon's, whether it came in one piece, in events or empty; moves the mark along. Throws a
 * `Trouble` for what breaks off, is no JSON, or is too large.
 */
export async function* messagesOf(reply: HttpReply, mark: Mark): AsyncGenerator<Said, void> {
  try {
    if (!reply.isStream) {
      const body = await wholeOf(reply.body);
      if (body.length === 0 && reply.status < 300) return;
      if (!reply.isJson) throw new Fault('NOT_JSON');
      yield saidIn(decodeUtf8(body));
      return;
    }
    for await (const { text, id, retryMs } of readEvents(reply.body, answerBounds.bytesMax)) {
      mark.id = id ?? mark.id;
      mark.retryMs = retryMs ?? mark.retryMs;
      if (text !== '') yield saidIn(text);
    }
  } catch (reason) {
    if (!(reason instanceof Fault)) throw reason;
    const { correlationId, status } = reply;
    const trouble = reason.code === 'TOO_LARGE' ? 'ANSWER_TOO_LARGE' : 'GARBLED';
    throw new Trouble(trouble, { correlationId, cause: reason, detail: `HTTP status ${status}` });
  }
}

function saidIn(text: string): Said {
  const checked = canonical(text, answerBounds);
  const single = checked.startsWith('[') ? elements(checked) : [checked];
  return { text: checked, envelopes: single.map((it) => readEnvelope(it, answerBounds)) };
}

async function wholeOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > answerBounds.bytesMax) throw new Fault('TOO_LARGE', { detail: 'an answer' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
