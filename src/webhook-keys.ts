import type { Hook } from './confirm/webhook.ts';
import { readKey } from './confirm/webhook-signature.ts';
import { Fault } from './domain/faults.ts';
import type { Webhook } from './domain/orders.ts';

export type HookKeeperParts = {
  /** Rejects with `SECRET_UNAVAILABLE`. */
  readonly secretOf: (webhook: Webhook) => Promise<string>;
  /** Told every secret, so that it is redacted wherever it turns up. */
  readonly learn: (secret: string) => void;
  readonly warn: (webhook: string, why: string, hint: string | undefined) => void;
};

/** The webhooks of the policy in force, with their secrets. One without its secret is as good as none. */
export class HookKeeper {
  readonly #parts: HookKeeperParts;
  #hooks: ReadonlyMap<string, Hook & { readonly from: Webhook }> = new Map();
  #generation = 0;
  /** Those of the policy in force. */
  #webhooks: readonly Webhook[] = [];

  constructor(parts: HookKeeperParts) {
    this.#parts = parts;
  }

  readonly hookOf = (name: string): Hook | undefined => this.#hooks.get(name);

  /** Puts these in force. What is gone or changed is out of force at once; what is new comes with its secret. */
  async apply(webhooks: readonly Webhook[]): Promise<void> {
    const generation = ++this.#generation;
    this.#webhooks = webhooks;
    const same = ({ name, url, secret }: Webhook) => {
      const from = this.#hooks.get(name)?.from;
      return from?.url === url && from.secret === secret;
    };
    const kept = new Set(webhooks.filter(same).map(({ name }) => name));
    this.#hooks = new Map([...this.#hooks].filter(([name]) => kept.has(name)));
    const found: [string, Hook & { from: Webhook }][] = [];
    for (const webhook of webhooks) {
      const key = await this.#keyOf(webhook);
      if (key !== undefined) found.push([webhook.name, { url: webhook.url, key, from: webhook }]);
    }
    // A reload that began later knows better.
    if (generation === this.#generation) this.#hooks = new Map(found);
  }

  /** Fetches a secret again; a webhook that is signed with it is out of force until the new one is there. */
  async renew(reference: string): Promise<void> {
    if (!this.#webhooks.some(({ secret }) => secret === reference)) return;
    this.#hooks = new Map([...this.#hooks].filter(([, { from }]) => from.secret !== reference));
    await this.apply(this.#webhooks);
  }

  async #keyOf(webhook: Webhook): Promise<Buffer | undefined> {
    try {
      const secret = await this.#parts.secretOf(webhook);
      this.#parts.learn(secret);
      const key = readKey(secret);
      if (key.ok) return key.bytes;
      this.#parts.warn(webhook.name, `its secret ${key.why}`, 'store another: openssl rand -base64 32');
    } catch (reason) {
      const { detail, says, hint } = Fault.from(reason);
      this.#parts.warn(webhook.name, detail ?? says, hint);
    }
    return undefined;
  }
}
