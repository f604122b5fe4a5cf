import { resolve } from 'node:path';
import { Fault } from '../domain/faults.ts';
import type { SecretReference, SecretSettings } from '../domain/secret-reference.ts';
import { commandProvider, type RunCommand } from './command.ts';
import { readCredential } from './credential.ts';
import { withKeychain, type OpenKeychain } from './keychain.ts';
import type { OwnEnvironment } from './own-environment.ts';
import { answered, oneByOne, type Answer, type Provider, type Providers } from './provider.ts';
import { readSecretFile } from './secret-file.ts';
import type { Vault } from './vault.ts';

export type ProviderParts = {
  readonly settings: SecretSettings;
  readonly vault: Vault;
  /** Of the daemon; `env:` variables are taken out of it. */
  readonly environment: OwnEnvironment;
  /** Where CREDENTIALS_DIRECTORY is read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Undefined: no program is started. */
  readonly run: RunCommand | undefined;
  readonly execPath?: string;
  readonly openKeychain?: OpenKeychain;
};

/** Every place a reference may name, by scheme. */
export function allProviders(parts: ProviderParts): Providers {
  const { settings, vault, environment, env, run, execPath = process.execPath } = parts;
  return new Map<string, Provider>([
    ['keychain', keychainProvider(parts.openKeychain ?? withKeychain)],
    ['vault', vaultProvider(vault)],
    ['systemd', oneByOne((it) => readCredential(nameOf(it), env))],
    ['env', oneByOne((it) => fromEnvironment(nameOf(it), environment))],
    ['file', fileProvider('/')],
    ...(run === undefined ? [] : settings.commands).map((command): [string, Provider] => [
      command.name,
      // `run` is there, or there would be no commands.
      commandProvider(command, run as RunCommand, environment, execPath),
    ]),
  ]);
}

/** `baseDir`: what a relative path counts from. */
export function fileProvider(baseDir: string): Provider {
  return oneByOne((it) => readSecretFile(resolve(baseDir, it.kind === 'file' ? it.path : '')));
}

/** A keychain that fails once would fail each time, three seconds later; the first failure stands for all. */
export function keychainProvider(openKeychain: OpenKeychain): Provider {
  return {
    get: (references) =>
      openKeychain(async (keychain) => {
        const answers: Answer[] = [];
        let broken: Fault | undefined;
        for (const reference of references) {
          const name = nameOf(reference);
          const answer = await answered(async () => {
            if (broken !== undefined) throw broken;
            const value = await keychain.get(name).catch((reason: unknown) => {
              broken = Fault.from(reason);
              throw broken;
            });
            if (value !== undefined) return value;
            throw new Fault('SECRET_UNAVAILABLE', {
              detail: 'the keychain holds no such secret',
              hint: `mcpd secret set ${name}`,
            });
          });
          answers.push(answer);
        }
        return answers;
      }),
  };
}

function vaultProvider(vault: Vault): Provider {
  return {
    get: async (references) => {
      let values: ReadonlyMap<string, string>;
      try {
        values = await vault.get(references.map(nameOf));
      } catch (reason) {
        const fault = Fault.from(reason);
        return references.map(() => ({ fault }));
      }
      return Promise.all(
        references.map((reference) =>
          answered(() => {
            const name = nameOf(reference);
            const value = values.get(name);
            if (value !== undefined) return Promise.resolve(value);
            throw new Fault('SECRET_UNAVAILABLE', {
              detail: 'the vault holds no such secret',
              hint: `mcpd secret set ${name} --in vault`,
            });
          }),
        ),
      );
    },
  };
}

function fromEnvironment(name: string, environment: OwnEnvironment): Promise<string> {
  const value = environment.take(name);
  if (value !== undefined) return Promise.resolve(value);
  throw new Fault('SECRET_UNAVAILABLE', {
    detail: `mcpd was started without the variable ${name}`,
    hint: `start it with ${name} set, or keep the secret in the vault: mcpd secret set NAME --in vault`,
  });
}

function nameOf(reference: SecretReference): string {
  return 'name' in reference ? reference.name : '';
}
