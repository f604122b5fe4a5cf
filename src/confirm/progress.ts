import type { Call } from '../domain/call.ts';
import type { JsonText, RequestId } from '../domain/message.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { encode, noticeText } from '../protocol/codec.ts';
import { metaOf } from '../protocol/era.ts';

/** Well below the 60 s after which common clients give up on a call that says nothing. */
const everyMs = 10_000;

export type ProgressParts = {
  readonly later: (afterMs: number, run: () => void) => () => void;
  readonly redact: (text: JsonText) => RedactedJson;
};

/**
 * Tells a caller that asked for progress that its call still waits: at once, and again from time to time. Gives the way to
 * stop it.
 *
 * Progress must increase (2025-11-25 basic/utilities/progress), and the server's own, which comes under the same token once the
 * call goes out, begins at 0. So ours stays below: −1, −1/2, −1/3, …
 */
export function tellWaiting(call: Call, message: string, { later, redact }: ProgressParts): () => void {
  const progressToken = tokenOf(call);
  if (progressToken === undefined) return () => undefined;
  let cancel = (): void => undefined;
  let told = 0;
  const tell = (): void => {
    const params = encode({ progressToken, progress: -1 / ++told, message });
    if (call.outlet.send(redact(noticeText('notifications/progress', params))) === 'gone') return;
    cancel = later(everyMs, tell);
  };
  tell();
  return () => cancel();
}

function tokenOf({ message, params }: Call): RequestId | undefined {
  if (message.kind !== 'request') return undefined;
  const { progressToken } = metaOf(params);
  return typeof progressToken === 'string' || Number.isSafeInteger(progressToken)
    ? (progressToken as RequestId)
    : undefined;
}
