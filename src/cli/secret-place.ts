import { dirname, resolve } from 'node:path';
import type { Io } from './io.ts';
import { controlSocketIn, policiesDir, stateDir } from './place.ts';
import { Complaints } from '../config/complain.ts';
import { printComplaint } from '../config/complaint.ts';
import { loadPolicies } from '../config/load.ts';
import { decode, readPolicies } from '../config/read.ts';
import { secretsShape } from '../config/schema-secrets.ts';
import { secretSettings } from '../config/secrets.ts';
import { openStateDir, type StateDir } from '../config/state-dir.ts';
import { readToml } from '../config/toml.ts';
import { Fault } from '../domain/faults.ts';
import type { SecretSettings } from '../domain/secret-reference.ts';
import { vaultFileIn } from '../open-secrets.ts';
import { commandRunner } from '../run-command.ts';
import { OwnEnvironment } from '../secrets/own-environment.ts';
import type { Providers } from '../secrets/provider.ts';
import { allProviders } from '../secrets/providers.ts';
import { Vault } from '../secrets/vault.ts';

/** Something in the policy that needs a secret: a variable of a server, or the signature of a webhook. */
export type Use = { readonly reference: string; readonly by: string; readonly variable: string };

/** Where the secrets of one daemon are, and what its policy wants of them. */
export type SecretPlace = {
  readonly state: StateDir;
  readonly controlSocket: string;
  readonly vault: Vault;
  readonly providers: Providers;
  readonly settings: SecretSettings;
  readonly env: Io['env'];
  readonly uses: readonly Use[];
  /** Why `uses` is empty although there may be some. */
  readonly unread: string | undefined;
};

export type PlaceOptions = { readonly policies?: string };

/** Throws `CONFIG_INVALID` when what mcpd.toml says about secrets cannot be read: a vault would be closed with another key. */
export function openPlace(options: PlaceOptions, io: Io): SecretPlace {
  const policies = policiesDir(options.policies, io.env);
  const dir = stateDir(policies, io.env);
  const state = openStateDir(dir);
  const settings = settingsIn(policies);
  const vault = new Vault({
    path: vaultFileIn(dir),
    source: settings.vaultKey,
    env: io.env,
    passphrase: asking(io),
    wallMs: io.now,
  });
  const providers = allProviders({
    settings,
    vault,
    // A copy: a command line has no children that could inherit anything.
    environment: new OwnEnvironment({ ...io.env }),
    env: io.env,
    run: commandRunner(undefined),
  });
  const { uses, unread } = usesIn(policies, io);
  return {
    state,
    controlSocket: controlSocketIn(dir),
    vault,
    providers,
    settings,
    env: io.env,
    uses,
    unread,
  };
}

/** Typed twice for a new vault: a slip would close it for good. */
function asking({ readPassphrase: ask }: Io): ((isNew: boolean) => Promise<string>) | undefined {
  if (ask === undefined) return undefined;
  return async (isNew) => {
    const typed = await ask('Passphrase of the vault (not shown): ');
    if (isNew && (await ask('The same again: ')) !== typed)
      throw new Fault('CANCELLED', {
        detail: 'the two passphrases differ',
        hint: 'type the same command again',
      });
    return typed;
  };
}

/** Only what is about secrets, so that a mistake in some server's file does not keep anybody from mending it. */
function settingsIn(policies: string): SecretSettings {
  const read = readPolicies(policies).files.find(({ server }) => server === undefined);
  if (read === undefined) return { vaultKey: undefined, commands: [] };
  const text = decode(read);
  const parsed = typeof text === 'string' ? readToml(text) : undefined;
  if (parsed?.ok !== true) throw broken(`${read.file} is not valid TOML`);
  const { places, value } = parsed.document;
  const complaints = new Complaints(read.file, places);
  const table = (value as Readonly<Record<string, unknown>>)['secrets'];
  const checked = secretsShape.safeParse(table ?? {});
  if (!checked.success) throw broken(`${read.file}: [secrets] cannot be read`);
  const settings = secretSettings(checked.data, resolve(dirname(read.file)), complaints);
  const [wrong] = complaints.all;
  if (complaints.anyErrors && wrong !== undefined) throw broken(printComplaint(wrong));
  return settings;
}

function broken(detail: string): Fault {
  return new Fault('CONFIG_INVALID', { detail, hint: 'mcpd check' });
}

function usesIn(policies: string, io: Io): Pick<SecretPlace, 'uses' | 'unread'> {
  const loaded = loadPolicies(policies, io.env);
  if (!loaded.ok) {
    const [first] = loaded.complaints;
    return { uses: [], unread: first === undefined ? 'the policy cannot be read' : printComplaint(first) };
  }
  const ofServers = loaded.servers.flatMap(({ spec }) =>
    Object.entries(spec.secrets).map(([variable, { reference }]) => ({ reference, by: spec.name, variable })),
  );
  const ofWebhooks = loaded.daemon.webhooks.map(({ name, secret }) => ({
    reference: secret,
    by: `webhook ${name}`,
    variable: 'secret',
  }));
  return { uses: [...ofServers, ...ofWebhooks], unread: undefined };
}
