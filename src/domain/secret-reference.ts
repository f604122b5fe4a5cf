/** Where a secret is kept. The reference may be shown to anyone; the value may not. */
export type SecretReference =
  | { readonly kind: 'keychain'; readonly name: string }
  | { readonly kind: 'vault'; readonly name: string }
  | { readonly kind: 'systemd'; readonly name: string }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string }
  /** `rest` is handed to the owner's own program, `[secrets.commands.COMMAND]` in mcpd.toml. */
  | { readonly kind: 'command'; readonly command: string; readonly rest: string };

/** How to run a program that knows secrets: `[secrets.commands.NAME]` in mcpd.toml. */
export type SecretCommand = {
  readonly name: string;
  /** Absolute path of the program. */
  readonly command: string;
  /** What stands behind `NAME:` takes the place of each `{}`; where there is none, it is the last argument. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Variables of the daemon's own environment that the program is given, where they are set. */
  readonly pass: readonly string[];
  readonly withinMs: number;
};

/** Where the key of the vault comes from. `file`: an absolute path; made with the first secret when it is not there. */
export type VaultKeySource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'systemd'; readonly name: string }
  | { readonly kind: 'passphrase' };

/** `[secrets]` in mcpd.toml. */
export type SecretSettings = {
  /** Undefined: a key file beside the owner's other settings. */
  readonly vaultKey: VaultKeySource | undefined;
  readonly commands: readonly SecretCommand[];
};

/** Schemes with a meaning of their own; a command cannot be called so. */
export const reservedSchemes = ['keychain', 'vault', 'systemd', 'env', 'file'] as const;

/** What a reference may look like, for whoever wrote something else. */
export const referenceForms =
  '"keychain:NAME", "vault:NAME", "systemd:NAME", "file:PATH", "env:NAME", or "COMMAND:…" with a [secrets.commands.COMMAND] in mcpd.toml';

/** A secret in the keychain or the vault: it has to survive a command line, a TOML string and a list with one name per line. */
const secretName = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/;
/** The name of a file in the folder that systemd made. */
const credentialName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const variableName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** What mcpd and Node themselves read is no secret, and would be missed when it is taken out of the environment. */
const ownVariables =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|PWD|LANG|TZ|TMPDIR|CREDENTIALS_DIRECTORY|NOTIFY_SOCKET|MCPD_STATE_DIR|MCPD_POLICIES|PM2_HOME|(?:LC|XDG|DBUS|NODE|LD|DYLD)_.*)$/;
const commandName = /^[a-z][a-z0-9-]{0,31}$/;
const restCharsMax = 1024;

export function isSecretName(text: string): boolean {
  return secretName.test(text);
}

/** Whether a program that knows secrets may be called so. */
export function isCommandName(text: string): boolean {
  return commandName.test(text) && !reservedSchemes.some((scheme) => scheme === text);
}

export function isVariableName(text: string): boolean {
  return variableName.test(text);
}

/** Whether a variable is one by which the system, mcpd or Node work, and so never a secret. */
export function isOwnVariable(name: string): boolean {
  return ownVariables.test(name);
}

/**
 * Reads a reference; undefined when the text is none. Of `command:…` nobody here knows whether there is such a command: what
 * is pasted in the place of a reference may look like one.
 */
export function readReference(text: string): SecretReference | undefined {
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  const scheme = text.slice(0, colon);
  const rest = text.slice(colon + 1);
  switch (scheme) {
    case 'keychain':
    case 'vault':
      return isSecretName(rest) ? { kind: scheme, name: rest } : undefined;
    case 'systemd':
      return credentialName.test(rest) ? { kind: scheme, name: rest } : undefined;
    case 'env':
      return isVariableName(rest) && !isOwnVariable(rest) ? { kind: scheme, name: rest } : undefined;
    case 'file': {
      // `file://…` would be a URL, which we do not read; a NUL would end the path early inside the kernel.
      const usable = rest !== '' && rest.length <= 4096 && !rest.startsWith('//') && !rest.includes('\0');
      return usable ? { kind: 'file', path: rest } : undefined;
    }
    default:
      // What begins with a dash would be an option to the program, and not the name of anything.
      return isCommandName(scheme) &&
        rest !== '' &&
        rest.length <= restCharsMax &&
        !rest.startsWith('-') &&
        !/[\u0000-\u001f\u007f]/.test(rest)
        ? { kind: 'command', command: scheme, rest }
        : undefined;
  }
}

/** The scheme under which the settings know it. */
export function schemeOf(reference: SecretReference): string {
  return reference.kind === 'command' ? reference.command : reference.kind;
}
