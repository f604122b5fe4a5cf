import type { IncomingHttpHeaders } from 'node:http';
import type { Question } from './confirm/question.ts';
import { Webhooks, type WebhooksParts } from './confirm/webhook.ts';
import type { Clock } from './domain/clock.ts';
import type { Webhook } from './domain/orders.ts';
import { resolveSecrets } from './secrets/resolve.ts';
import { HookKeeper } from './webhook-keys.ts';
import { Postman } from './webhooks.ts';

export type WebhookDeskParts = Pick<WebhooksParts, 'gate' | 'record'> & {
  readonly clock: Clock;
  readonly version: string;
  readonly log: (level: 'info' | 'warn', fields: Record<string, unknown>, message: string) => void;
  /** Told every secret, so that it is redacted wherever it turns up. */
  readonly learn: (secret: string) => void;
  /** The value of a reference; `name` is what needs it. Rejects with `SECRET_UNAVAILABLE`. */
  readonly secretOf?: (name: string, reference: string) => Promise<string>;
};

/** Everything about webhooks: whose secrets are known, how a question gets there, and what is answered. */
export class WebhookDesk {
  readonly #postman: Postman;
  readonly #hooks: HookKeeper;
  readonly #webhooks: Webhooks;

  constructor({ clock, version, log, learn, secretOf = fromKeychainOrFile, gate, record }: WebhookDeskParts) {
    this.#postman = new Postman({ clock, version, log });
    this.#hooks = new HookKeeper({
      secretOf: ({ name, secret }) => secretOf(name, secret),
      learn,
      warn: (webhook, why, hint) => log('warn', { webhook, hint }, `a webhook cannot be used: ${why}`),
    });
    this.#webhooks = new Webhooks({
      clock,
      hookOf: this.#hooks.hookOf,
      post: (parcel) => void this.#postman.post(parcel),
      gate,
      record,
    });
  }

  /** Puts the webhooks of a policy in force. Resolves when their secrets are there, or are known not to be. */
  apply(webhooks: readonly Webhook[]): Promise<void> {
    return this.#hooks.apply(webhooks);
  }

  /** There is another value where this reference points. Resolves when it is in force, or known to be missing. */
  secretChanged(reference: string): Promise<void> {
    return this.#hooks.renew(reference);
  }

  ask(question: Question, webhook: string): void {
    this.#webhooks.ask(question, webhook);
  }

  take(name: string, headers: IncomingHttpHeaders, body: Buffer): ReturnType<Webhooks['take']> {
    return this.#webhooks.take(name, headers, body);
  }

  close(): void {
    this.#postman.close();
  }
}

async function fromKeychainOrFile(name: string, reference: string): Promise<string> {
  return (await resolveSecrets({ [name]: reference }, '/'))[name] ?? '';
}
