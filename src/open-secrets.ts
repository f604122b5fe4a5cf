import { join } from 'node:path';
import { realClock } from './domain/clock.ts';
import type { ServerSpec, Webhook } from './domain/orders.ts';
import { readReference, type SecretSettings } from './domain/secret-reference.ts';
import { commandRunner } from './run-command.ts';
import { claimPassed } from './secrets/command.ts';
import type { Values } from './secrets/holdings.ts';
import { SecretKeeper, type KeeperParts } from './secrets/keeper.ts';
import { OwnEnvironment } from './secrets/own-environment.ts';
import type { Providers } from './secrets/provider.ts';
import { allProviders } from './secrets/providers.ts';
import { askEach, settle, valuesOf } from './secrets/resolve.ts';
import { Vault } from './secrets/vault.ts';

/** The vault of a state directory. */
export function vaultFileIn(stateDir: string): string {
  return join(stateDir, 'vault.json');
}

export type HouseSecretsParts = Pick<KeeperParts, 'learn' | 'forget' | 'log'> & {
  readonly stateDir: string;
  /** The daemon's own; secrets are taken out of it. */
  readonly env: Record<string, string | undefined>;
  /** Marks programs that are started for a secret, as children are marked. */
  readonly cookie: string;
  /** Asks the person at the terminal for the passphrase of the vault; undefined where there is none. */
  readonly passphrase?: (() => Promise<string>) | undefined;
  readonly fleet: () => {
    readonly renew: (server: string, why: string, withinMs: number) => void;
    readonly retry: (server: string) => void;
  };
};

/** Calls of a server whose secret was replaced may take so long before its children are replaced, too. */
const drainWithinMs = 10_000;

/** The daemon's secrets: where they are kept, who holds them, and what happens when they change. */
export class HouseSecrets {
  readonly keeper: SecretKeeper;
  readonly #parts: HouseSecretsParts;
  readonly #environment: OwnEnvironment;
  readonly #passphrase: (() => Promise<string>) | undefined;
  #providers: Providers = new Map();
  #settings = '';

  constructor(parts: HouseSecretsParts) {
    this.#parts = parts;
    this.#environment = new OwnEnvironment(parts.env);
    this.#passphrase = parts.passphrase === undefined ? undefined : once(parts.passphrase);
    this.keeper = new SecretKeeper({
      clock: realClock,
      providers: () => this.#providers,
      learn: parts.learn,
      forget: parts.forget,
      log: parts.log,
      restart: (server, why) => parts.fleet().renew(server, why, drainWithinMs),
      retry: (server) => parts.fleet().retry(server),
    });
  }

  /** Puts the secrets of a policy in force; to be called before its servers are started. */
  apply(
    settings: SecretSettings,
    servers: readonly ServerSpec[],
    webhooks: readonly Pick<Webhook, 'secret'>[],
  ): void {
    const uses = new Map(servers.map(({ name, secrets }) => [name, secrets]));
    const references = [
      ...webhooks.map(({ secret }) => secret),
      ...[...uses.values()].flatMap((it) => Object.values(it)).map(({ reference }) => reference),
    ];
    // Before any child is started: what is a secret leaves the environment that everybody here could read.
    for (const read of references.map(readReference))
      if (read?.kind === 'env') this.#environment.take(read.name);
    for (const value of claimPassed(settings.commands, this.#environment)) this.#parts.learn(value);
    const said = JSON.stringify(settings);
    if (said !== this.#settings) this.#open(settings);
    this.#settings = said;
    this.keeper.apply(uses);
  }

  /** See `FleetDeps.secretsFor`. */
  readonly secretsFor = (spec: ServerSpec): Promise<Values> => this.keeper.resolve(spec.name, spec.secrets);

  /** See `FleetDeps.secretsBack`. */
  readonly secretsBack = (values: Values): void => this.keeper.release(values);

  /** One value, for the daemon itself. `name` is what needs it. Rejects with `SECRET_UNAVAILABLE`. */
  readonly secretOf = async (name: string, reference: string): Promise<string> => {
    const answers = await settle(askEach([reference], this.#providers));
    return valuesOf([[name, reference]], answers)[name] ?? '';
  };

  close(): void {
    this.keeper.close();
  }

  #open(settings: SecretSettings): void {
    const { env, stateDir, cookie } = this.#parts;
    const passphrase = this.#passphrase;
    this.#providers = allProviders({
      settings,
      vault: new Vault({
        path: vaultFileIn(stateDir),
        source: settings.vaultKey,
        env,
        passphrase: passphrase === undefined ? undefined : () => passphrase(),
        wallMs: realClock.wallMs,
      }),
      environment: this.#environment,
      env,
      run: commandRunner(cookie),
    });
  }
}

/** A person is asked once; whoever mistyped starts mcpd again. */
function once(ask: () => Promise<string>): () => Promise<string> {
  let answer: Promise<string> | undefined;
  return () => (answer ??= ask());
}
