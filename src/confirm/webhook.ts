import { randomBytes } from 'node:crypto';
import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Answered, Verdict } from './gate.ts';
import type { Question } from './question.ts';
import { readWebhookAnswer, type WebhookAnswer } from './webhook-answer.ts';
import { questionBody } from './webhook-question.ts';
import { sign, toleranceMs, verify, type Headers, type SignedHeaders } from './webhook-signature.ts';

/** A chat or ticket system that is asked, as the policy has it now, with its secret resolved. */
export type Hook = { readonly url: string; readonly key: Buffer };

/** One question on its way out. */
export type Parcel = {
  readonly webhook: string;
  readonly url: string;
  readonly body: Buffer;
  /** Signed for the moment it is sent; the id is the same for every try. */
  readonly headersAt: (wallMs: number) => SignedHeaders;
  /** Wall clock, milliseconds since 1970: nobody can answer after this. */
  readonly untilMs: number;
  /** To be called once, when it cannot be delivered. */
  readonly failed: (why: string) => void;
};

export type WebhooksParts = {
  readonly clock: Clock;
  readonly hookOf: (name: string) => Hook | undefined;
  /** Takes a question to its webhook. Must not throw, and must not say `failed` before it returns. */
  readonly post: (parcel: Parcel) => void;
  readonly gate: {
    readonly answer: (id: string, verdict: Verdict) => Answered;
    readonly unreachable: (id: string, webhook: string, reason: string) => void;
  };
  /** Puts an answer on the journal. Rejects with `AUDIT_UNAVAILABLE`. */
  readonly record: (record: {
    readonly by: string;
    readonly command: string;
    readonly args: readonly string[];
    readonly result: string;
  }) => Promise<void>;
};

/** What became of a message to `/approvals/NAME`. */
export type Taken =
  | { readonly kind: 'taken'; readonly result: 'approved' | 'declined' }
  | { readonly kind: 'counted'; readonly still: number }
  /** Also for a webhook that does not exist: a stranger cannot find out which do. */
  | { readonly kind: 'unsigned'; readonly why: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'ended'; readonly how: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** Messages of one webhook that are remembered, so that none counts twice. Only who has its secret can use them up. */
const seenMax = 10_000;
/** As long as a message could be accepted again: five minutes early to five minutes late. */
const seenMs = 2 * toleranceMs;

/** Asks through chat and ticket systems. What they answer counts only under their own secret, and once. */
export class Webhooks {
  readonly #parts: WebhooksParts;
  /** Webhook → id of a message → when it can be forgotten, on the steady clock; oldest first. */
  readonly #seen = new Map<string, Map<string, number>>();
  /** For names that are no webhook's, so that those take as long to refuse. */
  readonly #nobodysKey = randomBytes(32);

  constructor(parts: WebhooksParts) {
    this.#parts = parts;
  }

  /** Sends a question; never throws. What cannot be sent is told to the gate, after this has returned. */
  readonly ask = (question: Question, name: string): void => {
    const { hookOf, post, gate } = this.#parts;
    const failed = (why: string) => gate.unreachable(question.id, name, `the webhook ${name} ${why}`);
    const hook = hookOf(name);
    if (hook === undefined) return queueMicrotask(() => failed('has no usable secret'));
    const body = questionBody(question, `/approvals/${name}`);
    if (body === undefined) return queueMicrotask(() => failed('cannot show a call that is so long'));
    const id = `msg_${randomBytes(16).toString('hex')}`;
    post({
      webhook: name,
      url: hook.url,
      body,
      headersAt: (wallMs) => sign(hook.key, id, wallMs, body),
      untilMs: question.expiresAt,
      failed,
    });
  };

  /**
   * Takes a signed answer. Throws `BAD_JSON` or `BAD_PARAMS` when its body is none, `TOO_MANY` when its webhook says too much,
   * `AUDIT_UNAVAILABLE` when a yes cannot be put on record: then it does not count.
   */
  readonly take = async (name: string, headers: Headers, body: Buffer): Promise<Taken> => {
    const { clock, hookOf } = this.#parts;
    const hook = hookOf(name);
    const verified = verify(hook?.key ?? this.#nobodysKey, headers, body, clock.wallMs());
    if (hook === undefined) return { kind: 'unsigned', why: 'there is no such webhook' };
    if (verified.kind === 'unsigned') return verified;
    const seen = this.#seenOf(name);
    // Whoever could read a message on its way must not be able to say it again.
    if (seen.has(verified.id)) return { kind: 'ended', how: 'replayed' };
    if (seen.size >= seenMax) throw new Fault('TOO_MANY', { detail: `${name}: ${seen.size} messages` });
    seen.set(verified.id, clock.steadyMs() + seenMs);
    try {
      return await this.#hear(name, readWebhookAnswer(body));
    } catch (reason) {
      // It changed nothing, so the sender may try again.
      seen.delete(verified.id);
      throw reason;
    }
  };

  async #hear(name: string, answer: WebhookAnswer): Promise<Taken> {
    const { gate, record } = this.#parts;
    const by = `webhook:${name}/${answer.by}`;
    const args = [`id=${answer.id}`, ...(answer.forMs > 0 ? [`for=${answer.forMs}ms`] : [])];
    const note = (result: string) => record({ by, command: answer.verdict, args, result });
    // Write it down, then do it: a yes must not happen without leaving a trace. A no counts whatever the journal says.
    if (answer.verdict === 'approve') await note('begun');
    const { id, verdict, reason, forMs } = answer;
    const taken = takenOf(gate.answer(id, { verdict, by, reason: reason ?? '', forMs }));
    await note(resultOf(taken)).catch(() => undefined); // The journal keeps it, and writes it once it can.
    return taken;
  }

  /** What a webhook said lately, without what is too old to be said again. */
  #seenOf(name: string): Map<string, number> {
    const seen = this.#seen.get(name) ?? new Map<string, number>();
    this.#seen.set(name, seen);
    const now = this.#parts.clock.steadyMs();
    for (const [id, until] of seen) {
      if (until > now) break;
      seen.delete(id);
    }
    return seen;
  }
}

function takenOf(answered: Answered): Taken {
  switch (answered.kind) {
    case 'taken':
      return { kind: 'taken', result: answered.ending };
    case 'counted':
      return { kind: 'counted', still: answered.still };
    case 'refused':
      return answered;
    case 'already':
      return { kind: 'ended', how: answered.ending };
    case 'unknown':
      return answered;
  }
}

function resultOf(taken: Taken): string {
  switch (taken.kind) {
    case 'taken':
      return taken.result;
    case 'counted':
      return `counted, ${taken.still} more needed`;
    case 'ended':
      return `refused: ${taken.how}`;
    case 'refused':
      return `refused: ${taken.reason}`;
    case 'unknown':
    case 'unsigned':
      return 'refused: no such question';
  }
}
