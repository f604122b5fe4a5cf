import { resolve } from 'node:path';
import { isCommandName, isVariableName, readReference, reservedSchemes } from '../domain/secret-reference.ts';
import type { SecretCommand, SecretSettings, VaultKeySource } from '../domain/secret-reference.ts';
import type { SecretUse } from '../domain/orders.ts';
import type { Complaints } from './complain.ts';
import { quote } from './complaint.ts';
import { resolveCommand } from './command.ts';
import { fromHere } from './reference.ts';
import type { WrittenSecrets } from './schema-secrets.ts';

const commandsMax = 32;

/** [secrets] of mcpd.toml; whatever does not fit is complained about. */
export function secretSettings(
  written: WrittenSecrets,
  folder: string,
  complaints: Complaints,
): SecretSettings {
  const commands = Object.entries(written.commands);
  if (commands.length > commandsMax)
    complaints.aboutKey(
      ['secrets', 'commands'],
      `${String(commands.length)} commands`,
      `at most ${String(commandsMax)}`,
    );
  return {
    vaultKey: keySource(written.vault.key, folder, complaints),
    commands: commands.map(([name, { run, env, pass, within }]): SecretCommand => {
      const path = ['secrets', 'commands', name];
      if (!isCommandName(name))
        complaints.aboutKey(
          path,
          `a command cannot be called ${quote(name)}`,
          `1 to 32 of a-z, 0-9 and -, a letter first; not ${reservedSchemes.join(', ')}`,
        );
      for (const variable of [...Object.keys(env), ...pass])
        if (!isVariableName(variable))
          complaints.about(path, `bad variable name ${quote(variable)}`, 'letters, digits and _');
      const [program = '', ...args] = run;
      const resolved = resolveCommand(program, folder, process.execPath);
      if (!resolved.ok) complaints.about([...path, 'run', 0], resolved.what, resolved.expected);
      return {
        name,
        command: resolved.ok ? resolved.command : program,
        args,
        env,
        pass,
        withinMs: within,
      };
    }),
  };
}

function keySource(
  written: string | undefined,
  folder: string,
  complaints: Complaints,
): VaultKeySource | undefined {
  if (written === undefined) return undefined;
  if (written === 'passphrase') return { kind: 'passphrase' };
  const read = readReference(written);
  if (read?.kind === 'file') return { kind: 'file', path: resolve(folder, read.path) };
  if (read?.kind === 'systemd') return { kind: 'systemd', name: read.name };
  complaints.about(
    ['secrets', 'vault', 'key'],
    'the vault cannot be opened by that',
    '"file:PATH", "systemd:NAME" or "passphrase"',
  );
  return undefined;
}

/** One variable of [secrets] in a server file; undefined when it is no reference. */
export function secretUse(
  { from, ttl }: { readonly from: string; readonly ttl: number | undefined },
  folder: string,
): SecretUse | undefined {
  const reference = fromHere(from, folder);
  return reference === undefined ? undefined : { reference, ttlMs: ttl };
}
